/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the words of a plan mean at a site: each server rule with its figures, and those that
 * are refused. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_aggregate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
