/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The enclave's registry of devices: 'f', then the file as it stands; or 'r', then records that
 * get true tags, so that what lies behind the tags is reached. Whatever is there, nothing
 * crashes, and what was opened once is the same when it is opened again. */
#include "crypto/digest.h"
#include "enclave/chain.h"
#include "enclave/registry.h"
#include "fault/crash_fs.h"

#define RECORD_LEN 823 /* docs/formats/registry.md */
#define NOW_US     UINT64_C(1700000000000000)

static const uint8_t master[32] = {7};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ks_err visit_nothing(void *context, struct ks_bytes record)
{
    (void)context;
    (void)record;
    return KS_OK;
}

static void put_records(const struct ks_fs *fs, struct ks_bytes records)
{
    struct ks_chain_spec spec = {
        .fs = fs, .name = KS_REGISTRY_FILE, .record_len = RECORD_LEN, .records_max = 1U << 16};
    struct ks_chain *chain = NULL;

    KS_ASSERT(ks_hkdf_sha256(KS_BYTES(master), (struct ks_bytes){0},
                             KS_LITERAL("ketseal/devices/1"), spec.key,
                             sizeof spec.key) == KS_OK);
    KS_ASSERT(ks_chain_open(&spec, NULL, visit_nothing, NULL, &chain) == KS_OK);
    KS_ASSERT(ks_chain_rewrite(chain, records) == KS_OK);
    ks_chain_close(chain);
}

static void open_twice(const struct ks_fs *fs)
{
    struct ks_registry *registry = NULL;
    size_t count = 0;

    if (ks_registry_open(fs, KS_BYTES(master), NOW_US, NULL, &registry) != KS_OK) {
        return;
    }
    count = ks_registry_count(registry);
    for (size_t i = 0; i < count; i++) {
        const struct ks_device_entry *entry = ks_registry_at(registry, i);

        KS_ASSERT(ks_registry_find(registry, ks_bytes_text(entry->id)) == entry);
        KS_ASSERT(entry->ak_len <= sizeof entry->ak);
        KS_ASSERT(ks_device_state_name(entry->state) != NULL);
    }
    ks_registry_close(registry);
    registry = NULL;
    KS_ASSERT(ks_registry_open(fs, KS_BYTES(master), NOW_US, NULL, &registry) == KS_OK);
    KS_ASSERT(ks_registry_count(registry) == count);
    ks_registry_close(registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crash_disk *disk = NULL;
    struct ks_fs fs;

    if (size < 1 + RECORD_LEN) {
        return 0;
    }
    KS_ASSERT(crash_disk_new(1, &disk) == KS_OK);
    fs = crash_fs_of(disk);
    if (data[0] == 'r') {
        put_records(&fs, ks_bytes_of(data + 1, (size - 1) / RECORD_LEN * RECORD_LEN));
    } else {
        KS_ASSERT(ks_fs_replace(&fs, KS_REGISTRY_FILE, ks_bytes_of(data + 1, size - 1)) ==
                  KS_OK);
    }
    open_twice(&fs);
    crash_disk_free(disk);
    return 0;
}
