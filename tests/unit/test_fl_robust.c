/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Robust rules: against naive ones in double, against known geometry, against attackers; every
 * kernel and number of threads against each other bit for bit. */
#include "unit/expect.h"

#include <math.h>

#include "fl/buckets.h"
#include "fl/kernel.h"
#include "oracle/naive_fl.h"

#define OK(call)   assert_int_equal((call), KS_OK)
#define ROWS       41
#define PARAMS_MAX 5003

static float numbers[ROWS][PARAMS_MAX];
static double exact[ROWS][PARAMS_MAX];
static float *rows[ROWS];
static const float *views[ROWS];
static double *exact_rows[ROWS];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = numbers[i];
        views[i] = numbers[i];
        exact_rows[i] = exact[i];
    }
    return 0;
}

/* Honest clients: one direction, and each its own noise. */
static void fill(size_t count, size_t params, double noise, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < params; j++) {
            numbers[i][j] =
                (float)(fl_normal(1, j) + noise * fl_normal(seed + 2, i * params + j));
        }
    }
}

static struct ks_fl_robust_input input_of(size_t count, size_t params)
{
    return (struct ks_fl_robust_input){.rows = {views, count, params}};
}

static void take_exact(size_t count, size_t params)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < params; j++) {
            exact[i][j] = (double)numbers[i][j];
        }
    }
}

static struct ks_fl_robust rule_of(enum ks_fl_rule rule, size_t count)
{
    struct ks_fl_robust robust = {
        .rule = rule,
        .attackers = (unsigned)(rule == KS_FL_BULYAN ? (count - 3) / 4 : (count - 3) / 2),
        .iterations = 5,
        .radius = 7,
        .smoothing = 1e-3,
    };

    robust.keep = (unsigned)count - robust.attackers - 2;
    return robust;
}

static void rules_agree_with_naive_ones(void **state)
{
    static const size_t counts[] = {3, 4, 7, 11, 16, 25, 41};
    static const size_t widths[] = {1, 31, 32, 33, 1030};
    static float out[PARAMS_MAX];
    static double want[PARAMS_MAX];
    static float start[PARAMS_MAX];
    static double exact_start[PARAMS_MAX];

    (void)state;
    for (size_t j = 0; j < PARAMS_MAX; j++) {
        start[j] = (float)fl_normal(1, j) + 0.1f;
        exact_start[j] = (double)start[j];
    }
    for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
                const struct ks_fl_robust robust = rule_of((enum ks_fl_rule)rule, counts[c]);
                struct ks_fl_robust_input input = input_of(counts[c], widths[w]);

                fill(counts[c], widths[w], 1, c * 100 + w);
                take_exact(counts[c], widths[w]);
                input.center = w % 2 == 0 ? NULL : start;
                input.root = start;
                OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL));
                naive_robust(&robust, exact_rows, counts[c], widths[w],
                             input.center == NULL ? NULL : exact_start, exact_start, want);
                for (size_t j = 0; j < widths[w]; j++) {
                    if (!(fabs((double)out[j] - want[j]) <= 1e-5 * (1 + fabs(want[j])))) {
                        print_error("%s: %zu rows, %zu of %zu: %.9g, not %.9g\n",
                                    ks_fl_rule_word(robust.rule), counts[c], j, widths[w],
                                    (double)out[j], want[j]);
                        fail();
                    }
                }
            }
        }
    }
}

