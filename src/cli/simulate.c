/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/simulate.h"

#include <string.h>

#include "base/pool.h"
#include "crypto/digest.h"

enum ks_err ks_cli_circuit(const struct ks_job_spec *job, const char *name,
                           struct ks_circuit **out_circuit)
{
    const struct ks_bytes source = ks_bytes_of(job->qasm, job->qasm_len);
    const struct ks_template_spec spec = {
        .version = 1,
        .name = job->template,
        .qubits = job->qubits,
        .depth = job->depth,
        .seed = job->template_seed,
    };

    return job->template != NULL ? ks_circuit_template(&spec, NULL, out_circuit)
                                 : ks_circuit_parse(&source, name, NULL, out_circuit);
}

enum ks_err ks_cli_circuit_text(const struct ks_circuit *circuit, struct ks_buf *out,
                                uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;

    ks_circuit_print(circuit, out);
    KS_TRY(ks_buf_check(out));
    ks_sha256(ks_buf_view(out), out_hash);
out:
    return err;
}

/* Names only; whether this CPU has them, the simulation says. */
static enum ks_err check_kernels(const char *name)
{
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon", NULL};
    size_t i = 0;

    while (name != NULL && names[i] != NULL && strcmp(names[i], name) != 0) {
        i++;
    }
    return name == NULL || names[i] != NULL
               ? KS_OK
               : ks_fail(KS_ERR_USAGE, "--kernels: scalar, avx2, avx512 or neon, not '%s'",
                         name);
}

enum ks_err ks_cli_memory(const struct ks_cli *cli, uint64_t *out_bytes)
{
    uint64_t memory_mib = 0;
    enum ks_err err = ks_cli_number(cli, "memory", UINT32_MAX, &memory_mib);

    if (err == KS_OK && memory_mib < 1) {
        err = ks_fail(KS_ERR_USAGE, "--memory: at least 1");
    }
    if (err == KS_OK) {
        *out_bytes = memory_mib << 20;
    }
    return err;
}

enum ks_err ks_cli_method(const struct ks_cli *cli, struct ks_simulate_spec *spec)
{
    const char *cutoff = ks_cli_text(cli, "cutoff");
    enum ks_err err = KS_OK;
    uint64_t bond_max = 0;

    KS_TRY(
        ks_fail_prefix(ks_method_find(ks_cli_text(cli, "method"), &spec->method), "--method"));
    KS_TRY(ks_cli_number(cli, "bond-max", KS_BOND_MAX, &bond_max));
    KS_CHECK(bond_max >= 1, KS_ERR_USAGE, "--bond-max: at least 1");
    spec->bond_max = (uint32_t)bond_max;
    KS_CHECK(ks_cli_read_real(cutoff, &spec->cutoff) == KS_OK && spec->cutoff >= 0 &&
                 spec->cutoff < 1,
             KS_ERR_USAGE, "--cutoff: from 0 to below 1, not '%s'", cutoff);
out:
    return err;
}

enum ks_err ks_cli_simulation(const struct ks_cli *cli, struct ks_pool **out_pool,
                              struct ks_simulate_spec *out_spec)
{
    enum ks_err err = KS_OK;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_pool *pool = NULL;
    uint64_t threads = 0;

    KS_TRY(ks_cli_number(cli, "threads", KS_POOL_THREADS_MAX, &threads));
    KS_CHECK(threads >= 1, KS_ERR_USAGE, "--threads: at least 1");
    KS_TRY(ks_cli_memory(cli, &spec.memory_max));
    KS_TRY(check_kernels(ks_cli_text(cli, "kernels")));
    KS_TRY(ks_pool_new((unsigned)threads, &pool));
    spec.kernels = ks_cli_text(cli, "kernels");
    spec.pool = pool;
    *out_spec = spec;
    *out_pool = pool;
out:
    return err;
}

const char *ks_cli_kernels(const struct ks_simulate_spec *spec)
{
    return spec->kernels == NULL ? ks_simulate_kernels() : spec->kernels;
}

void ks_cli_counts_put(const struct ks_counts *counts, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_json_member_u64(writer, ks_counts_outcome(counts, i), ks_counts_count(counts, i));
    }
    ks_json_put_end(writer);
}
