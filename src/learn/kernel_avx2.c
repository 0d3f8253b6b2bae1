/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "learn/kernel.h"

typedef __m256 vec;

#define WIDTH      8
#define ROWS_M     4
#define ROWS_V     3
#define ACROSS_M   3
#define ACROSS_K   4
#define PATCH_ROWS 1
#define PATCH_V    6
#define KERNELS    ks_learn_kernels_avx2

static inline vec v_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline void v_store(float *to, vec v)
{
    _mm256_storeu_ps(to, v);
}

static inline vec v_all(float number)
{
    return _mm256_set1_ps(number);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline float v_sum(vec v)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static size_t v_pick(const float *values, const uint32_t *at, size_t count, float *out_values,
                     uint32_t *out_at)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) { /* without a branch, which nobody could foresee */
        out_values[found] = values[i];
        out_at[found] = at[i];
        found += values[i] != 0;
    }
    return found;
}

#include "learn/kernel_body.h"
