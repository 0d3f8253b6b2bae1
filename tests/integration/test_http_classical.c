/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The classical profile is asked for, or not there: a server opens on it only knowingly, what
 * is post-quantum stays so beside it, and ks_tls_peer takes nobody on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "http_site.h"

static struct test_identity *classical_identity; /* P-256, of the same root */

/* "NAME" of a peer without a certificate of ours; "cert" of one with it. */
static void answer_name(void *context, struct ks_http_request *request)
{
    (void)context;
    answer_bytes(request, ks_http_request_peer(request) != NULL
                              ? KS_LITERAL("cert")
                              : ks_bytes_text(ks_http_request_peer_name(request)));
}

static struct ks_tls_spec spec_of(enum ks_tls_side side, enum ks_tls_profile profile,
                                  const struct test_identity *identity)
{
    return (struct ks_tls_spec){.side = side,
                                .profile = profile,
                                .root_pem = test_root_pem(authority),
                                .cert_pem = test_cert_pem(identity),
                                .key_pem = test_key_pem(identity)};
}

static enum ks_err open_server(struct ks_tls *tls, bool classical, struct site *site)
{
    const struct ks_http_server_spec spec = {.address = "127.0.0.1",
                                             .loops = 1,
                                             .tls = tls,
                                             .classical = classical,
                                             .handler = answer_name};

    *site = (struct site){.tls = tls};
    return ks_http_server_open(&spec, &site->server);
}

static void test_only_by_name(void **state)
{
    (void)state;
    struct ks_tls_spec spec = spec_of(KS_TLS_SERVER, KS_TLS_POST_QUANTUM, site_identity);
    struct ks_tls *tls = NULL;
    struct site site;

    spec.groups = "X25519";
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.groups = "X25519MLKEM768:secp256r1";
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.groups = NULL;
    spec.sigalgs = "mldsa65:ecdsa_secp256r1_sha256";
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.sigalgs = NULL;
    assert_int_equal(ks_tls_new(&spec, &tls), KS_OK);
    assert_int_equal(ks_tls_profile(tls), KS_TLS_POST_QUANTUM);
    assert_int_equal(open_server(tls, true, &site), KS_ERR_USAGE);
    spec.profile = KS_TLS_CLASSICAL;
    assert_int_equal(ks_tls_reload(tls, &spec), KS_ERR_USAGE);
    ks_tls_free(tls);
    assert_int_equal(ks_tls_new(&spec, &tls), KS_OK);
    assert_int_equal(open_server(tls, false, &site), KS_ERR_USAGE);
    ks_tls_free(tls);
    /* What the profile has not. */
    spec.mode = KS_TLS_ENROLMENT;
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.mode = KS_TLS_MUTUAL;
    spec.peer_roles = KS_TLS_PEER_OPERATOR;
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.peer_roles = 0;
    spec.issuer_pem = test_root_pem(authority);
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    spec.issuer_pem = (struct ks_bytes){0};
    spec.root_pem = KS_LITERAL("no PEM");
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_FORMAT);
    spec.root_pem = test_root_pem(authority);
    spec.key_pem = test_key_pem(device_identity);
    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_VERIFY);
}

/* What a client gets of "GET /": its answer's body, or the error. */
static enum ks_err ask(const struct site *site, struct ks_tls_spec spec, char text[64])
{
    enum ks_err err = KS_OK;
    struct ks_tls *tls = NULL;
    struct ks_http_client *client = NULL;
    struct ks_http_answer answer = {0};
    const struct ks_http_call call = {.method = "GET", .target = "/"};

    text[0] = '\0';
    KS_TRY(ks_tls_new(&spec, &tls));
    client = client_of(site, tls, (struct ks_http_client_spec){0});
    KS_TRY(ks_http_client_call(client, &call, &answer));
    (void)snprintf(text, 64, "%.*s", (int)answer.body.len, (const char *)answer.body.data);
out:
    ks_http_answer_done(&answer);
    ks_http_client_free(client);
    ks_tls_free(tls);
    return err;
}

