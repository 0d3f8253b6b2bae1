/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* circuit sweep: one circuit with many sets of angles. */

#include <string.h>

#include "base/pool.h"
#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "cli/simulate.h"

#define ANGLES_BYTES_MAX ((size_t)64 << 20)
#define ANGLES_MAX       ((size_t)4 << 20) /* of all sets, and the sets */
#define OUT_MAX          ((size_t)1 << 30)
/* States up to this size are one thread's: then the threads share out the sets. */
#define SMALL_STATE ((uint64_t)4 << 20)
#define BATCH       64 /* sets for each program before their results are written */

struct sweep {
    struct ks_cli *cli;
    const struct ks_circuit *circuit;
    struct ks_simulate_spec spec;
    struct ks_json_doc *doc;
    const struct ks_json *sets;
    size_t angle_count;
    bool expect;
    const char *const *sums;
    unsigned sum_count;
    struct ks_pool *pool; /* for the sets; NULL where each state takes all threads */
    struct ks_program **programs;
    size_t program_count;
    double *angles; /* for one set of each program */
    /* a batch: */
    size_t first;
    size_t count;
    struct ks_counts **counts;
    double *values; /* sum_count for each set */
    enum ks_err *errors;
};

/* --- angles ------------------------------------------------------------------------------- */

static enum ks_err check_set(const struct sweep *sweep, size_t index)
{
    const struct ks_json *set = ks_json_at(sweep->sets, index);
    enum ks_err err = KS_OK;
    double angle = 0;

    KS_CHECK(ks_json_type(set) == KS_JSON_ARRAY && ks_json_count(set) == sweep->angle_count,
             KS_ERR_FORMAT, "--angles: set %zu is no list of %zu numbers", index,
             sweep->angle_count);
    for (size_t i = 0; i < sweep->angle_count; i++) {
        KS_TRY(ks_fail_prefix(ks_json_double(ks_json_at(set, i), &angle),
                              "--angles: set %zu, angle %zu", index, i));
    }
out:
    return err;
}

static enum ks_err read_angles(struct sweep *sweep)
{
    const char *path = ks_cli_text(sweep->cli, "angles");
    const struct ks_json_limits limits = {.len_max = ANGLES_BYTES_MAX, .nodes_max = ANGLES_MAX};
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, ANGLES_BYTES_MAX);
    KS_TRY(ks_file_read(path, ANGLES_BYTES_MAX, &text));
    KS_TRY(ks_fail_prefix(ks_json_parse(ks_buf_view(&text), &limits, &sweep->doc), "%s", path));
    sweep->sets = ks_json_root(sweep->doc);
    KS_CHECK(ks_json_type(sweep->sets) == KS_JSON_ARRAY, KS_ERR_FORMAT,
             "%s: expected a list of lists of angles", path);
    for (size_t i = 0; i < ks_json_count(sweep->sets); i++) {
        KS_TRY(check_set(sweep, i));
    }
out:
    ks_buf_done(&text);
    return err;
}

/* --- running ------------------------------------------------------------------------------ */

/* Runs set INDEX of the batch in PROGRAM. */
static enum ks_err run_set(const struct sweep *sweep, size_t program, size_t index)
{
    struct ks_program *with = sweep->programs[program];
    const struct ks_json *set = ks_json_at(sweep->sets, sweep->first + index);
    double *angles = sweep->angles + program * sweep->angle_count;
    struct ks_final *final = NULL;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sweep->angle_count; i++) {
        KS_TRY(ks_json_double(ks_json_at(set, i), &angles[i]));
    }
    KS_TRY(ks_program_run(with, angles));
    if (!sweep->expect) {
        KS_TRY(ks_program_counts(with, sweep->spec.seed, &sweep->counts[index]));
        return KS_OK;
    }
    KS_TRY(ks_program_final(with, &final));
    for (unsigned i = 0; i < sweep->sum_count; i++) {
        const struct ks_bytes sum = ks_bytes_text(sweep->sums[i]);

        KS_TRY(ks_fail_prefix(
            ks_final_expect(final, &sum, &sweep->values[index * sweep->sum_count + i]),
            "--expect"));
    }
