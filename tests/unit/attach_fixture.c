/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attach_fixture.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include "chain/address.h"
#include "chain/rlp.h"

#define OK(call)  KS_ASSERT((call) == KS_OK)
#define HAS(call) KS_ASSERT(call)

/* --- certificates ------------------------------------------------------------------------- */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension = NULL;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    HAS(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

struct stamp_party stamp_party_make(const struct stamp_party_spec *spec)
{
    static long serial = 1000;
    struct stamp_party party = {
        .key = spec->algorithm == NULL
                   ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                   : EVP_PKEY_Q_keygen(NULL, NULL, spec->algorithm, (size_t)2048),
        .cert = X509_new(),
    };
    const struct stamp_party *issuer = spec->issuer == NULL ? &party : spec->issuer;
    X509_NAME *name = X509_NAME_new();

    HAS(party.key != NULL && party.cert != NULL && name != NULL);
    HAS(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)spec->name,
                                   -1, -1, 0) == 1);
    HAS(X509_set_version(party.cert, X509_VERSION_3) == 1);
    HAS(ASN1_INTEGER_set(X509_get_serialNumber(party.cert), serial++) == 1);
    HAS(X509_set_subject_name(party.cert, name) == 1);
    HAS(X509_set_issuer_name(party.cert, X509_get_subject_name(issuer->cert)) == 1);
    HAS(ASN1_TIME_set(X509_getm_notBefore(party.cert), (time_t)spec->not_before_s) != NULL);
    HAS(ASN1_TIME_set(X509_getm_notAfter(party.cert), (time_t)spec->not_after_s) != NULL);
    HAS(X509_set_pubkey(party.cert, party.key) == 1);
    add_extension(party.cert, issuer->cert, NID_basic_constraints,
                  spec->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(party.cert, issuer->cert, NID_key_usage,
                  spec->authority ? "critical,keyCertSign,cRLSign"
                                  : "critical,digitalSignature");
    if (spec->purpose != NULL) {
        add_extension(party.cert, issuer->cert, NID_ext_key_usage, spec->purpose);
    }
    HAS(X509_sign(party.cert, issuer->key, EVP_sha256()) > 0);
    X509_NAME_free(name);
    return party;
}

void stamp_party_free(struct stamp_party *party)
{
    EVP_PKEY_free(party->key);
    X509_free(party->cert);
    *party = (struct stamp_party){0};
}

/* Appends what BIO holds; frees it. */
static void take_bio(BIO *bio, struct ks_buf *out)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    ks_buf_put(out, ks_bytes_of(text, (size_t)len));
    OK(ks_buf_check(out));
    BIO_free(bio);
}

void stamp_party_pem(const struct stamp_party *party, struct ks_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());

    HAS(bio != NULL && PEM_write_bio_X509(bio, party->cert) == 1);
    take_bio(bio, out);
}

void stamp_crl_pem(const struct stamp_party *issuer, const struct stamp_party *revoked,
                   uint64_t next_update_s, struct ks_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)next_update_s - 86400);

    HAS(bio != NULL && crl != NULL && time != NULL);
    HAS(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    HAS(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert)) == 1);
    HAS(X509_CRL_set1_lastUpdate(crl, time) == 1);
    if (revoked != NULL) {
        X509_REVOKED *row = X509_REVOKED_new();

        HAS(row != NULL &&
            X509_REVOKED_set_serialNumber(row, X509_get_serialNumber(revoked->cert)) == 1 &&
            X509_REVOKED_set_revocationDate(row, time) == 1 && X509_CRL_add0_revoked(crl, row));
    }
    HAS(ASN1_TIME_set(time, (time_t)next_update_s) != NULL);
    HAS(X509_CRL_set1_nextUpdate(crl, time) == 1 && X509_CRL_sort(crl) == 1);
    HAS(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    HAS(PEM_write_bio_X509_CRL(bio, crl) == 1);
    take_bio(bio, out);
    ASN1_TIME_free(time);
    X509_CRL_free(crl);
}

