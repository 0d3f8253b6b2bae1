/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* live.h: which operations matter to the outcome, and which measurements can wait until the
 * end. Depends on the circuit alone. Pure. */
#ifndef KS_QUANTUM_LIVE_H
#define KS_QUANTUM_LIVE_H

#include "quantum/circuit.h"

enum ks_role {
    KS_ROLE_DEAD,    /* no classical bit of the outcome depends on it */
    KS_ROLE_GATE,    /* a gate */
    KS_ROLE_MEASURE, /* to be done in its place: something later depends on it */
    KS_ROLE_RESET,
    KS_ROLE_TIDY,    /* a reset nobody will notice: worth doing only if it gives a slot back for
                        nothing */
    KS_ROLE_CONTROL, /* control flow: ks_classical_step */
    KS_ROLE_NOISE,   /* each shot draws what happens */
    KS_ROLE_FINAL, /* a measurement whose qubit and bit nothing later touches: done by sampling
                    */
};

/* One role (enum ks_role) for each operation of CIRCUIT; free with ks_free. */
KS_MUST_CHECK enum ks_err ks_roles_new(const struct ks_circuit *circuit, uint8_t **out_roles);

#endif
