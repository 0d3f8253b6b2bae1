/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/verdict.h"

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/version.h"
#include "record/policy.h"
#include "record/record.h"

static void print_json(FILE *stream, const struct ks_verdict *verdict, enum ks_err outcome)
{
    struct ks_buf out;

    ks_buf_init(&out, KS_VERDICT_BYTES_MAX);
    ks_verdict_print(verdict, outcome, &out);
    (void)fprintf(stream, "%.*s\n", (int)out.len, (const char *)out.data);
    ks_buf_done(&out);
}

/* ", anchored in block 12 of TIME, stamped at TIME", as far as that was checked. */
static void print_attached(FILE *stream, const struct ks_verdict *verdict)
{
    char text[KS_TIME_TEXT_LEN + 1];

    if (verdict->anchored_us > 0) {
        ks_time_text(verdict->anchored_us, text);
        (void)fprintf(stream, ", anchor in block %llu of %s",
                      (unsigned long long)verdict->anchored_block, text);
    }
    if (verdict->stamped_us > 0) {
        ks_time_text(verdict->stamped_us, text);
        (void)fprintf(stream, ", time stamp of %s", text);
    }
}

static void print_explained(FILE *stream, const struct ks_verdict *verdict)
{
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        const struct ks_verdict_item *item = &verdict->checks[i];
        enum ks_verdict_check check = (enum ks_verdict_check)i;

        (void)fprintf(stream, "%-8s %s%s%s\n", ks_verdict_state_name(item->state),
                      ks_verdict_check_name(check), item->reason[0] == '\0' ? "" : ": ",
                      item->reason);
        (void)fprintf(stream, "         covers      %s\n", ks_verdict_check_covers(check));
        (void)fprintf(stream, "         stops       %s\n", ks_verdict_check_stops(check));
        (void)fprintf(stream, "         not proved  %s\n", ks_verdict_check_not_proved(check));
    }
}

enum ks_err ks_verdict_print_checks(FILE *stream)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "checks");
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        enum ks_verdict_check check = (enum ks_verdict_check)i;

        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "covers", ks_verdict_check_covers(check));
        ks_json_member_text(&writer, "name", ks_verdict_check_name(check));
        ks_json_member_text(&writer, "not_proved", ks_verdict_check_not_proved(check));
        ks_json_member_text(&writer, "stops", ks_verdict_check_stops(check));
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "limits");
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "bundle_bytes", KS_BUNDLE_BYTES_MAX);
    ks_json_member_u64(&writer, "policy_bytes", KS_POLICY_BYTES_MAX);
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.checks/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&out));
    (void)fprintf(stream, "%.*s\n", (int)out.len, (const char *)out.data);
out:
    ks_buf_done(&out);
    return err;
}

/* JSON: {"checks":{…},"failed":…,"schema":"ketseal.verify/1","verified":…}. */
static void print_verdict(FILE *stream, const struct ks_verdict *verdict, enum ks_err outcome,
                          const struct ks_verdict_options *options)
{
    if (options->json) {
        print_json(stream, verdict, outcome);
        return;
    }
    if (options->explain) {
        print_explained(stream, verdict);
    }
    if (outcome == KS_OK) {
        (void)fprintf(stream,
                      "verified: record %s of device %s, by %s, ledger %s index %llu of %llu; "
                      "Ed25519 and ML-DSA-65 signatures, TPM quote, request, inclusion",
                      verdict->record_id, verdict->device, verdict->method, verdict->origin,
                      (unsigned long long)verdict->ledger_index,
                      (unsigned long long)verdict->ledger_size);
        print_attached(stream, verdict);
        (void)fputc('\n', stream);
    }
}

enum ks_err ks_verdict_policy(const char *path, struct ks_policy **out_policy)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_bytes document = {0};

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_POLICY_BYTES_MAX, &text));
    document = ks_buf_view(&text);
    KS_TRY(ks_fail_prefix(ks_policy_read(&document, out_policy), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}

/* What did not fit into memory is neither true nor false, nor malformed. */
static enum ks_err unless_starved(enum ks_err err)
{
    return ks_libcrypto_lacked_memory() ? ks_fail(KS_ERR_NOMEM, "libcrypto ran out of memory")
                                        : err;
}

enum ks_err ks_verdict_files(FILE *stream, const char *policy_path, const char *bundle_path,
                             const struct ks_verdict_options *options)
{
    enum ks_err err = KS_OK;
    struct ks_buf bundle;
    struct ks_bytes view = {0};
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_CHECK(strcmp(policy_path, "-") != 0 || strcmp(bundle_path, "-") != 0, KS_ERR_USAGE,
             "policy and bundle cannot both be standard input");
    KS_TRY(unless_starved(ks_verdict_policy(policy_path, &policy)));
    KS_TRY(ks_file_read(bundle_path, KS_BUNDLE_BYTES_MAX, &bundle));
    view = ks_buf_view(&bundle);
    err = unless_starved(ks_bundle_verify(&view, policy, verdict));
    if (err == KS_OK || err == KS_ERR_VERIFY) {
        print_verdict(stream, verdict, err, options);
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&bundle);
    return err;
}
