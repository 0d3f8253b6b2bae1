/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "enclave/frame.h"

#define CHUNK 65536 /* what one fill reads at most */

/* Two channels joined by a socketpair. */
struct pair {
    struct ks_channel a;
    struct ks_channel b;
};

static void pair_open(struct pair *pair)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ks_channel_init(&pair->a, ends[0], "left");
    ks_channel_init(&pair->b, ends[1], "right");
}

static void pair_close(struct pair *pair)
{
    ks_channel_done(&pair->a);
    ks_channel_done(&pair->b);
}

static void put_frame(struct ks_buf *out, uint16_t type, uint32_t id, struct ks_bytes payload)
{
    size_t begin = ks_frame_begin(out, type, id);

    ks_buf_put(out, payload);
    ks_frame_end(out, begin);
}

static void send_raw(int fd, struct ks_bytes bytes)
{
    assert_int_equal(ks_fd_write(fd, bytes, "socket"), KS_OK);
}

static void expect_frame(const struct ks_frame *frame, uint16_t type, uint32_t id,
                         const char *payload)
{
    assert_int_equal(frame->type, type);
    assert_int_equal(frame->id, id);
    expect_text(frame->payload, payload);
}

static void expect_none(struct ks_channel *channel)
{
    struct ks_frame frame = {0};
    bool found = true;

    assert_int_equal(ks_channel_next(channel, &frame, &found), KS_OK);
    assert_false(found);
}

static void expect_next(struct ks_channel *channel, uint16_t type, uint32_t id,
                        const char *payload)
{
    struct ks_frame frame = {0};
    bool found = false;

    assert_int_equal(ks_channel_next(channel, &frame, &found), KS_OK);
    assert_true(found);
    expect_frame(&frame, type, id, payload);
}

static void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    }
    return count;
}

static bool same_file(int a, int b)
{
    struct stat left;
    struct stat right;

    assert_int_equal(fstat(a, &left), 0);
    assert_int_equal(fstat(b, &right), 0);
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/* --- bytes -------------------------------------------------------------------------------- */

static void test_bytes_on_the_wire(void **state)
{
    (void)state;
    struct ks_buf out;
    static const uint8_t wanted[] = {0, 0, 0, 8, 0x80, 0x05, 0xde, 0xad, 0xbe, 0xef, 0,   0,  0,
                                     0, 0, 9, 0, 7,    0,    0,    0,    1,    'a',  'b', 'c'};

    ks_buf_init(&out, 100);
    ks_frame_end(&out, ks_answer_begin(&out, KS_FRAME_RUN, 0xdeadbeef));
    put_frame(&out, KS_FRAME_CHECKPOINT, 1, KS_LITERAL("abc"));
    assert_int_equal(ks_buf_check(&out), KS_OK);
    expect_bytes(ks_buf_view(&out), KS_BYTES(wanted));
    ks_buf_done(&out);
}

static void test_a_full_buffer_stays_the_callers_error(void **state)
{
    (void)state;
    struct ks_buf out;

    ks_buf_init(&out, 12);
    put_frame(&out, 1, 2, KS_LITERAL("abc"));
    assert_int_equal(ks_buf_check(&out), KS_ERR_LIMIT);
    ks_buf_done(&out);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_buf out;

    pair_open(&pair);
    ks_buf_init(&out, 100);
    put_frame(&out, 3, 7, KS_LITERAL("seven"));
    put_frame(&out, 4, 8, ks_bytes_of(NULL, 0));
    for (size_t i = 0; i < out.len; i++) {
        expect_none(&pair.b);
        send_raw(pair.a.fd, ks_bytes_of(out.data + i, 1));
        assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
        if (i + 1 == KS_FRAME_HEADER_LEN + 5) {
            expect_next(&pair.b, 3, 7, "seven");
        }
    }
    expect_next(&pair.b, 4, 8, "");
    expect_none(&pair.b);
    ks_buf_done(&out);
    pair_close(&pair);
}

static void test_several_in_one_read(void **state)
{
    (void)state;
    struct pair pair;

    pair_open(&pair);
    put_frame(&pair.a.out, 1, 1, KS_LITERAL("one"));
    put_frame(&pair.a.out, 2, 2, ks_bytes_of(NULL, 0));
    put_frame(&pair.a.out, 3, 3, KS_LITERAL("three"));
    put_frame(&pair.a.out, 4, 4, KS_LITERAL("four"));
    pair.a.out.len -= 2; /* the end of the last one comes later */
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    assert_int_equal(pair.a.out.len, 0);
    assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
    expect_next(&pair.b, 1, 1, "one");
    expect_next(&pair.b, 2, 2, "");
    expect_next(&pair.b, 3, 3, "three");
    expect_none(&pair.b);
    expect_none(&pair.b);
    send_raw(pair.a.fd, KS_LITERAL("ur"));
    assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
    expect_next(&pair.b, 4, 4, "four");
    pair_close(&pair);
}

static void test_receive_waits_and_reads_no_further(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_frame frame = {0};
    char rest[64];
    struct ks_buf out;

    pair_open(&pair);
    ks_buf_init(&out, 100);
    put_frame(&out, 5, 6, KS_LITERAL("payload"));
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (size_t i = 0; i < out.len; i += 3) {
            const size_t len = out.len - i < 3 ? out.len - i : 3;

            (void)!write(pair.a.fd, out.data + i, len);
            (void)usleep(2000);
        }
        (void)!write(pair.a.fd, "behind", 6);
        _exit(0);
    }
    assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
    expect_frame(&frame, 5, 6, "payload");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* What stands behind the frame is still the socket's. */
    assert_int_equal(recv(pair.b.fd, rest, sizeof rest, MSG_DONTWAIT), 6);
    assert_memory_equal(rest, "behind", 6);
    ks_buf_done(&out);
    pair_close(&pair);
}

