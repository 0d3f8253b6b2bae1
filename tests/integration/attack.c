/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Linked into a second `ketseal` whose device lies. KETSEAL_ATTACK names how; without it the
 * program is honest. KETSEAL_ATTACK_WITH names a file, or another device's directory.
 *
 *   the quote       bit, short, values, log: altered afterwards; nonce: for another challenge;
 *                   own-key: signed anew; other-tpm, other-bank, left-out (PCRs): made so
 *   the exchange    keep: writes the evidence to the file, and does not send it
 *                   unasked: asks for no challenge; sends the file's evidence, if named
 *                   replay: sends the file's evidence for a fresh challenge
 *                   twice: sends its evidence twice
 *                   late: sends it when the challenge has expired
 *                   deaf: sends it, and dies before the answer
 *   the TPM         unopened: answers a credential that it cannot open with a guess
 *                   unplug: takes the TPM's power without a word */

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>

#include "base/sys.h"
#include "client/machine.h"
#include "client/session.h"
#include "tpm/internal.h"

#define LATE_S    62 /* a challenge lives 60 */
#define IDLE_S    5  /* within which a connection stays */
#define OTHER_PCR 0  /* not a required one */

/* What --wrap leaves of the real ones, and what it calls instead of them. */
#define WRAPPED(result, name, ...)                                                             \
    result __real_##name(__VA_ARGS__);                                                         \
    result __wrap_##name(__VA_ARGS__)

WRAPPED(enum ks_err, ks_session_call, struct ks_session *session,
        const struct ks_session_call *call, struct ks_buf *out);
WRAPPED(enum ks_err, ks_machine_show, struct ks_machine *machine, uint32_t pcr_mask,
        const uint8_t extra[32], struct ks_platform *out);
WRAPPED(void, ks_tpm_shutdown, struct ks_tpm *tpm);
WRAPPED(enum ks_err, ks_tpm_credential_activate, struct ks_tpm *tpm, struct ks_bytes id_object,
        struct ks_bytes encrypted_secret, struct ks_secret *out_secret);

static bool attack_is(const char *name)
{
    const char *chosen = getenv("KETSEAL_ATTACK");

    return chosen != NULL && strcmp(chosen, name) == 0;
}

static const char *attack_with(void)
{
    return getenv("KETSEAL_ATTACK_WITH");
}

/* --- on the quote ------------------------------------------------------------------------- */

/* What an honest machine would show, to be bent. */
struct show {
    struct ks_machine *machine;
    uint32_t pcr_mask;
    uint8_t extra[32];
    struct ks_platform *platform;
};

static enum ks_err bend_bit(const struct show *show)
{
    show->platform->attest.data[show->platform->attest.len - 1] ^= 1;
    return KS_OK;
}

static enum ks_err bend_short(const struct show *show)
{
    show->platform->attest.len--;
    return KS_OK;
}

static enum ks_err bend_values(const struct show *show)
{
    show->platform->pcr_values[0][0] ^= 1;
    return KS_OK;
}

/* Another program is said to have been measured. */
static enum ks_err bend_log(const struct show *show)
{
    static const char digest[] = "\"digest\":\"";
    struct ks_buf *log = &show->platform->launch_log;
    char *place = memmem(log->data, log->len, digest, strlen(digest));

    if (place == NULL) {
        return ks_fail(KS_ERR_FORMAT, "attack: no event in the launch log");
    }
    place += strlen(digest);
    *place = *place == '0' ? '1' : '0';
    return KS_OK;
}

/* TPMT_SIGNATURE of the same quote by a key of ours: ECDSA with SHA-256, r, s. */
static enum ks_err bend_own_key(const struct show *show)
{
    enum ks_err err = KS_OK;
    struct ks_buf *signature = &show->platform->signature;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ECDSA_SIG *pair = NULL;
    uint8_t der[128];
    const unsigned char *cursor = der;
    uint8_t number[32];
    size_t len = sizeof der;

