/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How a device becomes known. First exchange: a token, a TPM whose endorsement certificate a
 * configured root vouches for, and its attestation key; the answer is a credential that this
 * TPM alone can open, and only when it holds that very key. Second exchange: the secret from
 * the credential, a fresh ML-DSA-65 key with a quote over the request for its certificate, and
 * the platform's logs, appraised; the answer is the certificate. Both come over one TLS
 * connection, whose exporter is in everything that is signed. */

#include "crypto/digest.h"
#include "enclave/monitor.h"

static const char *device_of(const struct ks_device_entry *entry)
{
    return entry->id;
}

/* --- first exchange: who is that? --------------------------------------------------------- */

/* The token: an operator of our root's gave it, for this site, not long ago, to be used once.
 */
static enum ks_err check_grant(struct ks_monitor *monitor, const struct ks_grant *grant,
                               uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct ks_cert *operator_cert = NULL;

    KS_TRY(ks_cert_parse_der(ks_buf_view(&grant->operator_certificate), &operator_cert));
    KS_TRY(ks_cert_verify(operator_cert, monitor->trust, KS_CERT_OPERATOR, now_us / 1000000));
    KS_TRY(ks_grant_check(grant, operator_cert));
    KS_CHECK(ks_bytes_is(grant->site, monitor->site.origin), KS_ERR_DENIED,
             "the token is for another site");
    KS_CHECK(now_us < grant->expires_us, KS_ERR_DENIED, "the token has expired");
    KS_CHECK(grant->expires_us - now_us <=
                 (uint64_t)(KS_TOKEN_LIFE_S_MAX + KS_BACKDATE_S) * 1000000,
             KS_ERR_DENIED, "the token lives longer than %d hours", KS_TOKEN_LIFE_S_MAX / 3600);
    KS_CHECK(!ks_registry_token_used(monitor->admission.registry, grant->id), KS_ERR_DENIED,
             "the token was used already");
out:
    ks_cert_free(operator_cert);
    return err;
}

/* The endorsement certificate: whose TPM, and is there one at all? */
static enum ks_err check_endorsement(const struct ks_admission *admission,
                                     const struct ks_enrol *enrol, uint64_t now_us,
                                     struct ks_ek_public *out_ek, struct ks_device_entry *entry)
{
    enum ks_err err = KS_OK;
    struct ks_ek_cert *cert = NULL;
    struct ks_ek_certs chain = {0};
    size_t root = 0;

    KS_TRY(ks_ek_cert_parse_der(ks_buf_view(&enrol->ek_certificate), &cert));
    for (size_t i = 0; i < enrol->ek_chain_count; i++) {
        KS_TRY(ks_ek_certs_add_der(&chain, ks_buf_view(&enrol->ek_chain[i])));
    }
    KS_TRY(ks_fail_prefix(
        ks_ek_cert_verify(cert, &chain, &admission->ek_roots, now_us / 1000000, &root),
        "endorsement"));
    KS_TRY(ks_ek_public_parse(ks_buf_view(&enrol->ek), out_ek));
    KS_TRY(ks_ek_public_check_cert(out_ek, cert));
    entry->tpm =
        root < admission->ek_roots_hardware ? KS_TPM_SET_HARDWARE : KS_TPM_SET_SIMULATED;
    KS_CHECK((entry->tpm & admission->reference->tpms) != 0, KS_ERR_DENIED,
             "a simulated TPM, which this site's reference does not accept");
    ks_ek_cert_fingerprint(cert, entry->ek_certificate);
    ks_sha256(ks_buf_view(&enrol->ek), entry->ek);
out:
    ks_ek_cert_free(cert);
    ks_ek_certs_done(&chain);
    return err;
}

/* One TPM under one id, for good. */
static enum ks_err check_known(const struct ks_admission *admission,
                               const struct ks_device_entry *entry)
{
    enum ks_err err = KS_OK;
    const struct ks_device_entry *known =
        ks_registry_find(admission->registry, ks_bytes_text(entry->id));
    const struct ks_device_entry *other = ks_registry_find_ek(admission->registry, entry->ek);

    KS_CHECK(known == NULL || ks_bytes_equal(KS_BYTES(known->ek), KS_BYTES(entry->ek)),
             KS_ERR_DENIED, "device '%s' is bound to another TPM", device_of(entry));
    KS_CHECK(known == NULL || known->state != KS_DEVICE_COMPROMISED, KS_ERR_DENIED,
             "device '%s' is COMPROMISED: its TPM may not come back", device_of(entry));
    KS_CHECK(other == NULL || other == known, KS_ERR_DENIED,
             "this TPM is enrolled as device '%s'", device_of(other));
out:
    return err;
}

