/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/channel.h"

#include "qkd/real.h"

#define LN10             2.30258509299404568402
#define WORDS_OF_A_PULSE 4
#define PULSES_OF_BLOCK  (KS_QKD_WORDS / WORDS_OF_A_PULSE)

/* --- the source --------------------------------------------------------------------------- */

static uint64_t threshold(double probability)
{
    return (uint64_t)(probability * 0x1p32);
}

void ks_qkd_source_init(struct ks_qkd_source *source, const struct ks_link_protocol *protocol,
                        const struct ks_qkd_key *key)
{
    const double *p = protocol->probability;

    *source = (struct ks_qkd_source){
        .key = *key,
        .signal_below = threshold(p[KS_LINK_SIGNAL]),
        .decoy_below = threshold(p[KS_LINK_SIGNAL] + p[KS_LINK_DECOY]),
        .x_below = threshold(protocol->basis_x),
    };
}

void ks_qkd_source_choose(const struct ks_qkd_source *source,
                          const uint64_t pulses[KS_QKD_LANES],
                          struct ks_qkd_choice out_choices[KS_QKD_LANES])
{
    uint64_t counters[KS_QKD_LANES];
    uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];

    for (unsigned lane = 0; lane < KS_QKD_LANES; lane++) {
        counters[lane] = pulses[lane] / PULSES_OF_BLOCK;
    }
    ks_qkd_blocks(&source->key, KS_QKD_USE_CHOICE, counters, words);
    for (unsigned lane = 0; lane < KS_QKD_LANES; lane++) {
        const uint32_t *word =
            words[lane] + WORDS_OF_A_PULSE * (pulses[lane] % PULSES_OF_BLOCK);

        out_choices[lane] = (struct ks_qkd_choice){
            .basis = word[0] < source->x_below ? KS_LINK_X : KS_LINK_Z,
            .bit = (uint8_t)(word[1] >> 31),
            .intensity = word[2] < source->signal_below  ? KS_LINK_SIGNAL
                         : word[2] < source->decoy_below ? KS_LINK_DECOY
                                                         : KS_LINK_VACUUM,
        };
    }
}

/* --- the way ------------------------------------------------------------------------------ */

double ks_qkd_transmittance(const struct ks_link_params *params)
{
    const double loss_db = params->fibre.distance_km * params->fibre.loss_db_km;

    return ks_real_exp(-loss_db / 10.0 * LN10) * params->detector.efficiency;
}

/* Probability that one and that more than one photon of a Poissonian number of mean MU is sent.
 */
static double one_photon(double mu)
{
    return mu * ks_real_exp(-mu);
}

static double several_photons(double mu)
{
    return -ks_real_expm1(-mu) - one_photon(mu);
}

/* The splitting eavesdropper (Brassard et al. 2000) has a line without
 * loss, not better detectors at Bob's. Of pulses with several photons she keeps one and sends
 * one on; of single ones she lets through what is missing until the signal clicks as often as
 * it should, and when there is nothing missing she stops some of the others too. */
static void init_splitting(struct ks_qkd_channel *channel, const struct ks_link_params *params)
{
    const double *intensity = params->protocol.intensity;
    const double efficiency = params->detector.efficiency;
    const double share = params->fibre.eve_share;
    const double wanted = channel->arrive[KS_LINK_SIGNAL] / efficiency;
    const double several = several_photons(intensity[KS_LINK_SIGNAL]);
    const double one = one_photon(intensity[KS_LINK_SIGNAL]);
    const double pass_several = several > wanted ? wanted / several : 1.0;
    double pass_one = several > wanted ? 0.0 : (wanted - several) / one;

    pass_one = pass_one > 1.0 ? 1.0 : pass_one;
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        const double through = efficiency * (pass_several * several_photons(intensity[k]) +
                                             pass_one * one_photon(intensity[k]));

        channel->split[k] = share * through;
        channel->arrive[k] = (1.0 - share) * channel->arrive[k] + channel->split[k];
    }
}

