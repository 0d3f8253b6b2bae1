/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a worker is given and what it answers: what passes is written again as the same bytes.
 * First byte: 0 a job, else a result. */
#include "enclave/work.h"

#define ENCODED_MAX ((size_t)32 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_reader reader = ks_reader_of(ks_bytes_of(data, size), "input");
    struct ks_work_job job = {0};
    struct ks_work_result result = {0};
    struct ks_buf again;
    uint8_t kind = 0;

    if (ks_read_u8(&reader, &kind) != KS_OK) {
        return 0;
    }
    const struct ks_bytes payload = reader.rest;
    ks_buf_init(&again, ENCODED_MAX);
    if (kind == 0 && ks_work_job_read(payload, &job) == KS_OK) {
        ks_work_job_put(&job, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), payload));
    }
    if (kind != 0 && ks_work_result_read(&reader, &result) == KS_OK) {
        ks_work_result_put(&result, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), payload));
    }
    ks_buf_done(&again);
    return 0;
}
