/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Jobs: submit, wait, status, bundle, list, cancel; and the one-time keys that submissions
 * spend. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "server/api.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX     200

#define ERROR_BODY_MAX 8192

#define WITNESSED_WAIT_S                                                                       \
    20 /* that a bundle waits at most for its checkpoint before "not yet" */

/* --- documents ---------------------------------------------------------------------------- */

static void put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

/* {"created_at":…,"detail":…,"error":…,"finished_at":…,"id":…,"index":…,"intent":…,"job":…,"schema":…,
 *  "state":…}: members that have no value yet are absent. */
static void put_job(struct ks_json_writer *writer, const struct ks_store_job *job)
{
    ks_json_put_object(writer);
    put_time(writer, "created_at", job->created_us);
    if (job->state == KS_JOB_FAILED) {
        ks_json_member_text(writer, "detail", job->detail);
    }
    ks_json_member_text(writer, "device", job->device);
    if (job->state == KS_JOB_FAILED) {
        ks_json_member_text(writer, "error", ks_err_name(job->error));
    }
    if (job->state != KS_JOB_ACCEPTED) {
        put_time(writer, "finished_at", job->finished_us);
    }
    ks_json_member_text(writer, "id", job->id);
    if (job->state != KS_JOB_ACCEPTED) {
        ks_json_member_u64(writer, "index", job->result_index);
    }
    ks_json_member_u64(writer, "intent", job->intent_index);
    ks_json_member_hex(writer, "job", KS_BYTES(job->job_digest));
    ks_json_member_text(writer, "schema", "ketseal.job-state/1");
    ks_json_member_text(writer, "state", ks_job_state_name(job->state));
    ks_json_put_end(writer);
}

/* TRACE NULL: nobody counts. */
static void reply_job(struct ks_http_request *request, int status,
                      const struct ks_store_job *job, struct ks_trace *trace)
{
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, 8192);
    put_job(&writer, job);
    if (body.err == KS_OK && trace != NULL) {
        ks_reply_traced(request, status, ks_buf_view(&body), trace);
    } else if (body.err == KS_OK) {
        ks_reply_json(request, status, ks_buf_view(&body));
    } else {
        ks_http_reply_error(request, body.err, "job state");
    }
    ks_buf_done(&body);
}

/* The bundle of a job that is done, with the newest checkpoint, or with that of UNDER. The
 * answer's bytes are counted in TRACE, whose stages go along. */
static void reply_bundle(struct ks_site_server *server, struct ks_http_request *request,
                         const struct ks_store_job *job, struct ks_bytes record,
                         const struct ks_witnessed *under, struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    struct ks_inclusion inclusion;
    struct ks_bundle_parts parts = {.record = record};
    struct ks_buf bundle;

    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_site_inclusion(server, job->result_index, job->intent_index, under, &inclusion));
    parts.inclusion = &inclusion;
    if (under != NULL) {
        parts.anchor = ks_buf_view(&under->anchor);
        parts.timestamp = ks_buf_view(&under->timestamp);
    }
    ks_bundle_write(&parts, &bundle);
    KS_TRY(ks_buf_check(&bundle));
    ks_reply_traced(request, 200, ks_buf_view(&bundle), trace);
out:
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
    ks_buf_done(&bundle);
}

/* The same of a job whose task is gone: its stages wait, or are in the store. */
static void reply_ended(struct ks_site_server *server, struct ks_http_request *request,
                        const struct ks_store_job *job, struct ks_bytes record,
                        const struct ks_witnessed *under)
{
    struct ks_trace trace;

    if (!ks_traces_find(&server->traces, job->id, &trace) &&
        ks_store_trace_of(server->reader, job->id, KS_TRACES_RECENT, &trace) != KS_OK) {
        ks_trace_init(&trace); /* long ago: the answer does without */
    }
    reply_bundle(server, request, job, record, under, &trace);
}

void ks_api_job_accepted(struct ks_task *task)
{
    reply_job(task->request, 202, &task->job, &task->trace);
}

void ks_api_job_ended(struct ks_site_server *server, struct ks_task *task)
{
    struct ks_buf error;

    if (task->request == NULL) {
        return;
    }
    if (task->failure == KS_OK) {
        if (task->fetched) {
            reply_ended(server, task->request, &task->job, ks_buf_view(&task->record), NULL);
        } else {
            reply_bundle(server, task->request, &task->job, ks_buf_view(&task->record), NULL,
                         &task->trace);
        }
    } else {
        ks_buf_init(&error, ERROR_BODY_MAX);
        ks_http_error_put(task->failure, task->job.detail, &error);
        ks_reply_traced(task->request, ks_err_http_status(task->failure), ks_buf_view(&error),
                        &task->trace);
        ks_buf_done(&error);
    }
    task->request = NULL;
}

