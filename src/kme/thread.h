/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* thread.h: what the key manager's threads need of pthreads, the same in each. */
#ifndef KS_KME_THREAD_H
#define KS_KME_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* With all signals blocked: they are the main thread's. KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_kme_thread_start(pthread_t *thread, void *(*run)(void *context),
                                              void *context);
/* A condition whose clock is the monotonic one. */
void ks_kme_cond_init(pthread_cond_t *cond);
/* Waits for COND, MS at most, spuriously too. Under LOCK. */
void ks_kme_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms);
void ks_kme_pause(unsigned ms);

#endif
