/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Sessions and rounds inside the enclave: what an order, a device, a worker may do in which
 * state; that all of it is as it was after a restart at each step. */
#include "unit/expect.h"

#include <string.h>

#include "enclave/rounds_state.h"
#include "fault/crash_fs.h"
#include "fault/rounds_scene.h"
#include "record/fl_updates.h"

#define S(seconds) (SCENE_NOW_US + (uint64_t)(seconds)*1000000)

static const uint8_t master[32] = {4, 5, 6};

struct site {
    struct rounds_scene scene;
    struct crash_disk *disk;
    struct ks_fs fs;
    struct ks_rounds *rounds;
    struct ks_rounds_session *session;
};

static int open_site(void **state)
{
    static struct site site;

    site = (struct site){0};
    rounds_scene_make(&site.scene);
    assert_int_equal(crash_disk_new(1, &site.disk), KS_OK);
    site.fs = crash_fs_of(site.disk);
    assert_int_equal(ks_rounds_open(&site.fs, KS_BYTES(master), NULL, &site.rounds), KS_OK);
    *state = &site;
    return 0;
}

static int close_site(void **state)
{
    struct site *site = *state;

    ks_rounds_close(site->rounds);
    crash_disk_free(site->disk);
    rounds_scene_free(&site->scene);
    return 0;
}

/* As bytes: all that a session is, but for what a restart forgets. */
static void write_session(const struct ks_rounds_session *session, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)session->state);
    ks_buf_put_u64(out, session->last);
    ks_buf_put(out, KS_BYTES(session->model));
    for (size_t i = 0; i < session->kept_count; i++) {
        const struct ks_round_summary *summary = &session->kept[i];

        ks_buf_put_u64(out, summary->number);
        ks_buf_put_u8(out, (uint8_t)summary->phase);
        ks_buf_put_u8(out, (uint8_t)summary->failure);
        ks_buf_put(out, KS_BYTES(summary->parent));
        ks_buf_put(out, KS_BYTES(summary->result));
        ks_buf_put(out, KS_BYTES(summary->updates));
        ks_buf_put(out, KS_BYTES(summary->list));
        ks_buf_put(out, KS_BYTES(summary->descriptor));
        ks_buf_put_u64(out, summary->started_us);
        ks_buf_put_u64(out, summary->finished_us);
        ks_buf_put_u32(out, summary->count);
        ks_buf_put_u64(out, summary->samples);
        ks_buf_put_double(out, summary->loss);
        ks_buf_put(out, KS_BYTES(summary->state));
        ks_buf_put_u8(out, summary->recorded ? 1 : 0);
    }
    ks_buf_put(out, KS_BYTES(session->remembered));
    ks_buf_put_u8(out, session->progress.has_best ? 1 : 0);
    ks_buf_put_double(out, session->progress.best);
    ks_buf_put_u32(out, session->progress.stale);
    for (size_t i = 0; i < session->known_count; i++) {
        ks_buf_put_text(out, session->known[i].device);
        ks_buf_put_u32(out, session->known[i].samples);
    }
    if (session->round == NULL) {
        return;
    }
    ks_fl_round_write(session->round, out);
    ks_buf_put(out, ks_buf_view(&session->descriptor));
    ks_buf_put_u8(out, (uint8_t)session->checkpoint);
    ks_buf_put_u64(out, session->checkpoint_len);
    ks_buf_put(out, KS_BYTES(session->checkpoint_hash));
    for (size_t i = 0; i < session->delivered; i++) {
        const struct ks_delivery *delivery = &session->deliveries[i];

        ks_buf_put_text(out, delivery->device);
        ks_buf_put(out, KS_BYTES(delivery->update));
        ks_buf_put(out, KS_BYTES(delivery->sealed));
        ks_buf_put(out, KS_BYTES(delivery->record));
        ks_buf_put_text(out, delivery->job);
        ks_buf_put_u64(out, delivery->at_us);
        ks_buf_put_u64(out, delivery->length);
        ks_buf_put_u32(out, delivery->samples);
        ks_buf_put_double(out, delivery->norm);
        ks_buf_put_double(out, delivery->suspicion);
        ks_buf_put_double(out, delivery->cosine);
        ks_buf_put_double(out, delivery->share);
        ks_buf_put_double(out, delivery->loss);
        ks_buf_put_text(out, delivery->reason);
    }
}

static void write_all(struct ks_rounds *rounds, struct ks_buf *out)
{
    ks_buf_init(out, 1 << 20);
    for (size_t i = 0; i < ks_rounds_count(rounds); i++) {
        write_session(ks_rounds_at(rounds, i), out);
    }
    assert_int_equal(ks_buf_check(out), KS_OK);
}

