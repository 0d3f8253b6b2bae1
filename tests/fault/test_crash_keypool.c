/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Two key managers' pools on a disk that crashes at any step; and processes that die alone,
 * with what they had not committed. What the managers do is done here in the order in which
 * they do it: draw, tell the other end, and answer only when both have committed. Then: no bits
 * were ever handed out twice, at either end; a key that was answered for is at the other end,
 * once; and both pools are the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "fault/crash_vfs.h"
#include "kme/pool.h"

#define ROUNDS     60
#define SEEDS      24
#define STEPS      40
#define KEY_LEN    32
#define BLOCK_LEN  1000
#define GIVEN_MAX  4096
#define SAE_MASTER "master"
#define SAE_SLAVE  "slave"

/* What somebody has been given. */
struct given {
    uint8_t id[KS_KEYPOOL_ID_LEN];
    uint8_t key[KEY_LEN];
    unsigned end; /* who drew it */
    bool taken;   /* at the other end */
};

struct end {
    struct ks_store_options options;
    struct ks_kme_pool *pool; /* NULL: dead */
};

struct pair {
    struct crash_disk *disk;
    struct crash_vfs *vfs;
    struct end ends[2];
    struct crash_random random;
    struct given given[GIVEN_MAX];
    size_t count;
    uint64_t blocks;
};

static uint64_t below(struct pair *pair, uint64_t bound)
{
    return crash_random_below(&pair->random, bound);
}

static void fill(struct pair *pair, uint8_t *target, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)crash_random_next(&pair->random);
    }
}

/* A process ends, whatever it was doing. */
static void end_die(struct end *end)
{
    ks_kme_pool_close(end->pool);
    end->pool = NULL;
}

/* --- what the managers do, one whole step each -------------------------------------------- */

static enum ks_err begin(struct end *end)
{
    return end->pool == NULL ? KS_ERR_IO : ks_keypool_begin(ks_kme_pool_store(end->pool));
}

static enum ks_err commit(struct end *end)
{
    return ks_keypool_commit(ks_kme_pool_store(end->pool));
}

/* Both ends have distilled the same block. */
static enum ks_err add_block(struct pair *pair)
{
    enum ks_err err = KS_OK;
    uint8_t key[BLOCK_LEN];
    struct ks_kme_block block = {.key = KS_BYTES(key), .own_len = BLOCK_LEN / 2};

    fill(pair, block.id, sizeof block.id);
    fill(pair, key, sizeof key);
    for (unsigned i = 0; i < 2; i++) {
        block.own_last = i == 1;
        KS_TRY(begin(&pair->ends[i]));
        KS_TRY(ks_kme_pool_add(pair->ends[i].pool, &block));
        KS_TRY(commit(&pair->ends[i]));
    }
    for (unsigned i = 0; i < 2; i++) {
        ks_kme_pool_confirm(pair->ends[i].pool, block.id);
    }
out:
    return err;
}

/* A key from end FROM: given only when both ends have committed. The order of the commits is
 * either, as in life. */
static enum ks_err give(struct pair *pair, unsigned from)
{
    enum ks_err err = KS_OK;
    static const char *const named[] = {SAE_SLAVE};
    struct end *here = &pair->ends[from];
    struct end *there = &pair->ends[1 - from];
    struct given given = {.end = from};
    struct ks_kme_place place;
    uint8_t followed[KEY_LEN];
    struct ks_keypool_held held = {
        .master = SAE_MASTER, .named = named, .named_count = 1, .until_s = UINT32_MAX};
    const bool here_first = below(pair, 2) == 0;

    fill(pair, given.id, sizeof given.id);
    ks_copy(held.id, given.id, sizeof held.id);
    KS_TRY(begin(here));
    err = ks_kme_pool_draw(here->pool, KEY_LEN, &place, given.key);
    if (err == KS_ERR_NOT_FOUND) {
        return commit(here);
    }
    KS_TRY(err);
    if (here_first) {
        KS_TRY(commit(here));
    }
    KS_TRY(begin(there));
    KS_TRY(ks_kme_pool_follow(there->pool, &place, followed));
    assert_memory_equal(followed, given.key, KEY_LEN);
    held.key = KS_BYTES(followed);
    KS_TRY(ks_keypool_hold(ks_kme_pool_store(there->pool), &held));
    KS_TRY(commit(there));
    if (!here_first) {
        KS_TRY(commit(here));
    }
    assert_true(pair->count < GIVEN_MAX);
    pair->given[pair->count] = given;
    pair->count++;
out:
    return err;
}

