/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "store/keypool.h"

#include <string.h>

#include "store/db.h"

/* docs/formats/kme.md describes each column. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE strips ("
    "  position INTEGER PRIMARY KEY,"
    "  block BLOB NOT NULL CHECK (length(block) = 16),"
    "  side INTEGER NOT NULL CHECK (side IN (0, 1)),"
    "  number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295),"
    "  start INTEGER NOT NULL CHECK (start BETWEEN 0 AND 4096),"
    "  rest BLOB NOT NULL CHECK (length(rest) BETWEEN 1 AND 4096),"
    "  UNIQUE (block, side, number)"
    ") STRICT;"
    "CREATE TABLE held ("
    "  id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),"
    "  master TEXT NOT NULL,"
    "  key BLOB NOT NULL CHECK (length(key) BETWEEN 1 AND 512),"
    "  until_s INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX held_by_time ON held (until_s);"
    "CREATE TABLE named ("
    "  id BLOB NOT NULL REFERENCES held (id) ON DELETE CASCADE,"
    "  sae TEXT NOT NULL,"
    "  taken INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1)),"
    "  PRIMARY KEY (id, sae)"
    ") STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 1801810288;"
    "PRAGMA user_version = 1;"
    "COMMIT;";
#define APPLICATION_ID 0x6b657170 /* "keqp" */
_Static_assert(APPLICATION_ID == 1801810288, "as in the schema's text");
_Static_assert(KS_KEYPOOL_STRIP_MAX == 4096 && KS_KEYPOOL_KEY_MAX == 512,
               "as in the schema's text");

static const struct ks_db_kind kind = {
    .file_name = "pool.db",
    .application_id = APPLICATION_ID,
    .schema_version = 1,
    .schema = schema,
    .additions = "",
    .settings = "PRAGMA secure_delete = ON;",
};

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    STRIPS,
    STRIP_ADD,
    STRIP_CUT,
    STRIP_REMOVE,
    HOLD,
    NAME,
    FIND,
    NAMED,
    TAKE,
    REMOVE,
    FORGET,
    COUNT,
    STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [STRIPS] = "SELECT block, side, number, start, rest FROM strips ORDER BY position",
    [STRIP_ADD] =
        "INSERT INTO strips (block, side, number, start, rest) VALUES (?1, ?2, ?3, ?4, ?5)",
    [STRIP_CUT] = "UPDATE strips SET start = ?4, rest = ?5"
                  " WHERE block = ?1 AND side = ?2 AND number = ?3",
    [STRIP_REMOVE] = "DELETE FROM strips WHERE block = ?1 AND side = ?2 AND number = ?3",
    [HOLD] = "INSERT INTO held (id, master, key, until_s) VALUES (?1, ?2, ?3, ?4)",
    [NAME] = "INSERT INTO named (id, sae) VALUES (?1, ?2)",
    [FIND] = "SELECT master, key, until_s FROM held WHERE id = ?1",
    [NAMED] = "SELECT taken FROM named WHERE id = ?1 AND sae = ?2",
    [TAKE] = "UPDATE named SET taken = 1 WHERE id = ?1 AND sae = ?2 AND taken = 0",
    [REMOVE] = "DELETE FROM held WHERE id = ?1"
               " AND NOT EXISTS (SELECT 1 FROM named WHERE id = ?1 AND taken = 0)",
    [FORGET] = "DELETE FROM held WHERE until_s <= ?1",
    [COUNT] = "SELECT count(*) FROM held",
};

struct ks_keypool {
    struct ks_db db;
    sqlite3_stmt *statements[STATEMENTS];
};

enum ks_err ks_keypool_open(const struct ks_store_options *options,
                            struct ks_keypool **out_pool)
{
    enum ks_err err = KS_OK;
    struct ks_keypool *pool = ks_calloc(1, sizeof *pool);
    int64_t secure = 0;

    KS_CHECK(pool != NULL, KS_ERR_NOMEM, "key pool");
    KS_TRY(ks_db_open(options, &kind, KS_DB_WRITER, &pool->db));
    /* A PRAGMA that did not take is silent: ask. */
    KS_TRY(ks_db_integer(&pool->db, "PRAGMA secure_delete", &secure));
    KS_CHECK(secure == 1, KS_ERR_INTERNAL, "%s: SQLite refuses secure_delete", pool->db.path);
    KS_TRY(ks_db_prepare(&pool->db, statement_sql, STATEMENTS, pool->statements));
    /* By now the WAL is there, and it stays until the last connection closes. */
    KS_TRY(ks_db_sync_dir(options));
    *out_pool = pool;
    pool = NULL;
out:
    ks_keypool_close(pool);
    return err;
}

