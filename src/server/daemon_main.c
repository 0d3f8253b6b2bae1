/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseald: faces the network. Holds the TLS key, the queue, the store and the ledger's tiles;
 * cannot sign a record or a checkpoint and never sees a one-time key: the enclave does that,
 * behind descriptor 3. Started by ketseal-launch. Before the first connection is accepted it
 * closes its own doors (enclave/sandbox.h). */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/yaml.h"
#include "crypto/version.h"
#include "enclave/launch.h"
#include "enclave/sandbox.h"
#include "fl/model.h"
#include "fl/seal.h"
#include "server/config.h"
#include "server/hostile.h"
#include "server/site.h"

#define PEM_MAX       (16 * 1024 * 1024)
#define STOP_GRACE_MS 5000

#define ENROLMENT_CONNECTIONS 64 /* at once, of peers that nobody knows yet */

struct daemon {
    struct ks_config *config;
    struct ks_buf root;
    struct ks_buf certificate;
    struct ks_buf key;
    struct ks_buf crl;
    struct ks_tls *tls;
    struct ks_tls *enrolment_tls; /* NULL: no such listener */
    struct ks_site_server *site;
    struct ks_http_server *http;
    struct ks_http_server *enrolment;
};

static struct ks_tls_spec tls_spec(const struct daemon *daemon, struct ks_bytes issuer_pem)
{
    return (struct ks_tls_spec){
        .side = KS_TLS_SERVER,
        .groups = daemon->config->tls.groups,
        .sigalgs = daemon->config->tls.signature_algorithms,
        .peer_roles = KS_TLS_PEER_DEVICE | KS_TLS_PEER_OPERATOR,
        .root_pem = ks_buf_view(&daemon->root),
        .issuer_pem = issuer_pem,
        .cert_pem = ks_buf_view(&daemon->certificate),
        .key_pem = ks_buf_view(&daemon->key),
        .crl_pem = ks_buf_view(&daemon->crl),
    };
}

/* ks_issuer_changed: devices of that issuer may connect from now on. */
static enum ks_err change_issuer(void *context, struct ks_bytes issuer_pem)
{
    const struct daemon *daemon = context;
    const struct ks_tls_spec spec = tls_spec(daemon, issuer_pem);

    return ks_tls_reload(daemon->tls, &spec);
}

static enum ks_err make_tls(struct daemon *daemon)
{
    enum ks_err err = KS_OK;
    const struct ks_config_tls *config = &daemon->config->tls;
    struct ks_tls_spec spec = {0};

    KS_TRY(ks_file_read(config->root, PEM_MAX, &daemon->root));
    KS_TRY(ks_file_read(config->certificate, PEM_MAX, &daemon->certificate));
    KS_TRY(ks_file_read(config->key, PEM_MAX, &daemon->key));
    if (config->crl != NULL) {
        KS_TRY(ks_file_read(config->crl, PEM_MAX, &daemon->crl));
    }
    spec = tls_spec(daemon, ks_buf_view(&daemon->site->issuer_pem));
    KS_TRY(ks_tls_new(&spec, &daemon->tls));
    daemon->site->issuer_changed = change_issuer;
    daemon->site->issuer_context = daemon;
    if (daemon->config->enrolment.listen != NULL) {
        spec.mode = KS_TLS_ENROLMENT;
        spec.peer_roles = 0;
        KS_TRY(ks_tls_new(&spec, &daemon->enrolment_tls));
    }
out:
    return err;
}

static enum ks_err listen_http(struct daemon *daemon)
{
    enum ks_err err = KS_OK;
    char address[64];
    struct ks_http_server_spec spec = {
        .address = address,
        .loops = daemon->config->http.loops,
        .tls = daemon->tls,
        .handler = ks_site_server_handle,
        .refused = ks_refusals_handshake,
        .context = daemon->site,
        .limits = {.connections_max = daemon->config->http.connections,
                   .body_max = KS_JOB_BYTES_MAX},
    };

