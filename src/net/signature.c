/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/signature.h"

#include <string.h>

#include "base/text.h"
#include "crypto/digest.h"

#define LABEL "ketseal"
/* The inner list every signed request has, byte for byte. */
#define COMPONENTS                                                                             \
    "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \"content-digest\" "    \
    "\"ketseal-channel\")"
#define TAG "ketseal-request"

#define COMPONENTS_MAX     32 /* of the generic builder */
#define COMPONENT_NAME_MAX 64
#define TIME_MAX_S         UINT64_C(253402300799) /* end of the year 9999 */

static bool is_one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool is_word(struct ks_bytes text, size_t len_min, size_t len_max, const char *marks)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            !is_one_of(c, marks)) {
            return false;
        }
    }
    return text.len >= len_min && text.len <= len_max;
}

static bool is_nonce(struct ks_bytes text)
{
    return is_word(text, KS_SIGNATURE_NONCE_MIN, KS_SIGNATURE_NONCE_MAX, "+/=_-");
}

static bool is_key_id(struct ks_bytes text)
{
    return is_word(text, 1, KS_SIGNATURE_KEYID_MAX, "._:-");
}

/* --- a cursor over one field's value ------------------------------------------------------ */

/* Consumes the literal TEXT, or leaves READER as it was. */
static bool skip(struct ks_reader *reader, const char *text)
{
    size_t len = strlen(text);
    struct ks_bytes got;

    if (reader->rest.len < len ||
        !ks_bytes_equal(ks_bytes_of(reader->rest.data, len), ks_bytes_text(text))) {
        return false;
    }
    return ks_read_bytes(reader, len, &got) == KS_OK;
}

/* The text before the first STOP, which is consumed as well. */
static bool until(struct ks_reader *reader, uint8_t stop, struct ks_bytes *out_text)
{
    uint8_t mark = 0;
    size_t len = 0;

    while (len < reader->rest.len && reader->rest.data[len] != stop) {
        len++;
    }
    return len < reader->rest.len && ks_read_bytes(reader, len, out_text) == KS_OK &&
           ks_read_u8(reader, &mark) == KS_OK;
}

/* Decimal digits in front; what follows stays. */
static bool integer(struct ks_reader *reader, uint64_t *out_value)
{
    struct ks_bytes digits;
    size_t len = 0;

    while (len < reader->rest.len && is_one_of(reader->rest.data[len], "0123456789")) {
        len++;
    }
    return ks_read_bytes(reader, len, &digits) == KS_OK &&
           ks_text_u64(digits, TIME_MAX_S, out_value) == KS_OK;
}

/* PREFIX `:` base64 of 32 bytes `:` and nothing else. */
static enum ks_err parse_bytes(struct ks_bytes value, const char *prefix, const char *what,
                               uint8_t target[32])
{
    struct ks_reader reader = ks_reader_of(value, what);
    struct ks_bytes text;

    if (!skip(&reader, prefix) || !skip(&reader, ":") || !until(&reader, ':', &text) ||
        reader.rest.len != 0 || ks_base64_decode_exact(text, target, 32) != KS_OK) {
        return ks_fail(KS_ERR_FORMAT, "%s: expected '%s:base64 of 32 bytes:'", what, prefix);
    }
    return KS_OK;
}

/* --- the base --------------------------------------------------------------------------------
 */

/* Host in lower case, without the port that https means anyway (RFC 9421 §2.2.3). */
static void put_authority(struct ks_bytes host, struct ks_buf *out)
{
    static const char port[] = ":443";
    size_t len = host.len;

    if (len > sizeof port - 1 &&
        ks_bytes_is(ks_bytes_of(host.data + len - (sizeof port - 1), sizeof port - 1), port)) {
        len -= sizeof port - 1;
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t c = host.data[i];
        ks_buf_put_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c);
    }
}

/* All fields of one name, joined (RFC 9421 §2.1). */
static enum ks_err put_field(const struct ks_http_head *head, const char *name,
                             struct ks_buf *out)
{
    size_t len = strlen(name);
    bool found = false;

    for (size_t i = 0; i < head->field_count; i++) {
        const struct ks_http_field *field = &head->fields[i];
        bool same = field->name.len == len;
        for (size_t j = 0; same && j < len; j++) {
            uint8_t c = field->name.data[j];
            same = (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) == (uint8_t)name[j];
        }
        if (!same) {
            continue;
        }
        if (found) {
            ks_buf_put_text(out, ", ");
        }
        ks_buf_put(out, field->value);
        found = true;
    }
    if (!found) {
        return ks_fail(KS_ERR_FORMAT, "signature base: the head has no '%s'", name);
    }
    return KS_OK;
}

