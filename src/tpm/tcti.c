/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The transport interface of the TCG "TSS 2.0 TPM Command Transmission Interface API". The
 * stock ones want device paths, ports, or a control socket and a new connection for each
 * command. */
#include "tpm/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"

#define TCTI_MAGIC   0x6b657473706d0001 /* any constant: tells transports apart in a debugger */
#define TCTI_VERSION 1

#define RETRY_FIRST_MS 5 /* doubled each time, up to about */
#define RETRY_LAST_MS  200

/* Waits for EVENTS until DEADLINE_US on the monotonic clock: 1 ready, 0 late, -1 broken. */
static int wait_for(int fd, short events, uint64_t deadline_us)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    for (;;) {
        uint64_t now_us = ks_clock_monotonic_us();
        /* Rounded up, so that the last wait does not spin. At most timeout_ms, an unsigned from
         * the caller that ks_tpm_open_fd holds below INT_MAX. */
        int left_ms = now_us >= deadline_us ? 0 : (int)((deadline_us - now_us + 999) / 1000);
        int ready = poll(&poll_fd, 1, left_ms);

        if (ready >= 0 || errno != EINTR) {
            return ready;
        }
    }
}

static TSS2_RC give_up(struct ks_tcti *tcti, TSS2_RC code)
{
    tcti->dead = true;
    tcti->waiting = false;
    return code;
}

/* Sends the command that is kept. */
static TSS2_RC send_command(struct ks_tcti *tcti)
{
    uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)tcti->timeout_ms * 1000;
    struct ks_reader rest =
        ks_reader_of(ks_bytes_of(tcti->command, tcti->command_len), "TPM command");
    struct ks_bytes sent_part;

    while (rest.rest.len > 0) {
        /* MSG_NOSIGNAL: a TPM that ended is an error here, not the end of this process. */
        ssize_t sent = tcti->socket ? send(tcti->fd, rest.rest.data, rest.rest.len,
                                           MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : write(tcti->fd, rest.rest.data, rest.rest.len);
        if (sent < 0 && errno == EAGAIN && wait_for(tcti->fd, POLLOUT, deadline_us) > 0) {
            continue;
        }
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0 || ks_read_bytes(&rest, (size_t)sent, &sent_part) != KS_OK) {
            return give_up(tcti, TSS2_TCTI_RC_IO_ERROR);
        }
    }
    tcti->waiting = true;
    tcti->len = 0;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct ks_tcti *tcti = (struct ks_tcti *)context;

    if (tcti->dead) {
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    if (tcti->waiting) {
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    }
    if (size > sizeof tcti->command) {
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    ks_copy(tcti->command, command, size);
    tcti->command_len = size;
    return send_command(tcti);
}

/* The size that the response's header states, 0 while the header is incomplete. */
static size_t response_size(const struct ks_tcti *tcti)
{
    struct ks_reader reader =
        ks_reader_of(ks_bytes_of(tcti->response, tcti->len), "TPM response");
    uint16_t tag;
    uint32_t size = 0;

    if (tcti->len < KS_TPM_HEADER_LEN || ks_read_u16(&reader, &tag) != KS_OK ||
        ks_read_u32(&reader, &size) != KS_OK) {
        return 0;
    }
    return size;
}

/* Reads until the response is complete. */
static TSS2_RC fill(struct ks_tcti *tcti, uint64_t deadline_us, bool may_return)
{
    for (;;) {
        size_t size = response_size(tcti);
        bool sane = tcti->len < KS_TPM_HEADER_LEN ||
                    (size >= KS_TPM_HEADER_LEN && size <= sizeof tcti->response);

        if (!sane || (size != 0 && tcti->len > size)) {
            return give_up(tcti, TSS2_TCTI_RC_MALFORMED_RESPONSE);
        }
        if (size != 0 && tcti->len == size) {
            return TSS2_RC_SUCCESS;
        }
        int ready = wait_for(tcti->fd, POLLIN, deadline_us);
        if (ready == 0 && may_return) {
            return TSS2_TCTI_RC_TRY_AGAIN;
        }
        if (ready <= 0) {
            return give_up(tcti, TSS2_TCTI_RC_IO_ERROR);
        }
        /* The whole rest of the buffer at once: older kernels drop what one read of a device
         * leaves. */
        ssize_t got =
            read(tcti->fd, tcti->response + tcti->len, sizeof tcti->response - tcti->len);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got <= 0) {
            return give_up(tcti, TSS2_TCTI_RC_IO_ERROR);
        }
        tcti->len += (size_t)got;
    }
}

