/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/appraise.h"

#include <stdio.h>

#include "attest/eventlog.h"
#include "attest/ima.h"
#include "attest/tcglog.h"
#include "base/text.h"
#include "crypto/digest.h"

/* The firmware and what it starts measure into PCR 0 to 9 until the kernel runs, and their log
 * knows all of it; programs that run later extend higher ones without it. */
#define BOOT_PCRS      0x3ffu
#define SHOWN_MAX      96 /* bytes of a name in a sentence */
#define ALL_PCRS       ((1u << KS_PCR_COUNT) - 1)
#define BOOT_AGGREGATE "boot_aggregate" /* Linux: the first entry of the kernel's list */

static const struct {
    const char *name;
    const char *covers;
} checks[KS_APPRAISAL_CHECKS] = {
#define ROW(name, text, covers) [KS_APPRAISAL_##name] = {text, covers},
    KS_APPRAISAL_LIST(ROW)
#undef ROW
};

const char *ks_appraisal_check_name(enum ks_appraisal_check check)
{
    KS_ASSERT((unsigned)check < KS_APPRAISAL_CHECKS);
    return checks[check].name;
}

const char *ks_appraisal_check_covers(enum ks_appraisal_check check)
{
    KS_ASSERT((unsigned)check < KS_APPRAISAL_CHECKS);
    return checks[check].covers;
}

const char *ks_appraisal_state_name(enum ks_appraisal_state state)
{
    static const char *const names[] = {"not-run", "pass", "fail"};

    KS_ASSERT((unsigned)state < sizeof names / sizeof names[0]);
    return names[state];
}

/* All that the checks work on. */
struct work {
    const struct ks_platform_evidence *evidence;
    const struct ks_appraise_spec *spec;
    struct ks_appraisal *appraisal;
    struct ks_quote_view view;
    struct ks_tcg_log tcg;
    struct ks_ima_log ima;
    struct ks_event_log launch;
    /* What the boot log leads to, once it explains what was quoted; zeros before. */
    uint8_t boot[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    uint32_t boot_mask; /* PCRs with an event in it */
    size_t ima_count;   /* entries that were quoted */
};

/* KS_OK is a pass. That evidence is false, malformed or too large is a verdict; anything else
 * is trouble of ours, which leaves the check not run and goes up. */
static enum ks_err settle(struct work *work, enum ks_appraisal_check check, enum ks_err result)
{
    struct ks_appraisal_item *item = &work->appraisal->checks[check];

    if (result == KS_OK) {
        item->state = KS_APPRAISAL_PASS;
        item->reason[0] = '\0';
        return KS_OK;
    }
    if (item->reason[0] == '\0') { /* else the first of several differences has told it */
        ks_text_shown(ks_bytes_text(ks_err_detail()), item->reason, sizeof item->reason);
    }
    if (result == KS_ERR_VERIFY || result == KS_ERR_FORMAT || result == KS_ERR_LIMIT) {
        item->state = KS_APPRAISAL_FAIL;
        return KS_OK;
    }
    return result;
}

/* One of perhaps several differences, with its sentence: the first is the reason of CHECK. */
static enum ks_err differs(const struct work *work, enum ks_appraisal_check check,
                           enum ks_err found)
{
    struct ks_appraisal_item *item = &work->appraisal->checks[check];

