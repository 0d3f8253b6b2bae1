/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/tracer.h"

#include <stdio.h>
#include <string.h>

#include "attest/quote.h"
#include "base/sys.h"
#include "client/jobs.h"
#include "detect/outcome.h"
#include "detect/timing.h"
#include "ketseal/circuit.h"
#include "quantum/census.h"

_Static_assert(KS_TRACE_DEVICE_MAX == KS_DEVICE_ID_MAX, "each device can have traces");
_Static_assert((int)KS_KIND_CIRCUIT == KS_TRACE_CIRCUIT &&
                   (int)KS_KIND_UPDATE == KS_TRACE_UPDATE,
               "a kind of job is a workload of traces");
_Static_assert(KS_SERVER_TIMING_MAX == KS_HTTP_TIMING_MAX, "what is kept can be read");
_Static_assert(KS_TRACER_BITS_MAX <= KS_OUTCOME_CLBITS_MAX &&
                   KS_TRACER_BITS_MAX <= KS_PROBABILITIES_CLBITS_MAX,
               "a cheap circuit has a distribution");

void ks_tracer_begin(struct ks_tracer *tracer, const char *device, const char *job_id,
                     const struct ks_session_facts *facts)
{
    struct ks_trace_sink sink = tracer->sink;

    if (sink.take == NULL) {
        return;
    }
    *tracer = (struct ks_tracer){.sink = sink, .running = true, .calls_before = facts->calls};
    ks_trace_init(&tracer->trace);
    (void)snprintf(tracer->trace.device, sizeof tracer->trace.device, "%s", device);
    if (job_id != NULL && ks_text_is_uuid(ks_bytes_text(job_id))) {
        ks_copy(tracer->trace.job, job_id, KS_UUID_TEXT_LEN);
    }
    tracer->trace.started_us = ks_clock_us();
}

void ks_tracer_drop(struct ks_tracer *tracer)
{
    tracer->running = false;
}

void ks_tracer_workload(struct ks_tracer *tracer, enum ks_trace_workload workload)
{
    if (tracer->running) {
        ks_trace_set_u64(&tracer->trace, KS_TRACE_WORKLOAD, workload);
    }
}

static void set_update(struct ks_trace *trace, const struct ks_job_update *update)
{
    ks_trace_set_u64(trace, KS_TRACE_FL_ROUND, update->round);
    ks_trace_set_u64(trace, KS_TRACE_FL_SAMPLES, update->samples);
    ks_trace_set_u64(trace, KS_TRACE_FL_STEPS, update->steps);
    ks_trace_set(trace, KS_TRACE_FL_LOSS, update->loss);
    ks_trace_set_u64(trace, KS_TRACE_FL_BYTES, update->length);
}

static void set_asked(struct ks_tracer *tracer, const struct ks_job *job)
{
    struct ks_trace *trace = &tracer->trace;

    tracer->job = *job;
    ks_trace_set_u64(trace, KS_TRACE_WORKLOAD, job->kind);
    if (job->kind == KS_KIND_UPDATE) {
        set_update(trace, &job->update);
        return;
    }
    tracer->noisy = job->noise != NULL;
    tracer->job.noise = NULL;
    ks_trace_set_u64(trace, KS_TRACE_SHOTS, job->shots);
    ks_trace_set_u64(trace, KS_TRACE_PRECISION_BITS, job->single ? 32 : 64);
    ks_trace_set_u64(trace, KS_TRACE_NOISE, tracer->noisy ? 1 : 0);
    ks_trace_set_u64(trace, KS_TRACE_SDK, job->sdk);
    if (job->sdk == KS_SDK_KETSEAL) {
        ks_trace_set_u64(trace, KS_TRACE_METHOD, job->method);
    }
}

void ks_tracer_asked(struct ks_tracer *tracer, const struct ks_job *job)
{
    if (tracer->running) {
        set_asked(tracer, job);
        tracer->asked = true;
    }
}

void ks_tracer_local(struct ks_tracer *tracer, uint64_t local_us, uint64_t upload_us)
{
    if (tracer->running) {
        ks_trace_set_u64(&tracer->trace, KS_TRACE_FL_LOCAL_US, local_us);
        ks_trace_set_u64(&tracer->trace, KS_TRACE_FL_UPLOAD_US, upload_us);
    }
}

void ks_tracer_key(struct ks_tracer *tracer, enum ks_key_source source, uint64_t key_us)
{
    if (tracer->running) {
        ks_trace_set_u64(&tracer->trace, KS_TRACE_KEY_SOURCE, source);
        ks_trace_set_u64(&tracer->trace, KS_TRACE_KEY_LATENCY_US, key_us);
    }
}

/* --- the connection ----------------------------------------------------------------------- */

static void set_us(struct ks_trace *trace, enum ks_trace_field field, uint64_t us)
{
    if (us > 0) { /* 0: it did not come to that */
        ks_trace_set_u64(trace, field, us);
    }
}

