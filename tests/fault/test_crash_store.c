/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The store on a disk that crashes. After every crash the store opens, passes its own check,
 * has a trace of each job that ended and of no other, and holds exactly what was acknowledged,
 * or that and one transaction in flight, whole; the ledger's old root is consistent with the
 * new one. And with any one of the syncs left out, this test fails. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/text.h"
#include "fault/crash_vfs.h"
#include "ledger/merkle.h"
#include "store/store.h"

#define POINTS       5000  /* crash points */
#define POINTS_EACH  30000 /* at most, until a missing sync is noticed */
#define SEEDS_EACH   1000  /* of fresh stores, at most */
#define STEPS_CREATE 24    /* more than the creation has */
#define ENTRIES_MAX  400
#define JOBS_MAX     200
#define CANDIDATES   3
#define RECORD_MAX   9000 /* bytes: up to three pages */
#define TRACES_KEPT  60   /* of at most JOBS_MAX */
#define STEPS_RUN    160  /* a crash comes within these */
#define STEPS_OPEN   24
#define WHAT_MAX     1024
#define WRONG_MAX    (WHAT_MAX + 64) /* with seed and step */
#define DIRECTORY    "site"

struct entry {
    uint64_t salt; /* its bytes come from this */
    size_t len;
};

struct job {
    char id[KS_UUID_TEXT_LEN + 1];
    enum ks_store_job_state state;
    uint64_t intent;
    uint64_t result;
    uint64_t salt;
    size_t record_len;
    bool traced_whole; /* its trace was completed */
};

/* What the store should hold. */
struct model {
    struct entry entries[ENTRIES_MAX];
    size_t entries_count;
    struct job jobs[JOBS_MAX];
    size_t jobs_count;
    size_t jobs_ended; /* in their order */
    uint64_t checkpoint;
    bool checkpoint_there;
};

struct site {
    struct crash_disk *disk;
    struct crash_vfs *vfs;
    struct crash_random random;
    struct ks_store *store;
    struct ks_store_options options;
    struct model acked;
    struct model tried[CANDIDATES]; /* failed commits since: on disk or not */
    size_t tried_count;
    uint8_t acked_root[KS_MERKLE_LEN];
    char wrong[WHAT_MAX]; /* "" while all is well */
};

static uint64_t below(struct site *site, uint64_t bound)
{
    return crash_random_below(&site->random, bound);
}

static void fill(uint64_t salt, uint8_t *target, size_t len)
{
    struct crash_random random = {.state = salt};
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)crash_random_next(&random);
    }
}

/* --- the workload ------------------------------------------------------------------------- */

static enum ks_err append(struct site *site, struct model *model, uint64_t *out_index)
{
    enum ks_err err = KS_OK;
    struct entry *entry = &model->entries[model->entries_count];
    uint8_t bytes[KS_STORE_ENTRY_MAX];
    uint8_t leaf[KS_MERKLE_LEN];

    entry->salt = crash_random_next(&site->random);
    entry->len = 1 + (size_t)below(site, 500);
    fill(entry->salt, bytes, entry->len);
    ks_merkle_leaf(ks_bytes_of(bytes, entry->len), leaf);
    KS_TRY(ks_store_append(site->store, ks_bytes_of(bytes, entry->len), leaf, out_index));
    KS_CHECK(*out_index == model->entries_count, KS_ERR_VERIFY, "index %llu for entry %zu",
             (unsigned long long)*out_index, model->entries_count);
    model->entries_count++;
out:
    return err;
}

