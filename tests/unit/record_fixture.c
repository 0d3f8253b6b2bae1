/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/digest.h"
#include "ledger/checkpoint.h"

#define OK(call) KS_ASSERT((call) == KS_OK)

#define BUF_MAX       (1024 * 1024)
#define STARTED_US    (FIXTURE_NOW_S * 1000000 + 250000)
#define FINISHED_US   (FIXTURE_NOW_S * 1000000 + 251234)
#define BATCH_MAX     8
#define QUOTED_BEFORE 2 /* leaves that the core's checkpoint covers */
#define WORD(text)                                                                             \
    {                                                                                          \
        (const uint8_t *)(text), sizeof(text) - 1                                              \
    }

/* --- keys --------------------------------------------------------------------------------- */

struct ks_sign_key *fixture_sign_key(enum ks_sig_alg alg, uint8_t first)
{
    uint8_t seed[KS_SIG_SEED_LEN_MAX];
    struct ks_sign_key *key = NULL;

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(first + i);
    }
    OK(ks_sign_key_from_seed(alg, ks_bytes_of(seed, ks_sig_seed_len(alg)), &key));
    return key;
}

void fixture_public(const struct ks_sign_key *key, uint8_t *target, size_t len)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_SIG_PUBLIC_LEN_MAX);
    OK(ks_sign_key_public(key, &bytes));
    KS_ASSERT(bytes.len == len);
    ks_copy(target, bytes.data, len);
    ks_buf_done(&bytes);
}

/* The P-256 key whose private scalar is 32 times BYTE. */
static EVP_PKEY *p256_key(uint8_t byte)
{
    uint8_t scalar[32];
    uint8_t point[65];
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *public_point = EC_POINT_new(group);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < sizeof scalar; i++) {
        scalar[i] = byte;
    }
    BIGNUM *d = BN_bin2bn(scalar, sizeof scalar, NULL);
    KS_ASSERT(EC_POINT_mul(group, public_point, d, NULL, NULL, NULL) == 1);
    KS_ASSERT(EC_POINT_point2oct(group, public_point, POINT_CONVERSION_UNCOMPRESSED, point,
                                 sizeof point, NULL) == sizeof point);
    KS_ASSERT(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0));
    KS_ASSERT(
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point));
    KS_ASSERT(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d));
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    KS_ASSERT(EVP_PKEY_fromdata_init(context) == 1);
    KS_ASSERT(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) == 1);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    EC_POINT_free(public_point);
    EC_GROUP_free(group);
    BN_free(d);
    return key;
}

static struct ks_cert *root_cert(const struct ks_sign_key *key, uint8_t serial_first)
{
    uint8_t serial[KS_CERT_SERIAL_LEN];
    const struct ks_cert_spec spec = {.role = KS_CERT_ROOT,
                                      .subject = "Lab root",
                                      .not_before_s = FIXTURE_BEGIN_S,
                                      .not_after_s = FIXTURE_END_S + 31536000,
                                      .serial = serial};
    struct ks_cert *cert = NULL;

    for (size_t i = 0; i < sizeof serial; i++) {
        serial[i] = (uint8_t)(serial_first + i);
    }
    OK(ks_cert_issue_root(key, &spec, &cert));
    return cert;
}

struct leaf {
    enum ks_cert_role role;
    const char *subject;
    uint64_t not_after_s;
    uint8_t serial_first;
};

static struct ks_cert *leaf_cert(const struct ks_cert *root, const struct ks_sign_key *root_key,
                                 const struct ks_sign_key *key, struct leaf leaf)
{
    static const char *const dns[] = {"site.example"};
    uint8_t serial[KS_CERT_SERIAL_LEN];
    const bool server = leaf.role == KS_CERT_SERVER;
    const struct ks_cert_spec spec = {.role = leaf.role,
                                      .subject = leaf.subject,
                                      .dns = server ? dns : NULL,
                                      .dns_count = server ? 1 : 0,
                                      .not_before_s = FIXTURE_BEGIN_S,
                                      .not_after_s = leaf.not_after_s,
                                      .serial = serial};
    struct ks_verify_key *public_key = NULL;
    struct ks_cert *cert = NULL;

    for (size_t i = 0; i < sizeof serial; i++) {
        serial[i] = (uint8_t)(leaf.serial_first + i);
    }
    OK(ks_sign_key_verify_key(key, &public_key));
    OK(ks_cert_issue(root, root_key, &spec, public_key, &cert));
    ks_verify_key_free(public_key);
    return cert;
}

/* The device's certificate with a P-256 key put in, signed with that: the profile fits, the
 * algorithms do not. */
static struct ks_cert *classical_cert(const struct ks_cert *pattern)
{
    const uint8_t *at = ks_cert_der(pattern).data;
    X509 *cert = d2i_X509(NULL, &at, (long)ks_cert_der(pattern).len);
    EVP_PKEY *key = p256_key(0x33);
    struct ks_cert *parsed = NULL;
    uint8_t *der = NULL;
    int len = 0;

