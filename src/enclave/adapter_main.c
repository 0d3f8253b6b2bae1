/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-adapter: one circuit for an SDK that is written in Python, in the place of a worker.
 * It is started before there is a job, starts the interpreter behind its own doors, closes its
 * own, reads one frame from descriptor 3, parses the program, as a worker does, and hands the
 * canonical text to the SDK's program; what that answers is checked to the last count. Then it
 * is gone.
 *
 *   ketseal-adapter SDK ENVIRONMENT ADDRESS_SPACE_BYTES SECONDS   (started by ketseal-launch,
 * or by ketseal for itself) */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "enclave/adapter.h"
#include "enclave/environment.h"
#include "enclave/frame.h"
#include "enclave/sandbox.h"

#define REQUEST_MAX    (2 * KS_WORK_CIRCUIT_MAX) /* the text, and its escapes */
#define COMPLAINT_MAX  256                       /* bytes of standard error that are told */
#define END_GRACE_US   5000000 /* for the interpreter to end, once it has closed its output */
#define END_TICK_NS    5000000
#define EXIT_NOT_BEGUN 70

struct adapter {
    const char *sdk;
    struct ks_environment environment;
    struct ks_buf script;
    uint64_t memory_max;
    uint64_t seconds_max;
    pid_t child;
    uint64_t deadline_us;  /* monotonic */
    struct ks_usage usage; /* of the interpreter, once it has ended */
    /* The last that it said to standard error. */
    uint8_t complaint[COMPLAINT_MAX];
    size_t complaint_len;
};

/* --- the interpreter ---------------------------------------------------------------------- */

/* In the child, whose standard descriptors are in place. Returns only on failure. */
static enum ks_err become(struct adapter *adapter, pid_t parent)
{
    enum ks_err err = KS_OK;
    const struct ks_environment *at = &adapter->environment;
    char cache[KS_PATH_MAX + 32];
    /* Isolated; without site, whose configuration lies outside; nothing is written. Compiled
     * modules come from one measured folder or from none. */
    const char *const words[] = {at->python,   "-I",  "-S", "-B",
                                 "-X",         cache, "-c", (const char *)adapter->script.data,
                                 at->packages, NULL};
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = words}; /* execve promises not to write */
    char *const envp[] = {NULL};

    (void)snprintf(cache, sizeof cache, "pycache_prefix=%s",
                   at->cache[0] == '\0' ? "/dev/null" : at->cache);
    KS_CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent, KS_ERR_IO,
             "its parent is gone");
    KS_CHECK(close_range(3, ~0U, 0) == 0, KS_ERR_IO, "descriptors: %s", strerror(errno));
    KS_TRY(ks_sandbox_interpreter(
        &(struct ks_sandbox_files){
            .program = at->python,
            .runtime = at->runtime,
            .folders = {at->library, at->packages, at->cache},
        },
        adapter->memory_max, adapter->seconds_max));
    (void)execve(at->python, argv.out, envp);
    err = ks_fail(KS_ERR_IO, "%s: %s", at->python, strerror(errno));
out:
    return err;
}

/* Our ends get the numbers that the sandbox knows, non-blocking. */
static enum ks_err place(int fd, int target)
{
    if (dup2(fd, target) < 0 || fcntl(target, F_SETFL, O_NONBLOCK) != 0) {
        return ks_fail(KS_ERR_IO, "pipe: %s", strerror(errno));
    }
    return KS_OK;
}

static enum ks_err start(struct adapter *adapter)
{
    enum ks_err err = KS_OK;
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* its input, output, errors */
    pid_t parent = getpid();

    for (size_t i = 0; i < 3; i++) {
        KS_CHECK(pipe2(pipes[i], O_CLOEXEC) == 0, KS_ERR_IO, "pipe: %s", strerror(errno));
        for (size_t end = 0; end < 2; end++) { /* above all that is to be taken */
            int fd = fcntl(pipes[i][end], F_DUPFD_CLOEXEC, 32);

            KS_CHECK(fd >= 0, KS_ERR_IO, "pipe: %s", strerror(errno));
            ks_fd_close(&pipes[i][end]);
            pipes[i][end] = fd;
        }
    }
    adapter->child = fork();
    KS_CHECK(adapter->child >= 0, KS_ERR_IO, "fork: %s", strerror(errno));
    if (adapter->child == 0) {
        if (dup2(pipes[0][0], 0) == 0 && dup2(pipes[1][1], 1) == 1 &&
            dup2(pipes[2][1], 2) == 2 && become(adapter, parent) != KS_OK) {
            (void)dprintf(2, "%s\n", ks_err_detail());
        }
        _exit(EXIT_NOT_BEGUN);
    }
    KS_TRY(place(pipes[0][1], KS_ADAPTER_INPUT_FD));
    KS_TRY(place(pipes[1][0], KS_ADAPTER_OUTPUT_FD));
    KS_TRY(place(pipes[2][0], KS_ADAPTER_ERRORS_FD));
out:
    for (size_t i = 0; i < 3; i++) {
        ks_fd_close(&pipes[i][0]);
        ks_fd_close(&pipes[i][1]);
    }
    return err;
}

