/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The estimates and health tests of SP 800-90B: against values computed with arbitrary
 * precision (tools/vectors_entropy.py), against what NIST's tool prints, against the standard's
 * examples and tables, and on sources whose entropy is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <math.h>

#include "base/text.h"
#include "entropy/entropy.h"
#include "vector_files.h"

#define SAMPLE_MAX (9 * 1024 * 1024) /* bits of NIST's largest file */
#define WORDS_MAX  16

static struct ks_buf sample;

static struct ks_samples of_sample(unsigned width, uint64_t count)
{
    struct ks_samples samples = width == 8 ? ks_samples_bytes(ks_buf_view(&sample))
                                           : ks_samples_bits(ks_buf_view(&sample), count);

    assert_true(samples.count >= count);
    samples.count = count;
    return samples;
}

static uint64_t whole(const char *word)
{
    uint64_t value = 0;

    assert_int_equal(ks_text_u64(ks_bytes_text(word), UINT64_MAX, &value), KS_OK);
    return value;
}

/* libm is not exact to the last bit; NIST's tool loses some more to cancellation. */
#define TOLERANCE      1e-13
#define TOLERANCE_NIST 1e-11
static double tolerance;

static void expect_near(double got, const char *want_text)
{
    const double want = strtod(want_text, NULL);

    if (!(fabs(got - want) <= tolerance * fmax(fabs(want), 1e-3))) {
        fail_msg("%.17g, not %.17g", got, want);
    }
}

static void expect_mcv(struct ks_samples samples, char **want)
{
    struct ks_entropy_mcv got;

    assert_int_equal(ks_entropy_mcv(samples, &got), KS_OK);
    assert_int_equal(got.count, whole(want[0]));
    assert_true(got.p_max == (double)got.count / (double)samples.count);
    expect_near(got.p_upper, want[1]);
    expect_near(got.min_entropy, want[2]);
}

static void expect_collision(struct ks_samples samples, char **want)
{
    struct ks_entropy_collision got;

    assert_int_equal(ks_entropy_collision(samples, &got), KS_OK);
    assert_int_equal(got.collisions, whole(want[0]));
    assert_int_equal(got.waited, whole(want[1]));
    expect_near(got.mean_lower, want[2]);
    expect_near(got.p, want[3]);
    expect_near(got.min_entropy, want[4]);
}

static void expect_markov(struct ks_samples samples, char **want)
{
    struct ks_entropy_markov got;

    assert_int_equal(ks_entropy_markov(samples, &got), KS_OK);
    expect_near(got.p[0], want[0]);
    expect_near(got.p_next[0][0], want[1]);
    expect_near(got.p_next[1][0], want[2]);
    expect_near(got.p[0] + got.p[1], "1");
    expect_near(got.min_entropy, want[3]);
}

static void expect_health(struct ks_samples samples, const char *name, char **want)
{
    const struct ks_health_claim claim = {.entropy = strtod(want[0], NULL),
                                          .alpha_log2 = (unsigned)whole(want[1])};
    const struct ks_health got = name[0] == 'r' ? ks_health_repetition(samples, &claim)
                                                : ks_health_proportion(samples, &claim);

    assert_int_equal(got.cutoff, whole(want[2]));
    assert_int_equal(got.worst, whole(want[3]));
    assert_int_equal(got.alarms, whole(want[4]));
}

/* Calls TEST with the words of each line of a vector file. */
static unsigned each_line(const char *name, void (*test)(char **words, size_t count))
{
    struct ks_buf file;
    unsigned lines = 0;

    vector_read("entropy", name, &file);
    ks_buf_put_u8(&file, 0);
    for (char *line = (char *)file.data; *line != '\0'; lines++) {
        char *words[WORDS_MAX] = {NULL};
        size_t count = 0;
        char *next = strchr(line, '\n');

        assert_non_null(next);
        *next = '\0';
        for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
            assert_true(count < WORDS_MAX);
            words[count++] = word;
        }
        test(words, count);
        line = next + 1;
    }
    ks_buf_done(&file);
    return lines;
}

/* --- computed values ---------------------------------------------------------------------- */

