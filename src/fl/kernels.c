/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "fl/kernel.h"

enum ks_err ks_fl_kernels_find(const char *name, const struct ks_fl_kernels **out_kernels)
{
    for (const struct ks_fl_kernel_choice *choice = ks_fl_kernel_choices;
         choice->kernels != NULL; choice++) {
        if ((name == NULL || strcmp(choice->kernels->name, name) == 0) && choice->usable()) {
            *out_kernels = choice->kernels;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "no kernel '%s' in this build or for this CPU",
                   name == NULL ? "" : name);
}

const struct ks_fl_kernels *ks_fl_kernels_best(void)
{
    const struct ks_fl_kernels *kernels = NULL;

    KS_ASSERT(ks_fl_kernels_find(NULL, &kernels) == KS_OK); /* the last one always serves */
    return kernels;
}
