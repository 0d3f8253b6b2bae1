/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "quantum/kernel.h"

#define HALF 4

typedef double real;
typedef struct {
    __m256d low;
    __m256d high;
} vec;

#define WIDTH_LOG         3
#define KERNELS           ks_kernels_avx2_double
#define KERNELS_NAME      "avx2"
#define KERNELS_PRECISION KS_PRECISION_DOUBLE

static inline real r_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}

static inline vec v_load(const real *from)
{
    return (vec){_mm256_loadu_pd(from), _mm256_loadu_pd(from + HALF)};
}

static inline void v_store(real *to, vec v)
{
    _mm256_storeu_pd(to, v.low);
    _mm256_storeu_pd(to + HALF, v.high);
}

static inline void v_stream(real *to, vec v)
{
    _mm256_stream_pd(to, v.low);
    _mm256_stream_pd(to + HALF, v.high);
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
    return (vec){_mm256_set1_pd(number), _mm256_set1_pd(number)};
}

static inline vec v_mul(vec a, vec b)
{
    return (vec){_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return (vec){_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}

static inline vec v_fms(vec a, vec b, vec c)
{
    return (vec){_mm256_fmsub_pd(a.low, b.low, c.low), _mm256_fmsub_pd(a.high, b.high, c.high)};
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    return (vec){_mm256_fnmadd_pd(a.low, b.low, c.low),
                 _mm256_fnmadd_pd(a.high, b.high, c.high)};
}

static inline __m256d within(__m256d v, unsigned flip)
{
    switch (flip & (HALF - 1)) {
    case 1:
        return _mm256_permute_pd(v, 0x5);
    case 2:
        return _mm256_permute4x64_pd(v, 0x4E);
    case 3:
        return _mm256_permute4x64_pd(v, 0x1B);
    default:
        return v;
    }
}

static inline vec v_partner(vec v, unsigned flip)
{
    const vec inside = {within(v.low, flip), within(v.high, flip)};

    return (flip & HALF) != 0 ? (vec){inside.high, inside.low} : inside;
}

#include "quantum/kernel_body.h"
