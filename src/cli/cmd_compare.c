/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* compare: two bundles of one circuit, whoever ran it: whether their counts may come from one
 * distribution, and from the circuit's own where that can be computed
 * (docs/formats/compare.md).
 */

#include <math.h>

#include "base/pool.h"
#include "base/sys.h"
#include "cli/recorded.h"
#include "cli/verdict.h"
#include "quantum/agree.h"
#include "quantum/chisquare.h"

#define FALSE_ALARM_IN 1000000
#define TESTS          3 /* the first and the second against the circuit, against each other */
#define OF_BOUNDS      0.9  /* of the false alarms; the rest is of chi-square */
#define QUBITS_MAX     20   /* of a circuit whose distribution is computed */
#define SLACK          1e-9 /* that rounding takes: the SDKs' simulators are no better */
#define SLACK_SINGLE   1e-4

enum verdict { CONSISTENT, DIFFER, UNVERIFIED, NO_VERDICT };
enum verified { NOT_RUN, PASS, FAIL };

struct side {
    const char *path;
    struct ks_bundle *bundle;
    struct ks_counts *counts;
    enum verified verified;
    char reason[KS_ERR_DETAIL_MAX];
};

struct test {
    bool run;
    struct ks_agreement agreement;
    struct ks_chi_square chi_square;
};

struct comparison {
    struct side sides[2];
    struct ks_circuit *circuit;
    struct ks_noise noise;
    struct ks_simulate_spec spec;
    double *probabilities; /* NULL: not known */
    struct test tests[TESTS];
    enum verdict verdict;
    char reason[KS_ERR_DETAIL_MAX];
};

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err verify(const char *policy_path, struct ks_bytes bytes, struct side *side)
{
    enum ks_err err = KS_OK;
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_TRY(ks_verdict_policy(policy_path, &policy));
    err = ks_bundle_verify(&bytes, policy, verdict);
    side->verified = err == KS_OK ? PASS : FAIL;
    if (err == KS_ERR_VERIFY) {
        (void)snprintf(side->reason, sizeof side->reason, "%s", ks_err_detail());
        err = KS_OK;
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    return err;
}

static enum ks_err read_side(const char *path, const char *policy, struct side *side)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    side->path = path;
    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(ks_bundle_parse(ks_buf_view(&bytes), &side->bundle));
    KS_TRY(ks_cli_recorded_is_circuit(&side->bundle->core));
    KS_TRY(ks_result_check(side->bundle->core.result, side->bundle->core.clbits,
                           side->bundle->core.shots));
    KS_TRY(ks_cli_recorded_counts(&side->bundle->core, &side->counts));
    if (policy != NULL) {
        KS_TRY(verify(policy, ks_buf_view(&bytes), side));
    }
out:
    ks_buf_done(&bytes);
    return ks_fail_prefix(err, "%s", path);
}

/* One policy is for both, two are for one each. */
static enum ks_err read_sides(const struct ks_cli *cli, struct comparison *comparison)
{
    enum ks_err err = KS_OK;
    const char *const *policies = NULL;
    const unsigned count = ks_cli_many(cli, "policy", &policies);

    KS_CHECK(count <= 2, KS_ERR_USAGE, "--policy: one for both bundles, or one for each");
    for (unsigned i = 0; i < 2; i++) {
        KS_TRY(read_side(cli->operands[i], count == 0 ? NULL : policies[count == 1 ? 0 : i],
                         &comparison->sides[i]));
    }
out:
    return err;
}

static bool same_noise(const struct ks_core *a, const struct ks_core *b)
{
    struct ks_buf texts[2];
    const struct ks_json *models[] = {a->noise, b->noise};
    bool same = true;

    for (size_t i = 0; i < 2; i++) {
        ks_buf_init(&texts[i], KS_JOB_NOISE_MAX);
        if (models[i] != NULL) {
            ks_json_canonical(models[i], &texts[i]);
        }
    }
    same = ks_buf_check(&texts[0]) == KS_OK && ks_buf_check(&texts[1]) == KS_OK &&
           ks_bytes_equal(ks_buf_view(&texts[0]), ks_buf_view(&texts[1]));
    ks_buf_done(&texts[0]);
    ks_buf_done(&texts[1]);
    return same;
}

