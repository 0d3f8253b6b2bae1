/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An issuer below the root, and operators: every reason to refuse, and libcrypto's own chain
 * verification as oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "cert_fixture.h"
#include "vector_files.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ISSUER_BEGIN (BEGIN + 100000)
#define ISSUER_END   (END - 100000)
#define LIST_END     (END - 200000) /* of the issuer's list */

/* Made once. Three issuers: SITE, SHORT (of SITE's name and key; it ends before DEVICE does),
 * OTHER (of another key, SITE's name). */
static struct {
    struct ks_sign_key *root_key;
    struct ks_sign_key *site_key;
    struct ks_sign_key *other_key;
    struct ks_verify_key *leaf_key;
    struct ks_cert *root;
    struct ks_cert *site;
    struct ks_cert *short_site;
    struct ks_cert *other;
    struct ks_cert *device;      /* of SITE */
    struct ks_cert *root_device; /* of the root itself */
    struct ks_cert *operator;
    struct ks_cert *server;
    struct ks_crl *crl;        /* of the root, lists nobody of ours */
    struct ks_crl *crl_site;   /* lists SITE */
    struct ks_crl *list;       /* of SITE, lists nobody of ours */
    struct ks_crl *list_names; /* lists DEVICE */
    struct ks_crl *list_other; /* of OTHER */
} pki;

static struct ks_cert *issue(const struct ks_cert *ca, const struct ks_sign_key *ca_key,
                             struct ks_cert_spec spec, const struct ks_verify_key *key)
{
    struct ks_cert *cert = NULL;

    assert_int_equal(ks_cert_issue(ca, ca_key, &spec, key, &cert), KS_OK);
    return cert;
}

static struct ks_cert *issuer_of(const struct ks_sign_key *key, const char *subject,
                                 uint64_t end_s)
{
    struct ks_cert_spec spec = spec_of(KS_CERT_ISSUER, subject);
    struct ks_verify_key *public_key = NULL;
    struct ks_cert *cert = NULL;

    spec.not_before_s = ISSUER_BEGIN;
    spec.not_after_s = end_s;
    assert_int_equal(ks_sign_key_verify_key(key, &public_key), KS_OK);
    cert = issue(pki.root, pki.root_key, spec, public_key);
    ks_verify_key_free(public_key);
    return cert;
}

static struct ks_crl *list_of(const struct ks_cert *ca, const struct ks_sign_key *key,
                              const struct ks_cert *named, uint64_t end_s)
{
    const struct ks_crl_entry entries[] = {
        {KS_LITERAL("\x7f\x01"), BEGIN},
        {named == NULL ? KS_LITERAL("\x02") : ks_cert_serial(named), BEGIN}};
    const struct ks_crl_spec spec = {.entries = entries,
                                     .count = COUNT(entries),
                                     .number = 1,
                                     .this_update_s = BEGIN,
                                     .next_update_s = end_s};
    struct ks_crl *crl = NULL;

    assert_int_equal(ks_crl_issue(ca, key, &spec, &crl), KS_OK);
    return crl;
}

static struct ks_cert_spec device_spec(void)
{
    struct ks_cert_spec spec = spec_of(KS_CERT_DEVICE, "device-1");

    spec.not_before_s = ISSUER_BEGIN;
    spec.not_after_s = ISSUER_END;
    return spec;
}

static int set_up(void **state)
{
    struct ks_sign_key *leaf = key_of(KS_SIG_MLDSA65, 3);

    (void)state;
    pki.root_key = key_of(KS_SIG_SLHDSA_SHA2_128S, 1);
    pki.site_key = key_of(KS_SIG_MLDSA87, 2);
    pki.other_key = key_of(KS_SIG_MLDSA87, 4);
    assert_int_equal(ks_sign_key_verify_key(leaf, &pki.leaf_key), KS_OK);
    ks_sign_key_free(leaf);
    pki.root = root_of(pki.root_key, "Test CA");
    pki.site = issuer_of(pki.site_key, "Site of Tests", ISSUER_END);
    pki.short_site = issuer_of(pki.site_key, "Site of Tests", ISSUER_END - 1);
    pki.other = issuer_of(pki.other_key, "Site of Tests", ISSUER_END);
    pki.device = issue(pki.site, pki.site_key, device_spec(), pki.leaf_key);
    pki.root_device =
        issue(pki.root, pki.root_key, spec_of(KS_CERT_DEVICE, "device-1"), pki.leaf_key);
    pki.operator=
        issue(pki.root, pki.root_key, spec_of(KS_CERT_OPERATOR, "operator-1"), pki.leaf_key);
    pki.server =
        issue(pki.root, pki.root_key, spec_of(KS_CERT_SERVER, "site.example"), pki.leaf_key);
    pki.crl = list_of(pki.root, pki.root_key, NULL, END);
    pki.crl_site = list_of(pki.root, pki.root_key, pki.site, END);
    pki.list = list_of(pki.site, pki.site_key, NULL, LIST_END);
    pki.list_names = list_of(pki.site, pki.site_key, pki.device, LIST_END);
    pki.list_other = list_of(pki.other, pki.other_key, NULL, LIST_END);
    return 0;
}

