/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A real swtpm from start to death. Exits with 77 (skipped) where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "base/sys.h"
#include "crypto/digest.h"
#include "integration/machine.h"
#include "tpm/internal.h"
#include "tpm/tpm.h"

#define CERTIFICATE_INDEX 0x01c00002
#define MASK_14           (1u << KS_LAUNCH_PCR)

static void test_info(void **state)
{
    const struct machine *machine = *state;
    const struct ks_tpm_info *info = ks_tpm_info(machine->tpm);

    assert_int_equal(info->kind, KS_TPM_SIMULATED);
    assert_string_equal(ks_tpm_kind_name(info->kind), "simulated");
    assert_string_equal(info->manufacturer, "IBM");
    assert_non_null(strstr(info->vendor, "TPM"));
    assert_int_not_equal(info->firmware, 0);
}

static void test_random(void **state)
{
    const struct machine *machine = *state;
    static const size_t sizes[] = {0, 1, 32, 63, 64, 65, 1000};
    uint8_t bytes[1001];
    unsigned seen[256] = {0};
    unsigned distinct = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(bytes, 0xa5, sizeof bytes);
        assert_ok(ks_tpm_random(machine->tpm, bytes, sizes[i]));
        assert_int_equal(bytes[sizes[i]], 0xa5); /* not a byte too many */
    }
    for (size_t i = 0; i < 1000; i++) {
        distinct += seen[bytes[i]]++ == 0;
    }
    assert_true(distinct > 200); /* about 251 of 256 expected; every chunk was filled */
}

static void test_extend_and_read(void **state)
{
    const struct machine *machine = *state;
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {1, 2, 3};
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    uint8_t want[2 * KS_PCR_DIGEST_LEN] = {0};
    uint8_t extended[KS_PCR_DIGEST_LEN];

    ks_copy(want + KS_PCR_DIGEST_LEN, digest, sizeof digest);
    ks_sha256(KS_BYTES(want), extended);
    assert_ok(ks_tpm_pcr_extend(machine->tpm, KS_LAUNCH_PCR, digest));
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14, values));
    assert_memory_equal(values[0], extended, sizeof extended);

    /* All of them take three commands. PC Client TPM Profile: after a reset, 17 to 22 are ones.
     */
    assert_ok(ks_tpm_pcr_read(machine->tpm, 0xffffff, values));
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        uint8_t plain[KS_PCR_DIGEST_LEN];
        memset(plain, pcr >= 17 && pcr <= 22 ? 0xff : 0, sizeof plain);
        assert_memory_equal(values[pcr], pcr == KS_LAUNCH_PCR ? extended : plain, sizeof plain);
    }
    /* Sparse, in ascending order. */
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14 | 1u << 17 | 1u << 3, values));
    assert_int_equal(values[0][0], 0);
    assert_memory_equal(values[1], extended, sizeof extended);
    assert_int_equal(values[2][0], 0xff);
}

static void read_ak(struct ks_tpm *tpm, struct ks_buf *out)
{
    ks_buf_init(out, KS_AK_PUBLIC_MAX);
    assert_ok(ks_tpm_ak_open(tpm));
    assert_ok(ks_tpm_ak_open(tpm)); /* the second does nothing */
    ks_tpm_ak_public(tpm, out);
    assert_ok(ks_buf_check(out));
}

static void test_ak_survives_restart(void **state)
{
    struct machine *machine = *state;
    struct machine other = {0};
    struct ks_tpm_clock before;
    struct ks_tpm_clock after;
    struct ks_buf first;
    struct ks_buf second;
    struct ks_buf foreign;
    uint8_t value[1][KS_PCR_DIGEST_LEN];
    const uint8_t zero[KS_PCR_DIGEST_LEN] = {0};
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {9};

    read_ak(machine->tpm, &first);
    assert_ok(ks_tpm_clock(machine->tpm, &before));
    assert_ok(ks_tpm_pcr_extend(machine->tpm, KS_LAUNCH_PCR, digest));
    machine_halt(machine);
    machine_boot(machine);
    read_ak(machine->tpm, &second);
    assert_true(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
    assert_ok(ks_tpm_clock(machine->tpm, &after));
    assert_int_equal(after.reset_count, before.reset_count + 1);
    assert_int_equal(after.restart_count, 0);
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14, value));
    assert_memory_equal(value[0], zero, sizeof zero); /* a reset is the only way back */

    machine_new(&other);
    machine_boot(&other);
    read_ak(other.tpm, &foreign);
    assert_false(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&foreign)));
    machine_halt(&other);
    machine_remove_dir(other.root);
    ks_buf_done(&first);
    ks_buf_done(&second);
    ks_buf_done(&foreign);
}

