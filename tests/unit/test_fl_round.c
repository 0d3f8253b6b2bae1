/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rounds: their phases step by step, who is selected, what bad events get; and crashes: at each
 * event of random sequences, and at each write of a whole round with its accumulator, always
 * with the result that there is without. */
#include "unit/expect.h"

#include <math.h>

#include "fl/round.h"

#define OK(call)    assert_int_equal((call), KS_OK)
#define SECOND      UINT64_C(1000000)
#define CLIENTS_MAX 1000

static char names[CLIENTS_MAX][24];
static struct ks_fl_candidate candidates[CLIENTS_MAX];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "edge_%zu", i);
        candidates[i] =
            (struct ks_fl_candidate){ks_bytes_text(names[i]), (uint32_t)(i % 9 + 1)};
    }
    return 0;
}

static const struct ks_fl_round_params base = {
    .subject = {.session = {1}, .round = 3, .parent = {2}, .shape = {3}, .params = 5},
    .seed = 11,
    .invited = 6,
    .wanted = 4,
    .updates_min = 2,
    .samples_max = 100,
    .prepare_us = 10 * SECOND,
    .train_us = 60 * SECOND,
    .patience = 2,
    .gain_min = 0.01,
};

static struct ks_fl_round *begin(const struct ks_fl_round_params *params, size_t count)
{
    struct ks_fl_round *round = NULL;

    OK(ks_fl_round_new(params, candidates, count, NULL, SECOND, &round));
    return round;
}

static struct ks_fl_event event_of(enum ks_fl_event_kind kind, uint64_t now_s, size_t client)
{
    struct ks_fl_event event = {.kind = kind,
                                .now_us = now_s * SECOND,
                                .client = ks_bytes_text(names[client]),
                                .samples = 10};

    event.update[0] = (uint8_t)(client + 1);
    return event;
}

static enum ks_fl_answer apply(struct ks_fl_round *round, enum ks_fl_event_kind kind,
                               uint64_t now_s, size_t client)
{
    const struct ks_fl_event event = event_of(kind, now_s, client);
    const enum ks_fl_answer expected = ks_fl_round_check(round, &event);
    const enum ks_fl_answer answer = ks_fl_round_apply(round, &event);

    assert_int_equal(answer, expected);
    return answer;
}

#define expect_answer(call, name) assert_int_equal((call), KS_FL_ANSWER_##name)
#define expect_phase(round, name)                                                              \
    assert_string_equal(ks_fl_phase_word(status_of(round).phase), #name)

static struct ks_fl_round_status status_of(const struct ks_fl_round *round)
{
    struct ks_fl_round_status status;

    ks_fl_round_status(round, &status);
    return status;
}

static void join_all(struct ks_fl_round *round, size_t count, uint64_t now_s)
{
    for (size_t i = 0; i < count; i++) {
        expect_answer(apply(round, KS_FL_EVENT_JOIN, now_s, i), OK);
    }
}

/* --- phases ------------------------------------------------------------------------------- */

static void a_round_goes_through_its_phases(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);
    struct ks_fl_event result = event_of(KS_FL_EVENT_AGGREGATED, 40, 0);

    (void)state;
    expect_phase(round, PREPARING);
    assert_int_equal(status_of(round).wake_us, 11 * SECOND);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 2, 0), EARLY);
    join_all(round, 5, 2);
    expect_phase(round, PREPARING);
    expect_answer(apply(round, KS_FL_EVENT_JOIN, 2, 1), AGAIN);
    expect_answer(apply(round, KS_FL_EVENT_JOIN, 2, 77), NOT_INVITED);
    expect_answer(apply(round, KS_FL_EVENT_LEAVE, 3, 5), OK);
    expect_phase(round, TRAINING);
    assert_int_equal(status_of(round).wake_us, 63 * SECOND);
    expect_answer(apply(round, KS_FL_EVENT_JOIN, 4, 5), HAS_LEFT);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 4, 5), HAS_LEFT);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 4, 9), NOT_INVITED);
    for (size_t i = 0; i < 4; i++) {
        expect_phase(round, TRAINING);
        expect_answer(apply(round, KS_FL_EVENT_UPDATE, 5 + i, i), OK);
        expect_answer(apply(round, KS_FL_EVENT_UPDATE, 5 + i, i), AGAIN);
    }
    expect_phase(round, AGGREGATING);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 9, 4), LATE);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 9, 0), AGAIN);
    assert_int_equal(status_of(round).wake_us, 0);
    result.has_metric = true;
    result.metric = NAN;
    expect_answer(ks_fl_round_apply(round, &result), METRIC);
    result.metric = 0.5;
    expect_answer(ks_fl_round_apply(round, &result), OK);
    expect_answer(ks_fl_round_apply(round, &result), AGAIN);
    expect_phase(round, COMPLETED);
    result.update[7] = 1;
    expect_answer(ks_fl_round_apply(round, &result), NOT_NOW);
    expect_answer(apply(round, KS_FL_EVENT_STOP, 50, 0), NOT_NOW);
    assert_int_equal(status_of(round).delivered, 4);
    assert_int_equal(status_of(round).result[0], 1);
    ks_fl_round_free(round);
}

