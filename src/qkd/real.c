/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/real.h"

#include <stdint.h>

#include "base/mem.h"

/* ln 2 in two parts: the first has 20 zero bits at its end, so that whole multiples up to 2^20
 * are exact. */
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW  1.90821492927058770002e-10
#define LN2      0.69314718055994530942
#define SQRT2    1.41421356237309504880

#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define EXP_MAX       700.0

static uint64_t bits_of(double x)
{
    uint64_t bits;

    ks_copy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double x;

    ks_copy(&x, &bits, sizeof x);
    return x;
}

/* 2^EXPONENT, of a normal number. */
static double power_of_two(int exponent)
{
    return from_bits((uint64_t)(exponent + EXPONENT_BIAS) << MANTISSA_BITS);
}

/* 2 atanh(S) - 2 S = 2 (S^3/3 + S^5/5 + …), |S| <= 3 - 2 sqrt(2): the first term left out is
 * below 2^-60 of S. */
static double atanh_tail(double s)
{
    const double z = s * s;
    double sum = 0.0;

    for (int k = 25; k >= 3; k -= 2) {
        sum = sum * z + 2.0 / (double)k;
    }
    return sum * z * s;
}

double ks_real_ln(double x)
{
    const uint64_t bits = bits_of(x);
    int exponent = (int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
    double m = from_bits((bits & (((uint64_t)1 << MANTISSA_BITS) - 1)) | (uint64_t)EXPONENT_BIAS
                                                                             << MANTISSA_BITS);

    KS_ASSERT(x > 0.0 && exponent > -EXPONENT_BIAS && exponent <= EXPONENT_BIAS);
    if (m > SQRT2) {
        m *= 0.5;
        exponent++;
    }
    /* ln m = f - s (f - tail(s) / s) with f = m - 1, s = f / (2 + f): f is exact, and the rest
     * is small beside it. */
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double e = (double)exponent;

    return e * LN2_HIGH + (f - (s * f - (atanh_tail(s) + e * LN2_LOW)));
}

double ks_real_ln1p(double x)
{
    KS_ASSERT(x > -1.0);
    if (x > 0.25 || x < -0.25) {
        return ks_real_ln(1.0 + x);
    }
    const double s = x / (2.0 + x);

    return x - (s * x - atanh_tail(s));
}

/* e^R - 1 for |R| <= ln(2) / 2. */
static double exp_tail(double r)
{
    double sum = 0.0;

    for (int k = 17; k >= 2; k--) {
        sum = (sum + 1.0) * r / (double)k;
    }
    return r + r * sum;
}

double ks_real_exp(double x)
{
    KS_ASSERT(x >= -EXP_MAX && x <= EXP_MAX);
    const double scaled = x / LN2;
    const int k = (int)(scaled + (scaled < 0.0 ? -0.5 : 0.5));
    const double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW;

    return (1.0 + exp_tail(r)) * power_of_two(k);
}

double ks_real_expm1(double x)
{
    if (x > -0.34 && x < 0.34) {
        return exp_tail(x);
    }
    return ks_real_exp(x) - 1.0;
}

double ks_real_log2(double x)
{
    return ks_real_ln(x) / LN2;
}

double ks_real_entropy(double p)
{
    KS_ASSERT(p >= 0.0 && p <= 1.0);
    if (p < 1e-300 || 1.0 - p < 1e-300) {
        return 0.0;
    }
    return -(p * ks_real_ln(p) + (1.0 - p) * ks_real_ln1p(-p)) / LN2;
}
