/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/buckets.h"

#include "base/philox.h"

struct ks_fl_buckets {
    struct ks_fl_buckets_params params;
    size_t count;
    uint32_t *places; /* of each client, in the order of the dealing */
    struct ks_fl_accumulator **sums;
};

static enum ks_err check_params(const struct ks_fl_buckets_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->clients >= 1 && params->clients <= KS_FL_MEMBERS_MAX, KS_ERR_LIMIT,
             "buckets: %zu clients, 1 to %d", params->clients, KS_FL_MEMBERS_MAX);
    KS_CHECK(params->size >= 1 && params->size <= params->clients, KS_ERR_USAGE,
             "buckets of %u, for %zu clients", params->size, params->clients);
    KS_CHECK((params->clients + params->size - 1) / params->size <= KS_FL_ROWS_MAX,
             KS_ERR_LIMIT, "buckets: more than %d", KS_FL_ROWS_MAX);
out:
    return err;
}

/* A number below BOUND, draw INDEX: 64 bits times BOUND, of which the high word is taken, so a
 * number is likelier than another by at most BOUND / 2^64. */
static uint32_t below(uint64_t seed, uint32_t index, uint32_t bound)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {index, 0, 0, 0x6275636b}; /* "buck": no other draw has it */
    uint32_t words[4];
    uint64_t low = 0;

    ks_philox(key, counter, words);
    low = (uint64_t)words[1] * bound >> 32;
    return (uint32_t)(((uint64_t)words[0] * bound + low) >> 32);
}

/* Fisher and Yates. */
static void deal(struct ks_fl_buckets *buckets)
{
    const uint32_t clients = (uint32_t)buckets->params.clients;

    for (uint32_t i = 0; i < clients; i++) {
        buckets->places[i] = i;
    }
    for (uint32_t i = clients; i > 1; i--) {
        const uint32_t other = below(buckets->params.seed, i, i);
        const uint32_t place = buckets->places[i - 1];

        buckets->places[i - 1] = buckets->places[other];
        buckets->places[other] = place;
    }
}

enum ks_err ks_fl_buckets_new(const struct ks_fl_buckets_params *params,
                              struct ks_fl_buckets **out_buckets)
{
    enum ks_err err = KS_OK;
    struct ks_fl_buckets *buckets = NULL;

    KS_TRY(check_params(params));
    buckets = ks_calloc(1, sizeof *buckets);
    KS_CHECK(buckets != NULL, KS_ERR_NOMEM, "buckets: out of memory");
    buckets->params = *params;
    buckets->params.sum.members_max = params->size;
    buckets->count = (params->clients + params->size - 1) / params->size;
    buckets->places = ks_calloc(params->clients, sizeof *buckets->places);
    buckets->sums = ks_calloc(buckets->count, sizeof(struct ks_fl_accumulator *));
    KS_CHECK(buckets->places != NULL && buckets->sums != NULL, KS_ERR_NOMEM,
             "buckets: out of memory");
    for (size_t i = 0; i < buckets->count; i++) {
        KS_TRY(ks_fl_accumulator_new(&buckets->params.sum, &buckets->sums[i]));
    }
    deal(buckets);
    *out_buckets = buckets;
    buckets = NULL; /* transferred */
out:
    ks_fl_buckets_free(buckets);
    return err;
}

void ks_fl_buckets_free(struct ks_fl_buckets *buckets)
{
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; buckets->sums != NULL && i < buckets->count; i++) {
        ks_fl_accumulator_free(buckets->sums[i]);
    }
    ks_free(buckets->sums);
    ks_free(buckets->places);
    ks_free(buckets);
}

uint64_t ks_fl_buckets_bytes(const struct ks_fl_buckets_params *params)
{
    struct ks_fl_accumulator_params sum = params->sum;

    sum.members_max = params->size;
    return sizeof(struct ks_fl_buckets) + params->clients * sizeof(uint32_t) +
           (params->clients + params->size - 1) / params->size *
               (sizeof(struct ks_fl_accumulator *) + ks_fl_accumulator_bytes(&sum));
}

size_t ks_fl_buckets_count(const struct ks_fl_buckets *buckets)
{
    return buckets->count;
}

size_t ks_fl_buckets_of(const struct ks_fl_buckets *buckets, size_t index)
{
    KS_ASSERT(index < buckets->params.clients);
    return buckets->places[index] / buckets->params.size;
}

enum ks_err ks_fl_buckets_add(struct ks_fl_buckets *buckets, size_t index,
                              const struct ks_fl_member *member, const float *values,
                              double scale, struct ks_pool *pool)
{
    if (index >= buckets->params.clients) {
        return ks_fail(KS_ERR_USAGE, "buckets: client %zu of %zu", index,
                       buckets->params.clients);
    }
    return ks_fl_accumulator_add(buckets->sums[ks_fl_buckets_of(buckets, index)], member,
                                 values, scale, pool);
}

struct ks_fl_accumulator *ks_fl_buckets_at(struct ks_fl_buckets *buckets, size_t bucket)
{
    KS_ASSERT(bucket < buckets->count);
    return buckets->sums[bucket];
}

enum ks_err ks_fl_buckets_means(const struct ks_fl_buckets *buckets, float *out_rows,
                                size_t *out_buckets, size_t *out_count)
{
    enum ks_err err = KS_OK;
    size_t count = 0;

    for (size_t i = 0; i < buckets->count; i++) {
        if (ks_fl_accumulator_members(buckets->sums[i]) > 0) {
            KS_TRY(ks_fl_accumulator_mean(buckets->sums[i], 0,
                                          out_rows + count * buckets->params.sum.params));
            out_buckets[count] = i;
            count++;
        }
    }
    *out_count = count;
out:
    return err;
}
