/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The relay, in front of a server here that sends back what it gets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/impostor.h"
#include "cli/proxy.h"
#include "net/stream.h"
#include "net/tls_memory.h"
#include "tests/integration/issue.h"

#define MESSAGE_LEN 1000
#define LARGE_LEN   (3 << 20)

/* One connection after the other, until the listener closes. */
struct echo {
    int listener;
    uint16_t port;
    pthread_t thread;
};

static void *serve(void *context)
{
    const struct echo *echo = context;
    int fd = -1;

    while ((fd = accept(echo->listener, NULL, NULL)) >= 0) {
        uint8_t bytes[65536];
        ssize_t got = 0;

        while ((got = read(fd, bytes, sizeof bytes)) > 0) {
            if (ks_fd_write(fd, ks_bytes_of(bytes, (size_t)got), "echo") != KS_OK) {
                break;
            }
        }
        ks_fd_close(&fd);
    }
    return NULL;
}

struct fixture {
    struct echo echo;
    struct ks_proxy *proxy;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    int flags = 0;

    fixture = (struct fixture){0};
    assert_int_equal(
        ks_stream_listen("127.0.0.1", 0, &fixture.echo.listener, &fixture.echo.port), KS_OK);
    flags = fcntl(fixture.echo.listener, F_GETFL);
    assert_int_equal(fcntl(fixture.echo.listener, F_SETFL, flags & ~O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&fixture.echo.thread, NULL, serve, &fixture.echo), 0);
    assert_int_equal(ks_proxy_open(fixture.echo.port, 1, &fixture.proxy), KS_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    ks_proxy_close(fixture->proxy);
    (void)shutdown(fixture->echo.listener, SHUT_RDWR);
    (void)pthread_join(fixture->echo.thread, NULL);
    ks_fd_close(&fixture->echo.listener);
    return 0;
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Microseconds until what was sent is back, as it was. */
static uint64_t exchange(int fd)
{
    const uint64_t begin_us = ks_clock_monotonic_us();
    uint8_t sent[MESSAGE_LEN];
    uint8_t back[MESSAGE_LEN];

    assert_int_equal(ks_random(sent, sizeof sent), KS_OK);
    assert_int_equal(ks_fd_write(fd, KS_BYTES(sent), "relay"), KS_OK);
    assert_int_equal(ks_fd_read(fd, back, sizeof back, "relay"), KS_OK);
    assert_memory_equal(sent, back, sizeof sent);
    return ks_clock_monotonic_us() - begin_us;
}

static void relays(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_deeds deeds;
    uint8_t byte = 0;
    int fd = connect_to(ks_proxy_port(fixture->proxy));

    (void)exchange(fd);
    (void)exchange(fd);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(read(fd, &byte, 1), 0); /* the end goes through, and back */
    ks_proxy_deeds(fixture->proxy, &deeds);
    assert_int_equal(deeds.connections, 1);
    assert_int_equal(deeds.bytes_up, 2 * MESSAGE_LEN);
    assert_int_equal(deeds.bytes_down, 2 * MESSAGE_LEN);
    assert_int_equal(deeds.stalls + deeds.cuts + deeds.flips + deeds.hellos, 0);
    ks_fd_close(&fd);
}

static void *send_large(void *context)
{
    const int *fd = context;
    uint8_t *bytes = ks_calloc(LARGE_LEN, 1);

    for (size_t i = 0; i < LARGE_LEN; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 4);
    }
    assert_int_equal(ks_fd_write(*fd, ks_bytes_of(bytes, LARGE_LEN), "relay"), KS_OK);
    ks_free(bytes);
    return NULL;
}

/* More than it lets wait: it stops reading until there is room again. */
static void relays_more_than_it_holds(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;
    uint8_t *back = ks_calloc(LARGE_LEN, 1);
    pthread_t thread;
    int fd = connect_to(ks_proxy_port(fixture->proxy));

    rules.delay_us = 20000;
    rules.jitter_us = 20000;
    ks_proxy_set(fixture->proxy, &rules);
    assert_int_equal(pthread_create(&thread, NULL, send_large, &fd), 0);
    assert_int_equal(ks_fd_read(fd, back, LARGE_LEN, "relay"), KS_OK);
    (void)pthread_join(thread, NULL);
    for (size_t i = 0; i < LARGE_LEN; i++) {
        assert_int_equal(back[i], (uint8_t)(i * 31 >> 4)); /* jitter overtakes nothing */
    }
    ks_free(back);
    ks_fd_close(&fd);
}

static void delays_and_stalls_and_throttles(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;
    struct ks_proxy_deeds deeds;
    int fd = connect_to(ks_proxy_port(fixture->proxy));

    rules.delay_us = 30000;
    ks_proxy_set(fixture->proxy, &rules); /* for a connection that stands */
    assert_true(exchange(fd) >= 60000);
    rules = KS_PROXY_RULES_INIT;
    rules.stall_permille = 1; /* the first is never spared */
    rules.stall_us = 50000;
    ks_proxy_set(fixture->proxy, &rules);
    assert_true(exchange(fd) >= 50000);
    ks_proxy_deeds(fixture->proxy, &deeds);
    assert_true(deeds.stalls >= 1);
    rules = KS_PROXY_RULES_INIT;
    rules.bytes_per_s = 20000;
    ks_proxy_set(fixture->proxy, &rules);
    assert_true(exchange(fd) >= 2 * MESSAGE_LEN * UINT64_C(1000000) / 20000);
    rules = KS_PROXY_RULES_INIT;
    ks_proxy_set(fixture->proxy, &rules);
    (void)exchange(fd);
    ks_fd_close(&fd);
}

static void cuts(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;
    struct ks_proxy_deeds deeds;
    uint8_t bytes[MESSAGE_LEN] = {0};
    int fd = connect_to(ks_proxy_port(fixture->proxy));

    rules.cut_at = MESSAGE_LEN + MESSAGE_LEN / 2;
    ks_proxy_set(fixture->proxy, &rules);
    (void)exchange(fd);
    assert_int_equal(ks_fd_write(fd, KS_BYTES(bytes), "relay"), KS_OK);
    errno = 0;
    assert_int_equal(read(fd, bytes, sizeof bytes), -1);
    assert_int_equal(errno, ECONNRESET);
    ks_proxy_deeds(fixture->proxy, &deeds);
    assert_int_equal(deeds.cuts, 1);
    ks_fd_close(&fd);
    fd = connect_to(ks_proxy_port(fixture->proxy)); /* once is enough */
    (void)exchange(fd);
    ks_fd_close(&fd);
}

static void turns_one_bit(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;
    uint8_t sent[MESSAGE_LEN] = {0};
    uint8_t back[MESSAGE_LEN];
    int fd = connect_to(ks_proxy_port(fixture->proxy));

    rules.flip_at = 700;
    ks_proxy_set(fixture->proxy, &rules);
    assert_int_equal(ks_fd_write(fd, KS_BYTES(sent), "relay"), KS_OK);
    assert_int_equal(ks_fd_read(fd, back, sizeof back, "relay"), KS_OK);
    sent[700] ^= 1;
    assert_memory_equal(sent, back, sizeof sent);
    (void)exchange(fd);
    ks_fd_close(&fd);
}

/* A ClientHello of ours, as it goes out. */
static size_t make_hello(uint8_t *target, size_t size)
{
    struct test_authority *root = test_authority_new("test");
    struct test_identity *device = test_issue(root, TEST_DEVICE, "device", NULL);
    const struct ks_tls_spec spec = {.side = KS_TLS_CLIENT,
                                     .root_pem = test_root_pem(root),
                                     .cert_pem = test_cert_pem(device),
                                     .key_pem = test_key_pem(device)};
    struct ks_tls *tls = NULL;
    struct ks_tls_memory *memory = NULL;
    struct ks_buf out;
    struct ks_buf none;
    size_t len = 0;

    ks_buf_init(&out, 65536);
    ks_buf_init(&none, 65536);
    assert_int_equal(ks_tls_new(&spec, &tls), KS_OK);
    assert_int_equal(ks_tls_memory_new(tls, "127.0.0.1", &memory), KS_OK);
    assert_int_equal(ks_tls_memory_turn(memory, &none, &out, &none), KS_OK);
    assert_true(out.len > 1000 && out.len <= size);
    ks_copy(target, out.data, out.len);
    len = out.len;
    ks_tls_memory_free(memory);
    ks_tls_free(tls);
    test_identity_free(device);
    test_authority_free(root);
    ks_buf_done(&out);
    ks_buf_done(&none);
    return len;
}

static void alters_a_client_hello(void **state)
{
    static const uint8_t offered[] = {0, 10, 0, 4, 0, 2, 0x11, 0xec}; /* X25519MLKEM768 alone */
    uint8_t hello[8192];
    uint8_t altered[8192];
    const size_t len = make_hello(hello, sizeof hello);
    size_t changed = 0;
    size_t at = 0;

    (void)state;
    ks_copy(altered, hello, len);
    assert_true(ks_proxy_downgrade(altered, len));
    for (size_t i = 0; i < len; i++) {
        if (hello[i] != altered[i]) {
            at = changed == 0 ? i : at;
            changed++;
        }
    }
    assert_int_equal(changed, 2);
    assert_memory_equal(&hello[at - 6], offered, sizeof offered);
    assert_int_equal(altered[at], 0);
    assert_int_equal(altered[at + 1], 0x1d);
    /* Whatever is cut short or is something else is left alone. */
    for (size_t i = 0; i < len; i++) {
        ks_copy(altered, hello, len);
        assert_false(ks_proxy_downgrade(altered, i));
        assert_memory_equal(altered, hello, len);
    }
    altered[0] = 23;
    assert_false(ks_proxy_downgrade(altered, len));
}

static void impostors_are_met(void **state)
{
    struct fixture *fixture = *state;
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;
    struct ks_proxy_deeds deeds = {0};
    uint8_t hello[8192];
    uint8_t answer[5];
    const size_t len = make_hello(hello, sizeof hello);
    int fd = -1;

    assert_int_equal(ks_impostor_open_classical(&rules.impostor), KS_OK);
    ks_proxy_set(fixture->proxy, &rules);
    fd = connect_to(ks_proxy_port(fixture->proxy));
    assert_int_equal(ks_fd_write(fd, ks_bytes_of(hello, len), "relay"), KS_OK);
    assert_int_equal(ks_fd_read(fd, answer, sizeof answer, "relay"), KS_OK);
    assert_int_equal(answer[0], 21); /* an alert: no group in common */
    ks_fd_close(&fd);
    for (unsigned i = 0; deeds.refused == 0 && i < 1000; i++) {
        (void)poll(NULL, 0, 2);
        ks_proxy_deeds(fixture->proxy, &deeds);
    }
    assert_int_equal(deeds.refused, 1);
    assert_int_equal(deeds.deceived, 0);
    assert_int_equal(deeds.bytes_up, 0);
    ks_tls_free(rules.impostor);
    rules = KS_PROXY_RULES_INIT;
    ks_proxy_set(fixture->proxy, &rules);
    fd = connect_to(ks_proxy_port(fixture->proxy));
    (void)exchange(fd);
    ks_fd_close(&fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(relays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(relays_more_than_it_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delays_and_stalls_and_throttles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(turns_one_bit, set_up, tear_down),
        cmocka_unit_test(alters_a_client_hello),
        cmocka_unit_test_setup_teardown(impostors_are_met, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
