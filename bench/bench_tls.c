/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_tls [COUNT]: handshakes and keep-alive requests against the server of src/net, by a
 * device of the root and by one of an issuer below it, and against a bare loop of SSL_accept,
 * SSL_read, SSL_write with the same context, in the same run, round after round. One blocking
 * libssl client. One JSON line per measurement; server_us is the processor time that was not
 * the client's, so that per_core does not depend on how many cores the two share.
 *
 * Then handshakes of several suites, each with bare loops of its own, in turns, beside what the
 * project measured of them before its first line, on another machine (reference_…: ratios
 * between suites carry over, times do not). */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/yardstick.h"
#include "net/http_server.h"
#include "tests/integration/issue.h"

#define COUNT_DEFAULT      300
#define COUNT_MAX          1000000
#define REQUESTS_PER_COUNT 40
#define ROUNDS             3
#define BODY                                                                                   \
    "{\"job\":\"0123456789012345678901234567890123456789012345678"                             \
    "90123456789012345678901234567890123456789\"}"
_Static_assert(sizeof BODY - 1 == 100, "as Content-Length says");
#define REQUEST                                                                                \
    "POST /qjob HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"             \
    "Content-Length: 100\r\n\r\n" BODY
#define ANSWER                                                                                 \
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: "                 \
    "application/json\r\n"                                                                     \
    "Content-Length: 11\r\nCache-Control: no-store\r\n\r\n{\"ok\":true}"

struct target {
    const char *name;
    uint16_t port;
    SSL_CTX *context;    /* the client's */
    unsigned sparing;    /* one handshake of so many that others have; 0: all */
    double reference_ms; /* median of a connection, where it is known */
    double reference_per_core;
};

#define SUITES 6

struct bench {
    size_t count;
    uint32_t *connect_us; /* of COUNT connections */
    struct target targets[3];
    struct target suites[SUITES];
};

struct bare {
    struct ks_tls *tls;
    int fd;
};

static void handle(void *context, struct ks_http_request *request)
{
    const struct ks_http_response response = {
        .status = 200, .content_type = "application/json", .body = KS_LITERAL("{\"ok\":true}")};

    (void)context;
    ks_http_reply(request, &response);
}

/* Until a connection says nothing: what a server costs at the least. */
static void *bare_main(void *context)
{
    struct bare *bare = context;

    for (;;) {
        int on = 1;
        char request[4096];
        SSL *ssl = NULL;
        int fd = accept(bare->fd, NULL, NULL);
        if (fd < 0 || ks_tls_accept_new(bare->tls, &ssl) != KS_OK) {
            return NULL;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
            while (SSL_read(ssl, request, sizeof request) > 0) {
                (void)SSL_write(ssl, ANSWER, (int)(sizeof ANSWER - 1));
            }
        }
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(ssl);
        ks_fd_close(&fd);
    }
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static SSL *open_connection(const struct target *target, SSL_SESSION *session)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(target->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(target->context);

    KS_ASSERT(fd >= 0 && ssl != NULL);
    KS_ASSERT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (session != NULL) {
        KS_ASSERT(SSL_set_session(ssl, session) == 1);
    }
    KS_ASSERT(SSL_set_fd(ssl, fd) == 1);
    KS_ASSERT(SSL_connect(ssl) == 1);
    return ssl;
}

static void close_connection(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    ks_fd_close(&fd);
}

static void exchange(SSL *ssl)
{
    char answer[4096];

    KS_ASSERT(SSL_write(ssl, REQUEST, (int)(sizeof REQUEST - 1)) == (int)(sizeof REQUEST - 1));
    KS_ASSERT(SSL_read(ssl, answer, sizeof answer) > 12 && answer[9] == '2');
}

struct measure {
    const char *what;
    const char *target;
    uint64_t count;
    uint64_t wall_us, client_us, all_us;
    uint64_t sent, received; /* bytes of one, 0: not counted */
    uint32_t connect_us;     /* median, 0: not measured */
    double reference_ms, reference_per_core;
};

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return (*x > *y) - (*x < *y);
}

static void begin(struct measure *measure)
{
    measure->wall_us = ks_clock_monotonic_us();
    measure->client_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
    measure->all_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static void end(struct measure *measure, unsigned round)
{
    uint64_t wall_us = ks_clock_monotonic_us() - measure->wall_us;
    uint64_t client_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - measure->client_us;
    uint64_t server_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - measure->all_us - client_us;

    (void)printf(
        "{\"bench\":\"tls.%s\",\"client_us\":%.1f,\"connect_p50_us\":%u,\"count\":%llu,"
        "\"per_core\":%.0f,\"received\":%llu,\"reference_connect_ms\":%.2f,"
        "\"reference_per_core\":%.0f,\"round\":%u,\"sent\":%llu,\"server\":\"%s\",\"server_"
        "us\":%.1f,"
        "\"wall_us\":%.1f}\n",
        measure->what, (double)client_us / (double)measure->count,
        (unsigned)measure->connect_us, (unsigned long long)measure->count,
        1e6 * (double)measure->count / (double)(server_us > 0 ? server_us : 1),
        (unsigned long long)measure->received, measure->reference_ms,
        measure->reference_per_core, round, (unsigned long long)measure->sent, measure->target,
        (double)server_us / (double)measure->count, (double)wall_us / (double)measure->count);
}

/* One request each, so that the session's ticket and a failure of client authentication are
 * seen. */
static void bench_handshakes(struct bench *bench, const struct target *target, bool resume,
                             unsigned round)
{
    struct measure measure = {.what = resume ? "handshake.resumed" : "handshake.full",
                              .target = target->name,
                              .count = bench->count,
                              .reference_ms = resume ? 0 : target->reference_ms,
                              .reference_per_core = resume ? 0 : target->reference_per_core};
    SSL_SESSION *session = NULL;
    SSL *ssl = open_connection(target, NULL);

    measure.received = BIO_number_read(SSL_get_rbio(ssl));
    measure.sent = BIO_number_written(SSL_get_wbio(ssl));
    exchange(ssl);
    session = SSL_get1_session(ssl);
    close_connection(ssl);
    measure.count = target->sparing > 0 ? (bench->count + target->sparing - 1) / target->sparing
                                        : bench->count;
    begin(&measure);
    for (size_t i = 0; i < measure.count; i++) {
        uint64_t connect_us = ks_clock_monotonic_us();

        ssl = open_connection(target, resume ? session : NULL);
        bench->connect_us[i] = (uint32_t)(ks_clock_monotonic_us() - connect_us);
        KS_ASSERT(SSL_session_reused(ssl) == (int)resume);
        if (resume) {
            measure.received = BIO_number_read(SSL_get_rbio(ssl));
            measure.sent = BIO_number_written(SSL_get_wbio(ssl));
        }
        exchange(ssl);
        SSL_SESSION_free(session);
        session = SSL_get1_session(ssl); /* each can be used once */
        close_connection(ssl);
    }
    qsort(bench->connect_us, measure.count, sizeof *bench->connect_us, compare);
    measure.connect_us = bench->connect_us[measure.count / 2];
    end(&measure, round);
    SSL_SESSION_free(session);
}

static void bench_requests(struct bench *bench, const struct target *target, unsigned round)
{
    struct measure measure = {
        .what = "request", .target = target->name, .count = bench->count * REQUESTS_PER_COUNT};
    SSL *ssl = open_connection(target, NULL);

    exchange(ssl);
    begin(&measure);
    for (uint64_t i = 0; i < measure.count; i++) {
        exchange(ssl);
    }
    end(&measure, round);
    close_connection(ssl);
}

static void start_bare(struct bare *bare, struct target *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    pthread_t thread;

    bare->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    KS_ASSERT(bare->fd >= 0 && bind(bare->fd, (struct sockaddr *)&address, len) == 0);
    KS_ASSERT(listen(bare->fd, 128) == 0);
    KS_ASSERT(getsockname(bare->fd, (struct sockaddr *)&address, &len) == 0);
    KS_ASSERT(pthread_create(&thread, NULL, bare_main, bare) == 0);
    (void)pthread_detach(thread); /* ends with the program */
    *target = (struct target){.name = "bare", .port = ntohs(address.sin_port)};
}

static void run(struct bench *bench)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof bench->targets / sizeof bench->targets[0]; i++) {
            bench_handshakes(bench, &bench->targets[i], false, round);
            bench_handshakes(bench, &bench->targets[i], true, round);
            bench_requests(bench, &bench->targets[i], round);
        }
    }
}

