/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is random in training: the order of samples, and dropout. */

#include "base/philox.h"
#include "learn/internal.h"

void ks_learn_shuffle(uint64_t seed, uint32_t purpose, uint32_t round, uint32_t *order,
                      size_t count)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = count; i > 1; i--) {
        const uint32_t counter[4] = {(uint32_t)i, 0, round, purpose};
        uint32_t words[4];
        size_t other = 0;
        uint32_t kept = 0;

        ks_philox(key, counter, words);
        /* 64 bits for at most 2^32 choices: no choice is likelier than another by 2^-32. */
        other = (size_t)(((uint64_t)words[0] << 32 | words[1]) % i);
        kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static uint64_t rotated(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

/* Philox for the state, then xoroshiro128+ (Blackman, Vigna 2018), of whose 64 bits the high 48
 * give three numbers: its low bits are the weak ones. */
void ks_dropout_draw(const struct ks_dropout *draw, uint8_t *out_kept, size_t count)
{
    const uint32_t key[2] = {(uint32_t)draw->seed, (uint32_t)(draw->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)draw->step, draw->sample,
                                 (uint32_t)(draw->step >> 32),
                                 KS_DRAW_DROPOUT | draw->layer << 8};
    const uint64_t limit = (uint64_t)(draw->rate * 65536);
    uint32_t words[4];
    uint64_t low = 0;
    uint64_t high = 0;

    ks_philox(key, counter, words);
    low = (uint64_t)words[0] << 32 | words[1];
    high = (uint64_t)words[2] << 32 | words[3] | 1; /* never all zero */
    for (size_t i = 0; i < count;) {
        const uint64_t bits = low + high;

        for (unsigned k = 1; k < 4 && i < count; k++, i++) {
            out_kept[i] = (bits >> 16 * k & 0xffff) >= limit;
        }
        high ^= low;
        low = rotated(low, 24) ^ high ^ high << 16;
        high = rotated(high, 37);
    }
}
