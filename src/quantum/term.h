/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* term.h: what an operator of ks_term_code does to numbers, before the run and in it. Pure. */
#ifndef KS_QUANTUM_TERM_H
#define KS_QUANTUM_TERM_H

#include "quantum/circuit.h"

/* VALUE cut to WIDTH bits (1 to 64) and extended to 64 again. */
uint64_t ks_term_cut(uint64_t value, unsigned width, bool is_signed);
/* The value of operator TERM. IS_SIGNED is that of its operands: decides order, division and
 * shifts to the right. B is not looked at where TERM is unary. */
uint64_t ks_term_apply(const struct ks_term *term, uint64_t a, uint64_t b, bool is_signed);

#endif
