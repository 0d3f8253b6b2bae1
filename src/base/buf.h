/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* buf.h: the one reader and the one writer of bytes. Integers on the wire are big-endian.
 * Readers fail at once; writers are sticky, with one check at the end. No pointer arithmetic is
 * needed elsewhere. */
#ifndef KS_BASE_BUF_H
#define KS_BASE_BUF_H

#include "base/mem.h"

/* An owned, growing byte string with a hard maximum. */
struct ks_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    enum ks_err err; /* first failure: KS_ERR_LIMIT or KS_ERR_NOMEM; sticky */
};

/* LEN_MAX is the most it may ever hold. Allocates nothing. */
void ks_buf_init(struct ks_buf *buf, size_t len_max);
void ks_buf_done(struct ks_buf *buf);  /* frees; buffer is empty and reusable */
void ks_buf_wipe(struct ks_buf *buf);  /* erases the contents, then ks_buf_done */
void ks_buf_clear(struct ks_buf *buf); /* len = 0, error forgotten, memory kept */
/* KS_OK, or the sticky error (detail is stored again). */
KS_MUST_CHECK enum ks_err ks_buf_check(const struct ks_buf *buf);
/* Drops the first COUNT bytes (asserts COUNT <= len). */
void ks_buf_consume(struct ks_buf *buf, size_t count);
/* Makes room for COUNT more bytes and returns where they go, or NULL (sticky error). Follow
 * with ks_buf_grew. For read(2) and for library calls that fill memory. */
uint8_t *ks_buf_reserve(struct ks_buf *buf, size_t count);
void ks_buf_grew(struct ks_buf *buf, size_t count);

/* All writers return void; after an error they do nothing. */
void ks_buf_put(struct ks_buf *buf, struct ks_bytes bytes);
void ks_buf_put_text(struct ks_buf *buf, const char *text);
void ks_buf_put_format(struct ks_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ks_buf_put_u8(struct ks_buf *buf, uint8_t value);
void ks_buf_put_u16(struct ks_buf *buf, uint16_t value);
void ks_buf_put_u32(struct ks_buf *buf, uint32_t value);
void ks_buf_put_u64(struct ks_buf *buf, uint64_t value);
void ks_buf_put_double(struct ks_buf *buf, double value);        /* the 64 bits of IEEE 754 */
void ks_buf_put_lp16(struct ks_buf *buf, struct ks_bytes bytes); /* u16 length, bytes */
void ks_buf_put_lp32(struct ks_buf *buf, struct ks_bytes bytes); /* u32 length, bytes */
void ks_buf_put_hex(struct ks_buf *buf, struct ks_bytes bytes);  /* lower case */
void ks_buf_put_base64(struct ks_buf *buf, struct ks_bytes bytes);

/* Reads a borrowed view from front to back. */
struct ks_reader {
    struct ks_bytes rest;
    const char *what; /* names the format in errors: "frame", "journal" */
};

struct ks_reader ks_reader_of(struct ks_bytes bytes, const char *what);
KS_MUST_CHECK enum ks_err ks_read_u8(struct ks_reader *reader, uint8_t *out_value);
KS_MUST_CHECK enum ks_err ks_read_u16(struct ks_reader *reader, uint16_t *out_value);
KS_MUST_CHECK enum ks_err ks_read_u32(struct ks_reader *reader, uint32_t *out_value);
KS_MUST_CHECK enum ks_err ks_read_u64(struct ks_reader *reader, uint64_t *out_value);
/* Any 64 bits, so infinities and what is no number too: which may be is the caller's to check.
 */
KS_MUST_CHECK enum ks_err ks_read_double(struct ks_reader *reader, double *out_value);
/* A view of exactly LEN bytes; borrowed from the source. */
KS_MUST_CHECK enum ks_err ks_read_bytes(struct ks_reader *reader, size_t len,
                                        struct ks_bytes *out_bytes);
/* Copies exactly LEN bytes to TARGET. */
KS_MUST_CHECK enum ks_err ks_read_copy(struct ks_reader *reader, void *target, size_t len);
/* Length-prefixed view of at most LEN_MAX bytes: KS_ERR_LIMIT above, KS_ERR_FORMAT when cut
 * short. */
KS_MUST_CHECK enum ks_err ks_read_lp16(struct ks_reader *reader, size_t len_max,
                                       struct ks_bytes *out_bytes);
KS_MUST_CHECK enum ks_err ks_read_lp32(struct ks_reader *reader, size_t len_max,
                                       struct ks_bytes *out_bytes);
/* The text up to and without the next '\n', which is consumed; KS_ERR_FORMAT if there is
 * none. */
KS_MUST_CHECK enum ks_err ks_read_line(struct ks_reader *reader, struct ks_bytes *out_line);
/* KS_ERR_FORMAT if bytes are left: they would be unsigned bytes. */
KS_MUST_CHECK enum ks_err ks_read_end(const struct ks_reader *reader);

#endif
