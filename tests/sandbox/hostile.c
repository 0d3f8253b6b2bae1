/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What turns a test build of ketseald hostile (server/hostile.h): once its doors are closed it
 * tries what somebody with full control of that process would, and writes what came of it to
 * STATE/store/report, the only place where it can write. STATE/store/mode says what to try:
 * "calm" for what is refused; the name of one attempt for what ends the process. Beside it lie
 * what such a process sees anyhow: pids, device.pem, foreign.pem, key_id. Driven, and the
 * report judged, by tests/integration/hostile.sh. */
#include "server/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/cert.h"
#include "enclave/frame.h"
#include "ledger/merkle.h"
#include "net/signature.h"
#include "qkd/announce.h"
#include "record/job.h"

#define TEXT_MAX    65536
#define ANSWER_MS   10000
#define DESCRIPTORS 64 /* where descriptors of this process are looked for */
#define WAIT_TRIES  400

struct hostile {
    struct ks_channel enclave;
    char store[256];
    char state[256];
    int report;
    int pids[2]; /* of the enclave, of the launcher */
    uint32_t id;
    struct ks_buf device_cert;
    struct ks_buf foreign_cert;
    struct ks_buf key_id;
    uint64_t size; /* of the head that was signed last */
    uint8_t root[32];
};

static void report(struct hostile *hostile, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void report(struct hostile *hostile, const char *format, ...)
{
    char line[1024];
    va_list args;
    int len = 0;

    va_start(args, format);
    len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len > 0 && write(hostile->report, line, (size_t)len) != len) {
        _exit(71);
    }
}

/* The contents of STORE/NAME; waits a while for it to appear. */
static bool read_hint(const struct hostile *hostile, const char *name, struct ks_buf *out)
{
    const struct timespec pause_time = {.tv_nsec = 25000000};
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", hostile->store, name);
    ks_buf_init(out, TEXT_MAX);
    for (unsigned i = 0; i < WAIT_TRIES; i++) {
        if (ks_file_read(path, TEXT_MAX, out) == KS_OK && out->len > 0) {
            return true;
        }
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause_time, NULL);
    }
    return false;
}

/* --- files -------------------------------------------------------------------------------- */

static void try_open(struct hostile *hostile, const char *path, int flags)
{
    const int fd = openat(AT_FDCWD, path, flags | O_CLOEXEC, 0600);

    report(hostile, "open %s %s %s\n", path, fd >= 0 ? "OPENED" : "refused",
           fd >= 0 ? "" : strerror(errno));
}

static void try_files(struct hostile *hostile)
{
    static const char *const below[] = {
        "enclave/keys", "enclave/heads", "enclave/journal",
        "enclave",      "tpm",           "tpm/tpm2-00.permall",
        "launch.json",  "port",          "store/../enclave/keys"};
    static const char *const proc[] = {"mem", "maps", "environ", "fd", "root", "cwd"};
    char path[512];

    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", hostile->state, below[i]);
        try_open(hostile, path, O_RDONLY);
        try_open(hostile, path, O_WRONLY);
    }
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof proc / sizeof proc[0]; i++) {
            (void)snprintf(path, sizeof path, "/proc/%d/%s", hostile->pids[k], proc[i]);
            try_open(hostile, path, O_RDONLY);
        }
        (void)snprintf(path, sizeof path, "/proc/%d/mem", hostile->pids[k]);
        try_open(hostile, path, O_RDWR);
    }
    (void)snprintf(path, sizeof path, "%s/enclave/new", hostile->state);
    try_open(hostile, path, O_WRONLY | O_CREAT);
    try_open(hostile, "server/server.key", O_RDONLY);
    try_open(hostile, "ketseal.yaml", O_RDONLY);
    try_open(hostile, "/etc/shadow", O_RDONLY);
    try_open(hostile, "/proc/self/mem", O_RDWR);
    try_open(hostile, "/dev/null", O_RDWR);
    try_open(hostile, "/dev/urandom", O_RDONLY);
}

