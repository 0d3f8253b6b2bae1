/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* simulate.h: what the commands share that compute here, without a site: circuits of programs
 * and templates, the flags of a simulation, counts as JSON. */
#ifndef KS_CLI_SIMULATE_H
#define KS_CLI_SIMULATE_H

#include "cli/device.h"

#define KS_CIRCUIT_TEXT_MAX ((size_t)1 << 30) /* bytes of a canonical text kept in memory */

/* The circuit of JOB's program or template. NAME is put before errors. */
KS_MUST_CHECK enum ks_err ks_cli_circuit(const struct ks_job_spec *job, const char *name,
                                         struct ks_circuit **out_circuit);
/* Appends the canonical OpenQASM; HASH is its SHA-256, the circuit_hash of records. */
KS_MUST_CHECK enum ks_err ks_cli_circuit_text(const struct ks_circuit *circuit,
                                              struct ks_buf *out, uint8_t out_hash[32]);

/* --threads, --kernels and --memory. *OUT_POOL is the caller's to free; OUT_SPEC borrows it. */
KS_MUST_CHECK enum ks_err ks_cli_simulation(const struct ks_cli *cli, struct ks_pool **out_pool,
                                            struct ks_simulate_spec *out_spec);
/* --memory, in bytes. */
KS_MUST_CHECK enum ks_err ks_cli_memory(const struct ks_cli *cli, uint64_t *out_bytes);
/* --method, --bond-max and --cutoff. */
KS_MUST_CHECK enum ks_err ks_cli_method(const struct ks_cli *cli,
                                        struct ks_simulate_spec *spec);
/* The kernels that SPEC stands for. */
const char *ks_cli_kernels(const struct ks_simulate_spec *spec);
void ks_cli_counts_put(const struct ks_counts *counts, struct ks_json_writer *writer);

#endif
