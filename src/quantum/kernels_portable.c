/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"
#include "quantum/math.h"

static bool always(void)
{
    return true;
}

const struct ks_kernel_set ks_kernel_sets[] = {
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
