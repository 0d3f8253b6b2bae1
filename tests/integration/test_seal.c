/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Endorsement, sealing and counters on a real swtpm that was made with an endorsement. The
 * oracles: openssl for certificates and the operator's signatures, the TPM's own
 * TPM2_MakeCredential for credentials. Exits with 77 (skipped) where a program is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_sys.h>
#include <unistd.h>

#include "base/sys.h"
#include "integration/machine.h"
#include "tpm/internal.h"
#include "tpm/tpm.h"

#define MASK_14 (1u << 14)
#define MASK    (1u << 7 | 1u << 14 | 1u << 23)
#define COUNTER 0x01800123
#define PURPOSE KS_LITERAL("ketseal/enclave-state")

/* Runs ARGV of openssl; its wait status. */
static int run_openssl(const char *const *argv)
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void path_of(const char *dir, const char *name, char target[128])
{
    assert_true(snprintf(target, 128, "%s/%s", dir, name) < 128);
}

/* --- endorsement -------------------------------------------------------------------------- */

static const enum ks_tpm_ek_kind kinds[] = {KS_TPM_EK_RSA_2048, KS_TPM_EK_ECC_P384};

/* The certificate verifies under the CA's, and is for the very key. */
static void check_certificate(const struct machine *machine, enum ks_tpm_ek_kind kind)
{
    char root[128];
    char issuing[128];
    char der[128];
    char pem[128];
    struct ks_buf certificate;
    struct ks_buf public_area;

    path_of(machine_ca(), KS_SWTPM_CA_ROOT, root);
    path_of(machine_ca(), KS_SWTPM_CA_ISSUING, issuing);
    path_of(machine->root, "ek.der", der);
    path_of(machine->root, "ek.pem", pem);
    ks_buf_init(&certificate, KS_TPM_CERTIFICATE_MAX);
    ks_buf_init(&public_area, 512);
    assert_ok(ks_tpm_ek_certificate(machine->tpm, kind, &certificate));
    assert_ok(ks_file_write(der, ks_buf_view(&certificate), 0600));
    const char *const convert[] = {"openssl", "x509", "-inform", "DER", "-in",
                                   der,       "-out", pem,       NULL};
    assert_int_equal(run_openssl(convert), 0);
    const char *const verify[] = {"openssl", "verify", "-ignore_critical",
                                  "-CAfile", root,     "-untrusted",
                                  issuing,   pem,      NULL};
    assert_int_equal(run_openssl(verify), 0);
    const char *const untrusted[] = {
        "openssl", "verify", "-ignore_critical", "-untrusted", issuing, pem, NULL};
    assert_int_not_equal(run_openssl(untrusted), 0);

    /* The modulus, or x and y, stand in both; they end the public area. */
    assert_ok(ks_tpm_ek_open(machine->tpm, kind));
    ks_tpm_ek_public(machine->tpm, &public_area);
    assert_ok(ks_buf_check(&public_area));
    if (kind == KS_TPM_EK_RSA_2048) {
        const uint8_t *modulus = public_area.data + public_area.len - 256;
        assert_non_null(memmem(certificate.data, certificate.len, modulus, 256));
    } else {
        const uint8_t *y = public_area.data + public_area.len - 48;
        assert_non_null(memmem(certificate.data, certificate.len, y, 48));
        assert_non_null(memmem(certificate.data, certificate.len, y - 50, 48));
    }
    ks_buf_done(&certificate);
    ks_buf_done(&public_area);
}

static void test_certificates(void **state)
{
    const struct machine *machine = *state;

    for (size_t i = 0; i < 2; i++) {
        check_certificate(machine, kinds[i]);
    }
    assert_string_equal(ks_tpm_ek_kind_name(KS_TPM_EK_RSA_2048), "RSA 2048");
    assert_string_equal(ks_tpm_ek_kind_name(KS_TPM_EK_ECC_P384), "ECC P-384");
}

static void evict(struct ks_tpm *tpm, TPM2_HANDLE handle)
{
    assert_int_equal(
        Tss2_Sys_EvictControl(tpm->sys, TPM2_RH_OWNER, handle, ks_tpm_password(), handle, NULL),
        TSS2_RC_SUCCESS);
}

static void read_ek(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind, struct ks_buf *out)
{
    ks_buf_init(out, 512);
    assert_ok(ks_tpm_ek_open(tpm, kind));
    ks_tpm_ek_public(tpm, out);
    assert_ok(ks_buf_check(out));
}

/* From the template alone, where nobody has put it: the same key, which the maker's certificate
 * is for. So the template is the profile's. */
