/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/announce.h"

#include "base/json.h"
#include "base/text.h"

#define SCHEMA        "ketseal.announce/1"
#define ANSWER_SCHEMA "ketseal.announced/1"

static const struct ks_json_limits limits = {.len_max = KS_ANNOUNCE_BYTES_MAX,
                                             .nodes_max = KS_ETSI014_KEYS_MAX + 16};

/* As it is signed (SIGNATURE empty) and as it is sent. */
static void put(const struct ks_announce *announce, struct ks_bytes signature,
                struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    char id[KS_ETSI014_ID_TEXT_LEN + 1];

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(announce->channel));
    ks_json_member_text(&writer, "device", announce->device);
    ks_json_put_key(&writer, "key_ids");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < announce->keys.count; i++) {
        ks_etsi014_id_text(&announce->keys.ids[i], id);
        ks_json_put_text(&writer, id);
    }
    ks_json_put_end(&writer);
    ks_json_member_base64(&writer, "nonce", KS_BYTES(announce->nonce));
    ks_json_member_text(&writer, "sae", announce->sae.text);
    ks_json_member_text(&writer, "schema", SCHEMA);
    if (signature.len > 0) {
        ks_json_member_base64(&writer, "signature", signature);
    }
    ks_json_put_end(&writer);
}

enum ks_err ks_announce_write(const struct ks_announce *announce, const struct ks_sign_key *key,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, KS_ANNOUNCE_BYTES_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    put(announce, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_sign(key, KS_CONTEXT_ANNOUNCE, ks_buf_view(&message), &signature));
    put(announce, ks_buf_view(&signature), out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err read_ids(const struct ks_json *list, struct ks_etsi014_ids *ids)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    char again[KS_ETSI014_ID_TEXT_LEN + 1];

    ids->count = ks_json_count(list);
    KS_CHECK(ids->count >= 1 && ids->count <= KS_ETSI014_KEYS_MAX, KS_ERR_LIMIT,
             "'key_ids': 1 to %d", KS_ETSI014_KEYS_MAX);
    for (size_t i = 0; i < ids->count; i++) {
        KS_TRY(ks_fail_prefix(ks_json_string(ks_json_at(list, i), &text), "'key_ids'"));
        KS_TRY(ks_fail_prefix(ks_etsi014_id_parse(text, &ids->ids[i]), "'key_ids'"));
        ks_etsi014_id_text(&ids->ids[i], again);
        KS_CHECK(ks_bytes_is(text, again), KS_ERR_FORMAT,
                 "'key_ids': a key_ID is written in lower case");
        for (size_t k = 0; k < i; k++) {
            KS_CHECK(!ks_etsi014_id_equal(&ids->ids[k], &ids->ids[i]), KS_ERR_FORMAT,
                     "'key_ids': %s is named twice", again);
        }
    }
out:
    return err;
}

static enum ks_err read_members(const struct ks_json *root, struct ks_announce *announce)
{
    static const char *const names[] = {"channel", "device", "key_ids",   "nonce",
                                        "sae",     "schema", "signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    const struct ks_json *list = NULL;

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, SCHEMA), KS_ERR_FORMAT, "'schema': expected " SCHEMA);
    KS_TRY(
        ks_json_get_base64_exact(root, "channel", announce->channel, sizeof announce->channel));
    KS_TRY(ks_json_get_string(root, "device", &text));
    KS_CHECK(ks_text_is_name(text, KS_ANNOUNCE_DEVICE_MAX), KS_ERR_FORMAT,
             "'device': 1 to %d letters, digits, '-' and '_'", KS_ANNOUNCE_DEVICE_MAX);
    ks_copy(announce->device, text.data, text.len);
    KS_TRY(ks_json_get(root, "key_ids", KS_JSON_ARRAY, &list));
    KS_TRY(read_ids(list, &announce->keys));
    KS_TRY(ks_json_get_base64_exact(root, "nonce", announce->nonce, sizeof announce->nonce));
    KS_TRY(ks_json_get_string(root, "sae", &text));
    KS_TRY(ks_fail_prefix(ks_etsi014_sae_parse(text, &announce->sae), "'sae'"));
out:
    return err;
}

enum ks_err ks_announce_read(struct ks_bytes document, const struct ks_verify_key *key,
                             struct ks_announce *out_announce)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_announce announce = {{0}};
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, KS_ANNOUNCE_BYTES_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_parse_canonical(document, &limits, &doc));
    KS_TRY(read_members(ks_json_root(doc), &announce));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", &signature));
    put(&announce, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_fail_prefix(
        ks_verify(key, KS_CONTEXT_ANNOUNCE, ks_buf_view(&message), ks_buf_view(&signature)),
        "announcement of '%s'", announce.device));
    *out_announce = announce;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

void ks_announced_write(const struct ks_announced *announced, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "count", announced->count);
    ks_json_member_u64(&writer, "expires", announced->expires_s);
    ks_json_member_text(&writer, "schema", ANSWER_SCHEMA);
    ks_json_put_end(&writer);
}

enum ks_err ks_announced_read(struct ks_bytes document, struct ks_announced *out_announced)
{
    static const char *const names[] = {"count", "expires", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_announced announced = {0};
    struct ks_bytes text = {0};
    uint64_t count = 0;

    KS_TRY(ks_json_parse_canonical(document, &limits, &doc));
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &text));
    KS_CHECK(ks_bytes_is(text, ANSWER_SCHEMA), KS_ERR_FORMAT,
             "'schema': expected " ANSWER_SCHEMA);
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "count", KS_ETSI014_KEYS_MAX, &count));
    announced.count = (uint32_t)count;
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "expires", KS_JSON_INTEGER_MAX,
                           &announced.expires_s));
    *out_announced = announced;
out:
    ks_json_doc_free(doc);
    return err;
}
