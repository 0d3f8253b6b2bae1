/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include <stdio.h>
#include <string.h>

#include "crypto/digest.h"
#include "enclave/chain.h"
#include "enclave/registry.h"
#include "fault/crash_fs.h"

#define FILE_MAX   ((size_t)1 << 20)
#define HEADER_LEN 8 /* which the tag of the first record covers */
#define NOW_US     UINT64_C(1700000000000000)
#define NOW_S      (NOW_US / 1000000)

static const uint8_t master[32] = {4, 5, 6};

struct site {
    struct crash_disk *disk;
    struct ks_fs fs;
    struct ks_registry *registry;
};

static void site_open(struct site *site)
{
    assert_int_equal(crash_disk_new(1, &site->disk), KS_OK);
    site->fs = crash_fs_of(site->disk);
    assert_int_equal(
        ks_registry_open(&site->fs, KS_BYTES(master), NOW_US, NULL, &site->registry), KS_OK);
}

static void site_close(struct site *site)
{
    ks_registry_close(site->registry);
    crash_disk_free(site->disk);
}

/* As after a restart at TIME_US. */
static void reopen(struct site *site, uint64_t time_us)
{
    ks_registry_close(site->registry);
    site->registry = NULL;
    assert_int_equal(
        ks_registry_open(&site->fs, KS_BYTES(master), time_us, NULL, &site->registry), KS_OK);
}

static struct ks_device_entry entry_of(const char *id, uint8_t mark)
{
    struct ks_device_entry entry = {.state = KS_DEVICE_ACTIVE,
                                    .tpm = KS_TPM_SET_SIMULATED,
                                    .ak = {1, 2, 3},
                                    .ak_len = 3,
                                    .enrolled_us = NOW_US,
                                    .expires_s = NOW_S + 1000,
                                    .attested_us = NOW_US,
                                    .clock = {77, 8, 9}};

    (void)snprintf(entry.id, sizeof entry.id, "%s", id);
    memset(entry.ek, mark, sizeof entry.ek);
    memset(entry.key, mark ^ 0x80, sizeof entry.key);
    return entry;
}

static void expect_entry(const struct ks_device_entry *got, const struct ks_device_entry *want)
{
    assert_non_null(got);
    assert_string_equal(got->id, want->id);
    assert_string_equal(got->reason, want->reason);
    assert_int_equal(got->state, want->state);
    assert_int_equal(got->tpm, want->tpm);
    expect_bytes(KS_BYTES(got->ek), KS_BYTES(want->ek));
    expect_bytes(KS_BYTES(got->key), KS_BYTES(want->key));
    expect_bytes(ks_bytes_of(got->ak, got->ak_len), ks_bytes_of(want->ak, want->ak_len));
    assert_int_equal(got->enrolled_us, want->enrolled_us);
    assert_int_equal(got->expires_s, want->expires_s);
    assert_int_equal(got->attested_us, want->attested_us);
    assert_int_equal(got->clock.clock_ms, want->clock.clock_ms);
    assert_int_equal(got->clock.reset_count, want->clock.reset_count);
    assert_int_equal(got->clock.restart_count, want->clock.restart_count);
    assert_int_equal(got->appraisal_failed, want->appraisal_failed);
}

/* What was kept is there after a restart, in the order of the ids, whatever came first. */
static void test_devices_stay(void **state)
{
    (void)state;
    static const char *const ids[] = {"m", "b", "z", "a", "edge-10", "edge-1", "edge-2"};
    static const char *const sorted[] = {"a", "b", "edge-1", "edge-10", "edge-2", "m", "z"};
    struct site site;

    site_open(&site);
    for (uint8_t i = 0; i < 7; i++) {
        const struct ks_device_entry entry = entry_of(ids[i], i);

        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    }
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(ks_registry_count(site.registry), 7);
        for (size_t i = 0; i < 7; i++) {
            assert_string_equal(ks_registry_at(site.registry, i)->id, sorted[i]);
        }
        for (uint8_t i = 0; i < 7; i++) {
            const struct ks_device_entry want = entry_of(ids[i], i);

            expect_entry(ks_registry_find(site.registry, ks_bytes_text(ids[i])), &want);
            expect_entry(ks_registry_find_ek(site.registry, want.ek), &want);
        }
        assert_null(ks_registry_find(site.registry, KS_LITERAL("edge")));
        reopen(&site, NOW_US);
    }
    site_close(&site);
}

