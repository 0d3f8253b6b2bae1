/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Two ends of a link: keys, their bookkeeping, and what becomes of blocks that somebody meddles
 * with: eavesdroppers on the light, and whoever holds the wire between the ends. */

#include <math.h>

#include "link_pair.h"
#include "qkd/finite.h"
#include "qkd/gf2.h"
#include "unit/expect.h"

#define SECRET_LEN 256

static struct ks_link_report run_once(const struct ks_link_params *params, uint8_t seed)
{
    struct link_pair pair;

    link_pair_init(&pair, params, seed, SECRET_LEN);
    link_pair_run(&pair, NULL, NULL);
    assert_int_equal(pair.errors[0], KS_OK);
    assert_int_equal(pair.errors[1], KS_OK);
    const struct ks_link_report report = *link_pair_report(&pair, 0);

    assert_int_equal(report.outcome, link_pair_report(&pair, 1)->outcome);
    if (report.outcome == KS_LINK_OUTCOME_KEY) {
        link_pair_expect_key(&pair);
    } else {
        assert_int_equal(ks_link_key(pair.ends[0]).len, 0);
        assert_int_equal(ks_link_key(pair.ends[1]).len, 0);
    }
    link_pair_done(&pair);
    return report;
}

/* --- keys --------------------------------------------------------------------------------- */

static void test_blocks(void **state)
{
    (void)state;
    const struct ks_link_params params = link_pair_params();
    struct link_pair pair;
    uint8_t first[32];

    link_pair_init(&pair, &params, 1, KS_LINK_SECRET_MIN);
    for (unsigned block = 0; block < 4; block++) {
        const struct ks_link_report *report = link_pair_report(&pair, 0);

        link_pair_run(&pair, NULL, NULL);
        link_pair_expect_key(&pair);
        assert_int_equal(report->block, block);
        assert_int_equal(report->raw_bits + report->sampled, report->sifted);
        assert_int_equal(report->verify_bits, KS_FINITE_VERIFY_BITS);
        assert_int_equal(report->auth_bits, 256);
        /* Each key pays for the pads of its block. */
        assert_int_equal(report->pool_bits, 8 * (KS_LINK_SECRET_MIN - 16));
        assert_int_equal(report->secret_bits, (uint64_t)(report->length_bits / 8 * 8) - 256);
        assert_true(report->efficiency > 1.0 && report->efficiency < 1.2);
        const struct ks_bytes key = ks_link_key(pair.ends[0]);

        if (block == 0) {
            ks_copy(first, key.data, sizeof first);
        } else {
            assert_memory_not_equal(key.data, first, sizeof first);
        }
    }
    link_pair_done(&pair);
}

/* Same seeds, same bytes, whatever the kernel; another seed, others. */
static void test_determinism(void **state)
{
    (void)state;
    struct ks_link_params params = link_pair_params();
    uint8_t want[32];
    struct link_pair pair;

    link_pair_init(&pair, &params, 7, SECRET_LEN);
    link_pair_run(&pair, NULL, NULL);
    link_pair_expect_key(&pair);
    ks_copy(want, pair.digest, sizeof want);
    link_pair_done(&pair);
    for (const struct ks_gf2_choice *choice = ks_gf2_choices; choice->gf2 != NULL; choice++) {
        if (choice->usable()) {
            params.kernel = choice->gf2->name;
            link_pair_init(&pair, &params, 7, SECRET_LEN);
            link_pair_run(&pair, NULL, NULL);
            assert_memory_equal(pair.digest, want, sizeof want);
            link_pair_done(&pair);
        }
    }
    link_pair_init(&pair, &params, 8, SECRET_LEN);
    link_pair_run(&pair, NULL, NULL);
    link_pair_expect_key(&pair);
    assert_memory_not_equal(pair.digest, want, sizeof want);
    link_pair_done(&pair);
}

