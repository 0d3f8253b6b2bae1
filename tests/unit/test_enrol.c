/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The documents of an enrolment, and orders: what is written is read again; every member that
 * is missing, given twice, unknown or of another type is refused, though signed by whoever
 * could have; so is every signature of another key, context or text. */
#include "expect.h"

#include "crypto/digest.h"
#include "enrol_fixture.h"
#include "json_attack.h"

#define MLDSA65_SIGNATURE_LEN 3309 /* FIPS 204 table 2 */

static struct enrol_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    enrol_fixture_make(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    enrol_fixture_free(&fixture);
    return 0;
}

static uint64_t start_seed(void)
{
    const uint64_t seed = UINT64_C(20261126110400);

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* --- signing anew ------------------------------------------------------------------------- */

static void sign_body(struct ks_bytes body, const struct ks_sign_key *key, const char *context,
                      struct ks_buf *out)
{
    struct ks_buf signature;

    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    assert_int_equal(ks_sign(key, context, body, &signature), KS_OK);
    ks_buf_put_text(out, "{\"body\":");
    ks_buf_put(out, body);
    ks_buf_put_text(out, ",\"signature\":\"");
    ks_buf_put_base64(out, ks_buf_view(&signature));
    ks_buf_put_text(out, "\"}");
    assert_int_equal(ks_buf_check(out), KS_OK);
    ks_buf_done(&signature);
}

static struct ks_bytes body_of(const struct ks_buf *document)
{
    return json_attack_value(ks_buf_view(document), "body");
}

/* --- token -------------------------------------------------------------------------------- */

static enum ks_err read_token(struct ks_bytes document)
{
    struct ks_token token = {0};
    const enum ks_err err = ks_token_read(document, &token);

    assert_int_equal(err == KS_OK, token.doc != NULL);
    ks_token_done(&token);
    return err;
}

static void test_token_says(void **state)
{
    (void)state;
    const struct ks_token *token = &fixture.token;
    struct ks_verify_key *key = NULL;

    expect_text(token->url, "https://site.example:8444");
    expect_text(token->service, "https://site.example:8443");
    expect_bytes(token->root_pem, ks_buf_view(&fixture.root_pem));
    expect_bytes(ks_buf_view(&token->site_document), ks_buf_view(&fixture.site_document));
    expect_text(token->grant.device, ENROL_DEVICE);
    expect_text(token->grant.site, ENROL_SITE);
    assert_int_equal(token->grant.expires_us, ENROL_NOW_US + UINT64_C(3600000000));
    expect_bytes(KS_BYTES(token->grant.id), KS_BYTES(fixture.token_id));
    expect_bytes(ks_buf_view(&token->grant.operator_certificate),
                 ks_cert_der(fixture.operator_cert));
    assert_int_equal(ks_grant_check(&token->grant, fixture.operator_cert), KS_OK);
    assert_int_equal(ks_sign_key_verify_key(token->key, &key), KS_OK);
    ks_verify_key_free(key);
}

/* What was made from what was read is the same, but for the operator's signature. */
static void test_token_again(void **state)
{
    (void)state;
    const struct ks_token_spec spec = {
        .device = fixture.token.grant.device,
        .site_document = ks_buf_view(&fixture.token.site_document),
        .root_pem = fixture.token.root_pem,
        .url = fixture.token.url,
        .service = fixture.token.service,
        .expires_us = fixture.token.grant.expires_us,
        .id = fixture.token.grant.id,
        .seed = fixture.token_seed,
        .operator_cert = fixture.operator_cert,
        .operator_key = fixture.operator_key,
    };
    const struct ks_bytes want = ks_buf_view(&fixture.token_text);
    const struct ks_bytes signature = json_attack_value(want, "signature");
    const size_t begin = (size_t)(signature.data - want.data);
    const size_t end = begin + signature.len;
    struct ks_buf text;

    ks_buf_init(&text, KS_TOKEN_BYTES_MAX);
    assert_int_equal(ks_token_make(&spec, &text), KS_OK);
    assert_int_equal(text.len, want.len);
    expect_bytes(ks_bytes_of(text.data, begin), ks_bytes_of(want.data, begin));
    expect_bytes(ks_bytes_of(text.data + end, text.len - end),
                 ks_bytes_of(want.data + end, want.len - end));
    ks_buf_done(&text);
}

static void test_token_members(void **state)
{
    (void)state;
    const struct json_attack attack = {
        .pattern = ks_buf_view(&fixture.token_text), .read = read_token, .opaque = {"site"}};

    assert_true(json_attack_members(&attack) > 100);
}

static enum ks_err read_and_check_token(struct ks_bytes document)
{
    struct ks_token token = {0};
    enum ks_err err = ks_token_read(document, &token);

    if (err == KS_OK) {
        err = ks_grant_check(&token.grant, fixture.operator_cert);
        ks_token_done(&token);
    }
    return err;
}

/* The grant's statement and signature are the operator's words, the seed fits no other key. */
static void test_token_bytes(void **state)
{
    (void)state;
    const struct ks_bytes text = ks_buf_view(&fixture.token_text);
    static const char *const members[] = {"signature", "statement", "seed"};
    uint64_t seed = start_seed();

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct ks_bytes value = json_attack_value(text, members[i]);
        const size_t begin = (size_t)(value.data - text.data);

        json_attack_bytes(text, begin, begin + value.len, &seed, read_and_check_token);
    }
}

