/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <math.h>

#include "attest/eventlog.h"
#include "attest/reference.h"
#include "attest/sealed.h"
#include "crypto/digest.h"
#include "crypto/ekcert.h"
#include "crypto/sigalgs.h"
#include "enclave/launch.h"

#define POLICY_LABEL "ketseal/site-policy/3\n"
#define POLICY_BYTES (sizeof POLICY_LABEL - 1 + 6 * KS_SHA256_LEN + 1 + 2 * 8 + 9 * 4 + 8)

static void put_device_rules(const struct ks_device_rules *rules, struct ks_buf *out)
{
    ks_buf_put_u8(out, rules->accept_issued ? 1 : 0);
    ks_buf_put_u32(out, rules->key_algs);
    ks_buf_put_u64(out, rules->attest_every_s);
    ks_buf_put_u64(out, rules->certificate_s);
    ks_buf_put_lp32(out, rules->ek_roots_pem);
    ks_buf_put_lp32(out, rules->simulated_ek_roots_pem);
    ks_buf_put_lp32(out, rules->reference);
}

static enum ks_err read_device_rules(struct ks_reader *reader, struct ks_device_rules *rules)
{
    enum ks_err err = KS_OK;
    uint8_t issued = 0;

    KS_TRY(ks_read_u8(reader, &issued));
    KS_TRY(ks_read_u32(reader, &rules->key_algs));
    KS_TRY(ks_read_u64(reader, &rules->attest_every_s));
    KS_TRY(ks_read_u64(reader, &rules->certificate_s));
    KS_TRY(ks_read_lp32(reader, KS_EK_PEM_MAX, &rules->ek_roots_pem));
    KS_TRY(ks_read_lp32(reader, KS_EK_PEM_MAX, &rules->simulated_ek_roots_pem));
    KS_TRY(ks_read_lp32(reader, KS_REFERENCE_MAX, &rules->reference));
    KS_CHECK(issued <= 1 && rules->key_algs != 0 && (rules->key_algs & ~KS_SIGALGS_ALL) == 0 &&
                 rules->attest_every_s <= KS_DEVICE_SECONDS_MAX &&
                 rules->certificate_s <= KS_DEVICE_SECONDS_MAX,
             KS_ERR_FORMAT, "enclave configuration: a value is out of range");
    rules->accept_issued = issued == 1;
out:
    return err;
}

static void put_rules(const struct ks_enclave_rules *rules, struct ks_buf *out)
{
    ks_buf_put_u32(out, rules->seal_pcrs);
    ks_buf_put_lp16(out, rules->update_authority);
    ks_buf_put_lp16(out, rules->update_authorisation);
    ks_buf_put_u32(out, rules->counter);
    ks_buf_put_u32(out, rules->epoch_s);
    ks_buf_put_u8(out, rules->accept_rollback ? 1 : 0);
    ks_buf_put_u32(out, rules->quote_window_ms);
    ks_buf_put_u32(out, rules->quote_refresh_s);
}

static enum ks_err read_rules(struct ks_reader *reader, struct ks_enclave_rules *rules)
{
    enum ks_err err = KS_OK;
    uint8_t accept = 0;

    KS_TRY(ks_read_u32(reader, &rules->seal_pcrs));
    KS_TRY(ks_read_lp16(reader, KS_AUTHORITY_DER_MAX, &rules->update_authority));
    KS_TRY(ks_read_lp16(reader, KS_AUTHORISATION_MAX, &rules->update_authorisation));
    KS_TRY(ks_read_u32(reader, &rules->counter));
    KS_TRY(ks_read_u32(reader, &rules->epoch_s));
    KS_TRY(ks_read_u8(reader, &accept));
    KS_TRY(ks_read_u32(reader, &rules->quote_window_ms));
    KS_TRY(ks_read_u32(reader, &rules->quote_refresh_s));
    KS_CHECK(rules->seal_pcrs < UINT32_C(1) << KS_PCR_COUNT &&
                 (rules->seal_pcrs >> KS_LAUNCH_PCR & 1) == 1 && accept <= 1 &&
                 rules->epoch_s >= 1 && rules->epoch_s <= KS_EPOCH_S_MAX &&
                 rules->quote_window_ms <= KS_QUOTE_WINDOW_MAX && rules->quote_refresh_s >= 1 &&
                 rules->quote_refresh_s <= KS_QUOTE_REFRESH_MAX,
             KS_ERR_FORMAT, "enclave configuration: a rule is out of range");
    rules->accept_rollback = accept == 1;
out:
    return err;
}

