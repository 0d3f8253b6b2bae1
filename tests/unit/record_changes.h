/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record_changes.h: a sealed job with one change, and what the verifier says of it. The
 * functions fail the test that calls them. */
#ifndef KS_TESTS_UNIT_RECORD_CHANGES_H
#define KS_TESTS_UNIT_RECORD_CHANGES_H

#include "record_fixture.h"

enum ks_err record_verify(struct ks_bytes bundle, struct ks_bytes policy_text,
                          struct ks_verdict *verdict);
void record_print_verdict(const struct ks_verdict *verdict);
/* The fixture's site was not certified: see test_certify.c for platform.site. */
bool record_check_runs(unsigned check);
void record_assert_passes(const struct fixture *fixture);
/* AGAIN holds the bytes of FIRST; frees it. */
void record_assert_same(struct ks_buf *again, struct ks_bytes first);
/* Job, submission, core and bundle are read, and written again as the same bytes. */
void record_round_trip(const struct fixture_keys *keys, fixture_change change);

#define AT(wanted)                                                                             \
    if (step != (wanted)) {                                                                    \
        return;                                                                                \
    }

#define CHANGE(name, step_wanted, ...)                                                         \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        AT(step_wanted)                                                                        \
        __VA_ARGS__;                                                                           \
    }

struct record_change {
    const char *name;
    fixture_change change;
    enum ks_verdict_check fails;
    const char *reason; /* a part of it */
    unsigned also;      /* mask of later checks that cannot pass either */
};

#define BIT(check) (1U << KS_VERDICT_##check)
#define THE_LEDGER (BIT(LEDGER_INCLUSION) | BIT(LEDGER_INTENT))
#define ONE(name, check, reason, also)                                                         \
    {                                                                                          \
#name, name, KS_VERDICT_##check, (reason), (also)                                      \
    }

/* Each change makes its check fail, by its reason, and no other check but those it also spoils.
 */
void record_assert_changes(const struct fixture_keys *keys, const struct record_change *changes,
                           size_t count);

#endif
