/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Frames over socketpairs: whole, in pieces, several at once, with descriptors, and what cannot
 * be one. */
#include "expect.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "enclave/frame.h"

struct pair {
    struct ks_channel near;
    struct ks_channel far;
};

static void pair_open(struct pair *pair)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ks_channel_init(&pair->near, ends[0], "far");
    ks_channel_init(&pair->far, ends[1], "near");
}

static void pair_close(struct pair *pair)
{
    ks_channel_done(&pair->near);
    ks_channel_done(&pair->far);
    assert_int_equal(pair->near.fd, -1);
}

static void put_frame(struct ks_buf *out, uint16_t type, uint32_t id, struct ks_bytes payload)
{
    const size_t begin = ks_frame_begin(out, type, id);

    ks_buf_put(out, payload);
    ks_frame_end(out, begin);
    assert_int_equal(ks_buf_check(out), KS_OK);
}

static size_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

/* --- whole frames ------------------------------------------------------------------------- */

static void test_bytes(void **state)
{
    /* By hand: u32 length of what follows, u16 type, u32 id, payload (docs/formats/frames.md).
     */
    static const uint8_t want[] = {0,    0,    0,    9,   0x12, 0x34, 0xa1,
                                   0xb2, 0xc3, 0xd4, 'a', 'b',  'c'};
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 100);
    put_frame(&out, 0x1234, 0xa1b2c3d4, KS_LITERAL("abc"));
    expect_bytes(ks_buf_view(&out), KS_BYTES(want));
    ks_buf_done(&out);
}

static void test_round_trips(void **state)
{
    static const size_t lengths[] = {0, 1, 7, 4096, 65526, 65536, 200000};
    struct pair pair;
    struct ks_buf payload;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct ks_frame frame;
        bool found = false;
        int flags = 0;

        pair_open(&pair);
        ks_buf_init(&payload, lengths[i] + 1);
        for (size_t k = 0; k < lengths[i]; k++) {
            ks_buf_put_u8(&payload, (uint8_t)(k * 31));
        }
        put_frame(&pair.near.out, KS_FRAME_JOB, (uint32_t)i, ks_buf_view(&payload));
        /* A non-blocking writer goes on where the socket was full. */
        flags = fcntl(pair.near.fd, F_GETFL);
        assert_int_equal(fcntl(pair.near.fd, F_SETFL, flags | O_NONBLOCK), 0);
        while (!found) {
            assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
            assert_int_equal(ks_channel_fill(&pair.far, NULL), KS_OK);
            assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        }
        assert_int_equal(frame.type, KS_FRAME_JOB);
        assert_int_equal(frame.id, i);
        expect_bytes(frame.payload, ks_buf_view(&payload));
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_false(found);
        ks_buf_done(&payload);
        pair_close(&pair);
    }
}

static void test_byte_by_byte(void **state)
{
    struct pair pair;
    struct ks_buf bytes;
    struct ks_frame frame;
    bool found = false;

    (void)state;
    pair_open(&pair);
    ks_buf_init(&bytes, 1000);
    put_frame(&bytes, 7, 8, KS_LITERAL("slowly"));
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_false(found);
        assert_int_equal(send(pair.near.fd, bytes.data + i, 1, 0), 1);
        assert_int_equal(ks_channel_fill(&pair.far, NULL), KS_OK);
    }
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_true(found);
    expect_text(frame.payload, "slowly");
    ks_buf_done(&bytes);
    pair_close(&pair);
}

static void test_several_in_one_read(void **state)
{
    struct pair pair;
    struct ks_frame frame;
    bool found = false;

    (void)state;
    pair_open(&pair);
    for (uint32_t i = 0; i < 100; i++) {
        put_frame(&pair.near.out, 3, i, ks_bytes_of("0123456789", i % 11));
    }
    assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
    assert_int_equal(ks_channel_fill(&pair.far, NULL), KS_OK);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_true(found);
        assert_int_equal(frame.id, i);
        expect_bytes(frame.payload, ks_bytes_of("0123456789", i % 11));
    }
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_false(found);
    pair_close(&pair);
}

