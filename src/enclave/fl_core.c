/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The cores of the records of federated learning: of an update that was added, of a round that
 * has ended. */

#include <string.h>

#include "attest/eventlog.h"
#include "crypto/digest.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"

_Static_assert(KS_ROUNDS_REASON_MAX == KS_UPDATE_WORD_MAX, "a reason that a record can hold");

/* What both have: the round of SUMMARY, its rule, who computes it. */
static enum ks_err begin_core(struct ks_monitor *monitor, struct ks_monitor_job *job,
                              enum ks_kind kind, const struct ks_rounds_session *session,
                              const struct ks_round_summary *summary)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan *plan = &session->order.plan;
    const uint8_t *build = ks_event_log_find(&monitor->site.event_log, KS_LAUNCH_WORKER_FL);
    struct ks_core *core = &job->core;

    KS_CHECK(build != NULL, KS_ERR_INTERNAL, "a worker of rounds that was not launched");
    ks_buf_clear(&job->parameters);
    ks_fl_plan_rule_write(&plan->rule, &job->parameters);
    KS_TRY(ks_buf_check(&job->parameters));
    *core = (struct ks_core){
        .schema = KS_RECORD_SCHEMA_FL,
        .kind = kind,
        .name = ks_bytes_text(ks_kind_name(kind)),
        .parameters = ks_buf_view(&job->parameters),
        .numerics = KS_FL_NUMERICS,
        .fl = {.round = summary->number, .params = plan->params},
    };
    ks_copy(core->build, build, sizeof core->build);
    ks_copy(core->fl.session, session->id, sizeof core->fl.session);
    ks_copy(core->fl.parent, summary->parent, sizeof core->fl.parent);
    ks_copy(core->fl.shape, plan->shape, sizeof core->fl.shape);
    ks_copy(core->fl.descriptor, summary->descriptor, sizeof core->fl.descriptor);
    ks_monitor_core_fill(monitor, job);
out:
    return err;
}

/* The kernels that ran, or, where a worker of another launch did, what ran is not known. */
static enum ks_err set_kernels(struct ks_monitor_job *job, const struct ks_fl_slot *slot)
{
    ks_buf_clear(&job->kernels);
    ks_buf_put_text(&job->kernels, slot->kernels[0] == '\0' ? "unknown" : slot->kernels);
    job->core.isa = ks_buf_view(&job->kernels);
    job->core.threads = slot->threads;
    return ks_buf_check(&job->kernels);
}

enum ks_err ks_monitor_fl_core_update(struct ks_monitor *monitor, struct ks_monitor_job *job,
                                      const struct ks_fl_slot *slot,
                                      const struct ks_delivery *delivery, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    const struct ks_job_update *asked = &job->body.job.update;
    struct ks_core *core = &job->core;
    struct ks_update_result result = {.norm = delivery->norm,
                                      .suspicion = delivery->suspicion,
                                      .reason = ks_bytes_text(delivery->reason)};

    KS_TRY(begin_core(monitor, job, KS_KIND_UPDATE, slot->session, &slot->session->open));
    core->fl.encoding = asked->encoding;
    core->fl.samples = asked->samples;
    core->fl.length = asked->length;
    ks_copy(core->fl.sealed, asked->sealed, sizeof core->fl.sealed);
    ks_copy(result.update, delivery->update, sizeof result.update);
    ks_buf_clear(&job->result);
    ks_update_result_write(&result, &job->result);
    KS_TRY(ks_buf_check(&job->result));
    core->result = ks_buf_view(&job->result);
    KS_TRY(set_kernels(job, slot));
    core->started_us = job->started_us;
    core->finished_us = ks_clock_us();
    core->created_us = core->finished_us;
    KS_TRY(ks_core_update_check(core, &job->body.job));
    KS_TRY(ks_monitor_core_close(job, out_hash));
out:
    return err;
}

enum ks_err ks_monitor_fl_core_round(struct ks_monitor *monitor, struct ks_monitor_job *job,
                                     const struct ks_fl_slot *slot,
                                     const struct ks_round_summary *summary)
{
    enum ks_err err = KS_OK;
    struct ks_core *core = &job->core;
    struct ks_round_result result = {.completed = summary->phase == KS_FL_COMPLETED,
                                     .outcome = KS_LITERAL("completed"),
                                     .count = summary->count,
                                     .samples = summary->samples,
                                     .loss = summary->loss};
    uint8_t hash[32];

    if (!result.completed) {
        result.outcome = ks_bytes_text(ks_fl_failure_words(summary->failure));
    }
    ks_copy(result.model, summary->result, sizeof result.model);
    ks_copy(result.updates, summary->updates, sizeof result.updates);
    ks_copy(result.state, summary->state, sizeof result.state);
    ks_copy(result.list, summary->list, sizeof result.list);
    KS_TRY(begin_core(monitor, job, KS_KIND_ROUND, job->session, summary));
    ks_sha256(ks_buf_view(&job->order_body), core->fl.order);
    ks_sha256(ks_buf_view(&job->order_signature), core->fl.order_signature);
    ks_buf_clear(&job->result);
    ks_round_result_write(&result, &job->result);
    KS_TRY(ks_buf_check(&job->result));
    core->result = ks_buf_view(&job->result);
    KS_TRY(set_kernels(job, slot));
    core->started_us = summary->started_us;
    core->finished_us = summary->finished_us;
    core->created_us = ks_clock_us() > core->finished_us ? ks_clock_us() : core->finished_us;
    KS_TRY(ks_monitor_core_close(job, hash));
out:
    return err;
}