static void threads_change_no_bit(void **state)
{
    const size_t count = 25;
    static float want[PARAMS_MAX];
    static float got[PARAMS_MAX];
    struct ks_fl_score scores[2][ROWS];

    (void)state;
    fill(count, PARAMS_MAX, 1, 9);
    for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
        const struct ks_fl_robust robust = rule_of((enum ks_fl_rule)rule, count);
        struct ks_fl_robust_input input = input_of(count, PARAMS_MAX);

        input.root = numbers[3];
        ks_zero(scores, sizeof scores);
        OK(ks_fl_robust_aggregate(&robust, &input, NULL, want, scores[0]));
        for (unsigned threads = 2; threads <= 5; threads += 3) {
            struct ks_pool *pool = NULL;

            OK(ks_pool_new(threads, &pool));
            OK(ks_fl_robust_aggregate(&robust, &input, pool, got, scores[1]));
            assert_memory_equal(got, want, sizeof want);
            for (size_t i = 0; i < count; i++) {
                assert_true(scores[0][i].score == scores[1][i].score &&
                            scores[0][i].reason == scores[1][i].reason &&
                            scores[0][i].share == scores[1][i].share);
            }
            ks_pool_free(pool);
        }
    }
}

static void expect_kernels_alike(const struct ks_fl_kernels *a, const struct ks_fl_kernels *b)
{
    static int32_t keys[2][37 * KS_FL_COLUMNS];
    static double sums[2][KS_FL_PIECE];
    const float *others[KS_FL_PAIRS] = {numbers[1], numbers[2], numbers[3], numbers[4]};

    for (size_t count = 1; count <= KS_FL_PIECE; count += count < 40 ? 1 : 41) {
        double apart[2][KS_FL_PAIRS] = {{0}};

        assert_true(a->dot(numbers[0], numbers[1], count) ==
                    b->dot(numbers[0], numbers[1], count));
        assert_true(a->distance(numbers[0], numbers[1], count) ==
                    b->distance(numbers[0], numbers[1], count));
        a->pairs(numbers[0], others, count, apart[0]);
        b->pairs(numbers[0], others, count, apart[1]);
        assert_memory_equal(apart[0], apart[1], sizeof apart[0]);
        a->weigh(numbers[2], 0.3, count, sums[0]);
        b->weigh(numbers[2], 0.3, count, sums[1]);
        assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    }
    for (size_t count = 1; count <= 37; count++) {
        ks_copy(keys[0], numbers[5], sizeof keys[0]);
        ks_copy(keys[1], numbers[5], sizeof keys[1]);
        a->sort(keys[0], count);
        b->sort(keys[1], count);
        assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
        for (size_t i = KS_FL_COLUMNS; i < count * KS_FL_COLUMNS; i++) {
            assert_true(keys[0][i - KS_FL_COLUMNS] <= keys[0][i]);
        }
        assert_int_equal(a->within(keys[0], keys[1], keys[0] + (count - 1) * KS_FL_COLUMNS),
                         b->within(keys[0], keys[1], keys[0] + (count - 1) * KS_FL_COLUMNS));
    }
}

static void kernels_give_the_same_bits(void **state)
{
    const struct ks_fl_kernels *portable = NULL;

    (void)state;
    fill(6, PARAMS_MAX, 1, 3);
    OK(ks_fl_kernels_find("portable", &portable));
    for (const struct ks_fl_kernel_choice *choice = ks_fl_kernel_choices;
         choice->kernels != NULL; choice++) {
        if (choice->usable()) {
            expect_kernels_alike(portable, choice->kernels);
        }
    }
    expect_failure(ks_fl_kernels_find("abacus", &portable), KS_ERR_NOT_FOUND, "'abacus'");
}

/* Of four points in convex position the geometric median is where the diagonals cross; of
 * three, one of which sees the others under 120 degrees or more, it is that one (Fermat,
 * Fagnano). */
static void geometric_medians_are_where_geometry_has_them(void **state)
{
    static const float four[4][2] = {{0, 0}, {4, 0}, {6, 6}, {0, 3}};
    static const float three[3][2] = {{-2, 0}, {0, 0.1f}, {2, 0}};
    const struct ks_fl_robust robust = {
        .rule = KS_FL_RFA, .attackers = 1, .iterations = 1000, .smoothing = 1e-9};
    float out[2];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        ks_copy(numbers[i], four[i], sizeof four[i]);
    }
    {
        const struct ks_fl_robust_input input = input_of(4, 2);

        /* (0, 0)-(6, 6) and (4, 0)-(0, 3): x = 3 - 3/4 x. */
        OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL));
        assert_true(fabs((double)out[0] - 12.0 / 7) < 1e-5);
        assert_true(fabs((double)out[1] - 12.0 / 7) < 1e-5);
    }
    for (size_t i = 0; i < 3; i++) {
        ks_copy(numbers[i], three[i], sizeof three[i]);
    }
    {
        const struct ks_fl_robust_input input = input_of(3, 2);

        OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL));
        assert_true(fabs((double)out[0]) < 1e-3);
        assert_true(fabs((double)out[1] - 0.1) < 1e-3);
    }
}