static void test_dead_time(void **state)
{
    (void)state;
    struct ks_link_params params = link_pair_params();

    params.detector.dead_pulses = 1;
    params.detector.afterpulse = 0.005;
    params.detector.dark = 1e-4;
    params.protocol.pulses *= 2;
    const struct ks_link_report report = run_once(&params, 9);

    assert_int_equal(report.outcome, KS_LINK_OUTCOME_KEY);
}

/* --- eavesdroppers ------------------------------------------------------------------------ */

static double rate_of(const struct ks_link_report *report, unsigned basis, uint64_t *out_shown)
{
    uint64_t shown = 0;
    uint64_t errors = 0;

    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        shown += report->counts[basis][k].shown;
        errors += report->counts[basis][k].errors;
    }
    *out_shown = shown;
    return (double)errors / (double)shown;
}

/* An intercepted pulse is measured in the other basis half of the time, and then half of Bob's
 * bits are wrong: 25 %, besides the misalignment of the others. */
static void test_intercept(void **state)
{
    (void)state;
    unsigned keys = 0;

    for (unsigned tenths = 0; tenths <= 10; tenths++) {
        struct ks_link_params params = link_pair_params();
        const double share = tenths / 10.0;
        const double e = params.detector.misalignment;
        const double want = share * (0.25 + 0.5 * e) + (1.0 - share) * e;

        /* Of single photons: double clicks have errors of their own. */
        params.protocol.intensity[KS_LINK_SIGNAL] = 0.12;
        params.protocol.intensity[KS_LINK_DECOY] = 0.04;
        params.protocol.pulses = 2000000;
        params.fibre.eve = KS_LINK_EVE_INTERCEPT;
        params.fibre.eve_share = share;
        const struct ks_link_report report = run_once(&params, 20);
        uint64_t shown = 0;
        const double rate = rate_of(&report, KS_LINK_Z, &shown);

        /* Five standard deviations, and what pulses of two photons do. */
        assert_true(fabs(rate - want) < 5.0 * sqrt(want / (double)shown) + 0.004);
        assert_true(report.outcome == KS_LINK_OUTCOME_KEY || report.length_bits < 264);
        keys += report.outcome == KS_LINK_OUTCOME_KEY ? 1 : 0;
        assert_true(tenths == 0 || tenths < 3 || report.outcome != KS_LINK_OUTCOME_KEY);
        if (tenths == 0) {
            assert_int_equal(report.outcome, KS_LINK_OUTCOME_KEY);
        }
    }
    assert_true(keys >= 1 && keys <= 3);
}

/* Splitting photons makes no error and leaves the signal's rate as it was: only the decoys
 * tell. */
static void test_splitting(void **state)
{
    (void)state;
    struct ks_link_params params = link_pair_params();

    params.protocol.pulses = 40000000;
    params.fibre.distance_km = 100.0;
    params.protocol.secrecy = 1e-6;
    const struct ks_link_report clean = run_once(&params, 30);

    params.fibre.eve = KS_LINK_EVE_PNS;
    params.fibre.eve_share = 1.0;
    const struct ks_link_report split = run_once(&params, 30);
    const struct ks_link_count *was = clean.counts[KS_LINK_X];
    const struct ks_link_count *is = split.counts[KS_LINK_X];
    const double signal = (double)was[KS_LINK_SIGNAL].sifted;

    assert_int_equal(clean.outcome, KS_LINK_OUTCOME_KEY);
    assert_int_equal(split.outcome, KS_LINK_OUTCOME_LENGTH);
    /* The signal's rate stays, within what Poissonian light differs from single photons. */
    assert_true(fabs((double)is[KS_LINK_SIGNAL].sifted - signal) < 0.02 * signal);
    assert_true(split.qber[KS_LINK_X] < 0.02 && split.qber[KS_LINK_Z] < 0.02);
    assert_true(is[KS_LINK_DECOY].sifted < was[KS_LINK_DECOY].sifted * 2 / 3);
    assert_true(split.single_bits < clean.single_bits / 10);
}

