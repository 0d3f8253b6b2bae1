/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The store on a real directory, and on a disk that is full or fails. Crashes: tests/fault. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault/crash_vfs.h"
#include "store/store.h"

#define PATH_LEN 256

struct fixture {
    char parent[PATH_LEN];
    char directory[PATH_LEN]; /* not made yet */
    struct ks_store_options options;
    struct ks_store *store;
    struct ks_store_reader *reader;
};

static const uint8_t leaf_any[32] = {7};

static int setup(void **state)
{
    struct fixture *fixture = ks_calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    (void)snprintf(fixture->parent, sizeof fixture->parent, "/tmp/ketseal-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->parent));
    (void)snprintf(fixture->directory, sizeof fixture->directory, "%.200s/site",
                   fixture->parent);
    fixture->options = (struct ks_store_options){.version = 1, .directory = fixture->directory};
    *state = fixture;
    return 0;
}

static void close_all(struct fixture *fixture)
{
    ks_store_reader_free(fixture->reader);
    fixture->reader = NULL;
    ks_store_close(fixture->store);
    fixture->store = NULL;
}

static void open_all(struct fixture *fixture)
{
    assert_int_equal(ks_store_open(&fixture->options, &fixture->store), KS_OK);
    assert_int_equal(ks_store_reader_new(&fixture->options, &fixture->reader), KS_OK);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"ketseal.db", "ketseal.db-wal", "ketseal.db-shm"};
    char path[PATH_LEN];

    close_all(fixture);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%.200s/%s", fixture->directory, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(fixture->directory);
    (void)rmdir(fixture->parent); /* fails, loudly in the next check, if a file strayed */
    const int strayed = access(fixture->parent, F_OK) == 0;
    ks_free(fixture);
    return strayed;
}

/* Job NUMBER: its id is made of it, so that ids ascend with numbers. */
static struct ks_store_job job_of(unsigned number, uint64_t intent)
{
    struct ks_store_job job = {
        .state = KS_JOB_ACCEPTED,
        .created_us = 1000 + number / 2, /* two jobs in each microsecond */
        .intent_index = intent,
    };
    (void)snprintf(job.id, sizeof job.id, "00000000-0000-4000-8000-%012x", number);
    (void)snprintf(job.device, sizeof job.device, "device-%u", number % 2);
    job.job_digest[0] = (uint8_t)number;
    return job;
}

static uint64_t append(struct ks_store *store, const char *entry)
{
    uint64_t index = UINT64_MAX;
    assert_int_equal(ks_store_append(store, ks_bytes_text(entry), leaf_any, &index), KS_OK);
    return index;
}

/* One committed transaction with job NUMBER accepted. */
static void accept(struct ks_store *store, unsigned number)
{
    assert_int_equal(ks_store_begin(store), KS_OK);
    struct ks_store_job job = job_of(number, append(store, "intent"));
    assert_int_equal(ks_store_job_insert(store, &job), KS_OK);
    assert_int_equal(ks_store_commit(store), KS_OK);
}

static uint64_t size_of(struct ks_store_reader *reader)
{
    uint64_t size = UINT64_MAX;
    assert_int_equal(ks_store_size(reader, &size), KS_OK);
    return size;
}

static void run_sql(const struct fixture *fixture, const char *sql)
{
    char path[PATH_LEN];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof path, "%.200s/ketseal.db", fixture->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define assert_detail(part)                                                                    \
    do {                                                                                       \
        if (strstr(ks_err_detail(), (part)) == NULL) {                                         \
            fail_msg("'%s' is not in '%s'", (part), ks_err_detail());                          \
        }                                                                                      \
    } while (0)

/* --- what is kept ------------------------------------------------------------------------- */

static void test_commits_are_seen_and_kept(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    struct ks_buf entry;

    open_all(fixture);
    assert_int_equal(stat(fixture->directory, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(size_of(fixture->reader), 0);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(append(fixture->store, "first"), 0);
    assert_int_equal(append(fixture->store, "second"), 1);
    assert_int_equal(size_of(fixture->reader), 0); /* not committed yet */
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    assert_int_equal(size_of(fixture->reader), 2);

    close_all(fixture);
    open_all(fixture);
    assert_int_equal(size_of(fixture->reader), 2);
    ks_buf_init(&entry, KS_STORE_ENTRY_MAX);
    assert_int_equal(ks_store_entry(fixture->reader, 1, &entry), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&entry), "second"));
    assert_int_equal(ks_store_entry(fixture->reader, 2, &entry), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_entry(fixture->reader, UINT64_MAX, &entry), KS_ERR_NOT_FOUND);
    assert_int_equal(entry.len, 6);
    ks_buf_done(&entry);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
}

static void test_a_rollback_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;

    open_all(fixture);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    struct ks_store_job job = job_of(1, append(fixture->store, "intent"));
    assert_int_equal(ks_store_job_insert(fixture->store, &job), KS_OK);
    ks_store_rollback(fixture->store);
    ks_store_rollback(fixture->store); /* nothing */
    assert_int_equal(size_of(fixture->reader), 0);
    assert_int_equal(ks_store_job(fixture->reader, job.id, &job), KS_ERR_NOT_FOUND);
    accept(fixture->store, 2);
    assert_int_equal(size_of(fixture->reader), 1); /* the index was not burnt */
}