static void deadlines_end_phases(void **state)
{
    static const struct {
        size_t joins;
        size_t updates;
        enum ks_fl_phase phase;
        enum ks_fl_failure failure;
    } cases[] = {
        {0, 0, KS_FL_FAILED, KS_FL_FAILURE_TOO_FEW_JOINED},
        {1, 0, KS_FL_FAILED, KS_FL_FAILURE_TOO_FEW_JOINED},
        {2, 0, KS_FL_FAILED, KS_FL_FAILURE_TOO_FEW_UPDATES},
        {3, 1, KS_FL_FAILED, KS_FL_FAILURE_TOO_FEW_UPDATES},
        {3, 2, KS_FL_AGGREGATING, KS_FL_FAILURE_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_round *round = begin(&base, 6);

        join_all(round, cases[i].joins, 2);
        expect_answer(apply(round, KS_FL_EVENT_TICK, 10, 0), OK);
        expect_phase(round, PREPARING);
        expect_answer(apply(round, KS_FL_EVENT_TICK, 11, 0), OK);
        for (size_t k = 0; k < cases[i].updates; k++) {
            expect_answer(apply(round, KS_FL_EVENT_UPDATE, 20, k), OK);
        }
        expect_answer(apply(round, KS_FL_EVENT_TICK, 71, 0), OK);
        assert_int_equal(status_of(round).phase, cases[i].phase);
        assert_int_equal(status_of(round).failure, cases[i].failure);
        ks_fl_round_free(round);
    }
}

/* The event itself finds out that the time is over; a clock that is off by days, either way,
 * ends a phase or does not, and nothing else. */
static void clocks_that_are_off_do_no_harm(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);

    (void)state;
    join_all(round, 6, 2);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 4, 1), OK);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 0, 2), OK);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 400000, 3), LATE);
    expect_phase(round, AGGREGATING);
    assert_int_equal(status_of(round).delivered, 3);
    ks_fl_round_free(round);
    round = begin(&base, 6);
    expect_answer(apply(round, KS_FL_EVENT_JOIN, UINT64_MAX / SECOND, 0), LATE);
    expect_phase(round, FAILED);
    ks_fl_round_free(round);
}