static void test_ek_without_persistent_key(void **state)
{
    const struct machine *machine = *state;
    static const TPM2_HANDLE handles[] = {0x81010001, 0x81010016};
    struct ks_buf before;
    struct ks_buf after;

    for (size_t i = 0; i < 2; i++) {
        read_ek(machine->tpm, kinds[i], &before);
        assert_true(machine->tpm->ek.persistent);
        ks_tpm_ek_close(machine->tpm);
        evict(machine->tpm, handles[i]);
        read_ek(machine->tpm, kinds[i], &after);
        assert_false(machine->tpm->ek.persistent);
        assert_true(ks_bytes_equal(ks_buf_view(&before), ks_buf_view(&after)));
        ks_buf_done(&before);
        ks_buf_done(&after);
    }
}

/* Something else at the handle is not taken for the key. */
static void test_ek_of_another_template(void **state)
{
    const struct machine *machine = *state;
    struct ks_tpm *tpm = machine->tpm;
    struct ks_buf before;
    struct ks_buf after;

    read_ek(tpm, KS_TPM_EK_RSA_2048, &before);
    ks_tpm_ek_close(tpm);
    evict(tpm, 0x81010001);
    assert_ok(ks_tpm_ak_open(tpm));
    assert_int_equal(Tss2_Sys_EvictControl(tpm->sys, TPM2_RH_OWNER, tpm->ak.handle,
                                           ks_tpm_password(), 0x81010001, NULL),
                     TSS2_RC_SUCCESS);
    read_ek(tpm, KS_TPM_EK_RSA_2048, &after);
    assert_false(tpm->ek.persistent);
    assert_true(ks_bytes_equal(ks_buf_view(&before), ks_buf_view(&after)));
    ks_buf_done(&before);
    ks_buf_done(&after);
}

/* --- credentials -------------------------------------------------------------------------- */

struct credential {
    struct ks_buf id_object;
    struct ks_buf secret;
};

/* By the TPM, for any name: what a site does in software. */
static void make_credential(struct ks_tpm *tpm, const struct ks_ak_public *ak,
                            struct ks_bytes secret, struct credential *out)
{
    TPM2B_DIGEST digest = {.size = (uint16_t)secret.len};
    TPM2B_NAME name = {.size = KS_AK_NAME_LEN};
    TPM2B_ID_OBJECT id_object = {0};
    TPM2B_ENCRYPTED_SECRET encrypted = {0};

    ks_copy(digest.buffer, secret.data, secret.len);
    ks_ak_name(ak, name.name);
    assert_int_equal(Tss2_Sys_MakeCredential(tpm->sys, tpm->ek.handle, NULL, &digest, &name,
                                             &id_object, &encrypted, NULL),
                     TSS2_RC_SUCCESS);
    ks_buf_init(&out->id_object, 1024);
    ks_buf_init(&out->secret, 1024);
    ks_buf_put_lp16(&out->id_object, ks_bytes_of(id_object.credential, id_object.size));
    ks_buf_put_lp16(&out->secret, ks_bytes_of(encrypted.secret, encrypted.size));
    assert_ok(ks_buf_check(&out->id_object));
    assert_ok(ks_buf_check(&out->secret));
}

static void credential_done(struct credential *credential)
{
    ks_buf_done(&credential->id_object);
    ks_buf_done(&credential->secret);
}

static enum ks_err activate(struct ks_tpm *tpm, const struct credential *credential,
                            struct ks_secret *out_secret)
{
    return ks_tpm_credential_activate(tpm, ks_buf_view(&credential->id_object),
                                      ks_buf_view(&credential->secret), out_secret);
}

static void read_ak(struct ks_tpm *tpm, struct ks_ak_public *out_ak)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_AK_PUBLIC_MAX);
    assert_ok(ks_tpm_ak_open(tpm));
    ks_tpm_ak_public(tpm, &bytes);
    assert_ok(ks_ak_public_parse(ks_buf_view(&bytes), out_ak));
    ks_buf_done(&bytes);
}

static void test_activate(void **state)
{
    const struct machine *machine = *state;
    struct ks_ak_public ak;
    static const size_t sizes[] = {1, 16, 32};
    const uint8_t secret[32] = {1, 2, 3, 4, 5, 6, 7, 8, [31] = 9};

    read_ak(machine->tpm, &ak);
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ks_tpm_ek_open(machine->tpm, kinds[i]));
        for (size_t j = 0; j < 9; j++) { /* more often than there are slots for sessions */
            struct ks_secret recovered = {.len = 0};
            struct credential credential;

            make_credential(machine->tpm, &ak, ks_bytes_of(secret, sizes[j % 3]), &credential);
            assert_ok(activate(machine->tpm, &credential, &recovered));
            assert_true(
                ks_bytes_equal(ks_secret_view(&recovered), ks_bytes_of(secret, sizes[j % 3])));
            credential_done(&credential);
        }
    }
}

