/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What operators and devices say to federated learning, and what follows from it and from time:
 * sessions, the descriptors of rounds, who takes part, which rounds want a record. */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "enclave/fl_plan.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"
#include "fl/gather.h"

_Static_assert(KS_FL_NUMBERS_MAX == KS_FL_PARAMS_MAX, "a model that an order can name");
_Static_assert(KS_UPDATE_SAMPLES_MAX == KS_FL_WEIGHT_MAX, "samples that a sum can weigh");
_Static_assert(KS_FL_DEVICES_MAX == KS_FL_CLIENTS_MAX, "candidates that a round can have");

enum ks_err ks_monitor_fl_here(const struct ks_monitor *monitor)
{
    return monitor->fl.workers > 0
               ? KS_OK
               : ks_fail(KS_ERR_UNAVAILABLE, "this site runs no federated learning");
}

enum ks_err ks_monitor_fl_session(struct ks_monitor *monitor, const uint8_t id[KS_SESSION_LEN],
                                  struct ks_rounds_session **out_session)
{
    struct ks_rounds_session *session = ks_rounds_find(monitor->state.rounds, id);

    if (session == NULL) {
        return ks_fail(KS_ERR_NOT_FOUND, "no such session of federated learning");
    }
    *out_session = session;
    return KS_OK;
}

/* --- orders ------------------------------------------------------------------------------- */

/* Whether the rule holds with as few updates as a round may end with, and its worker has the
 * memory for as many as may come. What is gathered goes to OUT_PARAMS. */
static enum ks_err check_memory(const struct ks_monitor *monitor, const struct ks_fl_plan *plan,
                                struct ks_fl_gather_params *out_params)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server_params server;
    uint64_t bytes = 0;

    KS_TRY(ks_fl_plan_server(plan, &server));
    KS_TRY(ks_fl_gather_of(plan, (uint32_t)plan->invited, out_params));
    KS_TRY(ks_fl_plan_needs(plan, out_params, &bytes));
    KS_CHECK(bytes <= monitor->fl.memory_max, KS_ERR_LIMIT,
             "its worker needs %llu MiB for %llu updates; this site gives it %llu",
             (unsigned long long)(bytes >> 20) + 1, (unsigned long long)plan->wanted,
             (unsigned long long)(monitor->fl.memory_max >> 20));
out:
    return err;
}

/* What this version does not have is refused before anything is ordered. */
static enum ks_err check_plan(const struct ks_monitor *monitor, const struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;
    enum ks_fl_encoding encoding = KS_FL_F32;
    struct ks_fl_gather_params params = {.params = 0};

    KS_CHECK(plan->params <= monitor->fl.params_max, KS_ERR_LIMIT,
             "the model has %llu numbers, this site takes %u", (unsigned long long)plan->params,
             monitor->fl.params_max);
    KS_TRY(ks_fail_prefix(check_memory(monitor, plan, &params), "rule"));
    KS_TRY(ks_fl_plan_fits(plan, &params));
    KS_TRY(ks_fail_prefix(ks_fl_encoding_of(plan->local.encoding, &encoding), "'encoding'"));
    KS_CHECK(encoding == KS_FL_TOPK ? plan->local.keep >= 1 && plan->local.keep <= plan->params
                                    : plan->local.keep == 0,
             KS_ERR_FORMAT, "local: 'keep': with 'topk' 1 to the numbers of the model, else 0");
    KS_CHECK(plan->patience > 0 || plan->gain_min == 0, KS_ERR_FORMAT,
             "'gain_min' is for sessions that have 'patience'");
out:
    return err;
}

