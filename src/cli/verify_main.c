/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-verify: the verifier alone, static: base, crypto, ledger, attest and record, nothing else.
 *
 *   ketseal-verify [--json] [--explain] POLICY BUNDLE      exit code 0 yes, 1 no, others: could not tell */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "cli/verdict.h"
#include "record/policy.h"
#include "record/record.h"

static const char usage[] = "usage: ketseal-verify [--json] [--explain] POLICY BUNDLE\n"
                            "Verifies a ketseal bundle offline. Exit code: 0 yes, 1 no, others: could not tell.\n";

static enum ks_err verify(const char *policy_path, const char *bundle_path, bool json, bool explain)
{
    enum ks_err err = KS_OK;
    struct ks_buf policy_text;
    struct ks_buf bundle;
    struct ks_bytes view = {0};
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    ks_buf_init(&policy_text, KS_POLICY_BYTES_MAX);
    ks_buf_init(&bundle, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_TRY(ks_file_read(policy_path, KS_POLICY_BYTES_MAX, &policy_text));
    view = ks_buf_view(&policy_text);
    KS_TRY(ks_fail_prefix(ks_policy_read(&view, &policy), "%s", policy_path));
    KS_TRY(ks_file_read(bundle_path, KS_BUNDLE_BYTES_MAX, &bundle));
    view = ks_buf_view(&bundle);
    err = ks_bundle_verify(&view, policy, verdict);
    if (err == KS_OK || err == KS_ERR_VERIFY) {
        ks_verdict_print(stdout, verdict, err == KS_OK, json, explain);
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&policy_text);
    ks_buf_done(&bundle);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    bool json = false;
    bool explain = false;
    int at = 1;

    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[at], "--explain") == 0) {
            explain = true;
        } else if (strcmp(argv[at], "--help") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        } else {
            (void)fprintf(stderr, "ketseal-verify: %s: no such flag\n", argv[at]);
            return ks_err_exit_code(KS_ERR_USAGE);
        }
    }
    if (argc - at != 2) {
        (void)fputs("ketseal-verify: expected POLICY and BUNDLE\n", stderr);
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    err = verify(argv[at], argv[at + 1], json, explain);
    if (err != KS_OK) {
        (void)fprintf(stderr, "ketseal-verify: %s\n", ks_err_detail());
    }
    if (fflush(stdout) != 0) {
        return ks_err_exit_code(KS_ERR_IO);
    }
    return ks_err_exit_code(err);
}
