/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The key journal: what it denies, what its file may and may not look like. Crashes:
 * tests/fault. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "enclave/journal.h"
#include "enclave/journal_format.h"
#include "fault/crash_fs.h"

#include "vector_files.h"

#define NOW_S     1000
#define EXPIRES_S 2000

static const uint8_t device_a[32] = {0xa};
static const uint8_t device_b[32] = {0xb};

struct fixture {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct ks_journal *journal;
    uint8_t master[32];
    uint64_t instance;
};

static void journal_open(struct fixture *fixture, uint64_t now_s)
{
    if (ks_journal_open(&fixture->fs, KS_BYTES(fixture->master), now_s, NULL,
                        &fixture->journal) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    fixture->instance = ks_journal_instance(fixture->journal);
}

static void journal_close(struct fixture *fixture)
{
    ks_journal_close(fixture->journal);
    fixture->journal = NULL;
}

static int setup(void **state)
{
    struct fixture *fixture = ks_calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    assert_int_equal(crash_disk_new(1, &fixture->disk), KS_OK);
    fixture->fs = crash_fs_of(fixture->disk);
    for (size_t i = 0; i < sizeof fixture->master; i++) {
        fixture->master[i] = (uint8_t)i;
    }
    journal_open(fixture, NOW_S);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    journal_close(fixture);
    crash_disk_free(fixture->disk);
    ks_free(fixture);
    return 0;
}

static struct ks_key_batch batch_of(uint32_t count, uint64_t expires_s)
{
    struct ks_key_batch batch = {.count = count, .expires_s = expires_s};

    ks_copy(batch.device, device_a, sizeof batch.device);
    batch.secret[0] = (uint8_t)count;
    batch.salt[0] = 5;
    return batch;
}

static uint64_t add(struct fixture *fixture, uint32_t count)
{
    struct ks_key_batch batch = batch_of(count, EXPIRES_S);
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_OK);
    return batch.number;
}

static enum ks_err spend(struct fixture *fixture, uint64_t number, uint32_t index)
{
    return ks_journal_spend(fixture->journal, fixture->instance, number, index, device_a,
                            NOW_S);
}

static enum ks_err key_of(struct fixture *fixture, uint64_t number, uint32_t index)
{
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    return ks_journal_key(fixture->journal, fixture->instance, number, index, device_a, NOW_S,
                          key);
}

static void read_file(struct fixture *fixture, struct ks_buf *out)
{
    ks_buf_init(out, (size_t)1 << 24);
    assert_int_equal(ks_fs_load(&fixture->fs, "journal", (size_t)1 << 24, out), KS_OK);
}

static void write_file(struct fixture *fixture, struct ks_bytes bytes)
{
    assert_int_equal(ks_fs_replace(&fixture->fs, "journal", bytes), KS_OK);
}

/* Opens it at NOW_S, and closes it if it opens. */
static enum ks_err try_open(struct fixture *fixture)
{
    struct ks_journal *journal = NULL;
    enum ks_err err =
        ks_journal_open(&fixture->fs, KS_BYTES(fixture->master), NOW_S, NULL, &journal);
    ks_journal_close(journal);
    return err;
}

/* --- names and keys ----------------------------------------------------------------------- */

static void test_key_ids(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "0",
        "0123456789abcdef",
        "0123456789abcdef.",
        "0123456789abcdef.000000000000000a",
        "0123456789abcdef.000000000000000a.",
        "0123456789abcdef.000000000000000a.07",
        "0123456789abcdef.000000000000000a.4096",
        "0123456789abcdef.000000000000000a.-1",
        "0123456789abcdef.000000000000000a.7 ",
        "0123456789ABCDEF.000000000000000a.7",
        "0123456789abcdef-000000000000000a.7",
        "0123456789abcdef.00000000000000a.7",
        "0123456789abcdef.000000000000000a.18446744073709551616",
        "0123456789abcdef.000000000000000a.0000000000000000000007",
    };
    char text[KS_KEY_ID_TEXT_MAX];
    uint64_t instance = 0;
    uint64_t number = 0;
    uint32_t index = 0;

    ks_key_id_text(0x0123456789abcdef, 10, 4095, text);
    assert_string_equal(text, "0123456789abcdef.000000000000000a.4095");
    assert_int_equal(ks_key_id_parse(ks_bytes_text(text), &instance, &number, &index), KS_OK);
    assert_true(instance == 0x0123456789abcdef && number == 10 && index == 4095);
    ks_key_id_text(UINT64_MAX, UINT64_MAX, UINT32_MAX, text); /* fits */
    assert_int_equal(strlen(text), 44);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (ks_key_id_parse(ks_bytes_text(wrong[i]), &instance, &number, &index) == KS_OK) {
            fail_msg("'%s' was taken", wrong[i]);
        }
    }
}

