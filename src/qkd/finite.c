/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/finite.h"

#include <math.h>

#include "qkd/channel.h"
#include "qkd/real.h"

/* Of the 21 failures that epsilon_sec is shared among (Lim et al., appendix B). */
#define SHARES 21.0
#define LN2    0.69314718055994530942
/* Lengths beyond any block, so that conversions are safe. */
#define BITS_MAX 1e15

static double sum_of(const uint64_t counts[KS_LINK_INTENSITIES])
{
    return (double)(counts[KS_LINK_SIGNAL] + counts[KS_LINK_DECOY] + counts[KS_LINK_VACUUM]);
}

/* tau_n: probability that a pulse has N photons, 0 or 1. */
static double tau(const struct ks_link_protocol *protocol, unsigned n)
{
    double sum = 0.0;

    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        const double mu = protocol->intensity[k];

        sum += protocol->probability[k] * ks_real_exp(-mu) * (n == 0 ? 1.0 : mu);
    }
    return sum;
}

static double at_least_zero(double x)
{
    return x > 0.0 ? x : 0.0;
}

/* n+- of equations (2) to (4): the count of intensity K, moved by Hoeffding's bound, per pulse
 * of that intensity. What a lower bound is of is never negative. */
static double moved(const struct ks_link_protocol *protocol,
                    const uint64_t counts[KS_LINK_INTENSITIES], enum ks_link_intensity k,
                    double direction)
{
    const double margin = sqrt(sum_of(counts) / 2.0 * ks_real_ln(SHARES / protocol->secrecy));

    return ks_real_exp(protocol->intensity[k]) / protocol->probability[k] *
           at_least_zero((double)counts[k] + direction * margin);
}

/* Equation (2). */
static double vacuum_of(const struct ks_link_protocol *protocol,
                        const uint64_t counts[KS_LINK_INTENSITIES])
{
    const double *mu = protocol->intensity;
    const double vacuum = moved(protocol, counts, KS_LINK_VACUUM, -1.0);
    const double decoy = moved(protocol, counts, KS_LINK_DECOY, 1.0);

    return at_least_zero(tau(protocol, 0) *
                         (mu[KS_LINK_DECOY] * vacuum - mu[KS_LINK_VACUUM] * decoy) /
                         (mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM]));
}

/* Equation (3). */
static double single_of(const struct ks_link_protocol *protocol,
                        const uint64_t counts[KS_LINK_INTENSITIES])
{
    const double *mu = protocol->intensity;
    const double squares =
        mu[KS_LINK_DECOY] * mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM] * mu[KS_LINK_VACUUM];
    const double signal = moved(protocol, counts, KS_LINK_SIGNAL, 1.0);
    const double decoy = moved(protocol, counts, KS_LINK_DECOY, -1.0);
    const double vacuum = moved(protocol, counts, KS_LINK_VACUUM, 1.0);
    const double several = squares / (mu[KS_LINK_SIGNAL] * mu[KS_LINK_SIGNAL]) *
                           (signal - vacuum_of(protocol, counts) / tau(protocol, 0));

    return at_least_zero(
        tau(protocol, 1) * mu[KS_LINK_SIGNAL] * (decoy - vacuum - several) /
        (mu[KS_LINK_SIGNAL] * (mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM]) - squares));
}

/* gamma of equation (5): how far the error rate B of D single photons in Z may be from that of
 * C others in X. */
static double gamma_of(double secrecy, double b, double c, double d)
{
    const double spread = (1.0 - b) * b;
    const double ratio = (c + d) / (c * d * spread);
    const double log = ks_real_log2(ratio * SHARES * SHARES / (secrecy * secrecy));

    return log > 0.0 ? sqrt(ratio * spread * spread * log / LN2) : 0.0;
}

