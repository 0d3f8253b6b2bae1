/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/version.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
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

/* --- memory ------------------------------------------------------------------------------- */

static atomic_bool lacked_memory;

static void *watched_realloc(void *old, size_t size, const char *file, int line)
{
    void *memory = NULL;

    (void)file;
    (void)line;
    if (size == 0) {
        ks_free(old);
        return NULL; /* as libcrypto's own does */
    }
    memory = ks_realloc(old, size, 1);
    if (memory == NULL) {
        atomic_store(&lacked_memory, true);
    }
    return memory;
}

static void *watched_malloc(size_t size, const char *file, int line)
{
    return watched_realloc(NULL, size, file, line);
}

static void watched_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    ks_free(memory);
}

void ks_libcrypto_watch_memory(void)
{
    /* Refused once libcrypto has allocated: then it was not the first call, as it has to be. */
    KS_ASSERT(CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free) == 1);
}

bool ks_libcrypto_lacked_memory(void)
{
    return atomic_load(&lacked_memory);
}
