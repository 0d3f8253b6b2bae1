/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The site's traces, for its operators. */

#include "server/api.h"

#define PAGE_DEFAULT 100

/* A page that is written while the store is read. */
struct page {
    struct ks_json_writer writer;
    uint64_t last;
    uint64_t count;
};

static enum ks_err put_row(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct page *page = context;

    ks_trace_page_put(number, trace, &page->writer);
    page->last = number;
    page->count++;
    return KS_OK;
}

/* GET /v1/traces?after=NUMBER&limit=N: oldest first. */
void ks_api_traces(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct page page = {.writer = ks_json_writer_of(&body)};
    uint64_t after = 0;
    uint64_t limit = 0;

    (void)segment;
    ks_buf_init(&body, KS_TRACE_PAGE_BYTES_MAX);
    KS_TRY(ks_api_query_u64(request, "after", 0, KS_JSON_INTEGER_MAX, &after));
    KS_TRY(ks_api_query_u64(request, "limit", PAGE_DEFAULT, KS_TRACE_PAGE_ROWS_MAX, &limit));
    KS_CHECK(limit >= 1, KS_ERR_FORMAT, "query 'limit': 1 to %d", KS_TRACE_PAGE_ROWS_MAX);
    KS_TRY(ks_traces_flush(&server->traces, server->store));
    ks_trace_page_begin(&page.writer);
    KS_TRY(ks_store_traces(server->reader, after, limit, put_row, &page));
    ks_trace_page_end(page.count == limit ? page.last : 0, &page.writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}