/* --- what cannot be a frame --------------------------------------------------------------- */

static void test_bad_lengths(void **state)
{
    static const uint32_t lengths[] = {0, 1, 5, KS_FRAME_MAX + 1, 0x7fffffff, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct pair pair;
        struct ks_frame frame;
        bool found = true;

        pair_open(&pair);
        ks_buf_put_u32(&pair.far.in, lengths[i]);
        ks_buf_put_u16(&pair.far.in, 1);
        ks_buf_put_u32(&pair.far.in, 1);
        expect_failure(ks_channel_next(&pair.far, &frame, &found), KS_ERR_FORMAT,
                       "near: frame of");
        assert_false(found);
        pair_close(&pair);
    }
}

static void test_shortest_and_longest(void **state)
{
    struct pair pair;
    struct ks_frame frame;
    bool found = false;

    (void)state;
    pair_open(&pair);
    ks_buf_put_u32(&pair.far.in, KS_FRAME_HEADER_LEN - 4);
    ks_buf_put_u16(&pair.far.in, 1);
    ks_buf_put_u32(&pair.far.in, 2);
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_true(found);
    assert_int_equal(frame.payload.len, 0);
    pair_close(&pair);

    pair_open(&pair);
    ks_buf_put_u32(&pair.far.in, KS_FRAME_MAX);
    ks_buf_put_u16(&pair.far.in, 1);
    ks_buf_put_u32(&pair.far.in, 2);
    assert_non_null(ks_buf_reserve(&pair.far.in, KS_FRAME_MAX - 6));
    ks_zero(pair.far.in.data + pair.far.in.len, KS_FRAME_MAX - 6);
    ks_buf_grew(&pair.far.in, KS_FRAME_MAX - 7);
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_false(found);
    ks_buf_put_u8(&pair.far.in, 9);
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_true(found);
    assert_int_equal(frame.payload.len, KS_FRAME_MAX - 6);
    pair_close(&pair);
}

/* The largest frame, cut anywhere near its end: then the buffer holds more than KS_FRAME_MAX,
 * and a whole read more has to fit. */
static void test_longest_in_two_parts(void **state)
{
    (void)state;
    for (size_t lacks = 1; lacks <= 5; lacks++) {
        struct pair pair;
        struct ks_frame frame;
        uint8_t rest[5 + KS_FRAME_HEADER_LEN] = {0};
        bool found = false;

        pair_open(&pair);
        ks_buf_put_u32(&pair.far.in, KS_FRAME_MAX);
        ks_buf_put_u16(&pair.far.in, 1);
        ks_buf_put_u32(&pair.far.in, 2);
        assert_non_null(ks_buf_reserve(&pair.far.in, KS_FRAME_MAX - 6 - lacks));
        ks_zero(pair.far.in.data + pair.far.in.len, KS_FRAME_MAX - 6 - lacks);
        ks_buf_grew(&pair.far.in, KS_FRAME_MAX - 6 - lacks);
        rest[lacks + 3] = KS_FRAME_HEADER_LEN - 4; /* an empty frame behind it */
        assert_int_equal(send(pair.near.fd, rest, lacks + KS_FRAME_HEADER_LEN, 0),
                         (ssize_t)lacks + KS_FRAME_HEADER_LEN);
        assert_int_equal(ks_channel_fill(&pair.far, NULL), KS_OK);
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_true(found);
        assert_int_equal(frame.payload.len, KS_FRAME_MAX - 6);
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_true(found);
        assert_int_equal(frame.payload.len, 0);
        pair_close(&pair);
    }
}

