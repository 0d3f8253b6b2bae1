/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a record says of its run: method, truncation, noise, where the key came from; the
 * bundles of every schema that are committed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "crypto/digest.h"
#include "record_changes.h"
#include "vector_files.h"

static struct fixture_keys keys;

/* --- what passes -------------------------------------------------------------------------- */

static const char *const noise_text =
    "{\"gate1\":{\"amplitude_damping\":0,\"depolarizing\":0.001,\"phase_damping\":0,\"x\":0,"
    "\"y\":0,\"z\":0},\"gate2\":{\"amplitude_damping\":0,\"depolarizing\":0.01,"
    "\"phase_damping\":0,\"x\":0,\"y\":0,\"z\":0},\"readout\":{\"read0_as1\":0.01,"
    "\"read1_as0\":0.03},\"schema\":\"ketseal.noise/1\"}";
static struct ks_json_doc *noise_doc;
static struct ks_json_doc *other_noise_doc;

static void left_open(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job.schema = 2;
        fixture->job.method = KS_METHOD_AUTO;
        fixture->core.method_reason = KS_LITERAL("it fits");
    }
}

static void by_stabilizer(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job.schema = 2;
        fixture->job.method = KS_METHOD_STABILIZER;
        fixture->job.method_said = true;
        fixture->core.facts.method = KS_METHOD_STABILIZER;
        fixture->core.key_policy = KS_KEY_SOURCE_BOTH;
        fixture->core.key_source = KS_KEY_SOURCE_ETSI014;
    }
}

static void by_sparse(struct fixture *fixture, enum fixture_step step)
{
    left_open(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->job.bond_max = 7;
        fixture->core.facts = (struct ks_simulate_facts){
            .method = KS_METHOD_SPARSE, .amplitudes = 9, .discarded_weight = 1.5e-30};
        fixture->core.method_reason = KS_LITERAL("nine \xc3\xa4mplitudes");
    }
}

static void by_mps(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job.schema = 2;
        fixture->job.method = KS_METHOD_MPS;
        fixture->job.method_said = true;
        fixture->job.bond_max = 8;
        fixture->job.cutoff = 1e-9;
        fixture->core.facts = (struct ks_simulate_facts){
            .method = KS_METHOD_MPS, .bond = 8, .discarded_weight = 0.25};
        fixture->core.bond_max = 8;
        fixture->core.cutoff = 1e-9;
        fixture->core.key_policy = KS_KEY_SOURCE_BOTH;
        fixture->core.key_source = KS_KEY_SOURCE_BOTH;
    }
}

static void under_noise(struct fixture *fixture, enum fixture_step step)
{
    left_open(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->job.noise = ks_json_root(noise_doc);
        fixture->core.noise = fixture->job.noise;
    }
}

static const fixture_change variants[] = {left_open, by_stabilizer, by_sparse, by_mps,
                                          under_noise};

static void test_variants_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        struct fixture fixture;

        fixture_make(&fixture, &keys, variants[i]);
        record_assert_passes(&fixture);
        fixture_free(&fixture);
        record_round_trip(&keys, variants[i]);
    }
}

/* --- what does not ------------------------------------------------------------------------ */

/* method, noise: the core tells of another run than the job asks for */
#define VARIED(name, variant, ...)                                                             \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        variant(f, step);                                                                      \
        AT(FIXTURE_CORE)                                                                       \
        __VA_ARGS__;                                                                           \
    }
CHANGE(other_method, FIXTURE_CORE, f->core.facts.method = KS_METHOD_STABILIZER)
VARIED(other_named_method, by_mps, f->core.facts.method = KS_METHOD_STATEVECTOR)
VARIED(reason_for_named, by_stabilizer, f->core.method_reason = KS_LITERAL("so"))
VARIED(no_reason, left_open, f->core.method_reason = (struct ks_bytes){0})
VARIED(long_reason, left_open, f->core.method_reason = ks_bytes_text(noise_text))
VARIED(other_bond_max, by_mps, f->core.bond_max = 9)
VARIED(bond_over, by_mps, f->core.facts.bond = 9)
VARIED(other_cutoff, by_mps, f->core.cutoff = 1e-8)
VARIED(cutoff_of_all, by_mps, f->core.cutoff = 1)
VARIED(negative_weight, by_sparse, f->core.facts.discarded_weight = -1e-30)
VARIED(noise_hidden, under_noise, f->core.noise = NULL)
VARIED(noise_invented, left_open, f->core.noise = ks_json_root(noise_doc))
VARIED(other_noise, under_noise, f->core.noise = ks_json_root(other_noise_doc))
VARIED(noisy_stabilizer, under_noise, f->core.facts.method = KS_METHOD_STABILIZER)