static void test_entries_have_limits(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t bytes[KS_STORE_ENTRY_MAX + 1] = {1};
    uint64_t index = 0;

    open_all(fixture);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(ks_store_append(fixture->store, KS_BYTES(bytes), leaf_any, &index),
                     KS_ERR_LIMIT);
    assert_int_equal(ks_store_append(fixture->store, ks_bytes_of(bytes, 0), leaf_any, &index),
                     KS_ERR_LIMIT);
    assert_int_equal(ks_store_append(fixture->store, ks_bytes_of(bytes, KS_STORE_ENTRY_MAX),
                                     leaf_any, &index),
                     KS_OK);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    assert_int_equal(size_of(fixture->reader), 1);
}

struct visited {
    uint64_t next;
    uint64_t stop_at;
};

static enum ks_err visit(void *context, uint64_t index, struct ks_bytes entry,
                         const uint8_t leaf[32])
{
    struct visited *visited = context;

    assert_int_equal(index, visited->next);
    assert_true(ks_bytes_is(entry, "intent"));
    assert_memory_equal(leaf, leaf_any, 32);
    visited->next++;
    return index == visited->stop_at ? ks_fail(KS_ERR_DENIED, "stop") : KS_OK;
}

static void test_entries_are_visited_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct visited all = {.next = 0, .stop_at = UINT64_MAX};
    struct visited some = {.next = 2, .stop_at = 4};
    struct visited beyond = {.next = 8, .stop_at = UINT64_MAX};

    open_all(fixture);
    for (unsigned i = 0; i < 10; i++) {
        accept(fixture->store, i);
    }
    assert_int_equal(ks_store_entries(fixture->reader, 0, 10, visit, &all), KS_OK);
    assert_int_equal(all.next, 10);
    assert_int_equal(ks_store_entries(fixture->reader, 2, 8, visit, &some), KS_ERR_DENIED);
    assert_int_equal(some.next, 5);
    assert_int_equal(ks_store_entries(fixture->reader, 8, 3, visit, &beyond), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_entries(fixture->reader, 10, 0, visit, &beyond), KS_OK);
}

/* --- jobs --------------------------------------------------------------------------------- */

static void test_a_job_ends_once(void **state)
{
    struct fixture *fixture = *state;
    struct ks_store_job job;
    struct ks_buf record;
    const char *id = "00000000-0000-4000-8000-000000000001";
    const char *other = "00000000-0000-4000-8000-000000000002";

    ks_buf_init(&record, KS_STORE_RECORD_MAX);
    open_all(fixture);
    accept(fixture->store, 1);
    accept(fixture->store, 2);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    uint64_t result = append(fixture->store, "record");
    assert_int_equal(ks_store_job_done(fixture->store, id, 5000, result, KS_LITERAL("{}")),
                     KS_OK);
    assert_int_equal(ks_store_job_done(fixture->store, id, 6000, result, KS_LITERAL("[]")),
                     KS_ERR_CONFLICT);
    assert_detail("done already");
    assert_int_equal(ks_store_job_end(fixture->store, other, KS_JOB_FAILED, 7000,
                                      append(fixture->store, "abort"), KS_ERR_LIMIT,
                                      "too large"),
                     KS_OK);
    assert_int_equal(
        ks_store_job_end(fixture->store, other, KS_JOB_CANCELLED, 7000, result, KS_OK, ""),
        KS_ERR_CONFLICT);
    assert_int_equal(ks_store_job_end(fixture->store, "00000000-0000-4000-8000-000000000003",
                                      KS_JOB_CANCELLED, 7000, result, KS_OK, ""),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(
        ks_store_job_end(fixture->store, id, KS_JOB_CANCELLED, 7000, 99, KS_OK, ""),
        KS_ERR_USAGE);
    /* A refusal leaves the transaction as it was. */
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);

    assert_int_equal(ks_store_job(fixture->reader, id, &job), KS_OK);
    assert_int_equal(job.state, KS_JOB_DONE);
    assert_int_equal(job.finished_us, 5000);
    assert_int_equal(job.result_index, result);
    assert_int_equal(ks_store_record(fixture->reader, id, &record), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&record), "{}"));
    assert_int_equal(ks_store_job(fixture->reader, other, &job), KS_OK);
    assert_int_equal(job.state, KS_JOB_FAILED);
    assert_int_equal(job.error, KS_ERR_LIMIT);
    assert_string_equal(job.detail, "too large");
    assert_int_equal(ks_store_record(fixture->reader, other, &record), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
    ks_buf_done(&record);
}