/* --- frames ------------------------------------------------------------------------------- */

static bool flush(struct hostile *hostile)
{
    while (hostile->enclave.out.len > 0) {
        struct pollfd fd = {.fd = hostile->enclave.fd, .events = POLLOUT};

        if (ks_channel_flush(&hostile->enclave) != KS_OK) {
            return false;
        }
        (void)poll(&fd, 1, 100);
    }
    return true;
}

/* The answer to what was sent last; false when none comes. */
static bool answer(struct hostile *hostile, struct ks_frame *out_frame)
{
    bool found = false;

    for (;;) {
        struct pollfd fd = {.fd = hostile->enclave.fd, .events = POLLIN};

        if (ks_channel_next(&hostile->enclave, out_frame, &found) != KS_OK) {
            return false;
        }
        if (found && out_frame->id == hostile->id) {
            return true;
        }
        if (!found && (poll(&fd, 1, ANSWER_MS) != 1 ||
                       ks_channel_fill(&hostile->enclave, NULL) != KS_OK)) {
            return false;
        }
    }
}

static bool ask(struct hostile *hostile, uint16_t type, struct ks_bytes payload,
                struct ks_frame *out_frame)
{
    size_t begin = ks_frame_begin(&hostile->enclave.out, type, ++hostile->id);

    ks_buf_put(&hostile->enclave.out, payload);
    ks_frame_end(&hostile->enclave.out, begin);
    return flush(hostile) && answer(hostile, out_frame);
}

static void try_frame(struct hostile *hostile, const char *name, uint16_t type,
                      struct ks_bytes payload)
{
    struct ks_frame frame;
    struct ks_reader reader;

    if (!ask(hostile, type, payload, &frame)) {
        report(hostile, "frame %s UNANSWERED %s\n", name, ks_err_detail());
        return;
    }
    const enum ks_err err = ks_answer_open(&frame, &reader);
    report(hostile, "frame %s %s %s: %s\n", name, err == KS_OK ? "ACCEPTED" : "refused",
           ks_err_name(err), err == KS_OK ? "" : ks_err_detail());
}

/* HELLO is answered to anybody; so its answer also says that the enclave lives. */
static void say_hello(struct hostile *hostile)
{
    struct ks_frame frame;
    struct ks_reader reader;
    struct ks_bytes document;

    if (ask(hostile, KS_FRAME_HELLO, (struct ks_bytes){0}, &frame) &&
        ks_answer_open(&frame, &reader) == KS_OK &&
        ks_read_lp32(&reader, TEXT_MAX, &document) == KS_OK &&
        ks_read_u64(&reader, &hostile->size) == KS_OK &&
        ks_read_copy(&reader, hostile->root, sizeof hostile->root) == KS_OK) {
        report(hostile, "enclave lives, signed %llu\n", (unsigned long long)hostile->size);
    } else {
        report(hostile, "enclave DEAD\n");
    }
}

static void try_types(struct hostile *hostile)
{
    static const uint16_t types[] = {0,  9,  10, 19, 20,     21,     22,     24,
                                     29, 30, 31, 99, 0x7fff, 0x8001, 0x8005, 0xffff};
    char name[32];

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        (void)snprintf(name, sizeof name, "type-%u", (unsigned)types[i]);
        try_frame(hostile, name, types[i], KS_LITERAL("whatever"));
    }
}

