/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An HTTP answer as it comes in: what is complete stays the same answer when more follows. */
#include "net/response.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_http_response_head head = {0};
    struct ks_http_response_head again = {0};
    struct ks_buf body;
    struct ks_buf same;

    ks_buf_init(&body, BODY_MAX);
    ks_buf_init(&same, BODY_MAX);
    if (ks_http_response_parse(ks_bytes_of(data, size), BODY_MAX, &body, &head) == KS_OK) {
        KS_ASSERT(head.status >= 200 && head.status <= 599 && head.len <= size);
        KS_ASSERT(body.len <= BODY_MAX);
        KS_ASSERT(ks_http_response_parse(ks_bytes_of(data, head.len), BODY_MAX, &same,
                                         &again) == KS_OK);
        KS_ASSERT(again.status == head.status && again.len == head.len &&
                  again.close == head.close);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&body), ks_buf_view(&same)));
    } else {
        KS_ASSERT(body.len == 0);
    }
    ks_buf_done(&body);
    ks_buf_done(&same);
    return 0;
}
