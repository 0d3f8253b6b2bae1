/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "oracle/naive_merkle.h"

#include <stdbool.h>
#include <string.h>

#include "crypto/digest.h"

/* The largest power of two below COUNT. */
static size_t split(size_t count)
{
    size_t k = 1;

    while (k * 2 < count) {
        k *= 2;
    }
    return k;
}

void naive_root(const uint8_t *leaves, size_t count, uint8_t out_root[32])
{
    uint8_t block[65] = {0x01};

    if (count == 0) {
        ks_sha256((struct ks_bytes){NULL, 0}, out_root);
    } else if (count == 1) {
        memcpy(out_root, leaves, 32);
    } else {
        const size_t k = split(count);
        naive_root(leaves, k, block + 1);
        naive_root(leaves + k * 32, count - k, block + 33);
        ks_sha256(ks_bytes_of(block, sizeof(block)), out_root);
    }
}

size_t naive_path(const uint8_t *leaves, size_t count, size_t index, uint8_t (*out_path)[32])
{
    const size_t k = split(count);
    size_t len = 0;

    if (count == 1) {
        return 0;
    }
    if (index < k) {
        len = naive_path(leaves, k, index, out_path);
        naive_root(leaves + k * 32, count - k, out_path[len]);
    } else {
        len = naive_path(leaves + k * 32, count - k, index - k, out_path);
        naive_root(leaves, k, out_path[len]);
    }
    return len + 1;
}

static size_t subproof(const uint8_t *leaves, size_t count, size_t old_count, bool whole,
                       uint8_t (*out_proof)[32])
{
    const size_t k = split(count);
    size_t len = 0;

    if (old_count == count) {
        if (whole) {
            return 0;
        }
        naive_root(leaves, count, out_proof[0]);
        return 1;
    }
    if (old_count <= k) {
        len = subproof(leaves, k, old_count, whole, out_proof);
        naive_root(leaves + k * 32, count - k, out_proof[len]);
    } else {
        len = subproof(leaves + k * 32, count - k, old_count - k, false, out_proof);
        naive_root(leaves, k, out_proof[len]);
    }
    return len + 1;
}

size_t naive_proof(const uint8_t *leaves, size_t count, size_t old_count,
                   uint8_t (*out_proof)[32])
{
    return subproof(leaves, count, old_count, true, out_proof);
}
