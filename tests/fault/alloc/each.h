/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* each.h: a task, once for each allocation that it makes, with that one failing. */
#ifndef KS_TESTS_FAULT_ALLOC_EACH_H
#define KS_TESTS_FAULT_ALLOC_EACH_H

#include "fault/fault.h"
#include "ketseal/error.h"
#include "unit/expect.h"

#define ALLOCATIONS_MAX 100000 /* a task that goes on failing beyond this does not end */

/* TASK releases all that it got, and reports what it was told. It has to make more than
 * ALLOCATIONS_MIN allocations, or the faults do not reach what they should. */
static inline void fail_each(enum ks_err (*task)(void), uint64_t allocations_min)
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
        expect_failure(err, KS_ERR_NOMEM, "memory");
    }
    assert_true(n > allocations_min);
}

#endif
