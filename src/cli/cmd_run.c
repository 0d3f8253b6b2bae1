/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* run: submit, wait, verify, keep. */

#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/device.h"
#include "ketseal/verify.h"
#include "record/policy.h"
#include "record/record.h"

#define SHOWN_MAX 8 /* outcomes on a screen */

/* Against --policy, when it was given; a bundle that fails is not written. */
static enum ks_err check_bundle(const struct ks_cli *cli, const struct ks_buf *bytes)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "policy");
    struct ks_buf text;
    struct ks_bytes document = {0};
    struct ks_bytes view = ks_buf_view(bytes);
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    if (path != NULL) {
        KS_TRY(ks_file_read(path, KS_POLICY_BYTES_MAX, &text));
        document = ks_buf_view(&text);
        KS_TRY(ks_fail_prefix(ks_policy_read(&document, &policy), "%s", path));
        KS_TRY(ks_bundle_verify(&view, policy, verdict));
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&text);
    return err;
}

/* The most frequent outcomes, for people. */
static enum ks_err show_result(const struct ks_cli *cli, const struct ks_bundle *bundle)
{
    static const struct ks_json_limits limits = {.len_max = KS_RESULT_BYTES_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *result = NULL;
    size_t count = 0;

    KS_TRY(ks_json_parse(bundle->core.result, &limits, &doc));
    result = ks_json_root(doc);
    count = ks_json_count(result);
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++) {
        struct ks_bytes outcome = ks_json_key_at(result, i);
        struct ks_bytes number = ks_json_number_text(ks_json_at(result, i));

        ks_cli_progress(cli, "  %.*s %.*s", (int)outcome.len, (const char *)outcome.data,
                        (int)number.len, (const char *)number.data);
    }
    if (count > SHOWN_MAX) {
        ks_cli_progress(cli, "  … %zu more outcomes", count - SHOWN_MAX);
    }
out:
    ks_json_doc_free(doc);
    return err;
}

static void print_summary(const struct ks_cli *cli, const struct ks_bundle *bundle, const char *path)
{
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    if (!cli->json) {
        ks_cli_progress(cli, "sealed: record %s, ledger index %llu%s%s", bundle->core.record_id,
                        (unsigned long long)bundle->inclusion.index,
                        strcmp(path, "-") == 0 ? "" : ", kept in ", strcmp(path, "-") == 0 ? "" : path);
        return;
    }
    ks_buf_init(&out, 65536 + KS_RESULT_BYTES_MAX);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "bundle", path);
    ks_json_member_u64(&writer, "index", bundle->inclusion.index);
    ks_json_member_text(&writer, "record_id", bundle->core.record_id);
    ks_json_put_key(&writer, "result");
    ks_json_put_canonical(&writer, bundle->core.result);
    ks_json_member_text(&writer, "schema", "ketseal.run/1");
    ks_json_member_u64(&writer, "seed", bundle->core.seed);
    ks_json_put_end(&writer);
    ks_buf_put_text(&out, "\n");
    ks_cli_print_bytes(ks_buf_view(&out));
    ks_buf_done(&out);
}

enum ks_err ks_command_run_job(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *out = ks_cli_text(cli, "out");
    struct ks_client *client = NULL;
    struct ks_buf source;
    struct ks_buf bytes;
    struct ks_bundle *bundle = NULL;
    struct ks_job_spec job = {.version = 1};

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(!cli->json || strcmp(out, "-") != 0, KS_ERR_USAGE,
             "--json prints a summary: say with --out where the bundle goes");
    KS_TRY(ks_cli_job(cli, &source, &job));
    job.idempotency = ks_cli_text(cli, "idempotency-key");
    KS_TRY(ks_cli_client(cli, &client));
    ks_cli_progress(cli, "%s: submitting", ks_cli_job_name(cli));
    KS_TRY(ks_client_run(client, &job, &bytes));
    KS_TRY(ks_bundle_parse(ks_buf_view(&bytes), &bundle));
    KS_TRY(check_bundle(cli, &bytes));
    KS_TRY(ks_cli_output(out, cli->operand_count > 0 ? cli->operands[0] : NULL, ks_buf_view(&bytes)));
    KS_TRY(show_result(cli, bundle));
    print_summary(cli, bundle, out);
out:
    ks_bundle_free(bundle);
    ks_client_close(client);
    ks_buf_done(&source);
    ks_buf_done(&bytes);
    return err;
}
