/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include <sys/stat.h>

#include "base/sys.h"
#include "client/keyring.h"
#include "crypto/digest.h"

#define KEYRING_LEN 158 /* without quantum keys */
#define EXTRA_LEN   12  /* of that, what version 1 has not */
#define CHECK_LEN   32
#define NOW_S       1000
#define PROCESSES   8
#define KEYS        400 /* of the batch that the processes share */

static const struct ks_keyring_batch batch = {
    .instance = 7,
    .number = 8,
    .count = KEYS,
    .expires_s = NOW_S + 10,
    .secret = {1, 2, 3},
    .salt = {4, 5, 6},
};

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/test_keyring.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static const char *in_folder(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(in_folder("keyring"));
    (void)unlink(in_folder("keyring.new"));
    return rmdir(folder);
}

static struct ks_keyring *open_ring(void)
{
    struct ks_keyring *ring = NULL;

    assert_int_equal(ks_keyring_open(folder, &ring), KS_OK);
    return ring;
}

static enum ks_err take(struct ks_keyring *ring, uint64_t now_s, bool with_counter,
                        struct ks_keyring_key *out_key)
{
    const struct ks_keyring_want want = {.kem = true, .counter = with_counter};

    return ks_keyring_take(ring, now_s, &want, out_key);
}

static void test_keys_in_order(void **state)
{
    (void)state;
    struct ks_keyring *ring = open_ring();
    struct ks_keyring_key key = {0};
    struct ks_keyring_batch small = batch;
    uint8_t wanted[KS_ONE_TIME_KEY_LEN];
    char id[KS_KEY_ID_TEXT_MAX];

    small.number = 7;
    small.count = 5;
    expect_failure(take(ring, NOW_S, true, &key), KS_ERR_NOT_FOUND, "no one-time keys left");
    assert_int_equal(ks_keyring_put(ring, &small), KS_OK);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(take(ring, NOW_S, i % 2 == 1, &key), KS_OK);
        assert_int_equal(
            ks_one_time_key_derive(KS_BYTES(batch.secret), KS_BYTES(batch.salt), i, wanted),
            KS_OK);
        expect_bytes(KS_BYTES(key.key), KS_BYTES(wanted));
        ks_key_id_text(7, 7, i, id);
        assert_string_equal(key.id, id);
        assert_int_equal(key.counter, (i + 1) / 2);
        ks_keyring_close(ring); /* what is used is used on disk */
        ring = open_ring();
    }
    expect_failure(take(ring, NOW_S, true, &key), KS_ERR_NOT_FOUND, "no one-time keys left");
    /* The counter goes on over batches and over a batch that is dropped. */
    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    assert_int_equal(take(ring, NOW_S, true, &key), KS_OK);
    assert_int_equal(key.counter, 3);
    /* Once more the same batch would give its keys once more. */
    expect_failure(ks_keyring_put(ring, &batch), KS_ERR_CONFLICT,
                   "keyring: batch 8 is there already");
    assert_int_equal(ks_keyring_drop(ring), KS_OK);
    assert_int_equal(take(ring, NOW_S, true, &key), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    assert_int_equal(take(ring, NOW_S, true, &key), KS_OK);
    assert_int_equal(key.counter, 4);
    ks_keyring_close(ring);
}

static void test_expiry(void **state)
{
    (void)state;
    struct ks_keyring *ring = open_ring();
    struct ks_keyring_key key = {0};

    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    assert_int_equal(take(ring, NOW_S + 9, true, &key), KS_OK);
    assert_int_equal(take(ring, NOW_S + 10, true, &key), KS_ERR_NOT_FOUND);
    assert_int_equal(take(ring, UINT64_MAX, true, &key), KS_ERR_NOT_FOUND);
    ks_keyring_close(ring);
}

/* Takes keys until there are none and writes "index counter" for each. */
static void take_all(int out)
{
    struct ks_keyring *ring = NULL;
    struct ks_keyring_key key = {0};

    if (ks_keyring_open(folder, &ring) != KS_OK) {
        _exit(2);
    }
    while (take(ring, NOW_S, true, &key) == KS_OK) {
        const char *dot = strrchr(key.id, '.');
        char line[128];
        const int len = snprintf(line, sizeof line, "%s %llu\n", dot == NULL ? "?" : dot + 1,
                                 (unsigned long long)key.counter);

        if (write(out, line, (size_t)len) != len) {
            _exit(3);
        }
    }
    _exit(0);
}

/* Every key and every value of the counter at most once; GAPS: some may be lost. */
static void check_taken(int fd, bool gaps)
{
    bool keys[KEYS] = {false};
    bool counters[KEYS + 1] = {false};
    FILE *file = fdopen(fd, "r");
    unsigned index = 0;
    unsigned long long counter = 0;
    unsigned count = 0;

    assert_non_null(file);
    rewind(file);
    while (fscanf(file, "%u %llu\n", &index, &counter) == 2) {
        assert_true(index < KEYS && !keys[index]);
        assert_true(counter >= 1 && counter <= KEYS && !counters[counter]);
        assert_int_equal(counter, index + 1); /* both went on together: ascending */
        keys[index] = true;
        counters[counter] = true;
        count++;
    }
    assert_true(feof(file));
    assert_true(gaps ? count > 0 && count <= KEYS : count == KEYS);
    (void)fclose(file);
}

