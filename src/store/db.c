/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"

#define PATH_MAX_LEN 4096

/* docs/formats/store.md describes each column. STRICT tables hold exactly the declared types.
 */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE entries ("
    "  position INTEGER PRIMARY KEY CHECK (position >= 0),"
    "  entry BLOB NOT NULL CHECK (length(entry) BETWEEN 1 AND 1024),"
    "  leaf BLOB NOT NULL CHECK (length(leaf) = 32)"
    ") STRICT;"
    "CREATE TABLE jobs ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  device TEXT NOT NULL,"
    "  idempotency TEXT,"
    "  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),"
    "  job_digest BLOB NOT NULL CHECK (length(job_digest) = 32),"
    "  created_us INTEGER NOT NULL,"
    "  finished_us INTEGER NOT NULL DEFAULT 0,"
    "  intent_index INTEGER NOT NULL REFERENCES entries (position),"
    "  result_index INTEGER REFERENCES entries (position),"
    "  error INTEGER NOT NULL DEFAULT 0,"
    "  detail TEXT NOT NULL DEFAULT '',"
    "  CHECK ((state = 1) = (result_index IS NULL))"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX jobs_by_idempotency ON jobs (device, idempotency)"
    "  WHERE idempotency IS NOT NULL;"
    "CREATE INDEX jobs_by_time ON jobs (created_us, id);"
    "CREATE INDEX jobs_by_device ON jobs (device, created_us, id);"
    "CREATE INDEX jobs_open ON jobs (created_us, id) WHERE state = 1;"
    "CREATE TABLE records ("
    "  number INTEGER PRIMARY KEY,"
    "  job TEXT NOT NULL UNIQUE REFERENCES jobs (id),"
    "  record BLOB NOT NULL CHECK (length(record) >= 1)"
    ") STRICT;"
    "CREATE TABLE checkpoints ("
    "  size INTEGER PRIMARY KEY CHECK (size >= 0),"
    "  note BLOB NOT NULL CHECK (length(note) >= 1)"
    ") STRICT;"
    /* Part of the transaction: a file without them has no tables either. */
    "PRAGMA application_id = 1801811059;"
    "PRAGMA user_version = 1;"
    "COMMIT;";
_Static_assert(KS_DB_APPLICATION_ID == 1801811059 && KS_DB_SCHEMA == 1,
               "as in the schema's text");

/* What others said of checkpoints since, and what executions looked like: a version without
 * them goes on working on the file. */
static const char additions[] = "CREATE TABLE IF NOT EXISTS cosigned ("
                                "  size INTEGER PRIMARY KEY CHECK (size >= 0),"
                                "  note BLOB NOT NULL CHECK (length(note) >= 1)"
                                ") STRICT;"
                                "CREATE TABLE IF NOT EXISTS attachments ("
                                "  size INTEGER PRIMARY KEY CHECK (size >= 1),"
                                "  note BLOB NOT NULL CHECK (length(note) >= 1),"
                                "  anchor BLOB NOT NULL,"
                                "  timestamp BLOB NOT NULL,"
                                "  CHECK (length(anchor) + length(timestamp) >= 1)"
                                ") STRICT;"
                                "CREATE TABLE IF NOT EXISTS traces ("
                                "  number INTEGER PRIMARY KEY CHECK (number >= 1),"
                                "  job TEXT NOT NULL,"
                                "  device TEXT NOT NULL,"
                                "  started_us INTEGER NOT NULL CHECK (started_us >= 0),"
                                "  measured BLOB NOT NULL CHECK (length(measured) >= 1)"
                                ") STRICT;"
                                "CREATE TABLE IF NOT EXISTS detections ("
                                "  number INTEGER PRIMARY KEY CHECK (number >= 1),"
                                "  path INTEGER NOT NULL CHECK (path >= 0),"
                                "  model BLOB NOT NULL CHECK (length(model) = 32),"
                                "  document BLOB CHECK (length(document) >= 1)"
                                ") STRICT;"
                                "CREATE INDEX IF NOT EXISTS detections_of_anomalies"
                                "  ON detections (number) WHERE document IS NOT NULL;"
                                "CREATE TABLE IF NOT EXISTS suspects ("
                                "  position INTEGER PRIMARY KEY CHECK (position >= 1),"
                                "  device TEXT NOT NULL CHECK (length(device) >= 1),"
                                "  at_us INTEGER NOT NULL CHECK (at_us >= 0)"
                                ") STRICT;";

const struct ks_db_kind ks_db_store = {
    .file_name = KS_DB_FILE_NAME,
    .application_id = KS_DB_APPLICATION_ID,
    .schema_version = KS_DB_SCHEMA,
    .schema = schema,
    .additions = additions,
    .settings = "",
};

static enum ks_err err_of(int code)
{
    if (code == SQLITE_IOERR_NOMEM) {
        return KS_ERR_NOMEM;
    }
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return KS_ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
        return KS_ERR_UNAVAILABLE;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS:
        return KS_ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KS_ERR_VERIFY;
    case SQLITE_TOOBIG:
        return KS_ERR_LIMIT;
    case SQLITE_CONSTRAINT:
        return KS_ERR_CONFLICT;
    default:
        return KS_ERR_INTERNAL;
    }
}

