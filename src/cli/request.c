/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/request.h"

#define NOISE_TEXT_MAX 4096

enum ks_err ks_cli_request(const struct ks_cli *cli, struct ks_cli_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_job_spec *job = &out_request->job;
    struct ks_noise noise;
    bool noisy = false;

    *out_request = (struct ks_cli_request){0};
    ks_buf_init(&out_request->source, KS_PROGRAM_MAX_BYTES);
    ks_buf_init(&out_request->noise, NOISE_TEXT_MAX);
    KS_TRY(ks_cli_method(cli, &spec));
    KS_TRY(ks_cli_noise(cli, &noise, &noisy));
    KS_TRY(ks_cli_job(cli, &out_request->source, job));
    job->method = ks_method_name(spec.method);
    if (spec.method == KS_METHOD_AUTO || spec.method == KS_METHOD_MPS) {
        job->bond_max = spec.bond_max;
        job->cutoff = spec.cutoff;
    }
    if (noisy) {
        ks_noise_print(&noise, &out_request->noise);
        KS_TRY(ks_buf_check(&out_request->noise));
        out_request->noise_text = ks_buf_view(&out_request->noise);
        job->noise = &out_request->noise_text;
    }
    job->idempotency = ks_cli_text(cli, "idempotency-key");
out:
    return err;
}

void ks_cli_request_done(struct ks_cli_request *request)
{
    ks_buf_done(&request->source);
    ks_buf_done(&request->noise);
}