/* Formats of the method and of the keys. */
static void core_replaced(struct fixture *f, enum fixture_step step, const char *old,
                          const char *fresh)
{
    AT(FIXTURE_WRITTEN)
    fixture_replace(&f->core_bytes, old, fresh);
}
#define REPLACED(name, variant, old, fresh)                                                    \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        variant(f, step);                                                                      \
        core_replaced(f, step, (old), (fresh));                                                \
    }
REPLACED(runs_by_auto, left_open, "\"name\":\"statevector\"", "\"name\":\"auto\"")
REPLACED(unknown_method, left_open, "\"name\":\"statevector\"", "\"name\":\"magic\"")
REPLACED(empty_reason, left_open, "\"reason\":\"it fits\"", "\"reason\":\"\"")
REPLACED(bond_of_sparse, by_sparse, "{\"amplitudes\":9,", "{\"amplitudes\":9,\"bond\":1,")
REPLACED(mps_without_bond, by_mps, "\"bond\":8,", "")
REPLACED(weight_text, by_mps, "\"discarded_weight\":0.25", "\"discarded_weight\":\"0.25\"")
REPLACED(noise_no_object, under_noise, noise_text, "7")
REPLACED(unknown_source, by_mps, "\"key_source\":\"both\"", "\"key_source\":\"qkd\"")
REPLACED(unknown_policy, by_mps, "\"key_policy\":\"both\"", "\"key_policy\":\"any\"")
static void second_schema(struct fixture *f, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        f->core.schema = 2;
    }
}
REPLACED(old_backend, left_open, "\"backend\":\"ketseal\"",
         "\"backend\":\"ketseal-statevector\"")
REPLACED(method_too_early, second_schema, "\"numerics\":1",
         "\"method\":{\"name\":\"statevector\"},\"numerics\":1")
REPLACED(policy_too_early, second_schema,
         "\"key_source\":", "\"key_policy\":\"kem\",\"key_source\":")
REPLACED(source_too_early, second_schema, "\"key_source\":\"kem\"", "\"key_source\":\"both\"")
REPLACED(noise_too_early, second_schema, ",\"parameters\"", ",\"noise\":{},\"parameters\"")

static const struct record_change changes[] = {
    ONE(other_method, REQUEST_BINDING, "asks for the method 'statevector'", 0),
    ONE(other_named_method, REQUEST_BINDING, "'statevector' ran it", 0),
    ONE(reason_for_named, REQUEST_BINDING, "a reason is given", 0),
    ONE(no_reason, REQUEST_BINDING, "it is not said why", 0),
    ONE(long_reason, REQUEST_BINDING, "no short text", 0),
    ONE(other_bond_max, REQUEST_BINDING, "'bond_max' or 'cutoff'", 0),
    ONE(bond_over, REQUEST_BINDING, "out of their limits", 0),
    ONE(other_cutoff, REQUEST_BINDING, "'bond_max' or 'cutoff'", 0),
    ONE(cutoff_of_all, REQUEST_BINDING, "out of their limits", 0),
    ONE(negative_weight, REQUEST_BINDING, "discarded weight", 0),
    ONE(noise_hidden, REQUEST_BINDING, "noise", 0),
    ONE(noise_invented, REQUEST_BINDING, "noise", 0),
    ONE(other_noise, REQUEST_BINDING, "noise", 0),
    ONE(noisy_stabilizer, REQUEST_BINDING, "noise takes the state vector", 0),
    ONE(runs_by_auto, FORMAT, "'auto'", 0),
    ONE(unknown_method, FORMAT, "no method", 0),
    ONE(empty_reason, FORMAT, "'reason'", 0),
    ONE(bond_of_sparse, FORMAT, "'bond'", 0),
    ONE(mps_without_bond, FORMAT, "'bond'", 0),
    ONE(weight_text, FORMAT, "'discarded_weight'", 0),
    ONE(noise_no_object, FORMAT, "'noise'", 0),
    ONE(unknown_source, FORMAT, "'key_source'", 0),
    ONE(unknown_policy, FORMAT, "'key_policy'", 0),
    ONE(old_backend, FORMAT, "'backend'", 0),
    ONE(method_too_early, FORMAT, "'method'", 0),
    ONE(policy_too_early, FORMAT, "'key_policy'", 0),
    ONE(source_too_early, FORMAT, "'key_source'", 0),
    ONE(noise_too_early, FORMAT, "'noise'", 0),
};