/* --- signed requests ---------------------------------------------------------------------- */

/* The request as the enclave wants it: nothing in it is interpreted here. */
static void put_request(const struct ks_http_request *request, struct ks_buf *out)
{
    ks_buf_put_lp32(out, ks_http_request_head(request)->raw);
    ks_buf_put_lp32(out, ks_http_request_body(request));
    ks_buf_put(out, ks_http_request_exporter(request));
    ks_buf_put_lp32(out, ks_cert_der(ks_http_request_peer(request)));
}

static void ask_signed(struct ks_site_server *server, struct ks_task *task, uint16_t type,
                       ks_task_step step)
{
    struct ks_buf payload;
    enum ks_err err = KS_OK;

    ks_buf_init(&payload, KS_FRAME_MAX);
    put_request(task->request, &payload);
    err = ks_buf_check(&payload);
    if (err == KS_OK) {
        ks_task_ask(server, task, type, ks_buf_view(&payload), step);
    } else {
        ks_task_fail(server, task, err);
    }
    ks_buf_done(&payload);
}

/* --- submit ------------------------------------------------------------------------------- */

static enum ks_err read_admission(struct ks_task *task, struct ks_reader *answer)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes device = {0};
    struct ks_bytes intent = {0};
    uint64_t counter = 0;
    uint8_t source = 0;
    uint8_t policy = 0;
    uint8_t kind = 0;

    KS_TRY(ks_read_bytes(answer, KS_UUID_TEXT_LEN, &id));
    KS_TRY(ks_read_lp16(answer, KS_DEVICE_ID_MAX, &device));
    KS_TRY(ks_read_u64(answer, &counter));
    KS_TRY(ks_read_copy(answer, task->job.job_digest, sizeof task->job.job_digest));
    KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &intent));
    KS_TRY(ks_read_u8(answer, &source));
    KS_TRY(ks_read_u8(answer, &policy));
    KS_TRY(ks_read_u8(answer, &kind));
    KS_TRY(ks_task_trace_take(task, answer));
    KS_TRY(ks_read_end(answer));
    KS_CHECK(source < KS_KEY_SOURCES && policy < KS_KEY_SOURCES, KS_ERR_FORMAT,
             "enclave: no such source of keys");
    task->key_source = (enum ks_key_source)source;
    task->key_policy = (enum ks_key_source)policy;
    KS_CHECK(kind == KS_KIND_CIRCUIT || kind == KS_KIND_UPDATE, KS_ERR_FORMAT,
             "enclave: no such kind of job");
    ks_copy(task->job.id, id.data, id.len);
    task->job.id[id.len] = '\0';
    ks_copy(task->job.device, device.data, device.len);
    task->job.device[device.len] = '\0';
    ks_buf_put(&task->intent, intent);
    KS_TRY(ks_buf_check(&task->intent));
out:
    return err;
}

