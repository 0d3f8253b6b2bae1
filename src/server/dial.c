/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/sys.h"

enum ks_err ks_address_find(const char *what, const char *host, uint16_t port,
                            struct ks_address *out_address)
{
    enum ks_err err = KS_OK;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int result = 0;

    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    result = getaddrinfo(host, service, &hints, &found);
    KS_CHECK(result == 0, KS_ERR_IO, "%s '%s': %s", what, host, gai_strerror(result));
    KS_ASSERT(found->ai_addrlen <= sizeof out_address->storage);
    ks_copy(&out_address->storage, found->ai_addr, found->ai_addrlen);
    out_address->len = found->ai_addrlen;
out:
    if (found != NULL) {
        freeaddrinfo(found);
    }
    return err;
}

int ks_address_dial(const struct ks_address *address)
{
    const int on = 1;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    /* Without it small requests wait for an acknowledgement; its failure costs time alone. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno != EINPROGRESS) {
        ks_fd_close(&fd);
    }
    return fd;
}

int ks_dial_failure(int fd)
{
    int failure = 0;
    socklen_t len = sizeof failure;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0 ? errno : failure;
}
