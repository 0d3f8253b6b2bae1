/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* math_body.h: pairs of doubles, sine and cosine. Included by math.c, and by math_fma.c for
 * machines whose compiler has to be told that they multiply and add at once: a call of fma()
 * for each takes longer than all the rest. The same operations, so the same bits. */

#ifndef KS_QUANTUM_MATH_BODY_H
#define KS_QUANTUM_MATH_BODY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* An unevaluated sum hi + lo with |lo| <= ulp(hi) / 2: about 106 bits. */
struct pair {
    double hi;
    double lo;
};

union bits {
    double value;
    uint64_t word;
};

/* To 106 bits. */
static const struct pair half_pi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};

/* 64 zero bits, then the first 1,216 binary digits of 2 / pi. */
static const uint32_t two_over_pi[] = {
    0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599,
    0x3c439041, 0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c,
    0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639,
    0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f,
    0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7,
    0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};
#define WINDOW_WORDS                                                                           \
    6 /* 192 bits: 2 of the quadrant, 53 lost to the factor, 61 to cancellation */

/* 2^EXPONENT, EXPONENT in [-1022, 1023]. */
static double power_of_two(int exponent)
{
    const union bits bits = {.word = (uint64_t)(exponent + 1023) << 52};
    return bits.value;
}

static struct pair pair_sum(double a, double b) /* needs |a| >= |b| or a == 0 */
{
    const double sum = a + b;
    return (struct pair){sum, b - (sum - a)};
}

static struct pair two_sum(double a, double b)
{
    const double sum = a + b;
    const double part = sum - a;
    return (struct pair){sum, (a - (sum - part)) + (b - part)};
}

static struct pair two_product(double a, double b)
{
    const double product = a * b;
    return (struct pair){product, fma(a, b, -product)};
}

static struct pair pair_multiply(struct pair a, struct pair b)
{
    const struct pair product = two_product(a.hi, b.hi);
    return pair_sum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* --- sine and cosine ---------------------------------------------------------------------- */

/* Word INDEX, counted from the lowest, of the 192 bits of two_over_pi from bit START on. */
static uint32_t window_word(unsigned start, unsigned index)
{
    const unsigned bit = start + 32 * (WINDOW_WORDS - 1 - index);
    const unsigned word = bit / 32;
    const unsigned shift = bit % 32;
    const uint64_t both = (uint64_t)two_over_pi[word] << 32 | two_over_pi[word + 1];

    return (uint32_t)(both >> (32 - shift));
}

/* The magnitude FRACTION / 2^192 (lowest word first, not above one half) as a pair. */
static struct pair fraction_pair(const uint32_t fraction[WINDOW_WORDS])
{
    unsigned top = WINDOW_WORDS - 1;
    while (top > 3 && fraction[top] == 0) {
        top--;
    }
    /* 128 bits from the first word that is not 0; three of its four words hold 65 bits or more.
     */
    const uint64_t high = (uint64_t)fraction[top] << 32 | fraction[top - 1];
    const uint64_t low = (uint64_t)fraction[top - 2] << 32 | fraction[top - 3];
    const double unit = power_of_two(32 * (int)(top + 1) - 192 - 128);
    const struct pair upper =
        two_sum((double)(high >> 32) * 0x1p96, (double)(uint32_t)high * 0x1p64);
    const struct pair lower = two_sum((double)(low >> 32) * 0x1p32, (double)(uint32_t)low);
    const struct pair sum = two_sum(upper.hi, lower.hi);
    const struct pair total = pair_sum(sum.hi, sum.lo + (upper.lo + lower.lo));

    return (struct pair){total.hi * unit, total.lo * unit};
}

/* Payne and Hanek, "Radian reduction for trigonometric functions", SIGNUM 18 (1983): ANGLE
 * (finite, not negative, above pi / 4) = quadrant * pi/2 + rest with |rest| <= pi/4. With ANGLE
 * = m * 2^e, only the bits of 2/pi with weight 2^(1-e) and less reach ANGLE * 2/pi modulo 4;
 * the product is exact. */
static struct pair reduce(double angle, unsigned *out_quadrant)
{
    const union bits bits = {.value = angle};
    const int exponent = (int)(bits.word >> 52) - 1075;
    const uint64_t mantissa = (bits.word & 0xfffffffffffff) | 0x10000000000000;
    const uint64_t factor[2] = {mantissa & 0xffffffff, mantissa >> 32};
    const unsigned start = (unsigned)(exponent - 1 + 63);
    uint32_t product[WINDOW_WORDS] = {0};