static void test_token_refused(void **state)
{
    (void)state;
    static char url[KS_URL_MAX + 4] = "\"";
    static char origin[KS_ORIGIN_MAX + 4] = "\"";
    static const uint8_t other_seed[32] = {1};
    const struct ks_bytes text = ks_buf_view(&fixture.token_text);
    struct ks_buf changed;
    struct ks_buf document;
    struct ks_buf base64;

    ks_buf_init(&changed, (size_t)2 * KS_TOKEN_BYTES_MAX);
    ks_buf_init(&document, (size_t)2 * KS_TOKEN_BYTES_MAX);
    ks_buf_init(&base64, 100);
    memset(url + 1, 'u', KS_URL_MAX + 1);
    url[KS_URL_MAX + 2] = '"';
    memset(origin + 1, 'o', KS_ORIGIN_MAX + 1);
    origin[KS_ORIGIN_MAX + 2] = '"';
    ks_buf_put_text(&base64, "\"");
    ks_buf_put_base64(&base64, KS_BYTES(other_seed));
    ks_buf_put_text(&base64, "\"");
    ks_buf_put_u8(&base64, 0);
    const struct {
        const char *name;
        const char *value;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {"schema", "\"ketseal.grant/2\"", KS_ERR_FORMAT, "expected ketseal.grant/1"},
        {"url", url, KS_ERR_LIMIT, "'url', 'service': "},
        {"url", "\"\"", KS_ERR_LIMIT, "'url', 'service': "},
        {"service", url, KS_ERR_LIMIT, "'url', 'service': "},
        {"service", "\"\"", KS_ERR_LIMIT, "'url', 'service': "},
        {"device", "\"\"", KS_ERR_FORMAT, "'device': 1 to 64 letters"},
        {"device", "\"a/b\"", KS_ERR_FORMAT, "'device': 1 to 64 letters"},
        {"device", "\"a b\"", KS_ERR_FORMAT, "'device': 1 to 64 letters"},
        {"expires_at", "\"2026-02-30T00:00:00.000000Z\"", KS_ERR_FORMAT, "'expires_at'"},
        {"id", "\"000102030405060708090A0B0C0D0E0F\"", KS_ERR_FORMAT, "'id'"},
        {"id", "\"00\"", KS_ERR_FORMAT, "'id'"},
        {"key", "\"AAAA\"", KS_ERR_FORMAT, "'key'"},
        {"seed", (const char *)base64.data, KS_ERR_VERIFY, "its seed is not that of its grant"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_attack_set(text, cases[i].name, cases[i].value, &changed);
        expect_failure(read_token(ks_buf_view(&changed)), cases[i].err, cases[i].says);
    }
    json_attack_set(json_attack_value(text, "statement"), "site", origin, &changed);
    ks_buf_put_u8(&changed, 0);
    json_attack_set(text, "statement", (const char *)changed.data, &document);
    expect_failure(read_token(ks_buf_view(&document)), KS_ERR_LIMIT, "'site': 1 to 255 bytes");
    ks_buf_clear(&changed);
    for (size_t i = 0; i <= KS_TOKEN_BYTES_MAX; i++) {
        ks_buf_put_u8(&changed, ' ');
    }
    expect_failure(read_token(ks_buf_view(&changed)), KS_ERR_LIMIT, "token file");
    ks_buf_done(&document);
    ks_buf_done(&changed);
    ks_buf_done(&base64);
}

static void test_token_of_bad_words(void **state)
{
    (void)state;
    static char url[KS_URL_MAX + 1];
    struct ks_token_spec spec;
    struct ks_buf out;

    ks_buf_init(&out, KS_TOKEN_BYTES_MAX);
    memset(url, 'u', sizeof url);
    spec = enrol_fixture_token(&fixture);
    spec.device = KS_LITERAL("no such id");
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "device id: 1 to 64");
    spec = enrol_fixture_token(&fixture);
    spec.url = ks_bytes_of(url, sizeof url);
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "URLs: 1 to 300 bytes");
    spec.url = (struct ks_bytes){0};
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "URLs: 1 to 300 bytes");
    spec.url = KS_LITERAL("https://\xff");
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "UTF-8");
    spec = enrol_fixture_token(&fixture);
    spec.service = KS_LITERAL("\xc3");
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "UTF-8");
    spec = enrol_fixture_token(&fixture);
    spec.root_pem = KS_LITERAL("\x80");
    expect_failure(ks_token_make(&spec, &out), KS_ERR_USAGE, "UTF-8");
    spec = enrol_fixture_token(&fixture);
    spec.site_document = KS_LITERAL("{}");
    expect_failure(ks_token_make(&spec, &out), KS_ERR_FORMAT, "site document");
    assert_int_equal(out.len, 0);
    ks_buf_done(&out);
}

