/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/verdict.h"

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
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
    KS_TRY(ks_verdict_policy(policy_path, &policy));
    KS_TRY(ks_file_read(bundle_path, KS_BUNDLE_BYTES_MAX, &bundle));
    view = ks_buf_view(&bundle);
    err = ks_bundle_verify(&view, policy, verdict);
    if (err == KS_OK || err == KS_ERR_VERIFY) {
        print_verdict(stream, verdict, err, options);
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&bundle);
    return err;
}
