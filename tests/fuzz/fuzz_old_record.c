/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An old record that parses can be hashed and judged; JSON that parses is, printed and read
 * again, the same. */
#include "record/old.h"
#include "record/pyjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(const struct ks_pyjson_doc *doc, struct ks_pyjson_style style)
{
    struct ks_pyjson_doc *second = NULL;
    struct ks_buf out;
    struct ks_buf again;

    ks_buf_init(&out, SIZE_MAX);
    ks_buf_init(&again, SIZE_MAX);
    if (ks_pyjson_put(ks_pyjson_root(doc), style, &out) == KS_OK) {
        KS_ASSERT(ks_pyjson_parse(ks_buf_view(&out), &second) == KS_OK);
        KS_ASSERT(ks_pyjson_put(ks_pyjson_root(second), style, &again) == KS_OK);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), ks_buf_view(&again)));
    }
    ks_pyjson_free(second);
    ks_buf_done(&out);
    ks_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes text = ks_bytes_of(data, size);
    struct ks_old_record *record = NULL;
    struct ks_pyjson_doc *doc = NULL;
    bool is_signed = false;

    if (ks_pyjson_parse(text, &doc) == KS_OK) {
        print_again(doc, (struct ks_pyjson_style){.ascii = true});
        print_again(doc, (struct ks_pyjson_style){.ascii = false, .indent = 2});
    }
    if (ks_old_parse(text, &record) == KS_OK) {
        KS_ASSERT(ks_old_verify(record, &is_signed) == KS_OK || !is_signed);
    }
    ks_pyjson_free(doc);
    ks_old_free(record);
    return 0;
}
