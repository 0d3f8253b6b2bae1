/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* From RUN to a sealed record: a worker runs the job, the core is made of its answer, one TPM
 * quote covers all that finished since the last, then both keys sign. While the TPM works, more
 * jobs finish: the batch grows by itself under load, and is one record without it. */

#include <stdio.h>

#include "attest/quote.h"
#include "crypto/digest.h"
#include "detect/outcome.h"
#include "enclave/monitor.h"
#include "enclave/work.h"
#include "ledger/merkle.h"

#define DEADLINE_MARGIN_US 5000000 /* wall clock beside a job's processor time */

/* --- the table of jobs -------------------------------------------------------------------- */

enum ks_err ks_monitor_job_new(struct ks_monitor *monitor, struct ks_monitor_job **out_job)
{
    for (size_t i = 0; i < KS_MONITOR_JOBS_MAX; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_FREE) {
            monitor->jobs_used = i >= monitor->jobs_used ? i + 1 : monitor->jobs_used;
            *job =
                (struct ks_monitor_job){.state = KS_MJOB_ADMITTED, .order = ++monitor->order};
            ks_trace_init(&job->trace);
            ks_buf_init(&job->certificate, KS_CERT_DER_MAX);
            ks_buf_init(&job->parameters, 4096);
            ks_buf_init(&job->result, KS_RESULT_BYTES_MAX);
            ks_buf_init(&job->kernels, KS_WORK_NAME_MAX);
            ks_buf_init(&job->reason, KS_METHOD_WHY_MAX);
            ks_buf_init(&job->sdk_texts, (size_t)3 * KS_WORK_NAME_MAX);
            ks_buf_init(&job->core_bytes, KS_RECORD_BYTES_MAX);
            ks_buf_init(&job->start_attest, KS_ATTEST_MAX);
            ks_buf_init(&job->start_signature, KS_TPM_SIGNATURE_MAX);
            ks_buf_init(&job->order_body, KS_FL_DOCUMENT_MAX);
            ks_buf_init(&job->order_signature, KS_SIG_LEN_MAX);
            *out_job = job;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_UNAVAILABLE, "%d jobs are waiting already", KS_MONITOR_JOBS_MAX);
}

void ks_monitor_job_free(struct ks_monitor *monitor, struct ks_monitor_job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->state >= KS_MJOB_QUEUED) {
        ks_monitor_job_ended(monitor, job);
    }
    ks_request_body_done(&job->body);
    ks_buf_done(&job->certificate);
    ks_buf_done(&job->parameters);
    ks_buf_done(&job->result);
    ks_buf_done(&job->kernels);
    ks_buf_done(&job->reason);
    ks_buf_done(&job->sdk_texts);
    ks_buf_done(&job->core_bytes);
    ks_buf_done(&job->start_attest);
    ks_buf_done(&job->start_signature);
    ks_buf_done(&job->order_body);
    ks_buf_done(&job->order_signature);
    job->state = KS_MJOB_FREE;
    while (monitor->jobs_used > 0 &&
           monitor->jobs[monitor->jobs_used - 1].state == KS_MJOB_FREE) {
        monitor->jobs_used--;
    }
}

struct ks_monitor_job *ks_monitor_job_find(struct ks_monitor *monitor, struct ks_bytes id)
{
    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state != KS_MJOB_FREE && ks_bytes_is(id, job->id)) {
            return job;
        }
    }
    return NULL;
}

void ks_monitor_job_fail(struct ks_monitor *monitor, struct ks_monitor_job *job,
                         enum ks_err err)
{
    ks_answer_error(&monitor->daemon.out, KS_FRAME_RUN, job->request, err);
    ks_monitor_job_free(monitor, job);
}

/* --- run and cancel ----------------------------------------------------------------------- */

