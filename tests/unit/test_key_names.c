/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Names of one-time keys, the key of both, and what a device announces. */

#include "unit/expect.h"

#include "base/json.h"
#include "base/text.h"
#include "qkd/announce.h"
#include "qkd/keyid.h"

#define KEM_NAME "0123456789abcdef.0000000000000007.41"
#define UUID     "11223344-5566-7788-99aa-bbccddeeff00"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool kem;
        bool quantum;
    } good[] = {{KEM_NAME, true, false}, {UUID, false, true}, {KEM_NAME ":" UUID, true, true}};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct ks_key_name name = {0};
        char again[KS_KEY_NAME_MAX];

        assert_int_equal(ks_key_name_parse(ks_bytes_text(good[i].text), &name), KS_OK);
        assert_int_equal(name.kem, good[i].kem);
        assert_int_equal(name.quantum, good[i].quantum);
        assert_true(!name.kem || (name.instance == 0x0123456789abcdef && name.number == 7 &&
                                  name.index == 41));
        assert_true(!name.quantum || (name.id.bytes[0] == 0x11 && name.id.bytes[15] == 0));
        ks_key_name_text(&name, again);
        assert_string_equal(again, good[i].text);
    }
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ":",
        KEM_NAME ":",
        ":" UUID,
        UUID ":" UUID,
        UUID ":" KEM_NAME,
        KEM_NAME ":" KEM_NAME,
        KEM_NAME ":" UUID ":",
        "11223344-5566-7788-99AA-bbccddeeff00",
        "11223344-5566-7788-99aa-bbccddeeff0",
        "11223344-5566-7788-99aa-bbccddeeff000",
        "11223344x5566-7788-99aa-bbccddeeff00",
        KEM_NAME ":11223344-5566-7788-99AA-bbccddeeff00",
        "0123456789abcdef.0000000000000007.4096:" UUID,
        "{11223344-5566-7788-99aa-bbccddeeff00}",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ks_key_name name = {.index = 99};

        assert_int_equal(ks_key_name_parse(ks_bytes_text(bad[i]), &name), KS_ERR_FORMAT);
        assert_int_equal(name.index, 99);
    }
}

/* HKDF-SHA256 by Python's hmac: extract with the kem key as salt, one block of expansion. */
static void test_key_of_both(void **state)
{
    (void)state;
    static const char wanted[] =
        "7103a5a69a101402224307528ca9d8f5276fe8b0295275f324d3bf3cebac530d";
    struct ks_key_name name = {0};
    uint8_t kem[KS_ONE_TIME_KEY_LEN];
    uint8_t quantum[KS_ONE_TIME_KEY_LEN];
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    char text[2 * KS_ONE_TIME_KEY_LEN + 1];

    for (size_t i = 0; i < sizeof kem; i++) {
        kem[i] = (uint8_t)i;
        quantum[i] = (uint8_t)(100 + i);
    }
    assert_int_equal(ks_key_name_parse(KS_LITERAL(KEM_NAME ":" UUID), &name), KS_OK);
    assert_int_equal(ks_one_time_key_both(kem, quantum, &name, key), KS_OK);
    ks_hex_encode(KS_BYTES(key), text);
    assert_string_equal(text, wanted);
    /* Another key of either, or another name, is another key. */
    kem[31] ^= 1;
    assert_int_equal(ks_one_time_key_both(kem, quantum, &name, key), KS_OK);
    ks_hex_encode(KS_BYTES(key), text);
    assert_string_not_equal(text, wanted);
    kem[31] ^= 1;
    quantum[0] ^= 1;
    assert_int_equal(ks_one_time_key_both(kem, quantum, &name, key), KS_OK);
    ks_hex_encode(KS_BYTES(key), text);
    assert_string_not_equal(text, wanted);
    quantum[0] ^= 1;
    name.index++;
    assert_int_equal(ks_one_time_key_both(kem, quantum, &name, key), KS_OK);
    ks_hex_encode(KS_BYTES(key), text);
    assert_string_not_equal(text, wanted);
}

/* --- announcements ------------------------------------------------------------------------ */

static const uint8_t seed[KS_SIG_SEED_LEN_MAX] = {5};

struct fixture {
    struct ks_sign_key *key;
    struct ks_verify_key *public_key;
    struct ks_announce announce;
    struct ks_buf document;
};

static void make_by(enum ks_sig_alg alg, struct fixture *fixture)
{
    *fixture = (struct fixture){.announce = {.channel = {1},
                                             .device = "edge-1",
                                             .keys = {.count = KS_ETSI014_KEYS_MAX},
                                             .nonce = {2},
                                             .sae = {.text = "edge 1/SAE"}}};
    for (size_t i = 0; i < KS_ETSI014_KEYS_MAX; i++) {
        fixture->announce.keys.ids[i].bytes[3] = (uint8_t)i;
    }
    ks_buf_init(&fixture->document, KS_ANNOUNCE_BYTES_MAX);
    assert_int_equal(
        ks_sign_key_from_seed(alg, ks_bytes_of(seed, ks_sig_seed_len(alg)), &fixture->key),
        KS_OK);
    assert_int_equal(ks_sign_key_verify_key(fixture->key, &fixture->public_key), KS_OK);
    assert_int_equal(ks_announce_write(&fixture->announce, fixture->key, &fixture->document),
                     KS_OK);
}

static void make(struct fixture *fixture)
{
    make_by(KS_SIG_MLDSA65, fixture);
}

