/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* finite.h: how many secret bits a block has: the finite-key bounds of Lim, Curty, Walenta, Xu
 * and Zbinden, "Concise security bounds for practical decoy-state quantum key distribution",
 * Phys. Rev. A 89, 022307 (2014), arXiv:1311.7129, and the asymptotic rate with infinitely many
 * decoys that they approach. docs/qkd.md says what they assume. Pure; any thread. */
#ifndef KS_QKD_FINITE_H
#define KS_QKD_FINITE_H

#include "qkd/link.h"

#define KS_FINITE_VERIFY_BITS 128 /* tag of the verification, shown */

/* Of one block. The raw key is in X, Z was shown. */
struct ks_finite_counts {
    uint64_t raw[KS_LINK_INTENSITIES];    /* n_X,k */
    uint64_t shown[KS_LINK_INTENSITIES];  /* n_Z,k */
    uint64_t errors[KS_LINK_INTENSITIES]; /* m_Z,k */
};

struct ks_finite_bounds {
    double vacuum_bits; /* s_X,0, at least */
    double single_bits; /* s_X,1, at least */
    double phase_error; /* phi_X, at most; 1/2 when nothing is known */
    double secret_bits; /* before what was leaked: equation (1) without leak and verification */
};
struct ks_finite_bounds ks_finite_bounds_of(const struct ks_link_protocol *protocol,
                                            const struct ks_finite_counts *counts);
/* Equation (1): what is left after LEAKED bits and the tag, rounded down; <= 0: no key. */
int64_t ks_finite_length(const struct ks_finite_bounds *bounds, uint64_t leaked);

/* What is expected of the signal without an eavesdropper, dead time and afterpulses. */
struct ks_finite_model {
    double gain;       /* probability that a pulse clicks, both ends in one basis */
    double error_rate; /* of these */
    double rate;       /* secret bits of a pulse */
};
struct ks_finite_model ks_finite_expected(const struct ks_link_params *params,
                                          enum ks_link_intensity intensity);
/* Gottesman, Lo, Lütkenhaus and Preskill (2004) with the single photons' yield and error known
 * (Lo, Ma and Chen 2005, equation (1)): all pulses signal, all in one basis, reconciliation at
 * the Shannon limit. Never negative. */
struct ks_finite_model ks_finite_asymptotic(const struct ks_link_params *params);

#endif
