/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A site that shows itself to its operator, what the operator's root says of it, and what an
 * auditor makes of that: the request with its quote, the document of version 2, the check
 * platform.site, device certificates of the site's own issuer. */
#include "expect.h"

#include "crypto/digest.h"
#include "enrol_fixture.h"
#include "json_attack.h"
#include "record/certify.h"
#include "record_fixture.h"

#define NOW_US (FIXTURE_NOW_S * 1000000)

static struct fixture_keys keys;
static struct enrol_fixture enrol;
static struct ks_sign_key *issuer_key;
static struct ks_sign_key *other_issuer_key;
static struct ks_cert *issuer;       /* of ISSUER_KEY, by KEYS's root */
static struct ks_cert *other_issuer; /* of another key, by the same root */
static struct ks_cert *foreign;      /* of ISSUER_KEY, by another root */
static struct ks_cert *small_issuer; /* of ISSUER_KEY, by ENROL's root, which signs quickly */
static struct ks_cert *device;       /* of KEYS's device, by ISSUER */
static struct ks_site certified;     /* of a bundle: by KEYS's root, naming ISSUER */

static struct ks_cert *issue(const struct ks_cert *ca, const struct ks_sign_key *ca_key,
                             enum ks_cert_role role, const char *subject,
                             const struct ks_sign_key *key)
{
    const struct ks_cert_spec spec = {.role = role,
                                      .subject = subject,
                                      .not_before_s = FIXTURE_BEGIN_S,
                                      .not_after_s = FIXTURE_END_S};
    struct ks_verify_key *public_key = NULL;
    struct ks_cert *cert = NULL;

    assert_int_equal(ks_sign_key_verify_key(key, &public_key), KS_OK);
    assert_int_equal(ks_cert_issue(ca, ca_key, &spec, public_key, &cert), KS_OK);
    ks_verify_key_free(public_key);
    return cert;
}

static struct ks_site_certificate said_of(bool simulated)
{
    return (struct ks_site_certificate){.ek = {1},
                                        .ek_certificate = {2},
                                        .issued_us = NOW_US - 1000,
                                        .expires_us = NOW_US + UINT64_C(86400000000),
                                        .simulated_tpm = simulated};
}

static void name_issuer(struct ks_site *site, const struct ks_cert *cert)
{
    const struct ks_bytes der = ks_cert_der(cert);

    ks_copy(site->issuer, der.data, der.len);
    site->issuer_len = der.len;
}

static int set_up(void **state)
{
    struct fixture fixture;
    const struct ks_site_certificate said = said_of(true);

    (void)state;
    fixture_keys_make(&keys);
    enrol_fixture_make(&enrol);
    issuer_key = fixture_sign_key(KS_SIG_MLDSA87, 0x91);
    other_issuer_key = fixture_sign_key(KS_SIG_MLDSA87, 0x92);
    issuer = issue(keys.root_cert, keys.root, KS_CERT_ISSUER, "Lab", issuer_key);
    other_issuer = issue(keys.root_cert, keys.root, KS_CERT_ISSUER, "Lab", other_issuer_key);
    foreign = issue(keys.other_root_cert, keys.other_root, KS_CERT_ISSUER, "Lab", issuer_key);
    small_issuer = issue(enrol.root, enrol.root_key, KS_CERT_ISSUER, "Lab", issuer_key);
    device = issue(issuer, issuer_key, KS_CERT_DEVICE, FIXTURE_DEVICE, keys.device);
    fixture_make(&fixture, &keys, NULL);
    certified = fixture.site;
    fixture_free(&fixture);
    name_issuer(&certified, issuer);
    assert_int_equal(ks_site_certify(&certified, &said, keys.root), KS_OK);
    return 0;
}

static int tear_down(void **state)
{
    struct ks_cert *certs[] = {issuer, other_issuer, foreign, small_issuer, device};

    (void)state;
    for (size_t i = 0; i < sizeof certs / sizeof certs[0]; i++) {
        ks_cert_free(certs[i]);
    }
    ks_sign_key_free(issuer_key);
    ks_sign_key_free(other_issuer_key);
    enrol_fixture_free(&enrol);
    fixture_keys_free(&keys);
    return 0;
}

/* --- the document, version 2 -------------------------------------------------------------- */

/* A document of ENROL's small root. */
static void small_site(struct ks_site *site)
{
    const struct ks_site_certificate said = said_of(true);

    *site = enrol.site;
    name_issuer(site, small_issuer);
    assert_int_equal(ks_site_certify(site, &said, enrol.root_key), KS_OK);
}

