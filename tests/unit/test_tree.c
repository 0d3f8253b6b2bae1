/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The static tree of a ledger: paths and bundles against c2sp.org/tlog-tiles, files that grow,
 * and the check from the entries to the root, which has to name each file that was damaged. */
#include "expect.h"

#include "base/sys.h"
#include "base/text.h"
#include "ledger/tiles.h"
#include "store/tree.h"

#define SIZE_TEST 600 /* two full tiles, a partial one, and a level above */

/* --- names ---------------------------------------------------------------------------------
 */

static void paths_print_and_parse(void **state)
{
    static const struct {
        struct ks_tree_name name;
        const char *path;
    } cases[] = {
        {{.level = 0, .index = 0, .width = 256}, "tile/0/000"},
        {{.level = 0, .index = 1234067, .width = 256},
         "tile/0/x001/x234/067"},                                       /* of the text */
        {{.level = 0, .index = 273, .width = 112}, "tile/0/273.p/112"}, /* 70,000 entries */
        {{.level = 1, .index = 1, .width = 17}, "tile/1/001.p/17"},
        {{.level = 2, .index = 0, .width = 1}, "tile/2/000.p/1"},
        {{.level = 6, .index = 999, .width = 255}, "tile/6/999.p/255"},
        {{.level = 0, .index = 1000, .width = 256}, "tile/0/x001/000"},
        {{.entries = true, .index = 67, .width = 256}, "tile/entries/067"},
        {{.entries = true, .index = 1000000, .width = 3}, "tile/entries/x001/x000/000.p/3"},
        {{.entries = true, .index = KS_TREE_INDEX_MAX, .width = 255},
         "tile/entries/x035/x184/x372/x088/831.p/255"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[KS_TREE_PATH_MAX];
        struct ks_tree_name name = {0};

        ks_tree_path(&cases[i].name, path);
        assert_string_equal(path, cases[i].path);
        assert_int_equal(ks_tree_path_parse(ks_bytes_text(path), &name), KS_OK);
        assert_int_equal(name.entries, cases[i].name.entries);
        assert_int_equal(name.level, cases[i].name.level);
        assert_int_equal(name.index, cases[i].name.index);
        assert_int_equal(name.width, cases[i].name.width);
    }
}

static void paths_are_refused(void **state)
{
    static const struct {
        const char *path;
        enum ks_err err;
    } cases[] = {
        {"", KS_ERR_FORMAT},
        {"tile", KS_ERR_FORMAT},
        {"tile/", KS_ERR_FORMAT},
        {"/tile/0/000", KS_ERR_FORMAT},
        {"tiles/0/000", KS_ERR_FORMAT},
        {"checkpoint", KS_ERR_FORMAT},
        {"tile/00/000", KS_ERR_FORMAT},
        {"tile/-1/000", KS_ERR_FORMAT},
        {"tile/7/000", KS_ERR_FORMAT},
        {"tile/64/000", KS_ERR_FORMAT},
        {"tile/entry/000", KS_ERR_FORMAT},
        {"tile/0/0", KS_ERR_FORMAT},
        {"tile/0/0000", KS_ERR_FORMAT},
        {"tile/0/x000/001", KS_ERR_FORMAT},
        {"tile/0/x000", KS_ERR_FORMAT},
        {"tile/0/x0001/001", KS_ERR_FORMAT},
        {"tile/0/001/002", KS_ERR_FORMAT},
        {"tile/0/X001/002", KS_ERR_FORMAT},
        {"tile/0/001/", KS_ERR_FORMAT},
        {"tile/0//001", KS_ERR_FORMAT},
        {"tile/0/001.p", KS_ERR_FORMAT},
        {"tile/0/001.p/", KS_ERR_FORMAT},
        {"tile/0/001.p/0", KS_ERR_FORMAT},
        {"tile/0/001.p/01", KS_ERR_FORMAT},
        {"tile/0/001.p/256", KS_ERR_FORMAT},
        {"tile/0/001.p/1/", KS_ERR_FORMAT},
        {"tile/0/001.q/1", KS_ERR_FORMAT},
        {"tile/0/001.p.p/1", KS_ERR_FORMAT},
        {"tile/0/x001.p/000.p/1", KS_ERR_FORMAT},
        {"tile/0/001.new", KS_ERR_FORMAT},
        {"tile/0/001.p/1.new", KS_ERR_FORMAT},
        {"tile/0/../checkpoint", KS_ERR_FORMAT},
        {"tile/0/%30%30%30", KS_ERR_FORMAT},
        {"tile/0/x035/x184/x372/x088/832", KS_ERR_LIMIT},
        {"tile/0/x001/x035/x184/x372/x088/831", KS_ERR_LIMIT},
        {"tile/entries/x999/x999/x999/x999/x999/999.p/255", KS_ERR_LIMIT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_tree_name name = {.width = 7};
        const enum ks_err err = ks_tree_path_parse(ks_bytes_text(cases[i].path), &name);

        if (err != cases[i].err) {
            fail_msg("'%s': %d, expected %d", cases[i].path, (int)err, (int)cases[i].err);
        }
        assert_int_equal(name.width, 7);
    }
    struct ks_tree_name name;
    assert_int_equal(ks_tree_path_parse(KS_LITERAL("tile/0/00\0"), &name), KS_ERR_FORMAT);
}

static void widths_of_70000(void **state)
{
    (void)state;
    assert_int_equal(ks_tree_count(70000, 0), 274);
    assert_int_equal(ks_tree_width(70000, 0, 272), 256);
    assert_int_equal(ks_tree_width(70000, 0, 273), 112);
    assert_int_equal(ks_tree_width(70000, 0, 274), 0);
    assert_int_equal(ks_tree_count(70000, 1), 2);
    assert_int_equal(ks_tree_width(70000, 1, 1), 17);
    assert_int_equal(ks_tree_width(70000, 2, 0), 1);
    assert_int_equal(ks_tree_count(70000, 3), 0);
    assert_int_equal(ks_tree_count(256, 0), 1);
    assert_int_equal(ks_tree_width(256, 0, 1), 0);
    assert_int_equal(ks_tree_width(256, 1, 0), 1);
    assert_int_equal(ks_tree_count(0, 0), 0);
}

/* --- bundles -------------------------------------------------------------------------------
 */

static void bundles_are_refused(void **state)
{
    const struct {
        struct ks_bytes bytes;
        unsigned width;
        enum ks_err err;
    } cases[] = {
        {{0}, 1, KS_ERR_FORMAT},
        {KS_LITERAL("\0"), 1, KS_ERR_FORMAT},
        {KS_LITERAL("\0\2a"), 1, KS_ERR_FORMAT},          /* cut */
        {KS_LITERAL("\0\0"), 1, KS_ERR_FORMAT},           /* an empty entry */
        {KS_LITERAL("\0\1a\0\1b"), 1, KS_ERR_FORMAT},     /* one more */
        {KS_LITERAL("\0\1a"), 2, KS_ERR_FORMAT},          /* one less */
        {KS_LITERAL("\0\1a\0"), 1, KS_ERR_FORMAT},        /* a byte after it */
        {KS_LITERAL("\4\1aaaaaaaaaaa"), 1, KS_ERR_LIMIT}, /* 1,025 bytes */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_bytes entries[KS_TILE_WIDTH] = {{0}};

        assert_int_equal(ks_tree_read_entries(cases[i].bytes, cases[i].width, entries),
                         cases[i].err);
        assert_null(entries[0].data);
    }
}

/* --- a tree in a folder --------------------------------------------------------------------
 */

struct fixture {
    char *directory;
    struct ks_tree *tree;
    struct ks_tile_store tiles;
    struct ks_ledger *ledger;
    uint64_t published;
};

static struct ks_bytes entry_of(uint64_t index, char text[64])
{
    const int len = snprintf(text, 64, "{\"entry\":%llu}", (unsigned long long)index);

    return ks_bytes_of(text, (size_t)len);
}

static enum ks_err put_entries(void *context, uint64_t first, unsigned count,
                               struct ks_buf *bundle)
{
    (void)context;
    for (unsigned i = 0; i < count; i++) {
        char text[64];

        ks_tree_put_entry(bundle, entry_of(first + i, text));
    }
    return KS_OK;
}

static struct ks_tree_grown grow(struct fixture *fixture, uint64_t size, bool compare)
{
    struct ks_tree_growth growth = {.old_size = compare ? 0 : fixture->published,
                                    .ledger = fixture->ledger,
                                    .put_entries = put_entries,
                                    .compare = compare};
    struct ks_tree_grown grown = {0};
    uint64_t first = 0;

    while (ks_ledger_head(fixture->ledger)->size < size) {
        char text[64];
        uint8_t leaf[KS_MERKLE_LEN];

        ks_merkle_leaf(entry_of(ks_ledger_head(fixture->ledger)->size, text), leaf);
        assert_int_equal(ks_ledger_append(fixture->ledger, leaf, 1, &first), KS_OK);
    }
    assert_int_equal(ks_tree_grow(fixture->tree, &growth, &grown), KS_OK);
    fixture->published = size;
    return grown;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct ks_head empty;

    fixture = (struct fixture){0};
    ks_head_empty(&empty);
    assert_int_equal(ks_dir_temporary("tree", &fixture.directory), KS_OK);
    assert_int_equal(ks_tree_open(fixture.directory, false, &fixture.tree), KS_OK);
    assert_int_equal(ks_tiles_memory_new(&fixture.tiles), KS_OK);
    assert_int_equal(ks_ledger_open(&fixture.tiles, &empty, &fixture.ledger), KS_OK);
    *state = &fixture;
    return 0;
}

static void remove_tree(const char *directory)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", directory, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    ks_tree_close(fixture->tree);
    ks_ledger_close(fixture->ledger);
    ks_tiles_memory_free(&fixture->tiles);
    remove_tree(fixture->directory);
    ks_free(fixture->directory);
    return 0;
}

static enum ks_err fsck(struct fixture *fixture, uint64_t old_size)
{
    const struct ks_tree_source source = ks_tree_source_of(fixture->tree);
    struct ks_head old = {.size = old_size};
    const struct ks_tree_check check = {
        .source = &source, .old = &old, .head = ks_ledger_head(fixture->ledger)};

    assert_int_equal(ks_ledger_root(fixture->ledger, old_size, old.root), KS_OK);
    return ks_tree_fsck(&check);
}

static bool is_there(const struct fixture *fixture, const char *path)
{
    char full[KS_PATH_MAX];

    assert_int_equal(ks_path_join(fixture->directory, path, full), KS_OK);
    return access(full, F_OK) == 0;
}

/* Flips a bit of a file, or back. */
static void flip(const struct fixture *fixture, const char *path, size_t bit)
{
    char full[KS_PATH_MAX];
    uint8_t byte = 0;
    int fd = -1;

    assert_int_equal(ks_path_join(fixture->directory, path, full), KS_OK);
    fd = open(full, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte = (uint8_t)(byte ^ 1U << bit % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    (void)close(fd);
}

static void every_size_is_whole(void **state)
{
    static const uint64_t sizes[] = {1,   2,   3,   100, 255, 256, 257,
                                     300, 511, 512, 513, 767, 770, 1030};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)grow(fixture, sizes[i], false);
        assert_int_equal(fsck(fixture, 0), KS_OK);
        for (size_t old = 0; old <= i; old++) {
            assert_int_equal(fsck(fixture, sizes[old]), KS_OK);
        }
    }
}

/* Partial files stay while the full one is not there, and then go; full ones never do. */
static void partial_files_wait_for_the_full_one(void **state)
{
    struct fixture *fixture = *state;
    const struct ks_tree_name first = {.width = KS_TILE_WIDTH};
    const struct ks_tree_name level = {.level = 1, .width = KS_TILE_WIDTH};

    (void)grow(fixture, 5, false);
    (void)grow(fixture, 255, false);
    assert_true(is_there(fixture, "tile/0/000.p/5"));
    assert_true(is_there(fixture, "tile/entries/000.p/255"));
    expect_failure(ks_tree_drop_partials(fixture->tree, &first), KS_ERR_DENIED,
                   "tile/0/000 is not there");
    (void)grow(fixture, 257, false);
    assert_false(is_there(fixture, "tile/0/000.p"));
    assert_false(is_there(fixture, "tile/entries/000.p"));
    assert_true(is_there(fixture, "tile/0/000"));
    assert_true(is_there(fixture, "tile/entries/000"));
    assert_true(is_there(fixture, "tile/0/001.p/1"));
    assert_true(is_there(fixture, "tile/1/000.p/1"));
    assert_int_equal(ks_tree_drop_partials(fixture->tree, &first), KS_OK);
    assert_true(is_there(fixture, "tile/0/000"));
    expect_failure(ks_tree_drop_partials(fixture->tree, &level), KS_ERR_DENIED, "tile/1/000");
}

static void one_bit_is_found_and_named(void **state)
{
    static const struct {
        const char *path;
        size_t len;
    } files[] = {
        {"tile/0/000", 8192},
        {"tile/0/001", 8192},
        {"tile/0/002.p/88", 88 * 32},
        {"tile/1/000.p/2", 64},
        {"tile/entries/000", 3000},
        {"tile/entries/001", 3000},
        {"tile/entries/002.p/88", 1400},
    };
    struct fixture *fixture = *state;

    (void)grow(fixture, SIZE_TEST, false);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t k = 0; k < 40; k++) {
            const size_t bit = (k * 7919 + i) * 104729 % (8 * files[i].len);

            flip(fixture, files[i].path, bit);
            expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, files[i].path);
            flip(fixture, files[i].path, bit);
        }
    }
    assert_int_equal(fsck(fixture, 0), KS_OK);
    /* Two files: the first of them, whichever kind. */
    flip(fixture, "tile/0/000", 70);
    flip(fixture, "tile/entries/001", 900);
    expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, "tile/0/000: damaged");
    flip(fixture, "tile/0/000", 70);
    flip(fixture, "tile/0/001", 70);
    expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, "tile/0/001: damaged");
    flip(fixture, "tile/0/001", 70);
    flip(fixture, "tile/entries/000", 900);
    expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, "tile/entries/000: damaged");
}

