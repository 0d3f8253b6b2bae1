/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/ledger.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/device.h"
#include "net/plain.h"

#define SCHEME      "http://"
#define TIMEOUT_MAX 3600 /* seconds */

/* --- where the files are -------------------------------------------------------------------
 */

static enum ks_err get(struct ks_cli_ledger *ledger, const char *path, size_t len_max,
                       struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char target[sizeof ledger->url + KS_TREE_PATH_MAX + 16];

    if (ledger->url[0] != '\0') {
        (void)snprintf(target, sizeof target, "%s/%s", ledger->url, path);
        KS_TRY(ks_plain_get(target, ledger->timeout_ms, len_max, out));
    } else {
        (void)snprintf(target, sizeof target, "/ledger/%s", path);
        KS_TRY(ks_client_get(ledger->client, target, out));
    }
out:
    return err;
}

/* A file over the network. */
static enum ks_err read_remote(void *context, const struct ks_tree_name *name,
                               struct ks_buf *out)
{
    char path[KS_TREE_PATH_MAX];

    ks_tree_path(name, path);
    return get(context, path, KS_TREE_FILE_MAX, out);
}

bool ks_cli_ledger_is_static(const struct ks_cli *cli)
{
    return ks_cli_text(cli, "from") != NULL;
}

static enum ks_err read_site(const char *path, struct ks_site *out_site)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&document), out_site), "%s", path));
out:
    ks_buf_done(&document);
    return err;
}

static enum ks_err open_static(const char *from, struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;
    size_t len = strlen(from);

    if (strncmp(from, SCHEME, sizeof SCHEME - 1) != 0) {
        KS_TRY(ks_tree_open(from, false, &ledger->tree));
        ledger->source = ks_tree_source_of(ledger->tree);
        return KS_OK;
    }
    while (len > sizeof SCHEME && from[len - 1] == '/') {
        len--;
    }
    KS_CHECK(len < sizeof ledger->url, KS_ERR_USAGE, "--from: too long");
    ks_copy(ledger->url, from, len);
    ledger->source = (struct ks_tree_source){ledger, read_remote};
out:
    return err;
}

static enum ks_err ledger_init(struct ks_cli_ledger *ledger)
{
    *ledger = (struct ks_cli_ledger){.site = ks_calloc(1, sizeof *ledger->site)};
    ks_buf_init(&ledger->note, KS_NOTE_LEN_MAX);
    return ledger->site != NULL ? KS_OK : ks_fail(KS_ERR_NOMEM, "site");
}

enum ks_err ks_cli_ledger_open_files(const char *directory, const char *site,
                                     struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;

    KS_TRY(ledger_init(ledger));
    KS_TRY(read_site(site, ledger->site));
    KS_TRY(ks_tree_open(directory, false, &ledger->tree));
    ledger->source = ks_tree_source_of(ledger->tree);
out:
    return err;
}

enum ks_err ks_cli_ledger_open(const struct ks_cli *cli, struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;
    const char *from = ks_cli_text(cli, "from");
    const char *site = ks_cli_text(cli, "site");
    uint64_t seconds = 0;

    KS_TRY(ledger_init(ledger));
    KS_TRY(site == NULL ? ks_cli_site(cli, ledger->site) : read_site(site, ledger->site));
    if (from == NULL) {
        KS_TRY(ks_cli_client(cli, &ledger->client));
        ledger->source = (struct ks_tree_source){ledger, read_remote};
    } else {
        KS_TRY(ks_cli_number(cli, "timeout", TIMEOUT_MAX, &seconds));
        ledger->timeout_ms = (unsigned)seconds * 1000;
        KS_TRY(open_static(from, ledger));
    }
out:
    return err;
}

void ks_cli_ledger_close(struct ks_cli_ledger *ledger)
{
    ks_client_close(ledger->client);
    ks_tree_close(ledger->tree);
    ks_free(ledger->site);
    ks_buf_done(&ledger->note);
    *ledger = (struct ks_cli_ledger){0};
}

/* --- the head ------------------------------------------------------------------------------
 */