static void test_activate_refusals(void **state)
{
    const struct machine *machine = *state;
    struct ks_tpm *tpm = machine->tpm;
    struct ks_ak_public ak;
    struct ks_ak_public other;
    struct ks_secret recovered = {.len = 0};
    struct credential credential;
    struct credential foreign;

    read_ak(tpm, &ak);
    other = ak;
    other.name[5] ^= 1;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ks_tpm_ek_open(tpm, kinds[i]));
        make_credential(tpm, &other, KS_LITERAL("secret"), &foreign);
        make_credential(tpm, &ak, KS_LITERAL("secret"), &credential);
        for (unsigned round = 0; round < 5; round++) { /* refusals leave no session behind */
            assert_says(activate(tpm, &foreign, &recovered), KS_ERR_VERIFY,
                        "not made for this attestation key");
        }
        /* Every byte of both counts. */
        for (size_t at = 2; at < credential.id_object.len; at += 7) {
            credential.id_object.data[at] ^= 0x40;
            assert_says(activate(tpm, &credential, &recovered), KS_ERR_VERIFY, "not made for");
            credential.id_object.data[at] ^= 0x40;
        }
        for (size_t at = 2; at < credential.secret.len; at += 13) {
            credential.secret.data[at] ^= 0x40;
            assert_says(activate(tpm, &credential, &recovered), KS_ERR_VERIFY, "not made for");
            credential.secret.data[at] ^= 0x40;
        }
        assert_ok(activate(tpm, &credential, &recovered));
        /* Not the shape of a TPM2B. */
        assert_says(ks_tpm_credential_activate(
                        tpm,
                        ks_bytes_of(credential.id_object.data, credential.id_object.len - 1),
                        ks_buf_view(&credential.secret), &recovered),
                    KS_ERR_FORMAT, "credential");
        ks_buf_put_u8(&credential.secret, 0);
        assert_says(activate(tpm, &credential, &recovered), KS_ERR_FORMAT, "secret");
        credential_done(&credential);
        credential_done(&foreign);
    }
    /* For the other endorsement key. */
    assert_ok(ks_tpm_ek_open(tpm, KS_TPM_EK_RSA_2048));
    make_credential(tpm, &ak, KS_LITERAL("secret"), &credential);
    assert_ok(ks_tpm_ek_open(tpm, KS_TPM_EK_ECC_P384));
    assert_says(activate(tpm, &credential, &recovered), KS_ERR_VERIFY, "ECC P-384");
    credential_done(&credential);
    const uint8_t long_one[2 + 140] = {0, 140};
    assert_says(
        ks_tpm_credential_activate(tpm, KS_BYTES(long_one), KS_LITERAL("\0\0"), &recovered),
        KS_ERR_LIMIT, "credential");
}

/* --- sealing ------------------------------------------------------------------------------ */

struct vault {
    struct ks_buf blob;
    uint8_t data[KS_SEALED_DATA_MAX];
    size_t len;
};

static void vault_init(struct vault *vault)
{
    ks_buf_init(&vault->blob, KS_SEALED_MAX);
    vault->len = 0;
}

static enum ks_err unseal(struct ks_tpm *tpm, struct vault *vault,
                          struct ks_bytes authorisation)
{
    return ks_tpm_unseal(tpm, ks_buf_view(&vault->blob), authorisation, vault->data,
                         &vault->len);
}

static void extend(struct ks_tpm *tpm, unsigned pcr, uint8_t first)
{
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {first};

    assert_ok(ks_tpm_pcr_extend(tpm, pcr, digest));
}

static const struct ks_bytes nobody = {NULL, 0};

static void test_seal(void **state)
{
    struct machine *machine = *state;
    static const size_t sizes[] = {1, 96, KS_SEALED_DATA_MAX};
    uint8_t data[KS_SEALED_DATA_MAX + 1];
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};
    struct vault vault;

    memset(data, 0x5a, sizeof data);
    vault_init(&vault);
    assert_ok(ks_tpm_ak_open(machine->tpm));
    for (unsigned round = 0; round < 9; round++) {
        ks_buf_clear(&vault.blob);
        assert_ok(ks_tpm_ek_open(machine->tpm, kinds[round % 2])); /* gives up its slot */
        assert_ok(
            ks_tpm_seal(machine->tpm, &spec, ks_bytes_of(data, sizes[round % 3]), &vault.blob));
        assert_ok(unseal(machine->tpm, &vault, nobody));
        assert_true(ks_bytes_equal(ks_bytes_of(vault.data, vault.len),
                                   ks_bytes_of(data, sizes[round % 3])));
        /* Nothing of it can be read in the blob. */
        assert_true(sizes[round % 3] < 16 ||
                    memmem(vault.blob.data, vault.blob.len, data, 16) == NULL);
    }
    assert_says(ks_tpm_seal(machine->tpm, &spec, KS_BYTES(data), &vault.blob), KS_ERR_LIMIT,
                "129 bytes");
    assert_says(ks_tpm_seal(machine->tpm, &spec, nobody, &vault.blob), KS_ERR_LIMIT, "0 bytes");

    /* After a reboot into the same state. */
    machine_halt(machine);
    machine_boot(machine);
    assert_ok(unseal(machine->tpm, &vault, nobody));
    ks_buf_done(&vault.blob);
}

