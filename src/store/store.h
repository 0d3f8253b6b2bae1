/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* store.h: the truth of a site: jobs, ledger entries, records, checkpoints, in one SQLite
 * database, ketseal.db (WAL, synchronous=FULL; docs/formats/store.md). What a commit returned
 * OK for survives any crash; what it did not is either there or not, whole. Hides SQL. One
 * writer connection, used by one thread; any number of readers, each used by one thread. Opened
 * before the sandbox closes; afterwards it touches only files in the database's own directory.
 */
#ifndef KS_STORE_STORE_H
#define KS_STORE_STORE_H

#include "base/mem.h"
#include "base/text.h"
#include "detect/trace.h"

#define KS_STORE_ENTRY_MAX       1024               /* bytes of a ledger entry */
#define KS_STORE_RECORD_MAX      (64 * 1024 * 1024) /* bytes of a record */
#define KS_STORE_DEVICE_MAX      100                /* characters of a device id */
#define KS_STORE_IDEMPOTENCY_MAX 64                 /* characters of an idempotency key */
#define KS_STORE_DETAIL_MAX      512
#define KS_STORE_NOTE_MAX        65536 /* bytes of a checkpoint note */
#define KS_STORE_PAGE_MAX        1000
#define KS_STORE_COSIGNED_MAX    131072 /* bytes of a note with cosignatures */
#define KS_STORE_ATTACHED_MAX    131072 /* bytes of an anchor, of a time stamp */
#define KS_STORE_MODEL_LEN       32     /* a model's hash */
#define KS_STORE_DETECTION_MAX   65536  /* bytes of what was said of a trace */

struct ks_store;
struct ks_store_reader;

struct ks_store_options {
    uint32_t version; /* 1 */
    const char
        *directory;  /* created if absent, mode 0700 (with a VFS of its own: never touched) */
    const char *vfs; /* SQLite VFS name; NULL for the default: tests put a crashing one here */
    /* With a VFS of its own: syncs its directory. Without one, the store does that by itself.
     */
    enum ks_err (*sync_dir)(void *context);
    void *sync_dir_context;
    uint32_t wal_pages; /* pages in the WAL before it is folded into the database; 0: 1000 */
};

enum ks_store_job_state {
    KS_JOB_ACCEPTED = 1, /* intent durable, not yet answered by the enclave */
    KS_JOB_DONE = 2,     /* record durable */
    KS_JOB_FAILED = 3,   /* error kept */
    KS_JOB_CANCELLED = 4,
};
const char *ks_job_state_name(enum ks_store_job_state state);

struct ks_store_job {
    char id[KS_UUID_TEXT_LEN + 1];
    char device[KS_STORE_DEVICE_MAX + 1];
    char idempotency[KS_STORE_IDEMPOTENCY_MAX + 1]; /* "" for none */
    enum ks_store_job_state state;
    uint8_t job_digest[32];
    uint64_t created_us;
    uint64_t finished_us;  /* 0 until it ends */
    uint64_t intent_index; /* ledger index of the intent */
    uint64_t result_index; /* of the record or abort entry; valid in DONE, FAILED, CANCELLED */
    enum ks_err error;     /* FAILED */
    char detail[KS_STORE_DETAIL_MAX + 1];
};

KS_MUST_CHECK enum ks_err ks_store_open(const struct ks_store_options *options,
                                        struct ks_store **out_store);
void ks_store_close(
    struct ks_store *store); /* NULL is fine; an open transaction is rolled back */

/* --- writing: one transaction is one group commit ----------------------------------------- */
/* KS_ERR_CONFLICT when another process has appended to the ledger. Afterwards KS_ERR_CONFLICT,
 * _NOT_FOUND, _LIMIT and _USAGE leave the transaction as it was; any other error has rolled it
 * back, and only ks_store_commit (which then fails) or ks_store_rollback may follow. */
KS_MUST_CHECK enum ks_err ks_store_begin(struct ks_store *store);
/* Appends ENTRY at the next ledger index (gapless from 0), its leaf hash beside it. */
KS_MUST_CHECK enum ks_err ks_store_append(struct ks_store *store, struct ks_bytes entry,
                                          const uint8_t leaf[32], uint64_t *out_index);
/* Inserts JOB in state ACCEPTED. KS_ERR_CONFLICT when the id, or (device, idempotency) exists.
 */
KS_MUST_CHECK enum ks_err ks_store_job_insert(struct ks_store *store,
                                              const struct ks_store_job *job);
/* ACCEPTED -> DONE with its record, or -> FAILED / CANCELLED; KS_ERR_CONFLICT from any other
 * state. */
