/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_lost.h: bundles of contributions whose answer was lost, fetched after their rounds have
 * ended: the list of a round says which job was ours. */
#ifndef KS_CLI_FL_LOST_H
#define KS_CLI_FL_LOST_H

#include "cli/cli.h"
#include "ketseal/client.h"

/* Of the rounds of SESSION that ended last and have an update of the client's device, each
 * whose bundle is not in --out: verified, and kept as SESSION-ROUND.json. */
KS_MUST_CHECK enum ks_err ks_cli_fl_lost(const struct ks_cli *cli, struct ks_client *client,
                                         const char *session);

#endif
