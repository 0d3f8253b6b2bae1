/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The file layer over a real directory. After a failed sync the kernel may have dropped the
 * pages, so a caller must not take a later success of the same sync as proof: it stops, reopens
 * and reads again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

#define READ_STEP 65536

struct ks_fs_file {
    int fd;
    char name[NAME_MAX + 1]; /* for errors */
};

struct system_fs {
    struct ks_fs fs;
    int dir_fd;
};

static enum ks_err check_name(const char *name)
{
    const size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return ks_fail(KS_ERR_INTERNAL, "'%s' is no file name", name);
    }
    return KS_OK;
}

static enum ks_err system_open(void *context, const char *name, struct ks_fs_file **out_file)
{
    enum ks_err err = KS_OK;
    const struct system_fs *system = context;
    struct ks_fs_file *file = NULL;

    KS_TRY(check_name(name));
    file = ks_calloc(1, sizeof *file);
    KS_CHECK(file != NULL, KS_ERR_NOMEM, "no memory to open '%s'", name);
    ks_copy(file->name, name, strlen(name) + 1);
    file->fd = openat(system->dir_fd, name,
                      O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    KS_CHECK(file->fd >= 0, KS_ERR_IO, "open '%s': %s", name, strerror(errno));
    *out_file = file;
    file = NULL; /* moved */
out:
    ks_free(file);
    return err;
}

/* A failed append takes back what it wrote, so that the next one does not follow half a record.
 * Should that fail too, the reader of the file meets a torn end, as after a crash. */
static enum ks_err system_append(struct ks_fs_file *file, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct stat info = {0};

    KS_CHECK(fstat(file->fd, &info) == 0, KS_ERR_IO, "stat '%s': %s", file->name,
             strerror(errno));
    err = ks_fd_write(file->fd, bytes, file->name);
    if (err != KS_OK && ftruncate(file->fd, info.st_size) != 0) {
        err = ks_fail_prefix(err, "and its half could not be taken back");
    }
out:
    return err;
}

static enum ks_err system_sync(struct ks_fs_file *file)
{
    if (fdatasync(file->fd) != 0) {
        return ks_fail(KS_ERR_IO, "sync '%s': %s", file->name, strerror(errno));
    }
    return KS_OK;
}

static enum ks_err system_read_all(struct ks_fs_file *file, size_t len_max, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t len_before = out->len;
    struct stat info = {0};
    size_t len = 0;
    size_t done = 0;
    uint8_t *target = NULL;

    KS_CHECK(fstat(file->fd, &info) == 0, KS_ERR_IO, "stat '%s': %s", file->name,
             strerror(errno));
    KS_CHECK(info.st_size >= 0 && (uintmax_t)info.st_size <= len_max, KS_ERR_LIMIT,
             "'%s' has %jd bytes, limit %zu", file->name, (intmax_t)info.st_size, len_max);
    len = (size_t)info.st_size;
    target = ks_buf_reserve(out, len);
    KS_TRY(ks_buf_check(out));
    while (done < len) {
        const size_t step = len - done < READ_STEP ? len - done : READ_STEP;
        const ssize_t got = pread(file->fd, target + done, step, (off_t)done);

        KS_CHECK(got >= 0 || errno == EINTR, KS_ERR_IO, "read '%s': %s", file->name,
                 strerror(errno));
        KS_CHECK(got != 0, KS_ERR_IO, "'%s' shrank while it was read", file->name);
        done += got > 0 ? (size_t)got : 0;
    }
    ks_buf_grew(out, len);
out:
    out->len = err == KS_OK ? out->len : len_before;
    return err;
}

static enum ks_err system_truncate(struct ks_fs_file *file, uint64_t len)
{
    if (len > INT64_MAX || ftruncate(file->fd, (off_t)len) != 0) {
        return ks_fail(KS_ERR_IO, "cut '%s' to %llu bytes: %s", file->name,
                       (unsigned long long)len, strerror(len > INT64_MAX ? EFBIG : errno));
    }
    return KS_OK;
}

static void system_close(struct ks_fs_file *file)
{
    if (file != NULL) {
        ks_fd_close(&file->fd);
        ks_free(file);
    }
}

static enum ks_err system_write(void *context, const char *name, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    const struct system_fs *system = context;
    int fd = -1;

    KS_TRY(check_name(name));
    fd = openat(system->dir_fd, name,
                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    KS_CHECK(fd >= 0, KS_ERR_IO, "create '%s': %s", name, strerror(errno));
    KS_TRY(ks_fd_write(fd, bytes, name));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "sync '%s': %s", name, strerror(errno));
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err system_rename(void *context, const char *source, const char *target)
{
    enum ks_err err = KS_OK;
    const struct system_fs *system = context;

    KS_TRY(check_name(source));
    KS_TRY(check_name(target));
    KS_CHECK(renameat(system->dir_fd, source, system->dir_fd, target) == 0,
             errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "rename '%s' to '%s': %s", source,
             target, strerror(errno));
out:
    return err;
}

static enum ks_err system_unlink(void *context, const char *name)
{
    enum ks_err err = KS_OK;
    const struct system_fs *system = context;

    KS_TRY(check_name(name));
    KS_CHECK(unlinkat(system->dir_fd, name, 0) == 0,
             errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "remove '%s': %s", name,
             strerror(errno));
out:
    return err;
}

static enum ks_err system_sync_dir(void *context)
{
    const struct system_fs *system = context;

    if (fsync(system->dir_fd) != 0) {
        return ks_fail(KS_ERR_IO, "sync the folder: %s", strerror(errno));
    }
    return KS_OK;
}

enum ks_err ks_fs_system_new(int dir_fd, struct ks_fs **out_fs)
{
    struct system_fs *system = ks_calloc(1, sizeof *system);

    if (system == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a file layer");
    }
    *system = (struct system_fs){
        .fs = {.context = system,
               .open = system_open,
               .append = system_append,
               .sync = system_sync,
               .read_all = system_read_all,
               .truncate = system_truncate,
               .close = system_close,
               .write = system_write,
               .rename = system_rename,
               .unlink = system_unlink,
               .sync_dir = system_sync_dir},
        .dir_fd = dir_fd,
    };
    *out_fs = &system->fs;
    return KS_OK;
}

void ks_fs_system_free(struct ks_fs *fs)
{
    if (fs != NULL) {
        struct system_fs *system = fs->context;

        ks_fd_close(&system->dir_fd);
        ks_free(system);
    }
}

enum ks_err ks_fs_replace(const struct ks_fs *fs, const char *name, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    static const char suffix[] = ".new";
    char fresh[NAME_MAX + 1];
    const size_t len = strlen(name);

    KS_CHECK(len + sizeof suffix <= sizeof fresh, KS_ERR_INTERNAL, "'%s' is too long a name",
             name);
    ks_copy(fresh, name, len);
    ks_copy(fresh + len, suffix, sizeof suffix);
    err = fs->write(fs->context, fresh, bytes);
    if (err == KS_OK) {
        err = fs->rename(fs->context, fresh, name);
    }
    if (err != KS_OK) {
        char cause[KS_ERR_DETAIL_MAX];

        /* Half a file is of no use to anyone. Whether removing it works changes nothing. */
        (void)snprintf(cause, sizeof cause, "%s", ks_err_detail());
        if (fs->unlink(fs->context, fresh) != KS_OK) {
            err = ks_fail(err, "%s", cause);
        }
        return err;
    }
    KS_TRY(fs->sync_dir(fs->context));
out:
    return err;
}

enum ks_err ks_fs_load(const struct ks_fs *fs, const char *name, size_t len_max,
                       struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t len_before = out->len;
    struct ks_fs_file *file = NULL;

    KS_TRY(fs->open(fs->context, name, &file));
    KS_TRY(fs->read_all(file, len_max, out));
    KS_CHECK(out->len > len_before, KS_ERR_NOT_FOUND, "'%s' is absent or empty", name);
out:
    if (file != NULL) {
        fs->close(file);
    }
    return err;
}
