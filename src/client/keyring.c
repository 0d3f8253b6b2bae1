/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "crypto/digest.h"

#define KEYRING_FILE    "keyring"
#define KEYRING_MAGIC   "KSEALRNG"
#define KEYRING_VERSION 1
#define KEYRING_LEN     (8 + 2 + 8 + 8 + 8 + 4 + 4 + 8 + 32 + 32 + 32)

struct ks_keyring {
    struct ks_fs *fs;
    int lock; /* the directory itself */
};

/* What the file holds. */
struct content {
    uint64_t counter; /* the last one used */
    uint32_t next;    /* index of the next key; count: none left */
    struct ks_keyring_batch batch;
};

enum ks_err ks_keyring_open(const char *directory, struct ks_keyring **out_keyring)
{
    enum ks_err err = KS_OK;
    struct ks_keyring *keyring = ks_calloc(1, sizeof *keyring);
    struct stat info;
    int fd = -1;

    if (keyring == NULL) {
        return ks_fail(KS_ERR_NOMEM, "keyring");
    }
    keyring->lock = -1;
    KS_TRY(ks_dir_make(directory, 0700));
    keyring->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(keyring->lock >= 0 && fd >= 0, KS_ERR_IO, "open '%s': %s", directory,
             strerror(errno));
    KS_CHECK(fstat(keyring->lock, &info) == 0, KS_ERR_IO, "stat '%s': %s", directory,
             strerror(errno));
    KS_CHECK(info.st_uid == geteuid() && (info.st_mode & 077) == 0, KS_ERR_DENIED,
             "'%s': mode %04o or its owner lets others at the one-time keys; it must be 0700",
             directory, (unsigned)(info.st_mode & 07777));
    KS_TRY(ks_fs_system_new(fd, &keyring->fs));
    fd = -1; /* transferred */
    *out_keyring = keyring;
    keyring = NULL; /* transferred */
out:
    ks_fd_close(&fd);
    ks_keyring_close(keyring);
    return err;
}

void ks_keyring_close(struct ks_keyring *keyring)
{
    if (keyring == NULL) {
        return;
    }
    ks_fs_system_free(keyring->fs);
    ks_fd_close(&keyring->lock);
    ks_free(keyring);
}

static enum ks_err lock(struct ks_keyring *keyring)
{
    while (flock(keyring->lock, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return ks_fail(KS_ERR_IO, "keyring lock: %s", strerror(errno));
        }
    }
    return KS_OK;
}

static void unlock(struct ks_keyring *keyring)
{
    (void)flock(keyring->lock, LOCK_UN); /* cannot fail on a lock that is held */
}

static enum ks_err load(const struct ks_keyring *keyring, struct content *out_content)
{
    enum ks_err err = KS_OK;
    struct content content = {0};
    struct ks_buf buf;
    struct ks_reader reader;
    struct ks_bytes magic = {0};
    uint16_t version = 0;
    uint8_t stated[32];
    uint8_t check[32];

    ks_buf_init(&buf, KEYRING_LEN + 1);
    err = ks_fs_load(keyring->fs, KEYRING_FILE, KEYRING_LEN + 1, &buf);
    if (err == KS_ERR_NOT_FOUND) {
        *out_content = content;
        ks_buf_wipe(&buf);
        return KS_OK;
    }
    KS_TRY(err);
    reader = ks_reader_of(ks_buf_view(&buf), "keyring");
    KS_TRY(ks_read_bytes(&reader, sizeof KEYRING_MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, KEYRING_MAGIC), KS_ERR_FORMAT, "keyring: not such a file");
    KS_TRY(ks_read_u16(&reader, &version));
    KS_CHECK(version == KEYRING_VERSION, KS_ERR_FORMAT, "keyring: version %u", version);
    KS_TRY(ks_read_u64(&reader, &content.counter));
    KS_TRY(ks_read_u64(&reader, &content.batch.instance));
    KS_TRY(ks_read_u64(&reader, &content.batch.number));
    KS_TRY(ks_read_u32(&reader, &content.batch.count));
    KS_TRY(ks_read_u32(&reader, &content.next));
    KS_TRY(ks_read_u64(&reader, &content.batch.expires_s));
    KS_TRY(ks_read_copy(&reader, content.batch.secret, sizeof content.batch.secret));
    KS_TRY(ks_read_copy(&reader, content.batch.salt, sizeof content.batch.salt));
    KS_TRY(ks_read_copy(&reader, stated, sizeof stated));
    KS_TRY(ks_read_end(&reader));
    ks_sha256(ks_bytes_of(buf.data, KEYRING_LEN - sizeof stated), check);
    KS_CHECK(ks_ct_equal(KS_BYTES(stated), KS_BYTES(check)), KS_ERR_FORMAT,
             "keyring: the file is damaged");
    *out_content = content;
out:
    ks_wipe(&content, sizeof content);
    ks_buf_wipe(&buf);
    return err;
}

