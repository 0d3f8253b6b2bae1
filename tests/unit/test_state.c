/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include "crypto/digest.h"
#include "enclave/state.h"
#include "fault/crash_fs.h"
#include "fault/crash_vault.h"

#define LINE_LEN 72
#define FILE_MAX ((size_t)1 << 20)

static const uint8_t master[32] = {1, 2, 3};

#define CLEAR_LEN 204 /* of the file of keys, version 1 */
#define SEALED_LEN                                                                             \
    (8 + 2 + 2 + 8 + 2 + 80 + 6 * 32 + 16) /* version 2, with the test's blob                  \
                                            */
#define ISSUER_LEN  2592
#define EPOCH_LEN   278
#define EPOCH_2_LEN 230
#define EPOCH_1_LEN 198 /* of version 1, without a policy */

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_vault tpm;
    struct ks_vault vault;
    struct ks_enclave_state state;
    uint8_t issuer[ISSUER_LEN]; /* public half, after an opening */
};

static void site_open(struct site *site)
{
    assert_int_equal(crash_disk_new(1, &site->disk), KS_OK);
    site->fs = crash_fs_of(site->disk);
    site->tpm = (struct crash_vault){.disk = site->disk};
    site->vault = crash_vault_of(&site->tpm);
    site->state = (struct ks_enclave_state){0};
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

static enum ks_err open_state(struct site *site, bool accept_rollback)
{
    const struct ks_state_spec spec = {
        .extra = KS_LITERAL("extra"), .now_s = 1, .accept_rollback = accept_rollback};
    enum ks_err err = ks_enclave_state_open(&site->fs, &site->vault, &spec, &site->state);
    struct ks_buf public_key;

    if (err == KS_OK) {
        ks_buf_init(&public_key, ISSUER_LEN);
        assert_int_equal(ks_sign_key_public(site->state.keys.issuer, &public_key), KS_OK);
        ks_copy(site->issuer, public_key.data, ISSUER_LEN);
        ks_buf_done(&public_key);
    }
    return err;
}

/* Opens, and closes what opened. */
static enum ks_err try_state(struct site *site)
{
    enum ks_err err = open_state(site, false);

    ks_enclave_state_close(&site->state);
    return err;
}

static void add_head(struct site *site)
{
    struct ks_head head = *ks_head_log_last(site->state.heads);

    head.size++;
    head.root[0] = (uint8_t)head.size;
    assert_int_equal(ks_head_log_append(site->state.heads, &head), KS_OK);
}

static void add_batch(struct site *site)
{
    struct ks_key_batch batch = {.count = 3, .expires_s = 1000};

    assert_int_equal(ks_journal_add(site->state.journal, &batch), KS_OK);
}

/* --- keys --------------------------------------------------------------------------------- */

static void test_keys_stay(void **state)
{
    (void)state;
    struct site site;
    struct site other;
    uint8_t first[ISSUER_LEN];
    struct ks_buf file;

    site_open(&site);
    site_open(&other);
    assert_int_equal(open_state(&site, false), KS_OK);
    assert_int_equal(site.state.opened, KS_STATE_MADE);
    assert_non_null(site.state.keys.ed25519);
    assert_non_null(site.state.keys.mldsa65);
    assert_non_null(site.state.keys.note_ed25519);
    assert_non_null(site.state.keys.note_mldsa44);
    ks_copy(first, site.issuer, sizeof first);
    ks_enclave_state_close(&site.state);
    assert_int_equal(open_state(&site, false), KS_OK);
    assert_int_equal(site.state.opened, KS_STATE_AS_IT_WAS);
    expect_bytes(KS_BYTES(site.issuer), KS_BYTES(first));
    ks_enclave_state_close(&site.state);
    assert_int_equal(try_state(&other), KS_OK);
    assert_memory_not_equal(other.issuer, first, sizeof first);
    load(&site, "keys", &file);
    assert_int_equal(file.len, SEALED_LEN);
    expect_bytes(ks_bytes_of(file.data, 20), KS_LITERAL("KSEALKEY\0\2\0\1\0\0\0\0\0\0\0\1"));
    ks_buf_done(&file);
    crash_disk_free(site.disk);
    crash_disk_free(other.disk);
}

/* Refused, and the file stays as it is. */
static void expect_bad_keys(struct site *site, struct ks_bytes bytes, enum ks_err err,
                            const char *text)
{
    struct ks_buf after;

    store(site, "keys", bytes);
    expect_failure(try_state(site), err, text);
    load(site, "keys", &after);
    expect_bytes(ks_buf_view(&after), bytes);
    ks_buf_done(&after);
}

static void test_bad_keys(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf file;

    site_open(&site);
    assert_int_equal(try_state(&site), KS_OK);
    load(&site, "keys", &file);
    for (size_t len = 1; len < SEALED_LEN; len++) {
        expect_bad_keys(&site, ks_bytes_of(file.data, len), KS_ERR_FORMAT, "enclave keys: ");
    }
    for (size_t i = 0; i < SEALED_LEN; i++) {
        const bool pcrs = i >= 22 && i < 22 + 32;

        file.data[i] ^= 0x10;
        expect_bad_keys(&site, ks_buf_view(&file),
                        pcrs                           ? KS_ERR_DENIED
                        : i < 12 || i == 20 || i == 21 ? KS_ERR_FORMAT
                                                       : KS_ERR_VERIFY,
                        i < 8     ? "enclave keys: not such a file"
                        : i < 10  ? "enclave keys: version "
                        : i < 12  ? "enclave keys: protection "
                        : pcrs    ? "enclave keys: PCR 14 differs"
                        : i == 20 ? "enclave keys: file: "
                        : i == 21 ? "enclave keys: file: "
                                  : "enclave keys: the file was changed: ");
        file.data[i] ^= 0x10;
    }
    file.data[19] = 0;
    expect_bad_keys(&site, ks_buf_view(&file), KS_ERR_FORMAT, "enclave keys: sealed 0 times");
    file.data[19] = 1;
    ks_buf_put_u8(&file, 0);
    expect_bad_keys(&site, ks_buf_view(&file), KS_ERR_FORMAT, "enclave keys: ");
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

        site_open(&site);
        store(&site, names[i], KS_LITERAL("something"));
        expect_failure(try_state(&site), KS_ERR_FORMAT,
                       i == 0 ? "enclave keys: the file is gone or empty, but 'heads' is there"
                              : "enclave keys: the file is gone or empty, but 'journal' is");
        crash_disk_free(site.disk);
    }
}

