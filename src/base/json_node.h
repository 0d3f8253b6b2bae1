/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* json_node.h: what a parsed value looks like inside. Internal to json_read.c and
 * json_write.c. */
#ifndef KS_BASE_JSON_NODE_H
#define KS_BASE_JSON_NODE_H

#include "base/json.h"

struct ks_json {
    enum ks_json_type type;
    bool truth;          /* KS_JSON_BOOL */
    struct ks_bytes key; /* of a member: its name, decoded, with a NUL behind it */
    size_t key_offset;   /* where that stood in the text, for errors */
    union {
        struct {
            struct ks_bytes
                text; /* decoded string, or the number as it was written; NUL behind */
            double number;
        };
        struct {
            const struct ks_json *items; /* count of them, in document order */
            size_t count;
            const uint32_t *order; /* of an object: indices of items by ascending key */
        };
    };
};

/* Order of UTF-16 code units (RFC 8785 section 3.2.3) of two valid UTF-8 texts: <0, 0, >0. */
int ks_json_key_compare(struct ks_bytes a, struct ks_bytes b);

/* Where a byte of UTF-8 ranks in that order. U+10000 and above (lead bytes F0 to F4) are
 * written with surrogates, D800 to DFFF, so they come before U+E000 to U+FFFF (lead bytes EE
 * and EF). */
static inline unsigned ks_json_key_rank(uint8_t byte)
{
    return byte == 0xee || byte == 0xef ? byte + 0x10U : byte;
}

#endif