static enum ks_err take_keys(const struct ks_enrol *enrol, struct ks_device_entry *entry,
                             uint8_t out_name[KS_AK_NAME_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_ak_public ak;

    KS_TRY(ks_fail_prefix(ks_ak_public_parse(ks_buf_view(&enrol->ak), &ak), "attestation key"));
    KS_CHECK(enrol->ak.len <= sizeof entry->ak, KS_ERR_LIMIT, "attestation key: %zu bytes",
             enrol->ak.len);
    ks_copy(entry->ak, enrol->ak.data, enrol->ak.len);
    entry->ak_len = enrol->ak.len;
    ks_ak_name(&ak, out_name);
out:
    return err;
}

static enum ks_err check_enrol(struct ks_monitor *monitor, const struct ks_enrol *enrol,
                               const uint8_t channel[KS_CHANNEL_LEN],
                               struct ks_device_entry *entry, struct ks_ek_public *out_ek,
                               uint8_t out_name[KS_AK_NAME_LEN])
{
    enum ks_err err = KS_OK;
    const uint64_t now_us = ks_clock_us();

    KS_CHECK(monitor->issuer != NULL, KS_ERR_UNAVAILABLE,
             "this site is not certified yet: it cannot issue certificates");
    KS_CHECK(monitor->admission.reference != NULL, KS_ERR_UNAVAILABLE,
             "this site has no reference policy for devices: none can enrol");
    KS_CHECK(ks_ct_equal(KS_BYTES(enrol->channel), ks_bytes_of(channel, KS_CHANNEL_LEN)),
             KS_ERR_DENIED, "the enrolment is for another connection");
    KS_TRY(check_grant(monitor, &enrol->grant, now_us));
    ks_copy(entry->id, enrol->device.data, enrol->device.len);
    KS_TRY(check_endorsement(&monitor->admission, enrol, now_us, out_ek, entry));
    KS_TRY(check_known(&monitor->admission, entry));
    KS_TRY(take_keys(enrol, entry, out_name));
out:
    return err;
}

/* A free place, or that of the oldest enrolment that nobody finished. */
static struct ks_enrolment *place_for(struct ks_admission *admission)
{
    const uint64_t now_us = ks_clock_monotonic_us();
    struct ks_enrolment *place = NULL;

    for (size_t i = 0; i < KS_ENROL_SESSIONS_MAX; i++) {
        struct ks_enrolment *enrolment = &admission->enrolments[i];

        if (!enrolment->used || enrolment->deadline_us < now_us) {
            place = enrolment;
        }
    }
    return place;
}

static void enrolment_done(struct ks_enrolment *enrolment)
{
    ks_secret_done(&enrolment->secret);
    *enrolment = (struct ks_enrolment){0};
}

/* A fresh secret for the TPM that holds both keys. */
static enum ks_err challenge_tpm(const struct ks_ek_public *ek,
                                 const uint8_t ak_name[KS_AK_NAME_LEN],
                                 struct ks_secret *out_secret, struct ks_challenge *challenge)
{
    enum ks_err err = KS_OK;
    uint8_t secret[32];
    uint8_t random[KS_CREDENTIAL_RANDOM_LEN];
    const struct ks_credential_spec spec = {.ak_name = ks_bytes_of(ak_name, KS_AK_NAME_LEN),
                                            .secret = KS_BYTES(secret),
                                            .random = KS_BYTES(random)};

    KS_TRY(ks_random(secret, sizeof secret));
    KS_TRY(ks_random(random, sizeof random));
    KS_TRY(ks_credential_make(ek, &spec, &challenge->id_object, &challenge->encrypted_secret));
    ks_secret_set(out_secret, KS_BYTES(secret));
out:
    ks_wipe(secret, sizeof secret);
    ks_wipe(random, sizeof random);
    return err;
}

/* 32 channel, lp32 document -> lp32 challenge */
enum ks_err ks_monitor_enrol(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "enrol frame");
    struct ks_admission *admission = &monitor->admission;
    struct ks_enrolment fresh = {.used = true};
    struct ks_enrolment *place = place_for(admission);
    struct ks_bytes document = {0};
    struct ks_enrol enrol = {0};
    struct ks_ek_public ek;
    struct ks_challenge challenge;
    struct ks_buf text;
    uint8_t ak_name[KS_AK_NAME_LEN];
    size_t begin = 0;

    ks_challenge_init(&challenge);
    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    KS_TRY(ks_read_copy(&reader, fresh.channel, sizeof fresh.channel));
    KS_TRY(ks_read_lp32(&reader, KS_ENROL_BYTES_MAX, &document));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(place != NULL, KS_ERR_UNAVAILABLE, "%d enrolments are under way",
             KS_ENROL_SESSIONS_MAX);
    KS_TRY(ks_enrol_read(document, &enrol));
    KS_TRY(check_enrol(monitor, &enrol, fresh.channel, &fresh.entry, &ek, ak_name));
    ks_copy(fresh.token, enrol.grant.id, sizeof fresh.token);
    fresh.token_expires_us = enrol.grant.expires_us;
    fresh.deadline_us = ks_clock_monotonic_us() + (uint64_t)KS_ENROL_SESSION_S * 1000000;
    KS_TRY(ks_random(fresh.session, sizeof fresh.session));
    KS_TRY(ks_random(fresh.nonce, sizeof fresh.nonce));
    KS_TRY(challenge_tpm(&ek, ak_name, &fresh.secret, &challenge));
    ks_copy(challenge.session, fresh.session, sizeof challenge.session);
    ks_copy(challenge.nonce, fresh.nonce, sizeof challenge.nonce);
    challenge.pcr_mask = admission->reference->required_pcrs;
    ks_challenge_write(&challenge, &text);
    KS_TRY(ks_buf_check(&text));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_ENROL, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_frame_end(&monitor->daemon.out, begin);
    enrolment_done(place);
    *place = fresh;
    fresh = (struct ks_enrolment){0}; /* transferred */
out:
    enrolment_done(&fresh);
    ks_enrol_done(&enrol);
    ks_challenge_done(&challenge);
    ks_buf_done(&text);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err; /* the detail names what is false */
}

