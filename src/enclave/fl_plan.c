/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/fl_plan.h"

#include "base/tensors.h"
#include "crypto/aead.h"
#include "fl/model.h"
#include "fl/state.h"

_Static_assert(KS_TENSORS_BYTES_MAX == KS_AEAD_LEN_MAX, "one limit in what is said");

#define WORKER_BYTES ((uint64_t)64 << 20) /* of a worker's address space: program, stack */

static enum ks_err find_server(struct ks_bytes word, enum ks_fl_server_rule *out_rule)
{
    enum ks_err err = KS_OK;

    KS_CHECK(!ks_bytes_is(word, "fedbuff"), KS_ERR_UNAVAILABLE,
             "this site has rounds alone, so no 'fedbuff', which has none");
    err = ks_fl_server_rule_of(word, out_rule);
    KS_TRY(err == KS_ERR_USAGE ? ks_fail(KS_ERR_UNAVAILABLE, "%s", ks_err_detail()) : err);
    KS_CHECK(*out_rule != KS_FL_SCAFFOLD, KS_ERR_UNAVAILABLE,
             "this site has no 'scaffold': devices send no controls");
out:
    return err;
}

/* FIGURE of that NAME, where the rule TAKES it; else it has to be 0, and OTHER is used. */
static enum ks_err take_figure(const char *name, bool takes, double figure, double other,
                               double *out_figure)
{
    if (!takes && figure != 0) {
        return ks_fail(KS_ERR_FORMAT, "rule: '%s' is nothing to this server rule", name);
    }
    *out_figure = takes ? figure : other;
    return KS_OK;
}

enum ks_err ks_fl_plan_server(const struct ks_fl_plan *plan,
                              struct ks_fl_server_params *out_server)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan_rule *rule = &plan->rule;
    enum ks_fl_server_rule kind = KS_FL_FEDAVG;
    struct ks_fl_server_params server;

    KS_TRY(find_server(rule->server, &kind));
    server = ks_fl_server_defaults(kind, (size_t)plan->params);
    server.rate = rule->rate;
    KS_TRY(take_figure("beta1", ks_fl_server_takes_beta1(kind), rule->beta1, server.beta1,
                       &server.beta1));
    KS_TRY(take_figure("beta2", ks_fl_server_takes_beta2(kind), rule->beta2, server.beta2,
                       &server.beta2));
    KS_TRY(
        take_figure("tau", ks_fl_server_takes_tau(kind), rule->tau, server.tau, &server.tau));
    err = ks_fl_server_check_params(&server);
    KS_TRY(err == KS_ERR_USAGE ? ks_fail(KS_ERR_FORMAT, "%s", ks_err_detail()) : err);
    *out_server = server;
out:
    return err;
}

bool ks_fl_plan_keeps_aggregate(const struct ks_fl_plan *plan)
{
    return ks_bytes_is(plan->rule.aggregate, ks_fl_rule_word(KS_FL_RFA)) ||
           ks_bytes_is(plan->rule.aggregate, ks_fl_rule_word(KS_FL_CENTERED_CLIP));
}

bool ks_fl_plan_remembers(const struct ks_fl_plan *plan)
{
    return ks_fl_plan_keeps_aggregate(plan) ||
           !ks_bytes_is(plan->rule.server, ks_fl_server_word(KS_FL_FEDAVG));
}

/* --- what it takes ------------------------------------------------------------------------ */

static uint64_t model_max(const struct ks_fl_plan *plan)
{
    return KS_FL_MODEL_HEADER_MAX + 8 + sizeof(float) * plan->params;
}

static uint64_t state_bytes(const struct ks_fl_plan *plan,
                            const struct ks_fl_server_params *server)
{
    return ks_fl_plan_remembers(plan)
               ? ks_fl_state_bytes((size_t)plan->params, ks_fl_plan_keeps_aggregate(plan),
                                   server->rule)
               : 0;
}

uint64_t ks_fl_plan_update_max(const struct ks_fl_plan *plan)
{
    return ks_bytes_is(plan->local.encoding, ks_fl_encoding_word(KS_FL_TOPK))
               ? ks_fl_update_bytes_max((size_t)plan->params)
               : model_max(plan); /* of each number 4 bytes at most */
}

enum ks_err ks_fl_plan_needs(const struct ks_fl_plan *plan,
                             const struct ks_fl_gather_params *gather, uint64_t *out_bytes)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server_params server;
    uint64_t bytes = 0;
    uint64_t state = 0;
    uint64_t checkpoint = 0;
    uint64_t end = 0;

    KS_TRY(ks_fl_plan_server(plan, &server));
    KS_TRY(ks_fl_gather_needs(gather, (size_t)plan->updates_min, &bytes));
    state = state_bytes(plan, &server);
    /* Always there: the parent, as a file and as numbers; its memory; an update, sealed and
     * open. A worker that goes on from a checkpoint has no update yet, but a second sum. */
    bytes += WORKER_BYTES + 2 * model_max(plan) + state + 2 * ks_fl_plan_update_max(plan);
    checkpoint = 2 * ks_fl_gather_checkpoint_max(gather); /* sealed and open */
    end = 2 * model_max(plan) + 3 * state; /* what comes of both; the memory sealed and open */
    *out_bytes = bytes + (checkpoint > end ? checkpoint : end);
out:
    return err;
}

enum ks_err ks_fl_plan_fits(const struct ks_fl_plan *plan,
                            const struct ks_fl_gather_params *gather)
{
    enum ks_err err = KS_OK;
    const bool topk = ks_bytes_is(plan->local.encoding, ks_fl_encoding_word(KS_FL_TOPK));
    const struct ks_fl_encode encode = {.encoding = topk ? KS_FL_TOPK : KS_FL_F32,
                                        .keep = (size_t)plan->local.keep};
    struct ks_fl_server_params server;

    KS_TRY(ks_fl_plan_server(plan, &server));
    KS_CHECK(plan->samples_max <= ks_fl_gather_weight_max(gather), KS_ERR_LIMIT,
             "'samples_max': at most %u, or a few devices fill a sum and shut out the others",
             ks_fl_gather_weight_max(gather));
    KS_CHECK(model_max(plan) <= KS_TENSORS_BYTES_MAX &&
                 state_bytes(plan, &server) <= KS_AEAD_LEN_MAX &&
                 ks_fl_gather_checkpoint_max(gather) <= KS_AEAD_LEN_MAX &&
                 ks_fl_update_bytes(ks_fl_encoded_bytes_max(&encode, (size_t)plan->params)) <=
                     KS_AEAD_LEN_MAX,
             KS_ERR_LIMIT,
             "of %llu numbers its model, an update, a sum or what its rules remember is over "
             "%zu bytes",
             (unsigned long long)plan->params, KS_AEAD_LEN_MAX);
out:
    return err;
}