static void value_line(char **words, size_t count)
{
    if (strcmp(words[0], "sample") == 0) {
        const size_t len = strlen(words[1]) / 2;

        ks_buf_clear(&sample);
        assert_int_equal(
            ks_hex_decode(ks_bytes_text(words[1]), ks_buf_reserve(&sample, len), len), KS_OK);
        ks_buf_grew(&sample, len);
        return;
    }
    assert_true(count >= 6);
    const struct ks_samples samples = of_sample((unsigned)whole(words[1]), whole(words[2]));

    if (strcmp(words[0], "mcv") == 0) {
        expect_mcv(samples, words + 3);
    } else if (strcmp(words[0], "collision") == 0) {
        expect_collision(samples, words + 3);
    } else if (strcmp(words[0], "markov") == 0) {
        expect_markov(samples, words + 3);
    } else {
        expect_health(samples, words[0], words + 3);
    }
}

static void test_values(void **state)
{
    (void)state;
    tolerance = TOLERANCE;
    assert_true(each_line("values.txt", value_line) > 600);
}

/* --- NIST's tool ---------------------------------------------------------------------------
 */

static void put_bit(uint64_t *at, unsigned bit)
{
    sample.data[*at / 8] |= (uint8_t)(bit << (7 - *at % 8));
    (*at)++;
}

static void clear_sample(size_t len)
{
    ks_buf_clear(&sample);
    assert_non_null(ks_buf_reserve(&sample, len));
    ks_zero(sample.data, len);
    ks_buf_grew(&sample, len);
}

/* A sequence of bits or bytes whose most common value comes MODE times. */
static struct ks_samples with_mode(unsigned width, uint64_t count, uint64_t mode)
{
    uint64_t at = 0;

    clear_sample((size_t)(width == 8 ? count : count / 8 + 1));
    for (uint64_t i = mode; i < count; i++) {
        if (width == 8) {
            sample.data[i] = (uint8_t)(1 + i % 255);
        } else {
            at = i;
            put_bit(&at, 1);
        }
    }
    return of_sample(width, count);
}

/* COUNT bits with V collisions that take SUM bits. */
static struct ks_samples with_collisions(uint64_t count, uint64_t v, uint64_t sum)
{
    uint64_t at = 0;

    clear_sample((size_t)count / 8 + 1);
    for (uint64_t i = 0; i < v; i++) {
        if (i < sum - 2 * v) {
            put_bit(&at, 0);
            put_bit(&at, 1);
            put_bit(&at, 1);
        } else {
            put_bit(&at, 1);
            put_bit(&at, 1);
        }
    }
    assert_int_equal(at, sum);
    assert_true(count - sum < 3);
    if (count - sum == 2) {
        put_bit(&at, 1); /* and 0: two bits that do not collide */
    }
    return of_sample(1, count);
}

/* Bits that begin with FIRST and have these pairs, the equal ones all in the first runs. */
static struct ks_samples with_pairs(uint64_t count, unsigned first, const uint64_t same[2],
                                    uint64_t changes)
{
    uint64_t at = 0;
    unsigned bit = first;

    clear_sample((size_t)count / 8 + 1);
    for (uint64_t run = 0; run <= changes; run++) {
        for (uint64_t i = 0; i <= (run < 2 ? same[bit] : 0); i++) {
            put_bit(&at, bit);
        }
        bit = 1 - bit;
    }
    assert_int_equal(at, count);
    return of_sample(1, count);
}

static void nist_line(char **words, size_t count)
{
    if (strcmp(words[0], "file") == 0) {
        return;
    }
    assert_true(count >= 6);
    const uint64_t samples = whole(words[2]);

    if (strcmp(words[0], "mcv") == 0) {
        expect_mcv(with_mode((unsigned)whole(words[1]), samples, whole(words[3])), words + 3);
    } else if (strcmp(words[0], "collision") == 0) {
        expect_collision(with_collisions(samples, whole(words[3]), whole(words[4])), words + 3);
    } else {
        const uint64_t same[2] = {whole(words[4]), whole(words[7])};

        expect_markov(with_pairs(samples, (unsigned)whole(words[3]), same,
                                 whole(words[5]) + whole(words[6])),
                      words + 8);
    }
}

static void test_nist(void **state)
{
    (void)state;
    tolerance = TOLERANCE_NIST;
    assert_true(each_line("nist.txt", nist_line) >= 50);
}

/* --- the standard --------------------------------------------------------------------------
 */

