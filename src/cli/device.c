/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/device.h"

#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/machine.h"

/* --url, or the first line of DIR/url. */
static enum ks_err find_url(const struct ks_cli *cli, const char *directory, char target[512])
{
    enum ks_err err = KS_OK;
    const char *given = ks_cli_text(cli, "url");
    char path[KS_PATH_MAX];
    struct ks_buf text;

    ks_buf_init(&text, 511);
    if (given != NULL) {
        KS_CHECK(strlen(given) < 512, KS_ERR_USAGE, "--url: too long");
        ks_copy(target, given, strlen(given) + 1);
    } else {
        KS_TRY(ks_path_join(directory, "url", path));
        err = ks_file_read(path, 511, &text);
        KS_TRY(err == KS_ERR_NOT_FOUND
                   ? ks_fail(KS_ERR_USAGE, "--url: missing, and there is no %s", path)
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
    char root[KS_PATH_MAX];
    char certificate[KS_PATH_MAX];
    char key[KS_PATH_MAX];
    char site[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    char issuer[KS_PATH_MAX];
    char platform[KS_PATH_MAX];
    char keys[KS_PATH_MAX];
    struct ks_client_spec spec = {
        .version = 1,
        .url = url,
        .root = root,
        .certificate = certificate,
        .key = key,
        .site = site,
        .state = state,
    };

    KS_TRY(find_url(cli, directory, url));
    KS_TRY(ks_path_join(directory, "root.pem", root));
    KS_TRY(ks_path_join(directory, "device.pem", certificate));
    KS_TRY(ks_path_join(directory, "device.key", key));
    KS_TRY(ks_path_join(directory, "site.json", site));
    KS_TRY(ks_path_join(directory, "state", state));
    KS_TRY(ks_path_join(directory, "issuer.pem", issuer));
    KS_TRY(ks_path_join(directory, KS_MACHINE_PLATFORM, platform));
    if (access(platform, F_OK) == 0) { /* enrolled: its TPM holds the key */
        spec.key = NULL;
        spec.machine = directory;
        spec.issuer = issuer;
    }
    KS_TRY(ks_path_join(directory, "keys.json", keys));
    spec.keys = access(keys, F_OK) == 0 ? keys : NULL; /* without: the site's own */
    KS_TRY(ks_client_open(&spec, out_client));
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
