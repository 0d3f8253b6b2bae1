/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"

#define READ_CHUNK  65536
#define CONTROL_FDS ((CMSG_SPACE(sizeof(int)) - CMSG_LEN(0)) / sizeof(int)) /* that fit */

void ks_channel_init(struct ks_channel *channel, int fd, const char *peer)
{
    *channel = (struct ks_channel){.fd = fd, .peer = peer};
    /* A frame without its last byte, and a whole read behind it. */
    ks_buf_init(&channel->in, KS_FRAME_MAX + 4 + READ_CHUNK);
    ks_buf_init(&channel->out, (size_t)2 * KS_FRAME_MAX);
}

void ks_channel_done(struct ks_channel *channel)
{
    ks_buf_wipe(&channel->in);
    ks_buf_wipe(&channel->out);
    ks_fd_close(&channel->fd);
}

size_t ks_frame_begin(struct ks_buf *out, uint16_t type, uint32_t id)
{
    size_t begin = out->len;

    ks_buf_put_u32(out, 0); /* patched by ks_frame_end */
    ks_buf_put_u16(out, type);
    ks_buf_put_u32(out, id);
    return begin;
}

void ks_frame_end(struct ks_buf *out, size_t begin)
{
    size_t len = 0;

    if (out->err != KS_OK) {
        return;
    }
    len = out->len - begin - 4;
    KS_ASSERT(len <= KS_FRAME_MAX);
    for (unsigned i = 0; i < 4; i++) {
        out->data[begin + i] = (uint8_t)(len >> (24 - 8 * i));
    }
}

size_t ks_answer_begin(struct ks_buf *out, uint16_t request_type, uint32_t id)
{
    size_t begin = ks_frame_begin(out, (uint16_t)(request_type | KS_FRAME_ANSWER), id);

    ks_buf_put_u16(out, KS_OK);
    return begin;
}

void ks_answer_error(struct ks_buf *out, uint16_t request_type, uint32_t id, enum ks_err err)
{
    size_t begin = ks_frame_begin(out, (uint16_t)(request_type | KS_FRAME_ANSWER), id);

    KS_ASSERT(err != KS_OK);
    ks_buf_put_u16(out, (uint16_t)err);
    ks_buf_put_lp16(out, ks_bytes_text(ks_err_detail()));
    ks_frame_end(out, begin);
}

enum ks_err ks_channel_flush(struct ks_channel *channel)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_buf_check(&channel->out));
    while (channel->out.len > 0) {
        ssize_t count = send(channel->fd, channel->out.data, channel->out.len, MSG_NOSIGNAL);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            break;
        }
        KS_CHECK(count >= 0, KS_ERR_IO, "write to %s: %s", channel->peer, strerror(errno));
        ks_buf_consume(&channel->out, (size_t)count);
    }
out:
    return err;
}

enum ks_err ks_channel_next(struct ks_channel *channel, struct ks_frame *out_frame,
                            bool *out_found)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    struct ks_frame frame = {0};
    uint32_t len = 0;

    ks_buf_consume(&channel->in, channel->in_done);
    channel->in_done = 0;
    *out_found = false;
    if (channel->in.len < KS_FRAME_HEADER_LEN) {
        return KS_OK;
    }
    reader = ks_reader_of(ks_buf_view(&channel->in), channel->peer);
    KS_TRY(ks_read_u32(&reader, &len));
    KS_CHECK(len >= KS_FRAME_HEADER_LEN - 4 && len <= KS_FRAME_MAX, KS_ERR_FORMAT,
             "%s: frame of %u bytes", channel->peer, len);
    if (reader.rest.len < len) {
        return KS_OK;
    }
    KS_TRY(ks_read_u16(&reader, &frame.type));
    KS_TRY(ks_read_u32(&reader, &frame.id));
    KS_TRY(ks_read_bytes(&reader, len - (KS_FRAME_HEADER_LEN - 4), &frame.payload));
    channel->in_done = 4 + (size_t)len;
    *out_frame = frame;
    *out_found = true;
out:
    return err;
}

/* The one descriptor that came along, or -1. Where there are several (the kernel's padding
 * leaves room for a second), nobody knows which was meant: all are closed. */
static int take_fd(struct msghdr *message)
{
    int fds[CONTROL_FDS];
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof fds[0];
            KS_ASSERT(count <= CONTROL_FDS);
            ks_copy(fds, CMSG_DATA(c), count * sizeof fds[0]);
        }
    }
    for (size_t i = 0; count > 1 && i < count; i++) {
        ks_fd_close(&fds[i]);
    }
    return count == 1 ? fds[0] : -1;
}

