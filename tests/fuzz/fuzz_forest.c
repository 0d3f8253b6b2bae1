/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A model: its last 32 bytes are made right, so that what is behind the hash is reached; what
 * is read is written again as the same bytes, and scores and explains by every kernel alike. */
#include <math.h>

#include "crypto/digest.h"
#include "detect/forest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct ks_forest *forest)
{
    struct ks_forest_reason reasons[KS_FOREST_FEATURES_MAX];
    double row[KS_FOREST_FEATURES_MAX] = {0, 1, -1, (double)NAN, (double)INFINITY, 1e300};
    const struct ks_rows rows = {row, 1, ks_forest_features(forest), KS_FOREST_FEATURES_MAX};
    uint32_t path = 0;
    uint32_t again = 0;
    double baseline = 0;

    ks_forest_paths(forest, &rows, NULL, &path);
    if (ks_forest_paths_by(forest, "portable", &rows, &again) != KS_OK) {
        KS_ASSERT(false);
    }
    KS_ASSERT(path == again);
    ks_forest_explain(forest, row, reasons, &baseline);
    KS_ASSERT(baseline >= 0 && baseline <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_forest *forest = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (size < KS_FOREST_HASH_LEN || size > 65536) {
        return 0;
    }
    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    ks_buf_init(&again, KS_FOREST_BYTES_MAX);
    ks_buf_put(&bytes, ks_bytes_of(data, size));
    KS_ASSERT(bytes.err == KS_OK);
    ks_sha256(ks_bytes_of(data, size - KS_FOREST_HASH_LEN),
              bytes.data + size - KS_FOREST_HASH_LEN);
    if (ks_forest_read(ks_buf_view(&bytes), &forest) == KS_OK) {
        ks_forest_write(forest, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(forest);
        ks_forest_free(forest);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
