/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rpc.h: JSON-RPC 2.0 of an EVM node over HTTP, strictly: one call at a time, an answer of this
 * call, within limits. What the node says is not believed here. One thread at a time. */
#ifndef KS_ANCHOR_RPC_H
#define KS_ANCHOR_RPC_H

#include "base/json.h"

#define KS_RPC_ANSWER_MAX  (1024 * 1024) /* bytes */
#define KS_RPC_REFUSAL_MAX 256           /* bytes kept of an error's message */

struct ks_rpc;

struct ks_rpc_spec {
    const char *url;     /* as net/web_client.h has it */
    const char *ca_file; /* NULL: the system's authorities */
    unsigned timeout_ms; /* 0: 30 000; of one call */
};

KS_MUST_CHECK enum ks_err ks_rpc_new(const struct ks_rpc_spec *spec, struct ks_rpc **out_rpc);
void ks_rpc_free(struct ks_rpc *rpc); /* NULL is fine */

/* Calls METHOD with PARAMS, a canonical JSON array. *OUT_RESULT is in *OUT_DOC, which the
 * caller frees. KS_ERR_DENIED when the node answers with an error (ks_rpc_refusal says which),
 * KS_ERR_IO for what is no answer to this call; else as ks_web_client_post. */
KS_MUST_CHECK enum ks_err ks_rpc_call(struct ks_rpc *rpc, const char *method,
                                      struct ks_bytes params, struct ks_json_doc **out_doc,
                                      const struct ks_json **out_result);
/* The message of the last KS_ERR_DENIED, printable; borrowed until the next call. */
const char *ks_rpc_refusal(const struct ks_rpc *rpc);

/* Hexadecimal as nodes write it: an integer (0x0, no leading zeros; KS_ERR_LIMIT above MAX),
 * exactly LEN bytes, any bytes (appended to OUT). Errors name WHAT. */
KS_MUST_CHECK enum ks_err ks_rpc_quantity(const struct ks_json *value, const char *what,
                                          uint64_t max, uint64_t *out_value);
KS_MUST_CHECK enum ks_err ks_rpc_fixed(const struct ks_json *value, const char *what,
                                       uint8_t *target, size_t len);
KS_MUST_CHECK enum ks_err ks_rpc_bytes(const struct ks_json *value, const char *what,
                                       struct ks_buf *out);
/* Parameters: "0x…" of bytes, of an integer. */
void ks_rpc_put_bytes(struct ks_json_writer *writer, struct ks_bytes bytes);
void ks_rpc_put_quantity(struct ks_json_writer *writer, uint64_t value);

#endif