static enum ks_err check_order(const struct ks_monitor *monitor,
                               const struct ks_fl_order *order,
                               const uint8_t channel[KS_CHANNEL_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_monitor_said said = {"order", order->site, order->channel,
                                         order->created_us};

    KS_TRY(ks_monitor_meant(monitor, &said, channel));
    KS_TRY(order->verb == KS_FL_VERB_CREATE ? check_plan(monitor, &order->plan) : KS_OK);
out:
    return err;
}

static void log_order(const struct ks_rounds_session *session, enum ks_fl_verb verb)
{
    struct ks_log_line line;
    char hex[2 * KS_SESSION_LEN + 1];

    ks_log_begin(&line, KS_LOG_INFO, "fl.ordered");
    ks_hex_encode(KS_BYTES(session->id), hex);
    ks_log_text(&line, "session", hex);
    ks_log_text(&line, "verb", ks_fl_verb_name(verb));
    ks_log_end(&line);
}

/* lp32 certificate, 32 channel, lp32 order -> lp32 session */
enum ks_err ks_monitor_fl_order(struct ks_monitor *monitor, uint32_t id,
                                struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "order frame");
    struct ks_rounds_order order = {.now_us = ks_clock_us()};
    struct ks_rounds_session *session = NULL;
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_fl_order said = {0};
    enum ks_fl_verb verb = KS_FL_VERBS;
    uint8_t channel[KS_CHANNEL_LEN];

    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_read_lp32(&reader, KS_MONITOR_CERTIFICATE_MAX, &order.certificate));
    KS_TRY(ks_read_copy(&reader, channel, sizeof channel));
    KS_TRY(ks_read_lp32(&reader, KS_FL_DOCUMENT_MAX, &order.document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_operator(monitor, order.certificate, &cert, &key, order.key_hash));
    err = ks_fl_order_read(order.document, key, &said);
    KS_TRY(err == KS_ERR_VERIFY ? KS_ERR_DENIED : err);
    KS_TRY(check_order(monitor, &said, channel));
    if (said.verb == KS_FL_VERB_AUDIT) { /* nothing changes by it */
        KS_TRY(ks_monitor_fl_session(monitor, said.session, &session));
        KS_TRY(ks_monitor_fl_audit(monitor, id, session, said.round));
        goto out;
    }
    order.key = key;
    KS_TRY(ks_rounds_order(monitor->state.rounds, &order, &session, &verb));
    log_order(session, verb);
    KS_TRY(ks_monitor_fl_answer(monitor, KS_FRAME_FL_ORDER, id, session));
out:
    ks_fl_order_done(&said);
    ks_cert_free(cert);
    ks_verify_key_free(key);
    return err;
}

/* --- a round begins ----------------------------------------------------------------------- */

/* Whether a device that is enrolled may take part (KS_RIGHT_WORK, but for its age); one that is
 * not known here may where the root's own certificates do. */
static bool may_work(const struct ks_monitor *monitor, struct ks_bytes id)
{
    const struct ks_device_entry *entry = ks_registry_find(monitor->admission.registry, id);

    if (entry == NULL) {
        return monitor->admission.rules.accept_issued;
    }
    return ks_device_state_at(entry, ks_clock_us() / 1000000) == KS_DEVICE_ACTIVE;
}

/* Those that the plan names, or all that are enrolled, as far as they may work. */
static enum ks_err find_candidates(const struct ks_monitor *monitor,
                                   const struct ks_rounds_session *session,
                                   struct ks_fl_candidate **out_candidates, size_t *out_count)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan *plan = &session->order.plan;
    const struct ks_registry *registry = monitor->admission.registry;
    const bool named = plan->devices.count > 0;
    const size_t all = named ? plan->devices.count : ks_registry_count(registry);
    struct ks_fl_candidate *candidates = ks_calloc(all + 1, sizeof *candidates);
    size_t count = 0;

    KS_CHECK(candidates != NULL, KS_ERR_NOMEM, "candidates");
    for (size_t i = 0; i < all; i++) {
        const struct ks_bytes id =
            named ? plan->devices.names[i] : ks_bytes_text(ks_registry_at(registry, i)->id);

        if (may_work(monitor, id)) {
            candidates[count++] = (struct ks_fl_candidate){id, 1};
        }
    }
    ks_rounds_weigh(session, candidates, count);
    *out_candidates = candidates;
    *out_count = count;
out:
    return err;
}

