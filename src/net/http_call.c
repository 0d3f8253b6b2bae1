/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/http_call.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define SCHEME      "https://"
#define RETRY_MAX_S 86400

enum ks_err ks_http_origin_parse(const char *origin, char authority[KS_HTTP_HOST_MAX + 1])
{
    struct ks_bytes text = ks_bytes_text(origin);
    size_t skip = sizeof SCHEME - 1;
    struct ks_bytes rest;

    if (text.len <= skip || !ks_bytes_is(ks_bytes_of(text.data, skip), SCHEME)) {
        return ks_fail(KS_ERR_USAGE, "'%s' does not start with https://", origin);
    }
    rest = ks_bytes_of(text.data + skip, text.len - skip);
    if (!ks_http_is_authority(rest)) {
        return ks_fail(KS_ERR_USAGE, "'%s' is not https://host or https://host:port", origin);
    }
    ks_copy(authority, rest.data, rest.len);
    authority[rest.len] = 0;
    return KS_OK;
}

enum ks_err ks_http_call_check(const struct ks_http_call *call)
{
    enum ks_err err = KS_OK;
    struct ks_bytes target = ks_bytes_text(call->target);

    KS_CHECK(target.len > 0 && target.data[0] == '/' && target.len <= KS_HTTP_TARGET_MAX &&
                 ks_http_is_value(target) && strpbrk(call->target, " \t#") == NULL,
             KS_ERR_USAGE, "'%s' is not a request target", call->target);
    KS_CHECK(ks_http_is_token(ks_bytes_text(call->method)), KS_ERR_USAGE, "bad request method");
    KS_CHECK(call->body.len == 0 || call->content_type != NULL, KS_ERR_USAGE,
             "a request body needs a content type");
out:
    return err;
}

enum ks_err ks_http_field_check(const char *name, const char *value)
{
    if (!ks_http_is_token(ks_bytes_text(name)) || !ks_http_is_value(ks_bytes_text(value)) ||
        value[0] == 0) {
        return ks_fail(KS_ERR_FORMAT, "field '%s' cannot stand in a request head", name);
    }
    return KS_OK;
}

/* The value of LINE where it is the field BEGINS, "name:" in small letters. */
static bool value_of(struct ks_bytes line, const char *begins, struct ks_bytes *out_value)
{
    const size_t len = strlen(begins);
    struct ks_bytes value = {0};

    if (line.len < len || strncasecmp((const char *)line.data, begins, len) != 0) {
        return false;
    }
    value = ks_bytes_of(line.data + len, line.len - len);
    while (value.len > 0 && strchr(" \t\r\n", value.data[value.len - 1]) != NULL) {
        value.len--;
    }
    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = ks_bytes_of(value.data + 1, value.len - 1);
    }
    *out_value = value;
    return true;
}

unsigned ks_http_retry_of(struct ks_bytes value)
{
    uint64_t seconds = 0;

    return value.len == 0 || ks_text_u64(value, RETRY_MAX_S, &seconds) != KS_OK
               ? 0
               : (unsigned)seconds;
}

void ks_http_retry_take(struct ks_bytes line, unsigned *out_s)
{
    struct ks_bytes value = {0};

    if (value_of(line, "retry-after:", &value)) {
        *out_s = ks_http_retry_of(value);
    }
}

bool ks_http_timing_take(struct ks_bytes line, char timing[KS_HTTP_TIMING_MAX + 1])
{
    struct ks_bytes value = {0};

    if (!value_of(line, "server-timing:", &value)) {
        return false;
    }
    if (value.len > KS_HTTP_TIMING_MAX || !ks_http_is_value(value)) {
        value.len = 0;
    }
    ks_copy(timing, value.data, value.len);
    timing[value.len] = '\0';
    return true;
}
