/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "anchor/contract.h"
#include "anchor/steps.h"
#include "base/text.h"
#include "chain/address.h"

/* A node takes a replacement for a tenth more of both fees (geth, reth); an eighth is more. */
#define RAISED(wei) ((wei) + (wei) / 8 + 1)

static enum ks_err set_call(struct ks_node *node, const struct ks_prepare_spec *spec,
                            struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t anchored[32];

    KS_TRY(ks_node_code_hash(node, spec->contract, hash));
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(spec->code_hash)), KS_ERR_VERIFY,
             "the contract at this address has other code than it should");
    KS_TRY(ks_node_anchored(node, spec->contract, spec->from, anchored));
    KS_CHECK(!ks_bytes_equal(KS_BYTES(anchored), KS_BYTES(spec->digest)), KS_ERR_CONFLICT,
             "this checkpoint is anchored already: prove it");
    ks_copy(tx->to, spec->contract, sizeof tx->to);
    ks_call_anchor(spec->digest, tx->data);
    tx->data_len = KS_CALL_LEN;
out:
    return err;
}

static enum ks_err set_creation(struct ks_tx *tx)
{
    size_t len = strlen(ks_contract_creation_code) / 2;

    KS_ASSERT(len <= sizeof tx->data);
    tx->creates = true;
    tx->data_len = len;
    return ks_hex_decode(ks_bytes_text(ks_contract_creation_code), tx->data, len);
}

/* Twice the base fee lasts for six full blocks, each of which raises it by an eighth. */
static enum ks_err set_fees(struct ks_node *node, const struct ks_prepare_spec *spec,
                            struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    struct ks_fees fees;

    KS_TRY(ks_node_fees(node, &fees));
    KS_CHECK(fees.base_wei <= spec->fee_max_wei, KS_ERR_LIMIT,
             "the next block takes %llu wei for a unit of gas, over the bound of %llu",
             (unsigned long long)fees.base_wei, (unsigned long long)spec->fee_max_wei);
    tx->tip_wei = fees.tip_wei < spec->tip_max_wei ? fees.tip_wei : spec->tip_max_wei;
    tx->fee_max_wei = 2 * fees.base_wei + tx->tip_wei;
    if (spec->replaces != NULL) {
        uint64_t tip = RAISED(spec->replaces->tip_wei);
        uint64_t fee_max = RAISED(spec->replaces->fee_max_wei);

        tx->tip_wei = tx->tip_wei > tip ? tx->tip_wei : tip;
        tx->fee_max_wei = tx->fee_max_wei > fee_max ? tx->fee_max_wei : fee_max;
        KS_CHECK(tip <= spec->tip_max_wei && fee_max <= spec->fee_max_wei, KS_ERR_LIMIT,
                 "a replacement has to offer %llu wei for a unit of gas, %llu of it as a tip",
                 (unsigned long long)fee_max, (unsigned long long)tip);
    }
    if (tx->fee_max_wei > spec->fee_max_wei) {
        tx->fee_max_wei = spec->fee_max_wei;
    }
    if (tx->tip_wei > tx->fee_max_wei) {
        tx->tip_wei = tx->fee_max_wei;
    }
out:
    return err;
}

static enum ks_err set_nonce(struct ks_node *node, const struct ks_prepare_spec *spec,
                             struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    uint64_t included = 0;

    if (spec->replaces == NULL) {
        return ks_node_nonce(node, spec->from, true, &tx->nonce);
    }
    KS_CHECK(ks_bytes_equal(KS_BYTES(spec->replaces->from), KS_BYTES(spec->from)) &&
                 spec->replaces->chain_id == spec->chain_id,
             KS_ERR_USAGE, "the transaction to replace is of another account or chain");
    KS_TRY(ks_node_nonce(node, spec->from, false, &included));
    KS_CHECK(spec->replaces->nonce >= included, KS_ERR_CONFLICT,
             "nonce %llu is in a block already: there is nothing to replace",
             (unsigned long long)spec->replaces->nonce);
    tx->nonce = spec->replaces->nonce;
out:
    return err;
}

enum ks_err ks_step_prepare(struct ks_node *node, const struct ks_prepare_spec *spec,
                            struct ks_tx *out_tx)
{
    enum ks_err err = KS_OK;
    struct ks_tx tx = {.chain_id = spec->chain_id, .gas = spec->gas};
    uint64_t estimate = 0;

    ks_copy(tx.from, spec->from, sizeof tx.from);
    KS_TRY(spec->creates ? set_creation(&tx) : set_call(node, spec, &tx));
    KS_TRY(set_nonce(node, spec, &tx));
    KS_TRY(set_fees(node, spec, &tx));
    if (tx.gas == 0) {
        KS_TRY(ks_node_estimate(node, &tx, &estimate));
        tx.gas = estimate + estimate / 5;
    }
    *out_tx = tx;
out:
    return err;
}
