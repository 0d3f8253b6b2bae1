/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The ledger over tiles in memory: against golang.org/x/mod/sumdb/tlog at 70,000 entries
 * (tests/vectors/merkle), over stores that fail, lose and damage tiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "ledger/ledger.h"
#include "vector_files.h"

#define SIZE_MAX_TEST 70000
#define TILES_MAX     400

struct stored_tile {
    unsigned level;
    uint64_t index;
    unsigned width;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];
};

/* Tiles in memory; the write after WRITES_LEFT fails. */
struct memory {
    size_t count;
    size_t writes_left;
    struct stored_tile tiles[TILES_MAX];
};

static uint8_t leaves[SIZE_MAX_TEST * KS_MERKLE_LEN];
static struct memory memory;

static struct stored_tile *find(struct memory *tiles, unsigned level, uint64_t index)
{
    for (size_t i = 0; i < tiles->count; i++) {
        if (tiles->tiles[i].level == level && tiles->tiles[i].index == index) {
            return &tiles->tiles[i];
        }
    }
    return NULL;
}

static enum ks_err memory_read(void *context, unsigned level, uint64_t index, unsigned width,
                               uint8_t *hashes)
{
    const struct stored_tile *tile = find(context, level, index);

    if (tile == NULL || tile->width < width) {
        return ks_fail(KS_ERR_NOT_FOUND, "no such tile");
    }
    ks_copy(hashes, tile->hashes, (size_t)width * KS_MERKLE_LEN);
    return KS_OK;
}

static enum ks_err memory_write(void *context, unsigned level, uint64_t index, unsigned width,
                                const uint8_t *hashes)
{
    struct memory *tiles = context;
    struct stored_tile *tile = find(tiles, level, index);

    assert_true(width >= 1 && width <= KS_TILE_WIDTH);
    if (tiles->writes_left-- == 0) {
        tiles->writes_left = 0;
        return ks_fail(KS_ERR_IO, "the disk is full");
    }
    if (tile == NULL) {
        assert_true(tiles->count < TILES_MAX);
        tile = &tiles->tiles[tiles->count++];
        tile->level = level;
        tile->index = index;
    }
    tile->width = width;
    ks_copy(tile->hashes, hashes, (size_t)width * KS_MERKLE_LEN);
    return KS_OK;
}

static const struct ks_tile_store store = {&memory, memory_read, memory_write};

static uint64_t random_state = 0x9e3779b97f4a7c15U;

static size_t random_below(size_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)(random_state * 2685821657736338717U % limit);
}

static int make_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_MAX_TEST; i++) {
        char entry[32];
        (void)snprintf(entry, sizeof(entry), "entry %zu", i);
        ks_merkle_leaf(ks_bytes_text(entry), leaves + i * KS_MERKLE_LEN);
    }
    return 0;
}

static struct ks_ledger *open_empty(void)
{
    struct ks_ledger *ledger = NULL;
    struct ks_head head;

    memory.count = 0;
    memory.writes_left = SIZE_MAX;
    ks_head_empty(&head);
    assert_int_equal(ks_ledger_open(&store, &head, &ledger), KS_OK);
    return ledger;
}

/* Appends the leaves up to SIZE, BATCH_MAX at most at a time. */
static void grow(struct ks_ledger *ledger, size_t size, size_t batch_max)
{
    while (ks_ledger_head(ledger)->size < size) {
        const size_t have = (size_t)ks_ledger_head(ledger)->size;
        size_t count = random_below(batch_max + 1);
        uint64_t first = UINT64_MAX;

        count = count < size - have ? count : size - have;
        assert_int_equal(ks_ledger_append(ledger, leaves + have * KS_MERKLE_LEN, count, &first),
                         KS_OK);
        assert_int_equal(first, have);
    }
}

/* The next number, word or hash of a line of the vectors. */
static struct ks_bytes next_word(struct ks_bytes *line)
{
    size_t len = 0;

    while (len < line->len && line->data[len] != ' ') {
        len++;
    }
    const struct ks_bytes word = ks_bytes_of(line->data, len);
    const size_t skip = len < line->len ? len + 1 : len;
    *line = ks_bytes_of(line->data + skip, line->len - skip);
    return word;
}

static uint64_t next_number(struct ks_bytes *line)
{
    uint64_t value = 0;

    assert_int_equal(ks_text_u64(next_word(line), KS_MERKLE_SIZE_MAX, &value), KS_OK);
    return value;
}

static void next_hash(struct ks_bytes *line, uint8_t hash[KS_MERKLE_LEN])
{
    assert_int_equal(ks_hex_decode(next_word(line), hash, KS_MERKLE_LEN), KS_OK);
}

static void assert_proof(const struct ks_merkle_proof *proof, struct ks_bytes line)
{
    uint8_t hash[KS_MERKLE_LEN];

    for (size_t i = 0; i < proof->count; i++) {
        next_hash(&line, hash);
        assert_memory_equal(proof->hashes[i], hash, KS_MERKLE_LEN);
    }
    assert_int_equal(line.len, 0);
}

