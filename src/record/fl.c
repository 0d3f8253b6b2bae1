/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/fl.h"

#include "crypto/digest.h"
#include "record/internal.h"

static const struct ks_json_limits document_limits = {.len_max = KS_FL_DOCUMENT_MAX,
                                                      .nodes_max = 2 * KS_FL_DEVICES_MAX + 256};
static const struct ks_json_limits join_limits = {.len_max = KS_FL_JOIN_MAX, .nodes_max = 32};

#define FIGURE_MAX 1e15 /* of a rule or of training: far below where JSON loses integers */

/* --- members ------------------------------------------------------------------------------ */

static enum ks_err get_count(const struct ks_json *value, const char *name, uint64_t min,
                             uint64_t max, uint64_t *out_count)
{
    enum ks_err err = KS_OK;
    uint64_t count = 0;

    KS_TRY(ks_json_get_u64(value, name, KS_JSON_INTEGER_MAX, &count));
    KS_CHECK(count >= min && count <= max, KS_ERR_LIMIT, "'%s': %llu to %llu", name,
             (unsigned long long)min, (unsigned long long)max);
    *out_count = count;
out:
    return err;
}

static enum ks_err get_figure(const struct ks_json *value, const char *name, double *out_figure)
{
    enum ks_err err = KS_OK;
    const struct ks_json *member = NULL;
    double figure = 0;

    KS_TRY(ks_json_get(value, name, KS_JSON_NUMBER, &member));
    KS_TRY(ks_json_double(member, &figure));
    KS_CHECK(figure >= 0 && figure <= FIGURE_MAX, KS_ERR_LIMIT, "'%s': 0 to %g", name,
             FIGURE_MAX);
    *out_figure = figure;
out:
    return err;
}

static enum ks_err get_word(const struct ks_json *value, const char *name,
                            struct ks_bytes *out_word)
{
    enum ks_err err = KS_OK;
    struct ks_bytes word = {0};

    KS_TRY(ks_json_get_string(value, name, &word));
    KS_CHECK(ks_text_is_name(word, KS_UPDATE_WORD_MAX), KS_ERR_FORMAT,
             "'%s': 1 to %d letters, digits, '-' and '_'", name, KS_UPDATE_WORD_MAX);
    *out_word = word;
out:
    return err;
}

static void put_figure(struct ks_json_writer *writer, const char *name, double figure)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, figure);
}

static void put_names(struct ks_json_writer *writer, const char *name,
                      const struct ks_fl_names *names)
{
    ks_json_put_key(writer, name);
    ks_json_put_array(writer);
    for (size_t i = 0; i < names->count; i++) {
        ks_json_put_string(writer, names->names[i]);
    }
    ks_json_put_end(writer);
}

/* OUT_NAMES' array is the caller's, also of a failed call. */
static enum ks_err get_names(const struct ks_json *value, const char *name,
                             struct ks_fl_names *out_names)
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;

    KS_TRY(ks_json_get(value, name, KS_JSON_ARRAY, &array));
    KS_CHECK(ks_json_count(array) <= KS_FL_DEVICES_MAX, KS_ERR_LIMIT, "'%s': over %d", name,
             KS_FL_DEVICES_MAX);
    out_names->names = ks_calloc(ks_json_count(array), sizeof *out_names->names);
    KS_CHECK(out_names->names != NULL, KS_ERR_NOMEM, "'%s'", name);
    for (size_t i = 0; i < ks_json_count(array); i++) {
        struct ks_bytes *id = &out_names->names[i];

        KS_TRY(ks_json_string(ks_json_at(array, i), id));
        KS_CHECK(ks_text_is_name(*id, KS_DEVICE_ID_MAX), KS_ERR_FORMAT,
                 "'%s': 1 to %d letters, digits, '-' and '_' each", name, KS_DEVICE_ID_MAX);
        KS_CHECK(i == 0 || ks_bytes_compare(id[-1], *id) < 0, KS_ERR_FORMAT,
                 "'%s': not in ascending order, or twice", name);
    }
    out_names->count = ks_json_count(array);
