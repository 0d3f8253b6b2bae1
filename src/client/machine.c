/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "crypto/digest.h"
#include "tpm/extend.h"
#include "tpm/update.h"

#define PLATFORM_BYTES_MAX 65536
#define PROGRAM            "/proc/self/exe"
#define PROGRAM_EVENT      "ketseal"
#define TCG_LOG            "/sys/kernel/security/tpm0/binary_bios_measurements"
#define IMA_LOG            "/sys/kernel/security/ima/binary_runtime_measurements"
#define IMA_PCR            10
#define BOOT_PCRS          0x3ffu /* 0 to 9: firmware and boot loader */

struct ks_machine {
    char directory[KS_PATH_MAX];
    struct ks_tpm *tpm;
    pid_t swtpm;
    uint32_t pcr_mask;
    bool hardware;
    struct ks_event_log log;
};

/* --- platform.json ------------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static void put_platform(const struct ks_machine_spec *spec, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "measured");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < spec->file_count; i++) {
        ks_json_put_text(&writer, spec->files[i]);
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "pcr_mask", spec->pcr_mask | UINT32_C(1) << KS_LAUNCH_PCR);
    ks_json_member_text(&writer, "schema", "ketseal.platform/1");
    ks_json_member_text(&writer, "swtpm_ca", spec->swtpm_ca == NULL ? "" : spec->swtpm_ca);
    ks_json_member_text(&writer, "tpm", spec->tpm);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
}

enum ks_err ks_machine_create(const struct ks_machine_spec *spec)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf text;
    struct ks_event_log *names = ks_calloc(1, sizeof *names);
    const uint8_t zeros[KS_PCR_DIGEST_LEN] = {0};

    ks_buf_init(&text, PLATFORM_BYTES_MAX);
    KS_CHECK(names != NULL, KS_ERR_NOMEM, "platform");
    KS_CHECK(strcmp(spec->tpm, "swtpm") == 0 || spec->tpm[0] == '/', KS_ERR_USAGE,
             "TPM: 'swtpm' or the path of a device, not '%s'", spec->tpm);
    KS_CHECK(spec->file_count <= KS_MACHINE_FILES_MAX, KS_ERR_LIMIT, "over %d measured files",
             KS_MACHINE_FILES_MAX);
    ks_event_log_init(names, KS_LAUNCH_PCR, NULL);
    KS_TRY(ks_event_log_add(names, PROGRAM_EVENT, zeros));
    for (size_t i = 0; i < spec->file_count; i++) {
        KS_CHECK(spec->files[i][0] == '/' && ks_utf8_valid(ks_bytes_text(spec->files[i])),
                 KS_ERR_USAGE, "measured file '%s': expected an absolute path", spec->files[i]);
        err = ks_event_log_add(names, base_name(spec->files[i]), zeros);
        KS_CHECK(err == KS_OK, KS_ERR_USAGE, "measured file '%s': %s", spec->files[i],
                 ks_err_detail());
    }
    put_platform(spec, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_path_join(spec->directory, KS_MACHINE_PLATFORM, path));
    KS_TRY(ks_file_create(path, ks_buf_view(&text), 0600));
out:
    ks_buf_done(&text);
    ks_free(names);
    return err;
}

/* --- measuring ---------------------------------------------------------------------------- */

static enum ks_err measure_file(struct ks_event_log *log, const char *name, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&bytes, KS_MACHINE_MEASURED_MAX);
    KS_TRY(ks_file_read(path, KS_MACHINE_MEASURED_MAX, &bytes));
    ks_sha256(ks_buf_view(&bytes), digest);
    KS_TRY(ks_event_log_add(log, name, digest));
out:
    ks_buf_done(&bytes);
    return ks_fail_prefix(err, "measuring");
}

