/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The files of a tree below a directory that is held open. Each file that was written, and each
 * folder in which a name has changed, is held open until it was synced: a descriptor that is
 * opened later would not be told of an error that came before (fsync(2)). All are written
 * before the first is synced: a journalling file system then commits once for all of them. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "store/tree.h"

#define FOLDERS_MAX 64 /* with changed names at once; above it they are synced in between */
#define FILES_MAX   64 /* written and not synced yet; above it likewise */
#define READ_STEP   65536

struct folder {
    char path[KS_TREE_PATH_MAX]; /* "" for the top */
    int fd;
};

struct disk {
    char *directory; /* for errors */
    int fd;
    struct folder changed[FOLDERS_MAX];
    size_t changed_count;
    int written[FILES_MAX];
    size_t written_count;
};

static enum ks_err sync_files(void *context)
{
    enum ks_err err = KS_OK;
    struct disk *disk = context;

    for (size_t i = 0; i < disk->written_count; i++) {
        int *fd = &disk->written[i];

        if (fsync(*fd) != 0 && err == KS_OK) {
            err =
                ks_fail(KS_ERR_IO, "sync a file in '%s': %s", disk->directory, strerror(errno));
        }
        /* So that whoever reads it next reads the device, as far as the kernel follows. */
        (void)posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED);
        ks_fd_close(fd);
    }
    disk->written_count = 0;
    return err;
}

static enum ks_err sync_dirs(void *context)
{
    enum ks_err err = KS_OK;
    struct disk *disk = context;

    for (size_t i = 0; i < disk->changed_count; i++) {
        struct folder *folder = &disk->changed[i];

        if (fsync(folder->fd) != 0 && err == KS_OK) {
            err = ks_fail(KS_ERR_IO, "sync the folder '%s/%s': %s", disk->directory,
                          folder->path, strerror(errno));
        }
        ks_fd_close(&folder->fd);
    }
    disk->changed_count = 0;
    return err;
}

