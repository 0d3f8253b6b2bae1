/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A stream of frames, whole and in two parts: the same frames come out either way, each is
 * written again as the same bytes, and an answer opens or not without harm. First byte: where
 * to cut. */
#include "enclave/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes all whole frames that are there and writes them to AGAIN. */
static enum ks_err drain(struct ks_channel *channel, struct ks_buf *again)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    struct ks_reader reader = {0};
    bool found = true;

    while ((err = ks_channel_next(channel, &frame, &found)) == KS_OK && found) {
        const size_t begin = ks_frame_begin(again, frame.type, frame.id);

        ks_buf_put(again, frame.payload);
        ks_frame_end(again, begin);
        (void)!ks_answer_open(&frame, &reader);
    }
    return err;
}

static enum ks_err read_stream(struct ks_bytes stream, size_t cut, struct ks_buf *again)
{
    enum ks_err err = KS_OK;
    struct ks_channel channel;

    ks_channel_init(&channel, -1, "peer");
    ks_buf_put(&channel.in, ks_bytes_of(stream.data, cut));
    err = drain(&channel, again);
    if (err == KS_OK) {
        ks_buf_put(&channel.in, ks_bytes_of(stream.data + cut, stream.len - cut));
        err = drain(&channel, again);
    }
    ks_channel_done(&channel);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_buf whole;
    struct ks_buf parts;

    if (size == 0 || size > KS_FRAME_MAX) {
        return 0;
    }
    const struct ks_bytes stream = ks_bytes_of(data + 1, size - 1);
    ks_buf_init(&whole, KS_FRAME_MAX);
    ks_buf_init(&parts, KS_FRAME_MAX);
    const enum ks_err err = read_stream(stream, stream.len, &whole);
    KS_ASSERT(read_stream(stream, data[0] % (stream.len + 1), &parts) == err);
    KS_ASSERT(whole.len <= stream.len);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&whole), ks_bytes_of(stream.data, whole.len)));
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&whole), ks_buf_view(&parts)));
    ks_buf_done(&whole);
    ks_buf_done(&parts);
    return 0;
}