    KS_ASSERT(X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0);
    len = i2d_X509(cert, &der);
    KS_ASSERT(len > 0);
    OK(ks_cert_parse_der(ks_bytes_of(der, (size_t)len), &parsed));
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(key);
    return parsed;
}

static struct ks_crl *make_crl(const struct fixture_keys *keys, struct ks_bytes serial)
{
    const struct ks_crl_entry entry = {.serial = serial, .revoked_s = FIXTURE_NOW_S - 1000};
    const struct ks_crl_spec spec = {.entries = &entry,
                                     .count = serial.len > 0 ? 1 : 0,
                                     .number = 3,
                                     .this_update_s = FIXTURE_BEGIN_S,
                                     .next_update_s = FIXTURE_END_S};
    struct ks_crl *crl = NULL;

    OK(ks_crl_issue(keys->root_cert, keys->root, &spec, &crl));
    return crl;
}

void fixture_keys_make(struct fixture_keys *keys)
{
    struct ks_sign_key *weak = fixture_sign_key(KS_SIG_MLDSA44, 0x15);
    const struct leaf device = {KS_CERT_DEVICE, FIXTURE_DEVICE, FIXTURE_END_S, 0x10};
    const struct leaf expired = {KS_CERT_DEVICE, FIXTURE_DEVICE, FIXTURE_NOW_S - 1, 0x20};
    const struct leaf renamed = {KS_CERT_DEVICE, "sensor-8", FIXTURE_END_S, 0x30};
    const struct leaf server = {KS_CERT_SERVER, FIXTURE_DEVICE, FIXTURE_END_S, 0x40};
    const struct leaf operator_leaf = {KS_CERT_OPERATOR, FIXTURE_OPERATOR, FIXTURE_END_S, 0x70};

    *keys = (struct fixture_keys){
        .root = fixture_sign_key(KS_SIG_SLHDSA_SHA2_128S, 0x01),
        .other_root = fixture_sign_key(KS_SIG_SLHDSA_SHA2_128S, 0x81),
        .device = fixture_sign_key(KS_SIG_MLDSA65, 0x11),
        .other_device = fixture_sign_key(KS_SIG_MLDSA65, 0x12),
        .operator_key = fixture_sign_key(KS_SIG_MLDSA65, 0x13),
        .ed25519 = fixture_sign_key(KS_SIG_ED25519, 0x21),
        .mldsa65 = fixture_sign_key(KS_SIG_MLDSA65, 0x22),
        .note_ed25519 = fixture_sign_key(KS_SIG_ED25519, 0x23),
        .note_mldsa44 = fixture_sign_key(KS_SIG_MLDSA44, 0x24),
        .other_ed25519 = fixture_sign_key(KS_SIG_ED25519, 0x31),
        .other_mldsa65 = fixture_sign_key(KS_SIG_MLDSA65, 0x32),
        .other_mldsa44 = fixture_sign_key(KS_SIG_MLDSA44, 0x34),
        .ak = p256_key(0x44),
        .other_ak = p256_key(0x45),
    };
    keys->root_cert = root_cert(keys->root, 0x50);
    keys->other_root_cert = root_cert(keys->other_root, 0x60);
    keys->device_cert = leaf_cert(keys->root_cert, keys->root, keys->device, device);
    keys->foreign_cert =
        leaf_cert(keys->other_root_cert, keys->other_root, keys->device, device);
    keys->expired_cert = leaf_cert(keys->root_cert, keys->root, keys->device, expired);
    keys->renamed_cert = leaf_cert(keys->root_cert, keys->root, keys->device, renamed);
    keys->operator_cert =
        leaf_cert(keys->root_cert, keys->root, keys->operator_key, operator_leaf);
    keys->server_cert = leaf_cert(keys->root_cert, keys->root, keys->device, server);
    keys->weak_cert = leaf_cert(keys->root_cert, keys->root, weak, device);
    keys->classical_cert = classical_cert(keys->device_cert);
    keys->crl = make_crl(keys, (struct ks_bytes){0});
    keys->crl_lists = make_crl(keys, ks_cert_serial(keys->device_cert));
    ks_sign_key_free(weak);
}

void fixture_keys_free(struct fixture_keys *keys)
{
    struct ks_sign_key *sign_keys[] = {
        keys->root,          keys->other_root,    keys->device,        keys->other_device,
        keys->ed25519,       keys->mldsa65,       keys->note_ed25519,  keys->note_mldsa44,
        keys->other_ed25519, keys->other_mldsa65, keys->other_mldsa44, keys->operator_key};
    struct ks_cert *certs[] = {keys->root_cert,    keys->other_root_cert, keys->device_cert,
                               keys->foreign_cert, keys->expired_cert,    keys->renamed_cert,
                               keys->server_cert,  keys->weak_cert,       keys->classical_cert,
                               keys->operator_cert};

    for (size_t i = 0; i < sizeof sign_keys / sizeof sign_keys[0]; i++) {
        ks_sign_key_free(sign_keys[i]);
    }
    for (size_t i = 0; i < sizeof certs / sizeof certs[0]; i++) {
        ks_cert_free(certs[i]);
    }
    ks_crl_free(keys->crl);
    ks_crl_free(keys->crl_lists);
    EVP_PKEY_free(keys->ak);
    EVP_PKEY_free(keys->other_ak);
    *keys = (struct fixture_keys){0};
}

