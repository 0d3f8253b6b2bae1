/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/detection.h"

#define PAGE_SCHEMA "ketseal.alert-list/1"
/* An object of five for each feature, what stands around them, and the page. */
#define DETECTION_NODES (24 + 5 * KS_FOREST_FEATURES_MAX)
#define PAGE_NODES_MAX  ((size_t)(KS_ALERT_PAGE_ROWS_MAX + 1) * DETECTION_NODES)

_Static_assert(KS_ALERT_PAGE_BYTES_MAX >=
                   KS_ALERT_PAGE_ROWS_MAX * (KS_DETECTION_BYTES_MAX + 64) + 256,
               "a page holds its alerts");

void ks_alert_page_begin(struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_put_key(writer, "items");
    ks_json_put_array(writer);
}

void ks_alert_page_put(uint64_t number, struct ks_bytes document, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_put_key(writer, "detection");
    ks_json_put_canonical(writer, document);
    ks_json_member_u64(writer, "number", number);
    ks_json_put_end(writer);
}

void ks_alert_page_end(uint64_t next, struct ks_json_writer *writer)
{
    ks_json_put_end(writer);
    if (next > 0) {
        ks_json_member_u64(writer, "next", next);
    }
    ks_json_member_text(writer, "schema", PAGE_SCHEMA);
    ks_json_put_end(writer);
}

static enum ks_err read_item(const struct ks_json *item, uint64_t *number,
                             struct ks_detection *detection)
{
    static const char *const names[] = {"detection", "number", NULL};
    enum ks_err err = KS_OK;
    const uint64_t before = *number;
    const struct ks_json *document = NULL;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_DETECTION_BYTES_MAX);
    KS_TRY(ks_json_only(item, names));
    KS_TRY(ks_json_get(item, "detection", KS_JSON_OBJECT, &document));
    KS_TRY(ks_json_get_u64(item, "number", KS_JSON_INTEGER_MAX, number));
    KS_CHECK(*number < before, KS_ERR_FORMAT, "'number': not below the one before");
    ks_json_canonical(document, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_detection_read(ks_buf_view(&bytes), detection));
    KS_CHECK(detection->is_anomaly && detection->has_subject, KS_ERR_FORMAT,
             "a detection that is no alert");
out:
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_alert_page_read(struct ks_bytes text, ks_alert_visit visit, void *context,
                               uint64_t *out_next)
{
    static const struct ks_json_limits limits = {.len_max = KS_ALERT_PAGE_BYTES_MAX,
                                                 .nodes_max = PAGE_NODES_MAX};
    static const char *const names[] = {"items", "next", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *page = NULL;
    const struct ks_json *items = NULL;
    struct ks_bytes schema = {0};
    struct ks_detection *detection = ks_calloc(1, sizeof *detection);
    uint64_t number = UINT64_MAX;
    uint64_t next = 0;

    KS_CHECK(detection != NULL, KS_ERR_NOMEM, "detection");
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
        KS_TRY(read_item(ks_json_at(items, i), &number, detection));
        KS_TRY(visit(context, number, detection));
    }
    *out_next = next;
out:
    ks_json_doc_free(doc);
    ks_free(detection);
    return err;
}
