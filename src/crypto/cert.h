/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cert.h: X.509 certificates and revocation lists of ketseal's CA (RFC 5280; ML-DSA by RFC
 * 9881, SLH-DSA by RFC 9909): a root that stays offline, and below it at most one issuer, whose
 * key a site keeps online to enrol devices. The profile is docs/formats/certificates.md. Hides
 * ASN.1 and libcrypto.
 *
 * Parsing accepts classical keys and signatures, so that verification can name them as its
 * reason to refuse; nothing classical is ever issued or verified. Certificates and lists are
 * immutable: any number of threads may use one at once. Time is an argument, in seconds since
 * 1970; no clock is read. */
#ifndef KS_CRYPTO_CERT_H
#define KS_CRYPTO_CERT_H

#include "base/buf.h"
#include "crypto/sign.h"

#define KS_CERT_DER_MAX       32768 /* bytes; an SLH-DSA-SHA2-128f signature takes 17,088 */
#define KS_CERT_PEM_MAX       49152
#define KS_CERT_SUBJECT_MAX   64  /* bytes of common name, RFC 5280 appendix A.1 */
#define KS_CERT_SERIAL_LEN    16  /* bytes, as issued */
#define KS_CERT_SERIAL_MAX    20  /* bytes, as read: RFC 5280 §4.1.2.2 */
#define KS_CERT_NAMES_MAX     32  /* DNS names and addresses in one certificate */
#define KS_CERT_DNS_NAME_MAX  253 /* bytes, RFC 1035 §2.3.4 */
#define KS_CERT_EXTENSION_MAX 16
#define KS_CERT_TIME_MAX      253402300799 /* 9999-12-31T23:59:59Z, RFC 5280 §4.1.2.5 */
#define KS_CRL_DER_MAX        (4 << 20)
#define KS_CRL_PEM_MAX        (6 << 20)
#define KS_CRL_ENTRIES_MAX    65536

/* The one extended key usage of an operator: an arc below 2.25 (ITU-T X.667) made from a random
 * UUID, ours alone. No other program takes such a certificate for a client's. */
#define KS_CERT_OPERATOR_OID "2.25.202404580414369008271319098654232491562"

enum ks_cert_role {
    KS_CERT_ROOT,   /* CA, path length 1 (0 before there were issuers), keyCertSign, cRLSign */
    KS_CERT_SERVER, /* extended key usage serverAuth alone */
    KS_CERT_DEVICE, /* extended key usage clientAuth alone */
    KS_CERT_ISSUER, /* CA below a root: path length 0, keyCertSign and cRLSign, no extended
                       key usage; the subject is the site's name */
    KS_CERT_OPERATOR, /* extended key usage KS_CERT_OPERATOR_OID alone */
};
/* "root", "server", "device", "issuer", "operator" */
const char *ks_cert_role_name(enum ks_cert_role role);

struct ks_cert;
struct ks_crl;

/* DER is copied. KS_ERR_FORMAT when it is not exactly one certificate in canonical DER within
 * the profile, KS_ERR_LIMIT above KS_CERT_DER_MAX. Says nothing about trust: see
 * ks_cert_verify. */
KS_MUST_CHECK enum ks_err ks_cert_parse_der(struct ks_bytes der, struct ks_cert **out_cert);
/* One "CERTIFICATE" block in strict PEM, nothing around it. */
KS_MUST_CHECK enum ks_err ks_cert_parse_pem(struct ks_bytes pem, struct ks_cert **out_cert);
void ks_cert_free(struct ks_cert *cert); /* NULL is fine */

