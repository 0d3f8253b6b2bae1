/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Records of federated learning: a contribution, which a device asked for, and a round, which
 * goes back to an operator's order. They pass; each check fails by one targeted change. And the
 * documents before them: order, descriptor, a device's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "record_changes.h"

static struct fixture_keys keys;

/* --- what passes -------------------------------------------------------------------------- */

static void update(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture_begin_update(fixture);
    }
}

static void round_of(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture_begin_round(fixture);
    }
}

static void set_round_result(struct fixture *f, const struct ks_round_result *result)
{
    ks_buf_clear(&f->result);
    ks_round_result_write(result, &f->result);
    assert_int_equal(ks_buf_check(&f->result), KS_OK);
}

static void failed_round(struct fixture *f, enum fixture_step step)
{
    static const struct ks_round_result result = {
        .outcome = {(const uint8_t *)"too few updates arrived", 23}};

    round_of(f, step);
    if (step == FIXTURE_BEGIN) {
        set_round_result(f, &result);
    }
}

static void later_round(struct fixture *f, enum fixture_step step)
{
    round_of(f, step);
    if (step == FIXTURE_CORE) {
        f->core.fl.round = 5;
        f->core.fl.parent[0] ^= 1;
    }
}

static void test_variants_pass(void **state)
{
    static const fixture_change variants[] = {update, round_of, failed_round, later_round};

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

#define VARIED(name, variant, wanted, ...)                                                     \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        variant(f, step);                                                                      \
        AT(wanted)                                                                             \
        __VA_ARGS__;                                                                           \
    }
#define REPLACED(name, variant, old, fresh)                                                    \
    VARIED(name, variant, FIXTURE_WRITTEN, fixture_replace(&f->core_bytes, (old), (fresh)))

static void unchanged(struct fixture *fixture, enum fixture_step step)
{
    (void)fixture;
    (void)step;
}

/* a contribution */
VARIED(other_session, update, FIXTURE_CORE, f->core.fl.session[0] ^= 1)
VARIED(other_round, update, FIXTURE_CORE, f->core.fl.round++)
VARIED(other_parent, update, FIXTURE_CORE, f->core.fl.parent[31] ^= 1)
VARIED(other_sealed, update, FIXTURE_CORE, f->core.fl.sealed[0] ^= 1)
VARIED(other_length, update, FIXTURE_CORE, f->core.fl.length++)
VARIED(other_encoding, update, FIXTURE_CORE, f->core.fl.encoding = KS_LITERAL("q8"))
VARIED(other_samples, update, FIXTURE_CORE, f->core.fl.samples = 60000)
VARIED(build_of_the_worker, update, FIXTURE_CORE,
       ks_copy(f->core.build, ks_event_log_find(&f->log, "ketseal-worker"), 32))
VARIED(update_of_other, update, FIXTURE_BEGIN, f->submission_key = keys.other_device)
VARIED(update_by_operator, update, FIXTURE_BEGIN,
       (f->submission_key = keys.operator_key, f->certificate = keys.operator_cert))
REPLACED(update_too_early, update, "ketseal-5", "ketseal-4")
REPLACED(circuit_too_late, unchanged, "ketseal-4", "ketseal-5")
REPLACED(other_backend, update, "\"ketseal-fl\"", "\"ketseal\"")
REPLACED(hidden_member, update, "\"length\"", "\"a\":1,\"length\"")
REPLACED(negative_round, update, "\"round\":2", "\"round\":-2")
REPLACED(with_precision, update, "\"result_digest\"",
         "\"precision\":\"double\",\"result_digest\"")
VARIED(norm_below_zero, update, FIXTURE_BEGIN,
       fixture_replace(&f->result, "\"norm\":1.25", "\"norm\":-1.25"))
VARIED(no_update_hash, update, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"norm\":1,\"reason\":\"none\",\"suspicion\":0}")))
VARIED(counts_as_result, update, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":1000}")))

/* a circuit's job in a contribution's record, and the other way round */
static void circuit_job(struct fixture *f, enum fixture_step step)
{
    const struct ks_job job = f->job;

    update(f, step);
    AT(FIXTURE_BEGIN)
    f->job = job;
}
static void circuit_core(struct fixture *f, enum fixture_step step)
{
    const struct fixture before = *f;

    AT(FIXTURE_BEGIN)
    fixture_begin_update(f);
    f->core = before.core;
    f->log = before.log;
    f->site = before.site;
    fixture_set(&f->parameters, KS_LITERAL("{}"));
    fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"11\":507}"));
}