enum ks_err ks_monitor_fl_key(const struct ks_monitor *monitor,
                              const struct ks_rounds_session *session, uint64_t number,
                              struct ks_kem_key **out_key)
{
    enum ks_err err = KS_OK;
    uint8_t seed[KS_KEM_SEED_LEN];

    KS_TRY(ks_rounds_secret(monitor->state.rounds, KS_ROUNDS_KEM_LABEL, session->id, number,
                            seed, sizeof seed));
    KS_TRY(ks_kem_key_from_seed(KS_KEM_MLKEM768, KS_BYTES(seed), out_key));
out:
    ks_wipe(seed, sizeof seed);
    return err;
}

/* Who is invited, who is not, and what each weighed. The arrays are the caller's, also of a
 * failed call. */
static enum ks_err name_candidates(const struct ks_fl_round *round,
                                   const struct ks_fl_candidate *candidates, size_t count,
                                   struct ks_fl_descriptor *descriptor)
{
    enum ks_err err = KS_OK;
    const size_t invited = ks_fl_round_participants(round);
    struct ks_fl_names *selected = &descriptor->selected;
    struct ks_fl_names *others = &descriptor->passed_over;

    selected->names = ks_calloc(invited, sizeof *selected->names);
    others->names = ks_calloc(count, sizeof *others->names);
    descriptor->samples = ks_calloc(count, sizeof *descriptor->samples);
    KS_CHECK(selected->names != NULL && others->names != NULL && descriptor->samples != NULL,
             KS_ERR_NOMEM, "descriptor");
    for (size_t i = 0; i < count; i++) { /* both lists are ascending */
        const size_t next = selected->count;
        const struct ks_fl_participant *participant =
            next < invited ? ks_fl_round_participant(round, next) : NULL;

        if (participant != NULL && ks_bytes_is(candidates[i].name, participant->name)) {
            descriptor->samples[next] = candidates[i].samples;
            selected->names[selected->count++] = candidates[i].name;
        } else {
            descriptor->samples[invited + others->count] = candidates[i].samples;
            others->names[others->count++] = candidates[i].name;
        }
    }
    KS_ASSERT(selected->count == invited);
    descriptor->samples_count = descriptor->weighted ? count : 0;
out:
    return err;
}

static enum ks_err write_descriptor(struct ks_monitor *monitor,
                                    const struct ks_rounds_session *session,
                                    const struct ks_fl_round *round,
                                    const struct ks_fl_candidate *candidates, size_t count,
                                    uint64_t now_us, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan *plan = &session->order.plan;
    struct ks_kem_key *key = NULL;
    struct ks_buf kem_public;
    struct ks_fl_descriptor descriptor = {
        .created_us = now_us,
        .join_until_us = now_us + plan->prepare_s * 1000000,
        .weighted = plan->weighted,
        .seed = plan->seed,
        .local = plan->local,
        .params = plan->params,
        .round = session->last + 1,
        .rule = plan->rule,
        .samples_max = plan->samples_max,
        .site = ks_bytes_text(monitor->site.origin),
        .train_s = plan->train_s,
    };

    ks_buf_init(&kem_public, KS_KEM_PUBLIC_LEN);
    KS_TRY(name_candidates(round, candidates, count, &descriptor));
    KS_TRY(ks_monitor_fl_key(monitor, session, descriptor.round, &key));
    KS_TRY(ks_kem_key_public(key, &kem_public));
    KS_ASSERT(kem_public.len == sizeof descriptor.kem_public);
    ks_copy(descriptor.kem_public, kem_public.data, kem_public.len);
    ks_copy(descriptor.parent, session->model, sizeof descriptor.parent);
    ks_copy(descriptor.session, session->id, sizeof descriptor.session);
    ks_copy(descriptor.shape, plan->shape, sizeof descriptor.shape);
    KS_TRY(ks_fl_descriptor_write(&descriptor, monitor->keys.mldsa65, out));
out:
    ks_kem_key_free(key);
    ks_buf_done(&kem_public);
    ks_fl_descriptor_done(&descriptor);
    return err;
}