static void clients_that_leave_decide_too(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        expect_answer(apply(round, KS_FL_EVENT_LEAVE, 2, i), OK);
        expect_answer(apply(round, KS_FL_EVENT_LEAVE, 2, i), AGAIN);
        expect_phase(round, PREPARING);
    }
    expect_answer(apply(round, KS_FL_EVENT_LEAVE, 2, 4), OK);
    assert_int_equal(status_of(round).failure, KS_FL_FAILURE_TOO_FEW_JOINED);
    ks_fl_round_free(round);
    round = begin(&base, 6);
    join_all(round, 6, 2);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 1), OK);
    expect_answer(apply(round, KS_FL_EVENT_LEAVE, 3, 0), LATE);
    for (size_t i = 2; i < 6; i++) {
        expect_phase(round, TRAINING);
        expect_answer(apply(round, KS_FL_EVENT_LEAVE, 3, i), OK);
    }
    expect_phase(round, AGGREGATING);
    expect_answer(apply(round, KS_FL_EVENT_BROKEN, 5, 0), OK);
    assert_int_equal(status_of(round).failure, KS_FL_FAILURE_AGGREGATION);
    ks_fl_round_free(round);
}

/* What counts may be lost while others still train. */
static void rounds_break_from_the_training_on(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);

    (void)state;
    expect_answer(apply(round, KS_FL_EVENT_BROKEN, 1, 0), NOT_NOW);
    expect_phase(round, PREPARING);
    join_all(round, 6, 2);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_PAUSE, 4, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_BROKEN, 5, 0), OK);
    expect_phase(round, FAILED);
    assert_int_equal(status_of(round).failure, KS_FL_FAILURE_AGGREGATION);
    assert_false(status_of(round).paused);
    expect_answer(apply(round, KS_FL_EVENT_BROKEN, 6, 0), NOT_NOW);
    ks_fl_round_free(round);
}

static void pauses_stop_the_clock(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);
    struct ks_fl_event event = event_of(KS_FL_EVENT_UPDATE, 8, 0);

    (void)state;
    expect_answer(apply(round, KS_FL_EVENT_RESUME, 2, 0), NOT_PAUSED);
    expect_answer(apply(round, KS_FL_EVENT_PAUSE, 2, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_PAUSE, 3, 0), AGAIN);
    expect_answer(apply(round, KS_FL_EVENT_JOIN, 3, 0), PAUSED);
    assert_true(status_of(round).paused);
    assert_int_equal(status_of(round).wake_us, 0);
    expect_answer(apply(round, KS_FL_EVENT_TICK, 500, 0), OK);
    expect_phase(round, PREPARING);
    expect_answer(apply(round, KS_FL_EVENT_RESUME, 1000, 0), OK);
    assert_int_equal(status_of(round).wake_us, 1009 * SECOND);
    join_all(round, 6, 1001);
    expect_answer(apply(round, KS_FL_EVENT_PAUSE, 1002, 0), OK);
    event.now_us = 1003 * SECOND;
    expect_answer(ks_fl_round_apply(round, &event), PAUSED);
    for (size_t i = 0; i < 5; i++) {
        expect_answer(apply(round, KS_FL_EVENT_LEAVE, 1004, i), OK);
    }
    expect_phase(round, TRAINING);
    expect_answer(apply(round, KS_FL_EVENT_RESUME, 1005, 0), OK);
    expect_phase(round, FAILED);
    ks_fl_round_free(round);
    round = begin(&base, 6);
    expect_answer(apply(round, KS_FL_EVENT_PAUSE, 2, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_STOP, 3, 0), OK);
    expect_answer(apply(round, KS_FL_EVENT_STOP, 3, 0), AGAIN);
    assert_int_equal(status_of(round).failure, KS_FL_FAILURE_STOPPED);
    assert_false(status_of(round).paused);
    ks_fl_round_free(round);
}

static void bad_updates_are_answered(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);
    struct ks_fl_event event = event_of(KS_FL_EVENT_UPDATE, 3, 0);

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        expect_answer(apply(round, KS_FL_EVENT_JOIN, 2, i), OK);
    }
    expect_answer(apply(round, KS_FL_EVENT_TICK, 11, 0), OK);
    event.client = ks_bytes_text(names[5]);
    expect_answer(ks_fl_round_apply(round, &event), NOT_JOINED);
    event.client = ks_bytes_text(names[0]);
    event.samples = 101;
    expect_answer(ks_fl_round_apply(round, &event), SAMPLES);
    event.samples = 0;
    expect_answer(ks_fl_round_apply(round, &event), SAMPLES);
    event.samples = 100;
    expect_answer(ks_fl_round_apply(round, &event), OK);
    event.update[9] = 1;
    expect_answer(ks_fl_round_apply(round, &event), OTHER_UPDATE);
    assert_int_equal(ks_fl_round_participant(round, 0)->samples, 100);
    assert_string_equal(ks_fl_answer_words(KS_FL_ANSWER_LATE),
                        "too late: this round takes no more of this");
    ks_fl_round_free(round);
}

