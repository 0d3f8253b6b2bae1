/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* monitor.h: the enclave's inside, shared by the files that make it up: monitor.c (loop,
 * request table), requests.c (who asks and with which key), jobs.c (workers, results, quotes,
 * records). One thread. */
#ifndef KS_ENCLAVE_MONITOR_H
#define KS_ENCLAVE_MONITOR_H

#include "detect/trace.h"
#include "enclave/admission.h"
#include "enclave/fl_work.h"
#include "enclave/frame.h"
#include "enclave/journal.h"
#include "enclave/launch.h"
#include "enclave/manager.h"
#include "enclave/state.h"
#include "enclave/stock.h"
#include "enclave/work.h"
#include "record/fl_updates.h"
#include "tpm/tpm.h"

#define KS_MONITOR_JOBS_MAX     4096 /* admitted and not yet answered */
#define KS_MONITOR_WORKERS_MAX  256
#define KS_MONITOR_DEVICES_MAX  256  /* verified certificates remembered */
#define KS_MONITOR_ENDED_MAX    4096 /* jobs that ended last: what an alert can be about */
#define KS_QUOTE_BATCH_MAX      256  /* records under one quote */
#define KS_KEYS_LIFE_S          (24 * 3600)
#define KS_SUBMISSION_AGE_MAX_S 300 /* between the device's clock and ours, either way */

enum ks_monitor_phase {
    KS_PHASE_READY = 1,
    KS_PHASE_BROKEN = 2, /* own storage failed: answers nothing but HELLO */
};

enum ks_monitor_job_state {
    KS_MJOB_FREE = 0,
    KS_MJOB_ADMITTED, /* waits for RUN */
    KS_MJOB_QUEUED,   /* waits for a worker */
    KS_MJOB_RUNNING,
    KS_MJOB_ADDED,    /* an update in the worker's sum: waits for a checkpoint that counts */
    KS_MJOB_FINISHED, /* core made; waits for a quote */
    KS_MJOB_QUOTED,   /* in the batch being quoted */
};

struct ks_monitor_job {
    enum ks_monitor_job_state state;
    char id[KS_UUID_TEXT_LEN + 1];
    uint32_t request; /* frame id of RUN */
    uint64_t order;   /* first come, first served */
    struct ks_request_body body;
    struct ks_buf certificate; /* DER */
    char device[KS_DEVICE_ID_MAX + 1];
    enum ks_key_source key_source; /* of the key that was spent for it */
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t submission_hash[32];
    struct ks_head before; /* last signed head when the job was admitted */
    uint64_t intent_index;
    uint64_t queued_us; /* monotonic */
    uint64_t started_us;
    uint64_t deadline_us; /* monotonic */
    bool cancelled;
    struct ks_core core;
    struct ks_buf parameters;
    struct ks_buf result;
    struct ks_buf kernels;
    struct ks_buf reason;    /* for the method */
    struct ks_buf sdk_texts; /* versions and backend of another SDK */
    struct ks_buf core_bytes;
    uint8_t leaf[32];           /* Merkle leaf of H */
    struct ks_buf start_attest; /* the latest quote when the job was admitted */
    struct ks_buf start_signature;
    /* Of the record of a round alone, which no request asked for: then BODY is empty. */
    struct ks_rounds_session *session; /* NULL: of a request */
    uint64_t round;
    struct ks_buf order_body; /* canonical */
    struct ks_buf order_signature;
    uint64_t finished_us;  /* monotonic */
    struct ks_trace trace; /* values alone: what is known of its execution here */
};

struct ks_monitor_worker {
    struct ks_channel channel; /* fd -1: free slot */
    uint32_t pid;
    enum ks_sdk sdk;            /* whose jobs it runs */
    bool for_rounds;            /* ketseal-worker-fl: none of the two others counts */
    struct ks_monitor_job *job; /* NULL: waiting for one */
    struct ks_fl_slot *slot;    /* whose round it has; NULL: none yet */
};