/* A restart changes nothing, twice: the file as it grew, and as it was rewritten. */
static void restart(struct site *site)
{
    struct ks_buf before;
    struct ks_buf after;

    write_all(site->rounds, &before);
    for (unsigned i = 0; i < 2; i++) {
        ks_rounds_close(site->rounds);
        site->rounds = NULL;
        assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds),
                         KS_OK);
        write_all(site->rounds, &after);
        assert_true(ks_bytes_equal(ks_buf_view(&before), ks_buf_view(&after)));
        ks_buf_done(&after);
    }
    ks_buf_done(&before);
    site->session = ks_rounds_count(site->rounds) == 0 ? NULL : ks_rounds_at(site->rounds, 0);
}

static enum ks_err order(struct site *site, enum ks_fl_verb verb, uint64_t now_us)
{
    return rounds_scene_order(&site->scene, site->rounds, verb, now_us, &site->session);
}

static enum ks_fl_answer event(struct site *site, enum ks_fl_event_kind kind,
                               const char *device, uint64_t now_us)
{
    enum ks_fl_answer answer = KS_FL_ANSWER_NOT_NOW;

    assert_int_equal(
        rounds_scene_event(site->rounds, site->session, kind, device, now_us, &answer), KS_OK);
    return answer;
}

static enum ks_fl_phase phase(const struct site *site)
{
    struct ks_fl_round_status status;

    ks_fl_round_status(site->session->round, &status);
    return status.phase;
}

static void begin(struct site *site, uint64_t now_us)
{
    assert_int_equal(rounds_scene_begin(&site->scene, site->rounds, site->session, now_us),
                     KS_OK);
}

static void all_join(struct site *site, uint64_t now_us)
{
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        assert_int_equal(event(site, KS_FL_EVENT_JOIN, rounds_scene_device(i), now_us),
                         KS_FL_ANSWER_OK);
    }
    assert_int_equal(phase(site), KS_FL_TRAINING);
}

static enum ks_fl_answer check(const struct site *site, const struct ks_delivery *delivery)
{
    return ks_rounds_check(site->session, delivery);
}

static void stage(struct site *site, size_t device, uint64_t now_us)
{
    const struct ks_delivery delivery =
        rounds_scene_delivery(device, site->session->last, now_us);

    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_OK);
    assert_int_equal(ks_rounds_stage(site->rounds, site->session, &delivery), KS_OK);
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_AGAIN);
}

static void commit(struct site *site, unsigned file, uint64_t now_us)
{
    const uint8_t hash[32] = {(uint8_t)file, 9};

    assert_int_equal(ks_rounds_commit(site->rounds, site->session, file, 1000, hash, now_us),
                     KS_OK);
}

/* The list of round NUMBER, which has ended, is there, and says what was delivered. */
static void check_list(const struct site *site, uint64_t number)
{
    const struct ks_round_summary *summary = ks_rounds_summary(site->session, number);
    struct ks_fl_updates updates;
    struct ks_fl_updates_sum sum;
    struct ks_buf list;

    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    assert_int_equal(ks_rounds_list(site->rounds, site->session, summary, &list), KS_OK);
    assert_int_equal(ks_fl_updates_read(ks_buf_view(&list), &updates), KS_OK);
    assert_int_equal(updates.round, number);
    assert_int_equal(updates.count, SCENE_DEVICES);
    assert_int_equal(updates.invited, SCENE_DEVICES);
    for (size_t i = 0; i < updates.count; i++) {
        const struct ks_delivery delivery = rounds_scene_delivery(i, number, 0);

        assert_true(ks_bytes_is(updates.counted[i].device, delivery.device));
        assert_true(ks_bytes_is(updates.counted[i].job, delivery.job));
        assert_memory_equal(updates.counted[i].record, delivery.record, 32);
        assert_int_equal(updates.counted[i].length, delivery.length);
        assert_int_equal(updates.counted[i].place, i);
    }
    assert_int_equal(ks_fl_updates_sum(&updates, &sum), KS_OK);
    assert_memory_equal(sum.digest, summary->updates, 32);
    ks_fl_updates_done(&updates);
    ks_buf_done(&list);
}

