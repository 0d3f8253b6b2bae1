/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "peer.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#define COMMAND_MAX 4096
#define LINE_MAX    256
#define MUST(call)  KS_ASSERT((call) == KS_OK)

/* Writes CIRCUIT to a new file. */
static void write_circuit(const struct ks_circuit *circuit, char path[32])
{
    struct ks_buf text;
    int fd = -1;

    (void)snprintf(path, 32, "/tmp/ketseal-bench-XXXXXX");
    fd = mkstemp(path);
    KS_ASSERT(fd >= 0);
    ks_buf_init(&text, SIZE_MAX / 2);
    ks_circuit_print(circuit, &text);
    MUST(ks_buf_check(&text));
    MUST(ks_fd_write(fd, ks_buf_view(&text), path));
    ks_buf_done(&text);
    ks_fd_close(&fd);
}

static bool start(const char *command, const posix_spawn_file_actions_t *actions,
                  pid_t *out_pid)
{
    extern char **environ;
    char shell[] = "sh";
    char option[] = "-c";
    char text[COMMAND_MAX];
    char *argv[] = {shell, option, text, NULL};

    (void)snprintf(text, sizeof text, "%s", command);
    return posix_spawnp(out_pid, "sh", actions, NULL, argv, environ) == 0;
}

double peer_seconds(const char *variable, const struct ks_circuit *circuit)
{
    const char *peer = getenv(variable);
    char path[32];
    char command[COMMAND_MAX];
    uint64_t start_us = 0;
    double seconds = -1;
    pid_t pid = 0;
    int status = 0;

    if (peer == NULL) {
        return -1;
    }
    write_circuit(circuit, path);
    (void)snprintf(command, sizeof command, "%s %s >/dev/null", peer, path);
    start_us = ks_clock_monotonic_us();
    if (start(command, NULL, &pid) && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
        WEXITSTATUS(status) == 0) {
        seconds = (double)(ks_clock_monotonic_us() - start_us) * 1e-6;
    }
    (void)unlink(path);
    return seconds;
}

void peer_open(struct peer *peer, const char *command, const char *path,
               const struct ks_circuit *circuit)
{
    posix_spawn_file_actions_t actions;
    char text[COMMAND_MAX];
    int to[2];
    int from[2];

    *peer = (struct peer){0};
    if (command == NULL) {
        return;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that has ended gives no answer, and that is all */
    if (path == NULL) {
        write_circuit(circuit, peer->path);
        path = peer->path;
    }
    (void)snprintf(text, sizeof text, "exec %s %s", command, path);
    KS_ASSERT(pipe2(to, O_CLOEXEC) == 0 &&
              pipe2(from, O_CLOEXEC) == 0); /* not the next peer's */
    KS_ASSERT(posix_spawn_file_actions_init(&actions) == 0);
    KS_ASSERT(posix_spawn_file_actions_adddup2(&actions, to[0], 0) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, from[1], 1) == 0);
    KS_ASSERT(start(text, &actions, &peer->pid));
    (void)posix_spawn_file_actions_destroy(&actions);
    ks_fd_close(&to[0]);
    ks_fd_close(&from[1]);
    peer->ask = fdopen(to[1], "w");
    peer->answer = fdopen(from[0], "r");
    KS_ASSERT(peer->ask != NULL && peer->answer != NULL);
}

void peer_close(struct peer *peer)
{
    int status = 0;

    if (peer->ask != NULL) {
        (void)fclose(peer->ask);
        (void)fclose(peer->answer);
        (void)waitpid(peer->pid, &status, 0);
    }
    if (peer->path[0] != '\0') {
        (void)unlink(peer->path);
    }
    *peer = (struct peer){0};
}

bool peer_run(struct peer *peer, struct peer_time *out_time)
{
    char line[LINE_MAX];
    char *end = NULL;

    if (peer->ask == NULL) {
        return false;
    }
    if (fputc('\n', peer->ask) == EOF || fflush(peer->ask) != 0 ||
        fgets(line, sizeof line, peer->answer) == NULL) {
        (void)fprintf(stderr, "bench: the peer gives no answer\n");
        peer_close(peer);
        return false;
    }
    out_time->seconds = strtod(line, &end);
    out_time->cpu_seconds = strtod(end, NULL);
    return true;
}