/* --- time stamps -------------------------------------------------------------------------- */

static ASN1_INTEGER *next_serial(TS_RESP_CTX *context, void *data)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();

    (void)context;
    (void)data;
    HAS(serial != NULL && ASN1_INTEGER_set(serial, 77) == 1);
    return serial;
}

static int tell_time(TS_RESP_CTX *context, void *data, long *sec, long *usec)
{
    const struct stamp_spec *spec = data;

    (void)context;
    *sec = (long)spec->time_s;
    *usec = (long)spec->time_us;
    return 1;
}

void stamp_answer(const struct stamp_spec *spec, struct ks_buf *out)
{
    union {
        const struct stamp_spec *fixed;
        struct stamp_spec *open;
    } data = {.fixed = spec}; /* the callback's pointer lacks the const */
    TS_RESP_CTX *context = TS_RESP_CTX_new();
    ASN1_OBJECT *policy = OBJ_txt2obj(STAMP_POLICY, 1);
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *request = BIO_new_mem_buf(spec->request.data, (int)spec->request.len);
    BIO *answer = BIO_new(BIO_s_mem());
    TS_RESP *response = NULL;

    HAS(context != NULL && policy != NULL && certs != NULL && request != NULL &&
        answer != NULL);
    for (size_t i = 0; i < 2 && spec->between[i] != NULL; i++) {
        HAS(sk_X509_push(certs, spec->between[i]->cert) > 0);
    }
    HAS(TS_RESP_CTX_set_signer_cert(context, spec->signer->cert) == 1);
    HAS(TS_RESP_CTX_set_signer_key(context, spec->signer->key) == 1);
    HAS(TS_RESP_CTX_set_certs(context, certs) == 1);
    HAS(TS_RESP_CTX_set_signer_digest(
            context, EVP_get_digestbyname(spec->digest == NULL ? "SHA256" : spec->digest)) ==
        1);
    HAS(TS_RESP_CTX_set_ess_cert_id_digest(context, EVP_sha256()) == 1);
    HAS(TS_RESP_CTX_set_def_policy(context, policy) == 1);
    HAS(TS_RESP_CTX_add_md(context, EVP_sha256()) == 1);
    HAS(TS_RESP_CTX_set_accuracy(context, 1, 0, 0) == 1);
    HAS(TS_RESP_CTX_set_clock_precision_digits(context, 6) == 1);
    TS_RESP_CTX_set_serial_cb(context, next_serial, NULL);
    TS_RESP_CTX_set_time_cb(context, tell_time, data.open);
    response = TS_RESP_create_response(context, request);
    HAS(response != NULL && i2d_TS_RESP_bio(answer, response) == 1);
    take_bio(answer, out);
    TS_RESP_free(response);
    TS_RESP_CTX_free(context);
    ASN1_OBJECT_free(policy);
    sk_X509_free(certs);
    BIO_free(request);
}

void stamp_resign(struct ks_bytes token, const struct stamp_party *party, struct ks_buf *out)
{
    const unsigned char *cursor = token.data;
    CMS_ContentInfo *old = d2i_CMS_ContentInfo(NULL, &cursor, (long)token.len);
    CMS_ContentInfo *fresh = CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_BINARY);
    const ASN1_OCTET_STRING *content = *CMS_get0_content(old);
    BIO *bio = BIO_new_mem_buf(ASN1_STRING_get0_data(content), ASN1_STRING_length(content));
    unsigned char *der = NULL;
    int len = 0;

    HAS(old != NULL && fresh != NULL && bio != NULL);
    HAS(CMS_set1_eContentType(fresh, OBJ_nid2obj(NID_id_smime_ct_TSTInfo)) == 1);
    HAS(CMS_add1_signer(fresh, party->cert, party->key, EVP_sha256(),
                        CMS_CADES | CMS_BINARY | CMS_NOSMIMECAP) != NULL);
    HAS(CMS_final(fresh, bio, NULL, CMS_BINARY) == 1);
    HAS((len = i2d_CMS_ContentInfo(fresh, &der)) > 0);
    ks_buf_put(out, ks_bytes_of(der, (size_t)len));
    OK(ks_buf_check(out));
    OPENSSL_free(der);
    BIO_free(bio);
    CMS_ContentInfo_free(old);
    CMS_ContentInfo_free(fresh);
}