static enum ks_err begin_round(struct ks_monitor *monitor, struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    const uint64_t now_us = ks_clock_us();
    struct ks_fl_candidate *candidates = NULL;
    struct ks_fl_round *round = NULL;
    struct ks_buf descriptor;
    size_t count = 0;

    ks_buf_init(&descriptor, KS_FL_DOCUMENT_MAX);
    KS_TRY(find_candidates(monitor, session, &candidates, &count));
    if (count >= session->order.plan.updates_min) { /* else until more may work */
        KS_TRY(ks_rounds_draft(session, candidates, count, now_us, &round));
        KS_TRY(
            write_descriptor(monitor, session, round, candidates, count, now_us, &descriptor));
        err = ks_rounds_begin(monitor->state.rounds, session, round, candidates, count,
                              ks_buf_view(&descriptor), now_us);
        round = NULL; /* transferred */
    }
out:
    ks_fl_round_free(round);
    ks_free(candidates);
    ks_buf_done(&descriptor);
    return err;
}

enum ks_err ks_monitor_fl_time(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_rounds *rounds = monitor->state.rounds;
    const struct ks_fl_event tick = {.kind = KS_FL_EVENT_TICK, .now_us = ks_clock_us()};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    for (size_t i = 0; monitor->fl.workers > 0 && i < ks_rounds_count(rounds); i++) {
        struct ks_rounds_session *session = ks_rounds_at(rounds, i);

        monitor->slots[i].session = session;
        if (session->round != NULL) {
            KS_TRY(ks_rounds_event(rounds, session, &tick, &answer));
        } else if (session->state == KS_SESSION_RUNNING) {
            KS_TRY(begin_round(monitor, session));
        }
    }
out:
    return err;
}

/* --- devices ------------------------------------------------------------------------------ */

static enum ks_err check_join(const struct ks_monitor *monitor, const struct ks_fl_join *join,
                              const struct ks_monitor_device *device,
                              const uint8_t channel[KS_CHANNEL_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_monitor_said said = {"answer", join->site, join->channel, join->created_us};

    KS_CHECK(ks_bytes_is(join->device, device->name), KS_ERR_DENIED,
             "the answer names another device than the certificate");
    KS_TRY(ks_monitor_meant(monitor, &said, channel));
out:
    return err;
}

/* An answer that is no yes, as an error. */
static enum ks_err refusal(enum ks_fl_answer answer)
{
    switch (answer) {
    case KS_FL_ANSWER_OK:
    case KS_FL_ANSWER_AGAIN:
        return KS_OK;
    case KS_FL_ANSWER_NOT_INVITED:
        return ks_fail(KS_ERR_DENIED, "%s", ks_fl_answer_words(answer));
    case KS_FL_ANSWER_PAUSED:
    case KS_FL_ANSWER_EARLY:
        return ks_fail(KS_ERR_UNAVAILABLE, "%s", ks_fl_answer_words(answer));
    case KS_FL_ANSWER_SAMPLES:
        return ks_fail(KS_ERR_LIMIT, "%s", ks_fl_answer_words(answer));
    default:
        return ks_fail(KS_ERR_CONFLICT, "%s", ks_fl_answer_words(answer));
    }
}

/* The open round of SESSION, if it is number ROUND. */
static enum ks_err check_round(const struct ks_rounds_session *session, uint64_t round)
{
    if (session->round == NULL || session->last != round) {
        return ks_fail(KS_ERR_CONFLICT, "round %llu is not open; the last one is %llu",
                       (unsigned long long)round, (unsigned long long)session->last);
    }
    return KS_OK;
}

/* Whether DEVICE's update is with SESSION's worker, which would have it in its sum though the
 * device had left. */
static bool is_added_now(const struct ks_monitor *monitor,
                         const struct ks_rounds_session *session, struct ks_bytes device)
{
    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        const struct ks_fl_slot *slot = &monitor->slots[i];

        if (slot->session == session && slot->job != NULL &&
            ks_bytes_is(device, slot->job->device)) {
            return true;
        }
    }
    return false;
}

