/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_ranks [QUBITS [DEPTH]]: circuits whose state ranks share, as JSON lines; the ranks are
 * threads of this process, so that the seconds are for the work and copies, not for a network.
 *
 *   exchanges, exchanged_bytes   counted
 *   foreseen_bytes               by ks_ranks_predict: the same
 *   seconds                      all ranks, on the processors that there are: the best of three
 *   alone_seconds                one process with one thread, in turns with the above
 *
 * bench_ranks --table: the tables of docs/ranks.md, by ks_ranks_predict alone. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sys.h"
#include "base/text.h"
#include "oracle/rank_threads.h"
#include "quantum/circuit.h"

#define RUNS       3
#define MUST(call) KS_ASSERT((call) == KS_OK)

static const char *const names[] = {"qft", "hea", "rqc"};
#define NAMES (sizeof names / sizeof names[0])
/* Rows of the tables: a template and its depth. */
static const struct {
    const char *name;
    uint32_t depth;
} rows[] = {{"qft", 10}, {"hea", 10}, {"hea", 40}, {"rqc", 40}, {"rqc", 160}};
#define ROWS (sizeof rows / sizeof rows[0])

static struct ks_circuit *make(const char *name, uint32_t qubits, uint32_t depth)
{
    const struct ks_template_spec spec = {
        .version = 1, .name = name, .qubits = qubits, .depth = depth, .seed = 1};
    struct ks_circuit *circuit = NULL;

    MUST(ks_circuit_template(&spec, NULL, &circuit));
    return circuit;
}

/* --- measured ----------------------------------------------------------------------------- */

struct bench {
    const struct ks_circuit *circuit;
    struct ks_simulate_spec spec;
    struct ks_traffic traffic;
};

static void task(void *context, const struct ks_ranks *ranks)
{
    struct bench *bench = context;
    struct ks_counts *counts = NULL;
    struct ks_traffic traffic;

    MUST(ks_ranks_simulate(bench->circuit, &bench->spec, ranks, &counts, &traffic));
    ks_counts_free(counts);
    if (ranks->rank == 0) {
        bench->traffic = traffic;
    }
}

static double seconds_since(uint64_t start_us)
{
    return (double)(ks_clock_monotonic_us() - start_us) * 1e-6;
}

static void measure(const char *name, uint32_t qubits, uint32_t depth, uint32_t count,
                    enum ks_precision precision)
{
    struct ks_circuit *circuit = make(name, qubits, depth);
    struct bench bench = {.circuit = circuit, .spec = KS_SIMULATE_SPEC_INIT};
    struct ks_ranks_forecast forecast;
    double best = 0;
    double alone = 0;

    bench.spec.precision = precision;
    bench.spec.method = KS_METHOD_STATEVECTOR;
    MUST(ks_ranks_predict(circuit, precision, count, &forecast));
    for (unsigned i = 0; i < RUNS; i++) {
        struct ks_counts *counts = NULL;
        uint64_t start = ks_clock_monotonic_us();
        double seconds = 0;

        rank_threads_run(count, 0, task, &bench);
        seconds = seconds_since(start);
        best = i == 0 || seconds < best ? seconds : best;
        start = ks_clock_monotonic_us();
        MUST(ks_simulate(circuit, &bench.spec, &counts));
        seconds = seconds_since(start);
        alone = i == 0 || seconds < alone ? seconds : alone;
        ks_counts_free(counts);
    }
    (void)printf("{\"alone_seconds\":%.4f,\"bench\":\"ranks\",\"circuit\":\"%s\",\"depth\":%u,"
                 "\"exchanged_bytes\":%" PRIu64 ",\"exchanges\":%" PRIu64
                 ",\"foreseen_bytes\":%" PRIu64 ",\"passes\":%u,\"precision\":\"%s\",\"qubits\""
                 ":%u,\"ranks\":%u,\"seconds\":%.4f}\n",
                 alone, name, depth, bench.traffic.bytes, bench.traffic.exchanges,
                 forecast.traffic.bytes, forecast.passes,
                 precision == KS_PRECISION_SINGLE ? "single" : "double", qubits, count, best);
    (void)fflush(stdout);
    ks_circuit_free(circuit);
}

/* --- foreseen ----------------------------------------------------------------------------- */

/* Rows of docs/ranks.md: in double, in units of the whole state. */
static void print_row(const char *name, uint32_t qubits, uint32_t depth, uint32_t count)
{
    struct ks_circuit *circuit = make(name, qubits, depth);
    struct ks_ranks_forecast forecast;

    MUST(ks_ranks_predict(circuit, KS_PRECISION_DOUBLE, count, &forecast));
    (void)printf("| %s | %u | %u | %u | %u | %" PRIu64 " | %" PRIu64 " | %.4f |\n", name,
                 qubits, depth, count, forecast.passes, forecast.traffic.exchanges,
                 forecast.traffic.bytes,
                 (double)forecast.traffic.bytes / 16 / (double)((uint64_t)1 << forecast.slots));
    ks_circuit_free(circuit);
}

static void print_table(const uint32_t *qubits, size_t sizes, const uint32_t *counts,
                        size_t count)
{
    (void)puts("| circuit | qubits | depth | ranks | passes | exchanges | bytes | states |\n"
               "|---|---|---|---|---|---|---|---|");
    for (size_t n = 0; n < ROWS; n++) {
        for (size_t q = 0; q < sizes; q++) {
            for (size_t c = 0; c < count; c++) {
                print_row(rows[n].name, qubits[q], rows[n].depth, counts[c]);
            }
        }
    }
}

static void print_tables(void)
{
    static const uint32_t small[] = {18, 20};
    static const uint32_t few[] = {2, 4, 8};
    static const uint32_t large[] = {30, 34, 40};
    static const uint32_t many[] = {4, 32, 256, 1024};

    print_table(small, sizeof small / sizeof small[0], few, sizeof few / sizeof few[0]);
    (void)puts("");
    print_table(large, sizeof large / sizeof large[0], many, sizeof many / sizeof many[0]);
}

static uint32_t argument(const char *text, uint32_t max)
{
    uint64_t value = 0;

    MUST(ks_text_u64(ks_bytes_text(text), max, &value));
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    const bool table = argc > 1 && strcmp(argv[1], "--table") == 0;
    const uint32_t qubits = argc > 1 && !table ? argument(argv[1], 30) : 22;
    const uint32_t depth = argc > 2 ? argument(argv[2], 1000) : 40;

    if (table) {
        print_tables();
        return 0;
    }
    for (size_t n = 0; n < NAMES; n++) {
        for (uint32_t count = 1; count <= 8; count *= 2) {
            measure(names[n], qubits, depth, count, KS_PRECISION_DOUBLE);
            measure(names[n], qubits, depth, count, KS_PRECISION_SINGLE);
        }
    }
    return 0;
}
