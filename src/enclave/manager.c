/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/manager.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "net/response.h"
#include "net/tls_memory.h"
#include "qkd/keyid.h"

#define KEY_BITS (8 * KS_ONE_TIME_KEY_LEN)

/* An answer with its head, or what of it a lying manager may send before it is cut off. */
#define INCOMING_MAX (KS_ETSI014_ANSWER_MAX + KS_HTTP_RESPONSE_HEAD_MAX)

struct waiting {
    uint32_t id;
    uint8_t device[32];
    struct ks_etsi014_sae sae;
    struct ks_etsi014_ids ids;
};

struct ks_manager {
    struct ks_buf *out;
    ks_manager_done done;
    void *context;
    struct ks_tls *tls;
    char authority[KS_KEYS_AUTHORITY_MAX + 1];
    char host[KS_KEYS_AUTHORITY_MAX + 1];
    uint64_t timeout_us;
    struct ks_tls_memory *link; /* NULL: no connection */
    uint32_t link_id;
    bool reused;          /* the connection has carried an exchange before */
    bool asked;           /* the first of the queue is under way */
    uint64_t deadline_us; /* of that */
    struct ks_buf plain_out;
    struct ks_buf plain_in; /* keys pass through it */
    struct ks_buf ciphertext;
    struct waiting queue[KS_MANAGER_WAITING_MAX];
    size_t queue_head;
    size_t queue_count;
    struct ks_etsi014_key keys[KS_ETSI014_KEYS_MAX];
    char trouble[256];
};

/* --- making ------------------------------------------------------------------------------- */

/* "name:port", "[::1]:port": the name without port and brackets. */
static enum ks_err take_host(struct ks_manager *manager, struct ks_bytes authority)
{
    enum ks_err err = KS_OK;
    const char *colon = NULL;
    const char *start = manager->authority;
    size_t len = 0;

    KS_CHECK(authority.len >= 1 && authority.len <= KS_KEYS_AUTHORITY_MAX, KS_ERR_FORMAT,
             "key manager: no host and port");
    ks_copy(manager->authority, authority.data, authority.len);
    colon = strrchr(manager->authority, ':');
    len = colon == NULL ? authority.len : (size_t)(colon - start);
    if (len >= 2 && start[0] == '[' && start[len - 1] == ']') {
        start++;
        len -= 2;
    }
    ks_copy(manager->host, start, len);
out:
    return err;
}

enum ks_err ks_manager_new(const struct ks_key_rules *rules, struct ks_buf *out,
                           ks_manager_done done, void *context, struct ks_manager **out_manager)
{
    enum ks_err err = KS_OK;
    struct ks_manager *manager = ks_calloc(1, sizeof *manager);
    struct ks_tls_memory *probe = NULL;
    const struct ks_tls_spec spec = {
        .side = KS_TLS_CLIENT,
        .profile = rules->classical ? KS_TLS_CLASSICAL : KS_TLS_POST_QUANTUM,
        .root_pem = rules->root_pem,
        .cert_pem = rules->certificate_pem,
        .key_pem = rules->key_pem,
    };

    KS_CHECK(manager != NULL, KS_ERR_NOMEM, "key manager");
    ks_buf_init(&manager->plain_out, KS_ETSI014_REQUEST_MAX + KS_ETSI014_TARGET_MAX + 1024);
    ks_buf_init(&manager->plain_in, INCOMING_MAX);
    ks_buf_init(&manager->ciphertext, 1024 * 1024);
    /* Growing it would leave copies of keys behind. */
    KS_CHECK(ks_buf_reserve(&manager->plain_in, INCOMING_MAX) != NULL, KS_ERR_NOMEM,
             "key manager");
    manager->out = out;
    manager->done = done;
    manager->context = context;
    manager->timeout_us = (uint64_t)rules->timeout_ms * 1000;
    KS_TRY(take_host(manager, rules->authority));
    KS_TRY(ks_tls_new(&spec, &manager->tls));
    /* All that libssl loads, it loads before the doors close. */
    KS_TRY(ks_tls_memory_new(manager->tls, manager->host, &probe));
    *out_manager = manager;
    manager = NULL; /* transferred */
out:
    ks_tls_memory_free(probe);
    ks_manager_free(manager);
    return ks_fail_prefix(err, "key manager");
}