/* Against keys that tools/vectors_journal.py derived. */
static void test_keys_are_derived_as_documented(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf bytes;
    struct ks_buf lines;
    unsigned count = 0;

    vector_read("journal/accept", "base-and-appended", &bytes);
    vector_read("journal", "keys", &lines);
    journal_close(fixture);
    write_file(fixture, ks_buf_view(&bytes));
    journal_open(fixture, NOW_S);
    assert_true(fixture->instance == 0x0123456789abcdef);
    assert_int_equal(ks_journal_number_next(fixture->journal), 10);

    uint8_t secret[32];
    uint8_t salt[32];
    uint8_t device[32];
    for (size_t i = 0; i < 32; i++) {
        secret[i] = (uint8_t)(0x40 + i);
        salt[i] = 0x5a;
        device[i] = 0xd0;
    }
    struct ks_reader reader = ks_reader_of(ks_buf_view(&lines), "keys");
    while (reader.rest.len > 0) {
        struct ks_bytes line = {0};
        unsigned index = 0;
        char hex[65] = "";
        uint8_t wanted[32];
        uint8_t key[32];

        assert_int_equal(ks_read_line(&reader, &line), KS_OK);
        assert_int_equal(sscanf((const char *)line.data, "%u %64[0-9a-f]", &index, hex), 2);
        assert_int_equal(ks_hex_decode(ks_bytes_text(hex), wanted, sizeof wanted), KS_OK);
        assert_int_equal(ks_one_time_key_derive(KS_BYTES(secret), KS_BYTES(salt), index, key),
                         KS_OK);
        assert_memory_equal(key, wanted, 32);
        /* Batch 3 of the file, whose keys below 70 are spent, was wrapped by the other writer.
         */
        enum ks_err err =
            ks_journal_key(fixture->journal, fixture->instance, 3, index, device, NOW_S, key);
        assert_int_equal(err, KS_ERR_DENIED);
        count++;
    }
    assert_int_equal(count, 5);
    uint8_t key[32];
    uint8_t wanted[32];
    assert_int_equal(
        ks_journal_key(fixture->journal, fixture->instance, 3, 70, device, NOW_S, key), KS_OK);
    assert_int_equal(ks_one_time_key_derive(KS_BYTES(secret), KS_BYTES(salt), 70, wanted),
                     KS_OK);
    assert_memory_equal(key, wanted, 32);
    ks_buf_done(&bytes);
    ks_buf_done(&lines);
}

/* --- spending ----------------------------------------------------------------------------- */

#define assert_denied(call, reason)                                                            \
    do {                                                                                       \
        assert_int_equal((call), KS_ERR_DENIED);                                               \
        if (strstr(ks_err_detail(), (reason)) == NULL) {                                       \
            fail_msg("'%s' is not in '%s'", (reason), ks_err_detail());                        \
        }                                                                                      \
    } while (0)

