/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The whole store, read and held against what it promises. */

#include "store/reader.h"

/* Each query gives a row for a thing that is wrong: its name and, in words, what. */
static const char *const rules[] = {
    "SELECT 'ledger', 'entry ' || p.position || ' is followed by entry ' || n.position"
    " FROM (SELECT position, lead(position) OVER (ORDER BY position) AS next FROM entries) p"
    " JOIN entries n ON n.position = p.next WHERE p.next <> p.position + 1 LIMIT 1",
    "SELECT 'ledger', 'it begins with entry ' || min(position) FROM entries"
    " HAVING min(position) <> 0",
    "SELECT 'entry ' || position, 'leaf hash of ' || length(leaf) || ' bytes' FROM entries"
    " WHERE length(leaf) <> 32 LIMIT 1",
    "SELECT 'entry ' || position, length(entry) || ' bytes' FROM entries"
    " WHERE length(entry) NOT BETWEEN 1 AND 1024 LIMIT 1",
    "SELECT 'job ' || id, 'done, but without its record' FROM jobs"
    " WHERE state = 2 AND id NOT IN (SELECT job FROM records) LIMIT 1",
    "SELECT 'record of job ' || r.job, 'the job is not done' FROM records r"
    " LEFT JOIN jobs j ON j.id = r.job WHERE j.state IS NOT 2 LIMIT 1",
    "SELECT 'job ' || id, 'intent ' || intent_index || ' is past the ledger' FROM jobs"
    " WHERE intent_index NOT IN (SELECT position FROM entries) LIMIT 1",
    "SELECT 'job ' || id, 'result ' || result_index || ' is past the ledger' FROM jobs"
    " WHERE result_index NOT IN (SELECT position FROM entries) LIMIT 1",
    "SELECT 'job ' || id, 'state ' || state || ' with result ' || ifnull(result_index, 'none')"
    " FROM jobs WHERE (state = 1) <> (result_index IS NULL) LIMIT 1",
    "SELECT 'job ' || id, 'its result ' || result_index || ' is not after its intent' FROM jobs"
    " WHERE result_index <= intent_index LIMIT 1",
    "SELECT 'checkpoint of ' || size, 'past the ledger' FROM checkpoints"
    " WHERE size > (SELECT ifnull(max(position) + 1, 0) FROM entries) LIMIT 1",
    "SELECT 'cosigned checkpoint of ' || size, 'past the ledger' FROM cosigned"
    " WHERE size > (SELECT ifnull(max(position) + 1, 0) FROM entries) LIMIT 1",
    "SELECT 'attachment to the checkpoint of ' || size, 'past the ledger' FROM attachments"
    " WHERE size > (SELECT ifnull(max(position) + 1, 0) FROM entries) LIMIT 1",
    "SELECT 'trace ' || number, 'its job ' || job || ' has not ended' FROM traces"
    " WHERE job <> '' AND job NOT IN (SELECT id FROM jobs WHERE state <> 1) LIMIT 1",
    "SELECT 'detection ' || number, 'its trace is missing' FROM detections"
    " WHERE number NOT IN (SELECT number FROM traces) LIMIT 1",
    "SELECT 'alert about ' || device, 'entry ' || position || ' is past the ledger' FROM "
    "suspects"
    " WHERE position NOT IN (SELECT position FROM entries) LIMIT 1",
};

#define WHAT_LEN 512

static enum ks_err check_rule(const struct ks_db *db, const char *sql)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    bool row = false;
    char name[WHAT_LEN];
    char what[WHAT_LEN];

    KS_TRY(ks_db_prepare(db, &sql, 1, &statement));
    KS_TRY(ks_db_step(db, statement, "check", &row));
    if (row) {
        KS_TRY(ks_db_text(db, statement, 0, name, sizeof name));
        KS_TRY(ks_db_text(db, statement, 1, what, sizeof what));
        err = ks_fail(KS_ERR_VERIFY, "%s: %s: %s", db->path, name, what);
    }
out:
    ks_db_finalize(&statement, 1);
    return err;
}

/* SQLite answers "ok", or what is wrong. */
static enum ks_err check_integrity(const struct ks_db *db)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    const char *sql = "PRAGMA integrity_check(1)";
    bool row = false;
    struct ks_bytes answer = {0};

    KS_TRY(ks_db_prepare(db, &sql, 1, &statement));
    KS_TRY(ks_db_step(db, statement, "check", &row));
    KS_CHECK(row, KS_ERR_VERIFY, "%s: no answer to the integrity check", db->path);
    KS_TRY(ks_db_bytes(db, statement, 0, KS_STORE_RECORD_MAX, &answer));
    KS_CHECK(ks_bytes_is(answer, "ok"), KS_ERR_VERIFY, "%s: %.*s", db->path,
             (int)(answer.len < WHAT_LEN ? answer.len : WHAT_LEN), (const char *)answer.data);
out:
    ks_db_finalize(&statement, 1);
    return err;
}

enum ks_err ks_store_check(struct ks_store_reader *reader)
{
    enum ks_err err = KS_OK;

    /* Ours first: they say which entry or job it is. */
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        KS_TRY(check_rule(&reader->db, rules[i]));
    }
    KS_TRY(check_integrity(&reader->db));
out:
    return err;
}