static void test_examples(void **state)
{
    const uint8_t symbols[] = {0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1};
    const uint8_t bits[] = {0x8e, 0x55, 0xcc, 0x72, 0xae};
    struct ks_entropy_mcv mcv;
    struct ks_entropy_collision collision;
    struct ks_entropy_markov markov;

    (void)state;
    assert_int_equal(ks_entropy_mcv(ks_samples_bytes(KS_BYTES(symbols)), &mcv), KS_OK);
    assert_true(mcv.p_max == 0.4);
    /* The standard rounds the quantile to 2.576. */
    assert_true(fabs(mcv.p_upper - 0.6895) < 1e-4 && fabs(mcv.min_entropy - 0.5363) < 1e-4);
    assert_int_equal(ks_entropy_collision(ks_samples_bits(KS_BYTES(bits), 40), &collision),
                     KS_OK);
    assert_int_equal(collision.collisions, 14);
    assert_true(fabs(collision.mean_lower - 2.3915) < 1e-4);
    assert_true(fabs(collision.p - 0.7329) < 1e-4);
    assert_true(fabs(collision.min_entropy - 0.4483) < 1e-4);
    assert_int_equal(ks_entropy_markov(ks_samples_bits(KS_BYTES(bits), 40), &markov), KS_OK);
    assert_true(fabs(markov.p[0] - 0.475) < 5e-4 && fabs(markov.p_next[0][0] - 0.389) < 5e-4);
    assert_true(fabs(markov.p_next[1][0] - 0.571) < 5e-4);
    assert_true(fabs(markov.min_entropy - 0.761) < 5e-4);
}

/* The cutoffs that §4.4.2 prints for alpha = 2^-20. */
static void test_cutoffs(void **state)
{
    static const struct {
        unsigned width;
        double entropy;
        uint64_t cutoff;
    } table[] = {
        {1, 0.2, 941}, {1, 0.4, 840}, {1, 0.6, 748}, {1, 0.8, 664}, {1, 1, 589},
        {8, 0.5, 410}, {8, 1, 311},   {8, 2, 177},   {8, 4, 62},    {8, 8, 13},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct ks_samples none = {.width = table[i].width};
        const struct ks_health_claim claim = {.entropy = table[i].entropy, .alpha_log2 = 20};

        assert_int_equal(ks_health_proportion(none, &claim).cutoff, table[i].cutoff);
    }
    /* "if alpha = 2^-20 and H = 2.0, C = 11": §4.4.1's formula. */
    const struct ks_health_claim claim = {.entropy = 2, .alpha_log2 = 20};

    assert_int_equal(ks_health_repetition((struct ks_samples){.width = 8}, &claim).cutoff, 11);
}

/* --- sources whose entropy is known --------------------------------------------------------
 */

#define KNOWN_BITS 4000000

static double unit_random(uint64_t *seed)
{
    return (double)(next_random(seed) >> 11) * 0x1p-53;
}

/* Bits of which P_ONE are 1, and which repeat the one before with STAY if that is not 0. */
static struct ks_samples known_source(double p_one, double stay)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t at = 0;
    unsigned bit = 1;

    clear_sample(KNOWN_BITS / 8);
    while (at < KNOWN_BITS) {
        bit = stay == 0 ? unit_random(&seed) < p_one
                        : (unit_random(&seed) < stay ? bit : 1 - bit);
        put_bit(&at, bit);
    }
    return of_sample(1, KNOWN_BITS);
}

/* Never above the truth by more than chance, and not far below it. */
static void expect_between(double got, double truth, double slack)
{
    if (!(got <= truth + 1e-3 && got >= truth - slack)) {
        fail_msg("%.6f bits, the source has %.6f", got, truth);
    }
}

static void test_biased(void **state)
{
    static const double p_ones[] = {0.5, 0.55, 0.7, 0.1, 0.99};
    struct ks_entropy_mcv mcv;
    struct ks_entropy_collision collision;
    struct ks_entropy_markov markov;

    (void)state;
    for (size_t i = 0; i < sizeof p_ones / sizeof p_ones[0]; i++) {
        const struct ks_samples samples = known_source(p_ones[i], 0);
        const double truth = -log2(fmax(p_ones[i], 1 - p_ones[i]));

        assert_int_equal(ks_entropy_mcv(samples, &mcv), KS_OK);
        expect_between(mcv.min_entropy, truth, 0.003);
        assert_int_equal(ks_entropy_markov(samples, &markov), KS_OK);
        expect_between(markov.min_entropy, truth, 0.003);
        /* At p = 1/2 the mean has slope 0 in p: no sample makes this estimate sharp there. */
        assert_int_equal(ks_entropy_collision(samples, &collision), KS_OK);
        expect_between(collision.min_entropy, truth, p_ones[i] == 0.5 ? 0.08 : 0.02);
    }
}