static void training_stops_when_nothing_is_gained(void **state)
{
    static const struct {
        double metric;
        bool stops;
    } rounds[] = {{0.5, false},  {0.505, false}, {0.52, false},
                  {0.52, false}, {0.53, true},   {0.6, false}};
    struct ks_fl_round *previous = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        struct ks_fl_round *round = NULL;
        struct ks_fl_event result = event_of(KS_FL_EVENT_AGGREGATED, 9, 0);

        OK(ks_fl_round_new(&base, candidates, 2, previous, SECOND, &round));
        join_all(round, 2, 2);
        expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 0), OK);
        expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 1), OK);
        result.has_metric = true;
        result.metric = rounds[i].metric;
        expect_answer(ks_fl_round_apply(round, &result), OK);
        assert_int_equal(status_of(round).stop_early, rounds[i].stops);
        ks_fl_round_free(previous);
        previous = round;
    }
    ks_fl_round_free(previous);
}

/* --- selection ---------------------------------------------------------------------------- */

static void selection_follows_from_the_names_alone(void **state)
{
    struct ks_fl_round_params params = base;
    static struct ks_fl_candidate turned[CLIENTS_MAX];
    struct ks_fl_round *a = NULL;
    struct ks_fl_round *b = NULL;
    size_t same = 0;

    (void)state;
    params.invited = 100;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        turned[i] = candidates[CLIENTS_MAX - 1 - i];
    }
    for (unsigned selection = 0; selection < 2; selection++) {
        params.selection = (enum ks_fl_selection)selection;
        OK(ks_fl_round_new(&params, candidates, CLIENTS_MAX, NULL, 0, &a));
        OK(ks_fl_round_new(&params, turned, CLIENTS_MAX, NULL, 0, &b));
        assert_int_equal(ks_fl_round_participants(a), 100);
        for (size_t i = 0; i < 100; i++) {
            assert_string_equal(ks_fl_round_participant(a, i)->name,
                                ks_fl_round_participant(b, i)->name);
        }
        ks_fl_round_free(b);
        params.seed++;
        OK(ks_fl_round_new(&params, candidates, CLIENTS_MAX, NULL, 0, &b));
        same = 0;
        for (size_t i = 0; i < 100; i++) {
            for (size_t k = 0; k < 100; k++) {
                same += strcmp(ks_fl_round_participant(a, i)->name,
                               ks_fl_round_participant(b, k)->name) == 0;
            }
        }
        assert_true(same < 40);
        ks_fl_round_free(a);
        ks_fl_round_free(b);
    }
}

/* The first of those that are drawn is each with a probability in proportion to its weight. */
static void weighted_selection_is_in_proportion(void **state)
{
    static const uint32_t weights[4] = {1, 2, 3, 14};
    struct ks_fl_candidate few[4];
    struct ks_fl_round_params params = base;
    const unsigned draws = 6000;

    (void)state;
    params.invited = 1;
    params.wanted = 1;
    params.updates_min = 1;
    for (size_t i = 0; i < 4; i++) {
        few[i] = (struct ks_fl_candidate){ks_bytes_text(names[i]), weights[i]};
    }
    for (unsigned selection = 0; selection < 2; selection++) {
        unsigned counts[4] = {0};

        params.selection = (enum ks_fl_selection)selection;
        for (params.seed = 0; params.seed < draws; params.seed++) {
            struct ks_fl_round *round = NULL;

            OK(ks_fl_round_new(&params, few, 4, NULL, 0, &round));
            counts[ks_fl_round_participant(round, 0)->name[5] - '0']++;
            ks_fl_round_free(round);
        }
        for (size_t i = 0; i < 4; i++) {
            const double share = selection == 0 ? 0.25 : weights[i] / 20.0;

            /* Five standard deviations. */
            assert_true(fabs(counts[i] - draws * share) <
                        5 * sqrt(draws * share * (1 - share)));
        }
    }
}