/* By hand: what each rule takes from five numbers on a line. */
static void small_examples_come_out_as_by_hand(void **state)
{
    static const float line[5] = {1, 2, 4, 5, 100};
    static const struct {
        enum ks_fl_rule rule;
        unsigned attackers;
        unsigned keep;
        double want;
    } cases[] = {
        {KS_FL_MEAN, 0, 0, 22.4},
        {KS_FL_MEDIAN, 2, 0, 4},
        {KS_FL_TRIMMED_MEAN, 1, 0, 11.0 / 3},
        /* Two neighbours: 1 has 1 + 9, 2 has 1 + 4, 4 has 1 + 4, 5 has 1 + 9. */
        {KS_FL_KRUM, 1, 0, 2},
        {KS_FL_MULTI_KRUM, 1, 2, 3},
        /* From 0, radius 10, one step: (1 + 2 + 4 + 5 + 10) / 5. */
        {KS_FL_CENTERED_CLIP, 1, 0, 4.4},
    };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        numbers[i][0] = line[i];
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_fl_robust robust = {.rule = cases[i].rule,
                                            .attackers = cases[i].attackers,
                                            .keep = cases[i].keep,
                                            .iterations = 1,
                                            .radius = 10};
        const struct ks_fl_robust_input input = input_of(5, 1);
        float out = 0;

        OK(ks_fl_robust_aggregate(&robust, &input, NULL, &out, NULL));
        assert_true((double)fabsf(out - (float)cases[i].want) < 1e-6 * cases[i].want);
    }
}

/* --- attackers ---------------------------------------------------------------------------- */

#define HONEST    20
#define ATTACKERS 5
#define CLIENTS   (HONEST + ATTACKERS)
#define WIDE      500

static double error_of(const float *out, const double *honest)
{
    double sum = 0;
    double norm = 0;

    for (size_t j = 0; j < WIDE; j++) {
        sum += ((double)out[j] - honest[j]) * ((double)out[j] - honest[j]);
        norm += honest[j] * honest[j];
    }
    return sqrt(sum / norm);
}

static void honest_mean(double *out)
{
    for (size_t j = 0; j < WIDE; j++) {
        out[j] = 0;
        for (size_t i = 0; i < HONEST; i++) {
            out[j] += (double)numbers[i][j] / HONEST;
        }
    }
}

/* Every attacker's score is above every honest client's, for one of two reasons. */
static void expect_suspects(const struct ks_fl_score *scores, enum ks_fl_suspicion reason,
                            enum ks_fl_suspicion other)
{
    for (size_t i = HONEST; i < CLIENTS; i++) {
        assert_true(scores[i].reason == reason || scores[i].reason == other);
        for (size_t k = 0; k < HONEST; k++) {
            assert_true(scores[i].score > scores[k].score);
        }
    }
}

