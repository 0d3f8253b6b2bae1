/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Simulated sessions of federated learning crashed at seeded points, of every kind that keeps
 * something else: sums, rows, buckets, SCAFFOLD's controls, top-k's residuals, the memory of a
 * server rule, FedBuff's buffer, what attackers know. However they crash: what was durable is
 * still there, and in the end models, updates and their order have the bytes of a session that
 * nothing ended, each update once. And without any one sync, it is not so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/flsim_record.h"
#include "crypto/digest.h"
#include "fault/crash_fs.h"
#include "fault/flsim_scene.h"

#define CHAINS  100
#define CRASHES 6
#define TRIES   200 /* of opening, while the disk crashes again and again */

/* What a session has come to. */
struct result {
    uint8_t model[32];
    uint8_t updates[32]; /* of rounds, clients and updates, in their order */
    uint64_t rounds;
    uint64_t count;
};

struct site {
    const struct flsim_scene *session;
    struct crash_disk *disk;
    struct ks_fs fs;
    struct crash_random random;
    struct ks_flsim_hooks hooks;
    struct ks_flsim *sim;
    struct result result;
    struct ks_buf seen;
    /* the oracle */
    uint64_t base; /* of the open round, when it was opened */
    uint64_t base_round;
    uint64_t durable; /* updates of round DURABLE_ROUND that count for ever */
    uint64_t durable_round;
    char wrong[512];
};

static void set_wrong(struct site *site, const char *what)
{
    if (site->wrong[0] == '\0') {
        (void)snprintf(site->wrong, sizeof site->wrong, "%s", what);
    }
}

/* --- sessions ----------------------------------------------------------------------------- */

static enum ks_err train(void *context, struct ks_flsim_turn *turn)
{
    struct site *site = context;
    const uint64_t counted = ks_flsim_counted(site->sim);
    const uint64_t every = site->session->plan.commit_every;
    const uint64_t base =
        site->base_round == ks_flsim_rounds(site->sim) && counted >= site->base ? site->base
                                                                                : 0;

    site->durable_round = ks_flsim_rounds(site->sim);
    site->durable = base + (counted - base) / every * every;
    flsim_scene_fill((uint32_t)turn->client, (uint32_t)turn->round, 1, turn->change);
    for (size_t i = 0; i < SCENE_PARAMS; i++) {
        turn->change[i] += turn->model[i] / 8; /* so that a wrong model shows */
    }
    if (turn->control != NULL) {
        flsim_scene_fill((uint32_t)turn->client, (uint32_t)turn->round, 2,
                         turn->control_change);
        for (size_t i = 0; i < SCENE_PARAMS; i++) {
            turn->control_change[i] += (turn->control[i] - turn->own_control[i]) / 8;
        }
    }
    turn->loss = (double)turn->client;
    turn->steps = turn->round;
    return KS_OK;
}

/* The sessions that are crashed. */
#define KINDS 7
static const char *make_kind(unsigned kind, struct flsim_scene *session)
{
    struct ks_flsim_plan *plan = &session->plan;

    flsim_scene_make(session);
    switch (kind) {
    case 0:
        return "mean";
    case 1:
        plan->robust = (struct ks_fl_robust){.rule = KS_FL_CENTERED_CLIP, .attackers = 3};
        plan->attackers = 9;
        plan->attack = KS_FLSIM_ALIE;
        plan->invited = plan->wanted;
        return "rows from the last aggregate on, under attack";
    case 2:
        plan->robust = (struct ks_fl_robust){.rule = KS_FL_MEDIAN, .attackers = 2};
        plan->bucket = 2;
        plan->encode.encoding = KS_FL_Q8;
        plan->encode.stochastic = true;
        return "buckets, 8 bits";
    case 3:
        plan->server = ks_fl_server_defaults(KS_FL_SCAFFOLD, SCENE_PARAMS);
        plan->server.clients = SCENE_CLIENTS;
        plan->encode.encoding = KS_FL_TOPK;
        return "scaffold, topk";
    case 4:
        plan->server = ks_fl_server_defaults(KS_FL_FEDYOGI, SCENE_PARAMS);
        plan->encode.encoding = KS_FL_F16;
        return "fedyogi, 16 bits";
    case 5:
        plan->buffer = (struct ks_fl_buffer_params){
            .size = 20, .by = KS_FL_STALENESS_ROOT, .staleness_max = 2};
        plan->concurrent = 40;
        plan->wanted = plan->invited = plan->buffer.size;
        plan->encode.encoding = KS_FL_TOPK;
        return "buffers, topk";
    default:
        plan->dropout = 0.7;
        plan->updates_min = 10;
        return "rounds that fail";
    }
}

