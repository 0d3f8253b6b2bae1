/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The key journal on a disk that crashes. After every crash it opens as the same instance; no
 * key whose spending was acknowledged is given out again; every acknowledged batch is there,
 * with no more than the reserve burnt; no batch number is given twice. And with any one of the
 * syncs left out, this test fails. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "enclave/journal.h"
#include "fault/crash_fs.h"

#define POINTS      12000 /* crash points */
#define POINTS_EACH 8000  /* at most, until a missing sync is noticed */
#define BATCHES_MAX 48
#define KEYS_MAX    400 /* of a batch here */
#define DEVICES     3
#define STEPS_RUN   40 /* a crash comes within these */
#define STEPS_OPEN  8
#define CALLS_RUN   120 /* between two crashes, at most */
#define START_S     1000
#define WHAT_MAX    1024
#define WRONG_MAX   (WHAT_MAX + 64) /* with seed and step */

struct model_batch {
    struct ks_key_batch batch;
    uint32_t tried; /* no key from here on was asked for */
    uint32_t next;  /* where the sequential client is */
    bool spent[KEYS_MAX];
};

struct enclave {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct ks_journal *journal;
    uint8_t master[32];
    uint64_t instance;
    bool instance_known;
    uint64_t now_s;
    uint64_t number_last; /* acknowledged; numbers begin with 0 */
    bool number_known;
    struct model_batch batches[BATCHES_MAX];
    size_t count;
    char wrong[WHAT_MAX]; /* "" while all is well */
};

static uint64_t below(struct enclave *enclave, uint64_t bound)
{
    return crash_random_below(&enclave->random, bound);
}

static void fill(struct enclave *enclave, uint8_t *target, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)crash_random_next(&enclave->random);
    }
}

static void set_wrong(struct enclave *enclave, const char *what, uint64_t number,
                      uint64_t index)
{
    if (enclave->wrong[0] == '\0') {
        (void)snprintf(enclave->wrong, sizeof enclave->wrong, "%s (%llu.%llu): %s", what,
                       (unsigned long long)number, (unsigned long long)index, ks_err_detail());
    }
}

/* --- the workload ------------------------------------------------------------------------- */

static void add(struct enclave *enclave)
{
    struct model_batch *model = &enclave->batches[enclave->count];

    ks_zero(model, sizeof *model);
    ks_zero(model->batch.device, sizeof model->batch.device);
    model->batch.device[0] = (uint8_t)below(enclave, DEVICES);
    model->batch.count = 1 + (uint32_t)below(enclave, KEYS_MAX);
    model->batch.expires_s = enclave->now_s + 5 + below(enclave, 100);
    fill(enclave, model->batch.secret, sizeof model->batch.secret);
    fill(enclave, model->batch.salt, sizeof model->batch.salt);
    if (ks_journal_add(enclave->journal, &model->batch) != KS_OK) {
        return;
    }
    if (enclave->number_known && model->batch.number <= enclave->number_last) {
        set_wrong(enclave, "a batch number came back", model->batch.number, 0);
    }
    enclave->number_last = model->batch.number;
    enclave->number_known = true;
    enclave->count++;
}

static void spend(struct enclave *enclave)
{
    struct model_batch *model = &enclave->batches[below(enclave, enclave->count)];
    const struct ks_key_batch *batch = &model->batch;
    const bool jump = below(enclave, 3) == 0;
    uint32_t index = jump ? (uint32_t)below(enclave, batch->count) : model->next;

    if (index >= batch->count) {
        return;
    }
    if (!jump) {
        model->next++;
    }
    if (index >= model->tried) {
        model->tried = index + 1;
    }
    enum ks_err err = ks_journal_spend(enclave->journal, enclave->instance, batch->number,
                                       index, batch->device, enclave->now_s);
    if (err == KS_OK) {
        if (model->spent[index]) {
            set_wrong(enclave, "a key was spent twice", batch->number, index);
        }
        model->spent[index] = true;
    } else if (err != KS_ERR_DENIED) {
        /* It counts as spent while this process lives. */
        err = ks_journal_spend(enclave->journal, enclave->instance, batch->number, index,
                               batch->device, enclave->now_s);
        if (err != KS_ERR_DENIED) {
            set_wrong(enclave, "a key lived on after a failure", batch->number, index);
        }
    }
}

