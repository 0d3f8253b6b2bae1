/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fault.h: makes one allocation of ks_calloc or ks_realloc fail. Only in builds with the meson
 * option 'fault' (a sanitizer build has it). One counter for all threads. */
#ifndef KS_TESTS_FAULT_FAULT_H
#define KS_TESTS_FAULT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* The N-th allocation from now on fails, those before and behind it do not; 0 calls that
 * off. */
void ks_fault_fail_alloc_at(uint64_t n);
/* True if that allocation has come and failed. */
bool ks_fault_fired(void);

#endif
