/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <string.h>

#include "fl/round_state.h"

/* --- words -------------------------------------------------------------------------------- */

static const char *const phase_words[KS_FL_PHASES] = {
#define PHASE_WORD(name, value) [KS_FL_##name] = #name,
    KS_FL_PHASE_LIST(PHASE_WORD)
#undef PHASE_WORD
};
static const char *const failure_words[KS_FL_FAILURES] = {
#define FAILURE_WORDS(name, value, words) [KS_FL_FAILURE_##name] = words,
    KS_FL_FAILURE_LIST(FAILURE_WORDS)
#undef FAILURE_WORDS
};
static const char *const answer_words[] = {
#define ANSWER_WORDS(name, words) [KS_FL_ANSWER_##name] = words,
    KS_FL_ANSWER_LIST(ANSWER_WORDS)
#undef ANSWER_WORDS
};

const char *ks_fl_phase_word(enum ks_fl_phase phase)
{
    KS_ASSERT((unsigned)phase < KS_FL_PHASES);
    return phase_words[phase];
}

const char *ks_fl_failure_words(enum ks_fl_failure failure)
{
    KS_ASSERT((unsigned)failure < KS_FL_FAILURES);
    return failure_words[failure];
}

const char *ks_fl_answer_words(enum ks_fl_answer answer)
{
    KS_ASSERT((unsigned)answer < sizeof answer_words / sizeof answer_words[0]);
    return answer_words[answer];
}

/* --- life --------------------------------------------------------------------------------- */

enum ks_err ks_fl_round_check_params(const struct ks_fl_round_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->subject.params >= 1 && params->subject.params <= KS_FL_PARAMS_MAX,
             KS_ERR_LIMIT, "round: %u parameters, 1 to %zu", params->subject.params,
             KS_FL_PARAMS_MAX);
    KS_CHECK(params->selection == KS_FL_SELECT_RANDOM ||
                 params->selection == KS_FL_SELECT_WEIGHTED,
             KS_ERR_USAGE, "round: no such selection");
    KS_CHECK(params->invited >= 1 && params->invited <= KS_FL_CLIENTS_MAX, KS_ERR_LIMIT,
             "round: %u clients invited, 1 to %d", params->invited, KS_FL_CLIENTS_MAX);
    KS_CHECK(params->wanted >= 1 && params->wanted <= params->invited &&
                 params->updates_min >= 1 && params->updates_min <= params->wanted,
             KS_ERR_USAGE, "round: at least %u updates, %u wanted, %u clients invited",
             params->updates_min, params->wanted, params->invited);
    KS_CHECK(params->samples_max >= 1 && params->samples_max <= KS_FL_WEIGHT_MAX, KS_ERR_LIMIT,
             "round: %u samples of a client, 1 to %d", params->samples_max, KS_FL_WEIGHT_MAX);
    KS_CHECK(params->prepare_us >= 1 && params->prepare_us <= KS_FL_ROUND_TIME_MAX &&
                 params->train_us >= 1 && params->train_us <= KS_FL_ROUND_TIME_MAX,
             KS_ERR_LIMIT, "round: a deadline of nothing, or of more than 30 days");
    KS_CHECK(params->gain_min >= 0 && isfinite(params->gain_min) && !signbit(params->gain_min),
             KS_ERR_USAGE, "round: a gain below 0");
out:
    return err;
}

enum ks_err ks_fl_round_alloc(const struct ks_fl_round_params *params, size_t count,
                              struct ks_fl_round **out_round)
{
    enum ks_err err = KS_OK;
    struct ks_fl_round *round = ks_calloc(1, sizeof *round);

    KS_CHECK(round != NULL, KS_ERR_NOMEM, "round: out of memory");
    round->params = *params;
    round->count = count;
    round->participants = ks_calloc(count, sizeof *round->participants);
    KS_CHECK(round->participants != NULL, KS_ERR_NOMEM, "round: out of memory");
    *out_round = round;
    round = NULL; /* transferred */
out:
    ks_fl_round_free(round);
    return err;
}

void ks_fl_round_free(struct ks_fl_round *round)
{
    if (round != NULL) {
        ks_free(round->participants);
        ks_free(round);
    }
}