/* --- one run ------------------------------------------------------------------------------ */

static enum ks_err see(void *context, const struct ks_flsim_update_record *record)
{
    struct site *site = context;

    ks_buf_put_u64(&site->seen, record->round);
    ks_buf_put_u64(&site->seen, record->version);
    ks_buf_put_u64(&site->seen, record->samples);
    ks_buf_put(&site->seen, record->client);
    ks_buf_put(&site->seen, KS_BYTES(record->update));
    return ks_buf_check(&site->seen);
}

/* After its last round: what its records say, and they hold. */
static void finish(struct site *site)
{
    const struct ks_flsim_visitor visitor = {site, see, NULL};
    struct ks_flsim_checked checked = {0};
    struct ks_buf records;

    ks_buf_init(&records, KS_FLSIM_RECORDS_MAX);
    ks_buf_init(&site->seen, (size_t)1 << 20);
    if (ks_flsim_records(site->sim, &records) != KS_OK ||
        ks_flsim_records_visit(ks_buf_view(&records), &visitor, &checked) != KS_OK) {
        set_wrong(site, ks_err_detail());
    }
    ks_sha256(ks_flsim_file(site->sim), site->result.model);
    if (!ks_bytes_equal(KS_BYTES(site->result.model), KS_BYTES(checked.model))) {
        set_wrong(site, "the last record names another model");
    }
    ks_sha256(ks_buf_view(&site->seen), site->result.updates);
    site->result.rounds = checked.rounds;
    site->result.count = checked.updates;
    ks_buf_done(&records);
    ks_buf_done(&site->seen);
}

static enum ks_err open_sim(struct site *site)
{
    const struct ks_flsim_spec spec = {.fs = &site->fs,
                                       .plan = &site->session->plan,
                                       .first = ks_buf_view(&site->session->first),
                                       .hooks = &site->hooks,
                                       .memory_max = (uint64_t)1 << 30};
    const enum ks_err err = ks_flsim_open(&spec, &site->sim);

    if (err == KS_OK) {
        site->base = ks_flsim_counted(site->sim);
        site->base_round = ks_flsim_rounds(site->sim);
        if (site->base_round < site->durable_round ||
            (site->base_round == site->durable_round && site->base < site->durable)) {
            set_wrong(site, "updates that were durable do not count");
        }
    }
    return err;
}

static void open_again(struct site *site)
{
    for (unsigned i = 0; i < TRIES && site->sim == NULL && site->wrong[0] == '\0'; i++) {
        crash_disk_arm(site->disk, crash_random_below(&site->random, 3) == 0
                                       ? 1 + crash_random_below(&site->random, 12)
                                       : 0);
        if (open_sim(site) != KS_OK) {
            site->sim = NULL;
            if (!crash_disk_is_down(site->disk)) {
                set_wrong(site, ks_err_detail());
            }
            crash_disk_restart(site->disk);
        }
    }
    crash_disk_arm(site->disk, 0);
}

static void run_rounds(struct site *site)
{
    while (!ks_flsim_is_over(site->sim)) {
        if (ks_flsim_round(site->sim) != KS_OK) {
            if (!crash_disk_is_down(site->disk)) {
                set_wrong(site, ks_err_detail());
            }
            return;
        }
    }
}

/* A session that is crashed CRASHED times, and then ends; true if all held. */
static bool run(const struct flsim_scene *session, uint64_t seed, unsigned crashed,
                enum crash_sync ignored, struct result *out_result, char wrong[512])
{
    struct site *site = ks_calloc(1, sizeof *site);
    bool good = false;