out:
    return err;
}

/* Program SLICE does its part of the batch. What fails is done once more by the caller, whose
 * detail says why. */
static void run_task(void *context, size_t slice)
{
    const struct sweep *sweep = context;

    for (size_t i = slice; i < sweep->count; i += sweep->program_count) {
        sweep->errors[i] = run_set(sweep, slice, i);
    }
}

static enum ks_err run_batch(struct sweep *sweep)
{
    enum ks_err err = KS_OK;

    ks_pool_run(sweep->pool, run_task, sweep, sweep->program_count);
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep->errors[i] != KS_OK) {
            KS_TRY(run_set(sweep, 0, i));
        }
    }
out:
    return err;
}

static enum ks_err make_programs(struct sweep *sweep, struct ks_pool *pool)
{
    const uint64_t bytes = ks_simulate_memory(sweep->circuit, sweep->spec.precision);
    const bool small = bytes <= SMALL_STATE;
    struct ks_simulate_spec spec = sweep->spec;
    enum ks_err err = KS_OK;

    sweep->pool = small ? pool : NULL;
    sweep->program_count = ks_pool_threads(sweep->pool);
    spec.pool = small ? NULL : pool;
    spec.method = KS_METHOD_STATEVECTOR;
    sweep->programs = ks_calloc(sweep->program_count, sizeof(struct ks_program *));
    sweep->angles = ks_calloc(sweep->program_count * sweep->angle_count, sizeof(double));
    sweep->counts = ks_calloc(BATCH * sweep->program_count, sizeof(struct ks_counts *));
    sweep->errors = ks_calloc(BATCH * sweep->program_count, sizeof *sweep->errors);
    sweep->values = ks_calloc(BATCH * sweep->program_count * sweep->sum_count, sizeof(double));
    KS_CHECK(sweep->programs != NULL && sweep->angles != NULL && sweep->counts != NULL &&
                 sweep->errors != NULL && sweep->values != NULL,
             KS_ERR_NOMEM, "no memory for a sweep");
    for (size_t i = 0; i < sweep->program_count; i++) {
        KS_TRY(ks_program_new(sweep->circuit, &spec,
                              sweep->expect ? KS_PROGRAM_STATE : KS_PROGRAM_COUNTS,
                              &sweep->programs[i]));
    }
out:
    return err;
}

static void sweep_done(struct sweep *sweep)
{
    for (size_t i = 0; sweep->programs != NULL && i < sweep->program_count; i++) {
        ks_program_free(sweep->programs[i]);
    }
    for (size_t i = 0; sweep->counts != NULL && i < BATCH * sweep->program_count; i++) {
        ks_counts_free(sweep->counts[i]);
    }
    ks_free(sweep->programs);
    ks_free(sweep->angles);
    ks_free(sweep->counts);
    ks_free(sweep->errors);
    ks_free(sweep->values);
    ks_json_doc_free(sweep->doc);
}

/* --- results ------------------------------------------------------------------------------ */

