/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/accumulate.h"

#include <inttypes.h>
#include <math.h>

#include "fl/internal.h"

_Static_assert((uint64_t)KS_FL_WEIGHT_SUM_MAX == UINT32_MAX && KS_FL_WEIGHT_MAX == INT32_MAX,
               "sums of 64 bits overflow beyond these");

/* --- life --------------------------------------------------------------------------------- */

static enum ks_err check_params(const struct ks_fl_accumulator_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->params >= 1 && params->params <= KS_FL_PARAMS_MAX, KS_ERR_LIMIT,
             "accumulator: %zu parameters, 1 to %zu", params->params, KS_FL_PARAMS_MAX);
    KS_CHECK(params->members_max >= 1 && params->members_max <= KS_FL_MEMBERS_MAX, KS_ERR_LIMIT,
             "accumulator: room for %zu members, 1 to %d", params->members_max,
             KS_FL_MEMBERS_MAX);
    KS_CHECK((params->width == KS_FL_WIDTH_64 && params->fraction_bits >= 1 &&
              params->fraction_bits <= KS_FL_FRACTION_BITS_MAX) ||
                 (params->width == KS_FL_WIDTH_128 && params->fraction_bits == 64),
             KS_ERR_USAGE, "accumulator: no sums of %u bits with a fraction of %u",
             (unsigned)params->width, params->fraction_bits);
out:
    return err;
}

uint64_t ks_fl_accumulator_bytes(const struct ks_fl_accumulator_params *params)
{
    return sizeof(struct ks_fl_accumulator) + KS_FL_SLICES +
           (uint64_t)params->params * (unsigned)params->width / 8 +
           (uint64_t)params->members_max * (sizeof(struct ks_fl_member) + sizeof(uint32_t));
}

enum ks_err ks_fl_accumulator_new(const struct ks_fl_accumulator_params *params,
                                  struct ks_fl_accumulator **out_accumulator)
{
    enum ks_err err = KS_OK;
    struct ks_fl_accumulator *accumulator = NULL;

    KS_TRY(check_params(params));
    accumulator = ks_calloc(1, sizeof *accumulator);
    KS_CHECK(accumulator != NULL, KS_ERR_NOMEM, "accumulator: out of memory");
    accumulator->params = *params;
    accumulator->kernels = ks_fl_kernels_best();
    accumulator->members = ks_calloc(params->members_max, sizeof *accumulator->members);
    accumulator->order = ks_calloc(params->members_max, sizeof *accumulator->order);
    accumulator->good = ks_calloc(KS_FL_SLICES, sizeof *accumulator->good);
    accumulator->sums = ks_calloc_huge(params->params, sizeof *accumulator->sums);
    KS_CHECK(accumulator->members != NULL && accumulator->order != NULL &&
                 accumulator->good != NULL && accumulator->sums != NULL,
             KS_ERR_NOMEM, "accumulator: out of memory");
    if (params->width == KS_FL_WIDTH_128) {
        accumulator->lows = ks_calloc_huge(params->params, sizeof *accumulator->lows);
        KS_CHECK(accumulator->lows != NULL, KS_ERR_NOMEM, "accumulator: out of memory");
    }
    *out_accumulator = accumulator;
    accumulator = NULL; /* transferred */
out:
    ks_fl_accumulator_free(accumulator);
    return err;
}

void ks_fl_accumulator_free(struct ks_fl_accumulator *accumulator)
{
    if (accumulator == NULL) {
        return;
    }
    ks_free(accumulator->members);
    ks_free(accumulator->order);
    ks_free(accumulator->good);
    ks_free(accumulator->sums);
    ks_free(accumulator->lows);
    ks_free(accumulator);
}

enum ks_err ks_fl_accumulator_use_kernel(struct ks_fl_accumulator *accumulator,
                                         const char *name)
{
    return ks_fl_kernels_find(name, &accumulator->kernels);
}

const char *ks_fl_accumulator_kernel(const struct ks_fl_accumulator *accumulator)
{
    return accumulator->kernels->name;
}

/* --- members ------------------------------------------------------------------------------ */

