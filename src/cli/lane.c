/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/lane.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/lab.h"
#include "cli/unsealed.h"
#include "crypto/yardstick.h"
#include "record/record.h"

#define TIMEOUT_MS 60000

static const struct suite {
    struct ks_lane_suite shown;
    const char *groups;
    enum ks_lab_suite lab;      /* not of a classical suite */
    enum ks_yardstick_alg keys; /* of a classical one */
    const char *sigalgs;        /* of a classical one */
} suites[] = {
#define SUITE(name, label, leaf, root, standard, group, lab)                                   \
    {                                                                                          \
        {name, label, leaf, root, false, standard}, group, KS_LAB_##lab, 0, NULL               \
    }
#define CLASSICAL(name, label, leaf, root, standard, keys, sigalgs)                            \
    {                                                                                          \
        {name, label, leaf, root, true, standard}, "X25519", 0, KS_YARDSTICK_##keys, sigalgs   \
    }
    SUITE("mlkem768+mldsa65", "ML-KEM, ML-DSA-65", "ML-DSA-65", "ML-DSA-87", true, "MLKEM768",
          ALL_MLDSA),
    SUITE("x25519mlkem768+mldsa65", "hybrid, ML-DSA-65", "ML-DSA-65", "ML-DSA-87", true,
          "X25519MLKEM768", ALL_MLDSA),
    SUITE("x25519mlkem768+mldsa44", "hybrid, ML-DSA-44", "ML-DSA-44", "ML-DSA-87", true,
          "X25519MLKEM768", MLDSA44),
    SUITE("x25519mlkem768+mldsa87", "hybrid, ML-DSA-87", "ML-DSA-87", "ML-DSA-87", true,
          "X25519MLKEM768", MLDSA87),
    SUITE("x25519mlkem768+mldsa65+slhdsa-root", "hybrid, SLH root", "ML-DSA-65",
          "SLH-DSA-SHA2-128s", true, "X25519MLKEM768", MLDSA65),
    SUITE("x25519mlkem768+slhdsa128f", "hybrid, SLH-128f", "SLH-128f", "SLH-DSA-SHA2-128s",
          true, "X25519MLKEM768", SLHDSA_128F),
    SUITE("x25519mlkem768+slhdsa128s", "hybrid, SLH-128s", "SLH-128s", "SLH-DSA-SHA2-128s",
          false, "X25519MLKEM768", SLHDSA_128S),
    SUITE("mlkem768+slhdsa128f", "ML-KEM, SLH-128f", "SLH-128f", "SLH-DSA-SHA2-128s", false,
          "MLKEM768", SLHDSA_128F),
    CLASSICAL("x25519+p256", "X25519, P-256", "P-256", "P-256", true, P256,
              "ecdsa_secp256r1_sha256"),
    CLASSICAL("x25519+ed25519", "X25519, Ed25519", "Ed25519", "Ed25519", false, ED25519,
              "ed25519"),
#undef SUITE
#undef CLASSICAL
};
#define SUITES (sizeof suites / sizeof suites[0])

const struct ks_lane_suite *ks_lane_suite_at(size_t index)
{
    return index < SUITES ? &suites[index].shown : NULL;
}

static const struct suite *suite_of(const char *name)
{
    for (size_t i = 0; i < SUITES; i++) {
        if (strcmp(name, suites[i].shown.name) == 0) {
            return &suites[i];
        }
    }
    return NULL;
}

enum ks_err ks_lane_suite_find(const char *name, const struct ks_lane_suite **out_suite)
{
    const struct suite *suite = suite_of(name);
    struct ks_buf known;
    char room[512];

    if (suite != NULL) {
        *out_suite = &suite->shown;
        return KS_OK;
    }
    known = (struct ks_buf){.data = (uint8_t *)room, .cap = sizeof room, .max = sizeof room};
    for (size_t i = 0; i < SUITES; i++) {
        ks_buf_put_format(&known, "%s%s", i > 0 ? ", " : "", suites[i].shown.name);
    }
    return ks_fail(KS_ERR_USAGE, "'%s' is no suite; there are %.*s", name, (int)known.len,
                   room);
}

const char *ks_lane_path_name(enum ks_lane_path path)
{
    static const char *const names[] = {"sealed", "unsealed"};

    KS_ASSERT((unsigned)path < KS_LANE_PATHS);
    return names[path];
}

const char *ks_lane_link_name(enum ks_lane_link link)
{
    static const char *const names[] = {"new", "kept"};

    KS_ASSERT((unsigned)link < KS_LANE_LINKS);
    return names[link];
}

/* --- one lane ----------------------------------------------------------------------------- */

struct ks_lane {
    const struct suite *suite;
    struct ks_lab *lab;       /* NULL: classical */
    struct ks_client *sealed; /* the kept connection's */
    struct ks_unsealed *unsealed;
    struct ks_tls *tls; /* of the unsealed backend's clients */
    struct ks_http_client *kept;
    char origin[64];
    struct ks_buf bundle;
};

