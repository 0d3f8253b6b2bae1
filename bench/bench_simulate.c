/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_simulate [--threads=N] [--runs=N] [--precision=single|double] [QUBITS | FILE.qasm]…:
 * how long states take, as JSON lines. QUBITS: templates and random circuits of that size;
 * without any: of 10, 16, 20, 24, 26. Both precisions, unless one is named.
 *
 *   seconds        the state of one circuit given its angles, memory and plan being there: the
 *                  median of the runs; cpu_seconds the same by the CPU's clock
 *   whole_seconds  all of ks_simulate, 1024 shots: the best of three
 *   bytes, passes  what the plan's passes read and write
 *   fma_slots      multiplications and additions of numbers that the plan takes
 *   floor_seconds  the longer of: bytes at the rate of changing as much memory in place,
 *                  fma_slots at the rate of multiplying in registers; both measured before
 *                  the runs with the same threads
 *   over_floor     seconds over floor_seconds
 *   peers          with KETSEAL_PEER_SINGLE or KETSEAL_PEER_DOUBLE set to a command (peer.h,
 *                  bench/peers/), or to several with semicolons between: the same for each,
 *                  its runs between ours
 *   peer_…         of the one with the least seconds, and how many times ours they are
 *
 * bench/table.py makes a table of the lines. */

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/sys.h"
#include "oracle/random_circuit.h"
#include "peer.h"
#include "quantum/facts.h"
#include "quantum/final.h"
#include "quantum/simulate.h"

#define FILE_MAX     (8u << 20)
#define RUNS_MAX     64
#define PEERS_MAX    4
#define COMMANDS_MAX 4096
#define REST_NS      100000000
#define PROBE_RUNS   3
#define PROBE_SLICES 64
#define PROBE_MAX    ((size_t)256 << 20)
#define FMA_NUMBERS  256
#define FMA_ROUNDS   20000
#define MUST(call)   KS_ASSERT((call) == KS_OK)

struct options {
    unsigned threads;
    unsigned runs;
    enum ks_precision first; /* of the precisions */
    enum ks_precision last;
    struct ks_pool *pool;
};

