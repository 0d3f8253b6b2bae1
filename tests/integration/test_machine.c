/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device's machine on a real swtpm: platform.json, what is measured, what is shown, and the
 * identity that opens for this TPM in this state alone. Exits with 77 (skipped) where a program
 * is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/sys.h"
#include "client/machine.h"
#include "crypto/digest.h"
#include "machine.h"
#include "tpm/update.h"
#include "unit/json_attack.h"

#define PCR_14 (UINT32_C(1) << 14)
#define PCR_23 (UINT32_C(1) << 23)

struct device {
    char root[64];
    char dir[80];
    char file[96]; /* measured */
    struct ks_machine *machine;
};

static void write_text(const char *path, const char *text)
{
    assert_ok(ks_file_write(path, ks_bytes_text(text), 0600));
}

static void create(struct device *device, uint32_t mask)
{
    const char *const files[] = {device->file};
    const struct ks_machine_spec spec = {.directory = device->dir,
                                         .tpm = "swtpm",
                                         .swtpm_ca = machine_ca(),
                                         .pcr_mask = mask,
                                         .files = files,
                                         .file_count = 1};

    machine_new_dir(device->root);
    (void)snprintf(device->dir, sizeof device->dir, "%s/device", device->root);
    (void)snprintf(device->file, sizeof device->file, "%s/firmware.bin", device->root);
    assert_int_equal(mkdir(device->dir, 0700), 0);
    write_text(device->file, "firmware 1");
    assert_ok(ks_machine_create(&spec));
}

static void power_on(struct device *device)
{
    assert_ok(ks_machine_open(device->dir, &device->machine));
}

static void power_off(struct device *device)
{
    ks_machine_close(device->machine);
    device->machine = NULL;
}

static void path_in(const struct device *device, const char *name, char target[128])
{
    assert_true(snprintf(target, 128, "%s/%s", device->dir, name) < 128);
}

static void copy_file(const char *from, const char *to)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1U << 20);
    assert_ok(ks_file_read(from, 1U << 20, &bytes));
    assert_ok(ks_file_write(to, ks_buf_view(&bytes), 0600));
    ks_buf_done(&bytes);
}

static void expect_mode(const struct device *device, const char *name)
{
    char path[128];
    struct stat info;

    path_in(device, name, path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* --- platform.json ------------------------------------------------------------------------ */

static void test_create(void **state)
{
    struct device device = {0};
    char path[128];
    struct ks_buf text;
    char want[512];

    (void)state;
    create(&device, PCR_23);
    path_in(&device, KS_MACHINE_PLATFORM, path);
    ks_buf_init(&text, 4096);
    assert_ok(ks_file_read(path, 4096, &text));
    (void)snprintf(want, sizeof want,
                   "{\"measured\":[\"%s\"],\"pcr_mask\":8404992,"
                   "\"schema\":\"ketseal.platform/1\",\"swtpm_ca\":\"%s\",\"tpm\":\"swtpm\"}\n",
                   device.file, machine_ca());
    assert_true(ks_bytes_is(ks_buf_view(&text), want));
    expect_mode(&device, KS_MACHINE_PLATFORM);
    const struct ks_machine_spec again = {.directory = device.dir, .tpm = "swtpm"};
    assert_says(ks_machine_create(&again), KS_ERR_CONFLICT, "platform.json");
    ks_buf_done(&text);
    machine_remove_dir(device.root);
}

static void test_create_refused(void **state)
{
    static const char *const relative[] = {"firmware.bin"};
    static const char *const twice[] = {"/a/firmware.bin", "/b/firmware.bin"};
    static const char *const program[] = {"/opt/ketseal"};
    static const char *const folder[] = {"/a/"};
    static const char *const blank[] = {"/a/b c"};
    static const char *const no_text[] = {"/a/\xff"};
    static const char *many[KS_MACHINE_FILES_MAX + 1];
    static char names[KS_MACHINE_FILES_MAX + 1][16];
    char root[64];
    char path[128];

    (void)state;
    for (size_t i = 0; i <= KS_MACHINE_FILES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "/f%zu", i);
        many[i] = names[i];
    }
    const struct {
        const char *tpm;
        const char *const *files;
        size_t count;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {"tpm0", NULL, 0, KS_ERR_USAGE, "'swtpm' or the path of a device, not 'tpm0'"},
        {"", NULL, 0, KS_ERR_USAGE, "'swtpm' or the path of a device"},
        {"swtpm", relative, 1, KS_ERR_USAGE, "expected an absolute path"},
        {"swtpm", twice, 2, KS_ERR_USAGE, "/b/firmware.bin"},
        {"swtpm", program, 1, KS_ERR_USAGE, "/opt/ketseal"}, /* is measured already */
        {"swtpm", folder, 1, KS_ERR_USAGE, "/a/"},
        {"swtpm", blank, 1, KS_ERR_USAGE, "/a/b c"},
        {"swtpm", no_text, 1, KS_ERR_USAGE, "expected an absolute path"},
        {"swtpm", many, KS_MACHINE_FILES_MAX + 1, KS_ERR_LIMIT, "over 32 measured files"},
    };
    machine_new_dir(root);
    (void)snprintf(path, sizeof path, "%s/%s", root, KS_MACHINE_PLATFORM);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_machine_spec spec = {.directory = root,
                                             .tpm = cases[i].tpm,
                                             .files = cases[i].files,
                                             .file_count = cases[i].count};
        assert_says(ks_machine_create(&spec), cases[i].err, cases[i].says);
        assert_int_equal(access(path, F_OK), -1);
    }
    machine_remove_dir(root);
}

