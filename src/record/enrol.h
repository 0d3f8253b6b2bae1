/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* enrol.h: how a device becomes known to a site, and stays so: the token that an operator
 * issues, the enrolment in two exchanges, the evidence of a platform, the operator's orders.
 * All canonical JSON (docs/formats/enrol.md); reader and writer of a document share a file, and
 * every reader checks the signature that its document carries, under a key that the caller
 * already trusts or that the document itself has to prove. Views and buffers of what was read
 * belong to the structure; _done frees them. Pure: times and randomness are arguments. */
#ifndef KS_RECORD_ENROL_H
#define KS_RECORD_ENROL_H

#include "attest/credential.h"
#include "attest/quote.h"
#include "crypto/cert.h"
#include "record/job.h"
#include "record/site.h"

#define KS_TOKEN_LIFE_S_MAX  (24 * 3600)
#define KS_TOKEN_ID_LEN      16
#define KS_TOKEN_BYTES_MAX   (384 * 1024) /* with the site's document and the root in it */
#define KS_URL_MAX           300
#define KS_ENROL_CHAIN_MAX   3
#define KS_ENROL_SESSION_LEN 16
#define KS_ENROL_BYTES_MAX   65536
#define KS_FINISH_BYTES_MAX  (1024 * 1024) /* a request body */
#define KS_PLATFORM_LOG_MAX  (320 * 1024)  /* bytes of one binary log */
#define KS_REASON_MAX        200           /* bytes of an operator's reason */

#define KS_CONTEXT_TOKEN    "ketseal/token/1"
#define KS_CONTEXT_ENROL    "ketseal/enrol/1"
#define KS_CONTEXT_CSR      "ketseal/csr/1"
#define KS_CONTEXT_OPERATOR "ketseal/operator/1"

/* --- token -------------------------------------------------------------------------------- */

/* What an operator has signed: whoever holds KEY may enrol DEVICE at SITE, once, until
 * EXPIRES_US. */
struct ks_grant {
    struct ks_bytes device;
    uint64_t expires_us;
    uint8_t id[KS_TOKEN_ID_LEN];
    uint8_t key[KS_MLDSA44_PUBLIC_LEN]; /* of the token: signs the enrolment */
    struct ks_bytes site;               /* ledger origin */
    struct ks_buf operator_certificate; /* DER */
    struct ks_buf statement;            /* canonical: what was signed */
    struct ks_buf signature;
};
/* VALUE is the grant member of a document that outlives OUT_GRANT. Checks no signature. */
KS_MUST_CHECK enum ks_err ks_grant_parse(const struct ks_json *value,
                                         struct ks_grant *out_grant);
/* KS_ERR_VERIFY unless OPERATOR's key signed it; the trust in that certificate is the
 * caller's. */
KS_MUST_CHECK enum ks_err ks_grant_check(const struct ks_grant *grant,
                                         const struct ks_cert *operator_cert);
void ks_grant_done(struct ks_grant *grant);

/* The file that an operator hands to a device, mode 0600: the grant, the seed of its key, and
 * all that the device has to know of the site. */
struct ks_token_spec {
    struct ks_bytes device;
    struct ks_bytes site_document; /* canonical */
    struct ks_bytes root_pem;
    struct ks_bytes url;     /* of the enrolment listener */
    struct ks_bytes service; /* of the site itself */
    uint64_t expires_us;
    const uint8_t *id;   /* KS_TOKEN_ID_LEN random bytes */
    const uint8_t *seed; /* 32 random bytes: of the token's ML-DSA-44 key */
    const struct ks_cert *operator_cert;
    const struct ks_sign_key *operator_key;
};
/* Appends the file's text; the caller wipes OUT. */
KS_MUST_CHECK enum ks_err ks_token_make(const struct ks_token_spec *spec, struct ks_buf *out);

