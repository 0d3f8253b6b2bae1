/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "kme/manager.h"

#include "base/log.h"
#include "base/sys.h"
#include "kme/thread.h"

#define TICK_MS   200
#define FORGET_US UINT64_C(60000000) /* keys whose time is over are looked for this often */

/* --- events ------------------------------------------------------------------------------- */

struct ks_kme_event *ks_kme_event_new(enum ks_kme_event_type type)
{
    struct ks_kme_event *event = ks_calloc(1, sizeof *event);

    if (event != NULL) {
        event->type = type;
        ks_buf_init(&event->payload, KS_STREAM_PAYLOAD_MAX);
        ks_buf_init(&event->ended.key, KS_LINK_DETECTED_MAX / 8);
    }
    return event;
}

static void event_free(struct ks_kme_event *event)
{
    ks_buf_wipe(&event->payload);
    ks_buf_wipe(&event->ended.key);
    ks_free(event);
}

/* Under the lock. */
static void append(struct ks_kme *kme, struct ks_kme_event *event)
{
    event->next = NULL;
    if (kme->last == NULL) {
        kme->first = event;
    } else {
        kme->last->next = event;
    }
    kme->last = event;
    kme->event_count++;
    (void)pthread_cond_signal(&kme->woken);
}

void ks_kme_post(struct ks_kme *kme, struct ks_kme_event *event)
{
    (void)pthread_mutex_lock(&kme->lock);
    append(kme, event);
    (void)pthread_mutex_unlock(&kme->lock);
}

/* From a loop's thread, which has nothing but the request. */
static void refuse(struct ks_http_request *request, const char *reason)
{
    struct ks_etsi014_error error;
    struct ks_buf body;
    struct ks_http_response response = {.status = 503, .content_type = "application/json"};

    ks_buf_init(&body, 1024);
    ks_etsi014_error_set(&error, KS_ETSI014_UNAVAILABLE, "reason", reason);
    ks_etsi014_error_put(&body, &error);
    response.body = ks_buf_view(&body);
    ks_http_reply(request, &response);
    ks_buf_done(&body);
}

void ks_kme_handle(void *context, struct ks_http_request *request)
{
    struct ks_kme *kme = context;
    struct ks_kme_event *event = ks_kme_event_new(KS_KME_EVENT_REQUEST);
    const char *refusal = event == NULL ? "out of memory" : NULL;

    if (event != NULL) {
        event->request = request;
        (void)pthread_mutex_lock(&kme->lock);
        if (kme->closed) {
            refusal = "the manager is stopping";
        } else if (kme->event_count >= KS_KME_EVENTS_MAX) {
            refusal = "too many requests are waiting";
        } else {
            append(kme, event);
        }
        (void)pthread_mutex_unlock(&kme->lock);
    }
    if (refusal != NULL) {
        if (event != NULL) {
            event_free(event);
        }
        refuse(request, refusal);
    }
}

/* All that waits; sleeps a tick at most. */
static struct ks_kme_event *take_events(struct ks_kme *kme)
{
    struct ks_kme_event *events = NULL;

    (void)pthread_mutex_lock(&kme->lock);
    if (kme->first == NULL) {
        ks_kme_cond_wait(&kme->woken, &kme->lock, TICK_MS);
    }
    events = kme->first;
    kme->first = NULL;
    kme->last = NULL;
    kme->event_count = 0;
    (void)pthread_mutex_unlock(&kme->lock);
    return events;
}

/* --- the transaction ---------------------------------------------------------------------- */

enum ks_err ks_kme_change(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;

    if (!kme->in_transaction) {
        KS_TRY(ks_keypool_begin(ks_kme_pool_store(kme->pool)));
        kme->in_transaction = true;
    }
out:
    return err;
}

static void send(struct ks_kme *kme, enum ks_kme_message type, const struct ks_buf *payload)
{
    /* A connection that is broken says so to the thread that owns it. */
    if (kme->stream != NULL && payload->err == KS_OK &&
        ks_stream_send(kme->stream, (uint8_t)type, ks_buf_view(payload)) != KS_OK) {
        ks_stream_cut(kme->stream);
    }
}

static void send_answers(struct ks_kme *kme)
{
    struct ks_reader reader = ks_reader_of(ks_buf_view(&kme->out), "answers");
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    while (reader.rest.len > 0) {
        struct ks_kme_answer answer = {0};
        uint8_t kept = 0;

        if (ks_read_u64(&reader, &answer.number) != KS_OK ||
            ks_read_u8(&reader, &kept) != KS_OK) {
            break; /* this function's own bytes: it cannot be */
        }
        answer.kept = kept == 1;
        ks_buf_clear(&payload);
        ks_kme_answer_put(&payload, &answer);
        send(kme, KS_KME_ALLOTTED, &payload);
    }
    ks_buf_clear(&kme->out);
    ks_buf_done(&payload);
}

