/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a round gathers: the same bits in whatever order updates come, whatever they are; what
 * it takes; what it refuses. Rules themselves: test_fl_robust.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "fl/buckets.h"
#include "fl/gather.h"
#include "fl/update.h"

#define PARAMS  7
#define CLIENTS 9

static const enum ks_fl_rule rules[] = {KS_FL_MEAN, KS_FL_MEDIAN,       KS_FL_TRIMMED_MEAN,
                                        KS_FL_KRUM, KS_FL_BULYAN,       KS_FL_MULTI_KRUM,
                                        KS_FL_RFA,  KS_FL_CENTERED_CLIP};
#define RULES (sizeof rules / sizeof rules[0])

static struct ks_fl_gather_params params_of(enum ks_fl_rule rule, unsigned bucket)
{
    return (struct ks_fl_gather_params){
        .context = {1, 2, 3},
        .params = PARAMS,
        .members_max = CLIENTS,
        .clients = CLIENTS,
        .robust = {.rule = rule, .attackers = rule == KS_FL_MEAN || bucket > 1 ? 0 : 1},
        .bucket = bucket,
    };
}

static struct ks_fl_member member_of(size_t client)
{
    struct ks_fl_member member = {.weight = 1 + (uint32_t)client};
    const char name[] = {'e', (char)('0' + client)};

    ks_fl_client_id(ks_bytes_of(name, sizeof name), member.client);
    return member;
}

/* Numbers below 128, of both signs and many sizes. */
static void values_of(size_t client, float *out_values)
{
    uint32_t state = 77 + (uint32_t)client;

    for (size_t i = 0; i < PARAMS; i++) {
        state = state * 1664525 + 1013904223;
        out_values[i] =
            ldexpf((float)(int32_t)state / 2147483648.0f, (int)(state >> 8 & 15) - 9);
    }
}

static enum ks_err add(struct ks_fl_gather *gather, size_t client, const float *values)
{
    const struct ks_fl_member member = member_of(client);
    double norm = 0;

    return ks_fl_gather_add(gather, &member, client, values, NULL, &norm);
}

/* All clients' updates, beginning with FIRST and by steps of STEP. */
static void gather_all(const struct ks_fl_gather_params *params, size_t first, size_t step,
                       float *out_vector, struct ks_fl_score *out_scores)
{
    struct ks_fl_gather *gather = NULL;
    struct ks_fl_score scores[CLIENTS];
    float values[PARAMS];

    assert_int_equal(ks_fl_gather_new(params, &gather), KS_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        values_of((first + i * step) % CLIENTS, values);
        assert_int_equal(add(gather, (first + i * step) % CLIENTS, values), KS_OK);
    }
    assert_int_equal(ks_fl_gather_members(gather), CLIENTS);
    assert_int_equal(ks_fl_gather_weight(gather), CLIENTS * (CLIENTS + 1) / 2);
    assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, out_vector, scores), KS_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        out_scores[(first + i * step) % CLIENTS] = scores[i];
    }
    ks_fl_gather_free(gather);
}

static void test_no_order_matters(void **state)
{
    (void)state;
    for (size_t i = 0; i < RULES; i++) {
        for (unsigned bucket = 0; bucket <= 3; bucket++) {
            struct ks_fl_gather_params params = params_of(rules[i], bucket);
            struct ks_fl_score scores[2][CLIENTS];
            float vectors[2][PARAMS];
            const size_t compared = ks_fl_gather_sums(&params) ? 0 : CLIENTS;

            params.bound = i % 2 == 0 ? 0.25 : 0;
            gather_all(&params, 0, 1, vectors[0], scores[0]);
            gather_all(&params, 5, 4, vectors[1], scores[1]);
            assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
            for (size_t j = 0; j < compared; j++) {
                assert_true(scores[0][j].score == scores[1][j].score &&
                            scores[0][j].reason == scores[1][j].reason &&
                            scores[0][j].share == scores[1][j].share);
            }
        }
    }
}

/* Buckets of all clients are the mean, each weighing as many samples as it says. */
static void test_one_bucket_is_the_mean(void **state)
{
    const struct ks_fl_gather_params sum = params_of(KS_FL_MEAN, 0);
    const struct ks_fl_gather_params bucket = params_of(KS_FL_MEDIAN, CLIENTS);
    struct ks_fl_score scores[CLIENTS];
    float vectors[2][PARAMS];

    (void)state;
    gather_all(&sum, 0, 1, vectors[0], scores);
    gather_all(&bucket, 0, 1, vectors[1], scores);
    assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
    assert_true(fabs(scores[0].share - 1.0 / CLIENTS) < 1e-15);
}

