/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* real.h: the few functions of real numbers that a link needs, from additions, multiplications,
 * divisions and square roots alone: libm's differ by CPU in the last bit, and both ends of a
 * link have to compute the same length, the same seed the same photons. Pure; any thread. */
#ifndef KS_QKD_REAL_H
#define KS_QKD_REAL_H

/* Natural logarithm of a finite normal X > 0 (asserted), within 2 units of the last place. */
double ks_real_ln(double x);
/* ln(1 + x) for -1 < x (asserted), as exact for small X. */
double ks_real_ln1p(double x);
/* e^X for -700 <= X <= 700 (asserted), within 4 units of the last place. */
double ks_real_exp(double x);
/* e^X - 1 within the same range, as exact for small X. */
double ks_real_expm1(double x);
double ks_real_log2(double x);
/* Binary entropy in bits of P in [0, 1] (asserted). */
double ks_real_entropy(double p);

#endif
