/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* witness.h: the flags --witnesses and --witness-quorum. */
#ifndef KS_CLI_WITNESS_H
#define KS_CLI_WITNESS_H

#include "cli/cli.h"
#include "record/witnesses.h"

/* The witnesses of --witnesses, a file of vkeys, for the ledger ORIGIN; the quorum is that of
 * --witness-quorum, or all of them. Count 0 without the flag. OUT_WITNESSES is given to
 * ks_witnesses_done after a failure too. */
KS_MUST_CHECK enum ks_err ks_cli_witnesses(const struct ks_cli *cli, struct ks_bytes origin,
                                           struct ks_witnesses *out_witnesses);

#endif
