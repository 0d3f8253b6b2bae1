/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How the site itself becomes known: the enclave shows its TPM and its launch to whoever asks,
 * proves that its attestation key lives in that TPM, and takes the certificates that its
 * operator's CA then issues: that of its issuing key, and the one over its document. They are
 * kept, and hold for this very build: a planned update is certified again. */

#include <stdio.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "enclave/monitor.h"
#include "record/certify.h"

#define CERTIFICATE_FILE "certificate"

/* --- showing ------------------------------------------------------------------------------ */

static enum ks_err fill_request(struct ks_monitor *monitor, enum ks_tpm_ek_kind kind,
                                struct ks_site_request *request)
{
    enum ks_err err = KS_OK;
    struct ks_site *plain = ks_calloc(1, sizeof *plain);
    struct ks_buf key;

    ks_buf_init(&key, KS_SIG_PUBLIC_LEN_MAX);
    KS_CHECK(plain != NULL, KS_ERR_NOMEM, "site request");
    *plain = monitor->site;
    plain->issuer_len = 0;
    plain->certificate.signature_len = 0;
    ks_site_write(plain, &request->site);
    KS_TRY(ks_buf_check(&request->site));
    KS_TRY(ks_sign_key_public(monitor->keys.issuer, &key));
    KS_ASSERT(key.len == sizeof request->issuer_key);
    ks_copy(request->issuer_key, key.data, key.len);
    KS_TRY(ks_tpm_ek_open(monitor->tpm, kind));
    ks_tpm_ek_public(monitor->tpm, &request->ek);
    ks_tpm_ek_close(monitor->tpm);
    KS_TRY(ks_buf_check(&request->ek));
    KS_TRY(ks_tpm_ek_certificate(monitor->tpm, kind, &request->ek_certificate));
out:
    ks_free(plain);
    ks_buf_done(&key);
    return err;
}

/* 32 nonce, 32 channel, u8 kind of endorsement key -> lp32 request */
enum ks_err ks_monitor_site_request(struct ks_monitor *monitor, uint32_t id,
                                    struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "site request frame");
    struct ks_site_request request;
    struct ks_buf text;
    uint8_t kind = 0;
    uint8_t extra[32];
    size_t begin = 0;

    ks_site_request_init(&request);
    ks_buf_init(&text, KS_SITE_REQUEST_BYTES_MAX);
    KS_TRY(ks_read_copy(&reader, request.nonce, sizeof request.nonce));
    KS_TRY(ks_read_copy(&reader, request.channel, sizeof request.channel));
    KS_TRY(ks_read_u8(&reader, &kind));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(kind <= KS_TPM_EK_ECC_P384, KS_ERR_FORMAT, "endorsement key of kind %u", kind);
    KS_TRY(ks_monitor_tpm_ready(monitor));
    KS_TRY(fill_request(monitor, (enum ks_tpm_ek_kind)kind, &request));
    KS_TRY(ks_site_request_digest(&request, monitor->admission.site_request));
    ks_platform_binding(KS_QUOTE_SITE, monitor->admission.site_request, request.nonce,
                        request.channel, extra);
    KS_TRY(ks_tpm_quote(monitor->tpm, KS_BYTES(extra), UINT32_C(1) << KS_LAUNCH_PCR,
                        &request.attest, &request.signature));
    monitor->admission.site_requested = true;
    monitor->admission.site_kind = (enum ks_tpm_ek_kind)kind;
    ks_site_request_write(&request, &text);
    KS_TRY(ks_buf_check(&text));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_SITE_REQUEST, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_site_request_done(&request);
    ks_buf_done(&text);
    return err;
}

/* lp16 id object, lp16 encrypted secret -> 32 proof. Only the proof of what was shown last
 * leaves the enclave, never the secret: it activates nothing for others. */
enum ks_err ks_monitor_site_activate(struct ks_monitor *monitor, uint32_t id,
                                     struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "site activation frame");
    struct ks_bytes id_object = {0};
    struct ks_bytes encrypted = {0};
    struct ks_secret secret = {0};
    uint8_t proof[32];
    size_t begin = 0;

    KS_TRY(ks_read_lp16(&reader, KS_TPM_ID_OBJECT_MAX, &id_object));
    KS_TRY(ks_read_lp16(&reader, KS_TPM_ENCRYPTED_SECRET_MAX, &encrypted));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(monitor->admission.site_requested, KS_ERR_CONFLICT,
             "nobody asked for a request of this site");
    KS_TRY(ks_monitor_tpm_ready(monitor));
    KS_TRY(ks_tpm_ek_open(monitor->tpm, monitor->admission.site_kind));
    KS_TRY(ks_tpm_credential_activate(monitor->tpm, id_object, encrypted, &secret));
    ks_site_proof(&secret, monitor->admission.site_request, proof);
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_SITE_ACTIVATE, id);
    ks_buf_put(&monitor->daemon.out, KS_BYTES(proof));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_tpm_ek_close(monitor->tpm);
    ks_secret_done(&secret);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err;
}

/* --- being certified ---------------------------------------------------------------------- */