static enum ks_err read_site(struct ks_bytes document)
{
    static struct ks_site site;

    return ks_site_read(document, &site);
}

static enum ks_err read_and_check_site(struct ks_bytes document)
{
    static struct ks_site site;
    enum ks_err err = ks_site_read(document, &site);

    return err == KS_OK ? ks_site_check_certificate(&site, enrol.root, NOW_US) : err;
}

static void test_site_document(void **state)
{
    (void)state;
    static struct ks_site site;
    static struct ks_site got;
    struct ks_buf first;
    struct ks_buf again;
    uint64_t seed = UINT64_C(20261126111500);

    print_message("seed %llu\n", (unsigned long long)seed);
    ks_buf_init(&first, KS_SITE_BYTES_MAX);
    ks_buf_init(&again, KS_SITE_BYTES_MAX);
    small_site(&site);
    ks_site_write(&site, &first);
    assert_int_equal(ks_site_read(ks_buf_view(&first), &got), KS_OK);
    ks_site_write(&got, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&first));
    assert_int_equal(read_and_check_site(ks_buf_view(&first)), KS_OK);
    const struct json_attack attack = {
        .pattern = ks_buf_view(&first), .read = read_site, .optional = "certificate"};
    assert_true(json_attack_members(&attack) > 150);
    json_attack_bytes(ks_buf_view(&first), 0, first.len, &seed, read_and_check_site);
    site.certificate.signature_len = 0; /* an issuer alone */
    ks_buf_clear(&first);
    ks_site_write(&site, &first);
    assert_int_equal(ks_site_read(ks_buf_view(&first), &got), KS_OK);
    ks_buf_clear(&again);
    ks_site_write(&got, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&first));
    expect_failure(ks_site_check_certificate(&got, enrol.root, NOW_US), KS_ERR_UNAVAILABLE,
                   "the site was not certified");
    ks_buf_done(&first);
    ks_buf_done(&again);
}

static void test_site_document_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } cases[] = {
        {"schema", "\"ketseal.site-certificate/2\"", "expected ketseal.site-certificate/1"},
        {"issuer", "\"\"", "'issuer': empty"},
        {"signature", "\"\"", "'signature': empty"},
        {"ek", "\"00\"", "'ek'"},
        {"expires_at", "\"never\"", "'expires_at'"},
    };
    static struct ks_site site;
    struct ks_buf text;
    struct ks_buf changed;

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    ks_buf_init(&changed, KS_SITE_BYTES_MAX);
    small_site(&site);
    ks_site_write(&site, &text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_attack_set(ks_buf_view(&text), cases[i].name, cases[i].value, &changed);
        expect_failure(read_site(ks_buf_view(&changed)), KS_ERR_FORMAT, cases[i].says);
    }
    ks_buf_clear(&changed);
    ks_buf_put(&changed, ks_buf_view(&text));
    fixture_replace(&changed, "ketseal.site/2", "ketseal.site/1");
    expect_failure(read_site(ks_buf_view(&changed)), KS_ERR_FORMAT, "in version 1");
    ks_buf_done(&text);
    ks_buf_done(&changed);
}

/* --- the certificate ---------------------------------------------------------------------- */

static void test_certificate_life(void **state)
{
    (void)state;
    static struct ks_site site;

    small_site(&site);
    const struct ks_site_certificate *said = &site.certificate;
    assert_int_equal(ks_site_check_certificate(&site, enrol.root, said->issued_us), KS_OK);
    assert_int_equal(ks_site_check_certificate(&site, enrol.root, said->expires_us), KS_OK);
    expect_failure(ks_site_check_certificate(&site, enrol.root, said->issued_us - 1),
                   KS_ERR_VERIFY, "its life does not cover that time");
    expect_failure(ks_site_check_certificate(&site, enrol.root, said->expires_us + 1),
                   KS_ERR_VERIFY, "its life does not cover that time");
}