/* --- a TPM, by hand ----------------------------------------------------------------------- */

void fixture_ak_public(EVP_PKEY *key, uint32_t attributes, struct ks_buf *out)
{
    uint8_t point[65];
    size_t len = 0;

    KS_ASSERT(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                              &len) == 1 &&
              len == sizeof point);
    ks_buf_put_u16(out, 0x0023);                /* type: ECC */
    ks_buf_put_u16(out, 0x000b);                /* nameAlg: SHA-256 */
    ks_buf_put_u32(out, attributes);            /* objectAttributes */
    ks_buf_put_lp16(out, (struct ks_bytes){0}); /* authPolicy */
    ks_buf_put_u16(out, 0x0010);                /* symmetric: null */
    ks_buf_put_u16(out, 0x0018);                /* scheme: ECDSA */
    ks_buf_put_u16(out, 0x000b);                /* … with SHA-256 */
    ks_buf_put_u16(out, 0x0003);                /* curve: P-256 */
    ks_buf_put_u16(out, 0x0010);                /* kdf: null */
    ks_buf_put_lp16(out, ks_bytes_of(point + 1, 32));
    ks_buf_put_lp16(out, ks_bytes_of(point + 33, 32));
    OK(ks_buf_check(out));
}

/* TPM2 part 1 §26.5: the name below the endorsement hierarchy. */
static void qualified_name(struct ks_bytes public_area, uint8_t out_name[KS_AK_NAME_LEN])
{
    uint8_t bytes[4 + KS_AK_NAME_LEN] = {0x40, 0x00, 0x00, 0x0b, 0x00, 0x0b};

    ks_sha256(public_area, bytes + 6);
    out_name[0] = 0x00;
    out_name[1] = 0x0b;
    ks_sha256(KS_BYTES(bytes), out_name + 2);
}

void fixture_attest_write(const struct fixture_quote *quote, struct ks_buf *out)
{
    ks_buf_put_u32(out, quote->magic);
    ks_buf_put_u16(out, 0x8018); /* quote */
    ks_buf_put_lp16(out, KS_BYTES(quote->signer));
    ks_buf_put_lp16(out, KS_BYTES(quote->extra));
    ks_buf_put_u64(out, quote->clock_ms);
    ks_buf_put_u32(out, quote->resets);
    ks_buf_put_u32(out, quote->restarts);
    ks_buf_put_u8(out, 1); /* safe */
    ks_buf_put_u64(out, UINT64_C(0x2024012500120000));
    ks_buf_put_u32(out, 1); /* banks */
    ks_buf_put_u16(out, 0x000b);
    ks_buf_put_u8(out, 3);
    ks_buf_put_u8(out, (uint8_t)quote->pcr_mask);
    ks_buf_put_u8(out, (uint8_t)(quote->pcr_mask >> 8));
    ks_buf_put_u8(out, (uint8_t)(quote->pcr_mask >> 16));
    ks_buf_put_lp16(out, KS_BYTES(quote->pcr_digest));
    OK(ks_buf_check(out));
}

void fixture_attest_sign(EVP_PKEY *key, struct ks_bytes attest, struct ks_buf *out)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    uint8_t digest[32];
    uint8_t der[128];
    uint8_t number[32];
    size_t len = sizeof der;
    const uint8_t *at = der;

    ks_sha256(attest, digest);
    KS_ASSERT(EVP_PKEY_sign_init(context) == 1);
    KS_ASSERT(EVP_PKEY_sign(context, der, &len, digest, sizeof digest) == 1);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    KS_ASSERT(signature != NULL);
    ks_buf_put_u16(out, 0x0018);
    ks_buf_put_u16(out, 0x000b);
    KS_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(signature), number, sizeof number) == 32);
    ks_buf_put_lp16(out, KS_BYTES(number));
    KS_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_s(signature), number, sizeof number) == 32);
    ks_buf_put_lp16(out, KS_BYTES(number));
    OK(ks_buf_check(out));
    ECDSA_SIG_free(signature);
    EVP_PKEY_CTX_free(context);
}

/* --- the record --------------------------------------------------------------------------- */

static void fill(uint8_t *target, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)(first + i);
    }
}

void fixture_set(struct ks_buf *buf, struct ks_bytes bytes)
{
    ks_buf_clear(buf);
    ks_buf_put(buf, bytes);
    OK(ks_buf_check(buf));
}

