/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/kernel.h"

/* Both answers include that the operating system keeps the registers. */
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

static bool always(void)
{
    return true;
}

const struct ks_fl_kernel_choice ks_fl_kernel_choices[] = {
    {&ks_fl_kernels_avx512, has_avx512},
    {&ks_fl_kernels_avx2, has_avx2},
    {&ks_fl_kernels_portable, always},
    {NULL, NULL},
};
