/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Appraisal: a platform that is as it should be, and one test for each way in which evidence
 * can be false, old, of another machine, or missing. */
#include "expect.h"

#include "attest/ima.h"
#include "base/json.h"
#include "base/text.h"
#include "crypto/tpmcred.h"
#include "platform.h"

static const struct ks_clock_seen seen_before = {.clock_ms = 900000, .reset_count = 7};

static enum ks_err appraise(const struct platform *platform,
                            const struct ks_platform_evidence *evidence,
                            const struct ks_clock_seen *seen, struct ks_appraisal *out)
{
    const struct ks_appraise_spec spec = {
        .extra_data = KS_LITERAL(PLATFORM_NONCE),
        .reference = platform->reference,
        .seen = seen,
    };

    return ks_appraise(evidence, &spec, out);
}

/* The evidence is refused by CHECK, which is in STATE, with a reason that contains TEXT. */
#define expect_refused(platform, evidence, check, wanted_state, text)                          \
    do {                                                                                       \
        struct ks_appraisal verdict;                                                           \
        expect_failure(appraise((platform), (evidence), &seen_before, &verdict),               \
                       KS_ERR_VERIFY, (text));                                                 \
        assert_false(verdict.passed);                                                          \
        assert_int_equal(ks_appraisal_blocking(&verdict), (check));                            \
        assert_int_equal(verdict.checks[check].state, (wanted_state));                         \
    } while (0)
#define expect_fails(platform, check, text)                                                    \
    do {                                                                                       \
        const struct ks_platform_evidence shown = platform_evidence(platform);                 \
        expect_refused((platform), &shown, (check), KS_APPRAISAL_FAIL, (text));                \
    } while (0)

static void quote(struct platform *platform)
{
    platform_quote(platform, KS_LITERAL(PLATFORM_NONCE));
}

static void test_a_good_platform_passes(void **state)
{
    struct platform platform;
    struct ks_appraisal got;

    (void)state;
    platform_init(&platform);
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    if (appraise(&platform, &evidence, &seen_before, &got) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_true(got.passed && got.quoted);
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        if (got.checks[i].state != KS_APPRAISAL_PASS ||
            got.checks[i].demanded != (i != KS_APPRAISAL_CLOCK_SAFE)) {
            fail_msg("%s: %s", ks_appraisal_check_name((enum ks_appraisal_check)i),
                     got.checks[i].reason);
        }
        assert_string_equal(got.checks[i].reason, "");
    }
    assert_int_equal(got.boot_events, 28);
    assert_int_equal(got.ima_entries, 5);
    assert_int_equal(got.ima_violations, 1);
    assert_int_equal(got.programs, 2);
    assert_int_equal(got.clock.clock_ms, 1000000);
    assert_int_equal(got.clock.reset_count, 7);
    assert_int_equal(ks_appraisal_blocking(&got), KS_APPRAISAL_CHECKS);
    platform_done(&platform);
}

/* --- the quote ---------------------------------------------------------------------------- */

static void test_quotes_that_are_not_this_one(void **state)
{
    struct platform platform;
    struct platform other;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    platform_init(&other);
    /* Wrong nonce; replayed: made for an earlier challenge. */
    platform_quote(&platform, KS_LITERAL("another challenge, an hour ago"));
    expect_fails(&platform, KS_APPRAISAL_NONCE, "nonce: quote extra data: made for something");
    /* Relayed: another machine answered the challenge, with its own key. */
    evidence = platform_evidence(&other);
    evidence.ak = &platform.ak;
    expect_refused(&platform, &evidence, KS_APPRAISAL_SIGNATURE, KS_APPRAISAL_FAIL,
                   "signature is false");
    /* Re-signed: the quote of this TPM, signed by a key that is no TPM's. */
    quote(&platform);
    EVP_PKEY *own = platform.key;
    platform.key = other.key;
    platform_sign(&platform);
    platform.key = own;
    expect_fails(&platform, KS_APPRAISAL_SIGNATURE, "signature is false");
    /* Another key of the same signer: the quote names it. */
    platform_sign(&platform);
    struct ks_ak_public kept = platform.ak;
    platform.ak.qualified_name[5] ^= 1;
    expect_fails(&platform, KS_APPRAISAL_SIGNER, "it names another key");
    platform.ak = kept;
    /* Truncated: as it came, and signed so. */
    evidence = platform_evidence(&platform);
    evidence.attest.len--;
    expect_refused(&platform, &evidence, KS_APPRAISAL_SIGNATURE, KS_APPRAISAL_FAIL,
                   "signature is false");
    evidence.attest.len++;
    evidence.signature.len--;
    expect_refused(&platform, &evidence, KS_APPRAISAL_SIGNATURE, KS_APPRAISAL_FAIL,
                   "quote signature");
    platform.attest.len--;
    platform_sign(&platform);
    expect_fails(&platform, KS_APPRAISAL_SIGNER, "signer: quote");
    platform_done(&other);
    platform_done(&platform);
}

