/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* places.h: numbers whose bits lie at chosen places of an index. Pure. */
#ifndef KS_QUANTUM_PLACES_H
#define KS_QUANTUM_PLACES_H

#include <stddef.h>
#include <stdint.h>

/* The bits of VALUE at PLACES, lowest first. */
static inline size_t ks_places_index(size_t value, const uint8_t *places)
{
    size_t index = 0;

    for (unsigned i = 0; value >> i != 0; i++) {
        index |= (value >> i & 1) << places[i];
    }
    return index;
}

/* So many low ones of COUNT bits are at places 0, 1, …: amplitudes that lie together. */
static inline size_t ks_places_run(const uint8_t *places, unsigned count)
{
    unsigned log = 0;

    while (log < count && places[log] == log) {
        log++;
    }
    return (size_t)1 << log;
}

#endif
