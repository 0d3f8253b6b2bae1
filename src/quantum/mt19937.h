/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* mt19937.h: the random numbers of CPython's random.Random(seed), which the template
 * clifford_t_sampling is defined by. For that alone; not for secrets. Pure. */
#ifndef KS_QUANTUM_MT19937_H
#define KS_QUANTUM_MT19937_H

#include <stdint.h>

#define KS_MT19937_WORDS 624

struct ks_mt19937 {
    uint32_t words[KS_MT19937_WORDS];
    unsigned next;
};

/* random.seed(SEED) of a non-negative integer: M. Matsumoto and T. Nishimura's init_by_array
 * with the 32-bit words of SEED, lowest first. */
void ks_mt19937_init(struct ks_mt19937 *mt, uint64_t seed);
uint32_t ks_mt19937_u32(struct ks_mt19937 *mt);
/* random.randrange(LIMIT) and choice(): _randbelow_with_getrandbits; LIMIT in [1, 2^32). */
uint32_t ks_mt19937_below(struct ks_mt19937 *mt, uint32_t limit);
/* random.random(): 53 bits in [0, 1). */
double ks_mt19937_double(struct ks_mt19937 *mt);

#endif