static int tear_down(void **state)
{
    struct ks_cert *certs[] = {pki.root, pki.site, pki.short_site, pki.other, pki.device,
                               pki.root_device, pki.operator, pki.server };
    struct ks_crl *lists[] = {pki.crl, pki.crl_site, pki.list, pki.list_names, pki.list_other};

    (void)state;
    for (size_t i = 0; i < COUNT(certs); i++) {
        ks_cert_free(certs[i]);
    }
    for (size_t i = 0; i < COUNT(lists); i++) {
        ks_crl_free(lists[i]);
    }
    ks_sign_key_free(pki.root_key);
    ks_sign_key_free(pki.site_key);
    ks_sign_key_free(pki.other_key);
    ks_verify_key_free(pki.leaf_key);
    return 0;
}

/* What most verifications here trust. */
static struct ks_cert_trust_spec full(void)
{
    return (struct ks_cert_trust_spec){pki.root, pki.crl, pki.site, pki.list};
}

static void assert_refused(const struct ks_cert *cert, struct ks_cert_trust_spec spec,
                           enum ks_cert_role role, uint64_t time_s, const char *reason)
{
    assert_int_equal(verify_under(cert, &spec, role, time_s), KS_ERR_VERIFY);
    assert_reason(reason);
}

static void assert_no_trust(struct ks_cert_trust_spec spec, enum ks_err err, const char *reason)
{
    struct ks_cert_trust *trust = NULL;

    assert_int_equal(ks_cert_trust_new(&spec, &trust), err);
    assert_null(trust);
    assert_reason(reason);
}

/* --- the oracle: libcrypto's chain verification ------------------------------------------- */

static void oracle_add_list(X509_STORE *store, const struct ks_crl *crl)
{
    struct ks_bytes der = ks_crl_der(crl);
    const unsigned char *cursor = der.data;
    X509_CRL *list = d2i_X509_CRL(NULL, &cursor, (long)der.len);

    assert_int_equal(X509_STORE_add_crl(store, list), 1);
    X509_CRL_free(list);
}

/* The purpose "any" for what libcrypto has no purpose for; the role is checked apart. */
static bool oracle_verifies(const struct ks_cert *cert, const struct ks_cert_trust_spec *spec,
                            enum ks_cert_role role, uint64_t time_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *leaf = x509_of(cert);
    X509 *root = x509_of(spec->root);
    X509 *issuer = spec->issuer != NULL ? x509_of(spec->issuer) : NULL;
    X509_VERIFY_PARAM *param = NULL;
    unsigned long flags = X509_V_FLAG_X509_STRICT;
    bool good = false;

    assert_int_equal(X509_STORE_add_cert(store, root), 1);
    assert_true(issuer == NULL || X509_STORE_add_cert(store, issuer) == 1);
    if (spec->crl != NULL) {
        oracle_add_list(store, spec->crl);
        flags |= X509_V_FLAG_CRL_CHECK;
    }
    if (spec->issuer_crl != NULL) {
        oracle_add_list(store, spec->issuer_crl);
        flags |= X509_V_FLAG_CRL_CHECK_ALL;
    }
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
    param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, (time_t)time_s);
    X509_VERIFY_PARAM_set_depth(param, 1);
    assert_int_equal(X509_VERIFY_PARAM_set_flags(param, flags), 1);
    assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY), 1);
    good = X509_verify_cert(context) == 1 && ks_cert_role(cert) == role;
    ERR_clear_error();
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(leaf);
    X509_free(root);
    X509_free(issuer);
    return good;
}