static double clock_seconds(clockid_t clock)
{
    struct timespec now;

    KS_ASSERT(clock_gettime(clock, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* --- what the machine can do -------------------------------------------------------------- */

struct probe {
    double *numbers;
    size_t per_slice;
    unsigned rounds;
    const struct ks_kernels *kernels;
};

static void change_task(void *context, size_t slice)
{
    const struct probe *probe = context;
    double *numbers = probe->numbers + slice * probe->per_slice;

    for (unsigned round = 0; round < probe->rounds; round++) {
        for (size_t i = 0; i < probe->per_slice; i++) {
            numbers[i] += 1;
        }
    }
}

/* Bytes read and written per second when BYTES are changed in place. */
static double memory_rate(const struct options *options, uint64_t bytes)
{
    const size_t size = bytes < PROBE_MAX ? (size_t)bytes : PROBE_MAX;
    struct probe probe = {.numbers = ks_calloc_huge(1, size < 4096 ? 4096 : size),
                          .per_slice = (size < 4096 ? 4096 : size) / 8 / PROBE_SLICES,
                          .rounds = size < (1u << 20) ? 1000 : 1};
    struct ks_pool *pool = size < (1u << 20) ? NULL : options->pool;
    double best = 0;

    KS_ASSERT(probe.numbers != NULL);
    for (unsigned i = 0; i <= PROBE_RUNS; i++) { /* the first has its pages made */
        const double start = clock_seconds(CLOCK_MONOTONIC);
        double rate = 0;

        ks_pool_run(pool, change_task, &probe, PROBE_SLICES);
        rate = 2.0 * 8 * PROBE_SLICES * (double)probe.per_slice * probe.rounds /
               (clock_seconds(CLOCK_MONOTONIC) - start);
        best = i > 0 && rate > best ? rate : best;
    }
    ks_free(probe.numbers);
    return best;
}

static void fma_task(void *context, size_t slice)
{
    const struct probe *probe = context;

    probe->kernels->spin(probe->numbers + slice * FMA_NUMBERS, FMA_ROUNDS);
}

/* Fused multiply-adds of single numbers per second. */
static double fma_rate(const struct options *options, enum ks_precision precision, bool serial)
{
    struct probe probe = {.numbers = ks_calloc(PROBE_SLICES, FMA_NUMBERS * sizeof(double))};
    const unsigned count = (unsigned)KS_MEMBERS << KS_LANES_LOG(precision);
    double best = 0;

    KS_ASSERT(probe.numbers != NULL);
    MUST(ks_kernels_find(NULL, precision, &probe.kernels));
    for (unsigned i = 0; i < PROBE_RUNS; i++) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        double rate = 0;

        ks_pool_run(serial ? NULL : options->pool, fma_task, &probe, PROBE_SLICES);
        rate = (double)FMA_ROUNDS * count * PROBE_SLICES /
               (clock_seconds(CLOCK_MONOTONIC) - start);
        best = rate > best ? rate : best;
    }
    ks_free(probe.numbers);
    return best;
}

/* --- one circuit -------------------------------------------------------------------------- */

struct times {
    double seconds[RUNS_MAX];
    double cpu_seconds[RUNS_MAX];
};

/* Another simulator, and its times. */
struct other {
    const char *command;
    struct peer peer;
    double seconds[RUNS_MAX];
    double cpu_seconds[RUNS_MAX];
    unsigned runs;
};

struct others {
    char text[COMMANDS_MAX];
    unsigned count;
    struct other list[PEERS_MAX];
};

/* Those that VARIABLE names; PATH is the file of CIRCUIT, or NULL. */
static void others_open(struct others *others, const char *variable, const char *path,
                        const struct ks_circuit *circuit)
{
    const char *commands = getenv(variable);
    char *rest = NULL;

    *others = (struct others){0};
    (void)snprintf(others->text, sizeof others->text, "%s", commands == NULL ? "" : commands);
    for (char *command = strtok_r(others->text, ";", &rest);
         command != NULL && others->count < PEERS_MAX; command = strtok_r(NULL, ";", &rest)) {
        struct other *other = &others->list[others->count++];

        other->command = command + strspn(command, " ");
        peer_open(&other->peer, other->command, path, circuit);
    }
}

static void others_close(struct others *others)
{
    for (unsigned i = 0; i < others->count; i++) {
        peer_close(&others->list[i].peer);
    }
}

/* The peer's threads may look for work for a while after it has answered. */
static void let_rest(void)
{
    const struct timespec rest = {.tv_nsec = REST_NS};

    (void)nanosleep(&rest, NULL);
}

/* One run of each; after the FIRST all have their memory. */
static void run_others(struct others *others, bool first)
{
    for (unsigned i = 0; i < others->count; i++) {
        struct other *other = &others->list[i];
        struct peer_time time;

        if (peer_run(&other->peer, &time)) {
            other->seconds[other->runs] = time.seconds;
            other->cpu_seconds[other->runs] = time.cpu_seconds;
            other->runs += first ? 0 : 1;
            let_rest();
        }
    }
}

/* Our runs and the peers', in turn. Each of ours is given its angles anew. */
static void measure(struct ks_program *program, const struct ks_circuit *circuit, unsigned runs,
                    struct others *others, struct times *times)
{
    const double *angles = ks_circuit_angles(circuit);

    MUST(ks_program_run(program, angles));
    run_others(others, true);
    for (unsigned run = 0; run < runs; run++) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        const double cpu_start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);

        MUST(ks_program_run(program, angles));
        times->seconds[run] = clock_seconds(CLOCK_MONOTONIC) - start;
        times->cpu_seconds[run] = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        run_others(others, false);
    }
}

/* Of ks_simulate, all qubits measured. */
static double whole_seconds(const struct ks_circuit *circuit,
                            const struct ks_simulate_spec *spec)
{
    double best = INFINITY;

    for (unsigned i = 0; i < PROBE_RUNS; i++) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        struct ks_counts *counts = NULL;
        double seconds = 0;

        MUST(ks_simulate(circuit, spec, &counts));
        seconds = clock_seconds(CLOCK_MONOTONIC) - start;
        best = seconds < best ? seconds : best;
        ks_counts_free(counts);
    }
    return best;
}

/* CIRCUIT without its measurements, and then each qubit measured. */
static struct ks_circuit *measured(const struct ks_circuit *circuit)
{
    struct ks_circuit_builder *builder = NULL;
    struct ks_circuit *copy = NULL;

    MUST(ks_circuit_builder_new(NULL, &builder));
    MUST(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), circuit->qubit_count));
    MUST(ks_circuit_builder_creg(builder, KS_LITERAL("c"), circuit->qubit_count));
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];

        if (op->gate < KS_GATE_MEASURE) {
            MUST(ks_circuit_builder_gate(
                builder, (enum ks_gate)op->gate, op->qubits,
                circuit->params == NULL ? NULL : circuit->params + op->param));
        }
    }
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        MUST(ks_circuit_builder_measure(builder, q, q));
    }
    MUST(ks_circuit_builder_finish(builder, &copy));
    return copy;
}