static void test_changed_pcrs(void **state)
{
    struct machine *machine = *state;
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};
    struct vault vault;

    vault_init(&vault);
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    extend(machine->tpm, 3, 1); /* not in the mask */
    assert_ok(unseal(machine->tpm, &vault, nobody));
    extend(machine->tpm, 14, 1);
    memset(vault.data, 0x77, sizeof vault.data);
    vault.len = 1234;
    for (unsigned round = 0; round < 5; round++) { /* refusals leave no slot taken */
        assert_says(unseal(machine->tpm, &vault, nobody), KS_ERR_DENIED,
                    "the value of PCR 14 is not the one that it was sealed to");
    }
    assert_int_equal(vault.len, 1234);
    assert_int_equal(vault.data[0], 0x77);
    extend(machine->tpm, 7, 1);
    assert_says(unseal(machine->tpm, &vault, nobody), KS_ERR_DENIED, "PCR 7, 14 is not");
    machine_halt(machine);
    machine_boot(machine);
    assert_ok(unseal(machine->tpm, &vault, nobody));
    ks_buf_done(&vault.blob);
}

/* Sealed now to what will be measured later. */
static void test_planned_values(void **state)
{
    const struct machine *machine = *state;
    uint8_t planned[1][KS_PCR_DIGEST_LEN];
    struct vault vault;

    extend(machine->tpm, 14, 5);
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14, planned));
    extend(machine->tpm, 14, 6);
    assert_ok(ks_tpm_pcr_read(machine->tpm, MASK_14, planned));
    extend(machine->tpm, 14, 7);
    const struct ks_tpm_seal_spec spec = {
        .pcr_mask = MASK_14,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])planned,
    };
    vault_init(&vault);
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    assert_says(unseal(machine->tpm, &vault, nobody), KS_ERR_DENIED, "PCR 14");
    struct machine *restarted = *state;
    machine_halt(restarted);
    machine_boot(restarted);
    extend(machine->tpm, 14, 5);
    assert_says(unseal(machine->tpm, &vault, nobody), KS_ERR_DENIED, "PCR 14");
    extend(machine->tpm, 14, 6);
    assert_ok(unseal(machine->tpm, &vault, nobody));
    ks_buf_done(&vault.blob);
}

/* A clone of the files, with another TPM. */
static void test_clone(void **state)
{
    const struct machine *machine = *state;
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};
    struct machine other = {.pid = 0};
    struct vault vault;

    vault_init(&vault);
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    machine_new(&other);
    machine_boot(&other);
    assert_says(unseal(other.tpm, &vault, nobody), KS_ERR_DENIED, "sealed by another TPM");
    /* Even when it claims to be ours: the TPM itself refuses. */
    struct ks_sealed_view view;
    struct ks_buf own;
    struct ks_sealed_view own_view;
    ks_buf_init(&own, KS_SEALED_MAX);
    assert_ok(ks_tpm_seal(other.tpm, &spec, KS_LITERAL("another"), &own));
    assert_ok(ks_sealed_parse(ks_buf_view(&own), &own_view));
    assert_ok(ks_sealed_parse(ks_buf_view(&vault.blob), &view));
    ks_copy(view.parent_name, own_view.parent_name, sizeof view.parent_name);
    struct ks_buf forged;
    ks_buf_init(&forged, KS_SEALED_MAX);
    assert_ok(ks_sealed_encode(&view, &forged));
    assert_says(ks_tpm_unseal(other.tpm, ks_buf_view(&forged), nobody, vault.data, &vault.len),
                KS_ERR_VERIFY, "altered");
    machine_halt(&other);
    machine_remove_dir(other.root);
    ks_buf_done(&own);
    ks_buf_done(&forged);
    ks_buf_done(&vault.blob);
}

static void test_altered_blobs(void **state)
{
    const struct machine *machine = *state;
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};
    struct vault vault;
    unsigned refused_by_tpm = 0;

    vault_init(&vault);
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    for (size_t len = 0; len < vault.blob.len; len++) {
        assert_int_equal(ks_tpm_unseal(machine->tpm, ks_bytes_of(vault.blob.data, len), nobody,
                                       vault.data, &vault.len),
                         KS_ERR_FORMAT);
    }
    for (size_t at = 0; at < vault.blob.len; at++) {
        enum ks_err err;

        vault.blob.data[at] ^= 1;
        err = unseal(machine->tpm, &vault, nobody);
        if (err != KS_ERR_FORMAT && err != KS_ERR_DENIED && err != KS_ERR_VERIFY &&
            err != KS_ERR_LIMIT) {
            fail_msg("byte %zu: %s (%s)", at, ks_err_name(err), ks_err_detail());
        }
        refused_by_tpm += err == KS_ERR_VERIFY;
        vault.blob.data[at] ^= 1;
    }
    assert_true(refused_by_tpm > 100); /* the private area, and the unique part */
    assert_ok(unseal(machine->tpm, &vault, nobody));
    ks_buf_done(&vault.blob);
}

