/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Appraisal of a real TPM: a swtpm whose PCRs are extended as the logs of
 * tests/vectors/platform-logs say, through src/tpm. */
#include "unit/expect.h"

#include <ftw.h>
#include <sys/stat.h>

#include "attest/eventlog.h"
#include "attest/ima.h"
#include "attest/tcglog.h"
#include "base/sys.h"
#include "platform.h"
#include "tpm/tpm.h"

static struct machine {
    char dir[64];
    int fd;
    pid_t pid;
    struct ks_tpm *tpm;
    struct platform platform; /* its logs and reference */
} machine;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *position)
{
    (void)info;
    (void)kind;
    (void)position;
    return remove(path);
}

static void start(void)
{
    struct ks_buf area;

    assert_int_equal(ks_tpm_start_swtpm(NULL, machine.dir, &machine.fd, &machine.pid), KS_OK);
    assert_int_equal(ks_tpm_open_fd(machine.fd, 0, &machine.tpm), KS_OK);
    assert_int_equal(ks_tpm_ak_open(machine.tpm), KS_OK);
    ks_buf_init(&area, KS_AK_PUBLIC_MAX);
    ks_tpm_ak_public(machine.tpm, &area);
    assert_int_equal(ks_ak_public_parse(ks_buf_view(&area), &machine.platform.ak), KS_OK);
    ks_buf_done(&area);
}

static void stop(void)
{
    ks_tpm_close(machine.tpm);
    ks_tpm_stop_swtpm(machine.pid);
    machine.tpm = NULL;
}

static void extend(unsigned pcr, const uint8_t digest[KS_PCR_DIGEST_LEN])
{
    assert_int_equal(ks_tpm_pcr_extend(machine.tpm, pcr, digest), KS_OK);
}

/* What firmware, kernel and launcher do. */
static void boot(void)
{
    struct ks_tcg_log tcg = {0};
    struct ks_ima_log ima = {0};
    struct ks_event_log launch;
    uint8_t ones[KS_PCR_DIGEST_LEN];

    for (size_t i = 0; i < sizeof ones; i++) {
        ones[i] = 0xff;
    }
    assert_int_equal(ks_tcg_log_parse(ks_buf_view(&machine.platform.tcg_log), &tcg), KS_OK);
    for (size_t i = 0; i < tcg.count; i++) {
        extend(tcg.events[i].pcr, tcg.events[i].digest);
    }
    assert_int_equal(ks_ima_log_parse(ks_buf_view(&machine.platform.ima_log), &ima), KS_OK);
    for (size_t i = 0; i < ima.count; i++) {
        extend(KS_IMA_PCR, ima.entries[i].violation ? ones : ima.entries[i].template_sha256);
    }
    assert_int_equal(ks_event_log_parse(ks_buf_view(&machine.platform.launch_log), &launch),
                     KS_OK);
    for (size_t i = 0; i < launch.count; i++) {
        extend(KS_LAUNCH_PCR, launch.events[i].digest);
    }
    ks_tcg_log_done(&tcg);
    ks_ima_log_done(&ima);
}

static void quote(struct ks_bytes nonce)
{
    struct platform *platform = &machine.platform;

    ks_buf_clear(&platform->attest);
    ks_buf_clear(&platform->signature);
    assert_int_equal(ks_tpm_pcr_read(machine.tpm, platform->quoted_mask, platform->values),
                     KS_OK);
    assert_int_equal(ks_tpm_quote(machine.tpm, nonce, platform->quoted_mask, &platform->attest,
                                  &platform->signature),
                     KS_OK);
}

static enum ks_err appraise(const struct ks_clock_seen *seen, struct ks_appraisal *out)
{
    const struct ks_platform_evidence evidence = platform_evidence(&machine.platform);
    const struct ks_appraise_spec spec = {
        .extra_data = KS_LITERAL(PLATFORM_NONCE),
        .reference = machine.platform.reference,
        .seen = seen,
    };

    return ks_appraise(&evidence, &spec, out);
}

static void test_a_machine_from_boot_to_reset(void **state)
{
    struct ks_appraisal first;
    struct ks_appraisal later;
    struct ks_quote_view start_view;
    struct ks_quote_view end_view;
    struct ks_buf start_attest;
    static const uint8_t digest[KS_PCR_DIGEST_LEN] = {0x66};

    (void)state;
    start();
    boot();
    quote(KS_LITERAL(PLATFORM_NONCE));
    if (appraise(NULL, &first) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_true(first.quoted && first.passed);
    ks_buf_init(&start_attest, KS_ATTEST_MAX);
    ks_buf_put(&start_attest, ks_buf_view(&machine.platform.attest));
    assert_int_equal(ks_quote_parse(ks_buf_view(&start_attest), &start_view), KS_OK);

    /* An hour later, say: another quote, and the first one again. */
    quote(KS_LITERAL(PLATFORM_NONCE));
    assert_int_equal(appraise(&first.clock, &later), KS_OK);
    assert_int_equal(later.checks[KS_APPRAISAL_CLOCK_ORDER].state, KS_APPRAISAL_PASS);
    assert_int_equal(ks_quote_parse(ks_buf_view(&machine.platform.attest), &end_view), KS_OK);
    assert_int_equal(ks_quote_pair_check(&start_view, &end_view), KS_OK);
    quote(KS_LITERAL("the nonce of another challenge"));
    expect_failure(appraise(&first.clock, &later), KS_ERR_VERIFY, "nonce: ");

    extend(4, digest);
    quote(KS_LITERAL(PLATFORM_NONCE));
    expect_failure(appraise(&first.clock, &later), KS_ERR_VERIFY,
                   "boot.log: PCR 4: the boot log leads to");
    assert_int_equal(ks_quote_parse(ks_buf_view(&machine.platform.attest), &end_view), KS_OK);
    expect_failure(ks_quote_pair_check(&start_view, &end_view), KS_ERR_VERIFY,
                   "changed between them");

    /* A reset clears what was measured, and says so. */
    stop();
    start();
    boot();
    quote(KS_LITERAL(PLATFORM_NONCE));
    assert_int_equal(ks_quote_parse(ks_buf_view(&machine.platform.attest), &end_view), KS_OK);
    expect_failure(ks_quote_pair_check(&start_view, &end_view), KS_ERR_VERIFY, "was reset");
    (void)appraise(&first.clock, &later);
    assert_int_equal(later.clock.reset_count, first.clock.reset_count + 1);
    assert_int_equal(later.checks[KS_APPRAISAL_BOOT_LOG].state, KS_APPRAISAL_PASS);
    machine.platform.reference->resets_ahead_max = 0;
    (void)appraise(&first.clock, &later);
    assert_int_equal(later.checks[KS_APPRAISAL_CLOCK_ORDER].state, KS_APPRAISAL_FAIL);
    stop();
    ks_buf_done(&start_attest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_machine_from_boot_to_reset)};
    int failed;

    if (access(KS_SWTPM_PROGRAM, X_OK) != 0) {
        (void)fprintf(stderr, "SKIPPED: no %s: no real TPM was appraised\n", KS_SWTPM_PROGRAM);
        return 77;
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    (void)snprintf(machine.dir, sizeof machine.dir, "%s", "/tmp/ketseal-appraise-XXXXXX");
    if (mkdtemp(machine.dir) == NULL) {
        return 1;
    }
    /* No startup locality: a TPM gets it from hardware, before firmware runs. */
    platform_init_from(&machine.platform, "plain.tcg");
    platform_edit_reference(&machine.platform, "2019102300163636", "0000000000000001");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    platform_done(&machine.platform);
    (void)nftw(machine.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return failed;
}