struct quote {
    struct ks_ak_public ak;
    struct ks_buf attest;
    struct ks_buf signature;
};

static void quote_init(struct quote *quote, struct ks_tpm *tpm)
{
    struct ks_buf ak;

    read_ak(tpm, &ak);
    assert_ok(ks_ak_public_parse(ks_buf_view(&ak), &quote->ak));
    ks_buf_done(&ak);
    ks_buf_init(&quote->attest, KS_ATTEST_MAX);
    ks_buf_init(&quote->signature, KS_TPM_SIGNATURE_MAX);
}

static void quote_done(struct quote *quote)
{
    ks_buf_done(&quote->attest);
    ks_buf_done(&quote->signature);
}

static void test_quote_is_checked_offline(void **state)
{
    const struct machine *machine = *state;
    struct ks_event_log log;
    struct quote quote;
    struct ks_quote_view view;
    struct ks_tpm_clock clock;
    uint8_t values[1][KS_PCR_DIGEST_LEN];
    uint8_t actual[1][KS_PCR_DIGEST_LEN];
    uint8_t digest[KS_PCR_DIGEST_LEN] = {7};
    struct ks_quote_expect expect = {
        .extra_data = KS_LITERAL("a record's hash"),
        .pcr_mask = MASK_14,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])values,
    };

    quote_init(&quote, machine->tpm);
    ks_event_log_init(&log, KS_LAUNCH_PCR, NULL);
    assert_ok(ks_event_log_add(&log, "ketseal-enclave", digest));
    digest[0] = 8;
    assert_ok(ks_event_log_add(&log, "ketseal-worker", digest));
    for (size_t i = 0; i < log.count; i++) {
        assert_ok(ks_tpm_pcr_extend(machine->tpm, log.pcr, log.events[i].digest));
    }
    ks_event_log_replay(&log, values[0]);
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14, actual));
    assert_memory_equal(values, actual, sizeof values);

    assert_ok(ks_tpm_quote(machine->tpm, expect.extra_data, MASK_14, &quote.attest,
                           &quote.signature));
    assert_ok(ks_quote_check(&quote.ak, ks_buf_view(&quote.attest),
                             ks_buf_view(&quote.signature), &expect, &view));
    assert_ok(ks_tpm_clock(machine->tpm, &clock));
    assert_int_equal(view.reset_count, clock.reset_count);
    assert_int_equal(view.restart_count, clock.restart_count);
    assert_int_equal(view.firmware_version, ks_tpm_info(machine->tpm)->firmware);
    assert_true(view.clock_ms <= clock.clock_ms);

    /* The same platform after one more program was measured. */
    assert_ok(ks_tpm_pcr_extend(machine->tpm, KS_LAUNCH_PCR, digest));
    ks_buf_clear(&quote.attest);
    ks_buf_clear(&quote.signature);
    assert_ok(ks_tpm_quote(machine->tpm, expect.extra_data, MASK_14, &quote.attest,
                           &quote.signature));
    assert_says(ks_quote_check(&quote.ak, ks_buf_view(&quote.attest),
                               ks_buf_view(&quote.signature), &expect, NULL),
                KS_ERR_VERIFY, "quote PCRs");
    expect.extra_data = KS_LITERAL("another's");
    assert_says(ks_quote_check(&quote.ak, ks_buf_view(&quote.attest),
                               ks_buf_view(&quote.signature), &expect, NULL),
                KS_ERR_VERIFY, "quote extra data");
    quote_done(&quote);
}

