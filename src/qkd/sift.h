/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sift.h: which clicks are the raw key, which are shown, which are dropped. Both ends come to
 * the same answer from what was announced, each with its own bits. Pure; one thread. */
#ifndef KS_QKD_SIFT_H
#define KS_QKD_SIFT_H

#include "qkd/link.h"
#include "qkd/random.h"

/* What Alice says of a click, two bits on the wire. */
#define KS_SIFT_DROPPED 0 /* the bases differ; else the intensity + 1 */
#define KS_SIFT_CLASSES 4

/* Bits are packed: i is bit i % 64 of word i / 64. */
struct ks_sift {
    uint64_t *raw; /* this end's bits in X that were not shown */
    size_t raw_bits;
    uint64_t raw_counts[KS_LINK_INTENSITIES];
    uint64_t *shown; /* this end's bits that are shown */
    uint8_t *kinds;  /* of each shown: basis << 2 | intensity */
    size_t shown_bits;
};
void ks_sift_done(struct ks_sift *sift); /* wipes; all zeros is fine */

/* CLICKS as of detector.h with this end's bits, and their CLASSES; both COUNT. SEED was
 * announced, a share of SAMPLE of the sifted X bits is shown. */
KS_MUST_CHECK enum ks_err ks_sift(const uint64_t *clicks, const uint8_t *classes, size_t count,
                                  const struct ks_qkd_key *seed, double sample,
                                  struct ks_sift *out_sift);

/* Counts sifted, shown, and where the shown bits of the other end differ. */
void ks_sift_count(const struct ks_sift *sift, const uint64_t *other_shown,
                   struct ks_link_count out_counts[KS_LINK_BASES][KS_LINK_INTENSITIES]);

#endif