static struct device attacked;

static enum ks_err open_attacked(struct ks_bytes document)
{
    struct ks_machine *machine = NULL;
    char path[128];
    enum ks_err err = KS_OK;

    path_in(&attacked, KS_MACHINE_PLATFORM, path);
    assert_ok(ks_file_write(path, document, 0600));
    err = ks_machine_open(attacked.dir, &machine);
    assert_int_equal(err == KS_OK, machine != NULL);
    ks_machine_close(machine);
    return err;
}

static void test_platform_members(void **state)
{
    char pattern[512];
    struct ks_buf changed;

    (void)state;
    create(&attacked, PCR_14);
    (void)snprintf(pattern, sizeof pattern,
                   "{\"measured\":[\"%s\"],\"pcr_mask\":16384,"
                   "\"schema\":\"ketseal.platform/1\",\"swtpm_ca\":\"%s\",\"tpm\":\"swtpm\"}",
                   attacked.file, machine_ca());
    const struct json_attack attack = {.pattern = ks_bytes_text(pattern),
                                       .read = open_attacked};
    assert_ok(open_attacked(attack.pattern));
    ks_buf_init(&changed, 1024);
    assert_true(json_attack_members(&attack) > 30);
    json_attack_set(attack.pattern, "schema", "\"ketseal.platform/2\"", &changed);
    assert_says(open_attacked(ks_buf_view(&changed)), KS_ERR_FORMAT, "ketseal.platform/1");
    json_attack_set(attack.pattern, "tpm", "\"tpm0\"", &changed);
    assert_says(open_attacked(ks_buf_view(&changed)), KS_ERR_FORMAT, "'tpm'");
    json_attack_set(attack.pattern, "tpm", "\"/dev/null/tpm\"", &changed);
    assert_int_equal(open_attacked(ks_buf_view(&changed)), KS_ERR_IO);
    json_attack_set(attack.pattern, "measured", "[7]", &changed);
    assert_int_equal(open_attacked(ks_buf_view(&changed)), KS_ERR_FORMAT);
    json_attack_set(attack.pattern, "measured", "[\"firmware.bin\"]", &changed);
    assert_says(open_attacked(ks_buf_view(&changed)), KS_ERR_FORMAT, "absolute");
    json_attack_set(attack.pattern, "measured", "[\"/nowhere/a\"]", &changed);
    assert_says(open_attacked(ks_buf_view(&changed)), KS_ERR_NOT_FOUND, "/nowhere/a");
    json_attack_set(attack.pattern, "pcr_mask", "16777216", &changed);
    assert_int_equal(open_attacked(ks_buf_view(&changed)) == KS_OK, 0);
    ks_buf_done(&changed);
    machine_remove_dir(attacked.root);
}

