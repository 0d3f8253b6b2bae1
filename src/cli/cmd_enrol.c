/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* device enrol, rotate, update: what a device does to become known to a site and to
 * stay so.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/device.h"
#include "client/enrol.h"
#include "record/enrol.h"
#include "tpm/update.h"

enum ks_err ks_cli_ek_kind(const struct ks_cli *cli, enum ks_tpm_ek_kind *out_kind)
{
    const char *name = ks_cli_text(cli, "ek");

    if (strcmp(name, "rsa") == 0) {
        *out_kind = KS_TPM_EK_RSA_2048;
    } else if (strcmp(name, "ecc") == 0) {
        *out_kind = KS_TPM_EK_ECC_P384;
    } else {
        return ks_fail(KS_ERR_USAGE, "--ek: rsa or ecc, not '%s'", name);
    }
    return KS_OK;
}

/* --pcr N…: which PCRs, beside the launch's own, have to stay as they are. */
static enum ks_err pcr_mask(const struct ks_cli *cli, uint32_t *out_mask)
{
    enum ks_err err = KS_OK;
    const char *const *values = NULL;
    unsigned count = ks_cli_many(cli, "pcr", &values);
    uint32_t mask = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t pcr = 0;

        KS_TRY(ks_fail_prefix(ks_text_u64(ks_bytes_text(values[i]), KS_PCR_COUNT - 1, &pcr),
                              "--pcr"));
        mask |= UINT32_C(1) << pcr;
    }
    *out_mask = mask;
out:
    return err;
}

_Static_assert(KS_PATH_MAX >= PATH_MAX, "realpath writes so much");

/* An absolute path for PATH, which must exist. */
static enum ks_err absolute(const char *path, char out_path[KS_PATH_MAX])
{
    return realpath(path, out_path) == NULL
               ? ks_fail(KS_ERR_NOT_FOUND, "%s: no such file", path)
               : KS_OK;
}

/* platform.json from the flags; one that is there already stands. */
static enum ks_err make_platform(const struct ks_cli *cli, const char *directory)
{
    enum ks_err err = KS_OK;
    const char *const *measured = NULL;
    unsigned count = ks_cli_many(cli, "measure", &measured);
    char(*paths)[KS_PATH_MAX] = ks_calloc(KS_CLI_VALUES_MAX + 1, sizeof *paths);
    const char *files[KS_CLI_VALUES_MAX] = {NULL};
    struct ks_machine_spec spec = {.directory = directory,
                                   .tpm = ks_cli_text(cli, "tpm"),
                                   .files = files,
                                   .file_count = count};

    KS_CHECK(paths != NULL, KS_ERR_NOMEM, "platform");
    KS_TRY(pcr_mask(cli, &spec.pcr_mask));
    for (unsigned i = 0; i < count; i++) {
        KS_TRY(absolute(measured[i], paths[i]));
        files[i] = paths[i];
    }
    if (ks_cli_text(cli, "swtpm-ca") != NULL) {
        KS_TRY(ks_dir_make(ks_cli_text(cli, "swtpm-ca"), 0700));
        KS_TRY(absolute(ks_cli_text(cli, "swtpm-ca"), paths[count]));
        spec.swtpm_ca = paths[count];
    }
    KS_TRY(ks_machine_create(&spec));
out:
    ks_free(paths);
    return err;
}

