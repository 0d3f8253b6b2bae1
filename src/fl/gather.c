/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/gather.h"

#include <math.h>
#include <stdlib.h>

#include "crypto/digest.h"
#include "fl/buckets.h"
#include "fl/kernel.h"

#define LABEL_DEALING "ketseal/fl-dealing/1\n"
#define RANGE         ((float)(1U << (31 - KS_FL_FRACTION_BITS))) /* as in a sum of 64 bits */

struct member {
    uint8_t client[KS_FL_HASH_LEN];
    size_t place;
    size_t index; /* in the order of adding */
};

struct ks_fl_gather {
    struct ks_fl_gather_params params;
    struct ks_fl_accumulator *sum; /* one of these three; ROWS holds members_max updates */
    struct ks_fl_buckets *buckets;
    float *rows;
    struct member *members; /* but for one sum */
    size_t count;
    uint64_t weight;
};

static bool has_buckets(const struct ks_fl_gather_params *params)
{
    return params->bucket > 1;
}

bool ks_fl_gather_sums(const struct ks_fl_gather_params *params)
{
    return params->robust.rule == KS_FL_MEAN && !has_buckets(params);
}

static struct ks_fl_accumulator_params sum_of(const struct ks_fl_gather_params *params)
{
    struct ks_fl_accumulator_params sum = {.params = params->params,
                                           .width = KS_FL_WIDTH_64,
                                           .fraction_bits = KS_FL_FRACTION_BITS,
                                           .members_max = params->members_max};

    ks_copy(sum.context, params->context, sizeof sum.context);
    return sum;
}

uint64_t ks_fl_gather_checkpoint_max(const struct ks_fl_gather_params *params)
{
    const struct ks_fl_accumulator_params sum = sum_of(params);

    return ks_fl_gather_sums(params) ? ks_fl_accumulator_written_max(&sum) : 0;
}

uint32_t ks_fl_gather_weight_max(const struct ks_fl_gather_params *params)
{
    const uint64_t together = has_buckets(params)         ? params->bucket
                              : ks_fl_gather_sums(params) ? params->members_max
                                                          : 1;

    return together <= 2 ? KS_FL_WEIGHT_MAX : (uint32_t)(KS_FL_WEIGHT_SUM_MAX / together);
}

/* Whoever knows the round knows who is dealt where; its parent model is what nobody knew before
 * the round. */
static struct ks_fl_buckets_params buckets_of(const struct ks_fl_gather_params *params)
{
    const struct ks_bytes parts[] = {KS_LITERAL(LABEL_DEALING), KS_BYTES(params->context)};
    uint8_t digest[KS_SHA256_LEN];
    struct ks_fl_buckets_params buckets = {
        .sum = sum_of(params), .clients = params->clients, .size = params->bucket};

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
    for (size_t i = 0; i < sizeof buckets.seed; i++) {
        buckets.seed = buckets.seed << 8 | digest[i];
    }
    return buckets;
}

/* Rows that the rule sees of so many clients, at least. */
static size_t rows_of(const struct ks_fl_gather_params *params, size_t clients)
{
    return has_buckets(params) ? (clients + params->bucket - 1) / params->bucket : clients;
}

static enum ks_err check(const struct ks_fl_gather_params *params, size_t members_min)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->members_max >= 1 && params->members_max <= params->clients &&
                 params->clients <= KS_FL_MEMBERS_MAX,
             KS_ERR_LIMIT, "%zu updates of %zu clients, at most %d of either",
             params->members_max, params->clients, KS_FL_MEMBERS_MAX);
    KS_CHECK(members_min >= 1 && members_min <= params->members_max, KS_ERR_USAGE,
             "%zu updates, where %zu are the most", members_min, params->members_max);
    KS_CHECK(params->bound >= 0 && isfinite(params->bound), KS_ERR_USAGE,
             "a norm bound below 0");
    KS_CHECK(params->bucket <= members_min, KS_ERR_USAGE,
             "buckets of %u, where a round may have %zu updates", params->bucket, members_min);
