/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* plan.h: what to do to the amplitudes, in order. The plan follows the circuit and the outcomes
 * of its measurements alone, never threads or instruction sets, and its order and rounding are
 * part of KS_NUMERICS.
 *
 * Qubits that are in a known basis state are not in the state vector: the frame knows their
 * value. A qubit gets a slot (a bit of the amplitude index) when a gate first takes it out of
 * its basis state, and loses it when a measurement or reset puts it back. X, SWAP and whatever
 * acts on known qubits changes the frame only.
 *
 * One thread at a time. Pure. */
#ifndef KS_QUANTUM_PLAN_H
#define KS_QUANTUM_PLAN_H

#include "quantum/circuit.h"

#define KS_SLOTS_MAX          48 /* amplitude indices and byte counts stay far below 2^63 */
#define KS_DIAGONAL_SLOTS_MAX 6  /* a merged diagonal's table has at most 64 entries */

enum ks_step_kind {
    KS_STEP_GROW,     /* a new slot on top: |0> of it becomes column 0 of the matrix */
    KS_STEP_MATRIX,   /* 2 x 2 matrix on the target */
    KS_STEP_REAL,     /* the same, with imaginary parts of zero that are not computed */
    KS_STEP_FLIP,     /* X on the target */
    KS_STEP_DIAGONAL, /* a phase chosen by the bits of table_slots */
};

struct ks_step {
    uint8_t kind;   /* enum ks_step_kind */
    uint8_t target; /* slot; not DIAGONAL */
    uint8_t table_size;
    uint8_t table_slots[KS_DIAGONAL_SLOTS_MAX]; /* ascending; bit b of the entry's index is slot
                                                   b */
    size_t table; /* DIAGONAL: index of the first entry (re, im) */
    /* Acts on the amplitudes whose index has these values under this mask. */
    uint64_t control_mask;
    uint64_t control_value;
    double matrix[8]; /* rows, then columns, then re and im */
};

struct ks_qubit {
    int32_t slot; /* -1: in basis state BIT */
    bool bit;     /* with a slot: index bit 0 stands for this value */
    bool pending; /* the matrix is still to be applied */
    double matrix[8];
};

struct ks_frame {
    uint32_t qubit_count;
    uint32_t slot_count;
    struct ks_qubit *qubits; /* owned */
};

/* All qubits in |0>. */
KS_MUST_CHECK enum ks_err ks_frame_init(struct ks_frame *frame, uint32_t qubit_count);
void ks_frame_done(struct ks_frame *frame);
void ks_frame_reset(struct ks_frame *frame); /* all qubits in |0> again */
/* SOURCE has the same number of qubits. */
void ks_frame_copy(struct ks_frame *target, const struct ks_frame *source);
/* QUBIT now is in basis state BIT; the slot that it had is gone, those above moved down by one.
 */
void ks_frame_forget(struct ks_frame *frame, uint32_t qubit, bool bit);

struct ks_plan {
    struct ks_step *steps;
    size_t step_count;
    double *entries; /* of diagonals: re, im */
    size_t entry_count;
    uint32_t slots_peak; /* most slots at any time; above KS_SLOTS_MAX steps are missing */
    /* private to plan.c: */
    size_t step_cap;
    size_t entry_cap;
    enum ks_err err;    /* sticky; reported by ks_plan_end */
    uint32_t open_size; /* the diagonal that still takes in others */
    uint8_t open_slots[KS_DIAGONAL_SLOTS_MAX];
    double open_table[2 << KS_DIAGONAL_SLOTS_MAX];
};

void ks_plan_init(struct ks_plan *plan);
void ks_plan_done(struct ks_plan *plan);

/* Starts an empty plan on FRAME; memory of earlier plans is used again. */
void ks_plan_begin(struct ks_plan *plan, const struct ks_frame *frame);
/* Appends what OP, a gate, does; its condition is not looked at. Gates may stay pending in
 * FRAME. */
void ks_plan_gate(struct ks_plan *plan, struct ks_frame *frame,
                  const struct ks_circuit *circuit, const struct ks_op *op);
/* Everything pending on QUBIT but a phase is done: after this it has a slot or a known value.
 */
void ks_plan_settle(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Gives QUBIT a slot, whatever its state: for bounds. */
void ks_plan_activate(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Everything pending on QUBIT, phases too. */
void ks_plan_flush(struct ks_plan *plan, struct ks_frame *frame, uint32_t qubit);
/* Forgets the phases gathered so far: the qubits are about to be measured, all of them. */
void ks_plan_drop_phases(struct ks_plan *plan);
/* The plan is complete. KS_ERR_NOMEM if it did not fit into memory. */
KS_MUST_CHECK enum ks_err ks_plan_end(struct ks_plan *plan);

/* The unitary that gate OP does to its last qubit when its other qubits (controls) are 1, up to
 * a global phase where there are no controls. Not for SWAP, CSWAP, RXX, RZZ, MEASURE, RESET,
 * BARRIER. */
void ks_gate_matrix(const struct ks_op *op, const double *params, double out_matrix[8]);

#endif
