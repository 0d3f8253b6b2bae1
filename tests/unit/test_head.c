/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/head.h"

#define BODY_MAX 1000

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END  "\r\n"

struct reject {
    const char *raw;
    size_t len;
    enum ks_err err;
    const char *detail; /* a part of it */
};

#define REJECT(text, code, part)                                                               \
    {                                                                                          \
        "" text, sizeof(text) - 1, KS_ERR_##code, part                                         \
    }

static const struct reject rejects[] = {
    REJECT("", FORMAT, "line 1"),
    REJECT("\r\n" LINE HOST END, FORMAT, "no method"),
    REJECT(LINE HOST, FORMAT, "line 3"),
    REJECT(LINE HOST END "x", FORMAT, ""),
    REJECT("GET / HTTP/1.1\n" HOST END, FORMAT, "CR LF"),
    REJECT("GET /\r HTTP/1.1\r\n" HOST END, FORMAT, "bare CR"),
    REJECT(LINE "Host: a\n\r\n", FORMAT, "CR LF"),
    REJECT(LINE "Host: a\r\r\n\r\n", FORMAT, "bare CR"),
    REJECT(LINE HOST "X: b\rc\r\n\r\n", FORMAT, "bare CR"),
    REJECT(LINE HOST "X: b\nY: c\r\n\r\n", FORMAT, "CR LF"),
    REJECT("GET / HTTP/1.0\r\n" HOST END, FORMAT, "version"),
    REJECT("GET / HTTP/1.10\r\n" HOST END, FORMAT, "version"),
    REJECT("GET / HTTP/2\r\n" HOST END, FORMAT, "version"),
    REJECT("GET / http/1.1\r\n" HOST END, FORMAT, "version"),
    REJECT("GET /  HTTP/1.1\r\n" HOST END, FORMAT, "version"),
    REJECT("GET / HTTP/1.1 \r\n" HOST END, FORMAT, "version"),
    REJECT("GET  / HTTP/1.1\r\n" HOST END, FORMAT, "version"),
    REJECT(" GET / HTTP/1.1\r\n" HOST END, FORMAT, "no method"),
    REJECT("GET\t/ HTTP/1.1\r\n" HOST END, FORMAT, "no method"),
    REJECT("G(T / HTTP/1.1\r\n" HOST END, FORMAT, "no method"),
    REJECT("GET /\r\n" HOST END, FORMAT, "no version"),
    REJECT("GET\r\n" HOST END, FORMAT, "no method"),
    REJECT("ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n" HOST END, LIMIT, "method"),
    REJECT("GET http://a/ HTTP/1.1\r\n" HOST END, FORMAT, "does not start"),
    REJECT("OPTIONS * HTTP/1.1\r\n" HOST END, FORMAT, "does not start"),
    REJECT("CONNECT a:1 HTTP/1.1\r\n" HOST END, FORMAT, "does not start"),
    REJECT("GET /#a HTTP/1.1\r\n" HOST END, FORMAT, "0x23"),
    REJECT("GET /a\"b HTTP/1.1\r\n" HOST END, FORMAT, "0x22"),
    REJECT("GET /\xc3\xa9 HTTP/1.1\r\n" HOST END, FORMAT, "0xc3"),
    REJECT("GET /a\\b HTTP/1.1\r\n" HOST END, FORMAT, "0x5c"),
    REJECT("GET /?a|b HTTP/1.1\r\n" HOST END, FORMAT, "query"),
    REJECT("GET /% HTTP/1.1\r\n" HOST END, FORMAT, "hex"),
    REJECT("GET /%2 HTTP/1.1\r\n" HOST END, FORMAT, "hex"),
    REJECT("GET /%2g HTTP/1.1\r\n" HOST END, FORMAT, "hex"),
    REJECT("GET /\0 HTTP/1.1\r\n" HOST END, FORMAT, "0x00"),
    REJECT(LINE END, FORMAT, "no Host"),
    REJECT(LINE HOST HOST END, FORMAT, "'host' is repeated"),
    REJECT(LINE "Host:\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a b\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a/\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: u@a\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a:\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a:0\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a:65536\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: a:1:2\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: :1\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: [::1\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: []\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE "Host: [::1]x\r\n" END, FORMAT, "bad Host"),
    REJECT(LINE " Host: a\r\n" END, FORMAT, "folded"),
    REJECT(LINE HOST " folded\r\n" END, FORMAT, "line 3: folded"),
    REJECT(LINE HOST "\tfolded\r\n" END, FORMAT, "folded"),
    REJECT(LINE "Host : a\r\n" END, FORMAT, "no field name"),
    REJECT(LINE HOST ": a\r\n" END, FORMAT, "no field name"),
    REJECT(LINE HOST "X\r\n" END, FORMAT, "no field name"),
    REJECT(LINE HOST "X Y: a\r\n" END, FORMAT, "no field name"),
    REJECT(LINE HOST "X\0: a\r\n" END, FORMAT, "no field name"),
    REJECT(LINE HOST "X: a\0b\r\n" END, FORMAT, "visible ASCII"),
    REJECT(LINE HOST "X: \x7f\r\n" END, FORMAT, "visible ASCII"),
    REJECT(LINE HOST "X: \xff\r\n" END, FORMAT, "visible ASCII"),
    REJECT(LINE HOST "Transfer-Encoding: chunked\r\n" END, FORMAT, "Transfer-Encoding"),
    REJECT(LINE HOST "Content-Length: 1\r\nTransfer-Encoding: identity\r\n" END, FORMAT,
           "Transfer-Encoding"),
    REJECT(LINE HOST "Content-Length: 1\r\nContent-Length: 1\r\n" END, FORMAT, "is repeated"),
    REJECT(LINE HOST "Content-Length: 1\r\ncontent-LENGTH: 2\r\n" END, FORMAT, "is repeated"),
    REJECT(LINE HOST "Content-Length: 1, 1\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: +1\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: -1\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: 0x1\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: 01\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length:\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: 18446744073709551616\r\n" END, FORMAT, "Content-Length"),
    REJECT(LINE HOST "Content-Length: 1001\r\n" END, LIMIT, "1001 bytes, limit 1000"),
    REJECT(LINE HOST "Signature: a\r\nSIGNATURE: b\r\n" END, FORMAT, "is repeated"),
    REJECT(LINE HOST "Ketseal-Channel: a\r\nKetseal-Channel: a\r\n" END, FORMAT, "is repeated"),
};

static void refuses_what_the_grammar_does_not_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rejects / sizeof rejects[0]; i++) {
        struct ks_http_head head = {.field_count = 77};
        enum ks_err err =
            ks_http_head_parse(ks_bytes_of(rejects[i].raw, rejects[i].len), BODY_MAX, &head);
        if (err != rejects[i].err || strstr(ks_err_detail(), rejects[i].detail) == NULL ||
            head.field_count != 77) {
            fail_msg("case %zu: %s, \"%s\"", i, ks_err_name(err), ks_err_detail());
        }
    }
}

