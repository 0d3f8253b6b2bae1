/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/detector.h"

#include "qkd/real.h"

#define NEVER      UINT64_MAX
#define FIRST_ROOM 4096
/* Words of a pulse's block: its basis, the bit of a double click, then two for each photon. */
#define WORD_BASIS  0
#define WORD_DOUBLE 1
#define WORD_PHOTON 2
#define PHOTONS     ((KS_QKD_WORDS - WORD_PHOTON) / 2)
/* Blocks for further photons have counters above all pulses. */
#define FURTHER_SHIFT 44

_Static_assert(KS_LINK_PULSES_MAX < (uint64_t)1 << FURTHER_SHIFT, "pulses stay below");

static uint64_t threshold(double probability)
{
    return (uint64_t)(probability * 0x1p32);
}

/* Moves next_dark to the first dark count at pulse FROM or later. */
static void draw_dark(struct ks_qkd_detector *detector, uint64_t from)
{
    detector->next_dark = NEVER;
    if (detector->dark > 0.0 && from < detector->pulses) {
        const double missed =
            ks_real_ln(ks_qkd_stream_unit(&detector->noise)) * detector->dark_scale;

        if (missed < (double)(detector->pulses - from)) {
            detector->next_dark = from + (uint64_t)missed;
        }
    }
}

void ks_qkd_detector_init(struct ks_qkd_detector *detector, const struct ks_link_params *params,
                          const struct ks_qkd_key *key)
{
    const double dark = params->detector.dark;

    *detector = (struct ks_qkd_detector){
        .key = *key,
        .pulses = params->protocol.pulses,
        .x_below = threshold(params->protocol.basis_x),
        .wrong_below = threshold(params->detector.misalignment),
        .dark = dark * (2.0 - dark),
        .dark_both = dark > 0.0 ? dark / (2.0 - dark) : 0.0,
        .afterpulse = params->detector.afterpulse,
        .dead_pulses = params->detector.dead_pulses,
        .next_afterpulse = NEVER,
    };
    if (dark > 0.0) {
        detector->dark_scale = 1.0 / (2.0 * ks_real_ln1p(-dark));
    }
    ks_qkd_stream_init(&detector->noise, key, KS_QKD_USE_DARK);
    draw_dark(detector, 0);
}

void ks_qkd_detector_done(struct ks_qkd_detector *detector)
{
    if (detector->clicks != NULL) {
        ks_wipe(detector->clicks, detector->room * sizeof *detector->clicks);
    }
    ks_free(detector->clicks);
    ks_wipe(detector, sizeof *detector);
}

static enum ks_err keep(struct ks_qkd_detector *detector, uint64_t click)
{
    if (detector->count == KS_LINK_DETECTED_MAX) {
        return ks_fail(KS_ERR_LIMIT, "more than %u clicks in a block", KS_LINK_DETECTED_MAX);
    }
    if (detector->count == detector->room) {
        const size_t room = detector->room == 0 ? FIRST_ROOM : 2 * detector->room;
        uint64_t *clicks = ks_realloc(detector->clicks, room, sizeof *clicks);

        if (clicks == NULL) {
            return ks_fail(KS_ERR_NOMEM, "%zu clicks", room);
        }
        detector->clicks = clicks;
        detector->room = room;
    }
    detector->clicks[detector->count++] = click;
    return KS_OK;
}

/* Which detectors (bit 0, bit 1) the noise of PULSE fires; moves on to the noise after it. */
static unsigned fire_noise(struct ks_qkd_detector *detector, uint64_t pulse)
{
    unsigned hits = 0;

    if (detector->next_dark == pulse) {
        const bool both = ks_qkd_stream_unit(&detector->noise) <= detector->dark_both;

        hits |= both ? 3u : 1u << (ks_qkd_stream_u32(&detector->noise) >> 31);
        draw_dark(detector, pulse + 1);
    }
    if (detector->next_afterpulse == pulse) {
        hits |= 1u << (ks_qkd_stream_u32(&detector->noise) >> 31);
        detector->next_afterpulse = NEVER;
    }
    return hits;
}

