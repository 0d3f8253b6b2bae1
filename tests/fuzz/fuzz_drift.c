/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The state of a detector that follows its rows: its last 32 bytes are made right, so that what
 * is behind the hash is reached; what is read is written again as the same bytes, and goes on.
 */
#include <math.h>

#include "crypto/digest.h"
#include "detect/drift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ks_drift *drift)
{
    static struct ks_drift_step step;
    double row[KS_FOREST_FEATURES_MAX] = {0, 1, -1, (double)NAN, (double)INFINITY, 1e300};
    const uint64_t rows = ks_drift_rows(drift);

    for (unsigned i = 0; i < 3; i++) {
        row[0] = i;
        if (ks_drift_row(drift, row, &step) != KS_OK) {
            KS_ASSERT(false);
        }
        KS_ASSERT(step.detection.count == ks_forest_features(ks_drift_model(drift)));
    }
    KS_ASSERT(ks_drift_rows(drift) == rows + 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_drift *drift = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (size < KS_SHA256_LEN || size > 65536) {
        return 0;
    }
    ks_buf_init(&bytes, KS_DRIFT_BYTES_MAX);
    ks_buf_init(&again, KS_DRIFT_BYTES_MAX);
    ks_buf_put(&bytes, ks_bytes_of(data, size));
    KS_ASSERT(bytes.err == KS_OK);
    ks_sha256(ks_bytes_of(data, size - KS_SHA256_LEN), bytes.data + size - KS_SHA256_LEN);
    if (ks_drift_read(ks_buf_view(&bytes), &drift) == KS_OK) {
        if (ks_drift_write(drift, &again) != KS_OK) {
            KS_ASSERT(false);
        }
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(drift);
        ks_drift_free(drift);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
