/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include "net/response.h"

#define BODY_MAX 1000

struct good {
    const char *bytes;
    int status;
    bool close;
    const char *body;
    size_t left; /* bytes behind the answer */
};

static const struct good good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, false, "{}", 0},
    {"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, false, "", 0},
    {"HTTP/1.1 503 \r\nContent-Length: 3\r\nConnection: close\r\n\r\nabcHTTP", 503, true, "abc",
     4},
    {"HTTP/1.0 401 No\r\nContent-Length: 1\r\n\r\nx", 401, true, "x", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n"
     "\r\n",
     200, false, "abc0123456789", 0},
    {"HTTP/1.1 200 OK\r\nX: \t a b\t \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nZ", 200,
     false, "", 1},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct ks_http_response_head head = {0};
        struct ks_bytes bytes = ks_bytes_text(good[i].bytes);
        struct ks_buf body;

        ks_buf_init(&body, BODY_MAX);
        assert_int_equal(ks_http_response_parse(bytes, BODY_MAX, &body, &head), KS_OK);
        assert_int_equal(head.status, good[i].status);
        assert_int_equal(head.close, good[i].close);
        assert_int_equal(head.len, bytes.len - good[i].left);
        expect_text(ks_buf_view(&body), good[i].body);
        /* Every part of it is no answer yet, and leaves nothing behind. */
        for (size_t len = 0; len < head.len; len++) {
            ks_buf_clear(&body);
            assert_int_equal(
                ks_http_response_parse(ks_bytes_of(bytes.data, len), BODY_MAX, &body, &head),
                KS_ERR_NOT_FOUND);
            assert_int_equal(body.len, 0);
        }
        ks_buf_done(&body);
    }
}

static const struct {
    const char *bytes;
    enum ks_err err;
    const char *text;
} bad[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", KS_ERR_FORMAT, "neither Content-Length"},
    {"HTTP/2 200\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no status line"},
    {"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no status line"},
    {"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no status line"},
    {"HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no status line"},
    {"HTTP/1.1 100 Continue\r\n\r\n", KS_ERR_FORMAT, "status 100"},
    {"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "status"},
    {"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "status"},
    {"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no status line"},
    {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "CR LF"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r \r\n\r\n", KS_ERR_FORMAT, "control character"},
    {"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", KS_ERR_FORMAT, "no field"},
    {"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", KS_ERR_FORMAT, "no field"},
    {"HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT, "no field"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", KS_ERR_FORMAT,
     "twice"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx", KS_ERR_FORMAT, "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", KS_ERR_FORMAT, "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nx", KS_ERR_LIMIT, "over 1000 bytes"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     KS_ERR_FORMAT, "both"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", KS_ERR_FORMAT,
     "other than chunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     KS_ERR_FORMAT, "other than chunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
     KS_ERR_FORMAT, "no number"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", KS_ERR_FORMAT,
     "without length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\nx\r\n0\r\n\r\n",
     KS_ERR_FORMAT, "without length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
     KS_ERR_FORMAT, "longer than it says"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", KS_ERR_LIMIT,
     "over 1000 bytes"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
     KS_ERR_FORMAT, "longer than it says"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "1111111111111111111111111111111111111111111111111111111111111111111",
     KS_ERR_FORMAT, "first line over"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ks_http_response_head head = {.status = 7};
        struct ks_buf body;

        ks_buf_init(&body, BODY_MAX);
        expect_failure(
            ks_http_response_parse(ks_bytes_text(bad[i].bytes), BODY_MAX, &body, &head),
            bad[i].err, bad[i].text);
        assert_int_equal(body.len, 0);
        assert_int_equal(head.status, 7);
        ks_buf_done(&body);
    }
}

static void test_limits_of_the_head(void **state)
{
    (void)state;
    struct ks_http_response_head head = {0};
    struct ks_buf bytes;
    struct ks_buf body;

    ks_buf_init(&bytes, (size_t)4 * KS_HTTP_RESPONSE_HEAD_MAX);
    ks_buf_init(&body, BODY_MAX);
    ks_buf_put_text(&bytes, "HTTP/1.1 200 OK\r\nX: ");
    while (bytes.len <= KS_HTTP_RESPONSE_HEAD_MAX) {
        ks_buf_put_u8(&bytes, 'x');
    }
    expect_failure(ks_http_response_parse(ks_buf_view(&bytes), BODY_MAX, &body, &head),
                   KS_ERR_LIMIT, "a head over 16384 bytes");
    ks_buf_put_text(&bytes, "\r\nContent-Length: 0\r\n\r\n");
    expect_failure(ks_http_response_parse(ks_buf_view(&bytes), BODY_MAX, &body, &head),
                   KS_ERR_LIMIT, "a head over 16384 bytes");
    ks_buf_clear(&bytes);
    ks_buf_put_text(&bytes, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i < KS_HTTP_RESPONSE_FIELDS_MAX; i++) {
        ks_buf_put_text(&bytes, "X: y\r\n");
    }
    ks_buf_put_text(&bytes, "Content-Length: 0\r\n\r\n");
    expect_failure(ks_http_response_parse(ks_buf_view(&bytes), BODY_MAX, &body, &head),
                   KS_ERR_LIMIT, "over 64 fields");
    ks_buf_done(&bytes);
    ks_buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits_of_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
