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
#include "config/reference.h"
#include "crypto/ekcert.h"
#include "enclave/launch.h"
#include "enclave/measure.h"
#include "enclave/vault.h"
#include "server/config.h"
#include "tpm/tpm.h"
#include "tpm/update.h"

#define PEM_MAX (16 * 1024 * 1024)

static const char usage[] =
    "usage: ketseal-launch [--libexec=DIRECTORY] [--insecure-accept-rollback] ketseal.yaml\n"
    "       ketseal-launch [--libexec=DIRECTORY] --update-message=FILE ketseal.yaml\n"
    "       ketseal-launch [--libexec=DIRECTORY] --update-signature=FILE ketseal.yaml\n"
    "Starts a ketseal site: TPM, enclave, workers and ketseald. Or, for a planned update,\n"
    "writes what the update authority is to sign, and puts its signature to use.\n"
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

/* What the command line says. */
struct options {
    const char *config;
    const char *libexec;
    const char *update_message;   /* where the message of a planned update goes; NULL: none */
    const char *update_signature; /* of that message; NULL: none */
    bool accept_rollback;
};

/* A specification, and what it borrows from. */
struct site {
    struct ks_config *config;
    struct ks_buf root;
    struct ks_buf crl;
    struct ks_buf authority;
    struct ks_buf authorisation;
    struct ks_buf ek_roots;
    struct ks_buf simulated_ek_roots;
    struct ks_buf reference;
    struct ks_buf kme_root;
    struct ks_buf kme_certificate;
    struct ks_buf kme_key;
    char enclave[KS_PATH_MAX];
    char worker[KS_PATH_MAX];
    char adapter[KS_PATH_MAX];
    char worker_fl[KS_PATH_MAX];
    char scripts[KS_SDK_COUNT][KS_PATH_MAX];
    char daemon[KS_PATH_MAX];
    const char *argv[3];
    struct ks_launch_spec spec;
};

static void site_init(struct site *site)
{
    *site = (struct site){.spec = {.version = 1}};
    ks_buf_init(&site->root, PEM_MAX);
    ks_buf_init(&site->crl, PEM_MAX);
    ks_buf_init(&site->authority, KS_AUTHORITY_DER_MAX);
    ks_buf_init(&site->authorisation, KS_AUTHORISATION_MAX);
    ks_buf_init(&site->ek_roots, KS_EK_PEM_MAX);
    ks_buf_init(&site->simulated_ek_roots, KS_EK_PEM_MAX);
    ks_buf_init(&site->reference, KS_REFERENCE_MAX);
    ks_buf_init(&site->kme_root, KS_KEYS_PEM_MAX);
    ks_buf_init(&site->kme_certificate, KS_KEYS_PEM_MAX);
    ks_buf_init(&site->kme_key, KS_KEYS_PEM_MAX);
}

static void site_done(struct site *site)
{
    ks_config_free(site->config);
    ks_buf_done(&site->root);
    ks_buf_done(&site->crl);
    ks_buf_done(&site->authority);
    ks_buf_done(&site->authorisation);
    ks_buf_done(&site->ek_roots);
    ks_buf_done(&site->simulated_ek_roots);
    ks_buf_done(&site->reference);
    ks_buf_done(&site->kme_root);
    ks_buf_done(&site->kme_certificate);
    ks_buf_wipe(&site->kme_key);
}

static enum ks_err read_rules(const struct options *options, struct site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_config *config = site->config;
    struct ks_enclave_rules *rules = &site->spec.rules;

    KS_TRY(read_optional(config->enclave.update_authority, KS_AUTHORITY_DER_MAX,
                         &site->authority, &rules->update_authority));
    if (options->update_message == NULL && options->update_signature == NULL) {
        err = read_optional(config->enclave.update_authorisation, KS_AUTHORISATION_MAX,
                            &site->authorisation, &rules->update_authorisation);
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err); /* there is no update yet */
    }
    rules->seal_pcrs = ks_config_seal_pcrs(config);
    rules->counter = config->enclave.counter;
    rules->epoch_s = config->enclave.epoch_seconds;
    rules->accept_rollback = options->accept_rollback;
    rules->quote_window_ms = config->quote.window_ms;
    rules->quote_refresh_s = config->quote.refresh_seconds;
out:
    return err;
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

