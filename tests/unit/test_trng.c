/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The measurement on sources that the test makes: slow ones of known speed, broken ones, ones
 * that fail, and what stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <math.h>
#include <time.h>

#include "base/sys.h"
#include "cli/trng.h"

#define SAMPLE_LEN 100000

struct fake {
    uint64_t pause_us; /* of each request */
    unsigned calls;
    unsigned fail_at; /* the call that fails; 0: none */
    size_t len;       /* of the last request */
};

static enum ks_err read_fake(void *context, void *out, size_t len)
{
    struct fake *fake = context;
    const uint64_t end_us = ks_clock_monotonic_us() + fake->pause_us;

    fake->calls++;
    fake->len = len;
    if (fake->calls == fake->fail_at) {
        return ks_fail(KS_ERR_IO, "the source ended");
    }
    while (ks_clock_monotonic_us() < end_us) {
    }
    memset(out, 0, len);
    return KS_OK;
}

static bool never(void)
{
    return false;
}

static bool at_once(void)
{
    return true;
}

/* A busy machine makes a run slower, never faster than the source. */
static void test_measure(void **state)
{
    struct fake fakes[2] = {{.pause_us = 100}, {.pause_us = 2000}};
    const struct ks_trng_source sources[2] = {{"fast", read_fake, &fakes[0]},
                                              {"slow", read_fake, &fakes[1]}};
    const struct ks_trng_spec spec = {.runs = 4, .run_us = 1000, .stop = never};
    struct ks_trng_speed speeds[2];

    (void)state;
    assert_int_equal(ks_trng_measure(sources, 2, 500, &spec, speeds), KS_OK);
    for (size_t i = 0; i < 2; i++) {
        const double most = 500 * 1e6 / (double)fakes[i].pause_us;

        assert_int_equal(fakes[i].len, 500);
        assert_true(speeds[i].low <= speeds[i].median && speeds[i].median <= speeds[i].high);
        /* A start and an end in the same microsecond each. */
        assert_true(speeds[i].high <= most * 1.02 && speeds[i].high > most / 500);
        for (unsigned run = 0; run < spec.runs; run++) {
            const double speed =
                500 * 1e6 * (double)speeds[i].repeats / (double)speeds[i].run_us[run];

            assert_true(speed >= speeds[i].low * 0.999 && speed <= speeds[i].high * 1.001);
        }
    }
    /* 2 ms are long enough at the first attempt: one to warm up, then the runs. */
    assert_int_equal(speeds[1].repeats, 1);
    assert_int_equal(fakes[1].calls, 5);
    /* All doublings, then the runs. */
    assert_int_equal(fakes[0].calls, (2 + spec.runs) * speeds[0].repeats - 1);
}

static void test_median(void **state)
{
    struct fake fake = {.pause_us = 50};
    const struct ks_trng_source source = {"one", read_fake, &fake};
    struct ks_trng_speed speed;

    (void)state;
    for (unsigned runs = 1; runs <= 6; runs++) {
        const struct ks_trng_spec spec = {.runs = runs, .run_us = 1};
        unsigned above = 0;
        unsigned below = 0;

        assert_int_equal(ks_trng_measure(&source, 1, 1, &spec, &speed), KS_OK);
        for (unsigned run = 0; run < runs; run++) {
            const double one = 1e6 * (double)speed.repeats / (double)speed.run_us[run];

            above += one > speed.median * (1 + 1e-9) ? 1 : 0;
            below += one < speed.median * (1 - 1e-9) ? 1 : 0;
        }
        assert_true(above <= runs / 2 && below <= runs / 2);
    }
}

static void test_stops(void **state)
{
    struct fake fake = {.fail_at = 3};
    const struct ks_trng_source source = {"one", read_fake, &fake};
    struct ks_trng_spec spec = {.runs = 9, .run_us = 0, .stop = never};
    struct ks_trng_speed speed;

    (void)state;
    expect_failure(ks_trng_measure(&source, 1, 16, &spec, &speed), KS_ERR_IO,
                   "the source ended");
    assert_int_equal(fake.calls, 3);
    spec.stop = at_once;
    expect_failure(ks_trng_measure(&source, 1, 16, &spec, &speed), KS_ERR_UNAVAILABLE,
                   "interrupted");
    assert_int_equal(fake.calls, 3);
}

static void test_judge(void **state)
{
    static uint8_t sample[SAMPLE_LEN];
    uint64_t seed = 42;
    struct ks_trng_quality quality;
    struct ks_entropy_collision collision;

    (void)state;
    for (size_t i = 0; i < SAMPLE_LEN; i++) {
        sample[i] = (uint8_t)(next_random(&seed) >> 32);
    }
    assert_int_equal(ks_trng_judge(KS_BYTES(sample), &quality), KS_OK);
    assert_true(ks_trng_healthy(&quality));
    assert_true(quality.mcv_bytes > 7.3 && quality.mcv_bytes < 8);
    assert_true(quality.mcv_bits > 0.99 && quality.markov_bits > 0.99);
    assert_int_equal(
        ks_entropy_collision(ks_samples_bits(KS_BYTES(sample), 8 * SAMPLE_LEN), &collision),
        KS_OK);
    assert_true(quality.collision_bits == collision.min_entropy);
    assert_true(quality.lowest == fmin(quality.mcv_bytes, 8 * quality.collision_bits));

    /* Seven equal bytes: one alarm, and only there. */
    memset(sample + 5000, 0x5a, 7);
    assert_int_equal(ks_trng_judge(KS_BYTES(sample), &quality), KS_OK);
    assert_true(!ks_trng_healthy(&quality));
    assert_int_equal(quality.repetition_bytes.alarms, 1);
    assert_int_equal(quality.repetition_bits.alarms + quality.proportion_bits.alarms, 0);

    /* A bit that is stuck. */
    for (size_t i = 0; i < SAMPLE_LEN; i++) {
        sample[i] |= 0x10;
    }
    assert_int_equal(ks_trng_judge(KS_BYTES(sample), &quality), KS_OK);
    assert_true(quality.mcv_bytes < 7 && quality.mcv_bits < 0.85);
    memset(sample, 0, sizeof sample);
    assert_int_equal(ks_trng_judge(KS_BYTES(sample), &quality), KS_OK);
    assert_true(quality.lowest == 0 && quality.proportion_bytes.alarms > 0);
    /* The shortest sample that is asked for, as bad as can be. */
    assert_int_equal(ks_trng_judge(ks_bytes_of(sample, KS_TRNG_SAMPLE_MIN), &quality), KS_OK);
    assert_true(quality.lowest == 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_judge),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
