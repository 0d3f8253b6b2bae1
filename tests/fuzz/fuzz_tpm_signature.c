/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* TPMT_SIGNATURE: no number is left outside its field. */
#include "attest/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tpm_signature signature;

    if (ks_tpm_signature_parse(ks_bytes_of(data, size), &signature) == KS_OK) {
        /* u16 scheme, u16 hash, then one or two numbers with their u16 sizes, each 1 byte at
         * least. */
        KS_ASSERT(size >= 7 && size <= 4 + 2 + 256);
        KS_ASSERT(signature.alg != KS_AK_ECDSA_P256 || size <= 4 + 2 * (2 + 32));
    }
    return 0;
}
