/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY_TRIES 16

/* --- files, written ---------------------------------------------------------------------- */

/* Opens the directory that holds PATH and points OUT_NAME at the last part of PATH. */
static enum ks_err open_parent(const char *path, int *out_fd, const char **out_name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t parent_len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    int fd = -1;

    if (name[0] == '\0' || parent_len >= sizeof parent) {
        return ks_fail(KS_ERR_IO, "'%s' names no file", path);
    }
    ks_copy(parent, path, parent_len);
    parent[parent_len] = '\0';
    fd = open(parent_len == 0 ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ks_fail(errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO,
                       "open the folder of '%s': %s", path, strerror(errno));
    }
    *out_fd = fd;
    *out_name = name;
    return KS_OK;
}

/* A new file beside the target, under a name nobody else has. The leading dot hides it from
 * globs. */
static enum ks_err open_temporary(int dir_fd, const char *path, char *name, size_t name_size,
                                  int *out_fd)
{
    enum ks_err err = KS_OK;
    uint64_t random = 0;
    int fd = -1;

    for (int i = 0; fd < 0 && i < TEMPORARY_TRIES; i++) {
        KS_TRY(ks_random(&random, sizeof random));
        (void)snprintf(name, name_size, ".ketseal-%016llx", (unsigned long long)random);
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        KS_CHECK(fd >= 0 || errno == EEXIST, KS_ERR_IO, "create a file beside '%s': %s", path,
                 strerror(errno));
    }
    KS_CHECK(fd >= 0, KS_ERR_IO, "create a file beside '%s': no free name", path);
    *out_fd = fd;
out:
    return err;
}

/* Gives the temporary its name without ever replacing another file. */
static int rename_new(int dir_fd, const char *source, const char *target)
{
    if (renameat2(dir_fd, source, dir_fd, target, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    /* A file system without that flag; a hard link does the same in two steps. */
    return linkat(dir_fd, source, dir_fd, target, 0) == 0 ? unlinkat(dir_fd, source, 0) : -1;
}

static enum ks_err write_whole(const char *path, struct ks_bytes bytes, mode_t mode,
                               bool replace)
{
    enum ks_err err = KS_OK;
    char temporary[32] = ""; /* ".ketseal-", 16 digits, NUL */
    const char *name = NULL;
    int dir_fd = -1;
    int fd = -1;
    int rc = 0;

    KS_TRY(open_parent(path, &dir_fd, &name));
    KS_TRY(open_temporary(dir_fd, path, temporary, sizeof temporary, &fd));
    KS_TRY(ks_fd_write(fd, bytes, path));
    KS_CHECK(fchmod(fd, mode) == 0, KS_ERR_IO, "set the mode of '%s': %s", path,
             strerror(errno));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "sync '%s': %s", path, strerror(errno));
    rc = replace ? renameat(dir_fd, temporary, dir_fd, name)
                 : rename_new(dir_fd, temporary, name);
    KS_CHECK(rc == 0 || replace || errno != EEXIST, KS_ERR_CONFLICT, "'%s' exists already",
             path);
    KS_CHECK(rc == 0, KS_ERR_IO, "rename to '%s': %s", path, strerror(errno));
    temporary[0] = '\0'; /* it has its name now */
    KS_CHECK(fsync(dir_fd) == 0, KS_ERR_IO, "sync the folder of '%s': %s", path,
             strerror(errno));
out:
    if (err != KS_OK && fd >= 0 && temporary[0] != '\0') {
        (void)unlinkat(dir_fd, temporary, 0); /* the first error is the one to report */
    }
    ks_fd_close(&fd);
    ks_fd_close(&dir_fd);
    return err;
}

/* Pipes and devices (/dev/null, /dev/stdout) cannot be replaced and must not be. */
static enum ks_err write_special(const char *path, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    KS_CHECK(fd >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    KS_TRY(ks_fd_write(fd, bytes, path));
out:
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_file_write(const char *path, struct ks_bytes bytes, mode_t mode)
{
    char resolved[PATH_MAX];
    struct stat info;

    if (strcmp(path, "-") == 0) {
        return ks_fd_write(STDOUT_FILENO, bytes, "standard output");
    }
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) {
            return ks_fail(KS_ERR_IO, "'%s' is a folder", path);
        }
        if (!S_ISREG(info.st_mode)) {
            return write_special(path, bytes);
        }
        /* Through a symbolic link to the file it means: a rename would replace the link. */
        if (realpath(path, resolved) != NULL) {
            return write_whole(resolved, bytes, mode, true);
        }
    }
    return write_whole(path, bytes, mode, true);
}

enum ks_err ks_file_create(const char *path, struct ks_bytes bytes, mode_t mode)
{
    if (strcmp(path, "-") == 0) {
        return ks_fd_write(STDOUT_FILENO, bytes, "standard output");
    }
    return write_whole(path, bytes, mode, false);
}

/* Makes one folder; a new one is synced into its parent. */
static enum ks_err make_one(const char *path, mode_t mode)
{
    enum ks_err err = KS_OK;
    const char *name = NULL;
    int parent_fd = -1;
    struct stat info;

    if (mkdir(path, mode) != 0) {
        const int cause = errno;

        KS_CHECK(stat(path, &info) == 0, KS_ERR_IO, "make the folder '%s': %s", path,
                 strerror(cause));
        KS_CHECK(S_ISDIR(info.st_mode), KS_ERR_IO, "'%s' is no folder", path);
        return KS_OK;
    }
    KS_CHECK(chmod(path, mode) == 0, KS_ERR_IO, "set the mode of '%s': %s", path,
             strerror(errno));
    KS_TRY(open_parent(path, &parent_fd, &name));
    KS_CHECK(fsync(parent_fd) == 0, KS_ERR_IO, "sync the folder of '%s': %s", path,
             strerror(errno));
out:
    ks_fd_close(&parent_fd);
    return err;
}

enum ks_err ks_dir_make(const char *path, mode_t mode)
{
    enum ks_err err = KS_OK;
    char part[PATH_MAX];
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    KS_CHECK(len > 0 && len < sizeof part, KS_ERR_IO, "'%s' names no folder", path);
    ks_copy(part, path, len);
    part[len] = '\0';
    for (size_t i = 1; i < len; i++) {
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            KS_TRY(make_one(part, mode));
            part[i] = '/';
        }
    }
    KS_TRY(make_one(part, mode));
out:
    return err;
}