/* What was refused is known by its own word alone. */
static void trace_refused(struct ks_site_server *server, struct ks_task *task, enum ks_err err)
{
    char detail[KS_ERR_DETAIL_MAX];
    struct ks_request_body body = {0};

    (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
    if (task->request != NULL &&
        ks_request_body_parse(ks_http_request_body(task->request), &body) == KS_OK) {
        ks_trace_set_u64(&task->trace, KS_TRACE_WORKLOAD, body.job.kind);
    }
    ks_trace_refused(server, &task->trace, err);
    ks_request_body_done(&body);
    (void)!ks_fail(err, "%s", detail); /* as it was */
}

static void step_admitted(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                          struct ks_reader *answer)
{
    KS_TRY(err);
    KS_TRY(read_admission(task, answer));
    ks_task_admitted(server, task);
out:
    if (err != KS_OK) {
        trace_refused(server, task, err);
        ks_task_fail(server, task, err);
    }
}

/* The body of REQUEST submits the job that BEFORE is. */
static enum ks_err check_same_job(struct ks_http_request *request,
                                  const struct ks_store_job *before)
{
    enum ks_err err = KS_OK;
    struct ks_request_body body = {0};

    KS_TRY(ks_fail_prefix(ks_request_body_parse(ks_http_request_body(request), &body), "body"));
    KS_CHECK(ks_bytes_equal(KS_BYTES(body.submission.job), KS_BYTES(before->job_digest)),
             KS_ERR_CONFLICT, "this Idempotency-Key was used with another job, %s", before->id);
out:
    ks_request_body_done(&body);
    return err;
}

/* A repeated submission, authenticated: what the first one came to. */
static void step_repeated(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                          struct ks_reader *answer)
{
    struct ks_store_job job;
    struct ks_buf record;

    (void)answer;
    ks_buf_init(&record, KS_RECORD_BYTES_MAX);
    KS_TRY(err);
    KS_TRY(ks_store_job_by_idempotency(server->reader, task->job.device, task->job.idempotency,
                                       &job));
    KS_TRY(check_same_job(task->request, &job));
    KS_CHECK(!task->wait || job.state != KS_JOB_ACCEPTED, KS_ERR_CONFLICT,
             "job %s with this Idempotency-Key is under way; ask again later", job.id);
    if (task->wait && job.state == KS_JOB_DONE) {
        KS_TRY(ks_store_record(server->reader, job.id, &record));
        reply_ended(server, task->request, &job, ks_buf_view(&record), NULL);
    } else if (task->wait) {
        KS_TRY(ks_fail(job.error, "%s", job.detail));
    } else {
        reply_job(task->request, 200, &job, NULL);
    }
    task->request = NULL;
out:
    ks_buf_done(&record);
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    } else {
        ks_task_free(server, task);
    }
}

/* The Idempotency-Key field, "" when it is absent: visible ASCII without spaces. */
static enum ks_err read_idempotency(struct ks_http_request *request, char *target)
{
    enum ks_err err = KS_OK;
    struct ks_bytes value = {0};

    err = ks_http_head_get(ks_http_request_head(request), "idempotency-key", &value);
    if (err == KS_ERR_NOT_FOUND) {
        target[0] = '\0';
        return KS_OK;
    }
    KS_TRY(err);
    KS_CHECK(ks_text_is_name(value, KS_STORE_IDEMPOTENCY_MAX), KS_ERR_FORMAT,
             "Idempotency-Key: 1 to %d letters, digits, '-' and '_'", KS_STORE_IDEMPOTENCY_MAX);
    ks_copy(target, value.data, value.len);
    target[value.len] = '\0';
out:
    return err;
}

static void submit(struct ks_site_server *server, struct ks_http_request *request, bool wait)
{
    enum ks_err err = KS_OK;
    struct ks_task *task = NULL;
    const struct ks_task *same = NULL;
    struct ks_store_job before;
    char idempotency[KS_STORE_IDEMPOTENCY_MAX + 1];
    const char *device = ks_cert_subject(ks_http_request_peer(request));
    struct ks_trace trace;

    ks_request_trace(request, &trace);
    KS_TRY(read_idempotency(request, idempotency));
    same =
        idempotency[0] == '\0' ? NULL : ks_task_find_idempotency(server, device, idempotency);
    /* Until its intent is durable there is nothing to compare with. */
    KS_CHECK(same == NULL || same->state >= KS_TASK_RUNNING, KS_ERR_CONFLICT,
             "a job with this Idempotency-Key is under way; ask again later");
    err = idempotency[0] == '\0'
              ? KS_ERR_NOT_FOUND
              : ks_store_job_by_idempotency(server->reader, device, idempotency, &before);
    if (err != KS_OK && err != KS_ERR_NOT_FOUND) {
        goto out;
    }
    task = ks_task_new(server, request);
    if (task == NULL) { /* it was told that too many wait, or that the site stops */
        ks_trace_refused(server, &trace, KS_ERR_UNAVAILABLE);
        return;
    }
    task->trace = trace;
    task->wait = wait;
    (void)snprintf(task->job.idempotency, sizeof task->job.idempotency, "%s", idempotency);
    (void)snprintf(task->job.device, sizeof task->job.device, "%s", device);
    if (err == KS_OK) {
        ask_signed(server, task, KS_FRAME_AUTH, step_repeated);
    } else {
        ask_signed(server, task, KS_FRAME_ADMIT, step_admitted);
    }
    return;
out:
    ks_trace_refused(server, &trace, err);
    ks_reply_failure(request, err);
}

void ks_api_qjob(struct ks_site_server *server, struct ks_http_request *request,
                 struct ks_bytes segment)
{
    (void)segment;
    submit(server, request, true);
}

