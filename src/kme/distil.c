/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The thread that makes key: one block of the simulated BB84 link after the other, for as long
 * as the pools want more. Alice's end says when a block begins. */
#include "base/log.h"
#include "base/sys.h"
#include "crypto/digest.h"
#include "kme/manager.h"
#include "kme/thread.h"

#define PARCELS_MAX   ((size_t)64 << 20) /* bytes that wait for this thread */
#define QUEUED_MAX    ((size_t)8 << 20)  /* bytes that wait to be sent, before more are made */
#define TRY_AGAIN_MS  5
#define AFTER_NONE_MS 300 /* after a block without a key */
#define TICK_MS       200
#define SECRET_LEN    1024
#define SECRET_LABEL  "ketseal/kme-link/1"
_Static_assert(SECRET_LEN >= KS_LINK_SECRET_MIN && SECRET_LEN <= KS_LINK_SECRET_MAX &&
                   SECRET_LEN <= KS_HKDF_SHA256_LEN_MAX,
               "a first secret of the link");

/* --- what the threads share --------------------------------------------------------------- */

void ks_kme_distil_init(struct ks_kme_distil *distil, const struct ks_link_params *params)
{
    *distil = (struct ks_kme_distil){.params = *params, .generation = 1};
    (void)pthread_mutex_init(&distil->lock, NULL);
    ks_kme_cond_init(&distil->changed);
}

static void parcel_free(struct ks_kme_parcel *parcel)
{
    if (parcel != NULL) {
        ks_buf_wipe(&parcel->payload);
        ks_free(parcel);
    }
}

/* Under the lock. */
static struct ks_kme_parcel *pop(struct ks_kme_distil *distil)
{
    struct ks_kme_parcel *parcel = distil->first;

    if (parcel != NULL) {
        distil->first = parcel->next;
        distil->last = distil->first == NULL ? NULL : distil->last;
        distil->parcel_bytes -= parcel->payload.len;
    }
    return parcel;
}

static void forget_parcels(struct ks_kme_distil *distil)
{
    (void)pthread_mutex_lock(&distil->lock);
    while (distil->first != NULL) {
        parcel_free(pop(distil));
    }
    (void)pthread_mutex_unlock(&distil->lock);
}

void ks_kme_distil_done(struct ks_kme_distil *distil)
{
    forget_parcels(distil);
    (void)pthread_cond_destroy(&distil->changed);
    (void)pthread_mutex_destroy(&distil->lock);
}

void ks_kme_distil_begin(struct ks_kme_distil *distil)
{
    forget_parcels(distil);
    (void)pthread_mutex_lock(&distil->lock);
    distil->running = true;
    distil->agreed = false;
    distil->want = false;
    distil->settled = false;
    (void)pthread_mutex_unlock(&distil->lock);
}

void ks_kme_distil_end(struct ks_kme_distil *distil)
{
    (void)pthread_mutex_lock(&distil->lock);
    distil->running = false;
    (void)pthread_cond_broadcast(&distil->changed);
    (void)pthread_mutex_unlock(&distil->lock);
}

void ks_kme_distil_change(struct ks_kme_distil *distil, const struct ks_link_params *params)
{
    (void)pthread_mutex_lock(&distil->lock);
    distil->params = *params;
    distil->generation++;
    (void)pthread_mutex_unlock(&distil->lock);
}

enum ks_err ks_kme_distil_give(struct ks_kme_distil *distil, uint8_t message,
                               struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_kme_parcel *parcel = ks_calloc(1, sizeof *parcel);

    KS_CHECK(parcel != NULL, KS_ERR_NOMEM, "no memory for a message");
    parcel->message = message;
    ks_buf_init(&parcel->payload, KS_STREAM_PAYLOAD_MAX);
    ks_buf_put(&parcel->payload, payload);
    KS_TRY(ks_buf_check(&parcel->payload));
    (void)pthread_mutex_lock(&distil->lock);
    if (distil->parcel_bytes + payload.len <= PARCELS_MAX) {
        distil->parcel_bytes += payload.len;
        if (distil->last == NULL) {
            distil->first = parcel;
        } else {
            distil->last->next = parcel;
        }
        distil->last = parcel;
        parcel = NULL; /* transferred */
        (void)pthread_cond_broadcast(&distil->changed);
    } else {
        err = distil->running ? ks_fail(KS_ERR_UNAVAILABLE, "the link's messages wait")
                              : ks_fail(KS_ERR_IO, "nobody takes the link's messages");
    }
    (void)pthread_mutex_unlock(&distil->lock);
out:
    parcel_free(parcel);
    return err;
}

