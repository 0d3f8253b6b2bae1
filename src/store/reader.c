/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The readers. Every call ends the read transaction it began: one left open would keep the
 * write-ahead log from being folded into the database. */

#include "store/reader.h"

#define JOB_COLUMNS                                                                            \
    "SELECT id, device, ifnull(idempotency, ''), state, job_digest, created_us, finished_us,"  \
    " intent_index, ifnull(result_index, 0), error, detail FROM jobs "

#define ATTACHMENT_COLUMNS "SELECT size, note, anchor, timestamp FROM attachments "

static const char *const statement_sql[KS_STORE_STATEMENTS] = {
    [KS_STORE_SIZE] = "SELECT ifnull(max(position) + 1, 0) FROM entries",
    [KS_STORE_ENTRIES] = "SELECT position, entry, leaf FROM entries WHERE position >= ?1"
                         " ORDER BY position LIMIT ?2",
    [KS_STORE_JOB] = JOB_COLUMNS "WHERE id = ?1",
    [KS_STORE_JOB_IDEMPOTENCY] = JOB_COLUMNS "WHERE device = ?1 AND idempotency = ?2",
    [KS_STORE_JOBS] = JOB_COLUMNS "WHERE (created_us, id) < (?1, ?2)"
                                  " ORDER BY created_us DESC, id DESC LIMIT ?3",
    [KS_STORE_JOBS_DEVICE] = JOB_COLUMNS "WHERE (created_us, id) < (?1, ?2) AND device = ?4"
                                         " ORDER BY created_us DESC, id DESC LIMIT ?3",
    [KS_STORE_JOBS_OPEN] = JOB_COLUMNS "WHERE state = 1 ORDER BY created_us, id LIMIT ?1",
    [KS_STORE_RECORD] = "SELECT record FROM records WHERE job = ?1",
    [KS_STORE_CHECKPOINT] = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1",
    [KS_STORE_COSIGNED] = "SELECT size, note FROM cosigned ORDER BY size DESC LIMIT 1",
    [KS_STORE_ATTACHMENT] = ATTACHMENT_COLUMNS "WHERE size = ?1",
    [KS_STORE_ANCHORED] = ATTACHMENT_COLUMNS "WHERE length(anchor) > 0"
                                             " ORDER BY size DESC LIMIT 1",
    [KS_STORE_TIMESTAMPED] = ATTACHMENT_COLUMNS "WHERE length(timestamp) > 0"
                                                " ORDER BY size DESC LIMIT 1",
};

enum ks_err ks_store_reader_new(const struct ks_store_options *options,
                                struct ks_store_reader **out_reader)
{
    enum ks_err err = KS_OK;
    struct ks_store_reader *reader = ks_calloc(1, sizeof *reader);

    KS_CHECK(reader != NULL, KS_ERR_NOMEM, "store reader");
    KS_TRY(ks_db_open(options, &ks_db_store, KS_DB_READER, &reader->db));
    KS_TRY(ks_db_prepare(&reader->db, statement_sql, KS_STORE_STATEMENTS, reader->statements));
    *out_reader = reader;
    reader = NULL;
out:
    ks_store_reader_free(reader);
    return err;
}

void ks_store_reader_free(struct ks_store_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    ks_db_finalize(reader->statements, KS_STORE_STATEMENTS);
    ks_db_close(&reader->db);
    ks_free(reader);
}

/* Steps STATEMENT to its one row; KS_ERR_NOT_FOUND, naming WHAT and WHICH, without one. */
static enum ks_err one_row(const struct ks_store_reader *reader, sqlite3_stmt *statement,
                           const char *what, const char *which)
{
    bool row = false;
    enum ks_err err = ks_db_step(&reader->db, statement, what, &row);
    if (err == KS_OK && !row) {
        err = ks_fail(KS_ERR_NOT_FOUND, "no %s '%.100s'", what, which);
    }
    return err;
}

/* --- entries ------------------------------------------------------------------------------ */

enum ks_err ks_store_size(struct ks_store_reader *reader, uint64_t *out_size)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = reader->statements[KS_STORE_SIZE];

    KS_TRY(one_row(reader, statement, "size", "of the ledger"));
    KS_TRY(ks_db_u64(&reader->db, statement, 0, out_size));
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_entries(struct ks_store_reader *reader, uint64_t first, uint64_t count,
                             ks_store_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = reader->statements[KS_STORE_ENTRIES];

    KS_CHECK(first <= INT64_MAX && count <= INT64_MAX - first, KS_ERR_NOT_FOUND,
             "ledger entries past any index");
    ks_db_bind_u64(statement, 1, first);
    ks_db_bind_u64(statement, 2, count);
    for (uint64_t i = 0; i < count; i++) {
        bool row = false;
        uint64_t position = 0;
        struct ks_bytes entry = {0};
        struct ks_bytes leaf = {0};

        KS_TRY(ks_db_step(&reader->db, statement, "read ledger entries", &row));
        KS_CHECK(row, KS_ERR_NOT_FOUND, "no ledger entry %llu",
                 (unsigned long long)(first + i));
        KS_TRY(ks_db_u64(&reader->db, statement, 0, &position));
        KS_CHECK(position == first + i, KS_ERR_VERIFY, "%s: ledger entry %llu is missing",
                 reader->db.path, (unsigned long long)(first + i));
        KS_TRY(ks_db_bytes(&reader->db, statement, 1, KS_STORE_ENTRY_MAX, &entry));
        KS_TRY(ks_db_bytes(&reader->db, statement, 2, 32, &leaf));
        KS_CHECK(entry.len > 0 && leaf.len == 32, KS_ERR_VERIFY,
                 "%s: ledger entry %llu: %zu bytes, leaf hash of %zu", reader->db.path,
                 (unsigned long long)position, entry.len, leaf.len);
        KS_TRY(visit(context, position, entry, leaf.data));
    }
out:
    ks_db_done(statement);
    return err;
}

