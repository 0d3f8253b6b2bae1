/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace.h: the flags of `ketseal trace …`, for the table of commands. */
#ifndef KS_CLI_TRACE_H
#define KS_CLI_TRACE_H

#include "cli/cli.h"

extern const struct ks_flag ks_trace_export_flags[];
extern const struct ks_flag ks_trace_list_flags[];
extern const struct ks_flag ks_trace_show_flags[];

#endif
