/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl create, start, pause, resume, stop, status, fetch: federated learning as an operator
 * orders it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/tensors.h"
#include "base/text.h"
#include "cli/learning.h"
#include "cli/pages.h"
#include "client/fl.h"
#include "fl/gather.h"
#include "fl/model.h"
#include "fl/rules.h"
#include "learn/model.h"
#include "record/record.h"

#define STATUS_MAX (8 * 1024 * 1024)
#define TARGET_MAX 192
#define PAGE_JOBS  200
#define PAGES_MAX  (KS_FL_ROUNDS_MAX / PAGE_JOBS + 1)

static const struct ks_json_limits status_limits = {.len_max = STATUS_MAX,
                                                    .nodes_max = 1024 * 1024};

/* --- what a site says of a session -------------------------------------------------------- */

static enum ks_err print_line(const struct ks_json *session)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes state = {0};
    struct ks_bytes created = {0};
    struct ks_bytes reason = {0};
    struct ks_bytes name = {0};
    uint64_t last = 0;
    uint64_t ordered = 0;

    KS_TRY(ks_json_get_string(session, "session", &id));
    KS_TRY(ks_json_get_string(session, "name", &name));
    KS_TRY(ks_json_get_u64(session, "rounds_ordered", KS_FL_ROUNDS_MAX, &ordered));
    KS_TRY(ks_json_get_string(session, "state", &state));
    KS_TRY(ks_json_get_string(session, "created_at", &created));
    KS_TRY(ks_json_get_string(session, "reason", &reason));
    ks_cli_print("%.*s\t%.*s\t%.*s\t", (int)id.len, (const char *)id.data, (int)state.len,
                 (const char *)state.data, (int)created.len, (const char *)created.data);
    if (ks_json_find(session, "last") != NULL) { /* of the list of all */
        KS_TRY(ks_json_get_u64(session, "last", KS_FL_ROUNDS_MAX, &last));
        ks_cli_print("%llu of ", (unsigned long long)last);
    }
    ks_cli_print("%llu rounds\t%.*s%s%.*s\n", (unsigned long long)ordered, (int)name.len,
                 (const char *)name.data, ks_bytes_is(reason, "none") ? "" : "\t",
                 ks_bytes_is(reason, "none") ? 0 : (int)reason.len, (const char *)reason.data);
out:
    return err;
}

/* The rule by its name, and what it is told that is no default. */
static enum ks_err print_rule(const struct ks_json *session)
{
    static const char *const names[] = {"attackers",  "bucket", "bound",    "keep",
                                        "iterations", "radius", "smoothing"};
    enum ks_err err = KS_OK;
    const struct ks_json *rule = NULL;
    const struct ks_json *number = NULL;
    struct ks_bytes word = {0};
    double value = 0;

    KS_TRY(ks_json_get(session, "rule", KS_JSON_OBJECT, &rule));
    KS_TRY(ks_json_get_string(rule, "aggregate", &word));
    ks_cli_print("  rule %.*s", (int)word.len, (const char *)word.data);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        KS_TRY(ks_json_get(rule, names[i], KS_JSON_NUMBER, &number));
        KS_TRY(ks_json_double(number, &value));
        if (value != 0) {
            ks_cli_print(", %s %.10g", names[i], value);
        }
    }
    ks_cli_print("\n");
out:
    return err;
}

static enum ks_err print_round(const struct ks_json *round)
{
    enum ks_err err = KS_OK;
    struct ks_bytes phase = {0};
    struct ks_bytes failure = {0};
    uint64_t number = 0;
    uint64_t count = 0;

    KS_TRY(ks_json_get_u64(round, "round", KS_JSON_INTEGER_MAX, &number));
    KS_TRY(ks_json_get_u64(round, "count", KS_JSON_INTEGER_MAX, &count));
    KS_TRY(ks_json_get_string(round, "phase", &phase));
    KS_TRY(ks_json_get_string(round, "failure", &failure));
    ks_cli_print("  round %llu\t%.*s\t%llu updates%s%.*s\n", (unsigned long long)number,
                 (int)phase.len, (const char *)phase.data, (unsigned long long)count,
                 ks_bytes_is(failure, "none") ? "" : "\t",
                 ks_bytes_is(failure, "none") ? 0 : (int)failure.len,
                 (const char *)failure.data);
out:
    return err;
}

