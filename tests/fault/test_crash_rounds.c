/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rounds of federated learning crashed at seeded points. Beside the enclave's state there is a
 * worker's, by its own rules: updates are added to it, a checkpoint of it is durable before it
 * is committed, and a crash leaves what its last committed checkpoint says. However it crashes:
 * what was acknowledged counts, nothing counts twice, and what counts is exactly what the
 * checkpoint names, so that the sum that is gone on from is that of the round. Every other
 * chain is of a rule without checkpoints: there what counts is given to the next worker again,
 * in the order in which it was staged, and what the rule says of it is kept or said again. And
 * without any one sync, it is not so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault/crash_fs.h"
#include "fault/rounds_scene.h"

#define CHAINS  1000
#define CRASHES 6
#define STEPS   24

static const uint8_t master[32] = {4, 5, 6};
static struct rounds_scene scene;

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct ks_rounds *rounds;
    uint64_t now_us;
    /* the oracle */
    uint64_t round;              /* acknowledged to have begun */
    uint64_t completed;          /* acknowledged */
    unsigned acknowledged;       /* mask of devices, of that round */
    unsigned added;              /* by the worker that there is */
    bool replays;                /* its rule has no checkpoints */
    size_t order[SCENE_DEVICES]; /* devices as they were staged; those that were dropped not */
    size_t staged;               /* of them */
    size_t committed;            /* acknowledged */
    bool scored;                 /* acknowledged */
    bool created;
    bool started;
    char wrong[256];
};

static void set_wrong(struct site *site, const char *what)
{
    if (site->wrong[0] == '\0') {
        (void)snprintf(site->wrong, sizeof site->wrong, "%s", what);
    }
}

static struct ks_rounds_session *session_of(struct site *site)
{
    return ks_rounds_find(site->rounds, scene.order.session);
}

/* The devices whose updates count. */
static unsigned delivered(const struct ks_rounds_session *session)
{
    unsigned mask = 0;

    for (size_t i = 0; i < session->delivered; i++) {
        for (size_t device = 0; device < SCENE_DEVICES; device++) {
            if (strcmp(session->deliveries[i].device, rounds_scene_device(device)) == 0) {
                mask += 1U << device; /* twice would be another device's bit, or none */
            }
        }
    }
    return mask;
}

static double score_of(size_t device, uint64_t round)
{
    return 1 + (double)device + 0.125 * (double)round;
}

/* What the next worker is given again, and what is known of it. */
static void verify_deliveries(struct site *site, const struct ks_rounds_session *session)
{
    if (session->delivered > site->staged || session->delivered < site->committed) {
        set_wrong(site, "another number of updates counts than was staged");
        return;
    }
    for (size_t i = 0; i < session->delivered; i++) {
        const struct ks_delivery *delivery = &session->deliveries[i];
        const bool scored = delivery->suspicion == score_of(site->order[i], session->last);

        if (strcmp(delivery->device, rounds_scene_device(site->order[i])) != 0) {
            set_wrong(site, "updates count in another order than they were staged in");
        }
        if (!scored && (site->scored || delivery->suspicion != 0)) {
            set_wrong(site, "a score is lost, or another's");
        }
    }
    site->staged = site->committed = session->delivered;
}

