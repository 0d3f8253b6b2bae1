/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* device.h: what the commands of a device share: its directory, and what to run. */
#ifndef KS_CLI_DEVICE_H
#define KS_CLI_DEVICE_H

#include "cli/cli.h"
#include "ketseal/circuit.h"
#include "ketseal/client.h"

#define KS_PROGRAM_MAX_BYTES (8 * 1024 * 1024)

/* Opens the client of --device and --url. */
KS_MUST_CHECK enum ks_err ks_cli_client(const struct ks_cli *cli, struct ks_client **out_client);

/* The program: the operand FILE ("-": standard input), read into SOURCE, or --template; and --shots,
 * --seed, --precision. JOB borrows from CLI and SOURCE. A seed that was not given is drawn and shown. */
KS_MUST_CHECK enum ks_err ks_cli_job(const struct ks_cli *cli, struct ks_buf *source,
                                     struct ks_job_spec *out_job);
/* The name to put before errors of the program: the file's, or the template's. */
const char *ks_cli_job_name(const struct ks_cli *cli);

#endif
