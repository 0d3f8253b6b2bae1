/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/bundle.h"

#include <string.h>

#include "base/sys.h"
#include "cli/device.h"
#include "cli/verdict.h"
#include "record/policy.h"

#define SHOWN_MAX         8 /* outcomes on a screen */
#define OUTCOMES_TEXT_MAX (2 * KS_RESULT_BYTES_MAX)

enum ks_err ks_cli_bundle_read(const char *path, struct ks_bundle **out_bundle)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), out_bundle), "%s", path));
out:
    ks_buf_done(&bytes);
    return err;
}

static bool to_stdout(const struct ks_cli *cli)
{
    return strcmp(ks_cli_text(cli, "out"), "-") == 0;
}

enum ks_err ks_cli_bundle_room(const struct ks_cli *cli)
{
    return cli->json && to_stdout(cli)
               ? ks_fail(KS_ERR_USAGE,
                         "--json prints a summary: say with --out where the bundle goes")
               : KS_OK;
}

enum ks_err ks_cli_bundle_check(const struct ks_cli *cli, const struct ks_buf *bytes)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "policy");
    struct ks_bytes view = ks_buf_view(bytes);
    const struct ks_device_spec device = ks_cli_device(cli);
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_TRY(path == NULL ? ks_device_policy(&device, &policy)
                        : ks_verdict_policy(path, &policy));
    KS_TRY(ks_bundle_verify(&view, policy, verdict));
out:
    ks_policy_free(policy);
    ks_free(verdict);
    return err;
}

enum ks_err ks_cli_outcomes(struct ks_bytes result, size_t lines_max, struct ks_buf *out)
{
    static const struct ks_json_limits limits = {.len_max = KS_RESULT_BYTES_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    size_t count = 0;

    KS_TRY(ks_json_parse(result, &limits, &doc));
    root = ks_json_root(doc);
    count = ks_json_count(root);
    for (size_t i = 0; i < count && i < lines_max; i++) {
        ks_buf_put(out, ks_json_key_at(root, i));
        ks_buf_put_text(out, " ");
        ks_buf_put(out, ks_json_number_text(ks_json_at(root, i)));
        ks_buf_put_text(out, "\n");
    }
    if (count > lines_max) {
        ks_buf_put_format(out, "… %zu more outcomes\n", count - lines_max);
    }
    KS_TRY(ks_buf_check(out));
out:
    ks_json_doc_free(doc);
    return err;
}

static enum ks_err show_result(const struct ks_cli *cli, const struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    struct ks_buf lines;

    ks_buf_init(&lines, OUTCOMES_TEXT_MAX);
    KS_TRY(ks_cli_outcomes(bundle->core.result, SHOWN_MAX, &lines));
    ks_cli_progress(cli, "%.*ssealed: record %s, ledger index %llu%s%s", (int)lines.len,
                    (const char *)lines.data, bundle->core.record_id,
                    (unsigned long long)bundle->inclusion.index,
                    to_stdout(cli) ? "" : ", kept in ",
                    to_stdout(cli) ? "" : ks_cli_text(cli, "out"));
out:
    ks_buf_done(&lines);
    return err;
}

static enum ks_err print_summary(const struct ks_cli *cli, const struct ks_bundle *bundle,
                                 const struct ks_detection *alert)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_buf said;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536 + KS_RESULT_BYTES_MAX + KS_DETECTION_BYTES_MAX);
    ks_buf_init(&said, KS_DETECTION_BYTES_MAX);
    ks_json_put_object(&writer);
    if (alert != NULL) {
        ks_detection_write(alert, &said);
        KS_TRY(ks_buf_check(&said));
        ks_json_put_key(&writer, "alert");
        ks_json_put_canonical(&writer, ks_buf_view(&said));
    }
    ks_json_member_text(&writer, "bundle", ks_cli_text(cli, "out"));
    ks_json_member_u64(&writer, "index", bundle->inclusion.index);
    ks_json_member_text(&writer, "record_id", bundle->core.record_id);
    ks_json_put_key(&writer, "result");
    ks_json_put_canonical(&writer, bundle->core.result);
    ks_json_member_text(&writer, "schema", "ketseal.run/1");
    ks_json_member_u64(&writer, "seed", bundle->core.seed);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    ks_buf_done(&said);
    return err;
}

enum ks_err ks_cli_bundle_keep(const struct ks_cli *cli, const struct ks_buf *bytes,
                               const char *input, const struct ks_detection *alert)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;

    KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(bytes), &bundle), "the site's bundle"));
    KS_TRY(ks_cli_bundle_check(cli, bytes));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), input, ks_buf_view(bytes)));
    KS_TRY(cli->json ? print_summary(cli, bundle, alert) : show_result(cli, bundle));
out:
    ks_bundle_free(bundle);
    return err;
}
