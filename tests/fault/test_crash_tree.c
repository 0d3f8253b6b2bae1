/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A ledger's files on a disk that crashes. After every crash the checkpoint that is there is
 * one that was published, not older than the last acknowledged one, and everything that it
 * covers is there and right, from the entries to the root; and a start mends the rest. With any
 * one of the syncs left out, this test fails. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault/crash_disk.h"
#include "ledger/tiles.h"
#include "store/tree.h"

#define SEEDS       400
#define SEEDS_EACH  4000 /* at most, until a missing sync is noticed */
#define BATCHES     10   /* of one seed */
#define ENTRIES_MAX 700
#define OPEN_MAX    32
#define WHAT_MAX    1024

/* The crash disk as the disk of a tree: it has one folder, so a path becomes a name. */
struct layer {
    struct crash_disk *disk;
    struct crash_file *written[OPEN_MAX];
    size_t written_count;
};

struct site {
    struct layer layer;
    struct crash_random random;
    struct ks_tree *tree;
    struct ks_tile_store tiles;
    struct ks_ledger *ledger; /* the entries: they are never lost */
    uint64_t published;       /* files */
    uint64_t acknowledged;    /* checkpoint */
    uint64_t tried;
    char wrong[WHAT_MAX]; /* "" while all is well */
};

static void flat(const char *path, char target[64])
{
    size_t len = strlen(path);

    assert_true(len < 64);
    for (size_t i = 0; i <= len; i++) {
        target[i] = path[i];
        if (path[i] == '/') {
            target[i] = '#';
        }
    }
}

static enum ks_err layer_read(void *context, const char *path, size_t len_max,
                              struct ks_buf *out)
{
    const struct layer *layer = context;
    struct crash_file *file = NULL;
    char name[64];
    enum ks_err err = KS_OK;

    flat(path, name);
    err = crash_disk_open(layer->disk, name, false, &file);
    if (err == KS_OK) {
        const struct ks_bytes bytes = crash_file_view(file);

        if (bytes.len <= len_max) {
            ks_buf_put(out, bytes);
        }
        crash_file_release(file);
        err = ks_buf_check(out);
    }
    return err;
}

static enum ks_err layer_sync_files(void *context)
{
    struct layer *layer = context;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < layer->written_count; i++) {
        const enum ks_err each = crash_file_sync(layer->written[i], CRASH_SYNC_REPLACE);

        err = err == KS_OK ? each : err;
        crash_file_release(layer->written[i]);
    }
    layer->written_count = 0;
    return err;
}

static enum ks_err layer_write(void *context, const char *path, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct layer *layer = context;
    struct crash_file *file = NULL;
    char name[64];

    assert_true(layer->written_count < OPEN_MAX);
    flat(path, name);
    KS_TRY(crash_disk_open(layer->disk, name, true, &file));
    layer->written[layer->written_count++] = file;
    KS_TRY(crash_file_truncate(file, 0));
    KS_TRY(crash_file_write(file, 0, bytes));
out:
    return err;
}

static enum ks_err layer_rename(void *context, const char *source, const char *target)
{
    const struct layer *layer = context;
    char from[64];
    char to[64];

    flat(source, from);
    flat(target, to);
    return crash_disk_rename(layer->disk, from, to);
}

static enum ks_err layer_unlink(void *context, const char *path)
{
    const struct layer *layer = context;
    char name[64];

    flat(path, name);
    if (!crash_disk_has(layer->disk, name)) {
        return ks_fail(KS_ERR_NOT_FOUND, "%s", path);
    }
    return crash_disk_unlink(layer->disk, name);
}

static void layer_remove_dir(void *context, const char *path)
{
    (void)context;
    (void)path;
}

static enum ks_err layer_sync_dirs(void *context)
{
    const struct layer *layer = context;

    return crash_disk_sync_dir(layer->disk, CRASH_SYNC_DIR);
}

static void layer_close(void *context)
{
    struct layer *layer = context;

    for (size_t i = 0; i < layer->written_count; i++) {
        crash_file_release(layer->written[i]);
    }
    layer->written_count = 0;
}

static void open_tree(struct site *site)
{
    const struct ks_tree_disk disk = {
        .context = &site->layer,
        .read = layer_read,
        .write = layer_write,
        .sync_files = layer_sync_files,
        .rename = layer_rename,
        .unlink = layer_unlink,
        .remove_dir = layer_remove_dir,
        .sync_dirs = layer_sync_dirs,
        .close = layer_close,
    };

    assert_int_equal(ks_tree_new(&disk, &site->tree), KS_OK);
}

static struct ks_bytes entry_of(uint64_t index, char text[32])
{
    return ks_bytes_of(text,
                       (size_t)snprintf(text, 32, "entry %llu", (unsigned long long)index));
}

static enum ks_err put_entries(void *context, uint64_t first, unsigned count,
                               struct ks_buf *bundle)
{
    char text[32];

    (void)context;
    for (unsigned i = 0; i < count; i++) {
        ks_tree_put_entry(bundle, entry_of(first + i, text));
    }
    return KS_OK;
}

