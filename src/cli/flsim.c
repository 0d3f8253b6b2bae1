/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Opening a session, and its rounds by the state machine of fl/round.h. Buffers:
 * flsim_async.c. */

#include "cli/flsim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/philox.h"
#include "cli/flsim_work.h"
#include "crypto/digest.h"
#include "fl/seal.h"

#define TICK_US  1000000 /* of the simulated clock: one round is one tick */
#define TRAIN_US (10 * TICK_US)

void ks_flsim_draw(const struct ks_flsim_plan *plan, enum ks_flsim_draw purpose, uint64_t a,
                   uint64_t b, uint32_t out_words[4])
{
    const uint32_t key[2] = {(uint32_t)plan->seed ^ (uint32_t)purpose << 24,
                             (uint32_t)(plan->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b,
                                 (uint32_t)(b >> 32)};

    ks_philox(key, counter, out_words);
}

double ks_flsim_uniform(const struct ks_flsim_plan *plan, enum ks_flsim_draw purpose,
                        uint64_t a, uint64_t b)
{
    uint32_t words[4];

    ks_flsim_draw(plan, purpose, a, b, words);
    return (words[0] + 0.5) / 4294967296.0;
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err numbers(size_t count, float **out_numbers)
{
    *out_numbers = ks_calloc_huge(count, sizeof **out_numbers);
    return *out_numbers != NULL ? KS_OK : ks_fail(KS_ERR_NOMEM, "%zu numbers", count);
}

static enum ks_err check_plan(const struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_plan *plan = sim->plan;
    const size_t rows =
        (plan->wanted + plan->bucket - 1) / (plan->bucket < 1 ? 1 : plan->bucket);
    struct ks_fl_needs needs = {0};

    KS_CHECK(plan->count >= 1 && plan->count <= KS_FL_CLIENTS_MAX, KS_ERR_LIMIT,
             "%zu clients, at most %d", plan->count, KS_FL_CLIENTS_MAX);
    KS_CHECK(plan->attackers <= plan->count, KS_ERR_USAGE, "%zu attackers among %zu clients",
             plan->attackers, plan->count);
    KS_CHECK(plan->dropout >= 0 && plan->dropout < 1, KS_ERR_USAGE,
             "a dropout from 0 to below 1");
    KS_CHECK(!ks_flsim_knows(plan->attack) || plan->invited == plan->wanted, KS_ERR_USAGE,
             "%s knows what all send: as many updates as are invited",
             ks_flsim_attack_word(plan->attack));
    for (size_t i = 1; i < plan->count; i++) {
        KS_CHECK(ks_bytes_compare(plan->clients[i - 1].name, plan->clients[i].name) < 0,
                 KS_ERR_USAGE, "clients are not in the order of their names");
    }
    if (ks_flsim_keeps_rows(plan)) {
        KS_TRY(ks_fl_robust_needs(&plan->robust, rows, sim->params, &needs));
        KS_CHECK(needs.bytes <= sim->spec.memory_max, KS_ERR_LIMIT,
                 "rule '%s' over %zu rows of %zu numbers takes %llu MiB, at most %llu",
                 ks_fl_rule_word(plan->robust.rule), rows, sim->params,
                 (unsigned long long)(needs.bytes >> 20),
                 (unsigned long long)(sim->spec.memory_max >> 20));
    }
out:
    return err;
}

static enum ks_err take_memory(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_plan *plan = sim->plan;
    const uint64_t update_max = ks_fl_update_bytes_max(sim->params);

    KS_TRY(ks_flsim_state_init(&sim->state, plan->count, sim->params));
    KS_TRY(numbers(sim->params, &sim->change));
    KS_TRY(numbers(sim->params, &sim->control_change));
    KS_TRY(numbers(ks_flsim_memories(plan) * sim->params, &sim->memory));
    if (ks_flsim_keeps_rows(plan)) {
        KS_TRY(numbers(plan->wanted * sim->params, &sim->rows));
        KS_TRY(numbers(sim->params, &sim->center));
    }
    if (ks_flsim_knows(plan->attack)) {
        sim->honest = ks_calloc_huge(KS_FLSIM_HONEST * sim->params, sizeof *sim->honest);
        KS_CHECK(sim->honest != NULL, KS_ERR_NOMEM, "%zu numbers", sim->params);
    }
    if (ks_flsim_is_async(plan)) {
        KS_TRY(numbers(sim->params, &sim->version));
        sim->flights = ks_calloc(plan->concurrent + 1, sizeof *sim->flights);
        KS_CHECK(sim->flights != NULL, KS_ERR_NOMEM, "%u clients", plan->concurrent);
    }
    sim->order = ks_calloc(plan->count, sizeof *sim->order);
    sim->scores = ks_calloc(plan->count, sizeof *sim->scores);
    KS_CHECK(sim->order != NULL && sim->scores != NULL, KS_ERR_NOMEM, "%zu clients",
             plan->count);
    ks_buf_init(&sim->payload, update_max);
    ks_buf_init(&sim->update, update_max);
    ks_buf_init(&sim->opened, update_max);
    ks_buf_init(&sim->sealed, update_max + KS_FL_SEALED_OVERHEAD);
    ks_buf_init(&sim->kem_public, KS_KEM_PUBLIC_LEN_MAX);
    ks_buf_init(&sim->scratch,
                ks_flsim_state_max(plan->count, sim->params) + 16 * (uint64_t)sim->params);
out:
    return err;
}

static enum ks_err take_model(struct ks_flsim *sim, struct ks_bytes first)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server_params params = sim->plan->server;
    float *values = NULL;

    ks_buf_init(&sim->file, first.len);
    ks_buf_put(&sim->file, first);
    KS_TRY(ks_buf_check(&sim->file));
    KS_TRY(ks_fl_model_read(ks_buf_view(&sim->file), KS_FL_PARAMS_MAX, &sim->model));
    sim->params = sim->model.params;
    params.params = sim->params;
    KS_TRY(numbers(sim->params, &values));
    ks_fl_model_values(&sim->model, values);
    KS_TRY(ks_fl_server_new(&params, values, &sim->server));
out:
    ks_free(values);
    return err;
}

enum ks_err ks_flsim_write_model(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct ks_buf file;

    ks_buf_init(&file, sim->file.len);
    ks_fl_model_write(&sim->model, ks_fl_server_model(sim->server), &file);
    KS_TRY(ks_buf_check(&file));
    KS_TRY(ks_fl_model_read(ks_buf_view(&file), sim->params, &sim->model));
    ks_buf_done(&sim->file);
    sim->file = file;
    ks_buf_init(&file, 0); /* transferred */
out:
    ks_buf_done(&file);
    return err;
}

/* Opens the records, and cuts off those that the state does not know. */
static enum ks_err open_records(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_fs *fs = sim->spec.fs;

    KS_TRY(fs->open(fs->context, KS_FLSIM_RECORDS, &sim->records));
    KS_TRY(fs->truncate(sim->records, sim->state.records_len));
out:
    return err;
}

static enum ks_err begin_or_load(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;

    err = ks_fs_load(sim->spec.fs, KS_FLSIM_STATE, sim->scratch.max, &sim->scratch);
    if (err == KS_ERR_NOT_FOUND) {
        ks_sha256(sim->plan->text, sim->state.plan);
        KS_TRY(ks_random(sim->state.secret, sizeof sim->state.secret));
        KS_TRY(open_records(sim));
        KS_TRY(ks_flsim_record_begin(sim));
        KS_TRY(ks_flsim_server_save(sim));
        KS_TRY(ks_flsim_commit(sim));
        return KS_OK;
    }
    KS_TRY(err);
    KS_TRY(ks_flsim_load(sim));
    KS_TRY(open_records(sim));
out:
    return err;
}

enum ks_err ks_flsim_open(const struct ks_flsim_spec *spec, struct ks_flsim **out_sim)
{
    enum ks_err err = KS_OK;
    struct ks_flsim *sim = ks_calloc(1, sizeof *sim);
    uint8_t hash[KS_SHA256_LEN];

    KS_CHECK(sim != NULL, KS_ERR_NOMEM, "a simulation");
    sim->spec = *spec;
    sim->plan = spec->plan;
    ks_sha256(sim->plan->text, hash);
    ks_copy(sim->session, hash, sizeof sim->session);
    KS_TRY(take_model(sim, spec->first));
    KS_TRY(check_plan(sim));
    KS_TRY(take_memory(sim));
    KS_TRY(begin_or_load(sim));
    sim->committed_us = ks_clock_monotonic_us();
    *out_sim = sim;
    sim = NULL; /* transferred */
out:
    ks_flsim_close(sim);
    return err;
}

void ks_flsim_close(struct ks_flsim *sim)
{
    if (sim == NULL) {
        return;
    }
    if (sim->records != NULL) {
        sim->spec.fs->close(sim->records);
    }
    ks_flsim_state_done(&sim->state);
    ks_fl_server_free(sim->server);
    ks_fl_round_free(sim->round);
    ks_fl_buffer_free(sim->buffer);
    ks_fl_accumulator_free(sim->sum);
    ks_fl_accumulator_free(sim->controls);
    ks_fl_buckets_free(sim->buckets);
    ks_kem_key_free(sim->kem);
    ks_free(sim->center);
    ks_free(sim->order);
    ks_free(sim->flights);
    ks_free(sim->version);
    ks_free(sim->rows);
    ks_free(sim->honest);
    ks_free(sim->scores);
    ks_free(sim->change);
    ks_free(sim->control_change);
    ks_free(sim->memory);
    ks_buf_done(&sim->file);
    ks_buf_done(&sim->payload);
    ks_buf_done(&sim->update);
    ks_buf_done(&sim->sealed);
    ks_buf_done(&sim->opened);
    ks_buf_done(&sim->kem_public);
    ks_buf_done(&sim->scratch);
    ks_free(sim);
}

struct ks_fl_subject ks_flsim_subject(const struct ks_flsim *sim)
{
    struct ks_fl_subject subject = {.round = sim->state.ended + 1,
                                    .params = (uint32_t)sim->params};

    ks_copy(subject.session, sim->session, sizeof subject.session);
    ks_copy(subject.parent, sim->model.hash, sizeof subject.parent);
    ks_copy(subject.shape, sim->model.shape, sizeof subject.shape);
    return subject;
}

/* --- a round ------------------------------------------------------------------------------ */

static uint64_t now_of(const struct ks_flsim *sim)
{
    return (sim->state.ended + 1) * TICK_US * 20;
}

static enum ks_err apply(struct ks_flsim *sim, enum ks_fl_event_kind kind, size_t client,
                         const uint8_t *update)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event event = {.kind = kind, .now_us = now_of(sim)};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    if (client < sim->plan->count) {
        event.client = sim->plan->clients[client].name;
        event.samples = sim->plan->clients[client].samples;
    }
    if (update != NULL) {
        ks_copy(event.update, update, sizeof event.update);
    }
    if (kind == KS_FL_EVENT_AGGREGATED && sim->metric.known) {
        event.has_metric = true;
        event.metric = sim->metric.classes ? sim->metric.accuracy : -sim->metric.loss;
    }
    answer = ks_fl_round_apply(sim->round, &event);
    KS_CHECK(answer == KS_FL_ANSWER_OK || answer == KS_FL_ANSWER_AGAIN ||
                 answer == KS_FL_ANSWER_LATE || answer == KS_FL_ANSWER_HAS_LEFT,
             KS_ERR_INTERNAL, "the round answers: %s", ks_fl_answer_words(answer));
out:
    return err;
}

