/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"

enum ks_err ks_tpm_open_device(const char *path, int *out_fd)
{
    enum ks_err err = KS_OK;
    struct stat info;
    /* Non-blocking: since Linux 5.1 the driver then works in the background and poll tells the
     * end, so that a silent chip runs into our timeout. Older drivers block in write, bounded
     * by their own. */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    KS_CHECK(fd >= 0, KS_ERR_IO, "open TPM '%s': %s", path, strerror(errno));
    KS_CHECK(fstat(fd, &info) == 0, KS_ERR_IO, "stat TPM '%s': %s", path, strerror(errno));
    KS_CHECK(S_ISCHR(info.st_mode), KS_ERR_USAGE, "TPM '%s' is no character device", path);
    *out_fd = fd;
    fd = -1;
out:
    ks_fd_close(&fd);
    return err;
}