void fixture_replace(struct ks_buf *buf, const char *old, const char *fresh)
{
    struct ks_buf changed;
    const uint8_t *at = memmem(buf->data, buf->len, old, strlen(old));

    KS_ASSERT(at != NULL);
    ks_buf_init(&changed, buf->max);
    ks_buf_put(&changed, ks_bytes_of(buf->data, (size_t)(at - buf->data)));
    ks_buf_put_text(&changed, fresh);
    at += strlen(old);
    ks_buf_put(&changed, ks_bytes_of(at, (size_t)(buf->data + buf->len - at)));
    fixture_set(buf, ks_buf_view(&changed));
    ks_buf_done(&changed);
}

struct ks_policy *fixture_policy(const struct fixture *fixture)
{
    struct ks_bytes text = ks_buf_view(&fixture->policy);
    struct ks_policy *policy = NULL;

    OK(ks_policy_read(&text, &policy));
    return policy;
}

static void begin_site(struct fixture *fixture)
{
    const struct fixture_keys *keys = fixture->keys;
    struct ks_site *site = &fixture->site;
    struct ks_buf ak;
    uint8_t digest[32];

    ks_buf_init(&ak, KS_AK_PUBLIC_MAX);
    fixture_ak_public(keys->ak, FIXTURE_AK_ATTRIBUTES, &ak);
    ks_copy(site->origin, FIXTURE_ORIGIN, strlen(FIXTURE_ORIGIN));
    site->simulated_tpm = true;
    ks_copy(site->ak, ak.data, ak.len);
    site->ak_len = ak.len;
    fixture_public(keys->ed25519, site->ed25519, sizeof site->ed25519);
    fixture_public(keys->mldsa65, site->mldsa65, sizeof site->mldsa65);
    fixture_public(keys->note_ed25519, site->note_ed25519, sizeof site->note_ed25519);
    fixture_public(keys->note_mldsa44, site->note_mldsa44, sizeof site->note_mldsa44);
    ks_event_log_init(&fixture->log, KS_LAUNCH_PCR, NULL);
    fill(digest, sizeof digest, 0x61);
    OK(ks_event_log_add(&fixture->log, "ketseal-enclave", digest));
    fill(digest, sizeof digest, 0x62);
    OK(ks_event_log_add(&fixture->log, "ketseal-worker", digest));
    fill(digest, sizeof digest, 0x63);
    OK(ks_event_log_add(&fixture->log, "libcrypto.so.3", digest));
    site->event_log = fixture->log;
    ks_buf_done(&ak);
}

static void begin(struct fixture *fixture)
{
    static const char source[] = "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[2];\n"
                                 "creg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n";
    struct ks_core *core = &fixture->core;

    fixture->job = (struct ks_job){.schema = 1,
                                   .source = ks_bytes_text(source),
                                   .shots = 1000,
                                   .seed = 7,
                                   .method = KS_METHOD_STATEVECTOR,
                                   .cutoff = KS_CUTOFF_UNSAID};
    fixture->submission = (struct ks_submission){
        .counter = 41,
        .created_us = FIXTURE_NOW_S * 1000000,
        .device = KS_LITERAL(FIXTURE_DEVICE),
        .key_id = KS_LITERAL("0102030405060708.0000000000000002.17"),
        .site = KS_LITERAL(FIXTURE_ORIGIN),
    };
    fill(fixture->submission.channel, sizeof fixture->submission.channel, 0xc1);
    fill(fixture->submission.nonce, sizeof fixture->submission.nonce, 0xd1);
    fixture_set(&fixture->parameters, KS_LITERAL("{}"));
    fixture_set(&fixture->result, KS_LITERAL("{\"00\":493,\"11\":507}"));
    *core = (struct ks_core){
        .schema = KS_RECORD_SCHEMA_CIRCUIT,
        .name = KS_LITERAL("openqasm2"),
        .qubits = 2,
        .clbits = 2,
        .seed = fixture->job.seed,
        .shots = fixture->job.shots,
        .isa = KS_LITERAL("avx2"),
        .threads = 1,
        .numerics = 1,
        .facts = {.method = KS_METHOD_STATEVECTOR},
        .started_us = STARTED_US,
        .finished_us = FINISHED_US,
        .record_id = "3f2b8f0e-5d5a-4c39-9a43-0c6d1b2a7e10",
        .created_us = FINISHED_US,
        .simulated_tpm = true,
    };
    fill(core->circuit_hash, sizeof core->circuit_hash, 0x71);
    fixture->batch_size = 3;
    fixture->batch_index = 1;
    begin_site(fixture);
    ks_copy(core->build, ks_event_log_find(&fixture->log, "ketseal-worker"),
            sizeof core->build);
}

static const struct ks_fl_plan_rule fixture_rule = {
    .aggregate = WORD("mean"), .server = WORD("fedavg"), .bound = 2.5, .rate = 1};

