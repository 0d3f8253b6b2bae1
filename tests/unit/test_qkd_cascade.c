/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Reconciliation: every error is found, at the published efficiency or better; what is said
 * counts as leaked; what cannot be true is refused. The long run with its table is
 * bench/bench_cascade. */

#include "qkd/cascade.h"
#include "qkd/real.h"
#include "unit/expect.h"

#define BITS_MAX 200000

struct trial {
    uint64_t sent[BITS_MAX / 64 + 1];
    uint64_t received[BITS_MAX / 64 + 1];
    uint64_t errors;
    struct ks_cascade *ends[2];
};

static struct trial trial;

static void make_trial(size_t bits, size_t frame_bits, double rate, double estimate,
                       uint8_t seed)
{
    const uint8_t bytes[KS_QKD_KEY_LEN] = {seed, 0xca};
    const struct ks_qkd_key key = ks_qkd_key_of(bytes);
    struct ks_cascade_spec spec = {
        .bits = bits, .frame_bits = frame_bits, .error_rate = estimate, .shuffle = key};
    struct ks_qkd_stream stream;

    trial = (struct trial){0};
    ks_qkd_stream_init(&stream, &key, KS_QKD_USE_CHANNEL);
    for (size_t i = 0; i < bits; i++) {
        const uint64_t bit = ks_qkd_stream_u32(&stream) >> 31;
        const uint64_t wrong = ks_qkd_stream_unit(&stream) <= rate ? 1 : 0;

        trial.sent[i / 64] |= bit << (i % 64);
        trial.received[i / 64] |= (bit ^ wrong) << (i % 64);
        trial.errors += wrong;
    }
    assert_int_equal(ks_cascade_new(&spec, trial.sent, &trial.ends[0]), KS_OK);
    spec.corrects = true;
    assert_int_equal(ks_cascade_new(&spec, trial.received, &trial.ends[1]), KS_OK);
}

static void free_trial(void)
{
    ks_cascade_free(trial.ends[0]);
    ks_cascade_free(trial.ends[1]);
}

/* Runs to the end; returns the parities that were shown. */
static uint64_t run_trial(void)
{
    uint64_t shown = 0;

    while (!ks_cascade_done(trial.ends[0])) {
        struct ks_buf parities[2];

        assert_int_equal(ks_cascade_count(trial.ends[0]), ks_cascade_count(trial.ends[1]));
        shown += ks_cascade_count(trial.ends[0]);
        for (unsigned end = 0; end < 2; end++) {
            ks_buf_init(&parities[end], 1 << 20);
            ks_cascade_show(trial.ends[end], &parities[end]);
        }
        for (unsigned end = 0; end < 2; end++) {
            assert_int_equal(ks_cascade_take(trial.ends[end], ks_buf_view(&parities[1 - end])),
                             KS_OK);
        }
        ks_buf_done(&parities[0]);
        ks_buf_done(&parities[1]);
    }
    assert_true(ks_cascade_done(trial.ends[1]));
    return shown;
}

static void check(size_t bits, size_t frame_bits, double rate, double estimate, uint8_t seed)
{
    const size_t len = (bits + 63) / 64 * 8;

    make_trial(bits, frame_bits, rate, estimate, seed);
    const uint64_t shown = run_trial();

    assert_memory_equal(ks_cascade_bits(trial.ends[0]), trial.sent, len);
    assert_memory_equal(ks_cascade_bits(trial.ends[1]), trial.sent, len);
    for (unsigned end = 0; end < 2; end++) {
        assert_int_equal(ks_cascade_leaked(trial.ends[end]), shown);
        assert_int_equal(ks_cascade_corrected(trial.ends[end]), trial.errors);
    }
    free_trial();
}

