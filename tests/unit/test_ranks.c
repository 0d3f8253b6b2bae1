/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Ranks that share a state: the same bits as one process, with the small tiles of tests and
 * with those of KS_NUMERICS; what they exchange is what was foreseen; whatever one of them
 * fails with ends all. */
#include "unit/expect.h"

#include "base/pool.h"
#include "oracle/random_circuit.h"
#include "oracle/rank_threads.h"
#include "oracle/same_counts.h"
#include "quantum/simulate.h"
#include "quantum/spread_state.h"

#define OK(call) assert_int_equal((call), KS_OK)
/* So many passes over small states. */
#define SMALL_TILE 10
#ifdef __SANITIZE_ADDRESS__
#define SLOWER 16 /* the sanitizers make everything */
#else
#define SLOWER 1
#endif

static const uint32_t rank_counts[] = {1, 2, 4, 8};
#define RANK_COUNTS (sizeof rank_counts / sizeof rank_counts[0])

/* --- amplitudes --------------------------------------------------------------------------- */

/* Compared by every rank; cmocka's assertions belong to the main thread. */
struct state_run {
    const struct ks_circuit *circuit;
    enum ks_precision precision;
    uint32_t tile;
    unsigned threads; /* of each rank */
    const struct ks_state *want;
    struct ks_traffic traffic;
    uint64_t compared[KS_RANKS_MAX];
    uint64_t wrong[KS_RANKS_MAX];
    enum ks_err errs[KS_RANKS_MAX];
};

static enum ks_err run_plan(const struct state_run *run, struct ks_team *team,
                            struct ks_state *state)
{
    struct ks_plan plan;
    bool whole = false;
    enum ks_err err = KS_OK;

    ks_plan_init(&plan);
    plan.precision = run->precision;
    plan.tile = run->tile;
    state->team = team;
    KS_TRY(ks_ranks_plan(run->circuit, &plan, &whole));
    KS_TRY(ks_state_reserve(state, plan.slots_peak));
    ks_state_reset(state);
    KS_TRY(ks_state_run(state, &plan));
out:
    ks_plan_done(&plan);
    return err;
}

static bool same_amplitude(const struct ks_state *a, size_t i, const struct ks_state *b,
                           size_t k)
{
    double x[2];
    double y[2];

    ks_state_amplitude(a, i, x);
    ks_state_amplitude(b, k, y);
    return memcmp(x, y, sizeof x) == 0;
}

static void state_task(void *context, const struct ks_ranks *ranks)
{
    struct state_run *run = context;
    const struct ks_kernels *kernels = NULL;
    struct ks_pool *pool = NULL;
    struct ks_team team;
    struct ks_state state;
    enum ks_err err = KS_OK;

    KS_TRY(ks_kernels_find(NULL, run->precision, &kernels));
    KS_TRY(ks_pool_new(run->threads, &pool));
    ks_state_init(&state, kernels, pool);
    KS_TRY(ks_team_init(&team, ranks));
    team.tile = run->tile;
    KS_TRY(run_plan(run, &team, &state));
    for (uint64_t i = 0; i < (uint64_t)1 << state.slot_count; i++) {
        size_t here = 0;

        if (ks_spread_find(&state, i, &here)) {
            run->compared[ranks->rank]++;
            run->wrong[ranks->rank] += !same_amplitude(&state, here, run->want, i);
        }
    }
    if (ranks->rank == 0) {
        KS_TRY(ks_team_traffic(&team, &run->traffic));
    } else {
        struct ks_traffic traffic;

        KS_TRY(ks_team_traffic(&team, &traffic));
    }
    ks_state_done(&state);
    ks_team_done(&team);
out:
    ks_pool_free(pool);
    run->errs[ranks->rank] = err;
}