/* A chain that keeps its bit with probability s has -log2(max(s, 1 - s)) bits in the long run;
 * only the Markov estimate can see it. */
static void test_chain(void **state)
{
    static const double stays[] = {0.6, 0.9, 0.2};
    struct ks_entropy_mcv mcv;
    struct ks_entropy_markov markov;

    (void)state;
    for (size_t i = 0; i < sizeof stays / sizeof stays[0]; i++) {
        const struct ks_samples samples = known_source(0, stays[i]);
        const double rate = -log2(fmax(stays[i], 1 - stays[i]));

        assert_int_equal(ks_entropy_markov(samples, &markov), KS_OK);
        /* The first of the 128 bits is a fair one. */
        expect_between(markov.min_entropy, (1 + 127 * rate) / 128, 0.003);
        assert_int_equal(ks_entropy_mcv(samples, &mcv), KS_OK);
        assert_true(mcv.min_entropy > 0.98);
    }
}

/* Bytes with one value of 1/4 and the others equal have 2 bits. */
static void test_biased_bytes(void **state)
{
    uint64_t seed = 7;
    struct ks_entropy_mcv mcv;

    (void)state;
    clear_sample(1000000);
    for (size_t i = 0; i < 1000000; i++) {
        const uint64_t word = next_random(&seed) >> 8;

        sample.data[i] = word % 4 == 0 ? 0x5a : (uint8_t)(word >> 8);
    }
    assert_int_equal(ks_entropy_mcv(of_sample(8, 1000000), &mcv), KS_OK);
    expect_between(mcv.min_entropy, -log2(0.25 + 0.75 / 256), 0.02);
}

/* --- degenerate samples --------------------------------------------------------------------
 */

static void test_too_few(void **state)
{
    const uint8_t bytes[1] = {0x40}; /* 01…: no collision in two bits */
    struct ks_entropy_mcv mcv = {.count = 77};
    struct ks_entropy_collision collision = {.collisions = 77};
    struct ks_entropy_markov markov = {.min_entropy = 77};

    (void)state;
    for (uint64_t count = 0; count < 2; count++) {
        const struct ks_samples bits = ks_samples_bits(KS_BYTES(bytes), count);

        expect_failure(ks_entropy_mcv(bits, &mcv), KS_ERR_LIMIT, "at least 2");
        expect_failure(ks_entropy_markov(bits, &markov), KS_ERR_LIMIT, "at least 2");
        expect_failure(ks_entropy_collision(bits, &collision), KS_ERR_LIMIT, "at least 2");
    }
    expect_failure(ks_entropy_mcv(ks_samples_bytes((struct ks_bytes){NULL, 0}), &mcv),
                   KS_ERR_LIMIT, "0 samples");
    expect_failure(ks_entropy_collision(ks_samples_bits(KS_BYTES(bytes), 2), &collision),
                   KS_ERR_LIMIT, "fewer than 2 collisions");
    expect_failure(ks_entropy_collision(ks_samples_bits(KS_BYTES(bytes), 3), &collision),
                   KS_ERR_LIMIT, "fewer than 2 collisions");
    assert_int_equal(ks_entropy_collision(ks_samples_bits(KS_BYTES(bytes), 6), &collision),
                     KS_OK);
    assert_true(mcv.count == 77 && markov.min_entropy == 77);
}

