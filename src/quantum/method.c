/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/simulate.h"

const char *ks_method_name(enum ks_method method)
{
    static const char *const names[KS_METHOD_COUNT] = {
        [KS_METHOD_AUTO] = "auto",
        [KS_METHOD_STATEVECTOR] = "statevector",
        [KS_METHOD_STABILIZER] = "stabilizer",
        [KS_METHOD_SPARSE] = "sparse",
        [KS_METHOD_MPS] = "mps",
    };

    KS_ASSERT((unsigned)method < KS_METHOD_COUNT);
    return names[method];
}

enum ks_err ks_simulate(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                        struct ks_counts **out_counts)
{
    if ((unsigned)spec->method >= KS_METHOD_COUNT) {
        return ks_fail(KS_ERR_USAGE, "method %u", (unsigned)spec->method);
    }
    if (spec->method > KS_METHOD_STATEVECTOR) {
        return ks_fail(KS_ERR_NOT_FOUND, "this build has no method '%s'",
                       ks_method_name(spec->method));
    }
    return ks_statevector_simulate(circuit, spec, out_counts);
}
