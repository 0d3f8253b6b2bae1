/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* TPMS_ATTEST: what passes has the shape that the checks rely on. */
#include "attest/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_quote_view view;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN] = {{0}};

    if (ks_quote_parse(ks_bytes_of(data, size), &view) == KS_OK) {
        KS_ASSERT(view.pcr_mask != 0 && view.pcr_mask < 1u << KS_PCR_COUNT);
        KS_ASSERT(view.qualified_signer.len == KS_AK_NAME_LEN);
        KS_ASSERT(view.extra_data.len <= KS_QUOTE_EXTRA_MAX);
        KS_ASSERT(ks_quote_check_extra(&view, view.extra_data) == KS_OK);
        (void)!ks_quote_check_pcrs(&view, view.pcr_mask,
                                   (const uint8_t(*)[KS_PCR_DIGEST_LEN])values);
    }
    return 0;
}