static void test_who_comes_in(void **state)
{
    (void)state;
    const struct ks_tls_spec classical_server =
        spec_of(KS_TLS_SERVER, KS_TLS_CLASSICAL, site_identity);
    const struct ks_tls_spec server =
        spec_of(KS_TLS_SERVER, KS_TLS_POST_QUANTUM, site_identity);
    const struct ks_tls_spec classical =
        spec_of(KS_TLS_CLIENT, KS_TLS_CLASSICAL, classical_identity);
    const struct ks_tls_spec device =
        spec_of(KS_TLS_CLIENT, KS_TLS_POST_QUANTUM, device_identity);
    const struct ks_tls_spec devices_classical =
        spec_of(KS_TLS_CLIENT, KS_TLS_CLASSICAL, device_identity);
    struct ks_tls *tls = NULL;
    struct site site;
    char text[64];

    assert_int_equal(ks_tls_new(&classical_server, &tls), KS_OK);
    assert_int_equal(open_server(tls, true, &site), KS_OK);
    assert_int_equal(ks_http_server_start(site.server), KS_OK);
    assert_int_equal(ask(&site, classical, text), KS_OK);
    assert_string_equal(text, "sae-classical");
    assert_int_equal(ask(&site, device, text), KS_OK); /* the profile takes more, not less */
    assert_true(text[0] != '\0' && strcmp(text, "cert") != 0);
    assert_int_equal(ks_http_server_stop(site.server, 1000), KS_OK);
    ks_http_server_free(site.server);
    ks_tls_free(tls);

    assert_int_equal(ks_tls_new(&server, &tls), KS_OK);
    assert_int_equal(open_server(tls, false, &site), KS_OK);
    assert_int_equal(ks_http_server_start(site.server), KS_OK);
    assert_int_equal(ask(&site, device, text), KS_OK);
    assert_string_equal(text, "cert");
    /* A client of the profile with a good certificate negotiates what is post-quantum. */
    assert_int_equal(ask(&site, devices_classical, text), KS_OK);
    assert_string_equal(text, "cert");
    assert_true(ask(&site, classical, text) != KS_OK || strstr(text, "DENIED") != NULL);
    assert_int_equal(ks_http_server_stop(site.server, 1000), KS_OK);
    ks_http_server_free(site.server);
    ks_tls_free(tls);
}

/* ks_tls_peer on the profile, and the profile's call on another: always no. */
static void test_no_mixing(void **state)
{
    (void)state;
    struct ks_tls_spec spec = spec_of(KS_TLS_SERVER, KS_TLS_CLASSICAL, site_identity);
    struct ks_tls *classical = NULL;
    struct ks_tls *other = NULL;
    struct ks_cert *peer = NULL;
    char name[KS_CERT_SUBJECT_MAX + 1];
    SSL *ssl = NULL;

    assert_int_equal(ks_tls_new(&spec, &classical), KS_OK);
    spec.profile = KS_TLS_POST_QUANTUM;
    assert_int_equal(ks_tls_new(&spec, &other), KS_OK);
    assert_int_equal(ks_tls_accept_new(classical, &ssl), KS_OK);
    assert_int_equal(ks_tls_peer(classical, ssl, NOW_S, &peer), KS_ERR_VERIFY);
    assert_non_null(strstr(ks_err_detail(), "classical profile"));
    assert_int_equal(ks_tls_classical_peer(other, ssl, NULL, name), KS_ERR_VERIFY);
    assert_non_null(strstr(ks_err_detail(), "classical profile"));
    SSL_free(ssl);
    ks_tls_free(classical);
    ks_tls_free(other);
}

static int set_up(void **state)
{
    const int result = http_set_up(state);

    if (result == 0) {
        classical_identity =
            test_issue(authority, TEST_CLASSICAL_DEVICE, "sae-classical", NULL);
    }
    return result;
}

static int tear_down(void **state)
{
    test_identity_free(classical_identity);
    return http_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_by_name),
        cmocka_unit_test(test_who_comes_in),
        cmocka_unit_test(test_no_mixing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