/* --- the tests ---------------------------------------------------------------------------- */

/* The circuit's own distribution, where it can be had: that it cannot is no failure. */
static enum ks_err find_probabilities(const struct ks_cli *cli, struct comparison *comparison)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &comparison->sides[0].bundle->core;
    double *probabilities = NULL;
    enum ks_err computed = KS_OK;
    bool noisy = false;

    KS_TRY(ks_cli_recorded_circuit(comparison->sides[0].bundle, &comparison->circuit));
    KS_TRY(ks_cli_recorded_noise(core, &comparison->noise, &noisy));
    comparison->spec.noise = noisy ? &comparison->noise : NULL;
    if (core->qubits > QUBITS_MAX || core->clbits > KS_PROBABILITIES_CLBITS_MAX) {
        return KS_OK;
    }
    probabilities = ks_calloc((size_t)1 << core->clbits, sizeof *probabilities);
    KS_CHECK(probabilities != NULL, KS_ERR_NOMEM, "probabilities");
    ks_cli_progress(cli, "computing the distribution of %u bits", core->clbits);
    computed = ks_probabilities(comparison->circuit, &comparison->spec, probabilities);
    KS_TRY(computed == KS_ERR_LIMIT ? KS_OK : computed);
    if (computed == KS_OK) {
        comparison->probabilities = probabilities;
        probabilities = NULL; /* transferred */
    }
out:
    ks_free(probabilities);
    return err;
}

static double weight_of(const struct ks_core *core)
{
    return core->sdk == KS_SDK_KETSEAL ? core->facts.discarded_weight : 0;
}

static double slack_of(const struct ks_core *core)
{
    return (core->single ? SLACK_SINGLE : SLACK) + sqrt(weight_of(core));
}

static enum ks_err run_exact(struct comparison *comparison, size_t i)
{
    enum ks_err err = KS_OK;
    const struct side *side = &comparison->sides[i];
    struct test *test = &comparison->tests[i];
    const struct ks_agree_spec spec = {
        .false_alarm = OF_BOUNDS / FALSE_ALARM_IN / TESTS,
        .slack = slack_of(&side->bundle->core),
    };

    KS_TRY(ks_agree_exact(side->counts, comparison->probabilities, &spec, &test->agreement));
    KS_TRY(ks_chi_square_exact(side->counts, comparison->probabilities,
                               side->bundle->core.clbits, &test->chi_square));
    test->run = true;
out:
    return err;
}

/* The larger sample stands for the distribution. */
static enum ks_err run_samples(struct comparison *comparison)
{
    enum ks_err err = KS_OK;
    const struct side *few = &comparison->sides[0];
    const struct side *many = &comparison->sides[1];
    struct test *test = &comparison->tests[2];
    const struct ks_agree_spec spec = {
        .false_alarm = OF_BOUNDS / FALSE_ALARM_IN / TESTS,
        .slack = slack_of(&few->bundle->core) + slack_of(&many->bundle->core),
    };

    if (few->bundle->core.shots > many->bundle->core.shots) {
        few = many;
        many = &comparison->sides[0];
    }
    KS_TRY(ks_agree_sample(few->counts, many->counts, &spec, &test->agreement));
    KS_TRY(ks_chi_square_samples(few->counts, many->counts, &test->chi_square));
    test->run = true;
out:
    return err;
}

static void differ(struct comparison *comparison, const char *what, const char *reason)
{
    comparison->verdict = DIFFER;
    (void)snprintf(comparison->reason, sizeof comparison->reason, "%s: %s", what, reason);
}