/* --- second exchange: the certificate ----------------------------------------------------- */

/* Takes the enrolment SESSION out of the table: it has one try. */
static enum ks_err take_enrolment(struct ks_admission *admission,
                                  const uint8_t session[KS_ENROL_SESSION_LEN],
                                  struct ks_enrolment *out_enrolment)
{
    const uint64_t now_us = ks_clock_monotonic_us();

    for (size_t i = 0; i < KS_ENROL_SESSIONS_MAX; i++) {
        struct ks_enrolment *enrolment = &admission->enrolments[i];

        if (enrolment->used && ks_ct_equal(KS_BYTES(enrolment->session),
                                           ks_bytes_of(session, KS_ENROL_SESSION_LEN))) {
            *out_enrolment = *enrolment;
            *enrolment = (struct ks_enrolment){0}; /* transferred, the secret with it */
            if (out_enrolment->deadline_us < now_us) {
                return ks_fail(KS_ERR_DENIED, "the enrolment took longer than %d s",
                               KS_ENROL_SESSION_S);
            }
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_DENIED, "no such enrolment is under way");
}

static enum ks_err check_finish(const struct ks_enrolment *enrolment,
                                const struct ks_finish *finish,
                                const uint8_t channel[KS_CHANNEL_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t proof[32];

    KS_CHECK(
        ks_ct_equal(KS_BYTES(enrolment->channel), ks_bytes_of(channel, KS_CHANNEL_LEN)) &&
            ks_ct_equal(KS_BYTES(finish->csr.channel), ks_bytes_of(channel, KS_CHANNEL_LEN)),
        KS_ERR_DENIED, "the enrolment began on another connection");
    KS_CHECK(ks_bytes_is(finish->csr.device, enrolment->entry.id), KS_ERR_DENIED,
             "the enrolment began for device '%s'", enrolment->entry.id);
    ks_enrol_proof(&enrolment->secret, finish->csr_digest, proof);
    KS_CHECK(ks_ct_equal(KS_BYTES(proof), KS_BYTES(finish->proof)), KS_ERR_DENIED,
             "the credential was not activated: the attestation key is not in the TPM whose "
             "certificate was shown");
out:
    ks_wipe(proof, sizeof proof);
    return err;
}

/* The end of a certificate that is issued now. */
static uint64_t fresh_end_s(const struct ks_monitor *monitor)
{
    return ks_clock_us() / 1000000 + monitor->admission.rules.certificate_s;
}

/* A leaf for the key of CSR until NOT_AFTER_S, within the issuer's life. */
static enum ks_err issue_leaf(const struct ks_monitor *monitor, const struct ks_csr *csr,
                              const char *device, uint64_t not_after_s,
                              struct ks_cert **out_leaf)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *key = NULL;
    struct ks_cert_spec spec = {
        .role = KS_CERT_DEVICE,
        .subject = device,
        .not_before_s = ks_clock_us() / 1000000 - KS_BACKDATE_S,
        .not_after_s = not_after_s,
    };

    spec.not_before_s = spec.not_before_s < ks_cert_not_before_s(monitor->issuer)
                            ? ks_cert_not_before_s(monitor->issuer)
                            : spec.not_before_s;
    spec.not_after_s = spec.not_after_s > ks_cert_not_after_s(monitor->issuer)
                           ? ks_cert_not_after_s(monitor->issuer)
                           : spec.not_after_s;
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA65, KS_BYTES(csr->key), &key));
    KS_TRY(ks_cert_issue(monitor->issuer, monitor->keys.issuer, &spec, key, out_leaf));
