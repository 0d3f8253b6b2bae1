/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/head.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

/* Fields that mean one value: two of them are two answers to one question. */
static const char *const singletons[] = {
    "host",
    "content-length",
    "content-type",
    "content-digest",
    "ketseal-channel",
    "signature",
    "signature-input",
    "expect",
    "authorization",
    "idempotency-key",
    "content-encoding",
};

static bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* TEXT without regard to case equals LOWER_TEXT, which is lower case. */
static bool equals_folded(struct ks_bytes text, const char *lower_text)
{
    size_t len = strlen(lower_text);

    if (text.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (lower(text.data[i]) != (uint8_t)lower_text[i]) {
            return false;
        }
    }
    return true;
}

static struct ks_bytes slice(struct ks_bytes bytes, size_t start, size_t end)
{
    return ks_bytes_of(bytes.data + start, end - start);
}

/* Index of the first C, or bytes.len. */
static size_t find(struct ks_bytes bytes, uint8_t c)
{
    size_t i = 0;

    while (i < bytes.len && bytes.data[i] != c) {
        i++;
    }
    return i;
}

static struct ks_bytes trim(struct ks_bytes text)
{
    size_t start = 0;
    size_t end = text.len;

    while (start < end && is_one_of(text.data[start], " \t")) {
        start++;
    }
    while (end > start && is_one_of(text.data[end - 1], " \t")) {
        end--;
    }
    return slice(text, start, end);
}

bool ks_http_is_token(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return text.len > 0;
}

bool ks_http_is_value(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c != '\t' && (c < 0x20 || c > 0x7e)) {
            return false;
        }
    }
    return text.len == 0 ||
           (!is_one_of(text.data[0], " \t") && !is_one_of(text.data[text.len - 1], " \t"));
}

bool ks_http_is_authority(struct ks_bytes text)
{
    size_t host_end = 0;
    struct ks_bytes port;
    uint64_t value = 0;

    if (text.len == 0 || text.len > KS_HTTP_HOST_MAX) {
        return false;
    }
    if (text.data[0] == '[') {
        size_t close = find(text, ']');
        bool colon = false;
        for (size_t i = 1; i < close; i++) {
            colon = colon || text.data[i] == ':';
            if (!is_hex(text.data[i]) && !is_one_of(text.data[i], ":.")) {
                return false;
            }
        }
        if (close == text.len || !colon) {
            return false;
        }
        host_end = close + 1;
    } else {
        host_end = find(text, ':');
        for (size_t i = 0; i < host_end; i++) {
            uint8_t c = text.data[i];
            if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "-._")) {
                return false;
            }
        }
    }
    if (host_end == 0 || host_end == text.len) {
        return host_end > 0;
    }
    port = slice(text, host_end, text.len);
    return port.data[0] == ':' && port.len > 1 &&
           ks_text_u64(slice(port, 1, port.len), UINT16_MAX, &value) == KS_OK && value > 0;
}

size_t ks_http_head_end(struct ks_bytes bytes, size_t seen)
{
    /* The end may straddle what was seen and what is new. */
    for (size_t i = seen > 3 ? seen : 3; i < bytes.len; i++) {
        if (bytes.data[i] == '\n' && bytes.data[i - 1] == '\r' && bytes.data[i - 2] == '\n' &&
            bytes.data[i - 3] == '\r') {
            return i + 1;
        }
    }
    return 0;
}

/* The text up to CRLF, which is consumed. A bare CR or LF is refused here or by the grammars.
 */
static enum ks_err read_line(struct ks_reader *reader, size_t number, struct ks_bytes *out_line)
{
    struct ks_bytes line;
    enum ks_err err = ks_read_line(reader, &line);

    if (err != KS_OK || line.len == 0 || line.data[line.len - 1] != '\r') {
        return ks_fail(KS_ERR_FORMAT, "request head, line %zu: does not end with CR LF",
                       number);
    }
    line.len--;
    if (find(line, '\r') != line.len) {
        return ks_fail(KS_ERR_FORMAT, "request head, line %zu: bare CR", number);
    }
    *out_line = line;
    return KS_OK;
}

/* RFC 3986 §3.3, §3.4: pchar and '/', in the query also '?'. */
static enum ks_err check_target(struct ks_bytes text)
{
    bool in_query = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            if (text.len - i < 3 || !is_hex(text.data[i + 1]) || !is_hex(text.data[i + 2])) {
                return ks_fail(KS_ERR_FORMAT, "request target: '%%' without two hex digits");
            }
            continue;
        }
        if (c == '?') {
            in_query = true; /* a further one is a plain character of the query */
            continue;
        }
        if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=:@/")) {
            return ks_fail(KS_ERR_FORMAT, "request target: character 0x%02x in the %s", c,
                           in_query ? "query" : "path");
        }
    }
    return KS_OK;
}

static enum ks_err parse_request_line(struct ks_bytes line, struct ks_http_head *head)
{
    enum ks_err err = KS_OK;
    size_t method_end = find(line, ' ');
    size_t target_end = 0;
    size_t path_end = 0;
    struct ks_bytes rest;

