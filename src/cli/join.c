/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/join.h"

#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "store/store.h"

#define ROWS_MAX 4096 /* of the site, for one block */
#define WAIT_MS  10000
#define STEP_MS  20

struct ks_join {
    struct ks_store_reader *reader;
    uint64_t last;         /* number of the last row that was taken */
    uint64_t newest;       /* that was seen */
    struct ks_trace *rows; /* ROWS_MAX */
    size_t count;
};

static enum ks_err take(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct ks_join *join = context;

    if (join->count == ROWS_MAX) {
        return ks_fail(KS_ERR_LIMIT, "the site has over %d rows of a block", ROWS_MAX);
    }
    join->rows[join->count++] = *trace;
    join->newest = number;
    return KS_OK;
}

/* All of the site's rows since the last block. */
static enum ks_err read_rows(struct ks_join *join)
{
    join->count = 0;
    join->newest = join->last;
    return ks_store_traces(join->reader, join->last, ROWS_MAX + 1, take, join);
}

/* Of an earlier run. */
static enum ks_err pass_over(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct ks_join *join = context;

    (void)trace;
    join->last = number;
    return KS_OK;
}

enum ks_err ks_join_open(const char *lab, struct ks_join **out_join)
{
    enum ks_err err = KS_OK;
    char folder[KS_PATH_MAX];
    const struct ks_store_options options = {.version = 1, .directory = folder};
    struct ks_join *join = ks_calloc(1, sizeof *join);

    KS_CHECK(join != NULL, KS_ERR_NOMEM, "join");
    join->rows = ks_calloc(ROWS_MAX, sizeof *join->rows);
    KS_CHECK(join->rows != NULL, KS_ERR_NOMEM, "rows");
    KS_TRY(ks_path_join(lab, "state/store", folder));
    KS_TRY(ks_store_reader_new(&options, &join->reader));
    KS_TRY(ks_store_traces(join->reader, 0, UINT64_MAX >> 1, pass_over, join));
    *out_join = join;
    join = NULL; /* transferred */
out:
    ks_join_close(join);
    return err;
}

void ks_join_close(struct ks_join *join)
{
    if (join == NULL) {
        return;
    }
    ks_store_reader_free(join->reader);
    ks_free(join->rows);
    ks_free(join);
}

/* The site's row of TRACE's job, or of what its device was refused while it was at work. */
static const struct ks_trace *find(const struct ks_join *join, const struct ks_trace *trace,
                                   uint64_t ended_us)
{
    const struct ks_trace *found = NULL;

    for (size_t i = 0; i < join->count; i++) {
        const struct ks_trace *row = &join->rows[i];
        const bool same = trace->job[0] != '\0' ? strcmp(row->job, trace->job) == 0
                                                : strcmp(row->device, trace->device) == 0 &&
                                                      row->started_us >= trace->started_us &&
                                                      row->started_us <= ended_us;

        found = same ? row : found; /* the last of several */
    }
    return found;
}

/* Everything about a job that has a record is known once a checkpoint covers it. */
static bool is_complete(const struct ks_join *join, const struct ks_join_block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        const struct ks_trace *trace = &block->traces[i];
        const struct ks_trace *row = find(join, trace, block->ended_us[i]);

        if (trace->values[KS_TRACE_ERROR] == 0 &&
            (row == NULL || !ks_trace_has(row, KS_TRACE_CHECKPOINT_US))) {
            return false;
        }
    }
    return true;
}

/* What a device knows better than its site: how it was for it. */
static bool is_devices(enum ks_trace_field field)
{
    return field < KS_TRACE_ADMIT_US ||
           (field > KS_TRACE_CHECKPOINT_US && field != KS_TRACE_PCR_MATCH &&
            field != KS_TRACE_WORKER_CPU_US && field != KS_TRACE_WORKER_MEMORY_BYTES);
}

static void complete(struct ks_trace *trace, const struct ks_trace *row)
{
    for (unsigned i = 0; row != NULL && i < KS_TRACE_COLUMNS; i++) {
        const enum ks_trace_field field = (enum ks_trace_field)i;

        if (ks_trace_has(row, field) && !(is_devices(field) && ks_trace_has(trace, field))) {
            trace->values[field] = row->values[field];
        }
    }
}

enum ks_err ks_join_block(struct ks_join *join, const struct ks_join_block *block)
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_nsec = STEP_MS * 1000000L};
    const uint64_t end_us = ks_clock_monotonic_us() + WAIT_MS * UINT64_C(1000);

    KS_TRY(read_rows(join));
    while (!is_complete(join, block)) {
        KS_CHECK(ks_clock_monotonic_us() < end_us, KS_ERR_UNAVAILABLE,
                 "the site has no rows of some jobs");
        (void)nanosleep(&pause, NULL);
        KS_TRY(read_rows(join));
    }
    for (size_t i = 0; i < block->count; i++) {
        complete(&block->traces[i], find(join, &block->traces[i], block->ended_us[i]));
    }
    join->last = join->newest;
out:
    return err;
}
