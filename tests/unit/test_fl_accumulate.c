/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Accumulators: every kernel, order, split and number of threads against each other bit for
 * bit, sums against exact arithmetic of another kind, errors against their stated bound, the
 * checkpoint against its flips. */
#include "unit/expect.h"

#include <math.h>

#include "base/philox.h"
#include "fl/accumulate.h"

#define OK(call)   assert_int_equal((call), KS_OK)
#define PARAMS     5003 /* more than a few pieces, and a tail */
#define CLIENTS    12
#define PARAMS_ALL 20000

static const char *const kernel_names[] = {"portable", "avx2", "avx512", "neon"};

static float values[CLIENTS][PARAMS_ALL];

static double unit(uint64_t index)
{
    const uint32_t key[2] = {11, 0};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return (words[0] + 0.5) / 4294967296.0;
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++) {
        for (size_t j = 0; j < PARAMS_ALL; j++) {
            const double u = unit(i * PARAMS_ALL + j);

            /* Of all sizes that 64 bits take, among them subnormal ones, zeros, and halves. */
            values[i][j] = (float)((u - 0.5) * pow(2, floor(unit(j) * 60) - 53));
            if (j % 13 == 5) {
                values[i][j] = (float)((floor(u * 1000) + 0.5) * 0x1p-24);
            }
            if (j % 17 == 3) {
                values[i][j] = j % 2 == 0 ? 0.0f : -0.0f;
            }
            if (j % 19 == 7) {
                values[i][j] = (float)(u * 0x1p-130);
            }
        }
    }
    values[0][1] = 127.99999f;
    values[0][2] = -127.99999f;
    return 0;
}

static struct ks_fl_accumulator_params params_of(enum ks_fl_width width)
{
    return (struct ks_fl_accumulator_params){
        .context = {1, 2, 3},
        .params = PARAMS,
        .width = width,
        .fraction_bits = width == KS_FL_WIDTH_64 ? KS_FL_FRACTION_BITS : 64,
        .members_max = 2 * CLIENTS,
    };
}

static struct ks_fl_member member_of(size_t index)
{
    struct ks_fl_member member = {.weight = (uint32_t)(index * index * 7919 + 1)};

    member.client[0] = (uint8_t)(index * 37 % 256);
    member.client[31] = (uint8_t)index;
    member.update[5] = (uint8_t)index;
    return member;
}

static void add(struct ks_fl_accumulator *accumulator, size_t index, struct ks_pool *pool)
{
    const struct ks_fl_member member = member_of(index);

    OK(ks_fl_accumulator_add(accumulator, &member, values[index], 1, pool));
}

static struct ks_buf written(const struct ks_fl_accumulator *accumulator)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1 << 24);
    ks_fl_accumulator_write(accumulator, &bytes);
    OK(ks_buf_check(&bytes));
    assert_int_equal(bytes.len, ks_fl_accumulator_bytes_written(accumulator));
    return bytes;
}

static void expect_same(const struct ks_fl_accumulator *a, const struct ks_fl_accumulator *b)
{
    struct ks_buf bytes_a = written(a);
    struct ks_buf bytes_b = written(b);

    assert_true(ks_bytes_equal(ks_buf_view(&bytes_a), ks_buf_view(&bytes_b)));
    ks_buf_done(&bytes_a);
    ks_buf_done(&bytes_b);
}

static struct ks_fl_accumulator *sum_of_all(enum ks_fl_width width)
{
    const struct ks_fl_accumulator_params params = params_of(width);
    struct ks_fl_accumulator *accumulator = NULL;

    OK(ks_fl_accumulator_new(&params, &accumulator));
    OK(ks_fl_accumulator_use_kernel(accumulator, "portable"));
    for (size_t i = 0; i < CLIENTS; i++) {
        add(accumulator, i, NULL);
    }
    return accumulator;
}

static const enum ks_fl_width widths[] = {KS_FL_WIDTH_64, KS_FL_WIDTH_128};

static void every_kernel_adds_the_same(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        const struct ks_fl_accumulator_params params = params_of(widths[w]);
        struct ks_fl_accumulator *want = sum_of_all(widths[w]);

        for (size_t k = 0; k < sizeof kernel_names / sizeof kernel_names[0]; k++) {
            struct ks_fl_accumulator *got = NULL;

            OK(ks_fl_accumulator_new(&params, &got));
            if (ks_fl_accumulator_use_kernel(got, kernel_names[k]) == KS_OK) {
                for (size_t i = CLIENTS; i > 0; i--) {
                    add(got, i - 1, NULL);
                }
                expect_same(got, want);
            }
            ks_fl_accumulator_free(got);
        }
        ks_fl_accumulator_free(want);
    }
}

