/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The second message of an enrolment, and the platform in it by itself, which nothing signs:
 * what passes is written again as the same bytes. */
#include "record/enrol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_platform(struct ks_bytes text)
{
    static const struct ks_json_limits limits = {.len_max = KS_FINISH_BYTES_MAX,
                                                 .nodes_max = 512};
    struct ks_json_doc *doc = NULL;
    struct ks_platform platform = {0};
    struct ks_buf again;
    struct ks_json_writer writer = ks_json_writer_of(&again);

    if (ks_json_parse_canonical(text, &limits, &doc) != KS_OK) {
        return;
    }
    if (ks_platform_parse(ks_json_root(doc), &platform) == KS_OK) {
        ks_buf_init(&again, KS_FINISH_BYTES_MAX);
        ks_platform_put(&platform, &writer);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), text));
        ks_buf_done(&again);
        ks_platform_done(&platform);
    }
    ks_json_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_finish finish = {0};
    uint8_t digest[32];

    read_platform(ks_bytes_of(data, size));
    if (ks_finish_read(ks_bytes_of(data, size), &finish) != KS_OK) {
        KS_ASSERT(finish.doc == NULL);
        return 0;
    }
    KS_ASSERT(ks_csr_digest(&finish.csr, digest) == KS_OK);
    KS_ASSERT(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(finish.csr_digest)));
    ks_finish_done(&finish);
    return 0;
}
