/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

/* MAP_FAILED where the kernel has none, does not allow it, or the limit of locked memory is
 * reached. */
static void *map_hidden(size_t len)
{
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    void *data = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)len) == 0) {
        data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    ks_fd_close(&fd);
    return data;
}

enum ks_err ks_secret_pages_init(struct ks_secret_pages *pages, size_t len)
{
    void *data = map_hidden(len);
    const bool hidden = data != MAP_FAILED;

    if (!hidden) {
        data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (data == MAP_FAILED) {
        return ks_fail(KS_ERR_NOMEM, "%zu bytes for secrets: %s", len, strerror(errno));
    }
    if ((!hidden && mlock(data, len) != 0) || madvise(data, len, MADV_DONTFORK) != 0 ||
        madvise(data, len, MADV_DONTDUMP) != 0) {
        const int reason = errno;

        (void)munmap(data, len);
        return ks_fail(KS_ERR_NOMEM, "%zu bytes for secrets: %s", len, strerror(reason));
    }
    *pages = (struct ks_secret_pages){.data = data, .len = len, .hidden = hidden};
    return KS_OK;
}

void ks_secret_pages_done(struct ks_secret_pages *pages)
{
    if (pages->data != NULL) {
        ks_wipe(pages->data, pages->len);
        (void)munmap(pages->data, pages->len);
    }
    *pages = (struct ks_secret_pages){0};
}
