/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* replay: the job of a bundle once more. Where this version computes with the numerics of the
 * record, bit for bit; else the counts are held against the distribution. */

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "base/sys.h"
#include "cli/recorded.h"
#include "cli/sdk.h"
#include "quantum/agree.h"
#include "quantum/facts.h"
#include "record/record.h"

#define FALSE_ALARM_IN   1000000 /* one false alarm in so many */
#define FALSE_ALARM_TEXT "1e-6"
#define FRESH_SHOTS_MORE 4 /* times those of the record */
/* How far rounding may take the distribution: far more than it does. */
#define SLACK_DOUBLE 1e-9
#define SLACK_SINGLE 1e-4

enum verdict { SAME, DIFFERS, CONSISTENT, INCONSISTENT };

struct replay {
    const struct ks_bundle *bundle;
    struct ks_circuit *circuit;
    struct ks_simulate_spec spec;
    struct ks_noise noise;
    enum verdict verdict;
    char why[256]; /* it cannot be told bit for bit */
    /* CONSISTENT, INCONSISTENT */
    struct ks_agreement agreement;
    bool exact;
    uint64_t seed; /* of the fresh sample */
};

/* What the record says of its run. */
static enum ks_err fill_spec(struct replay *replay)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &replay->bundle->core;
    struct ks_simulate_spec *spec = &replay->spec;
    struct ks_method_choice choice = {0};
    bool noisy = false;

    spec->method = core->facts.method;
    spec->shots = core->shots;
    spec->seed = core->seed;
    spec->precision = core->single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    if (core->facts.method == KS_METHOD_MPS) {
        spec->bond_max = core->bond_max;
        spec->cutoff = core->cutoff;
    }
    KS_TRY(ks_cli_recorded_noise(core, &replay->noise, &noisy));
    spec->noise = noisy ? &replay->noise : NULL;
    if (core->sdk != KS_SDK_KETSEAL) { /* what fits here */
        spec->method = KS_METHOD_AUTO;
        KS_TRY(ks_method_choose(replay->circuit, spec, &choice));
        spec->method = choice.method;
    }
out:
    return err;
}

static enum ks_err compare_bits(struct replay *replay)
{
    enum ks_err err = KS_OK;
    struct ks_counts *counts = NULL;
    struct ks_buf result;
    struct ks_json_writer writer = ks_json_writer_of(&result);

    ks_buf_init(&result, KS_RESULT_BYTES_MAX);
    KS_TRY(ks_simulate(replay->circuit, &replay->spec, &counts));
    ks_cli_counts_put(counts, &writer);
    KS_TRY(ks_buf_check(&result));
    replay->verdict =
        ks_bytes_equal(ks_buf_view(&result), replay->bundle->core.result) ? SAME : DIFFERS;
out:
    ks_counts_free(counts);
    ks_buf_done(&result);
    return err;
}

/* Once more by the same SDK, where its very environment is here: what else would give other
 * counts is no difference. */
static enum ks_err compare_sdk(const struct ks_cli *cli, struct replay *replay, bool *out_same)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &replay->bundle->core;
    const struct ks_job *asked = &replay->bundle->job;
    const struct ks_work_job job = {
        .source = asked->source,
        .template = asked->template,
        .qubits = asked->qubits,
        .depth = asked->depth,
        .template_seed = asked->template_seed,
        .shots = asked->shots,
        .seed = asked->seed,
        .single = asked->single,
    };
    struct ks_sdk_result result = {0};
    uint8_t environment[32];

    KS_TRY(ks_sdk_environment(cli, core->sdk, environment));
    if (!ks_bytes_equal(KS_BYTES(environment), KS_BYTES(core->sdk_run.environment))) {
        (void)snprintf(replay->why, sizeof replay->why,
                       "%s ran it in another environment than the one here",
                       ks_sdk_name(core->sdk));
        return KS_OK;
    }
    KS_TRY(ks_sdk_run_here(cli, core->sdk, &job, &result));
    *out_same = ks_bytes_equal(ks_buf_view(&result.counts), core->result);
    (void)snprintf(replay->why, sizeof replay->why,
                   "%s gives other counts here, in the same environment",
                   ks_sdk_name(core->sdk));
out:
    ks_sdk_result_done(&result);
    return err;
}

/* --- the statistical test ----------------------------------------------------------------- */

/* All probabilities can be had in one run. */
static bool is_exact(const struct replay *replay)
{
    struct ks_plan_facts facts = {0};

    return replay->spec.method == KS_METHOD_STATEVECTOR && replay->spec.noise == NULL &&
           ks_circuit_clbits(replay->circuit) <= KS_PROBABILITIES_CLBITS_MAX &&
           ks_plan_facts(replay->circuit, KS_PRECISION_DOUBLE, &facts) == KS_OK && facts.whole;
}