/* The exchanges of PLAN's circuit, by the schedule alone. */
static void foresee(const struct state_run *run, uint32_t count, struct ks_traffic *out)
{
    const struct ks_spread nothing = {0};
    struct ks_exchanges exchanges;
    struct ks_plan plan;
    bool whole = false;

    ks_plan_init(&plan);
    plan.precision = run->precision;
    plan.tile = run->tile;
    OK(ks_ranks_plan(run->circuit, &plan, &whole));
    OK(ks_exchanges_make(&plan, &nothing, (uint32_t)__builtin_ctz(count), &exchanges));
    *out = (struct ks_traffic){.exchanges = exchanges.exchanges,
                               .bytes = (uint64_t)exchanges.volume *
                                        (run->precision == KS_PRECISION_DOUBLE ? 16 : 8)};
    ks_exchanges_done(&exchanges);
    ks_plan_done(&plan);
}

/* Returns the bytes exchanged by all numbers of ranks, each of which has THREADS. */
static uint64_t compare_states(const struct ks_circuit *circuit, enum ks_precision precision,
                               uint32_t tile, unsigned threads, uint64_t seed)
{
    struct state_run *run = calloc(1, sizeof *run);
    const struct ks_kernels *kernels = NULL;
    struct ks_state want;
    uint64_t bytes = 0;

    assert_non_null(run);
    OK(ks_kernels_find(NULL, precision, &kernels));
    ks_state_init(&want, kernels, NULL);
    *run = (struct state_run){
        .circuit = circuit, .precision = precision, .tile = tile, .threads = threads};
    OK(run_plan(run, NULL, &want));
    run->want = &want;
    for (size_t r = 0; r < RANK_COUNTS; r++) {
        struct ks_traffic foreseen;
        uint64_t compared = 0;

        ks_zero(run->compared, sizeof run->compared);
        rank_threads_run(rank_counts[r], 0, state_task, run);
        foresee(run, rank_counts[r], &foreseen);
        for (uint32_t i = 0; i < rank_counts[r]; i++) {
            assert_int_equal(run->errs[i], KS_OK);
            if (run->wrong[i] != 0) {
                fail_msg("seed %llu, rank %u of %u: %llu of %llu amplitudes differ",
                         (unsigned long long)seed, i, rank_counts[r],
                         (unsigned long long)run->wrong[i],
                         (unsigned long long)run->compared[i]);
            }
            compared += run->compared[i];
        }
        assert_true(compared >= (uint64_t)1 << want.slot_count);
        assert_int_equal(run->traffic.exchanges, foreseen.exchanges);
        assert_int_equal(run->traffic.bytes, foreseen.bytes);
        bytes += run->traffic.bytes;
    }
    ks_state_done(&want);
    free(run);
    return bytes;
}

static void test_states(void **state)
{
    (void)state;
    uint64_t exchanged = 0;

    for (uint64_t seed = 1; seed <= 600 / SLOWER; seed++) {
        const struct random_spec spec = {.seed = seed,
                                         .qubits = 11 + (uint32_t)(seed % 4),
                                         .gates = 90 + (uint32_t)(seed % 130),
                                         .clbits = 1};
        struct ks_circuit *circuit = random_circuit(&spec);

        exchanged += compare_states(circuit, seed / 4 % 2, SMALL_TILE, 1 + (unsigned)(seed % 3),
                                    seed) > 0;
        ks_circuit_free(circuit);
    }
    assert_true(exchanged > (SLOWER == 1 ? 300 : 5));
}

/* With those of the other tests ten thousand circuits: small ones. */
static void test_small_states(void **state)
{
    (void)state;
    uint64_t exchanged = 0;

    for (uint64_t seed = 1; seed <= 7800 / SLOWER; seed++) {
        const struct random_spec spec = {.seed = 100000 + seed,
                                         .qubits = 11 + (seed % 3 == 0),
                                         .gates = 70 + (uint32_t)(seed % 60),
                                         .clbits = 1};
        struct ks_circuit *circuit = random_circuit(&spec);

        exchanged += compare_states(circuit, seed / 4 % 2, SMALL_TILE, 1, seed) > 0;
        ks_circuit_free(circuit);
    }
    assert_true(exchanged > (SLOWER == 1 ? 3000 : 100));
}

