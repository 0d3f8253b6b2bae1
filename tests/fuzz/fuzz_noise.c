/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A noise model that parses prints as the bytes that it came from. */
#include "quantum/circuit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes text = ks_bytes_of(data, size);
    struct ks_noise noise;
    struct ks_buf out;

    if (ks_noise_parse(&text, &noise) != KS_OK) {
        return 0;
    }
    KS_ASSERT(ks_noise_check(&noise) == KS_OK);
    ks_buf_init(&out, SIZE_MAX);
    ks_noise_print(&noise, &out);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), text));
    ks_buf_done(&out);
    return 0;
}
