/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/draws.h"

#include "base/pool.h"
#include "quantum/philox.h"

#define RADIX_BITS 11
#define RADIX      ((size_t)1 << RADIX_BITS)

/* Least significant digit first. */
void ks_draws_sort(uint64_t **draws, uint64_t **spare, size_t count, struct ks_pool *pool)
{
    size_t starts[RADIX];

    for (unsigned shift = 0; shift < KS_DRAW_BITS && !ks_pool_cancelled(pool);
         shift += RADIX_BITS) {
        uint64_t *const from = *draws;
        uint64_t *const to = *spare;
        size_t sum = 0;

        ks_zero(starts, sizeof starts);
        for (size_t i = 0; i < count; i++) {
            starts[from[i] >> shift & (RADIX - 1)]++;
        }
        for (size_t digit = 0; digit < RADIX; digit++) {
            const size_t digits = starts[digit];

            starts[digit] = sum;
            sum += digits;
        }
        for (size_t i = 0; i < count; i++) {
            to[starts[from[i] >> shift & (RADIX - 1)]++] = from[i];
        }
        *draws = to;
        *spare = from;
    }
}