static void test_constant(void **state)
{
    static const uint8_t zeros[1024] = {0};
    const struct ks_samples bits = ks_samples_bits(KS_BYTES(zeros), 8192);
    const struct ks_samples bytes = ks_samples_bytes(KS_BYTES(zeros));
    const struct ks_health_claim claim = {.entropy = 1, .alpha_log2 = 20};
    struct ks_entropy_mcv mcv;
    struct ks_entropy_collision collision;
    struct ks_entropy_markov markov;

    (void)state;
    assert_int_equal(ks_entropy_mcv(bytes, &mcv), KS_OK);
    assert_true(mcv.min_entropy == 0 && !signbit(mcv.min_entropy) && mcv.p_upper == 1);
    assert_int_equal(ks_entropy_collision(bits, &collision), KS_OK);
    assert_true(collision.min_entropy == 0 && collision.p == 1 && collision.mean_lower == 2);
    assert_int_equal(ks_entropy_markov(bits, &markov), KS_OK);
    assert_true(markov.min_entropy == 0 && !signbit(markov.min_entropy));
    /* One run, so one alarm; each window its own. */
    assert_int_equal(ks_health_repetition(bits, &claim).alarms, 1);
    assert_int_equal(ks_health_repetition(bits, &claim).worst, 8192);
    assert_int_equal(ks_health_proportion(bits, &claim).alarms, 8);
    assert_int_equal(ks_health_proportion(bytes, &claim).alarms, 2);
    assert_int_equal(ks_health_proportion(bytes, &claim).worst, 512);
}

/* 0101…: each wait takes three bits, more than any bias explains; the chain gives it away. */
static void test_alternating(void **state)
{
    uint8_t bytes[512];
    struct ks_entropy_collision collision;
    struct ks_entropy_markov markov;

    (void)state;
    memset(bytes, 0x55, sizeof bytes);
    assert_int_equal(ks_entropy_collision(ks_samples_bits(KS_BYTES(bytes), 4096), &collision),
                     KS_OK);
    assert_true(collision.p == 0.5 && collision.min_entropy == 1);
    assert_int_equal(ks_entropy_markov(ks_samples_bits(KS_BYTES(bytes), 4096), &markov), KS_OK);
    assert_true(markov.min_entropy == 1.0 / 128);
}

static void test_health_edges(void **state)
{
    const uint8_t run[] = {9, 9, 9, 1, 9, 9, 9, 9, 2, 2, 2};
    const struct ks_health_claim three = {.entropy = 8, .alpha_log2 = 16}; /* cutoff 3 */
    const struct ks_health_claim tiny = {.entropy = 1e-300, .alpha_log2 = 40};
    const struct ks_health repetition =
        ks_health_repetition(ks_samples_bytes(KS_BYTES(run)), &three);
    const struct ks_health none =
        ks_health_proportion(ks_samples_bytes((struct ks_bytes){NULL, 0}), &three);

    (void)state;
    assert_int_equal(repetition.cutoff, 3);
    assert_int_equal(repetition.worst, 4);
    assert_int_equal(repetition.alarms, 3);
    assert_true(none.worst == 0 && none.alarms == 0);
    /* A source that promises nothing is never blamed. */
    assert_true(ks_health_repetition(ks_samples_bytes(KS_BYTES(run)), &tiny).cutoff ==
                UINT64_MAX);
    assert_int_equal(ks_health_proportion(ks_samples_bytes(KS_BYTES(run)), &tiny).cutoff, 513);
}

static void call_bits_beyond(void *argument)
{
    (void)ks_samples_bits(KS_LITERAL("x"), 9);
    (void)argument;
}

static void call_collision_of_bytes(void *argument)
{
    struct ks_entropy_collision collision;

    (void)!ks_entropy_collision(ks_samples_bytes(KS_LITERAL("xy")), &collision);
    (void)argument;
}

static void call_claim_too_large(void *argument)
{
    const struct ks_health_claim claim = {.entropy = 1.5, .alpha_log2 = 20};

    (void)ks_health_repetition(ks_samples_bits(KS_LITERAL("x"), 8), &claim);
    (void)argument;
}

static void test_asserted(void **state)
{
    (void)state;
    assert_true(aborts(call_bits_beyond, NULL));
    assert_true(aborts(call_collision_of_bytes, NULL));
    assert_true(aborts(call_claim_too_large, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_nist),
        cmocka_unit_test(test_examples),     cmocka_unit_test(test_cutoffs),
        cmocka_unit_test(test_biased),       cmocka_unit_test(test_chain),
        cmocka_unit_test(test_biased_bytes), cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_constant),     cmocka_unit_test(test_alternating),
        cmocka_unit_test(test_health_edges), cmocka_unit_test(test_asserted),
    };

    ks_buf_init(&sample, SAMPLE_MAX);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ks_buf_done(&sample);
    return failed;
}
