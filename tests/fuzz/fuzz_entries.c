/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Bundles of entries: what passes is written again as the same bytes. The first byte is the
 * width less one. */
#include "ledger/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_bytes entries[KS_TILE_WIDTH];
    struct ks_bytes bundle;
    struct ks_buf written;
    unsigned width = 0;

    if (size == 0) {
        return 0;
    }
    width = data[0] + 1U;
    bundle = ks_bytes_of(data + 1, size - 1);
    if (ks_tree_read_entries(bundle, width, entries) != KS_OK) {
        return 0;
    }
    ks_buf_init(&written, KS_TREE_FILE_MAX);
    for (unsigned i = 0; i < width; i++) {
        ks_tree_put_entry(&written, entries[i]);
    }
    KS_ASSERT(ks_buf_check(&written) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&written), bundle));
    ks_buf_done(&written);
    return 0;
}
