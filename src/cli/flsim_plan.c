/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "fl/gather.h"

/* --- flags -------------------------------------------------------------------------------- */

/* Flag NAME, or FALLBACK where it is not given. */
static enum ks_err number_or(const struct ks_cli *cli, const char *name, uint64_t max,
                             uint64_t fallback, uint64_t *out_value)
{
    *out_value = fallback;
    return ks_cli_text(cli, name) == NULL ? KS_OK : ks_cli_number(cli, name, max, out_value);
}

static enum ks_err read_rounds(const struct ks_cli *cli, struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    double fraction = 0;
    uint64_t wanted = 0;
    uint64_t invited = 0;
    uint64_t least = 0;
    uint64_t number = 0;

    KS_TRY(ks_cli_real(cli, "fraction", &fraction));
    KS_CHECK(fraction > 0 && fraction <= 1, KS_ERR_USAGE, "--fraction: above 0, at most 1");
    wanted = (uint64_t)fmax(1, round(fraction * (double)plan->count));
    KS_TRY(number_or(cli, "updates", plan->count, wanted, &wanted));
    KS_TRY(number_or(cli, "invite", plan->count, wanted, &invited));
    KS_TRY(ks_cli_number(cli, "updates-min", plan->count, &least));
    KS_CHECK(wanted >= 1 && wanted <= invited && least >= 1 && least <= wanted, KS_ERR_USAGE,
             "--updates-min, --updates, --invite: from 1 on, none above the next");
    plan->wanted = (uint32_t)wanted;
    plan->invited = (uint32_t)invited;
    plan->updates_min = (uint32_t)least;
    KS_TRY(ks_cli_number(cli, "rounds", KS_FLSIM_ROUNDS_MAX, &plan->rounds));
    KS_CHECK(plan->rounds >= 1, KS_ERR_USAGE, "--rounds: at least 1");
    KS_TRY(ks_cli_number(cli, "patience", UINT32_MAX, &number));
    plan->patience = (uint32_t)number;
    KS_TRY(ks_cli_number(cli, "commit-every", UINT32_MAX, &number));
    plan->commit_every = number < 1 ? 1 : (uint32_t)number;
    KS_TRY(ks_cli_real(cli, "gain-min", &plan->gain_min));
    KS_TRY(ks_cli_real(cli, "dropout", &plan->dropout));
    plan->selection =
        ks_cli_switch(cli, "weighted") ? KS_FL_SELECT_WEIGHTED : KS_FL_SELECT_RANDOM;
out:
    return err;
}

static enum ks_err read_attack(const struct ks_cli *cli, const struct ks_flsim_learn *learn,
                               struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    const char *word = ks_cli_text(cli, "attack");
    uint64_t attackers = 0;

    KS_TRY(ks_cli_number(cli, "attackers", KS_FL_CLIENTS_MAX, &attackers));
    KS_CHECK(attackers <= plan->count, KS_ERR_USAGE, "--attackers: %llu of %zu clients",
             (unsigned long long)attackers, plan->count);
    KS_CHECK(attackers > 0 || word == NULL, KS_ERR_USAGE, "--attack: by how many --attackers?");
    plan->attackers = (size_t)attackers;
    if (attackers > 0) {
        KS_TRY(ks_fail_prefix(
            ks_flsim_attack_of(word == NULL ? "sign-flip" : word, &plan->attack), "--attack"));
    }
    KS_CHECK(plan->attack != KS_FLSIM_LABEL_FLIP || learn->flipped.labels != NULL, KS_ERR_USAGE,
             "--attack: there are no labels to flip");
    plan->strength = plan->attack == KS_FLSIM_IPM ? 0.1 : plan->attack == KS_FLSIM_ALIE ? 0 : 1;
    KS_TRY(ks_cli_real(cli, "strength", &plan->strength));
out:
    return err;
}

