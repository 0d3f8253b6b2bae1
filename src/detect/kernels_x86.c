/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/internal.h"

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0;
}

static bool always(void)
{
    return true;
}

const struct ks_forest_kernel_choice ks_forest_kernels[] = {
    {"avx512", ks_forest_paths_avx512, 32, has_avx512},
    {"portable", ks_forest_paths_portable, KS_FOREST_FEATURES_MAX, always},
    {NULL, NULL, 0, NULL},
};