/* What is checked again before a new head is signed: all since the old one, and its edge. */
static void growth_is_checked_against_the_signed_head(void **state)
{
    static const char *const fresh[] = {"tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
                                        "tile/entries/001", "tile/entries/002.p/88"};
    struct fixture *fixture = *state;

    (void)grow(fixture, 400, false);
    (void)grow(fixture, SIZE_TEST, false);
    assert_int_equal(fsck(fixture, 400), KS_OK);
    for (size_t i = 0; i < sizeof fresh / sizeof fresh[0]; i++) {
        flip(fixture, fresh[i], 77); /* of the part before entry 400, where there is one */
        expect_failure(fsck(fixture, 400), KS_ERR_VERIFY, fresh[i]);
        flip(fixture, fresh[i], 77);
    }
    flip(fixture, "tile/entries/001", 3000L * 8);
    expect_failure(fsck(fixture, 400), KS_ERR_VERIFY, "tile/entries/001");
}

static void missing_and_cut_files_are_named(void **state)
{
    static const char *const files[] = {"tile/0/001", "tile/entries/000", "tile/1/000.p/2",
                                        "tile/entries/002.p/88"};
    struct fixture *fixture = *state;

    (void)grow(fixture, SIZE_TEST, false);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[KS_PATH_MAX];
        struct ks_tree_grown grown;

        assert_int_equal(ks_path_join(fixture->directory, files[i], path), KS_OK);
        assert_int_equal(truncate(path, 33), 0);
        expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, files[i]);
        assert_int_equal(unlink(path), 0);
        expect_failure(fsck(fixture, 0), KS_ERR_VERIFY, files[i]);
        grown = grow(fixture, SIZE_TEST, true);
        assert_int_equal(grown.written, 1);
        assert_int_equal(grown.damaged, 0);
        assert_int_equal(fsck(fixture, 0), KS_OK);
    }
}

