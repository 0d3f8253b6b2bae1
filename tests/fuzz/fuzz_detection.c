/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a model said of a row: what is read is written again as the same bytes, and its reasons
 * can be told. */
#include "detect/detection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_detection detection;
    struct ks_buf again;

    ks_buf_init(&again, KS_DETECTION_BYTES_MAX);
    if (ks_detection_read(ks_bytes_of(data, size), &detection) == KS_OK) {
        ks_detection_write(&detection, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
        KS_ASSERT(ks_detection_carriers(&detection) <= detection.count);
        ks_buf_clear(&again);
        ks_detection_put_reasons(&detection, detection.count, &again);
        KS_ASSERT(again.len > 0);
    }
    ks_buf_done(&again);
    return 0;
}
