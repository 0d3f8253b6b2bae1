/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Descriptors, and reading whole files: what every system has, so that the verifier builds for
 * one that has no more than that. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

#define READ_STEP 65536 /* bytes asked of one read(2) */

/* --- descriptors -------------------------------------------------------------------------- */

void ks_fd_close(int *fd)
{
    const int saved = errno;

    if (*fd >= 0) {
        (void)close(*fd); /* what was to be durable has been synced; EINTR closes on Linux */
        *fd = -1;
    }
    errno = saved;
}

enum ks_err ks_fd_write(int fd, struct ks_bytes bytes, const char *what)
{
    size_t done = 0;

    while (done < bytes.len) {
        const ssize_t len = write(fd, bytes.data + done, bytes.len - done);

        if (len < 0 && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "write '%s': %s", what, strerror(errno));
        }
        done += len > 0 ? (size_t)len : 0;
    }
    return KS_OK;
}

enum ks_err ks_fd_read(int fd, void *target, size_t len, const char *what)
{
    size_t done = 0;

    while (done < len) {
        const ssize_t got = read(fd, (uint8_t *)target + done, len - done);

        if (got < 0 && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "read '%s': %s", what, strerror(errno));
        }
        if (got == 0 && done == 0) {
            return ks_fail(KS_ERR_NOT_FOUND, "'%s' has ended", what);
        }
        if (got == 0) {
            return ks_fail(KS_ERR_IO, "'%s' ended after %zu of %zu bytes", what, done, len);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return KS_OK;
}

/* --- files, read -------------------------------------------------------------------------- */

/* Up to LEN bytes at once; 0 is the end. */
static enum ks_err read_some(int fd, void *target, size_t len, const char *what,
                             size_t *out_len)
{
    ssize_t got = 0;

    do {
        got = read(fd, target, len);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return ks_fail(KS_ERR_IO, "read '%s': %s", what, strerror(errno));
    }
    *out_len = (size_t)got;
    return KS_OK;
}

/* Straight into the buffer, so that a key file leaves no copy on the way. */
static enum ks_err read_to_end(int fd, size_t len_max, const char *what, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    size_t total = 0;
    size_t got = 0;

    do {
        const size_t room =
            out->max - out->len < len_max - total ? out->max - out->len : len_max - total;
        const size_t step = room < READ_STEP ? room : READ_STEP;
        uint8_t *target = NULL;
        uint8_t extra = 0;

        if (step == 0) {
            KS_TRY(read_some(fd, &extra, 1, what, &got));
            KS_CHECK(got == 0, KS_ERR_LIMIT, "'%s' has more than %zu bytes", what, total);
            break;
        }
        target = ks_buf_reserve(out, step);
        KS_TRY(ks_buf_check(out));
        KS_TRY(read_some(fd, target, step, what, &got));
        ks_buf_grew(out, got);
        total += got;
    } while (got > 0);
out:
    return err;
}

enum ks_err ks_file_read(const char *path, size_t len_max, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t len_before = out->len;
    int fd = -1;

    if (strcmp(path, "-") == 0) {
        err = read_to_end(STDIN_FILENO, len_max, "standard input", out);
    } else {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        KS_CHECK(fd >= 0, errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "open '%s': %s", path,
                 strerror(errno));
        err = read_to_end(fd, len_max, path, out);
    }
    if (err != KS_OK) {
        ks_wipe(out->data == NULL ? NULL : out->data + len_before, out->len - len_before);
        out->len = len_before;
    }
out:
    ks_fd_close(&fd);
    return err;
}
