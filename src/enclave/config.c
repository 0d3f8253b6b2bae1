/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/eventlog.h"
#include "attest/reference.h"
#include "crypto/ekcert.h"
#include "enclave/launch.h"

static void put_rules(const struct ks_device_rules *rules, struct ks_buf *out)
{
    ks_buf_put_u8(out, rules->accept_issued ? 1 : 0);
    ks_buf_put_u64(out, rules->attest_every_s);
    ks_buf_put_u64(out, rules->certificate_s);
    ks_buf_put_lp32(out, rules->ek_roots_pem);
    ks_buf_put_lp32(out, rules->simulated_ek_roots_pem);
    ks_buf_put_lp32(out, rules->reference);
}

static enum ks_err read_rules(struct ks_reader *reader, struct ks_device_rules *rules)
{
    enum ks_err err = KS_OK;
    uint8_t issued = 0;

    KS_TRY(ks_read_u8(reader, &issued));
    KS_TRY(ks_read_u64(reader, &rules->attest_every_s));
    KS_TRY(ks_read_u64(reader, &rules->certificate_s));
    KS_TRY(ks_read_lp32(reader, KS_EK_PEM_MAX, &rules->ek_roots_pem));
    KS_TRY(ks_read_lp32(reader, KS_EK_PEM_MAX, &rules->simulated_ek_roots_pem));
    KS_TRY(ks_read_lp32(reader, KS_REFERENCE_MAX, &rules->reference));
    KS_CHECK(issued <= 1 && rules->attest_every_s <= KS_DEVICE_SECONDS_MAX &&
                 rules->certificate_s <= KS_DEVICE_SECONDS_MAX,
             KS_ERR_FORMAT, "enclave configuration: a value is out of range");
    rules->accept_issued = issued == 1;
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
    put_rules(&config->devices, out);
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
    KS_TRY(read_rules(&reader, &config.devices));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(simulated <= 1 && config.workers >= 1 && config.workers <= KS_LAUNCH_WORKERS_MAX,
             KS_ERR_FORMAT, "enclave configuration: a value is out of range");
    config.simulated_tpm = simulated == 1;
    *out_config = config;
out:
    return err;
}
