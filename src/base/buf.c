/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAP_MIN 64

/* Up to this size the old memory is wiped when a buffer moves: what holds keys and passwords
 * (key files, decrypted frames) is small, and ks_buf_wipe can reach only the last place. */
#define CAP_WIPED_MAX 65536

void ks_buf_init(struct ks_buf *buf, size_t len_max)
{
    *buf = (struct ks_buf){.max = len_max};
}

void ks_buf_done(struct ks_buf *buf)
{
    ks_free(buf->data);
    ks_buf_init(buf, buf->max);
}

enum ks_err ks_buf_new(size_t len_max, struct ks_buf **out_buf)
{
    struct ks_buf *buf = ks_calloc(1, sizeof *buf);

    if (buf == NULL) {
        return ks_fail(KS_ERR_NOMEM, "buffer");
    }
    ks_buf_init(buf, len_max);
    *out_buf = buf;
    return KS_OK;
}

void ks_buf_free(struct ks_buf *buf)
{
    if (buf != NULL) {
        ks_buf_done(buf);
        ks_free(buf);
    }
}

void ks_buf_wipe(struct ks_buf *buf)
{
    ks_wipe(buf->data, buf->cap);
    ks_buf_done(buf);
}

void ks_buf_clear(struct ks_buf *buf)
{
    buf->len = 0;
    buf->err = KS_OK;
}

struct ks_bytes ks_buf_view(const struct ks_buf *buf)
{
    return ks_bytes_of(buf->data, buf->len);
}

enum ks_err ks_buf_check(const struct ks_buf *buf)
{
    if (buf->err == KS_ERR_LIMIT) {
        return ks_fail(KS_ERR_LIMIT, "more than %zu bytes", buf->max);
    }
    if (buf->err != KS_OK) {
        return ks_fail(buf->err, "no memory for a buffer of over %zu bytes", buf->cap);
    }
    return KS_OK;
}

void ks_buf_consume(struct ks_buf *buf, size_t count)
{
    KS_ASSERT(count <= buf->len);
    if (count > 0) {
        memmove(buf->data, buf->data + count, buf->len - count);
        buf->len -= count;
    }
}

/* The memory is one byte larger than CAP says: put_format needs it for a NUL. */
static bool grow(struct ks_buf *buf, size_t need)
{
    size_t cap = buf->cap <= buf->max / 2 ? buf->cap * 2 : buf->max;

    cap = cap < CAP_MIN ? CAP_MIN : cap;
    cap = cap > buf->max ? buf->max : cap;
    cap = cap < need ? need : cap;
    if (cap == SIZE_MAX) {
        return false;
    }
    if (buf->cap > CAP_WIPED_MAX) {
        uint8_t *data = ks_realloc(buf->data, cap + 1, 1);

        if (data == NULL) {
            return false;
        }
        buf->data = data;
    } else {
        uint8_t *data = ks_calloc(cap + 1, 1);

        if (data == NULL) {
            return false;
        }
        ks_copy(data, buf->data, buf->len);
        ks_wipe(buf->data, buf->cap);
        ks_free(buf->data);
        buf->data = data;
    }
    buf->cap = cap;
    return true;
}

uint8_t *ks_buf_reserve(struct ks_buf *buf, size_t count)
{
    if (buf->err != KS_OK) {
        return NULL;
    }
    if (count > buf->max - buf->len) {
        buf->err = KS_ERR_LIMIT;
        return NULL;
    }
    if ((buf->data == NULL || count > buf->cap - buf->len) && !grow(buf, buf->len + count)) {
        buf->err = KS_ERR_NOMEM;
        return NULL;
    }
    return buf->data + buf->len;
}

void ks_buf_grew(struct ks_buf *buf, size_t count)
{
    KS_ASSERT(count <= buf->cap - buf->len);
    buf->len += count;
}

void ks_buf_put(struct ks_buf *buf, struct ks_bytes bytes)
{
    uint8_t *target = ks_buf_reserve(buf, bytes.len);

    if (target != NULL) {
        ks_copy(target, bytes.data, bytes.len);
        ks_buf_grew(buf, bytes.len);
    }
}

void ks_buf_put_text(struct ks_buf *buf, const char *text)
{
    ks_buf_put(buf, ks_bytes_text(text));
}

