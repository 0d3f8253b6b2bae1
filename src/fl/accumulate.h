/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* accumulate.h: the sum of many updates, in the memory of one. Hides fixed-point numbers and
 * the kernels that add them.
 *
 * An accumulator holds, for each parameter, S = sum over members of weight * q(x), a whole
 * number of 64 or 128 bits, where q(x) is x in units of 2^-fraction_bits, rounded to the
 * nearest, ties to even. Adding whole numbers is associative and commutative, so the sum has
 * the same bits in whatever order, in however many parts and by however many threads members
 * are added; and since a sum of the sums is taken modulo 2^64 (2^128), what was added can be
 * taken out again without a trace, which is how an update that turns out to be out of range
 * leaves nothing behind.
 *
 * Range. A value is refused unless |x| < R, so that sums cannot overflow:
 *   64 bits:  R = 2^(31 - fraction_bits). |q(x)| <= 2^31, since 2^31 is a whole number and
 *             rounding is monotonic; weights add up to W <= KS_FL_WEIGHT_SUM_MAX = 2^32 - 1; so
 *             |S| <= 2^31 (2^32 - 1) < 2^63.
 *   128 bits: R = 2^24, fraction_bits = 64. |q(x)| < 2^88, |S| < 2^88 * 2^32 = 2^120 < 2^127.
 *
 * Error of the mean S / (W 2^fraction_bits), before it is rounded to a float:
 *   64 bits:  each q(x) is off by at most 1/2, so S by at most W/2, and the mean by at most
 *             2^-(fraction_bits + 1): at 24 bits 2.98e-8, for |x| < 128.
 *   128 bits: a float x = m 2^e with |m| < 2^24 is a whole number of units where e >= -64, so
 *             for every |x| >= 2^-41 = 4.5e-13; then q is exact, and so is S. Smaller ones are
 *             off by at most 2^-65.
 *   The mean itself is S, rounded to double, divided by W and scaled by a power of two, rounded
 *   to float: relative errors of at most 2^-52, 2^-53 and 2^-24.
 *
 * Memory: params * 8 (16) bytes and members_max * 72, whatever comes. An accumulator belongs to
 * one thread at a time. Pure. */
#ifndef KS_FL_ACCUMULATE_H
#define KS_FL_ACCUMULATE_H

#include "base/buf.h"
#include "fl/vector.h"

#define KS_FL_MEMBERS_MAX       65536
#define KS_FL_WEIGHT_MAX        2147483647 /* of one member */
#define KS_FL_WEIGHT_SUM_MAX    4294967295
#define KS_FL_FRACTION_BITS     24 /* what serves for models and their changes */
#define KS_FL_FRACTION_BITS_MAX 48
#define KS_FL_RANGE_128         16777216.0f

enum ks_fl_width { KS_FL_WIDTH_64 = 64, KS_FL_WIDTH_128 = 128 };

struct ks_fl_accumulator_params {
    uint8_t context[KS_FL_HASH_LEN]; /* what the sum is of: ks_fl_update_context; two sums of
                                        different contexts do not merge */
    size_t params;
    enum ks_fl_width width;
    unsigned fraction_bits; /* 64 bits: 1 to KS_FL_FRACTION_BITS_MAX; 128 bits: 64 */
    size_t members_max;     /* 1 to KS_FL_MEMBERS_MAX */
};

/* Whose update, and which. One client is a member once. */
struct ks_fl_member {
    uint8_t client[KS_FL_HASH_LEN]; /* ks_fl_client_id of its name */
    uint8_t update[KS_FL_HASH_LEN]; /* SHA-256 of the update's bytes */
    uint32_t weight;                /* 1 to KS_FL_WEIGHT_MAX: samples, staleness, or 1 */
};

struct ks_fl_accumulator;

/* KS_ERR_USAGE or KS_ERR_LIMIT for parameters out of range, KS_ERR_NOMEM. Nothing is allocated
 * after this. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_new(const struct ks_fl_accumulator_params *params,
                                                struct ks_fl_accumulator **out_accumulator);
void ks_fl_accumulator_free(struct ks_fl_accumulator *accumulator); /* NULL is fine */
/* Bytes that an accumulator of PARAMS takes. */
uint64_t ks_fl_accumulator_bytes(const struct ks_fl_accumulator_params *params);

/* Adds weight * SCALE * VALUES; SCALE is 1 but for bounded norms, and SCALE * x is rounded to
 * float before anything else. KS_ERR_CONFLICT for a client that is a member; KS_ERR_LIMIT when
 * members or weights are too many; KS_ERR_FORMAT for a value that is not finite or out of
 * range, with its place. A failed call leaves the sum as it was. POOL may be NULL. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_add(struct ks_fl_accumulator *accumulator,
                                                const struct ks_fl_member *member,
                                                const float *values, double scale,
                                                struct ks_pool *pool);
/* Adds SOURCE, which is left as it is. KS_ERR_USAGE when they differ in anything but
 * members_max; else as for ks_fl_accumulator_add. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_merge(struct ks_fl_accumulator *target,
                                                  const struct ks_fl_accumulator *source);

const struct ks_fl_accumulator_params *
ks_fl_accumulator_params(const struct ks_fl_accumulator *accumulator);
uint64_t ks_fl_accumulator_weight(const struct ks_fl_accumulator *accumulator);
size_t ks_fl_accumulator_members(const struct ks_fl_accumulator *accumulator);
/* By client, in the order of their bytes. INDEX below the count (asserted). */
const struct ks_fl_member *ks_fl_accumulator_member(const struct ks_fl_accumulator *accumulator,
                                                    size_t index);
/* NULL: none. Borrowed until the next change. */
const struct ks_fl_member *ks_fl_accumulator_find(const struct ks_fl_accumulator *accumulator,
                                                  const uint8_t client[KS_FL_HASH_LEN]);

/* Sum over DIVISOR, or over the weight where DIVISOR is 0, to OUT_MEAN, as many floats as there
 * are parameters. KS_ERR_NOT_FOUND while there is no member. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_mean(const struct ks_fl_accumulator *accumulator,
                                                 uint64_t divisor, float *out_mean);

/* --- the checkpoint: docs/formats/fl-accumulator.md --------------------------------------- */

/* Same members, same bytes, in whatever order they came. */
void ks_fl_accumulator_write(const struct ks_fl_accumulator *accumulator, struct ks_buf *out);
/* Room for MEMBERS_MAX members in all. KS_ERR_FORMAT, KS_ERR_LIMIT, KS_ERR_NOMEM; KS_ERR_VERIFY
 * when the hash is not that of the bytes. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_read(struct ks_bytes bytes, size_t members_max,
                                                 struct ks_fl_accumulator **out_accumulator);
/* Bytes of a checkpoint as it stands; with as many members as it may have. */
uint64_t ks_fl_accumulator_bytes_written(const struct ks_fl_accumulator *accumulator);
uint64_t ks_fl_accumulator_written_max(const struct ks_fl_accumulator_params *params);

/* --- the kernels, for tests and benches --------------------------------------------------- */

/* From now on ks_fl_accumulator_add takes the kernel called NAME: "avx512", "avx2", "neon",
 * "portable"; KS_ERR_NOT_FOUND when this build or this CPU has none. */
KS_MUST_CHECK enum ks_err ks_fl_accumulator_use_kernel(struct ks_fl_accumulator *accumulator,
                                                       const char *name);
/* Its name. */
const char *ks_fl_accumulator_kernel(const struct ks_fl_accumulator *accumulator);

#endif
