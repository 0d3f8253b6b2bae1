/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* buckets.h: bucketing (Karimireddy, He, Jaggi, ICLR 2022): clients are dealt at random into
 * buckets of S, and a robust rule looks at the buckets' means, which differ less than the
 * clients do. Each bucket is one accumulator, so the memory is that of ceil(clients / S)
 * updates whatever arrives; who does not deliver leaves his bucket smaller. Pure. */
#ifndef KS_FL_BUCKETS_H
#define KS_FL_BUCKETS_H

#include "fl/accumulate.h"
#include "fl/robust.h"

struct ks_fl_buckets_params {
    struct ks_fl_accumulator_params sum; /* of each bucket; members_max is set here */
    size_t clients;                      /* that may deliver: indices below this */
    unsigned size;                       /* s; 1: each client alone */
    uint64_t seed;                       /* of the dealing */
};

struct ks_fl_buckets;

KS_MUST_CHECK enum ks_err ks_fl_buckets_new(const struct ks_fl_buckets_params *params,
                                            struct ks_fl_buckets **out_buckets);
void ks_fl_buckets_free(struct ks_fl_buckets *buckets); /* NULL is fine */
uint64_t ks_fl_buckets_bytes(const struct ks_fl_buckets_params *params);
size_t ks_fl_buckets_count(const struct ks_fl_buckets *buckets);
/* Which bucket client INDEX is dealt into. */
size_t ks_fl_buckets_of(const struct ks_fl_buckets *buckets, size_t index);

/* The update of client INDEX into its bucket: as ks_fl_accumulator_add; all members of a bucket
 * weigh what they say, and a bucket is one row whatever its weight. */
KS_MUST_CHECK enum ks_err ks_fl_buckets_add(struct ks_fl_buckets *buckets, size_t index,
                                            const struct ks_fl_member *member,
                                            const float *values, double scale,
                                            struct ks_pool *pool);
/* Borrowed: its checkpoint, its members. */
struct ks_fl_accumulator *ks_fl_buckets_at(struct ks_fl_buckets *buckets, size_t bucket);
/* The means of the buckets that are not empty, one after the other, to OUT_ROWS, which has room
 * for all buckets. Which buckets they are goes to OUT_BUCKETS, their number to OUT_COUNT. */
KS_MUST_CHECK enum ks_err ks_fl_buckets_means(const struct ks_fl_buckets *buckets,
                                              float *out_rows, size_t *out_buckets,
                                              size_t *out_count);

#endif