/* Which detectors PHOTONS fire, measured in BASIS. */
static unsigned fire_photons(const struct ks_qkd_detector *detector,
                             const struct ks_qkd_photons *photons, unsigned basis,
                             const uint32_t words[KS_QKD_WORDS])
{
    uint32_t further[KS_QKD_LANES][KS_QKD_WORDS];
    unsigned hits = 0;

    for (unsigned i = 0; i < photons->count; i++) {
        if (i > 0 && i % PHOTONS == 0) {
            const uint64_t counters[KS_QKD_LANES] = {photons->pulse | (uint64_t)(i / PHOTONS)
                                                                          << FURTHER_SHIFT};

            ks_qkd_blocks(&detector->key, KS_QKD_USE_MEASURE, counters, further);
            words = further[0];
        }
        const uint32_t *draw = words + WORD_PHOTON + (size_t)2 * (i % PHOTONS);
        const bool wrong = draw[0] < detector->wrong_below;

        hits |=
            1u << (photons->basis == basis ? photons->bit ^ (wrong ? 1u : 0u) : draw[1] >> 31);
    }
    return hits;
}

/* All that happens at PULSE. PHOTONS may be NULL: noise alone. */
static enum ks_err happen(struct ks_qkd_detector *detector, uint64_t pulse,
                          const struct ks_qkd_photons *photons,
                          const uint32_t words[KS_QKD_WORDS])
{
    unsigned hits = fire_noise(detector, pulse);

    if (pulse < detector->blind_until) {
        return KS_OK;
    }
    const unsigned basis = words[WORD_BASIS] < detector->x_below ? KS_LINK_X : KS_LINK_Z;

    if (photons != NULL) {
        hits |= fire_photons(detector, photons, basis, words);
    }
    if (hits == 0) {
        return KS_OK;
    }
    const unsigned bit = hits == 3 ? words[WORD_DOUBLE] >> 31 : hits >> 1;

    detector->blind_until = pulse + 1 + detector->dead_pulses;
    if (detector->afterpulse > 0.0 &&
        ks_qkd_stream_unit(&detector->noise) <= detector->afterpulse) {
        detector->next_afterpulse =
            detector->blind_until < detector->pulses ? detector->blind_until : NEVER;
    }
    return keep(detector, pulse << 2 | (uint64_t)basis << 1 | bit);
}

/* The noise before pulse END. */
static enum ks_err happen_noise(struct ks_qkd_detector *detector, uint64_t end)
{
    for (;;) {
        const uint64_t pulse = detector->next_dark < detector->next_afterpulse
                                   ? detector->next_dark
                                   : detector->next_afterpulse;

        if (pulse >= end) {
            return KS_OK;
        }
        const uint64_t counters[KS_QKD_LANES] = {pulse};
        uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];

        ks_qkd_blocks(&detector->key, KS_QKD_USE_MEASURE, counters, words);
        enum ks_err err = happen(detector, pulse, NULL, words[0]);
        if (err != KS_OK) {
            return err;
        }
    }
}

enum ks_err ks_qkd_detector_take(struct ks_qkd_detector *detector,
                                 const struct ks_qkd_photons *photons, unsigned count)
{
    enum ks_err err = KS_OK;
    uint64_t counters[KS_QKD_LANES] = {0};
    uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];

    KS_ASSERT(count <= KS_QKD_LANES);
    for (unsigned i = 0; i < count; i++) {
        counters[i] = photons[i].pulse;
    }
    ks_qkd_blocks(&detector->key, KS_QKD_USE_MEASURE, counters, words);
    for (unsigned i = 0; i < count; i++) {
        KS_TRY(happen_noise(detector, photons[i].pulse));
        KS_TRY(happen(detector, photons[i].pulse, &photons[i], words[i]));
    }
out:
    return err;
}

enum ks_err ks_qkd_detector_end(struct ks_qkd_detector *detector)
{
    return happen_noise(detector, detector->pulses);
}
