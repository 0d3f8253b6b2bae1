/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The messages between a log and its witnesses: what is refused, and that answers count only as
 * far as known keys verify. */
#include "unit/expect.h"

#include "fault/forked_log.h"

#define HASH   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define TIME_S 1700000000

static struct forked_log forked;

static int set_up(void **state)
{
    (void)state;
    forked_log_init(&forked);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forked_log_done(&forked);
    return 0;
}

/* --- requests ----------------------------------------------------------------------------- */

static void test_requests_print_as_they_were(void **state)
{
    static const struct {
        size_t old_size;
        size_t size;
    } cases[] = {{0, 0}, {0, 7}, {1, 7}, {4, 7}, {7, 7}, {255, 300}, {256, 257}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_cosign_request request;
        struct ks_buf body;
        struct ks_buf again;

        ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
        ks_buf_init(&again, KS_COSIGN_REQUEST_MAX);
        forked_request(&forked, 0, cases[i].old_size, cases[i].size, &body);
        assert_int_equal(ks_cosign_request_parse(ks_buf_view(&body), &request), KS_OK);
        assert_int_equal(request.old_size, cases[i].old_size);
        ks_cosign_request_print(&request, &again);
        expect_bytes(ks_buf_view(&again), ks_buf_view(&body));
        ks_buf_done(&body);
        ks_buf_done(&again);
    }
}

static const struct {
    const char *body;
    const char *reason;
} bad_requests[] = {
    {"", "add-checkpoint"},
    {"old", "add-checkpoint"},
    {"new 0\n\nx", "old SIZE"},
    {"old  0\n\nx", "old size"},
    {"old 00\n\nx", "old size"},
    {"old 01\n\nx", "old size"},
    {"old +1\n\nx", "old size"},
    {"old -1\n\nx", "old size"},
    {"old 1 \n\nx", "old size"},
    {"old 1\r\n\r\nx", "old size"},
    {"old \n\nx", "old size"},
    {"old 9007199254740992\n\nx", "old size"},
    {"old 1", "add-checkpoint"},
    {"old 1\n", "add-checkpoint"},
    {"old 1\n" HASH, KS_ERR_FORMAT, "add-checkpoint"},
    {"old 1\n" HASH "\n", "add-checkpoint"},
    {"old 1\nAAAA\n\nx", "hash 1"},
    {"old 1\n" HASH "\n" HASH " \n\nx", "hash 2"},
    {"old 1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\nx", "hash 1"},
};

static void test_bad_requests(void **state)
{
    struct ks_cosign_request request;
    struct ks_buf body;

    (void)state;
    for (size_t i = 0; i < sizeof bad_requests / sizeof bad_requests[0]; i++) {
        const enum ks_err err =
            ks_cosign_request_parse(ks_bytes_text(bad_requests[i].body), &request);

        if (err == KS_OK) {
            fail_msg("taken: '%s'", bad_requests[i].body);
        }
        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
        assert_non_null(strstr(ks_err_detail(), bad_requests[i].reason));
    }
    for (size_t lines = KS_COSIGN_PROOF_MAX; lines <= KS_COSIGN_PROOF_MAX + 1; lines++) {
        ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
        ks_buf_put_text(&body, "old 1\n");
        for (size_t i = 0; i < lines; i++) {
            ks_buf_put_text(&body, HASH "\n");
        }
        ks_buf_put_text(&body, "\nx");
        assert_int_equal(ks_cosign_request_parse(ks_buf_view(&body), &request),
                         lines <= KS_COSIGN_PROOF_MAX ? KS_OK : KS_ERR_LIMIT);
        ks_buf_done(&body);
    }
    ks_buf_init(&body, 2 * KS_COSIGN_REQUEST_MAX);
    ks_buf_put_text(&body, "old 1\n\n");
    while (body.len <= KS_COSIGN_REQUEST_MAX) {
        ks_buf_put_text(&body, "x");
    }
    assert_int_equal(ks_cosign_request_parse(ks_buf_view(&body), &request), KS_ERR_LIMIT);
    ks_buf_done(&body);
}

