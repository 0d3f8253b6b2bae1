/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* watch.h: a simulation that its caller may cancel. Pure. */
#ifndef KS_QUANTUM_WATCH_H
#define KS_QUANTUM_WATCH_H

#include "base/pool.h"
#include "quantum/circuit.h"

struct ks_watch {
    struct ks_simulate_spec spec; /* the caller's, and where it has no pool, ours */
    struct ks_pool *own_pool;     /* of one thread, to ask for cancellation; or NULL */
};

/* Puts the question of SPEC into its pool, a pool of one thread if there is none. After a
 * failure too ks_watch_end is called. */
KS_MUST_CHECK enum ks_err ks_watch_begin(struct ks_watch *watch,
                                         const struct ks_simulate_spec *spec);
void ks_watch_end(struct ks_watch *watch);
/* KS_ERR_CANCELLED once the caller wants no more. Any thread. */
KS_MUST_CHECK enum ks_err ks_watch_go_on(struct ks_pool *pool);

#endif