/* What both kinds of records of federated learning have. */
static void begin_fl(struct fixture *fixture)
{
    struct ks_core *core = &fixture->core;
    struct ks_core_fl *fl = &core->fl;
    uint8_t digest[32];

    fill(digest, sizeof digest, 0x67);
    OK(ks_event_log_add(&fixture->log, KS_LAUNCH_WORKER_FL, digest));
    fixture->site.event_log = fixture->log;
    ks_copy(core->build, digest, sizeof core->build);
    core->schema = KS_RECORD_SCHEMA_FL;
    core->qubits = core->clbits = 0;
    core->seed = core->shots = 0;
    core->facts = (struct ks_simulate_facts){0};
    ks_zero(core->circuit_hash, sizeof core->circuit_hash);
    fl->round = 2;
    fl->params = 61706;
    fill(fl->session, sizeof fl->session, 0x81);
    fill(fl->parent, sizeof fl->parent, 0x82);
    fill(fl->shape, sizeof fl->shape, 0x83);
    fill(fl->descriptor, sizeof fl->descriptor, 0x84);
    ks_buf_clear(&fixture->parameters);
    ks_fl_plan_rule_write(&fixture_rule, &fixture->parameters);
    OK(ks_buf_check(&fixture->parameters));
}

void fixture_begin_update(struct fixture *fixture)
{
    struct ks_core_fl *fl = &fixture->core.fl;
    struct ks_job_update *update = &fixture->job.update;
    struct ks_update_result result = {
        .norm = 1.25, .suspicion = 0.5, .reason = KS_LITERAL("none")};

    begin_fl(fixture);
    fixture->core.kind = KS_KIND_UPDATE;
    fixture->core.name = KS_LITERAL("fl.update");
    fixture->job = (struct ks_job){.schema = 4, .kind = KS_KIND_UPDATE};
    *update = (struct ks_job_update){.round = fl->round,
                                     .encoding = KS_LITERAL("f32"),
                                     .samples = 600,
                                     .loss = 0.125,
                                     .steps = 300,
                                     .length = 247000};
    ks_copy(update->session, fl->session, sizeof update->session);
    ks_copy(update->parent, fl->parent, sizeof update->parent);
    fill(update->sealed, sizeof update->sealed, 0x86);
    fl->encoding = update->encoding;
    fl->samples = update->samples;
    fl->length = update->length;
    ks_copy(fl->sealed, update->sealed, sizeof fl->sealed);
    fill(result.update, sizeof result.update, 0x87);
    ks_buf_clear(&fixture->result);
    ks_update_result_write(&result, &fixture->result);
    OK(ks_buf_check(&fixture->result));
}

void fixture_begin_round(struct fixture *fixture)
{
    static struct ks_bytes devices[] = {WORD("sensor-7"), WORD("sensor-8")};
    struct ks_core_fl *fl = &fixture->core.fl;
    struct ks_fl_order *order = &fixture->order;
    struct ks_round_result result = {.outcome = KS_LITERAL("completed"),
                                     .completed = true,
                                     .count = 2,
                                     .samples = 1200,
                                     .loss = 0.25};
    uint8_t hashes[2][32];

    begin_fl(fixture);
    fixture->core.kind = KS_KIND_ROUND;
    fixture->core.name = KS_LITERAL("fl.round");
    fl->round = 1;
    fixture->certificate = fixture->keys->operator_cert;
    fixture->submission_key = fixture->keys->operator_key;
    *order = (struct ks_fl_order){
        .created_us = FIXTURE_NOW_S * 1000000,
        .site = KS_LITERAL(FIXTURE_ORIGIN),
        .verb = KS_FL_VERB_CREATE,
        .plan = {.devices = {devices, 2},
                 .model = KS_LITERAL("lenet5"),
                 .params = fl->params,
                 .seed = 3,
                 .rounds = 5,
                 .invited = 2,
                 .wanted = 2,
                 .updates_min = 1,
                 .samples_max = 100000,
                 .prepare_s = 60,
                 .train_s = 600,
                 .local = {.encoding = KS_LITERAL("f32"),
                           .optimiser = KS_LITERAL("sgd"),
                           .batch = 10,
                           .epochs = 5,
                           .rate = 0.1},
                 .rule = fixture_rule},
    };
    fill(order->channel, sizeof order->channel, 0xc2);
    ks_copy(order->session, fl->session, sizeof order->session);
    ks_copy(order->plan.parent, fl->parent, sizeof order->plan.parent);
    ks_copy(order->plan.shape, fl->shape, sizeof order->plan.shape);
    fill(hashes[0], sizeof hashes[0], 0x01);
    fill(hashes[1], sizeof hashes[1], 0x02);
    ks_round_updates_digest(hashes[0], 2, result.updates);
    fill(result.list, sizeof result.list, 0x89);
    fill(result.model, sizeof result.model, 0x88);
    ks_buf_clear(&fixture->result);
    ks_round_result_write(&result, &fixture->result);
    OK(ks_buf_check(&fixture->result));
}

