/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Whatever the parser accepts has one canonical form, which it accepts as such and which stands
 * still; and every member can be found by its name. */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LEN_MAX 65536

static void find_members(const struct ks_json *value)
{
    if (ks_json_type(value) != KS_JSON_OBJECT) {
        return;
    }
    for (size_t i = 0; i < ks_json_count(value); i++) {
        /* Keys have a NUL behind them and none inside. */
        KS_ASSERT(ks_json_find(value, (const char *)ks_json_key_at(value, i).data) ==
                  ks_json_at(value, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ks_json_limits limits = {.len_max = LEN_MAX, .nodes_max = 10000};
    struct ks_json_doc *doc = NULL;
    struct ks_json_doc *again = NULL;
    struct ks_buf once;
    struct ks_buf twice;

    if (ks_json_parse(ks_bytes_of(data, size), &limits, &doc) != KS_OK) {
        KS_ASSERT(doc == NULL && ks_err_detail()[0] != '\0');
        return 0;
    }
    find_members(ks_json_root(doc));
    /* The longest a value can grow is 1e20 and its like, refused; then \u00xx: a canonical text
     * is at most six times as long as its source. */
    ks_buf_init(&once, 6 * (size + 8));
    ks_buf_init(&twice, 6 * (size + 8));
    ks_json_canonical(ks_json_root(doc), &once);
    KS_ASSERT(ks_buf_check(&once) == KS_OK);
    if (once.len <= LEN_MAX) {
        KS_ASSERT(ks_json_parse_canonical(ks_buf_view(&once), &limits, &again) == KS_OK);
        ks_json_canonical(ks_json_root(again), &twice);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&once), ks_buf_view(&twice)));
    }
    ks_json_doc_free(again);
    ks_json_doc_free(doc);
    ks_buf_done(&twice);
    ks_buf_done(&once);
    return 0;
}
