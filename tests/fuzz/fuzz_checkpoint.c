/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Bodies of checkpoints: what passes prints as the same bytes. */
#include "ledger/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_checkpoint checkpoint;
    struct ks_buf printed;

    if (ks_checkpoint_parse(ks_bytes_of(data, size), &checkpoint) != KS_OK) {
        return 0;
    }
    KS_ASSERT(checkpoint.size <= KS_MERKLE_SIZE_MAX);
    ks_buf_init(&printed, KS_CHECKPOINT_BODY_MAX);
    KS_ASSERT(ks_checkpoint_print(&checkpoint, &printed) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&printed), ks_bytes_of(data, size)));
    ks_buf_done(&printed);
    return 0;
}