    assert_non_null(site);
    site->session = session;
    site->random.state = seed;
    site->hooks = (struct ks_flsim_hooks){.context = site, .train = train};
    assert_int_equal(crash_disk_new(seed ^ 0x5eed, &site->disk), KS_OK);
    crash_disk_ignore(site->disk, ignored);
    site->fs = crash_fs_of(site->disk);
    open_again(site);
    for (unsigned crash = 0; crash < crashed && site->wrong[0] == '\0'; crash++) {
        crash_disk_arm(site->disk, 1 + crash_random_below(&site->random, 60));
        run_rounds(site);
        ks_flsim_close(site->sim);
        site->sim = NULL;
        crash_disk_restart(site->disk);
        open_again(site);
    }
    if (site->wrong[0] == '\0') {
        run_rounds(site);
        finish(site);
    }
    *out_result = site->result;
    good = site->wrong[0] == '\0';
    memcpy(wrong, site->wrong, sizeof site->wrong);
    ks_flsim_close(site->sim);
    crash_disk_free(site->disk);
    ks_free(site);
    return good;
}

static void test_crashes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct flsim_scene session;
        struct result whole = {0};
        char wrong[512];
        const char *name = make_kind(kind, &session);

        if (!run(&session, 1, 0, CRASH_SYNC_NONE, &whole, wrong)) {
            fail_msg("%s, whole: %s", name, wrong);
        }
        assert_int_equal(whole.rounds, SCENE_ROUNDS);
        assert_true(whole.count > SCENE_ROUNDS);
        for (uint64_t seed = 1; seed <= CHAINS; seed++) {
            struct result result = {0};

            if (!run(&session, seed, 1 + (unsigned)(seed % CRASHES), CRASH_SYNC_NONE, &result,
                     wrong)) {
                fail_msg("%s, seed %llu: %s", name, (unsigned long long)seed, wrong);
            }
            assert_memory_equal(result.model, whole.model, sizeof whole.model);
            assert_memory_equal(result.updates, whole.updates, sizeof whole.updates);
            assert_int_equal(result.count, whole.count);
            assert_int_equal(result.rounds, whole.rounds);
        }
        flsim_scene_done(&session);
    }
}

static void test_every_sync_counts(void **state)
{
    static const enum crash_sync places[] = {CRASH_SYNC_APPEND, CRASH_SYNC_REPLACE,
                                             CRASH_SYNC_DIR};
    struct flsim_scene session;
    struct result whole = {0};
    char wrong[512];

    (void)state;
    (void)make_kind(0, &session);
    assert_true(run(&session, 1, 0, CRASH_SYNC_NONE, &whole, wrong));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bool noticed = false;

        for (uint64_t seed = 1; seed <= CHAINS && !noticed; seed++) {
            struct result result = {0};

            noticed = !run(&session, seed, CRASHES, places[i], &result, wrong) ||
                      memcmp(&result, &whole, sizeof whole) != 0;
        }
        if (!noticed) {
            fail_msg("without the sync '%s' nothing goes wrong", crash_sync_name(places[i]));
        }
    }
    flsim_scene_done(&session);
}

static void test_another_plan(void **state)
{
    struct flsim_scene session;
    struct flsim_scene other;
    struct site site = {.wrong = ""};

    (void)state;
    (void)make_kind(0, &session);
    (void)make_kind(0, &other);
    other.plan.text = KS_LITERAL("{\"a\":2}");
    site.session = &session;
    site.hooks = (struct ks_flsim_hooks){.context = &site, .train = train};
    assert_int_equal(crash_disk_new(1, &site.disk), KS_OK);
    site.fs = crash_fs_of(site.disk);
    assert_int_equal(open_sim(&site), KS_OK);
    ks_flsim_close(site.sim);
    site.session = &other;
    assert_int_equal(open_sim(&site), KS_ERR_CONFLICT);
    crash_disk_free(site.disk);
    flsim_scene_done(&session);
    flsim_scene_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_every_sync_counts),
        cmocka_unit_test(test_another_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
