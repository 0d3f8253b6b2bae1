/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Reading tokens, asking for them, reading answers. */
#include "crypto/timestamp.h"

#include <openssl/bn.h>
#include <openssl/objects.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/timestamp_parts.h"

#define VERSION_1         1
#define FRACTION_MAX      6 /* digits of a second that are kept; more are refused */
#define REASON_TEXT_MAX   160
#define GENERAL_TIME_LEN  14 /* "YYYYMMDDhhmmss" */
#define ACCURACY_S_MAX    (365 * 86400)
#define ACCURACY_PART_MAX 999 /* RFC 3161 §2.4.2 */

/* --- what a token says -------------------------------------------------------------------- */

/* RFC 3161 §2.4.2: "YYYYMMDDhhmmss[.s...]Z", no zero at the end of a fraction. */
static enum ks_err read_time(const ASN1_GENERALIZEDTIME *time, uint64_t *out_time_us)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {NULL, 0};
    char digits[FRACTION_MAX + 1] = "000000";
    char said[KS_TIME_TEXT_LEN + 1];
    const char *t = NULL;
    size_t fraction = 0;

    KS_CHECK(time != NULL && ASN1_STRING_length(time) > GENERAL_TIME_LEN, KS_ERR_FORMAT,
             "its time is none");
    text = ks_bytes_of(ASN1_STRING_get0_data(time), (size_t)ASN1_STRING_length(time));
    t = (const char *)text.data;
    if (text.len > GENERAL_TIME_LEN + 1) {
        fraction = text.len - GENERAL_TIME_LEN - 2;
        KS_CHECK(t[GENERAL_TIME_LEN] == '.' && fraction >= 1 && fraction <= FRACTION_MAX &&
                     t[text.len - 2] != '0',
                 KS_ERR_FORMAT, "its time has a fraction of another form");
        ks_copy(digits, t + GENERAL_TIME_LEN + 1, fraction);
    }
    KS_CHECK(t[text.len - 1] == 'Z', KS_ERR_FORMAT, "its time is not UTC");
    (void)snprintf(said, sizeof said, "%.4s-%.2s-%.2s%c%.2s:%.2s:%.2s.%sZ", t, t + 4, t + 6,
                   'T', t + 8, t + 10, t + 12, digits);
    KS_TRY(ks_fail_prefix(ks_time_parse(ks_bytes_text(said), out_time_us), "its time"));
out:
    return err;
}

static enum ks_err read_part(const ASN1_INTEGER *integer, uint64_t max, uint64_t *out_value)
{
    *out_value = 0;
    if (integer != NULL &&
        (ASN1_INTEGER_get_uint64(out_value, integer) != 1 || *out_value > max)) {
        ks_libcrypto_forget();
        return ks_fail(KS_ERR_FORMAT, "its accuracy is out of range");
    }
    return KS_OK;
}

static enum ks_err read_accuracy(TS_ACCURACY *accuracy, uint64_t *out_accuracy_us)
{
    enum ks_err err = KS_OK;
    uint64_t seconds = 0;
    uint64_t millis = 0;
    uint64_t micros = 0;

    if (accuracy != NULL) {
        KS_TRY(read_part(TS_ACCURACY_get_seconds(accuracy), ACCURACY_S_MAX, &seconds));
        KS_TRY(read_part(TS_ACCURACY_get_millis(accuracy), ACCURACY_PART_MAX, &millis));
        KS_TRY(read_part(TS_ACCURACY_get_micros(accuracy), ACCURACY_PART_MAX, &micros));
    }
    *out_accuracy_us = seconds * 1000000 + millis * 1000 + micros;
out:
    return err;
}

static enum ks_err read_oid(const ASN1_OBJECT *object, char target[KS_TIMESTAMP_OID_MAX])
{
    int len = object == NULL ? 0 : OBJ_obj2txt(target, KS_TIMESTAMP_OID_MAX, object, 1);

    ks_libcrypto_forget();
    return len > 0 && len < KS_TIMESTAMP_OID_MAX
               ? KS_OK
               : ks_fail(KS_ERR_FORMAT, "its policy is over %d characters",
                         KS_TIMESTAMP_OID_MAX - 1);
}