static void try_jobs(struct hostile *hostile)
{
    static const char id[] = "3f2b8f0e-5d5a-4c39-9a43-0c6d1b2a7e10";
    struct ks_buf payload;

    ks_buf_init(&payload, TEXT_MAX);
    ks_buf_put_text(&payload, id);
    try_frame(hostile, "cancel-unknown", KS_FRAME_CANCEL, ks_buf_view(&payload));
    try_frame(hostile, "run-short", KS_FRAME_RUN, ks_buf_view(&payload));
    /* Nobody is suspended for a job that did not run here. */
    try_frame(hostile, "alert-unknown", KS_FRAME_ALERT, ks_buf_view(&payload));
    try_frame(hostile, "alert-short", KS_FRAME_ALERT,
              ks_bytes_of(payload.data, payload.len - 1));
    ks_buf_put_u64(&payload, hostile->size);
    try_frame(hostile, "run-unknown", KS_FRAME_RUN, ks_buf_view(&payload));
    try_frame(hostile, "alert-long", KS_FRAME_ALERT, ks_buf_view(&payload));
    try_frame(hostile, "alert-empty", KS_FRAME_ALERT, (struct ks_bytes){0});
    ks_buf_put_u8(&payload, 0);
    try_frame(hostile, "run-long", KS_FRAME_RUN, ks_buf_view(&payload));
    (void)ks_buf_reserve(&payload, 64);
    ks_buf_put(&payload, ks_bytes_of(hostile->root, 32));
    try_frame(hostile, "run-over-limit", KS_FRAME_RUN, ks_buf_view(&payload));
    try_frame(hostile, "run-empty", KS_FRAME_RUN, (struct ks_bytes){0});
    try_frame(hostile, "attest-short", KS_FRAME_ATTEST, KS_LITERAL("nonce"));
    try_frame(hostile, "hello-long", KS_FRAME_HELLO, KS_LITERAL("x"));
    ks_buf_done(&payload);
}

/* Rounds that no operator has ordered, for devices and operators whose word it does not have.
 */
static void try_rounds(struct hostile *hostile)
{
    static const uint8_t channel[KS_CHANNEL_LEN] = {5};
    static const uint16_t types[] = {KS_FRAME_FL_RECORDED, KS_FRAME_FL_LIST};
    const struct ks_bytes certs[] = {
        ks_buf_view(&hostile->device_cert), ks_buf_view(&hostile->foreign_cert), {0}};
    struct ks_buf payload;
    char name[48];

    ks_buf_init(&payload, TEXT_MAX);
    for (size_t i = 0; i < sizeof certs / sizeof certs[0]; i++) {
        ks_buf_clear(&payload);
        ks_buf_put_lp32(&payload, certs[i]);
        ks_buf_put(&payload, KS_BYTES(channel));
        ks_buf_put_lp32(&payload, KS_LITERAL("{\"body\":{},\"signature\":\"AA==\"}"));
        (void)snprintf(name, sizeof name, "fl-order-%zu", i);
        try_frame(hostile, name, KS_FRAME_FL_ORDER, ks_buf_view(&payload));
        (void)snprintf(name, sizeof name, "fl-join-%zu", i);
        try_frame(hostile, name, KS_FRAME_FL_JOIN, ks_buf_view(&payload));
    }
    ks_buf_clear(&payload);
    ks_buf_put(&payload, ks_bytes_of(hostile->root, KS_SESSION_LEN));
    ks_buf_put_u64(&payload, 1);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        (void)snprintf(name, sizeof name, "fl-%u-unknown", (unsigned)types[i]);
        try_frame(hostile, name, types[i], ks_buf_view(&payload));
        (void)snprintf(name, sizeof name, "fl-%u-short", (unsigned)types[i]);
        try_frame(hostile, name, types[i], ks_bytes_of(payload.data, payload.len - 1));
    }
    try_frame(hostile, "fl-offer-long", KS_FRAME_FL_OFFER, KS_LITERAL("x"));
    try_frame(hostile, "fl-status-short", KS_FRAME_FL_STATUS, KS_LITERAL("x"));
    ks_buf_done(&payload);
}

/* u32 head, u32 body, channel, u32 certificate: as ketseald hands a request on. */
static void try_request(struct hostile *hostile, const char *name, struct ks_bytes head,
                        struct ks_bytes body, struct ks_bytes certificate)
{
    static const uint8_t channel[KS_CHANNEL_LEN] = {5};
    struct ks_buf payload;
    char text[64];

