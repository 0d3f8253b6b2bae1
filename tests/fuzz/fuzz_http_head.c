/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A head that is accepted is written again from its parts: method, target, fields. Parsed again
 * that must give the same parts, whatever bytes the first one was made of. */
#include "base/buf.h"
#include "net/head.h"

#define BODY_MAX 1048576

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_again(const struct ks_http_head *head, struct ks_buf *out)
{
    ks_buf_put(out, head->method);
    ks_buf_put_u8(out, ' ');
    ks_buf_put(out, head->path);
    ks_buf_put(out, head->query);
    ks_buf_put_text(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < head->field_count; i++) {
        ks_buf_put(out, head->fields[i].name);
        ks_buf_put_u8(out, ':');
        ks_buf_put(out, head->fields[i].value);
        ks_buf_put_text(out, "\r\n");
    }
    ks_buf_put_text(out, "\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_bytes raw = ks_bytes_of(data, size);
    size_t end = ks_http_head_end(raw, 0);
    struct ks_http_head head;
    struct ks_http_head again;
    struct ks_buf out;

    if (ks_http_head_parse(raw, BODY_MAX, &head) != KS_OK) {
        return 0;
    }
    KS_ASSERT(end == size);
    ks_buf_init(&out, KS_HTTP_HEAD_MAX);
    put_again(&head, &out);
    KS_ASSERT(ks_buf_check(&out) == KS_OK && out.len <= size);
    KS_ASSERT(ks_http_head_end(ks_buf_view(&out), 0) == out.len);
    KS_ASSERT(ks_http_head_parse(ks_buf_view(&out), BODY_MAX, &again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(again.method, head.method));
    KS_ASSERT(ks_bytes_equal(again.target, head.target));
    KS_ASSERT(ks_bytes_equal(again.host, head.host));
    KS_ASSERT(again.content_length == head.content_length);
    KS_ASSERT(again.field_count == head.field_count);
    for (size_t i = 0; i < head.field_count; i++) {
        KS_ASSERT(ks_bytes_equal(again.fields[i].name, head.fields[i].name));
        KS_ASSERT(ks_bytes_equal(again.fields[i].value, head.fields[i].value));
    }
    ks_buf_done(&out);
    return 0;
}
