/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enrol_fixture.h"

#include <string.h>

#define OK(call) KS_ASSERT((call) == KS_OK)

#define BEGIN_S UINT64_C(1767225600) /* 2026-01-01T00:00:00Z */
#define END_S   UINT64_C(1798761599) /* 2026-12-31T23:59:59Z */

static void fill(uint8_t *target, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) {
        target[i] = (uint8_t)(first + i);
    }
}

/* At most what it may hold. */
static void fill_buf(struct ks_buf *buf, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len && i < buf->max; i++) {
        ks_buf_put_u8(buf, (uint8_t)(first + i));
    }
    OK(ks_buf_check(buf));
}

static struct ks_sign_key *key_from(enum ks_sig_alg alg, uint8_t first)
{
    uint8_t seed[32];
    struct ks_sign_key *key = NULL;

    fill(seed, sizeof seed, first);
    OK(ks_sign_key_from_seed(alg, KS_BYTES(seed), &key));
    return key;
}

static void make_operator(struct enrol_fixture *fixture)
{
    const struct ks_cert_spec root = {.role = KS_CERT_ROOT,
                                      .subject = "Lab root",
                                      .not_before_s = BEGIN_S,
                                      .not_after_s = END_S};
    const struct ks_cert_spec leaf = {.role = KS_CERT_OPERATOR,
                                      .subject = "alice",
                                      .not_before_s = BEGIN_S,
                                      .not_after_s = END_S};

    fixture->root_key = key_from(KS_SIG_MLDSA44, 0x01);
    fixture->operator_key = key_from(KS_SIG_MLDSA44, 0x02);
    fixture->device_key = key_from(KS_SIG_MLDSA65, 0x03);
    OK(ks_sign_key_verify_key(fixture->operator_key, &fixture->operator_public));
    OK(ks_cert_issue_root(fixture->root_key, &root, &fixture->root));
    OK(ks_cert_issue(fixture->root, fixture->root_key, &leaf, fixture->operator_public,
                     &fixture->operator_cert));
    ks_cert_to_pem(fixture->root, &fixture->root_pem);
    OK(ks_buf_check(&fixture->root_pem));
}

static void make_site(struct enrol_fixture *fixture)
{
    struct ks_site *site = &fixture->site;
    uint8_t digest[32];

    ks_copy(site->origin, ENROL_SITE, sizeof ENROL_SITE);
    site->simulated_tpm = true;
    site->ak_len = 90;
    fill(site->ak, site->ak_len, 0x10);
    fill(site->ed25519, sizeof site->ed25519, 0x11);
    fill(site->mldsa65, sizeof site->mldsa65, 0x12);
    fill(site->note_ed25519, sizeof site->note_ed25519, 0x13);
    fill(site->note_mldsa44, sizeof site->note_mldsa44, 0x14);
    ks_event_log_init(&site->event_log, KS_LAUNCH_PCR, NULL);
    fill(digest, sizeof digest, 0x15);
    OK(ks_event_log_add(&site->event_log, KS_LAUNCH_ENCLAVE, digest));
    ks_site_write(site, &fixture->site_document);
    OK(ks_buf_check(&fixture->site_document));
}

struct ks_token_spec enrol_fixture_token(const struct enrol_fixture *fixture)
{
    return (struct ks_token_spec){
        .device = KS_LITERAL(ENROL_DEVICE),
        .site_document = ks_buf_view(&fixture->site_document),
        .root_pem = ks_buf_view(&fixture->root_pem),
        .url = KS_LITERAL("https://site.example:8444"),
        .service = KS_LITERAL("https://site.example:8443"),
        .expires_us = ENROL_NOW_US + UINT64_C(3600000000),
        .id = fixture->token_id,
        .seed = fixture->token_seed,
        .operator_cert = fixture->operator_cert,
        .operator_key = fixture->operator_key,
    };
}

void enrol_fixture_enrol(size_t len, struct ks_enrol *out_enrol)
{
    ks_enrol_init(out_enrol);
    fill(out_enrol->channel, sizeof out_enrol->channel, 0x30);
    fill(out_enrol->nonce, sizeof out_enrol->nonce, 0x31);
    out_enrol->device = KS_LITERAL(ENROL_DEVICE);
    fill_buf(&out_enrol->ak, len, 0x32);
    fill_buf(&out_enrol->ek, len, 0x33);
    fill_buf(&out_enrol->ek_certificate, len, 0x34);
    out_enrol->ek_chain_count = len % (KS_ENROL_CHAIN_MAX + 1);
    for (size_t i = 0; i < out_enrol->ek_chain_count; i++) {
        fill_buf(&out_enrol->ek_chain[i], len, (uint8_t)(0x35 + i));
    }
}

void enrol_fixture_challenge(size_t len, struct ks_challenge *out_challenge)
{
    ks_challenge_init(out_challenge);
    fill_buf(&out_challenge->id_object, len, 0x40);
    fill_buf(&out_challenge->encrypted_secret, len, 0x41);
    fill(out_challenge->nonce, sizeof out_challenge->nonce, 0x42);
    fill(out_challenge->session, sizeof out_challenge->session, 0x43);
    out_challenge->pcr_mask = 0x4083;
}