/* Lists go in pairs: libcrypto wants one from each CA of the chain, or none. */
static void test_agrees_with_oracle(void **state)
{
    const struct ks_cert *certs[] = {pki.device, pki.root_device, pki.operator, pki.server,
                                     pki.site};
    const struct ks_cert *issuers[] = {NULL, pki.site, pki.other};
    const struct ks_crl *lists[][2] = {
        {NULL, NULL}, {pki.crl, pki.list}, {pki.crl_site, pki.list}, {pki.crl, pki.list_names}};
    const enum ks_cert_role roles[] = {KS_CERT_DEVICE, KS_CERT_OPERATOR, KS_CERT_SERVER,
                                       KS_CERT_ISSUER};
    const uint64_t times[] = {BEGIN + 1,    ISSUER_BEGIN,   NOW,           LIST_END - 1,
                              LIST_END + 1, ISSUER_END - 1, ISSUER_END + 1};
    unsigned accepted = 0;

    (void)state;
    for (unsigned i = 0; i < 5 * 2 * 4 * 4 * 7; i++) {
        unsigned pair = i / 10 % 4;
        const struct ks_cert *cert = certs[i % 5];
        const struct ks_cert_trust_spec spec = {pki.root, lists[pair][0], pki.site,
                                                lists[pair][1]};
        const struct ks_cert_trust_spec bare = {.root = pki.root,
                                                .issuer = issuers[i / 5 % 2 * 2]};
        const struct ks_cert_trust_spec *trusted = i / 5 % 2 == 0 || pair != 0 ? &spec : &bare;
        enum ks_cert_role role = roles[i / 40 % 4];
        uint64_t time_s = times[i / 160];
        enum ks_err err = verify_under(cert, trusted, role, time_s);

        assert_true(err == KS_OK || err == KS_ERR_VERIFY);
        assert_int_equal(err == KS_OK, oracle_verifies(cert, trusted, role, time_s));
        accepted += err == KS_OK;
    }
    assert_true(accepted > 100);
}

/* --- fields and trust --------------------------------------------------------------------- */

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(ks_cert_role(pki.site), KS_CERT_ISSUER);
    assert_int_equal(ks_cert_role(pki.operator), KS_CERT_OPERATOR);
    assert_string_equal(ks_cert_role_name(KS_CERT_ISSUER), "issuer");
    assert_string_equal(ks_cert_role_name(KS_CERT_OPERATOR), "operator");
    assert_string_equal(ks_cert_subject(pki.site), "Site of Tests");
    assert_string_equal(ks_cert_issuer(pki.device), "Site of Tests");
    assert_string_equal(ks_cert_key_name(pki.site), "ML-DSA-87");
    assert_int_equal(ks_crl_verify(pki.list, pki.site, NOW), KS_OK);
    assert_int_equal(ks_crl_verify(pki.list, pki.other, NOW), KS_ERR_VERIFY);
    assert_int_equal(ks_crl_verify(pki.list, pki.root, NOW), KS_ERR_VERIFY);
    assert_int_equal(ks_crl_verify(pki.list, pki.device, NOW), KS_ERR_VERIFY);
    assert_int_equal(ks_crl_verify(pki.list, pki.site, LIST_END), KS_ERR_VERIFY);
    assert_int_equal(ks_crl_verify(pki.list, pki.site, ISSUER_BEGIN - 1), KS_ERR_VERIFY);
}

