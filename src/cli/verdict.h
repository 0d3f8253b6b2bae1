/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verdict.h: a verdict for people and for programs: shared by `ketseal verify` and
 * `ketseal-verify`, so it links nothing but the verifier. */
#ifndef KS_CLI_VERDICT_H
#define KS_CLI_VERDICT_H

#include <stdbool.h>
#include <stdio.h>

#include "ketseal/verify.h"

/* Reads the policy in the file PATH; errors name it. */
KS_MUST_CHECK enum ks_err ks_verdict_policy(const char *path, struct ks_policy **out_policy);

/* Prints, as JSON (ketseal.checks/1), what each check covers, stops and does not prove, in the
 * order in which they run, and how long the inputs may be. */
KS_MUST_CHECK enum ks_err ks_verdict_print_checks(FILE *stream);

struct ks_verdict_options {
    bool json;
    bool explain;
};
/* Verifies the bundle in BUNDLE_PATH against the policy in POLICY_PATH and prints the verdict
 * to STREAM. At most one of them is "-". KS_OK: verified; KS_ERR_VERIFY: not; others: could not
 * tell. */
KS_MUST_CHECK enum ks_err ks_verdict_files(FILE *stream, const char *policy_path,
                                           const char *bundle_path,
                                           const struct ks_verdict_options *options);

#endif
