/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* certify.h: how a site becomes known to its operator: it shows its TPM, its launch and the
 * key with which it wants to issue certificates; the operator's CA challenges that TPM as the
 * site does with devices, then issues the issuer's certificate and signs the site's document.
 * Canonical JSON (docs/formats/certify.md). Pure. */
#ifndef KS_RECORD_CERTIFY_H
#define KS_RECORD_CERTIFY_H

#include "record/enrol.h"
#include "record/site.h"

#define KS_MLDSA87_PUBLIC_LEN     2592
#define KS_SITE_REQUEST_BYTES_MAX (KS_SITE_BYTES_MAX + 32768)

/* What the enclave shows. The quote's qualifying data is ks_platform_binding of KS_QUOTE_SITE
 * over the digest, its PCR the one of the site's launch log. */
struct ks_site_request {
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t nonce[KS_NONCE_LEN]; /* the operator's */
    struct ks_buf ek;            /* TPMT_PUBLIC */
    struct ks_buf ek_certificate;
    uint8_t issuer_key[KS_MLDSA87_PUBLIC_LEN];
    struct ks_buf site; /* the document, canonical, without issuer and certificate */
    struct ks_buf attest;
    struct ks_buf signature;
    uint8_t digest[32]; /* read only: of everything but attest and signature */
};
void ks_site_request_init(struct ks_site_request *request);
void ks_site_request_done(struct ks_site_request *request);
/* What is quoted. */
KS_MUST_CHECK enum ks_err ks_site_request_digest(const struct ks_site_request *request,
                                                 uint8_t out_digest[32]);
void ks_site_request_write(const struct ks_site_request *request, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_site_request_read(struct ks_bytes document,
                                               struct ks_site_request *out_request);

/* All checks of a request but that of the endorsement certificate and of the activation: the
 * quote is the attestation key's, over this request, made for NONCE and CHANNEL, and shows the
 * launch that the document names. KS_ERR_VERIFY says what is false. OUT_SITE is filled. */
KS_MUST_CHECK enum ks_err ks_site_request_check(const struct ks_site_request *request,
                                                const uint8_t nonce[KS_NONCE_LEN],
                                                const uint8_t channel[KS_CHANNEL_LEN],
                                                struct ks_site *out_site);

/* HMAC-SHA256(activated secret, "ketseal/site-proof/1\n" || digest of the request). */
void ks_site_proof(const struct ks_secret *secret, const uint8_t digest[32],
                   uint8_t out_proof[32]);

#endif
