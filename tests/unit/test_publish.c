/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What ketseald checks before a checkpoint is asked for: a bit that flips on its way to the
 * disk, in any kind of file, or in the database, is found, and named. */
#include "expect.h"

#include <sys/eventfd.h>

#include "base/sys.h"
#include "base/text.h"
#include "ledger/tiles.h"
#include "server/publish.h"

struct site {
    char *directory;
    char store[KS_PATH_MAX];
    struct ks_store *writer;
    struct ks_store_reader *reader;
    struct ks_tile_store tiles;
    struct ks_ledger *ledger;
    struct ks_tree_disk below; /* the real files */
    const char *spoiled;       /* the file in which a bit flips; NULL: none */
    struct ks_publisher publisher;
    int wake;
};

/* Flips a bit of what is written as SPOILED. */
static enum ks_err spoiling_write(void *context, const char *path, struct ks_bytes bytes)
{
    struct site *site = context;
    enum ks_err err = KS_OK;
    uint8_t *copy = NULL;

    assert_int_equal(ks_bytes_dup(bytes, &copy), KS_OK);
    if (site->spoiled != NULL && strncmp(path, site->spoiled, strlen(site->spoiled)) == 0 &&
        strcmp(path + strlen(site->spoiled), ".new") == 0) {
        copy[bytes.len / 2] ^= 0x10;
    }
    err = site->below.write(site->below.context, path, ks_bytes_of(copy, bytes.len));
    ks_free(copy);
    return err;
}

static enum ks_err spoiling_read(void *context, const char *path, size_t len_max,
                                 struct ks_buf *out)
{
    struct site *site = context;

    return site->below.read(site->below.context, path, len_max, out);
}

static enum ks_err spoiling_rename(void *context, const char *source, const char *target)
{
    struct site *site = context;

    return site->below.rename(site->below.context, source, target);
}

static enum ks_err spoiling_unlink(void *context, const char *path)
{
    struct site *site = context;

    return site->below.unlink(site->below.context, path);
}

static void spoiling_remove_dir(void *context, const char *path)
{
    struct site *site = context;

    site->below.remove_dir(site->below.context, path);
}

static enum ks_err spoiling_sync_files(void *context)
{
    struct site *site = context;

    return site->below.sync_files(site->below.context);
}

static enum ks_err spoiling_sync_dirs(void *context)
{
    struct site *site = context;

    return site->below.sync_dirs(site->below.context);
}

static void spoiling_close(void *context)
{
    struct site *site = context;

    site->below.close(site->below.context);
}

static void open_store(struct site *site)
{
    const struct ks_store_options options = {.version = 1, .directory = site->store};

    assert_int_equal(ks_store_open(&options, &site->writer), KS_OK);
    assert_int_equal(ks_store_reader_new(&options, &site->reader), KS_OK);
}

static int set_up(void **state)
{
    static struct site site;
    char files[KS_PATH_MAX];
    const struct ks_store_options options = {.version = 1, .directory = site.store};
    const struct ks_tree_disk disk = {
        .context = &site,
        .read = spoiling_read,
        .write = spoiling_write,
        .sync_files = spoiling_sync_files,
        .rename = spoiling_rename,
        .unlink = spoiling_unlink,
        .remove_dir = spoiling_remove_dir,
        .sync_dirs = spoiling_sync_dirs,
        .close = spoiling_close,
    };

    site = (struct site){.directory = NULL};
    assert_int_equal(ks_dir_temporary("publish", &site.directory), KS_OK);
    assert_int_equal(ks_path_join(site.directory, "store", site.store), KS_OK);
    assert_int_equal(ks_path_join(site.directory, "ledger", files), KS_OK);
    site.wake = eventfd(0, EFD_CLOEXEC);
    assert_true(site.wake >= 0);
    open_store(&site);
    assert_int_equal(
        ks_publish_open(site.directory, &options, site.reader, site.wake, &site.publisher),
        KS_OK);
    ks_tree_close(site.publisher.tree);
    assert_int_equal(ks_tree_disk_open(files, true, &site.below), KS_OK);
    assert_int_equal(ks_tree_new(&disk, &site.publisher.tree), KS_OK);
    assert_int_equal(ks_tiles_memory_new(&site.tiles), KS_OK);
    assert_int_equal(ks_ledger_open(&site.tiles, &site.publisher.checked, &site.ledger), KS_OK);
    *state = &site;
    return 0;
}