static void test_jobs_are_unique(void **state)
{
    struct fixture *fixture = *state;
    struct ks_store_job found;

    open_all(fixture);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    struct ks_store_job job = job_of(1, append(fixture->store, "intent"));
    ks_copy(job.idempotency, "again", sizeof "again");
    assert_int_equal(ks_store_job_insert(fixture->store, &job), KS_OK);
    assert_int_equal(ks_store_job_insert(fixture->store, &job), KS_ERR_CONFLICT);
    struct ks_store_job same_key = job_of(3, 0); /* the same device */
    ks_copy(same_key.idempotency, "again", sizeof "again");
    assert_int_equal(ks_store_job_insert(fixture->store, &same_key), KS_ERR_CONFLICT);
    struct ks_store_job other_device = job_of(2, 0);
    ks_copy(other_device.idempotency, "again", sizeof "again");
    assert_int_equal(ks_store_job_insert(fixture->store, &other_device), KS_OK);
    struct ks_store_job no_key = job_of(5, 0);
    struct ks_store_job no_key_too = job_of(7, 0);
    assert_int_equal(ks_store_job_insert(fixture->store, &no_key), KS_OK);
    assert_int_equal(ks_store_job_insert(fixture->store, &no_key_too), KS_OK);
    struct ks_store_job too_far = job_of(9, 1);
    assert_int_equal(ks_store_job_insert(fixture->store, &too_far), KS_ERR_USAGE);
    struct ks_store_job no_id = job_of(9, 0);
    no_id.id[3] = 'x';
    assert_int_equal(ks_store_job_insert(fixture->store, &no_id), KS_ERR_USAGE);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);

    assert_int_equal(ks_store_job_by_idempotency(fixture->reader, "device-1", "again", &found),
                     KS_OK);
    assert_string_equal(found.id, job.id);
    assert_memory_equal(found.job_digest, job.job_digest, 32);
    assert_int_equal(ks_store_job_by_idempotency(fixture->reader, "device-2", "again", &found),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_job_by_idempotency(fixture->reader, "device-1", "", &found),
                     KS_ERR_NOT_FOUND);
}

static void test_jobs_are_listed_in_pages(void **state)
{
    struct fixture *fixture = *state;
    static struct ks_store_job page[5];
    char after[KS_UUID_TEXT_LEN + 1] = "";
    size_t count = 0;
    unsigned left = 23;

    open_all(fixture);
    for (unsigned i = 0; i < 23; i++) {
        accept(fixture->store, i);
    }
    do {
        assert_int_equal(ks_store_jobs(fixture->reader, NULL, after[0] != '\0' ? after : NULL,
                                       5, page, &count),
                         KS_OK);
        for (size_t i = 0; i < count; i++) {
            left--;
            assert_string_equal(page[i].id, job_of(left, 0).id);
        }
        if (count > 0) {
            ks_copy(after, page[count - 1].id, sizeof after);
        }
    } while (count == 5);
    assert_int_equal(left, 0);

    assert_int_equal(ks_store_jobs(fixture->reader, "device-1", NULL, 5, page, &count), KS_OK);
    assert_int_equal(count, 5);
    assert_string_equal(page[0].id, job_of(21, 0).id);
    assert_string_equal(page[4].id, job_of(13, 0).id);
    assert_int_equal(ks_store_jobs(fixture->reader, "device-1", page[4].id, 2, page, &count),
                     KS_OK);
    assert_string_equal(page[1].id, job_of(9, 0).id);
    assert_int_equal(ks_store_jobs(fixture->reader, NULL, "no such job", 5, page, &count),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(
        ks_store_jobs(fixture->reader, NULL, NULL, KS_STORE_PAGE_MAX + 1, page, &count),
        KS_ERR_LIMIT);
    assert_int_equal(ks_store_jobs_open(fixture->reader, 3, page, &count), KS_OK);
    assert_int_equal(count, 3);
    assert_string_equal(page[0].id, job_of(0, 0).id);
}

static void test_a_checkpoint_is_never_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct ks_buf note;
    uint64_t size = 0;

    ks_buf_init(&note, KS_STORE_NOTE_MAX);
    open_all(fixture);
    assert_int_equal(ks_store_checkpoint(fixture->reader, &size, &note), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    append(fixture->store, "one");
    append(fixture->store, "two");
    assert_int_equal(ks_store_checkpoint_put(fixture->store, 2, KS_LITERAL("head 2")), KS_OK);
    assert_int_equal(ks_store_checkpoint_put(fixture->store, 1, KS_LITERAL("head 1")), KS_OK);
    assert_int_equal(ks_store_checkpoint_put(fixture->store, 2, KS_LITERAL("head 2")), KS_OK);
    assert_int_equal(ks_store_checkpoint_put(fixture->store, 2, KS_LITERAL("fork")),
                     KS_ERR_CONFLICT);
    assert_int_equal(ks_store_checkpoint_put(fixture->store, 3, KS_LITERAL("head 3")),
                     KS_ERR_CONFLICT);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    assert_int_equal(ks_store_checkpoint(fixture->reader, &size, &note), KS_OK);
    assert_int_equal(size, 2);
    assert_true(ks_bytes_is(ks_buf_view(&note), "head 2"));
    ks_buf_done(&note);
}

/* --- what is refused ---------------------------------------------------------------------- */

static void test_a_reader_creates_nothing(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ks_store_reader_new(&fixture->options, &fixture->reader),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(access(fixture->directory, F_OK), -1);
}

static void test_foreign_files_are_refused_unchanged(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *sql;
        const char *detail;
    } cases[] = {
        {"PRAGMA user_version = 2", "newer ketseal: schema 2"},
        {"PRAGMA user_version = 0", "unknown schema 0"},
        {"PRAGMA application_id = 1", "not a ketseal store"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_all(fixture);
        close_all(fixture);
        run_sql(fixture, cases[i].sql);
        assert_int_equal(ks_store_open(&fixture->options, &fixture->store), KS_ERR_FORMAT);
        assert_detail(cases[i].detail);
        assert_detail("site/ketseal.db");
        assert_int_equal(ks_store_reader_new(&fixture->options, &fixture->reader),
                         KS_ERR_FORMAT);
        run_sql(fixture, "PRAGMA user_version = 1; PRAGMA application_id = 1801811059");
    }
}

static void test_a_file_of_noise_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t noise[8192];
    char path[PATH_LEN];

    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 37 + i / 256);
    }
    assert_int_equal(ks_dir_make(fixture->directory, 0700), KS_OK);
    (void)snprintf(path, sizeof path, "%.200s/ketseal.db", fixture->directory);
    assert_int_equal(ks_file_write(path, KS_BYTES(noise), 0600), KS_OK);
    assert_int_equal(ks_store_open(&fixture->options, &fixture->store), KS_ERR_VERIFY);
    assert_detail("ketseal.db");
}

