/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The writer: one transaction is one group commit. */

#include "store/store.h"

#include "store/db.h"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    SIZE,
    APPEND,
    JOB_INSERT,
    JOB_STATE,
    JOB_END,
    RECORD_INSERT,
    CHECKPOINT_GET,
    CHECKPOINT_PUT,
    COSIGNED_SIZE,
    COSIGNED_DROP,
    COSIGNED_PUT,
    ATTACHMENT_PUT,
    TRACE_INSERT,
    TRACE_REPLACE,
    TRACE_DROP,
    DETECTION_DROP,
    DETECTION_PUT,
    SUSPECT_PUT,
    STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SIZE] = "SELECT ifnull(max(position) + 1, 0) FROM entries",
    [APPEND] = "INSERT INTO entries (position, entry, leaf) VALUES (?1, ?2, ?3)",
    [JOB_INSERT] = "INSERT INTO jobs (id, device, idempotency, state, job_digest, created_us,"
                   " intent_index) VALUES (?1, ?2, nullif(?3, ''), 1, ?4, ?5, ?6)",
    [JOB_STATE] = "SELECT state FROM jobs WHERE id = ?1",
    [JOB_END] = "UPDATE jobs SET state = ?2, finished_us = ?3, result_index = ?4, error = ?5,"
                " detail = ?6 WHERE id = ?1 AND state = 1",
    [RECORD_INSERT] = "INSERT INTO records (job, record) VALUES (?1, ?2)",
    [CHECKPOINT_GET] = "SELECT note FROM checkpoints WHERE size = ?1",
    [CHECKPOINT_PUT] = "INSERT INTO checkpoints (size, note) VALUES (?1, ?2)",
    [COSIGNED_SIZE] = "SELECT ifnull(max(size), 0) FROM cosigned",
    [COSIGNED_DROP] = "DELETE FROM cosigned",
    [COSIGNED_PUT] = "INSERT INTO cosigned (size, note) VALUES (?1, ?2)",
    [ATTACHMENT_PUT] = "INSERT OR REPLACE INTO attachments (size, note, anchor, timestamp)"
                       " VALUES (?1, ?2, ?3, ?4)",
    [TRACE_INSERT] = "INSERT INTO traces (job, device, started_us, measured)"
                     " VALUES (?1, ?2, ?3, ?4)",
    [TRACE_REPLACE] = "UPDATE traces SET measured = ?2 WHERE number = ?1",
    [TRACE_DROP] = "DELETE FROM traces WHERE number <= ?1",
    [DETECTION_DROP] = "DELETE FROM detections WHERE number <= ?1",
    [DETECTION_PUT] = "INSERT OR REPLACE INTO detections (number, path, model, document)"
                      " SELECT ?1, ?2, ?3, ?4"
                      " WHERE EXISTS (SELECT 1 FROM traces WHERE number = ?1)",
    [SUSPECT_PUT] = "INSERT INTO suspects (position, device, at_us) VALUES (?1, ?2, ?3)",
};

enum phase {
    IDLE,   /* no transaction */
    OPEN,   /* a transaction that can be committed */
    BROKEN, /* one that failed midway and is rolled back already: it can only be ended */
};

struct ks_store {
    struct ks_db db;
    sqlite3_stmt *statements[STATEMENTS];
    enum phase phase;
    uint64_t size;         /* committed entries */
    uint64_t size_pending; /* with those of the open transaction */
};