static enum ks_err end_block(struct ks_kme *kme);

/* Makes durable what was changed, then says what waited for that. */
static enum ks_err commit(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    if (kme->in_transaction) {
        KS_TRY(ks_keypool_commit(ks_kme_pool_store(kme->pool)));
        kme->in_transaction = false;
        kme->numbers.commits++;
    }
    KS_TRY(ks_buf_check(&kme->out));
    send_answers(kme);
    if (kme->done_waits) {
        kme->done_waits = false;
        ks_kme_done_put(&payload, &kme->done_unsent);
        send(kme, KS_KME_DONE, &payload);
        KS_TRY(end_block(kme));
    }
    ks_kme_answer_all(kme);
out:
    ks_buf_done(&payload);
    return err;
}

/* --- blocks ------------------------------------------------------------------------------- */

static void log_block(const struct ks_link_report *report)
{
    struct ks_log_line line;
    const bool key = report->outcome == KS_LINK_OUTCOME_KEY;

    ks_log_begin(&line, key ? KS_LOG_INFO : KS_LOG_WARN, "link.block");
    ks_log_text(&line, "outcome", ks_link_outcome_text(report->outcome));
    ks_log_u64(&line, "detected", report->detected);
    ks_log_u64(&line, "secret_bits", key ? report->secret_bits : 0);
    ks_log_u64(&line, "qber_x_ppm", (uint64_t)(1e6 * report->qber[KS_LINK_X]));
    ks_log_u64(&line, "qber_z_ppm", (uint64_t)(1e6 * report->qber[KS_LINK_Z]));
    ks_log_end(&line);
}

/* Which block is under way. One that never ended is not to be used. */
static enum ks_err know_block(struct ks_kme *kme, const uint8_t block[KS_KEYPOOL_BLOCK_LEN])
{
    enum ks_err err = KS_OK;
    const bool same = kme->block_known && ks_bytes_equal(KS_BYTES(kme->block),
                                                         ks_bytes_of(block, sizeof kme->block));

    if (same) {
        return KS_OK;
    }
    if (kme->block_known && kme->ended_here && kme->len_here > 0) {
        KS_TRY(ks_kme_change(kme));
        KS_TRY(ks_kme_pool_drop(kme->pool, kme->block));
    }
    ks_copy(kme->block, block, sizeof kme->block);
    kme->block_known = true;
    kme->ended_here = false;
    kme->ended_there = false;
out:
    return err;
}

static void settle_block(struct ks_kme *kme)
{
    (void)pthread_mutex_lock(&kme->distil.lock);
    kme->distil.settled = true;
    (void)pthread_cond_broadcast(&kme->distil.changed);
    (void)pthread_mutex_unlock(&kme->distil.lock);
}

/* A block that ended at both ends is used when it is the same at both: not before this end has
 * said so, since whoever hears of a key must have heard of its block. */
static enum ks_err end_block(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;

    if (!kme->ended_here || !kme->ended_there || kme->done_waits) {
        return KS_OK;
    }
    if (kme->len_here > 0 && kme->len_here == kme->len_there) {
        ks_kme_pool_confirm(kme->pool, kme->block);
    } else if (kme->len_here > 0) {
        KS_TRY(ks_kme_change(kme));
        KS_TRY(ks_kme_pool_drop(kme->pool, kme->block));
    }
    kme->block_known = false;
    settle_block(kme);
out:
    return err;
}

static enum ks_err block_ended(struct ks_kme *kme, const struct ks_kme_ended *ended)
{
    enum ks_err err = KS_OK;
    struct ks_kme_block block = {.key = ks_buf_view(&ended->key), .own_last = !kme->alice};
    const size_t alice_len = block.key.len * ended->start.share / KS_KME_SHARE_ALL;

    log_block(&ended->report);
    KS_TRY(know_block(kme, ended->start.block));
    kme->numbers.blocks[ended->report.outcome]++;
    kme->numbers.outcome = ended->report.outcome;
    ks_copy(kme->numbers.qber, ended->report.qber, sizeof kme->numbers.qber);
    kme->numbers.efficiency = ended->report.efficiency;
    kme->numbers.secret_bits += 8 * block.key.len;
    ks_copy(block.id, ended->start.block, sizeof block.id);
    block.own_len = kme->alice ? alice_len : block.key.len - alice_len;
    if (block.key.len > 0) {
        KS_TRY(ks_kme_change(kme));
        err = ks_kme_pool_add(kme->pool, &block);
        if (err == KS_ERR_LIMIT) {
            block.key.len = 0; /* no place: as if there were none */
            err = KS_OK;
        }
        KS_TRY(err);
    }
    kme->ended_here = true;
    kme->len_here = (uint32_t)block.key.len;
    ks_copy(kme->done_unsent.block, block.id, sizeof block.id);
    kme->done_unsent.len = kme->len_here;
    kme->done_waits = true; /* until it is durable */
out:
    return err;
}