out:
    return err;
}

static const char *const selection_words[] = {[false] = "random", [true] = "weighted"};

static enum ks_err get_selection(const struct ks_json *value, bool *out_weighted)
{
    enum ks_err err = KS_OK;
    struct ks_bytes word = {0};

    KS_TRY(ks_json_get_string(value, "selection", &word));
    *out_weighted = ks_bytes_is(word, selection_words[true]);
    KS_CHECK(*out_weighted || ks_bytes_is(word, selection_words[false]), KS_ERR_FORMAT,
             "'selection': expected random or weighted");
out:
    return err;
}

static void names_done(struct ks_fl_names *names)
{
    ks_free(names->names);
    *names = (struct ks_fl_names){0};
}

/* --- plan --------------------------------------------------------------------------------- */

void ks_fl_plan_rule_put(const struct ks_fl_plan_rule *rule, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_string(writer, "aggregate", rule->aggregate);
    ks_json_member_u64(writer, "attackers", rule->attackers);
    put_figure(writer, "beta1", rule->beta1);
    put_figure(writer, "beta2", rule->beta2);
    put_figure(writer, "bound", rule->bound);
    ks_json_member_u64(writer, "bucket", rule->bucket);
    ks_json_member_u64(writer, "iterations", rule->iterations);
    ks_json_member_u64(writer, "keep", rule->keep);
    put_figure(writer, "radius", rule->radius);
    put_figure(writer, "rate", rule->rate);
    ks_json_member_string(writer, "server", rule->server);
    put_figure(writer, "smoothing", rule->smoothing);
    put_figure(writer, "tau", rule->tau);
    ks_json_put_end(writer);
}

void ks_fl_plan_rule_write(const struct ks_fl_plan_rule *rule, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_fl_plan_rule_put(rule, &writer);
}

static enum ks_err parse_rule(const struct ks_json *parent, struct ks_fl_plan_rule *rule)
{
    static const char *const names[] = {"aggregate", "attackers",  "beta1", "beta2",  "bound",
                                        "bucket",    "iterations", "keep",  "radius", "rate",
                                        "server",    "smoothing",  "tau",   NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(parent, "rule", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_only(value, names));
    KS_TRY(get_word(value, "aggregate", &rule->aggregate));
    KS_TRY(get_count(value, "attackers", 0, KS_FL_DEVICES_MAX, &rule->attackers));
    KS_TRY(get_figure(value, "beta1", &rule->beta1));
    KS_TRY(get_figure(value, "beta2", &rule->beta2));
    KS_TRY(get_figure(value, "bound", &rule->bound));
    KS_TRY(get_count(value, "bucket", 0, KS_FL_DEVICES_MAX, &rule->bucket));
    KS_TRY(get_count(value, "iterations", 0, UINT32_MAX, &rule->iterations));
    KS_TRY(get_count(value, "keep", 0, KS_FL_DEVICES_MAX, &rule->keep));
    KS_TRY(get_figure(value, "radius", &rule->radius));
    KS_TRY(get_figure(value, "rate", &rule->rate));
    KS_TRY(get_word(value, "server", &rule->server));
    KS_TRY(get_figure(value, "smoothing", &rule->smoothing));
    KS_TRY(get_figure(value, "tau", &rule->tau));
out:
    return ks_fail_prefix(err, "rule");
}

static void put_local(const struct ks_fl_plan_local *local, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "batch", local->batch);
    put_figure(writer, "clip_norm", local->clip_norm);
    ks_json_member_string(writer, "encoding", local->encoding);
    ks_json_member_u64(writer, "epochs", local->epochs);
    ks_json_member_u64(writer, "keep", local->keep);
    put_figure(writer, "momentum", local->momentum);
    ks_json_member_string(writer, "optimiser", local->optimiser);
    put_figure(writer, "proximal", local->proximal);
    put_figure(writer, "rate", local->rate);
    put_figure(writer, "weight_decay", local->weight_decay);
    ks_json_put_end(writer);
}

