/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "fl/kernel.h"

#define KERNELS      ks_fl_kernels_avx2
#define KERNELS_NAME "avx2"

/* Not below RANGE in magnitude, or not a number. */
static inline __m256 beyond(__m256 value, __m256 range)
{
    return _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), value), range, _CMP_NLT_UQ);
}

static inline void add_4(int64_t *sums, __m128i whole, __m256i weight)
{
    const __m256i product = _mm256_mul_epi32(_mm256_cvtepi32_epi64(whole), weight);

    _mm256_storeu_si256(
        (__m256i *)(void *)sums,
        _mm256_add_epi64(_mm256_loadu_si256((const __m256i *)(const void *)sums), product));
}

/* Eight values to eight sums. */
static inline __m256 add_8(const struct ks_fl_scaled *scaled, const float *values,
                           int64_t *sums)
{
    const __m256 value = _mm256_loadu_ps(values);
    const __m256i whole =
        _mm256_cvtps_epi32(_mm256_mul_ps(value, _mm256_set1_ps(scaled->unit)));
    const __m256i weight = _mm256_set1_epi64x(scaled->weight);

    add_4(sums, _mm256_castsi256_si128(whole), weight);
    add_4(sums + 4, _mm256_extracti128_si256(whole, 1), weight);
    return beyond(value, _mm256_set1_ps(scaled->range));
}

static bool add_64(const struct ks_fl_scaled *scaled, int64_t *sums)
{
    const size_t whole = scaled->count - scaled->count % 8;
    const size_t rest = scaled->count - whole;
    float values[8] = {0};
    int64_t rest_sums[8] = {0};
    __m256 bad = _mm256_setzero_ps();

    for (size_t i = 0; i < whole; i += 8) {
        bad = _mm256_or_ps(bad, add_8(scaled, scaled->values + i, sums + i));
    }
    ks_copy(values, scaled->values + whole, rest * sizeof *values);
    ks_copy(rest_sums, sums + whole, rest * sizeof *sums);
    bad = _mm256_or_ps(bad, add_8(scaled, values, rest_sums));
    ks_copy(sums + whole, rest_sums, rest * sizeof *sums);
    return _mm256_movemask_ps(bad) == 0;
}

/* WHOLE shifted right by COUNT, 0 to 64 and more, with its sign. */
static inline __m256i shift_right(__m256i whole, __m256i count)
{
    const __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), whole);

    return _mm256_or_si256(
        _mm256_srlv_epi64(whole, count),
        _mm256_andnot_si256(_mm256_srlv_epi64(_mm256_set1_epi64x(-1), count), sign));
}

/* Four values, as kernel_portable.c has it; what is out of range counts as 0. */
static inline int add_wide_4(const struct ks_fl_scaled *scaled, const float *values,
                             uint64_t *lows, int64_t *highs)
{
    const __m256i top = _mm256_set1_epi64x(INT64_MIN);
    const __m128 loaded = _mm_loadu_ps(values);
    const __m128 good =
        _mm_cmplt_ps(_mm_andnot_ps(_mm_set1_ps(-0.0f), loaded), _mm_set1_ps(scaled->range));
    const __m128 value = _mm_and_ps(loaded, good);
    const __m256i bits = _mm256_cvtepi32_epi64(_mm_castps_si128(value));
    const __m256i exponent =
        _mm256_and_si256(_mm256_srli_epi64(bits, 23), _mm256_set1_epi64x(0xff));
    const __m256i large = _mm256_cmpgt_epi64(exponent, _mm256_set1_epi64x(85));
    const __m256i minus = _mm256_cmpgt_epi64(_mm256_setzero_si256(), bits);
    const __m256i shift =
        _mm256_and_si256(large, _mm256_sub_epi64(exponent, _mm256_set1_epi64x(86)));
    const __m256i small =
        _mm256_cvtepi32_epi64(_mm_cvtps_epi32(_mm_mul_ps(value, _mm_set1_ps(scaled->unit))));
    __m256i whole = _mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi64x(0x7fffff)),
                                    _mm256_set1_epi64x(0x800000));
    __m256i low;
    __m256i high;
    __m256i sum;

    whole = _mm256_sub_epi64(_mm256_xor_si256(whole, minus), minus);
    whole = _mm256_mul_epi32(_mm256_blendv_epi8(small, whole, large),
                             _mm256_set1_epi64x(scaled->weight));
    low = _mm256_sllv_epi64(whole, shift);
    high = shift_right(whole, _mm256_sub_epi64(_mm256_set1_epi64x(64), shift));
    sum = _mm256_add_epi64(_mm256_loadu_si256((const __m256i *)(const void *)lows), low);
    high = _mm256_sub_epi64(
        high, _mm256_cmpgt_epi64(_mm256_xor_si256(low, top), _mm256_xor_si256(sum, top)));
    _mm256_storeu_si256((__m256i *)(void *)lows, sum);
    _mm256_storeu_si256(
        (__m256i *)(void *)highs,
        _mm256_add_epi64(_mm256_loadu_si256((const __m256i *)(const void *)highs), high));
    return _mm_movemask_ps(good) ^ 0xf;
}

static bool add_128(const struct ks_fl_scaled *scaled, uint64_t *lows, int64_t *highs)
{
    const size_t whole = scaled->count - scaled->count % 4;
    const size_t rest = scaled->count - whole;
    float values[4] = {0};
    uint64_t rest_lows[4] = {0};
    int64_t rest_highs[4] = {0};
    int bad = 0;

    for (size_t i = 0; i < whole; i += 4) {
        bad |= add_wide_4(scaled, scaled->values + i, lows + i, highs + i);
    }
    ks_copy(values, scaled->values + whole, rest * sizeof *values);
    ks_copy(rest_lows, lows + whole, rest * sizeof *lows);
    ks_copy(rest_highs, highs + whole, rest * sizeof *highs);
    bad |= add_wide_4(scaled, values, rest_lows, rest_highs);
    ks_copy(lows + whole, rest_lows, rest * sizeof *lows);
    ks_copy(highs + whole, rest_highs, rest * sizeof *highs);
    return bad == 0;
}

#include "fl/kernel_body.h"