enum ks_err ks_monitor_run(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "run frame");
    struct ks_bytes job_id = {0};
    struct ks_monitor_job *job = NULL;
    uint64_t intent_index = 0;

    KS_TRY(ks_read_bytes(&reader, KS_UUID_TEXT_LEN, &job_id));
    KS_TRY(ks_read_u64(&reader, &intent_index));
    KS_TRY(ks_read_end(&reader));
    job = ks_monitor_job_find(monitor, job_id);
    KS_CHECK(job != NULL && job->state == KS_MJOB_ADMITTED, KS_ERR_CONFLICT,
             "no such job is admitted");
    /* What a core can hold, and what a verifier accepts: the intent came after that head. */
    KS_CHECK(intent_index >= job->before.size && intent_index <= KS_MERKLE_SIZE_MAX,
             KS_ERR_DENIED,
             "the intent's place %llu is not behind the %llu entries signed before",
             (unsigned long long)intent_index, (unsigned long long)job->before.size);
    job->request = id;
    job->intent_index = intent_index;
    job->state = KS_MJOB_QUEUED;
    job->queued_us = ks_clock_monotonic_us();
out:
    return err;
}

static void kill_worker(struct ks_monitor *monitor, const struct ks_monitor_worker *worker)
{
    size_t begin = ks_frame_begin(&monitor->launcher.out, KS_FRAME_KILL, 0);

    ks_buf_put_u32(&monitor->launcher.out, worker->pid);
    ks_frame_end(&monitor->launcher.out, begin);
}

/* The worker of JOB, or NULL. */
static struct ks_monitor_worker *worker_of(struct ks_monitor *monitor,
                                           const struct ks_monitor_job *job)
{
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        if (monitor->workers[i].job == job) {
            return &monitor->workers[i];
        }
    }
    return NULL;
}

/* What has a core already gets its record: it did happen. */
enum ks_err ks_monitor_cancel(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = ks_monitor_job_find(monitor, payload);
    size_t begin = 0;

    KS_CHECK(job != NULL, KS_ERR_NOT_FOUND, "no such job");
    KS_CHECK(job->state < KS_MJOB_FINISHED, KS_ERR_CONFLICT, "the job has finished already");
    KS_CHECK(job->session == NULL &&
                 (job->body.job.kind == KS_KIND_CIRCUIT || job->state <= KS_MJOB_QUEUED),
             KS_ERR_CONFLICT, "an update that is being added cannot be taken back");
    if (job->state == KS_MJOB_RUNNING) {
        job->cancelled = true;
        kill_worker(monitor, worker_of(monitor, job)); /* its death answers RUN */
    } else if (job->state == KS_MJOB_QUEUED) {
        ks_monitor_job_fail(monitor, job, ks_fail(KS_ERR_CONFLICT, "cancelled before it ran"));
    } else {
        ks_monitor_job_free(monitor, job);
    }
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_CANCEL, id);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}

/* --- workers ------------------------------------------------------------------------------ */

enum ks_err ks_monitor_worker_add(struct ks_monitor *monitor, int fd, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "launcher");
    struct ks_monitor_worker *worker = NULL;
    uint32_t pid = 0;
    uint8_t sdk = 0;

    KS_TRY(ks_read_u32(&reader, &pid));
    KS_TRY(ks_read_u8(&reader, &sdk));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(sdk < KS_SDK_COUNT || sdk == KS_LAUNCH_FOR_ROUNDS, KS_ERR_FORMAT,
             "launcher: a worker for SDK %u", sdk);
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX && worker == NULL; i++) {
        worker = monitor->workers[i].channel.fd < 0 ? &monitor->workers[i] : NULL;
    }
    KS_CHECK(worker != NULL, KS_ERR_INTERNAL, "more workers than the launcher may start");
    ks_channel_init(&worker->channel, fd, "worker");
    fd = -1; /* transferred */
    worker->pid = pid;
    worker->for_rounds = sdk == KS_LAUNCH_FOR_ROUNDS;
    worker->sdk = worker->for_rounds ? KS_SDK_KETSEAL : (enum ks_sdk)sdk;
    worker->job = NULL;
    worker->slot = NULL;
out:
    ks_fd_close(&fd);
    return err;
}

/* One worker, one job: one that only closed its socket would keep its place for ever. */
void ks_monitor_worker_end(struct ks_monitor *monitor, struct ks_monitor_worker *worker)
{
    kill_worker(monitor, worker);
    ks_channel_done(&worker->channel);
    worker->job = NULL;
    worker->slot = NULL;
}