static void test_quote_in_two_halves(void **state)
{
    const struct machine *machine = *state;
    struct quote quote;
    uint8_t extra[KS_QUOTE_EXTRA_MAX + 1] = {1};
    uint8_t values[1][KS_PCR_DIGEST_LEN] = {{0}};
    const struct ks_quote_expect expect = {
        .extra_data = ks_bytes_of(extra, KS_QUOTE_EXTRA_MAX),
        .pcr_mask = MASK_14,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])values,
    };

    quote_init(&quote, machine->tpm);
    assert_says(ks_tpm_quote_start(machine->tpm, KS_BYTES(extra), MASK_14), KS_ERR_LIMIT,
                "65 bytes");
    for (unsigned i = 0; i < 100; i++) {
        struct pollfd poll_fd = {.fd = ks_tpm_fd(machine->tpm), .events = POLLIN};

        extra[5] = (uint8_t)i;
        ks_buf_clear(&quote.attest);
        ks_buf_clear(&quote.signature);
        assert_ok(ks_tpm_quote_start(machine->tpm, expect.extra_data, MASK_14));
        assert_int_equal(poll(&poll_fd, 1, MACHINE_TIMEOUT_MS), 1);
        assert_ok(ks_tpm_quote_finish(machine->tpm, &quote.attest, &quote.signature));
        assert_ok(ks_quote_check(&quote.ak, ks_buf_view(&quote.attest),
                                 ks_buf_view(&quote.signature), &expect, NULL));
    }
    /* Closing in the middle is fine; the tear-down waits for swtpm's end. */
    assert_ok(ks_tpm_quote_start(machine->tpm, expect.extra_data, MASK_14));
    quote_done(&quote);
}

/* A TPM has three slots for loaded keys: each close must free ours. */
static void test_close_frees_the_slot(void **state)
{
    struct machine *machine = *state;

    for (unsigned i = 0; i < 8; i++) {
        int copy = fcntl(ks_tpm_fd(machine->tpm), F_DUPFD_CLOEXEC, 0);

        assert_true(copy >= 0);
        assert_ok(ks_tpm_ak_open(machine->tpm));
        ks_tpm_close(machine->tpm);
        assert_ok(ks_tpm_open_fd(copy, MACHINE_TIMEOUT_MS, &machine->tpm));
    }
}

static void test_dead_tpm_is_an_error(void **state)
{
    struct machine *machine = *state;
    struct quote quote;
    uint8_t bytes[32];
    uint64_t start_us;

    quote_init(&quote, machine->tpm);
    assert_ok(ks_tpm_quote_start(machine->tpm, KS_LITERAL("x"), MASK_14));
    assert_int_equal(kill(machine->pid, SIGKILL), 0);
    assert_int_equal(waitpid(machine->pid, NULL, 0), machine->pid);
    start_us = ks_clock_monotonic_us();
    /* The answer may have come before the end. */
    (void)!ks_tpm_quote_finish(machine->tpm, &quote.attest, &quote.signature);
    memset(bytes, 1, sizeof bytes);
    assert_says(ks_tpm_random(machine->tpm, bytes, sizeof bytes), KS_ERR_IO, "TPM random");
    assert_non_null(strstr(ks_err_detail(), "the TPM ended or kept silent"));
    assert_int_equal(bytes[0] | bytes[31], 0);
    assert_says(ks_tpm_quote_start(machine->tpm, KS_LITERAL("x"), MASK_14), KS_ERR_IO, "quote");
    assert_true(ks_clock_monotonic_us() - start_us < 1000000);
    ks_tpm_close(machine->tpm);
    machine->tpm = NULL;
    quote_done(&quote);
}