/* This program and the files, as they are now. */
static enum ks_err measure(const struct ks_json *root, struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    const struct ks_json *files = NULL;
    char path[KS_PATH_MAX];

    KS_TRY(ks_json_get(root, "measured", KS_JSON_ARRAY, &files));
    KS_CHECK(ks_json_count(files) <= KS_MACHINE_FILES_MAX, KS_ERR_LIMIT, "'measured': over %d",
             KS_MACHINE_FILES_MAX);
    ks_event_log_init(log, KS_LAUNCH_PCR, NULL);
    KS_TRY(measure_file(log, PROGRAM_EVENT, PROGRAM));
    for (size_t i = 0; i < ks_json_count(files); i++) {
        struct ks_bytes text = {0};

        KS_TRY(ks_json_string(ks_json_at(files, i), &text));
        KS_CHECK(text.len < sizeof path, KS_ERR_LIMIT, "'measured': a path is too long");
        KS_CHECK(text.len >= 1 && text.data[0] == '/', KS_ERR_FORMAT,
                 "'measured': expected an absolute path");
        ks_copy(path, text.data, text.len);
        path[text.len] = '\0';
        KS_TRY(measure_file(log, base_name(path), path));
    }
out:
    return err;
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err start_swtpm(struct ks_machine *machine, struct ks_bytes ca, int *out_fd)
{
    enum ks_err err = KS_OK;
    char state[KS_PATH_MAX];
    char ca_path[KS_PATH_MAX];

    KS_TRY(ks_path_join(machine->directory, "tpm", state));
    if (ca.len > 0) {
        KS_CHECK(ca.len < sizeof ca_path, KS_ERR_LIMIT, "'swtpm_ca': too long");
        ks_copy(ca_path, ca.data, ca.len);
        ca_path[ca.len] = '\0';
        KS_TRY(ks_tpm_make_swtpm(state, ca_path));
    }
    KS_TRY(ks_tpm_start_swtpm(NULL, state, out_fd, &machine->swtpm));
out:
    return err;
}

/* The path of the system's TPM; empty: swtpm. */
static enum ks_err get_tpm(const struct ks_json *root, char out_path[KS_PATH_MAX])
{
    enum ks_err err = KS_OK;
    struct ks_bytes tpm = {0};

    KS_TRY(ks_json_get_string(root, "tpm", &tpm));
    if (ks_bytes_is(tpm, "swtpm")) {
        tpm.len = 0;
    } else {
        KS_CHECK(tpm.len >= 1 && tpm.len < KS_PATH_MAX && tpm.data[0] == '/', KS_ERR_FORMAT,
                 "'tpm': expected swtpm or the path of a device");
    }
    ks_copy(out_path, tpm.data, tpm.len);
    out_path[tpm.len] = '\0';
out:
    return err;
}

static enum ks_err open_tpm(const struct ks_json *root, struct ks_machine *machine)
{
    enum ks_err err = KS_OK;
    struct ks_bytes ca = {0};
    char path[KS_PATH_MAX];
    int fd = -1;

    KS_TRY(get_tpm(root, path));
    KS_TRY(ks_json_get_string(root, "swtpm_ca", &ca));
    if (path[0] == '\0') {
        KS_TRY(start_swtpm(machine, ca, &fd));
    } else {
        KS_TRY(ks_tpm_open_device(path, &fd));
        machine->hardware = true;
    }
    KS_TRY(ks_tpm_open_fd(fd, 0, &machine->tpm));
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err get_pcr_mask(const struct ks_json *root, uint32_t *out_mask)
{
    uint64_t mask = 0;
    enum ks_err err = ks_json_get_u64(root, "pcr_mask", (1u << KS_PCR_COUNT) - 1, &mask);

    if (err == KS_OK) {
        *out_mask = (uint32_t)mask | UINT32_C(1) << KS_LAUNCH_PCR;
    }
    return err;
}

static enum ks_err read_platform(const char *directory, struct ks_json_doc **out_doc)
{
    static const struct ks_json_limits limits = {.len_max = PLATFORM_BYTES_MAX,
                                                 .nodes_max = 128};
    static const char *const names[] = {"measured", "pcr_mask", "schema",
                                        "swtpm_ca", "tpm",      NULL};
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf text;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes schema = {0};

    ks_buf_init(&text, PLATFORM_BYTES_MAX);
    KS_TRY(ks_path_join(directory, KS_MACHINE_PLATFORM, path));
    KS_TRY(ks_file_read(path, PLATFORM_BYTES_MAX, &text));
    KS_TRY(ks_json_parse(ks_buf_view(&text), &limits, &doc));
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.platform/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.platform/1");
    *out_doc = doc;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    ks_buf_done(&text);
    return ks_fail_prefix(err, "%s/" KS_MACHINE_PLATFORM, directory);
}

enum ks_err ks_machine_open(const char *directory, struct ks_machine **out_machine)
{
    enum ks_err err = KS_OK;
    struct ks_machine *machine = ks_calloc(1, sizeof *machine);
    struct ks_json_doc *doc = NULL;

    KS_CHECK(machine != NULL, KS_ERR_NOMEM, "machine");
    KS_CHECK(strlen(directory) < sizeof machine->directory, KS_ERR_LIMIT,
             "path '%s' is too long", directory);
    ks_copy(machine->directory, directory, strlen(directory) + 1);
    KS_TRY(read_platform(directory, &doc));
    KS_TRY(get_pcr_mask(ks_json_root(doc), &machine->pcr_mask));
    KS_TRY(open_tpm(ks_json_root(doc), machine));
    KS_TRY(measure(ks_json_root(doc), &machine->log));
    KS_TRY(ks_tpm_extend_log(machine->tpm, machine->directory, &machine->log));
    KS_TRY(ks_tpm_ak_open(machine->tpm));
    *out_machine = machine;
    machine = NULL; /* transferred */
out:
    ks_machine_close(machine);
    ks_json_doc_free(doc);
    return err;
}

void ks_machine_close(struct ks_machine *machine)
{
    if (machine == NULL) {
        return;
    }
    if (machine->tpm != NULL && machine->swtpm > 0) {
        ks_tpm_shutdown(machine->tpm);
    }
    ks_tpm_close(machine->tpm);
    if (machine->swtpm > 0) {
        ks_tpm_stop_swtpm(machine->swtpm);
    }
    ks_free(machine);
}

struct ks_tpm *ks_machine_tpm(struct ks_machine *machine)
{
    return machine->tpm;
}

/* --- showing ------------------------------------------------------------------------------ */

/* A log of the system's, if it has one; one that is too long to send is none, and then the
 * site could not tell. */
static enum ks_err read_log(const char *path, struct ks_buf *out)
{
    enum ks_err err = ks_file_read(path, KS_PLATFORM_LOG_MAX, out);

    if (err == KS_ERR_NOT_FOUND || err == KS_ERR_LIMIT) {
        ks_buf_clear(out);
        err = KS_OK;
    }
    return err;
}

enum ks_err ks_machine_show(struct ks_machine *machine, uint32_t pcr_mask,
                            const uint8_t extra[32], struct ks_platform *out)
{
    enum ks_err err = KS_OK;
    struct ks_platform platform;

    ks_platform_init(&platform);
    platform.pcr_mask = pcr_mask;
    KS_TRY(ks_tpm_pcr_read(machine->tpm, pcr_mask, platform.pcr_values));
    KS_TRY(ks_tpm_quote(machine->tpm, ks_bytes_of(extra, 32), pcr_mask, &platform.attest,
                        &platform.signature));
    if ((pcr_mask >> KS_LAUNCH_PCR & 1) != 0) {
        ks_event_log_write(&machine->log, &platform.launch_log);
        KS_TRY(ks_buf_check(&platform.launch_log));
    }
    /* The system's logs are about the system's TPM. */
    if (machine->hardware && (pcr_mask & BOOT_PCRS) != 0) {
        KS_TRY(read_log(TCG_LOG, &platform.tcg_log));
    }
    if (machine->hardware && (pcr_mask >> IMA_PCR & 1) != 0) {
        KS_TRY(read_log(IMA_LOG, &platform.ima_log));
    }
    *out = platform;
    platform = (struct ks_platform){0}; /* transferred */
out:
    ks_platform_done(&platform);
    return err;
}

/* --- identity ----------------------------------------------------------------------------- */

static enum ks_err make_keys(struct ks_identity *identity)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA65, ks_bytes_of(identity->seeds, 32),
                                 &identity->sign));
    KS_TRY(ks_kem_key_from_seed(
        KS_KEM_MLKEM768, ks_bytes_of(identity->seeds + 32, KS_KEM_SEED_LEN), &identity->kem));