/* Equations (4) and (5). */
static double phase_error_of(const struct ks_link_protocol *protocol,
                             const struct ks_finite_counts *counts, double single_x)
{
    const double *mu = protocol->intensity;
    const double single_z = single_of(protocol, counts->shown);
    const double wrong = tau(protocol, 1) *
                         (moved(protocol, counts->errors, KS_LINK_DECOY, 1.0) -
                          moved(protocol, counts->errors, KS_LINK_VACUUM, -1.0)) /
                         (mu[KS_LINK_DECOY] - mu[KS_LINK_VACUUM]);

    if (single_z < 1.0 || single_x < 1.0) {
        return 0.5;
    }
    double rate = wrong / single_z;

    /* One error in twice as many is less than any margin here, and keeps the logarithm defined.
     */
    rate = rate < 0.5 / single_z ? 0.5 / single_z : rate;
    if (rate >= 0.5) {
        return 0.5;
    }
    rate += gamma_of(protocol->secrecy, rate, single_x, single_z);
    return rate < 0.5 ? rate : 0.5;
}

struct ks_finite_bounds ks_finite_bounds_of(const struct ks_link_protocol *protocol,
                                            const struct ks_finite_counts *counts)
{
    struct ks_finite_bounds bounds = {
        .vacuum_bits = vacuum_of(protocol, counts->raw),
        .single_bits = single_of(protocol, counts->raw),
    };

    bounds.phase_error = phase_error_of(protocol, counts, bounds.single_bits);
    bounds.secret_bits = bounds.vacuum_bits +
                         bounds.single_bits * (1.0 - ks_real_entropy(bounds.phase_error)) -
                         6.0 * ks_real_log2(SHARES / protocol->secrecy);
    return bounds;
}

int64_t ks_finite_length(const struct ks_finite_bounds *bounds, uint64_t leaked)
{
    const double length =
        floor(bounds->secret_bits - (double)leaked - (double)KS_FINITE_VERIFY_BITS);

    KS_ASSERT(length > -BITS_MAX && length < BITS_MAX);
    return (int64_t)length;
}

/* --- what is expected --------------------------------------------------------------------- */

struct ks_finite_model ks_finite_expected(const struct ks_link_params *params,
                                          enum ks_link_intensity intensity)
{
    const double mean = params->protocol.intensity[intensity] * ks_qkd_transmittance(params);
    const double silent = 1.0 - params->detector.dark;
    const double wrong_share = params->detector.misalignment;
    const double no_right = silent * ks_real_exp(-mean * (1.0 - wrong_share));
    const double no_wrong = silent * ks_real_exp(-mean * wrong_share);
    const double gain = 1.0 - no_right * no_wrong;
    /* Wrong alone, and half of both. */
    const double wrong = no_right * (1.0 - no_wrong) + (1.0 - no_right) * (1.0 - no_wrong) / 2;

    return (struct ks_finite_model){
        .gain = gain,
        .error_rate = gain > 0.0 ? wrong / gain : 0.0,
    };
}

struct ks_finite_model ks_finite_asymptotic(const struct ks_link_params *params)
{
    struct ks_finite_model model = ks_finite_expected(params, KS_LINK_SIGNAL);
    const double mu = params->protocol.intensity[KS_LINK_SIGNAL];
    const double t = ks_qkd_transmittance(params);
    const double dark = params->detector.dark;
    const double e = params->detector.misalignment;
    const double none = dark * (2.0 - dark); /* yield of no photon */
    const double yield = t + (1.0 - t) * none;
    /* A photon in the wrong detector, or a dark count beside one in the right one, or dark
     * counts alone. */
    const double wrong =
        t * (e * (1.0 - dark / 2) + (1.0 - e) * dark / 2) + (1.0 - t) * none / 2;

    if (yield > 0.0 && wrong / yield < 0.5) {
        model.rate =
            ks_real_exp(-mu) * (none + mu * yield * (1.0 - ks_real_entropy(wrong / yield))) -
            model.gain * ks_real_entropy(model.error_rate);
    }
    model.rate = model.rate > 0.0 ? model.rate : 0.0;
    return model;
}