void ks_keypool_close(struct ks_keypool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->statements[ROLLBACK] != NULL && sqlite3_get_autocommit(pool->db.handle) == 0) {
        (void)sqlite3_step(pool->statements[ROLLBACK]); /* closing does the same */
    }
    ks_db_finalize(pool->statements, STATEMENTS);
    ks_db_close(&pool->db);
    ks_free(pool);
}

enum ks_err ks_keypool_begin(struct ks_keypool *pool)
{
    return ks_db_run(&pool->db, pool->statements[BEGIN], "begin");
}

enum ks_err ks_keypool_commit(struct ks_keypool *pool)
{
    return ks_db_run(&pool->db, pool->statements[COMMIT], "commit");
}

/* --- strips ------------------------------------------------------------------------------- */

static enum ks_err read_strip(struct ks_keypool *pool, sqlite3_stmt *statement,
                              struct ks_keypool_strip *out_strip, struct ks_bytes *out_rest)
{
    enum ks_err err = KS_OK;
    struct ks_bytes block = {0};
    uint64_t side = 0;
    uint64_t number = 0;
    uint64_t start = 0;

    KS_TRY(ks_db_bytes(&pool->db, statement, 0, KS_KEYPOOL_BLOCK_LEN, &block));
    KS_TRY(ks_db_u64(&pool->db, statement, 1, &side));
    KS_TRY(ks_db_u64(&pool->db, statement, 2, &number));
    KS_TRY(ks_db_u64(&pool->db, statement, 3, &start));
    KS_TRY(ks_db_bytes(&pool->db, statement, 4, KS_KEYPOOL_STRIP_MAX, out_rest));
    KS_CHECK(block.len == KS_KEYPOOL_BLOCK_LEN && side <= 1 && number <= UINT32_MAX &&
                 start <= KS_KEYPOOL_STRIP_MAX && out_rest->len > 0 &&
                 out_rest->len <= KS_KEYPOOL_STRIP_MAX - start,
             KS_ERR_VERIFY, "%s: a strip that cannot be", pool->db.path);
    ks_copy(out_strip->block, block.data, block.len);
    out_strip->side = (enum ks_keypool_side)side;
    out_strip->number = (uint32_t)number;
    out_strip->start = (uint32_t)start;
out:
    return err;
}

enum ks_err ks_keypool_strips(struct ks_keypool *pool, ks_keypool_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[STRIPS];
    bool row = false;

    for (;;) {
        struct ks_keypool_strip strip = {0};
        struct ks_bytes rest = {0};

        KS_TRY(ks_db_step(&pool->db, statement, "read the strips", &row));
        if (!row) {
            break;
        }
        KS_TRY(read_strip(pool, statement, &strip, &rest));
        KS_TRY(visit(context, &strip, rest));
    }
out:
    ks_db_done(statement);
    return err;
}

static void bind_strip(sqlite3_stmt *statement, const struct ks_keypool_strip *strip)
{
    ks_db_bind_bytes(statement, 1, KS_BYTES(strip->block));
    ks_db_bind_u64(statement, 2, (uint64_t)strip->side);
    ks_db_bind_u64(statement, 3, strip->number);
}

enum ks_err ks_keypool_strip_add(struct ks_keypool *pool, const struct ks_keypool_strip *strip,
                                 struct ks_bytes rest)
{
    sqlite3_stmt *statement = pool->statements[STRIP_ADD];

    KS_ASSERT(strip->start <= KS_KEYPOOL_STRIP_MAX && rest.len > 0 &&
              rest.len <= KS_KEYPOOL_STRIP_MAX - strip->start);
    bind_strip(statement, strip);
    ks_db_bind_u64(statement, 4, strip->start);
    ks_db_bind_bytes(statement, 5, rest);
    return ks_db_run(&pool->db, statement, "add a strip");
}

enum ks_err ks_keypool_strip_cut(struct ks_keypool *pool, const struct ks_keypool_strip *strip,
                                 struct ks_bytes rest)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[rest.len > 0 ? STRIP_CUT : STRIP_REMOVE];

    bind_strip(statement, strip);
    if (rest.len > 0) {
        ks_db_bind_u64(statement, 4, strip->start);
        ks_db_bind_bytes(statement, 5, rest);
    }
    KS_TRY(ks_db_run(&pool->db, statement, "cut a strip"));
    KS_CHECK(sqlite3_changes(pool->db.handle) == 1, KS_ERR_NOT_FOUND, "%s: no such strip",
             pool->db.path);
out:
    return err;
}

/* --- keys that wait ----------------------------------------------------------------------- */

