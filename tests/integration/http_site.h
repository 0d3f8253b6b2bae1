/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_site.h: what the tests of the HTTP server share: a site whose answers depend on the
 * path, our client for it, and a raw libssl peer that sends what our client never would.
 * Failures fail the test. */
#ifndef KS_TESTS_INTEGRATION_HTTP_SITE_H
#define KS_TESTS_INTEGRATION_HTTP_SITE_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "tests/integration/issue.h"

#define NOW_S      (ks_clock_us() / 1000000)
#define WAIT_MS    5000
#define BIG_LEN    ((size_t)5 << 20)
#define HELD_MAX   8
#define ANSWER_MAX ((size_t)8 << 20)
#define CLOSE_HEAD "Connection: close\r\n"
#define HOST_HEAD  "Host: localhost\r\n"
#define SHELL_HEAD "Host: localhost\\r\\nConnection: close\\r\\n"

struct site {
    struct ks_tls *tls;
    struct ks_http_server *server;
    pthread_mutex_t lock; /* over held and the threads' list */
    struct ks_http_request *held[HELD_MAX];
    unsigned held_count;
    atomic_uint threads; /* answering later */
    uint8_t key[32];
    atomic_int signature_err;     /* of the last /signed */
    atomic_size_t facts_received; /* bytes of the last request to /facts and of its answer */
    atomic_size_t facts_sent;
    atomic_uint facts_group; /* and of its connection */
    uint8_t *big;
};

extern struct test_authority *authority;
extern struct test_identity *site_identity, *device_identity;

int http_set_up(void **state);
int http_tear_down(void **state);
void sleep_ms(unsigned ms);

/* Paths: /head /body /exporter /peer /big /facts (at once), /signed, /later (by another
 * thread), /hold. /facts comes with Retry-After, and Server-Timing, twice for a query. */
void site_open(struct site *site, unsigned loops, struct ks_http_limits limits);
void site_close(struct site *site);
/* Request INDEX of those to /hold; waits for it. */
struct ks_http_request *held(struct site *site, unsigned index);
void answer_bytes(struct ks_http_request *request, struct ks_bytes body);

struct ks_tls *tls_of(enum ks_tls_side side, const struct test_identity *identity);
struct ks_http_client *client_of(const struct site *site, struct ks_tls *tls,
                                 struct ks_http_client_spec spec);
void call_ok(struct ks_http_client *client, const struct ks_http_call *call,
             struct ks_http_answer *answer);

struct raw {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

struct raw_spec {
    const struct test_identity *identity; /* NULL: no certificate */
    int version;                          /* 0: TLS 1.3 */
    const char *groups;
    const char *sigalgs;
    SSL_SESSION *session;
};

int connect_to(const struct site *site);
/* False when the handshake failed; raw_close in either case. */
bool raw_open(const struct site *site, const struct raw_spec *spec, struct raw *raw);
void raw_close(struct raw *raw);
void raw_send(struct raw *raw, struct ks_bytes bytes);
/* One answer's head and body into OUT; returns the length of its head, 0 when the connection
 * ended. */
size_t raw_receive(struct raw *raw, struct ks_buf *in, struct ks_buf *out);
int status_of(const struct ks_buf *answer);
/* Sends REQUEST on a new connection and expects STATUS with a JSON error NAME, then the end. */
void expect_refusal(const struct site *site, struct ks_bytes request, int status,
                    const char *name);

#endif
