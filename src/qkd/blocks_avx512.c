/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#define BLOCKS ks_qkd_blocks_avx512
#include "qkd/blocks_body.h"