static void test_two_writers_are_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct ks_store *other = NULL;

    open_all(fixture);
    assert_int_equal(ks_store_open(&fixture->options, &other), KS_OK);
    accept(other, 1);
    assert_int_equal(ks_store_begin(fixture->store), KS_ERR_CONFLICT);
    assert_detail("another process");
    accept(other, 2);
    ks_store_close(other);
}

/* --- traces ------------------------------------------------------------------------------- */

static struct ks_trace trace_of(const char *job, unsigned number)
{
    struct ks_trace trace;

    ks_trace_init(&trace);
    trace.side = KS_TRACE_SIDE_SITE;
    (void)snprintf(trace.job, sizeof trace.job, "%s", job);
    (void)snprintf(trace.device, sizeof trace.device, "device-%u", number % 2);
    trace.started_us = 1000 + number;
    ks_trace_set_u64(&trace, KS_TRACE_SIMULATE_US, number);
    return trace;
}

static uint64_t put_trace(struct fixture *fixture, const struct ks_trace *trace, uint64_t keep,
                          uint64_t number)
{
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(ks_store_trace_put(fixture->store, trace, keep, &number), KS_OK);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    return number;
}

struct seen {
    uint64_t numbers[16];
    double simulated[16];
    size_t count;
};

static enum ks_err visit_trace(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct seen *visited = context;

    assert_true(visited->count < 16);
    visited->numbers[visited->count] = number;
    visited->simulated[visited->count++] = trace->values[KS_TRACE_SIMULATE_US];
    return KS_OK;
}

static void test_traces(void **state)
{
    struct fixture *fixture = *state;
    struct ks_trace trace = trace_of("", 0);
    struct seen visited = {0};
    const char *job = job_of(1, 0).id;
    char id[KS_UUID_TEXT_LEN + 1];

    (void)snprintf(id, sizeof id, "%s", job);
    open_all(fixture);
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited), KS_OK);
    assert_int_equal(visited.count, 0);
    for (unsigned i = 1; i <= 5; i++) { /* of no job, three stay */
        trace = trace_of("", i);
        assert_int_equal(put_trace(fixture, &trace, 3, 0), i);
    }
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited), KS_OK);
    assert_int_equal(visited.count, 3);
    assert_int_equal(visited.numbers[0], 3);
    assert_true(visited.simulated[2] == 5);
    visited.count = 0;
    assert_int_equal(ks_store_traces(fixture->reader, 3, 1, visit_trace, &visited), KS_OK);
    assert_int_equal(visited.count, 1);
    assert_int_equal(visited.numbers[0], 4);

    /* A job's is completed in place; of one that is gone nothing comes back. */
    trace = trace_of(id, 6);
    assert_int_equal(put_trace(fixture, &trace, 3, 0), 6);
    ks_trace_set_u64(&trace, KS_TRACE_SIMULATE_US, 66);
    assert_int_equal(put_trace(fixture, &trace, 3, 6), 6);
    assert_int_equal(put_trace(fixture, &trace, 3, 1), 1);
    ks_trace_init(&trace);
    assert_int_equal(ks_store_trace_of(fixture->reader, id, 9, &trace), KS_OK);
    assert_true(trace.values[KS_TRACE_SIMULATE_US] == 66);
    assert_int_equal(trace.started_us, 1006);
    assert_string_equal(trace.device, "device-0");
    assert_int_equal(ks_store_trace_of(fixture->reader, job_of(2, 0).id, 9, &trace),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_trace_of(fixture->reader, "", 9, &trace), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_trace_of(fixture->reader, id, 1, &trace), KS_OK);
    visited.count = 0;
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited), KS_OK);
    assert_int_equal(visited.count, 3);
    trace = trace_of("", 7); /* now the job's is not the newest any more */
    assert_int_equal(put_trace(fixture, &trace, 3, 0), 7);
    assert_int_equal(ks_store_trace_of(fixture->reader, id, 1, &trace), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_trace_of(fixture->reader, id, INT64_MAX, &trace), KS_OK);
}