KS_MUST_CHECK enum ks_err ks_store_job_done(struct ks_store *store, const char *id,
                                            uint64_t finished_us, uint64_t result_index,
                                            struct ks_bytes record);
KS_MUST_CHECK enum ks_err ks_store_job_end(struct ks_store *store, const char *id,
                                           enum ks_store_job_state state, uint64_t finished_us,
                                           uint64_t result_index, enum ks_err error,
                                           const char *detail);
/* The site's checkpoint note at SIZE; replaces none: KS_ERR_CONFLICT if one is there for that
 * size with other bytes. */
KS_MUST_CHECK enum ks_err ks_store_checkpoint_put(struct ks_store *store, uint64_t size,
                                                  struct ks_bytes note);
/* The newest cosigned checkpoint: NOTE at SIZE replaces what was there. KS_ERR_CONFLICT when
 * that was larger. */
KS_MUST_CHECK enum ks_err ks_store_cosigned_put(struct ks_store *store, uint64_t size,
                                                struct ks_bytes note);
/* What was attached to a checkpoint. */
struct ks_store_attachment {
    struct ks_bytes note;
    struct ks_bytes anchor;    /* empty: none */
    struct ks_bytes timestamp; /* empty: none */
};
/* Keeps ATTACHMENT for the checkpoint of SIZE entries, in place of what is there: the caller
 * has merged them. */
KS_MUST_CHECK enum ks_err ks_store_attachment_put(struct ks_store *store, uint64_t size,
                                                  const struct ks_store_attachment *attachment);
/* Keeps TRACE: as a new row where *NUMBER is 0, which becomes its number, 1 or more and larger
 * than those before; else in place of that row, if it still is there. Of all rows the KEEP
 * newest stay, at least one. A trace that ks_trace_check refuses is KS_ERR_USAGE. */
KS_MUST_CHECK enum ks_err ks_store_trace_put(struct ks_store *store,
                                             const struct ks_trace *trace, uint64_t keep,
                                             uint64_t *number);
/* Keeps what the detector said of the trace NUMBER, if that still is there, in place of what it
 * said before: of an anomaly all, DOCUMENT; else (empty) the path and the model. Goes with the
 * trace. */
struct ks_store_detection {
    uint32_t path;
    uint8_t model[KS_STORE_MODEL_LEN];
    struct ks_bytes document; /* the store does not read it */
};
KS_MUST_CHECK enum ks_err ks_store_detection_put(struct ks_store *store, uint64_t number,
                                                 const struct ks_store_detection *detection);
/* The entry at POSITION is an alert about a contribution of DEVICE, which came at AT_US. */
KS_MUST_CHECK enum ks_err ks_store_suspect_put(struct ks_store *store, uint64_t position,
                                               const char *device, uint64_t at_us);
/* Durable when this returns KS_OK; on an error the transaction is rolled back. */
KS_MUST_CHECK enum ks_err ks_store_commit(struct ks_store *store);
void ks_store_rollback(struct ks_store *store); /* without a transaction: nothing */

/* --- reading: sees committed transactions only -------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_store_reader_new(const struct ks_store_options *options,
                                              struct ks_store_reader **out_reader);
void ks_store_reader_free(struct ks_store_reader *reader); /* NULL is fine */
KS_MUST_CHECK enum ks_err ks_store_size(struct ks_store_reader *reader, uint64_t *out_size);
/* Entry INDEX; KS_ERR_NOT_FOUND past the end. Appends to OUT. */
KS_MUST_CHECK enum ks_err ks_store_entry(struct ks_store_reader *reader, uint64_t index,
                                         struct ks_buf *out);
/* Calls VISIT for entries [first, first + count) in order, stopping at its first error.
 * KS_ERR_NOT_FOUND after the last one if there are fewer. VISIT must not read entries with the
 * same reader. */
typedef enum ks_err (*ks_store_visit)(void *context, uint64_t index, struct ks_bytes entry,
                                      const uint8_t leaf[32]);
KS_MUST_CHECK enum ks_err ks_store_entries(struct ks_store_reader *reader, uint64_t first,
                                           uint64_t count, ks_store_visit visit, void *context);
KS_MUST_CHECK enum ks_err ks_store_job(struct ks_store_reader *reader, const char *id,
                                       struct ks_store_job *out_job);
KS_MUST_CHECK enum ks_err ks_store_job_by_idempotency(struct ks_store_reader *reader,
                                                      const char *device,
                                                      const char *idempotency,
                                                      struct ks_store_job *out_job);