static void test_sizes(void **state)
{
    static const char *const bad[] = {"",     "\n",    "7",       "07\n", "7\n\n",
                                      "7 \n", "7\r\n", "seven\n", "-7\n", "9007199254740992\n"};
    uint64_t size = 0;

    (void)state;
    assert_int_equal(ks_cosign_size_parse(KS_LITERAL("0\n"), &size), KS_OK);
    assert_int_equal(ks_cosign_size_parse(KS_LITERAL("20852014\n"), &size), KS_OK);
    assert_int_equal(size, 20852014);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ks_cosign_size_parse(ks_bytes_text(bad[i]), &size), KS_ERR_FORMAT);
    }
}

/* --- answers ------------------------------------------------------------------------------ */

struct cosigner {
    struct ks_sign_key *key;
    struct ks_note_signer signer;
    struct ks_note_key *known;
};

static void make_cosigner(struct cosigner *cosigner, const char *name, enum ks_note_type type,
                          uint8_t first)
{
    uint8_t seed[32];
    struct ks_buf vkey;

    memset(seed, first, sizeof seed);
    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    assert_int_equal(ks_sign_key_from_seed(type == KS_NOTE_COSIGNED_MLDSA44 ? KS_SIG_MLDSA44
                                                                            : KS_SIG_ED25519,
                                           KS_BYTES(seed), &cosigner->key),
                     KS_OK);
    cosigner->signer = (struct ks_note_signer){ks_bytes_text(name), type, cosigner->key};
    assert_int_equal(ks_note_signer_vkey(&cosigner->signer, &vkey), KS_OK);
    assert_int_equal(ks_note_key_parse(ks_buf_view(&vkey), &cosigner->known), KS_OK);
    ks_buf_done(&vkey);
}

static void free_cosigner(struct cosigner *cosigner)
{
    ks_sign_key_free(cosigner->key);
    ks_note_key_free(cosigner->known);
}

#define COSIGNERS 4

struct answers {
    struct cosigner list[COSIGNERS]; /* w1 twice, w2, a stranger */
    const struct ks_note_key *keys[COSIGNERS];
    struct ks_note_trust trust; /* the first three */
    struct ks_buf note;
    struct ks_note parsed;
    struct ks_buf lines;
};

static void answers_begin(struct answers *answers)
{
    *answers = (struct answers){0};
    make_cosigner(&answers->list[0], "w1.example", KS_NOTE_COSIGNED_ED25519, 1);
    make_cosigner(&answers->list[1], "w1.example", KS_NOTE_COSIGNED_MLDSA44, 2);
    make_cosigner(&answers->list[2], "w2.example", KS_NOTE_COSIGNED_ED25519, 3);
    make_cosigner(&answers->list[3], "w3.example", KS_NOTE_COSIGNED_ED25519, 4);
    for (size_t i = 0; i < COSIGNERS; i++) {
        answers->keys[i] = answers->list[i].known;
    }
    answers->trust = (struct ks_note_trust){.keys = answers->keys, .count = 3};
    ks_buf_init(&answers->note, KS_NOTE_LEN_MAX);
    ks_buf_init(&answers->lines, KS_NOTE_LEN_MAX);
    forked_note(&forked, 0, 9, &answers->note);
    assert_int_equal(ks_note_parse(ks_buf_view(&answers->note), &answers->parsed), KS_OK);
}

static void answers_end(struct answers *answers)
{
    for (size_t i = 0; i < COSIGNERS; i++) {
        free_cosigner(&answers->list[i]);
    }
    ks_note_done(&answers->parsed);
    ks_buf_done(&answers->note);
    ks_buf_done(&answers->lines);
}

/* The lines of MASK over the text, the last one of which is OF_OTHER: of another checkpoint. */
static void put_lines(const struct answers *answers, unsigned mask, bool of_other,
                      struct ks_buf *out)
{
    struct ks_buf other;
    struct ks_note parsed;

