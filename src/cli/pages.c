/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/pages.h"

#include <stdio.h>

#include "base/text.h"
#include "record/job.h"

#define PAGE_BYTES_MAX ((size_t)1 << 20)
#define ALL_BYTES_MAX  ((size_t)256 << 20)
#define TARGET_MAX     512
#define LIST           "the site's list"
#define NEXT_MAX       KS_DEVICE_ID_MAX /* a device's name; a job's id is shorter */

static bool goes_on(const struct ks_pages *pages, struct ks_bytes after, const char *next)
{
    return pages->named ? ks_text_is_name(after, NEXT_MAX) &&
                              ks_bytes_compare(after, ks_bytes_text(next)) > 0
                        : ks_text_is_uuid(after) && !ks_bytes_is(after, next);
}

/* The page behind NEXT, or the first one; NEXT becomes what the one behind it begins after, or
 * "". */
static enum ks_err take_page(struct ks_operator *op, const struct ks_pages *pages,
                             ks_pages_visit visit, void *context, char next[NEXT_MAX + 1])
{
    static const struct ks_json_limits limits = {.len_max = PAGE_BYTES_MAX, .nodes_max = 65536};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *items = NULL;
    struct ks_bytes after = {0};
    struct ks_buf page;
    char limit[32] = "";
    char target[TARGET_MAX];

    ks_buf_init(&page, PAGE_BYTES_MAX);
    if (pages->limit != 0) {
        (void)snprintf(limit, sizeof limit, "limit=%u", pages->limit);
    }
    (void)snprintf(target, sizeof target, "%s%s%s%s%s%s", pages->path,
                   limit[0] != '\0' || next[0] != '\0' ? "?" : "", limit,
                   limit[0] != '\0' && next[0] != '\0' ? "&" : "",
                   next[0] != '\0' ? "after=" : "", next);
    KS_TRY(ks_operator_get(op, target, &page));
    KS_TRY(ks_fail_prefix(ks_json_parse(ks_buf_view(&page), &limits, &doc), LIST));
    KS_TRY(ks_fail_prefix(ks_json_get(ks_json_root(doc), pages->items, KS_JSON_ARRAY, &items),
                          LIST));
    for (size_t i = 0; i < ks_json_count(items); i++) {
        KS_TRY(visit(ks_json_at(items, i), context));
    }
    if (ks_json_find(ks_json_root(doc), "next") != NULL) {
        KS_TRY(ks_fail_prefix(ks_json_get_string(ks_json_root(doc), "next", &after), LIST));
        KS_CHECK(goes_on(pages, after, next), KS_ERR_FORMAT, LIST ": 'next' does not go on");
    }
    ks_copy(next, after.data, after.len);
    next[after.len] = '\0';
out:
    ks_json_doc_free(doc);
    ks_buf_done(&page);
    return err;
}

enum ks_err ks_pages_each(struct ks_operator *op, const struct ks_pages *pages,
                          ks_pages_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    char next[NEXT_MAX + 1] = "";
    unsigned count = 0;

    do {
        KS_CHECK(count < pages->most, KS_ERR_LIMIT, LIST " has over %u pages", pages->most);
        KS_TRY(take_page(op, pages, visit, context, next));
        count++;
    } while (next[0] != '\0');
out:
    return err;
}

/* --- shown -------------------------------------------------------------------------------- */

struct showing {
    const struct ks_pages_shown *shown;
    struct ks_json_writer *writer; /* NULL: lines are printed */
    bool begun;
};

static void begin(struct showing *showing)
{
    if (!showing->begun && showing->writer == NULL && showing->shown->head != NULL) {
        ks_cli_print("%s\n", showing->shown->head);
    }
    showing->begun = true;
}

static enum ks_err show(const struct ks_json *item, void *context)
{
    struct showing *showing = context;

    begin(showing);
    if (showing->writer == NULL) {
        return showing->shown->print(item);
    }
    ks_json_put_value(showing->writer, item);
    return KS_OK;
}

enum ks_err ks_pages_print(const struct ks_cli *cli, struct ks_operator *op,
                           const struct ks_pages *pages, const struct ks_pages_shown *shown)
{
    enum ks_err err = KS_OK;
    struct ks_buf all;
    struct ks_json_writer writer = ks_json_writer_of(&all);
    struct showing showing = {.shown = shown, .writer = cli->json ? &writer : NULL};

    ks_buf_init(&all, ALL_BYTES_MAX);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, pages->items);
    ks_json_put_array(&writer);
    KS_TRY(ks_pages_each(op, pages, show, &showing));
    begin(&showing);
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", shown->schema);
    if (shown->session != NULL) {
        ks_json_member_text(&writer, "session", shown->session);
    }
    ks_json_put_end(&writer);
    KS_TRY(cli->json ? ks_cli_print_json(&all) : KS_OK);
out:
    ks_buf_done(&all);
    return err;
}
