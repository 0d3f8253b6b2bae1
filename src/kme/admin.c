/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* /metrics, /healthz and /readyz over loopback, without TLS: numbers only, no name of an SAE,
 * no key. One connection at a time, one request each. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/sys.h"
#include "kme/manager.h"
#include "kme/thread.h"

#define WAIT_MS    200
#define PEER_S     2     /* for a head, and for an answer */
#define ANSWER_MAX 65536 /* bytes */

/* --- what is told --------------------------------------------------------------------------
 */

static void put_metric(struct ks_buf *out, const char *name, const char *type, const char *help)
{
    ks_buf_put_format(out, "# HELP ketseal_kme_%s %s\n# TYPE ketseal_kme_%s %s\n", name, help,
                      name, type);
}

static void put_u64(struct ks_buf *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_metric(out, name, type, help);
    ks_buf_put_format(out, "ketseal_kme_%s %llu\n", name, (unsigned long long)value);
}

static void put_link(const struct ks_kme_numbers *numbers, struct ks_buf *out)
{
    put_u64(out, "link_up", "gauge", "1 while the managers agree on their pools",
            numbers->link_up ? 1 : 0);
    put_u64(out, "link_connections_total", "counter", "connections of the link",
            numbers->connections);
    put_metric(out, "link_blocks_total", "counter", "blocks of the link by outcome");
    for (int i = KS_LINK_OUTCOME_KEY; i < KS_KME_OUTCOMES; i++) {
        ks_buf_put_format(out, "ketseal_kme_link_blocks_total{outcome=\"%s\"} %llu\n",
                          ks_link_outcome_text((enum ks_link_outcome)i),
                          (unsigned long long)numbers->blocks[i]);
    }
    put_u64(out, "link_secret_bits_total", "counter", "bits distilled", numbers->secret_bits);
    put_metric(out, "link_qber", "gauge", "error rate seen in the last block");
    ks_buf_put_format(out,
                      "ketseal_kme_link_qber{basis=\"x\"} %.6f\n"
                      "ketseal_kme_link_qber{basis=\"z\"} %.6f\n",
                      numbers->qber[KS_LINK_X], numbers->qber[KS_LINK_Z]);
    put_metric(out, "link_reconciliation_efficiency", "gauge", "f of the last block");
    ks_buf_put_format(out, "ketseal_kme_link_reconciliation_efficiency %.4f\n",
                      numbers->efficiency);
}

void ks_kme_metrics_put(const struct ks_kme_numbers *numbers, struct ks_buf *out)
{
    put_link(numbers, out);
    put_metric(out, "stored_keys", "gauge", "keys of the usual size that wait to be drawn");
    ks_buf_put_format(out,
                      "ketseal_kme_stored_keys{half=\"own\"} %llu\n"
                      "ketseal_kme_stored_keys{half=\"peer\"} %llu\n",
                      (unsigned long long)numbers->keys_own,
                      (unsigned long long)numbers->keys_peer);
    put_u64(out, "held_keys", "gauge", "keys that wait for their slaves", numbers->keys_held);
    put_metric(out, "delivered_keys_total", "counter", "keys delivered");
    ks_buf_put_format(out,
                      "ketseal_kme_delivered_keys_total{method=\"enc_keys\"} %llu\n"
                      "ketseal_kme_delivered_keys_total{method=\"dec_keys\"} %llu\n",
                      (unsigned long long)numbers->delivered_enc,
                      (unsigned long long)numbers->delivered_dec);
    put_u64(out, "burnt_keys_total", "counter", "keys drawn and not delivered", numbers->burnt);
    put_u64(out, "forgotten_keys_total", "counter", "keys that nobody took in time",
            numbers->forgotten);
    put_u64(out, "status_total", "counter", "answers to get status", numbers->statuses);
    put_metric(out, "refused_total", "counter", "requests refused, by message");
    for (int i = 0; i < KS_KME_REFUSALS; i++) {
        ks_buf_put_format(out, "ketseal_kme_refused_total{code=\"%d\",message=\"%s\"} %llu\n",
                          ks_etsi014_refusal_status((enum ks_etsi014_refusal)i),
                          ks_etsi014_refusal_message((enum ks_etsi014_refusal)i),
                          (unsigned long long)numbers->refused[i]);
    }
    put_u64(out, "commits_total", "counter", "transactions of the pool", numbers->commits);
}

