/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* manager.h: one key manager at work. Threads, and what they share:
 *
 *   HTTP loops   hand requests to the manager
 *   the manager  the one that decides: owns the pool, answers requests, tells the other manager
 *                (manager.c, api.c)
 *   the link     owns the connection to the other manager; receives (link.c)
 *   distilling   one for each connection: runs the BB84 link over it (distil.c)
 *   admin        answers metrics and health over loopback (admin.c)
 *
 * The manager takes all that waits, changes the pool in one transaction, commits, and only then
 * answers: a key that leaves is durably gone here, and durably known there, before it does. */
#ifndef KS_KME_MANAGER_H
#define KS_KME_MANAGER_H

#include <pthread.h>
#include <stdatomic.h>

#include "kme/config.h"
#include "kme/message.h"
#include "kme/pool.h"
#include "net/http_server.h"
#include "net/stream.h"

#define KS_KME_WAITING_MAX 4096 /* requests that wait for the other manager */
#define KS_KME_EVENTS_MAX                                                                      \
    8192 /* that wait for the manager; more requests are refused, and the                      \
            link waits */

/* --- what comes to the manager ------------------------------------------------------------ */

enum ks_kme_event_type {
    KS_KME_EVENT_REQUEST,
    KS_KME_EVENT_UP, /* STREAM stands, its peer is the other manager */
    KS_KME_EVENT_MESSAGE,
    KS_KME_EVENT_BLOCK, /* distilling has ended one */
    KS_KME_EVENT_DOWN,
};

/* How a block ended here, KEY with it if there is one. */
struct ks_kme_ended {
    struct ks_kme_start start;
    struct ks_link_report report;
    struct ks_buf key;
};

struct ks_kme_event {
    enum ks_kme_event_type type;
    struct ks_http_request *request;
    struct ks_stream *stream;
    uint8_t message;
    struct ks_buf payload;
    struct ks_kme_ended ended;
    struct ks_kme_event *next;
};

/* --- requests ----------------------------------------------------------------------------- */

/* Drawn keys whose request waits until the other manager keeps them too. */
struct ks_kme_waiting {
    uint64_t number; /* 0: free */
    uint64_t deadline_us;
    struct ks_http_request *request;
    struct ks_etsi014_key *keys;
    size_t key_count;
};

/* An answer that waits for the commit. */
struct ks_kme_answering {
    struct ks_http_request *request;
    struct ks_buf body; /* wiped */
    struct ks_kme_answering *next;
};

/* --- numbers ------------------------------------------------------------------------------ */

#define KS_KME_REFUSALS (KS_ETSI014_UNAVAILABLE + 1)
#define KS_KME_OUTCOMES (KS_LINK_OUTCOME_POOL + 1)

/* A copy of all that is told outside. */
struct ks_kme_numbers {
    bool link_up;
    uint64_t keys_own; /* of the usual size, that could be given out now */
    uint64_t keys_peer;
    uint64_t keys_held;
    uint64_t connections; /* of the link, since the start */
    uint64_t blocks[KS_KME_OUTCOMES];
    uint64_t secret_bits; /* distilled, since the start */
    double qber[KS_LINK_BASES];
    double efficiency;
    enum ks_link_outcome outcome; /* of the last block; RUNNING: none yet */
    uint64_t delivered_enc;       /* keys */
    uint64_t delivered_dec;
    uint64_t burnt; /* drawn, and never delivered */
    uint64_t forgotten;
    uint64_t statuses;
    uint64_t refused[KS_KME_REFUSALS];
    uint64_t commits;
};

/* --- distilling: between the manager, the link and its own thread ------------------------- */

struct ks_kme_parcel {
    uint8_t message;
    struct ks_buf payload;
    struct ks_kme_parcel *next;
};

struct ks_kme_distil {
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    bool running; /* the thread is to go on */
    bool agreed;  /* the pools are the same: blocks may be made */
    bool want;    /* so may the next one */
    bool settled; /* the last block is over at both ends */
    uint16_t share;
    struct ks_link_params params;
    uint32_t generation; /* of PARAMS */
    struct ks_kme_parcel *first;
    struct ks_kme_parcel *last;
    size_t parcel_bytes;
};

struct ks_kme {
    const char *config_path;
    struct ks_kme_config *config;
    struct ks_etsi014_status status; /* what each answer begins with */
    bool alice;
    struct ks_kme_pool *pool;
    struct ks_http_server *http;
    struct ks_tls *link_tls;