static void test_what_is_denied(void **state)
{
    struct fixture *fixture = *state;
    struct ks_journal *journal = fixture->journal;
    const uint64_t instance = fixture->instance;
    const uint64_t number = add(fixture, 100);
    uint8_t key[KS_ONE_TIME_KEY_LEN];

    assert_int_equal(key_of(fixture, number, 99), KS_OK);
    assert_denied(ks_journal_key(journal, instance + 1, number, 0, device_a, NOW_S, key),
                  "another instance");
    assert_denied(ks_journal_key(journal, instance, number + 1, 0, device_a, NOW_S, key),
                  "unknown");
    assert_denied(ks_journal_key(journal, instance, number, 0, device_b, NOW_S, key),
                  "another device");
    assert_denied(ks_journal_key(journal, instance, number, 100, device_a, NOW_S, key),
                  "of a batch of 100");
    assert_denied(ks_journal_key(journal, instance, number, 0, device_a, EXPIRES_S, key),
                  "expired");
    assert_denied(ks_journal_spend(journal, instance, number, 0, device_b, NOW_S),
                  "another device");
    assert_int_equal(spend(fixture, number, 7), KS_OK);
    assert_denied(spend(fixture, number, 7), "spent");
    assert_denied(key_of(fixture, number, 7), "spent");
    assert_int_equal(spend(fixture, number, 3), KS_OK); /* the order is free while it runs */
    assert_int_equal(spend(fixture, number, 99), KS_OK);
    assert_denied(spend(fixture, number, 99), "spent");
}

static void test_a_restart_burns_the_reserve(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t number = add(fixture, 200);
    const uint64_t untouched = add(fixture, 10);
    const uint64_t instance = fixture->instance;

    assert_int_equal(spend(fixture, number, 0), KS_OK);
    journal_close(fixture);
    journal_open(fixture, NOW_S);
    assert_true(fixture->instance == instance);
    for (uint32_t i = 0; i < KS_JOURNAL_RESERVE; i++) {
        assert_int_equal(spend(fixture, number, i), KS_ERR_DENIED);
    }
    assert_int_equal(spend(fixture, number, KS_JOURNAL_RESERVE), KS_OK);
    assert_int_equal(key_of(fixture, untouched, 0), KS_OK);
    assert_int_equal(key_of(fixture, untouched, 9), KS_OK);
}

static void test_numbers_are_never_given_again(void **state)
{
    struct fixture *fixture = *state;
    struct ks_key_batch brief = batch_of(1, NOW_S + 1);

    assert_int_equal(ks_journal_number_next(fixture->journal), 1);
    const uint64_t first = add(fixture, 1);
    assert_int_equal(first, 1);
    assert_int_equal(spend(fixture, first, 0), KS_OK); /* used up */
    assert_int_equal(ks_journal_add(fixture->journal, &brief), KS_OK);
    journal_close(fixture);
    journal_open(fixture, NOW_S + 1); /* both are forgotten */
    assert_int_equal(add(fixture, 1), brief.number + 1);
}

static void test_limits(void **state)
{
    struct fixture *fixture = *state;
    struct ks_key_batch none = batch_of(0, EXPIRES_S);
    struct ks_key_batch many = batch_of(KS_JOURNAL_KEYS_MAX + 1, EXPIRES_S);
    struct ks_key_batch batch = batch_of(1, EXPIRES_S);
    struct ks_buf file;
    uint8_t key[KS_ONE_TIME_KEY_LEN];

    assert_int_equal(ks_journal_add(fixture->journal, &none), KS_ERR_LIMIT);
    assert_int_equal(ks_journal_add(fixture->journal, &many), KS_ERR_LIMIT);
    for (size_t i = 0; i < KS_JOURNAL_BATCHES_MAX; i++) {
        add(fixture, 2);
    }
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_ERR_LIMIT);
    journal_close(fixture);
    journal_open(fixture, NOW_S);
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_ERR_LIMIT);
    /* Once it hears that they have expired, there is room again, in the file as well. */
    assert_int_equal(
        ks_journal_key(fixture->journal, fixture->instance, 1, 0, device_a, EXPIRES_S, key),
        KS_ERR_DENIED);
    batch.expires_s = EXPIRES_S + 1;
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_OK);
    read_file(fixture, &file);
    assert_int_equal(file.len, KS_JOURNAL_HEADER_LEN + KS_JOURNAL_RECORD_LEN);
    ks_buf_done(&file);
}

