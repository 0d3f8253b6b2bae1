/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* anchor.h: evidence that a digest stood in the storage of an anchoring contract at a block of
 * an EVM chain (docs/formats/anchor.md), the pin that says which chain, contract and submitter
 * count, and the two checks of one against the other. What is anchored is SHA-256 of a
 * checkpoint's body.
 *
 * The proof is arithmetic: header, account, slot. That the block is on the chain that people
 * call by CHAIN_ID is no arithmetic; it is decided only for blocks that the pin names. Pure; no
 * thread rule. */
#ifndef KS_CHAIN_ANCHOR_H
#define KS_CHAIN_ANCHOR_H

#include "base/json.h"
#include "chain/mpt.h"

#define KS_ANCHOR_SCHEMA     "ketseal.anchor/1"
#define KS_ANCHOR_PIN_SCHEMA "ketseal.anchor-pin/1"

#define KS_ANCHOR_LEN_MAX     (128 * 1024) /* bytes of a document */
#define KS_ANCHOR_NODES_MAX   256          /* JSON values of a document */
#define KS_ANCHOR_PIN_LEN_MAX (64 * 1024)
#define KS_ANCHOR_BLOCKS_MAX  256                    /* blocks that one pin names */
#define KS_ANCHOR_TIME_MAX    UINT64_C(253402300799) /* seconds: the end of the year 9999 */

struct ks_anchor {
    uint64_t chain_id; /* the submitter's claim; <= 2^53 - 1 */
    uint8_t contract[KS_ADDRESS_LEN];
    uint8_t submitter[KS_ADDRESS_LEN];
    uint8_t code_hash[KS_KECCAK256_LEN]; /* of the contract's code */
    uint8_t digest[32];
    struct ks_bytes header;      /* RLP */
    struct ks_mpt_proof account; /* of CONTRACT under the header's state root */
    struct ks_mpt_proof storage; /* of SUBMITTER's slot under the account's storage root */
    /* What the header says; set by ks_anchor_read, ignored by ks_anchor_write. */
    uint64_t block_number; /* <= 2^53 - 1 */
    uint64_t block_time_s; /* since 1970; <= KS_ANCHOR_TIME_MAX */
    uint8_t block_hash[KS_KECCAK256_LEN];
    struct ks_buf bytes; /* what the views point into, where the anchor owns it */
};

/* Strict, within the limits, and writing gives the same bytes: OBJECT is one of canonical JSON.
 * Checks form only: KS_ERR_FORMAT or KS_ERR_LIMIT. The anchor owns its bytes and outlives
 * OBJECT. Free with ks_anchor_free. */
KS_MUST_CHECK enum ks_err ks_anchor_read(const struct ks_json *object,
                                         struct ks_anchor **out_anchor);
/* The same from the text of a file. */
KS_MUST_CHECK enum ks_err ks_anchor_parse(struct ks_bytes text, struct ks_anchor **out_anchor);
/* Appends the canonical document. */
void ks_anchor_write(const struct ks_anchor *anchor, struct ks_buf *out);
void ks_anchor_free(struct ks_anchor *anchor); /* NULL is fine */

struct ks_anchor_block {
    uint64_t number;
    uint8_t hash[KS_KECCAK256_LEN];
};

/* Whom to believe. */
struct ks_anchor_pin {
    uint64_t chain_id;
    uint8_t contract[KS_ADDRESS_LEN];
    uint8_t code_hash[KS_KECCAK256_LEN];
    uint8_t submitter[KS_ADDRESS_LEN];
    struct ks_anchor_block *blocks; /* that are on the chain, by ascending number */
    size_t block_count;
};

/* Strict; for a file of its own or a member of a policy. Release with ks_anchor_pin_done. */
KS_MUST_CHECK enum ks_err ks_anchor_pin_read(const struct ks_json *object,
                                             struct ks_anchor_pin *out_pin);
KS_MUST_CHECK enum ks_err ks_anchor_pin_parse(struct ks_bytes text,
                                              struct ks_anchor_pin *out_pin);
void ks_anchor_pin_write(const struct ks_anchor_pin *pin, struct ks_buf *out);
void ks_anchor_pin_done(struct ks_anchor_pin *pin); /* NULL and zeroed are fine */

/* What the header's state has in SUBMITTER's slot of CONTRACT, whose code has to be
 * CODE_HASH's; zeros if nothing. KS_ERR_VERIFY when the proofs do not show it. */
KS_MUST_CHECK enum ks_err ks_anchor_stored(const struct ks_anchor *anchor,
                                           uint8_t out_word[32]);
/* The check anchor.proof: ANCHOR names PIN's chain, contract, code and submitter and DIGEST;
 * its header's state root leads to the contract's account with that code, and the account's
 * storage root to DIGEST in the submitter's slot. KS_ERR_VERIFY with a sentence if not. */
KS_MUST_CHECK enum ks_err ks_anchor_check_proof(const struct ks_anchor *anchor,
                                                const struct ks_anchor_pin *pin,
                                                const uint8_t digest[32]);
/* The check anchor.canonical. KS_OK and *OUT_DECIDED false: PIN names no block of this number,
 * so nobody can tell (not-run). Otherwise KS_OK when it names this very block, KS_ERR_VERIFY
 * when it names another one of that number; *OUT_DECIDED is true then. */
KS_MUST_CHECK enum ks_err ks_anchor_check_canonical(const struct ks_anchor *anchor,
                                                    const struct ks_anchor_pin *pin,
                                                    bool *out_decided);

#endif
