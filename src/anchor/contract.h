/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* contract.h: the anchoring contract (contracts/Anchor.sol) as it was compiled, in
 * hexadecimal. */
#ifndef KS_ANCHOR_CONTRACT_H
#define KS_ANCHOR_CONTRACT_H

/* What a transaction has to carry to create it. */
extern const char ks_contract_creation_code[];
/* Keccak-256 of the code that then stands on the chain. */
extern const char ks_contract_code_hash[];

#endif
