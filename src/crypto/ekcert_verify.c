/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The chain of an EK certificate. libcrypto walks it (RFC 5280 §6); what an EK certificate has
 * to be beyond that, and the words in which a refusal is explained, are here. */
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/ekcert_parts.h"

/* libcrypto's level 2: at least 112 bits, so no RSA below 2048 and no SHA-1 below the root. */
#define STRENGTH_LEVEL 2
/* It counts the authorities between the EK certificate and the root. */
#define DEPTH (KS_EK_CHAIN_MAX - 2)

static enum ks_err check_ek(const struct ks_ek_cert *ek)
{
    enum ks_err err = KS_OK;
    const struct ks_ek_key *key;
    uint32_t usage = X509_get_key_usage(ek->x509);
    uint32_t wanted;

    KS_TRY(ks_ek_cert_key(ek, &key));
    KS_CHECK(X509_check_ca(ek->x509) == 0, KS_ERR_VERIFY,
             "EK certificate: it is an authority's, not an endorsement key's");
    wanted = key->alg == KS_EK_RSA ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT;
    /* All bits set stands for no extension. */
    KS_CHECK((usage & wanted) != 0, KS_ERR_VERIFY, "EK certificate: its key usage lacks %s",
             key->alg == KS_EK_RSA ? "keyEncipherment" : "keyAgreement");
    KS_CHECK(
        !ek->has_purposes || ek->ek_purpose, KS_ERR_VERIFY,
        "EK certificate: its extended key usage lacks tcg-kp-EKCertificate (2.23.133.8.1)");
    KS_CHECK(ek->manufacturer[0] != '\0' && ek->model[0] != '\0' && ek->version[0] != '\0',
             KS_ERR_VERIFY,
             "EK certificate: its alternative name does not give TPM manufacturer, model and "
             "version");
out:
    return err;
}

/* "certificate" and the name of the one at DEPTH, which may have none: EK certificates often.
 */
static void name_of(const X509_STORE_CTX *context, const struct ks_ek_cert *ek, char *target,
                    size_t size)
{
    const X509 *current = X509_STORE_CTX_get_current_cert(context);
    int depth = X509_STORE_CTX_get_error_depth(context);
    char name[KS_EK_NAME_TEXT_MAX] = {0};
    char *line = NULL;

    if (depth > 0 && current != NULL) {
        line = X509_NAME_oneline(X509_get_subject_name(current), NULL, 0);
    }
    if (line != NULL) {
        ks_text_shown(ks_bytes_text(line), name, sizeof(name));
        (void)snprintf(target, size, "authority '%s'", name);
    } else {
        (void)snprintf(target, size, "EK certificate of issuer '%s'", ek->issuer);
    }
    OPENSSL_free(line);
}

/* Why none of LIST was taken for the issuer of CHILD, or NULL if none has its name. */
static const char *unfit(const struct ks_ek_certs *list, X509 *child)
{
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        X509 *candidate = list->certs[i]->x509;
        if (X509_NAME_cmp(X509_get_subject_name(candidate), X509_get_issuer_name(child)) == 0) {
            int reason = X509_check_issued(candidate, child);
            return reason == X509_V_OK ? "it is no root and its own issuer is missing"
                                       : X509_verify_cert_error_string(reason);
        }
    }
    return NULL;
}

static enum ks_err explain_unknown(const X509_STORE_CTX *context, const char *name,
                                   const struct ks_ek_certs *intermediates,
                                   const struct ks_ek_certs *roots)
{
    X509 *current = X509_STORE_CTX_get_current_cert(context);
    const char *reason = current == NULL ? NULL : unfit(roots, current);

    if (reason == NULL && current != NULL) {
        reason = unfit(intermediates, current);
    }
    if (reason != NULL) {
        return ks_fail(KS_ERR_VERIFY, "%s: the certificate of its issuer does not fit: %s",
                       name, reason);
    }
    return ks_fail(KS_ERR_VERIFY, "%s: unknown issuer, neither a root nor an intermediate",
                   name);
}