/* All but the site. */
static void release(struct ks_lane *lane)
{
    ks_client_close(lane->sealed);
    ks_http_client_free(lane->kept);
    ks_tls_free(lane->tls);
    ks_unsealed_close(lane->unsealed);
    ks_buf_done(&lane->bundle);
    ks_free(lane);
}

static enum ks_err read_pem(const char *folder, const char *name, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(folder, name, path));
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, out));
out:
    return err;
}

/* Those of the lab's site and its device. */
static enum ks_err read_material(const struct ks_lab *lab, struct ks_yardstick *material)
{
    enum ks_err err = KS_OK;
    char server[KS_PATH_MAX];

    KS_TRY(ks_path_join(ks_lab_authority(lab), "server", server));
    ks_buf_init(&material->root, KS_CERT_PEM_MAX);
    ks_buf_init(&material->server, KS_CERT_PEM_MAX);
    ks_buf_init(&material->server_key, KS_CERT_PEM_MAX);
    ks_buf_init(&material->client, KS_CERT_PEM_MAX);
    ks_buf_init(&material->client_key, KS_CERT_PEM_MAX);
    KS_TRY(read_pem(server, "root.pem", &material->root));
    KS_TRY(read_pem(server, "server.pem", &material->server));
    KS_TRY(read_pem(server, "server.key", &material->server_key));
    KS_TRY(read_pem(ks_lab_device(lab, 0), "device.pem", &material->client));
    KS_TRY(read_pem(ks_lab_device(lab, 0), "device.key", &material->client_key));
out:
    return err;
}

static enum ks_err open_unsealed(struct ks_lane *lane, const struct ks_yardstick *material)
{
    enum ks_err err = KS_OK;
    const struct suite *suite = lane->suite;
    const bool classical = suite->shown.classical;
    struct ks_http_client_spec client = {.origin = lane->origin, .total_ms = TIMEOUT_MS};
    struct ks_tls_spec tls = {
        .side = KS_TLS_SERVER,
        .profile = classical ? KS_TLS_CLASSICAL : KS_TLS_POST_QUANTUM,
        .root_pem = ks_buf_view(&material->root),
        .cert_pem = ks_buf_view(&material->server),
        .key_pem = ks_buf_view(&material->server_key),
        .groups = suite->groups,
        .sigalgs = classical ? suite->sigalgs : ks_lab_suite_sigalg(suite->lab),
    };

    KS_TRY(ks_unsealed_open(&tls, &lane->unsealed));
    (void)snprintf(lane->origin, sizeof lane->origin, "https://127.0.0.1:%u",
                   (unsigned)ks_unsealed_port(lane->unsealed));
    tls.side = KS_TLS_CLIENT;
    tls.cert_pem = ks_buf_view(&material->client);
    tls.key_pem = ks_buf_view(&material->client_key);
    KS_TRY(ks_tls_new(&tls, &lane->tls));
    client.tls = lane->tls;
    KS_TRY(ks_http_client_new(&client, &lane->kept));
out:
    return err;
}

static enum ks_err open_sealed(const struct ks_lane_spec *spec, struct ks_lane *lane)
{
    enum ks_err err = KS_OK;
    const struct ks_lab_spec lab = {.version = 1,
                                    .directory = spec->directory,
                                    .libexec = spec->libexec,
                                    .suite = lane->suite->lab,
                                    .groups = lane->suite->groups,
                                    .workers = 2,
                                    .devices = 1};
    const struct ks_lab_client client = {.timeout_ms = TIMEOUT_MS};

    KS_TRY(ks_lab_start(&lab, &lane->lab));
    KS_TRY(ks_lab_client_open(lane->lab, &client, &lane->sealed));
out:
    return err;
}

/* Connections, keys, sessions: what only a first job needs. */
static enum ks_err warm_up(struct ks_lane *lane)
{
    enum ks_err err = KS_OK;
    struct ks_lane_job job = {
        .link = KS_LANE_KEPT, .template = "bell", .qubits = 2, .shots = 10, .seed = 1};
    struct ks_lane_time time;

    for (unsigned i = 0; i < KS_LANE_PATHS; i++) {
        job.path = (enum ks_lane_path)i;
        if (job.path != KS_LANE_SEALED || lane->lab != NULL) {
            KS_TRY(ks_lane_run(lane, &job, &time));
        }
    }
out:
    return err;
}

enum ks_err ks_lane_open(const struct ks_lane_spec *spec, struct ks_lane **out_lane)
{
    enum ks_err err = KS_OK;
    struct ks_lane *lane = ks_calloc(1, sizeof *lane);
    struct ks_yardstick material = {0};