static void attackers_do_not_move_robust_rules(void **state)
{
    static const struct {
        enum fl_attack attack;
        double strength;
        double mean_error; /* that the plain mean has, at least */
    } attacks[] = {
        {FL_ATTACK_SIGN_FLIP, 10, 1}, {FL_ATTACK_IPM, 8, 1},   {FL_ATTACK_GAUSSIAN, 40, 1},
        {FL_ATTACK_ALIE, 0, 0},       {FL_ATTACK_MIMIC, 0, 0}, {FL_ATTACK_IPM, 0.1, 0.1},
    };
    static double honest[WIDE];
    static float out[WIDE];
    struct ks_fl_score scores[CLIENTS];

    (void)state;
    for (size_t a = 0; a < sizeof attacks / sizeof attacks[0]; a++) {
        for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
            const struct ks_fl_robust robust = {
                .rule = (enum ks_fl_rule)rule, .attackers = ATTACKERS, .radius = 15};
            struct ks_fl_robust_input input = input_of(CLIENTS, WIDE);
            static float root[WIDE];
            const double strength = attacks[a].attack == FL_ATTACK_ALIE
                                        ? fl_alie_strength(CLIENTS, ATTACKERS)
                                        : attacks[a].strength;

            fill(CLIENTS, WIDE, 0.5, 7);
            honest_mean(honest);
            fl_attack(attacks[a].attack, rows, HONEST, CLIENTS, WIDE, strength, 5);
            for (size_t j = 0; j < WIDE; j++) {
                root[j] = (float)(fl_normal(1, j) + 0.2 * fl_normal(77, j));
            }
            input.root = root;
            OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, scores));
            if (rule == KS_FL_MEAN) {
                assert_true(error_of(out, honest) >= attacks[a].mean_error);
                continue;
            }
            if (!(error_of(out, honest) < (rule == KS_FL_KRUM ? 0.65 : 0.5))) {
                print_error("%s, attack %zu: error %g\n", ks_fl_rule_word(robust.rule), a,
                            error_of(out, honest));
                fail();
            }
            if (attacks[a].attack == FL_ATTACK_SIGN_FLIP) {
                expect_suspects(scores, KS_FL_SUSPICION_NORM, KS_FL_SUSPICION_DISTANCE);
            }
            if (attacks[a].attack == FL_ATTACK_IPM && strength < 1) {
                expect_suspects(scores, KS_FL_SUSPICION_DIRECTION, KS_FL_SUSPICION_CLOSENESS);
            }
        }
    }
}

static void shares_add_up_to_one(void **state)
{
    static float out[WIDE];
    struct ks_fl_score scores[CLIENTS];

    (void)state;
    fill(CLIENTS, WIDE, 0.5, 7);
    for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
        const struct ks_fl_robust robust = {.rule = (enum ks_fl_rule)rule,
                                            .attackers = ATTACKERS};
        struct ks_fl_robust_input input = input_of(CLIENTS, WIDE);
        double sum = 0;

        input.root = numbers[0];
        OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, scores));
        for (size_t i = 0; i < CLIENTS; i++) {
            assert_true(scores[i].share >= 0);
            sum += scores[i].share;
        }
        assert_true(fabs(sum - 1) < 1e-12);
    }
}

/* FLTrust one update at a time, into an accumulator, is FLTrust but for its rounding. */
static void fltrust_streams(void **state)
{
    const struct ks_fl_robust robust = {.rule = KS_FL_FLTRUST};
    const struct ks_fl_accumulator_params params = {
        .params = WIDE, .width = 64, .fraction_bits = 24, .members_max = CLIENTS};
    struct ks_fl_robust_input input = input_of(CLIENTS, WIDE);
    struct ks_fl_accumulator *sum = NULL;
    static float want[WIDE];
    static float got[WIDE];

    (void)state;
    fill(CLIENTS, WIDE, 0.5, 7);
    fl_attack(FL_ATTACK_SIGN_FLIP, rows, HONEST, CLIENTS, WIDE, 3, 0);
    input.root = numbers[0];
    OK(ks_fl_robust_aggregate(&robust, &input, NULL, want, NULL));
    OK(ks_fl_accumulator_new(&params, &sum));
    for (size_t i = 0; i < CLIENTS; i++) {
        struct ks_fl_member member = {.client = {(uint8_t)i}};
        double scale = 0;

        ks_fl_trust(numbers[i], numbers[0], WIDE, NULL, &member.weight, &scale);
        assert_true((member.weight > 0) == (i < HONEST));
        if (member.weight > 0) {
            OK(ks_fl_accumulator_add(sum, &member, numbers[i], scale, NULL));
        }
    }
    OK(ks_fl_accumulator_mean(sum, 0, got));
    for (size_t j = 0; j < WIDE; j++) {
        assert_true(fabs((double)(got[j] - want[j])) < 1e-4);
    }
    ks_fl_accumulator_free(sum);
}