static void test_large_states(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12 / (SLOWER == 1 ? 1 : 6); seed++) {
        const struct random_spec spec = {
            .seed = seed, .qubits = 17 + (uint32_t)(seed % 3), .gates = 150, .clbits = 1};
        struct ks_circuit *circuit = random_circuit(&spec);

        (void)compare_states(circuit, seed / 3 % 2, 0, 1 + (unsigned)(seed % 3), seed);
        ks_circuit_free(circuit);
    }
}

/* --- counts ------------------------------------------------------------------------------- */

struct count_run {
    const struct ks_circuit *circuit;
    struct ks_simulate_spec spec;
    uint32_t tile;
    bool through_ranks; /* by ks_ranks_simulate, whose tiles are those of KS_NUMERICS */
    struct ks_counts *counts[KS_RANKS_MAX];
    enum ks_err errs[KS_RANKS_MAX];
    struct ks_traffic traffic;
    char detail[KS_RANKS_MAX][KS_ERR_DETAIL_MAX];
};

static enum ks_err simulate(const struct count_run *run, const struct ks_ranks *ranks,
                            struct ks_counts **out_counts, struct ks_traffic *out_traffic)
{
    struct ks_team team;
    enum ks_err err = KS_OK;

    if (run->through_ranks) {
        return ks_ranks_simulate(run->circuit, &run->spec, ranks, out_counts, out_traffic);
    }
    KS_TRY(ks_team_init(&team, ranks));
    team.tile = run->tile;
    err = ks_statevector_share(run->circuit, &run->spec, &team, out_counts);
    KS_TRY(ks_team_agree(&team, err));
    KS_TRY(ks_team_traffic(&team, out_traffic));
out:
    ks_team_done(&team);
    return err;
}

static void count_task(void *context, const struct ks_ranks *ranks)
{
    struct count_run *run = context;
    struct ks_counts *counts = NULL;
    struct ks_traffic traffic = {0};
    const enum ks_err err = simulate(run, ranks, &counts, &traffic);

    run->errs[ranks->rank] = err;
    run->counts[ranks->rank] = counts;
    ks_copy(run->detail[ranks->rank], ks_err_detail(), ks_bytes_text(ks_err_detail()).len + 1);
    if (ranks->rank == 0) {
        run->traffic = traffic;
    }
}

static void free_counts(struct count_run *run, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ks_counts_free(run->counts[i]);
        run->counts[i] = NULL;
    }
}

/* WANT, or where that is NULL what one rank has with the tiles of RUN. */
static uint64_t compare_counts(struct count_run *run, const struct ks_counts *want,
                               uint64_t seed)
{
    struct count_run *alone = calloc(1, sizeof *alone);
    uint64_t bytes = 0;

    assert_non_null(alone);
    if (want == NULL) {
        alone->circuit = run->circuit;
        alone->spec = run->spec;
        alone->tile = run->tile;
        rank_threads_run(1, 0, count_task, alone);
        assert_int_equal(alone->errs[0], KS_OK);
        want = alone->counts[0];
    }
    for (size_t r = 0; r < RANK_COUNTS; r++) {
        rank_threads_run(rank_counts[r], 0, count_task, run);
        for (uint32_t i = 0; i < rank_counts[r]; i++) {
            if (run->errs[i] != KS_OK || !same_counts(run->counts[i], want)) {
                fail_msg("seed %llu, rank %u of %u: %s", (unsigned long long)seed, i,
                         rank_counts[r],
                         run->errs[i] != KS_OK ? run->detail[i] : "other counts");
            }
        }
        bytes += run->traffic.bytes;
        free_counts(run, rank_counts[r]);
    }
    ks_counts_free(alone->counts[0]);
    free(alone);
    return bytes;
}

/* What SEED stands for: any gates, with and without operations in the middle, or Clifford
 * gates. */
