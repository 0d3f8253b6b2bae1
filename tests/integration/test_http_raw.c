/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The server against a raw libssl peer and `openssl s_client`, which send what our client never
 * would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/signature.h"
#include "tests/integration/http_site.h"

/* --- tests: the raw peer ------------------------------------------------------------------ */

/* Writes request I with spellings that a parser might tidy up. */
static void put_odd_request(struct ks_buf *out, unsigned i)
{
    ks_buf_put_format(out, "%s /head?i=%u HTTP/1.1\r\nhOsT:localhost\r\n",
                      i % 3 == 0 ? "PUT" : "POST", i);
    for (unsigned j = 0; j < i % 7; j++) {
        ks_buf_put_format(out, "X-%u: \t %u  x \t\r\nx-%u:\r\n", j, i, j);
    }
    ks_buf_put_text(out, "content-LENGTH:3  \r\n\r\n");
}

static void heads_arrive_exactly_as_sent(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    struct ks_buf head;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    ks_buf_init(&head, 4096);
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 100; i++) {
        size_t answer_head = 0;
        ks_buf_clear(&head);
        put_odd_request(&head, i);
        /* In one piece, or cut at a place that wanders. */
        size_t cut = i % 2 == 0 ? head.len : i * 13 % head.len;
        raw_send(&raw, ks_bytes_of(head.data, cut));
        raw_send(&raw, ks_bytes_of(head.data + cut, head.len - cut));
        raw_send(&raw, KS_LITERAL("abc"));
        answer_head = raw_receive(&raw, &in, &out);
        assert_true(answer_head > 0);
        assert_int_equal(status_of(&out), 200);
        assert_true(ks_bytes_equal(ks_bytes_of(out.data + answer_head, out.len - answer_head),
                                   ks_buf_view(&head)));
    }
    assert_int_equal(ks_http_server_counters(site.server).requests, 100);
    assert_int_equal(ks_http_server_counters(site.server).handshakes, 1);
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&head);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* Requests that come before earlier ones are answered, at once and later, in one record and
 * across. */