void ks_tracer_exchange(struct ks_tracer *tracer, const struct ks_session_facts *facts)
{
    struct ks_trace *trace = &tracer->trace;

    if (!tracer->running) {
        return;
    }
    tracer->requests += facts->call.attempts > 1 ? facts->call.attempts : 1;
    set_us(trace, KS_TRACE_CONNECT_US, facts->connect_us);
    set_us(trace, KS_TRACE_HANDSHAKE_US, facts->handshake_us);
    set_us(trace, KS_TRACE_ROUND_TRIP_US, facts->round_trip_us);
    if (facts->call.encrypted) {
        ks_trace_set_u64(trace, KS_TRACE_TLS_GROUP, facts->call.group);
        ks_trace_set_u64(trace, KS_TRACE_TLS_RESUMED, facts->call.resumed ? 1 : 0);
    }
    ks_trace_set_u64(trace, KS_TRACE_BYTES_SENT, facts->call.bytes_sent);
    ks_trace_set_u64(trace, KS_TRACE_BYTES_RECEIVED, facts->call.bytes_received);
    ks_trace_set_u64(trace, KS_TRACE_RETRIES, tracer->requests - 1);
    if (facts->call.timing[0] != '\0') {
        /* The site's claim; one that nobody can read is none. */
        (void)!ks_server_timing_read(ks_bytes_text(facts->call.timing), trace);
    }
}

/* --- the circuit and its result ----------------------------------------------------------- */

static enum ks_err parse_circuit(const struct ks_job *job, struct ks_circuit **out_circuit)
{
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;
    char name[KS_WORKLOAD_NAME_MAX + 1] = {0};
    struct ks_template_spec spec = {
        .version = 1,
        .name = name,
        .qubits = job->qubits,
        .depth = job->depth,
        .seed = job->template_seed,
    };

    limits.ops_max = KS_TRACER_OPS_MAX;
    if (job->template.len == 0) {
        return ks_circuit_parse(&job->source, "program", &limits, out_circuit);
    }
    if (job->template.len > KS_WORKLOAD_NAME_MAX) {
        return ks_fail(KS_ERR_LIMIT, "the template's name is too long");
    }
    ks_copy(name, job->template.data, job->template.len);
    return ks_circuit_template(&spec, &limits, out_circuit);
}

static void set_circuit(struct ks_trace *trace, const struct ks_circuit *circuit,
                        const struct ks_census *census)
{
    ks_trace_set_u64(trace, KS_TRACE_QUBITS, ks_circuit_qubits(circuit));
    ks_trace_set_u64(trace, KS_TRACE_CLBITS, ks_circuit_clbits(circuit));
    ks_trace_set_u64(trace, KS_TRACE_DEPTH, ks_circuit_depth(circuit));
    ks_trace_set_u64(trace, KS_TRACE_OPS, ks_circuit_ops(circuit));
    ks_trace_set_u64(trace, KS_TRACE_GATES_1Q, census->gates_1q);
    ks_trace_set_u64(trace, KS_TRACE_GATES_2Q, census->gates_2q);
    ks_trace_set_u64(trace, KS_TRACE_GATES_MORE, census->gates_more);
    ks_trace_set_u64(trace, KS_TRACE_GATES_NONCLIFFORD, census->gates_nonclifford);
    ks_trace_set_u64(trace, KS_TRACE_MEASUREMENTS, census->measurements);
}

static bool is_cheap(const struct ks_circuit *circuit, const struct ks_census *census)
{
    const uint32_t qubits = ks_circuit_qubits(circuit);

    return qubits <= KS_TRACER_BITS_MAX && ks_circuit_clbits(circuit) <= KS_TRACER_BITS_MAX &&
           census->measures_last && ks_circuit_ops(circuit) << qubits <= KS_TRACER_WORK_MAX;
}

/* RESULT against what CIRCUIT gives. */
static void set_distance(struct ks_trace *trace, const struct ks_circuit *circuit,
                         struct ks_bytes result)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    const uint32_t clbits = ks_circuit_clbits(circuit);
    double *probabilities = ks_calloc((size_t)1 << clbits, sizeof *probabilities);

    if (probabilities != NULL && ks_probabilities(circuit, &spec, probabilities) == KS_OK) {
        (void)!ks_trace_set_distance(trace, result, probabilities, clbits);
    }
    ks_free(probabilities);
}

/* RESULT empty: there is none. */
static void set_program(struct ks_tracer *tracer, struct ks_bytes result)
{
    struct ks_circuit *circuit = NULL;
    struct ks_census census;

    if (tracer->job.kind == KS_KIND_CIRCUIT && parse_circuit(&tracer->job, &circuit) == KS_OK) {
        ks_census_take(circuit, &census);
        set_circuit(&tracer->trace, circuit, &census);
        if (result.len > 0 && !tracer->noisy && is_cheap(circuit, &census)) {
            set_distance(&tracer->trace, circuit, result);
        }
    }
    ks_circuit_free(circuit);
}

