/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* circuit check, plan, show and simulate: circuits without any site. */

#include <string.h>

#include "base/pool.h"
#include "base/sys.h"
#include "base/text.h"
#include "cli/exact.h"
#include "quantum/facts.h"

/* Ten million shots may give as many outcomes of up to 1,024 bits. */
#define COUNTS_TEXT_MAX ((size_t)16 << 30)

/* --- check
 * -------------------------------------------------------------------------------------------
 */

static const char *shown_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static enum ks_err parse_file(const char *path, struct ks_circuit **out_circuit)
{
    enum ks_err err = KS_OK;
    struct ks_buf source;
    struct ks_job_spec job = {.version = 1};

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    KS_TRY(ks_file_read(path, KS_PROGRAM_MAX_BYTES, &source));
    job.qasm = (const char *)source.data;
    job.qasm_len = source.len;
    KS_TRY(ks_cli_circuit(&job, shown_name(path), out_circuit));
out:
    ks_buf_done(&source);
    return err;
}

/* "64 B", "16.5 MiB". */
static void memory_text(uint64_t bytes, char target[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t tenths = 0;
    size_t unit = 0;

    if (bytes == UINT64_MAX) {
        (void)snprintf(target, 32, "over 8 EiB");
        return;
    }
    while (bytes >> (10 * unit) >= 1024) {
        unit++;
    }
    if (unit == 0) {
        (void)snprintf(target, 32, "%llu B", (unsigned long long)bytes);
        return;
    }
    tenths = ((bytes >> (10 * (unit - 1))) * 10 + 1023) / 1024;
    (void)snprintf(target, 32, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                   (unsigned long long)(tenths % 10), units[unit]);
}

/* What is said of one file. */
struct facts {
    uint64_t memory; /* of the state vector */
    bool explained;
    struct ks_method_choice choice;
};

static void put_facts(const char *path, const struct ks_circuit *circuit,
                      const struct facts *facts, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "clbits", ks_circuit_clbits(circuit));
    ks_json_member_u64(writer, "depth", ks_circuit_depth(circuit));
    ks_json_member_text(writer, "file", path);
    if (facts->memory <= KS_JSON_INTEGER_MAX) { /* absent: more than any machine has */
        ks_json_member_u64(writer, "memory_bytes", facts->memory);
    }
    if (facts->explained) {
        ks_json_member_text(writer, "method", ks_method_name(facts->choice.method));
        ks_json_member_text(writer, "method_reason", facts->choice.why);
    }
    ks_json_member_u64(writer, "operations", ks_circuit_ops(circuit));
    ks_json_member_u64(writer, "qubits", ks_circuit_qubits(circuit));
    ks_json_put_end(writer);
}

static void print_facts(const char *path, const struct ks_circuit *circuit,
                        const struct facts *facts)
{
    char text[32];

    memory_text(facts->memory, text);
    ks_cli_print("%s: %u qubits, %u clbits, %llu operations, depth %u, %s%s%s%s%s\n",
                 shown_name(path), ks_circuit_qubits(circuit), ks_circuit_clbits(circuit),
                 (unsigned long long)ks_circuit_ops(circuit), ks_circuit_depth(circuit), text,
                 facts->explained ? "; " : "",
                 facts->explained ? ks_method_name(facts->choice.method) : "",
                 facts->explained ? ": " : "", facts->explained ? facts->choice.why : "");
}

static enum ks_err find_facts(const struct ks_circuit *circuit,
                              const struct ks_simulate_spec *spec, bool explain,
                              struct facts *out_facts)
{
    struct facts facts = {.memory = ks_simulate_memory(circuit, spec->precision),
                          .explained = explain};
    const enum ks_err err = explain ? ks_method_choose(circuit, spec, &facts.choice) : KS_OK;

    if (err == KS_OK) {
        *out_facts = facts;
    }
    return err;
}

static void put_failure(const char *path, enum ks_err failure, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_text(writer, "detail", ks_err_detail());
    ks_json_member_text(writer, "error", ks_err_name(failure));
    ks_json_member_text(writer, "file", path);
    ks_json_put_end(writer);
}

