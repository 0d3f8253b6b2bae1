/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What happens to devices that are known: they attest, an operator gives orders about them or
 * looks at them. ketseald names the peer by its certificate; that it really is the peer is
 * ketseald's claim, so nothing here rests on it alone: evidence is quoted, orders are signed,
 * and each over the connection's exporter. */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "enclave/monitor.h"

#define CERTIFICATE_MAX 32768
#define PAGE            100 /* devices in one answer */

/* --- requests of a device ----------------------------------------------------------------- */

/* lp32 certificate, 32 channel, lp32 document */
enum ks_err ks_device_request_read(struct ks_monitor *monitor, struct ks_bytes payload,
                                   size_t document_max, enum ks_device_right right,
                                   struct ks_device_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "device frame");
    struct ks_device_request request = {0};
    struct ks_bytes certificate = {0};

    KS_TRY(ks_read_lp32(&reader, CERTIFICATE_MAX, &certificate));
    KS_TRY(ks_read_copy(&reader, request.channel, sizeof request.channel));
    KS_TRY(ks_read_lp32(&reader, document_max, &request.document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_device(monitor, certificate, right, &request.device));
    request.entry =
        ks_registry_find(monitor->admission.registry, ks_bytes_text(request.device->name));
    KS_ASSERT(request.entry != NULL); /* both rights want an enrolled device */
    *out_request = request;
out:
    return err;
}

bool ks_device_request_replaced(const struct ks_device_request *request)
{
    return !ks_bytes_equal(KS_BYTES(request->device->key_hash), KS_BYTES(request->entry->key));
}

/* --- attestation -------------------------------------------------------------------------- */

/* The device's own place, else a free one, else the one that ends first. Whoever has a key that
 * was replaced has a place apart: he cannot take the challenge from who has the key of now. */
static struct ks_device_challenge *challenge_place(struct ks_admission *admission,
                                                   const char *device, bool replaced)
{
    struct ks_device_challenge *place = &admission->challenges[0];

    for (size_t i = 0; i < KS_CHALLENGES_MAX; i++) {
        struct ks_device_challenge *challenge = &admission->challenges[i];

        if (challenge->deadline_us != 0 && challenge->replaced == replaced &&
            strcmp(challenge->device, device) == 0) {
            return challenge;
        }
        if (challenge->deadline_us < place->deadline_us) {
            place = challenge;
        }
    }
    return place;
}

enum ks_err ks_device_challenge_take(struct ks_admission *admission,
                                     const struct ks_device_request *request,
                                     struct ks_device_challenge *out_challenge)
{
    enum ks_err err = KS_OK;
    const char *device = request->entry->id;
    const bool replaced = ks_device_request_replaced(request);
    struct ks_device_challenge *place = challenge_place(admission, device, replaced);
    const struct ks_device_challenge challenge = *place;

    KS_CHECK(challenge.deadline_us != 0 && challenge.replaced == replaced &&
                 strcmp(challenge.device, device) == 0,
             KS_ERR_DENIED, "device '%s' has no open challenge", device);
    *place = (struct ks_device_challenge){0};
    KS_CHECK(challenge.deadline_us >= ks_clock_monotonic_us(), KS_ERR_DENIED,
             "the challenge is older than %d s", KS_CHALLENGE_S);
    KS_CHECK(ks_ct_equal(KS_BYTES(challenge.channel), KS_BYTES(request->channel)),
             KS_ERR_DENIED, "the challenge was for another connection");
    *out_challenge = challenge;
out:
    return err;
}

