/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a witness answers: each status of c2sp.org/tlog-witness, what it keeps, and that its
 * cosignatures verify. Crashes: tests/fault/test_crash_witness.c. */
#include "unit/expect.h"

#include "base/text.h"
#include "crypto/digest.h"
#include "fault/crash_fs.h"
#include "fault/forked_log.h"
#include "witness/witness.h"

#define NAME   "w.example/1"
#define TIME_S 1700000000

struct stand {
    struct forked_log forked;
    struct ks_sign_key *keys[2];
    struct ks_note_signer signers[2];
    struct ks_witness_log log;
    struct crash_disk *disk;
    struct ks_fs fs;
    struct ks_witness_spec spec;
    struct ks_witness *witness;
};

static void begin(struct stand *stand)
{
    uint8_t seed[32] = {9};

    *stand = (struct stand){0};
    forked_log_init(&stand->forked);
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed), &stand->keys[0]),
                     KS_OK);
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed), &stand->keys[1]),
                     KS_OK);
    stand->signers[0] =
        (struct ks_note_signer){KS_LITERAL(NAME), KS_NOTE_COSIGNED_ED25519, stand->keys[0]};
    stand->signers[1] =
        (struct ks_note_signer){KS_LITERAL(NAME), KS_NOTE_COSIGNED_MLDSA44, stand->keys[1]};
    stand->log =
        (struct ks_witness_log){.origin = KS_LITERAL(FORKED_ORIGIN),
                                .keys = (const struct ks_note_key *const *)stand->forked.keys,
                                .key_count = 2};
    assert_int_equal(crash_disk_new(1, &stand->disk), KS_OK);
    stand->fs = crash_fs_of(stand->disk);
    stand->spec = (struct ks_witness_spec){.fs = &stand->fs,
                                           .signers = stand->signers,
                                           .signer_count = 2,
                                           .logs = &stand->log,
                                           .log_count = 1};
    assert_int_equal(ks_witness_new(&stand->spec, &stand->witness), KS_OK);
}

static void end(struct stand *stand)
{
    ks_witness_free(stand->witness);
    ks_sign_key_free(stand->keys[0]);
    ks_sign_key_free(stand->keys[1]);
    forked_log_done(&stand->forked);
    crash_disk_free(stand->disk);
}

static void restart(struct stand *stand)
{
    ks_witness_free(stand->witness);
    stand->witness = NULL;
    assert_int_equal(ks_witness_new(&stand->spec, &stand->witness), KS_OK);
}

/* The answer to BODY; released by the caller. */
static void send(struct stand *stand, const struct ks_buf *body,
                 struct ks_witness_answer *answer)
{
    assert_int_equal(ks_witness_add(stand->witness, ks_buf_view(body), TIME_S, answer), KS_OK);
}

/* BRANCH from OLD_SIZE to SIZE is answered with STATUS and EVENT. */
static void expect_answer(struct stand *stand, unsigned branch, size_t old_size, size_t size,
                          int status, enum ks_witness_event event)
{
    struct ks_witness_answer answer = {0};
    struct ks_buf body;

    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    forked_request(&stand->forked, branch, old_size, size, &body);
    send(stand, &body, &answer);
    if (answer.status != status || answer.event != event) {
        fail_msg("branch %u, %zu to %zu: status %d: %.*s", branch, old_size, size,
                 answer.status, (int)answer.body.len, (const char *)answer.body.data);
    }
    assert_string_equal(answer.origin, FORKED_ORIGIN);
    assert_int_equal(answer.size, size);
    if (status == 409) {
        uint64_t told = 0;
        bool known = false;

        assert_string_equal(answer.type, KS_COSIGN_SIZE_TYPE);
        assert_int_equal(ks_cosign_size_parse(ks_buf_view(&answer.body), &told), KS_OK);
        assert_int_equal(told, ks_witness_size(stand->witness, 0, &known));
    }
    ks_witness_answer_done(&answer);
    ks_buf_done(&body);
}