/* a round */
VARIED(order_of_other, round_of, FIXTURE_BEGIN, f->submission_key = keys.other_mldsa65)
VARIED(ordered_by_device, round_of, FIXTURE_BEGIN,
       (f->submission_key = keys.device, f->certificate = keys.device_cert))
VARIED(other_operator, round_of, FIXTURE_CORE, f->core.device = KS_LITERAL("eve"))
VARIED(core_other_order, round_of, FIXTURE_CORE, f->core.fl.order[0] ^= 1)
VARIED(core_other_signature, round_of, FIXTURE_CORE, f->core.fl.order_signature[0] ^= 1)
VARIED(order_other_session, round_of, FIXTURE_SUBMISSION, f->order.session[0] ^= 1)
VARIED(order_other_site, round_of, FIXTURE_SUBMISSION,
       f->order.site = KS_LITERAL("lab.example/other"))
VARIED(order_other_shape, round_of, FIXTURE_SUBMISSION, f->order.plan.shape[0] ^= 1)
VARIED(order_other_params, round_of, FIXTURE_SUBMISSION, f->order.plan.params++)
VARIED(order_other_parent, round_of, FIXTURE_SUBMISSION, f->order.plan.parent[0] ^= 1)
VARIED(order_other_rule, round_of, FIXTURE_SUBMISSION, f->order.plan.rule.bound = 0)
VARIED(order_to_start, round_of, FIXTURE_SUBMISSION, f->order.verb = KS_FL_VERB_START)
VARIED(order_after, round_of, FIXTURE_SUBMISSION, f->order.created_us += 3600000000)
VARIED(round_beyond, round_of, FIXTURE_CORE, f->core.fl.round = 6)
VARIED(round_zero, round_of, FIXTURE_CORE, f->core.fl.round = 0)
VARIED(rounds_build, round_of, FIXTURE_CORE, f->core.build[0] ^= 1)
static void other_descriptor(struct fixture *f, enum fixture_step step)
{
    round_of(f, step);
    AT(FIXTURE_LEDGER)
    f->core.fl.descriptor[0] ^= 1;
    ks_buf_clear(&f->entries[f->intent_at]);
    ks_entry_round_write(f->core.fl.session, f->core.fl.round, f->core.fl.descriptor,
                         &f->entries[f->intent_at]);
}
VARIED(model_of_failed, failed_round, FIXTURE_BEGIN,
       fixture_replace(&f->result, "\"outcome\"", "\"model\":\"00\",\"outcome\""))
VARIED(completed_without_model, round_of, FIXTURE_BEGIN,
       fixture_set(&f->result,
                   KS_LITERAL("{\"count\":0,\"loss\":0,\"outcome\":\"completed\",\"samples\":0,"
                              "\"updates\":\"00\"}")))
REPLACED(round_with_samples, round_of, "\"sdk\"", "\"samples\":1,\"sdk\"")
REPLACED(round_with_device, round_of, "{\"operator\"", "{\"device\":\"sensor-7\",\"operator\"")
REPLACED(neither, round_of, "\"name\":\"fl.round\"", "\"name\":\"fl.other\"")

