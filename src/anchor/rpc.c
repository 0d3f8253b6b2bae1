/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "anchor/rpc.h"

#include <stdio.h>

#include "base/text.h"
#include "net/web_client.h"

#define REQUEST_MAX     (64 * 1024)
#define HEX_MAX         (64 * 1024) /* bytes of one value of an answer */
#define QUANTITY_DIGITS 16

static const struct ks_json_limits answer_limits = {.len_max = KS_RPC_ANSWER_MAX,
                                                    .nodes_max = 65536};

struct ks_rpc {
    struct ks_web_client *client;
    uint64_t id; /* of the last call */
    char refusal[KS_RPC_REFUSAL_MAX];
};

enum ks_err ks_rpc_new(const struct ks_rpc_spec *spec, struct ks_rpc **out_rpc)
{
    enum ks_err err = KS_OK;
    const struct ks_web_client_spec web = {.url = spec->url,
                                           .ca_file = spec->ca_file,
                                           .total_ms = spec->timeout_ms,
                                           .response_max = KS_RPC_ANSWER_MAX};
    struct ks_rpc *rpc = ks_calloc(1, sizeof *rpc);

    KS_CHECK(rpc != NULL, KS_ERR_NOMEM, "no memory for a client");
    KS_TRY(ks_web_client_new(&web, &rpc->client));
    *out_rpc = rpc;
    rpc = NULL; /* transferred */
out:
    ks_rpc_free(rpc);
    return err;
}

void ks_rpc_free(struct ks_rpc *rpc)
{
    if (rpc != NULL) {
        ks_web_client_free(rpc->client);
        ks_free(rpc);
    }
}

const char *ks_rpc_refusal(const struct ks_rpc *rpc)
{
    return rpc->refusal;
}

/* --- one call ----------------------------------------------------------------------------- */

static void put_request(struct ks_buf *out, uint64_t id, const char *method,
                        struct ks_bytes params)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "id", id);
    ks_json_member_text(&writer, "jsonrpc", "2.0");
    ks_json_member_text(&writer, "method", method);
    ks_json_put_key(&writer, "params");
    ks_json_put_canonical(&writer, params);
    ks_json_put_end(&writer);
}

/* {"code": …, "message": …}; always an error. */
static enum ks_err refused(struct ks_rpc *rpc, const struct ks_json *error)
{
    struct ks_bytes message = {0};
    enum ks_err err = ks_json_get_string(error, "message", &message);

    if (err != KS_OK) {
        return ks_fail_prefix(KS_ERR_IO, "an error without a reason");
    }
    ks_text_shown(message, rpc->refusal, sizeof rpc->refusal);
    return ks_fail(KS_ERR_DENIED, "the node refuses: '%s'", rpc->refusal);
}

static enum ks_err read_answer(struct ks_rpc *rpc, const struct ks_json *root,
                               const struct ks_json **out_result)
{
    enum ks_err err = KS_OK;
    struct ks_bytes version = {0};
    uint64_t id = 0;
    const struct ks_json *result = ks_json_find(root, "result");
    const struct ks_json *error = ks_json_find(root, "error");

    KS_TRY(ks_json_get_string(root, "jsonrpc", &version));
    KS_CHECK(ks_bytes_is(version, "2.0"), KS_ERR_IO, "no JSON-RPC 2.0");
    KS_TRY(ks_json_get_u64(root, "id", KS_JSON_INTEGER_MAX, &id));
    KS_CHECK(id == rpc->id, KS_ERR_IO, "the answer to another call");
    if (error != NULL && ks_json_type(error) != KS_JSON_NULL) {
        return refused(rpc, error);
    }
    KS_CHECK(result != NULL, KS_ERR_IO, "neither a result nor an error");
    *out_result = result;
out:
    return err;
}

enum ks_err ks_rpc_call(struct ks_rpc *rpc, const char *method, struct ks_bytes params,
                        struct ks_json_doc **out_doc, const struct ks_json **out_result)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_buf request;
    struct ks_buf answer;
    int status = 0;

    ks_buf_init(&request, REQUEST_MAX);
    ks_buf_init(&answer, KS_RPC_ANSWER_MAX);
    rpc->id++;
    put_request(&request, rpc->id, method, params);
    KS_TRY(ks_buf_check(&request));
    KS_TRY(ks_web_client_post(rpc->client, ks_buf_view(&request), &status, &answer));
    /* Nodes send some errors with a status of their own: what counts is the document. */
    err = ks_json_parse(ks_buf_view(&answer), &answer_limits, &doc);
    KS_CHECK(err == KS_OK || status == 200, KS_ERR_IO, "status %d", status);
    KS_TRY(err);
    KS_TRY(read_answer(rpc, ks_json_root(doc), out_result));
    *out_doc = doc;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    ks_buf_done(&request);
    ks_buf_done(&answer);
    /* What is no JSON-RPC is no answer. */
    return ks_fail_prefix(err == KS_ERR_FORMAT ? KS_ERR_IO : err, "%s: %s",
                          ks_web_client_host(rpc->client), method);
}

