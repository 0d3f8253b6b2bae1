/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Where one-time keys come from, and which of them count here: keys of our own delivery, which
 * the journal knows, quantum keys, which are in the stock for as long as this process lives,
 * and both together. */

#include "base/log.h"
#include "base/sys.h"
#include "enclave/monitor.h"

/* --- announcements ------------------------------------------------------------------------ */

static enum ks_err answer_announced(struct ks_monitor *monitor, uint32_t id, size_t count)
{
    enum ks_err err = KS_OK;
    const struct ks_announced announced = {
        .count = (uint32_t)count, .expires_s = ks_clock_us() / 1000000 + monitor->key_life_s};
    struct ks_buf document;
    size_t begin = 0;

    ks_buf_init(&document, KS_ANNOUNCE_BYTES_MAX);
    ks_announced_write(&announced, &document);
    KS_TRY(ks_buf_check(&document));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_ANNOUNCE, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&document));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&document);
    return err;
}

/* ks_manager_done. */
static void take_outcome(void *context, const struct ks_manager_outcome *outcome)
{
    struct ks_monitor *monitor = context;
    enum ks_err err = outcome->err;

    if (err == KS_OK) {
        ks_stock_fill(monitor->stock, outcome->keys, outcome->ids->count,
                      ks_clock_monotonic_us());
        err = answer_announced(monitor, outcome->id, outcome->ids->count);
    } else {
        ks_stock_forget(monitor->stock, outcome->ids);
    }
    if (err != KS_OK) {
        ks_answer_error(&monitor->daemon.out, KS_FRAME_ANNOUNCE, outcome->id, err);
    }
}

enum ks_err ks_monitor_key_rules(struct ks_monitor *monitor, const struct ks_key_rules *rules)
{
    enum ks_err err = KS_OK;
    const struct ks_stock_rules stock = {.device_max = rules->stock_max,
                                         .life_us = (uint64_t)rules->life_s * 1000000};

    monitor->key_policy = rules->source;
    monitor->key_fall_back = rules->fall_back;
    monitor->key_low = rules->low;
    monitor->key_life_s = rules->life_s;
    if (rules->authority.len > 0) {
        KS_TRY(ks_stock_new(&stock, &monitor->stock));
        KS_TRY(ks_manager_new(rules, &monitor->daemon.out, take_outcome, monitor,
                              &monitor->manager));
    }
out:
    return err;
}

enum ks_err ks_monitor_announce(struct ks_monitor *monitor, uint32_t id,
                                struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_signed_document request = {0};
    struct ks_announce announce = {{0}};
    struct ks_monitor_device *device = NULL;

    KS_CHECK(monitor->manager != NULL, KS_ERR_DENIED, "this site has no key manager");
    KS_TRY(ks_signed_document_read(payload, "announce frame", &request));
    KS_TRY(ks_monitor_device(monitor, request.certificate, KS_RIGHT_WORK, &device));
    err = ks_announce_read(request.document, device->key, &announce);
    KS_TRY(err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "keys") : err);
    KS_CHECK(ks_bytes_is(ks_bytes_text(announce.device), device->name), KS_ERR_DENIED,
             "the announcement names another device than the certificate");
    KS_CHECK(ks_ct_equal(KS_BYTES(announce.channel), KS_BYTES(request.channel)), KS_ERR_DENIED,
             "the announcement is for another connection");
    KS_TRY(ks_stock_announce(monitor->stock, device->key_hash, &announce.keys,
                             ks_clock_monotonic_us()));
    err = ks_manager_ask(monitor->manager, id, device->key_hash, &announce);
    if (err != KS_OK) {
        ks_stock_forget(monitor->stock, &announce.keys);
    }
out:
    return err; /* on success the manager answers later */
}

/* --- the connection to the manager -------------------------------------------------------- */

enum ks_err ks_monitor_link_data(struct ks_monitor *monitor, uint32_t id,
                                 struct ks_bytes payload)
{
    if (monitor->manager == NULL) {
        return ks_fail(KS_ERR_DENIED, "bytes of a key manager that there is not");
    }
    ks_manager_data(monitor->manager, id, payload);
    return KS_OK;
}

enum ks_err ks_monitor_link_close(struct ks_monitor *monitor, uint32_t id,
                                  struct ks_bytes payload)
{
    if (monitor->manager == NULL) {
        return ks_fail(KS_ERR_DENIED, "the end of a key manager that there is not");
    }
    ks_manager_closed(monitor->manager, id, payload);
    return KS_OK;
}

