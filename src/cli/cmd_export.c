/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger export, fsck: a ledger as files of one's own. An export writes nothing that the signed
 * root does not vouch for, so one that was interrupted goes on where it ended; fsck goes the
 * other way, from each entry up to the root. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/ledger.h"
#include "store/tree_rows.h"

#define PUBLISH_EVERY 256 /* files; what is lost when an export is interrupted */

struct export
{
    struct ks_cli_ledger from;
    struct ks_tree *tree; /* what is made */
    struct ks_tree_source there;
    struct ks_tree_source both; /* what is there already, else from the other side */
    struct ks_tree_tiles tiles;
    struct ks_tile_store store;
    struct ks_ledger *ledger; /* over both */
    struct ks_head old;       /* of an earlier export; empty: none */
    struct ks_buf file;
    struct ks_buf bundle;
    uint64_t written;
    uint64_t waiting; /* of these, not published yet */
};

static enum ks_err read_both(void *context, const struct ks_tree_name *name, struct ks_buf *out)
{
    const struct export *export = context;
    enum ks_err err = export->there.read(export->there.context, name, out);

    if (err == KS_ERR_NOT_FOUND) {
        err = export->from.source.read(export->from.source.context, name, out);
    }
    return err;
}

/* The head of an earlier export into the same folder: the ledger must have grown from it. */
static enum ks_err read_old(struct export *export, const char *directory)
{
    enum ks_err err = KS_OK;
    struct ks_checkpoint_opened opened;

    ks_head_empty(&export->old);
    ks_buf_clear(&export->bundle);
    err = ks_tree_read_checkpoint(export->tree, &export->bundle);
    if (err == KS_ERR_NOT_FOUND) {
        return KS_OK;
    }
    KS_TRY(err);
    KS_TRY(ks_fail_prefix(
        ks_site_checkpoint_open(export->from.site, ks_buf_view(&export->bundle), &opened),
        "%s/" KS_TREE_CHECKPOINT, directory));
    export->old.size = opened.checkpoint.size;
    ks_copy(export->old.root, opened.checkpoint.root, sizeof export->old.root);
    KS_TRY(ks_fail_prefix(ks_cli_ledger_consistent(&export->from, &export->old, NULL),
                          "the ledger is not the one in %s", directory));
out:
    return err;
}

static enum ks_err put(struct export *export, const struct ks_tree_name *name,
                       struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tree_put(export->tree, name, bytes));
    export->written++;
    if (++export->waiting == PUBLISH_EVERY) {
        export->waiting = 0;
        KS_TRY(ks_tree_publish(export->tree));
    }
out:
    return err;
}

/* Whether the file is there; then it has to be WANT. */
static enum ks_err look(struct export *export, const struct ks_tree_name *name,
                        struct ks_bytes want, bool *out_there)
{
    enum ks_err err = KS_OK;
    char path[KS_TREE_PATH_MAX];

    ks_buf_clear(&export->file);
    err = export->there.read(export->there.context, name, &export->file);
    *out_there = err == KS_OK;
    if (err == KS_ERR_NOT_FOUND) {
        return KS_OK;
    }
    KS_TRY(err);
    ks_tree_path(name, path);
    KS_CHECK(ks_bytes_equal(ks_buf_view(&export->file), want), KS_ERR_VERIFY,
             "%s: damaged: remove it, and export again", path);
out:
    return err;
}

static enum ks_err export_tile(struct export *export, const struct ks_tree_name *name)
{
    enum ks_err err = KS_OK;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];
    const struct ks_bytes bytes = ks_bytes_of(hashes, (size_t)name->width * KS_MERKLE_LEN);
    bool there = false;

    KS_TRY(ks_ledger_tile(export->ledger, name->level, name->index, name->width, hashes));
    KS_TRY(look(export, name, bytes, &there));
    if (!there) {
        KS_TRY(put(export, name, bytes));
    }
out:
    return err;
}

static enum ks_err export_bundle(struct export *export, const struct ks_tree_name *name)
{
    enum ks_err err = KS_OK;
    const uint64_t size = ks_ledger_head(export->ledger)->size;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];
    struct ks_bytes entries[KS_TILE_WIDTH];
    char path[KS_TREE_PATH_MAX];
    bool there = false;

    ks_tree_path(name, path);
    KS_TRY(ks_ledger_tile(export->ledger, 0, name->index, name->width, hashes));
    KS_TRY(ks_tree_read_bundle(&export->both, size, name->index, &export->file, entries));
    ks_buf_clear(&export->bundle);
    for (unsigned i = 0; i < name->width; i++) {
        uint8_t leaf[KS_MERKLE_LEN];

        ks_merkle_leaf(entries[i], leaf);
        KS_CHECK(ks_bytes_equal(KS_BYTES(leaf),
                                ks_bytes_of(hashes + i * KS_MERKLE_LEN, KS_MERKLE_LEN)),
                 KS_ERR_VERIFY, "%s: entry %llu is not the ledger's", path,
                 (unsigned long long)(name->index * KS_TILE_WIDTH + i));
        ks_tree_put_entry(&export->bundle, entries[i]);
    }
    KS_TRY(ks_buf_check(&export->bundle));
    KS_TRY(look(export, name, ks_buf_view(&export->bundle), &there));
    if (!there) {
        KS_TRY(put(export, name, ks_buf_view(&export->bundle)));
    }