enum ks_err ks_dir_temporary(const char *prefix, char **out_path)
{
    enum ks_err err = KS_OK;
    const char *parent = getenv("TMPDIR");
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s.XXXXXX",
                       parent == NULL || parent[0] == '\0' ? "/tmp" : parent, prefix);

    KS_CHECK(len > 0 && (size_t)len < sizeof path, KS_ERR_IO, "TMPDIR is too long a path");
    KS_CHECK(mkdtemp(path) != NULL, KS_ERR_IO, "make a folder '%s': %s", path, strerror(errno));
    err = ks_text_copy(path, out_path);
    if (err != KS_OK) {
        (void)rmdir(path); /* the first error is the one to report */
    }
out:
    return err;
}

enum ks_err ks_dir_remove(const char *path)
{
    enum ks_err err = KS_OK;
    DIR *dir = NULL;

    if (path == NULL) {
        return KS_OK;
    }
    dir = opendir(path);
    KS_CHECK(dir != NULL, KS_ERR_IO, "open the folder '%s': %s", path, strerror(errno));
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        KS_CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                     unlinkat(dirfd(dir), entry->d_name, 0) == 0,
                 KS_ERR_IO, "remove '%s/%s': %s", path, entry->d_name, strerror(errno));
    }
    KS_CHECK(rmdir(path) == 0, KS_ERR_IO, "remove the folder '%s': %s", path, strerror(errno));
out:
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return err;
}

/* --- clocks, randomness, the process ------------------------------------------------------ */

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now = {0, 0};

    KS_ASSERT(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t ks_clock_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

uint64_t ks_clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

void ks_usage_of(const struct rusage *resources, struct ks_usage *out_usage)
{
    const struct timeval *user = &resources->ru_utime;
    const struct timeval *system = &resources->ru_stime;

    *out_usage = (struct ks_usage){
        .cpu_us = (uint64_t)(user->tv_sec + system->tv_sec) * 1000000 +
                  (uint64_t)(user->tv_usec + system->tv_usec),
        .memory_bytes = (uint64_t)resources->ru_maxrss * 1024, /* Linux counts in KiB */
    };
}

void ks_usage_self(struct ks_usage *out_usage)
{
    struct rusage resources = {0};

    /* It fails for bad arguments only. */
    (void)getrusage(RUSAGE_SELF, &resources);
    ks_usage_of(&resources, out_usage);
}

enum ks_err ks_random(void *target, size_t len)
{
    size_t done = 0;

    while (done < len) {
        const ssize_t got = getrandom((uint8_t *)target + done, len - done, 0);

        if (got < 0 && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "kernel randomness: %s", strerror(errno));
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return KS_OK;
}

enum ks_err ks_process_harden(void)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return ks_fail(KS_ERR_IO, "forbid core dumps: %s", strerror(errno));
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return ks_fail(KS_ERR_IO, "make the process undumpable: %s", strerror(errno));
    }
    (void)umask(077);
    return KS_OK;
}
