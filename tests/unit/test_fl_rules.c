/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What servers make of changes: against the formulas of the papers, one number at a time; their
 * state against its flips. Buffers of asynchronous rounds: what they accept, and that their
 * membership is enough to compute the same versions again. */
#include "unit/expect.h"

#include <math.h>

#include "fl/buffered.h"
#include "fl/rules.h"
#include "oracle/naive_fl.h"

#define OK(call) assert_int_equal((call), KS_OK)
#define PARAMS   2100
#define STEPS    6

static float model[PARAMS];
static float change[PARAMS];
static float control[PARAMS];

static void fill(float *values, uint64_t seed, double scale)
{
    for (size_t j = 0; j < PARAMS; j++) {
        values[j] = j % 50 == 7 ? 0 : (float)(scale * fl_normal(seed, j));
    }
}

static struct ks_fl_server_params params_of(enum ks_fl_server_rule rule)
{
    struct ks_fl_server_params params = ks_fl_server_defaults(rule, PARAMS);

    params.rate *= 0.7;
    params.clients = rule == KS_FL_SCAFFOLD ? 40 : 0;
    return params;
}

/* One number of the model, and what is remembered of it, as the papers write the step. */
struct naive {
    double w;
    double m;
    double v;
};

static void naive_step(const struct ks_fl_server_params *p, struct naive *n, double d, double e)
{
    switch (p->rule) {
    case KS_FL_FEDAVG:
        n->w = n->w + p->rate * d;
        break;
    case KS_FL_SCAFFOLD:
        n->w = n->w + p->rate * d;
        n->m = n->m + 10.0 / p->clients * e;
        break;
    case KS_FL_FEDAVGM:
        n->m = p->beta1 * n->m + d;
        n->w = n->w + p->rate * n->m;
        break;
    default:
        n->m = p->beta1 * n->m + (1 - p->beta1) * d;
        if (p->rule == KS_FL_FEDADAGRAD) {
            n->v = n->v + d * d;
        } else if (p->rule == KS_FL_FEDADAM) {
            n->v = p->beta2 * n->v + (1 - p->beta2) * d * d;
        } else {
            const double sign = n->v > d * d ? 1 : n->v < d * d ? -1 : 0;

            n->v = n->v - (1 - p->beta2) * d * d * sign;
        }
        n->w = n->w + p->rate * n->m / (sqrt(n->v) + p->tau);
        break;
    }
}

static void step(struct ks_fl_server *server, unsigned index, struct ks_pool *pool)
{
    const bool scaffold = ks_fl_server_params(server)->rule == KS_FL_SCAFFOLD;

    fill(change, 100 + index, 0.02);
    fill(control, 200 + index, 0.1);
    OK(ks_fl_server_step(server, change, scaffold ? control : NULL, scaffold ? 10 : 0, pool));
}

static void servers_follow_the_papers(void **state)
{
    (void)state;
    fill(model, 1, 1);
    for (unsigned rule = 0; rule < KS_FL_SERVER_RULES; rule++) {
        const struct ks_fl_server_params params = params_of((enum ks_fl_server_rule)rule);
        static struct naive naive[PARAMS];
        struct ks_fl_server *server = NULL;

        OK(ks_fl_server_new(&params, model, &server));
        for (size_t j = 0; j < PARAMS; j++) {
            naive[j] = (struct naive){(double)model[j], 0, params.tau * params.tau};
        }
        for (unsigned i = 0; i < STEPS; i++) {
            step(server, i, NULL);
            for (size_t j = 0; j < PARAMS; j++) {
                naive_step(&params, &naive[j], (double)change[j], (double)control[j]);
                assert_true(fabs((double)ks_fl_server_model(server)[j] - naive[j].w) <
                            1e-6 * (1 + fabs(naive[j].w)));
                if (rule == KS_FL_SCAFFOLD) {
                    assert_true(fabs((double)ks_fl_server_control(server)[j] - naive[j].m) <
                                1e-6);
                }
            }
        }
        assert_int_equal(ks_fl_server_steps(server), STEPS);
        assert_true((ks_fl_server_control(server) != NULL) == (rule == KS_FL_SCAFFOLD));
        ks_fl_server_free(server);
    }
}

