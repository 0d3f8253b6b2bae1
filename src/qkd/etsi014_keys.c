/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Requests for keys, and the keys. */
#include "qkd/etsi014.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"

_Static_assert(KS_ETSI014_SIZE_MAX % 8 == 0, "keys are whole bytes");
_Static_assert(KS_ETSI014_CONTAINER_LEN(KS_ETSI014_KEYS_MAX, KS_ETSI014_KEY_LEN_MAX) <=
                   KS_ETSI014_ANSWER_MAX,
               "the largest container is an answer");

static const struct ks_json_limits request_limits = {.len_max = KS_ETSI014_REQUEST_MAX,
                                                     .nodes_max = 4096};

/* --- get key ------------------------------------------------------------------------------ */

void ks_etsi014_request_put(struct ks_buf *out, const struct ks_etsi014_request *request)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    KS_ASSERT(request->saes <= KS_ETSI014_SAES_MAX);
    ks_json_put_object(&writer);
    if (request->saes > 0) {
        ks_json_put_key(&writer, "additional_slave_SAE_IDs");
        ks_json_put_array(&writer);
        for (size_t i = 0; i < request->saes; i++) {
            ks_json_put_text(&writer, request->additional[i].text);
        }
        ks_json_put_end(&writer);
    }
    if (request->number > 0) {
        ks_json_member_u64(&writer, "number", request->number);
    }
    if (request->size > 0) {
        ks_json_member_u64(&writer, "size", request->size);
    }
    ks_json_put_end(&writer);
}

void ks_etsi014_request_put_query(struct ks_buf *out, const struct ks_etsi014_request *request)
{
    KS_ASSERT(request->saes == 0);
    if (request->number > 0) {
        ks_buf_put_format(out, "?number=%llu", (unsigned long long)request->number);
    }
    if (request->size > 0) {
        ks_buf_put_format(out, "%csize=%llu", request->number > 0 ? '&' : '?',
                          (unsigned long long)request->size);
    }
}

/* Member NAME of what a client sent, or NULL: absent, or null. */
static const struct ks_json *said(const struct ks_json *root, const char *name)
{
    const struct ks_json *value = ks_json_find(root, name);

    return value == NULL || ks_json_type(value) == KS_JSON_NULL ? NULL : value;
}

/* A number of keys or of bits, which is never 0. */
static enum ks_err read_count(const struct ks_json *root, const char *name, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    uint64_t value = 0;

    if (said(root, name) == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get_u64(root, name, KS_JSON_INTEGER_MAX, &value));
    KS_CHECK(value > 0, KS_ERR_FORMAT, "'%s': 0", name);
    *out_value = value;
out:
    return err;
}

static enum ks_err read_saes(const struct ks_json *root, struct ks_etsi014_request *request)
{
    static const char name[] = "additional_slave_SAE_IDs";
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;

    if (said(root, name) == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get(root, name, KS_JSON_ARRAY, &array));
    KS_CHECK(ks_json_count(array) <= KS_ETSI014_SAES_MAX, KS_ERR_LIMIT,
             "'%s': %zu of them, limit %d", name, ks_json_count(array), KS_ETSI014_SAES_MAX);
    for (size_t i = 0; i < ks_json_count(array); i++) {
        struct ks_bytes text = {0};

        KS_TRY(ks_fail_prefix(ks_json_string(ks_json_at(array, i), &text), "'%s'", name));
        KS_TRY(
            ks_fail_prefix(ks_etsi014_sae_parse(text, &request->additional[i]), "'%s'", name));
        for (size_t earlier = 0; earlier < i; earlier++) {
            KS_CHECK(!ks_bytes_is(text, request->additional[earlier].text), KS_ERR_FORMAT,
                     "'%s': one twice", name);
        }
    }
    request->saes = ks_json_count(array);
out:
    return err;
}

