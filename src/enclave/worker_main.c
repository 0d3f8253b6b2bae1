/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-worker: runs one circuit and ends. It is started before there is a job, closes every
 * door, reads one frame from descriptor 3, answers with one frame, and is gone. The program
 * that it parses is the untrusted input of the whole system: nothing outside this process ever
 * parses it.
 *
 *   ketseal-worker THREADS ADDRESS_SPACE_BYTES CPU_SECONDS     (started by ketseal-launch
 * alone) */

#include "base/json.h"
#include "base/pool.h"
#include "base/sys.h"
#include "base/text.h"
#include "enclave/frame.h"
#include "enclave/sandbox.h"
#include "enclave/work.h"
#include "ketseal/circuit.h"

static enum ks_err read_number(const char *text, uint64_t max, uint64_t *out_value)
{
    return ks_text_u64(ks_bytes_text(text), max, out_value);
}

/* Outcomes come in ascending order, so the object is canonical. */
static void put_counts(const struct ks_counts *counts, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    for (size_t i = 0; i < ks_counts_size(counts) && out->err == KS_OK; i++) {
        ks_json_member_u64(&writer, ks_counts_outcome(counts, i), ks_counts_count(counts, i));
    }
    ks_json_put_end(&writer);
}

/* What the views of a result point into. */
struct answer {
    struct ks_buf counts;
    struct ks_buf circuit;
    struct ks_method_choice choice;
    struct ks_work_result result;
};

/* Simulates by the method that the job names, or that fits its circuit into the memory. */
static enum ks_err simulate(const struct ks_work_job *job, const struct ks_circuit *circuit,
                            struct ks_pool *pool, struct answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_counts *counts = NULL;
    struct ks_noise noise;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_work_result *result = &answer->result;

    if (job->noise.len > 0) {
        KS_TRY(ks_fail_prefix(ks_noise_parse(&job->noise, &noise), "noise"));
        spec.noise = &noise;
    }
    spec.method = job->method;
    spec.shots = job->shots;
    spec.seed = job->seed;
    spec.precision = job->single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    spec.memory_max = job->memory_max;
    spec.bond_max = job->bond_max == 0 ? KS_BOND_DEFAULT : job->bond_max;
    spec.cutoff = job->cutoff;
    spec.pool = pool;
    KS_TRY(ks_simulate_explained(circuit, &spec, &answer->choice, &counts));
    spec.method = answer->choice.method;
    put_counts(counts, &answer->counts);
    KS_TRY(ks_fail_prefix(ks_buf_check(&answer->counts), "the result (%zu distinct outcomes)",
                          ks_counts_size(counts)));
    result->facts = *ks_counts_facts(counts);
    result->numerics = ks_method_numerics(spec.method);
    if (job->method == KS_METHOD_AUTO) {
        result->reason = ks_bytes_text(answer->choice.why);
    }
    if (spec.method == KS_METHOD_MPS) {
        result->bond_max = spec.bond_max;
        result->cutoff = spec.cutoff;
    }
    /* The other methods are written once, for any CPU. */
    result->kernels = spec.method == KS_METHOD_STATEVECTOR
                          ? ks_bytes_text(ks_simulate_kernels())
                          : KS_LITERAL("scalar");
out:
    ks_counts_free(counts);
    return err;
}

static enum ks_err run(const struct ks_work_job *job, struct ks_pool *pool,
                       struct answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_circuit *circuit = NULL;
    struct ks_work_result *result = &answer->result;
    uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t parsed_us = 0;
    struct ks_usage usage;

    KS_TRY(ks_work_circuit(job, &circuit));
    ks_circuit_print(circuit, &answer->circuit);
    KS_TRY(ks_fail_prefix(ks_buf_check(&answer->circuit), "the canonical circuit"));
    parsed_us = ks_clock_monotonic_us();
    KS_TRY(simulate(job, circuit, pool, answer));
    result->counts = ks_buf_view(&answer->counts);
    result->circuit = ks_buf_view(&answer->circuit);
    result->qubits = ks_circuit_qubits(circuit);
    result->clbits = ks_circuit_clbits(circuit);
    result->ops = ks_circuit_ops(circuit);
    result->depth = ks_circuit_depth(circuit);
    result->threads = ks_pool_threads(pool);
    result->parse_us = parsed_us - begin_us;
    result->simulate_us = ks_clock_monotonic_us() - parsed_us;
    ks_census_take(circuit, &result->census);
    ks_usage_self(&usage);
    result->cpu_us = usage.cpu_us;
    result->memory_bytes = usage.memory_bytes;
out:
    ks_circuit_free(circuit);
    return err;
}

static enum ks_err serve(struct ks_channel *channel, struct ks_pool *pool)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    struct ks_work_job job = {0};
    struct answer answer = {0};
    enum ks_err verdict = KS_OK;

    ks_buf_init(&answer.counts, KS_WORK_RESULT_MAX);
    ks_buf_init(&answer.circuit, KS_WORK_CIRCUIT_MAX);
    KS_TRY(ks_channel_receive(channel, &frame));
    KS_CHECK(frame.type == KS_FRAME_JOB, KS_ERR_FORMAT, "frame of type %u", frame.type);
    verdict = ks_work_job_read(frame.payload, &job);
    if (verdict == KS_OK) {
        verdict = run(&job, pool, &answer);
    }
    if (verdict == KS_OK) {
        size_t begin = ks_answer_begin(&channel->out, KS_FRAME_JOB, frame.id);

        ks_work_result_put(&answer.result, &channel->out);
        ks_frame_end(&channel->out, begin);
    } else {
        ks_answer_error(&channel->out, KS_FRAME_JOB, frame.id, verdict);
    }
    KS_TRY(ks_channel_flush(channel));
out:
    ks_buf_done(&answer.counts);
    ks_buf_done(&answer.circuit);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_channel channel;
    struct ks_pool *pool = NULL;
    uint64_t threads = 0;
    uint64_t memory_max = 0;
    uint64_t cpu_s = 0;

    ks_channel_init(&channel, KS_WORKER_SOCKET_FD, "enclave");
    KS_CHECK(argc == 4, KS_ERR_USAGE, "ketseal-worker is started by ketseal-launch");
    KS_TRY(read_number(argv[1], KS_POOL_THREADS_MAX, &threads));
    KS_TRY(read_number(argv[2], UINT64_MAX, &memory_max));
    KS_TRY(read_number(argv[3], UINT32_MAX, &cpu_s));
    KS_TRY(ks_process_harden());
    KS_TRY(ks_pool_new((unsigned)threads, &pool));
    KS_TRY(ks_sandbox_worker(memory_max, cpu_s));
    KS_TRY(serve(&channel, pool));
out:
    /* Nobody is left to tell: the enclave sees the closed socket. The pool's threads end with
     * us. */
    return ks_err_exit_code(err);
}
