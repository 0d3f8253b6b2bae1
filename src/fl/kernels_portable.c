/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/kernel.h"

static bool always(void)
{
    return true;
}

const struct ks_fl_kernel_choice ks_fl_kernel_choices[] = {
    {&ks_fl_kernels_portable, always},
    {NULL, NULL},
};
