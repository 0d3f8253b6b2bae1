/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A witness on a disk that forgets, asked by a log that signs two ledgers: whenever the plug is
 * pulled, no two cosignatures that ever left it are of ledgers that do not go together. That
 * the test can fail is shown by deleting syncs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "fault/crash_fs.h"
#include "fault/forked_log.h"
#include "witness/witness.h"

#define ROUNDS    40
#define REQUESTS  24
#define STEPS     8 /* more than a replacement takes */
#define BRANCHES  2
#define GROWS_MAX 3
#define TIME_S    1700000000

struct trial {
    struct forked_log forked;
    struct ks_sign_key *key;
    struct ks_note_signer signer;
    struct ks_witness_log log;
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct ks_witness *witness;
    unsigned branch; /* of the largest ledger cosigned beyond what both have */
    uint64_t size;   /* the largest size that was cosigned and left */
    bool split;      /* two branches were cosigned */
    bool forgotten;  /* it came up with less than it had cosigned */
};

static void begin(struct trial *trial, uint64_t seed, enum crash_sync ignored)
{
    uint8_t bytes[32] = {7};

    *trial = (struct trial){.random.state = seed};
    forked_log_init(&trial->forked);
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(bytes), &trial->key),
                     KS_OK);
    trial->signer =
        (struct ks_note_signer){KS_LITERAL("w.example"), KS_NOTE_COSIGNED_ED25519, trial->key};
    trial->log =
        (struct ks_witness_log){.origin = KS_LITERAL(FORKED_ORIGIN),
                                .keys = (const struct ks_note_key *const *)trial->forked.keys,
                                .key_count = 2};
    assert_int_equal(crash_disk_new(seed ^ 0x317, &trial->disk), KS_OK);
    crash_disk_ignore(trial->disk, ignored);
    trial->fs = crash_fs_of(trial->disk);
}

static void end(struct trial *trial)
{
    ks_witness_free(trial->witness);
    ks_sign_key_free(trial->key);
    forked_log_done(&trial->forked);
    crash_disk_free(trial->disk);
}

/* Comes up again. *OUT_LOST: what is on the disk is not what was cosigned. */
static bool come_up(struct trial *trial)
{
    const struct ks_witness_spec spec = {.fs = &trial->fs,
                                         .signers = &trial->signer,
                                         .signer_count = 1,
                                         .logs = &trial->log,
                                         .log_count = 1};
    bool known = false;

    crash_disk_restart(trial->disk);
    crash_disk_arm(trial->disk, 0);
    if (ks_witness_new(&spec, &trial->witness) != KS_OK) {
        trial->witness = NULL;
        trial->forgotten = true; /* a torn file: it refuses to start */
        return false;
    }
    if (ks_witness_size(trial->witness, 0, &known) < trial->size) {
        trial->forgotten = true;
    }
    return true;
}

static void note_answer(struct trial *trial, unsigned branch,
                        const struct ks_witness_answer *answer)
{
    if (answer->status != 200) {
        return;
    }
    if (answer->size < trial->size) {
        trial->forgotten = true;
    }
    if (trial->size > FORKED_COMMON && answer->size > FORKED_COMMON &&
        branch != trial->branch) {
        trial->split = true;
    }
    if (answer->size >= trial->size) {
        trial->size = answer->size;
        trial->branch = branch;
    }
}

/* One request as a lying log makes it: either branch, from the size that the witness has said.
 */
static void ask(struct trial *trial)
{
    const unsigned branch = (unsigned)crash_random_below(&trial->random, BRANCHES);
    bool known = false;
    const size_t old_size = (size_t)ks_witness_size(trial->witness, 0, &known);
    const size_t size = old_size + (size_t)crash_random_below(&trial->random, GROWS_MAX);
    struct ks_witness_answer answer = {0};
    struct ks_buf body;

    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    forked_request(&trial->forked, branch, old_size, size, &body);
    assert_int_equal(ks_witness_add(trial->witness, ks_buf_view(&body), TIME_S, &answer),
                     KS_OK);
    note_answer(trial, branch, &answer);
    ks_witness_answer_done(&answer);
    ks_buf_done(&body);
}

/* Crashes at every so many steps; true when all went as promised. */
static bool run(uint64_t seed, enum crash_sync ignored, bool *out_split)
{
    struct trial trial;
    bool good = false;

    begin(&trial, seed, ignored);
    for (unsigned i = 0; i < ROUNDS && come_up(&trial) && !trial.split && !trial.forgotten;
         i++) {
        crash_disk_arm(trial.disk, 1 + crash_random_below(&trial.random, STEPS));
        for (unsigned k = 0; k < REQUESTS && !crash_disk_is_down(trial.disk); k++) {
            ask(&trial);
        }
        ks_witness_free(trial.witness);
        trial.witness = NULL;
    }
    good = !trial.split && !trial.forgotten;
    *out_split = trial.split;
    end(&trial);
    return good;
}

static void test_never_two_ledgers(void **state)
{
    bool split = false;

    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        if (!run(seed, CRASH_SYNC_NONE, &split)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed,
                     split ? "two ledgers were cosigned" : "a cosignature was forgotten");
        }
    }
}

/* Without one of its syncs the witness breaks its promise: this test would see it. */
static void test_each_sync_is_needed(void **state)
{
    static const enum crash_sync places[] = {CRASH_SYNC_REPLACE, CRASH_SYNC_DIR};

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bool split = false;
        uint64_t seed = 1;

        while (seed <= 200 && run(seed, places[i], &split)) {
            seed++;
        }
        if (seed > 200) {
            fail_msg("nothing is lost without the sync at %s", crash_sync_name(places[i]));
        }
    }
}

/* A write that fails: refused, and nothing is cosigned until a restart has looked. */
static void test_a_failed_write(void **state)
{
    struct trial trial;
    uint64_t before = 0;

    (void)state;
    for (uint64_t sync = 1; sync <= 2; sync++) {
        begin(&trial, sync, CRASH_SYNC_NONE);
        assert_true(come_up(&trial));
        ask(&trial);
        before = trial.size;
        crash_disk_fail_sync(trial.disk, sync);
        for (unsigned i = 0; i < REQUESTS; i++) {
            ask(&trial);
        }
        assert_true(trial.size <= before + 2); /* the same size again may be cosigned */
        ks_witness_free(trial.witness);
        assert_true(come_up(&trial));
        assert_false(trial.forgotten);
        ask(&trial);
        assert_false(trial.split);
        end(&trial);
    }
}

static void test_a_full_disk(void **state)
{
    struct trial trial;

    (void)state;
    begin(&trial, 3, CRASH_SYNC_NONE);
    assert_true(come_up(&trial));
    crash_disk_set_full(trial.disk, true);
    for (unsigned i = 0; i < REQUESTS; i++) {
        ask(&trial);
    }
    assert_int_equal(trial.size, 0);
    end(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_two_ledgers),
        cmocka_unit_test(test_each_sync_is_needed),
        cmocka_unit_test(test_a_failed_write),
        cmocka_unit_test(test_a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
