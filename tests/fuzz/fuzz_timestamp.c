/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An answer of a time stamp authority, or a token: what is taken from it is in normal form,
 * which is read, and taken again as the same bytes. What is read as a token is its own normal
 * form. */
#include "crypto/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_normal(struct ks_bytes token)
{
    struct ks_buf again;

    ks_buf_init(&again, KS_TIMESTAMP_TOKEN_MAX);
    KS_ASSERT(ks_timestamp_answer_read(token, (struct ks_bytes){0}, &again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), token));
    ks_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes input = ks_bytes_of(data, size);
    struct ks_timestamp stamp;
    struct ks_buf token;

    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    if (ks_timestamp_answer_read(input, (struct ks_bytes){0}, &token) == KS_OK) {
        KS_ASSERT(ks_timestamp_read(ks_buf_view(&token), &stamp) == KS_OK);
        assert_normal(ks_buf_view(&token));
    }
    if (ks_timestamp_read(input, &stamp) == KS_OK) {
        assert_normal(input);
    }
    ks_buf_clear(&token);
    /* as a request */
    (void)(ks_timestamp_answer_read(input, input, &token) == KS_OK);
    ks_buf_done(&token);
    return 0;
}
