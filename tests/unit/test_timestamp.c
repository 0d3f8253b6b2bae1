/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Time stamps: what libcrypto's issuing side makes is read and verified; whatever is false
 * about a stamp, its signer or its chain is refused, each for its reason; and no byte of a
 * token can be changed. tests/integration/timestamp.sh does the same with `openssl ts` as the
 * authority. */
#include "expect.h"

#include <openssl/x509.h>

#include "attach_fixture.h"
#include "vector_files.h"

#define NOW_S           FIXTURE_NOW_S
#define expect_ok(call) assert_int_equal((call), KS_OK)

static struct stamp_authority authority;
static uint8_t digest[32] = {0xd1, 0x9e, 0x57};
static struct ks_buf request;
static struct ks_buf token; /* of AUTHORITY over DIGEST, at NOW_S */

static struct ks_buf buffer(void)
{
    struct ks_buf buf;

    ks_buf_init(&buf, KS_TIMESTAMP_PEM_MAX);
    return buf;
}

/* Trusts the certificates of PARTIES, with what else SPEC says. */
static enum ks_err trust_new(const struct stamp_party *const *parties, size_t count,
                             struct ks_timestamp_trust_spec spec,
                             struct ks_timestamp_trust **out_trust)
{
    struct ks_buf pem = buffer();
    enum ks_err err = KS_OK;

    ks_buf_put_text(&pem, "Text of a maker's file, passed over.\n");
    for (size_t i = 0; i < count; i++) {
        stamp_party_pem(parties[i], &pem);
    }
    spec.certificates = ks_buf_view(&pem);
    err = ks_timestamp_trust_new(&spec, out_trust);
    ks_buf_done(&pem);
    return err;
}

static enum ks_err verify_with(struct ks_bytes bytes, const struct stamp_party *root,
                               struct ks_timestamp_trust_spec spec)
{
    struct ks_timestamp_trust *trust = NULL;
    struct ks_timestamp stamp;
    enum ks_err err = KS_OK;

    assert_int_equal(trust_new(&root, 1, spec, &trust), KS_OK);
    err = ks_timestamp_verify(bytes, digest, trust, &stamp);
    ks_timestamp_trust_free(trust);
    return err;
}

static enum ks_err verify(struct ks_bytes bytes)
{
    return verify_with(bytes, &authority.root, (struct ks_timestamp_trust_spec){0});
}

static void expect_refused(enum ks_err err, const char *reason)
{
    if (err != KS_ERR_VERIFY && err != KS_ERR_FORMAT) {
        fail_msg("%d where a refusal was expected: %s", (int)err, reason);
    }
    if (strstr(ks_err_detail(), reason) == NULL) {
        fail_msg("'%s' does not say '%s'", ks_err_detail(), reason);
    }
}

/* The token of SPEC for the common request. */
static void make_token(struct stamp_spec spec, struct ks_buf *out)
{
    struct ks_buf answer = buffer();

    spec.request = ks_buf_view(&request);
    spec.time_s = spec.time_s == 0 ? NOW_S : spec.time_s;
    stamp_answer(&spec, &answer);
    stamp_token(ks_buf_view(&answer), out);
    ks_buf_done(&answer);
}