/* A send that failed leaves nothing behind for the next one to trip over. */
static void test_descriptor_to_a_closed_peer(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    ks_fd_close(&pair.near.fd);
    for (int i = 0; i < 2; i++) {
        expect_failure(ks_channel_send_fd(&pair.far, 1, 1, KS_LITERAL("x"), STDIN_FILENO),
                       KS_ERR_IO, "write to near");
        assert_int_equal(pair.far.out.len, 0);
    }
    pair_close(&pair);
}

/* What waits for a peer that does not read stays whole, and no descriptor overtakes it. */
static void test_descriptor_behind_what_waits(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    put_frame(&pair.near.out, 1, 1, KS_LITERAL("waits"));
    for (int i = 0; i < 2; i++) {
        const size_t len = pair.near.out.len;

        expect_failure(ks_channel_send_fd(&pair.near, 1, 2, KS_LITERAL("x"), STDIN_FILENO),
                       KS_ERR_IO, "it does not read");
        assert_int_equal(pair.near.out.len, len);
    }
    pair_close(&pair);
}

static void success_as_error(void *argument)
{
    struct ks_buf out;

    (void)argument;
    ks_buf_init(&out, 1000);
    ks_answer_error(&out, 1, 1, KS_OK);
}

static void test_success_is_no_error(void **state)
{
    (void)state;
    assert_true(aborts(success_as_error, NULL));
}

static void test_closed_peer(void **state)
{
    struct pair pair;
    struct ks_frame frame;

    (void)state;
    pair_open(&pair);
    assert_int_equal(send(pair.near.fd, "\0\0\0\x20\0", 5, 0), 5); /* a frame cut short */
    assert_int_equal(close(pair.near.fd), 0);
    pair.near.fd = -1;
    expect_failure(ks_channel_receive(&pair.far, &frame), KS_ERR_NOT_FOUND, "near has closed");
    put_frame(&pair.far.out, 1, 1, KS_LITERAL("x"));
    expect_failure(ks_channel_flush(&pair.far), KS_ERR_IO, "write to near");
    pair_close(&pair);
}

/* A peer that ends with a frame of ours unread has closed like any other. */
static void test_closed_peer_that_read_nothing(void **state)
{
    struct pair pair;
    int fd = -1;

    (void)state;
    pair_open(&pair);
    put_frame(&pair.far.out, 1, 1, KS_LITERAL("x"));
    assert_int_equal(ks_channel_flush(&pair.far), KS_OK);
    assert_int_equal(close(pair.near.fd), 0);
    pair.near.fd = -1;
    expect_failure(ks_channel_fill(&pair.far, &fd), KS_ERR_NOT_FOUND, "near has closed");
    pair_close(&pair);
}

static void too_long(void *argument)
{
    struct ks_buf out;
    const size_t begin =
        (ks_buf_init(&out, 2 * (size_t)KS_FRAME_MAX), ks_frame_begin(&out, 1, 1));

    (void)argument;
    if (ks_buf_reserve(&out, KS_FRAME_MAX) != NULL) {
        ks_buf_grew(&out, KS_FRAME_MAX);
    }
    ks_frame_end(&out, begin);
}

static void test_no_frame_over_the_limit_is_written(void **state)
{
    (void)state;
    assert_true(aborts(too_long, NULL));
}

/* --- descriptors -------------------------------------------------------------------------- */

static void test_descriptor(void **state)
{
    struct pair pair;
    struct ks_frame frame;
    bool found = false;
    int pipe_ends[2];
    int fd = -2;
    char byte = 0;

    (void)state;
    pair_open(&pair);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(
        ks_channel_send_fd(&pair.near, KS_FRAME_WORKER, 4, KS_LITERAL("pid!"), pipe_ends[1]),
        KS_OK);
    assert_int_equal(ks_channel_fill(&pair.far, &fd), KS_OK);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
    assert_true(found);
    assert_int_equal(frame.type, KS_FRAME_WORKER);
    expect_text(frame.payload, "pid!");
    assert_int_equal(write(fd, "w", 1), 1); /* it is that pipe */
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'w');
    (void)close(fd);
    /* None came: -1. */
    put_frame(&pair.near.out, 1, 1, KS_LITERAL("x"));
    assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
    assert_int_equal(ks_channel_fill(&pair.far, &fd), KS_OK);
    assert_int_equal(fd, -1);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    pair_close(&pair);
}