static void test_each_change(void **state)
{
    (void)state;
    record_assert_changes(&keys, changes, sizeof changes / sizeof changes[0]);
}

/* --- committed bundles: they verify for ever ---------------------------------------------- */

static const struct {
    const char *folder;
    const char *name;
    unsigned schema;
    enum ks_method method;
    const char *described; /* by the verdict */
} committed[] = {
    {"bundle/1", "bell.bundle", 1, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/1", "clifford.bundle", 1, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/1", "qft16.bundle", 1, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/2", "bell.bundle", 2, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/2", "clifford.bundle", 2, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/2", "qft16.bundle", 2, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/3", "bell.bundle", 2, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/4", "bell.bundle", 3, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/4", "noisy.bundle", 3, KS_METHOD_STATEVECTOR, "statevector under noise"},
    {"bundle/4", "wide.bundle", 3, KS_METHOD_STABILIZER, "stabilizer"},
    {"bundle/4", "w40.bundle", 3, KS_METHOD_SPARSE,
     "sparse (40 amplitudes, discarded 0.0e+00)"},
    {"bundle/4", "line.bundle", 3, KS_METHOD_MPS, "mps (bond 2 of 256, discarded 0.0e+00)"},
    {"bundle/4", "named.bundle", 3, KS_METHOD_STABILIZER, "stabilizer"},
    {"bundle/5", "native.bundle", 4, KS_METHOD_STATEVECTOR, "statevector"},
    {"bundle/5", "qiskit.bundle", 4, KS_METHOD_STATEVECTOR, "qiskit 2.6.2 (qiskit-aer 0.18.2)"},
    {"bundle/5", "cirq.bundle", 4, KS_METHOD_STATEVECTOR, "cirq 1.7.0 (cirq-simulator 1.7.0)"},
};

/* The core is written again as the bytes that were signed. */
static void assert_core(const struct ks_bundle *bundle, size_t index)
{
    struct ks_buf core;
    uint8_t hash[32];

    ks_buf_init(&core, KS_RECORD_BYTES_MAX);
    ks_core_write(&bundle->core, &core);
    assert_int_equal(ks_buf_check(&core), KS_OK);
    ks_sha256(ks_buf_view(&core), hash);
    assert_memory_equal(hash, bundle->core_hash, sizeof hash);
    assert_int_equal(bundle->core.schema, committed[index].schema);
    assert_int_equal(bundle->core.facts.method, committed[index].method);
    ks_buf_done(&core);
}

static void test_committed_bundles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof committed / sizeof committed[0]; i++) {
        struct ks_buf policy;
        struct ks_buf bytes;
        struct ks_bundle *bundle = NULL;
        struct ks_verdict verdict;

        vector_read(committed[i].folder, "lab.policy", &policy);
        vector_read(committed[i].folder, committed[i].name, &bytes);
        if (record_verify(ks_buf_view(&bytes), ks_buf_view(&policy), &verdict) != KS_OK) {
            fail_msg("%s/%s: %s", committed[i].folder, committed[i].name, ks_err_detail());
        }
        assert_string_equal(verdict.method, committed[i].described);
        assert_string_equal(verdict.key_source, "kem");
        assert_int_equal(ks_bundle_parse(ks_buf_view(&bytes), &bundle), KS_OK);
        assert_core(bundle, i);
        ks_bundle_free(bundle);
        ks_buf_done(&bytes);
        ks_buf_done(&policy);
    }
}

/* --- jobs that are refused by their shape --------------------------------------------------
 */