/* At most COUNT jobs of DEVICE (NULL: all) in descending order of (created_us, id), starting
 * after AFTER (an id; NULL: from the newest). */
KS_MUST_CHECK enum ks_err ks_store_jobs(struct ks_store_reader *reader, const char *device,
                                        const char *after, size_t count,
                                        struct ks_store_job *out_jobs, size_t *out_count);
/* Jobs in state ACCEPTED, oldest first: at start these were interrupted. */
KS_MUST_CHECK enum ks_err ks_store_jobs_open(struct ks_store_reader *reader, size_t count,
                                             struct ks_store_job *out_jobs, size_t *out_count);
KS_MUST_CHECK enum ks_err ks_store_record(struct ks_store_reader *reader, const char *job_id,
                                          struct ks_buf *out);
/* The newest checkpoint; KS_ERR_NOT_FOUND before the first. */
KS_MUST_CHECK enum ks_err ks_store_checkpoint(struct ks_store_reader *reader,
                                              uint64_t *out_size, struct ks_buf *out_note);
/* The newest cosigned one; KS_ERR_NOT_FOUND before the first. */
KS_MUST_CHECK enum ks_err ks_store_cosigned(struct ks_store_reader *reader, uint64_t *out_size,
                                            struct ks_buf *out_note);
/* Buffers for an attachment that is read. */
struct ks_store_attached {
    uint64_t size;
    struct ks_buf note;
    struct ks_buf anchor;
    struct ks_buf timestamp;
};
/* The one of SIZE entries, the newest with an anchor, the newest with a time stamp. Appends to
 * the buffers of ATTACHED. KS_ERR_NOT_FOUND without one. */
KS_MUST_CHECK enum ks_err ks_store_attachment(struct ks_store_reader *reader, uint64_t size,
                                              struct ks_store_attached *attached);
KS_MUST_CHECK enum ks_err ks_store_anchored(struct ks_store_reader *reader,
                                            struct ks_store_attached *attached);
KS_MUST_CHECK enum ks_err ks_store_timestamped(struct ks_store_reader *reader,
                                               struct ks_store_attached *attached);
/* Calls VISIT for at most COUNT traces with numbers above AFTER, in ascending order, stopping
 * at its first error. A store of before there were traces has none. VISIT must not read with
 * the same reader. */
KS_MUST_CHECK enum ks_err ks_store_traces(struct ks_store_reader *reader, uint64_t after,
                                          uint64_t count, ks_trace_visit visit, void *context);
/* The trace of the job ID, if it is among the newest WITHIN: KS_ERR_NOT_FOUND. There is no
 * index: one would cost each job a page of the write-ahead log. */
KS_MUST_CHECK enum ks_err ks_store_trace_of(struct ks_store_reader *reader, const char *id,
                                            uint64_t within, struct ks_trace *out_trace);
/* Calls VISIT for at most COUNT anomalies of DEVICE (NULL: all) whose traces have numbers below
 * BEFORE (0: from the newest), in descending order, stopping at its first error. DOCUMENT is
 * borrowed for the call. */
typedef enum ks_err (*ks_store_alert_visit)(void *context, uint64_t number,
                                            struct ks_bytes document);
KS_MUST_CHECK enum ks_err ks_store_alerts(struct ks_store_reader *reader, const char *device,
                                          uint64_t before, uint64_t count,
                                          ks_store_alert_visit visit, void *context);
/* The same of the entries that ks_store_suspect_put marks, by their positions; 0 for BEFORE:
 * from the newest, since none of them is the first entry. */
typedef enum ks_err (*ks_store_suspect_visit)(void *context, uint64_t position, uint64_t at_us,
                                              struct ks_bytes entry);
KS_MUST_CHECK enum ks_err ks_store_suspects(struct ks_store_reader *reader, const char *device,
                                            uint64_t before, uint64_t count,
                                            ks_store_suspect_visit visit, void *context);
/* What was said of the trace NUMBER; the document, of an anomaly, is appended to OUT. *OUT_PATH
 * and OUT_MODEL in either case. KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_store_detection(struct ks_store_reader *reader, uint64_t number,
                                             uint32_t *out_path,
                                             uint8_t out_model[KS_STORE_MODEL_LEN],
                                             struct ks_buf *out);
/* SQLite's own integrity check and ours: entries gapless, leaf hashes 32 bytes, each DONE job
 * has its record, each job's indices are below the size. KS_ERR_VERIFY names the first thing
 * that is wrong. */
KS_MUST_CHECK enum ks_err ks_store_check(struct ks_store_reader *reader);

#endif