    /* The manager's own. */
    struct ks_stream *stream; /* NULL: the link is down */
    bool agreed;
    struct ks_kme_waiting *waiting; /* KS_KME_WAITING_MAX */
    size_t waiting_used;            /* all at and above are free */
    uint64_t next_number;
    struct ks_kme_answering *answering;
    struct ks_buf out; /* answers to the other manager that wait for the commit: number,
                          kept */
    bool in_transaction;
    struct ks_kme_numbers numbers;
    bool block_known; /* one is under way, or has ended at one end */
    uint8_t block[KS_KEYPOOL_BLOCK_LEN];
    bool ended_here;
    bool ended_there;
    uint32_t len_here;
    uint32_t len_there;
    struct ks_kme_done done_unsent; /* of a block that waits for the commit */
    bool done_waits;
    uint64_t forget_us;

    pthread_mutex_t lock; /* over the next seven */
    pthread_cond_t woken;
    pthread_cond_t let_go;
    bool closed; /* no more requests */
    struct ks_kme_event *first;
    struct ks_kme_event *last;
    size_t event_count;
    bool parted; /* the manager has let go of the stream that went down */

    pthread_mutex_t numbers_lock;
    struct ks_kme_numbers shown;

    atomic_bool stopping;
    atomic_bool reloading; /* the configuration is to be read again */
    atomic_bool link_running;
    struct ks_kme_distil distil;
    pthread_t link_thread;
    bool link_started;
    int link_fd; /* listening; -1: this end connects */
    pthread_t admin_thread;
    bool admin_started;
    int admin_fd;
};

/* --- manager.c ---------------------------------------------------------------------------- */
/* Until ks_kme_stop. An error is of the disk or of memory: whatever was not committed was
 * promised to nobody, so the process ends at once. */
KS_MUST_CHECK enum ks_err ks_kme_run(struct ks_kme *kme);
/* These two also from signal handlers. The eavesdropper and the distance are all that is taken
 * from a configuration that is read again. */
void ks_kme_stop(struct ks_kme *kme);
void ks_kme_reload(struct ks_kme *kme);
/* ks_http_handler. */
void ks_kme_handle(void *context, struct ks_http_request *request);
/* From any thread. NULL: no memory. Posting takes EVENT over. */
struct ks_kme_event *ks_kme_event_new(enum ks_kme_event_type type);
void ks_kme_post(struct ks_kme *kme, struct ks_kme_event *event);
/* Within the manager: all changes of the pool are of one transaction. */
KS_MUST_CHECK enum ks_err ks_kme_change(struct ks_kme *kme);

/* --- api.c: on the manager's thread ------------------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_kme_serve(struct ks_kme *kme, struct ks_http_request *request);
/* The other manager keeps, or refuses, what was drawn for the request of that NUMBER. */
void ks_kme_deliver(struct ks_kme *kme, const struct ks_kme_answer *answer);
/* Refuses, with DETAIL, the requests that wait longer than NOW_US allows; 0: all. */
void ks_kme_give_up(struct ks_kme *kme, uint64_t now_us, const char *detail);
/* What the other manager has drawn is kept for its slaves. OUT_KEPT: false when the pools do
 * not agree. */
KS_MUST_CHECK enum ks_err ks_kme_keep(struct ks_kme *kme,
                                      const struct ks_kme_allotment *allotment, bool *out_kept);
/* Sends what waited for the commit. */
void ks_kme_answer_all(struct ks_kme *kme);

/* --- link.c ------------------------------------------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_kme_link_start(struct ks_kme *kme);
void ks_kme_link_stop(struct ks_kme *kme);

/* --- distil.c ----------------------------------------------------------------------------- */
struct ks_kme_distilling {
    struct ks_kme *kme;
    struct ks_stream *stream;
    uint8_t secret[KS_STREAM_SECRET_LEN]; /* of this connection */
};
/* The thread; CONTEXT is a struct ks_kme_distilling. */
void *ks_kme_distil_main(void *context);
void ks_kme_distil_init(struct ks_kme_distil *distil, const struct ks_link_params *params);
void ks_kme_distil_done(struct ks_kme_distil *distil);
void ks_kme_distil_begin(struct ks_kme_distil *distil); /* before the thread of a connection */
void ks_kme_distil_end(struct ks_kme_distil *distil);   /* the thread is to end */
/* The simulated link is another one from the next block on. */
void ks_kme_distil_change(struct ks_kme_distil *distil, const struct ks_link_params *params);
/* A message of the link for the distilling thread; PAYLOAD is copied. KS_ERR_UNAVAILABLE while
 * too many wait: again, a little later. */
KS_MUST_CHECK enum ks_err ks_kme_distil_give(struct ks_kme_distil *distil, uint8_t message,
                                             struct ks_bytes payload);

/* --- admin.c ------------------------------------------------------------------------------ */
KS_MUST_CHECK enum ks_err ks_kme_admin_start(struct ks_kme *kme);
void ks_kme_admin_stop(struct ks_kme *kme);
/* The text of /metrics. */
void ks_kme_metrics_put(const struct ks_kme_numbers *numbers, struct ks_buf *out);

#endif