static void test_last_word_counts(void **state)
{
    (void)state;
    struct site site;
    struct ks_device_entry entry = entry_of("edge-1", 1);

    site_open(&site);
    for (unsigned i = 0; i < 5000; i++) { /* over the slack: the file is rewritten meanwhile */
        entry.attested_us = NOW_US + i;
        entry.state = i % 2 == 0 ? KS_DEVICE_SUSPENDED : KS_DEVICE_ACTIVE;
        entry.appraisal_failed = i % 2 == 0;
        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    }
    (void)snprintf(entry.reason, sizeof entry.reason, "%s", "lost on a train");
    entry.state = KS_DEVICE_REVOKED;
    assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    reopen(&site, NOW_US);
    assert_int_equal(ks_registry_count(site.registry), 1);
    expect_entry(ks_registry_find(site.registry, KS_LITERAL("edge-1")), &entry);
    site_close(&site);
}

/* A token is used up with the very device that used it, and forgotten once it has expired. */
static void test_tokens(void **state)
{
    (void)state;
    static const uint8_t token[KS_TOKEN_ID_LEN] = {7};
    static const uint8_t other[KS_TOKEN_ID_LEN] = {8};
    struct site site;
    struct ks_device_entry one = entry_of("edge-1", 1);
    struct ks_device_entry two = entry_of("edge-2", 2);

    site_open(&site);
    assert_false(ks_registry_token_used(site.registry, token));
    assert_int_equal(ks_registry_enrol(site.registry, &one, token, NOW_US + 10), KS_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(ks_registry_token_used(site.registry, token));
        assert_false(ks_registry_token_used(site.registry, other));
        expect_failure(ks_registry_enrol(site.registry, &two, token, NOW_US + 10),
                       KS_ERR_DENIED, "the token was used already");
        assert_int_equal(ks_registry_count(site.registry), 1);
        reopen(&site, NOW_US);
    }
    reopen(&site, NOW_US + 10);
    assert_false(ks_registry_token_used(site.registry, token));
    assert_non_null(ks_registry_find(site.registry, KS_LITERAL("edge-1")));
    site_close(&site);
}

static void test_orders(void **state)
{
    (void)state;
    static const uint8_t alice[32] = {1};
    static const uint8_t bob[32] = {2};
    struct site site;
    struct ks_device_entry entry = entry_of("edge-1", 1);

    site_open(&site);
    assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    entry.state = KS_DEVICE_SUSPENDED;
    assert_int_equal(ks_registry_order(site.registry, &entry, alice, NOW_US), KS_OK);
    entry.state = KS_DEVICE_ACTIVE;
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t age = 0; age < 2; age++) { /* the same again, and one from before it */
            expect_failure(ks_registry_order(site.registry, &entry, alice, NOW_US - age),
                           KS_ERR_DENIED, "an order of this operator was carried out");
        }
        assert_int_equal(ks_registry_find(site.registry, KS_LITERAL("edge-1"))->state,
                         KS_DEVICE_SUSPENDED);
        reopen(&site, NOW_US);
    }
    assert_int_equal(ks_registry_order(site.registry, &entry, bob, NOW_US - 5), KS_OK);
    assert_int_equal(ks_registry_order(site.registry, &entry, alice, NOW_US + 1), KS_OK);
    site_close(&site);
}

/* --- alerts ------------------------------------------------------------------------------- */

static size_t alerts(const struct site *site, const char *id, uint64_t since_us)
{
    return ks_registry_alerts(site->registry, ks_bytes_text(id), since_us);
}

static enum ks_err alert(struct site *site, const struct ks_device_entry *entry,
                         unsigned number, uint64_t at_us)
{
    const uint8_t job[KS_REGISTRY_JOB_LEN] = {(uint8_t)(number >> 8), (uint8_t)number, 77};

    return ks_registry_alert(site->registry, entry, job, at_us);
}