static void test_quotes_under_another_hash(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    platform.signature.data[3] = 0x0c; /* SHA-384 */
    expect_fails(&platform, KS_APPRAISAL_SIGNATURE, "hash is 0x000c");
    platform.bank = 0x0004; /* the SHA-1 PCRs */
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_SIGNER, "PCR bank is 0x0004");
    platform.attest.data[4] = 0x80; /* a certified time, not a quote */
    platform.attest.data[5] = 0x19;
    platform_sign(&platform);
    expect_fails(&platform, KS_APPRAISAL_SIGNER, "attestation type");
    platform_done(&platform);
}

static void test_values_that_were_not_quoted(void **state)
{
    struct platform platform;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    platform.values[4][0] ^= 1;
    expect_fails(&platform, KS_APPRAISAL_PCRS, "the platform ran something else");
    quote(&platform);
    evidence = platform_evidence(&platform);
    evidence.pcr_mask &= ~(1u << 14);
    expect_refused(&platform, &evidence, KS_APPRAISAL_PCRS, KS_APPRAISAL_FAIL, "PCR mask");
    evidence.pcr_mask = 0x01000000;
    expect_refused(&platform, &evidence, KS_APPRAISAL_PCRS, KS_APPRAISAL_FAIL,
                   "values for PCR mask");
    platform.quoted_mask &= ~(1u << 14);
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_REQUIRED, "PCR 14 is required, but not quoted");
    platform_done(&platform);
}

/* --- TPM and clock ------------------------------------------------------------------------ */

static void test_tpm_and_firmware(void **state)
{
    struct platform platform;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    evidence = platform_evidence(&platform);
    evidence.tpm = KS_TPM_SET_HARDWARE;
    expect_refused(&platform, &evidence, KS_APPRAISAL_TPM, KS_APPRAISAL_FAIL,
                   "the TPM is hardware, which");
    evidence.tpm = KS_TPM_SET_HARDWARE | KS_TPM_SET_SIMULATED;
    expect_refused(&platform, &evidence, KS_APPRAISAL_TPM, KS_APPRAISAL_FAIL, "not known");
    evidence.tpm = 0;
    expect_refused(&platform, &evidence, KS_APPRAISAL_TPM, KS_APPRAISAL_FAIL, "not known");
    platform.firmware--;
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_FIRMWARE, "version 2019102300163635, want 20191023");
    platform_done(&platform);
}

static void test_clock(void **state)
{
    static const struct {
        uint64_t clock_ms;
        uint32_t resets;
        uint32_t restarts;
        const char *reason; /* NULL: passes */
    } rows[] = {
        {900000, 7, 0, NULL},           {899999, 7, 0, "the clock says 899999 ms, but"},
        {900000, 6, 0, "below 7"},      {900000, 9, 0, NULL},
        {900000, 10, 0, "more than 2"}, {900000, 7, 1, NULL},
        {900000, 7, 2, "more than 1"},  {900000, 8, 1, NULL},
        {900000, 8, 2, "more than 1"},
    };
    const struct ks_clock_seen restarted = {
        .clock_ms = 1, .reset_count = 7, .restart_count = 5};
    struct platform platform;
    struct ks_appraisal got;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        platform.clock_ms = rows[i].clock_ms;
        platform.reset_count = rows[i].resets;
        platform.restart_count = rows[i].restarts;
        quote(&platform);
        if (rows[i].reason != NULL) {
            expect_fails(&platform, KS_APPRAISAL_CLOCK_ORDER, rows[i].reason);
        } else {
            evidence = platform_evidence(&platform);
            assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_OK);
        }
    }
    platform.reset_count = 7;
    platform.restart_count = 4;
    quote(&platform);
    evidence = platform_evidence(&platform);
    expect_failure(appraise(&platform, &evidence, &restarted, &got), KS_ERR_VERIFY,
                   "restart count 4 is below 5");
    /* Nothing seen before: not run, not demanded, and no pass. */
    assert_int_equal(appraise(&platform, &evidence, NULL, &got), KS_OK);
    assert_int_equal(got.checks[KS_APPRAISAL_CLOCK_ORDER].state, KS_APPRAISAL_NOT_RUN);
    platform_done(&platform);
}

