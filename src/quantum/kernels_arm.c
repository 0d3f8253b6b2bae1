/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"

/* NEON is part of every AArch64. */
static bool always(void)
{
    return true;
}

const struct ks_kernel_set ks_kernel_sets[] = {
    {"neon", {&ks_kernels_neon_double, &ks_kernels_neon_single}, always},
    {"scalar", {&ks_kernels_scalar_double, &ks_kernels_scalar_single}, always},
    {NULL, {NULL, NULL}, NULL},
};
