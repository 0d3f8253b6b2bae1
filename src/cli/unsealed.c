/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/unsealed.h"

#include "base/json.h"
#include "base/sys.h"
#include "ketseal/circuit.h"
#include "net/http_server.h"

#define JOB_SCHEMA    "ketseal.unsealed-job/1"
#define ANSWER_SCHEMA "ketseal.unsealed/1"
#define JOB_MAX       4096
#define ANSWER_MAX    ((size_t)8 << 20)
#define TEMPLATE_MAX  64
#define QUBITS_MAX    30
#define DEPTH_MAX     1000000
#define STOP_MS       5000

struct ks_unsealed {
    struct ks_tls *tls;
    struct ks_http_server *server;
    bool started;
};

/* --- the backend -------------------------------------------------------------------------- */

struct job {
    char template[TEMPLATE_MAX + 1];
    uint64_t qubits;
    uint64_t depth;
    uint64_t shots;
    uint64_t seed;
};

static enum ks_err read_job(struct ks_bytes body, struct job *out_job)
{
    static const struct ks_json_limits limits = {.len_max = JOB_MAX, .nodes_max = 16};
    static const char *const names[] = {"depth", "qubits",   "schema", "seed",
                                        "shots", "template", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    struct ks_bytes text = {0};
    struct job job = {{0}};

    KS_TRY(ks_json_parse(body, &limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, JOB_SCHEMA), KS_ERR_FORMAT, "'schema': expected " JOB_SCHEMA);
    KS_TRY(ks_json_get_string(root, "template", &text));
    KS_CHECK(text.len >= 1 && text.len <= TEMPLATE_MAX, KS_ERR_FORMAT,
             "'template': 1 to %d characters", TEMPLATE_MAX);
    ks_copy(job.template, text.data, text.len);
    KS_TRY(ks_json_get_u64(root, "qubits", QUBITS_MAX, &job.qubits));
    KS_TRY(ks_json_get_u64(root, "depth", DEPTH_MAX, &job.depth));
    KS_TRY(ks_json_get_u64(root, "shots", KS_SHOTS_MAX, &job.shots));
    KS_TRY(ks_json_get_u64(root, "seed", KS_JSON_INTEGER_MAX, &job.seed));
    *out_job = job;
out:
    ks_json_doc_free(doc);
    return err;
}

static enum ks_err run(const struct job *job, struct ks_counts **out_counts)
{
    enum ks_err err = KS_OK;
    const struct ks_template_spec spec = {.version = 1,
                                          .name = job->template,
                                          .qubits = (uint32_t)job->qubits,
                                          .depth = (uint32_t)job->depth,
                                          .seed = job->seed};
    struct ks_simulate_spec simulate = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;

    simulate.shots = job->shots;
    simulate.seed = job->seed;
    KS_TRY(ks_circuit_template(&spec, NULL, &circuit));
    KS_TRY(ks_simulate(circuit, &simulate, out_counts));
out:
    ks_circuit_free(circuit);
    return err;
}

static void put_answer(const struct ks_counts *counts, uint64_t backend_us, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "backend_us", backend_us);
    ks_json_put_key(&writer, "counts");
    ks_json_put_object(&writer);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_json_member_u64(&writer, ks_counts_outcome(counts, i), ks_counts_count(counts, i));
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", ANSWER_SCHEMA);
    ks_json_put_end(&writer);
}

/* Blocks its loop, which a handler of a site must not: here nobody else waits for it. */
static void serve(void *context, struct ks_http_request *request)
{
    enum ks_err err = KS_OK;
    const struct ks_http_head *head = ks_http_request_head(request);
    uint64_t begin_us = ks_clock_monotonic_us();
    struct ks_http_response response = {.status = 200, .content_type = "application/json"};
    struct ks_counts *counts = NULL;
    struct ks_buf body;
    struct job job;

    (void)context;
    ks_buf_init(&body, ANSWER_MAX);
    KS_CHECK(ks_bytes_is(head->method, "POST") && ks_bytes_is(head->path, "/qjob"),
             KS_ERR_NOT_FOUND, "there is nothing but POST /qjob");
    KS_TRY(read_job(ks_http_request_body(request), &job));
    KS_TRY(run(&job, &counts));
    put_answer(counts, ks_clock_monotonic_us() - begin_us, &body);
    KS_TRY(ks_buf_check(&body));
    response.body = ks_buf_view(&body);
    ks_http_reply(request, &response);
out:
    if (err != KS_OK) {
        ks_http_reply_error(request, err, ks_err_detail());
    }
    ks_counts_free(counts);
    ks_buf_done(&body);
}

