/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Who is invited. Each candidate draws 64 bits that follow from the seed, the round and its
 * name, so the list's order and who else is on it change no draw. */

#include <stdlib.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "fl/round_state.h"

#define LOG_BITS 24

struct lot {
    uint64_t draw;
    uint64_t wait; /* -log2 of the draw / 2^64, in units of 2^-LOG_BITS */
    uint32_t weight;
    const struct ks_fl_candidate *candidate;
};

/* -log2((draw + 1) / 2^64) by squaring: bit after bit of the fraction, of 32 bits of the draw.
 */
static uint64_t wait_of(uint64_t draw)
{
    unsigned whole = 63;
    uint64_t fraction = 0;
    uint64_t value = draw + 1;

    if (value == 0) {
        return 0; /* the largest draw: log2 of 1 */
    }
    while (value >> 63 == 0) {
        value <<= 1;
        whole--;
    }
    value >>= 32; /* from 1 to below 2, in units of 2^-31 */
    for (unsigned i = 0; i < LOG_BITS; i++) {
        value = value * value >> 31;
        fraction <<= 1;
        if (value >> 32 != 0) {
            fraction |= 1;
            value >>= 1;
        }
    }
    return ((uint64_t)64 << LOG_BITS) - ((uint64_t)whole << LOG_BITS) - fraction;
}

static uint64_t draw_of(const struct ks_fl_round_params *params, struct ks_bytes name)
{
    uint8_t numbers[16];
    uint8_t digest[KS_SHA256_LEN];
    uint64_t draw = 0;
    const struct ks_bytes parts[] = {KS_LITERAL("ketseal.fl-selection/1\n"),
                                     KS_BYTES(params->subject.session), KS_BYTES(numbers),
                                     name};

    for (unsigned i = 0; i < 8; i++) {
        numbers[i] = (uint8_t)(params->subject.round >> (56 - 8 * i));
        numbers[8 + i] = (uint8_t)(params->seed >> (56 - 8 * i));
    }
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
    for (unsigned i = 0; i < 8; i++) {
        draw = draw << 8 | digest[i];
    }
    return draw;
}

/* Whoever waits least, divided by the weight, comes first: chosen one after the other without
 * return, each in proportion to its weight (Efraimidis and Spirakis 2006). */
static int by_wait(const void *left, const void *right)
{
    const struct lot *a = left;
    const struct lot *b = right;
    const uint64_t wait_a = a->wait * b->weight;
    const uint64_t wait_b = b->wait * a->weight;

    if (wait_a != wait_b) {
        return wait_a < wait_b ? -1 : 1;
    }
    if (a->draw != b->draw) {
        return a->draw > b->draw ? -1 : 1;
    }
    return ks_bytes_compare(a->candidate->name, b->candidate->name);
}
_Static_assert(((UINT64_MAX >> 7) >> LOG_BITS) > KS_FL_WEIGHT_MAX,
               "a wait, at most 64, times a weight fits into 64 bits");

static int by_name(const void *left, const void *right)
{
    const struct lot *a = left;
    const struct lot *b = right;

    return ks_bytes_compare(a->candidate->name, b->candidate->name);
}

static enum ks_err draw_lots(const struct ks_fl_round_params *params,
                             const struct ks_fl_candidate *candidates, size_t count,
                             struct lot *lots)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        const struct ks_fl_candidate *candidate = &candidates[i];

        KS_CHECK(ks_text_is_name(candidate->name, KS_FL_CLIENT_NAME_MAX), KS_ERR_FORMAT,
                 "round: candidate %zu has no name of 1 to %d characters of [A-Za-z0-9_-]", i,
                 KS_FL_CLIENT_NAME_MAX);
        KS_CHECK(candidate->samples >= 1 && candidate->samples <= params->samples_max,
                 KS_ERR_FORMAT, "round: candidate '%.*s' has %u samples, 1 to %u count",
                 (int)candidate->name.len, (const char *)candidate->name.data,
                 candidate->samples, params->samples_max);
        lots[i].draw = draw_of(params, candidate->name);
        lots[i].wait = wait_of(lots[i].draw);
        lots[i].weight = params->selection == KS_FL_SELECT_WEIGHTED ? candidate->samples : 1;
        lots[i].candidate = candidate;
    }
    qsort(lots, count, sizeof *lots, by_name);
    for (size_t i = 1; i < count; i++) {
        KS_CHECK(by_name(&lots[i - 1], &lots[i]) != 0, KS_ERR_FORMAT,
                 "round: two candidates are called '%.*s'", (int)lots[i].candidate->name.len,
                 (const char *)lots[i].candidate->name.data);
    }
    qsort(lots, count, sizeof *lots, by_wait);
out:
    return err;
}

enum ks_err ks_fl_participant_name(struct ks_fl_participant *participant, struct ks_bytes name)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_text_is_name(name, KS_FL_CLIENT_NAME_MAX), KS_ERR_FORMAT,
             "round: no name of a participant");
    ks_zero(participant->name, sizeof participant->name);
    ks_copy(participant->name, name.data, name.len);
    ks_fl_client_id(name, participant->id);
out:
    return err;
}

enum ks_err ks_fl_round_select(struct ks_fl_round *round,
                               const struct ks_fl_candidate *candidates, size_t count)
{
    enum ks_err err = KS_OK;
    struct lot *lots = ks_calloc(count, sizeof *lots);

    KS_CHECK(lots != NULL, KS_ERR_NOMEM, "round: out of memory");
    KS_TRY(draw_lots(&round->params, candidates, count, lots));
    qsort(lots, round->count, sizeof *lots, by_name);
    for (size_t i = 0; i < round->count; i++) {
        KS_TRY(ks_fl_participant_name(&round->participants[i], lots[i].candidate->name));
        round->participants[i].samples = lots[i].candidate->samples;
    }
    round->standings[KS_FL_INVITED] = (uint32_t)round->count;
out:
    ks_free(lots);
    return err;
}