static void check_file(struct ks_cli *cli, const char *path,
                       const struct ks_simulate_spec *spec, struct ks_json_writer *writer,
                       enum ks_err *failure)
{
    struct ks_circuit *circuit = NULL;
    struct facts facts = {0};
    enum ks_err err = parse_file(path, &circuit);

    if (err == KS_OK) {
        err = ks_fail_prefix(
            find_facts(circuit, spec, ks_cli_switch(cli, "explain-method"), &facts), "%s",
            shown_name(path));
    }
    if (err != KS_OK) {
        *failure = err;
        cli->answered = true;
    }
    if (cli->json && err == KS_OK) {
        put_facts(path, circuit, &facts, writer);
    } else if (cli->json) {
        put_failure(path, err, writer);
    } else if (err == KS_OK) {
        print_facts(path, circuit, &facts);
    } else {
        ks_cli_report(cli, err);
    }
    ks_circuit_free(circuit);
}

/* Every file is looked at; the exit code is that of the last failure. */
enum ks_err ks_command_circuit_check(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    enum ks_err failure = KS_OK;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 64 * 1024 * 1024);
    KS_TRY(ks_cli_precision(cli, &spec.precision));
    KS_TRY(ks_cli_memory(cli, &spec.memory_max));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "circuits");
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < cli->operand_count; i++) {
        check_file(cli, cli->operands[i], &spec, &writer, &failure);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.circuit-check/1");
    ks_json_put_end(&writer);
    if (cli->json) {
        KS_TRY(ks_cli_print_json(&out));
    }
    err = failure;
out:
    ks_buf_done(&out);
    return err;
}

/* --- show
 * --------------------------------------------------------------------------------------------
 */

static const char *input_of(const struct ks_cli *cli)
{
    return cli->operand_count > 0 ? cli->operands[0] : NULL;
}

enum ks_err ks_command_circuit_show(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf source;
    struct ks_buf text;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    struct ks_job_spec job = {.version = 1};
    struct ks_circuit *circuit = NULL;
    uint8_t hash[32];

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    ks_buf_init(&text, KS_CIRCUIT_TEXT_MAX);
    ks_buf_init(&out, 2 * KS_CIRCUIT_TEXT_MAX);
    KS_TRY(ks_cli_program(cli, &source, &job));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &job.template_seed));
    KS_TRY(ks_cli_circuit(&job, ks_cli_job_name(cli), &circuit));
    KS_TRY(ks_cli_circuit_text(circuit, &text, hash));
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_hex(&writer, "circuit_hash", KS_BYTES(hash));
        ks_json_member_string(&writer, "qasm", ks_buf_view(&text));
        ks_json_member_text(&writer, "schema", "ketseal.circuit/1");
        ks_json_put_end(&writer);
        ks_buf_put_text(&out, "\n");
        KS_TRY(ks_buf_check(&out));
    }
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), input_of(cli),
                         ks_buf_view(cli->json ? &out : &text)));
out:
    ks_circuit_free(circuit);
    ks_buf_done(&source);
    ks_buf_done(&text);
    ks_buf_done(&out);
    return err;
}

/* --- plan --------------------------------------------------------------------------------- */

/* What is assumed of the machine: bytes of memory a second, for all threads together; and half
 * of what AVX-512 units at 3 GHz do in single precision, for each. */
#define BYTES_PER_US       40e3
#define FMA_SLOTS_PER_US   50e3
#define PLAN_THREADS_LIMIT 256

struct prediction {
    double floor_us; /* memory alone */
    double total_us;
};

static struct prediction predict(const struct ks_plan_facts *facts, enum ks_precision precision,
                                 uint64_t threads)
{
    const double rate = FMA_SLOTS_PER_US * (precision == KS_PRECISION_DOUBLE ? 0.5 : 1);
    const double floor_us = facts->bytes / BYTES_PER_US;

    return (struct prediction){floor_us, floor_us + facts->fma_slots / rate / (double)threads};
}

/* Absent: more than any machine does. */
static void put_count(struct ks_json_writer *writer, const char *name, double count)
{
    if (count <= (double)KS_JSON_INTEGER_MAX) {
        ks_json_member_u64(writer, name, (uint64_t)count);
    }
}