/* --- the conversation --------------------------------------------------------------------- */

static void keep_complaint(struct adapter *adapter, struct ks_bytes said)
{
    uint8_t before[COMPLAINT_MAX];
    size_t keep = adapter->complaint_len;

    if (said.len > COMPLAINT_MAX) {
        said = ks_bytes_of(said.data + said.len - COMPLAINT_MAX, COMPLAINT_MAX);
    }
    keep = keep + said.len > COMPLAINT_MAX ? COMPLAINT_MAX - said.len : keep;
    ks_copy(before, adapter->complaint + adapter->complaint_len - keep, keep);
    ks_copy(adapter->complaint, before, keep);
    ks_copy(adapter->complaint + keep, said.data, said.len);
    adapter->complaint_len = keep + said.len;
}

/* The last line of what it complained of, for people; empty for none. */
static void last_complaint(const struct adapter *adapter, char *target, size_t size)
{
    struct ks_bytes text = ks_bytes_of(adapter->complaint, adapter->complaint_len);
    size_t begin = 0;

    while (text.len > 0 && text.data[text.len - 1] <= ' ') {
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        begin = text.data[i] == '\n' ? i + 1 : begin;
    }
    ks_text_shown(ks_bytes_of(text.data + begin, text.len - begin), target, size);
}

/* Reads what is there; *OPEN becomes false at the end of it. OUT NULL: standard error. */
static enum ks_err take(struct adapter *adapter, int fd, struct ks_buf *out, bool *open)
{
    uint8_t room[16384];
    ssize_t count = read(fd, room, sizeof room);

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return KS_OK;
    }
    *open = count > 0;
    if (count > 0 && out == NULL) {
        keep_complaint(adapter, ks_bytes_of(room, (size_t)count));
    } else if (count > 0) {
        ks_buf_put(out, ks_bytes_of(room, (size_t)count));
    }
    return out == NULL ? KS_OK : ks_buf_check(out);
}

static void give(struct ks_bytes *rest)
{
    ssize_t count = write(KS_ADAPTER_INPUT_FD, rest->data, rest->len);

    if (count >= 0) {
        *rest = ks_bytes_of(rest->data + count, rest->len - (size_t)count);
    } else if (errno != EAGAIN && errno != EINTR) {
        *rest = (struct ks_bytes){0}; /* it does not listen: its end will tell */
    }
}

static bool is_late(const struct adapter *adapter)
{
    return ks_clock_monotonic_us() >= adapter->deadline_us;
}

static enum ks_err too_late(const struct adapter *adapter)
{
    return ks_fail(KS_ERR_LIMIT, "no answer within %llu s",
                   (unsigned long long)adapter->seconds_max);
}

/* Sends REQUEST, and hears all that there is to hear. */
static enum ks_err converse(struct adapter *adapter, struct ks_bytes request,
                            struct ks_buf *said)
{
    enum ks_err err = KS_OK;
    struct pollfd first = {.fd = KS_ADAPTER_OUTPUT_FD, .events = POLLIN};
    bool output = true;
    bool errors = true;

    KS_CHECK(poll(&first, 1, 0) == 0 || (first.revents & POLLIN) == 0, KS_ERR_IO,
             "it spoke before it was asked");
    while (output || errors) {
        struct pollfd fds[] = {
            {.fd = request.len > 0 ? KS_ADAPTER_INPUT_FD : -1, .events = POLLOUT},
            {.fd = output ? KS_ADAPTER_OUTPUT_FD : -1, .events = POLLIN},
            {.fd = errors ? KS_ADAPTER_ERRORS_FD : -1, .events = POLLIN},
        };

        KS_TRY(is_late(adapter) ? too_late(adapter) : KS_OK);
        (void)poll(fds, 3, 100);
        if (fds[0].revents != 0) {
            give(&request);
        }
        if (fds[1].revents != 0) {
            err = take(adapter, KS_ADAPTER_OUTPUT_FD, said, &output);
            KS_CHECK(err == KS_OK, KS_ERR_IO, "it said more than %d bytes",
                     KS_ADAPTER_ANSWER_MAX);
        }
        if (fds[2].revents != 0) {
            KS_TRY(take(adapter, KS_ADAPTER_ERRORS_FD, NULL, &errors));
        }
    }
out:
    return err;
}