static void test_two_rounds(void **state)
{
    struct site *site = *state;
    const struct ks_round_summary *summary = NULL;
    uint8_t hashes[SCENE_DEVICES][32] = {{0}};
    uint8_t digest[32];
    double loss = 0;
    struct ks_buf list;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    restart(site);
    assert_int_equal(site->session->state, KS_SESSION_CREATED);
    assert_int_equal(site->session->order.plan.rounds, 1000);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    restart(site);
    for (uint64_t number = 1; number <= 2; number++) {
        begin(site, S(2 * number));
        restart(site);
        assert_int_equal(phase(site), KS_FL_PREPARING);
        all_join(site, S(2 * number));
        restart(site);
        for (size_t i = 0; i < SCENE_DEVICES; i++) {
            stage(site, i, S(2 * number));
            if (i % 2 == 1) {
                commit(site, (unsigned)(i / 2 % 2) + 1, S(2 * number));
                restart(site);
            }
        }
        assert_int_equal(phase(site), KS_FL_AGGREGATING);
        assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(2 * number + 1)),
                         KS_FL_ANSWER_OK);
        assert_null(site->session->round);
        restart(site);
    }
    assert_int_equal(site->session->state, KS_SESSION_RUNNING);
    assert_int_equal(site->session->kept_count, 2);
    summary = ks_rounds_summary(site->session, 2);
    assert_int_equal(summary->phase, KS_FL_COMPLETED);
    assert_int_equal(summary->parent[0], 0xcc); /* the first one's result */
    assert_int_equal(summary->parent[1], 1);
    assert_int_equal(summary->result[1], 2);
    assert_memory_equal(site->session->model, summary->result, 32);
    assert_int_equal(summary->count, SCENE_DEVICES);
    assert_int_equal(summary->samples, 615);
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        const struct ks_delivery delivery = rounds_scene_delivery(i, 2, 0);

        memcpy(hashes[i], delivery.record, 32); /* ascending as they are */
        loss += delivery.loss * delivery.samples;
    }
    ks_round_updates_digest(hashes[0], SCENE_DEVICES, digest);
    assert_memory_equal(summary->updates, digest, 32);
    assert_true(summary->loss == loss / 615);
    assert_null(ks_rounds_summary(site->session, 3));
    check_list(site, 2);
    assert_int_equal(ks_rounds_recorded(site->rounds, site->session, 1), KS_OK);
    restart(site);
    assert_true(ks_rounds_summary(site->session, 1)->recorded);
    assert_false(ks_rounds_summary(site->session, 2)->recorded);
    check_list(site, 2);
    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    assert_int_equal(
        ks_rounds_list(site->rounds, site->session, ks_rounds_summary(site->session, 1), &list),
        KS_ERR_NOT_FOUND); /* ketseald has it */
    ks_buf_done(&list);
}

/* A whole round, in which all devices say that they had this LOSS. */
static void round_of_loss(struct site *site, double loss)
{
    const uint64_t at_us = S(10 * (site->session->last + 1));
    const uint8_t file = (uint8_t)(site->session->last % 2 + 1);

    begin(site, at_us);
    all_join(site, at_us);
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        struct ks_delivery delivery = rounds_scene_delivery(i, site->session->last, at_us);

        delivery.loss = loss;
        assert_int_equal(ks_rounds_stage(site->rounds, site->session, &delivery), KS_OK);
    }
    commit(site, file, at_us);
    restart(site);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, at_us + 1), KS_FL_ANSWER_OK);
    restart(site);
    assert_true(ks_rounds_summary(site->session, site->session->last)->loss == loss);
}

/* What a round leaves to the rules of the next one is that of the last one that is completed.
 */
static void test_remembers(void **state)
{
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    assert_int_equal(site->session->remembered[0], 0);
    for (uint8_t number = 1; number <= 3; number++) {
        round_of_loss(site, 1);
        assert_int_equal(site->session->remembered[0], 0xdd);
        assert_int_equal(site->session->remembered[1], number);
        assert_memory_equal(ks_rounds_summary(site->session, number)->state,
                            site->session->remembered, 32);
    }
    begin(site, S(100));
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(1000)), KS_FL_ANSWER_OK);
    assert_int_equal(site->session->state, KS_SESSION_FAILED);
    restart(site);
    assert_int_equal(site->session->remembered[1], 3);
    assert_int_equal(ks_rounds_summary(site->session, 4)->state[0], 0);
    assert_string_equal(ks_rounds_reason(site->session), "too few clients joined");
}

/* Less loss is a gain where it is more than gain_min; patience rounds without one are enough.
 */
static void test_stops_early(void **state)
{
    static const double losses[] = {1, 0.5, 0.45, 0.5};
    struct site *site = *state;

    site->scene.order.plan.patience = 2;
    site->scene.order.plan.gain_min = 0.125;
    site->scene.order.plan.rounds = 8;
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    for (size_t i = 0; i < 4; i++) { /* 1, 0.5 gain; 0.45 and 0.5 do not */
        assert_int_equal(site->session->state, KS_SESSION_RUNNING);
        assert_string_equal(ks_rounds_reason(site->session), "none");
        round_of_loss(site, losses[i]);
    }
    assert_int_equal(site->session->state, KS_SESSION_FINISHED);
    assert_string_equal(ks_rounds_reason(site->session), "it gained no more");
    assert_true(site->session->progress.best == -0.5);
    assert_int_equal(site->session->progress.stale, 2);
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(900)), KS_ERR_CONFLICT);
}

