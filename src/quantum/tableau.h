/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tableau.h: a stabilizer state U|0…0> as the Pauli strings U^-1 X_q U and U^-1 Z_q U (the
 * inverse tableau of Gidney, Stim, arXiv 2103.02202; the bits of Aaronson and Gottesman, arXiv
 * quant-ph/0406196). Gates multiply strings; a measurement is a look at one string, and only
 * one whose outcome is open works on all of them. One thread at a time. Pure. */
#ifndef KS_QUANTUM_TABLEAU_H
#define KS_QUANTUM_TABLEAU_H

#include "quantum/clifford.h"

/* Four square bit matrices, SIDE bits on a side, WORDS words in a line: of the strings of X_q
 * and of Z_q the X parts and the Z parts. Lines are strings; after a transposition they are
 * positions in the strings. */
enum ks_plane { KS_PLANE_XX, KS_PLANE_XZ, KS_PLANE_ZX, KS_PLANE_ZZ, KS_PLANES };

struct ks_tableau {
    uint32_t qubits;
    size_t side;
    size_t words;
    bool transposed;
    uint64_t *planes[KS_PLANES];
    uint64_t *signs[2]; /* of the strings of X_q, of Z_q: bit q set for -1 */
    uint32_t *list;     /* scratch, SIDE long */
};

#define KS_TABLEAU_QUBITS_MAX 65536 /* a tableau of 4 GiB */

/* Bytes of a tableau of QUBITS, at most KS_TABLEAU_QUBITS_MAX. */
uint64_t ks_tableau_bytes(uint32_t qubits);
/* |0…0>, in MEMORY of that many zeroed bytes, which the tableau borrows. */
void ks_tableau_init(struct ks_tableau *tableau, uint32_t qubits, void *memory);
/* Another of the same size; SOURCE's memory and TARGET's are both as ks_tableau_bytes says. */
void ks_tableau_copy(struct ks_tableau *target, const struct ks_tableau *source);

void ks_tableau_apply(struct ks_tableau *tableau, const struct ks_clifford *clifford);
/* Whether measuring QUBIT can come out either way; if not, *OUT_OUTCOME is how. */
bool ks_tableau_open(const struct ks_tableau *tableau, uint32_t qubit, bool *out_outcome);
/* QUBIT, whose measurement is open, came out as OUTCOME. */
void ks_tableau_collapse(struct ks_tableau *tableau, uint32_t qubit, bool outcome);
/* The same for half the work, where nothing but measurements follows: the strings of X_q are
 * not kept. */
void ks_tableau_collapse_last(struct ks_tableau *tableau, uint32_t qubit, bool outcome);

/* Bit Q of line I of the result says whether the measurement of qubit Q turns round with bit I
 * of a uniformly random string: the X parts of the strings of Z_q, by position. Borrowed until
 * the tableau changes; lines of tableau->words words. */
const uint64_t *ks_tableau_flips(struct ks_tableau *tableau);

/* Transposes a square of 64 x 64 bits. */
void ks_transpose_64(uint64_t rows[64]);

#endif