static void test_each_status(void **state)
{
    struct stand stand;

    (void)state;
    begin(&stand);
    expect_answer(&stand, 0, 1, 5, 409, KS_WITNESS_BEHIND); /* never cosigned: 0 */
    expect_answer(&stand, 0, 0, 2, 200, KS_WITNESS_COSIGNED);
    expect_answer(&stand, 0, 0, 2, 409, KS_WITNESS_BEHIND);
    expect_answer(&stand, 0, 2, 2, 200, KS_WITNESS_COSIGNED); /* once more, with another time */
    expect_answer(&stand, 0, 6, 5, 400, KS_WITNESS_MALFORMED);
    expect_answer(&stand, 0, 2, 7, 200, KS_WITNESS_COSIGNED);
    expect_answer(&stand, 0, 2, 7, 409, KS_WITNESS_BEHIND);
    expect_answer(&stand, 0, 5, 7, 409, KS_WITNESS_BEHIND);
    expect_answer(&stand, 1, 7, 7, 409, KS_WITNESS_FORK);
    expect_answer(&stand, 1, 7, 9, 422, KS_WITNESS_UNPROVEN);
    expect_answer(&stand, 1, 3, 9, 409, KS_WITNESS_BEHIND);
    expect_answer(&stand, 0, 7, 9, 200, KS_WITNESS_COSIGNED);
    end(&stand);
}

static void test_an_empty_ledger(void **state)
{
    struct stand stand;
    bool known = false;

    (void)state;
    begin(&stand);
    assert_int_equal(ks_witness_size(stand.witness, 0, &known), 0);
    assert_false(known);
    expect_answer(&stand, 0, 0, 0, 200, KS_WITNESS_COSIGNED);
    assert_int_equal(ks_witness_size(stand.witness, 0, &known), 0);
    assert_true(known);
    expect_answer(&stand, 0, 0, 4, 200, KS_WITNESS_COSIGNED);
    end(&stand);
}

/* BODY, changed, gets STATUS. */
static void expect_changed(struct stand *stand, const char *old, const char *fresh, int status)
{
    struct ks_witness_answer answer = {0};
    struct ks_buf body;
    struct ks_buf changed;
    const uint8_t *at = NULL;

    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    ks_buf_init(&changed, KS_COSIGN_REQUEST_MAX);
    forked_request(&stand->forked, 0, 2, 7, &body);
    at = memmem(body.data, body.len, old, strlen(old));
    assert_non_null(at);
    ks_buf_put(&changed, ks_bytes_of(body.data, (size_t)(at - body.data)));
    ks_buf_put_text(&changed, fresh);
    ks_buf_put(&changed, ks_bytes_of(at + strlen(old),
                                     (size_t)(body.data + body.len - at) - strlen(old)));
    send(stand, &changed, &answer);
    if (answer.status != status) {
        fail_msg("'%s' for '%s': status %d", fresh, old, answer.status);
    }
    ks_witness_answer_done(&answer);
    ks_buf_done(&body);
    ks_buf_done(&changed);
}

static void test_changed_requests(void **state)
{
    struct stand stand;

    (void)state;
    begin(&stand);
    expect_answer(&stand, 0, 0, 2, 200, KS_WITNESS_COSIGNED);
    expect_changed(&stand, "old 2\n", "old 02\n", 400);
    expect_changed(&stand, "\n\n" FORKED_ORIGIN, "\n" FORKED_ORIGIN, 400);
    expect_changed(&stand, FORKED_ORIGIN "\n7\n", FORKED_ORIGIN "\n7\n7\n", 400);
    expect_changed(&stand, "\n\n" FORKED_ORIGIN "\n", "\n\nother.example/log\n", 404);
    expect_changed(&stand, FORKED_ORIGIN "\n7\n", FORKED_ORIGIN "\n8\n", 403);
    expect_changed(&stand, "\xe2\x80\x94 " FORKED_ORIGIN, "\xe2\x80\x94 other.example/log",
                   200);
    end(&stand);
}

