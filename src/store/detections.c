/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Reading what the detector said of traces, and rounds of contributions. */

#include "store/reader.h"

enum ks_err ks_store_alerts(struct ks_store_reader *reader, const char *device, uint64_t before,
                            uint64_t count, ks_store_alert_visit visit, void *context)
{
    static const char *const sql =
        "SELECT d.number, d.document FROM detections AS d JOIN traces AS t USING (number)"
        " WHERE d.document IS NOT NULL AND d.number < ?1 AND (?2 = '' OR t.device = ?2)"
        " ORDER BY d.number DESC LIMIT ?3";
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    bool row = false;

    KS_CHECK(before <= INT64_MAX && count <= INT64_MAX, KS_ERR_LIMIT, "alerts past any number");
    KS_TRY(ks_db_prepare(&reader->db, &sql, 1, &statement));
    ks_db_bind_u64(statement, 1, before == 0 ? INT64_MAX : before);
    ks_db_bind_text(statement, 2, device == NULL ? "" : device);
    ks_db_bind_u64(statement, 3, count);
    KS_TRY(ks_db_step(&reader->db, statement, "read alerts", &row));
    while (row) {
        struct ks_bytes document = {0};
        uint64_t number = 0;

        KS_TRY(ks_db_u64(&reader->db, statement, 0, &number));
        KS_TRY(ks_db_bytes(&reader->db, statement, 1, KS_STORE_DETECTION_MAX, &document));
        KS_TRY(visit(context, number, document));
        KS_TRY(ks_db_step(&reader->db, statement, "read alerts", &row));
    }
out:
    ks_db_finalize(&statement, 1);
    return err;
}

enum ks_err ks_store_detection(struct ks_store_reader *reader, uint64_t number,
                               uint32_t *out_path, uint8_t out_model[KS_STORE_MODEL_LEN],
                               struct ks_buf *out)
{
    static const char *const sql =
        "SELECT path, model, document FROM detections WHERE number = ?1";
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    struct ks_bytes model = {0};
    struct ks_bytes document = {0};
    uint64_t path = 0;
    bool row = false;

    KS_TRY(ks_db_prepare(&reader->db, &sql, 1, &statement));
    ks_db_bind_u64(statement, 1, number);
    KS_TRY(ks_db_step(&reader->db, statement, "look for a detection", &row));
    KS_CHECK(row, KS_ERR_NOT_FOUND, "nothing was said of trace %llu",
             (unsigned long long)number);
    KS_TRY(ks_db_u64(&reader->db, statement, 0, &path));
    KS_TRY(ks_db_bytes(&reader->db, statement, 1, KS_STORE_MODEL_LEN, &model));
    KS_CHECK(path <= UINT32_MAX && model.len == KS_STORE_MODEL_LEN, KS_ERR_VERIFY,
             "%s: detection %llu is damaged", reader->db.path, (unsigned long long)number);
    KS_TRY(ks_db_bytes(&reader->db, statement, 2, KS_STORE_DETECTION_MAX, &document));
    ks_buf_put(out, document);
    KS_TRY(ks_buf_check(out));
    *out_path = (uint32_t)path;
    ks_copy(out_model, model.data, KS_STORE_MODEL_LEN);
out:
    ks_db_finalize(&statement, 1);
    return err;
}

enum ks_err ks_store_suspects(struct ks_store_reader *reader, const char *device,
                              uint64_t before, uint64_t count, ks_store_suspect_visit visit,
                              void *context)
{
    static const char *const sql =
        "SELECT s.position, s.at_us, e.entry FROM suspects AS s JOIN entries AS e"
        " USING (position) WHERE s.position < ?1 AND (?2 = '' OR s.device = ?2)"
        " ORDER BY s.position DESC LIMIT ?3";
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = NULL;
    int64_t tables = 0;
    bool row = false;

    KS_CHECK(before <= INT64_MAX && count <= INT64_MAX, KS_ERR_LIMIT, "alerts past any entry");
    KS_TRY(ks_db_integer(
        &reader->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'suspects'", &tables));
    if (tables == 0) { /* only an older version has written here */
        goto out;
    }
    KS_TRY(ks_db_prepare(&reader->db, &sql, 1, &statement));
    ks_db_bind_u64(statement, 1, before == 0 ? INT64_MAX : before);
    ks_db_bind_text(statement, 2, device == NULL ? "" : device);
    ks_db_bind_u64(statement, 3, count);
    KS_TRY(ks_db_step(&reader->db, statement, "read alerts", &row));
    while (row) {
        struct ks_bytes entry = {0};
        uint64_t position = 0;
        uint64_t at_us = 0;

        KS_TRY(ks_db_u64(&reader->db, statement, 0, &position));
        KS_TRY(ks_db_u64(&reader->db, statement, 1, &at_us));
        KS_TRY(ks_db_bytes(&reader->db, statement, 2, KS_STORE_ENTRY_MAX, &entry));
        KS_TRY(visit(context, position, at_us, entry));
        KS_TRY(ks_db_step(&reader->db, statement, "read alerts", &row));
    }
out:
    ks_db_finalize(&statement, 1);
    return err;
}