static const struct record_change changes[] = {
    ONE(other_session, REQUEST_BINDING, "for another round", 0),
    ONE(other_round, REQUEST_BINDING, "for another round", 0),
    ONE(other_parent, REQUEST_BINDING, "another parent model", 0),
    ONE(other_sealed, REQUEST_BINDING, "another sealed update", 0),
    ONE(other_length, REQUEST_BINDING, "another sealed update", 0),
    ONE(other_encoding, REQUEST_BINDING, "another encoding", 0),
    ONE(other_samples, REQUEST_BINDING, "other samples", 0),
    ONE(build_of_the_worker, QUOTE_PCR, "not the worker for rounds", 0),
    ONE(update_of_other, REQUEST_SIGNATURE, "", 0),
    ONE(update_by_operator, REQUEST_CERTIFICATE, "", 0),
    ONE(update_too_early, FORMAT, "workload", 0),
    ONE(circuit_too_late, FORMAT, "'name': expected fl.update or fl.round", 0),
    ONE(other_backend, FORMAT, "'backend'", 0),
    ONE(hidden_member, FORMAT, "", 0),
    ONE(negative_round, FORMAT, "'round'", 0),
    ONE(with_precision, FORMAT, "'precision'", 0),
    ONE(norm_below_zero, RESULT, "'norm': below 0", 0),
    ONE(no_update_hash, RESULT, "'update'", 0),
    ONE(counts_as_result, RESULT, "'00'", 0),
    ONE(circuit_job, REQUEST_BINDING, "the record is of 'fl.update', the job of 'circuit'", 0),
    ONE(circuit_core, REQUEST_BINDING, "the record is of 'circuit', the job of 'fl.update'", 0),
    ONE(order_of_other, REQUEST_SIGNATURE, "", 0),
    ONE(ordered_by_device, REQUEST_CERTIFICATE, "", 0),
    ONE(other_operator, REQUEST_CERTIFICATE, "the core names 'eve'", 0),
    ONE(core_other_order, REQUEST_BINDING, "names another order", 0),
    ONE(core_other_signature, REQUEST_BINDING, "another signature of the order", 0),
    ONE(order_other_session, REQUEST_BINDING, "for another session", 0),
    ONE(order_other_site, REQUEST_BINDING, "for another site", 0),
    ONE(order_other_shape, REQUEST_BINDING, "another shape", 0),
    ONE(order_other_params, REQUEST_BINDING, "another shape", 0),
    ONE(order_other_parent, REQUEST_BINDING, "began with another model", 0),
    ONE(order_other_rule, REQUEST_BINDING, "for another rule", 0),
    ONE(order_to_start, REQUEST_BINDING, "the order has no plan", 0),
    ONE(order_after, REQUEST_BINDING, "before it was ordered", 0),
    ONE(round_beyond, REQUEST_BINDING, "the order is for 5 rounds", 0),
    ONE(round_zero, REQUEST_BINDING, "the order is for 5 rounds", 0),
    ONE(rounds_build, QUOTE_PCR, "not the worker for rounds", 0),
    ONE(other_descriptor, LEDGER_INTENT, "", 0),
    ONE(model_of_failed, RESULT, "'model': a completed round has one", 0),
    ONE(completed_without_model, RESULT, "'model': a completed round has one", 0),
    ONE(round_with_samples, FORMAT, "'samples'", 0),
    ONE(round_with_device, FORMAT, "'device'", 0),
    ONE(neither, FORMAT, "'name': expected fl.update or fl.round", 0),
};

static void test_each_change(void **state)
{
    (void)state;
    record_assert_changes(&keys, changes, sizeof changes / sizeof changes[0]);
}

/* --- jobs --------------------------------------------------------------------------------- */

static const struct {
    const char *old;
    const char *fresh;
    enum ks_err err;
    const char *reason;
} bad_jobs[] = {
    {"fl.update", "circuit", KS_ERR_FORMAT, "'kind': expected fl.update"},
    {"ketseal.job/4", "ketseal.job/3", KS_ERR_FORMAT, ""},
    {"\"encoding\":\"f32\"", "\"encoding\":\"\"", KS_ERR_FORMAT, "'encoding'"},
    {"\"encoding\":\"f32\"", "\"encoding\":\"seventeen-letters\"", KS_ERR_FORMAT, "'encoding'"},
    {"\"length\":247000", "\"length\":0", KS_ERR_LIMIT, "'length': 1 to"},
    {"\"length\":247000", "\"length\":1073745921", KS_ERR_LIMIT, "'length': 1 to"},
    {"\"loss\":0.125", "\"loss\":\"0.125\"", KS_ERR_FORMAT, "'loss'"},
    {"\"loss\":0.125", "\"loss\":1e+300", KS_ERR_LIMIT, "'loss': beyond 1e+15"},
    {"\"loss\":0.125", "\"loss\":-1e+300", KS_ERR_LIMIT, "'loss': beyond 1e+15"},
    {"\"round\":2", "\"round\":0", KS_ERR_LIMIT, "'round': 1 to"},
    {"\"samples\":600", "\"samples\":0", KS_ERR_LIMIT, "'samples': 1 to"},
    {"\"samples\":600", "\"samples\":2147483648", KS_ERR_LIMIT, "'samples': 1 to"},
    {"\"steps\":300", "\"steps\":-1", KS_ERR_FORMAT, "'steps'"},
    {"\"steps\":300", "\"shots\":1,\"steps\":300", KS_ERR_FORMAT, "'shots'"},
    {"\"session\":\"81", "\"session\":\"8", KS_ERR_FORMAT, "'session'"},
};

