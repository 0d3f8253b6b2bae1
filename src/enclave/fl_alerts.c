/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What follows when a contribution stands out among those of its round. Who says so is the
 * round's rule, which looks at updates one by one, or, where it does not, their norms: all in
 * the enclave and its worker, so that ketseald can neither make such an alert nor keep it from
 * being counted. Alerts are counted, and their devices suspended, before the round's end is
 * durable: a crash between the two has the same round end again, by the same figures, and what
 * is counted already is not counted twice. */

#include <stdio.h>

#include "base/log.h"
#include "enclave/monitor.h"
#include "fl/robust.h"
#include "record/suspect.h"

#define TOLD_MAX 64 /* entries in one answer */

_Static_assert(KS_FL_ALERTS_MAX <= 65535, "their number is 16 bits");

/* The alert's own name: one round has one contribution of a device. */
static enum ks_err put_name(const struct ks_rounds_session *session,
                            const struct ks_delivery *delivery, struct ks_buf *out)
{
    ks_buf_put_text(out, "ketseal/fl-alert/1");
    ks_buf_put(out, KS_BYTES(session->id));
    ks_buf_put_u64(out, session->last);
    ks_buf_put_text(out, delivery->device);
    return ks_buf_check(out);
}

static void log_alert(const struct ks_suspect *suspect, const char *device)
{
    struct ks_log_line line;
    char session[2 * KS_SESSION_LEN + 1];
    char number[KS_DOUBLE_TEXT_MAX];
    char reason[KS_ROUNDS_REASON_MAX + 1];

    ks_log_begin(&line, KS_LOG_WARN, "fl.alert");
    ks_log_text(&line, "device", device);
    ks_hex_encode(KS_BYTES(suspect->session), session);
    ks_log_text(&line, "session", session);
    ks_log_u64(&line, "round", suspect->round);
    (void)snprintf(reason, sizeof reason, "%.*s", (int)suspect->reason.len,
                   (const char *)suspect->reason.data);
    ks_log_text(&line, "reason", reason);
    (void)ks_double_text(suspect->score, number);
    ks_log_text(&line, "score", number);
    (void)ks_double_text(suspect->norm, number);
    ks_log_text(&line, "norm", number);
    ks_log_end(&line);
}

/* ENTRY is told to ketseald, unless too many wait: that much of the ledger is lost then, and
 * nothing else. */
static void tell(struct ks_monitor *monitor, const struct ks_buf *entry)
{
    if (entry->len == 0) {
        return;
    }
    if (entry->err != KS_OK || monitor->fl_alert_count == KS_FL_ALERTS_MAX) {
        ks_log_failure("fl.alert_lost", ks_fail(KS_ERR_LIMIT, "%d alerts wait for the ledger",
                                                KS_FL_ALERTS_MAX));
        return;
    }
    ks_buf_put_lp16(&monitor->fl_alerts, ks_buf_view(entry));
    monitor->fl_alert_count++;
}

/* Counts the alert about DELIVERY, where its device is one that can be suspended. */
static enum ks_err count(struct ks_monitor *monitor, const struct ks_rounds_session *session,
                         const struct ks_delivery *delivery, struct ks_buf *ledger)
{
    enum ks_err err = KS_OK;
    const struct ks_device_entry *known =
        ks_registry_find(monitor->admission.registry, ks_bytes_text(delivery->device));
    size_t alerts = 0;
    struct ks_buf name;

    ks_buf_init(&name, 256);
    if (monitor->fl.alerts.suspend_after == 0 || known == NULL ||
        (known->state != KS_DEVICE_ACTIVE && known->state != KS_DEVICE_PENDING_ROTATION)) {
        goto out;
    }
    KS_TRY(put_name(session, delivery, &name));
    err = ks_monitor_count_alert(monitor, &monitor->fl.alerts, known, ks_buf_view(&name),
                                 ledger, &alerts);
    if (err == KS_ERR_CONFLICT) { /* before a crash */
        ks_buf_clear(ledger);
        err = KS_OK;
    }
out:
    ks_buf_done(&name);
    return err;
}