void ks_manager_free(struct ks_manager *manager)
{
    if (manager == NULL) {
        return;
    }
    ks_tls_memory_free(manager->link);
    ks_tls_free(manager->tls);
    ks_buf_done(&manager->plain_out);
    ks_buf_wipe(&manager->plain_in);
    ks_buf_done(&manager->ciphertext);
    ks_etsi014_keys_wipe(manager->keys, KS_ETSI014_KEYS_MAX);
    ks_free(manager);
}

/* --- frames to ketseald ------------------------------------------------------------------- */

static void put_frame(struct ks_manager *manager, uint16_t type, struct ks_bytes payload)
{
    size_t begin = ks_frame_begin(manager->out, type, manager->link_id);

    ks_buf_put(manager->out, payload);
    ks_frame_end(manager->out, begin);
}

static void send_ciphertext(struct ks_manager *manager)
{
    while (manager->ciphertext.len > 0) {
        size_t len = manager->ciphertext.len < KS_LINK_DATA_MAX ? manager->ciphertext.len
                                                                : KS_LINK_DATA_MAX;

        put_frame(manager, KS_FRAME_LINK_DATA, ks_bytes_of(manager->ciphertext.data, len));
        ks_buf_consume(&manager->ciphertext, len);
    }
}

/* What came is wiped in place: the buffer keeps its memory. */
static void clear_incoming(struct ks_manager *manager)
{
    ks_wipe(manager->plain_in.data, manager->plain_in.len);
    ks_buf_clear(&manager->plain_in);
}

static void drop_link(struct ks_manager *manager)
{
    if (manager->link != NULL) {
        ks_tls_memory_free(manager->link);
        manager->link = NULL;
        put_frame(manager, KS_FRAME_LINK_CLOSE, (struct ks_bytes){0});
    }
    ks_buf_clear(&manager->plain_out);
    ks_buf_clear(&manager->ciphertext);
    clear_incoming(manager);
    manager->reused = false;
}

static enum ks_err open_link(struct ks_manager *manager)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tls_memory_new(manager->tls, manager->host, &manager->link));
    manager->link_id++;
    manager->reused = false;
    put_frame(manager, KS_FRAME_LINK_OPEN, (struct ks_bytes){0});
out:
    return err;
}

/* --- one exchange ------------------------------------------------------------------------- */

static struct waiting *first(struct ks_manager *manager)
{
    return &manager->queue[manager->queue_head];
}

/* Trouble begins, or is over. */
static void note(struct ks_manager *manager, enum ks_err err)
{
    struct ks_log_line line;

    if (err != KS_OK) {
        (void)snprintf(manager->trouble, sizeof manager->trouble, "%s", ks_err_detail());
        ks_log_failure("keys.manager_failed", err);
    } else if (manager->trouble[0] != '\0') {
        manager->trouble[0] = '\0';
        ks_log_begin(&line, KS_LOG_INFO, "keys.manager_back");
        ks_log_text(&line, "manager", manager->authority);
        ks_log_end(&line);
    }
}

/* The first of the queue has its keys, or the reason why not. That it asks for keys which are
 * not there is no fault of the manager's. */
