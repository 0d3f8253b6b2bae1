/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ekcert.h: endorsement key certificates: what a TPM's maker says about one of its keys (TCG EK
 * Credential Profile for TPM Family 2.0, "EKP"; RFC 5280), and the chain to a root that the
 * operator trusts. Hides ASN.1 and libcrypto. The profile is docs/formats/endorsement.md.
 *
 * These certificates are classical, RSA or ECDSA: makers issue nothing else. They say in which
 * chip a key lives; ketseal's own certificates (cert.h) are post-quantum. Revocation is not
 * checked: no list is fetched. Objects are immutable: any number of threads may use one at
 * once. Time is an argument, in seconds since 1970; no clock is read. */
#ifndef KS_CRYPTO_EKCERT_H
#define KS_CRYPTO_EKCERT_H

#include "base/buf.h"

#define KS_EK_CERT_DER_MAX  8192 /* bytes; makers' have 800 to 2,000 */
#define KS_EK_CHAIN_MAX     4    /* certificates from the EK's to the root's, both counted */
#define KS_EK_CERTS_MAX     64   /* certificates in one list of roots or intermediates */
#define KS_EK_PEM_MAX       (1024 * 1024) /* bytes of text that such a list may come in */
#define KS_EK_TEXT_MAX      64  /* bytes of an attribute: manufacturer, model, version */
#define KS_EK_NAME_TEXT_MAX 128 /* bytes of a subject's or issuer's name, as shown */
#define KS_EK_RSA_LEN_MAX   512 /* bytes of modulus: RSA 4096 */
#define KS_EK_ECC_LEN_MAX   48  /* bytes of a coordinate: P-384 */

enum ks_ek_alg {
    KS_EK_RSA,      /* 2048, 3072 or 4096 bits */
    KS_EK_ECC_P256, /* NIST P-256 */
    KS_EK_ECC_P384, /* NIST P-384 */
};
const char *ks_ek_alg_name(enum ks_ek_alg alg); /* "RSA", "P-256", "P-384" */

/* A public endorsement key, from a certificate or from a TPM's public area. */
struct ks_ek_key {
    enum ks_ek_alg alg;
    size_t len; /* bytes of modulus, or of each coordinate */
    uint8_t
        modulus[KS_EK_RSA_LEN_MAX]; /* RSA: LEN bytes, big-endian, first bit set; else zero */
    uint32_t exponent;              /* RSA: 65537; else 0 */
    uint8_t x[KS_EK_ECC_LEN_MAX];   /* ECC: LEN bytes, big-endian; else zero */
    uint8_t y[KS_EK_ECC_LEN_MAX];
};
/* The same algorithm, size and numbers. */
bool ks_ek_key_equal(const struct ks_ek_key *a, const struct ks_ek_key *b);

/* One certificate of a chain: the endorsement key's, or an authority's. */
struct ks_ek_cert;

/* Exactly one certificate in DER, which is copied. KS_ERR_FORMAT when it is none, or bytes
 * follow it; KS_ERR_LIMIT above KS_EK_CERT_DER_MAX. Says nothing about trust: see
 * ks_ek_cert_verify. */
KS_MUST_CHECK enum ks_err ks_ek_cert_parse_der(struct ks_bytes der,
                                               struct ks_ek_cert **out_cert);
void ks_ek_cert_free(struct ks_ek_cert *cert); /* NULL is fine */

/* The certificate at the start of what a TPM keeps in its NV index: some makers fill the index
 * up with 0x00 or 0xff after it. The view borrows from CONTENTS. KS_ERR_FORMAT when there is no
 * DER sequence at the start, or the rest is neither empty nor such filling. */
KS_MUST_CHECK enum ks_err ks_ek_cert_of_nv(struct ks_bytes contents, struct ks_bytes *out_der);

/* Views live as long as the certificate. */
struct ks_bytes ks_ek_cert_der(const struct ks_ek_cert *cert);
void ks_ek_cert_fingerprint(const struct ks_ek_cert *cert,
                            uint8_t out_digest[32]);           /* SHA-256 of the DER */
const char *ks_ek_cert_subject(const struct ks_ek_cert *cert); /* "CN=…, O=…", or "" */
const char *ks_ek_cert_issuer(const struct ks_ek_cert *cert);
uint64_t ks_ek_cert_not_before_s(const struct ks_ek_cert *cert); /* first second of validity */
uint64_t ks_ek_cert_not_after_s(const struct ks_ek_cert *cert);  /* last second of validity */

/* EKP §3.2.9: the TPM of the subject alternative name's directory name, as printable text; ""
 * where there is none (an authority has none). Manufacturer is "id:" and the TCG vendor id in
 * 8 hexadecimal digits ("id:49424D00"), version the same way ("id:20191023"), model is free
 * ("swtpm"). */
const char *ks_ek_cert_manufacturer(const struct ks_ek_cert *cert);
const char *ks_ek_cert_model(const struct ks_ek_cert *cert);
const char *ks_ek_cert_version(const struct ks_ek_cert *cert);

/* The subject's key, borrowed. KS_ERR_VERIFY when it is none that an endorsement key may be
 * (RSA 2048, 3072, 4096 with exponent 65537, P-256, P-384). */
KS_MUST_CHECK enum ks_err ks_ek_cert_key(const struct ks_ek_cert *cert,
                                         const struct ks_ek_key **out_key);

/* --- lists -------------------------------------------------------------------------------- */

/* Roots, or intermediates. Zeroed is empty and may be given to every function here. */
struct ks_ek_certs {
    struct ks_ek_cert *certs[KS_EK_CERTS_MAX]; /* owned */
    size_t count;
};
/* Adds the certificates of TEXT: "CERTIFICATE" blocks (RFC 7468); lines between blocks are
 * skipped, as makers and swtpm_localca write some. KS_ERR_FORMAT names the block that does not
 * parse, and is given when there is none; KS_ERR_LIMIT above KS_EK_CERTS_MAX or KS_EK_PEM_MAX.
 * On failure CERTS is as it was. */
KS_MUST_CHECK enum ks_err ks_ek_certs_add_pem(struct ks_ek_certs *certs, struct ks_bytes text);
/* Adds one certificate in DER. */
KS_MUST_CHECK enum ks_err ks_ek_certs_add_der(struct ks_ek_certs *certs, struct ks_bytes der);
void ks_ek_certs_done(struct ks_ek_certs *certs); /* frees them; empty and reusable */

/* KS_OK only if a chain of at most KS_EK_CHAIN_MAX certificates leads from EK through some of
 * INTERMEDIATES (untrusted) to one of ROOTS (self-signed), each signed by the next one, with at
 * least the strength of RSA 2048 and SHA-224; all are valid at TIME_S; all but EK are
 * authorities that may sign certificates, within their path lengths and name constraints; no
 * critical extension is left that was not understood; and EK is an endorsement key's (EKP §3):
 * a key that ks_ek_cert_key gives, no authority, key usage keyEncipherment (RSA) or
 * keyAgreement (ECC) where the extension is there, extended key usage tcg-kp-EKCertificate
 * (2.23.133.8.1) where that is there, and manufacturer, model and version named. KS_ERR_VERIFY
 * names the certificate and the reason. *OUT_ROOT (may be NULL) is the index of that root in
 * ROOTS, so that a caller can keep what it knows of each (a simulator's root, say). */
KS_MUST_CHECK enum ks_err ks_ek_cert_verify(const struct ks_ek_cert *ek,
                                            const struct ks_ek_certs *intermediates,
                                            const struct ks_ek_certs *roots, uint64_t time_s,
                                            size_t *out_root);

#endif
