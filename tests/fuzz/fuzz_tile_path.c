/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Paths of tiles: what passes prints as the same bytes. */
#include "ledger/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_tree_name name;
    char path[KS_TREE_PATH_MAX];

    if (ks_tree_path_parse(ks_bytes_of(data, size), &name) == KS_OK) {
        ks_tree_path(&name, path);
        KS_ASSERT(ks_bytes_is(ks_bytes_of(data, size), path));
    }
    return 0;
}
