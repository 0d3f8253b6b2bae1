/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sdk.h: a circuit on another SDK, here: ketseal-adapter is started for it, as a site does. */
#ifndef KS_CLI_SDK_H
#define KS_CLI_SDK_H

#include "cli/cli.h"
#include "enclave/work.h"
#include "record/job.h"
#include "record/record.h"

/* What it answered; texts are copies. */
struct ks_sdk_result {
    struct ks_buf counts; /* canonical JSON */
    char version[KS_SDK_TEXT_MAX + 1];
    char backend[KS_SDK_TEXT_MAX + 1];
};

/* Runs JOB on SDK. The environment is that of --adapters or of $KETSEAL_ADAPTERS, the programs
 * those of --libexec. KS_ERR_UNAVAILABLE where there is no environment. */
KS_MUST_CHECK enum ks_err ks_sdk_run_here(const struct ks_cli *cli, enum ks_sdk sdk,
                                          const struct ks_work_job *job,
                                          struct ks_sdk_result *out_result);
void ks_sdk_result_done(struct ks_sdk_result *result);
/* Whether an environment is named. */
bool ks_sdk_is_here(const struct ks_cli *cli);
/* The hash of that environment for SDK, as a site would measure it. */
KS_MUST_CHECK enum ks_err ks_sdk_environment(const struct ks_cli *cli, enum ks_sdk sdk,
                                             uint8_t out_hash[32]);

#endif
