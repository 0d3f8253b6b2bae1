/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The vectors are quotes of a real swtpm made with tpm2-tools (tests/vectors/quote/SOURCE). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/eventlog.h"
#include "attest/quote.h"
#include "base/sys.h"
#include "base/text.h"

#define VECTOR_MAX 8192

struct vector {
    struct ks_buf ak;
    struct ks_buf attest;
    struct ks_buf signature;
    struct ks_buf extra_data;
    struct ks_buf pcr_values;
    uint32_t pcr_mask;
    char error[64];
};

static void hex_member(const struct ks_json *root, const char *name, struct ks_buf *out)
{
    struct ks_bytes text;

    ks_buf_init(out, VECTOR_MAX);
    assert_int_equal(ks_json_get_string(root, name, &text), KS_OK);
    assert_int_equal(text.len % 2, 0);
    uint8_t *target = ks_buf_reserve(out, text.len / 2);
    assert_non_null(target);
    assert_int_equal(ks_hex_decode(text, target, text.len / 2), KS_OK);
    ks_buf_grew(out, text.len / 2);
}

static void load(const char *name, struct vector *out)
{
    const struct ks_json_limits limits = {.len_max = VECTOR_MAX, .nodes_max = 16};
    const char *root_dir = getenv("KS_SOURCE_ROOT");
    char path[4096];
    struct ks_buf text;
    struct ks_json_doc *doc = NULL;
    uint64_t mask;
    struct ks_bytes error = {NULL, 0};

    assert_non_null(root_dir);
    assert_true(snprintf(path, sizeof path, "%s/tests/vectors/quote/%s.json", root_dir, name) <
                (int)sizeof path);
    ks_buf_init(&text, VECTOR_MAX);
    assert_int_equal(ks_file_read(path, VECTOR_MAX, &text), KS_OK);
    assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
    const struct ks_json *root = ks_json_root(doc);
    *out = (struct vector){0};
    hex_member(root, "ak", &out->ak);
    hex_member(root, "attest", &out->attest);
    hex_member(root, "signature", &out->signature);
    hex_member(root, "extra_data", &out->extra_data);
    hex_member(root, "pcr_values", &out->pcr_values);
    assert_int_equal(ks_json_get_u64(root, "pcr_mask", 0xffffff, &mask), KS_OK);
    out->pcr_mask = (uint32_t)mask;
    if (ks_json_find(root, "error") != NULL) {
        assert_int_equal(ks_json_get_string(root, "error", &error), KS_OK);
        assert_true(error.len < sizeof out->error);
        ks_copy(out->error, error.data, error.len);
    }
    assert_true(out->pcr_values.len >=
                (size_t)ks_pcr_mask_count(out->pcr_mask) * KS_PCR_DIGEST_LEN);
    ks_json_doc_free(doc);
    ks_buf_done(&text);
}

static void unload(struct vector *vector)
{
    ks_buf_done(&vector->ak);
    ks_buf_done(&vector->attest);
    ks_buf_done(&vector->signature);
    ks_buf_done(&vector->extra_data);
    ks_buf_done(&vector->pcr_values);
}

/* Everything a verifier does, from bytes. */
static enum ks_err check(const struct vector *vector, struct ks_quote_view *out_view)
{
    enum ks_err err = KS_OK;
    struct ks_ak_public ak;
    const struct ks_quote_expect expect = {
        .extra_data = ks_buf_view(&vector->extra_data),
        .pcr_mask = vector->pcr_mask,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])vector->pcr_values.data,
    };

    KS_TRY(ks_ak_public_parse(ks_buf_view(&vector->ak), &ak));
    KS_TRY(ks_quote_check(&ak, ks_buf_view(&vector->attest), ks_buf_view(&vector->signature),
                          &expect, out_view));
out:
    return err;
}

