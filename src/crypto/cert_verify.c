/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What makes a certificate good. First what does not change with time, checked once, when a
 * trust object is made; then what does, at each verification. */

#include "base/text.h"
#include "crypto/cert_parts.h"

#define CA_KEY_USAGE   (KU_KEY_CERT_SIGN | KU_CRL_SIGN)
#define LEAF_KEY_USAGE KU_DIGITAL_SIGNATURE

struct ks_cert_trust {
    struct ks_cert_trust_spec of; /* borrowed; every signature in it is good */
};

/* --- one certificate ---------------------------------------------------------------------- */

static enum ks_err check_algorithms(const struct ks_cert *cert)
{
    enum ks_err err = KS_OK;

    KS_CHECK(cert->key_accepted, KS_ERR_VERIFY, "its key is %s, not post-quantum",
             cert->key_name);
    KS_CHECK(cert->signature.accepted, KS_ERR_VERIFY, "its signature is %s, not post-quantum",
             cert->signature.name);
out:
    return err;
}

static enum ks_err check_ca_form(const struct ks_cert *cert)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_algorithms(cert));
    if (cert->role == KS_CERT_ROOT) {
        KS_CHECK(cert->self_signed, KS_ERR_VERIFY, "not signed by its own key");
        KS_CHECK(cert->path_len == 0 || cert->path_len == 1, KS_ERR_VERIFY,
                 "its path length is neither 0 nor 1");
    } else {
        KS_CHECK(cert->path_len == 0, KS_ERR_VERIFY, "its path length is not 0");
        KS_CHECK(cert->uses == 0, KS_ERR_VERIFY, "it has an extended key usage");
    }
    KS_CHECK(cert->key_usage == CA_KEY_USAGE, KS_ERR_VERIFY,
             "its key usage is not keyCertSign and cRLSign");
out:
    return err;
}

enum ks_err ks_cert_check_ca(const struct ks_cert *cert)
{
    enum ks_err err = KS_OK;

    KS_CHECK(cert->role == KS_CERT_ROOT || cert->role == KS_CERT_ISSUER, KS_ERR_VERIFY,
             "certificate '%s': not a CA but %s", cert->subject,
             ks_cert_role_phrase(cert->role));
    KS_TRY(ks_fail_prefix(check_ca_form(cert), "%s certificate '%s'",
                          ks_cert_role_name(cert->role), cert->subject));
out:
    return err;
}

static enum ks_err check_form(const struct ks_cert *cert, enum ks_cert_role role)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_algorithms(cert));
    KS_CHECK(cert->role == role, KS_ERR_VERIFY, "it is of %s, not of %s",
             ks_cert_role_phrase(cert->role), ks_cert_role_phrase(role));
    if (role == KS_CERT_ISSUER) {
        KS_TRY(check_ca_form(cert));
    } else {
        KS_CHECK(cert->key_usage == LEAF_KEY_USAGE, KS_ERR_VERIFY,
                 "its key usage is not digitalSignature alone");
    }
out:
    return err;
}

enum ks_err ks_cert_check_time(const struct ks_cert *cert, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    char limit[KS_TIME_TEXT_LEN + 1];

    ks_time_text(cert->not_before_s * 1000000, limit);
    KS_CHECK(time_s >= cert->not_before_s, KS_ERR_VERIFY, "not valid before %s", limit);
    ks_time_text(cert->not_after_s * 1000000, limit);
    KS_CHECK(time_s <= cert->not_after_s, KS_ERR_VERIFY, "expired at %s", limit);
out:
    return err;
}

/* --- a certificate and the one above ------------------------------------------------------ */

static bool names_ca(const struct ks_cert *cert, const struct ks_cert *ca)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert->x509), X509_get_subject_name(ca->x509)) ==
               0 &&
           cert->signature.alg == ca->key_alg;
}

static bool names_key(const struct ks_cert *cert, const struct ks_cert *ca)
{
    return cert->authority_key_id != NULL && ca->subject_key_id != NULL &&
           ASN1_OCTET_STRING_cmp(cert->authority_key_id, ca->subject_key_id) == 0;
}

/* What the certificate says of who issued it; cheap. */
static enum ks_err check_link(const struct ks_cert *cert, const struct ks_cert *ca)
{
    enum ks_err err = KS_OK;

    KS_CHECK(names_ca(cert, ca), KS_ERR_VERIFY, "issued by '%s' with %s, not by this %s",
             cert->issuer, cert->signature.name, ks_cert_role_name(ca->role));
    KS_CHECK(names_key(cert, ca), KS_ERR_VERIFY, "issued by another key than this %s's",
             ks_cert_role_name(ca->role));
out:
    return err;
}

static enum ks_err check_signature(const struct ks_cert *cert, const struct ks_cert *ca)
{
    enum ks_err err = KS_OK;

    if (X509_verify(cert->x509, X509_get0_pubkey(ca->x509)) != 1) {
        err = ks_fail_libcrypto(KS_ERR_VERIFY, "signature");
        if (err == KS_ERR_VERIFY) {
            err = ks_fail(KS_ERR_VERIFY, "its signature is false");
        }
    }
    return err;
}

/* --- trust -------------------------------------------------------------------------------- */

static enum ks_err check_issuer(const struct ks_cert *issuer, const struct ks_cert *root)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_form(issuer, KS_CERT_ISSUER));
    KS_CHECK(root->path_len == 1, KS_ERR_VERIFY,
             "root '%s' has path length 0: it was made before there were issuers",
             root->subject);
    KS_TRY(check_link(issuer, root));
    KS_TRY(check_signature(issuer, root));
