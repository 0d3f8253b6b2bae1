/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An EK certificate in DER: what passes can be verified, and is no chain to itself. */
#include "crypto/ekcert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_ek_cert *cert = NULL;
    struct ks_ek_certs itself = {0};
    struct ks_bytes der;
    const struct ks_ek_key *key = NULL;

    if (ks_ek_cert_of_nv(ks_bytes_of(data, size), &der) != KS_OK) {
        der = ks_bytes_of(data, size);
    }
    if (ks_ek_cert_parse_der(der, &cert) == KS_OK) {
        KS_ASSERT(ks_bytes_equal(ks_ek_cert_der(cert), der));
        KS_ASSERT(ks_ek_cert_key(cert, &key) == KS_OK || key == NULL);
        KS_ASSERT(ks_ek_certs_add_der(&itself, der) == KS_OK);
        KS_ASSERT(ks_ek_cert_verify(cert, &itself, &itself, 1798000000, NULL) == KS_ERR_VERIFY);
    }
    ks_ek_certs_done(&itself);
    ks_ek_cert_free(cert);
    return 0;
}
