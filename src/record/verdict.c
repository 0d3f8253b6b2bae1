/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A verdict as a document. */

#include "base/json.h"
#include "base/text.h"
#include "ketseal/verify.h"

enum ks_err ks_verdict_new(struct ks_verdict **out_verdict)
{
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    if (verdict == NULL) {
        return ks_fail(KS_ERR_NOMEM, "verdict");
    }
    *out_verdict = verdict;
    return KS_OK;
}

void ks_verdict_free(struct ks_verdict *verdict)
{
    ks_free(verdict);
}

const char *ks_verdict_state_name(enum ks_verdict_state state)
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

static void put_checks(struct ks_json_writer *writer, const struct ks_verdict *verdict)
{
    enum ks_verdict_check order[KS_VERDICT_CHECKS];

    sort_checks(order);
    ks_json_put_object(writer);
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        const struct ks_verdict_item *item = &verdict->checks[order[i]];

        ks_json_put_key(writer, ks_verdict_check_name(order[i]));
        ks_json_put_object(writer);
        if (item->state != KS_PASS) {
            ks_json_member_text(writer, "reason", item->reason);
        }
        ks_json_member_text(writer, "state", ks_verdict_state_name(item->state));
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

void ks_verdict_print(const struct ks_verdict *verdict, enum ks_err outcome, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    unsigned failed = first_failure(verdict);

    ks_json_put_object(&writer);
    if (verdict->anchored_us > 0) {
        put_time(&writer, "anchored_at", verdict->anchored_us);
        ks_json_member_u64(&writer, "anchored_block", verdict->anchored_block);
    }
    ks_json_put_key(&writer, "checks");
    put_checks(&writer, verdict);
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
    ks_json_member_bool(&writer, "verified", outcome == KS_OK);
    ks_json_put_end(&writer);
}