static void states_are_read_as_written_and_go_on_alike(void **state)
{
    (void)state;
    fill(model, 1, 1);
    for (unsigned rule = 0; rule < KS_FL_SERVER_RULES; rule++) {
        const struct ks_fl_server_params params = params_of((enum ks_fl_server_rule)rule);
        struct ks_fl_server *server = NULL;
        struct ks_fl_server *resumed = NULL;
        struct ks_pool *pool = NULL;
        struct ks_buf bytes;
        struct ks_buf again;

        ks_buf_init(&bytes, 1 << 20);
        ks_buf_init(&again, 1 << 20);
        OK(ks_pool_new(3, &pool));
        OK(ks_fl_server_new(&params, model, &server));
        step(server, 0, NULL);
        ks_fl_server_write(server, &bytes);
        OK(ks_fl_server_read(ks_buf_view(&bytes), &resumed));
        step(server, 1, NULL);
        step(resumed, 1, pool);
        ks_buf_clear(&bytes);
        ks_fl_server_write(server, &bytes);
        ks_fl_server_write(resumed, &again);
        OK(ks_buf_check(&bytes));
        assert_true(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(&again)));
        ks_buf_done(&bytes);
        ks_buf_done(&again);
        ks_fl_server_free(server);
        ks_fl_server_free(resumed);
        ks_pool_free(pool);
    }
}

static void changed_states_are_refused(void **state)
{
    struct ks_fl_server_params params = params_of(KS_FL_FEDADAM);
    struct ks_fl_server *server = NULL;
    struct ks_fl_server *read = NULL;
    struct ks_buf bytes;

    (void)state;
    params.params = 3;
    ks_buf_init(&bytes, 1 << 20);
    OK(ks_fl_server_new(&params, model, &server));
    ks_fl_server_write(server, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_server_read(ks_buf_view(&bytes), &read), KS_OK);
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_server_read(ks_bytes_of(bytes.data, i), &read), KS_OK);
        assert_null(read);
    }
    ks_buf_done(&bytes);
    ks_fl_server_free(server);
}

static void steps_that_cannot_be_leave_the_model(void **state)
{
    const struct ks_fl_server_params params = params_of(KS_FL_FEDAVG);
    struct ks_fl_server *server = NULL;

    (void)state;
    fill(model, 1, 1);
    fill(change, 2, 1);
    OK(ks_fl_server_new(&params, model, &server));
    change[5] = INFINITY;
    expect_failure(ks_fl_server_step(server, change, NULL, 0, NULL), KS_ERR_FORMAT,
                   "parameter 5 ");
    change[5] = 3e38f;
    OK(ks_fl_server_step(server, change, NULL, 0, NULL));
    expect_failure(ks_fl_server_step(server, change, NULL, 0, NULL), KS_ERR_FORMAT,
                   "not finite");
    assert_int_equal(ks_fl_server_steps(server), 1);
    assert_true(isfinite(ks_fl_server_model(server)[5]));
    expect_failure(ks_fl_server_step(server, change, change, 1, NULL), KS_ERR_USAGE,
                   "scaffold");
    ks_fl_server_free(server);
}

static void server_parameters_have_limits(void **state)
{
    static const struct {
        size_t offset;
        double value;
    } cases[] = {
        {offsetof(struct ks_fl_server_params, rate), 0},
        {offsetof(struct ks_fl_server_params, rate), NAN},
        {offsetof(struct ks_fl_server_params, beta1), 1},
        {offsetof(struct ks_fl_server_params, beta2), -0.1},
        {offsetof(struct ks_fl_server_params, tau), 0},
    };
    struct ks_fl_server *server = NULL;
    struct ks_fl_server_params params = params_of(KS_FL_FEDYOGI);
    enum ks_fl_server_rule rule = KS_FL_FEDAVG;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_server_params changed = params;

        ks_copy((char *)&changed + cases[i].offset, &cases[i].value, sizeof(double));
        assert_int_equal(ks_fl_server_new(&changed, model, &server), KS_ERR_USAGE);
    }
    params.clients = 3;
    expect_failure(ks_fl_server_new(&params, model, &server), KS_ERR_USAGE, "for scaffold");
    params = params_of(KS_FL_FEDAVG);
    params.params = 0;
    assert_int_equal(ks_fl_server_new(&params, model, &server), KS_ERR_LIMIT);
    assert_null(server);
    OK(ks_fl_server_rule_of(KS_LITERAL("fedyogi"), &rule));
    assert_int_equal(rule, KS_FL_FEDYOGI);
    expect_failure(ks_fl_server_rule_of(KS_LITERAL("fed"), &rule), KS_ERR_USAGE, "'fed'");
}

