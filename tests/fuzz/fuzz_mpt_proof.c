/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Trie proofs: nodes, each with a u16 length before it, after one byte of key length and the
 * key. The root is that of the first node, so that the walk begins; a value is in a node. */
#include "chain/mpt.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct ks_bytes value, const struct ks_mpt_proof *proof)
{
    for (size_t i = 0; i < proof->count; i++) {
        const uint8_t *start = proof->nodes[i].data;

        if (value.data >= start && value.data + value.len <= start + proof->nodes[i].len) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_reader reader = ks_reader_of(ks_bytes_of(data, size), "fuzz");
    struct ks_mpt_proof proof = {0};
    struct ks_bytes key = {0};
    struct ks_bytes value = {0};
    uint8_t root[KS_KECCAK256_LEN] = {0};
    uint8_t key_len = 0;
    bool found = false;

    if (ks_read_u8(&reader, &key_len) != KS_OK ||
        ks_read_bytes(&reader, key_len, &key) != KS_OK) {
        return 0;
    }
    while (proof.count < KS_MPT_NODES_MAX && reader.rest.len > 0 &&
           ks_read_lp16(&reader, KS_MPT_NODE_MAX, &proof.nodes[proof.count]) == KS_OK) {
        proof.count++;
    }
    if (proof.count > 0) {
        ks_keccak256(proof.nodes[0], root);
    }
    if (ks_mpt_get(root, key, &proof, &found, &value) == KS_OK && found) {
        KS_ASSERT(value.len > 0 && is_inside(value, &proof));
    }
    return 0;
}
