/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* vector.h: what federated aggregation computes with: a model, or the change of one, as one
 * flat array of float. Hides the instruction sets: every result here and in the rest of the
 * module has the same bits on every CPU, by every kernel and for every number of threads. Sums
 * run over fixed blocks in a fixed order, nothing is contracted, and nothing but + - * / and
 * sqrt() is used, which IEEE 754 defines to the last bit. Pure; any thread. */
#ifndef KS_FL_VECTOR_H
#define KS_FL_VECTOR_H

#include "base/mem.h"
#include "base/pool.h"

#define KS_FL_PARAMS_MAX  ((size_t)1 << 28) /* numbers of a model */
#define KS_FL_HASH_LEN    32                /* SHA-256, of models, shapes, updates, clients */
#define KS_FL_SESSION_LEN 16                /* names a session */

/* KS_ERR_FORMAT, with the place, where a number is not finite. */
KS_MUST_CHECK enum ks_err ks_fl_check_finite(const float *values, size_t count);

/* The sum of squares, in double. POOL may be NULL. */
double ks_fl_norm_squared(const float *values, size_t count, struct ks_pool *pool);
/* The sum of products, in double. */
double ks_fl_dot(const float *a, const float *b, size_t count, struct ks_pool *pool);
/* The sum of squares of differences, in double. */
double ks_fl_distance_squared(const float *a, const float *b, size_t count,
                              struct ks_pool *pool);

/* What NORM has to be multiplied by so that it is at most BOUND: 1 where it is already, or
 * where BOUND is 0, which bounds nothing. */
double ks_fl_norm_scale(double norm, double bound);
/* Multiplies VALUES by that and rounds to float. Returns what they were multiplied by. */
double ks_fl_bound_norm(float *values, size_t count, double bound, struct ks_pool *pool);

#endif
