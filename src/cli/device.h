/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* device.h: what the commands of a device share: its directory, and what to run. */
#ifndef KS_CLI_DEVICE_H
#define KS_CLI_DEVICE_H

#include "cli/cli.h"
#include "ketseal/circuit.h"
#include "ketseal/client.h"
#include "record/site.h"
#include "tpm/tpm.h"

#define KS_PROGRAM_MAX_BYTES (8 * 1024 * 1024)

/* --device and --url, for the library. Borrows from CLI. */
struct ks_device_spec ks_cli_device(const struct ks_cli *cli);
/* Opens their client. */
KS_MUST_CHECK enum ks_err ks_cli_client(const struct ks_cli *cli,
                                        struct ks_client **out_client);

/* What the client has to say of its one-time keys, if anything, as progress. */
void ks_cli_key_notice(const struct ks_cli *cli, const struct ks_client *client);

/* The file NAME of --device. */
KS_MUST_CHECK enum ks_err ks_cli_device_file(const struct ks_cli *cli, const char *name,
                                             size_t len_max, struct ks_buf *out);
/* The pinned site of --device: its site.json. */
KS_MUST_CHECK enum ks_err ks_cli_site(const struct ks_cli *cli, struct ks_site *out_site);

/* --ek rsa or ecc. */
KS_MUST_CHECK enum ks_err ks_cli_ek_kind(const struct ks_cli *cli,
                                         enum ks_tpm_ek_kind *out_kind);

/* The program alone: the operand FILE ("-": standard input), read into SOURCE, or --template
 * with
 * --qubits and --depth; the template's seed is the caller's matter. */
KS_MUST_CHECK enum ks_err ks_cli_program(const struct ks_cli *cli, struct ks_buf *source,
                                         struct ks_job_spec *job);
/* The program: the operand FILE ("-": standard input), read into SOURCE, or --template; and
 * --shots,
 * --seed, --precision. JOB borrows from CLI and SOURCE. A seed that was not given is drawn and
 * shown. */
KS_MUST_CHECK enum ks_err ks_cli_job(const struct ks_cli *cli, struct ks_buf *source,
                                     struct ks_job_spec *out_job);
/* --precision. */
KS_MUST_CHECK enum ks_err ks_cli_precision(const struct ks_cli *cli,
                                           enum ks_precision *out_precision);
/* The name to put before errors of the program: the file's, or the template's. */
const char *ks_cli_job_name(const struct ks_cli *cli);

#endif