static void put_json(struct sweep *sweep, size_t index, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    if (!sweep->expect) {
        ks_json_put_key(writer, "counts");
        ks_cli_counts_put(sweep->counts[index], writer);
    } else {
        ks_json_put_key(writer, "expectations");
        ks_json_put_array(writer);
        for (unsigned i = 0; i < sweep->sum_count; i++) {
            ks_json_put_double(writer, sweep->values[index * sweep->sum_count + i]);
        }
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

/* One line: OUTCOME:COUNT for each outcome, or the values. */
static void put_text(const struct sweep *sweep, size_t index, struct ks_buf *out)
{
    const struct ks_counts *counts = sweep->counts[index];
    const size_t items = sweep->expect ? sweep->sum_count : ks_counts_size(counts);

    for (size_t i = 0; i < items; i++) {
        char digits[KS_DOUBLE_TEXT_MAX];

        ks_buf_put_text(out, i == 0 ? "" : " ");
        if (sweep->expect) {
            const double value = sweep->values[index * sweep->sum_count + i];

            ks_buf_put(out, ks_bytes_of(digits, ks_double_text(value, digits)));
        } else {
            ks_buf_put_text(out, ks_counts_outcome(counts, i));
            ks_buf_put_format(out, ":%llu", (unsigned long long)ks_counts_count(counts, i));
        }
    }
    ks_buf_put_u8(out, '\n');
}

static enum ks_err put_all(struct sweep *sweep, struct ks_buf *out,
                           struct ks_json_writer *writer)
{
    const size_t total = ks_json_count(sweep->sets);
    enum ks_err err = KS_OK;

    for (sweep->first = 0; sweep->first < total; sweep->first += sweep->count) {
        const size_t left = total - sweep->first;
        const size_t batch = BATCH * sweep->program_count;

        sweep->count = left < batch ? left : batch;
        KS_TRY(run_batch(sweep));
        for (size_t i = 0; i < sweep->count; i++) {
            if (writer != NULL) {
                put_json(sweep, i, writer);
            } else {
                put_text(sweep, i, out);
            }
            ks_counts_free(sweep->counts[i]);
            sweep->counts[i] = NULL;
        }
        KS_TRY(ks_buf_check(out));
    }
out:
    return err;
}

static enum ks_err put_sweep(struct sweep *sweep, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    enum ks_err err = KS_OK;

    if (!sweep->cli->json) {
        return put_all(sweep, out, NULL);
    }
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "angles", sweep->angle_count);
    ks_json_member_text(&writer, "kernels", ks_cli_kernels(&sweep->spec));
    ks_json_member_u64(&writer, "numerics", KS_NUMERICS);
    ks_json_member_text(&writer, "precision",
                        sweep->spec.precision == KS_PRECISION_SINGLE ? "single" : "double");
    ks_json_put_key(&writer, "results");
    ks_json_put_array(&writer);
    KS_TRY(put_all(sweep, out, &writer));
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.sweep/1");
    if (!sweep->expect) {
        ks_json_member_u64(&writer, "seed", sweep->spec.seed);
        ks_json_member_u64(&writer, "shots", sweep->spec.shots);
    }
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static enum ks_err sweep_all(struct ks_cli *cli, const struct ks_job_spec *job,
                             const struct ks_simulate_spec *spec, struct ks_buf *out)
{
    struct sweep sweep = {.cli = cli, .spec = *spec};
    struct ks_circuit *circuit = NULL;
    enum ks_err err = KS_OK;

    sweep.sum_count = ks_cli_many(cli, "expect", &sweep.sums);
    sweep.expect = sweep.sum_count > 0;
    sweep.spec.shots = job->shots;
    sweep.spec.seed = job->seed;
    sweep.spec.precision = job->single_precision ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    KS_TRY(ks_cli_circuit(job, ks_cli_job_name(cli), &circuit));
    sweep.circuit = circuit;
    sweep.angle_count = ks_circuit_angle_count(circuit);
    KS_TRY(read_angles(&sweep));
    KS_TRY(ks_fail_prefix(make_programs(&sweep, spec->pool), "%s", ks_cli_job_name(cli)));
    ks_cli_progress(cli, "sweeping %u qubits, %llu operations, over %zu sets of %zu angles",
                    ks_circuit_qubits(circuit), (unsigned long long)ks_circuit_ops(circuit),
                    ks_json_count(sweep.sets), sweep.angle_count);
    KS_TRY(put_sweep(&sweep, out));
out:
    sweep_done(&sweep);
    ks_circuit_free(circuit);
    return err;
}

enum ks_err ks_command_circuit_sweep(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf source;
    struct ks_buf out;
    struct ks_job_spec job = {.version = 1};
    struct ks_pool *pool = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    ks_buf_init(&source, KS_PROGRAM_MAX_BYTES);
    ks_buf_init(&out, OUT_MAX);
    KS_TRY(ks_cli_simulation(cli, &pool, &spec));
    KS_TRY(ks_cli_job(cli, &source, &job));
    KS_TRY(sweep_all(cli, &job, &spec, &out));
    KS_TRY(
        ks_cli_output(ks_cli_text(cli, "out"), ks_cli_text(cli, "angles"), ks_buf_view(&out)));
out:
    ks_pool_free(pool);
    ks_buf_done(&source);
    ks_buf_done(&out);
    return err;
}