/* Each counts as what it said last, at most samples_max; who never joined as the mean. */
static void test_selects_by_samples(void **state)
{
    struct site *site = *state;
    struct ks_fl_candidate candidates[SCENE_DEVICES];
    static const uint32_t said[3] = {5000, 10, 90};

    memcpy(candidates, site->scene.candidates, sizeof candidates);
    site->scene.order.plan.weighted = true;
    site->scene.order.plan.invited = 5;
    site->scene.order.plan.wanted = 5;
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    ks_rounds_weigh(site->session, candidates, SCENE_DEVICES);
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        assert_int_equal(candidates[i].samples, 1);
    }
    begin(site, S(2));
    for (size_t i = 0; i < 3; i++) {
        struct ks_fl_event join = {.kind = KS_FL_EVENT_JOIN, .now_us = S(3)};
        enum ks_fl_answer answer = KS_FL_ANSWER_NOT_NOW;

        join.client = ks_bytes_text(ks_fl_round_participant(site->session->round, 2 - i)->name);
        join.samples = said[i];
        assert_int_equal(ks_rounds_event(site->rounds, site->session, &join, &answer), KS_OK);
        assert_int_equal(answer, KS_FL_ANSWER_OK);
        restart(site);
    }
    assert_int_equal(site->session->known_count, 3);
    ks_rounds_weigh(site->session, candidates, SCENE_DEVICES);
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        uint32_t want = (1000 + 10 + 90) / 3; /* samples_max is 1000 */

        for (size_t j = 0; j < 3; j++) {
            if (ks_bytes_is(candidates[i].name,
                            ks_fl_round_participant(site->session->round, 2 - j)->name)) {
                want = said[j] < 1000 ? said[j] : 1000;
            }
        }
        assert_int_equal(candidates[i].samples, want);
    }
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(4)), KS_OK);
    assert_int_equal(site->session->known_count, 0); /* none will be selected any more */
    restart(site);
}

/* Staged and not committed: gone after a restart, and when the worker dies. */
static void test_staged_is_forgotten(void **state)
{
    struct site *site = *state;
    struct ks_delivery delivery;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 0, S(4));
    commit(site, 1, S(4));
    stage(site, 1, S(5));
    restart(site);
    assert_int_equal(site->session->delivered, 1);
    assert_int_equal(site->session->staged, 0);
    delivery = rounds_scene_delivery(1, 1, S(6));
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_OK);
    stage(site, 1, S(6));
    assert_int_equal(ks_rounds_drop(site->rounds, site->session), KS_OK);
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_OK);
    stage(site, 2, S(7));
    commit(site, 2, S(7)); /* commits no more than that one */
    restart(site);
    assert_int_equal(site->session->delivered, 2);
    assert_null(ks_rounds_delivery(site->session, KS_LITERAL("edge_1")));
    assert_non_null(ks_rounds_delivery(site->session, KS_LITERAL("edge_2")));
}

/* The same bytes again count as they did: with anything else said of them they are another
 * update, since the record that they got would say what did not count. */
static void check_again(const struct site *site, size_t device, uint64_t now_us)
{
    const struct ks_delivery delivered =
        rounds_scene_delivery(device, site->session->last, now_us);

    assert_int_equal(check(site, &delivered), KS_FL_ANSWER_AGAIN);
    for (unsigned i = 0; i < 5; i++) {
        struct ks_delivery other = delivered;

        other.sealed[31] ^= i == 0;
        other.samples += i == 1;
        other.length += i == 2;
        other.encoding = i == 3 ? KS_FL_F16 : other.encoding;
        other.loss += i == 4 ? 0.5 : 0;
        assert_int_equal(check(site, &other), KS_FL_ANSWER_OTHER_UPDATE);
    }
}

