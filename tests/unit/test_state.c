/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include "crypto/digest.h"
#include "enclave/state.h"
#include "fault/crash_fs.h"

#define KEYS_LEN 204
#define LINE_LEN 72
#define FILE_MAX ((size_t)1 << 20)

static const uint8_t master[32] = {1, 2, 3};

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
};

static void site_open(struct site *site)
{
    assert_int_equal(crash_disk_new(1, &site->disk), KS_OK);
    site->fs = crash_fs_of(site->disk);
}

static void load(const struct site *site, const char *name, struct ks_buf *out)
{
    ks_buf_init(out, FILE_MAX);
    assert_int_equal(ks_fs_load(&site->fs, name, FILE_MAX, out), KS_OK);
}

static void store(const struct site *site, const char *name, struct ks_bytes bytes)
{
    assert_int_equal(ks_fs_replace(&site->fs, name, bytes), KS_OK);
}

static enum ks_err open_keys(const struct site *site, uint8_t journal[32])
{
    struct ks_enclave_keys keys = {0};
    enum ks_err err = ks_enclave_keys_open(&site->fs, KS_LITERAL("extra"), &keys);

    if (err == KS_OK) {
        assert_non_null(keys.ed25519);
        assert_non_null(keys.mldsa65);
        assert_non_null(keys.note_ed25519);
        assert_non_null(keys.note_mldsa44);
        assert_int_equal(keys.journal.len, 32);
        ks_copy(journal, keys.journal.data, 32);
        ks_enclave_keys_done(&keys);
    }
    return err;
}

/* --- keys --------------------------------------------------------------------------------- */

static void test_keys_stay(void **state)
{
    (void)state;
    struct site site;
    struct site other;
    uint8_t first[32];
    uint8_t again[32];
    struct ks_buf file;

    site_open(&site);
    site_open(&other);
    assert_int_equal(open_keys(&site, first), KS_OK);
    assert_int_equal(open_keys(&site, again), KS_OK);
    expect_bytes(KS_BYTES(again), KS_BYTES(first));
    assert_int_equal(open_keys(&other, again), KS_OK);
    assert_memory_not_equal(again, first, sizeof first);
    load(&site, "keys", &file);
    assert_int_equal(file.len, KEYS_LEN);
    expect_bytes(ks_bytes_of(file.data, 12), KS_LITERAL("KSEALKEY\0\1\0\0"));
    expect_bytes(ks_bytes_of(file.data + 12 + 4 * 32, 32), KS_BYTES(first));
    ks_buf_done(&file);
    crash_disk_free(site.disk);
    crash_disk_free(other.disk);
}

/* Refused with TEXT, and the file stays as it is. */
static void expect_bad_keys(const struct site *site, struct ks_bytes bytes, const char *text)
{
    uint8_t journal[32];
    struct ks_buf after;

    store(site, "keys", bytes);
    expect_failure(open_keys(site, journal), KS_ERR_FORMAT, text);
    load(site, "keys", &after);
    expect_bytes(ks_buf_view(&after), bytes);
    ks_buf_done(&after);
}

static void put_check(struct ks_buf *file)
{
    ks_sha256(ks_bytes_of(file->data, KEYS_LEN - 32), file->data + KEYS_LEN - 32);
}

static void test_bad_keys(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf file;
    uint8_t journal[32];

    site_open(&site);
    assert_int_equal(open_keys(&site, journal), KS_OK);
    load(&site, "keys", &file);
    for (size_t len = 1; len < KEYS_LEN; len++) {
        expect_bad_keys(&site, ks_bytes_of(file.data, len), "enclave keys: ");
    }
    for (size_t i = 0; i < KEYS_LEN; i++) {
        file.data[i] ^= 0x10;
        expect_bad_keys(&site, ks_buf_view(&file),
                        i < 8    ? "enclave keys: not such a file"
                        : i < 10 ? "enclave keys: version "
                        : i < 12 ? "enclave keys: protection "
                                 : "enclave keys: the file is damaged");
        file.data[i] ^= 0x10;
    }
    file.data[9] = 2; /* with a right check sum, too */
    put_check(&file);
    expect_bad_keys(&site, ks_buf_view(&file), "enclave keys: version 2");
    file.data[9] = 1;
    file.data[11] = 1;
    put_check(&file);
    expect_bad_keys(&site, ks_buf_view(&file), "enclave keys: protection 1");
    file.data[11] = 0;
    put_check(&file);
    ks_buf_put_u8(&file, 0);
    expect_bad_keys(&site, ks_buf_view(&file), "enclave keys: ");
    ks_buf_put_u8(&file, 0);
    expect_bad_keys(&site, ks_buf_view(&file), "enclave keys: the file is too long");
    ks_buf_done(&file);
    crash_disk_free(site.disk);
}

/* No new keys where the enclave has worked with others. */
static void test_keys_that_are_gone(void **state)
{
    (void)state;
    static const char *const names[] = {"heads", "journal"};

    for (size_t i = 0; i < 2; i++) {
        struct site site;
        uint8_t journal[32];

        site_open(&site);
        store(&site, names[i], KS_LITERAL("something"));
        expect_failure(open_keys(&site, journal), KS_ERR_FORMAT,
                       i == 0 ? "enclave keys: the file is gone or empty, but 'heads' is there"
                              : "enclave keys: the file is gone or empty, but 'journal' is");
        crash_disk_free(site.disk);
    }
}

