/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* request.h: what `run` and `job submit` ask a site for. */
#ifndef KS_CLI_REQUEST_H
#define KS_CLI_REQUEST_H

#include "cli/exact.h"
#include "record/job.h"

/* "native", or the name of another SDK. KS_ERR_USAGE for what is none. */
KS_MUST_CHECK enum ks_err ks_cli_sdk(const char *name, enum ks_sdk *out_sdk);

/* A job, and what it borrows from. */
struct ks_cli_request {
    struct ks_job_spec job;
    struct ks_buf source;
    struct ks_buf noise;
    struct ks_bytes noise_text;
};
/* The flags of a program, of its sampling, of the method and of noise. JOB borrows from CLI and
 * from the request itself, which has to stay where it is. */
KS_MUST_CHECK enum ks_err ks_cli_request(const struct ks_cli *cli,
                                         struct ks_cli_request *out_request);
void ks_cli_request_done(struct ks_cli_request *request); /* after a failure too */

#endif
