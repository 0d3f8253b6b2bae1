/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device's keyring: no key and no counter is given twice, across processes that share the
 * folder and are killed at any moment. */
#include "expect.h"

#include <dirent.h>
#include <time.h>

#include "base/sys.h"
#include "client/keyring.h"

#define NOW_S       1000
#define PROCESSES   4
#define KEYS        1000 /* of the shared batch */
#define KILLS       60
#define RECORDS_MAX 4096

static char folder[64];

static const struct ks_keyring_batch batch = {
    .instance = 0x0102030405060708,
    .number = 9,
    .count = KEYS,
    .expires_s = NOW_S + 100,
    .secret = {1, 2, 3},
    .salt = {4, 5, 6},
};

static struct ks_keyring *open_keyring(void)
{
    struct ks_keyring *keyring = NULL;

    assert_int_equal(ks_keyring_open(folder, &keyring), KS_OK);
    return keyring;
}

static uint32_t index_of(const char *id)
{
    uint64_t instance = 0;
    uint64_t number = 0;
    uint32_t index = 0;

    assert_int_equal(ks_key_id_parse(ks_bytes_text(id), &instance, &number, &index), KS_OK);
    assert_true(instance == batch.instance && number == batch.number);
    return index;
}

static void test_in_order(void **state)
{
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_batch small = batch;
    struct ks_keyring_key key;
    uint8_t wanted[KS_ONE_TIME_KEY_LEN];

    (void)state;
    expect_failure(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_NOT_FOUND, "keys left");
    small.count = 3;
    assert_int_equal(ks_keyring_put(keyring, &small), KS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ks_keyring_take(keyring, NOW_S, i != 1, &key), KS_OK);
        assert_int_equal(index_of(key.id), i);
        assert_int_equal(
            ks_one_time_key_derive(KS_BYTES(small.secret), KS_BYTES(small.salt), i, wanted),
            KS_OK);
        assert_memory_equal(key.key, wanted, sizeof wanted);
        assert_int_equal(key.counter, i == 0 || i == 1 ? 1 : 2);
    }
    assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_NOT_FOUND);
    ks_keyring_close(keyring);
}

/* The counter outlives batches, and a key that was not given costs no number. */
static void test_counter_goes_on(void **state)
{
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_batch next = batch;
    struct ks_keyring_key key;

    (void)state;
    next.number = 8;
    assert_int_equal(ks_keyring_drop(keyring), KS_OK);
    assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_keyring_put(keyring, &next), KS_OK);
    ks_keyring_close(keyring);
    keyring = open_keyring();
    assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_OK);
    assert_int_equal(key.counter, 3);
    ks_keyring_close(keyring);
}

static void test_expiry(void **state)
{
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_key key;

    (void)state;
    assert_int_equal(ks_keyring_take(keyring, batch.expires_s - 1, false, &key), KS_OK);
    assert_int_equal(ks_keyring_take(keyring, batch.expires_s, false, &key), KS_ERR_NOT_FOUND);
    ks_keyring_close(keyring);
}

/* The same batch once more would give its keys again. */
static void test_no_batch_twice(void **state)
{
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_key key;

    (void)state;
    assert_int_equal(ks_keyring_put(keyring, &batch), KS_OK);
    assert_int_equal(ks_keyring_take(keyring, NOW_S, false, &key), KS_OK);
    assert_int_equal(ks_keyring_put(keyring, &batch), KS_ERR_CONFLICT);
    assert_int_equal(ks_keyring_take(keyring, NOW_S, false, &key), KS_OK);
    assert_int_equal(index_of(key.id), 1);
    ks_keyring_close(keyring);
}

/* --- processes ---------------------------------------------------------------------------- */

struct taken {
    uint32_t index;
    uint64_t counter;
};

/* Takes until none is left, and says which; a pipe takes a short write whole or not at all. */
static void take_all(int out)
{
    struct ks_keyring *keyring = NULL;
    struct ks_keyring_key key;

    if (ks_keyring_open(folder, &keyring) != KS_OK) {
        _exit(1);
    }
    while (ks_keyring_take(keyring, NOW_S, true, &key) == KS_OK) {
        uint64_t instance = 0;
        uint64_t number = 0;
        struct taken taken = {.counter = key.counter};

        if (ks_key_id_parse(ks_bytes_text(key.id), &instance, &number, &taken.index) != KS_OK ||
            write(out, &taken, sizeof taken) != sizeof taken) {
            _exit(1);
        }
    }
    _exit(0);
}

