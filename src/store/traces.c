/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Reading traces. Statements are prepared when they are asked for: a store that only an older
 * version has written has no such table, and everything else in it can be read. */

#include "store/reader.h"

#define COLUMNS "SELECT number, job, device, started_us, measured FROM traces "

/* NULL, and no error, in a store without traces. */
static enum ks_err prepare(const struct ks_db *db, const char *sql,
                           sqlite3_stmt **out_statement)
{
    enum ks_err err = KS_OK;
    int64_t tables = 0;

    KS_TRY(
        ks_db_integer(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'traces'", &tables));
    if (tables > 0) {
        KS_TRY(ks_db_prepare(db, &sql, 1, out_statement));
    }
out:
    return err;
}

static enum ks_err trace_of_row(const struct ks_db *db, sqlite3_stmt *row, uint64_t *out_number,
                                struct ks_trace *out_trace)
{
    enum ks_err err = KS_OK;
    struct ks_trace trace;
    struct ks_bytes measured = {0};

    ks_trace_init(&trace);
    trace.side = KS_TRACE_SIDE_SITE;
    KS_TRY(ks_db_u64(db, row, 0, out_number));
    KS_TRY(ks_db_text(db, row, 1, trace.job, sizeof trace.job));
    KS_TRY(ks_db_text(db, row, 2, trace.device, sizeof trace.device));
    KS_TRY(ks_db_u64(db, row, 3, &trace.started_us));
    KS_TRY(ks_db_bytes(db, row, 4, KS_TRACE_BYTES_MAX, &measured));
    if (ks_trace_read_values(measured, &trace) != KS_OK || ks_trace_check(&trace) != KS_OK) {
        KS_TRY(ks_fail(KS_ERR_VERIFY, "%s: trace %llu is damaged", db->path,
                       (unsigned long long)*out_number));
    }
    *out_trace = trace;
out:
    return err;
}

enum ks_err ks_store_traces(struct ks_store_reader *reader, uint64_t after, uint64_t count,
                            ks_trace_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    bool row = false;

    KS_CHECK(after <= INT64_MAX && count <= INT64_MAX, KS_ERR_LIMIT, "traces past any number");
    KS_TRY(
        prepare(&reader->db, COLUMNS "WHERE number > ?1 ORDER BY number LIMIT ?2", &statement));
    if (statement == NULL) {
        goto out;
    }
    ks_db_bind_u64(statement, 1, after);
    ks_db_bind_u64(statement, 2, count);
    KS_TRY(ks_db_step(&reader->db, statement, "read traces", &row));
    while (row) {
        struct ks_trace trace;
        uint64_t number = 0;

        KS_TRY(trace_of_row(&reader->db, statement, &number, &trace));
        KS_TRY(visit(context, number, &trace));
        KS_TRY(ks_db_step(&reader->db, statement, "read traces", &row));
    }
out:
    ks_db_finalize(&statement, 1);
    return err;
}

enum ks_err ks_store_trace_of(struct ks_store_reader *reader, const char *id,
                              struct ks_trace *out_trace)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    uint64_t number = 0;
    bool row = false;

    KS_TRY(prepare(&reader->db, COLUMNS "WHERE job = ?1 AND job <> ''", &statement));
    if (statement != NULL) {
        ks_db_bind_text(statement, 1, id);
        KS_TRY(ks_db_step(&reader->db, statement, "look for a trace", &row));
    }
    KS_CHECK(row, KS_ERR_NOT_FOUND, "no trace of a job '%.40s'", id);
    KS_TRY(trace_of_row(&reader->db, statement, &number, out_trace));
out:
    ks_db_finalize(&statement, 1);
    return err;
}