/* A client's context with the certificate of IDENTITY. */
static enum ks_err client_context(struct ks_tls_spec spec, const struct test_identity *identity,
                                  SSL_CTX **out_context)
{
    enum ks_err err = KS_OK;
    struct ks_tls *tls = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "no memory");
    spec.side = KS_TLS_CLIENT;
    spec.cert_pem = test_cert_pem(identity);
    spec.key_pem = test_key_pem(identity);
    KS_TRY(ks_tls_new(&spec, &tls));
    KS_TRY(ks_tls_configure(tls, context));
    *out_context = context;
    context = NULL;
out:
    ks_tls_free(tls);
    SSL_CTX_free(context);
    return err;
}

/* --- suites ------------------------------------------------------------------------------- */

static const struct suite {
    const char *name;
    const char *groups;
    const char *sigalgs;
    bool classical;
    enum ks_sig_alg root, leaf; /* of a post-quantum suite */
    unsigned sparing;
    double reference_ms, reference_per_core;
} suites[SUITES] = {
    {"X25519, P-256", "X25519", "ecdsa_secp256r1_sha256", true, 0, 0, 0, 0.67, 2090},
    {"X25519MLKEM768, P-256", "X25519MLKEM768", "ecdsa_secp256r1_sha256", true, 0, 0, 0, 0.78,
     1840},
    {"MLKEM768, ML-DSA-44", "MLKEM768", "mldsa44", false, KS_SIG_MLDSA44, KS_SIG_MLDSA44, 0,
     1.49, 940},
    {"X25519MLKEM768, ML-DSA-65", "X25519MLKEM768", "mldsa65", false, KS_SIG_MLDSA65,
     KS_SIG_MLDSA65, 0, 2.20, 646},
    {"X25519MLKEM768, ML-DSA-65, SLH-DSA-128s root", "X25519MLKEM768", "mldsa65", false,
     KS_SIG_SLHDSA_SHA2_128S, KS_SIG_MLDSA65, 0, 1.76, 601},
    {"X25519MLKEM768, SLH-DSA-128f, root the same", "X25519MLKEM768", "slhdsa_sha2_128f", false,
     KS_SIG_SLHDSA_SHA2_128F, KS_SIG_SLHDSA_SHA2_128F, 10, 25.6, 55},
};