/* --- hexadecimal -------------------------------------------------------------------------- */

/* The digits after 0x. */
static enum ks_err digits_of(const struct ks_json *value, const char *what,
                             struct ks_bytes *out_digits)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_CHECK(value != NULL, KS_ERR_IO, "missing");
    KS_TRY(ks_json_string(value, &text));
    KS_CHECK(text.len >= 2 && text.data[0] == '0' && text.data[1] == 'x', KS_ERR_IO,
             "no hexadecimal number");
    *out_digits = ks_bytes_of(text.data + 2, text.len - 2);
out:
    return err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_IO, "the node's %s", what);
}

enum ks_err ks_rpc_quantity(const struct ks_json *value, const char *what, uint64_t max,
                            uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    struct ks_bytes digits = {0};
    char padded[QUANTITY_DIGITS + 1] = "0000000000000000";
    uint8_t bytes[QUANTITY_DIGITS / 2];
    struct ks_reader reader = ks_reader_of(KS_BYTES(bytes), what);
    uint64_t number = 0;

    KS_TRY(digits_of(value, what, &digits));
    KS_CHECK(digits.len >= 1 && (digits.data[0] != '0' || digits.len == 1), KS_ERR_IO,
             "the node's %s: no number without leading zeros", what);
    KS_CHECK(digits.len <= QUANTITY_DIGITS, KS_ERR_LIMIT, "the node's %s: over 64 bits", what);
    ks_copy(padded + (QUANTITY_DIGITS - digits.len), digits.data, digits.len);
    if (ks_hex_decode(ks_bytes_text(padded), bytes, sizeof bytes) != KS_OK) {
        KS_TRY(ks_fail_prefix(KS_ERR_IO, "the node's %s", what));
    }
    KS_TRY(ks_read_u64(&reader, &number));
    KS_CHECK(number <= max, KS_ERR_LIMIT, "the node's %s: %llu is over %llu", what,
             (unsigned long long)number, (unsigned long long)max);
    *out_value = number;
out:
    return err;
}

enum ks_err ks_rpc_fixed(const struct ks_json *value, const char *what, uint8_t *target,
                         size_t len)
{
    enum ks_err err = KS_OK;
    struct ks_bytes digits = {0};

    KS_TRY(digits_of(value, what, &digits));
    if (ks_hex_decode(digits, target, len) != KS_OK) {
        KS_TRY(ks_fail_prefix(KS_ERR_IO, "the node's %s", what));
    }
out:
    return err;
}

enum ks_err ks_rpc_bytes(const struct ks_json *value, const char *what, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_bytes digits = {0};
    uint8_t *target = NULL;

    KS_TRY(digits_of(value, what, &digits));
    KS_CHECK(digits.len / 2 <= HEX_MAX, KS_ERR_LIMIT, "the node's %s: over %d bytes", what,
             HEX_MAX);
    target = ks_buf_reserve(out, digits.len / 2);
    KS_TRY(ks_buf_check(out));
    if (ks_hex_decode(digits, target, digits.len / 2) != KS_OK) {
        KS_TRY(ks_fail_prefix(KS_ERR_IO, "the node's %s", what));
    }
    ks_buf_grew(out, digits.len / 2);
out:
    return err;
}

void ks_rpc_put_bytes(struct ks_json_writer *writer, struct ks_bytes bytes)
{
    struct ks_buf text;

    ks_buf_init(&text, REQUEST_MAX);
    ks_buf_put_text(&text, "0x");
    ks_buf_put_hex(&text, bytes);
    if (text.err == KS_OK) {
        ks_json_put_string(writer, ks_buf_view(&text));
    } else {
        writer->out->err = text.err;
    }
    ks_buf_done(&text);
}

void ks_rpc_put_quantity(struct ks_json_writer *writer, uint64_t value)
{
    char text[2 + QUANTITY_DIGITS + 1];

    (void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    ks_json_put_text(writer, text);
}
