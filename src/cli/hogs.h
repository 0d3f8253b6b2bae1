/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* hogs.h: threads that take processors and memory from whatever runs beside them. */
#ifndef KS_CLI_HOGS_H
#define KS_CLI_HOGS_H

#include "base/mem.h"

#define KS_HOGS_MAX 64

struct ks_hogs;

/* COUNT of them, each computing for ever, and writing MEMORY bytes over and over. */
KS_MUST_CHECK enum ks_err ks_hogs_start(unsigned count, size_t memory,
                                        struct ks_hogs **out_hogs);
void ks_hogs_stop(struct ks_hogs *hogs); /* NULL is fine */

#endif