out:
    return err;
}

enum ks_err ks_identity_new(struct ks_machine *machine, struct ks_identity *out_identity)
{
    enum ks_err err = KS_OK;
    struct ks_identity identity = {0};
    uint8_t tpm[64];
    uint8_t kernel[64];

    KS_TRY(ks_tpm_random(machine->tpm, tpm, sizeof tpm));
    KS_TRY(ks_random(kernel, sizeof kernel));
    KS_TRY(ks_hkdf_sha256(KS_BYTES(kernel), KS_BYTES(tpm), KS_LITERAL("ketseal/identity/1"),
                          identity.seeds, sizeof identity.seeds));
    KS_TRY(make_keys(&identity));
    *out_identity = identity;
    identity = (struct ks_identity){0}; /* transferred */
out:
    ks_wipe(tpm, sizeof tpm);
    ks_wipe(kernel, sizeof kernel);
    ks_identity_done(&identity);
    return err;
}

void ks_identity_done(struct ks_identity *identity)
{
    ks_sign_key_free(identity->sign);
    ks_kem_key_free(identity->kem);
    ks_wipe(identity, sizeof *identity);
}

enum ks_err ks_identity_policy_make(struct ks_bytes authority_der, struct ks_bytes device,
                                    struct ks_identity_policy *out_policy)
{
    enum ks_err err = KS_OK;
    struct ks_identity_policy policy = {.has_authority = authority_der.len > 0};
    struct ks_sealed_authority authority;

