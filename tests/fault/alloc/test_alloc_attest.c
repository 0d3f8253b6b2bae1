/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Attestation with each of our own allocations failing once: an error, never a verdict. */
#include "unit/expect.h"

#include "attest/credential.h"
#include "attest/ima.h"
#include "attest/tcglog.h"
#include "base/text.h"
#include "fault/alloc/fail_each.h"
#include "platform.h"
#include "unit/vector_files.h"

static struct platform platform;
static struct ks_buf reference_text;
static struct ks_buf ek_der;
static struct ks_buf root_pem;
static struct ks_buf ek_public;

static int set_up(void **state)
{
    (void)state;
    platform_init(&platform);
    ks_buf_init(&reference_text, KS_REFERENCE_MAX);
    ks_reference_write(platform.reference, &reference_text);
    vector_read("endorsement", "certs/ek-root.der", &ek_der);
    vector_read("endorsement", "certs/root.pem", &root_pem);
    vector_read("../fuzz/corpus/ek_public", "rsa", &ek_public);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    platform_done(&platform);
    ks_buf_done(&reference_text);
    ks_buf_done(&ek_der);
    ks_buf_done(&root_pem);
    ks_buf_done(&ek_public);
    return 0;
}

static enum ks_err task_appraise(void)
{
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    const struct ks_appraise_spec spec = {
        .extra_data = KS_LITERAL(PLATFORM_NONCE),
        .reference = platform.reference,
    };
    struct ks_appraisal appraisal;
    const enum ks_err err = ks_appraise(&evidence, &spec, &appraisal);

    assert_int_equal(appraisal.passed, err == KS_OK);
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        /* Running out of memory is no finding about the platform. */
        assert_int_not_equal(appraisal.checks[i].state, KS_APPRAISAL_FAIL);
    }
    return err;
}

static enum ks_err task_eat(void)
{
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    const struct ks_appraise_spec spec = {
        .extra_data = KS_LITERAL(PLATFORM_NONCE),
        .reference = platform.reference,
    };
    const struct ks_eat_subject subject = {
        .ueid_seed = KS_LITERAL("abc"),
        .nonce = KS_LITERAL(PLATFORM_NONCE),
        .model = "swtpm",
        .reference = "lab",
    };
    struct ks_appraisal appraisal;
    struct ks_buf out;
    enum ks_err err = ks_appraise(&evidence, &spec, &appraisal);

    ks_buf_init(&out, 65536);
    if (err == KS_OK) {
        ks_appraisal_write_eat(&appraisal, &subject, &out);
        err = ks_buf_check(&out);
    }
    ks_buf_done(&out);
    return err;
}

static enum ks_err task_reference(void)
{
    struct ks_reference *reference = NULL;
    const enum ks_err err = ks_reference_parse(ks_buf_view(&reference_text), &reference);

    assert_int_equal(err == KS_OK, reference != NULL);
    ks_reference_free(reference);
    return err;
}

static enum ks_err task_logs(void)
{
    struct ks_tcg_log tcg = {0};
    struct ks_ima_log ima = {0};
    enum ks_err err = ks_tcg_log_parse(ks_buf_view(&platform.tcg_log), &tcg);

    if (err == KS_OK) {
        err = ks_ima_log_parse(ks_buf_view(&platform.ima_log), &ima);
    }
    ks_tcg_log_done(&tcg);
    ks_ima_log_done(&ima);
    return err;
}

static enum ks_err task_certificates(void)
{
    enum ks_err err = KS_OK;
    struct ks_ek_cert *cert = NULL;
    struct ks_ek_certs roots = {0};

    KS_TRY(ks_ek_cert_parse_der(ks_buf_view(&ek_der), &cert));
    KS_TRY(ks_ek_certs_add_pem(&roots, ks_buf_view(&root_pem)));
    KS_TRY(ks_ek_cert_verify(cert, NULL, &roots, 1798000000, NULL));
out:
    assert_true(err == KS_OK || roots.count == 0);
    ks_ek_certs_done(&roots);
    ks_ek_cert_free(cert);
    return err;
}

static enum ks_err task_credential(void)
{
    enum ks_err err = KS_OK;
    static const uint8_t random[KS_CREDENTIAL_RANDOM_LEN] = {1};
    struct ks_ek_public ek;
    struct ks_buf id_object;
    struct ks_buf encrypted;
    const struct ks_credential_spec spec = {
        .ak_name = KS_BYTES(platform.ak.name),
        .secret = KS_LITERAL("secret"),
        .random = KS_BYTES(random),
    };

    ks_buf_init(&id_object, KS_CREDENTIAL_ID_OBJECT_MAX);
    ks_buf_init(&encrypted, KS_CREDENTIAL_SECRET_BLOB_MAX);
    KS_TRY(ks_ek_public_parse(ks_buf_view(&ek_public), &ek));
    KS_TRY(ks_credential_make(&ek, &spec, &id_object, &encrypted));
out:
    assert_true(err == KS_OK || (id_object.len == 0 && encrypted.len == 0));
    ks_buf_done(&id_object);
    ks_buf_done(&encrypted);
    return err;
}

static void test_appraise(void **state)
{
    (void)state;
    fail_each(task_appraise, 5, "memory");
    fail_each(task_eat, 8, "memory");
}

static void test_parsers(void **state)
{
    (void)state;
    fail_each(task_reference, 8, "memory");
    fail_each(task_logs, 2, "memory");
    fail_each(task_certificates, 4, "memory");
    fail_each(task_credential, 4, "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appraise),
        cmocka_unit_test(test_parsers),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