const char *ks_job_state_name(enum ks_store_job_state state)
{
    switch (state) {
    case KS_JOB_ACCEPTED:
        return "accepted";
    case KS_JOB_DONE:
        return "done";
    case KS_JOB_FAILED:
        return "failed";
    case KS_JOB_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

/* --- lifecycle ---------------------------------------------------------------------------- */

static enum ks_err read_size(struct ks_store *store, uint64_t *out_size)
{
    enum ks_err err = KS_OK;
    bool row = false;
    sqlite3_stmt *statement = store->statements[SIZE];

    KS_TRY(ks_db_step(&store->db, statement, "read the ledger's size", &row));
    KS_CHECK(row, KS_ERR_VERIFY, "%s: the ledger has no size", store->db.path);
    KS_TRY(ks_db_u64(&store->db, statement, 0, out_size));
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_open(const struct ks_store_options *options, struct ks_store **out_store)
{
    enum ks_err err = KS_OK;
    struct ks_store *store = ks_calloc(1, sizeof *store);

    KS_CHECK(store != NULL, KS_ERR_NOMEM, "store");
    KS_TRY(ks_db_open(options, &ks_db_store, KS_DB_WRITER, &store->db));
    KS_TRY(ks_db_prepare(&store->db, statement_sql, STATEMENTS, store->statements));
    KS_TRY(read_size(store, &store->size));
    /* By now the WAL is there, and it stays until the last connection closes. */
    KS_TRY(ks_db_sync_dir(options));
    *out_store = store;
    store = NULL;
out:
    ks_store_close(store);
    return err;
}

void ks_store_close(struct ks_store *store)
{
    if (store == NULL) {
        return;
    }
    ks_store_rollback(store);
    ks_db_finalize(store->statements, STATEMENTS);
    ks_db_close(&store->db);
    ks_free(store);
}

/* --- transactions ------------------------------------------------------------------------- */

/* SQLite has rolled back by itself after some errors; then there is nothing left to do. */
static void roll_back(struct ks_store *store)
{
    if (sqlite3_get_autocommit(store->db.handle) == 0) {
        (void)sqlite3_step(
            store->statements[ROLLBACK]); /* the error before it is the one to tell */
        ks_db_done(store->statements[ROLLBACK]);
    }
    store->size_pending = store->size;
}

/* After a failure of the file or of memory nothing is known of the transaction: give all of it
 * up. A conflict, by contrast, leaves it as it was before the call. */
static enum ks_err give_up(struct ks_store *store, enum ks_err err)
{
    if (err != KS_OK && err != KS_ERR_CONFLICT) {
        roll_back(store);
        store->phase = BROKEN;
    }
    return err;
}

static enum ks_err check_open(const struct ks_store *store)
{
    KS_ASSERT(store->phase != IDLE);
    if (store->phase == BROKEN) {
        return ks_fail(KS_ERR_IO, "%s: the transaction failed before and is rolled back",
                       store->db.path);
    }
    return KS_OK;
}

enum ks_err ks_store_begin(struct ks_store *store)
{
    enum ks_err err = KS_OK;
    uint64_t size = 0;

    KS_ASSERT(store->phase == IDLE);
    KS_TRY(ks_db_run(&store->db, store->statements[BEGIN], "begin"));
    KS_TRY(read_size(store, &size));
    /* A second site on the same directory would give one index to two entries in two heads. */
    KS_CHECK(size == store->size, KS_ERR_CONFLICT,
             "%s: another process has written %llu entries where this one left %llu",
             store->db.path, (unsigned long long)size, (unsigned long long)store->size);
    store->size_pending = size;
    store->phase = OPEN;
out:
    if (err != KS_OK) {
        roll_back(store);
    }
    return err;
}

enum ks_err ks_store_commit(struct ks_store *store)
{
    enum ks_err err = check_open(store);
    if (err == KS_OK) {
        err = ks_db_run(&store->db, store->statements[COMMIT], "commit");
    }
    if (err == KS_OK) {
        store->size = store->size_pending;
    } else {
        roll_back(store);
    }
    store->phase = IDLE;
    return err;
}

void ks_store_rollback(struct ks_store *store)
{
    if (store->phase != IDLE) {
        roll_back(store);
        store->phase = IDLE;
    }
}

/* --- entries ------------------------------------------------------------------------------ */

enum ks_err ks_store_append(struct ks_store *store, struct ks_bytes entry,
                            const uint8_t leaf[32], uint64_t *out_index)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = store->statements[APPEND];

    KS_TRY(check_open(store));
    KS_CHECK(entry.len > 0 && entry.len <= KS_STORE_ENTRY_MAX, KS_ERR_LIMIT,
             "ledger entry of %zu bytes, limit 1 to %d", entry.len, KS_STORE_ENTRY_MAX);
    KS_CHECK(store->size_pending < INT64_MAX, KS_ERR_LIMIT, "the ledger is full");
    ks_db_bind_u64(statement, 1, store->size_pending);
    ks_db_bind_bytes(statement, 2, entry);
    ks_db_bind_bytes(statement, 3, ks_bytes_of(leaf, 32));
    err = give_up(store, ks_db_run(&store->db, statement, "append an entry"));
    if (err == KS_OK) {
        *out_index = store->size_pending;
        store->size_pending++;
    }
out:
    return err;
}

enum ks_err ks_store_checkpoint_put(struct ks_store *store, uint64_t size, struct ks_bytes note)
{
    enum ks_err err = KS_OK;
    bool row = false;
    struct ks_bytes there = {0};
    sqlite3_stmt *get = store->statements[CHECKPOINT_GET];
    sqlite3_stmt *put = store->statements[CHECKPOINT_PUT];

    KS_TRY(check_open(store));
    KS_CHECK(note.len > 0 && note.len <= KS_STORE_NOTE_MAX, KS_ERR_LIMIT,
             "checkpoint of %zu bytes, limit 1 to %d", note.len, KS_STORE_NOTE_MAX);
    KS_CHECK(size <= store->size_pending, KS_ERR_CONFLICT,
             "checkpoint of %llu entries, the ledger has %llu", (unsigned long long)size,
             (unsigned long long)store->size_pending);
    ks_db_bind_u64(get, 1, size);
    KS_TRY(give_up(store, ks_db_step(&store->db, get, "look for the checkpoint", &row)));
    if (row) {
        KS_TRY(ks_db_bytes(&store->db, get, 0, KS_STORE_NOTE_MAX, &there));
        KS_CHECK(ks_bytes_equal(there, note), KS_ERR_CONFLICT,
                 "another checkpoint of %llu entries is there", (unsigned long long)size);
    } else {
        ks_db_bind_u64(put, 1, size);
        ks_db_bind_bytes(put, 2, note);
        KS_TRY(give_up(store, ks_db_run(&store->db, put, "keep the checkpoint")));
    }
out:
    ks_db_done(get);
    return err;
}

static enum ks_err check_head(const struct ks_store *store, uint64_t size, struct ks_bytes note)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_open(store));
    KS_CHECK(note.len > 0 && note.len <= KS_STORE_COSIGNED_MAX, KS_ERR_LIMIT,
             "checkpoint of %zu bytes, limit 1 to %d", note.len, KS_STORE_COSIGNED_MAX);
    KS_CHECK(size <= store->size_pending, KS_ERR_CONFLICT,
             "checkpoint of %llu entries, the ledger has %llu", (unsigned long long)size,
             (unsigned long long)store->size_pending);
out:
    return err;
}