static void assert_refused(enum ks_err err, const char *part)
{
    assert_true(err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
    if (strstr(ks_err_detail(), part) == NULL) {
        fail_msg("refused with \"%s\", want a sentence with \"%s\"", ks_err_detail(), part);
    }
}

static const char *const accepted[] = {
    "accept/p256",    "accept/p256-many-pcrs", "accept/p256-no-extra", "accept/p256-policy-key",
    "accept/rsa2048",
};

static void test_real_quotes_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct vector vector;
        struct ks_quote_view view;

        load(accepted[i], &vector);
        if (check(&vector, &view) != KS_OK) {
            fail_msg("%s: %s", accepted[i], ks_err_detail());
        }
        assert_int_equal(view.pcr_mask, vector.pcr_mask);
        assert_true(ks_bytes_equal(view.extra_data, ks_buf_view(&vector.extra_data)));
        assert_true(view.safe);
        assert_int_equal(view.reset_count, 1); /* a fresh swtpm, started once */
        assert_int_equal(view.restart_count, 0);
        assert_true(view.clock_ms > 0 && view.clock_ms < 60000);
        assert_int_not_equal(view.firmware_version, 0);
        assert_int_equal(view.qualified_signer.len, KS_AK_NAME_LEN);
        unload(&vector);
    }
}

static void test_other_real_quotes_fail(void **state)
{
    static const char *const names[] = {
        "reject/ecdsa-sha384", "reject/owner-hierarchy", "reject/p384",
        "reject/rsa3072",      "reject/rsapss",          "reject/sha1-bank",
        "reject/storage-key",  "reject/two-banks",       "reject/unrestricted",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct vector vector;

        load(names[i], &vector);
        assert_int_not_equal(vector.error[0], '\0');
        assert_refused(check(&vector, NULL), vector.error);
        unload(&vector);
    }
}

/* tpm2_readpublic -n of the key in accept/p256 would print this: u16 sha256, SHA-256 of the
 * area. The value was computed with sha256sum. */
static void test_name(void **state)
{
    struct vector vector;
    struct ks_ak_public ak;
    uint8_t name[KS_AK_NAME_LEN];
    uint8_t want[KS_AK_NAME_LEN];

    (void)state;
    load("accept/p256", &vector);
    assert_int_equal(ks_ak_public_parse(ks_buf_view(&vector.ak), &ak), KS_OK);
    assert_int_equal(
        ks_hex_decode(
            KS_LITERAL("000b946bf2eac919b06c7fe5cfd37994b887b6716a6b5adf44ebd2282b2c96155225"),
            want, sizeof want),
        KS_OK);
    ks_ak_name(&ak, name);
    assert_memory_equal(name, want, sizeof want);
    assert_int_equal(ak.alg, KS_AK_ECDSA_P256);
    assert_string_equal(ks_ak_alg_name(ak.alg), "ECDSA P-256");
    unload(&vector);
}

/* Every bit of every byte of one part. */
static void flip_all(struct vector *vector, struct ks_buf *part, const char *what)
{
    struct ks_quote_view view;

    for (size_t i = 0; i < part->len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            part->data[i] ^= (uint8_t)(1u << bit);
            enum ks_err err = check(vector, &view);
            if (err == KS_OK || err == KS_ERR_INTERNAL) {
                fail_msg("%s: byte %zu bit %u flipped: %s", what, i, bit, ks_err_name(err));
            }
            part->data[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(check(vector, &view), KS_OK);
}

static void test_every_flip_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct vector vector;

        load(accepted[i], &vector);
        flip_all(&vector, &vector.ak, "ak");
        flip_all(&vector, &vector.attest, "attest");
        flip_all(&vector, &vector.signature, "signature");
        flip_all(&vector, &vector.extra_data, "extra data");
        flip_all(&vector, &vector.pcr_values, "PCR values");
        unload(&vector);
    }
}

/* A length that is not the true one, at any point, and one byte more. */
static void cut_all(struct vector *vector, struct ks_buf *part, const char *what)
{
    size_t len = part->len;

    for (part->len = 0; part->len < len; part->len++) {
        if (check(vector, NULL) == KS_OK) {
            fail_msg("%s: cut to %zu of %zu bytes", what, part->len, len);
        }
    }
    part->len = len;
    ks_buf_put_u8(part, 0);
    assert_int_equal(ks_buf_check(part), KS_OK);
    if (check(vector, NULL) == KS_OK) {
        fail_msg("%s: a trailing byte", what);
    }
    part->len = len;
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct vector vector;

        load(accepted[i], &vector);
        cut_all(&vector, &vector.ak, "ak");
        cut_all(&vector, &vector.attest, "attest");
        cut_all(&vector, &vector.signature, "signature");
        unload(&vector);
    }
}