static void test_no_platform(void **state)
{
    struct ks_machine *machine = NULL;
    char root[64];

    (void)state;
    machine_new_dir(root);
    assert_says(ks_machine_open(root, &machine), KS_ERR_NOT_FOUND, KS_MACHINE_PLATFORM);
    assert_null(machine);
    machine_remove_dir(root);
}

/* --- what is shown ------------------------------------------------------------------------ */

/* As a site would check it: by the key that the TPM has, the values, the log behind them. */
static void test_show(void **state)
{
    static const uint8_t extra[32] = {1, 2, 3};
    struct device device = {0};
    struct ks_platform platform;
    struct ks_event_log log;
    struct ks_ak_public ak;
    struct ks_buf ak_bytes;
    uint8_t value[KS_PCR_DIGEST_LEN];
    uint8_t digest[32];

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    ks_buf_init(&ak_bytes, KS_AK_PUBLIC_MAX);
    ks_tpm_ak_public(ks_machine_tpm(device.machine), &ak_bytes);
    assert_ok(ks_ak_public_parse(ks_buf_view(&ak_bytes), &ak));
    assert_ok(ks_machine_show(device.machine, PCR_14 | PCR_23, extra, &platform));
    const struct ks_quote_expect expect = {
        .extra_data = KS_BYTES(extra),
        .pcr_mask = PCR_14 | PCR_23,
        .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])platform.pcr_values};
    assert_ok(ks_quote_check(&ak, ks_buf_view(&platform.attest),
                             ks_buf_view(&platform.signature), &expect, NULL));
    assert_ok(ks_event_log_parse(ks_buf_view(&platform.launch_log), &log));
    ks_event_log_replay(&log, value);
    assert_memory_equal(value, platform.pcr_values[0], sizeof value);
    assert_int_equal(log.count, 2);
    assert_string_equal(log.events[0].name, "ketseal");
    ks_sha256(KS_LITERAL("firmware 1"), digest);
    assert_memory_equal(ks_event_log_find(&log, "firmware.bin"), digest, 32);
    /* The system's own logs say nothing of a TPM of ours. */
    assert_int_equal(platform.tcg_log.len, 0);
    assert_int_equal(platform.ima_log.len, 0);
    expect_mode(&device, "launch.json");
    ks_platform_done(&platform);
    assert_ok(ks_machine_show(device.machine, PCR_23, extra, &platform));
    assert_int_equal(platform.launch_log.len, 0); /* it explains a PCR that was not asked for */
    ks_platform_done(&platform);
    ks_buf_done(&ak_bytes);
    power_off(&device);
    machine_remove_dir(device.root);
}

/* --- the identity ------------------------------------------------------------------------- */

static void seal_new(struct device *device, const char *name, struct ks_identity *identity)
{
    assert_ok(ks_identity_new(device->machine, identity));
    assert_ok(ks_identity_seal(device->machine, identity, name));
}

static void expect_opens(struct device *device, const struct ks_identity *want)
{
    struct ks_identity got = {0};
    struct ks_buf one;
    struct ks_buf two;

    ks_buf_init(&one, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&two, KS_SIG_PUBLIC_LEN_MAX);
    assert_ok(ks_identity_unseal(device->machine, NULL, &got));
    assert_memory_equal(got.seeds, want->seeds, sizeof got.seeds);
    assert_ok(ks_sign_key_public(got.sign, &one));
    assert_ok(ks_sign_key_public(want->sign, &two));
    assert_true(ks_bytes_equal(ks_buf_view(&one), ks_buf_view(&two)));
    ks_buf_done(&one);
    ks_buf_done(&two);
    ks_identity_done(&got);
}

static void expect_closed(struct device *device, enum ks_err err, const char *says)
{
    struct ks_identity got = {0};

    assert_says(ks_identity_unseal(device->machine, NULL, &got), err, says);
    assert_null(got.sign);
    ks_identity_done(&got);
}