static enum ks_err put_plan(const struct ks_plan_facts *facts, enum ks_precision precision,
                            const struct prediction *prediction)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    ks_json_put_object(&writer);
    put_count(&writer, "bytes", facts->bytes);
    put_count(&writer, "floor_us", prediction->floor_us);
    put_count(&writer, "fma_slots", facts->fma_slots);
    ks_json_member_u64(&writer, "gates", facts->gates);
    ks_json_member_u64(&writer, "groups", facts->groups);
    ks_json_member_u64(&writer, "numerics", KS_NUMERICS);
    ks_json_member_u64(&writer, "passes", facts->passes);
    ks_json_member_u64(&writer, "phases", facts->phases);
    ks_json_member_text(&writer, "precision",
                        precision == KS_PRECISION_SINGLE ? "single" : "double");
    put_count(&writer, "predicted_us", prediction->total_us);
    ks_json_member_u64(&writer, "rotations", facts->rotations);
    ks_json_member_text(&writer, "schema", "ketseal.circuit-plan/1");
    ks_json_member_u64(&writer, "segments", facts->segments);
    ks_json_member_u64(&writer, "slots", facts->slots);
    ks_json_member_bool(&writer, "whole", facts->whole);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_plan(const struct ks_plan_facts *facts, const struct prediction *prediction)
{
    ks_cli_print("gates      %llu\n", (unsigned long long)facts->gates);
    if (!facts->whole) {
        ks_cli_print("segments   %u, from measurement to measurement: each block once, each "
                     "condition true\n",
                     facts->segments);
    }
    ks_cli_print("steps      %llu rotations, %llu phases in %llu groups\n",
                 (unsigned long long)facts->rotations, (unsigned long long)facts->phases,
                 (unsigned long long)facts->groups);
    ks_cli_print("state      2^%u amplitudes\n", facts->slots);
    ks_cli_print("passes     %u, %.3g bytes\n", facts->passes, facts->bytes);
    ks_cli_print("fma slots  %.3g\n", facts->fma_slots);
    ks_cli_print("memory     %.3g ms at 40 GB/s\n", prediction->floor_us / 1000);
    ks_cli_print("predicted  %.3g ms\n", prediction->total_us / 1000);
}

enum ks_err ks_command_circuit_plan(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    enum ks_precision precision = KS_PRECISION_DOUBLE;
    struct ks_buf source;
    struct ks_job_spec job = {.version = 1};
    struct ks_circuit *circuit = NULL;
    struct ks_plan_facts facts;
    struct prediction prediction;
    uint64_t threads = 0;

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    KS_TRY(ks_cli_precision(cli, &precision));
    KS_TRY(ks_cli_number(cli, "threads", PLAN_THREADS_LIMIT, &threads));
    KS_CHECK(threads > 0, KS_ERR_USAGE, "--threads: 1 or more");
    KS_TRY(ks_cli_program(cli, &source, &job));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &job.template_seed));
    KS_TRY(ks_cli_circuit(&job, ks_cli_job_name(cli), &circuit));
    KS_TRY(
        ks_fail_prefix(ks_plan_facts(circuit, precision, &facts), "%s", ks_cli_job_name(cli)));
    prediction = predict(&facts, precision, threads);
    if (cli->json) {
        KS_TRY(put_plan(&facts, precision, &prediction));
    } else {
        print_plan(&facts, &prediction);
    }
out:
    ks_circuit_free(circuit);
    ks_buf_done(&source);
    return err;
}

/* --- simulate ----------------------------------------------------------------------------- */