static void test_accepted(void **state)
{
    static const struct {
        const char *algorithm;
        const char *digest;
    } rows[] = {{NULL, "SHA256"}, {NULL, "SHA384"}, {"RSA", "SHA256"}, {"RSA", "SHA512"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stamp_party signer = stamp_party_make(&(const struct stamp_party_spec){
            .name = "Another",
            .issuer = &authority.root,
            .purpose = STAMP_PURPOSE,
            .not_before_s = FIXTURE_BEGIN_S,
            .not_after_s = FIXTURE_END_S,
            .algorithm = rows[i].algorithm,
        });
        struct ks_buf bytes = buffer();
        struct ks_timestamp stamp;

        make_token(
            (struct stamp_spec){.signer = &signer, .digest = rows[i].digest, .time_us = 250000},
            &bytes);
        expect_ok(verify(ks_buf_view(&bytes)));
        expect_ok(ks_timestamp_read(ks_buf_view(&bytes), &stamp));
        assert_int_equal(stamp.time_us, NOW_S * 1000000 + 250000);
        assert_int_equal(stamp.accuracy_us, 1000000);
        assert_memory_equal(stamp.digest, digest, sizeof digest);
        assert_string_equal(stamp.policy, STAMP_POLICY);
        assert_string_equal(stamp.signer, "CN = Another");
        assert_int_equal(stamp.serial_len, 1);
        assert_int_equal(stamp.serial[0], 77);
        ks_buf_done(&bytes);
        stamp_party_free(&signer);
    }
}

/* A certificate between signer and root comes from the token or from whoever verifies. */
static void test_chain(void **state)
{
    struct stamp_party between = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Between",
        .issuer = &authority.root,
        .authority = true,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
    });
    struct stamp_party signer = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Below",
        .issuer = &between,
        .purpose = STAMP_PURPOSE,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
    });
    const struct stamp_party *both[] = {&between, &authority.root};
    struct ks_timestamp_trust *trust = NULL;
    struct ks_timestamp stamp;
    struct ks_buf whole = buffer();
    struct ks_buf with_root = buffer();
    struct ks_buf alone = buffer();

    (void)state;
    make_token((struct stamp_spec){.signer = &signer, .between = {&between}}, &whole);
    make_token((struct stamp_spec){.signer = &signer, .between = {&authority.root, &between}},
               &with_root);
    make_token((struct stamp_spec){.signer = &signer}, &alone);
    /* the root is left out; signatures differ by some bytes in their lengths */
    assert_in_range(with_root.len, whole.len - 8, whole.len + 8);
    assert_true(alone.len + 300 < whole.len);
    expect_ok(verify(ks_buf_view(&whole)));
    expect_refused(verify(ks_buf_view(&alone)), "unable to get local issuer certificate");
    expect_ok(trust_new(both, 2, (struct ks_timestamp_trust_spec){0}, &trust));
    expect_ok(ks_timestamp_verify(ks_buf_view(&alone), digest, trust, &stamp));
    expect_ok(ks_timestamp_verify(ks_buf_view(&whole), digest, trust, &stamp));
    ks_timestamp_trust_free(trust);
    ks_buf_done(&whole);
    ks_buf_done(&with_root);
    ks_buf_done(&alone);
    stamp_party_free(&between);
    stamp_party_free(&signer);
}

static void test_refused(void **state)
{
    struct stamp_authority other;
    struct ks_buf bytes = buffer();
    uint8_t another[32] = {1};

    (void)state;
    stamp_authority_make(&other);
    expect_refused(
        verify_with(ks_buf_view(&token), &other.root, (struct ks_timestamp_trust_spec){0}),
        "certificate");
    stamp_make(&authority, another, NOW_S, &bytes);
    expect_refused(verify(ks_buf_view(&bytes)), "over another digest");
    expect_refused(verify_with(ks_buf_view(&token), &authority.root,
                               (struct ks_timestamp_trust_spec){.policy = KS_LITERAL("1.2.3")}),
                   "under the policy " STAMP_POLICY);
    expect_ok(
        verify_with(ks_buf_view(&token), &authority.root,
                    (struct ks_timestamp_trust_spec){.policy = ks_bytes_text(STAMP_POLICY)}));
    stamp_authority_free(&other);
    ks_buf_done(&bytes);
}

/* Signers whose certificate does not fit, whoever issued it. */
static void test_signers_refused(void **state)
{
    static const struct {
        const char *purpose;
        uint64_t not_before_s;
        uint64_t not_after_s;
        const char *reason;
    } rows[] = {
        {NULL, FIXTURE_BEGIN_S, FIXTURE_END_S, "unsuitable certificate purpose"},
        {"critical,serverAuth", FIXTURE_BEGIN_S, FIXTURE_END_S,
         "unsuitable certificate purpose"},
        {"critical,timeStamping,serverAuth", FIXTURE_BEGIN_S, FIXTURE_END_S,
         "unsuitable certificate purpose"},
        {"timeStamping", FIXTURE_BEGIN_S, FIXTURE_END_S, "unsuitable certificate purpose"},
        {STAMP_PURPOSE, FIXTURE_BEGIN_S, NOW_S - 1, "certificate has expired"},
        {STAMP_PURPOSE, NOW_S + 1, FIXTURE_END_S, "certificate is not yet valid"},
        {STAMP_PURPOSE, FIXTURE_BEGIN_S, FIXTURE_END_S, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stamp_party signer = stamp_party_make(&(const struct stamp_party_spec){
            .name = "Unfit",
            .issuer = &authority.root,
            .purpose = rows[i].purpose,
            .not_before_s = rows[i].not_before_s,
            .not_after_s = rows[i].not_after_s,
        });
        struct ks_buf signed_again = buffer();
        struct ks_buf bytes = buffer();

        stamp_resign(ks_buf_view(&token), &signer, &signed_again);
        stamp_token(ks_buf_view(&signed_again), &bytes);
        if (rows[i].reason == NULL) {
            expect_ok(verify(ks_buf_view(&bytes)));
        } else {
            expect_refused(verify(ks_buf_view(&bytes)), rows[i].reason);
        }
        ks_buf_done(&bytes);
        ks_buf_done(&signed_again);
        stamp_party_free(&signer);
    }
}

static void test_revocation(void **state)
{
    struct stamp_authority other;
    struct {
        const struct stamp_party *issuer;
        const struct stamp_party *revoked;
        uint64_t next_update_s;
        const char *reason; /* NULL: accepted */
    } rows[] = {
        {&authority.root, NULL, NOW_S + 1, NULL},
        {&authority.root, NULL, FIXTURE_END_S, NULL}, /* newer than the stamp */
        {&authority.root, &authority.signer, NOW_S + 1, "revoked"},
        {&authority.root, &authority.signer, FIXTURE_END_S, "revoked"},
        {&authority.root, NULL, NOW_S, "was to be replaced"},
        {&other.signer, NULL, FIXTURE_END_S, "no list of the signer's issuer"},
        {&other.root, NULL, FIXTURE_END_S, "is not signed by it"}, /* of the same name */
    };

    (void)state;
    stamp_authority_make(&other);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_buf crl = buffer();
        struct ks_timestamp_trust_spec spec = {0};

        stamp_crl_pem(rows[i].issuer, rows[i].revoked, rows[i].next_update_s, &crl);
        spec.crls = ks_buf_view(&crl);
        if (rows[i].reason == NULL) {
            expect_ok(verify_with(ks_buf_view(&token), &authority.root, spec));
        } else {
            expect_refused(verify_with(ks_buf_view(&token), &authority.root, spec),
                           rows[i].reason);
        }
        ks_buf_done(&crl);
    }
    stamp_authority_free(&other);
}