/* Power fails at the edge: the clock may go back then, the reset count does not. */
static void test_power_loss(void **state)
{
    struct platform platform;
    struct ks_appraisal got;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    platform.safe = 0;
    platform.clock_ms = seen_before.clock_ms - 1;
    platform.reset_count = seen_before.reset_count + 1;
    platform.restart_count = 0;
    quote(&platform);
    evidence = platform_evidence(&platform);
    assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_OK);
    assert_int_equal(got.checks[KS_APPRAISAL_CLOCK_SAFE].state, KS_APPRAISAL_NOT_RUN);
    /* Vouched for, it is compared; and without a reset, always. */
    platform.safe = 1;
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_CLOCK_ORDER, "an old quote");
    platform.safe = 0;
    platform.reset_count = seen_before.reset_count;
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_CLOCK_ORDER, "an old quote");
    platform_done(&platform);
}

/* --- logs --------------------------------------------------------------------------------- */

static void test_a_changed_pcr_is_named(void **state)
{
    static const struct {
        unsigned pcr;
        enum ks_appraisal_check check;
        const char *reason;
    } rows[] = {
        {0, KS_APPRAISAL_BOOT_LOG, "PCR 0: the boot log leads to"},
        {4, KS_APPRAISAL_BOOT_LOG,
         "last it has: event 24, EV_EFI_BOOT_SERVICES_APPLICATION "
         "'\\EFI\\debian\\grubx64.efi'"},
        {7, KS_APPRAISAL_GOLDEN, "PCR 7: value"},
        {10, KS_APPRAISAL_IMA_LOG, "the value of PCR 10"},
        {14, KS_APPRAISAL_LAUNCH_LOG,
         "PCR 14: the 2 events of the launch log, the last "
         "'ketseal-worker'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct platform platform;

        platform_init(&platform);
        platform_extend(&platform, rows[i].pcr);
        quote(&platform);
        expect_fails(&platform, rows[i].check, rows[i].reason);
        platform_done(&platform);
    }
}

static void test_absence_is_never_a_pass(void **state)
{
    struct platform platform;
    struct ks_platform_evidence evidence;

    (void)state;
    platform_init(&platform);
    evidence = platform_evidence(&platform);
    evidence.ima_log.len = 0;
    expect_refused(&platform, &evidence, KS_APPRAISAL_IMA_LOG, KS_APPRAISAL_NOT_RUN,
                   "no list of files was sent");
    evidence = platform_evidence(&platform);
    evidence.launch_log.len = 0;
    expect_refused(&platform, &evidence, KS_APPRAISAL_LAUNCH_LOG, KS_APPRAISAL_NOT_RUN,
                   "no launch log was sent");
    evidence = platform_evidence(&platform);
    evidence.tcg_log.len = 0;
    /* Then nothing explains what shim extended before the launch either. */
    expect_refused(&platform, &evidence, KS_APPRAISAL_LAUNCH_LOG, KS_APPRAISAL_FAIL,
                   "something was extended before the first program");
    struct ks_appraisal got;
    assert_int_equal(appraise(&platform, &evidence, NULL, &got), KS_ERR_VERIFY);
    assert_int_equal(got.checks[KS_APPRAISAL_BOOT_LOG].state, KS_APPRAISAL_NOT_RUN);
    assert_int_equal(got.checks[KS_APPRAISAL_BOOT_EVENTS].state, KS_APPRAISAL_NOT_RUN);
    assert_true(got.checks[KS_APPRAISAL_BOOT_EVENTS].demanded);
    evidence.signature.len = 0;
    expect_refused(&platform, &evidence, KS_APPRAISAL_SIGNATURE, KS_APPRAISAL_FAIL, "");
    assert_int_equal(appraise(&platform, &evidence, NULL, &got), KS_ERR_VERIFY);
    for (unsigned i = KS_APPRAISAL_SIGNER; i < KS_APPRAISAL_CHECKS; i++) {
        assert_true(i == KS_APPRAISAL_TPM || got.checks[i].state == KS_APPRAISAL_NOT_RUN);
    }
    assert_false(got.quoted);
    platform_done(&platform);
}

static void test_boot_logs_that_do_not_hold(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    /* The last event taken out: 12 bytes, three digests with 2 bytes before each, and the text
     * with its length. */
    const size_t last = 12 + 2 + 20 + 2 + 32 + 2 + 48 + 4 + 40;
    platform.tcg_log.len -= last;
    expect_fails(&platform, KS_APPRAISAL_BOOT_LOG,
                 "last it has: event 27, EV_EFI_ACTION 'Exit Boot Services Invocation'");
    platform.tcg_log.len += last;
    platform.tcg_log.data[platform.tcg_log.len - 1] ^= 1;
    expect_fails(&platform, KS_APPRAISAL_BOOT_LOG,
                 "event 28, PCR 5, EV_EFI_ACTION: its digest is not that of its data");
    platform.tcg_log.data[platform.tcg_log.len - 1] ^= 1;
    platform.tcg_log.len--;
    expect_fails(&platform, KS_APPRAISAL_BOOT_LOG, "event 28");
    platform_done(&platform);
}

static void test_events_that_are_not_allowed(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    /* The reference knows another boot loader. */
    struct ks_buf text;
    ks_buf_init(&text, KS_REFERENCE_MAX);
    ks_reference_write(platform.reference, &text);
    ks_buf_put_u8(&text, 0);
    /* Its last event of PCR 4 is an image's, as the type sorts last. */
    char *image = strstr((char *)text.data, "\"pcr\":4,\"type\":\"EV_EFI_BOOT_SERVICES_APPL");
    assert_non_null(image);
    char digest[65] = {0};
    ks_copy(digest, image - 66, 64);
    char changed[65];
    ks_copy(changed, digest, sizeof changed);
    changed[63] = changed[63] == '0' ? '1' : '0';
    platform_edit_reference(&platform, digest, changed);
    expect_fails(&platform, KS_APPRAISAL_BOOT_EVENTS,
                 "EV_EFI_BOOT_SERVICES_APPLICATION '\\EFI\\debian\\");
    expect_fails(&platform, KS_APPRAISAL_BOOT_EVENTS, "PCR 4, event 2");
    ks_buf_done(&text);
    platform_done(&platform);
}

/* Firmware that measures nothing has nothing that is not allowed. */
static void test_a_pcr_without_events(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    platform_edit_reference(&platform, "9,10,14]", "9,10,11,14]");
    platform.quoted_mask |= 1u << 11;
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_BOOT_EVENTS,
                 "PCR 11: the boot log has no event for it");
    platform_extend(&platform, 11);
    quote(&platform);
    expect_fails(&platform, KS_APPRAISAL_BOOT_LOG, "PCR 11: the boot log leads to");
    platform_done(&platform);
}

