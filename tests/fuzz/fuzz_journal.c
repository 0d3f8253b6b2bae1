/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The key journal's file. First byte 0: what follows is the file. Otherwise the second byte is
 * the number of records in the base and the bodies of records follow, to which true tags are
 * put, so that the input gets past them. What opens opens again, and has kept all that was
 * spent. */
#include "crypto/digest.h"
#include "enclave/journal.h"
#include "enclave/journal_format.h"
#include "fault/crash_fs.h"

#define BODY_LEN (KS_JOURNAL_RECORD_LEN - KS_JOURNAL_TAG_LEN)
#define FILE_MAX ((size_t)1 << 20)
#define NOW_S    1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t master[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                   11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                   22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static void put_tagged(struct ks_buf *out, struct ks_reader *reader)
{
    struct ks_journal_header header = {.instance = 1, .number_next = 6, .rewriting = 1};
    uint8_t key[32];
    uint8_t base_count = 0;
    uint8_t message[KS_JOURNAL_TAG_LEN + BODY_LEN];
    struct ks_bytes body;

    KS_ASSERT(ks_hkdf_sha256(KS_BYTES(master), ks_bytes_of(NULL, 0),
                             KS_LITERAL("ketseal/journal/mac/1"), key, sizeof key) == KS_OK);
    if (ks_read_u8(reader, &base_count) != KS_OK) {
        return;
    }
    header.base_count = base_count;
    ks_journal_put_header(out, &header, key, message);
    while (ks_read_bytes(reader, BODY_LEN, &body) == KS_OK) {
        ks_copy(message + KS_JOURNAL_TAG_LEN, body.data, body.len);
        ks_buf_put(out, body);
        ks_hmac_sha256(KS_BYTES(key), KS_BYTES(message), message);
        ks_buf_put(out, ks_bytes_of(message, KS_JOURNAL_TAG_LEN));
    }
}

static void check(const struct ks_fs *fs)
{
    struct ks_journal *journal = NULL;
    struct ks_key_batch batch = {.count = 2, .expires_s = NOW_S + 1};

    if (ks_journal_open(fs, KS_BYTES(master), NOW_S, NULL, &journal) != KS_OK) {
        KS_ASSERT(journal == NULL);
        return;
    }
    const uint64_t instance = ks_journal_instance(journal);
    if (ks_journal_add(journal, &batch) == KS_OK) {
        KS_ASSERT(ks_journal_spend(journal, instance, batch.number, 0, batch.device, NOW_S) ==
                  KS_OK);
    }
    ks_journal_close(journal);
    journal = NULL;
    KS_ASSERT(ks_journal_open(fs, KS_BYTES(master), NOW_S, NULL, &journal) == KS_OK);
    KS_ASSERT(ks_journal_instance(journal) == instance);
    KS_ASSERT(ks_journal_spend(journal, instance, batch.number, 0, batch.device, NOW_S) ==
              KS_ERR_DENIED);
    ks_journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crash_disk *disk = NULL;
    struct ks_buf file;
    struct ks_reader reader = ks_reader_of(ks_bytes_of(data, size), "input");
    uint8_t mode = 0;

    ks_buf_init(&file, FILE_MAX);
    KS_ASSERT(crash_disk_new(1, &disk) == KS_OK);
    const struct ks_fs fs = crash_fs_of(disk);
    if (ks_read_u8(&reader, &mode) == KS_OK) {
        if (mode == 0) {
            ks_buf_put(&file, reader.rest);
        } else {
            put_tagged(&file, &reader);
        }
        if (ks_buf_check(&file) == KS_OK && file.len > 0) {
            KS_ASSERT(ks_fs_replace(&fs, "journal", ks_buf_view(&file)) == KS_OK);
            check(&fs);
        }
    }
    crash_disk_free(disk);
    ks_buf_done(&file);
    return 0;
}