struct ks_token {
    struct ks_json_doc *doc;
    struct ks_grant grant;
    struct ks_buf grant_bytes; /* canonical, as it travels */
    struct ks_sign_key *key;
    struct ks_bytes root_pem;
    struct ks_bytes url;
    struct ks_bytes service;
    struct ks_buf site_document; /* canonical */
};
/* KS_ERR_VERIFY when the seed is not the grant's. */
KS_MUST_CHECK enum ks_err ks_token_read(struct ks_bytes text, struct ks_token *out_token);
void ks_token_done(struct ks_token *token); /* zeroed is fine; wipes */

/* --- enrolment, first exchange ------------------------------------------------------------ */

struct ks_enrol {
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_bytes device;
    uint8_t nonce[KS_NONCE_LEN]; /* the device's */
    struct ks_grant grant;
    struct ks_buf ak;             /* TPMT_PUBLIC */
    struct ks_buf ek;             /* TPMT_PUBLIC */
    struct ks_buf ek_certificate; /* DER */
    struct ks_buf ek_chain[KS_ENROL_CHAIN_MAX];
    size_t ek_chain_count;
    /* Read only: */
    struct ks_json_doc *doc;
    uint8_t digest[32]; /* SHA-256 of the canonical request, which its signature covers */
};
void ks_enrol_init(struct ks_enrol *enrol);
void ks_enrol_done(struct ks_enrol *enrol);
/* Writes the document signed by TOKEN's key. ENROL's grant is not looked at: TOKEN's is
 * sent. */
KS_MUST_CHECK enum ks_err ks_enrol_write(const struct ks_enrol *enrol,
                                         const struct ks_token *token, struct ks_buf *out);
/* Checks that the key of the grant inside signed the request; the grant itself is the caller's
 * to check. OUT_ENROL is initialised here. */
KS_MUST_CHECK enum ks_err ks_enrol_read(struct ks_bytes document, struct ks_enrol *out_enrol);

/* What the site answers: the credential that only the TPM with both keys can open. */
struct ks_challenge {
    struct ks_buf id_object;        /* TPM2B_ID_OBJECT */
    struct ks_buf encrypted_secret; /* TPM2B_ENCRYPTED_SECRET */
    uint8_t nonce[KS_NONCE_LEN];    /* the site's: goes into the quote */
    uint32_t pcr_mask;              /* to be quoted */
    uint8_t session[KS_ENROL_SESSION_LEN];
};
void ks_challenge_init(struct ks_challenge *challenge);
void ks_challenge_done(struct ks_challenge *challenge);
void ks_challenge_write(const struct ks_challenge *challenge, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_challenge_read(struct ks_bytes document,
                                            struct ks_challenge *out_challenge);

/* --- evidence of a platform --------------------------------------------------------------- */

/* As it travels; attest/appraise.h judges it. */
struct ks_platform {
    uint32_t pcr_mask;
    uint8_t pcr_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN]; /* ascending, one for each bit */
    struct ks_buf attest;                                /* TPMS_ATTEST */
    struct ks_buf signature;                             /* TPMT_SIGNATURE */
    struct ks_buf launch_log;                            /* canonical JSON; empty: none */
    struct ks_buf tcg_log;                               /* empty: none */
    struct ks_buf ima_log;                               /* empty: none */
};
void ks_platform_init(struct ks_platform *platform);
void ks_platform_done(struct ks_platform *platform);
/* One value inside a document; the schema is the document's. */
void ks_platform_put(const struct ks_platform *platform, struct ks_json_writer *writer);
KS_MUST_CHECK enum ks_err ks_platform_parse(const struct ks_json *value,
                                            struct ks_platform *out_platform);

