/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/cosigners.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "ledger/cosign.h"
#include "net/response.h"
#include "server/dial.h"

#define ANSWER_BODY_MAX 65536 /* bytes of a witness's answer */
#define ANSWER_MAX      (KS_HTTP_RESPONSE_HEAD_MAX + 2 * ANSWER_BODY_MAX)
#define HEAD_MAX        1024
#define READ_CHUNK      8192
#define PAUSE_MAX_MS    60000 /* between rounds that miss the quorum */
#define PAUSE_DOUBLINGS 6
#define REASON_MAX      256

enum stage {
    AT_REST, /* nothing is under way: not asked, answered, or given up */
    CONNECTING,
    SENDING,
    RECEIVING,
};

/* One witness. */
struct cosigner {
    const char *url; /* borrowed from the configuration */
    struct ks_config_place place;
    struct ks_address address;
    struct ks_note_key *keys[KS_CONFIG_WITNESS_KEYS_MAX];
    size_t key_count;

    uint64_t seen_size; /* of our checkpoint that it cosigned last, as far as we know */
    enum stage stage;
    bool corrected; /* it has told us its size once in this round */
    int fd;
    struct ks_buf out;
    struct ks_buf in;
    uint64_t deadline_us;
    struct ks_buf lines;        /* of this round, verified; empty: none */
    char complaint[REASON_MAX]; /* why there are none, as it was logged last; "": there were */
};

struct ks_cosigners {
    struct cosigner list[KS_CONFIG_WITNESSES_MAX];
    size_t count;
    struct ks_witnesses witnesses;
    unsigned interval_ms;
    unsigned timeout_ms;

    /* what is there to be sent */
    struct ks_bytes newest; /* borrowed */
    struct ks_head newest_head;
    /* the round */
    bool running;
    struct ks_buf note; /* its checkpoint */
    struct ks_head head;
    uint64_t next_us; /* no round begins before */
    unsigned misses;  /* rounds without a quorum, one after the other */
    bool reached;
    bool fresh; /* lines that nobody has taken yet, and the quorum is reached */
};

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err open_one(const struct ks_config *config, unsigned index,
                            struct cosigner *cosigner)
{
    enum ks_err err = KS_OK;
    const struct ks_config_witness_server *server = &config->witness.servers[index];

    cosigner->url = server->url;
    KS_TRY(ks_config_witness_place(config, index, &cosigner->place));
    KS_TRY(ks_address_find("witness", cosigner->place.host, cosigner->place.port,
                           &cosigner->address));
    for (unsigned i = 0; i < server->keys_count; i++) {
        KS_TRY(ks_note_key_parse(ks_bytes_text(server->keys[i]),
                                 &cosigner->keys[cosigner->key_count]));
        cosigner->key_count++;
    }
out:
    return err;
}

enum ks_err ks_cosigners_new(const struct ks_config *config,
                             struct ks_cosigners **out_cosigners)
{
    enum ks_err err = KS_OK;
    struct ks_cosigners *cosigners = NULL;

    if (config->witness.servers_count == 0) {
        *out_cosigners = NULL;
        return KS_OK;
    }
    cosigners = ks_calloc(1, sizeof *cosigners);
    KS_CHECK(cosigners != NULL, KS_ERR_NOMEM, "witnesses");
    ks_buf_init(&cosigners->note, KS_NOTE_LEN_MAX);
    cosigners->interval_ms = config->witness.interval_ms;
    cosigners->timeout_ms = config->witness.timeout_ms;
    cosigners->count = config->witness.servers_count;
    for (size_t i = 0; i < cosigners->count; i++) {
        struct cosigner *cosigner = &cosigners->list[i];

        cosigner->fd = -1;
        ks_buf_init(&cosigner->out, HEAD_MAX + KS_COSIGN_REQUEST_MAX);
        ks_buf_init(&cosigner->in, ANSWER_MAX + READ_CHUNK);
        ks_buf_init(&cosigner->lines, ANSWER_BODY_MAX);
    }
    for (size_t i = 0; i < cosigners->count; i++) {
        KS_TRY(open_one(config, (unsigned)i, &cosigners->list[i]));
    }
    KS_TRY(ks_config_witnesses(config, &cosigners->witnesses));
    *out_cosigners = cosigners;
    cosigners = NULL; /* transferred */
out:
    ks_cosigners_free(cosigners);
    return err;
}

