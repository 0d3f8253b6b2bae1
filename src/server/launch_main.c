/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-launch: starts a site: `ketseal-launch ketseal.yaml`. What it does is in
 * enclave/launch.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/sealed.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "enclave/launch.h"
#include "server/config.h"

#define PEM_MAX (16 * 1024 * 1024)

static const char usage[] = "usage: ketseal-launch [--libexec=DIRECTORY]\n"
                            "           [--insecure-accept-rollback] ketseal.yaml\n"
                            "Starts a ketseal site: TPM, enclave, workers and ketseald.\n"
                            "See ketseal-launch(8).\n";

static enum ks_err read_optional(const char *path, size_t len_max, struct ks_buf *out,
                                 struct ks_bytes *out_view)
{
    enum ks_err err = KS_OK;

    if (path != NULL) {
        KS_TRY(ks_file_read(path, len_max, out));
    }
    *out_view = ks_buf_view(out);
out:
    return err;
}

static enum ks_err launch(const char *path, const char *libexec, bool accept_rollback)
{
    enum ks_err err = KS_OK;
    struct ks_config *config = NULL;
    struct ks_buf root;
    struct ks_buf crl;
    struct ks_buf authority;
    struct ks_buf authorisation;
    char enclave[KS_PATH_MAX];
    char worker[KS_PATH_MAX];
    char daemon[KS_PATH_MAX];
    const char *argv[] = {"ketseald", path, NULL};
    struct ks_launch_spec spec = {.version = 1};

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&crl, PEM_MAX);
    ks_buf_init(&authority, KS_AUTHORITY_DER_MAX);
    ks_buf_init(&authorisation, KS_AUTHORISATION_MAX);
    KS_TRY(ks_config_load(path, &config));
    KS_TRY(ks_file_read(config->tls.root, PEM_MAX, &root));
    KS_TRY(read_optional(config->tls.crl, PEM_MAX, &crl, &spec.crl_pem));
    KS_TRY(read_optional(config->enclave.update_authority, KS_AUTHORITY_DER_MAX, &authority,
                         &spec.rules.update_authority));
    KS_TRY(read_optional(config->enclave.update_authorisation, KS_AUTHORISATION_MAX,
                         &authorisation, &spec.rules.update_authorisation));
    KS_TRY(ks_path_join(libexec, "ketseal-enclave", enclave));
    KS_TRY(ks_path_join(libexec, "ketseal-worker", worker));
    KS_TRY(ks_path_join(libexec, "ketseald", daemon));
    spec.enclave_program = enclave;
    spec.worker_program = worker;
    spec.daemon_program = daemon;
    spec.daemon_argv = argv;
    spec.state_dir = config->site.state;
    spec.tpm_device =
        config->tpm == NULL || strcmp(config->tpm, "swtpm") == 0 ? NULL : config->tpm;
    spec.origin = config->site.origin;
    spec.root_pem = ks_buf_view(&root);
    spec.workers = config->workers.count;
    spec.worker_threads = config->workers.threads;
    spec.state_memory_max = (uint64_t)config->workers.memory_mib << 20;
    spec.job_seconds_max = config->workers.seconds;
    spec.rules.seal_pcrs = ks_config_seal_pcrs(config);
    spec.rules.counter = config->enclave.counter;
    spec.rules.epoch_s = config->enclave.epoch_seconds;
    spec.rules.accept_rollback = accept_rollback;
    spec.rules.quote_window_ms = config->quote.window_ms;
    spec.rules.quote_refresh_s = config->quote.refresh_seconds;
    KS_TRY(ks_launch(&spec));
out:
    ks_config_free(config);
    ks_buf_done(&root);
    ks_buf_done(&crl);
    ks_buf_done(&authority);
    ks_buf_done(&authorisation);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    const char *libexec = KS_LIBEXEC_DIR;
    bool accept_rollback = false;
    int at = 1;

    ks_log_init("ketseal-launch", KS_LOG_INFO);
    if (argc >= 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strncmp(argv[at], "--libexec=", 10) == 0) {
            libexec = argv[at] + 10;
        } else if (strcmp(argv[at], "--insecure-accept-rollback") == 0) {
            accept_rollback = true;
        } else {
            break;
        }
    }
    if (argc != at + 1 || argv[at][0] == '-') {
        (void)fprintf(stderr, "ketseal-launch: expected one configuration file\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    /* tpm2-tss logs to stderr otherwise, once per layer. */
    if (setenv("TSS2_LOG", "all+none", 1) != 0) {
        return ks_err_exit_code(KS_ERR_NOMEM);
    }
    err = ks_process_harden();
    if (err == KS_OK) {
        err = launch(argv[at], libexec, accept_rollback);
    }
    if (err != KS_OK) {
        ks_log_failure("site.failed", err);
    }
    return ks_err_exit_code(err);
}
