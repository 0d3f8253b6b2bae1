/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tx.h: transactions of EIP-1559 (type 2) that anchor a digest or create the contract, unsigned
 * and signed: as a file (ketseal.anchor-tx/1, docs/formats/anchor.md) that goes to the signer
 * and back, and as the bytes that go to a node. Makes no signature. Pure; no thread rule. */
#ifndef KS_CHAIN_TX_H
#define KS_CHAIN_TX_H

#include "base/json.h"
#include "chain/mpt.h"

#define KS_TX_SCHEMA   "ketseal.anchor-tx/1"
#define KS_TX_DATA_MAX 4096        /* bytes: a call, or the code that creates the contract */
#define KS_TX_LEN_MAX  (16 * 1024) /* bytes of a file; encoded it is shorter */

/* Of secp256k1, recoverable. */
struct ks_tx_signature {
    uint8_t r[32];
    uint8_t s[32]; /* at most half of the group's order (EIP-2) */
    uint8_t y_parity;
};

/* Amounts are at most 2^53 - 1: nine million gwei for a unit of gas. */
struct ks_tx {
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t tip_wei;             /* of a unit of gas, to who proposes the block */
    uint64_t fee_max_wei;         /* of a unit of gas, in all */
    uint64_t gas;                 /* at most */
    uint8_t from[KS_ADDRESS_LEN]; /* whose signature it takes; no part of what is signed */
    uint8_t to[KS_ADDRESS_LEN];
    bool creates; /* a contract; TO is nothing */
    bool is_signed;
    struct ks_tx_signature signature;
    size_t data_len;
    uint8_t data[KS_TX_DATA_MAX];
};

/* What is signed: keccak256(02 || rlp([…])). KS_ERR_NOMEM alone can happen. */
KS_MUST_CHECK enum ks_err ks_tx_hash_unsigned(const struct ks_tx *tx,
                                              uint8_t out_hash[KS_KECCAK256_LEN]);
/* Appends what a node takes (asserts is_signed), and its hash: how chains name it. */
void ks_tx_encode(const struct ks_tx *tx, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_tx_hash(const struct ks_tx *tx,
                                     uint8_t out_hash[KS_KECCAK256_LEN]);

/* The file, strict both ways: canonical JSON. KS_ERR_FORMAT or KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_tx_parse(struct ks_bytes text, struct ks_tx *out_tx);
void ks_tx_write(const struct ks_tx *tx, struct ks_buf *out);

/* The digest that TX anchors; KS_ERR_FORMAT where it is no call of anchor(bytes32). */
KS_MUST_CHECK enum ks_err ks_tx_digest(const struct ks_tx *tx, uint8_t out_digest[32]);

#endif
