/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The thread that owns the connection to the other manager: makes it, checks who is there,
 * receives, and makes it again when it breaks. */
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "config/yaml.h"
#include "kme/manager.h"
#include "kme/thread.h"

#define WAIT_MS  200
#define PING_US  UINT64_C(5000000)
#define QUIET_US UINT64_C(20000000) /* without a word: the other end is gone */
#define AGAIN_MS 500                /* between attempts to connect */
#define FULL_MS  5                  /* while a thread has too much to do */
#define SECRET   "EXPORTER-ketseal-kme-link"

static bool stopping(struct ks_kme *kme)
{
    return atomic_load(&kme->stopping);
}

static void post_simple(struct ks_kme *kme, enum ks_kme_event_type type,
                        struct ks_stream *stream)
{
    struct ks_kme_event *event = NULL;

    while ((event = ks_kme_event_new(type)) == NULL) {
        ks_kme_pause(WAIT_MS); /* the manager has to know this */
    }
    event->stream = stream;
    ks_kme_post(kme, event);
}

/* The manager lets go of the stream. */
static void part(struct ks_kme *kme)
{
    (void)pthread_mutex_lock(&kme->lock);
    kme->parted = false;
    (void)pthread_mutex_unlock(&kme->lock);
    post_simple(kme, KS_KME_EVENT_DOWN, NULL);
    (void)pthread_mutex_lock(&kme->lock);
    while (!kme->parted) {
        (void)pthread_cond_wait(&kme->let_go, &kme->lock);
    }
    (void)pthread_mutex_unlock(&kme->lock);
}

/* Says who this end is, and hears the same of the other one. */
static enum ks_err greet(struct ks_kme *kme, struct ks_stream *stream)
{
    enum ks_err err = KS_OK;
    struct ks_kme_hello hello = {.alice = kme->alice, .name = kme->status.source_kme};
    struct ks_buf message;
    uint8_t type = 0;

    ks_buf_init(&message, KS_STREAM_PAYLOAD_MAX);
    KS_CHECK(strcmp(ks_cert_subject(ks_stream_peer(stream)), kme->config->link.peer) == 0,
             KS_ERR_VERIFY, "the peer's certificate is of '%s', not of '%s'",
             ks_cert_subject(ks_stream_peer(stream)), kme->config->link.peer);
    ks_kme_hello_put(&message, &hello);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_stream_send(stream, KS_KME_HELLO, ks_buf_view(&message)));
    KS_TRY(ks_stream_receive(stream, (unsigned)(QUIET_US / 1000), &type, &message));
    KS_CHECK(type == KS_KME_HELLO, KS_ERR_FORMAT, "message %u in place of a hello", type);
    KS_TRY(ks_kme_hello_read(ks_buf_view(&message), &hello));
    KS_CHECK(strcmp(hello.name.text, kme->config->link.peer) == 0, KS_ERR_VERIFY,
             "the peer calls itself '%s'", hello.name.text);
    KS_CHECK(hello.alice != kme->alice, KS_ERR_VERIFY, "both ends are %s",
             kme->alice ? "alice" : "bob");
out:
    ks_buf_done(&message);
    return err;
}

/* A distilling thread that computes lets messages wait: then the other end waits, too. */
static enum ks_err give(struct ks_kme *kme, uint8_t type, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;

    while ((err = ks_kme_distil_give(&kme->distil, type, payload)) == KS_ERR_UNAVAILABLE &&
           !stopping(kme)) {
        ks_kme_pause(FULL_MS);
    }
    return err;
}

/* Likewise a manager with more events than it should have. */
static void wait_for_manager(struct ks_kme *kme)
{
    size_t count = KS_KME_EVENTS_MAX;

    while (count >= KS_KME_EVENTS_MAX) {
        (void)pthread_mutex_lock(&kme->lock);
        count = kme->event_count;
        (void)pthread_mutex_unlock(&kme->lock);
        if (count >= KS_KME_EVENTS_MAX) {
            ks_kme_pause(FULL_MS);
        }
    }
}

static enum ks_err hand_on(struct ks_kme *kme, uint8_t type, struct ks_buf *message)
{
    enum ks_err err = KS_OK;
    struct ks_kme_event *event = NULL;

