/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Bundles of version 2: an anchor and a time stamp beside the record, what the verdict says of
 * them, and that no byte of them can be changed under a policy that pins the anchor's block and
 * names the authority of the stamp. */
#include "expect.h"

#include "attach_fixture.h"
#include "base/text.h"
#include "record_changes.h"

#define DELAY_S 40 /* from the record to its stamp and its block */

static struct fixture_keys keys;
static struct stamp_authority authority;
static struct stamp_authority other_authority;
static struct ks_policy_stamps stamps;

/* What is attached and what the policy says of it; a row changes it before the bundle is made.
 */
static struct draft {
    struct anchor_place place;  /* where the anchor stands */
    struct anchor_place pinned; /* where the policy wants it */
    bool other_digest;          /* the anchor's document and its slot hold another digest */
    bool other_slot;            /* its slot alone */
    bool no_anchor;
    bool no_pin;
    bool no_block;    /* the pin names none */
    bool other_block; /* it names another block of that number */
    const struct stamp_authority *stamper;
    uint64_t stamped_s;
    bool stamp_other_digest;
    bool no_stamp;
    bool no_authority;
    uint64_t within_s; /* 0: any */
} draft;

static struct ks_anchor_pin pin;

static struct draft usual(void)
{
    struct anchor_place place = {.chain_id = 31337,
                                 .contract = {0xc0, 1},
                                 .submitter = {0x5b, 2},
                                 .code_hash = {0xcc, 3},
                                 .number = 12,
                                 .time_s = FIXTURE_NOW_S + DELAY_S};

    return (struct draft){.place = place,
                          .pinned = place,
                          .stamper = &authority,
                          .stamped_s = FIXTURE_NOW_S + DELAY_S,
                          .within_s = 3600};
}

static void attach_anchor(struct fixture *f, const uint8_t digest[32])
{
    char text[65];
    char fresh[80];
    char old[80];

    anchor_make(&draft.place, draft.other_digest || draft.other_slot ? f->core_hash : digest,
                &f->anchor);
    if (draft.other_slot) {
        ks_hex_encode(KS_BYTES(f->core_hash), text);
        (void)snprintf(old, sizeof old, "\"digest\":\"%s", text);
        ks_hex_encode(ks_bytes_of(digest, 32), text);
        (void)snprintf(fresh, sizeof fresh, "\"digest\":\"%s", text);
        fixture_replace(&f->anchor, old, fresh);
    }
    ks_anchor_pin_done(&pin);
    pin = anchor_pin(&draft.pinned,
                     draft.no_block ? (struct ks_bytes){0} : ks_buf_view(&f->anchor));
    if (draft.other_block) {
        pin.blocks[0].hash[31] ^= 1;
    }
}

static void attach(struct fixture *f, enum fixture_step step)
{
    uint8_t digest[32];

    if (step == FIXTURE_BEGIN) {
        f->policy_crl = NULL; /* one signature of the root less to check */
    }
    AT(FIXTURE_INCLUSION)
    f->inclusion.checkpoint = ks_buf_view(&f->note);
    assert_int_equal(ks_inclusion_digest(&f->inclusion, digest), KS_OK);
    attach_anchor(f, digest);
    f->policy_anchor = draft.no_pin ? NULL : &pin;
    if (draft.no_anchor) {
        ks_buf_done(&f->anchor);
    }
    stamps.limited = draft.within_s > 0;
    stamps.within_s = draft.within_s;
    f->policy_stamps = draft.no_authority ? NULL : &stamps;
    if (!draft.no_stamp) {
        stamp_make(draft.stamper, draft.stamp_other_digest ? f->core_hash : digest,
                   draft.stamped_s, &f->timestamp);
    }
}

static const enum ks_verdict_check attached[] = {
    KS_VERDICT_ANCHOR_PROOF, KS_VERDICT_ANCHOR_CANONICAL, KS_VERDICT_TIMESTAMP};

static void test_passes(void **state)
{
    struct fixture fixture;
    struct ks_verdict verdict;
    struct ks_policy *policy = NULL;
    struct ks_buf again;
    struct ks_policy_spec spec = {0};

    (void)state;
    draft = usual();
    fixture_make(&fixture, &keys, attach);
    if (record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&fixture.policy), &verdict) !=
        KS_OK) {
        record_print_verdict(&verdict);
        fail_msg("%s", ks_err_detail());
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(verdict.checks[attached[i]].state, KS_PASS);
    }
    assert_int_equal(verdict.anchored_block, 12);
    assert_int_equal(verdict.anchored_us, (FIXTURE_NOW_S + DELAY_S) * 1000000);
    assert_int_equal(verdict.stamped_us, (FIXTURE_NOW_S + DELAY_S) * 1000000);
    /* the policy, too, is read and written again as the same bytes */
    policy = fixture_policy(&fixture);
    ks_buf_init(&again, KS_POLICY_BYTES_MAX);
    spec = (struct ks_policy_spec){.root = policy->root,
                                   .site = &policy->site,
                                   .accept_simulated_tpm = true,
                                   .anchor = &policy->anchor,
                                   .stamps = &policy->stamps};
    ks_policy_write(&spec, &again);
    record_assert_same(&again, ks_buf_view(&fixture.policy));
    ks_policy_free(policy);
    fixture_free(&fixture);
    record_round_trip(&keys, attach);
}