static void parameters_and_candidates_are_checked(void **state)
{
    static const struct {
        struct ks_fl_candidate two[2];
        enum ks_err err;
        const char *why;
    } lists[] = {
        {{{{(const uint8_t *)"a", 1}, 1}, {{(const uint8_t *)"a", 1}, 2}},
         KS_ERR_FORMAT,
         "two candidates are called 'a'"},
        {{{{(const uint8_t *)"a b", 3}, 1}, {{(const uint8_t *)"b", 1}, 2}},
         KS_ERR_FORMAT,
         "candidate 0 has no name"},
        {{{{(const uint8_t *)"a", 1}, 0}, {{(const uint8_t *)"b", 1}, 2}},
         KS_ERR_FORMAT,
         "'a' has 0 samples"},
        {{{{(const uint8_t *)"a", 1}, 1}, {{(const uint8_t *)"b", 1}, 101}},
         KS_ERR_FORMAT,
         "'b' has 101 samples"},
    };
    static const struct {
        size_t offset;
        uint32_t value;
        enum ks_err err;
    } changes[] = {
        {offsetof(struct ks_fl_round_params, invited), 0, KS_ERR_LIMIT},
        {offsetof(struct ks_fl_round_params, invited), KS_FL_CLIENTS_MAX + 1, KS_ERR_LIMIT},
        {offsetof(struct ks_fl_round_params, invited), 3, KS_ERR_USAGE},
        {offsetof(struct ks_fl_round_params, wanted), 1, KS_ERR_USAGE},
        {offsetof(struct ks_fl_round_params, updates_min), 0, KS_ERR_USAGE},
        {offsetof(struct ks_fl_round_params, updates_min), 5, KS_ERR_USAGE},
        {offsetof(struct ks_fl_round_params, samples_max), 0, KS_ERR_LIMIT},
        {offsetof(struct ks_fl_round_params, selection), 2, KS_ERR_USAGE},
        {offsetof(struct ks_fl_round_params, subject.params), 0, KS_ERR_LIMIT},
    };
    struct ks_fl_round *round = NULL;
    struct ks_fl_round_params params = base;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        expect_failure(ks_fl_round_new(&base, lists[i].two, 2, NULL, 0, &round), lists[i].err,
                       lists[i].why);
    }
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        params = base;
        ks_copy((char *)&params + changes[i].offset, &changes[i].value, sizeof(uint32_t));
        assert_int_equal(ks_fl_round_new(&params, candidates, 6, NULL, 0, &round),
                         changes[i].err);
    }
    params = base;
    params.train_us = 0;
    assert_int_equal(ks_fl_round_new(&params, candidates, 6, NULL, 0, &round), KS_ERR_LIMIT);
    params = base;
    params.gain_min = -1;
    assert_int_equal(ks_fl_round_new(&params, candidates, 6, NULL, 0, &round), KS_ERR_USAGE);
    expect_failure(ks_fl_round_new(&base, candidates, 1, NULL, 0, &round), KS_ERR_NOT_FOUND,
                   "1 candidates");
    assert_null(round);
}

/* --- crashes ------------------------------------------------------------------------------ */

static struct ks_buf written(const struct ks_fl_round *round)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FL_ROUND_BYTES_MAX);
    ks_fl_round_write(round, &bytes);
    OK(ks_buf_check(&bytes));
    return bytes;
}

