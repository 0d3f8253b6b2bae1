/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/enrol.h"

#include "base/sys.h"
#include "client/session.h"
#include "client/tls_file.h"
#include "crypto/ekcert.h"
#include "record/exhibit.h"

#define TIMEOUT_MS 60000

/* --- files -------------------------------------------------------------------------------- */

static enum ks_err write_file(const char *directory, const char *name, struct ks_bytes bytes,
                              mode_t mode)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_write(path, bytes, mode));
out:
    return err;
}

static enum ks_err read_file(const char *directory, const char *name, size_t len_max,
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_read(path, len_max, out));
out:
    return err;
}

/* --- the answer to both: a certificate ---------------------------------------------------- */

/* The leaf is good under ROOT_PEM by way of the issuer that came with it, for our key. */
static enum ks_err check_leaf(struct ks_bytes root_pem, struct ks_bytes issuer_pem,
                              const struct ks_identity *identity, struct ks_cert *leaf)
{
    enum ks_err err = KS_OK;
    struct ks_cert *root = NULL;
    struct ks_cert *issuer = NULL;
    struct ks_cert_trust *trust = NULL;
    struct ks_cert_trust_spec spec = {0};

    KS_TRY(ks_cert_parse_pem(root_pem, &root));
    KS_TRY(ks_cert_parse_pem(issuer_pem, &issuer));
    spec.root = root;
    spec.issuer = issuer;
    KS_TRY(ks_cert_trust_new(&spec, &trust));
    KS_TRY(ks_cert_verify(leaf, trust, KS_CERT_DEVICE, ks_clock_us() / 1000000));
    KS_TRY(ks_identity_check(identity, leaf));
out:
    ks_cert_trust_free(trust);
    ks_cert_free(issuer);
    ks_cert_free(root);
    return err;
}

/* Reads {"certificate":…,"issuer":…}, checks it, and keeps it beside the identity. */
static enum ks_err take_leaf(const char *directory, struct ks_bytes root_pem,
                             struct ks_bytes answer, const struct ks_identity *identity,
                             struct ks_cert **out_cert)
{
    static const struct ks_json_limits limits = {.len_max = KS_ENROL_BYTES_MAX, .nodes_max = 8};
    static const char *const names[] = {"certificate", "issuer", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_cert *leaf = NULL;
    struct ks_bytes certificate = {0};
    struct ks_bytes issuer = {0};
    struct ks_bytes schema = {0};

    KS_TRY(ks_json_parse_canonical(answer, &limits, &doc));
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.enrolled/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.enrolled/1");
    KS_TRY(ks_json_get_string(ks_json_root(doc), "certificate", &certificate));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "issuer", &issuer));
    KS_TRY(ks_cert_parse_pem(certificate, &leaf));
    KS_TRY(check_leaf(root_pem, issuer, identity, leaf));
    KS_TRY(write_file(directory, "issuer.pem", issuer, 0644));
    /* From here on the next identity counts; ks_identity_unseal goes on where a crash ended. */
    KS_TRY(write_file(directory, "device.pem", certificate, 0644));
    KS_TRY(ks_identity_take_next(directory));
    *out_cert = leaf;
    leaf = NULL; /* transferred */
out:
    ks_cert_free(leaf);
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

/* --- enrolment ---------------------------------------------------------------------------- */

/* What both exchanges work on. */
struct enrolment {
    const struct ks_enrol_spec *spec;
    struct ks_token token;
    struct ks_machine *machine;
    struct ks_session *session;
    struct ks_challenge challenge;
};

static enum ks_err post(struct ks_session *session, const char *target, struct ks_bytes body,
                        struct ks_buf *out)
{
    const struct ks_session_call call = {
        .method = "POST", .target = target, .body = body, .bound = true};

    return ks_session_call(session, &call, out);
}

static enum ks_err fill_chain(struct ks_bytes chain_pem, struct ks_enrol *enrol)
{
    enum ks_err err = KS_OK;
    struct ks_ek_certs chain = {0};

    if (chain_pem.len > 0) {
        KS_TRY(ks_fail_prefix(ks_ek_certs_add_pem(&chain, chain_pem), "chain"));
        KS_CHECK(chain.count <= KS_ENROL_CHAIN_MAX, KS_ERR_LIMIT,
                 "chain: at most %d certificates", KS_ENROL_CHAIN_MAX);
    }
    for (size_t i = 0; i < chain.count; i++) {
        ks_buf_put(&enrol->ek_chain[i], ks_ek_cert_der(chain.certs[i]));
        KS_TRY(ks_buf_check(&enrol->ek_chain[i]));
    }
    enrol->ek_chain_count = chain.count;
out:
    ks_ek_certs_done(&chain);
    return err;
}

