/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/merkle.h"

#include <inttypes.h>

#include "crypto/digest.h"

_Static_assert(KS_MERKLE_LEN == KS_SHA256_LEN, "the tree hashes with SHA-256");
_Static_assert(KS_MERKLE_SIZE_MAX < (uint64_t)1 << (KS_MERKLE_LEVELS - 1),
               "a peak per bit of a size");
_Static_assert(KS_MERKLE_TREE_MAX <= KS_MERKLE_SIZE_MAX, "a small tree is a tree");

/* What keeps a leaf from being taken for a node (RFC 6962 §2.1). */
enum { LEAF_PREFIX = 0x00, NODE_PREFIX = 0x01 };

void ks_merkle_leaf(struct ks_bytes entry, uint8_t out_hash[KS_MERKLE_LEN])
{
    const uint8_t prefix = LEAF_PREFIX;
    const struct ks_bytes parts[] = {ks_bytes_of(&prefix, 1), entry};

    ks_sha256_parts(parts, 2, out_hash);
}

void ks_merkle_node(const uint8_t left[KS_MERKLE_LEN], const uint8_t right[KS_MERKLE_LEN],
                    uint8_t out_hash[KS_MERKLE_LEN])
{
    uint8_t block[1 + 2 * KS_MERKLE_LEN];

    block[0] = NODE_PREFIX;
    ks_copy(block + 1, left, KS_MERKLE_LEN);
    ks_copy(block + 1 + KS_MERKLE_LEN, right, KS_MERKLE_LEN);
    ks_sha256(KS_BYTES(block), out_hash);
}

void ks_merkle_empty(uint8_t out_hash[KS_MERKLE_LEN])
{
    ks_sha256((struct ks_bytes){NULL, 0}, out_hash);
}

static bool hash_equal(const uint8_t a[KS_MERKLE_LEN], const uint8_t b[KS_MERKLE_LEN])
{
    return ks_bytes_equal(ks_bytes_of(a, KS_MERKLE_LEN), ks_bytes_of(b, KS_MERKLE_LEN));
}

/* --- compact range ------------------------------------------------------------------------ */

void ks_merkle_range_append(struct ks_merkle_range *range, const uint8_t leaf[KS_MERKLE_LEN])
{
    uint8_t carry[KS_MERKLE_LEN];
    unsigned level = 0;

    KS_ASSERT(range->size < KS_MERKLE_SIZE_MAX);
    ks_copy(carry, leaf, KS_MERKLE_LEN);
    for (; (range->size >> level & 1) != 0; level++) {
        ks_merkle_node(range->peaks[level], carry, carry);
    }
    ks_copy(range->peaks[level], carry, KS_MERKLE_LEN);
    range->size++;
}

void ks_merkle_range_root(const struct ks_merkle_range *range, uint8_t out_root[KS_MERKLE_LEN])
{
    uint8_t root[KS_MERKLE_LEN];
    bool begun = false;

    ks_merkle_empty(root);
    for (unsigned level = 0; level < KS_MERKLE_LEVELS; level++) {
        if ((range->size >> level & 1) == 0) {
            continue;
        }
        if (begun) {
            ks_merkle_node(range->peaks[level], root, root);
        } else {
            ks_copy(root, range->peaks[level], KS_MERKLE_LEN);
            begun = true;
        }
    }
    ks_copy(out_root, root, KS_MERKLE_LEN);
}

/* --- making proofs ------------------------------------------------------------------------ */

/* The level of the left child of a node over COUNT >= 2 leaves: 2^level is the largest power of
 * two below COUNT. */
static unsigned split_level(uint64_t count)
{
    return 63U - (unsigned)__builtin_clzll(count - 1);
}

/* The hash over leaves FIRST to END - 1, a node of the tree: FIRST is a multiple of the
 * smallest power of two that holds them, so its complete subtrees are those of the bits of the
 * count. */
