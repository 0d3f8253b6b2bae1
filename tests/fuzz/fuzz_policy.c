/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A policy: what is accepted demands what it must. */
#include "record/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes text = ks_bytes_of(data, size);
    struct ks_policy *policy = NULL;

    if (ks_policy_read(&text, &policy) == KS_OK) {
        KS_ASSERT(policy->root != NULL);
        KS_ASSERT(policy->require[KS_VERDICT_FORMAT] &&
                  policy->require[KS_VERDICT_SIGNATURE_MLDSA]);
        KS_ASSERT(policy->site.origin[0] != '\0');
    }
    ks_policy_free(policy);
    return 0;
}
