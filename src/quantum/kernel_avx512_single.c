/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

typedef float real;
typedef __m512 vec;
typedef __mmask16 lanes;

#define WIDTH             16
#define WIDTH_LOG         4
#define KERNELS           ks_kernels_avx512_single
#define KERNELS_NAME      "avx512"
#define KERNELS_PRECISION KS_PRECISION_SINGLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}

static inline vec v_load(const real *from)
{
    return _mm512_loadu_ps(from);
}

static inline void v_store(real *to, vec v)
{
    _mm512_storeu_ps(to, v);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_ps(a, b, c);
}

static inline vec v_partner(vec v, unsigned target)
{
    switch (target) {
    case 0:
        return _mm512_permute_ps(v, 0xB1);
    case 1:
        return _mm512_permute_ps(v, 0x4E);
    case 2:
        return _mm512_shuffle_f32x4(v, v, 0xB1);
    default:
        return _mm512_shuffle_f32x4(v, v, 0x4E);
    }
}

static inline lanes v_lanes(unsigned bits)
{
    return (lanes)bits;
}

static inline vec v_pick(lanes kept, vec a, vec b)
{
    return _mm512_mask_blend_ps(kept, b, a);
}

#include "quantum/kernel_body.h"
