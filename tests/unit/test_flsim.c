/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Simulated sessions against plain arithmetic: what counts makes the model that the papers'
 * formulas make, attackers send what the oracle says, controls move as SCAFFOLD has it; what
 * cannot count is refused and leaves nothing; and records do not survive any change. */
#include "unit/expect.h"

#include <math.h>

#include "cli/flsim_record.h"
#include "cli/flsim_state.h"
#include "crypto/digest.h"
#include "fault/crash_fs.h"
#include "fault/flsim_scene.h"
#include "fl/model.h"
#include "oracle/naive_fl.h"

struct fixture {
    struct flsim_scene scene;
    struct ks_flsim_hooks hooks;
    struct crash_disk *disk;
    struct ks_fs fs;
    struct ks_flsim *sim;
    uint64_t memory_max;
    size_t bad_client; /* sends what is no number */
    /* what was sent, by client, in the last round */
    float changes[SCENE_CLIENTS][SCENE_PARAMS];
    float controls[SCENE_CLIENTS][SCENE_PARAMS];
    float server_control[SCENE_PARAMS]; /* that clients saw last */
    float own_control[SCENE_CLIENTS][SCENE_PARAMS];
    /* what counted, in its order */
    size_t count;
    size_t clients[SCENE_CLIENTS];
    uint64_t samples[SCENE_CLIENTS];
    struct ks_flsim_round_record round;
};

static enum ks_err train(void *context, struct ks_flsim_turn *turn)
{
    struct fixture *fixture = context;

    flsim_scene_fill((uint32_t)turn->client, (uint32_t)turn->round, 1, turn->change);
    if (turn->client == fixture->bad_client) {
        turn->change[3] = NAN;
    }
    ks_copy(fixture->changes[turn->client], turn->change, sizeof fixture->changes[0]);
    if (turn->control != NULL) {
        flsim_scene_fill((uint32_t)turn->client, (uint32_t)turn->round, 2,
                         turn->control_change);
        ks_copy(fixture->controls[turn->client], turn->control_change,
                sizeof fixture->controls[0]);
        ks_copy(fixture->server_control, turn->control, sizeof fixture->server_control);
        ks_copy(fixture->own_control[turn->client], turn->own_control,
                sizeof fixture->own_control[0]);
    }
    return KS_OK;
}

static enum ks_err see_update(void *context, const struct ks_flsim_update_record *record)
{
    struct fixture *fixture = context;

    for (size_t i = 0; i < SCENE_CLIENTS; i++) {
        if (ks_bytes_equal(record->client, fixture->scene.clients[i].name)) {
            fixture->samples[fixture->count] = record->samples;
            fixture->clients[fixture->count++] = i;
        }
    }
    return KS_OK;
}

static enum ks_err see_round(void *context, const struct ks_flsim_round_record *record)
{
    struct fixture *fixture = context;

    fixture->round = *record;
    return KS_OK;
}

static enum ks_err open_sim(struct fixture *fixture)
{
    const struct ks_flsim_spec spec = {.fs = &fixture->fs,
                                       .plan = &fixture->scene.plan,
                                       .first = ks_buf_view(&fixture->scene.first),
                                       .hooks = &fixture->hooks,
                                       .memory_max = fixture->memory_max};

    return ks_flsim_open(&spec, &fixture->sim);
}

static struct fixture *make(void)
{
    struct fixture *fixture = ks_calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    flsim_scene_make(&fixture->scene);
    fixture->hooks = (struct ks_flsim_hooks){.context = fixture, .train = train};
    fixture->memory_max = (uint64_t)1 << 30;
    fixture->bad_client = SIZE_MAX;
    assert_int_equal(crash_disk_new(1, &fixture->disk), KS_OK);
    fixture->fs = crash_fs_of(fixture->disk);
    return fixture;
}

static void unmake(struct fixture *fixture)
{
    ks_flsim_close(fixture->sim);
    crash_disk_free(fixture->disk);
    flsim_scene_done(&fixture->scene);
    ks_free(fixture);
}

/* One round; what counted in it. */
static void round_once(struct fixture *fixture)
{
    const struct ks_flsim_visitor visitor = {fixture, see_update, see_round};
    struct ks_flsim_checked checked;
    struct ks_buf records;

    if (fixture->sim == NULL) {
        assert_int_equal(open_sim(fixture), KS_OK);
    }
    assert_int_equal(ks_flsim_round(fixture->sim), KS_OK);
    ks_buf_init(&records, KS_FLSIM_RECORDS_MAX);
    fixture->count = 0;
    assert_int_equal(ks_flsim_records(fixture->sim, &records), KS_OK);
    assert_int_equal(ks_flsim_records_visit(ks_buf_view(&records), &visitor, &checked), KS_OK);
    assert_true(fixture->count >= fixture->round.count);
    for (size_t i = 0; i < fixture->round.count; i++) { /* of the last round alone */
        fixture->clients[i] = fixture->clients[fixture->count - fixture->round.count + i];
        fixture->samples[i] = fixture->samples[fixture->count - fixture->round.count + i];
    }
    fixture->count = fixture->round.count;
    ks_buf_done(&records);
}