static size_t client_of(const struct ks_flsim *sim, const char *name)
{
    size_t low = 0;
    size_t high = sim->plan->count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (ks_bytes_compare(sim->plan->clients[middle].name, ks_bytes_text(name)) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    KS_ASSERT(ks_bytes_is(sim->plan->clients[low].name, name));
    return low;
}

static enum ks_fl_phase phase_of(const struct ks_flsim *sim)
{
    struct ks_fl_round_status status;

    ks_fl_round_status(sim->round, &status);
    return status.phase;
}

static bool leaves(const struct ks_flsim *sim, size_t client)
{
    return ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_LEAVE, sim->state.ended, client) <
           sim->plan->dropout;
}

/* Everyone joins who is asked, some leave again; then all train. */
static enum ks_err begin_round(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_plan *plan = sim->plan;
    struct ks_fl_round *last = sim->round;
    struct ks_fl_round_params params = {
        .seed = plan->seed,
        .selection = plan->selection,
        .invited = plan->invited,
        .wanted = plan->wanted,
        .updates_min = plan->updates_min,
        .samples_max = plan->samples_max,
        .prepare_us = TRAIN_US,
        .train_us = TRAIN_US,
        .patience = plan->patience,
        .gain_min = plan->gain_min,
        .subject = ks_flsim_subject(sim),
    };
    struct ks_fl_round *round = NULL;
    size_t count = 0;

    KS_TRY(ks_fl_round_new(&params, plan->clients, plan->count,
                           last != NULL && phase_of(sim) == KS_FL_COMPLETED ? last : NULL,
                           now_of(sim), &round));
    ks_fl_round_free(last);
    sim->round = round;
    sim->state.began_us = ks_clock_us();
    sim->state.refused = 0;
    sim->state.members_count = 0;
    sim->uploaded = 0;
    KS_TRY(ks_flsim_gather_begin(sim, &params.subject));
    count = ks_fl_round_participants(sim->round);
    for (size_t i = 0; i < count; i++) {
        const size_t client = client_of(sim, ks_fl_round_participant(sim->round, i)->name);

        KS_TRY(apply(sim, KS_FL_EVENT_JOIN, client, NULL));
    }
    for (size_t i = 0; i < count; i++) {
        const size_t client = client_of(sim, ks_fl_round_participant(sim->round, i)->name);

        KS_TRY(leaves(sim, client) ? apply(sim, KS_FL_EVENT_LEAVE, client, NULL) : KS_OK);
    }
out:
    return err;
}