/* The name of COMMAND: of its first script, or of its program. */
static void print_name(const char *command)
{
    const char *end = strstr(command, ".py");
    const char *start = NULL;

    while (end != NULL && end[3] != ' ' && end[3] != '\0') { /* of another word */
        end = strstr(end + 3, ".py");
    }
    end = end != NULL ? end : command + strcspn(command, " ");
    start = end;
    while (start > command && start[-1] != '/' && start[-1] != ' ') {
        start--;
    }
    (void)printf("{\"name\":\"%.*s\"", (int)(end - start), start);
}

/* SECONDS and CPU are ours. */
static void print_others(struct others *others, double seconds, double cpu)
{
    const struct other *best = NULL;
    double best_seconds = INFINITY;
    double best_cpu = 0;
    bool any = false;

    for (unsigned i = 0; i < others->count; i++) {
        struct other *other = &others->list[i];

        if (other->runs > 0) {
            const double theirs = median(other->seconds, other->runs);
            const double theirs_cpu = median(other->cpu_seconds, other->runs);

            (void)printf(any ? "," : ",\"peers\":[");
            print_name(other->command);
            (void)printf(",\"cpu_seconds\":%.6g,\"seconds\":%.6g}", theirs_cpu, theirs);
            any = true;
            if (theirs < best_seconds) {
                best = other;
                best_seconds = theirs;
                best_cpu = theirs_cpu;
            }
        }
    }
    if (best != NULL) {
        (void)printf("],\"peer_cpu_ratio\":%.2f,\"peer_cpu_seconds\":%.6g,\"peer_ratio\":%.2f,"
                     "\"peer_seconds\":%.6g",
                     best_cpu / cpu, best_cpu, best_seconds / seconds, best_seconds);
    }
}

static void print_line(const char *name, const struct ks_circuit *circuit,
                       const struct ks_simulate_spec *spec, const struct ks_plan *plan,
                       const struct options *options, struct times *times,
                       struct others *others)
{
    const bool is_double = spec->precision == KS_PRECISION_DOUBLE;
    struct ks_plan_facts facts = {0};
    const uint64_t gates = ks_circuit_ops(circuit) - circuit->qubit_count; /* measurements */
    double memory = 0;
    double fma = 0;
    double floor = 0;
    double seconds = median(times->seconds, options->runs);
    double cpu = median(times->cpu_seconds, options->runs);

    ks_plan_facts_add(plan, &facts);
    memory = memory_rate(options, ks_state_bytes(facts.slots, spec->precision));
    fma = fma_rate(options, spec->precision, facts.slots <= KS_TILE_LOG(spec->precision));
    floor = fmax(facts.bytes / memory, facts.fma_slots / fma);
    (void)printf(
        "{\"bench\":\"simulate\",\"bytes\":%.4g,\"circuit\":\"%s\",\"cpu_seconds\":%.6g,"
        "\"floor_seconds\":%.4g,\"fma_rate\":%.4g,\"fma_slots\":%.4g,\"gates\":%" PRIu64
        ",\"gates_per_second\":%.4g,\"kernels\":\"%s\",\"memory_rate\":%.4g,"
        "\"over_floor\":%.3g,\"passes\":%u",
        facts.bytes, name, cpu, floor, fma, facts.fma_slots, gates, (double)gates / seconds,
        ks_simulate_kernels(), memory, seconds / floor, facts.passes);
    print_others(others, seconds, cpu);
    (void)printf(",\"precision\":\"%s\",\"qubits\":%u,\"seconds\":%.6g,\"threads\":%u,"
                 "\"whole_seconds\":%.6g}\n",
                 is_double ? "double" : "single", circuit->qubit_count, seconds,
                 options->threads, whole_seconds(circuit, spec));
    (void)fflush(stdout);
}

/* PATH is the file that SOURCE is from, or NULL. */
static void bench(const char *name, const char *path, const struct ks_circuit *source,
                  const struct options *options)
{
    struct ks_circuit *circuit = measured(source);

    for (enum ks_precision p = options->first; p <= options->last; p++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_program *program = NULL;
        struct times times = {0};
        static struct others others; /* too large for some stacks */

        spec.precision = p;
        spec.method = KS_METHOD_STATEVECTOR;
        spec.pool = options->pool;
        others_open(&others,
                    p == KS_PRECISION_DOUBLE ? "KETSEAL_PEER_DOUBLE" : "KETSEAL_PEER_SINGLE",
                    path, circuit);
        MUST(ks_program_new(circuit, &spec, KS_PROGRAM_STATE, &program));
        measure(program, circuit, options->runs, &others, &times);
        others_close(&others);
        print_line(name, circuit, &spec, ks_program_plan(program), options, &times, &others);
        ks_program_free(program);
    }
    ks_circuit_free(circuit);
}

