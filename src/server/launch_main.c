/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-launch: starts a site: `ketseal-launch ketseal.yaml`. What it does is in
 * enclave/launch.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/ekcert.h"
#include "enclave/launch.h"
#include "server/config.h"
#include "server/reference.h"
#include "tpm/tpm.h"

#define PEM_MAX (16 * 1024 * 1024)

static const char usage[] = "usage: ketseal-launch [--libexec=DIRECTORY] ketseal.yaml\n"
                            "Starts a ketseal site: TPM, enclave, workers and ketseald.\n"
                            "See ketseal-launch(8).\n";

/* What the site demands of devices, with the files that say it. */
struct rules {
    struct ks_buf ek_roots;
    struct ks_buf simulated_ek_roots;
    struct ks_buf reference;
};

static enum ks_err read_optional(const char *path, size_t len_max, struct ks_buf *out)
{
    ks_buf_init(out, len_max);
    return path == NULL ? KS_OK : ks_file_read(path, len_max, out);
}

/* The CA of simulated TPMs, whose root the configuration may name, comes with the first of
 * them. */
static enum ks_err make_simulated_tpm(const struct ks_config *config)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_dir_make(config->site.state, 0700));
    KS_TRY(ks_path_join(config->site.state, "tpm", path));
    KS_TRY(ks_tpm_make_swtpm(path, NULL));
out:
    return err;
}

static enum ks_err read_rules(const struct ks_config *config, struct rules *rules,
                              struct ks_device_rules *out_rules)
{
    enum ks_err err = KS_OK;
    const struct ks_config_devices *devices = &config->devices;

    KS_TRY(read_optional(devices->ek_roots, KS_EK_PEM_MAX, &rules->ek_roots));
    KS_TRY(read_optional(devices->simulated_ek_roots, KS_EK_PEM_MAX,
                         &rules->simulated_ek_roots));
    ks_buf_init(&rules->reference, KS_REFERENCE_MAX);
    if (devices->reference != NULL) {
        KS_TRY(ks_reference_load(devices->reference, &rules->reference));
    }
    *out_rules = (struct ks_device_rules){
        .accept_issued = ks_config_accepts_issued(config),
        .attest_every_s = devices->attest_every_s,
        .certificate_s = (uint64_t)devices->certificate_days * 24 * 3600,
        .ek_roots_pem = ks_buf_view(&rules->ek_roots),
        .simulated_ek_roots_pem = ks_buf_view(&rules->simulated_ek_roots),
        .reference = ks_buf_view(&rules->reference),
    };
out:
    return err;
}

static void rules_done(struct rules *rules)
{
    ks_buf_done(&rules->ek_roots);
    ks_buf_done(&rules->simulated_ek_roots);
    ks_buf_done(&rules->reference);
}

static enum ks_err launch(const char *path, const char *libexec)
{
    enum ks_err err = KS_OK;
    struct ks_config *config = NULL;
    struct ks_buf root;
    struct ks_buf crl;
    char enclave[KS_PATH_MAX];
    char worker[KS_PATH_MAX];
    char daemon[KS_PATH_MAX];
    const char *argv[] = {"ketseald", path, NULL};
    struct ks_launch_spec spec = {.version = 1};
    struct rules rules = {0};

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&crl, PEM_MAX);
    KS_TRY(ks_config_load(path, &config));
    KS_TRY(ks_file_read(config->tls.root, PEM_MAX, &root));
    if (config->tls.crl != NULL) {
        KS_TRY(ks_file_read(config->tls.crl, PEM_MAX, &crl));
    }
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
    spec.crl_pem = ks_buf_view(&crl);
    spec.workers = config->workers.count;
    spec.worker_threads = config->workers.threads;
    spec.state_memory_max = (uint64_t)config->workers.memory_mib << 20;
    spec.job_seconds_max = config->workers.seconds;
    if (spec.tpm_device == NULL) {
        KS_TRY(make_simulated_tpm(config));
    }
    KS_TRY(read_rules(config, &rules, &spec.devices));
    KS_TRY(ks_launch(&spec));
out:
    ks_config_free(config);
    rules_done(&rules);
    ks_buf_done(&root);
    ks_buf_done(&crl);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    const char *libexec = KS_LIBEXEC_DIR;
    int at = 1;

    ks_log_init("ketseal-launch", KS_LOG_INFO);
    if (argc >= 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (argc >= 2 && strncmp(argv[1], "--libexec=", 10) == 0) {
        libexec = argv[1] + 10;
        at = 2;
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
        err = launch(argv[at], libexec);
    }
    if (err != KS_OK) {
        ks_log_failure("site.failed", err);
    }
    return ks_err_exit_code(err);
}
