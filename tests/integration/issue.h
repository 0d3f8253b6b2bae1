/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* issue.h: certificates for tests that speak TLS: an SLH-DSA root and what it issues. Every
 * failure aborts. Views live as long as their object. */
#ifndef KS_TESTS_INTEGRATION_ISSUE_H
#define KS_TESTS_INTEGRATION_ISSUE_H

#include "base/buf.h"
#include "crypto/cert.h"

enum test_role {
    TEST_SERVER,
    TEST_DEVICE,
    TEST_EXPIRED_DEVICE,
    TEST_OPERATOR,
    TEST_CLASSICAL_DEVICE, /* P-256: what ketseal itself would not issue */
};

struct test_authority;
struct test_identity;

struct test_authority *test_authority_new(const char *name);
/* The same with a key of ALG. */
struct test_authority *test_authority_with(enum ks_sig_alg alg, const char *name);
/* The one that `ketseal ca new` made in DIRECTORY. */
struct test_authority *test_authority_open(const char *directory);
/* An issuer below ROOT: an authority for devices. */
struct test_authority *test_issuer_new(struct test_authority *root, const char *name);
void test_authority_free(struct test_authority *authority);
struct ks_bytes test_root_pem(const struct test_authority *authority);
const struct ks_cert *test_root_cert(const struct test_authority *authority);

/* DNS_NAME: for a server; its certificate is also for 127.0.0.1. */
struct test_identity *test_issue(struct test_authority *authority, enum test_role role,
                                 const char *subject, const char *dns_name);
/* The same with a key of ALG: SLH-DSA, or another of ML-DSA. */
struct test_identity *test_issue_with(struct test_authority *authority, enum test_role role,
                                      enum ks_sig_alg alg, const char *subject,
                                      const char *dns_name);
void test_identity_free(struct test_identity *identity);
struct ks_bytes test_cert_pem(const struct test_identity *identity);
struct ks_bytes test_cert_der(const struct test_identity *identity);
struct ks_bytes test_key_pem(const struct test_identity *identity);

/* A list that revokes IDENTITY. */
void test_revoke(struct test_authority *authority, const struct test_identity *identity,
                 struct ks_buf *out_crl_pem);
void test_revoke_cert(struct test_authority *authority, const struct ks_cert *cert,
                      struct ks_buf *out_crl_pem);

#endif