static enum ks_err first_exchange(struct enrolment *enrolment)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = ks_machine_tpm(enrolment->machine);
    struct ks_enrol enrol;
    struct ks_buf body;
    struct ks_buf answer;

    ks_enrol_init(&enrol);
    ks_buf_init(&body, KS_ENROL_BYTES_MAX);
    ks_buf_init(&answer, KS_ENROL_BYTES_MAX);
    ks_copy(enrol.channel, ks_session_channel(enrolment->session), sizeof enrol.channel);
    enrol.device = enrolment->token.grant.device;
    KS_TRY(ks_random(enrol.nonce, sizeof enrol.nonce));
    KS_TRY(ks_tpm_ek_open(tpm, enrolment->spec->kind));
    ks_tpm_ek_public(tpm, &enrol.ek);
    ks_tpm_ak_public(tpm, &enrol.ak);
    KS_TRY(ks_buf_check(&enrol.ek));
    KS_TRY(ks_buf_check(&enrol.ak));
    KS_TRY(ks_tpm_ek_certificate(tpm, enrolment->spec->kind, &enrol.ek_certificate));
    KS_TRY(fill_chain(enrolment->spec->chain_pem, &enrol));
    KS_TRY(ks_enrol_write(&enrol, &enrolment->token, &body));
    KS_TRY(post(enrolment->session, "/v1/enrol", ks_buf_view(&body), &answer));
    KS_TRY(ks_challenge_read(ks_buf_view(&answer), &enrolment->challenge));
out:
    ks_enrol_done(&enrol);
    ks_buf_done(&body);
    ks_buf_done(&answer);
    return err;
}

static enum ks_err fill_csr(const struct ks_identity *identity, struct ks_bytes device,
                            const uint8_t channel[KS_CHANNEL_LEN], struct ks_csr *csr)
{
    enum ks_err err = KS_OK;
    struct ks_buf raw;

    ks_buf_init(&raw, KS_SIG_PUBLIC_LEN_MAX);
    csr->device = device;
    ks_copy(csr->channel, channel, sizeof csr->channel);
    KS_TRY(ks_sign_key_public(identity->sign, &raw));
    KS_ASSERT(raw.len == sizeof csr->key);
    ks_copy(csr->key, raw.data, raw.len);
    ks_buf_clear(&raw);
    KS_TRY(ks_kem_key_public(identity->kem, &raw));
    KS_ASSERT(raw.len == sizeof csr->kem);
    ks_copy(csr->kem, raw.data, raw.len);
out:
    ks_buf_done(&raw);
    return err;
}

/* Quotes over the request of FINISH and writes it. */
static enum ks_err write_finish(struct ks_machine *machine, uint32_t pcr_mask,
                                const uint8_t nonce[KS_NONCE_LEN],
                                const struct ks_identity *identity, struct ks_finish *finish,
                                struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t extra[32];

    ks_platform_binding(KS_QUOTE_ENROL, finish->csr_digest, nonce, finish->csr.channel, extra);
    ks_platform_done(&finish->platform);
    KS_TRY(ks_machine_show(machine, pcr_mask, extra, &finish->platform));
    KS_TRY(ks_finish_write(finish, identity->sign, out));
out:
    return err;
}

static enum ks_err second_exchange(struct enrolment *enrolment, struct ks_identity *identity,
                                   struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    const struct ks_challenge *challenge = &enrolment->challenge;
    struct ks_secret secret = {0};
    struct ks_finish finish;
    struct ks_buf body;

    ks_finish_init(&finish);
    ks_buf_init(&body, KS_FINISH_BYTES_MAX);
    KS_TRY(ks_tpm_credential_activate(ks_machine_tpm(enrolment->machine),
                                      ks_buf_view(&challenge->id_object),
                                      ks_buf_view(&challenge->encrypted_secret), &secret));
    ks_tpm_ek_close(ks_machine_tpm(enrolment->machine));
    KS_TRY(fill_csr(identity, enrolment->token.grant.device,
                    ks_session_channel(enrolment->session), &finish.csr));
    ks_copy(finish.csr.session, challenge->session, sizeof finish.csr.session);
    KS_TRY(ks_csr_digest(&finish.csr, finish.csr_digest));
    ks_enrol_proof(&secret, finish.csr_digest, finish.proof);
    KS_TRY(write_finish(enrolment->machine, challenge->pcr_mask, challenge->nonce, identity,
                        &finish, &body));
    KS_TRY(post(enrolment->session, "/v1/enrol/finish", ks_buf_view(&body), answer));
out:
    ks_secret_done(&secret);
    ks_finish_done(&finish);
    ks_buf_done(&body);
    return err;
}