/* The sentence names the check that failed. */
static void test_which_check_failed(void **state)
{
    struct vector mine;
    struct vector other;

    (void)state;
    load("accept/p256", &mine);
    load("accept/p256-policy-key", &other);
    struct vector mixed = mine;

    mixed.ak = other.ak;
    assert_refused(check(&mixed, NULL), "quote signature");
    mixed = mine;
    mixed.extra_data = other.extra_data;
    assert_refused(check(&mixed, NULL), "quote extra data");
    mixed = mine;
    mixed.pcr_mask = 1u << 15;
    assert_refused(check(&mixed, NULL),
                   "quote PCRs: it covers PCR mask 0x004000, want 0x008000");
    mine.pcr_values.data[0] ^= 1;
    assert_int_equal(check(&mine, NULL), KS_ERR_VERIFY);
    assert_refused(check(&mine, NULL), "the platform ran something else");
    mine.pcr_values.data[0] ^= 1;
    mine.attest.data[0] = 0;
    struct ks_quote_view view;
    assert_int_equal(ks_quote_parse(ks_buf_view(&mine.attest), &view), KS_ERR_FORMAT);
    assert_refused(ks_quote_parse(ks_buf_view(&mine.attest), &view), "not generated by a TPM");
    unload(&mine);
    unload(&other);
}

/* An RSA key never takes an ECDSA signature, nor the reverse. */
static void test_signature_of_other_kind(void **state)
{
    struct vector ecdsa;
    struct vector rsa;

    (void)state;
    load("accept/p256", &ecdsa);
    load("accept/rsa2048", &rsa);
    struct vector mixed = ecdsa;
    mixed.signature = rsa.signature;
    assert_refused(check(&mixed, NULL), "RSASSA 2048, but the key is ECDSA P-256");
    mixed = rsa;
    mixed.signature = ecdsa.signature;
    assert_refused(check(&mixed, NULL), "ECDSA P-256, but the key is RSASSA 2048");
    unload(&ecdsa);
    unload(&rsa);
}

/* Each attribute in turn, as the specification numbers it (TPM2 part 2 §8.3). */
static void test_attributes(void **state)
{
    static const struct {
        unsigned bit;
        const char *part; /* NULL: either value passes the parser */
    } table[] = {
        {0, "reserved"},
        {1, "fixedTPM is clear"},
        {2, NULL}, /* stClear */
        {3, "reserved"},
        {4, "fixedParent is clear"},
        {5, "sensitiveDataOrigin is clear"},
        {6, NULL}, /* userWithAuth */
        {7, NULL}, /* adminWithPolicy */
        {8, "reserved"},
        {10, NULL}, /* noDA */
        {11, "encryptedDuplication is set"},
        {12, "reserved"},
        {16, "restricted is clear"},
        {17, "decrypt is set"},
        {18, "sign is clear"},
        {19, "x509sign is set"},
        {20, "reserved"},
        {31, "reserved"},
    };
    struct vector vector;
    struct ks_ak_public ak;

    (void)state;
    load("accept/p256", &vector);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t *byte = &vector.ak.data[4 + 3 - table[i].bit / 8];

        *byte ^= (uint8_t)(1u << table[i].bit % 8);
        enum ks_err err = ks_ak_public_parse(ks_buf_view(&vector.ak), &ak);
        if (table[i].part == NULL) {
            assert_int_equal(err, KS_OK);
        } else {
            assert_refused(err, table[i].part);
        }
        *byte ^= (uint8_t)(1u << table[i].bit % 8);
    }
    unload(&vector);
}

/* TPMs that drop leading zeros of r, s: the same number must read the same. */
static void test_short_numbers(void **state)
{
    static const uint8_t cut[] = {0x00, 0x18, 0x00, 0x0b, 0x00, 0x01,
                                  0x05, 0x00, 0x02, 0x01, 0x02};
    static const uint8_t empty[] = {0x00, 0x18, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x01, 0x01};
    uint8_t long_r[4 + 2 + 33 + 3] = {0x00, 0x18, 0x00, 0x0b, 0x00, 33};
    struct ks_tpm_signature signature;

    (void)state;
    assert_int_equal(ks_tpm_signature_parse(KS_BYTES(cut), &signature), KS_OK);
    assert_int_equal(signature.r[31], 5);
    assert_int_equal(signature.s[30], 1);
    assert_int_equal(signature.s[31], 2);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(signature.r[i] | signature.s[i], 0);
    }
    assert_refused(ks_tpm_signature_parse(KS_BYTES(empty), &signature), "r has 0 bytes");
    long_r[40] = 1;
    assert_refused(ks_tpm_signature_parse(KS_BYTES(long_r), &signature), "r has 33 bytes");
}

