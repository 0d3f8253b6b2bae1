/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ca.h: what the commands of the CA share: its directory (docs/formats/ca.md). */
#ifndef KS_CLI_CA_H
#define KS_CLI_CA_H

#include "cli/cli.h"
#include "crypto/cert.h"

/* Makes a CA in DIRECTORY: its root as SPEC says, with a key of ALG, and an empty list of what
 * is revoked. KS_ERR_CONFLICT where there is one. The root is the caller's to free. */
KS_MUST_CHECK enum ks_err ks_ca_make(const char *directory, enum ks_sig_alg alg,
                                     const struct ks_cert_spec *spec,
                                     struct ks_cert **out_root);
/* A key of ALG and its certificate, LEAF within the root's own validity, by the CA in
 * DIRECTORY: ROLE.key, ROLE.pem and root.pem in the directory OUT, which is made. The
 * certificate is the caller's to free. */
KS_MUST_CHECK enum ks_err ks_ca_issue(const char *directory, enum ks_sig_alg alg,
                                      const struct ks_cert_spec *leaf, const char *out,
                                      struct ks_cert **out_cert);

KS_MUST_CHECK enum ks_err ks_ca_read_cert(const char *directory, const char *name,
                                          struct ks_cert **out_cert);

#define KS_CA_CRL_DAYS 30 /* until the list is to be replaced */
/* Adds SERIALS (hexadecimal) to the CA's revocations and issues crl.pem anew, its number one
 * up. Nothing is changed when one of them was never issued (KS_ERR_NOT_FOUND); one that is
 * revoked already keeps its time. One process at a time: others wait. */
KS_MUST_CHECK enum ks_err ks_ca_issue_crl(const char *directory, const struct ks_cert *root,
                                          const struct ks_sign_key *root_key,
                                          const char *const *serials, size_t count);

#endif
