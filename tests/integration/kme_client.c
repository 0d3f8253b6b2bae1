/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kme_client: an SAE for tests of ketseal-kme.
 *
 *   kme_client DIRECTORY PORT METHOD TARGET [BODY]
 *
 * DIRECTORY is what `ketseal ca issue device` made. Prints the status and, on the next line,
 * the body.
 *
 *   kme_client load MASTER PORT SLAVE PORT THREADS REQUESTS NUMBER [QUIET]
 *
 * Each of THREADS draws keys from the one manager, NUMBER at a time, fetches the same from the
 * other one and compares. Then: each key once, each id once. Prints one JSON line. An SAE's id
 * is its directory's name. With QUIET requests that fail are counted, not fatal: managers are
 * being killed. Ends with 1 when a key was handed out twice, or differs between the ends.
 *
 * With KME_CLASSICAL in the environment, by the classical profile: for managers of others. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "net/http_client.h"
#include "qkd/etsi014.h"

#define THREADS_MAX  64
#define REQUESTS_MAX 1000000
#define SIZE         256
#define FAILED_MAX   3

static void die(const char *what)
{
    (void)fprintf(stderr, "kme_client: %s: %s\n", what, ks_err_detail());
    _Exit(2);
}

static void read_pem(const char *directory, const char *name, struct ks_buf *out)
{
    char path[KS_PATH_MAX];

    ks_buf_init(out, 65536);
    if (ks_path_join(directory, name, path) != KS_OK ||
        ks_file_read(path, 65536, out) != KS_OK) {
        die(name);
    }
}

static struct ks_tls *tls_of(const char *directory)
{
    struct ks_buf root, cert, key;
    struct ks_tls *tls = NULL;
    struct ks_tls_spec spec = {.side = KS_TLS_CLIENT};

    read_pem(directory, "root.pem", &root);
    read_pem(directory, "device.pem", &cert);
    read_pem(directory, "device.key", &key);
    spec.profile = getenv("KME_CLASSICAL") != NULL ? KS_TLS_CLASSICAL : KS_TLS_POST_QUANTUM;
    spec.root_pem = ks_buf_view(&root);
    spec.cert_pem = ks_buf_view(&cert);
    spec.key_pem = ks_buf_view(&key);
    if (ks_tls_new(&spec, &tls) != KS_OK) {
        die("TLS");
    }
    ks_buf_done(&root);
    ks_buf_done(&cert);
    ks_buf_wipe(&key);
    return tls;
}

static struct ks_http_client *client_of(struct ks_tls *tls, const char *port)
{
    char origin[64];
    struct ks_http_client *client = NULL;
    const struct ks_http_client_spec spec = {.tls = tls, .origin = origin, .total_ms = 30000};

    (void)snprintf(origin, sizeof origin, "https://127.0.0.1:%s", port);
    if (ks_http_client_new(&spec, &client) != KS_OK) {
        die("client");
    }
    return client;
}

static int one(char **argv, int argc)
{
    struct ks_tls *tls = tls_of(argv[1]);
    struct ks_http_client *client = client_of(tls, argv[2]);
    struct ks_http_answer answer = {0};
    const bool body = argc > 5;
    const struct ks_http_call call = {
        .method = argv[3],
        .target = argv[4],
        .content_type = body ? "application/json" : NULL,
        .body = body ? ks_bytes_text(argv[5]) : (struct ks_bytes){0},
    };

    if (ks_http_client_call(client, &call, &answer) != KS_OK) {
        die("call");
    }
    (void)printf("%d\n%.*s\n", answer.status, (int)answer.body.len,
                 (const char *)answer.body.data);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);
    ks_tls_free(tls);
    return 0;
}

/* --- load --------------------------------------------------------------------------------- */

struct drawn {
    struct ks_etsi014_id id;
    uint8_t key[SIZE / 8];
};

struct load {
    const char *master, *slave; /* directories */
    const char *master_port, *slave_port;
    struct ks_tls *master_tls, *slave_tls;
    size_t threads, requests, number;
    bool quiet;
};

struct loader {
    const struct load *load;
    pthread_t thread;
    struct drawn *drawn;
    size_t count;
    uint64_t *enc_us;
    size_t timed;
    size_t failed, unpaired, unequal;
};

static const char *id_of(const char *directory)
{
    const char *slash = strrchr(directory, '/');

    return slash == NULL ? directory : slash + 1;
}