void ks_cosigners_free(struct ks_cosigners *cosigners)
{
    if (cosigners == NULL) {
        return;
    }
    for (size_t i = 0; i < cosigners->count; i++) {
        struct cosigner *cosigner = &cosigners->list[i];

        ks_fd_close(&cosigner->fd);
        ks_buf_done(&cosigner->out);
        ks_buf_done(&cosigner->in);
        ks_buf_done(&cosigner->lines);
        for (size_t k = 0; k < cosigner->key_count; k++) {
            ks_note_key_free(cosigner->keys[k]);
        }
    }
    ks_witnesses_done(&cosigners->witnesses);
    ks_buf_done(&cosigners->note);
    ks_free(cosigners);
}

size_t ks_cosigners_ports(const struct ks_cosigners *cosigners,
                          uint16_t ports[KS_CONFIG_WITNESSES_MAX])
{
    for (size_t i = 0; i < cosigners->count; i++) {
        ports[i] = cosigners->list[i].place.port;
    }
    return cosigners->count;
}

const struct ks_witnesses *ks_cosigners_keys(const struct ks_cosigners *cosigners)
{
    return &cosigners->witnesses;
}

/* --- one exchange ------------------------------------------------------------------------- */

static void rest(struct cosigner *cosigner)
{
    ks_fd_close(&cosigner->fd);
    ks_buf_clear(&cosigner->out);
    ks_buf_clear(&cosigner->in);
    cosigner->stage = AT_REST;
}

/* Said once, until it is something else, or well again: a witness may be away for days. */
static void give_up(struct cosigner *cosigner, enum ks_log_level level, const char *event,
                    const char *reason)
{
    struct ks_log_line line;

    rest(cosigner);
    if (strncmp(cosigner->complaint, reason, REASON_MAX - 1) == 0) {
        return;
    }
    (void)snprintf(cosigner->complaint, sizeof cosigner->complaint, "%s", reason);
    ks_log_begin(&line, level, event);
    ks_log_text(&line, "url", cosigner->url);
    ks_log_text(&line, "reason", cosigner->complaint);
    ks_log_end(&line);
}

static enum ks_err put_request(const struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                               struct cosigner *cosigner)
{
    enum ks_err err = KS_OK;
    struct ks_cosign_request request = {.old_size = cosigner->seen_size,
                                        .note = ks_buf_view(&cosigners->note)};
    struct ks_merkle_proof proof = {0};
    struct ks_buf body;

    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    if (request.old_size > 0) {
        KS_TRY(ks_ledger_prove_consistency(ledger, request.old_size, cosigners->head.size,
                                           &proof));
    }
    request.proof_count = proof.count;
    ks_copy(request.proof, proof.hashes, proof.count * KS_MERKLE_LEN);
    ks_cosign_request_print(&request, &body);
    KS_TRY(ks_buf_check(&body));
    ks_buf_put_format(&cosigner->out,
                      "POST %s/add-checkpoint HTTP/1.1\r\nHost: %.*s\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                      "Connection: close\r\n\r\n",
                      cosigner->place.prefix, (int)cosigner->place.authority_len,
                      cosigner->place.authority, body.len);
    ks_buf_put(&cosigner->out, ks_buf_view(&body));
    KS_TRY(ks_buf_check(&cosigner->out));
out:
    ks_buf_done(&body);
    return err;
}

static void ask(struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                struct cosigner *cosigner)
{
    rest(cosigner);
    if (put_request(cosigners, ledger, cosigner) != KS_OK) {
        give_up(cosigner, KS_LOG_ERROR, "witness.request", ks_err_detail());
        return;
    }
    cosigner->fd = ks_address_dial(&cosigner->address);
    if (cosigner->fd < 0) {
        give_up(cosigner, KS_LOG_WARN, "witness.unreachable", strerror(errno));
        return;
    }
    cosigner->stage = CONNECTING;
    cosigner->deadline_us = ks_clock_monotonic_us() + (uint64_t)cosigners->timeout_ms * 1000;
}

