/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_plan.h: the plan of a simulated session by the flags of `fl simulate`. */
#ifndef KS_CLI_FLSIM_PLAN_H
#define KS_CLI_FLSIM_PLAN_H

#include "cli/flsim_learn.h"

/* OUT_PLAN borrows from LEARN and from TEXT, which receives the plan as canonical JSON. FIRST
 * is the file of the model that the session begins with. */
KS_MUST_CHECK enum ks_err ks_flsim_plan(const struct ks_cli *cli,
                                        const struct ks_flsim_learn *learn,
                                        struct ks_bytes first, struct ks_buf *text,
                                        struct ks_flsim_plan *out_plan);

#endif