static void takes_a_head_apart(void **state)
{
    static const char text[] = "POST /v1/jobs?a=%41&b=/?c HTTP/1.1\r\n"
                               "Host: Site.Example:8443\r\n"
                               "Content-Length: 1000\r\n"
                               "X-One:\t two words \t\r\n"
                               "Accept: a\r\n"
                               "accept: b\r\n"
                               "X-Empty:\r\n"
                               "Connection: Keep-Alive , CLOSE\r\n"
                               "\r\n";
    struct ks_bytes raw = ks_bytes_text(text);
    struct ks_http_head head;
    struct ks_bytes value;

    (void)state;
    assert_int_equal(ks_http_head_parse(raw, BODY_MAX, &head), KS_OK);
    assert_true(ks_bytes_is(head.method, "POST"));
    assert_true(ks_bytes_is(head.target, "/v1/jobs?a=%41&b=/?c"));
    assert_true(ks_bytes_is(head.path, "/v1/jobs"));
    assert_true(ks_bytes_is(head.query, "?a=%41&b=/?c"));
    assert_true(ks_bytes_is(head.host, "Site.Example:8443"));
    assert_true(head.has_content_length);
    assert_int_equal(head.content_length, 1000);
    assert_int_equal(head.field_count, 7);
    assert_int_equal(ks_http_head_get(&head, "x-one", &value), KS_OK);
    assert_true(ks_bytes_is(value, "two words"));
    assert_int_equal(ks_http_head_get(&head, "x-empty", &value), KS_OK);
    assert_int_equal(value.len, 0);
    assert_int_equal(ks_http_head_get(&head, "accept", &value), KS_ERR_FORMAT);
    assert_int_equal(ks_http_head_get(&head, "x-on", &value), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_http_head_count(&head, "accept"), 2);
    assert_true(ks_http_head_has_token(&head, "connection", "close"));
    assert_false(ks_http_head_has_token(&head, "connection", "clos"));
    assert_false(ks_http_head_has_token(&head, "x-empty", "close"));
}

