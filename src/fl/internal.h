/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: what the files of the module share. Within it alone. */
#ifndef KS_FL_INTERNAL_H
#define KS_FL_INTERNAL_H

#include "base/buf.h"
#include "fl/accumulate.h"
#include "fl/kernel.h"

/* A vector is cut into at most KS_FL_SLICES slices for threads, of whole pieces, by its length
 * alone: partial sums of slices then are the same for every number of threads. */
#define KS_FL_SLICES 16
struct ks_fl_slices {
    size_t count;
    size_t size; /* of each but the last */
};
struct ks_fl_slices ks_fl_slices_of(size_t params);
/* Where slice INDEX begins; PARAMS for the one behind the last. */
size_t ks_fl_slice_begin(const struct ks_fl_slices *slices, size_t index, size_t params);

/* KS_ERR_FORMAT when what comes next is not MAGIC. */
KS_MUST_CHECK enum ks_err ks_fl_read_magic(struct ks_reader *reader, const char *magic);
/* COUNT floats, big-endian; nothing where VALUES is NULL. */
void ks_fl_put_vector(const float *values, size_t count, struct ks_buf *out);
/* KS_ERR_FORMAT for what is not finite; OUT_VALUES is garbage then. */
KS_MUST_CHECK enum ks_err ks_fl_read_vector(struct ks_reader *reader, size_t count,
                                            float *out_values);

struct ks_fl_accumulator {
    struct ks_fl_accumulator_params params;
    const struct ks_fl_kernels *kernels;
    uint64_t weight;
    size_t count;                 /* of members */
    struct ks_fl_member *members; /* as they came */
    uint32_t *order;              /* by client */
    int64_t *sums;                /* 64 bits; or the high words of 128 */
    uint64_t *lows;               /* of 128 bits, else NULL */
    bool *good;                   /* of each slice, in a call */
};

/* Adds MEMBER's name and weight: KS_ERR_CONFLICT, KS_ERR_LIMIT, as ks_fl_accumulator_add. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_enlist(struct ks_fl_accumulator *accumulator,
                                                   const struct ks_fl_member *member);
#endif
