/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "chain/rlp.h"

/* Prefixes (Yellow Paper, appendix B): a byte below 0x80 is itself; then short strings, long
 * strings, short lists, long lists. */
#define STRING        0x80
#define STRING_LONG   0xb7
#define LIST          0xc0
#define LIST_LONG     0xf7
#define SHORT_MAX     55
#define LEN_BYTES_MAX 4

/* The length that follows a long prefix, in COUNT bytes. */
static enum ks_err read_long(struct ks_reader *reader, size_t count, size_t *out_len)
{
    enum ks_err err = KS_OK;
    size_t len = 0;
    uint8_t byte = 0;

    KS_CHECK(count <= LEN_BYTES_MAX, KS_ERR_LIMIT, "%s: an item over %u bytes", reader->what,
             KS_RLP_LEN_MAX);
    for (size_t i = 0; i < count; i++) {
        KS_TRY(ks_read_u8(reader, &byte));
        KS_CHECK(i > 0 || byte != 0, KS_ERR_FORMAT, "%s: a length with leading zeros",
                 reader->what);
        len = len << 8 | byte;
    }
    KS_CHECK(len > SHORT_MAX, KS_ERR_FORMAT, "%s: a short length in the long form",
             reader->what);
    KS_CHECK(len <= KS_RLP_LEN_MAX, KS_ERR_LIMIT, "%s: an item over %u bytes", reader->what,
             KS_RLP_LEN_MAX);
    *out_len = len;
out:
    return err;
}

enum ks_err ks_rlp_read(struct ks_reader *reader, struct ks_rlp_item *out_item)
{
    enum ks_err err = KS_OK;
    struct ks_reader at = *reader;
    struct ks_rlp_item item = {0};
    uint8_t prefix = 0;
    size_t len = 0;

    KS_TRY(ks_read_u8(&at, &prefix));
    item.is_list = prefix >= LIST;
    if (prefix < STRING) {
        at = *reader;
        len = 1;
    } else if (prefix > LIST_LONG) {
        KS_TRY(read_long(&at, prefix - LIST_LONG, &len));
    } else if (prefix >= LIST) {
        len = prefix - LIST;
    } else if (prefix > STRING_LONG) {
        KS_TRY(read_long(&at, prefix - STRING_LONG, &len));
    } else {
        len = prefix - STRING;
    }
    KS_TRY(ks_read_bytes(&at, len, &item.payload));
    KS_CHECK(prefix != STRING + 1 || item.payload.data[0] >= STRING, KS_ERR_FORMAT,
             "%s: a single byte with a prefix", reader->what);
    item.whole = ks_bytes_of(reader->rest.data, reader->rest.len - at.rest.len);
    *reader = at;
    *out_item = item;
out:
    return err;
}

enum ks_err ks_rlp_read_string(struct ks_reader *reader, size_t len_max,
                               struct ks_bytes *out_bytes)
{
    enum ks_err err = KS_OK;
    struct ks_rlp_item item = {0};

    KS_TRY(ks_rlp_read(reader, &item));
    KS_CHECK(!item.is_list, KS_ERR_FORMAT, "%s: a list where a string belongs", reader->what);
    KS_CHECK(item.payload.len <= len_max, KS_ERR_LIMIT, "%s: a string over %zu bytes",
             reader->what, len_max);
    *out_bytes = item.payload;
out:
    return err;
}

enum ks_err ks_rlp_read_fixed(struct ks_reader *reader, void *target, size_t len)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes = {0};

    KS_TRY(ks_rlp_read_string(reader, KS_RLP_LEN_MAX, &bytes));
    KS_CHECK(bytes.len == len, KS_ERR_FORMAT, "%s: a string of %zu bytes where %zu belong",
             reader->what, bytes.len, len);
    ks_copy(target, bytes.data, len);
out:
    return err;
}

/* An integer of at most SIZE bytes, right-aligned. */
static enum ks_err read_integer(struct ks_reader *reader, uint8_t *target, size_t size)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes = {0};

    KS_TRY(ks_rlp_read_string(reader, KS_RLP_LEN_MAX, &bytes));
    KS_CHECK(bytes.len <= size, KS_ERR_LIMIT, "%s: an integer over %zu bits", reader->what,
             8 * size);
    KS_CHECK(bytes.len == 0 || bytes.data[0] != 0, KS_ERR_FORMAT,
             "%s: an integer with leading zeros", reader->what);
    ks_zero(target, size);
    ks_copy(target + (size - bytes.len), bytes.data, bytes.len);
out:
    return err;
}

enum ks_err ks_rlp_read_u64(struct ks_reader *reader, uint64_t *out_value)
{
    uint8_t bytes[8];
    enum ks_err err = read_integer(reader, bytes, sizeof bytes);

    if (err == KS_OK) {
        struct ks_reader value = ks_reader_of(KS_BYTES(bytes), reader->what);

        err = ks_read_u64(&value, out_value);
    }
    return err;
}

enum ks_err ks_rlp_read_u256(struct ks_reader *reader, uint8_t out_value[32])
{
    return read_integer(reader, out_value, 32);
}

enum ks_err ks_rlp_read_list(struct ks_reader *reader, struct ks_reader *out_items)
{
    enum ks_err err = KS_OK;
    struct ks_rlp_item item = {0};

    KS_TRY(ks_rlp_read(reader, &item));
    KS_CHECK(item.is_list, KS_ERR_FORMAT, "%s: a string where a list belongs", reader->what);
    *out_items = ks_reader_of(item.payload, reader->what);
out:
    return err;
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_prefix(struct ks_buf *out, uint8_t base, size_t len)
{
    uint8_t bytes[sizeof len];
    size_t count = 0;

    if (len <= SHORT_MAX) {
        ks_buf_put_u8(out, (uint8_t)(base + len));
        return;
    }
    for (size_t rest = len; rest > 0; rest >>= 8) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(len >> 8 * (count - 1 - i));
    }
    ks_buf_put_u8(out, (uint8_t)(base + SHORT_MAX + count));
    ks_buf_put(out, ks_bytes_of(bytes, count));
}

void ks_rlp_put_string(struct ks_buf *out, struct ks_bytes bytes)
{
    if (bytes.len != 1 || bytes.data[0] >= STRING) {
        put_prefix(out, STRING, bytes.len);
    }
    ks_buf_put(out, bytes);
}

void ks_rlp_put_integer(struct ks_buf *out, struct ks_bytes bytes)
{
    size_t zeros = 0;

    while (zeros < bytes.len && bytes.data[zeros] == 0) {
        zeros++;
    }
    ks_rlp_put_string(out, ks_bytes_of(bytes.data + zeros, bytes.len - zeros));
}

void ks_rlp_put_u64(struct ks_buf *out, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(value >> 8 * (sizeof bytes - 1 - i));
    }
    ks_rlp_put_integer(out, KS_BYTES(bytes));
}

void ks_rlp_put_list(struct ks_buf *out, struct ks_bytes items)
{
    put_prefix(out, LIST, items.len);
    ks_buf_put(out, items);
}
