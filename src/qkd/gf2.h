/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* gf2.h: polynomials over GF(2), packed: coefficient i is bit i % 64 of word i / 64. Products
 * by Karatsuba's method over a kernel for short ones, which is carry-less multiplication where
 * the CPU has it; every kernel gives the same bits. Pure; any thread. */
#ifndef KS_QKD_GF2_H
#define KS_QKD_GF2_H

#include "base/mem.h"

#define KS_GF2_SHORT_MAX 16 /* words of a kernel's product */

struct ks_gf2 {
    const char *name; /* "pclmul", "portable" */
    /* OUT, 2 COUNT words, is the product of A and B, COUNT words each, 1 to KS_GF2_SHORT_MAX.
     */
    void (*multiply)(const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out);
};

/* A kernel by name; NULL is the fastest that this CPU runs. KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_gf2_find(const char *name, const struct ks_gf2 **out_gf2);

/* The least size >= COUNT that ks_gf2_multiply takes. */
size_t ks_gf2_size(size_t count);
/* OUT, 2 SIZE words, is the product of A and B, SIZE words each; SIZE of ks_gf2_size
 * (asserted). SCRATCH has room for 4 SIZE words. Nothing overlaps. */
void ks_gf2_multiply(const struct ks_gf2 *gf2, const uint64_t *a, const uint64_t *b,
                     size_t size, uint64_t *out, uint64_t *scratch);

/* GF(2^128) modulo x^128 + x^7 + x^2 + x + 1; words[0] holds the low coefficients. */
struct ks_gf128 {
    uint64_t words[2];
};
struct ks_gf128 ks_gf128_multiply(const struct ks_gf2 *gf2, struct ks_gf128 a,
                                  struct ks_gf128 b);
/* From 16 bytes, the first with the low coefficients; and back. */
struct ks_gf128 ks_gf128_of(const uint8_t bytes[16]);
void ks_gf128_bytes(struct ks_gf128 value, uint8_t out_bytes[16]);

/* The kernels of this build, fastest first; ends with a NULL name. For gf2.c. */
struct ks_gf2_choice {
    const struct ks_gf2 *gf2;
    bool (*usable)(void);
};
extern const struct ks_gf2_choice ks_gf2_choices[];
extern const struct ks_gf2 ks_gf2_portable;
extern const struct ks_gf2 ks_gf2_pclmul; /* x86-64 alone */

#endif