/* Another operator, another context, another statement. */
static void test_grant_signature(void **state)
{
    (void)state;
    struct ks_grant *grant = &fixture.token.grant;
    struct ks_buf kept = grant->signature;

    expect_failure(ks_grant_check(grant, fixture.root), KS_ERR_VERIFY, "token");
    ks_buf_init(&grant->signature, KS_SIG_LEN_MAX);
    assert_int_equal(ks_sign(fixture.operator_key, KS_CONTEXT_OPERATOR,
                             ks_buf_view(&grant->statement), &grant->signature),
                     KS_OK);
    expect_failure(ks_grant_check(grant, fixture.operator_cert), KS_ERR_VERIFY, "token");
    ks_buf_clear(&grant->signature);
    expect_failure(ks_grant_check(grant, fixture.operator_cert), KS_ERR_VERIFY, "token");
    assert_int_equal(ks_sign(fixture.operator_key, KS_CONTEXT_TOKEN,
                             ks_buf_view(&grant->statement), &grant->signature),
                     KS_OK);
    assert_int_equal(ks_grant_check(grant, fixture.operator_cert), KS_OK);
    grant->statement.data[20] ^= 1;
    expect_failure(ks_grant_check(grant, fixture.operator_cert), KS_ERR_VERIFY, "token");
    grant->statement.data[20] ^= 1;
    ks_buf_done(&grant->signature);
    grant->signature = kept;
}

/* --- enrolment ---------------------------------------------------------------------------- */

static enum ks_err read_enrol(struct ks_bytes document)
{
    struct ks_enrol enrol = {0};
    const enum ks_err err = ks_enrol_read(document, &enrol);

    assert_int_equal(err == KS_OK, enrol.doc != NULL);
    ks_enrol_done(&enrol);
    return err;
}

static void wrap_enrol(struct ks_bytes body, struct ks_buf *out)
{
    sign_body(body, fixture.token.key, KS_CONTEXT_ENROL, out);
}

static void test_enrol_again(void **state)
{
    (void)state;
    for (size_t len = 0; len < 600; len += 37) {
        struct ks_enrol enrol;
        struct ks_enrol got;
        struct ks_buf first;
        struct ks_buf second;
        uint8_t digest[32];

        ks_buf_init(&first, KS_ENROL_BYTES_MAX);
        ks_buf_init(&second, KS_ENROL_BYTES_MAX);
        enrol_fixture_enrol(len, &enrol);
        assert_int_equal(ks_enrol_write(&enrol, &fixture.token, &first), KS_OK);
        assert_int_equal(ks_enrol_read(ks_buf_view(&first), &got), KS_OK);
        assert_int_equal(ks_enrol_write(&got, &fixture.token, &second), KS_OK);
        expect_bytes(body_of(&second), body_of(&first));
        ks_sha256(body_of(&first), digest);
        expect_bytes(KS_BYTES(got.digest), KS_BYTES(digest));
        expect_bytes(KS_BYTES(got.channel), KS_BYTES(enrol.channel));
        expect_bytes(KS_BYTES(got.nonce), KS_BYTES(enrol.nonce));
        expect_bytes(ks_buf_view(&got.ak), ks_buf_view(&enrol.ak));
        expect_bytes(ks_buf_view(&got.ek), ks_buf_view(&enrol.ek));
        expect_bytes(ks_buf_view(&got.ek_certificate), ks_buf_view(&enrol.ek_certificate));
        assert_int_equal(got.ek_chain_count, enrol.ek_chain_count);
        expect_text(got.device, ENROL_DEVICE);
        assert_int_equal(ks_grant_check(&got.grant, fixture.operator_cert), KS_OK);
        ks_enrol_done(&enrol);
        ks_enrol_done(&got);
        ks_buf_done(&first);
        ks_buf_done(&second);
    }
}

