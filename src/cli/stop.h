/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* stop.h: for commands that go on until they are told to stop, and for such as have to clean up
 * before they let themselves be ended. */
#ifndef KS_CLI_STOP_H
#define KS_CLI_STOP_H

#include <signal.h>

#include "cli/cli.h"

/* SIGTERM and SIGINT no longer end the process: from then on *OUT_FD, the caller's to close,
 * can be read. Once in a process. */
KS_MUST_CHECK enum ks_err ks_cli_catch_stop(int *out_fd);
/* Waits for that at most MS; true once it has come. */
bool ks_cli_stopped(int fd, unsigned ms);

/* SIGINT, SIGTERM and SIGHUP wait until what the command has started is gone, and end it then.
 * To be called before a thread is made. */
void ks_cli_signals_defer(sigset_t *out_before);
bool ks_cli_signal_waits(void);
void ks_cli_signals_go(const sigset_t *before);

#endif
