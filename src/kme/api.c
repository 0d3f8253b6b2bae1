/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ETSI GS QKD 014: what an SAE may ask, and what it gets. The SAE is who its certificate says.
 */
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "kme/manager.h"

#define JSON       "application/json"
#define KEEP_MS    5000 /* the other manager has this long to keep what was drawn */
#define STATUS_MAX 2048
#define ERROR_MAX  4096
#define REASON_MAX 160
#define HOUR_S     UINT64_C(3600)

/* --- answers ------------------------------------------------------------------------------ */

static void reply(struct ks_http_request *request, int status, const struct ks_buf *body)
{
    const struct ks_http_response response = {
        .status = status, .content_type = JSON, .body = ks_buf_view(body)};

    if (body->err == KS_OK) {
        ks_http_reply(request, &response);
    } else {
        ks_http_reply_error(request, body->err, "no memory for an answer");
    }
}

static void refuse_with(struct ks_kme *kme, struct ks_http_request *request,
                        const struct ks_etsi014_error *error)
{
    struct ks_buf body;

    ks_buf_init(&body, ERROR_MAX);
    ks_etsi014_error_put(&body, error);
    kme->numbers.refused[error->refusal]++;
    reply(request, ks_etsi014_refusal_status(error->refusal), &body);
    ks_buf_done(&body);
}

static void refuse(struct ks_kme *kme, struct ks_http_request *request,
                   enum ks_etsi014_refusal refusal, const char *name, const char *detail)
{
    struct ks_etsi014_error error;

    ks_etsi014_error_set(&error, refusal, name, detail);
    refuse_with(kme, request, &error);
}

/* An answer with keys, which leaves once all of this is committed. */
static enum ks_err answer_later(struct ks_kme *kme, struct ks_http_request *request,
                                const struct ks_etsi014_key *keys, size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_kme_answering *answering = ks_calloc(1, sizeof *answering);
    const size_t len = KS_ETSI014_CONTAINER_LEN(count, keys[0].len);

    KS_CHECK(answering != NULL, KS_ERR_NOMEM, "no memory for an answer");
    ks_buf_init(&answering->body, KS_ETSI014_ANSWER_MAX);
    /* All at once: a buffer that grows leaves copies behind. */
    KS_CHECK(ks_buf_reserve(&answering->body, len) != NULL, KS_ERR_NOMEM,
             "no memory for an answer");
    ks_etsi014_container_put(&answering->body, keys, count);
    KS_TRY(ks_buf_check(&answering->body));
    answering->request = request;
    answering->next = kme->answering;
    kme->answering = answering;
    answering = NULL; /* transferred */
out:
    if (answering != NULL) {
        ks_buf_wipe(&answering->body);
        ks_free(answering);
    }
    return err;
}

void ks_kme_answer_all(struct ks_kme *kme)
{
    while (kme->answering != NULL) {
        struct ks_kme_answering *answering = kme->answering;

        kme->answering = answering->next;
        reply(answering->request, 200, &answering->body);
        ks_buf_wipe(&answering->body);
        ks_free(answering);
    }
}

/* --- status ------------------------------------------------------------------------------- */

static void serve_status(struct ks_kme *kme, struct ks_http_request *request,
                         const struct ks_etsi014_sae *master,
                         const struct ks_etsi014_sae *slave)
{
    struct ks_etsi014_status status = kme->status;
    struct ks_buf body;

    status.master_sae = *master;
    status.slave_sae = *slave;
    status.stored_key_count = kme->numbers.keys_own < status.max_key_count
                                  ? kme->numbers.keys_own
                                  : status.max_key_count;
    ks_buf_init(&body, STATUS_MAX);
    ks_etsi014_status_put(&body, &status);
    kme->numbers.statuses++;
    reply(request, 200, &body);
    ks_buf_done(&body);
}

/* --- get key ------------------------------------------------------------------------------ */

