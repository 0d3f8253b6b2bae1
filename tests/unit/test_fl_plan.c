/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the words of a plan mean at a site: each server rule with its figures, and those that
 * are refused; what a plan takes, and where it is too much. */
#include "unit/expect.h"

#include "enclave/fl_plan.h"

static const struct {
    const char *server;
    double rate;
    double beta1;
    double beta2;
    double tau;
    enum ks_err err;
    bool remembers;
} cases[] = {
    {"fedavg", 1, 0, 0, 0, KS_OK, false},
    {"fedavg", 0.5, 0, 0, 0, KS_OK, false},
    {"fedavgm", 1, 0.9, 0, 0, KS_OK, true},
    {"fedavgm", 1, 0, 0, 0, KS_OK, true},
    {"fedadagrad", 0.1, 0, 0, 0.001, KS_OK, true},
    {"fedadam", 0.1, 0.9, 0.99, 0.001, KS_OK, true},
    {"fedyogi", 0.1, 0.9, 0.99, 0.001, KS_OK, true},
    {"fedavg", 0, 0, 0, 0, KS_ERR_FORMAT, false},
    {"fedavg", 1, 0.1, 0, 0, KS_ERR_FORMAT, false},
    {"fedavg", 1, 0, 0, 0.1, KS_ERR_FORMAT, false},
    {"fedavgm", 1, 1, 0, 0, KS_ERR_FORMAT, false},
    {"fedavgm", 1, 0.9, 0.9, 0, KS_ERR_FORMAT, false},
    {"fedadagrad", 1, 0, 0.9, 0.1, KS_ERR_FORMAT, false},
    {"fedadagrad", 1, 0, 0, 0, KS_ERR_FORMAT, false},
    {"fedadam", 1, 0.9, 1, 0.001, KS_ERR_FORMAT, false},
    {"scaffold", 1, 0, 0, 0, KS_ERR_UNAVAILABLE, false},
    {"fedbuff", 1, 0, 0, 0, KS_ERR_UNAVAILABLE, false},
    {"fedsgd", 1, 0, 0, 0, KS_ERR_UNAVAILABLE, false},
};

static void test_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_plan plan = {.params = 7, .rule = {.aggregate = KS_LITERAL("mean")}};
        struct ks_fl_server_params server;
        enum ks_err err = KS_OK;

        plan.rule.server = ks_bytes_text(cases[i].server);
        plan.rule.rate = cases[i].rate;
        plan.rule.beta1 = cases[i].beta1;
        plan.rule.beta2 = cases[i].beta2;
        plan.rule.tau = cases[i].tau;
        err = ks_fl_plan_server(&plan, &server);
        if (err != cases[i].err) {
            fail_msg("case %zu: %d '%s'", i, (int)err, ks_err_detail());
        }
        if (err != KS_OK) {
            continue;
        }
        assert_true(ks_bytes_is(plan.rule.server, ks_fl_server_word(server.rule)));
        assert_int_equal(server.params, 7);
        assert_true(server.rate == cases[i].rate);
        assert_true(!ks_fl_server_takes_beta1(server.rule) || server.beta1 == cases[i].beta1);
        assert_true(!ks_fl_server_takes_beta2(server.rule) || server.beta2 == cases[i].beta2);
        assert_true(!ks_fl_server_takes_tau(server.rule) || server.tau == cases[i].tau);
        assert_int_equal(ks_fl_plan_remembers(&plan), cases[i].remembers);
    }
}

static void test_aggregate(void **state)
{
    static const struct {
        const char *rule;
        bool keeps;
    } rules[] = {{"mean", false}, {"median", false},       {"krum", false},
                 {"rfa", true},   {"centered-clip", true}, {"bulyan", false}};

    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct ks_fl_plan plan = {.rule = {.server = KS_LITERAL("fedavg")}};

        plan.rule.aggregate = ks_bytes_text(rules[i].rule);
        assert_int_equal(ks_fl_plan_keeps_aggregate(&plan), rules[i].keeps);
        assert_int_equal(ks_fl_plan_remembers(&plan), rules[i].keeps);
    }
}