/* The answer holds up to the very second that ks_cert_verified_until_s names, and no longer. */
static void test_verified_until(void **state)
{
    struct ks_cert_trust_spec stale_root_list = full();
    const struct ks_cert_trust_spec no_lists = {.root = pki.root, .issuer = pki.site};
    struct ks_crl *early = list_of(pki.root, pki.root_key, NULL, NOW + 10);
    struct ks_cert_trust *trust = NULL;

    (void)state;
    stale_root_list.crl = early;
    const struct {
        const struct ks_cert *cert;
        enum ks_cert_role role;
        struct ks_cert_trust_spec spec;
        uint64_t until_s;
    } cases[] = {
        {pki.device, KS_CERT_DEVICE, no_lists, ISSUER_END},
        {pki.device, KS_CERT_DEVICE, full(), LIST_END - 1},
        {pki.device, KS_CERT_DEVICE, stale_root_list, NOW + 9},
        {pki.root_device, KS_CERT_DEVICE, no_lists, END},
        {pki.root_device, KS_CERT_DEVICE, full(), END - 1},
        {pki.operator, KS_CERT_OPERATOR, stale_root_list, NOW + 9},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(ks_cert_trust_new(&cases[i].spec, &trust), KS_OK);
        assert_true(ks_cert_verified_until_s(cases[i].cert, trust) == cases[i].until_s);
        assert_int_equal(ks_cert_verify(cases[i].cert, trust, cases[i].role, cases[i].until_s),
                         KS_OK);
        assert_int_equal(
            ks_cert_verify(cases[i].cert, trust, cases[i].role, cases[i].until_s + 1),
            KS_ERR_VERIFY);
        ks_cert_trust_free(trust);
    }
    ks_crl_free(early);
}

static void test_trust_refused(void **state)
{
    const struct ks_cert_trust_spec good = full();
    struct ks_cert_trust_spec spec = good;
    struct ks_sign_key *key = key_of(KS_SIG_SLHDSA_SHA2_128S, 0x55);
    struct ks_cert *same_name = root_of(key, "Test CA");

    (void)state;
    spec.issuer = NULL;
    assert_no_trust(spec, KS_ERR_USAGE, "list without the issuer");
    spec = good;
    spec.issuer_crl = pki.list_other; /* of another issuer, though of the same name */
    assert_no_trust(spec, KS_ERR_VERIFY,
                    "issuer 'Site of Tests': revocation list: its signature");
    spec.issuer_crl = pki.crl;
    assert_no_trust(spec, KS_ERR_VERIFY, "issued by 'Test CA'");
    spec = good;
    spec.crl = pki.list;
    assert_no_trust(spec, KS_ERR_VERIFY, "not by this root");
    spec = good;
    spec.issuer = pki.root;
    assert_no_trust(spec, KS_ERR_VERIFY, "it is of a root, not of an issuer");
    spec.issuer = pki.root_device;
    assert_no_trust(spec, KS_ERR_VERIFY, "it is of a device, not of an issuer");
    spec = good;
    spec.root = pki.site;
    assert_no_trust(spec, KS_ERR_VERIFY, "it is of an issuer, not of a root");
    spec = (struct ks_cert_trust_spec){.root = same_name, .issuer = pki.site};
    assert_no_trust(spec, KS_ERR_VERIFY, "issued by another key than this root's");
    ks_cert_free(same_name);
    ks_sign_key_free(key);
}

/* --- reasons to refuse a certificate ------------------------------------------------------ */

static void test_refused(void **state)
{
    const struct ks_cert_trust_spec good = full();
    struct ks_cert_trust_spec spec = good;

    (void)state;
    assert_int_equal(verify_under(pki.device, &good, KS_CERT_DEVICE, NOW), KS_OK);
    assert_int_equal(verify_under(pki.operator, & good, KS_CERT_OPERATOR, NOW), KS_OK);
    assert_refused(pki.device, good, KS_CERT_OPERATOR, NOW, "of a device, not of an operator");
    assert_refused(pki.operator, good, KS_CERT_DEVICE, NOW, "of an operator, not of a device");
    assert_refused(pki.operator, good, KS_CERT_SERVER, NOW, "of an operator, not of a server");
    assert_refused(pki.device, good, KS_CERT_DEVICE, LIST_END, "revocation list: stale since");
    assert_refused(pki.device, good, KS_CERT_DEVICE, ISSUER_BEGIN - 1, "not valid before");
    spec.issuer_crl = pki.list_names;
    assert_refused(pki.device, spec, KS_CERT_DEVICE, NOW, "certificate 'device-1': revoked");
    assert_int_equal(verify_under(pki.root_device, &spec, KS_CERT_DEVICE, NOW), KS_OK);
    spec = good;
    spec.crl = pki.crl_site;
    assert_refused(pki.device, spec, KS_CERT_DEVICE, NOW,
                   "issuer: certificate 'Site of Tests': revoked");
    assert_refused(pki.site, spec, KS_CERT_ISSUER, NOW, "revoked");
    assert_int_equal(verify_under(pki.root_device, &spec, KS_CERT_DEVICE, NOW), KS_OK);
    spec = (struct ks_cert_trust_spec){.root = pki.root};
    assert_refused(pki.device, spec, KS_CERT_DEVICE, NOW,
                   "issued by 'Site of Tests' with ML-DSA-87, not by this root");
    spec.issuer = pki.other;
    assert_refused(pki.device, spec, KS_CERT_DEVICE, NOW, "not by this root");
    spec.issuer = pki.short_site;
    assert_refused(pki.device, spec, KS_CERT_DEVICE, NOW, "outside the validity of its issuer");
    spec.issuer = pki.short_site;
    assert_refused(pki.device, spec, KS_CERT_DEVICE, ISSUER_END,
                   "issuer certificate 'Site of Tests': expired at");
    /* An issuer that has ended is no harm to the root's own. */
    assert_int_equal(verify_under(pki.root_device, &spec, KS_CERT_DEVICE, END), KS_OK);
}