static void test_job_members(void **state)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 256};
    struct fixture fixture;
    struct ks_buf text;

    (void)state;
    fixture_make(&fixture, &keys, update);
    ks_buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof bad_jobs / sizeof bad_jobs[0]; i++) {
        struct ks_json_doc *doc = NULL;
        struct ks_job job;

        fixture_set(&text, ks_buf_view(&fixture.job_bytes));
        fixture_replace(&text, bad_jobs[i].old, bad_jobs[i].fresh);
        assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
        if (ks_job_parse(ks_json_root(doc), &job) != bad_jobs[i].err ||
            strstr(ks_err_detail(), bad_jobs[i].reason) == NULL) {
            fail_msg("%s: '%s'", bad_jobs[i].fresh, ks_err_detail());
        }
        ks_json_doc_free(doc);
    }
    fixture_free(&fixture);
    ks_buf_done(&text);
}

/* --- documents ---------------------------------------------------------------------------- */

static struct ks_verify_key *public_of(const struct ks_sign_key *key)
{
    struct ks_verify_key *public_key = NULL;

    assert_int_equal(ks_sign_key_verify_key(key, &public_key), KS_OK);
    return public_key;
}

static const struct {
    const char *old;
    const char *fresh;
    const char *reason;
} bad_orders[] = {
    {"[\"sensor-7\",\"sensor-8\"]", "[\"sensor-8\",\"sensor-7\"]",
     "'devices': not in ascending"},
    {"[\"sensor-7\",\"sensor-8\"]", "[\"sensor-7\",\"sensor-7\"]",
     "'devices': not in ascending"},
    {"[\"sensor-7\",\"sensor-8\"]", "[\"\"]", "'devices': 1 to"},
    {"\"invited\":2", "\"invited\":1", "'updates_min' is at most 'wanted'"},
    {"\"invited\":2", "\"invited\":0", "'invited': 1 to"},
    {"\"params\":61706", "\"params\":268435457", "'params': 1 to"},
    {"\"rounds\":5", "\"rounds\":0", "'rounds': 1 to"},
    {"\"prepare_s\":60", "\"prepare_s\":2592001", "'prepare_s': 1 to"},
    {"\"selection\":\"random\"", "\"selection\":\"best\"", "'selection'"},
    {"\"epochs\":5", "\"epochs\":0", "local: 'epochs': 1 to"},
    {"\"bound\":2.5", "\"bound\":-2.5", "rule: 'bound': 0 to"},
    {"\"bound\":2.5", "\"bound\":1000000000000001", "rule: 'bound': 0 to"},
    {"\"aggregate\":\"mean\"", "\"aggregate\":\"me an\"", "rule: 'aggregate'"},
    {"\"model\":\"lenet5\"", "\"model\":\"\"", "'model'"},
    {"\"verb\":\"create\"", "\"verb\":\"begin\"", "'verb': expected"},
    {"\"verb\":\"create\"", "\"verb\":\"stop\"", "'plan'"},
    {"fl-order/1", "fl-order/2", "'schema'"},
};

static void test_order_members(void **state)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 256};
    struct fixture fixture;
    struct ks_buf text;

    (void)state;
    fixture_make(&fixture, &keys, round_of);
    ks_buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof bad_orders / sizeof bad_orders[0]; i++) {
        struct ks_json_doc *doc = NULL;
        struct ks_fl_order order = {0};

        fixture_set(&text, ks_buf_view(&fixture.order_bytes));
        fixture_replace(&text, bad_orders[i].old, bad_orders[i].fresh);
        assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
        if (ks_fl_order_parse(ks_json_root(doc), &order) == KS_OK ||
            strstr(ks_err_detail(), bad_orders[i].reason) == NULL) {
            fail_msg("%s: '%s'", bad_orders[i].fresh, ks_err_detail());
        }
        ks_json_doc_free(doc);
    }
    fixture_free(&fixture);
    ks_buf_done(&text);
}

/* Read and written again under the same key, the body is the same; under another key it is not
 * read. */