/* --- planned updates ---------------------------------------------------------------------- */

struct operator_key {
    char key[128];
    struct ks_sealed_authority authority;
};

static void operator_new(const char *dir, const char *name, struct operator_key *out)
{
    char der[128];
    struct ks_buf spki;

    path_of(dir, name, out->key);
    path_of(dir, "public.der", der);
    const char *const generate[] = {"openssl", "genpkey",  "-algorithm",
                                    "EC",      "-pkeyopt", "ec_paramgen_curve:P-256",
                                    "-out",    out->key,   NULL};
    assert_int_equal(run_openssl(generate), 0);
    const char *const publish[] = {"openssl",  "pkey", "-in",  out->key, "-pubout",
                                   "-outform", "DER",  "-out", der,      NULL};
    assert_int_equal(run_openssl(publish), 0);
    ks_buf_init(&spki, 1024);
    assert_ok(ks_file_read(der, 1024, &spki));
    assert_ok(ks_sealed_authority_parse(ks_buf_view(&spki), PURPOSE, &out->authority));
    ks_buf_done(&spki);
}

/* The operator's desk: message, openssl, authorisation. */
static enum ks_err authorise(const char *dir, const struct operator_key *key,
                             const struct ks_pcr_state *pcrs,
                             const struct ks_sealed_authority *authority, struct ks_buf *out)
{
    char message_path[128];
    char signature_path[128];
    uint8_t message[KS_AUTHORISATION_MESSAGE_LEN];
    struct ks_buf signature;
    enum ks_err err;

    path_of(dir, "message", message_path);
    path_of(dir, "signature", signature_path);
    ks_authorisation_message(pcrs, authority->purpose, message);
    assert_ok(ks_file_write(message_path, KS_BYTES(message), 0600));
    const char *const sign[] = {"openssl", "dgst",         "-sha256",    "-sign", key->key,
                                "-out",    signature_path, message_path, NULL};
    assert_int_equal(run_openssl(sign), 0);
    ks_buf_init(&signature, 256);
    assert_ok(ks_file_read(signature_path, 256, &signature));
    err = ks_authorisation_make(pcrs, authority, ks_buf_view(&signature), out);
    ks_buf_done(&signature);
    return err;
}

/* The state of the machine after DIGEST is measured into PCR 14: its next version. */
static void read_state(struct ks_tpm *tpm, uint32_t mask, uint8_t (*values)[KS_PCR_DIGEST_LEN],
                       struct ks_pcr_state *out)
{
    assert_ok(ks_tpm_pcr_read(tpm, mask, values));
    *out = (struct ks_pcr_state){mask, (const uint8_t(*)[KS_PCR_DIGEST_LEN])values};
}

static void test_authorised_update(void **state)
{
    const struct machine *machine = *state;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_pcr_state next;
    struct operator_key key;
    struct vault vault;
    struct ks_buf authorisation;
    struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};

    operator_new(machine->root, "operator.pem", &key);
    spec.authority = &key.authority;
    vault_init(&vault);
    ks_buf_init(&authorisation, KS_AUTHORISATION_MAX);
    assert_ok(ks_tpm_ak_open(machine->tpm));
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    assert_ok(unseal(machine->tpm, &vault, nobody)); /* by the sealed values */

    extend(machine->tpm, 14, 2);
    assert_says(unseal(machine->tpm, &vault, nobody), KS_ERR_DENIED, "PCR 14");
    read_state(machine->tpm, MASK, values, &next);
    assert_ok(authorise(machine->root, &key, &next, &key.authority, &authorisation));
    for (unsigned round = 0; round < 5; round++) {
        vault.len = 0;
        assert_ok(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)));
        assert_true(ks_bytes_is(ks_bytes_of(vault.data, vault.len), "a seed"));
    }
    /* The state that was authorised, and no other. */
    extend(machine->tpm, 23, 3);
    assert_says(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)), KS_ERR_DENIED,
                "PCR 23 is not the one that the authorisation names");
    /* Back in the old one, an authorisation at hand does no harm. */
    machine_halt(*state);
    machine_boot(*state);
    assert_ok(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)));
    /* Other PCRs may be named than it was sealed to. */
    ks_buf_clear(&authorisation);
    extend(machine->tpm, 7, 9);
    read_state(machine->tpm, 1u << 14, values, &next);
    assert_ok(authorise(machine->root, &key, &next, &key.authority, &authorisation));
    assert_ok(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)));
    ks_buf_done(&authorisation);
    ks_buf_done(&vault.blob);
}

