/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/philox.h"

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