/* A POST of BODY for METHOD; KS_ERR_UNAVAILABLE for an answer that is not 200. */
static enum ks_err post(struct ks_http_client *client, const char *sae,
                        enum ks_etsi014_method method, const struct ks_buf *body,
                        const struct ks_etsi014_wanted *wanted, struct ks_etsi014_key *out_keys)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_sae other;
    struct ks_buf path;
    struct ks_http_answer answer = {0};
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;
    struct ks_http_call call = {
        .method = "POST", .content_type = "application/json", .body = ks_buf_view(body)};

    ks_buf_init(&path, KS_ETSI014_TARGET_MAX);
    KS_TRY(ks_etsi014_sae_parse(ks_bytes_text(sae), &other));
    ks_etsi014_path_put(&path, &other, method);
    ks_buf_put_u8(&path, 0);
    KS_TRY(ks_buf_check(&path));
    call.target = (const char *)path.data;
    KS_TRY(ks_http_client_call(client, &call, &answer));
    KS_CHECK(answer.status == 200, KS_ERR_UNAVAILABLE, "%d %.*s", answer.status,
             (int)answer.body.len, (const char *)answer.body.data);
    KS_TRY(ks_etsi014_container_parse(ks_buf_view(&answer.body), wanted, out_keys, &fault));
out:
    ks_http_answer_done(&answer);
    ks_buf_done(&path);
    return err;
}

static void pair(struct loader *loader, struct ks_http_client *master,
                 struct ks_http_client *slave)
{
    enum ks_err err = KS_OK;
    const struct load *load = loader->load;
    const struct ks_etsi014_request request = {.number = load->number, .size = SIZE};
    struct ks_etsi014_wanted wanted = {.number = load->number, .size = SIZE};
    struct ks_etsi014_id ids[KS_ETSI014_KEYS_MAX];
    static _Thread_local struct ks_etsi014_key here[KS_ETSI014_KEYS_MAX];
    static _Thread_local struct ks_etsi014_key there[KS_ETSI014_KEYS_MAX];
    uint64_t begin_us = 0;
    struct ks_buf body;

    ks_buf_init(&body, KS_ETSI014_REQUEST_MAX);
    ks_etsi014_request_put(&body, &request);
    begin_us = ks_clock_monotonic_us();
    err = post(master, id_of(load->slave), KS_ETSI014_ENC_KEYS, &body, &wanted, here);
    if (err != KS_OK) {
        loader->failed++;
        goto out;
    }
    loader->enc_us[loader->timed++] = ks_clock_monotonic_us() - begin_us;
    for (size_t i = 0; i < load->number; i++) {
        ids[i] = here[i].id;
        loader->drawn[loader->count].id = here[i].id;
        ks_copy(loader->drawn[loader->count].key, here[i].data, SIZE / 8);
        loader->count++;
    }
    wanted.ids = ids;
    ks_buf_clear(&body);
    ks_etsi014_ids_put(&body, ids, load->number);
    err = post(slave, id_of(load->master), KS_ETSI014_DEC_KEYS, &body, &wanted, there);
    if (err != KS_OK) {
        loader->unpaired += load->number;
        goto out;
    }
    for (size_t i = 0; i < load->number; i++) {
        loader->unequal += memcmp(here[i].data, there[i].data, SIZE / 8) != 0;
    }
out:
    ks_buf_done(&body);
    if (err != KS_OK && !load->quiet) {
        die("load");
    }
}

static void *loader_main(void *context)
{
    struct loader *loader = context;
    const struct load *load = loader->load;
    struct ks_http_client *master = client_of(load->master_tls, load->master_port);
    struct ks_http_client *slave = client_of(load->slave_tls, load->slave_port);

    for (size_t i = 0; i < load->requests / load->threads; i++) {
        pair(loader, master, slave);
        if (loader->failed > FAILED_MAX) {
            break; /* a manager is dead, and will not be back before this ends */
        }
    }
    ks_http_client_free(master);
    ks_http_client_free(slave);
    return NULL;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(((const struct drawn *)a)->key, ((const struct drawn *)b)->key, SIZE / 8);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct drawn *)a)->id, &((const struct drawn *)b)->id,
                  sizeof(struct ks_etsi014_id));
}

static size_t twice(struct drawn *drawn, size_t count, int (*order)(const void *, const void *))
{
    size_t found = 0;

    qsort(drawn, count, sizeof *drawn, order);
    for (size_t i = 1; i < count; i++) {
        found += order(&drawn[i - 1], &drawn[i]) == 0;
    }
    return found;
}