out:
    ks_verify_key_free(key);
    return err;
}

/* lp32 {certificate, issuer}, lp16 ledger entry (EVENT NULL: none, nothing changed) */
static enum ks_err answer_leaf(struct ks_monitor *monitor, uint16_t type, uint32_t id,
                               const struct ks_cert *leaf, const struct ks_device_entry *entry,
                               const char *event)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_buf pem;
    struct ks_buf ledger;
    struct ks_json_writer writer = ks_json_writer_of(&text);
    size_t begin = 0;

    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    ks_buf_init(&ledger, KS_ENTRY_BYTES_MAX);
    ks_cert_to_pem(leaf, &pem);
    ks_json_put_object(&writer);
    ks_json_member_string(&writer, "certificate", ks_buf_view(&pem));
    ks_buf_clear(&pem);
    ks_cert_to_pem(monitor->issuer, &pem);
    ks_json_member_string(&writer, "issuer", ks_buf_view(&pem));
    ks_json_member_text(&writer, "schema", "ketseal.enrolled/1");
    ks_json_put_end(&writer);
    if (event != NULL) {
        ks_entry_device_write(entry->id, event, entry->ek, entry->key, &ledger);
    }
    KS_TRY(ks_buf_check(&pem));
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_buf_check(&ledger));
    begin = ks_answer_begin(&monitor->daemon.out, type, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_buf_put_lp16(&monitor->daemon.out, ks_buf_view(&ledger));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&text);
    ks_buf_done(&pem);
    ks_buf_done(&ledger);
    return err;
}

/* What the new certificate changes in ENTRY, whose platform APPRAISAL found good. */
static void renew(struct ks_device_entry *entry, const struct ks_csr *csr,
                  const struct ks_cert *leaf, const struct ks_appraisal *appraisal)
{
    entry->state = KS_DEVICE_ACTIVE;
    entry->reason[0] = '\0';
    entry->appraisal_failed = false;
    ks_sha256(KS_BYTES(csr->key), entry->key);
    ks_sha256(KS_BYTES(csr->kem), entry->kem);
    entry->expires_s = ks_cert_not_after_s(leaf);
    entry->attested_us = ks_clock_us();
    entry->clock = appraisal->clock;
}

/* 32 channel, lp32 document -> lp32 enrolled, lp16 entry */
enum ks_err ks_monitor_enrol_finish(struct ks_monitor *monitor, uint32_t id,
                                    struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "enrol frame");
    struct ks_admission *admission = &monitor->admission;
    struct ks_enrolment enrolment = {0};
    struct ks_finish finish = {0};
    struct ks_appraisal appraisal;
    struct ks_cert *leaf = NULL;
    struct ks_bytes document = {0};
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t extra[32];

    KS_TRY(ks_read_copy(&reader, channel, sizeof channel));
    KS_TRY(ks_read_lp32(&reader, KS_FINISH_BYTES_MAX, &document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_finish_read(document, &finish));
    KS_TRY(take_enrolment(admission, finish.csr.session, &enrolment));
    KS_TRY(check_finish(&enrolment, &finish, channel));
    ks_platform_binding(KS_QUOTE_ENROL, finish.csr_digest, enrolment.nonce, channel, extra);
    KS_TRY(ks_admission_appraise(admission, &enrolment.entry, &finish.platform, extra, NULL,
                                 &appraisal));
    KS_TRY(check_known(admission, &enrolment.entry)); /* two at once: the second is late */
    KS_TRY(issue_leaf(monitor, &finish.csr, enrolment.entry.id, fresh_end_s(monitor), &leaf));
    renew(&enrolment.entry, &finish.csr, leaf, &appraisal);
    enrolment.entry.enrolled_us = enrolment.entry.attested_us;
    KS_TRY(ks_registry_enrol(admission->registry, &enrolment.entry, enrolment.token,
                             enrolment.token_expires_us));
    KS_TRY(answer_leaf(monitor, KS_FRAME_ENROL_FINISH, id, leaf, &enrolment.entry, "enrol"));
out:
    enrolment_done(&enrolment);
    ks_finish_done(&finish);
    ks_cert_free(leaf);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err;
}

