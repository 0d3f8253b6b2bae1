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
#define KEYRING_VERSION 2 /* 1, which has no quantum keys, is read */
#define KEYRING_LEN_1   (8 + 2 + 8 + 8 + 8 + 4 + 4 + 8 + 32 + 32 + 32)
#define QUANTUM_LEN     (16 + KS_ONE_TIME_KEY_LEN)
#define KEYRING_LEN_MAX (KEYRING_LEN_1 + 4 + 8 + KS_KEYRING_QUANTUM_MAX * QUANTUM_LEN)

struct ks_keyring {
    struct ks_fs *fs;
    int lock; /* the directory itself */
};

/* What the file holds. */
struct content {
    uint64_t counter; /* the last one used */
    uint32_t next;    /* index of the next key; count: none left */
    struct ks_keyring_batch batch;
    uint64_t quantum_expires_s;
    uint32_t quantum_count;
    struct ks_keyring_quantum quantum[KS_KEYRING_QUANTUM_MAX]; /* taken from the back */
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

static enum ks_err read_batch(struct ks_reader *reader, struct content *content)
{
    enum ks_err err = KS_OK;
    struct ks_keyring_batch *batch = &content->batch;

    KS_TRY(ks_read_u64(reader, &content->counter));
    KS_TRY(ks_read_u64(reader, &batch->instance));
    KS_TRY(ks_read_u64(reader, &batch->number));
    KS_TRY(ks_read_u32(reader, &batch->count));
    KS_TRY(ks_read_u32(reader, &content->next));
    KS_CHECK(content->next <= batch->count, KS_ERR_FORMAT, "keyring: key %u of a batch of %u",
             (unsigned)content->next, (unsigned)batch->count);
    KS_TRY(ks_read_u64(reader, &batch->expires_s));
    KS_TRY(ks_read_copy(reader, batch->secret, sizeof batch->secret));
    KS_TRY(ks_read_copy(reader, batch->salt, sizeof batch->salt));
out:
    return err;
}

static enum ks_err read_quantum(struct ks_reader *reader, struct content *content)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_u32(reader, &content->quantum_count));
    KS_CHECK(content->quantum_count <= KS_KEYRING_QUANTUM_MAX, KS_ERR_FORMAT,
             "keyring: %u quantum keys", (unsigned)content->quantum_count);
    KS_TRY(ks_read_u64(reader, &content->quantum_expires_s));
    for (uint32_t i = 0; i < content->quantum_count; i++) {
        struct ks_keyring_quantum *key = &content->quantum[i];

        KS_TRY(ks_read_copy(reader, key->id.bytes, sizeof key->id.bytes));
        KS_TRY(ks_read_copy(reader, key->key, sizeof key->key));
    }
out:
    return err;
}

static enum ks_err read_content(struct ks_bytes file, struct content *content)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(file, "keyring");
    struct ks_bytes magic = {0};
    struct ks_bytes stated = {0};
    uint16_t version = 0;
    uint8_t check[KS_SHA256_LEN];

    KS_TRY(ks_read_bytes(&reader, sizeof KEYRING_MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, KEYRING_MAGIC), KS_ERR_FORMAT, "keyring: not such a file");
    KS_TRY(ks_read_u16(&reader, &version));
    KS_CHECK(version == 1 || version == KEYRING_VERSION, KS_ERR_FORMAT, "keyring: version %u",
             version);
    KS_CHECK(file.len >= KEYRING_LEN_1, KS_ERR_FORMAT, "keyring: the file is cut");
    stated = ks_bytes_of(file.data + file.len - sizeof check, sizeof check);
    ks_sha256(ks_bytes_of(file.data, file.len - sizeof check), check);
    KS_CHECK(ks_ct_equal(stated, KS_BYTES(check)), KS_ERR_FORMAT,
             "keyring: the file is damaged");
    reader.rest.len -= sizeof check;
    KS_TRY(read_batch(&reader, content));
    if (version == KEYRING_VERSION) {
        KS_TRY(read_quantum(&reader, content));
    }
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

static enum ks_err load(const struct ks_keyring *keyring, struct content *out_content)
{
    enum ks_err err = KS_OK;
    struct content content = {0};
    struct ks_buf buf;

    ks_buf_init(&buf, KEYRING_LEN_MAX + 1);
    err = ks_fs_load(keyring->fs, KEYRING_FILE, KEYRING_LEN_MAX + 1, &buf);
    if (err == KS_OK) {
        KS_TRY(read_content(ks_buf_view(&buf), &content));
    } else if (err != KS_ERR_NOT_FOUND) {
        goto out;
    }
    *out_content = content;
    err = KS_OK;
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

