/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/mpt.h"

#include "chain/rlp.h"

#define KEY_NIBBLES  64
#define BRANCH_ITEMS 17
#define PATH_ITEMS   2

static const struct ks_bytes empty_node = {(const uint8_t *)"\x80", 1}; /* RLP of no string */

/* The way down: nibbles of the hashed key, and the nodes still to come. */
struct walk {
    uint8_t nibbles[KEY_NIBBLES];
    size_t depth;
    const struct ks_mpt_proof *proof;
    size_t used;
    struct ks_bytes value;
    enum { ON, FOUND, ABSENT } state;
};

static void walk_start(struct walk *walk, struct ks_bytes key, const struct ks_mpt_proof *proof)
{
    uint8_t hashed[KS_KECCAK256_LEN];

    *walk = (struct walk){.proof = proof};
    ks_keccak256(key, hashed);
    for (size_t i = 0; i < sizeof hashed; i++) {
        walk->nibbles[2 * i] = hashed[i] >> 4;
        walk->nibbles[2 * i + 1] = hashed[i] & 15;
    }
}

/* The next node of the proof, which has to have HASH. */
static enum ks_err take_node(struct walk *walk, struct ks_bytes hash, struct ks_bytes *out_node)
{
    enum ks_err err = KS_OK;
    uint8_t got[KS_KECCAK256_LEN];
    struct ks_bytes node = {0};

    KS_CHECK(walk->used < walk->proof->count, KS_ERR_VERIFY, "the proof ends at node %zu",
             walk->used);
    node = walk->proof->nodes[walk->used];
    ks_keccak256(node, got);
    KS_CHECK(ks_bytes_equal(KS_BYTES(got), hash), KS_ERR_VERIFY,
             "node %zu is not what its parent names", walk->used);
    walk->used++;
    *out_node = node;
out:
    return err;
}

/* A reference to a node: its hash, or the node itself where that is shorter. */
static enum ks_err follow(struct walk *walk, const struct ks_rlp_item *child,
                          struct ks_bytes *out_node)
{
    enum ks_err err = KS_OK;

    if (child->is_list) {
        KS_CHECK(child->whole.len < KS_KECCAK256_LEN, KS_ERR_VERIFY,
                 "a node of %zu bytes inside of its parent", child->whole.len);
        *out_node = child->whole;
    } else {
        KS_CHECK(child->payload.len == KS_KECCAK256_LEN, KS_ERR_VERIFY,
                 "a reference of %zu bytes", child->payload.len);
        KS_TRY(take_node(walk, child->payload, out_node));
    }
out:
    return err;
}

static enum ks_err step_branch(struct walk *walk, const struct ks_rlp_item *items,
                               struct ks_bytes *node)
{
    enum ks_err err = KS_OK;
    const struct ks_rlp_item *child = NULL;

    KS_CHECK(walk->depth < KEY_NIBBLES, KS_ERR_VERIFY, "a branch below the end of the keys");
    child = &items[walk->nibbles[walk->depth]];
    walk->depth++;
    if (!child->is_list && child->payload.len == 0) {
        walk->state = ABSENT;
    } else {
        KS_TRY(follow(walk, child, node));
    }
out:
    return err;
}

/* Leaf or extension; its part of the key is in hex-prefix form (appendix C): a nibble of flags
 * (2: leaf, 1: odd), then a zero nibble if the length is even. */
static enum ks_err step_path(struct walk *walk, const struct ks_rlp_item *items,
                             struct ks_bytes *node)
{
    enum ks_err err = KS_OK;
    struct ks_bytes path = items[0].payload;
    unsigned flags = 0;
    size_t skip = 0;
    size_t len = 0;
    bool same = true;