static void order_threads_and_splits_change_nothing(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        const struct ks_fl_accumulator_params params = params_of(widths[w]);
        struct ks_fl_accumulator *want = sum_of_all(widths[w]);

        for (unsigned threads = 1; threads <= 5; threads += 2) {
            struct ks_pool *pool = NULL;
            struct ks_fl_accumulator *got = NULL;
            struct ks_fl_accumulator *other = NULL;

            OK(ks_pool_new(threads, &pool));
            OK(ks_fl_accumulator_new(&params, &got));
            OK(ks_fl_accumulator_new(&params, &other));
            for (size_t i = 0; i < CLIENTS; i++) {
                add(i % threads == 0 ? got : other, i * 5 % CLIENTS, pool);
            }
            OK(ks_fl_accumulator_merge(got, other));
            expect_same(got, want);
            ks_fl_accumulator_free(got);
            ks_fl_accumulator_free(other);
            ks_pool_free(pool);
        }
        ks_fl_accumulator_free(want);
    }
}

/* The mean by long double, whose 64 bits of mantissa hold these sums but for 2^-63. */
static void means_are_within_their_bound(void **state)
{
    const double bounds[] = {0x1p-25, 0x1p-65};
    static float mean[PARAMS];

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct ks_fl_accumulator *accumulator = sum_of_all(widths[w]);

        OK(ks_fl_accumulator_mean(accumulator, 0, mean));
        for (size_t j = 0; j < PARAMS; j++) {
            long double sum = 0;
            long double magnitude = 0;
            long double weight = 0;

            for (size_t i = 0; i < CLIENTS; i++) {
                const long double term = (long double)member_of(i).weight * values[i][j];

                sum += term;
                magnitude += fabsl(term);
                weight += member_of(i).weight;
            }
            assert_true(fabsl(mean[j] - sum / weight) <=
                        bounds[w] + 0x1.01p-24L * fabsl(sum / weight) + 0x1p-149L +
                            0x1p-60L * magnitude / weight);
        }
        ks_fl_accumulator_free(accumulator);
    }
}

/* With 128 bits, what can be said exactly is: x and -x leave nothing, and a tiny number beside
 * a huge one is there when that one is gone. */
static void wide_sums_forget_nothing(void **state)
{
    struct ks_fl_accumulator_params params = params_of(KS_FL_WIDTH_128);
    static const float given[3][4] = {{16777215.0f, 0x1p-60f, -1, 0x1p-64f},
                                      {0x1p-41f, 3, 0x1p-62f, 0x1p-64f},
                                      {-16777215.0f, -3, 1, 0x1p-66f}};
    static const float want[4] = {0x1p-41f / 9, 0x1p-60f / 9, 0x1p-62f / 9, 0x1p-63f / 9};

    (void)state;
    params.params = 4;
    for (size_t k = 0; k < sizeof kernel_names / sizeof kernel_names[0]; k++) {
        struct ks_fl_accumulator *accumulator = NULL;
        float mean[4];

        OK(ks_fl_accumulator_new(&params, &accumulator));
        if (ks_fl_accumulator_use_kernel(accumulator, kernel_names[k]) == KS_OK) {
            for (size_t i = 0; i < 3; i++) {
                struct ks_fl_member member = member_of(i);

                member.weight = 1;
                OK(ks_fl_accumulator_add(accumulator, &member, given[i], 1, NULL));
            }
            OK(ks_fl_accumulator_mean(accumulator, 9, mean));
            for (size_t j = 0; j < 4; j++) {
                assert_true(mean[j] == want[j]);
            }
        }
        ks_fl_accumulator_free(accumulator);
    }
}

/* As far as weights and values go: nothing overflows, on either side. */
static void extremes_are_summed_exactly(void **state)
{
    static const float most[2] = {127.99999f, 16777215.0f};

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct ks_fl_accumulator_params params = params_of(widths[w]);

        params.params = 40;
        for (int sign = -1; sign <= 1; sign += 2) {
            struct ks_fl_accumulator *accumulator = NULL;
            struct ks_fl_member member = member_of(1);
            float given[40];
            float mean[40];

            OK(ks_fl_accumulator_new(&params, &accumulator));
            for (size_t j = 0; j < 40; j++) {
                given[j] = (float)sign * most[w];
            }
            for (unsigned i = 0; i < 3; i++) {
                member.client[9] = (uint8_t)i;
                member.weight = i < 2 ? KS_FL_WEIGHT_MAX : 1;
                OK(ks_fl_accumulator_add(accumulator, &member, given, 1, NULL));
            }
            member.client[9] = 77;
            expect_failure(ks_fl_accumulator_add(accumulator, &member, given, 1, NULL),
                           KS_ERR_LIMIT, "in all");
            OK(ks_fl_accumulator_mean(accumulator, 0, mean));
            for (size_t j = 0; j < 40; j++) {
                assert_true(mean[j] == (float)sign * most[w]);
            }
            ks_fl_accumulator_free(accumulator);
        }
    }
}

