/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/tls_file.h"

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"

#define SCHEMA "ketseal.tls/1"

/* Member NAME, if it is there, 1 to SIZE - 1 characters without NUL. */
static enum ks_err read_text(const struct ks_json *root, const char *name, char *target,
                             size_t size)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    if (ks_json_find(root, name) == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get_string(root, name, &text));
    KS_CHECK(text.len >= 1 && text.len < size, KS_ERR_FORMAT, "'%s': 1 to %zu characters", name,
             size - 1);
    for (size_t i = 0; i < text.len; i++) {
        KS_CHECK(text.data[i] > ' ' && text.data[i] <= '~', KS_ERR_FORMAT,
                 "'%s': printable ASCII without spaces", name);
    }
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
out:
    return err;
}

static enum ks_err read_members(const struct ks_json *root, struct ks_tls_file *file)
{
    static const char *const names[] = {"groups", "schema", "signature_algorithms", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    uint32_t algs = 0;

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, SCHEMA), KS_ERR_FORMAT, "'schema': expected " SCHEMA);
    KS_TRY(read_text(root, "groups", file->groups, sizeof file->groups));
    KS_TRY(read_text(root, "signature_algorithms", file->sigalgs, sizeof file->sigalgs));
    err = ks_sigalgs_parse(ks_tls_file_text(file->sigalgs), &algs);
    KS_TRY(err == KS_ERR_USAGE ? ks_fail_prefix(KS_ERR_FORMAT, "'signature_algorithms'") : err);
out:
    return err;
}

const char *ks_tls_file_text(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

enum ks_err ks_tls_file_parse(struct ks_bytes text, struct ks_tls_file *out_file)
{
    static const struct ks_json_limits limits = {.len_max = KS_TLS_FILE_MAX, .nodes_max = 16};
    enum ks_err err = KS_OK;
    struct ks_tls_file file = {{0}};
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(text, &limits, &doc));
    KS_TRY(read_members(ks_json_root(doc), &file));
    *out_file = file;
out:
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_tls_file_read(const char *directory, struct ks_tls_file *out_file)
{
    enum ks_err err = KS_OK;
    struct ks_tls_file file = {{0}};
    struct ks_buf text;
    char path[KS_PATH_MAX];

    ks_buf_init(&text, KS_TLS_FILE_MAX);
    KS_TRY(ks_path_join(directory, KS_TLS_FILE, path));
    err = ks_file_read(path, KS_TLS_FILE_MAX, &text);
    if (err == KS_ERR_NOT_FOUND) {
        err = KS_OK;
    } else {
        KS_TRY(err);
        KS_TRY(ks_fail_prefix(ks_tls_file_parse(ks_buf_view(&text), &file), "%s", path));
    }
    *out_file = file;
out:
    ks_buf_done(&text);
    return err;
}