    KS_TRY(ks_config_listen("site.listen", daemon->config->site.listen, address, &spec.port));
    KS_TRY(ks_http_server_open(&spec, &daemon->http));
    if (daemon->config->enrolment.listen != NULL) {
        KS_TRY(ks_config_listen("enrolment.listen", daemon->config->enrolment.listen, address,
                                &spec.port));
        spec.tls = daemon->enrolment_tls;
        spec.peers_unknown = true;
        spec.loops = 1;
        spec.limits.connections_max = ENROLMENT_CONNECTIONS;
        KS_TRY(ks_http_server_open(&spec, &daemon->enrolment));
    }
out:
    return err;
}

/* Where a test finds a port that the kernel chose. */
static enum ks_err write_port(const struct daemon *daemon, const char *name,
                              const struct ks_http_server *http)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char text[16];
    int len = snprintf(text, sizeof text, "%u\n", (unsigned)ks_http_server_port(http));

    KS_TRY(ks_path_join(daemon->config->site.state, name, path));
    KS_TRY(ks_file_write(path, ks_bytes_of(text, (size_t)len), 0644));
out:
    return err;
}

static enum ks_err write_address(const struct daemon *daemon)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(write_port(daemon, "port", daemon->http));
    if (daemon->enrolment != NULL) {
        KS_TRY(write_port(daemon, "enrolment-port", daemon->enrolment));
    }
    KS_TRY(ks_path_join(daemon->config->site.state, "site.json", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&daemon->site->site_document), 0644));
out:
    return err;
}

/* Only the folders of the store and of the ledger stay open to this process, and the ports of
 * the enclave's key manager and of the witnesses, whose addresses are looked up now: afterwards
 * there are no files to find them by. */
static enum ks_err close_doors(const struct daemon *daemon)
{
    enum ks_err err = KS_OK;
    struct ks_config_authority authority;
    char path[KS_PATH_MAX];
    static const char *const names[] = {"store", KS_PUBLISH_DIRECTORY, KS_FL_FILES_DIRECTORY};
    int folders[sizeof names / sizeof names[0]] = {-1, -1, -1};
    const size_t count =
        sizeof names / sizeof names[0] - (daemon->site->fl_files == NULL ? 1 : 0);
    uint16_t ports[1 + KS_CONFIG_WITNESSES_MAX];
    size_t port_count = 0;

