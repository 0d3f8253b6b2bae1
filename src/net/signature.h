/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* signature.h: HTTP message signatures (RFC 9421, hmac-sha256) as ketseal's signed requests use
 * them, and the body digest (RFC 9530). The signature base is built from the raw head alone, by
 * the parser of head.h. Pure: the time is an argument. docs/formats/request.md states the
 * bytes.
 *
 * Checking takes two steps, since the key is found by its id:
 *   ks_signature_parse(&head, &signature);      key = … signature.key_id …
 *   ks_signature_check(&head, &signature, key, now_s);
 *   ks_digest_check(&head, body); */
#ifndef KS_NET_SIGNATURE_H
#define KS_NET_SIGNATURE_H

#include "base/buf.h"
#include "net/head.h"

#define KS_SIGNATURE_LEN         32
#define KS_CHANNEL_LEN           32  /* of the TLS exporter */
#define KS_SIGNATURE_KEY_LEN_MIN 32  /* bytes of HMAC key */
#define KS_SIGNATURE_KEYID_MAX   128 /* [A-Za-z0-9._:-] */
#define KS_SIGNATURE_NONCE_MIN   16  /* characters [A-Za-z0-9+/=_-] */
#define KS_SIGNATURE_NONCE_MAX   64
#define KS_SIGNATURE_LIFE_MAX_S  300 /* expires - created */
#define KS_SIGNATURE_SKEW_MAX_S  30  /* how far ahead of ours the signer's clock may be */
#define KS_SIGNATURE_PARAMS_MAX  1024
#define KS_SIGNATURE_BASE_MAX    (KS_HTTP_HEAD_MAX + KS_SIGNATURE_PARAMS_MAX + 1024)

/* What a request states about its signature. Views into the head. */
struct ks_signature {
    struct ks_bytes params; /* value of @signature-params, as received */
    uint64_t created;       /* seconds since 1970 */
    uint64_t expires;
    struct ks_bytes nonce;
    struct ks_bytes key_id;
    uint8_t channel[KS_CHANNEL_LEN]; /* what Ketseal-Channel claims: compare with the
                                        connection's own */
    uint8_t tag[KS_SIGNATURE_LEN];
};

/* Reads Signature-Input, Signature and Ketseal-Channel, strictly: one signature, label
 * `ketseal`, exactly the components and parameters of docs/formats/request.md in their order.
 * KS_ERR_NOT_FOUND when one of the fields is absent (the request is not signed), KS_ERR_FORMAT
 * otherwise. */
KS_MUST_CHECK enum ks_err ks_signature_parse(const struct ks_http_head *head,
                                             struct ks_signature *out_signature);

/* KS_ERR_VERIFY when the signature is not HEAD's under KEY, or NOW_S (seconds since 1970) is
 * not within created - KS_SIGNATURE_SKEW_MAX_S <= now < expires, or the life is longer than
 * allowed. KEY must have at least KS_SIGNATURE_KEY_LEN_MIN bytes (KS_ERR_USAGE). Does not look
 * at the channel or the body. */
KS_MUST_CHECK enum ks_err ks_signature_check(const struct ks_http_head *head,
                                             const struct ks_signature *signature,
                                             struct ks_bytes key, uint64_t now_s);

/* The digest of BODY as the field's value: `sha-256=:base64:` (RFC 9530 §2). */
void ks_digest_put(struct ks_bytes body, struct ks_buf *out);
/* KS_ERR_VERIFY when Content-Digest is not BODY's. Only a single sha-256 member is accepted:
 * KS_ERR_FORMAT otherwise, KS_ERR_NOT_FOUND when the field is absent. */
KS_MUST_CHECK enum ks_err ks_digest_check(const struct ks_http_head *head,
                                          struct ks_bytes body);

/* What a signer states. */
struct ks_signature_spec {
    const char *method;
    const char *authority; /* host or host:port; normalised here */
    const char *target;    /* origin-form */
    const char *content_type;
    struct ks_bytes body;
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t created; /* seconds since 1970 */
    uint64_t expires;
    const char *nonce;
    const char *key_id;
};

/* Values of the four fields that make a request signed. Each is NUL-terminated. */
struct ks_signature_fields {
    char content_digest[64];
    char channel[64]; /* Ketseal-Channel */
    char input[KS_SIGNATURE_PARAMS_MAX];
    char signature[64];
};

/* Signs. KS_ERR_USAGE when SPEC is not what ks_signature_parse would take. */
KS_MUST_CHECK enum ks_err ks_signature_make(const struct ks_signature_spec *spec,
                                            struct ks_bytes key,
                                            struct ks_signature_fields *out_fields);

/* The signature base of RFC 9421 §2.5 for any PARAMS (value of @signature-params: an inner list
 * of plain component names, then parameters, which are taken as they stand). Knows @method,
 * @authority, @path,
 * @query, @target-uri (https), @scheme, @request-target and fields by name, several of one name
 * joined by
 * ", ". KS_ERR_FORMAT for a component with parameters, an unknown derived one, a repeated one,
 * or one that HEAD does not have. For tests and for other profiles than our own. */
KS_MUST_CHECK enum ks_err ks_signature_base(const struct ks_http_head *head,
                                            struct ks_bytes params, struct ks_buf *out);

#endif