/* SHA-256, by its one name, of whatever parameters: RFC 5754 §2 lets both forms be. */
static enum ks_err read_imprint(TS_MSG_IMPRINT *imprint, uint8_t digest[KS_SHA256_LEN])
{
    enum ks_err err = KS_OK;
    const ASN1_OCTET_STRING *message = NULL;
    const ASN1_OBJECT *algorithm = NULL;
    int parameter_type = 0;

    X509_ALGOR_get0(&algorithm, &parameter_type, NULL, TS_MSG_IMPRINT_get_algo(imprint));
    KS_CHECK(OBJ_obj2nid(algorithm) == NID_sha256 &&
                 (parameter_type == V_ASN1_UNDEF || parameter_type == V_ASN1_NULL),
             KS_ERR_FORMAT, "its digest is not SHA-256");
    message = TS_MSG_IMPRINT_get_msg(imprint);
    KS_CHECK(ASN1_STRING_length(message) == KS_SHA256_LEN, KS_ERR_FORMAT,
             "its digest has %d bytes", ASN1_STRING_length(message));
    ks_copy(digest, ASN1_STRING_get0_data(message), KS_SHA256_LEN);
out:
    return err;
}

static enum ks_err read_info(TS_TST_INFO *info, struct ks_timestamp *stamp)
{
    enum ks_err err = KS_OK;

    KS_CHECK(TS_TST_INFO_get_version(info) == VERSION_1, KS_ERR_FORMAT, "not of version 1");
    KS_TRY(read_imprint(TS_TST_INFO_get_msg_imprint(info), stamp->digest));
    KS_TRY(read_oid(TS_TST_INFO_get_policy_id(info), stamp->policy));
    KS_TRY(read_time(TS_TST_INFO_get_time(info), &stamp->time_us));
    KS_TRY(read_accuracy(TS_TST_INFO_get_accuracy(info), &stamp->accuracy_us));
    KS_TRY(ks_x509_serial(TS_TST_INFO_get_serial(info), stamp->serial, &stamp->serial_len));
    KS_CHECK(TS_TST_INFO_get_ext_by_critical(info, 1, -1) < 0, KS_ERR_FORMAT,
             "it has a critical extension");
out:
    return err;
}

void ks_timestamp_show_name(const X509 *cert, char target[KS_TIMESTAMP_NAME_MAX])
{
    if (ks_x509_name_shown(X509_get_subject_name(cert), target, KS_TIMESTAMP_NAME_MAX) !=
        KS_OK) {
        target[0] = '\0';
    }
}

X509 *ks_timestamp_signer(PKCS7 *cms, STACK_OF(X509) * others)
{
    STACK_OF(X509) *signers = PKCS7_get0_signers(cms, others, 0);
    X509 *signer = sk_X509_num(signers) == 1 ? sk_X509_value(signers, 0) : NULL;

    sk_X509_free(signers);
    ks_libcrypto_forget(); /* that there is none is an ordinary answer */
    return signer;
}

void ks_timestamp_token_done(struct ks_timestamp_token *token)
{
    PKCS7_free(token->cms);
    TS_TST_INFO_free(token->info);
    *token = (struct ks_timestamp_token){0};
}

enum ks_err ks_timestamp_token_open(struct ks_bytes token, struct ks_timestamp_token *out_token,
                                    struct ks_timestamp *out_stamp)
{
    enum ks_err err = KS_OK;
    struct ks_timestamp stamp = {0};
    struct ks_buf normal;
    const X509 *signer = NULL;

    ks_buf_init(&normal, KS_TIMESTAMP_TOKEN_MAX);
    KS_TRY(ks_timestamp_cms_parse(token, &out_token->cms));
    KS_TRY(ks_timestamp_normal(out_token->cms, &normal));
    KS_CHECK(ks_bytes_equal(token, ks_buf_view(&normal)), KS_ERR_FORMAT,
             "not in normal form: `ketseal bundle complete` brings it there");
    out_token->info = PKCS7_to_TS_TST_INFO(out_token->cms);
    if (out_token->info == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "its content is no time stamp"));
    }
    KS_TRY(read_info(out_token->info, &stamp));
    signer = ks_timestamp_signer(out_token->cms, NULL);
    if (signer != NULL) {
        ks_timestamp_show_name(signer, stamp.signer);
    }
    *out_stamp = stamp;
out:
    ks_libcrypto_forget();
    ks_buf_done(&normal);
    return ks_fail_prefix(err, "time stamp");
}

