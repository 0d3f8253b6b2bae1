/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/yaml.h"
#include "enclave/launch.h"
#include "enclave/vault.h"

static const cyaml_schema_field_t site_fields[] = {
    CYAML_FIELD_STRING_PTR("origin", CYAML_FLAG_POINTER, struct ks_config_site, origin, 1, 255),
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct ks_config_site, listen, 3, 63),
    CYAML_FIELD_STRING_PTR("state", CYAML_FLAG_POINTER, struct ks_config_site, state, 1, 3000),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tls_fields[] = {
    CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER, struct ks_config_tls, root, 1, 3000),
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct ks_config_tls, certificate,
                           1, 3000),
    CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER, struct ks_config_tls, key, 1, 3000),
    CYAML_FIELD_STRING_PTR("crl", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_tls, crl, 1, 3000),
    CYAML_FIELD_STRING_PTR("groups", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_tls, groups, 1, 255),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t workers_fields[] = {
    CYAML_FIELD_UINT("count", CYAML_FLAG_OPTIONAL, struct ks_config_workers, count),
    CYAML_FIELD_UINT("threads", CYAML_FLAG_OPTIONAL, struct ks_config_workers, threads),
    CYAML_FIELD_UINT("memory_mib", CYAML_FLAG_OPTIONAL, struct ks_config_workers, memory_mib),
    CYAML_FIELD_UINT("seconds", CYAML_FLAG_OPTIONAL, struct ks_config_workers, seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t http_fields[] = {
    CYAML_FIELD_UINT("loops", CYAML_FLAG_OPTIONAL, struct ks_config_http, loops),
    CYAML_FIELD_UINT("connections", CYAML_FLAG_OPTIONAL, struct ks_config_http, connections),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t enrolment_fields[] = {
    CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct ks_config_enrolment, listen, 3,
                           63),
    CYAML_FIELD_END,
};

#define DEVICES_PATH(name)                                                                     \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,                    \
                           struct ks_config_devices, name, 1, 3000)

static const cyaml_schema_field_t devices_fields[] = {
    CYAML_FIELD_STRING_PTR("issued", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_devices, issued, 1, 16),
    CYAML_FIELD_UINT("attest_every_s", CYAML_FLAG_OPTIONAL, struct ks_config_devices,
                     attest_every_s),
    CYAML_FIELD_UINT("certificate_days", CYAML_FLAG_OPTIONAL, struct ks_config_devices,
                     certificate_days),
    DEVICES_PATH(ek_roots),
    DEVICES_PATH(simulated_ek_roots),
    DEVICES_PATH(reference),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t pcr_schema = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned),
};