_Static_assert(KS_WORK_NOISE_MAX == KS_JOB_NOISE_MAX, "a model that is admitted can be sent");

static enum ks_err sks_monitor_job_fail(struct ks_monitor *monitor,
                                        struct ks_monitor_worker *worker,
                                        struct ks_monitor_job *job)
{
    enum ks_err err = KS_OK;
    const struct ks_job *asked = &job->body.job;
    struct ks_buf noise;
    struct ks_work_job work = {
        .source = asked->source,
        .template = asked->template,
        .qubits = asked->qubits,
        .depth = asked->depth,
        .template_seed = asked->template_seed,
        .shots = asked->shots,
        .seed = asked->seed,
        .single = asked->single,
        .memory_max = monitor->state_memory_max,
        .method = asked->method,
        .bond_max = asked->bond_max,
        .cutoff = asked->cutoff < 0 ? KS_CUTOFF_DEFAULT : asked->cutoff,
    };
    size_t begin = 0;

    ks_buf_init(&noise, KS_WORK_NOISE_MAX);
    if (asked->noise != NULL) {
        ks_json_canonical(asked->noise, &noise);
        KS_TRY(ks_fail_prefix(ks_buf_check(&noise), "the noise model"));
        work.noise = ks_buf_view(&noise);
    }
    begin = ks_frame_begin(&worker->channel.out, KS_FRAME_JOB, 1);
    ks_work_job_put(&work, &worker->channel.out);
    ks_frame_end(&worker->channel.out, begin);
    worker->job = job;
    job->state = KS_MJOB_RUNNING;
    job->started_us = ks_clock_us();
    ks_trace_set_u64(&job->trace, KS_TRACE_QUEUE_US, ks_clock_monotonic_us() - job->queued_us);
    job->deadline_us =
        ks_clock_monotonic_us() + monitor->job_seconds_max * 1000000 + DEADLINE_MARGIN_US;
    KS_TRY(ks_channel_flush(&worker->channel));
out:
    ks_buf_done(&noise);
    return err;
}

static struct ks_monitor_job *next_queued(struct ks_monitor *monitor, enum ks_sdk sdk)
{
    struct ks_monitor_job *next = NULL;

    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_QUEUED && job->session == NULL &&
            job->body.job.kind == KS_KIND_CIRCUIT && job->body.job.sdk == sdk &&
            (next == NULL || job->order < next->order)) {
            next = job;
        }
    }
    return next;
}

enum ks_err ks_monitor_dispatch(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint64_t now_us = ks_clock_monotonic_us();

    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        struct ks_monitor_worker *worker = &monitor->workers[i];
        struct ks_monitor_job *job = worker->job;

        if (worker->channel.fd < 0 || worker->for_rounds) {
            continue;
        }
        if (job != NULL && now_us > job->deadline_us) {
            kill_worker(monitor, worker);
            job->deadline_us = UINT64_MAX; /* once */
        }
        if (job == NULL && (job = next_queued(monitor, worker->sdk)) != NULL) {
            /* One that died while it waited shows here; its job goes to the next. */
            err = sks_monitor_job_fail(monitor, worker, job);
            if (err == KS_ERR_IO) {
                job->state = KS_MJOB_QUEUED;
                ks_monitor_worker_end(monitor, worker);
                continue;
            }
            KS_TRY(err);
        }
    }
out:
    return err;
}

uint64_t ks_monitor_deadline_us(const struct ks_monitor *monitor)
{
    uint64_t deadline_us = 0;

    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        const struct ks_monitor_job *job = monitor->workers[i].job;

        if (job != NULL && job->deadline_us != UINT64_MAX &&
            (deadline_us == 0 || job->deadline_us < deadline_us)) {
            deadline_us = job->deadline_us;
        }
    }
    return deadline_us;
}

/* --- the core ----------------------------------------------------------------------------- */

static enum ks_err digest_program(const struct ks_job *job, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf program;

    ks_buf_init(&program, KS_JOB_BYTES_MAX);
    ks_job_program_write(job, &program);
    KS_TRY(ks_buf_check(&program));
    ks_sha256(ks_buf_view(&program), out_digest);
out:
    ks_buf_done(&program);
    return err;
}