void ks_qkd_channel_init(struct ks_qkd_channel *channel, const struct ks_qkd_source *source,
                         const struct ks_link_params *params, const struct ks_qkd_key *key)
{
    const double transmittance = ks_qkd_transmittance(params);

    *channel = (struct ks_qkd_channel){
        .source = source,
        .pulses = params->protocol.pulses,
        .intercepts = params->fibre.eve == KS_LINK_EVE_INTERCEPT,
        .eve_share = params->fibre.eve_share,
    };
    ks_qkd_stream_init(&channel->stream, key, KS_QKD_USE_CHANNEL);
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        channel->mean[k] = params->protocol.intensity[k] * transmittance;
        channel->none[k] = ks_real_exp(-channel->mean[k]);
        channel->light[k] = -ks_real_expm1(-channel->mean[k]);
        channel->arrive[k] = channel->light[k];
    }
    if (params->fibre.eve == KS_LINK_EVE_PNS) {
        init_splitting(channel, params);
    }
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        if (channel->arrive[k] > channel->bound) {
            channel->bound = channel->arrive[k];
        }
    }
    if (channel->bound > 0.0) {
        channel->scale = 1.0 / ks_real_ln1p(-channel->bound);
    }
}

/* The next pulse that may arrive; false when there is none in the block. */
static bool skip(struct ks_qkd_channel *channel, uint64_t *out_pulse)
{
    const uint64_t left = channel->pulses - channel->next;

    if (channel->bound <= 0.0 || left == 0) {
        return false;
    }
    const double missed = ks_real_ln(ks_qkd_stream_unit(&channel->stream)) * channel->scale;

    if (missed >= (double)left) {
        channel->next = channel->pulses;
        return false;
    }
    *out_pulse = channel->next + (uint64_t)missed;
    channel->next = *out_pulse + 1;
    return true;
}

/* A Poissonian number that is not 0, by inversion. */
static unsigned photons_of(struct ks_qkd_channel *channel, unsigned k)
{
    const double mean = channel->mean[k];
    double left = ks_qkd_stream_unit(&channel->stream) * channel->light[k];
    double term = channel->none[k] * mean;
    unsigned count = 1;

    while (left > term && count < KS_QKD_PHOTONS_MAX) {
        left -= term;
        count++;
        term *= mean / (double)count;
    }
    return count;
}

/* Eve measures in a basis of her own and sends on the state that she saw, in as many photons.
 */
static void intercept(struct ks_qkd_stream *stream, struct ks_qkd_photons *photons)
{
    const uint32_t draw = ks_qkd_stream_u32(stream);
    const uint8_t basis = (uint8_t)(draw >> 31);

    if (basis != photons->basis) {
        photons->basis = basis;
        photons->bit = draw >> 30 & 1;
    }
}

/* A pulse that may arrive with the probability that the brightest has: false when this one does
 * not. */
static bool arrive(struct ks_qkd_channel *channel, uint64_t pulse, struct ks_qkd_choice choice,
                   struct ks_qkd_photons *out_photons)
{
    struct ks_qkd_stream *stream = &channel->stream;
    const unsigned k = choice.intensity;
    const double draw = ks_qkd_stream_unit(stream) * channel->bound;
    struct ks_qkd_photons photons = {pulse, choice.basis, choice.bit, 1};

    if (draw > channel->arrive[k]) {
        return false;
    }
    if (draw > channel->split[k]) {
        photons.count = (uint8_t)photons_of(channel, k);
    }
    if (channel->intercepts && ks_qkd_stream_unit(stream) <= channel->eve_share) {
        intercept(stream, &photons);
    }
    *out_photons = photons;
    return true;
}

bool ks_qkd_channel_next(struct ks_qkd_channel *channel,
                         struct ks_qkd_photons out_photons[KS_QKD_LANES], unsigned *out_count)
{
    uint64_t pulses[KS_QKD_LANES] = {0};
    struct ks_qkd_choice choices[KS_QKD_LANES];
    unsigned found = 0;
    unsigned count = 0;

    while (found < KS_QKD_LANES && skip(channel, &pulses[found])) {
        found++;
    }
    ks_qkd_source_choose(channel->source, pulses, choices);
    for (unsigned i = 0; i < found; i++) {
        if (arrive(channel, pulses[i], choices[i], &out_photons[count])) {
            count++;
        }
    }
    *out_count = count;
    return found == KS_QKD_LANES;
}