static void test_wrong_authorisations(void **state)
{
    const struct machine *machine = *state;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_pcr_state next;
    struct operator_key key;
    struct operator_key thief;
    struct ks_sealed_authority elsewhere;
    struct vault vault;
    struct vault strict;
    struct ks_buf authorisation;
    struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};

    operator_new(machine->root, "operator.pem", &key);
    operator_new(machine->root, "thief.pem", &thief);
    vault_init(&vault);
    vault_init(&strict);
    ks_buf_init(&authorisation, KS_AUTHORISATION_MAX);
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &strict.blob));
    spec.authority = &key.authority;
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    extend(machine->tpm, 14, 2);
    read_state(machine->tpm, MASK, values, &next);

    /* Signed by another, made at his own desk. */
    assert_says(authorise(machine->root, &thief, &next, &key.authority, &authorisation),
                KS_ERR_VERIFY, "authorisation");
    assert_int_equal(authorisation.len, 0);
    assert_ok(authorise(machine->root, &thief, &next, &thief.authority, &authorisation));
    assert_says(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)), KS_ERR_VERIFY,
                "authorisation");
    /* For another purpose. */
    ks_buf_clear(&authorisation);
    elsewhere = key.authority;
    elsewhere.purpose = KS_LITERAL("ketseal/device-identity");
    assert_ok(authorise(machine->root, &key, &next, &elsewhere, &authorisation));
    assert_says(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)), KS_ERR_VERIFY,
                "for the purpose 'ketseal/device-identity', not 'ketseal/enclave-state'");
    /* A right one, altered at each byte, and cut. */
    ks_buf_clear(&authorisation);
    assert_ok(authorise(machine->root, &key, &next, &key.authority, &authorisation));
    assert_ok(unseal(machine->tpm, &vault, ks_buf_view(&authorisation)));
    for (size_t at = 0; at < authorisation.len; at++) {
        enum ks_err err;

        authorisation.data[at] ^= 1;
        err = unseal(machine->tpm, &vault, ks_buf_view(&authorisation));
        if (err != KS_ERR_FORMAT && err != KS_ERR_VERIFY && err != KS_ERR_LIMIT) {
            fail_msg("byte %zu: %s (%s)", at, ks_err_name(err), ks_err_detail());
        }
        authorisation.data[at] ^= 1;
    }
    assert_says(
        unseal(machine->tpm, &vault, ks_bytes_of(authorisation.data, authorisation.len - 1)),
        KS_ERR_FORMAT, "authorisation");
    /* What has no authority listens to none. */
    assert_says(unseal(machine->tpm, &strict, ks_buf_view(&authorisation)), KS_ERR_DENIED,
                "no authority");
    ks_buf_done(&authorisation);
    ks_buf_done(&vault.blob);
    ks_buf_done(&strict.blob);
}

/* The TPM itself refuses a signature that our own check let pass: it is the TPM's policy that
 * holds, not this program. */
static void test_tpm_checks_the_authority(void **state)
{
    const struct machine *machine = *state;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_pcr_state next;
    struct operator_key key;
    struct operator_key thief;
    struct ks_sealed_view view;
    struct ks_sealed_view other;
    struct vault vault;
    struct vault stolen;
    struct ks_buf authorisation;
    struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};

    operator_new(machine->root, "operator.pem", &key);
    operator_new(machine->root, "thief.pem", &thief);
    vault_init(&vault);
    vault_init(&stolen);
    ks_buf_init(&authorisation, KS_AUTHORISATION_MAX);
    spec.authority = &key.authority;
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &vault.blob));
    spec.authority = &thief.authority;
    assert_ok(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("bait"), &stolen.blob));
    /* The private part of one under the policy of the other. */
    assert_ok(ks_sealed_parse(ks_buf_view(&vault.blob), &view));
    assert_ok(ks_sealed_parse(ks_buf_view(&stolen.blob), &other));
    other.private_area = view.private_area;
    struct ks_buf forged;
    ks_buf_init(&forged, KS_SEALED_MAX);
    assert_ok(ks_sealed_encode(&other, &forged));
    extend(machine->tpm, 14, 2);
    read_state(machine->tpm, MASK, values, &next);
    assert_ok(authorise(machine->root, &thief, &next, &thief.authority, &authorisation));
    assert_ok(unseal(machine->tpm, &stolen, ks_buf_view(&authorisation)));
    assert_says(ks_tpm_unseal(machine->tpm, ks_buf_view(&forged), ks_buf_view(&authorisation),
                              vault.data, &vault.len),
                KS_ERR_VERIFY, "altered");
    ks_buf_done(&forged);
    ks_buf_done(&authorisation);
    ks_buf_done(&vault.blob);
    ks_buf_done(&stolen.blob);
}

/* --- counters ----------------------------------------------------------------------------- */

