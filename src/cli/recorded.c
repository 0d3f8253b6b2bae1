/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/recorded.h"

#include "quantum/counts.h"

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

enum ks_err ks_cli_recorded_is_circuit(const struct ks_core *core)
{
    if (core->kind != KS_KIND_CIRCUIT) {
        return ks_fail(KS_ERR_USAGE, "the record is of '%s', not of a circuit",
                       ks_kind_name(core->kind));
    }
    return KS_OK;
}

enum ks_err ks_cli_recorded_circuit(const struct ks_bundle *bundle,
                                    struct ks_circuit **out_circuit)
{
    enum ks_err err = KS_OK;
    struct ks_circuit *circuit = NULL;
    struct ks_buf text;
    uint8_t hash[32];

    ks_buf_init(&text, KS_CIRCUIT_TEXT_MAX);
    KS_TRY(ks_cli_recorded_is_circuit(&bundle->core));
    KS_TRY(make_circuit(bundle, &circuit));
    KS_TRY(ks_cli_circuit_text(circuit, &text, hash));
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(bundle->core.circuit_hash)), KS_ERR_VERIFY,
             "the program gives another circuit than the record's circuit_hash");
    *out_circuit = circuit;
    circuit = NULL; /* transferred */
out:
    ks_circuit_free(circuit);
    ks_buf_done(&text);
    return err;
}

static void read_outcome(struct ks_bytes text, uint64_t *bits)
{
    for (size_t bit = 0; bit < text.len; bit++) {
        if (text.data[text.len - 1 - bit] == '1') {
            bits[bit / 64] |= UINT64_C(1) << (bit % 64);
        }
    }
}

enum ks_err ks_cli_recorded_counts(const struct ks_core *core, struct ks_counts **out_counts)
{
    static const struct ks_json_limits limits = {.len_max = KS_RESULT_BYTES_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_tally *tally = NULL;
    uint64_t *bits = NULL;

    KS_TRY(ks_json_parse(core->result, &limits, &doc));
    KS_TRY(ks_tally_new(core->clbits, NULL, &tally));
    bits = ks_calloc(ks_tally_words(tally), sizeof *bits);
    KS_CHECK(bits != NULL, KS_ERR_NOMEM, "no memory for an outcome");
    for (size_t i = 0; i < ks_json_count(ks_json_root(doc)); i++) {
        uint64_t count = 0;

        for (size_t w = 0; w < ks_tally_words(tally); w++) {
            bits[w] = 0;
        }
        read_outcome(ks_json_key_at(ks_json_root(doc), i), bits);
        KS_TRY(ks_json_u64(ks_json_at(ks_json_root(doc), i), KS_SHOTS_MAX, &count));
        KS_TRY(ks_tally_add(tally, bits, count));
    }
    KS_TRY(ks_tally_finish(tally, out_counts));
out:
    ks_free(bits);
    ks_tally_free(tally);
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_cli_recorded_noise(const struct ks_core *core, struct ks_noise *out_noise,
                                  bool *out_given)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_bytes view = {0};

    ks_buf_init(&text, KS_JOB_NOISE_MAX);
    if (core->noise != NULL) {
        ks_json_canonical(core->noise, &text);
        KS_TRY(ks_buf_check(&text));
        view = ks_buf_view(&text);
        KS_TRY(ks_fail_prefix(ks_noise_parse(&view, out_noise), "noise"));
    }
    *out_given = core->noise != NULL;
out:
    ks_buf_done(&text);
    return err;
}
