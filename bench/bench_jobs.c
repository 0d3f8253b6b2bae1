/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_jobs: small sealed jobs on loopback, beside the same job unsealed, in one run.
 *
 *   bench_jobs DEVICE_DIR SITE_LOG CONNECTIONS SECONDS
 *
 * The site must run already (bench/jobs.sh starts one); DEVICE_DIR is a device's directory with
 * url. The unsealed server runs here: the same TLS, the same simulator on a thread, nothing
 * signed, stored or quoted. Prints JSON lines; never fails on time. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "base/text.h"
#include "ketseal/circuit.h"
#include "ketseal/client.h"
#include "net/http_client.h"
#include "net/http_server.h"

#define CONNECTIONS_MAX 64
#define SAMPLES_MAX     200000
#define FILE_MAX        65536

static const char bell[] =
    "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[2];\ncreg c[2];\nh q[0];\n"
    "cx q[0],q[1];\nmeasure q -> c;\n";

struct lane {
    const char *directory;
    char url[256];
    unsigned number;
    uint64_t end_us; /* monotonic */
    bool sealed;
    struct ks_tls *tls; /* unsealed */
    size_t count;
    uint32_t *latency_us; /* SAMPLES_MAX */
    uint64_t bytes;
    enum ks_err err;
    char detail[256];
};

static void path_of(char target[4096], const char *directory, const char *name)
{
    (void)snprintf(target, 4096, "%s/%s", directory, name);
}

static enum ks_err open_client(const struct lane *lane, struct ks_client **out_client)
{
    char paths[5][4096];
    char state[64];
    const struct ks_client_spec spec = {
        .version = 1,
        .url = lane->url,
        .root = paths[0],
        .certificate = paths[1],
        .key = paths[2],
        .site = paths[3],
        .state = paths[4],
    };

    path_of(paths[0], lane->directory, "root.pem");
    path_of(paths[1], lane->directory, "device.pem");
    path_of(paths[2], lane->directory, "device.key");
    path_of(paths[3], lane->directory, "site.json");
    (void)snprintf(state, sizeof state, "bench-%u", lane->number);
    path_of(paths[4], lane->directory, state);
    return ks_client_open(&spec, out_client);
}

static void sample(struct lane *lane, uint64_t begin_us, size_t bytes)
{
    lane->latency_us[lane->count++] = (uint32_t)(ks_clock_monotonic_us() - begin_us);
    lane->bytes += bytes;
}

static enum ks_err run_sealed(struct lane *lane)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_buf bundle;
    struct ks_job_spec job = {.version = 1,
                              .qasm = bell,
                              .qasm_len = sizeof bell - 1,
                              .shots = 100,
                              .seed = lane->number};

    ks_buf_init(&bundle, 64 * 1024 * 1024);
    KS_TRY(open_client(lane, &client));
    KS_TRY(ks_client_run(client, &job, &bundle)); /* connection, keys: not counted */
    while (ks_clock_monotonic_us() < lane->end_us && lane->count < SAMPLES_MAX) {
        uint64_t begin_us = ks_clock_monotonic_us();

        ks_buf_clear(&bundle);
        job.seed++;
        KS_TRY(ks_client_run(client, &job, &bundle));
        sample(lane, begin_us, bundle.len);
    }
out:
    ks_client_close(client);
    ks_buf_done(&bundle);
    return err;
}

static enum ks_err run_unsealed(struct lane *lane)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = NULL;
    const struct ks_http_client_spec spec = {.tls = lane->tls, .origin = lane->url};
    const struct ks_http_call call = {.method = "POST",
                                      .target = "/unsealed",
                                      .content_type = "text/plain",
                                      .body = ks_bytes_text(bell)};

    KS_TRY(ks_http_client_new(&spec, &client));
    while (ks_clock_monotonic_us() < lane->end_us && lane->count < SAMPLES_MAX) {
        struct ks_http_answer answer = {0};
        uint64_t begin_us = ks_clock_monotonic_us();

        KS_TRY(ks_http_client_call(client, &call, &answer));
        KS_CHECK(answer.status == 200, KS_ERR_IO, "unsealed: %d", answer.status);
        sample(lane, begin_us, answer.body.len);
        ks_http_answer_done(&answer);
    }