static void describe(const struct job *job, size_t number, struct ks_store_job *out_job)
{
    *out_job = (struct ks_store_job){
        .state = job->state,
        .created_us = 1000000 + number,
        .intent_index = job->intent,
    };
    ks_copy(out_job->id, job->id, sizeof job->id);
    (void)snprintf(out_job->device, sizeof out_job->device, "device-%zu", number % 3);
    if (number % 2 == 0) {
        (void)snprintf(out_job->idempotency, sizeof out_job->idempotency, "key-%zu", number);
    }
    fill(job->salt, out_job->job_digest, sizeof out_job->job_digest);
    if (job->state != KS_JOB_ACCEPTED) {
        out_job->finished_us = 2000000 + number;
        out_job->result_index = job->result;
    }
    if (job->state == KS_JOB_FAILED) {
        out_job->error = KS_ERR_FORMAT;
        (void)snprintf(out_job->detail, sizeof out_job->detail, "job %zu failed", number);
    }
}

static enum ks_err job_accept(struct site *site, struct model *model)
{
    enum ks_err err = KS_OK;
    struct job *job = &model->jobs[model->jobs_count];
    struct ks_store_job row;
    uint8_t random[16];

    *job = (struct job){.state = KS_JOB_ACCEPTED, .salt = crash_random_next(&site->random)};
    fill(job->salt, random, sizeof random);
    ks_uuid_text(random, job->id);
    KS_TRY(append(site, model, &job->intent));
    describe(job, model->jobs_count, &row);
    KS_TRY(ks_store_job_insert(site->store, &row));
    model->jobs_count++;
out:
    return err;
}

static void trace_of(const struct job *job, size_t number, struct ks_trace *out_trace)
{
    ks_trace_init(out_trace);
    out_trace->side = KS_TRACE_SIDE_SITE;
    ks_copy(out_trace->job, job->id, sizeof job->id);
    (void)snprintf(out_trace->device, sizeof out_trace->device, "device-%zu", number % 3);
    out_trace->started_us = 1000000 + number;
    ks_trace_set_u64(out_trace, KS_TRACE_SIMULATE_US, job->salt & 0xffff);
    ks_trace_set_u64(out_trace, KS_TRACE_ERROR, job->state == KS_JOB_DONE ? 0 : KS_ERR_FORMAT);
    if (job->traced_whole) {
        ks_trace_set_u64(out_trace, KS_TRACE_CHECKPOINT_US, job->salt & 0xff);
    }
}

/* The trace of the ended job NUMBER: new, or with what is measured later. */
static enum ks_err job_trace(struct site *site, const struct model *model, size_t number,
                             bool fresh)
{
    enum ks_err err = KS_OK;
    struct ks_trace trace;
    uint64_t kept = fresh ? 0 : number + 1;

    trace_of(&model->jobs[number], number, &trace);
    KS_TRY(ks_store_trace_put(site->store, &trace, TRACES_KEPT, &kept));
    KS_CHECK(kept == number + 1, KS_ERR_VERIFY, "trace %llu of job %zu",
             (unsigned long long)kept, number);
out:
    return err;
}

static enum ks_err job_finish(struct site *site, struct model *model)
{
    enum ks_err err = KS_OK;
    const size_t number = model->jobs_ended;
    struct job *job = &model->jobs[number];
    struct ks_store_job row;
    uint8_t record[RECORD_MAX];

    KS_TRY(append(site, model, &job->result));
    job->state = below(site, 4) == 0 ? KS_JOB_FAILED : KS_JOB_DONE;
    describe(job, number, &row);
    if (job->state == KS_JOB_DONE) {
        job->record_len = 1 + (size_t)below(site, below(site, 8) == 0 ? RECORD_MAX : 700);
        fill(job->salt + 1, record, job->record_len);
        KS_TRY(ks_store_job_done(site->store, row.id, row.finished_us, row.result_index,
                                 ks_bytes_of(record, job->record_len)));
    } else {
        KS_TRY(ks_store_job_end(site->store, row.id, row.state, row.finished_us,
                                row.result_index, row.error, row.detail));
    }
    KS_TRY(job_trace(site, model, number, true));
    model->jobs_ended++;
out:
    return err;
}

static void note_of(uint64_t size, char note[64])
{
    (void)snprintf(note, 64, "checkpoint of %llu\n", (unsigned long long)size);
}