static void test_refused_updates(void **state)
{
    struct site *site = *state;
    struct ks_delivery delivery;
    static const uint8_t record[32] = {77};

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    delivery = rounds_scene_delivery(0, 1, S(3));
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_EARLY);
    all_join(site, S(3));
    memcpy(delivery.device, "edge_9", 7);
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_NOT_INVITED);
    delivery = rounds_scene_delivery(0, 1, S(3));
    delivery.samples = 1001;
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_SAMPLES);
    assert_int_equal(event(site, KS_FL_EVENT_LEAVE, "edge_3", S(4)), KS_FL_ANSWER_OK);
    delivery = rounds_scene_delivery(3, 1, S(4));
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_HAS_LEFT);
    stage(site, 0, S(5));
    delivery = rounds_scene_delivery(0, 1, S(5));
    check_again(site, 0, S(5));
    assert_int_equal(event(site, KS_FL_EVENT_LEAVE, "edge_0", S(5)), KS_FL_ANSWER_LATE);
    commit(site, 1, S(5));
    check_again(site, 0, S(5));
    assert_int_equal(ks_rounds_again(site->rounds, site->session, KS_LITERAL("edge_0"), record,
                                     delivery.job),
                     KS_OK);
    restart(site);
    check_again(site, 0, S(6));
    assert_memory_equal(ks_rounds_delivery(site->session, KS_LITERAL("edge_0"))->record, record,
                        32);
    delivery = rounds_scene_delivery(1, 1, S(604)); /* the time is over at 603 */
    assert_int_equal(check(site, &delivery), KS_FL_ANSWER_LATE);
}

/* What was added in time counts, though its checkpoint comes later. */
static void test_time_stands_still(void **state)
{
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 0, S(602));
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(700)), KS_FL_ANSWER_OK);
    assert_int_equal(phase(site), KS_FL_TRAINING);
    commit(site, 1, S(701));
    assert_int_equal(site->session->delivered, 1);
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(702)), KS_FL_ANSWER_OK);
    assert_int_equal(phase(site), KS_FL_AGGREGATING);
    restart(site);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(703)), KS_FL_ANSWER_OK);
    assert_int_equal(ks_rounds_summary(site->session, 1)->count, 1);
}

/* Behind an update that is staged another one can be added after the deadline: it counts with
 * that one, also after a restart. */
static void test_added_after_the_deadline(void **state)
{
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 0, S(602));
    stage(site, 1, S(700));
    commit(site, 1, S(701));
    assert_int_equal(site->session->delivered, 2);
    assert_int_equal(phase(site), KS_FL_TRAINING);
    restart(site);
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(702)), KS_FL_ANSWER_OK);
    assert_int_equal(phase(site), KS_FL_AGGREGATING);
    restart(site);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(703)), KS_FL_ANSWER_OK);
    assert_int_equal(ks_rounds_summary(site->session, 1)->count, 2);
}

/* Of a device's further records the last one is kept. */
static void test_again_and_again(void **state)
{
    struct site *site = *state;
    size_t before = 0;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 0, S(4));
    stage(site, 1, S(4));
    commit(site, 1, S(5));
    before = site->session->log.len;
    for (unsigned i = 0; i < 1000; i++) {
        const uint8_t record[32] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        const char *device = rounds_scene_device(i % 2);
        char job[KS_UUID_TEXT_LEN + 1];

        ks_uuid_text(record, job);
        assert_int_equal(
            ks_rounds_again(site->rounds, site->session, ks_bytes_text(device), record, job),
            KS_OK);
    }
    assert_int_equal(site->session->log.len, before + (size_t)2 * KS_ROUND_RECORD_LEN);
    restart(site);
    assert_int_equal(site->session->log.len, before + (size_t)2 * KS_ROUND_RECORD_LEN);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t record[32] = {(uint8_t)(998 + i), (uint8_t)((998 + i) >> 8), 1};

        assert_memory_equal(site->session->deliveries[i].record, record, 32);
    }
}

/* What would fill the file is refused while there is still room for the round to end. */
static void test_full(void **state)
{
    struct site *site = *state;
    struct ks_round_record tick;
    struct ks_fl_event join = {.kind = KS_FL_EVENT_JOIN,
                               .now_us = S(3),
                               .client = KS_LITERAL("edge_1"),
                               .samples = 100};
    enum ks_fl_answer answer = KS_FL_ANSWER_NOT_NOW;
    size_t count = 0;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    assert_int_equal(event(site, KS_FL_EVENT_JOIN, "edge_0", S(3)), KS_FL_ANSWER_OK);
    tick = ks_rounds_record_of(KS_ROUND_RECORD_EVENT, site->session);
    tick.code = KS_FL_EVENT_TICK;
    tick.at_us = S(3);
    for (; ks_rounds_room(site->rounds) == KS_OK; count++) {
        assert_int_equal(ks_rounds_apply(site->rounds, &tick), KS_OK);
    }
    assert_true(count > KS_ROUNDS_RECORDS_MAX - 32768);
    expect_failure(ks_rounds_event(site->rounds, site->session, &join, &answer),
                   KS_ERR_UNAVAILABLE, "full until a round ends");
    for (size_t i = 0; i < 16384; i++) { /* what is under way */
        assert_int_equal(ks_rounds_apply(site->rounds, &tick), KS_OK);
    }
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(4)), KS_OK);
    assert_int_equal(ks_rounds_room(site->rounds), KS_OK);
    restart(site);
}

