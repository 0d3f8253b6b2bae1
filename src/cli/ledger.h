/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger.h: where the commands find a ledger, and whose it is: the site itself, a folder of
 * static files (--from=DIR), or a static server (--from=http://…). Whoever has the files is
 * believed in nothing: the pinned site's keys sign the checkpoint, and all else leads there. */
#ifndef KS_CLI_LEDGER_H
#define KS_CLI_LEDGER_H

#include "cli/cli.h"
#include "ketseal/client.h"
#include "record/site.h"
#include "store/tree.h"

struct ks_cli_ledger {
    struct ks_site *site; /* pinned */
    struct ks_client *client;
    struct ks_tree *tree;
    char url[512]; /* of a static server, without a '/' at the end; "" for none */
    unsigned timeout_ms;
    struct ks_tree_source source; /* its files */
    struct ks_buf note;           /* the checkpoint as it came */
    struct ks_checkpoint_opened head;
};

/* Reads --site, or site.json of --device, and opens --from, else the site of --device. LEDGER
 * is the caller's to release, always. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_open(const struct ks_cli *cli,
                                             struct ks_cli_ledger *ledger);
/* The same for a folder of files and a site document. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_open_files(const char *directory, const char *site,
                                                   struct ks_cli_ledger *ledger);
void ks_cli_ledger_close(struct ks_cli_ledger *ledger); /* zeroed is fine */
/* Fetches the checkpoint anew and checks its signatures: then NOTE and HEAD are of it. On
 * failure they are unspecified. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_fetch(struct ks_cli_ledger *ledger);
/* The head as size and root. */
struct ks_head ks_cli_ledger_head(const struct ks_cli_ledger *ledger);
/* Whether the command asks for files rather than for the site. */
bool ks_cli_ledger_is_static(const struct ks_cli *cli);

/* That the ledger of OLD is a prefix of the one of LEDGER's head, by the files of the latter.
 * KS_ERR_VERIFY when it is not, and then *OUT_FORK (NULL: not asked for) says whether the two
 * heads prove it, rather than files that are not those of the newer one. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_consistent(struct ks_cli_ledger *ledger,
                                                   const struct ks_head *old, bool *out_fork);
/* Entry INDEX, proved by the files: appends it to ENTRY. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_prove(struct ks_cli_ledger *ledger, uint64_t index,
                                              struct ks_buf *entry,
                                              struct ks_merkle_proof *out_proof);

/* The member 'path' of the proof at TARGET, whose schema is SCHEMA, by the site's own
 * interface. What else it says is not believed. */
KS_MUST_CHECK enum ks_err ks_cli_ledger_path(struct ks_client *client, const char *target,
                                             const char *schema,
                                             struct ks_merkle_proof *out_proof);

#endif