/* lp32 certificate, 32 channel, lp32 empty -> 32 nonce, u32 PCRs to be quoted */
enum ks_err ks_monitor_device_challenge(struct ks_monitor *monitor, uint32_t id,
                                        struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_device_request request = {0};
    struct ks_device_challenge challenge = {0};
    size_t begin = 0;

    KS_TRY(ks_device_request_read(monitor, payload, 0, KS_RIGHT_CHALLENGE, &request));
    KS_CHECK(monitor->admission.reference != NULL, KS_ERR_UNAVAILABLE,
             "this site has no reference policy for devices");
    KS_TRY(ks_random(challenge.nonce, sizeof challenge.nonce));
    ks_copy(challenge.channel, request.channel, sizeof challenge.channel);
    (void)snprintf(challenge.device, sizeof challenge.device, "%s", request.entry->id);
    challenge.deadline_us = ks_clock_monotonic_us() + (uint64_t)KS_CHALLENGE_S * 1000000;
    challenge.replaced = ks_device_request_replaced(&request);
    *challenge_place(&monitor->admission, challenge.device, challenge.replaced) = challenge;
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_DEVICE_CHALLENGE, id);
    ks_buf_put(&monitor->daemon.out, KS_BYTES(challenge.nonce));
    ks_buf_put_u32(&monitor->daemon.out, monitor->admission.reference->required_pcrs);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}

/* What an appraisal makes of ENTRY. */
static void take_appraisal(struct ks_device_entry *entry, enum ks_err verdict,
                           const struct ks_appraisal *appraisal)
{
    if (verdict == KS_OK) {
        entry->attested_us = ks_clock_us();
        entry->clock = appraisal->clock;
        if (entry->state == KS_DEVICE_SUSPENDED) { /* by an appraisal, or it had no right */
            entry->state = KS_DEVICE_ACTIVE;
            entry->reason[0] = '\0';
        }
        entry->appraisal_failed = false;
    } else {
        entry->state = KS_DEVICE_SUSPENDED;
        entry->appraisal_failed = true;
        ks_text_shown(ks_bytes_text(ks_err_detail()), entry->reason, sizeof entry->reason);
    }
}

static enum ks_err answer_eat(struct ks_monitor *monitor, uint32_t id,
                              const struct ks_device_entry *entry,
                              const struct ks_device_challenge *challenge,
                              const struct ks_appraisal *appraisal, struct ks_bytes ledger)
{
    enum ks_err err = KS_OK;
    struct ks_eat_subject subject = {
        .ueid_seed = KS_BYTES(entry->ek_certificate),
        .nonce = KS_BYTES(challenge->nonce),
        .reference = monitor->admission.reference->name,
        .time_s = ks_clock_us() / 1000000,
    };
    struct ks_buf text;
    size_t begin = 0;

    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    ks_copy(subject.reference_digest, monitor->admission.reference_digest,
            sizeof subject.reference_digest);
    ks_appraisal_write_eat(appraisal, &subject, &text);
    KS_TRY(ks_buf_check(&text));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_DEVICE_EVIDENCE, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_buf_put_lp16(&monitor->daemon.out, ledger);
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&text);
    return err;
}

/* A "no" is told to who looks after the site; to the device the verdict tells it. */
static void log_unhealthy(const struct ks_device_entry *entry)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_WARN, "device.unhealthy");
    ks_log_text(&line, "device", entry->id);
    ks_log_text(&line, "reason", entry->reason);
    ks_log_end(&line);
}

/* A quote that does not hold is nobody's word, and "could not tell" no verdict: both are
 * refused and change nothing. A "no" suspends the device until the next "yes". lp32
 * certificate, 32 channel, lp32 platform -> lp32 EAT, lp16 entry (empty: nothing changed) */
enum ks_err ks_monitor_device_evidence(struct ks_monitor *monitor, uint32_t id,
                                       struct ks_bytes payload)
{
    static const struct ks_json_limits limits = {.len_max = KS_FINISH_BYTES_MAX,
                                                 .nodes_max = 512};
    enum ks_err err = KS_OK;
    enum ks_err verdict = KS_OK;
    struct ks_admission *admission = &monitor->admission;
    struct ks_device_request request = {0};
    struct ks_device_challenge challenge = {0};
    struct ks_device_entry entry;
    struct ks_platform platform = {0};
    struct ks_appraisal appraisal;
    struct ks_json_doc *doc = NULL;
    struct ks_buf ledger;
    const uint8_t zeros[32] = {0};
    uint8_t extra[32];

