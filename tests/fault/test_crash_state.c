/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The enclave's state on a disk that crashes, beside a TPM that counts: between any two writes
 * and counts. Keys that were given out once are those of every later opening, also when they
 * stood in the clear before; no head and no batch of keys whose append returned OK is
 * forgotten, and no head comes up that was never asked for; and no crash looks like something
 * older put back. With any one of the syncs left out, this test fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "enclave/state.h"
#include "fault/crash_fs.h"
#include "fault/crash_vault.h"

#define POINTS      6000 /* crash points */
#define POINTS_EACH 6000 /* at most, until a missing sync is noticed */
#define CRASHES     12   /* of one disk */
#define STEPS_RUN   24   /* a crash comes within these */
#define STEPS_OPEN  48
#define ISSUER_LEN  2592 /* bytes of an ML-DSA-87 key */
#define CALLS_RUN   40
#define WRONG_MAX   1024

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct crash_vault tpm;
    struct ks_vault vault;
    struct ks_enclave_state state;
    uint8_t issuer[ISSUER_LEN]; /* public half of a key that was given out */
    bool keys_known;
    uint64_t instance;   /* of the journal; 0: none was opened yet */
    uint64_t batch_last; /* acknowledged */
    struct ks_head acknowledged;
    struct ks_head tried; /* the last one asked for, from ACKNOWLEDGED on */
    char wrong[WRONG_MAX];
};

static void set_wrong(struct site *site, const char *what)
{
    if (site->wrong[0] == '\0') {
        (void)snprintf(site->wrong, sizeof site->wrong, "%s: %s", what, ks_err_detail());
    }
}

static bool same_head(const struct ks_head *a, const struct ks_head *b)
{
    return a->size == b->size && ks_bytes_equal(KS_BYTES(a->root), KS_BYTES(b->root));
}

/* The keys are those of before; of what the journal acknowledged, all is there. */
static void check_keys(struct site *site)
{
    struct ks_buf public_key;

    ks_buf_init(&public_key, ISSUER_LEN);
    assert_int_equal(ks_sign_key_public(site->state.keys.issuer, &public_key), KS_OK);
    if (site->keys_known && !ks_bytes_equal(ks_buf_view(&public_key), KS_BYTES(site->issuer))) {
        set_wrong(site, "other keys");
    }
    ks_copy(site->issuer, public_key.data, public_key.len);
    site->keys_known = true;
    ks_buf_done(&public_key);
    if (site->instance != 0 && ks_journal_instance(site->state.journal) != site->instance) {
        set_wrong(site, "another journal");
    }
    site->instance = ks_journal_instance(site->state.journal);
    if (ks_journal_number_next(site->state.journal) <= site->batch_last) {
        set_wrong(site, "a batch of keys is forgotten");
    }
}

/* Opens all, as the enclave does. False: down, or wrong. */
static bool open_all(struct site *site)
{
    const struct ks_state_spec spec = {.now_s = 1};
    enum ks_err err = ks_enclave_state_open(&site->fs, &site->vault, &spec, &site->state);

    if (err != KS_OK && !crash_disk_is_down(site->disk)) {
        set_wrong(site, "the state does not open");
    }
    if (err != KS_OK) {
        return false;
    }
    check_keys(site);
    const struct ks_head *last = ks_head_log_last(site->state.heads);
    if (last->size < site->acknowledged.size) {
        set_wrong(site, "a head is forgotten");
    } else if (!same_head(last, &site->acknowledged) && !same_head(last, &site->tried)) {
        set_wrong(site, "a head that nobody asked for");
    }
    site->acknowledged = *last;
    site->tried = *last;
    return true;
}

static unsigned recover(struct site *site)
{
    unsigned crashes = 0;

    crash_disk_restart(site->disk);
    for (;;) {
        const bool again = crash_random_below(&site->random, 3) == 0;

        crash_disk_arm(site->disk,
                       again ? 1 + crash_random_below(&site->random, STEPS_OPEN) : 0);
        if (open_all(site) || site->wrong[0] != '\0') {
            break;
        }
        crash_disk_restart(site->disk);
        crashes++;
    }
    crash_disk_arm(site->disk, 0);
    return crashes;
}

/* Between heads: batches of keys, epochs. */
static void step_aside(struct site *site)
{
    struct ks_key_batch batch = {.count = 3, .expires_s = 1000};

    if (crash_random_below(&site->random, 3) == 0 &&
        ks_journal_add(site->state.journal, &batch) == KS_OK) {
        site->batch_last = batch.number;
    }
    if (crash_random_below(&site->random, 4) == 0) {
        (void)!ks_enclave_state_count(&site->state);
    }
}

