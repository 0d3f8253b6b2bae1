/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a model said of a row: what is read is written again as the same bytes, and its reasons
 * can be told. And pages of anomalies, whose numbers fall. */
#include "detect/detection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ks_err visit(void *context, uint64_t number, const struct ks_detection *detection)
{
    uint64_t *last = context;

    KS_ASSERT(number < *last && detection->is_anomaly && detection->has_subject);
    *last = number;
    return KS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_detection detection;
    struct ks_buf again;
    uint64_t last = UINT64_MAX;
    uint64_t next = 0;

    if (ks_alert_page_read(ks_bytes_of(data, size), visit, &last, &next) == KS_OK) {
        KS_ASSERT(next <= KS_JSON_INTEGER_MAX);
    }

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