/* After a crash: what was tried last may have got through, or not. */
static void verify(struct site *site)
{
    const struct ks_rounds_session *session = session_of(site);
    unsigned mask = 0;

    if (session == NULL) {
        if (site->created) {
            set_wrong(site, "a session is lost");
        }
        site->started = false;
        return;
    }
    site->created = true;
    if (site->started && session->state == KS_SESSION_CREATED) {
        set_wrong(site, "an order is lost");
    }
    site->started = session->state != KS_SESSION_CREATED;
    if (session->last < site->round || session->last > site->round + 1) {
        set_wrong(site, "a round is lost, or came of nothing");
    }
    if (session->last != site->round) {
        site->round = session->last;
        site->acknowledged = 0;
        site->staged = site->committed = 0;
        site->scored = false;
    }
    site->added = 0; /* its worker is gone */
    if (session->last > 1 && session->model[1] != session->remembered[1]) {
        set_wrong(site, "the model and the state are of two rounds");
    }
    if (session->round == NULL) {
        if (session->last > 0 && ks_rounds_summary(session, session->last) == NULL) {
            set_wrong(site, "a round is lost");
        }
        site->completed = session->last;
        return;
    }
    if (site->completed >= session->last) {
        set_wrong(site, "a round that ended is open again");
    }
    mask = delivered(session);
    if ((site->acknowledged & ~mask) != 0) {
        set_wrong(site, "an update that was acknowledged does not count");
    }
    if (site->replays              ? session->checkpoint != 0
        : session->checkpoint == 0 ? mask != 0
                                   : session->checkpoint_hash[0] != mask) {
        set_wrong(site, "the checkpoint names others than count");
    }
    verify_deliveries(site, session);
    if (session->staged != 0) {
        set_wrong(site, "what was staged is still there");
    }
    site->acknowledged = mask;
    site->added = mask; /* the next worker goes on from there */
}

static enum ks_err stage(struct site *site, struct ks_rounds_session *session)
{
    const size_t device = (size_t)crash_random_below(&site->random, SCENE_DEVICES);
    const struct ks_delivery delivery =
        rounds_scene_delivery(device, session->last, site->now_us);
    const enum ks_fl_answer answer = ks_rounds_check(session, &delivery);

    if (answer != KS_FL_ANSWER_OK) {
        if ((site->added >> device & 1) == 0 && answer == KS_FL_ANSWER_AGAIN) {
            set_wrong(site, "an update counts that nobody has added");
        }
        return KS_OK;
    }
    if ((site->added >> device & 1) != 0) {
        set_wrong(site, "an update can count twice");
    }
    site->added |= 1U << device;
    site->order[site->staged++] = device;
    return ks_rounds_stage(site->rounds, session, &delivery);
}

static enum ks_err commit(struct site *site, struct ks_rounds_session *session)
{
    const uint8_t hash[32] = {(uint8_t)site->added};
    enum ks_err err = KS_OK;

    if (session->staged == 0) {
        return KS_OK;
    }
    err = ks_rounds_commit(site->rounds, session,
                           site->replays              ? 0
                           : session->checkpoint == 1 ? 2
                                                      : 1,
                           1000, hash, site->now_us);
    if (err == KS_OK) {
        site->acknowledged = site->added;
        site->committed = site->staged;
    }
    return err;
}

static enum ks_err drop(struct site *site, struct ks_rounds_session *session)
{
    const enum ks_err err = ks_rounds_drop(site->rounds, session);

    if (err == KS_OK) {
        site->added = site->acknowledged;
        site->staged = site->committed;
    }
    return err;
}

/* What a worker says of all that counts. */
static enum ks_err score(struct site *site, struct ks_rounds_session *session)
{
    struct ks_fl_score scores[SCENE_DEVICES] = {0};
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < session->delivered; i++) {
        scores[i].score = score_of(site->order[i], session->last);
        scores[i].reason = KS_FL_SUSPICION_DISTANCE;
    }
    err = ks_rounds_scored(site->rounds, session, scores, site->now_us);
    site->scored = err == KS_OK;
    return err;
}

static enum ks_err step_round(struct site *site, struct ks_rounds_session *session)
{
    struct ks_fl_round_status status;
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;
    enum ks_err err = KS_OK;

    ks_fl_round_status(session->round, &status);
    if (status.phase == KS_FL_PREPARING) {
        const size_t device = (size_t)crash_random_below(&site->random, SCENE_DEVICES);

        return rounds_scene_event(site->rounds, session, KS_FL_EVENT_JOIN,
                                  rounds_scene_device(device), site->now_us, &answer);
    }
    if (status.phase == KS_FL_AGGREGATING && site->replays && !site->scored) {
        return score(site, session);
    }
    if (status.phase == KS_FL_AGGREGATING) {
        err = rounds_scene_event(site->rounds, session, KS_FL_EVENT_AGGREGATED, NULL,
                                 site->now_us, &answer);
        if (err == KS_OK && answer == KS_FL_ANSWER_OK) {
            site->completed = session->last;
        }
        return err;
    }
    switch (crash_random_below(&site->random, 8)) {
    case 0:
        return drop(site, session);
    case 1:
    case 2:
    case 3:
        return commit(site, session);
    default:
        return stage(site, session);
    }
}