void ks_monitor_core_fill(const struct ks_monitor *monitor, struct ks_monitor_job *job)
{
    struct ks_core *core = &job->core;
    const struct ks_submission *submission = &job->body.submission;

    ks_copy(core->record_id, job->id, sizeof core->record_id);
    core->origin = ks_bytes_text(monitor->site.origin);
    core->intent_index = job->intent_index;
    core->checkpoint_size = job->before.size;
    ks_copy(core->checkpoint_root, job->before.root, sizeof core->checkpoint_root);
    ks_copy(core->event_log, monitor->event_log_hash, sizeof core->event_log);
    core->simulated_tpm = monitor->site.simulated_tpm;
    core->device = ks_bytes_text(job->device);
    if (job->session != NULL) {
        return; /* an order is behind it */
    }
    core->key_id = submission->key_id;
    core->key_policy = monitor->key_policy;
    core->key_source = job->key_source;
    ks_copy(core->channel, job->channel, sizeof core->channel);
    core->counter = submission->counter;
    ks_copy(core->job, submission->job, sizeof core->job);
    ks_copy(core->submission, job->submission_hash, sizeof core->submission);
    ks_sha256(ks_buf_view(&job->body.signature), core->submission_signature);
}

enum ks_err ks_monitor_core_close(struct ks_monitor_job *job, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;

    ks_buf_clear(&job->core_bytes);
    ks_core_write(&job->core, &job->core_bytes);
    KS_TRY(ks_buf_check(&job->core_bytes));
    ks_sha256(ks_buf_view(&job->core_bytes), out_hash);
    ks_merkle_leaf(ks_bytes_of(out_hash, 32), job->leaf);
out:
    return err;
}

/* TEXT, at the end of what is kept for JOB. */
static struct ks_bytes keep_text(struct ks_monitor_job *job, struct ks_bytes text)
{
    const size_t begin = job->sdk_texts.len;

    ks_buf_put(&job->sdk_texts, text);
    return ks_bytes_of(job->sdk_texts.data + begin, job->sdk_texts.len - begin);
}

const uint8_t *ks_monitor_environment(const struct ks_monitor *monitor, enum ks_sdk sdk)
{
    char event[KS_EVENT_NAME_MAX + 1];

    (void)snprintf(event, sizeof event, KS_LAUNCH_ENVIRONMENT "%s", ks_sdk_name(sdk));
    return ks_event_log_find(&monitor->site.event_log, event);
}

/* What is said of another SDK, and what was measured of it. */
static enum ks_err fill_sdk(const struct ks_monitor *monitor, struct ks_monitor_job *job,
                            const struct ks_work_result *result)
{
    enum ks_err err = KS_OK;
    struct ks_core *core = &job->core;
    struct ks_sdk_run *run = &core->sdk_run;
    const uint8_t *environment = NULL;
    const uint8_t *adapter = NULL;

    core->sdk = job->body.job.sdk;
    if (core->sdk == KS_SDK_KETSEAL) {
        return KS_OK;
    }
    environment = ks_monitor_environment(monitor, core->sdk);
    adapter = ks_event_log_find(&monitor->site.event_log, KS_LAUNCH_ADAPTER);
    KS_CHECK(environment != NULL && adapter != NULL, KS_ERR_INTERNAL,
             "an adapter that was not launched has answered");
    /* All three at once: a view dies with the next put. */
    KS_CHECK(ks_buf_reserve(&job->sdk_texts, (size_t)3 * KS_WORK_NAME_MAX) != NULL,
             KS_ERR_NOMEM, "versions");
    run->version = keep_text(job, result->sdk_version);
    run->backend = keep_text(job, result->backend);
    run->backend_version = keep_text(job, result->backend_version);
    ks_copy(run->environment, environment, sizeof run->environment);
    ks_copy(run->transpiled, result->transpiled, sizeof run->transpiled);
    ks_copy(core->build, adapter, sizeof core->build);
out:
    return err;
}

