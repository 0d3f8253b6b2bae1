/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/proof.h"

#include <inttypes.h>

#include "base/text.h"

#define VERSION_LINE "c2sp.org/tlog-proof@v1"

/* Cuts PREFIX off TEXT, if it begins so. */
static bool cut_prefix(struct ks_bytes *text, const char *prefix)
{
    const struct ks_bytes want = ks_bytes_text(prefix);

    if (text->len < want.len || !ks_bytes_equal(ks_bytes_of(text->data, want.len), want)) {
        return false;
    }
    *text = ks_bytes_of(text->data + want.len, text->len - want.len);
    return true;
}

/* That index, path and checkpoint go together. */
static enum ks_err check_shape(const struct ks_tlog_proof *proof)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_checkpoint checkpoint;

    KS_TRY(ks_note_parse(proof->checkpoint, &note));
    KS_TRY(ks_checkpoint_parse(note.text, &checkpoint));
    KS_CHECK(proof->index < checkpoint.size, KS_ERR_FORMAT,
             "index %" PRIu64 " is not below the checkpoint's size %" PRIu64, proof->index,
             checkpoint.size);
    KS_CHECK(proof->path.count == ks_merkle_path_len(proof->index, checkpoint.size),
             KS_ERR_FORMAT, "a path of %zu hashes, not %zu", proof->path.count,
             ks_merkle_path_len(proof->index, checkpoint.size));
out:
    ks_note_done(&note);
    return ks_fail_prefix(err, "tlog-proof");
}

/* The optional extra line and the index line. */
static enum ks_err parse_head(struct ks_reader *reader, struct ks_tlog_proof *proof)
{
    enum ks_err err = KS_OK;
    struct ks_bytes line;

    KS_TRY(ks_read_line(reader, &line));
    KS_CHECK(ks_bytes_is(line, VERSION_LINE), KS_ERR_FORMAT,
             "tlog-proof: the first line is not '" VERSION_LINE "'");
    KS_TRY(ks_read_line(reader, &line));
    if (cut_prefix(&line, "extra ")) {
        KS_CHECK(line.len != 0, KS_ERR_FORMAT, "tlog-proof: an empty extra line");
        err = ks_base64_decode(line, &proof->decoded);
        KS_TRY(ks_fail_prefix(err, "tlog-proof: extra"));
        proof->extra = ks_buf_view(&proof->decoded);
        KS_TRY(ks_read_line(reader, &line));
    }
    KS_CHECK(cut_prefix(&line, "index "), KS_ERR_FORMAT, "tlog-proof: no index line");
    err = ks_text_u64(line, KS_MERKLE_SIZE_MAX, &proof->index);
    KS_TRY(ks_fail_prefix(err, "tlog-proof: index"));
out:
    return err;
}

enum ks_err ks_tlog_proof_parse(struct ks_bytes bytes, struct ks_tlog_proof *out_proof)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "tlog-proof");
    struct ks_tlog_proof proof = {0};
    struct ks_bytes line;

    ks_buf_init(&proof.decoded, KS_TLOG_EXTRA_MAX);
    KS_CHECK(bytes.len <= KS_TLOG_PROOF_MAX, KS_ERR_LIMIT,
             "tlog-proof: %zu bytes are over the limit of %d", bytes.len, KS_TLOG_PROOF_MAX);
    KS_TRY(parse_head(&reader, &proof));
    KS_TRY(ks_read_line(&reader, &line));
    while (line.len != 0) {
        KS_CHECK(proof.path.count < KS_MERKLE_PATH_MAX, KS_ERR_LIMIT,
                 "tlog-proof: a path of more than %d hashes", KS_MERKLE_PATH_MAX);
        err = ks_base64_decode_exact(line, proof.path.hashes[proof.path.count], KS_MERKLE_LEN);
        KS_TRY(ks_fail_prefix(err, "tlog-proof: hash %zu", proof.path.count + 1));
        proof.path.count++;
        KS_TRY(ks_read_line(&reader, &line));
    }
    proof.checkpoint = reader.rest;
    KS_TRY(check_shape(&proof));
    *out_proof = proof;
    proof.decoded = (struct ks_buf){0}; /* transferred */
out:
    ks_tlog_proof_done(&proof);
    return err;
}

void ks_tlog_proof_done(struct ks_tlog_proof *proof)
{
    if (proof == NULL) {
        return;
    }
    ks_buf_done(&proof->decoded);
    proof->extra = (struct ks_bytes){NULL, 0};
}

enum ks_err ks_tlog_proof_print(const struct ks_tlog_proof *proof, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_TLOG_PROOF_MAX);
    KS_CHECK(proof->extra.len <= KS_TLOG_EXTRA_MAX, KS_ERR_LIMIT,
             "tlog-proof: %zu bytes of extra data are over the limit of %d", proof->extra.len,
             KS_TLOG_EXTRA_MAX);
    KS_TRY(check_shape(proof));
    ks_buf_put_text(&text, VERSION_LINE "\n");
    if (proof->extra.len != 0) {
        ks_buf_put_text(&text, "extra ");
        ks_buf_put_base64(&text, proof->extra);
        ks_buf_put_text(&text, "\n");
    }
    ks_buf_put_format(&text, "index %" PRIu64 "\n", proof->index);
    for (size_t i = 0; i < proof->path.count; i++) {
        ks_buf_put_base64(&text, KS_BYTES(proof->path.hashes[i]));
        ks_buf_put_text(&text, "\n");
    }
    ks_buf_put_text(&text, "\n");
    ks_buf_put(&text, proof->checkpoint);
    KS_TRY(ks_buf_check(&text));
    ks_buf_put(out, ks_buf_view(&text));
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_tlog_proof_verify(const struct ks_tlog_proof *proof,
                                 const uint8_t leaf[KS_MERKLE_LEN], struct ks_bytes origin,
                                 const struct ks_note_trust *trust,
                                 struct ks_checkpoint_opened *out_opened)
{
    enum ks_err err = KS_OK;
    struct ks_checkpoint_opened opened;

    KS_TRY(ks_checkpoint_open(proof->checkpoint, origin, trust, &opened));
    KS_TRY(ks_merkle_check_inclusion(proof->index, opened.checkpoint.size, leaf,
                                     &proof->path.hashes[0][0], proof->path.count,
                                     opened.checkpoint.root));
    *out_opened = opened;
out:
    return err;
}
