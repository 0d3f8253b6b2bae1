/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "kme/thread.h"

#include <signal.h>
#include <time.h>

#define SECOND_NS 1000000000L

enum ks_err ks_kme_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
    enum ks_err err = KS_OK;
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(thread, NULL, run, context) != 0) {
        err = ks_fail(KS_ERR_NOMEM, "no memory for a thread");
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

void ks_kme_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void ks_kme_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= SECOND_NS) {
        until.tv_sec++;
        until.tv_nsec -= SECOND_NS;
    }
    (void)pthread_cond_timedwait(cond, lock, &until);
}

void ks_kme_pause(unsigned ms)
{
    const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    (void)nanosleep(&wait, NULL);
}