static const cyaml_schema_field_t enclave_fields[] = {
    CYAML_FIELD_SEQUENCE("seal_pcrs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct ks_config_enclave, seal_pcrs, &pcr_schema, 1, KS_PCR_COUNT),
    CYAML_FIELD_STRING_PTR("update_authority", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_enclave, update_authority, 1, 3000),
    CYAML_FIELD_STRING_PTR("update_authorisation", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_enclave, update_authorisation, 1, 3000),
    CYAML_FIELD_UINT("counter", CYAML_FLAG_OPTIONAL, struct ks_config_enclave, counter),
    CYAML_FIELD_UINT("epoch_seconds", CYAML_FLAG_OPTIONAL, struct ks_config_enclave,
                     epoch_seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t quote_fields[] = {
    CYAML_FIELD_UINT("window_ms", CYAML_FLAG_OPTIONAL, struct ks_config_quote, window_ms),
    CYAML_FIELD_UINT("refresh_seconds", CYAML_FLAG_OPTIONAL, struct ks_config_quote,
                     refresh_seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("site", CYAML_FLAG_DEFAULT, struct ks_config, site, site_fields),
    CYAML_FIELD_MAPPING("tls", CYAML_FLAG_DEFAULT, struct ks_config, tls, tls_fields),
    CYAML_FIELD_MAPPING("enrolment", CYAML_FLAG_OPTIONAL, struct ks_config, enrolment,
                        enrolment_fields),
    CYAML_FIELD_MAPPING("devices", CYAML_FLAG_OPTIONAL, struct ks_config, devices,
                        devices_fields),
    CYAML_FIELD_STRING_PTR("tpm", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct ks_config,
                           tpm, 1, 255),
    CYAML_FIELD_MAPPING("workers", CYAML_FLAG_OPTIONAL, struct ks_config, workers,
                        workers_fields),
    CYAML_FIELD_MAPPING("http", CYAML_FLAG_OPTIONAL, struct ks_config, http, http_fields),
    CYAML_FIELD_MAPPING("enclave", CYAML_FLAG_OPTIONAL, struct ks_config, enclave,
                        enclave_fields),
    CYAML_FIELD_MAPPING("quote", CYAML_FLAG_OPTIONAL, struct ks_config, quote, quote_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ks_config, config_fields),
};

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : (unsigned)count;
}

static enum ks_err complete_devices(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_devices *devices = &config->devices;

    KS_TRY(ks_config_resolve(path, &devices->ek_roots));
    KS_TRY(ks_config_resolve(path, &devices->simulated_ek_roots));
    KS_TRY(ks_config_resolve(path, &devices->reference));
    devices->certificate_days =
        devices->certificate_days == 0 ? 365 : devices->certificate_days;
    KS_CHECK(devices->attest_every_s <= KS_DEVICE_SECONDS_MAX, KS_ERR_LIMIT,
             "devices.attest_every_s: 0 to %llu", (unsigned long long)KS_DEVICE_SECONDS_MAX);
    KS_CHECK(devices->certificate_days <= 36500, KS_ERR_LIMIT,
             "devices.certificate_days: 1 to 36500");
    KS_CHECK(devices->issued == NULL || strcmp(devices->issued, "accept") == 0 ||
                 strcmp(devices->issued, "refuse") == 0,
             KS_ERR_FORMAT, "devices.issued: 'accept' or 'refuse'");
    KS_CHECK(config->enrolment.listen == NULL ||
                 (devices->reference != NULL &&
                  (devices->ek_roots != NULL || devices->simulated_ek_roots != NULL)),
             KS_ERR_FORMAT,
             "enrolment.listen: it needs devices.reference, and devices.ek_roots or "
             "devices.simulated_ek_roots");
out:
    return err;
}

uint32_t ks_config_seal_pcrs(const struct ks_config *config)
{
    uint32_t mask = config->enclave.seal_pcrs == NULL ? UINT32_C(1) << KS_LAUNCH_PCR : 0;

    for (unsigned i = 0; i < config->enclave.seal_pcrs_count; i++) {
        mask |= UINT32_C(1) << config->enclave.seal_pcrs[i]; /* checked: a PCR */
    }
    return mask;
}

static enum ks_err complete_enclave(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_enclave *enclave = &config->enclave;
    struct ks_config_quote *quote = &config->quote;

    KS_TRY(ks_config_resolve(path, &enclave->update_authority));
    KS_TRY(ks_config_resolve(path, &enclave->update_authorisation));
    for (unsigned i = 0; i < enclave->seal_pcrs_count; i++) {
        KS_CHECK(enclave->seal_pcrs[i] < KS_PCR_COUNT, KS_ERR_LIMIT,
                 "enclave.seal_pcrs: 0 to %d", KS_PCR_COUNT - 1);
    }
    KS_CHECK((ks_config_seal_pcrs(config) >> KS_LAUNCH_PCR & 1) == 1, KS_ERR_FORMAT,
             "enclave.seal_pcrs: without PCR %d any program opens the state", KS_LAUNCH_PCR);
    enclave->counter = enclave->counter == 0 ? KS_COUNTER_DEFAULT : enclave->counter;
    enclave->epoch_seconds = enclave->epoch_seconds == 0 ? 60 : enclave->epoch_seconds;
    quote->refresh_seconds = quote->refresh_seconds == 0 ? 300 : quote->refresh_seconds;
    KS_CHECK(enclave->counter >= KS_TPM_COUNTER_FIRST &&
                 enclave->counter <= KS_TPM_COUNTER_LAST,
             KS_ERR_LIMIT, "enclave.counter: 0x%08x to 0x%08x", (unsigned)KS_TPM_COUNTER_FIRST,
             (unsigned)KS_TPM_COUNTER_LAST);
    KS_CHECK(enclave->epoch_seconds <= KS_EPOCH_S_MAX, KS_ERR_LIMIT,
             "enclave.epoch_seconds: 1 to %d", KS_EPOCH_S_MAX);
    KS_CHECK(quote->window_ms <= KS_QUOTE_WINDOW_MAX, KS_ERR_LIMIT, "quote.window_ms: 0 to %d",
             KS_QUOTE_WINDOW_MAX);
    KS_CHECK(quote->refresh_seconds <= KS_QUOTE_REFRESH_MAX, KS_ERR_LIMIT,
             "quote.refresh_seconds: 1 to %d", KS_QUOTE_REFRESH_MAX);
out:
    return err;
}

bool ks_config_accepts_issued(const struct ks_config *config)
{
    return config->devices.issued == NULL ? config->enrolment.listen == NULL
                                          : strcmp(config->devices.issued, "accept") == 0;
}

static enum ks_err complete(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_workers *workers = &config->workers;
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_config_resolve(path, &config->site.state));
    KS_TRY(ks_config_resolve(path, &config->tls.root));
    KS_TRY(ks_config_resolve(path, &config->tls.certificate));
    KS_TRY(ks_config_resolve(path, &config->tls.key));
    KS_TRY(ks_config_resolve(path, &config->tls.crl));
    workers->count = workers->count == 0 ? 2 * processors() : workers->count;
    workers->threads = workers->threads == 0 ? 1 : workers->threads;
    workers->memory_mib = workers->memory_mib == 0 ? 1024 : workers->memory_mib;
    workers->seconds = workers->seconds == 0 ? 300 : workers->seconds;
    config->http.loops = config->http.loops == 0 ? 1 : config->http.loops;
    config->http.connections = config->http.connections == 0 ? 1024 : config->http.connections;
    KS_CHECK(workers->count <= 256, KS_ERR_LIMIT, "workers.count: 1 to 256");
    KS_CHECK(workers->threads <= 256, KS_ERR_LIMIT, "workers.threads: 1 to 256");
    KS_CHECK(config->http.loops <= 64, KS_ERR_LIMIT, "http.loops: 1 to 64");
    KS_CHECK(config->tpm == NULL || strcmp(config->tpm, "swtpm") == 0 || config->tpm[0] == '/',
             KS_ERR_FORMAT, "tpm: 'swtpm' or the path of a device");
    KS_TRY(complete_enclave(path, config));
    KS_TRY(ks_config_listen("site.listen", config->site.listen, address, &port));
    if (config->enrolment.listen != NULL) {
        KS_TRY(ks_config_listen("enrolment.listen", config->enrolment.listen, address, &port));
    }
    KS_TRY(complete_devices(path, config));
out:
    return err;
}

enum ks_err ks_config_load(const char *path, struct ks_config **out_config)
{
    enum ks_err err = KS_OK;
    void *data = NULL;
    struct ks_config *config = NULL;

    KS_TRY(ks_yaml_load(path, KS_CONFIG_BYTES_MAX, &config_schema, &data));
    config = data;
    KS_TRY(ks_fail_prefix(complete(path, config), "%s", path));
    *out_config = config;
    config = NULL; /* transferred */
out:
    ks_config_free(config);
    return err;
}

void ks_config_free(struct ks_config *config)
{
    ks_yaml_free(&config_schema, config);
}