static void run_processes(bool kills)
{
    struct ks_keyring *ring = open_ring();
    char path[] = "/tmp/test_keyring_out.XXXXXX";
    const int file = mkstemp(path);
    pid_t pids[PROCESSES];
    uint64_t random = 7;

    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fcntl(file, F_SETFL, O_APPEND), 0);
    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    for (size_t i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            take_all(file);
        }
    }
    for (size_t i = 0; kills && i < PROCESSES - 1; i++) {
        (void)usleep((useconds_t)(next_random(&random) % 8000));
        assert_int_equal(kill(pids[i], SIGKILL), 0);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status = 0;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(status == 0 || (kills && WIFSIGNALED(status)));
    }
    check_taken(file, kills);
    ks_keyring_close(ring);
}

static void test_processes_share_it(void **state)
{
    (void)state;
    run_processes(false);
}

static void test_killed_in_the_middle(void **state)
{
    (void)state;
    run_processes(true);
}

/* --- files -------------------------------------------------------------------------------- */

static void expect_bad(struct ks_bytes bytes, enum ks_err code, const char *text)
{
    struct ks_keyring *ring = open_ring();
    struct ks_keyring_key key = {.counter = 99};
    struct ks_buf after;

    ks_buf_init(&after, 65536);
    assert_int_equal(ks_file_write(in_folder("keyring"), bytes, 0600), KS_OK);
    expect_failure(take(ring, NOW_S, true, &key), code, text);
    expect_failure(ks_keyring_put(ring, &batch), code, text);
    assert_int_equal(key.counter, 99);
    assert_int_equal(ks_file_read(in_folder("keyring"), 65536, &after), KS_OK);
    expect_bytes(ks_buf_view(&after), bytes);
    ks_buf_done(&after);
    ks_keyring_close(ring);
}

static void test_damaged_files(void **state)
{
    (void)state;
    struct ks_keyring *ring = open_ring();
    struct ks_buf file;

    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    ks_keyring_close(ring);
    ks_buf_init(&file, 1000);
    assert_int_equal(ks_file_read(in_folder("keyring"), 1000, &file), KS_OK);
    assert_int_equal(file.len, KEYRING_LEN);
    for (size_t len = 1; len < KEYRING_LEN; len += 5) {
        expect_bad(ks_bytes_of(file.data, len), KS_ERR_FORMAT, "keyring");
    }
    for (size_t i = 0; i < KEYRING_LEN; i += i < 12 ? 1 : 7) {
        file.data[i] ^= 4;
        expect_bad(ks_buf_view(&file), KS_ERR_FORMAT,
                   i < 8    ? "keyring: not such a file"
                   : i < 10 ? "keyring: version "
                            : "keyring: the file is damaged");
        file.data[i] ^= 4;
    }
    ks_buf_put_u8(&file, 0);
    expect_bad(ks_buf_view(&file), KS_ERR_FORMAT, "keyring");
    ks_buf_done(&file);
    ks_buf_init(&file, 65536);
    while (file.len < 20000) {
        ks_buf_put_u8(&file, 0);
    }
    expect_bad(ks_buf_view(&file), KS_ERR_LIMIT, "'keyring' has 20000 bytes, limit 12447");
    ks_buf_done(&file);
}

/* --- quantum keys ------------------------------------------------------------------------- */

static struct ks_keyring_quantum quantum_key(uint8_t number)
{
    struct ks_keyring_quantum key = {.id = {{number, 1}}, .key = {number, 2}};

    return key;
}

static enum ks_err take_quantum(struct ks_keyring *ring, uint64_t now_s, bool both,
                                struct ks_keyring_key *out_key)
{
    const struct ks_keyring_want want = {.kem = both, .quantum = true, .counter = true};

    return ks_keyring_take(ring, now_s, &want, out_key);
}

/* Whether the file holds the bytes of the key that NUMBER stands for. */
static bool file_holds(uint8_t number)
{
    struct ks_keyring_quantum wanted = quantum_key(number);
    struct ks_buf file;
    bool found = false;

    ks_buf_init(&file, 65536);
    assert_int_equal(ks_file_read(in_folder("keyring"), 65536, &file), KS_OK);
    found = memmem(file.data, file.len, wanted.key, sizeof wanted.key) != NULL;
    ks_buf_done(&file);
    return found;
}

