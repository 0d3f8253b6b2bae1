/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "fl/kernel.h"

#define KERNELS      ks_fl_kernels_avx512
#define KERNELS_NAME "avx512"

/* Lanes below COUNT. */
static inline __mmask16 first(size_t count)
{
    const uint32_t bits = count >= 16 ? 0xffff : (1u << count) - 1;

    return (__mmask16)bits;
}

static bool add_64(const struct ks_fl_scaled *scaled, int64_t *sums)
{
    const __m512 unit = _mm512_set1_ps(scaled->unit);
    const __m512 range = _mm512_set1_ps(scaled->range);
    const __m512i weight = _mm512_set1_epi64(scaled->weight);
    __mmask16 bad = 0;

    for (size_t i = 0; i < scaled->count; i += 16) {
        const __mmask16 live = first(scaled->count - i);
        const __m512 value = _mm512_maskz_loadu_ps(live, scaled->values + i);
        const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(value, unit));
        const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(whole));
        const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(whole, 1));
        const __mmask8 live_low = (__mmask8)live;
        const __mmask8 live_high = (__mmask8)(live >> 8);

        bad |= _mm512_cmp_ps_mask(_mm512_abs_ps(value), range, _CMP_NLT_UQ);
        _mm512_mask_storeu_epi64(sums + i, live_low,
                                 _mm512_add_epi64(_mm512_maskz_loadu_epi64(live_low, sums + i),
                                                  _mm512_mul_epi32(low, weight)));
        _mm512_mask_storeu_epi64(
            sums + i + 8, live_high,
            _mm512_add_epi64(_mm512_maskz_loadu_epi64(live_high, sums + i + 8),
                             _mm512_mul_epi32(high, weight)));
    }
    return bad == 0;
}

/* As kernel_portable.c has it, without branches: shifts by 64 and more leave 0, or the sign.
 * What is out of range counts as 0. */
static bool add_128(const struct ks_fl_scaled *scaled, uint64_t *lows, int64_t *highs)
{
    const __m256 unit = _mm256_set1_ps(scaled->unit);
    const __m256 range = _mm256_set1_ps(scaled->range);
    const __m256 sign_bit = _mm256_set1_ps(-0.0f);
    const __m512i weight = _mm512_set1_epi64(scaled->weight);
    const __m512i all = _mm512_set1_epi64(64);
    __mmask8 bad = 0;

    for (size_t i = 0; i < scaled->count; i += 8) {
        const __mmask8 live = (__mmask8)first(scaled->count - i);
        const __m256 loaded = _mm256_maskz_loadu_ps(live, scaled->values + i);
        const __mmask8 good =
            _mm256_cmp_ps_mask(_mm256_andnot_ps(sign_bit, loaded), range, _CMP_LT_OQ);
        const __m256 value = _mm256_maskz_mov_ps(good, loaded);
        const __m512i bits = _mm512_cvtepi32_epi64(_mm256_castps_si256(value));
        const __m512i exponent =
            _mm512_and_si512(_mm512_srli_epi64(bits, 23), _mm512_set1_epi64(0xff));
        const __mmask8 large = _mm512_cmpge_epi64_mask(exponent, _mm512_set1_epi64(86));
        const __mmask8 minus = _mm512_movepi64_mask(bits);
        const __m512i shift = _mm512_maskz_sub_epi64(large, exponent, _mm512_set1_epi64(86));
        const __m512i small =
            _mm512_cvtepi32_epi64(_mm256_cvtps_epi32(_mm256_mul_ps(value, unit)));
        __m512i whole = _mm512_or_si512(_mm512_and_si512(bits, _mm512_set1_epi64(0x7fffff)),
                                        _mm512_set1_epi64(0x800000));
        __m512i low;
        __m512i high;
        __m512i sum;

        bad |= (__mmask8)~good;
        whole = _mm512_mask_sub_epi64(whole, minus, _mm512_setzero_si512(), whole);
        whole = _mm512_mul_epi32(_mm512_mask_mov_epi64(small, large, whole), weight);
        low = _mm512_sllv_epi64(whole, shift);
        high = _mm512_srav_epi64(whole, _mm512_sub_epi64(all, shift));
        sum = _mm512_add_epi64(_mm512_maskz_loadu_epi64(live, lows + i), low);
        high = _mm512_mask_sub_epi64(high, _mm512_cmplt_epu64_mask(sum, low), high,
                                     _mm512_set1_epi64(-1));
        _mm512_mask_storeu_epi64(lows + i, live, sum);
        _mm512_mask_storeu_epi64(
            highs + i, live, _mm512_add_epi64(_mm512_maskz_loadu_epi64(live, highs + i), high));
    }
    return bad == 0;
}

#include "fl/kernel_body.h"
