/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/traces.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "detect/timing.h"
#include "server/config.h"
#include "server/site.h"

struct ks_traces_row {
    uint64_t number; /* 0: not in the store yet */
    struct ks_trace trace;
    struct ks_judged judged;
};

_Static_assert(KS_TRACE_DEVICE_MAX == KS_STORE_DEVICE_MAX, "each device can have traces");

enum ks_err ks_traces_init(struct ks_traces *traces)
{
    *traces = (struct ks_traces){.keep = KS_CONFIG_TRACES_KEEP};
    traces->rows = ks_calloc(KS_TRACES_WAITING_MAX, sizeof *traces->rows);
    return traces->rows == NULL ? ks_fail(KS_ERR_NOMEM, "traces") : KS_OK;
}

void ks_traces_done(struct ks_traces *traces)
{
    for (size_t i = 0; i < traces->count; i++) {
        ks_judged_done(&traces->rows[i].judged);
    }
    ks_alerts_done(&traces->alerts);
    ks_free(traces->rows);
    *traces = (struct ks_traces){0};
}

/* --- rows that wait ----------------------------------------------------------------------- */

/* The row's detection where it is an anomaly; NULL: it is none, or there is no room for it. */
static const struct ks_judged *add_row(struct ks_traces *traces, const struct ks_trace *trace,
                                       uint64_t number)
{
    struct ks_traces_row *row = NULL;

    if (traces->count == KS_TRACES_WAITING_MAX) {
        traces->dropped++;
        return NULL;
    }
    if (traces->count == 0) {
        traces->since_us = ks_clock_monotonic_us();
    }
    row = &traces->rows[traces->count++];
    *row = (struct ks_traces_row){.number = number, .trace = *trace};
    return ks_alerts_judge(&traces->alerts, trace, &row->judged) ? &row->judged : NULL;
}

bool ks_traces_find(const struct ks_traces *traces, const char *id, struct ks_trace *out_trace)
{
    for (size_t i = 0; i < traces->count; i++) {
        if (strcmp(traces->rows[i].trace.job, id) == 0) {
            *out_trace = traces->rows[i].trace;
            return true;
        }
    }
    return false;
}

bool ks_traces_due(const struct ks_traces *traces, uint64_t now_us)
{
    return traces->count > 0 && now_us - traces->since_us >= KS_TRACES_WAIT_MS * UINT64_C(1000);
}

int ks_traces_wait_ms(const struct ks_traces *traces, uint64_t now_us, int ms)
{
    const uint64_t end_us = traces->since_us + KS_TRACES_WAIT_MS * UINT64_C(1000);
    int left_ms = 0;

    if (traces->count == 0) {
        return ms;
    }
    left_ms = now_us < end_us ? (int)((end_us - now_us + 999) / 1000) : 0;
    return ms < 0 || left_ms < ms ? left_ms : ms;
}

/* A row that the store refuses is no reason to lose a job. */
static enum ks_err put_row(struct ks_traces *traces, struct ks_store *store,
                           const struct ks_trace *trace, uint64_t *number)
{
    enum ks_err err = ks_store_trace_put(store, trace, traces->keep, number);

    if (err == KS_ERR_USAGE || err == KS_ERR_CONFLICT) {
        traces->dropped++;
        return KS_OK;
    }
    return err;
}

enum ks_err ks_traces_put(struct ks_traces *traces, struct ks_store *store)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < traces->count; i++) {
        struct ks_traces_row *row = &traces->rows[i];
        uint64_t number = row->number; /* what fails is tried again as it was */

        KS_TRY(put_row(traces, store, &row->trace, &number));
        KS_TRY(ks_judged_put(&row->judged, number, store));
    }
out:
    return err;
}

void ks_traces_saved(struct ks_traces *traces)
{
    struct ks_log_line line;

    for (size_t i = 0; i < traces->count; i++) {
        ks_judged_done(&traces->rows[i].judged);
    }
    traces->count = 0;
    if (traces->dropped > 0) {
        ks_log_begin(&line, KS_LOG_WARN, "traces.dropped");
        ks_log_u64(&line, "rows", traces->dropped);
        ks_log_end(&line);
        traces->dropped = 0;
    }
}

enum ks_err ks_traces_flush(struct ks_traces *traces, struct ks_store *store)
{
    enum ks_err err = KS_OK;

    if (traces->count == 0) {
        return KS_OK;
    }
    KS_TRY(ks_store_begin(store));
    KS_TRY(ks_traces_put(traces, store));
    KS_TRY(ks_store_commit(store));
    ks_traces_saved(traces);
out:
    ks_store_rollback(store);
    return err;
}

/* --- filling a row ------------------------------------------------------------------------ */

void ks_request_trace(const struct ks_http_request *request, struct ks_trace *trace)
{
    const struct ks_http_tls *tls = ks_http_request_tls(request);
    const uint64_t age_us = ks_clock_monotonic_us() - ks_http_request_time_us(request);

    ks_trace_init(trace);
    trace->side = KS_TRACE_SIDE_SITE;
    (void)snprintf(trace->device, sizeof trace->device, "%s",
                   ks_http_request_peer_name(request));
    trace->started_us = ks_clock_us() - age_us;
    ks_trace_set_u64(trace, KS_TRACE_HANDSHAKE_US, tls->handshake_us);
    ks_trace_set_u64(trace, KS_TRACE_TLS_GROUP, tls->group);
    ks_trace_set_u64(trace, KS_TRACE_TLS_RESUMED, tls->resumed ? 1 : 0);
    ks_trace_set_u64(trace, KS_TRACE_BYTES_RECEIVED,
                     ks_http_request_head(request)->raw.len +
                         ks_http_request_body(request).len);
}