/* Qualifying data of the quotes: SHA-256(LABEL "\n" || DIGEST || NONCE || CHANNEL). */
#define KS_QUOTE_ENROL  "ketseal/enrol-quote/1"
#define KS_QUOTE_DEVICE "ketseal/device-quote/1"
#define KS_QUOTE_SITE   "ketseal/site-quote/1"
void ks_platform_binding(const char *label, const uint8_t digest[32],
                         const uint8_t nonce[KS_NONCE_LEN],
                         const uint8_t channel[KS_CHANNEL_LEN], uint8_t out_extra[32]);

/* --- enrolment, second exchange; rotation ------------------------------------------------- */

/* The certificate request: signed by the new key, so that it is held. */
struct ks_csr {
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_bytes device;
    uint8_t kem[KS_KEM_PUBLIC_LEN];     /* ML-KEM-768 */
    uint8_t key[KS_MLDSA65_PUBLIC_LEN]; /* ML-DSA-65 */
    uint8_t session[KS_ENROL_SESSION_LEN];
};
/* Sessions of a csr that belongs to no enrolment: zeros for a rotation; ones for one whose
 * answer was lost, which asks for the certificate of its key once more, and never for a new
 * key. */
bool ks_csr_is_rotation(const struct ks_csr *csr);
bool ks_csr_is_again(const struct ks_csr *csr);
void ks_csr_set_again(struct ks_csr *csr);

struct ks_finish {
    struct ks_csr csr;
    uint8_t csr_digest[32]; /* SHA-256 of the canonical csr */
    struct ks_platform platform;
    uint8_t proof[32]; /* HMAC-SHA256(activated secret, "ketseal/enrol-proof/1\n" || digest) */
    /* Read only: */
    struct ks_json_doc *doc;
};
void ks_finish_init(struct ks_finish *finish);
void ks_finish_done(struct ks_finish *finish);
/* What the quote and the proof are made over. */
KS_MUST_CHECK enum ks_err ks_csr_digest(const struct ks_csr *csr, uint8_t out_digest[32]);
void ks_enrol_proof(const struct ks_secret *secret, const uint8_t csr_digest[32],
                    uint8_t out_proof[32]);
/* KEY signs the csr and must be its key. */
KS_MUST_CHECK enum ks_err ks_finish_write(const struct ks_finish *finish,
                                          const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY unless the key in the csr signed it. OUT_FINISH is initialised here. */
KS_MUST_CHECK enum ks_err ks_finish_read(struct ks_bytes document,
                                         struct ks_finish *out_finish);

/* --- the operator's orders ---------------------------------------------------------------- */

/* What an operator has the site do with a device. */
#define KS_ORDER_LIST(X)                                                                       \
    X(SUSPEND, "suspend")                                                                      \
    X(RESUME, "resume")                                                                        \
    X(REVOKE, "revoke")                                                                        \
    X(COMPROMISE, "compromise")                                                                \
    X(ROTATE, "rotate")
enum ks_order_verb {
#define KS_ORDER_ENUM(name, text) KS_ORDER_##name,
    KS_ORDER_LIST(KS_ORDER_ENUM)
#undef KS_ORDER_ENUM
        KS_ORDERS
};
const char *ks_order_name(enum ks_order_verb verb); /* "suspend" */
KS_MUST_CHECK enum ks_err ks_order_from_name(struct ks_bytes name,
                                             enum ks_order_verb *out_verb);

struct ks_order {
    uint8_t channel[KS_CHANNEL_LEN];
    uint64_t created_us; /* grows with each order of one operator: none can be repeated */
    struct ks_bytes device;
    struct ks_bytes reason; /* for people; may be empty */
    struct ks_bytes site;   /* ledger origin */
    enum ks_order_verb verb;
    /* Read only: */
    struct ks_json_doc *doc;
};
KS_MUST_CHECK enum ks_err ks_order_write(const struct ks_order *order,
                                         const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY unless KEY signed it. */
KS_MUST_CHECK enum ks_err ks_order_read(struct ks_bytes document,
                                        const struct ks_verify_key *key,
                                        struct ks_order *out_order);
void ks_order_done(struct ks_order *order);

#endif
