/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-verify: the verifier alone, static: base, crypto, ledger, attest, chain and record,
 * nothing else.
 *
 *   ketseal-verify [--json] [--explain] POLICY BUNDLE      exit code 0 yes, 1 no, others: could
 * not tell
 *   ketseal-verify --checks                              what each check covers, as JSON */

#include <stdio.h>
#include <string.h>

#include "cli/verdict.h"
#include "crypto/version.h"

static const char usage[] =
    "usage: ketseal-verify [--json] [--explain] POLICY BUNDLE\n"
    "       ketseal-verify --checks\n"
    "Verifies a ketseal bundle offline. Exit code: 0 yes, 1 no, others: could not tell.\n"
    "--checks prints what each check covers, stops and does not prove, as JSON.\n";

static int answer(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "ketseal-verify: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(fflush(stdout) != 0 ? KS_ERR_IO : err);
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_verdict_options options = {0};
    int at = 1;

    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[at], "--explain") == 0) {
            options.explain = true;
        } else if (strcmp(argv[at], "--checks") == 0 && argc == 2) {
            return answer(ks_verdict_print_checks(stdout));
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
    ks_libcrypto_watch_memory();
    /* Before all else, since it keeps libcrypto from what OPENSSL_CONF names: a verdict must
     * not hang on a file of the environment, nor on a provider that the file names. */
    err = ks_crypto_check_version();
    if (err == KS_OK) {
        err = ks_verdict_files(stdout, argv[at], argv[at + 1], &options);
    }
    return answer(err);
}