static enum ks_err parse_local(const struct ks_json *parent, struct ks_fl_plan_local *local)
{
    static const char *const names[] = {"batch", "clip_norm",    "encoding",  "epochs",
                                        "keep",  "momentum",     "optimiser", "proximal",
                                        "rate",  "weight_decay", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(parent, "local", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_only(value, names));
    KS_TRY(get_count(value, "batch", 1, UINT32_MAX, &local->batch));
    KS_TRY(get_figure(value, "clip_norm", &local->clip_norm));
    KS_TRY(get_word(value, "encoding", &local->encoding));
    KS_TRY(get_count(value, "epochs", 1, UINT32_MAX, &local->epochs));
    KS_TRY(get_count(value, "keep", 0, KS_FL_NUMBERS_MAX, &local->keep));
    KS_TRY(get_figure(value, "momentum", &local->momentum));
    KS_TRY(get_word(value, "optimiser", &local->optimiser));
    KS_TRY(get_figure(value, "proximal", &local->proximal));
    KS_TRY(get_figure(value, "rate", &local->rate));
    KS_TRY(get_figure(value, "weight_decay", &local->weight_decay));
out:
    return ks_fail_prefix(err, "local");
}

static void put_plan(const struct ks_fl_plan *plan, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    put_names(writer, "devices", &plan->devices);
    put_figure(writer, "gain_min", plan->gain_min);
    ks_json_member_u64(writer, "invited", plan->invited);
    ks_json_put_key(writer, "local");
    put_local(&plan->local, writer);
    ks_json_member_string(writer, "model", plan->model);
    ks_json_member_u64(writer, "params", plan->params);
    ks_json_member_hex(writer, "parent", KS_BYTES(plan->parent));
    ks_json_member_u64(writer, "patience", plan->patience);
    ks_json_member_u64(writer, "prepare_s", plan->prepare_s);
    ks_json_member_u64(writer, "rounds", plan->rounds);
    ks_json_put_key(writer, "rule");
    ks_fl_plan_rule_put(&plan->rule, writer);
    ks_json_member_u64(writer, "samples_max", plan->samples_max);
    ks_json_member_u64(writer, "seed", plan->seed);
    ks_json_member_text(writer, "selection", selection_words[plan->weighted]);
    ks_json_member_hex(writer, "shape", KS_BYTES(plan->shape));
    ks_json_member_u64(writer, "train_s", plan->train_s);
    ks_json_member_u64(writer, "updates_min", plan->updates_min);
    ks_json_member_u64(writer, "wanted", plan->wanted);
    ks_json_put_end(writer);
}

static enum ks_err parse_numbers(const struct ks_json *value, struct ks_fl_plan *plan)
{
    const struct {
        const char *name;
        uint64_t min;
        uint64_t max;
        uint64_t *target;
    } counts[] = {
        {"invited", 1, KS_FL_DEVICES_MAX, &plan->invited},
        {"params", 1, KS_FL_NUMBERS_MAX, &plan->params},
        {"patience", 0, KS_FL_ROUNDS_MAX, &plan->patience},
        {"prepare_s", 1, KS_FL_SECONDS_MAX, &plan->prepare_s},
        {"rounds", 1, KS_FL_ROUNDS_MAX, &plan->rounds},
        {"samples_max", 1, KS_UPDATE_SAMPLES_MAX, &plan->samples_max},
        {"seed", 0, KS_JSON_INTEGER_MAX, &plan->seed},
        {"train_s", 1, KS_FL_SECONDS_MAX, &plan->train_s},
        {"wanted", 1, KS_FL_DEVICES_MAX, &plan->wanted},
        {"updates_min", 1, KS_FL_DEVICES_MAX, &plan->updates_min},
    };
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        KS_TRY(
            get_count(value, counts[i].name, counts[i].min, counts[i].max, counts[i].target));
    }
    KS_TRY(get_figure(value, "gain_min", &plan->gain_min));
    KS_CHECK(plan->updates_min <= plan->wanted && plan->wanted <= plan->invited, KS_ERR_FORMAT,
             "'updates_min' is at most 'wanted', and that 'invited'");
out:
    return err;
}

