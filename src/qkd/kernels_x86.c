/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/gf2.h"
#include "qkd/random.h"

static bool has_pclmul(void)
{
    return __builtin_cpu_supports("pclmul") != 0;
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
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

const struct ks_qkd_blocks_choice ks_qkd_blocks_choices[] = {
    {"avx512", ks_qkd_blocks_avx512, has_avx512},
    {"avx2", ks_qkd_blocks_avx2, has_avx2},
    {"portable", ks_qkd_blocks_portable, always},
    {NULL, NULL, NULL},
};
