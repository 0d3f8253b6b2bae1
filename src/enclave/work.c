/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/work.h"

#include <math.h>

/* Finite, from 0 on; -0 is refused, since it would be written as another text than 0. */
static enum ks_err read_double(struct ks_reader *reader, double *out_value)
{
    enum ks_err err = KS_OK;
    double value = 0;

    KS_TRY(ks_read_double(reader, &value));
    KS_CHECK(isfinite(value) && !signbit(value), KS_ERR_FORMAT,
             "a number is negative, infinite or none");
    *out_value = value;
out:
    return err;
}

/* AUTO only where that is ALLOWED. */
static enum ks_err read_method(struct ks_reader *reader, bool auto_allowed,
                               enum ks_method *out_method)
{
    enum ks_err err = KS_OK;
    uint8_t method = 0;

    KS_TRY(ks_read_u8(reader, &method));
    KS_CHECK(method < KS_METHOD_COUNT && (auto_allowed || method != KS_METHOD_AUTO),
             KS_ERR_FORMAT, "method %u", method);
    *out_method = (enum ks_method)method;
out:
    return err;
}

void ks_work_job_put(const struct ks_work_job *job, struct ks_buf *out)
{
    ks_buf_put_lp32(out, job->source);
    ks_buf_put_lp16(out, job->template);
    ks_buf_put_u32(out, job->qubits);
    ks_buf_put_u32(out, job->depth);
    ks_buf_put_u64(out, job->template_seed);
    ks_buf_put_u64(out, job->shots);
    ks_buf_put_u64(out, job->seed);
    ks_buf_put_u8(out, job->single ? 1 : 0);
    ks_buf_put_u64(out, job->memory_max);
    ks_buf_put_u8(out, (uint8_t)job->method);
    ks_buf_put_u32(out, job->bond_max);
    ks_buf_put_double(out, job->cutoff);
    ks_buf_put_lp16(out, job->noise);
}

enum ks_err ks_work_job_read(struct ks_bytes payload, struct ks_work_job *out_job)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "job frame");
    struct ks_work_job job = {0};
    uint8_t single = 0;

    KS_TRY(ks_read_lp32(&reader, KS_WORK_PROGRAM_MAX, &job.source));
    KS_TRY(ks_read_lp16(&reader, KS_WORK_NAME_MAX, &job.template));
    KS_TRY(ks_read_u32(&reader, &job.qubits));
    KS_TRY(ks_read_u32(&reader, &job.depth));
    KS_TRY(ks_read_u64(&reader, &job.template_seed));
    KS_TRY(ks_read_u64(&reader, &job.shots));
    KS_TRY(ks_read_u64(&reader, &job.seed));
    KS_TRY(ks_read_u8(&reader, &single));
    KS_TRY(ks_read_u64(&reader, &job.memory_max));
    KS_TRY(ks_fail_prefix(read_method(&reader, true, &job.method), "job frame"));
    KS_TRY(ks_read_u32(&reader, &job.bond_max));
    KS_TRY(ks_fail_prefix(read_double(&reader, &job.cutoff), "job frame"));
    KS_TRY(ks_read_lp16(&reader, KS_WORK_NOISE_MAX, &job.noise));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(single <= 1, KS_ERR_FORMAT, "job frame: precision %u", single);
    KS_CHECK(job.bond_max <= KS_BOND_MAX && job.cutoff < 1, KS_ERR_FORMAT,
             "job frame: bond %u or the cutoff is out of range", job.bond_max);
    job.single = single == 1;
    *out_job = job;
out:
    return err;
}

