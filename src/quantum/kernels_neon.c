/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"
#include "quantum/math.h"

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

bool ks_sincos_fast(double angle, double *out_sin, double *out_cos)
{
    (void)angle;
    (void)out_sin;
    (void)out_cos;
    return false;
}