out:
    return err;
}

/* From the top down: each tile is vouched for by the one above it. */
static enum ks_err export_files(struct export *export)
{
    enum ks_err err = KS_OK;
    const uint64_t size = ks_ledger_head(export->ledger)->size;

    for (unsigned i = 0; i < KS_TILE_LEVELS; i++) {
        struct ks_tree_name name = {.level = KS_TILE_LEVELS - 1 - i};

        for (; name.index < ks_tree_count(size, name.level); name.index++) {
            name.width = ks_tree_width(size, name.level, name.index);
            KS_TRY(export_tile(export, &name));
        }
    }
    for (struct ks_tree_name name = {.entries = true}; name.index < ks_tree_count(size, 0);
         name.index++) {
        name.width = ks_tree_width(size, 0, name.index);
        KS_TRY(export_bundle(export, &name));
    }
    KS_TRY(ks_tree_publish(export->tree));
out:
    return err;
}

/* Partial files of the earlier export whose full ones are there now. */
static enum ks_err drop_old(const struct export *export)
{
    enum ks_err err = KS_OK;
    const uint64_t size = export->from.head.checkpoint.size;

    for (unsigned i = 0; i <= KS_TILE_LEVELS; i++) {
        struct ks_tree_name name = {.entries = i == KS_TILE_LEVELS, .width = KS_TILE_WIDTH};

        name.level = name.entries ? 0 : i;
        name.index = export->old.size >> (KS_TILE_HEIGHT * (name.level + 1));
        if (ks_tree_width(size, name.level, name.index) == KS_TILE_WIDTH) {
            KS_TRY(ks_tree_drop_partials(export->tree, &name));
        }
    }
out:
    return err;
}

static enum ks_err print_export(const struct ks_cli *cli, const struct export *export)
{
    enum ks_err err = KS_OK;
    const struct ks_checkpoint *head = &export->from.head.checkpoint;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "files", export->written);
        ks_json_member_u64(&writer, "old_size", export->old.size);
        ks_json_member_string(&writer, "origin", head->origin);
        ks_json_member_hex(&writer, "root", KS_BYTES(head->root));
        ks_json_member_text(&writer, "schema", "ketseal.ledger-export/1");
        ks_json_member_u64(&writer, "size", head->size);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s: %llu entries, %llu files written\n", export->from.site->origin,
                     (unsigned long long)head->size, (unsigned long long)export->written);
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ledger_export(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct export export = {.both = {&export, read_both}};
    const char *directory = cli->operands[0];
    struct ks_head head;

    ks_buf_init(&export.file, KS_TREE_FILE_MAX);
    ks_buf_init(&export.bundle, KS_TREE_FILE_MAX);
    KS_TRY(ks_cli_ledger_open(cli, &export.from));
    KS_TRY(ks_cli_ledger_fetch(&export.from));
    head = ks_cli_ledger_head(&export.from);
    KS_TRY(ks_tree_open(directory, true, &export.tree));
    export.there = ks_tree_source_of(export.tree);
    KS_TRY(read_old(&export, directory));
    ks_tree_tiles_init(&export.tiles, &export.both, head.size, &export.store);
    KS_TRY(ks_ledger_open(&export.store, &head, &export.ledger));
    KS_TRY(export_files(&export));
    KS_TRY(ks_tree_put_checkpoint(export.tree, ks_buf_view(&export.from.note)));
    KS_TRY(drop_old(&export));
    KS_TRY(print_export(cli, &export));
out:
    ks_ledger_close(export.ledger);
    ks_tree_tiles_done(&export.tiles);
    ks_tree_close(export.tree);
    ks_cli_ledger_close(&export.from);
    ks_buf_done(&export.file);
    ks_buf_done(&export.bundle);
    return err;
}

/* --- fsck ----------------------------------------------------------------------------------
 */

/* Entries that no checkpoint covers yet, and all else that the store promises. */
static enum ks_err check_rest(struct ks_tree_rows *rows)
{
    enum ks_err err = KS_OK;
    uint64_t count = 0;

