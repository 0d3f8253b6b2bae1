/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The list of a round, against the records of the round and of its updates; and what an enclave
 * says after it has computed a round again. */
#include "unit/expect.h"

#include <string.h>

#include "crypto/digest.h"
#include "record/fl_audit.h"
#include "record/fl_updates.h"
#include "record_fixture.h"

#define JOB_1 "10000000-0000-4000-8000-000000000001"
#define JOB_2 "20000000-0000-4000-8000-000000000002"

static struct fixture_keys keys;

static struct ks_fl_counted counted[2];

/* Two updates of the fixture's round. */
static struct ks_fl_updates list_of(const struct ks_core_fl *fl)
{
    struct ks_fl_updates updates = {
        .round = fl->round, .invited = 3, .counted = counted, .count = 2};

    ks_copy(updates.session, fl->session, sizeof updates.session);
    counted[0] = (struct ks_fl_counted){.device = KS_LITERAL("sensor-8"),
                                        .encoding = KS_LITERAL("f32"),
                                        .job = KS_LITERAL(JOB_1),
                                        .length = 5000,
                                        .loss = -0.25,
                                        .norm = 1.5,
                                        .place = 2,
                                        .reason = KS_LITERAL("norm"),
                                        .record = {9},
                                        .samples = 400,
                                        .sealed = {1},
                                        .suspicion = 4.5,
                                        .update = {2}};
    counted[1] = counted[0];
    counted[1].device = KS_LITERAL(FIXTURE_DEVICE);
    counted[1].job = KS_LITERAL(JOB_2);
    counted[1].loss = 0.5;
    counted[1].place = 0;
    counted[1].record[0] = 3; /* before the other, though the other came first */
    counted[1].samples = 800;
    return updates;
}

static void write_list(const struct ks_core_fl *fl, struct ks_buf *out)
{
    const struct ks_fl_updates updates = list_of(fl);

    ks_buf_init(out, 65536);
    ks_fl_updates_write(&updates, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
}

static void round_with_list(struct fixture *fixture, enum fixture_step step)
{
    struct ks_round_result result = {.outcome = KS_LITERAL("completed"),
                                     .completed = true,
                                     .count = 2,
                                     .samples = 1200,
                                     .model = {0x88}};
    const uint8_t hashes[2][32] = {{3}, {9}};
    struct ks_buf list;

    if (step != FIXTURE_BEGIN) {
        return;
    }
    fixture_begin_round(fixture);
    result.loss = (400 * -0.25 + 800 * 0.5) / 1200;
    ks_round_updates_digest(hashes[0], 2, result.updates);
    write_list(&fixture->core.fl, &list);
    ks_sha256(ks_buf_view(&list), result.list);
    ks_buf_clear(&fixture->result);
    ks_round_result_write(&result, &fixture->result);
    ks_buf_done(&list);
}

static struct ks_bundle *bundle_of(fixture_change change)
{
    struct fixture fixture;
    struct ks_bundle *bundle = NULL;

    fixture_make(&fixture, &keys, change);
    assert_int_equal(ks_bundle_parse(ks_buf_view(&fixture.bundle), &bundle), KS_OK);
    fixture_free(&fixture);
    return bundle;
}

static void test_list_is_the_rounds(void **state)
{
    struct ks_bundle *bundle = bundle_of(round_with_list);
    struct ks_fl_updates read;
    struct ks_buf list;
    struct ks_buf again;

    (void)state;
    write_list(&bundle->core.fl, &list);
    assert_int_equal(ks_fl_updates_check(ks_buf_view(&list), &bundle->core, &read), KS_OK);
    assert_int_equal(read.count, 2);
    assert_int_equal(read.invited, 3);
    assert_true(ks_bytes_is(read.counted[0].device, "sensor-8")); /* as they came */
    assert_true(read.counted[0].loss == -0.25 && read.counted[0].suspicion == 4.5);
    assert_int_equal(read.counted[1].samples, 800);
    ks_buf_init(&again, 65536);
    ks_fl_updates_write(&read, &again);
    assert_true(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&list)));
    ks_fl_updates_done(&read);
    ks_buf_done(&again);
    ks_buf_done(&list);
    ks_bundle_free(bundle);
}

