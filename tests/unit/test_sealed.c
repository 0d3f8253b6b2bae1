/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Blobs, authorisations and policy digests against vectors that python and openssl made. That a
 * TPM computes the same digests, tests/integration/test_seal.c shows. */
#include "vector_files.h"

#include <stdio.h>

#include "attest/sealed.h"
#include "crypto/digest.h"

#define PURPOSE KS_LITERAL("ketseal/test")

/* What the vectors are for: PCR 14 after one extension. */
static void next_state(uint8_t values[1][KS_PCR_DIGEST_LEN], struct ks_pcr_state *out)
{
    const uint8_t extended[2 * KS_PCR_DIGEST_LEN] = {[KS_PCR_DIGEST_LEN] = 0x0e};

    ks_sha256(KS_BYTES(extended), values[0]);
    *out = (struct ks_pcr_state){1u << 14, (const uint8_t(*)[KS_PCR_DIGEST_LEN])values};
}

static void read_authority(struct ks_sealed_authority *out)
{
    struct ks_buf spki;

    vector_read("sealed", "authority.der", &spki);
    assert_int_equal(ks_sealed_authority_parse(ks_buf_view(&spki), PURPOSE, out), KS_OK);
    ks_buf_done(&spki);
}

static void accept_blob(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_sealed_view view;
    struct ks_buf again;

    (void)context;
    ks_buf_init(&again, KS_SEALED_MAX);
    if (ks_sealed_parse(bytes, &view) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
    assert_int_equal(view.private_area.len, 200);
    assert_int_equal(ks_sealed_encode(&view, &again), KS_OK);
    assert_true(ks_bytes_equal(bytes, ks_buf_view(&again)));
    ks_buf_done(&again);
}

static void reject_blob(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_sealed_view view = {.pcr_mask = 77};
    const enum ks_err err = ks_sealed_parse(bytes, &view);

    (void)context;
    if (err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
        fail_msg("%s: %s", name, ks_err_name(err));
    }
    assert_int_equal(view.pcr_mask, 77);
}

static void test_blobs(void **state)
{
    (void)state;
    vector_each("sealed/blob/accept", 4, NULL, accept_blob);
    vector_each("sealed/blob/reject", 19, NULL, reject_blob);
}

static void accept_authorisation(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_authorisation_view view;

    if (ks_authorisation_parse(bytes, &view) != KS_OK ||
        ks_authorisation_check(&view, context) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
}

static void reject_authorisation(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_authorisation_view view;
    const enum ks_err err = ks_authorisation_parse(bytes, &view);

    (void)context;
    if (err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
        fail_msg("%s: %s", name, ks_err_name(err));
    }
}

static void test_authorisations(void **state)
{
    struct ks_sealed_authority authority;

    (void)state;
    read_authority(&authority);
    vector_each("sealed/authorisation/accept", 1, &authority, accept_authorisation);
    vector_each("sealed/authorisation/reject", 7, NULL, reject_authorisation);
}

/* The operator's side gives the very bytes of the vectors. */
static void test_authorise(void **state)
{
    uint8_t values[1][KS_PCR_DIGEST_LEN];
    uint8_t message[KS_AUTHORISATION_MESSAGE_LEN];
    struct ks_pcr_state pcrs;
    struct ks_sealed_authority authority;
    struct ks_buf want_message;
    struct ks_buf signature;
    struct ks_buf want;
    struct ks_buf made;

    (void)state;
    next_state(values, &pcrs);
    read_authority(&authority);
    vector_read("sealed", "message.bin", &want_message);
    vector_read("sealed", "signature.der", &signature);
    vector_read("sealed", "authorisation/accept/one", &want);
    ks_buf_init(&made, KS_AUTHORISATION_MAX);
    ks_authorisation_message(&pcrs, PURPOSE, message);
    assert_true(ks_bytes_equal(KS_BYTES(message), ks_buf_view(&want_message)));
    assert_int_equal(ks_authorisation_make(&pcrs, &authority, ks_buf_view(&signature), &made),
                     KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&made), ks_buf_view(&want)));

    /* Every byte of the signature counts, and so does its length. */
    for (size_t at = 0; at < signature.len; at++) {
        ks_buf_clear(&made);
        signature.data[at] ^= 1;
        enum ks_err err =
            ks_authorisation_make(&pcrs, &authority, ks_buf_view(&signature), &made);
        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_VERIFY);
        assert_int_equal(made.len, 0);
        assert_int_equal(
            ks_authorisation_make(&pcrs, &authority, ks_bytes_of(signature.data, at), &made),
            KS_ERR_FORMAT);
        signature.data[at] ^= 1;
    }
    values[0][0] ^= 1;
    assert_int_equal(ks_authorisation_make(&pcrs, &authority, ks_buf_view(&signature), &made),
                     KS_ERR_VERIFY);
    ks_buf_done(&want_message);
    ks_buf_done(&signature);
    ks_buf_done(&want);
    ks_buf_done(&made);
}