    ks_buf_init(&ledger, KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_device_request_read(monitor, payload, KS_FINISH_BYTES_MAX, KS_RIGHT_ATTEST,
                                  &request));
    entry = *request.entry;
    KS_TRY(ks_device_challenge_take(admission, &request, &challenge));
    KS_TRY(ks_json_parse_canonical(request.document, &limits, &doc));
    KS_TRY(ks_fail_prefix(ks_platform_parse(ks_json_root(doc), &platform), "evidence"));
    ks_platform_binding(KS_QUOTE_DEVICE, zeros, challenge.nonce, request.channel, extra);
    verdict =
        ks_admission_appraise(admission, &entry, &platform, extra, &entry.clock, &appraisal);
    if (verdict != KS_OK && verdict != KS_ERR_VERIFY) {
        KS_TRY(verdict);
    }
    KS_TRY(appraisal.quoted ? KS_OK : KS_ERR_DENIED); /* the detail names what is false */
    take_appraisal(&entry, verdict, &appraisal);
    if (verdict != KS_OK) {
        log_unhealthy(&entry);
    }
    if (entry.state != request.entry->state) {
        ks_entry_device_write(entry.id, verdict == KS_OK ? "healthy" : "unhealthy", entry.ek,
                              entry.key, &ledger);
        KS_TRY(ks_buf_check(&ledger));
    }
    KS_TRY(ks_registry_put(admission->registry, &entry));
    KS_TRY(answer_eat(monitor, id, &entry, &challenge, &appraisal, ks_buf_view(&ledger)));
out:
    ks_platform_done(&platform);
    ks_json_doc_free(doc);
    ks_buf_done(&ledger);
    return err;
}

/* --- operators ---------------------------------------------------------------------------- */

enum ks_err ks_monitor_operator(struct ks_monitor *monitor, struct ks_bytes der,
                                struct ks_cert **out_cert, struct ks_verify_key **out_key,
                                uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_buf public_key;

    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_cert_parse_der(der, &cert));
    KS_TRY(ks_cert_verify(cert, monitor->trust, KS_CERT_OPERATOR, ks_clock_us() / 1000000));
    KS_TRY(ks_cert_key(cert, &key));
    KS_TRY(ks_verify_key_public(key, &public_key));
    ks_sha256(ks_buf_view(&public_key), out_hash);
    *out_cert = cert;
    *out_key = key;
    cert = NULL; /* transferred */
    key = NULL;
out:
    ks_cert_free(cert);
    ks_verify_key_free(key);
    ks_buf_done(&public_key);
    return err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "operator") : err;
}

static void put_device(struct ks_json_writer *writer, const struct ks_device_entry *entry)
{
    char time[KS_TIME_TEXT_LEN + 1];
    uint8_t ak[32];

    ks_sha256(ks_bytes_of(entry->ak, entry->ak_len), ak);
    ks_json_put_object(writer);
    ks_json_member_hex(writer, "ak", KS_BYTES(ak));
    ks_time_text(entry->attested_us, time);
    ks_json_member_text(writer, "attested_at", time);
    ks_json_member_text(writer, "device", entry->id);
    ks_json_member_hex(writer, "ek", KS_BYTES(entry->ek));
    ks_json_member_hex(writer, "ek_certificate", KS_BYTES(entry->ek_certificate));
    ks_time_text(entry->enrolled_us, time);
    ks_json_member_text(writer, "enrolled_at", time);
    ks_time_text(entry->expires_s * 1000000, time);
    ks_json_member_text(writer, "expires_at", time);
    ks_json_member_hex(writer, "key", KS_BYTES(entry->key));
    ks_json_member_text(writer, "reason", entry->reason);
    ks_json_member_text(writer, "schema", "ketseal.device/1");
    ks_json_member_text(
        writer, "state",
        ks_device_state_name(ks_device_state_at(entry, ks_clock_us() / 1000000)));
    ks_json_member_text(writer, "tpm",
                        entry->tpm == KS_TPM_SET_HARDWARE ? "hardware" : "simulated");
    ks_json_put_end(writer);
}