static void run(struct site *site, uint64_t steps)
{
    crash_disk_arm(site->disk, steps);
    crash_disk_fail_sync(site->disk, crash_random_below(&site->random, 6) == 0
                                         ? 1 + crash_random_below(&site->random, 6)
                                         : 0);
    for (unsigned i = 0; i < CALLS_RUN && !crash_disk_is_down(site->disk); i++) {
        struct ks_head head = {.size = site->acknowledged.size + 1 +
                                       crash_random_below(&site->random, 9)};

        for (size_t k = 0; k < sizeof head.root; k++) {
            head.root[k] = (uint8_t)crash_random_next(&site->random);
        }
        step_aside(site);
        if (ks_head_log_append(site->state.heads, &head) == KS_OK) {
            site->acknowledged = head;
            site->tried = head;
        } else {
            site->tried = site->tried.size == site->acknowledged.size ? head : site->tried;
            if (ks_head_log_append(site->state.heads, &head) == KS_OK) {
                set_wrong(site, "an append after one that failed");
            }
        }
    }
    ks_enclave_state_close(&site->state);
}

/* Version 1 of the file of keys; docs/formats/enclave-state.md. */
static void put_clear_keys(struct site *site)
{
    struct ks_buf file;
    uint8_t check[KS_SHA256_LEN];

    ks_buf_init(&file, 204);
    ks_buf_put(&file, KS_LITERAL("KSEALKEY\0\1\0\0"));
    for (uint8_t i = 0; i < 160; i++) {
        ks_buf_put_u8(&file, i);
    }
    ks_sha256(ks_buf_view(&file), check);
    ks_buf_put(&file, KS_BYTES(check));
    assert_int_equal(ks_buf_check(&file), KS_OK);
    assert_int_equal(ks_fs_replace(&site->fs, "keys", ks_buf_view(&file)), KS_OK);
    ks_buf_done(&file);
}

static bool crash_often(uint64_t seed, enum crash_sync ignored, unsigned points,
                        char *out_wrong, uint64_t *out_syncs)
{
    bool well = true;

    *out_syncs = 0;
    for (unsigned done = 0; done < points && well; seed++) {
        struct site site = {.random = {seed}};

        assert_int_equal(crash_disk_new(seed ^ 0x57a7e, &site.disk), KS_OK);
        crash_disk_ignore(site.disk, ignored);
        site.fs = crash_fs_of(site.disk);
        site.tpm =
            (struct crash_vault){.disk = site.disk, .random = &site.random, .crash_one_in = 6};
        site.vault = crash_vault_of(&site.tpm);
        if (seed % 3 == 0) { /* as an older version left it */
            put_clear_keys(&site);
        }
        done += recover(&site);
        for (unsigned i = 0; i < CRASHES && site.wrong[0] == '\0'; i++) {
            run(&site, 1 + crash_random_below(&site.random, STEPS_RUN));
            done += 1 + recover(&site);
        }
        *out_syncs += crash_disk_syncs(site.disk, ignored);
        well = site.wrong[0] == '\0';
        if (!well) {
            (void)snprintf(out_wrong, WRONG_MAX + 64, "seed %llu, step %llu: %s",
                           (unsigned long long)seed,
                           (unsigned long long)crash_disk_steps(site.disk), site.wrong);
        }
        ks_enclave_state_close(&site.state);
        crash_disk_free(site.disk);
    }
    return well;
}

static void test_chains_of_crashes(void **state)
{
    (void)state;
    char wrong[WRONG_MAX + 64] = "";
    uint64_t syncs = 0;

    if (!crash_often(1, CRASH_SYNC_NONE, POINTS, wrong, &syncs)) {
        fail_msg("%s", wrong);
    }
}

static void test_every_sync_is_needed(void **state)
{
    (void)state;
    static const enum crash_sync places[] = {CRASH_SYNC_APPEND, CRASH_SYNC_REPLACE,
                                             CRASH_SYNC_DIR};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char wrong[WRONG_MAX + 64] = "";
        uint64_t syncs = 0;
        const bool well = crash_often(5000, places[i], POINTS_EACH, wrong, &syncs);

        assert_true(syncs > 0);
        if (well) {
            fail_msg("nothing noticed without the sync of %s", crash_sync_name(places[i]));
        }
        print_message("without the sync of %s: %s\n", crash_sync_name(places[i]), wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_of_crashes),
        cmocka_unit_test(test_every_sync_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
