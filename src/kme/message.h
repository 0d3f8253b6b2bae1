/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* message.h: what two managers say to each other over their link (docs/formats/kme.md). Pure:
 * base only. */
#ifndef KS_KME_MESSAGE_H
#define KS_KME_MESSAGE_H

#include "kme/pool.h"
#include "qkd/etsi014.h"

#define KS_KME_PROTOCOL 1

enum ks_kme_message {
    KS_KME_HELLO = 1,    /* first, both ways: struct ks_kme_hello */
    KS_KME_STRIPS = 2,   /* second, both ways: ks_kme_pool_list */
    KS_KME_START = 3,    /* Alice: the next block begins: struct ks_kme_start */
    KS_KME_QKD = 4,      /* a message of the BB84 link, as it is */
    KS_KME_DONE = 5,     /* a block has ended here, durably: struct ks_kme_done */
    KS_KME_ALLOT = 6,    /* keys were drawn here: struct ks_kme_allotment */
    KS_KME_ALLOTTED = 7, /* and are kept there, durably: struct ks_kme_answer */
    KS_KME_PING = 8,     /* empty; says that this end lives */
};

struct ks_kme_hello {
    bool alice;
    struct ks_etsi014_sae name; /* of the manager */
};

struct ks_kme_start {
    uint8_t block[KS_KEYPOOL_BLOCK_LEN];
    uint32_t generation; /* of the link's state: a new one starts from a fresh secret */
    uint16_t share;      /* of the key that is Alice's half, in 256ths */
};
#define KS_KME_SHARE_ALL 256

struct ks_kme_done {
    uint8_t block[KS_KEYPOOL_BLOCK_LEN];
    uint32_t len; /* bytes of key; 0: none */
};

struct ks_kme_allotted_key {
    struct ks_etsi014_id id;
    struct ks_kme_place place;
};

#define KS_KME_NAMED_MAX (KS_ETSI014_SAES_MAX + 1)
_Static_assert(KS_KME_NAMED_MAX <= KS_KEYPOOL_NAMED_MAX, "slaves of one key");
_Static_assert(KS_ETSI014_SAE_MAX <= KS_KEYPOOL_SAE_MAX, "names");
_Static_assert(KS_ETSI014_KEY_LEN_MAX <= KS_KEYPOOL_KEY_MAX, "keys");

struct ks_kme_allotment {
    uint64_t number; /* of the request, for the answer */
    struct ks_etsi014_sae master;
    size_t named_count;
    struct ks_etsi014_sae named[KS_KME_NAMED_MAX]; /* slaves */
    size_t key_count;
    struct ks_kme_allotted_key keys[KS_ETSI014_KEYS_MAX];
};
/* Bytes of one, at most. */
#define KS_KME_ALLOTMENT_MAX                                                                   \
    (8 + (KS_KME_NAMED_MAX + 1) * (2 + KS_ETSI014_SAE_MAX) + 3 + KS_ETSI014_KEYS_MAX * 42)

struct ks_kme_answer {
    uint64_t number;
    bool kept; /* false: the pools do not agree */
};

void ks_kme_hello_put(struct ks_buf *out, const struct ks_kme_hello *hello);
void ks_kme_start_put(struct ks_buf *out, const struct ks_kme_start *start);
void ks_kme_done_put(struct ks_buf *out, const struct ks_kme_done *done);
void ks_kme_allotment_put(struct ks_buf *out, const struct ks_kme_allotment *allotment);
void ks_kme_answer_put(struct ks_buf *out, const struct ks_kme_answer *answer);

/* KS_ERR_FORMAT, or KS_ERR_LIMIT; one encoding for each value. */
KS_MUST_CHECK enum ks_err ks_kme_hello_read(struct ks_bytes bytes,
                                            struct ks_kme_hello *out_hello);
KS_MUST_CHECK enum ks_err ks_kme_start_read(struct ks_bytes bytes,
                                            struct ks_kme_start *out_start);
KS_MUST_CHECK enum ks_err ks_kme_done_read(struct ks_bytes bytes, struct ks_kme_done *out_done);
KS_MUST_CHECK enum ks_err ks_kme_allotment_read(struct ks_bytes bytes,
                                                struct ks_kme_allotment *out_allotment);
KS_MUST_CHECK enum ks_err ks_kme_answer_read(struct ks_bytes bytes,
                                             struct ks_kme_answer *out_answer);

#endif