static enum ks_err open_enrolment(struct enrolment *enrolment)
{
    enum ks_err err = KS_OK;
    char url[KS_URL_MAX + 1];
    struct ks_tls_file tls;
    struct ks_session_spec session = {.url = url,
                                      .enrolment = true,
                                      .groups = enrolment->spec->groups,
                                      .timeout_ms = TIMEOUT_MS,
                                      .response_max = KS_ENROL_BYTES_MAX};

    KS_TRY(ks_token_read(enrolment->spec->token, &enrolment->token));
    ks_copy(url, enrolment->token.url.data, enrolment->token.url.len);
    url[enrolment->token.url.len] = '\0';
    session.root_pem = enrolment->token.root_pem;
    KS_TRY(ks_tls_file_read(enrolment->spec->directory, &tls));
    session.groups = enrolment->spec->groups != NULL ? enrolment->spec->groups
                                                     : ks_tls_file_text(tls.groups);
    session.sigalgs = ks_tls_file_text(tls.sigalgs);
    KS_TRY(ks_machine_open(enrolment->spec->directory, &enrolment->machine));
    KS_TRY(ks_session_open(&session, &enrolment->session));
    KS_TRY(ks_session_connect(enrolment->session));
out:
    return err;
}

static enum ks_err write_site(const struct enrolment *enrolment)
{
    enum ks_err err = KS_OK;
    const char *directory = enrolment->spec->directory;
    struct ks_buf url;

    ks_buf_init(&url, KS_URL_MAX + 1);
    ks_buf_put(&url, enrolment->token.service);
    ks_buf_put_text(&url, "\n");
    KS_TRY(ks_buf_check(&url));
    KS_TRY(write_file(directory, "root.pem", enrolment->token.root_pem, 0644));
    KS_TRY(
        write_file(directory, "site.json", ks_buf_view(&enrolment->token.site_document), 0644));
    KS_TRY(write_file(directory, "url", ks_buf_view(&url), 0644));
out:
    ks_buf_done(&url);
    return err;
}

static enum ks_err check_fresh(const char *directory, bool again)
{
    enum ks_err err = KS_OK;
    struct ks_buf blob;

    ks_buf_init(&blob, KS_SEALED_MAX);
    if (!again) {
        err = read_file(directory, KS_MACHINE_IDENTITY, KS_SEALED_MAX, &blob);
        KS_TRY(err == KS_OK ? ks_fail(KS_ERR_CONFLICT,
                                      "%s holds the identity of a device already", directory)
                            : (err == KS_ERR_NOT_FOUND ? KS_OK : err));
    }
out:
    ks_buf_done(&blob);
    return err;
}

enum ks_err ks_device_enrol(const struct ks_enrol_spec *spec, bool again,
                            struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    struct enrolment enrolment = {.spec = spec};
    struct ks_identity identity = {0};
    struct ks_buf answer;

    ks_buf_init(&answer, KS_ENROL_BYTES_MAX);
    ks_challenge_init(&enrolment.challenge);
    KS_TRY(check_fresh(spec->directory, again));
    KS_TRY(open_enrolment(&enrolment));
    KS_TRY(first_exchange(&enrolment));
    KS_TRY(ks_identity_new(enrolment.machine, &identity));
    KS_TRY(ks_identity_policy_make(spec->authority, enrolment.token.grant.device,
                                   &identity.policy));
    KS_TRY(ks_identity_seal(enrolment.machine, &identity, KS_MACHINE_IDENTITY_NEXT));
    KS_TRY(
        ks_tpm_ek_open(ks_machine_tpm(enrolment.machine), spec->kind)); /* sealing closed it */
    KS_TRY(second_exchange(&enrolment, &identity, &answer));
    KS_TRY(write_site(&enrolment));
    KS_TRY(take_leaf(spec->directory, enrolment.token.root_pem, ks_buf_view(&answer), &identity,
                     out_cert));
out:
    ks_identity_done(&identity);
    ks_challenge_done(&enrolment.challenge);
    ks_session_close(enrolment.session);
    ks_machine_close(enrolment.machine);
    ks_token_done(&enrolment.token);
    ks_buf_done(&answer);
    return err;
}

