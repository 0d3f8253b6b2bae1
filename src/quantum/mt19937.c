/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* mt19937.c: M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), with the
 * initialisation of 2002. */

#include "quantum/mt19937.h"

#define WORDS KS_MT19937_WORDS
#define SHIFT 397

static void init_by_word(struct ks_mt19937 *mt, uint32_t word)
{
    mt->words[0] = word;
    for (uint32_t i = 1; i < WORDS; i++) {
        mt->words[i] = 1812433253U * (mt->words[i - 1] ^ mt->words[i - 1] >> 30) + i;
    }
    mt->next = WORDS;
}

void ks_mt19937_init(struct ks_mt19937 *mt, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const unsigned length = key[1] != 0 ? 2 : 1;
    uint32_t *words = mt->words;
    unsigned i = 1;
    unsigned j = 0;

    init_by_word(mt, 19650218U);
    for (unsigned k = 0; k < WORDS; k++) {
        words[i] = (words[i] ^ (words[i - 1] ^ words[i - 1] >> 30) * 1664525U) + key[j] + j;
        j = (j + 1) % length;
        if (++i == WORDS) {
            words[0] = words[WORDS - 1];
            i = 1;
        }
    }
    for (unsigned k = 0; k < WORDS - 1; k++) {
        words[i] = (words[i] ^ (words[i - 1] ^ words[i - 1] >> 30) * 1566083941U) - i;
        if (++i == WORDS) {
            words[0] = words[WORDS - 1];
            i = 1;
        }
    }
    words[0] = 0x80000000U;
}

static void refill(struct ks_mt19937 *mt)
{
    uint32_t *words = mt->words;

    for (unsigned i = 0; i < WORDS; i++) {
        const uint32_t both = (words[i] & 0x80000000U) | (words[(i + 1) % WORDS] & 0x7fffffffU);
        words[i] = words[(i + SHIFT) % WORDS] ^ both >> 1 ^ ((both & 1) != 0 ? 0x9908b0dfU : 0);
    }
    mt->next = 0;
}

uint32_t ks_mt19937_u32(struct ks_mt19937 *mt)
{
    if (mt->next == WORDS) {
        refill(mt);
    }
    uint32_t word = mt->words[mt->next++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680U;
    word ^= word << 15 & 0xefc60000U;
    return word ^ word >> 18;
}

uint32_t ks_mt19937_below(struct ks_mt19937 *mt, uint32_t limit)
{
    unsigned bits = 0; /* limit.bit_length() */

    while (bits < 32 && limit >> bits != 0) {
        bits++;
    }
    for (;;) {
        const uint32_t word = ks_mt19937_u32(mt) >> (32 - bits);
        if (word < limit) {
            return word;
        }
    }
}

double ks_mt19937_double(struct ks_mt19937 *mt)
{
    const uint32_t high = ks_mt19937_u32(mt) >> 5;
    const uint32_t low = ks_mt19937_u32(mt) >> 6;
    return ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;
}
