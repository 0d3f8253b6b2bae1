/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Aggregation and rounds that run out of memory at any allocation say so, write no result, and
 * leak nothing (the sanitizer build looks). */
#include "fault/alloc/fail_each.h"

#include "fl/buckets.h"
#include "fl/buffered.h"
#include "fl/robust.h"
#include "fl/round.h"
#include "fl/rules.h"
#include "fl/state.h"

#define ROWS   11
#define PARAMS 40
#define FILES  5

static float numbers[ROWS][PARAMS];
static const float *rows[ROWS];
static float out[PARAMS];
static enum ks_fl_rule rule;
static struct ks_buf files[FILES];

static const struct ks_fl_accumulator_params sum_params = {
    .params = PARAMS, .width = KS_FL_WIDTH_128, .fraction_bits = 64, .members_max = 4};
static const struct ks_fl_round_params round_params = {
    .subject = {.params = PARAMS},
    .invited = 2,
    .wanted = 2,
    .updates_min = 1,
    .samples_max = 9,
    .prepare_us = 1,
    .train_us = 1,
};

static enum ks_err aggregate(void)
{
    const struct ks_fl_robust robust = {.rule = rule, .attackers = 2};
    const struct ks_fl_robust_input input = {{rows, ROWS, PARAMS}, NULL, rows[1]};
    struct ks_fl_score scores[ROWS];

    return ks_fl_robust_aggregate(&robust, &input, NULL, out, scores);
}

static enum ks_err make_sum(void)
{
    struct ks_fl_accumulator *sum = NULL;
    const enum ks_err err = ks_fl_accumulator_new(&sum_params, &sum);

    assert_true((err == KS_OK) == (sum != NULL));
    ks_fl_accumulator_free(sum);
    return err;
}

static enum ks_err make_buckets(void)
{
    const struct ks_fl_buckets_params params = {.sum = sum_params, .clients = 5, .size = 2};
    struct ks_fl_buckets *buckets = NULL;
    const enum ks_err err = ks_fl_buckets_new(&params, &buckets);

    assert_true((err == KS_OK) == (buckets != NULL));
    ks_fl_buckets_free(buckets);
    return err;
}

static enum ks_err make_server(void)
{
    const struct ks_fl_server_params params = ks_fl_server_defaults(KS_FL_FEDADAM, PARAMS);
    struct ks_fl_server *server = NULL;
    const enum ks_err err = ks_fl_server_new(&params, numbers[0], &server);

    assert_true((err == KS_OK) == (server != NULL));
    ks_fl_server_free(server);
    return err;
}

static enum ks_err make_buffer(void)
{
    const struct ks_fl_buffer_params params = {.size = 3};
    struct ks_fl_buffer *buffer = NULL;
    const enum ks_err err = ks_fl_buffer_new(&params, &buffer);

    assert_true((err == KS_OK) == (buffer != NULL));
    ks_fl_buffer_free(buffer);
    return err;
}

static enum ks_err make_round(void)
{
    const struct ks_fl_candidate candidates[3] = {
        {KS_LITERAL("a"), 1}, {KS_LITERAL("b"), 2}, {KS_LITERAL("c"), 3}};
    struct ks_fl_round *round = NULL;
    const enum ks_err err = ks_fl_round_new(&round_params, candidates, 3, NULL, 0, &round);

    assert_true((err == KS_OK) == (round != NULL));
    ks_fl_round_free(round);
    return err;
}

static enum ks_err encode(void)
{
    const struct ks_fl_encode how = {.encoding = KS_FL_TOPK, .keep = 20};
    struct ks_buf bytes;
    enum ks_err err = KS_OK;

    ks_buf_init(&bytes, 4096);
    err = ks_fl_encode(&how, numbers[0], PARAMS, &bytes);
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err read_files(void)
{
    enum ks_err err = KS_OK;
    struct ks_fl_accumulator *sum = NULL;
    struct ks_fl_server *server = NULL;
    struct ks_fl_buffer *buffer = NULL;
    struct ks_fl_round *round = NULL;
    struct ks_fl_state state = {0};

    KS_TRY(ks_fl_accumulator_read(ks_buf_view(&files[0]), 4, &sum));
    KS_TRY(ks_fl_server_read(ks_buf_view(&files[1]), &server));
    KS_TRY(ks_fl_buffer_read(ks_buf_view(&files[2]), &buffer));
    KS_TRY(ks_fl_round_read(ks_buf_view(&files[3]), &round));
    KS_TRY(ks_fl_state_read(ks_buf_view(&files[4]), PARAMS, &state));
out:
    ks_fl_state_done(&state);
    ks_fl_accumulator_free(sum);
    ks_fl_server_free(server);
    ks_fl_buffer_free(buffer);
    ks_fl_round_free(round);
    return err;
}

static int set_up(void **state)
{
    const struct ks_fl_server_params server_params =
        ks_fl_server_defaults(KS_FL_FEDYOGI, PARAMS);
    const struct ks_fl_buffer_params buffer_params = {.size = 3};
    const struct ks_fl_candidate candidate = {KS_LITERAL("a"), 1};
    struct ks_fl_accumulator *sum = NULL;
    struct ks_fl_server *server = NULL;
    struct ks_fl_buffer *buffer = NULL;
    struct ks_fl_round *round = NULL;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = numbers[i];
        for (size_t j = 0; j < PARAMS; j++) {
            numbers[i][j] = (float)((i + 1) * (j + 3) % 17 + 1);
        }
    }
    for (size_t i = 0; i < FILES; i++) {
        ks_buf_init(&files[i], 65536);
    }
    assert_int_equal(ks_fl_accumulator_new(&sum_params, &sum), KS_OK);
    assert_int_equal(ks_fl_server_new(&server_params, numbers[0], &server), KS_OK);
    assert_int_equal(ks_fl_buffer_new(&buffer_params, &buffer), KS_OK);
    assert_int_equal(ks_fl_round_new(&round_params, &candidate, 1, NULL, 0, &round), KS_OK);
    ks_fl_accumulator_write(sum, &files[0]);
    ks_fl_server_write(server, &files[1]);
    ks_fl_state_write(
        &(struct ks_fl_state){.params = PARAMS, .aggregate = numbers[0], .server = server},
        &files[4]);
    ks_fl_buffer_write(buffer, &files[2]);
    ks_fl_round_write(round, &files[3]);
    ks_fl_accumulator_free(sum);
    ks_fl_server_free(server);
    ks_fl_buffer_free(buffer);
    ks_fl_round_free(round);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        ks_buf_done(&files[i]);
    }
    return 0;
}

static void every_rule_says_so(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KS_FL_RULES; i++) {
        rule = (enum ks_fl_rule)i;
        fail_each(aggregate, 1, "memory");
    }
}

static void whatever_is_made_says_so(void **state)
{
    (void)state;
    fail_each(make_sum, 5, "memory");
    fail_each(make_buckets, 10, "memory");
    fail_each(make_server, 6, "memory");
    fail_each(make_buffer, 1, "memory");
    fail_each(make_round, 2, "memory");
    fail_each(encode, 1, "memory");
}

static void whatever_is_read_says_so(void **state)
{
    (void)state;
    fail_each(read_files, 15, "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_says_so),
        cmocka_unit_test(whatever_is_made_says_so),
        cmocka_unit_test(whatever_is_read_says_so),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
