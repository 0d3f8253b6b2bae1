/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Makes a ledger as static files, without a site, from fixed keys:
 *
 *   ledger_tree [OPTION]… TEMPLATE DIR SIZE
 *
 * DIR/files is the tree, grown to SIZE entries from what it was; DIR/site.json the document of
 * its site, after the document TEMPLATE; DIR/vkeys its keys, one a line. Entry I is
 * {"entry":I}.
 *
 *   --fork=N       entries from N on are others
 *   --origin=NAME  the origin of the checkpoint, whatever the document says
 *   --keys=N       keys of other seeds
 *   --batch=N      entries between two publications [SIZE] */
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "ledger/tiles.h"
#include "record/site.h"
#include "store/tree.h"

#define ORIGIN "example.org/ledger"
#define TIME_S 1790000000

struct options {
    uint64_t fork;
    uint64_t batch;
    uint64_t keys;
    const char *origin;
    const char *template;
    const char *directory;
    uint64_t size;
};

struct keys {
    struct ks_sign_key *ed25519;
    struct ks_sign_key *mldsa44;
    struct ks_note_signer signers[2];
};

static enum ks_err make_keys(const struct options *options, struct keys *keys)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes origin = ks_bytes_text(options->origin);
    uint8_t seed[2][32];

    for (size_t i = 0; i < sizeof seed[0]; i++) {
        seed[0][i] = (uint8_t)(0x01 + options->keys + i);
        seed[1][i] = (uint8_t)(0x81 + options->keys + i);
    }
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed[0]), &keys->ed25519));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed[1]), &keys->mldsa44));
    keys->signers[0] = (struct ks_note_signer){origin, KS_NOTE_ED25519, keys->ed25519};
    keys->signers[1] = (struct ks_note_signer){origin, KS_NOTE_COSIGNED_MLDSA44, keys->mldsa44};
out:
    return err;
}

static enum ks_err copy_public(const struct ks_sign_key *key, uint8_t *target, size_t len)
{
    enum ks_err err = KS_OK;
    struct ks_buf raw;

    ks_buf_init(&raw, 4096);
    KS_TRY(ks_sign_key_public(key, &raw));
    KS_CHECK(raw.len == len, KS_ERR_INTERNAL, "a public key of %zu bytes", raw.len);
    ks_copy(target, raw.data, len);
out:
    ks_buf_done(&raw);
    return err;
}

