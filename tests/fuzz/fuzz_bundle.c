/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A bundle: what is accepted is written again as the same bytes, core, job and submission too.
 */
#include <string.h>

#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_contains(struct ks_bytes record, const char *key, struct ks_buf *part)
{
    struct ks_buf wanted;

    ks_buf_init(&wanted, KS_BUNDLE_BYTES_MAX);
    ks_buf_put_text(&wanted, key);
    ks_buf_put(&wanted, ks_buf_view(part));
    KS_ASSERT(ks_buf_check(&wanted) == KS_OK);
    KS_ASSERT(memmem(record.data, record.len, wanted.data, wanted.len) != NULL);
    ks_buf_clear(part);
    ks_buf_done(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_bundle *bundle = NULL;
    struct ks_bundle_parts parts;
    struct ks_buf again;

    if (ks_bundle_parse(ks_bytes_of(data, size), &bundle) != KS_OK) {
        return 0;
    }
    ks_buf_init(&again, KS_BUNDLE_BYTES_MAX);
    ks_core_write(&bundle->core, &again);
    assert_contains(ks_buf_view(&bundle->record), "{\"core\":", &again);
    if (bundle->core.kind != KS_KIND_ROUND) {
        ks_job_write(&bundle->job, &again);
        assert_contains(ks_buf_view(&bundle->record), "\"job\":", &again);
        ks_submission_write(&bundle->submission, &again);
        assert_contains(ks_buf_view(&bundle->record), "\"submission\":", &again);
    }
    parts = ks_bundle_parts_of(bundle);
    ks_bundle_write(&parts, &again);
    KS_ASSERT(ks_buf_check(&again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_buf_done(&again);
    ks_bundle_free(bundle);
    return 0;
}