static enum ks_err parse_plan(const struct ks_json *parent, struct ks_fl_plan *plan)
{
    static const char *const names[] = {
        "devices",  "gain_min",  "invited",     "local",  "model",       "params", "parent",
        "patience", "prepare_s", "rounds",      "rule",   "samples_max", "seed",   "selection",
        "shape",    "train_s",   "updates_min", "wanted", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(parent, "plan", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_only(value, names));
    KS_TRY(get_names(value, "devices", &plan->devices));
    KS_TRY(parse_local(value, &plan->local));
    KS_TRY(parse_rule(value, &plan->rule));
    KS_TRY(ks_json_get_string(value, "model", &plan->model));
    KS_CHECK(ks_text_is_name(plan->model, KS_WORKLOAD_NAME_MAX), KS_ERR_FORMAT,
             "'model': not a name");
    KS_TRY(ks_json_get_hex(value, "parent", plan->parent, sizeof plan->parent));
    KS_TRY(ks_json_get_hex(value, "shape", plan->shape, sizeof plan->shape));
    KS_TRY(get_selection(value, &plan->weighted));
    KS_TRY(parse_numbers(value, plan));
out:
    return ks_fail_prefix(err, "plan");
}

/* --- order -------------------------------------------------------------------------------- */

static const char *const verb_names[KS_FL_VERBS] = {
#define VERB_NAME(name, text) [KS_FL_VERB_##name] = (text),
    KS_FL_VERB_LIST(VERB_NAME)
#undef VERB_NAME
};

const char *ks_fl_verb_name(enum ks_fl_verb verb)
{
    KS_ASSERT((unsigned)verb < KS_FL_VERBS);
    return verb_names[verb];
}

enum ks_err ks_fl_order_write(const struct ks_fl_order *order, const struct ks_sign_key *key,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, KS_FL_DOCUMENT_MAX);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(order->channel));
    ks_document_put_time(&writer, "created_at", order->created_us);
    if (order->verb == KS_FL_VERB_CREATE) {
        ks_json_put_key(&writer, "plan");
        put_plan(&order->plan, &writer);
    }
    if (order->verb == KS_FL_VERB_AUDIT) {
        ks_json_member_u64(&writer, "round", order->round);
    }
    ks_json_member_text(&writer, "schema", "ketseal.fl-order/1");
    ks_json_member_hex(&writer, "session", KS_BYTES(order->session));
    ks_json_member_string(&writer, "site", order->site);
    ks_json_member_text(&writer, "verb", ks_fl_verb_name(order->verb));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), key, KS_CONTEXT_FL_ORDER, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err parse_verb(const struct ks_json *body, enum ks_fl_verb *out_verb)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    unsigned verb = 0;

    KS_TRY(ks_json_get_string(body, "verb", &text));
    while (verb < KS_FL_VERBS && !ks_bytes_is(text, verb_names[verb])) {
        verb++;
    }
    KS_CHECK(verb < KS_FL_VERBS, KS_ERR_FORMAT,
             "'verb': expected create, start, pause, resume, stop or audit");
    *out_verb = (enum ks_fl_verb)verb;
out:
    return err;
}

enum ks_err ks_fl_order_parse(const struct ks_json *value, struct ks_fl_order *out_order)
{
    static const char *const names[] = {"channel", "created_at", "schema", "session",
                                        "site",    "verb",       NULL};
    static const char *const names_create[] = {"channel", "created_at", "plan", "schema",
                                               "session", "site",       "verb", NULL};
    static const char *const names_audit[] = {"channel", "created_at", "round", "schema",
                                              "session", "site",       "verb",  NULL};
    enum ks_err err = KS_OK;
    struct ks_fl_order order = {0};