enum ks_err ks_db_fail(const struct ks_db *db, int code, const char *what)
{
    const char *words = db->handle != NULL && sqlite3_extended_errcode(db->handle) == code
                            ? sqlite3_errmsg(db->handle)
                            : sqlite3_errstr(code);
    return ks_fail(err_of(code), "%s: %s: %s (%d)", db->path, what, words, code);
}

enum ks_err ks_db_exec(const struct ks_db *db, const char *sql, const char *what)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? KS_OK : ks_db_fail(db, code, what);
}

enum ks_err ks_db_integer(const struct ks_db *db, const char *sql, int64_t *out_value)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    bool row = false;

    KS_TRY(ks_db_prepare(db, &sql, 1, &statement));
    KS_TRY(ks_db_step(db, statement, sql, &row));
    KS_CHECK(row, KS_ERR_VERIFY, "%s: no answer to '%s'", db->path, sql);
    *out_value = sqlite3_column_int64(statement, 0);
out:
    ks_db_finalize(&statement, 1);
    return err;
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err set_path(const struct ks_store_options *options, const char *file_name,
                            struct ks_db *db)
{
    enum ks_err err = KS_OK;
    struct ks_buf path;

    ks_buf_init(&path, PATH_MAX_LEN);
    ks_buf_put_format(&path, "%s/%s", options->directory, file_name);
    ks_buf_put_u8(&path, 0);
    KS_TRY(ks_buf_check(&path));
    KS_TRY(ks_text_copy((const char *)path.data, &db->path));
out:
    ks_buf_done(&path);
    return err;
}

static enum ks_err open_handle(const struct ks_store_options *options, enum ks_db_role role,
                               struct ks_db *db)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (role == KS_DB_WRITER) {
        flags |= SQLITE_OPEN_CREATE;
    }
    int code = sqlite3_open_v2(db->path, &db->handle, flags, options->vfs);
    if (db->handle == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%s: no memory for SQLite", db->path);
    }
    if ((code & 0xff) == SQLITE_CANTOPEN && role == KS_DB_READER) {
        return ks_fail(KS_ERR_NOT_FOUND, "%s: no store there", db->path);
    }
    if (code != SQLITE_OK) {
        return ks_db_fail(db, code, "open");
    }
    /* SQLite's generator seeds itself from the kernel at its first use: make that now, while
     * every file can still be opened. */
    uint8_t byte = 0;
    sqlite3_randomness(sizeof byte, &byte);
    return KS_OK;
}

/* Nothing in a file may make SQLite run code or reach elsewhere, and nothing goes to temporary
 * files. */
static enum ks_err harden(const struct ks_db *db)
{
    const struct {
        int option;
        int value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        int code = sqlite3_db_config(db->handle, options[i].option, options[i].value, NULL);
        if (code != SQLITE_OK) {
            return ks_db_fail(db, code, "configure");
        }
    }
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, KS_STORE_RECORD_MAX + 65536);
    int code = sqlite3_busy_timeout(db->handle, KS_DB_BUSY_MS);
    if (code != SQLITE_OK) {
        return ks_db_fail(db, code, "configure");
    }
    return ks_db_exec(db,
                      "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
                      "PRAGMA cell_size_check = ON;",
                      "configure");
}

/* Refuses what is not ours before anything is changed in it. *OUT_FRESH: there is no schema
 * yet. */