/* --- how -----------------------------------------------------------------------------------
 */

/* Reads one head; false when it does not come. */
static bool read_head(int fd, struct ks_buf *in, struct ks_http_head *out_head)
{
    const uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)PEER_S * 1000000;
    size_t len = 0;

    while (len == 0 && in->len < KS_HTTP_HEAD_MAX && ks_clock_monotonic_us() < deadline_us) {
        uint8_t *target = ks_buf_reserve(in, 4096);
        const ssize_t got = target == NULL ? -1 : recv(fd, target, 4096, 0);

        if (got <= 0) {
            return false;
        }
        ks_buf_grew(in, (size_t)got);
        len = ks_http_head_end(ks_buf_view(in), 0);
    }
    return len > 0 && ks_http_head_parse(ks_bytes_of(in->data, len), 0, out_head) == KS_OK;
}

static int answer(struct ks_kme *kme, const struct ks_http_head *head, struct ks_buf *body)
{
    struct ks_kme_numbers numbers;

    (void)pthread_mutex_lock(&kme->numbers_lock);
    numbers = kme->shown;
    (void)pthread_mutex_unlock(&kme->numbers_lock);
    if (!ks_bytes_is(head->method, "GET")) {
        ks_buf_put_text(body, "only GET\n");
        return 405;
    }
    if (ks_bytes_is(head->path, "/metrics")) {
        ks_kme_metrics_put(&numbers, body);
        return 200;
    }
    if (ks_bytes_is(head->path, "/healthz")) {
        ks_buf_put_text(body, "ok\n");
        return 200;
    }
    if (ks_bytes_is(head->path, "/readyz")) {
        const bool ready = numbers.link_up && numbers.keys_own > 0;

        ks_buf_put_text(body, ready             ? "ready\n"
                              : numbers.link_up ? "no keys\n"
                                                : "the link is down\n");
        return ready ? 200 : 503;
    }
    ks_buf_put_text(body, "no such path\n");
    return 404;
}

static void serve(struct ks_kme *kme, int fd)
{
    const struct timeval wait = {.tv_sec = PEER_S};
    struct ks_http_head head;
    struct ks_buf in;
    struct ks_buf body;
    struct ks_buf out;

    ks_buf_init(&in, KS_HTTP_HEAD_MAX + 4096);
    ks_buf_init(&body, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX + 1024);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (read_head(fd, &in, &head)) {
        const int status = answer(kme, &head, &body);

        ks_buf_put_format(&out,
                          "HTTP/1.1 %d \r\nContent-Type: text/plain; version=0.0.4; "
                          "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                          status, body.len);
        ks_buf_put(&out, ks_buf_view(&body));
        if (body.err == KS_OK && out.err == KS_OK) {
            (void)send(fd, out.data, out.len,
                       MSG_NOSIGNAL); /* whoever asked has left, or reads */
        }
    }
    ks_buf_done(&in);
    ks_buf_done(&body);
    ks_buf_done(&out);
}

static void *admin_main(void *context)
{
    struct ks_kme *kme = context;

    while (!atomic_load(&kme->stopping)) {
        struct pollfd entry = {.fd = kme->admin_fd, .events = POLLIN};
        int fd = poll(&entry, 1, WAIT_MS) > 0 ? accept4(kme->admin_fd, NULL, NULL, SOCK_CLOEXEC)
                                              : -1;

        if (fd >= 0) {
            serve(kme, fd);
            ks_fd_close(&fd);
        }
    }
    return NULL;
}

enum ks_err ks_kme_admin_start(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;

    if (kme->admin_fd >= 0) {
        KS_TRY(ks_kme_thread_start(&kme->admin_thread, admin_main, kme));
        kme->admin_started = true;
    }
out:
    return err;
}

void ks_kme_admin_stop(struct ks_kme *kme)
{
    if (kme->admin_started) {
        kme->admin_started = false;
        (void)pthread_join(kme->admin_thread, NULL);
    }
}