/* The launcher writes the configuration and at once, before it is read, the first worker. */
static void test_descriptor_behind_a_plain_frame(void **state)
{
    struct pair pair;
    struct ks_frame frame;
    bool found = false;
    int fd = -1;

    (void)state;
    pair_open(&pair);
    put_frame(&pair.near.out, KS_FRAME_CONFIG, 0, KS_LITERAL("what it is to know"));
    assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(
            ks_channel_send_fd(&pair.near, KS_FRAME_WORKER, i, KS_LITERAL("pid!"), 1), KS_OK);
    }
    assert_int_equal(ks_channel_receive(&pair.far, &frame), KS_OK);
    assert_int_equal(frame.type, KS_FRAME_CONFIG);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ks_channel_fill(&pair.far, &fd), KS_OK);
        assert_true(fd >= 0);
        (void)close(fd);
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_true(found);
        assert_int_equal(frame.id, i);
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_false(found);
    }
    pair_close(&pair);
}

/* An error and, behind it, an answer with a descriptor come in one read: it is the latter's. */
static void test_descriptor_behind_an_error(void **state)
{
    static const uint8_t well[] = {0, 0, 9};
    struct pair pair;
    struct ks_frame frame;
    bool found = false;
    int fd = -1;

    (void)state;
    pair_open(&pair);
    ks_answer_error(&pair.near.out, KS_FRAME_FL_OPEN, 0,
                    ks_fail(KS_ERR_NOT_FOUND, "nobody sent it"));
    ks_frame_end(&pair.near.out, ks_answer_begin(&pair.near.out, KS_FRAME_FL_SYNC, 1));
    ks_frame_end(&pair.near.out,
                 ks_frame_begin(&pair.near.out, KS_FRAME_FL_OPEN | KS_FRAME_ANSWER, 2));
    assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
    assert_int_equal(ks_channel_send_fd(&pair.near, KS_FRAME_FL_OPEN | KS_FRAME_ANSWER, 3,
                                        KS_BYTES(well), STDIN_FILENO),
                     KS_OK);
    assert_int_equal(ks_channel_fill(&pair.far, &fd), KS_OK);
    assert_true(fd >= 0);
    (void)close(fd);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(ks_channel_next(&pair.far, &frame, &found), KS_OK);
        assert_true(found);
        assert_int_equal(frame.id, i);
        assert_int_equal(ks_answer_is_well(&frame, KS_FRAME_FL_OPEN), i == 3);
    }
    pair_close(&pair);
}

