/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Members that documents have in common, and the signed form: {"body":…,"signature":…}. */

#include "record/internal.h"

void ks_document_put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

enum ks_err ks_document_get_time(const struct ks_json *object, const char *name,
                                 uint64_t *out_time_us)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_TRY(ks_fail_prefix(ks_time_parse(text, out_time_us), "'%s'", name));
out:
    return err;
}

enum ks_err ks_document_expect_text(const struct ks_json *object, const char *name,
                                    const char *text)
{
    enum ks_err err = KS_OK;
    struct ks_bytes value = {0};

    KS_TRY(ks_json_get_string(object, name, &value));
    KS_CHECK(ks_bytes_is(value, text), KS_ERR_FORMAT, "'%s': expected '%s'", name, text);
out:
    return err;
}

enum ks_err ks_document_get_unsigned(const struct ks_json *object, const char *name,
                                     uint32_t *out_value)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    KS_TRY(ks_json_get_u64(object, name, UINT32_MAX, &value));
    *out_value = (uint32_t)value;
out:
    return err;
}

enum ks_err ks_document_schema(const struct ks_json *value, const char *schema,
                               const char *const *names)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "schema", &text));
    KS_CHECK(ks_bytes_is(text, schema), KS_ERR_FORMAT, "'schema': expected %s", schema);
out:
    return err;
}

enum ks_err ks_document_site(const struct ks_json *value, struct ks_bytes *out_site)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_get_string(value, "site", out_site));
    KS_CHECK(out_site->len >= 1 && out_site->len <= KS_ORIGIN_MAX, KS_ERR_LIMIT,
             "'site': 1 to %d bytes", KS_ORIGIN_MAX);
out:
    return err;
}

enum ks_err ks_document_write_signed(struct ks_bytes body, const struct ks_sign_key *key,
                                     const char *context, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf signature;
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_sign(key, context, body, &signature));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "body");
    ks_json_put_canonical(&writer, body);
    ks_json_member_base64(&writer, "signature", ks_buf_view(&signature));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&signature);
    return err;
}

enum ks_err ks_document_read_signed(struct ks_bytes document,
                                    const struct ks_json_limits *limits,
                                    struct ks_json_doc **out_doc,
                                    const struct ks_json **out_body, struct ks_buf *message,
                                    struct ks_buf *signature)
{
    static const char *const names[] = {"body", "signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *body = NULL;

    ks_buf_init(message, limits->len_max);
    ks_buf_init(signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_parse_canonical(document, limits, &doc));
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    KS_TRY(ks_json_get(ks_json_root(doc), "body", KS_JSON_OBJECT, &body));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", signature));
    ks_json_canonical(body, message);
    KS_TRY(ks_buf_check(message));
    *out_doc = doc;
    *out_body = body;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    return err;
}
