/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* timestamp_parts.h: what the files behind timestamp.h share. Nothing outside src/crypto may
 * include it. */
#ifndef KS_CRYPTO_TIMESTAMP_PARTS_H
#define KS_CRYPTO_TIMESTAMP_PARTS_H

#include <openssl/ts.h>

#include "crypto/internal.h"
#include "crypto/timestamp.h"

/* A token taken apart; owns both. */
struct ks_timestamp_token {
    PKCS7 *cms;
    TS_TST_INFO *info;
};
/* The form of ks_timestamp_read; release with ks_timestamp_token_done, after a failure, too. */
KS_MUST_CHECK enum ks_err ks_timestamp_token_open(struct ks_bytes token,
                                                  struct ks_timestamp_token *out_token,
                                                  struct ks_timestamp *out_stamp);
void ks_timestamp_token_done(struct ks_timestamp_token *token);
/* Exactly one CMS structure; the caller frees. */
KS_MUST_CHECK enum ks_err ks_timestamp_cms_parse(struct ks_bytes der, PKCS7 **out_cms);
/* Brings CMS, a time stamp, into normal form and appends its DER. KS_ERR_FORMAT, KS_ERR_LIMIT
 * for what can have none. */
KS_MUST_CHECK enum ks_err ks_timestamp_normal(PKCS7 *cms, struct ks_buf *out);
/* The signer's certificate, of the token's or of OTHERS (may be NULL); borrowed; NULL: none. */
X509 *ks_timestamp_signer(PKCS7 *cms, STACK_OF(X509) * others);
/* The subject of CERT for people. */
void ks_timestamp_show_name(const X509 *cert, char target[KS_TIMESTAMP_NAME_MAX]);

#endif