out:
    ks_http_client_free(client);
    return err;
}

static void *run_lane(void *context)
{
    struct lane *lane = context;

    lane->err = lane->sealed ? run_sealed(lane) : run_unsealed(lane);
    if (lane->err != KS_OK) {
        (void)snprintf(lane->detail, sizeof lane->detail, "%s", ks_err_detail());
    }
    return NULL;
}

/* --- the unsealed server ------------------------------------------------------------------ */

static void serve_unsealed(void *context, struct ks_http_request *request)
{
    enum ks_err err = KS_OK;
    struct ks_bytes source = ks_http_request_body(request);
    struct ks_circuit *circuit = NULL;
    struct ks_counts *counts = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_buf body;
    struct ks_http_response response = {.status = 200, .content_type = "text/plain"};

    (void)context;
    ks_buf_init(&body, 65536);
    spec.shots = 100;
    KS_TRY(ks_circuit_parse(&source, "program", NULL, &circuit));
    KS_TRY(ks_simulate(circuit, &spec, &counts));
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_buf_put_format(&body, "%s %llu\n", ks_counts_outcome(counts, i),
                          (unsigned long long)ks_counts_count(counts, i));
    }
    response.body = ks_buf_view(&body);
    ks_http_reply(request, &response);
out:
    if (err != KS_OK) {
        ks_http_reply_error(request, err, ks_err_detail());
    }
    ks_counts_free(counts);
    ks_circuit_free(circuit);
    ks_buf_done(&body);
}

static enum ks_err read_pem(const char *directory, const char *name, struct ks_buf *out)
{
    char path[4096];

    ks_buf_init(out, FILE_MAX);
    path_of(path, directory, name);
    return ks_file_read(path, FILE_MAX, out);
}

static enum ks_err make_tls(const char *directory, enum ks_tls_side side,
                            struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_buf cert;
    struct ks_buf key;
    struct ks_tls_spec spec = {.side = side};
    bool server = side == KS_TLS_SERVER;

    KS_TRY(read_pem(directory, "root.pem", &root));
    KS_TRY(read_pem(directory, server ? "server.pem" : "device.pem", &cert));
    KS_TRY(read_pem(directory, server ? "server.key" : "device.key", &key));
    spec.root_pem = ks_buf_view(&root);
    spec.cert_pem = ks_buf_view(&cert);
    spec.key_pem = ks_buf_view(&key);
    KS_TRY(ks_tls_new(&spec, out_tls));
    ks_buf_done(&root);
    ks_buf_done(&cert);
    ks_buf_wipe(&key);
out:
    return err;
}

/* --- measuring ---------------------------------------------------------------------------- */

static int ascending(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return a < b ? -1 : a > b;
}