/* --- messages of the other manager -------------------------------------------------------- */

static enum ks_err take_strips(struct ks_kme *kme, struct ks_bytes list)
{
    enum ks_err err = KS_OK;

    KS_CHECK(!kme->agreed, KS_ERR_FORMAT, "a second list of strips");
    KS_TRY(ks_kme_change(kme));
    KS_TRY(ks_kme_pool_agree(kme->pool, list));
    kme->agreed = true;
out:
    return err;
}

static enum ks_err take_allotment(struct ks_kme *kme, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_kme_allotment *allotment = ks_calloc(1, sizeof *allotment);
    bool kept = false;

    KS_CHECK(allotment != NULL, KS_ERR_NOMEM, "no memory for an allotment");
    KS_TRY(ks_kme_allotment_read(payload, allotment));
    KS_TRY(ks_kme_keep(kme, allotment, &kept));
    ks_buf_put_u64(&kme->out, allotment->number);
    ks_buf_put_u8(&kme->out, kept ? 1 : 0);
out:
    ks_free(allotment);
    return err;
}

static enum ks_err take_done(struct ks_kme *kme, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_kme_done done;

    KS_TRY(ks_kme_done_read(payload, &done));
    KS_TRY(know_block(kme, done.block));
    kme->ended_there = true;
    kme->len_there = done.len;
    KS_TRY(end_block(kme));
out:
    return err;
}

static enum ks_err take_message(struct ks_kme *kme, uint8_t type, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_kme_answer answer;

    KS_CHECK(type == KS_KME_STRIPS || kme->agreed, KS_ERR_FORMAT,
             "message %u before the lists of strips", type);
    switch (type) {
    case KS_KME_STRIPS:
        KS_TRY(take_strips(kme, payload));
        break;
    case KS_KME_ALLOT:
        KS_TRY(take_allotment(kme, payload));
        break;
    case KS_KME_ALLOTTED:
        KS_TRY(ks_kme_answer_read(payload, &answer));
        ks_kme_deliver(kme, &answer);
        break;
    case KS_KME_DONE:
        KS_TRY(take_done(kme, payload));
        break;
    default:
        KS_TRY(ks_fail(KS_ERR_FORMAT, "message of unknown type %u", type));
    }
out:
    return err;
}

/* --- the link goes up and down ------------------------------------------------------------ */

static enum ks_err link_up(struct ks_kme *kme, struct ks_stream *stream)
{
    enum ks_err err = KS_OK;
    struct ks_buf list;

    ks_buf_init(&list, KS_STREAM_PAYLOAD_MAX);
    kme->stream = stream;
    kme->agreed = false;
    kme->block_known = false;
    kme->done_waits = false;
    kme->numbers.connections++;
    ks_kme_pool_part(kme->pool);
    ks_kme_pool_list(kme->pool, &list);
    KS_TRY(ks_buf_check(&list));
    send(kme, KS_KME_STRIPS, &list);
out:
    ks_buf_done(&list);
    return err;
}

static void link_down(struct ks_kme *kme)
{
    kme->stream = NULL;
    kme->agreed = false;
    kme->block_known = false;
    kme->done_waits = false;
    ks_buf_clear(&kme->out);
    ks_kme_pool_part(kme->pool);
    ks_kme_give_up(kme, 0, "the link to the other manager went down");
    (void)pthread_mutex_lock(&kme->lock);
    kme->parted = true;
    (void)pthread_cond_signal(&kme->let_go);
    (void)pthread_mutex_unlock(&kme->lock);
}

/* What the other manager sends wrongly ends the connection, no more. */
static enum ks_err cut_link(struct ks_kme *kme, enum ks_err err)
{
    if (err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
        return err;
    }
    ks_log_failure("link.misspoke", err);
    if (kme->stream != NULL) {
        ks_stream_cut(kme->stream);
    }
    return KS_OK;
}

static enum ks_err take_event(struct ks_kme *kme, struct ks_kme_event *event)
{
    enum ks_err err = KS_OK;

    switch (event->type) {
    case KS_KME_EVENT_REQUEST:
        KS_TRY(ks_kme_serve(kme, event->request));
        break;
    case KS_KME_EVENT_UP:
        KS_TRY(link_up(kme, event->stream));
        break;
    case KS_KME_EVENT_MESSAGE:
        if (kme->stream != NULL) {
            KS_TRY(
                cut_link(kme, take_message(kme, event->message, ks_buf_view(&event->payload))));
        }
        break;
    case KS_KME_EVENT_BLOCK:
        if (kme->stream != NULL && kme->agreed) {
            KS_TRY(block_ended(kme, &event->ended));
        }
        break;
    case KS_KME_EVENT_DOWN:
        link_down(kme);
        break;
    }
out:
    return err;
}