/* What the site demands of devices, with the files that say it. */
static enum ks_err read_device_rules(struct site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_config *config = site->config;
    const struct ks_config_devices *devices = &config->devices;
    struct ks_device_rules *rules = &site->spec.devices;

    rules->accept_issued = ks_config_accepts_issued(config);
    rules->key_algs = ks_config_key_algs(config);
    rules->attest_every_s = devices->attest_every_s;
    rules->certificate_s = (uint64_t)devices->certificate_days * 24 * 3600;
    KS_TRY(
        read_optional(devices->ek_roots, KS_EK_PEM_MAX, &site->ek_roots, &rules->ek_roots_pem));
    KS_TRY(read_optional(devices->simulated_ek_roots, KS_EK_PEM_MAX, &site->simulated_ek_roots,
                         &rules->simulated_ek_roots_pem));
    if (devices->reference != NULL) {
        KS_TRY(ks_reference_load(devices->reference, &site->reference));
        rules->reference = ks_buf_view(&site->reference);
    }
    site->spec.alerts = (struct ks_alert_rules){
        .suspend_after = config->detector.suspend_after,
        .window_s = config->detector.suspend_window_s,
    };
out:
    return err;
}

/* Which one-time keys count, and what makes the enclave known to its key manager. */
static enum ks_err read_key_rules(struct site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_config *config = site->config;
    const struct ks_config_keys *keys = &config->keys;
    struct ks_key_rules *rules = &site->spec.keys;
    struct ks_config_authority authority;

    KS_TRY(ks_config_kme_authority(config, &authority));
    KS_TRY(read_optional(keys->kme.root, KS_KEYS_PEM_MAX, &site->kme_root, &rules->root_pem));
    KS_TRY(read_optional(keys->kme.certificate, KS_KEYS_PEM_MAX, &site->kme_certificate,
                         &rules->certificate_pem));
    KS_TRY(read_optional(keys->kme.key, KS_KEYS_PEM_MAX, &site->kme_key, &rules->key_pem));
    rules->source = ks_config_key_source(config);
    rules->fall_back = keys->when_down != NULL && strcmp(keys->when_down, "kem") == 0;
    rules->authority = ks_bytes_text(authority.text);
    rules->classical = keys->kme.tls != NULL && strcmp(keys->kme.tls, "classical") == 0;
    rules->timeout_ms = keys->kme.timeout_ms;
    rules->life_s = keys->life_seconds;
    rules->stock_max = keys->stock;
    rules->low = keys->low;
out:
    return err;
}

/* The programs of a launch; the adapters' where there is an environment for them. */
static enum ks_err read_programs(const struct options *options, struct site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_config *config = site->config;
    struct ks_measure_spec *programs = &site->spec.programs;
    char name[64];

    KS_TRY(ks_path_join(options->libexec, "ketseal-enclave", site->enclave));
    KS_TRY(ks_path_join(options->libexec, "ketseal-worker", site->worker));
    KS_TRY(ks_path_join(options->libexec, "ketseal-adapter", site->adapter));
    programs->enclave = site->enclave;
    programs->worker = site->worker;
    for (unsigned i = 0; i < KS_SDK_COUNT; i++) {
        const char *environment = ks_config_environment(config, (enum ks_sdk)i);

        if (environment != NULL) {
            (void)snprintf(name, sizeof name, "adapters/%s.py", ks_sdk_name((enum ks_sdk)i));
            KS_TRY(ks_path_join(options->libexec, name, site->scripts[i]));
            programs->sdks[i].script = site->scripts[i];
            programs->sdks[i].environment = environment;
            programs->adapter = site->adapter;
        }
    }
    if (config->fl.workers > 0) {
        KS_TRY(ks_path_join(options->libexec, "ketseal-worker-fl", site->worker_fl));
        programs->worker_fl = site->worker_fl;
        site->spec.fl.workers = config->fl.workers;
        site->spec.fl.params_max = config->fl.params;
        site->spec.fl.memory_max = (uint64_t)config->fl.memory_mib << 20;
        site->spec.fl.suspicion = config->fl.suspicion;
        site->spec.fl.alerts =
            (struct ks_alert_rules){config->fl.suspend_after, config->fl.suspend_window_s};
    }
    site->spec.adapters.count = config->adapters.count;
    site->spec.adapters.memory_max = (uint64_t)config->adapters.memory_mib << 20;
out:
    return err;
}

static enum ks_err read_site(const struct options *options, struct site *site)
{
    enum ks_err err = KS_OK;
    struct ks_launch_spec *spec = &site->spec;
    const struct ks_config *config = NULL;

    KS_TRY(ks_config_load(options->config, &site->config));
    config = site->config;
    KS_TRY(read_optional(config->tls.root, PEM_MAX, &site->root, &spec->root_pem));
    KS_TRY(read_optional(config->tls.crl, PEM_MAX, &site->crl, &spec->crl_pem));
    KS_TRY(read_rules(options, site));
    KS_TRY(read_programs(options, site));
    KS_TRY(ks_path_join(options->libexec, "ketseald", site->daemon));
    site->argv[0] = "ketseald";
    site->argv[1] = options->config;
    spec->daemon_program = site->daemon;
    spec->daemon_argv = site->argv;
    spec->state_dir = config->site.state;
    spec->tpm_device =
        config->tpm == NULL || strcmp(config->tpm, "swtpm") == 0 ? NULL : config->tpm;
    spec->origin = config->site.origin;
    spec->workers = config->workers.count;
    spec->worker_threads = config->workers.threads;
    spec->state_memory_max = (uint64_t)config->workers.memory_mib << 20;
    spec->job_seconds_max = config->workers.seconds;
out:
    return err;
}