    if (item->reason[0] == '\0') {
        ks_text_shown(ks_bytes_text(ks_err_detail()), item->reason, sizeof item->reason);
    }
    if (work->spec->differs != NULL) {
        work->spec->differs(work->spec->context, check, ks_err_detail());
    }
    return found;
}

/* Whether a check that has found ERR looks further. */
static bool looks_on(const struct work *work, enum ks_err err)
{
    return err == KS_OK || work->spec->differs != NULL;
}

static void not_run(struct work *work, enum ks_appraisal_check check, const char *reason)
{
    (void)snprintf(work->appraisal->checks[check].reason, KS_APPRAISAL_REASON_MAX, "%s",
                   reason);
}

static bool passed(const struct work *work, enum ks_appraisal_check check)
{
    return work->appraisal->checks[check].state == KS_APPRAISAL_PASS;
}

/* The value of PCR as quoted, or NULL when the quote does not cover it. */
static const uint8_t *quoted(const struct work *work, unsigned pcr)
{
    uint32_t mask = work->evidence->pcr_mask;

    if ((mask & 1u << pcr) == 0) {
        return NULL;
    }
    return work->evidence->pcr_values[ks_pcr_mask_count(mask & ((1u << pcr) - 1))];
}

static bool has_rule(const struct work *work, enum ks_reference_rule rule)
{
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if (ks_reference_rule(work->spec->reference, pcr) == rule) {
            return true;
        }
    }
    return false;
}

/* --- the quote ---------------------------------------------------------------------------- */

static enum ks_err check_pcrs(const struct work *work)
{
    enum ks_err err = KS_OK;

    KS_CHECK(work->evidence->pcr_mask <= ALL_PCRS, KS_ERR_FORMAT, "values for PCR mask 0x%08x",
             (unsigned)work->evidence->pcr_mask);
    KS_TRY(
        ks_quote_check_pcrs(&work->view, work->evidence->pcr_mask, work->evidence->pcr_values));
out:
    return err;
}

static enum ks_err judge_quote(struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_platform_evidence *evidence = work->evidence;
    struct ks_appraisal *appraisal = work->appraisal;
    static const char unsigned_quote[] = "the quote is not signed by the key";

    KS_TRY(
        settle(work, KS_APPRAISAL_SIGNATURE,
               ks_quote_check_signature(evidence->ak, evidence->attest, evidence->signature)));
    if (!passed(work, KS_APPRAISAL_SIGNATURE)) {
        not_run(work, KS_APPRAISAL_SIGNER, unsigned_quote);
        not_run(work, KS_APPRAISAL_NONCE, unsigned_quote);
        not_run(work, KS_APPRAISAL_PCRS, unsigned_quote);
        goto out;
    }
    err = ks_quote_parse(evidence->attest, &work->view);
    if (err != KS_OK) {
        KS_TRY(settle(work, KS_APPRAISAL_SIGNER, err));
        not_run(work, KS_APPRAISAL_NONCE, "what was signed is no quote");
        not_run(work, KS_APPRAISAL_PCRS, "what was signed is no quote");
        goto out;
    }
    KS_TRY(settle(work, KS_APPRAISAL_SIGNER, ks_quote_check_signer(evidence->ak, &work->view)));
    KS_TRY(settle(work, KS_APPRAISAL_NONCE,
                  ks_quote_check_extra(&work->view, work->spec->extra_data)));
    KS_TRY(settle(work, KS_APPRAISAL_PCRS, check_pcrs(work)));
    appraisal->quoted = passed(work, KS_APPRAISAL_SIGNER) && passed(work, KS_APPRAISAL_NONCE) &&
                        passed(work, KS_APPRAISAL_PCRS);
    if (appraisal->quoted) {
        appraisal->clock = (struct ks_clock_seen){
            .clock_ms = work->view.clock_ms,
            .reset_count = work->view.reset_count,
            .restart_count = work->view.restart_count,
        };
        appraisal->firmware_version = work->view.firmware_version;
        appraisal->pcr_mask = work->view.pcr_mask;
        ks_copy(appraisal->pcr_digest, work->view.pcr_digest, KS_PCR_DIGEST_LEN);
    }
out:
    return err;
}

/* --- TPM, firmware, clock ----------------------------------------------------------------- */

static enum ks_err check_tpm(const struct work *work)
{
    unsigned tpm = work->evidence->tpm;

    if (tpm != KS_TPM_SET_HARDWARE && tpm != KS_TPM_SET_SIMULATED) {
        return ks_fail(KS_ERR_VERIFY, "the kind of TPM is not known");
    }
    if ((tpm & work->spec->reference->tpms) == 0) {
        return ks_fail(KS_ERR_VERIFY, "the TPM is %s, which the reference does not accept",
                       tpm == KS_TPM_SET_HARDWARE ? "hardware" : "simulated");
    }
    return KS_OK;
}