/* lp32 certificate, 32 channel, lp32 answer -> lp32 session */
enum ks_err ks_monitor_fl_join(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_signed_document document;
    struct ks_monitor_device *device = NULL;
    struct ks_rounds_session *session = NULL;
    struct ks_fl_join join = {0};
    struct ks_fl_event event = {.now_us = ks_clock_us()};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_signed_document_read(payload, "join frame", &document));
    KS_TRY(ks_monitor_device(monitor, document.certificate, KS_RIGHT_WORK, &device));
    err = ks_fl_join_read(document.document, device->key, &join);
    KS_TRY(err == KS_ERR_VERIFY ? KS_ERR_DENIED : err);
    KS_TRY(check_join(monitor, &join, device, document.channel));
    KS_TRY(ks_monitor_fl_session(monitor, join.session, &session));
    KS_TRY(check_round(session, join.round));
    KS_CHECK(!join.leaves || !is_added_now(monitor, session, join.device), KS_ERR_UNAVAILABLE,
             "an update of this device is being added; again in a moment");
    event.kind = join.leaves ? KS_FL_EVENT_LEAVE : KS_FL_EVENT_JOIN;
    event.client = join.device;
    event.samples = (uint32_t)join.samples;
    KS_TRY(ks_rounds_event(monitor->state.rounds, session, &event, &answer));
    KS_TRY(refusal(answer));
    KS_TRY(ks_monitor_fl_answer(monitor, KS_FRAME_FL_JOIN, id, session));
out:
    ks_fl_join_done(&join);
    return err;
}

/* lp32 certificate -> nothing: whose job would be refused sends nothing ahead of it. How long
 * ago it attested is asked when the job comes, since only then it is told to. */
enum ks_err ks_monitor_fl_upload(struct ks_monitor *monitor, uint32_t id,
                                 struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "upload frame");
    struct ks_monitor_device *device = NULL;
    struct ks_bytes certificate = {0};
    size_t begin = 0;

    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_read_lp32(&reader, KS_MONITOR_CERTIFICATE_MAX, &certificate));
    KS_TRY(ks_read_end(&reader));
    err = ks_monitor_device(monitor, certificate, KS_RIGHT_WORK, &device);
    KS_TRY(err == KS_ERR_STALE ? KS_OK : err);
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_FL_UPLOAD, id);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}

/* Whether UPDATE can only say that nothing has changed: in all rounds it may say so shortly. */
static bool says_nothing(const struct ks_job_update *update)
{
    return ks_bytes_is(update->encoding, ks_fl_encoding_word(KS_FL_TOPK)) &&
           update->length == ks_fl_update_bytes(4) + KS_FL_SEALED_OVERHEAD;
}

enum ks_fl_answer ks_monitor_fl_judge(const struct ks_rounds_session *session,
                                      const struct ks_monitor_job *job, uint64_t now_us)
{
    const struct ks_job_update *update = &job->body.job.update;
    struct ks_delivery offered = {.at_us = now_us,
                                  .length = update->length,
                                  .samples = (uint32_t)update->samples,
                                  .loss = update->loss};

    if (ks_fl_encoding_of(update->encoding, &offered.encoding) != KS_OK) {
        return KS_FL_ANSWER_OTHER_UPDATE; /* than any that can count */
    }
    (void)snprintf(offered.device, sizeof offered.device, "%s", job->device);
    ks_copy(offered.sealed, update->sealed, sizeof offered.sealed);
    return ks_rounds_check(session, &offered);
}