static enum ks_err read_async(const struct ks_cli *cli, struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    uint64_t size = 0;
    uint64_t concurrent = 0;
    uint64_t staleness = 0;
    const char *word = ks_cli_text(cli, "staleness");

    KS_TRY(ks_cli_number(cli, "async", KS_FL_BUFFER_MAX, &size));
    KS_TRY(number_or(cli, "concurrent", KS_FL_BUFFER_MAX, size * 2, &concurrent));
    KS_TRY(ks_cli_number(cli, "staleness-max", KS_FLSIM_STALENESS_MAX, &staleness));
    plan->buffer.size = (uint32_t)size;
    plan->buffer.staleness_max = (uint32_t)staleness;
    plan->concurrent = (uint32_t)concurrent;
    plan->buffer.by = strcmp(word, "constant") == 0  ? KS_FL_STALENESS_CONSTANT
                      : strcmp(word, "inverse") == 0 ? KS_FL_STALENESS_INVERSE
                                                     : KS_FL_STALENESS_ROOT;
    KS_CHECK(plan->buffer.by != KS_FL_STALENESS_ROOT || strcmp(word, "root") == 0, KS_ERR_USAGE,
             "--staleness: constant, root or inverse, not '%s'", word);
    if (size > 0) {
        KS_CHECK(size < plan->count && concurrent >= 1 && concurrent <= plan->count,
                 KS_ERR_USAGE, "--async, --concurrent: fewer than there are clients");
        plan->wanted = plan->buffer.size;
        plan->invited = plan->buffer.size;
    }
out:
    return err;
}

static enum ks_err read_rule(const struct ks_cli *cli, const struct ks_flsim_learn *learn,
                             struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    uint64_t bucket = 0;
    uint64_t stands = 0;
    double keep = 0;

    KS_TRY(ks_fail_prefix(
        ks_fl_rule_of(ks_bytes_text(ks_cli_text(cli, "rule")), &plan->robust.rule), "--rule"));
    KS_TRY(ks_cli_number(cli, "bucket", KS_FL_CLIENTS_MAX, &bucket));
    KS_CHECK(bucket >= 1 && bucket <= plan->wanted, KS_ERR_USAGE,
             "--bucket: 1 to the updates of a round");
    plan->bucket = (unsigned)bucket;
    stands = (plan->attackers * plan->wanted + plan->count - 1) / plan->count;
    KS_TRY(number_or(cli, "stands", KS_FL_ROWS_MAX, stands, &stands));
    plan->robust.attackers = plan->robust.rule == KS_FL_MEAN ? 0 : (unsigned)stands;
    KS_TRY(ks_cli_real(cli, "bound", &plan->bound));
    KS_TRY(ks_cli_real(cli, "radius", &plan->robust.radius));
    KS_CHECK(plan->bound >= 0, KS_ERR_USAGE, "--bound: 0 or more");
    KS_CHECK(plan->robust.rule != KS_FL_FLTRUST || !learn->synthetic, KS_ERR_USAGE,
             "--rule: fltrust needs data that the server has");
    KS_TRY(ks_fail_prefix(
        ks_fl_encoding_of(ks_bytes_text(ks_cli_text(cli, "encoding")), &plan->encode.encoding),
        "--encoding"));
    plan->encode.stochastic = plan->encode.encoding == KS_FL_Q8;
    KS_TRY(ks_cli_real(cli, "keep", &keep));
    KS_CHECK(keep > 0 && keep <= 1, KS_ERR_USAGE, "--keep: above 0, at most 1");
    plan->encode.keep = (size_t)fmax(1, round(keep * (double)learn->params));
out:
    return err;
}

static enum ks_err read_server(const struct ks_cli *cli, const struct ks_flsim_learn *learn,
                               struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    enum ks_fl_server_rule rule = KS_FL_FEDAVG;

    KS_TRY(ks_fail_prefix(
        ks_fl_server_rule_of(ks_bytes_text(ks_cli_text(cli, "server")), &rule), "--server"));
    plan->server = ks_fl_server_defaults(rule, learn->params);
    KS_TRY(ks_cli_real(cli, "server-rate", &plan->server.rate));
    KS_TRY(ks_cli_real(cli, "beta1", &plan->server.beta1));
    KS_TRY(ks_cli_real(cli, "beta2", &plan->server.beta2));
    KS_TRY(ks_cli_real(cli, "tau", &plan->server.tau));
    plan->server.clients = rule == KS_FL_SCAFFOLD ? (uint32_t)plan->count : 0;
    KS_CHECK(rule != KS_FL_SCAFFOLD || learn->how.optimiser == KS_OPTIMISER_SGD, KS_ERR_USAGE,
             "--server: scaffold corrects steps of sgd");
    KS_CHECK(rule != KS_FL_SCAFFOLD ||
                 (learn->how.momentum == 0 && learn->how.proximal == 0 &&
                  learn->how.weight_decay == 0 && learn->how.clip_norm == 0),
             KS_ERR_USAGE,
             "--server: scaffold's steps have no --momentum, --weight-decay, "
             "--clip-norm, --proximal");
    KS_CHECK(rule != KS_FL_SCAFFOLD || plan->buffer.size == 0, KS_ERR_USAGE,
             "--server: scaffold needs rounds, not --async");
    KS_CHECK(plan->buffer.size == 0 || (plan->robust.rule == KS_FL_MEAN && plan->bucket == 1),
             KS_ERR_USAGE, "--async: goes with the rule mean alone");
    KS_CHECK(plan->buffer.size == 0 ||
                 (plan->attack != KS_FLSIM_MIMIC && plan->attack != KS_FLSIM_IPM &&
                  plan->attack != KS_FLSIM_ALIE),
             KS_ERR_USAGE, "--async: nobody knows what all send, as mimic, ipm, alie would");
out:
    return err;
}

