/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ca.h: what the commands of the CA share: its directory (docs/formats/ca.md). */
#ifndef KS_CLI_CA_H
#define KS_CLI_CA_H

#include "cli/cli.h"
#include "crypto/cert.h"

KS_MUST_CHECK enum ks_err ks_ca_read_cert(const char *directory, const char *name,
                                          struct ks_cert **out_cert);

/* Adds SERIALS (hexadecimal) to the CA's revocations and issues crl.pem anew, its number one
 * up. Nothing is changed when one of them was never issued (KS_ERR_NOT_FOUND); one that is
 * revoked already keeps its time. One process at a time: others wait. */
KS_MUST_CHECK enum ks_err ks_ca_issue_crl(const char *directory, const struct ks_cert *root,
                                          const struct ks_sign_key *root_key,
                                          const char *const *serials, size_t count);

#endif
