/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "net/signature.h"

#define CREATED UINT64_C(1700000000)
#define EXPIRES UINT64_C(1700000060)

struct fixture {
    uint8_t key[32];
    uint8_t channel[KS_CHANNEL_LEN];
};

static struct fixture fixture_of(void)
{
    struct fixture fixture;

    for (size_t i = 0; i < 32; i++) {
        fixture.key[i] = (uint8_t)i;
        fixture.channel[i] = (uint8_t)(255 - i);
    }
    return fixture;
}

/* RFC 9421, appendix B.2.5, over the test request of B.2. */
static void matches_rfc_9421_b_2_5(void **state)
{
    static const char request[] =
        "POST /foo?param=Value&Pet=dog HTTP/1.1\r\n"
        "Host: example.com\r\n"
        "Date: Tue, 20 Apr 2021 02:07:55 GMT\r\n"
        "Content-Type: application/json\r\n"
        "Content-Digest: "
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwE"
        "mTHWXvJwew==:\r\n"
        "Content-Length: 18\r\n"
        "\r\n";
    static const char params[] = "(\"date\" \"@authority\" \"content-type\")"
                                 ";created=1618884473;keyid=\"test-shared-secret\"";
    static const char base[] =
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
        "\"@authority\": example.com\n"
        "\"content-type\": application/json\n"
        "\"@signature-params\": (\"date\" \"@authority\" \"content-type\")"
        ";created=1618884473;keyid=\"test-shared-secret\"";
    static const char key_text[] =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBt"
        "bmHhIDi6pcl8jsasjlTMtDQ==";
    struct ks_http_head head;
    struct ks_buf built;
    struct ks_buf key;
    struct ks_buf tag_text;
    uint8_t tag[32];

    (void)state;
    ks_buf_init(&built, KS_SIGNATURE_BASE_MAX);
    ks_buf_init(&key, 64);
    ks_buf_init(&tag_text, 64);
    assert_int_equal(ks_http_head_parse(ks_bytes_text(request), 100, &head), KS_OK);
    assert_int_equal(ks_signature_base(&head, ks_bytes_text(params), &built), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&built), base));
    assert_int_equal(ks_base64_decode(ks_bytes_text(key_text), &key), KS_OK);
    ks_hmac_sha256(ks_buf_view(&key), ks_buf_view(&built), tag);
    ks_buf_put_base64(&tag_text, KS_BYTES(tag));
    assert_true(
        ks_bytes_is(ks_buf_view(&tag_text), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="));
    ks_buf_done(&tag_text);
    ks_buf_done(&key);
    ks_buf_done(&built);
}

static void read_vector(const char *name, struct ks_buf *out)
{
    struct ks_buf path;

    ks_buf_init(&path, 4096);
    ks_buf_put_format(&path, "%s/tests/vectors/request/accept/%s.http",
                      getenv("KS_SOURCE_ROOT"), name);
    ks_buf_put_u8(&path, 0);
    assert_int_equal(ks_file_read((const char *)path.data, 65536, out), KS_OK);
    ks_buf_done(&path);
}

/* All steps a server takes, in its order. */
static enum ks_err check_request(struct ks_bytes request, struct ks_bytes key, uint64_t now_s)
{
    enum ks_err err = KS_OK;
    size_t end = ks_http_head_end(request, 0);
    struct ks_http_head head;
    struct ks_signature signature;

    KS_TRY(ks_http_head_parse(ks_bytes_of(request.data, end), 65536, &head));
    KS_TRY(ks_signature_parse(&head, &signature));
    KS_TRY(ks_signature_check(&head, &signature, key, now_s));
    KS_TRY(ks_digest_check(&head, ks_bytes_of(request.data + end, request.len - end)));
out:
    return err;
}

static const char *const vectors[] = {"plain", "query-and-port", "upper-case-names"};

static void accepts_an_independent_signer(void **state)
{
    struct fixture fixture = fixture_of();
    struct ks_buf request;

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        ks_buf_init(&request, 65536);
        read_vector(vectors[i], &request);
        assert_int_equal(check_request(ks_buf_view(&request), KS_BYTES(fixture.key), CREATED),
                         KS_OK);
        ks_buf_done(&request);
    }
}

