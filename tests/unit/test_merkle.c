/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every inclusion and consistency proof of every tree of up to SIZE_MAX_ALL leaves is compared
 * with the recursive definition, and everything next to a right proof is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "ledger/merkle.h"
#include "oracle/naive_merkle.h"

#define SIZE_MAX_ALL    130
#define SIZE_MAX_FLIPS  34
#define SIZE_MAX_LEAVES 3000

static uint8_t leaves[SIZE_MAX_LEAVES * KS_MERKLE_LEN];

static uint64_t random_state = 0x9e3779b97f4a7c15U;

/* xorshift64*: any numbers do, as long as a failure repeats. */
static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717U % limit;
}

static int make_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_MAX_LEAVES; i++) {
        const uint8_t entry[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        ks_merkle_leaf(KS_BYTES(entry), leaves + i * KS_MERKLE_LEN);
    }
    return 0;
}

static const uint8_t *leaf(size_t index)
{
    return leaves + index * KS_MERKLE_LEN;
}

/* The hash of level LEVEL, straight from the definition. */
static enum ks_err naive_read(void *context, unsigned level, uint64_t index,
                              uint8_t out_hash[KS_MERKLE_LEN])
{
    const uint64_t size = *(const uint64_t *)context;

    assert_true((index + 1) << level <= size);
    naive_root(leaf(index << level), (size_t)1 << level, out_hash);
    return KS_OK;
}

static void assert_hex(const uint8_t hash[KS_MERKLE_LEN], const char *want)
{
    char text[2 * KS_MERKLE_LEN + 1];

    ks_hex_encode(ks_bytes_of(hash, KS_MERKLE_LEN), text);
    assert_string_equal(text, want);
}

/* The roots of the first sizes with the entries of the reference implementation of RFC 6962
 * (certificate-transparency, merkle_tree_test.cc). */
static void test_published_roots(void **state)
{
    static const struct {
        const char *entry;
        size_t len;
        const char *root;
    } rows[] = {
        {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"\x40\x41\x42\x43", 4,
         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    struct ks_merkle_range range = {0};
    uint8_t hash[KS_MERKLE_LEN];

    (void)state;
    ks_merkle_range_root(&range, hash);
    assert_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ks_merkle_leaf(ks_bytes_of(rows[i].entry, rows[i].len), hash);
        ks_merkle_range_append(&range, hash);
        ks_merkle_range_root(&range, hash);
        assert_hex(hash, rows[i].root);
    }
}

static void test_roots(void **state)
{
    struct ks_merkle_range range = {0};

    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_LEAVES; size++) {
        uint8_t want[KS_MERKLE_LEN];
        uint8_t got[KS_MERKLE_LEN];

        if (size <= SIZE_MAX_ALL || size % 97 == 0) {
            naive_root(leaves, size, want);
            ks_merkle_range_root(&range, got);
            assert_memory_equal(got, want, KS_MERKLE_LEN);
            assert_int_equal(ks_merkle_root_of(leaves, size, got), KS_OK);
            assert_memory_equal(got, want, KS_MERKLE_LEN);
        }
        if (size < SIZE_MAX_LEAVES) {
            ks_merkle_range_append(&range, leaf(size));
        }
    }
}

/* What must be refused beside the right PATH. */
static void refuse_near_inclusion(uint64_t index, uint64_t size, struct ks_merkle_proof path,
                                  const uint8_t root[KS_MERKLE_LEN])
{
    uint8_t *hashes = &path.hashes[0][0];
    uint8_t bad[KS_MERKLE_LEN];

    for (uint64_t other = 0; other < size + 2; other++) {
        if (other != index) {
            assert_int_equal(
                ks_merkle_check_inclusion(other, size, leaf(index), hashes, path.count, root),
                KS_ERR_VERIFY);
        }
    }
    assert_int_equal(
        ks_merkle_check_inclusion(index, size, leaf(index), hashes, path.count + 1, root),
        KS_ERR_VERIFY);
    if (path.count > 0) {
        assert_int_equal(
            ks_merkle_check_inclusion(index, size, leaf(index), hashes, path.count - 1, root),
            KS_ERR_VERIFY);
    }
    for (size_t i = 0; i < path.count * KS_MERKLE_LEN; i++) {
        const uint8_t kept = hashes[i];
        hashes[i] ^= (uint8_t)(1 + random_below(255));
        assert_int_equal(
            ks_merkle_check_inclusion(index, size, leaf(index), hashes, path.count, root),
            KS_ERR_VERIFY);
        hashes[i] = kept;
    }
    for (size_t i = 0; i < KS_MERKLE_LEN; i++) {
        ks_copy(bad, root, sizeof(bad));
        bad[i] ^= 0x10;
        assert_int_equal(
            ks_merkle_check_inclusion(index, size, leaf(index), hashes, path.count, bad),
            KS_ERR_VERIFY);
        ks_copy(bad, leaf(index), sizeof(bad));
        bad[i] ^= 0x01;
        assert_int_equal(ks_merkle_check_inclusion(index, size, bad, hashes, path.count, root),
                         KS_ERR_VERIFY);
    }
}

