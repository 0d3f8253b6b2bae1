/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the files of the module begin and end with. */

#include <string.h>

#include "crypto/digest.h"
#include "fl/internal.h"

void ks_fl_put_hash(struct ks_buf *out, size_t start)
{
    uint8_t hash[KS_FL_HASH_LEN];

    if (out->err == KS_OK) {
        ks_sha256(ks_bytes_of(out->data + start, out->len - start), hash);
        ks_buf_put(out, KS_BYTES(hash));
    }
}

enum ks_err ks_fl_check_hash(struct ks_bytes bytes, const char *what)
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_FL_HASH_LEN];

    KS_CHECK(bytes.len > sizeof hash, KS_ERR_FORMAT, "%s: cut short", what);
    ks_sha256(ks_bytes_of(bytes.data, bytes.len - sizeof hash), hash);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash),
                            ks_bytes_of(bytes.data + bytes.len - sizeof hash, sizeof hash)),
             KS_ERR_VERIFY, "%s: its bytes do not have the hash that they end with", what);
out:
    return err;
}

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