static int tear_down(void **state)
{
    struct site *site = *state;
    pid_t child = -1;
    int status = 0;

    ks_publish_close(&site->publisher);
    ks_ledger_close(site->ledger);
    ks_tiles_memory_free(&site->tiles);
    ks_store_reader_free(site->reader);
    ks_store_close(site->writer);
    (void)close(site->wake);
    child = fork();
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", site->directory, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    ks_free(site->directory);
    return 0;
}

/* COUNT entries, in the database and in the ledger. */
static void append(struct site *site, unsigned count)
{
    assert_int_equal(ks_store_begin(site->writer), KS_OK);
    for (unsigned i = 0; i < count; i++) {
        char text[64];
        uint8_t leaf[KS_MERKLE_LEN];
        uint64_t index = 0;
        const int len = snprintf(text, sizeof text, "{\"entry\":%llu}",
                                 (unsigned long long)ks_ledger_head(site->ledger)->size);
        const struct ks_bytes entry = ks_bytes_of(text, (size_t)len);

        ks_merkle_leaf(entry, leaf);
        assert_int_equal(ks_store_append(site->writer, entry, leaf, &index), KS_OK);
        assert_int_equal(ks_ledger_append(site->ledger, leaf, 1, &index), KS_OK);
    }
    assert_int_equal(ks_store_commit(site->writer), KS_OK);
}

/* Work is given, and its outcome waited for. */
static enum ks_err outcome(struct site *site, enum ks_publish_work wanted)
{
    enum ks_publish_work work = KS_PUBLISH_IDLE;
    uint64_t count = 0;
    enum ks_err err = KS_OK;

    assert_int_equal(read(site->wake, &count, sizeof count), sizeof count);
    err = ks_publish_take(&site->publisher, &work);
    assert_int_equal(work, wanted);
    assert_false(ks_publish_busy(&site->publisher));
    return err;
}

static enum ks_err grow(struct site *site)
{
    if (!site->publisher.started) {
        assert_int_equal(ks_publish_start(&site->publisher), KS_OK);
    }
    assert_int_equal(ks_publish_grow(&site->publisher, site->ledger), KS_OK);
    return outcome(site, KS_PUBLISH_FILES);
}

static void growth_is_published(void **state)
{
    static const unsigned counts[] = {1, 9, 245, 1, 1, 255, 300, 2};
    struct site *site = *state;

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        append(site, counts[i]);
        assert_int_equal(grow(site), KS_OK);
        assert_int_equal(site->publisher.checked.size, ks_ledger_head(site->ledger)->size);
    }
}

/* What is given before the thread runs waits for it; what it has when it is to stop is done. */
static void a_checkpoint_is_published(void **state)
{
    struct site *site = *state;
    enum ks_publish_work work = KS_PUBLISH_CHECKPOINT;
    struct ks_buf note;

    ks_buf_init(&note, KS_TREE_NOTE_MAX);
    assert_int_equal(ks_publish_checkpoint(&site->publisher, KS_LITERAL("one\n")), KS_OK);
    assert_true(ks_publish_busy(&site->publisher));
    assert_int_equal(ks_publish_take(&site->publisher, &work), KS_OK);
    assert_int_equal(work, KS_PUBLISH_IDLE);
    assert_int_equal(ks_publish_start(&site->publisher), KS_OK);
    assert_int_equal(outcome(site, KS_PUBLISH_CHECKPOINT), KS_OK);
    assert_int_equal(ks_tree_read_checkpoint(site->publisher.served, &note), KS_OK);
    expect_text(ks_buf_view(&note), "one\n");
    ks_buf_done(&note);
    append(site, 300);
    assert_int_equal(ks_publish_grow(&site->publisher, site->ledger), KS_OK);
}