static void test_order_signed(void **state)
{
    static const enum ks_fl_verb verbs[] = {KS_FL_VERB_CREATE, KS_FL_VERB_START,
                                            KS_FL_VERB_PAUSE, KS_FL_VERB_RESUME,
                                            KS_FL_VERB_STOP};
    struct ks_verify_key *operator_key = public_of(keys.operator_key);
    struct ks_verify_key *device_key = public_of(keys.device);
    struct fixture fixture;
    struct ks_buf text;

    (void)state;
    fixture_make(&fixture, &keys, round_of);
    ks_buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct ks_fl_order order = {0};

        fixture.order.verb = verbs[i];
        ks_buf_clear(&text);
        assert_int_equal(ks_fl_order_write(&fixture.order, keys.operator_key, &text), KS_OK);
        assert_int_equal(ks_fl_order_read(ks_buf_view(&text), device_key, &order),
                         KS_ERR_VERIFY);
        assert_int_equal(ks_fl_order_read(ks_buf_view(&text), operator_key, &order), KS_OK);
        assert_int_equal(order.verb, verbs[i]);
        assert_int_equal(order.created_us, fixture.order.created_us);
        assert_int_equal(order.plan.devices.count, verbs[i] == KS_FL_VERB_CREATE ? 2 : 0);
        ks_fl_order_done(&order);
    }
    fixture_free(&fixture);
    ks_verify_key_free(operator_key);
    ks_verify_key_free(device_key);
    ks_buf_done(&text);
}

/* A weighted selection says what each candidate weighed: one number for each, of 1 to the most.
 */
static void test_descriptor_of_a_weighted_selection(void **state)
{
    static const struct {
        uint64_t samples[4];
        size_t count;
        bool weighted;
        enum ks_err err;
    } cases[] = {
        {{7, 1000, 1}, 3, true, KS_OK},
        {{7, 1000}, 2, true, KS_ERR_FORMAT},
        {{7, 1000, 1, 1}, 4, true, KS_ERR_FORMAT},
        {{7, 1001, 1}, 3, true, KS_ERR_FORMAT},
        {{0, 1000, 1}, 3, true, KS_ERR_LIMIT},
        {{7, 1000, 1}, 3, false, KS_ERR_FORMAT},
        {{0}, 0, false, KS_OK},
        {{0}, 0, true, KS_ERR_FORMAT},
    };
    struct ks_verify_key *site_key = public_of(keys.mldsa65);
    struct fixture fixture;
    struct ks_bytes other = KS_LITERAL("sensor-9");

    (void)state;
    fixture_make(&fixture, &keys, round_of);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t samples[4];
        const struct ks_fl_descriptor descriptor = {.selected = fixture.order.plan.devices,
                                                    .passed_over = {&other, 1},
                                                    .weighted = cases[i].weighted,
                                                    .seed = 5,
                                                    .samples = samples,
                                                    .samples_count = cases[i].count,
                                                    .local = fixture.order.plan.local,
                                                    .params = 61706,
                                                    .round = 1,
                                                    .rule = fixture.order.plan.rule,
                                                    .samples_max = 1000,
                                                    .site = KS_LITERAL(FIXTURE_ORIGIN),
                                                    .train_s = 600};
        struct ks_fl_descriptor read = {0};
        struct ks_buf text;
        enum ks_err err = KS_OK;

        memcpy(samples, cases[i].samples, sizeof samples);
        ks_buf_init(&text, 65536);
        assert_int_equal(ks_fl_descriptor_write(&descriptor, keys.mldsa65, &text), KS_OK);
        err = ks_fl_descriptor_read(ks_buf_view(&text), site_key, &read);
        if (err != cases[i].err) {
            fail_msg("case %zu: %d '%s'", i, (int)err, ks_err_detail());
        }
        if (err == KS_OK) {
            assert_true(ks_bytes_is(read.passed_over.names[0], "sensor-9"));
            assert_int_equal(read.passed_over.count, 1);
            assert_int_equal(read.seed, 5);
            assert_int_equal(read.samples_count, cases[i].count);
            assert_memory_equal(read.samples, samples, cases[i].count * sizeof samples[0]);
        }
        ks_fl_descriptor_done(&read);
        ks_buf_done(&text);
    }
    fixture_free(&fixture);
    ks_verify_key_free(site_key);
}