static enum ks_err check_firmware(const struct work *work)
{
    if (work->view.firmware_version < work->spec->reference->firmware_min) {
        return ks_fail(KS_ERR_VERIFY, "the TPM's firmware is version %016llx, want %016llx",
                       (unsigned long long)work->view.firmware_version,
                       (unsigned long long)work->spec->reference->firmware_min);
    }
    return KS_OK;
}

static enum ks_err check_clock_order(const struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_quote_view *view = &work->view;
    const struct ks_clock_seen *seen = work->spec->seen;
    const struct ks_reference *reference = work->spec->reference;
    uint32_t restarts_seen = 0;

    KS_CHECK(view->reset_count >= seen->reset_count, KS_ERR_VERIFY,
             "reset count %u is below %u, the last one seen: an old quote, or a cleared TPM",
             (unsigned)view->reset_count, (unsigned)seen->reset_count);
    KS_CHECK(view->reset_count - seen->reset_count <= reference->resets_ahead_max,
             KS_ERR_VERIFY, "reset count %u is more than %u above %u, the last one seen",
             (unsigned)view->reset_count, (unsigned)reference->resets_ahead_max,
             (unsigned)seen->reset_count);
    /* TPM2 part 1 §36.6: a reset sets the restart count to zero. */
    restarts_seen = view->reset_count == seen->reset_count ? seen->restart_count : 0;
    KS_CHECK(view->restart_count >= restarts_seen, KS_ERR_VERIFY,
             "restart count %u is below %u, the last one seen: an old quote",
             (unsigned)view->restart_count, (unsigned)restarts_seen);
    KS_CHECK(view->restart_count - restarts_seen <= reference->restarts_ahead_max,
             KS_ERR_VERIFY, "restart count %u is more than %u above %u",
             (unsigned)view->restart_count, (unsigned)reference->restarts_ahead_max,
             (unsigned)restarts_seen);
    /* TPM2 part 1 §36.3.2: a loss of power may turn it back, which it says until it has caught
     * up. */
    KS_CHECK(view->clock_ms >= seen->clock_ms ||
                 (!view->safe && view->reset_count > seen->reset_count),
             KS_ERR_VERIFY, "the clock says %llu ms, but said %llu before: an old quote",
             (unsigned long long)view->clock_ms, (unsigned long long)seen->clock_ms);
out:
    return err;
}

static enum ks_err judge_clock(struct work *work)
{
    enum ks_err err = KS_OK;

    KS_TRY(settle(work, KS_APPRAISAL_FIRMWARE, check_firmware(work)));
    if (work->view.safe) {
        KS_TRY(settle(work, KS_APPRAISAL_CLOCK_SAFE, KS_OK));
    } else {
        not_run(work, KS_APPRAISAL_CLOCK_SAFE,
                "the TPM does not vouch for its clock: it lost power without notice, and may "
                "say a time again");
    }
    if (work->spec->seen != NULL) {
        KS_TRY(settle(work, KS_APPRAISAL_CLOCK_ORDER, check_clock_order(work)));
    } else {
        not_run(work, KS_APPRAISAL_CLOCK_ORDER, "the first quote of this key");
    }
out:
    return err;
}

/* --- PCR values --------------------------------------------------------------------------- */

static enum ks_err check_required(const struct work *work)
{
    enum ks_err err = KS_OK;
    uint32_t missing = work->spec->reference->required_pcrs & ~work->evidence->pcr_mask;

    for (; missing != 0 && looks_on(work, err); missing &= missing - 1) {
        err = differs(work, KS_APPRAISAL_REQUIRED,
                      ks_fail(KS_ERR_VERIFY, "PCR %d is required, but not quoted",
                              __builtin_ctz(missing)));
    }
    return err;
}

