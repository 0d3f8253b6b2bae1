/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What two key managers say, chosen by the first byte: one encoding for each value. */
#include "kme/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SAME(name, bytes)                                                                      \
    do {                                                                                       \
        struct ks_kme_##name value;                                                            \
        if (ks_kme_##name##_read((bytes), &value) == KS_OK) {                                  \
            struct ks_buf out;                                                                 \
            ks_buf_init(&out, KS_KME_ALLOTMENT_MAX);                                           \
            ks_kme_##name##_put(&out, &value);                                                 \
            KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), (bytes)));                             \
            ks_buf_done(&out);                                                                 \
        }                                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_bytes bytes = {0};

    if (size == 0) {
        return 0;
    }
    bytes = ks_bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case KS_KME_HELLO:
        SAME(hello, bytes);
        break;
    case KS_KME_START:
        SAME(start, bytes);
        break;
    case KS_KME_DONE:
        SAME(done, bytes);
        break;
    case KS_KME_ALLOT:
        SAME(allotment, bytes);
        break;
    default:
        SAME(answer, bytes);
        break;
    }
    return 0;
}