    if (policy.has_authority) {
        (void)snprintf(policy.purpose, sizeof policy.purpose, KS_MACHINE_PURPOSE "%.*s",
                       (int)device.len, (const char *)device.data);
        KS_TRY(ks_sealed_authority_parse(authority_der, ks_bytes_text(policy.purpose),
                                         &authority));
        ks_copy(policy.x, authority.x, sizeof policy.x);
        ks_copy(policy.y, authority.y, sizeof policy.y);
    }
    *out_policy = policy;
out:
    return err;
}

struct ks_sealed_authority ks_identity_authority(const struct ks_identity_policy *policy)
{
    struct ks_sealed_authority authority = {.purpose = ks_bytes_text(policy->purpose)};

    KS_ASSERT(policy->has_authority);
    ks_copy(authority.x, policy->x, sizeof authority.x);
    ks_copy(authority.y, policy->y, sizeof authority.y);
    return authority;
}

static struct ks_identity_policy policy_of(const struct ks_sealed_view *view)
{
    struct ks_identity_policy policy = {.pcr_mask = view->pcr_mask,
                                        .has_authority = view->has_authority};

    ks_copy(policy.x, view->authority.x, sizeof policy.x);
    ks_copy(policy.y, view->authority.y, sizeof policy.y);
    ks_copy(policy.purpose, view->authority.purpose.data, view->authority.purpose.len);
    return policy;
}

enum ks_err ks_identity_seal(struct ks_machine *machine, const struct ks_identity *identity,
                             const char *name)
{
    enum ks_err err = KS_OK;
    struct ks_sealed_authority authority = {0};
    struct ks_tpm_seal_spec spec = {.pcr_mask = machine->pcr_mask | identity->policy.pcr_mask};
    struct ks_buf blob;
    char path[KS_PATH_MAX];

    ks_buf_init(&blob, KS_SEALED_MAX);
    if (identity->policy.has_authority) {
        authority = ks_identity_authority(&identity->policy);
        spec.authority = &authority;
    }
    KS_TRY(ks_tpm_seal(machine->tpm, &spec, KS_BYTES(identity->seeds), &blob));
    KS_TRY(ks_path_join(machine->directory, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&blob), 0600));
out:
    ks_buf_done(&blob);
    return err;
}

/* Reads the blob PATH and what it is sealed under. VIEW borrows from BLOB. */
static enum ks_err read_blob(const char *path, struct ks_buf *blob, struct ks_sealed_view *view)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_file_read(path, KS_SEALED_MAX, blob));
    KS_TRY(ks_fail_prefix(ks_sealed_parse(ks_buf_view(blob), view), "%s", path));
out:
    return err;
}

/* An identity that did not open by the state that it was sealed to: by the authority's word for
 * the one of now. KS_ERR_NOT_FOUND when there is none. */