/* A proof with one bit changed, one hash more, one less. */
static void test_changed_proofs(void **state)
{
    struct stand stand;
    struct ks_cosign_request request;
    struct ks_buf body;

    (void)state;
    begin(&stand);
    expect_answer(&stand, 0, 0, 3, 200, KS_WITNESS_COSIGNED);
    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    forked_request(&stand.forked, 0, 3, 7, &body);
    assert_int_equal(ks_cosign_request_parse(ks_buf_view(&body), &request), KS_OK);
    assert_int_equal(request.proof_count, 4);
    for (unsigned change = 0; change < 6; change++) {
        struct ks_cosign_request changed = request;
        struct ks_witness_answer answer = {0};
        struct ks_buf sent;

        ks_buf_init(&sent, KS_COSIGN_REQUEST_MAX);
        if (change < 4) {
            changed.proof[change][31] ^= 1;
        } else {
            changed.proof_count = change == 4 ? 5 : 3;
        }
        ks_cosign_request_print(&changed, &sent);
        send(&stand, &sent, &answer);
        assert_int_equal(answer.status, 422);
        ks_witness_answer_done(&answer);
        ks_buf_done(&sent);
    }
    expect_answer(&stand, 0, 3, 7, 200, KS_WITNESS_COSIGNED);
    ks_buf_done(&body);
    end(&stand);
}

/* --- what it says and keeps --------------------------------------------------------------- */

static void read_kept(const struct stand *stand, const char *suffix, struct ks_buf *out)
{
    uint8_t hash[KS_SHA256_LEN];
    char name[KS_WITNESS_ID_LEN + 16];

    ks_sha256(KS_LITERAL(FORKED_ORIGIN), hash);
    ks_hex_encode(KS_BYTES(hash), name);
    (void)strncat(name, suffix, 8);
    assert_int_equal(ks_fs_load(&stand->fs, name, KS_NOTE_LEN_MAX, out), KS_OK);
}

/* Its lines verify with its vkeys over the very text; what it keeps is what it serves: the
 * log's lines and its own. */
static void test_cosignatures(void **state)
{
    struct stand stand;
    struct ks_witness_answer answer = {0};
    struct ks_note_key *known[2] = {NULL, NULL};
    const struct ks_note_trust trust = {
        .keys = (const struct ks_note_key *const *)known, .count = 2, .exact = false};
    struct ks_note_verdict verdict;
    struct ks_note note;
    struct ks_bytes served = {0};
    struct ks_buf body;
    struct ks_buf kept;
    struct ks_buf lines;
    uint8_t hash[KS_SHA256_LEN];
    char id[KS_WITNESS_ID_LEN + 1];

    (void)state;
    begin(&stand);
    ks_buf_init(&body, KS_COSIGN_REQUEST_MAX);
    ks_buf_init(&kept, KS_NOTE_LEN_MAX);
    ks_buf_init(&lines, KS_NOTE_LEN_MAX);
    for (size_t i = 0; i < 2; i++) {
        struct ks_buf vkey;

        ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
        assert_int_equal(ks_note_signer_vkey(&stand.signers[i], &vkey), KS_OK);
        assert_int_equal(ks_note_key_parse(ks_buf_view(&vkey), &known[i]), KS_OK);
        ks_buf_done(&vkey);
    }
    forked_request(&stand.forked, 0, 0, 6, &body);
    send(&stand, &body, &answer);
    assert_int_equal(answer.status, 200);
    read_kept(&stand, "", &kept);
    assert_int_equal(ks_note_parse(ks_buf_view(&kept), &note), KS_OK);
    assert_int_equal(note.count, 4); /* two of the log, two of ours */
    assert_int_equal(ks_cosign_take(note.text, ks_buf_view(&answer.body), &trust, &lines),
                     KS_OK);
    expect_bytes(ks_buf_view(&lines), ks_buf_view(&answer.body));
    assert_int_equal(ks_note_verify(&note, &trust, &verdict), KS_OK);
    assert_true(verdict.has_signed[0] && verdict.has_signed[1]);
    assert_int_equal(verdict.time_s[0], TIME_S);
    assert_int_equal(verdict.time_s[1], TIME_S);
    ks_sha256(KS_LITERAL(FORKED_ORIGIN), hash);
    ks_hex_encode(KS_BYTES(hash), id);
    assert_int_equal(ks_witness_checkpoint(stand.witness, ks_bytes_text(id), &served), KS_OK);
    expect_bytes(served, ks_buf_view(&kept));
    id[0] = (char)(id[0] == '0' ? '1' : '0');
    assert_int_equal(ks_witness_checkpoint(stand.witness, ks_bytes_text(id), &served),
                     KS_ERR_NOT_FOUND);
    ks_note_done(&note);
    ks_witness_answer_done(&answer);
    ks_note_key_free(known[0]);
    ks_note_key_free(known[1]);
    ks_buf_done(&body);
    ks_buf_done(&kept);
    ks_buf_done(&lines);
    end(&stand);
}