static enum ks_err fill_transaction(struct site *site, struct model *model)
{
    enum ks_err err = KS_OK;
    const uint64_t group = 1 + below(site, below(site, 6) == 0 ? 12 : 3);

    for (uint64_t i = 0; i < group; i++) {
        if (model->jobs_ended < model->jobs_count && below(site, 2) == 0) {
            KS_TRY(job_finish(site, model));
        } else {
            KS_TRY(job_accept(site, model));
        }
    }
    if (model->jobs_ended > 0 && below(site, 2) == 0) {
        const size_t number = (size_t)below(site, model->jobs_ended);

        model->jobs[number].traced_whole = true;
        KS_TRY(job_trace(site, model, number, false));
    }
    if (below(site, 3) == 0) {
        char note[64];
        note_of(model->entries_count, note);
        KS_TRY(ks_store_checkpoint_put(site->store, model->entries_count, ks_bytes_text(note)));
        model->checkpoint = model->entries_count;
        model->checkpoint_there = true;
    }
out:
    return err;
}

static void root_of(const struct model *model, size_t count, uint8_t out_root[KS_MERKLE_LEN])
{
    static uint8_t leaves[ENTRIES_MAX * KS_MERKLE_LEN];

    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[KS_STORE_ENTRY_MAX];
        fill(model->entries[i].salt, bytes, model->entries[i].len);
        ks_merkle_leaf(ks_bytes_of(bytes, model->entries[i].len), leaves + i * KS_MERKLE_LEN);
    }
    KS_ASSERT(ks_merkle_root_of(leaves, count, out_root) == KS_OK);
}

/* One group commit; KS_OK: acknowledged. */
static enum ks_err transact(struct site *site)
{
    enum ks_err err = KS_OK;
    static struct model next; /* large; one thread */

    next = site->acked;
    KS_TRY(ks_store_begin(site->store));
    KS_TRY(fill_transaction(site, &next));
    err = ks_store_commit(site->store);
    if (err == KS_OK) {
        site->acked = next;
        site->tried_count = 0;
        root_of(&site->acked, site->acked.entries_count, site->acked_root);
    } else {
        KS_ASSERT(site->tried_count < CANDIDATES);
        site->tried[site->tried_count++] = next;
    }
out:
    ks_store_rollback(site->store);
    return err;
}

/* --- what has to hold after a crash ------------------------------------------------------- */

struct recovered {
    const struct model *model;
    uint8_t leaves[ENTRIES_MAX * KS_MERKLE_LEN];
};

static enum ks_err compare_entry(void *context, uint64_t index, struct ks_bytes entry,
                                 const uint8_t leaf[32])
{
    enum ks_err err = KS_OK;
    struct recovered *recovered = context;
    const struct entry *wanted = &recovered->model->entries[index];
    uint8_t bytes[KS_STORE_ENTRY_MAX];
    uint8_t *slot = recovered->leaves + index * KS_MERKLE_LEN;

    fill(wanted->salt, bytes, wanted->len);
    KS_CHECK(ks_bytes_equal(entry, ks_bytes_of(bytes, wanted->len)), KS_ERR_VERIFY,
             "entry %llu has other bytes", (unsigned long long)index);
    ks_merkle_leaf(entry, slot);
    KS_CHECK(ks_bytes_equal(ks_bytes_of(slot, 32), ks_bytes_of(leaf, 32)), KS_ERR_VERIFY,
             "entry %llu has another leaf hash", (unsigned long long)index);
out:
    return err;
}