static enum ks_err open_ends(const struct suite *suite, struct ks_tls_spec spec,
                             struct ks_bytes client_cert, struct ks_bytes client_key,
                             struct bare *bare, struct target *target)
{
    enum ks_err err = KS_OK;
    struct ks_tls *client = NULL;

    spec.groups = suite->groups;
    spec.sigalgs = suite->sigalgs;
    KS_TRY(ks_tls_new(&spec, &bare->tls));
    start_bare(bare, target);
    spec.side = KS_TLS_CLIENT;
    spec.cert_pem = client_cert;
    spec.key_pem = client_key;
    KS_TRY(ks_tls_new(&spec, &client));
    target->context = SSL_CTX_new(TLS_client_method());
    KS_CHECK(target->context != NULL, KS_ERR_NOMEM, "no memory");
    KS_TRY(ks_tls_configure(client, target->context));
    target->name = suite->name;
    target->sparing = suite->sparing;
    target->reference_ms = suite->reference_ms;
    target->reference_per_core = suite->reference_per_core;
out:
    ks_tls_free(client);
    return err;
}

static enum ks_err open_suite(const struct suite *suite, struct bare *bare,
                              struct target *target)
{
    enum ks_err err = KS_OK;
    struct ks_yardstick classical = {0};
    struct test_authority *root = NULL;
    struct test_identity *site = NULL;
    struct test_identity *device = NULL;
    struct ks_tls_spec spec = {.side = KS_TLS_SERVER};