/* Parameters are the members of the objects of an array: how many, and the first one's name. */
static enum ks_err read_extension(const struct ks_json *root, const char *name,
                                  size_t *out_count, char first[KS_ETSI014_TEXT_MAX])
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;
    size_t count = 0;

    if (said(root, name) == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get(root, name, KS_JSON_ARRAY, &array));
    for (size_t i = 0; i < ks_json_count(array); i++) {
        const struct ks_json *object = ks_json_at(array, i);

        KS_CHECK(ks_json_type(object) == KS_JSON_OBJECT, KS_ERR_FORMAT,
                 "'%s': expected objects", name);
        if (count == 0 && ks_json_count(object) > 0) {
            ks_text_shown(ks_json_key_at(object, 0), first, KS_ETSI014_TEXT_MAX);
        }
        count += ks_json_count(object);
    }
    *out_count = count;
out:
    return err;
}

enum ks_err ks_etsi014_request_parse(struct ks_bytes body,
                                     struct ks_etsi014_request *out_request)
{
    static const char *const names[] = {"additional_slave_SAE_IDs",
                                        "extension_mandatory",
                                        "extension_optional",
                                        "number",
                                        "size",
                                        NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_etsi014_request request = {0};
    const struct ks_json *root = NULL;

    if (body.len > 0) {
        KS_TRY(ks_json_parse(body, &request_limits, &doc));
        root = ks_json_root(doc);
        KS_CHECK(ks_json_type(root) == KS_JSON_OBJECT, KS_ERR_FORMAT, "expected an object");
        KS_TRY(ks_json_only(root, names));
        KS_TRY(read_count(root, "number", &request.number));
        KS_TRY(read_count(root, "size", &request.size));
        KS_TRY(read_saes(root, &request));
        KS_TRY(read_extension(root, "extension_mandatory", &request.mandatory,
                              request.mandatory_name));
        KS_TRY(read_extension(root, "extension_optional", &request.optional,
                              request.optional_name));
    }
    *out_request = request;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "key request");
}

/* Takes "name=value" off the front of QUERY, with the '?' or '&' before it. */
static enum ks_err next_parameter(struct ks_bytes *query, struct ks_bytes *out_name,
                                  struct ks_bytes *out_value)
{
    size_t equals = 1;
    size_t end = 1;

    while (end < query->len && query->data[end] != '&') {
        end++;
    }
    while (equals < end && query->data[equals] != '=') {
        equals++;
    }
    if (equals >= end) {
        return ks_fail(KS_ERR_FORMAT, "query: expected name=value");
    }
    *out_name = ks_bytes_of(query->data + 1, equals - 1);
    *out_value = ks_bytes_of(query->data + equals + 1, end - equals - 1);
    *query = ks_bytes_of(query->data + end, query->len - end);
    return KS_OK;
}

enum ks_err ks_etsi014_request_parse_query(struct ks_bytes query,
                                           struct ks_etsi014_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_request request = {0};
    struct ks_bytes name = {0};
    struct ks_bytes text = {0};

    KS_CHECK(query.len <= KS_ETSI014_TARGET_MAX, KS_ERR_LIMIT, "a query of %zu characters",
             query.len);
    while (query.len > 0) {
        uint64_t *target = NULL;
        uint64_t value = 0;

        KS_TRY(next_parameter(&query, &name, &text));
        if (ks_bytes_is(name, "number")) {
            target = &request.number;
        } else if (ks_bytes_is(name, "size")) {
            target = &request.size;
        }
        KS_CHECK(target != NULL, KS_ERR_FORMAT, "query: only number and size are for GET");
        KS_CHECK(*target == 0, KS_ERR_FORMAT, "query: a parameter twice");
        KS_TRY(ks_fail_prefix(ks_text_u64(text, KS_JSON_INTEGER_MAX, &value), "query"));
        KS_CHECK(value > 0, KS_ERR_FORMAT, "query: a parameter of 0");
        *target = value;
    }
    *out_request = request;
out:
    return ks_fail_prefix(err, "key request");
}

