/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "net/http_loop.h"

#define REPLY_HEAD_MAX      16384
#define ERROR_DETAIL_MAX    1024
#define ERROR_BODY_MAX      (8 * ERROR_DETAIL_MAX)
#define DAY_US              UINT64_C(86400000000)
#define RESPONSE_FIELDS_MAX 32

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return ""; /* RFC 9112 §4: the reason may be empty */
}

const struct ks_http_head *ks_http_request_head(const struct ks_http_request *request)
{
    return &request->head;
}

struct ks_bytes ks_http_request_body(const struct ks_http_request *request)
{
    return request->body;
}

const struct ks_cert *ks_http_request_peer(const struct ks_http_request *request)
{
    return request->connection->peer;
}

const char *ks_http_request_peer_name(const struct ks_http_request *request)
{
    return request->connection->peer_name;
}

struct ks_bytes ks_http_request_exporter(const struct ks_http_request *request)
{
    return KS_BYTES(request->connection->exporter);
}

const struct ks_http_tls *ks_http_request_tls(const struct ks_http_request *request)
{
    return &request->connection->tls;
}

const char *ks_http_request_address(const struct ks_http_request *request)
{
    return request->connection->address;
}

uint64_t ks_http_request_time_us(const struct ks_http_request *request)
{
    return request->time_us;
}

bool ks_http_request_gone(const struct ks_http_request *request)
{
    return atomic_load(&request->gone);
}

/* IMF-fixdate of RFC 9110 §5.6.7. Not by gmtime(3), which reads the time zone's file. */
static void put_date(uint64_t now_us, struct ks_buf *out)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[KS_TIME_TEXT_LEN + 1];
    unsigned month = 0;

    ks_time_text(now_us, text);
    month = (unsigned)(text[5] - '0') * 10 + (unsigned)(text[6] - '0');
    ks_buf_put_format(out, "Date: %.3s, %.2s %.3s %.4s %.8s GMT\r\n",
                      days + 3 * (now_us / DAY_US % 7), text + 8, months + 3 * (month - 1),
                      text, text + 11);
}

void ks_http_reply_write(struct ks_http_request *request,
                         const struct ks_http_response *response)
{
    struct ks_buf *out = &request->reply;
    bool no_body = ks_bytes_is(request->head.method, "HEAD");
    bool close = request->close || atomic_load(&request->connection->loop->server->stopping);

    KS_ASSERT(response->status >= 200 && response->status <= 599);
    KS_ASSERT(response->field_count <= RESPONSE_FIELDS_MAX);
    KS_ASSERT(response->body.len == 0 || response->content_type != NULL);
    request->close = close;
    ks_buf_init(out, REPLY_HEAD_MAX + response->body.len);
    ks_buf_put_format(out, "HTTP/1.1 %d %s\r\n", response->status, reason_of(response->status));
    put_date(ks_clock_us(), out);
    if (response->content_type != NULL) {
        KS_ASSERT(ks_http_is_value(ks_bytes_text(response->content_type)));
        ks_buf_put_format(out, "Content-Type: %s\r\n", response->content_type);
    }
    for (size_t i = 0; i < response->field_count; i++) {
        const struct ks_http_field *field = &response->fields[i];
        KS_ASSERT(ks_http_is_token(field->name) && ks_http_is_value(field->value));
        ks_buf_put(out, field->name);
        ks_buf_put_text(out, ": ");
        ks_buf_put(out, field->value);
        ks_buf_put_text(out, "\r\n");
    }
    if (response->status != 204 && response->status != 304) {
        ks_buf_put_format(out, "Content-Length: %zu\r\n", response->body.len);
    }
    ks_buf_put_format(out, "Cache-Control: no-store\r\n%s\r\n",
                      close ? "Connection: close\r\n" : "");
    if (!no_body) {
        ks_buf_put(out, response->body);
    }
    if (ks_buf_check(out) != KS_OK) {
        ks_buf_done(out); /* the connection is closed without an answer */
    }
    if (response->out_len != NULL) {
        *response->out_len = out->len;
    }
}

void ks_http_error_put(enum ks_err err, const char *detail, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_bytes text = ks_bytes_text(detail);

    if (text.len > ERROR_DETAIL_MAX || !ks_utf8_valid(text)) {
        text = ks_bytes_text(ks_err_meaning(err));
    }
    ks_json_put_object(&writer);
    ks_json_member_string(&writer, "detail", text);
    ks_json_member_text(&writer, "error", ks_err_name(err));
    ks_json_member_text(&writer, "schema", KS_HTTP_ERROR_SCHEMA);
    ks_json_put_end(&writer);
}

void ks_http_reply_write_error(struct ks_http_request *request, enum ks_err err,
                               const char *detail)
{
    struct ks_buf body;
    struct ks_http_response response = {.status = ks_err_http_status(err),
                                        .content_type = "application/json"};

    ks_buf_init(&body, ERROR_BODY_MAX);
    ks_http_error_put(err, detail, &body);
    response.body = ks_buf_view(&body); /* without memory: the status alone */
    if (ks_buf_check(&body) != KS_OK) {
        response.body = (struct ks_bytes){0};
    }
    ks_http_reply_write(request, &response);
    ks_buf_done(&body);
}

/* Gives an answered request back to its loop. */
static void give_back(struct ks_http_request *request)
{
    struct ks_http_loop *loop = request->connection->loop;
    bool was_empty = false;

    (void)pthread_mutex_lock(&loop->lock);
    request->next = NULL;
    was_empty = loop->answers_first == NULL;
    if (was_empty) {
        loop->answers_first = request;
    } else {
        loop->answers_last->next = request;
    }
    loop->answers_last = request;
    /* The loop's own thread looks into the queue when the handler returns. Waking another one
     * happens under the lock: without it the loop might be gone before it is woken. */
    if (was_empty && !pthread_equal(pthread_self(), loop->self)) {
        ks_http_loop_wake(loop);
    }
    (void)pthread_mutex_unlock(&loop->lock);
}

void ks_http_reply(struct ks_http_request *request, const struct ks_http_response *response)
{
    ks_http_reply_write(request, response);
    give_back(request);
}

void ks_http_reply_error(struct ks_http_request *request, enum ks_err err, const char *detail)
{
    ks_http_reply_write_error(request, err, detail);
    give_back(request);
}
