/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/verdict.h"

#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "record/policy.h"
#include "record/record.h"

static const char *state_name(enum ks_verdict_state state)
{
    switch (state) {
    case KS_PASS:
        return "pass";
    case KS_FAIL:
        return "fail";
    case KS_NOT_RUN:
        break;
    }
    return "not-run";
}

/* The first check that failed, or KS_VERDICT_CHECKS. */
static unsigned first_failure(const struct ks_verdict *verdict)
{
    unsigned i = 0;

    while (i < KS_VERDICT_CHECKS && verdict->checks[i].state != KS_FAIL) {
        i++;
    }
    return i;
}

/* Names of checks in the order of their text, for canonical JSON. */
static void sort_checks(enum ks_verdict_check order[KS_VERDICT_CHECKS])
{
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        unsigned at = i;

        while (at > 0 && ks_bytes_compare(ks_bytes_text(ks_verdict_check_name(order[at - 1])),
                                          ks_bytes_text(ks_verdict_check_name(
                                              (enum ks_verdict_check)i))) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (enum ks_verdict_check)i;
    }
}

static void put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

static void print_json(FILE *stream, const struct ks_verdict *verdict, bool verified)
{
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    enum ks_verdict_check order[KS_VERDICT_CHECKS];
    unsigned failed = first_failure(verdict);

    sort_checks(order);
    ks_buf_init(&out, 65536);
    ks_json_put_object(&writer);
    if (verdict->anchored_us > 0) {
        put_time(&writer, "anchored_at", verdict->anchored_us);
        ks_json_member_u64(&writer, "anchored_block", verdict->anchored_block);
    }
    ks_json_put_key(&writer, "checks");
    ks_json_put_object(&writer);
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        const struct ks_verdict_item *item = &verdict->checks[order[i]];

        ks_json_put_key(&writer, ks_verdict_check_name(order[i]));
        ks_json_put_object(&writer);
        if (item->state != KS_PASS) {
            ks_json_member_text(&writer, "reason", item->reason);
        }
        ks_json_member_text(&writer, "state", state_name(item->state));
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "device", verdict->device);
    if (failed < KS_VERDICT_CHECKS) {
        ks_json_member_text(&writer, "failed",
                            ks_verdict_check_name((enum ks_verdict_check)failed));
    }
    ks_json_member_u64(&writer, "index", verdict->ledger_index);
    ks_json_member_text(&writer, "key_source", verdict->key_source);
    ks_json_member_text(&writer, "method", verdict->method);
    ks_json_member_text(&writer, "origin", verdict->origin);
    ks_json_member_text(&writer, "record_id", verdict->record_id);
    ks_json_member_text(&writer, "schema", "ketseal.verify/1");
    if (verdict->stamped_us > 0) {
        put_time(&writer, "stamped_at", verdict->stamped_us);
    }
    ks_json_member_bool(&writer, "verified", verified);
    ks_json_put_end(&writer);
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

        (void)fprintf(stream, "%-8s %s%s%s\n", state_name(item->state),
                      ks_verdict_check_name(check), item->reason[0] == '\0' ? "" : ": ",
                      item->reason);
        (void)fprintf(stream, "         covers      %s\n", ks_verdict_check_covers(check));
        (void)fprintf(stream, "         stops       %s\n", ks_verdict_check_stops(check));
        (void)fprintf(stream, "         not proved  %s\n", ks_verdict_check_not_proved(check));
    }
}

/* JSON: {"checks":{…},"failed":…,"schema":"ketseal.verify/1","verified":…}. */
static void print_verdict(FILE *stream, const struct ks_verdict *verdict, bool verified,
                          const struct ks_verdict_options *options)
{
    if (options->json) {
        print_json(stream, verdict, verified);
        return;
    }
    if (options->explain) {
        print_explained(stream, verdict);
    }
    if (verified) {
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
        print_verdict(stream, verdict, err == KS_OK, options);
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&bundle);
    return err;
}