/* --- what a manager can serve ------------------------------------------------------------- */

static bool refuse(struct ks_etsi014_error *error, enum ks_etsi014_refusal refusal,
                   const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool refuse(struct ks_etsi014_error *error, enum ks_etsi014_refusal refusal,
                   const char *name, const char *format, ...)
{
    char detail[2 * KS_ETSI014_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    ks_etsi014_error_set(error, refusal, name, detail);
    return false;
}

bool ks_etsi014_request_settle(struct ks_etsi014_request *request,
                               const struct ks_etsi014_status *status,
                               struct ks_etsi014_error *out_error)
{
    const uint64_t number = request->number > 0 ? request->number : 1;
    const uint64_t size = request->size > 0 ? request->size : status->key_size;

    if (request->mandatory > 0) {
        return refuse(out_error, KS_ETSI014_MANDATORY_UNSUPPORTED,
                      "extension_mandatory_unsupported", "%s is not supported",
                      request->mandatory_name);
    }
    if (request->optional > 0) {
        return refuse(out_error, KS_ETSI014_OPTIONAL_UNHANDLED, "extension_optional_unhandled",
                      "%s is not handled", request->optional_name);
    }
    if (size % 8 != 0) {
        return refuse(out_error, KS_ETSI014_SIZE_MULTIPLE, "size", "%llu",
                      (unsigned long long)size);
    }
    if (size < status->min_key_size || size > status->max_key_size) {
        return refuse(out_error, KS_ETSI014_BAD_REQUEST, "size", "expected %llu to %llu",
                      (unsigned long long)status->min_key_size,
                      (unsigned long long)status->max_key_size);
    }
    if (number > status->max_key_per_request) {
        return refuse(out_error, KS_ETSI014_BAD_REQUEST, "number", "at most %llu",
                      (unsigned long long)status->max_key_per_request);
    }
    if (request->saes > status->max_sae_id_count) {
        return refuse(out_error, KS_ETSI014_BAD_REQUEST, "additional_slave_SAE_IDs",
                      "at most %llu", (unsigned long long)status->max_sae_id_count);
    }
    request->number = number;
    request->size = size;
    return true;
}

/* --- get key with key IDs ----------------------------------------------------------------- */

void ks_etsi014_ids_put(struct ks_buf *out, const struct ks_etsi014_id *ids, size_t count)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    char text[KS_ETSI014_ID_TEXT_LEN + 1];

    KS_ASSERT(count >= 1 && count <= KS_ETSI014_KEYS_MAX);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "key_IDs");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < count; i++) {
        ks_etsi014_id_text(&ids[i], text);
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "key_ID", text);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_put_end(&writer);
}

void ks_etsi014_ids_put_query(struct ks_buf *out, const struct ks_etsi014_id *id)
{
    char text[KS_ETSI014_ID_TEXT_LEN + 1];

    ks_etsi014_id_text(id, text);
    ks_buf_put_format(out, "?key_ID=%s", text);
}

/* Where ID stands among the first COUNT of IDS; COUNT when it does not. */
static size_t find_id(const struct ks_etsi014_id *ids, size_t count,
                      const struct ks_etsi014_id *id)
{
    size_t at = 0;

    while (at < count && !ks_etsi014_id_equal(&ids[at], id)) {
        at++;
    }
    return at;
}

