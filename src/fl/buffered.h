/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* buffered.h: asynchronous rounds (FedBuff: Nguyen et al., AISTATS 2022). Clients train on the
 * version that they have; SIZE updates in the order of their arrival are one buffer, and make
 * the next version. Which updates a buffer has depends on when they came, so its membership is
 * recorded, in that order: who has the updates and the memberships computes the same versions.
 * Within a buffer the order changes no bit, since sums do not depend on it.
 *
 * An update weighs s(staleness), in units of 2^-KS_FL_STALENESS_BITS; the mean of a buffer is
 * the sum over SIZE, not over the weights: ks_fl_accumulator_mean with ks_fl_buffer_divisor.
 * Pure: events in, answers out; what must survive a crash is written by ks_fl_buffer_write. */
#ifndef KS_FL_BUFFERED_H
#define KS_FL_BUFFERED_H

#include "base/buf.h"
#include "fl/accumulate.h"

#define KS_FL_BUFFER_MAX     4096
#define KS_FL_STALENESS_BITS 16
#define KS_FL_STALENESS_MAX  1000000

#define KS_FL_STALENESS_LIST(X)                                                                \
    X(CONSTANT, "constant") /* 1 */                                                            \
    X(ROOT, "root")         /* 1 / sqrt(1 + staleness): the paper's */                         \
    X(INVERSE, "inverse")   /* 1 / (1 + staleness) */
enum ks_fl_staleness {
#define KS_FL_STALENESS_ENUM(name, word) KS_FL_STALENESS_##name,
    KS_FL_STALENESS_LIST(KS_FL_STALENESS_ENUM)
#undef KS_FL_STALENESS_ENUM
        KS_FL_STALENESSES /* how many there are */
};

/* s(STALENESS) rounded to the nearest unit, at least 1. */
uint32_t ks_fl_staleness_weight(enum ks_fl_staleness by, uint32_t staleness);

struct ks_fl_buffer_params {
    uint8_t session[KS_FL_SESSION_LEN];
    uint32_t size; /* K: 1 to KS_FL_BUFFER_MAX */
    enum ks_fl_staleness by;
    uint32_t staleness_max; /* older updates are refused; at most KS_FL_STALENESS_MAX */
};

struct ks_fl_arrival {
    struct ks_fl_member member;
    uint64_t version; /* that it was trained from */
};

struct ks_fl_buffer;

KS_MUST_CHECK enum ks_err ks_fl_buffer_new(const struct ks_fl_buffer_params *params,
                                           struct ks_fl_buffer **out_buffer);
void ks_fl_buffer_free(struct ks_fl_buffer *buffer); /* NULL is fine */
const struct ks_fl_buffer_params *ks_fl_buffer_params(const struct ks_fl_buffer *buffer);
uint64_t ks_fl_buffer_version(const struct ks_fl_buffer *buffer); /* begins at 0 */
uint64_t ks_fl_buffer_divisor(const struct ks_fl_buffer *buffer);

/* The update of CLIENT, trained from VERSION. *OUT_MEMBER is what to add, with its weight; it
 * is a member of the buffer from now on, and was before where *OUT_AGAIN says so: then there is
 * nothing to add. KS_ERR_CONFLICT for a client that has another update in this buffer, or when
 * the buffer is full and waits for ks_fl_buffer_flush; KS_ERR_DENIED for a version that is too
 * old, or that there is not yet. */
KS_MUST_CHECK enum ks_err ks_fl_buffer_accept(struct ks_fl_buffer *buffer,
                                              const uint8_t client[KS_FL_HASH_LEN],
                                              const uint8_t update[KS_FL_HASH_LEN],
                                              uint64_t version, struct ks_fl_member *out_member,
                                              bool *out_again);
size_t ks_fl_buffer_count(const struct ks_fl_buffer *buffer);
bool ks_fl_buffer_is_full(const struct ks_fl_buffer *buffer);
/* In the order of arrival. Borrowed. */
const struct ks_fl_arrival *ks_fl_buffer_arrival(const struct ks_fl_buffer *buffer,
                                                 size_t index);
/* The next version has been made of a full buffer (KS_ERR_CONFLICT: not full): it begins anew.
 */
KS_MUST_CHECK enum ks_err ks_fl_buffer_flush(struct ks_fl_buffer *buffer);

/* --- the membership: docs/formats/fl-buffer.md -------------------------------------------- */

void ks_fl_buffer_write(const struct ks_fl_buffer *buffer, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_buffer_read(struct ks_bytes bytes,
                                            struct ks_fl_buffer **out_buffer);

#endif