static enum ks_err check_golden(const struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_reference *reference = work->spec->reference;
    char found[2 * KS_PCR_DIGEST_LEN + 1];

    for (unsigned pcr = 0; pcr < KS_PCR_COUNT && looks_on(work, err); pcr++) {
        const uint8_t *value = quoted(work, pcr);
        if (ks_reference_rule(reference, pcr) != KS_RULE_GOLDEN) {
            continue;
        }
        if (value == NULL) {
            err = differs(
                work, KS_APPRAISAL_GOLDEN,
                ks_fail(KS_ERR_VERIFY, "PCR %u has golden values, but is not quoted", pcr));
        } else if (!ks_reference_golden(reference, pcr, value)) {
            ks_hex_encode(ks_bytes_of(value, KS_PCR_DIGEST_LEN), found);
            err = differs(work, KS_APPRAISAL_GOLDEN,
                          ks_fail(KS_ERR_VERIFY,
                                  "PCR %u: value %s is none of its %zu golden values", pcr,
                                  found, reference->pcrs[pcr].count));
        }
    }
    return err;
}

static enum ks_err judge_values(struct work *work)
{
    enum ks_err err = KS_OK;

    KS_TRY(settle(work, KS_APPRAISAL_REQUIRED, check_required(work)));
    if (has_rule(work, KS_RULE_GOLDEN)) {
        KS_TRY(settle(work, KS_APPRAISAL_GOLDEN, check_golden(work)));
    } else {
        not_run(work, KS_APPRAISAL_GOLDEN, "the reference has no golden values");
    }
out:
    return err;
}

/* --- the firmware's log ------------------------------------------------------------------- */

/* "event 22, EV_EFI_BOOT_SERVICES_APPLICATION '\EFI\…'". */
static void show_event(const struct ks_tcg_event *event, size_t index, char *target,
                       size_t size)
{
    const char *name = ks_tcg_event_type_name(event->type);
    char text[KS_TCG_TEXT_MAX];
    char digits[11];

    (void)snprintf(digits, sizeof digits, "0x%08x", (unsigned)event->type);
    ks_tcg_event_text(event, text);
    (void)snprintf(target, size, "event %zu, %s%s%s%s", index + 1, name != NULL ? name : digits,
                   text[0] != '\0' ? " '" : "", text, text[0] != '\0' ? "'" : "");
}

/* What a log says of PCR last, to find the place by. */
static enum ks_err fail_replay(const struct work *work, unsigned pcr,
                               const uint8_t computed[KS_PCR_DIGEST_LEN])
{
    char shown[KS_TCG_TEXT_MAX + SHOWN_MAX] = "it has no event for it";
    char found[2 * KS_PCR_DIGEST_LEN + 1];
    char wanted[2 * KS_PCR_DIGEST_LEN + 1];

    for (size_t i = 0; i < work->tcg.count; i++) {
        if (work->tcg.events[i].extends && work->tcg.events[i].pcr == pcr) {
            show_event(&work->tcg.events[i], i, shown, sizeof shown);
        }
    }
    ks_hex_encode(ks_bytes_of(computed, KS_PCR_DIGEST_LEN), found);
    ks_hex_encode(ks_bytes_of(quoted(work, pcr), KS_PCR_DIGEST_LEN), wanted);
    return ks_fail(KS_ERR_VERIFY,
                   "PCR %u: the boot log leads to %s, quoted is %s; the last it has: %s", pcr,
                   found, wanted, shown);
}

static enum ks_err check_boot_log(struct work *work)
{
    enum ks_err err = KS_OK;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    uint32_t mask = 0;

