/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/gf2.h"
#include "qkd/random.h"

static bool always(void)
{
    return true;
}

const struct ks_gf2_choice ks_gf2_choices[] = {
    {&ks_gf2_portable, always},
    {NULL, NULL},
};

const struct ks_qkd_blocks_choice ks_qkd_blocks_choices[] = {
    {"portable", ks_qkd_blocks_portable, always},
    {NULL, NULL, NULL},
};
