/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "learn/kernel.h"

typedef __m512 vec;

#define WIDTH    16
#define ROWS_M   8
#define ROWS_V   3
#define ACROSS_M 4
#define ACROSS_K 6
#define KERNELS  ks_learn_kernels_avx512

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

#include "learn/kernel_body.h"