static void bad_values_leave_no_trace(void **state)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, 16777216.0f, -3e38f};
    static float given[PARAMS];

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        for (size_t k = 0; k < sizeof kernel_names / sizeof kernel_names[0]; k++) {
            struct ks_fl_accumulator *accumulator = sum_of_all(widths[w]);
            struct ks_fl_accumulator *want = sum_of_all(widths[w]);
            const struct ks_fl_member member = member_of(CLIENTS);

            if (ks_fl_accumulator_use_kernel(accumulator, kernel_names[k]) == KS_OK) {
                for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                    const size_t at = i * 997 % PARAMS;
                    char place[32];

                    ks_copy(given, values[i], sizeof given);
                    given[at] = bad[i];
                    (void)snprintf(place, sizeof place, "parameter %zu ", at);
                    expect_failure(ks_fl_accumulator_add(accumulator, &member, given, 1, NULL),
                                   KS_ERR_FORMAT, place);
                    expect_same(accumulator, want);
                }
            }
            ks_fl_accumulator_free(accumulator);
            ks_fl_accumulator_free(want);
        }
    }
}

static void scales_are_applied_before(void **state)
{
    const struct ks_fl_accumulator_params params = params_of(KS_FL_WIDTH_64);
    const struct ks_fl_member member = member_of(3);
    struct ks_fl_accumulator *got = NULL;
    struct ks_fl_accumulator *want = NULL;
    static float scaled[PARAMS];

    (void)state;
    for (size_t j = 0; j < PARAMS; j++) {
        scaled[j] = (float)((double)values[3][j] * 0.3);
    }
    OK(ks_fl_accumulator_new(&params, &got));
    OK(ks_fl_accumulator_new(&params, &want));
    OK(ks_fl_accumulator_add(got, &member, values[3], 0.3, NULL));
    OK(ks_fl_accumulator_add(want, &member, scaled, 1, NULL));
    expect_same(got, want);
    expect_failure(ks_fl_accumulator_add(got, &member, values[3], NAN, NULL), KS_ERR_USAGE,
                   "scale");
    ks_fl_accumulator_free(got);
    ks_fl_accumulator_free(want);
}

static void members_are_named_once(void **state)
{
    struct ks_fl_accumulator *sum = sum_of_all(KS_FL_WIDTH_64);
    struct ks_fl_accumulator *same = sum_of_all(KS_FL_WIDTH_64);
    struct ks_fl_member member = member_of(4);
    float mean[1];

    (void)state;
    expect_failure(ks_fl_accumulator_add(sum, &member, values[0], 1, NULL), KS_ERR_CONFLICT,
                   "member already");
    expect_failure(ks_fl_accumulator_merge(sum, same), KS_ERR_CONFLICT, "member of both");
    expect_same(sum, same);
    assert_int_equal(ks_fl_accumulator_members(sum), CLIENTS);
    for (size_t i = 1; i < CLIENTS; i++) {
        assert_true(ks_bytes_compare(KS_BYTES(ks_fl_accumulator_member(sum, i - 1)->client),
                                     KS_BYTES(ks_fl_accumulator_member(sum, i)->client)) < 0);
    }
    assert_int_equal(ks_fl_accumulator_find(sum, member.client)->weight, member.weight);
    member = member_of(CLIENTS);
    assert_null(ks_fl_accumulator_find(sum, member.client));
    member.weight = 0;
    expect_failure(ks_fl_accumulator_add(sum, &member, values[0], 1, NULL), KS_ERR_LIMIT,
                   "weight of 0");
    ks_fl_accumulator_free(sum);
    ks_fl_accumulator_free(same);
    same = NULL;
    {
        struct ks_fl_accumulator_params params = params_of(KS_FL_WIDTH_64);

        params.members_max = 1;
        params.params = 1;
        OK(ks_fl_accumulator_new(&params, &same));
        expect_failure(ks_fl_accumulator_mean(same, 0, mean), KS_ERR_NOT_FOUND, "no mean");
        add(same, 1, NULL);
        member = member_of(2);
        expect_failure(ks_fl_accumulator_add(same, &member, values[2], 1, NULL), KS_ERR_LIMIT,
                       "has its 1 members");
        ks_fl_accumulator_free(same);
    }
}