/* Version 1 of the file: seeds 0 to 159, as docs/formats/enclave-state.md has them. */
static void put_clear(struct ks_buf *file)
{
    uint8_t check[KS_SHA256_LEN];

    ks_buf_init(file, CLEAR_LEN);
    ks_buf_put(file, KS_LITERAL("KSEALKEY\0\1\0\0"));
    for (uint8_t i = 0; i < 160; i++) {
        ks_buf_put_u8(file, i);
    }
    ks_sha256(ks_buf_view(file), check);
    ks_buf_put(file, KS_BYTES(check));
    assert_int_equal(ks_buf_check(file), KS_OK);
}

static void test_clear_keys_are_sealed(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf clear;
    struct ks_buf file;
    struct ks_sign_key *wanted = NULL;
    uint8_t seed[32];
    struct ks_buf keys[2];

    site_open(&site);
    put_clear(&clear);
    store(&site, "keys", ks_buf_view(&clear));
    assert_int_equal(open_state(&site, false), KS_OK);
    assert_int_equal(site.state.opened, KS_STATE_SEALED);
    for (uint8_t i = 0; i < 32; i++) {
        seed[i] = (uint8_t)(32 + i); /* the second */
    }
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_MLDSA65, KS_BYTES(seed), &wanted), KS_OK);
    ks_buf_init(&keys[0], KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&keys[1], KS_SIG_PUBLIC_LEN_MAX);
    assert_int_equal(ks_sign_key_public(wanted, &keys[0]), KS_OK);
    assert_int_equal(ks_sign_key_public(site.state.keys.mldsa65, &keys[1]), KS_OK);
    expect_bytes(ks_buf_view(&keys[1]), ks_buf_view(&keys[0]));
    ks_enclave_state_close(&site.state);
    load(&site, "keys", &file);
    assert_int_equal(file.len, SEALED_LEN);
    for (size_t at = 0; at + 32 <= file.len; at++) {
        assert_memory_not_equal(file.data + at, seed, 32);
    }
    /* The old file does not come back, with or without the epoch. */
    store(&site, "keys", ks_buf_view(&clear));
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "enclave keys: an older file was put back: sealed 0 times, 1 times already");
    assert_int_equal(crash_disk_unlink(site.disk, "epoch"), KS_OK);
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "epoch: the keys are not sealed yet, but the TPM's counter stands at ");
    for (size_t at = 12; at < CLEAR_LEN; at++) {
        clear.data[at] ^= 0x10;
        expect_bad_keys(&site, ks_buf_view(&clear), KS_ERR_FORMAT,
                        "enclave keys: the file is damaged");
        clear.data[at] ^= 0x10;
    }
    ks_sign_key_free(wanted);
    ks_buf_done(&keys[0]);
    ks_buf_done(&keys[1]);
    ks_buf_done(&clear);
    ks_buf_done(&file);
    crash_disk_free(site.disk);
}