/* The issuer's certificate is good, and for our key. */
static enum ks_err open_issuer(struct ks_monitor *monitor, const struct ks_site *site,
                               struct ks_cert **out_issuer)
{
    enum ks_err err = KS_OK;
    struct ks_cert *issuer = NULL;
    struct ks_verify_key *theirs = NULL;
    struct ks_buf ours_raw;
    struct ks_buf theirs_raw;

    ks_buf_init(&ours_raw, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&theirs_raw, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_cert_parse_der(ks_bytes_of(site->issuer, site->issuer_len), &issuer));
    KS_TRY(ks_cert_key(issuer, &theirs));
    KS_TRY(ks_verify_key_public(theirs, &theirs_raw));
    KS_TRY(ks_sign_key_public(monitor->keys.issuer, &ours_raw));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&ours_raw), ks_buf_view(&theirs_raw)), KS_ERR_VERIFY,
             "the issuer's certificate is for another key");
    *out_issuer = issuer;
    issuer = NULL; /* transferred */
out:
    ks_cert_free(issuer);
    ks_verify_key_free(theirs);
    ks_buf_done(&ours_raw);
    ks_buf_done(&theirs_raw);
    return err;
}

/* DOCUMENT is ours, as it is now, with issuer and certificate added by our root. */
static enum ks_err read_certificate(struct ks_monitor *monitor, struct ks_bytes document,
                                    struct ks_site *site)
{
    enum ks_err err = KS_OK;
    struct ks_buf ours;
    struct ks_buf theirs;
    struct ks_site *plain = ks_calloc(1, sizeof *plain);

    ks_buf_init(&ours, KS_SITE_BYTES_MAX);
    ks_buf_init(&theirs, KS_SITE_BYTES_MAX);
    KS_CHECK(plain != NULL, KS_ERR_NOMEM, "site certificate");
    KS_TRY(ks_site_read(document, site));
    *plain = *site;
    plain->issuer_len = 0;
    plain->certificate.signature_len = 0;
    ks_site_write(plain, &theirs);
    *plain = monitor->site;
    plain->issuer_len = 0;
    plain->certificate.signature_len = 0;
    ks_site_write(plain, &ours);
    KS_TRY(ks_buf_check(&ours));
    KS_TRY(ks_buf_check(&theirs));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&ours), ks_buf_view(&theirs)), KS_ERR_VERIFY,
             "the certificate is for other keys or another build than this site's");
    KS_TRY(ks_site_check_certificate(site, monitor->root, ks_clock_us()));
out:
    ks_free(plain);
    ks_buf_done(&ours);
    ks_buf_done(&theirs);
    return err;
}

/* Takes DOCUMENT into use, for devices of the issuer too. On failure nothing has changed. */
static enum ks_err take_certificate(struct ks_monitor *monitor, struct ks_bytes document)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_cert *issuer = NULL;
    struct ks_cert_trust *trust = NULL;
    struct ks_cert_trust_spec spec = {.root = monitor->root, .crl = monitor->crl};

    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site certificate");
    KS_TRY(read_certificate(monitor, document, site));
    KS_TRY(open_issuer(monitor, site, &issuer));
    spec.issuer = issuer;
    KS_TRY(ks_cert_trust_new(&spec, &trust));
    KS_TRY(ks_cert_verify(issuer, trust, KS_CERT_ISSUER, ks_clock_us() / 1000000));
    ks_monitor_forget_devices(monitor);
    ks_cert_trust_free(monitor->trust);
    ks_cert_free(monitor->issuer);
    monitor->trust = trust;
    monitor->issuer = issuer;
    trust = NULL; /* transferred */
    issuer = NULL;
    monitor->site = *site;
out:
    ks_free(site);
    ks_cert_trust_free(trust);
    ks_cert_free(issuer);
    return err;
}

/* lp32 site document with issuer and certificate -> lp32 the same, in use and kept */
enum ks_err ks_monitor_site_certify(struct ks_monitor *monitor, uint32_t id,
                                    struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "site certificate frame");
    struct ks_bytes document = {0};
    struct ks_buf text;
    size_t begin = 0;

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    KS_TRY(ks_read_lp32(&reader, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(take_certificate(monitor, document));
    ks_site_write(&monitor->site, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_fs_replace(monitor->fs, CERTIFICATE_FILE, ks_buf_view(&text)));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_SITE_CERTIFY, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&text));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&text);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err;
}

enum ks_err ks_monitor_load_certificate(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_log_line line;

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    err = ks_fs_load(monitor->fs, CERTIFICATE_FILE, KS_SITE_BYTES_MAX, &text);
    if (err == KS_ERR_NOT_FOUND) {
        err = KS_OK;
    } else {
        KS_TRY(err);
        err = take_certificate(monitor, ks_buf_view(&text));
        if (err == KS_ERR_VERIFY || err == KS_ERR_FORMAT) {
            /* Another build, or it has run out: the site works, but issues nothing. */
            ks_log_begin(&line, KS_LOG_WARN, "site.uncertified");
            ks_log_text(&line, "reason", ks_err_detail());
            ks_log_end(&line);
            err = KS_OK;
        }
    }
out:
    ks_buf_done(&text);
    return err;
}