/* It has closed all, so it is about to end; if not, it is made to. */
static enum ks_err end(struct adapter *adapter)
{
    const struct timespec tick = {.tv_nsec = END_TICK_NS};
    const uint64_t until_us = ks_clock_monotonic_us() + END_GRACE_US;
    char complaint[COMPLAINT_MAX + 1];
    struct rusage resources = {0};
    int status = 0;
    pid_t ended = 0;

    while ((ended = wait4(adapter->child, &status, WNOHANG, &resources)) == 0 &&
           !is_late(adapter) && ks_clock_monotonic_us() < until_us) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
    }
    if (ended == 0) {
        return ks_fail(KS_ERR_IO, "it closed its output, and did not end");
    }
    ks_usage_of(&resources, &adapter->usage);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return KS_OK;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        return ks_fail(KS_ERR_LIMIT, "no answer within %llu s of processor time",
                       (unsigned long long)adapter->seconds_max);
    }
    last_complaint(adapter, complaint, sizeof complaint);
    if (WIFSIGNALED(status)) {
        return ks_fail(KS_ERR_IO,
                       "it was ended by signal %d: over its memory or time, or it did "
                       "what it may not%s%s",
                       WTERMSIG(status), complaint[0] == '\0' ? "" : ": ", complaint);
    }
    return ks_fail(KS_ERR_IO, "it ended with status %d%s%s", WEXITSTATUS(status),
                   complaint[0] == '\0' ? "" : ": ", complaint);
}

/* --- the job ------------------------------------------------------------------------------ */

/* Asks the SDK for the counts of CIRCUIT, whose canonical text is PROGRAM. */
static enum ks_err ask(struct adapter *adapter, const struct ks_work_job *job,
                       const struct ks_circuit *circuit, struct ks_bytes program,
                       struct ks_adapter_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_buf request;
    struct ks_buf said;

    ks_buf_init(&request, REQUEST_MAX);
    ks_buf_init(&said, KS_ADAPTER_ANSWER_MAX);
    ks_adapter_request_put(job, program, &request);
    KS_TRY(ks_buf_check(&request));
    adapter->deadline_us = ks_clock_monotonic_us() + adapter->seconds_max * 1000000;
    KS_TRY(converse(adapter, ks_buf_view(&request), &said));
    KS_TRY(end(adapter));
    KS_TRY(ks_adapter_answer_read(ks_buf_view(&said), adapter->sdk, ks_circuit_clbits(circuit),
                                  job->shots, out_answer));
out:
    ks_buf_done(&request);
    ks_buf_done(&said);
    return ks_fail_prefix(err, "adapter '%s'", adapter->sdk);
}

static enum ks_err run(struct adapter *adapter, const struct ks_work_job *job,
                       struct ks_buf *text, struct ks_adapter_answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_circuit *circuit = NULL;
    struct ks_work_result *result = &answer->result;
    uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t parsed_us = 0;

    KS_TRY(ks_work_circuit(job, &circuit));
    ks_circuit_print(circuit, text);
    KS_TRY(ks_fail_prefix(ks_buf_check(text), "the canonical circuit"));
    parsed_us = ks_clock_monotonic_us();
    KS_TRY(ask(adapter, job, circuit, ks_buf_view(text), answer));
    result->circuit = ks_buf_view(text);
    result->qubits = ks_circuit_qubits(circuit);
    result->clbits = ks_circuit_clbits(circuit);
    result->ops = ks_circuit_ops(circuit);
    result->depth = ks_circuit_depth(circuit);
    result->facts.method = KS_METHOD_STATEVECTOR; /* the frame names one; the record does not */
    result->threads = 1;
    result->parse_us = parsed_us - begin_us;
    result->simulate_us = ks_clock_monotonic_us() - parsed_us;
    ks_census_take(circuit, &result->census);
    result->cpu_us = adapter->usage.cpu_us;
    result->memory_bytes = adapter->usage.memory_bytes;
out:
    ks_circuit_free(circuit);
    return err;
}