static void test_counter(void **state)
{
    struct machine *machine = *state;
    uint64_t first = 0;
    uint64_t value = 0;
    uint64_t second = 0;

    assert_says(ks_tpm_counter_read(machine->tpm, COUNTER, &value), KS_ERR_NOT_FOUND,
                "nothing there");
    assert_ok(ks_tpm_counter_open(machine->tpm, COUNTER));
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER, &first));
    assert_ok(ks_tpm_counter_open(machine->tpm, COUNTER)); /* changes nothing */
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER, &value));
    assert_int_equal(value, first);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_ok(ks_tpm_counter_increment(machine->tpm, COUNTER, &value));
        assert_int_equal(value, first + i);
    }
    machine_halt(machine);
    machine_boot(machine);
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER, &value));
    assert_int_equal(value, first + 5);
    assert_ok(ks_tpm_counter_increment(machine->tpm, COUNTER, &value));
    assert_int_equal(value, first + 6);

    /* Deleted and made anew, it goes on above: no way back. */
    assert_int_equal(Tss2_Sys_NV_UndefineSpace(machine->tpm->sys, TPM2_RH_OWNER, COUNTER,
                                               ks_tpm_password(), NULL),
                     TSS2_RC_SUCCESS);
    assert_ok(ks_tpm_counter_open(machine->tpm, COUNTER));
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER, &value));
    assert_true(value > first + 6);
    /* And so does another one. */
    assert_ok(ks_tpm_counter_open(machine->tpm, COUNTER + 1));
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER + 1, &second));
    assert_true(second >= value);
}

static void define(struct ks_tpm *tpm, uint32_t index, TPMA_NV attributes, uint16_t size)
{
    const TPM2B_AUTH password = {0};
    const TPM2B_NV_PUBLIC area = {.nvPublic = {.nvIndex = index,
                                               .nameAlg = TPM2_ALG_SHA256,
                                               .attributes = attributes,
                                               .dataSize = size}};

    assert_int_equal(Tss2_Sys_NV_DefineSpace(tpm->sys, TPM2_RH_OWNER, ks_tpm_password(),
                                             &password, &area, NULL),
                     TSS2_RC_SUCCESS);
}

static void test_counter_conflicts(void **state)
{
    const struct machine *machine = *state;
    const TPMA_NV open_to_all =
        TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE;
    uint64_t value = 0;

    /* Memory that anyone can set back. */
    define(machine->tpm, COUNTER, open_to_all | TPMA_NV_NO_DA, 8);
    assert_says(ks_tpm_counter_open(machine->tpm, COUNTER), KS_ERR_CONFLICT,
                "something else is there");
    /* Killed between definition and first increment. */
    define(machine->tpm, COUNTER + 1,
           open_to_all | TPMA_NV_NO_DA | TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT, 8);
    assert_says(ks_tpm_counter_read(machine->tpm, COUNTER + 1, &value), KS_ERR_NOT_FOUND,
                "nothing there");
    assert_ok(ks_tpm_counter_open(machine->tpm, COUNTER + 1));
    assert_ok(ks_tpm_counter_read(machine->tpm, COUNTER + 1, &value));
    /* An owner with a password. */
    const TPM2B_AUTH password = {.size = 3, .buffer = "pwd"};
    assert_int_equal(Tss2_Sys_HierarchyChangeAuth(machine->tpm->sys, TPM2_RH_OWNER,
                                                  ks_tpm_password(), &password, NULL),
                     TSS2_RC_SUCCESS);
    assert_says(ks_tpm_counter_open(machine->tpm, COUNTER + 2), KS_ERR_DENIED, "password");
    assert_ok(ks_tpm_counter_increment(machine->tpm, COUNTER + 1, &value)); /* has its own */
}

/* --- slots, manufacture ------------------------------------------------------------------- */

/* A holder that is killed with keys loaded and sessions open; more often than there are slots.
 */
static void test_killed_holders(void **state)
{
    const struct machine *machine = *state;

    for (unsigned i = 0; i < 5; i++) {
        int status;
        pid_t holder = fork();

        assert_true(holder >= 0);
        if (holder == 0) {
            struct ks_tpm *tpm = NULL;
            TPM2_HANDLE session = 0;
            bool done =
                ks_tpm_open_fd(ks_tpm_fd(machine->tpm), MACHINE_TIMEOUT_MS, &tpm) == KS_OK &&
                ks_tpm_ak_open(tpm) == KS_OK &&
                ks_tpm_policy_start(tpm, TPM2_ALG_SHA256, &session) == KS_OK &&
                ks_tpm_policy_start(tpm, TPM2_ALG_SHA256, &session) == KS_OK;
            _exit(done ? 0 : 1); /* as if killed: nothing is closed properly */
        }
        assert_int_equal(waitpid(holder, &status, 0), holder);
        assert_int_equal(status, 0);
    }
}

static bool exists(const char *dir, const char *name)
{
    char path[128];

    path_of(dir, name, path);
    return access(path, F_OK) == 0;
}

/* Whether any process has PATH in its command line. */
static bool runs_with(const char *path)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    assert_non_null(processes);
    while ((entry = readdir(processes)) != NULL) {
        char name[300];
        struct ks_buf line;

        ks_buf_init(&line, 65536);
        (void)snprintf(name, sizeof name, "/proc/%s/cmdline", entry->d_name);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            ks_file_read(name, 65536, &line) == KS_OK && line.len > 0) {
            found = found || memmem(line.data, line.len, path, strlen(path)) != NULL;
        }
        ks_buf_done(&line);
    }
    (void)closedir(processes);
    return found;
}

