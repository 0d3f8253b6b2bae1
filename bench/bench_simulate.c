/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_simulate [QUBITS [DEPTH [THREADS]]]: how long the templates take, as JSON lines.
 *
 *   seconds        whole ks_simulate with 1024 shots: the best of three
 *   naive_seconds  the same gates one by one over complex doubles on one thread, once, in the
 *                  same run
 *   bytes          what the plan's passes read and write
 *   floor_seconds  bytes at the measured rate of copying with the same threads
 *   over_floor     seconds over floor_seconds
 *   peer_seconds   with KETSEAL_PEER_SIM set to a command: that command with the circuit's
 *                  OpenQASM file as its last argument, its start included */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"
#include "peer.h"
#include "quantum/facts.h"
#include "quantum/simulate.h"

#define COPY_BYTES  ((size_t)256 << 20)
#define COPY_SLICES 64
#define RUNS        3
#define MUST(call)  KS_ASSERT((call) == KS_OK)

static double seconds_since(uint64_t start_us)
{
    return (double)(ks_clock_monotonic_us() - start_us) * 1e-6;
}

/* --- the rate of copying
 * ------------------------------------------------------------------------- */

struct copy {
    uint8_t *from;
    uint8_t *to;
};

static void copy_task(void *context, size_t slice)
{
    const struct copy *copy = context;
    const size_t size = COPY_BYTES / COPY_SLICES;

    ks_copy(copy->to + slice * size, copy->from + slice * size, size);
}

/* Bytes read and written per second. */
static double copy_rate(struct ks_pool *pool)
{
    struct copy copy = {.from = ks_calloc(1, COPY_BYTES), .to = ks_calloc(1, COPY_BYTES)};
    double best = 0;

    KS_ASSERT(copy.from != NULL && copy.to != NULL);
    ks_pool_run(pool, copy_task, &copy, COPY_SLICES); /* both have their pages now */
    for (unsigned i = 0; i < RUNS; i++) {
        const uint64_t start = ks_clock_monotonic_us();
        double rate = 0;

        ks_pool_run(pool, copy_task, &copy, COPY_SLICES);
        rate = 2.0 * (double)COPY_BYTES / seconds_since(start);
        best = rate > best ? rate : best;
    }
    ks_free(copy.from);
    ks_free(copy.to);
    return best;
}

/* --- the naive baseline
 * -------------------------------------------------------------------------- */

static void naive_matrix(double *amps, size_t count, const uint32_t *qubits,
                         unsigned qubit_count, const double m[8])
{
    const size_t target = (size_t)1 << qubits[qubit_count - 1];
    size_t controls = 0;

    for (unsigned i = 0; i + 1 < qubit_count; i++) {
        controls |= (size_t)1 << qubits[i];
    }
    for (size_t i = 0; i < count; i++) {
        if ((i & target) == 0 && (i & controls) == controls) {
            double *a = &amps[2 * i];
            double *b = &amps[2 * (i | target)];
            const double x[4] = {a[0], a[1], b[0], b[1]};

            a[0] = m[0] * x[0] - m[1] * x[1] + m[2] * x[2] - m[3] * x[3];
            a[1] = m[0] * x[1] + m[1] * x[0] + m[2] * x[3] + m[3] * x[2];
            b[0] = m[4] * x[0] - m[5] * x[1] + m[6] * x[2] - m[7] * x[3];
            b[1] = m[4] * x[1] + m[5] * x[0] + m[6] * x[3] + m[7] * x[2];
        }
    }
}

static double naive_seconds(const struct ks_circuit *circuit)
{
    const size_t count = (size_t)1 << circuit->qubit_count;
    double *amps = ks_calloc(count, 2 * sizeof *amps);
    const uint64_t start = ks_clock_monotonic_us();
    double m[8];

    KS_ASSERT(amps != NULL);
    amps[0] = 1;
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const struct ks_gate_info *info = ks_gate_info((enum ks_gate)op->gate);
        const struct ks_op flip = {.gate = KS_GATE_CX};
        const uint32_t swapped[2] = {op->qubits[1], op->qubits[0]};

        if (op->gate == KS_GATE_MEASURE || op->gate == KS_GATE_BARRIER) {
            continue;
        }
        if (op->gate == KS_GATE_SWAP) {
            ks_gate_matrix(&flip, NULL, m);
            naive_matrix(amps, count, op->qubits, 2, m);
            naive_matrix(amps, count, swapped, 2, m);
            naive_matrix(amps, count, op->qubits, 2, m);
        } else {
            ks_gate_matrix(op, info->params > 0 ? &circuit->params[op->param] : NULL, m);
            naive_matrix(amps, count, op->qubits, info->qubits, m);
        }
    }
    ks_free(amps);
    return seconds_since(start);
}