/* Each device has its own, also after restarts; a change of its state ends them. */
static void test_alerts(void **state)
{
    (void)state;
    struct site site;
    struct ks_device_entry one = entry_of("edge-1", 1);
    struct ks_device_entry other = entry_of("edge-2", 2);

    site_open(&site);
    assert_int_equal(ks_registry_put(site.registry, &one), KS_OK);
    assert_int_equal(ks_registry_put(site.registry, &other), KS_OK);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(alert(&site, &one, i, NOW_US + 10 * i), KS_OK);
    }
    assert_int_equal(alert(&site, &other, 5, NOW_US + 7), KS_OK);
    expect_failure(alert(&site, &other, 2, NOW_US + 99), KS_ERR_CONFLICT, "is known");
    one.attested_us++; /* another record of the device, in the same state */
    assert_int_equal(ks_registry_put(site.registry, &one), KS_OK);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(alerts(&site, "edge-1", 0), 5);
        assert_int_equal(alerts(&site, "edge-1", NOW_US + 20), 3);
        assert_int_equal(alerts(&site, "edge-1", NOW_US + 41), 0);
        assert_int_equal(alerts(&site, "edge-2", 0), 1);
        assert_int_equal(alerts(&site, "edge", 0), 0);
        reopen(&site, NOW_US + 1000000);
    }
    one.state = KS_DEVICE_SUSPENDED;
    assert_int_equal(alert(&site, &one, 6, NOW_US + 50), KS_OK);
    assert_int_equal(alerts(&site, "edge-1", 0), 0);
    assert_int_equal(alerts(&site, "edge-2", 0), 1);
    reopen(&site, NOW_US);
    expect_entry(ks_registry_find(site.registry, KS_LITERAL("edge-1")), &one);
    assert_int_equal(alerts(&site, "edge-1", 0), 0);
    one.state = KS_DEVICE_ACTIVE;
    assert_int_equal(ks_registry_put(site.registry, &one), KS_OK);
    assert_int_equal(alert(&site, &one, 1, NOW_US + 60), KS_OK); /* was forgotten */
    assert_int_equal(alerts(&site, "edge-1", 0), 1);
    site_close(&site);
}

/* The last ones of a device and of all are kept, and no device takes another one's place before
 * its own are over. */
static void test_many_alerts(void **state)
{
    (void)state;
    enum { OF_ONE = 3 * KS_REGISTRY_ALERTS_MAX };
    struct site site;
    const struct ks_device_entry one = entry_of("edge-1", 1);
    const struct ks_device_entry other = entry_of("edge-2", 2);

    site_open(&site);
    assert_int_equal(ks_registry_put(site.registry, &one), KS_OK);
    assert_int_equal(ks_registry_put(site.registry, &other), KS_OK);
    assert_int_equal(alert(&site, &other, 60000, NOW_US), KS_OK);
    for (unsigned i = 0; i < OF_ONE; i++) {
        assert_int_equal(alert(&site, &one, i, NOW_US + i), KS_OK);
    }
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(alerts(&site, "edge-1", 0), KS_REGISTRY_ALERTS_MAX);
        assert_int_equal(alerts(&site, "edge-1", NOW_US + OF_ONE - 10), 10);
        assert_int_equal(alerts(&site, "edge-2", 0), 1);
        reopen(&site, NOW_US);
    }
    for (unsigned device = 0; device < 2 * KS_REGISTRY_ALERTS_TOTAL / 64; device++) {
        struct ks_device_entry entry = entry_of("", (uint8_t)device);

        (void)snprintf(entry.id, sizeof entry.id, "many-%u", device);
        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
        for (unsigned i = 0; i < 64; i++) {
            assert_int_equal(alert(&site, &entry, 1000 + device * 64 + i, NOW_US + i), KS_OK);
        }
        assert_int_equal(alerts(&site, entry.id, 0), 64);
    }
    assert_int_equal(alerts(&site, "edge-2", 0), 0); /* the oldest of all */
    assert_int_equal(alerts(&site, "many-0", 0), 0);
    assert_int_equal(alerts(&site, "many-129", 0), 64);
    reopen(&site, NOW_US);
    assert_int_equal(alerts(&site, "many-128", 0), 64);
    assert_int_equal(alerts(&site, "many-127", 0), 0);
    site_close(&site);
}

static void test_states(void **state)
{
    (void)state;
    struct ks_device_entry entry = entry_of("edge-1", 1);

    assert_int_equal(ks_device_state_at(&entry, NOW_S + 1000), KS_DEVICE_ACTIVE);
    assert_int_equal(ks_device_state_at(&entry, NOW_S + 1001), KS_DEVICE_EXPIRED);
    entry.state = KS_DEVICE_PENDING_ROTATION;
    assert_int_equal(ks_device_state_at(&entry, NOW_S + 1001), KS_DEVICE_EXPIRED);
    entry.state = KS_DEVICE_REVOKED; /* stays what it is */
    assert_int_equal(ks_device_state_at(&entry, NOW_S + 1001), KS_DEVICE_REVOKED);
    assert_string_equal(ks_device_state_name(KS_DEVICE_PENDING_ROTATION), "PENDING_ROTATION");
}

