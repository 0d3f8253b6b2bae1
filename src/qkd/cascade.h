/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cascade.h: reconciliation by Cascade (Brassard and Salvail 1993), in the variant that
 * Martinez-Mateo et al. (arXiv:1407.3257) found best: block sizes of powers of two in the first
 * passes, halves of the frame in the later ones, each sub-block's parity used again, parities
 * that follow from others not asked for.
 *
 * Both ends hold the same object over their own bits and go through the same steps. In each
 * step each shows the other one parity for each of the same ranges, and learns where they
 * differ: nobody has to name a range. Only the end that corrects ever changes its bits. The
 * frames of a window take their steps together, so a step is one message each way whatever the
 * number of frames. One thread. Pure. */
#ifndef KS_QKD_CASCADE_H
#define KS_QKD_CASCADE_H

#include "base/buf.h"
#include "qkd/random.h"

#define KS_CASCADE_FRAME_MIN 1024
#define KS_CASCADE_FRAME_MAX 65536
#define KS_CASCADE_PASSES    22
#define KS_CASCADE_WINDOW    64 /* frames that take their steps together */
#define KS_CASCADE_ERROR_MIN 1e-4
#define KS_CASCADE_ERROR_MAX 0.25 /* estimates are moved between these two */

struct ks_cascade_spec {
    size_t bits;               /* > 0 (asserted) */
    size_t frame_bits;         /* KS_CASCADE_FRAME_MIN to KS_CASCADE_FRAME_MAX (asserted) */
    double error_rate;         /* estimate, the same at both ends */
    struct ks_qkd_key shuffle; /* announced */
    bool corrects;
};

struct ks_cascade;

/* BITS: bit i is bit i % 64 of word i / 64; copied. */
KS_MUST_CHECK enum ks_err ks_cascade_new(const struct ks_cascade_spec *spec,
                                         const uint64_t *bits, struct ks_cascade **out_cascade);
void ks_cascade_free(struct ks_cascade *cascade); /* NULL is fine; wipes */
bool ks_cascade_done(const struct ks_cascade *cascade);
/* Parities of this step, in bits; as bytes, the rest of the last one 0. */
size_t ks_cascade_count(const struct ks_cascade *cascade);
/* Appends this end's parities of this step. */
void ks_cascade_show(const struct ks_cascade *cascade, struct ks_buf *out);
/* Takes the other end's parities of this step, and goes to the next. KS_ERR_FORMAT: of another
 * size, or contradicting earlier ones. */
KS_MUST_CHECK enum ks_err ks_cascade_take(struct ks_cascade *cascade, struct ks_bytes parities);

/* The bits as they are now, in the form of _new. Borrowed. */
const uint64_t *ks_cascade_bits(const struct ks_cascade *cascade);
/* Parities of the end that does not correct that became known. */
uint64_t ks_cascade_leaked(const struct ks_cascade *cascade);
uint64_t ks_cascade_corrected(const struct ks_cascade *cascade);
uint64_t ks_cascade_steps(const struct ks_cascade *cascade);

#endif