static void test_silent_tpm_runs_into_the_timeout(void **state)
{
    struct machine *machine = *state;
    int copy = fcntl(ks_tpm_fd(machine->tpm), F_DUPFD_CLOEXEC, 0);
    uint8_t bytes[32];
    uint64_t start_us;
    uint64_t spent_us;

    ks_tpm_close(machine->tpm);
    machine->tpm = NULL;
    assert_ok(ks_tpm_open_fd(copy, 300, &machine->tpm));
    assert_int_equal(kill(machine->pid, SIGSTOP), 0);
    start_us = ks_clock_monotonic_us();
    assert_says(ks_tpm_random(machine->tpm, bytes, sizeof bytes), KS_ERR_IO, "TPM random");
    spent_us = ks_clock_monotonic_us() - start_us;
    assert_true(spent_us >= 290000 && spent_us < 2000000);
    assert_int_equal(kill(machine->pid, SIGCONT), 0);
    /* The late answer must not be taken for the next one's. */
    assert_says(ks_tpm_random(machine->tpm, bytes, sizeof bytes), KS_ERR_IO, "TPM random");
    ks_tpm_close(machine->tpm);
    machine->tpm = NULL;
    /* Its answer may find nobody, and then swtpm does not end by itself. */
    ks_tpm_stop_swtpm(machine->pid);
    assert_int_equal(kill(machine->pid, 0), -1);
}

/* Closed while it was busy, stopped, and its state is free for the next one. */
static void test_stop_while_busy(void **state)
{
    struct machine *machine = *state;
    const uint8_t command[] = {0x80, 0x01, 0,    0,    0, 12,
                               0,    0,    0x01, 0x7b, 0, 32}; /* GetRandom */

    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(kill(machine->pid, SIGSTOP), 0);
        assert_ok(ks_fd_write(ks_tpm_fd(machine->tpm), KS_BYTES(command), "socket"));
        ks_tpm_close(machine->tpm);
        machine->tpm = NULL;
        assert_int_equal(kill(machine->pid, SIGCONT), 0);
        ks_tpm_stop_swtpm(machine->pid);
        assert_int_equal(kill(machine->pid, 0), -1);
        machine_boot(machine);
    }
}

/* A launcher that is killed takes its swtpm along, even one that would not notice. */
static void test_parent_takes_it_along(void **state)
{
    char dir[64];
    char state_dir[80];
    int report[2];
    pid_t swtpm = 0;

    (void)state;
    machine_new_dir(dir);
    assert_true(snprintf(state_dir, sizeof state_dir, "%s/tpm", dir) > 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        int fd = -1;
        bool done = ks_tpm_start_swtpm(NULL, state_dir, &fd, &swtpm) == KS_OK &&
                    kill(swtpm, SIGSTOP) == 0 && /* it cannot see the socket close */
                    write(report[1], &swtpm, sizeof swtpm) == sizeof swtpm;
        (void)raise(done ? SIGKILL : SIGTERM);
        _exit(1);
    }
    assert_int_equal(read(report[0], &swtpm, sizeof swtpm), sizeof swtpm);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    uint64_t start_us = ks_clock_monotonic_us();
    char path[64];
    /* An orphan's corpse may wait for a slow init: dead or gone are both fine. */
    for (;;) {
        char line[256] = {0};
        assert_true(snprintf(path, sizeof path, "/proc/%d/stat", (int)swtpm) > 0);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, line, sizeof line - 1) <= 0 || strstr(line, ") Z") != NULL) {
            ks_fd_close(&fd);
            break;
        }
        ks_fd_close(&fd);
        assert_true(ks_clock_monotonic_us() - start_us < MACHINE_EXIT_WAIT_US);
        (void)usleep(1000);
    }
    (void)close(report[0]);
    (void)close(report[1]);
    machine_remove_dir(dir);
}

