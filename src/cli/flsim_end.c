/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* From members to a model: sums, rows and buckets of a round, its rule, the server's step. */

#include "cli/flsim_work.h"
#include "crypto/digest.h"

static struct ks_fl_buckets_params buckets_params(const struct ks_flsim *sim,
                                                  const uint8_t context[KS_FL_HASH_LEN])
{
    struct ks_fl_buckets_params params = {
        .sum = {.params = sim->params,
                .width = KS_FL_WIDTH_64,
                .fraction_bits = KS_FL_FRACTION_BITS},
        .clients = sim->plan->wanted,
        .size = sim->plan->bucket,
        .seed = sim->plan->seed ^ sim->state.ended << 32,
    };

    ks_copy(params.sum.context, context, KS_FL_HASH_LEN);
    return params;
}

static void gather_end(struct ks_flsim *sim)
{
    ks_fl_accumulator_free(sim->sum);
    ks_fl_accumulator_free(sim->controls);
    ks_fl_buckets_free(sim->buckets);
    sim->sum = NULL;
    sim->controls = NULL;
    sim->buckets = NULL;
}

enum ks_err ks_flsim_gather_begin(struct ks_flsim *sim, const struct ks_fl_subject *subject)
{
    enum ks_err err = KS_OK;
    struct ks_fl_accumulator_params params = {.params = sim->params,
                                              .width = KS_FL_WIDTH_64,
                                              .fraction_bits = KS_FL_FRACTION_BITS,
                                              .members_max = sim->plan->wanted};
    struct ks_fl_buckets_params buckets;

    gather_end(sim);
    ks_fl_update_context(subject, params.context);
    if (sim->plan->bucket > 1) {
        buckets = buckets_params(sim, params.context);
        KS_TRY(ks_fl_buckets_new(&buckets, &sim->buckets));
    } else if (!ks_flsim_keeps_rows(sim->plan)) {
        KS_TRY(ks_fl_accumulator_new(&params, &sim->sum));
    }
    if (sim->plan->server.rule == KS_FL_SCAFFOLD) {
        KS_TRY(ks_fl_accumulator_new(&params, &sim->controls));
    }
    if (sim->honest != NULL) {
        ks_zero(sim->honest, KS_FLSIM_HONEST * sim->params * sizeof *sim->honest);
        sim->honest_count = 0;
    }
    ks_zero(sim->scores, sim->plan->count * sizeof *sim->scores);
out:
    return err;
}

/* --- rules -------------------------------------------------------------------------------- */

/* What the server's own data say, to sim->control_change, which is free now. */
static enum ks_err train_root(struct ks_flsim *sim)
{
    struct ks_flsim_turn turn = {.client = sim->plan->count,
                                 .round = sim->state.ended + 1,
                                 .model = ks_fl_server_model(sim->server),
                                 .change = sim->control_change};

    KS_ASSERT(sim->spec.hooks->root != NULL);
    return sim->spec.hooks->root(sim->spec.hooks->context, &turn);
}

static size_t row_of(const struct ks_flsim *sim, size_t member)
{
    return sim->buckets == NULL ? member : ks_fl_buckets_of(sim->buckets, member);
}

/* Each member's score is its row's, or that of its bucket with an equal part of its share. */
static void share_scores(struct ks_flsim *sim, const struct ks_fl_score *scores,
                         const size_t *which, size_t count)
{
    const size_t members = sim->state.members_count;

    for (size_t k = 0; k < count; k++) {
        unsigned occupants = 0;

        for (size_t i = 0; i < members; i++) {
            occupants += row_of(sim, i) == which[k];
        }
        for (size_t i = 0; i < members; i++) {
            if (row_of(sim, i) == which[k]) {
                sim->scores[i] = scores[k];
                sim->scores[i].share /= occupants;
            }
        }
    }
}

/* The rule over rows, to sim->change. */
static enum ks_err apply_rule(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const size_t room = sim->plan->wanted;
    const float **rows = ks_calloc(room, sizeof(float *));
    size_t *which = ks_calloc(room, sizeof *which);
    struct ks_fl_score *scores = ks_calloc(room, sizeof *scores);
    struct ks_fl_robust_input input = {
        {rows, sim->state.members_count, sim->params}, sim->center, sim->control_change};

    KS_CHECK(rows != NULL && which != NULL && scores != NULL, KS_ERR_NOMEM, "%zu rows", room);
    for (size_t i = 0; i < room; i++) {
        which[i] = i;
    }
    if (sim->buckets != NULL) {
        KS_TRY(ks_fl_buckets_means(sim->buckets, sim->rows, which, &input.rows.count));
    }
    for (size_t i = 0; i < input.rows.count; i++) {
        rows[i] = sim->rows + i * sim->params;
    }
    if (sim->plan->robust.rule == KS_FL_FLTRUST) {
        KS_TRY(train_root(sim));
    } else {
        input.root = NULL;
    }
    KS_TRY(ks_fl_robust_aggregate(&sim->plan->robust, &input, sim->spec.pool, sim->change,
                                  scores));
    share_scores(sim, scores, which, input.rows.count);
out:
    ks_free(rows);
    ks_free(which);
    ks_free(scores);
    return err;
}

enum ks_err ks_flsim_aggregate(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const float *control_change = NULL;
    uint32_t participants = 0;

    if (sim->sum != NULL) {
        KS_TRY(ks_fl_accumulator_mean(
            sim->sum, sim->buffer != NULL ? ks_fl_buffer_divisor(sim->buffer) : 0,
            sim->change));
    } else {
        KS_TRY(apply_rule(sim));
    }
    if (sim->controls != NULL) {
        KS_TRY(ks_fl_accumulator_mean(sim->controls, 0, sim->control_change));
        control_change = sim->control_change;
        participants = (uint32_t)sim->state.members_count;
    }
    KS_TRY(ks_fl_server_step(sim->server, sim->change, control_change, participants,
                             sim->spec.pool));
    if (sim->center != NULL) {
        ks_copy(sim->center, sim->change, sim->params * sizeof *sim->center);
    }
    KS_TRY(ks_flsim_write_model(sim));
out:
    return err;
}