    KS_TRY(parse_verb(value, &order.verb));
    KS_TRY(ks_document_schema(value, "ketseal.fl-order/1",
                              order.verb == KS_FL_VERB_CREATE  ? names_create
                              : order.verb == KS_FL_VERB_AUDIT ? names_audit
                                                               : names));
    KS_TRY(ks_json_get_base64_exact(value, "channel", order.channel, sizeof order.channel));
    KS_TRY(ks_document_get_time(value, "created_at", &order.created_us));
    KS_TRY(ks_json_get_hex(value, "session", order.session, sizeof order.session));
    KS_TRY(ks_document_site(value, &order.site));
    if (order.verb == KS_FL_VERB_CREATE) {
        KS_TRY(parse_plan(value, &order.plan));
    }
    if (order.verb == KS_FL_VERB_AUDIT) {
        KS_TRY(get_count(value, "round", 1, KS_FL_ROUNDS_MAX, &order.round));
    }
    *out_order = order;
    order = (struct ks_fl_order){0}; /* transferred */
out:
    ks_fl_order_done(&order);
    return err;
}

enum ks_err ks_fl_order_read(struct ks_bytes document, const struct ks_verify_key *key,
                             struct ks_fl_order *out_order)
{
    enum ks_err err = KS_OK;
    struct ks_fl_order order = {0};
    struct ks_json_doc *doc = NULL;
    const struct ks_json *body = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    KS_TRY(
        ks_document_read_signed(document, &document_limits, &doc, &body, &message, &signature));
    KS_TRY(ks_fl_order_parse(body, &order));
    KS_TRY(ks_verify(key, KS_CONTEXT_FL_ORDER, ks_buf_view(&message), ks_buf_view(&signature)));
    ks_sha256(ks_buf_view(&message), order.digest);
    order.doc = doc;
    doc = NULL; /* transferred */
    *out_order = order;
    order = (struct ks_fl_order){0}; /* transferred */
out:
    ks_fl_order_done(&order);
    ks_json_doc_free(doc);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "order");
}

void ks_fl_order_done(struct ks_fl_order *order)
{
    names_done(&order->plan.devices);
    ks_json_doc_free(order->doc);
    *order = (struct ks_fl_order){0};
}

/* --- descriptor --------------------------------------------------------------------------- */

static void put_samples(struct ks_json_writer *writer,
                        const struct ks_fl_descriptor *descriptor)
{
    ks_json_put_key(writer, "samples");
    ks_json_put_array(writer);
    for (size_t i = 0; i < descriptor->samples_count; i++) {
        ks_json_put_u64(writer, descriptor->samples[i]);
    }
    ks_json_put_end(writer);
}

/* One for each candidate of a weighted selection. The array is the descriptor's, also of a
 * failed call. */
static enum ks_err get_samples(const struct ks_json *body, struct ks_fl_descriptor *descriptor)
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;
    const size_t candidates = descriptor->selected.count + descriptor->passed_over.count;

    KS_CHECK(candidates <= KS_FL_DEVICES_MAX, KS_ERR_LIMIT, "over %d candidates",
             KS_FL_DEVICES_MAX);
    KS_TRY(ks_json_get(body, "samples", KS_JSON_ARRAY, &array));
    KS_CHECK(ks_json_count(array) == (descriptor->weighted ? candidates : 0), KS_ERR_FORMAT,
             "'samples': one for each candidate of a weighted selection, else none");
    descriptor->samples = ks_calloc(candidates, sizeof *descriptor->samples);
    KS_CHECK(descriptor->samples != NULL, KS_ERR_NOMEM, "'samples'");
    for (size_t i = 0; i < ks_json_count(array); i++) {
        KS_TRY(ks_json_u64(ks_json_at(array, i), descriptor->samples_max,
                           &descriptor->samples[i]));
        KS_CHECK(descriptor->samples[i] >= 1, KS_ERR_LIMIT, "'samples': 1 to 'samples_max'");
    }
    descriptor->samples_count = ks_json_count(array);
out:
    return err;
}

