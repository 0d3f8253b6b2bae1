/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace_file.h: a device's file of traces, traces.csv in its directory. Appended to by any
 * number of processes at once; moved to traces.csv.1 when it is full, or is of other columns.
 * Never synced: what the system loses is lost, a row that was cut is cut off by the next. */
#ifndef KS_CLIENT_TRACE_FILE_H
#define KS_CLIENT_TRACE_FILE_H

#include "detect/trace.h"

#define KS_TRACE_FILE       "traces.csv"
#define KS_TRACE_FILE_OLD   "traces.csv.1"
#define KS_TRACE_FILE_BYTES ((size_t)8 * 1024 * 1024) /* then it is moved */

/* Appends TRACE to DIRECTORY/traces.csv (mode 0600). KS_ERR_IO; KS_ERR_UNAVAILABLE where others
 * hold the file for too long. */
KS_MUST_CHECK enum ks_err ks_trace_file_append(const char *directory,
                                               const struct ks_trace *trace);

#endif
