/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel.h: the loops over numbers, one table of functions per instruction set, all with the
 * same bits: each number gets the same operations in the same order, and sums run over lanes
 * that no register's width decides (kernel_body.h). Kernels never allocate and never fail. Any
 * thread; two calls may run at once when they write to different numbers. */
#ifndef KS_FL_KERNEL_H
#define KS_FL_KERNEL_H

#include "base/mem.h"

#define KS_FL_LANES   16   /* partial sums of a reduction */
#define KS_FL_RUN     256  /* numbers whose squares add up in float, in distances of pairs */
#define KS_FL_PIECE   1024 /* numbers that a reduction takes at a time, at most */
#define KS_FL_PAIRS   4    /* rows that one row is compared with at a time */
#define KS_FL_COLUMNS 32   /* parameters that are sorted side by side */

/* What weight * VALUES[i] is in: units of 1 / UNIT, a power of two. */
struct ks_fl_scaled {
    const float *values;
    size_t count;
    float unit;
    float range; /* |value| has to be below */
    int32_t weight;
};

struct ks_fl_kernels {
    const char *name;
    /* sums[i] += weight * round(values[i] * unit). False when a value is out of range or not
     * finite: then something was added that the same call with -weight takes out again. */
    bool (*add_64)(const struct ks_fl_scaled *scaled, int64_t *sums);
    /* The same into 128 bits, low and high words; unit is 2^64 and range at most 2^24. */
    bool (*add_128)(const struct ks_fl_scaled *scaled, uint64_t *lows, int64_t *highs);

    /* Of at most KS_FL_PIECE numbers, in double: sum of a * b, of (a - b)^2. */
    double (*dot)(const float *a, const float *b, size_t count);
    double (*distance)(const float *a, const float *b, size_t count);
    /* sums[p] += sum of (row - others[p])^2, squares in float, KS_FL_RUN at a time. */
    void (*pairs)(const float *row, const float *const others[KS_FL_PAIRS], size_t count,
                  double sums[KS_FL_PAIRS]);
    /* sums[i] += factor * values[i] */
    void (*weigh)(const float *values, double factor, size_t count, double *sums);

    /* Of KEYS[row][column]: sorts each column. */
    void (*sort)(int32_t *keys, size_t rows);
    /* How many of KS_FL_COLUMNS keys lie within [low, high]. */
    uint32_t (*within)(const int32_t *keys, const int32_t *low, const int32_t *high);
};

extern const struct ks_fl_kernels ks_fl_kernels_portable;
extern const struct ks_fl_kernels ks_fl_kernels_avx2;
extern const struct ks_fl_kernels ks_fl_kernels_avx512;
extern const struct ks_fl_kernels ks_fl_kernels_neon;

/* The kernels of this build, best first; ends with NULL. kernels_x86.c, kernels_neon.c or
 * kernels_portable.c. */
struct ks_fl_kernel_choice {
    const struct ks_fl_kernels *kernels;
    bool (*usable)(void);
};
extern const struct ks_fl_kernel_choice ks_fl_kernel_choices[];

/* By name, or the best for NULL; KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_fl_kernels_find(const char *name,
                                             const struct ks_fl_kernels **out_kernels);
const struct ks_fl_kernels *ks_fl_kernels_best(void);

#endif
