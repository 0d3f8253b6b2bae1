/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "expect.h"

#include "platform.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include "attest/eventlog.h"
#include "attest/ima.h"
#include "attest/tcglog.h"
#include "crypto/digest.h"
#include "vector_files.h"

#define FOLDER   "platform-logs/accept"
#define LOG_MAX  (1024 * 1024)
#define MASK_ALL (0x3ffu | 1u << 10 | 1u << 14)

/* --- the key ------------------------------------------------------------------------------ */

static void put_coordinate(struct ks_buf *out, const EVP_PKEY *key, const char *name)
{
    BIGNUM *number = NULL;
    uint8_t bytes[32];

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    assert_int_equal(BN_bn2binpad(number, bytes, sizeof bytes), sizeof bytes);
    ks_buf_put_lp16(out, KS_BYTES(bytes));
    BN_free(number);
}

void platform_new_key(struct platform *platform)
{
    struct ks_buf area;

    EVP_PKEY_free(platform->key);
    platform->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_non_null(platform->key);
    ks_buf_init(&area, KS_AK_PUBLIC_MAX);
    /* The template of docs/formats/quote.md. */
    ks_buf_put(&area, KS_LITERAL("\x00\x23\x00\x0b\x00\x05\x04\x72\x00\x00\x00\x10"
                                 "\x00\x18\x00\x0b\x00\x03\x00\x10"));
    put_coordinate(&area, platform->key, OSSL_PKEY_PARAM_EC_PUB_X);
    put_coordinate(&area, platform->key, OSSL_PKEY_PARAM_EC_PUB_Y);
    assert_int_equal(ks_ak_public_parse(ks_buf_view(&area), &platform->ak), KS_OK);
    ks_buf_done(&area);
}

void platform_sign(struct platform *platform)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[128];
    size_t len = sizeof der;
    const unsigned char *cursor = der;
    uint8_t number[32];

    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, platform->key), 1);
    assert_int_equal(
        EVP_DigestSign(context, der, &len, platform->attest.data, platform->attest.len), 1);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &cursor, (long)len);
    assert_non_null(signature);
    ks_buf_clear(&platform->signature);
    ks_buf_put(&platform->signature, KS_LITERAL("\x00\x18\x00\x0b"));
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), number, sizeof number), 32);
    ks_buf_put_lp16(&platform->signature, KS_BYTES(number));
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), number, sizeof number), 32);
    ks_buf_put_lp16(&platform->signature, KS_BYTES(number));
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
}

/* --- boot --------------------------------------------------------------------------------- */

/* A row, and the key by which it sorts as the reference wants it. */
struct row {
    char key[128];
    char text[512];
};

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void put_hex(char *target, struct ks_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        (void)snprintf(target + 2 * i, 3, "%02x", bytes.data[i]);
    }
}

/* Appends the rows in order, each once. */
static void put_rows(struct row *rows, size_t count, struct ks_buf *out)
{
    qsort(rows, count, sizeof rows[0], compare_rows);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(rows[i - 1].key, rows[i].key) != 0) {
            ks_buf_put_format(out, "%s%s", i > 0 ? "," : "", rows[i].text);
        }
    }
}

static void put_events(const struct ks_tcg_log *log, struct ks_buf *out)
{
    struct row rows[64];
    size_t count = 0;

    for (size_t i = 0; i < log->count; i++) {
        const struct ks_tcg_event *event = &log->events[i];
        char hex[2 * KS_PCR_DIGEST_LEN + 1];

        if (!event->extends || event->pcr == 7) {
            continue;
        }
        assert_true(count < 64);
        put_hex(hex, KS_BYTES(event->digest));
        (void)snprintf(rows[count].key, sizeof rows[0].key, "%02u%08x%s", event->pcr,
                       (unsigned)event->type, hex);
        (void)snprintf(rows[count].text, sizeof rows[0].text,
                       "{\"digest\":\"%s\",\"pcr\":%u,\"type\":\"%s\"}", hex, event->pcr,
                       ks_tcg_event_type_name(event->type));
        count++;
    }
    put_rows(rows, count, out);
}

