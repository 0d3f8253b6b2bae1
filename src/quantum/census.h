/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* census.h: the operations of a circuit by their kind, each as it stands there: a block of
 * control flow counts once. Pure. */
#ifndef KS_QUANTUM_CENSUS_H
#define KS_QUANTUM_CENSUS_H

#include "quantum/circuit.h"

struct ks_census {
    uint64_t gates_1q;
    uint64_t gates_2q;
    uint64_t gates_more;
    uint64_t gates_nonclifford; /* of those above, that no Clifford gate stands for */
    uint64_t measurements;
    /* Behind the first measurement come measurements alone, nothing has a condition, is reset
     * or flows: one state says all that the circuit does. */
    bool measures_last;
};
void ks_census_take(const struct ks_circuit *circuit, struct ks_census *out_census);

#endif