static void finish(struct ks_manager *manager, enum ks_err err)
{
    struct waiting *waiting = first(manager);
    struct ks_manager_outcome outcome = {
        .id = waiting->id, .ids = &waiting->ids, .err = err, .keys = manager->keys};
    char detail[KS_ERR_DETAIL_MAX];

    ks_copy(outcome.device, waiting->device, sizeof outcome.device);
    manager->asked = false;
    manager->deadline_us = 0;
    (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
    note(manager, err == KS_ERR_NOT_FOUND ? KS_OK : err);
    if (err != KS_OK && err != KS_ERR_NOT_FOUND) {
        drop_link(manager);
    }
    if (err != KS_OK) {
        outcome.err = ks_fail(err, "%s", detail);
    }
    manager->done(manager->context, &outcome);
    ks_etsi014_keys_wipe(manager->keys, waiting->ids.count);
    manager->queue_head = (manager->queue_head + 1) % KS_MANAGER_WAITING_MAX;
    manager->queue_count--;
}

static enum ks_err put_request(struct ks_manager *manager)
{
    enum ks_err err = KS_OK;
    const struct waiting *waiting = first(manager);
    struct ks_buf body;
    struct ks_buf *out = &manager->plain_out;

    ks_buf_init(&body, KS_ETSI014_REQUEST_MAX);
    ks_etsi014_ids_put(&body, waiting->ids.ids, waiting->ids.count);
    KS_TRY(ks_buf_check(&body));
    ks_buf_clear(out);
    ks_buf_put_text(out, "POST ");
    ks_etsi014_path_put(out, &waiting->sae, KS_ETSI014_DEC_KEYS);
    ks_buf_put_format(out,
                      " HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      manager->authority, body.len);
    ks_buf_put(out, ks_buf_view(&body));
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&body);
    return err;
}

/* Our sentence for what the manager refuses with. */
static enum ks_err refusal(int status, struct ks_bytes body)
{
    struct ks_etsi014_error said;
    enum ks_err err = ks_etsi014_error_parse(status, body, &said);

    if (err != KS_OK) {
        return ks_fail(KS_ERR_UNAVAILABLE,
                       "the site's key manager answered with status %d, and no reason", status);
    }
    if (said.refusal == KS_ETSI014_KEYS_NOT_FOUND) {
        return ks_fail(KS_ERR_NOT_FOUND, "the site's key manager: %s", said.message);
    }
    return ks_fail(KS_ERR_UNAVAILABLE, "the site's key manager refused (%d): '%s'%s%s", status,
                   said.message, said.detail[0] == '\0' ? "" : ": ", said.detail);
}

/* A manager that hands out one key under two names would have it used twice. */
static enum ks_err check_distinct(const struct ks_etsi014_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (ks_ct_equal(ks_bytes_of(keys[i].data, keys[i].len),
                            ks_bytes_of(keys[k].data, keys[k].len))) {
                return ks_fail(KS_ERR_UNAVAILABLE,
                               "the site's key manager gave the same key under two key_IDs");
            }
        }
    }
    return KS_OK;
}

static enum ks_err take_keys(struct ks_manager *manager, int status, struct ks_bytes body)
{
    enum ks_err err = KS_OK;
    const struct waiting *waiting = first(manager);
    const struct ks_etsi014_wanted wanted = {
        .number = waiting->ids.count, .size = KEY_BITS, .ids = waiting->ids.ids};
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;

    if (status != 200) {
        return refusal(status, body);
    }
    err = ks_etsi014_container_parse(body, &wanted, manager->keys, &fault);
    if (err == KS_ERR_FORMAT) {
        err = ks_fail(KS_ERR_UNAVAILABLE,
                      "the site's key manager did not answer what it was asked for (%s): %s",
                      ks_etsi014_fault_name(fault), ks_err_detail());
    }
    KS_TRY(err);
    KS_TRY(check_distinct(manager->keys, waiting->ids.count));
out:
    return err;
}

/* Whether an answer is complete; then the exchange is over. */
static void read_answer(struct ks_manager *manager)
{
    struct ks_http_response_head head = {0};
    struct ks_buf body;
    enum ks_err err = KS_OK;

    ks_buf_init(&body, KS_ETSI014_ANSWER_MAX);
    err = ks_http_response_parse(ks_buf_view(&manager->plain_in), KS_ETSI014_ANSWER_MAX, &body,
                                 &head);
    if (err == KS_ERR_NOT_FOUND) {
        return;
    }
    if (err == KS_OK && head.len != manager->plain_in.len) {
        err = ks_fail(KS_ERR_FORMAT, "more than one answer");
    }
    if (err == KS_OK) {
        err = take_keys(manager, head.status, ks_buf_view(&body));
    } else {
        err = ks_fail(KS_ERR_UNAVAILABLE, "the site's key manager: %s", ks_err_detail());
    }
    ks_buf_wipe(&body);
    clear_incoming(manager);
    manager->reused = true;
    if (err == KS_OK && head.close) {
        drop_link(manager);
    }
    finish(manager, err);
}

