/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* follow.h: the flags of detect follow, which stand beside the command. */
#ifndef KS_CLI_FOLLOW_H
#define KS_CLI_FOLLOW_H

#include "cli/cli.h"

extern const struct ks_flag ks_detect_follow_flags[];

#endif
