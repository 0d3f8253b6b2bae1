/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-kme: one of two key managers that share a simulated QKD link, behind ETSI GS QKD 014.
 * ketseal-kme(1), docs/formats/kme.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/yaml.h"
#include "crypto/version.h"
#include "kme/manager.h"
#include "kme/thread.h"

#define PEM_MAX       65536
#define STOP_GRACE_MS 3000

/* The signal handlers need it; set once before a signal can come. */
static struct ks_kme *running;

static void on_stop(int signal_number)
{
    (void)signal_number;
    ks_kme_stop(running);
}

static void on_reload(int signal_number)
{
    (void)signal_number;
    ks_kme_reload(running);
}

static enum ks_err catch_signals(struct ks_kme *kme)
{
    const struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    const struct sigaction reload = {.sa_handler = on_reload, .sa_flags = SA_RESTART};

    running = kme;
    if (sigaction(SIGTERM, &stop, NULL) != 0 || sigaction(SIGINT, &stop, NULL) != 0 ||
        sigaction(SIGHUP, &reload, NULL) != 0) {
        return ks_fail(KS_ERR_IO, "sigaction: %s", strerror(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return KS_OK;
}

/* --- TLS ---------------------------------------------------------------------------------- */

struct pem {
    struct ks_buf root, certificate, key, crl;
};

static enum ks_err read_pem(const char *const paths[4], struct pem *pem)
{
    enum ks_err err = KS_OK;
    struct ks_buf *const targets[] = {&pem->root, &pem->certificate, &pem->key, &pem->crl};

    for (size_t i = 0; i < 4; i++) {
        ks_buf_init(targets[i], PEM_MAX);
    }
    for (size_t i = 0; i < 4; i++) {
        if (paths[i] != NULL) {
            KS_TRY(ks_file_read(paths[i], PEM_MAX, targets[i]));
        }
    }
out:
    return err;
}

static void pem_done(struct pem *pem)
{
    ks_buf_done(&pem->root);
    ks_buf_done(&pem->certificate);
    ks_buf_wipe(&pem->key);
    ks_buf_done(&pem->crl);
}

/* SPEC says side, profile and groups. */
static enum ks_err make_tls(const char *const paths[4], struct ks_tls_spec spec,
                            struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    struct pem pem;

    KS_TRY(read_pem(paths, &pem));
    spec.root_pem = ks_buf_view(&pem.root);
    spec.cert_pem = ks_buf_view(&pem.certificate);
    spec.key_pem = ks_buf_view(&pem.key);
    spec.crl_pem = ks_buf_view(&pem.crl);
    KS_TRY(ks_tls_new(&spec, out_tls));
out:
    pem_done(&pem);
    return err;
}

/* --- starting ----------------------------------------------------------------------------- */

/* Where others find a port that the kernel chose. */
static enum ks_err write_port(const struct ks_kme *kme, const char *name, uint16_t port)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char text[16];
    const int len = snprintf(text, sizeof text, "%u\n", (unsigned)port);

    KS_TRY(ks_path_join(kme->config->kme.state, name, path));
    KS_TRY(ks_file_write(path, ks_bytes_of(text, (size_t)len), 0644));
out:
    return err;
}

static enum ks_err open_link(struct ks_kme *kme)
{
    enum ks_err err = KS_OK;
    const struct ks_kme_config_link *link = &kme->config->link;
    const char *const paths[] = {link->root, link->certificate, link->key, link->crl};
    const struct ks_tls_spec spec = {.side =
                                         link->listen != NULL ? KS_TLS_SERVER : KS_TLS_CLIENT};
    char address[64];
    uint16_t port = 0;

    KS_TRY(ks_fail_prefix(make_tls(paths, spec, &kme->link_tls), "link"));
    if (link->listen != NULL) {
        KS_TRY(ks_config_listen("link.listen", link->listen, address, &port));
        KS_TRY(ks_stream_listen(address, port, &kme->link_fd, &port));
        KS_TRY(write_port(kme, "link-port", port));
    }
    if (kme->config->admin.listen != NULL) {
        KS_TRY(ks_config_listen("admin.listen", kme->config->admin.listen, address, &port));
        KS_TRY(ks_stream_listen(address, port, &kme->admin_fd, &port));
        KS_TRY(write_port(kme, "admin-port", port));
    }
out:
    return err;
}

static enum ks_err open_http(struct ks_kme *kme, struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    const struct ks_kme_config_tls *tls = &kme->config->tls;
    const char *const paths[] = {tls->root, tls->certificate, tls->key, tls->crl};
    const struct ks_tls_spec tls_spec = {.side = KS_TLS_SERVER,
                                         .profile = ks_kme_config_profile(kme->config),
                                         .groups = tls->groups};
    char address[64];
    struct ks_http_server_spec spec = {
        .address = address,
        .loops = kme->config->http.loops,
        .classical = tls_spec.profile == KS_TLS_CLASSICAL,
        .handler = ks_kme_handle,
        .context = kme,
        .limits = {.connections_max = kme->config->http.connections,
                   .body_max = KS_ETSI014_REQUEST_MAX},
    };

    KS_TRY(ks_fail_prefix(make_tls(paths, tls_spec, out_tls), "tls"));
    spec.tls = *out_tls;
    KS_TRY(ks_config_listen("kme.listen", kme->config->kme.listen, address, &spec.port));
    KS_TRY(ks_http_server_open(&spec, &kme->http));
    KS_TRY(write_port(kme, "port", ks_http_server_port(kme->http)));
out:
    return err;
}

/* Closable before anything that can fail. */
static void kme_init(struct ks_kme *kme)
{
    const struct ks_link_params params = ks_link_params_default();

    *kme = (struct ks_kme){.link_fd = -1, .admin_fd = -1};
    ks_buf_init(&kme->out, (size_t)KS_KME_EVENTS_MAX * 16);
    (void)pthread_mutex_init(&kme->lock, NULL);
    (void)pthread_mutex_init(&kme->numbers_lock, NULL);
    ks_kme_cond_init(&kme->woken);
    ks_kme_cond_init(&kme->let_go);
    ks_kme_distil_init(&kme->distil, &params);
}

static void kme_done(struct ks_kme *kme)
{
    ks_http_server_free(kme->http);
    ks_fd_close(&kme->link_fd);
    ks_fd_close(&kme->admin_fd);
    ks_tls_free(kme->link_tls);
    ks_kme_pool_close(kme->pool);
    ks_kme_distil_done(&kme->distil);
    ks_free(kme->waiting);
    ks_buf_done(&kme->out);
    ks_kme_config_free(kme->config);
    (void)pthread_cond_destroy(&kme->woken);
    (void)pthread_cond_destroy(&kme->let_go);
    (void)pthread_mutex_destroy(&kme->lock);
    (void)pthread_mutex_destroy(&kme->numbers_lock);
}

static enum ks_err open_kme(struct ks_kme *kme, const char *path, struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    struct ks_store_options options = {.version = 1};
    struct ks_link_params params;

    KS_TRY(ks_kme_config_load(path, &kme->config));
    kme->config_path = path;
    kme->status = ks_kme_config_status(kme->config);
    kme->alice = ks_kme_config_alice(kme->config);
    params = ks_kme_config_params(kme->config);
    ks_kme_distil_change(&kme->distil, &params);
    kme->waiting = ks_calloc(KS_KME_WAITING_MAX, sizeof *kme->waiting);
    KS_CHECK(kme->waiting != NULL, KS_ERR_NOMEM, "no memory for requests");
    KS_TRY(ks_dir_make(kme->config->kme.state, 0700));
    options.directory = kme->config->kme.state;
    KS_TRY(ks_kme_pool_open(&options, &kme->pool));
    KS_TRY(open_link(kme));
    KS_TRY(open_http(kme, out_tls));
out:
    return err;
}

static enum ks_err serve(struct ks_kme *kme, const char *path, struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    struct ks_log_line line;

    KS_TRY(ks_process_harden());
    KS_TRY(ks_crypto_check_version());
    KS_TRY(open_kme(kme, path, out_tls));
    KS_TRY(catch_signals(kme));
    KS_TRY(ks_kme_link_start(kme));
    KS_TRY(ks_kme_admin_start(kme));
    KS_TRY(ks_http_server_start(kme->http));
    ks_log_begin(&line, KS_LOG_INFO, "kme.ready");
    ks_log_text(&line, "id", kme->config->kme.id);
    ks_log_u64(&line, "port", ks_http_server_port(kme->http));
    ks_log_text(&line, "profile",
                ks_kme_config_profile(kme->config) == KS_TLS_CLASSICAL ? "classical"
                                                                       : "post-quantum");
    ks_log_end(&line);
    KS_TRY(ks_kme_run(kme));
    ks_kme_link_stop(kme);
    ks_kme_admin_stop(kme);
    KS_TRY(ks_http_server_stop(kme->http, STOP_GRACE_MS));
    ks_log_event(KS_LOG_INFO, "kme.stopped");
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct ks_kme kme;
    struct ks_tls *tls = NULL;

    ks_log_init("ketseal-kme", KS_LOG_INFO);
    kme_init(&kme);
    if (argc != 2 || argv[1][0] == '-') {
        err = ks_fail(KS_ERR_USAGE, "usage: ketseal-kme CONFIGURATION");
    } else {
        err = serve(&kme, argv[1], &tls);
    }
    if (err != KS_OK) {
        /* At once: whatever was not committed was promised to nobody. */
        ks_log_failure("kme.failed", err);
        _exit(ks_err_exit_code(err));
    }
    kme_done(&kme);
    ks_tls_free(tls);
    return 0;
}