/* The folder that PATH stands in, "" for the top. */
static void folder_of(const char *path, char target[KS_TREE_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    KS_ASSERT(len < KS_TREE_PATH_MAX);
    ks_copy(target, path, len);
    target[len] = '\0';
}

/* Names in the folder of PATH are about to change: holds it open until they are synced. */
static enum ks_err hold_folder(struct disk *disk, const char *path)
{
    enum ks_err err = KS_OK;
    struct folder folder = {.fd = -1};

    folder_of(path, folder.path);
    for (size_t i = 0; i < disk->changed_count; i++) {
        if (strcmp(disk->changed[i].path, folder.path) == 0) {
            return KS_OK;
        }
    }
    if (disk->changed_count == FOLDERS_MAX) {
        KS_TRY(sync_dirs(disk));
    }
    folder.fd = openat(disk->fd, folder.path[0] == '\0' ? "." : folder.path,
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    KS_CHECK(folder.fd >= 0, KS_ERR_IO, "open '%s/%s': %s", disk->directory, folder.path,
             strerror(errno));
    disk->changed[disk->changed_count++] = folder;
out:
    return err;
}

/* Makes the folders on the way to PATH; a new one is a name that changes in the one above. */
static enum ks_err make_folders(struct disk *disk, const char *path)
{
    enum ks_err err = KS_OK;
    char folder[KS_TREE_PATH_MAX];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const size_t len = (size_t)(slash - path);

        KS_ASSERT(len < sizeof folder);
        ks_copy(folder, path, len);
        folder[len] = '\0';
        if (mkdirat(disk->fd, folder, 0755) == 0) {
            KS_TRY(hold_folder(disk, folder));
        } else {
            KS_CHECK(errno == EEXIST, KS_ERR_IO, "make '%s/%s': %s", disk->directory, folder,
                     strerror(errno));
        }
    }
out:
    return err;
}

static enum ks_err disk_read(void *context, const char *path, size_t len_max,
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct disk *disk = context;
    const size_t len_before = out->len;
    struct stat info = {0};
    int fd = openat(disk->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

    KS_CHECK(fd >= 0, errno == ENOENT || errno == ENOTDIR ? KS_ERR_NOT_FOUND : KS_ERR_IO,
             "%s/%s: %s", disk->directory, path, strerror(errno));
    KS_CHECK(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), KS_ERR_IO, "%s/%s: no plain file",
             disk->directory, path);
    KS_CHECK(info.st_size >= 0 && (uintmax_t)info.st_size <= len_max, KS_ERR_LIMIT,
             "%s/%s: %jd bytes, limit %zu", disk->directory, path, (intmax_t)info.st_size,
             len_max);
    for (size_t left = (size_t)info.st_size; left > 0;) {
        const size_t step = left < READ_STEP ? left : READ_STEP;
        uint8_t *target = ks_buf_reserve(out, step);
        ssize_t got = 0;

        KS_TRY(ks_buf_check(out));
        got = read(fd, target, step);
        KS_CHECK(got > 0 || (got < 0 && errno == EINTR), KS_ERR_IO, "read '%s/%s': %s",
                 disk->directory, path, got == 0 ? "it shrank" : strerror(errno));
        ks_buf_grew(out, got > 0 ? (size_t)got : 0);
        left -= got > 0 ? (size_t)got : 0;
    }
out:
    ks_fd_close(&fd);
    out->len = err == KS_OK ? out->len : len_before;
    return err;
}

static enum ks_err disk_write(void *context, const char *path, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct disk *disk = context;
    const int flags =
        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    int fd = -1;

    KS_TRY(disk->written_count == FILES_MAX ? sync_files(disk) : KS_OK);
    fd = openat(disk->fd, path, flags, 0644);
    if (fd < 0 && errno == ENOENT) {
        KS_TRY(make_folders(disk, path));
        fd = openat(disk->fd, path, flags, 0644);
    }
    KS_CHECK(fd >= 0, KS_ERR_IO, "create '%s/%s': %s", disk->directory, path, strerror(errno));
    KS_CHECK(fchmod(fd, 0644) == 0, KS_ERR_IO, "mode of '%s/%s': %s", disk->directory, path,
             strerror(errno));
    KS_TRY(ks_fd_write(fd, bytes, path));
    /* Only begins to: fsync waits for it, and says whether it worked. */
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    disk->written[disk->written_count++] = fd;
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err disk_rename(void *context, const char *source, const char *target)
{
    enum ks_err err = KS_OK;
    struct disk *disk = context;

    KS_TRY(hold_folder(disk, target));
    KS_CHECK(renameat(disk->fd, source, disk->fd, target) == 0,
             errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "rename '%s/%s' to '%s': %s",
             disk->directory, source, target, strerror(errno));
out:
    return err;
}

static enum ks_err disk_unlink(void *context, const char *path)
{
    const struct disk *disk = context;

    if (unlinkat(disk->fd, path, 0) != 0) {
        return ks_fail(errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "remove '%s/%s': %s",
                       disk->directory, path, strerror(errno));
    }
    return KS_OK;
}

static void disk_remove_dir(void *context, const char *path)
{
    const struct disk *disk = context;

    /* What an interrupted write left in it keeps it there, and harms nobody. */
    (void)unlinkat(disk->fd, path, AT_REMOVEDIR);
}

static void disk_close(void *context)
{
    struct disk *disk = context;

    for (size_t i = 0; i < disk->changed_count; i++) {
        ks_fd_close(&disk->changed[i].fd);
    }
    for (size_t i = 0; i < disk->written_count; i++) {
        ks_fd_close(&disk->written[i]);
    }
    ks_fd_close(&disk->fd);
    ks_free(disk->directory);
    ks_free(disk);
}

enum ks_err ks_tree_disk_open(const char *directory, bool create, struct ks_tree_disk *out_disk)
{
    enum ks_err err = KS_OK;
    struct disk *disk = ks_calloc(1, sizeof *disk);

    KS_CHECK(disk != NULL, KS_ERR_NOMEM, "tree of tiles");
    disk->fd = -1;
    KS_TRY(ks_text_copy(directory, &disk->directory));
    KS_TRY(create ? ks_dir_make(directory, 0755) : KS_OK);
    disk->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(disk->fd >= 0, errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "open '%s': %s",
             directory, strerror(errno));
    *out_disk = (struct ks_tree_disk){
        .context = disk,
        .read = disk_read,
        .write = disk_write,
        .sync_files = sync_files,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .remove_dir = disk_remove_dir,
        .sync_dirs = sync_dirs,
        .close = disk_close,
    };
    disk = NULL; /* transferred */
out:
    if (disk != NULL) {
        disk_close(disk);
    }
    return err;
}