static enum ks_err raise(struct ks_monitor *monitor, const struct ks_rounds_session *session,
                         const struct ks_delivery *delivery, const struct ks_suspect *suspect)
{
    enum ks_err err = KS_OK;
    struct ks_buf entry;
    struct ks_buf ledger;

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    ks_buf_init(&ledger, KS_ENTRY_BYTES_MAX);
    log_alert(suspect, delivery->device);
    ks_entry_suspect_write(suspect, &entry);
    KS_TRY(count(monitor, session, delivery, &ledger));
    tell(monitor, &entry);
    tell(monitor, &ledger);
out:
    ks_buf_done(&entry);
    ks_buf_done(&ledger);
    return err;
}

/* The scores of a rule that looks at no update: by their norms. */
static enum ks_err score_norms(const struct ks_rounds_session *session,
                               struct ks_fl_score *out_scores)
{
    enum ks_err err = KS_OK;
    const size_t count = session->delivered;
    double *norms = ks_calloc(count, sizeof *norms);
    double *scratch = ks_calloc(count, sizeof *scratch);

    KS_CHECK(norms != NULL && scratch != NULL, KS_ERR_NOMEM, "scores");
    for (size_t i = 0; i < count; i++) {
        norms[i] = session->deliveries[i].norm;
    }
    ks_fl_score_norms(norms, count, scratch, out_scores);
out:
    ks_free(norms);
    ks_free(scratch);
    return err;
}

enum ks_err ks_monitor_fl_suspects(struct ks_monitor *monitor,
                                   const struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    const bool by_norm = ks_bytes_is(session->order.plan.rule.aggregate, "mean");
    struct ks_fl_score *scores = NULL;

    if (monitor->fl.suspicion == 0 || session->delivered == 0) {
        return KS_OK;
    }
    scores = ks_calloc(session->delivered, sizeof *scores);
    KS_CHECK(scores != NULL, KS_ERR_NOMEM, "scores");
    KS_TRY(by_norm ? score_norms(session, scores) : KS_OK);
    for (size_t i = 0; i < session->delivered; i++) {
        const struct ks_delivery *delivery = &session->deliveries[i];
        struct ks_suspect suspect = {
            .device = ks_bytes_text(delivery->device),
            .round = session->last,
            .reason = ks_bytes_text(by_norm ? ks_fl_suspicion_word(scores[i].reason)
                                            : delivery->reason),
            .norm = delivery->norm,
            .score = by_norm ? scores[i].score : delivery->suspicion,
        };

        if (suspect.score >= monitor->fl.suspicion) {
            ks_copy(suspect.record, delivery->record, sizeof suspect.record);
            ks_copy(suspect.session, session->id, sizeof suspect.session);
            KS_TRY(raise(monitor, session, delivery, &suspect));
        }
    }
out:
    ks_free(scores);
    return err;
}

/* u16 count, for each: lp16 entry. What does not fit is told by the next answer. */
void ks_monitor_fl_alerts_put(struct ks_monitor *monitor, struct ks_buf *out)
{
    struct ks_reader reader = ks_reader_of(ks_buf_view(&monitor->fl_alerts), "alerts");
    const unsigned count =
        monitor->fl_alert_count < TOLD_MAX ? monitor->fl_alert_count : TOLD_MAX;
    struct ks_buf rest;

    ks_buf_init(&rest, monitor->fl_alerts.max);
    ks_buf_put_u16(out, (uint16_t)count);
    for (unsigned i = 0; i < monitor->fl_alert_count; i++) {
        struct ks_bytes entry = {0};

        KS_ASSERT(ks_read_lp16(&reader, KS_ENTRY_BYTES_MAX, &entry) == KS_OK);
        ks_buf_put_lp16(i < count ? out : &rest, entry);
    }
    ks_buf_done(&monitor->fl_alerts);
    monitor->fl_alerts = rest;
    monitor->fl_alert_count -= count;
}