/* The figure was computed with printf and sha256sum. */
static void test_extra_data(void **state)
{
    uint8_t root[32];
    uint8_t extra[32];
    uint8_t want[32];

    (void)state;
    for (unsigned i = 0; i < sizeof root; i++) {
        root[i] = (uint8_t)i;
    }
    ks_quote_extra_data(258, root, extra);
    assert_int_equal(
        ks_hex_decode(
            KS_LITERAL("a1cd6b7ccedd538e24ee2c9fe83f4868b5b95bdda756f597e15cda35febebd2e"),
            want, sizeof want),
        KS_OK);
    assert_memory_equal(extra, want, sizeof want);
}

/* --- event log ---------------------------------------------------------------------------- */

#define HEX_01 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX_02 "0202020202020202020202020202020202020202020202020202020202020202"
#define HEX_00 "0000000000000000000000000000000000000000000000000000000000000000"

static const char log_text[] =
    "{\"bank\":\"sha256\",\"events\":[{\"digest\":\"" HEX_01
    "\",\"name\":\"ketseal-enclave\"},{\"digest\":\"" HEX_02
    "\",\"name\":\"ketseal-worker\"}],\"initial\":\"" HEX_00 "\",\"pcr\":14}";

static void make_log(struct ks_event_log *log)
{
    uint8_t digest[KS_PCR_DIGEST_LEN];

    ks_event_log_init(log, KS_LAUNCH_PCR, NULL);
    memset(digest, 1, sizeof digest);
    assert_int_equal(ks_event_log_add(log, "ketseal-enclave", digest), KS_OK);
    memset(digest, 2, sizeof digest);
    assert_int_equal(ks_event_log_add(log, "ketseal-worker", digest), KS_OK);
}

static void test_log_round_trip(void **state)
{
    struct ks_event_log log;
    struct ks_event_log back;
    struct ks_buf text;
    uint8_t value[KS_PCR_DIGEST_LEN];
    uint8_t want[KS_PCR_DIGEST_LEN];

    (void)state;
    make_log(&log);
    ks_buf_init(&text, KS_EVENT_LOG_MAX);
    ks_event_log_write(&log, &text);
    assert_int_equal(ks_buf_check(&text), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&text), log_text));
    assert_int_equal(ks_event_log_parse(ks_buf_view(&text), &back), KS_OK);
    assert_true(ks_event_log_equal(&log, &back));
    assert_memory_equal(ks_event_log_find(&back, "ketseal-worker"), log.events[1].digest, 32);
    assert_null(ks_event_log_find(&back, "ketseal"));
    /* Computed with sha256sum from the definition of TPM2_PCR_Extend. */
    ks_event_log_replay(&back, value);
    assert_int_equal(
        ks_hex_decode(
            KS_LITERAL("a7f2fad943905535b10ccf63c832802ed84eaffb15e4fb6bee86a817c35eb833"),
            want, sizeof want),
        KS_OK);
    assert_memory_equal(value, want, sizeof want);
    back.initial[31] = 1;
    assert_false(ks_event_log_equal(&log, &back));
    ks_event_log_replay(&back, value);
    assert_memory_not_equal(value, want, sizeof want);
    ks_buf_done(&text);
}

