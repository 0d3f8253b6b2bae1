/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

typedef double real;
typedef __m256d vec;
typedef __m256d lanes; /* all bits set where a lane is in */

#define WIDTH             4
#define WIDTH_LOG         2
#define KERNELS           ks_kernels_avx2_double
#define KERNELS_NAME      "avx2"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_load(const real *from)
{
    return _mm256_loadu_pd(from);
}

static inline void v_store(real *to, vec v)
{
    _mm256_storeu_pd(to, v);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_pd(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_pd(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_pd(a, b, c);
}

static inline vec v_partner(vec v, unsigned target)
{
    switch (target) {
    case 0:
        return _mm256_permute_pd(v, 0x5);
    default:
        return _mm256_permute2f128_pd(v, v, 0x1);
    }
}

static inline lanes v_lanes(unsigned bits)
{
    const __m256i mine = _mm256_setr_epi64x(1, 2, 4, 8);

    return _mm256_castsi256_pd(
        _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((int)bits), mine), mine));
}

static inline vec v_pick(lanes kept, vec a, vec b)
{
    return _mm256_blendv_pd(b, a, kept);
}

#include "quantum/kernel_body.h"