static void norm_bounds_bound_norms(void **state)
{
    static float bounded[WIDE];

    (void)state;
    fill(1, WIDE, 1, 1);
    ks_copy(bounded, numbers[0], sizeof bounded);
    assert_true(ks_fl_bound_norm(bounded, WIDE, 1e6, NULL) == 1);
    assert_memory_equal(bounded, numbers[0], sizeof bounded);
    assert_true(ks_fl_bound_norm(bounded, WIDE, 2.5, NULL) < 1);
    assert_true(fabs(sqrt(ks_fl_norm_squared(bounded, WIDE, NULL)) - 2.5) < 1e-6);
    assert_true(ks_fl_norm_scale(3, 0) == 1);
}

/* What norms alone say: the same as a rule says of rows that differ in nothing else. */
static void norms_alone_tell_who_stands_out(void **state)
{
    static const double norms[] = {1, 1.02, 0.98, 1.01, 0.99, 5, 1};
    static const double equal[] = {2, 2, 2};
    struct ks_fl_score scores[7];
    double scratch[7];

    (void)state;
    ks_fl_score_norms(norms, 7, scratch, scores);
    for (size_t i = 0; i < 7; i++) {
        assert_true(scores[i].norm == norms[i]);
        assert_true(i == 5 || scores[i].score < 3);
    }
    /* Median 1; deviations .02 .02 .01 .01 0 4 0, of which .01 is in the middle. */
    assert_true(fabs(scores[5].score - 4 / (1.4826 * 0.01)) < 1e-6);
    assert_int_equal(scores[5].reason, KS_FL_SUSPICION_NORM);
    ks_fl_score_norms(equal, 3, scratch, scores);
    assert_true(scores[0].score == 0 && scores[0].reason == KS_FL_SUSPICION_NONE);
    ks_fl_score_norms(equal, 1, scratch, scores);
    assert_true(scores[0].score == 0);
    ks_fl_score_norms(NULL, 0, NULL, NULL);
}

/* --- buckets ------------------------------------------------------------------------------ */

static void buckets_are_dealt_evenly_and_by_the_seed(void **state)
{
    const struct ks_fl_buckets_params params = {
        .sum = {.params = 3, .width = 64, .fraction_bits = 24},
        .clients = 25,
        .size = 2,
        .seed = 42,
    };
    struct ks_fl_buckets *buckets = NULL;
    size_t counts[13] = {0};
    bool moved = false;

    (void)state;
    OK(ks_fl_buckets_new(&params, &buckets));
    assert_int_equal(ks_fl_buckets_count(buckets), 13);
    for (size_t i = 0; i < 25; i++) {
        counts[ks_fl_buckets_of(buckets, i)]++;
        moved = moved || ks_fl_buckets_of(buckets, i) != i / 2;
    }
    for (size_t i = 0; i < 13; i++) {
        assert_int_equal(counts[i], i < 12 ? 2 : 1);
    }
    assert_true(moved);
    for (size_t i = 0; i < 25; i += 3) { /* the others drop out */
        const struct ks_fl_member member = {.client = {(uint8_t)i}, .weight = 1};
        const float value[3] = {(float)i, 1, -1};

        OK(ks_fl_buckets_add(buckets, i, &member, value, 1, NULL));
        expect_failure(ks_fl_buckets_add(buckets, i, &member, value, 1, NULL), KS_ERR_CONFLICT,
                       "member");
    }
    {
        float means[13][3];
        size_t which[13];
        size_t count = 0;

        OK(ks_fl_buckets_means(buckets, means[0], which, &count));
        assert_true(count >= 5 && count <= 9);
        for (size_t i = 0; i < count; i++) {
            double sum = 0;
            double members = 0;

            for (size_t k = 0; k < 25; k += 3) {
                if (ks_fl_buckets_of(buckets, k) == which[i]) {
                    sum += (double)k;
                    members++;
                }
            }
            assert_true(fabs((double)means[i][0] - sum / members) < 1e-5);
            assert_true(means[i][1] == 1 && means[i][2] == -1);
        }
    }
    ks_fl_buckets_free(buckets);
}

