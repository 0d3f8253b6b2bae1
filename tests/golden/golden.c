/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Prints a digest of the state and of the counts of fixed circuits, one line each: what
 * `numerics: 4` means. tests/vectors/quantum/golden.txt holds the lines; a change there is a
 * change of KS_NUMERICS. Plain C with base and quantum only, so that it runs for any
 * architecture under an emulator.
 *
 *   golden [KERNELS [THREADS]] */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle/random_circuit.h"
#include "quantum/simulate.h"

/* FNV-1a, 64 bits: enough against accidents, which is all there is here. */
static uint64_t digest(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

#define DIGEST_FIRST 0xcbf29ce484222325u
#define MUST(call)   KS_ASSERT((call) == KS_OK)

static const char *const precisions[] = {"double", "single"};

static void print_state(const char *name, const struct ks_circuit *circuit,
                        const struct ks_simulate_spec *spec)
{
    const struct ks_kernels *kernels = NULL;
    const size_t real = spec->precision == KS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
    struct ks_state state;
    uint64_t hash = DIGEST_FIRST;

    MUST(ks_kernels_find(spec->kernels, spec->precision, &kernels));
    ks_state_init(&state, kernels, spec->pool);
    MUST(ks_simulate_state(circuit, &state));
    hash = digest(hash, state.re, real << state.slot_count);
    hash = digest(hash, state.im, real << state.slot_count);
    (void)printf("state %s %s %016" PRIx64 "\n", name, precisions[spec->precision], hash);
    ks_state_done(&state);
}

static void print_counts(const char *name, const struct ks_circuit *circuit,
                         const struct ks_simulate_spec *spec)
{
    struct ks_counts *counts = NULL;
    uint64_t hash = DIGEST_FIRST;
    char text[32];

    MUST(ks_simulate(circuit, spec, &counts));
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        const char *outcome = ks_counts_outcome(counts, i);
        const int len =
            snprintf(text, sizeof text, " %" PRIu64 "\n", ks_counts_count(counts, i));

        hash = digest(hash, outcome, ks_circuit_clbits(circuit));
        hash = digest(hash, text, (size_t)len);
    }
    (void)printf("counts %s %s %016" PRIx64 "\n", name, precisions[spec->precision], hash);
    ks_counts_free(counts);
}

static void print_random(struct ks_simulate_spec *spec, uint64_t seed)
{
    const uint32_t qubits = seed == 10 ? 16 : 2 + (uint32_t)seed;
    const struct random_spec unitary = {.seed = seed, .qubits = qubits, .gates = 160};
    const struct random_spec measured = {.seed = seed,
                                         .qubits = qubits,
                                         .gates = 160,
                                         .middles = 2 * ((uint32_t)seed % 4),
                                         .clbits = 6};
    struct ks_circuit *circuit = random_circuit(&unitary);
    char name[32];

    (void)snprintf(name, sizeof name, "random-%" PRIu64, seed);
    print_state(name, circuit, spec);
    ks_circuit_free(circuit);
    circuit = random_circuit(&measured);
    print_counts(name, circuit, spec);
    ks_circuit_free(circuit);
}

static void print_templates(struct ks_simulate_spec *spec)
{
    const char *name = NULL;

    for (size_t i = 0; (name = ks_circuit_template_name(i)) != NULL; i++) {
        const struct ks_template_spec template = {
            .version = 1,
            .name = name,
            .qubits = ks_bytes_is(ks_bytes_text(name), "bell") ? 2 : 10,
            .depth = 6,
            .seed = 123};
        struct ks_circuit *circuit = NULL;

        MUST(ks_circuit_template(&template, NULL, &circuit));
        print_counts(name, circuit, spec);
        ks_circuit_free(circuit);
    }
}

int main(int argc, char **argv)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_pool *pool = NULL;

    spec.kernels = argc > 1 ? argv[1] : NULL;
    if (argc > 2) {
        MUST(ks_pool_new((unsigned)strtoul(argv[2], NULL, 10), &pool));
    }
    spec.pool = pool;
    spec.seed = 0x0123456789abcdef;
    spec.shots = 2000;
    (void)printf("numerics %d\n", KS_NUMERICS);
    for (enum ks_precision p = KS_PRECISION_DOUBLE; p <= KS_PRECISION_SINGLE; p++) {
        spec.precision = p;
        for (uint64_t seed = 1; seed <= 10; seed++) {
            print_random(&spec, seed);
        }
        print_templates(&spec);
    }
    ks_pool_free(pool);
    return fflush(stdout) == 0 ? 0 : 4;
}
