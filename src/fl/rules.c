/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/rules.h"

#include <math.h>

#include "fl/rules_state.h"

static const char *const words[KS_FL_SERVER_RULES] = {
#define SERVER_WORD(name, word) [KS_FL_##name] = word,
    KS_FL_SERVER_LIST(SERVER_WORD)
#undef SERVER_WORD
};

const char *ks_fl_server_word(enum ks_fl_server_rule rule)
{
    KS_ASSERT((unsigned)rule < KS_FL_SERVER_RULES);
    return words[rule];
}

enum ks_err ks_fl_server_rule_of(struct ks_bytes word, enum ks_fl_server_rule *out_rule)
{
    for (unsigned i = 0; i < KS_FL_SERVER_RULES; i++) {
        if (ks_bytes_is(word, words[i])) {
            *out_rule = (enum ks_fl_server_rule)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "no server rule '%.*s'", (int)(word.len < 64 ? word.len : 64),
                   (const char *)word.data);
}

struct ks_fl_server_params ks_fl_server_defaults(enum ks_fl_server_rule rule, size_t params)
{
    const bool adaptive = ks_fl_server_has_second(rule);

    return (struct ks_fl_server_params){
        .rule = rule,
        .params = params,
        .rate = adaptive ? 0.01 : 1,
        .beta1 = rule == KS_FL_FEDAVG || rule == KS_FL_SCAFFOLD || rule == KS_FL_FEDADAGRAD
                     ? 0
                     : 0.9,
        .beta2 = 0.99,
        .tau = 1e-3,
    };
}

bool ks_fl_server_takes_beta1(enum ks_fl_server_rule rule)
{
    return rule == KS_FL_FEDAVGM || ks_fl_server_has_second(rule);
}

bool ks_fl_server_takes_beta2(enum ks_fl_server_rule rule)
{
    return rule == KS_FL_FEDADAM || rule == KS_FL_FEDYOGI;
}

bool ks_fl_server_takes_tau(enum ks_fl_server_rule rule)
{
    return ks_fl_server_has_second(rule);
}

/* --- life --------------------------------------------------------------------------------- */

static bool is_share(double value)
{
    return value >= 0 && value < 1 && !signbit(value);
}

static bool is_above_zero(double value)
{
    return value > 0 && isfinite(value);
}

enum ks_err ks_fl_server_check_params(const struct ks_fl_server_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK((unsigned)params->rule < KS_FL_SERVER_RULES, KS_ERR_USAGE, "no such server rule");
    KS_CHECK(params->params >= 1 && params->params <= KS_FL_PARAMS_MAX, KS_ERR_LIMIT,
             "server: %zu parameters, 1 to %zu", params->params, KS_FL_PARAMS_MAX);
    KS_CHECK(is_above_zero(params->rate), KS_ERR_USAGE, "server: a rate that is not above 0");
    KS_CHECK(is_share(params->beta1) && is_share(params->beta2), KS_ERR_USAGE,
             "server: a beta outside of 0 to 1");
    KS_CHECK(is_above_zero(params->tau), KS_ERR_USAGE, "server: a tau that is not above 0");
    KS_CHECK((params->rule == KS_FL_SCAFFOLD) == (params->clients > 0), KS_ERR_USAGE,
             "server: the number of all clients is for scaffold, which needs it");
out:
    return err;
}

enum ks_err ks_fl_server_alloc(const struct ks_fl_server_params *params,
                               struct ks_fl_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server *server = ks_calloc(1, sizeof *server);

    KS_CHECK(server != NULL, KS_ERR_NOMEM, "server: out of memory");
    server->params = *params;
    server->model = ks_calloc_huge(params->params, sizeof *server->model);
    server->next[0] = ks_calloc_huge(params->params, sizeof *server->model);
    KS_CHECK(server->model != NULL && server->next[0] != NULL, KS_ERR_NOMEM,
             "server: out of memory");
    if (ks_fl_server_has_first(params->rule)) {
        server->first = ks_calloc_huge(params->params, sizeof *server->first);
        server->next[1] = ks_calloc_huge(params->params, sizeof *server->first);
        KS_CHECK(server->first != NULL && server->next[1] != NULL, KS_ERR_NOMEM,
                 "server: out of memory");
    }
    if (ks_fl_server_has_second(params->rule)) {
        server->second = ks_calloc_huge(params->params, sizeof *server->second);
        server->next[2] = ks_calloc_huge(params->params, sizeof *server->second);
        KS_CHECK(server->second != NULL && server->next[2] != NULL, KS_ERR_NOMEM,
                 "server: out of memory");
    }
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_fl_server_free(server);
    return err;
}

enum ks_err ks_fl_server_new(const struct ks_fl_server_params *params, const float *model,
                             struct ks_fl_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_fl_server *server = NULL;

    KS_TRY(ks_fl_server_check_params(params));
    KS_TRY(ks_fl_check_finite(model, params->params));
    KS_TRY(ks_fl_server_alloc(params, &server));
    ks_copy(server->model, model, params->params * sizeof *model);
    for (size_t i = 0; server->second != NULL && i < params->params; i++) {
        server->second[i] = (float)(params->tau * params->tau);
    }
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_fl_server_free(server);
    return err;
}

void ks_fl_server_free(struct ks_fl_server *server)
{
    if (server == NULL) {
        return;
    }
    ks_free(server->model);
    ks_free(server->first);
    ks_free(server->second);
    for (size_t i = 0; i < 3; i++) {
        ks_free(server->next[i]);
    }
    ks_free(server);
}

const struct ks_fl_server_params *ks_fl_server_params(const struct ks_fl_server *server)
{
    return &server->params;
}

uint64_t ks_fl_server_steps(const struct ks_fl_server *server)
{
    return server->steps;
}

const float *ks_fl_server_model(const struct ks_fl_server *server)
{
    return server->model;
}

const float *ks_fl_server_control(const struct ks_fl_server *server)
{
    return server->params.rule == KS_FL_SCAFFOLD ? server->first : NULL;
}

/* --- a step ------------------------------------------------------------------------------- */

struct step {
    struct ks_fl_server *server;
    const float *change;
    const float *control_change;
    double participation; /* participants / clients */
    struct ks_fl_slices slices;
    bool finite[KS_FL_SLICES];
};

/* Where a number of the state goes to, from where it stood. */
struct numbers {
    float model;
    float first;
    float second;
};

static struct numbers moved(const struct step *step, size_t i)
{
    const struct ks_fl_server_params *params = &step->server->params;
    const double change = (double)step->change[i];
    const double square = change * change;
    const double model = (double)step->server->model[i];
    const double before = step->server->first == NULL ? 0 : (double)step->server->first[i];
    double second = step->server->second == NULL ? 0 : (double)step->server->second[i];
    double first = params->beta1 * before + (1 - params->beta1) * change;