static void test_enrol_members(void **state)
{
    (void)state;
    const struct json_attack outer = {
        .pattern = ks_buf_view(&fixture.enrol), .read = read_enrol, .opaque = {"body"}};
    const struct json_attack inner = {
        .pattern = body_of(&fixture.enrol), .read = read_enrol, .wrap = wrap_enrol};

    assert_true(json_attack_members(&outer) > 15);
    assert_true(json_attack_members(&inner) > 100);
}

static void test_enrol_bytes(void **state)
{
    (void)state;
    uint64_t seed = start_seed();

    json_attack_bytes(ks_buf_view(&fixture.enrol), 0, fixture.enrol.len, &seed, read_enrol);
}

/* LEN bytes as base64, in quotes. */
static void put_long(size_t len, struct ks_buf *out)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, len);
    for (size_t i = 0; i < len; i++) {
        ks_buf_put_u8(&bytes, (uint8_t)i);
    }
    ks_buf_clear(out);
    ks_buf_put_text(out, "\"");
    ks_buf_put_base64(out, ks_buf_view(&bytes));
    ks_buf_put_text(out, "\"");
    ks_buf_put_u8(out, 0);
    assert_int_equal(ks_buf_check(out), KS_OK);
    ks_buf_done(&bytes);
}

/* Member NAME may have LEN_MAX bytes, not one more. */
static void expect_limit(const struct json_attack *attack, const char *name, size_t len_max)
{
    struct ks_buf value;
    struct ks_buf changed;
    struct ks_buf document;

    ks_buf_init(&value, 1U << 20);
    ks_buf_init(&changed, 2U << 20);
    ks_buf_init(&document, 2U << 20);
    for (size_t over = 0; over <= 1; over++) {
        put_long(len_max + over, &value);
        json_attack_set(attack->pattern, name, (const char *)value.data, &changed);
        ks_buf_clear(&document);
        if (attack->wrap != NULL) {
            attack->wrap(ks_buf_view(&changed), &document);
        } else {
            ks_buf_put(&document, ks_buf_view(&changed));
        }
        if (over == 0) {
            assert_int_equal(attack->read(ks_buf_view(&document)), KS_OK);
        } else {
            expect_failure(attack->read(ks_buf_view(&document)), KS_ERR_LIMIT, name);
        }
    }
    ks_buf_done(&value);
    ks_buf_done(&changed);
    ks_buf_done(&document);
}

static void test_enrol_limits(void **state)
{
    (void)state;
    const struct json_attack inner = {
        .pattern = body_of(&fixture.enrol), .read = read_enrol, .wrap = wrap_enrol};
    struct ks_buf changed;
    struct ks_buf document;

    ks_buf_init(&changed, KS_ENROL_BYTES_MAX);
    ks_buf_init(&document, KS_ENROL_BYTES_MAX);
    expect_limit(&inner, "ak", KS_AK_PUBLIC_MAX);
    expect_limit(&inner, "ek", KS_EK_PUBLIC_MAX);
    expect_limit(&inner, "ek_certificate", KS_EK_CERT_DER_MAX);
    json_attack_set(inner.pattern, "ek_chain", "[\"AA==\",\"AA==\",\"AA==\"]", &changed);
    wrap_enrol(ks_buf_view(&changed), &document);
    assert_int_equal(read_enrol(ks_buf_view(&document)), KS_OK);
    json_attack_set(inner.pattern, "ek_chain", "[\"AA==\",\"AA==\",\"AA==\",\"AA==\"]",
                    &changed);
    ks_buf_clear(&document);
    wrap_enrol(ks_buf_view(&changed), &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_LIMIT, "at most 3 certificates");
    json_attack_set(inner.pattern, "ek_chain", "[7]", &changed);
    ks_buf_clear(&document);
    wrap_enrol(ks_buf_view(&changed), &document);
    assert_int_equal(read_enrol(ks_buf_view(&document)), KS_ERR_FORMAT);
    ks_buf_done(&changed);
    ks_buf_done(&document);
}