/* X.690 §8.3 and RFC 3279: one encoding of each signature. */
static void test_der_numbers(void **state)
{
    static const struct {
        const char *what;
        uint8_t len;
        uint8_t der[12];
        enum ks_err want;
    } table[] = {
        {"small", 8, {0x30, 6, 2, 1, 1, 2, 1, 1}, KS_ERR_VERIFY}, /* well formed, and false */
        {"zero", 8, {0x30, 6, 2, 1, 0, 2, 1, 1}, KS_ERR_VERIFY},
        {"negative", 8, {0x30, 6, 2, 1, 0x80, 2, 1, 1}, KS_ERR_FORMAT},
        {"needless zero", 9, {0x30, 7, 2, 2, 0, 1, 2, 1, 1}, KS_ERR_FORMAT},
        {"needed zero", 9, {0x30, 7, 2, 2, 0, 0x80, 2, 1, 1}, KS_ERR_VERIFY},
        {"no number", 7, {0x30, 5, 2, 0, 2, 1, 1}, KS_ERR_FORMAT},
        {"three numbers", 11, {0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}, KS_ERR_FORMAT},
        {"long length", 9, {0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}, KS_ERR_FORMAT},
        {"trailing", 9, {0x30, 6, 2, 1, 1, 2, 1, 1, 0}, KS_ERR_FORMAT},
        {"a set", 8, {0x31, 6, 2, 1, 1, 2, 1, 1}, KS_ERR_FORMAT},
    };
    uint8_t values[1][KS_PCR_DIGEST_LEN];
    struct ks_pcr_state pcrs;
    struct ks_sealed_authority authority;
    struct ks_buf made;

    (void)state;
    next_state(values, &pcrs);
    read_authority(&authority);
    ks_buf_init(&made, KS_AUTHORISATION_MAX);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum ks_err err = ks_authorisation_make(&pcrs, &authority,
                                                ks_bytes_of(table[i].der, table[i].len), &made);
        if (err != table[i].want) {
            fail_msg("%s: %s (%s)", table[i].what, ks_err_name(err), ks_err_detail());
        }
    }
    ks_buf_done(&made);
}

static void test_authority_keys(void **state)
{
    struct ks_sealed_authority authority;
    struct ks_buf spki;
    uint8_t long_purpose[KS_SEALED_PURPOSE_MAX + 1];

    (void)state;
    memset(long_purpose, 'a', sizeof long_purpose);
    vector_read("sealed", "authority.der", &spki);
    for (size_t at = 0; at < spki.len; at++) { /* the head, and then points off the curve */
        spki.data[at] ^= 1;
        assert_int_equal(ks_sealed_authority_parse(ks_buf_view(&spki), PURPOSE, &authority),
                         KS_ERR_FORMAT);
        spki.data[at] ^= 1;
        assert_int_equal(
            ks_sealed_authority_parse(ks_bytes_of(spki.data, at), PURPOSE, &authority),
            KS_ERR_FORMAT);
    }
    assert_int_equal(
        ks_sealed_authority_parse(ks_buf_view(&spki), KS_BYTES(long_purpose), &authority),
        KS_ERR_FORMAT);
    assert_int_equal(ks_sealed_authority_parse(ks_buf_view(&spki), KS_LITERAL(""), &authority),
                     KS_ERR_FORMAT);
    ks_buf_put_u8(&spki, 0);
    assert_int_equal(ks_sealed_authority_parse(ks_buf_view(&spki), PURPOSE, &authority),
                     KS_ERR_FORMAT);
    ks_buf_done(&spki);
}

static void test_differences(void **state)
{
    static const uint8_t sealed[KS_PCR_COUNT][KS_PCR_DIGEST_LEN] = {{0}};
    uint8_t current[KS_PCR_COUNT][KS_PCR_DIGEST_LEN] = {{0}};
    struct ks_pcr_state left = {1u << 2 | 1u << 9 | 1u << 23, sealed};
    struct ks_pcr_state right = {left.mask, (const uint8_t(*)[KS_PCR_DIGEST_LEN])current};
    char text[KS_PCR_LIST_MAX];

    (void)state;
    ks_pcr_differences(&left, &right, text);
    assert_string_equal(text, "");
    current[1][31] = 1;
    ks_pcr_differences(&left, &right, text);
    assert_string_equal(text, "PCR 9");
    current[2][0] = 1;
    ks_pcr_differences(&left, &right, text);
    assert_string_equal(text, "PCR 9, 23");
    left.mask = right.mask = 0xffffff;
    memset(current, 1, sizeof current);
    ks_pcr_differences(&left, &right, text);
    assert_string_equal(text, "PCR 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, "
                              "17, 18, 19, 20, 21, 22, 23");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blobs),          cmocka_unit_test(test_authorisations),
        cmocka_unit_test(test_authorise),      cmocka_unit_test(test_der_numbers),
        cmocka_unit_test(test_authority_keys), cmocka_unit_test(test_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