struct arrival {
    double at;
    uint32_t client;
};

static int by_time(const void *left, const void *right)
{
    const struct arrival *a = left;
    const struct arrival *b = right;

    return (a->at > b->at) - (a->at < b->at);
}

/* In which order updates come: drawn anew for each round; who knows what others send is last.
 */
static enum ks_err draw_order(struct ks_flsim *sim)
{
    const size_t count = ks_fl_round_participants(sim->round);
    struct arrival *arrivals = ks_calloc(count, sizeof *arrivals);

    if (arrivals == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu participants", count);
    }
    sim->order_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ks_fl_participant *participant = ks_fl_round_participant(sim->round, i);
        const size_t client = client_of(sim, participant->name);
        const bool last =
            ks_flsim_knows(sim->plan->attack) && ks_flsim_attacks(sim->plan, client);

        if (participant->standing == KS_FL_JOINED) {
            arrivals[sim->order_count++] = (struct arrival){
                (last ? 1 : 0) +
                    ks_flsim_uniform(sim->plan, KS_FLSIM_DRAW_ORDER, sim->state.ended, client),
                (uint32_t)client};
        }
    }
    qsort(arrivals, sim->order_count, sizeof *arrivals, by_time);
    for (size_t i = 0; i < sim->order_count; i++) {
        sim->order[i] = arrivals[i].client;
    }
    ks_free(arrivals);
    return KS_OK;
}