static enum ks_err compare_job(struct ks_store_reader *reader, const struct model *model,
                               size_t number)
{
    enum ks_err err = KS_OK;
    const struct job *job = &model->jobs[number];
    struct ks_store_job wanted;
    struct ks_store_job row;
    struct ks_buf record;
    uint8_t bytes[RECORD_MAX];

    ks_buf_init(&record, KS_STORE_RECORD_MAX);
    describe(job, number, &wanted);
    KS_TRY(ks_store_job(reader, job->id, &row));
    KS_CHECK(row.state == wanted.state && row.created_us == wanted.created_us &&
                 row.finished_us == wanted.finished_us &&
                 row.intent_index == wanted.intent_index &&
                 row.result_index == wanted.result_index && row.error == wanted.error &&
                 ks_bytes_is(ks_bytes_text(row.detail), wanted.detail) &&
                 ks_bytes_is(ks_bytes_text(row.device), wanted.device) &&
                 ks_bytes_is(ks_bytes_text(row.idempotency), wanted.idempotency) &&
                 ks_bytes_equal(KS_BYTES(row.job_digest), KS_BYTES(wanted.job_digest)),
             KS_ERR_VERIFY, "job %zu is not as it was acknowledged", number);
    if (job->state == KS_JOB_DONE) {
        fill(job->salt + 1, bytes, job->record_len);
        KS_TRY(ks_store_record(reader, job->id, &record));
        KS_CHECK(ks_bytes_equal(ks_buf_view(&record), ks_bytes_of(bytes, job->record_len)),
                 KS_ERR_VERIFY, "the record of job %zu has other bytes", number);
    }
out:
    ks_buf_done(&record);
    return err;
}

struct traces {
    const struct model *model;
    size_t next; /* the job whose trace comes next */
};

static enum ks_err compare_trace(void *context, uint64_t number, const struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    struct traces *traces = context;
    struct ks_trace wanted;
    struct ks_buf bytes;
    struct ks_buf wanted_bytes;

    ks_buf_init(&bytes, KS_TRACE_CSV_ROW_MAX);
    ks_buf_init(&wanted_bytes, KS_TRACE_CSV_ROW_MAX);
    KS_CHECK(number == traces->next + 1 && traces->next < traces->model->jobs_ended,
             KS_ERR_VERIFY, "trace %llu instead of %zu", (unsigned long long)number,
             traces->next + 1);
    trace_of(&traces->model->jobs[traces->next], traces->next, &wanted);
    ks_trace_put_csv_row(trace, NULL, &bytes);
    ks_trace_put_csv_row(&wanted, NULL, &wanted_bytes);
    KS_CHECK(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(&wanted_bytes)), KS_ERR_VERIFY,
             "trace %llu has other values", (unsigned long long)number);
    traces->next++;
out:
    ks_buf_done(&bytes);
    ks_buf_done(&wanted_bytes);
    return err;
}

static enum ks_err compare_traces(struct ks_store_reader *reader, const struct model *model)
{
    enum ks_err err = KS_OK;
    struct traces traces = {.model = model};

    traces.next = model->jobs_ended > TRACES_KEPT ? model->jobs_ended - TRACES_KEPT : 0;
    KS_TRY(ks_store_traces(reader, 0, JOBS_MAX, compare_trace, &traces));
    KS_CHECK(traces.next == model->jobs_ended, KS_ERR_VERIFY, "traces of %zu jobs, %zu ended",
             traces.next, model->jobs_ended);
out:
    return err;
}

static enum ks_err compare_checkpoint(struct ks_store_reader *reader, const struct model *model)
{
    enum ks_err err = KS_OK;
    uint64_t size = 0;
    char wanted[64];
    struct ks_buf note;