/* Answers that no TPM gives, lying ready in the socket. */
static void test_broken_answers(void **state)
{
    static const struct {
        const char *what;
        size_t len;
        uint8_t bytes[16];
    } table[] = {
        {"end of stream", 0, {0}},
        {"cut header", 4, {0x80, 0x01, 0, 0}},
        {"size below the header", 10, {0x80, 0x01, 0, 0, 0, 9, 0, 0, 0, 0}},
        {"size zero", 10, {0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"size above all limits", 10, {0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}},
        {"more than its size", 12, {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0, 1, 2}},
        {"less than its size", 10, {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0}},
        {"success without a body", 10, {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0}},
        {"TPM_RC_FAILURE", 10, {0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int ends[2];
        struct ks_tpm *tpm = NULL;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_ok(ks_fd_write(ends[1], ks_bytes_of(table[i].bytes, table[i].len), "socket"));
        assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
        enum ks_err err = ks_tpm_open_fd(ends[0], 2000, &tpm);
        if (err != KS_ERR_IO || tpm != NULL) {
            fail_msg("%s: %s", table[i].what, ks_err_name(err));
        }
        /* Still the caller's. */
        assert_true(fcntl(ends[0], F_GETFD) >= 0);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

/* Reads one command or answer whole; 0 at the end of the stream. */
static size_t read_message(int fd, uint8_t bytes[KS_TPM_FRAME_MAX])
{
    size_t len = 0;

    if (ks_fd_read(fd, bytes, KS_TPM_HEADER_LEN, "message") == KS_OK) {
        len = (size_t)bytes[4] << 8 | bytes[5];
    }
    if (len > KS_TPM_FRAME_MAX ||
        (len > 0 && ks_fd_read(fd, bytes + KS_TPM_HEADER_LEN, len - KS_TPM_HEADER_LEN,
                               "message") != KS_OK)) {
        len = 0;
    }
    return len;
}

/* Between a user and SWTPM: answers each command with CODE first, TIMES times, and insists that
 * it comes again unchanged. */
static int be_busy(int user, int swtpm, uint8_t code, unsigned times)
{
    const uint8_t busy[KS_TPM_HEADER_LEN] = {0x80, 1, 0, 0,   0, KS_TPM_HEADER_LEN,
                                             0,    0, 9, code};
    uint8_t first[KS_TPM_FRAME_MAX];
    uint8_t again[KS_TPM_FRAME_MAX];
    size_t len;

    while ((len = read_message(user, first)) > 0) {
        for (unsigned i = 0; i < times; i++) {
            if (ks_fd_write(user, KS_BYTES(busy), "busy") != KS_OK ||
                read_message(user, again) != len || memcmp(first, again, len) != 0) {
                return 1;
            }
        }
        if (ks_fd_write(swtpm, ks_bytes_of(first, len), "swtpm") != KS_OK ||
            (len = read_message(swtpm, again)) == 0 ||
            ks_fd_write(user, ks_bytes_of(again, len), "user") != KS_OK) {
            return 1;
        }
    }
    return 0;
}

/* TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY: a TPM that is busy, not broken. */
static void test_busy_tpm(void **state)
{
    struct machine *machine = *state;
    static const uint8_t codes[] = {0x08, 0x0a, 0x22};

    for (size_t i = 0; i < sizeof codes; i++) {
        int ends[2];
        int status = -1;
        struct ks_tpm *tpm = NULL;
        struct quote quote;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(ends[0]);
            _exit(be_busy(ends[1], ks_tpm_fd(machine->tpm), codes[i], 2));
        }
        (void)close(ends[1]);
        assert_ok(ks_tpm_open_fd(ends[0], MACHINE_TIMEOUT_MS, &tpm));
        quote_init(&quote, tpm);
        assert_ok(ks_tpm_quote(tpm, KS_LITERAL("x"), MASK_14, &quote.attest, &quote.signature));
        assert_ok(ks_quote_check_signature(&quote.ak, ks_buf_view(&quote.attest),
                                           ks_buf_view(&quote.signature)));
        quote_done(&quote);
        ks_tpm_close(tpm);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

/* One that stays busy longer than our patience. */
static void test_busy_for_ever(void **state)
{
    struct machine *machine = *state;
    int ends[2];
    int status = -1;
    struct ks_tpm *tpm = NULL;
    uint64_t start_us = ks_clock_monotonic_us();

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        _exit(be_busy(ends[1], ks_tpm_fd(machine->tpm), 0x22, 1000000) == 1 ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_says(ks_tpm_open_fd(ends[0], 300, &tpm), KS_ERR_IO, "TPM properties");
    assert_true(ks_clock_monotonic_us() - start_us < 2000000);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_child_inherits_nothing(void **state)
{
    struct machine *machine = *state;
    char path[64];
    char target[256];
    ssize_t len;

    machine_halt(machine);
    assert_int_equal(dup2(2, 60), 60); /* not close-on-exec: someone was careless */
    machine_boot(machine);
    assert_ok(ks_tpm_ak_open(machine->tpm)); /* it has answered, so it has been executed */
    assert_true(snprintf(path, sizeof path, "/proc/%d/fd/60", (int)machine->pid) > 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(snprintf(path, sizeof path, "/proc/%d/fd/3", (int)machine->pid) > 0);
    len = readlink(path, target, sizeof target);
    assert_true(len > 7 && strncmp(target, "socket:", 7) == 0);
    assert_int_equal(getpgid(machine->pid), machine->pid);
    assert_true(fcntl(ks_tpm_fd(machine->tpm), F_GETFD) & FD_CLOEXEC);
    (void)close(60);
}

/* Damaged state: an error at open, and the reason where the header says. */
static void test_broken_state(void **state)
{
    struct machine *machine = *state;
    char path[128];
    struct ks_buf text;
    struct ks_tpm *tpm = NULL;
    int fd = -1;

    machine_halt(machine);
    assert_true(snprintf(path, sizeof path, "%s/tpm2-00.permall", machine->dir) > 0);
    ks_buf_init(&text, 100000);
    assert_ok(ks_file_read(path, 100000, &text));
    assert_true(text.len > 100);
    memset(text.data + 50, 'x', 15);
    assert_ok(ks_file_write(path, ks_buf_view(&text), 0600));
    assert_ok(ks_tpm_start_swtpm(NULL, machine->dir, &fd, &machine->pid));
    assert_says(ks_tpm_open_fd(fd, MACHINE_TIMEOUT_MS, &tpm), KS_ERR_IO, "TPM properties");
    ks_fd_close(&fd);
    machine_wait_for_exit(machine->pid);
    ks_buf_clear(&text);
    assert_true(snprintf(path, sizeof path, "%s/" KS_SWTPM_LOG, machine->dir) > 0);
    assert_ok(ks_file_read(path, 100000, &text));
    ks_buf_put_u8(&text, 0);
    assert_non_null(strstr((const char *)text.data, "Could not initialize"));
    ks_buf_done(&text);
}

static void test_start_refusals(void **state)
{
    char dir[64];
    char path[128];
    struct stat info;
    int fd = -1;
    pid_t pid = -1;

    (void)state;
    machine_new_dir(dir);
    assert_true(snprintf(path, sizeof path, "%s/a,b", dir) > 0);
    assert_says(ks_tpm_start_swtpm(NULL, path, &fd, &pid), KS_ERR_USAGE, "comma");
    assert_says(ks_tpm_start_swtpm(NULL, "", &fd, &pid), KS_ERR_USAGE, "empty");
    assert_true(snprintf(path, sizeof path, "%s/new", dir) > 0);
    assert_says(ks_tpm_start_swtpm("/nonexistent/swtpm", path, &fd, &pid), KS_ERR_IO,
                "start '/nonexistent/swtpm': No such file or directory");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(chmod(path, 0750), 0);
    assert_says(ks_tpm_start_swtpm(NULL, path, &fd, &pid), KS_ERR_DENIED, "0700");
    assert_int_equal(fd, -1);
    assert_int_equal(pid, -1);
    machine_remove_dir(dir);
}

static void test_device_refusals(void **state)
{
    int fd = -1;
    struct ks_tpm *tpm = NULL;

    (void)state;
    assert_says(ks_tpm_open_device("/nonexistent/tpm", &fd), KS_ERR_IO, "/nonexistent/tpm");
    assert_says(ks_tpm_open_device("/proc/self/comm", &fd), KS_ERR_USAGE,
                "no character device");
    assert_int_equal(fd, -1);
    assert_ok(ks_tpm_open_device("/dev/null", &fd)); /* a device, but no TPM */
    assert_says(ks_tpm_open_fd(fd, MACHINE_TIMEOUT_MS, &tpm), KS_ERR_IO, "TPM properties");
    assert_null(tpm);
    (void)close(fd);
    fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_says(ks_tpm_open_fd(fd, MACHINE_TIMEOUT_MS, &tpm), KS_ERR_USAGE, "neither a socket");
    (void)close(fd);
}

/* Writes BYTES where a maker puts the certificate of the RSA key, into SIZE bytes. */
static void write_certificate(struct ks_tpm *tpm, uint16_t size, struct ks_bytes bytes)
{
    const TPM2B_AUTH password = {0};
    const TPM2B_NV_PUBLIC area = {
        .nvPublic = {.nvIndex = CERTIFICATE_INDEX,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA,
                     .dataSize = size},
    };

    (void)Tss2_Sys_NV_UndefineSpace(tpm->sys, TPM2_RH_OWNER, CERTIFICATE_INDEX,
                                    ks_tpm_password(), NULL);
    assert_int_equal(Tss2_Sys_NV_DefineSpace(tpm->sys, TPM2_RH_OWNER, ks_tpm_password(),
                                             &password, &area, NULL),
                     TSS2_RC_SUCCESS);
    for (size_t at = 0; at < bytes.len; at += 1024) {
        TPM2B_MAX_NV_BUFFER part = {
            .size = (uint16_t)(bytes.len - at < 1024 ? bytes.len - at : 1024)};

        ks_copy(part.buffer, bytes.data + at, part.size);
        assert_int_equal(Tss2_Sys_NV_Write(tpm->sys, TPM2_RH_OWNER, CERTIFICATE_INDEX,
                                           ks_tpm_password(), &part, (uint16_t)at, NULL),
                         TSS2_RC_SUCCESS);
    }
}

/* A TPM whose maker has stored none; then one with whatever was written there. */
static void check_certificates(struct ks_tpm *tpm)
{
    static const struct {
        size_t used; /* bytes written; the rest of the index is padding */
        uint8_t head[4];
        enum ks_err want;
        size_t len; /* of what comes back */
    } table[] = {
        {1500, {0x30, 0x82, 0x05, 0x00}, KS_OK, 1284},
        {1500, {0x30, 0x82, 0x05, 0xd8}, KS_OK, 1500},
        {1500, {0x30, 0x82, 0x05, 0xd9}, KS_ERR_FORMAT, 0}, /* longer than the index */
        {1500, {0x30, 0x82, 0x00, 0xff}, KS_ERR_FORMAT, 0}, /* not the shortest form */
        {1500, {0x30, 0x80, 0x05, 0x00}, KS_ERR_FORMAT, 0}, /* BER */
        {1500, {0x30, 0x83, 0x00, 0x05}, KS_ERR_FORMAT, 0},
        {1500, {0x00, 0x82, 0x05, 0x00}, KS_ERR_FORMAT, 0},
        {1500, {0xff, 0xff, 0xff, 0xff}, KS_ERR_FORMAT, 0},
    };
    struct ks_buf certificate;
    uint8_t bytes[1500] = {0};

    ks_buf_init(&certificate, KS_TPM_CERTIFICATE_MAX);
    assert_says(ks_tpm_ek_certificate(tpm, KS_TPM_EK_RSA_2048, &certificate), KS_ERR_NOT_FOUND,
                "RSA 2048");
    assert_says(ks_tpm_ek_certificate(tpm, KS_TPM_EK_ECC_P384, &certificate), KS_ERR_NOT_FOUND,
                "ECC P-384");
    write_certificate(tpm, 1500, ks_bytes_of(bytes, 0));
    assert_says(ks_tpm_ek_certificate(tpm, KS_TPM_EK_RSA_2048, &certificate), KS_ERR_NOT_FOUND,
                "nothing was written");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum ks_err err;

        for (size_t at = 0; at < sizeof bytes; at++) {
            bytes[at] = (uint8_t)at;
        }
        ks_copy(bytes, table[i].head, sizeof table[i].head);
        write_certificate(tpm, 1500, ks_bytes_of(bytes, table[i].used));
        ks_buf_clear(&certificate);
        err = ks_tpm_ek_certificate(tpm, KS_TPM_EK_RSA_2048, &certificate);
        if (err != table[i].want) {
            fail_msg("row %zu: %s (%s)", i, ks_err_name(err), ks_err_detail());
        }
        assert_int_equal(certificate.len, table[i].len);
        assert_true(certificate.len == 0 || ks_bytes_equal(ks_buf_view(&certificate),
                                                           ks_bytes_of(bytes, table[i].len)));
    }
    ks_buf_done(&certificate);
}

/* A TPM behind a character device: a raw pseudo-terminal with swtpm at its other side. */
static void test_character_device(void **state)
{
    char dir[64];
    char argument[96];
    char name[64];
    int master = -1;
    int slave = -1;
    int fd = -1;
    struct termios raw = {0};
    struct ks_tpm *tpm = NULL;
    struct quote quote;
    uint8_t bytes[500];

    (void)state;
    machine_new_dir(dir);
    assert_true(snprintf(argument, sizeof argument, "dir=%s", dir) > 0);
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    assert_int_equal(openpty(&master, &slave, name, &raw, NULL), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(slave);
        if (dup2(master, 3) == 3) {
            (void)execl(KS_SWTPM_PROGRAM, "swtpm", "chardev", "--tpm2", "--fd", "3", "--flags",
                        "not-need-init,startup-clear", "--tpmstate", argument, "--log",
                        "file=-", (char *)NULL);
        }
        _exit(127);
    }
    assert_ok(ks_tpm_open_device(name, &fd));
    assert_ok(ks_tpm_open_fd(fd, MACHINE_TIMEOUT_MS, &tpm));
    /* Not a socket, yet the maker's name gives the software away. */
    assert_int_equal(ks_tpm_info(tpm)->kind, KS_TPM_SIMULATED);
    assert_ok(ks_tpm_random(tpm, bytes, sizeof bytes));
    quote_init(&quote, tpm);
    assert_ok(ks_tpm_quote(tpm, KS_LITERAL("x"), MASK_14, &quote.attest, &quote.signature));
    assert_ok(ks_quote_check_signature(&quote.ak, ks_buf_view(&quote.attest),
                                       ks_buf_view(&quote.signature)));
    quote_done(&quote);
    check_certificates(tpm); /* swtpm made this TPM itself, bare */
    /* Its keys are made from the templates: no persistent ones are there. */
    assert_ok(ks_tpm_ek_open(tpm, KS_TPM_EK_ECC_P384));
    assert_false(tpm->ek.persistent);
    ks_tpm_shutdown(tpm); /* simulated, but not ours: as if it had not been said */
    ks_tpm_close(tpm);
    assert_int_equal(kill(pid, SIGTERM), 0);
    (void)close(slave);
    (void)close(master);
    machine_wait_for_exit(pid);
    machine_remove_dir(dir);
}

int main(void)
{
#define ON_TPM(test) cmocka_unit_test_setup_teardown(test, machine_set_up, machine_tear_down)
    const struct CMUnitTest tests[] = {
        ON_TPM(test_info),
        ON_TPM(test_random),
        ON_TPM(test_extend_and_read),
        ON_TPM(test_ak_survives_restart),
        ON_TPM(test_quote_is_checked_offline),
        ON_TPM(test_quote_in_two_halves),
        ON_TPM(test_close_frees_the_slot),
        ON_TPM(test_dead_tpm_is_an_error),
        ON_TPM(test_silent_tpm_runs_into_the_timeout),
        ON_TPM(test_stop_while_busy),
        ON_TPM(test_busy_tpm),
        ON_TPM(test_busy_for_ever),
        ON_TPM(test_child_inherits_nothing),
        ON_TPM(test_broken_state),
        cmocka_unit_test(test_parent_takes_it_along),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_start_refusals),
        cmocka_unit_test(test_device_refusals),
        cmocka_unit_test(test_character_device),
    };

    if (access(KS_SWTPM_PROGRAM, X_OK) != 0) {
        (void)fprintf(stderr,
                      "SKIPPED: no " KS_SWTPM_PROGRAM ": the TPM code was not tested\n");
        return 77;
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    return cmocka_run_group_tests(tests, machine_group_set_up, machine_group_tear_down);
}
