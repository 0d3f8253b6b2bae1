/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rules_state.h: a server rule in memory, for its two files. Within the module alone. */
#ifndef KS_FL_RULES_STATE_H
#define KS_FL_RULES_STATE_H

#include "fl/internal.h"
#include "fl/rules.h"

struct ks_fl_server {
    struct ks_fl_server_params params;
    uint64_t steps;
    float *model;
    float *first;   /* m, or SCAFFOLD's c; NULL for FedAvg */
    float *second;  /* v; NULL but for the adaptive rules */
    float *next[3]; /* what the three of them become, if a step turns out well */
};

static inline bool ks_fl_server_has_first(enum ks_fl_server_rule rule)
{
    return rule != KS_FL_FEDAVG;
}

static inline bool ks_fl_server_has_second(enum ks_fl_server_rule rule)
{
    return rule == KS_FL_FEDADAGRAD || rule == KS_FL_FEDADAM || rule == KS_FL_FEDYOGI;
}

/* All zeros. */
KS_MUST_CHECK enum ks_err ks_fl_server_alloc(const struct ks_fl_server_params *params,
                                             struct ks_fl_server **out_server);

#endif