void ks_api_job_submit(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    (void)segment;
    submit(server, request, false);
}

/* --- status, bundle, list ----------------------------------------------------------------- */

static const char *asking(struct ks_http_request *request)
{
    return ks_cert_subject(ks_http_request_peer(request));
}

/* The job SEGMENT of OWNER, a device; the jobs of others do not exist for it. OWNER NULL: the
 * record of a round, which is everyone's who is known here. */
static enum ks_err find_job(struct ks_site_server *server, const char *owner,
                            struct ks_bytes segment, struct ks_store_job *out_job)
{
    enum ks_err err = KS_OK;
    char id[KS_UUID_TEXT_LEN + 1];
    struct ks_store_job job;

    KS_CHECK(ks_text_is_uuid(segment), KS_ERR_FORMAT, "a job's id is a UUID");
    ks_copy(id, segment.data, segment.len);
    id[segment.len] = '\0';
    KS_TRY(ks_store_job(server->reader, id, &job));
    KS_CHECK(owner != NULL ? strcmp(job.device, owner) == 0
                           : strncmp(job.device, KS_FL_OWNER, strlen(KS_FL_OWNER)) == 0,
             KS_ERR_NOT_FOUND, "no job %s", id);
    *out_job = job;
out:
    return err;
}

void ks_api_job_status(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    struct ks_store_job job;
    enum ks_err err = find_job(server, asking(request), segment, &job);

    if (err == KS_OK) {
        reply_job(request, 200, &job, NULL);
    } else {
        ks_reply_failure(request, err);
    }
}

void ks_api_job_witnessed(struct ks_site_server *server, struct ks_task *task)
{
    enum ks_err err = KS_OK;
    struct ks_buf record;

    ks_buf_init(&record, KS_RECORD_BYTES_MAX);
    KS_TRY(ks_store_record(server->reader, task->job.id, &record));
    reply_ended(server, task->request, &task->job, ks_buf_view(&record),
                &server->witnessed[task->wanted]);
out:
    if (err != KS_OK) {
        ks_reply_failure(task->request, err);
    }
    task->request = NULL;
    ks_buf_done(&record);
}

/* Answered as soon as the state is reached: at once, or by a task. */
static enum ks_err wait_witnessed(struct ks_site_server *server,
                                  struct ks_http_request *request,
                                  const struct ks_store_job *job,
                                  enum ks_witnessed_state wanted)
{
    enum ks_err err = KS_OK;
    uint64_t seconds = 0;
    struct ks_task *task = NULL;

    KS_TRY(ks_api_query_u64(request, "seconds", WITNESSED_WAIT_S, WITNESSED_WAIT_S, &seconds));
    task = ks_task_new(server, request);
    if (task != NULL) {
        task->job = *job;
        task->job.idempotency[0] = '\0'; /* not the one that makes the job */
        task->wanted = wanted;
        task->until_us = ks_clock_monotonic_us() + seconds * 1000000;
        task->state = KS_TASK_WITNESSED;
    }
out:
    return err;
}

/* Answers when a checkpoint covers JOB, which is durable and done. */
static void await_bundle(struct ks_site_server *server, struct ks_http_request *request,
                         const struct ks_store_job *job, struct ks_bytes record)
{
    struct ks_task *task = ks_task_new(server, request);
    enum ks_err err = KS_OK;

    if (task == NULL) {
        return; /* it was told that too many wait */
    }
    task->job = *job;
    task->wait = true;
    task->fetched = true;
    ks_buf_put(&task->record, record);
    err = ks_buf_check(&task->record);
    if (err == KS_OK) {
        task->state = KS_TASK_CHECKPOINT;
    } else {
        ks_task_fail(server, task, err);
    }
}

