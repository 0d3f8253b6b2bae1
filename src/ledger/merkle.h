/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* merkle.h: the Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1 over SHA-256: hashes, the
 * compact range of a growing tree, inclusion and consistency proofs. Hides the shapes of the
 * proofs. Nothing here owns memory or keeps state; every function may be called from any
 * thread.
 *
 * Arrays of hashes are flat: COUNT hashes are COUNT * KS_MERKLE_LEN bytes. Leaves are always
 * given as their leaf hashes. A tree has at most KS_MERKLE_SIZE_MAX leaves; a larger size is
 * KS_ERR_LIMIT. */
#ifndef KS_LEDGER_MERKLE_H
#define KS_LEDGER_MERKLE_H

#include "base/mem.h"

#define KS_MERKLE_LEN      32                        /* bytes of a hash */
#define KS_MERKLE_SIZE_MAX (((uint64_t)1 << 53) - 1) /* so that sizes are exact in JSON */
#define KS_MERKLE_LEVELS   54                        /* complete subtrees have level 0 to 53 */
#define KS_MERKLE_PATH_MAX 54                /* hashes in the longest proof of either kind */
#define KS_MERKLE_TREE_MAX ((size_t)1 << 20) /* leaves of a tree given whole, in memory */

/* SHA-256(0x00 || ENTRY): the leaf hash. */
void ks_merkle_leaf(struct ks_bytes entry, uint8_t out_hash[KS_MERKLE_LEN]);
/* SHA-256(0x01 || LEFT || RIGHT): an inner node. OUT_HASH may be LEFT or RIGHT. */
void ks_merkle_node(const uint8_t left[KS_MERKLE_LEN], const uint8_t right[KS_MERKLE_LEN],
                    uint8_t out_hash[KS_MERKLE_LEN]);
/* SHA-256 of nothing: the root of the tree with no leaves. */
void ks_merkle_empty(uint8_t out_hash[KS_MERKLE_LEN]);

/* --- the compact range: all that is needed to append --- */

/* The roots of the complete subtrees that a tree of SIZE leaves falls into, largest first: the
 * one of 2^i leaves is in peaks[i] where bit i of SIZE is set; the others are unspecified.
 * Zeroed: the empty tree. Copied by assignment. */
struct ks_merkle_range {
    uint64_t size;
    uint8_t peaks[KS_MERKLE_LEVELS][KS_MERKLE_LEN];
};

/* Appends one leaf (asserts size < KS_MERKLE_SIZE_MAX). One node hash per call on average. */
void ks_merkle_range_append(struct ks_merkle_range *range, const uint8_t leaf[KS_MERKLE_LEN]);
/* The root of the tree so far; at most KS_MERKLE_LEVELS - 1 node hashes. */
void ks_merkle_range_root(const struct ks_merkle_range *range, uint8_t out_root[KS_MERKLE_LEN]);

/* --- proofs ------------------------------------------------------------------------------- */

/* An inclusion path (leaf's sibling first, RFC 9162 §2.1.3) or a consistency proof (§2.1.4). */
struct ks_merkle_proof {
    size_t count;
    uint8_t hashes[KS_MERKLE_PATH_MAX][KS_MERKLE_LEN];
};

/* Where proofs are made from: gives the root of the complete subtree of the 2^LEVEL leaves that
 * begin at leaf INDEX * 2^LEVEL. It is asked only for subtrees inside the tree. */
struct ks_merkle_source {
    void *context;
    enum ks_err (*read)(void *context, unsigned level, uint64_t index,
                        uint8_t out_hash[KS_MERKLE_LEN]);
};

/* The root of the tree of the first SIZE leaves. Errors: KS_ERR_LIMIT, and those of the source.
 */
KS_MUST_CHECK enum ks_err ks_merkle_source_root(const struct ks_merkle_source *source,
                                                uint64_t size, uint8_t out_root[KS_MERKLE_LEN]);
/* That leaf INDEX is in the tree of the first SIZE leaves. KS_ERR_USAGE unless INDEX < SIZE. */
KS_MUST_CHECK enum ks_err ks_merkle_prove_inclusion(const struct ks_merkle_source *source,
                                                    uint64_t index, uint64_t size,
                                                    struct ks_merkle_proof *out_proof);
/* That the tree of the first OLD_SIZE leaves is a prefix of the one of SIZE leaves.
 * KS_ERR_USAGE unless OLD_SIZE <= SIZE. Empty where OLD_SIZE is 0 or SIZE (RFC 9162 §2.1.4.1
 * leaves both out). */
KS_MUST_CHECK enum ks_err ks_merkle_prove_consistency(const struct ks_merkle_source *source,
                                                      uint64_t old_size, uint64_t size,
                                                      struct ks_merkle_proof *out_proof);

/* The exact number of hashes in the inclusion path of leaf INDEX in a tree of SIZE leaves
 * (asserts INDEX < SIZE <= KS_MERKLE_SIZE_MAX). */
size_t ks_merkle_path_len(uint64_t index, uint64_t size);

/* The root that an inclusion path leads to, for a root that is stated elsewhere (a quote's
 * qualifying data). KS_ERR_VERIFY for an INDEX outside SIZE or a path of the wrong length. */
KS_MUST_CHECK enum ks_err ks_merkle_inclusion_root(uint64_t index, uint64_t size,
                                                   const uint8_t leaf[KS_MERKLE_LEN],
                                                   const uint8_t *path, size_t path_count,
                                                   uint8_t out_root[KS_MERKLE_LEN]);
/* Checks an inclusion path of PATH_COUNT hashes (RFC 9162 §2.1.3.2). KS_ERR_VERIFY when the
 * index is not in the tree, when the path is not exactly as long as it has to be, and when it
 * ends at another root. */
KS_MUST_CHECK enum ks_err ks_merkle_check_inclusion(uint64_t index, uint64_t size,
                                                    const uint8_t leaf[KS_MERKLE_LEN],
                                                    const uint8_t *path, size_t path_count,
                                                    const uint8_t root[KS_MERKLE_LEN]);
/* Checks a consistency proof of PROOF_COUNT hashes (RFC 9162 §2.1.4.2). KS_ERR_VERIFY when
 * OLD_SIZE > SIZE, on any other length than the right one, and when it leads to another root on
 * either side. For OLD_SIZE 0 the old root has to be that of the empty tree; for equal sizes
 * the roots have to be equal; both with an empty proof. */
KS_MUST_CHECK enum ks_err ks_merkle_check_consistency(uint64_t old_size,
                                                      const uint8_t old_root[KS_MERKLE_LEN],
                                                      uint64_t size,
                                                      const uint8_t root[KS_MERKLE_LEN],
                                                      const uint8_t *proof, size_t proof_count);

/* --- small trees held whole, such as the records one quote covers --- */

/* The root of COUNT leaf hashes. KS_ERR_LIMIT above KS_MERKLE_TREE_MAX. */
KS_MUST_CHECK enum ks_err ks_merkle_root_of(const uint8_t *leaves, size_t count,
                                            uint8_t out_root[KS_MERKLE_LEN]);
/* The inclusion path of leaf INDEX. KS_ERR_USAGE unless INDEX < COUNT, KS_ERR_LIMIT above
 * KS_MERKLE_TREE_MAX. About COUNT node hashes; no memory is taken. */
KS_MUST_CHECK enum ks_err ks_merkle_path(const uint8_t *leaves, size_t count, size_t index,
                                         struct ks_merkle_proof *out_path);

#endif