/* Views live as long as the certificate. */
struct ks_bytes ks_cert_der(const struct ks_cert *cert);
/* Common name: id of a device or an operator, or the name of a site. */
const char *ks_cert_subject(const struct ks_cert *cert);
const char *ks_cert_issuer(const struct ks_cert *cert);
struct ks_bytes ks_cert_serial(const struct ks_cert *cert); /* big-endian, no leading zero */
uint64_t ks_cert_not_before_s(const struct ks_cert *cert);  /* first second of validity */
uint64_t ks_cert_not_after_s(const struct ks_cert *cert);   /* last second of validity */
enum ks_cert_role ks_cert_role(const struct ks_cert *cert);
const char *ks_cert_key_name(const struct ks_cert *cert); /* "ML-DSA-65", or libcrypto's name */
/* The subject's key, for the caller to free. KS_ERR_VERIFY when it is not post-quantum. */
KS_MUST_CHECK enum ks_err ks_cert_key(const struct ks_cert *cert,
                                      struct ks_verify_key **out_key);
void ks_cert_to_pem(const struct ks_cert *cert, struct ks_buf *out); /* sticky in OUT */
void ks_cert_fingerprint(const struct ks_cert *cert,
                         uint8_t out_digest[32]); /* SHA-256 of DER */
/* KS_ERR_VERIFY unless HOST (a DNS name, or an address as text) is one of the alternative
 * names. The common name does not count (RFC 9525 §6.3). */
KS_MUST_CHECK enum ks_err ks_cert_check_host(const struct ks_cert *cert, const char *host);

/* --- verifying ---------------------------------------------------------------------------- */

struct ks_cert_trust_spec {
    const struct ks_cert *root;
    const struct ks_crl *crl;        /* the root's list; NULL: none */
    const struct ks_cert *issuer;    /* NULL: none, only the root's own leaves are good */
    const struct ks_crl *issuer_crl; /* the issuer's list; NULL: none */
};
/* What leaves are verified against: a root, perhaps an issuer below it, and their lists, whose
 * signatures were found good when it was made, once. A hash-based signature costs more than
 * all the rest of a chain; and there is no way to have a trust object with one unchecked.
 * Immutable: any number of threads may use it at once. */
struct ks_cert_trust;

/* All that does not depend on the time: the root is one of ours (self-signed CA with path
 * length 0 or 1, keyCertSign and cRLSign alone); the issuer is one (CA with path length 0, the
 * same key usage, no extended one), signed by this root, which has path length 1; each list is
 * signed by its CA; all keys and signatures are post-quantum. KS_ERR_VERIFY names the reason.
 * KS_ERR_USAGE for an issuer's list without the issuer. What SPEC points to is borrowed and
 * must outlive the trust object. */
KS_MUST_CHECK enum ks_err ks_cert_trust_new(const struct ks_cert_trust_spec *spec,
                                            struct ks_cert_trust **out_trust);
void ks_cert_trust_free(struct ks_cert_trust *trust); /* NULL is fine */

/* KS_OK only if CERT is of ROLE (any but KS_CERT_ROOT, asserted) with the key usages of that
 * role, its key and signature are post-quantum, the signature is the root's, or, of a device,
 * the issuer's, root and CERT are valid at TIME_S, and the root's list was not to be replaced
 * before TIME_S and does not name CERT. Of a device from the issuer, besides: the issuer is
 * good by these same rules at TIME_S, CERT's validity lies within the issuer's, and the
 * issuer's list was not to be replaced before TIME_S and does not name CERT. A list newer than
 * TIME_S is welcome: it knows more. KS_ERR_VERIFY names the reason. */
KS_MUST_CHECK enum ks_err ks_cert_verify(const struct ks_cert *cert,
                                         const struct ks_cert_trust *trust,
                                         enum ks_cert_role role, uint64_t time_s);
/* The last second until which ks_cert_verify, having said KS_OK of CERT, goes on to say so:
 * whoever remembers the answer forgets it then. */
uint64_t ks_cert_verified_until_s(const struct ks_cert *cert,
                                  const struct ks_cert_trust *trust);

/* --- issuing ------------------------------------------------------------------------------ */

struct ks_cert_spec {
    enum ks_cert_role role;
    const char *subject;    /* 1 to 64 printable ASCII; device, operator: [A-Za-z0-9_-] only */
    const char *const *dns; /* servers only; no wildcards */
    size_t dns_count;
    const char *const *ips; /* servers only; IPv4 or IPv6 as text */
    size_t ip_count;
    uint64_t not_before_s;
    uint64_t not_after_s; /* inclusive */
    const uint8_t
        *serial; /* KS_CERT_SERIAL_LEN random bytes, or NULL for libcrypto's generator */
};