static void answer_bundle(struct ks_site_server *server, struct ks_http_request *request,
                          const char *owner, struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_store_job job;
    struct ks_buf record;
    const struct ks_bytes wait = ks_api_query(request, "wait");
    enum ks_witnessed_state wanted = KS_WITNESSED_COSIGNED;

    ks_buf_init(&record, KS_RECORD_BYTES_MAX);
    if (wait.data != NULL) {
        KS_TRY(ks_fail_prefix(ks_witnessed_state_parse(wait, &wanted), "query 'wait'"));
    }
    KS_TRY(find_job(server, owner, segment, &job));
    KS_CHECK(job.state != KS_JOB_ACCEPTED, KS_ERR_NOT_FOUND, "job %s has not ended yet",
             job.id);
    if (job.state != KS_JOB_DONE) {
        KS_TRY(ks_fail(job.error, "%s", job.detail));
    }
    if (wait.data != NULL) {
        KS_TRY(wait_witnessed(server, request, &job, wanted));
        return;
    }
    KS_TRY(ks_store_record(server->reader, job.id, &record));
    if (job.result_index < server->signed_head.size && server->checkpoint.len > 0) {
        reply_ended(server, request, &job, ks_buf_view(&record), NULL);
    } else {
        await_bundle(server, request, &job, ks_buf_view(&record));
    }
out:
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
    ks_buf_done(&record);
}

void ks_api_job_bundle(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    answer_bundle(server, request, asking(request), segment);
}

void ks_api_fl_bundle(struct ks_site_server *server, struct ks_http_request *request,
                      struct ks_bytes segment)
{
    answer_bundle(server, request, NULL, segment);
}

/* RECORD is of an update; KS_ERR_NOT_FOUND where it is of anything else. */
static enum ks_err check_update(struct ks_bytes record, const char *id)
{
    static const struct ks_json_limits limits = {.len_max = KS_RECORD_BYTES_MAX,
                                                 .nodes_max = 65536};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *workload = NULL;
    struct ks_bytes name = {0};

    KS_TRY(ks_json_parse(record, &limits, &doc));
    workload = ks_json_find(ks_json_find(ks_json_root(doc), "core"), "workload");
    KS_CHECK(workload != NULL && ks_json_get_string(workload, "name", &name) == KS_OK &&
                 ks_bytes_is(name, ks_kind_name(KS_KIND_UPDATE)),
             KS_ERR_NOT_FOUND, "no update of a round %s", id);
out:
    ks_json_doc_free(doc);
    return err;
}

/* An operator may have the record of each update: it audits the rounds. Those of circuits are
 * their devices' own. */
void ks_api_fl_update_bundle(struct ks_site_server *server, struct ks_http_request *request,
                             struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_store_job job;
    char id[KS_UUID_TEXT_LEN + 1];
    struct ks_buf record;

    ks_buf_init(&record, KS_RECORD_BYTES_MAX);
    KS_CHECK(ks_text_is_uuid(segment), KS_ERR_FORMAT, "a job's id is a UUID");
    (void)snprintf(id, sizeof id, "%.*s", KS_UUID_TEXT_LEN, (const char *)segment.data);
    KS_TRY(ks_store_job(server->reader, id, &job));
    KS_CHECK(job.state == KS_JOB_DONE, KS_ERR_NOT_FOUND, "no update of a round %s", id);
    KS_TRY(ks_store_record(server->reader, id, &record));
    KS_TRY(check_update(ks_buf_view(&record), id));
    answer_bundle(server, request, job.device, segment);
out:
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
    ks_buf_done(&record);
}

static void answer_list(struct ks_site_server *server, struct ks_http_request *request,
                        const char *owner)
{
    enum ks_err err = KS_OK;
    struct ks_store_job *jobs = ks_calloc(PAGE_MAX, sizeof *jobs);
    struct ks_bytes after = ks_api_query(request, "after");
    struct ks_store_job last;
    uint64_t limit = 0;
    size_t count = 0;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, 1024 * 1024);
    KS_CHECK(jobs != NULL, KS_ERR_NOMEM, "job list");
    KS_TRY(ks_api_query_u64(request, "limit", PAGE_DEFAULT, PAGE_MAX, &limit));
    KS_CHECK(limit >= 1, KS_ERR_FORMAT, "query 'limit': 1 to %d", PAGE_MAX);
    if (after.data != NULL) {
        KS_TRY(ks_fail_prefix(find_job(server, owner, after, &last), "query 'after'"));
    }
    KS_TRY(ks_store_jobs(server->reader, owner, after.data != NULL ? last.id : NULL,
                         (size_t)limit, jobs, &count));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "jobs");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < count; i++) {
        put_job(&writer, &jobs[i]);
    }
    ks_json_put_end(&writer);
    if (count == limit && count > 0) {
        ks_json_member_text(&writer, "next", jobs[count - 1].id);
    }
    ks_json_member_text(&writer, "schema", "ketseal.job-list/1");
    ks_json_put_end(&writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_free(jobs);
    ks_buf_done(&body);
}