/* --- keys of requests --------------------------------------------------------------------- */

enum ks_key_source ks_key_name_source(const struct ks_key_name *name)
{
    if (!name->quantum) {
        return KS_KEY_SOURCE_KEM;
    }
    return name->kem ? KS_KEY_SOURCE_BOTH : KS_KEY_SOURCE_ETSI014;
}

/* Whether a key of SOURCE is as good as one of WANTED. */
static bool meets(enum ks_key_source source, enum ks_key_source wanted)
{
    return source == wanted || source == KS_KEY_SOURCE_BOTH;
}

static void log_fall_back(const struct ks_monitor *monitor, const struct ks_key_name *name,
                          const struct ks_monitor_device *device)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_WARN, "keys.fall_back");
    ks_log_text(&line, "device", device->name);
    ks_log_text(&line, "source", ks_key_source_name(ks_key_name_source(name)));
    ks_log_text(&line, "policy", ks_key_source_name(monitor->key_policy));
    ks_log_text(&line, "manager",
                monitor->manager == NULL ? "" : ks_manager_trouble(monitor->manager));
    ks_log_end(&line);
}

/* The site's configuration decides which keys count. */
static enum ks_err check_source(const struct ks_monitor *monitor,
                                const struct ks_key_name *name)
{
    enum ks_err err = KS_OK;
    const char *trouble = monitor->manager == NULL ? "" : ks_manager_trouble(monitor->manager);

    KS_CHECK(!name->quantum || monitor->stock != NULL, KS_ERR_DENIED,
             "this site has no key manager: it knows no quantum keys");
    KS_CHECK(meets(ks_key_name_source(name), monitor->key_policy) ||
                 (!name->quantum && monitor->key_fall_back),
             KS_ERR_DENIED, "this site takes keys of source '%s', not '%s'%s%s",
             ks_key_source_name(monitor->key_policy),
             ks_key_source_name(ks_key_name_source(name)), trouble[0] == '\0' ? "" : "; ",
             trouble);
out:
    return err;
}

enum ks_err ks_monitor_key(struct ks_monitor *monitor, const struct ks_key_name *name,
                           const struct ks_monitor_device *device,
                           uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t kem[KS_ONE_TIME_KEY_LEN] = {0};
    uint8_t quantum[KS_ONE_TIME_KEY_LEN] = {0};

    KS_TRY(check_source(monitor, name));
    if (name->kem) {
        KS_TRY(ks_journal_key(monitor->journal, name->instance, name->number, name->index,
                              device->key_hash, ks_clock_us() / 1000000, kem));
    }
    if (name->quantum) {
        KS_TRY(ks_stock_key(monitor->stock, &name->id, device->key_hash,
                            ks_clock_monotonic_us(), quantum));
    }
    if (name->kem && name->quantum) {
        KS_TRY(ks_one_time_key_both(kem, quantum, name, out_key));
    } else {
        ks_copy(out_key, name->kem ? kem : quantum, KS_ONE_TIME_KEY_LEN);
    }
out:
    ks_wipe(kem, sizeof kem);
    ks_wipe(quantum, sizeof quantum);
    return err;
}

/* Below the mark: a line for each time that it falls below, and not for each key after that. */
static void watch_stock(const struct ks_monitor *monitor,
                        const struct ks_monitor_device *device)
{
    struct ks_log_line line;
    uint32_t left = ks_stock_left(monitor->stock, device->key_hash);

    if (left + 1 == monitor->key_low || (left == 0 && monitor->key_low > 0)) {
        ks_log_begin(&line, KS_LOG_WARN, "keys.low");
        ks_log_text(&line, "device", device->name);
        ks_log_u64(&line, "left", left);
        ks_log_u64(&line, "low", monitor->key_low);
        ks_log_end(&line);
    }
}

enum ks_err ks_monitor_spend(struct ks_monitor *monitor, const struct ks_key_name *name,
                             const struct ks_monitor_device *device)
{
    enum ks_err err = KS_OK;

    if (name->quantum) {
        KS_TRY(ks_stock_spend(monitor->stock, &name->id, device->key_hash,
                              ks_clock_monotonic_us()));
        watch_stock(monitor, device);
    }
    if (name->kem) {
        KS_TRY(ks_journal_spend(monitor->journal, name->instance, name->number, name->index,
                                device->key_hash, ks_clock_us() / 1000000));
    }
    if (!meets(ks_key_name_source(name), monitor->key_policy)) {
        log_fall_back(monitor, name, device);
    }
out:
    return err;
}
