/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* toeplitz.h: privacy amplification by a Toeplitz matrix over GF(2) (Krawczyk 1994, a universal
 * family), as one product of polynomials. Bits are packed as in gf2.h. Pure; any thread. */
#ifndef KS_QKD_TOEPLITZ_H
#define KS_QKD_TOEPLITZ_H

#include "qkd/gf2.h"

#define KS_TOEPLITZ_BITS_MAX ((size_t)1 << 24)

/* Bits of the seed for a matrix of TARGET_BITS rows and SOURCE_BITS columns. */
size_t ks_toeplitz_seed_bits(size_t source_bits, size_t target_bits);

/* Bit i of TARGET is the sum over k of seed bit i - k + SOURCE_BITS - 1 times source bit k.
 * TARGET has room for TARGET_BITS, the rest of its last word becomes 0. Both sizes are 1 to
 * KS_TOEPLITZ_BITS_MAX (asserted). KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_toeplitz(const struct ks_gf2 *gf2, const uint64_t *source,
                                      size_t source_bits, const uint64_t *seed,
                                      uint64_t *target, size_t target_bits);

#endif