/* --- rotation: a new key for a device that is known --------------------------------------- */

/* Which rotation FINISH asks for: of the key of now to another; or, when the answer to that was
 * lost, the certificate of the key of now once more. Whose key was replaced may ask for the
 * latter alone; it is answered with what was public when it was answered first. */
static enum ks_err check_rotation(const struct ks_device_request *request,
                                  const struct ks_finish *finish)
{
    enum ks_err err = KS_OK;
    const struct ks_device_entry *entry = request->entry;
    uint8_t key[32];
    uint8_t kem[32];

    KS_CHECK(ks_bytes_is(finish->csr.device, entry->id), KS_ERR_DENIED,
             "the request is for device '%.*s'", (int)finish->csr.device.len,
             (const char *)finish->csr.device.data);
    KS_CHECK(ks_ct_equal(KS_BYTES(finish->csr.channel), KS_BYTES(request->channel)),
             KS_ERR_DENIED, "the request is for another connection");
    if (ks_csr_is_again(&finish->csr)) {
        ks_sha256(KS_BYTES(finish->csr.key), key);
        ks_sha256(KS_BYTES(finish->csr.kem), kem);
        KS_CHECK(ks_bytes_equal(KS_BYTES(key), KS_BYTES(entry->key)) &&
                     ks_bytes_equal(KS_BYTES(kem), KS_BYTES(entry->kem)),
                 KS_ERR_NOT_FOUND, "device '%s' has not rotated to these keys", entry->id);
    } else {
        KS_CHECK(ks_csr_is_rotation(&finish->csr), KS_ERR_DENIED,
                 "the request belongs to an enrolment");
        KS_CHECK(!ks_device_request_replaced(request), KS_ERR_DENIED,
                 "device '%s': another certificate has taken the place of this one", entry->id);
    }
out:
    return err;
}

/* As the second exchange; instead of a token and a credential stand the old certificate and a
 * challenge. lp32 certificate, 32 channel, lp32 document -> lp32 enrolled, lp16 entry */
enum ks_err ks_monitor_rotate(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_admission *admission = &monitor->admission;
    struct ks_device_request request = {0};
    struct ks_device_entry entry;
    struct ks_device_challenge challenge = {0};
    struct ks_finish finish = {0};
    struct ks_appraisal appraisal;
    struct ks_cert *leaf = NULL;
    uint8_t extra[32];
    bool again = false;

    KS_TRY(ks_device_request_read(monitor, payload, KS_FINISH_BYTES_MAX, KS_RIGHT_ROTATE,
                                  &request));
    entry = *request.entry;
    KS_TRY(ks_finish_read(request.document, &finish));
    KS_TRY(ks_device_challenge_take(admission, &request, &challenge));
    KS_TRY(check_rotation(&request, &finish));
    again = ks_csr_is_again(&finish.csr);
    ks_platform_binding(KS_QUOTE_ENROL, finish.csr_digest, challenge.nonce, request.channel,
                        extra);
    KS_TRY(ks_admission_appraise(admission, &entry, &finish.platform, extra, &entry.clock,
                                 &appraisal));
    KS_TRY(issue_leaf(monitor, &finish.csr, entry.id,
                      again ? entry.expires_s : fresh_end_s(monitor), &leaf));
    if (again) {
        entry.attested_us = ks_clock_us();
        entry.clock = appraisal.clock;
    } else {
        renew(&entry, &finish.csr, leaf, &appraisal);
    }
    KS_TRY(ks_registry_put(admission->registry, &entry));
    KS_TRY(answer_leaf(monitor, KS_FRAME_ROTATE, id, leaf, &entry, again ? NULL : "rotate"));
out:
    ks_finish_done(&finish);
    ks_cert_free(leaf);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err;
}
