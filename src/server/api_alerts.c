/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the site's detectors called anomalies, and which contributions stood out in their
 * rounds, for its operators. */

#include "record/suspect.h"
#include "server/api.h"

#define PAGE_DEFAULT 50

_Static_assert(KS_ALERT_PAGE_ROWS_MAX == KS_SUSPECT_PAGE_ROWS_MAX, "one limit of both lists");

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

static enum ks_err put_suspect(void *context, uint64_t position, uint64_t at_us,
                               struct ks_bytes entry)
{
    struct page *page = context;

    ks_suspect_page_put(position, at_us, entry, &page->writer);
    page->last = position;
    page->count++;
    return KS_OK;
}

/* What the query asks for. */
struct wanted {
    char device[KS_TRACE_DEVICE_MAX + 1]; /* empty: any */
    uint64_t before;
    uint64_t limit;
};

static enum ks_err read_wanted(struct ks_http_request *request, struct wanted *wanted)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes device = ks_api_query(request, "device");

    KS_CHECK(device.data == NULL || ks_text_is_name(device, KS_TRACE_DEVICE_MAX), KS_ERR_FORMAT,
             "query 'device': expected a device's id");
    ks_copy(wanted->device, device.data, device.len);
    KS_TRY(ks_api_query_u64(request, "before", 0, KS_JSON_INTEGER_MAX, &wanted->before));
    KS_TRY(ks_api_query_u64(request, "limit", PAGE_DEFAULT, KS_ALERT_PAGE_ROWS_MAX,
                            &wanted->limit));
    KS_CHECK(wanted->limit >= 1, KS_ERR_FORMAT, "query 'limit': 1 to %d",
             KS_ALERT_PAGE_ROWS_MAX);
out:
    return err;
}

static const char *device_of(const struct wanted *wanted)
{
    return wanted->device[0] == '\0' ? NULL : wanted->device;
}

/* GET /v1/alerts?device=ID&before=NUMBER&limit=N: newest first. */
void ks_api_alerts(struct ks_site_server *server, struct ks_http_request *request,
                   struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct page page = {.writer = ks_json_writer_of(&body)};
    struct wanted wanted = {.device = ""};

    (void)segment;
    ks_buf_init(&body, KS_ALERT_PAGE_BYTES_MAX);
    KS_TRY(read_wanted(request, &wanted));
    KS_TRY(ks_traces_flush(&server->traces, server->store));
    ks_alert_page_begin(&page.writer);
    KS_TRY(ks_store_alerts(server->reader, device_of(&wanted), wanted.before, wanted.limit,
                           put_alert, &page));
    ks_alert_page_end(page.count == wanted.limit ? page.last : 0, &page.writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}

/* GET /v1/fl/alerts: likewise, by the places of their entries in the ledger. */
void ks_api_fl_alerts(struct ks_site_server *server, struct ks_http_request *request,
                      struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct page page = {.writer = ks_json_writer_of(&body)};
    struct wanted wanted = {.device = ""};

    (void)segment;
    ks_buf_init(&body, KS_SUSPECT_PAGE_BYTES_MAX);
    KS_TRY(read_wanted(request, &wanted));
    ks_suspect_page_begin(&page.writer);
    KS_TRY(ks_store_suspects(server->reader, device_of(&wanted), wanted.before, wanted.limit,
                             put_suspect, &page));
    ks_suspect_page_end(page.count == wanted.limit ? page.last : 0, &page.writer);
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}
