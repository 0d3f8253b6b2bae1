/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/web_client.h"

#include <stdio.h>
#include <string.h>

#include "net/curl_late.h"
#include "net/head.h"

#define HTTPS    "https://"
#define HTTP     "http://"
#define URL_MAX  2048
#define TYPE_MAX 128

struct ks_web_client {
    CURL *curl;
    struct curl_slist *fields;
    char url[URL_MAX + 1];
    char host[KS_HTTP_HOST_MAX + 1];
    size_t response_max;
};

/* Where an answer goes. */
struct sink {
    struct ks_buf *answer;
    size_t start;
    size_t max;
    enum ks_err err;
};

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct sink *sink = user;

    if (size * count > sink->max - (sink->answer->len - sink->start)) {
        sink->err = ks_fail(KS_ERR_LIMIT, "answer over %zu bytes", sink->max);
        return 0;
    }
    ks_buf_put(sink->answer, ks_bytes_of(data, size * count));
    sink->err = ks_buf_check(sink->answer);
    return sink->err == KS_OK ? size * count : 0;
}

static bool starts_with(struct ks_bytes text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len > len && ks_bytes_is(ks_bytes_of(text.data, len), prefix);
}

/* HOST without its port is a name of this machine. */
static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);

        if (strncmp(host, names[i], len) == 0 && (host[len] == 0 || host[len] == ':')) {
            return true;
        }
    }
    return false;
}

static enum ks_err set_url(struct ks_web_client *client, const struct ks_web_client_spec *spec)
{
    enum ks_err err = KS_OK;
    const char *url = spec->url;
    struct ks_bytes text = ks_bytes_text(url);
    bool plain = starts_with(text, HTTP);
    size_t scheme = plain ? strlen(HTTP) : strlen(HTTPS);
    size_t len = 0;

    KS_CHECK(plain || starts_with(text, HTTPS), KS_ERR_USAGE,
             "the URL starts neither with https:// nor with http://");
    KS_CHECK(text.len <= URL_MAX && ks_http_is_value(text) && strpbrk(url, " \t#") == NULL,
             KS_ERR_USAGE, "the URL is too long, or has characters that no URL has");
    len = strcspn(url + scheme, "/?");
    KS_CHECK(ks_http_is_authority(ks_bytes_of(url + scheme, len)) && len <= KS_HTTP_HOST_MAX,
             KS_ERR_USAGE, "the URL has no host, or more than host:port before its path");
    ks_copy(client->host, url + scheme, len);
    client->host[len] = 0;
    KS_CHECK(!plain || spec->signed_answers || is_loopback(client->host), KS_ERR_USAGE,
             "plain http only to this machine, not to '%s'", client->host);
    ks_copy(client->url, url, text.len);
    client->url[text.len] = 0;
out:
    return err;
}

static bool set_options(const struct ks_web_client *client,
                        const struct ks_web_client_spec *spec)
{
    CURL *curl = client->curl;
    long connect_ms = spec->connect_ms > 0 ? (long)spec->connect_ms : 10000;
    long total_ms = spec->total_ms > 0 ? (long)spec->total_ms : 30000;
    bool plain = starts_with(ks_bytes_text(client->url), HTTP);

    return curl_easy_setopt(curl, CURLOPT_URL, client->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           (spec->ca_file == NULL ||
            curl_easy_setopt(curl, CURLOPT_CAINFO, spec->ca_file) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, total_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->fields) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
}

enum ks_err ks_web_client_new(const struct ks_web_client_spec *spec,
                              struct ks_web_client **out_client)
{
    enum ks_err err = KS_OK;
    struct ks_web_client *client = ks_calloc(1, sizeof *client);
    struct curl_slist *grown = NULL;
    char type[TYPE_MAX];

    KS_CHECK(client != NULL, KS_ERR_NOMEM, "no memory for a client");
    KS_TRY(set_url(client, spec));
    KS_TRY(ks_curl_load());
    KS_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, KS_ERR_NOMEM,
             "libcurl does not start");
    client->response_max = spec->response_max;
    (void)snprintf(type, sizeof type, "Content-Type: %s",
                   spec->content_type == NULL ? "application/json" : spec->content_type);
    client->fields = curl_slist_append(NULL, type);
    KS_CHECK(client->fields != NULL, KS_ERR_NOMEM, "no memory for a client");
    grown = curl_slist_append(client->fields, "Expect:"); /* no round trip before the body */
    KS_CHECK(grown != NULL, KS_ERR_NOMEM, "no memory for a client");
    client->curl = curl_easy_init();
    KS_CHECK(client->curl != NULL, KS_ERR_NOMEM, "no memory for a client");
    KS_CHECK(set_options(client, spec), KS_ERR_INTERNAL,
             "this libcurl lacks an option that ketseal needs: %s", curl_version());
    *out_client = client;
    client = NULL; /* transferred */
out:
    ks_web_client_free(client);
    return err;
}

void ks_web_client_free(struct ks_web_client *client)
{
    if (client != NULL) {
        if (client->curl != NULL) {
            curl_easy_cleanup(client->curl);
        }
        if (client->fields != NULL) {
            curl_slist_free_all(client->fields);
        }
        ks_free(client);
    }
}

const char *ks_web_client_host(const struct ks_web_client *client)
{
    return client->host;
}

static enum ks_err outcome(const struct ks_web_client *client, const struct sink *sink,
                           CURLcode code)
{
    if (sink->err != KS_OK) {
        return ks_fail_prefix(sink->err, "%s", client->host);
    }
    switch (code) {
    case CURLE_OK:
        return KS_OK;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
        return ks_fail(KS_ERR_VERIFY, "%s: %s", client->host, curl_easy_strerror(code));
    case CURLE_OUT_OF_MEMORY:
        return ks_fail(KS_ERR_NOMEM, "%s: %s", client->host, curl_easy_strerror(code));
    default:
        return ks_fail(KS_ERR_IO, "%s: %s", client->host, curl_easy_strerror(code));
    }
}

enum ks_err ks_web_client_post(struct ks_web_client *client, struct ks_bytes body,
                               int *out_status, struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    struct sink sink = {.answer = answer, .start = answer->len, .max = client->response_max};
    CURL *curl = client->curl;
    long status = 0;

    KS_CHECK(curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) ==
                     CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body.data) ==
                     CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink) == CURLE_OK,
             KS_ERR_NOMEM, "libcurl does not take the request");
    KS_TRY(outcome(client, &sink, ks_curl_perform(curl)));
    KS_CHECK(curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK,
             KS_ERR_INTERNAL, "libcurl does not know its answer");
    *out_status = (int)status;
out:
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
    return err;
}
