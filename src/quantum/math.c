/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/math.h"

#include "quantum/math_body.h"

/* To 106 bits. */
static const struct pair ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
static const double inverse_ln2 = 0x1.71547652b82fep+0;

/* --- sine, cosine, tangent ---------------------------------------------------------------- */

void ks_sincos(double angle, double *out_sin, double *out_cos)
{
    if (!ks_sincos_fast(angle, out_sin, out_cos)) {
        sincos_rounded(angle, out_sin, out_cos);
    }
}

double ks_tan(double angle)
{
    if (!isfinite(angle)) {
        return (double)NAN;
    }
    struct pair sine;
    struct pair cosine;

    sincos_pairs(fabs(angle), &sine, &cosine);
    const double head = sine.hi / cosine.hi;
    const double rest = fma(-head, cosine.hi, sine.hi) + fma(-head, cosine.lo, sine.lo);
    const double magnitude = head + rest / cosine.hi;
    return signbit(angle) ? -magnitude : magnitude;
}

/* --- exponential, logarithm, power
 * ------------------------------------------------------------- Parameter expressions are
 * evaluated once per gate at most, so these take the plain way: everything in pairs, rounded
 * once at the end. */

static struct pair pair_add(struct pair a, struct pair b)
{
    const struct pair sum = two_sum(a.hi, b.hi);
    return pair_sum(sum.hi, sum.lo + (a.lo + b.lo));
}

static struct pair pair_divide(struct pair a, struct pair b)
{
    const double head = a.hi / b.hi;
    const struct pair back = two_product(head, b.hi);
    const double rest = (a.hi - back.hi) - back.lo + (a.lo - head * b.lo);
    return pair_sum(head, rest / b.hi);
}

/* ln VALUE, VALUE positive and finite: VALUE = m * 2^e with m in [sqrt(1/2), sqrt(2)), and
 * ln m = 2 artanh((m - 1) / (m + 1)) by its series; |(m - 1) / (m + 1)| < 0.172. */
static struct pair pair_log(double value)
{
    int exponent = -1023;
    if (value < 0x1p-1022) {
        value *= 0x1p54;
        exponent -= 54;
    }
    union bits bits = {.value = value};
    exponent += (int)(bits.word >> 52);
    bits.word = (bits.word & 0xfffffffffffff) | 0x3ff0000000000000;
    double mantissa = bits.value;
    if (mantissa > 0x1.6a09e667f3bcdp+0) {
        mantissa /= 2;
        exponent++;
    }
    const struct pair ratio =
        pair_divide((struct pair){mantissa - 1, 0}, two_sum(mantissa, 1.0));
    const struct pair square = pair_multiply(ratio, ratio);
    struct pair sum = {0, 0};
    for (int k = 24; k >= 0; k--) { /* 0.172^50 / 51 is below 2^-132 */
        const struct pair term = pair_divide((struct pair){1, 0}, (struct pair){2 * k + 1, 0});
        sum = pair_add(term, pair_multiply(sum, square));
    }
    sum = pair_multiply(sum, ratio);
    sum = (struct pair){2 * sum.hi, 2 * sum.lo};
    return pair_add(pair_multiply((struct pair){exponent, 0}, ln2), sum);
}

/* e^VALUE: VALUE = k ln 2 + rest with |rest| <= 0.35, then Taylor's series. */
static double pair_exp(struct pair value)
{
    if (value.hi > 710) {
        return (double)INFINITY;
    }
    if (value.hi < -746) {
        return 0;
    }
    const int k = (int)(value.hi * inverse_ln2 + (value.hi < 0 ? -0.5 : 0.5));
    const struct pair shift = pair_multiply((struct pair){-k, 0}, ln2);
    const struct pair rest = pair_add(value, shift);
    struct pair sum = {1, 0};
    for (int n = 24; n >= 1; n--) { /* 0.35^25 / 25! is below 2^-121 */
        const struct pair term = pair_divide(pair_multiply(sum, rest), (struct pair){n, 0});
        sum = pair_add((struct pair){1, 0}, term);
    }
    /* In two steps: 2^k alone may be out of range where the result is not. */
    const int half = k / 2;
    return sum.hi * power_of_two(half) * power_of_two(k - half);
}

double ks_exp(double value)
{
    return isnan(value) ? value : pair_exp((struct pair){value, 0});
}

double ks_log(double value)
{
    if (isnan(value) || value < 0) {
        return (double)NAN;
    }
    if (value == 0) {
        return -(double)INFINITY;
    }
    return isinf(value) ? value : pair_log(value).hi;
}

double ks_pow(double base, double exponent)
{
    if (exponent == 0 || base == 1) {
        return 1;
    }
    if (!isfinite(base) || !isfinite(exponent)) {
        return (double)NAN;
    }
    const bool large = fabs(exponent) >= 0x1p53; /* then an even integer */
    const bool integer = large || (double)(int64_t)exponent == exponent;
    const bool odd = !large && integer && ((int64_t)exponent & 1) != 0;
    const double sign = signbit(base) && odd ? -1.0 : 1.0;

    if (base == 0) {
        return sign * (exponent > 0 ? 0.0 : (double)INFINITY);
    }
    if (base < 0 && !integer) {
        return (double)NAN;
    }
    const struct pair log = pair_log(fabs(base));
    const double estimate = exponent * log.hi; /* 710 and -746 are far enough inside */
    if (fabs(estimate) > 1000) {
        return sign * (estimate > 0 ? (double)INFINITY : 0.0);
    }
    return sign * pair_exp(pair_multiply((struct pair){exponent, 0}, log));
}
