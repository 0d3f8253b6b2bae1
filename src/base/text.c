/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/text.h"

#include <stdio.h>

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

enum ks_err ks_hex_decode(struct ks_bytes text, uint8_t *target, size_t len)
{
    if (text.len % 2 != 0 || text.len / 2 != len) {
        return ks_fail(KS_ERR_FORMAT, "%zu characters where %zu hexadecimal digits belong",
                       text.len, 2 * len);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (hex_digit(text.data[i]) < 0) {
            return ks_fail(KS_ERR_FORMAT, "character %zu is no lower-case hexadecimal digit",
                           i + 1);
        }
    }
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)((unsigned)hex_digit(text.data[2 * i]) << 4 |
                              (unsigned)hex_digit(text.data[2 * i + 1]));
    }
    return KS_OK;
}

void ks_hex_encode(struct ks_bytes bytes, char *target)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        target[2 * i] = digits[bytes.data[i] >> 4];
        target[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    target[2 * bytes.len] = '\0';
}

static int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26;
    }
    if (byte >= '0' && byte <= '9') {
        return byte - '0' + 52;
    }
    if (byte == '+') {
        return 62;
    }
    return byte == '/' ? 63 : -1;
}

/* Checks all of TEXT and tells how many bytes it stands for. */
static enum ks_err base64_len(struct ks_bytes text, size_t *out_len)
{
    size_t padding = 0;
    int last = 0;

    if (text.len % 4 != 0) {
        return ks_fail(KS_ERR_FORMAT, "base64 of %zu characters is not in groups of four",
                       text.len);
    }
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    for (size_t i = 0; i < text.len - padding; i++) {
        last = base64_digit(text.data[i]);
        if (last < 0) {
            return ks_fail(KS_ERR_FORMAT, "character %zu is not base64", i + 1);
        }
    }
    /* The bits that stand for nothing must be zero, or one value would have several texts. */
    if ((padding == 1 && (last & 3) != 0) || (padding == 2 && (last & 15) != 0)) {
        return ks_fail(KS_ERR_FORMAT, "base64 is not canonical: bits are set behind its end");
    }
    *out_len = text.len / 4 * 3 - padding;
    return KS_OK;
}

/* TEXT has been checked; TARGET takes exactly LEN bytes. */
static void base64_write(struct ks_bytes text, uint8_t *target, size_t len)
{
    for (size_t at = 0; at < len; at += 3) {
        uint32_t bits = 0;

        for (size_t i = 0; i < 4; i++) {
            const int digit = base64_digit(text.data[at / 3 * 4 + i]);

            bits = bits << 6 | (uint32_t)(digit < 0 ? 0 : digit);
        }
        for (size_t i = 0; i < 3 && at + i < len; i++) {
            target[at + i] = (uint8_t)(bits >> (16 - 8 * i) & 0xff);
        }
    }
}

enum ks_err ks_base64_decode(struct ks_bytes text, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    size_t len = 0;
    uint8_t *target = NULL;

    KS_TRY(base64_len(text, &len));
    target = ks_buf_reserve(out, len);
    KS_TRY(ks_buf_check(out));
    base64_write(text, target, len);
    ks_buf_grew(out, len);
out:
    return err;
}

enum ks_err ks_base64_decode_exact(struct ks_bytes text, uint8_t *target, size_t len)
{
    enum ks_err err = KS_OK;
    size_t text_len = 0;

    KS_TRY(base64_len(text, &text_len));
    KS_CHECK(text_len == len, KS_ERR_FORMAT, "base64 of %zu bytes where %zu belong", text_len,
             len);
    base64_write(text, target, len);
out:
    return err;
}

