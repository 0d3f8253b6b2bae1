/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/etsi014.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define PREFIX "/api/v1/keys/"

static const char *const method_names[] = {
    [KS_ETSI014_STATUS] = "status",
    [KS_ETSI014_ENC_KEYS] = "enc_keys",
    [KS_ETSI014_DEC_KEYS] = "dec_keys",
};
#define METHODS (sizeof method_names / sizeof method_names[0])

/* Each encoded byte takes three characters. */
_Static_assert(sizeof PREFIX + 3 * KS_ETSI014_SAE_MAX +
                       sizeof "/enc_keys?key_ID=" + KS_ETSI014_ID_TEXT_LEN <=
                   KS_ETSI014_TARGET_MAX,
               "a path and its query");

/* --- names -------------------------------------------------------------------------------- */

void ks_etsi014_id_text(const struct ks_etsi014_id *id, char target[KS_ETSI014_ID_TEXT_LEN + 1])
{
    char hex[2 * sizeof id->bytes + 1];

    ks_hex_encode(KS_BYTES(id->bytes), hex);
    (void)snprintf(target, KS_ETSI014_ID_TEXT_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex,
                   hex + 8, hex + 12, hex + 16, hex + 20);
}

enum ks_err ks_etsi014_id_parse(struct ks_bytes text, struct ks_etsi014_id *out_id)
{
    uint8_t hex[2 * sizeof out_id->bytes];
    size_t count = 0;

    if (text.len != KS_ETSI014_ID_TEXT_LEN) {
        return ks_fail(KS_ERR_FORMAT, "key_ID: %zu characters where a UUID has %d", text.len,
                       KS_ETSI014_ID_TEXT_LEN);
    }
    for (size_t i = 0; i < text.len; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const uint8_t letter = text.data[i];

        if (dash != (letter == '-')) {
            return ks_fail(KS_ERR_FORMAT, "key_ID: no UUID");
        }
        if (!dash) {
            hex[count] = letter >= 'A' && letter <= 'F' ? letter - 'A' + 'a' : letter;
            count++;
        }
    }
    return ks_fail_prefix(ks_hex_decode(KS_BYTES(hex), out_id->bytes, sizeof out_id->bytes),
                          "key_ID");
}

bool ks_etsi014_id_equal(const struct ks_etsi014_id *a, const struct ks_etsi014_id *b)
{
    return ks_bytes_equal(KS_BYTES(a->bytes), KS_BYTES(b->bytes));
}

enum ks_err ks_etsi014_sae_parse(struct ks_bytes text, struct ks_etsi014_sae *out_sae)
{
    if (text.len == 0 || text.len > KS_ETSI014_SAE_MAX) {
        return ks_fail(KS_ERR_FORMAT, "an SAE id of %zu characters, expected 1 to %d", text.len,
                       KS_ETSI014_SAE_MAX);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return ks_fail(KS_ERR_FORMAT, "an SAE id with a character that is not printable "
                                          "ASCII");
        }
    }
    ks_zero(out_sae, sizeof *out_sae);
    ks_copy(out_sae->text, text.data, text.len);
    return KS_OK;
}

static bool is_unreserved(uint8_t letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || (letter != '\0' && strchr("-._~", letter));
}

void ks_etsi014_path_put(struct ks_buf *out, const struct ks_etsi014_sae *sae,
                         enum ks_etsi014_method method)
{
    KS_ASSERT((size_t)method < METHODS);
    ks_buf_put_text(out, PREFIX);
    for (const char *at = sae->text; *at != '\0'; at++) {
        const uint8_t letter = (uint8_t)*at;

        if (is_unreserved(letter)) {
            ks_buf_put_u8(out, letter);
        } else {
            ks_buf_put_format(out, "%%%02X", letter);
        }
    }
    ks_buf_put_text(out, "/");
    ks_buf_put_text(out, method_names[method]);
}

