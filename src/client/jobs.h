/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* jobs.h: a site's documents about jobs, for those who have them parsed already. Pure. */
#ifndef KS_CLIENT_JOBS_H
#define KS_CLIENT_JOBS_H

#include "base/json.h"
#include "ketseal/client.h"

#define KS_JOB_STATE_BYTES_MAX 65536

/* As ks_job_status_read. */
KS_MUST_CHECK enum ks_err ks_job_status_take(const struct ks_json *value,
                                             struct ks_job_status *out_state);
/* "/v1/jobs/ID" and SUFFIX; KS_ERR_USAGE when ID is none. */
#define KS_JOB_TARGET_MAX 128
KS_MUST_CHECK enum ks_err ks_job_target(const char *id, const char *suffix,
                                        char target[KS_JOB_TARGET_MAX]);

#endif