/* The round as it is once it was written and read. */
static struct ks_fl_round *resumed(struct ks_fl_round *round)
{
    struct ks_buf bytes = written(round);
    struct ks_fl_round *read = NULL;
    struct ks_buf again;

    OK(ks_fl_round_read(ks_buf_view(&bytes), &read));
    again = written(read);
    assert_true(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(&again)));
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    ks_fl_round_free(round);
    return read;
}

#define EVENTS 60

static void random_events(uint64_t seed, struct ks_fl_event *events)
{
    uint64_t random = seed * 2654435761 + 1;
    uint64_t now_s = 1;

    for (size_t i = 0; i < EVENTS; i++) {
        static const enum ks_fl_event_kind kinds[] = {
            KS_FL_EVENT_JOIN,       KS_FL_EVENT_JOIN,       KS_FL_EVENT_JOIN,
            KS_FL_EVENT_LEAVE,      KS_FL_EVENT_TICK,       KS_FL_EVENT_PAUSE,
            KS_FL_EVENT_RESUME,     KS_FL_EVENT_RESUME,     KS_FL_EVENT_UPDATE,
            KS_FL_EVENT_UPDATE,     KS_FL_EVENT_UPDATE,     KS_FL_EVENT_UPDATE,
            KS_FL_EVENT_UPDATE,     KS_FL_EVENT_AGGREGATED, KS_FL_EVENT_AGGREGATED,
            KS_FL_EVENT_AGGREGATED, KS_FL_EVENT_BROKEN,     KS_FL_EVENT_STOP};
        /* Joining first, then more and more of what comes later. */
        const enum ks_fl_event_kind kind = kinds[next_random(&random) % (8 + i * 11 / EVENTS)];

        now_s += next_random(&random) % 5 / 4;
        if (next_random(&random) % 40 == 0) {
            now_s += 30;
        }
        events[i] = event_of(kind, now_s - (next_random(&random) % 10 == 0),
                             (size_t)(next_random(&random) % 7));
        events[i].has_metric = next_random(&random) % 2 == 0;
        events[i].metric = (double)(next_random(&random) % 100) / 100;
    }
}

static void expect_sound(const struct ks_fl_round *round, enum ks_fl_phase before)
{
    const struct ks_fl_round_status status = status_of(round);

    assert_true(status.phase >= before);
    assert_int_equal(status.invited + status.joined + status.delivered + status.left,
                     ks_fl_round_participants(round));
    if (status.phase == KS_FL_AGGREGATING || status.phase == KS_FL_COMPLETED) {
        assert_true(status.delivered >= base.updates_min && status.delivered <= base.wanted);
    }
    assert_true(status.wake_us == 0 || status.phase < KS_FL_AGGREGATING);
}

static void crashes_between_events_change_nothing(void **state)
{
    unsigned ends[KS_FL_PHASES] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct ks_fl_event events[EVENTS];
        struct ks_fl_round *straight = begin(&base, 6);
        struct ks_fl_round *crashing = begin(&base, 6);
        struct ks_buf a;
        struct ks_buf b;

        random_events(seed, events);
        for (size_t i = 0; i < EVENTS; i++) {
            const enum ks_fl_phase before = status_of(straight).phase;
            const enum ks_fl_answer answer = ks_fl_round_check(crashing, &events[i]);

            assert_int_equal(ks_fl_round_apply(straight, &events[i]), answer);
            /* Once more for what was lost with the answer. */
            crashing = resumed(crashing);
            assert_int_equal(ks_fl_round_apply(crashing, &events[i]), answer);
            crashing = resumed(crashing);
            expect_sound(crashing, before);
        }
        ends[status_of(straight).phase]++;
        a = written(straight);
        b = written(crashing);
        assert_true(ks_bytes_equal(ks_buf_view(&a), ks_buf_view(&b)));
        ks_buf_done(&a);
        ks_buf_done(&b);
        ks_fl_round_free(straight);
        ks_fl_round_free(crashing);
    }
    assert_true(ends[KS_FL_COMPLETED] > 20 && ends[KS_FL_FAILED] > 20);
}