static void put_files(const struct ks_ima_log *log, struct ks_buf *out)
{
    struct row rows[16];
    size_t count = 0;

    for (size_t i = 0; i < log->count; i++) {
        char hex[2 * KS_IMA_DIGEST_MAX + 1];
        const struct ks_bytes path = log->entries[i].path;

        if (log->entries[i].violation) {
            continue;
        }
        assert_true(count < 16);
        put_hex(hex, log->entries[i].digest);
        (void)snprintf(rows[count].key, sizeof rows[0].key, "%.*s", (int)path.len,
                       (const char *)path.data);
        (void)snprintf(rows[count].text, sizeof rows[0].text,
                       "{\"alg\":\"sha256\",\"digest\":\"%s\",\"path\":\"%.*s\"}", hex,
                       (int)path.len, (const char *)path.data);
        count++;
    }
    put_rows(rows, count, out);
}

static void make_reference(struct platform *platform, const struct ks_tcg_log *tcg,
                           const struct ks_ima_log *ima, const struct ks_event_log *launch)
{
    struct ks_buf text;
    char hex[2 * KS_PCR_DIGEST_LEN + 1];

    ks_buf_init(&text, KS_REFERENCE_MAX);
    ks_buf_put_text(&text, "{\"boot_events\":[");
    put_events(tcg, &text);
    ks_buf_put_text(
        &text, "],\"clock\":{\"resets_ahead_max\":2,\"restarts_ahead_max\":1},\"files\":[");
    put_files(ima, &text);
    put_hex(hex, KS_BYTES(platform->pcrs[7]));
    ks_buf_put_format(&text,
                      "],\"firmware_min\":\"2019102300163636\",\"name\":\"lab\","
                      "\"pcrs\":[{\"pcr\":7,\"values\":[\"%s\"]}],\"programs\":[",
                      hex);
    for (size_t i = 0; i < launch->count; i++) {
        put_hex(hex, KS_BYTES(launch->events[i].digest));
        ks_buf_put_format(&text, "%s{\"digest\":\"%s\",\"name\":\"%s\"}", i > 0 ? "," : "", hex,
                          launch->events[i].name);
    }
    ks_buf_put_text(&text, "],\"required_pcrs\":[0,1,2,3,4,5,6,7,8,9,10,14],\"schema\":"
                           "\"ketseal.reference/1\",\"tpms\":[\"simulated\"],"
                           "\"violations_allowed\":true}");
    assert_int_equal(ks_buf_check(&text), KS_OK);
    if (ks_reference_parse(ks_buf_view(&text), &platform->reference) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ks_buf_done(&text);
}

void platform_init(struct platform *platform)
{
    platform_init_from(platform, "uefi.tcg");
}

void platform_init_from(struct platform *platform, const char *boot_log)
{
    struct ks_tcg_log tcg = {0};
    struct ks_ima_log ima = {0};
    struct ks_event_log launch;
    uint32_t mask = 0;
    static const uint8_t zeros[KS_PCR_DIGEST_LEN];
    static const uint8_t enclave[KS_PCR_DIGEST_LEN] = {0xe1};
    static const uint8_t worker[KS_PCR_DIGEST_LEN] = {0xe2};

    *platform = (struct platform){
        .quoted_mask = MASK_ALL,
        .clock_ms = 1000000,
        .reset_count = 7,
        .restart_count = 0,
        .safe = 1,
        .firmware = 0x2019102300163636,
        .bank = 0x000b,
    };
    ks_buf_init(&platform->attest, KS_ATTEST_MAX);
    ks_buf_init(&platform->signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&platform->launch_log, LOG_MAX);
    vector_read(FOLDER, boot_log, &platform->tcg_log);
    vector_read(FOLDER, "ima-ng.ima", &platform->ima_log);
    platform_new_key(platform);
    assert_int_equal(ks_tcg_log_parse(ks_buf_view(&platform->tcg_log), &tcg), KS_OK);
    assert_int_equal(ks_ima_log_parse(ks_buf_view(&platform->ima_log), &ima), KS_OK);
    ks_tcg_log_replay(&tcg, platform->pcrs, &mask);
    ks_ima_log_replay(&ima, KS_IMA_PER_BANK, ima.count, zeros, platform->pcrs[10]);
    ks_event_log_init(&launch, KS_LAUNCH_PCR, platform->pcrs[14]); /* shim was there before */
    assert_int_equal(ks_event_log_add(&launch, KS_LAUNCH_ENCLAVE, enclave), KS_OK);
    assert_int_equal(ks_event_log_add(&launch, KS_LAUNCH_WORKER, worker), KS_OK);
    ks_event_log_write(&launch, &platform->launch_log);
    ks_event_log_replay(&launch, platform->pcrs[14]);
    make_reference(platform, &tcg, &ima, &launch);
    ks_tcg_log_done(&tcg);
    ks_ima_log_done(&ima);
    platform_quote(platform, KS_LITERAL(PLATFORM_NONCE));
}

void platform_done(struct platform *platform)
{
    EVP_PKEY_free(platform->key);
    ks_buf_done(&platform->tcg_log);
    ks_buf_done(&platform->ima_log);
    ks_buf_done(&platform->launch_log);
    ks_buf_done(&platform->attest);
    ks_buf_done(&platform->signature);
    ks_reference_free(platform->reference);
}

void platform_extend(struct platform *platform, unsigned pcr)
{
    static const uint8_t digest[KS_PCR_DIGEST_LEN] = {0x99};
    const struct ks_bytes parts[] = {KS_BYTES(platform->pcrs[pcr]), KS_BYTES(digest)};
    uint8_t next[KS_PCR_DIGEST_LEN];

    ks_sha256_parts(parts, 2, next);
    ks_copy(platform->pcrs[pcr], next, sizeof next);
}

/* --- quotes ------------------------------------------------------------------------------- */

void platform_quote(struct platform *platform, struct ks_bytes extra)
{
    uint8_t digest[KS_SHA256_LEN];
    size_t count = 0;
    struct ks_buf *attest = &platform->attest;

    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((platform->quoted_mask & 1u << pcr) != 0) {
            ks_copy(platform->values[count++], platform->pcrs[pcr], KS_PCR_DIGEST_LEN);
        }
    }
    ks_sha256(ks_bytes_of(platform->values, count * KS_PCR_DIGEST_LEN), digest);
    ks_buf_clear(attest);
    ks_buf_put_u32(attest, 0xff544347);
    ks_buf_put_u16(attest, 0x8018);
    ks_buf_put_lp16(attest, KS_BYTES(platform->ak.qualified_name));
    ks_buf_put_lp16(attest, extra);
    ks_buf_put_u64(attest, platform->clock_ms);
    ks_buf_put_u32(attest, platform->reset_count);
    ks_buf_put_u32(attest, platform->restart_count);
    ks_buf_put_u8(attest, platform->safe);
    ks_buf_put_u64(attest, platform->firmware);
    ks_buf_put_u32(attest, 1);
    ks_buf_put_u16(attest, platform->bank);
    ks_buf_put_u8(attest, 3);
    for (unsigned i = 0; i < 3; i++) {
        ks_buf_put_u8(attest, (uint8_t)(platform->quoted_mask >> (8 * i)));
    }
    ks_buf_put_lp16(attest, KS_BYTES(digest));
    assert_int_equal(ks_buf_check(attest), KS_OK);
    platform_sign(platform);
}

