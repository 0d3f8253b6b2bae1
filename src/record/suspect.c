/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/suspect.h"

#include "base/text.h"

void ks_entry_suspect_write(const struct ks_suspect *suspect, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_string(&writer, "device", suspect->device);
    ks_json_member_text(&writer, "kind", "alert");
    ks_json_put_key(&writer, "norm");
    ks_json_put_double(&writer, suspect->norm);
    ks_json_put_key(&writer, "reasons");
    ks_json_put_array(&writer);
    ks_json_put_string(&writer, suspect->reason);
    ks_json_put_end(&writer);
    ks_json_member_hex(&writer, "record", KS_BYTES(suspect->record));
    ks_json_member_u64(&writer, "round", suspect->round);
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_put_key(&writer, "score");
    ks_json_put_double(&writer, suspect->score);
    ks_json_member_hex(&writer, "session", KS_BYTES(suspect->session));
    ks_json_put_end(&writer);
}

static enum ks_err read_figure(const struct ks_json *entry, const char *name, double *out)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(entry, name, KS_JSON_NUMBER, &value));
    KS_TRY(ks_json_double(value, out));
    KS_CHECK(*out >= 0, KS_ERR_FORMAT, "'%s': below 0", name);
out:
    return err;
}

enum ks_err ks_entry_suspect_read(struct ks_bytes entry, struct ks_json_doc **out_doc,
                                  struct ks_suspect *out_suspect)
{
    static const struct ks_json_limits limits = {.len_max = KS_ENTRY_BYTES_MAX,
                                                 .nodes_max = 16};
    static const char *const names[] = {"device", "kind",   "norm",  "reasons", "record",
                                        "round",  "schema", "score", "session", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    const struct ks_json *reasons = NULL;
    struct ks_suspect suspect = {.round = 0};
    struct ks_bytes kind = {0};
    struct ks_bytes schema = {0};

    KS_TRY(ks_json_parse_canonical(entry, &limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "kind", &kind));
    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(kind, "alert") && ks_bytes_is(schema, "ketseal.entry/1"),
             KS_ERR_FORMAT, "it is no alert");
    KS_TRY(ks_json_get_string(root, "device", &suspect.device));
    KS_CHECK(ks_text_is_name(suspect.device, KS_DEVICE_ID_MAX), KS_ERR_FORMAT,
             "'device': expected a device's id");
    KS_TRY(ks_json_get(root, "reasons", KS_JSON_ARRAY, &reasons));
    KS_CHECK(ks_json_count(reasons) == 1, KS_ERR_FORMAT, "'reasons': one of them");
    KS_TRY(ks_json_string(ks_json_at(reasons, 0), &suspect.reason));
    KS_CHECK(ks_text_is_name(suspect.reason, KS_UPDATE_WORD_MAX), KS_ERR_FORMAT,
             "'reasons': expected a word");
    KS_TRY(read_figure(root, "norm", &suspect.norm));
    KS_TRY(read_figure(root, "score", &suspect.score));
    KS_TRY(ks_json_get_hex(root, "record", suspect.record, sizeof suspect.record));
    KS_TRY(ks_json_get_hex(root, "session", suspect.session, sizeof suspect.session));
    KS_TRY(ks_json_get_u64(root, "round", KS_JSON_INTEGER_MAX, &suspect.round));
    *out_doc = doc;
    doc = NULL; /* transferred */
    *out_suspect = suspect;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "alert");
}

/* --- pages -------------------------------------------------------------------------------- */

#define PAGE_SCHEMA    "ketseal.fl-alert-list/1"
#define ENTRY_NODES    24 /* of an item, with what stands around its entry */
#define PAGE_NODES_MAX ((size_t)(KS_SUSPECT_PAGE_ROWS_MAX + 1) * ENTRY_NODES)

_Static_assert(KS_SUSPECT_PAGE_BYTES_MAX >=
                   KS_SUSPECT_PAGE_ROWS_MAX * (KS_ENTRY_BYTES_MAX + 128) + 256,
               "a page holds its entries");

void ks_suspect_page_begin(struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_put_key(writer, "items");
    ks_json_put_array(writer);
}

void ks_suspect_page_put(uint64_t position, uint64_t at_us, struct ks_bytes entry,
                         struct ks_json_writer *writer)
{
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(at_us, time);
    ks_json_put_object(writer);
    ks_json_member_text(writer, "at", time);
    ks_json_put_key(writer, "entry");
    ks_json_put_canonical(writer, entry);
    ks_json_member_u64(writer, "index", position);
    ks_json_put_end(writer);
}

void ks_suspect_page_end(uint64_t next, struct ks_json_writer *writer)
{
    ks_json_put_end(writer);
    if (next > 0) {
        ks_json_member_u64(writer, "next", next);
    }
    ks_json_member_text(writer, "schema", PAGE_SCHEMA);
    ks_json_put_end(writer);
}

static enum ks_err read_item(const struct ks_json *item, uint64_t *position,
                             ks_suspect_visit visit, void *context)
{
    static const char *const names[] = {"at", "entry", "index", NULL};
    enum ks_err err = KS_OK;
    const uint64_t before = *position;
    const struct ks_json *entry = NULL;
    struct ks_json_doc *doc = NULL;
    struct ks_suspect suspect;
    struct ks_bytes time = {0};
    struct ks_buf bytes;
    uint64_t at_us = 0;

    ks_buf_init(&bytes, KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_json_only(item, names));
    KS_TRY(ks_json_get_string(item, "at", &time));
    KS_TRY(ks_time_parse(time, &at_us));
    KS_TRY(ks_json_get(item, "entry", KS_JSON_OBJECT, &entry));
    KS_TRY(ks_json_get_u64(item, "index", KS_JSON_INTEGER_MAX, position));
    KS_CHECK(*position < before, KS_ERR_FORMAT, "'index': not below the one before");
    ks_json_canonical(entry, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_entry_suspect_read(ks_buf_view(&bytes), &doc, &suspect));
    KS_TRY(visit(context, *position, at_us, ks_buf_view(&bytes)));
out:
    ks_json_doc_free(doc);
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_suspect_page_read(struct ks_bytes text, ks_suspect_visit visit, void *context,
                                 uint64_t *out_next)
{
    static const struct ks_json_limits limits = {.len_max = KS_SUSPECT_PAGE_BYTES_MAX,
                                                 .nodes_max = PAGE_NODES_MAX};
    static const char *const names[] = {"items", "next", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *page = NULL;
    const struct ks_json *items = NULL;
    struct ks_bytes schema = {0};
    uint64_t position = UINT64_MAX;
    uint64_t next = 0;

    KS_TRY(ks_json_parse(text, &limits, &doc));
    page = ks_json_root(doc);
    KS_TRY(ks_json_only(page, names));
    KS_TRY(ks_json_get_string(page, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, PAGE_SCHEMA), KS_ERR_FORMAT,
             "'schema': expected " PAGE_SCHEMA);
    KS_TRY(ks_json_get(page, "items", KS_JSON_ARRAY, &items));
    if (ks_json_find(page, "next") != NULL) {
        KS_TRY(ks_json_get_u64(page, "next", KS_JSON_INTEGER_MAX, &next));
    }
    for (size_t i = 0; i < ks_json_count(items); i++) {
        KS_TRY(read_item(ks_json_at(items, i), &position, visit, context));
    }
    *out_next = next;
out:
    ks_json_doc_free(doc);
    return err;
}