static void test_certificate_of_another(void **state)
{
    (void)state;
    static struct ks_site site;
    static struct ks_site changed;

    small_site(&site);
    expect_failure(ks_site_check_certificate(&site, keys.root_cert, NOW_US), KS_ERR_VERIFY,
                   "site certificate");
    uint8_t *const parts[] = {(uint8_t *)changed.origin,
                              changed.ak,
                              changed.ed25519,
                              changed.mldsa65,
                              changed.note_ed25519,
                              changed.note_mldsa44,
                              changed.issuer,
                              changed.event_log.events[0].digest};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        changed = site;
        parts[i][1] ^= 1;
        expect_failure(ks_site_check_certificate(&changed, enrol.root, NOW_US), KS_ERR_VERIFY,
                       "it is for another site document");
    }
    changed = site;
    changed.simulated_tpm = false; /* what a simulator would like to say */
    expect_failure(ks_site_check_certificate(&changed, enrol.root, NOW_US), KS_ERR_VERIFY,
                   "it is for another site document");
    uint8_t *const signed_parts[] = {changed.certificate.ek, changed.certificate.ek_certificate,
                                     changed.certificate.site, changed.certificate.signature};
    for (size_t i = 0; i < sizeof signed_parts / sizeof signed_parts[0]; i++) {
        changed = site;
        signed_parts[i][31] ^= 0x80;
        expect_failure(ks_site_check_certificate(&changed, enrol.root, NOW_US), KS_ERR_VERIFY,
                       "site certificate");
    }
    const struct ks_site_certificate hardware = said_of(false);
    assert_int_equal(ks_site_certify(&changed, &hardware, enrol.root_key), KS_OK);
    expect_failure(ks_site_check_certificate(&changed, enrol.root, NOW_US), KS_ERR_VERIFY,
                   "it names another kind of TPM");
}

/* The statement as the format page has it, signed by the right root for something else. */
static void test_certificate_context(void **state)
{
    (void)state;
    static struct ks_site site;
    struct ks_buf text;
    struct ks_buf statement;
    struct ks_buf signature;

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    ks_buf_init(&statement, KS_SITE_BYTES_MAX);
    ks_buf_init(&signature, KS_SITE_SIGNATURE_MAX);
    small_site(&site);
    ks_site_write(&site, &text);
    const struct ks_bytes whole = json_attack_value(ks_buf_view(&text), "certificate");
    const struct ks_bytes said = json_attack_value(whole, "signature");
    const size_t begin = (size_t)(said.data - whole.data) - sizeof "\"signature\":" + 1;
    const size_t end = (size_t)(said.data - whole.data) + said.len + 1;
    ks_buf_put(&statement, ks_bytes_of(whole.data, begin));
    ks_buf_put(&statement, ks_bytes_of(whole.data + end, whole.len - end));
    static const char *const contexts[] = {"ketseal/token/1", "", "ketseal/site/1"};
    for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
        ks_buf_clear(&signature);
        assert_int_equal(
            ks_sign(enrol.root_key, contexts[i], ks_buf_view(&statement), &signature), KS_OK);
        ks_copy(site.certificate.signature, signature.data, signature.len);
        site.certificate.signature_len = signature.len;
        assert_int_equal(ks_site_check_certificate(&site, enrol.root, NOW_US),
                         i == 2 ? KS_OK : KS_ERR_VERIFY);
    }
    ks_buf_done(&text);
    ks_buf_done(&statement);
    ks_buf_done(&signature);
}

/* --- the request -------------------------------------------------------------------------- */

static const uint8_t nonce[KS_NONCE_LEN] = {5};
static const uint8_t channel[KS_CHANNEL_LEN] = {6};

enum request_step { BEFORE_DIGEST, BEFORE_QUOTE, BEFORE_SIGNING, WRITTEN };
typedef void (*request_change)(struct ks_site_request *request, struct fixture_quote *quote,
                               enum request_step step);

/* A request of the fixture's site; CHANGE may be NULL. */
static void make_request(struct ks_site_request *request, request_change change)
{
    struct fixture fixture;
    struct fixture_quote quote;
    uint8_t digest[32];

    fixture_make(&fixture, &keys, NULL);
    quote = fixture.quote;
    ks_site_request_init(request);
    ks_copy(request->nonce, nonce, sizeof request->nonce);
    ks_copy(request->channel, channel, sizeof request->channel);
    fixture_public(issuer_key, request->issuer_key, sizeof request->issuer_key);
    ks_buf_put_text(&request->ek, "an endorsement key");
    ks_buf_put_text(&request->ek_certificate, "its certificate");
    ks_site_write(&fixture.site, &request->site);
    fixture_free(&fixture);
    if (change != NULL) {
        change(request, &quote, BEFORE_DIGEST);
    }
    assert_int_equal(ks_site_request_digest(request, digest), KS_OK);
    ks_platform_binding(KS_QUOTE_SITE, digest, request->nonce, request->channel, quote.extra);
    if (change != NULL) {
        change(request, &quote, BEFORE_QUOTE);
    }
    fixture_attest_write(&quote, &request->attest);
    if (change != NULL) {
        change(request, &quote, BEFORE_SIGNING);
    }
    fixture_attest_sign(quote.key, ks_buf_view(&request->attest), &request->signature);
    if (change != NULL) {
        change(request, &quote, WRITTEN);
    }
}

