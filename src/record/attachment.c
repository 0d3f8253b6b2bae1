/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/attachment.h"

static const struct ks_json_limits attachment_limits = {.len_max = KS_ATTACHMENT_BYTES_MAX,
                                                        .nodes_max = 4096};

void ks_attachment_write(const struct ks_attachment *attachment, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (attachment->anchor.len > 0) {
        ks_json_put_key(&writer, "anchor");
        ks_json_put_canonical(&writer, attachment->anchor);
    }
    ks_json_member_string(&writer, "checkpoint", attachment->checkpoint);
    ks_json_member_text(&writer, "schema", "ketseal.attachment/1");
    if (attachment->timestamp.len > 0) {
        ks_json_put_key(&writer, "timestamp");
        ks_json_put_base64(&writer, attachment->timestamp);
    }
    ks_json_put_end(&writer);
}

static enum ks_err check_digest(const struct ks_attachment_read *read, const uint8_t digest[32],
                                const char *what)
{
    return ks_bytes_equal(ks_bytes_of(digest, 32), KS_BYTES(read->digest))
               ? KS_OK
               : ks_fail(KS_ERR_VERIFY, "%s of another checkpoint: the digests differ", what);
}

static enum ks_err take_anchor(const struct ks_json *root, struct ks_attachment_read *read)
{
    enum ks_err err = KS_OK;
    const struct ks_json *object = ks_json_find(root, "anchor");
    struct ks_anchor *anchor = NULL;

    if (object == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_fail_prefix(ks_anchor_read(object, &anchor), "'anchor'"));
    KS_TRY(check_digest(read, anchor->digest, "an anchor"));
    ks_anchor_write(anchor, &read->anchor);
    KS_TRY(ks_buf_check(&read->anchor));
    read->parts.anchor = ks_buf_view(&read->anchor);
out:
    ks_anchor_free(anchor);
    return err;
}

static enum ks_err take_timestamp(const struct ks_json *root, struct ks_attachment_read *read)
{
    enum ks_err err = KS_OK;
    struct ks_timestamp stamp;

    if (ks_json_find(root, "timestamp") == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get_base64(root, "timestamp", &read->timestamp));
    KS_TRY(ks_fail_prefix(ks_timestamp_read(ks_buf_view(&read->timestamp), &stamp),
                          "'timestamp'"));
    KS_TRY(check_digest(read, stamp.digest, "a time stamp"));
    read->parts.timestamp = ks_buf_view(&read->timestamp);
out:
    return err;
}

enum ks_err ks_attachment_parse(struct ks_bytes document, struct ks_attachment_read *out_read)
{
    static const char *const names[] = {"anchor", "checkpoint", "schema", "timestamp", NULL};
    enum ks_err err = KS_OK;
    struct ks_attachment_read read = {0};
    const struct ks_json *root = NULL;
    struct ks_bytes text = {0};

    ks_buf_init(&read.anchor, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&read.timestamp, KS_TIMESTAMP_TOKEN_MAX);
    KS_TRY(ks_json_parse(document, &attachment_limits, &read.doc));
    root = ks_json_root(read.doc);
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.attachment/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.attachment/1");
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "checkpoint", &read.parts.checkpoint));
    KS_TRY(ks_note_parse(read.parts.checkpoint, &read.note));
    KS_TRY(ks_checkpoint_parse(read.note.text, &read.checkpoint));
    ks_sha256(read.note.text, read.digest);
    KS_TRY(take_anchor(root, &read));
    KS_TRY(take_timestamp(root, &read));
    KS_CHECK(read.parts.anchor.len > 0 || read.parts.timestamp.len > 0, KS_ERR_FORMAT,
             "neither an anchor nor a time stamp");
    *out_read = read;
    read = (struct ks_attachment_read){0}; /* transferred */
out:
    ks_attachment_done(&read);
    return ks_fail_prefix(err, "attachment");
}

void ks_attachment_done(struct ks_attachment_read *read)
{
    if (read == NULL) {
        return;
    }
    ks_note_done(&read->note);
    ks_buf_done(&read->anchor);
    ks_buf_done(&read->timestamp);
    ks_json_doc_free(read->doc);
    read->doc = NULL;
}