/* Updates of which nothing can be said: scores are numbers all the same, none an accusation. */
static void test_alike(void **state)
{
    static const float kinds[2][PARAMS] = {{0}, {1, -2, 0.5f, 3, 0, 0, 127.5f}};

    (void)state;
    for (size_t i = 1; i < RULES; i++) {
        for (size_t kind = 0; kind < 2; kind++) {
            const struct ks_fl_gather_params params = params_of(rules[i], 0);
            struct ks_fl_gather *gather = NULL;
            struct ks_fl_score scores[CLIENTS];
            float vector[PARAMS];

            assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
            for (size_t client = 0; client < CLIENTS; client++) {
                assert_int_equal(add(gather, client, kinds[kind]), KS_OK);
            }
            assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, vector, scores), KS_OK);
            for (size_t client = 0; client < CLIENTS; client++) {
                const struct ks_fl_score *score = &scores[client];

                assert_true(isfinite(score->score) && score->score >= 0 &&
                            isfinite(score->norm) && isfinite(score->distance) &&
                            isfinite(score->cosine) && score->share >= 0 && score->share <= 1);
            }
            ks_fl_gather_free(gather);
        }
    }
}

static void test_bad_updates(void **state)
{
    static const unsigned buckets[] = {0, 2};
    static const float wrong[] = {NAN, INFINITY, -INFINITY, 128, -1e30f};

    (void)state;
    for (size_t i = 0; i < RULES; i++) {
        for (size_t j = 0; j < 2; j++) {
            struct ks_fl_gather_params params = params_of(rules[i], buckets[j]);
            struct ks_fl_gather *gather = NULL;
            float values[PARAMS] = {1};

            params.members_max = 5;
            params.robust.attackers = 0;
            assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
            for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
                values[4] = wrong[k];
                assert_int_equal(add(gather, 0, values), KS_ERR_FORMAT);
            }
            values[4] = 127.75f;
            assert_int_equal(add(gather, CLIENTS, values), KS_ERR_USAGE);
            assert_int_equal(ks_fl_gather_members(gather), 0);
            assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, values, NULL),
                             KS_ERR_NOT_FOUND);
            assert_int_equal(add(gather, 0, values), KS_OK);
            assert_int_equal(add(gather, 0, values), KS_ERR_CONFLICT);
            assert_int_equal(add(gather, 8, values), KS_OK);
            assert_int_equal(add(gather, 2, values), KS_OK);
            assert_int_equal(add(gather, 4, values), KS_OK);
            assert_int_equal(add(gather, 6, values), KS_OK);
            assert_int_equal(add(gather, 3, values), KS_ERR_LIMIT);
            assert_int_equal(ks_fl_gather_members(gather), 5);
            assert_int_equal(ks_fl_gather_weight(gather), 1 + 9 + 3 + 5 + 7);
            ks_fl_gather_free(gather);
        }
    }
}

/* What is too long is shortened before its numbers have to be in range. */
static void test_bound(void **state)
{
    static const float huge[PARAMS] = {0, 3e30f, 0, 0, -4e30f};
    struct ks_fl_gather_params params = params_of(KS_FL_MEDIAN, 0);
    struct ks_fl_gather *gather = NULL;
    struct ks_fl_score score;
    float vector[PARAMS];

    (void)state;
    params.members_max = 1;
    params.robust.attackers = 0;
    params.bound = 10;
    assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
    assert_int_equal(add(gather, 0, huge), KS_OK);
    assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, vector, &score), KS_OK);
    assert_true(fabsf(vector[1] - 6) < 1e-6f && fabsf(vector[4] + 8) < 1e-6f);
    ks_fl_gather_free(gather);
}

/* The center is where these two rules begin, and nothing to others. */
static void test_center(void **state)
{
    static const float center[PARAMS] = {30, 30, 30, 30, 30, 30, 30};

    (void)state;
    for (size_t i = 1; i < RULES; i++) {
        const bool begins = rules[i] == KS_FL_RFA || rules[i] == KS_FL_CENTERED_CLIP;
        struct ks_fl_gather_params params = params_of(rules[i], 0);
        struct ks_fl_gather *gather = NULL;
        struct ks_fl_score scores[CLIENTS];
        float vectors[2][PARAMS];
        float values[PARAMS];

        params.robust.iterations = 1;
        params.robust.radius = 1;
        assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
        for (size_t client = 0; client < CLIENTS; client++) {
            values_of(client, values);
            assert_int_equal(add(gather, client, values), KS_OK);
        }
        assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, vectors[0], scores), KS_OK);
        assert_int_equal(ks_fl_gather_aggregate(gather, center, NULL, vectors[1], scores),
                         KS_OK);
        assert_true((memcmp(vectors[0], vectors[1], sizeof vectors[0]) != 0) == begins);
        ks_fl_gather_free(gather);
    }
}