static int hex_digit(uint8_t letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    if ((letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F')) {
        return (letter | 0x20) - 'a' + 10;
    }
    return -1;
}

/* RFC 3986 section 2.1; what stands for itself may be encoded too. */
static enum ks_err sae_decode(struct ks_bytes text, struct ks_etsi014_sae *out_sae)
{
    uint8_t decoded[KS_ETSI014_SAE_MAX];
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++, len++) {
        int value = text.data[i];

        if (len == sizeof decoded) {
            return ks_fail(KS_ERR_FORMAT, "an SAE id of more than %d characters",
                           KS_ETSI014_SAE_MAX);
        }
        if (value == '%') {
            const int high = text.len - i > 2 ? hex_digit(text.data[i + 1]) : -1;
            const int low = text.len - i > 2 ? hex_digit(text.data[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return ks_fail(KS_ERR_FORMAT, "an SAE id with a bad percent-encoding");
            }
            value = high * 16 + low;
            i += 2;
        }
        decoded[len] = (uint8_t)value;
    }
    return ks_etsi014_sae_parse(ks_bytes_of(decoded, len), out_sae);
}

enum ks_err ks_etsi014_path_parse(struct ks_bytes path, struct ks_etsi014_sae *out_sae,
                                  enum ks_etsi014_method *out_method)
{
    const struct ks_bytes prefix = KS_LITERAL(PREFIX);
    size_t start = prefix.len;
    size_t end = start;

    if (path.len < prefix.len || !ks_bytes_equal(ks_bytes_of(path.data, prefix.len), prefix)) {
        return ks_fail(KS_ERR_NOT_FOUND, "no such resource");
    }
    while (end < path.len && path.data[end] != '/') {
        end++;
    }
    for (size_t method = 0; method < METHODS; method++) {
        if (end < path.len && ks_bytes_is(ks_bytes_of(path.data + end + 1, path.len - end - 1),
                                          method_names[method])) {
            const enum ks_err err =
                sae_decode(ks_bytes_of(path.data + start, end - start), out_sae);

            if (err == KS_OK) {
                *out_method = (enum ks_etsi014_method)method;
            }
            return err;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "no such resource");
}

/* --- errors ------------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *message;
} refusals[] = {
#define REFUSAL_ROW(name, status, message) [KS_ETSI014_##name] = {(status), (message)},
    KS_ETSI014_REFUSAL_LIST(REFUSAL_ROW)
#undef REFUSAL_ROW
};
#define REFUSALS (sizeof refusals / sizeof refusals[0])

int ks_etsi014_refusal_status(enum ks_etsi014_refusal refusal)
{
    KS_ASSERT((size_t)refusal < REFUSALS);
    return refusals[refusal].status;
}

const char *ks_etsi014_refusal_message(enum ks_etsi014_refusal refusal)
{
    KS_ASSERT((size_t)refusal < REFUSALS);
    return refusals[refusal].message;
}

void ks_etsi014_error_set(struct ks_etsi014_error *error, enum ks_etsi014_refusal refusal,
                          const char *name, const char *detail)
{
    KS_ASSERT((name == NULL) == (detail == NULL));
    ks_zero(error, sizeof *error);
    error->refusal = refusal;
    error->name = name;
    ks_text_shown(ks_bytes_text(ks_etsi014_refusal_message(refusal)), error->message,
                  sizeof error->message);
    if (detail != NULL) {
        ks_text_shown(ks_bytes_text(detail), error->detail, sizeof error->detail);
    }
}

void ks_etsi014_error_put(struct ks_buf *out, const struct ks_etsi014_error *error)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (error->name != NULL) {
        ks_json_put_key(&writer, "details");
        ks_json_put_array(&writer);
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, error->name, error->detail);
        ks_json_put_end(&writer);
        ks_json_put_end(&writer);
    }
    ks_json_member_text(&writer, "message", error->message);
    ks_json_put_end(&writer);
}

/* The first entry of DETAILS, as JSON. */
static void show_details(const struct ks_json *details, char detail[KS_ETSI014_TEXT_MAX])
{
    struct ks_buf text;

    if (ks_json_type(details) != KS_JSON_ARRAY || ks_json_count(details) == 0) {
        return;
    }
    ks_buf_init(&text, KS_ETSI014_ANSWER_MAX);
    ks_json_canonical(ks_json_at(details, 0), &text);
    if (text.err == KS_OK) {
        ks_text_shown(ks_buf_view(&text), detail, KS_ETSI014_TEXT_MAX);
    }
    ks_buf_done(&text);
}

/* Of code 400 the standard's own words say which; others are simply bad requests. */
static enum ks_etsi014_refusal refusal_of(int status, struct ks_bytes message)
{
    for (size_t i = 0; i < REFUSALS; i++) {
        if (refusals[i].status == status &&
            (status != 400 || ks_bytes_is(message, refusals[i].message))) {
            return (enum ks_etsi014_refusal)i;
        }
    }
    return KS_ETSI014_BAD_REQUEST;
}

enum ks_err ks_etsi014_error_parse(int status, struct ks_bytes body,
                                   struct ks_etsi014_error *out_error)
{
    static const struct ks_json_limits limits = {.len_max = KS_ETSI014_ANSWER_MAX,
                                                 .nodes_max = 4096};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_etsi014_error error = {0};
    struct ks_bytes message = {0};
    const struct ks_json *details = NULL;

    KS_CHECK(status == 400 || status == 401 || status == 503, KS_ERR_FORMAT, "HTTP status %d",
             status);
    KS_TRY(ks_json_parse(body, &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "message", &message));
    error.refusal = refusal_of(status, message);
    ks_text_shown(message, error.message, sizeof error.message);
    details = ks_json_find(ks_json_root(doc), "details");
    if (details != NULL) {
        show_details(details, error.detail);
    }
    *out_error = error;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "a key manager's error");
}

/* --- status ------------------------------------------------------------------------------- */

void ks_etsi014_status_put(struct ks_buf *out, const struct ks_etsi014_status *status)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "key_size", status->key_size);
    ks_json_member_text(&writer, "master_SAE_ID", status->master_sae.text);
    ks_json_member_u64(&writer, "max_SAE_ID_count", status->max_sae_id_count);
    ks_json_member_u64(&writer, "max_key_count", status->max_key_count);
    ks_json_member_u64(&writer, "max_key_per_request", status->max_key_per_request);
    ks_json_member_u64(&writer, "max_key_size", status->max_key_size);
    ks_json_member_u64(&writer, "min_key_size", status->min_key_size);
    ks_json_member_text(&writer, "slave_SAE_ID", status->slave_sae.text);
    ks_json_member_text(&writer, "source_KME_ID", status->source_kme.text);
    ks_json_member_u64(&writer, "stored_key_count", status->stored_key_count);
    ks_json_member_text(&writer, "target_KME_ID", status->target_kme.text);
    ks_json_put_end(&writer);
}