static void test_programs_and_files_that_are_not_allowed(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    platform_edit_reference(&platform, "{\"digest\":\"e2", "{\"digest\":\"e3");
    expect_fails(&platform, KS_APPRAISAL_PROGRAMS,
                 "PCR 14, event 2, program 'ketseal-worker': digest e2");
    platform_edit_reference(&platform, "{\"digest\":\"e3", "{\"digest\":\"e2");
    platform_edit_reference(&platform, "\"violations_allowed\":true",
                            "\"violations_allowed\":false");
    expect_fails(&platform, KS_APPRAISAL_FILES,
                 "PCR 10, entry 3, ima-ng '/var/log/journal': a violation");
    platform_edit_reference(&platform, "\"violations_allowed\":false",
                            "\"violations_allowed\":true");
    platform_edit_reference(&platform, "/usr/bin/ketseal-enclave", "/usr/bin/ketseal-f");
    expect_fails(&platform, KS_APPRAISAL_FILES,
                 "PCR 10, entry 4, ima-ng '/usr/bin/ketseal-enclave': digest");
    platform_done(&platform);
}

struct told {
    unsigned count;
    char checks[8][32];
    char sentences[8][200];
};

static void tell(void *context, enum ks_appraisal_check check, const char *sentence)
{
    struct told *told = context;

    assert_true(told->count < 8);
    (void)snprintf(told->checks[told->count], sizeof told->checks[0], "%s",
                   ks_appraisal_check_name(check));
    (void)snprintf(told->sentences[told->count], sizeof told->sentences[0], "%s", sentence);
    told->count++;
}

