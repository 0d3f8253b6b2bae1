/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* traces.h: the site's row of each job that ended, and of each submission of a known device
 * that was refused (docs/formats/trace.md). Nobody waits for a row: that of a job is put into
 * the store by the transaction that ends the job, and completed, like rows of refusals, by the
 * next one that there is anyway; where none comes within TRACES_WAIT_MS, by one of its own. On
 * the server's own thread. */
#ifndef KS_SERVER_TRACES_H
#define KS_SERVER_TRACES_H

#include "detect/trace.h"
#include "net/http_server.h"
#include "server/alerts.h"
#include "store/store.h"

#define KS_TRACES_WAITING_MAX 4096 /* rows; further ones are counted as dropped */
#define KS_TRACES_WAIT_MS     1000

struct ks_site_server;
struct ks_task;
struct ks_traces_row;

struct ks_traces {
    uint64_t keep; /* rows in the store; until it is set KS_CONFIG_TRACES_KEEP */
    struct ks_traces_row *rows;
    size_t count;
    uint64_t since_us; /* monotonic: since when the first of them waits */
    uint64_t dropped;  /* since that was last logged */
    struct ks_alerts alerts;
};

KS_MUST_CHECK enum ks_err ks_traces_init(struct ks_traces *traces);
void ks_traces_done(struct ks_traces *traces); /* zeroed is fine */

/* The row of the job ID, if it waits. */
bool ks_traces_find(const struct ks_traces *traces, const char *id, struct ks_trace *out_trace);
/* Whether rows have waited long enough for a transaction of their own. */
bool ks_traces_due(const struct ks_traces *traces, uint64_t now_us);
/* How long poll may sleep for them: at most MS, -1 for ever. */
int ks_traces_wait_ms(const struct ks_traces *traces, uint64_t now_us, int ms);
/* Puts the waiting rows, and what was said of them, into STORE's open transaction. A row
 * that the store refuses for what it is is dropped; other errors have broken the transaction.
 */
KS_MUST_CHECK enum ks_err ks_traces_put(struct ks_traces *traces, struct ks_store *store);
/* That transaction is durable: nothing waits any more. */
void ks_traces_saved(struct ks_traces *traces);

/* Puts what waits into the store by a transaction of its own, for somebody who reads there now.
 * None may be open. */
KS_MUST_CHECK enum ks_err ks_traces_flush(struct ks_traces *traces, struct ks_store *store);

/* --- of a task ---------------------------------------------------------------------------- */

/* Begins the row of what REQUEST submits: whose it is, and what the connection says. */
void ks_request_trace(const struct ks_http_request *request, struct ks_trace *out_trace);
/* VALUES of the enclave's, into the task's row. */
KS_MUST_CHECK enum ks_err ks_task_trace_take(struct ks_task *task, struct ks_reader *answer);
/* The ended job's row, into STORE's open transaction, as ks_traces_put. */
KS_MUST_CHECK enum ks_err ks_task_trace_put(struct ks_site_server *server,
                                            struct ks_task *task);
/* The job is covered by a checkpoint: logs event record.sealed. */
void ks_task_trace_sealed(struct ks_task *task);
/* All is known that will be known: the row is judged, and waits for the next transaction. Frees
 * the task, or makes it that of an alert. */
void ks_task_trace_end(struct ks_site_server *server, struct ks_task *task);
/* The row of a submission that came to no job. */
void ks_trace_refused(struct ks_site_server *server, struct ks_trace *trace, enum ks_err err);
/* The row of a JOB that a restart has ended. */
KS_MUST_CHECK enum ks_err ks_job_trace_interrupted(struct ks_site_server *server,
                                                   const struct ks_store_job *job);
/* Answers REQUEST with BODY (JSON), counted in TRACE, and with the stages that TRACE has as
 * Server-Timing. */
void ks_reply_traced(struct ks_http_request *request, int status, struct ks_bytes body,
                     struct ks_trace *trace);

#endif