enum ks_err ks_fl_descriptor_write(const struct ks_fl_descriptor *descriptor,
                                   const struct ks_sign_key *key, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, KS_FL_DOCUMENT_MAX);
    ks_json_put_object(&writer);
    ks_document_put_time(&writer, "created_at", descriptor->created_us);
    put_names(&writer, "devices", &descriptor->selected);
    ks_document_put_time(&writer, "join_until", descriptor->join_until_us);
    ks_json_member_base64(&writer, "kem_public", KS_BYTES(descriptor->kem_public));
    ks_json_put_key(&writer, "local");
    put_local(&descriptor->local, &writer);
    ks_json_member_u64(&writer, "params", descriptor->params);
    ks_json_member_hex(&writer, "parent", KS_BYTES(descriptor->parent));
    put_names(&writer, "passed_over", &descriptor->passed_over);
    ks_json_member_u64(&writer, "round", descriptor->round);
    ks_json_put_key(&writer, "rule");
    ks_fl_plan_rule_put(&descriptor->rule, &writer);
    put_samples(&writer, descriptor);
    ks_json_member_u64(&writer, "samples_max", descriptor->samples_max);
    ks_json_member_text(&writer, "schema", "ketseal.fl-descriptor/1");
    ks_json_member_u64(&writer, "seed", descriptor->seed);
    ks_json_member_text(&writer, "selection", selection_words[descriptor->weighted]);
    ks_json_member_hex(&writer, "session", KS_BYTES(descriptor->session));
    ks_json_member_hex(&writer, "shape", KS_BYTES(descriptor->shape));
    ks_json_member_string(&writer, "site", descriptor->site);
    ks_json_member_u64(&writer, "train_s", descriptor->train_s);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), key, KS_CONTEXT_FL_DESCRIPTOR, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err parse_descriptor(const struct ks_json *body,
                                    struct ks_fl_descriptor *descriptor)
{
    static const char *const names[] = {
        "created_at",  "devices", "join_until", "kem_public", "local",       "params", "parent",
        "passed_over", "round",   "rule",       "samples",    "samples_max", "schema", "seed",
        "selection",   "session", "shape",      "site",       "train_s",     NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_document_schema(body, "ketseal.fl-descriptor/1", names));
    KS_TRY(ks_document_get_time(body, "created_at", &descriptor->created_us));
    KS_TRY(get_names(body, "devices", &descriptor->selected));
    KS_CHECK(descriptor->selected.count > 0, KS_ERR_FORMAT, "'devices': nobody");
    KS_TRY(get_names(body, "passed_over", &descriptor->passed_over));
    KS_TRY(ks_document_get_time(body, "join_until", &descriptor->join_until_us));
    KS_TRY(ks_json_get_base64_exact(body, "kem_public", descriptor->kem_public,
                                    sizeof descriptor->kem_public));
    KS_TRY(parse_local(body, &descriptor->local));
    KS_TRY(get_count(body, "params", 1, KS_FL_NUMBERS_MAX, &descriptor->params));
    KS_TRY(ks_json_get_hex(body, "parent", descriptor->parent, sizeof descriptor->parent));
    KS_TRY(get_count(body, "round", 1, KS_FL_ROUNDS_MAX, &descriptor->round));
    KS_TRY(parse_rule(body, &descriptor->rule));
    KS_TRY(get_count(body, "samples_max", 1, KS_UPDATE_SAMPLES_MAX, &descriptor->samples_max));
    KS_TRY(get_count(body, "seed", 0, KS_JSON_INTEGER_MAX, &descriptor->seed));
    KS_TRY(get_selection(body, &descriptor->weighted));
    KS_TRY(get_samples(body, descriptor));
    KS_TRY(ks_json_get_hex(body, "session", descriptor->session, sizeof descriptor->session));
    KS_TRY(ks_json_get_hex(body, "shape", descriptor->shape, sizeof descriptor->shape));
    KS_TRY(ks_document_site(body, &descriptor->site));
    KS_TRY(get_count(body, "train_s", 1, KS_FL_SECONDS_MAX, &descriptor->train_s));
out:
    return err;
}