static void test_the_file_stays_small(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf file;
    size_t len_max = 0;

    for (unsigned i = 0; i < 150; i++) {
        const uint64_t number = add(fixture, KS_JOURNAL_KEYS_MAX);
        for (uint32_t k = 0; k < KS_JOURNAL_KEYS_MAX; k += KS_JOURNAL_RESERVE) {
            assert_int_equal(spend(fixture, number, k), KS_OK);
        }
        read_file(fixture, &file);
        len_max = file.len > len_max ? file.len : len_max;
        ks_buf_done(&file);
    }
    assert_true(len_max <= (8192 + 150) * KS_JOURNAL_RECORD_LEN + KS_JOURNAL_HEADER_LEN);
    journal_close(fixture);
    journal_open(fixture, NOW_S);
    assert_int_equal(spend(fixture, 1, KS_JOURNAL_KEYS_MAX - 1), KS_ERR_DENIED);
}

/* --- a disk in trouble -------------------------------------------------------------------- */

static void test_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    struct ks_key_batch batch = batch_of(10, EXPIRES_S);
    const uint64_t number = add(fixture, 200);

    crash_disk_set_full(fixture->disk, true);
    const uint64_t burnt = ks_journal_number_next(fixture->journal);
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_ERR_IO);
    assert_int_equal(spend(fixture, number, 5), KS_ERR_IO);
    assert_int_equal(spend(fixture, number, 5), KS_ERR_DENIED);
    assert_int_equal(spend(fixture, number, 6),
                     KS_ERR_IO); /* below the mark that did not land */
    crash_disk_set_full(fixture->disk, false);
    assert_int_equal(spend(fixture, number, 5), KS_ERR_DENIED);
    assert_int_equal(spend(fixture, number, 7), KS_OK);
    assert_int_equal(key_of(fixture, burnt, 0), KS_ERR_DENIED);
    assert_true(add(fixture, 10) > burnt);
    journal_close(fixture);
    crash_disk_restart(fixture->disk);
    journal_open(fixture, NOW_S);
    assert_int_equal(spend(fixture, number, 7), KS_ERR_DENIED);
}

static void test_a_failed_sync_is_not_trusted_again(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t number = add(fixture, 200);

    crash_disk_fail_sync(fixture->disk, 1);
    assert_int_equal(spend(fixture, number, 0), KS_ERR_IO);
    assert_int_equal(spend(fixture, number, 1), KS_OK);
    journal_close(fixture);
    crash_disk_restart(fixture->disk); /* loses what only the failed sync had */
    journal_open(fixture, NOW_S);
    assert_int_equal(spend(fixture, number, 0), KS_ERR_DENIED);
    assert_int_equal(spend(fixture, number, 1), KS_ERR_DENIED);
}

/* --- the file ----------------------------------------------------------------------------- */

static void accept_vector(void *context, const char *name, struct ks_bytes bytes)
{
    struct fixture *fixture = context;

    write_file(fixture, bytes);
    if (try_open(fixture) != KS_OK) {
        fail_msg("accept/%s: %s", name, ks_err_detail());
    }
}

static void reject_vector(void *context, const char *name, struct ks_bytes bytes)
{
    struct fixture *fixture = context;
    struct ks_buf after;

    write_file(fixture, bytes);
    enum ks_err err = try_open(fixture);
    const char *wanted = ks_err_name(err);
    if (strncmp(name, wanted, strlen(wanted)) != 0 || name[strlen(wanted)] != '-') {
        fail_msg("reject/%s: %s: %s", name, wanted, ks_err_detail());
    }
    read_file(fixture, &after);
    assert_true(
        ks_bytes_equal(ks_buf_view(&after), bytes)); /* left for the operator to look at */
    ks_buf_done(&after);
}

static void test_vectors(void **state)
{
    struct fixture *fixture = *state;

    journal_close(fixture);
    vector_each("journal/accept", 9, fixture, accept_vector);
    vector_each("journal/reject", 32, fixture, reject_vector);
}