/* How many members come before CLIENT. */
static size_t place_of(const struct ks_fl_accumulator *accumulator,
                       const uint8_t client[KS_FL_HASH_LEN])
{
    size_t low = 0;
    size_t high = accumulator->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (ks_bytes_compare(KS_BYTES(accumulator->members[accumulator->order[middle]].client),
                             ks_bytes_of(client, KS_FL_HASH_LEN)) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct ks_fl_member *ks_fl_accumulator_find(const struct ks_fl_accumulator *accumulator,
                                                  const uint8_t client[KS_FL_HASH_LEN])
{
    const size_t place = place_of(accumulator, client);
    const struct ks_fl_member *member = NULL;

    if (place < accumulator->count) {
        member = &accumulator->members[accumulator->order[place]];
        if (!ks_bytes_equal(KS_BYTES(member->client), ks_bytes_of(client, KS_FL_HASH_LEN))) {
            member = NULL;
        }
    }
    return member;
}

static enum ks_err check_member(const struct ks_fl_accumulator *accumulator,
                                const struct ks_fl_member *member)
{
    enum ks_err err = KS_OK;

    KS_CHECK(member->weight >= 1 && member->weight <= KS_FL_WEIGHT_MAX, KS_ERR_LIMIT,
             "accumulator: a weight of %u, 1 to %d", member->weight, KS_FL_WEIGHT_MAX);
    KS_CHECK(ks_fl_accumulator_find(accumulator, member->client) == NULL, KS_ERR_CONFLICT,
             "accumulator: this client is a member already");
    KS_CHECK(accumulator->count < accumulator->params.members_max, KS_ERR_LIMIT,
             "accumulator: it has its %zu members", accumulator->params.members_max);
    KS_CHECK(member->weight <= KS_FL_WEIGHT_SUM_MAX - accumulator->weight, KS_ERR_LIMIT,
             "accumulator: weights of more than %" PRIu64 " in all",
             (uint64_t)KS_FL_WEIGHT_SUM_MAX);
out:
    return err;
}

enum ks_err ks_fl_accumulator_enlist(struct ks_fl_accumulator *accumulator,
                                     const struct ks_fl_member *member)
{
    enum ks_err err = KS_OK;
    size_t place = 0;

    KS_TRY(check_member(accumulator, member));
    place = place_of(accumulator, member->client);
    for (size_t i = accumulator->count; i > place; i--) {
        accumulator->order[i] = accumulator->order[i - 1];
    }
    accumulator->order[place] = (uint32_t)accumulator->count;
    accumulator->members[accumulator->count] = *member;
    accumulator->count++;
    accumulator->weight += member->weight;
out:
    return err;
}

const struct ks_fl_accumulator_params *
ks_fl_accumulator_params(const struct ks_fl_accumulator *accumulator)
{
    return &accumulator->params;
}

uint64_t ks_fl_accumulator_weight(const struct ks_fl_accumulator *accumulator)
{
    return accumulator->weight;
}

size_t ks_fl_accumulator_members(const struct ks_fl_accumulator *accumulator)
{
    return accumulator->count;
}

const struct ks_fl_member *ks_fl_accumulator_member(const struct ks_fl_accumulator *accumulator,
                                                    size_t index)
{
    KS_ASSERT(index < accumulator->count);
    return &accumulator->members[accumulator->order[index]];
}

/* --- adding ------------------------------------------------------------------------------- */

struct addition {
    struct ks_fl_accumulator *accumulator;
    const float *values;
    double scale;
    int32_t weight;
    float unit;
    float range;
    struct ks_fl_slices slices;
};

static struct addition addition_of(struct ks_fl_accumulator *accumulator, const float *values,
                                   double scale, uint32_t weight)
{
    const int bits = (int)accumulator->params.fraction_bits;

    return (struct addition){
        .accumulator = accumulator,
        .values = values,
        .scale = scale,
        .weight = (int32_t)weight,
        .unit = (float)ldexp(1, bits),
        .range = accumulator->lows == NULL ? (float)ldexp(1, 31 - bits) : KS_FL_RANGE_128,
        .slices = ks_fl_slices_of(accumulator->params.params),
    };
}

static bool add_numbers(const struct addition *addition, const float *values, size_t at,
                        size_t count)
{
    struct ks_fl_accumulator *accumulator = addition->accumulator;
    const struct ks_fl_scaled scaled = {values, count, addition->unit, addition->range,
                                        addition->weight};

    return accumulator->lows == NULL
               ? accumulator->kernels->add_64(&scaled, accumulator->sums + at)
               : accumulator->kernels->add_128(&scaled, accumulator->lows + at,
                                               accumulator->sums + at);
}

static void add_slice(void *context, size_t slice)
{
    const struct addition *addition = context;
    const size_t params = addition->accumulator->params.params;
    const size_t end = ks_fl_slice_begin(&addition->slices, slice + 1, params);
    size_t at = ks_fl_slice_begin(&addition->slices, slice, params);
    bool good = true;

    if (addition->scale == 1) {
        good = add_numbers(addition, addition->values + at, at, end - at);
        at = end;
    }
    for (; at < end; at += KS_FL_PIECE) {
        const size_t count = end - at < KS_FL_PIECE ? end - at : KS_FL_PIECE;
        float scaled[KS_FL_PIECE];

        for (size_t i = 0; i < count; i++) {
            scaled[i] = (float)((double)addition->values[at + i] * addition->scale);
        }
        good = add_numbers(addition, scaled, at, count) && good;
    }
    addition->accumulator->good[slice] = good;
}

static bool add_all(struct addition *addition, struct ks_pool *pool)
{
    bool good = true;

    ks_pool_run(pool, add_slice, addition, addition->slices.count);
    for (size_t i = 0; i < addition->slices.count; i++) {
        good = good && addition->accumulator->good[i];
    }
    return good;
}

/* Names the first value that is out of range. */
static enum ks_err refuse(const struct addition *addition)
{
    for (size_t i = 0; i < addition->accumulator->params.params; i++) {
        const float value = (float)((double)addition->values[i] * addition->scale);

        if (!(fabsf(value) < addition->range)) {
            return ks_fail(KS_ERR_FORMAT,
                           "accumulator: parameter %zu of an update is %s; below %g is summed",
                           i, isfinite(value) ? "out of range" : "not a finite number",
                           (double)addition->range);
        }
    }
    return ks_fail(KS_ERR_INTERNAL, "accumulator: a value was refused that is in range");
}

enum ks_err ks_fl_accumulator_add(struct ks_fl_accumulator *accumulator,
                                  const struct ks_fl_member *member, const float *values,
                                  double scale, struct ks_pool *pool)
{
    enum ks_err err = KS_OK;
    struct addition addition = {0};

    KS_CHECK(scale >= 0 && isfinite(scale), KS_ERR_USAGE, "accumulator: a scale below 0");
    KS_TRY(check_member(accumulator, member));
    addition = addition_of(accumulator, values, scale, member->weight);
    if (!add_all(&addition, pool)) {
        addition.weight = -addition.weight;
        (void)add_all(&addition, pool); /* as it was: sums are modulo 2^64, or 2^128 */
        KS_TRY(refuse(&addition));
    }
    KS_TRY(ks_fl_accumulator_enlist(accumulator, member));
out:
    return err;
}

static enum ks_err check_merge(const struct ks_fl_accumulator *target,
                               const struct ks_fl_accumulator *source)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator_params *a = &target->params;
    const struct ks_fl_accumulator_params *b = &source->params;

    KS_CHECK(a->params == b->params && a->width == b->width &&
                 a->fraction_bits == b->fraction_bits &&
                 ks_bytes_equal(KS_BYTES(a->context), KS_BYTES(b->context)),
             KS_ERR_USAGE, "accumulator: sums of different things do not merge");
    KS_CHECK(source->count <= a->members_max - target->count, KS_ERR_LIMIT,
             "accumulator: room for %zu members, %zu of both", a->members_max,
             target->count + source->count);
    KS_CHECK(source->weight <= KS_FL_WEIGHT_SUM_MAX - target->weight, KS_ERR_LIMIT,
             "accumulator: weights of more than %" PRIu64 " in all",
             (uint64_t)KS_FL_WEIGHT_SUM_MAX);
    for (size_t i = 0; i < source->count; i++) {
        KS_CHECK(ks_fl_accumulator_find(target, source->members[i].client) == NULL,
                 KS_ERR_CONFLICT, "accumulator: a client is a member of both");
    }
out:
    return err;
}

enum ks_err ks_fl_accumulator_merge(struct ks_fl_accumulator *target,
                                    const struct ks_fl_accumulator *source)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_merge(target, source));
    for (size_t i = 0; i < source->count; i++) {
        KS_TRY(ks_fl_accumulator_enlist(target, &source->members[i]));
    }
    for (size_t i = 0; i < target->params.params; i++) {
        uint64_t carry = 0;

        if (target->lows != NULL) {
            target->lows[i] += source->lows[i];
            carry = target->lows[i] < source->lows[i];
        }
        target->sums[i] =
            (int64_t)((uint64_t)target->sums[i] + (uint64_t)source->sums[i] + carry);
    }
