/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* frames.h: many shots of a Clifford circuit at once: each as the Pauli operator by which it
 * differs from one reference course (Gidney, Stim, arXiv 2103.02202, section 4.2). Draws: see
 * stabilizer.h. Pure. */
#ifndef KS_QUANTUM_FRAMES_H
#define KS_QUANTUM_FRAMES_H

#include "quantum/clifford.h"
#include "quantum/engine.h"

/* Something is measured or reset in the middle, and conditions stand before Pauli gates alone.
 * ROLES: ks_roles_new. */
bool ks_frames_fit(const struct ks_circuit *circuit, const uint8_t *roles);
KS_MUST_CHECK enum ks_err ks_frames_simulate(const struct ks_engine_context *context,
                                             const uint8_t *roles,
                                             struct ks_counts **out_counts);

#endif
