/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Who was asked in a session, against a list that is kept the naive way. */
#include "unit/expect.h"

#include "base/philox.h"
#include "enclave/roster.h"

#define NAMES  60
#define ROUNDS 40

static uint32_t draw(uint32_t below)
{
    static const uint32_t key[2] = {7, 0};
    static uint32_t counter[4];
    uint32_t words[4];

    counter[0]++;
    ks_philox(key, counter, words);
    return words[0] % below;
}

/* Not in the order of their numbers. */
static const char *name_of(size_t index)
{
    static char names[NAMES][16];

    (void)snprintf(names[index], sizeof names[index], "edge-%zu", index);
    return names[index];
}

static struct ks_fl_round *make_round(const struct ks_fl_candidate *candidates, size_t count,
                                      uint64_t number)
{
    struct ks_fl_round *round = NULL;
    const struct ks_fl_round_params params = {.subject = {.round = number, .params = 1},
                                              .invited = (uint32_t)count,
                                              .wanted = (uint32_t)count,
                                              .updates_min = 1,
                                              .samples_max = 100,
                                              .prepare_us = 1,
                                              .train_us = 1};

    assert_int_equal(ks_fl_round_new(&params, candidates, count, NULL, 1, &round), KS_OK);
    return round;
}

static void join(struct ks_fl_round *round, const char *name)
{
    const struct ks_fl_event event = {
        .kind = KS_FL_EVENT_JOIN, .now_us = 1, .client = ks_bytes_text(name), .samples = 1};

    assert_int_equal(ks_fl_round_apply(round, &event), KS_FL_ANSWER_OK);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct ks_roster_entry *)left)->device,
                  ((const struct ks_roster_entry *)right)->device);
}

static void compare(const struct ks_roster *roster, const struct ks_roster_entry naive[NAMES])
{
    struct ks_roster_entry sorted[NAMES];
    size_t count = 0;

    for (size_t i = 0; i < NAMES; i++) {
        if (naive[i].invited > 0) {
            sorted[count++] = naive[i];
        }
    }
    qsort(sorted, count, sizeof sorted[0], by_name);
    assert_int_equal(roster->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct ks_roster_entry *entry = &roster->entries[i];

        assert_string_equal(entry->device, sorted[i].device);
        assert_int_equal(entry->standing, sorted[i].standing);
        assert_int_equal(entry->samples, sorted[i].samples);
        assert_int_equal(entry->invited, sorted[i].invited);
        assert_int_equal(entry->last, sorted[i].last);
        assert_int_equal(entry->updates, sorted[i].updates);
        assert_true(entry->loss == sorted[i].loss);
        assert_int_equal(ks_roster_after(roster, ks_bytes_text(entry->device)), i + 1);
    }
    assert_int_equal(ks_roster_after(roster, (struct ks_bytes){0}), 0);
    assert_int_equal(ks_roster_after(roster, ks_bytes_text("edge-")), 0);
    assert_int_equal(ks_roster_after(roster, ks_bytes_text("f")), count);
}

static void test_rounds(void **state)
{
    struct ks_roster roster = {0};
    struct ks_roster_entry naive[NAMES] = {0};

    (void)state;
    for (uint64_t number = 1; number <= ROUNDS; number++) {
        struct ks_fl_candidate candidates[NAMES];
        struct ks_fl_round *round = NULL;
        size_t count = 0;

        for (size_t i = 0; i < NAMES; i++) {
            if (i == number || draw(3) == 0) {
                candidates[count++] = (struct ks_fl_candidate){ks_bytes_text(name_of(i)), 1};
                (void)snprintf(naive[i].device, sizeof naive[i].device, "%s", name_of(i));
                naive[i].invited = number;
                naive[i].standing = KS_FL_INVITED;
            }
        }
        round = make_round(candidates, count, number);
        assert_int_equal(ks_roster_invite(&roster, round, number), KS_OK);
        compare(&roster, naive);
        for (size_t i = 0; i < NAMES; i++) {
            if (naive[i].invited == number && draw(2) == 0) {
                join(round, name_of(i));
                naive[i].standing = KS_FL_JOINED;
                ks_roster_count(&roster, name_of(i), number, (uint32_t)i + 1, (double)number);
                naive[i].last = number;
                naive[i].samples = (uint32_t)i + 1;
                naive[i].loss = (double)number;
                naive[i].updates++;
            }
        }
        ks_roster_end(&roster, round);
        compare(&roster, naive);
        ks_fl_round_free(round);
    }
    ks_roster_done(&roster);
    ks_roster_done(&roster); /* again is fine */
}

/* More names than fit: the newest round's are what is left. */
static void test_limit(void **state)
{
    const size_t count = KS_ROSTER_MAX / 2 + 1;
    char(*names)[16] = calloc(2 * count, sizeof *names);
    struct ks_fl_candidate *candidates = calloc(count, sizeof *candidates);
    struct ks_roster roster = {0};

    (void)state;
    assert_non_null(names);
    assert_non_null(candidates);
    for (uint64_t number = 1; number <= 2; number++) {
        struct ks_fl_round *round = NULL;

        for (size_t i = 0; i < count; i++) {
            char *name = names[(number - 1) * count + i];

            (void)snprintf(name, sizeof names[0], "n%llu-%zu", (unsigned long long)number, i);
            candidates[i] = (struct ks_fl_candidate){ks_bytes_text(name), 1};
        }
        round = make_round(candidates, count, number);
        assert_int_equal(ks_roster_invite(&roster, round, number), KS_OK);
        assert_int_equal(roster.count, count);
        assert_int_equal(roster.entries[0].device[1], '0' + (int)number);
        assert_int_equal(ks_roster_invite(&roster, round, number + 1), KS_OK); /* the same */
        assert_int_equal(roster.count, count);
        ks_fl_round_free(round);
    }
    ks_roster_done(&roster);
    free(candidates);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