/* Who asks hears of each difference; verdict and reasons are the same for who does not. */
static void expect_told(const struct platform *platform, const char *const (*wanted)[2],
                        unsigned count)
{
    const struct ks_platform_evidence shown = platform_evidence(platform);
    struct told told = {0};
    const struct ks_appraise_spec spec = {.extra_data = KS_LITERAL(PLATFORM_NONCE),
                                          .reference = platform->reference,
                                          .seen = &seen_before,
                                          .differs = tell,
                                          .context = &told};
    struct ks_appraisal heard;
    struct ks_appraisal silent;

    assert_int_equal(ks_appraise(&shown, &spec, &heard), KS_ERR_VERIFY);
    assert_int_equal(told.count, count);
    for (unsigned i = 0; i < told.count; i++) {
        assert_string_equal(told.checks[i], wanted[i][0]);
        if (strstr(told.sentences[i], wanted[i][1]) == NULL) {
            fail_msg("'%s' lacks '%s'", told.sentences[i], wanted[i][1]);
        }
    }
    assert_int_equal(appraise(platform, &shown, &seen_before, &silent), KS_ERR_VERIFY);
    assert_memory_equal(&heard, &silent, sizeof heard);
}

static void test_each_difference_is_told(void **state)
{
    static const char *const values[][2] = {
        {"pcrs.required", "PCR 11 is required"},
        {"pcrs.required", "PCR 12 is required"},
        {"boot.events", "PCR 11"},
        {"boot.events", "PCR 12"},
    };
    static const char *const rows[][2] = {
        {"launch.programs", "event 1, program"},
        {"launch.programs", "event 2, program"},
        {"ima.files", "entry 3, ima-ng"},
        {"ima.files", "entry 4, ima-ng"},
    };
    struct platform platform;

    (void)state;
    platform_init(&platform);
    platform_edit_reference(&platform, "9,10,14]", "9,10,11,12,14]");
    expect_told(&platform, values, 4); /* the logs that begin there are one thing each */
    platform_edit_reference(&platform, "9,10,11,12,14]", "9,10,14]");
    platform_edit_reference(&platform, "{\"digest\":\"e1", "{\"digest\":\"e0");
    platform_edit_reference(&platform, "{\"digest\":\"e2", "{\"digest\":\"e3");
    platform_edit_reference(&platform, "\"violations_allowed\":true",
                            "\"violations_allowed\":false");
    platform_edit_reference(&platform, "/usr/bin/ketseal-enclave", "/usr/bin/ketseal-f");
    expect_told(&platform, rows, 4);
    platform_done(&platform);
}

/* A launch log that replays, but of another PCR, or that is no canonical JSON. */
static void test_launch_logs_that_do_not_hold(void **state)
{
    struct platform platform;

    (void)state;
    platform_init(&platform);
    const size_t len = platform.launch_log.len;
    platform.launch_log.data[len - 2] = '5'; /* "pcr":15 */
    expect_fails(&platform, KS_APPRAISAL_LAUNCH_LOG, "it is of PCR 15, want 14");
    platform.launch_log.data[len - 2] = '4';
    ks_buf_put_u8(&platform.launch_log, '\n');
    expect_fails(&platform, KS_APPRAISAL_LAUNCH_LOG, "launch log: event log");
    platform_done(&platform);
}

static void put_le32(struct ks_buf *out, size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        ks_buf_put_u8(out, (uint8_t)(value >> (8 * i)));
    }
}

