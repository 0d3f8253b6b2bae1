/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* draws.h: draws in the order that ks_state_sample takes. Pure. */
#ifndef KS_QUANTUM_DRAWS_H
#define KS_QUANTUM_DRAWS_H

#include <stddef.h>
#include <stdint.h>

struct ks_pool;

/* Sorts the COUNT draws of KS_DRAW_BITS bits in *DRAWS; *SPARE has room for as many. The two
 * may change places. Unsorted once POOL (or NULL) is cancelled. */
void ks_draws_sort(uint64_t **draws, uint64_t **spare, size_t count, struct ks_pool *pool);

#endif
