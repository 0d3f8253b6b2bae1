/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The signer that is a program of others: one hash in, one signature out. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anchor/signer.h"
#include "base/sys.h"
#include "base/text.h"

#define QUESTION_LEN  (2 * KS_KECCAK256_LEN + 1)
#define SIGNATURE_LEN 65
#define ANSWER_LEN    (2 * SIGNATURE_LEN + 1)

extern char **environ;

/* Its standard input and output; standard error stays. */
static enum ks_err start(const char *command, int input, int output, pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    posix_spawn_file_actions_t actions;
    union {
        const char *fixed;
        char *open;
    } name = {.fixed = command}; /* posix_spawn writes to none of its arguments */
    char *argv[] = {name.open, NULL};
    int rc = posix_spawn_file_actions_init(&actions);

    KS_CHECK(rc == 0, KS_ERR_NOMEM, "no memory for a signer");
    rc = posix_spawn_file_actions_adddup2(&actions, input, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&actions, output, 1);
    rc = rc != 0 ? rc : posix_spawn(out_pid, command, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    KS_CHECK(rc == 0, KS_ERR_IO, "start: %s", strerror(rc));
out:
    return err;
}

/* All that the signer says until it closes its end, which has to be exactly an answer. */
static enum ks_err receive(int fd, uint64_t deadline_us, char answer[ANSWER_LEN])
{
    enum ks_err err = KS_OK;
    char text[ANSWER_LEN + 1];
    size_t len = 0;

    for (;;) {
        uint64_t now_us = ks_clock_monotonic_us();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t got = 0;

        KS_CHECK(now_us < deadline_us, KS_ERR_IO, "no answer in time");
        if (poll(&wait, 1, (int)((deadline_us - now_us + 999) / 1000)) <= 0) {
            continue; /* interrupted, or late */
        }
        got = read(fd, text + len, sizeof text - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        KS_CHECK(got >= 0, KS_ERR_IO, "answer: %s", strerror(errno));
        len += (size_t)got;
        KS_CHECK(len <= ANSWER_LEN, KS_ERR_IO, "an answer over %d bytes", ANSWER_LEN);
        if (got == 0) {
            break;
        }
    }
    KS_CHECK(len == ANSWER_LEN && text[ANSWER_LEN - 1] == '\n', KS_ERR_IO,
             "no answer of %d digits and a newline", 2 * SIGNATURE_LEN);
    ks_copy(answer, text, ANSWER_LEN);
out:
    return err;
}

/* r, s, v; v is the parity, or 27 more. */
static enum ks_err decode(const char answer[ANSWER_LEN], struct ks_tx_signature *out_signature)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[SIGNATURE_LEN];
    uint8_t v = 0;

    KS_TRY(ks_hex_decode(ks_bytes_of(answer, ANSWER_LEN - 1), bytes, sizeof bytes));
    v = bytes[SIGNATURE_LEN - 1];
    KS_CHECK(v <= 1 || v == 27 || v == 28, KS_ERR_FORMAT, "v is %u", v);
    ks_copy(out_signature->r, bytes, 32);
    ks_copy(out_signature->s, bytes + 32, 32);
    out_signature->y_parity = v >= 27 ? (uint8_t)(v - 27) : v;
out:
    return err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_IO, "answer");
}

/* Waits for the end of PID, at the latest by the deadline, and ends it then. True when it ended
 * well. */
static bool finish(pid_t pid, uint64_t deadline_us)
{
    int status = -1;
    bool killed = false;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (!killed && ks_clock_monotonic_us() >= deadline_us) {
            killed = kill(pid, SIGKILL) == 0;
        }
        (void)poll(NULL, 0, 1);
    }
    return status == 0;
}

enum ks_err ks_signer_sign_command(const char *command, unsigned timeout_ms, struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
    struct ks_tx_signature signature = {0};
    uint8_t hash[KS_KECCAK256_LEN];
    char question[QUESTION_LEN + 1];
    char answer[ANSWER_LEN];
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    pid_t pid = -1;
    bool good = false;

    KS_CHECK(strchr(command, '/') != NULL, KS_ERR_USAGE, "a signer is named by its path");
    KS_TRY(ks_tx_hash_unsigned(tx, hash));
    ks_hex_encode(KS_BYTES(hash), question);
    question[QUESTION_LEN - 1] = '\n';
    KS_CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0, KS_ERR_IO, "%s",
             strerror(errno));
    /* So little that it fits in the pipe, whether or not it will be read. */
    KS_TRY(ks_fd_write(input[1], ks_bytes_of(question, QUESTION_LEN), "its input"));
    ks_fd_close(&input[1]);
    KS_TRY(start(command, input[0], output[1], &pid));
    ks_fd_close(&input[0]);
    ks_fd_close(&output[1]);
    KS_TRY(receive(output[0], deadline_us, answer));
    good = finish(pid, deadline_us);
    pid = -1;
    KS_CHECK(good, KS_ERR_IO, "it failed");
    KS_TRY(decode(answer, &signature));
    KS_TRY(ks_signer_put(&signature, tx));
out:
    for (size_t i = 0; i < 2; i++) {
        ks_fd_close(&input[i]);
        ks_fd_close(&output[i]);
    }
    if (pid > 0) {
        (void)finish(pid, 0); /* it has failed already, by what the error says */
    }
    return ks_fail_prefix(err, "signer '%s'", command);
}
