/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The kernel's list of files: what passes leads to a value that finds all of it again. */
#include "attest/ima.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[KS_PCR_DIGEST_LEN];
    struct ks_ima_log log = {0};
    uint8_t value[KS_PCR_DIGEST_LEN];
    enum ks_ima_rule rule = KS_IMA_PADDED;
    size_t count = 0;

    if (ks_ima_log_parse(ks_bytes_of(data, size), &log) == KS_OK) {
        ks_ima_log_replay(&log, KS_IMA_PER_BANK, log.count, zeros, value);
        KS_ASSERT(ks_ima_log_match(&log, zeros, value, &rule, &count) == KS_OK);
        KS_ASSERT(rule == KS_IMA_PER_BANK && count == log.count);
        KS_ASSERT(ks_ima_log_violations(&log, count) <= count);
    }
    ks_ima_log_done(&log);
    return 0;
}
