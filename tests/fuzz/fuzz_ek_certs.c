/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A list of certificates in PEM: it grows by what was read, or stays as it was. */
#include "crypto/ekcert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_ek_certs certs = {0};
    const bool ok = ks_ek_certs_add_pem(&certs, ks_bytes_of(data, size)) == KS_OK;

    KS_ASSERT(ok == (certs.count > 0));
    KS_ASSERT(ks_ek_certs_add_pem(&certs, KS_LITERAL("none")) != KS_OK);
    ks_ek_certs_done(&certs);
    return 0;
}