    ks_buf_init(&payload, 2 * TEXT_MAX);
    ks_buf_put_lp32(&payload, head);
    ks_buf_put_lp32(&payload, body);
    ks_buf_put(&payload, KS_BYTES(channel));
    ks_buf_put_lp32(&payload, certificate);
    (void)snprintf(text, sizeof text, "admit-%s", name);
    try_frame(hostile, text, KS_FRAME_ADMIT, ks_buf_view(&payload));
    (void)snprintf(text, sizeof text, "auth-%s", name);
    try_frame(hostile, text, KS_FRAME_AUTH, ks_buf_view(&payload));
    (void)snprintf(text, sizeof text, "admit-%s-cut", name);
    try_frame(hostile, text, KS_FRAME_ADMIT, ks_bytes_of(payload.data, payload.len - 1));
    ks_buf_done(&payload);
}

/* A head signed with KEY, under the name of a key. */
static void put_head(struct ks_buf *head, struct ks_bytes body, const char *key_id, bool sign)
{
    static const uint8_t key[32] = {1, 2, 3};
    struct ks_signature_fields fields = {{0}, {0}, {0}, {0}};
    const struct ks_signature_spec spec = {.method = "POST",
                                           .authority = "site.example",
                                           .target = "/qjob",
                                           .content_type = "application/json",
                                           .body = body,
                                           .channel = {5},
                                           .created = ks_clock_us() / 1000000,
                                           .expires = ks_clock_us() / 1000000 + 60,
                                           .nonce = "0123456789abcdef0123456789abcdef",
                                           .key_id = key_id};

    ks_buf_init(head, TEXT_MAX);
    ks_buf_put_format(head,
                      "POST /qjob HTTP/1.1\r\nHost: site.example\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      body.len);
    if (sign && ks_signature_make(&spec, KS_BYTES(key), &fields) == KS_OK) {
        ks_buf_put_format(head,
                          "Content-Digest: %s\r\nKetseal-Channel: %s\r\n"
                          "Signature-Input: %s\r\nSignature: %s\r\n",
                          fields.content_digest, fields.channel, fields.input,
                          fields.signature);
    }
    ks_buf_put_text(head, "\r\n");
}

static void try_requests(struct hostile *hostile)
{
    const struct ks_bytes body = KS_LITERAL("{}");
    const struct ks_bytes cert = ks_buf_view(&hostile->device_cert);
    struct ks_buf unsigned_head;
    struct ks_buf unknown_head;
    struct ks_buf guessed_head;
    char key_id[128];

    (void)snprintf(key_id, sizeof key_id, "%.*s", (int)hostile->key_id.len,
                   (const char *)hostile->key_id.data);
    put_head(&unsigned_head, body, "", false);
    put_head(&unknown_head, body, "0000000000000001.0000000000000001.0", true);
    put_head(&guessed_head, body, key_id, true);
    try_request(hostile, "unsigned", ks_buf_view(&unsigned_head), body, cert);
    try_request(hostile, "unknown-key", ks_buf_view(&unknown_head), body, cert);
    try_request(hostile, "guessed-key", ks_buf_view(&guessed_head), body, cert);
    try_request(hostile, "foreign-device", ks_buf_view(&guessed_head), body,
                ks_buf_view(&hostile->foreign_cert));
    try_request(hostile, "no-device", ks_buf_view(&guessed_head), body, (struct ks_bytes){0});
    try_request(hostile, "no-head", (struct ks_bytes){0}, body, cert);
    try_request(hostile, "garbage", KS_LITERAL("\x16\x03\x01 \r\n\r\n"), body, cert);
    try_frame(hostile, "admit-empty", KS_FRAME_ADMIT, (struct ks_bytes){0});
    try_frame(hostile, "auth-empty", KS_FRAME_AUTH, (struct ks_bytes){0});
    ks_buf_done(&unsigned_head);
    ks_buf_done(&unknown_head);
    ks_buf_done(&guessed_head);
}

static void try_keys_with(struct hostile *hostile, const char *name, struct ks_bytes cert)
{
    static const uint8_t channel[KS_CHANNEL_LEN] = {5};
    static const uint8_t kem_public[KS_KEM_PUBLIC_LEN] = {1};
    struct ks_keys_request request = {
        .count = 8, .device = KS_LITERAL("edge-1"), .kem_public = KS_BYTES(kem_public)};
    struct ks_sign_key *key = NULL;
    struct ks_buf document;
    struct ks_buf payload;
    uint8_t digest[32];

    ks_copy(request.channel, channel, sizeof request.channel);
    ks_buf_init(&document, TEXT_MAX);
    ks_buf_init(&payload, TEXT_MAX);
    if (ks_sign_key_new(KS_SIG_MLDSA65, &key) != KS_OK ||
        ks_keys_request_write(&request, key, &document, digest) != KS_OK) {
        report(hostile, "keys UNTRIED %s\n", ks_err_detail());
    }
    ks_buf_put_lp32(&payload, cert);
    ks_buf_put(&payload, KS_BYTES(channel));
    ks_buf_put_lp32(&payload, ks_buf_view(&document));
    try_frame(hostile, name, KS_FRAME_KEYS, ks_buf_view(&payload));
    ks_sign_key_free(key);
    ks_buf_done(&document);
    ks_buf_done(&payload);
}

static void try_checkpoint(struct hostile *hostile, const char *name, uint64_t size,
                           const uint8_t root[32], uint32_t proof_count)
{
    static const uint8_t hash[32] = {0xaa};
    struct ks_buf payload;

    ks_buf_init(&payload, TEXT_MAX);
    ks_buf_put_u64(&payload, size);
    ks_buf_put(&payload, ks_bytes_of(root, 32));
    ks_buf_put_u32(&payload, proof_count);
    for (uint32_t i = 0; i < proof_count && i < 60; i++) {
        ks_buf_put(&payload, KS_BYTES(hash));
    }
    try_frame(hostile, name, KS_FRAME_CHECKPOINT, ks_buf_view(&payload));
    ks_buf_done(&payload);
}

static void try_checkpoints(struct hostile *hostile)
{
    const uint64_t size = hostile->size;
    uint8_t other[32];

    ks_copy(other, hostile->root, sizeof other);
    other[0] ^= 1;
    try_checkpoint(hostile, "checkpoint-shrinks", size - 1, other, 0);
    try_checkpoint(hostile, "checkpoint-shrinks-same-root", size - 1, hostile->root, 0);
    try_checkpoint(hostile, "checkpoint-empty", 0, other, 0);
    try_checkpoint(hostile, "checkpoint-other-root", size, other, 0);
    try_checkpoint(hostile, "checkpoint-same-with-proof", size, hostile->root, 1);
    for (uint32_t count = 0; count < 8; count++) {
        char name[64];

        (void)snprintf(name, sizeof name, "checkpoint-grows-proof-%u", (unsigned)count);
        try_checkpoint(hostile, name, size + 5, other, count);
        (void)snprintf(name, sizeof name, "checkpoint-grows-same-root-%u", (unsigned)count);
        try_checkpoint(hostile, name, size + 1, hostile->root, count);
    }
    try_checkpoint(hostile, "checkpoint-huge", UINT64_MAX, other, 3);
    try_checkpoint(hostile, "checkpoint-proof-limit", size + 1, other, KS_MERKLE_PATH_MAX + 1);
    try_checkpoint(hostile, "checkpoint-proof-huge", size + 1, other, UINT32_MAX);
    try_frame(hostile, "checkpoint-none", KS_FRAME_CHECKPOINT, (struct ks_bytes){0});
}

static void try_announce(struct hostile *hostile, const char *name, struct ks_bytes cert)
{
    struct ks_announce announce = {
        .device = "edge-1", .keys = {.count = 1}, .sae = {.text = "edge-1"}};
    struct ks_sign_key *key = NULL;
    struct ks_buf document;
    struct ks_buf payload;

    ks_buf_init(&document, TEXT_MAX);
    ks_buf_init(&payload, TEXT_MAX);
    if (ks_sign_key_new(KS_SIG_MLDSA65, &key) != KS_OK ||
        ks_announce_write(&announce, key, &document) != KS_OK) {
        report(hostile, "announce UNTRIED %s\n", ks_err_detail());
    }
    ks_buf_put_lp32(&payload, cert);
    ks_buf_put(&payload, KS_BYTES(announce.channel));
    ks_buf_put_lp32(&payload, ks_buf_view(&document));
    try_frame(hostile, name, KS_FRAME_ANNOUNCE, ks_buf_view(&payload));
    ks_sign_key_free(key);
    ks_buf_done(&document);
    ks_buf_done(&payload);
}

/* Bytes and ends of a connection to a key manager that the enclave never asked for. None is
 * answered; HELLO, behind them, is. */
static void try_link(struct hostile *hostile)
{
    static const uint16_t types[] = {KS_FRAME_LINK_DATA, KS_FRAME_LINK_CLOSE};
    static uint8_t bytes[KS_LINK_DATA_MAX + 1];

    for (size_t i = 0; i < 2; i++) {
        for (uint32_t link = 0; link < 3; link++) {
            const size_t lens[] = {0, 5, sizeof bytes};

            for (size_t k = 0; k < 3; k++) {
                size_t begin = ks_frame_begin(&hostile->enclave.out, types[i], link);

                ks_buf_put(&hostile->enclave.out, ks_bytes_of(bytes, lens[k]));
                ks_frame_end(&hostile->enclave.out, begin);
            }
        }
    }
    say_hello(hostile);
}

static void try_frames(struct hostile *hostile)
{
    say_hello(hostile);
    try_types(hostile);
    try_jobs(hostile);
    try_requests(hostile);
    try_keys_with(hostile, "keys-foreign-device", ks_buf_view(&hostile->foreign_cert));
    try_keys_with(hostile, "keys-other-signer", ks_buf_view(&hostile->device_cert));
    try_keys_with(hostile, "keys-no-device", (struct ks_bytes){0});
    try_frame(hostile, "keys-empty", KS_FRAME_KEYS, (struct ks_bytes){0});
    try_announce(hostile, "announce-foreign-device", ks_buf_view(&hostile->foreign_cert));
    try_announce(hostile, "announce-other-signer", ks_buf_view(&hostile->device_cert));
    try_announce(hostile, "announce-no-device", (struct ks_bytes){0});
    try_frame(hostile, "announce-empty", KS_FRAME_ANNOUNCE, (struct ks_bytes){0});
    try_link(hostile);
    try_rounds(hostile);
    try_checkpoints(hostile);
    say_hello(hostile);
}

/* --- what ends the process, or the enclave ------------------------------------------------ */

static void fast_open(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (int fd = 4; fd < DESCRIPTORS; fd++) {
        (void)shutdown(fd, SHUT_RDWR);
        (void)sendto(fd, "out", 3, MSG_FASTOPEN, (const struct sockaddr *)&address,
                     sizeof address);
    }
}

static void attempt(struct hostile *hostile, struct ks_bytes mode)
{
    static char program[] = "/bin/true";
    static char *const argv[] = {program, NULL};
    static char *const envp[] = {NULL};
    char byte = 0;
    struct iovec here = {.iov_base = &byte, .iov_len = 1};
    const pid_t pid = hostile->pids[0];

    report(hostile, "trying %.*s\n", (int)mode.len, (const char *)mode.data);
    if (ks_bytes_is(mode, "ptrace")) {
        (void)ptrace(PTRACE_ATTACH, pid, NULL, NULL);
    } else if (ks_bytes_is(mode, "read-memory")) {
        (void)process_vm_readv(pid, &here, 1, &here, 1, 0);
    } else if (ks_bytes_is(mode, "kill")) {
        (void)kill(pid, SIGKILL);
    } else if (ks_bytes_is(mode, "kill-launcher")) {
        (void)kill(hostile->pids[1], SIGKILL);
    } else if (ks_bytes_is(mode, "tgkill")) {
        (void)syscall(SYS_tgkill, pid, pid, SIGSTOP);
    } else if (ks_bytes_is(mode, "exec")) {
        (void)execve(program, argv, envp);
    } else if (ks_bytes_is(mode, "fork")) {
        (void)fork();
    } else if (ks_bytes_is(mode, "socket")) {
        (void)socket(AF_INET, SOCK_STREAM, 0);
    } else if (ks_bytes_is(mode, "fast-open")) {
        fast_open();
    } else if (ks_bytes_is(mode, "oversized")) {
        ks_buf_put_u32(&hostile->enclave.out, KS_FRAME_MAX + 1);
        ks_buf_put_u16(&hostile->enclave.out, KS_FRAME_HELLO);
        ks_buf_put_u32(&hostile->enclave.out, 1);
    } else if (ks_bytes_is(mode, "cut-short")) {
        ks_buf_put_u32(&hostile->enclave.out, 1000);
        ks_buf_put_u16(&hostile->enclave.out, KS_FRAME_CHECKPOINT);
    }
    if (hostile->enclave.out.len > 0) {
        struct ks_frame frame;

        (void)flush(hostile);
        if (ks_bytes_is(mode, "cut-short")) {
            _exit(0);
        }
        report(hostile, answer(hostile, &frame) ? "ANSWERED\n" : "no answer\n");
        _exit(0);
    }
    report(hostile, "SURVIVED %.*s\n", (int)mode.len, (const char *)mode.data);
}

/* --- */

static void read_certificate(const struct hostile *hostile, const char *name,
                             struct ks_buf *out)
{
    struct ks_cert *cert = NULL;
    struct ks_buf pem;

    ks_buf_init(out, KS_CERT_DER_MAX);
    if (read_hint(hostile, name, &pem) &&
        ks_cert_parse_pem(ks_buf_view(&pem), &cert) == KS_OK) {
        ks_buf_put(out, ks_cert_der(cert));
    }
    ks_cert_free(cert);
    ks_buf_done(&pem);
}

/* "ENCLAVE LAUNCHER\n" */
static void read_pids(struct hostile *hostile)
{
    struct ks_buf text;

    if (read_hint(hostile, "pids", &text)) {
        for (size_t i = 0, which = 0; i < text.len && which < 2; i++) {
            const uint8_t c = text.data[i];

            if (c >= '0' && c <= '9') {
                hostile->pids[which] = hostile->pids[which] * 10 + (c - '0');
            } else {
                which++;
            }
        }
    }
    ks_buf_done(&text);
}

void ks_turn_hostile(int enclave_fd, const char *state_dir)
{
    static struct hostile hostile;
    struct ks_buf mode;
    char path[512];

    ks_channel_init(&hostile.enclave, enclave_fd, "enclave");
    (void)snprintf(hostile.state, sizeof hostile.state, "%s", state_dir);
    (void)snprintf(hostile.store, sizeof hostile.store, "%s/store", state_dir);
    (void)snprintf(path, sizeof path, "%s/report", hostile.store);
    hostile.report = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (hostile.report < 0 || !read_hint(&hostile, "mode", &mode)) {
        _exit(72);
    }
    hostile.id = 1000000;
    read_pids(&hostile);
    read_certificate(&hostile, "device.pem", &hostile.device_cert);
    read_certificate(&hostile, "foreign.pem", &hostile.foreign_cert);
    (void)read_hint(&hostile, "key_id", &hostile.key_id);
    report(&hostile, "hostile: pids %d %d, certificates %zu %zu bytes, key id %zu bytes\n",
           hostile.pids[0], hostile.pids[1], hostile.device_cert.len, hostile.foreign_cert.len,
           hostile.key_id.len);
    if (ks_bytes_is(ks_buf_view(&mode), "calm")) {
        try_files(&hostile);
        try_frames(&hostile);
        report(&hostile, "done\n");
    } else {
        attempt(&hostile, ks_buf_view(&mode));
    }
}
