/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/registry.h"

#include <string.h>

#include "crypto/digest.h"

#define VERSION    1
#define HAS_DEVICE 1u
#define HAS_TOKEN  2u
#define HAS_ORDER  4u
#define HAS_ALERT  8u /* with a device; its job and time are where a token's id and end are */
#define DEVICE_LEN                                                                             \
    (64 + 1 + KS_REASON_MAX + 1 + 32 + 32 + 2 + KS_REGISTRY_AK_MAX + 32 + 32 + 5 * 8 + 1)
#define TOKEN_LEN   (KS_TOKEN_ID_LEN + 8)
#define ORDER_LEN   (32 + 8)
#define RECORD_LEN  (2 + DEVICE_LEN + TOKEN_LEN + ORDER_LEN)
#define RECORDS_MAX 65536
#define SLACK       4096 /* changes beyond what is live before the file is rewritten */

_Static_assert(1 + KS_REGISTRY_DEVICES_MAX + KS_REGISTRY_TOKENS_MAX +
                       KS_REGISTRY_OPERATORS_MAX + KS_REGISTRY_ALERTS_TOTAL + SLACK <=
                   RECORDS_MAX,
               "what is live, and what may be superseded, fits the file");
_Static_assert(KS_REGISTRY_JOB_LEN == KS_TOKEN_ID_LEN, "an alert lies where a token does");

struct token {
    uint8_t id[KS_TOKEN_ID_LEN];
    uint64_t expires_us;
};
struct operator_seen {
    uint8_t key[32];
    uint64_t created_us;
};
struct alert {
    const struct ks_device_entry *device; /* borrowed: devices keep their place in memory */
    uint8_t job[KS_REGISTRY_JOB_LEN];
    uint64_t at_us;
};

/* What one record says. */
struct change {
    unsigned has;
    struct ks_device_entry device;
    struct token token; /* of an alert: its job and its time */
    struct operator_seen order;
};

struct ks_registry {
    struct ks_chain *chain;
    uint64_t now_us; /* of the opening: expired tokens are forgotten */
    struct ks_device_entry **devices;
    size_t device_count;
    struct token *tokens;
    size_t token_count;
    struct operator_seen operators[KS_REGISTRY_OPERATORS_MAX];
    size_t operator_count;
    struct alert *alerts; /* in the order in which they came */
    size_t alert_count;
};

const char *ks_device_state_name(enum ks_device_state state)
{
    switch (state) {
#define KS_DEVICE_STATE_TEXT(name, value, text)                                                \
    case KS_DEVICE_##name:                                                                     \
        return text;
        KS_DEVICE_STATE_LIST(KS_DEVICE_STATE_TEXT)
#undef KS_DEVICE_STATE_TEXT
    }
    KS_ASSERT(false); /* a state of the list, or nobody has made it */
    return "";
}

enum ks_device_state ks_device_state_at(const struct ks_device_entry *entry, uint64_t now_s)
{
    const bool lives =
        entry->state == KS_DEVICE_ACTIVE || entry->state == KS_DEVICE_PENDING_ROTATION;

    return lives && now_s > entry->expires_s ? KS_DEVICE_EXPIRED : entry->state;
}

/* --- records ------------------------------------------------------------------------------ */

/* TEXT in LEN bytes, zeros behind it. */
static void put_text(struct ks_buf *out, const char *text, size_t len)
{
    const size_t used = strlen(text);

    KS_ASSERT(used <= len);
    ks_buf_put(out, ks_bytes_of(text, used));
    for (size_t i = used; i < len; i++) {
        ks_buf_put_u8(out, 0);
    }
}

