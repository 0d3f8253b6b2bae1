/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"
#include "quantum/math.h"

/* Both answers include that the operating system keeps the registers. */
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

static bool always(void)
{
    return true;
}

const struct ks_kernel_set ks_kernel_sets[] = {
    {"avx512", {&ks_kernels_avx512_double, &ks_kernels_avx512_single}, has_avx512},
    {"avx2", {&ks_kernels_avx2_double, &ks_kernels_avx2_single}, has_avx2},
    {"scalar", {&ks_kernels_scalar_double, &ks_kernels_scalar_single}, always},
    {NULL, {NULL, NULL}, NULL},
};

bool ks_sincos_fast(double angle, double *out_sin, double *out_cos)
{
    if (!has_avx2()) {
        return false;
    }
    ks_sincos_fma(angle, out_sin, out_cos);
    return true;
}