    KS_CHECK(!items[0].is_list && path.len > 0, KS_ERR_VERIFY, "a node without a path");
    flags = path.data[0] >> 4;
    KS_CHECK(flags <= 3 && ((flags & 1) != 0 || (path.data[0] & 15) == 0), KS_ERR_VERIFY,
             "a path that begins with %02x", path.data[0]);
    skip = (flags & 1) != 0 ? 1 : 2;
    len = 2 * path.len - skip;
    KS_CHECK(len <= KEY_NIBBLES - walk->depth, KS_ERR_VERIFY, "a path longer than the keys");
    for (size_t i = 0; i < len; i++) {
        size_t at = i + skip;
        unsigned nibble = at % 2 == 0 ? path.data[at / 2] >> 4 : path.data[at / 2] & 15U;

        same = same && nibble == walk->nibbles[walk->depth + i];
    }
    walk->depth += len;
    if ((flags & 2) != 0) {
        KS_CHECK(walk->depth == KEY_NIBBLES, KS_ERR_VERIFY, "a leaf before the end of the key");
        KS_CHECK(!items[1].is_list && items[1].payload.len > 0, KS_ERR_VERIFY,
                 "a leaf without a value");
        walk->state = same ? FOUND : ABSENT;
        walk->value = items[1].payload;
    } else {
        KS_CHECK(len > 0, KS_ERR_VERIFY, "an extension of no length");
        if (same) {
            KS_TRY(follow(walk, &items[1], node));
        } else {
            walk->state = ABSENT;
        }
    }
out:
    return err;
}

/* Goes through NODE and makes it the next one. */
static enum ks_err step(struct walk *walk, struct ks_bytes *node)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(*node, "trie node");
    struct ks_reader inside = {0};
    struct ks_rlp_item items[BRANCH_ITEMS] = {0};
    size_t count = 0;

    if (ks_bytes_equal(*node, empty_node)) { /* only an empty trie has it */
        walk->state = ABSENT;
        return KS_OK;
    }
    KS_TRY(ks_rlp_read_list(&reader, &inside));
    KS_TRY(ks_read_end(&reader));
    while (inside.rest.len > 0) {
        KS_CHECK(count < BRANCH_ITEMS, KS_ERR_VERIFY, "a node of over %d items", BRANCH_ITEMS);
        KS_TRY(ks_rlp_read(&inside, &items[count]));
        count++;
    }
    KS_CHECK(count == BRANCH_ITEMS || count == PATH_ITEMS, KS_ERR_VERIFY, "a node of %zu items",
             count);
    KS_TRY(count == BRANCH_ITEMS ? step_branch(walk, items, node)
                                 : step_path(walk, items, node));
out:
    return err;
}

const uint8_t *ks_mpt_place(struct ks_mpt_proof *proof, const uint8_t *at)
{
    for (size_t i = 0; i < proof->count; i++) {
        proof->nodes[i].data = at;
        at += proof->nodes[i].len;
    }
    return at;
}

enum ks_err ks_mpt_get(const uint8_t root[KS_KECCAK256_LEN], struct ks_bytes key,
                       const struct ks_mpt_proof *proof, bool *out_found,
                       struct ks_bytes *out_value)
{
    enum ks_err err = KS_OK;
    struct walk walk;
    struct ks_bytes node = {0};
    uint8_t empty_root[KS_KECCAK256_LEN];

    walk_start(&walk, key, proof);
    ks_keccak256(empty_node, empty_root);
    if (proof->count == 0 &&
        ks_bytes_equal(ks_bytes_of(root, KS_KECCAK256_LEN), KS_BYTES(empty_root))) {
        walk.state = ABSENT;
    } else {
        KS_TRY(take_node(&walk, ks_bytes_of(root, KS_KECCAK256_LEN), &node));
    }
    while (walk.state == ON) { /* each step but the last takes a nibble of the key */
        KS_TRY(step(&walk, &node));
    }
    KS_CHECK(walk.used == proof->count, KS_ERR_VERIFY, "%zu nodes are left over",
             proof->count - walk.used);
    *out_found = walk.state == FOUND;
    *out_value = walk.state == FOUND ? walk.value : (struct ks_bytes){0};
out:
    /* What is no RLP, under a hash that matches, is no trie's either. */
    return err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_VERIFY, "trie proof");
}