/* The order's body and signature, out of the signed document. */
static void make_order(struct fixture *fixture, fixture_change change)
{
    static const struct ks_json_limits limits = {.len_max = BUF_MAX, .nodes_max = 256};
    struct ks_buf document;
    struct ks_json_doc *doc = NULL;

    change(fixture, FIXTURE_SUBMISSION);
    ks_buf_init(&document, BUF_MAX);
    OK(ks_fl_order_write(&fixture->order, fixture->submission_key, &document));
    OK(ks_json_parse_canonical(ks_buf_view(&document), &limits, &doc));
    ks_json_canonical(ks_json_find(ks_json_root(doc), "body"), &fixture->order_bytes);
    OK(ks_json_get_base64(ks_json_root(doc), "signature", &fixture->submission_signature));
    OK(ks_buf_check(&fixture->order_bytes));
    ks_json_doc_free(doc);
    ks_buf_done(&document);
    change(fixture, FIXTURE_SIGNED);
}

static void make_submission(struct fixture *fixture, fixture_change change)
{
    struct ks_submission *submission = &fixture->submission;

    if (fixture->core.kind == KS_KIND_ROUND) {
        make_order(fixture, change);
        return;
    }
    ks_job_write(&fixture->job, &fixture->job_bytes);
    OK(ks_buf_check(&fixture->job_bytes));
    ks_sha256(ks_buf_view(&fixture->job_bytes), submission->job);
    change(fixture, FIXTURE_SUBMISSION);
    ks_submission_write(submission, &fixture->submission_bytes);
    OK(ks_buf_check(&fixture->submission_bytes));
    OK(ks_sign(fixture->submission_key, KS_CONTEXT_SUBMISSION,
               ks_buf_view(&fixture->submission_bytes), &fixture->submission_signature));
    change(fixture, FIXTURE_SIGNED);
}

/* Entries 0, 1 and 3 are of others, 2 is our intent, 4 our record, 5 came later. */
static void make_intents(struct fixture *fixture)
{
    uint8_t job[32];
    uint8_t submission[32];

    fixture->entry_count = 6;
    fixture->intent_at = 2;
    fixture->record_at = 4;
    for (size_t i = 0; i < fixture->entry_count; i++) {
        fill(job, sizeof job, (uint8_t)(0x10 * i));
        fill(submission, sizeof submission, (uint8_t)(0x10 * i + 1));
        ks_entry_intent_write(i, KS_LITERAL("sensor-1"), job, submission, &fixture->entries[i]);
    }
}

/* What the core says of job and submission. */
static void fill_request(struct fixture *fixture)
{
    struct ks_core *core = &fixture->core;
    const struct ks_submission *submission = &fixture->submission;
    struct ks_buf program;

    if (fixture->job.kind == KS_KIND_CIRCUIT) {
        ks_buf_init(&program, KS_JOB_BYTES_MAX);
        ks_job_program_write(&fixture->job, &program);
        OK(ks_buf_check(&program));
        ks_sha256(ks_buf_view(&program), core->source_digest);
        ks_buf_done(&program);
    }
    core->device = submission->device;
    core->key_id = submission->key_id;
    ks_copy(core->channel, submission->channel, sizeof core->channel);
    core->counter = submission->counter;
    ks_copy(core->job, submission->job, sizeof core->job);
    ks_sha256(ks_buf_view(&fixture->submission_bytes), core->submission);
    ks_sha256(ks_buf_view(&fixture->submission_signature), core->submission_signature);
}

static void make_core(struct fixture *fixture, fixture_change change)
{
    struct ks_core *core = &fixture->core;
    uint8_t leaves[QUOTED_BEFORE][KS_MERKLE_LEN];

    make_intents(fixture);
    for (size_t i = 0; i < QUOTED_BEFORE; i++) {
        ks_merkle_leaf(ks_buf_view(&fixture->entries[i]), leaves[i]);
    }
    OK(ks_merkle_root_of(leaves[0], QUOTED_BEFORE, core->checkpoint_root));
    core->checkpoint_size = QUOTED_BEFORE;
    core->intent_index = fixture->intent_at;
    core->parameters = ks_buf_view(&fixture->parameters);
    core->result = ks_buf_view(&fixture->result);
    core->origin = KS_LITERAL(FIXTURE_ORIGIN);
    ks_event_log_write(&fixture->log, &fixture->log_bytes);
    OK(ks_buf_check(&fixture->log_bytes));
    ks_sha256(ks_buf_view(&fixture->log_bytes), core->event_log);
    if (core->kind == KS_KIND_ROUND) {
        core->device = KS_LITERAL(FIXTURE_OPERATOR);
        ks_sha256(ks_buf_view(&fixture->order_bytes), core->fl.order);
        ks_sha256(ks_buf_view(&fixture->submission_signature), core->fl.order_signature);
    } else {
        fill_request(fixture);
    }
    change(fixture, FIXTURE_CORE);
    ks_core_write(core, &fixture->core_bytes);
    OK(ks_buf_check(&fixture->core_bytes));
    change(fixture, FIXTURE_WRITTEN);
    ks_sha256(ks_buf_view(&fixture->core_bytes), fixture->core_hash);
}