static void test_identity_stays(void **state)
{
    struct device device = {0};
    struct ks_identity identity = {0};
    struct ks_identity other = {0};

    (void)state;
    create(&device, PCR_14 | PCR_23);
    power_on(&device);
    expect_closed(&device, KS_ERR_NOT_FOUND, KS_MACHINE_IDENTITY);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    expect_mode(&device, KS_MACHINE_IDENTITY);
    expect_opens(&device, &identity);
    power_off(&device);
    power_on(&device);
    expect_opens(&device, &identity);
    assert_ok(ks_identity_new(device.machine, &other));
    assert_memory_not_equal(identity.seeds, other.seeds, 32);
    assert_memory_not_equal(identity.seeds + 32, other.seeds + 32, KS_KEM_SEED_LEN);
    ks_identity_done(&identity);
    ks_identity_done(&other);
    power_off(&device);
    machine_remove_dir(device.root);
}

static void test_changed_file(void **state)
{
    struct device device = {0};
    struct ks_identity identity = {0};

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    power_off(&device);
    write_text(device.file, "firmware 2");
    power_on(&device);
    expect_closed(&device, KS_ERR_DENIED, "the value of PCR 14 is not the one");
    power_off(&device);
    write_text(device.file, "firmware 1");
    power_on(&device);
    expect_opens(&device, &identity);
    power_off(&device);
    assert_int_equal(unlink(device.file), 0);
    assert_says(ks_machine_open(device.dir, &device.machine), KS_ERR_NOT_FOUND, "firmware.bin");
    ks_identity_done(&identity);
    machine_remove_dir(device.root);
}

/* Extended while it runs: the identity does not open again before the next start. */
static void test_changed_pcr(void **state)
{
    static const uint8_t digest[KS_PCR_DIGEST_LEN] = {1};
    struct device device = {0};
    struct ks_identity identity = {0};

    (void)state;
    create(&device, PCR_14 | PCR_23);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    assert_ok(ks_tpm_pcr_extend(ks_machine_tpm(device.machine), 23, digest));
    expect_closed(&device, KS_ERR_DENIED, "the value of PCR 23 is not the one");
    assert_ok(ks_tpm_pcr_extend(ks_machine_tpm(device.machine), 14, digest));
    expect_closed(&device, KS_ERR_DENIED, "PCR 14");
    power_off(&device);
    power_on(&device);
    expect_opens(&device, &identity);
    ks_identity_done(&identity);
    power_off(&device);
    machine_remove_dir(device.root);
}

/* All files of a device but its TPM, on a second TPM of the same maker. */
static void test_clone(void **state)
{
    struct device device = {0};
    struct device clone = {0};
    struct ks_identity identity = {0};
    char from[128];
    char to[128];

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    power_off(&device);
    create(&clone, PCR_14);
    path_in(&device, KS_MACHINE_IDENTITY, from);
    path_in(&clone, KS_MACHINE_IDENTITY, to);
    copy_file(from, to);
    path_in(&device, "launch.json", from);
    path_in(&clone, "launch.json", to);
    copy_file(from, to);
    power_on(&clone);
    expect_closed(&clone, KS_ERR_DENIED, "sealed by another TPM");
    power_off(&clone);
    ks_identity_done(&identity);
    machine_remove_dir(device.root);
    machine_remove_dir(clone.root);
}

static void test_altered_blob(void **state)
{
    struct device device = {0};
    struct ks_identity identity = {0};
    struct ks_buf blob;
    char path[128];

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    path_in(&device, KS_MACHINE_IDENTITY, path);
    ks_buf_init(&blob, KS_SEALED_MAX);
    assert_ok(ks_file_read(path, KS_SEALED_MAX, &blob));
    for (size_t i = 0; i < blob.len; i += 41) {
        struct ks_identity got = {0};

        blob.data[i] ^= 4;
        assert_ok(ks_file_write(path, ks_buf_view(&blob), 0600));
        assert_true(ks_identity_unseal(device.machine, NULL, &got) != KS_OK);
        assert_null(got.sign);
        blob.data[i] ^= 4;
    }
    assert_ok(ks_file_write(path, ks_bytes_of(blob.data, blob.len - 1), 0600));
    expect_closed(&device, KS_ERR_FORMAT, "");
    assert_ok(ks_file_write(path, ks_buf_view(&blob), 0600));
    expect_opens(&device, &identity);
    ks_buf_done(&blob);
    ks_identity_done(&identity);
    power_off(&device);
    machine_remove_dir(device.root);
}