/* The first model and the weighted mean of CHANGES. */
static void expect_mean(const struct fixture *fixture, float (*changes)[SCENE_PARAMS])
{
    float first[SCENE_PARAMS];

    flsim_scene_fill(0, 0, 0, first);
    for (size_t j = 0; j < SCENE_PARAMS; j++) {
        double sum = 0;
        double weight = 0;

        for (size_t i = 0; i < fixture->count; i++) {
            sum += (double)fixture->samples[i] * (double)changes[fixture->clients[i]][j];
            weight += (double)fixture->samples[i];
        }
        assert_true(fabs((double)ks_flsim_model(fixture->sim)[j] -
                         ((double)first[j] + sum / weight)) < 1e-6);
    }
}

static void test_mean(void **state)
{
    struct fixture *fixture = make();

    (void)state;
    round_once(fixture);
    assert_int_equal(fixture->count, 20);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_int_equal(fixture->samples[i], fixture->clients[i] + 1);
    }
    expect_mean(fixture, fixture->changes);
    unmake(fixture);
}

static void test_refused(void **state)
{
    struct fixture *fixture = make();

    (void)state;
    fixture->scene.plan.invited = fixture->scene.plan.wanted = SCENE_CLIENTS;
    fixture->scene.plan.dropout = 0;
    fixture->bad_client = 7;
    round_once(fixture);
    assert_int_equal(fixture->round.refused, 1);
    assert_int_equal(fixture->count, SCENE_CLIENTS - 1);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_int_not_equal(fixture->clients[i], 7);
    }
    expect_mean(fixture, fixture->changes);
    unmake(fixture);
}

/* What ATTACK makes of what all would have sent, by the oracle, and the model that follows. */
static void expect_attack(enum ks_flsim_attack attack, enum fl_attack oracle, double strength)
{
    struct fixture *fixture = make();
    static float sent[SCENE_CLIENTS][SCENE_PARAMS];
    float *rows[SCENE_CLIENTS];
    size_t honest = 0;
    size_t liars = 0;

    fixture->scene.plan.attack = attack;
    fixture->scene.plan.attackers = 12;
    fixture->scene.plan.strength = strength;
    fixture->scene.plan.invited = fixture->scene.plan.wanted = SCENE_CLIENTS;
    fixture->scene.plan.dropout = 0;
    round_once(fixture);
    assert_int_equal(fixture->count, SCENE_CLIENTS);
    for (size_t i = 0; i < SCENE_CLIENTS; i++) {
        honest += !ks_flsim_attacks(&fixture->scene.plan, i);
    }
    assert_int_equal(honest, SCENE_CLIENTS - 12);
    for (size_t k = 0, placed = 0; k < SCENE_CLIENTS; k++) { /* in their order, liars last */
        const size_t client = fixture->clients[k];

        ks_copy(sent[client], fixture->changes[client], sizeof sent[0]);
        rows[ks_flsim_attacks(&fixture->scene.plan, client) ? honest + liars++ : placed++] =
            sent[client];
    }
    fl_attack(oracle, rows, honest, SCENE_CLIENTS, SCENE_PARAMS, strength, 0);
    expect_mean(fixture, sent);
    unmake(fixture);
}

static void test_attacks(void **state)
{
    (void)state;
    expect_attack(KS_FLSIM_SIGN_FLIP, FL_ATTACK_SIGN_FLIP, 3);
    expect_attack(KS_FLSIM_MIMIC, FL_ATTACK_MIMIC, 1);
    expect_attack(KS_FLSIM_IPM, FL_ATTACK_IPM, 0.5);
    expect_attack(KS_FLSIM_ALIE, FL_ATTACK_ALIE, 1.5);
}

static void test_scaffold(void **state)
{
    struct fixture *fixture = make();
    float expected[SCENE_PARAMS] = {0};
    float own[SCENE_CLIENTS][SCENE_PARAMS] = {{0}};

    (void)state;
    fixture->scene.plan.server = ks_fl_server_defaults(KS_FL_SCAFFOLD, SCENE_PARAMS);
    fixture->scene.plan.server.clients = SCENE_CLIENTS;
    for (unsigned round = 0; round < 3; round++) {
        round_once(fixture);
        for (size_t j = 0; j < SCENE_PARAMS; j++) {
            /* What the clients of this round saw is what those before have made. */
            assert_true(fabsf(fixture->server_control[j] - expected[j]) < 1e-5F);
            for (size_t i = 0; i < fixture->count; i++) {
                const size_t client = fixture->clients[i];

                assert_true(fabsf(fixture->own_control[client][j] - own[client][j]) < 1e-6F);
                own[client][j] += fixture->controls[client][j];
                expected[j] += fixture->controls[client][j] / SCENE_CLIENTS;
            }
        }
    }
    unmake(fixture);
}