/* What is being done for the round of a session. One thing at a time. */
enum ks_fl_slot_state {
    KS_SLOT_IDLE = 0,    /* no worker, nothing to do for one */
    KS_SLOT_OPEN_PARENT, /* ketseald opens the parent model */
    KS_SLOT_OPEN_STATE,  /* what the rules remember */
    KS_SLOT_OPEN_PAST,   /* and the checkpoint to go on from */
    KS_SLOT_BEGIN,       /* the worker begins */
    KS_SLOT_OPEN_AGAIN,  /* ketseald opens a sealed update that counts */
    KS_SLOT_ADD_AGAIN,   /* the worker adds it */
    KS_SLOT_READY,       /* it waits */
    KS_SLOT_OPEN_UPDATE, /* ketseald opens a sealed update */
    KS_SLOT_ADD,         /* the worker adds it */
    KS_SLOT_SYNC_UPDATE, /* a sealed update that is to count survives a crash */
    KS_SLOT_OPEN_CHECKPOINT,
    KS_SLOT_WRITE,
    KS_SLOT_SYNC,
    KS_SLOT_OPEN_MODEL, /* from here on the round ends */
    KS_SLOT_OPEN_NEXT,  /* what the rules will remember */
    KS_SLOT_FINISH,
    KS_SLOT_SYNC_MODEL,
    KS_SLOT_SYNC_NEXT,
    KS_SLOT_OPEN_LIST, /* of an audit: ketseald opens the round's list */
};

/* An update that counts, which a worker is to be given again. */
struct ks_fl_replay_update {
    char device[KS_FL_CLIENT_NAME_MAX + 1];
    uint32_t place; /* among all that were invited, by name */
    uint32_t samples;
    enum ks_fl_encoding encoding;
    uint8_t sealed[32];
    uint8_t update[32]; /* what has to be in it */
    double norm;        /* of an audit: as the list has it */
};
/* What a worker is told before it waits: of an open round that goes on, or of one that has
 * ended and is computed again. */
struct ks_fl_replay {
    struct ks_fl_subject subject;
    const struct ks_fl_plan *plan; /* borrowed, of the session */
    uint32_t clients;              /* that were invited */
    uint8_t state[32];             /* that the round began with; zeros: none */
    unsigned checkpoint;           /* to go on from: 1 or 2; 0: none */
    uint8_t checkpoint_hash[32];
    uint64_t checkpoint_len;
    size_t checkpoint_members;
    struct ks_fl_replay_update *updates; /* after that; owned */
    size_t count;
    size_t next;
    size_t norms_other; /* of those that were added, than NORM says */
};
struct ks_fl_slot {
    enum ks_fl_slot_state state;
    struct ks_rounds_session *session;
    struct ks_monitor_worker *worker;
    struct ks_fl_replay replay;
    struct ks_monitor_job *job; /* whose update is opened or added */
    uint32_t request;           /* id of what was asked of ketseald or of the worker */
    uint64_t deadline_us;       /* monotonic, of that */
    uint64_t not_before_us;     /* monotonic: it rests until then */
    size_t synced;              /* of the updates that are staged */
    unsigned file;              /* checkpoint that is written: 1 or 2 */
    uint8_t written[32];        /* hash of what was */
    uint64_t written_len;
    uint8_t next[32]; /* and of what the rules will remember; zeros: nothing */
    char kernels[KS_WORK_NAME_MAX + 1];
    uint32_t threads;
};

/* A round that is computed again. */
struct ks_fl_auditing {
    bool busy;
    uint32_t id;       /* of the order's frame */
    uint64_t until_us; /* monotonic: how long it waits for a worker */
    struct ks_round_summary summary;
    struct ks_fl_updates list;
    struct ks_fl_slot slot; /* its own: none of a session's */
};

struct ks_monitor_device {
    uint8_t fingerprint[32]; /* SHA-256 of the certificate */
    uint64_t expires_s;
    uint64_t used;
    char name[KS_DEVICE_ID_MAX + 1];
    uint8_t key_hash[32]; /* SHA-256 of its public key: owner of one-time keys */
    bool enrolled;        /* its certificate is of our issuer's making, not the root's own */
    struct ks_verify_key *key;
};

/* A job that ran, well or not, and was not an alert yet. */
struct ks_monitor_ended {
    char id[KS_UUID_TEXT_LEN + 1]; /* empty: none, or it was an alert */
    char device[KS_DEVICE_ID_MAX + 1];
};