static void test_planned_update(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf old;
    uint8_t first[ISSUER_LEN];

    site_open(&site);
    assert_int_equal(try_state(&site), KS_OK);
    load(&site, "keys", &old);
    ks_copy(first, site.issuer, sizeof first);
    site.tpm.pcrs[0] = 1; /* another enclave */
    expect_failure(try_state(&site), KS_ERR_DENIED, "enclave keys: PCR 14 differs");
    site.tpm.authorised[31] = 7; /* for something else */
    expect_failure(try_state(&site), KS_ERR_DENIED, "enclave keys: PCR 14 differs");
    ks_zero(site.tpm.authorised, sizeof site.tpm.authorised);
    site.tpm.pcrs[0] = 0;
    site.tpm.pcrs[1] = 2; /* it was sealed to zeros: nothing is authorised by zeros */
    expect_failure(try_state(&site), KS_ERR_DENIED, "enclave keys: PCR 14 differs");
    ks_buf_done(&old);
    crash_disk_free(site.disk);

    site_open(&site);
    site.tpm.pcrs[0] = 9;
    assert_int_equal(try_state(&site), KS_OK);
    ks_copy(first, site.issuer, sizeof first);
    load(&site, "keys", &old);
    ks_copy(site.tpm.authorised, site.tpm.pcrs, sizeof site.tpm.pcrs);
    site.tpm.pcrs[0] = 10;
    assert_int_equal(open_state(&site, false), KS_OK);
    assert_int_equal(site.state.opened, KS_STATE_RESEALED);
    expect_bytes(KS_BYTES(site.issuer), KS_BYTES(first));
    ks_enclave_state_close(&site.state);
    ks_zero(site.tpm.authorised, sizeof site.tpm.authorised);
    assert_int_equal(try_state(&site), KS_OK); /* it needs the authorisation no more */
    /* The file of before, for the program of before, does not come back. */
    site.tpm.pcrs[0] = 9;
    store(&site, "keys", ks_buf_view(&old));
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "enclave keys: an older file was put back: sealed 1 times, 2 times already");
    ks_buf_done(&old);
    crash_disk_free(site.disk);
}

static enum ks_err fail_increment(void *context, uint64_t *out_value)
{
    (void)context;
    (void)out_value;
    return ks_fail(KS_ERR_IO, "the TPM is silent");
}

/* --- epochs ------------------------------------------------------------------------------- */

static const char *const all[] = {"keys", "journal", "heads", "epoch"};
#define FILES 4

static void copy_away(const struct site *site, struct ks_buf copies[FILES])
{
    for (size_t i = 0; i < FILES; i++) {
        load(site, all[i], &copies[i]);
    }
}

static void put_back(const struct site *site, const struct ks_buf copies[FILES], size_t i)
{
    store(site, all[i], ks_buf_view(&copies[i]));
}

static void copies_done(struct ks_buf copies[FILES])
{
    for (size_t i = 0; i < FILES; i++) {
        ks_buf_done(&copies[i]);
    }
}

/* A state with a past: COPIES is of before the last count. */
static void make_past(struct site *site, struct ks_buf copies[FILES])
{
    site_open(site);
    assert_int_equal(open_state(site, false), KS_OK);
    add_head(site);
    add_batch(site);
    assert_int_equal(ks_enclave_state_count(&site->state), KS_OK);
    copy_away(site, copies);
    add_head(site);
    add_batch(site);
    assert_true(ks_enclave_state_moved(&site->state));
    assert_int_equal(ks_enclave_state_count(&site->state), KS_OK);
    assert_false(ks_enclave_state_moved(&site->state));
    ks_enclave_state_close(&site->state);
}

