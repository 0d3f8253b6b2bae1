/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Who comes in where: devices of an issuer below the root, operators, and peers without a
 * certificate, on servers that take them and on servers that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "http_site.h"

#define LEAF_ALONE_MAX 14000 /* bytes that a client sends; its issuer would add 10,000 */

/* "peer:NAME", or "nobody". */
static void answer_peer(void *context, struct ks_http_request *request)
{
    const struct ks_cert *peer = ks_http_request_peer(request);
    char text[KS_CERT_SUBJECT_MAX + 8];

    (void)context;
    (void)snprintf(text, sizeof text, "%s%s", peer != NULL ? "peer:" : "nobody",
                   peer != NULL ? ks_cert_subject(peer) : "");
    answer_bytes(request, ks_bytes_text(text));
}

static struct ks_tls_spec server_spec(void)
{
    return (struct ks_tls_spec){.side = KS_TLS_SERVER,
                                .root_pem = test_root_pem(authority),
                                .cert_pem = test_cert_pem(site_identity),
                                .key_pem = test_key_pem(site_identity)};
}

static struct ks_tls_spec client_spec(const struct test_identity *identity,
                                      const struct test_authority *issuer)
{
    return (struct ks_tls_spec){
        .side = KS_TLS_CLIENT,
        .mode = identity == NULL ? KS_TLS_ENROLMENT : KS_TLS_MUTUAL,
        .root_pem = test_root_pem(authority),
        .issuer_pem = issuer != NULL ? test_root_pem(issuer) : (struct ks_bytes){0},
        .cert_pem = identity != NULL ? test_cert_pem(identity) : (struct ks_bytes){0},
        .key_pem = identity != NULL ? test_key_pem(identity) : (struct ks_bytes){0}};
}

static struct ks_tls *tls_new(struct ks_tls_spec spec)
{
    struct ks_tls *tls = NULL;

    if (ks_tls_new(&spec, &tls) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return tls;
}

/* Of http_site.h's site only what a raw peer needs. */
static struct site listen_as(struct ks_tls_spec spec)
{
    struct site site = {.tls = tls_new(spec)};
    const struct ks_http_server_spec server = {.address = "127.0.0.1",
                                               .loops = 1,
                                               .tls = site.tls,
                                               .peers_unknown = spec.mode == KS_TLS_ENROLMENT,
                                               .handler = answer_peer};