enum ks_err ks_unsealed_open(const struct ks_tls_spec *tls, struct ks_unsealed **out_unsealed)
{
    enum ks_err err = KS_OK;
    struct ks_unsealed *unsealed = ks_calloc(1, sizeof *unsealed);
    struct ks_http_server_spec server = {.address = "127.0.0.1",
                                         .loops = 1,
                                         .classical = tls->profile == KS_TLS_CLASSICAL,
                                         .handler = serve};

    KS_CHECK(unsealed != NULL, KS_ERR_NOMEM, "unsealed backend");
    KS_TRY(ks_tls_new(tls, &unsealed->tls));
    server.tls = unsealed->tls;
    KS_TRY(ks_http_server_open(&server, &unsealed->server));
    KS_TRY(ks_http_server_start(unsealed->server));
    unsealed->started = true;
    *out_unsealed = unsealed;
    unsealed = NULL; /* transferred */
out:
    ks_unsealed_close(unsealed);
    return err;
}

uint16_t ks_unsealed_port(const struct ks_unsealed *unsealed)
{
    return ks_http_server_port(unsealed->server);
}

void ks_unsealed_close(struct ks_unsealed *unsealed)
{
    if (unsealed == NULL) {
        return;
    }
    /* Its requests end with their handler, which does not wait for anybody. */
    while (unsealed->started && ks_http_server_stop(unsealed->server, STOP_MS) != KS_OK) {
    }
    ks_http_server_free(unsealed->server);
    ks_tls_free(unsealed->tls);
    ks_free(unsealed);
}

/* --- its client --------------------------------------------------------------------------- */

static void put_job(const struct ks_unsealed_job *job, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "depth", job->depth);
    ks_json_member_u64(&writer, "qubits", job->qubits);
    ks_json_member_text(&writer, "schema", JOB_SCHEMA);
    ks_json_member_u64(&writer, "seed", job->seed);
    ks_json_member_u64(&writer, "shots", job->shots);
    ks_json_member_text(&writer, "template", job->template);
    ks_json_put_end(&writer);
}

static enum ks_err read_answer(struct ks_bytes body, struct ks_unsealed_answer *answer)
{
    static const struct ks_json_limits limits = {.len_max = ANSWER_MAX,
                                                 .nodes_max = (size_t)1 << 20};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *counts = NULL;

    KS_TRY(ks_json_parse(body, &limits, &doc));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "backend_us", KS_JSON_INTEGER_MAX,
                           &answer->backend_us));
    KS_TRY(ks_json_get(ks_json_root(doc), "counts", KS_JSON_OBJECT, &counts));
    for (size_t i = 0; i < ks_json_count(counts); i++) {
        uint64_t count = 0;

        KS_TRY(ks_json_u64(ks_json_at(counts, i), KS_SHOTS_MAX, &count));
        answer->shots += count;
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "unsealed backend");
}

enum ks_err ks_unsealed_call(struct ks_http_client *client, const struct ks_unsealed_job *job,
                             struct ks_unsealed_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_http_call call = {
        .method = "POST", .target = "/qjob", .content_type = "application/json"};
    struct ks_http_answer http = {0};
    struct ks_unsealed_answer answer = {0};
    struct ks_buf body;

    ks_buf_init(&body, JOB_MAX);
    put_job(job, &body);
    KS_TRY(ks_buf_check(&body));
    call.body = ks_buf_view(&body);
    KS_TRY(ks_http_client_call(client, &call, &http));
    KS_CHECK(http.status == 200, KS_ERR_IO, "unsealed backend: status %d: %.*s", http.status,
             (int)(http.body.len < 200 ? http.body.len : 200), (const char *)http.body.data);
    KS_TRY(read_answer(ks_buf_view(&http.body), &answer));
    KS_CHECK(answer.shots == job->shots, KS_ERR_VERIFY, "unsealed backend: %llu shots of %llu",
             (unsigned long long)answer.shots, (unsigned long long)job->shots);
    answer.reused = http.reused;
    answer.resumed = http.resumed;
    *out_answer = answer;
out:
    ks_http_answer_done(&http);
    ks_buf_done(&body);
    return err;
}
