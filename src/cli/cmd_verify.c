/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verify, replay, policy make. */

#include "base/pool.h"
#include "base/sys.h"
#include "cli/simulate.h"
#include "cli/verdict.h"
#include "record/policy.h"
#include "record/record.h"

enum ks_err ks_command_verify(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const struct ks_verdict_options options = {.json = cli->json,
                                               .explain = ks_cli_switch(cli, "explain")};

    err = ks_verdict_files(stdout, ks_cli_text(cli, "policy"), cli->operands[0], &options);
    cli->answered = cli->json && err == KS_ERR_VERIFY;
    return err;
}

/* --- replay ------------------------------------------------------------------------------- */

static enum ks_err make_circuit(const struct ks_bundle *bundle, struct ks_circuit **out_circuit)
{
    const struct ks_job *job = &bundle->job;
    char name[KS_WORKLOAD_NAME_MAX + 1] = {0};
    const struct ks_job_spec spec = {
        .version = 1,
        .qasm = (const char *)job->source.data,
        .qasm_len = job->source.len,
        .template = job->template.len > 0 ? name : NULL,
        .qubits = job->qubits,
        .depth = job->depth,
        .template_seed = job->template_seed,
    };

    ks_copy(name, job->template.data, job->template.len);
    return ks_cli_circuit(&spec, "program", out_circuit);
}

/* What the record says of its run. SPEC borrows NOISE. */
static enum ks_err fill_spec(const struct ks_core *core, struct ks_noise *noise,
                             struct ks_simulate_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_bytes view = {0};

    ks_buf_init(&text, KS_JOB_NOISE_MAX);
    spec->method = core->facts.method;
    spec->shots = core->shots;
    spec->seed = core->seed;
    spec->precision = core->single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    if (core->facts.method == KS_METHOD_MPS) {
        spec->bond_max = core->bond_max;
        spec->cutoff = core->cutoff;
    }
    if (core->noise != NULL) {
        ks_json_canonical(core->noise, &text);
        KS_TRY(ks_buf_check(&text));
        view = ks_buf_view(&text);
        KS_TRY(ks_fail_prefix(ks_noise_parse(&view, noise), "noise"));
        spec->noise = noise;
    }
out:
    ks_buf_done(&text);
    return err;
}

/* The circuit of the record, and its outcomes, computed here. KS_ERR_VERIFY when either
 * differs. */
static enum ks_err run_again(const struct ks_bundle *bundle, struct ks_simulate_spec *spec)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &bundle->core;
    struct ks_circuit *circuit = NULL;
    struct ks_counts *counts = NULL;
    struct ks_noise noise;
    struct ks_buf text;
    struct ks_buf result;
    struct ks_json_writer writer = ks_json_writer_of(&result);
    uint8_t hash[32];

    ks_buf_init(&text, KS_CIRCUIT_TEXT_MAX);
    ks_buf_init(&result, KS_RESULT_BYTES_MAX);
    KS_TRY(make_circuit(bundle, &circuit));
    KS_TRY(ks_cli_circuit_text(circuit, &text, hash));
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(core->circuit_hash)), KS_ERR_VERIFY,
             "the program gives another circuit than the record's circuit_hash");
    KS_TRY(fill_spec(core, &noise, spec));
    KS_TRY(ks_simulate(circuit, spec, &counts));
    ks_cli_counts_put(counts, &writer);
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

static enum ks_err print_replay(const struct ks_cli *cli, const struct ks_core *core,
                                const char *kernels, bool same)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "kernels", kernels);
        ks_json_member_text(&writer, "method", ks_method_name(core->facts.method));
        ks_json_member_u64(&writer, "numerics", ks_method_numerics(core->facts.method));
        ks_json_member_text(&writer, "record_id", core->record_id);
        ks_json_member_bool(&writer, "replayed", same);
        ks_json_member_text(&writer, "schema", "ketseal.replay/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else if (same) {
        ks_cli_print("replayed: %llu shots of record %s, bit for bit the same (%s)\n",
                     (unsigned long long)core->shots, core->record_id, kernels);
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_replay(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_bundle *bundle = NULL;
    struct ks_pool *pool = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    uint32_t numerics = 0;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_cli_simulation(cli, &pool, &spec));
    KS_TRY(ks_file_read(cli->operands[0], KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(
        ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "%s", cli->operands[0]));
    /* Another numerics number promises nothing about our bits: that is not a difference. */
    numerics = ks_method_numerics(bundle->core.facts.method);
    KS_CHECK(bundle->core.numerics == numerics, KS_ERR_UNAVAILABLE,
             "could not tell: the record's numerics is %llu, this version computes %u",
             (unsigned long long)bundle->core.numerics, numerics);
    ks_cli_progress(cli, "replaying %llu shots on %u qubits",
                    (unsigned long long)bundle->core.shots, bundle->core.qubits);
    err = run_again(bundle, &spec);
    if (err == KS_ERR_VERIFY && cli->json) {
        KS_TRY(print_replay(cli, &bundle->core, ks_cli_kernels(&spec), false));
        cli->answered = true;
        err = KS_ERR_VERIFY;
    }
    KS_TRY(err);
    KS_TRY(print_replay(cli, &bundle->core, ks_cli_kernels(&spec), true));
out:
    ks_bundle_free(bundle);
    ks_pool_free(pool);
    ks_buf_done(&bytes);
    return err;
}

/* --- policy ------------------------------------------------------------------------------- */

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
    struct ks_buf crl;
    struct ks_buf out;

    ks_buf_init(&site_bytes, KS_SITE_BYTES_MAX);
    ks_buf_init(&crl, KS_CRL_PEM_MAX);
    ks_buf_init(&out, KS_POLICY_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(read_root(ks_cli_text(cli, "root"), &root));
    KS_TRY(ks_file_read(site_path, KS_SITE_BYTES_MAX, &site_bytes));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&site_bytes), site), "%s", site_path));
    if (crl_path != NULL) {
        KS_TRY(ks_file_read(crl_path, KS_CRL_PEM_MAX, &crl));
    }
    KS_CHECK(
        !site->simulated_tpm || ks_cli_switch(cli, "insecure-simulated-tpm"), KS_ERR_DENIED,
        "%s: this site's TPM is simulated; --insecure-simulated-tpm accepts that", site_path);
    ks_policy_write(root, ks_buf_view(&crl), site, ks_cli_switch(cli, "insecure-simulated-tpm"),
                    &out);
    KS_TRY(ks_buf_check(&out));
    document = ks_buf_view(&out);
    KS_TRY(ks_policy_read(&document, &policy)); /* what we write, we can read */
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), site_path, ks_buf_view(&out)));
out:
    ks_policy_free(policy);
    ks_cert_free(root);
    ks_free(site);
    ks_buf_done(&site_bytes);
    ks_buf_done(&crl);
    ks_buf_done(&out);
    return err;
}
