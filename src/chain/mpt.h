/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* mpt.h: proofs in Merkle-Patricia tries (Ethereum Yellow Paper, appendix D), as eth_getProof
 * gives them: the nodes from the root to where the key is, or to where it would be. Keys are
 * hashed first (secure trie). Pure; no thread rule. */
#ifndef KS_CHAIN_MPT_H
#define KS_CHAIN_MPT_H

#include "crypto/digest.h"

#define KS_ADDRESS_LEN 20

#define KS_MPT_NODES_MAX 64   /* a path of 64 nibbles, at least one in each node */
#define KS_MPT_NODE_MAX  1024 /* bytes; a branch of sixteen hashes has 532 */

struct ks_mpt_proof {
    struct ks_bytes nodes[KS_MPT_NODES_MAX]; /* borrowed; root first */
    size_t count;
};

/* Points the nodes, whose lengths are known, to the bytes from AT on, where they stand one
 * after the other. Returns where they end. */
const uint8_t *ks_mpt_place(struct ks_mpt_proof *proof, const uint8_t *at);

/* What the trie with ROOT has at keccak256(KEY). KS_OK and *OUT_FOUND true with the value, a
 * view into PROOF; or false where PROOF shows that the key is absent. KS_ERR_VERIFY when the
 * nodes do not follow from ROOT, when one is missing or left over, or none is a trie's. */
KS_MUST_CHECK enum ks_err ks_mpt_get(const uint8_t root[KS_KECCAK256_LEN], struct ks_bytes key,
                                     const struct ks_mpt_proof *proof, bool *out_found,
                                     struct ks_bytes *out_value);

#endif