enum ks_err ks_task_trace_take(struct ks_task *task, struct ks_reader *answer)
{
    enum ks_err err = KS_OK;
    struct ks_bytes values = {0};

    KS_TRY(ks_read_lp16(answer, KS_TRACE_BYTES_MAX, &values));
    KS_TRY(ks_fail_prefix(ks_trace_read_values(values, &task->trace), "enclave"));
out:
    return err;
}

static void set_since(struct ks_trace *trace, enum ks_trace_field field, uint64_t begin_us,
                      uint64_t end_us)
{
    if (begin_us > 0 && end_us >= begin_us) { /* else it did not get so far */
        ks_trace_set_u64(trace, field, end_us - begin_us);
    }
}

enum ks_err ks_task_trace_put(struct ks_site_server *server, struct ks_task *task)
{
    struct ks_trace *trace = &task->trace;
    const enum ks_err error =
        task->failure != KS_OK && task->cancel_wanted ? KS_ERR_CANCELLED : task->failure;

    (void)snprintf(trace->job, sizeof trace->job, "%s", task->job.id);
    set_since(trace, KS_TRACE_ADMIT_US, task->begin_us, task->admitted_us);
    set_since(trace, KS_TRACE_INTENT_US, task->admitted_us, task->intended_us);
    ks_trace_set_u64(trace, KS_TRACE_ERROR, (uint64_t)error);
    return put_row(&server->traces, server->store, trace, &task->trace_number);
}

static void log_us(struct ks_log_line *line, const struct ks_trace *trace,
                   enum ks_trace_field field)
{
    if (ks_trace_has(trace, field)) {
        ks_log_u64(line, ks_trace_column(field)->name, (uint64_t)trace->values[field]);
    }
}

void ks_task_trace_sealed(struct ks_task *task)
{
    struct ks_log_line line;
    struct ks_trace *trace = &task->trace;

    set_since(trace, KS_TRACE_COMMIT_US, task->sealed_us, task->committed_us);
    set_since(trace, KS_TRACE_CHECKPOINT_US, task->committed_us, ks_clock_monotonic_us());
    ks_log_begin(&line, KS_LOG_INFO, "record.sealed");
    ks_log_text(&line, "job", task->job.id);
    ks_log_text(&line, "device", task->job.device);
    ks_log_u64(&line, "index", task->job.result_index);
    ks_log_text(&line, "key_source", ks_key_source_name(task->key_source));
    ks_log_text(&line, "key_policy", ks_key_source_name(task->key_policy));
    for (unsigned i = KS_TRACE_ADMIT_US; i <= KS_TRACE_KEY_US; i++) {
        log_us(&line, trace, (enum ks_trace_field)i);
    }
    ks_log_u64(&line, "seal_us", task->sealed_us - task->intended_us);
    log_us(&line, trace, KS_TRACE_COMMIT_US);
    log_us(&line, trace, KS_TRACE_CHECKPOINT_US);
    ks_log_end(&line);
}

void ks_task_trace_end(struct ks_site_server *server, struct ks_task *task)
{
    const struct ks_judged *anomaly = NULL;

    if (task->trace_number > 0) { /* else the store would not have it */
        anomaly = add_row(&server->traces, &task->trace, task->trace_number);
    }
    if (anomaly != NULL) {
        ks_task_alert(server, task, anomaly);
    } else {
        ks_task_free(server, task);
    }
}

void ks_trace_refused(struct ks_site_server *server, struct ks_trace *trace, enum ks_err err)
{
    ks_trace_set_u64(trace, KS_TRACE_ERROR, (uint64_t)err);
    (void)add_row(&server->traces, trace,
                  0); /* no job: an anomaly is kept and logged, no more */
}

enum ks_err ks_job_trace_interrupted(struct ks_site_server *server,
                                     const struct ks_store_job *job)
{
    struct ks_trace trace;
    uint64_t number = 0;

    ks_trace_init(&trace);
    trace.side = KS_TRACE_SIDE_SITE;
    (void)snprintf(trace.job, sizeof trace.job, "%s", job->id);
    (void)snprintf(trace.device, sizeof trace.device, "%s", job->device);
    trace.started_us = job->created_us;
    ks_trace_set_u64(&trace, KS_TRACE_ERROR, KS_ERR_UNAVAILABLE);
    return put_row(&server->traces, server->store, &trace, &number);
}

/* --- answers ------------------------------------------------------------------------------ */

void ks_reply_traced(struct ks_http_request *request, int status, struct ks_bytes body,
                     struct ks_trace *trace)
{
    struct ks_buf timing;
    struct ks_http_field field = {.name = KS_LITERAL("Server-Timing")};
    struct ks_http_response response = {
        .status = status, .content_type = "application/json", .body = body};
    size_t sent = 0;

    ks_buf_init(&timing, KS_SERVER_TIMING_MAX);
    ks_server_timing_put(trace, &timing);
    if (timing.err == KS_OK && timing.len > 0) {
        field.value = ks_buf_view(&timing);
        response.fields = &field;
        response.field_count = 1;
    }
    response.out_len = &sent;
    ks_http_reply(request, &response);
    ks_trace_set_u64(trace, KS_TRACE_BYTES_SENT, sent);
    ks_buf_done(&timing);
}