void ks_work_result_put(const struct ks_work_result *result, struct ks_buf *out)
{
    ks_buf_put_lp32(out, result->counts);
    ks_buf_put_lp32(out, result->circuit);
    ks_buf_put_u32(out, result->qubits);
    ks_buf_put_u32(out, result->clbits);
    ks_buf_put_u64(out, result->ops);
    ks_buf_put_u32(out, result->depth);
    ks_buf_put_u32(out, result->numerics);
    ks_buf_put_u32(out, result->threads);
    ks_buf_put_lp16(out, result->kernels);
    ks_buf_put_u8(out, (uint8_t)result->facts.method);
    ks_buf_put_u64(out, result->facts.amplitudes);
    ks_buf_put_u32(out, result->facts.bond);
    ks_buf_put_double(out, result->facts.discarded_weight);
    ks_buf_put_lp16(out, result->reason);
    ks_buf_put_u32(out, result->bond_max);
    ks_buf_put_double(out, result->cutoff);
    ks_buf_put_u64(out, result->parse_us);
    ks_buf_put_u64(out, result->simulate_us);
    ks_buf_put_u64(out, result->census.gates_1q);
    ks_buf_put_u64(out, result->census.gates_2q);
    ks_buf_put_u64(out, result->census.gates_more);
    ks_buf_put_u64(out, result->census.gates_nonclifford);
    ks_buf_put_u64(out, result->census.measurements);
    ks_buf_put_u64(out, result->cpu_us);
    ks_buf_put_u64(out, result->memory_bytes);
    ks_buf_put_lp16(out, result->sdk_version);
    ks_buf_put_lp16(out, result->backend);
    ks_buf_put_lp16(out, result->backend_version);
    ks_buf_put(out, KS_BYTES(result->transpiled));
}

enum ks_err ks_work_result_read(struct ks_reader *reader, struct ks_work_result *out_result)
{
    enum ks_err err = KS_OK;
    struct ks_work_result result = {0};

    KS_TRY(ks_read_lp32(reader, KS_WORK_RESULT_MAX, &result.counts));
    KS_TRY(ks_read_lp32(reader, KS_WORK_CIRCUIT_MAX, &result.circuit));
    KS_TRY(ks_read_u32(reader, &result.qubits));
    KS_TRY(ks_read_u32(reader, &result.clbits));
    KS_TRY(ks_read_u64(reader, &result.ops));
    KS_TRY(ks_read_u32(reader, &result.depth));
    KS_TRY(ks_read_u32(reader, &result.numerics));
    KS_TRY(ks_read_u32(reader, &result.threads));
    KS_TRY(ks_read_lp16(reader, KS_WORK_NAME_MAX, &result.kernels));
    KS_TRY(read_method(reader, false, &result.facts.method));
    KS_TRY(ks_read_u64(reader, &result.facts.amplitudes));
    KS_TRY(ks_read_u32(reader, &result.facts.bond));
    KS_TRY(read_double(reader, &result.facts.discarded_weight));
    KS_TRY(ks_read_lp16(reader, KS_METHOD_WHY_MAX - 1, &result.reason));
    KS_TRY(ks_read_u32(reader, &result.bond_max));
    KS_TRY(read_double(reader, &result.cutoff));
    KS_TRY(ks_read_u64(reader, &result.parse_us));
    KS_TRY(ks_read_u64(reader, &result.simulate_us));
    KS_TRY(ks_read_u64(reader, &result.census.gates_1q));
    KS_TRY(ks_read_u64(reader, &result.census.gates_2q));
    KS_TRY(ks_read_u64(reader, &result.census.gates_more));
    KS_TRY(ks_read_u64(reader, &result.census.gates_nonclifford));
    KS_TRY(ks_read_u64(reader, &result.census.measurements));
    KS_TRY(ks_read_u64(reader, &result.cpu_us));
    KS_TRY(ks_read_u64(reader, &result.memory_bytes));
    KS_TRY(ks_read_lp16(reader, KS_WORK_NAME_MAX, &result.sdk_version));
    KS_TRY(ks_read_lp16(reader, KS_WORK_NAME_MAX, &result.backend));
    KS_TRY(ks_read_lp16(reader, KS_WORK_NAME_MAX, &result.backend_version));
    KS_TRY(ks_read_copy(reader, result.transpiled, sizeof result.transpiled));
    KS_TRY(ks_read_end(reader));
    *out_result = result;
out:
    return err;
}