/* Why there are no keys, for people. */
static void say_why(const struct ks_kme *kme, char reason[REASON_MAX])
{
    const struct ks_kme_numbers *numbers = &kme->numbers;

    if (kme->stream == NULL) {
        (void)snprintf(reason, REASON_MAX, "the link to '%.64s' is down",
                       kme->config->link.peer);
    } else if (!kme->agreed) {
        (void)snprintf(reason, REASON_MAX, "the link to '%.64s' has just come up",
                       kme->config->link.peer);
    } else if (numbers->outcome == KS_LINK_OUTCOME_RUNNING ||
               numbers->outcome == KS_LINK_OUTCOME_KEY) {
        (void)snprintf(reason, REASON_MAX, "not enough keys yet: %llu",
                       (unsigned long long)numbers->keys_own);
    } else {
        (void)snprintf(reason, REASON_MAX, "the quantum link gives no key: %s (QBER %.1f %%)",
                       ks_link_outcome_meaning(numbers->outcome),
                       100 * numbers->qber[KS_LINK_X]);
    }
}

static struct ks_kme_waiting *waiting_new(struct ks_kme *kme)
{
    for (size_t i = 0; i < KS_KME_WAITING_MAX; i++) {
        if (kme->waiting[i].number == 0) {
            kme->waiting_used = i >= kme->waiting_used ? i + 1 : kme->waiting_used;
            return &kme->waiting[i];
        }
    }
    return NULL;
}

static void waiting_free(struct ks_kme *kme, struct ks_kme_waiting *waiting)
{
    ks_etsi014_keys_wipe(waiting->keys, waiting->key_count);
    ks_free(waiting->keys);
    *waiting = (struct ks_kme_waiting){0};
    while (kme->waiting_used > 0 && kme->waiting[kme->waiting_used - 1].number == 0) {
        kme->waiting_used--;
    }
}

/* COUNT random names, of version 4. */
static enum ks_err name_keys(struct ks_etsi014_key *keys, size_t count)
{
    enum ks_err err = KS_OK;
    uint8_t random[KS_ETSI014_KEYS_MAX][16];

    KS_TRY(ks_random(random, count * sizeof random[0]));
    for (size_t i = 0; i < count; i++) {
        char text[KS_UUID_TEXT_LEN + 1];

        ks_uuid_text(random[i], text);
        KS_TRY(ks_etsi014_id_parse(ks_bytes_text(text), &keys[i].id));
    }
out:
    return err;
}

static enum ks_err draw(struct ks_kme *kme, const struct ks_etsi014_request *asked,
                        struct ks_kme_waiting *waiting, struct ks_kme_allotment *allotment)
{
    enum ks_err err = KS_OK;
    const size_t count = (size_t)asked->number;

    waiting->keys = ks_calloc(count, sizeof *waiting->keys);
    KS_CHECK(waiting->keys != NULL, KS_ERR_NOMEM, "no memory for keys");
    waiting->key_count = count;
    allotment->key_count = count;
    KS_TRY(name_keys(waiting->keys, count));
    for (size_t i = 0; i < count; i++) {
        struct ks_etsi014_key *key = &waiting->keys[i];

        key->len = (size_t)asked->size / 8;
        allotment->keys[i].id = key->id;
        KS_TRY(ks_kme_pool_draw(kme->pool, key->len, &allotment->keys[i].place, key->data));
    }
out:
    return err;
}

/* Draws, and asks the other manager to keep what was drawn. It may do so while this end
 * commits: if this end should forget what it drew, the other's list says so when they meet
 * again. */
static enum ks_err allot(struct ks_kme *kme, struct ks_http_request *request,
                         const struct ks_etsi014_request *asked,
                         struct ks_kme_allotment *allotment)
{
    enum ks_err err = KS_OK;
    struct ks_kme_waiting *waiting = waiting_new(kme);
    struct ks_buf message;

    ks_buf_init(&message, KS_KME_ALLOTMENT_MAX);
    if (waiting == NULL) {
        refuse(kme, request, KS_ETSI014_UNAVAILABLE, "reason", "too many requests are waiting");
        goto out;
    }
    KS_TRY(ks_kme_change(kme));
    KS_TRY(draw(kme, asked, waiting, allotment));
    waiting->number = ++kme->next_number;
    waiting->request = request;
    waiting->deadline_us = ks_clock_monotonic_us() + (uint64_t)KEEP_MS * 1000;
    allotment->number = waiting->number;
    ks_kme_allotment_put(&message, allotment);
    KS_TRY(ks_buf_check(&message));
    if (ks_stream_send(kme->stream, KS_KME_ALLOT, ks_buf_view(&message)) != KS_OK) {
        waiting->deadline_us = 0; /* the link has gone down: refused at the next turn */
    }
out:
    ks_buf_done(&message);
    return err;
}

