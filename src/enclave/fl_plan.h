/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_plan.h: what the words of a plan mean to the worker of its rounds. Pure. */
#ifndef KS_ENCLAVE_FL_PLAN_H
#define KS_ENCLAVE_FL_PLAN_H

#include "fl/gather.h"
#include "fl/rules.h"
#include "record/fl.h"

/* The server's rule. KS_ERR_UNAVAILABLE for one that a site does not have; KS_ERR_FORMAT for
 * figures that it cannot have, or does not take: those have to be 0. */
KS_MUST_CHECK enum ks_err ks_fl_plan_server(const struct ks_fl_plan *plan,
                                            struct ks_fl_server_params *out_server);
/* Whether PLAN, which a site has taken, begins rounds from the last aggregate; whether
 * anything at all is remembered from one round to the next. */
bool ks_fl_plan_keeps_aggregate(const struct ks_fl_plan *plan);
bool ks_fl_plan_remembers(const struct ks_fl_plan *plan);

/* Bytes of an update at most, before it is sealed. */
uint64_t ks_fl_plan_update_max(const struct ks_fl_plan *plan);
/* What the worker of a round that gathers GATHER takes of its address space at most, besides
 * its threads' stacks. As ks_fl_plan_server, ks_fl_gather_needs. */
KS_MUST_CHECK enum ks_err ks_fl_plan_needs(const struct ks_fl_plan *plan,
                                           const struct ks_fl_gather_params *gather,
                                           uint64_t *out_bytes);
/* KS_ERR_LIMIT where what a device may weigh is so much that a few shut out the others, or a
 * file of the session could not be read or sealed. As ks_fl_plan_server. */
KS_MUST_CHECK enum ks_err ks_fl_plan_fits(const struct ks_fl_plan *plan,
                                          const struct ks_fl_gather_params *gather);

#endif