/* One bit anywhere. What may still pass has no meaning: the case of a field's name or of the
 * host, or the line of Content-Length, which frames the request but is not signed (the digest
 * is). */
static void refuses_each_flipped_bit_of_what_is_covered(void **state)
{
    struct fixture fixture = fixture_of();
    struct ks_buf request;
    size_t length_start = 0;
    size_t length_end = 0;
    size_t passed = 0;

    (void)state;
    ks_buf_init(&request, 65536);
    read_vector("plain", &request);
    length_end = ks_http_head_end(ks_buf_view(&request), 0) - 2;
    length_start = length_end - strlen("Content-Length: 10\r\n");
    for (size_t bit = 0; bit < 8 * request.len; bit++) {
        size_t at = bit / 8;
        uint8_t old = request.data[at];
        request.data[at] = old ^ (uint8_t)(1U << (bit % 8));
        if (check_request(ks_buf_view(&request), KS_BYTES(fixture.key), CREATED) == KS_OK &&
            !(at >= length_start && at < length_end)) {
            assert_int_equal(old ^ request.data[at], 0x20);
            passed++;
        }
        request.data[at] = old;
    }
    /* host site.example content-type content-digest ketseal-channel Signature Signature-Input
     */
    assert_int_equal(passed, 4 + 11 + 11 + 13 + 14 + 9 + 14);
    ks_buf_done(&request);
}

static void refuses_wrong_keys_and_times(void **state)
{
    struct fixture fixture = fixture_of();
    struct ks_buf request;
    struct ks_bytes view;
    struct ks_bytes key = KS_BYTES(fixture.key);

    (void)state;
    ks_buf_init(&request, 65536);
    read_vector("plain", &request);
    view = ks_buf_view(&request);
    assert_int_equal(check_request(view, key, EXPIRES - 1), KS_OK);
    assert_int_equal(check_request(view, key, EXPIRES), KS_ERR_VERIFY);
    assert_int_equal(check_request(view, key, EXPIRES + 1000000), KS_ERR_VERIFY);
    assert_int_equal(check_request(view, key, CREATED - KS_SIGNATURE_SKEW_MAX_S), KS_OK);
    assert_int_equal(check_request(view, key, CREATED - KS_SIGNATURE_SKEW_MAX_S - 1),
                     KS_ERR_VERIFY);
    assert_int_equal(check_request(view, key, 0), KS_ERR_VERIFY);
    assert_int_equal(check_request(view, ks_bytes_of(fixture.key, 31), CREATED), KS_ERR_USAGE);
    fixture.key[31] ^= 1;
    assert_int_equal(check_request(view, key, CREATED), KS_ERR_VERIFY);
    ks_buf_done(&request);
}

#define LIST                                                                                   \
    "(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \"content-digest\" "    \
    "\"ketseal-channel\")"
#define NONCE ";nonce=\"0123456789abcdef\""
#define REST  ";created=1;expires=2" NONCE ";keyid=\"k\";tag=\"ketseal-request\""

static const char *const bad_inputs[] = {
    "",
    "ketseal",
    "sig1=" LIST REST,
    "ketseal=" LIST,
    "ketseal=" REST,
    "ketseal=()" REST,
    "ketseal= " LIST REST,
    "ketseal=" LIST " " REST,
    "ketseal=" LIST REST ";alg=\"hmac-sha256\"",
    "ketseal=" LIST REST ", other=()",
    "other=(), ketseal=" LIST REST,
    "ketseal=(\"@authority\" \"@method\" \"@path\" \"@query\" \"content-type\" "
    "\"content-digest\" "
    "\"ketseal-channel\")" REST,
    "ketseal=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" "
    "\"content-digest\")" REST,
    "ketseal=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" "
    "\"content-digest\" "
    "\"ketseal-channel\" \"date\")" REST,
    "ketseal=(\"@method\";req \"@authority\" \"@path\" \"@query\" \"content-type\" "
    "\"content-digest\" \"ketseal-channel\")" REST,
    "ketseal=" LIST ";expires=2;created=1" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=01;expires=2" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=-1;expires=2" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=;expires=2" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1.0;expires=2" NONCE ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=99999999999999999999" NONCE
    ";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2;nonce=\"short\";keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST
    ";created=1;expires=2;nonce=0123456789abcdef;keyid=\"k\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2;nonce=\"0123456789abcde\\\"\";keyid=\"k\""
    ";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE ";keyid=\"\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE ";keyid=\"a b\";tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE ";keyid=\"k;tag=\"ketseal-request\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE ";keyid=\"k\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE ";keyid=\"k\";tag=\"other\"",
    "ketseal=" LIST ";created=1;expires=2" NONCE
    ";keyid=\"k\";tag=\"ketseal-request\";tag=\"x\"",
};

