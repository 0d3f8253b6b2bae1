/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The enclave's first frame: what passes is written again as the same bytes. */
#include "enclave/launch.h"

#define ENCODED_MAX ((size_t)32 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_enclave_config config = {0};
    struct ks_buf again;

    if (ks_enclave_config_read(ks_bytes_of(data, size), &config) != KS_OK) {
        return 0;
    }
    KS_ASSERT(config.workers >= 1 && config.workers <= KS_LAUNCH_WORKERS_MAX);
    ks_buf_init(&again, ENCODED_MAX);
    ks_enclave_config_put(&config, &again);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_buf_done(&again);
    return 0;
}
