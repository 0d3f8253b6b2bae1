/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What arrives at a socket: frames cut out of any bytes, and each payload read as everything
 * that a frame can carry. What is accepted is written again as the same bytes. */
#include <string.h>

#include "enclave/frame.h"
#include "enclave/launch.h"
#include "enclave/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(struct ks_buf *again, struct ks_bytes payload)
{
    KS_ASSERT(ks_buf_check(again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(again), payload));
    ks_buf_clear(again);
}

static void read_payload(const struct ks_frame *frame)
{
    struct ks_enclave_config config;
    struct ks_work_job job;
    struct ks_work_result result;
    struct ks_reader reader = ks_reader_of(frame->payload, "result");
    struct ks_buf again;

    ks_buf_init(&again, KS_FRAME_MAX);
    if (ks_enclave_config_read(frame->payload, &config) == KS_OK) {
        ks_enclave_config_put(&config, &again);
        expect_same(&again, frame->payload);
    }
    if (ks_work_job_read(frame->payload, &job) == KS_OK) {
        ks_work_job_put(&job, &again);
        expect_same(&again, frame->payload);
    }
    if (ks_work_result_read(&reader, &result) == KS_OK) {
        ks_work_result_put(&result, &again);
        expect_same(&again, frame->payload);
    }
    if (ks_answer_open(frame, &reader) == KS_OK) {
        KS_ASSERT(reader.rest.len + 2 == frame->payload.len);
    }
    ks_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_channel channel;
    struct ks_frame frame = {0};
    bool found = true;
    size_t used = 0;

    ks_channel_init(&channel, -1, "peer");
    ks_buf_put(&channel.in, ks_bytes_of(data, size));
    KS_ASSERT(ks_buf_check(&channel.in) == KS_OK);
    while (found && ks_channel_next(&channel, &frame, &found) == KS_OK) {
        if (found) {
            used += KS_FRAME_HEADER_LEN + frame.payload.len;
            KS_ASSERT(used <= size);
            read_payload(&frame);
        }
    }
    ks_channel_done(&channel);
    return 0;
}
