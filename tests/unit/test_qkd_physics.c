/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The simulated light and what is concluded from it: rates and errors against a simulation
 * pulse by pulse and against closed formulas, states against the state-vector simulator,
 * lengths against the same formulas in another language. */

#include <math.h>

#include "ketseal/circuit.h"
#include "qkd/detector.h"
#include "qkd/finite.h"
#include "qkd/real.h"
#include "quantum/simulate.h"
#include "unit/expect.h"
#include "vector_files.h"

static struct ks_qkd_key key_of(uint8_t number)
{
    const uint8_t bytes[KS_QKD_KEY_LEN] = {number, 0x51};

    return ks_qkd_key_of(bytes);
}

/* What a block showed: clicks by Alice's and Bob's choices. */
struct tally {
    uint64_t pulses;
    /* [Alice's basis][her bit][her intensity][Bob's basis][his bit] */
    uint64_t counts[2][2][KS_LINK_INTENSITIES][2][2];
    uint64_t photons[KS_LINK_INTENSITIES][4]; /* arrived, by their number; 0 is not counted */
    uint64_t clicks;
    uint64_t gap_least; /* pulses between clicks */
};

static void tally_click(struct tally *tally, struct ks_qkd_choice choice, uint64_t click)
{
    tally->counts[choice.basis][choice.bit][choice.intensity][KS_QKD_CLICK_BASIS(click)]
                 [KS_QKD_CLICK_BIT(click)]++;
    tally->clicks++;
}

static void tally_clicks(struct tally *tally, const struct ks_qkd_source *source,
                         const struct ks_qkd_detector *detector)
{
    tally->gap_least = UINT64_MAX;
    for (size_t i = 0; i < detector->count; i++) {
        const uint64_t pulse = KS_QKD_CLICK_PULSE(detector->clicks[i]);
        const uint64_t pulses[KS_QKD_LANES] = {pulse};
        struct ks_qkd_choice choices[KS_QKD_LANES];

        ks_qkd_source_choose(source, pulses, choices);
        tally_click(tally, choices[0], detector->clicks[i]);
        if (i > 0) {
            const uint64_t gap = pulse - KS_QKD_CLICK_PULSE(detector->clicks[i - 1]);

            assert_true(gap > 0);
            tally->gap_least = gap < tally->gap_least ? gap : tally->gap_least;
        }
    }
}

static struct tally simulate(const struct ks_link_params *params, uint8_t seed)
{
    const struct ks_qkd_key alice = key_of(seed);
    const struct ks_qkd_key bob = key_of((uint8_t)(seed + 1));
    struct tally tally = {.pulses = params->protocol.pulses};
    struct ks_qkd_source source;
    struct ks_qkd_channel channel;
    struct ks_qkd_detector detector;
    bool more = true;

    ks_qkd_source_init(&source, &params->protocol, &alice);
    ks_qkd_channel_init(&channel, &source, params, &alice);
    ks_qkd_detector_init(&detector, params, &bob);
    while (more) {
        struct ks_qkd_photons photons[KS_QKD_LANES];
        unsigned count = 0;

        more = ks_qkd_channel_next(&channel, photons, &count);
        for (unsigned i = 0; i < count; i++) {
            const uint64_t pulses[KS_QKD_LANES] = {photons[i].pulse};
            struct ks_qkd_choice choices[KS_QKD_LANES];
            const unsigned number = photons[i].count < 3 ? photons[i].count : 3;

            ks_qkd_source_choose(&source, pulses, choices);
            tally.photons[choices[0].intensity][number]++;
        }
        assert_int_equal(ks_qkd_detector_take(&detector, photons, count), KS_OK);
    }
    assert_int_equal(ks_qkd_detector_end(&detector), KS_OK);
    tally_clicks(&tally, &source, &detector);
    ks_qkd_detector_done(&detector);
    return tally;
}

/* FOUND of COUNT trials of probability P: within five standard deviations. */
static void expect_rate(uint64_t found, double count, double p)
{
    const double sigma = sqrt(count * p * (1.0 - p)) + 1.0;

    if (fabs((double)found - count * p) > 5.0 * sigma) {
        fail_msg("%llu of %g, expected %g +- %g", (unsigned long long)found, count, count * p,
                 sigma);
    }
}

static struct ks_link_params params_of(double distance_km)
{
    struct ks_link_params params = ks_link_params_default();

    params.protocol.pulses = 3000000;
    params.protocol.intensity[KS_LINK_VACUUM] = 0.01;
    params.fibre.distance_km = distance_km;
    params.detector.efficiency = 0.5;
    params.detector.dark = 1e-3;
    params.detector.misalignment = 0.03;
    return params;
}

/* --- source and channel ------------------------------------------------------------------- */