enum ks_err ks_cli_ledger_fetch(struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;

    ks_buf_clear(&ledger->note);
    if (ledger->tree != NULL) {
        KS_TRY(ks_tree_read_checkpoint(ledger->tree, &ledger->note));
    } else {
        KS_TRY(get(ledger, KS_TREE_CHECKPOINT, KS_NOTE_LEN_MAX, &ledger->note));
    }
    KS_TRY(ks_fail_prefix(
        ks_site_checkpoint_open(ledger->site, ks_buf_view(&ledger->note), &ledger->head),
        "the checkpoint"));
out:
    return err;
}

struct ks_head ks_cli_ledger_head(const struct ks_cli_ledger *ledger)
{
    struct ks_head head = {.size = ledger->head.checkpoint.size};

    ks_copy(head.root, ledger->head.checkpoint.root, sizeof head.root);
    return head;
}

/* --- proofs, from the files ----------------------------------------------------------------
 */

enum ks_err ks_cli_ledger_consistent(struct ks_cli_ledger *ledger, const struct ks_head *old,
                                     bool *out_fork)
{
    enum ks_err err = KS_OK;
    const struct ks_head head = ks_cli_ledger_head(ledger);
    struct ks_tree_tiles tiles;
    struct ks_tile_store store;
    struct ks_ledger *opened = NULL;
    uint8_t root[KS_MERKLE_LEN];
    bool fork = true;

    ks_tree_tiles_init(&tiles, &ledger->source, head.size, &store);
    KS_CHECK(head.size >= old->size, KS_ERR_VERIFY, "it had %llu entries and now shows %llu",
             (unsigned long long)old->size, (unsigned long long)head.size);
    if (head.size == old->size) {
        KS_CHECK(ks_bytes_equal(KS_BYTES(head.root), KS_BYTES(old->root)), KS_ERR_VERIFY,
                 "two roots for %llu entries", (unsigned long long)head.size);
    } else {
        fork = false; /* until the files turn out to be those of the newer head */
        KS_TRY(ks_ledger_open(&store, &head, &opened));
        KS_TRY(ks_ledger_root(opened, old->size, root));
        fork = true;
        KS_CHECK(ks_bytes_equal(KS_BYTES(root), KS_BYTES(old->root)), KS_ERR_VERIFY,
                 "its first %llu entries are not those seen before",
                 (unsigned long long)old->size);
    }
out:
    if (out_fork != NULL) {
        *out_fork = err == KS_ERR_VERIFY && fork;
    }
    ks_ledger_close(opened);
    ks_tree_tiles_done(&tiles);
    return err;
}

enum ks_err ks_cli_ledger_prove(struct ks_cli_ledger *ledger, uint64_t index,
                                struct ks_buf *entry, struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    const struct ks_head head = ks_cli_ledger_head(ledger);
    struct ks_tree_tiles tiles;
    struct ks_tile_store store;
    struct ks_ledger *opened = NULL;
    struct ks_buf file;
    struct ks_bytes entries[KS_TILE_WIDTH];
    struct ks_merkle_proof proof;
    uint8_t leaf[KS_MERKLE_LEN];

    ks_buf_init(&file, KS_TREE_FILE_MAX);
    ks_tree_tiles_init(&tiles, &ledger->source, head.size, &store);
    KS_CHECK(index < head.size, KS_ERR_NOT_FOUND,
             "the ledger has %llu entries, none of index %llu yet",
             (unsigned long long)head.size, (unsigned long long)index);
    KS_TRY(ks_ledger_open(&store, &head, &opened));
    KS_TRY(ks_ledger_prove_inclusion(opened, index, head.size, &proof));
    KS_TRY(
        ks_tree_read_bundle(&ledger->source, head.size, index / KS_TILE_WIDTH, &file, entries));
    ks_merkle_leaf(entries[index % KS_TILE_WIDTH], leaf);
    KS_TRY(ks_fail_prefix(ks_merkle_check_inclusion(index, head.size, leaf, proof.hashes[0],
                                                    proof.count, head.root),
                          "entry %llu", (unsigned long long)index));
    ks_buf_put(entry, entries[index % KS_TILE_WIDTH]);
    KS_TRY(ks_buf_check(entry));
    *out_proof = proof;
out:
    ks_ledger_close(opened);
    ks_tree_tiles_done(&tiles);
    ks_buf_done(&file);
    return err;
}
