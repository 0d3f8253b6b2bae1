/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/philox.h"
#include "quantum/philox.h"

static void draw_words(uint64_t seed, uint64_t block, uint32_t index, enum ks_draw purpose,
                       uint32_t out_words[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), index,
                                 (uint32_t)purpose};

    ks_philox(key, counter, out_words);
}

uint64_t ks_philox_draw(uint64_t seed, uint64_t shot, uint32_t index, enum ks_draw purpose)
{
    uint32_t words[4];

    draw_words(seed, shot, index, purpose, words);
    return (uint64_t)(words[0] >> 5) << 26 | words[1] >> 6;
}

void ks_philox_bits(uint64_t seed, uint64_t block, uint32_t index, uint64_t out_bits[2])
{
    uint32_t words[4];

    draw_words(seed, block, index, KS_DRAW_FLIP, words);
    out_bits[0] = (uint64_t)words[1] << 32 | words[0];
    out_bits[1] = (uint64_t)words[3] << 32 | words[2];
}