static void load(const struct site *site, struct ks_buf *out)
{
    ks_buf_init(out, FILE_MAX);
    assert_int_equal(ks_fs_load(&site->fs, KS_REGISTRY_FILE, FILE_MAX, out), KS_OK);
}

static enum ks_err open_with(const struct site *site, struct ks_bytes file)
{
    struct ks_registry *registry = NULL;
    enum ks_err err = KS_OK;

    assert_int_equal(ks_fs_replace(&site->fs, KS_REGISTRY_FILE, file), KS_OK);
    err = ks_registry_open(&site->fs, KS_BYTES(master), NOW_US, NULL, &registry);
    ks_registry_close(registry);
    return err;
}

/* Any byte changed is noticed, but for those of the last record, which could be torn; cut
 * anywhere inside a record, that record was torn. Nothing is taken from a file of other keys.
 */
static void test_tampering(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf file;
    size_t record = 0;
    const uint8_t other[32] = {9};
    struct ks_registry *registry = NULL;

    site_open(&site);
    load(&site, &file);
    record = file.len - HEADER_LEN; /* the first one alone */
    ks_buf_done(&file);
    for (uint8_t i = 0; i < 3; i++) {
        const struct ks_device_entry entry = entry_of(i == 0 ? "a" : i == 1 ? "b" : "c", i);

        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    }
    load(&site, &file);
    assert_int_equal(file.len, HEADER_LEN + 4 * record);
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] ^= 0x40;
        if (i < HEADER_LEN + 3 * record) {
            expect_failure(open_with(&site, ks_buf_view(&file)), KS_ERR_VERIFY,
                           "devices: record");
        } else {
            assert_int_equal(open_with(&site, ks_buf_view(&file)), KS_OK);
        }
        file.data[i] ^= 0x40;
    }
    for (size_t len = 1; len < HEADER_LEN + record; len += 97) {
        expect_failure(open_with(&site, ks_bytes_of(file.data, len)), KS_ERR_VERIFY,
                       "devices: record 1 was cut");
    }
    for (size_t len = HEADER_LEN + 2 * record; len < HEADER_LEN + 3 * record; len += 97) {
        assert_int_equal(open_with(&site, ks_bytes_of(file.data, len)), KS_OK);
    }
    assert_int_equal(open_with(&site, ks_buf_view(&file)), KS_OK);
    expect_failure(ks_registry_open(&site.fs, KS_BYTES(other), NOW_US, NULL, &registry),
                   KS_ERR_VERIFY, "devices: record 1 was changed");
    ks_buf_done(&file);
    site_close(&site);
}

/* Whole records put elsewhere: each is good by itself, but not behind these. */
static void test_moved_records(void **state)
{
    (void)state;
    struct site site;
    struct ks_buf file;
    struct ks_buf moved;
    size_t record = 0;

    site_open(&site);
    load(&site, &file);
    record = file.len - HEADER_LEN;
    ks_buf_done(&file);
    for (uint8_t i = 0; i < 4; i++) {
        const struct ks_device_entry entry = entry_of("a", i);

        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    }
    load(&site, &file);
    static const unsigned char orders[][6] = {
        {0, 2, 1, 3, 4, 5}, /* 5: the end */ {0, 1, 3, 4, 5, 5},
        {0, 1, 1, 2, 3, 4}, {1, 2, 3, 4, 5, 5},
        {0, 1, 2, 3, 3, 4},
    };
    ks_buf_init(&moved, FILE_MAX);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        ks_buf_clear(&moved);
        ks_buf_put(&moved, ks_bytes_of(file.data, HEADER_LEN));
        for (size_t k = 0; k < 6 && orders[i][k] < 5; k++) {
            ks_buf_put(&moved,
                       ks_bytes_of(file.data + HEADER_LEN + orders[i][k] * record, record));
        }
        expect_failure(open_with(&site, ks_buf_view(&moved)), KS_ERR_VERIFY, "was changed");
    }
    ks_buf_done(&moved);
    ks_buf_done(&file);
    site_close(&site);
}

/* --- behind the tags ---------------------------------------------------------------------- */

#define RECORD_LEN 823 /* docs/formats/registry.md, as are the offsets below */

