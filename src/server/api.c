/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The REST interface (docs/openapi.yaml). One table; path segments in braces, or with a plus
 * the rest of the path, match anything and are handed to the handler. Whoever gets here has
 * shown a certificate of ours in TLS, or came by the enrolment listener, where nobody has one;
 * the table says who may ask what. */

#include <stdio.h>
#include <string.h>

#include "server/api.h"

#define DEVICE   1u
#define OPERATOR 2u
#define UNKNOWN  4u /* of the enrolment listener */

#define SEGMENT_MAX 255

struct route {
    const char *method;
    const char *path;
    unsigned peers;
    ks_api_handler handler;
};

static const struct route routes[] = {
    {"POST", "/qjob", DEVICE, ks_api_qjob},
    {"POST", "/v1/jobs", DEVICE, ks_api_job_submit},
    {"GET", "/v1/jobs", DEVICE, ks_api_job_list},
    {"GET", "/v1/jobs/{}", DEVICE, ks_api_job_status},
    {"GET", "/v1/jobs/{}/bundle", DEVICE, ks_api_job_bundle},
    {"POST", "/v1/jobs/{}/cancel", DEVICE, ks_api_job_cancel},
    {"POST", "/v1/keys", DEVICE, ks_api_keys},
    {"POST", "/v1/keys/announce", DEVICE, ks_api_announce},
    {"GET", "/v1/site", DEVICE | OPERATOR, ks_api_site},
    {"POST", "/v1/enrol", UNKNOWN, ks_api_enrol},
    {"POST", "/v1/enrol/finish", UNKNOWN, ks_api_enrol_finish},
    {"POST", "/v1/device/challenge", DEVICE, ks_api_device_challenge},
    {"POST", "/v1/device/evidence", DEVICE, ks_api_device_evidence},
    {"POST", "/v1/device/rotate", DEVICE, ks_api_device_rotate},
    {"GET", "/v1/devices", OPERATOR, ks_api_device_list},
    {"GET", "/v1/devices/{}", OPERATOR, ks_api_device_show},
    {"POST", "/v1/orders", OPERATOR, ks_api_order},
    {"GET", "/v1/traces", OPERATOR, ks_api_traces},
    {"GET", "/v1/alerts", OPERATOR, ks_api_alerts},
    {"GET", "/v1/fl/alerts", OPERATOR, ks_api_fl_alerts},
    {"GET", "/v1/site/request", OPERATOR, ks_api_site_request},
    {"POST", "/v1/site/activate", OPERATOR, ks_api_site_activate},
    {"POST", "/v1/site/certificate", OPERATOR, ks_api_site_certify},
    {"GET", "/attest", DEVICE | OPERATOR, ks_api_attest},
    {"GET", "/v1/ledger/checkpoint", DEVICE | OPERATOR, ks_api_ledger_checkpoint},
    {"GET", "/v1/ledger/entries/{}", DEVICE | OPERATOR, ks_api_ledger_entry},
    {"GET", "/v1/ledger/inclusion", DEVICE | OPERATOR, ks_api_ledger_inclusion},
    {"GET", "/v1/ledger/consistency", DEVICE | OPERATOR, ks_api_ledger_consistency},
    {"GET", "/ledger/{+}", DEVICE | OPERATOR, ks_api_ledger_file},
    {"POST", "/v1/ledger/attachments", OPERATOR, ks_api_attach},
    {"POST", "/v1/fl/orders", OPERATOR, ks_api_fl_order},
    {"POST", "/v1/fl/joins", DEVICE, ks_api_fl_join},
    {"GET", "/v1/fl/sessions", DEVICE | OPERATOR, ks_api_fl_sessions},
    {"GET", "/v1/fl/sessions/{}", DEVICE | OPERATOR, ks_api_fl_session},
    {"GET", "/v1/fl/sessions/{}/rounds", DEVICE | OPERATOR, ks_api_fl_rounds},
    {"GET", "/v1/fl/sessions/{}/rounds/{}", DEVICE | OPERATOR, ks_api_fl_round_show},
    {"GET", "/v1/fl/sessions/{}/models", DEVICE | OPERATOR, ks_api_fl_models},
    {"GET", "/v1/fl/sessions/{}/history", DEVICE | OPERATOR, ks_api_fl_history},
    {"GET", "/v1/fl/sessions/{}/devices", OPERATOR, ks_api_fl_devices},
    {"GET", "/v1/fl/metrics", OPERATOR, ks_api_fl_metrics},
    {"GET", "/v1/fl/sessions/{}/descriptor", DEVICE | OPERATOR, ks_api_fl_descriptor},
    {"GET", "/v1/fl/sessions/{}/records", DEVICE | OPERATOR, ks_api_fl_records},
    {"GET", "/v1/fl/sessions/{}/rounds/{}/updates", DEVICE | OPERATOR, ks_api_fl_updates},
    {"GET", "/v1/fl/sessions/{}/rounds/{}/kept", DEVICE | OPERATOR, ks_api_fl_kept},
    {"GET", "/v1/fl/updates/{}/bundle", OPERATOR, ks_api_fl_update_bundle},
    {"GET", "/v1/fl/records/{}/bundle", DEVICE | OPERATOR, ks_api_fl_bundle},
    {"GET", "/v1/fl/uploads/{}", DEVICE | OPERATOR, ks_api_fl_upload_state},
    {"PUT", "/v1/fl/uploads/{}/{}", DEVICE | OPERATOR, ks_api_fl_upload},
    {"POST", "/v1/fl/models/{}", OPERATOR, ks_api_fl_model_publish},
    {"GET", "/v1/fl/models/{}", DEVICE | OPERATOR, ks_api_fl_model},
    {"GET", "/v1/fl/models/{}/{}", DEVICE | OPERATOR, ks_api_fl_model},
    {"GET", "/healthz", DEVICE | OPERATOR | UNKNOWN, ks_api_health},
    {"GET", "/readyz", DEVICE | OPERATOR | UNKNOWN, ks_api_ready},
};

