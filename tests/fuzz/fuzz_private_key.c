/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Private key files: what passes is written the same again. */
#include "crypto/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_sign_key *key = NULL;
    struct ks_buf pem;

    if (ks_sign_key_from_pem(ks_bytes_of(data, size), &key) != KS_OK) {
        return 0;
    }
    ks_buf_init(&pem, KS_KEY_PEM_MAX);
    KS_ASSERT(ks_sign_key_to_pem(key, &pem) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&pem), ks_bytes_of(data, size)));
    ks_sign_key_free(key);
    ks_buf_wipe(&pem);
    return 0;
}