/* One session with its rounds, or the list of all. */
static enum ks_err print_status(const struct ks_cli *cli, struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *list = NULL;

    if (cli->json) {
        return ks_cli_print_json(answer);
    }
    KS_TRY(ks_json_parse(ks_buf_view(answer), &status_limits, &doc));
    list = ks_json_find(ks_json_root(doc), "sessions");
    if (list != NULL) {
        for (size_t i = 0; i < ks_json_count(list); i++) {
            KS_TRY(print_line(ks_json_at(list, i)));
        }
    } else {
        KS_TRY(print_line(ks_json_root(doc)));
        KS_TRY(print_rule(ks_json_root(doc)));
        list = ks_json_find(ks_json_root(doc), "rounds");
        for (size_t i = 0; list != NULL && i < ks_json_count(list); i++) {
            KS_TRY(print_round(ks_json_at(list, i)));
        }
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

static enum ks_err get_status(struct ks_operator *op, const char *session, struct ks_buf *out)
{
    char target[TARGET_MAX];

    (void)snprintf(target, sizeof target, "/v1/fl/sessions%s%s", session == NULL ? "" : "/",
                   session == NULL ? "" : session);
    return ks_operator_get(op, target, out);
}

/* --- create ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The devices of --device, ascending, each once. */
static enum ks_err read_devices(const struct ks_cli *cli, struct ks_fl_names *out_names)
{
    const char *const *given = NULL;
    const unsigned count = ks_cli_many(cli, "device", &given);
    const char *sorted[KS_CLI_VALUES_MAX];

    out_names->names = ks_calloc(count + 1, sizeof *out_names->names);
    if (out_names->names == NULL) {
        return ks_fail(KS_ERR_NOMEM, "devices");
    }
    for (unsigned i = 0; i < count; i++) {
        sorted[i] = given[i];
    }
    qsort((void *)sorted, count, sizeof sorted[0], compare_names);
    for (unsigned i = 0; i < count; i++) {
        if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0) {
            out_names->names[out_names->count++] = ks_bytes_text(sorted[i]);
        }
    }
    return KS_OK;
}

static enum ks_err read_local(const struct ks_cli *cli, struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_fl_plan_local *local = &plan->local;

    local->encoding = ks_bytes_text(ks_cli_text(cli, "encoding"));
    local->optimiser = ks_bytes_text(ks_cli_text(cli, "optimiser"));
    KS_TRY(ks_cli_number(cli, "batch", KS_JSON_INTEGER_MAX, &local->batch));
    KS_TRY(ks_cli_number(cli, "epochs", KS_JSON_INTEGER_MAX, &local->epochs));
    KS_TRY(ks_cli_real(cli, "clip-norm", &local->clip_norm));
    KS_TRY(ks_cli_real(cli, "momentum", &local->momentum));
    KS_TRY(ks_cli_real(cli, "proximal", &local->proximal));
    KS_TRY(ks_cli_real(cli, "rate", &local->rate));
    KS_TRY(ks_cli_real(cli, "weight-decay", &local->weight_decay));
    if (ks_bytes_is(local->encoding, "topk")) {
        KS_CHECK(ks_cli_text(cli, "topk") != NULL, KS_ERR_USAGE,
                 "--encoding topk: needs --topk");
        KS_TRY(ks_cli_number(cli, "topk", plan->params, &local->keep));
        KS_CHECK(local->keep >= 1, KS_ERR_USAGE, "--topk: at least 1");
    } else {
        KS_CHECK(ks_cli_text(cli, "topk") == NULL, KS_ERR_USAGE,
                 "--topk: is for --encoding topk");
    }
out:
    return err;
}

/* Flag NAME where the rule TAKES it, or else DEFAULT_VALUE; 0 for what it does not take. */
static enum ks_err read_figure(const struct ks_cli *cli, const char *name, bool takes,
                               double default_value, double *out_value)
{
    enum ks_err err = KS_OK;

    KS_CHECK(takes || ks_cli_text(cli, name) == NULL, KS_ERR_USAGE,
             "--%s: is nothing to --server %s", name, ks_cli_text(cli, "server"));
    *out_value = takes ? default_value : 0;
    KS_TRY(ks_cli_text(cli, name) == NULL ? KS_OK : ks_cli_real(cli, name, out_value));
out:
    return err;
}

static enum ks_err read_server(const struct ks_cli *cli, struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_fl_plan_rule *rule = &plan->rule;
    enum ks_fl_server_rule kind = KS_FL_FEDAVG;
    struct ks_fl_server_params defaults;

    rule->server = ks_bytes_text(ks_cli_text(cli, "server"));
    KS_CHECK(!ks_bytes_is(rule->server, "fedbuff") && !ks_bytes_is(rule->server, "scaffold"),
             KS_ERR_UNAVAILABLE, "--server: a site has no '%s'", ks_cli_text(cli, "server"));
    KS_TRY(ks_fail_prefix(ks_fl_server_rule_of(rule->server, &kind), "--server"));
    defaults = ks_fl_server_defaults(kind, (size_t)plan->params);
    KS_TRY(read_figure(cli, "server-rate", true, defaults.rate, &rule->rate));
    KS_TRY(read_figure(cli, "beta1", ks_fl_server_takes_beta1(kind), defaults.beta1,
                       &rule->beta1));
    KS_TRY(read_figure(cli, "beta2", ks_fl_server_takes_beta2(kind), defaults.beta2,
                       &rule->beta2));
    KS_TRY(read_figure(cli, "tau", ks_fl_server_takes_tau(kind), defaults.tau, &rule->tau));
out:
    return err;
}

/* How devices are chosen, and when it is enough. */
static enum ks_err read_selection(const struct ks_cli *cli, struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes kind = ks_bytes_text(ks_cli_text(cli, "select"));

    plan->weighted = ks_bytes_is(kind, "weighted");
    KS_CHECK(plan->weighted || ks_bytes_is(kind, "random"), KS_ERR_USAGE,
             "--select: random or weighted");
    KS_TRY(ks_cli_number(cli, "select-seed", KS_JSON_INTEGER_MAX, &plan->seed));
    KS_TRY(ks_cli_number(cli, "patience", KS_FL_ROUNDS_MAX, &plan->patience));
    KS_TRY(ks_cli_real(cli, "gain-min", &plan->gain_min));
    KS_CHECK(plan->patience > 0 || plan->gain_min == 0, KS_ERR_USAGE,
             "--gain-min: is for sessions with --patience");
out:
    return err;
}

/* How updates become a model. Whether the site has such a rule, and holds with so many updates,
 * it says itself. */
static enum ks_err read_rule(const struct ks_cli *cli, struct ks_fl_plan_rule *rule)
{
    enum ks_err err = KS_OK;

    rule->aggregate = ks_bytes_text(ks_cli_text(cli, "rule"));
    KS_CHECK(ks_text_is_name(rule->aggregate, KS_UPDATE_WORD_MAX), KS_ERR_USAGE,
             "--rule: '%s' is no rule", ks_cli_text(cli, "rule"));
    KS_TRY(ks_cli_number(cli, "attackers", KS_FL_DEVICES_MAX, &rule->attackers));
    KS_TRY(ks_cli_number(cli, "bucket", KS_FL_DEVICES_MAX, &rule->bucket));
    KS_TRY(ks_cli_number(cli, "keep", KS_FL_DEVICES_MAX, &rule->keep));
    KS_TRY(ks_cli_number(cli, "iterations", UINT32_MAX, &rule->iterations));
    KS_TRY(ks_cli_real(cli, "bound", &rule->bound));
    KS_TRY(ks_cli_real(cli, "radius", &rule->radius));
    KS_TRY(ks_cli_real(cli, "smoothing", &rule->smoothing));
out:
    return err;
}

/* Once updates and rule are known. */
static enum ks_err read_samples(const struct ks_cli *cli, struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_fl_gather_params gather = {.members_max = (size_t)plan->wanted,
                                         .bucket = (unsigned)plan->rule.bucket};

    KS_TRY(ks_cli_number(cli, "samples-max", KS_UPDATE_SAMPLES_MAX, &plan->samples_max));
    if (plan->samples_max == 0) {
        plan->samples_max =
            ks_fl_rule_of(plan->rule.aggregate, &gather.robust.rule) == KS_OK
                ? ks_fl_gather_weight_max(&gather)
                : KS_UPDATE_SAMPLES_MAX; /* the site says that it has no such rule */
    }
out:
    return err;
}

/* NAME, or OTHER where it was not given. */
static enum ks_err read_count(const struct ks_cli *cli, const char *name, uint64_t other,
                              uint64_t *out_value)
{
    *out_value = other;
    return ks_cli_text(cli, name) == NULL
               ? KS_OK
               : ks_cli_number(cli, name, KS_JSON_INTEGER_MAX, out_value);
}

static enum ks_err read_plan(const struct ks_cli *cli, const struct ks_fl_model *model,
                             struct ks_fl_plan *plan)
{
    enum ks_err err = KS_OK;

    plan->model = ks_bytes_text(ks_cli_text(cli, "name"));
    plan->params = model->params;
    ks_copy(plan->parent, model->hash, sizeof plan->parent);
    ks_copy(plan->shape, model->shape, sizeof plan->shape);
    KS_TRY(read_devices(cli, &plan->devices));
    KS_TRY(ks_cli_number(cli, "rounds", KS_FL_ROUNDS_MAX, &plan->rounds));
    KS_TRY(ks_cli_number(cli, "updates", KS_FL_DEVICES_MAX, &plan->wanted));
    KS_TRY(read_count(cli, "invite", plan->wanted, &plan->invited));
    KS_TRY(read_count(cli, "updates-min", plan->wanted, &plan->updates_min));
    KS_TRY(ks_cli_number(cli, "prepare", KS_FL_SECONDS_MAX, &plan->prepare_s));
    KS_TRY(ks_cli_number(cli, "train", KS_FL_SECONDS_MAX, &plan->train_s));
    KS_TRY(read_selection(cli, plan));
    KS_TRY(read_local(cli, plan));
    KS_TRY(read_rule(cli, &plan->rule));
    KS_TRY(read_samples(cli, plan));
    KS_TRY(read_server(cli, plan));
out:
    return err;
}

enum ks_err ks_command_fl_create(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_fl_model model;
    struct ks_fl_plan plan = {0};
    struct ks_buf file;
    struct ks_buf answer;
    const char *first = ks_cli_text(cli, "first");
    uint8_t session[KS_SESSION_LEN];
    uint8_t hash[32];

    ks_buf_init(&file, KS_TENSORS_BYTES_MAX);
    ks_buf_init(&answer, STATUS_MAX);
    KS_CHECK(first != NULL || cli->operand_count > 0, KS_ERR_USAGE, "missing operand: MODEL");
    KS_CHECK(first == NULL || cli->operand_count == 0 || ks_cli_from_file(cli, "first"),
             KS_ERR_USAGE, "--first: there is an operand already");
    first = cli->operand_count > 0 ? cli->operands[0] : first;
    KS_TRY(ks_file_read(first, KS_TENSORS_BYTES_MAX, &file));
    KS_TRY(ks_fail_prefix(ks_fl_model_read(ks_buf_view(&file), KS_FL_NUMBERS_MAX, &model), "%s",
                          first));
    KS_TRY(ks_fail_prefix(ks_model_check_order(ks_buf_view(&file)), "%s", first));
    KS_TRY(read_plan(cli, &model, &plan));
    KS_TRY(ks_learning_operator(cli, &op));
    ks_cli_progress(cli, "%s: sending, %zu bytes", first, file.len);
    KS_TRY(ks_operator_fl_publish(op, ks_buf_view(&file), hash));
    KS_TRY(ks_random(session, sizeof session));
    KS_TRY(ks_operator_fl_order(op, KS_FL_VERB_CREATE, session, &plan, &answer));
    KS_TRY(print_status(cli, &answer));
out:
    ks_operator_close(op);
    ks_free(plan.devices.names);
    ks_buf_done(&file);
    ks_buf_done(&answer);
    return err;
}

/* --- the others --------------------------------------------------------------------------- */

enum ks_err ks_command_fl_order(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_buf answer;
    uint8_t session[KS_SESSION_LEN];
    unsigned verb = KS_FL_VERB_START;

    ks_buf_init(&answer, STATUS_MAX);
    while (strcmp(ks_fl_verb_name((enum ks_fl_verb)verb), cli->command->verb) != 0) {
        verb++;
        KS_ASSERT(verb < KS_FL_VERBS);
    }
    KS_TRY(ks_learning_session(cli->operands[0], session));
    KS_TRY(ks_learning_operator(cli, &op));
    KS_TRY(ks_operator_fl_order(op, (enum ks_fl_verb)verb, session, NULL, &answer));
    KS_TRY(print_status(cli, &answer));
out:
    ks_operator_close(op);
    ks_buf_done(&answer);
    return err;
}

enum ks_err ks_command_fl_status(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_buf answer;
    uint8_t session[KS_SESSION_LEN];
    const char *name = cli->operand_count > 0 ? cli->operands[0] : NULL;

    ks_buf_init(&answer, STATUS_MAX);
    KS_TRY(name == NULL ? KS_OK : ks_learning_session(name, session));
    KS_CHECK(name != NULL || !ks_cli_switch(cli, "watch"), KS_ERR_USAGE,
             "--watch: missing operand: SESSION");
    KS_TRY(ks_learning_operator(cli, &op));
    KS_TRY(ks_cli_switch(cli, "watch") ? ks_learning_watch(cli, op) : KS_OK);
    KS_TRY(get_status(op, name, &answer));
    KS_TRY(print_status(cli, &answer));
out:
    ks_operator_close(op);
    ks_buf_done(&answer);
    return err;
}

/* The model that the session's next round would begin with. */
static enum ks_err read_model(const struct ks_buf *answer, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(ks_buf_view(answer), &status_limits, &doc));
    KS_TRY(ks_json_get_hex(ks_json_root(doc), "model", out_hash, 32));
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

enum ks_err ks_command_fl_fetch(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_buf answer;
    struct ks_buf file;
    uint8_t session[KS_SESSION_LEN];
    uint8_t hash[32];

    ks_buf_init(&answer, STATUS_MAX);
    ks_buf_init(&file, KS_TENSORS_BYTES_MAX);
    KS_TRY(ks_learning_session(cli->operands[0], session));
    KS_TRY(ks_learning_operator(cli, &op));
    KS_TRY(get_status(op, cli->operands[0], &answer));
    KS_TRY(read_model(&answer, hash));
    KS_TRY(ks_operator_fl_model(op, hash, &file));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&file)));
