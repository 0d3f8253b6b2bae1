/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/gf2.h"

#define DIGIT   4 /* bits of B taken at once */
#define DIGITS  (64 / DIGIT)
#define ENTRIES (1 << DIGIT)

/* The multiples of one word of A by all digits, then each word of B digit by digit. The index
 * into the table is secret: this kernel leaks it to whoever shares the cache, as the
 * simulation's machine is no place for anybody else. */
static void multiply(const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out)
{
    ks_zero(out, 2 * count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        uint64_t low[ENTRIES] = {0};
        uint64_t high[ENTRIES] = {0};

        for (unsigned digit = 1; digit < ENTRIES; digit++) {
            for (unsigned bit = 0; bit < DIGIT; bit++) {
                if ((digit >> bit & 1) != 0) {
                    low[digit] ^= a[i] << bit;
                    high[digit] ^= bit == 0 ? 0 : a[i] >> (64 - bit);
                }
            }
        }
        for (size_t k = 0; k < count; k++) {
            uint64_t lower = 0;
            uint64_t upper = 0;

            for (unsigned digit = DIGITS; digit-- > 0;) {
                const unsigned index = (unsigned)(b[k] >> (DIGIT * digit)) % ENTRIES;

                upper = upper << DIGIT | lower >> (64 - DIGIT);
                lower <<= DIGIT;
                lower ^= low[index];
                upper ^= high[index];
            }
            out[i + k] ^= lower;
            out[i + k + 1] ^= upper;
        }
    }
}

const struct ks_gf2 ks_gf2_portable = {"portable", multiply};