static void put_device(struct ks_buf *out, const struct ks_device_entry *device)
{
    put_text(out, device->id, 64);
    ks_buf_put_u8(out, (uint8_t)device->state);
    put_text(out, device->reason, KS_REASON_MAX);
    ks_buf_put_u8(out, (uint8_t)device->tpm);
    ks_buf_put(out, KS_BYTES(device->ek));
    ks_buf_put(out, KS_BYTES(device->ek_certificate));
    ks_buf_put_u16(out, (uint16_t)device->ak_len);
    ks_buf_put(out, KS_BYTES(device->ak)); /* zeros behind its length */
    ks_buf_put(out, KS_BYTES(device->key));
    ks_buf_put(out, KS_BYTES(device->kem));
    ks_buf_put_u64(out, device->enrolled_us);
    ks_buf_put_u64(out, device->expires_s);
    ks_buf_put_u64(out, device->attested_us);
    ks_buf_put_u64(out, device->clock.clock_ms);
    ks_buf_put_u32(out, device->clock.reset_count);
    ks_buf_put_u32(out, device->clock.restart_count);
    ks_buf_put_u8(out, device->appraisal_failed);
}

static void put_change(struct ks_buf *out, const struct change *change)
{
    ks_buf_put_u8(out, VERSION);
    ks_buf_put_u8(out, (uint8_t)change->has);
    put_device(out, &change->device);
    ks_buf_put(out, KS_BYTES(change->token.id));
    ks_buf_put_u64(out, change->token.expires_us);
    ks_buf_put(out, KS_BYTES(change->order.key));
    ks_buf_put_u64(out, change->order.created_us);
}

/* The reader stands behind a true tag, so what does not fit was written by another version. */
static enum ks_err read_text(struct ks_reader *reader, char *target, size_t len)
{
    enum ks_err err = KS_OK;
    size_t used = 0;

    KS_TRY(ks_read_copy(reader, target, len));
    target[len] = '\0';
    used = strlen(target);
    for (size_t i = used; i < len; i++) {
        KS_CHECK(target[i] == '\0', KS_ERR_FORMAT, "devices: bytes behind a text");
    }
    KS_CHECK(ks_utf8_valid(ks_bytes_of(target, used)), KS_ERR_FORMAT, "devices: a text");
out:
    return err;
}

static enum ks_err read_device(struct ks_reader *reader, struct ks_device_entry *device)
{
    enum ks_err err = KS_OK;
    uint8_t state = 0;
    uint8_t tpm = 0;
    uint16_t ak_len = 0;
    uint8_t failed = 0;

    KS_TRY(read_text(reader, device->id, 64));
    KS_TRY(ks_read_u8(reader, &state));
    KS_TRY(read_text(reader, device->reason, KS_REASON_MAX));
    KS_TRY(ks_read_u8(reader, &tpm));
    KS_TRY(ks_read_copy(reader, device->ek, sizeof device->ek));
    KS_TRY(ks_read_copy(reader, device->ek_certificate, sizeof device->ek_certificate));
    KS_TRY(ks_read_u16(reader, &ak_len));
    KS_TRY(ks_read_copy(reader, device->ak, sizeof device->ak));
    KS_TRY(ks_read_copy(reader, device->key, sizeof device->key));
    KS_TRY(ks_read_copy(reader, device->kem, sizeof device->kem));
    KS_TRY(ks_read_u64(reader, &device->enrolled_us));
    KS_TRY(ks_read_u64(reader, &device->expires_s));
    KS_TRY(ks_read_u64(reader, &device->attested_us));
    KS_TRY(ks_read_u64(reader, &device->clock.clock_ms));
    KS_TRY(ks_read_u32(reader, &device->clock.reset_count));
    KS_TRY(ks_read_u32(reader, &device->clock.restart_count));
    KS_TRY(ks_read_u8(reader, &failed));
    KS_CHECK(state <= KS_DEVICE_PENDING_ROTATION && ak_len <= sizeof device->ak && failed <= 1,
             KS_ERR_FORMAT, "devices: a record of another version");
    device->state = (enum ks_device_state)state;
    device->tpm = tpm;
    device->ak_len = ak_len;
    device->appraisal_failed = failed == 1;
out:
    return err;
}