/* The slaves of a request: the one of the path, then the additional ones. */
static bool name_slaves(const struct ks_etsi014_sae *master, const struct ks_etsi014_sae *slave,
                        const struct ks_etsi014_request *asked,
                        struct ks_kme_allotment *allotment)
{
    bool good = strcmp(master->text, slave->text) != 0;

    allotment->master = *master;
    allotment->named[0] = *slave;
    for (size_t i = 0; i < asked->saes; i++) {
        good = good && strcmp(asked->additional[i].text, master->text) != 0 &&
               strcmp(asked->additional[i].text, slave->text) != 0;
        allotment->named[i + 1] = asked->additional[i];
    }
    allotment->named_count = asked->saes + 1;
    return good;
}

static enum ks_err serve_enc_keys(struct ks_kme *kme, struct ks_http_request *request,
                                  const struct ks_etsi014_sae *master,
                                  const struct ks_etsi014_sae *slave,
                                  struct ks_etsi014_request *asked)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_error error;
    char reason[REASON_MAX];
    struct ks_kme_allotment *allotment = NULL;

    if (ks_kme_config_ignores_optional(kme->config)) {
        asked->optional = 0;
    }
    if (!ks_etsi014_request_settle(asked, &kme->status, &error)) {
        refuse_with(kme, request, &error);
        return KS_OK;
    }
    allotment = ks_calloc(1, sizeof *allotment);
    KS_CHECK(allotment != NULL, KS_ERR_NOMEM, "no memory for a request");
    if (!name_slaves(master, slave, asked, allotment)) {
        refuse(kme, request, KS_ETSI014_BAD_REQUEST, "slave_SAE_ID",
               "an SAE twice, or the caller itself");
    } else if (kme->stream == NULL || !kme->agreed ||
               ks_kme_pool_keys(kme->pool, KS_KEYPOOL_OWN, (size_t)asked->size / 8) <
                   asked->number) {
        say_why(kme, reason);
        refuse(kme, request, KS_ETSI014_UNAVAILABLE, "reason", reason);
    } else {
        KS_TRY(allot(kme, request, asked, allotment));
    }
out:
    ks_free(allotment);
    return err;
}

void ks_kme_deliver(struct ks_kme *kme, const struct ks_kme_answer *answer)
{
    struct ks_kme_waiting *waiting = NULL;

    for (size_t i = 0; i < kme->waiting_used; i++) {
        if (kme->waiting[i].number == answer->number) {
            waiting = &kme->waiting[i];
        }
    }
    if (waiting == NULL || answer->number == 0) {
        return; /* it was given up */
    }
    if (!answer->kept) {
        kme->numbers.burnt += waiting->key_count;
        refuse(kme, waiting->request, KS_ETSI014_UNAVAILABLE, "reason",
               "the two managers do not agree; try again");
    } else if (answer_later(kme, waiting->request, waiting->keys, waiting->key_count) !=
               KS_OK) {
        kme->numbers.burnt += waiting->key_count;
        refuse(kme, waiting->request, KS_ETSI014_UNAVAILABLE, "reason", "out of memory");
    } else {
        kme->numbers.delivered_enc += waiting->key_count;
    }
    waiting_free(kme, waiting);
}

void ks_kme_give_up(struct ks_kme *kme, uint64_t now_us, const char *detail)
{
    for (size_t i = kme->waiting_used; i-- > 0;) {
        struct ks_kme_waiting *waiting = &kme->waiting[i];

        if (waiting->number != 0 && (now_us == 0 || waiting->deadline_us <= now_us)) {
            kme->numbers.burnt += waiting->key_count;
            refuse(kme, waiting->request, KS_ETSI014_UNAVAILABLE, "reason", detail);
            waiting_free(kme, waiting);
        }
    }
}

/* --- get key with key IDs ----------------------------------------------------------------- */

/* Finds all of IDS for the caller. KS_ERR_NOT_FOUND, KS_ERR_DENIED: none may be taken. */
static enum ks_err find_all(struct ks_kme *kme, const struct ks_etsi014_sae *master,
                            const char *slave, const struct ks_etsi014_ids *ids,
                            struct ks_etsi014_key *keys)
{
    enum ks_err err = KS_OK;
    const uint64_t now_s = ks_clock_us() / 1000000;