static const char *const bad_signatures[] = {
    "",
    "ketseal=",
    "ketseal=::",
    "sig1=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=:",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==:",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, a=:AA==:",
    "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:;a=1",
};

#define GOOD_INPUT     "ketseal=" LIST REST
#define GOOD_SIGNATURE "ketseal=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
#define GOOD_CHANNEL   ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"

static enum ks_err parse_fields(const char *input, const char *signature_text,
                                const char *channel)
{
    enum ks_err err = KS_OK;
    struct ks_buf raw;
    struct ks_http_head head;
    struct ks_signature signature;

    ks_buf_init(&raw, KS_HTTP_HEAD_MAX);
    ks_buf_put_format(&raw, "POST / HTTP/1.1\r\nHost: a\r\nSignature-Input: %s\r\n", input);
    ks_buf_put_format(&raw, "Signature: %s\r\nKetseal-Channel: %s\r\n\r\n", signature_text,
                      channel);
    assert_int_equal(ks_http_head_parse(ks_buf_view(&raw), 0, &head), KS_OK);
    err = ks_signature_parse(&head, &signature);
    ks_buf_done(&raw);
    return err;
}

static void refuses_bad_fields(void **state)
{
    (void)state;
    assert_int_equal(parse_fields(GOOD_INPUT, GOOD_SIGNATURE, GOOD_CHANNEL), KS_OK);
    for (size_t i = 0; i < sizeof bad_inputs / sizeof bad_inputs[0]; i++) {
        if (parse_fields(bad_inputs[i], GOOD_SIGNATURE, GOOD_CHANNEL) != KS_ERR_FORMAT) {
            fail_msg("input %zu was not refused", i);
        }
    }
    for (size_t i = 0; i < sizeof bad_signatures / sizeof bad_signatures[0]; i++) {
        if (parse_fields(GOOD_INPUT, bad_signatures[i], GOOD_CHANNEL) != KS_ERR_FORMAT) {
            fail_msg("signature %zu was not refused", i);
        }
    }
    assert_int_equal(parse_fields(GOOD_INPUT, GOOD_SIGNATURE, ""), KS_ERR_FORMAT);
    assert_int_equal(parse_fields(GOOD_INPUT, GOOD_SIGNATURE, ":AAAA:"), KS_ERR_FORMAT);
    assert_int_equal(parse_fields(GOOD_INPUT, GOOD_SIGNATURE, GOOD_SIGNATURE), KS_ERR_FORMAT);
}

