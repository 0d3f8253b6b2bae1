/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <arm_neon.h>

#include "fl/kernel.h"

#define KERNELS      ks_fl_kernels_neon
#define KERNELS_NAME "neon"

/* Lanes whose value is below RANGE in magnitude: all bits set. */
static inline uint32x4_t inside(float32x4_t value, float range)
{
    return vcltq_f32(vabsq_f32(value), vdupq_n_f32(range));
}

static inline uint32x4_t add_4(const struct ks_fl_scaled *scaled, const float *values,
                               int64_t *sums)
{
    const float32x4_t value = vld1q_f32(values);
    const int32x4_t whole = vcvtnq_s32_f32(vmulq_n_f32(value, scaled->unit));

    vst1q_s64(sums, vmlal_n_s32(vld1q_s64(sums), vget_low_s32(whole), scaled->weight));
    vst1q_s64(sums + 2, vmlal_n_s32(vld1q_s64(sums + 2), vget_high_s32(whole), scaled->weight));
    return inside(value, scaled->range);
}

static bool add_64(const struct ks_fl_scaled *scaled, int64_t *sums)
{
    const size_t whole = scaled->count - scaled->count % 4;
    const size_t rest = scaled->count - whole;
    float values[4] = {0};
    int64_t rest_sums[4] = {0};
    uint32x4_t good = vdupq_n_u32(UINT32_MAX);

    for (size_t i = 0; i < whole; i += 4) {
        good = vandq_u32(good, add_4(scaled, scaled->values + i, sums + i));
    }
    ks_copy(values, scaled->values + whole, rest * sizeof *values);
    ks_copy(rest_sums, sums + whole, rest * sizeof *sums);
    good = vandq_u32(good, add_4(scaled, values, rest_sums));
    ks_copy(sums + whole, rest_sums, rest * sizeof *sums);
    return vminvq_u32(good) == UINT32_MAX;
}

/* Two numbers, as kernel_portable.c has it; shifts by a negative count go to the right. */
static inline void add_wide_2(int32x2_t whole, int32x2_t shift, int32_t weight, uint64_t *lows,
                              int64_t *highs)
{
    const int64x2_t product = vmull_n_s32(whole, weight);
    const int64x2_t count = vmovl_s32(shift);
    const uint64x2_t low = vshlq_u64(vreinterpretq_u64_s64(product), count);
    const int64x2_t high = vshlq_s64(product, vsubq_s64(count, vdupq_n_s64(64)));
    const uint64x2_t sum = vaddq_u64(vld1q_u64(lows), low);
    const int64x2_t carry = vreinterpretq_s64_u64(vcltq_u64(sum, low)); /* -1 where there is */

    vst1q_u64(lows, sum);
    vst1q_s64(highs, vsubq_s64(vaddq_s64(vld1q_s64(highs), high), carry));
}

static inline uint32x4_t add_wide_4(const struct ks_fl_scaled *scaled, const float *values,
                                    uint64_t *lows, int64_t *highs)
{
    const float32x4_t loaded = vld1q_f32(values);
    const uint32x4_t good = inside(loaded, scaled->range);
    const float32x4_t value =
        vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(loaded), good));
    const int32x4_t bits = vreinterpretq_s32_f32(value);
    const int32x4_t exponent = vandq_s32(vshrq_n_s32(bits, 23), vdupq_n_s32(0xff));
    const uint32x4_t large = vcgeq_s32(exponent, vdupq_n_s32(86));
    const int32x4_t shift =
        vandq_s32(vreinterpretq_s32_u32(large), vsubq_s32(exponent, vdupq_n_s32(86)));
    const int32x4_t minus = vshrq_n_s32(bits, 31);
    const int32x4_t small = vcvtnq_s32_f32(vmulq_n_f32(value, scaled->unit));
    int32x4_t whole = vorrq_s32(vandq_s32(bits, vdupq_n_s32(0x7fffff)), vdupq_n_s32(0x800000));

    whole = vsubq_s32(veorq_s32(whole, minus), minus);
    whole = vbslq_s32(large, whole, small);
    add_wide_2(vget_low_s32(whole), vget_low_s32(shift), scaled->weight, lows, highs);
    add_wide_2(vget_high_s32(whole), vget_high_s32(shift), scaled->weight, lows + 2, highs + 2);
    return good;
}

static bool add_128(const struct ks_fl_scaled *scaled, uint64_t *lows, int64_t *highs)
{
    const size_t whole = scaled->count - scaled->count % 4;
    const size_t rest = scaled->count - whole;
    float values[4] = {0};
    uint64_t rest_lows[4] = {0};
    int64_t rest_highs[4] = {0};
    uint32x4_t good = vdupq_n_u32(UINT32_MAX);

    for (size_t i = 0; i < whole; i += 4) {
        good = vandq_u32(good, add_wide_4(scaled, scaled->values + i, lows + i, highs + i));
    }
    ks_copy(values, scaled->values + whole, rest * sizeof *values);
    ks_copy(rest_lows, lows + whole, rest * sizeof *lows);
    ks_copy(rest_highs, highs + whole, rest * sizeof *highs);
    good = vandq_u32(good, add_wide_4(scaled, values, rest_lows, rest_highs));
    ks_copy(lows + whole, rest_lows, rest * sizeof *lows);
    ks_copy(highs + whole, rest_highs, rest * sizeof *highs);
    return vminvq_u32(good) == UINT32_MAX;
}

#include "fl/kernel_body.h"