static void make_quote(struct fixture *fixture, fixture_change change)
{
    struct fixture_quote *quote = &fixture->quote;
    uint8_t leaves[BATCH_MAX][KS_MERKLE_LEN];
    uint8_t root[KS_MERKLE_LEN];
    uint8_t pcr[KS_PCR_DIGEST_LEN];

    KS_ASSERT(fixture->batch_size <= BATCH_MAX);
    for (size_t i = 0; i < fixture->batch_size; i++) {
        fill(root, sizeof root, (uint8_t)(0x20 * i)); /* H of another record */
        ks_merkle_leaf(i == fixture->batch_index ? KS_BYTES(fixture->core_hash)
                                                 : KS_BYTES(root),
                       leaves[i]);
    }
    OK(ks_merkle_root_of(leaves[0], fixture->batch_size, root));
    *quote = (struct fixture_quote){.key = fixture->keys->ak,
                                    .magic = 0xff544347,
                                    .clock_ms = 123456,
                                    .resets = 4,
                                    .pcr_mask = 1U << KS_LAUNCH_PCR};
    qualified_name(ks_bytes_of(fixture->site.ak, fixture->site.ak_len), quote->signer);
    ks_quote_extra_data(fixture->batch_size, root, quote->extra);
    ks_event_log_replay(&fixture->log, pcr);
    ks_sha256(KS_BYTES(pcr), quote->pcr_digest);
    fixture->start = *quote;
    fixture->start.clock_ms = 100000;
    ks_quote_start_data(QUOTED_BEFORE, fixture->core.checkpoint_root, fixture->start.extra);
    change(fixture, FIXTURE_QUOTE);
    fixture_attest_write(quote, &fixture->attest);
    fixture_attest_sign(quote->key, ks_buf_view(&fixture->attest), &fixture->quote_signature);
    fixture_attest_write(&fixture->start, &fixture->start_attest);
    fixture_attest_sign(fixture->start.key, ks_buf_view(&fixture->start_attest),
                        &fixture->start_signature);
    fixture->evidence = (struct ks_evidence){
        .device_certificate = ks_cert_der(fixture->certificate),
        .event_log = ks_buf_view(&fixture->log_bytes),
        .job = ks_buf_view(&fixture->job_bytes),
        .submission = ks_buf_view(&fixture->submission_bytes),
        .order = ks_buf_view(&fixture->order_bytes),
        .signature = ks_buf_view(&fixture->submission_signature),
        .quote = {.attest = ks_buf_view(&fixture->attest),
                  .signature = ks_buf_view(&fixture->quote_signature),
                  .size = fixture->batch_size,
                  .index = fixture->batch_index},
    };
    OK(ks_merkle_path(leaves[0], fixture->batch_size, fixture->batch_index,
                      &fixture->evidence.quote.path));
    if (fixture->core.schema > 1) {
        fixture->evidence.start.attest = ks_buf_view(&fixture->start_attest);
        fixture->evidence.start.signature = ks_buf_view(&fixture->start_signature);
    }
    change(fixture, FIXTURE_EVIDENCE);
}

static void make_ledger(struct fixture *fixture, fixture_change change)
{
    const struct ks_core *core = &fixture->core;
    uint8_t leaves[FIXTURE_ENTRIES_MAX][KS_MERKLE_LEN];
    const struct ks_note_signer signers[] = {
        {KS_LITERAL(FIXTURE_ORIGIN), KS_NOTE_ED25519, fixture->note_ed25519},
        {KS_LITERAL(FIXTURE_ORIGIN), KS_NOTE_COSIGNED_MLDSA44, fixture->note_mldsa44},
    };

    ks_buf_clear(&fixture->entries[fixture->intent_at]);
    if (core->kind == KS_KIND_ROUND) {
        ks_entry_round_write(core->fl.session, core->fl.round, core->fl.descriptor,
                             &fixture->entries[fixture->intent_at]);
    } else {
        ks_entry_intent_write(core->counter, core->device, core->job, core->submission,
                              &fixture->entries[fixture->intent_at]);
    }
    fixture_set(&fixture->entries[fixture->record_at], ks_buf_view(&fixture->entry));
    change(fixture, FIXTURE_LEDGER);
    for (size_t i = 0; i < fixture->entry_count; i++) {
        ks_merkle_leaf(ks_buf_view(&fixture->entries[i]), leaves[i]);
    }
    fixture->checkpoint = (struct ks_checkpoint){.origin = KS_LITERAL(FIXTURE_ORIGIN),
                                                 .size = fixture->entry_count};
    OK(ks_merkle_root_of(leaves[0], fixture->entry_count, fixture->checkpoint.root));
    OK(ks_checkpoint_sign(&fixture->checkpoint, signers, 2, FIXTURE_NOW_S + 1, &fixture->note));
    change(fixture, FIXTURE_CHECKPOINT);
    fixture->inclusion = (struct ks_inclusion){.index = fixture->record_at};
    OK(ks_merkle_path(leaves[0], fixture->entry_count, fixture->record_at,
                      &fixture->inclusion.path));
    OK(ks_merkle_path(leaves[0], fixture->entry_count, fixture->intent_at,
                      &fixture->inclusion.intent_path));
    change(fixture, FIXTURE_INCLUSION);
    fixture->inclusion.checkpoint = ks_buf_view(&fixture->note);
}