/* Appends an ima-ng entry for PATH with a SHA-256 as its file's digest. */
static void put_entry(struct ks_buf *out, const char *path, const uint8_t digest[32])
{
    struct ks_buf data;
    uint8_t sha1[KS_SHA1_LEN];

    ks_buf_init(&data, 4096);
    put_le32(&data, 8 + 32);
    ks_buf_put(&data, KS_LITERAL("sha256:\0"));
    ks_buf_put(&data, ks_bytes_of(digest, 32));
    put_le32(&data, strlen(path) + 1);
    ks_buf_put(&data, ks_bytes_of(path, strlen(path) + 1));
    const struct ks_bytes view = ks_buf_view(&data);
    ks_tpm_digest(KS_TPM_SHA1, &view, 1, sha1);
    put_le32(out, KS_IMA_PCR);
    ks_buf_put(out, KS_BYTES(sha1));
    put_le32(out, 6);
    ks_buf_put(out, KS_LITERAL("ima-ng"));
    put_le32(out, data.len);
    ks_buf_put(out, view);
    ks_buf_done(&data);
}

/* PCR 10 as a kernel with RULE leaves it after the platform's list. */
static void extend_list(struct platform *platform, enum ks_ima_rule rule)
{
    static const uint8_t zeros[KS_PCR_DIGEST_LEN];
    struct ks_ima_log log = {0};

    assert_int_equal(ks_ima_log_parse(ks_buf_view(&platform->ima_log), &log), KS_OK);
    ks_ima_log_replay(&log, rule, log.count, zeros, platform->pcrs[KS_IMA_PCR]);
    ks_ima_log_done(&log);
    quote(platform);
}

/* The kernel's first entry hashes PCR 0 to 9, or 0 to 7: it needs no row, if it is right. */
static void test_boot_aggregate(void **state)
{
    static const uint8_t wrong[32] = {0x12};
    struct platform platform;
    struct ks_appraisal got;
    uint8_t digest[32];

    (void)state;
    platform_init(&platform);
    for (unsigned pcrs = 7; pcrs <= 10; pcrs++) {
        assert_int_equal(EVP_Digest(platform.pcrs, pcrs * sizeof platform.pcrs[0], digest, NULL,
                                    EVP_sha256(), NULL),
                         1);
        ks_buf_clear(&platform.ima_log);
        put_entry(&platform.ima_log, "boot_aggregate", digest);
        extend_list(&platform, KS_IMA_PER_BANK);
        const struct ks_platform_evidence evidence = platform_evidence(&platform);
        if (pcrs == 8 || pcrs == 10) {
            assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_OK);
        } else {
            expect_fails(&platform, KS_APPRAISAL_FILES, "entry 1, ima-ng 'boot_aggregate'");
        }
    }
    /* Only in the first place, and only by this name. */
    ks_buf_clear(&platform.ima_log);
    put_entry(&platform.ima_log, "boot_aggregate", digest);
    put_entry(&platform.ima_log, "boot_aggregate", digest);
    extend_list(&platform, KS_IMA_PER_BANK);
    expect_fails(&platform, KS_APPRAISAL_FILES, "entry 2, ima-ng 'boot_aggregate'");
    ks_buf_clear(&platform.ima_log);
    put_entry(&platform.ima_log, "/bin/sh", digest);
    extend_list(&platform, KS_IMA_PER_BANK);
    expect_fails(&platform, KS_APPRAISAL_FILES, "entry 1, ima-ng '/bin/sh'");
    /* A name that is made to be read. */
    ks_buf_clear(&platform.ima_log);
    put_entry(&platform.ima_log, "/bin/\x1b[2Jsh\xff", wrong);
    extend_list(&platform, KS_IMA_PER_BANK);
    expect_fails(&platform, KS_APPRAISAL_FILES, "entry 1, ima-ng '/bin/?[2Jsh?': digest 12");
    platform_done(&platform);
}

/* A kernel before 5.8 extended the SHA-1; what was appended after the quote does not count. */
static void test_old_kernels_and_longer_lists(void **state)
{
    static const uint8_t unknown[32] = {0x77};
    struct platform platform;
    struct ks_appraisal got;

    (void)state;
    platform_init(&platform);
    extend_list(&platform, KS_IMA_PADDED);
    put_entry(&platform.ima_log, "/tmp/later", unknown);
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_OK);
    assert_int_equal(got.ima_entries, 5);
    extend_list(&platform, KS_IMA_PER_BANK);
    expect_fails(&platform, KS_APPRAISAL_FILES, "entry 6, ima-ng '/tmp/later': digest 77");
    platform_done(&platform);
}