/* Any flipped bit is an error, or, in the last record alone, the loss of that record. */
static void test_every_flipped_byte(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf file;
    const uint64_t number = add(fixture, 300);

    assert_int_equal(spend(fixture, number, 0), KS_OK);
    assert_int_equal(spend(fixture, number, 100), KS_OK);
    read_file(fixture, &file);
    journal_close(fixture);
    assert_int_equal(file.len, KS_JOURNAL_HEADER_LEN + 3 * KS_JOURNAL_RECORD_LEN);
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] ^= (uint8_t)(1U << (i % 8));
        write_file(fixture, ks_buf_view(&file));
        if (i < file.len - KS_JOURNAL_RECORD_LEN) {
            enum ks_err err = try_open(fixture);
            if (err != (i < 20 ? KS_ERR_FORMAT : KS_ERR_VERIFY)) {
                fail_msg("byte %zu: %s", i, ks_err_name(err));
            }
        } else {
            journal_open(fixture, NOW_S);
            assert_int_equal(key_of(fixture, number, KS_JOURNAL_RESERVE - 1), KS_ERR_DENIED);
            assert_int_equal(key_of(fixture, number, KS_JOURNAL_RESERVE), KS_OK);
            journal_close(fixture);
        }
        file.data[i] ^= (uint8_t)(1U << (i % 8));
    }
    /* Cut anywhere: the header has to be whole, of the rest the whole records count. */
    for (size_t len = 1; len < file.len; len++) {
        write_file(fixture, ks_bytes_of(file.data, len));
        enum ks_err err = try_open(fixture);
        if ((err == KS_OK) != (len >= KS_JOURNAL_HEADER_LEN)) {
            fail_msg("cut to %zu bytes: %s", len, ks_err_name(err));
        }
    }
    ks_buf_done(&file);
}

static void test_another_master_key(void **state)
{
    struct fixture *fixture = *state;
    struct ks_journal *journal = NULL;

    add(fixture, 3);
    journal_close(fixture);
    fixture->master[5] ^= 1;
    assert_int_equal(try_open(fixture), KS_ERR_VERIFY);
    assert_int_equal(
        ks_journal_open(&fixture->fs, ks_bytes_of(fixture->master, 31), NOW_S, NULL, &journal),
        KS_ERR_USAGE);
    ks_journal_close(NULL);
}

/* Records of the file before its last rewriting do not fit behind the new header. */
static void test_old_records_do_not_fit_a_new_file(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf old;
    struct ks_buf fresh;
    const uint64_t number = add(fixture, 300);

    journal_close(fixture);
    journal_open(fixture, NOW_S);
    assert_int_equal(spend(fixture, number, 0), KS_OK);
    assert_int_equal(spend(fixture, number, 100), KS_OK);
    read_file(fixture, &old);
    journal_close(fixture);
    journal_open(fixture, NOW_S);
    read_file(fixture, &fresh);
    journal_close(fixture);
    assert_int_equal(fresh.len, KS_JOURNAL_HEADER_LEN + KS_JOURNAL_RECORD_LEN);
    ks_buf_put(&fresh, ks_bytes_of(old.data + fresh.len, old.len - fresh.len));
    write_file(fixture, ks_buf_view(&fresh));
    assert_int_equal(try_open(fixture), KS_ERR_VERIFY);
    ks_buf_done(&old);
    ks_buf_done(&fresh);
}

static void test_the_secret_is_not_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct ks_key_batch batch = batch_of(4, EXPIRES_S);
    struct ks_buf file;

    for (size_t i = 0; i < sizeof batch.secret; i++) {
        batch.secret[i] = (uint8_t)(0xc0 + i);
    }
    assert_int_equal(ks_journal_add(fixture->journal, &batch), KS_OK);
    read_file(fixture, &file);
    assert_null(memmem(file.data, file.len, batch.secret, 8));
    assert_non_null(memmem(file.data, file.len, batch.salt, 8));
    ks_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_ids),
        cmocka_unit_test_setup_teardown(test_keys_are_derived_as_documented, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_denied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_restart_burns_the_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_are_never_given_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_file_stays_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_sync_is_not_trusted_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flipped_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_master_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_records_do_not_fit_a_new_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_secret_is_not_in_the_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