/* --- which circuits ----------------------------------------------------------------------- */

static void bench_template(const char *name, uint32_t qubits, uint32_t depth,
                           const struct options *options)
{
    const struct ks_template_spec template = {
        .version = 1, .name = name, .qubits = qubits, .depth = depth, .seed = 1};
    struct ks_circuit *circuit = NULL;

    MUST(ks_circuit_template(&template, NULL, &circuit));
    bench(name, NULL, circuit, options);
    ks_circuit_free(circuit);
}

/* The planner has seen none of these: any gates on any qubits, and Clifford gates. */
static void bench_random(uint32_t qubits, const struct options *options)
{
    const struct random_spec any = {.seed = qubits, .qubits = qubits, .gates = 20 * qubits};
    const struct random_clifford_spec clifford = {.seed = qubits,
                                                  .qubits = qubits,
                                                  .gates = 20 * qubits,
                                                  .clbits = 1,
                                                  .paulis_only = true};
    struct ks_circuit *circuit = random_circuit(&any);

    bench("random", NULL, circuit, options);
    ks_circuit_free(circuit);
    circuit = random_clifford(&clifford);
    bench("random-clifford", NULL, circuit, options);
    ks_circuit_free(circuit);
}

static void bench_size(uint32_t qubits, const struct options *options)
{
    bench_template("qft", qubits, 1, options);
    bench_template("hea", qubits, 10, options);
    bench_template("rqc", qubits, 20, options);
    bench_template("ghz", qubits, 1, options);
    bench_template("clifford_t_sampling", qubits, 20, options);
    bench_random(qubits, options);
}

static void bench_file(const char *path, const struct options *options)
{
    const char *slash = strrchr(path, '/');
    struct ks_circuit *circuit = NULL;
    struct ks_buf text;

    ks_buf_init(&text, FILE_MAX);
    if (ks_file_read(path, FILE_MAX, &text) != KS_OK) {
        (void)fprintf(stderr, "bench_simulate: %s\n", ks_err_detail());
        exit(6);
    }
    const struct ks_bytes source = ks_buf_view(&text);
    if (ks_circuit_parse(&source, path, NULL, &circuit) != KS_OK) {
        (void)fprintf(stderr, "bench_simulate: %s\n", ks_err_detail());
        exit(3);
    }
    bench(slash == NULL ? path : slash + 1, path, circuit, options);
    ks_circuit_free(circuit);
    ks_buf_done(&text);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {10, 16, 20, 24, 26};
    struct options options = {
        .threads = 2, .runs = 5, .first = KS_PRECISION_DOUBLE, .last = KS_PRECISION_SINGLE};
    bool any = false;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--threads=", 10) == 0) {
            options.threads = (unsigned)strtoul(argv[i] + 10, NULL, 10);
        } else if (strncmp(argv[i], "--runs=", 7) == 0) {
            options.runs = (unsigned)strtoul(argv[i] + 7, NULL, 10);
        } else if (strcmp(argv[i], "--precision=single") == 0) {
            options.first = KS_PRECISION_SINGLE;
        } else if (strcmp(argv[i], "--precision=double") == 0) {
            options.last = KS_PRECISION_DOUBLE;
        }
    }
    if (options.runs < 1 || options.runs > RUNS_MAX ||
        ks_pool_new(options.threads, &options.pool) != KS_OK) {
        (void)fprintf(stderr,
                      "usage: bench_simulate [--threads=N] [--runs=N] "
                      "[--precision=single|double] [QUBITS | FILE.qasm]…, 1 to %d runs\n",
                      RUNS_MAX);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        const uint32_t qubits = (uint32_t)strtoul(argv[i], NULL, 10);

        if (strncmp(argv[i], "--", 2) != 0) {
            any = true;
            if (qubits >= 2 && qubits <= 32) {
                bench_size(qubits, &options);
            } else {
                bench_file(argv[i], &options);
            }
        }
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && !any; i++) {
        bench_size(sizes[i], &options);
    }
    ks_pool_free(options.pool);
    return 0;
}