/* What the worker says of the circuit and of itself: its word alone. */
static void trace_result(struct ks_monitor_job *job, const struct ks_work_result *result)
{
    struct ks_trace *trace = &job->trace;
    const struct ks_census *census = &result->census;

    ks_trace_set_u64(trace, KS_TRACE_QUBITS, result->qubits);
    ks_trace_set_u64(trace, KS_TRACE_CLBITS, result->clbits);
    ks_trace_set_u64(trace, KS_TRACE_DEPTH, result->depth);
    ks_trace_set_u64(trace, KS_TRACE_OPS, result->ops);
    ks_trace_set_u64(trace, KS_TRACE_GATES_1Q, census->gates_1q);
    ks_trace_set_u64(trace, KS_TRACE_GATES_2Q, census->gates_2q);
    ks_trace_set_u64(trace, KS_TRACE_GATES_MORE, census->gates_more);
    ks_trace_set_u64(trace, KS_TRACE_GATES_NONCLIFFORD, census->gates_nonclifford);
    ks_trace_set_u64(trace, KS_TRACE_MEASUREMENTS, census->measurements);
    if (job->body.job.sdk == KS_SDK_KETSEAL) { /* of others nobody here knows it */
        ks_trace_set_u64(trace, KS_TRACE_METHOD, result->facts.method);
    }
    ks_trace_set_u64(trace, KS_TRACE_PARSE_US, result->parse_us);
    ks_trace_set_u64(trace, KS_TRACE_SIMULATE_US, result->simulate_us);
    ks_trace_set_u64(trace, KS_TRACE_WORKER_CPU_US, result->cpu_us);
    ks_trace_set_u64(trace, KS_TRACE_WORKER_MEMORY_BYTES, result->memory_bytes);
    (void)!ks_trace_set_result(trace, result->counts); /* checked already; else without it */
}

/* Makes the core of what the worker answered. Its counts are canonical JSON or are refused: the
 * worker is as untrusted as the program that it ran. */
static enum ks_err make_core(struct ks_monitor *monitor, struct ks_monitor_job *job,
                             const struct ks_work_result *result)
{
    enum ks_err err = KS_OK;
    struct ks_core *core = &job->core;
    const struct ks_job *asked = &job->body.job;
    uint8_t hash[32];

    KS_TRY(ks_fail_prefix(ks_result_check(result->counts, result->clbits, asked->shots),
                          "worker"));
    KS_CHECK(asked->sdk != KS_SDK_KETSEAL || ks_text_is_name(result->kernels, KS_WORK_NAME_MAX),
             KS_ERR_FORMAT, "worker: the name of its kernels is none");
    ks_buf_put(&job->result, result->counts);
    ks_buf_put(&job->kernels, result->kernels);
    ks_buf_put(&job->reason, result->reason);
    ks_job_parameters_write(asked, &job->parameters);
    KS_TRY(ks_buf_check(&job->result));
    KS_TRY(ks_buf_check(&job->kernels));
    KS_TRY(ks_buf_check(&job->reason));
    KS_TRY(ks_buf_check(&job->parameters));
    *core = (struct ks_core){
        .schema = KS_RECORD_SCHEMA_CIRCUIT,
        .name = ks_job_name(asked),
        .parameters = ks_buf_view(&job->parameters),
        .qubits = result->qubits,
        .clbits = result->clbits,
        .seed = asked->seed,
        .shots = asked->shots,
        .single = asked->single,
        .noise = asked->noise,
        .isa = ks_buf_view(&job->kernels),
        .threads = result->threads,
        .numerics = result->numerics,
        .facts = result->facts,
        .method_reason = ks_buf_view(&job->reason),
        .bond_max = result->bond_max,
        .cutoff = result->cutoff,
        .result = ks_buf_view(&job->result),
        .started_us = job->started_us,
        .finished_us = ks_clock_us(),
    };
    core->created_us = core->finished_us;
    ks_copy(core->build, monitor->worker_digest, sizeof core->build);
    KS_TRY(fill_sdk(monitor, job, result));
    KS_TRY(ks_fail_prefix(ks_core_method_check(core, asked), "worker"));
    ks_sha256(result->circuit, core->circuit_hash);
    KS_TRY(digest_program(asked, core->source_digest));
    ks_monitor_core_fill(monitor, job);
    KS_TRY(ks_monitor_core_close(job, hash));
    trace_result(job, result);
    job->finished_us = ks_clock_monotonic_us();
    job->state = KS_MJOB_FINISHED;
out:
    return err;
}