/* "{}" of PATTERN stands for a segment of 1 to 255 bytes without '/'; "{+}" for the rest, of as
 * many bytes, with any. *OUT_SEGMENT is what stands there; of several all from the first to the
 * last. */
static bool matches(const char *pattern, struct ks_bytes path, struct ks_bytes *out_segment)
{
    size_t at = 0;
    size_t begin = path.len;
    size_t end = path.len;

    while (*pattern != 0) {
        const uint8_t *slash = NULL;
        size_t len = path.len - at;

        if (*pattern != '{') {
            if (at == path.len || path.data[at] != (uint8_t)*pattern) {
                return false;
            }
            at++;
            pattern++;
            continue;
        }
        slash = pattern[1] == '+' || len == 0 ? NULL : memchr(path.data + at, '/', len);
        len = slash == NULL ? len : (size_t)(slash - (path.data + at));
        if (len == 0 || len > SEGMENT_MAX) {
            return false;
        }
        begin = begin == path.len ? at : begin;
        at += len;
        end = at;
        pattern = strchr(pattern, '}') + 1;
    }
    if (at != path.len) {
        return false;
    }
    *out_segment = ks_bytes_of(path.data + begin, end - begin);
    return true;
}

/* 405, and the methods that PATH does take (RFC 9110 §15.5.6). */
static void refuse_method(struct ks_http_request *request, struct ks_bytes path)
{
    char allow[64] = "";
    struct ks_http_field field = {.name = KS_LITERAL("Allow")};
    struct ks_http_response response = {
        .status = 405, .content_type = "application/json", .fields = &field, .field_count = 1};
    struct ks_buf body;
    struct ks_bytes segment = {0};
    size_t len = 0;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (matches(routes[i].path, path, &segment)) {
            int more = snprintf(allow + len, sizeof allow - len, "%s%s", len == 0 ? "" : ", ",
                                routes[i].method);

            KS_ASSERT(more > 0 && (size_t)more < sizeof allow - len);
            len += (size_t)more;
        }
    }
    ks_buf_init(&body, 1024);
    field.value = ks_bytes_text(allow);
    ks_http_error_put(KS_ERR_USAGE, "this path does not take that method", &body);
    response.body = ks_buf_view(&body);
    ks_http_reply(request, &response);
    ks_buf_done(&body);
}

