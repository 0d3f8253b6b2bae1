/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Records under cosigned checkpoints: what a policy with witnesses accepts, and one without;
 * and what is attached to checkpoints. */
#include "unit/expect.h"

#include "attach_fixture.h"
#include "record/attachment.h"
#include "record/policy.h"
#include "record_changes.h"

#define COSIGNERS 4 /* w1 by two keys, w2, w3 */
#define TIME_S    (FIXTURE_NOW_S + 2)

static struct fixture_keys keys;
static struct ks_note_signer cosigners[COSIGNERS];
static struct ks_sign_key *cosigner_keys[COSIGNERS];
static struct ks_buf vkeys[COSIGNERS];

static int set_up(void **state)
{
    static const struct {
        const char *name;
        enum ks_note_type type;
    } kinds[COSIGNERS] = {
        {"w1.example", KS_NOTE_COSIGNED_ED25519},
        {"w1.example", KS_NOTE_COSIGNED_MLDSA44},
        {"w2.example", KS_NOTE_COSIGNED_ED25519},
        {"w3.example", KS_NOTE_COSIGNED_MLDSA44},
    };

    (void)state;
    fixture_keys_make(&keys);
    for (size_t i = 0; i < COSIGNERS; i++) {
        cosigner_keys[i] = fixture_sign_key(
            kinds[i].type == KS_NOTE_COSIGNED_MLDSA44 ? KS_SIG_MLDSA44 : KS_SIG_ED25519,
            (uint8_t)(0x90 + i));
        cosigners[i] = (struct ks_note_signer){ks_bytes_text(kinds[i].name), kinds[i].type,
                                               cosigner_keys[i]};
        ks_buf_init(&vkeys[i], KS_NOTE_VKEY_MAX);
        assert_int_equal(ks_note_signer_vkey(&cosigners[i], &vkeys[i]), KS_OK);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    for (size_t i = 0; i < COSIGNERS; i++) {
        ks_sign_key_free(cosigner_keys[i]);
        ks_buf_done(&vkeys[i]);
    }
    return 0;
}

/* The change that is made to the fixture: which cosigners sign, and which lie. */
static unsigned signing;
static unsigned lying;

static void cosign(struct fixture *f, enum fixture_step step)
{
    struct ks_buf text;
    struct ks_buf other;
    struct ks_checkpoint false_one = f->checkpoint;

    AT(FIXTURE_CHECKPOINT)
    ks_buf_init(&text, KS_NOTE_LEN_MAX);
    ks_buf_init(&other, KS_NOTE_LEN_MAX);
    false_one.root[5] ^= 1;
    assert_int_equal(ks_checkpoint_print(&f->checkpoint, &text), KS_OK);
    assert_int_equal(ks_checkpoint_print(&false_one, &other), KS_OK);
    for (size_t i = 0; i < COSIGNERS; i++) {
        if (((signing | lying) >> i & 1) != 0) {
            assert_int_equal(
                ks_note_sign_line(ks_buf_view((lying >> i & 1) != 0 ? &other : &text),
                                  &cosigners[i], TIME_S, &f->note),
                KS_OK);
        }
    }
    ks_buf_done(&text);
    ks_buf_done(&other);
}

/* The fixture's policy with the witnesses of MASK, QUORUM of which have to sign. REQUIRED: as
 * `policy make` writes it, with the check in 'require'. */
static void make_policy(const struct fixture *fixture, unsigned mask, uint64_t quorum,
                        bool required, struct ks_buf *out)
{
    struct ks_policy *plain = fixture_policy(fixture);
    struct ks_witnesses witnesses = {.quorum = quorum};
    const struct ks_policy_spec spec = {.root = plain->root,
                                        .site = &plain->site,
                                        .accept_simulated_tpm = true,
                                        .witnesses = &witnesses};

    for (size_t i = 0; i < COSIGNERS; i++) {
        if ((mask >> i & 1) != 0) {
            assert_int_equal(ks_witnesses_add(&witnesses, ks_buf_view(&vkeys[i])), KS_OK);
        }
    }
    ks_policy_write(&spec, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
    if (!required && mask != 0) {
        fixture_replace(out, ",\"ledger.witness\"", "");
    }
    ks_witnesses_done(&witnesses);
    ks_policy_free(plain);
}

static const struct {
    const char *what;
    unsigned signing;
    unsigned lying;
    unsigned known; /* to the policy */
    uint64_t quorum;
    bool required;
    enum ks_verdict_state verdict;
    enum ks_err err;
    const char *reason; /* a part of it */
} cases[] = {
    {"two of two", 5, 0, 5, 2, true, KS_PASS, KS_OK, ""},
    {"all keys", 15, 0, 15, 3, true, KS_PASS, KS_OK, ""},
    {"either key of a witness", 2, 0, 3, 1, true, KS_PASS, KS_OK, ""},
    {"both keys are one witness", 3, 0, 7, 2, true, KS_NOT_RUN, KS_ERR_VERIFY,
     "1 of the policy's 2 witnesses have cosigned, it wants 2"},
    {"too few", 1, 0, 15, 2, true, KS_NOT_RUN, KS_ERR_VERIFY, "1 of the policy's 3"},
    {"too few, not required", 1, 0, 15, 2, false, KS_NOT_RUN, KS_OK, "1 of the policy's 3"},
    {"nobody", 0, 0, 15, 1, true, KS_NOT_RUN, KS_ERR_VERIFY, "0 of the policy's 3"},
    {"strangers too", 13, 0, 5, 2, true, KS_PASS, KS_OK, ""},
    {"strangers alone", 8, 0, 5, 1, true, KS_NOT_RUN, KS_ERR_VERIFY, "unknown keys: 1"},
    {"a policy of before", 15, 0, 0, 0, true, KS_NOT_RUN, KS_OK, "unknown keys: 4"},
    {"one lies", 5, 8, 13, 2, true, KS_FAIL, KS_ERR_VERIFY, "by 'w3.example'"},
    {"one lies, not required", 5, 8, 13, 2, false, KS_FAIL, KS_ERR_VERIFY, "by 'w3.example'"},
    {"a stranger lies", 5, 8, 5, 2, true, KS_PASS, KS_OK, ""},
};

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        struct ks_verdict verdict;
        struct ks_buf policy;
        enum ks_err err = KS_OK;
        const struct ks_verdict_item *item = &verdict.checks[KS_VERDICT_LEDGER_WITNESS];

        signing = cases[i].signing;
        lying = cases[i].lying;
        fixture_make(&fixture, &keys, cosign);
        ks_buf_init(&policy, KS_POLICY_BYTES_MAX);
        make_policy(&fixture, cases[i].known, cases[i].quorum, cases[i].required, &policy);
        err = record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&policy), &verdict);
        if (err != cases[i].err || item->state != cases[i].verdict ||
            strstr(item->reason, cases[i].reason) == NULL) {
            record_print_verdict(&verdict);
            fail_msg("%s", cases[i].what);
        }
        assert_int_equal(verdict.checks[KS_VERDICT_LEDGER_CHECKPOINT].state, KS_PASS);
        ks_buf_done(&policy);
        fixture_free(&fixture);
    }
}