static enum ks_err read_ids(const struct ks_json *root, struct ks_etsi014_ids *ids)
{
    static const char *const names[] = {"key_IDs", "key_IDs_extension", NULL};
    static const char *const id_names[] = {"key_ID", "key_ID_extension", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;

    KS_TRY(ks_json_get(root, "key_IDs", KS_JSON_ARRAY, &array));
    KS_TRY(ks_json_only(root, names));
    ids->count = ks_json_count(array);
    KS_CHECK(ids->count > 0, KS_ERR_FORMAT, "'key_IDs': none");
    KS_CHECK(ids->count <= KS_ETSI014_KEYS_MAX, KS_ERR_LIMIT,
             "'key_IDs': %zu of them, limit %d", ids->count, KS_ETSI014_KEYS_MAX);
    for (size_t i = 0; i < ids->count; i++) {
        struct ks_bytes text = {0};

        KS_TRY(ks_json_get_string(ks_json_at(array, i), "key_ID", &text));
        KS_TRY(ks_json_only(ks_json_at(array, i), id_names));
        KS_TRY(ks_etsi014_id_parse(text, &ids->ids[i]));
        KS_CHECK(find_id(ids->ids, i, &ids->ids[i]) == i, KS_ERR_FORMAT,
                 "'key_IDs': one twice");
    }
out:
    return err;
}

enum ks_err ks_etsi014_ids_parse(struct ks_bytes body, struct ks_etsi014_ids *out_ids)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_etsi014_ids ids = {0};

    KS_TRY(ks_json_parse(body, &request_limits, &doc));
    KS_TRY(read_ids(ks_json_root(doc), &ids));
    *out_ids = ids;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "key IDs");
}

enum ks_err ks_etsi014_ids_parse_query(struct ks_bytes query, struct ks_etsi014_ids *out_ids)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_ids ids = {.count = 1};
    struct ks_bytes name = {0};
    struct ks_bytes text = {0};

    KS_CHECK(query.len > 0, KS_ERR_FORMAT, "query: expected key_ID");
    KS_TRY(next_parameter(&query, &name, &text));
    KS_CHECK(ks_bytes_is(name, "key_ID") && query.len == 0, KS_ERR_FORMAT,
             "query: only one key_ID is for GET");
    KS_TRY(ks_etsi014_id_parse(text, &ids.ids[0]));
    *out_ids = ids;
out:
    return ks_fail_prefix(err, "key IDs");
}

/* --- keys --------------------------------------------------------------------------------- */

void ks_etsi014_keys_wipe(struct ks_etsi014_key *keys, size_t count)
{
    if (keys != NULL) {
        ks_wipe(keys, count * sizeof *keys);
    }
}

void ks_etsi014_container_put(struct ks_buf *out, const struct ks_etsi014_key *keys,
                              size_t count)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    char text[KS_ETSI014_ID_TEXT_LEN + 1];

    KS_ASSERT(count >= 1 && count <= KS_ETSI014_KEYS_MAX);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "keys");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < count; i++) {
        KS_ASSERT(keys[i].len <= sizeof keys[i].data);
        ks_etsi014_id_text(&keys[i].id, text);
        ks_json_put_object(&writer);
        ks_json_member_base64(&writer, "key", ks_bytes_of(keys[i].data, keys[i].len));
        ks_json_member_text(&writer, "key_ID", text);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_put_end(&writer);
}

const char *ks_etsi014_fault_name(enum ks_etsi014_fault fault)
{
    static const char *const names[] = {
        [KS_ETSI014_FAULT_NONE] = "none",         [KS_ETSI014_FAULT_MALFORMED] = "malformed",
        [KS_ETSI014_FAULT_SIZE] = "size",         [KS_ETSI014_FAULT_DUPLICATE] = "duplicate",
        [KS_ETSI014_FAULT_TOO_MANY] = "too-many", [KS_ETSI014_FAULT_TOO_FEW] = "too-few",
        [KS_ETSI014_FAULT_STRANGER] = "stranger",
    };

    KS_ASSERT((size_t)fault < sizeof names / sizeof names[0]);
    return names[fault];
}

/* Bytes that base64 of this length and padding stands for, whatever its characters. */
static size_t base64_len(struct ks_bytes text)
{
    size_t pad = 0;

    while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=') {
        pad++;
    }
    return text.len / 4 * 3 - (text.len % 4 == 0 ? pad : 0);
}