enum ks_err ks_keypool_hold(struct ks_keypool *pool, const struct ks_keypool_held *held)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *hold = pool->statements[HOLD];
    sqlite3_stmt *name = pool->statements[NAME];

    KS_ASSERT(held->named_count >= 1 && held->named_count <= KS_KEYPOOL_NAMED_MAX);
    KS_ASSERT(held->key.len >= 1 && held->key.len <= KS_KEYPOOL_KEY_MAX);
    ks_db_bind_bytes(hold, 1, KS_BYTES(held->id));
    ks_db_bind_text(hold, 2, held->master);
    ks_db_bind_bytes(hold, 3, held->key);
    ks_db_bind_u64(hold, 4, held->until_s);
    KS_TRY(ks_db_run(&pool->db, hold, "hold a key"));
    for (size_t i = 0; i < held->named_count; i++) {
        ks_db_bind_bytes(name, 1, KS_BYTES(held->id));
        ks_db_bind_text(name, 2, held->named[i]);
        KS_TRY(ks_db_run(&pool->db, name, "name a slave"));
    }
out:
    return err;
}

/* Whether SAE was named for the key and has not taken it. */
static enum ks_err check_named(struct ks_keypool *pool, const uint8_t id[KS_KEYPOOL_ID_LEN],
                               const char *sae)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[NAMED];
    bool row = false;
    uint64_t taken = 0;

    ks_db_bind_bytes(statement, 1, ks_bytes_of(id, KS_KEYPOOL_ID_LEN));
    ks_db_bind_text(statement, 2, sae);
    KS_TRY(ks_db_step(&pool->db, statement, "look for a slave", &row));
    KS_CHECK(row, KS_ERR_DENIED, "'%s' was not named for this key", sae);
    KS_TRY(ks_db_u64(&pool->db, statement, 0, &taken));
    KS_CHECK(taken == 0, KS_ERR_NOT_FOUND, "'%s' has taken this key", sae);
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_keypool_find(struct ks_keypool *pool, const uint8_t id[KS_KEYPOOL_ID_LEN],
                            const char *sae, uint8_t out_key[KS_KEYPOOL_KEY_MAX],
                            struct ks_keypool_held *out_held)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[FIND];
    struct ks_keypool_held held = {0};
    bool row = false;

    ks_db_bind_bytes(statement, 1, ks_bytes_of(id, KS_KEYPOOL_ID_LEN));
    KS_TRY(ks_db_step(&pool->db, statement, "look for a key", &row));
    KS_CHECK(row, KS_ERR_NOT_FOUND, "no such key");
    KS_TRY(check_named(pool, id, sae));
    ks_copy(held.id, id, sizeof held.id);
    KS_TRY(ks_db_text(&pool->db, statement, 0, held.master, sizeof held.master));
    KS_TRY(ks_db_bytes(&pool->db, statement, 1, KS_KEYPOOL_KEY_MAX, &held.key));
    KS_TRY(ks_db_u64(&pool->db, statement, 2, &held.until_s));
    ks_copy(out_key, held.key.data, held.key.len);
    held.key.data = out_key;
    *out_held = held;
out:
    ks_db_done(statement);
    return err;
}

enum ks_err ks_keypool_take(struct ks_keypool *pool, const uint8_t id[KS_KEYPOOL_ID_LEN],
                            const char *sae, bool *out_gone)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *take = pool->statements[TAKE];
    sqlite3_stmt *remove = pool->statements[REMOVE];

    ks_db_bind_bytes(take, 1, ks_bytes_of(id, KS_KEYPOOL_ID_LEN));
    ks_db_bind_text(take, 2, sae);
    KS_TRY(ks_db_run(&pool->db, take, "take a key"));
    KS_CHECK(sqlite3_changes(pool->db.handle) == 1, KS_ERR_NOT_FOUND, "no such key for '%s'",
             sae);
    ks_db_bind_bytes(remove, 1, ks_bytes_of(id, KS_KEYPOOL_ID_LEN));
    KS_TRY(ks_db_run(&pool->db, remove, "remove a key"));
    *out_gone = sqlite3_changes(pool->db.handle) == 1;
out:
    return err;
}

enum ks_err ks_keypool_forget(struct ks_keypool *pool, uint64_t now_s, uint64_t *out_count)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[FORGET];

    ks_db_bind_u64(statement, 1, now_s);
    KS_TRY(ks_db_run(&pool->db, statement, "forget keys"));
    *out_count = (uint64_t)sqlite3_changes(pool->db.handle);
out:
    return err;
}

enum ks_err ks_keypool_count(struct ks_keypool *pool, uint64_t *out_held)
{
    enum ks_err err = KS_OK;
    sqlite3_stmt *statement = pool->statements[COUNT];
    bool row = false;

    KS_TRY(ks_db_step(&pool->db, statement, "count keys", &row));
    KS_CHECK(row, KS_ERR_VERIFY, "%s: no count", pool->db.path);
    KS_TRY(ks_db_u64(&pool->db, statement, 0, out_held));
out:
    ks_db_done(statement);
    return err;
}
