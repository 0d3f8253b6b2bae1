/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the files of the module begin with. */

#include <string.h>

#include "fl/internal.h"

enum ks_err ks_fl_read_magic(struct ks_reader *reader, const char *magic)
{
    enum ks_err err = KS_OK;
    struct ks_bytes found = {0};

    KS_TRY(ks_read_bytes(reader, strlen(magic), &found));
    KS_CHECK(ks_bytes_is(found, magic), KS_ERR_FORMAT, "%s: not of the version %.*s",
             reader->what, (int)strlen(magic) - 1, magic);
out:
    return err;
}
