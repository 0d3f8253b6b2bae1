/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* pool.h: threads for pure computation on disjoint slices, joined before the call returns. The
 * result of a run must not depend on the number of threads: slices are numbered, never handed
 * out by time. A pool belongs to one thread, which also works in it. Create it before any
 * sandbox closes. */
#ifndef KS_BASE_POOL_H
#define KS_BASE_POOL_H

#include "base/mem.h"

#define KS_POOL_THREADS_MAX 256
#define KS_POOL_STACK_BYTES ((size_t)1 << 20) /* of each thread but the caller */

struct ks_pool;

/* THREADS counts the caller: 1 starts none. KS_ERR_LIMIT outside 1..KS_POOL_THREADS_MAX. */
KS_MUST_CHECK enum ks_err ks_pool_new(unsigned threads, struct ks_pool **out_pool);
void ks_pool_free(struct ks_pool *pool);              /* NULL is fine */
unsigned ks_pool_threads(const struct ks_pool *pool); /* NULL counts as 1 */

/* Calls task(context, slice) once for each slice in [0, slices), then returns; thread T takes
 * the contiguous range [T*slices/threads, (T+1)*slices/threads). Tasks must not fail, allocate
 * or call the pool. A NULL pool runs them all here. */
typedef void (*ks_pool_task)(void *context, size_t slice);
void ks_pool_run(struct ks_pool *pool, ks_pool_task task, void *context, size_t slices);

/* From now on runs ask CANCELLED before each slice, on whatever thread, and leave out those
 * that are left once it has said true, and all later ones: what they were to compute is
 * garbage. NULL ends it. The pool is not running. */
void ks_pool_watch(struct ks_pool *pool, bool (*cancelled)(void *context), void *context);
/* Asks, and remembers a yes. False without a watch or pool. Any thread. */
bool ks_pool_cancelled(struct ks_pool *pool);

#endif