static void test_choices(void **state)
{
    (void)state;
    const struct ks_link_params params = params_of(0.0);
    const struct ks_qkd_key key = key_of(1);
    struct ks_qkd_source source;
    uint64_t x = 0;
    uint64_t ones = 0;
    uint64_t intensities[KS_LINK_INTENSITIES] = {0};
    enum { PULSES = 400000 };

    ks_qkd_source_init(&source, &params.protocol, &key);
    for (uint64_t pulse = 0; pulse < PULSES; pulse += KS_QKD_LANES) {
        const uint64_t pulses[KS_QKD_LANES] = {pulse,     pulse + 1, pulse + 2, pulse + 3,
                                               pulse + 4, pulse + 5, pulse + 6, pulse + 7};
        struct ks_qkd_choice choices[KS_QKD_LANES];

        ks_qkd_source_choose(&source, pulses, choices);
        for (unsigned i = 0; i < KS_QKD_LANES; i++) {
            x += choices[i].basis == KS_LINK_X ? 1 : 0;
            ones += choices[i].bit;
            intensities[choices[i].intensity]++;
        }
    }
    expect_rate(x, PULSES, params.protocol.basis_x);
    expect_rate(ones, PULSES, 0.5);
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        expect_rate(intensities[k], PULSES, params.protocol.probability[k]);
    }
}

/* Skipping what does not arrive changes nothing: each intensity's numbers of photons are
 * Poissonian with the mean that is left after the loss. */
static void test_arrivals(void **state)
{
    (void)state;

    for (unsigned i = 0; i < 3; i++) {
        const struct ks_link_params params = params_of(30.0 * i);
        const struct tally tally = simulate(&params, (uint8_t)(10 + i));

        for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
            const double mean = params.protocol.intensity[k] * ks_qkd_transmittance(&params);
            const double sent = (double)tally.pulses * params.protocol.probability[k];
            const double one = mean * exp(-mean);
            const double two = one * mean / 2.0;

            expect_rate(tally.photons[k][1], sent, one);
            expect_rate(tally.photons[k][2], sent, two);
            expect_rate(tally.photons[k][3], sent, 1.0 - exp(-mean) - one - two);
        }
    }
}

/* The same block by the plainest means: every pulse, every photon, one after the other. */
static struct tally simulate_plainly(const struct ks_link_params *params, uint64_t seed)
{
    const struct ks_link_protocol *protocol = &params->protocol;
    const double loss_db = params->fibre.distance_km * params->fibre.loss_db_km;
    const double survive = pow(10.0, -loss_db / 10.0) * params->detector.efficiency;
    struct tally tally = {.pulses = protocol->pulses};
    struct drand48_data random = {0};

    (void)srand48_r((long)seed, &random);
#define UNIT() ((void)drand48_r(&random, &unit), unit)
    for (uint64_t pulse = 0; pulse < protocol->pulses; pulse++) {
        double unit = 0.0;
        const double draw = UNIT();
        const uint8_t k = draw < protocol->probability[0]                              ? 0
                          : draw < protocol->probability[0] + protocol->probability[1] ? 1
                                                                                       : 2;
        const struct ks_qkd_choice choice = {UNIT() < protocol->basis_x ? 0 : 1,
                                             UNIT() < 0.5 ? 1 : 0, k};
        const unsigned basis = UNIT() < protocol->basis_x ? 0 : 1;
        bool hit[2] = {UNIT() < params->detector.dark, UNIT() < params->detector.dark};
        double left = UNIT();

        /* A Poissonian number of photons by Knuth's method, each on its own way. */
        for (const double none = exp(-protocol->intensity[k]); left > none; left *= UNIT()) {
            if (UNIT() < survive) {
                const bool wrong = UNIT() < params->detector.misalignment;

                hit[basis == choice.basis ? choice.bit ^ (wrong ? 1 : 0)
                                          : (UNIT() < 0.5 ? 1 : 0)] = true;
            }
        }
        if (hit[0] || hit[1]) {
            const unsigned bit =
                hit[0] && hit[1] ? (UNIT() < 0.5 ? 1u : 0u) : (hit[1] ? 1u : 0u);

            tally_click(&tally, choice, pulse << 2 | (uint64_t)basis << 1 | bit);
        }
    }
#undef UNIT
    return tally;
}

static void test_plainly(void **state)
{
    (void)state;
    struct ks_link_params params = params_of(5.0);

    params.protocol.pulses = 1000000;
    const struct tally fast = simulate(&params, 30);
    const struct tally plain = simulate_plainly(&params, 31);
    const uint64_t *a = &fast.counts[0][0][0][0][0];
    const uint64_t *b = &plain.counts[0][0][0][0][0];

    for (size_t i = 0; i < sizeof fast.counts / sizeof *a; i++) {
        const double sigma = sqrt((double)(a[i] + b[i])) + 1.0;

        assert_true(fabs((double)a[i] - (double)b[i]) < 5.0 * sigma);
    }
}