    if (suite->classical) {
        KS_TRY(ks_yardstick_make(KS_YARDSTICK_P256, ks_clock_us() / 1000000, &classical));
        spec.profile = KS_TLS_CLASSICAL;
        spec.root_pem = ks_buf_view(&classical.root);
        spec.cert_pem = ks_buf_view(&classical.server);
        spec.key_pem = ks_buf_view(&classical.server_key);
        KS_TRY(open_ends(suite, spec, ks_buf_view(&classical.client),
                         ks_buf_view(&classical.client_key), bare, target));
    } else {
        root = test_authority_with(suite->root, "bench root");
        site = test_issue_with(root, TEST_SERVER, suite->leaf, "site", "localhost");
        device = test_issue_with(root, TEST_DEVICE, suite->leaf, "device", NULL);
        spec.root_pem = test_root_pem(root);
        spec.cert_pem = test_cert_pem(site);
        spec.key_pem = test_key_pem(site);
        KS_TRY(
            open_ends(suite, spec, test_cert_pem(device), test_key_pem(device), bare, target));
        test_identity_free(device);
        test_identity_free(site);
        test_authority_free(root);
    }
out:
    ks_yardstick_done(&classical);
    return err;
}

static enum ks_err run_suites(struct bench *bench)
{
    static struct bare bares[SUITES]; /* used until the program ends */
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < SUITES; i++) {
        KS_TRY(open_suite(&suites[i], &bares[i], &bench->suites[i]));
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SUITES; i++) {
            bench_handshakes(bench, &bench->suites[i], false, round);
            bench_handshakes(bench, &bench->suites[i], true, round);
        }
    }
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct test_authority *authority = test_authority_new("bench root");
    struct test_identity *site = test_issue(authority, TEST_SERVER, "site", "localhost");
    struct test_identity *device = test_issue(authority, TEST_DEVICE, "device", NULL);
    struct test_authority *issuer = test_issuer_new(authority, "bench site");
    struct test_identity *enrolled = test_issue(issuer, TEST_DEVICE, "enrolled", NULL);
    struct ks_tls_spec spec = {.side = KS_TLS_SERVER,
                               .root_pem = test_root_pem(authority),
                               .issuer_pem = test_root_pem(issuer),
                               .cert_pem = test_cert_pem(site),
                               .key_pem = test_key_pem(site)};
    struct ks_tls *server_tls = NULL;
    SSL_CTX *root_device = NULL;
    SSL_CTX *issuer_device = NULL;
    struct ks_http_server *server = NULL;
    struct ks_http_server_spec server_spec = {
        .address = "127.0.0.1", .loops = 1, .handler = handle};
    struct bench bench = {.count = COUNT_DEFAULT};
    static struct bare bare;
    uint64_t count = COUNT_DEFAULT;

    (void)signal(SIGPIPE, SIG_IGN);
    KS_TRY(argc > 1 ? ks_text_u64(ks_bytes_text(argv[1]), COUNT_MAX, &count) : KS_OK);
    bench.count = (size_t)count;
    bench.connect_us = ks_calloc(bench.count, sizeof *bench.connect_us);
    KS_CHECK(bench.connect_us != NULL, KS_ERR_NOMEM, "no memory");
    KS_TRY(ks_tls_new(&spec, &server_tls));
    KS_TRY(client_context(spec, device, &root_device));
    KS_TRY(client_context(spec, enrolled, &issuer_device));
    server_spec.tls = server_tls;
    KS_TRY(ks_http_server_open(&server_spec, &server));
    KS_TRY(ks_http_server_start(server));
    bench.targets[0] = (struct target){"ketseal", ks_http_server_port(server), root_device};
    bench.targets[1] = (struct target){"ketseal, device of an issuer",
                                       ks_http_server_port(server), issuer_device};
    bare.tls = server_tls;
    start_bare(&bare, &bench.targets[2]);
    bench.targets[2].context = root_device;
    run(&bench);
    KS_TRY(run_suites(&bench));
    KS_TRY(ks_http_server_stop(server, 5000));
    ks_http_server_free(server);
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_tls: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err); /* the bare loop still uses the rest */
}