    ks_buf_init(&note, KS_STORE_NOTE_MAX);
    err = ks_store_checkpoint(reader, &size, &note);
    if (!model->checkpoint_there && err == KS_ERR_NOT_FOUND) {
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    note_of(model->checkpoint, wanted);
    KS_CHECK(model->checkpoint_there && size == model->checkpoint &&
                 ks_bytes_is(ks_buf_view(&note), wanted),
             KS_ERR_VERIFY, "another checkpoint is the newest");
out:
    ks_buf_done(&note);
    return err;
}

/* The root of the 2^LEVEL leaves from INDEX * 2^LEVEL on. */
static enum ks_err read_hash(void *context, unsigned level, uint64_t index,
                             uint8_t out_hash[KS_MERKLE_LEN])
{
    const struct recovered *recovered = context;
    const size_t count = (size_t)1 << level;
    return ks_merkle_root_of(recovered->leaves + (size_t)index * count * KS_MERKLE_LEN, count,
                             out_hash);
}

/* The acknowledged tree is a prefix of the recovered one, and each old entry is provable in it.
 */
static enum ks_err prove(struct site *site, struct recovered *recovered)
{
    enum ks_err err = KS_OK;
    const struct ks_merkle_source source = {.context = recovered, .read = read_hash};
    const uint64_t old_size = site->acked.entries_count;
    const uint64_t size = recovered->model->entries_count;
    uint8_t root[KS_MERKLE_LEN];
    struct ks_merkle_proof proof;

    KS_TRY(ks_merkle_root_of(recovered->leaves, (size_t)size, root));
    KS_TRY(ks_merkle_prove_consistency(&source, old_size, size, &proof));
    KS_TRY(ks_merkle_check_consistency(old_size, site->acked_root, size, root, proof.hashes[0],
                                       proof.count));
    if (old_size > 0) {
        const uint64_t index = below(site, old_size);
        KS_TRY(ks_merkle_prove_inclusion(&source, index, size, &proof));
        KS_TRY(ks_merkle_check_inclusion(index, size,
                                         recovered->leaves + (size_t)index * KS_MERKLE_LEN,
                                         proof.hashes[0], proof.count, root));
    }
out:
    return err;
}

static enum ks_err compare(struct site *site, struct ks_store_reader *reader,
                           const struct model *model)
{
    enum ks_err err = KS_OK;
    static struct recovered recovered; /* large; one thread */
    static struct ks_store_job rows[JOBS_MAX + 1];
    size_t rows_count = 0;
    uint64_t size = 0;

    recovered.model = model;
    KS_TRY(ks_store_size(reader, &size));
    KS_CHECK(size == model->entries_count, KS_ERR_VERIFY, "%llu entries instead of %zu",
             (unsigned long long)size, model->entries_count);
    KS_TRY(ks_store_entries(reader, 0, size, compare_entry, &recovered));
    for (size_t i = 0; i < model->jobs_count; i++) {
        KS_TRY(compare_job(reader, model, i));
    }
    KS_TRY(ks_store_jobs(reader, NULL, NULL, JOBS_MAX + 1, rows, &rows_count));
    KS_CHECK(rows_count == model->jobs_count, KS_ERR_VERIFY, "%zu jobs instead of %zu",
             rows_count, model->jobs_count);
    KS_TRY(ks_store_jobs_open(reader, JOBS_MAX + 1, rows, &rows_count));
    KS_CHECK(rows_count == model->jobs_count - model->jobs_ended, KS_ERR_VERIFY,
             "%zu open jobs instead of %zu", rows_count, model->jobs_count - model->jobs_ended);
    KS_TRY(compare_traces(reader, model));
    KS_TRY(compare_checkpoint(reader, model));
    KS_TRY(prove(site, &recovered));
out:
    return err;
}

static void set_wrong(struct site *site, const char *what)
{
    if (site->wrong[0] == '\0') {
        (void)snprintf(site->wrong, sizeof site->wrong, "%s: %s", what, ks_err_detail());
    }
}

/* Holds the open store against the model, which becomes what is there. */
static void verify(struct site *site)
{
    struct ks_store_reader *reader = NULL;
    bool found = false;

    if (ks_store_reader_new(&site->options, &reader) != KS_OK) {
        set_wrong(site, "no reader");
    } else if (ks_store_check(reader) != KS_OK) {
        set_wrong(site, "the store's own check");
    } else {
        for (size_t i = site->tried_count; i > 0 && !found; i--) {
            found = compare(site, reader, &site->tried[i - 1]) == KS_OK;
            if (found) {
                site->acked = site->tried[i - 1];
            }
        }
        if (!found && compare(site, reader, &site->acked) != KS_OK) {
            set_wrong(site, "not what was acknowledged");
        }
        site->tried_count = 0;
        root_of(&site->acked, site->acked.entries_count, site->acked_root);
    }
    ks_store_reader_free(reader);
}

/* --- crashes ------------------------------------------------------------------------------ */

static void site_begin(struct site *site, uint64_t seed, enum crash_sync ignored)
{
    ks_zero(site, sizeof *site);
    site->random.state = seed;
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &site->disk), KS_OK);
    assert_int_equal(crash_vfs_new(site->disk, seed, &site->vfs), KS_OK);
    crash_disk_ignore(site->disk, ignored);
    if (ignored == CRASH_SYNC_STORE_DIR) {
        /* SQLite's own sync of the directory may fail without a word: here it always does. */
        crash_disk_ignore(site->disk, CRASH_SYNC_WAL_DIR);
    }
    root_of(&site->acked, 0, site->acked_root);
    site->options = (struct ks_store_options){
        .version = 1,
        .directory = DIRECTORY,
        .vfs = CRASH_VFS_NAME,
        .sync_dir = crash_vfs_sync_dir,
        .sync_dir_context = site->disk,
        .wal_pages = (uint32_t)(1 + below(site, below(site, 2) == 0 ? 4 : 40)),
    };
}