/* 200: its lines, by keys of its own. */
static void take_lines(struct ks_cosigners *cosigners, struct cosigner *cosigner,
                       struct ks_bytes body)
{
    enum ks_err err = KS_OK;
    const struct ks_note_trust trust = {.keys =
                                            (const struct ks_note_key *const *)cosigner->keys,
                                        .count = cosigner->key_count};
    struct ks_note note = {0};

    KS_TRY(ks_note_parse(ks_buf_view(&cosigners->note), &note));
    KS_TRY(ks_cosign_take(note.text, body, &trust, &cosigner->lines));
    cosigner->seen_size = cosigners->head.size;
    cosigner->complaint[0] = '\0';
    rest(cosigner);
out:
    ks_note_done(&note);
    if (err != KS_OK) {
        ks_buf_clear(&cosigner->lines);
        give_up(cosigner, KS_LOG_ERROR, "witness.false", ks_err_detail());
    }
}

/* 409: another size than we thought. Once in a round that is news: it has forgotten, or we
 * have.
 */
static void take_size(struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                      struct cosigner *cosigner, struct ks_bytes body)
{
    char reason[REASON_MAX];
    uint64_t size = 0;

    if (ks_cosign_size_parse(body, &size) != KS_OK) {
        give_up(cosigner, KS_LOG_WARN, "witness.answer", ks_err_detail());
    } else if (size == cosigner->seen_size && size == cosigners->head.size) {
        (void)snprintf(reason, sizeof reason,
                       "it has cosigned another root of %" PRIu64 " entries: two ledgers bear "
                       "this name",
                       size);
        give_up(cosigner, KS_LOG_ERROR, "witness.fork", reason);
    } else if (size > cosigners->head.size) {
        (void)snprintf(reason, sizeof reason,
                       "it has cosigned %" PRIu64 " entries, there are %" PRIu64
                       ": this is an older copy, or two ledgers bear this name",
                       size, cosigners->head.size);
        give_up(cosigner, KS_LOG_ERROR, "witness.ahead", reason);
    } else if (cosigner->corrected) {
        give_up(cosigner, KS_LOG_WARN, "witness.answer", "its size changes under our hands");
    } else {
        cosigner->corrected = true;
        cosigner->seen_size = size;
        ask(cosigners, ledger, cosigner);
    }
}

static void take_answer(struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                        struct cosigner *cosigner, int status, struct ks_bytes body)
{
    char reason[REASON_MAX];
    char shown[160];

    if (status == 200) {
        take_lines(cosigners, cosigner, body);
    } else if (status == 409) {
        take_size(cosigners, ledger, cosigner, body);
    } else {
        ks_text_shown(body, shown, sizeof shown);
        (void)snprintf(reason, sizeof reason, "status %d: %s", status, shown);
        give_up(cosigner, status == 422 ? KS_LOG_ERROR : KS_LOG_WARN,
                status == 422 ? "witness.unproven" : "witness.refuses", reason);
    }
}