enum ks_err ks_monitor_fl_admit(struct ks_monitor *monitor, const struct ks_monitor_job *job)
{
    enum ks_err err = KS_OK;
    const struct ks_job_update *update = &job->body.job.update;
    struct ks_rounds_session *session = NULL;
    const struct ks_fl_plan *plan = NULL;

    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_monitor_fl_session(monitor, update->session, &session));
    plan = &session->order.plan;
    KS_TRY(check_round(session, update->round));
    KS_CHECK(ks_bytes_equal(KS_BYTES(update->parent), KS_BYTES(session->open.parent)),
             KS_ERR_CONFLICT, "the update is for another parent model than the round's");
    KS_CHECK(ks_bytes_equal(update->encoding, plan->local.encoding) || says_nothing(update),
             KS_ERR_CONFLICT, "the update is encoded otherwise than the round says");
    KS_CHECK(update->length <= ks_fl_plan_update_max(plan) + KS_FL_SEALED_OVERHEAD,
             KS_ERR_LIMIT, "the update is longer than the model allows");
    KS_TRY(refusal(ks_monitor_fl_judge(session, job, ks_clock_us())));
    KS_TRY(ks_rounds_room(monitor->state.rounds));
out:
    return err;
}

/* --- records of rounds -------------------------------------------------------------------- */

static bool has_job(const struct ks_monitor *monitor, const struct ks_rounds_session *session,
                    uint64_t number)
{
    for (size_t i = 0; i < monitor->jobs_used; i++) {
        const struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state != KS_MJOB_FREE && job->session == session && job->round == number) {
            return true;
        }
    }
    return false;
}

/* Body and signature of the order that made SESSION, as evidence. */
static enum ks_err take_order(const struct ks_rounds_session *session,
                              struct ks_monitor_job *job)
{
    static const struct ks_json_limits limits = {.len_max = KS_FL_DOCUMENT_MAX,
                                                 .nodes_max = KS_FL_DEVICES_MAX + 256};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse_canonical(session->document, &limits, &doc));
    ks_json_canonical(ks_json_find(ks_json_root(doc), "body"), &job->order_body);
    KS_TRY(ks_buf_check(&job->order_body));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", &job->order_signature));
out:
    ks_json_doc_free(doc);
    return err;
}

static enum ks_err name_operator(const struct ks_rounds_session *session,
                                 struct ks_monitor_job *job)
{
    enum ks_err err = KS_OK;
    struct ks_cert *cert = NULL;

    KS_TRY(ks_cert_parse_der(session->certificate, &cert));
    (void)snprintf(job->device, sizeof job->device, "%s", ks_cert_subject(cert));
    ks_buf_put(&job->certificate, session->certificate);
    KS_TRY(ks_buf_check(&job->certificate));
out:
    ks_cert_free(cert);
    return err;
}

/* 36 job id, 16 session, u64 round, lp16 operator, lp16 entry */
static enum ks_err offer(struct ks_monitor *monitor, struct ks_rounds_session *session,
                         const struct ks_round_summary *summary, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = NULL;
    struct ks_buf entry;
    uint8_t random[16];

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_monitor_job_new(monitor, &job));
    job->session = session;
    job->round = summary->number;
    KS_TRY(ks_random(random, sizeof random));
    ks_uuid_text(random, job->id);
    KS_TRY(name_operator(session, job));
    KS_TRY(take_order(session, job));
    job->before = *ks_head_log_last(monitor->heads);
    ks_buf_put(&job->start_attest, ks_buf_view(&monitor->last_attest));
    ks_buf_put(&job->start_signature, ks_buf_view(&monitor->last_signature));
    KS_TRY(ks_buf_check(&job->start_attest));
    KS_TRY(ks_buf_check(&job->start_signature));
    ks_entry_round_write(session->id, summary->number, summary->descriptor, &entry);
    KS_TRY(ks_buf_check(&entry));
    ks_buf_put(out, ks_bytes_of(job->id, KS_UUID_TEXT_LEN));
    ks_buf_put(out, KS_BYTES(session->id));
    ks_buf_put_u64(out, summary->number);
    ks_buf_put_lp16(out, ks_bytes_text(job->device));
    ks_buf_put_lp16(out, ks_buf_view(&entry));
    job = NULL; /* stays admitted */
out:
    ks_monitor_job_free(monitor, job);
    ks_buf_done(&entry);
    return err;
}

#define OFFERS_MAX 64 /* in one answer */