/* The slave takes a key that was given. */
static enum ks_err take(struct pair *pair)
{
    enum ks_err err = KS_OK;
    struct given *given = pair->count == 0 ? NULL : &pair->given[below(pair, pair->count)];
    struct end *end = given == NULL ? NULL : &pair->ends[1 - given->end];
    struct ks_keypool *store = NULL;
    struct ks_keypool_held held;
    uint8_t key[KS_KEYPOOL_KEY_MAX];
    bool gone = false;

    if (given == NULL) {
        return KS_OK;
    }
    KS_TRY(begin(end));
    store = ks_kme_pool_store(end->pool);
    err = ks_keypool_find(store, given->id, SAE_SLAVE, key, &held);
    if (given->taken) {
        assert_true(err == KS_ERR_NOT_FOUND || crash_disk_is_down(pair->disk));
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
        return commit(end);
    }
    assert_true(err == KS_OK || crash_disk_is_down(pair->disk));
    KS_TRY(err);
    assert_memory_equal(key, given->key, KEY_LEN);
    KS_TRY(ks_keypool_take(store, given->id, SAE_SLAVE, &gone));
    assert_true(gone);
    /* Whether or not this commit is heard of, nobody asks for it again. */
    KS_TRY(commit(end));
    given->taken = true;
out:
    return err;
}

/* --- after a crash ------------------------------------------------------------------------ */

/* A taking that was not acknowledged may have happened: then the key is not looked for again.
 */
static void settle_taken(struct pair *pair)
{
    for (size_t i = 0; i < pair->count; i++) {
        struct given *given = &pair->given[i];
        struct ks_keypool *store = ks_kme_pool_store(pair->ends[1 - given->end].pool);
        struct ks_keypool_held held;
        uint8_t key[KS_KEYPOOL_KEY_MAX];
        const enum ks_err err = ks_keypool_find(store, given->id, SAE_SLAVE, key, &held);

        if (given->taken) {
            assert_int_equal(err, KS_ERR_NOT_FOUND); /* never there again */
        } else if (err == KS_ERR_NOT_FOUND) {
            given->taken = true; /* checked below: only the last one tried */
        } else {
            assert_int_equal(err, KS_OK);
            assert_memory_equal(key, given->key, KEY_LEN);
        }
    }
}

static void agree(struct pair *pair)
{
    struct ks_buf lists[2];

    for (unsigned i = 0; i < 2; i++) {
        ks_buf_init(&lists[i], (size_t)1 << 20);
        ks_kme_pool_part(pair->ends[i].pool);
        ks_kme_pool_list(pair->ends[i].pool, &lists[i]);
        assert_int_equal(ks_buf_check(&lists[i]), KS_OK);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(begin(&pair->ends[i]), KS_OK);
        assert_int_equal(ks_kme_pool_agree(pair->ends[i].pool, ks_buf_view(&lists[1 - i])),
                         KS_OK);
        assert_int_equal(commit(&pair->ends[i]), KS_OK);
    }
    for (unsigned i = 0; i < 2; i++) {
        ks_buf_done(&lists[i]);
        assert_true(ks_kme_pool_bytes(pair->ends[i].pool, KS_KEYPOOL_OWN) ==
                    ks_kme_pool_bytes(pair->ends[1 - i].pool, KS_KEYPOOL_PEER));
        assert_true(ks_kme_pool_keys(pair->ends[i].pool, KS_KEYPOOL_OWN, KEY_LEN) ==
                    ks_kme_pool_keys(pair->ends[1 - i].pool, KS_KEYPOOL_PEER, KEY_LEN));
    }
}

static size_t untaken(const struct pair *pair)
{
    size_t count = 0;

    for (size_t i = 0; i < pair->count; i++) {
        count += !pair->given[i].taken;
    }
    return count;
}

static void recover(struct pair *pair)
{
    const size_t before = untaken(pair);

    /* The disk may go down while the first of them closes. */
    end_die(&pair->ends[0]);
    end_die(&pair->ends[1]);
    if (crash_disk_is_down(pair->disk)) {
        crash_disk_restart(pair->disk);
    }
    crash_disk_arm(pair->disk, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ks_kme_pool_open(&pair->ends[i].options, &pair->ends[i].pool), KS_OK);
    }
    agree(pair);
    settle_taken(pair);
    assert_true(before - untaken(pair) <= 1);
}

static void no_bits_twice(const struct pair *pair)
{
    for (size_t i = 0; i < pair->count; i++) {
        for (size_t later = i + 1; later < pair->count; later++) {
            assert_memory_not_equal(pair->given[i].key, pair->given[later].key, KEY_LEN);
        }
    }
}

