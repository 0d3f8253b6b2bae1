/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/digest.h"
#include "qkd/internal.h"

#define LABEL           "ketseal/qkd-link/1"
#define INTENSITY_MAX   2.0
#define DISTANCE_MAX    1e5 /* km */
#define LOSS_MAX        100.0
#define DARK_MAX        0.5
#define SECRECY_MIN     1e-30
#define SECRECY_MAX     1e-3
#define CORRECTNESS_MIN 1e-30 /* 2^24 bits are 2^17 blocks of the hash: 2^-111 */
#define DEAD_MAX        1000000000
#define SUM_TOLERANCE   1e-9
/* Intensities that are too near each other make bounds of nothing but rounding. */
#define GAP_MIN 1e-6

struct ks_link_params ks_link_params_default(void)
{
    return (struct ks_link_params){
        .protocol = {.pulses = 100000000,
                     .intensity = {0.6, 0.25, 0.0},
                     .probability = {0.45, 0.4, 0.15},
                     .basis_x = 0.86,
                     .sample = 1.0 / 64,
                     .secrecy = 1e-10,
                     .correctness = 1e-15,
                     .frame_bits = 16384},
        .fibre = {.distance_km = 25.0, .loss_db_km = 0.2},
        .detector = {.efficiency = 0.2, .dark = 1e-6, .misalignment = 0.01},
    };
}

/* False for NaN. */
static bool within(double x, double low, double high)
{
    return x >= low && x <= high;
}

static enum ks_err check_protocol(const struct ks_link_protocol *protocol)
{
    enum ks_err err = KS_OK;
    const double *mu = protocol->intensity;
    double sum = 0.0;

    KS_CHECK(protocol->pulses >= KS_LINK_PULSES_MIN && protocol->pulses <= KS_LINK_PULSES_MAX,
             KS_ERR_USAGE, "pulses: %llu, from %d to %lld",
             (unsigned long long)protocol->pulses, KS_LINK_PULSES_MIN,
             (long long)KS_LINK_PULSES_MAX);
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        KS_CHECK(within(mu[k], 0.0, INTENSITY_MAX), KS_ERR_USAGE,
                 "intensity %u: from 0 to %g photons", k, INTENSITY_MAX);
        KS_CHECK(within(protocol->probability[k], 1e-6, 1.0), KS_ERR_USAGE,
                 "probability of intensity %u: from 1e-6 to 1", k);
        sum += protocol->probability[k];
    }
    KS_CHECK(within(sum, 1.0 - SUM_TOLERANCE, 1.0 + SUM_TOLERANCE), KS_ERR_USAGE,
             "the probabilities of the intensities sum to %g, not 1", sum);
    /* What equation (3) of Lim et al. divides by. */
    KS_CHECK(mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM] >= GAP_MIN &&
                 mu[KS_LINK_SIGNAL] - mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM] >= GAP_MIN,
             KS_ERR_USAGE,
             "intensities: signal over decoy and vacuum together, decoy over "
             "vacuum");
    KS_CHECK(within(protocol->basis_x, 0.01, 0.99), KS_ERR_USAGE,
             "probability of basis X: from 0.01 to 0.99");
    KS_CHECK(within(protocol->sample, 0.0, 0.5), KS_ERR_USAGE, "sample: from 0 to 0.5");
    KS_CHECK(within(protocol->secrecy, SECRECY_MIN, SECRECY_MAX), KS_ERR_USAGE,
             "secrecy: from %g to %g", SECRECY_MIN, SECRECY_MAX);
    KS_CHECK(within(protocol->correctness, CORRECTNESS_MIN, SECRECY_MAX), KS_ERR_USAGE,
             "correctness: from %g to %g", CORRECTNESS_MIN, SECRECY_MAX);
    KS_CHECK(protocol->frame_bits >= KS_CASCADE_FRAME_MIN &&
                 protocol->frame_bits <= KS_CASCADE_FRAME_MAX,
             KS_ERR_USAGE, "frame: from %d to %d bits", KS_CASCADE_FRAME_MIN,
             KS_CASCADE_FRAME_MAX);
