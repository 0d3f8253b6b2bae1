/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The firmware's event log and the kernel's list of files, with vectors of
 * tools/vectors_platform_logs.py, which replays them without our code. */
#include "expect.h"

#include "attest/ima.h"
#include "attest/tcglog.h"
#include "base/json.h"
#include "base/text.h"
#include "vector_files.h"

#define FOLDER "platform-logs"

static struct ks_json_doc *expected_of(const char *name)
{
    const struct ks_json_limits limits = {.len_max = VECTOR_LEN_MAX, .nodes_max = 100};
    struct ks_json_doc *doc = NULL;
    struct ks_buf text;

    vector_read(FOLDER "/accept", name, &text);
    assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
    ks_buf_done(&text);
    return doc;
}

static uint64_t number(const struct ks_json *object, const char *name)
{
    uint64_t value = 0;

    assert_int_equal(ks_json_get_u64(object, name, 1000000, &value), KS_OK);
    return value;
}

/* --- the firmware's log ------------------------------------------------------------------- */

static void read_log(const char *name, struct ks_buf *bytes, struct ks_tcg_log *log)
{
    char file[64];

    (void)snprintf(file, sizeof file, "accept/%s.tcg", name);
    vector_read(FOLDER, file, bytes);
    if (ks_tcg_log_parse(ks_buf_view(bytes), log) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
}

static void test_boot_logs_replay(void **state)
{
    static const char *const names[] = {"uefi", "plain", "sha256-only", "no-events"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[64];
        struct ks_buf bytes;
        struct ks_tcg_log log = {0};
        uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
        uint32_t mask = 0;

        (void)snprintf(file, sizeof file, "%s.json", names[i]);
        struct ks_json_doc *doc = expected_of(file);
        const struct ks_json *want = ks_json_root(doc);
        const struct ks_json *pcrs = ks_json_find(want, "pcrs");
        read_log(names[i], &bytes, &log);
        assert_int_equal(log.count, number(want, "count"));
        assert_int_equal(log.startup_locality, number(want, "locality"));
        ks_tcg_log_replay(&log, values, &mask);
        assert_int_equal(ks_pcr_mask_count(mask), ks_json_count(pcrs));
        for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
            uint8_t value[KS_PCR_DIGEST_LEN];
            char key[4];

            (void)snprintf(key, sizeof key, "%u", pcr);
            if ((mask & 1u << pcr) != 0) {
                assert_int_equal(ks_json_get_hex(pcrs, key, value, sizeof value), KS_OK);
                assert_memory_equal(values[pcr], value, sizeof value);
            }
        }
        assert_int_equal(ks_tcg_log_check_data(&log), KS_OK);
        ks_tcg_log_done(&log);
        ks_buf_done(&bytes);
        ks_json_doc_free(doc);
    }
}

static void test_events_say_what_they_are_about(void **state)
{
    static const struct {
        size_t index;
        const char *type;
        const char *text;
        bool bound;
    } rows[] = {
        {1, "EV_S_CRTM_VERSION", "Example 1.7", true},
        {2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "", false},
        {3, "EV_EFI_VARIABLE_DRIVER_CONFIG", "SecureBoot", true},
        {7, "EV_SEPARATOR", "", true},
        {9, "EV_EFI_VARIABLE_BOOT", "BootOrder", true},
        {10, "EV_EFI_VARIABLE_BOOT2", "Boot0001", true},
        {11, "EV_EFI_ACTION", "Calling EFI Application from Boot Option", true},
        {21, "EV_EFI_BOOT_SERVICES_APPLICATION", "\\EFI\\debian\\shimx64.efi", false},
        {24, "EV_IPL", "grub_cmd: linux /vmlinuz ro", false},
    };
    struct ks_buf bytes;
    struct ks_tcg_log log = {0};

    (void)state;
    read_log("uefi", &bytes, &log);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ks_tcg_event *event = &log.events[rows[i].index];
        char text[KS_TCG_TEXT_MAX];
        uint32_t type = 0;

        assert_string_equal(ks_tcg_event_type_name(event->type), rows[i].type);
        assert_int_equal(ks_tcg_event_type_of(ks_bytes_text(rows[i].type), &type), KS_OK);
        assert_int_equal(type, event->type);
        ks_tcg_event_text(event, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(ks_tcg_event_bound(event), rows[i].bound);
    }
    const struct {
        uint32_t type;
        struct ks_bytes data;
        const char *text;
    } texts[] = {
        {0x0d, KS_LITERAL("a\0b\0\0"), "ab"},
        {0x0d, KS_LITERAL("a\0b\0\0\0"), "ab"},
        {0x0d, KS_LITERAL("a\nb"), "a?b"},
        {0x0d, KS_LITERAL("a\0b"), "ab"},
        {0x01, KS_LITERAL("\1\2\3\0\0\0ab"), ""},
        {0x01, KS_LITERAL("POST CODE"), "POST CODE"},
        {0x08, KS_LITERAL("\xe9\x7f\xf5\1"), ""},
        {0x0d, KS_LITERAL(""), ""},
        {0x80000003, KS_LITERAL("cut short"), ""},
        {0x80000001, KS_LITERAL("cut short"), ""},
        {0x04, KS_LITERAL("text"), ""},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct ks_tcg_event event = {.type = texts[i].type, .data = texts[i].data};
        char text[KS_TCG_TEXT_MAX];

        ks_tcg_event_text(&event, text);
        assert_string_equal(text, texts[i].text);
    }
    uint32_t type = 0;
    assert_null(ks_tcg_event_type_name(0x12345678));
    expect_failure(ks_tcg_event_type_of(KS_LITERAL("EV_NOTHING"), &type), KS_ERR_FORMAT,
                   "unknown event type 'EV_NOTHING'");
    ks_tcg_log_done(&log);
    ks_buf_done(&bytes);
}