/* --- heads -------------------------------------------------------------------------------- */

static enum ks_err open_heads(const struct site *site, struct ks_head_log **out_log)
{
    return ks_head_log_open(&site->fs, KS_BYTES(master), out_log);
}

static void append(struct ks_head_log *log, uint64_t size)
{
    const struct ks_head head = {.size = size, .root = {(uint8_t)size}};

    assert_int_equal(ks_head_log_append(log, &head), KS_OK);
    assert_int_equal(ks_head_log_last(log)->size, size);
}

static void expect_last(const struct site *site, uint64_t size)
{
    struct ks_head_log *log = NULL;

    assert_int_equal(open_heads(site, &log), KS_OK);
    assert_int_equal(ks_head_log_last(log)->size, size);
    assert_int_equal(ks_head_log_last(log)->root[0], (uint8_t)size);
    ks_head_log_close(log);
}

static void test_heads_only_grow(void **state)
{
    (void)state;
    struct site site;
    struct ks_head_log *log = NULL;
    const struct ks_head smaller = {.size = 6};
    const struct ks_head forked = {.size = 7, .root = {99}};

    site_open(&site);
    expect_last(&site, 0);
    assert_int_equal(open_heads(&site, &log), KS_OK);
    append(log, 3);
    append(log, 7);
    append(log, 7); /* the same again is fine */
    expect_failure(ks_head_log_append(log, &smaller), KS_ERR_DENIED,
                   "a ledger of 7 entries was signed already, this one has 6");
    expect_failure(ks_head_log_append(log, &forked), KS_ERR_DENIED,
                   "another root was signed already at 7 entries");
    append(log, 8);
    ks_head_log_close(log);
    expect_last(&site, 8);
    expect_last(&site, 8);
    crash_disk_free(site.disk);
}

/* After many heads the file begins anew and stays small. */
static void test_heads_are_compacted(void **state)
{
    (void)state;
    struct site site;
    struct ks_head_log *log = NULL;
    struct crash_file *file = NULL;
    const uint64_t count = 4 * 1024 * 1024 / LINE_LEN + 100;

    site_open(&site);
    assert_int_equal(open_heads(&site, &log), KS_OK);
    for (uint64_t size = 1; size <= count; size++) {
        append(log, size);
    }
    assert_int_equal(crash_disk_open(site.disk, "heads", false, &file), KS_OK);
    assert_true(crash_file_view(file).len < (size_t)200 * LINE_LEN);
    crash_file_release(file);
    ks_head_log_close(log);
    expect_last(&site, count);
    crash_disk_free(site.disk);
}

static void test_damaged_heads(void **state)
{
    (void)state;
    struct site site;
    struct ks_head_log *log = NULL;
    struct ks_buf file;

    site_open(&site);
    assert_int_equal(open_heads(&site, &log), KS_OK);
    append(log, 1);
    append(log, 2);
    append(log, 3);
    ks_head_log_close(log);
    log = NULL;
    load(&site, "heads", &file);
    assert_int_equal(file.len, 4 * LINE_LEN); /* the base, and three */
    for (size_t len = 1; len <= 4 * (size_t)LINE_LEN; len++) {
        store(&site, "heads", ks_bytes_of(file.data, len));
        if (len < LINE_LEN) {
            expect_failure(open_heads(&site, &log), KS_ERR_VERIFY, "heads: line 1 was cut");
        } else {
            expect_last(&site, len / LINE_LEN - 1); /* a torn tail is dropped */
        }
    }
    for (size_t i = 0; i < 4 * (size_t)LINE_LEN; i++) {
        char text[64];

        file.data[i] ^= 1;
        store(&site, "heads", ks_buf_view(&file));
        (void)snprintf(text, sizeof text, "heads: line %zu was changed", i / LINE_LEN + 1);
        if (i / LINE_LEN < 3) {
            expect_failure(open_heads(&site, &log), KS_ERR_VERIFY, text);
        } else {
            expect_last(&site, 2);
        }
        file.data[i] ^= 1;
    }
    /* A line left out, and a compacted file whose only line was changed. */
    ks_copy(file.data + LINE_LEN, file.data + 2 * LINE_LEN, LINE_LEN);
    store(&site, "heads", ks_buf_view(&file));
    expect_failure(open_heads(&site, &log), KS_ERR_VERIFY, "heads: line 2 was changed");
    ks_buf_done(&file);
    crash_disk_free(site.disk);
}

static void test_heads_of_another_key(void **state)
{
    (void)state;
    static const uint8_t other[32] = {9};
    struct site site;
    struct ks_head_log *log = NULL;

    site_open(&site);
    assert_int_equal(open_heads(&site, &log), KS_OK);
    append(log, 1);
    ks_head_log_close(log);
    expect_last(&site, 1); /* compacts */
    log = NULL;
    expect_failure(ks_head_log_open(&site.fs, KS_BYTES(other), &log), KS_ERR_VERIFY,
                   "heads: line 1 was changed");
    assert_null(log);
    crash_disk_free(site.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_stay),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_keys_that_are_gone),
        cmocka_unit_test(test_heads_only_grow),
        cmocka_unit_test(test_heads_are_compacted),
        cmocka_unit_test(test_damaged_heads),
        cmocka_unit_test(test_heads_of_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