static enum ks_err unseal_authorised(struct ks_machine *machine, struct ks_bytes blob,
                                     const struct ks_sealed_view *view, const char *path,
                                     uint8_t data[KS_SEALED_DATA_MAX], size_t *out_len)
{
    enum ks_err err = KS_OK;
    struct ks_authorisation_view word;
    struct ks_buf bytes;
    char word_path[KS_PATH_MAX];

    ks_buf_init(&bytes, KS_AUTHORISATION_MAX);
    KS_TRY(ks_path_join(machine->directory, KS_MACHINE_UPDATE, word_path));
    KS_TRY(ks_file_read(word_path, KS_AUTHORISATION_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_authorisation_parse(ks_buf_view(&bytes), &word), "%s", word_path));
    if (view->has_authority) {
        KS_TRY(
            ks_fail_prefix(ks_authorisation_check(&word, &view->authority), "%s", word_path));
    }
    KS_TRY(ks_fail_prefix(ks_tpm_unseal(machine->tpm, blob, ks_buf_view(&bytes), data, out_len),
                          "%s", path));
out:
    ks_buf_done(&bytes);
    return err;
}

/* *OUT_AUTHORISED: not by the state that it was sealed to. */
static enum ks_err unseal(struct ks_machine *machine, const char *name,
                          struct ks_identity *out_identity, bool *out_authorised)
{
    enum ks_err err = KS_OK;
    struct ks_identity identity = {0};
    struct ks_sealed_view view;
    struct ks_buf blob;
    uint8_t data[KS_SEALED_DATA_MAX];
    char path[KS_PATH_MAX];
    char closed[KS_ERR_DETAIL_MAX];
    size_t len = 0;
    bool authorised = false;

    ks_buf_init(&blob, KS_SEALED_MAX);
    KS_TRY(ks_path_join(machine->directory, name, path));
    KS_TRY(read_blob(path, &blob, &view));
    err = ks_fail_prefix(
        ks_tpm_unseal(machine->tpm, ks_buf_view(&blob), (struct ks_bytes){0}, data, &len), "%s",
        path);
    if (err == KS_ERR_DENIED) {
        (void)snprintf(closed, sizeof closed, "%s", ks_err_detail());
        err = unseal_authorised(machine, ks_buf_view(&blob), &view, path, data, &len);
        authorised = err == KS_OK;
        err = err == KS_ERR_NOT_FOUND ? ks_fail(KS_ERR_DENIED, "%s", closed) : err;
    }
    KS_TRY(err);
    KS_CHECK(len == sizeof identity.seeds, KS_ERR_FORMAT, "%s: %zu bytes are sealed in it",
             path, len);
    ks_copy(identity.seeds, data, len);
    identity.policy = policy_of(&view);
    KS_TRY(make_keys(&identity));
    *out_authorised = authorised;
    *out_identity = identity;
    identity = (struct ks_identity){0}; /* transferred */
out:
    ks_wipe(data, sizeof data);
    ks_identity_done(&identity);
    ks_buf_done(&blob);
    return err;
}

enum ks_err ks_identity_check(const struct ks_identity *identity, const struct ks_cert *leaf)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *certified = NULL;
    struct ks_buf ours;
    struct ks_buf theirs;

    ks_buf_init(&ours, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&theirs, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_cert_key(leaf, &certified));
    KS_TRY(ks_verify_key_public(certified, &theirs));
    KS_TRY(ks_sign_key_public(identity->sign, &ours));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&ours), ks_buf_view(&theirs)), KS_ERR_VERIFY,
             "the certificate is for another key");
out:
    ks_verify_key_free(certified);
    ks_buf_done(&ours);
    ks_buf_done(&theirs);
    return err;
}

enum ks_err ks_identity_take_next(const char *directory)
{
    enum ks_err err = KS_OK;
    struct ks_buf blob;
    char next[KS_PATH_MAX];
    char kept[KS_PATH_MAX];

    ks_buf_init(&blob, KS_SEALED_MAX);
    KS_TRY(ks_path_join(directory, KS_MACHINE_IDENTITY_NEXT, next));
    KS_TRY(ks_path_join(directory, KS_MACHINE_IDENTITY, kept));
    KS_TRY(ks_file_read(next, KS_SEALED_MAX, &blob));
    KS_TRY(ks_file_write(kept, ks_buf_view(&blob), 0600));
    (void)remove(next); /* the next one replaces it */
out:
    ks_buf_done(&blob);
    return err;
}

/* What was authorised could be opened in the former state, too: KEPT now opens in this one
 * alone, and so does a next one, which somebody may still wait for. */
