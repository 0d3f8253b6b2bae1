/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* math.h: elementary functions whose bits do not depend on the CPU, the compiler or the C
 * library: made of + - * / and of fma() and sqrt(), which IEEE 754 defines exactly. They need
 * -ffp-contract=off and the default rounding to nearest. Pure; any thread.
 *
 * Changing one result bit of these functions changes KS_NUMERICS. Each states its largest error
 * against the exact value, in units in the last place (ulp) of the result. */
#ifndef KS_QUANTUM_MATH_H
#define KS_QUANTUM_MATH_H

#include <stdbool.h>

/* Sine and cosine of ANGLE in radians, for every finite double (Payne and Hanek's reduction:
 * the quadrant is exact at any size). 0.8 ulp. The sine of -0 is -0. NaN for both when ANGLE is
 * not finite. */
void ks_sincos(double angle, double *out_sin, double *out_cos);
/* The same by instructions that not each machine of its kind has: kernels_….c. False, and
 * nothing is done, where this one does not have them or all do. */
bool ks_sincos_fast(double angle, double *out_sin, double *out_cos);
/* By those of AVX2 and FMA, which have to be there. */
void ks_sincos_fma(double angle, double *out_sin, double *out_cos);

/* 1.2 ulp; sign and NaN as for ks_sincos. */
double ks_tan(double angle);

/* 0.51 ulp, 1 ulp for subnormal results. Infinity on overflow, 0 on underflow. */
double ks_exp(double value);

/* Natural logarithm, 0.51 ulp. -infinity for 0, NaN below. */
double ks_log(double value);

/* BASE to the power EXPONENT, 0.51 ulp (1 ulp for subnormal results). As IEEE 754-2019 pow for
 * finite arguments: x^0 = 1 for every x, infinity for 0 to a negative power, NaN for a negative
 * BASE with a fraction in EXPONENT. NaN when either is not finite, but 1 for 1^x and x^0. */
double ks_pow(double base, double exponent);

#endif