/* --- EAT ---------------------------------------------------------------------------------- */

static void test_eat(void **state)
{
    struct platform platform;
    struct ks_appraisal got;
    struct ks_buf out;
    struct ks_buf again;
    struct ks_json_doc *doc = NULL;
    const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 1000};
    struct ks_bytes text;
    uint64_t number = 0;

    (void)state;
    platform_init(&platform);
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    const struct ks_eat_subject subject = {
        .ueid_seed = KS_LITERAL("abc"),
        .nonce = KS_LITERAL("\xfb\xff\xfe"
                            "12345"),
        .manufacturer = "id:00001014",
        .model = "swtpm",
        .version = "id:20191023",
        .swversion = "0.3.0",
        .reference = "lab",
        .reference_digest = {0xab},
        .time_s = 1798000000,
    };
    assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_OK);
    got.clock.clock_ms = UINT64_MAX;
    ks_buf_init(&out, 65536);
    ks_buf_init(&again, 65536);
    ks_appraisal_write_eat(&got, &subject, &out);
    ks_appraisal_write_eat(&got, &subject, &again);
    assert_int_equal(ks_buf_check(&out), KS_OK);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&out));
    if (ks_json_parse_canonical(ks_buf_view(&out), &limits, &doc) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    const struct ks_json *root = ks_json_root(doc);
    assert_int_equal(ks_json_get_string(root, "eat_nonce", &text), KS_OK);
    expect_text(text, "-__-MTIzNDU"); /* RFC 4648 §5, no padding */
    /* 01 and SHA-256("abc") of FIPS 180-4, by another encoder. */
    assert_int_equal(ks_json_get_string(root, "ueid", &text), KS_OK);
    expect_text(text, "Abp4Fr-PAc_qQUFA3l2uIiOwA2Gjlhd6nLQQ_2HyABWt");
    assert_int_equal(ks_json_get_string(root, "hwmodel", &text), KS_OK);
    expect_text(text, "c3d0cG0");
    assert_int_equal(ks_json_get_u64(root, "bootcount", 100, &number), KS_OK);
    assert_int_equal(number, 7);
    assert_int_equal(ks_json_get_u64(root, "iat", UINT32_MAX, &number), KS_OK);
    assert_int_equal(number, 1798000000);
    const struct ks_json *group = ks_json_at(ks_json_find(root, "measres"), 0);
    assert_int_equal(ks_json_count(ks_json_at(group, 1)), KS_APPRAISAL_CHECKS);
    assert_int_equal(ks_json_string(ks_json_at(ks_json_at(ks_json_at(group, 1), 0), 1), &text),
                     KS_OK);
    expect_text(text, "success");
    const struct ks_json *own = ks_json_find(root, "ketseal_appraisal");
    assert_int_equal(ks_json_get_string(ks_json_find(own, "quote"), "clock_ms", &text), KS_OK);
    expect_text(text, "18446744073709551615");
    ks_json_doc_free(doc);
    ks_buf_done(&again);
    ks_buf_done(&out);
    platform_done(&platform);
}

