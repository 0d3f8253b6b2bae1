/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* dial.h: outgoing TCP connections of ketseald: an address is looked up before the doors close,
 * since afterwards there are no files to find it by; connections to it never block. */
#ifndef KS_SERVER_DIAL_H
#define KS_SERVER_DIAL_H

#include <sys/socket.h>

#include "base/mem.h"

struct ks_address {
    struct sockaddr_storage storage;
    socklen_t len; /* 0: none */
};

/* HOST:PORT; WHAT names it in the error, KS_ERR_IO. */
KS_MUST_CHECK enum ks_err ks_address_find(const char *what, const char *host, uint16_t port,
                                          struct ks_address *out_address);
/* A descriptor whose connection is under way, or -1 with errno. */
int ks_address_dial(const struct ks_address *address);
/* 0 when the connection of FD stands, else the errno why it does not. Asked once FD is writable
 * or broken. */
int ks_dial_failure(int fd);

#endif