static void site_end(struct site *site)
{
    ks_store_close(site->store);
    crash_vfs_free(site->vfs);
    crash_disk_free(site->disk);
}

/* Opens the store again, crashing on the way now and then, and looks at what is there. Returns
 * the number of crashes. */
static unsigned recover(struct site *site)
{
    unsigned crashes = 0;

    crash_disk_restart(site->disk);
    while (site->store == NULL && site->wrong[0] == '\0') {
        crash_disk_arm(site->disk, below(site, 3) == 0 ? 1 + below(site, STEPS_OPEN) : 0);
        if (ks_store_open(&site->options, &site->store) != KS_OK) {
            if (!crash_disk_is_down(site->disk)) {
                set_wrong(site, "the store does not open");
            }
            crash_disk_restart(site->disk);
            crashes++;
        }
    }
    crash_disk_arm(site->disk, 0);
    if (site->store != NULL) {
        verify(site);
    }
    return crashes;
}

/* From one crash to the next. */
static void run(struct site *site, uint64_t steps)
{
    unsigned failures = 0;

    crash_disk_arm(site->disk, steps);
    crash_disk_fail_sync(site->disk, below(site, 6) == 0 ? 1 + below(site, 12) : 0);
    while (!crash_disk_is_down(site->disk) && failures < CANDIDATES - 1) {
        if (transact(site) != KS_OK) {
            failures++;
        }
        if (below(site, 64) == 0) {
            break; /* the plug is pulled between two transactions */
        }
    }
    ks_store_close(site->store);
    site->store = NULL;
}

static bool is_large(const struct site *site)
{
    return site->acked.entries_count > ENTRIES_MAX - 200 ||
           site->acked.jobs_count > JOBS_MAX - 100;
}

/* Chains of crashes on one disk after another, until there were POINTS or something is wrong.
 */
static bool crash_often(uint64_t seed, enum crash_sync ignored, unsigned points,
                        char *out_wrong, uint64_t *out_syncs)
{
    static struct site site; /* large; one thread */
    unsigned done = 0;
    bool well = true;

    *out_syncs = 0;
    while (done < points && well) {
        site_begin(&site, seed, ignored);
        done += recover(&site);
        while (done < points && site.wrong[0] == '\0' && !is_large(&site)) {
            run(&site, 1 + below(&site, STEPS_RUN));
            done += 1 + recover(&site);
        }
        *out_syncs += crash_disk_syncs(site.disk, ignored);
        well = site.wrong[0] == '\0';
        if (!well) {
            (void)snprintf(out_wrong, WRONG_MAX, "seed %llu, step %llu: %s",
                           (unsigned long long)seed,
                           (unsigned long long)crash_disk_steps(site.disk), site.wrong);
        }
        site_end(&site);
        seed++;
    }
    return well;
}

