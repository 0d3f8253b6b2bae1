/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A sealed update and a checkpoint, under one fixed key: nothing is opened but what is sealed
 * again as the same bytes. */
#include "fl/seal.h"

#define LEN_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[KS_AEAD_KEY_LEN] = {1};
    const struct ks_bytes sealed = ks_bytes_of(data, size);
    struct ks_bytes ciphertext = {0};
    struct ks_buf open;
    struct ks_buf again;

    ks_buf_init(&open, LEN_MAX);
    ks_buf_init(&again, LEN_MAX);
    if (ks_fl_unseal(key, sealed, &open) == KS_OK) {
        KS_ASSERT(ks_fl_sealed_ciphertext(ks_bytes_of(data, KS_FL_SEALED_HEAD_LEN),
                                          &ciphertext) == KS_OK);
        KS_ASSERT(ks_fl_seal(key, ciphertext.data, ks_buf_view(&open), &again) == KS_OK);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), sealed));
    } else if (ks_fl_checkpoint_unseal(key, sealed, &open) == KS_OK) {
        KS_ASSERT(size == open.len + KS_FL_CHECKPOINT_OVERHEAD);
    } else {
        KS_ASSERT(open.len == 0);
    }
    ks_buf_done(&open);
    ks_buf_done(&again);
    return 0;
}
