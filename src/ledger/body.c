/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/body.h"

#include <inttypes.h>

#include "base/text.h"

/* The characters with the property White_Space beyond U+0020 and the controls, in UTF-8. */
static const char *const unicode_spaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

static bool starts_with(struct ks_bytes text, const char *prefix)
{
    const struct ks_bytes want = ks_bytes_text(prefix);

    return text.len >= want.len && ks_bytes_equal(ks_bytes_of(text.data, want.len), want);
}

static bool has_unicode_space(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x80) {
            continue;
        }
        for (size_t k = 0; k < sizeof(unicode_spaces) / sizeof(unicode_spaces[0]); k++) {
            if (starts_with(ks_bytes_of(text.data + i, text.len - i), unicode_spaces[k])) {
                return true;
            }
        }
    }
    return false;
}

enum ks_err ks_note_name_check(struct ks_bytes name, const char *what)
{
    if (name.len == 0) {
        return ks_fail(KS_ERR_FORMAT, "%s is empty", what);
    }
    if (name.len > KS_NOTE_NAME_MAX) {
        return ks_fail(KS_ERR_LIMIT, "%s of %zu bytes is over the limit of %d", what, name.len,
                       KS_NOTE_NAME_MAX);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= ' ' || name.data[i] == '+') {
            return ks_fail(KS_ERR_FORMAT, "%s holds a space, a '+' or a control character",
                           what);
        }
    }
    if (!ks_utf8_valid(name)) {
        return ks_fail(KS_ERR_FORMAT, "%s is not valid UTF-8", what);
    }
    if (has_unicode_space(name)) {
        return ks_fail(KS_ERR_FORMAT, "%s holds a Unicode space", what);
    }
    return KS_OK;
}

enum ks_err ks_note_text_check(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' && text.data[i] != '\n') {
            return ks_fail(KS_ERR_FORMAT, "note: control character 0x%02x at byte %zu",
                           text.data[i], i);
        }
    }
    if (!ks_utf8_valid(text)) {
        return ks_fail(KS_ERR_FORMAT, "note: not valid UTF-8");
    }
    return KS_OK;
}

/* What has to hold of every checkpoint, read or made. */
static enum ks_err checkpoint_check(const struct ks_checkpoint *checkpoint)
{
    enum ks_err err = KS_OK;
    uint8_t empty[KS_MERKLE_LEN];

    KS_TRY(ks_note_name_check(checkpoint->origin, "checkpoint: the origin"));
    KS_CHECK(checkpoint->size <= KS_MERKLE_SIZE_MAX, KS_ERR_LIMIT,
             "checkpoint: size %" PRIu64 " is over the limit of %" PRIu64, checkpoint->size,
             KS_MERKLE_SIZE_MAX);
    ks_merkle_empty(empty);
    KS_CHECK(checkpoint->size != 0 ||
                 ks_bytes_equal(KS_BYTES(empty), KS_BYTES(checkpoint->root)),
             KS_ERR_FORMAT, "checkpoint: size 0 with another root than the empty tree's");
out:
    return err;
}

enum ks_err ks_checkpoint_parse(struct ks_bytes body, struct ks_checkpoint *out_checkpoint)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(body, "checkpoint");
    struct ks_checkpoint checkpoint = {0};
    struct ks_bytes size;
    struct ks_bytes root;

    KS_CHECK(body.len <= KS_CHECKPOINT_BODY_MAX, KS_ERR_LIMIT,
             "checkpoint: a body of %zu bytes is over the limit of %d", body.len,
             KS_CHECKPOINT_BODY_MAX);
    KS_TRY(ks_read_line(&reader, &checkpoint.origin));
    KS_TRY(ks_read_line(&reader, &size));
    KS_TRY(ks_read_line(&reader, &root));
    KS_CHECK(reader.rest.len == 0, KS_ERR_FORMAT,
             "checkpoint: lines after the root are refused");
    err = ks_text_u64(size, KS_MERKLE_SIZE_MAX, &checkpoint.size);
    KS_TRY(ks_fail_prefix(err, "checkpoint: size"));
    err = ks_base64_decode_exact(root, checkpoint.root, KS_MERKLE_LEN);
    KS_TRY(ks_fail_prefix(err, "checkpoint: root"));
    KS_TRY(checkpoint_check(&checkpoint));
    *out_checkpoint = checkpoint;
out:
    return err;
}

enum ks_err ks_checkpoint_print(const struct ks_checkpoint *checkpoint, struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    KS_TRY(checkpoint_check(checkpoint));
    ks_buf_put(out, checkpoint->origin);
    ks_buf_put_format(out, "\n%" PRIu64 "\n", checkpoint->size);
    ks_buf_put_base64(out, KS_BYTES(checkpoint->root));
    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

void ks_checkpoint_put_cosigned(struct ks_bytes body, uint64_t time_s, struct ks_buf *out)
{
    ks_buf_put_format(out, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    ks_buf_put(out, body);
}

void ks_checkpoint_put_subtree(const struct ks_checkpoint *checkpoint, struct ks_bytes name,
                               uint64_t time_s, struct ks_buf *out)
{
    static const uint8_t label[12] = "subtree/v1\n";

    KS_ASSERT(name.len <= KS_NOTE_NAME_MAX && checkpoint->origin.len <= KS_NOTE_NAME_MAX);
    ks_buf_put(out, KS_BYTES(label));
    ks_buf_put_u8(out, (uint8_t)name.len);
    ks_buf_put(out, name);
    ks_buf_put_u64(out, time_s);
    ks_buf_put_u8(out, (uint8_t)checkpoint->origin.len);
    ks_buf_put(out, checkpoint->origin);
    ks_buf_put_u64(out, 0);
    ks_buf_put_u64(out, checkpoint->size);
    ks_buf_put(out, KS_BYTES(checkpoint->root));
}