static void pair_open(struct pair *pair, uint64_t seed)
{
    static const char *const directories[] = {"a", "b"};

    *pair = (struct pair){.random.state = seed};
    assert_int_equal(crash_disk_new(seed, &pair->disk), KS_OK);
    assert_int_equal(crash_vfs_new(pair->disk, seed, &pair->vfs), KS_OK);
    for (unsigned i = 0; i < 2; i++) {
        pair->ends[i].options = (struct ks_store_options){
            .version = 1,
            .directory = directories[i],
            .vfs = CRASH_VFS_NAME,
            .sync_dir = crash_vfs_sync_dir,
            .sync_dir_context = pair->disk,
            .wal_pages = 8,
        };
        assert_int_equal(ks_kme_pool_open(&pair->ends[i].options, &pair->ends[i].pool), KS_OK);
    }
}

static void pair_close(struct pair *pair)
{
    end_die(&pair->ends[0]);
    end_die(&pair->ends[1]);
    crash_vfs_free(pair->vfs);
    crash_disk_free(pair->disk);
}

/* Until something fails, by the disk or because a process is to die. */
static void work(struct pair *pair)
{
    enum ks_err err = KS_OK;

    crash_disk_arm(pair->disk, below(pair, 4) == 0 ? 0 : 1 + below(pair, STEPS));
    for (uint64_t left = 1 + below(pair, 12); left > 0 && err == KS_OK; left--) {
        switch (below(pair, 6)) {
        case 0:
            err = add_block(pair);
            break;
        case 1:
        case 2:
            err = take(pair);
            break;
        default:
            err = give(pair, (unsigned)below(pair, 2));
            break;
        }
    }
    assert_true(err == KS_OK || crash_disk_is_down(pair->disk));
}

static void test_pools_that_crash(void **state)
{
    (void)state;
    static struct pair pair; /* large; one thread */
    size_t given = 0;
    size_t left = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        pair_open(&pair, seed);
        for (unsigned round = 0; round < ROUNDS; round++) {
            work(&pair);
            recover(&pair);
        }
        no_bits_twice(&pair);
        given += pair.count;
        left += untaken(&pair);
        pair_close(&pair);
    }
    print_message("%zu keys given, %zu not yet taken\n", given, left);
    assert_true(given > 1000 && left > 100);
}

/* What is not common is dropped; what one end has cut further counts. */
static void test_agreement(void **state)
{
    (void)state;
    static struct pair pair;
    uint8_t key[100] = {7};
    uint8_t out[KEY_LEN];
    struct ks_kme_block block = {.id = {1}, .key = KS_BYTES(key), .own_len = 100};
    struct ks_kme_place place = {.len = KEY_LEN};

    pair_open(&pair, 7);
    /* A block that only one end has heard of. */
    assert_int_equal(begin(&pair.ends[0]), KS_OK);
    assert_int_equal(ks_kme_pool_add(pair.ends[0].pool, &block), KS_OK);
    assert_int_equal(ks_kme_pool_draw(pair.ends[0].pool, KEY_LEN, &place, out),
                     KS_ERR_NOT_FOUND); /* not confirmed */
    assert_int_equal(commit(&pair.ends[0]), KS_OK);
    agree(&pair);
    assert_int_equal(ks_kme_pool_bytes(pair.ends[0].pool, KS_KEYPOOL_OWN), 0);
    /* One end draws three keys, the other hears of two. */
    assert_int_equal(add_block(&pair), KS_OK);
    assert_int_equal(begin(&pair.ends[0]), KS_OK);
    assert_int_equal(begin(&pair.ends[1]), KS_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ks_kme_pool_draw(pair.ends[0].pool, KEY_LEN, &place, out), KS_OK);
        assert_int_equal(place.start, i * KEY_LEN);
        if (i < 2) {
            uint8_t same[KEY_LEN];

            assert_int_equal(ks_kme_pool_follow(pair.ends[1].pool, &place, same), KS_OK);
            assert_memory_equal(out, same, KEY_LEN);
            assert_int_equal(ks_kme_pool_follow(pair.ends[1].pool, &place, same),
                             KS_ERR_CONFLICT);
        }
    }
    assert_int_equal(commit(&pair.ends[0]), KS_OK);
    assert_int_equal(commit(&pair.ends[1]), KS_OK);
    agree(&pair);
    assert_int_equal(ks_kme_pool_bytes(pair.ends[1].pool, KS_KEYPOOL_PEER),
                     BLOCK_LEN / 2 - 3 * KEY_LEN);
    /* Lists that are malformed change nothing. */
    assert_int_equal(ks_kme_pool_agree(pair.ends[0].pool, KS_LITERAL("\0\0\0\1")),
                     KS_ERR_FORMAT);
    assert_int_equal(ks_kme_pool_agree(pair.ends[0].pool, KS_LITERAL("")), KS_ERR_FORMAT);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_pools_that_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