out:
    ks_operator_close(op);
    ks_buf_done(&answer);
    ks_buf_done(&file);
    return err;
}

/* --- records of rounds -------------------------------------------------------------------- */

static enum ks_err print_record(const struct ks_json *job)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes created = {0};
    struct ks_bytes state = {0};

    KS_TRY(ks_json_get_string(job, "id", &id));
    KS_TRY(ks_json_get_string(job, "created_at", &created));
    KS_TRY(ks_json_get_string(job, "state", &state));
    ks_cli_print("%.*s %.*s %.*s\n", (int)id.len, (const char *)id.data, (int)created.len,
                 (const char *)created.data, (int)state.len, (const char *)state.data);
out:
    return err;
}

enum ks_err ks_command_fl_records(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    char path[TARGET_MAX];
    const struct ks_pages pages = {
        .path = path, .limit = PAGE_JOBS, .most = PAGES_MAX, .items = "jobs"};
    const struct ks_pages_shown shown = {.print = print_record, .schema = "ketseal.job-list/1"};

    KS_TRY(ks_learning_open(cli, &op));
    (void)snprintf(path, sizeof path, "/v1/fl/sessions/%s/records", cli->operands[0]);
    KS_TRY(ks_pages_print(cli, op, &pages, &shown));
out:
    ks_operator_close(op);
    return err;
}

/* An operator pins no site: what comes is checked by `ketseal verify` with a policy. */
enum ks_err ks_command_fl_record(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_buf bundle;
    char target[TARGET_MAX];

    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(ks_text_is_uuid(ks_bytes_text(cli->operands[0])), KS_ERR_USAGE,
             "'%s' is no job id", cli->operands[0]);
    (void)snprintf(target, sizeof target, "/v1/fl/records/%s/bundle", cli->operands[0]);
    KS_TRY(ks_learning_operator(cli, &op));
    KS_TRY(ks_operator_get(op, target, &bundle));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&bundle)));
out:
    ks_operator_close(op);
    ks_buf_done(&bundle);
    return err;
}
