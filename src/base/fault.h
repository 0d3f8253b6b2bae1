/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fault.h: where tests make an allocation fail. Internal to mem.c. The function lives in
 * tests/fault/fault.c and is linked in fault builds (meson option 'fault') only. */
#ifndef KS_BASE_FAULT_H
#define KS_BASE_FAULT_H

#include <stdbool.h>

#ifdef KS_FAULT
bool ks_fault_alloc(void); /* true: this allocation has to fail */
#else
static inline bool ks_fault_alloc(void)
{
    return false;
}
#endif

#endif
