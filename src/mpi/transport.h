/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* transport.h: ranks that are processes of Open MPI. The one place that knows MPI; where it
 * fails, it ends all processes itself. The thread that began it makes all calls. */
#ifndef KS_MPI_TRANSPORT_H
#define KS_MPI_TRANSPORT_H

#include "quantum/ranks.h"

/* *OUT_RANKS is usable until ks_transport_end. */
KS_MUST_CHECK enum ks_err ks_transport_begin(struct ks_ranks *out_ranks);
void ks_transport_end(void);
/* How many of the ranks are on this machine. */
uint32_t ks_transport_neighbours(void);

#endif