static enum ks_err get_name(const struct ks_json *root, const char *name,
                            struct ks_etsi014_sae *out_sae)
{
    struct ks_bytes text = {0};
    const enum ks_err err = ks_json_get_string(root, name, &text);

    return err != KS_OK ? err
                        : ks_fail_prefix(ks_etsi014_sae_parse(text, out_sae), "'%s'", name);
}

static enum ks_err read_status(const struct ks_json *root, struct ks_etsi014_status *status)
{
    const struct {
        const char *name;
        uint64_t *target;
    } numbers[] = {
        {"key_size", &status->key_size},
        {"stored_key_count", &status->stored_key_count},
        {"max_key_count", &status->max_key_count},
        {"max_key_per_request", &status->max_key_per_request},
        {"max_key_size", &status->max_key_size},
        {"min_key_size", &status->min_key_size},
        {"max_SAE_ID_count", &status->max_sae_id_count},
    };
    enum ks_err err = KS_OK;

    KS_TRY(get_name(root, "source_KME_ID", &status->source_kme));
    KS_TRY(get_name(root, "target_KME_ID", &status->target_kme));
    KS_TRY(get_name(root, "master_SAE_ID", &status->master_sae));
    KS_TRY(get_name(root, "slave_SAE_ID", &status->slave_sae));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        KS_TRY(ks_json_get_u64(root, numbers[i].name, KS_JSON_INTEGER_MAX, numbers[i].target));
    }
    KS_CHECK(status->min_key_size <= status->key_size &&
                 status->key_size <= status->max_key_size,
             KS_ERR_FORMAT, "'key_size': not between min_key_size and max_key_size");
out:
    return err;
}

enum ks_err ks_etsi014_status_parse(struct ks_bytes body, struct ks_etsi014_status *out_status)
{
    static const struct ks_json_limits limits = {.len_max = KS_ETSI014_ANSWER_MAX,
                                                 .nodes_max = 4096};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_etsi014_status status = {0};

    KS_TRY(ks_json_parse(body, &limits, &doc));
    KS_TRY(read_status(ks_json_root(doc), &status));
    *out_status = status;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "a key manager's status");
}