static uint64_t later(uint64_t time_us, uint64_t by_us)
{
    return time_us > UINT64_MAX - by_us ? UINT64_MAX : time_us + by_us;
}

enum ks_err ks_fl_round_new(const struct ks_fl_round_params *params,
                            const struct ks_fl_candidate *candidates, size_t count,
                            const struct ks_fl_round *previous, uint64_t now_us,
                            struct ks_fl_round **out_round)
{
    enum ks_err err = KS_OK;
    struct ks_fl_round *round = NULL;

    KS_TRY(ks_fl_round_check_params(params));
    KS_CHECK(count <= KS_FL_CLIENTS_MAX, KS_ERR_LIMIT, "round: %zu candidates, at most %d",
             count, KS_FL_CLIENTS_MAX);
    KS_CHECK(count >= params->updates_min, KS_ERR_NOT_FOUND,
             "round: %zu candidates, at least %u have to deliver", count, params->updates_min);
    KS_CHECK(previous == NULL || previous->phase == KS_FL_COMPLETED, KS_ERR_USAGE,
             "round: the one before is not completed");
    KS_TRY(
        ks_fl_round_alloc(params, count < params->invited ? count : params->invited, &round));
    KS_TRY(ks_fl_round_select(round, candidates, count));
    round->clock_us = now_us;
    round->deadline_us = later(now_us, params->prepare_us);
    if (previous != NULL) {
        round->has_best = previous->has_best;
        round->best = previous->best;
        round->stale = previous->stale;
    }
    *out_round = round;
    round = NULL; /* transferred */
out:
    ks_fl_round_free(round);
    return err;
}

void ks_fl_round_follow(struct ks_fl_round *round, const struct ks_fl_progress *progress)
{
    KS_ASSERT(round->phase == KS_FL_PREPARING && isfinite(progress->best));
    round->has_best = progress->has_best;
    round->best = progress->best;
    round->stale = progress->stale;
}

/* --- participants ------------------------------------------------------------------------- */

static struct ks_fl_participant *find(const struct ks_fl_round *round, struct ks_bytes name)
{
    size_t low = 0;
    size_t high = round->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order =
            ks_bytes_compare(ks_bytes_text(round->participants[middle].name), name);

