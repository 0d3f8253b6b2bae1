/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The C library in one page: submit a program, wait, verify, keep the bundle.
 *
 *   submit DEVICE PROGRAM.qasm SHOTS SEED OUT.bundle
 *   cc submit.c $(pkg-config --cflags --libs ketseal)
 *
 * DEVICE is the directory of a device. The exit status is that of ketseal's errors. */

#include <ketseal/bytes.h>
#include <ketseal/circuit.h>
#include <ketseal/client.h>
#include <ketseal/verify.h>
#include <stdio.h>
#include <stdlib.h>

#define PROGRAM_MAX 65536

static enum ks_err submit(const struct ks_device_spec *device, const struct ks_job_spec *job,
                          struct ks_buf *bundle)
{
    struct ks_client *client = NULL;
    struct ks_buf *document = NULL;
    struct ks_bytes view;
    struct ks_job_status state;
    struct ks_wait_spec wait = {.version = 1, .timeout_ms = 60000};
    enum ks_err err = ks_buf_new(PROGRAM_MAX, &document);

    if (err == KS_OK) {
        err = ks_client_open_device(device, &client);
    }
    if (err == KS_OK) {
        err = ks_client_submit(client, job, document);
    }
    if (err == KS_OK) {
        view = ks_buf_view(document);
        err = ks_job_status_read(&view, &state);
    }
    if (err == KS_OK) {
        wait.id = state.id;
        err = ks_client_wait(client, &wait, &state);
    }
    if (err == KS_OK) {
        printf("job %s: %s\n", state.id, ks_job_phase_name(state.phase));
        err = ks_client_bundle(client, state.id, bundle);
    }
    ks_client_close(client);
    ks_buf_free(document);
    return err;
}

static enum ks_err verify(const struct ks_device_spec *device, struct ks_bytes bundle)
{
    struct ks_policy *policy = NULL;
    struct ks_verdict *verdict = NULL;
    enum ks_err err = ks_device_policy(device, &policy);

    if (err == KS_OK) {
        err = ks_verdict_new(&verdict);
    }
    if (err == KS_OK) {
        err = ks_bundle_verify(&bundle, policy, verdict);
    }
    ks_verdict_free(verdict);
    ks_policy_free(policy);
    return err;
}

int main(int argc, char **argv)
{
    static char program[PROGRAM_MAX];
    struct ks_device_spec device = {.version = 1};
    struct ks_job_spec job = {.version = 1, .qasm = program};
    struct ks_buf *bundle = NULL;
    struct ks_bytes bytes;
    FILE *file = NULL;
    enum ks_err err = KS_OK;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: submit DEVICE PROGRAM.qasm SHOTS SEED OUT.bundle\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    file = fopen(argv[2], "rb");
    if (file == NULL) {
        perror(argv[2]);
        return ks_err_exit_code(KS_ERR_IO);
    }
    job.qasm_len = fread(program, 1, sizeof program, file);
    (void)fclose(file);
    job.name = argv[2];
    job.shots = strtoull(argv[3], NULL, 10);
    job.seed = strtoull(argv[4], NULL, 10);
    device.directory = argv[1];
    err = ks_buf_new(KS_BUNDLE_LEN_MAX, &bundle);
    if (err == KS_OK) {
        err = submit(&device, &job, bundle);
    }
    if (err == KS_OK) { /* nothing is kept that does not verify */
        bytes = ks_buf_view(bundle);
        err = verify(&device, bytes);
    }
    if (err == KS_OK) {
        file = fopen(argv[5], "wb");
        if (file == NULL || fwrite(bytes.data, 1, bytes.len, file) != bytes.len ||
            fclose(file) != 0) {
            perror(argv[5]);
            return ks_err_exit_code(KS_ERR_IO);
        }
        printf("verified, kept in %s\n", argv[5]);
    } else {
        (void)fprintf(stderr, "submit: %s: %s\n", ks_err_name(err), ks_err_detail());
    }
    ks_buf_free(bundle);
    return ks_err_exit_code(err);
}