enum ks_err ks_store_cosigned_put(struct ks_store *store, uint64_t size, struct ks_bytes note)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *get = store->statements[COSIGNED_SIZE];
    sqlite3_stmt *put = store->statements[COSIGNED_PUT];
    uint64_t there = 0;
    bool row = false;

    KS_TRY(check_head(store, size, note));
    KS_TRY(give_up(store, ks_db_step(&store->db, get, "look for what was cosigned", &row)));
    KS_CHECK(row, KS_ERR_VERIFY, "%s: no answer of the cosigned size", store->db.path);
    KS_TRY(ks_db_u64(&store->db, get, 0, &there));
    KS_CHECK(size >= there, KS_ERR_CONFLICT,
             "a checkpoint of %llu entries was cosigned already", (unsigned long long)there);
    KS_TRY(give_up(store, ks_db_run(&store->db, store->statements[COSIGNED_DROP],
                                    "replace the cosigned checkpoint")));
    ks_db_bind_u64(put, 1, size);
    ks_db_bind_bytes(put, 2, note);
    KS_TRY(give_up(store, ks_db_run(&store->db, put, "keep the cosigned checkpoint")));
out:
    ks_db_done(get);
    return err;
}

enum ks_err ks_store_attachment_put(struct ks_store *store, uint64_t size,
                                    const struct ks_store_attachment *attachment)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *put = store->statements[ATTACHMENT_PUT];

    KS_TRY(check_head(store, size, attachment->note));
    KS_CHECK(size >= 1, KS_ERR_USAGE, "an attachment to the empty ledger");
    KS_CHECK(attachment->anchor.len <= KS_STORE_ATTACHED_MAX &&
                 attachment->timestamp.len <= KS_STORE_ATTACHED_MAX &&
                 attachment->anchor.len + attachment->timestamp.len > 0,
             KS_ERR_LIMIT, "an anchor and a time stamp of 0 to %d bytes, one of them not empty",
             KS_STORE_ATTACHED_MAX);
    ks_db_bind_u64(put, 1, size);
    ks_db_bind_bytes(put, 2, attachment->note);
    /* An empty view may be NULL, which SQLite would take for no value. */
    ks_db_bind_bytes(put, 3, attachment->anchor.len > 0 ? attachment->anchor : KS_LITERAL(""));
    ks_db_bind_bytes(put, 4,
                     attachment->timestamp.len > 0 ? attachment->timestamp : KS_LITERAL(""));
    KS_TRY(give_up(store, ks_db_run(&store->db, put, "keep an attachment")));
