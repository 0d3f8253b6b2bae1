/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Notes against those of golang.org/x/mod/sumdb/note (tests/vectors/note), and what has to be
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "note_keys.h"

static struct note_keys known;

static int read_keys(void **state)
{
    (void)state;
    note_keys_read("note", &known);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    note_keys_done(&known);
    return 0;
}

static enum ks_err parse_and_verify(struct ks_bytes bytes, const struct ks_note_trust *trust)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_note_verdict verdict;

    KS_TRY(ks_note_parse(bytes, &note));
    KS_TRY(ks_note_verify(&note, trust, &verdict));
out:
    ks_note_done(&note);
    return err;
}

static void accept_note(void *context, const char *name, struct ks_bytes bytes)
{
    struct ks_note note;
    struct ks_buf printed;

    (void)context;
    if (parse_and_verify(bytes, &known.trust) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
    assert_int_equal(ks_note_parse(bytes, &note), KS_OK);
    ks_buf_init(&printed, KS_NOTE_LEN_MAX);
    ks_note_print(&note, &printed);
    assert_true(ks_bytes_equal(ks_buf_view(&printed), bytes));
    ks_buf_done(&printed);
    ks_note_done(&note);
}

static void reject_note(void *context, const char *name, struct ks_bytes bytes)
{
    const enum ks_err err = parse_and_verify(bytes, &known.trust);

    (void)context;
    if (err != vector_error(name)) {
        fail_msg("%s: %s: %s", name, ks_err_name(err), ks_err_detail());
    }
}

static void test_vectors(void **state)
{
    (void)state;
    vector_each("note/accept", 8, NULL, accept_note);
    vector_each("note/reject", 35, NULL, reject_note);
}

/* The example of c2sp.org/signed-note. */
static void test_published_example(void **state)
{
    static const char vkey[] =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    static const char text[] = "This is an example message.\n\n— example.com/foo "
                               "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONn"
                               "cAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    struct ks_note_key *key = NULL;
    struct ks_buf printed;

    (void)state;
    assert_int_equal(ks_note_key_parse(ks_bytes_text(vkey), &key), KS_OK);
    assert_true(ks_bytes_is(ks_note_key_name(key), "example.com/foo"));
    assert_int_equal(ks_note_key_id(key), 0x530d903a);
    assert_int_equal(ks_note_key_type(key), KS_NOTE_ED25519);
    ks_buf_init(&printed, KS_NOTE_VKEY_MAX);
    ks_note_key_print(key, &printed);
    assert_true(ks_bytes_is(ks_buf_view(&printed), vkey));
    ks_buf_done(&printed);

    const struct ks_note_key *const keys[] = {key};
    const struct ks_note_trust trust = {keys, 1, true};
    assert_int_equal(parse_and_verify(ks_bytes_text(text), &trust), KS_OK);
    ks_note_key_free(key);
}

/* Of a note that has to be exact, no byte can be changed, and none added or taken away. */
static void test_exact(void **state)
{
    struct ks_note_trust exact = known.trust;
    struct ks_buf two;
    struct ks_buf one;
    struct ks_buf stranger;

    (void)state;
    exact.exact = true;
    vector_read("note/accept", "two", &two);
    vector_read("note/accept", "one", &one);
    vector_read("note/accept", "unknown-beside-known", &stranger);
    assert_int_equal(parse_and_verify(ks_buf_view(&two), &exact), KS_OK);
    assert_int_equal(parse_and_verify(ks_buf_view(&one), &exact), KS_ERR_VERIFY);
    exact.count = 1;
    assert_int_equal(parse_and_verify(ks_buf_view(&one), &exact), KS_OK);
    assert_int_equal(parse_and_verify(ks_buf_view(&two), &exact), KS_ERR_VERIFY);
    assert_int_equal(parse_and_verify(ks_buf_view(&stranger), &exact), KS_ERR_VERIFY);
    exact.count = 2;
    for (size_t i = 0; i < two.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            two.data[i] ^= (uint8_t)(1U << bit);
            assert_int_not_equal(parse_and_verify(ks_buf_view(&two), &exact), KS_OK);
            two.data[i] ^= (uint8_t)(1U << bit);
        }
        assert_int_not_equal(parse_and_verify(ks_bytes_of(two.data, i), &exact), KS_OK);
    }
    ks_buf_done(&two);
    ks_buf_done(&one);
    ks_buf_done(&stranger);
}