static void test_descriptor_signed(void **state)
{
    struct ks_verify_key *site_key = public_of(keys.mldsa65);
    struct ks_verify_key *other_key = public_of(keys.other_mldsa65);
    struct fixture fixture;
    struct ks_fl_descriptor descriptor = {0};
    struct ks_fl_descriptor read = {0};
    struct ks_buf text;
    struct ks_buf again;

    (void)state;
    fixture_make(&fixture, &keys, round_of);
    descriptor = (struct ks_fl_descriptor){.created_us = FIXTURE_NOW_S * 1000000,
                                           .join_until_us = FIXTURE_NOW_S * 1000000 + 60000000,
                                           .selected = fixture.order.plan.devices,
                                           .local = fixture.order.plan.local,
                                           .params = 61706,
                                           .round = 1,
                                           .rule = fixture.order.plan.rule,
                                           .samples_max = 1000,
                                           .site = KS_LITERAL(FIXTURE_ORIGIN),
                                           .train_s = 600};
    ks_buf_init(&text, 65536);
    ks_buf_init(&again, 65536);
    assert_int_equal(ks_fl_descriptor_write(&descriptor, keys.mldsa65, &text), KS_OK);
    assert_int_equal(ks_fl_descriptor_read(ks_buf_view(&text), other_key, &read),
                     KS_ERR_VERIFY);
    assert_int_equal(ks_fl_descriptor_read(ks_buf_view(&text), site_key, &read), KS_OK);
    assert_int_equal(read.selected.count, 2);
    assert_true(ks_bytes_is(read.selected.names[1], "sensor-8"));
    assert_true(read.local.rate == 0.1 && read.rule.bound == 2.5);
    assert_int_equal(read.train_s, 600);
    ks_fl_descriptor_done(&read);
    fixture_replace(&text, "\"round\":1", "\"round\":2");
    assert_int_equal(ks_fl_descriptor_read(ks_buf_view(&text), site_key, &read), KS_ERR_VERIFY);
    descriptor.selected.count = 0;
    assert_int_equal(ks_fl_descriptor_write(&descriptor, keys.mldsa65, &again), KS_OK);
    assert_int_equal(ks_fl_descriptor_read(ks_buf_view(&again), site_key, &read),
                     KS_ERR_FORMAT);
    fixture_free(&fixture);
    ks_verify_key_free(site_key);
    ks_verify_key_free(other_key);
    ks_buf_done(&text);
    ks_buf_done(&again);
}

static void test_join_signed(void **state)
{
    struct ks_verify_key *device_key = public_of(keys.device);
    struct ks_verify_key *other_key = public_of(keys.other_device);
    const struct ks_fl_join join = {.channel = {1, 2},
                                    .created_us = FIXTURE_NOW_S * 1000000,
                                    .device = KS_LITERAL(FIXTURE_DEVICE),
                                    .round = 3,
                                    .samples = 600,
                                    .session = {4},
                                    .site = KS_LITERAL(FIXTURE_ORIGIN),
                                    .leaves = true};
    struct ks_fl_join read = {0};
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, 65536);
    assert_int_equal(ks_fl_join_write(&join, keys.device, &text), KS_OK);
    assert_int_equal(ks_fl_join_read(ks_buf_view(&text), other_key, &read), KS_ERR_VERIFY);
    assert_int_equal(ks_fl_join_read(ks_buf_view(&text), device_key, &read), KS_OK);
    assert_true(read.leaves && read.round == 3 && read.samples == 600);
    assert_true(ks_bytes_is(read.device, FIXTURE_DEVICE));
    assert_memory_equal(read.session, join.session, sizeof join.session);
    assert_memory_equal(read.channel, join.channel, sizeof join.channel);
    ks_fl_join_done(&read);
    fixture_replace(&text, "\"samples\":600", "\"samples\":0");
    assert_int_equal(ks_fl_join_read(ks_buf_view(&text), device_key, &read), KS_ERR_LIMIT);
    ks_verify_key_free(device_key);
    ks_verify_key_free(other_key);
    ks_buf_done(&text);
}

static int make_keys(void **state)
{
    (void)state;
    fixture_keys_make(&keys);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_pass),
        cmocka_unit_test(test_each_change),
        cmocka_unit_test(test_job_members),
        cmocka_unit_test(test_order_members),
        cmocka_unit_test(test_order_signed),
        cmocka_unit_test(test_descriptor_signed),
        cmocka_unit_test(test_descriptor_of_a_weighted_selection),
        cmocka_unit_test(test_join_signed),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