/* --- limits ------------------------------------------------------------------------------- */

static void test_lengths_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        uint32_t len;
        const char *text;
    } cases[] = {
        {0, "right: frame of 0 bytes"},
        {5, "right: frame of 5 bytes"},
        {KS_FRAME_MAX + 1, "right: frame of 41943041 bytes"},
        {UINT32_MAX, "right: frame of 4294967295 bytes"},
        {UINT32_C(0x80000000), "right: frame of 2147483648 bytes"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair;
        struct ks_frame frame = {.type = 77};
        bool found = true;

        for (int blocking = 0; blocking < 2; blocking++) {
            pair_open(&pair);
            ks_buf_put_u32(&pair.a.out, cases[i].len);
            ks_buf_put(&pair.a.out, KS_LITERAL("123456"));
            assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
            if (blocking == 1) {
                expect_failure(ks_channel_receive(&pair.b, &frame), KS_ERR_FORMAT,
                               cases[i].text);
            } else {
                assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
                expect_failure(ks_channel_next(&pair.b, &frame, &found), KS_ERR_FORMAT,
                               cases[i].text);
                assert_false(found);
            }
            assert_int_equal(frame.type, 77);
            pair_close(&pair);
        }
    }
}

/* Sends LEN bytes in the background and returns the child. */
static pid_t send_much(int fd, struct ks_bytes bytes, size_t first)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        enum ks_err err = ks_fd_write(fd, ks_bytes_of(bytes.data, first), "socket");

        (void)usleep(20000);
        if (err == KS_OK) {
            err = ks_fd_write(fd, ks_bytes_of(bytes.data + first, bytes.len - first), "socket");
        }
        _exit(err == KS_OK ? 0 : 1);
    }
    return pid;
}

/* The largest frame, whatever stands before and behind it and however it is cut. */
static void test_the_largest_frame(void **state)
{
    (void)state;
    static const size_t missing[] = {1, 2, 3, 4, CHUNK};
    struct ks_buf out;
    size_t begin = 0;

    ks_buf_init(&out, (size_t)2 * KS_FRAME_MAX);
    begin = ks_frame_begin(&out, 9, 10);
    assert_non_null(ks_buf_reserve(&out, KS_FRAME_MAX - 6));
    ks_zero(out.data + out.len, KS_FRAME_MAX - 6);
    ks_buf_grew(&out, KS_FRAME_MAX - 6);
    ks_frame_end(&out, begin);
    begin = out.len;
    put_frame(&out, 11, 12, KS_LITERAL("next"));
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        struct pair pair;
        struct ks_frame frame = {0};
        bool found = false;
        int status = 0;

        pair_open(&pair);
        const pid_t pid = send_much(pair.a.fd, ks_buf_view(&out), begin - missing[i]);
        while (!found) {
            assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
            assert_int_equal(ks_channel_next(&pair.b, &frame, &found), KS_OK);
        }
        assert_int_equal(frame.type, 9);
        assert_int_equal(frame.payload.len, KS_FRAME_MAX - 6);
        assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
        expect_frame(&frame, 11, 12, "next");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        pair_close(&pair);
    }
    ks_buf_done(&out);
}