static void test_epoch_file(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf copies[FILES];
    struct ks_buf file;

    make_past(&site, copies);
    load(&site, "epoch", &file);
    assert_int_equal(file.len, EPOCH_LEN);
    expect_bytes(ks_bytes_of(file.data, 14), KS_LITERAL("KSEPOCH\n\0\3\x01\x8b\x5e\x01"));
    assert_int_equal(file.data[21], site.tpm.counter);
    for (size_t i = 0; i < EPOCH_LEN; i++) {
        file.data[i] ^= 1;
        store(&site, "epoch", ks_buf_view(&file));
        expect_failure(try_state(&site), KS_ERR_VERIFY, "epoch: its tag is false");
        file.data[i] ^= 1;
        if (i > 0) {
            store(&site, "epoch", ks_bytes_of(file.data, i));
            expect_failure(try_state(&site), KS_ERR_VERIFY,
                           i == EPOCH_1_LEN || i == EPOCH_2_LEN ? "epoch: its tag is false"
                                                                : "epoch: the file has ");
        }
    }
    ks_buf_done(&file);
    assert_int_equal(crash_disk_unlink(site.disk, "epoch"), KS_OK);
    expect_failure(try_state(&site), KS_ERR_VERIFY, "epoch: the file is gone or empty");
    copies_done(copies);
    crash_disk_free(site.disk);
}

/* The policy of the last epoch is known at the next start, whatever it is by then. */
static void test_policy(void **state)
{
    (void)state;
    struct site site;
    const uint8_t zeros[32] = {0};
    struct ks_state_spec spec = {.now_s = 1, .policy = {1, 2, 3}};

    site_open(&site);
    for (unsigned start = 0; start < 4; start++) {
        const uint8_t before = start == 0 ? 0 : spec.policy[0];

        spec.policy[0] = start < 2 ? 1 : 2; /* changed at the third start alone */
        assert_int_equal(ks_enclave_state_open(&site.fs, &site.vault, &spec, &site.state),
                         KS_OK);
        expect_bytes(KS_BYTES(site.state.policy), KS_BYTES(spec.policy));
        assert_int_equal(site.state.policy_before[0], before);
        if (start == 0) {
            expect_bytes(KS_BYTES(site.state.policy_before), KS_BYTES(zeros));
        }
        assert_false(ks_enclave_state_moved(&site.state));
        ks_enclave_state_close(&site.state);
    }
    crash_disk_free(site.disk);
}

/* FILE as an older version wrote it, LEN bytes with the tag. */
static void store_older(struct site *site, struct ks_buf *file, uint8_t version, size_t len)
{
    uint8_t key[32];
    uint8_t tag[KS_HMAC_SHA256_LEN];

    file->data[9] = version;
    assert_int_equal(ks_hkdf_sha256(KS_BYTES(master), (struct ks_bytes){0},
                                    KS_LITERAL("ketseal/epoch/1"), key, sizeof key),
                     KS_OK);
    ks_hmac_sha256(KS_BYTES(key), ks_bytes_of(file->data, len - sizeof tag), tag);
    ks_copy(file->data + len - sizeof tag, tag, sizeof tag);
    store(site, "epoch", ks_bytes_of(file->data, len));
}

/* A file of version 2 says all but the rounds, one of version 1 not the policy either. No
 * version passes for another. */
static void test_epoch_of_older_versions(void **state)
{
    static const size_t lens[] = {EPOCH_1_LEN, EPOCH_2_LEN, EPOCH_LEN};
    struct site site;
    struct ks_epoch *epoch = NULL;
    struct ks_epoch_options options = {.start = KS_EPOCH_NEW};
    const struct ks_epoch_reached reached = {
        .keys = 1, .head = {.size = 9}, .rounds = {.rewriting = 5}, .policy = {4}};
    struct ks_buf written;
    char forgiven[KS_ERR_DETAIL_MAX];

    (void)state;
    site_open(&site);
    assert_int_equal(
        ks_epoch_open(&site.fs, &site.vault, KS_BYTES(master), &options, forgiven, &epoch),
        KS_OK);
    assert_int_equal(ks_epoch_write(epoch, &reached), KS_OK);
    ks_epoch_close(epoch);
    load(&site, "epoch", &written);
    options.start = KS_EPOCH_SEALED;
    for (uint8_t version = 1; version <= 3; version++) {
        for (size_t i = 0; i < 3; i++) {
            struct ks_epoch_reached want = reached;
            struct ks_buf file;

            epoch = NULL;
            want.rounds.rewriting = version < 3 ? 0 : 5;
            want.policy[0] = version < 2 ? 0 : 4;
            ks_buf_init(&file, EPOCH_LEN);
            ks_buf_put(&file, ks_buf_view(&written));
            store_older(&site, &file, version, lens[i]);
            const enum ks_err err = ks_epoch_open(&site.fs, &site.vault, KS_BYTES(master),
                                                  &options, forgiven, &epoch);

            assert_int_equal(err, i + 1 == version ? KS_OK : KS_ERR_FORMAT);
            assert_true(err != KS_OK || ks_epoch_is(epoch, &want));
            ks_epoch_close(epoch);
            ks_buf_done(&file);
        }
    }
    ks_buf_done(&written);
    crash_disk_free(site.disk);
}

