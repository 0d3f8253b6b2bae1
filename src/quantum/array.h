/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* array.h: room in growing arrays. */
#ifndef KS_QUANTUM_ARRAY_H
#define KS_QUANTUM_ARRAY_H

#include "base/mem.h"

/* ARRAY, or a larger one in its place, with room for NEEDED elements of SIZE bytes; *CAP is the
 * room. The owner frees it with ks_free. NULL when memory is short: then ARRAY and CAP are as
 * they were. */
static inline void *ks_array_room(void *array, size_t *cap, size_t needed, size_t size)
{
    if (needed <= *cap) {
        return array;
    }
    size_t wanted = *cap < 32 ? 32 : 2 * *cap;
    if (wanted < needed) {
        wanted = needed;
    }
    void *grown = ks_realloc(array, wanted, size);
    if (grown != NULL) {
        *cap = wanted;
    }
    return grown;
}

#endif