/* The second root of a size is kept: with the file beside it, it convicts the log. */
static void test_evidence(void **state)
{
    struct stand stand;
    struct ks_buf kept;
    struct ks_buf want;

    (void)state;
    begin(&stand);
    ks_buf_init(&kept, KS_NOTE_LEN_MAX);
    ks_buf_init(&want, KS_NOTE_LEN_MAX);
    expect_answer(&stand, 0, 0, 6, 200, KS_WITNESS_COSIGNED);
    expect_answer(&stand, 1, 6, 6, 409, KS_WITNESS_FORK);
    expect_answer(&stand, 2, 6, 6, 409, KS_WITNESS_FORK); /* the first one stays */
    read_kept(&stand, ".fork", &kept);
    forked_note(&stand.forked, 1, 6, &want);
    /* ML-DSA signs hedged: the same text, not the same bytes. */
    assert_true(kept.len == want.len);
    assert_memory_equal(kept.data, want.data, 60);
    ks_buf_done(&kept);
    ks_buf_done(&want);
    end(&stand);
}

static void test_memory(void **state)
{
    struct stand stand;
    struct ks_buf kept;
    bool known = false;

    (void)state;
    begin(&stand);
    ks_buf_init(&kept, KS_NOTE_LEN_MAX);
    expect_answer(&stand, 0, 0, 6, 200, KS_WITNESS_COSIGNED);
    restart(&stand);
    assert_int_equal(ks_witness_size(stand.witness, 0, &known), 6);
    expect_answer(&stand, 1, 6, 6, 409, KS_WITNESS_FORK);
    expect_answer(&stand, 0, 6, 8, 200, KS_WITNESS_COSIGNED);
    /* One bit of the file: a witness that does not know what it said does not speak. */
    read_kept(&stand, "", &kept);
    for (size_t at = 0; at < kept.len; at += 97) {
        uint8_t hash[KS_SHA256_LEN];
        char name[KS_WITNESS_ID_LEN + 1];
        struct ks_witness *other = NULL;

        ks_sha256(KS_LITERAL(FORKED_ORIGIN), hash);
        ks_hex_encode(KS_BYTES(hash), name);
        kept.data[at] ^= 1;
        assert_int_equal(ks_fs_replace(&stand.fs, name, ks_buf_view(&kept)), KS_OK);
        if (ks_witness_new(&stand.spec, &other) == KS_OK) {
            /* A line whose key id was hit is a stranger's; the text is bound by the others. */
            assert_int_equal(ks_witness_size(other, 0, &known), 8);
        }
        ks_witness_free(other);
        kept.data[at] ^= 1;
    }
    ks_buf_done(&kept);
    end(&stand);
}

static void test_bad_specs(void **state)
{
    struct stand stand;
    struct ks_witness *other = NULL;
    struct ks_witness_log twice[2];
    struct ks_note_signer plain;
    struct ks_witness_spec spec;

    (void)state;
    begin(&stand);
    twice[0] = twice[1] = stand.log;
    spec = stand.spec;
    spec.logs = twice;
    spec.log_count = 2;
    expect_failure(ks_witness_new(&spec, &other), KS_ERR_USAGE, "there twice");
    spec = stand.spec;
    spec.log_count = 0;
    expect_failure(ks_witness_new(&spec, &other), KS_ERR_USAGE, "1 to 64 logs");
    spec = stand.spec;
    plain = (struct ks_note_signer){KS_LITERAL(NAME), KS_NOTE_ED25519, stand.keys[0]};
    spec.signers = &plain;
    spec.signer_count = 1;
    expect_failure(ks_witness_new(&spec, &other), KS_ERR_USAGE, "makes cosignatures");
    end(&stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_status),      cmocka_unit_test(test_an_empty_ledger),
        cmocka_unit_test(test_changed_requests), cmocka_unit_test(test_changed_proofs),
        cmocka_unit_test(test_cosignatures),     cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_memory),           cmocka_unit_test(test_bad_specs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