struct ks_platform_evidence platform_evidence(const struct platform *platform)
{
    return (struct ks_platform_evidence){
        .ak = &platform->ak,
        .tpm = KS_TPM_SET_SIMULATED,
        .attest = ks_buf_view(&platform->attest),
        .signature = ks_buf_view(&platform->signature),
        .pcr_mask = platform->quoted_mask,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])platform->values,
        .tcg_log = ks_buf_view(&platform->tcg_log),
        .ima_log = ks_buf_view(&platform->ima_log),
        .launch_log = ks_buf_view(&platform->launch_log),
    };
}

void platform_edit_reference(struct platform *platform, const char *find, const char *with)
{
    struct ks_buf before;
    struct ks_buf after;
    char *found;

    ks_buf_init(&before, KS_REFERENCE_MAX);
    ks_buf_init(&after, KS_REFERENCE_MAX);
    ks_reference_write(platform->reference, &before);
    ks_buf_put_u8(&before, 0);
    found = strstr((char *)before.data, find);
    assert_non_null(found);
    ks_buf_put(&after, ks_bytes_of(before.data, (size_t)(found - (char *)before.data)));
    ks_buf_put_text(&after, with);
    ks_buf_put_text(&after, found + strlen(find));
    ks_reference_free(platform->reference);
    platform->reference = NULL;
    if (ks_reference_parse(ks_buf_view(&after), &platform->reference) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ks_buf_done(&before);
    ks_buf_done(&after);
}
