/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/cosign.h"

#include <inttypes.h>

#include "base/text.h"

#define OLD "old "

enum ks_err ks_cosign_request_parse(struct ks_bytes body, struct ks_cosign_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(body, "add-checkpoint");
    struct ks_cosign_request request = {0};
    struct ks_bytes word;
    struct ks_bytes line;

    KS_CHECK(body.len <= KS_COSIGN_REQUEST_MAX, KS_ERR_LIMIT,
             "add-checkpoint: %zu bytes are over the limit of %d", body.len,
             KS_COSIGN_REQUEST_MAX);
    KS_TRY(ks_read_bytes(&reader, sizeof(OLD) - 1, &word));
    KS_CHECK(ks_bytes_is(word, OLD), KS_ERR_FORMAT,
             "add-checkpoint: the first line is not 'old SIZE'");
    KS_TRY(ks_read_line(&reader, &line));
    err = ks_text_u64(line, KS_MERKLE_SIZE_MAX, &request.old_size);
    KS_TRY(ks_fail_prefix(err, "add-checkpoint: old size"));
    KS_TRY(ks_read_line(&reader, &line));
    while (line.len != 0) {
        KS_CHECK(request.proof_count < KS_COSIGN_PROOF_MAX, KS_ERR_LIMIT,
                 "add-checkpoint: a proof of more than %d hashes", KS_COSIGN_PROOF_MAX);
        err = ks_base64_decode_exact(line, request.proof[request.proof_count], KS_MERKLE_LEN);
        KS_TRY(ks_fail_prefix(err, "add-checkpoint: hash %zu", request.proof_count + 1));
        request.proof_count++;
        KS_TRY(ks_read_line(&reader, &line));
    }
    request.note = reader.rest;
    *out_request = request;
out:
    return err;
}

void ks_cosign_request_print(const struct ks_cosign_request *request, struct ks_buf *out)
{
    ks_buf_put_format(out, OLD "%" PRIu64 "\n", request->old_size);
    for (size_t i = 0; i < request->proof_count; i++) {
        ks_buf_put_base64(out, KS_BYTES(request->proof[i]));
        ks_buf_put_text(out, "\n");
    }
    ks_buf_put_text(out, "\n");
    ks_buf_put(out, request->note);
}

static bool is_known(const struct ks_note_trust *trust, const struct ks_note_line *line)
{
    for (size_t i = 0; i < trust->count; i++) {
        if (ks_note_key_id(trust->keys[i]) == line->key_id &&
            ks_bytes_equal(ks_note_key_name(trust->keys[i]), line->name)) {
            return true;
        }
    }
    return false;
}

enum ks_err ks_cosign_take(struct ks_bytes text, struct ks_bytes answer,
                           const struct ks_note_trust *trust, struct ks_buf *out_lines)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_note_verdict verdict;
    struct ks_buf whole;

    ks_buf_init(&whole, KS_NOTE_LEN_MAX);
    for (size_t i = 0; i < trust->count; i++) {
        KS_CHECK(ks_note_key_type(trust->keys[i]) != KS_NOTE_ED25519, KS_ERR_USAGE,
                 "cosignature: key %08" PRIx32 " is no cosigner's",
                 ks_note_key_id(trust->keys[i]));
    }
    ks_buf_put(&whole, text);
    ks_buf_put_text(&whole, "\n");
    ks_buf_put(&whole, answer);
    KS_TRY(ks_buf_check(&whole));
    KS_TRY(ks_note_parse(ks_buf_view(&whole), &note));
    /* The answer may hold a blank line, and then what was parsed is another text. */
    KS_CHECK(ks_bytes_equal(note.text, text), KS_ERR_FORMAT,
             "cosignature: the answer is more than signature lines");
    KS_TRY(ks_note_verify(&note, trust, &verdict));
    for (size_t i = 0; i < note.count; i++) {
        if (is_known(trust, &note.lines[i])) {
            ks_note_print_line(&note.lines[i], out_lines);
        }
    }
    KS_TRY(ks_buf_check(out_lines));
out:
    ks_note_done(&note);
    ks_buf_done(&whole);
    return err;
}

enum ks_err ks_cosign_size_parse(struct ks_bytes body, uint64_t *out_size)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(body, "witness's size");
    struct ks_bytes line;

    KS_TRY(ks_read_line(&reader, &line));
    KS_TRY(ks_read_end(&reader));
    err = ks_text_u64(line, KS_MERKLE_SIZE_MAX, out_size);
    KS_TRY(ks_fail_prefix(err, "witness's size"));
out:
    return err;
}

size_t ks_cosign_count(const struct ks_note_trust *trust, const struct ks_note_verdict *verdict)
{
    size_t count = 0;

    for (size_t i = 0; i < trust->count; i++) {
        bool counted = !verdict->has_signed[i];

        for (size_t k = 0; k < i && !counted; k++) {
            counted =
                verdict->has_signed[k] && ks_bytes_equal(ks_note_key_name(trust->keys[k]),
                                                         ks_note_key_name(trust->keys[i]));
        }
        count += counted ? 0 : 1;
    }
    return count;
}