/* Processor time of this process, which for unsealed jobs holds the server too. */
static uint64_t cpu_us(void)
{
    struct rusage usage;

    KS_ASSERT(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static enum ks_err measure(struct lane *lanes, unsigned count, uint64_t seconds,
                           const char *what)
{
    enum ks_err err = KS_OK;
    pthread_t threads[CONNECTIONS_MAX];
    uint32_t *all = ks_calloc((size_t)count * SAMPLES_MAX, sizeof *all);
    uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t bytes = 0;
    const uint64_t cpu_begin_us = cpu_us();
    double elapsed_s = 0;
    size_t total = 0;

    KS_CHECK(all != NULL, KS_ERR_NOMEM, "samples");
    for (unsigned i = 0; i < count; i++) {
        lanes[i].end_us = begin_us + seconds * 1000000;
        lanes[i].count = 0;
        lanes[i].bytes = 0;
        KS_CHECK(pthread_create(&threads[i], NULL, run_lane, &lanes[i]) == 0, KS_ERR_IO,
                 "thread");
    }
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    elapsed_s = (double)(ks_clock_monotonic_us() - begin_us) / 1e6;
    for (unsigned i = 0; i < count; i++) {
        KS_CHECK(lanes[i].err == KS_OK, lanes[i].err, "%s", lanes[i].detail);
        ks_copy(all + total, lanes[i].latency_us, lanes[i].count * sizeof *all);
        total += lanes[i].count;
        bytes += lanes[i].bytes;
    }
    KS_CHECK(total > 0, KS_ERR_IO, "%s: no job ended in time", what);
    qsort(all, total, sizeof *all, ascending);
    (void)printf("{\"bench\":\"jobs\",\"what\":\"%s\",\"connections\":%u,\"jobs\":%zu,\"jobs_"
                 "per_s\":%.1f,"
                 "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"bytes_per_job\":%llu,"
                 "\"client_cpu_us_per_job\":%llu}\n",
                 what, count, total, (double)total / elapsed_s, all[total / 2] / 1e3,
                 all[total * 99 / 100] / 1e3, all[total - 1] / 1e3,
                 (unsigned long long)(bytes / total),
                 (unsigned long long)((cpu_us() - cpu_begin_us) / total));
    (void)fflush(stdout);
out:
    ks_free(all);
    return err;
}

static enum ks_err bench_unsealed(struct lane *lanes, unsigned count, uint64_t seconds,
                                  const char *server_dir)
{
    enum ks_err err = KS_OK;
    struct ks_tls *server_tls = NULL;
    struct ks_tls *client_tls = NULL;
    struct ks_http_server *server = NULL;
    struct ks_http_server_spec spec = {
        .address = "127.0.0.1", .loops = 1, .handler = serve_unsealed};

    KS_TRY(make_tls(server_dir, KS_TLS_SERVER, &server_tls));
    KS_TRY(make_tls(lanes[0].directory, KS_TLS_CLIENT, &client_tls));
    spec.tls = server_tls;
    KS_TRY(ks_http_server_open(&spec, &server));
    KS_TRY(ks_http_server_start(server));
    for (unsigned i = 0; i < count; i++) {
        lanes[i].sealed = false;
        lanes[i].tls = client_tls;
        (void)snprintf(lanes[i].url, sizeof lanes[i].url, "https://127.0.0.1:%u",
                       (unsigned)ks_http_server_port(server));
    }
    KS_TRY(measure(lanes, count, seconds, "unsealed"));
    KS_TRY(ks_http_server_stop(server, 1000));
out:
    ks_http_server_free(server);
    ks_tls_free(server_tls);
    ks_tls_free(client_tls);
    return err;
}

static enum ks_err bench(const char *device_dir, const char *server_dir, unsigned count,
                         uint64_t seconds)
{
    enum ks_err err = KS_OK;
    struct lane *lanes = ks_calloc(count, sizeof *lanes);
    struct ks_buf url;

    KS_CHECK(lanes != NULL, KS_ERR_NOMEM, "lanes");
    KS_TRY(read_pem(device_dir, "url", &url));
    for (unsigned i = 0; i < count; i++) {
        lanes[i] = (struct lane){.directory = device_dir, .number = i, .sealed = true};
        (void)snprintf(lanes[i].url, sizeof lanes[i].url, "%.*s", (int)url.len,
                       (const char *)url.data);
        lanes[i].url[strcspn(lanes[i].url, "\n")] = '\0';
        lanes[i].latency_us = ks_calloc(SAMPLES_MAX, sizeof *lanes[i].latency_us);
        KS_CHECK(lanes[i].latency_us != NULL, KS_ERR_NOMEM, "samples");
    }
    KS_TRY(measure(lanes, 1, seconds, "sealed"));
    KS_TRY(measure(lanes, count, seconds, "sealed"));
    KS_TRY(bench_unsealed(lanes, count, seconds, server_dir));
out:
    for (unsigned i = 0; lanes != NULL && i < count; i++) {
        ks_free(lanes[i].latency_us);
    }
    ks_free(lanes);
    ks_buf_done(&url);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    uint64_t count = 0;
    uint64_t seconds = 0;

    KS_CHECK(argc == 5, KS_ERR_USAGE,
             "usage: bench_jobs DEVICE_DIR SERVER_DIR CONNECTIONS SECONDS");
    KS_TRY(ks_text_u64(ks_bytes_text(argv[3]), CONNECTIONS_MAX, &count));
    KS_TRY(ks_text_u64(ks_bytes_text(argv[4]), 3600, &seconds));
    KS_CHECK(count >= 1 && seconds >= 1, KS_ERR_USAGE,
             "at least one connection and one second");
    KS_TRY(bench(argv[1], argv[2], (unsigned)count, seconds));
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_jobs: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