static enum ks_err visit_nothing(void *context, struct ks_bytes record)
{
    (void)context;
    (void)record;
    return KS_OK;
}

/* RECORDS with true tags, by whoever holds the key. */
static enum ks_err open_records(const struct site *site, struct ks_bytes records)
{
    struct ks_chain_spec spec = {.fs = &site->fs,
                                 .name = KS_REGISTRY_FILE,
                                 .record_len = RECORD_LEN,
                                 .records_max = 100};
    struct ks_chain *chain = NULL;
    struct ks_registry *registry = NULL;
    enum ks_err err = KS_OK;

    assert_int_equal(ks_hkdf_sha256(KS_BYTES(master), (struct ks_bytes){0},
                                    KS_LITERAL("ketseal/devices/1"), spec.key, sizeof spec.key),
                     KS_OK);
    assert_int_equal(ks_fs_replace(&site->fs, KS_REGISTRY_FILE, (struct ks_bytes){0}), KS_OK);
    assert_int_equal(ks_chain_open(&spec, NULL, visit_nothing, NULL, &chain), KS_OK);
    assert_int_equal(ks_chain_rewrite(chain, records), KS_OK);
    ks_chain_close(chain);
    err = ks_registry_open(&site->fs, KS_BYTES(master), NOW_US, NULL, &registry);
    assert_int_equal(err == KS_OK, registry != NULL);
    ks_registry_close(registry);
    return err;
}

static void test_records_of_another_version(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        const char *says; /* NULL: it is as it should be */
    } cases[] = {
        {0, 0, "devices: version 0"},
        {0, 1, NULL},
        {0, 2, "devices: version 2"},
        {1, 8, "another version"}, /* an alert of no device */
        {1, 9, NULL},
        {1, 11, "another version"}, /* an alert where a token is */
        {1, 16, "another version"},
        {1, 0x81, "another version"},
        {2 + 63, 'x', "bytes behind a text"},
        {2, 0xff, "devices: a text"},
        {2, 0, "bytes behind a text"},
        {66, 0, "a device without a state"},
        {66, 1, NULL},
        {66, 4, "another version"}, /* EXPIRED is never kept */
        {66, 6, NULL},
        {66, 7, "another version"},
        {67 + 199, 'x', "bytes behind a text"},
        {67, 0x80, "devices: a text"},
        {267, 0, "another version"}, /* no kind of TPM */
        {267, 1, NULL},
        {267, 3, "another version"}, /* both */
        {332, 1, NULL},              /* 256 + 3 bytes of key */
        {332, 2, "another version"}, /* 512 + 3 */
        {758, 1, NULL},
        {758, 2, "another version"},
    };
    const struct ks_device_entry entry = entry_of("edge-1", 1);
    struct site site;
    struct ks_buf file;
    struct ks_buf records;

    site_open(&site);
    assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
    load(&site, &file);
    assert_int_equal(file.len, HEADER_LEN + 2 * (RECORD_LEN + KS_CHAIN_TAG_LEN));
    ks_buf_init(&records, FILE_MAX);
    for (size_t i = 0; i < 2; i++) {
        const size_t at = HEADER_LEN + i * (RECORD_LEN + KS_CHAIN_TAG_LEN);
        ks_buf_put(&records, ks_bytes_of(file.data + at, RECORD_LEN));
    }
    assert_int_equal(open_records(&site, ks_buf_view(&records)), KS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *byte = &records.data[RECORD_LEN + cases[i].offset];
        const uint8_t before = *byte;

        *byte = cases[i].value;
        if (cases[i].says == NULL) {
            assert_int_equal(open_records(&site, ks_buf_view(&records)), KS_OK);
        } else {
            expect_failure(open_records(&site, ks_buf_view(&records)), KS_ERR_FORMAT,
                           cases[i].says);
        }
        *byte = before;
    }
    ks_buf_done(&records);
    ks_buf_done(&file);
    site_close(&site);
}

/* --- limits ------------------------------------------------------------------------------- */

