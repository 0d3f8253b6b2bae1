/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The enclave's files: the first byte says in which of the three the rest stands; 'E' puts a
 * true tag to an epoch. Whatever is there, nothing crashes, and keys are made only where there
 * are none. */
#include "crypto/digest.h"
#include "enclave/state.h"
#include "fault/crash_fs.h"
#include "fault/crash_vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_file(const struct ks_fs *fs, const char *name, struct ks_bytes bytes)
{
    struct ks_fs_file *file = NULL;

    KS_ASSERT(fs->open(fs->context, name, &file) == KS_OK);
    KS_ASSERT(fs->append(file, bytes) == KS_OK);
    fs->close(file);
}

static void open_heads(const struct ks_fs *fs)
{
    static const uint8_t master[32] = {7};
    struct ks_head_log *log = NULL;
    struct ks_head head = {.size = KS_MERKLE_SIZE_MAX, .root = {1}};

    if (ks_head_log_open(fs, KS_BYTES(master), NULL, &log) == KS_OK) {
        KS_ASSERT(ks_head_log_last(log)->size <= KS_MERKLE_SIZE_MAX);
        (void)!ks_head_log_append(log, &head);
    }
    ks_head_log_close(log);
}

static void open_epoch(const struct ks_fs *fs, const struct ks_vault *vault)
{
    static const uint8_t master[32] = {7};
    static const struct ks_epoch_options options = {.start = KS_EPOCH_SEALED};
    struct ks_epoch_reached reached;
    struct ks_epoch *epoch = NULL;
    char forgiven[KS_ERR_DETAIL_MAX];

    if (ks_epoch_open(fs, vault, KS_BYTES(master), &options, forgiven, &epoch) == KS_OK) {
        reached = *ks_epoch_reached(epoch);
        KS_ASSERT(ks_epoch_write(epoch, &reached) == KS_OK);
        ks_epoch_close(epoch);
        epoch = NULL;
        KS_ASSERT(ks_epoch_open(fs, vault, KS_BYTES(master), &options, forgiven, &epoch) ==
                  KS_OK);
        KS_ASSERT(ks_epoch_is(epoch, &reached));
    }
    ks_epoch_close(epoch);
}

static void put_tagged(const struct ks_fs *fs, struct ks_bytes body)
{
    static const uint8_t master[32] = {7};
    uint8_t key[32];
    uint8_t tag[KS_HMAC_SHA256_LEN];

    KS_ASSERT(ks_hkdf_sha256(KS_BYTES(master), (struct ks_bytes){0},
                             KS_LITERAL("ketseal/epoch/1"), key, sizeof key) == KS_OK);
    ks_hmac_sha256(KS_BYTES(key), body, tag);
    put_file(fs, "epoch", body);
    put_file(fs, "epoch", KS_BYTES(tag));
}

static void open_keys(const struct ks_fs *fs, const struct ks_vault *vault)
{
    const struct ks_state_spec spec = {.now_s = 1};
    struct ks_enclave_state state = {0};
    const enum ks_err err = ks_enclave_state_open(fs, vault, &spec, &state);

    KS_ASSERT(err == KS_OK || state.keys.ed25519 == NULL);
    ks_enclave_state_close(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crash_disk *disk = NULL;
    struct ks_fs fs;
    struct crash_vault tpm = {0};
    struct ks_vault vault;
    struct ks_bytes rest;

    if (size < 2) {
        return 0;
    }
    rest = ks_bytes_of(data + 1, size - 1);
    KS_ASSERT(crash_disk_new(1, &disk) == KS_OK);
    fs = crash_fs_of(disk);
    tpm = (struct crash_vault){.disk = disk, .counts = true, .counter = 5};
    vault = crash_vault_of(&tpm);
    if (data[0] == 'k') {
        tpm.counts = false;
        put_file(&fs, "keys", rest);
        open_keys(&fs, &vault);
    } else if (data[0] == 'e' || data[0] == 'E') {
        if (data[0] == 'e') {
            put_file(&fs, "epoch", rest);
        } else {
            put_tagged(&fs, rest);
        }
        open_epoch(&fs, &vault);
    } else {
        put_file(&fs, "heads", rest);
        open_heads(&fs);
    }
    crash_disk_free(disk);
    return 0;
}