static enum ks_err check_identity(const struct ks_db *db, const struct ks_db_kind *kind,
                                  bool *out_fresh)
{
    enum ks_err err = KS_OK;
    int64_t application = 0;
    int64_t version = 0;
    int64_t objects = 0;

    KS_TRY(ks_db_integer(db, "PRAGMA application_id", &application));
    KS_TRY(ks_db_integer(db, "PRAGMA user_version", &version));
    KS_TRY(ks_db_integer(db, "SELECT count(*) FROM sqlite_schema", &objects));
    *out_fresh = application == 0 && version == 0 && objects == 0;
    if (*out_fresh) {
        goto out;
    }
    KS_CHECK(application == kind->application_id, KS_ERR_FORMAT,
             "%s: an SQLite file, but not a ketseal store", db->path);
    KS_CHECK(version <= kind->schema_version, KS_ERR_FORMAT,
             "%s: written by a newer ketseal: schema %lld, this one knows %lld", db->path,
             (long long)version, (long long)kind->schema_version);
    KS_CHECK(version == kind->schema_version, KS_ERR_FORMAT, "%s: unknown schema %lld",
             db->path, (long long)version);
out:
    return err;
}

/* Write-ahead log, and a sync of it at each commit: that is what makes a commit durable. */
static enum ks_err set_durability(const struct ks_store_options *options,
                                  const struct ks_db *db)
{
    enum ks_err err = KS_OK;
    char sql[96];
    int64_t level = 0;

    KS_TRY(ks_db_exec(db, "PRAGMA synchronous = FULL", "configure"));
    KS_TRY(ks_db_exec(db, "PRAGMA journal_mode = WAL", "switch to the write-ahead log"));
    sqlite3_snprintf(
        sizeof sql, sql, "PRAGMA wal_autocheckpoint = %u; PRAGMA journal_size_limit = %d",
        options->wal_pages != 0 ? options->wal_pages : KS_DB_WAL_PAGES, KS_DB_WAL_BYTES_MAX);
    KS_TRY(ks_db_exec(db, sql, "configure"));
    /* A PRAGMA that did not take is silent: ask. */
    KS_TRY(ks_db_integer(db, "PRAGMA synchronous", &level));
    KS_CHECK(level == 2, KS_ERR_IO, "%s: SQLite refuses synchronous = FULL", db->path);
    KS_TRY(ks_db_integer(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &level));
    KS_CHECK(level == 1, KS_ERR_IO, "%s: no write-ahead log on this file system", db->path);
out:
    return err;
}

/* Starts the WAL over, under a new salt. A crash may have left every frame of an unfinished
 * commit in it but one. If the next commit then begins with that very frame, and only that
 * frame reaches the disk, the older commit is valid after all, though it was seen to be absent.
 */
static enum ks_err start_wal_over(const struct ks_db *db)
{
    enum ks_err err = KS_OK;
    int64_t busy = 0;

    KS_TRY(ks_db_integer(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy));
    KS_CHECK(busy == 0, KS_ERR_UNAVAILABLE, "%s: another process is reading it", db->path);
out:
    return err;
}

enum ks_err ks_db_open(const struct ks_store_options *options, const struct ks_db_kind *kind,
                       enum ks_db_role role, struct ks_db *out_db)
{
    enum ks_err err = KS_OK;
    bool fresh = false;

    *out_db = (struct ks_db){0};
    if (options->version != 1) {
        return ks_fail(KS_ERR_USAGE, "store options of version %u", (unsigned)options->version);
    }
    KS_TRY(set_path(options, kind->file_name, out_db));
    if (role == KS_DB_WRITER && options->vfs == NULL) {
        KS_TRY(ks_dir_make(options->directory, 0700));
    }
    KS_TRY(open_handle(options, role, out_db));
    KS_TRY(harden(out_db));
    KS_TRY(check_identity(out_db, kind, &fresh));
    KS_TRY(ks_db_exec(out_db, kind->settings, "configure"));
    if (role == KS_DB_READER) {
        KS_CHECK(!fresh, KS_ERR_NOT_FOUND, "%s: the store is still empty", out_db->path);
        KS_TRY(ks_db_exec(out_db, "PRAGMA query_only = ON", "configure"));
    } else {
        KS_TRY(set_durability(options, out_db));
        if (fresh) {
            KS_TRY(ks_db_exec(out_db, kind->schema, "create the schema"));
        }
        KS_TRY(ks_db_exec(out_db, kind->additions, "create what is missing"));
        KS_TRY(start_wal_over(out_db));
    }
out:
    return err;
}

enum ks_err ks_db_sync_dir(const struct ks_store_options *options)
{
    enum ks_err err = KS_OK;
    int fd = -1;

