/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/gf2.h"

static bool has_pclmul(void)
{
    return __builtin_cpu_supports("pclmul") != 0;
}

static bool always(void)
{
    return true;
}

const struct ks_gf2_choice ks_gf2_choices[] = {
    {&ks_gf2_pclmul, has_pclmul},
    {&ks_gf2_portable, always},
    {NULL, NULL},
};
