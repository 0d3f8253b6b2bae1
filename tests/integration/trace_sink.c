/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A program of others over the installed headers and libketseal alone: runs a job and prints
 * the trace that its sink is given, as CSV with the line of names.
 *
 *   trace_sink DEVICE_DIRECTORY
 *
 * Exit status: that of the job; 70 when the row is not what the header says. */
#include <stdbool.h>
#include <stdio.h>

#include "ketseal/bytes.h"
#include "ketseal/client.h"

#define CSV_MAX 65536

struct seen {
    unsigned rows;
    bool good;
};

static void take(void *context, const struct ks_trace *trace)
{
    struct seen *seen = context;
    struct ks_buf *text = NULL;
    double error = -1;
    double shots = 0;
    double none = 0;

    seen->rows++;
    seen->good = ks_trace_number(trace, "error", &error) == KS_OK && error >= 0 &&
                 ks_trace_number(trace, "shots", &shots) == KS_OK && shots == 20 &&
                 ks_trace_number(trace, "cubits", &none) == KS_ERR_NOT_FOUND &&
                 ks_trace_number(trace, "worker_cpu_us", &none) == KS_ERR_NOT_FOUND &&
                 ks_buf_new(CSV_MAX, &text) == KS_OK;
    if (seen->good) {
        ks_trace_csv_header(text);
        ks_trace_csv_row(trace, text);
        (void)printf("%.*s", (int)ks_buf_view(text).len, (const char *)ks_buf_view(text).data);
    }
    ks_buf_free(text);
}

int main(int argc, char **argv)
{
    struct seen seen = {0};
    const struct ks_trace_sink sink = {.version = 1, .take = take, .context = &seen};
    const struct ks_trace_sink strange = {.version = 2, .take = take};
    const struct ks_device_spec device = {.version = 1, .directory = argc > 1 ? argv[1] : "."};
    const struct ks_job_spec job = {.version = 1, .template = "bell", .qubits = 2, .shots = 20};
    struct ks_client *client = NULL;
    struct ks_buf *bundle = NULL;
    enum ks_err err = ks_client_open_device(&device, &client);

    if (err == KS_OK) {
        err = ks_buf_new(KS_BUNDLE_LEN_MAX, &bundle);
    }
    if (err == KS_OK) {
        seen.good = ks_client_trace_to(client, &strange) == KS_ERR_USAGE;
        err = ks_client_trace_to(client, &sink);
    }
    if (err == KS_OK && seen.good) {
        err = ks_client_run(client, &job, bundle);
        seen.good = seen.good && seen.rows == 1;
    }
    if (err != KS_OK) {
        (void)fprintf(stderr, "trace_sink: %s\n", ks_err_detail());
    }
    ks_buf_free(bundle);
    ks_client_close(client);
    return seen.good ? ks_err_exit_code(err) : 70;
}