/* --- nothing to be had -------------------------------------------------------------------- */

static void test_no_light(void **state)
{
    (void)state;
    struct ks_link_params params = link_pair_params();

    params.fibre.distance_km = 5000.0;
    assert_int_equal(run_once(&params, 40).outcome, KS_LINK_OUTCOME_NO_DETECTIONS);
    params.detector.dark = 0.05; /* half of it wrong */
    assert_int_equal(run_once(&params, 40).outcome, KS_LINK_OUTCOME_ERROR_RATE);
    params = link_pair_params();
    params.protocol.pulses = 3000;
    assert_int_equal(run_once(&params, 40).outcome, KS_LINK_OUTCOME_LENGTH);
}

static void test_parameters(void **state)
{
    (void)state;
    const struct ks_link_params good = link_pair_params();
    struct ks_link_params bad[] = {good, good, good, good, good, good, good, good, good,
                                   good, good, good, good, good, good, good, good, good};
    const uint8_t seed[KS_LINK_SEED_LEN] = {0};
    const uint8_t secret[KS_LINK_SECRET_MAX + 1] = {0};
    struct ks_link *link = NULL;
    unsigned i = 0;

    bad[i++].protocol.pulses = KS_LINK_PULSES_MIN - 1;
    bad[i++].protocol.pulses = (uint64_t)KS_LINK_PULSES_MAX + 1;
    bad[i++].protocol.intensity[KS_LINK_SIGNAL] = 0.4; /* no more than the decoy */
    bad[i++].protocol.intensity[KS_LINK_VACUUM] = -0.1;
    bad[i++].protocol.intensity[KS_LINK_DECOY] = NAN;
    bad[i++].protocol.probability[KS_LINK_DECOY] = 0.5; /* sum */
    bad[i++].protocol.basis_x = 1.0;
    bad[i++].protocol.sample = 0.6;
    bad[i++].protocol.secrecy = 0.0;
    bad[i++].protocol.correctness = 1e-40;
    bad[i++].protocol.frame_bits = 1;
    bad[i++].fibre.distance_km = -1.0;
    bad[i++].fibre.distance_km = 20000.0; /* of 0.2 dB */
    bad[i++].fibre.eve_share = 1.1;
    bad[i++].detector.efficiency = 0.0;
    bad[i++].detector.dark = 0.6;
    bad[i++].detector.misalignment = 1.1;
    bad[i++].detector.afterpulse = 0.6;
    assert_int_equal(i, sizeof bad / sizeof bad[0]);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ks_link_params_check(&bad[i]), KS_ERR_USAGE);
        assert_int_equal(
            ks_link_new(KS_LINK_ALICE, &bad[i], seed, ks_bytes_of(secret, 100), &link),
            KS_ERR_USAGE);
    }
    const struct ks_link_params standard = ks_link_params_default();

    assert_int_equal(ks_link_params_check(&standard), KS_OK);
    assert_int_equal(ks_link_new(KS_LINK_BOB, &good, seed,
                                 ks_bytes_of(secret, KS_LINK_SECRET_MIN - 1), &link),
                     KS_ERR_USAGE);
    assert_int_equal(ks_link_new(KS_LINK_BOB, &good, seed,
                                 ks_bytes_of(secret, KS_LINK_SECRET_MAX + 1), &link),
                     KS_ERR_USAGE);
    assert_null(link);
    for (unsigned outcome = 0; outcome <= KS_LINK_OUTCOME_POOL; outcome++) {
        assert_true(strlen(ks_link_outcome_text((enum ks_link_outcome)outcome)) > 0);
        assert_true(strlen(ks_link_outcome_meaning((enum ks_link_outcome)outcome)) > 0);
    }
}

/* --- the wire ----------------------------------------------------------------------------- */

enum harm { TRUNCATE, EXTEND, FLIP_HEAD, FLIP_BODY, REPEAT, LOSE, OVERLONG, HARMS };

