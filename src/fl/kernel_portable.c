/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/kernel.h"

#define KERNELS      ks_fl_kernels_portable
#define KERNELS_NAME "portable"

/* 1.5 * 2^52: a double of smaller magnitude than 2^51, added to it, is rounded to a whole
 * number, which then stands in the low bits as it stands in two's complement. */
#define ROUNDER 6755399441055744.0

static inline int32_t rounded(double value)
{
    const double moved = value + ROUNDER;
    uint64_t bits = 0;

    __builtin_memcpy(&bits, &moved, sizeof bits);
    return (int32_t)(uint32_t)bits;
}

static bool add_64(const struct ks_fl_scaled *scaled, int64_t *sums)
{
    const double unit = (double)scaled->unit;
    uint32_t bad = 0;

    for (size_t i = 0; i < scaled->count; i++) {
        const float value = scaled->values[i];
        const int64_t product =
            (int64_t)rounded((double)value * unit) * (int64_t)scaled->weight;

        bad |= (uint32_t)(!(value < scaled->range)) | (uint32_t)(!(value > -scaled->range));
        sums[i] = (int64_t)((uint64_t)sums[i] + (uint64_t)product);
    }
    return bad == 0;
}

/* VALUE = m * 2^(e - 150): m in units of 2^-64 is shifted by e - 86, to the left; where that is
 * to the right, |VALUE| < 2^-41 and VALUE * 2^64 is rounded instead. */
static bool add_128(const struct ks_fl_scaled *scaled, uint64_t *lows, int64_t *highs)
{
    bool good = true;

    for (size_t i = 0; i < scaled->count; i++) {
        const float value = scaled->values[i];
        uint32_t bits = 0;
        unsigned shift = 0;
        int64_t whole = 0;
        uint64_t low = 0;
        uint64_t high = 0;

        __builtin_memcpy(&bits, &value, sizeof bits);
        if ((bits >> 23 & 0xff) >= 86) {
            shift = (bits >> 23 & 0xff) - 86;
            whole = (int64_t)((bits & 0x7fffff) | 0x800000);
            whole = (bits >> 31) != 0 ? -whole : whole;
        } else {
            whole = rounded((double)value * (double)scaled->unit);
        }
        good = good && value < scaled->range && value > -scaled->range;
        if (shift > 64) {
            continue; /* out of range: nothing to add, and so nothing to take out */
        }
        whole *= scaled->weight;
        low = shift == 64 ? 0 : (uint64_t)whole << shift;
        high = shift == 0 ? (uint64_t)(whole >> 63) : (uint64_t)(whole >> (64 - shift));
        lows[i] += low;
        highs[i] = (int64_t)((uint64_t)highs[i] + high + (lows[i] < low));
    }
    return good;
}

#include "fl/kernel_body.h"
