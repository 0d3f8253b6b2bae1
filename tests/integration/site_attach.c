/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Attachments for a site's checkpoint, well-formed ones of a chain and an authority that are
 * made here (tests/unit/attach_fixture.h), and their sending:
 *
 *   site_attach make NOTE_FILE anchor BLOCK     the document on standard output: an anchor in
 * that block site_attach make NOTE_FILE stamp SECOND     the same with a time stamp site_attach
 * make NOTE_FILE false BLOCK      an anchor of another digest site_attach send OPERATOR URL
 * FILE          as `ketseal anchor publish` sends it; prints the site's answer */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach_fixture.h"
#include "base/sys.h"
#include "base/text.h"
#include "client/operator.h"

static enum ks_err make(const char *note_file, const char *what, const char *number)
{
    enum ks_err err = KS_OK;
    struct anchor_place place = {.chain_id = 31337, .time_s = FIXTURE_NOW_S};
    struct ks_attachment attachment = {0};
    struct stamp_authority authority;
    uint8_t digest[32];
    struct ks_buf note;
    struct ks_buf part;
    struct ks_buf out;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    ks_buf_init(&part, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&out, KS_ATTACHMENT_BYTES_MAX);
    KS_TRY(ks_text_u64(ks_bytes_text(number), 100000, &place.number));
    KS_TRY(ks_file_read(note_file, KS_NOTE_LEN_MAX, &note));
    KS_TRY(
        ks_inclusion_digest(&(struct ks_inclusion){.checkpoint = ks_buf_view(&note)}, digest));
    digest[0] ^= strcmp(what, "false") == 0 ? 1 : 0;
    attachment.checkpoint = ks_buf_view(&note);
    if (strcmp(what, "stamp") == 0) {
        stamp_authority_make(&authority);
        stamp_make(&authority, digest, FIXTURE_NOW_S + place.number, &part);
        stamp_authority_free(&authority);
        attachment.timestamp = ks_buf_view(&part);
    } else {
        anchor_make(&place, digest, &part);
        attachment.anchor = ks_buf_view(&part);
    }
    ks_attachment_write(&attachment, &out);
    KS_TRY(ks_buf_check(&out));
    KS_TRY(ks_fd_write(STDOUT_FILENO, ks_buf_view(&out), "standard output"));
out:
    ks_buf_done(&note);
    ks_buf_done(&part);
    ks_buf_done(&out);
    return err;
}

/* The parts that are in the file, whatever they say: the site is to judge them. */
static enum ks_err send_file(const char *directory, const char *url, const char *path)
{
    static const struct ks_json_limits limits = {.len_max = KS_ATTACHMENT_BYTES_MAX,
                                                 .nodes_max = 4096};
    const struct ks_operator_spec spec = {.directory = directory, .url = url};
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_json_doc *doc = NULL;
    struct ks_attachment attachment = {0};
    struct ks_buf text;
    struct ks_buf anchor;
    struct ks_buf stamp;
    struct ks_buf answer;
    const struct ks_json *root = NULL;

    ks_buf_init(&text, KS_ATTACHMENT_BYTES_MAX);
    ks_buf_init(&anchor, KS_ATTACHMENT_BYTES_MAX);
    ks_buf_init(&stamp, KS_ATTACHMENT_BYTES_MAX);
    ks_buf_init(&answer, 65536);
    KS_TRY(ks_file_read(path, KS_ATTACHMENT_BYTES_MAX, &text));
    KS_TRY(ks_json_parse(ks_buf_view(&text), &limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get_string(root, "checkpoint", &attachment.checkpoint));
    if (ks_json_find(root, "anchor") != NULL) {
        ks_json_canonical(ks_json_find(root, "anchor"), &anchor);
        attachment.anchor = ks_buf_view(&anchor);
    }
    if (ks_json_find(root, "timestamp") != NULL) {
        KS_TRY(ks_json_get_base64(root, "timestamp", &stamp));
        attachment.timestamp = ks_buf_view(&stamp);
    }
    KS_TRY(ks_operator_open(&spec, &op));
    KS_TRY(ks_operator_attach(op, &attachment, &answer));
    (void)printf("%.*s\n", (int)answer.len, (const char *)answer.data);
out:
    ks_operator_close(op);
    ks_json_doc_free(doc);
    ks_buf_done(&text);
    ks_buf_done(&anchor);
    ks_buf_done(&stamp);
    ks_buf_done(&answer);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;

    if (argc == 5 && strcmp(argv[1], "make") == 0) {
        err = make(argv[2], argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "send") == 0) {
        err = send_file(argv[2], argv[3], argv[4]);
    } else {
        err = ks_fail(KS_ERR_USAGE, "usage: site_attach make|send …");
    }
    if (err != KS_OK) {
        (void)fprintf(stderr, "site_attach: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