enum ks_err ks_fl_descriptor_read(struct ks_bytes document, const struct ks_verify_key *key,
                                  struct ks_fl_descriptor *out_descriptor)
{
    enum ks_err err = KS_OK;
    struct ks_fl_descriptor descriptor = {0};
    const struct ks_json *body = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    KS_TRY(ks_document_read_signed(document, &document_limits, &descriptor.doc, &body, &message,
                                   &signature));
    KS_TRY(parse_descriptor(body, &descriptor));
    KS_TRY(ks_verify(key, KS_CONTEXT_FL_DESCRIPTOR, ks_buf_view(&message),
                     ks_buf_view(&signature)));
    *out_descriptor = descriptor;
    descriptor = (struct ks_fl_descriptor){0}; /* transferred */
out:
    ks_fl_descriptor_done(&descriptor);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "descriptor");
}

void ks_fl_descriptor_done(struct ks_fl_descriptor *descriptor)
{
    names_done(&descriptor->selected);
    names_done(&descriptor->passed_over);
    ks_free(descriptor->samples);
    ks_json_doc_free(descriptor->doc);
    *descriptor = (struct ks_fl_descriptor){0};
}

/* --- join --------------------------------------------------------------------------------- */

enum ks_err ks_fl_join_write(const struct ks_fl_join *join, const struct ks_sign_key *key,
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, KS_FL_JOIN_MAX);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(join->channel));
    ks_document_put_time(&writer, "created_at", join->created_us);
    ks_json_member_string(&writer, "device", join->device);
    ks_json_member_bool(&writer, "leaves", join->leaves);
    ks_json_member_u64(&writer, "round", join->round);
    ks_json_member_u64(&writer, "samples", join->samples);
    ks_json_member_text(&writer, "schema", "ketseal.fl-join/1");
    ks_json_member_hex(&writer, "session", KS_BYTES(join->session));
    ks_json_member_string(&writer, "site", join->site);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), key, KS_CONTEXT_FL_JOIN, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err parse_join(const struct ks_json *body, struct ks_fl_join *join)
{
    static const char *const names[] = {"channel", "created_at", "device",  "leaves", "round",
                                        "samples", "schema",     "session", "site",   NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_document_schema(body, "ketseal.fl-join/1", names));
    KS_TRY(ks_json_get_base64_exact(body, "channel", join->channel, sizeof join->channel));
    KS_TRY(ks_document_get_time(body, "created_at", &join->created_us));
    KS_TRY(ks_json_get_string(body, "device", &join->device));
    KS_CHECK(ks_text_is_name(join->device, KS_DEVICE_ID_MAX), KS_ERR_FORMAT,
             "'device': 1 to %d letters, digits, '-' and '_'", KS_DEVICE_ID_MAX);
    KS_TRY(ks_json_get_bool(body, "leaves", &join->leaves));
    KS_TRY(get_count(body, "round", 1, KS_FL_ROUNDS_MAX, &join->round));
    KS_TRY(get_count(body, "samples", 1, KS_UPDATE_SAMPLES_MAX, &join->samples));
    KS_TRY(ks_json_get_hex(body, "session", join->session, sizeof join->session));
    KS_TRY(ks_document_site(body, &join->site));
out:
    return err;
}

enum ks_err ks_fl_join_read(struct ks_bytes document, const struct ks_verify_key *key,
                            struct ks_fl_join *out_join)
{
    enum ks_err err = KS_OK;
    struct ks_fl_join join = {0};
    const struct ks_json *body = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    KS_TRY(ks_document_read_signed(document, &join_limits, &join.doc, &body, &message,
                                   &signature));
    KS_TRY(parse_join(body, &join));
    KS_TRY(ks_verify(key, KS_CONTEXT_FL_JOIN, ks_buf_view(&message), ks_buf_view(&signature)));
    *out_join = join;
    join = (struct ks_fl_join){0}; /* transferred */
out:
    ks_fl_join_done(&join);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "join");
}

void ks_fl_join_done(struct ks_fl_join *join)
{
    ks_json_doc_free(join->doc);
    *join = (struct ks_fl_join){0};
}