static void accepts_hosts(void **state)
{
    static const char *const hosts[] = {"a",           "a.b-c",     "127.0.0.1",
                                        "127.0.0.1:1", "a:65535",   "[::1]",
                                        "[::1]:8443",  "[fe80::1]", "[::ffff:1.2.3.4]:2"};

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        assert_true(ks_http_is_authority(ks_bytes_text(hosts[i])));
    }
}

static void holds_its_limits(void **state)
{
    struct ks_http_head head;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100000);
    for (unsigned count = KS_HTTP_FIELDS_MAX; count <= KS_HTTP_FIELDS_MAX + 1; count++) {
        ks_buf_clear(&buf);
        ks_buf_put_text(&buf, LINE HOST);
        for (unsigned i = 1; i < count; i++) {
            ks_buf_put_format(&buf, "X-%u: y\r\n", i);
        }
        ks_buf_put_text(&buf, END);
        assert_int_equal(ks_http_head_parse(ks_buf_view(&buf), BODY_MAX, &head),
                         count <= KS_HTTP_FIELDS_MAX ? KS_OK : KS_ERR_LIMIT);
    }
    for (size_t len = KS_HTTP_HEAD_MAX; len <= KS_HTTP_HEAD_MAX + 1; len++) {
        ks_buf_clear(&buf);
        ks_buf_put_text(&buf, LINE HOST "X: ");
        while (buf.len < len - 4) {
            ks_buf_put_u8(&buf, 'x');
        }
        ks_buf_put_text(&buf, "\r\n" END);
        assert_int_equal(ks_http_head_parse(ks_buf_view(&buf), BODY_MAX, &head),
                         len <= KS_HTTP_HEAD_MAX ? KS_OK : KS_ERR_LIMIT);
    }
    for (size_t len = KS_HTTP_TARGET_MAX; len <= KS_HTTP_TARGET_MAX + 1; len++) {
        ks_buf_clear(&buf);
        ks_buf_put_text(&buf, "GET /");
        while (buf.len < len + 4) {
            ks_buf_put_u8(&buf, 'x');
        }
        ks_buf_put_text(&buf, " HTTP/1.1\r\n" HOST END);
        assert_int_equal(ks_http_head_parse(ks_buf_view(&buf), BODY_MAX, &head),
                         len <= KS_HTTP_TARGET_MAX ? KS_OK : KS_ERR_LIMIT);
    }
    ks_buf_done(&buf);
}

/* However the bytes come in pieces, the end is found at the same place. */
static void finds_the_end(void **state)
{
    static const char text[] = LINE HOST END "GET /second HTTP/1.1\r\n" HOST END;
    struct ks_bytes all = ks_bytes_text(text);
    size_t end = strlen(LINE HOST END);

    (void)state;
    for (size_t step = 1; step <= all.len; step++) {
        size_t seen = 0;
        size_t found = 0;
        for (size_t len = step; found == 0 && seen < all.len; len += step) {
            len = len < all.len ? len : all.len;
            found = ks_http_head_end(ks_bytes_of(all.data, len), seen);
            seen = len;
        }
        assert_int_equal(found, end);
    }
    assert_int_equal(ks_http_head_end(KS_LITERAL("\n\r\n"), 0), 0);
    assert_int_equal(ks_http_head_end(KS_LITERAL("\r\n\r\n"), 0), 4);
    assert_int_equal(ks_http_head_end(KS_LITERAL("a\n\n"), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_the_grammar_does_not_have),
        cmocka_unit_test(takes_a_head_apart),
        cmocka_unit_test(accepts_hosts),
        cmocka_unit_test(holds_its_limits),
        cmocka_unit_test(finds_the_end),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
