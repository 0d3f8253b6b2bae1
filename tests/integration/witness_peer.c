/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A log that lies (tests/fault/forked_log.h), over the network:
 *
 *   witness_peer vkeys                         its keys, one in a line
 *   witness_peer request BRANCH OLD SIZE       the body of add-checkpoint, on standard output
 *   witness_peer race PORT_FILE PREFIX VKEYS SECONDS
 *       asks the witness for cosignatures of two branches in turn, whatever befalls it, checks
 * each that comes against VKEYS, and ends with 1 when two of them do not go together. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "fault/forked_log.h"
#include "net/response.h"

#define ANSWER_MAX  65536
#define VKEYS_MAX   16384
#define TIMEOUT_S   2
#define BRANCHES    2
#define GROWS_EVERY 3

static enum ks_err number(const char *text, uint64_t max, uint64_t *out_value)
{
    return ks_text_u64(ks_bytes_text(text), max, out_value);
}

/* --- one exchange ------------------------------------------------------------------------- */

static enum ks_err read_port(const char *path, uint16_t *out_port)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_reader reader;
    struct ks_bytes line = {0};
    uint64_t port = 0;

    ks_buf_init(&text, 16);
    KS_TRY(ks_file_read(path, 16, &text));
    reader = ks_reader_of(ks_buf_view(&text), "port");
    KS_TRY(ks_read_line(&reader, &line));
    KS_TRY(ks_text_u64(line, 65535, &port));
    *out_port = (uint16_t)port;
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err dial(uint16_t port, int *out_fd)
{
    enum ks_err err = KS_OK;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval wait = {.tv_sec = TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    KS_CHECK(fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    KS_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, KS_ERR_IO,
             "connect: %s", strerror(errno));
    *out_fd = fd;
    fd = -1;
out:
    ks_fd_close(&fd);
    return err;
}

/* POSTs BODY; any failure is KS_ERR_IO: the witness may be dead. */
static enum ks_err post(const char *port_file, const char *prefix, const struct ks_buf *body,
                        int *out_status, struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    uint16_t port = 0;
    int fd = -1;
    struct ks_buf request;
    struct ks_buf in;
    struct ks_http_response_head head = {0};

    ks_buf_init(&request, KS_COSIGN_REQUEST_MAX + 1024);
    ks_buf_init(&in, 2 * ANSWER_MAX);
    ks_buf_put_format(&request,
                      "POST %s/add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %zu\r\n"
                      "Connection: close\r\n\r\n",
                      prefix, body->len);
    ks_buf_put(&request, ks_buf_view(body));
    KS_TRY(read_port(port_file, &port));
    KS_TRY(dial(port, &fd));
    KS_TRY(ks_fd_write(fd, ks_buf_view(&request), "witness"));
    do {
        uint8_t *target = ks_buf_reserve(&in, 4096);
        const ssize_t got = target == NULL ? -1 : recv(fd, target, 4096, 0);

        KS_CHECK(got > 0, KS_ERR_IO, "the witness is gone");
        ks_buf_grew(&in, (size_t)got);
        err = ks_http_response_parse(ks_buf_view(&in), ANSWER_MAX, answer, &head);
    } while (err == KS_ERR_NOT_FOUND);
    *out_status = head.status;
out:
    ks_fd_close(&fd);
    ks_buf_done(&request);
    ks_buf_done(&in);
    return err;
}

/* --- the race ----------------------------------------------------------------------------- */

struct race {
    struct forked_log forked;
    struct ks_note_key *keys[2];
    size_t key_count;
    uint64_t believed[BRANCHES];        /* the old size that each branch thinks */
    int branch_at[FORKED_SIZE_MAX + 1]; /* of the cosignature seen; -1: none */
    unsigned cosigned, refused, lost, convicted;
};

static enum ks_err read_keys(const char *path, struct race *race)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_reader reader;
    struct ks_bytes line = {0};

    ks_buf_init(&text, VKEYS_MAX);
    KS_TRY(ks_file_read(path, VKEYS_MAX, &text));
    reader = ks_reader_of(ks_buf_view(&text), "vkeys");
    while (reader.rest.len > 0 && race->key_count < 2) {
        KS_TRY(ks_read_line(&reader, &line));
        KS_TRY(ks_note_key_parse(line, &race->keys[race->key_count]));
        race->key_count++;
    }
out:
    ks_buf_done(&text);
    return err;
}