/* A frame that is too long to be is the program's error, not a peer's. */
static void end_too_long(void *argument)
{
    struct ks_buf out;
    size_t begin = 0;

    (void)argument;
    ks_buf_init(&out, (size_t)2 * KS_FRAME_MAX);
    begin = ks_frame_begin(&out, 9, 10);
    KS_ASSERT(ks_buf_reserve(&out, KS_FRAME_MAX - 5) != NULL);
    ks_buf_grew(&out, KS_FRAME_MAX - 5);
    ks_frame_end(&out, begin);
}

static void answer_ok_as_error(void *argument)
{
    struct ks_buf out;

    (void)argument;
    ks_buf_init(&out, 1000);
    ks_answer_error(&out, 1, 1, KS_OK);
}

static void test_programs_errors_abort(void **state)
{
    (void)state;
    assert_true(aborts(end_too_long, NULL));
    assert_true(aborts(answer_ok_as_error, NULL));
}

/* --- peers -------------------------------------------------------------------------------- */

static void test_peer_closed(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_frame frame = {0};

    pair_open(&pair);
    put_frame(&pair.a.out, 1, 1, KS_LITERAL("last"));
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    ks_channel_done(&pair.a);
    assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
    expect_frame(&frame, 1, 1, "last");
    expect_failure(ks_channel_receive(&pair.b, &frame), KS_ERR_NOT_FOUND, "right has closed");
    expect_failure(ks_channel_fill(&pair.b, NULL), KS_ERR_NOT_FOUND, "right has closed");
    /* Writing to nobody is an error, and no signal. */
    put_frame(&pair.b.out, 2, 2, KS_LITERAL("x"));
    expect_failure(ks_channel_flush(&pair.b), KS_ERR_IO, "write to right: Broken pipe");
    ks_buf_clear(&pair.b.out);
    expect_failure(ks_channel_send_fd(&pair.b, 1, 1, KS_LITERAL("x"), STDIN_FILENO), KS_ERR_IO,
                   "write to right: Broken pipe");
    assert_int_equal(pair.b.out.len, 0);
    expect_failure(ks_channel_send_fd(&pair.b, 1, 1, KS_LITERAL("x"), STDIN_FILENO), KS_ERR_IO,
                   "write to right: Broken pipe");
    ks_channel_done(&pair.b);
}

static void test_peer_closed_inside_a_frame(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_frame frame = {0};

    pair_open(&pair);
    put_frame(&pair.a.out, 1, 1, KS_LITERAL("last"));
    pair.a.out.len--;
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    ks_channel_done(&pair.a);
    expect_failure(ks_channel_receive(&pair.b, &frame), KS_ERR_NOT_FOUND, "right has closed");
    ks_channel_done(&pair.b);
}

static void test_nothing_there(void **state)
{
    (void)state;
    struct pair pair;
    int fd = 77;

    pair_open(&pair);
    set_nonblocking(pair.b.fd);
    assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
    assert_int_equal(fd, -1);
    expect_none(&pair.b);
    pair_close(&pair);
}

/* A non-blocking writer keeps what did not go and sends it when there is room. */
static void test_flush_in_parts(void **state)
{
    (void)state;
    static uint8_t payload[1 << 20];
    struct pair pair;
    uint64_t random = 1;
    size_t got = 0;
    bool stuck = false;

    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)next_random(&random);
    }
    pair_open(&pair);
    set_nonblocking(pair.a.fd);
    put_frame(&pair.a.out, 1, 2, KS_BYTES(payload));
    while (got == 0) {
        struct ks_frame frame = {0};
        bool found = false;

        assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
        stuck = stuck || pair.a.out.len > 0;
        assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
        assert_int_equal(ks_channel_next(&pair.b, &frame, &found), KS_OK);
        if (found) {
            expect_bytes(frame.payload, KS_BYTES(payload));
            got = frame.payload.len;
        }
    }
    assert_true(stuck);
    assert_int_equal(pair.a.out.len, 0);
    pair_close(&pair);
}

/* --- descriptors -------------------------------------------------------------------------- */

static int make_file(void)
{
    char path[] = "/tmp/test_frame.XXXXXX";
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

static void test_descriptor(void **state)
{
    (void)state;
    struct pair pair;
    const int sent = make_file();
    int fd = -1;

    pair_open(&pair);
    assert_int_equal(ks_channel_send_fd(&pair.a, 21, 0, KS_LITERAL("pid1"), sent), KS_OK);
    assert_int_equal(pair.a.out.len, 0);
    assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
    assert_true(fd >= 0 && fd != sent);
    assert_true(same_file(fd, sent));
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    expect_next(&pair.b, 21, 0, "pid1");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(sent), 0);
    pair_close(&pair);
}

