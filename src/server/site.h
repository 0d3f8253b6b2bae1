/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* site.h: the one thread of ketseald that decides: it takes requests from the HTTP loops, asks
 * the enclave, and commits in groups. Everything here runs on that thread unless it says
 * otherwise.
 *
 *   request -> ADMIT (enclave) -> intent committed -> RUN (enclave, worker) -> record committed
 *           -> CHECKPOINT (enclave) -> bundle
 *
 * What waits for the disk is gathered: one transaction commits all intents and results that
 * came in while the last one was being made. */
#ifndef KS_SERVER_SITE_H
#define KS_SERVER_SITE_H

#include <pthread.h>

#include "enclave/frame.h"
#include "ledger/ledger.h"
#include "ledger/note.h"
#include "net/http_server.h"
#include "record/record.h"
#include "server/cosigners.h"
#include "server/fl_files.h"
#include "server/publish.h"
#include "server/refusals.h"
#include "server/relay.h"
#include "server/traces.h"
#include "server/witnessed.h"
#include "store/store.h"

#define KS_SITE_PENDING_MAX 4096 /* requests that wait for the enclave or the disk */

struct ks_site_server;
struct ks_task;

/* Called with the enclave's answer to what TASK asked, or its error (detail stored). The task
 * is the continuation's: it moves it on or ends it. */
typedef void (*ks_task_step)(struct ks_site_server *server, struct ks_task *task,
                             enum ks_err err, struct ks_reader *answer);

enum ks_task_state {
    KS_TASK_FREE = 0,
    KS_TASK_ASKED,      /* an answer of the enclave is awaited */
    KS_TASK_INTENT,     /* admitted; the intent waits for the next commit */
    KS_TASK_RUNNING,    /* RUN was sent */
    KS_TASK_RESULT,     /* record or abort entry waits for the next commit */
    KS_TASK_CHECKPOINT, /* durable; waits for a checkpoint that covers it */
    KS_TASK_ENTRY,      /* an entry of no job waits for the next commit; RECORD is the answer */
    KS_TASK_ALERT,      /* the entry of an anomaly waits for the next commit */
    KS_TASK_WITNESSED,  /* a bundle that waits for a checkpoint of WANTED that covers it */
};

/* One request, or one job that goes on after its request was answered. */
struct ks_task {
    enum ks_task_state state;
    uint32_t id; /* of frames */
    ks_task_step step;
    struct ks_http_request *request; /* NULL once it was answered */
    bool wait;                       /* answer with the bundle, not with the job's state */
    enum ks_witnessed_state wanted;  /* of the bundle */
    uint64_t until_us;               /* monotonic: how long it is waited for */
    bool fetched; /* not the job itself: somebody asks for the bundle of one that has ended */
    struct ks_store_job job;
    enum ks_key_source key_source; /* of the key that the job was signed with */
    enum ks_key_source key_policy; /* and what the site asks for */
    struct ks_buf intent;
    struct ks_buf entry;
    struct ks_buf record;
    enum ks_err failure; /* why there is no record */
    bool cancel_wanted;
    bool suspect;   /* ENTRY is an alert about a contribution of the job's device */
    uint64_t round; /* of the record of a round, which nobody has asked for; 0: of a job */
    uint8_t session[KS_SESSION_LEN];
    uint64_t begin_us; /* monotonic, of each stage: received, admitted, intent durable, sealed,
                          durable */
    uint64_t admitted_us;
    uint64_t intended_us;
    uint64_t sealed_us;
    uint64_t committed_us;
    struct ks_trace trace;
    uint64_t trace_number; /* in the store; 0: not there */
};

/* What ketseald's main does when the site's document changes: CONTEXT is its own; ISSUER_PEM is
 * the certificate from which devices' come, empty when there is none. */
typedef enum ks_err (*ks_issuer_changed)(void *context, struct ks_bytes issuer_pem);

struct ks_site_server {
    struct ks_channel enclave;
    struct ks_relay relay;          /* to the enclave's key manager */
    struct ks_cosigners *cosigners; /* NULL: there are no witnesses */
    ks_issuer_changed issuer_changed;
    void *issuer_context;
    struct ks_store *store;
    struct ks_store_reader *reader;
    struct ks_ledger *ledger;
    struct ks_tile_store tiles; /* in memory: derived, rebuilt at start */
    struct ks_publisher publisher;
    struct ks_buf site_document;
    struct ks_buf issuer_pem; /* of the site document; empty: none */
    char origin[256];
    struct ks_head signed_head; /* of the newest checkpoint */
    struct ks_buf checkpoint;   /* its note; empty before the first */
    bool checkpoint_asked;
    struct ks_head checkpoint_head; /* of the one that was asked for */
    bool checkpoint_unsaved;
    bool checkpoint_unpublished; /* not among the files yet */
    bool checkpoint_wanted; /* though nobody waits for it: entries without one after a crash or
                               failure */
    struct ks_witnessed witnessed[KS_WITNESSED_STATES];
    struct ks_traces traces;
    struct ks_refusals refusals;
    struct ks_fl_files *fl_files; /* NULL: no federated learning here */
    bool fl_asked;                /* for rounds that want a record */
    uint64_t fl_due_us;           /* monotonic: when that is asked next */
    struct ks_task *tasks;        /* KS_SITE_PENDING_MAX */
    size_t tasks_used;            /* all at and above are free */
    uint32_t next_id;
    bool stopping;