/* A worker that ended without an answer. */
static enum ks_err death_of(const struct ks_monitor_job *job)
{
    if (job->cancelled) {
        return ks_fail(KS_ERR_CONFLICT, "cancelled while it ran");
    }
    if (job->deadline_us == UINT64_MAX) {
        return ks_fail(KS_ERR_LIMIT, "the job took longer than this site allows");
    }
    return ks_fail(KS_ERR_LIMIT,
                   "the worker died: over its memory or time, or it did what it may not");
}

enum ks_err ks_monitor_worker_readable(struct ks_monitor *monitor, size_t slot)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_worker *worker = &monitor->workers[slot];
    struct ks_monitor_job *job = worker->job;
    struct ks_frame frame = {0};
    struct ks_reader reader;
    struct ks_work_result result = {0};
    bool found = false;

    if (worker->for_rounds) {
        return ks_monitor_fl_worker(monitor, worker);
    }
    err = ks_channel_fill(&worker->channel, NULL);
    if (err == KS_OK) {
        err = ks_channel_next(&worker->channel, &frame, &found);
        if (err == KS_OK && !found) {
            return KS_OK;
        }
    } else if (job != NULL) {
        err = death_of(job);
    }
    if (job == NULL) {
        ks_monitor_worker_end(monitor, worker); /* it died, or spoke before it was asked */
        return KS_OK;
    }
    KS_TRY(err);
    KS_CHECK(frame.type == (KS_FRAME_JOB | KS_FRAME_ANSWER), KS_ERR_INTERNAL,
             "worker: frame type %u", frame.type);
    KS_TRY(ks_answer_open(&frame, &reader));
    KS_TRY(ks_work_result_read(&reader, &result));
    KS_TRY(make_core(monitor, job, &result));
out:
    if (err != KS_OK) {
        ks_monitor_job_fail(monitor, job, err);
    }
    ks_monitor_worker_end(monitor, worker);
    return KS_OK; /* the job's failure is answered; it is not ours */
}

/* --- quotes and records ------------------------------------------------------------------- */

#define LAUNCH_MASK (UINT32_C(1) << KS_LAUNCH_PCR)

/* What a quote over no record says. */
static void start_data(const struct ks_monitor *monitor, uint8_t out_extra[32])
{
    const struct ks_head *head = ks_head_log_last(monitor->heads);

    ks_quote_start_data(head->size, head->root, out_extra);
}

/* ATTEST and SIGNATURE, of now, are what the next jobs start from. */
static enum ks_err keep_quote(struct ks_monitor *monitor, struct ks_bytes attest,
                              struct ks_bytes signature)
{
    enum ks_err err = KS_OK;

    ks_buf_clear(&monitor->last_attest);
    ks_buf_clear(&monitor->last_signature);
    ks_buf_put(&monitor->last_attest, attest);
    ks_buf_put(&monitor->last_signature, signature);
    KS_TRY(ks_buf_check(&monitor->last_attest));
    KS_TRY(ks_buf_check(&monitor->last_signature));
    monitor->last_us = ks_clock_monotonic_us();
out:
    return err;
}

enum ks_err ks_monitor_quote_first(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint8_t extra[32];
    struct ks_buf attest;
    struct ks_buf signature;

    ks_buf_init(&attest, KS_ATTEST_MAX);
    ks_buf_init(&signature, KS_TPM_SIGNATURE_MAX);
    start_data(monitor, extra);
    KS_TRY(ks_tpm_quote(monitor->tpm, KS_BYTES(extra), LAUNCH_MASK, &attest, &signature));
    KS_TRY(keep_quote(monitor, ks_buf_view(&attest), ks_buf_view(&signature)));
out:
    ks_buf_done(&attest);
    ks_buf_done(&signature);
    return err;
}

