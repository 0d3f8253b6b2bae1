/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* safetensors: what is read lies inside the bytes, and written canonically it is read as the
 * same, and written again as the same bytes. */
#include "base/tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TENSORS_MAX 64

static bool write_all(const struct ks_tensors *tensors, struct ks_buf *out)
{
    struct ks_tensor all[TENSORS_MAX];
    const size_t count = ks_tensors_count(tensors);

    if (count > TENSORS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = *ks_tensors_at(tensors, i);
    }
    ks_tensors_write(all, count, NULL, 0, out);
    KS_ASSERT(out->err == KS_OK);
    return true;
}

static void use(const struct ks_tensors *tensors, struct ks_bytes bytes)
{
    for (size_t i = 0; i < ks_tensors_count(tensors); i++) {
        const struct ks_tensor *tensor = ks_tensors_at(tensors, i);
        const size_t count = tensor->data.len / ks_dtype_size(tensor->dtype);
        float *values = ks_calloc(count, sizeof *values);

        KS_ASSERT(tensor->data.len == 0 ||
                  (tensor->data.data >= bytes.data &&
                   tensor->data.data + tensor->data.len <= bytes.data + bytes.len));
        if (values != NULL && ks_tensor_floats(tensor, values) != KS_OK) {
            KS_ASSERT(ks_err_detail()[0] == 't');
        }
        ks_free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tensors *tensors = NULL;
    struct ks_tensors *again = NULL;
    struct ks_buf first;
    struct ks_buf second;

    if (ks_tensors_read(ks_bytes_of(data, size), size, &tensors) != KS_OK) {
        return 0;
    }
    use(tensors, ks_bytes_of(data, size));
    ks_buf_init(&first, KS_TENSORS_BYTES_MAX);
    ks_buf_init(&second, KS_TENSORS_BYTES_MAX);
    if (write_all(tensors, &first)) {
        if (ks_tensors_read(ks_buf_view(&first), first.len, &again) != KS_OK) {
            KS_ASSERT(false);
        }
        KS_ASSERT(write_all(again, &second));
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
    }
    ks_tensors_free(tensors);
    ks_tensors_free(again);
    ks_buf_done(&first);
    ks_buf_done(&second);
    return 0;
}
