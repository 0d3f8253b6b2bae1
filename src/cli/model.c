/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/model.h"

#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"

enum ks_err ks_cli_model_read(const char *path, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_FOREST_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_forest_read(ks_buf_view(&bytes), out_forest), "%s", path));
out:
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_cli_model_keep(const char *folder, const struct ks_forest *forest)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    char name[2 * KS_FOREST_HASH_LEN + sizeof ".forest"];
    char path[KS_PATH_MAX];

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    ks_forest_write(forest, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    ks_hex_encode(ks_bytes_of(bytes.data + bytes.len - KS_FOREST_HASH_LEN, KS_FOREST_HASH_LEN),
                  name);
    (void)snprintf(name + 2 * KS_FOREST_HASH_LEN, sizeof ".forest", ".forest");
    KS_TRY(ks_path_join(folder, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&bytes), 0644));
out:
    ks_buf_done(&bytes);
    return err;
}