struct attack {
    enum harm harm;
    size_t index;
    uint8_t kind; /* of the message that was hit; 0: none */
    unsigned end;
};

static struct link_fate hit(void *context, size_t index, unsigned end, struct ks_buf *message)
{
    struct attack *attack = context;
    struct link_fate fate = {1};

    if (index != attack->index) {
        return fate;
    }
    attack->kind = message->data[0];
    attack->end = end;
    switch (attack->harm) {
    case TRUNCATE:
        message->len--;
        break;
    case EXTEND:
        ks_buf_put_u8(message, 0);
        break;
    case FLIP_HEAD:
        message->data[index % 14] ^= 1;
        break;
    case FLIP_BODY:
        message->data[message->len - 1 - index % (message->len - 14)] ^= 0x10;
        break;
    case REPEAT:
        fate.times = 2;
        break;
    case LOSE:
        fate.times = 0;
        break;
    default:
        while (message->len <= KS_LINK_MESSAGE_MAX) {
            ks_buf_put_u8(message, 0);
        }
        break;
    }
    return fate;
}

#define PROOF_BOB 12
#define PHOTONS   2

/* Whatever is done to one message: the ends never hold different keys, and but for the last
 * one, of which Bob cannot know whether it arrived, none holds any. */
static void check_attack(const struct ks_link_params *params, enum harm harm, size_t index)
{
    struct attack attack = {.harm = harm, .index = index};
    struct link_pair pair;

    link_pair_init(&pair, params, 50, SECRET_LEN);
    link_pair_run(&pair, hit, &attack);
    const struct ks_bytes alice = ks_link_key(pair.ends[0]);
    const struct ks_bytes bob = ks_link_key(pair.ends[1]);
    const bool last = attack.kind == PROOF_BOB;

    assert_true(attack.kind > 0);
    if (alice.len > 0 && bob.len > 0) {
        assert_true(ks_bytes_equal(alice, bob));
    }
    if (attack.kind == PHOTONS && harm != LOSE && harm != OVERLONG && harm != REPEAT &&
        pair.errors[1] == KS_OK) {
        link_pair_done(&pair); /* light of another kind: the protocol's own business */
        return;
    }
    if (harm == REPEAT && last) {
        assert_int_equal(pair.errors[attack.end], KS_ERR_FORMAT);
        assert_true(alice.len > 0);
    } else {
        assert_int_equal(alice.len, 0);
        assert_true(last || bob.len == 0);
        if (harm != LOSE && harm != FLIP_BODY) {
            assert_int_not_equal(pair.errors[attack.end], KS_OK);
        }
        if (harm == FLIP_BODY) {
            assert_true(pair.errors[0] != KS_OK || pair.errors[1] != KS_OK ||
                        link_pair_report(&pair, 0)->outcome != KS_LINK_OUTCOME_KEY);
        }
    }
    link_pair_done(&pair);
}

static void test_wire(void **state)
{
    (void)state;
    const struct ks_link_params params = link_pair_params();
    struct link_pair pair;
    size_t count;

    link_pair_init(&pair, &params, 50, SECRET_LEN);
    link_pair_run(&pair, NULL, NULL);
    link_pair_expect_key(&pair);
    count = pair.messages;
    link_pair_done(&pair);
    for (unsigned harm = 0; harm < HARMS; harm++) {
        for (size_t i = 0; i < 7; i++) {
            check_attack(&params, (enum harm)harm, i);
            check_attack(&params, (enum harm)harm, count - 1 - i);
        }
        check_attack(&params, (enum harm)harm, count / 2);
        check_attack(&params, (enum harm)harm, count / 3);
    }
}

/* A proof is one tag of 128 bits: each bit of it counts. */
static struct link_fate forge(void *context, size_t index, unsigned end, struct ks_buf *message)
{
    const unsigned *bit = context;

    (void)index;
    if (message->data[0] == PROOF_BOB - 1 && end == 1) {
        message->data[message->len - 1 - *bit / 8] ^= (uint8_t)(1u << (*bit % 8));
    }
    return (struct link_fate){1};
}