/* Sealed data of another kind is no identity. */
static void test_other_secret(void **state)
{
    struct device device = {0};
    const struct ks_tpm_seal_spec spec = {.pcr_mask = PCR_14};
    struct ks_buf blob;
    char path[128];

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    ks_buf_init(&blob, KS_SEALED_MAX);
    assert_ok(ks_tpm_seal(ks_machine_tpm(device.machine), &spec, KS_LITERAL("short"), &blob));
    path_in(&device, KS_MACHINE_IDENTITY, path);
    assert_ok(ks_file_write(path, ks_buf_view(&blob), 0600));
    expect_closed(&device, KS_ERR_FORMAT, "5 bytes are sealed in it");
    ks_buf_done(&blob);
    power_off(&device);
    machine_remove_dir(device.root);
}

/* The next identity waits beside the one in force; by rename it takes its place. */
static void test_rotate(void **state)
{
    struct device device = {0};
    struct ks_identity first = {0};
    struct ks_identity second = {0};
    char from[128];
    char to[128];

    (void)state;
    create(&device, PCR_14);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &first);
    seal_new(&device, "identity.next", &second);
    expect_opens(&device, &first);
    power_off(&device);
    power_on(&device);
    expect_opens(&device, &first);
    path_in(&device, "identity.next", from);
    path_in(&device, KS_MACHINE_IDENTITY, to);
    assert_int_equal(rename(from, to), 0);
    expect_opens(&device, &second);
    ks_identity_done(&first);
    ks_identity_done(&second);
    power_off(&device);
    machine_remove_dir(device.root);
}

/* --- planned updates ---------------------------------------------------------------------- */

/* The policy of an identity whose updates KEY authorises. */
static struct ks_identity_policy policy_of(EVP_PKEY *key, const char *device)
{
    struct ks_identity_policy policy = {0};
    uint8_t der[KS_AUTHORITY_DER_MAX];
    uint8_t *end = der;
    const int len = i2d_PUBKEY(key, &end);

    assert_in_range(len, 1, sizeof der);
    assert_ok(
        ks_identity_policy_make(ks_bytes_of(der, (size_t)len), ks_bytes_text(device), &policy));
    return policy;
}

/* What SIGNER signs for the state to come, put to use. */
static enum ks_err authorise(const struct device *device, EVP_PKEY *signer)
{
    struct ks_machine_coming coming;
    struct ks_sealed_authority authority;
    uint8_t message[KS_AUTHORISATION_MESSAGE_LEN];
    uint8_t signature[128];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct ks_buf bytes;
    char path[128];
    char signature_path[128];

    assert_ok(ks_machine_foresee(device->dir, &coming));
    const struct ks_pcr_state pcrs = {coming.pcr_mask,
                                      (const uint8_t(*)[KS_PCR_DIGEST_LEN])coming.pcr_values};
    authority = ks_identity_authority(&coming.policy);
    path_in(device, "message", path);
    assert_ok(ks_update_message(&pcrs, authority.purpose, path));
    ks_buf_init(&bytes, sizeof message);
    assert_ok(ks_file_read(path, sizeof message, &bytes));
    assert_int_equal(bytes.len, sizeof message);
    assert_non_null(context);
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &len, bytes.data, bytes.len), 1);
    EVP_MD_CTX_free(context);
    ks_buf_done(&bytes);
    path_in(device, "signature", signature_path);
    assert_ok(ks_file_write(signature_path, ks_bytes_of(signature, len), 0600));
    path_in(device, KS_MACHINE_UPDATE, path);
    return ks_update_authorise(&pcrs, &authority, signature_path, path);
}

static void expect_gone(const struct device *device, const char *name)
{
    char path[128];

    path_in(device, name, path);
    assert_int_equal(access(path, F_OK), -1);
}

