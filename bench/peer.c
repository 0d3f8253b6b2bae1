/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "peer.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#define MUST(call) KS_ASSERT((call) == KS_OK)

double peer_seconds(const char *variable, const struct ks_circuit *circuit)
{
    extern char **environ;
    const char *peer = getenv(variable);
    char path[] = "/tmp/ketseal-bench-XXXXXX";
    char command[4096];
    char shell[] = "sh";
    char option[] = "-c";
    char *argv[] = {shell, option, command, NULL};
    struct ks_buf text;
    uint64_t start = 0;
    double seconds = -1;
    pid_t pid = 0;
    int status = 0;
    int fd = -1;

    if (peer == NULL) {
        return -1;
    }
    fd = mkstemp(path);
    KS_ASSERT(fd >= 0);
    ks_buf_init(&text, SIZE_MAX / 2);
    ks_circuit_print(circuit, &text);
    MUST(ks_buf_check(&text));
    MUST(ks_fd_write(fd, ks_buf_view(&text), path));
    ks_buf_done(&text);
    ks_fd_close(&fd);
    (void)snprintf(command, sizeof command, "%s %s >/dev/null", peer, path);
    start = ks_clock_monotonic_us();
    if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) == 0 &&
        waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        seconds = (double)(ks_clock_monotonic_us() - start) * 1e-6;
    }
    (void)unlink(path);
    return seconds;
}