/* As it came over the wire. */
static enum ks_err read_and_check(struct ks_bytes document)
{
    static struct ks_site site;
    struct ks_site_request request = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_site_request_read(document, &request));
    KS_TRY(ks_site_request_check(&request, nonce, channel, &site));
    assert_string_equal(site.origin, FIXTURE_ORIGIN);
out:
    ks_site_request_done(&request);
    return err;
}

static enum ks_err read_request(struct ks_bytes document)
{
    struct ks_site_request request = {0};
    const enum ks_err err = ks_site_request_read(document, &request);

    ks_site_request_done(&request);
    return err;
}

static void test_request(void **state)
{
    (void)state;
    struct ks_site_request request;
    struct ks_site_request got;
    struct ks_buf text;
    struct ks_buf again;
    uint64_t seed = UINT64_C(20261126111600);

    print_message("seed %llu\n", (unsigned long long)seed);
    ks_buf_init(&text, KS_SITE_REQUEST_BYTES_MAX);
    ks_buf_init(&again, KS_SITE_REQUEST_BYTES_MAX);
    make_request(&request, NULL);
    ks_site_request_write(&request, &text);
    assert_int_equal(ks_site_request_read(ks_buf_view(&text), &got), KS_OK);
    ks_site_request_write(&got, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&text));
    assert_int_equal(read_and_check(ks_buf_view(&text)), KS_OK);
    const struct json_attack attack = {
        .pattern = ks_buf_view(&text), .read = read_request, .opaque = {"site"}};
    assert_true(json_attack_members(&attack) > 70);
    json_attack_bytes(ks_buf_view(&text), 0, text.len, &seed, read_and_check);
    ks_site_request_done(&request);
    ks_site_request_done(&got);
    ks_buf_done(&text);
    ks_buf_done(&again);
}

#define REQUEST_CHANGE(name, at, ...)                                                          \
    static void name(struct ks_site_request *r, struct fixture_quote *q, enum request_step s)  \
    {                                                                                          \
        (void)r;                                                                               \
        (void)q;                                                                               \
        if (s == (at)) {                                                                       \
            __VA_ARGS__;                                                                       \
        }                                                                                      \
    }

REQUEST_CHANGE(other_nonce, BEFORE_DIGEST, r->nonce[0] ^= 1)
REQUEST_CHANGE(other_channel, BEFORE_DIGEST, r->channel[0] ^= 1)
REQUEST_CHANGE(issuer_key_after, BEFORE_QUOTE, r->issuer_key[0] ^= 1)
REQUEST_CHANGE(ek_after, BEFORE_QUOTE, r->ek.data[0] ^= 1)
REQUEST_CHANGE(ek_certificate_after, BEFORE_QUOTE, r->ek_certificate.data[0] ^= 1)
REQUEST_CHANGE(site_after, BEFORE_QUOTE,
               fixture_replace(&r->site, "\"lab.example/ketseal\"", "\"lab.example/ketsea1\""))
REQUEST_CHANGE(old_quote, BEFORE_QUOTE, q->extra[31] ^= 1)
REQUEST_CHANGE(other_ak, BEFORE_QUOTE, q->key = keys.other_ak)
REQUEST_CHANGE(other_signer, BEFORE_QUOTE, q->signer[3] ^= 1)
REQUEST_CHANGE(no_tpm, BEFORE_QUOTE, q->magic ^= 1)
REQUEST_CHANGE(other_pcr, BEFORE_QUOTE, q->pcr_mask = 1U << 16)
REQUEST_CHANGE(one_more_pcr, BEFORE_QUOTE, q->pcr_mask |= 1)
REQUEST_CHANGE(other_launch, BEFORE_QUOTE, q->pcr_digest[0] ^= 1)
REQUEST_CHANGE(changed_after_signing, WRITTEN, r->attest.data[r->attest.len - 1] ^= 1)
/* The quote of another purpose, over the same digest. */
static void enrolment_quote(struct ks_site_request *request, struct fixture_quote *quote,
                            enum request_step step)
{
    uint8_t digest[32];