static enum ks_err hold_exact(struct replay *replay, const struct ks_counts *counts,
                              const struct ks_agree_spec *agree)
{
    enum ks_err err = KS_OK;
    double *probabilities =
        ks_calloc((size_t)1 << ks_circuit_clbits(replay->circuit), sizeof *probabilities);

    KS_CHECK(probabilities != NULL, KS_ERR_NOMEM, "no memory for the probabilities");
    KS_TRY(ks_probabilities(replay->circuit, &replay->spec, probabilities));
    KS_TRY(ks_agree_exact(counts, probabilities, agree, &replay->agreement));
out:
    ks_free(probabilities);
    return err;
}

/* Another seed: what is drawn with the same one need not be independent. */
static enum ks_err hold_sample(struct replay *replay, const struct ks_counts *counts,
                               const struct ks_agree_spec *agree)
{
    enum ks_err err = KS_OK;
    struct ks_counts *fresh = NULL;
    struct ks_agree_spec wider = *agree;
    const uint64_t shots = FRESH_SHOTS_MORE * replay->spec.shots;

    replay->spec.shots = shots < KS_SHOTS_MAX ? shots : KS_SHOTS_MAX;
    do {
        KS_TRY(ks_cli_random_seed(&replay->seed));
    } while (replay->seed == replay->spec.seed);
    replay->spec.seed = replay->seed;
    KS_TRY(ks_simulate(replay->circuit, &replay->spec, &fresh));
    wider.slack += sqrt(ks_counts_facts(fresh)->discarded_weight);
    KS_TRY(ks_agree_sample(counts, fresh, &wider, &replay->agreement));
out:
    ks_counts_free(fresh);
    return err;
}

/* Whatever keeps us from it: it cannot be told then. */
static enum ks_err compare_statistics(struct replay *replay)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &replay->bundle->core;
    struct ks_counts *counts = NULL;
    const struct ks_agree_spec agree = {
        .false_alarm = 1.0 / FALSE_ALARM_IN,
        .slack =
            (core->single ? SLACK_SINGLE : SLACK_DOUBLE) + sqrt(core->facts.discarded_weight),
    };

    KS_TRY(ks_cli_recorded_counts(core, &counts));
    replay->exact = is_exact(replay);
    err = replay->exact ? hold_exact(replay, counts, &agree)
                        : hold_sample(replay, counts, &agree);
    KS_TRY(err == KS_OK
               ? err
               : ks_fail_prefix(KS_ERR_UNAVAILABLE,
                                "could not tell: %s, and not even statistically", replay->why));
    replay->verdict = replay->agreement.consistent ? CONSISTENT : INCONSISTENT;
out:
    ks_counts_free(counts);
    return err;
}

/* --- the answer --------------------------------------------------------------------------- */