static enum ks_err step_session(struct site *site)
{
    struct ks_rounds_session *session = session_of(site);
    enum ks_err err = KS_OK;

    if (session == NULL) {
        err =
            rounds_scene_order(&scene, site->rounds, KS_FL_VERB_CREATE, site->now_us, &session);
        site->created = err == KS_OK;
    } else if (session->state == KS_SESSION_CREATED) {
        err =
            rounds_scene_order(&scene, site->rounds, KS_FL_VERB_START, site->now_us, &session);
        site->started = err == KS_OK;
    } else if (session->round == NULL) {
        err = rounds_scene_begin(&scene, site->rounds, session, site->now_us);
        if (err == KS_OK) {
            site->round = session->last;
            site->acknowledged = site->added = 0;
            site->staged = site->committed = 0;
            site->scored = false;
        }
    } else {
        err = step_round(site, session);
    }
    return err;
}

static void open_again(struct site *site)
{
    while (site->rounds == NULL && site->wrong[0] == '\0') {
        crash_disk_arm(site->disk, crash_random_below(&site->random, 3) == 0
                                       ? 1 + crash_random_below(&site->random, 8)
                                       : 0);
        if (ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds) != KS_OK) {
            site->rounds = NULL;
            if (!crash_disk_is_down(site->disk)) {
                set_wrong(site, "the rounds do not open");
            }
            crash_disk_restart(site->disk);
        }
    }
    crash_disk_arm(site->disk, 0);
    if (site->rounds != NULL) {
        verify(site);
    }
}

/* A chain of crashes; true if all held. */
static bool run_chain(uint64_t seed, enum crash_sync ignored, char wrong[256])
{
    struct site *site = ks_calloc(1, sizeof *site);
    bool good = false;

    assert_non_null(site);
    site->random.state = seed;
    site->now_us = SCENE_NOW_US;
    site->replays = seed % 2 == 0;
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &site->disk), KS_OK);
    crash_disk_ignore(site->disk, ignored);
    site->fs = crash_fs_of(site->disk);
    open_again(site);
    for (unsigned crash = 0; crash < CRASHES && site->wrong[0] == '\0'; crash++) {
        crash_disk_arm(site->disk, 1 + crash_random_below(&site->random, 40));
        for (unsigned i = 0; i < STEPS && !crash_disk_is_down(site->disk); i++) {
            site->now_us += 1000;
            if (step_session(site) != KS_OK && !crash_disk_is_down(site->disk)) {
                set_wrong(site, "a change fails that should not");
            }
        }
        ks_rounds_close(site->rounds);
        site->rounds = NULL;
        crash_disk_restart(site->disk);
        open_again(site);
    }
    good = site->wrong[0] == '\0';
    memcpy(wrong, site->wrong, sizeof site->wrong);
    ks_rounds_close(site->rounds);
    crash_disk_free(site->disk);
    ks_free(site);
    return good;
}

static void test_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CHAINS; seed++) {
        char wrong[256];

        if (!run_chain(seed, CRASH_SYNC_NONE, wrong)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
        }
    }
}

static void test_every_sync_counts(void **state)
{
    static const enum crash_sync places[] = {CRASH_SYNC_APPEND, CRASH_SYNC_REPLACE,
                                             CRASH_SYNC_DIR};

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bool noticed = false;

        for (uint64_t seed = 1; seed <= CHAINS && !noticed; seed++) {
            char wrong[256];

            noticed = !run_chain(seed, places[i], wrong);
        }
        if (!noticed) {
            fail_msg("without the sync '%s' nothing goes wrong", crash_sync_name(places[i]));
        }
    }
}

static int make_scene(void **state)
{
    (void)state;
    rounds_scene_make(&scene);
    return 0;
}

static int free_scene(void **state)
{
    (void)state;
    rounds_scene_free(&scene);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_every_sync_counts),
    };
    return cmocka_run_group_tests(tests, make_scene, free_scene);
}