/* A list whose hash is in the record, and which says something else than the record. */
static void expect_refused(const char *old, const char *fresh, const char *words)
{
    struct ks_bundle *bundle = bundle_of(round_with_list);
    struct ks_round_result result;
    struct ks_json_doc *doc = NULL;
    struct ks_fl_updates read;
    struct ks_buf list;
    struct ks_buf text;

    write_list(&bundle->core.fl, &list);
    fixture_replace(&list, old, fresh);
    assert_int_equal(ks_fl_updates_check(ks_buf_view(&list), &bundle->core, &read),
                     KS_ERR_VERIFY);
    assert_non_null(strstr(ks_err_detail(), "'list' commits to"));
    assert_int_equal(ks_round_result_read(bundle->core.result, &doc, &result), KS_OK);
    ks_sha256(ks_buf_view(&list), result.list);
    ks_buf_init(&text, 4096);
    ks_round_result_write(&result, &text);
    bundle->core.result = ks_buf_view(&text);
    assert_int_equal(ks_fl_updates_check(ks_buf_view(&list), &bundle->core, &read),
                     KS_ERR_VERIFY);
    if (strstr(ks_err_detail(), words) == NULL) {
        fail_msg("'%s' does not say '%s'", ks_err_detail(), words);
    }
    ks_json_doc_free(doc);
    ks_buf_done(&text);
    ks_buf_done(&list);
    ks_bundle_free(bundle);
}

static void test_list_that_does_not_fit(void **state)
{
    (void)state;
    expect_refused("\"round\":1", "\"round\":2", "of another round");
    expect_refused("\"record\":\"03", "\"record\":\"04", "'updates' commits to");
    expect_refused("\"samples\":400", "\"samples\":401", "samples are 1201");
    expect_refused("\"loss\":0.5", "\"loss\":0.51", "loss is not");
}

static void test_list_of_no_round(void **state)
{
    struct fixture fixture;
    struct ks_fl_updates read;
    struct ks_buf list;

    (void)state;
    fixture_make(&fixture, &keys, NULL);
    write_list(&fixture.core.fl, &list);
    assert_int_equal(ks_fl_updates_check(ks_buf_view(&list), &fixture.core, &read),
                     KS_ERR_VERIFY);
    ks_buf_done(&list);
    fixture_free(&fixture);
}

static const struct {
    const char *old;
    const char *fresh;
} list_changes[] = {
    {"\"device\":\"sensor-8\"", "\"device\":\"sensor-7\""}, /* twice */
    {"\"device\":\"sensor-8\"", "\"device\":\"\""},
    {"\"device\":\"sensor-8\"", "\"device\":\"a/b\""},
    {"\"encoding\":\"f32\"", "\"encoding\":\"12345678901234567\""},
    {"\"invited\":3", "\"invited\":0"},
    {"\"invited\":3", "\"invited\":2"}, /* a place is not below it */
    {"\"invited\":3", "\"invited\":65537"},
    {JOB_1, "10000000-0000-4000-8000-00000000000"},
    {"\"length\":5000", "\"length\":-1"},
    {"\"length\":5000", "\"length\":1073745921"},
    {"\"norm\":1.5", "\"norm\":-1.5"},
    {"\"norm\":1.5", "\"norm\":\"1.5\""},
    {"\"place\":2", "\"place\":3"},
    {"\"reason\":\"norm\"", "\"reason\":\"a b\""},
    {"\"record\":\"09", "\"record\":\"9"},
    {"\"round\":1", "\"round\":0"},
    {"\"round\":1", "\"round\":1000001"},
    {"\"samples\":400", "\"samples\":0"},
    {"\"samples\":400", "\"samples\":2147483648"},
    {"updates/1", "updates/2"},
    {"\"sealed\":\"01", "\"sealed\":\"0x"},
    {"\"suspicion\":4.5", "\"suspicion\":-0.5"},
    {"\"suspicion\":4.5", "\"suspicion\":4.50"}, /* not canonical */
    {"\"suspicion\":4.5,", "\"suspicion\":4.5,\"tau\":1,"},
    {"\"updates\":[{", "\"updates\":[{}, {"},
    {"\"updates\":[", "\"updates\":[{},"},
};