void enrol_fixture_platform(size_t len, struct ks_platform *out_platform)
{
    ks_platform_init(out_platform);
    out_platform->pcr_mask = 0x4003;
    fill(out_platform->pcr_values[0], (size_t)3 * KS_PCR_DIGEST_LEN, 0x50);
    fill_buf(&out_platform->attest, len, 0x51);
    fill_buf(&out_platform->signature, len, 0x52);
    fill_buf(&out_platform->tcg_log, len, 0x53);
    fill_buf(&out_platform->ima_log, len, 0x54);
    if (len % 2 == 1) {
        ks_buf_put_text(&out_platform->launch_log, "{}");
    }
}

void enrol_fixture_finish(const struct enrol_fixture *fixture, size_t len,
                          struct ks_finish *out_finish)
{
    struct ks_csr *csr = &out_finish->csr;
    struct ks_buf public_key;

    ks_finish_init(out_finish);
    ks_platform_done(&out_finish->platform);
    enrol_fixture_platform(len, &out_finish->platform);
    fill(out_finish->proof, sizeof out_finish->proof, 0x60);
    fill(csr->channel, sizeof csr->channel, 0x61);
    fill(csr->kem, sizeof csr->kem, 0x62);
    fill(csr->session, sizeof csr->session, 0x63);
    csr->device = KS_LITERAL(ENROL_DEVICE);
    ks_buf_init(&public_key, sizeof csr->key);
    OK(ks_sign_key_public(fixture->device_key, &public_key));
    ks_copy(csr->key, public_key.data, sizeof csr->key);
    ks_buf_done(&public_key);
}

struct ks_order enrol_fixture_order(void)
{
    struct ks_order order = {
        .created_us = ENROL_NOW_US,
        .device = KS_LITERAL(ENROL_DEVICE),
        .reason = KS_LITERAL("left in a train"),
        .site = KS_LITERAL(ENROL_SITE),
        .verb = KS_ORDER_SUSPEND,
    };

    fill(order.channel, sizeof order.channel, 0x70);
    return order;
}

static void make_documents(struct enrol_fixture *fixture)
{
    struct ks_enrol enrol;
    struct ks_challenge challenge;
    struct ks_finish finish;
    const struct ks_order order = enrol_fixture_order();

    enrol_fixture_enrol(101, &enrol);
    OK(ks_enrol_write(&enrol, &fixture->token, &fixture->enrol));
    ks_enrol_done(&enrol);
    enrol_fixture_challenge(66, &challenge);
    ks_challenge_write(&challenge, &fixture->challenge);
    OK(ks_buf_check(&fixture->challenge));
    ks_challenge_done(&challenge);
    enrol_fixture_finish(fixture, 145, &finish);
    OK(ks_finish_write(&finish, fixture->device_key, &fixture->finish));
    ks_finish_done(&finish);
    OK(ks_order_write(&order, fixture->operator_key, &fixture->order));
}

void enrol_fixture_make(struct enrol_fixture *fixture)
{
    struct ks_token_spec spec;

    *fixture = (struct enrol_fixture){0};
    ks_buf_init(&fixture->site_document, KS_SITE_BYTES_MAX);
    ks_buf_init(&fixture->root_pem, KS_CERT_PEM_MAX);
    ks_buf_init(&fixture->token_text, KS_TOKEN_BYTES_MAX);
    ks_buf_init(&fixture->enrol, KS_ENROL_BYTES_MAX);
    ks_buf_init(&fixture->challenge, KS_ENROL_BYTES_MAX);
    ks_buf_init(&fixture->finish, KS_FINISH_BYTES_MAX);
    ks_buf_init(&fixture->order, KS_ENROL_BYTES_MAX);
    make_operator(fixture);
    make_site(fixture);
    fill(fixture->token_seed, sizeof fixture->token_seed, 0x20);
    fill(fixture->token_id, sizeof fixture->token_id, 0x21);
    spec = enrol_fixture_token(fixture);
    OK(ks_token_make(&spec, &fixture->token_text));
    OK(ks_token_read(ks_buf_view(&fixture->token_text), &fixture->token));
    make_documents(fixture);
}

void enrol_fixture_free(struct enrol_fixture *fixture)
{
    ks_sign_key_free(fixture->root_key);
    ks_cert_free(fixture->root);
    ks_sign_key_free(fixture->operator_key);
    ks_cert_free(fixture->operator_cert);
    ks_verify_key_free(fixture->operator_public);
    ks_sign_key_free(fixture->device_key);
    ks_buf_done(&fixture->site_document);
    ks_buf_done(&fixture->root_pem);
    ks_buf_done(&fixture->token_text);
    ks_token_done(&fixture->token);
    ks_buf_done(&fixture->enrol);
    ks_buf_done(&fixture->challenge);
    ks_buf_done(&fixture->finish);
    ks_buf_done(&fixture->order);
}
