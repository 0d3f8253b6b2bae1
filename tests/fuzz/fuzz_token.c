/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A token file. What is accepted has a grant that travels and a seed that is its key's. */
#include "record/enrol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ks_json_limits limits = {.len_max = KS_ENROL_BYTES_MAX,
                                                 .nodes_max = 128};
    struct ks_token token = {0};
    struct ks_json_doc *doc = NULL;
    struct ks_grant grant = {0};

    if (ks_token_read(ks_bytes_of(data, size), &token) != KS_OK) {
        return 0;
    }
    KS_ASSERT(token.key != NULL && token.url.len >= 1 && token.service.len >= 1);
    KS_ASSERT(ks_text_is_name(token.grant.device, KS_CERT_SUBJECT_MAX));
    KS_ASSERT(ks_json_parse_canonical(ks_buf_view(&token.grant_bytes), &limits, &doc) == KS_OK);
    KS_ASSERT(ks_grant_parse(ks_json_root(doc), &grant) == KS_OK);
    KS_ASSERT(
        ks_bytes_equal(ks_buf_view(&grant.statement), ks_buf_view(&token.grant.statement)));
    ks_grant_done(&grant);
    ks_json_doc_free(doc);
    ks_token_done(&token);
    return 0;
}