/* --- a device that is known --------------------------------------------------------------- */

/* The site's challenge: nonce, PCRs. */
static enum ks_err fetch_challenge(struct ks_client *client, uint8_t nonce[KS_NONCE_LEN],
                                   uint32_t *out_mask)
{
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 8};
    static const char *const names[] = {"nonce", "pcr_mask", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_buf answer;
    struct ks_bytes schema = {0};
    uint64_t mask = 0;

    ks_buf_init(&answer, 4096);
    KS_TRY(ks_client_connect(client));
    KS_TRY(ks_client_post(client, "/v1/device/challenge", NULL, &answer));
    KS_TRY(ks_json_parse_canonical(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.device-challenge/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.device-challenge/1");
    KS_TRY(ks_json_get_base64_exact(ks_json_root(doc), "nonce", nonce, KS_NONCE_LEN));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "pcr_mask", (1u << KS_PCR_COUNT) - 1, &mask));
    KS_CHECK(mask != 0, KS_ERR_FORMAT, "'pcr_mask': no PCR");
    *out_mask = (uint32_t)mask;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return err;
}

/* Quotes the PCRs of MASK for NONCE and CHANNEL. OUT is initialised here. */
static enum ks_err make_exhibit(struct ks_machine *machine, uint32_t mask,
                                const uint8_t nonce[KS_NONCE_LEN],
                                const uint8_t channel[KS_CHANNEL_LEN], struct ks_exhibit *out)
{
    enum ks_err err = KS_OK;
    struct ks_exhibit exhibit;
    uint8_t extra[32];

    ks_exhibit_init(&exhibit);
    ks_tpm_ak_public(ks_machine_tpm(machine), &exhibit.ak);
    KS_TRY(ks_buf_check(&exhibit.ak));
    ks_copy(exhibit.nonce, nonce, sizeof exhibit.nonce);
    ks_copy(exhibit.channel, channel, sizeof exhibit.channel);
    ks_exhibit_extra(&exhibit, exhibit.nonce, extra);
    ks_platform_done(&exhibit.platform);
    KS_TRY(ks_machine_show(machine, mask, extra, &exhibit.platform));
    *out = exhibit;
    exhibit = (struct ks_exhibit){0}; /* transferred */
out:
    ks_exhibit_done(&exhibit);
    return err;
}

enum ks_err ks_device_reattest(struct ks_client *client, const char *directory,
                               struct ks_buf *out_verdict, struct ks_buf *out_evidence)
{
    enum ks_err err = KS_OK;
    struct ks_machine *machine = NULL;
    struct ks_exhibit exhibit = {0};
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);
    struct ks_bytes text = {0};
    uint8_t nonce[KS_NONCE_LEN];
    uint32_t mask = 0;

    ks_buf_init(&body, KS_FINISH_BYTES_MAX);
    KS_TRY(ks_machine_open(directory, &machine));
    KS_TRY(fetch_challenge(client, nonce, &mask));
    KS_TRY(make_exhibit(machine, mask, nonce, ks_client_channel(client), &exhibit));
    if (out_evidence != NULL) {
        ks_exhibit_write(&exhibit, out_evidence);
        KS_TRY(ks_buf_check(out_evidence));
    }
    ks_platform_put(&exhibit.platform, &writer);
    KS_TRY(ks_buf_check(&body));
    text = ks_buf_view(&body);
    KS_TRY(ks_client_post(client, "/v1/device/evidence", &text, out_verdict));
out:
    ks_machine_close(machine);
    ks_exhibit_done(&exhibit);
    ks_buf_done(&body);
    return err;
}

enum ks_err ks_device_evidence(const char *directory, const uint8_t nonce[KS_NONCE_LEN],
                               struct ks_buf *out_evidence)
{
    enum ks_err err = KS_OK;
    struct ks_machine *machine = NULL;
    struct ks_exhibit exhibit = {0};
    const uint8_t nobody[KS_CHANNEL_LEN] = {0};