enum ks_err ks_timestamp_read(struct ks_bytes token, struct ks_timestamp *out_stamp)
{
    struct ks_timestamp_token parts = {0};
    enum ks_err err = ks_timestamp_token_open(token, &parts, out_stamp);

    ks_timestamp_token_done(&parts);
    return err;
}

/* --- asking ------------------------------------------------------------------------------- */

static enum ks_err set_imprint(TS_REQ *request, const uint8_t digest[KS_SHA256_LEN])
{
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algorithm = X509_ALGOR_new();
    uint8_t copy[KS_SHA256_LEN]; /* the setter lacks a const */
    enum ks_err err = KS_OK;

    ks_copy(copy, digest, sizeof copy);
    if (imprint == NULL || algorithm == NULL ||
        X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) != 1 ||
        TS_MSG_IMPRINT_set_algo(imprint, algorithm) != 1 ||
        TS_MSG_IMPRINT_set_msg(imprint, copy, sizeof copy) != 1 ||
        TS_REQ_set_msg_imprint(request, imprint) != 1) {
        err = ks_fail_libcrypto(KS_ERR_NOMEM, "request");
    }
    X509_ALGOR_free(algorithm);
    TS_MSG_IMPRINT_free(imprint);
    return err;
}

static enum ks_err set_nonce(TS_REQ *request, const uint8_t nonce[KS_TIMESTAMP_NONCE_LEN])
{
    uint8_t bytes[KS_TIMESTAMP_NONCE_LEN];
    BIGNUM *number = NULL;
    ASN1_INTEGER *integer = NULL;
    enum ks_err err = KS_OK;

    ks_copy(bytes, nonce, sizeof bytes);
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x01); /* one length, and positive */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    integer = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
    if (integer == NULL || TS_REQ_set_nonce(request, integer) != 1) {
        err = ks_fail_libcrypto(KS_ERR_NOMEM, "request");
    }
    ASN1_INTEGER_free(integer);
    BN_free(number);
    return err;
}

enum ks_err ks_timestamp_request_write(const struct ks_timestamp_request *request,
                                       struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    TS_REQ *asked = TS_REQ_new();
    ASN1_OBJECT *policy = NULL;
    unsigned char *der = NULL;
    int len = 0;

    KS_CHECK(asked != NULL, KS_ERR_NOMEM, "request");
    KS_TRY(set_imprint(asked, request->digest));
    KS_TRY(set_nonce(asked, request->nonce));
    if (request->policy != NULL) {
        policy = OBJ_txt2obj(request->policy, 1);
        ks_libcrypto_forget();
        KS_CHECK(policy != NULL, KS_ERR_USAGE, "'%.64s' is no object identifier",
                 request->policy);
    }
    if (TS_REQ_set_version(asked, VERSION_1) != 1 || TS_REQ_set_cert_req(asked, 1) != 1 ||
        (policy != NULL && TS_REQ_set_policy_id(asked, policy) != 1) ||
        (len = i2d_TS_REQ(asked, &der)) <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_NOMEM, "request"));
    }
    ks_buf_put(out, ks_bytes_of(der, (size_t)len));
    KS_TRY(ks_buf_check(out));
out:
    OPENSSL_free(der);
    ASN1_OBJECT_free(policy);
    TS_REQ_free(asked);
    return ks_fail_prefix(err, "time stamp request");
}

/* --- the answer --------------------------------------------------------------------------- */

/* RFC 3161 §2.4.2: 0 granted, 1 granted with changes; else why not. */
static enum ks_err check_granted(TS_STATUS_INFO *info)
{
    const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(info);
    const ASN1_UTF8STRING *text = NULL;
    char reason[REASON_TEXT_MAX] = "no reason given";
    uint64_t status = 0;

    if (ASN1_INTEGER_get_uint64(&status, TS_STATUS_INFO_get0_status(info)) == 1 &&
        status <= 1) {
        return KS_OK;
    }
    ks_libcrypto_forget();
    if (sk_ASN1_UTF8STRING_num(texts) > 0) {
        text = sk_ASN1_UTF8STRING_value(texts, 0);
        ks_text_shown(
            ks_bytes_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)), reason,
            sizeof reason);
    }
    return ks_fail(KS_ERR_DENIED, "the authority granted none: %s", reason);
}

