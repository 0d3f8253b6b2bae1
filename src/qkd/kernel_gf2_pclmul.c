/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <immintrin.h>

#include "qkd/gf2.h"

static __m128i load(const uint64_t *words)
{
    return _mm_loadu_si128((const __m128i *)words);
}

static void add(uint64_t *words, __m128i value)
{
    _mm_storeu_si128((__m128i *)words, _mm_xor_si128(load(words), value));
}

/* Column by column, so that each word of the product is written once. */
static void multiply(const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out)
{
    ks_zero(out, 2 * count * sizeof *out);
    for (size_t column = 0; column + 1 < 2 * count; column++) {
        const size_t first = column < count ? 0 : column - count + 1;
        const size_t last = column < count ? column : count - 1;
        __m128i sum = _mm_setzero_si128();

        for (size_t i = first; i <= last; i++) {
            sum = _mm_xor_si128(
                sum,
                _mm_clmulepi64_si128(_mm_loadl_epi64((const __m128i *)(a + i)),
                                     _mm_loadl_epi64((const __m128i *)(b + column - i)), 0));
        }
        add(out + column, sum);
    }
}

const struct ks_gf2 ks_gf2_pclmul = {"pclmul", multiply};