static struct ks_circuit *any_circuit(uint64_t seed, uint32_t qubits)
{
    const struct random_spec spec = {.seed = seed,
                                     .qubits = qubits,
                                     .gates = 20 + (uint32_t)(seed % 161),
                                     .middles = seed % 3 == 0 ? 0 : 1 + (uint32_t)(seed % 9),
                                     .clbits = 1 + (uint32_t)(seed % 12)};
    const struct random_clifford_spec clifford = {.seed = seed,
                                                  .qubits = qubits,
                                                  .gates = 20 + (uint32_t)(seed % 61),
                                                  .clbits = 1 + (uint32_t)(seed % 7),
                                                  .middles = seed % 2 == 0};

    return seed % 5 == 0 ? random_clifford(&clifford) : random_circuit(&spec);
}

static void test_counts(void **state)
{
    (void)state;
    static const struct ks_noise noise = {
        .version = 1, .gate1.depolarizing = 0.01, .gate2.x = 0.02, .read1_as0 = 0.05};
    struct count_run *run = calloc(1, sizeof *run);
    uint64_t exchanged = 0;

    assert_non_null(run);
    for (uint64_t seed = 1; seed <= 1000 / SLOWER; seed++) {
        struct ks_circuit *circuit = any_circuit(seed, 11 + (uint32_t)(seed % 4));

        run->circuit = circuit;
        run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
        run->spec.shots = 1 + seed % 700;
        run->spec.seed = seed;
        run->spec.precision = seed / 4 % 2;
        if (seed % 31 == 0) { /* each shot goes its own way */
            run->spec.noise = &noise;
            run->spec.shots = 1 + seed % 9;
        }
        run->tile = SMALL_TILE;
        exchanged += compare_counts(run, NULL, seed) > 0;
        ks_circuit_free(circuit);
    }
    assert_true(exchanged > (SLOWER == 1 ? 300 : 5));
    free(run);
}

/* By the functions and with the tiles that programs use, against ks_simulate. */
static void test_numerics(void **state)
{
    (void)state;
    struct count_run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    for (uint64_t seed = 1; seed <= 600 / SLOWER; seed++) {
        const bool large = seed % 40 == 0;
        struct ks_circuit *circuit = any_circuit(seed, large ? 18 + (uint32_t)(seed / 40 % 3)
                                                             : 1 + (uint32_t)(seed % 9));
        struct ks_counts *want = NULL;

        run->through_ranks = true;
        run->circuit = circuit;
        run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
        run->spec.method = KS_METHOD_STATEVECTOR;
        run->spec.seed = seed;
        run->spec.precision = seed % 2;
        OK(ks_simulate(circuit, &run->spec, &want));
        (void)compare_counts(run, want, seed);
        ks_counts_free(want);
        ks_circuit_free(circuit);
    }
    free(run);
}

/* --- the tables of docs/ranks.md ---------------------------------------------------------- */

#define ROWS_MIN    60
#define COUNTED_MAX 20 /* qubits: these rows are run, not only foreseen */

struct row {
    char name[8];
    unsigned qubits;
    unsigned depth;
    unsigned ranks;
    unsigned passes;
    unsigned long long exchanges;
    unsigned long long bytes;
};

/* Runs the circuit of ROW, which foresees what is exchanged. */
static void count_row(const struct row *row, const struct ks_circuit *circuit)
{
    struct count_run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    run->circuit = circuit;
    run->through_ranks = true;
    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    run->spec.shots = 1;
    rank_threads_run(row->ranks, 0, count_task, run);
    assert_int_equal(run->errs[0], KS_OK);
    assert_int_equal(run->traffic.exchanges, row->exchanges);
    assert_int_equal(run->traffic.bytes, row->bytes);
    free_counts(run, row->ranks);
    free(run);
}

/* The formula of docs/ranks.md for circuits that go round through all qubits. */
static void check_formula(const struct row *row)
{
    const unsigned rank_bits = (unsigned)__builtin_ctz(row->ranks);
    const unsigned tile = KS_TILE_LOG(KS_PRECISION_DOUBLE);
    const unsigned fresh = tile - 8;
    const unsigned round = 1 + (row->qubits - tile + fresh - 1) / fresh;
    const unsigned out = (rank_bits + fresh - 1) / fresh;
    const double all = 16 * (double)((uint64_t)1 << row->qubits);
    const double states = (double)row->bytes / all;
    double formula = row->passes / (double)(round > out ? round - out : 1);

    formula *= 1 - 1.0 / row->ranks;
    if (strcmp(row->name, "rqc") == 0 && row->depth == 160 &&
        row->qubits >= tile + fresh + rank_bits) {
        assert_true(states > 0.5 * formula && states < 1.5 * formula);
    }
}