/* --- one circuit
 * --------------------------------------------------------------------------------- */

static double best_seconds(const struct ks_circuit *circuit,
                           const struct ks_simulate_spec *spec)
{
    double best = 0;

    for (unsigned i = 0; i < RUNS; i++) {
        const uint64_t start = ks_clock_monotonic_us();
        struct ks_counts *counts = NULL;
        double seconds = 0;

        MUST(ks_simulate(circuit, spec, &counts));
        seconds = seconds_since(start);
        best = i == 0 || seconds < best ? seconds : best;
        ks_counts_free(counts);
    }
    return best;
}

static void bench(const char *name, uint32_t qubits, uint32_t depth, struct ks_pool *pool)
{
    const struct ks_template_spec template = {
        .version = 1, .name = name, .qubits = qubits, .depth = depth, .seed = 1};
    const double rate = copy_rate(pool);
    struct ks_circuit *circuit = NULL;
    double naive = 0;
    double peer = 0;

    MUST(ks_circuit_template(&template, NULL, &circuit));
    naive = naive_seconds(circuit);
    peer = peer_seconds("KETSEAL_PEER_SIM", circuit);
    for (enum ks_precision p = KS_PRECISION_DOUBLE; p <= KS_PRECISION_SINGLE; p++) {
        for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
            struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
            struct ks_plan_facts facts;
            double seconds = 0;

            if (!set->usable()) {
                continue;
            }
            spec.precision = p;
            spec.kernels = set->name;
            spec.pool = pool;
            seconds = best_seconds(circuit, &spec);
            MUST(ks_plan_facts(circuit, p, &facts));
            (void)printf("{\"bench\":\"simulate\",\"bytes\":%.4g,\"circuit\":\"%s\","
                         "\"copy_rate\":%.3g,\"floor_seconds\":%.4g,\"fma_slots\":%.4g,"
                         "\"gates\":%" PRIu64 ",\"gates_per_second\":%.4g,\"kernels\":\"%s\","
                         "\"naive_seconds\":%.4f,\"over_floor\":%.4g,\"passes\":%u,"
                         "\"precision\":\"%s\",\"qubits\":%u,\"seconds\":%.6f,"
                         "\"speedup\":%.1f,\"threads\":%u",
                         facts.bytes, name, rate, facts.bytes / rate, facts.fma_slots,
                         ks_circuit_ops(circuit), (double)ks_circuit_ops(circuit) / seconds,
                         set->name, naive, seconds * rate / facts.bytes, facts.passes,
                         p == KS_PRECISION_DOUBLE ? "double" : "single", qubits, seconds,
                         naive / seconds, ks_pool_threads(pool));
            if (peer >= 0) {
                (void)printf(",\"peer_ratio\":%.2f,\"peer_seconds\":%.4f", peer / seconds,
                             peer);
            }
            (void)printf("}\n");
            (void)fflush(stdout);
        }
    }
    ks_circuit_free(circuit);
}

int main(int argc, char **argv)
{
    const uint32_t qubits = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20;
    const uint32_t depth = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10;
    const unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;
    struct ks_pool *pool = NULL;

    if (qubits < 2 || qubits > 32 || ks_pool_new(threads, &pool) != KS_OK) {
        (void)fprintf(stderr,
                      "usage: bench_simulate [QUBITS [DEPTH [THREADS]]], 2 to 32 qubits\n");
        return 2;
    }
    bench("qft", qubits, depth, pool);
    bench("hea", qubits, depth, pool);
    bench("rqc", qubits, depth, pool);
    bench("ghz", qubits, depth, pool);
    ks_pool_free(pool);
    return 0;
}