static unsigned peer_of(struct ks_http_request *request)
{
    const struct ks_cert *peer = ks_http_request_peer(request);

    if (peer == NULL) {
        return UNKNOWN;
    }
    return ks_cert_role(peer) == KS_CERT_OPERATOR ? OPERATOR : DEVICE;
}

/* What a peer may not ask does not exist for it on the enrolment listener, and is refused by
 * name elsewhere. */
static void refuse_peer(struct ks_http_request *request)
{
    switch (peer_of(request)) {
    case DEVICE:
        ks_http_reply_error(request, KS_ERR_DENIED, "this is for operators");
        break;
    case OPERATOR:
        ks_http_reply_error(request, KS_ERR_DENIED, "this is for devices");
        break;
    default:
        ks_http_reply_error(request, KS_ERR_NOT_FOUND, "no such path for enrolment");
        break;
    }
}

void ks_api_route(struct ks_site_server *server, struct ks_http_request *request)
{
    const struct ks_http_head *head = ks_http_request_head(request);
    bool known = false;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct ks_bytes segment = {0};

        if (matches(routes[i].path, head->path, &segment)) {
            known = true;
            if (ks_bytes_is(head->method, routes[i].method)) {
                if ((routes[i].peers & peer_of(request)) == 0) {
                    refuse_peer(request);
                } else {
                    routes[i].handler(server, request, segment);
                }
                return;
            }
        }
    }
    if (known) {
        refuse_method(request, head->path);
    } else {
        ks_http_reply_error(request, KS_ERR_NOT_FOUND, "no such path");
    }
}

static void reply(struct ks_http_request *request, int status, const char *type,
                  struct ks_bytes body)
{
    const struct ks_http_response response = {
        .status = status, .content_type = type, .body = body};

    ks_http_reply(request, &response);
}

void ks_reply_json(struct ks_http_request *request, int status, struct ks_bytes body)
{
    reply(request, status, "application/json", body);
}

void ks_reply_text(struct ks_http_request *request, int status, struct ks_bytes body)
{
    reply(request, status, "text/plain; charset=utf-8", body);
}

void ks_reply_failure(struct ks_http_request *request, enum ks_err err)
{
    ks_http_reply_error(request, err, ks_err_detail());
}

void ks_reply_buffer(struct ks_http_request *request, enum ks_err err,
                     const struct ks_buf *body)
{
    if (err == KS_OK) {
        err = ks_buf_check(body);
    }
    if (err == KS_OK) {
        ks_reply_json(request, 200, ks_buf_view(body));
    } else {
        ks_reply_failure(request, err);
    }
}

struct ks_bytes ks_api_query(struct ks_http_request *request, const char *name)
{
    struct ks_bytes rest = ks_http_request_head(request)->query;
    size_t name_len = strlen(name);

    if (rest.len > 0) { /* the '?' */
        rest = ks_bytes_of(rest.data + 1, rest.len - 1);
    }
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '&', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);

        if (len > name_len && rest.data[name_len] == '=' &&
            ks_bytes_equal(ks_bytes_of(rest.data, name_len), ks_bytes_of(name, name_len))) {
            return ks_bytes_of(rest.data + name_len + 1, len - name_len - 1);
        }
        rest = ks_bytes_of(rest.data + len, rest.len - len);
        if (rest.len > 0) {
            rest = ks_bytes_of(rest.data + 1, rest.len - 1);
        }
    }
    return (struct ks_bytes){0};
}

enum ks_err ks_api_query_u64(struct ks_http_request *request, const char *name,
                             uint64_t fallback, uint64_t max, uint64_t *out_value)
{
    struct ks_bytes text = ks_api_query(request, name);

    if (text.data == NULL) {
        *out_value = fallback;
        return KS_OK;
    }
    return ks_fail_prefix(ks_text_u64(text, max, out_value), "query '%s'", name);
}