static void test_bad_trust(void **state)
{
    const struct ks_note_key *const twice[] = {known.keys[0], known.keys[0]};
    const struct ks_note_trust none = {twice, 0, false};
    const struct ks_note_trust many = {twice, KS_NOTE_KEYS_MAX + 1, false};
    const struct ks_note_trust same = {twice, 2, false};
    struct ks_buf one;

    (void)state;
    vector_read("note/accept", "one", &one);
    assert_int_equal(parse_and_verify(ks_buf_view(&one), &none), KS_ERR_USAGE);
    assert_int_equal(parse_and_verify(ks_buf_view(&one), &many), KS_ERR_USAGE);
    assert_int_equal(parse_and_verify(ks_buf_view(&one), &same), KS_ERR_USAGE);
    ks_buf_done(&one);
}

static void test_vkeys(void **state)
{
    static const char *const bad[] = {
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+AQ==",
        "example.com/foo+530d903a+BekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    };
    struct ks_note_key *key = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (ks_note_key_parse(ks_bytes_text(bad[i]), &key) != KS_ERR_FORMAT) {
            fail_msg("accepted, or another error: '%s': %s", bad[i], ks_err_detail());
        }
    }
    assert_null(key);
    ks_note_key_free(NULL);
}

/* Ed25519 is deterministic: our line is the line that Go wrote with the same key. */
static void test_sign(void **state)
{
    struct ks_sign_key *key = test_key(KS_SIG_ED25519, TEST_SEED_ED25519);
    struct ks_note_signer signer = {KS_LITERAL("example.net/someone"), KS_NOTE_ED25519, key};
    struct ks_buf want;
    struct ks_buf got;

    (void)state;
    vector_read("note/accept", "one", &want);
    ks_buf_init(&got, KS_NOTE_LEN_MAX);
    assert_int_equal(ks_note_sign(KS_LITERAL("This is a note.\n"), &signer, 1, 12345, &got),
                     KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&got), ks_buf_view(&want)));
    ks_buf_done(&want);
    vector_read("note", "keys", &want);
    ks_buf_clear(&got);
    assert_int_equal(ks_note_signer_vkey(&signer, &got), KS_OK);
    assert_memory_equal(got.data, want.data, got.len);
    ks_buf_clear(&got);

    assert_int_equal(ks_note_sign(KS_LITERAL("no newline"), &signer, 1, 0, &got),
                     KS_ERR_FORMAT);
    assert_int_equal(ks_note_sign(KS_LITERAL(""), &signer, 1, 0, &got), KS_ERR_FORMAT);
    assert_int_equal(ks_note_sign(KS_LITERAL("a\rb\n"), &signer, 1, 0, &got), KS_ERR_FORMAT);
    assert_int_equal(ks_note_sign(KS_LITERAL("a\n"), &signer, 0, 0, &got), KS_ERR_USAGE);
    signer.name = KS_LITERAL("has space");
    assert_int_equal(ks_note_sign(KS_LITERAL("a\n"), &signer, 1, 0, &got), KS_ERR_FORMAT);
    signer.name = KS_LITERAL("x");
    signer.type = KS_NOTE_COSIGNED_MLDSA44;
    assert_int_equal(ks_note_sign(KS_LITERAL("a\n"), &signer, 1, 0, &got), KS_ERR_USAGE);
    signer.type = KS_NOTE_COSIGNED_ED25519;
    assert_int_equal(ks_note_sign(KS_LITERAL("a\n"), &signer, 1, KS_NOTE_TIME_MAX + 1, &got),
                     KS_ERR_FORMAT);
    assert_int_equal(got.len, 0);
    ks_buf_done(&got);
    ks_buf_done(&want);
    ks_sign_key_free(key);
}

static void test_too_long(void **state)
{
    struct ks_note note;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, KS_NOTE_LEN_MAX + 1);
    ks_zero(ks_buf_reserve(&text, KS_NOTE_LEN_MAX + 1), KS_NOTE_LEN_MAX + 1);
    ks_buf_grew(&text, KS_NOTE_LEN_MAX + 1);
    assert_int_equal(ks_note_parse(ks_buf_view(&text), &note), KS_ERR_LIMIT);
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),  cmocka_unit_test(test_published_example),
        cmocka_unit_test(test_exact),    cmocka_unit_test(test_bad_trust),
        cmocka_unit_test(test_vkeys),    cmocka_unit_test(test_sign),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, read_keys, free_keys);
}