/* Policies with witnesses read and write as the same bytes; what is no quorum is refused. */
static void test_policies(void **state)
{
    static const struct {
        const char *old;
        const char *fresh;
        const char *says;
    } bad[] = {
        {"\"quorum\":2", "\"quorum\":0", "quorum of 0"},
        {"\"quorum\":2", "\"quorum\":4", "quorum of 4 out of 3"},
        {"\"quorum\":2", "\"quorum\":-1", "quorum"},
        {"\"quorum\":2", "\"quorum\":\"2\"", "quorum"},
        {"\"quorum\":2", "\"quorum\":2,\"more\":1", "more"},
        {"\"keys\":[\"w1", "\"keys\":[7,\"w1", "string"},
        {"\"keys\":[\"w1", "\"keys\":[\"\",\"w1", "vkey"},
        {"\"witnesses\":{", "\"witnesses\":[{", "line 1"},
        {"\"w1.example+", "\"w1.example-", "vkey"},
    };
    struct fixture fixture;
    struct ks_buf policy;
    struct ks_buf changed;
    struct ks_policy *read = NULL;
    struct ks_bytes view = {0};

    (void)state;
    signing = lying = 0;
    fixture_make(&fixture, &keys, NULL);
    ks_buf_init(&policy, KS_POLICY_BYTES_MAX);
    make_policy(&fixture, 15, 2, true, &policy);
    view = ks_buf_view(&policy);
    assert_int_equal(ks_policy_read(&view, &read), KS_OK);
    assert_int_equal(read->witnesses.count, 4);
    assert_int_equal(read->witnesses.quorum, 2);
    assert_int_equal(ks_witnesses_names(&read->witnesses), 3);
    ks_policy_free(read);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum ks_err err = KS_OK;

        ks_buf_init(&changed, KS_POLICY_BYTES_MAX);
        fixture_set(&changed, view);
        fixture_replace(&changed, bad[i].old, bad[i].fresh);
        const struct ks_bytes text = ks_buf_view(&changed);
        err = ks_policy_read(&text, &read);
        if (err != KS_ERR_FORMAT) {
            fail_msg("%s: %d %s", bad[i].fresh, err, ks_err_detail());
        }
        ks_buf_done(&changed);
    }
    ks_buf_done(&policy);
    fixture_free(&fixture);
}