struct ks_monitor {
    enum ks_monitor_phase phase;
    struct ks_channel launcher;
    struct ks_channel daemon;
    struct ks_channel files; /* to ketseald as well: descriptors come by it */
    struct ks_tpm *tpm;
    struct ks_fs *fs;
    struct ks_tpm_vault tpm_vault;
    struct ks_vault vault;
    struct ks_sealed_authority authority;
    struct ks_buf authorisation;
    bool accept_rollback;
    uint8_t policy[32];    /* what the configuration demands, hashed */
    uint64_t epoch_us;     /* at most this between a change of the state and a count */
    uint64_t epoch_due_us; /* monotonic; 0: nothing has changed */
    struct ks_enclave_state state;
    struct ks_enclave_keys keys; /* these three are borrowed from it */
    struct ks_journal *journal;
    struct ks_head_log *heads;
    struct ks_cert *root;
    struct ks_crl *crl;          /* NULL: none */
    struct ks_cert *issuer;      /* NULL: the site is not certified */
    struct ks_cert_trust *trust; /* of the three above */
    struct ks_admission admission;
    enum ks_key_source key_policy; /* what requests are to be signed with */
    bool key_fall_back;            /* where that cannot be had, with keys of our own delivery */
    uint32_t key_low;
    uint32_t key_life_s;
    struct ks_manager *manager; /* these two NULL: no quantum keys here */
    struct ks_stock *stock;
    struct ks_site site;
    struct ks_buf event_log; /* canonical JSON */
    uint8_t event_log_hash[32];
    uint8_t worker_digest[32];
    uint32_t workers_max;
    uint64_t state_memory_max;
    uint64_t job_seconds_max;
    uint64_t order;                    /* of the next job */
    struct ks_monitor_job *jobs;       /* KS_MONITOR_JOBS_MAX */
    size_t jobs_used;                  /* all at and above are free */
    struct ks_monitor_worker *workers; /* KS_MONITOR_WORKERS_MAX */
    struct ks_monitor_device *devices; /* KS_MONITOR_DEVICES_MAX */
    struct ks_monitor_ended *ended;    /* a ring of KS_MONITOR_ENDED_MAX */
    size_t ended_next;
    struct ks_alert_rules alerts;
    struct ks_fl_rules fl;
    struct ks_fl_slot slots[KS_ROUNDS_SESSIONS_MAX]; /* in the order of the sessions */
    struct ks_fl_auditing audit;
    uint32_t files_id;       /* of the last request for a file */
    struct ks_buf fl_alerts; /* entries about contributions that ketseald was not told yet */
    unsigned fl_alert_count;
    struct ks_monitor_job *batch[KS_QUOTE_BATCH_MAX]; /* under the quote being made */
    size_t batch_count;
    bool
        quoting; /* the TPM makes one: of the batch, or, where that is empty, of the platform */
    uint64_t quote_begin_us;
    uint64_t quote_window_us;  /* that a finished job waits for others */
    uint64_t quote_refresh_us; /* age at which the latest quote is made anew */
    struct ks_buf last_attest; /* the latest quote */
    struct ks_buf last_signature;
    uint64_t last_us; /* monotonic: when it was there */
    bool closed;      /* ketseald has gone */
};

/* Handlers: PAYLOAD is the request's; they answer by writing a whole answer frame to
 * monitor->daemon.out, now or (RUN) later. An error that they return is answered by the loop.
 */
typedef enum ks_err (*ks_monitor_handler)(struct ks_monitor *monitor, uint32_t id,
                                          struct ks_bytes payload);

