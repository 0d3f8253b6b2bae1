/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* team.h: a rank and what it shares with the others: agreement on errors, what was exchanged,
 * memory for it. Whatever ranks do together begins with an agreement; a rank that fails
 * elsewhere agrees once more before it leaves, so nobody waits for it. Pure. */
#ifndef KS_QUANTUM_TEAM_H
#define KS_QUANTUM_TEAM_H

#include "quantum/ranks.h"

struct ks_team {
    const struct ks_ranks *ranks; /* borrowed */
    uint32_t rank_bits;
    uint32_t tile;   /* of plans: 0, or fewer slots for tests (quantum/plan.h) */
    enum ks_err err; /* of any rank: from then on of all */
    char detail[KS_ERR_DETAIL_MAX];
    void *send; /* owned: KS_EXCHANGE_MAX bytes each */
    void *receive;
    double *sums; /* owned: two for each block of the whole state */
    size_t sum_cap;
    struct ks_traffic traffic; /* bytes: of this rank */
};

/* Closable by ks_team_done whatever comes out. Not collective: agree on the result. */
KS_MUST_CHECK enum ks_err ks_team_init(struct ks_team *team, const struct ks_ranks *ranks);
void ks_team_done(struct ks_team *team);
/* The stored failure of the team, or KS_OK. */
KS_MUST_CHECK enum ks_err ks_team_check(const struct ks_team *team);
/* Together. KS_OK where ERR is that on all ranks; else the team has failed, for good. */
KS_MUST_CHECK enum ks_err ks_team_agree(struct ks_team *team, enum ks_err err);
/* Together. *OUT_ALL: whether all ranks say YES. */
KS_MUST_CHECK enum ks_err ks_team_vote(struct ks_team *team, bool yes, bool *out_all);
/* Together: the or of all ranks' WORDS. */
KS_MUST_CHECK enum ks_err ks_team_merge(struct ks_team *team, uint64_t *words, size_t count);
/* What is in team->send changes places with PARTNER's, in team->receive. After an agreement. */
KS_MUST_CHECK enum ks_err ks_team_exchange(struct ks_team *team, uint32_t partner,
                                           size_t bytes);
/* Room for COUNT sums, which are kept from call to call. */
KS_MUST_CHECK enum ks_err ks_team_sums(struct ks_team *team, size_t count);
/* Together: the traffic of all. */
KS_MUST_CHECK enum ks_err ks_team_traffic(struct ks_team *team, struct ks_traffic *out_traffic);

#endif
