/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/random.h"

#define ks_qkd_blocks_isa ks_qkd_blocks_portable
#include "qkd/kernel_body.h"