static enum ks_err take_turns(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_about about = {.round = sim->state.ended + 1,
                                   .subject = ks_fl_round_params(sim->round)->subject,
                                   .model = ks_fl_server_model(sim->server)};

    KS_TRY(draw_order(sim));
    for (size_t i = 0; i < sim->order_count && phase_of(sim) == KS_FL_TRAINING; i++) {
        const struct ks_flsim_member *newest = NULL;
        bool counts = false;

        about.client = sim->order[i];
        about.weight = sim->plan->clients[about.client].samples;
        KS_TRY(ks_flsim_turn(sim, &about, &counts));
        newest = counts ? &sim->state.members[sim->state.members_count - 1] : NULL;
        KS_TRY(apply(sim, counts ? KS_FL_EVENT_UPDATE : KS_FL_EVENT_LEAVE, about.client,
                     counts ? newest->update : NULL));
        KS_TRY(ks_flsim_commit_some(sim));
    }
out:
    return err;
}

static void forget_updates(const struct ks_flsim *sim)
{
    char name[KS_FLSIM_NAME];

    for (size_t i = 0; ks_flsim_keeps_rows(sim->plan) && i < sim->plan->count; i++) {
        (void)snprintf(name, sizeof name, "update-%zu", i);
        /* Space alone: nothing names it any more. */
        (void)sim->spec.fs->unlink(sim->spec.fs->context, name);
    }
}