/* Frames with descriptors never share a read; each fill gives one with its own. */
static void test_descriptors_come_one_by_one(void **state)
{
    (void)state;
    struct pair pair;
    int sent[3];

    pair_open(&pair);
    for (uint32_t i = 0; i < 3; i++) {
        sent[i] = make_file();
        assert_int_equal(ks_channel_send_fd(&pair.a, 21, i, KS_LITERAL("pid"), sent[i]), KS_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        int fd = -1;

        assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
        assert_true(fd >= 0);
        assert_true(same_file(fd, sent[i]));
        expect_next(&pair.b, 21, i, "pid");
        expect_none(&pair.b);
        assert_int_equal(close(fd), 0);
        assert_int_equal(close(sent[i]), 0);
    }
    pair_close(&pair);
}

/* The enclave's start: the configuration, and the first worker sent before it was read. The
 * kernel would join both in one read, and drop the descriptor where none is expected. */
static void test_receive_leaves_the_descriptor_behind_it(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_frame frame = {0};
    const int sent = make_file();
    int fd = -1;

    pair_open(&pair);
    put_frame(&pair.a.out, 22, 0, KS_LITERAL("configuration"));
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    assert_int_equal(ks_channel_send_fd(&pair.a, 21, 5, KS_LITERAL("pid"), sent), KS_OK);
    assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
    expect_frame(&frame, 22, 0, "configuration");
    set_nonblocking(pair.b.fd);
    assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
    assert_true(fd >= 0);
    assert_true(same_file(fd, sent));
    expect_next(&pair.b, 21, 5, "pid");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(sent), 0);
    pair_close(&pair);
}

/* As documented: the descriptor belongs to the last frame of the read. */
static void test_data_before_the_frame_with_a_descriptor(void **state)
{
    (void)state;
    struct pair pair;
    const int sent = make_file();
    int fd = -1;

    pair_open(&pair);
    put_frame(&pair.a.out, 1, 1, KS_LITERAL("plain"));
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    assert_int_equal(ks_channel_send_fd(&pair.a, 21, 2, KS_LITERAL("pid"), sent), KS_OK);
    put_frame(&pair.a.out, 3, 3, KS_LITERAL("behind"));
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    while (fd < 0) {
        assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
    }
    expect_next(&pair.b, 1, 1, "plain");
    expect_next(&pair.b, 21, 2, "pid");
    expect_none(&pair.b);
    assert_true(same_file(fd, sent));
    assert_int_equal(close(fd), 0);
    assert_int_equal(ks_channel_fill(&pair.b, &fd), KS_OK);
    assert_int_equal(fd, -1);
    expect_next(&pair.b, 3, 3, "behind");
    assert_int_equal(close(sent), 0);
    pair_close(&pair);
}

/* Sends one byte with COUNT descriptors. */
static void send_many(int socket, size_t count, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    char byte = 0;
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vec,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof fd)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof fd);
    for (size_t i = 0; i < count; i++) {
        ks_copy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(socket, &message, 0), 1);
}

static void test_descriptors_that_nobody_wants(void **state)
{
    (void)state;

    for (size_t count = 1; count <= 8; count++) {
        struct pair pair;
        int fd = -1;

        pair_open(&pair);
        const unsigned before = open_descriptors();
        send_many(pair.a.fd, count, STDIN_FILENO);
        assert_int_equal(ks_channel_fill(&pair.b, NULL), KS_OK);
        assert_int_equal(open_descriptors(), before);
        if (count > 1) {
            send_many(pair.a.fd, count, STDIN_FILENO);
            expect_failure(ks_channel_fill(&pair.b, &fd), KS_ERR_FORMAT,
                           "right: more than one descriptor at once");
            assert_int_equal(fd, -1);
            assert_int_equal(open_descriptors(), before);
        }
        pair_close(&pair);
    }
}

/* --- answers ------------------------------------------------------------------------------ */