static enum ks_err put_component(const struct ks_http_head *head, const char *name,
                                 struct ks_buf *out)
{
    ks_buf_put_format(out, "\"%s\": ", name);
    if (strcmp(name, "@method") == 0) {
        ks_buf_put(out, head->method);
    } else if (strcmp(name, "@authority") == 0) {
        put_authority(head->host, out);
    } else if (strcmp(name, "@path") == 0) {
        ks_buf_put(out, head->path);
    } else if (strcmp(name, "@query") == 0) {
        ks_buf_put(out, head->query.len > 0 ? head->query : KS_LITERAL("?"));
    } else if (strcmp(name, "@scheme") == 0) {
        ks_buf_put_text(out, "https");
    } else if (strcmp(name, "@request-target") == 0) {
        ks_buf_put(out, head->target);
    } else if (strcmp(name, "@target-uri") == 0) {
        ks_buf_put_text(out, "https://");
        put_authority(head->host, out);
        ks_buf_put(out, head->target);
    } else if (name[0] == '@') {
        return ks_fail(KS_ERR_FORMAT, "signature base: unknown component '%s'", name);
    } else {
        enum ks_err err = put_field(head, name, out);
        if (err != KS_OK) {
            return err;
        }
    }
    ks_buf_put_u8(out, '\n');
    return KS_OK;
}

/* One component name in quotes; lower case, no parameters. */
static enum ks_err read_component(struct ks_reader *reader, char name[COMPONENT_NAME_MAX + 1])
{
    struct ks_bytes text;
    bool good = skip(reader, "\"") && until(reader, '"', &text);

    if (good && text.len > 0 && text.data[0] == '@') {
        good =
            is_word(ks_bytes_of(text.data + 1, text.len - 1), 1, COMPONENT_NAME_MAX - 1, "-");
    } else {
        good = good && text.len <= COMPONENT_NAME_MAX && ks_http_is_token(text);
    }
    for (size_t i = 0; good && i < text.len; i++) {
        good = !(text.data[i] >= 'A' && text.data[i] <= 'Z');
    }
    if (!good) {
        return ks_fail(KS_ERR_FORMAT, "signature parameters: bad component name");
    }
    ks_copy(name, text.data, text.len);
    name[text.len] = 0;
    return KS_OK;
}

enum ks_err ks_signature_base(const struct ks_http_head *head, struct ks_bytes params,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char names[COMPONENTS_MAX][COMPONENT_NAME_MAX + 1];
    size_t count = 0;
    struct ks_reader reader = ks_reader_of(params, "signature parameters");

    KS_CHECK(params.len <= KS_SIGNATURE_PARAMS_MAX && ks_http_is_value(params), KS_ERR_FORMAT,
             "signature parameters: not a field value, or over %d bytes",
             KS_SIGNATURE_PARAMS_MAX);
    KS_CHECK(skip(&reader, "("), KS_ERR_FORMAT, "signature parameters: no '('");
    while (!skip(&reader, ")")) {
        KS_CHECK(count == 0 || skip(&reader, " "), KS_ERR_FORMAT,
                 "signature parameters: expected ' ' or ')' after component %zu", count);
        KS_CHECK(count < COMPONENTS_MAX, KS_ERR_LIMIT,
                 "signature parameters: over %d components", COMPONENTS_MAX);
        KS_TRY(read_component(&reader, names[count]));
        for (size_t i = 0; i < count; i++) {
            KS_CHECK(strcmp(names[i], names[count]) != 0, KS_ERR_FORMAT,
                     "signature parameters: component '%s' is repeated", names[i]);
        }
        KS_TRY(put_component(head, names[count], out));
        count++;
    }
    KS_CHECK(reader.rest.len == 0 || reader.rest.data[0] == ';', KS_ERR_FORMAT,
             "signature parameters: expected ';' after the components");
    ks_buf_put_text(out, "\"@signature-params\": ");
    ks_buf_put(out, params);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

/* --- parsing ---------------------------------------------------------------------------------
 */

/* COMPONENTS;created=…;expires=…;nonce="…";keyid="…";tag="…" and nothing else. */
static enum ks_err parse_params(struct ks_bytes params, struct ks_signature *signature)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(params, "Signature-Input");

    KS_CHECK(params.len <= KS_SIGNATURE_PARAMS_MAX, KS_ERR_LIMIT,
             "Signature-Input: over %d bytes", KS_SIGNATURE_PARAMS_MAX);
    KS_CHECK(skip(&reader, COMPONENTS), KS_ERR_FORMAT,
             "Signature-Input: the components must be %s", COMPONENTS);
    KS_CHECK(skip(&reader, ";created=") && integer(&reader, &signature->created), KS_ERR_FORMAT,
             "Signature-Input: bad or missing 'created'");
    KS_CHECK(skip(&reader, ";expires=") && integer(&reader, &signature->expires), KS_ERR_FORMAT,
             "Signature-Input: bad or missing 'expires'");
    KS_CHECK(skip(&reader, ";nonce=\"") && until(&reader, '"', &signature->nonce) &&
                 is_nonce(signature->nonce),
             KS_ERR_FORMAT, "Signature-Input: bad or missing 'nonce'");
    KS_CHECK(skip(&reader, ";keyid=\"") && until(&reader, '"', &signature->key_id) &&
                 is_key_id(signature->key_id),
             KS_ERR_FORMAT, "Signature-Input: bad or missing 'keyid'");
    KS_CHECK(skip(&reader, ";tag=\"" TAG "\""), KS_ERR_FORMAT,
             "Signature-Input: 'tag' must be \"%s\"", TAG);
    KS_CHECK(reader.rest.len == 0, KS_ERR_FORMAT, "Signature-Input: bytes after 'tag'");
    signature->params = params;
out:
    return err;
}