/* A site: what is on its disk, and what is in its memory until it crashes. */
struct site {
    struct ks_buf sum_bytes;
    struct ks_buf round_bytes;
    struct ks_fl_accumulator *sum;
    struct ks_fl_round *round;
    unsigned steps; /* until a crash */
    unsigned crashes;
};

static bool crashes_now(struct site *site)
{
    if (site->steps == 0) {
        return false;
    }
    site->steps--;
    return site->steps == 0;
}

static void store_sum(struct site *site)
{
    ks_buf_clear(&site->sum_bytes);
    ks_fl_accumulator_write(site->sum, &site->sum_bytes);
}

static void store_round(struct site *site)
{
    ks_buf_clear(&site->round_bytes);
    ks_fl_round_write(site->round, &site->round_bytes);
}

static void restart(struct site *site)
{
    const struct ks_fl_accumulator *sums[1] = {NULL};

    site->crashes++;
    ks_fl_accumulator_free(site->sum);
    ks_fl_round_free(site->round);
    OK(ks_fl_accumulator_read(ks_buf_view(&site->sum_bytes), 8, &site->sum));
    OK(ks_fl_round_read(ks_buf_view(&site->round_bytes), &site->round));
    sums[0] = site->sum;
    if (status_of(site->round).phase == KS_FL_TRAINING) {
        OK(ks_fl_round_adopt(site->round, sums, 1));
    }
}

/* False: it crashed before it answered. */
static bool receive(struct site *site, size_t client)
{
    struct ks_fl_event event = event_of(KS_FL_EVENT_UPDATE, 5, client);
    struct ks_fl_member member = {.weight = 20 + (uint32_t)client}; /* it had said 10 */
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;
    float values[5];

    event.samples = member.weight;
    answer = ks_fl_round_check(site->round, &event);
    if (answer == KS_FL_ANSWER_AGAIN) {
        return true;
    }
    assert_int_equal(answer, KS_FL_ANSWER_OK);
    ks_fl_client_id(event.client, member.client);
    ks_copy(member.update, event.update, sizeof member.update);
    for (size_t i = 0; i < 5; i++) {
        values[i] = (float)(client + 1) / (float)(i + 3);
    }
    OK(ks_fl_accumulator_add(site->sum, &member, values, 1, NULL));
    if (crashes_now(site)) {
        return false;
    }
    store_sum(site);
    if (crashes_now(site)) {
        return false;
    }
    expect_answer(ks_fl_round_apply(site->round, &event), OK);
    if (crashes_now(site)) {
        return false;
    }
    store_round(site);
    return !crashes_now(site);
}

/* The bytes of the sum, and behind them those of the round. */
static struct ks_buf end_of_a_round(unsigned first_crash, unsigned second_crash)
{
    struct ks_fl_accumulator_params params = {
        .params = 5, .width = 64, .fraction_bits = 24, .members_max = 8};
    struct site site = {.round = begin(&base, 6), .steps = first_crash};

    ks_fl_update_context(&base.subject, params.context);
    ks_buf_init(&site.sum_bytes, 1 << 16);
    ks_buf_init(&site.round_bytes, 1 << 16);
    OK(ks_fl_accumulator_new(&params, &site.sum));
    join_all(site.round, 6, 2);
    store_sum(&site);
    store_round(&site);
    for (size_t client = 0; client < 4; client++) {
        while (!receive(&site, client)) {
            site.steps = site.crashes == 0 ? second_crash : 0;
            restart(&site);
        }
    }
    expect_phase(site.round, AGGREGATING);
    assert_int_equal(status_of(site.round).delivered, 4);
    store_sum(&site);
    ks_fl_round_write(site.round, &site.sum_bytes);
    ks_fl_accumulator_free(site.sum);
    ks_fl_round_free(site.round);
    ks_buf_done(&site.round_bytes);
    return site.sum_bytes;
}

