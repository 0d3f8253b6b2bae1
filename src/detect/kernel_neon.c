/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* One row goes down four trees at once: each lane is a tree, the row lies in four registers, or
 * eight, and is a table that the feature numbers in the splits' low bits are looked up in. The
 * first four levels are held in registers and chosen by masks. Beneath, each lane loads its own
 * split, since NEON has no gather: tables of a level would take more look-ups than there are
 * lanes. */
#include <arm_neon.h>

#include "detect/internal.h"

#define LEVELS_HELD 4
#define QUAD        4 /* trees of a register */

/* Rows that go down together: as many chains of loads as hide each other's latency, and no more
 * than there are registers for. */
#define ROWS_AT_ONCE 4

typedef float32x4_t (*pick_function)(const float *row, float32x4_t splits);

/* The places of the four bytes of each lane's feature in a row. */
static inline uint8x16_t places(float32x4_t splits, uint32_t mask)
{
    const uint32x4_t feature = vandq_u32(vreinterpretq_u32_f32(splits), vdupq_n_u32(mask));

    return vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100), feature, 0x04040404));
}

static inline float32x4_t pick_16(const float *row, float32x4_t splits)
{
    return vreinterpretq_f32_u8(
        vqtbl4q_u8(vld1q_u8_x4((const uint8_t *)row), places(splits, 15)));
}

/* Of 128 bytes: what is beyond the first table is 0 there, what is before the second one stays.
 */
static inline float32x4_t pick_32(const float *row, float32x4_t splits)
{
    const uint8x16_t at = places(splits, 31);
    const uint8x16_t first = vqtbl4q_u8(vld1q_u8_x4((const uint8_t *)row), at);

    return vreinterpretq_f32_u8(vqtbx4q_u8(first, vld1q_u8_x4((const uint8_t *)(row + 16)),
                                           vsubq_u8(at, vdupq_n_u8(64))));
}

/* Which lanes go to the right. */
static inline uint32x4_t step(const float *row, float32x4_t splits, pick_function pick)
{
    return vcgeq_f32(pick(row, splits), splits);
}

/* Lane numbers beneath the levels held: 16 node + tree, where node is 15 + 8 m0 + 4 m1 + 2 m2 +
 * m3. */
static inline uint32x4_t begin(const float32x4_t *held, uint32x4_t trees, const float *row,
                               pick_function pick)
{
    const uint32x4_t m0 = step(row, held[0], pick);
    const float32x4_t s1 = vbslq_f32(m0, held[2], held[1]);
    const uint32x4_t m1 = step(row, s1, pick);
    const float32x4_t s2 =
        vbslq_f32(m0, vbslq_f32(m1, held[6], held[5]), vbslq_f32(m1, held[4], held[3]));
    const uint32x4_t m2 = step(row, s2, pick);
    const float32x4_t s3 = vbslq_f32(
        m0, vbslq_f32(m1, vbslq_f32(m2, held[14], held[13]), vbslq_f32(m2, held[12], held[11])),
        vbslq_f32(m1, vbslq_f32(m2, held[10], held[9]), vbslq_f32(m2, held[8], held[7])));
    const uint32x4_t m3 = step(row, s3, pick);
    uint32x4_t at = vaddq_u32(trees, vdupq_n_u32(15 * KS_LANES));

    at = vaddq_u32(at, vandq_u32(m0, vdupq_n_u32(8 * KS_LANES)));
    at = vaddq_u32(at, vandq_u32(m1, vdupq_n_u32(4 * KS_LANES)));
    at = vaddq_u32(at, vandq_u32(m2, vdupq_n_u32(2 * KS_LANES)));
    return vaddq_u32(at, vandq_u32(m3, vdupq_n_u32(KS_LANES)));
}

static inline float32x4_t load_each(const uint32_t *splits, uint32x4_t at)
{
    uint32x4_t each = vdupq_n_u32(0);

    each = vld1q_lane_u32(&splits[vgetq_lane_u32(at, 0)], each, 0);
    each = vld1q_lane_u32(&splits[vgetq_lane_u32(at, 1)], each, 1);
    each = vld1q_lane_u32(&splits[vgetq_lane_u32(at, 2)], each, 2);
    each = vld1q_lane_u32(&splits[vgetq_lane_u32(at, 3)], each, 3);
    return vreinterpretq_f32_u32(each);
}

static inline uint32_t add_each(const uint16_t *paths, uint32x4_t leaves)
{
    return (uint32_t)paths[vgetq_lane_u32(leaves, 0)] + paths[vgetq_lane_u32(leaves, 1)] +
           paths[vgetq_lane_u32(leaves, 2)] + paths[vgetq_lane_u32(leaves, 3)];
}

/* Adds to PATHS where the four TREES of GROUP lead COUNT rows, at most ROWS_AT_ONCE. */
static inline void add_rows(const struct ks_group *group, const float32x4_t *held,
                            uint32x4_t trees, const float *rows, size_t width, size_t count,
                            uint32_t *paths, pick_function pick)
{
    const uint32x4_t down = vsubq_u32(vdupq_n_u32(KS_LANES), trees);
    uint32x4_t at[ROWS_AT_ONCE];

    for (size_t i = 0; i < count; i++) {
        at[i] = begin(held, trees, &rows[i * width], pick);
    }
    for (unsigned level = LEVELS_HELD; level < KS_TREE_LEVELS; level++) {
        for (size_t i = 0; i < count; i++) {
            const uint32x4_t right =
                step(&rows[i * width], load_each(group->splits[0], at[i]), pick);

            /* 16 node + tree becomes 16 (2 node + 1 + right) + tree. */
            at[i] = vaddq_u32(vshlq_n_u32(at[i], 1), down);
            at[i] = vaddq_u32(at[i], vandq_u32(right, vdupq_n_u32(KS_LANES)));
        }
    }
    for (size_t i = 0; i < count; i++) {
        paths[i] +=
            add_each(group->paths[0], vsubq_u32(at[i], vdupq_n_u32(KS_TREE_SPLITS * KS_LANES)));
    }
}

static inline void add_quad(const struct ks_group *group, uint32_t quad, const float *rows,
                            size_t width, size_t count, uint32_t *paths, pick_function pick)
{
    static const uint32_t lanes[QUAD] = {0, 1, 2, 3};
    const uint32x4_t trees = vaddq_u32(vld1q_u32(lanes), vdupq_n_u32(quad * QUAD));
    float32x4_t held[(1 << LEVELS_HELD) - 1];
    size_t at = 0;

    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        held[i] = vreinterpretq_f32_u32(vld1q_u32(&group->splits[i][(size_t)quad * QUAD]));
    }
    for (; at + ROWS_AT_ONCE <= count; at += ROWS_AT_ONCE) {
        add_rows(group, held, trees, &rows[at * width], width, ROWS_AT_ONCE, &paths[at], pick);
    }
    add_rows(group, held, trees, &rows[at * width], width, count - at, &paths[at], pick);
}

void ks_forest_paths_neon(const struct ks_forest *forest, const float *rows, size_t width,
                          size_t count, uint32_t *out_paths)
{
    ks_zero(out_paths, count * sizeof *out_paths);
    for (size_t group = 0; group < forest->group_count; group++) {
        for (uint32_t quad = 0; quad < KS_LANES / QUAD; quad++) {
            if (width == 16) {
                add_quad(&forest->groups[group], quad, rows, width, count, out_paths, pick_16);
            } else {
                add_quad(&forest->groups[group], quad, rows, width, count, out_paths, pick_32);
            }
        }
    }
}