static void test_forged_proof(void **state)
{
    (void)state;
    const struct ks_link_params params = link_pair_params();

    for (unsigned bit = 0; bit < 128; bit += 13) {
        struct link_pair pair;

        link_pair_init(&pair, &params, 60, SECRET_LEN);
        link_pair_run(&pair, forge, &bit);
        assert_int_equal(pair.errors[1], KS_ERR_VERIFY);
        assert_int_equal(link_pair_report(&pair, 1)->outcome, KS_LINK_OUTCOME_AUTHENTICATION);
        assert_int_equal(link_pair_report(&pair, 0)->outcome, KS_LINK_OUTCOME_PEER);
        assert_int_equal(ks_link_key(pair.ends[0]).len, 0);
        assert_int_equal(ks_link_key(pair.ends[1]).len, 0);
        link_pair_done(&pair);
    }
}

/* The pads of a block whose proof was forged are gone, the next has others; and when there are
 * none, nothing begins. */
static void test_pool(void **state)
{
    (void)state;
    const struct ks_link_params params = link_pair_params();
    unsigned bit = 5;
    struct link_pair pair;

    link_pair_init(&pair, &params, 70, 16 + 5 * 16);
    link_pair_run(&pair, forge, &bit);
    assert_int_equal(link_pair_report(&pair, 0)->pool_bits, 4 * 128);
    assert_int_equal(link_pair_report(&pair, 1)->pool_bits, 4 * 128);
    link_pair_run(&pair, NULL, NULL);
    link_pair_expect_key(&pair);
    for (unsigned i = 0; i < 3; i++) {
        link_pair_run(&pair, forge, &bit);
    }
    link_pair_run(&pair, NULL, NULL);
    for (unsigned end = 0; end < 2; end++) {
        assert_int_equal(link_pair_report(&pair, end)->outcome, KS_LINK_OUTCOME_POOL);
        assert_int_equal(ks_link_key(pair.ends[end]).len, 0);
    }
    link_pair_done(&pair);
}

/* Somebody without the secret, and somebody with another protocol. */
static void test_strangers(void **state)
{
    (void)state;
    const struct ks_link_params params = link_pair_params();
    struct ks_link_params other = params;
    struct link_pair right;
    struct link_pair wrong;

    link_pair_init(&right, &params, 80, SECRET_LEN);
    link_pair_init(&wrong, &params, 81, SECRET_LEN);
    struct link_pair mixed = {.ends = {wrong.ends[0], right.ends[1]}};

    link_pair_run(&mixed, NULL, NULL);
    assert_int_equal(mixed.errors[1], KS_ERR_VERIFY);
    assert_int_equal(link_pair_report(&mixed, 1)->outcome, KS_LINK_OUTCOME_AUTHENTICATION);
    assert_int_equal(ks_link_key(mixed.ends[0]).len, 0);
    link_pair_done(&wrong);

    other.protocol.secrecy = 5e-4;
    link_pair_init(&wrong, &other, 80, SECRET_LEN);
    link_pair_done(&right);
    link_pair_init(&right, &params, 80, SECRET_LEN);
    mixed = (struct link_pair){.ends = {wrong.ends[0], right.ends[1]}};
    link_pair_run(&mixed, NULL, NULL);
    assert_int_equal(mixed.errors[1], KS_ERR_FORMAT);
    assert_int_equal(mixed.messages, 2); /* what began, and the abort */
    link_pair_done(&wrong);
    link_pair_done(&right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),       cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_dead_time),    cmocka_unit_test(test_intercept),
        cmocka_unit_test(test_splitting),    cmocka_unit_test(test_no_light),
        cmocka_unit_test(test_parameters),   cmocka_unit_test(test_wire),
        cmocka_unit_test(test_forged_proof), cmocka_unit_test(test_pool),
        cmocka_unit_test(test_strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