static void make_policy(struct fixture *fixture)
{
    struct ks_buf crl;

    ks_buf_init(&crl, KS_CRL_PEM_MAX);
    if (fixture->policy_crl != NULL) {
        ks_crl_to_pem(fixture->policy_crl, &crl);
    }
    OK(ks_buf_check(&crl));
    ks_policy_write(&(struct ks_policy_spec){.root = fixture->policy_root,
                                             .crl_pem = ks_buf_view(&crl),
                                             .site = &fixture->site,
                                             .accept_simulated_tpm = fixture->accept_simulated,
                                             .witnesses = fixture->policy_witnesses,
                                             .anchor = fixture->policy_anchor,
                                             .stamps = fixture->policy_stamps},
                    &fixture->policy);
    OK(ks_buf_check(&fixture->policy));
    ks_buf_done(&crl);
}

static struct ks_buf *buffer(struct fixture *fixture, size_t index)
{
    struct ks_buf *all[] = {
        &fixture->job_bytes,      &fixture->submission_bytes, &fixture->submission_signature,
        &fixture->parameters,     &fixture->result,           &fixture->log_bytes,
        &fixture->core_bytes,     &fixture->attest,           &fixture->quote_signature,
        &fixture->evidence_bytes, &fixture->record,           &fixture->entry,
        &fixture->note,           &fixture->bundle,           &fixture->policy,
        &fixture->start_attest,   &fixture->start_signature,  &fixture->anchor,
        &fixture->timestamp,      &fixture->order_bytes,
    };
    const size_t count = sizeof all / sizeof all[0];

    if (index < count) {
        return all[index];
    }
    return index - count < FIXTURE_ENTRIES_MAX ? &fixture->entries[index - count] : NULL;
}

static void change_nothing(struct fixture *fixture, enum fixture_step step)
{
    (void)fixture;
    (void)step;
}

void fixture_make(struct fixture *fixture, const struct fixture_keys *keys,
                  fixture_change change)
{
    change = change == NULL ? change_nothing : change;
    *fixture = (struct fixture){
        .keys = keys,
        .submission_key = keys->device,
        .record_ed25519 = keys->ed25519,
        .record_mldsa65 = keys->mldsa65,
        .note_ed25519 = keys->note_ed25519,
        .note_mldsa44 = keys->note_mldsa44,
        .certificate = keys->device_cert,
        .policy_root = keys->root_cert,
        .policy_crl = keys->crl,
        .accept_simulated = true,
    };
    for (size_t i = 0; buffer(fixture, i) != NULL; i++) {
        ks_buf_init(buffer(fixture, i), BUF_MAX);
    }
    begin(fixture);
    change(fixture, FIXTURE_BEGIN);
    make_submission(fixture, change);
    make_core(fixture, change);
    make_quote(fixture, change);
    ks_evidence_write(&fixture->evidence, &fixture->evidence_bytes);
    OK(ks_buf_check(&fixture->evidence_bytes));
    OK(ks_record_seal(&fixture->core, ks_buf_view(&fixture->core_bytes),
                      ks_buf_view(&fixture->evidence_bytes), fixture->record_ed25519,
                      fixture->record_mldsa65, &fixture->record, &fixture->entry));
    change(fixture, FIXTURE_SEALED);
    make_ledger(fixture, change);
    ks_bundle_write(
        &(const struct ks_bundle_parts){.record = ks_buf_view(&fixture->record),
                                        .inclusion = &fixture->inclusion,
                                        .anchor = ks_buf_view(&fixture->anchor),
                                        .timestamp = ks_buf_view(&fixture->timestamp)},
        &fixture->bundle);
    OK(ks_buf_check(&fixture->bundle));
    make_policy(fixture);
    change(fixture, FIXTURE_BUNDLE);
}

void fixture_free(struct fixture *fixture)
{
    for (size_t i = 0; buffer(fixture, i) != NULL; i++) {
        ks_buf_done(buffer(fixture, i));
    }
}
