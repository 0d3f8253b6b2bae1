/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A record of the chain of rounds: what is read is written again as the same bytes. */
#include "enclave/rounds_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_round_record record;
    struct ks_buf again;

    if (ks_round_record_read(ks_bytes_of(data, size), &record) != KS_OK) {
        return 0;
    }
    ks_buf_init(&again, KS_ROUND_RECORD_LEN);
    ks_round_record_put(&record, &again);
    KS_ASSERT(ks_buf_check(&again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_buf_done(&again);
    return 0;
}
