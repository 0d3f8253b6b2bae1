/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/eventlog.h"

#include "crypto/digest.h"

#define BANK "sha256"
/* Values in a document: itself, 4 members, 3 values for each event. */
#define NODES_MAX (8 + 3 * KS_EVENTS_MAX)

void ks_event_log_init(struct ks_event_log *log, unsigned pcr,
                       const uint8_t initial[KS_PCR_DIGEST_LEN])
{
    KS_ASSERT(pcr < KS_PCR_COUNT);
    *log = (struct ks_event_log){.pcr = pcr};
    if (initial != NULL) {
        ks_copy(log->initial, initial, KS_PCR_DIGEST_LEN);
    }
}

/* 1 to KS_EVENT_NAME_MAX of [A-Za-z0-9._+-]: programs and libraries, "libstdc++.so.6". */
static bool is_event_name(struct ks_bytes name)
{
    if (name.len < 1 || name.len > KS_EVENT_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '+' || c == '-')) {
            return false;
        }
    }
    return true;
}

static enum ks_err add(struct ks_event_log *log, struct ks_bytes name,
                       const uint8_t digest[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_event event = {0};

    KS_CHECK(is_event_name(name), KS_ERR_FORMAT, "event name is not 1 to %d of [A-Za-z0-9._+-]",
             KS_EVENT_NAME_MAX);
    ks_copy(event.name, name.data, name.len);
    ks_copy(event.digest, digest, KS_PCR_DIGEST_LEN);
    KS_CHECK(ks_event_log_find(log, event.name) == NULL, KS_ERR_FORMAT, "event '%s' twice",
             event.name);
    KS_CHECK(log->count < KS_EVENTS_MAX, KS_ERR_LIMIT, "more than %d events", KS_EVENTS_MAX);
    log->events[log->count++] = event;
out:
    return err;
}

enum ks_err ks_event_log_add(struct ks_event_log *log, const char *name,
                             const uint8_t digest[KS_PCR_DIGEST_LEN])
{
    return add(log, ks_bytes_text(name), digest);
}

const uint8_t *ks_event_log_find(const struct ks_event_log *log, const char *name)
{
    for (size_t i = 0; i < log->count; i++) {
        if (ks_bytes_is(ks_bytes_text(log->events[i].name), name)) {
            return log->events[i].digest;
        }
    }
    return NULL;
}

void ks_event_log_replay(const struct ks_event_log *log, uint8_t out_value[KS_PCR_DIGEST_LEN])
{
    uint8_t value[KS_PCR_DIGEST_LEN];
    uint8_t next[KS_PCR_DIGEST_LEN];

    ks_copy(value, log->initial, sizeof value);
    for (size_t i = 0; i < log->count; i++) {
        const struct ks_bytes parts[] = {KS_BYTES(value), KS_BYTES(log->events[i].digest)};
        ks_sha256_parts(parts, 2, next);
        ks_copy(value, next, sizeof value);
    }
    ks_copy(out_value, value, sizeof value);
}

bool ks_event_log_equal(const struct ks_event_log *a, const struct ks_event_log *b)
{
    if (a->pcr != b->pcr || a->count != b->count ||
        !ks_bytes_equal(KS_BYTES(a->initial), KS_BYTES(b->initial))) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        /* Names are NUL-filled to their full length. */
        if (!ks_bytes_equal(KS_BYTES(a->events[i].name), KS_BYTES(b->events[i].name)) ||
            !ks_bytes_equal(KS_BYTES(a->events[i].digest), KS_BYTES(b->events[i].digest))) {
            return false;
        }
    }
    return true;
}

void ks_event_log_put(const struct ks_event_log *log, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_text(writer, "bank", BANK);
    ks_json_put_key(writer, "events");
    ks_json_put_array(writer);
    for (size_t i = 0; i < log->count; i++) {
        ks_json_put_object(writer);
        ks_json_member_hex(writer, "digest", KS_BYTES(log->events[i].digest));
        ks_json_member_text(writer, "name", log->events[i].name);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
    ks_json_member_hex(writer, "initial", KS_BYTES(log->initial));
    ks_json_member_u64(writer, "pcr", log->pcr);
    ks_json_put_end(writer);
}

void ks_event_log_write(const struct ks_event_log *log, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_event_log_put(log, &writer);
}

static enum ks_err read_event(struct ks_event_log *log, const struct ks_json *value)
{
    enum ks_err err = KS_OK;
    static const char *const members[] = {"digest", "name", NULL};
    uint8_t digest[KS_PCR_DIGEST_LEN];
    struct ks_bytes name;

    KS_CHECK(ks_json_type(value) == KS_JSON_OBJECT, KS_ERR_FORMAT, "event is no object");
    KS_TRY(ks_json_only(value, members));
    KS_TRY(ks_json_get_hex(value, "digest", digest, sizeof digest));
    KS_TRY(ks_json_get_string(value, "name", &name));
    KS_TRY(add(log, name, digest));
out:
    return err;
}

static enum ks_err read_log(const struct ks_json *value, struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    static const char *const members[] = {"bank", "events", "initial", "pcr", NULL};
    struct ks_bytes bank;
    uint64_t pcr;
    const struct ks_json *events;

    KS_CHECK(ks_json_type(value) == KS_JSON_OBJECT, KS_ERR_FORMAT, "not an object");
    KS_TRY(ks_json_only(value, members));
    KS_TRY(ks_json_get_string(value, "bank", &bank));
    KS_CHECK(ks_bytes_is(bank, BANK), KS_ERR_FORMAT, "'bank' is not \"" BANK "\"");
    KS_TRY(ks_json_get_u64(value, "pcr", KS_PCR_COUNT - 1, &pcr));
    log->pcr = (unsigned)pcr;
    KS_TRY(ks_json_get_hex(value, "initial", log->initial, sizeof log->initial));
    KS_TRY(ks_json_get(value, "events", KS_JSON_ARRAY, &events));
    KS_CHECK(ks_json_count(events) <= KS_EVENTS_MAX, KS_ERR_LIMIT, "%zu events, limit %d",
             ks_json_count(events), KS_EVENTS_MAX);
    for (size_t i = 0; i < ks_json_count(events); i++) {
        KS_TRY(read_event(log, ks_json_at(events, i)));
    }
out:
    return err;
}

enum ks_err ks_event_log_from_json(const struct ks_json *value, struct ks_event_log *out_log)
{
    enum ks_err err = KS_OK;
    struct ks_event_log log = {0};

    KS_TRY(ks_fail_prefix(read_log(value, &log), "event log"));
    *out_log = log;
out:
    return err;
}

enum ks_err ks_event_log_parse(struct ks_bytes text, struct ks_event_log *out_log)
{
    enum ks_err err = KS_OK;
    static const struct ks_json_limits limits = {
        .len_max = KS_EVENT_LOG_MAX,
        .nodes_max = NODES_MAX,
    };
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_fail_prefix(ks_json_parse_canonical(text, &limits, &doc), "event log"));
    KS_TRY(ks_event_log_from_json(ks_json_root(doc), out_log));
out:
    ks_json_doc_free(doc);
    return err;
}