enum ks_err ks_monitor_tpm_ready(struct ks_monitor *monitor)
{
    return monitor->quoting ? ks_monitor_quote_finish(monitor) : KS_OK;
}

/* When the window of what has finished is over: a full batch has none. 0: nothing has. */
static uint64_t window_end_us(const struct ks_monitor *monitor)
{
    uint64_t first_us = 0;
    size_t count = 0;

    for (size_t i = 0; i < monitor->jobs_used && count < KS_QUOTE_BATCH_MAX; i++) {
        const struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_FINISHED) {
            count++;
            first_us =
                first_us == 0 || job->finished_us < first_us ? job->finished_us : first_us;
        }
    }
    return count == 0 ? 0
                      : first_us + (count < KS_QUOTE_BATCH_MAX ? monitor->quote_window_us : 0);
}

uint64_t ks_monitor_quote_due_us(const struct ks_monitor *monitor)
{
    const uint64_t end_us = window_end_us(monitor);

    if (monitor->quoting) {
        return 0;
    }
    return end_us != 0 ? end_us : monitor->last_us + monitor->quote_refresh_us;
}

/* Nothing has finished: the TPM has time for what the next jobs start from. */
static enum ks_err refresh(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint8_t extra[32];

    start_data(monitor, extra);
    KS_TRY(ks_tpm_quote_start(monitor->tpm, KS_BYTES(extra), LAUNCH_MASK));
    monitor->quoting = true;
    monitor->quote_begin_us = ks_clock_monotonic_us();
out:
    return err;
}

enum ks_err ks_monitor_quote_start(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint8_t leaves[KS_QUOTE_BATCH_MAX][32];
    uint8_t root[32];
    uint8_t extra[32];
    size_t count = 0;

    if (monitor->quoting || ks_monitor_quote_due_us(monitor) > ks_clock_monotonic_us()) {
        return KS_OK;
    }
    for (size_t i = 0; i < monitor->jobs_used && count < KS_QUOTE_BATCH_MAX; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_FINISHED) {
            ks_copy(leaves[count], job->leaf, sizeof leaves[count]);
            monitor->batch[count++] = job;
        }
    }
    if (count == 0) {
        return refresh(monitor);
    }
    KS_TRY(ks_merkle_root_of(leaves[0], count, root));
    ks_quote_extra_data(count, root, extra);
    KS_TRY(ks_tpm_quote_start(monitor->tpm, KS_BYTES(extra), LAUNCH_MASK));
    monitor->quoting = true;
    for (size_t i = 0; i < count; i++) {
        monitor->batch[i]->state = KS_MJOB_QUOTED;
    }
    monitor->batch_count = count;
    monitor->quote_begin_us = ks_clock_monotonic_us();
out:
    return err;
}

/* Signs the record of batch member INDEX and answers RUN. */
static enum ks_err seal(struct ks_monitor *monitor, size_t index, const uint8_t *leaves,
                        struct ks_bytes attest, struct ks_bytes signature)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = monitor->batch[index];
    struct ks_buf *out = &monitor->daemon.out;
    struct ks_buf evidence_bytes;
    struct ks_buf record;
    struct ks_buf entry;
    struct ks_buf values;
    struct ks_evidence evidence = {
        .device_certificate = ks_buf_view(&job->certificate),
        .event_log = ks_buf_view(&monitor->event_log),
        .job = ks_buf_view(&job->body.job_bytes),
        .submission = ks_buf_view(&job->body.submission_bytes),
        .order = ks_buf_view(&job->order_body),
        .signature =
            ks_buf_view(job->session == NULL ? &job->body.signature : &job->order_signature),
        .quote = {.attest = attest,
                  .signature = signature,
                  .size = monitor->batch_count,
                  .index = index},
        .start = {.attest = ks_buf_view(&job->start_attest),
                  .signature = ks_buf_view(&job->start_signature)},
    };
    uint64_t begin_us = ks_clock_monotonic_us();
    size_t begin = 0;

    ks_buf_init(&evidence_bytes, KS_RECORD_BYTES_MAX);
    ks_buf_init(&record, KS_RECORD_BYTES_MAX);
    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    ks_buf_init(&values, KS_TRACE_BYTES_MAX);
    KS_TRY(ks_merkle_path(leaves, monitor->batch_count, index, &evidence.quote.path));
    ks_evidence_write(&evidence, &evidence_bytes);
    KS_TRY(ks_buf_check(&evidence_bytes));
    KS_TRY(ks_record_seal(&job->core, ks_buf_view(&job->core_bytes),
                          ks_buf_view(&evidence_bytes), monitor->keys.ed25519,
                          monitor->keys.mldsa65, &record, &entry));
    ks_trace_set_u64(&job->trace, KS_TRACE_SIGN_US, ks_clock_monotonic_us() - begin_us);
    ks_trace_put_values(&job->trace, &values);
    KS_TRY(ks_buf_check(&values));
    begin = ks_answer_begin(out, KS_FRAME_RUN, job->request);
    ks_buf_put_lp32(out, ks_buf_view(&record));
    ks_buf_put_lp16(out, ks_buf_view(&entry));
    ks_buf_put_lp16(out, ks_buf_view(&values));
    ks_frame_end(out, begin);