static void parameters_have_limits(void **state)
{
    static const struct {
        struct ks_fl_accumulator_params params;
        enum ks_err err;
    } cases[] = {
        {{.params = 0, .width = 64, .fraction_bits = 24, .members_max = 1}, KS_ERR_LIMIT},
        {{.params = KS_FL_PARAMS_MAX + 1, .width = 64, .fraction_bits = 24, .members_max = 1},
         KS_ERR_LIMIT},
        {{.params = 1, .width = 64, .fraction_bits = 24, .members_max = 0}, KS_ERR_LIMIT},
        {{.params = 1, .width = 64, .fraction_bits = 24, .members_max = KS_FL_MEMBERS_MAX + 1},
         KS_ERR_LIMIT},
        {{.params = 1, .width = 64, .fraction_bits = 0, .members_max = 1}, KS_ERR_USAGE},
        {{.params = 1, .width = 64, .fraction_bits = 49, .members_max = 1}, KS_ERR_USAGE},
        {{.params = 1, .width = 128, .fraction_bits = 24, .members_max = 1}, KS_ERR_USAGE},
        {{.params = 1, .width = 32, .fraction_bits = 24, .members_max = 1}, KS_ERR_USAGE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_accumulator *accumulator = NULL;

        assert_int_equal(ks_fl_accumulator_new(&cases[i].params, &accumulator), cases[i].err);
        assert_null(accumulator);
    }
}

static void checkpoints_are_read_as_written(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct ks_fl_accumulator *whole = sum_of_all(widths[w]);
        const struct ks_fl_accumulator_params params = params_of(widths[w]);
        struct ks_fl_accumulator *half = NULL;
        struct ks_fl_accumulator *resumed = NULL;
        struct ks_buf bytes;

        OK(ks_fl_accumulator_new(&params, &half));
        for (size_t i = 0; i < CLIENTS / 2; i++) {
            add(half, i, NULL);
        }
        bytes = written(half);
        OK(ks_fl_accumulator_read(ks_buf_view(&bytes), 2 * CLIENTS, &resumed));
        expect_same(resumed, half);
        for (size_t i = CLIENTS / 2; i < CLIENTS; i++) {
            add(resumed, i, NULL);
        }
        expect_same(resumed, whole);
        ks_fl_accumulator_free(whole);
        ks_fl_accumulator_free(half);
        ks_fl_accumulator_free(resumed);
        ks_buf_done(&bytes);
    }
}

static void changed_checkpoints_are_refused(void **state)
{
    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct ks_fl_accumulator_params params = params_of(widths[w]);
        struct ks_fl_accumulator *accumulator = NULL;
        struct ks_fl_accumulator *read = NULL;
        struct ks_buf bytes;

        params.params = 5;
        OK(ks_fl_accumulator_new(&params, &accumulator));
        add(accumulator, 1, NULL);
        add(accumulator, 2, NULL);
        bytes = written(accumulator);
        for (size_t i = 0; i < bytes.len; i++) {
            bytes.data[i] ^= (uint8_t)(1u << (i % 8));
            assert_int_not_equal(ks_fl_accumulator_read(ks_buf_view(&bytes), 4, &read), KS_OK);
            assert_null(read);
            bytes.data[i] ^= (uint8_t)(1u << (i % 8));
            assert_int_not_equal(ks_fl_accumulator_read(ks_bytes_of(bytes.data, i), 4, &read),
                                 KS_OK);
        }
        expect_failure(ks_fl_accumulator_read(ks_buf_view(&bytes), 1, &read), KS_ERR_LIMIT,
                       "2 members");
        ks_buf_put_u8(&bytes, 0);
        expect_failure(ks_fl_accumulator_read(ks_buf_view(&bytes), 4, &read), KS_ERR_FORMAT,
                       "length");
        ks_buf_done(&bytes);
        ks_fl_accumulator_free(accumulator);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_adds_the_same),
        cmocka_unit_test(order_threads_and_splits_change_nothing),
        cmocka_unit_test(means_are_within_their_bound),
        cmocka_unit_test(wide_sums_forget_nothing),
        cmocka_unit_test(extremes_are_summed_exactly),
        cmocka_unit_test(bad_values_leave_no_trace),
        cmocka_unit_test(scales_are_applied_before),
        cmocka_unit_test(members_are_named_once),
        cmocka_unit_test(parameters_have_limits),
        cmocka_unit_test(checkpoints_are_read_as_written),
        cmocka_unit_test(changed_checkpoints_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