    for (size_t i = 0; i < ids->count; i++) {
        struct ks_keypool_held held = {0};

        keys[i].id = ids->ids[i];
        KS_TRY(ks_keypool_find(ks_kme_pool_store(kme->pool), ids->ids[i].bytes, slave,
                               keys[i].data, &held));
        keys[i].len = held.key.len;
        KS_CHECK(strcmp(held.master, master->text) == 0 && held.until_s > now_s,
                 KS_ERR_NOT_FOUND, "no such key of '%s'", master->text);
    }
out:
    return err;
}

static enum ks_err take_all(struct ks_kme *kme, struct ks_http_request *request,
                            const char *slave, const struct ks_etsi014_key *keys, size_t count)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_kme_change(kme));
    for (size_t i = 0; i < count; i++) {
        bool gone = false;

        KS_TRY(ks_keypool_take(ks_kme_pool_store(kme->pool), keys[i].id.bytes, slave, &gone));
        kme->numbers.keys_held -= gone ? 1 : 0;
    }
    KS_TRY(answer_later(kme, request, keys, count));
    kme->numbers.delivered_dec += count;
out:
    return err;
}

static enum ks_err serve_dec_keys(struct ks_kme *kme, struct ks_http_request *request,
                                  const struct ks_etsi014_sae *slave,
                                  const struct ks_etsi014_sae *master,
                                  const struct ks_etsi014_ids *ids)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_key *keys = ks_calloc(ids->count, sizeof *keys);

    KS_CHECK(keys != NULL, KS_ERR_NOMEM, "no memory for keys");
    err = find_all(kme, master, slave->text, ids, keys);
    if (err == KS_ERR_NOT_FOUND) {
        refuse(kme, request, KS_ETSI014_KEYS_NOT_FOUND, NULL, NULL);
        err = KS_OK;
    } else if (err == KS_ERR_DENIED) {
        refuse(kme, request, KS_ETSI014_UNAUTHORIZED, "reason", "the caller was not named");
        err = KS_OK;
    } else {
        KS_TRY(err);
        KS_TRY(take_all(kme, request, slave->text, keys, ids->count));
    }
out:
    ks_etsi014_keys_wipe(keys, ids->count);
    ks_free(keys);
    return err;
}

enum ks_err ks_kme_keep(struct ks_kme *kme, const struct ks_kme_allotment *allotment,
                        bool *out_kept)
{
    enum ks_err err = KS_OK;
    const char *named[KS_KME_NAMED_MAX];
    uint8_t key[KS_KEYPOOL_KEY_MAX];
    struct ks_keypool_held held = {
        .named = named,
        .named_count = allotment->named_count,
        .until_s = ks_clock_us() / 1000000 + kme->config->keys.hold_hours * HOUR_S,
    };

    *out_kept = false;
    for (size_t i = 0; i < allotment->named_count; i++) {
        named[i] = allotment->named[i].text;
    }
    ks_copy(held.master, allotment->master.text, sizeof allotment->master.text);
    KS_TRY(ks_kme_change(kme));
    for (size_t i = 0; i < allotment->key_count; i++) {
        const struct ks_kme_allotted_key *allotted = &allotment->keys[i];

        err = ks_kme_pool_follow(kme->pool, &allotted->place, key);
        if (err == KS_OK) {
            ks_copy(held.id, allotted->id.bytes, sizeof held.id);
            held.key = ks_bytes_of(key, allotted->place.len);
            err = ks_keypool_hold(ks_kme_pool_store(kme->pool), &held);
            kme->numbers.keys_held += err == KS_OK ? 1 : 0;
        }
        if (err == KS_ERR_CONFLICT) {
            err = KS_OK; /* refused; what was followed so far is burnt */
            goto out;
        }
        KS_TRY(err);
    }
    *out_kept = true;
out:
    ks_wipe(key, sizeof key);
    return err;
}

/* --- routing ------------------------------------------------------------------------------ */

static bool is_json(const struct ks_http_head *head)
{
    struct ks_bytes type = {0};
    const struct ks_bytes json = KS_LITERAL(JSON);

    return ks_http_head_get(head, "content-type", &type) == KS_OK && type.len >= json.len &&
           ks_bytes_equal(ks_bytes_of(type.data, json.len), json);
}

/* The two keys' methods: a GET says all in its query, a POST in its body. OUT_POST. */
static enum ks_err check_form(struct ks_http_request *request, bool *out_post)
{
    enum ks_err err = KS_OK;
    const struct ks_http_head *head = ks_http_request_head(request);

