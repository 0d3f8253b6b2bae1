/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The enclave's files: the first byte says which of the two the rest stands in. Whatever is
 * there, nothing crashes, and keys are made only where there are none. */
#include "enclave/state.h"
#include "fault/crash_fs.h"

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

    if (ks_head_log_open(fs, KS_BYTES(master), &log) == KS_OK) {
        KS_ASSERT(ks_head_log_last(log)->size <= KS_MERKLE_SIZE_MAX);
        (void)!ks_head_log_append(log, &head);
    }
    ks_head_log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crash_disk *disk = NULL;
    struct ks_fs fs;
    struct ks_enclave_keys keys = {0};

    if (size < 2) {
        return 0;
    }
    KS_ASSERT(crash_disk_new(1, &disk) == KS_OK);
    fs = crash_fs_of(disk);
    if (data[0] == 'k') {
        put_file(&fs, "keys", ks_bytes_of(data + 1, size - 1));
        const enum ks_err err = ks_enclave_keys_open(&fs, (struct ks_bytes){0}, &keys);
        KS_ASSERT(err == KS_OK || keys.ed25519 == NULL);
        ks_enclave_keys_done(&keys);
    } else {
        put_file(&fs, "heads", ks_bytes_of(data + 1, size - 1));
        open_heads(&fs);
    }
    crash_disk_free(disk);
    return 0;
}
