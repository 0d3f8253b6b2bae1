/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ekcert_parts.h: what the files behind ekcert.h share. Nothing outside src/crypto may include
 * it. */
#ifndef KS_CRYPTO_EKCERT_PARTS_H
#define KS_CRYPTO_EKCERT_PARTS_H

#include <openssl/x509.h>

#include "crypto/ekcert.h"

struct ks_ek_cert {
    X509 *x509; /* read only once parsed */
    struct ks_buf der;
    char subject[KS_EK_NAME_TEXT_MAX];
    char issuer[KS_EK_NAME_TEXT_MAX];
    uint64_t not_before_s;
    uint64_t not_after_s;
    char manufacturer[KS_EK_TEXT_MAX + 1];
    char model[KS_EK_TEXT_MAX + 1];
    char version[KS_EK_TEXT_MAX + 1];
    bool has_purposes; /* an extended key usage */
    bool ek_purpose;   /* … that names tcg-kp-EKCertificate */
    bool key_known;
    struct ks_ek_key key;
};

#endif
