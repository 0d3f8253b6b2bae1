/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verify, replay, policy make. */

#include <string.h>

#include "base/pool.h"
#include "base/sys.h"
#include "cli/cli.h"
#include "cli/verdict.h"
#include "crypto/digest.h"
#include "ketseal/circuit.h"
#include "record/policy.h"
#include "record/record.h"

static enum ks_err read_policy(const char *path, struct ks_policy **out_policy)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_bytes document = {0};

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_POLICY_BYTES_MAX, &text));
    document = ks_buf_view(&text);
    KS_TRY(ks_fail_prefix(ks_policy_read(&document, out_policy), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_command_verify(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_bytes view = {0};
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = ks_calloc(1, sizeof *verdict);

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_CHECK(verdict != NULL, KS_ERR_NOMEM, "verdict");
    KS_TRY(read_policy(ks_cli_text(cli, "policy"), &policy));
    KS_TRY(ks_file_read(cli->operands[0], KS_BUNDLE_BYTES_MAX, &bytes));
    view = ks_buf_view(&bytes);
    err = ks_bundle_verify(&view, policy, verdict);
    if (err == KS_OK || err == KS_ERR_VERIFY) {
        ks_verdict_print(stdout, verdict, err == KS_OK, cli->json, ks_cli_switch(cli, "explain"));
    }
out:
    ks_policy_free(policy);
    ks_free(verdict);
    ks_buf_done(&bytes);
    return err;
}

/* --- replay ----------------------------------------------------------------------------------------- */

static enum ks_err make_circuit(const struct ks_job *job, struct ks_circuit **out_circuit)
{
    enum ks_err err = KS_OK;
    char name[KS_WORKLOAD_NAME_MAX + 1] = {0};
    const struct ks_template_spec spec = {
        .version = 1,
        .name = name,
        .qubits = job->qubits,
        .depth = job->depth,
        .seed = job->template_seed,
    };

    if (job->template.len > 0) {
        ks_copy(name, job->template.data, job->template.len);
        KS_TRY(ks_circuit_template(&spec, NULL, out_circuit));
    } else {
        KS_TRY(ks_circuit_parse(&job->source, "program", NULL, out_circuit));
    }
out:
    return err;
}

static void put_counts(const struct ks_counts *counts, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_json_member_u64(&writer, ks_counts_outcome(counts, i), ks_counts_count(counts, i));
    }
    ks_json_put_end(&writer);
}

/* The circuit of the record, and its outcomes, computed here. KS_ERR_VERIFY when either differs. */
static enum ks_err run_again(const struct ks_cli *cli, const struct ks_bundle *bundle,
                             struct ks_pool *pool)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &bundle->core;
    struct ks_circuit *circuit = NULL;
    struct ks_counts *counts = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_buf text;
    struct ks_buf result;
    uint8_t hash[32];
    uint64_t memory_mib = 0;

    ks_buf_init(&text, KS_RECORD_BYTES_MAX);
    ks_buf_init(&result, KS_RESULT_BYTES_MAX);
    KS_TRY(make_circuit(&bundle->job, &circuit));
    ks_circuit_print(circuit, &text);
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), hash);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(core->circuit_hash)), KS_ERR_VERIFY,
             "the program gives another circuit than the record's circuit_hash");
    KS_TRY(ks_cli_number(cli, "memory", UINT32_MAX, &memory_mib));
    spec.shots = core->shots;
    spec.seed = core->seed;
    spec.precision = core->single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    spec.memory_max = memory_mib << 20;
    spec.kernels = ks_cli_text(cli, "kernels");
    spec.pool = pool;
    KS_TRY(ks_simulate(circuit, &spec, &counts));
    put_counts(counts, &result);
    KS_TRY(ks_buf_check(&result));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&result), core->result), KS_ERR_VERIFY,
             "the outcomes differ from the record's");
out:
    ks_circuit_free(circuit);
    ks_counts_free(counts);
    ks_buf_done(&text);
    ks_buf_done(&result);
    return err;
}