static enum ks_err seal_again(struct ks_machine *machine, const struct ks_identity *kept)
{
    enum ks_err err = KS_OK;
    struct ks_identity next = {0};
    char path[KS_PATH_MAX];
    bool authorised = false;

    KS_TRY(ks_identity_seal(machine, kept, KS_MACHINE_IDENTITY));
    if (unseal(machine, KS_MACHINE_IDENTITY_NEXT, &next, &authorised) == KS_OK && authorised) {
        KS_TRY(ks_identity_seal(machine, &next, KS_MACHINE_IDENTITY_NEXT));
    }
    KS_TRY(ks_path_join(machine->directory, KS_MACHINE_UPDATE, path));
    (void)remove(path); /* for this state, which opens them without */
out:
    ks_identity_done(&next);
    return err;
}

enum ks_err ks_identity_unseal(struct ks_machine *machine, const struct ks_cert *leaf,
                               struct ks_identity *out_identity)
{
    enum ks_err err = KS_OK;
    struct ks_identity identity = {0};
    char next[KS_PATH_MAX];
    bool authorised = false;

    KS_TRY(ks_path_join(machine->directory, KS_MACHINE_IDENTITY_NEXT, next));
    err = unseal(machine, KS_MACHINE_IDENTITY, &identity, &authorised);
    if (err == KS_OK && leaf != NULL) {
        err = ks_fail_prefix(ks_identity_check(&identity, leaf), "%s/%s", machine->directory,
                             KS_MACHINE_IDENTITY);
    }
    if (leaf != NULL && (err == KS_ERR_VERIFY || err == KS_ERR_NOT_FOUND) &&
        access(next, F_OK) == 0) {
        ks_identity_done(&identity);
        identity = (struct ks_identity){0};
        KS_TRY(unseal(machine, KS_MACHINE_IDENTITY_NEXT, &identity, &authorised));
        KS_TRY(ks_fail_prefix(ks_identity_check(&identity, leaf), "%s", next));
        err = ks_identity_take_next(machine->directory);
    }
    KS_TRY(err);
    if (authorised) {
        KS_TRY(seal_again(machine, &identity));
    }
    *out_identity = identity;
    identity = (struct ks_identity){0}; /* transferred */
out:
    ks_identity_done(&identity);
    return err;
}

enum ks_err ks_identity_unseal_next(struct ks_machine *machine,
                                    struct ks_identity *out_identity)
{
    bool authorised = false;

    return unseal(machine, KS_MACHINE_IDENTITY_NEXT, out_identity, &authorised);
}

/* --- planned updates ---------------------------------------------------------------------- */

enum ks_err ks_machine_foresee(const char *directory, struct ks_machine_coming *out_coming)
{
    enum ks_err err = KS_OK;
    struct ks_event_log *log = ks_calloc(1, sizeof *log);
    struct ks_json_doc *doc = NULL;
    struct ks_machine_coming coming = {0};
    struct ks_sealed_view view;
    struct ks_buf blob;
    char path[KS_PATH_MAX];
    char tpm[KS_PATH_MAX];
    uint32_t mask = 0;

    ks_buf_init(&blob, KS_SEALED_MAX);
    KS_CHECK(log != NULL, KS_ERR_NOMEM, "event log");
    KS_TRY(ks_path_join(directory, KS_MACHINE_IDENTITY, path));
    KS_TRY(read_blob(path, &blob, &view));
    KS_CHECK(view.has_authority, KS_ERR_DENIED,
             "%s: it was sealed without an update authority: enrol again with one", path);
    coming.policy = policy_of(&view);
    KS_TRY(read_platform(directory, &doc));
    KS_TRY(get_pcr_mask(ks_json_root(doc), &mask));
    KS_TRY(get_tpm(ks_json_root(doc), tpm));
    KS_TRY(measure(ks_json_root(doc), log));
    coming.pcr_mask = mask | view.pcr_mask;
    KS_TRY(ks_update_foresee(directory, tpm[0] == '\0' ? NULL : tpm, coming.pcr_mask, log,
                             coming.pcr_values));
    *out_coming = coming;
out:
    ks_free(log);
    ks_json_doc_free(doc);
    ks_buf_done(&blob);
    return err;
}
