/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Sealed blobs: what passes has one encoding, and the policy that its fields say. */
#include "attest/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_sealed_view view;
    struct ks_buf again;

    if (ks_sealed_parse(ks_bytes_of(data, size), &view) == KS_OK) {
        KS_ASSERT(view.pcr_mask != 0 && view.pcr_mask < 1u << KS_PCR_COUNT);
        KS_ASSERT(!view.has_authority || (view.authority.purpose.len >= 1 &&
                                          view.authority.purpose.len <= KS_SEALED_PURPOSE_MAX));
        KS_ASSERT(view.private_area.len > 0);
        ks_buf_init(&again, KS_SEALED_MAX);
        KS_ASSERT(ks_sealed_encode(&view, &again) == KS_OK);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
        ks_buf_done(&again);
    }
    return 0;
}