    ks_buf_init(&buf, KEYRING_LEN_MAX);
    KS_CHECK(ks_buf_reserve(&buf, KEYRING_LEN_MAX) != NULL, KS_ERR_NOMEM, "keyring");
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
    ks_buf_put_u32(&buf, content->quantum_count);
    ks_buf_put_u64(&buf, content->quantum_expires_s);
    for (uint32_t i = 0; i < content->quantum_count; i++) {
        ks_buf_put(&buf, KS_BYTES(content->quantum[i].id.bytes));
        ks_buf_put(&buf, KS_BYTES(content->quantum[i].key));
    }
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

/* --- quantum keys ------------------------------------------------------------------------- */

static void forget_expired(struct content *content, uint64_t now_s)
{
    if (content->quantum_expires_s <= now_s) {
        ks_wipe(content->quantum, sizeof content->quantum);
        content->quantum_count = 0;
    }
}

static enum ks_err add_all(struct content *content, const struct ks_keyring_quantum *keys,
                           size_t count)
{
    enum ks_err err = KS_OK;

    KS_CHECK(count <= KS_KEYRING_QUANTUM_MAX - content->quantum_count, KS_ERR_LIMIT,
             "keyring: room for %d quantum keys", KS_KEYRING_QUANTUM_MAX);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < content->quantum_count; k++) {
            KS_CHECK(!ks_etsi014_id_equal(&content->quantum[k].id, &keys[i].id),
                     KS_ERR_CONFLICT, "keyring: a quantum key is there already");
        }
        content->quantum[content->quantum_count++] = keys[i];
    }
out:
    return err;
}

enum ks_err ks_keyring_quantum_add(struct ks_keyring *keyring,
                                   const struct ks_keyring_quantum *keys, size_t count,
                                   uint64_t expires_s, uint64_t now_s)
{
    enum ks_err err = KS_OK;
    struct content content = {0};

    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    forget_expired(&content, now_s);
    if (content.quantum_count == 0 || expires_s < content.quantum_expires_s) {
        content.quantum_expires_s = expires_s;
    }
    KS_TRY(add_all(&content, keys, count));
    KS_TRY(store(keyring, &content));
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    return err;
}

enum ks_err ks_keyring_count(struct ks_keyring *keyring, uint64_t now_s,
                             struct ks_keyring_left *out_left)
{
    enum ks_err err = KS_OK;
    struct content content = {0};

    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    forget_expired(&content, now_s);
    out_left->kem = content.batch.expires_s > now_s ? content.batch.count - content.next : 0;
    out_left->quantum = content.quantum_count;
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    return err;
}

/* --- taking ------------------------------------------------------------------------------- */

static enum ks_err take_kem(struct content *content, uint64_t now_s, struct ks_key_name *name,
                            uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_keyring_batch *batch = &content->batch;

    KS_CHECK(content->next < batch->count && batch->expires_s > now_s, KS_ERR_NOT_FOUND,
             "no one-time keys left");
    name->kem = true;
    name->instance = batch->instance;
    name->number = batch->number;
    name->index = content->next++;
    KS_TRY(ks_one_time_key_derive(KS_BYTES(batch->secret), KS_BYTES(batch->salt), name->index,
                                  out_key));
out:
    return err;
}

/* The last one: nothing has to move up. */
static enum ks_err take_quantum(struct content *content, uint64_t now_s,
                                struct ks_key_name *name, uint8_t out_key[KS_ONE_TIME_KEY_LEN])
{
    struct ks_keyring_quantum *key = NULL;

    forget_expired(content, now_s);
    if (content->quantum_count == 0) {
        return ks_fail(KS_ERR_NOT_FOUND, "no quantum keys left");
    }
    key = &content->quantum[--content->quantum_count];
    name->quantum = true;
    name->id = key->id;
    ks_copy(out_key, key->key, sizeof key->key);
    ks_wipe(key, sizeof *key);
    return KS_OK;
}

enum ks_err ks_keyring_take(struct ks_keyring *keyring, uint64_t now_s,
                            const struct ks_keyring_want *want, struct ks_keyring_key *out_key)
{
    enum ks_err err = KS_OK;
    struct content content = {0};
    struct ks_keyring_key key = {0};
    struct ks_key_name name = {0};
    uint8_t kem[KS_ONE_TIME_KEY_LEN] = {0};
    uint8_t quantum[KS_ONE_TIME_KEY_LEN] = {0};

    KS_ASSERT(want->kem || want->quantum);
    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    if (want->kem) {
        KS_TRY(take_kem(&content, now_s, &name, kem));
    }
    if (want->quantum) {
        KS_TRY(take_quantum(&content, now_s, &name, quantum));
    }
    if (want->kem && want->quantum) {
        KS_TRY(ks_one_time_key_both(kem, quantum, &name, key.key));
    } else {
        ks_copy(key.key, want->kem ? kem : quantum, sizeof key.key);
    }
    ks_key_name_text(&name, key.id);
    content.counter += want->counter ? 1 : 0;
    key.counter = content.counter;
    KS_TRY(store(keyring, &content)); /* before the key is used */
    *out_key = key;
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    ks_wipe(&key, sizeof key);
    ks_wipe(kem, sizeof kem);
    ks_wipe(quantum, sizeof quantum);
    return err;
}

enum ks_err ks_keyring_drop(struct ks_keyring *keyring)
{
    enum ks_err err = KS_OK;
    struct content content = {0};

    KS_TRY(lock(keyring));
    KS_TRY(load(keyring, &content));
    content.next = 0;
    content.batch = (struct ks_keyring_batch){0};
    forget_expired(&content, UINT64_MAX);
    KS_TRY(store(keyring, &content));
out:
    unlock(keyring);
    ks_wipe(&content, sizeof content);
    return err;
}
