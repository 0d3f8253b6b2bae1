/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The state of a round: docs/formats/fl-round.md. Writer and reader, one beside the other. */

#include <math.h>

#include "crypto/digest.h"
#include "fl/internal.h"
#include "fl/round_state.h"

#define MAGIC           "ketseal.fl-round/1\n"
#define PARTICIPANT_MIN (2 + 1 + 1 + 4) /* bytes, of the shortest name */

#define FLAG_PAUSED 1u
#define FLAG_METRIC 2u
#define FLAG_BEST   4u
#define FLAGS       (FLAG_PAUSED | FLAG_METRIC | FLAG_BEST)

static void put_params(const struct ks_fl_round_params *params, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(params->subject.session));
    ks_buf_put_u64(out, params->subject.round);
    ks_buf_put(out, KS_BYTES(params->subject.parent));
    ks_buf_put(out, KS_BYTES(params->subject.shape));
    ks_buf_put_u32(out, params->subject.params);
    ks_buf_put_u64(out, params->seed);
    ks_buf_put_u8(out, (uint8_t)params->selection);
    ks_buf_put_u32(out, params->invited);
    ks_buf_put_u32(out, params->wanted);
    ks_buf_put_u32(out, params->updates_min);
    ks_buf_put_u32(out, params->samples_max);
    ks_buf_put_u64(out, params->prepare_us);
    ks_buf_put_u64(out, params->train_us);
    ks_buf_put_u32(out, params->patience);
    ks_buf_put_double(out, params->gain_min);
}

static void put_state(const struct ks_fl_round *round, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)round->phase);
    ks_buf_put_u8(out, (uint8_t)round->failure);
    ks_buf_put_u8(out, (uint8_t)((round->paused ? FLAG_PAUSED : 0) |
                                 (round->has_metric ? FLAG_METRIC : 0) |
                                 (round->has_best ? FLAG_BEST : 0)));
    ks_buf_put_u64(out, round->clock_us);
    ks_buf_put_u64(out, round->deadline_us);
    ks_buf_put_u64(out, round->paused_us);
    ks_buf_put_double(out, round->metric);
    ks_buf_put_double(out, round->best);
    ks_buf_put_u32(out, round->stale);
    ks_buf_put(out, KS_BYTES(round->result));
}

