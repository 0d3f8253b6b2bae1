/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/response.h"

#include "base/text.h"
#include "net/head.h"

#define WHAT           "answer"
#define STATUS_LEN     12 /* "HTTP/1.1 200" */
#define CHUNK_HEX_MAX  8
#define LENGTH_LEN_MAX 19

/* How the head says that the body is framed. */
struct framing {
    bool has_length;
    uint64_t length;
    bool chunked;
    bool close;
    struct ks_bytes content_type;
    struct ks_bytes server_timing;
    struct ks_bytes retry_after;
    unsigned timings;
};

/* Up to and without the next CR LF, which is consumed. */
static enum ks_err read_line(struct ks_reader *reader, struct ks_bytes *out_line)
{
    enum ks_err err = KS_OK;
    struct ks_bytes line = {0};

    KS_TRY(ks_read_line(reader, &line));
    KS_CHECK(line.len >= 1 && line.data[line.len - 1] == '\r', KS_ERR_FORMAT,
             WHAT ": a line ends without CR LF");
    line.len--;
    for (size_t i = 0; i < line.len; i++) {
        KS_CHECK(line.data[i] != '\r' && line.data[i] != 0, KS_ERR_FORMAT,
                 WHAT ": a control character");
    }
    *out_line = line;
out:
    return err;
}

static enum ks_err read_status(struct ks_reader *reader, struct ks_http_response_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_bytes line = {0};
    uint64_t status = 0;

    KS_TRY(read_line(reader, &line));
    KS_CHECK(line.len >= STATUS_LEN && (line.len == STATUS_LEN || line.data[12] == ' ') &&
                 ks_bytes_is(ks_bytes_of(line.data, 7), "HTTP/1.") &&
                 (line.data[7] == '0' || line.data[7] == '1') && line.data[8] == ' ',
             KS_ERR_FORMAT, WHAT ": no status line of HTTP/1.1");
    KS_TRY(ks_fail_prefix(ks_text_u64(ks_bytes_of(line.data + 9, 3), 599, &status),
                          WHAT ": status"));
    KS_CHECK(status >= 200, KS_ERR_FORMAT, WHAT ": status %llu", (unsigned long long)status);
    head->status = (int)status;
    head->close = line.data[7] == '0';
out:
    return err;
}

static bool is_named(struct ks_bytes name, const char *lower)
{
    struct ks_bytes want = ks_bytes_text(lower);

    if (name.len != want.len) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];

        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != want.data[i]) {
            return false;
        }
    }
    return true;
}