static void check_inclusion(size_t index, size_t size, const uint8_t root[KS_MERKLE_LEN])
{
    uint64_t context = size;
    const struct ks_merkle_source source = {&context, naive_read};
    struct ks_merkle_proof path;
    struct ks_merkle_proof small;
    uint8_t found[KS_MERKLE_LEN];
    uint8_t want[KS_MERKLE_PATH_MAX][KS_MERKLE_LEN];
    const size_t count = naive_path(leaves, size, index, want);

    assert_int_equal(ks_merkle_prove_inclusion(&source, index, size, &path), KS_OK);
    assert_int_equal(path.count, count);
    assert_int_equal(ks_merkle_path_len(index, size), count);
    assert_memory_equal(path.hashes, want, count * KS_MERKLE_LEN);
    assert_int_equal(ks_merkle_path(leaves, size, index, &small), KS_OK);
    assert_int_equal(small.count, count);
    assert_memory_equal(small.hashes, want, count * KS_MERKLE_LEN);
    assert_int_equal(ks_merkle_check_inclusion(index, size, leaf(index), &path.hashes[0][0],
                                               path.count, root),
                     KS_OK);
    assert_int_equal(ks_merkle_inclusion_root(index, size, leaf(index), &path.hashes[0][0],
                                              path.count, found),
                     KS_OK);
    assert_memory_equal(found, root, KS_MERKLE_LEN);
    if (size <= SIZE_MAX_FLIPS) {
        refuse_near_inclusion(index, size, path, root);
    }
}

static void test_inclusion(void **state)
{
    uint8_t root[KS_MERKLE_LEN];

    (void)state;
    for (size_t size = 1; size <= SIZE_MAX_ALL; size++) {
        naive_root(leaves, size, root);
        for (size_t index = 0; index < size; index++) {
            check_inclusion(index, size, root);
        }
    }
    for (size_t i = 0; i < 60; i++) {
        const size_t size = SIZE_MAX_ALL + random_below(SIZE_MAX_LEAVES - SIZE_MAX_ALL);
        naive_root(leaves, size, root);
        check_inclusion(random_below(size), size, root);
    }
}

static void refuse_near_consistency(size_t old_size, size_t size, struct ks_merkle_proof proof,
                                    const uint8_t old_root[KS_MERKLE_LEN],
                                    const uint8_t root[KS_MERKLE_LEN])
{
    uint8_t *hashes = &proof.hashes[0][0];
    uint8_t bad[KS_MERKLE_LEN];

    for (size_t other = 0; other < size + 2; other++) {
        if (other != old_size) {
            assert_int_equal(
                ks_merkle_check_consistency(other, old_root, size, root, hashes, proof.count),
                KS_ERR_VERIFY);
        }
    }
    assert_int_equal(
        ks_merkle_check_consistency(old_size, old_root, size, root, hashes, proof.count + 1),
        KS_ERR_VERIFY);
    if (proof.count > 0) {
        assert_int_equal(ks_merkle_check_consistency(old_size, old_root, size, root, hashes,
                                                     proof.count - 1),
                         KS_ERR_VERIFY);
    }
    for (size_t i = 0; i < proof.count * KS_MERKLE_LEN; i++) {
        const uint8_t kept = hashes[i];
        hashes[i] ^= (uint8_t)(1 + random_below(255));
        assert_int_equal(
            ks_merkle_check_consistency(old_size, old_root, size, root, hashes, proof.count),
            KS_ERR_VERIFY);
        hashes[i] = kept;
    }
    for (size_t i = 0; i < KS_MERKLE_LEN; i++) {
        ks_copy(bad, root, sizeof(bad));
        bad[i] ^= 0x10;
        if (old_size != 0) { /* the empty tree is a prefix of everything */
            assert_int_equal(
                ks_merkle_check_consistency(old_size, old_root, size, bad, hashes, proof.count),
                KS_ERR_VERIFY);
        }
        ks_copy(bad, old_root, sizeof(bad));
        bad[i] ^= 0x01;
        assert_int_equal(
            ks_merkle_check_consistency(old_size, bad, size, root, hashes, proof.count),
            KS_ERR_VERIFY);
    }
}

static void check_consistency(size_t old_size, size_t size, const uint8_t root[KS_MERKLE_LEN])
{
    uint64_t context = size;
    const struct ks_merkle_source source = {&context, naive_read};
    struct ks_merkle_proof proof;
    uint8_t want[KS_MERKLE_PATH_MAX][KS_MERKLE_LEN];
    uint8_t old_root[KS_MERKLE_LEN];
    const size_t count = old_size == 0 ? 0 : naive_proof(leaves, size, old_size, want);

    naive_root(leaves, old_size, old_root);
    assert_int_equal(ks_merkle_prove_consistency(&source, old_size, size, &proof), KS_OK);
    assert_int_equal(proof.count, count);
    assert_memory_equal(proof.hashes, want, count * KS_MERKLE_LEN);
    assert_int_equal(ks_merkle_check_consistency(old_size, old_root, size, root,
                                                 &proof.hashes[0][0], proof.count),
                     KS_OK);
    if (size <= SIZE_MAX_FLIPS) {
        refuse_near_consistency(old_size, size, proof, old_root, root);
    }
}