    KS_TRY(ks_machine_open(directory, &machine));
    KS_TRY(make_exhibit(machine, (UINT32_C(1) << KS_PCR_COUNT) - 1, nonce, nobody, &exhibit));
    ks_exhibit_write(&exhibit, out_evidence);
    KS_TRY(ks_buf_check(out_evidence));
out:
    ks_machine_close(machine);
    ks_exhibit_done(&exhibit);
    return err;
}

/* A fresh identity beside the kept one, sealed under the same policy. */
static enum ks_err make_next(struct ks_machine *machine, const char *directory,
                             struct ks_identity *out_identity)
{
    enum ks_err err = KS_OK;
    struct ks_identity kept = {0};
    struct ks_identity next = {0};
    struct ks_cert *leaf = NULL;
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_TRY(read_file(directory, "device.pem", KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), &leaf), "%s/device.pem",
                          directory));
    KS_TRY(ks_identity_unseal(machine, leaf, &kept));
    KS_TRY(ks_identity_new(machine, &next));
    next.policy = kept.policy;
    KS_TRY(ks_identity_seal(machine, &next, KS_MACHINE_IDENTITY_NEXT));
    *out_identity = next;
    next = (struct ks_identity){0}; /* transferred */
out:
    ks_identity_done(&kept);
    ks_identity_done(&next);
    ks_cert_free(leaf);
    ks_buf_done(&pem);
    return err;
}

/* Asks the site to certify IDENTITY, or AGAIN to. */
static enum ks_err ask_rotation(struct ks_client *client, struct ks_machine *machine,
                                const struct ks_identity *identity, bool again,
                                struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    struct ks_finish finish;
    struct ks_buf body;
    struct ks_bytes text = {0};
    uint8_t nonce[KS_NONCE_LEN];
    uint32_t mask = 0;

    ks_finish_init(&finish);
    ks_buf_init(&body, KS_FINISH_BYTES_MAX);
    KS_TRY(fetch_challenge(client, nonce, &mask));
    KS_TRY(fill_csr(identity, ks_bytes_text(ks_client_device(client)),
                    ks_client_channel(client), &finish.csr));
    if (again) {
        ks_csr_set_again(&finish.csr);
    }
    KS_TRY(ks_csr_digest(&finish.csr, finish.csr_digest));
    KS_TRY(write_finish(machine, mask, nonce, identity, &finish, &body));
    text = ks_buf_view(&body);
    KS_TRY(ks_client_post(client, "/v1/device/rotate", &text, answer));
out:
    ks_finish_done(&finish);
    ks_buf_done(&body);
    return err;
}

/* A next identity that lies there may be certified, and the answer lost. Whoever put it there,
 * the site answers for keys alone that it has certified before. *OUT_FOUND: it was so. */
static enum ks_err rotate_again(struct ks_client *client, struct ks_machine *machine,
                                struct ks_identity *identity, struct ks_buf *answer,
                                bool *out_found)
{
    enum ks_err err = ks_identity_unseal_next(machine, identity);

    *out_found = err == KS_OK;
    if (*out_found) {
        err = ask_rotation(client, machine, identity, true, answer);
        *out_found = err == KS_OK;
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
        if (!*out_found) {
            ks_identity_done(identity);
        }
    }
    err = KS_OK; /* one that does not open is none */
out:
    return err;
}

enum ks_err ks_device_rotate(struct ks_client *client, const char *directory,
                             struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    struct ks_machine *machine = NULL;
    struct ks_identity identity = {0};
    struct ks_buf root;
    struct ks_buf answer;
    bool found = false;

    ks_buf_init(&root, KS_CERT_PEM_MAX);
    ks_buf_init(&answer, KS_ENROL_BYTES_MAX);
    KS_TRY(read_file(directory, "root.pem", KS_CERT_PEM_MAX, &root));
    KS_TRY(ks_machine_open(directory, &machine));
    KS_TRY(rotate_again(client, machine, &identity, &answer, &found));
    if (!found) {
        KS_TRY(make_next(machine, directory, &identity));
        KS_TRY(ask_rotation(client, machine, &identity, false, &answer));
    }
    KS_TRY(take_leaf(directory, ks_buf_view(&root), ks_buf_view(&answer), &identity, out_cert));
out:
    ks_machine_close(machine);
    ks_identity_done(&identity);
    ks_buf_done(&root);
    ks_buf_done(&answer);
    return err;
}