/* One line, or the certificate's object. */
static enum ks_err print_leaf(const struct ks_cli *cli, const char *what,
                              const struct ks_cert *leaf)
{
    enum ks_err err = KS_OK;
    uint8_t digest[32];
    char time[KS_TIME_TEXT_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    ks_time_text(ks_cert_not_after_s(leaf) * 1000000, time);
    if (!cli->json) {
        ks_cli_print("%s: device %s, certificate by %s until %.19sZ\n", what,
                     ks_cert_subject(leaf), ks_cert_issuer(leaf), time);
        return KS_OK;
    }
    ks_cert_fingerprint(leaf, digest);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "device", ks_cert_subject(leaf));
    ks_json_member_text(&writer, "expires_at", time);
    ks_json_member_hex(&writer, "fingerprint", KS_BYTES(digest));
    ks_json_member_text(&writer, "issuer", ks_cert_issuer(leaf));
    ks_json_member_text(&writer, "schema", "ketseal.enrolment/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

/* A failed enrolment leaves no device, so that its flags can be others the next time. The TPM's
 * state stays: a simulated TPM is no more made twice than a real one. */
static void forget_platform(const char *directory)
{
    char path[KS_PATH_MAX];

    if (ks_path_join(directory, KS_MACHINE_PLATFORM, path) == KS_OK) {
        (void)unlink(path); /* the error that is being told is the one that counts */
    }
}

/* Refused before the token is used up. */
static enum ks_err read_authority(const char *path, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_identity_policy policy;

    err = ks_file_read(path, KS_AUTHORITY_DER_MAX, out);
    KS_CHECK(err != KS_ERR_LIMIT && (err != KS_OK || out->len > 0), KS_ERR_FORMAT,
             "%s: no P-256 public key in DER", path);
    KS_TRY(err);
    KS_TRY(ks_fail_prefix(ks_identity_policy_make(ks_buf_view(out), KS_LITERAL("any"), &policy),
                          "%s", path));
out:
    return err;
}

enum ks_err ks_command_device_enrol(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "device");
    const char *chain_path = ks_cli_text(cli, "ek-chain");
    const char *authority_path = ks_cli_text(cli, "update-authority");
    struct ks_enrol_spec spec = {.directory = directory};
    struct ks_cert *leaf = NULL;
    struct ks_buf token;
    struct ks_buf chain;
    struct ks_buf authority;
    bool made = false;

    ks_buf_init(&token, KS_TOKEN_BYTES_MAX);
    ks_buf_init(&authority, KS_AUTHORITY_DER_MAX);
    ks_buf_init(&chain, KS_EK_PEM_MAX);
    KS_TRY(ks_cli_ek_kind(cli, &spec.kind));
    KS_TRY(ks_file_read(ks_cli_text(cli, "token"), KS_TOKEN_BYTES_MAX, &token));
    if (chain_path != NULL) {
        KS_TRY(ks_file_read(chain_path, KS_EK_PEM_MAX, &chain));
    }
    if (authority_path != NULL) {
        KS_TRY(read_authority(authority_path, &authority));
        spec.authority = ks_buf_view(&authority);
    }
    KS_TRY(ks_dir_make(directory, 0700));
    err = make_platform(cli, directory);
    made = err == KS_OK;
    KS_TRY(err == KS_ERR_CONFLICT && ks_cli_switch(cli, "again") ? KS_OK : err);
    spec.token = ks_buf_view(&token);
    spec.chain_pem = ks_buf_view(&chain);
    ks_cli_progress(cli, "opening the TPM");
    KS_TRY(ks_device_enrol(&spec, ks_cli_switch(cli, "again"), &leaf));
    made = false; /* enrolled */
    KS_TRY(print_leaf(cli, "enrolled", leaf));
out:
    if (made) {
        forget_platform(directory);
    }
    ks_cert_free(leaf);
    ks_buf_wipe(&token);
    ks_buf_done(&chain);
    ks_buf_done(&authority);
    return err;
}

enum ks_err ks_command_device_rotate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_cert *leaf = NULL;

    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_device_rotate(client, ks_cli_text(cli, "device"), &leaf));
    KS_TRY(print_leaf(cli, "rotated", leaf));
out:
    ks_client_close(client);
    ks_cert_free(leaf);
    return err;
}

/* --- update ------------------------------------------------------------------------------- */

/* The state that is to be authorised, for whoever signs to compare with his own figures. */
static enum ks_err print_coming(const struct ks_cli *cli,
                                const struct ks_machine_coming *coming)
{
    enum ks_err err = KS_OK;
    unsigned index = 0;
    char hex[2 * KS_PCR_DIGEST_LEN + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 8192);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "pcrs");
    ks_json_put_array(&writer);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((coming->pcr_mask >> pcr & 1) != 0) {
            ks_hex_encode(KS_BYTES(coming->pcr_values[index++]), hex);
            ks_json_put_object(&writer);
            ks_json_member_u64(&writer, "pcr", pcr);
            ks_json_member_text(&writer, "value", hex);
            ks_json_put_end(&writer);
            if (!cli->json) {
                ks_cli_print("PCR %-2u %s\n", pcr, hex);
            }
        }
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "purpose", coming->policy.purpose);
    ks_json_member_text(&writer, "schema", "ketseal.update/1");
    ks_json_put_end(&writer);
    if (cli->json) {
        KS_TRY(ks_cli_print_json(&out));
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_device_update(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *message = ks_cli_text(cli, "update-message");
    const char *signature = ks_cli_text(cli, "update-signature");
    struct ks_machine_coming coming = {0};
    struct ks_pcr_state state = {.values =
                                     (const uint8_t(*)[KS_PCR_DIGEST_LEN])coming.pcr_values};
    struct ks_sealed_authority authority;
    char path[KS_PATH_MAX];

    KS_CHECK((message != NULL) != (signature != NULL), KS_ERR_USAGE,
             "expected --update-message or --update-signature, one of them");
    KS_TRY(ks_machine_foresee(ks_cli_text(cli, "device"), &coming));
    state.mask = coming.pcr_mask;
    authority = ks_identity_authority(&coming.policy);
    if (message != NULL) {
        KS_TRY(ks_update_message(&state, authority.purpose, message));
    } else {
        KS_TRY(ks_path_join(ks_cli_text(cli, "device"), KS_MACHINE_UPDATE, path));
        KS_TRY(ks_update_authorise(&state, &authority, signature, path));
    }
    KS_TRY(print_coming(cli, &coming));
out:
    return err;
}
