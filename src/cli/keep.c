/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/keep.h"

#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"

#define HEAD_FILE "ledger-head"
#define FORK_FILE "ledger-fork"

static enum ks_err find_paths(const struct ks_cli *cli, struct ks_cli_kept *kept)
{
    enum ks_err err = KS_OK;
    const char *folder = ks_cli_text(cli, "keep");
    char state[KS_PATH_MAX];

    if (folder == NULL) {
        KS_TRY(ks_path_join(ks_cli_text(cli, "device"), "state", state));
        folder = state;
    } else {
        KS_TRY(ks_dir_make(folder, 0700));
    }
    KS_TRY(ks_path_join(folder, HEAD_FILE, kept->head_path));
    KS_TRY(ks_path_join(folder, FORK_FILE, kept->fork_path));
out:
    return err;
}

enum ks_err ks_cli_kept_open(const struct ks_cli *cli, const struct ks_site *site,
                             struct ks_cli_kept *out_kept)
{
    enum ks_err err = KS_OK;
    struct ks_cli_kept kept = {.there = false};
    struct ks_checkpoint_opened opened;
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_head_empty(&kept.head);
    KS_TRY(find_paths(cli, &kept));
    err = ks_file_read(kept.head_path, KS_NOTE_LEN_MAX, &note);
    if (err == KS_OK) {
        err = ks_site_checkpoint_open(site, ks_buf_view(&note), &opened);
        KS_CHECK(err != KS_ERR_VERIFY, KS_ERR_CONFLICT,
                 "%s is of another site than the pinned one; remove it only if the site was "
                 "replaced with your knowledge",
                 kept.head_path);
        KS_TRY(ks_fail_prefix(err, "%s", kept.head_path));
        kept.there = true;
        kept.head.size = opened.checkpoint.size;
        ks_copy(kept.head.root, opened.checkpoint.root, sizeof kept.head.root);
    }
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    *out_kept = kept;
out:
    ks_buf_done(&note);
    return err;
}

enum ks_err ks_cli_keep_head(struct ks_cli_kept *kept, struct ks_bytes note)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_file_write(kept->head_path, note, 0600));
    kept->there = true;
out:
    return err;
}

/* Both heads carry the site's signatures: together they prove to anybody what the site did. */
enum ks_err ks_cli_keep_fork(const struct ks_cli_kept *kept, const struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;
    char reason[KS_ERR_DETAIL_MAX];

    (void)snprintf(reason, sizeof reason, "%s", ks_err_detail());
    KS_TRY(ks_file_write(kept->fork_path, ks_buf_view(&ledger->note), 0600));
    err = ks_fail(
        KS_ERR_VERIFY,
        "FORK: the ledger of %.64s is not the one seen before: %.160s. Keep %s and %s: both "
        "are signed by the site and prove it",
        ledger->site->origin, reason, kept->head_path, kept->fork_path);
out:
    return err;
}