static void pipelined_requests_are_answered_in_order(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    struct ks_buf all;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    ks_buf_init(&all, 1 << 20);
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 500; i++) {
        ks_buf_put_format(&all,
                          "POST /%s HTTP/1.1\r\n" HOST_HEAD "Content-Length: 4\r\n\r\n%04u",
                          i % 50 == 49 ? "later" : "body", i);
    }
    raw_send(&raw, ks_buf_view(&all));
    for (unsigned i = 0; i < 500; i++) {
        char wanted[8];
        size_t head_len = raw_receive(&raw, &in, &out);
        assert_true(head_len > 0);
        (void)snprintf(wanted, sizeof wanted, "%04u", i);
        assert_true(ks_bytes_is(ks_bytes_of(out.data + head_len, out.len - head_len), wanted));
    }
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&all);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* A client-auth failure shows at the first read, when SSL_connect has already succeeded. */
static void expect_no_entry(const struct site *site, const struct raw_spec *spec)
{
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    uint64_t before = ks_http_server_counters(site->server).requests;

    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    if (raw_open(site, spec, &raw)) {
        size_t sent = 0;
        (void)SSL_write_ex(raw.ssl, "GET /head HTTP/1.1\r\n" HOST_HEAD "\r\n",
                           sizeof "GET /head HTTP/1.1\r\n" HOST_HEAD "\r\n" - 1, &sent);
        assert_int_equal(raw_receive(&raw, &in, &out), 0);
    }
    assert_int_equal(ks_http_server_counters(site->server).requests, before);
    raw_close(&raw);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

static void strangers_do_not_get_in(void **state)
{
    struct site site;
    struct test_authority *other = test_authority_new("other");
    struct test_identity *stranger = test_issue(other, TEST_DEVICE, "stranger", NULL);
    struct test_identity *classical = test_issue(authority, TEST_CLASSICAL_DEVICE, "old", NULL);
    struct test_identity *expired = test_issue(authority, TEST_EXPIRED_DEVICE, "late", NULL);

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    expect_no_entry(&site, &(struct raw_spec){0});
    expect_no_entry(&site, &(struct raw_spec){.identity = stranger});
    expect_no_entry(&site, &(struct raw_spec){.identity = classical});
    expect_no_entry(&site, &(struct raw_spec){.identity = expired});
    expect_no_entry(&site, &(struct raw_spec){.identity = site_identity}); /* wrong role */
    expect_no_entry(&site,
                    &(struct raw_spec){.identity = device_identity, .version = TLS1_2_VERSION});
    expect_no_entry(&site, &(struct raw_spec){.identity = device_identity, .groups = "X25519"});
    expect_no_entry(&site, &(struct raw_spec){.identity = device_identity,
                                              .sigalgs = "ecdsa_secp256r1_sha256"});
    assert_int_equal(ks_http_server_counters(site.server).handshakes, 0);
    assert_true(ks_http_server_counters(site.server).handshakes_failed >= 7);
    site_close(&site);
    test_identity_free(expired);
    test_identity_free(classical);
    test_identity_free(stranger);
    test_authority_free(other);
}

static void oversize_and_odd_requests_are_refused(void **state)
{
    const struct ks_http_limits limits = {.body_max = 1000, .in_flight_max = 1500};
    struct site site;
    struct ks_buf long_head;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&long_head, 1 << 20);
    ks_buf_put_text(&long_head, "GET / HTTP/1.1\r\n" HOST_HEAD);
    for (unsigned i = 0; i < 3000; i++) {
        ks_buf_put_format(&long_head, "X-%u: 0123456789\r\n", i);
    }
    site_open(&site, 1, limits);
    expect_refusal(&site, ks_buf_view(&long_head), 413, "LIMIT");
    expect_refusal(
        &site, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Content-Length: 1001\r\n\r\n"),
        413, "LIMIT");
    expect_refusal(&site,
                   KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD
                              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                   400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.0\r\n" HOST_HEAD "\r\n"), 400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.1\r\n\r\n"), 400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.1\r\n" HOST_HEAD HOST_HEAD "\r\n"), 400,
                   "FORMAT");
    expect_refusal(&site, KS_LITERAL("\x16\x03\x01\r\n\r\n"), 400, "FORMAT");
    expect_refusal(&site,
                   KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD
                              "Expect: more\r\nContent-Length: 3\r\n\r\nabc"),
                   400, "FORMAT");
    assert_int_equal(ks_http_server_counters(site.server).requests, 0);

    /* Bytes in flight: one body is waited for, a second would be over. */
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    assert_true(raw_open(&site, &(struct raw_spec){.identity = device_identity}, &raw));
    raw_send(&raw, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Expect: 100-continue\r\n"
                              "Content-Length: 1000\r\n\r\n"));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 100);
    expect_refusal(
        &site, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Content-Length: 501\r\n\r\n"),
        503, "UNAVAILABLE");
    raw_send(&raw, ks_bytes_of(site.big, 1000));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 200);
    raw_send(&raw, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD CLOSE_HEAD
                              "Content-Length: 3\r\n\r\nabcd"));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 200);
    assert_int_equal(raw_receive(&raw, &in, &out), 0);
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&out);
    ks_buf_done(&in);
    ks_buf_done(&long_head);
}

