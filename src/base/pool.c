/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct worker {
    struct ks_pool *pool;
    unsigned index; /* the caller is 0 */
    pthread_t thread;
};

struct ks_pool {
    unsigned threads;
    unsigned started; /* workers that run and must be joined */
    pthread_mutex_t lock;
    pthread_cond_t work; /* a run has begun, or the pool stops */
    pthread_cond_t done; /* the last worker of a run has finished */
    bool stop;
    uint64_t run;     /* counts runs, so that a worker sees each once */
    unsigned running; /* workers of this run still at it */
    ks_pool_task task;
    void *context;
    size_t slices;
    bool (*watch)(void *context); /* NULL: nobody cancels */
    void *watch_context;
    atomic_bool cancelled;
    struct worker workers[];
};

/* floor(index * slices / threads) without the overflow. */
static size_t first_slice(size_t slices, unsigned threads, unsigned index)
{
    return index * (slices / threads) + index * (slices % threads) / threads;
}

void ks_pool_watch(struct ks_pool *pool, bool (*cancelled)(void *context), void *context)
{
    pool->watch = cancelled;
    pool->watch_context = context;
    atomic_store(&pool->cancelled, false);
}

bool ks_pool_cancelled(struct ks_pool *pool)
{
    if (pool == NULL || pool->watch == NULL) {
        return false;
    }
    if (!atomic_load_explicit(&pool->cancelled, memory_order_relaxed) &&
        pool->watch(pool->watch_context)) {
        atomic_store(&pool->cancelled, true);
    }
    return atomic_load_explicit(&pool->cancelled, memory_order_relaxed);
}

static void run_range(struct ks_pool *pool, unsigned index)
{
    const size_t end = first_slice(pool->slices, pool->threads, index + 1);

    for (size_t slice = first_slice(pool->slices, pool->threads, index);
         slice < end && !ks_pool_cancelled(pool); slice++) {
        pool->task(pool->context, slice);
    }
}

static void *worker_main(void *argument)
{
    const struct worker *worker = argument;
    struct ks_pool *pool = worker->pool;
    uint64_t seen = 0;

    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->run == seen) {
            (void)pthread_cond_wait(&pool->work, &pool->lock);
        }
        if (pool->stop) {
            break;
        }
        seen = pool->run;
        (void)pthread_mutex_unlock(&pool->lock);
        run_range(pool, worker->index);
        (void)pthread_mutex_lock(&pool->lock);
        pool->running--;
        if (pool->running == 0) {
            (void)pthread_cond_signal(&pool->done);
        }
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static enum ks_err start_workers(struct ks_pool *pool)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    int rc = 0;

    /* With these arguments neither can fail on Linux. */
    KS_ASSERT(pthread_attr_init(&attributes) == 0);
    KS_ASSERT(pthread_attr_setstacksize(&attributes, KS_POOL_STACK_BYTES) == 0);
    /* Signals are for the main thread: workers inherit this mask and never take one. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 1; rc == 0 && i < pool->threads; i++) {
        struct worker *worker = &pool->workers[i];

        *worker = (struct worker){.pool = pool, .index = i};
        rc = pthread_create(&worker->thread, &attributes, worker_main, worker);
        pool->started += rc == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (rc != 0) {
        return ks_fail(KS_ERR_IO, "start thread %u of %u: %s", pool->started + 1, pool->threads,
                       strerror(rc));
    }
    return KS_OK;
}

enum ks_err ks_pool_new(unsigned threads, struct ks_pool **out_pool)
{
    enum ks_err err = KS_OK;
    struct ks_pool *pool = NULL;

    KS_CHECK(threads >= 1 && threads <= KS_POOL_THREADS_MAX, KS_ERR_LIMIT,
             "%u threads, limit %d", threads, KS_POOL_THREADS_MAX);
    pool = ks_calloc(1, sizeof *pool + threads * sizeof pool->workers[0]);
    KS_CHECK(pool != NULL, KS_ERR_NOMEM, "no memory for %u threads", threads);
    pool->threads = threads;
    /* With default attributes these cannot fail on Linux; were one to, that would be a bug. */
    KS_ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
    KS_ASSERT(pthread_cond_init(&pool->work, NULL) == 0);
    KS_ASSERT(pthread_cond_init(&pool->done, NULL) == 0);
    KS_TRY(start_workers(pool));
    *out_pool = pool;
    pool = NULL; /* moved */
out:
    ks_pool_free(pool);
    return err;
}

void ks_pool_free(struct ks_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i <= pool->started; i++) {
        (void)pthread_join(pool->workers[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    ks_free(pool);
}

unsigned ks_pool_threads(const struct ks_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

void ks_pool_run(struct ks_pool *pool, ks_pool_task task, void *context, size_t slices)
{
    /* One slice is the caller's own or another's: waking threads for it would only cost time,
     * and who computes it makes no difference. */
    if (pool == NULL || pool->threads == 1 || slices <= 1) {
        for (size_t slice = 0; slice < slices && !ks_pool_cancelled(pool); slice++) {
            task(context, slice);
        }
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->context = context;
    pool->slices = slices;
    pool->running = pool->threads - 1;
    pool->run++;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    run_range(pool, 0);
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->running > 0) {
        (void)pthread_cond_wait(&pool->done, &pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
}
