/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* channel.h: Alice's source and the way of its light to the detectors: what she chose for each
 * pulse, and which pulses arrive.
 *
 * A weak coherent source sends a Poissonian number of photons. Loss thins it to another, so
 * that of 10^10 pulses only those are ever looked at that might arrive: the distance to the
 * next one is drawn from the geometric law of the brightest intensity, and it is kept with the
 * probability that its own intensity has beside that. The result has exactly the distribution
 * of a simulation pulse by pulse. Nothing here is told to the protocol: it sees choices alone.
 * Pure; one thread. */
#ifndef KS_QKD_CHANNEL_H
#define KS_QKD_CHANNEL_H

#include "qkd/link.h"
#include "qkd/random.h"

#define KS_QKD_PHOTONS_MAX 63 /* of a pulse; more never arrive in practice, and are cut off */

/* Alice's choice for a pulse. */
struct ks_qkd_choice {
    uint8_t basis;
    uint8_t bit;
    uint8_t intensity;
};

struct ks_qkd_source {
    struct ks_qkd_key key;
    uint64_t signal_below; /* of 2^32 */
    uint64_t decoy_below;
    uint64_t x_below;
};
void ks_qkd_source_init(struct ks_qkd_source *source, const struct ks_link_protocol *protocol,
                        const struct ks_qkd_key *key);
void ks_qkd_source_choose(const struct ks_qkd_source *source,
                          const uint64_t pulses[KS_QKD_LANES],
                          struct ks_qkd_choice out_choices[KS_QKD_LANES]);

/* Light that reaches the detectors: COUNT photons in the state BIT of BASIS. */
struct ks_qkd_photons {
    uint64_t pulse;
    uint8_t basis;
    uint8_t bit;
    uint8_t count; /* >= 1 */
};

struct ks_qkd_channel {
    const struct ks_qkd_source *source;
    struct ks_qkd_stream stream;
    uint64_t pulses;
    uint64_t next;                      /* first pulse not yet looked at */
    double mean[KS_LINK_INTENSITIES];   /* photons that the detectors absorb */
    double none[KS_LINK_INTENSITIES];   /* probability that it is none */
    double light[KS_LINK_INTENSITIES];  /* and of the contrary */
    double arrive[KS_LINK_INTENSITIES]; /* the same with the splitting eavesdropper */
    double split[KS_LINK_INTENSITIES];  /* and through her */
    double bound;                       /* the greatest of arrive */
    double scale;                       /* 1 / ln(1 - bound) */
    bool intercepts;
    double eve_share;
};
/* SOURCE is borrowed; the others are copied. */
void ks_qkd_channel_init(struct ks_qkd_channel *channel, const struct ks_qkd_source *source,
                         const struct ks_link_params *params, const struct ks_qkd_key *key);
/* Up to KS_QKD_LANES of the next that arrive; *OUT_COUNT may be 0 before the end, which a false
 * return says. */
bool ks_qkd_channel_next(struct ks_qkd_channel *channel,
                         struct ks_qkd_photons out_photons[KS_QKD_LANES], unsigned *out_count);

/* The probability that a photon at the source is absorbed by a detector. */
double ks_qkd_transmittance(const struct ks_link_params *params);

#endif