/* --- the loop ----------------------------------------------------------------------------- */

/* Whether another block is wanted, and for whom. */
static void tell_distil(struct ks_kme *kme)
{
    const uint64_t max = kme->config->keys.stored_max;
    const bool own = kme->numbers.keys_own < max;
    const bool peer = kme->numbers.keys_peer < max;
    const uint16_t mine = own == peer ? KS_KME_SHARE_ALL / 2 : (own ? KS_KME_SHARE_ALL : 0);

    (void)pthread_mutex_lock(&kme->distil.lock);
    kme->distil.agreed = kme->agreed;
    kme->distil.want = own || peer;
    kme->distil.share = mine; /* it is Alice alone who says it */
    (void)pthread_cond_broadcast(&kme->distil.changed);
    (void)pthread_mutex_unlock(&kme->distil.lock);
}

static void show_numbers(struct ks_kme *kme)
{
    const size_t len = kme->config->keys.size / 8;
    struct ks_kme_numbers *numbers = &kme->numbers;

    numbers->link_up = kme->stream != NULL && kme->agreed;
    numbers->keys_own = ks_kme_pool_keys(kme->pool, KS_KEYPOOL_OWN, len);
    numbers->keys_peer = ks_kme_pool_keys(kme->pool, KS_KEYPOOL_PEER, len);
    (void)pthread_mutex_lock(&kme->numbers_lock);
    kme->shown = *numbers;
    (void)pthread_mutex_unlock(&kme->numbers_lock);
}

/* A configuration that is not good changes nothing. */
static void reload(struct ks_kme *kme)
{
    struct ks_kme_config *fresh = NULL;
    const enum ks_err err = ks_kme_config_load(kme->config_path, &fresh);
    struct ks_log_line line;

    if (err != KS_OK) {
        ks_log_failure("config.refused", err);
    } else {
        const struct ks_link_params params = ks_kme_config_params(fresh);

        ks_kme_distil_change(&kme->distil, &params);
        ks_log_begin(&line, KS_LOG_WARN, "link.changed");
        ks_log_text(&line, "eve", fresh->link.eve != NULL ? fresh->link.eve : "none");
        ks_log_u64(&line, "eve_share_ppm", (uint64_t)(1e6 * params.fibre.eve_share));
        ks_log_u64(&line, "distance_m", (uint64_t)(1e3 * params.fibre.distance_km));
        ks_log_end(&line);
    }
    ks_kme_config_free(fresh);
}

/* What has to be done from time to time. */
static enum ks_err tick(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;
    const uint64_t now_us = ks_clock_monotonic_us();
    uint64_t forgotten = 0;

    if (atomic_exchange(&kme->reloading, false)) {
        reload(kme);
    }
    ks_kme_give_up(kme, now_us, "the other manager does not answer");
    if (now_us >= kme->forget_us) {
        kme->forget_us = now_us + FORGET_US;
        KS_TRY(ks_kme_change(kme));
        KS_TRY(ks_keypool_forget(ks_kme_pool_store(kme->pool), ks_clock_us() / 1000000,
                                 &forgotten));
        kme->numbers.forgotten += forgotten;
        kme->numbers.keys_held -= forgotten;
    }
out:
    return err;
}

static enum ks_err take_turn(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;
    struct ks_kme_event *events = take_events(kme);
    const bool any = events != NULL;

    while (events != NULL) {
        struct ks_kme_event *event = events;

        events = event->next;
        err = take_event(kme, event);
        event_free(event);
        KS_TRY(err);
    }
    KS_TRY(tick(kme));
    KS_TRY(commit(kme));
    if (any) {
        show_numbers(kme);
    }
    tell_distil(kme);
out:
    return err; /* after an error the process ends: what is left of EVENTS with it */
}

enum ks_err ks_kme_run(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_keypool_count(ks_kme_pool_store(kme->pool), &kme->numbers.keys_held));
    show_numbers(kme);
    while (!atomic_load(&kme->stopping) || atomic_load(&kme->link_running)) {
        KS_TRY(take_turn(kme));
    }
    (void)pthread_mutex_lock(&kme->lock);
    kme->closed = true;
    (void)pthread_mutex_unlock(&kme->lock);
    KS_TRY(take_turn(kme));
out:
    return err;
}

void ks_kme_stop(struct ks_kme *kme)
{
    atomic_store(&kme->stopping, true);
}

void ks_kme_reload(struct ks_kme *kme)
{
    atomic_store(&kme->reloading, true);
}