    for (unsigned i = 0; i < 2; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; i + j < WINDOW_WORDS; j++) {
            carry += factor[i] * window_word(start, j) + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    uint32_t quadrant = product[WINDOW_WORDS - 1] >> 30;
    const bool above_half = (product[WINDOW_WORDS - 1] >> 29 & 1) != 0;
    product[WINDOW_WORDS - 1] &= 0x3fffffff;
    if (above_half) { /* rest = fraction - 1: negate modulo 2^190 */
        uint64_t carry = 1;
        for (unsigned i = 0; i < WINDOW_WORDS; i++) {
            carry += (uint32_t)~product[i];
            product[i] = (uint32_t)carry;
            carry >>= 32;
        }
        product[WINDOW_WORDS - 1] &= 0x3fffffff;
        quadrant++;
    }
    struct pair turn = fraction_pair(product); /* in units of 2^-2 quadrants */
    turn.hi *= above_half ? -4.0 : 4.0;
    turn.lo *= above_half ? -4.0 : 4.0;
    *out_quadrant = quadrant & 3;
    return pair_multiply(turn, half_pi);
}

/* Taylor polynomials on [-pi/4, pi/4]: the first term left out is below 2^-62 of the result. */
static struct pair sin_kernel(struct pair x)
{
    static const double inverse[] = {
        /* (-1)^k / (2k + 1)!, k = 1 to 8 */
        -1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
        -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
    const double square = x.hi * x.hi;
    double sum = 0;
    for (int k = 7; k >= 0; k--) {
        sum = fma(sum, square, inverse[k]);
    }
    return pair_sum(x.hi, fma(square * x.hi, sum, fma(-0.5 * square, x.lo, x.lo)));
}

static struct pair cos_kernel(struct pair x)
{
    static const double inverse[] = {
        /* (-1)^k / (2k)!, k = 2 to 9 */
        1.0 / 24,        -1.0 / 720,         1.0 / 40320,          -1.0 / 3628800,
        1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000, -1.0 / 6402373705728000};
    const double square = x.hi * x.hi;
    const double square_low = fma(x.hi, x.hi, -square);
    double sum = 0;
    for (int k = 7; k >= 0; k--) {
        sum = fma(sum, square, inverse[k]);
    }
    const struct pair head = pair_sum(1.0, -0.5 * square);
    const double tail = fma(square * square, sum, -fma(x.hi, x.lo, 0.5 * square_low));
    return pair_sum(head.hi, head.lo + tail);
}

/* The sine and cosine of ANGLE, finite and not negative, not yet rounded. */
static void sincos_pairs(double angle, struct pair *out_sin, struct pair *out_cos)
{
    unsigned quadrant = 0;
    const struct pair rest =
        angle > half_pi.hi / 2 ? reduce(angle, &quadrant) : (struct pair){angle, 0};
    const struct pair sine = sin_kernel(rest);
    const struct pair cosine = cos_kernel(rest);
    const double sin_sign = quadrant < 2 ? 1.0 : -1.0;
    const double cos_sign = quadrant == 0 || quadrant == 3 ? 1.0 : -1.0;

    *out_sin = quadrant % 2 == 0 ? sine : cosine;
    *out_cos = quadrant % 2 == 0 ? cosine : sine;
    *out_sin = (struct pair){sin_sign * out_sin->hi, sin_sign * out_sin->lo};
    *out_cos = (struct pair){cos_sign * out_cos->hi, cos_sign * out_cos->lo};
}

static void sincos_rounded(double angle, double *out_sin, double *out_cos)
{
    if (!isfinite(angle)) {
        *out_sin = (double)NAN;
        *out_cos = (double)NAN;
        return;
    }
    struct pair sine;
    struct pair cosine;

    sincos_pairs(fabs(angle), &sine, &cosine);
    const double magnitude = sine.hi + sine.lo;
    *out_sin = signbit(angle) ? -magnitude : magnitude;
    *out_cos = cosine.hi + cosine.lo;
}

#endif