/* --- buffers ------------------------------------------------------------------------------ */

static const struct ks_fl_buffer_params buffer_params = {
    .session = {9}, .size = 4, .by = KS_FL_STALENESS_ROOT, .staleness_max = 5};

static enum ks_err accept(struct ks_fl_buffer *buffer, unsigned client, unsigned update,
                          uint64_t version, struct ks_fl_member *out_member, bool *out_again)
{
    const uint8_t client_id[KS_FL_HASH_LEN] = {(uint8_t)client};
    const uint8_t hash[KS_FL_HASH_LEN] = {(uint8_t)update, 1};

    return ks_fl_buffer_accept(buffer, client_id, hash, version, out_member, out_again);
}

static void staleness_weighs_as_published(void **state)
{
    (void)state;
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_CONSTANT, 900), 65536);
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_ROOT, 0), 65536);
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_ROOT, 3), 32768);
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_ROOT, 1), 46341);
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_INVERSE, 2), 21845);
    assert_int_equal(ks_fl_staleness_weight(KS_FL_STALENESS_INVERSE, 999999), 1);
}

static void buffers_take_each_client_once(void **state)
{
    struct ks_fl_buffer *buffer = NULL;
    struct ks_fl_member member = {0};
    bool again = false;

    (void)state;
    OK(ks_fl_buffer_new(&buffer_params, &buffer));
    OK(accept(buffer, 1, 1, 0, &member, &again));
    assert_false(again);
    OK(accept(buffer, 1, 1, 0, &member, &again));
    assert_true(again);
    assert_int_equal(ks_fl_buffer_count(buffer), 1);
    expect_failure(accept(buffer, 1, 2, 0, &member, &again), KS_ERR_CONFLICT, "another update");
    expect_failure(accept(buffer, 2, 1, 1, &member, &again), KS_ERR_DENIED,
                   "from version 1; the newest is 0");
    expect_failure(ks_fl_buffer_flush(buffer), KS_ERR_CONFLICT, "1 of 4");
    for (unsigned version = 0; version < 6; version++) {
        for (unsigned client = 1; client <= 4; client++) {
            if (version > 0 || client > 1) {
                OK(accept(buffer, client, version, version, &member, &again));
            }
        }
        assert_true(ks_fl_buffer_is_full(buffer));
        expect_failure(accept(buffer, 9, 1, version, &member, &again), KS_ERR_CONFLICT, "full");
        OK(ks_fl_buffer_flush(buffer));
    }
    expect_failure(accept(buffer, 9, 1, 0, &member, &again), KS_ERR_DENIED, "the oldest");
    OK(accept(buffer, 9, 1, 3, &member, &again));
    assert_int_equal(member.weight, 32768);
    ks_fl_buffer_free(buffer);
}

/* Twelve updates, three versions; the buffer and its sum resumed after each of them, and the
 * updates of each version added in another order: the same models. */