/* INFO, of an answer, is to the request in DER. */
static enum ks_err check_asked(struct ks_bytes der, TS_TST_INFO *info)
{
    enum ks_err err = KS_OK;
    const unsigned char *cursor = der.data;
    TS_REQ *request = NULL;
    uint8_t asked[KS_SHA256_LEN];
    uint8_t stamped[KS_SHA256_LEN];

    KS_CHECK(der.len <= KS_TIMESTAMP_REQUEST_MAX, KS_ERR_LIMIT,
             "request: %zu bytes, at most %d", der.len, KS_TIMESTAMP_REQUEST_MAX);
    request = d2i_TS_REQ(NULL, &cursor, (long)der.len);
    if (request == NULL || cursor != der.data + der.len) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "request"));
    }
    KS_TRY(ks_fail_prefix(read_imprint(TS_REQ_get_msg_imprint(request), asked), "request"));
    KS_TRY(read_imprint(TS_TST_INFO_get_msg_imprint(info), stamped));
    KS_CHECK(ks_bytes_equal(KS_BYTES(asked), KS_BYTES(stamped)), KS_ERR_VERIFY,
             "it is over another digest than was asked for");
    if (TS_REQ_get_nonce(request) != NULL) {
        KS_CHECK(TS_TST_INFO_get_nonce(info) != NULL &&
                     ASN1_INTEGER_cmp(TS_REQ_get_nonce(request), TS_TST_INFO_get_nonce(info)) ==
                         0,
                 KS_ERR_VERIFY, "it answers another request: the nonces differ");
    }
    if (TS_REQ_get_policy_id(request) != NULL) {
        KS_CHECK(OBJ_cmp(TS_REQ_get_policy_id(request), TS_TST_INFO_get_policy_id(info)) == 0,
                 KS_ERR_VERIFY, "it is under another policy than was asked for");
    }
out:
    TS_REQ_free(request);
    return err;
}

/* An answer, or a token alone: the first begins with a status, the other with its type. */
static enum ks_err take_token(struct ks_bytes answer, PKCS7 **out_cms)
{
    enum ks_err err = KS_OK;
    const unsigned char *cursor = answer.data;
    TS_RESP *response = d2i_TS_RESP(NULL, &cursor, (long)answer.len);

    ks_libcrypto_forget();
    if (response == NULL) {
        return ks_timestamp_cms_parse(answer, out_cms);
    }
    KS_CHECK(cursor == answer.data + answer.len, KS_ERR_FORMAT, "bytes after the answer's end");
    KS_TRY(check_granted(TS_RESP_get_status_info(response)));
    KS_CHECK(TS_RESP_get_token(response) != NULL, KS_ERR_FORMAT, "the answer has no token");
    *out_cms = PKCS7_dup(TS_RESP_get_token(response));
    KS_CHECK(*out_cms != NULL, KS_ERR_NOMEM, "out of memory");
out:
    TS_RESP_free(response);
    return err;
}

enum ks_err ks_timestamp_answer_read(struct ks_bytes answer, struct ks_bytes request,
                                     struct ks_buf *out_token)
{
    enum ks_err err = KS_OK;
    PKCS7 *cms = NULL;
    struct ks_timestamp_token token = {0};
    struct ks_timestamp stamp;
    struct ks_buf normal;

    ks_buf_init(&normal, KS_TIMESTAMP_TOKEN_MAX);
    KS_CHECK(answer.len > 0, KS_ERR_FORMAT, "empty");
    KS_CHECK(answer.len <= KS_TIMESTAMP_RESPONSE_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d",
             answer.len, KS_TIMESTAMP_RESPONSE_MAX);
    KS_TRY(take_token(answer, &cms));
    KS_TRY(ks_timestamp_normal(cms, &normal));
    KS_TRY(ks_timestamp_token_open(ks_buf_view(&normal), &token, &stamp));
    if (request.len > 0) {
        KS_TRY(check_asked(request, token.info));
    }
    ks_buf_put(out_token, ks_buf_view(&normal));
    KS_TRY(ks_buf_check(out_token));
out:
    ks_libcrypto_forget();
    ks_timestamp_token_done(&token);
    PKCS7_free(cms);
    ks_buf_done(&normal);
    return ks_fail_prefix(err, "time stamp answer");
}