static const struct {
    const char *old;
    const char *fresh;
    enum ks_err err;
    const char *reason;
} bad_jobs[] = {
    {"\"method\":\"mps\"", "\"method\":\"MPS\"", KS_ERR_FORMAT, "'method'"},
    {"\"method\":\"mps\"", "\"method\":4", KS_ERR_FORMAT, "'method'"},
    {"\"method\":\"mps\"", "\"method\":\"sparse\"", KS_ERR_FORMAT, "'bond_max': 'sparse'"},
    {"\"bond_max\":8,", "\"bond_max\":0,", KS_ERR_LIMIT, "'bond_max': 1 to 4096"},
    {"\"bond_max\":8,", "\"bond_max\":4097,", KS_ERR_LIMIT, "'bond_max': 1 to 4096"},
    {"\"bond_max\":8,", "\"bond_max\":1.5,", KS_ERR_FORMAT, "'bond_max'"},
    {"\"cutoff\":1e-9,", "\"cutoff\":1,", KS_ERR_LIMIT, "'cutoff': from 0 to below 1"},
    {"\"cutoff\":1e-9,", "\"cutoff\":-1e-9,", KS_ERR_LIMIT, "'cutoff': from 0 to below 1"},
    {"\"cutoff\":1e-9,", "\"cutoff\":\"0\",", KS_ERR_FORMAT, "'cutoff'"},
    {"\"precision\"", "\"noise\":{},\"precision\"", KS_ERR_FORMAT, "'noise': it takes"},
    {"\"precision\"", "\"noise\":[],\"precision\"", KS_ERR_FORMAT, "'noise'"},
    {"ketseal.job/2", "ketseal.job/1", KS_ERR_FORMAT, "'bond_max'"},
    {"ketseal.job/2", "ketseal.job/3", KS_ERR_FORMAT, "'bond_max'"},
    {"ketseal.job/2", "ketseal.job/5", KS_ERR_FORMAT, "'schema'"},
};

static enum ks_err read_job(const struct ks_buf *text)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 256};
    struct ks_json_doc *doc = NULL;
    struct ks_job job;
    enum ks_err err = KS_OK;

    assert_int_equal(ks_json_parse(ks_buf_view(text), &limits, &doc), KS_OK);
    err = ks_job_parse(ks_json_root(doc), &job);
    ks_json_doc_free(doc);
    return err;
}

static void test_job_members(void **state)
{
    struct fixture fixture;
    struct ks_buf text;

    (void)state;
    fixture_make(&fixture, &keys, by_mps);
    ks_buf_init(&text, 65536);
    fixture_set(&text, ks_buf_view(&fixture.job_bytes));
    assert_int_equal(read_job(&text), KS_OK);
    for (size_t i = 0; i < sizeof bad_jobs / sizeof bad_jobs[0]; i++) {
        fixture_set(&text, ks_buf_view(&fixture.job_bytes));
        fixture_replace(&text, bad_jobs[i].old, bad_jobs[i].fresh);
        const enum ks_err err = read_job(&text);

        if (err != bad_jobs[i].err || strstr(ks_err_detail(), bad_jobs[i].reason) == NULL) {
            fail_msg("%s: %d '%s'", bad_jobs[i].fresh, (int)err, ks_err_detail());
        }
    }
    fixture_free(&fixture);
    /* A model is at most KS_JOB_NOISE_MAX bytes. */
    fixture_make(&fixture, &keys, under_noise);
    fixture_set(&text, ks_buf_view(&fixture.job_bytes));
    fixture_replace(&text, "ketseal.noise/1", "%s");
    ks_buf_clear(&fixture.note);
    for (size_t i = 0; i < KS_JOB_NOISE_MAX; i++) {
        ks_buf_put_text(&fixture.note, "n");
    }
    ks_buf_put_u8(&fixture.note, 0);
    fixture_replace(&text, "%s", (const char *)fixture.note.data);
    assert_int_equal(read_job(&text), KS_ERR_LIMIT);
    assert_non_null(strstr(ks_err_detail(), "'noise'"));
    ks_buf_done(&text);
    fixture_free(&fixture);
}

static int make_keys(void **state)
{
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 32};

    (void)state;
    fixture_keys_make(&keys);
    assert_int_equal(ks_json_parse_canonical(ks_bytes_text(noise_text), &limits, &noise_doc),
                     KS_OK);
    assert_int_equal(ks_json_parse_canonical(KS_LITERAL("{\"schema\":\"ketseal.noise/1\"}"),
                                             &limits, &other_noise_doc),
                     KS_OK);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    ks_json_doc_free(noise_doc);
    ks_json_doc_free(other_noise_doc);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_pass),
        cmocka_unit_test(test_each_change),
        cmocka_unit_test(test_job_members),
        cmocka_unit_test(test_committed_bundles),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