enum ks_err ks_text_u64(struct ks_bytes text, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;

    if (text.len == 0 || (text.len > 1 && text.data[0] == '0')) {
        return ks_fail(KS_ERR_FORMAT, "not a decimal number");
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return ks_fail(KS_ERR_FORMAT, "not a decimal number");
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint64_t digit = (uint64_t)(text.data[i] - '0');

        if (digit > max || value > (max - digit) / 10) {
            return ks_fail(KS_ERR_FORMAT, "more than %llu", (unsigned long long)max);
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return KS_OK;
}

/* The length of the UTF-8 sequence that TEXT begins with, 0 if it begins with none (RFC 3629
 * section 4). */
static size_t utf8_sequence(struct ks_bytes text)
{
    const uint8_t lead = text.data[0];
    uint8_t low =
        0x80; /* bounds of the second byte, which exclude overlong forms and surrogates */
    uint8_t high = 0xbf;
    size_t len = 0;

    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        len = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        len = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        len = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    }
    if (len == 0 || len > text.len || text.data[1] < low || text.data[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

enum ks_err ks_path_join(const char *directory, const char *name, char target[KS_PATH_MAX])
{
    char joined[KS_PATH_MAX];
    int len = snprintf(joined, sizeof joined, "%s/%s", directory, name);

    if (len < 0 || (size_t)len >= sizeof joined) {
        return ks_fail(KS_ERR_LIMIT, "path '%.64s…/%.64s' is over %d bytes", directory, name,
                       KS_PATH_MAX - 1);
    }
    ks_copy(target, joined, (size_t)len + 1);
    return KS_OK;
}

void ks_text_shown(struct ks_bytes text, char *target, size_t size)
{
    size_t at = 0;

    KS_ASSERT(size >= 1);
    while (at < text.len) {
        const uint8_t *from = text.data + at;
        const size_t sequence = utf8_sequence(ks_bytes_of(from, text.len - at));
        const bool c1 = sequence == 2 && from[0] == 0xc2 && from[1] <= 0x9f;
        const size_t len = sequence == 0 ? 1 : sequence;

        if (len > size - 1 - at) {
            break;
        }
        for (size_t i = 0; i < len; i++) {
            const bool hidden = sequence == 0 || c1 || from[i] < 0x20 || from[i] == 0x7f;

            target[at + i] = (char)(hidden ? '?' : from[i]);
        }
        at += len;
    }
    target[at] = '\0';
}

bool ks_utf8_valid(struct ks_bytes text)
{
    for (size_t at = 0; at < text.len;) {
        const size_t len = utf8_sequence(ks_bytes_of(text.data + at, text.len - at));

        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

bool ks_text_is_name(struct ks_bytes text, size_t len_max)
{
    if (text.len == 0 || text.len > len_max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = text.data[i];
        const bool letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');

        if (!letter && !(byte >= '0' && byte <= '9') && byte != '_' && byte != '-') {
            return false;
        }
    }
    return true;
}

/* --- time --------------------------------------------------------------------------------- */

#define US_PER_SECOND   UINT64_C(1000000)
#define SECONDS_PER_DAY UINT64_C(86400)
#define YEAR_MIN        1970
#define YEAR_MAX        9999

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first day of YEAR. */
static uint64_t year_start(unsigned year)
{
    const unsigned before = year - 1;
    const unsigned leaps = before / 4 - before / 100 + before / 400;
    const unsigned leaps_1970 = 1969 / 4 - 1969 / 100 + 1969 / 400;

    return (uint64_t)(year - YEAR_MIN) * 365 + (leaps - leaps_1970);
}

void ks_time_text(uint64_t time_us, char target[KS_TIME_TEXT_LEN + 1])
{
    const uint64_t second = time_us / US_PER_SECOND;
    const unsigned in_day = (unsigned)(second % SECONDS_PER_DAY);
    uint64_t day = second / SECONDS_PER_DAY;
    unsigned year = YEAR_MIN;
    unsigned month = 1;

    KS_ASSERT(day < year_start(YEAR_MAX + 1));
    year += (unsigned)(day / 366); /* never beyond the right year; at most a few steps follow */
    while (year_start(year + 1) <= day) {
        year++;
    }
    day -= year_start(year);
    while (day >= month_days(year, month)) {
        day -= month_days(year, month);
        month++;
    }
    {
        char text[80]; /* the widest the format could be for any argument, which the compiler
                          checks */

        (void)snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", year, month,
                       (unsigned)day + 1, in_day / 3600, in_day / 60 % 60, in_day % 60,
                       (unsigned)(time_us % US_PER_SECOND));
        ks_copy(target, text, KS_TIME_TEXT_LEN);
        target[KS_TIME_TEXT_LEN] = '\0';
    }
}

/* The number of LEN digits at AT. The caller has checked the digits. */
static unsigned digits_at(struct ks_bytes text, size_t at, size_t len)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++) {
        value = value * 10 + (unsigned)(text.data[at + i] - '0');
    }
    return value;
}

enum ks_err ks_time_parse(struct ks_bytes text, uint64_t *out_time_us)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    enum ks_err err = KS_OK;
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    uint64_t days = 0;

    KS_CHECK(text.len == KS_TIME_TEXT_LEN, KS_ERR_FORMAT, "a time of %zu characters, not of %d",
             text.len, KS_TIME_TEXT_LEN);
    for (size_t i = 0; i < text.len; i++) {
        const bool digit = text.data[i] >= '0' && text.data[i] <= '9';

        KS_CHECK(form[i] == 'd' ? digit : text.data[i] == (uint8_t)form[i], KS_ERR_FORMAT,
                 "a time must look like 2026-01-14T02:01:24.123456Z");
    }
    year = digits_at(text, 0, 4);
    month = digits_at(text, 5, 2);
    day = digits_at(text, 8, 2);
    hour = digits_at(text, 11, 2);
    minute = digits_at(text, 14, 2);
    second = digits_at(text, 17, 2);
    KS_CHECK(year >= YEAR_MIN && month >= 1 && month <= 12 && day >= 1 &&
                 day <= month_days(year, month) && hour < 24 && minute < 60 && second < 60,
             KS_ERR_FORMAT, "no such time: %04u-%02u-%02u %02u:%02u:%02u", year, month, day,
             hour, minute, second);
    days = year_start(year) + day - 1;
    for (unsigned m = 1; m < month; m++) {
        days += month_days(year, m);
    }
    *out_time_us =
        (days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second) * US_PER_SECOND +
        digits_at(text, 20, 6);
out:
    return err;
}

/* --- UUID --------------------------------------------------------------------------------- */

static bool is_uuid_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

void ks_uuid_text(const uint8_t random[16], char target[KS_UUID_TEXT_LEN + 1])
{
    uint8_t bytes[16];
    char hex[2 * sizeof bytes + 1];
    size_t next = 0;

    ks_copy(bytes, random, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant 10 */
    ks_hex_encode(KS_BYTES(bytes), hex);
    for (size_t i = 0; i < KS_UUID_TEXT_LEN; i++) {
        target[i] = (char)(is_uuid_dash(i) ? '-' : hex[next++]);
    }
    target[KS_UUID_TEXT_LEN] = '\0';
}

bool ks_text_is_uuid(struct ks_bytes text)
{
    if (text.len != KS_UUID_TEXT_LEN) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (is_uuid_dash(i) ? text.data[i] != '-' : hex_digit(text.data[i]) < 0) {
            return false;
        }
    }
    return text.data[14] == '4' && (hex_digit(text.data[19]) & 0xc) == 8;
}

void ks_uuid_bytes(const char *text, uint8_t target[16])
{
    size_t digits = 0;

    KS_ASSERT(ks_text_is_uuid(ks_bytes_text(text)));
    for (size_t i = 0; i < KS_UUID_TEXT_LEN; i++) {
        if (!is_uuid_dash(i)) {
            const unsigned digit = (unsigned)hex_digit((uint8_t)text[i]);

            target[digits / 2] =
                (uint8_t)(digits % 2 == 0 ? digit << 4 : target[digits / 2] | digit);
            digits++;
        }
    }
}
