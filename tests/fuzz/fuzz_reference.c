/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The reference policy: what is read is written byte for byte. */
#include "attest/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes text = ks_bytes_of(data, size);
    struct ks_reference *reference = NULL;
    struct ks_buf out;

    ks_buf_init(&out, KS_REFERENCE_MAX);
    if (ks_reference_parse(text, &reference) == KS_OK) {
        ks_reference_write(reference, &out);
        KS_ASSERT(ks_buf_check(&out) == KS_OK && ks_bytes_equal(ks_buf_view(&out), text));
    }
    ks_buf_done(&out);
    ks_reference_free(reference);
    return 0;
}