/* As ks_channel_fill, at most COUNT_MAX bytes. */
static enum ks_err fill(struct ks_channel *channel, size_t count_max, int *out_fd)
{
    enum ks_err err = KS_OK;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vec = {.iov_base = ks_buf_reserve(&channel->in, count_max),
                        .iov_len = count_max};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
    ssize_t count = 0;

    KS_TRY(ks_buf_check(&channel->in));
    if (out_fd != NULL) {
        *out_fd = -1;
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
    }
    do {
        count = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) {
        return KS_OK;
    }
    if (count < 0 && errno == ECONNRESET) {
        count = 0; /* unix(7): it has closed, with something of ours unread */
    }
    KS_CHECK(count >= 0, KS_ERR_IO, "read from %s: %s", channel->peer, strerror(errno));
    KS_CHECK(count > 0, KS_ERR_NOT_FOUND, "%s has closed", channel->peer);
    ks_buf_grew(&channel->in, (size_t)count);
    if (out_fd != NULL) {
        *out_fd = take_fd(&message);
    }
out:
    return err;
}

enum ks_err ks_channel_fill(struct ks_channel *channel, int *out_fd)
{
    return fill(channel, READ_CHUNK, out_fd);
}

/* Bytes that the frame which IN begins with still lacks, as far as is known and no more than
 * one read takes; at least 1, since
 * ks_channel_next has found no whole one. */
static size_t missing(const struct ks_channel *channel)
{
    struct ks_reader reader = ks_reader_of(ks_buf_view(&channel->in), channel->peer);
    uint32_t len = 0;

    if (channel->in.len < KS_FRAME_HEADER_LEN || ks_read_u32(&reader, &len) != KS_OK) {
        return KS_FRAME_HEADER_LEN - channel->in.len;
    }
    return len - reader.rest.len < READ_CHUNK ? len - reader.rest.len : READ_CHUNK;
}

enum ks_err ks_channel_receive(struct ks_channel *channel, struct ks_frame *out_frame)
{
    enum ks_err err = KS_OK;
    bool found = false;

    KS_TRY(ks_channel_next(channel, out_frame, &found));
    while (!found) {
        /* Nothing behind the frame: the kernel joins it with the next one in one read, and
         * would throw away a descriptor that comes with that. */
        KS_TRY(fill(channel, missing(channel), NULL));
        KS_TRY(ks_channel_next(channel, out_frame, &found));
    }
out:
    return err;
}

enum ks_err ks_channel_send_fd(struct ks_channel *channel, uint16_t type, uint32_t id,
                               struct ks_bytes payload, int fd)
{
    enum ks_err err = KS_OK;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vec = {0};
    struct msghdr message = {.msg_iov = &vec,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    size_t begin = 0;
    ssize_t count = 0;

    if (channel->out.len > 0) { /* it stays as it is: frames of ours, cut anywhere */
        return ks_fail(KS_ERR_IO, "write to %s: it does not read", channel->peer);
    }
    begin = ks_frame_begin(&channel->out, type, id);
    ks_buf_put(&channel->out, payload);
    ks_frame_end(&channel->out, begin);
    KS_TRY(ks_buf_check(&channel->out));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    ks_copy(CMSG_DATA(header), &fd, sizeof fd);
    vec.iov_base = channel->out.data;
    vec.iov_len = channel->out.len;
    do {
        count = sendmsg(channel->fd, &message, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    KS_CHECK(count == (ssize_t)channel->out.len, KS_ERR_IO, "write to %s: %s", channel->peer,
             count < 0 ? strerror(errno) : "cut short");
out:
    ks_buf_clear(&channel->out); /* it was empty before, and the frame goes out now or never */
    return err;
}

bool ks_answer_is_well(const struct ks_frame *frame, uint16_t request_type)
{
    return frame->type == (request_type | KS_FRAME_ANSWER) && frame->payload.len >= 2 &&
           frame->payload.data[0] == 0 && frame->payload.data[1] == 0; /* u16 KS_OK */
}

enum ks_err ks_answer_open(const struct ks_frame *frame, struct ks_reader *out_reader)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(frame->payload, "answer");
    struct ks_bytes detail = {0};
    uint16_t code = 0;

    KS_TRY(ks_read_u16(&reader, &code));
    if (code != KS_OK) {
        KS_TRY(ks_read_lp16(&reader, KS_ERR_DETAIL_MAX, &detail));
        KS_TRY(ks_read_end(&reader));
        return ks_fail((enum ks_err)code, "%.*s", (int)detail.len, (const char *)detail.data);
    }
    *out_reader = reader;
out:
    return err;
}