static void decide(struct comparison *comparison)
{
    static const char *const names[TESTS] = {"the first against the circuit's distribution",
                                             "the second against the circuit's distribution",
                                             "against each other"};

    comparison->verdict = CONSISTENT;
    for (size_t i = TESTS; i-- > 0;) { /* the circuit's word is the last, so the first named */
        const struct test *test = &comparison->tests[i];

        if (test->run && test->chi_square.p < KS_CHI_SQUARE_DECIDES) {
            differ(comparison, names[i], "chi-square");
        }
        if (test->run && !test->agreement.consistent) {
            differ(comparison, names[i], test->agreement.reason);
        }
    }
}

static enum ks_err compare(const struct ks_cli *cli, struct comparison *comparison)
{
    enum ks_err err = KS_OK;
    const struct ks_core *a = &comparison->sides[0].bundle->core;
    const struct ks_core *b = &comparison->sides[1].bundle->core;

    comparison->verdict = NO_VERDICT;
    if (!ks_bytes_equal(KS_BYTES(a->circuit_hash), KS_BYTES(b->circuit_hash))) {
        (void)snprintf(comparison->reason, sizeof comparison->reason,
                       "they are of two circuits, by their circuit_hash");
        return KS_OK;
    }
    if (!same_noise(a, b)) {
        (void)snprintf(comparison->reason, sizeof comparison->reason,
                       "one is under other noise than the other");
        return KS_OK;
    }
    KS_TRY(find_probabilities(cli, comparison));
    for (size_t i = 0; i < 2 && comparison->probabilities != NULL; i++) {
        KS_TRY(run_exact(comparison, i));
    }
    KS_TRY(run_samples(comparison));
    decide(comparison);
    for (size_t i = 2; i-- > 0;) {
        if (comparison->sides[i].verified == FAIL) {
            comparison->verdict = UNVERIFIED;
            (void)snprintf(comparison->reason, sizeof comparison->reason,
                           "%.100s does not verify: %.300s", comparison->sides[i].path,
                           comparison->sides[i].reason);
        }
    }
out:
    return err;
}

/* --- the answer --------------------------------------------------------------------------- */

static const char *const verdicts[] = {[CONSISTENT] = "consistent",
                                       [DIFFER] = "differ",
                                       [UNVERIFIED] = "unverified",
                                       [NO_VERDICT] = "could not tell"};
static const char *const states[] = {[NOT_RUN] = "not-run", [PASS] = "pass", [FAIL] = "fail"};

static struct ks_bytes backend_of(const struct ks_core *core)
{
    return core->sdk == KS_SDK_KETSEAL ? ks_bytes_text(ks_method_name(core->facts.method))
                                       : core->sdk_run.backend;
}

static void put_side(const struct side *side, struct ks_json_writer *writer)
{
    const struct ks_core *core = &side->bundle->core;

    ks_json_put_object(writer);
    ks_json_member_string(writer, "backend", backend_of(core));
    ks_json_member_hex(writer, "circuit_hash", KS_BYTES(core->circuit_hash));
    ks_json_member_string(writer, "device", core->device);
    if (side->verified == FAIL) {
        ks_json_member_text(writer, "reason", side->reason);
    }
    ks_json_member_text(writer, "record_id", core->record_id);
    ks_json_member_text(writer, "sdk", ks_sdk_name(core->sdk));
    if (core->sdk != KS_SDK_KETSEAL) {
        ks_json_member_string(writer, "sdk_version", core->sdk_run.version);
    }
    ks_json_member_u64(writer, "shots", core->shots);
    ks_json_member_text(writer, "verification", states[side->verified]);
    ks_json_put_end(writer);
}

static void put_number(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_test(const struct test *test, const char *name, struct ks_json_writer *writer)
{
    if (!test->run) {
        return;
    }
    ks_json_put_key(writer, name);
    ks_json_put_object(writer);
    ks_json_put_key(writer, "chi_square");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "degrees", test->chi_square.degrees);
    put_number(writer, "p", test->chi_square.p);
    ks_json_member_u64(writer, "pooled", test->chi_square.pooled);
    put_number(writer, "statistic", test->chi_square.statistic);
    ks_json_put_end(writer);
    put_number(writer, "distance", test->agreement.distance);
    put_number(writer, "found_from", test->agreement.found_from);
    if (!test->agreement.consistent) {
        ks_json_member_text(writer, "reason", test->agreement.reason);
    }
    ks_json_put_end(writer);
}

