/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* counts.h: collects outcomes and hands them out in order. One thread at a time. Pure. */
#ifndef KS_QUANTUM_COUNTS_H
#define KS_QUANTUM_COUNTS_H

#include "quantum/circuit.h"

struct ks_tally;

struct ks_pool;

/* Once POOL (or NULL) is cancelled, sorting stops with KS_ERR_CANCELLED. */
KS_MUST_CHECK enum ks_err ks_tally_new(uint32_t clbits, struct ks_pool *pool,
                                       struct ks_tally **out_tally);
void ks_tally_free(struct ks_tally *tally); /* NULL is fine */
/* Words of an outcome: bit c % 64 of word c / 64 is classical bit c. */
size_t ks_tally_words(const struct ks_tally *tally);
/* Counts the outcome in BITS COUNT times more. */
KS_MUST_CHECK enum ks_err ks_tally_add(struct ks_tally *tally, const uint64_t *bits,
                                       uint64_t count);
/* The outcomes so far, each once, in order; the tally is empty after it. */
KS_MUST_CHECK enum ks_err ks_tally_finish(struct ks_tally *tally,
                                          struct ks_counts **out_counts);
void ks_counts_set_facts(struct ks_counts *counts, const struct ks_simulate_facts *facts);

#endif
