/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/device.h"

#include <string.h>

#include "base/sys.h"

static enum ks_err join(const char *directory, const char *name, char target[4096])
{
    int len = snprintf(target, 4096, "%s/%s", directory, name);

    if (len < 0 || len >= 4096) {
        return ks_fail(KS_ERR_LIMIT, "path '%s/%s' is too long", directory, name);
    }
    return KS_OK;
}

/* --url, or the first line of DIR/url. */
static enum ks_err find_url(const struct ks_cli *cli, const char *directory, char target[512])
{
    enum ks_err err = KS_OK;
    const char *given = ks_cli_text(cli, "url");
    char path[4096];
    struct ks_buf text;

    ks_buf_init(&text, 511);
    if (given != NULL) {
        KS_CHECK(strlen(given) < 512, KS_ERR_USAGE, "--url: too long");
        ks_copy(target, given, strlen(given) + 1);
    } else {
        KS_TRY(join(directory, "url", path));
        err = ks_file_read(path, 511, &text);
        KS_TRY(err == KS_ERR_NOT_FOUND ? ks_fail(KS_ERR_USAGE, "--url: missing, and there is no %s", path)
                                       : err);
        ks_copy(target, text.data, text.len);
        target[text.len] = '\0';
        target[strcspn(target, "\r\n")] = '\0';
    }
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_cli_client(const struct ks_cli *cli, struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "device");
    char url[512];
    char root[4096];
    char certificate[4096];
    char key[4096];
    char site[4096];
    char state[4096];
    const struct ks_client_spec spec = {
        .version = 1,
        .url = url,
        .root = root,
        .certificate = certificate,
        .key = key,
        .site = site,
        .state = state,
    };

    KS_TRY(find_url(cli, directory, url));
    KS_TRY(join(directory, "root.pem", root));
    KS_TRY(join(directory, "device.pem", certificate));
    KS_TRY(join(directory, "device.key", key));
    KS_TRY(join(directory, "site.json", site));
    KS_TRY(join(directory, "state", state));
    KS_TRY(ks_client_open(&spec, out_client));
out:
    return err;
}

const char *ks_cli_job_name(const struct ks_cli *cli)
{
    if (cli->operand_count > 0) {
        return strcmp(cli->operands[0], "-") == 0 ? "standard input" : cli->operands[0];
    }
    return ks_cli_text(cli, "template");
}

static enum ks_err read_program(const struct ks_cli *cli, struct ks_buf *source, struct ks_job_spec *job)
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

enum ks_err ks_cli_job(const struct ks_cli *cli, struct ks_buf *source, struct ks_job_spec *out_job)
{
    enum ks_err err = KS_OK;
    struct ks_job_spec job = {.version = 1};
    const char *precision = ks_cli_text(cli, "precision");

    KS_TRY(read_program(cli, source, &job));
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
    job.single_precision = strcmp(precision, "single") == 0;
    KS_CHECK(job.single_precision || strcmp(precision, "double") == 0, KS_ERR_USAGE,
             "--precision: single or double");
    *out_job = job;
out:
    return err;
}
