/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Texts of doubles: the shortest that round-trips, and back. Uses the C library's correctly
 * rounded conversions, which read and write '.' because no program of ours ever calls
 * setlocale: the locale stays "C". */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DIGITS_MAX KS_DOUBLE_DIGITS_MAX /* always enough for a double */

/* value = 0.d1 d2 ... dn * 10^point */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count;
    int point;
};

/* VALUE correctly rounded to COUNT significant digits. */
static struct decimal rounded(double value, int count)
{
    struct decimal decimal = {.count = count};
    char text[DIGITS_MAX + 16]; /* digits, point, "e-324", NUL */

    (void)snprintf(text, sizeof text, "%.*e", count - 1, value);
    decimal.digits[0] = text[0];
    ks_copy(decimal.digits + 1, text + 2, (size_t)(count - 1));
    decimal.point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
    return decimal;
}

static bool reads_back(const struct decimal *decimal, double value)
{
    char text[DIGITS_MAX + 16];

    (void)snprintf(text, sizeof text, ".%.*se%d", decimal->count, decimal->digits,
                   decimal->point);
    return strtod(text, NULL) == value;
}

static void add_one_in_last_place(struct decimal *decimal)
{
    for (int i = decimal->count - 1; i >= 0; i--) {
        if (decimal->digits[i] < '9') {
            decimal->digits[i]++;
            return;
        }
        decimal->digits[i] = '0';
    }
    decimal->digits[0] = '1';
    decimal->point++;
}

/* The candidate of COUNT digits next to VALUE, if any reads back. Beneath a power of two the
 * doubles lie twice as dense as above it. So the nearest candidate may lie below VALUE and read
 * back as the neighbour, while the one above, though further away, reads back as VALUE. */
static bool fits(double value, int count, struct decimal *out_decimal)
{
    *out_decimal = rounded(value, count);
    if (reads_back(out_decimal, value)) {
        return true;
    }
    add_one_in_last_place(out_decimal);
    return reads_back(out_decimal, value);
}

static struct decimal shortest(double value)
{
    struct decimal decimal;
    int count = 1;

    if (value >= DBL_MIN) {
        /* DBL_DIG digits survive the way through any normal double: if a text of at most that
         * many digits reads back, it is this one, but for zeros at the end. */
        decimal = rounded(value, DBL_DIG);
        count = reads_back(&decimal, value) ? DBL_DIG : DBL_DIG + 1;
    }
    while (!fits(value, count, &decimal)) {
        count++;
        KS_ASSERT(count <= DIGITS_MAX);
    }
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0') {
        decimal.count--;
    }
    return decimal;
}

size_t ks_double_digits(double value, char target[KS_DOUBLE_DIGITS_MAX + 1], int *out_point)
{
    struct decimal decimal;

    KS_ASSERT(isfinite(value) && value > 0);
    decimal = shortest(value);
    ks_copy(target, decimal.digits, (size_t)decimal.count);
    target[decimal.count] = '\0';
    *out_point = decimal.point;
    return (size_t)decimal.count;
}

/* ECMA-262 Number::toString, steps 6 to 10; k is the number of digits, n the place of the
 * point. */
static size_t layout(const struct decimal *decimal, char *target)
{
    const int k = decimal->count;
    const int n = decimal->point;
    const char *digits = decimal->digits;
    const int room = KS_DOUBLE_TEXT_MAX - 1; /* a sign may stand in front */
    int len = 0;

    if (k <= n && n <= 21) {
        len = snprintf(target, (size_t)room, "%.*s%.*s", k, digits, n - k,
                       "00000000000000000000");
    } else if (0 < n && n <= 21) {
        len = snprintf(target, (size_t)room, "%.*s.%.*s", n, digits, k - n, digits + n);
    } else if (-6 < n && n <= 0) {
        len = snprintf(target, (size_t)room, "0.%.*s%.*s", -n, "00000", k, digits);
    } else if (k == 1) {
        len = snprintf(target, (size_t)room, "%ce%+d", digits[0], n - 1);
    } else {
        len =
            snprintf(target, (size_t)room, "%c.%.*se%+d", digits[0], k - 1, digits + 1, n - 1);
    }
    KS_ASSERT(len > 0 && len < room);
    return (size_t)len;
}

size_t ks_double_text(double value, char *target)
{
    struct decimal decimal;
    size_t sign_len = 0;

    KS_ASSERT(isfinite(value));
    if (value == 0) {
        ks_copy(target, "0", 2); /* -0 too */
        return 1;
    }
    if (value < 0) {
        target[0] = '-';
        sign_len = 1;
        value = -value;
    }
    if (value <= 9007199254740991.0 && value == floor(value)) {
        /* Integers up to 2^53 - 1 are spaced by at least what distinguishes them: all digits
         * count. */
        return sign_len + (size_t)snprintf(target + sign_len, KS_DOUBLE_TEXT_MAX - 1, "%llu",
                                           (unsigned long long)value);
    }
    decimal = shortest(value);
    return sign_len + layout(&decimal, target + sign_len);
}

/* Decimal digits from AT on; false when there are none. */
static bool skip_digits(struct ks_bytes text, size_t *at)
{
    const size_t start = *at;

    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        (*at)++;
    }
    return *at > start;
}

static bool skip_any(struct ks_bytes text, size_t *at, const char *bytes)
{
    if (*at < text.len && text.data[*at] != '\0' && strchr(bytes, text.data[*at]) != NULL) {
        (*at)++;
        return true;
    }
    return false;
}

/* SIGN? (DIGITS ('.' DIGITS?)? | '.' DIGITS) (E SIGN? DIGITS)? */
static bool is_decimal(struct ks_bytes text)
{
    size_t at = 0;
    bool digits = false;

    (void)skip_any(text, &at, "+-");
    digits = skip_digits(text, &at);
    if (skip_any(text, &at, ".")) {
        digits = skip_digits(text, &at) || digits;
    }
    if (!digits) {
        return false;
    }
    if (skip_any(text, &at, "eE")) {
        (void)skip_any(text, &at, "+-");
        if (!skip_digits(text, &at)) {
            return false;
        }
    }
    return at == text.len;
}

enum ks_err ks_text_double(struct ks_bytes text, double *out_value)
{
    enum ks_err err = KS_OK;
    char copy[KS_DOUBLE_READ_MAX + 1];
    double value = 0;

    KS_CHECK(text.len <= KS_DOUBLE_READ_MAX, KS_ERR_LIMIT, "a number of over %d characters",
             KS_DOUBLE_READ_MAX);
    KS_CHECK(is_decimal(text), KS_ERR_FORMAT, "expected a number");
    ks_copy(copy, text.data, text.len);
    copy[text.len] = '\0';
    value = strtod(copy, NULL);
    KS_CHECK(isfinite(value), KS_ERR_FORMAT, "a number beyond the range of a double");
    *out_value = value;
out:
    return err;
}
