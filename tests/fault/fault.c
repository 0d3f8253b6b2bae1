/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault.h"

#include <stdatomic.h>

#include "base/fault.h"

static atomic_uint_fast64_t
    countdown; /* allocations to go, the failing one included; 0: none fails */
static atomic_bool fired;

void ks_fault_fail_alloc_at(uint64_t n)
{
    atomic_store(&fired, false);
    atomic_store(&countdown, n);
}

bool ks_fault_fired(void)
{
    return atomic_load(&fired);
}

bool ks_fault_alloc(void)
{
    uint_fast64_t left = atomic_load(&countdown);

    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
    }
    if (left == 1) {
        atomic_store(&fired, true);
    }
    return left == 1;
}
