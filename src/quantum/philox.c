/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/philox.h"

#define ROUNDS       10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0       0x9E3779B9u
#define WEYL_1       0xBB67AE85u

void ks_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out_words[4])
{
    uint32_t key_0 = key[0];
    uint32_t key_1 = key[1];
    uint32_t w0 = counter[0];
    uint32_t w1 = counter[1];
    uint32_t w2 = counter[2];
    uint32_t w3 = counter[3];

    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)MULTIPLIER_0 * w0;
        const uint64_t p1 = (uint64_t)MULTIPLIER_1 * w2;

        w0 = (uint32_t)(p1 >> 32) ^ w1 ^ key_0;
        w1 = (uint32_t)p1;
        w2 = (uint32_t)(p0 >> 32) ^ w3 ^ key_1;
        w3 = (uint32_t)p0;
        key_0 += WEYL_0;
        key_1 += WEYL_1;
    }
    out_words[0] = w0;
    out_words[1] = w1;
    out_words[2] = w2;
    out_words[3] = w3;
}

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