static void test_answers(void **state)
{
    (void)state;
    struct pair pair;
    struct ks_frame frame = {0};
    struct ks_reader reader = {0};
    uint32_t value = 0;
    size_t begin = 0;

    pair_open(&pair);
    begin = ks_answer_begin(&pair.a.out, KS_FRAME_RUN, 7);
    ks_buf_put_u32(&pair.a.out, 1234);
    ks_frame_end(&pair.a.out, begin);
    assert_int_equal(ks_fail(KS_ERR_DENIED, "key 5 was spent"), KS_ERR_DENIED);
    ks_answer_error(&pair.a.out, KS_FRAME_ADMIT, 8, KS_ERR_DENIED);
    assert_int_equal(ks_channel_flush(&pair.a), KS_OK);
    assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
    assert_int_equal(frame.type, KS_FRAME_RUN | KS_FRAME_ANSWER);
    assert_int_equal(frame.id, 7);
    assert_int_equal(ks_answer_open(&frame, &reader), KS_OK);
    assert_int_equal(ks_read_u32(&reader, &value), KS_OK);
    assert_int_equal(value, 1234);
    assert_int_equal(ks_read_end(&reader), KS_OK);
    assert_int_equal(ks_channel_receive(&pair.b, &frame), KS_OK);
    assert_int_equal(frame.type, KS_FRAME_ADMIT | KS_FRAME_ANSWER);
    assert_int_equal(frame.id, 8);
    assert_int_equal(ks_fail(KS_ERR_IO, "something else"), KS_ERR_IO);
    assert_int_equal(ks_answer_open(&frame, &reader), KS_ERR_DENIED);
    assert_string_equal(ks_err_detail(), "key 5 was spent");
    pair_close(&pair);
}

static enum ks_err open_answer(uint16_t code, struct ks_bytes tail)
{
    struct ks_buf payload;
    struct ks_reader reader = {0};
    struct ks_frame frame = {0};
    enum ks_err err = KS_OK;

    ks_buf_init(&payload, 4096);
    ks_buf_put_u16(&payload, code);
    ks_buf_put(&payload, tail);
    frame.payload = ks_buf_view(&payload);
    err = ks_answer_open(&frame, &reader);
    ks_buf_done(&payload);
    return err;
}

static void test_every_error_comes_back(void **state)
{
    (void)state;
    for (uint16_t code = 1; code <= KS_ERR_CONFLICT; code++) {
        expect_failure(open_answer(code, KS_LITERAL("\0\3why")), code, "why");
    }
}

static void test_answers_that_cannot_be(void **state)
{
    (void)state;
    uint8_t detail[2 + KS_ERR_DETAIL_MAX + 1] = {(KS_ERR_DETAIL_MAX + 1) >> 8,
                                                 (KS_ERR_DETAIL_MAX + 1) & 0xff};
    struct ks_frame empty = {0};
    struct ks_reader reader = {0};

    assert_int_equal(ks_answer_open(&empty, &reader), KS_ERR_FORMAT);
    expect_failure(open_answer(KS_ERR_CONFLICT + 1, KS_LITERAL("\0\3why")), KS_ERR_FORMAT,
                   "answer: error code 12");
    expect_failure(open_answer(UINT16_MAX, KS_LITERAL("\0\3why")), KS_ERR_FORMAT,
                   "answer: error code 65535");
    assert_int_equal(open_answer(KS_ERR_IO, KS_LITERAL("")), KS_ERR_FORMAT);
    assert_int_equal(open_answer(KS_ERR_IO, KS_LITERAL("\0\4why")), KS_ERR_FORMAT);
    assert_int_equal(open_answer(KS_ERR_IO, KS_LITERAL("\0\2why")), KS_ERR_FORMAT);
    assert_int_equal(open_answer(KS_ERR_IO, KS_BYTES(detail)), KS_ERR_LIMIT);
    /* A peer's text reaches no terminal as it is. */
    expect_failure(open_answer(KS_ERR_IO, KS_LITERAL("\0\5a\033[1m")), KS_ERR_IO, "a?[1m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_on_the_wire),
        cmocka_unit_test(test_a_full_buffer_stays_the_callers_error),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_several_in_one_read),
        cmocka_unit_test(test_receive_waits_and_reads_no_further),
        cmocka_unit_test(test_lengths_that_cannot_be),
        cmocka_unit_test(test_the_largest_frame),
        cmocka_unit_test(test_programs_errors_abort),
        cmocka_unit_test(test_peer_closed),
        cmocka_unit_test(test_peer_closed_inside_a_frame),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_flush_in_parts),
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_descriptors_come_one_by_one),
        cmocka_unit_test(test_receive_leaves_the_descriptor_behind_it),
        cmocka_unit_test(test_data_before_the_frame_with_a_descriptor),
        cmocka_unit_test(test_descriptors_that_nobody_wants),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_every_error_comes_back),
        cmocka_unit_test(test_answers_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