out:
    return err;
}

/* --- the mean ----------------------------------------------------------------------------- */

/* HIGH and LOW as one number, in units of 2^-64. */
static double number_128(int64_t high, uint64_t low)
{
    const bool minus = high < 0;
    double value = 0;

    if (minus) {
        low = ~low + 1;
        high = (int64_t)(~(uint64_t)high + (low == 0));
    }
    value = (double)high + ldexp((double)low, -64);
    return minus ? -value : value;
}

enum ks_err ks_fl_accumulator_mean(const struct ks_fl_accumulator *accumulator,
                                   uint64_t divisor, float *out_mean)
{
    enum ks_err err = KS_OK;
    const double unit = ldexp(1, -(int)accumulator->params.fraction_bits);
    double by = (double)divisor;

    KS_CHECK(accumulator->count > 0, KS_ERR_NOT_FOUND, "accumulator: no member, no mean");
    if (divisor == 0) {
        by = (double)accumulator->weight;
    }
    for (size_t i = 0; i < accumulator->params.params; i++) {
        const double sum = accumulator->lows == NULL
                               ? (double)accumulator->sums[i] * unit
                               : number_128(accumulator->sums[i], accumulator->lows[i]);

        out_mean[i] = (float)(sum / by);
    }
out:
    return err;
}