/* Grows by some entries: files, then the checkpoint, which is its size as text. */
static enum ks_err publish(struct site *site, bool compare)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth growth = {.old_size = compare ? 0 : site->published,
                                          .ledger = site->ledger,
                                          .put_entries = put_entries,
                                          .compare = compare};
    struct ks_tree_grown grown;
    char note[32];

    KS_TRY(ks_tree_grow(site->tree, &growth, &grown));
    site->published = ks_ledger_head(site->ledger)->size;
    site->tried = site->published;
    (void)snprintf(note, sizeof note, "%08llu\n", (unsigned long long)site->published);
    KS_TRY(ks_tree_put_checkpoint(site->tree, ks_bytes_text(note)));
    site->acknowledged = site->published;
out:
    return err;
}

static void append(struct site *site)
{
    const uint64_t count = 1 + crash_random_below(&site->random, 90);
    uint64_t first = 0;

    for (uint64_t i = 0; i < count && ks_ledger_head(site->ledger)->size < ENTRIES_MAX; i++) {
        char text[32];
        uint8_t leaf[KS_MERKLE_LEN];

        ks_merkle_leaf(entry_of(ks_ledger_head(site->ledger)->size, text), leaf);
        assert_int_equal(ks_ledger_append(site->ledger, leaf, 1, &first), KS_OK);
    }
}

static void set_wrong(struct site *site, const char *what)
{
    (void)snprintf(site->wrong, sizeof site->wrong, "%s (acknowledged %llu): %s", what,
                   (unsigned long long)site->acknowledged, ks_err_detail());
}

/* What anybody finds after a crash. */
static void verify(struct site *site)
{
    const struct ks_tree_source source = ks_tree_source_of(site->tree);
    struct ks_head empty;
    struct ks_head head = {.size = 0};
    const struct ks_tree_check check = {.source = &source, .old = &empty, .head = &head};
    struct ks_buf note;
    enum ks_err err = KS_OK;

    ks_buf_init(&note, KS_TREE_NOTE_MAX);
    ks_head_empty(&empty);
    err = ks_tree_read_checkpoint(site->tree, &note);
    if (err == KS_ERR_NOT_FOUND) {
        if (site->acknowledged > 0) {
            set_wrong(site, "no checkpoint");
        }
        ks_buf_done(&note);
        return;
    }
    for (size_t i = 0; i < note.len && note.data[i] != '\n'; i++) {
        head.size = 10 * head.size + (uint64_t)(note.data[i] - '0');
    }
    if (note.len != 9 || note.data[8] != '\n' || head.size < site->acknowledged ||
        head.size > site->tried) {
        set_wrong(site, "another checkpoint");
    } else {
        assert_int_equal(ks_ledger_root(site->ledger, head.size, head.root), KS_OK);
        if (ks_tree_fsck(&check) != KS_OK) {
            set_wrong(site, "not what the checkpoint covers");
        }
    }
    ks_buf_done(&note);
}

/* One life with crashes at steps drawn from SEED; IGNORED syncs do nothing. */
static void live(uint64_t seed, enum crash_sync ignored, struct site *site)
{
    struct ks_head empty;

    *site = (struct site){.random = {seed}};
    ks_head_empty(&empty);
    assert_int_equal(crash_disk_new(seed, &site->layer.disk), KS_OK);
    if (ignored != CRASH_SYNC_NONE) {
        crash_disk_ignore(site->layer.disk, ignored);
    }
    assert_int_equal(ks_tiles_memory_new(&site->tiles), KS_OK);
    assert_int_equal(ks_ledger_open(&site->tiles, &empty, &site->ledger), KS_OK);
    open_tree(site);
    for (unsigned i = 0; i < BATCHES && site->wrong[0] == '\0'; i++) {
        append(site);
        crash_disk_arm(site->layer.disk, 1 + crash_random_below(&site->random, 60));
        if (publish(site, false) == KS_OK) {
            continue; /* and the disk stays armed with what is left of its steps */
        }
        if (!crash_disk_is_down(site->layer.disk)) {
            set_wrong(site, "an error without a crash");
            break;
        }
        ks_tree_close(site->tree);
        crash_disk_restart(site->layer.disk);
        open_tree(site);
        verify(site);
        crash_disk_arm(site->layer.disk, 0);
        if (site->wrong[0] == '\0' && publish(site, true) != KS_OK) {
            set_wrong(site, "a start");
        }
        if (site->wrong[0] == '\0') {
            verify(site);
        }
    }
    ks_tree_close(site->tree);
    ks_ledger_close(site->ledger);
    ks_tiles_memory_free(&site->tiles);
    crash_disk_free(site->layer.disk);
}

static void test_every_crash(void **state)
{
    struct site site;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        live(seed, CRASH_SYNC_NONE, &site);
        if (site.wrong[0] != '\0') {
            fail_msg("seed %llu: %s", (unsigned long long)seed, site.wrong);
        }
    }
}

static void test_every_sync_matters(void **state)
{
    static const enum crash_sync places[] = {CRASH_SYNC_REPLACE, CRASH_SYNC_DIR};

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct site site = {.published = 0};
        uint64_t seed = 0;

        while (site.wrong[0] == '\0' && seed < SEEDS_EACH) {
            live(++seed, places[i], &site);
        }
        if (site.wrong[0] == '\0') {
            fail_msg("nothing goes wrong without the sync '%s'", crash_sync_name(places[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_crash),
        cmocka_unit_test(test_every_sync_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
