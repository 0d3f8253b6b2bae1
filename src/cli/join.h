/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* join.h: rows of devices joined with those of the site that a lab is (docs/detection.md): by
 * the job, and where it came to none by the device and the time, since each of a lab's devices
 * has one job at a time. What the device has measured stays, but for what it only has by the
 * site's word: of that, and of all else, the site's own row is taken. One thread. */
#ifndef KS_CLI_JOIN_H
#define KS_CLI_JOIN_H

#include "detect/trace.h"

struct ks_join;

/* The store of the site in LAB, a lab's directory. Rows that stand there already are passed
 * over. */
KS_MUST_CHECK enum ks_err ks_join_open(const char *lab, struct ks_join **out_join);
void ks_join_close(struct ks_join *join); /* NULL is fine */

struct ks_join_block {
    struct ks_trace *traces;  /* of devices, begun since the last block; completed here */
    const uint64_t *ended_us; /* when each had ended */
    size_t count;
};
/* Waits for the site's rows of all jobs that came to a record. KS_ERR_UNAVAILABLE when they do
 * not come within seconds. */
KS_MUST_CHECK enum ks_err ks_join_block(struct ks_join *join,
                                        const struct ks_join_block *block);

#endif