    KS_TRY(ks_tcg_log_parse(work->evidence->tcg_log, &work->tcg));
    work->appraisal->boot_events = (uint32_t)work->tcg.count;
    KS_TRY(ks_tcg_log_check_data(&work->tcg));
    ks_tcg_log_replay(&work->tcg, values, &mask);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT && looks_on(work, err); pcr++) {
        bool judged = (BOOT_PCRS & 1u << pcr) != 0 ||
                      ks_reference_rule(work->spec->reference, pcr) == KS_RULE_EVENTS;
        const uint8_t *value = quoted(work, pcr);
        if (judged && value != NULL &&
            !ks_bytes_equal(KS_BYTES(values[pcr]), ks_bytes_of(value, KS_PCR_DIGEST_LEN))) {
            err = differs(work, KS_APPRAISAL_BOOT_LOG, fail_replay(work, pcr, values[pcr]));
        }
    }
    KS_TRY(err);
    ks_copy(work->boot, values, sizeof values);
    work->boot_mask = mask;
out:
    return err;
}

/* Each event of a PCR that is judged by events, and at least one for each such PCR: firmware
 * that measured nothing would have nothing that is not allowed. */
static enum ks_err check_boot_events(const struct work *work)
{
    enum ks_err err = KS_OK;
    const struct ks_reference *reference = work->spec->reference;
    char shown[KS_TCG_TEXT_MAX + SHOWN_MAX];
    char digest[2 * KS_PCR_DIGEST_LEN + 1];

    for (unsigned pcr = 0; pcr < KS_PCR_COUNT && looks_on(work, err); pcr++) {
        if (ks_reference_rule(reference, pcr) == KS_RULE_EVENTS &&
            (work->boot_mask & 1u << pcr) == 0) {
            err = differs(
                work, KS_APPRAISAL_BOOT_EVENTS,
                ks_fail(KS_ERR_VERIFY, "PCR %u: the boot log has no event for it", pcr));
        }
    }
    for (size_t i = 0; i < work->tcg.count && looks_on(work, err); i++) {
        const struct ks_tcg_event *event = &work->tcg.events[i];
        struct ks_reference_event wanted = {.pcr = event->pcr, .type = event->type};
        enum ks_reference_rule rule;

        if (!event->extends) {
            continue;
        }
        rule = ks_reference_rule(reference, event->pcr);
        if (rule == KS_RULE_NONE || rule == KS_RULE_GOLDEN) {
            continue;
        }
        ks_copy(wanted.digest, event->digest, sizeof wanted.digest);
        if (!ks_reference_allows_event(reference, &wanted)) {
            ks_hex_encode(KS_BYTES(event->digest), digest);
            show_event(event, i, shown, sizeof shown);
            err = differs(work, KS_APPRAISAL_BOOT_EVENTS,
                          ks_fail(KS_ERR_VERIFY, "PCR %u, %s: digest %s is not allowed",
                                  event->pcr, shown, digest));
        }
    }
    return err;
}

static enum ks_err judge_boot(struct work *work)
{
    enum ks_err err = KS_OK;

    if (work->evidence->tcg_log.len == 0) {
        not_run(work, KS_APPRAISAL_BOOT_LOG, "no boot log was sent");
        not_run(work, KS_APPRAISAL_BOOT_EVENTS, "no boot log was sent");
        return KS_OK;
    }
    KS_TRY(settle(work, KS_APPRAISAL_BOOT_LOG, check_boot_log(work)));
    if (!passed(work, KS_APPRAISAL_BOOT_LOG)) {
        not_run(work, KS_APPRAISAL_BOOT_EVENTS,
                "the boot log does not explain what was quoted");
    } else if (!work->spec->reference->has_events) {
        not_run(work, KS_APPRAISAL_BOOT_EVENTS, "the reference names no boot events");
    } else {
        KS_TRY(settle(work, KS_APPRAISAL_BOOT_EVENTS, check_boot_events(work)));
    }
out:
    return err;
}

/* What PCR held before the log that begins later: what a boot log that passed leads to, its
 * events judged, or zeros. */
static const uint8_t *before(const struct work *work, unsigned pcr)
{
    static const uint8_t zeros[KS_PCR_DIGEST_LEN];

    return passed(work, KS_APPRAISAL_BOOT_EVENTS) && (work->boot_mask & 1u << pcr) != 0
               ? work->boot[pcr]
               : zeros;
}

