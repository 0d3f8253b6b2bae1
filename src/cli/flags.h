/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flags.h: flags of commands whose tables are not in commands.c, which includes this alone. */
#ifndef KS_CLI_FLAGS_H
#define KS_CLI_FLAGS_H

#include "cli/cli.h"

extern const struct ks_flag ks_flags_detect_train[];
extern const struct ks_flag ks_flags_detect_score[];
extern const struct ks_flag ks_flags_detect_explain[];
extern const struct ks_flag ks_flags_detect_evaluate[];
extern const struct ks_flag ks_flags_detect_follow[];
extern const struct ks_flag ks_flags_detect_figures[];
extern const struct ks_flag ks_flags_detect_report[];

#endif
