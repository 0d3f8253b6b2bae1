/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "anchor/steps.h"
#include "chain/address.h"

#define TRIES_MAX      3 /* a block may go away between header and proof */
#define BLOCK_TEXT_MAX 24

/* The block to prove at, by name or number. */
static enum ks_err choose_block(struct ks_node *node, const struct ks_prove_spec *spec,
                                char target[BLOCK_TEXT_MAX])
{
    enum ks_err err = KS_OK;
    struct ks_buf rlp;
    struct ks_header newest;
    uint64_t back = spec->confirmations > 0 ? spec->confirmations - 1 : 0;

    ks_buf_init(&rlp, KS_HEADER_LEN_MAX);
    if (spec->block != NULL) {
        (void)snprintf(target, BLOCK_TEXT_MAX, "%s", spec->block);
        goto out;
    }
    KS_TRY(ks_node_header(node, "latest", &rlp, &newest));
    KS_CHECK(newest.number >= back, KS_ERR_NOT_FOUND,
             "the chain has %llu blocks, none of them %llu deep",
             (unsigned long long)newest.number + 1, (unsigned long long)spec->confirmations);
    (void)snprintf(target, BLOCK_TEXT_MAX, "0x%llx",
                   (unsigned long long)(newest.number - back));
out:
    ks_buf_done(&rlp);
    return err;
}

/* Header and proofs of one moment, as the node gives them. */
struct capture {
    struct ks_anchor anchor;
    struct ks_buf header;
    struct ks_buf nodes;
};

static void capture_init(struct capture *capture, const struct ks_prove_spec *spec)
{
    *capture = (struct capture){.anchor.chain_id = spec->pin->chain_id};
    ks_copy(capture->anchor.contract, spec->pin->contract, KS_ADDRESS_LEN);
    ks_copy(capture->anchor.submitter, spec->pin->submitter, KS_ADDRESS_LEN);
    ks_copy(capture->anchor.code_hash, spec->pin->code_hash, KS_KECCAK256_LEN);
    ks_copy(capture->anchor.digest, spec->digest, 32);
    ks_buf_init(&capture->header, KS_HEADER_LEN_MAX);
    ks_buf_init(&capture->nodes, KS_RPC_ANSWER_MAX);
}

static void capture_done(struct capture *capture)
{
    ks_buf_done(&capture->header);
    ks_buf_done(&capture->nodes);
}

/* *OUT_MOVED: the proof does not fit the header, whose block is not the node's any more. */
static enum ks_err take(struct ks_node *node, const char *block, struct capture *capture,
                        uint8_t out_word[32], bool *out_moved)
{
    enum ks_err err = KS_OK;
    struct ks_header header;
    struct ks_header again;
    struct ks_buf rlp;
    uint8_t slot[32];

    ks_buf_init(&rlp, KS_HEADER_LEN_MAX);
    ks_buf_clear(&capture->header);
    ks_buf_clear(&capture->nodes);
    *out_moved = false;
    KS_TRY(ks_node_header(node, block, &capture->header, &header));
    capture->anchor.header = ks_buf_view(&capture->header);
    capture->anchor.block_number = header.number;
    ks_anchor_slot(capture->anchor.submitter, slot);
    KS_TRY(ks_node_proof(node, capture->anchor.contract, slot, header.number, &capture->nodes,
                         &capture->anchor.account, &capture->anchor.storage));
    if (ks_anchor_stored(&capture->anchor, out_word) != KS_OK) {
        KS_TRY(ks_node_header_of(node, header.number, &rlp, &again));
        *out_moved = !ks_bytes_equal(KS_BYTES(header.hash), KS_BYTES(again.hash));
        if (!*out_moved) {
            KS_TRY(ks_anchor_stored(&capture->anchor, out_word)); /* its detail again */
        }
    }
out:
    ks_buf_done(&rlp);
    return err;
}

/* Reads DOCUMENT as whoever gets it will. */
static enum ks_err check_document(struct ks_bytes document, const struct ks_prove_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_anchor *anchor = NULL;

    KS_TRY(ks_anchor_parse(document, &anchor));
    KS_TRY(ks_anchor_check_proof(anchor, spec->pin, spec->digest));
out:
    ks_anchor_free(anchor);
    return err;
}

enum ks_err ks_step_prove(struct ks_node *node, const struct ks_prove_spec *spec,
                          struct ks_buf *out_document)
{
    enum ks_err err = KS_OK;
    struct capture capture;
    struct ks_buf document;
    char block[BLOCK_TEXT_MAX];
    uint8_t word[32];
    unsigned tries = 0;
    bool moved = true;

    capture_init(&capture, spec);
    ks_buf_init(&document, KS_ANCHOR_LEN_MAX);
    KS_TRY(choose_block(node, spec, block));
    while (moved) {
        KS_CHECK(tries < TRIES_MAX, KS_ERR_UNAVAILABLE, "the chain does not hold still");
        KS_TRY(take(node, block, &capture, word, &moved));
        tries++;
    }
    KS_CHECK(ks_bytes_equal(KS_BYTES(word), KS_BYTES(spec->digest)), KS_ERR_NOT_FOUND,
             "at block %llu the digest is not anchored: not yet, or no longer",
             (unsigned long long)capture.anchor.block_number);
    ks_anchor_write(&capture.anchor, &document);
    KS_TRY(ks_buf_check(&document));
    KS_TRY(check_document(ks_buf_view(&document), spec));
    ks_buf_put(out_document, ks_buf_view(&document));
    KS_TRY(ks_buf_check(out_document));
out:
    capture_done(&capture);
    ks_buf_done(&document);
    return err;
}