/* --- launched programs -------------------------------------------------------------------- */

static enum ks_err check_launch_log(struct work *work)
{
    enum ks_err err = KS_OK;
    uint8_t value[KS_PCR_DIGEST_LEN];
    const uint8_t *wanted = quoted(work, KS_LAUNCH_PCR);

    KS_TRY(ks_event_log_parse(work->evidence->launch_log, &work->launch));
    work->appraisal->programs = (uint32_t)work->launch.count;
    KS_CHECK(work->launch.pcr == KS_LAUNCH_PCR, KS_ERR_VERIFY, "it is of PCR %u, want %d",
             work->launch.pcr, KS_LAUNCH_PCR);
    KS_CHECK(
        ks_bytes_equal(KS_BYTES(work->launch.initial),
                       ks_bytes_of(before(work, KS_LAUNCH_PCR), KS_PCR_DIGEST_LEN)),
        KS_ERR_VERIFY,
        "PCR %d: something was extended before the first program, and no boot log says what",
        KS_LAUNCH_PCR);
    ks_event_log_replay(&work->launch, value);
    KS_CHECK(ks_bytes_equal(KS_BYTES(value), ks_bytes_of(wanted, KS_PCR_DIGEST_LEN)),
             KS_ERR_VERIFY,
             "PCR %d: the %zu events of the launch log, the last '%s', do not lead "
             "to the quoted value",
             KS_LAUNCH_PCR, work->launch.count,
             work->launch.count > 0 ? work->launch.events[work->launch.count - 1].name : "");
out:
    return ks_fail_prefix(err, "launch log");
}

static enum ks_err check_programs(const struct work *work)
{
    enum ks_err err = KS_OK;
    char digest[2 * KS_PCR_DIGEST_LEN + 1];

    KS_CHECK(work->launch.count > 0, KS_ERR_VERIFY, "PCR %d: no program was launched",
             KS_LAUNCH_PCR);
    for (size_t i = 0; i < work->launch.count && looks_on(work, err); i++) {
        const struct ks_event *event = &work->launch.events[i];

        if (!ks_reference_allows_program(work->spec->reference, event->name, event->digest)) {
            ks_hex_encode(KS_BYTES(event->digest), digest);
            err = differs(work, KS_APPRAISAL_PROGRAMS,
                          ks_fail(KS_ERR_VERIFY,
                                  "PCR %d, event %zu, program '%s': digest %s is not allowed",
                                  KS_LAUNCH_PCR, i + 1, event->name, digest));
        }
    }
out:
    return err;
}

static enum ks_err judge_launch(struct work *work)
{
    enum ks_err err = KS_OK;

    if (work->evidence->launch_log.len == 0) {
        not_run(work, KS_APPRAISAL_LAUNCH_LOG, "no launch log was sent");
        not_run(work, KS_APPRAISAL_PROGRAMS, "no launch log was sent");
        return KS_OK;
    }
    if (quoted(work, KS_LAUNCH_PCR) == NULL) {
        not_run(work, KS_APPRAISAL_LAUNCH_LOG, "its PCR is not quoted");
        not_run(work, KS_APPRAISAL_PROGRAMS, "its PCR is not quoted");
        return KS_OK;
    }
    KS_TRY(settle(work, KS_APPRAISAL_LAUNCH_LOG, check_launch_log(work)));
    if (!passed(work, KS_APPRAISAL_LAUNCH_LOG)) {
        not_run(work, KS_APPRAISAL_PROGRAMS, "the launch log does not explain what was quoted");
    } else if (!work->spec->reference->has_programs) {
        not_run(work, KS_APPRAISAL_PROGRAMS, "the reference names no programs");
    } else {
        KS_TRY(settle(work, KS_APPRAISAL_PROGRAMS, check_programs(work)));
    }
out:
    return err;
}

/* --- the kernel's list -------------------------------------------------------------------- */

static enum ks_err check_ima_log(struct work *work)
{
    enum ks_err err = KS_OK;
    enum ks_ima_rule rule;