static void check_row(const struct row *row)
{
    const struct ks_template_spec spec = {
        .version = 1, .name = row->name, .qubits = row->qubits, .depth = row->depth, .seed = 1};
    struct ks_ranks_forecast forecast;
    struct ks_circuit *circuit = NULL;

    OK(ks_circuit_template(&spec, NULL, &circuit));
    OK(ks_ranks_predict(circuit, KS_PRECISION_DOUBLE, row->ranks, &forecast));
    if (forecast.passes != row->passes || forecast.traffic.exchanges != row->exchanges ||
        forecast.traffic.bytes != row->bytes) {
        fail_msg("%s, %u qubits, depth %u, %u ranks: the table of docs/ranks.md is of another "
                 "planner: see tools/ranks_tables.sh",
                 row->name, row->qubits, row->depth, row->ranks);
    }
    check_formula(row);
    if (row->qubits <= COUNTED_MAX && row->depth <= 100 && SLOWER == 1) {
        count_row(row, circuit);
    }
    ks_circuit_free(circuit);
}

static void test_document(void **state)
{
    (void)state;
    const char *root = getenv("KS_SOURCE_ROOT");
    char path[4096];
    char line[256];
    unsigned rows = 0;
    FILE *file = NULL;

    assert_non_null(root);
    (void)snprintf(path, sizeof path, "%s/docs/ranks.md", root);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct row row;

        if (sscanf(line, "| %7[a-z] | %u | %u | %u | %u | %llu | %llu |", row.name, &row.qubits,
                   &row.depth, &row.ranks, &row.passes, &row.exchanges, &row.bytes) == 7) {
            check_row(&row);
            rows++;
        }
    }
    assert_int_equal(fclose(file), 0);
    assert_true(rows >= ROWS_MIN);
}

/* --- what cannot be ----------------------------------------------------------------------- */

static struct ks_circuit *parse(const char *gates)
{
    char text[512];
    struct ks_circuit *circuit = NULL;
    struct ks_bytes source;

    (void)snprintf(text, sizeof text,
                   "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[20]; creg c[20];\n%s", gates);
    source = ks_bytes_text(text);
    OK(ks_circuit_parse(&source, "test", NULL, &circuit));
    return circuit;
}

#define MIXED                                                                                  \
    "h q; measure q[19] -> c[0]; h q[19]; cx q[0],q[19]; ry(0.3) q; reset q[3]; ry(0.2) q; "   \
    "measure q -> c;"

static void test_memory(void **state)
{
    (void)state;
    struct count_run *run = calloc(1, sizeof *run);
    struct ks_circuit *circuit = parse(MIXED);

    assert_non_null(run);
    run->circuit = circuit;
    run->through_ranks = true;
    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    run->spec.memory_max = (uint64_t)3 << 20;
    rank_threads_run(4, 0, count_task, run);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(run->errs[i], KS_ERR_LIMIT);
        assert_string_equal(run->detail[i],
                            "needs 4.0 MiB on each of 4 ranks for 20 qubits in "
                            "double precision, limit 3.0 MiB; 8 ranks would do");
    }
    run->spec.memory_max = (uint64_t)5 << 20;
    rank_threads_run(4, 0, count_task, run);
    assert_int_equal(run->errs[0], KS_OK);
    free_counts(run, 4);
    ks_circuit_free(circuit);
    free(run);
}