/* Nobody measures platform.json: what it says by then drops no PCR and names no authority. */
static void test_update(void **state)
{
    struct device device = {0};
    struct ks_identity identity = {0};
    struct ks_identity got = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *thief = EVP_EC_gen("P-256");
    char path[128];
    char platform[512];

    (void)state;
    create(&device, PCR_14 | PCR_23);
    power_on(&device);
    assert_ok(ks_identity_new(device.machine, &identity));
    identity.policy = policy_of(key, "edge-1");
    assert_ok(ks_identity_seal(device.machine, &identity, KS_MACHINE_IDENTITY));
    power_off(&device);
    path_in(&device, KS_MACHINE_PLATFORM, path);
    (void)snprintf(platform, sizeof platform,
                   "{\"measured\":[\"%s\"],\"pcr_mask\":16384,"
                   "\"schema\":\"ketseal.platform/1\",\"swtpm_ca\":\"%s\",\"tpm\":\"swtpm\"}",
                   device.file, machine_ca());
    write_text(path, platform);
    for (char version = '2'; version <= '3'; version++) {
        char firmware[] = "firmware ?";

        firmware[sizeof firmware - 2] = version;
        write_text(device.file, firmware);
        power_on(&device);
        expect_closed(&device, KS_ERR_DENIED, "PCR 14 is not the one that it was sealed to");
        power_off(&device);
        assert_says(authorise(&device, thief), KS_ERR_VERIFY, "signature");
        expect_gone(&device, KS_MACHINE_UPDATE);
        assert_ok(authorise(&device, key));
        power_on(&device);
        expect_opens(&device, &identity);
        expect_gone(&device, KS_MACHINE_UPDATE);
        assert_ok(ks_identity_unseal(device.machine, NULL, &got));
        assert_int_equal(got.policy.pcr_mask, PCR_14 | PCR_23);
        assert_memory_equal(got.policy.x, identity.policy.x, 32);
        assert_string_equal(got.policy.purpose, "ketseal/device/edge-1");
        ks_identity_done(&got);
        power_off(&device);
    }
    ks_identity_done(&identity);
    EVP_PKEY_free(key);
    EVP_PKEY_free(thief);
    machine_remove_dir(device.root);
}

/* Longest id; another key than P-256, no key; an identity without an authority. */
static void test_update_refused(void **state)
{
    struct device device = {0};
    struct ks_identity identity = {0};
    struct ks_identity_policy policy;
    struct ks_machine_coming coming;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char name[KS_CERT_SUBJECT_MAX + 1];

    (void)state;
    memset(name, 'n', KS_CERT_SUBJECT_MAX);
    name[KS_CERT_SUBJECT_MAX] = '\0';
    policy = policy_of(key, name);
    assert_int_equal(strlen(policy.purpose), strlen(KS_MACHINE_PURPOSE) + KS_CERT_SUBJECT_MAX);
    assert_says(ks_identity_policy_make(KS_LITERAL("no key"), KS_LITERAL("edge-1"), &policy),
                KS_ERR_FORMAT, "authority's key");
    assert_ok(ks_identity_policy_make((struct ks_bytes){0}, KS_LITERAL("edge-1"), &policy));
    assert_false(policy.has_authority);
    create(&device, PCR_14);
    assert_says(ks_machine_foresee(device.dir, &coming), KS_ERR_NOT_FOUND, KS_MACHINE_IDENTITY);
    power_on(&device);
    seal_new(&device, KS_MACHINE_IDENTITY, &identity);
    power_off(&device);
    assert_says(ks_machine_foresee(device.dir, &coming), KS_ERR_DENIED,
                "sealed without an update authority");
    ks_identity_done(&identity);
    EVP_PKEY_free(key);
    machine_remove_dir(device.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_platform_members),
        cmocka_unit_test(test_no_platform),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_identity_stays),
        cmocka_unit_test(test_changed_file),
        cmocka_unit_test(test_changed_pcr),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_altered_blob),
        cmocka_unit_test(test_other_secret),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_refused),
    };
    static const char *const programs[] = {KS_SWTPM_PROGRAM, "/usr/bin/swtpm_setup",
                                           "/usr/bin/swtpm_localca"};

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (access(programs[i], X_OK) != 0) {
            (void)fprintf(stderr, "SKIPPED: no %s: machines were not tested\n", programs[i]);
            return 77;
        }
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    return cmocka_run_group_tests_name("machine", tests, machine_group_set_up,
                                       machine_group_tear_down);
}