/* What is put back alone, or gone alone. */
static void test_one_file_put_back(void **state)
{
    (void)state;
    static const char *const says[FILES] = {
        NULL, /* the keys were sealed once: it is the same file */
        "key journal: an older file was put back: it is rewriting 1 with 1 records, rewriting "
        "1 "
        "with 2 was there already; put the newest",
        "heads: an older file was put back: its last head has 1 entries, one of 2 was signed",
        "epoch: the state is of counter 4, the TPM's stands at 5: an older state was put back"};

    for (size_t i = 0; i < FILES; i++) {
        struct site site;
        struct ks_buf copies[FILES];

        make_past(&site, copies);
        put_back(&site, copies, i);
        if (says[i] == NULL) {
            assert_int_equal(try_state(&site), KS_OK);
        } else {
            expect_failure(try_state(&site), KS_ERR_VERIFY, says[i]);
        }
        copies_done(copies);
        crash_disk_free(site.disk);
    }
    for (size_t i = 1; i < 3; i++) {
        struct site site;
        struct ks_buf copies[FILES];

        make_past(&site, copies);
        assert_int_equal(crash_disk_unlink(site.disk, all[i]), KS_OK);
        expect_failure(try_state(&site), KS_ERR_VERIFY,
                       i == 1 ? "key journal: an older file was put back: it is rewriting 0"
                              : "heads: an older file was put back: its last head has 0");
        copies_done(copies);
        crash_disk_free(site.disk);
    }
}

static void test_all_put_back(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf copies[FILES];

    make_past(&site, copies);
    for (size_t i = 0; i < FILES; i++) {
        put_back(&site, copies, i);
    }
    for (unsigned again = 0; again < 2; again++) {
        expect_failure(
            try_state(&site), KS_ERR_VERIFY,
            "epoch: the state is of counter 4, the TPM's stands at 5: an older state "
            "was put back; put the newest state back, or accept the loss, once, with "
            "ketseal-launch --insecure-accept-rollback");
    }
    /* The way out, once. */
    assert_int_equal(open_state(&site, true), KS_OK);
    expect_bytes(ks_bytes_of(site.state.forgiven, 34),
                 KS_LITERAL("the state is of counter 4, the TPM"));
    assert_int_equal(ks_head_log_last(site.state.heads)->size, 1);
    ks_enclave_state_close(&site.state);
    expect_failure(open_state(&site, true), KS_ERR_USAGE,
                   "--insecure-accept-rollback: nothing was put back");
    assert_int_equal(try_state(&site), KS_OK);
    copies_done(copies);
    crash_disk_free(site.disk);
}

/* Each alone, accepted; then all is as if nothing had been. */
static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 1; i < FILES; i++) {
        struct site site;
        struct ks_buf copies[FILES];

        make_past(&site, copies);
        put_back(&site, copies, i);
        assert_int_equal(open_state(&site, true), KS_OK);
        assert_int_not_equal(site.state.forgiven[0], '\0');
        ks_enclave_state_close(&site.state);
        assert_int_equal(try_state(&site), KS_OK);
        copies_done(copies);
        crash_disk_free(site.disk);
    }
    /* What was changed, and is not merely old, is not accepted. */
    struct site site;
    struct ks_buf copies[FILES];

    make_past(&site, copies);
    copies[1].data[30] ^= 1;
    put_back(&site, copies, 1);
    expect_failure(open_state(&site, true), KS_ERR_VERIFY,
                   "key journal: the header's tag is false");
    copies_done(copies);
    crash_disk_free(site.disk);
}

