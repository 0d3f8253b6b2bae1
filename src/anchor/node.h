/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* node.h: what an EVM node is asked for, in the forms of src/chain. A header is believed as far
 * as it hashes to what the node calls it by, a proof not at all until it is checked. One thread
 * at a time. */
#ifndef KS_ANCHOR_NODE_H
#define KS_ANCHOR_NODE_H

#include "anchor/rpc.h"
#include "chain/header.h"
#include "chain/tx.h"

struct ks_node;

/* Connects and asks for the chain: KS_ERR_VERIFY unless it is CHAIN_ID. */
KS_MUST_CHECK enum ks_err ks_node_open(const struct ks_rpc_spec *spec, uint64_t chain_id,
                                       struct ks_node **out_node);
void ks_node_close(struct ks_node *node); /* NULL is fine */
/* As ks_rpc_refusal. */
const char *ks_node_refusal(const struct ks_node *node);

/* Transactions of ADDRESS in blocks; with those that wait, too, if PENDING. */
KS_MUST_CHECK enum ks_err ks_node_nonce(struct ks_node *node,
                                        const uint8_t address[KS_ADDRESS_LEN], bool pending,
                                        uint64_t *out_nonce);

/* Of a unit of gas: what the next block takes, and the median of the tips in the last twenty.
 */
struct ks_fees {
    uint64_t base_wei;
    uint64_t tip_wei;
};
KS_MUST_CHECK enum ks_err ks_node_fees(struct ks_node *node, struct ks_fees *out_fees);
/* Gas that TX would take now; its own fields for gas and fees do not count. */
KS_MUST_CHECK enum ks_err ks_node_estimate(struct ks_node *node, const struct ks_tx *tx,
                                           uint64_t *out_gas);

/* Keccak-256 of the code at ADDRESS; KS_ERR_NOT_FOUND when there is none. */
KS_MUST_CHECK enum ks_err ks_node_code_hash(struct ks_node *node,
                                            const uint8_t address[KS_ADDRESS_LEN],
                                            uint8_t out_hash[KS_KECCAK256_LEN]);
/* What SUBMITTER has anchored, as of the newest block; zeros if nothing. */
KS_MUST_CHECK enum ks_err ks_node_anchored(struct ks_node *node,
                                           const uint8_t contract[KS_ADDRESS_LEN],
                                           const uint8_t submitter[KS_ADDRESS_LEN],
                                           uint8_t out_digest[32]);

/* Hands a signed transaction over. KS_ERR_DENIED as ks_rpc_call. */
KS_MUST_CHECK enum ks_err ks_node_send(struct ks_node *node, struct ks_bytes encoded);
/* Whether the node knows a transaction, in a block or waiting. */
KS_MUST_CHECK enum ks_err ks_node_knows(struct ks_node *node,
                                        const uint8_t hash[KS_KECCAK256_LEN], bool *out_known);

struct ks_receipt {
    uint64_t block_number;
    uint8_t block_hash[KS_KECCAK256_LEN];
    uint64_t gas_used;
    uint64_t price_wei; /* of a unit of gas */
    bool succeeded;
};
/* *OUT_FOUND false: the transaction is in no block. */
KS_MUST_CHECK enum ks_err ks_node_receipt(struct ks_node *node,
                                          const uint8_t hash[KS_KECCAK256_LEN], bool *out_found,
                                          struct ks_receipt *out_receipt);

/* Appends the RLP of the header of block AT: a number as 0x…, or "latest", "safe", "finalized".
 * Built from the fields that the node gives; KS_ERR_VERIFY unless they hash to the block's
 * hash. KS_ERR_NOT_FOUND when there is no such block. */
KS_MUST_CHECK enum ks_err ks_node_header(struct ks_node *node, const char *at,
                                         struct ks_buf *out_rlp, struct ks_header *out_header);
/* The same by number. */
KS_MUST_CHECK enum ks_err ks_node_header_of(struct ks_node *node, uint64_t number,
                                            struct ks_buf *out_rlp,
                                            struct ks_header *out_header);

/* Nodes of the trie for CONTRACT and its SLOT at block NUMBER, unchecked. The views point into
 * BYTES, which the caller has initialised with KS_RPC_ANSWER_MAX. */
KS_MUST_CHECK enum ks_err ks_node_proof(struct ks_node *node,
                                        const uint8_t contract[KS_ADDRESS_LEN],
                                        const uint8_t slot[32], uint64_t number,
                                        struct ks_buf *bytes, struct ks_mpt_proof *out_account,
                                        struct ks_mpt_proof *out_storage);

#endif
