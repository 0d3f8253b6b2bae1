/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* TPMT_PUBLIC: what passes can be handed to a signature check, which then answers no. */
#include "attest/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t ecdsa[] = {0x00, 0x18, 0x00, 0x0b, 0x00, 0x01, 0x05, 0x00, 0x01, 0x07};
    static const uint8_t rsassa[] = {0x00, 0x14, 0x00, 0x0b, 0x00, 0x01, 0x05};
    struct ks_ak_public ak;

    if (ks_ak_public_parse(ks_bytes_of(data, size), &ak) == KS_OK) {
        KS_ASSERT(ks_quote_check_signature(&ak, KS_LITERAL("x"), KS_BYTES(ecdsa)) != KS_OK);
        KS_ASSERT(ks_quote_check_signature(&ak, KS_LITERAL("x"), KS_BYTES(rsassa)) != KS_OK);
    }
    return 0;
}
