/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/device.h"

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/trace_file.h"

struct ks_device_spec ks_cli_device(const struct ks_cli *cli)
{
    return (struct ks_device_spec){
        .version = 1,
        .directory = ks_cli_text(cli, "device"),
        .url = ks_cli_text(cli, "url"),
        .measured = true,
    };
}

/* A row that cannot be kept is no reason for a command to fail, nor to say so each time. */
static void keep_trace(void *context, const struct ks_trace *trace)
{
    (void)!ks_trace_file_append(context, trace);
}

enum ks_err ks_cli_client(const struct ks_cli *cli, struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    const struct ks_device_spec device = ks_cli_device(cli);
    const struct ks_trace_sink sink = {
        .version = 1, .take = keep_trace, .context = (void *)(uintptr_t)device.directory};

    KS_TRY(ks_client_open_device(&device, out_client));
    KS_TRY(ks_client_trace_to(*out_client, &sink));
out:
    return err;
}

void ks_cli_key_notice(const struct ks_cli *cli, const struct ks_client *client)
{
    if (ks_client_notice(client)[0] != '\0') {
        ks_cli_progress(cli, "keys: %s", ks_client_notice(client));
    }
}

enum ks_err ks_cli_device_file(const struct ks_cli *cli, const char *name, size_t len_max,
                               struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(ks_cli_text(cli, "device"), name, path));
    KS_TRY(ks_file_read(path, len_max, out));
out:
    return err;
}

enum ks_err ks_cli_site(const struct ks_cli *cli, struct ks_site *out_site)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_TRY(ks_cli_device_file(cli, "site.json", KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&document), out_site), "%s/site.json",
                          ks_cli_text(cli, "device")));
out:
    ks_buf_done(&document);
    return err;
}

const char *ks_cli_job_name(const struct ks_cli *cli)
{
    if (cli->operand_count > 0) {
        return strcmp(cli->operands[0], "-") == 0 ? "standard input" : cli->operands[0];
    }
    return ks_cli_text(cli, "template");
}

enum ks_err ks_cli_program(const struct ks_cli *cli, struct ks_buf *source,
                           struct ks_job_spec *job)
{
    enum ks_err err = KS_OK;
    uint64_t number = 0;

    job->template = ks_cli_text(cli, "template");
    KS_CHECK((cli->operand_count > 0) != (job->template != NULL), KS_ERR_USAGE,
             "expected a file or --template, one of them");
    if (job->template == NULL) {
        KS_TRY(ks_file_read(cli->operands[0], KS_PROGRAM_MAX_BYTES, source));
        job->qasm = (const char *)source->data;
        job->qasm_len = source->len;
        KS_CHECK(source->len > 0, KS_ERR_FORMAT, "%s: empty", ks_cli_job_name(cli));
    } else {
        KS_TRY(ks_cli_number(cli, "qubits", UINT32_MAX, &number));
        job->qubits = (uint32_t)number;
        KS_TRY(ks_cli_number(cli, "depth", UINT32_MAX, &number));
        job->depth = (uint32_t)number;
    }
out:
    return err;
}

enum ks_err ks_cli_precision(const struct ks_cli *cli, enum ks_precision *out_precision)
{
    const char *name = ks_cli_text(cli, "precision");
    bool single = strcmp(name, "single") == 0;

    if (!single && strcmp(name, "double") != 0) {
        return ks_fail(KS_ERR_USAGE, "--precision: single or double, not '%s'", name);
    }
    *out_precision = single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    return KS_OK;
}

enum ks_err ks_cli_job(const struct ks_cli *cli, struct ks_buf *source,
                       struct ks_job_spec *out_job)
{
    enum ks_err err = KS_OK;
    struct ks_job_spec job = {.version = 1};
    enum ks_precision precision = KS_PRECISION_DOUBLE;

    KS_TRY(ks_cli_program(cli, source, &job));
    KS_TRY(ks_cli_number(cli, "shots", KS_SHOTS_MAX, &job.shots));
    KS_CHECK(job.shots >= 1, KS_ERR_USAGE, "--shots: at least 1");
    if (ks_cli_text(cli, "seed") != NULL) {
        KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &job.seed));
    } else {
        KS_TRY(ks_cli_random_seed(&job.seed));
        ks_cli_progress(cli, "seed %llu", (unsigned long long)job.seed);
    }
    job.template_seed = job.seed;
    if (ks_cli_text(cli, "template-seed") != NULL) {
        KS_TRY(ks_cli_number(cli, "template-seed", KS_JSON_INTEGER_MAX, &job.template_seed));
    }
    KS_TRY(ks_cli_precision(cli, &precision));
    job.single_precision = precision == KS_PRECISION_SINGLE;
    job.name = ks_cli_job_name(cli);
    *out_job = job;
out:
    return err;
}
