/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm3.h: what only OpenQASM 3 has: qasm3.c (declarations, assignments), qasm3_flow.c
 * (blocks), qasm3_expr.c (expressions of integers). Beside qasm.h, and for the parser alone. */
#ifndef KS_QUANTUM_QASM3_H
#define KS_QUANTUM_QASM3_H

#include "quantum/qasm.h"

#define KS_QASM_LOOP_VALUES_MAX 65536 /* of the sets that open loops go over */
#define KS_QASM_STATEMENT_STEPS 24    /* of KS_QASM_STEPS_PER_OP_MAX, for each statement read */

/* --- qasm3_expr.c ------------------------------------------------------------------------- */
/* Reads an expression into qasm->terms, known parts computed. It ends before the first token
 * that cannot belong to it. */
KS_MUST_CHECK enum ks_err ks_qasm3_expression(struct ks_qasm *qasm);
/* The same where the value has to be known before the run: a NUMBER. */
KS_MUST_CHECK enum ks_err ks_qasm3_known(struct ks_qasm *qasm, struct ks_term *out_number);
/* Makes a truth value of the expression in qasm->terms. */
KS_MUST_CHECK enum ks_err ks_qasm3_truth(struct ks_qasm *qasm);

/* --- qasm3.c ------------------------------------------------------------------------------ */
/* Names of OpenQASM 3, once the version is known. */
KS_MUST_CHECK enum ks_err ks_qasm3_start(struct ks_qasm *qasm);
/* Reads the program behind its version. */
KS_MUST_CHECK enum ks_err ks_qasm3_program(struct ks_qasm *qasm);
/* int, uint, bool or bit, with its size; the token behind it is the current one. */
KS_MUST_CHECK enum ks_err ks_qasm3_type(struct ks_qasm *qasm, struct ks_variable *out_type);
/* "[index]" of something of SIZE bits; negative ones count from the end. */
KS_MUST_CHECK enum ks_err ks_qasm3_index(struct ks_qasm *qasm, uint32_t size,
                                         uint32_t *out_index);
/* The same or a range, for OPERAND, a whole register. */
KS_MUST_CHECK enum ks_err ks_qasm3_slice(struct ks_qasm *qasm, struct ks_qasm_operand *operand);

/* --- qasm3_flow.c ------------------------------------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_qasm3_if(struct ks_qasm *qasm);
KS_MUST_CHECK enum ks_err ks_qasm3_while(struct ks_qasm *qasm);
KS_MUST_CHECK enum ks_err ks_qasm3_for(struct ks_qasm *qasm);
KS_MUST_CHECK enum ks_err ks_qasm3_jump(struct ks_qasm *qasm);
/* At '}': closes the block. */
KS_MUST_CHECK enum ks_err ks_qasm3_close(struct ks_qasm *qasm);
/* A statement that opened no block is complete: so are the blocks of one statement around it.
 */
KS_MUST_CHECK enum ks_err ks_qasm3_complete(struct ks_qasm *qasm);
/* Counts the work of one more statement. */
KS_MUST_CHECK enum ks_err ks_qasm3_count(struct ks_qasm *qasm);

#endif
