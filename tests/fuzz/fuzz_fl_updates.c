/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The list of a round: what is read is written again with the same bytes. */
#include "record/fl_updates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_updates updates = {.count = 0};
    struct ks_fl_updates_sum sum;
    struct ks_buf again;

    if (ks_fl_updates_read(ks_bytes_of(data, size), &updates) != KS_OK) {
        KS_ASSERT(updates.doc == NULL && updates.counted == NULL);
        return 0;
    }
    KS_ASSERT(updates.count <= KS_FL_DEVICES_MAX && updates.invited >= 1);
    ks_buf_init(&again, size);
    ks_fl_updates_write(&updates, &again);
    KS_ASSERT(again.err == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    KS_ASSERT(ks_fl_updates_sum(&updates, &sum) == KS_OK);
    ks_buf_done(&again);
    ks_fl_updates_done(&updates);
    return 0;
}
