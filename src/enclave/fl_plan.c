/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/fl_plan.h"

#include "fl/robust.h"

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
