/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* agree.h: whether counts may have come from a distribution, where they cannot be compared bit
 * for bit. Four kinds of tests, each by a bound that holds for every number of shots, share the
 * rate of false alarms (docs/formats/replay.md has the bounds and where they come from). Pure.
 */
#ifndef KS_QUANTUM_AGREE_H
#define KS_QUANTUM_AGREE_H

#include "quantum/circuit.h"

struct ks_agreement {
    bool consistent;
    double
        false_alarm; /* at most so probable that counts of the very distribution are refused */
    double distance; /* total variation between the counts and what they are held against */
    double found_from; /* a distribution so far away is refused, but for FALSE_ALARM; over 1:
                        * outcomes are too many to say */
    uint64_t tests;
    char reason[160]; /* of a refusal: the first test that failed; else empty */
};

struct ks_agree_spec {
    double false_alarm; /* above 0, below 1 */
    double slack;       /* how far the distribution itself may be off, as total variation */
};

/* PROBABILITIES of all 2^clbits outcomes of COUNTS, see ks_probabilities. */
KS_MUST_CHECK enum ks_err ks_agree_exact(const struct ks_counts *counts,
                                         const double *probabilities,
                                         const struct ks_agree_spec *spec,
                                         struct ks_agreement *out_agreement);
/* FRESH: drawn independently of COUNTS, from the distribution, at least as many shots. */
KS_MUST_CHECK enum ks_err ks_agree_sample(const struct ks_counts *counts,
                                          const struct ks_counts *fresh,
                                          const struct ks_agree_spec *spec,
                                          struct ks_agreement *out_agreement);

#endif
