/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/request.h"

#define NOISE_TEXT_MAX 4096

#define NATIVE "native" /* ours, on the command line */

enum ks_err ks_cli_sdk(const char *name, enum ks_sdk *out_sdk)
{
    const struct ks_bytes text = ks_bytes_text(name);

    if (ks_bytes_is(text, NATIVE)) {
        *out_sdk = KS_SDK_KETSEAL;
        return KS_OK;
    }
    if (ks_sdk_find(text, out_sdk) != KS_OK) {
        return ks_fail(KS_ERR_USAGE, "expected native, qiskit or cirq, not '%s'", name);
    }
    return KS_OK;
}

/* Another SDK has its own ways of running a circuit. */
static enum ks_err check_sdk(enum ks_sdk sdk, const struct ks_simulate_spec *spec, bool noisy)
{
    if (sdk != KS_SDK_KETSEAL &&
        (noisy || spec->method != KS_METHOD_AUTO || spec->bond_max != KS_BOND_DEFAULT ||
         spec->cutoff != KS_CUTOFF_DEFAULT)) {
        return ks_fail(KS_ERR_USAGE,
                       "--method, --bond-max, --cutoff and --noise: ketseal's own, not of "
                       "--sdk=%s",
                       ks_sdk_name(sdk));
    }
    return KS_OK;
}

enum ks_err ks_cli_request(const struct ks_cli *cli, struct ks_cli_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_job_spec *job = &out_request->job;
    struct ks_noise noise;
    bool noisy = false;
    enum ks_sdk sdk = KS_SDK_KETSEAL;

    *out_request = (struct ks_cli_request){0};
    ks_buf_init(&out_request->source, KS_PROGRAM_MAX_BYTES);
    ks_buf_init(&out_request->noise, NOISE_TEXT_MAX);
    KS_TRY(ks_cli_method(cli, &spec));
    KS_TRY(ks_cli_noise(cli, &noise, &noisy));
    KS_TRY(ks_fail_prefix(ks_cli_sdk(ks_cli_text(cli, "sdk"), &sdk), "--sdk"));
    KS_TRY(check_sdk(sdk, &spec, noisy));
    KS_TRY(ks_cli_job(cli, &out_request->source, job));
    job->sdk = ks_sdk_name(sdk);
    job->method = sdk == KS_SDK_KETSEAL ? ks_method_name(spec.method) : NULL;
    if (sdk == KS_SDK_KETSEAL &&
        (spec.method == KS_METHOD_AUTO || spec.method == KS_METHOD_MPS)) {
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