out:
    return err;
}

enum ks_err ks_link_params_check(const struct ks_link_params *params)
{
    enum ks_err err = KS_OK;
    const struct ks_link_fibre *fibre = &params->fibre;
    const struct ks_link_detector *detector = &params->detector;

    KS_TRY(check_protocol(&params->protocol));
    KS_CHECK(within(fibre->distance_km, 0.0, DISTANCE_MAX), KS_ERR_USAGE,
             "distance: from 0 to %g km", DISTANCE_MAX);
    KS_CHECK(within(fibre->loss_db_km, 0.0, LOSS_MAX), KS_ERR_USAGE, "loss: from 0 to %g dB/km",
             LOSS_MAX);
    /* exp() of more is no normal number. */
    KS_CHECK(fibre->distance_km * fibre->loss_db_km <= 2000.0, KS_ERR_USAGE,
             "distance: more than 2000 dB of loss");
    KS_CHECK(fibre->eve <= KS_LINK_EVE_PNS, KS_ERR_USAGE, "eavesdropper %d", (int)fibre->eve);
    KS_CHECK(within(fibre->eve_share, 0.0, 1.0), KS_ERR_USAGE,
             "share of the eavesdropper: from 0 to 1");
    KS_CHECK(within(detector->efficiency, 1e-6, 1.0), KS_ERR_USAGE,
             "efficiency: from 1e-6 to 1");
    KS_CHECK(within(detector->dark, 0.0, DARK_MAX), KS_ERR_USAGE, "dark counts: from 0 to %g",
             DARK_MAX);
    KS_CHECK(within(detector->misalignment, 0.0, 1.0), KS_ERR_USAGE,
             "misalignment: from 0 to 1");
    KS_CHECK(within(detector->afterpulse, 0.0, 0.5), KS_ERR_USAGE,
             "afterpulses: from 0 to 0.5");
    KS_CHECK(detector->dead_pulses <= DEAD_MAX, KS_ERR_USAGE, "dead time: at most %d pulses",
             DEAD_MAX);
out:
    return err;
}

static void put_real(struct ks_buf *buf, double value)
{
    uint64_t bits;

    ks_copy(&bits, &value, sizeof bits);
    ks_buf_put_u64(buf, bits);
}

enum ks_err ks_link_digest(const struct ks_link_protocol *protocol, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;

    ks_buf_init(&buf, 256);
    ks_buf_put(&buf, KS_LITERAL(LABEL));
    ks_buf_put_u64(&buf, protocol->pulses);
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        put_real(&buf, protocol->intensity[k]);
        put_real(&buf, protocol->probability[k]);
    }
    put_real(&buf, protocol->basis_x);
    put_real(&buf, protocol->sample);
    put_real(&buf, protocol->secrecy);
    put_real(&buf, protocol->correctness);
    ks_buf_put_u32(&buf, protocol->frame_bits);
    KS_TRY(ks_buf_check(&buf));
    ks_sha256(ks_buf_view(&buf), out_digest);
out:
    ks_buf_done(&buf);
    return err;
}

struct outcome_row {
    const char *text;
    const char *meaning;
};

static const struct outcome_row outcomes[] = {
#define OUTCOME_ROW(name, text, meaning) {text, meaning},
    KS_LINK_OUTCOME_LIST(OUTCOME_ROW)
#undef OUTCOME_ROW
};

const char *ks_link_outcome_text(enum ks_link_outcome outcome)
{
    KS_ASSERT((size_t)outcome < sizeof outcomes / sizeof outcomes[0]);
    return outcomes[outcome].text;
}

const char *ks_link_outcome_meaning(enum ks_link_outcome outcome)
{
    KS_ASSERT((size_t)outcome < sizeof outcomes / sizeof outcomes[0]);
    return outcomes[outcome].meaning;
}