out:
    return err;
}

/* --- traces ------------------------------------------------------------------------------- */

static enum ks_err insert_trace(struct ks_store *store, const struct ks_trace *trace,
                                struct ks_bytes measured, uint64_t keep, uint64_t *number)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *insert = store->statements[TRACE_INSERT];
    sqlite3_stmt *drop = store->statements[TRACE_DROP];
    uint64_t inserted = 0;

    ks_db_bind_text(insert, 1, trace->job);
    ks_db_bind_text(insert, 2, trace->device);
    ks_db_bind_u64(insert, 3, trace->started_us);
    ks_db_bind_bytes(insert, 4, measured);
    KS_TRY(give_up(store, ks_db_run(&store->db, insert, "keep a trace")));
    inserted = (uint64_t)sqlite3_last_insert_rowid(store->db.handle);
    if (inserted > keep) {
        ks_db_bind_u64(drop, 1, inserted - keep);
        KS_TRY(give_up(store, ks_db_run(&store->db, drop, "drop the oldest traces")));
        drop = store->statements[DETECTION_DROP];
        ks_db_bind_u64(drop, 1, inserted - keep);
        KS_TRY(give_up(store, ks_db_run(&store->db, drop, "drop the oldest detections")));
    }
    *number = inserted;
out:
    return err;
}

enum ks_err ks_store_trace_put(struct ks_store *store, const struct ks_trace *trace,
                               uint64_t keep, uint64_t *number)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *replace = store->statements[TRACE_REPLACE];
    uint8_t room[KS_TRACE_BYTES_MAX];
    struct ks_buf measured = {.data = room, .cap = sizeof room, .max = sizeof room};

    KS_TRY(check_open(store));
    KS_CHECK(ks_trace_check(trace) == KS_OK && keep >= 1, KS_ERR_USAGE, "a trace of nothing");
    ks_trace_put_values(trace, &measured);
    KS_TRY(ks_buf_check(&measured));
    if (*number == 0) {
        KS_TRY(insert_trace(store, trace, ks_buf_view(&measured), keep, number));
    } else {
        ks_db_bind_u64(replace, 1, *number);
        ks_db_bind_bytes(replace, 2, ks_buf_view(&measured));
        KS_TRY(give_up(store, ks_db_run(&store->db, replace, "complete a trace")));
    }
out:
    return err;
}

enum ks_err ks_store_detection_put(struct ks_store *store, uint64_t number,
                                   const struct ks_store_detection *detection)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *put = store->statements[DETECTION_PUT];

    KS_TRY(check_open(store));
    KS_CHECK(number >= 1 && number <= INT64_MAX &&
                 detection->document.len <= KS_STORE_DETECTION_MAX,
             KS_ERR_USAGE, "a detection of nothing");
    ks_db_bind_u64(put, 1, number);
    ks_db_bind_u64(put, 2, detection->path);
    ks_db_bind_bytes(put, 3, KS_BYTES(detection->model));
    if (detection->document.len > 0) { /* else NULL, which is not an anomaly */
        ks_db_bind_bytes(put, 4, detection->document);
    }
    KS_TRY(give_up(store, ks_db_run(&store->db, put, "keep a detection")));
out:
    return err;
}

enum ks_err ks_store_suspect_put(struct ks_store *store, uint64_t position, const char *device,
                                 uint64_t at_us)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *put = store->statements[SUSPECT_PUT];

    KS_TRY(check_open(store));
    KS_CHECK(position >= 1 && position < store->size_pending && device[0] != '\0' &&
                 at_us <= INT64_MAX,
             KS_ERR_USAGE, "an alert about nothing");
    ks_db_bind_u64(put, 1, position);
    ks_db_bind_text(put, 2, device);
    ks_db_bind_u64(put, 3, at_us);
    KS_TRY(give_up(store, ks_db_run(&store->db, put, "keep an alert")));
out:
    return err;
}

/* --- jobs --------------------------------------------------------------------------------- */

