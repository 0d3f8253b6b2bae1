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
#include "crypto/sigalgs.h"
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
    CYAML_FIELD_STRING_PTR("signature_algorithms", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_tls, signature_algorithms, 1, KS_SIGALGS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t workers_fields[] = {
    CYAML_FIELD_UINT("count", CYAML_FLAG_OPTIONAL, struct ks_config_workers, count),
    CYAML_FIELD_UINT("threads", CYAML_FLAG_OPTIONAL, struct ks_config_workers, threads),
    CYAML_FIELD_UINT("memory_mib", CYAML_FLAG_OPTIONAL, struct ks_config_workers, memory_mib),
    CYAML_FIELD_UINT("seconds", CYAML_FLAG_OPTIONAL, struct ks_config_workers, seconds),
    CYAML_FIELD_END,
};

#define ADAPTERS_PATH(name)                                                                    \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,                    \
                           struct ks_config_adapters, name, 1, 3000)

static const cyaml_schema_field_t adapters_fields[] = {
    ADAPTERS_PATH(qiskit),
    ADAPTERS_PATH(cirq),
    CYAML_FIELD_UINT("count", CYAML_FLAG_OPTIONAL, struct ks_config_adapters, count),
    CYAML_FIELD_UINT("memory_mib", CYAML_FLAG_OPTIONAL, struct ks_config_adapters, memory_mib),
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

static const cyaml_schema_field_t detector_fields[] = {
    CYAML_FIELD_STRING_PTR("model", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_detector, model, 1, 3000),
    CYAML_FIELD_STRING_PTR("fl_model", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                           struct ks_config_detector, fl_model, 1, 3000),
    CYAML_FIELD_UINT("suspend_after", CYAML_FLAG_OPTIONAL, struct ks_config_detector,
                     suspend_after),
    CYAML_FIELD_UINT("suspend_window_s", CYAML_FLAG_OPTIONAL, struct ks_config_detector,
                     suspend_window_s),
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

#define KEYS_TEXT(type, name, max)                                                             \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, name, \
                           1, max)

static const cyaml_schema_field_t kme_fields[] = {
    CYAML_FIELD_STRING_PTR("url", CYAML_FLAG_POINTER, struct ks_config_kme, url, 1, 511),
    CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER, struct ks_config_kme, root, 1, 3000),
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct ks_config_kme, certificate,
                           1, 3000),
    CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER, struct ks_config_kme, key, 1, 3000),
    KEYS_TEXT(ks_config_kme, tls, 16),
    CYAML_FIELD_UINT("timeout_ms", CYAML_FLAG_OPTIONAL, struct ks_config_kme, timeout_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t keys_fields[] = {
    KEYS_TEXT(ks_config_keys, source, 16),
    KEYS_TEXT(ks_config_keys, when_down, 16),
    CYAML_FIELD_UINT("low", CYAML_FLAG_OPTIONAL, struct ks_config_keys, low),
    CYAML_FIELD_UINT("stock", CYAML_FLAG_OPTIONAL, struct ks_config_keys, stock),
    CYAML_FIELD_UINT("life_seconds", CYAML_FLAG_OPTIONAL, struct ks_config_keys, life_seconds),
    CYAML_FIELD_MAPPING("kme", CYAML_FLAG_OPTIONAL, struct ks_config_keys, kme, kme_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t vkey_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, KS_NOTE_VKEY_MAX),
};

static const cyaml_schema_field_t fl_fields[] = {
    CYAML_FIELD_UINT("workers", CYAML_FLAG_OPTIONAL, struct ks_config_fl, workers),
    CYAML_FIELD_UINT("memory_mib", CYAML_FLAG_OPTIONAL, struct ks_config_fl, memory_mib),
    CYAML_FIELD_UINT("params", CYAML_FLAG_OPTIONAL, struct ks_config_fl, params),
    CYAML_FIELD_UINT("upload_mib", CYAML_FLAG_OPTIONAL, struct ks_config_fl, upload_mib),
    CYAML_FIELD_UINT("upload_hours", CYAML_FLAG_OPTIONAL, struct ks_config_fl, upload_hours),
    CYAML_FIELD_UINT("keep_rounds", CYAML_FLAG_OPTIONAL, struct ks_config_fl, keep_rounds),
    CYAML_FIELD_UINT("disk_mib", CYAML_FLAG_OPTIONAL, struct ks_config_fl, disk_mib),
    CYAML_FIELD_FLOAT("suspicion", CYAML_FLAG_OPTIONAL, struct ks_config_fl, suspicion),
    CYAML_FIELD_UINT("suspend_after", CYAML_FLAG_OPTIONAL, struct ks_config_fl, suspend_after),
    CYAML_FIELD_UINT("suspend_window_s", CYAML_FLAG_OPTIONAL, struct ks_config_fl,
                     suspend_window_s),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t traces_fields[] = {
    CYAML_FIELD_UINT("keep", CYAML_FLAG_OPTIONAL, struct ks_config_traces, keep),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t witness_server_fields[] = {
    CYAML_FIELD_STRING_PTR("url", CYAML_FLAG_POINTER, struct ks_config_witness_server, url, 1,
                           511),
    CYAML_FIELD_SEQUENCE("keys", CYAML_FLAG_POINTER, struct ks_config_witness_server, keys,
                         &vkey_schema, 1, KS_CONFIG_WITNESS_KEYS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t witness_server_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ks_config_witness_server,
                        witness_server_fields),
};

static const cyaml_schema_field_t witness_fields[] = {
    CYAML_FIELD_UINT("quorum", CYAML_FLAG_DEFAULT, struct ks_config_witness, quorum),
    CYAML_FIELD_UINT("interval_ms", CYAML_FLAG_OPTIONAL, struct ks_config_witness, interval_ms),
    CYAML_FIELD_UINT("timeout_ms", CYAML_FLAG_OPTIONAL, struct ks_config_witness, timeout_ms),
    CYAML_FIELD_SEQUENCE("servers", CYAML_FLAG_POINTER, struct ks_config_witness, servers,
                         &witness_server_schema, 1, KS_CONFIG_WITNESSES_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t refusals_fields[] = {
    CYAML_FIELD_UINT("per_hour", CYAML_FLAG_DEFAULT, struct ks_config_refusals, per_hour),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_MAPPING("site", CYAML_FLAG_DEFAULT, struct ks_config, site, site_fields),
    CYAML_FIELD_MAPPING("tls", CYAML_FLAG_DEFAULT, struct ks_config, tls, tls_fields),
    CYAML_FIELD_MAPPING("enrolment", CYAML_FLAG_OPTIONAL, struct ks_config, enrolment,
                        enrolment_fields),
    CYAML_FIELD_MAPPING("devices", CYAML_FLAG_OPTIONAL, struct ks_config, devices,
                        devices_fields),
    CYAML_FIELD_MAPPING("detector", CYAML_FLAG_OPTIONAL, struct ks_config, detector,
                        detector_fields),
    CYAML_FIELD_STRING_PTR("tpm", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct ks_config,
                           tpm, 1, 255),
    CYAML_FIELD_MAPPING("workers", CYAML_FLAG_OPTIONAL, struct ks_config, workers,
                        workers_fields),
    CYAML_FIELD_MAPPING("adapters", CYAML_FLAG_OPTIONAL, struct ks_config, adapters,
                        adapters_fields),
    CYAML_FIELD_MAPPING("http", CYAML_FLAG_OPTIONAL, struct ks_config, http, http_fields),
    CYAML_FIELD_MAPPING("enclave", CYAML_FLAG_OPTIONAL, struct ks_config, enclave,
                        enclave_fields),
    CYAML_FIELD_MAPPING("quote", CYAML_FLAG_OPTIONAL, struct ks_config, quote, quote_fields),
    CYAML_FIELD_MAPPING("keys", CYAML_FLAG_OPTIONAL, struct ks_config, keys, keys_fields),
    CYAML_FIELD_MAPPING("fl", CYAML_FLAG_OPTIONAL, struct ks_config, fl, fl_fields),
    CYAML_FIELD_MAPPING("traces", CYAML_FLAG_OPTIONAL, struct ks_config, traces, traces_fields),
    CYAML_FIELD_MAPPING("refusals", CYAML_FLAG_OPTIONAL, struct ks_config, refusals,
                        refusals_fields),
    CYAML_FIELD_MAPPING("witness", CYAML_FLAG_OPTIONAL, struct ks_config, witness,
                        witness_fields),
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

/* When alerts suspend a device, of the section NAME. */
static enum ks_err complete_alerts(const char *name, unsigned after, unsigned *window_s)
{
    enum ks_err err = KS_OK;

    KS_CHECK(after > 0 || *window_s == 0, KS_ERR_FORMAT,
             "%s.suspend_window_s: it needs %s.suspend_after", name, name);
    if (after > 0 && *window_s == 0) {
        *window_s = 3600;
    }
    KS_CHECK(after <= KS_ALERTS_AFTER_MAX, KS_ERR_LIMIT, "%s.suspend_after: 0 to %d", name,
             KS_ALERTS_AFTER_MAX);
    KS_CHECK(*window_s <= KS_ALERTS_WINDOW_S_MAX, KS_ERR_LIMIT, "%s.suspend_window_s: 1 to %d",
             name, KS_ALERTS_WINDOW_S_MAX);
out:
    return err;
}

static enum ks_err complete_detector(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_detector *detector = &config->detector;

    KS_TRY(ks_config_resolve(path, &detector->model));
    KS_TRY(ks_config_resolve(path, &detector->fl_model));
    KS_CHECK(
        detector->suspend_after == 0 || detector->model != NULL || detector->fl_model != NULL,
        KS_ERR_FORMAT, "detector.suspend_after: it needs detector.model or detector.fl_model");
    KS_TRY(complete_alerts("detector", detector->suspend_after, &detector->suspend_window_s));
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

enum ks_key_source ks_config_key_source(const struct ks_config *config)
{
    enum ks_key_source source = KS_KEY_SOURCE_KEM;

    /* Checked when it was read. */
    KS_ASSERT(config->keys.source == NULL ||
              ks_key_source_parse(ks_bytes_text(config->keys.source), &source) == KS_OK);
    return source;
}

enum ks_err ks_config_kme_authority(const struct ks_config *config,
                                    struct ks_config_authority *out_authority)
{
    static const char scheme[] = "https://";
    enum ks_err err = KS_OK;
    const char *url = config->keys.kme.url;
    struct ks_config_authority authority = {.text = ""};
    char address[64];

    if (url != NULL) {
        KS_CHECK(strncmp(url, scheme, sizeof scheme - 1) == 0, KS_ERR_FORMAT,
                 "keys.kme.url: expected https://host:port");
        authority.text = url + sizeof scheme - 1;
        KS_TRY(ks_config_listen("keys.kme.url", authority.text, address, &authority.port));
        KS_CHECK(authority.port != 0, KS_ERR_FORMAT, "keys.kme.url: port 1 to 65535");
        ks_copy(authority.host, address, strlen(address) + 1);
    }
    *out_authority = authority;
out:
    return err;
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return text == NULL || strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static enum ks_err complete_keys(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_keys *keys = &config->keys;
    struct ks_config_kme *kme = &keys->kme;
    struct ks_config_authority authority;
    enum ks_key_source source = KS_KEY_SOURCE_KEM;

    KS_TRY(ks_config_resolve(path, &kme->root));
    KS_TRY(ks_config_resolve(path, &kme->certificate));
    KS_TRY(ks_config_resolve(path, &kme->key));
    if (keys->source != NULL) {
        KS_TRY(ks_fail_prefix(ks_key_source_parse(ks_bytes_text(keys->source), &source),
                              "keys.source"));
    }
    KS_CHECK(is_one_of(keys->when_down, "refuse", "kem"), KS_ERR_FORMAT,
             "keys.when_down: 'refuse' or 'kem'");
    KS_CHECK(is_one_of(kme->tls, "post-quantum", "classical"), KS_ERR_FORMAT,
             "keys.kme.tls: 'post-quantum' or 'classical'");
    KS_CHECK(source == KS_KEY_SOURCE_KEM || kme->url != NULL, KS_ERR_FORMAT,
             "keys.source '%s' needs keys.kme", keys->source);
    KS_TRY(ks_config_kme_authority(config, &authority));
    kme->timeout_ms = kme->timeout_ms == 0 ? 5000 : kme->timeout_ms;
    keys->stock = keys->stock == 0 ? 512 : keys->stock;
    keys->low = keys->low == 0 ? 16 : keys->low;
    keys->life_seconds = keys->life_seconds == 0 ? 3600 : keys->life_seconds;
    KS_CHECK(kme->timeout_ms <= KS_KEYS_TIMEOUT_MAX, KS_ERR_LIMIT,
             "keys.kme.timeout_ms: 1 to %d", KS_KEYS_TIMEOUT_MAX);
    KS_CHECK(keys->stock <= KS_KEYS_STOCK_MAX, KS_ERR_LIMIT, "keys.stock: 1 to %d",
             KS_KEYS_STOCK_MAX);
    KS_CHECK(keys->low <= keys->stock, KS_ERR_LIMIT, "keys.low: 1 to %u, keys.stock",
             keys->stock);
    KS_CHECK(keys->life_seconds <= KS_KEYS_LIFE_MAX, KS_ERR_LIMIT, "keys.life_seconds: 1 to %d",
             KS_KEYS_LIFE_MAX);
out:
    return err;
}

enum ks_err ks_config_witness_place(const struct ks_config *config, unsigned index,
                                    struct ks_config_place *out_place)
{
    static const char scheme[] = "http://";
    enum ks_err err = KS_OK;
    const char *url = config->witness.servers[index].url;
    struct ks_config_place place = {.prefix = ""};
    char authority[80];

    KS_ASSERT(index < config->witness.servers_count);
    KS_CHECK(strncmp(url, scheme, sizeof scheme - 1) == 0, KS_ERR_FORMAT,
             "'%s' is not http://host:port/prefix; for https see docs/formats/witness.md", url);
    place.authority = url + sizeof scheme - 1;
    place.authority_len = strcspn(place.authority, "/");
    KS_CHECK(place.authority_len < sizeof authority, KS_ERR_FORMAT,
             "'%s': the host is too long", url);
    ks_copy(authority, place.authority, place.authority_len);
    authority[place.authority_len] = '\0';
    KS_TRY(ks_config_listen(url, authority, place.host, &place.port));
    KS_CHECK(place.port != 0, KS_ERR_FORMAT, "'%s': port 1 to 65535", url);
    place.prefix = place.authority + place.authority_len;
    for (const char *at = place.prefix; *at != '\0'; at++) {
        KS_CHECK(*at > ' ' && *at < 0x7f && *at != '?' && *at != '#', KS_ERR_FORMAT,
                 "'%s': the path is no prefix", url);
    }
    KS_CHECK(place.prefix[0] == '\0' || place.prefix[strlen(place.prefix) - 1] != '/',
             KS_ERR_FORMAT, "'%s': a prefix does not end in '/'", url);
    *out_place = place;
out:
    return err;
}

const char *ks_config_environment(const struct ks_config *config, enum ks_sdk sdk)
{
    return sdk == KS_SDK_QISKIT ? config->adapters.qiskit
           : sdk == KS_SDK_CIRQ ? config->adapters.cirq
                                : NULL;
}

static enum ks_err complete_adapters(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_adapters *adapters = &config->adapters;

    KS_TRY(ks_config_resolve(path, &adapters->qiskit));
    KS_TRY(ks_config_resolve(path, &adapters->cirq));
    adapters->count = adapters->count == 0 ? 1 : adapters->count;
    adapters->memory_mib = adapters->memory_mib == 0 ? 8192 : adapters->memory_mib;
    KS_CHECK(adapters->count <= KS_ADAPTERS_MAX, KS_ERR_LIMIT, "adapters.count: 1 to %d",
             KS_ADAPTERS_MAX);
    KS_CHECK((adapters->qiskit == NULL && adapters->cirq == NULL) ||
                 config->workers.seconds <= KS_ADAPTER_SECONDS_MAX,
             KS_ERR_LIMIT, "workers.seconds: with adapters 1 to %d", KS_ADAPTER_SECONDS_MAX);
out:
    return err;
}

enum ks_err ks_config_witnesses(const struct ks_config *config,
                                struct ks_witnesses *out_witnesses)
{
    enum ks_err err = KS_OK;
    const struct ks_config_witness *witness = &config->witness;

    *out_witnesses = (struct ks_witnesses){.quorum = witness->quorum};
    for (unsigned i = 0; i < witness->servers_count; i++) {
        for (unsigned k = 0; k < witness->servers[i].keys_count; k++) {
            err = ks_witnesses_add(out_witnesses, ks_bytes_text(witness->servers[i].keys[k]));
            KS_TRY(ks_fail_prefix(err, "witness.servers: %s", witness->servers[i].url));
        }
    }
    KS_TRY(ks_fail_prefix(ks_witnesses_check(out_witnesses, ks_bytes_text(config->site.origin)),
                          "witness"));
out:
    return err;
}

/* MiB that one upload can need: 8 bytes a number, and what is before them. */
static unsigned largest_upload(const struct ks_config_fl *fl)
{
    return (unsigned)((uint64_t)fl->params * 8 >> 20) + 2;
}

static enum ks_err complete_fl(struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_fl *fl = &config->fl;

    KS_CHECK(fl->workers > 0 ||
                 (fl->memory_mib == 0 && fl->params == 0 && fl->upload_mib == 0 &&
                  fl->upload_hours == 0 && fl->keep_rounds == 0 && fl->disk_mib == 0 &&
                  fl->suspicion == 0),
             KS_ERR_FORMAT, "fl.workers: without any there is no federated learning here");
    fl->memory_mib = fl->memory_mib == 0 ? 4096 : fl->memory_mib;
    fl->params = fl->params == 0 ? 4 << 20 : fl->params;
    fl->upload_mib = fl->upload_mib == 0 ? 1024 : fl->upload_mib;
    fl->upload_hours = fl->upload_hours == 0 ? 24 : fl->upload_hours;
    fl->disk_mib = fl->disk_mib == 0 ? 16384 : fl->disk_mib;
    KS_CHECK(fl->workers <= KS_FL_WORKERS_MAX, KS_ERR_LIMIT, "fl.workers: 0 to %d",
             KS_FL_WORKERS_MAX);
    KS_CHECK(fl->memory_mib <= KS_CONFIG_FL_MIB_MAX, KS_ERR_LIMIT, "fl.memory_mib: 1 to %d",
             KS_CONFIG_FL_MIB_MAX);
    KS_CHECK(fl->params <= KS_FL_NUMBERS_MAX, KS_ERR_LIMIT, "fl.params: 1 to %d",
             KS_FL_NUMBERS_MAX);
    KS_CHECK(fl->upload_mib <= KS_CONFIG_FL_MIB_MAX, KS_ERR_LIMIT, "fl.upload_mib: 1 to %d",
             KS_CONFIG_FL_MIB_MAX);
    KS_CHECK(fl->upload_hours <= KS_CONFIG_FL_HOURS_MAX, KS_ERR_LIMIT,
             "fl.upload_hours: 1 to %d", KS_CONFIG_FL_HOURS_MAX);
    KS_CHECK(fl->keep_rounds <= KS_FL_ROUNDS_MAX, KS_ERR_LIMIT, "fl.keep_rounds: 0 to %d",
             KS_FL_ROUNDS_MAX);
    KS_CHECK(fl->disk_mib <= KS_CONFIG_FL_DISK_MIB_MAX, KS_ERR_LIMIT, "fl.disk_mib: 1 to %d",
             KS_CONFIG_FL_DISK_MIB_MAX);
    KS_CHECK(fl->upload_mib >= largest_upload(fl) && fl->disk_mib >= largest_upload(fl),
             KS_ERR_LIMIT, "fl.upload_mib, fl.disk_mib: at least %u with fl.params %u",
             largest_upload(fl), fl->params);
    KS_CHECK(fl->suspicion >= 0 && fl->suspicion <= KS_FL_SUSPICION_MAX, KS_ERR_LIMIT,
             "fl.suspicion: 0 to %d", KS_FL_SUSPICION_MAX);
    KS_CHECK(fl->suspicion > 0 || fl->suspend_after == 0, KS_ERR_FORMAT,
             "fl.suspend_after: it needs fl.suspicion");
    fl->suspicion = fl->suspicion > 0 ? fl->suspicion : 0; /* never -0 */
    KS_TRY(complete_alerts("fl", fl->suspend_after, &fl->suspend_window_s));
out:
    return err;
}

static enum ks_err complete_witness(struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_witness *witness = &config->witness;
    struct ks_witnesses witnesses = {0};

    if (witness->servers_count == 0) {
        return KS_OK;
    }
    witness->interval_ms = witness->interval_ms == 0 ? 1000 : witness->interval_ms;
    witness->timeout_ms = witness->timeout_ms == 0 ? 5000 : witness->timeout_ms;
    KS_CHECK(witness->interval_ms <= KS_CONFIG_WITNESS_MS_MAX &&
                 witness->timeout_ms <= KS_CONFIG_WITNESS_MS_MAX,
             KS_ERR_LIMIT, "witness.interval_ms, timeout_ms: 1 to %d",
             KS_CONFIG_WITNESS_MS_MAX);
    for (unsigned i = 0; i < witness->servers_count; i++) {
        struct ks_config_place place;

        KS_TRY(ks_fail_prefix(ks_config_witness_place(config, i, &place), "witness.servers"));
    }
    KS_TRY(ks_config_witnesses(config, &witnesses));
out:
    ks_witnesses_done(&witnesses);
    return err;
}

uint32_t ks_config_key_algs(const struct ks_config *config)
{
    uint32_t algs = 0;

    KS_ASSERT(ks_sigalgs_parse(config->tls.signature_algorithms, &algs) == KS_OK);
    return algs;
}

static enum ks_err complete_tls(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_tls *tls = &config->tls;
    uint32_t algs = 0;

    KS_TRY(ks_config_resolve(path, &tls->root));
    KS_TRY(ks_config_resolve(path, &tls->certificate));
    KS_TRY(ks_config_resolve(path, &tls->key));
    KS_TRY(ks_config_resolve(path, &tls->crl));
    err = ks_sigalgs_parse(tls->signature_algorithms, &algs);
    KS_TRY(err == KS_ERR_USAGE ? ks_fail_prefix(KS_ERR_FORMAT, "tls.signature_algorithms")
                               : err);
out:
    return err;
}

static enum ks_err complete(const char *path, struct ks_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_config_workers *workers = &config->workers;
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_config_resolve(path, &config->site.state));
    KS_TRY(complete_tls(path, config));
    workers->count = workers->count == 0 ? 2 * processors() : workers->count;
    workers->threads = workers->threads == 0 ? 1 : workers->threads;
    workers->memory_mib = workers->memory_mib == 0 ? 1024 : workers->memory_mib;
    workers->seconds = workers->seconds == 0 ? 300 : workers->seconds;
    config->http.loops = config->http.loops == 0 ? 1 : config->http.loops;
    config->http.connections = config->http.connections == 0 ? 1024 : config->http.connections;
    config->traces.keep =
        config->traces.keep == 0 ? KS_CONFIG_TRACES_KEEP : config->traces.keep;
    KS_CHECK(config->traces.keep <= KS_CONFIG_TRACES_KEEP_MAX, KS_ERR_LIMIT,
             "traces.keep: 1 to %d", KS_CONFIG_TRACES_KEEP_MAX);
    KS_CHECK(config->refusals.per_hour <= KS_CONFIG_REFUSALS_MAX, KS_ERR_LIMIT,
             "refusals.per_hour: 0 to %d", KS_CONFIG_REFUSALS_MAX);
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
    KS_TRY(complete_detector(path, config));
    KS_TRY(complete_adapters(path, config));
    KS_TRY(complete_keys(path, config));
    KS_TRY(complete_fl(config));
    KS_TRY(complete_witness(config));
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
