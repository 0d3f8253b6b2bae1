/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

typedef double real;
typedef __m512d vec;
typedef __mmask8 lanes;

#define WIDTH             8
#define WIDTH_LOG         3
#define KERNELS           ks_kernels_avx512_double
#define KERNELS_NAME      "avx512"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_load(const real *from)
{
    return _mm512_loadu_pd(from);
}

static inline void v_store(real *to, vec v)
{
    _mm512_storeu_pd(to, v);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_pd(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_pd(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_pd(a, b, c);
}

static inline vec v_partner(vec v, unsigned target)
{
    switch (target) {
    case 0:
        return _mm512_permute_pd(v, 0x55);
    case 1:
        return _mm512_permutex_pd(v, 0x4E);
    default:
        return _mm512_shuffle_f64x2(v, v, 0x4E);
    }
}

static inline lanes v_lanes(unsigned bits)
{
    return (lanes)bits;
}

static inline vec v_pick(lanes kept, vec a, vec b)
{
    return _mm512_mask_blend_pd(kept, b, a);
}

#include "quantum/kernel_body.h"