static void test_too_many_operators(void **state)
{
    (void)state;
    struct site site;
    const struct ks_device_entry entry = entry_of("edge-1", 1);
    uint8_t key[32] = {0};

    site_open(&site);
    for (uint8_t i = 0; i < KS_REGISTRY_OPERATORS_MAX; i++) {
        key[0] = i;
        assert_int_equal(ks_registry_order(site.registry, &entry, key, NOW_US + i), KS_OK);
    }
    for (unsigned round = 0; round < 2; round++) {
        key[0] = KS_REGISTRY_OPERATORS_MAX;
        expect_failure(ks_registry_order(site.registry, &entry, key, NOW_US), KS_ERR_LIMIT,
                       "orders of more than 64 operators");
        key[0] = 0;
        assert_int_equal(ks_registry_order(site.registry, &entry, key, NOW_US + 1 + round),
                         KS_OK);
        reopen(&site, NOW_US);
    }
    site_close(&site);
}

static void test_too_many_devices_and_tokens(void **state)
{
    (void)state;
    struct site site;
    struct ks_device_entry entry = entry_of("", 1);
    uint8_t token[KS_TOKEN_ID_LEN] = {0};

    site_open(&site);
    for (unsigned i = 0; i < KS_REGISTRY_DEVICES_MAX; i++) {
        (void)snprintf(entry.id, sizeof entry.id, "d%u", i);
        token[0] = (uint8_t)(i >> 8);
        token[1] = (uint8_t)i;
        assert_int_equal(ks_registry_enrol(site.registry, &entry, token, NOW_US + 10), KS_OK);
    }
    token[2] = 1;
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(ks_registry_count(site.registry), KS_REGISTRY_DEVICES_MAX);
        expect_failure(ks_registry_enrol(site.registry, &entry, token, NOW_US + 10),
                       KS_ERR_LIMIT, "16384 tokens were used within their life");
        assert_false(ks_registry_token_used(site.registry, token));
        (void)snprintf(entry.id, sizeof entry.id, "new");
        expect_failure(ks_registry_put(site.registry, &entry), KS_ERR_LIMIT,
                       "16384 devices are known already");
        (void)snprintf(entry.id, sizeof entry.id, "d77");
        assert_int_equal(ks_registry_put(site.registry, &entry), KS_OK);
        reopen(&site, NOW_US);
    }
    reopen(&site, NOW_US + 10); /* their grants are too old by now */
    assert_int_equal(ks_registry_enrol(site.registry, &entry, token, NOW_US + 20), KS_OK);
    site_close(&site);
}

/* --- a disk that fails -------------------------------------------------------------------- */

static enum ks_err (*real_append)(struct ks_fs_file *file, struct ks_bytes bytes);
static unsigned appends_left;

static enum ks_err failing_append(struct ks_fs_file *file, struct ks_bytes bytes)
{
    if (appends_left == 0) {
        return ks_fail(KS_ERR_IO, "the disk is full");
    }
    appends_left--;
    return real_append(file, bytes);
}

/* What could not be written did not happen; nothing more is written before the next start. */
static void test_full_disk(void **state)
{
    (void)state;
    struct site site;
    const struct ks_device_entry one = entry_of("edge-1", 1);
    const struct ks_device_entry two = entry_of("edge-2", 2);
    struct ks_device_entry changed = one;

    changed.state = KS_DEVICE_REVOKED;
    site_open(&site);
    real_append = site.fs.append;
    site.fs.append = failing_append;
    appends_left = 1;
    assert_int_equal(ks_registry_put(site.registry, &one), KS_OK);
    expect_failure(ks_registry_put(site.registry, &two), KS_ERR_IO, "the disk is full");
    assert_null(ks_registry_find(site.registry, KS_LITERAL("edge-2")));
    appends_left = 100;
    expect_failure(ks_registry_put(site.registry, &changed), KS_ERR_IO,
                   "an earlier write failed; restart the site");
    assert_int_equal(ks_registry_find(site.registry, KS_LITERAL("edge-1"))->state,
                     KS_DEVICE_ACTIVE);
    reopen(&site, NOW_US);
    assert_int_equal(ks_registry_count(site.registry), 1);
    assert_int_equal(ks_registry_put(site.registry, &changed), KS_OK);
    reopen(&site, NOW_US);
    assert_int_equal(ks_registry_find(site.registry, KS_LITERAL("edge-1"))->state,
                     KS_DEVICE_REVOKED);
    site_close(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_stay),
        cmocka_unit_test(test_last_word_counts),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_many_alerts),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_moved_records),
        cmocka_unit_test(test_records_of_another_version),
        cmocka_unit_test(test_too_many_operators),
        cmocka_unit_test(test_too_many_devices_and_tokens),
        cmocka_unit_test(test_full_disk),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