    if (step == BEFORE_QUOTE) {
        assert_int_equal(ks_site_request_digest(request, digest), KS_OK);
        ks_platform_binding(KS_QUOTE_ENROL, digest, nonce, channel, quote->extra);
    }
}
static void names_an_issuer(struct ks_site_request *request, struct fixture_quote *quote,
                            enum request_step step)
{
    (void)quote;
    if (step == BEFORE_DIGEST) {
        ks_buf_clear(&request->site);
        ks_site_write(&certified, &request->site);
    }
}

static void test_request_refused(void **state)
{
    (void)state;
    static const struct {
        request_change change;
        const char *says;
    } cases[] = {
        {other_nonce, "it answers another challenge, or on another connection"},
        {other_channel, "it answers another challenge, or on another connection"},
        {issuer_key_after, "something else"},
        {ek_after, "something else"},
        {ek_certificate_after, "something else"},
        {site_after, "something else"},
        {old_quote, "something else"},
        {enrolment_quote, "something else"},
        {other_ak, "site request"},
        {other_signer, "signer"},
        {no_tpm, "magic"},
        {other_pcr, "mask"},
        {one_more_pcr, "mask"},
        {other_launch, "site request"},
        {changed_after_signing, "site request"},
        {names_an_issuer, "the site names an issuer already"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_site_request request;
        struct ks_buf text;
        enum ks_err err = KS_OK;

        ks_buf_init(&text, KS_SITE_REQUEST_BYTES_MAX);
        make_request(&request, cases[i].change);
        ks_site_request_write(&request, &text);
        assert_int_equal(ks_buf_check(&text), KS_OK);
        err = read_and_check(ks_buf_view(&text));
        if (err != KS_ERR_VERIFY && err != KS_ERR_FORMAT) {
            fail_msg("case %zu: %s", i, ks_err_name(err));
        }
        expect_failure(err, err, cases[i].says);
        ks_site_request_done(&request);
        ks_buf_done(&text);
    }
}

static void test_proof(void **state)
{
    (void)state;
    const uint8_t digest[32] = {1};
    uint8_t got[32];
    uint8_t want[32];
    struct ks_secret secret = {0};
    struct ks_buf bytes;

    ks_buf_init(&bytes, 100);
    ks_buf_put_text(&bytes, "ketseal/site-proof/1\n");
    ks_buf_put(&bytes, KS_BYTES(digest));
    ks_secret_set(&secret, KS_BYTES(nonce));
    ks_hmac_sha256(ks_secret_view(&secret), ks_buf_view(&bytes), want);
    ks_site_proof(&secret, digest, got);
    expect_bytes(KS_BYTES(got), KS_BYTES(want));
    ks_secret_done(&secret);
    ks_buf_done(&bytes);
}

/* --- what an auditor sees ----------------------------------------------------------------- */

static void certified_site(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->site = certified;
        fixture->certificate = device;
    }
}

static void roots_own_leaf(struct fixture *fixture, enum fixture_step step)
{
    certified_site(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->certificate = keys.device_cert;
    }
}

static void issuer_alone(struct fixture *fixture, enum fixture_step step)
{
    certified_site(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->site.certificate = (struct ks_site_certificate){0};
    }
}

static void after_the_certificate(struct fixture *fixture, enum fixture_step step)
{
    certified_site(fixture, step);
    if (step == FIXTURE_CORE) {
        fixture->core.created_us = certified.certificate.expires_us + 1;
    }
}

static void other_issuers_leaf(struct fixture *fixture, enum fixture_step step)
{
    issuer_alone(fixture, step);
    if (step == FIXTURE_BEGIN) {
        name_issuer(&fixture->site, other_issuer);
    }
}

static void foreign_issuer(struct fixture *fixture, enum fixture_step step)
{
    issuer_alone(fixture, step);
    if (step == FIXTURE_BEGIN) {
        name_issuer(&fixture->site, foreign);
    }
}

static void issuer_is_a_leaf(struct fixture *fixture, enum fixture_step step)
{
    issuer_alone(fixture, step);
    if (step == FIXTURE_BEGIN) {
        name_issuer(&fixture->site, keys.device_cert);
    }
}

static void issuer_is_no_certificate(struct fixture *fixture, enum fixture_step step)
{
    issuer_alone(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->site.issuer[0] ^= 1;
    }
}

static void no_issuer(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->certificate = device;
    }
}

