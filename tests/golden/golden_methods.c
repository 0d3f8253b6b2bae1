/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Digests of the counts of each method beside the state vector: unchanged while the method's
 * numerics stand, on every CPU and compiler. */

#include <inttypes.h>
#include <stdio.h>

#include "oracle/random_circuit.h"

#define MUST(call) KS_ASSERT((call) == KS_OK)

/* FNV-1a over the lines of `ketseal circuit simulate`. */
static uint64_t digest(uint64_t hash, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
    }
    return hash;
}

static void print_counts(const char *name, struct ks_circuit *circuit, enum ks_method method,
                         uint64_t seed)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    uint64_t hash = 0xcbf29ce484222325u;
    char text[32];

    spec.method = method;
    spec.seed = 0x0123456789abcdef;
    spec.shots = 2000;
    MUST(ks_simulate(circuit, &spec, &counts));
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        (void)snprintf(text, sizeof text, " %" PRIu64 "\n", ks_counts_count(counts, i));
        hash = digest(digest(hash, ks_counts_outcome(counts, i)), text);
    }
    (void)printf("%s %s-%" PRIu64 " %016" PRIx64 "\n", ks_method_name(method), name, seed,
                 hash);
    ks_counts_free(counts);
    ks_circuit_free(circuit);
}

int main(void)
{
    for (enum ks_method method = KS_METHOD_STABILIZER; method < KS_METHOD_COUNT; method++) {
        (void)printf("%s numerics %" PRIu32 "\n", ks_method_name(method),
                     ks_method_numerics(method));
        for (uint64_t seed = 1; seed <= 12; seed++) {
            const struct random_clifford_spec clifford = {.seed = seed,
                                                          .qubits = 1 + 7 * (uint32_t)seed,
                                                          .gates = 40 * (uint32_t)seed,
                                                          .clbits = 5,
                                                          .middles = seed % 3 != 0,
                                                          .paulis_only = seed % 3 == 1};
            const struct random_spec any = {.seed = seed,
                                            .qubits = 3 + (uint32_t)seed / 2,
                                            .gates = 80,
                                            .middles = (uint32_t)seed % 4,
                                            .clbits = 6};

            if (method == KS_METHOD_STABILIZER) {
                print_counts("clifford", random_clifford(&clifford), method, seed);
            } else {
                print_counts("random", random_circuit(&any), method, seed);
            }
        }
    }
    return fflush(stdout) == 0 ? 0 : 4;
}