/* --- what has to hold after a crash ------------------------------------------------------- */

/* Asks for a key that must be there if USABLE, and right if it is. */
static void check_key(struct enclave *enclave, const struct ks_key_batch *batch, uint32_t index,
                      bool usable)
{
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    uint8_t wanted[KS_ONE_TIME_KEY_LEN];
    enum ks_err err = ks_journal_key(enclave->journal, enclave->instance, batch->number, index,
                                     batch->device, enclave->now_s, key);

    if (err != KS_OK) {
        if (usable || err != KS_ERR_DENIED) {
            set_wrong(enclave, "a key is lost", batch->number, index);
        }
        return;
    }
    assert_int_equal(
        ks_one_time_key_derive(KS_BYTES(batch->secret), KS_BYTES(batch->salt), index, wanted),
        KS_OK);
    if (!ks_bytes_equal(KS_BYTES(key), KS_BYTES(wanted))) {
        set_wrong(enclave, "another key", batch->number, index);
    }
}

static void verify(struct enclave *enclave)
{
    if (enclave->instance_known && ks_journal_instance(enclave->journal) != enclave->instance) {
        set_wrong(enclave, "another instance", 0, 0);
        return;
    }
    enclave->instance = ks_journal_instance(enclave->journal);
    enclave->instance_known = true;
    for (size_t i = 0; i < enclave->count; i++) {
        const struct model_batch *model = &enclave->batches[i];
        const struct ks_key_batch *batch = &model->batch;
        const uint32_t reserved = model->tried > 0 ? model->tried - 1 + KS_JOURNAL_RESERVE : 0;
        uint8_t key[KS_ONE_TIME_KEY_LEN];

        for (uint32_t k = 0; k < batch->count; k++) {
            if (model->spent[k] &&
                ks_journal_key(enclave->journal, enclave->instance, batch->number, k,
                               batch->device, enclave->now_s, key) != KS_ERR_DENIED) {
                set_wrong(enclave, "a spent key came back", batch->number, k);
            }
        }
        if (batch->expires_s <= enclave->now_s) {
            continue;
        }
        check_key(enclave, batch, (uint32_t)below(enclave, batch->count), false);
        if (reserved < batch->count) {
            check_key(enclave, batch, reserved, true);
            check_key(enclave, batch, batch->count - 1, true);
        }
    }
}

/* --- crashes ------------------------------------------------------------------------------ */

static void enclave_begin(struct enclave *enclave, uint64_t seed, enum crash_sync ignored)
{
    ks_zero(enclave, sizeof *enclave);
    enclave->random.state = seed;
    enclave->now_s = START_S;
    fill(enclave, enclave->master, sizeof enclave->master);
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &enclave->disk), KS_OK);
    crash_disk_ignore(enclave->disk, ignored);
    enclave->fs = crash_fs_of(enclave->disk);
}

static void enclave_end(struct enclave *enclave)
{
    ks_journal_close(enclave->journal);
    crash_disk_free(enclave->disk);
}

static unsigned recover(struct enclave *enclave)
{
    unsigned crashes = 0;

    crash_disk_restart(enclave->disk);
    while (enclave->journal == NULL && enclave->wrong[0] == '\0') {
        crash_disk_arm(enclave->disk,
                       below(enclave, 3) == 0 ? 1 + below(enclave, STEPS_OPEN) : 0);
        if (ks_journal_open(&enclave->fs, KS_BYTES(enclave->master), enclave->now_s, NULL,
                            &enclave->journal) != KS_OK) {
            if (!crash_disk_is_down(enclave->disk)) {
                set_wrong(enclave, "the journal does not open", 0, 0);
            }
            crash_disk_restart(enclave->disk);
            crashes++;
        }
    }
    crash_disk_arm(enclave->disk, 0);
    if (enclave->journal != NULL) {
        verify(enclave);
    }
    return crashes;
}