/* From which states an order leads where. */
static enum ks_err obey(struct ks_device_entry *entry, const struct ks_order *order)
{
    enum ks_err err = KS_OK;
    const bool lives = entry->state == KS_DEVICE_ACTIVE ||
                       entry->state == KS_DEVICE_SUSPENDED ||
                       entry->state == KS_DEVICE_PENDING_ROTATION;
    const struct {
        bool allowed;
        enum ks_device_state next;
    } moves[KS_ORDERS] = {
        [KS_ORDER_SUSPEND] = {lives, KS_DEVICE_SUSPENDED},
        [KS_ORDER_RESUME] = {entry->state == KS_DEVICE_SUSPENDED, KS_DEVICE_ACTIVE},
        [KS_ORDER_REVOKE] = {entry->state != KS_DEVICE_COMPROMISED, KS_DEVICE_REVOKED},
        [KS_ORDER_COMPROMISE] = {true, KS_DEVICE_COMPROMISED},
        [KS_ORDER_ROTATE] = {entry->state == KS_DEVICE_ACTIVE, KS_DEVICE_PENDING_ROTATION},
    };

    KS_CHECK(moves[order->verb].allowed, KS_ERR_CONFLICT, "device '%s' is %s: cannot %s it",
             entry->id, ks_device_state_name(entry->state), ks_order_name(order->verb));
    entry->state = moves[order->verb].next;
    entry->appraisal_failed = false;
    ks_text_shown(order->reason, entry->reason, sizeof entry->reason);
out:
    return err;
}

static enum ks_err answer_device(struct ks_monitor *monitor, uint32_t id,
                                 const struct ks_device_entry *entry, const char *event)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_buf ledger;
    struct ks_json_writer writer = ks_json_writer_of(&text);
    size_t begin = 0;

    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    ks_buf_init(&ledger, KS_ENTRY_BYTES_MAX);
    put_device(&writer, entry);
    ks_entry_device_write(entry->id, event, entry->ek, entry->key, &ledger);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_buf_check(&ledger));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_ORDER, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_buf_put_lp16(&monitor->daemon.out, ks_buf_view(&ledger));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&text);
    ks_buf_done(&ledger);
    return err;
}

enum ks_err ks_monitor_meant(const struct ks_monitor *monitor,
                             const struct ks_monitor_said *said,
                             const uint8_t channel[KS_CHANNEL_LEN])
{
    enum ks_err err = KS_OK;
    const uint64_t now_us = ks_clock_us();
    const uint64_t age_us =
        now_us > said->created_us ? now_us - said->created_us : said->created_us - now_us;

    KS_CHECK(ks_bytes_is(said->site, monitor->site.origin), KS_ERR_DENIED,
             "the %s is for another site", said->what);
    KS_CHECK(ks_ct_equal(ks_bytes_of(said->channel, KS_CHANNEL_LEN),
                         ks_bytes_of(channel, KS_CHANNEL_LEN)),
             KS_ERR_DENIED, "the %s is for another connection", said->what);
    KS_CHECK(age_us <= (uint64_t)KS_SUBMISSION_AGE_MAX_S * 1000000, KS_ERR_DENIED,
             "the %s's time is %llu s from the site's", said->what,
             (unsigned long long)age_us / 1000000);
out:
    return err;
}

