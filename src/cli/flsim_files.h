/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_files.h: which tables a simulation reads: the files that it is given, or those of one
 * folder. */
#ifndef KS_CLI_FLSIM_FILES_H
#define KS_CLI_FLSIM_FILES_H

#include "base/mem.h"

/* The COUNT OPERANDS, or, where they are one folder, its files whose names end in ".csv" or
 * ".csv.gz"; by name up to the first dot. Paths and array are the caller's. KS_ERR_NOT_FOUND
 * where there is none. */
KS_MUST_CHECK enum ks_err ks_flsim_files(const char *const *operands, size_t count,
                                         char ***out_paths, size_t *out_count);

#endif
