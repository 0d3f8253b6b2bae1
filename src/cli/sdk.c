/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/sdk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "enclave/environment.h"
#include "enclave/frame.h"
#include "enclave/measure.h"

#define MEMORY_MAX  (UINT64_C(8) << 30) /* of the interpreter */
#define SECONDS_MAX 3600
#define FIRST_FREE  16 /* descriptors below are the adapter's */

static const char *environment_of(const struct ks_cli *cli)
{
    const char *path = ks_cli_text(cli, "adapters");

    return path != NULL ? path : getenv("KETSEAL_ADAPTERS");
}

bool ks_sdk_is_here(const struct ks_cli *cli)
{
    return environment_of(cli) != NULL;
}

static enum ks_err need_environment(const struct ks_cli *cli, enum ks_sdk sdk,
                                    const char **out_path)
{
    *out_path = environment_of(cli);
    if (*out_path == NULL) {
        return ks_fail(KS_ERR_UNAVAILABLE,
                       "%s runs here with --adapters=DIR or KETSEAL_ADAPTERS, the environment "
                       "that make adapters has installed",
                       ks_sdk_name(sdk));
    }
    return KS_OK;
}

/* The SDK's program: its sealed copy and its digest. */
static enum ks_err open_script(const struct ks_cli *cli, enum ks_sdk sdk, int *out_fd,
                               uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    char name[64];
    char path[KS_PATH_MAX];

    (void)snprintf(name, sizeof name, "adapters/%s.py", ks_sdk_name(sdk));
    KS_TRY(ks_path_join(ks_cli_text(cli, "libexec"), name, path));
    KS_TRY(ks_measure_program(path, out_fd, out_digest));
out:
    return err;
}

enum ks_err ks_sdk_environment(const struct ks_cli *cli, enum ks_sdk sdk, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct ks_environment *environment = ks_calloc(1, sizeof *environment);
    const char *path = NULL;
    uint8_t script[32];
    int fd = -1;

    KS_CHECK(environment != NULL, KS_ERR_NOMEM, "environment");
    KS_TRY(need_environment(cli, sdk, &path));
    KS_TRY(open_script(cli, sdk, &fd, script));
    KS_TRY(ks_environment_find(path, environment));
    KS_TRY(ks_measure_environment(environment, script, out_hash));
out:
    ks_fd_close(&fd);
    ks_free(environment);
    return err;
}

/* --- the adapter -------------------------------------------------------------------------- */

/* Starts PROGRAM with SOCKET and SCRIPT in their places, and nothing else. */
static enum ks_err spawn(const char *program, const struct ks_adapter_arguments *arguments,
                         int socket, int script, pid_t *out_pid)
{
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = arguments->argv}; /* execve promises not to write */
    char *const envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    int result = posix_spawn_file_actions_init(&actions);

    if (result != 0) {
        return ks_fail(KS_ERR_NOMEM, "%s", program);
    }
    result = posix_spawn_file_actions_adddup2(&actions, socket, KS_ADAPTER_SOCKET_FD);
    if (result == 0) {
        result = posix_spawn_file_actions_adddup2(&actions, script, KS_ADAPTER_SCRIPT_FD);
    }
    if (result == 0) {
        result = posix_spawn(out_pid, program, &actions, NULL, argv.out, envp);
    }
    (void)posix_spawn_file_actions_destroy(&actions); /* it frees, and cannot fail */
    return result == 0 ? KS_OK : ks_fail(KS_ERR_IO, "%s: %s", program, strerror(result));
}

/* *FD gets a number out of the way of the adapter's. */
static enum ks_err lift(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);

    if (high < 0) {
        return ks_fail(KS_ERR_IO, "descriptor: %s", strerror(errno));
    }
    ks_fd_close(fd);
    *fd = high;
    return KS_OK;
}

static enum ks_err start(const struct ks_cli *cli, enum ks_sdk sdk, int *out_socket,
                         pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    struct ks_adapter_spec spec = {
        .sdk = ks_sdk_name(sdk), .memory_max = MEMORY_MAX, .seconds_max = SECONDS_MAX};
    struct ks_adapter_arguments arguments;
    char program[KS_PATH_MAX];
    uint8_t digest[32];
    int ends[2] = {-1, -1};
    int script = -1;

    KS_TRY(need_environment(cli, sdk, &spec.environment));
    KS_TRY(open_script(cli, sdk, &script, digest));
    KS_TRY(ks_path_join(ks_cli_text(cli, "libexec"), "ketseal-adapter", program));
    KS_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, KS_ERR_IO,
             "socketpair: %s", strerror(errno));
    KS_TRY(lift(&ends[1]));
    KS_TRY(lift(&script));
    ks_adapter_arguments(&spec, &arguments);
    KS_TRY(spawn(program, &arguments, ends[1], script, out_pid));
    *out_socket = ends[0];
    ends[0] = -1; /* transferred */
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    ks_fd_close(&script);
    return err;
}

static enum ks_err copy_text(struct ks_bytes text, char target[KS_SDK_TEXT_MAX + 1])
{
    if (!ks_sdk_text_valid(text)) {
        return ks_fail(KS_ERR_FORMAT, "the adapter: a version or the backend's name is none");
    }
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
    return KS_OK;
}

static enum ks_err converse(struct ks_channel *channel, const struct ks_work_job *job,
                            struct ks_sdk_result *result)
{
    enum ks_err err = KS_OK;
    const size_t begin = ks_frame_begin(&channel->out, KS_FRAME_JOB, 1);
    struct ks_frame frame = {0};
    struct ks_reader reader;
    struct ks_work_result answer = {0};

    ks_work_job_put(job, &channel->out);
    ks_frame_end(&channel->out, begin);
    KS_TRY(ks_channel_flush(channel));
    KS_TRY(ks_channel_receive(channel, &frame));
    KS_CHECK(frame.type == (KS_FRAME_JOB | KS_FRAME_ANSWER), KS_ERR_FORMAT,
             "the adapter: frame of type %u", frame.type);
    KS_TRY(ks_answer_open(&frame, &reader));
    KS_TRY(ks_work_result_read(&reader, &answer));
    KS_TRY(ks_fail_prefix(ks_result_check(answer.counts, answer.clbits, job->shots),
                          "the adapter"));
    KS_TRY(copy_text(answer.sdk_version, result->version));
    KS_TRY(copy_text(answer.backend, result->backend));
    ks_buf_put(&result->counts, answer.counts);
    KS_TRY(ks_buf_check(&result->counts));
out:
    return err;
}

enum ks_err ks_sdk_run_here(const struct ks_cli *cli, enum ks_sdk sdk,
                            const struct ks_work_job *job, struct ks_sdk_result *out_result)
{
    enum ks_err err = KS_OK;
    struct ks_sdk_result result = {0};
    struct ks_channel channel;
    pid_t pid = -1;
    int socket = -1;

    ks_buf_init(&result.counts, KS_RESULT_BYTES_MAX);
    ks_channel_init(&channel, -1, "the adapter");
    KS_TRY(start(cli, sdk, &socket, &pid));
    channel.fd = socket;
    KS_TRY(converse(&channel, job, &result));
    *out_result = result;
    result = (struct ks_sdk_result){0}; /* transferred */
out:
    ks_channel_done(&channel);
    if (pid > 0) {
        (void)kill(pid, SIGKILL); /* it has answered, or will not */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    ks_sdk_result_done(&result);
    return err;
}

void ks_sdk_result_done(struct ks_sdk_result *result)
{
    ks_buf_done(&result->counts);
    *result = (struct ks_sdk_result){0};
}