/* The readable part of an event is not what was measured: the log still replays. */
static void test_rewritten_data_is_found(void **state)
{
    struct ks_buf bytes;
    struct ks_tcg_log log = {0};
    unsigned found = 0;

    (void)state;
    read_log("uefi", &bytes, &log);
    for (size_t i = 0; i < log.count; i++) {
        if (!ks_tcg_event_bound(&log.events[i])) {
            continue;
        }
        char want[64];
        const size_t offset = (size_t)(log.events[i].data.data - bytes.data);

        (void)snprintf(want, sizeof want, "event %zu, PCR %u, EV_", i + 1, log.events[i].pcr);
        bytes.data[offset] ^= 1;
        /* Whoever hashes the contents alone does not see a changed name; the data still are not
         * wholly bound, which EV_EFI_VARIABLE_BOOT2 was made for. */
        if (log.events[i].type == 0x80000002) {
            assert_true(ks_tcg_event_bound(&log.events[i]));
            bytes.data[offset + log.events[i].data.len - 1] ^= 1;
            assert_false(ks_tcg_event_bound(&log.events[i]));
            bytes.data[offset + log.events[i].data.len - 1] ^= 1;
        } else {
            expect_failure(ks_tcg_log_check_data(&log), KS_ERR_VERIFY, want);
        }
        bytes.data[offset] ^= 1;
        found++;
    }
    assert_true(found >= 18);
    ks_tcg_log_done(&log);
    ks_buf_done(&bytes);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t len = strlen(name);

    return len >= strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static void refused(void *context, const char *name, struct ks_bytes bytes)
{
    unsigned *counts = context;
    struct ks_tcg_log tcg = {0};
    struct ks_ima_log ima = {0};
    const bool is_tcg = ends_with(name, ".tcg");
    const enum ks_err err =
        is_tcg ? ks_tcg_log_parse(bytes, &tcg) : ks_ima_log_parse(bytes, &ima);

    if (err != vector_error(name)) {
        fail_msg("%s: %s, %s", name, ks_err_name(err), ks_err_detail());
    }
    assert_null(tcg.events);
    assert_null(ima.entries);
    counts[is_tcg]++;
}

static void test_broken_logs_are_refused(void **state)
{
    unsigned counts[2] = {0, 0};

    (void)state;
    vector_each(FOLDER "/reject", 38, counts, refused);
    assert_true(counts[0] >= 18 && counts[1] >= 20);
}

static void test_errors_name_the_event(void **state)
{
    static const struct {
        const char *file;
        const char *reason;
    } rows[] = {
        {"format-sha1-only.tcg", "no crypto-agile log"},
        {"format-no-sha256.tcg", "no sha256 bank"},
        {"format-version.tcg", "specification version 2.1"},
        {"format-pcr-24.tcg", "event 1: event: PCR 24"},
        {"format-undeclared.tcg", "event 1: event: algorithm 0x000c is not declared"},
        {"format-locality-late.tcg", "event 2: a startup locality after PCR 0"},
        {"format-locality-twice.tcg", "event 2: a second startup locality"},
        {"format-hash.ima", "entry 1: its template hash is not the SHA-1"},
        {"format-pcr-11.ima", "entry 1: PCR 11, want 10"},
        {"format-template.ima", "none of ima, ima-ng, ima-sig"},
        {"format-digest-length.ima", "a digest of 20 bytes under sha256"},
        {"format-nul-inside.ima", "a NUL inside its path"},
        {"format-trailing.ima", "entry 2: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_buf bytes;
        struct ks_tcg_log tcg = {0};
        struct ks_ima_log ima = {0};

        vector_read(FOLDER "/reject", rows[i].file, &bytes);
        expect_failure(ends_with(rows[i].file, ".tcg")
                           ? ks_tcg_log_parse(ks_buf_view(&bytes), &tcg)
                           : ks_ima_log_parse(ks_buf_view(&bytes), &ima),
                       KS_ERR_FORMAT, rows[i].reason);
        ks_buf_done(&bytes);
    }
}

/* Every prefix ends at an event or is refused. */
static void test_cut_boot_logs(void **state)
{
    struct ks_buf bytes;
    struct ks_tcg_log log = {0};
    size_t whole = 0;

    (void)state;
    vector_read(FOLDER, "accept/uefi.tcg", &bytes);
    for (size_t len = 0; len <= bytes.len; len++) {
        const enum ks_err err = ks_tcg_log_parse(ks_bytes_of(bytes.data, len), &log);
        if (err == KS_OK) {
            assert_int_equal(log.count, whole);
            whole++;
        } else {
            assert_int_equal(err, KS_ERR_FORMAT);
        }
        ks_tcg_log_done(&log);
    }
    assert_int_equal(whole, 29); /* none, and after each of 28 */
    ks_buf_done(&bytes);
}

static void test_boot_log_limits(void **state)
{
    struct ks_buf bytes;
    struct ks_buf one;
    struct ks_tcg_log log = {0};

    (void)state;
    vector_read(FOLDER, "accept/no-events.tcg", &one);
    ks_buf_init(&bytes, 4 * KS_TCG_LOG_MAX);
    ks_buf_put(&bytes, ks_buf_view(&one));
    for (size_t i = 0; i < KS_TCG_EVENTS_MAX; i++) {
        /* PCR 1, EV_IPL, one digest of sha256, no data. */
        ks_buf_put(&bytes, KS_LITERAL("\1\0\0\0\15\0\0\0\1\0\0\0\13\0"));
        ks_buf_put(&bytes, KS_LITERAL("0123456789abcdef0123456789abcdef\0\0\0\0"));
    }
    assert_int_equal(ks_tcg_log_parse(ks_buf_view(&bytes), &log), KS_OK);
    assert_int_equal(log.count, KS_TCG_EVENTS_MAX);
    ks_tcg_log_done(&log);
    ks_buf_put(&bytes, KS_LITERAL("\1\0\0\0\15\0\0\0\1\0\0\0\13\0"));
    ks_buf_put(&bytes, KS_LITERAL("0123456789abcdef0123456789abcdef\0\0\0\0"));
    expect_failure(ks_tcg_log_parse(ks_buf_view(&bytes), &log), KS_ERR_LIMIT,
                   "more than 4096 events");
    assert_non_null(ks_buf_reserve(&bytes, KS_TCG_LOG_MAX));
    expect_failure(ks_tcg_log_parse(ks_bytes_of(bytes.data, KS_TCG_LOG_MAX + 1), &log),
                   KS_ERR_LIMIT, "limit 2097152");
    ks_buf_done(&one);
    ks_buf_done(&bytes);
}

/* --- the kernel's list -------------------------------------------------------------------- */

static void read_list(const char *name, struct ks_buf *bytes, struct ks_ima_log *log)
{
    char file[64];

    (void)snprintf(file, sizeof file, "accept/%s.ima", name);
    vector_read(FOLDER, file, bytes);
    if (ks_ima_log_parse(ks_buf_view(bytes), log) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
}

static void test_lists_replay(void **state)
{
    static const char *const names[] = {"ima", "ima-ng", "ima-sig", "one"};
    static const uint8_t initial[KS_PCR_DIGEST_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[64];
        struct ks_buf bytes;
        struct ks_ima_log log = {0};
        uint8_t want[2][KS_PCR_DIGEST_LEN];
        uint8_t got[KS_PCR_DIGEST_LEN];

        (void)snprintf(file, sizeof file, "%s.json", names[i]);
        struct ks_json_doc *doc = expected_of(file);
        const struct ks_json *expected = ks_json_root(doc);
        read_list(names[i], &bytes, &log);
        assert_int_equal(log.count, number(expected, "count"));
        assert_int_equal(ks_ima_log_violations(&log, log.count),
                         number(expected, "violations"));
        assert_int_equal(
            ks_json_get_hex(expected, "per_bank", want[KS_IMA_PER_BANK], sizeof want[0]),
            KS_OK);
        assert_int_equal(
            ks_json_get_hex(expected, "padded", want[KS_IMA_PADDED], sizeof want[0]), KS_OK);
        for (unsigned rule = 0; rule < 2; rule++) {
            enum ks_ima_rule found = KS_IMA_PER_BANK;
            size_t count = 0;

            ks_ima_log_replay(&log, (enum ks_ima_rule)rule, log.count, initial, got);
            assert_memory_equal(got, want[rule], sizeof got);
            assert_int_equal(ks_ima_log_match(&log, initial, want[rule], &found, &count),
                             KS_OK);
            assert_int_equal(found, rule);
            assert_int_equal(count, log.count);
        }
        ks_ima_log_done(&log);
        ks_buf_done(&bytes);
        ks_json_doc_free(doc);
    }
}

static void test_fields_of_entries(void **state)
{
    struct ks_buf bytes;
    struct ks_ima_log log = {0};

    (void)state;
    read_list("ima-sig", &bytes, &log);
    assert_int_equal(log.count, 5);
    expect_text(log.entries[0].path, "boot_aggregate");
    expect_text(log.entries[1].path, "/usr/lib/systemd/systemd");
    expect_text(log.entries[1].alg, "sha256");
    expect_text(log.entries[1].signature, "ini");
    assert_int_equal(log.entries[1].digest.len, 32);
    assert_true(log.entries[2].violation);
    assert_false(log.entries[3].violation);
    assert_string_equal(ks_ima_template_name(log.entries[0].kind), "ima-sig");
    ks_ima_log_done(&log);
    ks_buf_done(&bytes);
    read_list("ima", &bytes, &log);
    expect_text(log.entries[3].path, "/usr/bin/ketseal-enclave");
    expect_text(log.entries[3].alg, "sha1");
    assert_int_equal(log.entries[3].digest.len, 20);
    assert_string_equal(ks_ima_template_name(log.entries[0].kind), "ima");
    assert_string_equal(ks_ima_rule_name(KS_IMA_PER_BANK), "per-bank");
    ks_ima_log_done(&log);
    ks_buf_done(&bytes);
}

/* A list read after the quote holds more; one that says something else holds nothing. */
static void test_a_longer_list_matches_its_prefix(void **state)
{
    static const uint8_t initial[KS_PCR_DIGEST_LEN];
    struct ks_buf bytes;
    struct ks_ima_log log = {0};
    uint8_t value[KS_PCR_DIGEST_LEN];
    enum ks_ima_rule rule = KS_IMA_PADDED;
    size_t count = 0;

    (void)state;
    read_list("ima-ng", &bytes, &log);
    for (size_t i = 1; i <= log.count; i++) {
        ks_ima_log_replay(&log, KS_IMA_PER_BANK, i, initial, value);
        assert_int_equal(ks_ima_log_match(&log, initial, value, &rule, &count), KS_OK);
        assert_int_equal(count, i);
        assert_int_equal(rule, KS_IMA_PER_BANK);
    }
    /* No entry at all explains nothing. */
    expect_failure(ks_ima_log_match(&log, initial, initial, &rule, &count), KS_ERR_VERIFY,
                   "none of its 5 entries");
    value[0] ^= 1;
    expect_failure(ks_ima_log_match(&log, initial, value, &rule, &count), KS_ERR_VERIFY,
                   "the value of PCR 10");
    /* An entry taken out, or two exchanged. */
    ks_ima_log_replay(&log, KS_IMA_PER_BANK, log.count, initial, value);
    const struct ks_ima_entry kept = log.entries[3];
    log.entries[3] = log.entries[4];
    assert_int_equal(ks_ima_log_match(&log, initial, value, &rule, &count), KS_ERR_VERIFY);
    log.entries[4] = kept;
    assert_int_equal(ks_ima_log_match(&log, initial, value, &rule, &count), KS_ERR_VERIFY);
    ks_ima_log_done(&log);
    ks_buf_done(&bytes);
}

static void test_cut_lists(void **state)
{
    struct ks_buf bytes;
    struct ks_ima_log log = {0};
    size_t whole = 0;

    (void)state;
    vector_read(FOLDER, "accept/ima-ng.ima", &bytes);
    for (size_t len = 0; len <= bytes.len; len++) {
        const enum ks_err err = ks_ima_log_parse(ks_bytes_of(bytes.data, len), &log);
        if (err == KS_OK) {
            whole++;
            assert_int_equal(log.count, whole);
        } else {
            assert_int_equal(err, KS_ERR_FORMAT);
        }
        ks_ima_log_done(&log);
    }
    assert_int_equal(whole, 5);
    ks_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_logs_replay),
        cmocka_unit_test(test_events_say_what_they_are_about),
        cmocka_unit_test(test_rewritten_data_is_found),
        cmocka_unit_test(test_broken_logs_are_refused),
        cmocka_unit_test(test_errors_name_the_event),
        cmocka_unit_test(test_cut_boot_logs),
        cmocka_unit_test(test_boot_log_limits),
        cmocka_unit_test(test_lists_replay),
        cmocka_unit_test(test_fields_of_entries),
        cmocka_unit_test(test_a_longer_list_matches_its_prefix),
        cmocka_unit_test(test_cut_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