/* TROUBLE is what kept the interpreter from starting: it is told to the one job, since an
 * adapter that ended at once would be started again at once. */
static enum ks_err serve(struct adapter *adapter, struct ks_channel *channel,
                         enum ks_err trouble)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    struct ks_work_job job = {0};
    struct ks_adapter_answer answer = {0};
    struct ks_buf text;
    enum ks_err verdict = KS_OK;
    char reason[KS_ERR_DETAIL_MAX];

    (void)snprintf(reason, sizeof reason, "%s", ks_err_detail());
    ks_buf_init(&text, KS_WORK_CIRCUIT_MAX);
    KS_TRY(ks_channel_receive(channel, &frame));
    KS_CHECK(frame.type == KS_FRAME_JOB, KS_ERR_FORMAT, "frame of type %u", frame.type);
    verdict = trouble == KS_OK ? ks_work_job_read(frame.payload, &job)
                               : ks_fail(KS_ERR_IO, "adapter '%s': %s", adapter->sdk, reason);
    if (verdict == KS_OK) {
        verdict = run(adapter, &job, &text, &answer);
    }
    if (verdict == KS_OK) {
        size_t begin = ks_answer_begin(&channel->out, KS_FRAME_JOB, frame.id);

        ks_work_result_put(&answer.result, &channel->out);
        ks_frame_end(&channel->out, begin);
    } else {
        ks_answer_error(&channel->out, KS_FRAME_JOB, frame.id, verdict);
    }
    KS_TRY(ks_channel_flush(channel));
out:
    ks_adapter_answer_done(&answer);
    ks_buf_done(&text);
    return err;
}

/* --- main --------------------------------------------------------------------------------- */

static enum ks_err read_arguments(char **argv, struct adapter *adapter)
{
    enum ks_err err = KS_OK;

    adapter->sdk = argv[1];
    KS_TRY(ks_environment_find(argv[2], &adapter->environment));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[3]), UINT64_MAX, &adapter->memory_max));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[4]), KS_ADAPTER_SECONDS_MAX, &adapter->seconds_max));
out:
    return err;
}

/* The SDK's program, from its sealed copy: what was measured is what runs. */
static enum ks_err read_script(struct adapter *adapter)
{
    enum ks_err err = KS_OK;
    const off_t len = lseek(KS_ADAPTER_SCRIPT_FD, 0, SEEK_END);
    uint8_t *room = NULL;

    KS_CHECK(len > 0 && len < KS_ADAPTER_SCRIPT_MAX &&
                 lseek(KS_ADAPTER_SCRIPT_FD, 0, SEEK_SET) == 0,
             KS_ERR_LIMIT, "the SDK's program: 1 to %d bytes", KS_ADAPTER_SCRIPT_MAX - 1);
    room = ks_buf_reserve(&adapter->script, (size_t)len + 1);
    KS_TRY(ks_buf_check(&adapter->script));
    KS_TRY(ks_fd_read(KS_ADAPTER_SCRIPT_FD, room, (size_t)len, "the SDK's program"));
    room[len] = '\0';
    KS_CHECK(memchr(room, 0, (size_t)len) == NULL, KS_ERR_FORMAT,
             "the SDK's program is no text");
    ks_buf_grew(&adapter->script, (size_t)len + 1);
out:
    return err;
}

static enum ks_err prepare(char **argv, struct adapter *adapter)
{
    enum ks_err err = KS_OK;

    KS_CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR, KS_ERR_IO, "signal: %s", strerror(errno));
    KS_TRY(read_arguments(argv, adapter));
    KS_TRY(read_script(adapter));
    KS_TRY(start(adapter));
    KS_TRY(ks_sandbox_adapter(adapter->seconds_max));
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_channel channel;
    static struct adapter adapter; /* paths: too large for a stack */

    ks_channel_init(&channel, KS_ADAPTER_SOCKET_FD, "enclave");
    ks_buf_init(&adapter.script, KS_ADAPTER_SCRIPT_MAX);
    KS_CHECK(argc == 5, KS_ERR_USAGE, "ketseal-adapter is started by ketseal-launch");
    KS_TRY(ks_process_harden());
    KS_TRY(serve(&adapter, &channel, prepare(argv, &adapter)));
out:
    /* The interpreter ends with us; the enclave sees the closed socket. */
    return ks_err_exit_code(err);
}