    pthread_mutex_t lock; /* guards the queue alone */
    struct ks_http_request **queue;
    size_t queue_head;
    size_t queue_count;
    bool closed; /* nobody takes from the queue any more */
    int wake;    /* eventfd */
};

/* Takes over ENCLAVE_FD, opens the store, rebuilds the ledger, ends jobs that a crash
 * interrupted. */
KS_MUST_CHECK enum ks_err ks_site_server_open(const char *state_dir, int enclave_fd,
                                              struct ks_site_server **out_server);
void ks_site_server_close(struct ks_site_server *server); /* NULL is fine */
/* Until ks_site_server_stop and nothing is pending any more. */
KS_MUST_CHECK enum ks_err ks_site_server_run(struct ks_site_server *server);
/* From any thread and from signal handlers: take no new jobs, finish what was accepted. */
void ks_site_server_stop(struct ks_site_server *server);
/* Its thread takes another turn; from any thread. */
void ks_site_server_wake(struct ks_site_server *server);
/* ks_http_handler: from any loop's thread; CONTEXT is the server. */
void ks_site_server_handle(void *context, struct ks_http_request *request);

/* --- for the api_*.c files ---------------------------------------------------------------- */
/* Routes one request; answers it, or makes a task of it. */
void ks_api_route(struct ks_site_server *server, struct ks_http_request *request);
/* Answers of the task's kind when its job has ended, well or not; frees nothing. */
void ks_api_job_ended(struct ks_site_server *server, struct ks_task *task);
/* 202 and the state of the job. */
void ks_api_job_accepted(struct ks_task *task);
/* The bundle of the task's job under the newest checkpoint of the state that it wants. */
void ks_api_job_witnessed(struct ks_site_server *server, struct ks_task *task);

/* A task for REQUEST; NULL after answering 503 when too many wait. REQUEST NULL: of nobody. */
struct ks_task *ks_task_new(struct ks_site_server *server, struct ks_http_request *request);
void ks_task_free(struct ks_site_server *server, struct ks_task *task);
/* Answers the request with an error, if it still waits, and frees the task. */
void ks_task_fail(struct ks_site_server *server, struct ks_task *task, enum ks_err err);
/* Sends a frame of TYPE with PAYLOAD; STEP gets the answer. */
void ks_task_ask(struct ks_site_server *server, struct ks_task *task, uint16_t type,
                 struct ks_bytes payload, ks_task_step step);
/* The admitted job of TASK goes to the next commit. */
void ks_task_admitted(struct ks_site_server *server, struct ks_task *task);
/* The running job's task with that id; NULL. */
struct ks_task *ks_task_find_job(struct ks_site_server *server, const char *job_id);
struct ks_task *ks_task_find_idempotency(struct ks_site_server *server, const char *device,
                                         const char *idempotency);

/* Before a session's digits: who the store says the record of one of its rounds belongs to. No
 * device is called so. */
#define KS_FL_OWNER "fl:"
/* Asks the enclave, now and then, for rounds of federated learning that want a record. */
void ks_site_fl_turn(struct ks_site_server *server);
/* How long poll may sleep for that: at most MS, -1 for ever. */
int ks_site_fl_wait_ms(const struct ks_site_server *server, int ms);
/* The record of ENDED's round is durable. */
void ks_site_fl_recorded(struct ks_site_server *server, const struct ks_task *ended);

/* Answers TASK with the document that its RECORD holds, and frees it. */
void ks_task_answer_entry(struct ks_site_server *server, struct ks_task *task);
/* The site's document is DOCUMENT now; connections of its issuer's devices are taken. */
KS_MUST_CHECK enum ks_err ks_site_server_take_document(struct ks_site_server *server,
                                                       struct ks_bytes document);

/* Inclusion of the record entry at INDEX and of its intent in the tree of UNDER; NULL: in the
 * newest signed tree. Borrows the note. */
KS_MUST_CHECK enum ks_err ks_site_inclusion(struct ks_site_server *server, uint64_t index,
                                            uint64_t intent_index,
                                            const struct ks_witnessed *under,
                                            struct ks_inclusion *out_inclusion);

void ks_reply_json(struct ks_http_request *request, int status, struct ks_bytes body);
void ks_reply_text(struct ks_http_request *request, int status, struct ks_bytes body);

#endif
