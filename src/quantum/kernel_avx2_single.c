/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

typedef float real;
typedef __m256 vec;
typedef __m256 lanes; /* all bits set where a lane is in */

#define WIDTH             8
#define WIDTH_LOG         3
#define KERNELS           ks_kernels_avx2_single
#define KERNELS_NAME      "avx2"
#define KERNELS_PRECISION KS_PRECISION_SINGLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}

static inline vec v_load(const real *from)
{
    return _mm256_loadu_ps(from);
}

static inline void v_store(real *to, vec v)
{
    _mm256_storeu_ps(to, v);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_ps(a, b, c);
}

static inline vec v_partner(vec v, unsigned target)
{
    switch (target) {
    case 0:
        return _mm256_permute_ps(v, 0xB1);
    case 1:
        return _mm256_permute_ps(v, 0x4E);
    default:
        return _mm256_permute2f128_ps(v, v, 0x1);
    }
}

static inline lanes v_lanes(unsigned bits)
{
    const __m256i mine = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);

    return _mm256_castsi256_ps(
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), mine), mine));
}

static inline vec v_pick(lanes kept, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, kept);
}

#include "quantum/kernel_body.h"
