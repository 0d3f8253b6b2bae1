/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* clifford.h: which operations are Clifford gates, taken apart into few kinds. Global phases
 * are not kept. Pure; any thread. */
#ifndef KS_QUANTUM_CLIFFORD_H
#define KS_QUANTUM_CLIFFORD_H

#include "quantum/circuit.h"

/* A gate is taken for the Clifford gate from which its matrix (for one qubit: its action on X
 * and Z) differs by at most this in each entry: angles written with 12 digits or more. A
 * million such gates that err alike are off by 1e-6 in an amplitude, 1e-12 in a probability. */
#define KS_CLIFFORD_TOLERANCE 0x1p-40

enum ks_clifford_kind {
    KS_CLIFFORD_LOCAL, /* on qubit A */
    KS_CLIFFORD_CX,    /* A controls */
    KS_CLIFFORD_CZ,
    KS_CLIFFORD_SWAP,
};

/* A gate U on one qubit as what it makes of X and Z: U^-1 X U and U^-1 Z U. In this order: X
 * becomes i X Z; or Z becomes i X Z; X and Z change places; signs. */
#define KS_LOCAL_MUL_X 1u
#define KS_LOCAL_MUL_Z 2u
#define KS_LOCAL_SWAP  4u
#define KS_LOCAL_NEG_X 8u
#define KS_LOCAL_NEG_Z 16u
/* U is a Pauli matrix if none of these is set. */
#define KS_LOCAL_MIXES (KS_LOCAL_MUL_X | KS_LOCAL_MUL_Z | KS_LOCAL_SWAP)

struct ks_clifford_step {
    uint8_t kind;  /* enum ks_clifford_kind */
    uint8_t local; /* KS_LOCAL_… of LOCAL */
    uint32_t a;
    uint32_t b;
};

#define KS_CLIFFORD_STEPS_MAX 7
struct ks_clifford {
    unsigned count;
    struct ks_clifford_step steps[KS_CLIFFORD_STEPS_MAX]; /* in order of time */
};

/* False when OP, a gate with parameters PARAMS, is no Clifford gate. */
bool ks_clifford_of(const struct ks_op *op, const double *params, struct ks_clifford *out);

#endif
