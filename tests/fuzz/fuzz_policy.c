/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A policy: what is accepted demands what it must, and what it says of anchors and time stamps
 * is written again as a policy that is read. */
#include "record/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The very bytes again, after once. */
static void write_again(const struct ks_policy *policy)
{
    const struct ks_policy_spec spec = {
        .root = policy->root,
        .site = &policy->site,
        .anchor = policy->anchor_pinned ? &policy->anchor : NULL,
        .stamps = policy->stamps.trust != NULL ? &policy->stamps : NULL};
    struct ks_policy *read = NULL;
    struct ks_bytes view = {0};
    struct ks_policy_spec again = spec;
    struct ks_buf first;
    struct ks_buf second;

    ks_buf_init(&first, KS_POLICY_BYTES_MAX);
    ks_buf_init(&second, KS_POLICY_BYTES_MAX);
    ks_policy_write(&spec, &first);
    view = ks_buf_view(&first);
    if (first.err == KS_OK) { /* escapes may take what the input had left */
        KS_ASSERT(ks_policy_read(&view, &read) == KS_OK);
        again.root = read->root;
        again.site = &read->site;
        again.anchor = read->anchor_pinned ? &read->anchor : NULL;
        again.stamps = read->stamps.trust != NULL ? &read->stamps : NULL;
        ks_policy_write(&again, &second);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
    }
    ks_policy_free(read);
    ks_buf_done(&first);
    ks_buf_done(&second);
}

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
    if (policy != NULL && (policy->anchor_pinned || policy->stamps.trust != NULL)) {
        write_again(policy);
    }
    ks_policy_free(policy);
    return 0;
}
