/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <pthread.h>

#include "base/pool.h"

#define SLICES_MAX 1000

struct tally {
    unsigned runs[SLICES_MAX]; /* a slice has one writer, so no lock is needed */
    pthread_t thread[SLICES_MAX];
};

static void count_run(void *context, size_t slice)
{
    struct tally *tally = context;

    tally->runs[slice]++;
    tally->thread[slice] = pthread_self();
}

/* Each slice exactly once, in ranges fixed by the header's formula, for every shape. */
static void test_each_slice_once(void **state)
{
    static const size_t slices[] = {0, 1, 2, 3, 4, 7, 8, 9, 64, 999, SLICES_MAX};

    (void)state;
    for (unsigned threads = 1; threads <= 5; threads++) {
        struct ks_pool *pool = NULL;

        assert_int_equal(ks_pool_new(threads, &pool), KS_OK);
        assert_int_equal(ks_pool_threads(pool), threads);
        for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
            static struct tally tally;

            memset(&tally, 0, sizeof tally);
            ks_pool_run(pool, count_run, &tally, slices[i]);
            for (size_t slice = 0; slice < SLICES_MAX; slice++) {
                assert_int_equal(tally.runs[slice], slice < slices[i]);
            }
            for (unsigned t = 0; t < threads && slices[i] > 1; t++) {
                const size_t first = t * slices[i] / threads;
                const size_t end = (t + 1) * slices[i] / threads;

                for (size_t slice = first; slice + 1 < end; slice++) {
                    assert_true(pthread_equal(tally.thread[slice], tally.thread[slice + 1]));
                }
                assert_true(t > 0 || first == end ||
                            pthread_equal(tally.thread[first], pthread_self()));
                assert_true(t == 0 || first == end ||
                            !pthread_equal(tally.thread[first], pthread_self()));
            }
        }
        ks_pool_free(pool);
    }
}

/* Many short runs: a lost wake-up would hang here, a run that returns early would miscount. */
static void test_many_runs(void **state)
{
    static struct tally tally;
    struct ks_pool *pool = NULL;

    (void)state;
    memset(&tally, 0, sizeof tally);
    assert_int_equal(ks_pool_new(4, &pool), KS_OK);
    for (unsigned run = 1; run <= 5000; run++) {
        ks_pool_run(pool, count_run, &tally, 8);
        for (size_t slice = 0; slice < 8; slice++) {
            assert_int_equal(tally.runs[slice], run);
        }
    }
    ks_pool_free(pool);
}

static void note_signals(void *context, size_t slice)
{
    sigset_t *masks = context;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &masks[slice]);
}

/* Workers take no signals; the caller's mask is as before. */
static void test_signals(void **state)
{
    sigset_t masks[2];
    struct ks_pool *pool = NULL;

    (void)state;
    assert_int_equal(ks_pool_new(2, &pool), KS_OK);
    ks_pool_run(pool, note_signals, masks, 2);
    assert_int_equal(sigismember(&masks[0], SIGTERM), 0);
    assert_int_equal(sigismember(&masks[1], SIGTERM), 1);
    ks_pool_free(pool);
}

static void test_bounds(void **state)
{
    static struct tally tally;
    struct ks_pool *pool = NULL;

    (void)state;
    memset(&tally, 0, sizeof tally);
    expect_failure(ks_pool_new(0, &pool), KS_ERR_LIMIT, "0 threads");
    expect_failure(ks_pool_new(KS_POOL_THREADS_MAX + 1, &pool), KS_ERR_LIMIT,
                   "257 threads, limit 256");
    assert_null(pool);
    ks_pool_run(NULL, count_run, &tally, 3);
    assert_int_equal(tally.runs[0] + tally.runs[1] + tally.runs[2], 3);
    assert_int_equal(ks_pool_threads(NULL), 1);
    ks_pool_free(NULL);
    assert_int_equal(ks_pool_new(KS_POOL_THREADS_MAX, &pool), KS_OK);
    ks_pool_run(pool, count_run, &tally, SLICES_MAX);
    assert_int_equal(tally.runs[0], 2);
    assert_int_equal(tally.runs[SLICES_MAX - 1], 1);
    ks_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_slice_once),
        cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