/* Whether the record's quote shows the launch that SITE, the pinned document, names. Whose
 * quote it is, ks_bundle_verify finds out. */
static bool shows_launch(const struct ks_bundle *bundle, const struct ks_site *site)
{
    uint8_t expected[1][KS_PCR_DIGEST_LEN];
    struct ks_quote_view view;

    ks_event_log_replay(&site->event_log, expected[0]);
    return ks_quote_parse(ks_buf_view(&bundle->attest), &view) == KS_OK &&
           ks_quote_check_pcrs(&view, UINT32_C(1) << KS_LAUNCH_PCR,
                               (const uint8_t(*)[KS_PCR_DIGEST_LEN])expected) == KS_OK;
}

static void set_norm(struct ks_trace *trace, struct ks_bytes result)
{
    struct ks_json_doc *doc = NULL;
    struct ks_update_result update;

    if (ks_update_result_read(result, &doc, &update) == KS_OK) {
        ks_trace_set(trace, KS_TRACE_FL_NORM, update.norm);
    }
    ks_json_doc_free(doc);
}

static void set_circuit_run(struct ks_tracer *tracer, const struct ks_bundle *bundle)
{
    if (bundle->core.sdk == KS_SDK_KETSEAL) {
        ks_trace_set_u64(&tracer->trace, KS_TRACE_METHOD, bundle->core.facts.method);
    }
    (void)!ks_trace_set_result(&tracer->trace, bundle->core.result);
    set_program(tracer, bundle->core.result);
}

void ks_tracer_bundle(struct ks_tracer *tracer, struct ks_bytes bytes,
                      const struct ks_site *site)
{
    struct ks_bundle *bundle = NULL;
    struct ks_trace *trace = &tracer->trace;

    if (!tracer->running || ks_bundle_parse(bytes, &bundle) != KS_OK) {
        return;
    }
    if (bundle->core.kind == KS_KIND_ROUND) { /* it is nobody's execution */
        ks_bundle_free(bundle);
        return;
    }
    ks_copy(trace->job, bundle->core.record_id, sizeof trace->job);
    if (!tracer->asked) { /* fetched: the record says what was asked for */
        set_asked(tracer, &bundle->job);
        ks_trace_set_u64(trace, KS_TRACE_KEY_SOURCE, bundle->core.key_source);
    }
    ks_trace_set_u64(trace, KS_TRACE_PCR_MATCH, shows_launch(bundle, site) ? 1 : 0);
    if (bundle->core.kind == KS_KIND_UPDATE) {
        set_norm(trace, bundle->core.result);
    } else {
        set_circuit_run(tracer, bundle);
    }
    ks_bundle_free(bundle);
    tracer->job = (struct ks_job){0}; /* its views may have been the bundle's */
}

void ks_tracer_state(struct ks_tracer *tracer, struct ks_bytes state)
{
    struct ks_job_status status;

    if (tracer->running && ks_job_status_read(&state, &status) == KS_OK) {
        ks_copy(tracer->trace.job, status.id, sizeof tracer->trace.job);
        set_program(tracer, (struct ks_bytes){0});
    }
}

/* --- the end ------------------------------------------------------------------------------ */

enum ks_err ks_tracer_end(struct ks_tracer *tracer, enum ks_err err,
                          const struct ks_session_facts *facts)
{
    struct ks_trace *trace = &tracer->trace;
    char detail[KS_ERR_DETAIL_MAX];

    if (!tracer->running || facts->calls == tracer->calls_before) {
        tracer->running = false;
        return err;
    }
    (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
    if (tracer->requests == 0) { /* it did not come to the request itself */
        ks_tracer_exchange(tracer, facts);
    }
    if (err != KS_OK && tracer->asked) {
        set_program(tracer, (struct ks_bytes){0});
    }
    ks_trace_set_u64(trace, KS_TRACE_ERROR, (uint64_t)err);
    tracer->running = false;
    if (ks_trace_check(trace) == KS_OK) {
        tracer->sink.take(tracer->sink.context, trace);
    }
    tracer->job = (struct ks_job){0}; /* its views end here */
    return err == KS_OK ? KS_OK : ks_fail(err, "%s", detail);
}

/* --- rows for programs of others ---------------------------------------------------------- */

void ks_trace_csv_header(struct ks_buf *out)
{
    ks_trace_put_csv_header(false, out);
}

void ks_trace_csv_row(const struct ks_trace *trace, struct ks_buf *out)
{
    ks_trace_put_csv_row(trace, NULL, out);
}

enum ks_err ks_trace_number(const struct ks_trace *trace, const char *name, double *out_value)
{
    enum ks_err err = KS_OK;
    enum ks_trace_field field = KS_TRACE_COLUMNS;

    KS_TRY(ks_trace_find(ks_bytes_text(name), &field));
    KS_CHECK(ks_trace_has(trace, field), KS_ERR_NOT_FOUND, "the trace has no %s", name);
    *out_value = trace->values[field];
out:
    return err;
}