out:
    return err;
}

enum ks_err ks_fl_gather_needs(const struct ks_fl_gather_params *params, size_t members_min,
                               uint64_t *out_bytes)
{
    enum ks_err err = KS_OK;
    const size_t clients = has_buckets(params) ? params->clients : params->members_max;
    struct ks_fl_needs needs = {0};

    KS_TRY(check(params, members_min));
    if (ks_fl_gather_sums(params)) {
        const struct ks_fl_accumulator_params sum = sum_of(params);

        *out_bytes = ks_fl_accumulator_bytes(&sum) + params->params * sizeof(float);
        return KS_OK;
    }
    KS_TRY(ks_fl_robust_needs(&params->robust, rows_of(params, members_min), params->params,
                              &needs));
    KS_TRY(
        ks_fl_robust_needs(&params->robust, rows_of(params, clients), params->params, &needs));
    if (has_buckets(params)) {
        const struct ks_fl_buckets_params buckets = buckets_of(params);

        needs.bytes += ks_fl_buckets_bytes(&buckets);
    }
    *out_bytes = needs.bytes + params->members_max * sizeof(struct member);
out:
    return err;
}

/* --- gathering ---------------------------------------------------------------------------- */

enum ks_err ks_fl_gather_new(const struct ks_fl_gather_params *params,
                             struct ks_fl_gather **out_gather)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator_params sum = sum_of(params);
    struct ks_fl_gather *gather = NULL;
    uint64_t bytes = 0;

    KS_TRY(ks_fl_gather_needs(params, params->members_max, &bytes));
    gather = ks_calloc(1, sizeof *gather);
    KS_CHECK(gather != NULL, KS_ERR_NOMEM, "updates of a round");
    gather->params = *params;
    if (ks_fl_gather_sums(params)) {
        KS_TRY(ks_fl_accumulator_new(&sum, &gather->sum));
    } else {
        gather->members = ks_calloc(params->members_max, sizeof *gather->members);
        KS_CHECK(gather->members != NULL, KS_ERR_NOMEM, "updates of a round");
    }
    if (has_buckets(params)) {
        const struct ks_fl_buckets_params buckets = buckets_of(params);

        KS_TRY(ks_fl_buckets_new(&buckets, &gather->buckets));
    } else if (gather->sum == NULL) {
        gather->rows =
            ks_calloc_huge(params->members_max, params->params * sizeof *gather->rows);
        KS_CHECK(gather->rows != NULL, KS_ERR_NOMEM, "%zu updates of %zu numbers",
                 params->members_max, params->params);
    }
    *out_gather = gather;
    gather = NULL; /* transferred */
out:
    ks_fl_gather_free(gather);
    return err;
}

void ks_fl_gather_free(struct ks_fl_gather *gather)
{
    if (gather == NULL) {
        return;
    }
    ks_fl_accumulator_free(gather->sum);
    ks_fl_buckets_free(gather->buckets);
    ks_free(gather->rows);
    ks_free(gather->members);
    ks_free(gather);
}

enum ks_err ks_fl_gather_resume(struct ks_fl_gather *gather, struct ks_bytes checkpoint)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_accumulator_params *wanted = NULL;
    const struct ks_fl_accumulator_params *found = NULL;
    struct ks_fl_accumulator *sum = NULL;

    KS_CHECK(gather->sum != NULL && gather->count == 0, KS_ERR_USAGE,
             "this round does not go on from a checkpoint");
    KS_TRY(ks_fl_accumulator_read(checkpoint, gather->params.members_max, &sum));
    wanted = ks_fl_accumulator_params(gather->sum);
    found = ks_fl_accumulator_params(sum);
    KS_CHECK(ks_bytes_equal(KS_BYTES(found->context), KS_BYTES(wanted->context)) &&
                 found->params == wanted->params && found->width == wanted->width &&
                 found->fraction_bits == wanted->fraction_bits,
             KS_ERR_VERIFY, "checkpoint: it is of another round");
    ks_fl_accumulator_free(gather->sum);
    gather->sum = sum;
    sum = NULL; /* transferred */
    gather->count = ks_fl_accumulator_members(gather->sum);
    gather->weight = ks_fl_accumulator_weight(gather->sum);