    head->method = slice(line, 0, method_end);
    KS_CHECK(method_end < line.len && ks_http_is_token(head->method), KS_ERR_FORMAT,
             "request line: no method");
    KS_CHECK(method_end <= KS_HTTP_METHOD_MAX, KS_ERR_LIMIT,
             "request line: method over %d bytes", KS_HTTP_METHOD_MAX);
    rest = slice(line, method_end + 1, line.len);
    target_end = find(rest, ' ');
    KS_CHECK(target_end < rest.len, KS_ERR_FORMAT, "request line: no version");
    head->target = slice(rest, 0, target_end);
    KS_CHECK(head->target.len <= KS_HTTP_TARGET_MAX, KS_ERR_LIMIT,
             "request line: target over %d bytes", KS_HTTP_TARGET_MAX);
    KS_CHECK(ks_bytes_is(slice(rest, target_end + 1, rest.len), "HTTP/1.1"), KS_ERR_FORMAT,
             "request line: the version is not HTTP/1.1");
    KS_CHECK(head->target.len > 0 && head->target.data[0] == '/', KS_ERR_FORMAT,
             "request line: the target does not start with '/'");
    KS_TRY(check_target(head->target));
    path_end = find(head->target, '?');
    head->path = slice(head->target, 0, path_end);
    head->query = slice(head->target, path_end, head->target.len);
out:
    return err;
}

static enum ks_err parse_field(struct ks_bytes line, size_t number,
                               struct ks_http_field *out_field)
{
    size_t colon = find(line, ':');
    struct ks_http_field field = {.name = slice(line, 0, colon)};

    if (is_one_of(line.data[0], " \t")) {
        return ks_fail(KS_ERR_FORMAT, "request head, line %zu: folded line", number);
    }
    if (colon == line.len || !ks_http_is_token(field.name)) {
        return ks_fail(KS_ERR_FORMAT, "request head, line %zu: no field name", number);
    }
    field.value = trim(slice(line, colon + 1, line.len));
    if (!ks_http_is_value(field.value)) {
        return ks_fail(KS_ERR_FORMAT, "request head, line %zu: not visible ASCII in a value",
                       number);
    }
    *out_field = field;
    return KS_OK;
}

static enum ks_err check_framing(uint64_t length_max, struct ks_http_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_bytes length;
    uint64_t value = 0;

    for (size_t i = 0; i < sizeof singletons / sizeof singletons[0]; i++) {
        KS_CHECK(ks_http_head_count(head, singletons[i]) <= 1, KS_ERR_FORMAT,
                 "request head: field '%s' is repeated", singletons[i]);
    }
    KS_CHECK(ks_http_head_count(head, "transfer-encoding") == 0, KS_ERR_FORMAT,
             "request head: Transfer-Encoding is not accepted, send Content-Length");
    KS_CHECK(ks_http_head_get(head, "host", &head->host) == KS_OK, KS_ERR_FORMAT,
             "request head: no Host");
    KS_CHECK(ks_http_is_authority(head->host), KS_ERR_FORMAT, "request head: bad Host");
    if (ks_http_head_count(head, "content-length") == 1) {
        KS_TRY(ks_http_head_get(head, "content-length", &length));
        KS_CHECK(ks_text_u64(length, INT64_MAX, &value) == KS_OK, KS_ERR_FORMAT,
                 "request head: bad Content-Length");
        KS_CHECK(value <= length_max, KS_ERR_LIMIT, "body of %llu bytes, limit %llu",
                 (unsigned long long)value, (unsigned long long)length_max);
        head->content_length = value;
        head->has_content_length = true;
    }
out:
    return err;
}

enum ks_err ks_http_head_parse(struct ks_bytes raw, uint64_t length_max,
                               struct ks_http_head *out_head)
{
    enum ks_err err = KS_OK;
    struct ks_http_head head = {.raw = raw};
    struct ks_reader reader = ks_reader_of(raw, "request head");
    struct ks_bytes line;
    size_t number = 1;

    KS_CHECK(raw.len <= KS_HTTP_HEAD_MAX, KS_ERR_LIMIT, "request head over %d bytes",
             KS_HTTP_HEAD_MAX);
    KS_TRY(read_line(&reader, number++, &line));
    KS_TRY(parse_request_line(line, &head));
    for (;;) {
        KS_TRY(read_line(&reader, number, &line));
        if (line.len == 0) {
            break;
        }
        KS_CHECK(head.field_count < KS_HTTP_FIELDS_MAX, KS_ERR_LIMIT,
                 "request head: over %d fields", KS_HTTP_FIELDS_MAX);
        KS_TRY(parse_field(line, number++, &head.fields[head.field_count]));
        head.field_count++;
    }
    KS_TRY(ks_read_end(&reader));
    KS_TRY(check_framing(length_max, &head));
    *out_head = head;
out:
    return err;
}

size_t ks_http_head_count(const struct ks_http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->field_count; i++) {
        count += equals_folded(head->fields[i].name, name);
    }
    return count;
}

enum ks_err ks_http_head_get(const struct ks_http_head *head, const char *name,
                             struct ks_bytes *out_value)
{
    const struct ks_http_field *found = NULL;

    for (size_t i = 0; i < head->field_count; i++) {
        if (!equals_folded(head->fields[i].name, name)) {
            continue;
        }
        if (found != NULL) {
            return ks_fail(KS_ERR_FORMAT, "request head: field '%s' is repeated", name);
        }
        found = &head->fields[i];
    }
    if (found == NULL) {
        return ks_fail(KS_ERR_NOT_FOUND, "request head: no field '%s'", name);
    }
    *out_value = found->value;
    return KS_OK;
}

bool ks_http_head_has_token(const struct ks_http_head *head, const char *name,
                            const char *token)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct ks_bytes rest = head->fields[i].value;
        if (!equals_folded(head->fields[i].name, name)) {
            continue;
        }
        while (rest.len > 0) {
            size_t comma = find(rest, ',');
            if (equals_folded(trim(slice(rest, 0, comma)), token)) {
                return true;
            }
            rest = slice(rest, comma < rest.len ? comma + 1 : comma, rest.len);
        }
    }
    return false;
}