/* --- detections --------------------------------------------------------------------------- */

struct alerts_seen {
    size_t count;
    uint64_t numbers[8];
    char first[64]; /* document of the first */
};

static enum ks_err visit_alert(void *context, uint64_t number, struct ks_bytes document)
{
    struct alerts_seen *seen = context;

    assert_true(seen->count < 8 && document.len < sizeof seen->first);
    if (seen->count == 0) {
        ks_copy(seen->first, document.data, document.len);
    }
    seen->numbers[seen->count++] = number;
    return KS_OK;
}

static struct alerts_seen alerts_of(struct fixture *fixture, const char *device,
                                    uint64_t before, uint64_t count)
{
    struct alerts_seen seen = {0};

    assert_int_equal(
        ks_store_alerts(fixture->reader, device, before, count, visit_alert, &seen), KS_OK);
    return seen;
}

static void put_detection(struct fixture *fixture, uint64_t number, const char *document)
{
    const struct ks_store_detection detection = {.path = (uint32_t)(1000 + number),
                                                 .model = {1, 2, 3},
                                                 .document = ks_bytes_text(document)};

    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(ks_store_detection_put(fixture->store, number, &detection), KS_OK);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
}

/* Kept beside its trace, and gone with it; anomalies are listed, the newest first. */
static void test_detections(void **state)
{
    struct fixture *fixture = *state;
    struct alerts_seen seen;
    struct ks_buf document;
    struct ks_trace trace;
    uint32_t path = 0;
    uint8_t model[KS_STORE_MODEL_LEN];

    ks_buf_init(&document, KS_STORE_DETECTION_MAX);
    open_all(fixture);
    for (unsigned i = 1; i <= 6; i++) {
        trace = trace_of("", i);
        assert_int_equal(put_trace(fixture, &trace, 5, 0), i);
    }
    for (unsigned i = 1; i <= 6; i++) { /* of the first one, the trace has gone */
        put_detection(fixture, i, i == 3 ? "" : i == 4 ? "four" : "another");
    }
    assert_int_equal(ks_store_detection(fixture->reader, 1, &path, model, &document),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_detection(fixture->reader, 3, &path, model, &document), KS_OK);
    assert_true(path == 1003 && model[1] == 2 && document.len == 0);
    assert_int_equal(ks_store_detection(fixture->reader, 4, &path, model, &document), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&document), "four"));
    seen = alerts_of(fixture, NULL, 0, 9);
    assert_true(seen.count == 4 && seen.numbers[0] == 6 && seen.numbers[3] == 2);
    seen = alerts_of(fixture, NULL, 5, 1);
    assert_true(seen.count == 1 && seen.numbers[0] == 4);
    assert_string_equal(seen.first, "four");
    seen = alerts_of(fixture, "device-1", 0, 9);
    assert_true(seen.count == 1 && seen.numbers[0] == 5);
    assert_int_equal(alerts_of(fixture, "device", 0, 9).count, 0);
    put_detection(fixture, 4, ""); /* judged again: no anomaly */
    assert_int_equal(alerts_of(fixture, NULL, 0, 9).count, 3);
    trace = trace_of("", 7);
    assert_int_equal(put_trace(fixture, &trace, 2, 0), 7);
    seen = alerts_of(fixture, NULL, 0, 9);
    assert_true(seen.count == 1 && seen.numbers[0] == 6);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
    ks_buf_done(&document);
}

static enum ks_err visit_suspect(void *context, uint64_t position, uint64_t at_us,
                                 struct ks_bytes entry)
{
    struct alerts_seen *seen = context;

    assert_true(at_us == 100 + position);
    return visit_alert(seen, position, entry);
}