static void put_key_rules(const struct ks_key_rules *keys, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)keys->source);
    ks_buf_put_u8(out, keys->fall_back ? 1 : 0);
    ks_buf_put_lp16(out, keys->authority);
    ks_buf_put_lp32(out, keys->root_pem);
    ks_buf_put_lp32(out, keys->certificate_pem);
    ks_buf_put_lp32(out, keys->key_pem);
    ks_buf_put_u8(out, keys->classical ? 1 : 0);
    ks_buf_put_u32(out, keys->timeout_ms);
    ks_buf_put_u32(out, keys->life_s);
    ks_buf_put_u32(out, keys->stock_max);
    ks_buf_put_u32(out, keys->low);
}

static enum ks_err read_key_rules(struct ks_reader *reader, struct ks_key_rules *keys)
{
    enum ks_err err = KS_OK;
    uint8_t source = 0;
    uint8_t fall_back = 0;
    uint8_t classical = 0;

    KS_TRY(ks_read_u8(reader, &source));
    KS_TRY(ks_read_u8(reader, &fall_back));
    KS_TRY(ks_read_lp16(reader, KS_KEYS_AUTHORITY_MAX, &keys->authority));
    KS_TRY(ks_read_lp32(reader, KS_KEYS_PEM_MAX, &keys->root_pem));
    KS_TRY(ks_read_lp32(reader, KS_KEYS_PEM_MAX, &keys->certificate_pem));
    KS_TRY(ks_read_lp32(reader, KS_KEYS_PEM_MAX, &keys->key_pem));
    KS_TRY(ks_read_u8(reader, &classical));
    KS_TRY(ks_read_u32(reader, &keys->timeout_ms));
    KS_TRY(ks_read_u32(reader, &keys->life_s));
    KS_TRY(ks_read_u32(reader, &keys->stock_max));
    KS_TRY(ks_read_u32(reader, &keys->low));
    KS_CHECK(source < KS_KEY_SOURCES && fall_back <= 1 && classical <= 1 &&
                 (source == KS_KEY_SOURCE_KEM || keys->authority.len > 0) &&
                 keys->timeout_ms >= 1 && keys->timeout_ms <= KS_KEYS_TIMEOUT_MAX &&
                 keys->life_s >= 1 && keys->life_s <= KS_KEYS_LIFE_MAX &&
                 keys->stock_max >= 1 && keys->stock_max <= KS_KEYS_STOCK_MAX &&
                 keys->low <= keys->stock_max,
             KS_ERR_FORMAT, "enclave configuration: a rule of keys is out of range");
    keys->source = (enum ks_key_source)source;
    keys->fall_back = fall_back == 1;
    keys->classical = classical == 1;
out:
    return err;
}

static void put_alert_rules(const struct ks_alert_rules *alerts, struct ks_buf *out)
{
    ks_buf_put_u32(out, alerts->suspend_after);
    ks_buf_put_u32(out, alerts->window_s);
}

static enum ks_err read_alert_rules(struct ks_reader *reader, struct ks_alert_rules *alerts)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_u32(reader, &alerts->suspend_after));
    KS_TRY(ks_read_u32(reader, &alerts->window_s));
    KS_CHECK(alerts->suspend_after <= KS_ALERTS_AFTER_MAX &&
                 alerts->window_s <= KS_ALERTS_WINDOW_S_MAX &&
                 (alerts->suspend_after == 0) == (alerts->window_s == 0),
             KS_ERR_FORMAT, "enclave configuration: a rule of alerts is out of range");
out:
    return err;
}

static void put_fl_rules(const struct ks_fl_rules *fl, struct ks_buf *out)
{
    ks_buf_put_u32(out, fl->workers);
    ks_buf_put_u32(out, fl->params_max);
    ks_buf_put_u64(out, fl->memory_max);
    ks_buf_put_double(out, fl->suspicion);
    put_alert_rules(&fl->alerts, out);
}

static enum ks_err read_fl_rules(struct ks_reader *reader, struct ks_fl_rules *fl)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_u32(reader, &fl->workers));
    KS_TRY(ks_read_u32(reader, &fl->params_max));
    KS_TRY(ks_read_u64(reader, &fl->memory_max));
    KS_TRY(ks_read_double(reader, &fl->suspicion));
    KS_TRY(read_alert_rules(reader, &fl->alerts));
    KS_CHECK(fl->workers <= KS_FL_WORKERS_MAX && fl->params_max <= KS_FL_NUMBERS_MAX &&
                 (fl->workers == 0) == (fl->params_max == 0) &&
                 (fl->workers == 0) == (fl->memory_max == 0) && fl->suspicion >= 0 &&
                 fl->suspicion <= KS_FL_SUSPICION_MAX && !signbit(fl->suspicion) &&
                 (fl->suspicion > 0 || fl->alerts.suspend_after == 0),
             KS_ERR_FORMAT, "enclave configuration: a rule of rounds is out of range");
