/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* timestamp.h: time stamps of RFC 3161: a third party's signature that a digest was there at a
 * time (docs/formats/timestamp.md). Requests, answers, tokens and their verification offline.
 * Hides ASN.1, CMS and libcrypto.
 *
 * Authorities sign with classical keys: RSA, ECDSA. libcrypto's CMS of that kind knows no
 * ML-DSA. A stamp therefore adds to a record, whose own signatures are post-quantum, and
 * replaces nothing.
 *
 * A token is kept in normal form: DER; one signer; the algorithm identifiers and versions that
 * RFC 5652 gives for that signer, written one way; no lists of revocation, no unsigned
 * attributes; the certificates that lead from the signer towards its root, in that order,
 * without the root. What a signature does not cover is thus fixed, and verification refuses
 * another form.
 *
 * Functions may be called from any thread; a trust object is immutable. Time comes from the
 * token; no clock is read. */
#ifndef KS_CRYPTO_TIMESTAMP_H
#define KS_CRYPTO_TIMESTAMP_H

#include "base/buf.h"
#include "crypto/digest.h"

#define KS_TIMESTAMP_TOKEN_MAX    65536 /* bytes of DER */
#define KS_TIMESTAMP_RESPONSE_MAX (KS_TIMESTAMP_TOKEN_MAX + 4096)
#define KS_TIMESTAMP_REQUEST_MAX  1024
#define KS_TIMESTAMP_PEM_MAX      (1024 * 1024) /* bytes of certificates, or of lists */
#define KS_TIMESTAMP_CERTS_MAX    16            /* in a token, in a trust object */
#define KS_TIMESTAMP_CRLS_MAX     16
#define KS_TIMESTAMP_CHAIN_MAX    8 /* certificates from signer to root */
#define KS_TIMESTAMP_NONCE_LEN    16
#define KS_TIMESTAMP_SERIAL_MAX   20  /* bytes: RFC 3161 §2.4.2 */
#define KS_TIMESTAMP_OID_MAX      96  /* characters of an OID, NUL included */
#define KS_TIMESTAMP_NAME_MAX     128 /* bytes of a name as shown, NUL included */

/* What a token says. */
struct ks_timestamp {
    uint64_t time_us;     /* UTC, by the authority's clock; since 1970 */
    uint64_t accuracy_us; /* 0: the token does not say */
    uint8_t digest[KS_SHA256_LEN];
    char policy[KS_TIMESTAMP_OID_MAX]; /* of the authority, "1.2.3.4" */
    char
        signer[KS_TIMESTAMP_NAME_MAX]; /* subject of its certificate; "" where that is absent */
    uint8_t serial[KS_TIMESTAMP_SERIAL_MAX];
    size_t serial_len;
};

/* TOKEN is one time stamp over a SHA-256 digest, in normal form: KS_ERR_FORMAT otherwise,
 * KS_ERR_LIMIT above KS_TIMESTAMP_TOKEN_MAX. Checks no signature. */
KS_MUST_CHECK enum ks_err ks_timestamp_read(struct ks_bytes token,
                                            struct ks_timestamp *out_stamp);

/* --- asking ------------------------------------------------------------------------------- */

struct ks_timestamp_request {
    uint8_t digest[KS_SHA256_LEN];
    uint8_t
        nonce[KS_TIMESTAMP_NONCE_LEN]; /* random; the first byte is made odd and below 128 */
    const char *policy;                /* OID that is asked for, or NULL */
};
/* Appends a TimeStampReq that asks for the authority's certificates, too. KS_ERR_USAGE for a
 * policy that is no OID. */
KS_MUST_CHECK enum ks_err ks_timestamp_request_write(const struct ks_timestamp_request *request,
                                                     struct ks_buf *out);
/* Appends the token of ANSWER, a TimeStampResp, or of a token alone, in normal form.
 * KS_ERR_DENIED with the authority's reason when it granted none. Where REQUEST is not empty,
 * the answer is to it: the same digest, nonce and, if asked for, policy (KS_ERR_VERIFY). No
 * signature is checked.
 */
KS_MUST_CHECK enum ks_err ks_timestamp_answer_read(struct ks_bytes answer,
                                                   struct ks_bytes request,
                                                   struct ks_buf *out_token);

/* --- verifying ---------------------------------------------------------------------------- */

struct ks_timestamp_trust_spec {
    struct ks_bytes certificates; /* PEM; roots, and authorities below them */
    struct ks_bytes crls;         /* PEM; empty: none */
    struct ks_bytes policy;       /* OID that a stamp must carry; empty: any */
};
/* Whom to believe. */
struct ks_timestamp_trust;
/* KS_ERR_FORMAT or KS_ERR_LIMIT for what is malformed, without a root, or over a limit. Text
 * between PEM blocks is passed over. */
KS_MUST_CHECK enum ks_err ks_timestamp_trust_new(const struct ks_timestamp_trust_spec *spec,
                                                 struct ks_timestamp_trust **out_trust);
void ks_timestamp_trust_free(struct ks_timestamp_trust *trust); /* NULL is fine */
/* The PEM blocks alone, as ks_timestamp_trust_new takes them. Sticky in OUT. */
void ks_timestamp_trust_put_certificates(const struct ks_timestamp_trust *trust,
                                         struct ks_buf *out);
void ks_timestamp_trust_put_crls(const struct ks_timestamp_trust *trust, struct ks_buf *out);
/* The OID that stamps must carry, or NULL. */
const char *ks_timestamp_trust_policy(const struct ks_timestamp_trust *trust);

/* KS_OK only if TOKEN is in normal form, over DIGEST, signed by a key whose certificate is for
 * time stamping alone (id-kp-timeStamping, critical), and leads to one of TRUST's roots through
 * certificates of the token and of TRUST, all valid at the time that the token states, of at
 * least the strength of RSA 2048 and SHA-224; each of the token's certificates is of that
 * chain; the policy is TRUST's, if it has one. Where TRUST has lists: there is one of the
 * signer's issuer, none was to be replaced before that time, none names a certificate of the
 * chain, whenever it was revoked. KS_ERR_VERIFY or KS_ERR_FORMAT names the reason. */
KS_MUST_CHECK enum ks_err ks_timestamp_verify(struct ks_bytes token,
                                              const uint8_t digest[KS_SHA256_LEN],
                                              const struct ks_timestamp_trust *trust,
                                              struct ks_timestamp *out_stamp);

#endif