static enum ks_err store(const struct ks_keyring *keyring, const struct content *content)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    uint8_t check[32];

    ks_buf_init(&buf, KEYRING_LEN);
    ks_buf_put_text(&buf, KEYRING_MAGIC);
    ks_buf_put_u16(&buf, KEYRING_VERSION);
    ks_buf_put_u64(&buf, content->counter);
    ks_buf_put_u64(&buf, content->batch.instance);
    ks_buf_put_u64(&buf, content->batch.number);
    ks_buf_put_u32(&buf, content->batch.count);
    ks_buf_put_u32(&buf, content->next);
    ks_buf_put_u64(&buf, content->batch.expires_s);
    ks_buf_put(&buf, KS_BYTES(content->batch.secret));
    ks_buf_put(&buf, KS_BYTES(content->batch.salt));
    KS_TRY(ks_buf_check(&buf));
    ks_sha256(ks_buf_view(&buf), check);
    ks_buf_put(&buf, KS_BYTES(check));
    KS_TRY(ks_buf_check(&buf));
    KS_TRY(ks_fs_replace(keyring->fs, KEYRING_FILE, ks_buf_view(&buf)));
out:
    ks_buf_wipe(&buf);
    return err;
}

enum ks_err ks_keyring_put(struct ks_keyring *keyring, const struct ks_keyring_batch *batch)
{
    enum ks_err err = KS_OK;
    struct content content = {0};

    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    /* Its keys would be given again. */
    KS_CHECK(batch->count == 0 || content.batch.count == 0 ||
                 batch->instance != content.batch.instance ||
                 batch->number != content.batch.number,
             KS_ERR_CONFLICT, "keyring: batch %llu is there already",
             (unsigned long long)batch->number);
    content.batch = *batch;
    content.next = 0;
    KS_TRY(store(keyring, &content));
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    return err;
}

enum ks_err ks_keyring_take(struct ks_keyring *keyring, uint64_t now_s, bool with_counter,
                            struct ks_keyring_key *out_key)
{
    enum ks_err err = KS_OK;
    struct content content = {0};
    struct ks_keyring_key key = {0};
    uint32_t index = 0;

    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    KS_CHECK(content.next < content.batch.count && content.batch.expires_s > now_s,
             KS_ERR_NOT_FOUND, "no one-time keys left");
    index = content.next++;
    content.counter += with_counter ? 1 : 0;
    KS_TRY(ks_one_time_key_derive(KS_BYTES(content.batch.secret), KS_BYTES(content.batch.salt),
                                  index, key.key));
    ks_key_id_text(content.batch.instance, content.batch.number, index, key.id);
    key.counter = content.counter;
    KS_TRY(store(keyring, &content)); /* before the key is used */
    *out_key = key;
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    ks_wipe(&key, sizeof key);
    return err;
}

enum ks_err ks_keyring_drop(struct ks_keyring *keyring)
{
    const struct ks_keyring_batch none = {0};

    return ks_keyring_put(keyring, &none);
}
