/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* gather.h: what a round gathers, one update after the other, and what comes of it by its rule.
 * Hides whether that is one sum, a sum for each bucket, or the updates themselves: the mean
 * needs the first, which a checkpoint carries over a crash; a rule that looks at updates needs
 * one of the others, and gets its updates again.
 *
 * The same updates give the same bits, in whatever order they came. Pure; POOL may be NULL. */
#ifndef KS_FL_GATHER_H
#define KS_FL_GATHER_H

#include "fl/accumulate.h"
#include "fl/robust.h"

struct ks_fl_gather_params {
    uint8_t context[KS_FL_HASH_LEN]; /* ks_fl_update_context of the round: sums are of it, and
                                        the dealing into buckets follows from it */
    size_t params;
    size_t members_max; /* updates that are taken */
    size_t clients;     /* that may send one: members_max or more; places are below this */
    struct ks_fl_robust robust;
    unsigned bucket; /* clients in one; 0 or 1: no buckets */
    double bound;    /* of an update's norm; 0: none */
};

/* Whether one sum serves, so that there are checkpoints. */
bool ks_fl_gather_sums(const struct ks_fl_gather_params *params);
/* Bytes of the largest checkpoint; 0 where there is none. */
uint64_t ks_fl_gather_checkpoint_max(const struct ks_fl_gather_params *params);
/* What a member may weigh at most, so that none of those whose weights are summed, all or a
 * bucket's, leaves too little for the others: KS_FL_WEIGHT_MAX or less. */
uint32_t ks_fl_gather_weight_max(const struct ks_fl_gather_params *params);
/* What is wrong with PARAMS where a round may end with MEMBERS_MIN updates, as
 * ks_fl_robust_needs says it; else the bytes that all of it takes, the aggregate among them. */
KS_MUST_CHECK enum ks_err ks_fl_gather_needs(const struct ks_fl_gather_params *params,
                                             size_t members_min, uint64_t *out_bytes);

struct ks_fl_gather;

/* KS_ERR_USAGE, KS_ERR_LIMIT, KS_ERR_NOMEM. Rows and sums are allocated here, all of them. */
KS_MUST_CHECK enum ks_err ks_fl_gather_new(const struct ks_fl_gather_params *params,
                                           struct ks_fl_gather **out_gather);
void ks_fl_gather_free(struct ks_fl_gather *gather); /* NULL is fine */
/* Goes on from CHECKPOINT, which ks_fl_accumulator_write wrote of the sum of the same round.
 * KS_ERR_VERIFY for another's; else as ks_fl_accumulator_read. Only where one sum serves, and
 * nothing was added. */
KS_MUST_CHECK enum ks_err ks_fl_gather_resume(struct ks_fl_gather *gather,
                                              struct ks_bytes checkpoint);

/* VALUES, of the client at PLACE among all that may send, within the bound. Its norm as it came
 * goes to OUT_NORM. As ks_fl_accumulator_add, range and all; a failed call leaves everything as
 * it was. */
KS_MUST_CHECK enum ks_err ks_fl_gather_add(struct ks_fl_gather *gather,
                                           const struct ks_fl_member *member, size_t place,
                                           const float *values, struct ks_pool *pool,
                                           double *out_norm);
size_t ks_fl_gather_members(const struct ks_fl_gather *gather);
uint64_t ks_fl_gather_weight(const struct ks_fl_gather *gather);
const char *ks_fl_gather_kernel(const struct ks_fl_gather *gather);
/* The one sum, borrowed, to write a checkpoint of; NULL where there is none. */
const struct ks_fl_accumulator *ks_fl_gather_sum(const struct ks_fl_gather *gather);

/* To OUT_VECTOR and, one for each member in the order in which they were added, to OUT_SCORES
 * where one sum does not serve: a member of a bucket has the score of the bucket, and an equal
 * part of its share. CENTER as in fl/robust.h. KS_ERR_NOT_FOUND without a member; else as
 * ks_fl_robust_aggregate. */
KS_MUST_CHECK enum ks_err ks_fl_gather_aggregate(const struct ks_fl_gather *gather,
                                                 const float *center, struct ks_pool *pool,
                                                 float *out_vector,
                                                 struct ks_fl_score *out_scores);

#endif
