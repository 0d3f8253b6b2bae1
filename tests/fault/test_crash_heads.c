/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the chains of test_crash_state.c do not reach: a head log that is full and rewritten,
 * crashed at each step of that; a full disk; every byte of the files damaged. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "enclave/state.h"
#include "fault/crash_fs.h"
#include "fault/crash_vault.h"

#define STEPS_OPEN 48
#define WHAT_MAX   1024
#define LINES_FULL 58255 /* lines after which the log is rewritten: over 4 MiB of 72 bytes */

struct enclave {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct crash_vault tpm;
    struct ks_vault vault;
    struct ks_enclave_state state;
    bool open;
    uint8_t public_key[32]; /* of the Ed25519 key, once it was used */
    bool public_known;
    struct ks_head signed_head; /* the last one acknowledged */
    struct ks_head tried;       /* the last one asked for */
    char wrong[WHAT_MAX];       /* "" while all is well */
};

static uint64_t below(struct enclave *enclave, uint64_t bound)
{
    return crash_random_below(&enclave->random, bound);
}

static void set_wrong(struct enclave *enclave, const char *what)
{
    if (enclave->wrong[0] == '\0') {
        (void)snprintf(enclave->wrong, sizeof enclave->wrong, "%s (signed %llu): %s", what,
                       (unsigned long long)enclave->signed_head.size, ks_err_detail());
    }
}

static bool same_head(const struct ks_head *a, const struct ks_head *b)
{
    return a->size == b->size && ks_bytes_equal(KS_BYTES(a->root), KS_BYTES(b->root));
}

/* What must hold of an enclave that has opened its state. */
static void verify(struct enclave *enclave)
{
    const struct ks_head *last = ks_head_log_last(enclave->state.heads);
    struct ks_head other = enclave->signed_head;
    struct ks_buf public_key;

    ks_buf_init(&public_key, 32);
    assert_int_equal(ks_sign_key_public(enclave->state.keys.ed25519, &public_key), KS_OK);
    if (enclave->public_known &&
        !ks_bytes_equal(ks_buf_view(&public_key), KS_BYTES(enclave->public_key))) {
        set_wrong(enclave, "other keys");
    }
    ks_copy(enclave->public_key, public_key.data, sizeof enclave->public_key);
    enclave->public_known = true;
    ks_buf_done(&public_key);
    if (!same_head(last, &enclave->signed_head) && !same_head(last, &enclave->tried)) {
        set_wrong(enclave, "a signed head is forgotten");
        return;
    }
    enclave->signed_head = *last; /* the one tried may have got through */
    enclave->tried = *last;
    if (last->size == 0) {
        return;
    }
    other.size = last->size;
    other.root[0] = (uint8_t)(last->root[0] ^ 1);
    if (ks_head_log_append(enclave->state.heads, &other) != KS_ERR_DENIED) {
        set_wrong(enclave, "another root at the same size");
    }
    other.size = last->size - 1;
    if (ks_head_log_append(enclave->state.heads, &other) != KS_ERR_DENIED) {
        set_wrong(enclave, "a smaller head");
    }
    if (ks_head_log_append(enclave->state.heads, last) != KS_OK) {
        set_wrong(enclave, "the same head again");
    }
}

static void enclave_close(struct enclave *enclave)
{
    ks_enclave_state_close(&enclave->state);
    enclave->open = false;
}

/* As ketseal-enclave does. */
static enum ks_err enclave_open(struct enclave *enclave)
{
    enum ks_err err = KS_OK;
    const struct ks_state_spec spec = {.extra = KS_LITERAL("tpm"), .now_s = 1};

    KS_TRY(ks_enclave_state_open(&enclave->fs, &enclave->vault, &spec, &enclave->state));
    enclave->open = true;
out:
    return err;
}

static void enclave_begin(struct enclave *enclave, uint64_t seed, enum crash_sync ignored)
{
    *enclave = (struct enclave){.random.state = seed};
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &enclave->disk), KS_OK);
    crash_disk_ignore(enclave->disk, ignored);
    enclave->fs = crash_fs_of(enclave->disk);
    enclave->tpm = (struct crash_vault){.disk = enclave->disk};
    enclave->vault = crash_vault_of(&enclave->tpm);
}

static void enclave_end(struct enclave *enclave)
{
    enclave_close(enclave);
    crash_disk_free(enclave->disk);
}

/* Restarts until it opens; a crash may come while it does. */
static unsigned recover(struct enclave *enclave)
{
    unsigned crashes = 0;

    crash_disk_restart(enclave->disk);
    while (!enclave->open && enclave->wrong[0] == '\0') {
        crash_disk_arm(enclave->disk,
                       below(enclave, 3) == 0 ? 1 + below(enclave, STEPS_OPEN) : 0);
        if (enclave_open(enclave) != KS_OK) {
            if (!crash_disk_is_down(enclave->disk)) {
                set_wrong(enclave, "the state does not open");
            }
            crash_disk_restart(enclave->disk);
            crashes++;
        }
    }
    crash_disk_arm(enclave->disk, 0);
    if (enclave->open) {
        verify(enclave);
    }
    return crashes;
}

