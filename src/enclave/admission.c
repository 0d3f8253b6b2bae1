/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/admission.h"

#include "crypto/digest.h"
#include "record/exhibit.h"

static enum ks_err read_roots(const struct ks_device_rules *rules,
                              struct ks_admission *admission)
{
    enum ks_err err = KS_OK;

    if (rules->ek_roots_pem.len > 0) {
        KS_TRY(ks_fail_prefix(ks_ek_certs_add_pem(&admission->ek_roots, rules->ek_roots_pem),
                              "ek_roots"));
    }
    admission->ek_roots_hardware = admission->ek_roots.count;
    if (rules->simulated_ek_roots_pem.len > 0) {
        KS_TRY(ks_fail_prefix(
            ks_ek_certs_add_pem(&admission->ek_roots, rules->simulated_ek_roots_pem),
            "simulated_ek_roots"));
    }
out:
    return err;
}

enum ks_err ks_admission_init(const struct ks_device_rules *rules,
                              struct ks_admission *out_admission)
{
    enum ks_err err = KS_OK;
    struct ks_admission admission = {.rules = {.accept_issued = rules->accept_issued,
                                               .key_algs = rules->key_algs,
                                               .attest_every_s = rules->attest_every_s,
                                               .certificate_s = rules->certificate_s}};

    KS_TRY(read_roots(rules, &admission));
    if (rules->reference.len > 0) {
        KS_TRY(ks_fail_prefix(ks_reference_parse(rules->reference, &admission.reference),
                              "reference"));
        ks_sha256(rules->reference, admission.reference_digest);
    }
    admission.enrolments = ks_calloc(KS_ENROL_SESSIONS_MAX, sizeof *admission.enrolments);
    admission.challenges = ks_calloc(KS_CHALLENGES_MAX, sizeof *admission.challenges);
    KS_CHECK(admission.enrolments != NULL && admission.challenges != NULL, KS_ERR_NOMEM,
             "tables of enrolments");
    *out_admission = admission;
    admission = (struct ks_admission){0}; /* transferred */
out:
    ks_admission_done(&admission);
    return err;
}

void ks_admission_done(struct ks_admission *admission)
{
    ks_ek_certs_done(&admission->ek_roots);
    ks_reference_free(admission->reference);
    if (admission->enrolments != NULL) {
        ks_wipe(admission->enrolments, KS_ENROL_SESSIONS_MAX * sizeof *admission->enrolments);
    }
    ks_free(admission->enrolments);
    ks_free(admission->challenges);
    *admission = (struct ks_admission){0};
}

static enum ks_err check_state(const struct ks_admission *admission,
                               const struct ks_device_entry *entry, enum ks_device_right right,
                               uint64_t now_us)
{
    enum ks_err err = KS_OK;
    const enum ks_device_state state = ks_device_state_at(entry, now_us / 1000000);
    const uint64_t every_s = admission->rules.attest_every_s;
    const bool attests = state == KS_DEVICE_ACTIVE || state == KS_DEVICE_PENDING_ROTATION ||
                         (state == KS_DEVICE_SUSPENDED && entry->appraisal_failed);
    const bool rights[] = {
        [KS_RIGHT_WORK] = state == KS_DEVICE_ACTIVE,
        [KS_RIGHT_ATTEST] = attests,
        [KS_RIGHT_CHALLENGE] = attests,
        [KS_RIGHT_ROTATE] = state == KS_DEVICE_ACTIVE || state == KS_DEVICE_PENDING_ROTATION,
    };

    KS_CHECK(rights[right], KS_ERR_DENIED, "device '%s' is %s%s%s", entry->id,
             ks_device_state_name(state), entry->reason[0] == '\0' ? "" : ": ", entry->reason);
    KS_CHECK(right != KS_RIGHT_WORK || every_s == 0 ||
                 now_us <= entry->attested_us + every_s * 1000000,
             KS_ERR_STALE,
             "device '%s': its last attestation is older than %llu s; attest first", entry->id,
             (unsigned long long)every_s);
out:
    return err;
}

enum ks_err ks_admission_check(const struct ks_admission *admission, struct ks_bytes id,
                               const uint8_t key[32], bool enrolled, enum ks_device_right right,
                               uint64_t now_us)
{
    enum ks_err err = KS_OK;
    const struct ks_device_entry *entry = ks_registry_find(admission->registry, id);
    const int len = (int)id.len;
    const char *text = (const char *)id.data;

    if (!enrolled) {
        KS_CHECK(entry == NULL, KS_ERR_DENIED,
                 "device '%.*s' is enrolled: it needs the certificate of its enrolment", len,
                 text);
        KS_CHECK(admission->rules.accept_issued, KS_ERR_DENIED,
                 "device '%.*s' is not enrolled, and this site takes enrolled ones only", len,
                 text);
        KS_CHECK(right == KS_RIGHT_WORK, KS_ERR_DENIED,
                 "device '%.*s' is not enrolled: there is nothing to attest or to rotate", len,
                 text);
        return KS_OK;
    }
    KS_CHECK(entry != NULL, KS_ERR_DENIED, "device '%.*s' is not in this site's registry", len,
             text);
    KS_CHECK(ks_bytes_equal(KS_BYTES(entry->key), ks_bytes_of(key, 32)) ||
                 right == KS_RIGHT_CHALLENGE || right == KS_RIGHT_ROTATE,
             KS_ERR_DENIED,
             "device '%.*s': another certificate has taken the place of this one", len, text);
    KS_TRY(check_state(admission, entry, right, now_us));
out:
    return err;
}

enum ks_err ks_admission_appraise(const struct ks_admission *admission,
                                  const struct ks_device_entry *entry,
                                  const struct ks_platform *platform, const uint8_t extra[32],
                                  const struct ks_clock_seen *seen,
                                  struct ks_appraisal *out_appraisal)
{
    const struct ks_appraise_spec spec = {
        .extra_data = ks_bytes_of(extra, 32), .reference = admission->reference, .seen = seen};

    return ks_platform_appraise(platform, ks_bytes_of(entry->ak, entry->ak_len), entry->tpm,
                                &spec, out_appraisal);
}