static void test_log_refusals(void **state)
{
    static const struct {
        const char *text;
        enum ks_err err;
        const char *part;
    } table[] = {
        {"", KS_ERR_FORMAT, "event log"},
        {"[]", KS_ERR_FORMAT, "not an object"},
        {"{\"bank\":\"sha256\",\"events\":[],\"initial\":\"" HEX_00 "\"}", KS_ERR_FORMAT,
         "pcr"},
        {"{\"bank\":\"sha256\",\"events\":[],\"initial\":\"" HEX_00 "\",\"pcr\":24}", 0, "pcr"},
        {"{\"bank\":\"sha1\",\"events\":[],\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "'bank' is not"},
        {"{\"bank\":\"sha256\",\"events\":[],\"initial\":\"00\",\"pcr\":14}", KS_ERR_FORMAT,
         "initial"},
        {"{\"bank\":\"sha256\",\"events\":{},\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "events"},
        {"{\"bank\":\"sha256\",\"events\":[1],\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "event is no object"},
        {"{\"bank\":\"sha256\",\"events\":[],\"extra\":1,\"initial\":\"" HEX_00
         "\",\"pcr\":14}",
         KS_ERR_FORMAT, "extra"},
        {"{\"bank\":\"sha256\",\"events\":[{\"digest\":\"" HEX_01
         "\",\"name\":\"a b\"}],\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "event name"},
        {"{\"bank\":\"sha256\",\"events\":[{\"digest\":\"" HEX_01
         "\",\"name\":\"\"}],\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "event name"},
        {"{\"bank\":\"sha256\",\"events\":[{\"digest\":\"" HEX_01
         "\",\"name\":\"a\"},{\"digest\":\"" HEX_02 "\",\"name\":\"a\"}],\"initial\":\"" HEX_00
         "\",\"pcr\":14}",
         KS_ERR_FORMAT, "'a' twice"},
        /* not canonical: order of members, white space */
        {"{\"events\":[],\"bank\":\"sha256\",\"initial\":\"" HEX_00 "\",\"pcr\":14}",
         KS_ERR_FORMAT, "event log"},
        {"{\"bank\":\"sha256\",\"events\":[],\"initial\":\"" HEX_00 "\",\"pcr\":14}\n",
         KS_ERR_FORMAT, "event log"},
    };
    struct ks_event_log log;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum ks_err err = ks_event_log_parse(ks_bytes_text(table[i].text), &log);
        assert_refused(err, table[i].part);
        if (table[i].err != 0) {
            assert_int_equal(err, table[i].err);
        }
    }
}

static void test_log_limits(void **state)
{
    struct ks_event_log log;
    struct ks_event_log back;
    struct ks_buf text;
    char name[KS_EVENT_NAME_MAX + 2];
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {1};

    (void)state;
    memset(name, 'n', sizeof name);
    name[KS_EVENT_NAME_MAX + 1] = '\0';
    ks_event_log_init(&log, 0, digest);
    assert_int_equal(ks_event_log_add(&log, name, digest), KS_ERR_FORMAT);
    assert_int_equal(ks_event_log_add(&log, "", digest), KS_ERR_FORMAT);
    assert_int_equal(ks_event_log_add(&log, "lib/c.so", digest), KS_ERR_FORMAT);
    assert_int_equal(ks_event_log_add(&log, "\xc3\xa4", digest), KS_ERR_FORMAT);
    assert_int_equal(ks_event_log_add(&log, "libstdc++.so.6", digest), KS_OK);
    log.count = 0;
    /* The largest log fits its own limit of bytes and nodes. */
    for (unsigned i = 0; i < KS_EVENTS_MAX; i++) {
        assert_int_equal(snprintf(name, sizeof name, "%064u", i), KS_EVENT_NAME_MAX);
        assert_int_equal(ks_event_log_add(&log, name, digest), KS_OK);
    }
    assert_int_equal(ks_event_log_add(&log, name, digest), KS_ERR_FORMAT); /* there already */
    assert_int_equal(ks_event_log_add(&log, "more", digest), KS_ERR_LIMIT);
    assert_int_equal(log.count, KS_EVENTS_MAX);
    ks_buf_init(&text, KS_EVENT_LOG_MAX);
    ks_event_log_write(&log, &text);
    assert_int_equal(ks_buf_check(&text), KS_OK);
    assert_int_equal(ks_event_log_parse(ks_buf_view(&text), &back), KS_OK);
    assert_true(ks_event_log_equal(&log, &back));
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_quotes_pass),
        cmocka_unit_test(test_other_real_quotes_fail),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_every_flip_is_refused),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_which_check_failed),
        cmocka_unit_test(test_signature_of_other_kind),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_short_numbers),
        cmocka_unit_test(test_extra_data),
        cmocka_unit_test(test_log_round_trip),
        cmocka_unit_test(test_log_refusals),
        cmocka_unit_test(test_log_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
