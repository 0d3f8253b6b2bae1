/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/internal.h"

/* NEON is part of every AArch64. */
static bool always(void)
{
    return true;
}

const struct ks_forest_kernel_choice ks_forest_kernels[] = {
    {"neon", ks_forest_paths_neon, 32, always},
    {"portable", ks_forest_paths_portable, KS_FOREST_FEATURES_MAX, always},
    {NULL, NULL, 0, NULL},
};
