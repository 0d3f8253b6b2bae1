/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rlp.h: recursive-length prefix (Ethereum Yellow Paper, appendix B), both ways and without
 * recursion. Each value has one encoding and no other is read. Pure; no thread rule. */
#ifndef KS_CHAIN_RLP_H
#define KS_CHAIN_RLP_H

#include "base/buf.h"

#define KS_RLP_LEN_MAX (1U << 24) /* bytes of one item */

struct ks_rlp_item {
    struct ks_bytes payload; /* the string, or the items of the list one after the other */
    struct ks_bytes whole;   /* with its prefix */
    bool is_list;
};

/* Reads one item from the front of READER; views are borrowed from its source. KS_ERR_FORMAT
 * for a length that is cut short or written longer than need be, KS_ERR_LIMIT above
 * KS_RLP_LEN_MAX. */
KS_MUST_CHECK enum ks_err ks_rlp_read(struct ks_reader *reader, struct ks_rlp_item *out_item);
/* The next item as what it has to be: a string of at most LEN_MAX bytes, of exactly LEN; an
 * integer without leading zeros of at most 64 or 256 bits; the inside of a list. */
KS_MUST_CHECK enum ks_err ks_rlp_read_string(struct ks_reader *reader, size_t len_max,
                                             struct ks_bytes *out_bytes);
KS_MUST_CHECK enum ks_err ks_rlp_read_fixed(struct ks_reader *reader, void *target, size_t len);
KS_MUST_CHECK enum ks_err ks_rlp_read_u64(struct ks_reader *reader, uint64_t *out_value);
KS_MUST_CHECK enum ks_err ks_rlp_read_u256(struct ks_reader *reader, uint8_t out_value[32]);
KS_MUST_CHECK enum ks_err ks_rlp_read_list(struct ks_reader *reader,
                                           struct ks_reader *out_items);

/* Writers append and are sticky, as all of base/buf.h. */
void ks_rlp_put_string(struct ks_buf *out, struct ks_bytes bytes);
void ks_rlp_put_u64(struct ks_buf *out, uint64_t value);
/* A big-endian integer of any length, its leading zeros left out. */
void ks_rlp_put_integer(struct ks_buf *out, struct ks_bytes bytes);
/* ITEMS are the encoded items of the list. */
void ks_rlp_put_list(struct ks_buf *out, struct ks_bytes items);

#endif