static void print_replay(const struct ks_cli *cli, const struct ks_bundle *bundle, enum ks_err err)
{
    const char *kernels = ks_cli_text(cli, "kernels");

    if (cli->json) {
        ks_cli_print("{\"kernels\":\"%s\",\"numerics\":%d,\"replayed\":%s,\"schema\":\"ketseal.replay/1\"}\n",
                     kernels == NULL ? ks_simulate_kernels() : kernels, KS_NUMERICS,
                     err == KS_OK ? "true" : "false");
    } else if (err == KS_OK) {
        ks_cli_print("replayed: %llu shots of record %s, bit for bit the same (%s)\n",
                     (unsigned long long)bundle->core.shots, bundle->core.record_id,
                     kernels == NULL ? ks_simulate_kernels() : kernels);
    }
}

enum ks_err ks_command_replay(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_bundle *bundle = NULL;
    struct ks_pool *pool = NULL;
    uint64_t threads = 0;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_cli_number(cli, "threads", KS_POOL_THREADS_MAX, &threads));
    KS_TRY(ks_pool_new((unsigned)threads, &pool));
    KS_TRY(ks_file_read(cli->operands[0], KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "%s", cli->operands[0]));
    /* Another numerics number promises nothing about our bits: that is not a difference. */
    KS_CHECK(bundle->core.numerics == KS_NUMERICS, KS_ERR_UNAVAILABLE,
             "could not tell: the record's numerics is %llu, this version computes %d",
             (unsigned long long)bundle->core.numerics, KS_NUMERICS);
    err = run_again(cli, bundle, pool);
    if (err == KS_OK || err == KS_ERR_VERIFY) {
        print_replay(cli, bundle, err);
    }
out:
    ks_bundle_free(bundle);
    ks_pool_free(pool);
    ks_buf_done(&bytes);
    return err;
}

/* --- policy ----------------------------------------------------------------------------------------- */

static enum ks_err read_root(const char *path, struct ks_cert **out_root)
{
    enum ks_err err = KS_OK;
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), out_root), "%s", path));
out:
    ks_buf_done(&pem);
    return err;
}

enum ks_err ks_command_policy_make(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *site_path = ks_cli_text(cli, "site");
    const char *crl_path = ks_cli_text(cli, "crl");
    struct ks_cert *root = NULL;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_policy *policy = NULL;
    struct ks_bytes document = {0};
    struct ks_buf site_bytes;
    struct ks_buf site_canonical;
    struct ks_buf crl;
    struct ks_buf out;

    ks_buf_init(&site_bytes, KS_SITE_BYTES_MAX);
    ks_buf_init(&site_canonical, KS_SITE_BYTES_MAX);
    ks_buf_init(&crl, KS_CRL_PEM_MAX);
    ks_buf_init(&out, KS_POLICY_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(read_root(ks_cli_text(cli, "root"), &root));
    KS_TRY(ks_file_read(site_path, KS_SITE_BYTES_MAX, &site_bytes));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&site_bytes), site), "%s", site_path));
    ks_site_write(site, &site_canonical);
    KS_TRY(ks_buf_check(&site_canonical));
    if (crl_path != NULL) {
        KS_TRY(ks_file_read(crl_path, KS_CRL_PEM_MAX, &crl));
    }
    KS_CHECK(!site->simulated_tpm || ks_cli_switch(cli, "insecure-simulated-tpm"), KS_ERR_DENIED,
             "%s: this site's TPM is simulated; --insecure-simulated-tpm accepts that", site_path);
    ks_policy_write(root, ks_buf_view(&crl), ks_buf_view(&site_canonical),
                    ks_cli_switch(cli, "insecure-simulated-tpm"), &out);
    KS_TRY(ks_buf_check(&out));
    document = ks_buf_view(&out);
    KS_TRY(ks_policy_read(&document, &policy)); /* what we write, we can read */
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), site_path, ks_buf_view(&out)));
out:
    ks_policy_free(policy);
    ks_cert_free(root);
    ks_free(site);
    ks_buf_done(&site_bytes);
    ks_buf_done(&site_canonical);
    ks_buf_done(&crl);
    ks_buf_done(&out);
    return err;
}
