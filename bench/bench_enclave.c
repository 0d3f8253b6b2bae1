/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_enclave DEVICE_DIR: what a question to the enclave costs, as JSON lines: /readyz, which
 * asks it, beside /healthz, which ketseald answers itself, by turns on one connection. */

#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"
#include "base/text.h"
#include "ketseal/client.h"

#define ROUNDS 4000

static int ascending(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static enum ks_err open_client(const char *directory, struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    char paths[5][KS_PATH_MAX];
    static const char *const names[] = {"root.pem", "device.pem", "device.key", "site.json",
                                        "state"};
    struct ks_buf url;
    char text[512];
    const struct ks_client_spec spec = {.version = 1,
                                        .url = text,
                                        .root = paths[0],
                                        .certificate = paths[1],
                                        .key = paths[2],
                                        .site = paths[3],
                                        .state = paths[4]};

    ks_buf_init(&url, sizeof text - 1);
    for (size_t i = 0; i < 5; i++) {
        KS_TRY(ks_path_join(directory, names[i], paths[i]));
    }
    {
        char path[KS_PATH_MAX];

        KS_TRY(ks_path_join(directory, "url", path));
        KS_TRY(ks_file_read(path, sizeof text - 1, &url));
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)url.len, (const char *)url.data);
    for (size_t i = 0; text[i] != '\0'; i++) {
        text[i] = text[i] == '\n' ? '\0' : text[i];
    }
    KS_TRY(ks_client_open(&spec, out_client));
out:
    ks_buf_done(&url);
    return err;
}

static enum ks_err ask(struct ks_client *client, const char *target, uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    const uint64_t begin_us = ks_clock_monotonic_us();

    ks_buf_init(&body, 65536);
    KS_TRY(ks_client_get(client, target, &body));
    *out_us = ks_clock_monotonic_us() - begin_us;
out:
    ks_buf_done(&body);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    uint64_t *with = ks_calloc(ROUNDS, sizeof *with);
    uint64_t *without = ks_calloc(ROUNDS, sizeof *without);

    KS_CHECK(argc == 2, KS_ERR_USAGE, "usage: bench_enclave DEVICE_DIR");
    KS_CHECK(with != NULL && without != NULL, KS_ERR_NOMEM, "samples");
    KS_TRY(open_client(argv[1], &client));
    for (size_t i = 0; i < ROUNDS; i++) {
        KS_TRY(ask(client, "/readyz", &with[i]));
        KS_TRY(ask(client, "/healthz", &without[i]));
    }
    qsort(with, ROUNDS, sizeof *with, ascending);
    qsort(without, ROUNDS, sizeof *without, ascending);
    (void)printf("{\"bench\":\"enclave\",\"what\":\"round_trip\",\"rounds\":%d,"
                 "\"asked_p50_us\":%llu,\"asked_p99_us\":%llu,\"unasked_p50_us\":%llu,"
                 "\"unasked_p99_us\":%llu,\"cost_p50_us\":%lld}\n",
                 ROUNDS, (unsigned long long)with[ROUNDS / 2],
                 (unsigned long long)with[ROUNDS * 99 / 100],
                 (unsigned long long)without[ROUNDS / 2],
                 (unsigned long long)without[ROUNDS * 99 / 100],
                 (long long)with[ROUNDS / 2] - (long long)without[ROUNDS / 2]);
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_enclave: %s\n", ks_err_detail());
    }
    ks_client_close(client);
    ks_free(with);
    ks_free(without);
    return ks_err_exit_code(err);
}