static void test_counters(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf copies[FILES];

    make_past(&site, copies);
    site.tpm.counter--; /* a crash between file and count: counted now */
    assert_int_equal(try_state(&site), KS_OK);
    assert_int_equal(site.tpm.counter, 6);
    site.tpm.counter = 3;
    expect_failure(
        try_state(&site), KS_ERR_VERIFY,
        "epoch: the state is of counter 6, the TPM's stands at 3: the TPM is another");
    site.tpm.counter = 1000;
    expect_failure(
        try_state(&site), KS_ERR_VERIFY,
        "epoch: the state is of counter 6, the TPM's stands at 1000: an older state");
    site.tpm.counts = false;
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "epoch: the state is of counter 6, the TPM has none at NV index 0x018b5e01");
    site.tpm.counts = true;
    site.tpm.counter = 6;
    site.vault.counter_index++;
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "epoch: it goes by the counter at NV index 0x018b5e01, enclave.counter says "
                   "0x018b5e02");
    site.vault.counter_index--;
    /* Another TPM does not even unseal it. */
    site.tpm.secret[0] = 1;
    expect_failure(try_state(&site), KS_ERR_VERIFY, "enclave keys: the file was changed");
    site.tpm.secret[0] = 0;
    /* Another site counts there, too. */
    assert_int_equal(open_state(&site, false), KS_OK);
    add_head(&site);
    site.tpm.counter++;
    expect_failure(
        ks_enclave_state_count(&site.state), KS_ERR_CONFLICT,
        "epoch: the counter at NV index 0x018b5e01 stands at 8, not 7: somebody else");
    ks_enclave_state_close(&site.state);
    copies_done(copies);
    crash_disk_free(site.disk);
}

/* A count that fails after its file was written: what was copied then is old once the next one
 * has succeeded. */
static void test_uncounted_file(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf copies[FILES];

    site_open(&site);
    assert_int_equal(open_state(&site, false), KS_OK);
    add_head(&site);
    site.vault.counter_increment = fail_increment;
    assert_int_equal(ks_enclave_state_count(&site.state), KS_ERR_IO);
    site.vault = crash_vault_of(&site.tpm);
    copy_away(&site, copies);
    add_head(&site);
    add_batch(&site);
    assert_int_equal(ks_enclave_state_count(&site.state), KS_OK);
    ks_enclave_state_close(&site.state);
    for (size_t i = 0; i < FILES; i++) {
        put_back(&site, copies, i);
    }
    expect_failure(try_state(&site), KS_ERR_VERIFY,
                   "epoch: the state is of counter 4, the TPM's stands at 5: an older state");
    copies_done(copies);
    crash_disk_free(site.disk);
}

/* A disk that fails under a count: the next one makes up for it. */
static void test_count_again(void **state)
{
    (void)state;
    struct site site;

    site_open(&site);
    assert_int_equal(open_state(&site, false), KS_OK);
    add_head(&site);
    for (uint64_t sync = 1; sync <= 2; sync++) { /* of the file, of the directory */
        crash_disk_fail_sync(site.disk, sync);
        assert_int_not_equal(ks_enclave_state_count(&site.state), KS_OK);
        assert_true(ks_enclave_state_moved(&site.state));
    }
    assert_int_equal(ks_enclave_state_count(&site.state), KS_OK);
    ks_enclave_state_close(&site.state);
    assert_int_equal(try_state(&site), KS_OK);
    crash_disk_free(site.disk);
}

/* --- heads -------------------------------------------------------------------------------- */

static enum ks_err open_heads(const struct site *site, struct ks_head_log **out_log)
{
    return ks_head_log_open(&site->fs, KS_BYTES(master), NULL, out_log);
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
    expect_failure(ks_head_log_open(&site.fs, KS_BYTES(other), NULL, &log), KS_ERR_VERIFY,
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
        cmocka_unit_test(test_clear_keys_are_sealed),
        cmocka_unit_test(test_planned_update),
        cmocka_unit_test(test_epoch_file),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_epoch_of_older_versions),
        cmocka_unit_test(test_one_file_put_back),
        cmocka_unit_test(test_all_put_back),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_count_again),
        cmocka_unit_test(test_uncounted_file),
        cmocka_unit_test(test_heads_only_grow),
        cmocka_unit_test(test_heads_are_compacted),
        cmocka_unit_test(test_damaged_heads),
        cmocka_unit_test(test_heads_of_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