/* From one crash to the next. */
static void run(struct enclave *enclave, uint64_t steps)
{
    crash_disk_arm(enclave->disk, steps);
    crash_disk_fail_sync(enclave->disk, below(enclave, 6) == 0 ? 1 + below(enclave, 6) : 0);
    for (unsigned i = 0; i < CALLS_RUN && !crash_disk_is_down(enclave->disk); i++) {
        if (enclave->count == 0 || (enclave->count < BATCHES_MAX && below(enclave, 40) == 0)) {
            add(enclave);
        } else {
            spend(enclave);
        }
        if (below(enclave, 16) == 0) {
            enclave->now_s++;
        }
    }
    ks_journal_close(enclave->journal);
    enclave->journal = NULL;
}

static bool crash_often(uint64_t seed, enum crash_sync ignored, unsigned points,
                        char *out_wrong, uint64_t *out_syncs)
{
    static struct enclave enclave; /* large; one thread */
    unsigned done = 0;
    bool well = true;

    *out_syncs = 0;
    while (done < points && well) {
        enclave_begin(&enclave, seed, ignored);
        done += recover(&enclave);
        while (done < points && enclave.wrong[0] == '\0' && enclave.count < BATCHES_MAX) {
            run(&enclave, 1 + below(&enclave, STEPS_RUN));
            done += 1 + recover(&enclave);
        }
        *out_syncs += crash_disk_syncs(enclave.disk, ignored);
        well = enclave.wrong[0] == '\0';
        if (!well) {
            (void)snprintf(out_wrong, WRONG_MAX, "seed %llu, step %llu: %s",
                           (unsigned long long)seed,
                           (unsigned long long)crash_disk_steps(enclave.disk), enclave.wrong);
        }
        enclave_end(&enclave);
        seed++;
    }
    return well;
}

static void test_chains_of_crashes(void **state)
{
    (void)state;
    char wrong[WRONG_MAX];
    uint64_t syncs = 0;

    if (!crash_often(1000, CRASH_SYNC_NONE, POINTS, wrong, &syncs)) {
        fail_msg("%s", wrong);
    }
}

/* A fresh journal, crashed at step 1, 2, 3, … of its creation and first batches. */
static void test_every_step_of_a_fresh_journal(void **state)
{
    (void)state;
    static struct enclave enclave;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (uint64_t point = 1; point <= 50; point++) {
            enclave_begin(&enclave, seed, CRASH_SYNC_NONE);
            crash_disk_arm(enclave.disk, point);
            if (ks_journal_open(&enclave.fs, KS_BYTES(enclave.master), enclave.now_s, NULL,
                                &enclave.journal) == KS_OK) {
                verify(&enclave);
                run(&enclave, point);
            }
            (void)recover(&enclave);
            if (enclave.wrong[0] != '\0') {
                fail_msg("seed %llu, point %llu: %s", (unsigned long long)seed,
                         (unsigned long long)point, enclave.wrong);
            }
            enclave_end(&enclave);
        }
    }
}

static void test_every_sync_is_needed(void **state)
{
    (void)state;
    static const enum crash_sync places[] = {CRASH_SYNC_APPEND, CRASH_SYNC_REPLACE,
                                             CRASH_SYNC_DIR};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char wrong[WRONG_MAX] = "";
        uint64_t syncs = 0;
        const bool well = crash_often(2000, places[i], POINTS_EACH, wrong, &syncs);
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
        cmocka_unit_test(test_every_step_of_a_fresh_journal),
        cmocka_unit_test(test_chains_of_crashes),
        cmocka_unit_test(test_every_sync_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