static struct alerts_seen suspects_of(struct fixture *fixture, const char *device,
                                      uint64_t before, uint64_t count)
{
    struct alerts_seen seen = {0};

    assert_int_equal(
        ks_store_suspects(fixture->reader, device, before, count, visit_suspect, &seen), KS_OK);
    return seen;
}

/* Entries of the ledger that are alerts about contributions, listed like those of traces. */
static void test_suspects(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {"first", "one", "two", "three"};
    struct alerts_seen seen;

    open_all(fixture);
    assert_int_equal(suspects_of(fixture, NULL, 0, 9).count, 0);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(append(fixture->store, texts[i]), i);
    }
    assert_int_equal(ks_store_suspect_put(fixture->store, 0, "d1", 100), KS_ERR_USAGE);
    assert_int_equal(ks_store_suspect_put(fixture->store, 4, "d1", 104), KS_ERR_USAGE);
    assert_int_equal(ks_store_suspect_put(fixture->store, 1, "", 101), KS_ERR_USAGE);
    assert_int_equal(ks_store_suspect_put(fixture->store, 1, "d1", 101), KS_OK);
    assert_int_equal(ks_store_suspect_put(fixture->store, 2, "d2", 102), KS_OK);
    assert_int_equal(ks_store_suspect_put(fixture->store, 3, "d1", 103), KS_OK);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    seen = suspects_of(fixture, NULL, 0, 9);
    assert_true(seen.count == 3 && seen.numbers[0] == 3 && seen.numbers[2] == 1);
    assert_string_equal(seen.first, "three");
    seen = suspects_of(fixture, "d1", 3, 9);
    assert_true(seen.count == 1 && seen.numbers[0] == 1);
    seen = suspects_of(fixture, NULL, 0, 1);
    assert_true(seen.count == 1 && seen.numbers[0] == 3);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
}

/* A trace that cannot be kept leaves the transaction, and what else is in it, as it was. */
static void test_a_bad_trace_loses_no_job(void **state)
{
    struct fixture *fixture = *state;
    struct ks_trace trace = trace_of("", 1);
    struct ks_store_job found;
    uint64_t number = 0;

    open_all(fixture);
    accept(fixture->store, 1);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(ks_store_job_done(fixture->store, job_of(1, 0).id, 9,
                                       append(fixture->store, "record"), KS_LITERAL("{}")),
                     KS_OK);
    trace.device[0] = '\0';
    assert_int_equal(ks_store_trace_put(fixture->store, &trace, 3, &number), KS_ERR_USAGE);
    trace = trace_of(job_of(1, 0).id, 1);
    trace.values[KS_TRACE_QUBITS] = 0.5;
    assert_int_equal(ks_store_trace_put(fixture->store, &trace, 3, &number), KS_ERR_USAGE);
    trace = trace_of(job_of(1, 0).id, 1);
    assert_int_equal(ks_store_trace_put(fixture->store, &trace, 3, &number), KS_OK);
    assert_int_equal(number, 1);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    assert_int_equal(ks_store_job(fixture->reader, job_of(1, 0).id, &found), KS_OK);
    assert_int_equal(found.state, KS_JOB_DONE);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
}

static void test_a_damaged_trace_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct ks_trace trace = trace_of("", 1);
    struct seen visited = {0};

    open_all(fixture);
    (void)put_trace(fixture, &trace, 3, 0);
    close_all(fixture);
    run_sql(fixture, "UPDATE traces SET measured = x'0105'");
    open_all(fixture);
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited),
                     KS_ERR_VERIFY);
    assert_detail("trace 1 is damaged");
}

/* The fixture was dumped from a store that a version without traces has made: one job done, one
 * open. */
static void test_a_store_of_before_traces(void **state)
{
    struct fixture *fixture = *state;
    const char *root = getenv("KS_SOURCE_ROOT");
    struct seen visited = {0};
    struct ks_store_job job;
    struct ks_trace trace = trace_of("00000000-0000-4000-8000-000000000002", 2);
    struct ks_buf sql;
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/tests/vectors/store/before_traces.sql",
                   root == NULL ? "." : root);
    ks_buf_init(&sql, 65536);
    assert_int_equal(ks_file_read(path, 65536, &sql), KS_OK);
    ks_buf_put_u8(&sql, 0);
    assert_int_equal(ks_buf_check(&sql), KS_OK);
    assert_int_equal(mkdir(fixture->directory, 0700), 0);
    run_sql(fixture, (const char *)sql.data);
    ks_buf_done(&sql);

    /* Who only reads it finds all that is there, and no traces. */
    assert_int_equal(ks_store_reader_new(&fixture->options, &fixture->reader), KS_OK);
    assert_int_equal(size_of(fixture->reader), 3);
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited), KS_OK);
    assert_int_equal(ks_store_trace_of(fixture->reader, trace.job, 9, &trace),
                     KS_ERR_NOT_FOUND);
    close_all(fixture);

    open_all(fixture);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
    assert_int_equal(ks_store_traces(fixture->reader, 0, 9, visit_trace, &visited), KS_OK);
    assert_int_equal(visited.count, 0);
    assert_int_equal(
        ks_store_job(fixture->reader, "00000000-0000-4000-8000-000000000001", &job), KS_OK);
    assert_int_equal(job.state, KS_JOB_DONE);
    assert_int_equal(ks_store_begin(fixture->store), KS_OK);
    assert_int_equal(ks_store_job_end(fixture->store, trace.job, KS_JOB_FAILED, 9,
                                      append(fixture->store, "abort"), KS_ERR_FORMAT, "no"),
                     KS_OK);
    assert_int_equal(ks_store_commit(fixture->store), KS_OK);
    (void)put_trace(fixture, &trace, 3, 0);
    assert_int_equal(ks_store_trace_of(fixture->reader, trace.job, 9, &trace), KS_OK);
    assert_int_equal(ks_store_check(fixture->reader), KS_OK);
}