/* EXPIRED follows from the certificate's end, and is never kept. */
static enum ks_err check_device(const struct ks_device_entry *device)
{
    enum ks_err err = KS_OK;

    KS_CHECK(device->state >= KS_DEVICE_ACTIVE, KS_ERR_FORMAT,
             "devices: a device without a state");
    KS_CHECK(device->state != KS_DEVICE_EXPIRED &&
                 (device->tpm == KS_TPM_SET_HARDWARE || device->tpm == KS_TPM_SET_SIMULATED),
             KS_ERR_FORMAT, "devices: a record of another version");
out:
    return err;
}

static enum ks_err read_change(struct ks_bytes record, struct change *out_change)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(record, "devices");
    struct change change = {0};
    uint8_t version = 0;
    uint8_t has = 0;

    KS_TRY(ks_read_u8(&reader, &version));
    KS_CHECK(version == VERSION, KS_ERR_FORMAT, "devices: version %u", version);
    KS_TRY(ks_read_u8(&reader, &has));
    KS_TRY(read_device(&reader, &change.device));
    KS_TRY(ks_read_copy(&reader, change.token.id, sizeof change.token.id));
    KS_TRY(ks_read_u64(&reader, &change.token.expires_us));
    KS_TRY(ks_read_copy(&reader, change.order.key, sizeof change.order.key));
    KS_TRY(ks_read_u64(&reader, &change.order.created_us));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK((has & ~(HAS_DEVICE | HAS_TOKEN | HAS_ORDER | HAS_ALERT)) == 0 &&
                 ((has & HAS_ALERT) == 0 || (has & (HAS_DEVICE | HAS_TOKEN)) == HAS_DEVICE),
             KS_ERR_FORMAT, "devices: a record of another version");
    KS_TRY((has & HAS_DEVICE) == 0 ? KS_OK : check_device(&change.device));
    change.has = has;
    *out_change = change;
out:
    return err;
}

/* --- memory ------------------------------------------------------------------------------- */