static void test_list_members(void **state)
{
    const struct ks_core_fl fl = {.round = 1, .session = {7}};

    (void)state;
    for (size_t i = 0; i < sizeof list_changes / sizeof list_changes[0]; i++) {
        struct ks_fl_updates read;
        struct ks_buf list;
        enum ks_err err = KS_OK;

        write_list(&fl, &list);
        fixture_replace(&list, list_changes[i].old, list_changes[i].fresh);
        err = ks_fl_updates_read(ks_buf_view(&list), &read);
        if (err != KS_ERR_FORMAT) {
            fail_msg("%s: %s: %s", list_changes[i].fresh, ks_err_name(err), ks_err_detail());
        }
        ks_buf_done(&list);
    }
}

static void test_record_twice(void **state)
{
    const struct ks_core_fl fl = {.round = 1};
    struct ks_fl_updates updates = list_of(&fl);
    struct ks_fl_updates_sum sum;

    (void)state;
    counted[1].record[0] = counted[0].record[0];
    assert_int_equal(ks_fl_updates_sum(&updates, &sum), KS_ERR_FORMAT);
    updates.count = 0;
    assert_int_equal(ks_fl_updates_sum(&updates, &sum), KS_OK);
    assert_true(sum.samples == 0 && sum.loss == 0);
}

/* --- the record of an update -------------------------------------------------------------- */

static void update_of(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture_begin_update(fixture);
    }
}

static void test_update_is_the_lists(void **state)
{
    struct ks_bundle *bundle = bundle_of(update_of);
    const struct ks_core *core = &bundle->core;
    struct ks_core round = *core;
    struct ks_update_result result;
    struct ks_json_doc *doc = NULL;
    struct ks_fl_counted entry = {.device = core->device,
                                  .encoding = core->fl.encoding,
                                  .job = ks_bytes_text(core->record_id),
                                  .loss = bundle->job.update.loss,
                                  .length = core->fl.length,
                                  .samples = (uint32_t)core->fl.samples};
    struct ks_fl_counted other;

    (void)state;
    assert_int_equal(ks_update_result_read(core->result, &doc, &result), KS_OK);
    entry.norm = result.norm;
    ks_copy(entry.record, bundle->core_hash, sizeof entry.record);
    ks_copy(entry.sealed, core->fl.sealed, sizeof entry.sealed);
    ks_copy(entry.update, result.update, sizeof entry.update);
#define CHECK(entry)                                                                           \
    ks_fl_counted_check(&(entry), core, &bundle->job, bundle->core_hash, &round)
    assert_int_equal(CHECK(entry), KS_OK);
#define EXPECT_OTHER(change)                                                                   \
    do {                                                                                       \
        other = entry;                                                                         \
        (change);                                                                              \
        assert_int_equal(CHECK(other), KS_ERR_VERIFY);                                         \
    } while (0)
    EXPECT_OTHER(other.device = KS_LITERAL("sensor-8"));
    EXPECT_OTHER(other.encoding = KS_LITERAL("q8"));
    EXPECT_OTHER(other.length++);
    EXPECT_OTHER(other.norm += 1);
    EXPECT_OTHER(other.record[31] ^= 1);
    EXPECT_OTHER(other.samples++);
    EXPECT_OTHER(other.loss += 1);
    EXPECT_OTHER(other.job = KS_LITERAL("0189d9a2-7c3b-7a10-8000-000000000000"));
    EXPECT_OTHER(other.sealed[0] ^= 1);
    EXPECT_OTHER(other.update[0] ^= 1);
    round.fl.round++;
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    round = *core;
    round.fl.parent[0] ^= 1;
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    round = *core;
    round.fl.descriptor[0] ^= 1;
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    round = *core;
    round.parameters = KS_LITERAL("{}");
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    round = *core;
    round.fl.params++;
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    round = *core;
    round.fl.shape[0] ^= 1;
    assert_int_equal(CHECK(entry), KS_ERR_VERIFY);
    ks_json_doc_free(doc);
    ks_bundle_free(bundle);
}

/* --- what an enclave says ----------------------------------------------------------------- */

static struct ks_fl_audit audit_of(const struct ks_core *core)
{
    struct ks_fl_audit audit = {.build = {5},
                                .created_us = FIXTURE_NOW_S * 1000000,
                                .isa = KS_LITERAL("avx2"),
                                .model = {0x88},
                                .numerics = 1,
                                .replayed = {0x88},
                                .round = core->fl.round,
                                .same_model = KS_PASS,
                                .same_scores = KS_PASS,
                                .same_state = KS_PASS,
                                .site = core->origin,
                                .threads = 2,
                                .updates = 2};
    struct ks_round_result result;
    struct ks_json_doc *doc = NULL;