static enum ks_err node_hash(const struct ks_merkle_source *source, uint64_t first,
                             uint64_t end, uint8_t out_hash[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;
    uint64_t count = end - first;
    uint64_t right = end; /* leaves from here on are in the hash already */
    uint8_t hash[KS_MERKLE_LEN];
    uint8_t peak[KS_MERKLE_LEN];

    KS_ASSERT(first < end);
    for (unsigned level = 0; level < KS_MERKLE_LEVELS; level++) {
        if ((count >> level & 1) == 0) {
            continue;
        }
        const bool begun = right != end;
        right -= (uint64_t)1 << level;
        KS_TRY(source->read(source->context, level, right >> level, begun ? peak : hash));
        if (begun) {
            ks_merkle_node(peak, hash, hash);
        }
    }
    ks_copy(out_hash, hash, KS_MERKLE_LEN);
out:
    return err;
}

static enum ks_err check_size(uint64_t size)
{
    if (size > KS_MERKLE_SIZE_MAX) {
        return ks_fail(KS_ERR_LIMIT,
                       "a tree of %" PRIu64 " leaves is over the limit of %" PRIu64, size,
                       KS_MERKLE_SIZE_MAX);
    }
    return KS_OK;
}

enum ks_err ks_merkle_source_root(const struct ks_merkle_source *source, uint64_t size,
                                  uint8_t out_root[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;

    KS_TRY(check_size(size));
    if (size == 0) {
        ks_merkle_empty(out_root);
    } else {
        KS_TRY(node_hash(source, 0, size, out_root));
    }
out:
    return err;
}

/* Proofs are found from the root down and written from the leaf up. */
static void proof_reverse(struct ks_merkle_proof *proof)
{
    uint8_t hash[KS_MERKLE_LEN];

    for (size_t i = 0; i < proof->count / 2; i++) {
        const size_t j = proof->count - 1 - i;
        ks_copy(hash, proof->hashes[i], KS_MERKLE_LEN);
        ks_copy(proof->hashes[i], proof->hashes[j], KS_MERKLE_LEN);
        ks_copy(proof->hashes[j], hash, KS_MERKLE_LEN);
    }
}

static enum ks_err proof_push(struct ks_merkle_proof *proof,
                              const struct ks_merkle_source *source, uint64_t first,
                              uint64_t end)
{
    KS_ASSERT(proof->count < KS_MERKLE_PATH_MAX);
    return node_hash(source, first, end, proof->hashes[proof->count++]);
}

enum ks_err ks_merkle_prove_inclusion(const struct ks_merkle_source *source, uint64_t index,
                                      uint64_t size, struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    struct ks_merkle_proof proof = {0};
    uint64_t first = 0;
    uint64_t end = size;

    KS_TRY(check_size(size));
    KS_CHECK(index < size, KS_ERR_USAGE, "leaf %" PRIu64 " is not in a tree of %" PRIu64, index,
             size);
    while (end - first > 1) {
        const uint64_t middle = first + ((uint64_t)1 << split_level(end - first));
        if (index < middle) {
            KS_TRY(proof_push(&proof, source, middle, end));
            end = middle;
        } else {
            KS_TRY(proof_push(&proof, source, first, middle));
            first = middle;
        }
    }
    proof_reverse(&proof);
    *out_proof = proof;
out:
    return err;
}

enum ks_err ks_merkle_prove_consistency(const struct ks_merkle_source *source,
                                        uint64_t old_size, uint64_t size,
                                        struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    struct ks_merkle_proof proof = {0};
    uint64_t first = 0;
    uint64_t end = size;

    KS_TRY(check_size(size));
    KS_CHECK(old_size <= size, KS_ERR_USAGE, "a tree of %" PRIu64 " has no prefix of %" PRIu64,
             size, old_size);
    /* SUBPROOF of RFC 9162 §2.1.4.1, as a loop; the old tree ends at OLD_SIZE within [first,
     * end). */
    while (old_size != 0 && old_size != end) {
        const uint64_t middle = first + ((uint64_t)1 << split_level(end - first));
        if (old_size <= middle) {
            KS_TRY(proof_push(&proof, source, middle, end));
            end = middle;
        } else {
            KS_TRY(proof_push(&proof, source, first, middle));
            first = middle;
        }
    }
    /* A prefix that starts the tree is the old root itself, which the verifier has. */
    if (first != 0) {
        KS_TRY(proof_push(&proof, source, first, end));
    }
    proof_reverse(&proof);
    *out_proof = proof;
out:
    return err;
}

/* --- checking proofs ---------------------------------------------------------------------- */

size_t ks_merkle_path_len(uint64_t index, uint64_t size)
{
    size_t len = 0;

    KS_ASSERT(index < size && size <= KS_MERKLE_SIZE_MAX);
    for (uint64_t node = index, last = size - 1; last != 0; node >>= 1, last >>= 1) {
        /* The last node of a level has no sibling unless it is a right child. */
        if (node != last || (node & 1) != 0) {
            len++;
        }
    }
    return len;
}

enum ks_err ks_merkle_inclusion_root(uint64_t index, uint64_t size,
                                     const uint8_t leaf[KS_MERKLE_LEN], const uint8_t *path,
                                     size_t path_count, uint8_t out_root[KS_MERKLE_LEN])
{
    uint64_t node = index;
    uint64_t last = size - 1;
    uint8_t hash[KS_MERKLE_LEN];

    if (size > KS_MERKLE_SIZE_MAX || index >= size) {
        return ks_fail(KS_ERR_VERIFY, "leaf %" PRIu64 " is not in a tree of %" PRIu64, index,
                       size);
    }
    if (path_count != ks_merkle_path_len(index, size)) {
        return ks_fail(KS_ERR_VERIFY,
                       "the inclusion path of leaf %" PRIu64 " of %" PRIu64
                       " has %zu hashes, not %zu",
                       index, size, path_count, ks_merkle_path_len(index, size));
    }
    ks_copy(hash, leaf, KS_MERKLE_LEN);
    for (; last != 0; node >>= 1, last >>= 1) {
        if ((node & 1) != 0) {
            ks_merkle_node(path, hash, hash);
        } else if (node != last) {
            ks_merkle_node(hash, path, hash);
        } else {
            continue; /* no sibling here; the hash moves up as it is */
        }
        path += KS_MERKLE_LEN;
    }
    ks_copy(out_root, hash, KS_MERKLE_LEN);
    return KS_OK;
}

enum ks_err ks_merkle_check_inclusion(uint64_t index, uint64_t size,
                                      const uint8_t leaf[KS_MERKLE_LEN], const uint8_t *path,
                                      size_t path_count, const uint8_t root[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_MERKLE_LEN];

    KS_TRY(ks_merkle_inclusion_root(index, size, leaf, path, path_count, hash));
    KS_CHECK(hash_equal(hash, root), KS_ERR_VERIFY,
             "the inclusion path of leaf %" PRIu64
             " does not lead to the root of size %" PRIu64,
             index, size);
out:
    return err;
}

/* The cases without hashes: the empty prefix and the whole tree. */
static enum ks_err check_trivial(uint64_t old_size, const uint8_t old_root[KS_MERKLE_LEN],
                                 uint64_t size, const uint8_t root[KS_MERKLE_LEN],
                                 size_t proof_count)
{
    uint8_t empty[KS_MERKLE_LEN];

    ks_merkle_empty(empty);
    if (proof_count != 0) {
        return ks_fail(KS_ERR_VERIFY,
                       "a consistency proof from %" PRIu64 " to %" PRIu64 " is empty", old_size,
                       size);
    }
    if (old_size == 0 && !hash_equal(old_root, empty)) {
        return ks_fail(KS_ERR_VERIFY, "the old root is not that of the empty tree");
    }
    if (old_size == size && !hash_equal(old_root, root)) {
        return ks_fail(KS_ERR_VERIFY, "two different roots for size %" PRIu64, size);
    }
    return KS_OK;
}

/* RFC 9162 §2.1.4.2 for 0 < OLD_SIZE < SIZE. Returns the number of hashes used, or PROOF_COUNT
 * + 1 when they do not suffice; with the two roots the proof leads to. */
static size_t fold_consistency(uint64_t old_size, const uint8_t old_root[KS_MERKLE_LEN],
                               uint64_t size, const uint8_t *proof, size_t proof_count,
                               uint8_t out_old[KS_MERKLE_LEN], uint8_t out_new[KS_MERKLE_LEN])
{
    uint64_t node = old_size - 1;
    uint64_t last = size - 1;
    const uint8_t *seed = old_root;
    size_t used = 0;

    while ((node & 1) != 0) {
        node >>= 1;
        last >>= 1;
    }
    if (node !=
        0) { /* the old tree is not one complete subtree, so the proof names where it ends */
        if (proof_count == 0) {
            return proof_count + 1;
        }
        seed = proof;
        used = 1;
    }
    ks_copy(out_old, seed, KS_MERKLE_LEN);
    ks_copy(out_new, seed, KS_MERKLE_LEN);
    for (; last != 0; node >>= 1, last >>= 1) {
        const bool right = (node & 1) != 0;
        if (!right && node == last) {
            continue;
        }
        if (used == proof_count) {
            return proof_count + 1;
        }
        const uint8_t *hash = proof + used++ * KS_MERKLE_LEN;
        if (right) {
            ks_merkle_node(hash, out_old, out_old);
            ks_merkle_node(hash, out_new, out_new);
        } else {
            ks_merkle_node(out_new, hash, out_new);
        }
    }
    return used;
}

enum ks_err ks_merkle_check_consistency(uint64_t old_size,
                                        const uint8_t old_root[KS_MERKLE_LEN], uint64_t size,
                                        const uint8_t root[KS_MERKLE_LEN], const uint8_t *proof,
                                        size_t proof_count)
{
    uint8_t found_old[KS_MERKLE_LEN];
    uint8_t found_new[KS_MERKLE_LEN];

    if (size > KS_MERKLE_SIZE_MAX || old_size > size) {
        return ks_fail(KS_ERR_VERIFY, "a tree of %" PRIu64 " does not extend one of %" PRIu64,
                       size, old_size);
    }
    if (old_size == 0 || old_size == size) {
        return check_trivial(old_size, old_root, size, root, proof_count);
    }
    if (fold_consistency(old_size, old_root, size, proof, proof_count, found_old, found_new) !=
        proof_count) {
        return ks_fail(KS_ERR_VERIFY,
                       "a consistency proof from %" PRIu64 " to %" PRIu64 " has not %zu hashes",
                       old_size, size, proof_count);
    }
    if (!hash_equal(found_old, old_root) || !hash_equal(found_new, root)) {
        return ks_fail(KS_ERR_VERIFY,
                       "the tree of %" PRIu64 " leaves is not a prefix of the one of %" PRIu64,
                       old_size, size);
    }
    return KS_OK;
}

/* --- small trees -------------------------------------------------------------------------- */

/* Complete subtrees of leaves in memory, computed when asked for: each is asked for once per
 * proof, so the whole costs less than one pass over the leaves. */
struct leaves {
    const uint8_t *hashes;
};

static enum ks_err leaves_read(void *context, unsigned level, uint64_t index,
                               uint8_t out_hash[KS_MERKLE_LEN])
{
    const struct leaves *leaves = context;
    const size_t count = (size_t)1 << level;
    const uint8_t *first = leaves->hashes + index * count * KS_MERKLE_LEN;
    struct ks_merkle_range range;

    range.size = 0;
    for (size_t i = 0; i < count; i++) {
        ks_merkle_range_append(&range, first + i * KS_MERKLE_LEN);
    }
    ks_merkle_range_root(&range, out_hash);
    return KS_OK;
}

static enum ks_err check_tree(size_t count)
{
    if (count > KS_MERKLE_TREE_MAX) {
        return ks_fail(KS_ERR_LIMIT, "a tree of %zu leaves in memory is over the limit of %zu",
                       count, KS_MERKLE_TREE_MAX);
    }
    return KS_OK;
}

enum ks_err ks_merkle_root_of(const uint8_t *leaves, size_t count,
                              uint8_t out_root[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;
    struct leaves context = {leaves};
    const struct ks_merkle_source source = {&context, leaves_read};

    KS_TRY(check_tree(count));
    KS_TRY(ks_merkle_source_root(&source, count, out_root));
out:
    return err;
}

enum ks_err ks_merkle_path(const uint8_t *leaves, size_t count, size_t index,
                           struct ks_merkle_proof *out_path)
{
    enum ks_err err = KS_OK;
    struct leaves context = {leaves};
    const struct ks_merkle_source source = {&context, leaves_read};

    KS_TRY(check_tree(count));
    KS_TRY(ks_merkle_prove_inclusion(&source, index, count, out_path));
out:
    return err;
}
