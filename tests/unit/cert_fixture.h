/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cert_fixture.h: what the tests of certificates share: keys from seeds, ordinary certificates,
 * and a builder, by libcrypto alone, of odd ones. */
#ifndef KS_TESTS_UNIT_CERT_FIXTURE_H
#define KS_TESTS_UNIT_CERT_FIXTURE_H

#include <openssl/x509.h>

#include "crypto/cert.h"

#define BEGIN  UINT64_C(1767225600) /* 2026-01-01T00:00:00Z */
#define NOW    UINT64_C(1775000000)
#define END    UINT64_C(1798761599) /* 2026-12-31T23:59:59Z */
#define YEAR_S UINT64_C(31536000)

#define ROOT_CONSTRAINTS "critical,CA:TRUE,pathlen:0"
#define ROOT_USAGE       "critical,keyCertSign,cRLSign"
#define LEAF_CONSTRAINTS "critical,CA:FALSE"
#define LEAF_USAGE       "critical,digitalSignature"

/* The key of the seed FIRST, FIRST + 1, … */
struct ks_sign_key *key_of(enum ks_sig_alg alg, uint8_t first);
/* Valid from BEGIN to END. */
struct ks_cert_spec spec_of(enum ks_cert_role role, const char *subject);
/* Valid ten years longer. */
struct ks_cert *root_of(const struct ks_sign_key *key, const char *subject);
X509 *x509_of(const struct ks_cert *cert);

struct ks_cert *cert_from(const char *name); /* a file of tests/vectors/cert */

/* A trust object for this one verification. */
enum ks_err verify_under(const struct ks_cert *cert, const struct ks_cert_trust_spec *spec,
                         enum ks_cert_role role, uint64_t time_s);
/* The last failure says REASON, and libcrypto has no error left. */
void assert_reason(const char *reason);

/* Extensions in libcrypto's configuration syntax. */
struct odd {
    const char *subject;
    const char *issuer;
    const char *basic_constraints;
    const char *key_usage;
    const char *extended_key_usage; /* NULL: none */
    const char *extra;              /* an alternative name; NULL: none */
};
void add_extension(X509 *x509, X509 *issuer, int nid, const char *value);
/* A certificate of SUBJECT_KEY, signed by KEY, as read by ketseal. */
enum ks_err make_odd(const struct odd *odd, EVP_PKEY *subject_key, EVP_PKEY *key, X509 *issuer,
                     struct ks_cert **out_cert);

#endif