static enum ks_err explain(const X509_STORE_CTX *context, const struct ks_ek_cert *ek,
                           const struct ks_ek_certs *intermediates,
                           const struct ks_ek_certs *roots)
{
    char name[KS_EK_NAME_TEXT_MAX + 32];
    char limit[KS_TIME_TEXT_LEN + 1];
    uint64_t time_s = 0;
    X509 *current = X509_STORE_CTX_get_current_cert(context);
    int reason = X509_STORE_CTX_get_error(context);

    name_of(context, ek, name, sizeof(name));
    switch (reason) {
    case X509_V_ERR_OUT_OF_MEM:
        return ks_fail(KS_ERR_NOMEM, "EK certificate chain: out of memory");
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: {
        bool expired = reason == X509_V_ERR_CERT_HAS_EXPIRED;
        const ASN1_TIME *time =
            expired ? X509_get0_notAfter(current) : X509_get0_notBefore(current);
        if (ks_x509_time(time, "validity", &time_s) != KS_OK) {
            return ks_fail(KS_ERR_VERIFY, "%s: not valid at that time", name);
        }
        ks_time_text(time_s * 1000000, limit);
        return ks_fail(KS_ERR_VERIFY, "%s: %s %s", name,
                       expired ? "expired at" : "not valid before", limit);
    }
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return explain_unknown(context, name, intermediates, roots);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return ks_fail(KS_ERR_VERIFY, "%s: its signature is false", name);
    case X509_V_ERR_INVALID_CA:
        return ks_fail(KS_ERR_VERIFY, "%s: it is not a CA%s", name,
                       (X509_get_key_usage(current) & KU_KEY_CERT_SIGN) != 0
                           ? ""
                           : ", its key usage lacks keyCertSign");
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return ks_fail(KS_ERR_VERIFY, "%s: a chain of more than %d certificates", name,
                       KS_EK_CHAIN_MAX);
    default:
        return ks_fail(KS_ERR_VERIFY, "%s: %s", name, X509_verify_cert_error_string(reason));
    }
}

/* The untrusted ones, borrowed. */
static enum ks_err stack_of(const struct ks_ek_certs *certs, STACK_OF(X509) * stack)
{
    for (size_t i = 0; certs != NULL && i < certs->count; i++) {
        if (sk_X509_push(stack, certs->certs[i]->x509) <= 0) {
            return ks_fail(KS_ERR_NOMEM, "EK certificate chain: out of memory");
        }
    }
    return KS_OK;
}

static enum ks_err store_of(const struct ks_ek_certs *roots, X509_STORE *store)
{
    for (size_t i = 0; i < roots->count; i++) {
        if (X509_STORE_add_cert(store, roots->certs[i]->x509) != 1) {
            return ks_fail_libcrypto(KS_ERR_INTERNAL, "EK certificate roots");
        }
    }
    return KS_OK;
}

/* Which of ROOTS the chain ended at. */
static enum ks_err root_of(const X509_STORE_CTX *context, const struct ks_ek_certs *roots,
                           size_t *out_root)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    int count = sk_X509_num(chain);

    /* A certificate that is itself among the roots says nothing about an issuer. */
    if (count < 2 || count > KS_EK_CHAIN_MAX) {
        return ks_fail(KS_ERR_VERIFY, "EK certificate: a chain of %d certificates, not 2 to %d",
                       count, KS_EK_CHAIN_MAX);
    }
    for (size_t i = 0; i < roots->count; i++) {
        if (X509_cmp(sk_X509_value(chain, count - 1), roots->certs[i]->x509) == 0) {
            *out_root = i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_INTERNAL, "EK certificate: the chain ends at no root");
}

static bool set_parameters(X509_STORE_CTX *context, uint64_t time_s)
{
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);

    X509_VERIFY_PARAM_set_time(parameters, (time_t)time_s);
    X509_VERIFY_PARAM_set_depth(parameters, DEPTH);
    X509_VERIFY_PARAM_set_auth_level(parameters, STRENGTH_LEVEL);
    return X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_USE_CHECK_TIME) == 1;
}

enum ks_err ks_ek_cert_verify(const struct ks_ek_cert *ek,
                              const struct ks_ek_certs *intermediates,
                              const struct ks_ek_certs *roots, uint64_t time_s,
                              size_t *out_root)
{
    enum ks_err err = KS_OK;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    size_t root = 0;

    KS_CHECK(store != NULL && context != NULL && untrusted != NULL, KS_ERR_NOMEM,
             "EK certificate chain: out of memory");
    KS_CHECK(time_s <= KS_CERT_TIME_MAX, KS_ERR_USAGE, "a time after the year 9999");
    KS_TRY(check_ek(ek));
    KS_TRY(store_of(roots, store));
    KS_TRY(stack_of(intermediates, untrusted));
    if (X509_STORE_CTX_init(context, store, ek->x509, untrusted) != 1 ||
        !set_parameters(context, time_s)) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "EK certificate chain"));
    }
    if (X509_verify_cert(context) != 1) {
        ks_libcrypto_forget();
        err = explain(context, ek, intermediates, roots);
        goto out;
    }
    KS_TRY(root_of(context, roots, &root));
    if (out_root != NULL) {
        *out_root = root;
    }
out:
    ks_libcrypto_forget();
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return err;
}