/* Trickles TEXT, a byte per 20 ms, until the site closes; true when it did within WAIT_MS. */
static bool closes_on(struct raw *raw, const char *text, uint64_t *out_took_ms)
{
    uint64_t start = ks_clock_monotonic_us();
    struct timeval short_wait = {.tv_usec = 20000};
    size_t i = 0;

    (void)setsockopt(raw->fd, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof short_wait);
    while (ks_clock_monotonic_us() - start < (uint64_t)WAIT_MS * 1000) {
        uint8_t byte = 0;
        size_t count = 0;
        int result = 0;
        ERR_clear_error();
        if (text[i] != 0) {
            (void)SSL_write_ex(raw->ssl, &text[i++], 1, &count);
        }
        result = SSL_read_ex(raw->ssl, &byte, 1, &count);
        if (result != 1 && SSL_get_error(raw->ssl, result) != SSL_ERROR_WANT_READ) {
            *out_took_ms = (ks_clock_monotonic_us() - start) / 1000;
            return true;
        }
    }
    return false;
}

static void slow_peers_are_cut(void **state)
{
    static const char head[] =
        "GET /head HTTP/1.1\r\nHost: localhost\r\nX: 0123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789";
    static const char body[] = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                               "500\r\n\r\n01234567890123456789";
    const struct ks_http_limits limits = {
        .handshake_ms = 400, .head_ms = 500, .body_ms = 400, .idle_ms = 300};
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    uint64_t took_ms = 0;
    uint8_t byte = 0;
    int fd = -1;

    (void)state;
    site_open(&site, 1, limits);
    assert_true(raw_open(&site, &spec, &raw)); /* says nothing */
    assert_true(closes_on(&raw, "", &took_ms));
    assert_in_range(took_ms, 200, 1500);
    raw_close(&raw);
    assert_true(raw_open(&site, &spec, &raw));
    assert_true(closes_on(&raw, head, &took_ms));
    assert_in_range(took_ms, 400, 2000);
    raw_close(&raw);
    assert_true(raw_open(&site, &spec, &raw));
    raw_send(
        &raw,
        KS_LITERAL("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"));
    assert_true(closes_on(&raw, body, &took_ms));
    assert_in_range(took_ms, 300, 1500);
    raw_close(&raw);
    fd = connect_to(&site); /* no handshake */
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    ks_fd_close(&fd);
    assert_int_equal(ks_http_server_counters(site.server).timeouts, 4);
    assert_int_equal(ks_http_server_counters(site.server).requests, 0);
    site_close(&site);
}

/* An answer nobody reads does not hold the connection for ever. */
static void an_answer_not_read_is_cut(void **state)
{
    const struct ks_http_limits limits = {.write_ms = 300};
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;

    (void)state;
    site_open(&site, 1, limits);
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 4; i++) {
        raw_send(&raw, KS_LITERAL("GET /big HTTP/1.1\r\n" HOST_HEAD "\r\n"));
    }
    for (unsigned i = 0; i < 300 && ks_http_server_counters(site.server).timeouts == 0; i++) {
        sleep_ms(10);
    }
    assert_int_equal(ks_http_server_counters(site.server).timeouts, 1);
    raw_close(&raw);
    site_close(&site);
}

