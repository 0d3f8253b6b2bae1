/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Sums of Pauli strings on a state of three qubits: what is accepted is the same twice. */
#include "quantum/circuit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ks_final *make_state(void)
{
    const struct ks_bytes source = KS_LITERAL("OPENQASM 2.0; qreg q[3]; U(1,2,3) q[0]; CX "
                                              "q[0],q[1]; U(3,1,2) q[2]; CX q[2],q[0];");
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;
    struct ks_final *final = NULL;

    KS_ASSERT(ks_circuit_parse(&source, "state", NULL, &circuit) == KS_OK);
    KS_ASSERT(ks_final_new(circuit, &spec, &final) == KS_OK);
    ks_circuit_free(circuit);
    return final;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes sum = ks_bytes_of(data, size < 4096 ? size : 4096);
    struct ks_final *final = make_state();
    double first = 0;
    double second = 0;

    if (ks_final_expect(final, &sum, &first) == KS_OK) {
        KS_ASSERT(ks_final_expect(final, &sum, &second) == KS_OK);
        KS_ASSERT(first == second);
    }
    ks_final_free(final);
    return 0;
}
