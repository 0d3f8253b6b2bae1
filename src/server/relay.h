/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* relay.h: ketseald's part in the enclave's connection to its key manager: it opens the socket
 * and moves bytes, whose TLS ends in the enclave. The address is found before the doors close;
 * one connection at a time, newer ones put an end to older ones. On the server's own thread. */
#ifndef KS_SERVER_RELAY_H
#define KS_SERVER_RELAY_H

#include <poll.h>

#include "enclave/frame.h"
#include "server/dial.h"

#define KS_RELAY_PENDING_MAX 262144 /* bytes that wait for the manager */

struct ks_relay {
    struct ks_address address; /* of length 0: there is no manager */
    int fd;                    /* -1: no connection */
    uint32_t id;               /* of the connection */
    bool connected;
    struct ks_buf out;
};

void ks_relay_init(struct ks_relay *relay);
void ks_relay_done(struct ks_relay *relay);
/* HOST:PORT, looked up once. KS_ERR_IO when there is none of that name. */
KS_MUST_CHECK enum ks_err ks_relay_find(struct ks_relay *relay, const char *host,
                                        uint16_t port);

/* One frame of the enclave's. What goes back is put into ENCLAVE. KS_ERR_FORMAT for a frame
 * that is none of the three, or too long. */
KS_MUST_CHECK enum ks_err ks_relay_take(struct ks_relay *relay, const struct ks_frame *frame,
                                        struct ks_buf *enclave);
/* What to wait for; fd -1: nothing. */
struct pollfd ks_relay_pollfd(const struct ks_relay *relay);
/* After poll said REVENTS. */
void ks_relay_turn(struct ks_relay *relay, short revents, struct ks_buf *enclave);

#endif