static void a_spoiled_file_is_not_signed(void **state)
{
    static const char *const files[] = {"tile/entries/001", "tile/entries/002.p/88",
                                        "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"};
    struct site *site = *state;

    append(site, 300);
    assert_int_equal(grow(site), KS_OK);
    append(site, 300);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        site->spoiled = files[i];
        expect_failure(grow(site), KS_ERR_VERIFY, files[i]);
        assert_int_equal(site->publisher.checked.size, 300);
    }
    site->spoiled = NULL;
    assert_int_equal(grow(site), KS_OK);
}

/* Finds TEXT in the database's file and flips a bit of it, on the disk alone. */
static void spoil_database(struct site *site, const char *text)
{
    char path[KS_PATH_MAX];
    struct ks_buf file;
    bool found = false;

    const struct ks_store_options options = {.version = 1, .directory = site->store};

    ks_store_reader_free(site->reader);
    ks_store_reader_free(site->publisher.read_back.reader);
    ks_store_close(site->writer); /* folds the log into the file */
    assert_int_equal(ks_path_join(site->store, "ketseal.db", path), KS_OK);
    ks_buf_init(&file, 16 * 1024 * 1024);
    assert_int_equal(ks_file_read(path, 16 * 1024 * 1024, &file), KS_OK);
    for (size_t i = 0; i + strlen(text) <= file.len; i++) {
        if (ks_bytes_equal(ks_bytes_of(file.data + i, strlen(text)), ks_bytes_text(text))) {
            file.data[i + strlen(text) / 2] ^= 1;
            found = true;
        }
    }
    assert_true(found);
    assert_int_equal(ks_file_write(path, ks_buf_view(&file), 0600), KS_OK);
    ks_buf_done(&file);
    open_store(site);
    site->publisher.rows.reader = site->reader;
    assert_int_equal(ks_store_reader_new(&options, &site->publisher.read_back.reader), KS_OK);
}

static void a_spoiled_database_is_not_signed(void **state)
{
    struct site *site = *state;

    append(site, 20);
    assert_int_equal(grow(site), KS_OK);
    append(site, 20);
    spoil_database(site, "{\"entry\":33}"); /* new */
    expect_failure(grow(site), KS_ERR_VERIFY, "the database: ledger entry 33 is damaged");
    spoil_database(site, "{\"entrx\":33}"); /* as it was */
    assert_int_equal(grow(site), KS_OK);
}

/* One that was signed before goes into the same bundle once more. */
static void a_spoiled_old_entry_is_not_signed(void **state)
{
    struct site *site = *state;

    append(site, 20);
    assert_int_equal(grow(site), KS_OK);
    append(site, 20);
    spoil_database(site, "{\"entry\":11}");
    expect_failure(grow(site), KS_ERR_VERIFY,
                   "tile/entries/000.p/40: entry 11 is not the one that was signed");
}

/* A start writes anew what is damaged, and says how much. */
static void a_start_mends(void **state)
{
    struct site *site = *state;
    struct ks_tree_grown grown;

    append(site, 300);
    site->spoiled = "tile/0/000";
    expect_failure(grow(site), KS_ERR_VERIFY, "tile/0/000");
    expect_failure(ks_publish_catch_up(&site->publisher, site->ledger, &grown), KS_ERR_VERIFY,
                   "tile/0/000"); /* it is written, and read back, again */
    site->spoiled = NULL;
    assert_int_equal(ks_publish_catch_up(&site->publisher, site->ledger, &grown), KS_OK);
    assert_int_equal(grown.written, 1);
    assert_int_equal(grown.damaged, 1);
    assert_string_equal(grown.first, "tile/0/000");
    assert_int_equal(site->publisher.checked.size, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(growth_is_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_is_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spoiled_file_is_not_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spoiled_database_is_not_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spoiled_old_entry_is_not_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_mends, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
