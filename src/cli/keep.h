/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keep.h: what who watches a ledger remembers: the last head that passed, and the one that did
 * not go with it. In --keep, else in the state of --device. */
#ifndef KS_CLI_KEEP_H
#define KS_CLI_KEEP_H

#include "base/text.h"
#include "cli/ledger.h"

struct ks_cli_kept {
    char head_path[KS_PATH_MAX]; /* the last checkpoint that passed, a signed note */
    char fork_path[KS_PATH_MAX]; /* one that does not go with it: both are the evidence */
    bool there;
    struct ks_head head; /* the empty one when none is there */
};

/* Reads the head that was kept. KS_ERR_CONFLICT when it is of another site. */
KS_MUST_CHECK enum ks_err ks_cli_kept_open(const struct ks_cli *cli, const struct ks_site *site,
                                           struct ks_cli_kept *out_kept);
/* NOTE is the last head from now on, durably. */
KS_MUST_CHECK enum ks_err ks_cli_keep_head(struct ks_cli_kept *kept, struct ks_bytes note);
/* Keeps LEDGER's head as evidence. KS_ERR_VERIFY with a sentence that names both files and the
 * detail stored before; another error when it could not be kept. */
KS_MUST_CHECK enum ks_err ks_cli_keep_fork(const struct ks_cli_kept *kept,
                                           const struct ks_cli_ledger *ledger);

#endif