static void check_line(struct ks_ledger *ledger, struct ks_bytes line)
{
    const struct ks_bytes kind = next_word(&line);
    const uint64_t first = next_number(&line);
    struct ks_merkle_proof proof;
    uint8_t want[KS_MERKLE_LEN];
    uint8_t got[KS_MERKLE_LEN];
    uint8_t old[KS_MERKLE_LEN];

    if (ks_bytes_is(kind, "root")) {
        next_hash(&line, want);
        assert_int_equal(ks_ledger_root(ledger, first, got), KS_OK);
        assert_memory_equal(got, want, KS_MERKLE_LEN);
        return;
    }
    const uint64_t second = next_number(&line);
    if (ks_bytes_is(kind, "inclusion")) {
        assert_int_equal(ks_ledger_prove_inclusion(ledger, first, second, &proof), KS_OK);
        assert_proof(&proof, line);
        assert_int_equal(ks_ledger_root(ledger, second, got), KS_OK);
        assert_int_equal(ks_merkle_check_inclusion(first, second,
                                                   leaves + first * KS_MERKLE_LEN,
                                                   &proof.hashes[0][0], proof.count, got),
                         KS_OK);
    } else if (ks_bytes_is(kind, "consistency")) {
        assert_int_equal(ks_ledger_prove_consistency(ledger, first, second, &proof), KS_OK);
        assert_proof(&proof, line);
        assert_int_equal(ks_ledger_root(ledger, first, old), KS_OK);
        assert_int_equal(ks_ledger_root(ledger, second, got), KS_OK);
        assert_int_equal(ks_merkle_check_consistency(first, old, second, got,
                                                     &proof.hashes[0][0], proof.count),
                         KS_OK);
    } else {
        const unsigned width = (unsigned)next_number(&line);
        const struct stored_tile *tile = find(&memory, (unsigned)first, second);
        assert_true(ks_bytes_is(kind, "tile"));
        assert_non_null(tile);
        assert_int_equal(tile->width, width);
        next_hash(&line, want);
        ks_sha256(ks_bytes_of(tile->hashes, (size_t)width * KS_MERKLE_LEN), got);
        assert_memory_equal(got, want, KS_MERKLE_LEN);
    }
}

static void test_vectors(void **state)
{
    struct ks_ledger *ledger = open_empty();
    struct ks_buf text;
    struct ks_reader reader;
    struct ks_bytes line;
    size_t count = 0;

    (void)state;
    grow(ledger, SIZE_MAX_TEST, 2000);
    vector_read("merkle", "tlog.txt", &text);
    reader = ks_reader_of(ks_buf_view(&text), "vectors");
    while (reader.rest.len != 0) {
        assert_int_equal(ks_read_line(&reader, &line), KS_OK);
        if (line.data[0] != '#') {
            check_line(ledger, line);
            count++;
        }
    }
    assert_int_equal(count, 563);
    ks_buf_done(&text);
    ks_ledger_close(ledger);
}

/* One entry at a time, and reopened at each size. */
static void test_reopen(void **state)
{
    struct ks_ledger *ledger = open_empty();
    struct ks_ledger *again = NULL;
    struct ks_merkle_range range = {0};
    struct ks_head head;
    uint8_t root[KS_MERKLE_LEN];

    (void)state;
    for (size_t size = 1; size <= 600; size++) {
        grow(ledger, size, 1);
        ks_merkle_range_append(&range, leaves + (size - 1) * KS_MERKLE_LEN);
        ks_merkle_range_root(&range, root);
        head = *ks_ledger_head(ledger);
        assert_int_equal(head.size, size);
        assert_memory_equal(head.root, root, KS_MERKLE_LEN);
        assert_int_equal(ks_ledger_open(&store, &head, &again), KS_OK);
        ks_ledger_close(ledger);
        ledger = again;
        head.root[7] ^= 1;
        again = NULL;
        assert_int_equal(ks_ledger_open(&store, &head, &again), KS_ERR_VERIFY);
        assert_null(again);
    }
    ks_ledger_close(ledger);
    head.size = KS_MERKLE_SIZE_MAX + 1;
    assert_int_equal(ks_ledger_open(&store, &head, &again), KS_ERR_LIMIT);
}