        if (order == 0) {
            return &round->participants[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void set_standing(struct ks_fl_round *round, struct ks_fl_participant *participant,
                         enum ks_fl_standing standing)
{
    round->standings[participant->standing]--;
    round->standings[standing]++;
    participant->standing = standing;
}

size_t ks_fl_round_participants(const struct ks_fl_round *round)
{
    return round->count;
}

const struct ks_fl_participant *ks_fl_round_participant(const struct ks_fl_round *round,
                                                        size_t index)
{
    KS_ASSERT(index < round->count);
    return &round->participants[index];
}

const struct ks_fl_round_params *ks_fl_round_params(const struct ks_fl_round *round)
{
    return &round->params;
}

/* --- phases ------------------------------------------------------------------------------- */

static bool is_open(enum ks_fl_phase phase)
{
    return phase == KS_FL_PREPARING || phase == KS_FL_TRAINING;
}

/* Where PREPARING or TRAINING leads now that it is OVER, or else if what has happened decides
 * it; the phase itself while it goes on. */
static enum ks_fl_phase next_phase(const struct ks_fl_round *round, bool over)
{
    const uint32_t joined = round->standings[KS_FL_JOINED];
    const uint32_t delivered = round->standings[KS_FL_DELIVERED];
    const uint32_t least = round->params.updates_min;
    uint32_t open = 0; /* who may still come */
    uint32_t enough = joined;
    bool decided = false;

    if (round->phase == KS_FL_PREPARING) {
        open = round->standings[KS_FL_INVITED];
        decided = open == 0;
    } else {
        open = joined;
        enough = delivered;
        decided = open == 0 || delivered >= round->params.wanted;
    }
    if (enough + open < least || ((over || decided) && enough < least)) {
        return KS_FL_FAILED;
    }
    if (!over && !decided) {
        return round->phase;
    }
    return round->phase == KS_FL_PREPARING ? KS_FL_TRAINING : KS_FL_AGGREGATING;
}

static void settle(struct ks_fl_round *round, bool over)
{
    enum ks_fl_phase next = KS_FL_PREPARING;

    if (!is_open(round->phase) || round->paused) {
        return;
    }
    next = next_phase(round, over);
    if (next == KS_FL_FAILED) {
        round->failure = round->phase == KS_FL_PREPARING ? KS_FL_FAILURE_TOO_FEW_JOINED
                                                         : KS_FL_FAILURE_TOO_FEW_UPDATES;
    }
    if (next != round->phase) {
        round->deadline_us =
            next == KS_FL_TRAINING ? later(round->clock_us, round->params.train_us) : 0;
        round->phase = next;
    }
}

static bool is_over(const struct ks_fl_round *round, uint64_t now_us)
{
    return is_open(round->phase) && !round->paused &&
           (now_us >= round->deadline_us || round->clock_us >= round->deadline_us);
}

/* --- events ------------------------------------------------------------------------------- */

static enum ks_fl_answer judge_join(const struct ks_fl_round *round, enum ks_fl_phase phase,
                                    const struct ks_fl_participant *participant)
{
    switch (participant->standing) {
    case KS_FL_JOINED:
    case KS_FL_DELIVERED:
        return KS_FL_ANSWER_AGAIN;
    case KS_FL_LEFT:
        return KS_FL_ANSWER_HAS_LEFT;
    default:
        break;
    }
    if (phase != KS_FL_PREPARING) {
        return KS_FL_ANSWER_LATE;
    }
    return round->paused ? KS_FL_ANSWER_PAUSED : KS_FL_ANSWER_OK;
}

static enum ks_fl_answer judge_update(const struct ks_fl_round *round, enum ks_fl_phase phase,
                                      const struct ks_fl_participant *participant,
                                      const struct ks_fl_event *event)
{
    if (participant->standing == KS_FL_DELIVERED) {
        return ks_bytes_equal(KS_BYTES(participant->update), KS_BYTES(event->update))
                   ? KS_FL_ANSWER_AGAIN
                   : KS_FL_ANSWER_OTHER_UPDATE;
    }
    if (participant->standing == KS_FL_LEFT) {
        return KS_FL_ANSWER_HAS_LEFT;
    }
    if (phase != KS_FL_TRAINING) {
        return phase == KS_FL_PREPARING ? KS_FL_ANSWER_EARLY : KS_FL_ANSWER_LATE;
    }
    if (participant->standing != KS_FL_JOINED) {
        return KS_FL_ANSWER_NOT_JOINED;
    }
    if (event->samples < 1 || event->samples > round->params.samples_max) {
        return KS_FL_ANSWER_SAMPLES;
    }
    return round->paused ? KS_FL_ANSWER_PAUSED : KS_FL_ANSWER_OK;
}

static enum ks_fl_answer judge_client(const struct ks_fl_round *round, enum ks_fl_phase phase,
                                      const struct ks_fl_event *event)
{
    const struct ks_fl_participant *participant = find(round, event->client);

    if (participant == NULL) {
        return KS_FL_ANSWER_NOT_INVITED;
    }
    if (event->kind == KS_FL_EVENT_JOIN) {
        return judge_join(round, phase, participant);
    }
    if (event->kind == KS_FL_EVENT_UPDATE) {
        return judge_update(round, phase, participant, event);
    }
    if (participant->standing == KS_FL_LEFT) {
        return KS_FL_ANSWER_AGAIN;
    }
    return is_open(phase) && participant->standing != KS_FL_DELIVERED ? KS_FL_ANSWER_OK
                                                                      : KS_FL_ANSWER_LATE;
}

static enum ks_fl_answer judge_result(const struct ks_fl_round *round, enum ks_fl_phase phase,
                                      const struct ks_fl_event *event)
{
    if (event->kind == KS_FL_EVENT_AGGREGATED && event->has_metric &&
        !isfinite(event->metric)) {
        return KS_FL_ANSWER_METRIC;
    }
    if (event->kind == KS_FL_EVENT_AGGREGATED && phase == KS_FL_COMPLETED &&
        ks_bytes_equal(KS_BYTES(round->result), KS_BYTES(event->update))) {
        return KS_FL_ANSWER_AGAIN;
    }
    return phase == KS_FL_AGGREGATING ||
                   (event->kind == KS_FL_EVENT_BROKEN && phase == KS_FL_TRAINING)
               ? KS_FL_ANSWER_OK
               : KS_FL_ANSWER_NOT_NOW;
}

/* What EVENT is answered in PHASE, which is the round's once its time is looked at. */
static enum ks_fl_answer judge(const struct ks_fl_round *round, enum ks_fl_phase phase,
                               const struct ks_fl_event *event)
{
    switch (event->kind) {
    case KS_FL_EVENT_TICK:
        return KS_FL_ANSWER_OK;
    case KS_FL_EVENT_JOIN:
    case KS_FL_EVENT_LEAVE:
    case KS_FL_EVENT_UPDATE:
        return judge_client(round, phase, event);
    case KS_FL_EVENT_PAUSE:
        if (round->paused) {
            return KS_FL_ANSWER_AGAIN;
        }
        return is_open(phase) ? KS_FL_ANSWER_OK : KS_FL_ANSWER_NOT_NOW;
    case KS_FL_EVENT_RESUME:
        return round->paused ? KS_FL_ANSWER_OK : KS_FL_ANSWER_NOT_PAUSED;
    case KS_FL_EVENT_STOP:
        if (round->failure == KS_FL_FAILURE_STOPPED) {
            return KS_FL_ANSWER_AGAIN;
        }
        return phase == KS_FL_COMPLETED || phase == KS_FL_FAILED ? KS_FL_ANSWER_NOT_NOW
                                                                 : KS_FL_ANSWER_OK;
    case KS_FL_EVENT_AGGREGATED:
    case KS_FL_EVENT_BROKEN:
        return judge_result(round, phase, event);
    }
    return KS_FL_ANSWER_NOT_NOW;
}

enum ks_fl_answer ks_fl_round_check(const struct ks_fl_round *round,
                                    const struct ks_fl_event *event)
{
    const enum ks_fl_phase phase =
        is_over(round, event->now_us) ? next_phase(round, true) : round->phase;

    return judge(round, phase, event);
}

static void fail(struct ks_fl_round *round, enum ks_fl_failure failure)
{
    round->phase = KS_FL_FAILED;
    round->failure = failure;
    round->paused = false;
    round->paused_us = 0;
    round->deadline_us = 0;
}

static void complete(struct ks_fl_round *round, const struct ks_fl_event *event)
{
    round->phase = KS_FL_COMPLETED;
    ks_copy(round->result, event->update, sizeof round->result);
    if (!event->has_metric) {
        return;
    }
    round->has_metric = true;
    round->metric = event->metric;
    if (!round->has_best || event->metric > round->best + round->params.gain_min) {
        round->has_best = true;
        round->best = event->metric;
        round->stale = 0;
    } else if (round->stale < UINT32_MAX) {
        round->stale++;
    }
}

static void act(struct ks_fl_round *round, const struct ks_fl_event *event)
{
    struct ks_fl_participant *participant = find(round, event->client);

    switch (event->kind) {
    case KS_FL_EVENT_TICK:
        break;
    case KS_FL_EVENT_JOIN:
        set_standing(round, participant, KS_FL_JOINED);
        break;
    case KS_FL_EVENT_LEAVE:
        set_standing(round, participant, KS_FL_LEFT);
        break;
    case KS_FL_EVENT_UPDATE:
        set_standing(round, participant, KS_FL_DELIVERED);
        participant->samples = event->samples;
        ks_copy(participant->update, event->update, sizeof participant->update);
        break;
    case KS_FL_EVENT_PAUSE:
        round->paused = true;
        round->paused_us = round->clock_us;
        break;
    case KS_FL_EVENT_RESUME:
        round->paused = false;
        round->deadline_us = later(round->deadline_us, round->clock_us - round->paused_us);
        round->paused_us = 0;
        break;
    case KS_FL_EVENT_STOP:
        fail(round, KS_FL_FAILURE_STOPPED);
        break;
    case KS_FL_EVENT_AGGREGATED:
        complete(round, event);
        break;
    case KS_FL_EVENT_BROKEN:
        fail(round, KS_FL_FAILURE_AGGREGATION);
        break;
    }
}

enum ks_fl_answer ks_fl_round_apply(struct ks_fl_round *round, const struct ks_fl_event *event)
{
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    if (event->now_us > round->clock_us) {
        round->clock_us = event->now_us;
    }
    if (is_over(round, event->now_us)) {
        settle(round, true);
    }
    answer = judge(round, round->phase, event);
    if (answer == KS_FL_ANSWER_OK) {
        act(round, event);
        settle(round, false);
    }
    return answer;
}

/* --- after a crash ------------------------------------------------------------------------ */

static const struct ks_fl_member *
find_member(const struct ks_fl_accumulator *const *accumulators, size_t count,
            const uint8_t id[KS_FL_HASH_LEN])
{
    const struct ks_fl_member *member = NULL;

    for (size_t i = 0; i < count && member == NULL; i++) {
        member = ks_fl_accumulator_find(accumulators[i], id);
    }
    return member;
}

static enum ks_err check_adoption(const struct ks_fl_round *round,
                                  const struct ks_fl_accumulator *const *accumulators,
                                  size_t count)
{
    enum ks_err err = KS_OK;
    uint8_t context[KS_FL_HASH_LEN];
    size_t members = 0;
    size_t known = 0;

    KS_CHECK(round->phase == KS_FL_TRAINING, KS_ERR_CONFLICT, "round: it is %s, not TRAINING",
             ks_fl_phase_word(round->phase));
    ks_fl_update_context(&round->params.subject, context);
    for (size_t i = 0; i < count; i++) {
        KS_CHECK(ks_bytes_equal(KS_BYTES(ks_fl_accumulator_params(accumulators[i])->context),
                                KS_BYTES(context)),
                 KS_ERR_CONFLICT, "round: the accumulator is of another one");
        members += ks_fl_accumulator_members(accumulators[i]);
    }
    for (size_t i = 0; i < round->count; i++) {
        const struct ks_fl_participant *participant = &round->participants[i];
        const struct ks_fl_member *member = find_member(accumulators, count, participant->id);

        known += member != NULL;
        KS_CHECK(member == NULL || participant->standing == KS_FL_JOINED ||
                     (participant->standing == KS_FL_DELIVERED &&
                      ks_bytes_equal(KS_BYTES(participant->update), KS_BYTES(member->update))),
                 KS_ERR_CONFLICT,
                 "round: '%s' cannot have delivered what the accumulator has of it",
                 participant->name);
    }
    KS_CHECK(known == members, KS_ERR_CONFLICT,
             "round: a member of the accumulator is no participant");
out:
    return err;
}

enum ks_err ks_fl_round_adopt(struct ks_fl_round *round,
                              const struct ks_fl_accumulator *const *accumulators, size_t count)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_adoption(round, accumulators, count));
    for (size_t i = 0; i < round->count; i++) {
        struct ks_fl_participant *participant = &round->participants[i];
        const struct ks_fl_member *member = find_member(accumulators, count, participant->id);

        if (member != NULL && participant->standing == KS_FL_JOINED) {
            set_standing(round, participant, KS_FL_DELIVERED);
            participant->samples = member->weight;
            ks_copy(participant->update, member->update, sizeof participant->update);
        } else if (member == NULL && participant->standing == KS_FL_DELIVERED) {
            set_standing(round, participant, KS_FL_JOINED);
            ks_zero(participant->update, sizeof participant->update);
        }
    }
    settle(round, false);
out:
    return err;
}

/* --- status ------------------------------------------------------------------------------- */

void ks_fl_round_status(const struct ks_fl_round *round, struct ks_fl_round_status *out_status)
{
    *out_status = (struct ks_fl_round_status){
        .phase = round->phase,
        .failure = round->failure,
        .paused = round->paused,
        .stop_early = round->phase == KS_FL_COMPLETED && round->params.patience > 0 &&
                      round->stale >= round->params.patience,
        .wake_us = is_open(round->phase) && !round->paused ? round->deadline_us : 0,
        .invited = round->standings[KS_FL_INVITED],
        .joined = round->standings[KS_FL_JOINED],
        .delivered = round->standings[KS_FL_DELIVERED],
        .left = round->standings[KS_FL_LEFT],
        .has_metric = round->has_metric,
        .metric = round->metric,
        .progress = {round->has_best, round->best, round->stale},
    };
    ks_copy(out_status->result, round->result, sizeof round->result);
}
