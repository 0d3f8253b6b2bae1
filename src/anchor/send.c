/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <time.h>

#include "anchor/signer.h"
#include "anchor/steps.h"
#include "base/sys.h"

#define POLL_MS     500
#define ENCODED_MAX (2 * KS_TX_DATA_MAX)

/* Errors that say that the node has the transaction: geth, reth and anvil, nethermind. */
static bool is_known_already(const char *refusal)
{
    return strstr(refusal, "already known") != NULL ||
           strstr(refusal, "AlreadyKnown") != NULL ||
           strstr(refusal, "already imported") != NULL;
}

/* Why TX is in no block: in the end it is with the node, or an error says what is wrong. */
static enum ks_err hand_over(struct ks_node *node, const struct ks_tx *tx,
                             const uint8_t hash[KS_KECCAK256_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf encoded;
    struct ks_receipt receipt;
    uint64_t nonce = 0;
    bool found = false;

    ks_buf_init(&encoded, ENCODED_MAX);
    KS_TRY(ks_node_nonce(node, tx->from, false, &nonce));
    if (nonce > tx->nonce) {
        /* It may have got into a block since it was asked for. */
        KS_TRY(ks_node_receipt(node, hash, &found, &receipt));
        KS_CHECK(found, KS_ERR_CONFLICT,
                 "nonce %llu of this account went to another transaction: prepare it anew",
                 (unsigned long long)tx->nonce);
        goto out;
    }
    KS_TRY(ks_node_knows(node, hash, &found));
    if (found) {
        goto out;
    }
    KS_TRY(ks_node_nonce(node, tx->from, true, &nonce));
    KS_CHECK(nonce >= tx->nonce, KS_ERR_CONFLICT,
             "nonce %llu has to wait for nonce %llu of this account, which nobody has sent",
             (unsigned long long)tx->nonce, (unsigned long long)nonce);
    ks_tx_encode(tx, &encoded);
    KS_TRY(ks_buf_check(&encoded));
    err = ks_node_send(node, ks_buf_view(&encoded));
    if (err == KS_ERR_DENIED && is_known_already(ks_node_refusal(node))) {
        err = KS_OK;
    }
out:
    ks_buf_done(&encoded);
    return err;
}

/* Whether the block of RECEIPT is on the node's chain, and deep enough. */
static enum ks_err is_confirmed(struct ks_node *node, const struct ks_receipt *receipt,
                                uint64_t confirmations, bool *out_confirmed)
{
    enum ks_err err = KS_OK;
    struct ks_header newest;
    struct ks_header header = {0};
    struct ks_buf rlp;

    ks_buf_init(&rlp, 2 * KS_HEADER_LEN_MAX);
    *out_confirmed = false;
    KS_TRY(ks_node_header(node, "latest", &rlp, &newest));
    if (newest.number < receipt->block_number ||
        newest.number - receipt->block_number + 1 < confirmations) {
        goto out;
    }
    KS_TRY(ks_node_header_of(node, receipt->block_number, &rlp, &header));
    *out_confirmed = ks_bytes_equal(KS_BYTES(header.hash), KS_BYTES(receipt->block_hash));
out:
    ks_buf_done(&rlp);
    return err;
}

enum ks_err ks_step_send(struct ks_node *node, const struct ks_tx *tx,
                         const struct ks_send_spec *spec, struct ks_sent *out_sent)
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)spec->wait_ms * 1000;
    struct ks_sent sent = {0};
    bool found = false;

    KS_TRY(ks_signer_check(tx));
    KS_TRY(ks_tx_hash(tx, sent.hash));
    for (;;) {
        KS_TRY(ks_node_receipt(node, sent.hash, &found, &sent.receipt));
        if (found) {
            KS_CHECK(sent.receipt.succeeded, KS_ERR_VERIFY,
                     "the transaction was executed in block %llu, and failed",
                     (unsigned long long)sent.receipt.block_number);
            KS_TRY(is_confirmed(node, &sent.receipt, spec->confirmations, &sent.included));
        } else {
            KS_TRY(hand_over(node, tx, sent.hash));
        }
        if (sent.included || spec->wait_ms == 0) {
            break;
        }
        KS_CHECK(ks_clock_monotonic_us() < deadline_us, KS_ERR_UNAVAILABLE,
                 found
                     ? "in block %llu, which is not deep enough yet: send it again to wait on"
                     : "in no block yet (nonce %llu): send it again to wait on, or replace it",
                 (unsigned long long)(found ? sent.receipt.block_number : tx->nonce));
        (void)nanosleep(&pause, NULL);
    }
    *out_sent = sent;
out:
    return err;
}