static enum ks_err check_job(const struct ks_store *store, const struct ks_store_job *job)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_text_is_uuid(ks_bytes_text(job->id)), KS_ERR_USAGE, "job id '%.40s' is no UUID",
             job->id);
    KS_CHECK(job->device[0] != '\0', KS_ERR_USAGE, "job %s names no device", job->id);
    KS_CHECK(job->created_us <= INT64_MAX, KS_ERR_LIMIT, "job %s: time of creation", job->id);
    KS_CHECK(job->intent_index < store->size_pending, KS_ERR_USAGE,
             "job %s: intent %llu, the ledger has %llu entries", job->id,
             (unsigned long long)job->intent_index, (unsigned long long)store->size_pending);
out:
    return err;
}

enum ks_err ks_store_job_insert(struct ks_store *store, const struct ks_store_job *job)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = store->statements[JOB_INSERT];

    KS_TRY(check_open(store));
    KS_TRY(check_job(store, job));
    ks_db_bind_text(statement, 1, job->id);
    ks_db_bind_text(statement, 2, job->device);
    ks_db_bind_text(statement, 3, job->idempotency);
    ks_db_bind_bytes(statement, 4, KS_BYTES(job->job_digest));
    ks_db_bind_u64(statement, 5, job->created_us);
    ks_db_bind_u64(statement, 6, job->intent_index);
    KS_TRY(give_up(store, ks_db_run(&store->db, statement, "insert a job")));
out:
    return err;
}

/* Why no row was updated. */
static enum ks_err job_refusal(struct ks_store *store, const char *id)
{
    enum ks_err err = KS_OK;
    bool row = false;
    uint64_t state = 0;
    sqlite3_stmt *statement = store->statements[JOB_STATE];

    ks_db_bind_text(statement, 1, id);
    KS_TRY(give_up(store, ks_db_step(&store->db, statement, "look for the job", &row)));
    KS_CHECK(row, KS_ERR_NOT_FOUND, "no job '%.40s'", id);
    KS_TRY(ks_db_u64(&store->db, statement, 0, &state));
    err = ks_fail(KS_ERR_CONFLICT, "job %s is %s already", id,
                  ks_job_state_name((enum ks_store_job_state)state));
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_job_end(struct ks_store *store, const char *id,
                             enum ks_store_job_state state, uint64_t finished_us,
                             uint64_t result_index, enum ks_err error, const char *detail)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = store->statements[JOB_END];

    KS_TRY(check_open(store));
    KS_ASSERT(state != KS_JOB_ACCEPTED);
    KS_CHECK(finished_us <= INT64_MAX, KS_ERR_LIMIT, "job %.40s: time of its end", id);
    KS_CHECK(result_index < store->size_pending, KS_ERR_USAGE,
             "job %.40s: result %llu, the ledger has %llu entries", id,
             (unsigned long long)result_index, (unsigned long long)store->size_pending);
    KS_CHECK(ks_bytes_text(detail).len <= KS_STORE_DETAIL_MAX, KS_ERR_LIMIT,
             "job %.40s: a detail of more than %d bytes", id, KS_STORE_DETAIL_MAX);
    ks_db_bind_text(statement, 1, id);
    ks_db_bind_u64(statement, 2, (uint64_t)state);
    ks_db_bind_u64(statement, 3, finished_us);
    ks_db_bind_u64(statement, 4, result_index);
    ks_db_bind_u64(statement, 5, (uint64_t)error);
    ks_db_bind_text(statement, 6, detail);
    KS_TRY(give_up(store, ks_db_run(&store->db, statement, "end a job")));
    if (sqlite3_changes(store->db.handle) != 1) {
        KS_TRY(job_refusal(store, id));
    }
out:
    return err;
}

enum ks_err ks_store_job_done(struct ks_store *store, const char *id, uint64_t finished_us,
                              uint64_t result_index, struct ks_bytes record)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = store->statements[RECORD_INSERT];

    KS_CHECK(record.len > 0 && record.len <= KS_STORE_RECORD_MAX, KS_ERR_LIMIT,
             "record of %zu bytes, limit 1 to %d", record.len, KS_STORE_RECORD_MAX);
    KS_TRY(ks_store_job_end(store, id, KS_JOB_DONE, finished_us, result_index, KS_OK, ""));
    ks_db_bind_text(statement, 1, id);
    ks_db_bind_bytes(statement, 2, record);
    err = ks_db_run(&store->db, statement, "keep a record");
    /* The job is changed already: any failure here, a conflict too, ends the transaction. */
    if (err != KS_OK) {
        roll_back(store);
        store->phase = BROKEN;
    }
out:
    return err;
}