    for (size_t i = 0; i < count; i++) {
        KS_TRY(ks_path_join(daemon->config->site.state, names[i], path));
        folders[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        KS_CHECK(folders[i] >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    }
    KS_TRY(ks_config_kme_authority(daemon->config, &authority));
    if (authority.port != 0) {
        KS_TRY(ks_relay_find(&daemon->site->relay, authority.host, authority.port));
        ports[port_count++] = authority.port;
    }
    daemon->site->traces.keep = daemon->config->traces.keep;
    daemon->site->refusals.per_hour = daemon->config->refusals.per_hour;
    KS_TRY(ks_cosigners_new(daemon->config, &daemon->site->cosigners));
    if (daemon->site->cosigners != NULL) {
        port_count += ks_cosigners_ports(daemon->site->cosigners, &ports[port_count]);
    }
    KS_TRY(ks_sandbox_daemon(folders, count, ports, port_count));
out:
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        ks_fd_close(&folders[i]);
    }
    return err;
}

/* The handler of SIGTERM needs it; set once before the signal can come. */
static struct ks_site_server *stopping_site;

static void stop(int signal_number)
{
    (void)signal_number;
    ks_site_server_stop(stopping_site);
}

static enum ks_err catch_signals(struct ks_site_server *site)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};

    stopping_site = site;
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0) {
        return ks_fail(KS_ERR_IO, "sigaction: %s", strerror(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return KS_OK;
}

/* The channel of files is there in any case, and used where there is federated learning. */
static enum ks_err open_fl(struct daemon *daemon)
{
    const struct ks_config_fl *fl = &daemon->config->fl;
    const struct ks_fl_files_limits limits = {
        .length_max =
            ks_fl_update_bytes_max(fl->params) + KS_FL_SEALED_OVERHEAD + KS_FL_MODEL_HEADER_MAX,
        .in_flight_max = (uint64_t)fl->upload_mib << 20,
        .disk_max = (uint64_t)fl->disk_mib << 20,
        .unused_us = fl->upload_hours * UINT64_C(3600000000),
        .stalled_us = KS_FL_STALLED_US,
        .rounds_kept = fl->keep_rounds};

    return fl->workers == 0 ? KS_OK
                            : ks_fl_files_open(daemon->config->site.state, KS_DAEMON_FILES_FD,
                                               &limits, &daemon->site->fl_files);
}

static enum ks_err serve(struct daemon *daemon, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_log_line line;

    KS_TRY(ks_process_harden());
    KS_TRY(ks_crypto_check_version());
    KS_TRY(ks_config_load(path, &daemon->config));
    KS_TRY(
        ks_site_server_open(daemon->config->site.state, KS_DAEMON_ENCLAVE_FD, &daemon->site));
    KS_TRY(open_fl(daemon));
    KS_TRY(ks_alerts_open(daemon->config, &daemon->site->traces.alerts));
    KS_TRY(make_tls(daemon));
    KS_TRY(listen_http(daemon));
    KS_TRY(write_address(daemon));
    KS_TRY(catch_signals(daemon->site));
    KS_TRY(close_doors(daemon));
    ks_turn_hostile(daemon->site->enclave.fd, daemon->config->site.state);
    if (daemon->site->fl_files != NULL) {
        KS_TRY(ks_fl_files_start(daemon->site->fl_files));
    }
    KS_TRY(ks_http_server_start(daemon->http));
    if (daemon->enrolment != NULL) {
        KS_TRY(ks_http_server_start(daemon->enrolment));
    }
    ks_log_begin(&line, KS_LOG_INFO, "site.ready");
    ks_log_text(&line, "origin", daemon->site->origin);
    ks_log_u64(&line, "port", ks_http_server_port(daemon->http));
    ks_log_u64(&line, "ledger_size", ks_ledger_head(daemon->site->ledger)->size);
    ks_log_end(&line);
    KS_TRY(ks_site_server_run(daemon->site));
    KS_TRY(ks_http_server_stop(daemon->http, STOP_GRACE_MS));
    if (daemon->enrolment != NULL) {
        KS_TRY(ks_http_server_stop(daemon->enrolment, STOP_GRACE_MS));
    }
    ks_log_event(KS_LOG_INFO, "site.stopped");
out:
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct daemon daemon = {0};

    ks_log_init("ketseald", KS_LOG_INFO);
    ks_buf_init(&daemon.root, PEM_MAX);
    ks_buf_init(&daemon.certificate, PEM_MAX);
    ks_buf_init(&daemon.key, PEM_MAX);
    ks_buf_init(&daemon.crl, PEM_MAX);
    if (argc != 2) {
        err = ks_fail(KS_ERR_USAGE, "ketseald is started by ketseal-launch");
    } else {
        err = serve(&daemon, argv[1]);
    }
    if (err != KS_OK) {
        /* At once: whatever was not committed was promised to nobody. */
        ks_log_failure("daemon.failed", err);
        _exit(ks_err_exit_code(err));
    }
    ks_http_server_free(daemon.http);
    ks_http_server_free(daemon.enrolment);
    ks_site_server_close(daemon.site);
    ks_tls_free(daemon.tls);
    ks_tls_free(daemon.enrolment_tls);
    ks_config_free(daemon.config);
    ks_buf_done(&daemon.root);
    ks_buf_done(&daemon.certificate);
    ks_buf_wipe(&daemon.key);
    ks_buf_done(&daemon.crl);
    return 0;
}