/* lp32 certificate, 32 channel, lp32 order -> lp32 device, lp16 entry */
enum ks_err ks_monitor_order(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "order frame");
    struct ks_registry *registry = monitor->admission.registry;
    struct ks_bytes certificate = {0};
    struct ks_bytes document = {0};
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_order order = {0};
    const struct ks_device_entry *known = NULL;
    struct ks_device_entry entry;
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t key_hash[32];

    KS_TRY(ks_read_lp32(&reader, CERTIFICATE_MAX, &certificate));
    KS_TRY(ks_read_copy(&reader, channel, sizeof channel));
    KS_TRY(ks_read_lp32(&reader, KS_ENROL_BYTES_MAX, &document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_operator(monitor, certificate, &cert, &key, key_hash));
    err = ks_order_read(document, key, &order);
    KS_TRY(err == KS_ERR_VERIFY ? KS_ERR_DENIED : err);
    KS_TRY(ks_monitor_meant(
        monitor,
        &(struct ks_monitor_said){"order", order.site, order.channel, order.created_us},
        channel));
    known = ks_registry_find(registry, order.device);
    KS_CHECK(known != NULL, KS_ERR_NOT_FOUND, "no device '%.*s' is enrolled",
             (int)order.device.len, (const char *)order.device.data);
    entry = *known;
    KS_TRY(obey(&entry, &order));
    KS_TRY(ks_registry_order(registry, &entry, key_hash, order.created_us));
    KS_TRY(answer_device(monitor, id, &entry, ks_order_name(order.verb)));
out:
    ks_order_done(&order);
    ks_cert_free(cert);
    ks_verify_key_free(key);
    return err;
}

/* The first device behind AFTER. */
static size_t index_after(const struct ks_registry *registry, struct ks_bytes after)
{
    size_t i = 0;

    while (i < ks_registry_count(registry) &&
           ks_bytes_compare(ks_bytes_text(ks_registry_at(registry, i)->id), after) <= 0) {
        i++;
    }
    return i;
}

/* lp32 certificate, lp16 id (empty: all), lp16 after -> lp32 devices. Reading takes an
 * operator's certificate, no signature: ketseald may know who is enrolled. */
enum ks_err ks_monitor_devices(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "devices frame");
    const struct ks_registry *registry = monitor->admission.registry;
    struct ks_bytes certificate = {0};
    struct ks_bytes device = {0};
    struct ks_bytes after = {0};
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;
    const struct ks_device_entry *one = NULL;
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);
    uint8_t key_hash[32];
    size_t begin = 0;
    size_t first = 0;
    size_t i = 0;

    ks_buf_init(&text, 1024 * 1024);
    KS_TRY(ks_read_lp32(&reader, CERTIFICATE_MAX, &certificate));
    KS_TRY(ks_read_lp16(&reader, KS_CERT_SUBJECT_MAX, &device));
    KS_TRY(ks_read_lp16(&reader, KS_CERT_SUBJECT_MAX, &after));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_operator(monitor, certificate, &cert, &key, key_hash));
    if (device.len > 0) {
        one = ks_registry_find(registry, device);
        KS_CHECK(one != NULL, KS_ERR_NOT_FOUND, "no such device is enrolled");
        put_device(&writer, one);
    } else {
        first = after.len > 0 ? index_after(registry, after) : 0;
        ks_json_put_object(&writer);
        ks_json_put_key(&writer, "devices");
        ks_json_put_array(&writer);
        for (i = first; i < ks_registry_count(registry) && i < first + PAGE; i++) {
            put_device(&writer, ks_registry_at(registry, i));
        }
        ks_json_put_end(&writer);
        if (i < ks_registry_count(registry)) {
            ks_json_member_text(&writer, "next", ks_registry_at(registry, i - 1)->id);
        }
        ks_json_member_text(&writer, "schema", "ketseal.device-list/1");
        ks_json_put_end(&writer);
    }
    KS_TRY(ks_buf_check(&text));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_DEVICES, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_cert_free(cert);
    ks_verify_key_free(key);
    ks_buf_done(&text);
    return err;
}