void ks_buf_put_format(struct ks_buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    int len = 0;
    uint8_t *target = NULL;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    KS_ASSERT(len >= 0); /* only a broken format or 2 GiB of text */
    target = ks_buf_reserve(buf, (size_t)len);
    if (target != NULL) {
        (void)vsnprintf((char *)target, (size_t)len + 1, format, again);
        ks_buf_grew(buf, (size_t)len);
    }
    va_end(again);
    va_end(args);
}

static void put_big_endian(struct ks_buf *buf, uint64_t value, size_t len)
{
    uint8_t *target = ks_buf_reserve(buf, len);

    if (target != NULL) {
        for (size_t i = 0; i < len; i++) {
            target[i] = (uint8_t)(value >> (8 * (len - 1 - i)) & 0xff);
        }
        ks_buf_grew(buf, len);
    }
}

void ks_buf_put_u8(struct ks_buf *buf, uint8_t value)
{
    put_big_endian(buf, value, 1);
}

void ks_buf_put_u16(struct ks_buf *buf, uint16_t value)
{
    put_big_endian(buf, value, 2);
}

void ks_buf_put_u32(struct ks_buf *buf, uint32_t value)
{
    put_big_endian(buf, value, 4);
}

void ks_buf_put_u64(struct ks_buf *buf, uint64_t value)
{
    put_big_endian(buf, value, 8);
}

static void put_prefixed(struct ks_buf *buf, struct ks_bytes bytes, size_t prefix_len,
                         uint64_t len_max)
{
    if (bytes.len > len_max) {
        buf->err = buf->err == KS_OK ? KS_ERR_LIMIT : buf->err;
        return;
    }
    put_big_endian(buf, bytes.len, prefix_len);
    ks_buf_put(buf, bytes);
}

void ks_buf_put_double(struct ks_buf *buf, double value)
{
    uint64_t bits = 0;

    ks_copy(&bits, &value, sizeof bits);
    ks_buf_put_u64(buf, bits);
}

void ks_buf_put_lp16(struct ks_buf *buf, struct ks_bytes bytes)
{
    put_prefixed(buf, bytes, 2, UINT16_MAX);
}

void ks_buf_put_lp32(struct ks_buf *buf, struct ks_bytes bytes)
{
    put_prefixed(buf, bytes, 4, UINT32_MAX);
}

void ks_buf_put_hex(struct ks_buf *buf, struct ks_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *target = bytes.len <= SIZE_MAX / 2 ? ks_buf_reserve(buf, 2 * bytes.len) : NULL;

    if (target == NULL) {
        buf->err = buf->err == KS_OK ? KS_ERR_LIMIT : buf->err;
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        target[2 * i] = (uint8_t)digits[bytes.data[i] >> 4];
        target[2 * i + 1] = (uint8_t)digits[bytes.data[i] & 15];
    }
    ks_buf_grew(buf, 2 * bytes.len);
}

/* RFC 4648 section 4: three bytes become four characters, the last group is filled with '='. */
void ks_buf_put_base64(struct ks_buf *buf, struct ks_bytes bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t groups = bytes.len / 3 + (bytes.len % 3 != 0);
    uint8_t *target = groups <= SIZE_MAX / 4 ? ks_buf_reserve(buf, 4 * groups) : NULL;

    if (target == NULL) {
        buf->err = buf->err == KS_OK ? KS_ERR_LIMIT : buf->err;
        return;
    }
    for (size_t group = 0; group < groups; group++) {
        const size_t at = 3 * group;
        const size_t left = bytes.len - at;
        const uint32_t bits = (uint32_t)bytes.data[at] << 16 |
                              (uint32_t)(left > 1 ? bytes.data[at + 1] : 0) << 8 |
                              (uint32_t)(left > 2 ? bytes.data[at + 2] : 0);

        target[4 * group] = (uint8_t)digits[bits >> 18];
        target[4 * group + 1] = (uint8_t)digits[bits >> 12 & 63];
        target[4 * group + 2] = (uint8_t)(left > 1 ? digits[bits >> 6 & 63] : '=');
        target[4 * group + 3] = (uint8_t)(left > 2 ? digits[bits & 63] : '=');
    }
    ks_buf_grew(buf, 4 * groups);
}

struct ks_reader ks_reader_of(struct ks_bytes bytes, const char *what)
{
    return (struct ks_reader){bytes, what};
}

enum ks_err ks_read_double(struct ks_reader *reader, double *out_value)
{
    enum ks_err err = KS_OK;
    uint64_t bits = 0;

    KS_TRY(ks_read_u64(reader, &bits));
    ks_copy(out_value, &bits, sizeof *out_value);
out:
    return err;
}

