/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/plan.h"
#include "crypto/digest.h"
#include "ketseal/circuit.h"

#define ROWS     3000
#define SEED_MAX ((UINT64_C(1) << 53) - 1) /* of a job */

static struct ks_plan_spec spec_of(uint64_t rows, uint64_t seed)
{
    struct ks_plan_spec spec = {
        .rows = rows, .seed = seed, .anomalies_percent = 20, .quantum = true};

    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        spec.kinds[i] = true;
    }
    return spec;
}

static struct ks_plan *make(const struct ks_plan_spec *spec)
{
    struct ks_plan *plan = NULL;

    assert_int_equal(ks_plan_new(spec, &plan), KS_OK);
    return plan;
}

static void digest_of(const struct ks_plan_spec *spec, char hex[65])
{
    struct ks_plan *plan = make(spec);
    uint8_t digest[32];
    struct ks_buf text;

    ks_buf_init(&text, (size_t)1 << 24);
    ks_plan_put(plan, &text);
    assert_int_equal(ks_buf_check(&text), KS_OK);
    ks_sha256(ks_buf_view(&text), digest);
    ks_hex_encode(KS_BYTES(digest), hex);
    ks_buf_done(&text);
    ks_plan_free(plan);
}

/* A data set that was begun goes on by the same plan, on whatever machine and by whatever later
 * version: a change of plans is a change that users see. */
static void plans_are_the_same_everywhere(void **state)
{
    const struct ks_plan_spec one = spec_of(ROWS, 7);
    const struct ks_plan_spec other = spec_of(ROWS, 8);
    char hex[65];
    char again[65];

    (void)state;
    digest_of(&one, hex);
    digest_of(&one, again);
    assert_string_equal(hex, again);
    assert_string_equal(hex,
                        "f462c2d391fbbeafb67502c7d666ecbde81f274d05d77d883880a2965202f174");
    digest_of(&other, again);
    assert_string_not_equal(hex, again);
}

static void every_kind_has_its_share(void **state)
{
    const struct ks_plan_spec spec = spec_of(ROWS, 1);
    struct ks_plan *plan = make(&spec);
    size_t counts[KS_PLAN_KINDS] = {0};
    size_t quantum = 0;

    (void)state;
    assert_int_equal(ks_plan_count(plan), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const struct ks_plan_step *step = ks_plan_at(plan, i);

        counts[step->kind]++;
        quantum += step->kind == KS_PLAN_NORMAL && step->room == KS_PLAN_ROOM_QUANTUM;
    }
    for (size_t kind = 1; kind < KS_PLAN_KINDS; kind++) {
        assert_int_equal(counts[kind], ROWS / 5 / (KS_PLAN_KINDS - 1));
    }
    assert_int_equal(counts[KS_PLAN_NORMAL], ROWS - 15 * 40);
    assert_int_equal(quantum, counts[KS_PLAN_NORMAL] * 15 / 100);
    ks_plan_free(plan);
}

/* Steps of a segment have one room, and what goes on around all of them is the same; somebody
 * listens only after those who were not listened to. */
static void segments_have_one_surrounding(void **state)
{
    const struct ks_plan_spec spec = spec_of(ROWS, 3);
    struct ks_plan *plan = make(&spec);
    bool quantum_before = false;

    (void)state;
    for (size_t i = 1; i < ROWS; i++) {
        const struct ks_plan_step *before = ks_plan_at(plan, i - 1);
        const struct ks_plan_step *step = ks_plan_at(plan, i);

        quantum_before = quantum_before || before->room == KS_PLAN_ROOM_QUANTUM;
        if (step->segment != before->segment) {
            assert_int_equal(step->segment, before->segment + 1);
            continue;
        }
        assert_int_equal(step->room, before->room);
        assert_int_equal(step->kind == KS_PLAN_EXHAUSTION, before->kind == KS_PLAN_EXHAUSTION);
        assert_int_equal(step->kind == KS_PLAN_EAVESDROP, before->kind == KS_PLAN_EAVESDROP);
        if (step->kind == KS_PLAN_EAVESDROP) {
            assert_true(quantum_before);
        }
    }
    ks_plan_free(plan);
}

/* What the site would refuse is in no plan: circuits and methods fit each other. */
static void jobs_can_be_run(void **state)
{
    const struct ks_plan_spec spec = spec_of(ROWS, 5);
    struct ks_plan *plan = make(&spec);

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct ks_plan_step *step = ks_plan_at(plan, i);
        enum ks_method method = KS_METHOD_COUNT;

        assert_int_equal(ks_method_find(step->method, &method), KS_OK);
        if (method == KS_METHOD_STABILIZER) {
            assert_true(strcmp(step->template, "bell") == 0 ||
                        strcmp(step->template, "ghz") == 0);
        }
        assert_true(step->qubits >= 2 && step->qubits <= 12);
        assert_true(step->seed <= SEED_MAX && step->template_seed <= SEED_MAX);
        assert_true(step->shots <= (step->kind == KS_PLAN_SHOTS ? 4096 * 60 : 4096));
    }
    ks_plan_free(plan);
}

static void kinds_can_be_left_out(void **state)
{
    struct ks_plan_spec spec = {.rows = 100, .seed = 1};
    struct ks_plan *plan = NULL;

    (void)state;
    spec.kinds[KS_PLAN_DELAY] = true;
    plan = make(&spec);
    for (size_t i = 0; i < ks_plan_count(plan); i++) {
        const struct ks_plan_step *step = ks_plan_at(plan, i);

        assert_true(step->kind == KS_PLAN_NORMAL || step->kind == KS_PLAN_DELAY);
        assert_int_equal(step->room, KS_PLAN_ROOM_HONEST);
    }
    ks_plan_free(plan);
}

static void wrong_numbers_of_rows_are_refused(void **state)
{
    struct ks_plan_spec spec = spec_of(63, 1);
    struct ks_plan *plan = NULL;

    (void)state;
    assert_int_equal(ks_plan_new(&spec, &plan), KS_ERR_USAGE);
    assert_string_equal(ks_err_detail(), "rows: at least 64 for 16 kinds");
    spec = spec_of(1000, 1);
    spec.anomalies_percent = 51;
    assert_int_equal(ks_plan_new(&spec, &plan), KS_ERR_USAGE);
    spec = spec_of(KS_PLAN_ROWS_MAX + 1, 1);
    assert_int_equal(ks_plan_new(&spec, &plan), KS_ERR_USAGE);
    assert_null(plan);
}

static void names_are_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KS_PLAN_KINDS; i++) {
        enum ks_plan_kind kind = KS_PLAN_KINDS;

        assert_int_equal(ks_plan_kind_find(ks_plan_kind_name((enum ks_plan_kind)i), &kind),
                         KS_OK);
        assert_int_equal(kind, i);
        assert_true(strlen(ks_plan_kind_what(kind)) > 0);
    }
    assert_int_equal(ks_plan_kind_find("worse", &(enum ks_plan_kind){0}), KS_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_the_same_everywhere),
        cmocka_unit_test(every_kind_has_its_share),
        cmocka_unit_test(segments_have_one_surrounding),
        cmocka_unit_test(jobs_can_be_run),
        cmocka_unit_test(kinds_can_be_left_out),
        cmocka_unit_test(wrong_numbers_of_rows_are_refused),
        cmocka_unit_test(names_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