out:
    ks_fl_accumulator_free(sum);
    return err;
}

static enum ks_err check_member(const struct ks_fl_gather *gather,
                                const struct ks_fl_member *member)
{
    enum ks_err err = KS_OK;

    KS_CHECK(gather->count < gather->params.members_max, KS_ERR_LIMIT,
             "over %zu updates in one round", gather->params.members_max);
    for (size_t i = 0; i < gather->count; i++) {
        KS_CHECK(!ks_bytes_equal(KS_BYTES(gather->members[i].client), KS_BYTES(member->client)),
                 KS_ERR_CONFLICT, "this client is a member already");
    }
out:
    return err;
}

static enum ks_err add_row(struct ks_fl_gather *gather, const float *values,
                           struct ks_pool *pool)
{
    enum ks_err err = KS_OK;
    const size_t params = gather->params.params;
    float *row = gather->rows + gather->count * params;

    ks_copy(row, values, params * sizeof *row);
    (void)ks_fl_bound_norm(row, params, gather->params.bound, pool);
    for (size_t i = 0; i < params; i++) {
        KS_CHECK(fabsf(row[i]) < RANGE, KS_ERR_FORMAT,
                 "parameter %zu is not a finite number below %g", i, (double)RANGE);
    }
out:
    return err;
}

enum ks_err ks_fl_gather_add(struct ks_fl_gather *gather, const struct ks_fl_member *member,
                             size_t place, const float *values, struct ks_pool *pool,
                             double *out_norm)
{
    enum ks_err err = KS_OK;
    const double norm = sqrt(ks_fl_norm_squared(values, gather->params.params, pool));
    const double scale = ks_fl_norm_scale(norm, gather->params.bound);

    KS_CHECK(place < gather->params.clients, KS_ERR_USAGE, "client %zu of %zu", place,
             gather->params.clients);
    if (gather->sum != NULL) {
        KS_TRY(ks_fl_accumulator_add(gather->sum, member, values, scale, pool));
    } else {
        KS_TRY(check_member(gather, member));
        KS_TRY(gather->buckets != NULL
                   ? ks_fl_buckets_add(gather->buckets, place, member, values, scale, pool)
                   : add_row(gather, values, pool));
        ks_copy(gather->members[gather->count].client, member->client, sizeof member->client);
        gather->members[gather->count].place = place;
        gather->members[gather->count].index = gather->count;
    }
    gather->count++;
    gather->weight += member->weight;
    *out_norm = norm;
out:
    return err;
}

size_t ks_fl_gather_members(const struct ks_fl_gather *gather)
{
    return gather->count;
}

uint64_t ks_fl_gather_weight(const struct ks_fl_gather *gather)
{
    return gather->weight;
}

const char *ks_fl_gather_kernel(const struct ks_fl_gather *gather)
{
    return gather->sum != NULL ? ks_fl_accumulator_kernel(gather->sum)
                               : ks_fl_kernels_best()->name;
}

const struct ks_fl_accumulator *ks_fl_gather_sum(const struct ks_fl_gather *gather)
{
    return gather->sum;
}

/* --- what comes of it --------------------------------------------------------------------- */

static int by_client(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;

    return ks_bytes_compare(KS_BYTES(a->client), KS_BYTES(b->client));
}

/* What the rule sees, and which row of it each member is in. */
struct view {
    const float **rows;
    size_t count;
    size_t *row_of;      /* member, in the order of adding, to row */
    uint32_t *occupants; /* of each row */
    struct ks_fl_score *scores;
    float *means;   /* of buckets */
    size_t *filled; /* which buckets */
};