    KS_TRY(ks_ima_log_parse(work->evidence->ima_log, &work->ima));
    KS_TRY(ks_ima_log_match(&work->ima, before(work, KS_IMA_PCR), quoted(work, KS_IMA_PCR),
                            &rule, &work->ima_count));
    work->appraisal->ima_entries = (uint32_t)work->ima_count;
    work->appraisal->ima_violations =
        (uint32_t)ks_ima_log_violations(&work->ima, work->ima_count);
out:
    return err;
}

/* Linux ima_calc_boot_aggregate: the first entry binds the list to this boot: SHA-256 over PCR
 * 0 to 9, before 5.8 over PCR 0 to 7. */
static bool is_boot_aggregate(const struct work *work, const struct ks_ima_entry *entry)
{
    static const unsigned counts[] = {10, 8};

    if (!ks_bytes_is(entry->path, BOOT_AGGREGATE) || !ks_bytes_is(entry->alg, "sha256")) {
        return false;
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct ks_bytes parts[10];
        uint8_t digest[KS_SHA256_LEN];
        bool all = true;

        for (unsigned pcr = 0; pcr < counts[i]; pcr++) {
            const uint8_t *value = quoted(work, pcr);
            all = all && value != NULL;
            parts[pcr] = ks_bytes_of(value, value != NULL ? KS_PCR_DIGEST_LEN : 0);
        }
        ks_sha256_parts(parts, counts[i], digest);
        if (all && ks_bytes_equal(KS_BYTES(digest), entry->digest)) {
            return true;
        }
    }
    return false;
}

/* Entry INDEX of the list by itself. */
static enum ks_err check_file(const struct work *work, size_t index)
{
    const struct ks_ima_entry *entry = &work->ima.entries[index];
    const struct ks_reference *reference = work->spec->reference;
    char path[SHOWN_MAX];
    char digest[2 * KS_IMA_DIGEST_MAX + 1];

    if ((index == 0 && is_boot_aggregate(work, entry)) ||
        (entry->violation && reference->violations_allowed) ||
        (!entry->violation &&
         ks_reference_allows_file(reference, entry->path, entry->alg, entry->digest))) {
        return KS_OK;
    }
    ks_text_shown(entry->path, path, sizeof path);
    if (entry->violation) {
        return ks_fail(KS_ERR_VERIFY,
                       "PCR %d, entry %zu, %s '%s': a violation: what was read is not known",
                       KS_IMA_PCR, index + 1, ks_ima_template_name(entry->kind), path);
    }
    ks_hex_encode(entry->digest, digest);
    return ks_fail(KS_ERR_VERIFY, "PCR %d, entry %zu, %s '%s': digest %s is not allowed",
                   KS_IMA_PCR, index + 1, ks_ima_template_name(entry->kind), path, digest);
}

static enum ks_err check_files(const struct work *work)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < work->ima_count && looks_on(work, err); i++) {
        enum ks_err found = check_file(work, i);

        err = found == KS_OK ? err : differs(work, KS_APPRAISAL_FILES, found);
    }
    return err;
}

static enum ks_err judge_files(struct work *work)
{
    enum ks_err err = KS_OK;