static void memberships_replay(void **state)
{
    const struct ks_fl_accumulator_params params = {
        .params = PARAMS, .width = 64, .fraction_bits = 24, .members_max = 4};
    const struct ks_fl_server_params server_params = params_of(KS_FL_FEDAVGM);
    struct ks_fl_buffer *buffer = NULL;
    struct ks_fl_server *servers[2] = {NULL, NULL};
    struct ks_fl_accumulator *sums[2] = {NULL, NULL};

    (void)state;
    fill(model, 1, 1);
    OK(ks_fl_buffer_new(&buffer_params, &buffer));
    for (size_t i = 0; i < 2; i++) {
        OK(ks_fl_server_new(&server_params, model, &servers[i]));
    }
    for (unsigned version = 0; version < 3; version++) {
        OK(ks_fl_accumulator_new(&params, &sums[0]));
        OK(ks_fl_accumulator_new(&params, &sums[1]));
        for (unsigned i = 0; i < 4; i++) {
            struct ks_fl_member member = {0};
            struct ks_fl_buffer *resumed = NULL;
            struct ks_buf bytes;
            bool again = false;

            OK(accept(buffer, (version * 5 + i * 3) % 11, i, version - i % (version + 1),
                      &member, &again));
            fill(change, 40 + member.client[0], 0.1);
            OK(ks_fl_accumulator_add(sums[0], &member, change, 1, NULL));
            ks_buf_init(&bytes, 1 << 16);
            ks_fl_buffer_write(buffer, &bytes);
            OK(ks_fl_buffer_read(ks_buf_view(&bytes), &resumed));
            ks_buf_done(&bytes);
            ks_fl_buffer_free(buffer);
            buffer = resumed;
        }
        for (size_t i = 4; i > 0; i--) {
            const struct ks_fl_arrival *arrival = ks_fl_buffer_arrival(buffer, i - 1);

            fill(change, 40 + arrival->member.client[0], 0.1);
            OK(ks_fl_accumulator_add(sums[1], &arrival->member, change, 1, NULL));
        }
        for (size_t i = 0; i < 2; i++) {
            OK(ks_fl_accumulator_mean(sums[i], ks_fl_buffer_divisor(buffer), change));
            OK(ks_fl_server_step(servers[i], change, NULL, 0, NULL));
            ks_fl_accumulator_free(sums[i]);
        }
        OK(ks_fl_buffer_flush(buffer));
    }
    assert_int_equal(ks_fl_buffer_version(buffer), 3);
    assert_memory_equal(ks_fl_server_model(servers[0]), ks_fl_server_model(servers[1]),
                        sizeof model);
    ks_fl_server_free(servers[0]);
    ks_fl_server_free(servers[1]);
    ks_fl_buffer_free(buffer);
}

static void changed_memberships_are_refused(void **state)
{
    struct ks_fl_buffer *buffer = NULL;
    struct ks_fl_buffer *read = NULL;
    struct ks_fl_member member = {0};
    struct ks_fl_buffer_params params = buffer_params;
    struct ks_buf bytes;
    bool again = false;

    (void)state;
    ks_buf_init(&bytes, 1 << 16);
    OK(ks_fl_buffer_new(&params, &buffer));
    OK(accept(buffer, 1, 1, 0, &member, &again));
    OK(accept(buffer, 2, 1, 0, &member, &again));
    ks_fl_buffer_write(buffer, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_buffer_read(ks_buf_view(&bytes), &read), KS_OK);
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_fl_buffer_read(ks_bytes_of(bytes.data, i), &read), KS_OK);
        assert_null(read);
    }
    ks_buf_done(&bytes);
    ks_fl_buffer_free(buffer);
    params.size = 0;
    assert_int_equal(ks_fl_buffer_new(&params, &buffer), KS_ERR_LIMIT);
    params.size = 1;
    params.staleness_max = KS_FL_STALENESS_MAX + 1;
    assert_int_equal(ks_fl_buffer_new(&params, &buffer), KS_ERR_LIMIT);
    params.staleness_max = 1;
    params.by = KS_FL_STALENESSES;
    assert_int_equal(ks_fl_buffer_new(&params, &buffer), KS_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_follow_the_papers),
        cmocka_unit_test(states_are_read_as_written_and_go_on_alike),
        cmocka_unit_test(changed_states_are_refused),
        cmocka_unit_test(steps_that_cannot_be_leave_the_model),
        cmocka_unit_test(server_parameters_have_limits),
        cmocka_unit_test(staleness_weighs_as_published),
        cmocka_unit_test(buffers_take_each_client_once),
        cmocka_unit_test(memberships_replay),
        cmocka_unit_test(changed_memberships_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