/* -> u16 count, for each a round that is open, or whose record is not durable yet, and that has
 * no intent of this launch: 36 job id, 16 session, u64 round, lp16 operator, lp16 entry. RUN
 * with that job id is answered with its record once it has ended. Behind them entries about
 * contributions that stood out. */
enum ks_err ks_monitor_fl_offer(struct ks_monitor *monitor, uint32_t id,
                                struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "offer frame");
    struct ks_rounds *rounds = monitor->state.rounds;
    struct ks_buf offers;
    uint16_t count = 0;
    size_t begin = 0;

    ks_buf_init(&offers, (size_t)OFFERS_MAX * 2 * KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_read_end(&reader));
    for (size_t i = 0; i < ks_rounds_count(rounds); i++) {
        struct ks_rounds_session *session = ks_rounds_at(rounds, i);

        for (size_t j = 0; j <= session->kept_count && count < OFFERS_MAX; j++) {
            const struct ks_round_summary *summary = j < session->kept_count ? &session->kept[j]
                                                     : session->round != NULL ? &session->open
                                                                              : NULL;

            if (summary != NULL && !summary->recorded && !summary->answered &&
                !has_job(monitor, session, summary->number)) {
                KS_TRY(offer(monitor, session, summary, &offers));
                count++;
            }
        }
    }
    KS_TRY(ks_buf_check(&offers));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_FL_OFFER, id);
    ks_buf_put_u16(&monitor->daemon.out, count);
    ks_buf_put(&monitor->daemon.out, ks_buf_view(&offers));
    ks_monitor_fl_alerts_put(monitor, &monitor->daemon.out);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&offers);
    return err;
}

/* 16 session, u64 round, which has ended. */
static enum ks_err read_ended(struct ks_monitor *monitor, struct ks_bytes payload,
                              struct ks_rounds_session **out_session,
                              const struct ks_round_summary **out_summary)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "round frame");
    struct ks_rounds_session *session = NULL;
    const struct ks_round_summary *summary = NULL;
    uint8_t session_id[KS_SESSION_LEN];
    uint64_t number = 0;

    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(ks_read_copy(&reader, session_id, sizeof session_id));
    KS_TRY(ks_read_u64(&reader, &number));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_fl_session(monitor, session_id, &session));
    summary = ks_rounds_summary(session, number);
    KS_CHECK(summary != NULL && (session->round == NULL || summary != &session->open),
             KS_ERR_CONFLICT, "round %llu has not ended", (unsigned long long)number);
    *out_session = session;
    *out_summary = summary;
out:
    return err;
}

/* 16 session, u64 round -> u8: whether the session has ended; lp32 list */
enum ks_err ks_monitor_fl_list(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = NULL;
    const struct ks_round_summary *summary = NULL;
    struct ks_buf list;
    size_t begin = 0;
    bool over = false;

    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    KS_TRY(read_ended(monitor, payload, &session, &summary));
    KS_TRY(ks_rounds_list(monitor->state.rounds, session, summary, &list));
    over = session->state != KS_SESSION_CREATED && session->state != KS_SESSION_RUNNING;
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_FL_LIST, id);
    ks_buf_put_u8(&monitor->daemon.out, over ? 1 : 0);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&list));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&list);
    return err;
}

/* ketseald had the record before we offered the round: what was made for another one goes. */
static void drop_job(struct ks_monitor *monitor, const struct ks_rounds_session *session,
                     uint64_t number)
{
    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_ADMITTED && job->session == session && job->round == number) {
            ks_monitor_job_free(monitor, job);
            return;
        }
    }
}

/* 16 session, u64 round -> nothing */
enum ks_err ks_monitor_fl_recorded(struct ks_monitor *monitor, uint32_t id,
                                   struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = NULL;
    const struct ks_round_summary *summary = NULL;
    size_t begin = 0;

    KS_TRY(read_ended(monitor, payload, &session, &summary));
    KS_TRY(ks_rounds_recorded(monitor->state.rounds, session, summary->number));
    drop_job(monitor, session, summary->number);
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_FL_RECORDED, id);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}
