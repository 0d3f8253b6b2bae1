/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/kernel.h"

enum ks_err ks_kernels_find(const char *name, enum ks_precision precision,
                            const struct ks_kernels **out_kernels)
{
    bool known = false;

    for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
        const bool wanted = name == NULL || ks_bytes_is(ks_bytes_text(set->name), name);

        known = known || wanted;
        if (wanted && set->usable()) {
            *out_kernels = set->kernels[precision];
            return KS_OK;
        }
    }
    if (!known) {
        return ks_fail(KS_ERR_NOT_FOUND, "this build has no kernels '%s'", name);
    }
    return ks_fail(KS_ERR_NOT_FOUND, "this CPU cannot run the kernels '%s'", name);
}

const char *ks_simulate_kernels(void)
{
    const struct ks_kernel_set *set = ks_kernel_sets;

    while (!set->usable()) {
        set++; /* the last one always is */
    }
    return set->name;
}