static void test_the_check_names_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *damage;
        const char *detail;
    } cases[] = {
        {"DELETE FROM entries WHERE position = 2", "entry 1 is followed by entry 3"},
        {"DELETE FROM entries WHERE position = 0", "begins with entry 1"},
        {"UPDATE entries SET leaf = x'00' WHERE position = 3", "entry 3: leaf hash of 1 bytes"},
        {"UPDATE entries SET entry = x'' WHERE position = 3", "entry 3: 0 bytes"},
        {"DELETE FROM records", "done, but without its record"},
        {"UPDATE jobs SET state = 4 WHERE state = 2", "the job is not done"},
        {"UPDATE jobs SET intent_index = 77 WHERE state = 1", "intent 77 is past the ledger"},
        {"UPDATE jobs SET result_index = 77 WHERE state = 2", "result 77 is past the ledger"},
        {"UPDATE jobs SET result_index = 0 WHERE state = 2", "not after its intent"},
        {"UPDATE jobs SET result_index = NULL WHERE state = 2", "state 2 with result none"},
        {"INSERT INTO checkpoints VALUES (78, x'41')", "checkpoint of 78: past the ledger"},
        {"INSERT INTO traces SELECT 1, id, device, 0, x'01' FROM jobs WHERE state = 1 LIMIT 1",
         "trace 1: its job 00000000"},
        {"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'jobs_open'",
         "Page"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[512];

        open_all(fixture);
        for (unsigned k = 0; k < 4; k++) {
            accept(fixture->store, k);
        }
        assert_int_equal(ks_store_begin(fixture->store), KS_OK);
        assert_int_equal(ks_store_job_done(fixture->store, job_of(1, 0).id, 9,
                                           append(fixture->store, "record"), KS_LITERAL("{}")),
                         KS_OK);
        assert_int_equal(ks_store_commit(fixture->store), KS_OK);
        assert_int_equal(ks_store_check(fixture->reader), KS_OK);
        close_all(fixture);

        (void)snprintf(sql, sizeof sql,
                       "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; %s",
                       cases[i].damage);
        run_sql(fixture, sql);
        open_all(fixture);
        assert_int_equal(ks_store_check(fixture->reader), KS_ERR_VERIFY);
        assert_detail(cases[i].detail);
        close_all(fixture);
        (void)snprintf(sql, sizeof sql, "%.200s/ketseal.db", fixture->directory);
        assert_int_equal(unlink(sql), 0);
    }
}

static void test_a_gap_is_not_passed_over(void **state)
{
    struct fixture *fixture = *state;
    struct visited visited = {.next = 0, .stop_at = UINT64_MAX};

    open_all(fixture);
    for (unsigned i = 0; i < 4; i++) {
        accept(fixture->store, i);
    }
    run_sql(fixture, "DELETE FROM entries WHERE position = 2");
    assert_int_equal(ks_store_entries(fixture->reader, 0, 3, visit, &visited), KS_ERR_VERIFY);
    assert_detail("entry 2 is missing");
    assert_int_equal(visited.next, 2);
}

/* --- a disk in trouble -------------------------------------------------------------------- */

/* The context follows when there is a disk. */
static struct ks_store_options crash_options(const char *directory)
{
    return (struct ks_store_options){.version = 1,
                                     .directory = directory,
                                     .vfs = CRASH_VFS_NAME,
                                     .sync_dir = crash_vfs_sync_dir};
}

