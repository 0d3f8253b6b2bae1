/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a site says about a device. */
#include <string.h>

#include "record/exhibit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_registered registered = {0};

    if (ks_registered_read(ks_bytes_of(data, size), &registered) != KS_OK) {
        KS_ASSERT(registered.device[0] == '\0');
        return 0;
    }
    KS_ASSERT(ks_text_is_name(ks_bytes_text(registered.device), KS_CERT_SUBJECT_MAX));
    KS_ASSERT(registered.tpm == KS_TPM_SET_HARDWARE || registered.tpm == KS_TPM_SET_SIMULATED);
    return 0;
}