/* --- planned updates ---------------------------------------------------------------------- */

static enum ks_err authorise(const struct options *options, const struct site *site,
                             const struct ks_pcr_state *pcrs)
{
    enum ks_err err = KS_OK;
    struct ks_sealed_authority authority;
    const char *path = site->config->enclave.update_authorisation;

    KS_CHECK(site->spec.rules.update_authority.len > 0 && path != NULL, KS_ERR_USAGE,
             "an update needs enclave.update_authority and enclave.update_authorisation");
    KS_TRY(ks_sealed_authority_parse(site->spec.rules.update_authority,
                                     KS_LITERAL(KS_VAULT_PURPOSE), &authority));
    KS_TRY(ks_update_authorise(pcrs, &authority, options->update_signature, path));
out:
    return err;
}

/* Nothing is launched: what a launch would measure is told, or authorised. */
static enum ks_err update(const struct options *options, const struct site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_launch_spec *spec = &site->spec;
    struct ks_event_log *log = ks_calloc(1, sizeof *log);
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    const struct ks_pcr_state pcrs = {spec->rules.seal_pcrs,
                                      (const uint8_t(*)[KS_PCR_DIGEST_LEN])values};
    struct ks_measured measured;

    ks_measured_init(&measured);
    KS_CHECK(log != NULL, KS_ERR_NOMEM, "event log");
    KS_TRY(ks_measure_launch(&spec->programs, log, &measured));
    KS_TRY(ks_update_foresee(spec->state_dir, spec->tpm_device, pcrs.mask, log, values));
    if (options->update_message != NULL) {
        KS_TRY(ks_update_message(&pcrs, KS_LITERAL(KS_VAULT_PURPOSE), options->update_message));
    }
    if (options->update_signature != NULL) {
        KS_TRY(authorise(options, site, &pcrs));
    }
out:
    ks_measured_close(&measured);
    ks_free(log);
    return err;
}

/* --- main --------------------------------------------------------------------------------- */

static enum ks_err run(const struct options *options)
{
    enum ks_err err = KS_OK;
    struct site *site = ks_calloc(1, sizeof *site);

    KS_CHECK(site != NULL, KS_ERR_NOMEM, "configuration");
    site_init(site);
    KS_TRY(read_site(options, site));
    if (options->update_message != NULL || options->update_signature != NULL) {
        KS_TRY(update(options, site));
    } else {
        if (site->spec.tpm_device == NULL) {
            KS_TRY(make_simulated_tpm(site->config));
        }
        KS_TRY(read_device_rules(site));
        KS_TRY(read_key_rules(site));
        KS_TRY(ks_launch(&site->spec));
    }
out:
    if (site != NULL) {
        site_done(site);
    }
    ks_free(site);
    return err;
}

/* What stands behind FLAG= in ARGUMENT; NULL where it is another. */
static const char *value_of(const char *argument, const char *flag)
{
    const size_t len = strlen(flag);

    return strncmp(argument, flag, len) == 0 ? argument + len : NULL;
}

static bool parse(int argc, char **argv, struct options *options)
{
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *libexec = value_of(argv[at], "--libexec=");
        const char *message = value_of(argv[at], "--update-message=");
        const char *signature = value_of(argv[at], "--update-signature=");

        if (libexec != NULL) {
            options->libexec = libexec;
        } else if (message != NULL) {
            options->update_message = message;
        } else if (signature != NULL) {
            options->update_signature = signature;
        } else if (strcmp(argv[at], "--insecure-accept-rollback") == 0) {
            options->accept_rollback = true;
        } else {
            return false;
        }
    }
    options->config = argc == at + 1 ? argv[at] : NULL;
    return options->config != NULL;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct options options = {.libexec = KS_LIBEXEC_DIR};

    ks_log_init("ketseal-launch", KS_LOG_INFO);
    if (argc >= 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &options)) {
        (void)fprintf(stderr, "ketseal-launch: expected one configuration file\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    /* tpm2-tss logs to stderr otherwise, once per layer. */
    if (setenv("TSS2_LOG", "all+none", 1) != 0) {
        return ks_err_exit_code(KS_ERR_NOMEM);
    }
    err = ks_process_harden();
    if (err == KS_OK) {
        err = run(&options);
    }
    if (err != KS_OK) {
        ks_log_failure("site.failed", err);
    }
    return ks_err_exit_code(err);
}
