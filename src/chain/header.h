/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* header.h: block headers of EVM chains (Yellow Paper §4.4.2 and the EIPs that added fields up
 * to Prague) and the accounts below their state root. Pure; no thread rule. */
#ifndef KS_CHAIN_HEADER_H
#define KS_CHAIN_HEADER_H

#include "crypto/digest.h"

#define KS_HEADER_LEN_MAX    4096 /* bytes; extra data of authority chains list their signers */
#define KS_HEADER_FIELDS_MIN 15
#define KS_HEADER_FIELDS_MAX 32

struct ks_header {
    uint8_t hash[KS_KECCAK256_LEN]; /* of the header as it stands */
    uint8_t state_root[KS_KECCAK256_LEN];
    uint64_t number;
    uint64_t time_s; /* since 1970, as the proposer set it */
};

/* Strict in the fields up to Prague's requests hash (15 at least). Later ones have to be
 * strings; they count in the hash alone. KS_ERR_FORMAT or KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_header_parse(struct ks_bytes rlp, struct ks_header *out_header);

struct ks_account {
    uint8_t storage_root[KS_KECCAK256_LEN];
    uint8_t code_hash[KS_KECCAK256_LEN];
};

/* A leaf of the state trie. */
KS_MUST_CHECK enum ks_err ks_account_parse(struct ks_bytes rlp, struct ks_account *out_account);

#endif
