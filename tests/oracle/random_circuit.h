/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* random_circuit.h: seeded circuits for tests: the same on every machine, since golden digests
 * are made of them. */
#ifndef KS_TESTS_ORACLE_RANDOM_CIRCUIT_H
#define KS_TESTS_ORACLE_RANDOM_CIRCUIT_H

#include "quantum/circuit.h"

struct random_spec {
    uint64_t seed;
    uint32_t qubits;
    uint32_t gates; /* any of KS_GATE_LIST, on random qubits */
    uint32_t
        middles; /* measurements, resets and conditions among them: at most so many of each */
    uint32_t
        clbits; /* 0: no measurements; else all qubits that have a classical bit at the end */
};

/* Pseudo-random 64 bits: splitmix64 (Steele, Lea, Flood 2014). */
uint64_t random_next(uint64_t *state);
/* Aborts when the builder refuses it. Free with ks_circuit_free. */
struct ks_circuit *random_circuit(const struct random_spec *spec);
/* GATE once, on random qubits with random parameters, between layers that mix all QUBITS; all
 * measured. */
struct ks_circuit *random_around(enum ks_gate gate, uint32_t qubits, uint64_t seed);

struct random_clifford_spec {
    uint64_t seed;
    uint32_t qubits;
    uint32_t gates;
    uint32_t clbits;  /* at least 1; the first qubits are measured into them at the end */
    bool middles;     /* measurements, resets and conditions among the gates */
    bool paulis_only; /* behind conditions */
};
/* As random_circuit; each gate is a Clifford gate, many by the values of their parameters. */
struct ks_circuit *random_clifford(const struct random_clifford_spec *spec);

#endif