/* A write that fails leaves the ledger as it was, whichever it is. */
static void test_failing_writes(void **state)
{
    struct ks_ledger *ledger = open_empty();
    struct ks_merkle_proof proof;
    uint8_t root[KS_MERKLE_LEN];
    uint64_t first = UINT64_MAX;

    (void)state;
    grow(ledger, 65400, 5000);
    for (size_t left = 0;; left++) {
        const struct ks_head before = *ks_ledger_head(ledger);

        memory.writes_left = left;
        if (ks_ledger_append(ledger, leaves + before.size * KS_MERKLE_LEN, 600, &first) ==
            KS_OK) {
            /* Tiles 0/255, 1/0 and 0/256; and 0/257, 1/1 and 2/0 in part. */
            assert_int_equal(left, 6);
            break;
        }
        assert_int_equal(first, UINT64_MAX);
        assert_int_equal(ks_ledger_head(ledger)->size, before.size);
        assert_memory_equal(ks_ledger_head(ledger)->root, before.root, KS_MERKLE_LEN);
        assert_int_equal(ks_ledger_prove_inclusion(ledger, 65399, 65400, &proof), KS_OK);
        assert_int_equal(ks_merkle_check_inclusion(65399, 65400, leaves + 65399 * KS_MERKLE_LEN,
                                                   &proof.hashes[0][0], proof.count,
                                                   before.root),
                         KS_OK);
    }
    assert_int_equal(ks_merkle_root_of(leaves, 66000, root), KS_OK);
    assert_memory_equal(ks_ledger_head(ledger)->root, root, KS_MERKLE_LEN);
    ks_ledger_close(ledger);
}

static enum ks_err leaves_read(void *context, uint64_t first, size_t count, uint8_t *hashes)
{
    const uint64_t *bad = context;

    assert_true(count <= KS_TILE_WIDTH && first + count <= SIZE_MAX_TEST);
    ks_copy(hashes, leaves + first * KS_MERKLE_LEN, count * KS_MERKLE_LEN);
    if (*bad >= first && *bad < first + count) {
        hashes[(*bad - first) * KS_MERKLE_LEN] ^= 1;
    }
    return KS_OK;
}

/* A damaged tile never gives a proof: the damage is seen at opening or at the first proof that
 * needs it. */
static void test_damage(void **state)
{
    const size_t size = 66000;
    struct ks_ledger *ledger = open_empty();
    struct ks_merkle_proof proof;
    uint64_t none = UINT64_MAX;
    uint64_t bad = size - 1;
    const struct ks_leaf_source source = {&none, leaves_read};
    const struct ks_leaf_source false_source = {&bad, leaves_read};

    (void)state;
    grow(ledger, size, 5000);
    const struct ks_head head = *ks_ledger_head(ledger);
    struct ks_head other = head;
    other.root[0] ^= 1;
    ks_ledger_close(ledger);
    assert_int_equal(ks_ledger_fsck(&store, &head, &source), KS_OK);
    assert_int_equal(ks_ledger_fsck(&store, &head, &false_source), KS_ERR_VERIFY);
    assert_int_equal(ks_ledger_fsck(&store, &other, &source), KS_ERR_VERIFY);
    for (size_t i = 0; i < memory.count; i += i < 250 ? 49 : 1) {
        struct stored_tile *tile = &memory.tiles[i];
        const size_t at = random_below((size_t)tile->width * KS_MERKLE_LEN);
        const uint64_t index = (tile->index << (8 * (tile->level + 1))) +
                               ((uint64_t)(at / KS_MERKLE_LEN) << (8 * tile->level));

        tile->hashes[at] ^= 0x20;
        assert_int_equal(ks_ledger_fsck(&store, &head, &source), KS_ERR_VERIFY);
        ledger = NULL;
        enum ks_err err = ks_ledger_open(&store, &head, &ledger);
        if (err == KS_OK) {
            err = ks_ledger_prove_inclusion(ledger, index, size, &proof);
        }
        assert_int_equal(err, KS_ERR_VERIFY);
        ks_ledger_close(ledger);
        tile->hashes[at] ^= 0x20;

        tile->level += 10; /* gone */
        ledger = NULL;
        err = ks_ledger_open(&store, &head, &ledger);
        if (err == KS_OK) {
            err = ks_ledger_prove_inclusion(ledger, index, size, &proof);
        }
        assert_int_equal(err, KS_ERR_NOT_FOUND);
        ks_ledger_close(ledger);
        tile->level -= 10;
    }
}

static void test_limits(void **state)
{
    struct ks_ledger *ledger = open_empty();
    struct ks_merkle_proof proof;
    uint8_t root[KS_MERKLE_LEN];
    uint64_t first = 0;

    (void)state;
    grow(ledger, 300, 300);
    assert_int_equal(ks_ledger_append(ledger, NULL, 0, &first), KS_OK);
    assert_int_equal(first, 300);
    assert_int_equal(ks_ledger_root(ledger, 301, root), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_ledger_prove_inclusion(ledger, 0, 301, &proof), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_ledger_prove_inclusion(ledger, 300, 300, &proof), KS_ERR_USAGE);
    assert_int_equal(ks_ledger_prove_consistency(ledger, 0, 301, &proof), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_ledger_prove_consistency(ledger, 200, 100, &proof), KS_ERR_USAGE);
    ks_ledger_close(ledger);
    ks_ledger_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_failing_writes), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
