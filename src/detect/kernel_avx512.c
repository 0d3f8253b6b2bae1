/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* One row goes down sixteen trees at once: each lane is a tree, the row lies in one register,
 * or two, and is permuted by the feature numbers in the splits' low bits. The first three
 * levels are held in registers and chosen by masks; each further level is one gather. */
#include <immintrin.h>

#include "detect/internal.h"

#define LEVELS_HELD 4

struct held {
    __m512 splits[(1 << LEVELS_HELD) - 1];
};

/* The value of each lane's feature: permutations look at the low 4 or 5 bits alone. */
static inline __m512 pick_16(const float *row, __m512 splits)
{
    return _mm512_permutexvar_ps(_mm512_castps_si512(splits), _mm512_load_ps(row));
}

static inline __m512 pick_32(const float *row, __m512 splits)
{
    return _mm512_permutex2var_ps(_mm512_load_ps(row), _mm512_castps_si512(splits),
                                  _mm512_load_ps(row + 16));
}

/* Rows that go down together: as many chains of gathers as hide each other's latency. */
#define ROWS_AT_ONCE 8

/* Lane numbers beneath the levels held: 16 node + lane, where node is
 * 15 + 8 m0 + 4 m1 + 2 m2 + m3. */
static inline __m512i begin(const struct held *held, const float *row,
                            __m512 (*pick)(const float *, __m512))
{
    const __m512i lanes =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512 *splits = held->splits;
    const __mmask16 m0 = _mm512_cmp_ps_mask(pick(row, splits[0]), splits[0], _CMP_GE_OQ);
    const __m512 s1 = _mm512_mask_blend_ps(m0, splits[1], splits[2]);
    const __mmask16 m1 = _mm512_cmp_ps_mask(pick(row, s1), s1, _CMP_GE_OQ);
    const __m512 s2 = _mm512_mask_blend_ps(m0, _mm512_mask_blend_ps(m1, splits[3], splits[4]),
                                           _mm512_mask_blend_ps(m1, splits[5], splits[6]));
    const __mmask16 m2 = _mm512_cmp_ps_mask(pick(row, s2), s2, _CMP_GE_OQ);
    const __m512 s3 = _mm512_mask_blend_ps(
        m0,
        _mm512_mask_blend_ps(m1, _mm512_mask_blend_ps(m2, splits[7], splits[8]),
                             _mm512_mask_blend_ps(m2, splits[9], splits[10])),
        _mm512_mask_blend_ps(m1, _mm512_mask_blend_ps(m2, splits[11], splits[12]),
                             _mm512_mask_blend_ps(m2, splits[13], splits[14])));
    const __mmask16 m3 = _mm512_cmp_ps_mask(pick(row, s3), s3, _CMP_GE_OQ);
    __m512i at = _mm512_add_epi32(lanes, _mm512_set1_epi32(15 * KS_LANES));

    at = _mm512_mask_add_epi32(at, m0, at, _mm512_set1_epi32(8 * KS_LANES));
    at = _mm512_mask_add_epi32(at, m1, at, _mm512_set1_epi32(4 * KS_LANES));
    at = _mm512_mask_add_epi32(at, m2, at, _mm512_set1_epi32(2 * KS_LANES));
    return _mm512_mask_add_epi32(at, m3, at, _mm512_set1_epi32(KS_LANES));
}

/* Adds to SUMS where sixteen trees lead COUNT rows. */
static inline void add_rows(const struct ks_group *group, const struct held *held,
                            const float *rows, size_t width, size_t count, __m512i *sums,
                            __m512 (*pick)(const float *, __m512))
{
    const __m512i lanes =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i step = _mm512_sub_epi32(_mm512_set1_epi32(KS_LANES), lanes);
    __m512i at[ROWS_AT_ONCE];

    for (size_t i = 0; i < count; i++) {
        at[i] = begin(held, &rows[i * width], pick);
    }
    for (unsigned level = LEVELS_HELD; level < KS_TREE_LEVELS; level++) {
        for (size_t i = 0; i < count; i++) {
            const __m512 split = _mm512_i32gather_ps(at[i], group->splits, 4);
            const __mmask16 right =
                _mm512_cmp_ps_mask(pick(&rows[i * width], split), split, _CMP_GE_OQ);

            /* 16 node + lane becomes 16 (2 node + 1 + right) + lane. */
            at[i] = _mm512_add_epi32(_mm512_slli_epi32(at[i], 1), step);
            at[i] = _mm512_mask_add_epi32(at[i], right, at[i], _mm512_set1_epi32(KS_LANES));
        }
    }
    for (size_t i = 0; i < count; i++) {
        const __m512i leaf =
            _mm512_sub_epi32(at[i], _mm512_set1_epi32(KS_TREE_SPLITS * KS_LANES));

        /* Of 32 bits read, the low 16 are the path; behind the last one lie the means. */
        sums[i] = _mm512_add_epi32(
            sums[i], _mm512_and_epi32(_mm512_i32gather_epi32(leaf, group->paths, 2),
                                      _mm512_set1_epi32(0xffff)));
    }
}
_Static_assert(sizeof(struct ks_group) >= sizeof(uint32_t) * KS_TREE_SPLITS * KS_LANES +
                                              sizeof(uint16_t) * KS_TREE_LEAVES * KS_LANES + 2,
               "gathers of paths read two bytes beyond");

static inline void add_group(const struct ks_group *group, const float *rows, size_t width,
                             size_t count, __m512i *sums, __m512 (*pick)(const float *, __m512))
{
    struct held held;
    size_t at = 0;

    for (size_t i = 0; i < sizeof held.splits / sizeof held.splits[0]; i++) {
        held.splits[i] = _mm512_loadu_ps((const float *)group->splits[i]);
    }
    for (; at + ROWS_AT_ONCE <= count; at += ROWS_AT_ONCE) {
        add_rows(group, &held, &rows[at * width], width, ROWS_AT_ONCE, &sums[at], pick);
    }
    add_rows(group, &held, &rows[at * width], width, count - at, &sums[at], pick);
}

void ks_forest_paths_avx512(const struct ks_forest *forest, const float *rows, size_t width,
                            size_t count, uint32_t *out_paths)
{
    __m512i sums[KS_STANDARD_BLOCK];

    for (size_t i = 0; i < count; i++) {
        sums[i] = _mm512_setzero_si512();
    }
    for (size_t group = 0; group < forest->group_count; group++) {
        if (width == 16) {
            add_group(&forest->groups[group], rows, width, count, sums, pick_16);
        } else {
            add_group(&forest->groups[group], rows, width, count, sums, pick_32);
        }
    }
    for (size_t i = 0; i < count; i++) {
        out_paths[i] = (uint32_t)_mm512_reduce_add_epi32(sums[i]);
    }
}