/* --- one change each ---------------------------------------------------------------------- */

#define ROW(name, change)                                                                      \
    static void name(void)                                                                     \
    {                                                                                          \
        change;                                                                                \
    }

ROW(of_another_chain, draft.place.chain_id = 1)
ROW(of_another_contract, draft.place.contract[0] ^= 1)
ROW(of_another_submitter, draft.place.submitter[0] ^= 1)
ROW(of_other_code, draft.place.code_hash[0] ^= 1)
ROW(of_another_digest, draft.other_digest = true)
ROW(of_another_slot, draft.other_slot = true)
ROW(of_a_lost_block, draft.other_block = true)
ROW(no_block_pinned, draft.no_block = true)
ROW(no_pin, draft.no_pin = true)
ROW(no_anchor, draft.no_anchor = true)
ROW(stamp_of_another_digest, draft.stamp_other_digest = true)
ROW(stamp_by_another, draft.stamper = &other_authority)
ROW(stamp_before_the_record, draft.stamped_s = FIXTURE_NOW_S - 400)
ROW(stamp_too_late, draft.stamped_s = FIXTURE_NOW_S + 3700)
ROW(stamp_after_its_certificate, draft.stamped_s = FIXTURE_END_S + 1; draft.within_s = 0)
ROW(no_stamp, draft.no_stamp = true)
ROW(no_authority, draft.no_authority = true)

static const struct {
    const char *name;
    void (*change)(void);
    enum ks_verdict_check check;
    enum ks_verdict_state state;
    const char *reason;
    bool verified; /* nothing required is missing */
} rows[] = {
#define FAILS(name, check, reason)                                                             \
    {                                                                                          \
#name, name, KS_VERDICT_##check, KS_FAIL, reason, false                                \
    }
#define LACKS(name, check, reason, verified)                                                   \
    {                                                                                          \
#name, name, KS_VERDICT_##check, KS_NOT_RUN, reason, verified                          \
    }
    FAILS(of_another_chain, ANCHOR_PROOF, "of chain 1, not 31337"),
    FAILS(of_another_contract, ANCHOR_PROOF, "of another contract"),
    FAILS(of_another_submitter, ANCHOR_PROOF, "of another submitter"),
    FAILS(of_other_code, ANCHOR_PROOF, "of a contract with other code"),
    FAILS(of_another_digest, ANCHOR_PROOF, "of another digest than that of the checkpoint"),
    FAILS(of_another_slot, ANCHOR_PROOF, "the submitter had anchored another digest"),
    FAILS(of_a_lost_block, ANCHOR_CANONICAL, "block 12 of the pinned chain is another one"),
    FAILS(stamp_of_another_digest, TIMESTAMP, "over another digest"),
    FAILS(stamp_by_another, TIMESTAMP, "certificate"),
    FAILS(stamp_before_the_record, TIMESTAMP, "made after its time stamp"),
    FAILS(stamp_too_late, TIMESTAMP, "stamped 3699 seconds after"),
    FAILS(stamp_after_its_certificate, TIMESTAMP, "certificate has expired"),
    LACKS(no_block_pinned, ANCHOR_CANONICAL, "the policy names no hash for block 12", true),
    LACKS(no_pin, ANCHOR_PROOF, "the policy pins no chain", true),
    LACKS(no_anchor, ANCHOR_PROOF, "the bundle has no anchor", false),
    LACKS(no_stamp, TIMESTAMP, "the bundle has no time stamp", false),
    LACKS(no_authority, TIMESTAMP, "the policy names no time stamp authorities", true),
};

static void test_one_change_each(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture fixture;
        struct ks_verdict verdict;
        enum ks_err err = KS_OK;

        draft = usual();
        rows[i].change();
        fixture_make(&fixture, &keys, attach);
        err =
            record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&fixture.policy), &verdict);
        if (err != (rows[i].verified ? KS_OK : KS_ERR_VERIFY) ||
            verdict.checks[rows[i].check].state != rows[i].state ||
            strstr(verdict.checks[rows[i].check].reason, rows[i].reason) == NULL ||
            (rows[i].state == KS_FAIL &&
             strncmp(ks_err_detail(), ks_verdict_check_name(rows[i].check),
                     strlen(ks_verdict_check_name(rows[i].check))) != 0)) {
            print_error("%s: %d '%s'\n", rows[i].name, (int)err, ks_err_detail());
            record_print_verdict(&verdict);
            failed++;
        }
        fixture_free(&fixture);
    }
    assert_int_equal(failed, 0);
}