KS_MUST_CHECK enum ks_err ks_monitor_hello(struct ks_monitor *, uint32_t id,
                                           struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_keys(struct ks_monitor *, uint32_t id,
                                          struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_auth(struct ks_monitor *, uint32_t id,
                                          struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_admit(struct ks_monitor *, uint32_t id,
                                           struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_run(struct ks_monitor *, uint32_t id,
                                         struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_cancel(struct ks_monitor *, uint32_t id,
                                            struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_checkpoint(struct ks_monitor *, uint32_t id,
                                                struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_attest(struct ks_monitor *, uint32_t id,
                                            struct ks_bytes payload);

KS_MUST_CHECK enum ks_err ks_monitor_enrol(struct ks_monitor *, uint32_t id,
                                           struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_enrol_finish(struct ks_monitor *, uint32_t id,
                                                  struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_device_challenge(struct ks_monitor *, uint32_t id,
                                                      struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_device_evidence(struct ks_monitor *, uint32_t id,
                                                     struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_rotate(struct ks_monitor *, uint32_t id,
                                            struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_order(struct ks_monitor *, uint32_t id,
                                           struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_devices(struct ks_monitor *, uint32_t id,
                                             struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_site_request(struct ks_monitor *, uint32_t id,
                                                  struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_site_activate(struct ks_monitor *, uint32_t id,
                                                   struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_site_certify(struct ks_monitor *, uint32_t id,
                                                  struct ks_bytes payload);

KS_MUST_CHECK enum ks_err ks_monitor_alert(struct ks_monitor *, uint32_t id,
                                           struct ks_bytes payload);

KS_MUST_CHECK enum ks_err ks_monitor_fl_order(struct ks_monitor *, uint32_t id,
                                              struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_status(struct ks_monitor *, uint32_t id,
                                               struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_upload(struct ks_monitor *, uint32_t id,
                                               struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_join(struct ks_monitor *, uint32_t id,
                                             struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_offer(struct ks_monitor *, uint32_t id,
                                              struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_recorded(struct ks_monitor *, uint32_t id,
                                                 struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_fl_list(struct ks_monitor *, uint32_t id,
                                             struct ks_bytes payload);

/* --- fl_orders.c -------------------------------------------------------------------------- */
/* KS_ERR_UNAVAILABLE where this site runs no federated learning. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_here(const struct ks_monitor *monitor);
KS_MUST_CHECK enum ks_err ks_monitor_fl_session(struct ks_monitor *monitor,
                                                const uint8_t id[KS_SESSION_LEN],
                                                struct ks_rounds_session **out_session);
/* KS_OK when JOB, of an update, may run: its round takes it, or it counts already. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_admit(struct ks_monitor *monitor,
                                              const struct ks_monitor_job *job);
/* What the open round of SESSION, which JOB's update is for, says to it at NOW_US. */
enum ks_fl_answer ks_monitor_fl_judge(const struct ks_rounds_session *session,
                                      const struct ks_monitor_job *job, uint64_t now_us);
/* Begins the next round of each session that waits for one; lets time end phases. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_time(struct ks_monitor *monitor);

/* The key that updates of SESSION's round NUMBER are sealed to; the caller frees it. */
struct ks_kem_key;
KS_MUST_CHECK enum ks_err ks_monitor_fl_key(const struct ks_monitor *monitor,
                                            const struct ks_rounds_session *session,
                                            uint64_t number, struct ks_kem_key **out_key);

/* --- fl_status.c -------------------------------------------------------------------------- */
/* Answers frame ID of TYPE with SESSION as it is: lp32 document. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_answer(struct ks_monitor *monitor, uint16_t type,
                                               uint32_t id,
                                               const struct ks_rounds_session *session);
/* --- fl_replay.c -------------------------------------------------------------------------- */
/* A worker is brought to where its round is: parent model, begin, every update that counts in
 * the order of the chain. Rounds go on by it after a crash; an audit computes a round again by
 * it, from SLOT of its own. The caller fills in slot->replay and slot->worker, passes on what
 * ketseald and the worker answer while the slot is in one of the states of a replay, and goes
 * on when it is READY. An error is the worker's, ketseald's or ours: the worker is of no use.
 */
bool ks_fl_replays(const struct ks_fl_slot *slot); /* whether it is in one of these states */
void ks_fl_replay_start(struct ks_monitor *monitor, struct ks_fl_slot *slot);
KS_MUST_CHECK enum ks_err ks_fl_replay_opened(struct ks_monitor *monitor,
                                              struct ks_fl_slot *slot, uint64_t length, int fd);
KS_MUST_CHECK enum ks_err ks_fl_replay_answered(struct ks_monitor *monitor,
                                                struct ks_fl_slot *slot,
                                                struct ks_reader *reader);
void ks_fl_replay_done(struct ks_fl_replay *replay); /* zeroed is fine */

/* Single steps. ketseald is asked about FILE of the replay's round; HASH (NULL: zeros) and
 * DEVICE as docs/formats/frames.md says. */
struct ks_fl_asked {
    uint16_t type; /* KS_FRAME_FL_OPEN or KS_FRAME_FL_SYNC */
    enum ks_fl_file file;
    const uint8_t *hash;
    struct ks_bytes device;
};
void ks_fl_ask_files(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                     const struct ks_fl_asked *asked, enum ks_fl_slot_state state);
/* FD, of LENGTH bytes, goes to the worker as FILE. */
KS_MUST_CHECK enum ks_err ks_fl_hand_on(struct ks_fl_slot *slot, enum ks_fl_file file,
                                        uint64_t length, int fd);
KS_MUST_CHECK enum ks_err ks_fl_ask_worker(struct ks_fl_slot *slot, uint16_t type,
                                           const struct ks_buf *payload,
                                           enum ks_fl_slot_state state);
/* UPDATE's sealed bytes, in FD, are added by the worker. KS_ERR_FORMAT when these are none, and
 * nothing was asked; else an error is the worker's or ours. */
KS_MUST_CHECK enum ks_err ks_fl_send_update(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                            const struct ks_fl_replay_update *update,
                                            uint64_t length, int fd,
                                            enum ks_fl_slot_state state);
/* The worker, which has files to write to, makes what the round comes to. */
KS_MUST_CHECK enum ks_err ks_fl_send_finish(struct ks_fl_slot *slot);
/* What a round of PLAN gathers where CLIENTS are invited; its context is not set.
 * KS_ERR_UNAVAILABLE for a rule that no site has. */
struct ks_fl_gather_params;
KS_MUST_CHECK enum ks_err ks_fl_gather_of(const struct ks_fl_plan *plan, uint32_t clients,
                                          struct ks_fl_gather_params *out_params);
/* Whether its rule is one sum, so that it has checkpoints; else updates are given again. */
bool ks_fl_plan_sums(const struct ks_fl_plan *plan);

/* --- fl_pump.c ---------------------------------------------------------------------------- */
/* Does for each round what is next. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_pump(struct ks_monitor *monitor);
/* What a worker of rounds said, or that it died. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_worker(struct ks_monitor *monitor,
                                               struct ks_monitor_worker *worker);
/* What ketseald said on the channel of files. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_files(struct ks_monitor *monitor);
/* Monotonic time at which something is over its time, or a phase ends; 0: never. */
uint64_t ks_monitor_fl_deadline_us(const struct ks_monitor *monitor);

/* A worker of rounds that has none; NULL. */
struct ks_monitor_worker *ks_monitor_fl_free_worker(struct ks_monitor *monitor);

/* --- fl_audit.c --------------------------------------------------------------------------- */
/* An operator wants SESSION's round NUMBER computed again: ID, its order's frame, is answered
 * later with a signed document (record/fl_audit.h). KS_ERR_UNAVAILABLE while another one is;
 * KS_ERR_NOT_FOUND, KS_ERR_CONFLICT: there is no such round with a model. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_audit(struct ks_monitor *monitor, uint32_t id,
                                              struct ks_rounds_session *session,
                                              uint64_t number);
/* Whether it waits for ketseald's answer to REQUEST; the answer, with its descriptor or -1. */
bool ks_monitor_fl_audit_asked(const struct ks_monitor *monitor, uint32_t request);
void ks_monitor_fl_audit_file(struct ks_monitor *monitor, const struct ks_frame *frame, int fd);
/* What its worker said; NULL: it died. */
void ks_monitor_fl_audit_worker(struct ks_monitor *monitor, const struct ks_frame *frame);
/* Gives it a worker when one is free. */
void ks_monitor_fl_audit_pump(struct ks_monitor *monitor);
uint64_t ks_monitor_fl_audit_deadline_us(const struct ks_monitor *monitor); /* 0: never */

/* --- fl_core.c ---------------------------------------------------------------------------- */
/* Makes the core of JOB's record: of DELIVERY, or, where JOB is a round's, of its summary. H
 * goes to OUT_HASH. JOB is as it was. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_core_update(struct ks_monitor *monitor,
                                                    struct ks_monitor_job *job,
                                                    const struct ks_fl_slot *slot,
                                                    const struct ks_delivery *delivery,
                                                    uint8_t out_hash[32]);
KS_MUST_CHECK enum ks_err ks_monitor_fl_core_round(struct ks_monitor *monitor,
                                                   struct ks_monitor_job *job,
                                                   const struct ks_fl_slot *slot,
                                                   const struct ks_round_summary *summary);

/* --- fl_alerts.c -------------------------------------------------------------------------- */
#define KS_FL_ALERTS_MAX 4096 /* entries that wait for ketseald */
/* SESSION's open round, all of whose deliveries count, is about to end: what stands out there
 * is counted, and told to ketseald. */
KS_MUST_CHECK enum ks_err ks_monitor_fl_suspects(struct ks_monitor *monitor,
                                                 const struct ks_rounds_session *session);
/* Appends what is told, which no longer waits then. */
void ks_monitor_fl_alerts_put(struct ks_monitor *monitor, struct ks_buf *out);

/* --- alerts.c ----------------------------------------------------------------------------- */
/* Counts an alert, which NAME tells from others, about the device KNOWN, and suspends it when
 * that is one too many by RULES; then its entry is appended to LEDGER. *OUT_COUNT: the alerts
 * within the window. KS_ERR_CONFLICT when it is counted already. */
KS_MUST_CHECK enum ks_err ks_monitor_count_alert(struct ks_monitor *monitor,
                                                 const struct ks_alert_rules *rules,
                                                 const struct ks_device_entry *known,
                                                 struct ks_bytes name, struct ks_buf *ledger,
                                                 size_t *out_count);
/* JOB, which ran, has ended: it can be an alert from now on. */
void ks_monitor_job_ended(struct ks_monitor *monitor, const struct ks_monitor_job *job);

/* --- requests.c --------------------------------------------------------------------------- */
#define KS_MONITOR_CERTIFICATE_MAX 32768 /* bytes of DER in a frame */
#define KS_SIGNED_DOCUMENT_MAX     32768 /* bytes; an SLH-DSA-SHA2-128f signature has 22,784 */
/* What a device asks for in a document that it signed: lp32 certificate, 32 channel, lp32
 * document. */
struct ks_signed_document {
    struct ks_bytes certificate;
    struct ks_bytes document;
    uint8_t channel[KS_CHANNEL_LEN];
};
KS_MUST_CHECK enum ks_err ks_signed_document_read(struct ks_bytes payload, const char *what,
                                                  struct ks_signed_document *out_document);
/* The device whose certificate DER is, if it has RIGHT. Borrowed until the next call. */
KS_MUST_CHECK enum ks_err ks_monitor_device(struct ks_monitor *monitor, struct ks_bytes der,
                                            enum ks_device_right right,
                                            struct ks_monitor_device **out_device);
/* Certificates are verified anew from now on: trust has changed. */
void ks_monitor_forget_devices(struct ks_monitor *monitor);

/* --- quantum.c ---------------------------------------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_monitor_key_rules(struct ks_monitor *monitor,
                                               const struct ks_key_rules *rules);
KS_MUST_CHECK enum ks_err ks_monitor_announce(struct ks_monitor *, uint32_t id,
                                              struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_link_data(struct ks_monitor *, uint32_t id,
                                               struct ks_bytes payload);
KS_MUST_CHECK enum ks_err ks_monitor_link_close(struct ks_monitor *, uint32_t id,
                                                struct ks_bytes payload);
enum ks_key_source ks_key_name_source(const struct ks_key_name *name);
/* The key NAME of DEVICE, if keys of its source count here: for checking a signature. */
KS_MUST_CHECK enum ks_err ks_monitor_key(struct ks_monitor *monitor,
                                         const struct ks_key_name *name,
                                         const struct ks_monitor_device *device,
                                         uint8_t out_key[KS_ONE_TIME_KEY_LEN]);
/* Uses it up: durably where it is of the journal, and for good. */
KS_MUST_CHECK enum ks_err ks_monitor_spend(struct ks_monitor *monitor,
                                           const struct ks_key_name *name,
                                           const struct ks_monitor_device *device);

/* --- devices.c ---------------------------------------------------------------------------- */
/* lp32 certificate, 32 channel, lp32 document: a request of an enrolled device. */
struct ks_device_request {
    struct ks_monitor_device *device;    /* borrowed */
    const struct ks_device_entry *entry; /* borrowed until the registry changes */
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_bytes document;
};
KS_MUST_CHECK enum ks_err ks_device_request_read(struct ks_monitor *monitor,
                                                 struct ks_bytes payload, size_t document_max,
                                                 enum ks_device_right right,
                                                 struct ks_device_request *out_request);
/* Whether its certificate is for another key than the device has now. */
bool ks_device_request_replaced(const struct ks_device_request *request);
/* Uses up the open challenge of REQUEST's device. KS_ERR_DENIED when there is none for its
 * channel. */
KS_MUST_CHECK enum ks_err ks_device_challenge_take(struct ks_admission *admission,
                                                   const struct ks_device_request *request,
                                                   struct ks_device_challenge *out_challenge);

/* --- certify.c ---------------------------------------------------------------------------- */
/* Takes up the certificate that was kept, if it still holds. */
KS_MUST_CHECK enum ks_err ks_monitor_load_certificate(struct ks_monitor *monitor);

/* A signed document, WHAT it is for people, was made for this site, for this connection, and
 * lately. KS_ERR_DENIED. */
struct ks_monitor_said {
    const char *what;
    struct ks_bytes site;
    const uint8_t *channel; /* KS_CHANNEL_LEN bytes */
    uint64_t created_us;
};
KS_MUST_CHECK enum ks_err ks_monitor_meant(const struct ks_monitor *monitor,
                                           const struct ks_monitor_said *said,
                                           const uint8_t channel[KS_CHANNEL_LEN]);

/* The operator of certificate DER, with the hash of its public key. */
KS_MUST_CHECK enum ks_err ks_monitor_operator(struct ks_monitor *monitor, struct ks_bytes der,
                                              struct ks_cert **out_cert,
                                              struct ks_verify_key **out_key,
                                              uint8_t out_hash[32]);

/* --- jobs.c ------------------------------------------------------------------------------- */
/* Answers RUN with the error and its stored detail. */
void ks_monitor_job_fail(struct ks_monitor *monitor, struct ks_monitor_job *job,
                         enum ks_err err);
/* What a core says of ledger, platform, request and record; of a round no request. */
void ks_monitor_core_fill(const struct ks_monitor *monitor, struct ks_monitor_job *job);
/* Writes the core's bytes and its leaf; H goes to OUT_HASH. */
KS_MUST_CHECK enum ks_err ks_monitor_core_close(struct ks_monitor_job *job,
                                                uint8_t out_hash[32]);
/* Its connection is closed, and the launcher ends it, whether it wants to end or not. */
void ks_monitor_worker_end(struct ks_monitor *monitor, struct ks_monitor_worker *worker);
/* A free job; KS_ERR_UNAVAILABLE when all are taken. */
KS_MUST_CHECK enum ks_err ks_monitor_job_new(struct ks_monitor *monitor,
                                             struct ks_monitor_job **out_job);
void ks_monitor_job_free(struct ks_monitor *monitor, struct ks_monitor_job *job);
struct ks_monitor_job *ks_monitor_job_find(struct ks_monitor *monitor, struct ks_bytes id);

/* Takes over FD, a fresh worker's socket: of PAYLOAD, a WORKER frame. */
KS_MUST_CHECK enum ks_err ks_monitor_worker_add(struct ks_monitor *monitor, int fd,
                                                struct ks_bytes payload);
/* The hash of SDK's environment, borrowed; NULL: this site does not have that SDK. */
const uint8_t *ks_monitor_environment(const struct ks_monitor *monitor, enum ks_sdk sdk);
/* Reads what worker SLOT has sent; ends it. */
KS_MUST_CHECK enum ks_err ks_monitor_worker_readable(struct ks_monitor *monitor, size_t slot);
/* Gives queued jobs to waiting workers, and ends those over their time. */
KS_MUST_CHECK enum ks_err ks_monitor_dispatch(struct ks_monitor *monitor);
/* The first quote of this launch, over no record. Waits for it. */
KS_MUST_CHECK enum ks_err ks_monitor_quote_first(struct ks_monitor *monitor);
/* Starts a quote over what has finished and whose window is over, or one of the platform where
 * the latest is old; if none is being made. */
KS_MUST_CHECK enum ks_err ks_monitor_quote_start(struct ks_monitor *monitor);
/* Takes the quote and seals the batch. */
KS_MUST_CHECK enum ks_err ks_monitor_quote_finish(struct ks_monitor *monitor);
/* Before anything else is asked of the TPM: waits for the quote under way, if there is one. */
KS_MUST_CHECK enum ks_err ks_monitor_tpm_ready(struct ks_monitor *monitor);
/* Monotonic time at which the next quote is to start; 0 while one is being made. */
uint64_t ks_monitor_quote_due_us(const struct ks_monitor *monitor);
/* Monotonic time at which the next job is over its time; 0 for none. */
uint64_t ks_monitor_deadline_us(const struct ks_monitor *monitor);

#endif
