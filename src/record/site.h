/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* site.h: the public face of a site's enclave: its keys, its platform and what was launched.
 * Devices and auditors pin it (docs/formats/site.md). Fixed size, no heap. Pure. */
#ifndef KS_RECORD_SITE_H
#define KS_RECORD_SITE_H

#include "attest/eventlog.h"
#include "base/json.h"
#include "crypto/cert.h"
#include "ledger/checkpoint.h"

#define KS_SITE_BYTES_MAX     (256 * 1024)
#define KS_ED25519_PUBLIC_LEN 32
#define KS_MLDSA44_PUBLIC_LEN 1312
#define KS_MLDSA65_PUBLIC_LEN 1952
#define KS_SITE_ISSUER_MAX    16384 /* bytes of DER: an ML-DSA-87 key under SLH-DSA has 10,900 */
#define KS_SITE_SIGNATURE_MAX 8192  /* SLH-DSA-SHA2-128s has 7,856 */

#define KS_CONTEXT_SITE "ketseal/site/1"

/* What the root says of a site: that this document is its, and in which TPM its attestation key
 * was shown to live (docs/formats/certify.md). */
struct ks_site_certificate {
    uint8_t ek[32];             /* SHA-256 of the TPMT_PUBLIC */
    uint8_t ek_certificate[32]; /* SHA-256 of its DER */
    uint64_t issued_us;
    uint64_t expires_us;
    bool simulated_tpm;
    uint8_t site[32]; /* SHA-256 of the document without the certificate */
    uint8_t signature[KS_SITE_SIGNATURE_MAX];
    size_t signature_len; /* 0: the site was not certified */
};

struct ks_site {
    char origin[256];
    bool simulated_tpm;
    uint8_t ak[KS_AK_PUBLIC_MAX]; /* TPMT_PUBLIC */
    size_t ak_len;
    uint8_t ed25519[KS_ED25519_PUBLIC_LEN];      /* signs records */
    uint8_t mldsa65[KS_MLDSA65_PUBLIC_LEN];      /* signs records and key answers */
    uint8_t note_ed25519[KS_ED25519_PUBLIC_LEN]; /* signs checkpoints */
    uint8_t note_mldsa44[KS_MLDSA44_PUBLIC_LEN]; /* signs checkpoints */
    struct ks_event_log event_log;               /* what was launched */
    /* DER of the certificate under which its enclave issues devices' certificates; length 0:
     * none, and then no certificate either. */
    uint8_t issuer[KS_SITE_ISSUER_MAX];
    size_t issuer_len;
    struct ks_site_certificate certificate;
};

/* {"ak":…,"backend":"process","ed25519":…,"event_log":{…},"ml-dsa-65":…,"note-ed25519":…,
 *  "note-ml-dsa-44":…,"origin":…,"schema":"ketseal.site/1","tpm":"simulated"}; of a certified
 * site "schema":"ketseal.site/2", with "certificate":{…} and "issuer":… */
void ks_site_write(const struct ks_site *site, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_site_parse(const struct ks_json *value, struct ks_site *out_site);
KS_MUST_CHECK enum ks_err ks_site_read(struct ks_bytes document, struct ks_site *out_site);

/* Certifies SITE, whose issuer is in place: fills its certificate from SAID (keys of the TPM,
 * times, kind), signed by ROOT_KEY. */
KS_MUST_CHECK enum ks_err ks_site_certify(struct ks_site *site,
                                          const struct ks_site_certificate *said,
                                          const struct ks_sign_key *root_key);
/* KS_OK only if ROOT signed SITE's certificate for this very document and TIME_US is within its
 * life; KS_ERR_VERIFY says what is false; KS_ERR_UNAVAILABLE when the site has none. */
KS_MUST_CHECK enum ks_err ks_site_check_certificate(const struct ks_site *site,
                                                    const struct ks_cert *root,
                                                    uint64_t time_us);

/* The keys of its ledger, Ed25519 and ML-DSA-44, under its name: the caller's to free. */
KS_MUST_CHECK enum ks_err ks_site_ledger_keys(const struct ks_site *site,
                                              struct ks_note_key *out_keys[2]);
/* Opens NOTE as a checkpoint of this site's ledger: both pinned keys must have signed it. Lines
 * by others, witnesses of theirs, are passed over: nothing here binds their bytes
 * (record/witnesses.h judges those that are known). Errors as ks_checkpoint_open. The origin
 * borrows from NOTE. */
KS_MUST_CHECK enum ks_err ks_site_checkpoint_open(const struct ks_site *site,
                                                  struct ks_bytes note,
                                                  struct ks_checkpoint_opened *out_opened);

/* The qualifying data of the quote that answers /attest:
 * SHA-256("ketseal/attest/1\n" || nonce (32 bytes) || channel (32 bytes)). */
void ks_attest_binding(const uint8_t nonce[32], const uint8_t channel[32],
                       uint8_t out_extra[32]);

#endif
