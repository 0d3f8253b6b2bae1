/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Proof files: what passes prints as the same bytes. */
#include "ledger/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tlog_proof proof;
    struct ks_buf printed;

    if (ks_tlog_proof_parse(ks_bytes_of(data, size), &proof) != KS_OK) {
        return 0;
    }
    ks_buf_init(&printed, KS_TLOG_PROOF_MAX);
    KS_ASSERT(ks_tlog_proof_print(&proof, &printed) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&printed), ks_bytes_of(data, size)));
    ks_buf_done(&printed);
    ks_tlog_proof_done(&proof);
    return 0;
}
