/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The input is a whole request head. What is accepted as signed must have a base to check, must
 * have the one spelling of its parameters that we would write ourselves, and must not verify
 * under a made-up key. */
#include "base/buf.h"
#include "net/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_params(const struct ks_signature *signature, struct ks_buf *out)
{
    ks_buf_put_text(out, "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" "
                         "\"content-digest\" \"ketseal-channel\")");
    ks_buf_put_format(out, ";created=%llu;expires=%llu", (unsigned long long)signature->created,
                      (unsigned long long)signature->expires);
    ks_buf_put_text(out, ";nonce=\"");
    ks_buf_put(out, signature->nonce);
    ks_buf_put_text(out, "\";keyid=\"");
    ks_buf_put(out, signature->key_id);
    ks_buf_put_text(out, "\";tag=\"ketseal-request\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t key[32] = {7};
    struct ks_http_head head;
    struct ks_signature signature;
    struct ks_bytes params;
    struct ks_buf out;
    enum ks_err err = KS_OK;

    if (ks_http_head_parse(ks_bytes_of(data, size), 1048576, &head) != KS_OK) {
        return 0;
    }
    ks_buf_init(&out, KS_SIGNATURE_BASE_MAX);
    /* The generic builder on whatever the field holds. */
    if (ks_http_head_get(&head, "signature-input", &params) == KS_OK) {
        err = ks_signature_base(&head, params, &out);
        KS_ASSERT(err == KS_OK || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
        ks_buf_clear(&out);
    }
    if (ks_signature_parse(&head, &signature) == KS_OK) {
        put_params(&signature, &out);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), signature.params));
        err = ks_signature_check(&head, &signature, KS_BYTES(key), signature.created);
        KS_ASSERT(err == KS_ERR_VERIFY || err == KS_ERR_FORMAT);
    }
    (void)!ks_digest_check(&head, (struct ks_bytes){0});
    ks_buf_done(&out);
    return 0;
}