/* Where ID is, or would be. */
static size_t place_of(const struct ks_registry *registry, struct ks_bytes id, bool *out_found)
{
    size_t low = 0;
    size_t high = registry->device_count;

    *out_found = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = ks_bytes_compare(ks_bytes_text(registry->devices[middle]->id), id);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct token *find_token(const struct ks_registry *registry,
                                const uint8_t id[KS_TOKEN_ID_LEN])
{
    for (size_t i = 0; i < registry->token_count; i++) {
        if (ks_bytes_equal(KS_BYTES(registry->tokens[i].id),
                           ks_bytes_of(id, KS_TOKEN_ID_LEN))) {
            return &registry->tokens[i];
        }
    }
    return NULL;
}

static struct operator_seen *find_operator(struct ks_registry *registry, const uint8_t key[32])
{
    for (size_t i = 0; i < registry->operator_count; i++) {
        if (ks_bytes_equal(KS_BYTES(registry->operators[i].key), ks_bytes_of(key, 32))) {
            return &registry->operators[i];
        }
    }
    return NULL;
}

static void drop_alert(struct ks_registry *registry, size_t index)
{
    registry->alert_count--;
    for (size_t i = index; i < registry->alert_count; i++) {
        registry->alerts[i] = registry->alerts[i + 1];
    }
}

/* Drops the oldest alerts of DEVICE until LEFT are left. */
static void drop_alerts(struct ks_registry *registry, const struct ks_device_entry *device,
                        size_t left)
{
    size_t count = 0;

    for (size_t i = registry->alert_count; i > 0; i--) {
        if (registry->alerts[i - 1].device == device && ++count > left) {
            drop_alert(registry, i - 1);
        }
    }
}

static void take_alert(struct ks_registry *registry, const struct ks_device_entry *device,
                       const struct token *said)
{
    struct alert *alert = NULL;

    drop_alerts(registry, device, KS_REGISTRY_ALERTS_MAX - 1);
    if (registry->alert_count == KS_REGISTRY_ALERTS_TOTAL) {
        drop_alert(registry, 0);
    }
    alert = &registry->alerts[registry->alert_count++];
    *alert = (struct alert){.device = device, .at_us = said->expires_us};
    ks_copy(alert->job, said->id, sizeof alert->job);
}

/* Everything that could fail, before anything is written. */
static enum ks_err check_room(struct ks_registry *registry, const struct change *change,
                              struct ks_device_entry **out_fresh)
{
    enum ks_err err = KS_OK;
    bool found = true;

    *out_fresh = NULL;
    if ((change->has & HAS_TOKEN) != 0) {
        KS_CHECK(registry->token_count < KS_REGISTRY_TOKENS_MAX, KS_ERR_LIMIT,
                 "%d tokens were used within their life; try later", KS_REGISTRY_TOKENS_MAX);
    }
    if ((change->has & HAS_ORDER) != 0 && find_operator(registry, change->order.key) == NULL) {
        KS_CHECK(registry->operator_count < KS_REGISTRY_OPERATORS_MAX, KS_ERR_LIMIT,
                 "orders of more than %d operators", KS_REGISTRY_OPERATORS_MAX);
    }
    if ((change->has & HAS_DEVICE) != 0) {
        (void)place_of(registry, ks_bytes_text(change->device.id), &found);
    }
    if (!found) {
        KS_CHECK(registry->device_count < KS_REGISTRY_DEVICES_MAX, KS_ERR_LIMIT,
                 "%d devices are known already", KS_REGISTRY_DEVICES_MAX);
        *out_fresh = ks_calloc(1, sizeof **out_fresh);
        KS_CHECK(*out_fresh != NULL, KS_ERR_NOMEM, "device");
    }
out:
    return err;
}

/* Takes CHANGE over into memory, where FRESH is the place of a device that was not known. */
static void take_change(struct ks_registry *registry, const struct change *change,
                        struct ks_device_entry *fresh)
{
    struct operator_seen *seen = find_operator(registry, change->order.key);
    bool found = false;

    if ((change->has & HAS_DEVICE) != 0) {
        const size_t place = place_of(registry, ks_bytes_text(change->device.id), &found);

        if (!found) {
            for (size_t i = registry->device_count; i > place; i--) {
                registry->devices[i] = registry->devices[i - 1];
            }
            registry->devices[place] = fresh;
            registry->device_count++;
        }
        if (registry->devices[place]->state != change->device.state) {
            drop_alerts(registry, registry->devices[place], 0);
        } else if ((change->has & HAS_ALERT) != 0) {
            take_alert(registry, registry->devices[place], &change->token);
        }
        *registry->devices[place] = change->device;
    }
    if ((change->has & HAS_TOKEN) != 0) {
        registry->tokens[registry->token_count++] = change->token;
    }
    if ((change->has & HAS_ORDER) != 0) {
        seen = seen != NULL ? seen : &registry->operators[registry->operator_count++];
        *seen = change->order;
    }
}

static enum ks_err visit_record(void *context, struct ks_bytes record)
{
    enum ks_err err = KS_OK;
    struct ks_registry *registry = context;
    struct change change;
    struct ks_device_entry *fresh = NULL;

    KS_TRY(read_change(record, &change));
    if (change.token.expires_us <= registry->now_us) {
        change.has &= ~HAS_TOKEN; /* its grant is refused for its age from now on */
    }
    KS_TRY(check_room(registry, &change, &fresh));
    take_change(registry, &change, fresh);
out:
    return err;
}

/* --- the file ----------------------------------------------------------------------------- */

static enum ks_err rewrite(struct ks_registry *registry)
{
    enum ks_err err = KS_OK;
    struct change change = {0};
    struct ks_buf records;

    ks_buf_init(&records, (size_t)RECORD_LEN * RECORDS_MAX);
    put_change(&records, &change); /* so that the file is never empty */
    for (size_t i = 0; i < registry->device_count; i++) {
        change = (struct change){.has = HAS_DEVICE, .device = *registry->devices[i]};
        put_change(&records, &change);
    }
    for (size_t i = 0; i < registry->token_count; i++) {
        change = (struct change){.has = HAS_TOKEN, .token = registry->tokens[i]};
        put_change(&records, &change);
    }
    for (size_t i = 0; i < registry->operator_count; i++) {
        change = (struct change){.has = HAS_ORDER, .order = registry->operators[i]};
        put_change(&records, &change);
    }
    for (size_t i = 0; i < registry->alert_count; i++) {
        const struct alert *alert = &registry->alerts[i];

        change = (struct change){.has = HAS_DEVICE | HAS_ALERT, .device = *alert->device};
        ks_copy(change.token.id, alert->job, sizeof change.token.id);
        change.token.expires_us = alert->at_us;
        put_change(&records, &change);
    }
    KS_TRY(ks_buf_check(&records));
    KS_TRY(ks_chain_rewrite(registry->chain, ks_buf_view(&records)));
out:
    ks_buf_done(&records);
    return err;
}

static enum ks_err apply(struct ks_registry *registry, const struct change *change)
{
    enum ks_err err = KS_OK;
    const size_t live = 1 + registry->device_count + registry->token_count +
                        registry->operator_count + registry->alert_count;
    struct ks_device_entry *fresh = NULL;
    struct ks_buf record;

    ks_buf_init(&record, RECORD_LEN);
    KS_TRY(check_room(registry, change, &fresh));
    put_change(&record, change);
    KS_TRY(ks_buf_check(&record));
    if (ks_chain_position(registry->chain)->records >= live + SLACK) {
        KS_TRY(rewrite(registry));
    }
    KS_TRY(ks_chain_append(registry->chain, ks_buf_view(&record)));
    take_change(registry, change, fresh);
    fresh = NULL; /* transferred */
out:
    ks_free(fresh);
    ks_buf_done(&record);
    return err;
}

enum ks_err ks_registry_open(const struct ks_fs *fs, struct ks_bytes master, uint64_t now_us,
                             const struct ks_chain_position *reached,
                             struct ks_registry **out_registry)
{
    enum ks_err err = KS_OK;
    struct ks_registry *registry = ks_calloc(1, sizeof *registry);
    struct ks_chain_spec spec = {.fs = fs,
                                 .name = KS_REGISTRY_FILE,
                                 .record_len = RECORD_LEN,
                                 .records_max = RECORDS_MAX};

    KS_CHECK(registry != NULL, KS_ERR_NOMEM, "registry of devices");
    registry->now_us = now_us;
    registry->devices = ks_calloc(KS_REGISTRY_DEVICES_MAX, sizeof *registry->devices);
    registry->tokens = ks_calloc(KS_REGISTRY_TOKENS_MAX, sizeof *registry->tokens);
    registry->alerts = ks_calloc(KS_REGISTRY_ALERTS_TOTAL, sizeof *registry->alerts);
    KS_CHECK(registry->devices != NULL && registry->tokens != NULL && registry->alerts != NULL,
             KS_ERR_NOMEM, "registry of devices");
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/devices/1"),
                          spec.key, sizeof spec.key));
    KS_TRY(ks_chain_open(&spec, reached, visit_record, registry, &registry->chain));
    KS_TRY(rewrite(registry));
    *out_registry = registry;
    registry = NULL; /* transferred */