static void test_consistency(void **state)
{
    uint8_t root[KS_MERKLE_LEN];

    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_ALL; size++) {
        naive_root(leaves, size, root);
        for (size_t old_size = 0; old_size <= size; old_size++) {
            check_consistency(old_size, size, root);
        }
    }
    for (size_t i = 0; i < 60; i++) {
        const size_t size = SIZE_MAX_ALL + random_below(SIZE_MAX_LEAVES - SIZE_MAX_ALL);
        naive_root(leaves, size, root);
        check_consistency(random_below(size + 1), size, root);
    }
}

/* A tree of equal leaves: it can be as large as one likes. */
static enum ks_err equal_read(void *context, unsigned level, uint64_t index,
                              uint8_t out_hash[KS_MERKLE_LEN])
{
    const uint64_t size = *(const uint64_t *)context;

    assert_true(level < KS_MERKLE_LEVELS && (index + 1) << level <= size);
    ks_copy(out_hash, leaf(0), KS_MERKLE_LEN);
    for (unsigned i = 0; i < level; i++) {
        ks_merkle_node(out_hash, out_hash, out_hash);
    }
    return KS_OK;
}

static enum ks_err failing_read(void *context, unsigned level, uint64_t index,
                                uint8_t out_hash[KS_MERKLE_LEN])
{
    (void)context;
    (void)level;
    (void)index;
    (void)out_hash;
    return ks_fail(KS_ERR_IO, "no such hash");
}

/* The largest tree: no proof is longer than a struct ks_merkle_proof, and no shift goes wrong.
 */
static void test_limits(void **state)
{
    uint64_t size = KS_MERKLE_SIZE_MAX;
    const struct ks_merkle_source source = {&size, equal_read};
    const struct ks_merkle_source failing = {NULL, failing_read};
    struct ks_merkle_proof proof = {0};
    uint8_t root[KS_MERKLE_LEN];

    (void)state;
    assert_int_equal(ks_merkle_source_root(&source, size, root), KS_OK);
    for (uint64_t old = size; old > 0; old /= 3) {
        uint8_t old_root[KS_MERKLE_LEN];
        assert_int_equal(ks_merkle_source_root(&source, old, old_root), KS_OK);
        assert_int_equal(ks_merkle_prove_consistency(&source, old, size, &proof), KS_OK);
        assert_int_equal(ks_merkle_check_consistency(old, old_root, size, root,
                                                     &proof.hashes[0][0], proof.count),
                         KS_OK);
        assert_int_equal(ks_merkle_prove_inclusion(&source, old - 1, size, &proof), KS_OK);
        assert_int_equal(ks_merkle_check_inclusion(old - 1, size, leaf(0), &proof.hashes[0][0],
                                                   proof.count, root),
                         KS_OK);
    }
    assert_int_equal(ks_merkle_source_root(&source, size + 1, root), KS_ERR_LIMIT);
    assert_int_equal(ks_merkle_prove_inclusion(&source, 0, size + 1, &proof), KS_ERR_LIMIT);
    assert_int_equal(ks_merkle_prove_inclusion(&source, 5, 5, &proof), KS_ERR_USAGE);
    assert_int_equal(ks_merkle_prove_inclusion(&source, 0, 0, &proof), KS_ERR_USAGE);
    assert_int_equal(ks_merkle_prove_consistency(&source, 6, 5, &proof), KS_ERR_USAGE);
    assert_int_equal(ks_merkle_prove_consistency(&source, 5, size + 1, &proof), KS_ERR_LIMIT);
    assert_int_equal(
        ks_merkle_check_inclusion(0, size + 1, leaf(0), &proof.hashes[0][0], 53, root),
        KS_ERR_VERIFY);
    assert_int_equal(ks_merkle_check_inclusion(0, 0, leaf(0), NULL, 0, root), KS_ERR_VERIFY);
    assert_int_equal(ks_merkle_check_inclusion(UINT64_MAX, UINT64_MAX, leaf(0), NULL, 0, root),
                     KS_ERR_VERIFY);
    assert_int_equal(ks_merkle_path(leaves, 3, 3, &proof), KS_ERR_USAGE);
    assert_int_equal(ks_merkle_path(leaves, KS_MERKLE_TREE_MAX + 1, 0, &proof), KS_ERR_LIMIT);
    assert_int_equal(ks_merkle_root_of(leaves, KS_MERKLE_TREE_MAX + 1, root), KS_ERR_LIMIT);
    assert_int_equal(ks_merkle_prove_inclusion(&failing, 3, 7, &proof), KS_ERR_IO);
    assert_int_equal(ks_merkle_prove_consistency(&failing, 3, 7, &proof), KS_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_roots), cmocka_unit_test(test_roots),
        cmocka_unit_test(test_inclusion),       cmocka_unit_test(test_consistency),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