static void put_number(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_agreement(const struct replay *replay, struct ks_json_writer *writer)
{
    const struct ks_agreement *agreement = &replay->agreement;

    ks_json_put_object(writer);
    ks_json_member_text(writer, "against", replay->exact ? "probabilities" : "sample");
    put_number(writer, "distance", agreement->distance);
    put_number(writer, "found_from", agreement->found_from);
    ks_json_member_u64(writer, "one_false_alarm_in", FALSE_ALARM_IN);
    if (!agreement->consistent) {
        ks_json_member_text(writer, "reason", agreement->reason);
    }
    if (!replay->exact) {
        ks_json_member_u64(writer, "seed", replay->seed);
        ks_json_member_u64(writer, "shots", replay->spec.shots);
    }
    ks_json_member_u64(writer, "tests", agreement->tests);
    ks_json_put_end(writer);
}

static enum ks_err put_replay(const struct replay *replay)
{
    static const char *const verdicts[] = {
        [SAME] = "same",
        [DIFFERS] = "differs",
        [CONSISTENT] = "consistent",
        [INCONSISTENT] = "inconsistent",
    };
    const struct ks_core *core = &replay->bundle->core;
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "kernels", ks_cli_kernels(&replay->spec));
    ks_json_member_text(&writer, "method", ks_method_name(replay->spec.method));
    ks_json_member_u64(&writer, "numerics", ks_method_numerics(replay->spec.method));
    ks_json_member_text(&writer, "record_id", core->record_id);
    if (core->sdk == KS_SDK_KETSEAL) {
        ks_json_member_u64(&writer, "recorded_numerics", core->numerics);
    }
    ks_json_member_bool(&writer, "replayed", replay->verdict == SAME);
    ks_json_member_text(&writer, "schema", "ketseal.replay/1");
    ks_json_member_text(&writer, "sdk", ks_sdk_name(core->sdk));
    if (replay->verdict == CONSISTENT || replay->verdict == INCONSISTENT) {
        ks_json_put_key(&writer, "statistics");
        put_agreement(replay, &writer);
    }
    ks_json_member_text(&writer, "verdict", verdicts[replay->verdict]);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_consistent(const struct replay *replay)
{
    const struct ks_core *core = &replay->bundle->core;
    const struct ks_agreement *agreement = &replay->agreement;

    ks_cli_print("could not tell bit for bit: %s\n", replay->why);
    ks_cli_print("statistically consistent at " FALSE_ALARM_TEXT
                 ": %llu shots of record %s against %s; ",
                 (unsigned long long)core->shots, core->record_id,
                 replay->exact ? "the exact probabilities" : "a fresh sample");
    if (agreement->found_from < 1) {
        ks_cli_print("total variation %.3g, from %.3g on it would be found\n",
                     agreement->distance, agreement->found_from);
    } else {
        ks_cli_print("too many outcomes to compare one by one, but bits and parities are\n");
    }
}

static enum ks_err answer(struct ks_cli *cli, const struct replay *replay)
{
    const struct ks_core *core = &replay->bundle->core;
    enum ks_err err = KS_OK;

    if (cli->json) {
        KS_TRY(put_replay(replay));
    } else if (replay->verdict == SAME && core->sdk != KS_SDK_KETSEAL) {
        ks_cli_print("replayed: %llu shots of record %s, bit for bit the same (%s %.*s)\n",
                     (unsigned long long)core->shots, core->record_id, ks_sdk_name(core->sdk),
                     (int)core->sdk_run.version.len, (const char *)core->sdk_run.version.data);
    } else if (replay->verdict == SAME) {
        ks_cli_print("replayed: %llu shots of record %s, bit for bit the same (%s, %s)\n",
                     (unsigned long long)core->shots, core->record_id,
                     ks_method_name(core->facts.method), ks_cli_kernels(&replay->spec));
    } else if (replay->verdict == CONSISTENT) {
        print_consistent(replay);
    }
    cli->status = replay->verdict == CONSISTENT ? KS_CLI_CONSISTENT : 0;
    cli->answered = cli->json;
    KS_CHECK(replay->verdict != DIFFERS, KS_ERR_VERIFY,
             "the outcomes differ from the record's");
    KS_CHECK(replay->verdict != INCONSISTENT, KS_ERR_VERIFY,
             "statistically inconsistent at " FALSE_ALARM_TEXT ": %s",
             replay->agreement.reason);
out:
    return err;
}

/* What another SDK ran is told by that SDK, or statistically; what we ran, bit for bit where
 * the numbers mean the same. */
static enum ks_err hold(const struct ks_cli *cli, struct replay *replay)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &replay->bundle->core;
    bool same = false;

    if (core->sdk == KS_SDK_KETSEAL &&
        core->numerics == ks_method_numerics(core->facts.method)) {
        return compare_bits(replay);
    }
    if (core->sdk == KS_SDK_KETSEAL) {
        /* Another numerics number promises nothing about our bits: that is not a difference. */
        (void)snprintf(replay->why, sizeof replay->why,
                       "the record's numerics is %llu, this version computes %u",
                       (unsigned long long)core->numerics,
                       ks_method_numerics(core->facts.method));
    } else {
        (void)snprintf(replay->why, sizeof replay->why, "%s %.*s ran it",
                       ks_sdk_name(core->sdk), (int)core->sdk_run.version.len,
                       (const char *)core->sdk_run.version.data);
        if (ks_sdk_is_here(cli)) {
            KS_TRY(compare_sdk(cli, replay, &same));
        }
    }
    if (same) {
        replay->verdict = SAME;
    } else {
        KS_TRY(compare_statistics(replay));
    }
out:
    return err;
}

enum ks_err ks_command_replay(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_bundle *bundle = NULL;
    struct ks_pool *pool = NULL;
    struct replay replay = {0};

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_cli_simulation(cli, &pool, &replay.spec));
    KS_TRY(ks_file_read(cli->operands[0], KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(
        ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "%s", cli->operands[0]));
    replay.bundle = bundle;
    const struct ks_core *core = &bundle->core;

    KS_TRY(ks_cli_recorded_is_circuit(core));
    KS_TRY(ks_result_check(core->result, core->clbits, core->shots));
    KS_TRY(ks_cli_recorded_circuit(bundle, &replay.circuit));
    KS_TRY(fill_spec(&replay));
    ks_cli_progress(cli, "replaying %llu shots on %u qubits by %s",
                    (unsigned long long)core->shots, core->qubits,
                    ks_method_name(replay.spec.method));
    KS_TRY(hold(cli, &replay));
    KS_TRY(answer(cli, &replay));
out:
    ks_circuit_free(replay.circuit);
    ks_bundle_free(bundle);
    ks_pool_free(pool);
    ks_buf_done(&bytes);
    return err;
}