static enum ks_err put_simulation(const struct ks_circuit *circuit,
                                  const struct ks_simulate_spec *spec,
                                  const struct ks_method_choice *choice,
                                  const struct ks_counts *counts, struct ks_buf *out)
{
    const struct ks_simulate_facts *facts = ks_counts_facts(counts);
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf text;
    uint8_t hash[32];

    ks_buf_init(&text, KS_CIRCUIT_TEXT_MAX);
    KS_TRY(ks_cli_circuit_text(circuit, &text, hash));
    ks_json_put_object(&writer);
    if (facts->method == KS_METHOD_SPARSE) {
        ks_json_member_u64(&writer, "amplitudes", facts->amplitudes);
    }
    if (facts->method == KS_METHOD_MPS) {
        ks_json_member_u64(&writer, "bond", facts->bond);
        ks_json_member_u64(&writer, "bond_max", spec->bond_max);
    }
    ks_json_member_hex(&writer, "circuit_hash", KS_BYTES(hash));
    ks_json_put_key(&writer, "counts");
    ks_cli_counts_put(counts, &writer);
    if (facts->method == KS_METHOD_MPS) {
        ks_json_put_key(&writer, "cutoff");
        ks_json_put_double(&writer, spec->cutoff);
    }
    if (facts->method == KS_METHOD_MPS || facts->method == KS_METHOD_SPARSE) {
        ks_json_put_key(&writer, "discarded_weight");
        ks_json_put_double(&writer, facts->discarded_weight);
    }
    if (facts->method == KS_METHOD_STATEVECTOR) {
        ks_json_member_text(&writer, "kernels", ks_cli_kernels(spec));
    }
    ks_json_member_text(&writer, "method", ks_method_name(facts->method));
    ks_json_member_text(&writer, "method_reason", choice->why);
    ks_cli_noise_put(spec, &writer);
    ks_json_member_u64(&writer, "numerics", ks_method_numerics(facts->method));
    ks_json_member_text(&writer, "precision",
                        spec->precision == KS_PRECISION_SINGLE ? "single" : "double");
    ks_json_member_text(&writer, "schema", "ketseal.simulate/1");
    ks_json_member_u64(&writer, "seed", spec->seed);
    ks_json_member_u64(&writer, "shots", spec->shots);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err put_lines(const struct ks_counts *counts, struct ks_buf *out)
{
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_buf_put_text(out, ks_counts_outcome(counts, i));
        ks_buf_put_format(out, " %llu\n", (unsigned long long)ks_counts_count(counts, i));
    }
    return ks_buf_check(out);
}

static enum ks_err sample(const struct ks_cli *cli, const struct ks_circuit *circuit,
                          struct ks_simulate_spec *spec, struct ks_buf *out)
{
    struct ks_counts *counts = NULL;
    struct ks_method_choice choice;
    enum ks_err err = KS_OK;

    ks_cli_progress(cli, "simulating %u qubits, %llu operations, %llu shots",
                    ks_circuit_qubits(circuit), (unsigned long long)ks_circuit_ops(circuit),
                    (unsigned long long)spec->shots);
    KS_TRY(ks_simulate_explained(circuit, spec, &choice, &counts));
    spec->method = choice.method;
    ks_cli_progress(cli, "simulated by %s: %s", ks_method_name(choice.method), choice.why);
    KS_TRY(ks_cli_marginal(cli, &counts));
    KS_TRY(cli->json ? put_simulation(circuit, spec, &choice, counts, out)
                     : put_lines(counts, out));
out:
    ks_counts_free(counts);
    return err;
}

static enum ks_err simulate(const struct ks_cli *cli, const struct ks_job_spec *job,
                            struct ks_simulate_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_circuit *circuit = NULL;
    struct ks_noise noise;
    bool noisy = false;
    struct ks_buf out;

    ks_buf_init(&out, COUNTS_TEXT_MAX);
    KS_TRY(ks_cli_noise(cli, &noise, &noisy));
    spec->noise = noisy ? &noise : NULL;
    spec->shots = job->shots;
    spec->seed = job->seed;
    spec->precision = job->single_precision ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    KS_TRY(ks_cli_circuit(job, ks_cli_job_name(cli), &circuit));
    err = ks_cli_exact_wanted(cli) ? ks_cli_exact(cli, circuit, spec, &out)
                                   : sample(cli, circuit, spec, &out);
    KS_TRY(ks_fail_prefix(err, "%s", ks_cli_job_name(cli)));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), input_of(cli), ks_buf_view(&out)));
out:
    ks_circuit_free(circuit);
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_circuit_simulate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf source;
    struct ks_job_spec job = {.version = 1};
    struct ks_pool *pool = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    KS_TRY(ks_cli_simulation(cli, &pool, &spec));
    KS_TRY(ks_cli_method(cli, &spec));
    KS_TRY(ks_cli_job(cli, &source, &job));
    KS_TRY(simulate(cli, &job, &spec));
out:
    ks_pool_free(pool);
    ks_buf_done(&source);
    return err;
}