static void append(struct enclave *enclave)
{
    struct ks_head head = {.size = enclave->signed_head.size + 1 + below(enclave, 3)};

    for (size_t i = 0; i < sizeof head.root; i++) {
        head.root[i] = (uint8_t)crash_random_next(&enclave->random);
    }
    enclave->tried = head;
    if (ks_head_log_append(enclave->state.heads, &head) == KS_OK) {
        enclave->signed_head = head;
    } else if (ks_head_log_append(enclave->state.heads, &head) == KS_OK) {
        set_wrong(enclave, "a log that failed goes on");
    }
}

/* The log is full and rewritten; a crash at each step of that. */
static void test_rewrite_of_a_full_log(void **state)
{
    (void)state;
    for (uint64_t point = 1; point <= 12; point++) {
        struct enclave enclave;

        enclave_begin(&enclave, point, CRASH_SYNC_NONE);
        assert_int_equal(enclave_open(&enclave), KS_OK);
        verify(&enclave);
        for (unsigned i = 0; i < LINES_FULL; i++) {
            append(&enclave);
            assert_true(same_head(&enclave.tried, &enclave.signed_head));
        }
        crash_disk_arm(enclave.disk, point);
        for (unsigned i = 0; i < 2 && same_head(&enclave.tried, &enclave.signed_head); i++) {
            append(&enclave);
        }
        enclave_close(&enclave);
        (void)recover(&enclave);
        if (enclave.wrong[0] != '\0') {
            fail_msg("point %llu: %s", (unsigned long long)point, enclave.wrong);
        }
        enclave_end(&enclave);
    }
}

static void test_full_disk(void **state)
{
    struct enclave enclave;

    (void)state;
    enclave_begin(&enclave, 5, CRASH_SYNC_NONE);
    crash_disk_set_full(enclave.disk, true);
    assert_int_not_equal(enclave_open(&enclave), KS_OK);
    crash_disk_set_full(enclave.disk, false);
    assert_int_equal(enclave_open(&enclave), KS_OK);
    verify(&enclave);
    append(&enclave);
    crash_disk_set_full(enclave.disk, true);
    append(&enclave);
    assert_false(same_head(&enclave.tried, &enclave.signed_head));
    enclave_close(&enclave);
    crash_disk_set_full(enclave.disk, false);
    (void)recover(&enclave);
    assert_string_equal(enclave.wrong, "");
    enclave_end(&enclave);
}

/* --- damage ------------------------------------------------------------------------------- */

static void spoil(struct enclave *enclave, const char *name, size_t at)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1 << 20);
    assert_int_equal(ks_fs_load(&enclave->fs, name, 1 << 20, &bytes), KS_OK);
    assert_true(at < bytes.len);
    bytes.data[at] ^= 0x10;
    assert_int_equal(ks_fs_replace(&enclave->fs, name, ks_buf_view(&bytes)), KS_OK);
    ks_buf_done(&bytes);
}

/* Refused, whatever for: a byte of the header does not parse, one of the sealed part is false,
 * one of the policy names other PCRs. */
static void assert_refused(struct enclave *enclave)
{
    const enum ks_err err = enclave_open(enclave);

    assert_true(err == KS_ERR_FORMAT || err == KS_ERR_VERIFY || err == KS_ERR_DENIED);
}

/* No damage makes new keys or lets an old head pass for the last. */
static void test_damage(void **state)
{
    struct enclave enclave;
    struct ks_buf bytes;

    (void)state;
    enclave_begin(&enclave, 6, CRASH_SYNC_NONE);
    ks_buf_init(&bytes, 1 << 20);
    assert_int_equal(enclave_open(&enclave), KS_OK);
    for (unsigned i = 0; i < 5; i++) {
        append(&enclave);
    }
    enclave_close(&enclave);
    assert_int_equal(ks_fs_load(&enclave.fs, "keys", 4096, &bytes), KS_OK);
    for (size_t at = 0; at < bytes.len; at++) {
        spoil(&enclave, "keys", at);
        assert_refused(&enclave);
        spoil(&enclave, "keys", at); /* back */
    }
    for (size_t len = 1; len < bytes.len; len++) {
        assert_int_equal(ks_fs_replace(&enclave.fs, "keys", ks_bytes_of(bytes.data, len)),
                         KS_OK);
        assert_refused(&enclave);
    }
    /* Gone, with heads left that they signed: somebody has to put them back. */
    assert_int_equal(crash_disk_unlink(enclave.disk, "keys"), KS_OK);
    assert_int_equal(enclave_open(&enclave), KS_ERR_FORMAT);
    assert_int_equal(ks_fs_replace(&enclave.fs, "keys", ks_buf_view(&bytes)), KS_OK);
    /* Any line but the last. */
    for (size_t at = 0; at < (size_t)4 * 72; at++) {
        spoil(&enclave, "heads", at);
        assert_int_equal(enclave_open(&enclave), KS_ERR_VERIFY);
        spoil(&enclave, "heads", at);
    }
    assert_int_equal(enclave_open(&enclave), KS_OK);
    verify(&enclave);
    assert_string_equal(enclave.wrong, "");
    ks_buf_done(&bytes);
    enclave_end(&enclave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_rewrite_of_a_full_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