/* The model that the members make, and what it is worth. */
static enum ks_err make_model(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_hooks *hooks = sim->spec.hooks;

    KS_TRY(ks_flsim_aggregate(sim));
    if (hooks->evaluate != NULL) {
        KS_TRY(hooks->evaluate(hooks->context, sim->state.ended + 1,
                               ks_fl_server_model(sim->server), &sim->metric));
    }
    KS_TRY(sim->buffer != NULL ? ks_fl_buffer_flush(sim->buffer)
                               : apply(sim, KS_FL_EVENT_AGGREGATED, SIZE_MAX, sim->model.hash));
out:
    return err;
}

static const char *outcome_of(const struct ks_flsim *sim)
{
    struct ks_fl_round_status status = {.phase = KS_FL_COMPLETED};

    if (sim->round != NULL) {
        ks_fl_round_status(sim->round, &status);
    }
    return status.phase == KS_FL_COMPLETED ? "completed" : ks_fl_failure_words(status.failure);
}

/* The round is over: the model that it makes, its records, then all of that at once. */
static enum ks_err end_round(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    uint8_t parent[KS_FL_HASH_LEN];

    ks_copy(parent, sim->model.hash, sizeof parent);
    sim->metric = (struct ks_flsim_metric){.known = false};
    if (sim->buffer != NULL || phase_of(sim) == KS_FL_AGGREGATING) {
        KS_TRY(make_model(sim));
    }
    KS_TRY(ks_flsim_record_round(sim, parent, outcome_of(sim)));
    sim->state.ended++;
    sim->state.began_us = 0;
    sim->state.members_count = 0;
    KS_TRY(ks_flsim_server_save(sim));
    KS_TRY(ks_flsim_commit(sim));
    forget_updates(sim);
out:
    return err;
}

enum ks_err ks_flsim_round(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;

    if (ks_flsim_is_async(sim->plan)) {
        KS_TRY(ks_flsim_fill_buffer(sim));
    } else {
        KS_TRY(sim->state.began_us == 0 ? begin_round(sim) : KS_OK);
        KS_TRY(phase_of(sim) == KS_FL_TRAINING ? take_turns(sim) : KS_OK);
    }
    KS_TRY(end_round(sim));
out:
    return ks_fail_prefix(err, "round %llu", (unsigned long long)sim->state.ended + 1);
}

/* --- what there is ------------------------------------------------------------------------ */

uint64_t ks_flsim_rounds(const struct ks_flsim *sim)
{
    return sim->state.ended;
}

size_t ks_flsim_counted(const struct ks_flsim *sim)
{
    return sim->state.members_count;
}

bool ks_flsim_is_over(const struct ks_flsim *sim)
{
    struct ks_fl_round_status status = {.stop_early = false};

    if (sim->round != NULL) {
        ks_fl_round_status(sim->round, &status);
    }
    return sim->state.ended >= sim->plan->rounds ||
           (sim->state.began_us == 0 && status.stop_early);
}

const float *ks_flsim_model(const struct ks_flsim *sim)
{
    return ks_fl_server_model(sim->server);
}

struct ks_bytes ks_flsim_file(const struct ks_flsim *sim)
{
    return ks_buf_view(&sim->file);
}