static void test_sets_of_keys(void **state)
{
    struct ks_witnesses witnesses = {.quorum = 1};
    struct ks_note_signer log = {KS_LITERAL(FIXTURE_ORIGIN), KS_NOTE_ED25519,
                                 keys.note_ed25519};
    struct ks_buf vkey;
    struct ks_buf lines;

    (void)state;
    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    ks_buf_init(&lines, KS_WITNESSES_LINES_MAX);
    assert_int_equal(ks_note_signer_vkey(&log, &vkey), KS_OK);
    expect_failure(ks_witnesses_add(&witnesses, ks_buf_view(&vkey)), KS_ERR_FORMAT, "a log's");
    ks_buf_put_text(&lines, "# the first\n\n");
    ks_buf_put(&lines, ks_buf_view(&vkeys[0]));
    ks_buf_put_text(&lines, "\n");
    assert_int_equal(ks_witnesses_add_lines(&witnesses, ks_buf_view(&lines)), KS_OK);
    assert_int_equal(witnesses.count, 1);
    expect_failure(ks_witnesses_add_lines(&witnesses, ks_buf_view(&lines)), KS_ERR_FORMAT,
                   "line 3: key");
    expect_failure(ks_witnesses_add_lines(&witnesses, KS_LITERAL("x\n")), KS_ERR_FORMAT,
                   "line 1: vkey");
    assert_int_equal(ks_witnesses_check(&witnesses, KS_LITERAL(FIXTURE_ORIGIN)), KS_OK);
    expect_failure(ks_witnesses_check(&witnesses, KS_LITERAL("w1.example")), KS_ERR_FORMAT,
                   "name of the ledger");
    ks_witnesses_done(&witnesses);
    ks_buf_done(&vkey);
    ks_buf_done(&lines);
}

/* --- attachments -------------------------------------------------------------------------- */

/* The document of the fixture's note with an anchor and a time stamp over DIGEST. */
static void make_attachment(const struct fixture *fixture, const uint8_t digest[32],
                            struct ks_buf *out)
{
    const struct anchor_place place = {.chain_id = 31337, .number = 12, .time_s = TIME_S};
    struct stamp_authority authority;
    struct ks_buf anchor;
    struct ks_buf stamp;
    struct ks_attachment attachment = {.checkpoint = ks_buf_view(&fixture->note)};

    ks_buf_init(&anchor, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&stamp, KS_TIMESTAMP_TOKEN_MAX);
    stamp_authority_make(&authority);
    stamp_make(&authority, digest, TIME_S, &stamp);
    anchor_make(&place, digest, &anchor);
    attachment.anchor = ks_buf_view(&anchor);
    attachment.timestamp = ks_buf_view(&stamp);
    ks_attachment_write(&attachment, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
    stamp_authority_free(&authority);
    ks_buf_done(&anchor);
    ks_buf_done(&stamp);
}

static void test_attachments(void **state)
{
    static const struct {
        const char *old;
        const char *fresh;
        const char *says;
    } bad[] = {
        {"ketseal.attachment/1", "ketseal.attachment/2", "schema"},
        {"\"schema\":\"ketseal.attachment/1\"", "\"schema\":\"ketseal.attachment/1\",\"x\":1",
         "'x'"},
        {"\"anchor\":{", "\"anchor\":[{", "attachment"},
        {"\"digest\"", "\"digests\"", "anchor"},
        {"\"timestamp\":\"", "\"timestamp\":\"AAAA", "timestamp"},
        {"\"timestamp\":\"", "\"timestamp\":\"=", "timestamp"},
        {"\"checkpoint\":\"", "\"checkpoint\":\"x", "attachment"},
    };
    struct fixture fixture;
    struct ks_attachment_read read;
    struct ks_buf document;
    struct ks_buf again;
    uint8_t digest[32];

    (void)state;
    fixture_make(&fixture, &keys, NULL);
    ks_buf_init(&document, KS_ATTACHMENT_BYTES_MAX);
    ks_buf_init(&again, KS_ATTACHMENT_BYTES_MAX);
    assert_int_equal(
        ks_inclusion_digest(&(struct ks_inclusion){.checkpoint = ks_buf_view(&fixture.note)},
                            digest),
        KS_OK);
    make_attachment(&fixture, digest, &document);
    assert_int_equal(ks_attachment_parse(ks_buf_view(&document), &read), KS_OK);
    expect_bytes(KS_BYTES(read.digest), KS_BYTES(digest));
    assert_int_equal(read.checkpoint.size, 6);
    ks_attachment_write(&read.parts, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&document));
    ks_attachment_done(&read);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum ks_err err = KS_OK;

        fixture_set(&again, ks_buf_view(&document));
        fixture_replace(&again, bad[i].old, bad[i].fresh);
        err = ks_attachment_parse(ks_buf_view(&again), &read);
        if ((err != KS_ERR_FORMAT && err != KS_ERR_VERIFY) ||
            strstr(ks_err_detail(), bad[i].says) == NULL) {
            fail_msg("%s: %s", bad[i].fresh, ks_err_detail());
        }
    }
    digest[31] ^= 1; /* of another checkpoint */
    ks_buf_clear(&document);
    make_attachment(&fixture, digest, &document);
    expect_failure(ks_attachment_parse(ks_buf_view(&document), &read), KS_ERR_VERIFY,
                   "another checkpoint");
    ks_buf_clear(&document);
    ks_attachment_write(&(struct ks_attachment){.checkpoint = ks_buf_view(&fixture.note)},
                        &document);
    expect_failure(ks_attachment_parse(ks_buf_view(&document), &read), KS_ERR_FORMAT,
                   "neither an anchor");
    ks_buf_done(&document);
    ks_buf_done(&again);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_sets_of_keys),
        cmocka_unit_test(test_attachments),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