/* --- detectors ---------------------------------------------------------------------------- */

static void test_gains(void **state)
{
    (void)state;
    const struct ks_link_params params = params_of(10.0);
    const struct tally tally = simulate(&params, 40);

    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        const struct ks_finite_model model =
            ks_finite_expected(&params, (enum ks_link_intensity)k);
        const double x = params.protocol.basis_x;
        const double sent = (double)tally.pulses * params.protocol.probability[k] * x * x;
        const uint64_t right = tally.counts[0][0][k][0][0] + tally.counts[0][1][k][0][1];
        const uint64_t wrong = tally.counts[0][0][k][0][1] + tally.counts[0][1][k][0][0];

        expect_rate(right + wrong, sent, model.gain);
        expect_rate(wrong, (double)(right + wrong), model.error_rate);
    }
}

static void test_noise(void **state)
{
    (void)state;
    struct ks_link_params params = params_of(0.0);
    const double pulses = (double)params.protocol.pulses;

    /* Dark counts alone. */
    params.detector.efficiency = 1e-6;
    params.fibre.distance_km = 1000.0;
    struct tally tally = simulate(&params, 50);

    expect_rate(tally.clicks, pulses, 1e-3 * (2.0 - 1e-3));
    /* Each takes a thousand pulses away from the next. */
    params.detector.dark = 0.01;
    params.detector.dead_pulses = 1000;
    tally = simulate(&params, 52);
    const double p = 0.01 * (2.0 - 0.01);
    const double clicks = pulses / (1000.0 + 1.0 / p);

    assert_true(tally.gap_least > 1000);
    assert_true(fabs((double)tally.clicks - clicks) < 0.02 * clicks);
    /* A click with an afterpulse in one of ten: one more each, and those after them. */
    params.detector.dark = 1e-4;
    params.detector.dead_pulses = 3;
    params.detector.afterpulse = 0.1;
    tally = simulate(&params, 54);
    const double first = pulses * 1e-4 * (2.0 - 1e-4);

    assert_int_equal(tally.gap_least, 4);
    assert_true(fabs((double)tally.clicks - first / 0.9) < 0.05 * first);
}

static void test_clicks_have_a_limit(void **state)
{
    (void)state;
    struct ks_link_params params = params_of(0.0);
    const struct ks_qkd_key key = key_of(60);
    struct ks_qkd_detector detector;
    uint64_t pulse = 0;
    enum ks_err err = KS_OK;

    params.protocol.pulses = KS_LINK_PULSES_MAX;
    params.detector.dark = 0.0;
    ks_qkd_detector_init(&detector, &params, &key);
    while (err == KS_OK) {
        struct ks_qkd_photons photons[KS_QKD_LANES];

        for (unsigned i = 0; i < KS_QKD_LANES; i++) {
            photons[i] = (struct ks_qkd_photons){pulse++, 0, 0, 1};
        }
        err = ks_qkd_detector_take(&detector, photons, KS_QKD_LANES);
    }
    assert_int_equal(err, KS_ERR_LIMIT);
    assert_int_equal(detector.count, KS_LINK_DETECTED_MAX);
    ks_qkd_detector_done(&detector);
}

/* --- against the state-vector simulator --------------------------------------------------- */

/* The probability that Bob measures 1 when Alice sent BIT in BASIS, and Eve, if there is one,
 * measured in hers and sent on what she saw: as a circuit of one qubit. */
static double probability_of_one(unsigned basis, unsigned bit, int eve, unsigned bob)
{
    struct ks_circuit *circuit = NULL;
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    double probabilities[4];
    struct ks_buf text;

    ks_buf_init(&text, 1024);
    ks_buf_put_text(&text, "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[1];\ncreg c[2];\n");
    ks_buf_put_text(&text, bit != 0 ? "x q[0];\n" : "");
    ks_buf_put_text(&text, basis == KS_LINK_X ? "h q[0];\n" : "");
    if (eve >= 0) {
        ks_buf_put_text(&text, eve == KS_LINK_X ? "h q[0];\n" : "");
        ks_buf_put_text(&text, "measure q[0] -> c[1];\n");
        ks_buf_put_text(&text, eve == KS_LINK_X ? "h q[0];\n" : "");
    }
    ks_buf_put_text(&text, bob == KS_LINK_X ? "h q[0];\n" : "");
    ks_buf_put_text(&text, "measure q[0] -> c[0];\n");
    const struct ks_bytes source = ks_buf_view(&text);

    assert_int_equal(ks_circuit_parse(&source, "bb84", NULL, &circuit), KS_OK);
    assert_int_equal(ks_simulate_probabilities(circuit, &spec, probabilities), KS_OK);
    ks_circuit_free(circuit);
    ks_buf_done(&text);
    return probabilities[1] + probabilities[3];
}

