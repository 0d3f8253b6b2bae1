/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

#define LOCK_TRIES   100
#define LOCK_TICK_NS 1000000
#define HEADER_MAX   4096

/* Where a file stops being of use: after its last whole line. */
struct tail {
    off_t size; /* 0: new, or without a whole line */
    bool ours;  /* its line of names is that of this version */
};

static enum ks_err lock(int fd, const char *path)
{
    static const struct timespec tick = {.tv_nsec = LOCK_TICK_NS};

    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return KS_OK;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "%s: lock: %s", path, strerror(errno));
        }
        (void)nanosleep(&tick, NULL);
    }
    return ks_fail(KS_ERR_UNAVAILABLE, "%s: others hold it", path);
}

static enum ks_err read_at(int fd, off_t offset, uint8_t *target, size_t len, const char *path)
{
    ssize_t count = pread(fd, target, len, offset);

    if (count < 0 || (size_t)count != len) {
        return ks_fail(KS_ERR_IO, "%s: read: %s", path,
                       count < 0 ? strerror(errno) : "it got shorter");
    }
    return KS_OK;
}

static enum ks_err look(int fd, struct ks_bytes header, const char *path, struct tail *out_tail)
{
    enum ks_err err = KS_OK;
    struct stat status;
    uint8_t bytes[KS_TRACE_CSV_ROW_MAX > HEADER_MAX ? KS_TRACE_CSV_ROW_MAX : HEADER_MAX];
    struct tail tail = {0};
    size_t len = 0;

    KS_CHECK(fstat(fd, &status) == 0 && S_ISREG(status.st_mode), KS_ERR_IO, "%s: no file",
             path);
    KS_ASSERT(header.len <= sizeof bytes);
    if (status.st_size >= (off_t)header.len) {
        KS_TRY(read_at(fd, 0, bytes, header.len, path));
        tail.ours = ks_bytes_equal(ks_bytes_of(bytes, header.len), header);
    }
    len = status.st_size < (off_t)sizeof bytes ? (size_t)status.st_size : sizeof bytes;
    KS_TRY(read_at(fd, status.st_size - (off_t)len, bytes, len, path));
    while (len > 0 && bytes[len - 1] != '\n') {
        len--;
        status.st_size--;
    }
    tail.size = len > 0 ? status.st_size : 0;
    *out_tail = tail;
out:
    return err;
}

static enum ks_err open_file(const char *path, int *out_fd)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return ks_fail(KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    }
    *out_fd = fd;
    return KS_OK;
}

/* Behind what is whole in FD, which is locked. */
static enum ks_err write_rows(int fd, off_t at, struct ks_bytes text, const char *path)
{
    ssize_t count = 0;

    if (ftruncate(fd, at) != 0) {
        return ks_fail(KS_ERR_IO, "%s: %s", path, strerror(errno));
    }
    count = pwrite(fd, text.data, text.len, at);
    if (count < 0 || (size_t)count != text.len) {
        (void)!ftruncate(fd, at); /* else the next row cuts it off */
        return ks_fail(KS_ERR_IO, "%s: write: %s", path,
                       count < 0 ? strerror(errno) : "no room");
    }
    return KS_OK;
}

/* The file that rows go to, locked, and where it ends; moved away before where it is full. */
static enum ks_err take_file(const char *path, const char *old, struct ks_bytes header,
                             int *out_fd, struct tail *out_tail)
{
    enum ks_err err = KS_OK;
    int fd = -1;

    KS_TRY(open_file(path, &fd));
    KS_TRY(lock(fd, path));
    KS_TRY(look(fd, header, path, out_tail));
    if (out_tail->size > 0 &&
        (!out_tail->ours || out_tail->size >= (off_t)KS_TRACE_FILE_BYTES)) {
        KS_CHECK(rename(path, old) == 0, KS_ERR_IO, "rename '%s': %s", path, strerror(errno));
        ks_fd_close(&fd);
        KS_TRY(open_file(path, &fd));
        KS_TRY(lock(fd, path));
        KS_TRY(look(fd, header, path, out_tail));
    }
    *out_fd = fd;
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_trace_file_append(const char *directory, const struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char old[KS_PATH_MAX];
    struct ks_buf header;
    struct ks_buf text;
    struct tail tail = {0};
    int fd = -1;

    ks_buf_init(&header, HEADER_MAX);
    ks_buf_init(&text, HEADER_MAX + KS_TRACE_CSV_ROW_MAX);
    KS_TRY(ks_path_join(directory, KS_TRACE_FILE, path));
    KS_TRY(ks_path_join(directory, KS_TRACE_FILE_OLD, old));
    ks_trace_put_csv_header(false, &header);
    KS_TRY(ks_buf_check(&header));
    KS_TRY(take_file(path, old, ks_buf_view(&header), &fd, &tail));
    if (tail.size == 0) {
        ks_buf_put(&text, ks_buf_view(&header));
    }
    ks_trace_put_csv_row(trace, NULL, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(write_rows(fd, tail.size, ks_buf_view(&text), path));
out:
    ks_fd_close(&fd); /* and with it the lock */
    ks_buf_done(&header);
    ks_buf_done(&text);
    return err;
}
