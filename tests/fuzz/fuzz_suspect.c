/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Alerts about contributions: an entry that is read is written again as the same bytes. And
 * pages of them, whose places fall. */
#include "record/suspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct ks_bytes entry, const struct ks_suspect *suspect)
{
    struct ks_buf again;

    ks_buf_init(&again, KS_ENTRY_BYTES_MAX);
    ks_entry_suspect_write(suspect, &again);
    KS_ASSERT(ks_buf_check(&again) == KS_OK && ks_bytes_equal(ks_buf_view(&again), entry));
    ks_buf_done(&again);
}

static enum ks_err visit(void *context, uint64_t position, uint64_t at_us,
                         struct ks_bytes entry)
{
    enum ks_err err = KS_OK;
    uint64_t *last = context;
    struct ks_json_doc *doc = NULL;
    struct ks_suspect suspect;

    (void)at_us;
    KS_ASSERT(position < *last);
    *last = position;
    KS_TRY(ks_entry_suspect_read(entry, &doc, &suspect));
    check_again(entry, &suspect);
out:
    KS_ASSERT(err == KS_OK); /* the page's reader has read it */
    ks_json_doc_free(doc);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_bytes bytes = ks_bytes_of(data, size);
    struct ks_json_doc *doc = NULL;
    struct ks_suspect suspect;
    uint64_t last = UINT64_MAX;
    uint64_t next = 0;

    if (ks_suspect_page_read(bytes, visit, &last, &next) == KS_OK) {
        KS_ASSERT(next <= KS_JSON_INTEGER_MAX);
    }
    if (ks_entry_suspect_read(bytes, &doc, &suspect) == KS_OK) {
        check_again(bytes, &suspect);
    }
    ks_json_doc_free(doc);
    return 0;
}