enum ks_err ks_signature_parse(const struct ks_http_head *head,
                               struct ks_signature *out_signature)
{
    enum ks_err err = KS_OK;
    struct ks_signature signature = {0};
    struct ks_bytes input;
    struct ks_bytes value;
    struct ks_bytes channel;
    struct ks_reader reader;

    KS_TRY(ks_http_head_get(head, "signature-input", &input));
    KS_TRY(ks_http_head_get(head, "signature", &value));
    KS_TRY(ks_http_head_get(head, "ketseal-channel", &channel));
    reader = ks_reader_of(input, "Signature-Input");
    KS_CHECK(skip(&reader, LABEL "="), KS_ERR_FORMAT, "Signature-Input: the label must be '%s'",
             LABEL);
    KS_TRY(parse_params(reader.rest, &signature));
    KS_TRY(parse_bytes(value, LABEL "=", "Signature", signature.tag));
    KS_TRY(parse_bytes(channel, "", "Ketseal-Channel", signature.channel));
    *out_signature = signature;
out:
    return err;
}

/* --- checking --------------------------------------------------------------------------------
 */

static enum ks_err make_tag(const struct ks_http_head *head, struct ks_bytes params,
                            struct ks_bytes key, uint8_t out_tag[KS_SIGNATURE_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf base;

    ks_buf_init(&base, KS_SIGNATURE_BASE_MAX);
    KS_CHECK(key.len >= KS_SIGNATURE_KEY_LEN_MIN, KS_ERR_USAGE,
             "HMAC key of %zu bytes, at least %d are needed", key.len,
             KS_SIGNATURE_KEY_LEN_MIN);
    KS_TRY(ks_signature_base(head, params, &base));
    ks_hmac_sha256(key, ks_buf_view(&base), out_tag);
out:
    ks_buf_done(&base);
    return err;
}

enum ks_err ks_signature_check(const struct ks_http_head *head,
                               const struct ks_signature *signature, struct ks_bytes key,
                               uint64_t now_s)
{
    enum ks_err err = KS_OK;
    uint8_t tag[KS_SIGNATURE_LEN] = {0};

    KS_TRY(make_tag(head, signature->params, key, tag));
    KS_CHECK(ks_ct_equal(KS_BYTES(tag), KS_BYTES(signature->tag)), KS_ERR_VERIFY,
             "request signature: not made with this key over this request");
    KS_CHECK(signature->created < signature->expires &&
                 signature->expires - signature->created <= KS_SIGNATURE_LIFE_MAX_S,
             KS_ERR_VERIFY, "request signature: life is not within 1..%d seconds",
             KS_SIGNATURE_LIFE_MAX_S);
    KS_CHECK(signature->created <= now_s ||
                 signature->created - now_s <= KS_SIGNATURE_SKEW_MAX_S,
             KS_ERR_VERIFY, "request signature: created in the future");
    KS_CHECK(now_s < signature->expires, KS_ERR_VERIFY, "request signature: expired");
out:
    ks_wipe(tag, sizeof tag);
    return err;
}

void ks_digest_put(struct ks_bytes body, struct ks_buf *out)
{
    uint8_t digest[KS_SHA256_LEN];

    ks_sha256(body, digest);
    ks_buf_put_text(out, "sha-256=:");
    ks_buf_put_base64(out, KS_BYTES(digest));
    ks_buf_put_u8(out, ':');
}

enum ks_err ks_digest_check(const struct ks_http_head *head, struct ks_bytes body)
{
    enum ks_err err = KS_OK;
    struct ks_bytes value;
    uint8_t stated[KS_SHA256_LEN];
    uint8_t digest[KS_SHA256_LEN];

    KS_TRY(ks_http_head_get(head, "content-digest", &value));
    KS_TRY(parse_bytes(value, "sha-256=", "Content-Digest", stated));
    ks_sha256(body, digest);
    KS_CHECK(ks_ct_equal(KS_BYTES(stated), KS_BYTES(digest)), KS_ERR_VERIFY,
             "Content-Digest: the body is another one");
out:
    return err;
}

/* --- making ----------------------------------------------------------------------------------
 */

/* Moves a finished text to a fixed place. */
static enum ks_err take_text(struct ks_buf *text, char *target, size_t size)
{
    enum ks_err err = ks_buf_check(text);

    if (err == KS_OK && text->len >= size) {
        err = ks_fail(KS_ERR_LIMIT, "signature field over %zu bytes", size);
    }
    if (err == KS_OK) {
        ks_copy(target, text->data, text->len);
        target[text->len] = 0;
    }
    ks_buf_clear(text);
    return err;
}

/* Writes the head that SPEC describes, fields of the signature included as far as they are
 * known, so that what is signed went through the same parser as what is checked. */
static enum ks_err put_head(const struct ks_signature_spec *spec,
                            const struct ks_signature_fields *fields, struct ks_buf *out)
{
    ks_buf_put_format(out, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n", spec->method,
                      spec->target, spec->authority, spec->content_type);
    ks_buf_put_format(out, "Content-Digest: %s\r\nKetseal-Channel: %s\r\n",
                      fields->content_digest, fields->channel);
    ks_buf_put_format(out, "Signature-Input: %s\r\nSignature: %s\r\n\r\n", fields->input,
                      fields->signature);
    return ks_buf_check(out);
}

static enum ks_err make_plain_fields(const struct ks_signature_spec *spec, struct ks_buf *text,
                                     struct ks_signature_fields *fields)
{
    enum ks_err err = KS_OK;

    ks_digest_put(spec->body, text);
    KS_TRY(take_text(text, fields->content_digest, sizeof fields->content_digest));
    ks_buf_put_u8(text, ':');
    ks_buf_put_base64(text, KS_BYTES(spec->channel));
    ks_buf_put_u8(text, ':');
    KS_TRY(take_text(text, fields->channel, sizeof fields->channel));
    ks_buf_put_format(text, LABEL "=" COMPONENTS ";created=%llu;expires=%llu",
                      (unsigned long long)spec->created, (unsigned long long)spec->expires);
    ks_buf_put_format(text, ";nonce=\"%s\";keyid=\"%s\";tag=\"" TAG "\"", spec->nonce,
                      spec->key_id);
    KS_TRY(take_text(text, fields->input, sizeof fields->input));
out:
    return err;
}

static enum ks_err make_signature(struct ks_bytes tag, struct ks_buf *text,
                                  struct ks_signature_fields *fields)
{
    ks_buf_put_text(text, LABEL "=:");
    ks_buf_put_base64(text, tag);
    ks_buf_put_u8(text, ':');
    return take_text(text, fields->signature, sizeof fields->signature);
}

enum ks_err ks_signature_make(const struct ks_signature_spec *spec, struct ks_bytes key,
                              struct ks_signature_fields *out_fields)
{
    enum ks_err err = KS_OK;
    struct ks_signature_fields fields = {0};
    struct ks_signature signature;
    struct ks_http_head head;
    struct ks_buf raw;
    struct ks_buf text;
    uint8_t tag[KS_SIGNATURE_LEN] = {0};

    ks_buf_init(&raw, KS_HTTP_HEAD_MAX);
    ks_buf_init(&text, KS_SIGNATURE_PARAMS_MAX);
    /* Else a line break in one of them would add fields of its own. */
    KS_CHECK(ks_http_is_value(ks_bytes_text(spec->target)) &&
                 ks_http_is_value(ks_bytes_text(spec->authority)) &&
                 ks_http_is_value(ks_bytes_text(spec->content_type)) &&
                 ks_http_is_value(ks_bytes_text(spec->nonce)) &&
                 ks_http_is_value(ks_bytes_text(spec->key_id)),
             KS_ERR_USAGE, "cannot sign this request: control characters in it");
    KS_TRY(make_plain_fields(spec, &text, &fields));
    KS_TRY(make_signature(KS_BYTES(tag), &text, &fields)); /* holds the place */
    KS_TRY(put_head(spec, &fields, &raw));
    if (ks_http_head_parse(ks_buf_view(&raw), 0, &head) != KS_OK ||
        ks_signature_parse(&head, &signature) != KS_OK) {
        err = ks_fail_prefix(KS_ERR_USAGE, "cannot sign this request");
        goto out;
    }
    KS_TRY(make_tag(&head, signature.params, key, tag));
    KS_TRY(make_signature(KS_BYTES(tag), &text, &fields));
    *out_fields = fields;
out:
    ks_wipe(tag, sizeof tag);
    ks_buf_done(&text);
    ks_buf_done(&raw);
    return err;
}
