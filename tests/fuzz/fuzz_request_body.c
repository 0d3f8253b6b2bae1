/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The body of POST /qjob: what is accepted is written again as the same bytes. */
#include "record/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_request_body body = {0};
    struct ks_buf job;
    struct ks_buf submission;
    struct ks_buf again;

    if (ks_request_body_parse(ks_bytes_of(data, size), &body) != KS_OK) {
        KS_ASSERT(body.doc == NULL);
        return 0;
    }
    ks_buf_init(&job, KS_JOB_BYTES_MAX);
    ks_buf_init(&submission, KS_JOB_BYTES_MAX);
    ks_buf_init(&again, KS_JOB_BYTES_MAX);
    ks_job_write(&body.job, &job);
    ks_submission_write(&body.submission, &submission);
    ks_request_body_write(ks_buf_view(&job), ks_buf_view(&submission),
                          ks_buf_view(&body.signature), &again);
    KS_ASSERT(ks_buf_check(&again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_buf_done(&job);
    ks_buf_done(&submission);
    ks_buf_done(&again);
    ks_request_body_done(&body);
    return 0;
}