/* --- rules without a checkpoint ----------------------------------------------------------- */

/* What was sent survives a crash, and that is all there is to go on from. */
static void test_without_checkpoints(void **state)
{
    static const uint8_t zeros[32] = {0};
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    assert_int_equal(ks_rounds_commit(site->rounds, site->session, 0, 0, zeros, S(4)),
                     KS_ERR_CONFLICT); /* of nothing */
    stage(site, 3, S(4));
    stage(site, 1, S(4));
    assert_int_equal(ks_rounds_commit(site->rounds, site->session, 0, 0, zeros, S(5)), KS_OK);
    stage(site, 0, S(6));
    restart(site);
    assert_int_equal(site->session->checkpoint, 0);
    assert_int_equal(site->session->delivered, 2);
    assert_string_equal(site->session->deliveries[0].device, "edge_3"); /* as they came */
    assert_string_equal(site->session->deliveries[1].device, "edge_1");
}

/* A deadline or an operator ends a round while its worker has an update: that is refused, and
 * nothing is written that a restart could not take up. */
static void test_round_ends_meanwhile(void **state)
{
    static const uint8_t zeros[32] = {0};
    struct site *site = *state;
    struct ks_delivery delivery;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 0, S(4));
    commit(site, 1, S(4));
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(604)), KS_FL_ANSWER_OK);
    assert_int_equal(phase(site), KS_FL_AGGREGATING);
    delivery = rounds_scene_delivery(1, 1, S(605));
    assert_int_equal(ks_rounds_stage(site->rounds, site->session, &delivery), KS_ERR_CONFLICT);
    restart(site);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(606)), KS_FL_ANSWER_OK);
    begin(site, S(607));
    all_join(site, S(608));
    delivery = rounds_scene_delivery(1, 1, S(609));
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(608)), KS_OK);
    assert_int_equal(ks_rounds_stage(site->rounds, site->session, &delivery),
                     KS_ERR_UNAVAILABLE);
    assert_int_equal(order(site, KS_FL_VERB_RESUME, S(609)), KS_OK);
    stage(site, 1, S(609));
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(610)), KS_OK);
    delivery = rounds_scene_delivery(2, 2, S(611));
    assert_int_equal(ks_rounds_stage(site->rounds, site->session, &delivery), KS_ERR_CONFLICT);
    assert_int_equal(ks_rounds_commit(site->rounds, site->session, 2, 1000, zeros, S(611)),
                     KS_ERR_CONFLICT);
    restart(site);
    assert_int_equal(site->session->state, KS_SESSION_STOPPED);
}

static const struct ks_fl_score scores[2] = {
    {.score = 7.5, .reason = KS_FL_SUSPICION_DIRECTION, .cosine = -0.75, .share = 0.125},
    {.score = 0, .reason = KS_FL_SUSPICION_NONE, .cosine = 0.5, .share = 0.875}};
static const char scores_name[] = "fl-01000000000000000000000000000000.1-s";

/* A round with two updates, and their scores. */
static void score(struct site *site)
{
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    all_join(site, S(3));
    stage(site, 4, S(4));
    stage(site, 2, S(4));
    commit(site, 0, S(5));
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(604)), KS_FL_ANSWER_OK);
    assert_int_equal(ks_rounds_scored(site->rounds, site->session, scores, S(605)), KS_OK);
}

static void test_scores(void **state)
{
    struct site *site = *state;
    const struct ks_delivery *deliveries = NULL;
    struct ks_buf file;

    ks_buf_init(&file, 4096);
    score(site);
    restart(site);
    deliveries = site->session->deliveries;
    assert_true(deliveries[0].suspicion == 7.5 && deliveries[0].cosine == -0.75 &&
                deliveries[0].share == 0.125);
    assert_string_equal(deliveries[0].reason, "direction");
    assert_true(deliveries[1].suspicion == 0 && deliveries[1].share == 0.875);
    assert_string_equal(deliveries[1].reason, "none");
    /* again, and otherwise: the last ones count */
    assert_int_equal(
        ks_rounds_scored(site->rounds, site->session, (struct ks_fl_score[2]){0}, S(606)),
        KS_OK);
    restart(site);
    assert_true(site->session->deliveries[0].suspicion == 0);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(607)), KS_FL_ANSWER_OK);
    assert_int_equal(ks_rounds_scored(site->rounds, site->session, scores, S(608)),
                     KS_ERR_CONFLICT);
    restart(site);
    assert_int_equal(ks_fs_load(&site->fs, scores_name, 4096, &file), KS_ERR_NOT_FOUND);
    ks_buf_done(&file);
}