out:
    ks_wipe(&spec, sizeof spec);
    ks_registry_close(registry);
    return err;
}

void ks_registry_close(struct ks_registry *registry)
{
    if (registry == NULL) {
        return;
    }
    ks_chain_close(registry->chain);
    for (size_t i = 0; i < registry->device_count; i++) {
        ks_free(registry->devices[i]);
    }
    ks_free(registry->devices);
    ks_free(registry->tokens);
    ks_free(registry->alerts);
    ks_free(registry);
}

const struct ks_chain_position *ks_registry_reached(const struct ks_registry *registry)
{
    return ks_chain_position(registry->chain);
}

/* --- looking up and changing -------------------------------------------------------------- */

size_t ks_registry_count(const struct ks_registry *registry)
{
    return registry->device_count;
}

const struct ks_device_entry *ks_registry_at(const struct ks_registry *registry, size_t index)
{
    KS_ASSERT(index < registry->device_count);
    return registry->devices[index];
}

const struct ks_device_entry *ks_registry_find(const struct ks_registry *registry,
                                               struct ks_bytes id)
{
    bool found = false;
    const size_t place = place_of(registry, id, &found);

    return found ? registry->devices[place] : NULL;
}

const struct ks_device_entry *ks_registry_find_ek(const struct ks_registry *registry,
                                                  const uint8_t ek[32])
{
    for (size_t i = 0; i < registry->device_count; i++) {
        if (ks_bytes_equal(KS_BYTES(registry->devices[i]->ek), ks_bytes_of(ek, 32))) {
            return registry->devices[i];
        }
    }
    return NULL;
}