static void sessions_resume_with_a_new_exporter(void **state)
{
    const struct raw_spec first_spec = {.identity = device_identity};
    struct raw_spec second_spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    uint8_t exporters[2][32];
    size_t head_len = 0;
    const unsigned char *ticket = NULL;
    size_t ticket_len = 0;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    site_open(&site, 1, (struct ks_http_limits){0});
    for (unsigned i = 0; i < 2; i++) {
        assert_true(raw_open(&site, i == 0 ? &first_spec : &second_spec, &raw));
        assert_int_equal(SSL_session_reused(raw.ssl), (int)i);
        raw_send(&raw, KS_LITERAL("GET /exporter HTTP/1.1\r\n" HOST_HEAD "\r\n"));
        head_len = raw_receive(&raw, &in, &out);
        assert_int_equal(out.len - head_len, 32);
        /* RFC 9266, computed here by libssl itself. */
        assert_int_equal(SSL_export_keying_material(raw.ssl, exporters[i], 32,
                                                    "EXPORTER-Channel-Binding", 24,
                                                    (const uint8_t *)"", 0, 1),
                         1);
        assert_true(
            ks_bytes_equal(ks_bytes_of(out.data + head_len, 32), KS_BYTES(exporters[i])));
        raw_send(&raw, KS_LITERAL("GET /peer HTTP/1.1\r\n" HOST_HEAD "\r\n"));
        head_len = raw_receive(&raw, &in, &out);
        assert_true(ks_bytes_equal(ks_bytes_of(out.data + head_len, out.len - head_len),
                                   test_cert_der(device_identity)));
        if (i == 0) {
            second_spec.session = SSL_get1_session(raw.ssl);
            assert_true(SSL_SESSION_is_resumable(second_spec.session));
            SSL_SESSION_get0_ticket(second_spec.session, &ticket, &ticket_len);
            assert_in_range(ticket_len, 1, 64); /* a name, not the session itself */
        }
        raw_close(&raw);
    }
    assert_memory_not_equal(exporters[0], exporters[1], 32);
    assert_int_equal(ks_http_server_counters(site.server).resumed, 1);
    SSL_SESSION_free(second_spec.session);
    site_close(&site);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* --- tests: an independent program -------------------------------------------------------- */

static void openssl_s_client_gets_an_answer(void **state)
{
    const char *openssl = getenv("KS_OPENSSL");
    char directory[] = "/tmp/ketseal-http-XXXXXX";
    char path[128];
    char command[2048];
    char text[65536] = {0};
    struct site site;
    FILE *pipe = NULL;
    size_t len = 0;

    (void)state;
    if (openssl == NULL || access(openssl, X_OK) != 0) {
        print_message("SKIPPED: KS_OPENSSL names no openssl >= 3.5\n");
        skip();
    }
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/root", directory);
    assert_int_equal(ks_file_write(path, test_root_pem(authority), 0600), KS_OK);
    (void)snprintf(path, sizeof path, "%s/cert", directory);
    assert_int_equal(ks_file_write(path, test_cert_pem(device_identity), 0600), KS_OK);
    (void)snprintf(path, sizeof path, "%s/key", directory);
    assert_int_equal(ks_file_write(path, test_key_pem(device_identity), 0600), KS_OK);
    (void)snprintf(command, sizeof command,
                   "(printf 'GET /head?s_client HTTP/1.1\\r\\n" SHELL_HEAD
                   "\\r\\n'; sleep 0.3) |"
                   " LD_LIBRARY_PATH=$(dirname %s)/../lib %s s_client -connect 127.0.0.1:%u"
                   " -servername localhost -verify_hostname localhost -verify_return_error"
                   " -CAfile %s/root -cert %s/cert -key %s/key -ign_eof 2>&1; rm -r %s",
                   openssl, openssl, (unsigned)ks_http_server_port(site.server), directory,
                   directory, directory, directory);
    pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a test's own command */
    assert_non_null(pipe);
    len = fread(text, 1, sizeof text - 1, pipe);
    (void)pclose(pipe);
    assert_true(len > 0);
    if (strstr(text, "HTTP/1.1 200 OK") == NULL ||
        strstr(text, "GET /head?s_client HTTP/1.1") == NULL ||
        strstr(text, "X25519MLKEM768") == NULL ||
        strstr(text, "Verify return code: 0 (ok)") == NULL || strstr(text, "mldsa65") == NULL) {
        fail_msg("%s", text);
    }
    site_close(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_arrive_exactly_as_sent),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(strangers_do_not_get_in),
        cmocka_unit_test(oversize_and_odd_requests_are_refused),
        cmocka_unit_test(slow_peers_are_cut),
        cmocka_unit_test(an_answer_not_read_is_cut),
        cmocka_unit_test(sessions_resume_with_a_new_exporter),
        cmocka_unit_test(openssl_s_client_gets_an_answer),
    };
    return cmocka_run_group_tests_name("http_raw", tests, http_set_up, http_tear_down);
}