out:
    return ks_fail_prefix(err, "issuer certificate '%s'", issuer->subject);
}

enum ks_err ks_cert_trust_new(const struct ks_cert_trust_spec *spec,
                              struct ks_cert_trust **out_trust)
{
    enum ks_err err = KS_OK;
    struct ks_cert_trust *trust = NULL;

    KS_CHECK(spec->issuer != NULL || spec->issuer_crl == NULL, KS_ERR_USAGE,
             "an issuer's revocation list without the issuer");
    KS_CHECK(spec->root->role == KS_CERT_ROOT, KS_ERR_VERIFY,
             "root certificate '%s': it is of %s, not of a root", spec->root->subject,
             ks_cert_role_phrase(spec->root->role));
    KS_TRY(ks_cert_check_ca(spec->root));
    if (spec->crl != NULL) {
        KS_TRY(ks_crl_check_signature(spec->crl, spec->root));
    }
    if (spec->issuer != NULL) {
        KS_TRY(check_issuer(spec->issuer, spec->root));
    }
    if (spec->issuer_crl != NULL) {
        KS_TRY(ks_fail_prefix(ks_crl_check_signature(spec->issuer_crl, spec->issuer),
                              "issuer '%s'", spec->issuer->subject));
    }
    trust = ks_calloc(1, sizeof(*trust));
    KS_CHECK(trust != NULL, KS_ERR_NOMEM, "out of memory");
    trust->of = *spec;
    *out_trust = trust;
out:
    return err;
}

void ks_cert_trust_free(struct ks_cert_trust *trust)
{
    ks_free(trust);
}

/* --- verifying ---------------------------------------------------------------------------- */

/* Whether CERT says that it is of the issuer. What says neither is judged as the root's, which
 * gives the reason to refuse it. */
static bool is_of_issuer(const struct ks_cert *cert, const struct ks_cert_trust *trust)
{
    const struct ks_cert *issuer = trust->of.issuer;

    return issuer != NULL && names_ca(cert, issuer) && names_key(cert, issuer);
}

static enum ks_err check_list(const struct ks_cert *cert, const struct ks_crl *crl,
                              uint64_t time_s)
{
    enum ks_err err = KS_OK;

    if (crl == NULL) {
        goto out;
    }
    KS_TRY(ks_crl_check_time(crl, time_s));
    KS_CHECK(!ks_crl_lists(crl, ks_cert_serial(cert)), KS_ERR_VERIFY,
             "certificate '%s': revoked", cert->subject);
out:
    return err;
}

/* CERT is the issuer's: so the issuer must be good now, and still be when CERT ends. */
static enum ks_err check_issuer_now(const struct ks_cert *cert,
                                    const struct ks_cert_trust *trust, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    const struct ks_cert *issuer = trust->of.issuer;

    KS_TRY(ks_fail_prefix(ks_cert_check_time(issuer, time_s), "issuer certificate '%s'",
                          issuer->subject));
    KS_TRY(ks_fail_prefix(check_list(issuer, trust->of.crl, time_s), "issuer"));
    KS_CHECK(cert->not_before_s >= issuer->not_before_s &&
                 cert->not_after_s <= issuer->not_after_s,
             KS_ERR_VERIFY, "certificate '%s': valid outside the validity of its issuer '%s'",
             cert->subject, issuer->subject);
out:
    return err;
}

static enum ks_err check_cert(const struct ks_cert *cert, const struct ks_cert *ca,
                              enum ks_cert_role role, uint64_t time_s)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_form(cert, role));
    KS_CHECK(role == KS_CERT_DEVICE || ca->role == KS_CERT_ROOT, KS_ERR_VERIFY,
             "it is of %s, and from issuer '%s', whose certificates are good for devices alone",
             ks_cert_role_phrase(role), ca->subject);
    KS_TRY(check_link(cert, ca));
    KS_TRY(ks_cert_check_time(cert, time_s));
out:
    return ks_fail_prefix(err, "certificate '%s'", cert->subject);
}

enum ks_err ks_cert_verify(const struct ks_cert *cert, const struct ks_cert_trust *trust,
                           enum ks_cert_role role, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    const struct ks_cert_trust_spec *of = &trust->of;
    bool of_issuer = is_of_issuer(cert, trust);
    const struct ks_cert *ca = of_issuer ? of->issuer : of->root;

    KS_ASSERT(role != KS_CERT_ROOT);
    KS_TRY(ks_fail_prefix(ks_cert_check_time(of->root, time_s), "root certificate '%s'",
                          of->root->subject));
    KS_TRY(check_cert(cert, ca, role, time_s));
    if (of_issuer) {
        KS_TRY(check_issuer_now(cert, trust, time_s));
    }
    KS_TRY(ks_fail_prefix(check_signature(cert, ca), "certificate '%s'", cert->subject));
    KS_TRY(check_list(cert, of_issuer ? of->issuer_crl : of->crl, time_s));
out:
    return err;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The last second of CA and of its list. */
static uint64_t ca_until_s(const struct ks_cert *ca, const struct ks_crl *crl)
{
    return crl == NULL ? ca->not_after_s : smaller(ca->not_after_s, crl->next_update_s - 1);
}

uint64_t ks_cert_verified_until_s(const struct ks_cert *cert, const struct ks_cert_trust *trust)
{
    const struct ks_cert_trust_spec *of = &trust->of;
    uint64_t until_s = smaller(cert->not_after_s, ca_until_s(of->root, of->crl));

    return is_of_issuer(cert, trust) ? smaller(until_s, ca_until_s(of->issuer, of->issuer_crl))
                                     : until_s;
}