/* What failed or did not run is said so, and what was not quoted is not claimed. */
static void test_eat_of_a_refusal(void **state)
{
    struct platform platform;
    struct ks_appraisal got;
    struct ks_buf out;

    (void)state;
    platform_init(&platform);
    platform_quote(&platform, KS_LITERAL("another"));
    const struct ks_platform_evidence evidence = platform_evidence(&platform);
    const struct ks_eat_subject subject = {
        .ueid_seed = KS_LITERAL("abc"),
        .nonce = KS_LITERAL(PLATFORM_NONCE),
        .reference = "lab",
        .time_s = 1,
    };
    assert_int_equal(appraise(&platform, &evidence, &seen_before, &got), KS_ERR_VERIFY);
    ks_buf_init(&out, 65536);
    ks_appraisal_write_eat(&got, &subject, &out);
    ks_buf_put_u8(&out, 0);
    const char *text = (const char *)out.data;
    assert_null(strstr(text, "bootcount"));
    assert_null(strstr(text, "\"quote\""));
    assert_null(strstr(text, "hwmodel"));
    assert_null(strstr(text, "swname"));
    assert_non_null(strstr(text, "\"passed\":false"));
    assert_non_null(strstr(text, "[\"nonce\",\"fail\"]"));
    assert_non_null(strstr(text, "[\"clock.order\",\"not-run\"]"));
    assert_non_null(strstr(text, "[\"signature\",\"success\"]"));
    ks_buf_done(&out);
    struct ks_buf small;
    ks_buf_init(&small, 100);
    ks_appraisal_write_eat(&got, &subject, &small);
    assert_int_equal(ks_buf_check(&small), KS_ERR_LIMIT);
    ks_buf_done(&small);
    platform_done(&platform);
}

/* --- a job's two quotes ------------------------------------------------------------------- */

static void test_quote_pairs(void **state)
{
    struct platform platform;
    struct platform other;
    struct ks_buf first;
    struct ks_quote_view start;
    struct ks_quote_view end;

    (void)state;
    platform_init(&platform);
    platform_init(&other);
    ks_buf_init(&first, KS_ATTEST_MAX);
    ks_buf_put(&first, ks_buf_view(&platform.attest));
    assert_int_equal(ks_quote_parse(ks_buf_view(&first), &start), KS_OK);
#define END_OF(machine, change, err, text)                                                     \
    do {                                                                                       \
        change;                                                                                \
        platform_quote(&(machine), KS_LITERAL("the end"));                                     \
        assert_int_equal(ks_quote_parse(ks_buf_view(&(machine).attest), &end), KS_OK);         \
        const enum ks_err pair = ks_quote_pair_check(&start, &end);                            \
        assert_int_equal(pair, (err));                                                         \
        if (pair != KS_OK) {                                                                   \
            expect_failure(pair, (err), (text));                                               \
        }                                                                                      \
    } while (0)
    END_OF(platform, (void)0, KS_OK, "");
    END_OF(platform, platform.clock_ms += 5, KS_OK, "");
    END_OF(platform, platform.clock_ms -= 6, KS_ERR_VERIFY, "the clock went back");
    END_OF(platform, platform.clock_ms += 6;
           platform.reset_count++, KS_ERR_VERIFY, "was reset");
    END_OF(platform, platform.reset_count--;
           platform.restart_count++, KS_ERR_VERIFY, "suspended or restarted");
    END_OF(platform, platform.restart_count--;
           platform.safe = 0, KS_OK, ""); /* it says something of boots before */
    END_OF(platform, platform.safe = 1; platform.quoted_mask = 1, KS_ERR_VERIFY, "PCR masks");
    END_OF(platform, platform.quoted_mask = start.pcr_mask;
           platform_extend(&platform, 9), KS_ERR_VERIFY, "changed between them");
    END_OF(other, (void)0, KS_ERR_VERIFY, "made by two keys");
#undef END_OF
    ks_buf_done(&first);
    platform_done(&other);
    platform_done(&platform);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_platform_passes),
        cmocka_unit_test(test_quotes_that_are_not_this_one),
        cmocka_unit_test(test_quotes_under_another_hash),
        cmocka_unit_test(test_values_that_were_not_quoted),
        cmocka_unit_test(test_tpm_and_firmware),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_power_loss),
        cmocka_unit_test(test_a_changed_pcr_is_named),
        cmocka_unit_test(test_absence_is_never_a_pass),
        cmocka_unit_test(test_boot_logs_that_do_not_hold),
        cmocka_unit_test(test_events_that_are_not_allowed),
        cmocka_unit_test(test_a_pcr_without_events),
        cmocka_unit_test(test_programs_and_files_that_are_not_allowed),
        cmocka_unit_test(test_each_difference_is_told),
        cmocka_unit_test(test_launch_logs_that_do_not_hold),
        cmocka_unit_test(test_boot_aggregate),
        cmocka_unit_test(test_old_kernels_and_longer_lists),
        cmocka_unit_test(test_eat),
        cmocka_unit_test(test_eat_of_a_refusal),
        cmocka_unit_test(test_quote_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
