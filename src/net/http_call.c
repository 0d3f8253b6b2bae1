/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/http_call.h"

#include <string.h>
#include <strings.h>

#define SCHEME "https://"

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

bool ks_http_timing_take(struct ks_bytes line, char timing[KS_HTTP_TIMING_MAX + 1])
{
    static const char name[] = "server-timing:";
    const size_t name_len = sizeof name - 1;
    struct ks_bytes value = {0};

    if (line.len < name_len || strncasecmp((const char *)line.data, name, name_len) != 0) {
        return false;
    }
    value = ks_bytes_of(line.data + name_len, line.len - name_len);
    while (value.len > 0 && strchr(" \t\r\n", value.data[value.len - 1]) != NULL) {
        value.len--;
    }
    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = ks_bytes_of(value.data + 1, value.len - 1);
    }
    if (value.len > KS_HTTP_TIMING_MAX || !ks_http_is_value(value)) {
        value.len = 0;
    }
    ks_copy(timing, value.data, value.len);
    timing[value.len] = '\0';
    return true;
}