bool ks_registry_token_used(const struct ks_registry *registry,
                            const uint8_t token[KS_TOKEN_ID_LEN])
{
    return find_token(registry, token) != NULL;
}

enum ks_err ks_registry_put(struct ks_registry *registry, const struct ks_device_entry *entry)
{
    const struct change change = {.has = HAS_DEVICE, .device = *entry};

    return apply(registry, &change);
}

enum ks_err ks_registry_enrol(struct ks_registry *registry, const struct ks_device_entry *entry,
                              const uint8_t token[KS_TOKEN_ID_LEN], uint64_t token_expires_us)
{
    struct change change = {.has = HAS_DEVICE | HAS_TOKEN,
                            .device = *entry,
                            .token = {.expires_us = token_expires_us}};

    if (ks_registry_token_used(registry, token)) {
        return ks_fail(KS_ERR_DENIED, "the token was used already");
    }
    ks_copy(change.token.id, token, sizeof change.token.id);
    return apply(registry, &change);
}

enum ks_err ks_registry_order(struct ks_registry *registry, const struct ks_device_entry *entry,
                              const uint8_t key[32], uint64_t created_us)
{
    const struct operator_seen *seen = find_operator(registry, key);
    struct change change = {
        .has = HAS_DEVICE | HAS_ORDER, .device = *entry, .order = {.created_us = created_us}};

    if (seen != NULL && created_us <= seen->created_us) {
        return ks_fail(KS_ERR_DENIED, "an order of this operator was carried out that is as "
                                      "new as this one, or newer");
    }
    ks_copy(change.order.key, key, sizeof change.order.key);
    return apply(registry, &change);
}

enum ks_err ks_registry_alert(struct ks_registry *registry, const struct ks_device_entry *entry,
                              const uint8_t job[KS_REGISTRY_JOB_LEN], uint64_t at_us)
{
    enum ks_err err = KS_OK;
    struct change change = {.has = HAS_DEVICE | HAS_ALERT, .device = *entry};

    for (size_t i = 0; i < registry->alert_count; i++) {
        KS_CHECK(!ks_bytes_equal(KS_BYTES(registry->alerts[i].job),
                                 ks_bytes_of(job, KS_REGISTRY_JOB_LEN)),
                 KS_ERR_CONFLICT, "that job's alert is known");
    }
    ks_copy(change.token.id, job, sizeof change.token.id);
    change.token.expires_us = at_us;
    KS_TRY(apply(registry, &change));
out:
    return err;
}

size_t ks_registry_alerts(const struct ks_registry *registry, struct ks_bytes id,
                          uint64_t since_us)
{
    size_t count = 0;

    for (size_t i = 0; i < registry->alert_count; i++) {
        const struct alert *alert = &registry->alerts[i];

        count += alert->at_us >= since_us && ks_bytes_is(id, alert->device->id);
    }
    return count;
}
