/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an SDK's program may say. Whatever passes has counts of exactly the shots and bits that
 * were asked for, in canonical form. */
#include "enclave/adapter.h"

#define CLBITS 2
#define SHOTS  100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ks_json_limits limits = {.len_max = KS_WORK_RESULT_MAX,
                                                 .nodes_max = KS_ADAPTER_OUTCOMES_MAX};
    struct ks_adapter_answer answer = {0};
    struct ks_json_doc *doc = NULL;
    uint64_t total = 0;
    const enum ks_err err =
        ks_adapter_answer_read(ks_bytes_of(data, size), "qiskit", CLBITS, SHOTS, &answer);

    KS_ASSERT(err == KS_OK || err == KS_ERR_IO || err == KS_ERR_LIMIT || err == KS_ERR_NOMEM);
    if (err != KS_OK) {
        return 0;
    }
    KS_ASSERT(ks_json_parse_canonical(answer.result.counts, &limits, &doc) == KS_OK);
    for (size_t i = 0; i < ks_json_count(ks_json_root(doc)); i++) {
        uint64_t count = 0;

        KS_ASSERT(ks_json_key_at(ks_json_root(doc), i).len == CLBITS);
        KS_ASSERT(ks_json_u64(ks_json_at(ks_json_root(doc), i), SHOTS, &count) == KS_OK);
        total += count;
    }
    KS_ASSERT(total == SHOTS && answer.result.sdk_version.len > 0);
    ks_json_doc_free(doc);
    ks_adapter_answer_done(&answer);
    return 0;
}
