/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What follows when the site's detector calls a job an anomaly. The detector is ketseald's, and
 * so is its word; what it can do with it is bounded here: an alert is about a job that this
 * enclave ran lately, once, and so about the device that signed it; how many of them suspend a
 * device, and within what time, is in the enclave's configuration. A hostile ketseald can have
 * a device suspended after as many jobs of that device. It could refuse to serve it before. */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "enclave/monitor.h"

_Static_assert(KS_ALERTS_AFTER_MAX <= KS_REGISTRY_ALERTS_MAX,
               "as many alerts as suspend are kept");

void ks_monitor_job_ended(struct ks_monitor *monitor, const struct ks_monitor_job *job)
{
    struct ks_monitor_ended *ended = &monitor->ended[monitor->ended_next];

    monitor->ended_next = (monitor->ended_next + 1) % KS_MONITOR_ENDED_MAX;
    ks_copy(ended->id, job->id, sizeof ended->id);
    ks_copy(ended->device, job->device, sizeof ended->device);
}

static struct ks_monitor_ended *find_ended(struct ks_monitor *monitor, struct ks_bytes job)
{
    for (size_t i = 0; i < KS_MONITOR_ENDED_MAX; i++) {
        if (ks_bytes_is(job, monitor->ended[i].id)) {
            return &monitor->ended[i];
        }
    }
    return NULL;
}

static void log_suspended(const struct ks_device_entry *entry)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_WARN, "device.anomalous");
    ks_log_text(&line, "device", entry->id);
    ks_log_text(&line, "reason", entry->reason);
    ks_log_end(&line);
}

enum ks_err ks_monitor_count_alert(struct ks_monitor *monitor,
                                   const struct ks_alert_rules *rules,
                                   const struct ks_device_entry *known, struct ks_bytes name,
                                   struct ks_buf *ledger, size_t *out_count)
{
    enum ks_err err = KS_OK;
    const uint64_t now_us = ks_clock_us();
    const uint64_t window_us = (uint64_t)rules->window_s * 1000000;
    const uint64_t since_us = now_us > window_us ? now_us - window_us : 0;
    struct ks_device_entry entry = *known;
    const size_t alerts =
        1 + ks_registry_alerts(monitor->admission.registry, ks_bytes_text(entry.id), since_us);
    uint8_t digest[KS_SHA256_LEN];

    if (alerts >= rules->suspend_after) {
        entry.state = KS_DEVICE_SUSPENDED;
        entry.appraisal_failed = false; /* a good appraisal says nothing about these */
        (void)snprintf(entry.reason, sizeof entry.reason, "%zu jobs were anomalies within %u s",
                       alerts, rules->window_s);
        ks_entry_device_write(entry.id, "anomalous", entry.ek, entry.key, ledger);
        KS_TRY(ks_buf_check(ledger));
    }
    ks_sha256(name, digest);
    KS_TRY(ks_registry_alert(monitor->admission.registry, &entry, digest, now_us));
    if (entry.state == KS_DEVICE_SUSPENDED) {
        log_suspended(&entry);
    }
    *out_count = alerts;
out:
    return err;
}

/* 36 job id -> u32 alerts of its device within the window, this one included; 0: they are not
 * counted, since nothing follows from them, or the device can no longer be suspended; lp16
 * entry: empty unless it is suspended now */
enum ks_err ks_monitor_alert(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "alert frame");
    struct ks_bytes job = {0};
    struct ks_monitor_ended *ended = NULL;
    const struct ks_device_entry *known = NULL;
    struct ks_buf ledger;
    size_t alerts = 0;
    size_t begin = 0;

    ks_buf_init(&ledger, KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_read_bytes(&reader, KS_UUID_TEXT_LEN, &job));
    KS_TRY(ks_read_end(&reader));
    ended = find_ended(monitor, job);
    KS_CHECK(ended != NULL, KS_ERR_NOT_FOUND,
             "no such job ran here lately, or it was an alert already");
    known = ks_registry_find(monitor->admission.registry, ks_bytes_text(ended->device));
    if (monitor->alerts.suspend_after > 0 && known != NULL &&
        (known->state == KS_DEVICE_ACTIVE || known->state == KS_DEVICE_PENDING_ROTATION)) {
        KS_TRY(ks_monitor_count_alert(monitor, &monitor->alerts, known, job, &ledger, &alerts));
    }
    *ended = (struct ks_monitor_ended){.id = ""};
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_ALERT, id);
    ks_buf_put_u32(&monitor->daemon.out, (uint32_t)alerts);
    ks_buf_put_lp16(&monitor->daemon.out, ks_buf_view(&ledger));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&ledger);
    return err;
}