void ks_fl_round_write(const struct ks_fl_round *round, struct ks_buf *out)
{
    const size_t start = out->len;

    ks_buf_put_text(out, MAGIC);
    put_params(&round->params, out);
    put_state(round, out);
    ks_buf_put_u32(out, (uint32_t)round->count);
    for (size_t i = 0; i < round->count; i++) {
        const struct ks_fl_participant *participant = &round->participants[i];

        ks_buf_put_lp16(out, ks_bytes_text(participant->name));
        ks_buf_put_u8(out, (uint8_t)participant->standing);
        ks_buf_put_u32(out, participant->samples);
        if (participant->standing == KS_FL_DELIVERED) {
            ks_buf_put(out, KS_BYTES(participant->update));
        }
    }
    ks_sha256_put_end(out, start);
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err read_params(struct ks_reader *reader, struct ks_fl_round_params *params)
{
    enum ks_err err = KS_OK;
    uint8_t selection = 0;

    KS_TRY(ks_read_copy(reader, params->subject.session, sizeof params->subject.session));
    KS_TRY(ks_read_u64(reader, &params->subject.round));
    KS_TRY(ks_read_copy(reader, params->subject.parent, sizeof params->subject.parent));
    KS_TRY(ks_read_copy(reader, params->subject.shape, sizeof params->subject.shape));
    KS_TRY(ks_read_u32(reader, &params->subject.params));
    KS_TRY(ks_read_u64(reader, &params->seed));
    KS_TRY(ks_read_u8(reader, &selection));
    KS_TRY(ks_read_u32(reader, &params->invited));
    KS_TRY(ks_read_u32(reader, &params->wanted));
    KS_TRY(ks_read_u32(reader, &params->updates_min));
    KS_TRY(ks_read_u32(reader, &params->samples_max));
    KS_TRY(ks_read_u64(reader, &params->prepare_us));
    KS_TRY(ks_read_u64(reader, &params->train_us));
    KS_TRY(ks_read_u32(reader, &params->patience));
    KS_TRY(ks_read_double(reader, &params->gain_min));
    params->selection = (enum ks_fl_selection)selection;
    err = ks_fl_round_check_params(params);
    if (err == KS_ERR_USAGE) {
        err = KS_ERR_FORMAT; /* the file's, not the caller's */
    }
out:
    return err;
}

/* A number that is there is finite; one that is not has the bits of 0. */
static bool fits(bool present, double value)
{
    return present ? (bool)isfinite(value) : value == 0 && !signbit(value);
}

static enum ks_err check_state(const struct ks_fl_round *round)
{
    enum ks_err err = KS_OK;
    static const uint8_t none[KS_FL_HASH_LEN] = {0};
    const bool open = round->phase == KS_FL_PREPARING || round->phase == KS_FL_TRAINING;
    const bool completed = round->phase == KS_FL_COMPLETED;

    KS_CHECK((round->phase == KS_FL_FAILED) == (round->failure != KS_FL_FAILURE_NONE),
             KS_ERR_FORMAT, "round: %s for the reason %u", ks_fl_phase_word(round->phase),
             (unsigned)round->failure);
    KS_CHECK(open || (!round->paused && round->deadline_us == 0), KS_ERR_FORMAT,
             "round: %s has no deadline and no pause", ks_fl_phase_word(round->phase));
    KS_CHECK(round->paused ? round->paused_us <= round->clock_us : round->paused_us == 0,
             KS_ERR_FORMAT, "round: a pause from later than now, or none");
    KS_CHECK(fits(round->has_metric, round->metric) && (completed || !round->has_metric),
             KS_ERR_FORMAT, "round: a metric that it cannot have");
    KS_CHECK(fits(round->has_best, round->best) && (round->has_best || round->stale == 0) &&
                 (round->has_best || !round->has_metric),
             KS_ERR_FORMAT, "round: a best metric that it cannot have");
    KS_CHECK(completed || ks_bytes_equal(KS_BYTES(round->result), KS_BYTES(none)),
             KS_ERR_FORMAT, "round: a result before it is completed");
out:
    return err;
}

static enum ks_err read_state(struct ks_reader *reader, struct ks_fl_round *round)
{
    enum ks_err err = KS_OK;
    uint8_t phase = 0;
    uint8_t failure = 0;
    uint8_t flags = 0;

    KS_TRY(ks_read_u8(reader, &phase));
    KS_TRY(ks_read_u8(reader, &failure));
    KS_TRY(ks_read_u8(reader, &flags));
    KS_CHECK(phase < KS_FL_PHASES && failure < KS_FL_FAILURES && (flags & ~FLAGS) == 0,
             KS_ERR_FORMAT, "round: phase %u, failure %u, flags %u", phase, failure, flags);
    round->phase = (enum ks_fl_phase)phase;
    round->failure = (enum ks_fl_failure)failure;
    round->paused = (flags & FLAG_PAUSED) != 0;
    round->has_metric = (flags & FLAG_METRIC) != 0;
    round->has_best = (flags & FLAG_BEST) != 0;
    KS_TRY(ks_read_u64(reader, &round->clock_us));
    KS_TRY(ks_read_u64(reader, &round->deadline_us));
    KS_TRY(ks_read_u64(reader, &round->paused_us));
    KS_TRY(ks_read_double(reader, &round->metric));
    KS_TRY(ks_read_double(reader, &round->best));
    KS_TRY(ks_read_u32(reader, &round->stale));
    KS_TRY(ks_read_copy(reader, round->result, sizeof round->result));
    KS_TRY(check_state(round));
out:
    return err;
}

static enum ks_err read_participant(struct ks_reader *reader, struct ks_fl_round *round,
                                    size_t index)
{
    enum ks_err err = KS_OK;
    struct ks_fl_participant *participant = &round->participants[index];
    struct ks_bytes name = {0};
    uint8_t standing = 0;

    KS_TRY(ks_read_lp16(reader, KS_FL_CLIENT_NAME_MAX, &name));
    KS_TRY(ks_fl_participant_name(participant, name));
    KS_CHECK(index == 0 ||
                 ks_bytes_compare(ks_bytes_text(round->participants[index - 1].name), name) < 0,
             KS_ERR_FORMAT, "round: participant '%s' is out of order, or twice",
             participant->name);
    KS_TRY(ks_read_u8(reader, &standing));
    KS_TRY(ks_read_u32(reader, &participant->samples));
    KS_CHECK(standing < KS_FL_STANDINGS && participant->samples >= 1 &&
                 participant->samples <= round->params.samples_max,
             KS_ERR_FORMAT, "round: participant '%s' with standing %u and %u samples",
             participant->name, standing, participant->samples);
    KS_CHECK(standing != KS_FL_DELIVERED || round->phase != KS_FL_PREPARING, KS_ERR_FORMAT,
             "round: participant '%s' has delivered before the training", participant->name);
    participant->standing = (enum ks_fl_standing)standing;
    round->standings[standing]++;
    if (standing == KS_FL_DELIVERED) {
        KS_TRY(ks_read_copy(reader, participant->update, sizeof participant->update));
    }
out:
    return err;
}

enum ks_err ks_fl_round_read(struct ks_bytes bytes, struct ks_fl_round **out_round)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "round");
    struct ks_fl_round *round = NULL;
    struct ks_fl_round head = {0};
    struct ks_bytes hash = {0};
    uint32_t count = 0;

    KS_CHECK(bytes.len <= KS_FL_ROUND_BYTES_MAX, KS_ERR_LIMIT, "round: over %d bytes",
             KS_FL_ROUND_BYTES_MAX);
    KS_TRY(ks_fl_read_magic(&reader, MAGIC));
    KS_TRY(read_params(&reader, &head.params));
    KS_TRY(read_state(&reader, &head));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count >= 1 && count <= head.params.invited, KS_ERR_FORMAT,
             "round: %u participants, 1 to %u", count, head.params.invited);
    KS_CHECK(reader.rest.len / PARTICIPANT_MIN >= count, KS_ERR_FORMAT, "round: cut short");
    KS_TRY(ks_fl_round_alloc(&head.params, count, &round));
    head.count = count;
    head.participants = round->participants;
    *round = head;
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(read_participant(&reader, round, i));
    }
    KS_TRY(ks_read_bytes(&reader, KS_FL_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "round"));
    *out_round = round;
    round = NULL; /* transferred */
out:
    ks_fl_round_free(round);
    return err;
}