/* Once updates and rule are known. With --async samples weigh nothing. */
static enum ks_err read_samples(const struct ks_cli *cli, struct ks_flsim_plan *plan)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_gather_params gather = {
        .members_max = plan->wanted, .robust = plan->robust, .bucket = plan->bucket};
    const uint32_t most =
        plan->buffer.size > 0 ? KS_FL_WEIGHT_MAX : ks_fl_gather_weight_max(&gather);
    uint64_t number = 0;

    KS_TRY(ks_cli_number(cli, "samples-max", KS_FL_WEIGHT_MAX, &number));
    KS_CHECK(number <= most, KS_ERR_USAGE,
             "--samples-max: at most %u, or a few clients fill a sum", most);
    plan->samples_max = number == 0 ? most : (uint32_t)number;
out:
    return err;
}

/* --- the text ----------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    const struct ks_flag *a = *(const struct ks_flag *const *)left;
    const struct ks_flag *b = *(const struct ks_flag *const *)right;

    return strcmp(a->name, b->name);
}

/* Flags that say where results go, or how fast, decide nothing of them. */
static bool decides(const char *name)
{
    static const char *const others[] = {"out",     "state",        "no-figure", "local",
                                         "threads", "commit-every", "memory",    "tune"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(name, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* What decides the session: the flags as they were given, or their defaults, the data, and the
 * first model. */
static enum ks_err put_text(const struct ks_cli *cli, const struct ks_flsim_learn *learn,
                            struct ks_bytes first, struct ks_buf *text)
{
    const struct ks_flag *flags[KS_CLI_FLAGS_MAX];
    uint8_t hash[KS_SHA256_LEN];
    struct ks_json_writer writer = ks_json_writer_of(text);
    size_t count = 0;

    for (const struct ks_flag *flag = cli->command->flags; flag->name != NULL; flag++) {
        if (decides(flag->name)) {
            flags[count++] = flag;
        }
    }
    qsort((void *)flags, count, sizeof flags[0], by_name);
    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "data", KS_BYTES(learn->data_hash));
    ks_sha256(first, hash); /* its description may come from a file, and its numbers */
    ks_json_member_hex(&writer, "first", KS_BYTES(hash));
    ks_json_put_key(&writer, "flags");
    ks_json_put_object(&writer);
    for (size_t i = 0; i < count; i++) {
        if (flags[i]->kind == KS_FLAG_SWITCH) {
            ks_json_member_bool(&writer, flags[i]->name, ks_cli_switch(cli, flags[i]->name));
        } else if (ks_cli_text(cli, flags[i]->name) != NULL) {
            ks_json_member_text(&writer, flags[i]->name, ks_cli_text(cli, flags[i]->name));
        }
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "params", learn->params);
    ks_json_put_end(&writer);
    return ks_buf_check(text);
}

enum ks_err ks_flsim_plan(const struct ks_cli *cli, const struct ks_flsim_learn *learn,
                          struct ks_bytes first, struct ks_buf *text,
                          struct ks_flsim_plan *out_plan)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_plan plan = {
        .seed = learn->how.seed, .clients = learn->clients, .count = learn->count};

    KS_TRY(read_rounds(cli, &plan));
    KS_TRY(read_attack(cli, learn, &plan));
    KS_TRY(read_async(cli, &plan));
    KS_TRY(read_rule(cli, learn, &plan));
    KS_TRY(read_server(cli, learn, &plan));
    KS_TRY(read_samples(cli, &plan));
    KS_TRY(put_text(cli, learn, first, text));
    plan.text = ks_buf_view(text);
    *out_plan = plan;
out:
    return err;
}
