/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* learning.h: what the commands of an operator about federated learning share. */
#ifndef KS_CLI_LEARNING_H
#define KS_CLI_LEARNING_H

#include "cli/cli.h"
#include "client/operator.h"
#include "record/fl.h"

/* --operator and --url, connected. */
KS_MUST_CHECK enum ks_err ks_learning_operator(const struct ks_cli *cli,
                                               struct ks_operator **out_operator);
/* KS_ERR_USAGE unless TEXT is a session. */
KS_MUST_CHECK enum ks_err ks_learning_session(const char *text,
                                              uint8_t out_session[KS_SESSION_LEN]);
/* Both, of a command whose first operand is a session. */
KS_MUST_CHECK enum ks_err ks_learning_open(const struct ks_cli *cli,
                                           struct ks_operator **out_operator);
/* Says what changes in the session of the first operand until it has ended. */
KS_MUST_CHECK enum ks_err ks_learning_watch(const struct ks_cli *cli, struct ks_operator *op);

#endif