/* Every bit of every byte, and every length: refused, whatever byte it is. */
static void assert_all_bound(struct ks_buf *bytes, const struct ks_timestamp_trust *trust,
                             unsigned bits)
{
    struct ks_timestamp stamp;

    for (size_t i = 0; i < bytes->len; i++) {
        for (unsigned bit = 0; bit < bits; bit++) {
            const uint8_t mask = (uint8_t)(1U << ((i + bit) % 8));

            bytes->data[i] ^= mask;
            if (ks_timestamp_verify(ks_buf_view(bytes), digest, trust, &stamp) == KS_OK) {
                fail_msg("%02x of byte %zu of %zu can be changed", mask, i, bytes->len);
            }
            bytes->data[i] ^= mask;
        }
    }
    for (size_t len = 0; len < bytes->len; len++) {
        assert_int_not_equal(
            ks_timestamp_verify(ks_bytes_of(bytes->data, len), digest, trust, &stamp), KS_OK);
    }
    expect_ok(ks_timestamp_verify(ks_buf_view(bytes), digest, trust, &stamp));
}

static void test_every_byte(void **state)
{
    const struct stamp_party *root = &authority.root;
    struct ks_timestamp_trust *trust = NULL;

    (void)state;
    expect_ok(trust_new(&root, 1, (struct ks_timestamp_trust_spec){0}, &trust));
    assert_all_bound(&token, trust, 8);
    ks_timestamp_trust_free(trust);
}

/* A certificate between, in the token and also known to whoever verifies: the copy in the token
 * is bound all the same. */
static void test_every_byte_of_a_chain(void **state)
{
    struct stamp_party between = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Between",
        .issuer = &authority.root,
        .authority = true,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
    });
    struct stamp_party signer = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Below",
        .issuer = &between,
        .purpose = STAMP_PURPOSE,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
        .algorithm = "RSA",
    });
    const struct stamp_party *known[] = {&authority.root, &between};
    struct ks_timestamp_trust *trust = NULL;
    struct ks_buf bytes = buffer();

    (void)state;
    make_token((struct stamp_spec){.signer = &signer, .between = {&between}}, &bytes);
    expect_ok(trust_new(known, 2, (struct ks_timestamp_trust_spec){0}, &trust));
    assert_all_bound(&bytes, trust, 2);
    ks_timestamp_trust_free(trust);
    ks_buf_done(&bytes);
    stamp_party_free(&between);
    stamp_party_free(&signer);
}