static struct ks_bytes trim(struct ks_bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = ks_bytes_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 &&
           (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static enum ks_err take_field(struct ks_bytes line, struct framing *framing)
{
    enum ks_err err = KS_OK;
    size_t colon = 0;
    struct ks_bytes name = {0};
    struct ks_bytes value = {0};

    while (colon < line.len && line.data[colon] != ':') {
        colon++;
    }
    name = ks_bytes_of(line.data, colon);
    KS_CHECK(colon < line.len && ks_http_is_token(name), KS_ERR_FORMAT,
             WHAT ": a line of the head is no field");
    value = trim(ks_bytes_of(line.data + colon + 1, line.len - colon - 1));
    if (is_named(name, "content-length")) {
        KS_CHECK(!framing->has_length && value.len <= LENGTH_LEN_MAX, KS_ERR_FORMAT,
                 WHAT ": Content-Length twice, or none of a body");
        KS_TRY(ks_fail_prefix(ks_text_u64(value, INT64_MAX, &framing->length),
                              WHAT ": Content-Length"));
        framing->has_length = true;
    } else if (is_named(name, "transfer-encoding")) {
        KS_CHECK(!framing->chunked && is_named(value, "chunked"), KS_ERR_FORMAT,
                 WHAT ": Transfer-Encoding other than chunked");
        framing->chunked = true;
    } else if (is_named(name, "content-type")) {
        KS_CHECK(framing->content_type.data == NULL, KS_ERR_FORMAT,
                 WHAT ": Content-Type twice");
        framing->content_type = value;
    } else if (is_named(name, "server-timing")) {
        framing->server_timing = framing->timings++ == 0 ? value : (struct ks_bytes){0};
    } else if (is_named(name, "retry-after")) {
        framing->retry_after = value;
    } else if (is_named(name, "connection")) {
        framing->close = framing->close || is_named(value, "close");
    }
out:
    return err;
}

static enum ks_err read_head(struct ks_reader *reader, struct ks_http_response_head *head,
                             struct framing *framing)
{
    enum ks_err err = KS_OK;
    struct ks_bytes line = {0};

    KS_TRY(read_status(reader, head));
    for (unsigned i = 0;; i++) {
        KS_TRY(read_line(reader, &line));
        if (line.len == 0) {
            break;
        }
        KS_CHECK(i < KS_HTTP_RESPONSE_FIELDS_MAX, KS_ERR_LIMIT, WHAT ": over %d fields",
                 KS_HTTP_RESPONSE_FIELDS_MAX);
        KS_TRY(take_field(line, framing));
    }
    head->close = head->close || framing->close;
    head->content_type = framing->content_type;
    head->server_timing = framing->server_timing;
    head->retry_after = framing->retry_after;
    KS_CHECK(!(framing->chunked && framing->has_length), KS_ERR_FORMAT,
             WHAT ": both Content-Length and Transfer-Encoding");
    KS_CHECK(framing->chunked || framing->has_length, KS_ERR_FORMAT,
             WHAT ": neither Content-Length nor Transfer-Encoding says how long it is");
out:
    return err;
}

/* The length that the line of a chunk states: 1 to 8 digits, no extension. */
static enum ks_err chunk_len(struct ks_bytes line, uint64_t *out_len)
{
    enum ks_err err = KS_OK;
    uint64_t len = 0;

    KS_CHECK(line.len >= 1 && line.len <= CHUNK_HEX_MAX, KS_ERR_FORMAT,
             WHAT ": a chunk without length");
    for (size_t i = 0; i < line.len; i++) {
        uint8_t c = line.data[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? c - 'a' + 10U
                         : c >= 'A' && c <= 'F' ? c - 'A' + 10U
                                                : 16U;

        KS_CHECK(digit < 16, KS_ERR_FORMAT, WHAT ": a chunk's length is no number");
        len = len << 4 | digit;
    }
    *out_len = len;
out:
    return err;
}

/* A line that may be cut: KS_ERR_NOT_FOUND while its end is not there. */
static enum ks_err read_chunk_line(struct ks_reader *reader, struct ks_bytes *out_line)
{
    size_t at = 0;

    while (at < reader->rest.len && at < KS_HTTP_RESPONSE_CHUNK_LINE &&
           reader->rest.data[at] != '\n') {
        at++;
    }
    if (at == KS_HTTP_RESPONSE_CHUNK_LINE) {
        return ks_fail(KS_ERR_FORMAT, WHAT ": a chunk's first line over %d bytes",
                       KS_HTTP_RESPONSE_CHUNK_LINE);
    }
    if (at == reader->rest.len) {
        return KS_ERR_NOT_FOUND;
    }
    return read_line(reader, out_line);
}

static enum ks_err read_chunks(struct ks_reader *reader, size_t body_max, struct ks_buf *body)
{
    enum ks_err err = KS_OK;
    struct ks_bytes line = {0};
    struct ks_bytes chunk = {0};
    uint64_t len = 1;

    for (unsigned i = 0; len > 0; i++) {
        KS_CHECK(i < KS_HTTP_RESPONSE_CHUNKS_MAX, KS_ERR_LIMIT, WHAT ": over %d chunks",
                 KS_HTTP_RESPONSE_CHUNKS_MAX);
        KS_TRY(read_chunk_line(reader, &line));
        KS_TRY(chunk_len(line, &len));
        KS_CHECK(len <= body_max - body->len, KS_ERR_LIMIT, WHAT ": a body over %zu bytes",
                 body_max);
        if (reader->rest.len < len) {
            return KS_ERR_NOT_FOUND;
        }
        KS_TRY(ks_read_bytes(reader, (size_t)len, &chunk));
        ks_buf_put(body, chunk);
        KS_TRY(read_chunk_line(reader, &line)); /* behind the last one: the end of all */
        KS_CHECK(line.len == 0, KS_ERR_FORMAT, WHAT ": a chunk is longer than it says");
    }
    KS_TRY(ks_buf_check(body));
out:
    return err;
}

static enum ks_err read_body(struct ks_reader *reader, const struct framing *framing,
                             size_t body_max, struct ks_buf *body)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes = {0};

    if (framing->chunked) {
        return read_chunks(reader, body_max, body);
    }
    KS_CHECK(framing->length <= body_max, KS_ERR_LIMIT, WHAT ": a body over %zu bytes",
             body_max);
    if (reader->rest.len < framing->length) {
        return KS_ERR_NOT_FOUND;
    }
    KS_TRY(ks_read_bytes(reader, (size_t)framing->length, &bytes));
    ks_buf_put(body, bytes);
    KS_TRY(ks_buf_check(body));
out:
    return err;
}

enum ks_err ks_http_response_parse(struct ks_bytes bytes, size_t body_max, struct ks_buf *body,
                                   struct ks_http_response_head *out_head)
{
    enum ks_err err = KS_OK;
    size_t head_len = ks_http_head_end(bytes, 0);
    struct ks_reader reader = ks_reader_of(ks_bytes_of(bytes.data, head_len), WHAT);
    struct ks_http_response_head head = {0};
    struct framing framing = {0};
    struct ks_buf content;

    ks_buf_init(&content, body_max);
    KS_CHECK(head_len <= KS_HTTP_RESPONSE_HEAD_MAX &&
                 (head_len > 0 || bytes.len <= KS_HTTP_RESPONSE_HEAD_MAX),
             KS_ERR_LIMIT, WHAT ": a head over %d bytes", KS_HTTP_RESPONSE_HEAD_MAX);
    if (head_len == 0) {
        err = KS_ERR_NOT_FOUND;
        goto out;
    }
    KS_TRY(read_head(&reader, &head, &framing));
    reader = ks_reader_of(ks_bytes_of(bytes.data + head_len, bytes.len - head_len), WHAT);
    KS_TRY(read_body(&reader, &framing, body_max, &content));
    head.len = bytes.len - reader.rest.len;
    ks_buf_put(body, ks_buf_view(&content));
    KS_TRY(ks_buf_check(body));
    *out_head = head;
out:
    ks_buf_wipe(&content);
    return err;
}