/* The next message; NULL when the thread is to end. */
static struct ks_kme_parcel *next_parcel(struct ks_kme_distil *distil)
{
    struct ks_kme_parcel *parcel = NULL;

    (void)pthread_mutex_lock(&distil->lock);
    while (distil->running && distil->first == NULL) {
        ks_kme_cond_wait(&distil->changed, &distil->lock, TICK_MS);
    }
    if (distil->running) {
        parcel = pop(distil);
    }
    (void)pthread_mutex_unlock(&distil->lock);
    return parcel;
}

static bool is_running(struct ks_kme_distil *distil)
{
    bool running = false;

    (void)pthread_mutex_lock(&distil->lock);
    running = distil->running;
    (void)pthread_mutex_unlock(&distil->lock);
    return running;
}

/* --- a block ------------------------------------------------------------------------------ */

struct work {
    struct ks_kme *kme;
    struct ks_kme_distil *distil;
    const struct ks_kme_distilling *of;
    struct ks_link *link;
    uint32_t generation; /* of LINK; 0: there is none */
    struct ks_kme_start start;
    struct ks_buf message;
};

/* A link that begins with a secret nobody has used: derived from what this connection of TLS
 * alone knows, and from the generation. */
static enum ks_err renew_link(struct work *work)
{
    enum ks_err err = KS_OK;
    uint8_t seed[KS_LINK_SEED_LEN];
    uint8_t secret[SECRET_LEN];
    struct ks_link_params params;
    struct ks_buf info;

    ks_buf_init(&info, 64);
    if (work->generation == work->start.generation) {
        return KS_OK;
    }
    ks_link_free(work->link);
    work->link = NULL;
    work->generation = 0;
    (void)pthread_mutex_lock(&work->distil->lock);
    params = work->distil->params;
    (void)pthread_mutex_unlock(&work->distil->lock);
    ks_buf_put_text(&info, SECRET_LABEL);
    ks_buf_put_u32(&info, work->start.generation);
    KS_TRY(ks_buf_check(&info));
    KS_TRY(ks_hkdf_sha256(KS_BYTES(work->of->secret), (struct ks_bytes){0}, ks_buf_view(&info),
                          secret, sizeof secret));
    KS_TRY(ks_random(seed, sizeof seed));
    KS_TRY(ks_link_new(work->kme->alice ? KS_LINK_ALICE : KS_LINK_BOB, &params, seed,
                       KS_BYTES(secret), &work->link));
    work->generation = work->start.generation;
out:
    ks_wipe(seed, sizeof seed);
    ks_wipe(secret, sizeof secret);
    ks_buf_done(&info);
    return err;
}

/* Waits for a slow receiver, so that a block of any size goes through a bounded queue. */
static enum ks_err send(struct work *work, uint8_t type, struct ks_bytes payload)
{
    while (ks_stream_queued(work->of->stream) > QUEUED_MAX && is_running(work->distil)) {
        ks_kme_pause(TRY_AGAIN_MS);
    }
    return ks_stream_send(work->of->stream, type, payload);
}

static enum ks_err send_all(struct work *work)
{
    enum ks_err err = KS_OK;

    for (;;) {
        ks_buf_clear(&work->message);
        KS_TRY(ks_link_send(work->link, &work->message));
        KS_TRY(ks_buf_check(&work->message));
        if (work->message.len == 0) {
            break;
        }
        KS_TRY(send(work, KS_KME_QKD, ks_buf_view(&work->message)));
    }
out:
    return err;
}

/* Until the block is done at this end. KS_ERR_CANCELLED: the thread is to end. */
static enum ks_err exchange(struct work *work)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_link_start(work->link));
    for (;;) {
        struct ks_kme_parcel *parcel = NULL;

        KS_TRY(send_all(work));
        if (ks_link_done(work->link)) {
            break;
        }
        parcel = next_parcel(work->distil);
        if (parcel == NULL) {
            err = ks_fail(KS_ERR_CANCELLED, "the link goes down");
            goto out;
        }
        if (parcel->message == KS_KME_QKD) {
            err = ks_link_receive(work->link, ks_buf_view(&parcel->payload));
        } else {
            err = ks_fail(KS_ERR_FORMAT, "a block begins within another one");
        }
        if (err != KS_OK && parcel->message == KS_KME_QKD && err != KS_ERR_NOMEM) {
            err = KS_OK; /* the block is aborted, and its outcome says so */
        }
        parcel_free(parcel);
        KS_TRY(err);
    }