static void send_descriptors(int socket_fd, const int *fds, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec vec = {.iov_base = control.bytes, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vec,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    ks_copy(CMSG_DATA(header), fds, count * sizeof(int));
    assert_int_equal(sendmsg(socket_fd, &message, 0), 1);
}

/* More than one is nothing we send: none is taken and none stays open. */
static void test_unwanted_descriptors(void **state)
{
    static const int fds[8] = {0, 1, 2, 0, 1, 2, 0, 1};
    struct pair pair;

    (void)state;
    pair_open(&pair);
    const size_t before = open_descriptors();
    for (size_t count = 1; count <= 8; count++) {
        int fd = -2;

        send_descriptors(pair.near.fd, fds, count);
        assert_int_equal(ks_channel_fill(&pair.far, &fd), KS_OK);
        if (count == 1) {
            assert_true(fd >= 0);
            (void)close(fd);
        } else {
            assert_int_equal(fd, -1);
        }
        send_descriptors(pair.near.fd, fds, count);
        assert_int_equal(ks_channel_fill(&pair.far, NULL), KS_OK); /* wants none at all */
        assert_int_equal(open_descriptors(), before);
    }
    pair_close(&pair);
}

/* --- answers ------------------------------------------------------------------------------ */

static void test_answers(void **state)
{
    struct pair pair;
    struct ks_frame frame;
    struct ks_reader reader;
    uint64_t value = 0;
    size_t begin = 0;

    (void)state;
    pair_open(&pair);
    begin = ks_answer_begin(&pair.near.out, KS_FRAME_RUN, 77);
    ks_buf_put_u64(&pair.near.out, 1234567890123);
    ks_frame_end(&pair.near.out, begin);
    ks_answer_error(&pair.near.out, KS_FRAME_RUN, 78, ks_fail(KS_ERR_DENIED, "no, '%s'", "x"));
    assert_int_equal(ks_channel_flush(&pair.near), KS_OK);
    assert_int_equal(ks_channel_receive(&pair.far, &frame), KS_OK);
    assert_int_equal(frame.type, KS_FRAME_RUN | KS_FRAME_ANSWER);
    assert_int_equal(frame.id, 77);
    assert_int_equal(ks_answer_open(&frame, &reader), KS_OK);
    assert_int_equal(ks_read_u64(&reader, &value), KS_OK);
    assert_int_equal(value, 1234567890123);
    assert_int_equal(ks_read_end(&reader), KS_OK);
    assert_int_equal(ks_channel_receive(&pair.far, &frame), KS_OK);
    assert_int_equal(frame.id, 78);
    (void)!ks_fail(KS_ERR_IO, "something else");
    expect_failure(ks_answer_open(&frame, &reader), KS_ERR_DENIED, "no, 'x'");
    pair_close(&pair);
}

static void test_bad_answers(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"", 0},
        {"\0", 1},
        {"\0\x03", 2}, /* no detail */
        {"\0\x03\0\x05"
         "abc",
         7},                   /* cut short */
        {"\0\x03\0\0x", 5},    /* something behind it */
        {"\0\x03\x02\x01", 4}, /* over the limit */
    };
    struct ks_reader reader;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_frame frame = {.payload = ks_bytes_of(cases[i].bytes, cases[i].len)};
        const enum ks_err err = ks_answer_open(&frame, &reader);

        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
    }
}

/* A peer's error is an error of ours, whatever its number; never success. */
static void test_every_code(void **state)
{
    struct ks_buf payload;
    struct ks_reader reader;

    (void)state;
    ks_buf_init(&payload, 100);
    for (unsigned code = 1; code <= 0xffff; code += code < 300 ? 1 : 251) {
        ks_buf_clear(&payload);
        ks_buf_put_u16(&payload, (uint16_t)code);
        ks_buf_put_lp16(&payload, KS_LITERAL("what"));
        const struct ks_frame frame = {.payload = ks_buf_view(&payload)};
        const enum ks_err err = ks_answer_open(&frame, &reader);

        assert_int_not_equal(err, KS_OK);
        assert_string_equal(ks_err_name(err), ks_err_name((enum ks_err)code));
    }
    ks_buf_done(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_several_in_one_read),
        cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_shortest_and_longest),
        cmocka_unit_test(test_longest_in_two_parts),
        cmocka_unit_test(test_closed_peer),
        cmocka_unit_test(test_closed_peer_that_read_nothing),
        cmocka_unit_test(test_descriptor_to_a_closed_peer),
        cmocka_unit_test(test_descriptor_behind_what_waits),
        cmocka_unit_test(test_success_is_no_error),
        cmocka_unit_test(test_no_frame_over_the_limit_is_written),
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_descriptor_behind_a_plain_frame),
        cmocka_unit_test(test_descriptor_behind_an_error),
        cmocka_unit_test(test_unwanted_descriptors),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_every_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