    if (work->evidence->ima_log.len == 0) {
        not_run(work, KS_APPRAISAL_IMA_LOG, "no list of files was sent");
        not_run(work, KS_APPRAISAL_FILES, "no list of files was sent");
        return KS_OK;
    }
    if (quoted(work, KS_IMA_PCR) == NULL) {
        not_run(work, KS_APPRAISAL_IMA_LOG, "its PCR is not quoted");
        not_run(work, KS_APPRAISAL_FILES, "its PCR is not quoted");
        return KS_OK;
    }
    KS_TRY(settle(work, KS_APPRAISAL_IMA_LOG, check_ima_log(work)));
    if (!passed(work, KS_APPRAISAL_IMA_LOG)) {
        not_run(work, KS_APPRAISAL_FILES, "the list does not explain what was quoted");
    } else if (!work->spec->reference->has_files) {
        not_run(work, KS_APPRAISAL_FILES, "the reference names no files");
    } else {
        KS_TRY(settle(work, KS_APPRAISAL_FILES, check_files(work)));
    }
out:
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void set_demands(struct work *work)
{
    struct ks_appraisal_item *items = work->appraisal->checks;
    const struct ks_reference *reference = work->spec->reference;

    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        items[i].demanded = i <= KS_APPRAISAL_REQUIRED;
    }
    items[KS_APPRAISAL_CLOCK_SAFE].demanded = false; /* power fails; the resets are counted */
    items[KS_APPRAISAL_CLOCK_ORDER].demanded = work->spec->seen != NULL;
    items[KS_APPRAISAL_GOLDEN].demanded = has_rule(work, KS_RULE_GOLDEN);
    items[KS_APPRAISAL_BOOT_LOG].demanded = has_rule(work, KS_RULE_EVENTS);
    items[KS_APPRAISAL_BOOT_EVENTS].demanded = has_rule(work, KS_RULE_EVENTS);
    items[KS_APPRAISAL_LAUNCH_LOG].demanded = reference->has_programs;
    items[KS_APPRAISAL_PROGRAMS].demanded = reference->has_programs;
    items[KS_APPRAISAL_IMA_LOG].demanded = reference->has_files;
    items[KS_APPRAISAL_FILES].demanded = reference->has_files;
}

static enum ks_err judge(struct work *work)
{
    enum ks_err err = KS_OK;

    KS_TRY(judge_quote(work));
    KS_TRY(settle(work, KS_APPRAISAL_TPM, check_tpm(work)));
    if (!work->appraisal->quoted) {
        /* Nothing else that was sent is worth a look: nobody vouches for it. */
        for (unsigned i = KS_APPRAISAL_FIRMWARE; i < KS_APPRAISAL_CHECKS; i++) {
            not_run(work, (enum ks_appraisal_check)i, "the quote does not hold");
        }
        goto out;
    }
    KS_TRY(judge_clock(work));
    KS_TRY(judge_values(work));
    KS_TRY(judge_boot(work));
    KS_TRY(judge_launch(work));
    KS_TRY(judge_files(work));
out:
    return err;
}

enum ks_appraisal_check ks_appraisal_blocking(const struct ks_appraisal *appraisal)
{
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        if (appraisal->checks[i].state == KS_APPRAISAL_FAIL) {
            return (enum ks_appraisal_check)i;
        }
    }
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        if (appraisal->checks[i].demanded && appraisal->checks[i].state != KS_APPRAISAL_PASS) {
            return (enum ks_appraisal_check)i;
        }
    }
    return KS_APPRAISAL_CHECKS;
}

enum ks_err ks_appraise(const struct ks_platform_evidence *evidence,
                        const struct ks_appraise_spec *spec, struct ks_appraisal *out_appraisal)
{
    enum ks_err err = KS_OK;
    struct work *work = NULL;
    enum ks_appraisal_check blocking;

    *out_appraisal = (struct ks_appraisal){.tpm = evidence->tpm};
    work = ks_calloc(1, sizeof *work);
    KS_CHECK(work != NULL, KS_ERR_NOMEM, "appraisal: out of memory");
    work->evidence = evidence;
    work->spec = spec;
    work->appraisal = out_appraisal;
    set_demands(work);
    KS_TRY(judge(work));
    blocking = ks_appraisal_blocking(out_appraisal);
    out_appraisal->passed = blocking == KS_APPRAISAL_CHECKS;
    if (!out_appraisal->passed) {
        err = ks_fail(KS_ERR_VERIFY, "%s: %s", checks[blocking].name,
                      out_appraisal->checks[blocking].reason);
    }
out:
    if (work != NULL) {
        ks_tcg_log_done(&work->tcg);
        ks_ima_log_done(&work->ima);
        ks_free(work);
    }
    return err;
}