static void crashes_between_writes_count_every_update_once(void **state)
{
    struct ks_buf want = end_of_a_round(0, 0);

    (void)state;
    for (unsigned first = 1; first <= 16; first++) {
        for (unsigned second = 0; second <= 16; second++) {
            struct ks_buf got = end_of_a_round(first, second);

            assert_true(ks_bytes_equal(ks_buf_view(&got), ks_buf_view(&want)));
            ks_buf_done(&got);
        }
    }
    ks_buf_done(&want);
}

static void foreign_accumulators_are_not_adopted(void **state)
{
    struct ks_fl_accumulator_params params = {
        .params = 1, .width = 64, .fraction_bits = 24, .members_max = 8};
    struct ks_fl_round *round = begin(&base, 6);
    struct ks_fl_accumulator *sum = NULL;
    const struct ks_fl_accumulator *sums[1] = {NULL};
    struct ks_fl_member member = {.weight = 1};
    const float value = 1;

    (void)state;
    OK(ks_fl_accumulator_new(&params, &sum));
    sums[0] = sum;
    expect_failure(ks_fl_round_adopt(round, sums, 1), KS_ERR_CONFLICT, "PREPARING");
    join_all(round, 6, 2);
    expect_failure(ks_fl_round_adopt(round, sums, 1), KS_ERR_CONFLICT, "another one");
    ks_fl_accumulator_free(sum);
    ks_fl_update_context(&base.subject, params.context);
    OK(ks_fl_accumulator_new(&params, &sum));
    sums[0] = sum;
    OK(ks_fl_round_adopt(round, sums, 1));
    member.client[0] = 1;
    OK(ks_fl_accumulator_add(sum, &member, &value, 1, NULL));
    expect_failure(ks_fl_round_adopt(round, sums, 1), KS_ERR_CONFLICT, "no participant");
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 1), OK);
    ks_fl_accumulator_free(sum);
    OK(ks_fl_accumulator_new(&params, &sum));
    sums[0] = sum;
    ks_fl_client_id(ks_bytes_text(names[1]), member.client);
    OK(ks_fl_accumulator_add(sum, &member, &value, 1, NULL));
    expect_failure(ks_fl_round_adopt(round, sums, 1), KS_ERR_CONFLICT, "'edge_1' cannot");
    assert_int_equal(status_of(round).delivered, 1);
    ks_fl_accumulator_free(sum);
    ks_fl_round_free(round);
}

/* --- the bytes ---------------------------------------------------------------------------- */

static void changed_states_are_refused(void **state)
{
    struct ks_fl_round *round = begin(&base, 6);
    struct ks_fl_round *read = NULL;
    struct ks_buf bytes;

    (void)state;
    join_all(round, 6, 2);
    expect_answer(apply(round, KS_FL_EVENT_UPDATE, 3, 1), OK);
    bytes = written(round);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_round_read(ks_buf_view(&bytes), &read), KS_OK);
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_round_read(ks_bytes_of(bytes.data, i), &read), KS_OK);
        assert_null(read);
    }
    ks_buf_done(&bytes);
    ks_fl_round_free(round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_goes_through_its_phases),
        cmocka_unit_test(deadlines_end_phases),
        cmocka_unit_test(clocks_that_are_off_do_no_harm),
        cmocka_unit_test(clients_that_leave_decide_too),
        cmocka_unit_test(rounds_break_from_the_training_on),
        cmocka_unit_test(pauses_stop_the_clock),
        cmocka_unit_test(bad_updates_are_answered),
        cmocka_unit_test(training_stops_when_nothing_is_gained),
        cmocka_unit_test(selection_follows_from_the_names_alone),
        cmocka_unit_test(weighted_selection_is_in_proportion),
        cmocka_unit_test(parameters_and_candidates_are_checked),
        cmocka_unit_test(crashes_between_events_change_nothing),
        cmocka_unit_test(crashes_between_writes_count_every_update_once),
        cmocka_unit_test(foreign_accumulators_are_not_adopted),
        cmocka_unit_test(changed_states_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