enum ks_err ks_read_bytes(struct ks_reader *reader, size_t len, struct ks_bytes *out_bytes)
{
    if (len > reader->rest.len) {
        return ks_fail(KS_ERR_FORMAT, "%s: cut short, %zu bytes needed where %zu are left",
                       reader->what, len, reader->rest.len);
    }
    *out_bytes = ks_bytes_of(reader->rest.data, len);
    if (len > 0) {
        reader->rest = ks_bytes_of(reader->rest.data + len, reader->rest.len - len);
    }
    return KS_OK;
}

static enum ks_err read_big_endian(struct ks_reader *reader, size_t len, uint64_t *out_value)
{
    struct ks_bytes bytes = {NULL, 0};
    uint64_t value = 0;
    const enum ks_err err = ks_read_bytes(reader, len, &bytes);

    if (err != KS_OK) {
        return err;
    }
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | bytes.data[i];
    }
    *out_value = value;
    return KS_OK;
}

enum ks_err ks_read_u8(struct ks_reader *reader, uint8_t *out_value)
{
    uint64_t value = 0;
    const enum ks_err err = read_big_endian(reader, 1, &value);

    if (err == KS_OK) {
        *out_value = (uint8_t)value;
    }
    return err;
}

enum ks_err ks_read_u16(struct ks_reader *reader, uint16_t *out_value)
{
    uint64_t value = 0;
    const enum ks_err err = read_big_endian(reader, 2, &value);

    if (err == KS_OK) {
        *out_value = (uint16_t)value;
    }
    return err;
}

enum ks_err ks_read_u32(struct ks_reader *reader, uint32_t *out_value)
{
    uint64_t value = 0;
    const enum ks_err err = read_big_endian(reader, 4, &value);

    if (err == KS_OK) {
        *out_value = (uint32_t)value;
    }
    return err;
}

enum ks_err ks_read_u64(struct ks_reader *reader, uint64_t *out_value)
{
    return read_big_endian(reader, 8, out_value);
}

enum ks_err ks_read_copy(struct ks_reader *reader, void *target, size_t len)
{
    struct ks_bytes bytes = {NULL, 0};
    const enum ks_err err = ks_read_bytes(reader, len, &bytes);

    if (err == KS_OK) {
        ks_copy(target, bytes.data, len);
    }
    return err;
}

/* Works on a copy of the reader, so that a failure leaves it where it was. */
static enum ks_err read_prefixed(struct ks_reader *reader, size_t prefix_len, size_t len_max,
                                 struct ks_bytes *out_bytes)
{
    enum ks_err err = KS_OK;
    struct ks_reader ahead = *reader;
    struct ks_bytes bytes = {NULL, 0};
    uint64_t len = 0;

    KS_TRY(read_big_endian(&ahead, prefix_len, &len));
    KS_CHECK(len <= len_max, KS_ERR_LIMIT, "%s: a field of %llu bytes, limit %zu", reader->what,
             (unsigned long long)len, len_max);
    KS_TRY(ks_read_bytes(&ahead, (size_t)len, &bytes));
    *reader = ahead;
    *out_bytes = bytes;
out:
    return err;
}

enum ks_err ks_read_lp16(struct ks_reader *reader, size_t len_max, struct ks_bytes *out_bytes)
{
    return read_prefixed(reader, 2, len_max, out_bytes);
}

enum ks_err ks_read_lp32(struct ks_reader *reader, size_t len_max, struct ks_bytes *out_bytes)
{
    return read_prefixed(reader, 4, len_max, out_bytes);
}

enum ks_err ks_read_line(struct ks_reader *reader, struct ks_bytes *out_line)
{
    const struct ks_bytes rest = reader->rest;
    const uint8_t *end = rest.len == 0 ? NULL : memchr(rest.data, '\n', rest.len);
    size_t len = 0;

    if (end == NULL) {
        return ks_fail(KS_ERR_FORMAT, "%s: a line without its end", reader->what);
    }
    len = (size_t)(end - rest.data);
    *out_line = ks_bytes_of(rest.data, len);
    reader->rest = ks_bytes_of(end + 1, rest.len - len - 1);
    return KS_OK;
}

enum ks_err ks_read_end(const struct ks_reader *reader)
{
    if (reader->rest.len > 0) {
        return ks_fail(KS_ERR_FORMAT, "%s: %zu bytes too many", reader->what, reader->rest.len);
    }
    return KS_OK;
}
