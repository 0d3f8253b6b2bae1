/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* steps.h: what happens around the signature of an anchor: preparing the transaction, sending
 * the signed one until it stands, proving what then stands. Each step can be done again. Holds
 * no key. One thread at a time. */
#ifndef KS_ANCHOR_STEPS_H
#define KS_ANCHOR_STEPS_H

#include "anchor/node.h"
#include "chain/anchor.h"

/* Bounds on what a node, which may lie, can make anyone pay, in wei for a unit of gas. */
#define KS_FEE_MAX_WEI UINT64_C(500000000000)
#define KS_TIP_MAX_WEI UINT64_C(5000000000)

struct ks_prepare_spec {
    uint64_t chain_id;
    uint8_t from[KS_ADDRESS_LEN];
    uint8_t contract[KS_ADDRESS_LEN]; /* not where CREATES */
    uint8_t code_hash[KS_KECCAK256_LEN];
    uint8_t digest[32];
    bool creates;                 /* the contract, instead of anchoring */
    uint64_t fee_max_wei;         /* at most */
    uint64_t tip_max_wei;         /* at most */
    uint64_t gas;                 /* 0: a fifth more than the node estimates */
    const struct ks_tx *replaces; /* NULL, or one of the same account that is stuck */
};

/* An unsigned transaction after those of the account that wait already, or in the place of one.
 * KS_ERR_CONFLICT when the digest is anchored already; KS_ERR_VERIFY for a contract of other
 * code; KS_ERR_LIMIT when the bounds are too low for now. */
KS_MUST_CHECK enum ks_err
ks_step_prepare(struct ks_node *node, const struct ks_prepare_spec *spec, struct ks_tx *out_tx);

struct ks_send_spec {
    unsigned wait_ms;       /* for the block; 0: only hands it over */
    uint64_t confirmations; /* blocks from the one with it to the newest, both counted */
};

struct ks_sent {
    uint8_t hash[KS_KECCAK256_LEN];
    bool included; /* and confirmed; false only without waiting */
    struct ks_receipt receipt;
};

/* Sends TX unless the node has it, and waits; again where it was dropped or its block went
 * away. KS_ERR_CONFLICT when another transaction of the account has its nonce, or one before it
 * is missing; KS_ERR_DENIED when the node refuses it; KS_ERR_VERIFY when it was executed and
 * failed; KS_ERR_UNAVAILABLE when time is over. */
KS_MUST_CHECK enum ks_err ks_step_send(struct ks_node *node, const struct ks_tx *tx,
                                       const struct ks_send_spec *spec,
                                       struct ks_sent *out_sent);

struct ks_prove_spec {
    const struct ks_anchor_pin *pin; /* its blocks do not count */
    uint8_t digest[32];
    const char *block;      /* "finalized", "safe", "latest", or a number as 0x…; or NULL: */
    uint64_t confirmations; /* the newest that has so many, itself counted */
};

/* Appends the evidence, checked against the pin. KS_ERR_NOT_FOUND when the digest does not
 * stand there, or not yet; KS_ERR_VERIFY when the node's proof is none. */
KS_MUST_CHECK enum ks_err ks_step_prove(struct ks_node *node, const struct ks_prove_spec *spec,
                                        struct ks_buf *out_document);

#endif