    switch (type) {
    case KS_KME_PING:
        break;
    case KS_KME_START:
    case KS_KME_QKD:
        KS_TRY(give(kme, type, ks_buf_view(message)));
        break;
    default:
        wait_for_manager(kme);
        event = ks_kme_event_new(KS_KME_EVENT_MESSAGE);
        KS_CHECK(event != NULL, KS_ERR_NOMEM, "no memory for a message");
        event->message = type;
        event->payload = *message;
        ks_buf_init(message, KS_STREAM_PAYLOAD_MAX); /* transferred */
        ks_kme_post(kme, event);
        break;
    }
out:
    return err;
}

/* Until the connection ends. */
static enum ks_err receive_all(struct ks_kme *kme, struct ks_stream *stream)
{
    enum ks_err err = KS_OK;
    struct ks_buf message;
    uint64_t heard_us = ks_clock_monotonic_us();
    uint64_t ping_us = heard_us + PING_US;

    ks_buf_init(&message, KS_STREAM_PAYLOAD_MAX);
    while (!stopping(kme)) {
        uint8_t type = 0;
        uint64_t now_us = 0;

        err = ks_stream_receive(stream, WAIT_MS, &type, &message);
        now_us = ks_clock_monotonic_us();
        if (err == KS_OK) {
            heard_us = now_us;
            KS_TRY(hand_on(kme, type, &message));
        } else if (err != KS_ERR_NOT_FOUND) {
            goto out;
        }
        err = KS_OK;
        KS_CHECK(now_us - heard_us < QUIET_US, KS_ERR_IO, "the other end says nothing");
        if (now_us >= ping_us) {
            ping_us = now_us + PING_US;
            KS_TRY(ks_stream_send(stream, KS_KME_PING, (struct ks_bytes){0}));
        }
    }
out:
    ks_buf_wipe(&message);
    return err;
}

static void distil_stop(struct ks_kme *kme, pthread_t thread)
{
    ks_kme_distil_end(&kme->distil);
    (void)pthread_join(thread, NULL);
}

static enum ks_err use_stream(struct ks_kme *kme, struct ks_stream *stream)
{
    enum ks_err err = KS_OK;
    struct ks_kme_distilling distilling = {.kme = kme, .stream = stream};
    pthread_t thread;

    KS_TRY(greet(kme, stream));
    KS_TRY(ks_stream_secret(stream, SECRET, distilling.secret));
    ks_log_event(KS_LOG_INFO, "link.up");
    ks_kme_distil_begin(&kme->distil);
    KS_TRY(ks_kme_thread_start(&thread, ks_kme_distil_main, &distilling));
    post_simple(kme, KS_KME_EVENT_UP, stream);
    err = receive_all(kme, stream);
    ks_stream_cut(stream);
    distil_stop(kme, thread);
    part(kme);
out:
    ks_wipe(distilling.secret, sizeof distilling.secret);
    return err;
}

static enum ks_err make_stream(struct ks_kme *kme, struct ks_stream **out_stream)
{
    enum ks_err err = KS_OK;
    char address[64];
    uint16_t port = 0;

    if (kme->link_fd >= 0) {
        return ks_stream_accept(kme->link_tls, kme->link_fd, WAIT_MS, out_stream);
    }
    KS_TRY(ks_config_listen("link.connect", kme->config->link.connect, address, &port));
    KS_TRY(ks_stream_connect(kme->link_tls, address, port, out_stream));
out:
    return err;
}

static void *link_main(void *context)
{
    struct ks_kme *kme = context;
    bool told = false; /* that it cannot be reached: once */

    while (!stopping(kme)) {
        struct ks_stream *stream = NULL;
        enum ks_err err = make_stream(kme, &stream);

        if (err == KS_OK) {
            told = false;
            err = use_stream(kme, stream);
            if (!stopping(kme)) {
                ks_log_failure("link.down", err);
            }
        } else if (err != KS_ERR_NOT_FOUND && !told) {
            told = true;
            ks_log_failure("link.absent", err);
        }
        ks_stream_free(stream);
        if (kme->link_fd < 0 && !stopping(kme)) {
            ks_kme_pause(AGAIN_MS);
        }
    }
    atomic_store(&kme->link_running, false);
    return NULL;
}

enum ks_err ks_kme_link_start(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;

    atomic_store(&kme->link_running, true);
    KS_TRY(ks_kme_thread_start(&kme->link_thread, link_main, kme));
    kme->link_started = true;
out:
    if (err != KS_OK) {
        atomic_store(&kme->link_running, false);
    }
    return err;
}

void ks_kme_link_stop(struct ks_kme *kme)
{
    if (kme->link_started) {
        kme->link_started = false;
        (void)pthread_join(kme->link_thread, NULL);
    }
}