/* Scores that are not the ones that were named are none; a round that has ended by them is
 * not believed. */
static void test_changed_scores(void **state)
{
    struct site *site = *state;
    struct ks_buf file;

    ks_buf_init(&file, 4096);
    score(site);
    assert_int_equal(ks_fs_load(&site->fs, scores_name, 4096, &file), KS_OK);
    file.data[file.len - 1] ^= 1;
    assert_int_equal(ks_fs_replace(&site->fs, scores_name, ks_buf_view(&file)), KS_OK);
    ks_rounds_close(site->rounds);
    assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds), KS_OK);
    site->session = ks_rounds_at(site->rounds, 0);
    assert_true(site->session->deliveries[0].suspicion == 0);
    assert_int_equal(ks_rounds_scored(site->rounds, site->session, scores, S(606)), KS_OK);
    assert_int_equal(event(site, KS_FL_EVENT_AGGREGATED, NULL, S(607)), KS_FL_ANSWER_OK);
    assert_int_equal(ks_fs_replace(&site->fs, scores_name, ks_buf_view(&file)), KS_OK);
    ks_rounds_close(site->rounds);
    site->rounds = NULL;
    assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds),
                     KS_ERR_VERIFY);
    ks_buf_done(&file);
}

static void test_orders(void **state)
{
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_START, S(0)), KS_ERR_NOT_FOUND);
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_ERR_CONFLICT);
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(0)), KS_ERR_CONFLICT);
    assert_int_equal(rounds_scene_begin(&site->scene, site->rounds, site->session, S(0)),
                     KS_ERR_CONFLICT);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_ERR_CONFLICT);
    site->scene.ordered_us -= 3; /* older than the last, newer than the first */
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(1)), KS_ERR_DENIED);
    restart(site);
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(1)), KS_ERR_DENIED);
    site->scene.ordered_us += 3;
    begin(site, S(2));
    assert_int_equal(rounds_scene_begin(&site->scene, site->rounds, site->session, S(2)),
                     KS_ERR_CONFLICT);
    all_join(site, S(3));
    assert_int_equal(order(site, KS_FL_VERB_RESUME, S(4)), KS_ERR_CONFLICT);
    stage(site, 0, S(4));
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(4)), KS_ERR_UNAVAILABLE);
    commit(site, 1, S(4));
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(5)), KS_OK);
    restart(site);
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(5)), KS_ERR_CONFLICT);
    assert_int_equal(order(site, KS_FL_VERB_RESUME, S(1000)), KS_OK);
    restart(site);
    stage(site, 1, S(1001)); /* deadlines stood still */
    commit(site, 2, S(1001));
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(1002)), KS_OK);
    restart(site);
    assert_int_equal(site->session->state, KS_SESSION_STOPPED);
    assert_int_equal(ks_rounds_summary(site->session, 1)->failure, KS_FL_FAILURE_STOPPED);
    assert_int_equal(ks_rounds_summary(site->session, 1)->count, 2);
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(1003)), KS_ERR_CONFLICT);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1003)), KS_ERR_CONFLICT);
}

/* One operator too many is refused before anything is written; a site that has the order of one
 * starts. */
static void test_operators(void **state)
{
    struct site *site = *state;
    struct ks_round_record record;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    for (uint8_t i = 1; i < KS_ROUNDS_OPERATORS_MAX; i++) {
        site->scene.operator_key = 100 + i;
        assert_int_equal(order(site, i % 2 == 1 ? KS_FL_VERB_PAUSE : KS_FL_VERB_RESUME, S(3)),
                         KS_OK);
    }
    site->scene.operator_key = 200;
    expect_failure(order(site, KS_FL_VERB_RESUME, S(3)), KS_ERR_LIMIT,
                   "orders of more than 64 operators");
    restart(site);
    site->scene.operator_key = 7;
    assert_int_equal(order(site, KS_FL_VERB_RESUME, S(3)), KS_OK);
    record = ks_rounds_record_of(KS_ROUND_RECORD_ORDER, site->session);
    record.code = KS_FL_VERB_PAUSE;
    record.at_us = S(3);
    record.other = site->scene.ordered_us;
    record.hash[0][0] = 200;
    assert_int_equal(ks_rounds_apply(site->rounds, &record), KS_OK);
    restart(site);
    site->scene.operator_key = 200;
    assert_int_equal(order(site, KS_FL_VERB_RESUME, S(3)), KS_OK);
    site->scene.operator_key = 201;
    assert_int_equal(order(site, KS_FL_VERB_PAUSE, S(3)), KS_ERR_LIMIT);
    restart(site);
}

