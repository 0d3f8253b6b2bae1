/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flags.h: flags of commands that stand in a file of their own, for the table in commands.c. */
#ifndef KS_CLI_FLAGS_H
#define KS_CLI_FLAGS_H

#include "cli/cli.h"

extern const struct ks_flag ks_learn_evaluate_flags[];
extern const struct ks_flag ks_learn_generate_flags[];
extern const struct ks_flag ks_learn_train_flags[];

#endif