    KS_CHECK(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                 EVP_DigestSign(context, der, &len, show->platform->attest.data,
                                show->platform->attest.len) == 1,
             KS_ERR_IO, "attack: cannot sign");
    pair = d2i_ECDSA_SIG(NULL, &cursor, (long)len);
    KS_CHECK(pair != NULL, KS_ERR_IO, "attack: no signature");
    ks_buf_clear(signature);
    ks_buf_put(signature, KS_LITERAL("\x00\x18\x00\x0b"));
    KS_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(pair), number, sizeof number) == 32);
    ks_buf_put_lp16(signature, KS_BYTES(number));
    KS_ASSERT(BN_bn2binpad(ECDSA_SIG_get0_s(pair), number, sizeof number) == 32);
    ks_buf_put_lp16(signature, KS_BYTES(number));
out:
    ECDSA_SIG_free(pair);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return err;
}

/* A healthy machine quotes for us, over our challenge and our connection. */
static enum ks_err bend_other_tpm(const struct show *show)
{
    enum ks_err err = KS_OK;
    struct ks_machine *other = NULL;

    ks_platform_done(show->platform);
    KS_TRY(ks_machine_open(attack_with(), &other));
    KS_TRY(__real_ks_machine_show(other, show->pcr_mask, show->extra, show->platform));
out:
    ks_machine_close(other);
    return err;
}

/* The same PCRs of the sha1 bank, signed by the attestation key. */
static enum ks_err bend_other_bank(const struct show *show)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = ks_machine_tpm(show->machine);
    struct ks_buf *attest = &show->platform->attest;
    struct ks_buf *signature = &show->platform->signature;
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    TPML_PCR_SELECTION selection;
    TPM2B_DATA extra = {.size = sizeof show->extra};
    TPM2B_ATTEST quoted = {.size = 0};
    TPMT_SIGNATURE signed_by = {.sigAlg = 0};
    uint8_t bytes[sizeof signed_by];
    size_t len = 0;
    TSS2_RC rc;

    ks_copy(extra.buffer, show->extra, sizeof show->extra);
    ks_tpm_selection(show->pcr_mask, &selection);
    selection.pcrSelections[0].hash = TPM2_ALG_SHA1;
    rc = Tss2_Sys_Quote(tpm->sys, tpm->ak.handle, ks_tpm_password(), &extra, &scheme,
                        &selection, &quoted, &signed_by, NULL);
    KS_TRY(ks_tpm_result(tpm, rc, "Quote"));
    rc = Tss2_MU_TPMT_SIGNATURE_Marshal(&signed_by, bytes, sizeof bytes, &len);
    KS_TRY(ks_tpm_result(tpm, rc, "Quote"));
    ks_buf_clear(attest);
    ks_buf_put(attest, ks_bytes_of(quoted.attestationData, quoted.size));
    ks_buf_clear(signature);
    ks_buf_put(signature, ks_bytes_of(bytes, len));
out:
    return err;
}

enum ks_err __wrap_ks_machine_show(struct ks_machine *machine, uint32_t pcr_mask,
                                   const uint8_t extra[32], struct ks_platform *out)
{
    static const struct {
        const char *name;
        enum ks_err (*bend)(const struct show *show);
    } bends[] = {
        {"bit", bend_bit},
        {"short", bend_short},
        {"values", bend_values},
        {"log", bend_log},
        {"own-key", bend_own_key},
        {"other-tpm", bend_other_tpm},
        {"other-bank", bend_other_bank},
    };
    enum ks_err err = KS_OK;
    struct show show = {.machine = machine, .pcr_mask = pcr_mask, .platform = out};

    ks_copy(show.extra, extra, sizeof show.extra);
    show.extra[0] ^= attack_is("nonce") ? 1 : 0;
    show.pcr_mask = attack_is("left-out") ? UINT32_C(1) << OTHER_PCR : pcr_mask;
    KS_TRY(__real_ks_machine_show(machine, show.pcr_mask, show.extra, out));
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++) {
        if (attack_is(bends[i].name)) {
            KS_TRY(bends[i].bend(&show));
        }
    }
