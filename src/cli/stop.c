/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

enum ks_err ks_cli_catch_stop(int *out_fd)
{
    enum ks_err err = KS_OK;
    sigset_t signals;
    int fd = -1;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    KS_CHECK(fd >= 0 && sigprocmask(SIG_BLOCK, &signals, NULL) == 0, KS_ERR_IO, "signals: %s",
             strerror(errno));
    *out_fd = fd;
out:
    return err;
}

bool ks_cli_stopped(int fd, unsigned ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, (int)ms) > 0;
}

static const int deferred[] = {SIGINT, SIGTERM, SIGHUP};
#define DEFERRED (sizeof deferred / sizeof deferred[0])

void ks_cli_signals_defer(sigset_t *out_before)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < DEFERRED; i++) {
        (void)sigaddset(&set, deferred[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &set, out_before);
}

bool ks_cli_signal_waits(void)
{
    sigset_t pending;

    (void)sigpending(&pending);
    for (size_t i = 0; i < DEFERRED; i++) {
        if (sigismember(&pending, deferred[i]) == 1) {
            return true;
        }
    }
    return false;
}

void ks_cli_signals_go(const sigset_t *before)
{
    (void)sigprocmask(SIG_SETMASK, before, NULL);
}
