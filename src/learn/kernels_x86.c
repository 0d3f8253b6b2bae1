/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/internal.h"

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

static bool always(void)
{
    return true;
}

const struct ks_net_choice ks_net_choices[] = {
    {"avx512", &ks_net_avx512, has_avx512},
    {"avx2", &ks_net_avx2, has_avx2},
    {"openblas", &ks_net_single, always},
    {NULL, NULL, NULL},
};