    if (ks_http_server_open(&server, &site.server) != KS_OK ||
        ks_http_server_start(site.server) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return site;
}

static void stop(struct site *site)
{
    assert_int_equal(ks_http_server_stop(site->server, WAIT_MS), KS_OK);
    ks_http_server_free(site->server);
    ks_tls_free(site->tls);
}

/* What a request on a connection of its own gets: the body of a 200, "refused" for any other
 * status or for a handshake that fails. */
static void assert_answer(const struct site *site, struct ks_tls *tls, const char *wanted)
{
    const struct ks_http_call call = {.method = "GET", .target = "/"};
    struct ks_http_client *client = NULL;
    struct ks_http_answer answer = {0};
    enum ks_err err = KS_OK;
    bool refused = false;
    char origin[64];

    (void)snprintf(origin, sizeof origin, "https://localhost:%u",
                   (unsigned)ks_http_server_port(site->server));
    client = client_of(NULL, tls, (struct ks_http_client_spec){.origin = origin});
    err = ks_http_client_call(client, &call, &answer);
    refused = err != KS_OK || answer.status == 403;
    if (refused != (strcmp(wanted, "refused") == 0)) {
        fail_msg("not '%s': %s, status %d", wanted, err == KS_OK ? "OK" : ks_err_detail(),
                 answer.status);
    }
    if (!refused) {
        assert_int_equal(answer.status, 200);
        assert_true(ks_bytes_is(ks_buf_view(&answer.body), wanted));
    }
    ks_http_answer_done(&answer);
    ks_http_client_free(client);
}

/* --- devices of an issuer ----------------------------------------------------------------- */

static void an_issuer_appears_and_is_revoked(void **state)
{
    struct test_authority *issuer = test_issuer_new(authority, "site of tests");
    struct test_authority *other = test_issuer_new(authority, "site of tests");
    struct test_identity *device = test_issue(issuer, TEST_DEVICE, "device-i", NULL);
    struct test_identity *stranger = test_issue(other, TEST_DEVICE, "device-o", NULL);
    struct ks_tls *tls = tls_new(client_spec(device, issuer));
    struct ks_tls *stranger_tls = tls_new(client_spec(stranger, other));
    struct ks_tls *root_tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_tls_spec spec = server_spec();
    struct site site = listen_as(spec);
    struct ks_buf list;

    (void)state;
    ks_buf_init(&list, KS_CRL_PEM_MAX);
    assert_answer(&site, tls, "refused");
    assert_answer(&site, root_tls, "peer:device-1");

    spec.issuer_pem = test_root_pem(issuer);
    assert_int_equal(ks_tls_reload(site.tls, &spec), KS_OK);
    assert_answer(&site, tls, "peer:device-i");
    assert_answer(&site, stranger_tls, "refused");
    assert_answer(&site, root_tls, "peer:device-1");

    test_revoke(issuer, device, &list);
    spec.issuer_crl_pem = ks_buf_view(&list);
    assert_int_equal(ks_tls_reload(site.tls, &spec), KS_OK);
    assert_answer(&site, tls, "refused");

    ks_buf_clear(&list);
    test_revoke_cert(authority, test_root_cert(issuer), &list);
    spec.issuer_crl_pem = (struct ks_bytes){0};
    spec.crl_pem = ks_buf_view(&list);
    assert_int_equal(ks_tls_reload(site.tls, &spec), KS_OK);
    assert_answer(&site, tls, "refused");
    assert_answer(&site, root_tls, "peer:device-1");

    ks_buf_done(&list);
    stop(&site);
    ks_tls_free(tls);
    ks_tls_free(stranger_tls);
    ks_tls_free(root_tls);
    test_identity_free(device);
    test_identity_free(stranger);
    test_authority_free(issuer);
    test_authority_free(other);
}

static void the_leaf_goes_alone(void **state)
{
    struct test_authority *issuer = test_issuer_new(authority, "site of tests");
    struct test_identity *device = test_issue(issuer, TEST_DEVICE, "device-i", NULL);
    struct ks_tls *tls = tls_new(client_spec(device, issuer));
    struct ks_tls_spec spec = server_spec();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;
    struct site site;
    int fd = -1;

    (void)state;
    spec.issuer_pem = test_root_pem(issuer);
    site = listen_as(spec);
    assert_int_equal(ks_tls_configure(tls, context), KS_OK);
    ssl = SSL_new(context);
    fd = connect_to(&site);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_true(BIO_number_written(SSL_get_wbio(ssl)) < LEAF_ALONE_MAX);
    SSL_free(ssl);
    SSL_CTX_free(context);
    ks_fd_close(&fd);
    stop(&site);
    ks_tls_free(tls);
    test_identity_free(device);
    test_authority_free(issuer);
}

/* --- operators ---------------------------------------------------------------------------- */

static void operators_come_in_where_they_may(void **state)
{
    static const struct {
        unsigned roles;
        const char *device;
        const char *operator;
    } cases[] = {
        {0, "peer:device-1", "refused"},
        {KS_TLS_PEER_DEVICE, "peer:device-1", "refused"},
        {KS_TLS_PEER_OPERATOR, "refused", "peer:op-1"},
        {KS_TLS_PEER_DEVICE | KS_TLS_PEER_OPERATOR, "peer:device-1", "peer:op-1"},
    };
    struct test_identity *operator= test_issue(authority, TEST_OPERATOR, "op-1", NULL);
    struct ks_tls *operator_tls = tls_new(client_spec(operator, NULL));
    struct ks_tls *device_tls = tls_of(KS_TLS_CLIENT, device_identity);
    const struct raw_spec server_as_client = {.identity = site_identity};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_tls_spec spec = server_spec();
        struct site site;
        struct raw raw;
        spec.peer_roles = cases[i].roles;
        site = listen_as(spec);
        assert_answer(&site, device_tls, cases[i].device);
        assert_answer(&site, operator_tls, cases[i].operator);
        (void)raw_open(&site, &server_as_client, &raw);
        raw_close(&raw);
        assert_int_equal(ks_http_server_counters(site.server).handshakes,
                         cases[i].roles == (KS_TLS_PEER_DEVICE | KS_TLS_PEER_OPERATOR) ? 2 : 1);
        stop(&site);
    }
    ks_tls_free(operator_tls);
    ks_tls_free(device_tls);
    test_identity_free(operator);
}

/* --- enrolment ---------------------------------------------------------------------------- */

/* One exchange on a connection of IDENTITY that offers SESSION, which is freed. The answer must
 * be WANTED ("refused": none, or another status than 200). Returns the session that came. */
static SSL_SESSION *raw_exchange(const struct site *site, const struct test_identity *identity,
                                 SSL_SESSION *session, bool resumed, const char *wanted)
{
    const struct raw_spec spec = {.identity = identity, .session = session};
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    SSL_SESSION *next = NULL;
    size_t head_len = 0;

    ks_buf_init(&in, 65536);
    ks_buf_init(&out, 65536);
    if (raw_open(site, &spec, &raw)) {
        assert_int_equal(SSL_session_reused(raw.ssl), (int)resumed);
        raw_send(&raw, KS_LITERAL("GET / HTTP/1.1\r\n" HOST_HEAD "\r\n"));
        head_len = raw_receive(&raw, &in, &out);
    }
    if (strcmp(wanted, "refused") == 0) {
        assert_true(head_len == 0 || status_of(&out) != 200);
    } else {
        assert_true(head_len > 0 && status_of(&out) == 200);
        assert_true(ks_bytes_is(ks_bytes_of(out.data + head_len, out.len - head_len), wanted));
        next = SSL_get1_session(raw.ssl);
    }
    raw_close(&raw);
    SSL_SESSION_free(session);
    ks_buf_done(&in);
    ks_buf_done(&out);
    return next;
}

static void who_enrols_has_no_certificate(void **state)
{
    struct ks_tls_spec spec = server_spec();
    struct ks_tls *tls = tls_new(client_spec(NULL, NULL));
    struct ks_tls *device_tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct site mutual = listen_as(spec);
    struct site enrolment;

    (void)state;
    spec.mode = KS_TLS_ENROLMENT;
    enrolment = listen_as(spec);
    assert_int_equal(ks_tls_mode(enrolment.tls), KS_TLS_ENROLMENT);
    assert_answer(&enrolment, tls, "nobody");
    assert_answer(&enrolment, device_tls, "nobody"); /* it is not asked */
    assert_answer(&mutual, tls, "refused");
    assert_answer(&mutual, device_tls, "peer:device-1");
    assert_int_equal(ks_http_server_counters(enrolment.server).handshakes, 2);
    stop(&mutual);
    stop(&enrolment);
    ks_tls_free(tls);
    ks_tls_free(device_tls);
}

/* Each session is resumed where it came from, once, and nowhere else. */
static void no_session_changes_its_mode(void **state)
{
    struct ks_tls_spec spec = server_spec();
    struct site mutual = listen_as(spec);
    struct site enrolment;
    SSL_SESSION *session = NULL;

    (void)state;
    spec.mode = KS_TLS_ENROLMENT;
    enrolment = listen_as(spec);
    session = raw_exchange(&enrolment, NULL, NULL, false, "nobody");
    session = raw_exchange(&enrolment, NULL, session, true, "nobody");
    session = raw_exchange(&mutual, device_identity, session, false, "peer:device-1");
    session = raw_exchange(&mutual, device_identity, session, true, "peer:device-1");
    session = raw_exchange(&enrolment, device_identity, session, false, "nobody");
    session = raw_exchange(&mutual, NULL, session, false, "refused");
    assert_null(session);
    assert_int_equal(ks_http_server_counters(mutual.server).resumed, 1);
    assert_int_equal(ks_http_server_counters(enrolment.server).resumed, 1);
    stop(&mutual);
    stop(&enrolment);
}

/* --- what is refused at the start --------------------------------------------------------- */

static void assert_not_new(struct ks_tls_spec spec, enum ks_err wanted)
{
    struct ks_tls *tls = NULL;

    assert_int_equal(ks_tls_new(&spec, &tls), wanted);
    assert_null(tls);
}

static void bad_specifications(void **state)
{
    struct test_authority *foreign_root = test_authority_new("foreign");
    struct test_authority *foreign = test_issuer_new(foreign_root, "site of tests");
    struct ks_tls *tls = tls_new(server_spec());
    struct ks_http_server *server = NULL;
    struct ks_http_server_spec http = {.address = "127.0.0.1",
                                       .loops = 1,
                                       .tls = tls,
                                       .peers_unknown = true,
                                       .handler = answer_peer};
    struct ks_tls_spec spec = server_spec();
    struct ks_buf list;

    (void)state;
    ks_buf_init(&list, KS_CRL_PEM_MAX);
    test_revoke_cert(foreign, test_root_cert(foreign), &list);
    spec.issuer_pem = test_root_pem(foreign);
    assert_not_new(spec, KS_ERR_VERIFY);
    assert_int_equal(ks_tls_reload(tls, &spec), KS_ERR_VERIFY);
    spec.issuer_pem = KS_LITERAL("no PEM");
    assert_not_new(spec, KS_ERR_FORMAT);
    spec = server_spec();
    spec.issuer_crl_pem = ks_buf_view(&list);
    assert_not_new(spec, KS_ERR_USAGE);
    spec = server_spec();
    spec.crl_pem = ks_buf_view(&list);
    assert_not_new(spec, KS_ERR_VERIFY);
    spec = server_spec();
    spec.peer_roles = 4;
    assert_not_new(spec, KS_ERR_USAGE);
    spec.peer_roles = KS_TLS_PEER_DEVICE;
    spec.mode = KS_TLS_ENROLMENT;
    assert_not_new(spec, KS_ERR_USAGE);
    spec.peer_roles = 0;
    assert_int_equal(ks_tls_reload(tls, &spec), KS_ERR_USAGE); /* of another mode */
    spec.cert_pem = (struct ks_bytes){0};
    assert_not_new(spec, KS_ERR_FORMAT); /* a server always has one */
    spec = client_spec(device_identity, NULL);
    spec.peer_roles = KS_TLS_PEER_DEVICE;
    assert_not_new(spec, KS_ERR_USAGE);
    spec.peer_roles = 0;
    spec.mode = KS_TLS_ENROLMENT;
    assert_not_new(spec, KS_ERR_USAGE);
    assert_int_equal(ks_http_server_open(&http, &server), KS_ERR_USAGE);
    ks_tls_free(tls);
    spec = server_spec();
    spec.mode = KS_TLS_ENROLMENT;
    tls = tls_new(spec);
    http.tls = tls;
    http.peers_unknown = false;
    assert_int_equal(ks_http_server_open(&http, &server), KS_ERR_USAGE);
    assert_null(server);
    ks_tls_free(tls);
    ks_buf_done(&list);
    test_authority_free(foreign);
    test_authority_free(foreign_root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_issuer_appears_and_is_revoked),
        cmocka_unit_test(the_leaf_goes_alone),
        cmocka_unit_test(operators_come_in_where_they_may),
        cmocka_unit_test(who_enrols_has_no_certificate),
        cmocka_unit_test(no_session_changes_its_mode),
        cmocka_unit_test(bad_specifications),
    };
    return cmocka_run_group_tests_name("http_issuer", tests, http_set_up, http_tear_down);
}