    KS_TRY(ks_store_size(rows->reader, &count));
    KS_CHECK(count >= rows->size, KS_ERR_VERIFY,
             "the database has %llu entries, but %llu were signed", (unsigned long long)count,
             (unsigned long long)rows->size);
    KS_TRY(ks_tree_rows_check(rows, rows->size, count - rows->size));
    KS_TRY(ks_store_check(rows->reader));
out:
    return err;
}

static enum ks_err open_database(const char *state, struct ks_store_reader **out_reader)
{
    enum ks_err err = KS_OK;
    char directory[KS_PATH_MAX];
    const struct ks_store_options options = {.version = 1, .directory = directory};

    KS_TRY(ks_path_join(state, "store", directory));
    KS_TRY(ks_store_reader_new(&options, out_reader));
out:
    return err;
}

/* The files, and the document of the site whose they are: of --state, or of the operand. BUFFER
 * may hold the folder's name. */
static enum ks_err open_files(const struct ks_cli *cli, char buffer[KS_PATH_MAX],
                              const char **out_directory, struct ks_cli_ledger *ledger)
{
    enum ks_err err = KS_OK;
    const char *state = ks_cli_text(cli, "state");
    const char *site = ks_cli_text(cli, "site");
    const char *directory = cli->operands[0];
    char path[KS_PATH_MAX];

    KS_CHECK((state != NULL) != (cli->operand_count > 0), KS_ERR_USAGE,
             "expected a folder or --state, one of them");
    if (state != NULL) {
        KS_TRY(ks_path_join(state, "ledger", buffer));
        directory = buffer;
    }
    KS_TRY(ks_path_join(state != NULL ? state : ks_cli_text(cli, "device"), "site.json", path));
    KS_TRY(ks_cli_ledger_open_files(directory, site != NULL ? site : path, ledger));
    *out_directory = directory;
out:
    return err;
}

static enum ks_err print_fsck(const struct ks_cli *cli, const struct ks_cli_ledger *ledger,
                              enum ks_err result)
{
    enum ks_err err = KS_OK;
    const struct ks_checkpoint *head = &ledger->head.checkpoint;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536);
    if (cli->json) {
        ks_json_put_object(&writer);
        if (result != KS_OK) {
            ks_json_member_text(&writer, "detail", ks_err_detail());
        }
        ks_json_member_string(&writer, "origin", head->origin);
        ks_json_member_hex(&writer, "root", KS_BYTES(head->root));
        ks_json_member_text(&writer, "schema", "ketseal.ledger-fsck/1");
        ks_json_member_u64(&writer, "size", head->size);
        ks_json_member_bool(&writer, "whole", result == KS_OK);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else if (result == KS_OK) {
        ks_cli_print("%s: %llu entries, whole from the entries to the signed root\n",
                     ledger->site->origin, (unsigned long long)head->size);
    }
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err fsck(struct ks_cli_ledger *ledger, struct ks_tree_rows *rows)
{
    enum ks_err err = KS_OK;
    const struct ks_head head = ks_cli_ledger_head(ledger);
    struct ks_head empty;
    const struct ks_tree_check check = {.source = &ledger->source,
                                        .old = &empty,
                                        .head = &head,
                                        .visit =
                                            rows->reader == NULL ? NULL : ks_tree_rows_visit,
                                        .context = rows};

    ks_head_empty(&empty);
    rows->size = head.size;
    KS_TRY(ks_tree_fsck(&check));
    if (rows->reader != NULL) {
        KS_TRY(check_rest(rows));
    }
out:
    return err;
}

enum ks_err ks_command_ledger_fsck(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    enum ks_err result = KS_OK;
    struct ks_cli_ledger ledger = {0};
    struct ks_tree_rows rows = {0};
    const char *directory = NULL;
    char buffer[KS_PATH_MAX];

    KS_TRY(open_files(cli, buffer, &directory, &ledger));
    KS_TRY(ks_fail_prefix(ks_cli_ledger_fetch(&ledger), "%s", directory));
    if (ks_cli_text(cli, "state") != NULL) {
        KS_TRY(open_database(ks_cli_text(cli, "state"), &rows.reader));
    }
    result = ks_fail_prefix(fsck(&ledger, &rows), "%s", directory);
    KS_TRY(result == KS_ERR_VERIFY ? KS_OK : result);
    if (result == KS_OK || cli->json) {
        KS_TRY(print_fsck(cli, &ledger, result));
        cli->answered = result != KS_OK;
    }
    err = result;
out:
    ks_store_reader_free(rows.reader);
    ks_cli_ledger_close(&ledger);
    return err;
}