static enum ks_err put_entry(void *context, uint64_t index, struct ks_bytes entry,
                             const uint8_t leaf[32])
{
    (void)index;
    (void)leaf;
    struct ks_buf *out = context;
    ks_buf_put(out, entry);
    return ks_buf_check(out);
}

enum ks_err ks_store_entry(struct ks_store_reader *reader, uint64_t index, struct ks_buf *out)
{
    return ks_store_entries(reader, index, 1, put_entry, out);
}

/* --- jobs --------------------------------------------------------------------------------- */

enum ks_err ks_store_job_of_row(const struct ks_db *db, sqlite3_stmt *row,
                                struct ks_store_job *out_job)
{
    enum ks_err err = KS_OK;
    struct ks_store_job job = {0};
    struct ks_bytes digest = {0};
    uint64_t state = 0;
    uint64_t error = 0;

    KS_TRY(ks_db_text(db, row, 0, job.id, sizeof job.id));
    KS_TRY(ks_db_text(db, row, 1, job.device, sizeof job.device));
    KS_TRY(ks_db_text(db, row, 2, job.idempotency, sizeof job.idempotency));
    KS_TRY(ks_db_u64(db, row, 3, &state));
    KS_TRY(ks_db_bytes(db, row, 4, sizeof job.job_digest, &digest));
    KS_TRY(ks_db_u64(db, row, 5, &job.created_us));
    KS_TRY(ks_db_u64(db, row, 6, &job.finished_us));
    KS_TRY(ks_db_u64(db, row, 7, &job.intent_index));
    KS_TRY(ks_db_u64(db, row, 8, &job.result_index));
    KS_TRY(ks_db_u64(db, row, 9, &error));
    KS_TRY(ks_db_text(db, row, 10, job.detail, sizeof job.detail));
    KS_CHECK(state >= KS_JOB_ACCEPTED && state <= KS_JOB_CANCELLED, KS_ERR_VERIFY,
             "%s: job '%s' in state %llu", db->path, job.id, (unsigned long long)state);
    KS_CHECK(digest.len == sizeof job.job_digest, KS_ERR_VERIFY,
             "%s: job '%s': digest of %zu bytes", db->path, job.id, digest.len);
    KS_CHECK(error <= KS_ERR_VALUE_MAX, KS_ERR_VERIFY, "%s: job '%s': error %llu", db->path,
             job.id, (unsigned long long)error);
    ks_copy(job.job_digest, digest.data, digest.len);
    job.state = (enum ks_store_job_state)state;
    job.error = (enum ks_err)error;
    *out_job = job;
out:
    return err;
}

enum ks_err ks_store_job(struct ks_store_reader *reader, const char *id,
                         struct ks_store_job *out_job)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = reader->statements[KS_STORE_JOB];

    ks_db_bind_text(statement, 1, id);
    KS_TRY(one_row(reader, statement, "job", id));
    KS_TRY(ks_store_job_of_row(&reader->db, statement, out_job));
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_job_by_idempotency(struct ks_store_reader *reader, const char *device,
                                        const char *idempotency, struct ks_store_job *out_job)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = reader->statements[KS_STORE_JOB_IDEMPOTENCY];

    ks_db_bind_text(statement, 1, device);
    ks_db_bind_text(statement, 2, idempotency);
    KS_TRY(one_row(reader, statement, "job with idempotency key", idempotency));
    KS_TRY(ks_store_job_of_row(&reader->db, statement, out_job));
out:
    ks_db_done(statement);
    return err;
}