/* A self-signed root of path length 1; SPEC's role is KS_CERT_ROOT. KS_ERR_USAGE on a classical
 * KEY (use SLH-DSA-SHA2-128s) or a specification outside the profile. The first two bits of the
 * serial number are set to 01, so that it is positive and always KS_CERT_SERIAL_LEN bytes. */
KS_MUST_CHECK enum ks_err ks_cert_issue_root(const struct ks_sign_key *key,
                                             const struct ks_cert_spec *spec,
                                             struct ks_cert **out_cert);
/* A certificate for SUBJECT_KEY, signed by CA_KEY, within CA's own validity: of any role but
 * KS_CERT_ROOT when CA is a root, of a device alone when it is an issuer. KS_ERR_USAGE for
 * other roles, when CA_KEY is not CA's, SUBJECT_KEY is classical or an issuer's and not ML-DSA
 * (it signs on line), or an issuer is asked of a root with path length 0. TLS takes SLH-DSA
 * keys only where it is told to (crypto/slhdsa_tls.h). */
KS_MUST_CHECK enum ks_err ks_cert_issue(const struct ks_cert *ca,
                                        const struct ks_sign_key *ca_key,
                                        const struct ks_cert_spec *spec,
                                        const struct ks_verify_key *subject_key,
                                        struct ks_cert **out_cert);

/* --- revocation --------------------------------------------------------------------------- */

struct ks_crl_entry {
    struct ks_bytes serial; /* as ks_cert_serial */
    uint64_t revoked_s;
};
struct ks_crl_spec {
    const struct ks_crl_entry *entries;
    size_t count;
    uint64_t number; /* grows with each list, RFC 5280 §5.2.3 */
    uint64_t this_update_s;
    uint64_t next_update_s; /* the list is stale from this second on */
};
/* The list of a root or an issuer. KS_ERR_USAGE when CA is neither, CA_KEY is not CA's, a
 * serial number appears twice, or times are in disorder. */
KS_MUST_CHECK enum ks_err ks_crl_issue(const struct ks_cert *ca,
                                       const struct ks_sign_key *ca_key,
                                       const struct ks_crl_spec *spec, struct ks_crl **out_crl);
/* As for certificates; the block is "X509 CRL". The signature is checked by
 * ks_cert_trust_new. */
KS_MUST_CHECK enum ks_err ks_crl_parse_der(struct ks_bytes der, struct ks_crl **out_crl);
KS_MUST_CHECK enum ks_err ks_crl_parse_pem(struct ks_bytes pem, struct ks_crl **out_crl);
void ks_crl_free(struct ks_crl *crl);                             /* NULL is fine */
void ks_crl_to_pem(const struct ks_crl *crl, struct ks_buf *out); /* sticky in OUT */
struct ks_bytes ks_crl_der(const struct ks_crl *crl);
uint64_t ks_crl_number(const struct ks_crl *crl);
uint64_t ks_crl_this_update_s(const struct ks_crl *crl);
uint64_t ks_crl_next_update_s(const struct ks_crl *crl);
/* Entries in ascending order of serial numbers; INDEX < ks_crl_count (asserted). */
size_t ks_crl_count(const struct ks_crl *crl);
struct ks_crl_entry ks_crl_at(const struct ks_crl *crl, size_t index);
bool ks_crl_lists(const struct ks_crl *crl, struct ks_bytes serial);
/* KS_ERR_VERIFY unless CRL is signed by CA, a root or an issuer that is valid at TIME_S, and
 * TIME_S is before its next update. Does not say that CA is to be trusted. */
KS_MUST_CHECK enum ks_err ks_crl_verify(const struct ks_crl *crl, const struct ks_cert *ca,
                                        uint64_t time_s);

#endif