/* At a start: what is damaged is written again, and nothing else. */
static void damaged_files_are_written_again(void **state)
{
    struct fixture *fixture = *state;
    struct ks_tree_grown grown;

    (void)grow(fixture, SIZE_TEST, false);
    grown = grow(fixture, SIZE_TEST, true);
    assert_int_equal(grown.written, 0);
    flip(fixture, "tile/entries/001", 900);
    flip(fixture, "tile/0/000", 901);
    grown = grow(fixture, SIZE_TEST, true);
    assert_int_equal(grown.written, 2);
    assert_int_equal(grown.damaged, 2);
    assert_string_equal(grown.first, "tile/entries/001");
    assert_int_equal(fsck(fixture, 0), KS_OK);
}

static void another_root_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct ks_tree_source source = ks_tree_source_of(fixture->tree);
    struct ks_head old;
    struct ks_head head;
    const struct ks_tree_check check = {.source = &source, .old = &old, .head = &head};

    (void)grow(fixture, SIZE_TEST, false);
    ks_head_empty(&old);
    head = *ks_ledger_head(fixture->ledger);
    head.root[5] ^= 1;
    expect_failure(ks_tree_fsck(&check), KS_ERR_VERIFY, "not with the signed root");
    head.root[5] ^= 1;
    old = head;
    old.size++;
    expect_failure(ks_tree_fsck(&check), KS_ERR_VERIFY, "had 601 entries and has 600");
    old.size = 300;
    expect_failure(ks_tree_fsck(&check), KS_ERR_VERIFY, "root of size 300");
}

static void checkpoints_are_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf note;

    ks_buf_init(&note, KS_TREE_NOTE_MAX);
    assert_int_equal(ks_tree_read_checkpoint(fixture->tree, &note), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_tree_put_checkpoint(fixture->tree, KS_LITERAL("one\n")), KS_OK);
    assert_int_equal(ks_tree_put_checkpoint(fixture->tree, KS_LITERAL("two\n")), KS_OK);
    assert_int_equal(ks_tree_read_checkpoint(fixture->tree, &note), KS_OK);
    expect_text(ks_buf_view(&note), "two\n");
    ks_buf_done(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_print_and_parse),
        cmocka_unit_test(paths_are_refused),
        cmocka_unit_test(widths_of_70000),
        cmocka_unit_test(bundles_are_refused),
        cmocka_unit_test_setup_teardown(every_size_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partial_files_wait_for_the_full_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_bit_is_found_and_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growth_is_checked_against_the_signed_head, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(missing_and_cut_files_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_files_are_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_root_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checkpoints_are_replaced, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