static void test_answers(void **state)
{
    struct ks_buf answer = buffer();
    struct ks_buf bytes = buffer();
    struct ks_buf other_request = buffer();
    struct stamp_spec spec = {.signer = &authority.signer, .time_s = NOW_S};
    struct ks_timestamp_request asked = {.nonce = {9}};
    uint8_t another[32] = {1};

    (void)state;
    spec.request = ks_buf_view(&request);
    stamp_answer(&spec, &answer);
    expect_ok(ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&request), &bytes));
    expect_ok(verify(ks_buf_view(&bytes)));
    /* a token alone is its own normal form */
    ks_buf_clear(&bytes);
    expect_ok(ks_timestamp_answer_read(ks_buf_view(&token), ks_buf_view(&request), &bytes));
    expect_bytes(ks_buf_view(&bytes), ks_buf_view(&token));
    /* to another request: nonce, digest, policy */
    ks_copy(asked.digest, digest, sizeof digest);
    expect_ok(ks_timestamp_request_write(&asked, &other_request));
    expect_refused(
        ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&other_request), &bytes),
        "the nonces differ");
    ks_buf_clear(&other_request);
    stamp_request(another, &other_request);
    expect_refused(
        ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&other_request), &bytes),
        "over another digest than was asked for");
    ks_buf_clear(&other_request);
    asked = (struct ks_timestamp_request){.nonce = {0x5a, 1, 2, 3}, .policy = "1.2.3"};
    ks_copy(asked.digest, digest, sizeof digest);
    expect_ok(ks_timestamp_request_write(&asked, &other_request));
    expect_refused(
        ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&other_request), &bytes),
        "under another policy than was asked for");
    /* refused by the authority: it does not know that policy */
    spec.request = ks_buf_view(&other_request);
    ks_buf_clear(&answer);
    stamp_answer(&spec, &answer);
    assert_int_equal(
        ks_timestamp_answer_read(ks_buf_view(&answer), ks_buf_view(&other_request), &bytes),
        KS_ERR_DENIED);
    asked.policy = "no number";
    assert_int_equal(ks_timestamp_request_write(&asked, &other_request), KS_ERR_USAGE);
    ks_buf_done(&answer);
    ks_buf_done(&bytes);
    ks_buf_done(&other_request);
}

static void test_trust_refused(void **state)
{
    const struct stamp_party *no_root = &authority.signer;
    struct ks_timestamp_trust *trust = NULL;
    struct ks_timestamp_trust_spec spec = {.certificates = KS_LITERAL("no block\n")};

    (void)state;
    expect_refused(ks_timestamp_trust_new(&spec, &trust), "a root is missing");
    expect_refused(trust_new(&no_root, 1, (struct ks_timestamp_trust_spec){0}, &trust),
                   "a root is missing");
    for (size_t i = 0; i < 4; i++) {
        static const char *const bad[] = {"1.2.", "01.2", "sha256", "1.2.03"};

        expect_refused(
            verify_with(ks_buf_view(&token), &authority.root,
                        (struct ks_timestamp_trust_spec){0}) == KS_OK
                ? trust_new(&(const struct stamp_party *){&authority.root}, 1,
                            (struct ks_timestamp_trust_spec){.policy = ks_bytes_text(bad[i])},
                            &trust)
                : KS_OK,
            "no object identifier");
    }
    assert_null(trust);
}

/* --- files -------------------------------------------------------------------------------- */

static void test_vectors(void **state)
{
    static const struct {
        const char *name;
        bool answer; /* good to bring into normal form */
        const char *reason;
    } rejects[] = {
        {"answer.der", true, "not a CMS structure"},
        {"openssl-form.der", true, "not in normal form"},
        {"sha1-imprint.der", false, "its digest is not SHA-256"},
        {"trailing.der", false, "bytes after its end"},
        {"cut.der", false, "not a CMS structure"},
        {"no-signed-attributes.der", false, "no signed attributes"},
        {"two-signers.der", false, "2 signers, not one"},
        {"plain-data.der", false, "its content is no time stamp"},
        {"sha1-signature.der", false, "not SHA-256, SHA-384 or SHA-512"},
    };
    const struct ks_bytes none = {0};
    struct ks_timestamp stamp;
    struct ks_buf bytes;
    struct ks_buf taken = buffer();

    (void)state;
    vector_read("timestamp/accept", "openssl-rsa.der", &bytes);
    expect_ok(ks_timestamp_read(ks_buf_view(&bytes), &stamp));
    assert_string_equal(stamp.signer, "CN = stamper");
    ks_buf_done(&bytes);
    for (size_t i = 0; i < sizeof rejects / sizeof rejects[0]; i++) {
        vector_read("timestamp/reject", rejects[i].name, &bytes);
        ks_buf_clear(&taken);
        if (rejects[i].answer) {
            expect_ok(ks_timestamp_answer_read(ks_buf_view(&bytes), none, &taken));
            expect_ok(ks_timestamp_read(ks_buf_view(&taken), &stamp));
        } else {
            expect_refused(ks_timestamp_answer_read(ks_buf_view(&bytes), none, &taken),
                           rejects[i].reason);
        }
        expect_failure(ks_timestamp_read(ks_buf_view(&bytes), &stamp), KS_ERR_FORMAT,
                       strcmp(rejects[i].name, "sha1-imprint.der") == 0 ? "not in normal form"
                                                                        : rejects[i].reason);
        ks_buf_done(&bytes);
    }
    ks_buf_done(&taken);
}

static int setup(void **state)
{
    (void)state;
    request = buffer();
    token = buffer();
    stamp_authority_make(&authority);
    stamp_request(digest, &request);
    make_token((struct stamp_spec){.signer = &authority.signer}, &token);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stamp_authority_free(&authority);
    ks_buf_done(&request);
    ks_buf_done(&token);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_signers_refused),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_byte_of_a_chain),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_trust_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
