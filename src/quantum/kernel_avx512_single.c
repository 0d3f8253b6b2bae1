/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

typedef float real;
typedef __m512 vec;

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

static inline void v_stream(real *to, vec v)
{
    _mm512_stream_ps(to, v);
}

static inline void v_drain(void)
{
    _mm_sfence();
}

/* In a register of its own, so that what follows can change the original in place. */
static inline vec v_copy(vec v)
{
    __asm__("" : "+v"(v));
    return v;
}

static inline vec v_all(real number)
{
    return _mm512_set1_ps(number);
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

static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vec v_partner(vec v, unsigned flip)
{
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    return _mm512_permutexvar_ps(_mm512_xor_si512(lanes, _mm512_set1_epi32((int)flip)), v);
}

#define KERNELS_MOVE move_tile

typedef __m512i picks;

static inline picks v_picks(const uint32_t *lanes)
{
    return _mm512_loadu_si512(lanes);
}

static inline vec v_pick(vec a, vec b, picks lanes)
{
    return _mm512_permutex2var_ps(a, lanes, b);
}

#include "quantum/kernel_body.h"