out:
    return err;
}

void ks_enclave_config_put(const struct ks_enclave_config *config, struct ks_buf *out)
{
    ks_buf_put_lp16(out, config->origin);
    ks_buf_put_lp32(out, config->root_pem);
    ks_buf_put_lp32(out, config->crl_pem);
    ks_buf_put_lp16(out, config->event_log);
    ks_buf_put_u8(out, config->simulated_tpm ? 1 : 0);
    ks_buf_put_u32(out, config->workers);
    ks_buf_put_u64(out, config->state_memory_max);
    ks_buf_put_u64(out, config->job_seconds_max);
    ks_buf_put(out, KS_BYTES(config->worker_digest));
    put_device_rules(&config->devices, out);
    put_rules(&config->rules, out);
    put_key_rules(&config->keys, out);
    put_alert_rules(&config->alerts, out);
    put_fl_rules(&config->fl, out);
}

enum ks_err ks_enclave_config_read(struct ks_bytes payload,
                                   struct ks_enclave_config *out_config)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "enclave configuration");
    struct ks_enclave_config config = {0};
    uint8_t simulated = 0;

    KS_TRY(ks_read_lp16(&reader, 255, &config.origin));
    KS_TRY(ks_read_lp32(&reader, 1024 * 1024, &config.root_pem));
    KS_TRY(ks_read_lp32(&reader, 16 * 1024 * 1024, &config.crl_pem));
    KS_TRY(ks_read_lp16(&reader, KS_EVENT_LOG_MAX, &config.event_log));
    KS_TRY(ks_read_u8(&reader, &simulated));
    KS_TRY(ks_read_u32(&reader, &config.workers));
    KS_TRY(ks_read_u64(&reader, &config.state_memory_max));
    KS_TRY(ks_read_u64(&reader, &config.job_seconds_max));
    KS_TRY(ks_read_copy(&reader, config.worker_digest, sizeof config.worker_digest));
    KS_TRY(read_device_rules(&reader, &config.devices));
    KS_TRY(read_rules(&reader, &config.rules));
    KS_TRY(read_key_rules(&reader, &config.keys));
    KS_TRY(read_alert_rules(&reader, &config.alerts));
    KS_TRY(read_fl_rules(&reader, &config.fl));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(simulated <= 1 && config.workers >= 1 && config.workers <= KS_LAUNCH_WORKERS_MAX,
             KS_ERR_FORMAT, "enclave configuration: a value is out of range");
    config.simulated_tpm = simulated == 1;
    *out_config = config;
out:
    return err;
}

static void put_digest(struct ks_bytes bytes, struct ks_buf *out)
{
    uint8_t digest[KS_SHA256_LEN];

    ks_sha256(bytes, digest);
    ks_buf_put(out, KS_BYTES(digest));
}

void ks_enclave_config_policy(const struct ks_enclave_config *config, uint8_t out_hash[32])
{
    const struct ks_device_rules *devices = &config->devices;
    const struct ks_enclave_rules *rules = &config->rules;
    uint8_t room[POLICY_BYTES];
    struct ks_buf text = {.data = room, .cap = sizeof room, .max = sizeof room};

    ks_buf_put_text(&text, POLICY_LABEL);
    put_digest(config->root_pem, &text);
    put_digest(config->crl_pem, &text);
    ks_buf_put_u8(&text, devices->accept_issued ? 1 : 0);
    ks_buf_put_u32(&text, devices->key_algs);
    ks_buf_put_u64(&text, devices->attest_every_s);
    ks_buf_put_u64(&text, devices->certificate_s);
    put_digest(devices->ek_roots_pem, &text);
    put_digest(devices->simulated_ek_roots_pem, &text);
    put_digest(devices->reference, &text);
    ks_buf_put_u32(&text, rules->seal_pcrs);
    put_digest(rules->update_authority, &text);
    ks_buf_put_u32(&text, rules->epoch_s);
    ks_buf_put_u32(&text, rules->quote_window_ms);
    ks_buf_put_u32(&text, rules->quote_refresh_s);
    put_alert_rules(&config->alerts, &text);
    ks_buf_put_double(&text, config->fl.suspicion);
    put_alert_rules(&config->fl.alerts, &text);
    KS_ASSERT(text.len == POLICY_BYTES && text.err == KS_OK);
    ks_sha256(ks_buf_view(&text), out_hash);
}