    assert_int_equal(ks_round_result_read(core->result, &doc, &result), KS_OK);
    ks_copy(audit.list, result.list, sizeof audit.list);
    ks_copy(audit.session, core->fl.session, sizeof audit.session);
    ks_json_doc_free(doc);
    return audit;
}

static struct ks_verify_key *public_of(const struct ks_sign_key *key)
{
    struct ks_verify_key *public_key = NULL;

    assert_int_equal(ks_sign_key_verify_key(key, &public_key), KS_OK);
    return public_key;
}

static void test_audit_signed(void **state)
{
    struct ks_bundle *bundle = bundle_of(round_with_list);
    struct ks_verify_key *key = public_of(keys.mldsa65);
    struct ks_verify_key *other_key = public_of(keys.other_mldsa65);
    struct ks_fl_audit audit = audit_of(&bundle->core);
    struct ks_fl_audit read = {.doc = NULL};
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, KS_FL_AUDIT_BYTES_MAX);
    assert_int_equal(ks_fl_audit_write(&audit, keys.mldsa65, &text), KS_OK);
    assert_int_equal(ks_fl_audit_read(ks_buf_view(&text), other_key, &read), KS_ERR_VERIFY);
    assert_int_equal(ks_fl_audit_read(ks_buf_view(&text), key, &read), KS_OK);
    assert_int_equal(read.updates, 2);
    assert_int_equal(read.same_scores, KS_PASS);
    assert_int_equal(ks_fl_audit_check(&read, &bundle->core), KS_OK);
    bundle->core.fl.round++;
    assert_int_equal(ks_fl_audit_check(&read, &bundle->core), KS_ERR_VERIFY);
    bundle->core.fl.round--;
    bundle->core.origin = KS_LITERAL("elsewhere");
    assert_int_equal(ks_fl_audit_check(&read, &bundle->core), KS_ERR_VERIFY);
    bundle->core.origin = read.site;
    read.list[0] ^= 1;
    assert_int_equal(ks_fl_audit_check(&read, &bundle->core), KS_ERR_VERIFY);
    read.list[0] ^= 1;
    read.model[0] ^= 1;
    assert_int_equal(ks_fl_audit_check(&read, &bundle->core), KS_ERR_VERIFY);
    ks_fl_audit_done(&read);
    fixture_replace(&text, "\"updates\":2", "\"updates\":1");
    assert_int_equal(ks_fl_audit_read(ks_buf_view(&text), key, &read), KS_ERR_VERIFY);
    ks_buf_done(&text);
    ks_verify_key_free(key);
    ks_verify_key_free(other_key);
    ks_bundle_free(bundle);
}

/* One that contradicts itself is refused, whoever signed it. */
static void test_audit_contradictions(void **state)
{
    struct ks_bundle *bundle = bundle_of(round_with_list);
    struct ks_verify_key *key = public_of(keys.mldsa65);
    struct ks_fl_audit read = {.doc = NULL};
    struct ks_fl_audit audits[4];
    struct ks_buf text;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        audits[i] = audit_of(&bundle->core);
    }
    audits[0].replayed[0] ^= 1; /* another model that is the same */
    audits[1].same_model = KS_NOT_RUN;
    audits[1].reason = KS_LITERAL("gone");
    audits[2].reason = KS_LITERAL("all is well");
    audits[3].same_scores = KS_FAIL; /* without a reason */
    for (size_t i = 0; i < 4; i++) {
        ks_buf_init(&text, KS_FL_AUDIT_BYTES_MAX);
        assert_int_equal(ks_fl_audit_write(&audits[i], keys.mldsa65, &text), KS_OK);
        assert_int_equal(ks_fl_audit_read(ks_buf_view(&text), key, &read), KS_ERR_FORMAT);
        ks_buf_done(&text);
    }
    ks_verify_key_free(key);
    ks_bundle_free(bundle);
}

static int make_keys(void **state)
{
    (void)state;
    fixture_keys_make(&keys);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_is_the_rounds),
        cmocka_unit_test(test_list_that_does_not_fit),
        cmocka_unit_test(test_list_of_no_round),
        cmocka_unit_test(test_list_members),
        cmocka_unit_test(test_record_twice),
        cmocka_unit_test(test_update_is_the_lists),
        cmocka_unit_test(test_audit_signed),
        cmocka_unit_test(test_audit_contradictions),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
