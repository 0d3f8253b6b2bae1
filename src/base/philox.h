/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* philox.h: random numbers that are a function of a key and a counter, so that each draw has
 * its own whatever thread asks for it and in whatever order. For simulation and statistics,
 * never for secrets. Pure; any thread. */
#ifndef KS_BASE_PHILOX_H
#define KS_BASE_PHILOX_H

#include <stdint.h>

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC
 * 2011). */
void ks_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out_words[4]);

#endif
