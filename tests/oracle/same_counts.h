/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* same_counts.h: whether two runs drew the same. */
#ifndef KS_TESTS_ORACLE_SAME_COUNTS_H
#define KS_TESTS_ORACLE_SAME_COUNTS_H

#include <string.h>

#include "quantum/circuit.h"

static inline bool same_counts(const struct ks_counts *a, const struct ks_counts *b)
{
    bool same = ks_counts_size(a) == ks_counts_size(b);

    for (size_t i = 0; same && i < ks_counts_size(a); i++) {
        same = strcmp(ks_counts_outcome(a, i), ks_counts_outcome(b, i)) == 0 &&
               ks_counts_count(a, i) == ks_counts_count(b, i);
    }
    return same;
}

#endif