void stamp_request(const uint8_t digest[32], struct ks_buf *out)
{
    struct ks_timestamp_request request = {.nonce = {0x5a, 1, 2, 3}};

    ks_copy(request.digest, digest, sizeof request.digest);
    OK(ks_timestamp_request_write(&request, out));
}

void stamp_token(struct ks_bytes answer, struct ks_buf *out)
{
    OK(ks_timestamp_answer_read(answer, (struct ks_bytes){0}, out));
}

void stamp_authority_make(struct stamp_authority *authority)
{
    authority->root = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Time Root",
        .authority = true,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
    });
    authority->signer = stamp_party_make(&(const struct stamp_party_spec){
        .name = "Time Stamps",
        .issuer = &authority->root,
        .purpose = STAMP_PURPOSE,
        .not_before_s = FIXTURE_BEGIN_S,
        .not_after_s = FIXTURE_END_S,
    });
}

void stamp_authority_free(struct stamp_authority *authority)
{
    stamp_party_free(&authority->root);
    stamp_party_free(&authority->signer);
}

void stamp_make(const struct stamp_authority *authority, const uint8_t digest[32],
                uint64_t time_s, struct ks_buf *out)
{
    struct ks_buf request;
    struct ks_buf answer;
    struct stamp_spec spec = {.signer = &authority->signer, .time_s = time_s};

    ks_buf_init(&request, KS_TIMESTAMP_REQUEST_MAX);
    ks_buf_init(&answer, KS_TIMESTAMP_RESPONSE_MAX);
    stamp_request(digest, &request);
    spec.request = ks_buf_view(&request);
    stamp_answer(&spec, &answer);
    stamp_token(ks_buf_view(&answer), out);
    ks_buf_done(&request);
    ks_buf_done(&answer);
}

/* --- anchors ------------------------------------------------------------------------------ */

#define NODE_MAX 4096

/* The one node of a trie with VALUE at KEY alone: a leaf whose path is the whole hash, of an
 * even number of nibbles. */
static void one_leaf(struct ks_bytes key, struct ks_bytes value, struct ks_buf *out_node,
                     uint8_t out_root[32])
{
    struct ks_buf items;
    uint8_t path[33] = {0x20};

    ks_buf_init(&items, NODE_MAX);
    ks_keccak256(key, path + 1);
    ks_rlp_put_string(&items, KS_BYTES(path));
    ks_rlp_put_string(&items, value);
    ks_rlp_put_list(out_node, ks_buf_view(&items));
    OK(ks_buf_check(out_node));
    ks_keccak256(ks_buf_view(out_node), out_root);
    ks_buf_done(&items);
}

static void put_zeros(struct ks_buf *out, size_t len)
{
    static const uint8_t zeros[256];

    ks_rlp_put_string(out, ks_bytes_of(zeros, len));
}

static void make_header(const struct anchor_place *place, const uint8_t state_root[32],
                        struct ks_buf *out)
{
    struct ks_buf items;