/* All rows of a bound STATEMENT, at most COUNT. */
static enum ks_err collect_jobs(const struct ks_store_reader *reader, sqlite3_stmt *statement,
                                size_t count, struct ks_store_job *out_jobs, size_t *out_count)
{
    enum ks_err err = KS_OK;
    size_t found = 0;

    while (found < count) {
        bool row = false;
        KS_TRY(ks_db_step(&reader->db, statement, "list jobs", &row));
        if (!row) {
            break;
        }
        KS_TRY(ks_store_job_of_row(&reader->db, statement, &out_jobs[found]));
        found++;
    }
    *out_count = found;
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_jobs(struct ks_store_reader *reader, const char *device, const char *after,
                          size_t count, struct ks_store_job *out_jobs, size_t *out_count)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement =
        reader->statements[device != NULL ? KS_STORE_JOBS_DEVICE : KS_STORE_JOBS];
    struct ks_store_job last = {.created_us = INT64_MAX,
                                .id = "~"}; /* above every (time, id) */

    KS_CHECK(count > 0 && count <= KS_STORE_PAGE_MAX, KS_ERR_LIMIT,
             "a page of %zu jobs, limit %d", count, KS_STORE_PAGE_MAX);
    if (after != NULL) {
        KS_TRY(ks_store_job(reader, after, &last));
    }
    ks_db_bind_u64(statement, 1, last.created_us);
    ks_db_bind_text(statement, 2, last.id);
    ks_db_bind_u64(statement, 3, count);
    if (device != NULL) {
        ks_db_bind_text(statement, 4, device);
    }
    KS_TRY(collect_jobs(reader, statement, count, out_jobs, out_count));
out:
    return err;
}

enum ks_err ks_store_jobs_open(struct ks_store_reader *reader, size_t count,
                               struct ks_store_job *out_jobs, size_t *out_count)
{
    sqlite3_stmt *statement = reader->statements[KS_STORE_JOBS_OPEN];

    if (count == 0 || count > KS_STORE_PAGE_MAX) {
        return ks_fail(KS_ERR_LIMIT, "a page of %zu jobs, limit %d", count, KS_STORE_PAGE_MAX);
    }
    ks_db_bind_u64(statement, 1, count);
    return collect_jobs(reader, statement, count, out_jobs, out_count);
}

enum ks_err ks_store_record(struct ks_store_reader *reader, const char *job_id,
                            struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_bytes record = {0};
    sqlite3_stmt *statement = reader->statements[KS_STORE_RECORD];

    ks_db_bind_text(statement, 1, job_id);
    KS_TRY(one_row(reader, statement, "record of job", job_id));
    KS_TRY(ks_db_bytes(&reader->db, statement, 0, KS_STORE_RECORD_MAX, &record));
    ks_buf_put(out, record);
    KS_TRY(ks_buf_check(out));
out:
    ks_db_done(statement);
    return err;
}

/* The note that STATEMENT gives with its size. */
static enum ks_err read_note(struct ks_store_reader *reader, enum ks_store_statement which,
                             const char *what, size_t note_max, uint64_t *out_size,
                             struct ks_buf *out_note)
{
    enum ks_err err = KS_OK;
    uint64_t size = 0;
    struct ks_bytes note = {0};
    sqlite3_stmt *statement = reader->statements[which];

    KS_TRY(one_row(reader, statement, what, "of any size"));
    KS_TRY(ks_db_u64(&reader->db, statement, 0, &size));
    KS_TRY(ks_db_bytes(&reader->db, statement, 1, note_max, &note));
    ks_buf_put(out_note, note);
    KS_TRY(ks_buf_check(out_note));
    *out_size = size;
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_checkpoint(struct ks_store_reader *reader, uint64_t *out_size,
                                struct ks_buf *out_note)
{
    return read_note(reader, KS_STORE_CHECKPOINT, "checkpoint", KS_STORE_NOTE_MAX, out_size,
                     out_note);
}

enum ks_err ks_store_cosigned(struct ks_store_reader *reader, uint64_t *out_size,
                              struct ks_buf *out_note)
{
    return read_note(reader, KS_STORE_COSIGNED, "cosigned checkpoint", KS_STORE_COSIGNED_MAX,
                     out_size, out_note);
}

/* The row of a bound statement. */
static enum ks_err read_attachment(struct ks_store_reader *reader,
                                   enum ks_store_statement which,
                                   struct ks_store_attached *attached)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = reader->statements[which];
    struct ks_buf *const targets[] = {&attached->note, &attached->anchor, &attached->timestamp};
    struct ks_bytes bytes = {0};

    KS_TRY(one_row(reader, statement, "attachment", "of that kind"));
    KS_TRY(ks_db_u64(&reader->db, statement, 0, &attached->size));
    for (int i = 0; i < 3; i++) {
        KS_TRY(ks_db_bytes(&reader->db, statement, i + 1, KS_STORE_ATTACHED_MAX, &bytes));
        ks_buf_put(targets[i], bytes);
        KS_TRY(ks_buf_check(targets[i]));
    }
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_store_attachment(struct ks_store_reader *reader, uint64_t size,
                                struct ks_store_attached *attached)
{
    ks_db_bind_u64(reader->statements[KS_STORE_ATTACHMENT], 1, size);
    return read_attachment(reader, KS_STORE_ATTACHMENT, attached);
}

enum ks_err ks_store_anchored(struct ks_store_reader *reader,
                              struct ks_store_attached *attached)
{
    return read_attachment(reader, KS_STORE_ANCHORED, attached);
}

enum ks_err ks_store_timestamped(struct ks_store_reader *reader,
                                 struct ks_store_attached *attached)
{
    return read_attachment(reader, KS_STORE_TIMESTAMPED, attached);
}
