/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* right_hash.h: documents that end with their own SHA-256, with that hash made right, so that a
 * fuzzer reaches what is behind it. */
#ifndef KS_TESTS_FUZZ_RIGHT_HASH_H
#define KS_TESTS_FUZZ_RIGHT_HASH_H

#include "base/buf.h"
#include "crypto/digest.h"

#define RIGHT_HASH_MAX 65536

/* Puts DATA into OUT, which is made here; false, and nothing made, for too few bytes or too
 * many. */
static inline bool right_hash(const uint8_t *data, size_t size, struct ks_buf *out)
{
    if (size < KS_SHA256_LEN || size > RIGHT_HASH_MAX) {
        return false;
    }
    ks_buf_init(out, RIGHT_HASH_MAX);
    ks_buf_put(out, ks_bytes_of(data, size));
    KS_ASSERT(out->err == KS_OK);
    ks_sha256(ks_bytes_of(data, size - KS_SHA256_LEN), out->data + size - KS_SHA256_LEN);
    return true;
}

#endif