static void test_chains_of_crashes(void **state)
{
    (void)state;
    char wrong[WRONG_MAX];
    uint64_t syncs = 0;

    if (!crash_often(1000, CRASH_SYNC_NONE, POINTS, wrong, &syncs)) {
        fail_msg("%s", wrong);
    }
}

/* Fresh stores, crashed at step 1, 2, 3, … POINTS of their creation and first transactions,
 * with each of SEEDS seeds; until something is wrong. */
static bool crash_fresh(enum crash_sync ignored, uint64_t seeds, uint64_t points,
                        char *out_wrong, uint64_t *out_syncs)
{
    static struct site site; /* large; one thread */
    bool well = true;

    *out_syncs = 0;
    for (uint64_t run = 0; run < seeds * points && well; run++) {
        const uint64_t seed = 1 + run / points;
        const uint64_t point = 1 + run % points;

        site_begin(&site, seed * 1000 + point, ignored);
        crash_disk_arm(site.disk, point);
        if (ks_store_open(&site.options, &site.store) == KS_OK) {
            while (!crash_disk_is_down(site.disk)) {
                (void)transact(&site); /* fails in the last one */
            }
        }
        ks_store_close(site.store);
        site.store = NULL;
        (void)recover(&site);
        *out_syncs += crash_disk_syncs(site.disk, ignored);
        well = site.wrong[0] == '\0';
        if (!well) {
            (void)snprintf(out_wrong, WRONG_MAX, "seed %llu, point %llu: %s",
                           (unsigned long long)seed, (unsigned long long)point, site.wrong);
        }
        site_end(&site);
    }
    return well;
}

static void test_every_step_of_a_fresh_store(void **state)
{
    (void)state;
    char wrong[WRONG_MAX];
    uint64_t syncs = 0;

    if (!crash_fresh(CRASH_SYNC_NONE, 8, 120, wrong, &syncs)) {
        fail_msg("%s", wrong);
    }
}

/* SQLite's unix VFS does not say when its sync of the directory failed: the store's own
 * suffices. */
static void test_the_store_syncs_its_directory(void **state)
{
    (void)state;
    char wrong[WRONG_MAX];
    uint64_t syncs = 0;

    if (!crash_often(3000, CRASH_SYNC_WAL_DIR, POINTS / 4, wrong, &syncs)) {
        fail_msg("%s", wrong);
    }
    assert_true(syncs > 0);
}

static void test_every_sync_is_needed(void **state)
{
    (void)state;
    static const struct {
        enum crash_sync place;
        bool at_creation;
    } places[] = {
        {CRASH_SYNC_DB, false},         {CRASH_SYNC_WAL, false},
        {CRASH_SYNC_WAL_HEADER, false}, {CRASH_SYNC_STORE_DIR, false},
        {CRASH_SYNC_ROLLBACK, true},    {CRASH_SYNC_ROLLBACK_DIR, true},
    };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const enum crash_sync place = places[i].place;
        char wrong[WRONG_MAX] = "";
        uint64_t syncs = 0;
        const bool well = places[i].at_creation
                              ? crash_fresh(place, SEEDS_EACH, STEPS_CREATE, wrong, &syncs)
                              : crash_often(2000, place, POINTS_EACH, wrong, &syncs);
        assert_true(syncs > 0);
        if (well) {
            fail_msg("nothing noticed without the sync of %s", crash_sync_name(place));
        }
        print_message("without the sync of %s: %s\n", crash_sync_name(place), wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_of_a_fresh_store),
        cmocka_unit_test(test_chains_of_crashes),
        cmocka_unit_test(test_the_store_syncs_its_directory),
        cmocka_unit_test(test_every_sync_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
