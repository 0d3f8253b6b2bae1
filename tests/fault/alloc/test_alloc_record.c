/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The documents of an enrolment and of a certification, read and written without memory at any
 * point: said so, nothing half-made handed out, nothing leaked (the sanitizer build looks). */
#include "fault/alloc/fail_each.h"

#include "enrol_fixture.h"
#include "record/certify.h"

static struct enrol_fixture fixture;
static struct ks_buf site_text; /* certified */
static struct ks_buf request_text;

static void make_site(void)
{
    static struct ks_site site;
    const struct ks_bytes der = ks_cert_der(fixture.root);
    const struct ks_site_certificate said = {
        .issued_us = ENROL_NOW_US, .expires_us = ENROL_NOW_US + 1, .simulated_tpm = true};

    site = fixture.site;
    ks_copy(site.issuer, der.data, der.len);
    site.issuer_len = der.len;
    assert_int_equal(ks_site_certify(&site, &said, fixture.root_key), KS_OK);
    ks_buf_init(&site_text, KS_SITE_BYTES_MAX);
    ks_site_write(&site, &site_text);
    assert_int_equal(ks_buf_check(&site_text), KS_OK);
}

static void make_request(void)
{
    struct ks_site_request request;

    ks_site_request_init(&request);
    ks_buf_put_text(&request.ek, "an endorsement key");
    ks_buf_put_text(&request.ek_certificate, "its certificate");
    ks_buf_put_text(&request.attest, "a quote");
    ks_buf_put_text(&request.signature, "and its signature");
    ks_buf_put(&request.site, ks_buf_view(&fixture.site_document));
    ks_buf_init(&request_text, KS_SITE_REQUEST_BYTES_MAX);
    ks_site_request_write(&request, &request_text);
    assert_int_equal(ks_buf_check(&request_text), KS_OK);
    ks_site_request_done(&request);
}

static int set_up(void **state)
{
    (void)state;
    enrol_fixture_make(&fixture);
    make_site();
    make_request();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    enrol_fixture_free(&fixture);
    ks_buf_done(&site_text);
    ks_buf_done(&request_text);
    return 0;
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err task_token_read(void)
{
    struct ks_token token = {0};
    const enum ks_err err = ks_token_read(ks_buf_view(&fixture.token_text), &token);

    assert_int_equal(err == KS_OK, token.doc != NULL);
    ks_token_done(&token);
    return err;
}

static enum ks_err task_enrol_read(void)
{
    struct ks_enrol enrol = {0};
    const enum ks_err err = ks_enrol_read(ks_buf_view(&fixture.enrol), &enrol);

    assert_int_equal(err == KS_OK, enrol.doc != NULL);
    ks_enrol_done(&enrol);
    return err;
}

static enum ks_err task_challenge_read(void)
{
    struct ks_challenge challenge = {0};
    const enum ks_err err = ks_challenge_read(ks_buf_view(&fixture.challenge), &challenge);

    assert_int_equal(err == KS_OK, challenge.id_object.len > 0);
    ks_challenge_done(&challenge);
    return err;
}

static enum ks_err task_finish_read(void)
{
    struct ks_finish finish = {0};
    const enum ks_err err = ks_finish_read(ks_buf_view(&fixture.finish), &finish);

    assert_int_equal(err == KS_OK, finish.doc != NULL);
    ks_finish_done(&finish);
    return err;
}

static enum ks_err task_order_read(void)
{
    struct ks_order order = {0};
    const enum ks_err err =
        ks_order_read(ks_buf_view(&fixture.order), fixture.operator_public, &order);

    assert_int_equal(err == KS_OK, order.doc != NULL);
    ks_order_done(&order);
    return err;
}

static enum ks_err task_site_read(void)
{
    static struct ks_site site;
    enum ks_err err = KS_OK;

    KS_TRY(ks_site_read(ks_buf_view(&site_text), &site));
    KS_TRY(ks_site_check_certificate(&site, fixture.root, ENROL_NOW_US));
out:
    return err;
}

static enum ks_err task_request_read(void)
{
    struct ks_site_request request = {0};
    const enum ks_err err = ks_site_request_read(ks_buf_view(&request_text), &request);

    assert_int_equal(err == KS_OK, request.site.len > 0);
    ks_site_request_done(&request);
    return err;
}

static void test_reading(void **state)
{
    (void)state;
    fail_each(task_token_read, 20, "token");
    fail_each(task_enrol_read, 20, "enrolment");
    fail_each(task_challenge_read, 5, "challenge");
    fail_each(task_finish_read, 10, "enrolment");
    fail_each(task_order_read, 5, "order");
    fail_each(task_site_read, 10, "");
    fail_each(task_request_read, 10, "site request");
}

/* --- writing ------------------------------------------------------------------------------ */

static enum ks_err task_token_make(void)
{
    const struct ks_token_spec spec = enrol_fixture_token(&fixture);
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_TOKEN_BYTES_MAX);
    err = ks_token_make(&spec, &out);
    ks_buf_done(&out);
    return err;
}

/* The parts are made before the faults begin. */
static struct ks_enrol enrol_parts;
static struct ks_finish finish_parts;

static enum ks_err task_enrol_write(void)
{
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_ENROL_BYTES_MAX);
    err = ks_enrol_write(&enrol_parts, &fixture.token, &out);
    ks_buf_done(&out);
    return err;
}

static enum ks_err task_finish_write(void)
{
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_FINISH_BYTES_MAX);
    err = ks_finish_write(&finish_parts, fixture.device_key, &out);
    ks_buf_done(&out);
    return err;
}

static enum ks_err task_order_write(void)
{
    const struct ks_order order = enrol_fixture_order();
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_ENROL_BYTES_MAX);
    err = ks_order_write(&order, fixture.operator_key, &out);
    ks_buf_done(&out);
    return err;
}

/* A site that could not be certified has the certificate it had. */
static enum ks_err task_site_certify(void)
{
    static struct ks_site site;
    const struct ks_site_certificate said = {.issued_us = 1, .expires_us = 2};
    enum ks_err err = KS_OK;

    site = fixture.site;
    site.issuer_len = 1;
    err = ks_site_certify(&site, &said, fixture.root_key);
    assert_int_equal(err == KS_OK, site.certificate.signature_len > 0);
    return err;
}

static void test_writing(void **state)
{
    (void)state;
    enrol_fixture_enrol(103, &enrol_parts);
    enrol_fixture_finish(&fixture, 103, &finish_parts);
    fail_each(task_token_make, 10, "");
    fail_each(task_enrol_write, 5, "");
    fail_each(task_finish_write, 5, "");
    fail_each(task_order_write, 3, "");
    fail_each(task_site_certify, 3, "");
    ks_enrol_done(&enrol_parts);
    ks_finish_done(&finish_parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
    };

    return cmocka_run_group_tests_name("alloc_record", tests, set_up, tear_down);
}