static int by_time(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* All keys to standard output's file, for a comparison over several runs: lines of hex. */
static void keep(const char *path, const struct drawn *drawn, size_t count)
{
    FILE *file = fopen(path, "a");

    if (file == NULL) {
        die(path);
    }
    for (size_t i = 0; i < count; i++) {
        char hex[2 * SIZE / 8 + 1];

        ks_hex_encode(KS_BYTES(drawn[i].key), hex);
        (void)fprintf(file, "%s\n", hex);
    }
    if (fclose(file) != 0) {
        die(path);
    }
}

static int report(const struct load *load, struct loader *loaders, uint64_t wall_us)
{
    struct drawn *drawn = ks_calloc(load->requests * load->number + 1, sizeof *drawn);
    uint64_t *times = ks_calloc(load->requests + 1, sizeof *times);
    const char *path = getenv("KME_KEYS");
    size_t count = 0, timed = 0, failed = 0, unpaired = 0, unequal = 0;

    KS_ASSERT(drawn != NULL && times != NULL);
    for (size_t i = 0; i < load->threads; i++) {
        const struct loader *loader = &loaders[i];

        ks_copy(drawn + count, loader->drawn, loader->count * sizeof *drawn);
        ks_copy(times + timed, loader->enc_us, loader->timed * sizeof *times);
        count += loader->count;
        timed += loader->timed;
        failed += loader->failed;
        unpaired += loader->unpaired;
        unequal += loader->unequal;
    }
    if (path != NULL) {
        keep(path, drawn, count);
    }
    qsort(times, timed, sizeof *times, by_time);
    const size_t keys_twice = twice(drawn, count, by_key);
    const size_t ids_twice = twice(drawn, count, by_id);

    (void)printf(
        "{\"bench\":\"kme\",\"threads\":%zu,\"number\":%zu,\"requests\":%zu,\"keys\":%zu,"
        "\"failed\":%zu,\"unpaired\":%zu,\"unequal\":%zu,\"keys_twice\":%zu,"
        "\"ids_twice\":%zu,\"seconds\":%.3f,\"keys_per_s\":%.0f,\"enc_p50_us\":%llu,"
        "\"enc_p99_us\":%llu}\n",
        load->threads, load->number, timed, count, failed, unpaired, unequal, keys_twice,
        ids_twice, (double)wall_us / 1e6, (double)count * 1e6 / (double)wall_us,
        (unsigned long long)(timed > 0 ? times[timed / 2] : 0),
        (unsigned long long)(timed > 0 ? times[timed * 99 / 100] : 0));
    ks_free(drawn);
    ks_free(times);
    return keys_twice + ids_twice + unequal > 0 ? 1 : 0;
}

static size_t count_of(const char *text, uint64_t max)
{
    uint64_t value = 0;

    if (ks_text_u64(ks_bytes_text(text), max, &value) != KS_OK || value == 0) {
        die(text);
    }
    return (size_t)value;
}

static int run_load(char **argv, int argc)
{
    struct load load = {.master = argv[2],
                        .master_port = argv[3],
                        .slave = argv[4],
                        .slave_port = argv[5],
                        .threads = count_of(argv[6], THREADS_MAX),
                        .requests = count_of(argv[7], REQUESTS_MAX),
                        .number = count_of(argv[8], KS_ETSI014_KEYS_MAX),
                        .quiet = argc > 9};
    static struct loader loaders[THREADS_MAX];
    uint64_t begin_us = 0;
    int status = 0;

    load.master_tls = tls_of(load.master);
    load.slave_tls = tls_of(load.slave);
    for (size_t i = 0; i < load.threads; i++) {
        const size_t each = load.requests / load.threads + 1;

        loaders[i].load = &load;
        loaders[i].drawn = ks_calloc(each * load.number, sizeof *loaders[i].drawn);
        loaders[i].enc_us = ks_calloc(each, sizeof *loaders[i].enc_us);
        KS_ASSERT(loaders[i].drawn != NULL && loaders[i].enc_us != NULL);
    }
    begin_us = ks_clock_monotonic_us();
    for (size_t i = 0; i < load.threads; i++) {
        KS_ASSERT(pthread_create(&loaders[i].thread, NULL, loader_main, &loaders[i]) == 0);
    }
    for (size_t i = 0; i < load.threads; i++) {
        (void)pthread_join(loaders[i].thread, NULL);
    }
    status = report(&load, loaders, ks_clock_monotonic_us() - begin_us);
    for (size_t i = 0; i < load.threads; i++) {
        ks_free(loaders[i].drawn);
        ks_free(loaders[i].enc_us);
    }
    ks_tls_free(load.master_tls);
    ks_tls_free(load.slave_tls);
    return status;
}

int main(int argc, char **argv)
{
    if (argc >= 9 && strcmp(argv[1], "load") == 0) {
        return run_load(argv, argc);
    }
    if (argc < 5) {
        (void)fprintf(stderr, "usage: see the head of kme_client.c\n");
        return 2;
    }
    return one(argv, argc);
}