out:
    ks_buf_done(&evidence_bytes);
    ks_buf_done(&record);
    ks_buf_done(&entry);
    ks_buf_done(&values);
    return err;
}

/* Whether ATTEST is over the launch's PCR alone, with the value that the launch's event log
 * comes to. Nothing hangs on it here: the record carries both, and verifiers judge. */
static bool shows_launch(const struct ks_monitor *monitor, struct ks_bytes attest)
{
    uint8_t expected[1][KS_PCR_DIGEST_LEN];
    struct ks_quote_view view;

    ks_event_log_replay(&monitor->site.event_log, expected[0]);
    return ks_quote_parse(attest, &view) == KS_OK &&
           ks_quote_check_pcrs(&view, LAUNCH_MASK,
                               (const uint8_t(*)[KS_PCR_DIGEST_LEN])expected) == KS_OK;
}

/* What all records under a quote have in common. */
static void trace_batch(struct ks_monitor *monitor, struct ks_bytes attest)
{
    const uint64_t quote_us = ks_clock_monotonic_us() - monitor->quote_begin_us;
    const bool match = shows_launch(monitor, attest);

    for (size_t i = 0; i < monitor->batch_count; i++) {
        struct ks_trace *trace = &monitor->batch[i]->trace;

        ks_trace_set_u64(trace, KS_TRACE_QUOTE_US, quote_us);
        ks_trace_set_u64(trace, KS_TRACE_PCR_MATCH, match ? 1 : 0);
    }
}

enum ks_err ks_monitor_quote_finish(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint8_t leaves[KS_QUOTE_BATCH_MAX][32];
    struct ks_buf attest;
    struct ks_buf signature;
    enum ks_err quoted = KS_OK;

    ks_buf_init(&attest, KS_ATTEST_MAX);
    ks_buf_init(&signature, KS_TPM_SIGNATURE_MAX);
    quoted = ks_tpm_quote_finish(monitor->tpm, &attest, &signature);
    for (size_t i = 0; i < monitor->batch_count; i++) {
        ks_copy(leaves[i], monitor->batch[i]->leaf, sizeof leaves[i]);
    }
    trace_batch(monitor, ks_buf_view(&attest));
    for (size_t i = 0; i < monitor->batch_count; i++) {
        struct ks_monitor_job *job = monitor->batch[i];

        err = quoted != KS_OK
                  ? quoted
                  : seal(monitor, i, leaves[0], ks_buf_view(&attest), ks_buf_view(&signature));
        if (err != KS_OK) {
            ks_monitor_job_fail(monitor, job, err);
        } else {
            if (job->session != NULL) {
                ks_rounds_answered(job->session, job->round);
            }
            ks_monitor_job_free(monitor, job);
        }
    }
    monitor->batch_count = 0;
    monitor->quoting = false;
    if (quoted == KS_OK) {
        quoted = keep_quote(monitor, ks_buf_view(&attest), ks_buf_view(&signature));
    }
    ks_buf_done(&attest);
    ks_buf_done(&signature);
    return quoted; /* a TPM that no longer answers ends the enclave: nothing can be sealed
                      without it */
}
