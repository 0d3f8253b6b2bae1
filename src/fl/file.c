/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the files of the module begin with, and how vectors stand in them. */

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

void ks_fl_put_vector(const float *values, size_t count, struct ks_buf *out)
{
    for (size_t i = 0; values != NULL && i < count; i++) {
        uint32_t bits = 0;

        ks_copy(&bits, &values[i], sizeof bits);
        ks_buf_put_u32(out, bits);
    }
}

enum ks_err ks_fl_read_vector(struct ks_reader *reader, size_t count, float *out_values)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; out_values != NULL && i < count; i++) {
        uint32_t bits = 0;

        KS_TRY(ks_read_u32(reader, &bits));
        ks_copy(&out_values[i], &bits, sizeof bits);
    }
    if (out_values != NULL) {
        KS_TRY(ks_fl_check_finite(out_values, count));
    }
out:
    return err;
}
