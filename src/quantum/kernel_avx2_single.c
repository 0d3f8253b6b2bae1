/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

#define HALF 8

typedef float real;
typedef struct {
    __m256 low;
    __m256 high;
} vec;

#define WIDTH_LOG         4
#define KERNELS           ks_kernels_avx2_single
#define KERNELS_NAME      "avx2"
#define KERNELS_PRECISION KS_PRECISION_SINGLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}

static inline vec v_load(const real *from)
{
    return (vec){_mm256_loadu_ps(from), _mm256_loadu_ps(from + HALF)};
}

static inline void v_store(real *to, vec v)
{
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + HALF, v.high);
}

static inline void v_stream(real *to, vec v)
{
    _mm256_stream_ps(to, v.low);
    _mm256_stream_ps(to + HALF, v.high);
}

static inline void v_drain(void)
{
    _mm_sfence();
}

/* In a register of its own, so that what follows can change the original in place. */
static inline vec v_copy(vec v)
{
    return v;
}

static inline vec v_all(real number)
{
    return (vec){_mm256_set1_ps(number), _mm256_set1_ps(number)};
}

static inline vec v_mul(vec a, vec b)
{
    return (vec){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return (vec){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return (vec){_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return (vec){_mm256_fnmadd_ps(a.low, b.low, c.low),
                 _mm256_fnmadd_ps(a.high, b.high, c.high)};
}

static inline vec v_partner(vec v, unsigned flip)
{
    const __m256i lanes = _mm256_xor_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                           _mm256_set1_epi32((int)(flip & (HALF - 1))));
    const vec inside = {_mm256_permutevar8x32_ps(v.low, lanes),
                        _mm256_permutevar8x32_ps(v.high, lanes)};

    return (flip & HALF) != 0 ? (vec){inside.high, inside.low} : inside;
}

#include "quantum/kernel_body.h"