out:
    return err;
}

static enum ks_err tell(struct work *work)
{
    enum ks_err err = KS_OK;
    struct ks_kme_event *event = ks_kme_event_new(KS_KME_EVENT_BLOCK);

    KS_CHECK(event != NULL, KS_ERR_NOMEM, "no memory for a block");
    event->ended.start = work->start;
    event->ended.report = *ks_link_report(work->link);
    ks_buf_put(&event->ended.key, ks_link_key(work->link));
    if (event->ended.key.err != KS_OK) {
        ks_buf_wipe(&event->ended.key); /* as if there were none */
    }
    ks_kme_post(work->kme, event);
out:
    return err;
}

/* --- when ----------------------------------------------------------------------------------
 */

/* Alice: until a block is wanted; she names it and says so. False: the thread is to end. */
static enum ks_err begin_alice(struct work *work)
{
    enum ks_err err = KS_OK;
    struct ks_kme_distil *distil = work->distil;
    bool running = false;

    (void)pthread_mutex_lock(&distil->lock);
    while (distil->running && !(distil->agreed && distil->want)) {
        ks_kme_cond_wait(&distil->changed, &distil->lock, TICK_MS);
    }
    running = distil->running;
    distil->settled = false;
    work->start.generation = distil->generation;
    work->start.share = distil->share;
    while (distil->first != NULL) {
        parcel_free(pop(distil)); /* Bob's last words on the block before */
    }
    (void)pthread_mutex_unlock(&distil->lock);
    KS_CHECK(running, KS_ERR_CANCELLED, "the link goes down");
    KS_TRY(ks_random(work->start.block, sizeof work->start.block));
    ks_buf_clear(&work->message);
    ks_kme_start_put(&work->message, &work->start);
    KS_TRY(ks_buf_check(&work->message));
    KS_TRY(send(work, KS_KME_START, ks_buf_view(&work->message)));
out:
    return err;
}

/* Bob: until Alice begins one. What she said of the block before is passed over. */
static enum ks_err begin_bob(struct work *work)
{
    enum ks_err err = KS_OK;
    struct ks_kme_parcel *parcel = NULL;

    do {
        parcel_free(parcel);
        parcel = next_parcel(work->distil);
        KS_CHECK(parcel != NULL, KS_ERR_CANCELLED, "the link goes down");
    } while (parcel->message != KS_KME_START);
    KS_TRY(ks_kme_start_read(ks_buf_view(&parcel->payload), &work->start));
out:
    parcel_free(parcel);
    return err;
}

/* Alice: until the block is over at both ends. A link whose pads are used up, or on which the
 * ends do not trust each other any more, begins again from a fresh secret. */
static void settle_alice(struct work *work)
{
    struct ks_kme_distil *distil = work->distil;
    const enum ks_link_outcome outcome = ks_link_report(work->link)->outcome;

    (void)pthread_mutex_lock(&distil->lock);
    while (distil->running && !distil->settled) {
        ks_kme_cond_wait(&distil->changed, &distil->lock, TICK_MS);
    }
    if (outcome == KS_LINK_OUTCOME_POOL || outcome == KS_LINK_OUTCOME_PEER ||
        outcome == KS_LINK_OUTCOME_AUTHENTICATION || outcome == KS_LINK_OUTCOME_MALFORMED) {
        distil->generation++;
    }
    (void)pthread_mutex_unlock(&distil->lock);
    if (outcome != KS_LINK_OUTCOME_KEY) {
        ks_kme_pause(AFTER_NONE_MS);
    }
}

void *ks_kme_distil_main(void *context)
{
    enum ks_err err = KS_OK;
    const struct ks_kme_distilling *distilling = context;
    struct work work = {
        .kme = distilling->kme, .distil = &distilling->kme->distil, .of = distilling};

    ks_buf_init(&work.message, KS_LINK_MESSAGE_MAX);
    for (;;) {
        KS_TRY(work.kme->alice ? begin_alice(&work) : begin_bob(&work));
        KS_TRY(renew_link(&work));
        KS_TRY(exchange(&work));
        KS_TRY(tell(&work));
        if (work.kme->alice) {
            settle_alice(&work);
        }
    }
out:
    if (err != KS_ERR_CANCELLED) {
        ks_log_failure("link.distil", err);
        ks_stream_cut(distilling->stream);
        ks_kme_distil_end(work.distil);
    }
    ks_link_free(work.link);
    ks_buf_wipe(&work.message);
    return NULL;
}
