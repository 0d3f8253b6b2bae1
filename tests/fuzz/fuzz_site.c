/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A site document: written again and read again it is the same. */
#include "record/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_site site;
    struct ks_site second;
    struct ks_buf once;
    struct ks_buf twice;

    if (ks_site_read(ks_bytes_of(data, size), &site) != KS_OK) {
        return 0;
    }
    ks_buf_init(&once, KS_SITE_BYTES_MAX);
    ks_buf_init(&twice, KS_SITE_BYTES_MAX);
    ks_site_write(&site, &once);
    KS_ASSERT(ks_buf_check(&once) == KS_OK);
    KS_ASSERT(ks_site_read(ks_buf_view(&once), &second) == KS_OK);
    ks_site_write(&second, &twice);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&once), ks_buf_view(&twice)));
    ks_buf_done(&once);
    ks_buf_done(&twice);
    return 0;
}
