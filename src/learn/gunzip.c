/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/dataset.h"

#define ZLIB_CONST
#include <zlib.h>

#define CHUNK       65536
#define GZIP_WINDOW (16 + MAX_WBITS) /* zlib: a gzip header and nothing else */

bool ks_gzip_is(struct ks_bytes bytes)
{
    return bytes.len >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
}

/* zlib's memory comes from where all memory does. */
static voidpf take(voidpf context, uInt count, uInt size)
{
    (void)context;
    return ks_calloc(count, size);
}

static void give_back(voidpf context, voidpf memory)
{
    (void)context;
    ks_free(memory);
}

/* One member, up to its end. What is asked of OUT follows from what comes out, not from what
 * the file says of itself. */
static enum ks_err unpack_member(z_stream *stream, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    int state = Z_OK;

    while (state != Z_STREAM_END) {
        const size_t room = out->max - out->len < CHUNK ? out->max - out->len : CHUNK;
        uint8_t *to = NULL;

        KS_CHECK(room > 0 || out->err != KS_OK, KS_ERR_LIMIT, "gzip: over %zu bytes unpacked",
                 out->max);
        to = ks_buf_reserve(out, room);
        KS_TRY(ks_buf_check(out));
        stream->next_out = to;
        stream->avail_out = (uInt)room;
        state = inflate(stream, Z_NO_FLUSH);
        ks_buf_grew(out, room - stream->avail_out);
        KS_CHECK(state != Z_MEM_ERROR, KS_ERR_NOMEM, "gzip");
        KS_CHECK(state == Z_OK || state == Z_STREAM_END, KS_ERR_FORMAT, "gzip: %s",
                 state == Z_BUF_ERROR  ? "cut short"
                 : stream->msg != NULL ? stream->msg
                                       : "damaged");
    }
out:
    return err;
}

enum ks_err ks_gunzip(struct ks_bytes bytes, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    z_stream stream = {.zalloc = take, .zfree = give_back};
    bool open = false;

    KS_CHECK(bytes.len <= KS_DATASET_BYTES_MAX, KS_ERR_LIMIT, "gzip: over %zu bytes",
             KS_DATASET_BYTES_MAX);
    KS_CHECK(ks_gzip_is(bytes), KS_ERR_FORMAT, "not a gzip file");
    KS_CHECK(inflateInit2(&stream, GZIP_WINDOW) == Z_OK, KS_ERR_NOMEM, "gzip");
    open = true;
    stream.next_in = bytes.data;
    stream.avail_in = (uInt)bytes.len;
    KS_TRY(unpack_member(&stream, out));
    while (stream.avail_in > 0) {
        KS_CHECK(ks_gzip_is(ks_bytes_of(stream.next_in, stream.avail_in)), KS_ERR_FORMAT,
                 "gzip: %u bytes after its end", stream.avail_in);
        KS_CHECK(inflateReset(&stream) == Z_OK, KS_ERR_INTERNAL, "inflateReset");
        KS_TRY(unpack_member(&stream, out));
    }
out:
    if (open) {
        (void)inflateEnd(&stream);
    }
    return err;
}
