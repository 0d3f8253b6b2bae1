/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* attach OPERATOR URL FILE: sends the parts of an attachment that are in FILE, whatever they
 * say, and prints the site's answer. */
#include <stdio.h>

#include "base/sys.h"
#include "client/operator.h"

#define FILE_MAX 524288

static enum ks_err send_file(const char *directory, const char *url, const char *path,
                             struct ks_buf *out)
{
    static const struct ks_json_limits limits = {.len_max = FILE_MAX, .nodes_max = 4096};
    const struct ks_operator_spec spec = {.directory = directory, .url = url};
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_json_doc *doc = NULL;
    struct ks_attachment attachment = {0};
    struct ks_buf text;
    struct ks_buf anchor;
    struct ks_buf stamp;
    const struct ks_json *root = NULL;

    ks_buf_init(&text, FILE_MAX);
    ks_buf_init(&anchor, FILE_MAX);
    ks_buf_init(&stamp, FILE_MAX);
    KS_TRY(ks_file_read(path, FILE_MAX, &text));
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
    KS_TRY(ks_operator_attach(op, &attachment, out));
out:
    ks_operator_close(op);
    ks_json_doc_free(doc);
    ks_buf_done(&text);
    ks_buf_done(&anchor);
    ks_buf_done(&stamp);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    ks_buf_init(&out, 65536);
    err = argc == 4 ? send_file(argv[1], argv[2], argv[3], &out)
                    : ks_fail(KS_ERR_USAGE, "usage: attach OPERATOR URL FILE");
    if (err == KS_OK) {
        (void)printf("%.*s\n", (int)out.len, (const char *)out.data);
    } else {
        (void)fprintf(stderr, "attach: %s\n", ks_err_detail());
    }
    ks_buf_done(&out);
    return ks_err_exit_code(err);
}
