/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The state of a round: its last 32 bytes are made right, so that what is behind the hash is
 * reached; what is read is written again as the same bytes, and takes every event as it says
 * that it will. */
#include "fl/round.h"
#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ks_fl_round *read)
{
    struct ks_fl_round_status status;

    for (unsigned kind = KS_FL_EVENT_TICK; kind <= KS_FL_EVENT_BROKEN; kind++) {
        for (size_t i = 0; i < 3; i++) {
            const size_t count = ks_fl_round_participants(read);
            const struct ks_fl_participant *participant =
                ks_fl_round_participant(read, i < count ? i : 0);
            const struct ks_fl_event event = {
                .kind = (enum ks_fl_event_kind)kind,
                .now_us = kind * 1000,
                .client = ks_bytes_text(participant->name),
                .samples = 1,
            };
            const enum ks_fl_answer answer = ks_fl_round_check(read, &event);

            KS_ASSERT(ks_fl_round_apply(read, &event) == answer);
            ks_fl_round_status(read, &status);
            KS_ASSERT(status.invited + status.joined + status.delivered + status.left == count);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_round *read = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (!right_hash(data, size, &bytes)) {
        return 0;
    }
    ks_buf_init(&again, RIGHT_HASH_MAX);
    if (ks_fl_round_read(ks_buf_view(&bytes), &read) == KS_OK) {
        ks_fl_round_write(read, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(read);
        ks_fl_round_free(read);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