    KS_CHECK(lane != NULL, KS_ERR_NOMEM, "lane");
    lane->suite = suite_of(spec->suite->name);
    ks_buf_init(&lane->bundle, KS_BUNDLE_BYTES_MAX);
    if (spec->suite->classical) {
        KS_TRY(ks_yardstick_make(lane->suite->keys, ks_clock_us() / 1000000, &material));
    } else {
        KS_TRY(open_sealed(spec, lane));
        KS_TRY(read_material(lane->lab, &material));
    }
    KS_TRY(open_unsealed(lane, &material));
    KS_TRY(warm_up(lane));
    *out_lane = lane;
    lane = NULL; /* transferred */
out:
    if (lane != NULL) {
        ks_lab_kill(lane->lab);
        release(lane);
    }
    ks_yardstick_done(&material);
    return ks_fail_prefix(err, "%s", spec->suite->name);
}

enum ks_err ks_lane_close(struct ks_lane *lane)
{
    struct ks_lab *lab = NULL;

    if (lane == NULL) {
        return KS_OK;
    }
    lab = lane->lab;
    release(lane);
    return ks_lab_stop(lab);
}

/* --- jobs --------------------------------------------------------------------------------- */

/* What the record says of its own run: the enclave's clock, under its signatures. */
static enum ks_err read_backend(struct ks_lane *lane, uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;

    KS_TRY(ks_bundle_parse(ks_buf_view(&lane->bundle), &bundle));
    KS_CHECK(bundle->core.finished_us >= bundle->core.started_us, KS_ERR_VERIFY,
             "a record of a run that ended before it began");
    *out_us = bundle->core.finished_us - bundle->core.started_us;
out:
    ks_bundle_free(bundle);
    return err;
}

static enum ks_err run_sealed(struct ks_lane *lane, const struct ks_lane_job *job,
                              struct ks_lane_time *time)
{
    enum ks_err err = KS_OK;
    const struct ks_lab_client spec = {.timeout_ms = TIMEOUT_MS};
    const struct ks_job_spec sealed = {.version = 1,
                                       .template = job->template,
                                       .qubits = job->qubits,
                                       .depth = job->depth,
                                       .template_seed = job->seed,
                                       .shots = job->shots,
                                       .seed = job->seed};
    struct ks_client *fresh = NULL;
    uint64_t begin_us = 0;

    if (job->link == KS_LANE_NEW) {
        KS_TRY(ks_lab_client_open(lane->lab, &spec, &fresh));
    }
    ks_buf_clear(&lane->bundle);
    begin_us = ks_clock_monotonic_us();
    KS_TRY(ks_client_run(fresh != NULL ? fresh : lane->sealed, &sealed, &lane->bundle));
    time->rtt_us = ks_clock_monotonic_us() - begin_us;
    KS_TRY(read_backend(lane, &time->backend_us));
out:
    ks_client_close(fresh);
    return err;
}

static enum ks_err run_unsealed(struct ks_lane *lane, const struct ks_lane_job *job,
                                struct ks_lane_time *time)
{
    enum ks_err err = KS_OK;
    const struct ks_http_client_spec spec = {
        .tls = lane->tls, .origin = lane->origin, .total_ms = TIMEOUT_MS};
    const struct ks_unsealed_job unsealed = {.template = job->template,
                                             .qubits = job->qubits,
                                             .depth = job->depth,
                                             .shots = job->shots,
                                             .seed = job->seed};
    struct ks_unsealed_answer answer;
    struct ks_http_client *fresh = NULL;
    uint64_t begin_us = 0;

    if (job->link == KS_LANE_NEW) {
        KS_TRY(ks_http_client_new(&spec, &fresh));
    }
    begin_us = ks_clock_monotonic_us();
    KS_TRY(ks_unsealed_call(fresh != NULL ? fresh : lane->kept, &unsealed, &answer));
    time->rtt_us = ks_clock_monotonic_us() - begin_us;
    time->backend_us = answer.backend_us;
    KS_CHECK(job->link != KS_LANE_NEW || (!answer.reused && !answer.resumed), KS_ERR_INTERNAL,
             "a new connection that is none");
out:
    ks_http_client_free(fresh);
    return err;
}

enum ks_err ks_lane_run(struct ks_lane *lane, const struct ks_lane_job *job,
                        struct ks_lane_time *out_time)
{
    enum ks_err err = KS_OK;
    struct ks_lane_time time = {0};

    KS_ASSERT(job->path == KS_LANE_UNSEALED || lane->lab != NULL);
    KS_TRY(ks_fail_prefix(job->path == KS_LANE_SEALED ? run_sealed(lane, job, &time)
                                                      : run_unsealed(lane, job, &time),
                          "%s, %s", lane->suite->shown.name, ks_lane_path_name(job->path)));
    *out_time = time;
out:
    return err;
}
