/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a site shows its operator: what passes is written again as the same bytes; then its
 * quote is looked at, for the challenge that the request names itself. */
#include "record/certify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_site site;
    struct ks_site_request request = {0};
    struct ks_buf again;

    if (ks_site_request_read(ks_bytes_of(data, size), &request) != KS_OK) {
        return 0;
    }
    ks_buf_init(&again, KS_SITE_REQUEST_BYTES_MAX);
    ks_site_request_write(&request, &again);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    (void)!ks_site_request_check(&request, request.nonce, request.channel, &site);
    ks_buf_done(&again);
    ks_site_request_done(&request);
    return 0;
}
