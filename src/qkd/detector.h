/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detector.h: Bob's measurement: a random basis for each pulse, two detectors with dark counts,
 * dead time and afterpulses, and a random bit where both click. Basis and outcome follow from
 * his own key and the number of the pulse; they are drawn when something clicks and not before.
 * Pure; one thread. */
#ifndef KS_QKD_DETECTOR_H
#define KS_QKD_DETECTOR_H

#include "qkd/channel.h"

/* A click in one word, so that ten million take little room: pulse << 2 | basis << 1 | bit. */
#define KS_QKD_CLICK_PULSE(click) ((click) >> 2)
#define KS_QKD_CLICK_BASIS(click) ((unsigned)((click) >> 1 & 1))
#define KS_QKD_CLICK_BIT(click)   ((unsigned)((click)&1))

struct ks_qkd_detector {
    struct ks_qkd_key key;
    struct ks_qkd_stream noise;
    uint64_t pulses;
    uint64_t x_below; /* of 2^32 */
    uint64_t wrong_below;
    double dark;       /* either detector or both */
    double dark_scale; /* 1 / ln(1 - dark) */
    double dark_both;  /* of these, both */
    double afterpulse;
    uint64_t dead_pulses;
    uint64_t next_dark; /* pulses; UINT64_MAX: never */
    uint64_t next_afterpulse;
    uint64_t blind_until; /* first pulse at which something can click again */
    uint64_t *clicks;     /* ascending */
    size_t count;
    size_t room;
};
void ks_qkd_detector_init(struct ks_qkd_detector *detector, const struct ks_link_params *params,
                          const struct ks_qkd_key *key);
void ks_qkd_detector_done(struct ks_qkd_detector *detector); /* wipes */
/* The next COUNT, at most KS_QKD_LANES, that arrive, in ascending order of pulses. KS_ERR_LIMIT
 * above KS_LINK_DETECTED_MAX clicks; KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_qkd_detector_take(struct ks_qkd_detector *detector,
                                               const struct ks_qkd_photons *photons,
                                               unsigned count);
/* No more light in this block. */
KS_MUST_CHECK enum ks_err ks_qkd_detector_end(struct ks_qkd_detector *detector);

#endif