/* True when the complete response asks for the same command again, a little later:
 * TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING (TPM2 part 2 §6.6.3). The kernel's driver does
 * this itself. */
static bool asks_again(const struct ks_tcti *tcti)
{
    struct ks_reader reader =
        ks_reader_of(ks_bytes_of(tcti->response, tcti->len), "TPM response");
    uint16_t tag;
    uint32_t size;
    uint32_t code = 0;

    return ks_read_u16(&reader, &tag) == KS_OK && ks_read_u32(&reader, &size) == KS_OK &&
           ks_read_u32(&reader, &code) == KS_OK &&
           (code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING);
}

/* Reads the response, and sends the command again as long as the TPM asks for that and
 * DEADLINE_US is not over. */
static TSS2_RC answer(struct ks_tcti *tcti, uint64_t deadline_us, bool may_return)
{
    int pause_ms = RETRY_FIRST_MS;

    for (;;) {
        TSS2_RC rc = fill(tcti, deadline_us, may_return);

        if (rc != TSS2_RC_SUCCESS || !asks_again(tcti) ||
            ks_clock_monotonic_us() + (uint64_t)pause_ms * 1000 >= deadline_us) {
            return rc;
        }
        (void)poll(NULL, 0, pause_ms); /* sleeps; a signal only shortens it */
        pause_ms = pause_ms < RETRY_LAST_MS ? 2 * pause_ms : pause_ms;
        rc = send_command(tcti);
        if (rc != TSS2_RC_SUCCESS) {
            return rc;
        }
    }
}

/* TIMEOUT in milliseconds; TSS2_TCTI_TIMEOUT_BLOCK means our own timeout: nothing waits for
 * ever. The library asks for the size first with RESPONSE NULL, then for the bytes. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                       int32_t timeout)
{
    struct ks_tcti *tcti = (struct ks_tcti *)context;
    bool blocking = timeout == TSS2_TCTI_TIMEOUT_BLOCK;
    unsigned wait_ms = blocking ? tcti->timeout_ms : (unsigned)timeout;
    TSS2_RC rc;

    if (tcti->dead) {
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    if (!tcti->waiting) {
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    }
    if (timeout < TSS2_TCTI_TIMEOUT_BLOCK) {
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    rc = answer(tcti, ks_clock_monotonic_us() + (uint64_t)wait_ms * 1000, !blocking);
    if (rc != TSS2_RC_SUCCESS) {
        return rc;
    }
    if (response != NULL) {
        if (*size < tcti->len) {
            *size = tcti->len;
            return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        }
        ks_copy(response, tcti->response, tcti->len);
        ks_wipe(tcti->response, tcti->len); /* random bytes may become keys */
        ks_wipe(tcti->command, tcti->command_len);
        tcti->waiting = false;
    }
    *size = tcti->len;
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
    struct ks_tcti *tcti = (struct ks_tcti *)context;

    give_up(tcti, TSS2_RC_SUCCESS);
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *context)
{
    (void)context;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC get_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles,
                                size_t *count)
{
    const struct ks_tcti *tcti = (const struct ks_tcti *)context;

    if (handles != NULL) {
        if (*count < 1) {
            return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        }
        *handles = (TSS2_TCTI_POLL_HANDLE){.fd = tcti->fd, .events = POLLIN};
    }
    *count = 1;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    (void)context;
    return locality == 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_NOT_SUPPORTED;
}

void ks_tcti_init(struct ks_tcti *tcti, int fd, bool socket, unsigned timeout_ms)
{
    *tcti = (struct ks_tcti){
        .common = {.magic = TCTI_MAGIC,
                   .version = TCTI_VERSION,
                   .transmit = transmit,
                   .receive = receive,
                   .finalize = finalize,
                   .cancel = cancel,
                   .getPollHandles = get_poll_handles,
                   .setLocality = set_locality},
        .fd = fd,
        .socket = socket,
        .timeout_ms = timeout_ms,
    };
}