static struct ks_fl_plan plan_of(uint64_t params, const char *server, const char *encoding)
{
    return (struct ks_fl_plan){.params = params,
                               .wanted = 100,
                               .updates_min = 10,
                               .samples_max = 1000,
                               .local = {.encoding = ks_bytes_text(encoding), .keep = 1},
                               .rule = {.aggregate = KS_LITERAL("mean"),
                                        .server = ks_bytes_text(server),
                                        .rate = 1,
                                        .tau = strcmp(server, "fedadam") == 0 ? 0.001 : 0}};
}

static struct ks_fl_gather_params gather_of(const struct ks_fl_plan *plan, enum ks_fl_rule rule)
{
    return (struct ks_fl_gather_params){.params = (size_t)plan->params,
                                        .members_max = (size_t)plan->wanted,
                                        .clients = (size_t)plan->wanted,
                                        .robust = {.rule = rule}};
}

/* A worker that writes or reads a checkpoint has the sum three times: 8 bytes of each number.
 * At once with that the parent and an update are there twice, and what is remembered. */
static void test_memory(void **state)
{
    static const struct {
        const char *server;
        const char *encoding;
        enum ks_fl_rule rule;
        uint64_t least; /* bytes for each number */
    } needs[] = {
        {"fedavg", "f32", KS_FL_MEAN, 8 + 8 + 3 * 8},
        {"fedavg", "topk", KS_FL_MEAN, 8 + 16 + 3 * 8},
        {"fedavgm", "f32", KS_FL_MEAN, 8 + 8 + 8 + 8 + 4 * 8}, /* the end takes more */
        {"fedadam", "f32", KS_FL_MEAN, 8 + 8 + 8 + 8 + 4 * 12},
        {"fedavg", "f32", KS_FL_MEDIAN, 8 + 8 + 8 + 100 * 4},
    };
    const uint64_t params = 10000000;

    (void)state;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const struct ks_fl_plan plan = plan_of(params, needs[i].server, needs[i].encoding);
        const struct ks_fl_gather_params gather = gather_of(&plan, needs[i].rule);
        const uint64_t most = (needs[i].least + 9) * params + (80 << 20);
        uint64_t bytes = 0;

        assert_int_equal(ks_fl_plan_needs(&plan, &gather, &bytes), KS_OK);
        if (bytes < needs[i].least * params + (64 << 20) || bytes > most) {
            fail_msg("case %zu: %llu bytes", i, (unsigned long long)bytes);
        }
    }
}

static void test_limits(void **state)
{
    static const struct {
        const char *server;
        const char *encoding;
        enum ks_fl_rule rule;
        uint64_t params;
        uint64_t samples_max;
        const char *refused; /* NULL: it is not */
    } limits[] = {
        {"fedavg", "f32", KS_FL_MEAN, 7, 42949672, NULL},
        {"fedavg", "f32", KS_FL_MEAN, 7, 42949673, "'samples_max': at most 42949672"},
        {"fedavg", "f32", KS_FL_MEDIAN, 7, 2147483647, NULL},
        {"fedavg", "f32", KS_FL_MEAN, 134216800, 1, NULL},
        {"fedavg", "f32", KS_FL_MEAN, 134217728, 1, "of 134217728 numbers"},
        {"fedavg", "f32", KS_FL_MEDIAN, 268173309, 1, NULL},
        {"fedavg", "f32", KS_FL_MEDIAN, 268435456, 1, "of 268435456 numbers"},
        {"fedadam", "f32", KS_FL_MEAN, 89478000, 1, NULL},
        {"fedadam", "f32", KS_FL_MEAN, 89478500, 1, "of 89478500 numbers"},
        {"fedavg", "topk", KS_FL_MEDIAN, 200000000, 1, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct ks_fl_plan plan =
            plan_of(limits[i].params, limits[i].server, limits[i].encoding);
        const struct ks_fl_gather_params gather = gather_of(&plan, limits[i].rule);

        plan.samples_max = limits[i].samples_max;
        if (limits[i].refused == NULL) {
            assert_int_equal(ks_fl_plan_fits(&plan, &gather), KS_OK);
        } else {
            expect_failure(ks_fl_plan_fits(&plan, &gather), KS_ERR_LIMIT, limits[i].refused);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_aggregate),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
