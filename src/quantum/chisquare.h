/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* chisquare.h: Pearson's test of counts, as everybody knows it, beside the bounds of agree.h.
 * Its probability is an approximation for many shots: outcomes of which few are expected are
 * put together first. Pure. */
#ifndef KS_QUANTUM_CHISQUARE_H
#define KS_QUANTUM_CHISQUARE_H

#include "quantum/circuit.h"

#define KS_CHI_SQUARE_EXPECTED_MIN 16 /* of each bin */
/* Below it the test decides. Far below what it is to stand for, since a bin of few is exceeded
 * more often than the approximation says (docs/formats/compare.md). */
#define KS_CHI_SQUARE_DECIDES 1e-12

struct ks_chi_square {
    double statistic;
    uint64_t degrees; /* 0: too few shots for two bins, and nothing is said */
    double p;         /* of so large a statistic, or larger, from one distribution */
    uint64_t pooled;  /* outcomes that were put together with others */
};

/* COUNTS against PROBABILITIES of all 2^clbits outcomes. */
KS_MUST_CHECK enum ks_err ks_chi_square_exact(const struct ks_counts *counts,
                                              const double *probabilities, uint32_t clbits,
                                              struct ks_chi_square *out_test);
/* Two samples against each other. */
KS_MUST_CHECK enum ks_err ks_chi_square_samples(const struct ks_counts *a,
                                                const struct ks_counts *b,
                                                struct ks_chi_square *out_test);

/* The probability that a chi-square of DEGREES is at least STATISTIC. */
double ks_chi_square_p(double statistic, uint64_t degrees);

#endif