    if (options->vfs != NULL) {
        KS_ASSERT(options->sync_dir != NULL);
        return options->sync_dir(options->sync_dir_context);
    }
    fd = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(fd >= 0, KS_ERR_IO, "open '%s': %s", options->directory, strerror(errno));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "sync '%s': %s", options->directory, strerror(errno));
out:
    ks_fd_close(&fd);
    return err;
}

void ks_db_close(struct ks_db *db)
{
    if (db->handle != NULL) {
        /* Only unfinalized statements make it fail, and those are our bug. */
        KS_ASSERT(sqlite3_close(db->handle) == SQLITE_OK);
        db->handle = NULL;
    }
    ks_free(db->path);
    db->path = NULL;
}

/* --- statements --------------------------------------------------------------------------- */

enum ks_err ks_db_prepare(const struct ks_db *db, const char *const *sql, size_t count,
                          sqlite3_stmt **out_statements)
{
    for (size_t i = 0; i < count; i++) {
        int code = sqlite3_prepare_v3(db->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &out_statements[i], NULL);
        if (code != SQLITE_OK) {
            return ks_db_fail(db, code, "prepare a statement");
        }
    }
    return KS_OK;
}

void ks_db_finalize(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)sqlite3_finalize(statements[i]); /* repeats the last step's error, already told */
        statements[i] = NULL;
    }
}

void ks_db_bind_u64(sqlite3_stmt *statement, int parameter, uint64_t value)
{
    KS_ASSERT(value <= INT64_MAX);
    KS_ASSERT(sqlite3_bind_int64(statement, parameter, (sqlite3_int64)value) == SQLITE_OK);
}

void ks_db_bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    KS_ASSERT(sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void ks_db_bind_bytes(sqlite3_stmt *statement, int parameter, struct ks_bytes bytes)
{
    KS_ASSERT(sqlite3_bind_blob64(statement, parameter, bytes.data, bytes.len, SQLITE_STATIC) ==
              SQLITE_OK);
}

enum ks_err ks_db_step(const struct ks_db *db, sqlite3_stmt *statement, const char *what,
                       bool *out_row)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return ks_db_fail(db, code, what);
    }
    *out_row = code == SQLITE_ROW;
    return KS_OK;
}

enum ks_err ks_db_run(const struct ks_db *db, sqlite3_stmt *statement, const char *what)
{
    bool row = false;
    enum ks_err err = ks_db_step(db, statement, what, &row);
    KS_ASSERT(err != KS_OK || !row);
    ks_db_done(statement);
    return err;
}

void ks_db_done(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement); /* repeats the last step's error, already told */
    (void)sqlite3_clear_bindings(statement);
}

enum ks_err ks_db_u64(const struct ks_db *db, sqlite3_stmt *statement, int column,
                      uint64_t *out_value)
{
    int64_t value = sqlite3_column_int64(statement, column);
    if (value < 0) {
        return ks_fail(KS_ERR_VERIFY, "%s: negative %s", db->path,
                       sqlite3_column_name(statement, column));
    }
    *out_value = (uint64_t)value;
    return KS_OK;
}

enum ks_err ks_db_bytes(const struct ks_db *db, sqlite3_stmt *statement, int column,
                        size_t len_max, struct ks_bytes *out_bytes)
{
    const void *data = sqlite3_column_blob(statement, column);
    size_t len = (size_t)sqlite3_column_bytes(statement, column);
    if (data == NULL && sqlite3_column_type(statement, column) == SQLITE_BLOB &&
        sqlite3_errcode(db->handle) == SQLITE_NOMEM) {
        return ks_fail(KS_ERR_NOMEM, "%s: no memory for a value", db->path);
    }
    if (len > len_max) {
        return ks_fail(KS_ERR_VERIFY, "%s: %zu bytes of %s, limit %zu", db->path, len,
                       sqlite3_column_name(statement, column), len_max);
    }
    *out_bytes = ks_bytes_of(data, len);
    return KS_OK;
}

enum ks_err ks_db_text(const struct ks_db *db, sqlite3_stmt *statement, int column,
                       char *target, size_t size)
{
    struct ks_bytes text = {0};
    enum ks_err err = ks_db_bytes(db, statement, column, size - 1, &text);
    if (err == KS_OK) {
        ks_copy(target, text.data, text.len);
        target[text.len] = '\0';
    }
    return err;
}
