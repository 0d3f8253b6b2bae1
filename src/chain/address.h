/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* address.h: addresses, calls and storage of the anchoring contract (contracts/Anchor.sol).
 * Pure; no thread rule. */
#ifndef KS_CHAIN_ADDRESS_H
#define KS_CHAIN_ADDRESS_H

#include "chain/mpt.h"

#define KS_ADDRESS_TEXT_LEN 42 /* 0x and forty digits */

/* The form of EIP-55, whose upper-case letters are a checksum. */
void ks_address_text(const uint8_t address[KS_ADDRESS_LEN],
                     char target[KS_ADDRESS_TEXT_LEN + 1]);
/* 0x and forty hexadecimal digits of one case, or of both by EIP-55: KS_ERR_FORMAT where that
 * checksum is wrong. */
KS_MUST_CHECK enum ks_err ks_address_parse(struct ks_bytes text,
                                           uint8_t out_address[KS_ADDRESS_LEN]);
/* Of an uncompressed public key, X and Y. */
void ks_address_of_key(const uint8_t key[64], uint8_t out_address[KS_ADDRESS_LEN]);
/* Of what SENDER's transaction NONCE creates. */
void ks_address_created(const uint8_t sender[KS_ADDRESS_LEN], uint64_t nonce,
                        uint8_t out_address[KS_ADDRESS_LEN]);

/* The call anchor(bytes32), and anchors(address), which answers with that word: a selector and
 * one word. */
#define KS_CALL_LEN (4 + 32)
void ks_call_anchor(const uint8_t digest[32], uint8_t out_call[KS_CALL_LEN]);
void ks_call_anchors(const uint8_t submitter[KS_ADDRESS_LEN], uint8_t out_call[KS_CALL_LEN]);
/* Where that word is stored: the entry of SUBMITTER in the mapping in slot 0 (Solidity, layout
 * of state variables in storage). */
void ks_anchor_slot(const uint8_t submitter[KS_ADDRESS_LEN], uint8_t out_slot[32]);

#endif