    ks_buf_init(&other, KS_NOTE_LEN_MAX);
    forked_note(&forked, 1, 9, &other);
    assert_int_equal(ks_note_parse(ks_buf_view(&other), &parsed), KS_OK);
    for (unsigned i = 0; i < COSIGNERS; i++) {
        const bool last = mask >> (i + 1) == 0;

        if ((mask >> i & 1) != 0) {
            assert_int_equal(
                ks_note_sign_line(of_other && last ? parsed.text : answers->parsed.text,
                                  &answers->list[i].signer, TIME_S, out),
                KS_OK);
        }
    }
    ks_note_done(&parsed);
    ks_buf_done(&other);
}

static void test_lines_of_known_keys_are_taken(void **state)
{
    struct answers answers;
    struct ks_buf sent;

    (void)state;
    answers_begin(&answers);
    for (unsigned mask = 1; mask < 16; mask++) {
        enum ks_err err = KS_OK;

        ks_buf_init(&sent, KS_NOTE_LEN_MAX);
        ks_buf_clear(&answers.lines);
        put_lines(&answers, mask, false, &sent);
        err = ks_cosign_take(answers.parsed.text, ks_buf_view(&sent), &answers.trust,
                             &answers.lines);
        /* A stranger alone has said nothing; beside others it is passed over. */
        assert_int_equal(err, (mask & 7) != 0 ? KS_OK : KS_ERR_VERIFY);
        if ((mask & 8) == 0) {
            expect_bytes(ks_buf_view(&answers.lines), ks_buf_view(&sent));
        } else if (err == KS_OK) {
            assert_true(answers.lines.len < sent.len);
            assert_null(memmem(answers.lines.data, answers.lines.len, "w3.example", 10));
        }
        ks_buf_done(&sent);
    }
    answers_end(&answers);
}

static void test_false_answers(void **state)
{
    static const char *const no_lines[] = {"", "\n", "yes\n", "— w1.example AAAA\n",
                                           "— w1.example\n"};
    struct answers answers;
    struct ks_buf sent;

    (void)state;
    answers_begin(&answers);
    for (unsigned mask = 1; mask < 8; mask++) { /* one line of another checkpoint */
        ks_buf_init(&sent, KS_NOTE_LEN_MAX);
        put_lines(&answers, mask, true, &sent);
        assert_int_equal(ks_cosign_take(answers.parsed.text, ks_buf_view(&sent), &answers.trust,
                                        &answers.lines),
                         KS_ERR_VERIFY);
        ks_buf_done(&sent);
    }
    for (size_t i = 0; i < sizeof no_lines / sizeof no_lines[0]; i++) {
        assert_int_not_equal(ks_cosign_take(answers.parsed.text, ks_bytes_text(no_lines[i]),
                                            &answers.trust, &answers.lines),
                             KS_OK);
    }
    /* A good note of its own behind a blank line is not an answer about ours. */
    ks_buf_init(&sent, KS_NOTE_LEN_MAX);
    ks_buf_put(&sent, answers.parsed.text);
    ks_buf_put_text(&sent, "\n");
    put_lines(&answers, 1, false, &sent);
    assert_int_equal(
        ks_cosign_take(answers.parsed.text, ks_buf_view(&sent), &answers.trust, &answers.lines),
        KS_ERR_FORMAT);
    assert_int_equal(answers.lines.len, 0);
    /* A log's own key is no cosigner's. */
    answers.keys[0] = forked.keys[0];
    ks_buf_clear(&sent);
    put_lines(&answers, 4, false, &sent);
    assert_int_equal(
        ks_cosign_take(answers.parsed.text, ks_buf_view(&sent), &answers.trust, &answers.lines),
        KS_ERR_USAGE);
    ks_buf_done(&sent);
    answers_end(&answers);
}

static void test_names_count(void **state)
{
    static const struct {
        unsigned mask;
        size_t names;
    } cases[] = {{0, 0}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 2}, {7, 2}};
    struct answers answers;

    (void)state;
    answers_begin(&answers);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_note_verdict verdict = {0};

        for (unsigned k = 0; k < 3; k++) {
            verdict.has_signed[k] = (cases[i].mask >> k & 1) != 0;
        }
        assert_int_equal(ks_cosign_count(&answers.trust, &verdict), cases[i].names);
    }
    answers_end(&answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_print_as_they_were),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_lines_of_known_keys_are_taken),
        cmocka_unit_test(test_false_answers),
        cmocka_unit_test(test_names_count),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
