/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* method.h: how KS_METHOD_AUTO chooses. The choice follows the circuit, the seed, the precision
 * and the memory limit alone, never time or threads. Pure. */
#ifndef KS_QUANTUM_METHOD_H
#define KS_QUANTUM_METHOD_H

#include "quantum/circuit.h"

/* What may be used where the caller sets no limit. */
#define KS_AUTO_MEMORY ((uint64_t)16 << 30)
/* Most memory and work (roughly multiplications) of a trial shot. Sparse comes first and has to
 * be quick about it: circuits that it does not suit double their amplitudes with each gate. */
#define KS_AUTO_SPARSE_MEMORY ((uint64_t)64 << 20)
#define KS_AUTO_SPARSE_WORK   ((uint64_t)20 * 1000 * 1000 * 1000)
#define KS_AUTO_MPS_WORK      ((uint64_t)40 * 1000 * 1000 * 1000)
/* Most weight that truncation may take in a trial run by matrix product states. */
#define KS_AUTO_DISCARDED 1e-6

#endif