static void view_done(struct view *view)
{
    ks_free((void *)view->rows);
    ks_free(view->row_of);
    ks_free(view->occupants);
    ks_free(view->scores);
    ks_free(view->means);
    ks_free(view->filled);
}

static enum ks_err view_init(const struct ks_fl_gather *gather, struct view *view)
{
    const size_t most =
        gather->buckets != NULL ? ks_fl_buckets_count(gather->buckets) : gather->count;

    view->rows = ks_calloc(most, sizeof *view->rows);
    view->row_of = ks_calloc(gather->count, sizeof *view->row_of);
    view->occupants = ks_calloc(most, sizeof *view->occupants);
    view->scores = ks_calloc(most, sizeof *view->scores);
    view->filled = ks_calloc(most, sizeof *view->filled);
    if (gather->buckets != NULL) {
        view->means = ks_calloc_huge(most, gather->params.params * sizeof *view->means);
    }
    return view->rows == NULL || view->row_of == NULL || view->occupants == NULL ||
                   view->scores == NULL || view->filled == NULL ||
                   (gather->buckets != NULL && view->means == NULL)
               ? ks_fail(KS_ERR_NOMEM, "aggregate of %zu rows", most)
               : KS_OK;
}

/* The updates, by their clients' ids, so that no order of arrival matters. */
static enum ks_err view_rows(const struct ks_fl_gather *gather, struct view *view)
{
    enum ks_err err = KS_OK;
    struct member *sorted = ks_calloc(gather->count, sizeof *sorted);

    KS_CHECK(sorted != NULL, KS_ERR_NOMEM, "aggregate of %zu updates", gather->count);
    ks_copy(sorted, gather->members, gather->count * sizeof *sorted);
    qsort(sorted, gather->count, sizeof *sorted, by_client);
    for (size_t i = 0; i < gather->count; i++) {
        view->rows[i] = gather->rows + sorted[i].index * gather->params.params;
        view->row_of[sorted[i].index] = i;
    }
    view->count = gather->count;
out:
    ks_free(sorted);
    return err;
}

static enum ks_err view_buckets(const struct ks_fl_gather *gather, struct view *view)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_fl_buckets_means(gather->buckets, view->means, view->filled, &view->count));
    for (size_t row = 0; row < view->count; row++) {
        view->rows[row] = view->means + row * gather->params.params;
        for (size_t i = 0; i < gather->count; i++) {
            if (ks_fl_buckets_of(gather->buckets, gather->members[i].place) ==
                view->filled[row]) {
                view->row_of[i] = row;
            }
        }
    }
out:
    return err;
}

static void put_scores(const struct ks_fl_gather *gather, struct view *view,
                       struct ks_fl_score *out_scores)
{
    for (size_t i = 0; i < gather->count; i++) {
        view->occupants[view->row_of[i]]++;
    }
    for (size_t i = 0; i < gather->count; i++) {
        out_scores[i] = view->scores[view->row_of[i]];
        out_scores[i].share /= view->occupants[view->row_of[i]];
    }
}

enum ks_err ks_fl_gather_aggregate(const struct ks_fl_gather *gather, const float *center,
                                   struct ks_pool *pool, float *out_vector,
                                   struct ks_fl_score *out_scores)
{
    enum ks_err err = KS_OK;
    struct ks_fl_robust_input input = {.center = center};
    struct view view = {0};

    KS_CHECK(gather->count > 0, KS_ERR_NOT_FOUND, "no update was added");
    if (gather->sum != NULL) {
        return ks_fl_accumulator_mean(gather->sum, 0, out_vector);
    }
    KS_TRY(view_init(gather, &view));
    KS_TRY(gather->buckets != NULL ? view_buckets(gather, &view) : view_rows(gather, &view));
    input.rows = (struct ks_fl_rows){view.rows, view.count, gather->params.params};
    KS_TRY(
        ks_fl_robust_aggregate(&gather->params.robust, &input, pool, out_vector, view.scores));
    put_scores(gather, &view, out_scores);
out:
    view_done(&view);
    return err;
}