static void bucketing_lets_krum_use_heterogeneous_clients(void **state)
{
    const struct ks_fl_buckets_params params = {
        .sum = {.params = WIDE, .width = 64, .fraction_bits = 20},
        .clients = CLIENTS,
        .size = 2,
        .seed = 3,
    };
    const struct ks_fl_robust robust = {.rule = KS_FL_KRUM, .attackers = ATTACKERS};
    static double honest[WIDE];
    static float means[13][WIDE];
    static float out[WIDE];
    const float *bucket_views[13];
    struct ks_fl_robust_input input = input_of(CLIENTS, WIDE);
    struct ks_fl_buckets *buckets = NULL;
    size_t which[13];
    size_t count = 0;
    double alone = 0;

    (void)state;
    fill(CLIENTS, WIDE, 1.5, 8);
    honest_mean(honest);
    fl_attack(FL_ATTACK_SIGN_FLIP, rows, HONEST, CLIENTS, WIDE, 1, 0);
    OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL));
    alone = error_of(out, honest);
    OK(ks_fl_buckets_new(&params, &buckets));
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct ks_fl_member member = {.client = {(uint8_t)i}, .weight = 1};

        OK(ks_fl_buckets_add(buckets, i, &member, numbers[i], 1, NULL));
    }
    OK(ks_fl_buckets_means(buckets, means[0], which, &count));
    assert_int_equal(count, 13);
    for (size_t i = 0; i < count; i++) {
        bucket_views[i] = means[i];
    }
    input.rows = (struct ks_fl_rows){bucket_views, count, WIDE};
    OK(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL));
    assert_true(error_of(out, honest) < alone);
    ks_fl_buckets_free(buckets);
}

/* --- what is refused ---------------------------------------------------------------------- */

static void needs_are_stated_before(void **state)
{
    static const struct {
        struct ks_fl_robust robust;
        size_t rows;
        size_t params;
        enum ks_err err;
    } cases[] = {
        {{.rule = KS_FL_BULYAN, .attackers = 5}, 23, 10, KS_OK},
        {{.rule = KS_FL_BULYAN, .attackers = 5}, 22, 10, KS_ERR_LIMIT},
        {{.rule = KS_FL_KRUM, .attackers = 5}, 13, 10, KS_OK},
        {{.rule = KS_FL_KRUM, .attackers = 5}, 12, 10, KS_ERR_LIMIT},
        {{.rule = KS_FL_MEDIAN, .attackers = 5}, 11, 10, KS_OK},
        {{.rule = KS_FL_MEDIAN, .attackers = 5}, 10, 10, KS_ERR_LIMIT},
        {{.rule = KS_FL_MULTI_KRUM, .attackers = 1, .keep = 3}, 5, 10, KS_ERR_USAGE},
        {{.rule = KS_FL_MULTI_KRUM, .attackers = 1, .keep = 2}, 5, 10, KS_OK},
        {{.rule = KS_FL_MEAN}, KS_FL_ROWS_MAX + 1, 10, KS_ERR_LIMIT},
        {{.rule = KS_FL_MEAN}, 1, 0, KS_ERR_LIMIT},
        {{.rule = KS_FL_MEAN}, 0, 1, KS_ERR_LIMIT},
        {{.rule = KS_FL_MEAN}, 1, KS_FL_PARAMS_MAX + 1, KS_ERR_LIMIT},
        {{.rule = KS_FL_RULES}, 1, 1, KS_ERR_USAGE},
        {{.rule = KS_FL_RFA, .smoothing = -1}, 1, 1, KS_ERR_USAGE},
        {{.rule = KS_FL_RFA, .smoothing = 0x1p-1074}, 1, 1, KS_ERR_USAGE},
        {{.rule = KS_FL_RFA, .smoothing = 0x1p-1022}, 1, 1, KS_ERR_USAGE},
        {{.rule = KS_FL_CENTERED_CLIP, .radius = -1}, 1, 1, KS_ERR_USAGE},
        {{.rule = KS_FL_RFA, .iterations = KS_FL_ITERATIONS_MAX + 1}, 1, 1, KS_ERR_LIMIT},
    };
    struct ks_fl_needs needs = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            ks_fl_robust_needs(&cases[i].robust, cases[i].rows, cases[i].params, &needs),
            cases[i].err);
    }
    OK(ks_fl_robust_needs(&cases[0].robust, 100, 1 << 20, &needs));
    assert_int_equal(needs.rows_min, 23);
    assert_true(needs.keeps_rows && needs.bytes > (uint64_t)100 * (1 << 20) * 4);
    OK(ks_fl_robust_needs(&cases[8].robust, 100, 1 << 20, &needs));
    assert_false(needs.keeps_rows);
    expect_failure(ks_fl_robust_needs(&cases[1].robust, 22, 10, &needs), KS_ERR_LIMIT,
                   "bulyan holds against 5 attackers with 23 updates or more; there are 22");
}

