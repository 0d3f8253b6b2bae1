/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An appraisal as EAT claims in JSON (RFC 9711; names and encodings of §4.2 and §7.2). */
#include "attest/appraise.h"

#include <stdio.h>

#include "crypto/digest.h"

#define UEID_RAND      0x01 /* RFC 9711 §4.2.1: type RAND, here of 256 bits */
#define NONCE_LEN_MIN  8    /* RFC 9711 §4.1: 64 bits at least */
#define BASE64_MAX     128  /* characters of 64 bytes, padded */
#define HWMODEL_MIN    3    /* RFC 9711 §4.2.4: 4 to 44 characters of base64url */
#define HWMODEL_MAX    32
#define CLOCK_TEXT_MAX 21 /* digits of a u64, and a NUL */
#define HEX64_TEXT_MAX 17

/* Base64url without padding (RFC 4648 §5), which RFC 9711 has for bytes in JSON. */
static void member_base64url(struct ks_json_writer *writer, const char *name,
                             struct ks_bytes bytes)
{
    struct ks_buf text;

    ks_buf_init(&text, BASE64_MAX);
    ks_buf_put_base64(&text, bytes);
    if (ks_buf_check(&text) != KS_OK) {
        writer->out->err = text.err; /* sticky, as if the writer itself had run out */
    } else {
        while (text.len > 0 && text.data[text.len - 1] == '=') {
            text.len--;
        }
        for (size_t i = 0; i < text.len; i++) {
            text.data[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
        }
        ks_json_member_string(writer, name, ks_buf_view(&text));
    }
    ks_buf_done(&text);
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* A version is an array of its text and, where one is known, its scheme (RFC 9711 §4.2.5). */
static void member_version(struct ks_json_writer *writer, const char *name, const char *text)
{
    ks_json_put_key(writer, name);
    ks_json_put_array(writer);
    ks_json_put_text(writer, text);
    ks_json_put_end(writer);
}

/* RFC 9711 §4.2.17: "success", "fail", "not-run", "absent". */
static const char *result_of(const struct ks_appraisal_item *item)
{
    static const char *const names[] = {"not-run", "success", "fail"};

    return names[item->state];
}

static void put_checks(const struct ks_appraisal *appraisal, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "checks");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        const struct ks_appraisal_item *item = &appraisal->checks[i];

        ks_json_put_object(writer);
        ks_json_member_text(writer, "check",
                            ks_appraisal_check_name((enum ks_appraisal_check)i));
        ks_json_member_bool(writer, "demanded", item->demanded);
        ks_json_member_text(writer, "reason", item->reason);
        ks_json_member_text(writer, "state", ks_appraisal_state_name(item->state));
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_quoted(const struct ks_appraisal *appraisal, struct ks_json_writer *writer)
{
    char clock[CLOCK_TEXT_MAX];
    char firmware[HEX64_TEXT_MAX];

    (void)snprintf(clock, sizeof clock, "%llu", (unsigned long long)appraisal->clock.clock_ms);
    (void)snprintf(firmware, sizeof firmware, "%016llx",
                   (unsigned long long)appraisal->firmware_version);
    ks_json_put_key(writer, "quote");
    ks_json_put_object(writer);
    ks_json_member_text(writer, "clock_ms", clock); /* may be above 2^53 */
    ks_json_member_text(writer, "firmware_version", firmware);
    ks_json_member_hex(writer, "pcr_digest", KS_BYTES(appraisal->pcr_digest));
    ks_json_member_u64(writer, "pcr_mask", appraisal->pcr_mask);
    ks_json_member_u64(writer, "reset_count", appraisal->clock.reset_count);
    ks_json_member_u64(writer, "restart_count", appraisal->clock.restart_count);
    ks_json_put_end(writer);
}

/* What the standard claims have no place for. */
static void put_own(const struct ks_appraisal *appraisal, const struct ks_eat_subject *subject,
                    struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "ketseal_appraisal");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "boot_events", appraisal->boot_events);
    put_checks(appraisal, writer);
    ks_json_member_u64(writer, "ima_entries", appraisal->ima_entries);
    ks_json_member_u64(writer, "ima_violations", appraisal->ima_violations);
    ks_json_member_bool(writer, "passed", appraisal->passed);
    ks_json_member_u64(writer, "programs", appraisal->programs);
    if (appraisal->quoted) {
        put_quoted(appraisal, writer);
    }
    ks_json_put_key(writer, "reference");
    ks_json_put_object(writer);
    ks_json_member_hex(writer, "digest", KS_BYTES(subject->reference_digest));
    ks_json_member_text(writer, "name", subject->reference);
    ks_json_put_end(writer);
    ks_json_member_text(writer, "tpm",
                        appraisal->tpm == KS_TPM_SET_HARDWARE    ? "hardware"
                        : appraisal->tpm == KS_TPM_SET_SIMULATED ? "simulated"
                                                                 : "unknown");
    if (given(subject->manufacturer)) {
        ks_json_member_text(writer, "tpm_manufacturer", subject->manufacturer);
    }
    ks_json_put_end(writer);
}

/* One group of results, made by this appraisal: [name, [[check, result], …]]. */
static void put_results(const struct ks_appraisal *appraisal, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "measres");
    ks_json_put_array(writer);
    ks_json_put_array(writer);
    ks_json_put_text(writer, "ketseal");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < KS_APPRAISAL_CHECKS; i++) {
        ks_json_put_array(writer);
        ks_json_put_text(writer, ks_appraisal_check_name((enum ks_appraisal_check)i));
        ks_json_put_text(writer, result_of(&appraisal->checks[i]));
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
    ks_json_put_end(writer);
    ks_json_put_end(writer);
}

void ks_appraisal_write_eat(const struct ks_appraisal *appraisal,
                            const struct ks_eat_subject *subject, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    uint8_t ueid[1 + KS_SHA256_LEN] = {UEID_RAND};

    KS_ASSERT(subject->nonce.len >= NONCE_LEN_MIN && subject->nonce.len <= KS_QUOTE_EXTRA_MAX);
    KS_ASSERT(subject->time_s <= KS_JSON_INTEGER_MAX);
    ks_sha256(subject->ueid_seed, ueid + 1);
    ks_json_put_object(&writer);
    if (appraisal->quoted) {
        ks_json_member_u64(&writer, "bootcount", appraisal->clock.reset_count);
    }
    member_base64url(&writer, "eat_nonce", subject->nonce);
    if (given(subject->model)) {
        struct ks_bytes model = ks_bytes_text(subject->model);
        model.len = model.len < HWMODEL_MAX ? model.len : HWMODEL_MAX;
        if (model.len >= HWMODEL_MIN) {
            member_base64url(&writer, "hwmodel", model);
        }
    }
    if (given(subject->version)) {
        member_version(&writer, "hwversion", subject->version);
    }
    ks_json_member_u64(&writer, "iat", subject->time_s);
    put_own(appraisal, subject, &writer);
    put_results(appraisal, &writer);
    if (given(subject->swversion)) {
        ks_json_member_text(&writer, "swname", "ketseal");
        member_version(&writer, "swversion", subject->swversion);
    }
    member_base64url(&writer, "ueid", KS_BYTES(ueid));
    ks_json_put_end(&writer);
}