static void knows_an_unsigned_request(void **state)
{
    struct ks_http_head head;
    struct ks_signature signature;

    (void)state;
    assert_int_equal(
        ks_http_head_parse(KS_LITERAL("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, &head), KS_OK);
    assert_int_equal(ks_signature_parse(&head, &signature), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_digest_check(&head, (struct ks_bytes){0}), KS_ERR_NOT_FOUND);
}

static void refuses_a_long_life(void **state)
{
    struct fixture fixture = fixture_of();
    const uint64_t lives[] = {1, KS_SIGNATURE_LIFE_MAX_S, KS_SIGNATURE_LIFE_MAX_S + 1, 0};

    (void)state;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        struct ks_signature_spec spec = {
            .method = "POST",
            .authority = "A:443",
            .target = "/x?",
            .content_type = "application/json",
            .body = KS_LITERAL("{}"),
            .created = CREATED,
            .expires = CREATED + lives[i],
            .nonce = "0123456789abcdef",
            .key_id = "k",
        };
        struct ks_signature_fields fields;
        struct ks_buf raw;
        ks_copy(spec.channel, fixture.channel, sizeof spec.channel);
        assert_int_equal(ks_signature_make(&spec, KS_BYTES(fixture.key), &fields), KS_OK);
        ks_buf_init(&raw, KS_HTTP_HEAD_MAX);
        /* What another writer of heads may do with the same request. */
        ks_buf_put_format(&raw, "POST /x? HTTP/1.1\r\nX-More: 1\r\nSIGNATURE:%s\r\n",
                          fields.signature);
        ks_buf_put_format(&raw, "content-digest:  %s \r\nSignature-Input: %s\r\n",
                          fields.content_digest, fields.input);
        ks_buf_put_format(&raw, "Ketseal-Channel: %s\r\nContent-Type: application/json\r\n",
                          fields.channel);
        ks_buf_put_text(&raw, "host: a\r\nContent-Length: 2\r\n\r\n{}");
        assert_int_equal(check_request(ks_buf_view(&raw), KS_BYTES(fixture.key), CREATED),
                         lives[i] >= 1 && lives[i] <= KS_SIGNATURE_LIFE_MAX_S ? KS_OK
                                                                              : KS_ERR_VERIFY);
        ks_buf_done(&raw);
    }
}

static void makes_nothing_it_would_refuse(void **state)
{
    struct fixture fixture = fixture_of();
    const struct ks_signature_spec good = {
        .method = "POST",
        .authority = "a",
        .target = "/",
        .content_type = "text/plain",
        .created = CREATED,
        .expires = EXPIRES,
        .nonce = "0123456789abcdef",
        .key_id = "k",
    };
    struct ks_signature_spec bad[9];
    struct ks_signature_fields fields = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i] = good;
    }
    bad[0].method = "P T";
    bad[1].authority = "a/b";
    bad[2].target = "x";
    bad[3].target = "/ HTTP/1.1\r\nX: y";
    bad[4].content_type = "a\r\nX: y";
    bad[5].nonce = "short";
    bad[6].key_id = "a\"b";
    bad[7].authority = "a\r\nX: y";
    bad[8].key_id = "";
    assert_int_equal(ks_signature_make(&good, KS_BYTES(fixture.key), &fields), KS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (ks_signature_make(&bad[i], KS_BYTES(fixture.key), &fields) != KS_ERR_USAGE) {
            fail_msg("spec %zu was signed", i);
        }
    }
    assert_int_equal(ks_signature_make(&good, ks_bytes_of(fixture.key, 16), &fields),
                     KS_ERR_USAGE);
}

static void base_refuses_components(void **state)
{
    static const char *const bad[] = {
        "",
        "(",
        "()x",
        "(date)",
        "(\"date\"",
        "(\"date\" \"date\")",
        "(\"@method\"  \"date\")",
        "(\"@method\"\"date\")",
        "(\"Date\")",
        "(\"x-absent\")",
        "(\"@status\")",
        "(\"@\")",
        "(\"\")",
        "(\"@query-param\";name=\"a\")",
        "(\"date\";sf)",
        "(\"@method\" )",
    };
    struct ks_http_head head;
    struct ks_buf out;

    (void)state;
    assert_int_equal(
        ks_http_head_parse(
            KS_LITERAL("GET / HTTP/1.1\r\nHost: a\r\nDate: x\r\nA: 1\r\na: 2\r\n\r\n"), 0,
            &head),
        KS_OK);
    ks_buf_init(&out, KS_SIGNATURE_BASE_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (ks_signature_base(&head, ks_bytes_text(bad[i]), &out) != KS_ERR_FORMAT) {
            fail_msg("parameters %zu were not refused", i);
        }
    }
    ks_buf_clear(&out);
    assert_int_equal(
        ks_signature_base(&head, ks_bytes_text("(\"a\" \"@query\" \"@target-uri\")"), &out),
        KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&out),
                            "\"a\": 1, 2\n\"@query\": ?\n\"@target-uri\": https://a/\n"
                            "\"@signature-params\": (\"a\" \"@query\" \"@target-uri\")"));
    ks_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_rfc_9421_b_2_5),
        cmocka_unit_test(accepts_an_independent_signer),
        cmocka_unit_test(refuses_each_flipped_bit_of_what_is_covered),
        cmocka_unit_test(refuses_wrong_keys_and_times),
        cmocka_unit_test(refuses_bad_fields),
        cmocka_unit_test(knows_an_unsigned_request),
        cmocka_unit_test(refuses_a_long_life),
        cmocka_unit_test(makes_nothing_it_would_refuse),
        cmocka_unit_test(base_refuses_components),
    };
    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