static void test_a_full_disk_rolls_back(void **state)
{
    (void)state;
    struct ks_store_options options = crash_options("full");
    struct crash_disk *disk = NULL;
    struct crash_vfs *vfs = NULL;
    struct ks_store *store = NULL;
    struct ks_store_reader *reader = NULL;

    assert_int_equal(crash_disk_new(1, &disk), KS_OK);
    assert_int_equal(crash_vfs_new(disk, 1, &vfs), KS_OK);
    options.sync_dir_context = disk;
    assert_int_equal(ks_store_open(&options, &store), KS_OK);
    assert_int_equal(ks_store_reader_new(&options, &reader), KS_OK);
    accept(store, 1);

    crash_disk_set_full(disk, true);
    assert_int_equal(ks_store_begin(store), KS_OK);
    struct ks_store_job job = job_of(2, append(store, "intent"));
    assert_int_equal(ks_store_job_insert(store, &job), KS_OK);
    assert_int_equal(ks_store_commit(store), KS_ERR_IO);
    assert_detail("full/ketseal.db");
    assert_detail("full");
    assert_int_equal(size_of(reader), 1);
    assert_int_equal(ks_store_job(reader, job.id, &job), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_store_check(reader), KS_OK);

    crash_disk_set_full(disk, false);
    accept(store, 3);
    assert_int_equal(size_of(reader), 2);
    assert_int_equal(ks_store_check(reader), KS_OK);
    ks_store_reader_free(reader);
    ks_store_close(store);
    crash_vfs_free(vfs);
    crash_disk_free(disk);
}

/* A large record spills out of the cache before the commit: the transaction fails midway. */
static void test_a_transaction_that_failed_midway_cannot_be_committed(void **state)
{
    (void)state;
    struct ks_store_options options = crash_options("full");
    const size_t record_len = 16 * 1024 * 1024;
    uint8_t *record = ks_calloc(record_len, 1);
    struct crash_disk *disk = NULL;
    struct crash_vfs *vfs = NULL;
    struct ks_store *store = NULL;

    assert_non_null(record);
    assert_int_equal(crash_disk_new(1, &disk), KS_OK);
    assert_int_equal(crash_vfs_new(disk, 1, &vfs), KS_OK);
    options.sync_dir_context = disk;
    assert_int_equal(ks_store_open(&options, &store), KS_OK);
    accept(store, 1);
    crash_disk_set_full(disk, true);
    assert_int_equal(ks_store_begin(store), KS_OK);
    uint64_t result = append(store, "record");
    assert_int_equal(
        ks_store_job_done(store, job_of(1, 0).id, 9, result, ks_bytes_of(record, record_len)),
        KS_ERR_IO);
    crash_disk_set_full(disk, false);
    assert_int_equal(ks_store_append(store, KS_LITERAL("more"), leaf_any, &result), KS_ERR_IO);
    assert_detail("rolled back");
    assert_int_equal(ks_store_commit(store), KS_ERR_IO);
    accept(store, 2);
    ks_store_close(store);
    crash_vfs_free(vfs);
    crash_disk_free(disk);
    ks_free(record);
}

static void test_a_failed_sync_is_no_commit(void **state)
{
    (void)state;
    struct ks_store_options options = crash_options("sync");
    struct crash_disk *disk = NULL;
    struct crash_vfs *vfs = NULL;
    struct ks_store *store = NULL;
    struct ks_store_reader *reader = NULL;

    assert_int_equal(crash_disk_new(1, &disk), KS_OK);
    assert_int_equal(crash_vfs_new(disk, 1, &vfs), KS_OK);
    options.sync_dir_context = disk;
    assert_int_equal(ks_store_open(&options, &store), KS_OK);
    assert_int_equal(ks_store_reader_new(&options, &reader), KS_OK);
    crash_disk_fail_sync(disk, 1);
    assert_int_equal(ks_store_begin(store), KS_OK);
    append(store, "intent");
    assert_int_equal(ks_store_commit(store), KS_ERR_IO);
    assert_int_equal(size_of(reader), 0);
    accept(store, 1);
    assert_int_equal(size_of(reader), 1);
    ks_store_reader_free(reader);
    ks_store_close(store);
    crash_vfs_free(vfs);
    crash_disk_free(disk);
}

static void test_a_directory_that_cannot_be(void **state)
{
    (void)state;
    const struct ks_store_options options = {.version = 1, .directory = "/proc/no/such"};
    const struct ks_store_options later = {.version = 2, .directory = "/tmp"};
    struct ks_store *store = NULL;

    assert_int_equal(ks_store_open(&options, &store), KS_ERR_IO);
    assert_detail("/proc/no");
    assert_int_equal(ks_store_open(&later, &store), KS_ERR_USAGE);
    assert_null(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_are_seen_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_rollback_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_are_visited_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_ends_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_are_unique, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_are_listed_in_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_checkpoint_is_never_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_creates_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_refused_unchanged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_file_of_noise_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_writers_are_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_traces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_detections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_bad_trace_loses_no_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_trace_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_store_of_before_traces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_check_names_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_gap_is_not_passed_over, setup, teardown),
        cmocka_unit_test(test_a_full_disk_rolls_back),
        cmocka_unit_test(test_a_transaction_that_failed_midway_cannot_be_committed),
        cmocka_unit_test(test_a_failed_sync_is_no_commit),
        cmocka_unit_test(test_a_directory_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
