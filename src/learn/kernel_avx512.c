/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "learn/kernel.h"

typedef __m512 vec;

#define WIDTH      16
#define ROWS_M     8
#define ROWS_V     3
#define ACROSS_M   4
#define ACROSS_K   6
#define PATCH_ROWS 3
#define PATCH_V    6
#define KERNELS    ks_learn_kernels_avx512

static inline vec v_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void v_store(float *to, vec v)
{
    _mm512_storeu_ps(to, v);
}

static inline vec v_all(float number)
{
    return _mm512_set1_ps(number);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline float v_sum(vec v)
{
    return _mm512_reduce_add_ps(v);
}

static size_t v_pick(const float *values, const uint32_t *at, size_t count, float *out_values,
                     uint32_t *out_at)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i += WIDTH) {
        const __mmask16 inside =
            (__mmask16)(count - i < WIDTH ? (1U << (count - i)) - 1 : 0xffffU);
        const __m512 numbers = _mm512_maskz_loadu_ps(inside, values + i);
        const __m512i places = _mm512_maskz_loadu_epi32(inside, at + i);
        const __mmask16 is = _mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_NEQ_UQ);

        _mm512_storeu_ps(out_values + found, _mm512_maskz_compress_ps(is, numbers));
        _mm512_storeu_si512(out_at + found, _mm512_maskz_compress_epi32(is, places));
        found += (size_t)__builtin_popcount(is);
    }
    return found;
}

#include "learn/kernel_body.h"