static void test_resume(void **state)
{
    const struct ks_fl_gather_params params = params_of(KS_FL_MEAN, 0);
    const struct ks_fl_gather_params rows = params_of(KS_FL_MEDIAN, 0);
    struct ks_fl_gather_params other = params;
    struct ks_fl_gather *gather = NULL;
    struct ks_fl_gather *again = NULL;
    struct ks_buf file;
    float values[PARAMS];
    float vectors[2][PARAMS];

    (void)state;
    ks_buf_init(&file, 4096);
    values_of(0, values);
    assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
    assert_int_equal(add(gather, 0, values), KS_OK);
    ks_fl_accumulator_write(ks_fl_gather_sum(gather), &file);
    assert_int_equal(ks_fl_gather_resume(gather, ks_buf_view(&file)), KS_ERR_USAGE);
    assert_int_equal(ks_fl_gather_new(&params, &again), KS_OK);
    assert_int_equal(ks_fl_gather_resume(again, ks_buf_view(&file)), KS_OK);
    assert_int_equal(ks_fl_gather_members(again), 1);
    assert_int_equal(ks_fl_gather_weight(again), 1);
    assert_int_equal(add(again, 0, values), KS_ERR_CONFLICT);
    values_of(1, values);
    assert_int_equal(add(gather, 1, values), KS_OK);
    assert_int_equal(add(again, 1, values), KS_OK);
    assert_int_equal(ks_fl_gather_aggregate(gather, NULL, NULL, vectors[0], NULL), KS_OK);
    assert_int_equal(ks_fl_gather_aggregate(again, NULL, NULL, vectors[1], NULL), KS_OK);
    assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
    ks_fl_gather_free(again);
    other.context[0]++;
    assert_int_equal(ks_fl_gather_new(&other, &again), KS_OK);
    assert_int_equal(ks_fl_gather_resume(again, ks_buf_view(&file)), KS_ERR_VERIFY);
    ks_fl_gather_free(again);
    assert_int_equal(ks_fl_gather_new(&rows, &again), KS_OK);
    assert_null(ks_fl_gather_sum(again));
    assert_int_equal(ks_fl_gather_resume(again, ks_buf_view(&file)), KS_ERR_USAGE);
    ks_fl_gather_free(again);
    ks_fl_gather_free(gather);
    ks_buf_done(&file);
}

/* By the sums that docs/federated-learning.md names. */
static void test_needs(void **state)
{
    struct ks_fl_gather_params params = {
        .params = 1000000, .members_max = 100, .clients = 120, .robust = {.rule = KS_FL_MEAN}};
    uint64_t bytes = 0;

    (void)state;
    assert_true(ks_fl_gather_sums(&params));
    assert_int_equal(ks_fl_gather_needs(&params, 1, &bytes), KS_OK);
    assert_true(bytes > 12000000 && bytes < 12100000);
    params.robust.rule = KS_FL_KRUM;
    params.robust.attackers = 10;
    assert_false(ks_fl_gather_sums(&params));
    assert_int_equal(ks_fl_gather_needs(&params, 22, &bytes), KS_ERR_LIMIT); /* 2 f + 3 */
    assert_int_equal(ks_fl_gather_needs(&params, 23, &bytes), KS_OK);
    assert_true(bytes > 102 * UINT64_C(4000000) && bytes < 105 * UINT64_C(4000000));
    params.bucket = 4; /* 30 buckets, and no less than 23 of them filled */
    assert_int_equal(ks_fl_gather_needs(&params, 88, &bytes), KS_ERR_LIMIT);
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_OK);
    assert_true(bytes > 30 * UINT64_C(12000000) && bytes < 33 * UINT64_C(12000000));
    params.bucket = 90;
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_ERR_USAGE);
    params.bucket = 0;
    params.bound = -1;
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_ERR_USAGE);
    params.bound = 0;
    assert_int_equal(ks_fl_gather_needs(&params, 101, &bytes), KS_ERR_USAGE);
    params.clients = 99;
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_ERR_LIMIT);
    params.clients = params.members_max = KS_FL_ROWS_MAX + 1;
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_ERR_LIMIT);
    params.bucket = 2;
    assert_int_equal(ks_fl_gather_needs(&params, 89, &bytes), KS_OK);
}

/* As many as there may be, each as heavy as may be, and none is refused: of all rules, in one
 * sum, in buckets, or one by one. */
static void weights_leave_room(void **state)
{
    static const struct {
        enum ks_fl_rule rule;
        unsigned bucket;
        uint32_t most;
    } cases[] = {{KS_FL_MEAN, 0, KS_FL_WEIGHT_SUM_MAX / CLIENTS},
                 {KS_FL_MEAN, 3, KS_FL_WEIGHT_SUM_MAX / 3},
                 {KS_FL_MEAN, 2, KS_FL_WEIGHT_MAX},
                 {KS_FL_MEDIAN, 0, KS_FL_WEIGHT_MAX},
                 {KS_FL_MEDIAN, 4, KS_FL_WEIGHT_SUM_MAX / 4}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_fl_gather_params params = params_of(cases[i].rule, cases[i].bucket);
        struct ks_fl_gather *gather = NULL;
        float values[PARAMS];
        double norm = 0;

        assert_int_equal(ks_fl_gather_weight_max(&params), cases[i].most);
        assert_int_equal(ks_fl_gather_new(&params, &gather), KS_OK);
        for (size_t client = 0; client < CLIENTS; client++) {
            struct ks_fl_member member = member_of(client);

            member.weight = cases[i].most;
            values_of(client, values);
            assert_int_equal(ks_fl_gather_add(gather, &member, client, values, NULL, &norm),
                             KS_OK);
        }
        ks_fl_gather_free(gather);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_order_matters),
        cmocka_unit_test(test_one_bucket_is_the_mean),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_bad_updates),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_center),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(weights_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