/* Element AT of the container, to its place in OUT_KEYS: IDS holds the ids of those before. */
static enum ks_err read_key(const struct ks_json *object,
                            const struct ks_etsi014_wanted *wanted, struct ks_etsi014_id *ids,
                            size_t at, struct ks_etsi014_key *out_keys,
                            enum ks_etsi014_fault *fault)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    struct ks_etsi014_key *key = NULL;
    size_t place = at;

    KS_TRY(ks_json_get_string(object, "key_ID", &text));
    KS_TRY(ks_etsi014_id_parse(text, &ids[at]));
    if (find_id(ids, at, &ids[at]) < at) {
        *fault = KS_ETSI014_FAULT_DUPLICATE;
        KS_TRY(ks_fail(KS_ERR_FORMAT, "a key_ID twice"));
    }
    if (wanted->ids != NULL) {
        place = find_id(wanted->ids, wanted->number, &ids[at]);
    }
    if (place == wanted->number) {
        *fault = KS_ETSI014_FAULT_STRANGER;
        KS_TRY(ks_fail(KS_ERR_FORMAT, "a key_ID that was not asked for"));
    }
    key = &out_keys[place];
    key->id = ids[at];
    key->len = (size_t)wanted->size / 8;
    KS_TRY(ks_json_get_string(object, "key", &text));
    if (text.len % 4 == 0 && base64_len(text) != key->len) {
        *fault = KS_ETSI014_FAULT_SIZE;
        KS_TRY(ks_fail(KS_ERR_FORMAT, "a key of %zu bytes, asked for %zu", base64_len(text),
                       key->len));
    }
    KS_TRY(ks_json_get_base64_exact(object, "key", key->data, key->len));
out:
    return err;
}

static enum ks_err read_container(const struct ks_json *root,
                                  const struct ks_etsi014_wanted *wanted,
                                  struct ks_etsi014_key *out_keys, enum ks_etsi014_fault *fault)
{
    enum ks_err err = KS_OK;
    struct ks_etsi014_id ids[KS_ETSI014_KEYS_MAX];
    const struct ks_json *array = NULL;

    KS_TRY(ks_json_get(root, "keys", KS_JSON_ARRAY, &array));
    if (ks_json_count(array) != wanted->number) {
        *fault = ks_json_count(array) < wanted->number ? KS_ETSI014_FAULT_TOO_FEW
                                                       : KS_ETSI014_FAULT_TOO_MANY;
        KS_TRY(ks_fail(KS_ERR_FORMAT, "%zu keys, asked for %zu", ks_json_count(array),
                       wanted->number));
    }
    for (size_t i = 0; i < wanted->number; i++) {
        KS_TRY(read_key(ks_json_at(array, i), wanted, ids, i, out_keys, fault));
    }
out:
    return err;
}

enum ks_err ks_etsi014_container_parse(struct ks_bytes body,
                                       const struct ks_etsi014_wanted *wanted,
                                       struct ks_etsi014_key *out_keys,
                                       enum ks_etsi014_fault *out_fault)
{
    static const struct ks_json_limits limits = {
        .len_max = KS_ETSI014_ANSWER_MAX, .nodes_max = 8192, .secret = true};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_MALFORMED;

    KS_ASSERT(wanted->number >= 1 && wanted->number <= KS_ETSI014_KEYS_MAX);
    KS_ASSERT(wanted->size > 0 && wanted->size % 8 == 0 && wanted->size <= KS_ETSI014_SIZE_MAX);
    KS_TRY(ks_json_parse(body, &limits, &doc));
    KS_TRY(read_container(ks_json_root(doc), wanted, out_keys, &fault));
out:
    ks_json_doc_free(doc);
    if (err == KS_ERR_LIMIT) {
        err = KS_ERR_FORMAT;
    }
    if (err != KS_OK) {
        ks_etsi014_keys_wipe(out_keys, wanted->number);
    }
    *out_fault = err == KS_ERR_FORMAT ? fault : KS_ETSI014_FAULT_NONE;
    return ks_fail_prefix(err, "key container");
}