static void test_corrects(void **state)
{
    (void)state;
    static const size_t bits[] = {1, 2, 63, 64, 65, 1000, 1024, 1025, 5000, 16384, 70001};
    static const double rates[] = {0.0, 0.001, 0.03, 0.11, 0.25};

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
            check(bits[i], 1024, rates[k], rates[k], (uint8_t)(i * 8 + k));
            check(bits[i], 16384, rates[k], rates[k], (uint8_t)(i * 8 + k));
        }
    }
}

/* A wrong estimate costs parities, not correctness. */
static void test_estimates(void **state)
{
    (void)state;

    check(30000, 10000, 0.05, 0.0001, 1);
    check(30000, 10000, 0.05, 0.25, 2);
    check(30000, 10000, 0.001, 0.2, 3);
    check(30000, 10000, 0.0, 1.0, 4);
    check(30000, 10000, 0.25, 0.0, 5);
}

/* The table in small: frames of 10^4 bits, at most 1.12 of what Shannon asks for. */
static void test_efficiency(void **state)
{
    (void)state;

    for (unsigned percent = 1; percent <= 8; percent++) {
        uint64_t errors = 0;
        uint64_t leaked = 0;
        enum { ROUNDS = 5, BITS = 200000 };

        for (unsigned round = 0; round < ROUNDS; round++) {
            make_trial(BITS, 10000, percent / 100.0, percent / 100.0,
                       (uint8_t)(16 * round + percent));
            (void)run_trial();
            assert_memory_equal(ks_cascade_bits(trial.ends[1]), trial.sent, BITS / 8);
            errors += trial.errors;
            leaked += ks_cascade_leaked(trial.ends[1]);
            free_trial();
        }
        const double bits = (double)ROUNDS * BITS;
        const double f = (double)leaked / (bits * ks_real_entropy((double)errors / bits));

        assert_true(f > 1.0 && f <= 1.12);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    struct ks_buf parities;

    ks_buf_init(&parities, 1 << 20);
    make_trial(10000, 10000, 0.05, 0.05, 9);
    ks_cascade_show(trial.ends[1], &parities);
    const struct ks_bytes all = ks_buf_view(&parities);

    assert_int_equal(ks_cascade_take(trial.ends[0], ks_bytes_of(all.data, all.len - 1)),
                     KS_ERR_FORMAT);
    assert_int_equal(ks_cascade_take(trial.ends[0], (struct ks_bytes){NULL, 0}), KS_ERR_FORMAT);
    ks_buf_put_u8(&parities, 0);
    assert_int_equal(ks_cascade_take(trial.ends[0], ks_buf_view(&parities)), KS_ERR_FORMAT);
    free_trial();
    ks_buf_done(&parities);
}

/* Whatever an end is told, it comes to an end: it accepts lies or says that they contradict
 * each other. */
static void test_lies(void **state)
{
    (void)state;
    const struct ks_qkd_key key = {{77}};
    struct ks_qkd_stream stream;
    unsigned refused = 0;

    ks_qkd_stream_init(&stream, &key, KS_QKD_USE_CHANNEL);
    for (unsigned round = 0; round < 50; round++) {
        enum ks_err err = KS_OK;
        unsigned steps = 0;

        make_trial(2000, 1024, 0.02, 0.02, (uint8_t)round);
        while (err == KS_OK && !ks_cascade_done(trial.ends[1])) {
            uint8_t lies[1024];
            const size_t count = ks_cascade_count(trial.ends[1]);
            const size_t len = (count + 7) / 8;

            assert_true(len <= sizeof lies);
            ks_qkd_stream_bytes(&stream, lies, len);
            if (count % 8 > 0) {
                lies[len - 1] &= (uint8_t)((1u << (count % 8)) - 1);
            }
            err = ks_cascade_take(trial.ends[1], ks_bytes_of(lies, len));
            assert_true(++steps < 100000);
        }
        assert_true(err == KS_OK || err == KS_ERR_FORMAT);
        refused += err == KS_OK ? 0 : 1;
        free_trial();
    }
    print_message("%u of 50 were refused\n", refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corrects),   cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_efficiency), cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
