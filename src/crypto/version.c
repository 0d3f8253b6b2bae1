/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/version.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "crypto/internal.h"

#define OPENSSL_VERSION_3_5 0x30500000UL

_Static_assert(OPENSSL_VERSION_NUMBER >= OPENSSL_VERSION_3_5, "ketseal needs OpenSSL 3.5");

enum ks_err ks_fail_libcrypto_at(const char *file, int line, enum ks_err code, const char *what)
{
    unsigned long error = ERR_peek_error();
    char reason[120] = "libcrypto gives no reason";

    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) {
        code = KS_ERR_NOMEM;
    }
    if (error != 0) {
        const char *text = ERR_reason_error_string(error);
        if (text != NULL) {
            (void)snprintf(reason, sizeof reason, "%s", text);
        }
    }
    ERR_clear_error();
    return ks_fail_at(file, line, code, "%s: %s", what, reason);
}

void ks_libcrypto_forget(void)
{
    ERR_clear_error();
}

const uint8_t *ks_bytes_pointer(struct ks_bytes bytes)
{
    static const uint8_t nothing[1] = {0};

    return bytes.data == NULL ? nothing : bytes.data;
}

enum ks_err ks_crypto_check_version(void)
{
    /* One name per algorithm that a key or a channel of ours may need. */
    static const char *const needed[] = {"ML-DSA-44",         "ML-DSA-65",         "ML-DSA-87",
                                         "SLH-DSA-SHA2-128s", "SLH-DSA-SHA2-128f", "ML-KEM-512",
                                         "ML-KEM-768",        "ML-KEM-1024",       "ED25519"};
    unsigned long version = OpenSSL_version_num();

    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
        return ks_fail_libcrypto(KS_ERR_UNAVAILABLE, "starting libcrypto");
    }
    if (version < OPENSSL_VERSION_3_5) {
        return ks_fail(KS_ERR_UNAVAILABLE, "ketseal needs OpenSSL 3.5 or newer; found %s",
                       OpenSSL_version(OPENSSL_VERSION));
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        EVP_KEYMGMT *found = EVP_KEYMGMT_fetch(NULL, needed[i], NULL);
        if (found == NULL) {
            return ks_fail_libcrypto(KS_ERR_UNAVAILABLE, needed[i]);
        }
        EVP_KEYMGMT_free(found);
    }
    return KS_OK;
}