/* --- form --------------------------------------------------------------------------------- */

static void test_form(void **state)
{
    static const struct {
        const char *old;
        const char *fresh;
        enum ks_err code;
        const char *reason;
    } forms[] = {
        {"\"ketseal.bundle/2\"", "\"ketseal.bundle/1\"", KS_ERR_FORMAT, "anchor"},
        {"\"ketseal.bundle/2\"", "\"ketseal.bundle/3\"", KS_ERR_FORMAT,
         "expected ketseal.bundle/1"},
        {"{\"anchor\":", "{\"anchoR\":", KS_ERR_FORMAT, "anchoR"},
        {"\"account_proof\":[", "\"account_proof\":[\"\",", KS_ERR_LIMIT, "bytes"},
        {"\"ketseal.anchor/1\"", "\"ketseal.anchor/2\"", KS_ERR_FORMAT, "ketseal.anchor/1"},
        {"\"timestamp\":\"MII", "\"timestamp\":\"NII", KS_ERR_FORMAT, "'timestamp'"},
        {"\"timestamp\":\"MII", "\"timestamp\":\"AMII", KS_ERR_FORMAT, "'timestamp'"},
        {"\"timestamp\":\"MII", "\"timestamp\":\"", KS_ERR_FORMAT, "'timestamp'"},
        {"\"timestamp\":\"MII", "\"zimestamp\":\"MII", KS_ERR_FORMAT, "zimestamp"},
    };
    struct fixture fixture;
    struct ks_bundle *bundle = NULL;
    struct ks_buf changed;

    (void)state;
    draft = usual();
    fixture_make(&fixture, &keys, attach);
    ks_buf_init(&changed, KS_BUNDLE_BYTES_MAX);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        fixture_set(&changed, ks_buf_view(&fixture.bundle));
        fixture_replace(&changed, forms[i].old, forms[i].fresh);
        expect_failure(ks_bundle_parse(ks_buf_view(&changed), &bundle), forms[i].code,
                       forms[i].reason);
    }
    ks_buf_done(&changed);
    fixture_free(&fixture);
    /* version 2 with nothing attached */
    draft.no_anchor = true;
    draft.no_stamp = true;
    fixture_make(&fixture, &keys, attach);
    fixture_replace(&fixture.bundle, "\"ketseal.bundle/1\"", "\"ketseal.bundle/2\"");
    expect_failure(ks_bundle_parse(ks_buf_view(&fixture.bundle), &bundle), KS_ERR_FORMAT,
                   "version 2 without an anchor or a time stamp");
    fixture_free(&fixture);
}

/* One bit of every byte outside ledger and record, of which test_record_bytes.c asks the same.
 */
static void test_every_byte_flipped(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;
    struct ks_verdict verdict;
    struct ks_bytes whole = {0};
    const uint8_t *ledger = NULL;
    const uint8_t *timestamp = NULL;

    (void)state;
    draft = usual();
    fixture_make(&fixture, &keys, attach);
    policy = fixture_policy(&fixture);
    whole = ks_buf_view(&fixture.bundle);
    ledger = memmem(whole.data, whole.len, "\"ledger\":", 9);
    timestamp = memmem(whole.data, whole.len, ",\"timestamp\":", 13);
    assert_true(ledger != NULL && timestamp != NULL && ledger < timestamp);
    for (size_t i = 0; i < whole.len; i++) {
        const uint8_t bit = (uint8_t)(1U << (i * 5 % 8));

        if (i == (size_t)(ledger - whole.data)) {
            i = (size_t)(timestamp - whole.data);
        }
        fixture.bundle.data[i] ^= bit;
        if (ks_bundle_verify(&whole, policy, &verdict) != KS_ERR_VERIFY) {
            fail_msg("byte %zu of %zu can be changed: '%.*s'", i, whole.len, 40,
                     (const char *)whole.data + i);
        }
        fixture.bundle.data[i] ^= bit;
    }
    assert_int_equal(ks_bundle_verify(&whole, policy, &verdict), KS_OK);
    ks_policy_free(policy);
    fixture_free(&fixture);
}

static int setup(void **state)
{
    struct ks_buf pem;
    struct ks_timestamp_trust_spec spec = {0};

    (void)state;
    fixture_keys_make(&keys);
    stamp_authority_make(&authority);
    stamp_authority_make(&other_authority);
    ks_buf_init(&pem, KS_TIMESTAMP_PEM_MAX);
    stamp_party_pem(&authority.root, &pem);
    spec.certificates = ks_buf_view(&pem);
    if (ks_timestamp_trust_new(&spec, &stamps.trust) != KS_OK) {
        return 1;
    }
    ks_buf_done(&pem);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ks_timestamp_trust_free(stamps.trust);
    stamp_authority_free(&authority);
    stamp_authority_free(&other_authority);
    fixture_keys_free(&keys);
    ks_anchor_pin_done(&pin);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_one_change_each),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_every_byte_flipped),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
