/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fail_each.h: a task that runs out of memory at each of its allocations in turn. */
#ifndef KS_TESTS_FAULT_ALLOC_FAIL_EACH_H
#define KS_TESTS_FAULT_ALLOC_FAIL_EACH_H

#include "fault/fault.h"
#include "unit/expect.h"

#define ALLOCATIONS_MAX 100000 /* a task that goes on failing beyond this does not end */

/* Fails the first allocation, then the second, and so on, until the task no longer reaches it:
 * each time it must say KS_ERR_NOMEM with a detail that contains SAYS, and release all it got.
 * A leak is found by the sanitizer at exit. */
static inline void fail_each(enum ks_err (*task)(void), uint64_t allocations_min,
                             const char *says)
{
    uint64_t n = 1;

    for (;; n++) {
        enum ks_err err = KS_OK;
        bool fired = false;

        assert_true(n < ALLOCATIONS_MAX);
        ks_fault_fail_alloc_at(n);
        err = task();
        fired = ks_fault_fired();
        ks_fault_fail_alloc_at(0);
        if (!fired) {
            assert_int_equal(err, KS_OK);
            break;
        }
        expect_failure(err, KS_ERR_NOMEM, says);
    }
    assert_true(n > allocations_min); /* or the faults do not reach what they should */
}

#endif