void ks_api_job_list(struct ks_site_server *server, struct ks_http_request *request,
                     struct ks_bytes segment)
{
    (void)segment;
    answer_list(server, request, asking(request));
}

/* Of a session. */
void ks_api_fl_records(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    uint8_t session[KS_SESSION_LEN];
    char owner[KS_STORE_DEVICE_MAX + 1];

    if (ks_hex_decode(segment, session, sizeof session) != KS_OK) {
        ks_http_reply_error(request, KS_ERR_NOT_FOUND, "a session is 32 hexadecimal digits");
        return;
    }
    (void)snprintf(owner, sizeof owner, "%s%.*s", KS_FL_OWNER, (int)segment.len,
                   (const char *)segment.data);
    answer_list(server, request, owner);
}

/* --- cancel ------------------------------------------------------------------------------- */

static void step_cancelled(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                           struct ks_reader *answer)
{
    (void)server;
    (void)answer;
    if (err == KS_ERR_NOT_FOUND) { /* its record is on the way, and the enclave has let it go */
        err = ks_fail(KS_ERR_CONFLICT, "the job has finished already");
    }
    if (err == KS_OK) {
        ks_reply_json(task->request, 202, KS_LITERAL("{\"schema\":\"ketseal.cancel/1\"}"));
        task->request = NULL;
        ks_task_free(server, task);
    } else {
        struct ks_task *target = ks_task_find_job(server, task->job.id);

        if (target != NULL) {
            target->cancel_wanted = false;
        }
        ks_task_fail(server, task, err);
    }
}

/* The request was signed by the job's own device: now the enclave may end the job. */
static void step_may_cancel(struct ks_site_server *server, struct ks_task *task,
                            enum ks_err err, struct ks_reader *answer)
{
    struct ks_task *target = NULL;

    (void)answer;
    KS_TRY(err);
    target = ks_task_find_job(server, task->job.id);
    KS_CHECK(target != NULL && target != task && target->state == KS_TASK_RUNNING,
             KS_ERR_CONFLICT, "the job is not running");
    target->cancel_wanted = true;
    ks_task_ask(server, task, KS_FRAME_CANCEL, ks_bytes_of(task->job.id, KS_UUID_TEXT_LEN),
                step_cancelled);
out:
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    }
}

void ks_api_job_cancel(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    struct ks_store_job job;
    struct ks_task *task = NULL;
    enum ks_err err = find_job(server, asking(request), segment, &job);

    if (err != KS_OK) {
        ks_reply_failure(request, err);
        return;
    }
    task = ks_task_new(server, request);
    if (task != NULL) {
        (void)snprintf(task->job.id, sizeof task->job.id, "%s", job.id);
        ask_signed(server, task, KS_FRAME_AUTH, step_may_cancel);
    }
}

/* --- one-time keys ------------------------------------------------------------------------ */

static void step_keys(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                      struct ks_reader *answer)
{
    struct ks_bytes document = {0};

    (void)server;
    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, 65536, &document));
    KS_TRY(ks_read_end(answer));
    ks_reply_json(task->request, 200, document);
    task->request = NULL;
    ks_task_free(server, task);
out:
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    }
}

/* A document that the device signed goes to the enclave, whose document is the answer. */
static void ask_document(struct ks_site_server *server, struct ks_http_request *request,
                         uint16_t type)
{
    struct ks_task *task = ks_task_new(server, request);
    struct ks_buf payload;

    if (task == NULL) {
        return;
    }
    ks_buf_init(&payload, KS_FRAME_MAX);
    ks_buf_put_lp32(&payload, ks_cert_der(ks_http_request_peer(request)));
    ks_buf_put(&payload, ks_http_request_exporter(request));
    ks_buf_put_lp32(&payload, ks_http_request_body(request));
    if (payload.err == KS_OK) {
        ks_task_ask(server, task, type, ks_buf_view(&payload), step_keys);
    } else {
        ks_task_fail(server, task, ks_buf_check(&payload));
    }
    ks_buf_done(&payload);
}

void ks_api_keys(struct ks_site_server *server, struct ks_http_request *request,
                 struct ks_bytes segment)
{
    (void)segment;
    ask_document(server, request, KS_FRAME_KEYS);
}

void ks_api_announce(struct ks_site_server *server, struct ks_http_request *request,
                     struct ks_bytes segment)
{
    (void)segment;
    ask_document(server, request, KS_FRAME_ANNOUNCE);
}
