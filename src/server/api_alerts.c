/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the site's detector called anomalies, for its operators. */

#include "server/api.h"

#define PAGE_DEFAULT 50

/* A page that is written while the store is read. */
struct page {
    struct ks_json_writer writer;
    uint64_t last;
    uint64_t count;
};

static enum ks_err put_alert(void *context, uint64_t number, struct ks_bytes document)
{
    struct page *page = context;

    ks_alert_page_put(number, document, &page->writer);
    page->last = number;
    page->count++;
    return KS_OK;
}

/* GET /v1/alerts?device=ID&before=NUMBER&limit=N: newest first. */
void ks_api_alerts(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct page page = {.writer = ks_json_writer_of(&body)};
    const struct ks_bytes device = ks_api_query(request, "device");
    char name[KS_TRACE_DEVICE_MAX + 1] = "";
    uint64_t before = 0;
    uint64_t limit = 0;

    (void)segment;
    ks_buf_init(&body, KS_ALERT_PAGE_BYTES_MAX);
    KS_CHECK(device.data == NULL || ks_text_is_name(device, KS_TRACE_DEVICE_MAX), KS_ERR_FORMAT,
             "query 'device': expected a device's id");
    ks_copy(name, device.data, device.len);
    KS_TRY(ks_api_query_u64(request, "before", 0, KS_JSON_INTEGER_MAX, &before));
    KS_TRY(ks_api_query_u64(request, "limit", PAGE_DEFAULT, KS_ALERT_PAGE_ROWS_MAX, &limit));
    KS_CHECK(limit >= 1, KS_ERR_FORMAT, "query 'limit': 1 to %d", KS_ALERT_PAGE_ROWS_MAX);
    KS_TRY(ks_traces_flush(&server->traces, server->store));
    ks_alert_page_begin(&page.writer);
    KS_TRY(ks_store_alerts(server->reader, device.len > 0 ? name : NULL, before, limit,
                           put_alert, &page));
    ks_alert_page_end(page.count == limit ? page.last : 0, &page.writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}