    *out_post = ks_bytes_is(head->method, "POST");
    if (*out_post) {
        KS_CHECK(head->query.len == 0, KS_ERR_FORMAT, "a POST has no query");
        KS_CHECK(head->content_length == 0 || is_json(head), KS_ERR_FORMAT,
                 "the body is not " JSON);
    } else {
        KS_CHECK(head->content_length == 0, KS_ERR_FORMAT, "a GET has no body");
    }
out:
    return err;
}

static enum ks_err parse_enc_keys(struct ks_http_request *request,
                                  struct ks_etsi014_request *out_asked)
{
    enum ks_err err = KS_OK;
    bool post = false;

    KS_TRY(check_form(request, &post));
    KS_TRY(
        post ? ks_etsi014_request_parse(ks_http_request_body(request), out_asked)
             : ks_etsi014_request_parse_query(ks_http_request_head(request)->query, out_asked));
out:
    return err;
}

static enum ks_err parse_dec_keys(struct ks_http_request *request,
                                  struct ks_etsi014_ids *out_ids)
{
    enum ks_err err = KS_OK;
    bool post = false;

    KS_TRY(check_form(request, &post));
    KS_TRY(post ? ks_etsi014_ids_parse(ks_http_request_body(request), out_ids)
                : ks_etsi014_ids_parse_query(ks_http_request_head(request)->query, out_ids));
out:
    return err;
}

static void refuse_method(struct ks_http_request *request, enum ks_etsi014_method method)
{
    const struct ks_http_field allow = {
        .name = KS_LITERAL("Allow"),
        .value = ks_bytes_text(method == KS_ETSI014_STATUS ? "GET" : "GET, POST")};
    const struct ks_http_response response = {
        .status = 405, .fields = &allow, .field_count = 1};

    ks_http_reply(request, &response);
}

static void refuse_parse(struct ks_kme *kme, struct ks_http_request *request, enum ks_err err)
{
    if (err == KS_ERR_NOMEM) {
        refuse(kme, request, KS_ETSI014_UNAVAILABLE, "reason", "out of memory");
    } else {
        refuse(kme, request, KS_ETSI014_BAD_REQUEST, "reason", ks_err_detail());
    }
}

static enum ks_err serve_keys(struct ks_kme *kme, struct ks_http_request *request,
                              const struct ks_etsi014_sae *caller,
                              const struct ks_etsi014_sae *other, enum ks_etsi014_method method)
{
    enum ks_err err = KS_OK;

    if (method == KS_ETSI014_ENC_KEYS) {
        struct ks_etsi014_request asked;

        err = parse_enc_keys(request, &asked);
        if (err == KS_OK) {
            return serve_enc_keys(kme, request, caller, other, &asked);
        }
    } else {
        struct ks_etsi014_ids ids;

        err = parse_dec_keys(request, &ids);
        if (err == KS_OK) {
            return serve_dec_keys(kme, request, caller, other, &ids);
        }
    }
    refuse_parse(kme, request, err);
    return KS_OK;
}

enum ks_err ks_kme_serve(struct ks_kme *kme, struct ks_http_request *request)
{
    const struct ks_http_head *head = ks_http_request_head(request);
    const bool get = ks_bytes_is(head->method, "GET");
    struct ks_etsi014_sae caller;
    struct ks_etsi014_sae other;
    enum ks_etsi014_method method = KS_ETSI014_STATUS;
    enum ks_err err = ks_etsi014_path_parse(head->path, &other, &method);

    if (err != KS_OK) {
        if (err == KS_ERR_NOT_FOUND) {
            ks_http_reply_error(request, KS_ERR_NOT_FOUND, "no such path");
        } else {
            refuse_parse(kme, request, err);
        }
        return KS_OK;
    }
    if (!get && (method == KS_ETSI014_STATUS || !ks_bytes_is(head->method, "POST"))) {
        refuse_method(request, method);
        return KS_OK;
    }
    if (ks_etsi014_sae_parse(ks_bytes_text(ks_http_request_peer_name(request)), &caller) !=
        KS_OK) {
        refuse(kme, request, KS_ETSI014_UNAUTHORIZED, "reason", ks_err_detail());
        return KS_OK;
    }
    if (method == KS_ETSI014_STATUS) {
        serve_status(kme, request, &caller, &other);
        return KS_OK;
    }
    return serve_keys(kme, request, &caller, &other, method);
}