/* --- chains that ketseal would not make --------------------------------------------------- */

#define OPERATOR_USE      KS_CERT_OPERATOR_OID
#define NEW_CONSTRAINTS   "critical,CA:TRUE,pathlen:1"
#define UNDER_CONSTRAINTS "critical,CA:TRUE,pathlen:0"

static const struct odd good_root = {"Odd", "Odd", NEW_CONSTRAINTS, ROOT_USAGE, NULL, NULL};
static const struct odd good_issuer = {"Site",     "Odd", UNDER_CONSTRAINTS,
                                       ROOT_USAGE, NULL,  NULL};
static const struct odd good_leaf = {"d",        "Site",       LEAF_CONSTRAINTS,
                                     LEAF_USAGE, "clientAuth", NULL};

/* One row: what stands in the place of a good certificate, the role it is asked for. */
static const struct odd_chain {
    const char *reason; /* NULL: accepted */
    struct odd root;
    struct odd issuer;
    struct odd leaf;
    enum ks_cert_role role;
    bool classical_issuer;
    bool classical_leaf;
} odd_chains[] = {
    {NULL, {0}, {0}, {0}, KS_CERT_DEVICE, false, false},
    {"root 'Odd' has path length 0",
     {"Odd", "Odd", ROOT_CONSTRAINTS, ROOT_USAGE, NULL, NULL},
     {0},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"its path length is not 0",
     {0},
     {"Site", "Odd", "critical,CA:TRUE,pathlen:1", ROOT_USAGE, NULL, NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"its path length is not 0",
     {0},
     {"Site", "Odd", "critical,CA:TRUE", ROOT_USAGE, NULL, NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"of a device, not of an issuer",
     {0},
     {"Site", "Odd", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth", NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"of a device, not of an issuer", /* signs certificates, yet is no CA */
     {0},
     {"Site", "Odd", LEAF_CONSTRAINTS, ROOT_USAGE, "clientAuth", NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"key usage is not keyCertSign and cRLSign",
     {0},
     {"Site", "Odd", UNDER_CONSTRAINTS, "critical,keyCertSign", NULL, NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"key usage is not keyCertSign and cRLSign",
     {0},
     {"Site", "Odd", UNDER_CONSTRAINTS, "critical,keyCertSign,cRLSign,digitalSignature", NULL,
      NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"it has an extended key usage",
     {0},
     {"Site", "Odd", UNDER_CONSTRAINTS, ROOT_USAGE, "clientAuth", NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"issued by 'Even'",
     {0},
     {"Site", "Even", UNDER_CONSTRAINTS, ROOT_USAGE, NULL, NULL},
     {0},
     KS_CERT_DEVICE,
     false,
     false},
    {"from issuer 'Site', whose certificates are good for devices alone",
     {0},
     {0},
     {"s", "Site", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", NULL},
     KS_CERT_SERVER,
     false,
     false},
    {"from issuer 'Site', whose certificates are good for devices alone",
     {0},
     {0},
     {"o", "Site", LEAF_CONSTRAINTS, LEAF_USAGE, OPERATOR_USE, NULL},
     KS_CERT_OPERATOR,
     false,
     false},
    {"from issuer 'Site', whose certificates are good for devices alone",
     {0},
     {0},
     {"Second", "Site", UNDER_CONSTRAINTS, ROOT_USAGE, NULL, NULL},
     KS_CERT_ISSUER,
     false,
     false},
    {"of an issuer, not of a device",
     {0},
     {0},
     {"Second", "Site", UNDER_CONSTRAINTS, ROOT_USAGE, NULL, NULL},
     KS_CERT_DEVICE,
     false,
     false},
    {"not digitalSignature alone",
     {0},
     {0},
     {"d", "Site", LEAF_CONSTRAINTS, "critical,digitalSignature,keyCertSign", "clientAuth",
      NULL},
     KS_CERT_DEVICE,
     false,
     false},
    {"issued by 'Elsewhere'",
     {0},
     {0},
     {"d", "Elsewhere", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth", NULL},
     KS_CERT_DEVICE,
     false,
     false},
    {"its key is", {0}, {0}, {0}, KS_CERT_DEVICE, true, false},
    {"its key is", {0}, {0}, {0}, KS_CERT_DEVICE, false, true},
};

static const struct odd *either(const struct odd *odd, const struct odd *good)
{
    return odd->subject != NULL ? odd : good;
}

static void check_odd_chain(const struct odd_chain *row, EVP_PKEY *root_key,
                            EVP_PKEY *issuer_key, EVP_PKEY *classical)
{
    EVP_PKEY *signer = row->classical_issuer ? classical : issuer_key;
    EVP_PKEY *leaf_key = row->classical_leaf ? classical : root_key;
    struct ks_cert_trust_spec spec = {0};
    struct ks_cert *root = NULL;
    struct ks_cert *issuer = NULL;
    struct ks_cert *leaf = NULL;
    X509 *root_x509 = NULL;
    X509 *issuer_x509 = NULL;

    assert_int_equal(make_odd(either(&row->root, &good_root), root_key, root_key, NULL, &root),
                     KS_OK);
    root_x509 = x509_of(root);
    assert_int_equal(
        make_odd(either(&row->issuer, &good_issuer), signer, root_key, root_x509, &issuer),
        KS_OK);
    issuer_x509 = x509_of(issuer);
    assert_int_equal(
        make_odd(either(&row->leaf, &good_leaf), leaf_key, signer, issuer_x509, &leaf), KS_OK);
    spec.root = root;
    spec.issuer = issuer;
    if (row->reason == NULL) {
        assert_int_equal(verify_under(leaf, &spec, row->role, NOW), KS_OK);
    } else {
        assert_refused(leaf, spec, row->role, NOW, row->reason);
    }
    X509_free(root_x509);
    X509_free(issuer_x509);
    ks_cert_free(root);
    ks_cert_free(issuer);
    ks_cert_free(leaf);
}

static void test_odd_chains(void **state)
{
    EVP_PKEY *root_key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    EVP_PKEY *issuer_key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-87");
    EVP_PKEY *classical = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    (void)state;
    for (size_t i = 0; i < COUNT(odd_chains); i++) {
        check_odd_chain(&odd_chains[i], root_key, issuer_key, classical);
    }
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(classical);
}

/* Signed by another key, whatever else it says; and each byte of a good one turned. */
static void test_false_signatures(void **state)
{
    struct ks_bytes der = ks_cert_der(pki.site);
    struct ks_cert_trust_spec spec = {.root = pki.root};
    struct ks_buf copy;
    size_t parsed = 0;

    (void)state;
    ks_buf_init(&copy, KS_CERT_DER_MAX);
    ks_buf_put(&copy, der);
    for (size_t i = 0; i < copy.len; i += i < 700 ? 1 : 37) {
        struct ks_cert *cert = NULL;
        struct ks_cert_trust *trust = NULL;

        copy.data[i] ^= (uint8_t)(1U << i % 8);
        if (ks_cert_parse_der(ks_buf_view(&copy), &cert) == KS_OK) {
            parsed++;
            spec.issuer = cert;
            assert_int_equal(ks_cert_trust_new(&spec, &trust), KS_ERR_VERIFY);
        }
        ks_cert_free(cert);
        copy.data[i] ^= (uint8_t)(1U << i % 8);
    }
    assert_true(parsed > 200);
    ks_buf_clear(&copy);
    ks_buf_put(&copy, ks_cert_der(pki.device));
    copy.data[copy.len - 1] ^= 1;
    struct ks_cert *forged = NULL;
    assert_int_equal(ks_cert_parse_der(ks_buf_view(&copy), &forged), KS_OK);
    assert_refused(forged, full(), KS_CERT_DEVICE, NOW, "its signature is false");
    ks_cert_free(forged);
    ks_buf_done(&copy);
}

/* --- what is not even parsed -------------------------------------------------------------- */

static void test_operator_profile(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    struct ks_cert *cert = NULL;
    static const struct odd good = {"op-1",     "O",          LEAF_CONSTRAINTS,
                                    LEAF_USAGE, OPERATOR_USE, NULL};
    static const char *const uses[] = {
        OPERATOR_USE ",clientAuth",
        OPERATOR_USE "," OPERATOR_USE,
        "clientAuth,clientAuth",
        "serverAuth," OPERATOR_USE,
        "2.25.202404580414369008271319098654232491563", /* one more */
        "2.25.20240458041436900827131909865423249156",  /* the beginning of ours */
        OPERATOR_USE "0",
        OPERATOR_USE ".1",
    };
    struct odd odd = good;

    (void)state;
    assert_int_equal(make_odd(&good, key, key, NULL, &cert), KS_OK);
    assert_int_equal(ks_cert_role(cert), KS_CERT_OPERATOR);
    ks_cert_free(cert);
    cert = NULL;
    for (size_t i = 0; i < COUNT(uses); i++) {
        odd.extended_key_usage = uses[i];
        assert_int_equal(make_odd(&odd, key, key, NULL, &cert), KS_ERR_FORMAT);
    }
    odd = good;
    odd.subject = "op 1";
    assert_int_equal(make_odd(&odd, key, key, NULL, &cert), KS_ERR_FORMAT);
    assert_reason("of an operator");
    assert_null(cert);
    EVP_PKEY_free(key);
}

/* --- specifications that are refused ------------------------------------------------------ */

static void assert_issue(const struct ks_cert *ca, const struct ks_sign_key *key,
                         struct ks_cert_spec spec, const char *reason)
{
    struct ks_cert *cert = NULL;

    assert_int_equal(ks_cert_issue(ca, key, &spec, pki.leaf_key, &cert), KS_ERR_USAGE);
    assert_null(cert);
    assert_reason(reason);
}

/* A root as they were before there were issuers, of ROOT_KEY. */
static struct ks_cert *old_root(EVP_PKEY *key)
{
    static const struct odd odd = {"Old CA",   "Old CA", ROOT_CONSTRAINTS,
                                   ROOT_USAGE, NULL,     NULL};
    struct ks_cert *root = NULL;

    assert_int_equal(make_odd(&odd, key, key, NULL, &root), KS_OK);
    return root;
}

static void test_issue_refused(void **state)
{
    const enum ks_cert_role roles[] = {KS_CERT_SERVER, KS_CERT_OPERATOR, KS_CERT_ISSUER};
    struct ks_cert_spec spec = device_spec();
    struct ks_crl_spec list = {.number = 1, .this_update_s = BEGIN, .next_update_s = END};
    struct ks_crl *crl = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct ks_cert_spec other = spec_of(roles[i], "x");
        other.not_before_s = ISSUER_BEGIN;
        other.not_after_s = ISSUER_END;
        assert_issue(pki.site, pki.site_key, other, "is for issuing devices, not");
    }
    assert_issue(pki.site, pki.site_key, spec_of(KS_CERT_ROOT, "x"), "no root below an issuer");
    assert_issue(pki.site, pki.other_key, spec, "the key is not that of issuer certificate");
    assert_issue(pki.device, pki.site_key, spec, "is not a post-quantum root or issuer");
    spec.not_after_s = ISSUER_END + 1;
    assert_issue(pki.site, pki.site_key, spec,
                 "outside the validity of issuer 'Site of Tests'");
    spec = spec_of(KS_CERT_OPERATOR, "operator 1");
    assert_issue(pki.root, pki.root_key, spec, "operator id 'operator 1'");
    spec = spec_of(KS_CERT_ISSUER, " site");
    assert_issue(pki.root, pki.root_key, spec, "is not a common name");
    assert_int_equal(ks_crl_issue(pki.site, pki.other_key, &list, &crl), KS_ERR_USAGE);
    assert_int_equal(ks_crl_issue(pki.device, pki.site_key, &list, &crl), KS_ERR_USAGE);
    assert_null(crl);
}

static void test_old_root(void **state)
{
    struct ks_sign_key *sign_key = key_of(KS_SIG_MLDSA44, 9);
    uint8_t seed[KS_SIG_SEED_LEN_MAX];
    struct ks_cert_trust_spec spec = {0};
    struct ks_cert *root = NULL;
    struct ks_cert *device = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[2];

    (void)state;
    for (size_t i = 0; i < sizeof(seed); i++) {
        seed[i] = (uint8_t)(9 + i);
    }
    params[0] = OSSL_PARAM_construct_octet_string("seed", seed, 32);
    params[1] = OSSL_PARAM_construct_end();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "ML-DSA-44", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(context, params), 1);
    assert_int_equal(EVP_PKEY_generate(context, &key), 1);
    root = old_root(key);
    assert_issue(root, sign_key, spec_of(KS_CERT_ISSUER, "Site"),
                 "root certificate 'Old CA' has path length 0");
    /* As ever for its own. */
    device = issue(root, sign_key, spec_of(KS_CERT_DEVICE, "d"), pki.leaf_key);
    spec.root = root;
    assert_int_equal(verify_under(device, &spec, KS_CERT_DEVICE, NOW), KS_OK);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    ks_cert_free(root);
    ks_cert_free(device);
    ks_sign_key_free(sign_key);
}

/* --- certificates that the openssl program made ------------------------------------------- */

static void test_made_by_openssl(void **state)
{
    static const struct {
        const char *file;
        enum ks_cert_role role;
        const char *reason; /* NULL: accepted */
    } cases[] = {
        {"issuer.pem", KS_CERT_ISSUER, NULL},
        {"operator.pem", KS_CERT_OPERATOR, NULL},
        {"issuer_device.pem", KS_CERT_DEVICE, NULL},
        {"issuer_revoked.pem", KS_CERT_DEVICE, "certificate 'dev-5': revoked"},
        {"issuer_long.pem", KS_CERT_DEVICE, "outside the validity of its issuer"},
        {"issuer_server.pem", KS_CERT_SERVER, "good for devices alone"},
        {"issuer_operator.pem", KS_CERT_OPERATOR, "good for devices alone"},
        {"device.pem", KS_CERT_DEVICE, "another key than this root's"},
        {"old_device.pem", KS_CERT_DEVICE, "not by this root"},
    };
    struct ks_cert *old_root = cert_from("root.pem");
    struct ks_cert *old_issuer = cert_from("old_issuer.pem");
    struct ks_cert *root = cert_from("new_root.pem");
    struct ks_cert *issuer = cert_from("issuer.pem");
    struct ks_crl *list = NULL;
    struct ks_buf pem;
    uint64_t now_s = 0;

    (void)state;
    vector_read("cert", "issuer_list.pem", &pem);
    assert_int_equal(ks_crl_parse_pem(ks_buf_view(&pem), &list), KS_OK);
    ks_buf_done(&pem);
    now_s = ks_crl_this_update_s(list) + 60;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ks_cert_trust_spec spec = {
            .root = root, .issuer = issuer, .issuer_crl = list};
        struct ks_cert *cert = cert_from(cases[i].file);
        if (cases[i].reason == NULL) {
            assert_int_equal(verify_under(cert, &spec, cases[i].role, now_s), KS_OK);
        } else {
            assert_refused(cert, spec, cases[i].role, now_s, cases[i].reason);
        }
        ks_cert_free(cert);
    }
    assert_no_trust((struct ks_cert_trust_spec){.root = old_root, .issuer = old_issuer},
                    KS_ERR_VERIFY, "has path length 0");
    ks_cert_free(old_root);
    ks_cert_free(old_issuer);
    ks_cert_free(root);
    ks_cert_free(issuer);
    ks_crl_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_oracle),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_verified_until),
        cmocka_unit_test(test_trust_refused),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_odd_chains),
        cmocka_unit_test(test_false_signatures),
        cmocka_unit_test(test_operator_profile),
        cmocka_unit_test(test_issue_refused),
        cmocka_unit_test(test_old_root),
        cmocka_unit_test(test_made_by_openssl),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