out:
    return err;
}

/* --- on the exchange ---------------------------------------------------------------------- */

static enum ks_err no_challenge(struct ks_buf *out)
{
    const uint8_t nonce[KS_NONCE_LEN] = {0};
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "nonce", KS_BYTES(nonce));
    ks_json_member_u64(&writer, "pcr_mask", UINT32_C(1) << KS_LAUNCH_PCR);
    ks_json_member_text(&writer, "schema", "ketseal.device-challenge/1");
    ks_json_put_end(&writer);
    return ks_buf_check(out);
}

/* Lets the challenge expire, on a connection that is kept alive. */
static enum ks_err wait_on(struct ks_session *session)
{
    static const struct ks_session_call alive = {.method = "GET", .target = "/healthz"};
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_sec = IDLE_S};
    struct ks_buf answer;

    ks_buf_init(&answer, 65536);
    for (unsigned waited = 0; waited < LATE_S; waited += IDLE_S) {
        KS_ASSERT(nanosleep(&pause, NULL) == 0);
        ks_buf_clear(&answer);
        KS_TRY(__real_ks_session_call(session, &alive, &answer));
    }
out:
    ks_buf_done(&answer);
    return err;
}

/* CALL carries evidence. */
static enum ks_err send_evidence(struct ks_session *session, struct ks_session_call call,
                                 struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf kept;

    ks_buf_init(&kept, KS_FINISH_BYTES_MAX);
    if (attack_is("keep")) {
        KS_TRY(ks_file_write(attack_with(), call.body, 0600));
        KS_TRY(ks_fail(KS_ERR_UNAVAILABLE, "attack: kept"));
    }
    if (attack_is("replay") || (attack_is("unasked") && attack_with() != NULL)) {
        KS_TRY(ks_file_read(attack_with(), KS_FINISH_BYTES_MAX, &kept));
        call.body = ks_buf_view(&kept);
    }
    if (attack_is("late")) {
        KS_TRY(wait_on(session));
    }
    KS_TRY(__real_ks_session_call(session, &call, out));
    if (attack_is("deaf")) {
        (void)raise(SIGKILL);
    }
    if (attack_is("twice")) {
        ks_buf_clear(out);
        KS_TRY(__real_ks_session_call(session, &call, out));
    }
out:
    ks_buf_done(&kept);
    return err;
}

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    static const char *const evidence[] = {"/v1/device/evidence", "/v1/device/rotate",
                                           "/v1/enrol/finish"};

    if (attack_is("unasked") && strcmp(call->target, "/v1/device/challenge") == 0) {
        return no_challenge(out);
    }
    for (size_t i = 0; i < sizeof evidence / sizeof evidence[0]; i++) {
        if (strcmp(call->target, evidence[i]) == 0) {
            return send_evidence(session, *call, out);
        }
    }
    return __real_ks_session_call(session, call, out);
}

/* --- on the TPM --------------------------------------------------------------------------- */

enum ks_err __wrap_ks_tpm_credential_activate(struct ks_tpm *tpm, struct ks_bytes id_object,
                                              struct ks_bytes encrypted_secret,
                                              struct ks_secret *out_secret)
{
    static const uint8_t guess[32] = {0};

    if (attack_is("unopened")) {
        ks_secret_set(out_secret, KS_BYTES(guess));
        return KS_OK;
    }
    return __real_ks_tpm_credential_activate(tpm, id_object, encrypted_secret, out_secret);
}

void __wrap_ks_tpm_shutdown(struct ks_tpm *tpm)
{
    if (!attack_is("unplug")) {
        __real_ks_tpm_shutdown(tpm);
    }
}