static enum ks_err print_json(const struct comparison *comparison)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 16384);
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "one_false_alarm_in", FALSE_ALARM_IN);
    ks_json_member_text(&writer, "reason", comparison->reason);
    ks_json_put_key(&writer, "records");
    ks_json_put_array(&writer);
    put_side(&comparison->sides[0], &writer);
    put_side(&comparison->sides[1], &writer);
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.compare/1");
    ks_json_put_key(&writer, "tests");
    ks_json_put_object(&writer);
    put_test(&comparison->tests[0], "first", &writer);
    put_test(&comparison->tests[2], "samples", &writer);
    put_test(&comparison->tests[1], "second", &writer);
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "verdict", verdicts[comparison->verdict]);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_side(const struct side *side)
{
    const struct ks_core *core = &side->bundle->core;
    const struct ks_bytes backend = backend_of(core);

    ks_cli_print("%s%s%.*s (%.*s), %llu shots, verification %s\n", ks_sdk_name(core->sdk),
                 core->sdk == KS_SDK_KETSEAL ? "" : " ", (int)core->sdk_run.version.len,
                 (const char *)core->sdk_run.version.data, (int)backend.len,
                 (const char *)backend.data, (unsigned long long)core->shots,
                 states[side->verified]);
}

static void print_test(const struct test *test, const char *what)
{
    const struct ks_chi_square *chi = &test->chi_square;

    if (!test->run) {
        return;
    }
    ks_cli_print("%s: total variation %.3g", what, test->agreement.distance);
    if (test->agreement.found_from < 1) {
        ks_cli_print(", from %.3g on it would be found", test->agreement.found_from);
    }
    if (chi->degrees > 0) {
        ks_cli_print("; chi-square %.4g of %llu degrees, p %.3g", chi->statistic,
                     (unsigned long long)chi->degrees, chi->p);
    }
    ks_cli_print("\n");
}

static enum ks_err answer(struct ks_cli *cli, const struct comparison *comparison)
{
    enum ks_err err = KS_OK;

    if (cli->json) {
        KS_TRY(print_json(comparison));
    } else {
        print_side(&comparison->sides[0]);
        print_side(&comparison->sides[1]);
        print_test(&comparison->tests[0], "the first against the circuit's distribution");
        print_test(&comparison->tests[1], "the second against the circuit's distribution");
        print_test(&comparison->tests[2], "against each other");
        if (comparison->verdict == CONSISTENT) {
            ks_cli_print("consistent: one false alarm in %d\n", FALSE_ALARM_IN);
        }
    }
    cli->answered = cli->json;
    KS_CHECK(comparison->verdict != DIFFER && comparison->verdict != UNVERIFIED, KS_ERR_VERIFY,
             "%s: %s", verdicts[comparison->verdict], comparison->reason);
    KS_CHECK(comparison->verdict != NO_VERDICT, KS_ERR_UNAVAILABLE, "could not tell: %s",
             comparison->reason);
out:
    return err;
}

enum ks_err ks_command_compare(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_pool *pool = NULL;
    struct comparison *comparison = ks_calloc(1, sizeof *comparison);

    KS_CHECK(comparison != NULL, KS_ERR_NOMEM, "comparison");
    KS_TRY(ks_cli_simulation(cli, &pool, &comparison->spec));
    KS_TRY(read_sides(cli, comparison));
    KS_TRY(compare(cli, comparison));
    KS_TRY(answer(cli, comparison));
out:
    for (size_t i = 0; i < 2 && comparison != NULL; i++) {
        ks_bundle_free(comparison->sides[i].bundle);
        ks_counts_free(comparison->sides[i].counts);
    }
    if (comparison != NULL) {
        ks_circuit_free(comparison->circuit);
        ks_free(comparison->probabilities);
    }
    ks_free(comparison);
    ks_pool_free(pool);
    return err;
}