static pid_t start_taking(int out)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        take_all(out);
    }
    return pid;
}

static struct {
    bool index[KEYS];
    uint64_t counter;
    size_t count;
} seen;

static void collect(int in)
{
    struct taken taken;

    while (read(in, &taken, sizeof taken) == sizeof taken) {
        assert_true(taken.index < KEYS);
        if (seen.index[taken.index]) {
            fail_msg("key %u was given twice", taken.index);
        }
        seen.index[taken.index] = true;
        seen.count++;
    }
}

static void open_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void fresh_batch(uint64_t number)
{
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_batch next = batch;

    next.number = number;
    assert_int_equal(ks_keyring_put(keyring, &next), KS_OK);
    ks_keyring_close(keyring);
    seen.count = 0;
    ks_zero(seen.index, sizeof seen.index);
}

static void test_processes(void **state)
{
    pid_t pids[PROCESSES];
    int ends[2];

    (void)state;
    open_pipe(ends);
    fresh_batch(20);
    for (size_t i = 0; i < PROCESSES; i++) {
        pids[i] = start_taking(ends[1]);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status = -1;

        while (waitpid(pids[i], &status, WNOHANG) == 0) {
            collect(ends[0]);
        }
        assert_int_equal(status, 0);
    }
    collect(ends[0]);
    assert_int_equal(seen.count, KEYS); /* each once */
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Killed at any moment: some keys are lost, none comes twice, and the file is always whole. */
static void test_kills(void **state)
{
    uint64_t random = 88172645463325252;
    int ends[2];

    (void)state;
    open_pipe(ends);
    fresh_batch(21);
    for (unsigned i = 0; i < KILLS; i++) {
        const pid_t pid = start_taking(ends[1]);
        const struct timespec pause_time = {.tv_nsec = (long)(next_random(&random) % 5000000)};

        (void)nanosleep(&pause_time, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        collect(ends[0]);
        struct ks_keyring *keyring = open_keyring();
        struct ks_keyring_key key;
        const enum ks_err err = ks_keyring_take(keyring, NOW_S, true, &key);

        if (err == KS_OK) {
            uint64_t instance = 0;
            uint64_t number = 0;
            uint32_t index = 0;

            assert_int_equal(ks_key_id_parse(ks_bytes_text(key.id), &instance, &number, &index),
                             KS_OK);
            assert_false(seen.index[index]);
            seen.index[index] = true;
            assert_true(key.counter > seen.counter);
            seen.counter = key.counter;
        } else {
            assert_int_equal(err, KS_ERR_NOT_FOUND);
        }
        ks_keyring_close(keyring);
    }
    assert_true(seen.count > 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* --- damage ------------------------------------------------------------------------------- */

static void test_damage(void **state)
{
    char path[128];
    struct ks_buf bytes;
    struct ks_keyring *keyring = open_keyring();
    struct ks_keyring_key key;

    (void)state;
    fresh_batch(30);
    (void)snprintf(path, sizeof path, "%s/keyring", folder);
    ks_buf_init(&bytes, 4096);
    assert_int_equal(ks_file_read(path, 4096, &bytes), KS_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 4;
        assert_int_equal(ks_file_write(path, ks_buf_view(&bytes), 0600), KS_OK);
        assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_FORMAT);
        bytes.data[i] ^= 4;
    }
    for (size_t len = 1; len < bytes.len; len += 7) {
        assert_int_equal(ks_file_write(path, ks_bytes_of(bytes.data, len), 0600), KS_OK);
        assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_FORMAT);
    }
    ks_buf_put_u8(&bytes, 0);
    assert_int_equal(ks_file_write(path, ks_buf_view(&bytes), 0600), KS_OK);
    assert_int_equal(ks_keyring_take(keyring, NOW_S, true, &key), KS_ERR_FORMAT);
    ks_buf_done(&bytes);
    ks_keyring_close(keyring);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", "/tmp/ketseal-keyring-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry = NULL;
    char path[512];

    (void)state;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(entries);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),       cmocka_unit_test(test_counter_goes_on),
        cmocka_unit_test(test_no_batch_twice), cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_processes),      cmocka_unit_test(test_kills),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