static enum ks_err write_site(const struct options *options, const struct keys *keys)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_buf text;
    char path[KS_PATH_MAX];

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_file_read(options->template, KS_SITE_BYTES_MAX, &text));
    KS_TRY(ks_site_read(ks_buf_view(&text), site));
    (void)snprintf(site->origin, sizeof site->origin, "%s", options->origin);
    KS_TRY(copy_public(keys->ed25519, site->note_ed25519, sizeof site->note_ed25519));
    KS_TRY(copy_public(keys->mldsa44, site->note_mldsa44, sizeof site->note_mldsa44));
    ks_buf_clear(&text);
    ks_site_write(site, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_path_join(options->directory, "site.json", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
    ks_buf_clear(&text);
    for (size_t i = 0; i < 2; i++) {
        KS_TRY(ks_note_signer_vkey(&keys->signers[i], &text));
        ks_buf_put_text(&text, "\n");
    }
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_path_join(options->directory, "vkeys", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
out:
    ks_buf_done(&text);
    ks_free(site);
    return err;
}

static struct ks_bytes entry_of(const struct options *options, uint64_t index, char text[64])
{
    const int len =
        snprintf(text, 64,
                 index >= options->fork ? "{\"entry\":%llu,\"fork\":true}" : "{\"entry\":%llu}",
                 (unsigned long long)index);

    return ks_bytes_of(text, (size_t)len);
}

static enum ks_err put_entries(void *context, uint64_t first, unsigned count,
                               struct ks_buf *bundle)
{
    char text[64];

    for (unsigned i = 0; i < count; i++) {
        ks_tree_put_entry(bundle, entry_of(context, first + i, text));
    }
    return ks_buf_check(bundle);
}

/* The size of the tree that is there; 0 for none. */
static enum ks_err read_size(struct ks_tree *tree, uint64_t *out_size)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_checkpoint checkpoint = {0};
    struct ks_buf text;

    ks_buf_init(&text, KS_NOTE_LEN_MAX);
    err = ks_tree_read_checkpoint(tree, &text);
    if (err == KS_OK) {
        KS_TRY(ks_note_parse(ks_buf_view(&text), &note));
        KS_TRY(ks_checkpoint_parse(note.text, &checkpoint));
    }
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    *out_size = checkpoint.size;
out:
    ks_note_done(&note);
    ks_buf_done(&text);
    return err;
}

static enum ks_err grow(struct options *options, struct ks_tree *tree, struct ks_ledger *ledger)
{
    enum ks_err err = KS_OK;
    struct ks_tree_growth growth = {
        .ledger = ledger, .put_entries = put_entries, .context = options};
    struct ks_tree_grown grown;
    uint64_t first = 0;
    uint64_t step = options->batch;

    KS_TRY(read_size(tree, &growth.old_size));
    for (uint64_t i = 0; i < options->size; i++) {
        char text[64];
        uint8_t leaf[KS_MERKLE_LEN];

        ks_merkle_leaf(entry_of(options, i, text), leaf);
        KS_TRY(ks_ledger_append(ledger, leaf, 1, &first));
        if (i + 1 > growth.old_size && (i + 1 == options->size || --step == 0)) {
            KS_TRY(ks_tree_grow(tree, &growth, &grown));
            growth.old_size = i + 1;
            step = options->batch;
        }
    }
out:
    return err;
}

static enum ks_err publish(struct options *options, const struct keys *keys)
{
    enum ks_err err = KS_OK;
    struct ks_tree *tree = NULL;
    struct ks_tile_store tiles = {0};
    struct ks_ledger *ledger = NULL;
    struct ks_head empty;
    struct ks_checkpoint checkpoint = {.origin = ks_bytes_text(options->origin)};
    struct ks_buf note;
    char path[KS_PATH_MAX];

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_head_empty(&empty);
    KS_TRY(ks_path_join(options->directory, "files", path));
    KS_TRY(ks_tree_open(path, true, &tree));
    KS_TRY(ks_tiles_memory_new(&tiles));
    KS_TRY(ks_ledger_open(&tiles, &empty, &ledger));
    KS_TRY(grow(options, tree, ledger));
    checkpoint.size = ks_ledger_head(ledger)->size;
    ks_copy(checkpoint.root, ks_ledger_head(ledger)->root, sizeof checkpoint.root);
    KS_TRY(ks_checkpoint_sign(&checkpoint, keys->signers, 2, TIME_S, &note));
    KS_TRY(ks_tree_put_checkpoint(tree, ks_buf_view(&note)));
out:
    ks_ledger_close(ledger);
    ks_tiles_memory_free(&tiles);
    ks_tree_close(tree);
    ks_buf_done(&note);
    return err;
}

static enum ks_err read_number(const char *text, uint64_t *out_value)
{
    return ks_text_u64(ks_bytes_text(text), KS_MERKLE_SIZE_MAX, out_value);
}

static enum ks_err read_options(int argc, char **argv, struct options *options)
{
    enum ks_err err = KS_OK;
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *value = strchr(argv[i], '=');

        KS_CHECK(value != NULL, KS_ERR_USAGE, "%s", argv[i]);
        value++;
        if (strncmp(argv[i], "--fork=", 7) == 0) {
            KS_TRY(read_number(value, &options->fork));
        } else if (strncmp(argv[i], "--keys=", 7) == 0) {
            KS_TRY(read_number(value, &options->keys));
        } else if (strncmp(argv[i], "--batch=", 8) == 0) {
            KS_TRY(read_number(value, &options->batch));
        } else {
            options->origin = value;
        }
    }
    KS_CHECK(argc - i == 3, KS_ERR_USAGE, "expected TEMPLATE DIR SIZE");
    options->template = argv[i];
    options->directory = argv[i + 1];
    KS_TRY(read_number(argv[i + 2], &options->size));
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct keys keys = {0};
    struct options options = {.fork = UINT64_MAX, .batch = UINT64_MAX, .origin = ORIGIN};

    KS_TRY(read_options(argc, argv, &options));
    KS_TRY(make_keys(&options, &keys));
    KS_TRY(ks_dir_make(options.directory, 0755));
    KS_TRY(write_site(&options, &keys));
    KS_TRY(publish(&options, &keys));
out:
    ks_sign_key_free(keys.ed25519);
    ks_sign_key_free(keys.mldsa44);
    if (err != KS_OK) {
        (void)fprintf(stderr, "ledger_tree: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
