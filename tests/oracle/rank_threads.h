/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rank_threads.h: ranks that are threads of one process, for tests and benches. */
#ifndef KS_TESTS_ORACLE_RANK_THREADS_H
#define KS_TESTS_ORACLE_RANK_THREADS_H

#include "quantum/ranks.h"

/* Runs TASK on COUNT threads at once, each with its end of a transport between them, and waits
 * for all. From its call of number BREAK_AT on (1 is the first; 0: never) every call of the
 * transport fails. Aborts when there are no threads. */
void rank_threads_run(uint32_t count, uint64_t break_at,
                      void (*task)(void *context, const struct ks_ranks *ranks), void *context);

#endif