static void test_buffers(void **state)
{
    struct fixture *fixture = make();

    (void)state;
    fixture->scene.plan.buffer = (struct ks_fl_buffer_params){
        .size = 10, .by = KS_FL_STALENESS_INVERSE, .staleness_max = 3};
    fixture->scene.plan.concurrent = 30;
    fixture->scene.plan.wanted = fixture->scene.plan.invited = 10;
    for (unsigned round = 0; round < 4; round++) {
        round_once(fixture);
        assert_int_equal(fixture->count, 10);
        for (size_t i = 0; i < fixture->count; i++) {
            const uint64_t unit = 1 << KS_FL_STALENESS_BITS;

            assert_true(fixture->samples[i] <= unit && fixture->samples[i] >= unit / 4);
        }
    }
    /* Thirty at a time, ten to a version: most of the fourth began two versions before. */
    assert_true(fixture->samples[0] < 1 << KS_FL_STALENESS_BITS);
    unmake(fixture);
}

static void test_limits(void **state)
{
    struct fixture *fixture = make();

    (void)state;
    fixture->scene.plan.robust.rule = KS_FL_KRUM;
    fixture->memory_max = 100;
    expect_failure(open_sim(fixture), KS_ERR_LIMIT, "rule 'krum' over 20 rows of 37 numbers");
    fixture->scene.plan.robust.rule = KS_FL_MEAN;
    fixture->scene.plan.dropout = 1;
    expect_failure(open_sim(fixture), KS_ERR_USAGE, "a dropout from 0 to below 1");
    fixture->scene.plan.dropout = 0;
    fixture->scene.plan.attackers = 61;
    expect_failure(open_sim(fixture), KS_ERR_USAGE, "61 attackers among 60 clients");
    fixture->scene.plan.attackers = 6;
    fixture->scene.plan.attack = KS_FLSIM_ALIE;
    expect_failure(open_sim(fixture), KS_ERR_USAGE, "alie knows what all send");
    fixture->scene.plan.attack = KS_FLSIM_NONE;
    fixture->scene.clients[1].name = fixture->scene.clients[0].name;
    expect_failure(open_sim(fixture), KS_ERR_USAGE, "in the order of their names");
    unmake(fixture);
}

/* --- records ------------------------------------------------------------------------------ */

/* The first FROM of RECORDS from byte BEGIN on as TO, which is as long. */
static enum ks_err visit_changed(struct ks_bytes records, size_t begin, const char *from,
                                 const char *to)
{
    const struct ks_flsim_visitor visitor = {NULL, NULL, NULL};
    struct ks_flsim_checked checked;
    uint8_t *changed = NULL;
    uint8_t *found = NULL;
    enum ks_err err = KS_OK;

    assert_int_equal(strlen(from), strlen(to));
    assert_int_equal(ks_bytes_dup(records, &changed), KS_OK);
    found = memmem(changed + begin, records.len - begin, from, strlen(from));
    assert_non_null(found);
    ks_copy(found, to, strlen(to));
    err = ks_flsim_records_visit(ks_bytes_of(changed, records.len), &visitor, &checked);
    ks_free(changed);
    return err;
}

/* Where line NUMBER, from 0, begins. */
static size_t line_at(struct ks_bytes records, size_t number)
{
    size_t at = 0;

    for (size_t i = 0; i < number; at++) {
        i += records.data[at] == '\n';
    }
    return at;
}

/* RECORDS without line NUMBER, or with it twice. */
static enum ks_err visit_lines(struct ks_bytes records, size_t number, bool twice)
{
    const struct ks_flsim_visitor visitor = {NULL, NULL, NULL};
    struct ks_flsim_checked checked;
    const size_t begin = line_at(records, number);
    const size_t end = line_at(records, number + 1);
    enum ks_err err = KS_OK;
    struct ks_buf changed;

    ks_buf_init(&changed, 2 * records.len);
    ks_buf_put(&changed, ks_bytes_of(records.data, twice ? end : begin));
    ks_buf_put(&changed, ks_bytes_of(records.data + (twice ? begin : end),
                                     records.len - (twice ? begin : end)));
    err = ks_flsim_records_visit(ks_buf_view(&changed), &visitor, &checked);
    ks_buf_done(&changed);
    return err;
}