static void done(struct fixture *fixture)
{
    ks_sign_key_free(fixture->key);
    ks_verify_key_free(fixture->public_key);
    ks_buf_done(&fixture->document);
}

static void assert_announcement(enum ks_sig_alg alg)
{
    struct fixture fixture;
    struct ks_announce got = {{0}};

    make_by(alg, &fixture);
    assert_int_equal(ks_announce_read(ks_buf_view(&fixture.document), fixture.public_key, &got),
                     KS_OK);
    expect_bytes(KS_BYTES(got.channel), KS_BYTES(fixture.announce.channel));
    expect_bytes(KS_BYTES(got.nonce), KS_BYTES(fixture.announce.nonce));
    assert_string_equal(got.device, "edge-1");
    assert_string_equal(got.sae.text, "edge 1/SAE");
    assert_int_equal(got.keys.count, KS_ETSI014_KEYS_MAX);
    for (size_t i = 0; i < got.keys.count; i++) {
        assert_true(ks_etsi014_id_equal(&got.keys.ids[i], &fixture.announce.keys.ids[i]));
    }
    done(&fixture);
}

/* As many keys as there can be, under the longest signature, have room. */
static void test_announcement(void **state)
{
    (void)state;
    assert_announcement(KS_SIG_MLDSA65);
    assert_announcement(KS_SIG_SLHDSA_SHA2_128F);
}

/* Whatever byte is changed: refused, and never taken for another announcement. */
static void test_changed_announcement(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ks_announce got = {{0}};

    make(&fixture);
    for (size_t i = 0; i < fixture.document.len; i += 7) {
        enum ks_err err = KS_OK;

        fixture.document.data[i] ^= 1;
        err = ks_announce_read(ks_buf_view(&fixture.document), fixture.public_key, &got);
        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_VERIFY || err == KS_ERR_LIMIT);
        fixture.document.data[i] ^= 1;
    }
    assert_int_equal(got.keys.count, 0);
    done(&fixture);
}

/* Replaces FIND by PUT in the document; the signature does not matter: form comes first. */
static void expect_form(const char *find, const char *put, enum ks_err code, const char *text)
{
    struct fixture fixture;
    struct ks_announce got = {{0}};
    struct ks_buf changed;
    const uint8_t *at = NULL;

    make(&fixture);
    ks_buf_init(&changed, (size_t)2 * KS_ANNOUNCE_BYTES_MAX);
    at = memmem(fixture.document.data, fixture.document.len, find, strlen(find));
    assert_non_null(at);
    ks_buf_put(&changed,
               ks_bytes_of(fixture.document.data, (size_t)(at - fixture.document.data)));
    ks_buf_put_text(&changed, put);
    at += strlen(find);
    ks_buf_put(&changed,
               ks_bytes_of(at, fixture.document.len - (size_t)(at - fixture.document.data)));
    expect_failure(ks_announce_read(ks_buf_view(&changed), fixture.public_key, &got), code,
                   text);
    ks_buf_done(&changed);
    done(&fixture);
}

static void test_bad_announcements(void **state)
{
    (void)state;
    expect_form("00000001-0000", "00000002-0000", KS_ERR_FORMAT, "is named twice");
    expect_form("0000000a-0000", "0000000A-0000", KS_ERR_FORMAT, "lower case");
    expect_form("\"00000000-0000-0000-0000-000000000000\",", "", KS_ERR_VERIFY,
                "announcement of 'edge-1'");
    expect_form("\"00000000-0000-0000-0000-000000000000\",",
                "\"ff000000-0000-0000-0000-000000000000\","
                "\"00000000-0000-0000-0000-000000000000\",",
                KS_ERR_LIMIT, "'key_ids': 1 to 128");
    expect_form("\"00000000-0000-0000-0000-000000000000\",", "\"x\",", KS_ERR_FORMAT,
                "'key_ids'");
    expect_form("\"00000000-0000-0000-0000-000000000000\",", "7,", KS_ERR_FORMAT, "'key_ids'");
    expect_form("\"sae\":\"edge 1/SAE\"", "\"sae\":\"\"", KS_ERR_FORMAT, "'sae'");
    expect_form("\"device\":\"edge-1\"", "\"device\":\"edge 1\"", KS_ERR_FORMAT, "'device'");
    expect_form("announce/1", "announce/2", KS_ERR_FORMAT, "'schema'");
    expect_form("\"nonce\":", "\"more\":1,\"nonce\":", KS_ERR_FORMAT, "more");
    expect_form("\"device\":\"edge-1\",", "", KS_ERR_FORMAT, "'device'");
}

static void test_answer(void **state)
{
    (void)state;
    const struct ks_announced announced = {.count = 20, .expires_s = 1700000000};
    struct ks_announced got = {0};
    struct ks_buf document;

    ks_buf_init(&document, 1000);
    ks_announced_write(&announced, &document);
    expect_text(ks_buf_view(&document),
                "{\"count\":20,\"expires\":1700000000,\"schema\":\"ketseal.announced/1\"}");
    assert_int_equal(ks_announced_read(ks_buf_view(&document), &got), KS_OK);
    assert_true(got.count == 20 && got.expires_s == 1700000000);
    expect_failure(
        ks_announced_read(KS_LITERAL("{\"count\":200,\"expires\":1,\"schema\":\"ketseal."
                                     "announced/1\"}"),
                          &got),
        KS_ERR_FORMAT, "'count'");
    ks_buf_done(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_key_of_both),
        cmocka_unit_test(test_announcement),
        cmocka_unit_test(test_changed_announcement),
        cmocka_unit_test(test_bad_announcements),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