/* Who sees a token pass has no key for it; a token is for one device. */
static void test_enrol_refused(void **state)
{
    (void)state;
    const struct ks_bytes body = body_of(&fixture.enrol);
    struct ks_buf changed;
    struct ks_buf document;

    ks_buf_init(&changed, KS_ENROL_BYTES_MAX);
    ks_buf_init(&document, KS_ENROL_BYTES_MAX);
    sign_body(body, fixture.operator_key, KS_CONTEXT_ENROL, &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment");
    ks_buf_clear(&document);
    sign_body(body, fixture.token.key, KS_CONTEXT_TOKEN, &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment");
    ks_buf_clear(&document);
    sign_body(body, fixture.token.key, KS_CONTEXT_OPERATOR, &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment");
    json_attack_set(body, "device", "\"edge-2\"", &changed);
    ks_buf_clear(&document);
    wrap_enrol(ks_buf_view(&changed), &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_VERIFY,
                   "the token is for device 'edge-1', not 'edge-2'");
    json_attack_set(ks_buf_view(&fixture.enrol), "signature", "\"\"", &document);
    expect_failure(read_enrol(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment");
    ks_buf_done(&changed);
    ks_buf_done(&document);
}

/* --- challenge ---------------------------------------------------------------------------- */

static enum ks_err read_challenge(struct ks_bytes document)
{
    struct ks_challenge challenge;
    enum ks_err err = KS_OK;

    ks_challenge_init(&challenge);
    err = ks_challenge_read(document, &challenge);
    ks_challenge_done(&challenge);
    return err;
}

static void test_challenge(void **state)
{
    (void)state;
    const struct json_attack attack = {.pattern = ks_buf_view(&fixture.challenge),
                                       .read = read_challenge};
    struct ks_challenge got;
    struct ks_challenge want;
    struct ks_buf again;
    struct ks_buf changed;

    ks_buf_init(&again, KS_ENROL_BYTES_MAX);
    ks_buf_init(&changed, KS_ENROL_BYTES_MAX);
    enrol_fixture_challenge(66, &want);
    assert_int_equal(ks_challenge_read(ks_buf_view(&fixture.challenge), &got), KS_OK);
    ks_challenge_write(&got, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&fixture.challenge));
    expect_bytes(ks_buf_view(&got.id_object), ks_buf_view(&want.id_object));
    expect_bytes(ks_buf_view(&got.encrypted_secret), ks_buf_view(&want.encrypted_secret));
    expect_bytes(KS_BYTES(got.session), KS_BYTES(want.session));
    assert_int_equal(got.pcr_mask, 0x4083);
    assert_true(json_attack_members(&attack) > 40);
    expect_limit(&attack, "id_object", KS_CREDENTIAL_ID_OBJECT_MAX);
    expect_limit(&attack, "encrypted_secret", KS_CREDENTIAL_SECRET_BLOB_MAX);
    json_attack_set(attack.pattern, "pcr_mask", "0", &changed);
    expect_failure(read_challenge(ks_buf_view(&changed)), KS_ERR_FORMAT, "no PCR");
    json_attack_set(attack.pattern, "pcr_mask", "16777215", &changed);
    assert_int_equal(read_challenge(ks_buf_view(&changed)), KS_OK);
    json_attack_set(attack.pattern, "pcr_mask", "16777216", &changed);
    assert_true(read_challenge(ks_buf_view(&changed)) != KS_OK);
    ks_challenge_done(&got);
    ks_challenge_done(&want);
    ks_buf_done(&again);
    ks_buf_done(&changed);
}

/* --- second exchange ---------------------------------------------------------------------- */

static enum ks_err read_finish(struct ks_bytes document)
{
    struct ks_finish finish = {0};
    const enum ks_err err = ks_finish_read(document, &finish);

    assert_int_equal(err == KS_OK, finish.doc != NULL);
    ks_finish_done(&finish);
    return err;
}

/* The fixture's document with another csr, signed by its key. */
static void wrap_csr_of(struct ks_bytes csr, const struct ks_sign_key *key, const char *context,
                        struct ks_buf *out)
{
    const struct ks_bytes whole = ks_buf_view(&fixture.finish);
    const struct ks_bytes platform = json_attack_value(whole, "platform");
    const struct ks_bytes proof = json_attack_value(whole, "proof");
    struct ks_buf signature;

    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    assert_int_equal(ks_sign(key, context, csr, &signature), KS_OK);
    ks_buf_put_text(out, "{\"csr\":");
    ks_buf_put(out, csr);
    ks_buf_put_text(out, ",\"platform\":");
    ks_buf_put(out, platform);
    ks_buf_put_text(out, ",\"proof\":");
    ks_buf_put(out, proof);
    ks_buf_put_text(out, ",\"schema\":\"ketseal.enrol-finish/1\",\"signature\":\"");
    ks_buf_put_base64(out, ks_buf_view(&signature));
    ks_buf_put_text(out, "\"}");
    assert_int_equal(ks_buf_check(out), KS_OK);
    ks_buf_done(&signature);
}

static void wrap_csr(struct ks_bytes csr, struct ks_buf *out)
{
    wrap_csr_of(csr, fixture.device_key, KS_CONTEXT_CSR, out);
}

static struct ks_bytes csr_of(const struct ks_buf *document)
{
    return json_attack_value(ks_buf_view(document), "csr");
}

static void test_finish_again(void **state)
{
    (void)state;
    for (size_t len = 0; len < 700; len += 41) {
        struct ks_finish finish;
        struct ks_finish got;
        struct ks_buf first;
        struct ks_buf second;
        uint8_t digest[32];

        ks_buf_init(&first, KS_FINISH_BYTES_MAX);
        ks_buf_init(&second, KS_FINISH_BYTES_MAX);
        enrol_fixture_finish(&fixture, len, &finish);
        assert_int_equal(ks_finish_write(&finish, fixture.device_key, &first), KS_OK);
        assert_int_equal(ks_finish_read(ks_buf_view(&first), &got), KS_OK);
        assert_int_equal(ks_finish_write(&got, fixture.device_key, &second), KS_OK);
        expect_bytes(csr_of(&second), csr_of(&first));
        expect_bytes(json_attack_value(ks_buf_view(&second), "platform"),
                     json_attack_value(ks_buf_view(&first), "platform"));
        ks_sha256(csr_of(&first), digest);
        expect_bytes(KS_BYTES(got.csr_digest), KS_BYTES(digest));
        assert_int_equal(ks_csr_digest(&finish.csr, digest), KS_OK);
        expect_bytes(KS_BYTES(got.csr_digest), KS_BYTES(digest));
        expect_bytes(KS_BYTES(got.proof), KS_BYTES(finish.proof));
        expect_bytes(KS_BYTES(got.csr.kem), KS_BYTES(finish.csr.kem));
        assert_int_equal(got.platform.launch_log.len, len % 2 == 1 ? 2 : 0);
        ks_finish_done(&finish);
        ks_finish_done(&got);
        ks_buf_done(&first);
        ks_buf_done(&second);
    }
}

static void test_finish_members(void **state)
{
    (void)state;
    const struct json_attack outer = {
        .pattern = ks_buf_view(&fixture.finish),
        .read = read_finish,
        .opaque = {"csr", "launch_log"}, /* attest/eventlog.h reads what is in the log */
        .nullable = "launch_log"};
    const struct json_attack inner = {
        .pattern = csr_of(&fixture.finish), .read = read_finish, .wrap = wrap_csr};

    assert_true(json_attack_members(&outer) > 80);
    assert_true(json_attack_members(&inner) > 40);
}

/* The csr and its signature, which is the last member; the quote answers for the rest. */
static void test_finish_bytes(void **state)
{
    (void)state;
    const struct ks_bytes text = ks_buf_view(&fixture.finish);
    const struct ks_bytes csr = csr_of(&fixture.finish);
    const size_t signature_len = (MLDSA65_SIGNATURE_LEN + 2) / 3 * 4;
    uint64_t seed = start_seed();

    json_attack_bytes(text, 0, (size_t)(csr.data - text.data) + csr.len, &seed, read_finish);
    json_attack_bytes(text, text.len - signature_len - 3, text.len, &seed, read_finish);
}

static void test_finish_refused(void **state)
{
    (void)state;
    const struct ks_bytes csr = csr_of(&fixture.finish);
    struct ks_buf document;
    struct ks_sign_key *other = NULL;
    const uint8_t seed[32] = {9};
    struct ks_finish finish;

    ks_buf_init(&document, KS_FINISH_BYTES_MAX);
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_MLDSA65, KS_BYTES(seed), &other), KS_OK);
    wrap_csr_of(csr, other, KS_CONTEXT_CSR, &document);
    expect_failure(read_finish(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment: 'csr'");
    ks_buf_clear(&document);
    wrap_csr_of(csr, fixture.device_key, KS_CONTEXT_ENROL, &document);
    expect_failure(read_finish(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment: 'csr'");
    ks_buf_clear(&document);
    enrol_fixture_finish(&fixture, 5, &finish); /* its key is not the one that signs */
    assert_int_equal(ks_finish_write(&finish, other, &document), KS_OK);
    expect_failure(read_finish(ks_buf_view(&document)), KS_ERR_VERIFY, "enrolment: 'csr'");
    ks_finish_done(&finish);
    ks_sign_key_free(other);
    ks_buf_done(&document);
}

/* --- platform ----------------------------------------------------------------------------- */

static enum ks_err read_platform(struct ks_bytes document)
{
    static const struct ks_json_limits limits = {.len_max = KS_FINISH_BYTES_MAX,
                                                 .nodes_max = 512};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_platform platform = {0};

    KS_TRY(ks_json_parse_canonical(document, &limits, &doc));
    KS_TRY(ks_platform_parse(ks_json_root(doc), &platform));
out:
    ks_platform_done(&platform);
    ks_json_doc_free(doc);
    return err;
}

static void test_platform(void **state)
{
    (void)state;
    const struct json_attack attack = {
        .pattern = json_attack_value(ks_buf_view(&fixture.finish), "platform"),
        .read = read_platform,
        .opaque = {"launch_log"},
        .nullable = "launch_log"};
    static const char *const pcrs[] = {"[]", "[7]", "[\"00\"]", "[null,null,null]"};
    struct ks_buf changed;

    ks_buf_init(&changed, KS_FINISH_BYTES_MAX);
    assert_true(json_attack_members(&attack) > 50);
    expect_limit(&attack, "attest", KS_ATTEST_MAX);
    expect_limit(&attack, "signature", KS_TPM_SIGNATURE_MAX);
    expect_limit(&attack, "tcg_log", KS_PLATFORM_LOG_MAX);
    expect_limit(&attack, "ima_log", KS_PLATFORM_LOG_MAX);
    for (size_t i = 0; i < sizeof pcrs / sizeof pcrs[0]; i++) {
        json_attack_set(attack.pattern, "pcrs", pcrs[i], &changed);
        assert_int_equal(read_platform(ks_buf_view(&changed)), KS_ERR_FORMAT);
    }
    json_attack_set(attack.pattern, "pcr_mask", "16387", &changed); /* the mask as it is */
    assert_int_equal(read_platform(ks_buf_view(&changed)), KS_OK);
    json_attack_set(attack.pattern, "pcr_mask", "16385", &changed);
    expect_failure(read_platform(ks_buf_view(&changed)), KS_ERR_FORMAT, "3 values for 2 PCRs");
    ks_buf_done(&changed);
}

/* Against the bytes as the format page has them. */
static void test_binding_and_proof(void **state)
{
    (void)state;
    const uint8_t digest[32] = {1};
    const uint8_t nonce[32] = {2};
    const uint8_t channel[32] = {3};
    uint8_t got[32];
    uint8_t want[32];
    struct ks_secret secret = {0};
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1000);
    ks_buf_put_text(&bytes, "ketseal/enrol-quote/1\n");
    ks_buf_put(&bytes, KS_BYTES(digest));
    ks_buf_put(&bytes, KS_BYTES(nonce));
    ks_buf_put(&bytes, KS_BYTES(channel));
    ks_sha256(ks_buf_view(&bytes), want);
    ks_platform_binding(KS_QUOTE_ENROL, digest, nonce, channel, got);
    expect_bytes(KS_BYTES(got), KS_BYTES(want));
    ks_platform_binding(KS_QUOTE_DEVICE, digest, nonce, channel, got);
    assert_false(ks_bytes_equal(KS_BYTES(got), KS_BYTES(want)));
    ks_buf_clear(&bytes);
    ks_buf_put_text(&bytes, "ketseal/enrol-proof/1\n");
    ks_buf_put(&bytes, KS_BYTES(digest));
    ks_secret_set(&secret, KS_BYTES(channel));
    ks_hmac_sha256(ks_secret_view(&secret), ks_buf_view(&bytes), want);
    ks_enrol_proof(&secret, digest, got);
    expect_bytes(KS_BYTES(got), KS_BYTES(want));
    ks_secret_done(&secret);
    ks_buf_done(&bytes);
}

/* --- orders ------------------------------------------------------------------------------- */

static enum ks_err read_order(struct ks_bytes document)
{
    struct ks_order order = {0};
    const enum ks_err err = ks_order_read(document, fixture.operator_public, &order);

    assert_int_equal(err == KS_OK, order.doc != NULL);
    ks_order_done(&order);
    return err;
}

static void wrap_order(struct ks_bytes body, struct ks_buf *out)
{
    sign_body(body, fixture.operator_key, KS_CONTEXT_OPERATOR, out);
}

static void test_order_again(void **state)
{
    (void)state;
    static const char *const names[KS_ORDERS] = {"suspend", "resume", "revoke", "compromise",
                                                 "rotate"};
    static char reason[KS_REASON_MAX + 1];
    struct ks_order order = enrol_fixture_order();

    memset(reason, 'r', sizeof reason);
    for (unsigned verb = 0; verb < KS_ORDERS; verb++) {
        struct ks_order got;
        struct ks_buf first;
        struct ks_buf second;
        enum ks_order_verb back = KS_ORDERS;

        ks_buf_init(&first, KS_ENROL_BYTES_MAX);
        ks_buf_init(&second, KS_ENROL_BYTES_MAX);
        order.verb = (enum ks_order_verb)verb;
        order.reason = ks_bytes_of(reason, verb * KS_REASON_MAX / (KS_ORDERS - 1));
        order.created_us++;
        assert_int_equal(ks_order_write(&order, fixture.operator_key, &first), KS_OK);
        assert_int_equal(ks_order_read(ks_buf_view(&first), fixture.operator_public, &got),
                         KS_OK);
        assert_int_equal(ks_order_write(&got, fixture.operator_key, &second), KS_OK);
        expect_bytes(body_of(&second), body_of(&first));
        assert_int_equal(got.verb, order.verb);
        assert_int_equal(got.created_us, order.created_us);
        expect_bytes(got.reason, order.reason);
        assert_string_equal(ks_order_name(got.verb), names[verb]);
        assert_int_equal(ks_order_from_name(ks_bytes_text(names[verb]), &back), KS_OK);
        assert_int_equal(back, verb);
        ks_order_done(&got);
        ks_buf_done(&first);
        ks_buf_done(&second);
    }
    struct ks_buf out;
    ks_buf_init(&out, KS_ENROL_BYTES_MAX);
    order.reason = KS_BYTES(reason);
    expect_failure(ks_order_write(&order, fixture.operator_key, &out), KS_ERR_USAGE, "reason");
    order.reason = KS_LITERAL("\xff");
    expect_failure(ks_order_write(&order, fixture.operator_key, &out), KS_ERR_USAGE, "reason");
    assert_int_equal(out.len, 0);
    ks_buf_done(&out);
}

static void test_order_members(void **state)
{
    (void)state;
    const struct json_attack outer = {
        .pattern = ks_buf_view(&fixture.order), .read = read_order, .opaque = {"body"}};
    const struct json_attack inner = {
        .pattern = body_of(&fixture.order), .read = read_order, .wrap = wrap_order};
    uint64_t seed = start_seed();

    assert_true(json_attack_members(&outer) > 15);
    assert_true(json_attack_members(&inner) > 50);
    json_attack_bytes(ks_buf_view(&fixture.order), 0, fixture.order.len, &seed, read_order);
}

static void test_order_refused(void **state)
{
    (void)state;
    static char reason[KS_REASON_MAX + 4] = "\"";
    const struct ks_bytes body = body_of(&fixture.order);
    struct ks_buf changed;
    struct ks_buf document;

    memset(reason + 1, 'r', KS_REASON_MAX + 1);
    reason[KS_REASON_MAX + 2] = '"';
    const struct {
        const char *name;
        const char *value;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {"order", "\"forget\"", KS_ERR_FORMAT, "no order is called 'forget'"},
        {"order", "\"Suspend\"", KS_ERR_FORMAT, "no order is called 'Suspend'"},
        {"reason", reason, KS_ERR_LIMIT, "'reason': over 200 bytes"},
        {"schema", "\"ketseal.order/2\"", KS_ERR_FORMAT, "expected ketseal.order/1"},
        {"created_at", "\"2026-03-31\"", KS_ERR_FORMAT, "'created_at'"},
        {"channel", "\"AA==\"", KS_ERR_FORMAT, "'channel'"},
        {"site", "\"\"", KS_ERR_LIMIT, "'site': 1 to 255 bytes"},
    };
    ks_buf_init(&changed, KS_ENROL_BYTES_MAX);
    ks_buf_init(&document, KS_ENROL_BYTES_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_attack_set(body, cases[i].name, cases[i].value, &changed);
        ks_buf_clear(&document);
        wrap_order(ks_buf_view(&changed), &document);
        expect_failure(read_order(ks_buf_view(&document)), cases[i].err, cases[i].says);
    }
    ks_buf_clear(&document);
    sign_body(body, fixture.root_key, KS_CONTEXT_OPERATOR, &document);
    expect_failure(read_order(ks_buf_view(&document)), KS_ERR_VERIFY, "order");
    ks_buf_clear(&document);
    sign_body(body, fixture.operator_key, KS_CONTEXT_TOKEN, &document);
    expect_failure(read_order(ks_buf_view(&document)), KS_ERR_VERIFY, "order");
    ks_buf_done(&changed);
    ks_buf_done(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_says),        cmocka_unit_test(test_token_again),
        cmocka_unit_test(test_token_members),     cmocka_unit_test(test_token_bytes),
        cmocka_unit_test(test_token_refused),     cmocka_unit_test(test_token_of_bad_words),
        cmocka_unit_test(test_grant_signature),   cmocka_unit_test(test_enrol_again),
        cmocka_unit_test(test_enrol_members),     cmocka_unit_test(test_enrol_bytes),
        cmocka_unit_test(test_enrol_limits),      cmocka_unit_test(test_enrol_refused),
        cmocka_unit_test(test_challenge),         cmocka_unit_test(test_finish_again),
        cmocka_unit_test(test_finish_members),    cmocka_unit_test(test_finish_bytes),
        cmocka_unit_test(test_finish_refused),    cmocka_unit_test(test_platform),
        cmocka_unit_test(test_binding_and_proof), cmocka_unit_test(test_order_again),
        cmocka_unit_test(test_order_members),     cmocka_unit_test(test_order_refused),
    };

    return cmocka_run_group_tests_name("enrol", tests, set_up, tear_down);
}