static void test_records(void **state)
{
    static const struct {
        size_t line;
        const char *from;
        const char *to;
        enum ks_err code;
        const char *words;
    } table[] = {
        {0, "\"isolation\":\"none\"", "\"isolation\":\"nOne\"", KS_ERR_FORMAT, "'isolation'"},
        {0, "fl-simulated/1", "fl-simulated/2", KS_ERR_FORMAT, "'schema'"},
        {0, "fl.simulation", "fl.simulatioN", KS_ERR_FORMAT, "not that of a session"},
        {1, "\"samples\":", "\"samplez\":", KS_ERR_FORMAT, ""},
        {1, "\"attacks\":false", "\"attacks\":true ", KS_ERR_FORMAT, ""},
        {1, "\"steps\":0", "\"steps\":1", KS_ERR_VERIFY, "its updates are not"},
        {1, "\"round\":1", "\"round\":2", KS_ERR_VERIFY, "an update of round 2"},
        {1, "fl.update", "fl.updatE", KS_ERR_FORMAT, "signatures"},
        {21, "\"invited\":30", "\"invited\":31", KS_ERR_VERIFY, "Ed25519"},
        {21, "\"ml-dsa-65\":\"", "\"ml-dsa-65\":\"", KS_OK, ""},
    };
    struct fixture *fixture = make();
    struct ks_buf records;

    (void)state;
    round_once(fixture);
    round_once(fixture);
    ks_buf_init(&records, KS_FLSIM_RECORDS_MAX);
    assert_int_equal(ks_flsim_records(fixture->sim, &records), KS_OK);
    assert_true(ks_flsim_records_are(ks_buf_view(&records)));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const enum ks_err err =
            visit_changed(ks_buf_view(&records), line_at(ks_buf_view(&records), table[i].line),
                          table[i].from, table[i].to);

        if (err != table[i].code ||
            (err != KS_OK && strstr(ks_err_detail(), table[i].words) == NULL)) {
            fail_msg("row %zu: %d, %s", i, (int)err, ks_err_detail());
        }
    }
    for (size_t line = 0; line < 43; line++) { /* a session, twice twenty and a round */
        assert_int_not_equal(visit_lines(ks_buf_view(&records), line, true), KS_OK);
        assert_true(line == 42 || visit_lines(ks_buf_view(&records), line, false) != KS_OK);
    }
    for (size_t len = 0; len < records.len; len += len < 4000 ? 1 : 997) { /* cut short */
        const struct ks_flsim_visitor visitor = {NULL, NULL, NULL};
        struct ks_flsim_checked checked;
        const bool whole = len > 0 && records.data[len - 1] == '\n';

        assert_true(whole || ks_flsim_records_visit(ks_bytes_of(records.data, len), &visitor,
                                                    &checked) != KS_OK);
    }
    ks_buf_done(&records);
    unmake(fixture);
}

/* --- the state ---------------------------------------------------------------------------- */

static void test_state(void **state)
{
    struct fixture *fixture = make();
    struct ks_flsim_state read;
    struct ks_buf bytes;
    struct ks_buf again;

    (void)state;
    round_once(fixture);
    ks_buf_init(&bytes, (size_t)1 << 22);
    ks_buf_init(&again, (size_t)1 << 22);
    assert_int_equal(ks_fs_load(&fixture->fs, "state", bytes.max, &bytes), KS_OK);
    assert_int_equal(ks_flsim_state_init(&read, SCENE_CLIENTS, SCENE_PARAMS), KS_OK);
    assert_int_equal(ks_flsim_state_read(ks_buf_view(&bytes), &read), KS_OK);
    assert_int_equal(read.ended, 1);
    ks_flsim_state_write(&read, &again);
    assert_true(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(&again)));
    for (size_t i = 0; i < bytes.len; i++) { /* any bit, any end */
        bytes.data[i] ^= 1;
        assert_int_equal(ks_flsim_state_read(ks_buf_view(&bytes), &read), KS_ERR_VERIFY);
        bytes.data[i] ^= 1;
        assert_int_not_equal(ks_flsim_state_read(ks_bytes_of(bytes.data, i), &read), KS_OK);
    }
    ks_flsim_state_done(&read);
    assert_int_equal(ks_flsim_state_init(&read, SCENE_CLIENTS - 1, SCENE_PARAMS), KS_OK);
    expect_failure(ks_flsim_state_read(ks_buf_view(&bytes), &read), KS_ERR_FORMAT,
                   "of 60 clients, not 59");
    ks_flsim_state_done(&read);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    unmake(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_attacks), cmocka_unit_test(test_scaffold),
        cmocka_unit_test(test_buffers), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_records), cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
