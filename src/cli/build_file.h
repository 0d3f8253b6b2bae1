/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* build_file.h: shared by the files of the build only: the data set on disk. */
#ifndef KS_CLI_BUILD_FILE_H
#define KS_CLI_BUILD_FILE_H

#include "cli/plan.h"
#include "detect/trace.h"

/* Opens PATH, alone, for rows of PLAN; half a row at its end is cut off. *OUT_DONE is how many
 * whole ones there are. KS_ERR_CONFLICT for rows that are not the plan's, and for a file that
 * another build has open. */
KS_MUST_CHECK enum ks_err ks_build_file_open(const char *path, const struct ks_plan *plan,
                                             int *out_fd, size_t *out_done);
/* Appends COUNT rows of the plan from FIRST on, durably. */
KS_MUST_CHECK enum ks_err ks_build_file_append(int fd, const struct ks_plan *plan, size_t first,
                                               const struct ks_trace *rows, size_t count);

#endif