/* A cosignature of BRANCH at SIZE is out: it has to go with all that were before. */
static enum ks_err take(struct race *race, unsigned branch, size_t size,
                        const struct ks_buf *body, struct ks_bytes lines)
{
    enum ks_err err = KS_OK;
    const struct ks_note_trust trust = {.keys = (const struct ks_note_key *const *)race->keys,
                                        .count = race->key_count};
    struct ks_cosign_request request;
    struct ks_note note = {0};
    struct ks_buf kept;

    ks_buf_init(&kept, ANSWER_MAX);
    KS_TRY(ks_cosign_request_parse(ks_buf_view(body), &request));
    KS_TRY(ks_note_parse(request.note, &note));
    KS_TRY(ks_cosign_take(note.text, lines, &trust, &kept));
    race->cosigned++;
    for (size_t i = FORKED_COMMON + 1; i <= FORKED_SIZE_MAX && size > FORKED_COMMON; i++) {
        KS_CHECK(race->branch_at[i] < 0 || race->branch_at[i] == (int)branch, KS_ERR_VERIFY,
                 "branch %u is cosigned at %zu, another one was at %zu", branch, size, i);
    }
    race->branch_at[size] = (int)branch;
    race->believed[branch] = size;
out:
    ks_note_done(&note);
    ks_buf_done(&kept);
    return err;
}

static enum ks_err ask(struct race *race, const char *port_file, const char *prefix,
                       unsigned branch, size_t size)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_buf answer;
    int status = 0;

    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    ks_buf_init(&answer, ANSWER_MAX);
    forked_request(&race->forked, branch, (size_t)race->believed[branch], size, &body);
    if (post(port_file, prefix, &body, &status, &answer) != KS_OK) {
        race->lost++;
    } else if (status == 200) {
        KS_TRY(take(race, branch, size, &body, ks_buf_view(&answer)));
    } else {
        race->refused++;
        race->convicted += status == 422 ? 1 : 0;
        if (status == 409) {
            KS_TRY(ks_cosign_size_parse(ks_buf_view(&answer), &race->believed[branch]));
        }
    }
out:
    ks_buf_done(&body);
    ks_buf_done(&answer);
    return err;
}

static enum ks_err run_race(char **argv)
{
    enum ks_err err = KS_OK;
    struct race *race = ks_calloc(1, sizeof *race);
    uint64_t seconds = 0;
    uint64_t until_us = 0;

    KS_CHECK(race != NULL, KS_ERR_NOMEM, "race");
    forked_log_init(&race->forked);
    memset(race->branch_at, 0xff, sizeof race->branch_at);
    KS_TRY(read_keys(argv[2], race));
    KS_TRY(number(argv[3], 3600, &seconds));
    until_us = ks_clock_monotonic_us() + seconds * 1000000;
    for (unsigned turn = 0; ks_clock_monotonic_us() < until_us; turn++) {
        const unsigned branch = turn % BRANCHES;
        const uint64_t size = race->believed[branch] + (turn / BRANCHES % GROWS_EVERY == 0);

        if (size > 64) {
            break; /* grown enough; roots are made anew each time */
        }
        KS_TRY(ask(race, argv[0], argv[1], branch, (size_t)size));
    }
    (void)printf("%u cosigned, %u refused (%u without a proof), %u lost\n", race->cosigned,
                 race->refused, race->convicted, race->lost);
    KS_CHECK(race->cosigned > 0, KS_ERR_IO, "nothing was cosigned");
out:
    if (race != NULL) {
        ks_note_key_free(race->keys[0]);
        ks_note_key_free(race->keys[1]);
        forked_log_done(&race->forked);
    }
    ks_free(race);
    return err;
}

/* --- main --------------------------------------------------------------------------------- */

static enum ks_err print_vkeys(void)
{
    struct forked_log forked;
    struct ks_buf out;

    forked_log_init(&forked);
    ks_buf_init(&out, VKEYS_MAX);
    for (size_t i = 0; i < 2; i++) {
        ks_note_key_print(forked.keys[i], &out);
        ks_buf_put_text(&out, "\n");
    }
    (void)printf("%.*s", (int)out.len, (const char *)out.data);
    ks_buf_done(&out);
    forked_log_done(&forked);
    return KS_OK;
}

static enum ks_err print_request(char **argv)
{
    enum ks_err err = KS_OK;
    struct forked_log forked;
    struct ks_buf out;
    uint64_t numbers[3];

    forked_log_init(&forked);
    ks_buf_init(&out, KS_COSIGN_REQUEST_MAX);
    for (int i = 0; i < 3; i++) {
        KS_TRY(number(argv[i], FORKED_SIZE_MAX, &numbers[i]));
    }
    forked_request(&forked, (unsigned)numbers[0], (size_t)numbers[1], (size_t)numbers[2], &out);
    KS_TRY(ks_fd_write(STDOUT_FILENO, ks_buf_view(&out), "standard output"));
out:
    ks_buf_done(&out);
    forked_log_done(&forked);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;

    if (argc == 2 && strcmp(argv[1], "vkeys") == 0) {
        err = print_vkeys();
    } else if (argc == 5 && strcmp(argv[1], "request") == 0) {
        err = print_request(&argv[2]);
    } else if (argc == 6 && strcmp(argv[1], "race") == 0) {
        err = run_race(&argv[2]);
    } else {
        err = ks_fail(KS_ERR_USAGE, "usage: witness_peer vkeys|request|race …");
    }
    if (err != KS_OK) {
        (void)fprintf(stderr, "witness_peer: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
