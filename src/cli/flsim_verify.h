/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_verify.h: `record verify` of what `fl simulate` leaves. */
#ifndef KS_CLI_FLSIM_VERIFY_H
#define KS_CLI_FLSIM_VERIFY_H

#include "cli/cli.h"

/* Checks TEXT, the file in operand 0, and prints what holds. KS_ERR_VERIFY with the reason. */
KS_MUST_CHECK enum ks_err ks_flsim_verify(struct ks_cli *cli, struct ks_bytes text);

#endif