    switch (params->rule) {
    case KS_FL_FEDAVG:
        return (struct numbers){(float)(model + params->rate * change), 0, 0};
    case KS_FL_SCAFFOLD:
        return (struct numbers){
            (float)(model + params->rate * change),
            (float)(before + step->participation * (double)step->control_change[i]), 0};
    case KS_FL_FEDAVGM:
        first = params->beta1 * before + change;
        return (struct numbers){(float)(model + params->rate * first), (float)first, 0};
    case KS_FL_FEDADAGRAD:
        second += square;
        break;
    case KS_FL_FEDADAM:
        second = params->beta2 * second + (1 - params->beta2) * square;
        break;
    default: /* FedYogi */
        second -=
            (1 - params->beta2) * square * (double)((second > square) - (second < square));
        break;
    }
    return (struct numbers){
        (float)(model + params->rate * first / (sqrt(second) + params->tau)), (float)first,
        (float)second};
}

static void step_slice(void *context, size_t slice)
{
    struct step *step = context;
    struct ks_fl_server *server = step->server;
    const size_t end = ks_fl_slice_begin(&step->slices, slice + 1, server->params.params);
    bool finite = true;

    for (size_t i = ks_fl_slice_begin(&step->slices, slice, server->params.params); i < end;
         i++) {
        const struct numbers numbers = moved(step, i);

        server->next[0][i] = numbers.model;
        finite = finite && isfinite(numbers.model) && isfinite(numbers.first) &&
                 isfinite(numbers.second);
        if (server->first != NULL) {
            server->next[1][i] = numbers.first;
        }
        if (server->second != NULL) {
            server->next[2][i] = numbers.second;
        }
    }
    step->finite[slice] = finite;
}

static void exchange(float **a, float **b)
{
    float *const was = *a;

    *a = *b;
    *b = was;
}

static enum ks_err check_step(const struct ks_fl_server *server, const float *change,
                              const float *control_change, uint32_t participants)
{
    enum ks_err err = KS_OK;
    const bool scaffold = server->params.rule == KS_FL_SCAFFOLD;

    KS_CHECK(scaffold == (control_change != NULL) &&
                 (scaffold ? participants >= 1 && participants <= server->params.clients
                           : participants == 0),
             KS_ERR_USAGE, "server: control changes and participants are for scaffold");
    KS_TRY(ks_fl_check_finite(change, server->params.params));
    if (control_change != NULL) {
        KS_TRY(ks_fl_check_finite(control_change, server->params.params));
    }
out:
    return err;
}

enum ks_err ks_fl_server_step(struct ks_fl_server *server, const float *change,
                              const float *control_change, uint32_t participants,
                              struct ks_pool *pool)
{
    enum ks_err err = KS_OK;
    struct step step = {
        .server = server,
        .change = change,
        .control_change = control_change,
        .slices = ks_fl_slices_of(server->params.params),
    };

    KS_TRY(check_step(server, change, control_change, participants));
    if (control_change != NULL) {
        step.participation = (double)participants / (double)server->params.clients;
    }
    ks_pool_run(pool, step_slice, &step, step.slices.count);
    for (size_t i = 0; i < step.slices.count; i++) {
        KS_CHECK(step.finite[i], KS_ERR_FORMAT,
                 "server: this change makes a model of numbers "
                 "that are not finite");
    }
    exchange(&server->model, &server->next[0]);
    exchange(&server->first, &server->next[1]);
    exchange(&server->second, &server->next[2]);
    server->steps++;
out:
    return err;
}
