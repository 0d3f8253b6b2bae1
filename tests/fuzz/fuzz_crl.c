/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Revocation lists in DER: what passes is canonical, sorted, and finds each of its entries. */
#include "crypto/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_crl *crl = NULL;
    struct ks_crl *again = NULL;
    struct ks_buf pem;

    if (ks_crl_parse_der(ks_bytes_of(data, size), &crl) != KS_OK) {
        return 0;
    }
    ks_buf_init(&pem, KS_CRL_PEM_MAX);
    KS_ASSERT(ks_bytes_equal(ks_crl_der(crl), ks_bytes_of(data, size)));
    KS_ASSERT(ks_crl_this_update_s(crl) < ks_crl_next_update_s(crl));
    ks_crl_to_pem(crl, &pem);
    KS_ASSERT(ks_crl_parse_pem(ks_buf_view(&pem), &again) == KS_OK);
    KS_ASSERT(ks_crl_count(again) == ks_crl_count(crl));
    for (size_t i = 0; i < ks_crl_count(crl); i++) {
        KS_ASSERT(ks_crl_lists(crl, ks_crl_at(crl, i).serial));
    }
    KS_ASSERT(!ks_crl_lists(crl, KS_LITERAL("")));
    ks_crl_free(crl);
    ks_crl_free(again);
    ks_buf_done(&pem);
    return 0;
}
