/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Certificates in DER: what passes is canonical, survives PEM, and can be judged. */
#include "crypto/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_cert *cert = NULL;
    struct ks_cert *again = NULL;
    struct ks_cert_trust *trust = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_buf pem;

    if (ks_cert_parse_der(ks_bytes_of(data, size), &cert) != KS_OK) {
        return 0;
    }
    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_ASSERT(ks_bytes_equal(ks_cert_der(cert), ks_bytes_of(data, size)));
    KS_ASSERT(ks_cert_subject(cert)[0] != '\0' &&
              ks_cert_serial(cert).len <= KS_CERT_SERIAL_MAX);
    KS_ASSERT(ks_cert_not_after_s(cert) <= KS_CERT_TIME_MAX);
    ks_cert_to_pem(cert, &pem);
    KS_ASSERT(ks_cert_parse_pem(ks_buf_view(&pem), &again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_cert_der(again), ks_cert_der(cert)));
    /* No leaf is signed by itself, and no root is a leaf, nor an issuer below itself. */
    const struct ks_cert_trust_spec alone = {.root = again};
    const struct ks_cert_trust_spec doubled = {.root = again, .issuer = cert};
    KS_ASSERT(ks_cert_trust_new(&doubled, &trust) == KS_ERR_VERIFY);
    if (ks_cert_trust_new(&alone, &trust) == KS_OK) {
        KS_ASSERT(ks_cert_role(cert) == KS_CERT_ROOT);
        for (enum ks_cert_role role = KS_CERT_SERVER; role <= KS_CERT_OPERATOR; role++) {
            KS_ASSERT(ks_cert_verify(cert, trust, role, ks_cert_not_before_s(cert)) ==
                      KS_ERR_VERIFY);
        }
        ks_cert_trust_free(trust);
    }
    (void)!ks_cert_check_host(cert, "site.example");
    if (ks_cert_key(cert, &key) == KS_OK) {
        KS_ASSERT(ks_sig_alg_post_quantum(ks_verify_key_alg(key)));
    }
    ks_verify_key_free(key);
    ks_cert_free(cert);
    ks_cert_free(again);
    ks_buf_done(&pem);
    return 0;
}