/* Killed at any moment: the next attempt makes a whole TPM with a whole CA. */
static void test_killed_makers(void **state)
{
    char root[64];
    char dir[128];
    char ca[128];
    char path[128];

    (void)state;
    machine_new_dir(root);
    path_of(root, "tpm", dir);
    path_of(root, "swtpm-ca", ca);
    for (unsigned i = 0; i < 8; i++) {
        pid_t maker = fork();

        assert_true(maker >= 0);
        if (maker == 0) {
            (void)setpgid(0, 0);
            _exit(ks_tpm_make_swtpm(dir, NULL) == KS_OK ? 0 : 1);
        }
        (void)usleep(20000 + i * 60000);
        assert_int_equal(kill(maker, SIGKILL), 0);
        assert_int_equal(waitpid(maker, NULL, 0), maker);
    }
    /* A CA that was cut short. */
    if (!exists(ca, KS_SWTPM_CA_ISSUING)) {
        path_of(ca, "signkey.pem", path);
        assert_ok(ks_file_write(path, KS_LITERAL("-----BEGIN"), 0600));
    }
    assert_ok(ks_tpm_make_swtpm(dir, NULL));
    assert_true(exists(dir, "tpm2-00.permall"));
    assert_false(exists(dir, "making"));
    assert_false(runs_with(dir)); /* the makers' helpers have ended too */
    assert_true(exists(ca, KS_SWTPM_CA_ROOT) && exists(ca, KS_SWTPM_CA_ISSUING));
    machine_remove_dir(root);
}

static void test_maker_refusals(void **state)
{
    char root[64];
    char dir[128];
    struct stat info;

    (void)state;
    machine_new_dir(root);
    path_of(root, "tpm", dir);
    assert_says(ks_tpm_make_swtpm(dir, dir), KS_ERR_USAGE, "CA's directory");
    assert_says(ks_tpm_make_swtpm(dir, "a\nb"), KS_ERR_USAGE, "control");
    assert_says(ks_tpm_make_swtpm("a\"b", NULL), KS_ERR_USAGE, "quote");
    assert_says(ks_tpm_make_swtpm(dir, "/proc/nowhere"), KS_ERR_IO, "/proc/nowhere");
    /* An issuing certificate without its key: the tools fail, and no TPM comes of it. */
    char ca[128];
    char path[128];
    path_of(root, "ca", ca);
    assert_int_equal(mkdir(ca, 0700), 0);
    path_of(ca, KS_SWTPM_CA_ISSUING, path);
    assert_ok(ks_file_write(path, KS_LITERAL("x"), 0600));
    path_of(ca, "signkey.pem", path);
    assert_ok(ks_file_write(path, KS_LITERAL("x"), 0600));
    path_of(ca, "issuercert.pem", path);
    assert_ok(ks_file_write(path, KS_LITERAL("x"), 0600));
    assert_says(ks_tpm_make_swtpm(dir, ca), KS_ERR_IO, KS_SWTPM_SETUP_LOG);
    path_of(dir, KS_SWTPM_SETUP_LOG, path);
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_size > 0); /* why stands there */
    assert_false(exists(dir, "tpm2-00.permall"));
    machine_remove_dir(root);
}

int main(void)
{
#define ON_TPM(test) cmocka_unit_test_setup_teardown(test, machine_set_up, machine_tear_down)
    const struct CMUnitTest tests[] = {
        ON_TPM(test_certificates),
        ON_TPM(test_ek_without_persistent_key),
        ON_TPM(test_ek_of_another_template),
        ON_TPM(test_activate),
        ON_TPM(test_activate_refusals),
        ON_TPM(test_seal),
        ON_TPM(test_changed_pcrs),
        ON_TPM(test_planned_values),
        ON_TPM(test_clone),
        ON_TPM(test_altered_blobs),
        ON_TPM(test_authorised_update),
        ON_TPM(test_wrong_authorisations),
        ON_TPM(test_tpm_checks_the_authority),
        ON_TPM(test_counter),
        ON_TPM(test_counter_conflicts),
        ON_TPM(test_killed_holders),
        cmocka_unit_test(test_killed_makers),
        cmocka_unit_test(test_maker_refusals),
    };
    static const char *const programs[] = {KS_SWTPM_PROGRAM, "/usr/bin/swtpm_setup",
                                           "/usr/bin/swtpm_localca", "/usr/bin/openssl"};

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (access(programs[i], X_OK) != 0) {
            (void)fprintf(stderr, "SKIPPED: no %s: sealing was not tested\n", programs[i]);
            return 77;
        }
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    return cmocka_run_group_tests(tests, machine_group_set_up, machine_group_tear_down);
}