static void test_failed_round(void **state)
{
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(10)), KS_FL_ANSWER_OK);
    assert_int_equal(phase(site), KS_FL_PREPARING);
    assert_int_equal(event(site, KS_FL_EVENT_TICK, NULL, S(63)), KS_FL_ANSWER_OK);
    assert_null(site->session->round);
    restart(site);
    assert_int_equal(site->session->state, KS_SESSION_FAILED);
    assert_int_equal(ks_rounds_summary(site->session, 1)->failure,
                     KS_FL_FAILURE_TOO_FEW_JOINED);
    assert_int_equal(order(site, KS_FL_VERB_STOP, S(64)), KS_ERR_CONFLICT);
}

/* Files that were changed, or are gone. */
static void test_changed_files(void **state)
{
    static const char *const names[] = {"fl-01000000000000000000000000000000.0",
                                        "fl-01000000000000000000000000000000.1", "rounds"};
    struct site *site = *state;

    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    begin(site, S(2));
    ks_rounds_close(site->rounds);
    site->rounds = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ks_buf bytes;

        ks_buf_init(&bytes, 1 << 20);
        assert_int_equal(ks_fs_load(&site->fs, names[i], 1 << 20, &bytes), KS_OK);
        bytes.data[20] ^= 1;
        assert_int_equal(ks_fs_replace(&site->fs, names[i], ks_buf_view(&bytes)), KS_OK);
        assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds),
                         KS_ERR_VERIFY);
        if (i < 2) {
            assert_int_equal(site->fs.unlink(site->fs.context, names[i]), KS_OK);
            assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds),
                             KS_ERR_VERIFY);
        }
        bytes.data[20] ^= 1;
        assert_int_equal(ks_fs_replace(&site->fs, names[i], ks_buf_view(&bytes)), KS_OK);
        ks_buf_done(&bytes);
    }
    assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), NULL, &site->rounds), KS_OK);
    restart(site);
}

/* An older chain that is put back shows against the position that was noted. */
static void test_older_chain(void **state)
{
    struct site *site = *state;
    struct ks_chain_position reached;
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1 << 20);
    assert_int_equal(order(site, KS_FL_VERB_CREATE, S(0)), KS_OK);
    assert_int_equal(ks_fs_load(&site->fs, "rounds", 1 << 20, &bytes), KS_OK);
    assert_int_equal(order(site, KS_FL_VERB_START, S(1)), KS_OK);
    reached = *ks_rounds_reached(site->rounds);
    ks_rounds_close(site->rounds);
    site->rounds = NULL;
    assert_int_equal(ks_fs_replace(&site->fs, "rounds", ks_buf_view(&bytes)), KS_OK);
    assert_int_equal(ks_rounds_open(&site->fs, KS_BYTES(master), &reached, &site->rounds),
                     KS_ERR_VERIFY);
    ks_buf_done(&bytes);
}

/* The same after a restart; another for each round, session and use. */
static void test_secrets(void **state)
{
    static const uint8_t session[KS_SESSION_LEN] = {1};
    static const uint8_t other[KS_SESSION_LEN] = {2};
    struct site *site = *state;
    uint8_t secrets[4][64];
    uint8_t again[64];

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(
            ks_rounds_secret(
                site->rounds, i == 1 ? KS_ROUNDS_CHECKPOINT_LABEL : KS_ROUNDS_KEM_LABEL,
                i == 2 ? other : session, i == 3 ? 2 : 1, secrets[i], sizeof secrets[i]),
            KS_OK);
        for (unsigned j = 0; j < i; j++) {
            assert_memory_not_equal(secrets[i], secrets[j], sizeof secrets[i]);
        }
    }
    restart(site);
    assert_int_equal(
        ks_rounds_secret(site->rounds, KS_ROUNDS_KEM_LABEL, session, 1, again, sizeof again),
        KS_OK);
    assert_memory_equal(again, secrets[0], sizeof again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_site, close_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_rounds),
        TEST(test_staged_is_forgotten),
        TEST(test_refused_updates),
        TEST(test_time_stands_still),
        TEST(test_added_after_the_deadline),
        TEST(test_again_and_again),
        TEST(test_full),
        TEST(test_without_checkpoints),
        TEST(test_round_ends_meanwhile),
        TEST(test_scores),
        TEST(test_changed_scores),
        TEST(test_orders),
        TEST(test_operators),
        TEST(test_failed_round),
        TEST(test_changed_files),
        TEST(test_older_chain),
        TEST(test_secrets),
        TEST(test_remembers),
        TEST(test_stops_early),
        TEST(test_selects_by_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