static void other_key_pinned(struct fixture *fixture, enum fixture_step step)
{
    certified_site(fixture, step);
    if (step == FIXTURE_BEGIN) {
        fixture->site.certificate.ek[0] ^= 1; /* and so its signature is false */
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        fixture_change change;
        enum ks_verdict_state site;
        enum ks_verdict_state leaf;
        const char *says; /* NULL: all is good */
    } cases[] = {
        {certified_site, KS_PASS, KS_PASS, NULL},
        {roots_own_leaf, KS_PASS, KS_PASS, NULL},
        {issuer_alone, KS_NOT_RUN, KS_PASS, NULL},
        {after_the_certificate, KS_FAIL, KS_PASS, "platform.site: site certificate: its life"},
        {other_key_pinned, KS_FAIL, KS_PASS, "platform.site: site certificate"},
        {other_issuers_leaf, KS_NOT_RUN, KS_FAIL, "request.certificate"},
        {foreign_issuer, KS_NOT_RUN, KS_FAIL, "request.certificate"},
        {issuer_is_a_leaf, KS_NOT_RUN, KS_FAIL, "request.certificate"},
        {issuer_is_no_certificate, KS_NOT_RUN, KS_FAIL, "request.certificate"},
        {no_issuer, KS_NOT_RUN, KS_FAIL, "request.certificate"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        struct ks_policy *policy = NULL;
        struct ks_verdict verdict;

        fixture_make(&fixture, &keys, cases[i].change);
        policy = fixture_policy(&fixture);
        assert_int_equal(policy->require[KS_VERDICT_PLATFORM_SITE],
                         fixture.site.certificate.signature_len > 0);
        const struct ks_bytes bundle = ks_buf_view(&fixture.bundle);
        const enum ks_err err = ks_bundle_verify(&bundle, policy, &verdict);
        if (verdict.checks[KS_VERDICT_PLATFORM_SITE].state != cases[i].site ||
            verdict.checks[KS_VERDICT_REQUEST_CERTIFICATE].state != cases[i].leaf ||
            err != (cases[i].says == NULL ? KS_OK : KS_ERR_VERIFY)) {
            fail_msg("case %zu: %s, %s, %s", i, ks_err_name(err),
                     verdict.checks[KS_VERDICT_PLATFORM_SITE].reason,
                     verdict.checks[KS_VERDICT_REQUEST_CERTIFICATE].reason);
        }
        if (cases[i].says != NULL) {
            expect_failure(err, KS_ERR_VERIFY, cases[i].says);
        }
        ks_policy_free(policy);
        fixture_free(&fixture);
    }
}

/* A certificate that the policy's root did not sign does not pass, whoever else did. */
static void test_verdict_under_another_root(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ks_policy *policy = NULL;
    struct ks_verdict verdict;
    const struct ks_site_certificate said = said_of(true);

    fixture_make(&fixture, &keys, certified_site);
    policy = fixture_policy(&fixture);
    assert_int_equal(ks_site_certify(&policy->site, &said, keys.other_root), KS_OK);
    const struct ks_bytes bundle = ks_buf_view(&fixture.bundle);
    expect_failure(ks_bundle_verify(&bundle, policy, &verdict), KS_ERR_VERIFY,
                   "platform.site: site certificate");
    assert_int_equal(verdict.checks[KS_VERDICT_REQUEST_CERTIFICATE].state, KS_PASS);
    ks_policy_free(policy);
    fixture_free(&fixture);
}

static void test_policy_again(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ks_policy *policy = NULL;
    struct ks_buf crl;
    struct ks_buf again;

    ks_buf_init(&crl, KS_CRL_PEM_MAX);
    ks_buf_init(&again, KS_POLICY_BYTES_MAX);
    fixture_make(&fixture, &keys, certified_site);
    policy = fixture_policy(&fixture);
    ks_crl_to_pem(policy->crl, &crl);
    ks_policy_write(&(struct ks_policy_spec){.root = policy->root,
                                             .crl_pem = ks_buf_view(&crl),
                                             .site = &policy->site,
                                             .accept_simulated_tpm = true},
                    &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&fixture.policy));
    ks_policy_free(policy);
    fixture_free(&fixture);
    ks_buf_done(&crl);
    ks_buf_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_document),
        cmocka_unit_test(test_site_document_refused),
        cmocka_unit_test(test_certificate_life),
        cmocka_unit_test(test_certificate_of_another),
        cmocka_unit_test(test_certificate_context),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_refused),
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_verdict_under_another_root),
        cmocka_unit_test(test_policy_again),
    };

    return cmocka_run_group_tests_name("certify", tests, set_up, tear_down);
}