    ks_buf_init(&items, NODE_MAX);
    put_zeros(&items, 32); /* parent, ommers, beneficiary */
    put_zeros(&items, 32);
    put_zeros(&items, 20);
    ks_rlp_put_string(&items, ks_bytes_of(state_root, 32));
    put_zeros(&items, 32); /* transactions, receipts, bloom */
    put_zeros(&items, 32);
    put_zeros(&items, 256);
    ks_rlp_put_u64(&items, 0); /* difficulty */
    ks_rlp_put_u64(&items, place->number);
    ks_rlp_put_u64(&items, 30000000); /* gas limit, gas used */
    ks_rlp_put_u64(&items, 46004);
    ks_rlp_put_u64(&items, place->time_s);
    put_zeros(&items, 0); /* extra, mix, nonce */
    put_zeros(&items, 32);
    put_zeros(&items, 8);
    ks_rlp_put_u64(&items, 7); /* base fee */
    ks_rlp_put_list(out, ks_buf_view(&items));
    OK(ks_buf_check(out));
    ks_buf_done(&items);
}

void anchor_make(const struct anchor_place *place, const uint8_t digest[32], struct ks_buf *out)
{
    struct ks_anchor anchor = {.chain_id = place->chain_id};
    struct ks_buf value;
    struct ks_buf account;
    struct ks_buf nodes[2];
    struct ks_buf header;
    uint8_t slot[32];
    uint8_t root[32];

    ks_buf_init(&value, NODE_MAX);
    ks_buf_init(&account, NODE_MAX);
    ks_buf_init(&nodes[0], NODE_MAX);
    ks_buf_init(&nodes[1], NODE_MAX);
    ks_buf_init(&header, NODE_MAX);
    ks_copy(anchor.contract, place->contract, sizeof anchor.contract);
    ks_copy(anchor.submitter, place->submitter, sizeof anchor.submitter);
    ks_copy(anchor.code_hash, place->code_hash, sizeof anchor.code_hash);
    ks_copy(anchor.digest, digest, sizeof anchor.digest);
    ks_anchor_slot(place->submitter, slot);
    ks_rlp_put_integer(&value, ks_bytes_of(digest, 32));
    one_leaf(KS_BYTES(slot), ks_buf_view(&value), &nodes[1], root);
    ks_buf_clear(&value);
    ks_rlp_put_u64(&value, 1); /* nonce, balance */
    ks_rlp_put_u64(&value, 0);
    ks_rlp_put_string(&value, KS_BYTES(root));
    ks_rlp_put_string(&value, KS_BYTES(place->code_hash));
    ks_rlp_put_list(&account, ks_buf_view(&value));
    one_leaf(KS_BYTES(place->contract), ks_buf_view(&account), &nodes[0], root);
    make_header(place, root, &header);
    anchor.header = ks_buf_view(&header);
    anchor.account = (struct ks_mpt_proof){.nodes = {ks_buf_view(&nodes[0])}, .count = 1};
    anchor.storage = (struct ks_mpt_proof){.nodes = {ks_buf_view(&nodes[1])}, .count = 1};
    ks_anchor_write(&anchor, out);
    OK(ks_buf_check(out));
    ks_buf_done(&value);
    ks_buf_done(&account);
    ks_buf_done(&nodes[0]);
    ks_buf_done(&nodes[1]);
    ks_buf_done(&header);
}

struct ks_anchor_pin anchor_pin(const struct anchor_place *place, struct ks_bytes document)
{
    struct ks_anchor_pin pin = {.chain_id = place->chain_id};
    struct ks_anchor *anchor = NULL;

    ks_copy(pin.contract, place->contract, sizeof pin.contract);
    ks_copy(pin.submitter, place->submitter, sizeof pin.submitter);
    ks_copy(pin.code_hash, place->code_hash, sizeof pin.code_hash);
    if (document.len > 0) {
        OK(ks_anchor_parse(document, &anchor));
        pin.blocks = ks_calloc(1, sizeof *pin.blocks);
        HAS(pin.blocks != NULL);
        pin.block_count = 1;
        pin.blocks[0].number = anchor->block_number;
        ks_copy(pin.blocks[0].hash, anchor->block_hash, sizeof pin.blocks[0].hash);
        ks_anchor_free(anchor);
    }
    return pin;
}
