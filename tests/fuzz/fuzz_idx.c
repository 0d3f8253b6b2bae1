/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Two IDX files, perhaps packed: a byte says how many of the bytes are the second. Each sample
 * of what is read can be had. */
#include "learn/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UNPACKED_MAX 65536

static bool unpacked(struct ks_bytes bytes, struct ks_buf *out)
{
    if (ks_gzip_is(bytes)) {
        return ks_gunzip(bytes, out) == KS_OK;
    }
    ks_buf_put(out, bytes);
    return out->err == KS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_samples samples = {0};
    struct ks_buf images;
    struct ks_buf labels;

    if (size == 0 || size > UNPACKED_MAX || data[0] >= size) {
        return 0;
    }
    const size_t len = size - 1 - data[0];

    ks_buf_init(&images, UNPACKED_MAX);
    ks_buf_init(&labels, UNPACKED_MAX);
    if (unpacked(ks_bytes_of(data + 1, len), &images) &&
        unpacked(ks_bytes_of(data + 1 + len, data[0]), &labels) &&
        ks_samples_idx(ks_buf_view(&images), ks_buf_view(&labels), 0, &samples) == KS_OK) {
        float *one = ks_calloc(samples.size, sizeof *one);

        for (size_t i = 0; i < samples.count && one != NULL; i++) {
            ks_samples_get(&samples, i, one);
            KS_ASSERT(samples.labels[i] < samples.classes);
        }
        ks_free(one);
        ks_samples_done(&samples);
    }
    ks_buf_done(&images);
    ks_buf_done(&labels);
    return 0;
}