static void send_some(struct cosigner *cosigner)
{
    while (cosigner->out.len > 0) {
        const ssize_t sent =
            send(cosigner->fd, cosigner->out.data, cosigner->out.len, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (sent < 0) {
            give_up(cosigner, KS_LOG_WARN, "witness.unreachable", strerror(errno));
            return;
        }
        ks_buf_consume(&cosigner->out, (size_t)sent);
    }
    cosigner->stage = RECEIVING;
}

static void receive_some(struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                         struct cosigner *cosigner)
{
    enum ks_err err = KS_OK;
    struct ks_http_response_head head;
    struct ks_buf body;
    uint8_t *target = ks_buf_reserve(&cosigner->in, READ_CHUNK);
    const ssize_t got = target == NULL ? -1 : recv(cosigner->fd, target, READ_CHUNK, 0);

    ks_buf_init(&body, ANSWER_BODY_MAX);
    if (got < 0 && target != NULL && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        give_up(cosigner, KS_LOG_WARN, "witness.unreachable",
                target == NULL ? "its answer is too long"
                : got < 0      ? strerror(errno)
                               : "it closed the connection");
        return;
    }
    ks_buf_grew(&cosigner->in, (size_t)got);
    err = ks_http_response_parse(ks_buf_view(&cosigner->in), ANSWER_BODY_MAX, &body, &head);
    if (err == KS_OK) {
        take_answer(cosigners, ledger, cosigner, head.status, ks_buf_view(&body));
    } else if (err != KS_ERR_NOT_FOUND) {
        give_up(cosigner, KS_LOG_WARN, "witness.answer", ks_err_detail());
    }
    ks_buf_done(&body);
}

static void turn_one(struct ks_cosigners *cosigners, struct ks_ledger *ledger,
                     struct cosigner *cosigner, short revents)
{
    if (cosigner->stage == CONNECTING && revents != 0) {
        const int failure = ks_dial_failure(cosigner->fd);

        if (failure != 0) {
            give_up(cosigner, KS_LOG_WARN, "witness.unreachable", strerror(failure));
            return;
        }
        cosigner->stage = SENDING;
    }
    if (cosigner->stage == SENDING && (revents & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        send_some(cosigner);
    }
    if (cosigner->stage == RECEIVING && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        receive_some(cosigners, ledger, cosigner);
    }
    if (cosigner->stage != AT_REST && ks_clock_monotonic_us() >= cosigner->deadline_us) {
        give_up(cosigner, KS_LOG_WARN, "witness.slow", "no answer in time");
    }
}

/* --- rounds ------------------------------------------------------------------------------- */

static bool anybody_asked(const struct ks_cosigners *cosigners)
{
    for (size_t i = 0; i < cosigners->count; i++) {
        if (cosigners->list[i].stage != AT_REST) {
            return true;
        }
    }
    return false;
}

static bool newer_waits(const struct ks_cosigners *cosigners)
{
    return cosigners->newest.len > 0 && (cosigners->newest_head.size > cosigners->head.size ||
                                         cosigners->note.len == 0 || !cosigners->reached);
}

/* How long after a round's end the next may begin: longer and longer while the quorum is
 * missed.
 */
static uint64_t pause_us(const struct ks_cosigners *cosigners)
{
    const unsigned doublings =
        cosigners->misses < PAUSE_DOUBLINGS ? cosigners->misses : PAUSE_DOUBLINGS;
    const uint64_t ms = (uint64_t)cosigners->interval_ms << doublings;

    return (ms > PAUSE_MAX_MS && cosigners->misses > 0 ? PAUSE_MAX_MS : ms) * 1000;
}

static void begin_round(struct ks_cosigners *cosigners, struct ks_ledger *ledger)
{
    ks_buf_clear(&cosigners->note);
    ks_buf_put(&cosigners->note, cosigners->newest);
    if (cosigners->note.err != KS_OK) {
        return;
    }
    cosigners->head = cosigners->newest_head;
    cosigners->running = true;
    cosigners->reached = false;
    cosigners->fresh = false;
    cosigners->next_us = ks_clock_monotonic_us() + (uint64_t)cosigners->interval_ms * 1000;
    for (size_t i = 0; i < cosigners->count; i++) {
        struct cosigner *cosigner = &cosigners->list[i];

        ks_buf_clear(&cosigner->lines);
        cosigner->corrected = false;
        ask(cosigners, ledger, cosigner);
    }
}

static void end_round(struct ks_cosigners *cosigners)
{
    for (size_t i = 0; i < cosigners->count; i++) {
        if (cosigners->list[i].stage != AT_REST) {
            rest(&cosigners->list[i]);
        }
    }
    cosigners->running = false;
    if (cosigners->reached) {
        cosigners->misses = 0;
    } else {
        struct ks_log_line line;

        cosigners->misses++;
        cosigners->next_us = ks_clock_monotonic_us() + pause_us(cosigners);
        ks_log_begin(&line, KS_LOG_WARN, "ledger.quorum_missed");
        ks_log_u64(&line, "size", cosigners->head.size);
        ks_log_u64(&line, "quorum", cosigners->witnesses.quorum);
        ks_log_end(&line);
    }
}

/* Ends and begins rounds. */
static void move_on(struct ks_cosigners *cosigners, struct ks_ledger *ledger)
{
    const bool due = ks_clock_monotonic_us() >= cosigners->next_us;

    if (cosigners->running && !cosigners->fresh &&
        (!anybody_asked(cosigners) || (cosigners->reached && due && newer_waits(cosigners)))) {
        end_round(cosigners);
    }
    if (!cosigners->running && ks_clock_monotonic_us() >= cosigners->next_us &&
        newer_waits(cosigners)) {
        begin_round(cosigners, ledger);
    }
}

void ks_cosigners_offer(struct ks_cosigners *cosigners, struct ks_bytes note,
                        const struct ks_head *head)
{
    cosigners->newest = note;
    cosigners->newest_head = *head;
}

size_t ks_cosigners_pollfds(const struct ks_cosigners *cosigners, struct pollfd *fds)
{
    for (size_t i = 0; i < cosigners->count; i++) {
        const struct cosigner *cosigner = &cosigners->list[i];

        fds[i] = (struct pollfd){.fd = cosigner->fd,
                                 .events = cosigner->stage == RECEIVING ? POLLIN : POLLOUT};
    }
    return cosigners->count;
}

int ks_cosigners_wait_ms(const struct ks_cosigners *cosigners)
{
    const uint64_t now_us = ks_clock_monotonic_us();
    uint64_t until_us = UINT64_MAX;

    for (size_t i = 0; i < cosigners->count; i++) {
        const struct cosigner *cosigner = &cosigners->list[i];

        if (cosigner->stage != AT_REST && cosigner->deadline_us < until_us) {
            until_us = cosigner->deadline_us;
        }
    }
    if (newer_waits(cosigners) && cosigners->next_us < until_us &&
        (!cosigners->running || cosigners->reached)) {
        until_us = cosigners->next_us;
    }
    if (until_us == UINT64_MAX) {
        return -1;
    }
    /* Rounded up: not a moment too early, again and again. */
    return until_us <= now_us ? 0 : (int)((until_us - now_us) / 1000 % INT_MAX) + 1;
}

/* Whether the lines of this round come to a quorum: names count, not lines. */
static void count_lines(struct ks_cosigners *cosigners)
{
    struct ks_buf note;
    struct ks_witnesses_said said;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_put(&note, ks_buf_view(&cosigners->note));
    for (size_t i = 0; i < cosigners->count; i++) {
        ks_buf_put(&note, ks_buf_view(&cosigners->list[i].lines));
    }
    if (note.err == KS_OK &&
        ks_witnesses_judge(&cosigners->witnesses, (struct ks_bytes){0}, ks_buf_view(&note),
                           &said) == KS_OK &&
        said.names >= cosigners->witnesses.quorum) {
        cosigners->reached = true;
        cosigners->fresh = true;
    }
    ks_buf_done(&note);
}

void ks_cosigners_turn(struct ks_cosigners *cosigners, const struct pollfd *fds, size_t count,
                       struct ks_ledger *ledger)
{
    bool more = false;

    for (size_t i = 0; i < count; i++) {
        struct cosigner *cosigner = &cosigners->list[i];
        const size_t before = cosigner->lines.len;

        if (cosigner->stage != AT_REST && cosigner->fd == fds[i].fd) {
            turn_one(cosigners, ledger, cosigner, fds[i].revents);
        }
        more = more || cosigner->lines.len > before;
    }
    if (more) {
        count_lines(cosigners);
    }
    move_on(cosigners, ledger);
}

bool ks_cosigners_take(struct ks_cosigners *cosigners, struct ks_buf *out_note,
                       struct ks_head *out_head)
{
    if (!cosigners->fresh) {
        return false;
    }
    cosigners->fresh = false;
    ks_buf_put(out_note, ks_buf_view(&cosigners->note));
    for (size_t i = 0; i < cosigners->count; i++) {
        ks_buf_put(out_note, ks_buf_view(&cosigners->list[i].lines));
    }
    *out_head = cosigners->head;
    return out_note->err == KS_OK;
}