static void check_states(double eve_share, uint8_t seed)
{
    struct ks_link_params params = params_of(0.0);

    params.protocol.basis_x = 0.5;
    params.protocol.pulses = 400000;
    params.detector = (struct ks_link_detector){.efficiency = 1.0};
    params.fibre.eve = KS_LINK_EVE_INTERCEPT;
    params.fibre.eve_share = eve_share;
    const struct tally tally = simulate(&params, seed);

    for (unsigned i = 0; i < 8; i++) {
        const unsigned basis = i & 1;
        const unsigned bit = i >> 1 & 1;
        const unsigned bob = i >> 2;
        const double clean = probability_of_one(basis, bit, -1, bob);
        const double seen = (probability_of_one(basis, bit, KS_LINK_X, bob) +
                             probability_of_one(basis, bit, KS_LINK_Z, bob)) /
                            2.0;
        const double p = (1.0 - eve_share) * clean + eve_share * seen;
        uint64_t zeros = 0;
        uint64_t ones = 0;

        for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
            zeros += tally.counts[basis][bit][k][bob][0];
            ones += tally.counts[basis][bit][k][bob][1];
        }
        if (p < 1e-9 || p > 1.0 - 1e-9) {
            assert_int_equal(p < 0.5 ? ones : zeros, 0);
        } else {
            expect_rate(ones, (double)(zeros + ones), p);
        }
    }
}

static void test_states(void **state)
{
    (void)state;

    check_states(0.0, 70);
    check_states(1.0, 72);
    check_states(0.4, 74);
}

/* --- lengths ------------------------------------------------------------------------------ */

static void expect_near(double got, const char *text)
{
    const double want = strtod(text, NULL);

    if (fabs(got - want) > 1e-9 * fabs(want) + 1e-6) {
        fail_msg("%.17g, expected %.17g", got, want);
    }
}

static void check_line(char *line)
{
    struct ks_link_protocol protocol = ks_link_params_default().protocol;
    struct ks_finite_counts counts;
    char *fields[20];
    char *rest = NULL;

    for (unsigned i = 0; i < 20; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        assert_non_null(fields[i]);
    }
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        protocol.intensity[k] = strtod(fields[k], NULL);
        protocol.probability[k] = strtod(fields[3 + k], NULL);
        counts.raw[k] = strtoull(fields[7 + k], NULL, 10);
        counts.shown[k] = strtoull(fields[10 + k], NULL, 10);
        counts.errors[k] = strtoull(fields[13 + k], NULL, 10);
    }
    protocol.secrecy = strtod(fields[6], NULL);
    const struct ks_finite_bounds bounds = ks_finite_bounds_of(&protocol, &counts);

    expect_near(bounds.vacuum_bits, fields[16]);
    expect_near(bounds.single_bits, fields[17]);
    expect_near(bounds.phase_error, fields[18]);
    expect_near(bounds.secret_bits, fields[19]);
    assert_int_equal(ks_finite_length(&bounds, 1000),
                     (int64_t)floor(bounds.secret_bits - 1000.0 - KS_FINITE_VERIFY_BITS));
}

static void test_finite(void **state)
{
    (void)state;
    struct ks_buf text;
    char *rest = NULL;
    unsigned count = 0;

    vector_read("qkd", "finite.txt", &text);
    ks_buf_put_u8(&text, 0);
    assert_int_equal(ks_buf_check(&text), KS_OK);
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        check_line(line);
        count++;
    }
    assert_int_equal(count, 200);
    ks_buf_done(&text);
}

/* The finite length grows towards the asymptotic rate and never passes it. */
static void test_asymptotic(void **state)
{
    (void)state;
    struct ks_link_params params = ks_link_params_default();
    const double rate = ks_finite_asymptotic(&params).rate;

    assert_true(rate > 0.0);
    params.fibre.distance_km = 50.0;
    const double farther = ks_finite_asymptotic(&params).rate;

    assert_true(farther < rate && farther > 0.0);
    params.fibre.distance_km = 400.0;
    assert_true(ks_finite_asymptotic(&params).rate <= 0.0);
    params.fibre.distance_km = 25.0;
    params.detector.misalignment = 0.3;
    assert_true(ks_finite_asymptotic(&params).rate <= 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),    cmocka_unit_test(test_arrivals),
        cmocka_unit_test(test_plainly),    cmocka_unit_test(test_gains),
        cmocka_unit_test(test_noise),      cmocka_unit_test(test_clicks_have_a_limit),
        cmocka_unit_test(test_states),     cmocka_unit_test(test_finite),
        cmocka_unit_test(test_asymptotic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