static void test_quantum_keys(void **state)
{
    (void)state;
    struct ks_keyring *ring = open_ring();
    struct ks_keyring_key key = {0};
    struct ks_keyring_left left = {0};
    struct ks_keyring_quantum keys[KS_KEYRING_QUANTUM_MAX + 1];

    for (size_t i = 0; i <= KS_KEYRING_QUANTUM_MAX; i++) {
        keys[i] = quantum_key((uint8_t)i);
        keys[i].id.bytes[2] = (uint8_t)(i >> 8);
    }
    expect_failure(take_quantum(ring, NOW_S, false, &key), KS_ERR_NOT_FOUND,
                   "no quantum keys left");
    assert_int_equal(ks_keyring_quantum_add(ring, keys, 3, NOW_S + 5, NOW_S), KS_OK);
    expect_failure(ks_keyring_quantum_add(ring, &keys[2], 1, NOW_S + 5, NOW_S), KS_ERR_CONFLICT,
                   "a quantum key is there already");
    expect_failure(
        ks_keyring_quantum_add(ring, keys, KS_KEYRING_QUANTUM_MAX - 2, NOW_S + 5, NOW_S),
        KS_ERR_LIMIT, "room for 256 quantum keys");
    /* What is given out is no longer on the disk. */
    assert_true(file_holds(2));
    assert_int_equal(take_quantum(ring, NOW_S, false, &key), KS_OK);
    assert_string_equal(key.id, "02010000-0000-0000-0000-000000000000");
    expect_bytes(KS_BYTES(key.key), KS_BYTES(keys[2].key));
    assert_int_equal(key.counter, 1);
    assert_false(file_holds(2));
    /* Both: one of each, or none. */
    expect_failure(take_quantum(ring, NOW_S, true, &key), KS_ERR_NOT_FOUND,
                   "no one-time keys left");
    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    assert_int_equal(ks_keyring_count(ring, NOW_S, &left), KS_OK);
    assert_int_equal(left.kem, KEYS);
    assert_int_equal(left.quantum, 2);
    assert_int_equal(take_quantum(ring, NOW_S, true, &key), KS_OK);
    assert_string_equal(key.id, "0000000000000007.0000000000000008.0:01010000-0000-0000-0000-"
                                "000000000000");
    assert_false(file_holds(1));
    /* Their time ends with that of the first. */
    assert_int_equal(ks_keyring_quantum_add(ring, &keys[3], 1, NOW_S + 50, NOW_S), KS_OK);
    expect_failure(take_quantum(ring, NOW_S + 5, false, &key), KS_ERR_NOT_FOUND,
                   "no quantum keys left");
    assert_int_equal(ks_keyring_drop(ring), KS_OK);
    assert_int_equal(ks_keyring_count(ring, NOW_S, &left), KS_OK);
    assert_int_equal(left.kem + left.quantum, 0);
    assert_int_equal(ks_keyring_quantum_add(ring, keys, KS_KEYRING_QUANTUM_MAX, NOW_S, 0),
                     KS_OK);
    ks_keyring_close(ring);
}

/* A file of version 1 is read, and written anew as 2. */
static void test_version_1(void **state)
{
    (void)state;
    struct ks_keyring *ring = open_ring();
    struct ks_keyring_key key = {0};
    struct ks_buf file;
    uint8_t check[KS_SHA256_LEN];

    ks_buf_init(&file, 1000);
    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    assert_int_equal(ks_file_read(in_folder("keyring"), 1000, &file), KS_OK);
    file.data[9] = 1;
    file.len -= CHECK_LEN + EXTRA_LEN;
    ks_sha256(ks_buf_view(&file), check);
    ks_buf_put(&file, KS_BYTES(check));
    assert_int_equal(ks_file_write(in_folder("keyring"), ks_buf_view(&file), 0600), KS_OK);
    assert_int_equal(take(ring, NOW_S, true, &key), KS_OK);
    assert_string_equal(key.id, "0000000000000007.0000000000000008.0");
    ks_buf_clear(&file);
    assert_int_equal(ks_file_read(in_folder("keyring"), 1000, &file), KS_OK);
    assert_int_equal(file.len, KEYRING_LEN);
    assert_int_equal(file.data[9], 2);
    ks_buf_done(&file);
    ks_keyring_close(ring);
}

static void test_modes(void **state)
{
    (void)state;
    static const mode_t bad[] = {0755, 0750, 0710, 0702, 0777};
    struct ks_keyring *ring = open_ring();
    struct stat info;

    assert_int_equal(ks_keyring_put(ring, &batch), KS_OK);
    ks_keyring_close(ring);
    assert_int_equal(stat(in_folder("keyring"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ring = NULL;
        assert_int_equal(chmod(folder, bad[i]), 0);
        expect_failure(ks_keyring_open(folder, &ring), KS_ERR_DENIED,
                       "lets others at the one-time keys; it must be 0700");
        assert_null(ring);
    }
    assert_int_equal(chmod(folder, 0700), 0);
    expect_failure(ks_keyring_open(in_folder("keyring"), &ring), KS_ERR_IO, "is no folder");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_keys_in_order),      IN_FOLDER(test_expiry),
        IN_FOLDER(test_processes_share_it), IN_FOLDER(test_killed_in_the_middle),
        IN_FOLDER(test_damaged_files),      IN_FOLDER(test_modes),
        IN_FOLDER(test_quantum_keys),       IN_FOLDER(test_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
