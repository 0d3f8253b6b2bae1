/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/relay.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

void ks_relay_init(struct ks_relay *relay)
{
    *relay = (struct ks_relay){.fd = -1};
    ks_buf_init(&relay->out, KS_RELAY_PENDING_MAX);
}

void ks_relay_done(struct ks_relay *relay)
{
    ks_fd_close(&relay->fd);
    ks_buf_done(&relay->out);
}

enum ks_err ks_relay_find(struct ks_relay *relay, const char *host, uint16_t port)
{
    return ks_address_find("key manager", host, port, &relay->address);
}

/* The connection is over, and the enclave is told why. */
static void end(struct ks_relay *relay, struct ks_buf *enclave, const char *reason)
{
    size_t begin = ks_frame_begin(enclave, KS_FRAME_LINK_CLOSE, relay->id);

    ks_buf_put(enclave, ks_bytes_of(reason, strnlen(reason, KS_LINK_TEXT_MAX)));
    ks_frame_end(enclave, begin);
    ks_fd_close(&relay->fd);
    ks_buf_clear(&relay->out);
}

static void begin(struct ks_relay *relay, uint32_t id, struct ks_buf *enclave)
{
    ks_fd_close(&relay->fd);
    ks_buf_clear(&relay->out);
    relay->id = id;
    relay->connected = false;
    if (relay->address.len == 0) {
        end(relay, enclave, "no address of a key manager is configured");
        return;
    }
    relay->fd = ks_address_dial(&relay->address);
    if (relay->fd < 0) {
        end(relay, enclave, strerror(errno));
    }
}

static void send_pending(struct ks_relay *relay, struct ks_buf *enclave)
{
    while (relay->out.len > 0) {
        ssize_t sent = send(relay->fd, relay->out.data, relay->out.len, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (sent < 0) {
            end(relay, enclave, strerror(errno));
            return;
        }
        ks_buf_consume(&relay->out, (size_t)sent);
    }
}

enum ks_err ks_relay_take(struct ks_relay *relay, const struct ks_frame *frame,
                          struct ks_buf *enclave)
{
    enum ks_err err = KS_OK;
    bool current = relay->fd >= 0 && frame->id == relay->id;

    KS_CHECK(frame->payload.len <= KS_LINK_DATA_MAX, KS_ERR_FORMAT,
             "enclave: %zu bytes for its key manager at once", frame->payload.len);
    switch (frame->type) {
    case KS_FRAME_LINK_OPEN:
        begin(relay, frame->id, enclave);
        break;
    case KS_FRAME_LINK_DATA:
        if (current) { /* else: it has not heard of the end yet */
            ks_buf_put(&relay->out, frame->payload);
            if (relay->out.err != KS_OK) {
                end(relay, enclave, "the key manager takes nothing");
            } else if (relay->connected) {
                send_pending(relay, enclave);
            }
        }
        break;
    case KS_FRAME_LINK_CLOSE:
        if (current) {
            ks_fd_close(&relay->fd);
            ks_buf_clear(&relay->out);
        }
        break;
    default:
        err = ks_fail(KS_ERR_FORMAT, "enclave: frame of type %u", frame->type);
        break;
    }
out:
    return err;
}

struct pollfd ks_relay_pollfd(const struct ks_relay *relay)
{
    struct pollfd fd = {.fd = relay->fd, .events = POLLIN};

    if (!relay->connected || relay->out.len > 0) {
        fd.events |= POLLOUT;
    }
    return fd;
}

static void receive(struct ks_relay *relay, struct ks_buf *enclave)
{
    uint8_t bytes[KS_LINK_DATA_MAX];
    ssize_t len = recv(relay->fd, bytes, sizeof bytes, 0);

    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (len <= 0) {
        end(relay, enclave, len < 0 ? strerror(errno) : "it closed the connection");
        return;
    }
    size_t begin_at = ks_frame_begin(enclave, KS_FRAME_LINK_DATA, relay->id);

    ks_buf_put(enclave, ks_bytes_of(bytes, (size_t)len));
    ks_frame_end(enclave, begin_at);
}

void ks_relay_turn(struct ks_relay *relay, short revents, struct ks_buf *enclave)
{
    if (relay->fd < 0 || revents == 0) {
        return;
    }
    if (!relay->connected) {
        const int failure = ks_dial_failure(relay->fd);

        if (failure != 0) {
            end(relay, enclave, strerror(failure));
            return;
        }
        relay->connected = (revents & POLLOUT) != 0;
    }
    if (relay->connected && (revents & POLLOUT) != 0) {
        send_pending(relay, enclave);
    }
    if (relay->fd >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        receive(relay, enclave);
    }
}