static void test_not_a_power(void **state)
{
    (void)state;
    struct count_run *run = calloc(1, sizeof *run);
    struct ks_circuit *circuit = parse(MIXED);

    assert_non_null(run);
    run->circuit = circuit;
    run->through_ranks = true;
    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    rank_threads_run(3, 0, count_task, run);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(run->errs[i], KS_ERR_USAGE);
        assert_string_equal(run->detail[i], "3 ranks: not a power of two up to 1024");
    }
    ks_circuit_free(circuit);
    free(run);
}

static void test_no_ranks_do(void **state)
{
    (void)state;
    struct count_run *run = calloc(1, sizeof *run);
    struct ks_circuit *circuit = parse(MIXED);

    assert_non_null(run);
    run->circuit = circuit;
    run->through_ranks = true;
    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    run->spec.memory_max = 1 << 20;
    rank_threads_run(2, 0, count_task, run);
    expect_text(ks_bytes_text(run->detail[1]),
                "needs 8.0 MiB on each of 2 ranks for 20 qubits in double precision, limit 1.0 "
                "MiB; 1024 ranks need more, too");
    ks_circuit_free(circuit);
    free(run);
}

/* Rank 2 of 4 is cancelled at some question; all end with that. */
struct cancel {
    struct count_run run;
    uint64_t at;
};

static bool cancelled(void *context)
{
    uint64_t *left = context;

    return *left == 0 || --*left == 0;
}

static void cancel_task(void *context, const struct ks_ranks *ranks)
{
    struct cancel *cancel = context;
    uint64_t left = cancel->at;
    struct count_run mine = cancel->run;

    if (ranks->rank == 2) {
        mine.spec.cancelled = cancelled;
        mine.spec.cancel_context = &left;
    }
    mine.errs[ranks->rank] = KS_OK;
    count_task(&mine, ranks);
    cancel->run.errs[ranks->rank] = mine.errs[ranks->rank];
    ks_counts_free(mine.counts[ranks->rank]);
    ks_copy(cancel->run.detail[ranks->rank], mine.detail[ranks->rank], KS_ERR_DETAIL_MAX);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct cancel *cancel = calloc(1, sizeof *cancel);
    struct ks_circuit *circuit = parse(MIXED);
    unsigned times = 0;

    assert_non_null(cancel);
    cancel->run.circuit = circuit;
    cancel->run.through_ranks = true;
    cancel->run.spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    for (cancel->at = 1; cancel->at < (uint64_t)1 << 20; cancel->at += 1 + cancel->at / 2) {
        rank_threads_run(4, 0, cancel_task, cancel);
        for (uint32_t i = 1; i < 4; i++) {
            assert_int_equal(cancel->run.errs[i], cancel->run.errs[0]);
        }
        if (cancel->run.errs[0] == KS_OK) {
            break;
        }
        assert_int_equal(cancel->run.errs[0], KS_ERR_CANCELLED);
        assert_string_equal(cancel->run.detail[0], "rank 2: cancelled");
        times++;
    }
    assert_true(times > 5 && cancel->run.errs[0] == KS_OK);
    ks_circuit_free(circuit);
    free(cancel);
}

/* The transport breaks at each of its calls in turn. */
static void test_broken(void **state)
{
    (void)state;
    struct count_run *run = calloc(1, sizeof *run);
    struct ks_circuit *circuit = parse(MIXED);
    uint64_t at = 1;

    assert_non_null(run);
    run->circuit = circuit;
    run->through_ranks = true;
    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    for (;; at += SLOWER) {
        rank_threads_run(4, at, count_task, run);
        for (uint32_t i = 1; i < 4; i++) {
            assert_int_equal(run->errs[i], run->errs[0]);
        }
        if (run->errs[0] == KS_OK) {
            break;
        }
        assert_int_equal(run->errs[0], KS_ERR_IO);
        assert_string_equal(run->detail[0], "the transport is broken");
    }
    assert_true(at > 10);
    free_counts(run, 4);
    ks_circuit_free(circuit);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),       cmocka_unit_test(test_small_states),
        cmocka_unit_test(test_large_states), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_numerics),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_not_a_power),  cmocka_unit_test(test_no_ranks_do),
        cmocka_unit_test(test_document),     cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