static void bad_rows_are_named(void **state)
{
    static float out[WIDE];
    const struct ks_fl_robust robust = {.rule = KS_FL_MEDIAN};
    const struct ks_fl_robust trust = {.rule = KS_FL_FLTRUST};
    struct ks_fl_robust_input input = input_of(5, WIDE);
    enum ks_fl_rule rule = KS_FL_MEAN;

    (void)state;
    fill(5, WIDE, 1, 1);
    expect_failure(ks_fl_robust_aggregate(&trust, &input, NULL, out, NULL), KS_ERR_USAGE,
                   "no root");
    fl_attack(FL_ATTACK_IPM, rows, 1, 5, WIDE, 1, 0);
    ks_copy(out, numbers[0], sizeof out);
    input.root = out;
    input.rows.rows = views + 1;
    input.rows.count = 4;
    {
        static float trusted[WIDE];

        expect_failure(ks_fl_robust_aggregate(&trust, &input, NULL, trusted, NULL),
                       KS_ERR_NOT_FOUND, "no update goes the way");
    }
    input.rows.rows = views;
    numbers[3][77] = NAN;
    expect_failure(ks_fl_robust_aggregate(&robust, &input, NULL, out, NULL), KS_ERR_FORMAT,
                   "update 3: parameter 77 is not a finite number");
    OK(ks_fl_rule_of(KS_LITERAL("centered-clip"), &rule));
    assert_int_equal(rule, KS_FL_CENTERED_CLIP);
    expect_failure(ks_fl_rule_of(KS_LITERAL("hope"), &rule), KS_ERR_USAGE, "'hope'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_agree_with_naive_ones),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(kernels_give_the_same_bits),
        cmocka_unit_test(geometric_medians_are_where_geometry_has_them),
        cmocka_unit_test(small_examples_come_out_as_by_hand),
        cmocka_unit_test(attackers_do_not_move_robust_rules),
        cmocka_unit_test(shares_add_up_to_one),
        cmocka_unit_test(fltrust_streams),
        cmocka_unit_test(norm_bounds_bound_norms),
        cmocka_unit_test(norms_alone_tell_who_stands_out),
        cmocka_unit_test(buckets_are_dealt_evenly_and_by_the_seed),
        cmocka_unit_test(bucketing_lets_krum_use_heterogeneous_clients),
        cmocka_unit_test(needs_are_stated_before),
        cmocka_unit_test(bad_rows_are_named),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
