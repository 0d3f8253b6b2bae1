/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* db.h: one SQLite connection to the store's file: opened with the store's settings, its schema
 * checked, SQLite's result codes turned into ours. Inside src/store only. A connection is used
 * by one thread. */
#ifndef KS_STORE_DB_H
#define KS_STORE_DB_H

#include <sqlite3.h>

#include "store/store.h"

#define KS_DB_FILE_NAME "ketseal.db"
#define KS_DB_APPLICATION_ID                                                                   \
    0x6b657473                    /* "kets": file(1) and other programs see whose file it is */
#define KS_DB_SCHEMA        1     /* user_version; a newer one is refused */
#define KS_DB_BUSY_MS       10000 /* how long a lock is waited for */
#define KS_DB_WAL_PAGES     1000  /* in the WAL before it is folded into the database */
#define KS_DB_WAL_BYTES_MAX 67108864 /* the WAL's file is cut to this after a burst */

/* What a database of ours holds: one store's kind of file. */
struct ks_db_kind {
    const char *file_name;
    int64_t application_id;
    int64_t schema_version; /* user_version; a newer one is refused */
    const char *schema;     /* creates all of it, the two numbers included, in a transaction */
    const char *additions;  /* tables of later versions, created where they are missing; those
                               before neither read nor write them: no new schema; may be empty */
    const char *settings;   /* statements for each connection; may be empty */
};
extern const struct ks_db_kind ks_db_store; /* a site's (store.h) */

struct ks_db {
    sqlite3 *handle;
    char *path; /* of the database, for errors */
};

enum ks_db_role { KS_DB_WRITER, KS_DB_READER };

/* Opens the file of KIND in the options' directory. The writer creates it, directory and schema
 * included, where it is absent; a reader does not (KS_ERR_NOT_FOUND). KS_ERR_FORMAT for a file
 * that is not of KIND or that a newer ketseal wrote. OUT_DB may be given to ks_db_close after a
 * failure. */
KS_MUST_CHECK enum ks_err ks_db_open(const struct ks_store_options *options,
                                     const struct ks_db_kind *kind, enum ks_db_role role,
                                     struct ks_db *out_db);
/* Makes the names of the database and of its WAL durable. SQLite syncs the directory as well,
 * but its unix VFS does not look at the result (unixSync in os_unix.c): a failure there would
 * lose whole commits. */
KS_MUST_CHECK enum ks_err ks_db_sync_dir(const struct ks_store_options *options);
void ks_db_close(struct ks_db *db); /* statements have to be finalized before */

/* Our code for SQLite's result CODE, with "PATH: WHAT: SQLite's own words" as the detail. */
KS_MUST_CHECK enum ks_err ks_db_fail(const struct ks_db *db, int code, const char *what);
/* Runs SQL, one or several statements, without looking at rows. */
KS_MUST_CHECK enum ks_err ks_db_exec(const struct ks_db *db, const char *sql, const char *what);
/* The integer in the first row of SQL; KS_ERR_VERIFY when there is none. */
KS_MUST_CHECK enum ks_err ks_db_integer(const struct ks_db *db, const char *sql,
                                        int64_t *out_value);

/* Prepares COUNT statements; what was prepared before a failure is left for ks_db_finalize. */
KS_MUST_CHECK enum ks_err ks_db_prepare(const struct ks_db *db, const char *const *sql,
                                        size_t count, sqlite3_stmt **out_statements);
void ks_db_finalize(sqlite3_stmt **statements, size_t count);

/* Parameters count from 1. The memory is borrowed until ks_db_done. U64 asserts VALUE <=
 * INT64_MAX. */
void ks_db_bind_u64(sqlite3_stmt *statement, int parameter, uint64_t value);
void ks_db_bind_text(sqlite3_stmt *statement, int parameter, const char *text);
void ks_db_bind_bytes(sqlite3_stmt *statement, int parameter, struct ks_bytes bytes);
/* A row is there: *OUT_ROW true. WHAT names the action in errors. */
KS_MUST_CHECK enum ks_err ks_db_step(const struct ks_db *db, sqlite3_stmt *statement,
                                     const char *what, bool *out_row);
/* Steps a statement that gives no rows, and is done with it. */
KS_MUST_CHECK enum ks_err ks_db_run(const struct ks_db *db, sqlite3_stmt *statement,
                                    const char *what);
/* Resets the statement and lets go of its parameters; ends the read transaction it held. */
void ks_db_done(sqlite3_stmt *statement);

/* Columns count from 0. KS_ERR_VERIFY when the value cannot be the store's own: a negative
 * integer, a text or blob over its limit. The view lives until the next step or ks_db_done. */
KS_MUST_CHECK enum ks_err ks_db_u64(const struct ks_db *db, sqlite3_stmt *statement, int column,
                                    uint64_t *out_value);
KS_MUST_CHECK enum ks_err ks_db_text(const struct ks_db *db, sqlite3_stmt *statement,
                                     int column, char *target, size_t size);
KS_MUST_CHECK enum ks_err ks_db_bytes(const struct ks_db *db, sqlite3_stmt *statement,
                                      int column, size_t len_max, struct ks_bytes *out_bytes);

#endif