/* Lets TLS go on; its failure ends the exchange. */
static void move(struct ks_manager *manager)
{
    enum ks_err err = KS_OK;

    if (manager->link == NULL) {
        return;
    }
    err = ks_tls_memory_turn(manager->link, &manager->plain_out, &manager->ciphertext,
                             &manager->plain_in);
    send_ciphertext(manager);
    if (err != KS_OK && manager->asked) {
        finish(manager,
               ks_fail(KS_ERR_UNAVAILABLE, "the site's key manager: %s", ks_err_detail()));
    } else if (err != KS_OK) {
        drop_link(manager);
    } else if (manager->asked && manager->plain_in.len > 0) {
        read_answer(manager);
    } else if (manager->plain_in.len > 0) {
        drop_link(manager); /* nobody asked */
    }
}

static void start(struct ks_manager *manager, uint64_t now_us)
{
    enum ks_err err = KS_OK;

    manager->asked = true;
    manager->deadline_us = now_us + manager->timeout_us;
    if (manager->link == NULL) {
        KS_TRY(open_link(manager));
    }
    KS_TRY(put_request(manager));
out:
    if (err != KS_OK) {
        finish(manager, err);
    } else {
        move(manager);
    }
}

/* --- what others call --------------------------------------------------------------------- */

enum ks_err ks_manager_ask(struct ks_manager *manager, uint32_t id, const uint8_t device[32],
                           const struct ks_announce *announce)
{
    enum ks_err err = KS_OK;
    unsigned own = 0;
    struct waiting *waiting = NULL;

    for (size_t i = 0; i < manager->queue_count; i++) {
        const struct waiting *other =
            &manager->queue[(manager->queue_head + i) % KS_MANAGER_WAITING_MAX];

        own +=
            ks_bytes_equal(KS_BYTES(other->device), ks_bytes_of(device, sizeof other->device))
                ? 1
                : 0;
    }
    KS_CHECK(own < KS_MANAGER_DEVICE_MAX, KS_ERR_UNAVAILABLE,
             "%u announcements of this device wait for the site's key manager already", own);
    KS_CHECK(manager->queue_count < KS_MANAGER_WAITING_MAX, KS_ERR_UNAVAILABLE,
             "%d announcements wait for the site's key manager already",
             KS_MANAGER_WAITING_MAX);
    waiting =
        &manager->queue[(manager->queue_head + manager->queue_count) % KS_MANAGER_WAITING_MAX];
    *waiting = (struct waiting){.id = id, .sae = announce->sae, .ids = announce->keys};
    ks_copy(waiting->device, device, sizeof waiting->device);
    manager->queue_count++;
out:
    return err;
}

void ks_manager_data(struct ks_manager *manager, uint32_t link, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;

    if (manager->link == NULL || link != manager->link_id) {
        return; /* of one that is over */
    }
    err = ks_tls_memory_feed(manager->link, bytes);
    if (err != KS_OK && manager->asked) {
        finish(manager, err);
    } else {
        move(manager);
    }
}

void ks_manager_closed(struct ks_manager *manager, uint32_t link, struct ks_bytes reason)
{
    char text[KS_LINK_TEXT_MAX + 1];
    bool again = false;

    if (manager->link == NULL || link != manager->link_id) {
        return;
    }
    ks_text_shown(reason, text, sizeof text);
    again = manager->asked && manager->reused && manager->plain_in.len == 0;
    ks_tls_memory_free(manager->link);
    manager->link = NULL;
    if (again) {
        /* It closed a connection that was idle when we asked: once more, on another one. Keys
         * that it has deleted nevertheless are refused then. */
        manager->asked = false;
        drop_link(manager);
    } else if (manager->asked) {
        finish(manager, ks_fail(KS_ERR_UNAVAILABLE,
                                "the site's key manager cannot be reached: %s", text));
    }
}

void ks_manager_turn(struct ks_manager *manager, uint64_t now_us)
{
    if (manager->asked && now_us >= manager->deadline_us) {
        finish(manager, ks_fail(KS_ERR_UNAVAILABLE,
                                "the site's key manager did not answer within %llu ms",
                                (unsigned long long)manager->timeout_us / 1000));
    }
    /* Each turn of the loop is an exchange that failed at once. */
    while (!manager->asked && manager->queue_count > 0) {
        start(manager, now_us);
    }
}

uint64_t ks_manager_deadline_us(const struct ks_manager *manager)
{
    return manager->deadline_us;
}

const char *ks_manager_trouble(const struct ks_manager *manager)
{
    return manager->trouble;
}
