/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-enclave: holds every key of a site, and the TPM; signs what it has checked. It is
 * started by ketseal-launch from a measured, sealed copy, speaks frames to ketseald, to the
 * launcher and to workers, and reaches nothing else: no network, no file but its own state. The
 * table below is what may be asked, in which phase, and how large. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/version.h"
#include "enclave/monitor.h"
#include "enclave/sandbox.h"

struct request_rule {
    uint16_t type;
    ks_monitor_handler handler;
    unsigned phases;   /* mask of enum ks_monitor_phase */
    size_t length_max; /* bytes of payload */
    bool one_way;      /* never answered */
};

#define SIGNED_REQUEST_MAX  (KS_HTTP_HEAD_BYTES + KS_JOB_BYTES_MAX + 65536)
#define KS_HTTP_HEAD_BYTES  16384
#define SIGNED_DOCUMENT_MAX (KS_MONITOR_CERTIFICATE_MAX + KS_SIGNED_DOCUMENT_MAX + 64)

/*   request              handler                 phases                             max bytes
 */
static const struct request_rule request_rules[] = {
    {KS_FRAME_HELLO, ks_monitor_hello, KS_PHASE_READY | KS_PHASE_BROKEN, 0},
    {KS_FRAME_KEYS, ks_monitor_keys, KS_PHASE_READY, SIGNED_DOCUMENT_MAX},
    {KS_FRAME_AUTH, ks_monitor_auth, KS_PHASE_READY, SIGNED_REQUEST_MAX},
    {KS_FRAME_ADMIT, ks_monitor_admit, KS_PHASE_READY, SIGNED_REQUEST_MAX},
    {KS_FRAME_RUN, ks_monitor_run, KS_PHASE_READY, 64},
    {KS_FRAME_CANCEL, ks_monitor_cancel, KS_PHASE_READY, 64},
    {KS_FRAME_CHECKPOINT, ks_monitor_checkpoint, KS_PHASE_READY, 4096},
    {KS_FRAME_ATTEST, ks_monitor_attest, KS_PHASE_READY, 64},
    {KS_FRAME_ENROL, ks_monitor_enrol, KS_PHASE_READY, KS_ENROL_BYTES_MAX + 64},
    {KS_FRAME_ENROL_FINISH, ks_monitor_enrol_finish, KS_PHASE_READY, KS_FINISH_BYTES_MAX + 64},
    {KS_FRAME_DEVICE_CHALLENGE, ks_monitor_device_challenge, KS_PHASE_READY, 65536},
    {KS_FRAME_DEVICE_EVIDENCE, ks_monitor_device_evidence, KS_PHASE_READY,
     KS_FINISH_BYTES_MAX + 65536},
    {KS_FRAME_ROTATE, ks_monitor_rotate, KS_PHASE_READY, KS_FINISH_BYTES_MAX + 65536},
    {KS_FRAME_ORDER, ks_monitor_order, KS_PHASE_READY, 131072},
    {KS_FRAME_DEVICES, ks_monitor_devices, KS_PHASE_READY, 65536},
    {KS_FRAME_SITE_REQUEST, ks_monitor_site_request, KS_PHASE_READY, 128},
    {KS_FRAME_SITE_ACTIVATE, ks_monitor_site_activate, KS_PHASE_READY, 2048},
    {KS_FRAME_SITE_CERTIFY, ks_monitor_site_certify, KS_PHASE_READY, KS_SITE_BYTES_MAX + 64},
    {KS_FRAME_ALERT, ks_monitor_alert, KS_PHASE_READY, KS_UUID_TEXT_LEN},
    {KS_FRAME_FL_ORDER, ks_monitor_fl_order, KS_PHASE_READY,
     KS_FL_DOCUMENT_MAX + KS_MONITOR_CERTIFICATE_MAX + 64},
    {KS_FRAME_FL_STATUS, ks_monitor_fl_status, KS_PHASE_READY, 256},
    {KS_FRAME_FL_JOIN, ks_monitor_fl_join, KS_PHASE_READY, SIGNED_DOCUMENT_MAX},
    {KS_FRAME_FL_UPLOAD, ks_monitor_fl_upload, KS_PHASE_READY, KS_MONITOR_CERTIFICATE_MAX + 64},
    {KS_FRAME_FL_OFFER, ks_monitor_fl_offer, KS_PHASE_READY, 0},
    {KS_FRAME_FL_RECORDED, ks_monitor_fl_recorded, KS_PHASE_READY, 64},
    {KS_FRAME_FL_LIST, ks_monitor_fl_list, KS_PHASE_READY, 64},
    {KS_FRAME_ANNOUNCE, ks_monitor_announce, KS_PHASE_READY, SIGNED_DOCUMENT_MAX},
    {KS_FRAME_LINK_DATA, ks_monitor_link_data, KS_PHASE_READY, KS_LINK_DATA_MAX,
     .one_way = true},
    {KS_FRAME_LINK_CLOSE, ks_monitor_link_close, KS_PHASE_READY, KS_LINK_TEXT_MAX,
     .one_way = true},
};

/* --- start -------------------------------------------------------------------------------- */

static enum ks_err set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return ks_fail(KS_ERR_IO, "descriptor %d: %s", fd, strerror(errno));
    }
    return KS_OK;
}

static enum ks_err apply_rules(struct ks_monitor *monitor, const struct ks_enclave_rules *rules)
{
    enum ks_err err = KS_OK;

    monitor->tpm_vault.pcr_mask = rules->seal_pcrs;
    monitor->tpm_vault.counter_index = rules->counter;
    if (rules->update_authority.len > 0) {
        KS_TRY(ks_fail_prefix(ks_sealed_authority_parse(rules->update_authority,
                                                        KS_LITERAL(KS_VAULT_PURPOSE),
                                                        &monitor->authority),
                              "update authority"));
        monitor->tpm_vault.authority = &monitor->authority;
    }
    ks_buf_put(&monitor->authorisation, rules->update_authorisation);
    KS_TRY(ks_buf_check(&monitor->authorisation));
    monitor->tpm_vault.authorisation = ks_buf_view(&monitor->authorisation);
    monitor->accept_rollback = rules->accept_rollback;
    monitor->epoch_us = (uint64_t)rules->epoch_s * 1000000;
    monitor->quote_window_us = (uint64_t)rules->quote_window_ms * 1000;
    monitor->quote_refresh_us = (uint64_t)rules->quote_refresh_s * 1000000;
out:
    return err;
}

static enum ks_err apply_config(struct ks_monitor *monitor,
                                const struct ks_enclave_config *config)
{
    enum ks_err err = KS_OK;
    struct ks_cert_trust_spec trust = {0};

    KS_CHECK(config->origin.len >= 1 && config->origin.len < sizeof monitor->site.origin,
             KS_ERR_LIMIT, "origin: 1 to 255 bytes");
    ks_copy(monitor->site.origin, config->origin.data, config->origin.len);
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(config->root_pem, &monitor->root),
                          "root certificate"));
    if (config->crl_pem.len > 0) {
        KS_TRY(ks_fail_prefix(ks_crl_parse_pem(config->crl_pem, &monitor->crl),
                              "revocation list"));
    }
    trust.root = monitor->root;
    trust.crl = monitor->crl;
    KS_TRY(ks_cert_trust_new(&trust, &monitor->trust));
    KS_TRY(ks_event_log_parse(config->event_log, &monitor->site.event_log));
    ks_buf_put(&monitor->event_log, config->event_log);
    KS_TRY(ks_buf_check(&monitor->event_log));
    ks_sha256(config->event_log, monitor->event_log_hash);
    monitor->site.simulated_tpm = config->simulated_tpm;
    monitor->workers_max = config->workers;
    monitor->state_memory_max = config->state_memory_max;
    monitor->job_seconds_max = config->job_seconds_max;
    monitor->alerts = config->alerts;
    monitor->fl = config->fl;
    ks_copy(monitor->worker_digest, config->worker_digest, sizeof monitor->worker_digest);
    KS_TRY(ks_admission_init(&config->devices, &monitor->admission));
    KS_TRY(apply_rules(monitor, &config->rules));
    KS_TRY(ks_monitor_key_rules(monitor, &config->keys));
out:
    return err;
}

static enum ks_err read_config(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    struct ks_enclave_config config = {0};

    /* The workers' frames, each with its descriptor, may be behind it already. */
    KS_TRY(ks_channel_receive(&monitor->launcher, &frame));
    KS_CHECK(frame.type == KS_FRAME_CONFIG, KS_ERR_FORMAT, "launcher: frame of type %u",
             frame.type);
    KS_TRY(ks_enclave_config_read(frame.payload, &config));
    ks_enclave_config_policy(&config, monitor->policy);
    KS_TRY(apply_config(monitor, &config));
    ks_wipe(monitor->launcher.in.data, monitor->launcher.in.len); /* a private key was in it */
out:
    return err;
}

static enum ks_err fill_site(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_site *site = &monitor->site;
    const struct {
        const struct ks_sign_key *key;
        uint8_t *target;
        size_t len;
    } keys[] = {
        {monitor->keys.ed25519, site->ed25519, sizeof site->ed25519},
        {monitor->keys.mldsa65, site->mldsa65, sizeof site->mldsa65},
        {monitor->keys.note_ed25519, site->note_ed25519, sizeof site->note_ed25519},
        {monitor->keys.note_mldsa44, site->note_mldsa44, sizeof site->note_mldsa44},
    };

    ks_buf_init(&bytes, KS_SIG_PUBLIC_LEN_MAX);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        ks_buf_clear(&bytes);
        KS_TRY(ks_sign_key_public(keys[i].key, &bytes));
        KS_ASSERT(bytes.len == keys[i].len);
        ks_copy(keys[i].target, bytes.data, bytes.len);
    }
    ks_buf_clear(&bytes);
    ks_tpm_ak_public(monitor->tpm, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_CHECK(bytes.len <= sizeof site->ak, KS_ERR_LIMIT, "attestation key of %zu bytes",
             bytes.len);
    ks_copy(site->ak, bytes.data, bytes.len);
    site->ak_len = bytes.len;
out:
    ks_buf_done(&bytes);
    return err;
}

/* Nobody measures the configuration: that it is another than at the last start is told, and not
 * refused, since whoever may write it may have meant it. */
static void log_policy_change(const struct ks_enclave_state *state)
{
    const uint8_t unknown[32] = {0};
    struct ks_log_line line;
    char hex[2 * sizeof state->policy + 1];

    if (ks_bytes_equal(KS_BYTES(state->policy_before), KS_BYTES(unknown)) ||
        ks_bytes_equal(KS_BYTES(state->policy_before), KS_BYTES(state->policy))) {
        return;
    }
    ks_log_begin(&line, KS_LOG_WARN, "policy.changed");
    ks_hex_encode(KS_BYTES(state->policy_before), hex);
    ks_log_text(&line, "from", hex);
    ks_hex_encode(KS_BYTES(state->policy), hex);
    ks_log_text(&line, "to", hex);
    ks_log_end(&line);
}

static void log_state(const struct ks_enclave_state *state)
{
    static const char *const opened[] = {
        [KS_STATE_AS_IT_WAS] = "sealed",
        [KS_STATE_MADE] = "made",
        [KS_STATE_SEALED] = "sealed-now",
        [KS_STATE_RESEALED] = "sealed-again",
    };

    struct ks_log_line line;
    char policy[2 * sizeof state->policy + 1];

    if (state->forgiven[0] != '\0') {
        ks_log_begin(&line, KS_LOG_WARN, "enclave.rollback_accepted");
        ks_log_text(&line, "detail", state->forgiven);
        ks_log_end(&line);
    }
    ks_log_begin(&line, KS_LOG_INFO, "enclave.state");
    ks_log_text(&line, "keys", opened[state->opened]);
    ks_log_text(&line, "seeds", state->hidden_seeds ? "memfd_secret" : "locked");
    ks_log_u64(&line, "counter", ks_epoch_counter(state->epoch));
    ks_hex_encode(KS_BYTES(state->policy), policy);
    ks_log_text(&line, "policy", policy);
    ks_log_end(&line);
    log_policy_change(state);
}

static enum ks_err open_state(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint8_t random[32];
    struct ks_state_spec spec = {.extra = KS_BYTES(random),
                                 .now_s = ks_clock_us() / 1000000,
                                 .accept_rollback = monitor->accept_rollback};

    ks_copy(spec.policy, monitor->policy, sizeof spec.policy);
    KS_TRY(ks_fs_system_new(KS_ENCLAVE_STATE_FD, &monitor->fs));
    KS_TRY(ks_tpm_open_fd(KS_ENCLAVE_TPM_FD, 0, &monitor->tpm));
    KS_TRY(ks_tpm_ak_open(monitor->tpm));
    KS_TRY(ks_tpm_random(monitor->tpm, random, sizeof random));
    monitor->tpm_vault.tpm = monitor->tpm;
    monitor->vault = ks_vault_of(&monitor->tpm_vault);
    KS_TRY(ks_enclave_state_open(monitor->fs, &monitor->vault, &spec, &monitor->state));
    monitor->keys = monitor->state.keys;
    monitor->journal = monitor->state.journal;
    monitor->heads = monitor->state.heads;
    monitor->admission.registry = monitor->state.registry;
    log_state(&monitor->state);
    KS_TRY(ks_monitor_quote_first(monitor));
    KS_TRY(fill_site(monitor));
    KS_TRY(ks_monitor_load_certificate(monitor));
out:
    ks_wipe(random, sizeof random);
    return err;
}

static enum ks_err allocate(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    monitor->jobs = ks_calloc(KS_MONITOR_JOBS_MAX, sizeof *monitor->jobs);
    monitor->workers = ks_calloc(KS_MONITOR_WORKERS_MAX, sizeof *monitor->workers);
    monitor->devices = ks_calloc(KS_MONITOR_DEVICES_MAX, sizeof *monitor->devices);
    monitor->ended = ks_calloc(KS_MONITOR_ENDED_MAX, sizeof *monitor->ended);
    KS_CHECK(monitor->jobs != NULL && monitor->workers != NULL && monitor->devices != NULL &&
                 monitor->ended != NULL,
             KS_ERR_NOMEM, "tables of the enclave");
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        monitor->workers[i].channel.fd = -1;
    }
out:
    return err;
}

/* --- loop --------------------------------------------------------------------------------- */

static enum ks_err dispatch_request(struct ks_monitor *monitor, const struct ks_frame *frame)
{
    enum ks_err err = KS_OK;
    const struct request_rule *rule = NULL;

    for (size_t i = 0; i < sizeof request_rules / sizeof request_rules[0]; i++) {
        if (request_rules[i].type == frame->type) {
            rule = &request_rules[i];
        }
    }
    KS_CHECK(rule != NULL, KS_ERR_DENIED, "request of type %u", frame->type);
    KS_CHECK((rule->phases & monitor->phase) != 0, KS_ERR_UNAVAILABLE,
             "the enclave's own storage has failed; restart the site");
    KS_CHECK(frame->payload.len <= rule->length_max, KS_ERR_LIMIT,
             "request of type %u: %zu bytes", frame->type, frame->payload.len);
    KS_TRY(rule->handler(monitor, frame->id, frame->payload));
out:
    if (err != KS_OK && rule != NULL && rule->one_way) {
        err = KS_OK; /* dropped: it may come as often as ketseald likes */
    } else if (err != KS_OK) {
        ks_answer_error(&monitor->daemon.out, frame->type, frame->id, err);
        if (err == KS_ERR_IO) {
            ks_log_failure("enclave.storage", err);
            monitor->phase = KS_PHASE_BROKEN;
        }
    }
    return KS_OK;
}

static enum ks_err read_daemon(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = true;

    err = ks_channel_fill(&monitor->daemon, NULL);
    if (err == KS_ERR_NOT_FOUND) {
        monitor->closed = true;
        return KS_OK;
    }
    KS_TRY(err);
    for (;;) {
        KS_TRY(ks_channel_next(&monitor->daemon, &frame, &found));
        if (!found) {
            break;
        }
        KS_TRY(dispatch_request(monitor, &frame));
    }
out:
    return err;
}

/* Each read takes at most one frame with its descriptor: the kernel never joins two of those.
 */
static enum ks_err read_launcher(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = false;
    int fd = -1;

    KS_TRY(ks_channel_fill(&monitor->launcher, &fd));
    if (fd < 0) {
        return KS_OK;
    }
    KS_TRY(ks_channel_next(&monitor->launcher, &frame, &found));
    KS_CHECK(found && frame.type == KS_FRAME_WORKER, KS_ERR_FORMAT,
             "launcher: a descriptor without frame");
    KS_TRY(set_nonblocking(fd));
    err = ks_monitor_worker_add(monitor, fd, frame.payload);
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

#define FIXED_FDS 4 /* ketseald, launcher, TPM, ketseald's files */

/* Fills FDS; SLOTS tells which worker an entry after the fixed ones is. */
static nfds_t gather(const struct ks_monitor *monitor, struct pollfd *fds, size_t *slots)
{
    nfds_t count = FIXED_FDS;

    fds[0] = (struct pollfd){.fd = monitor->daemon.fd, .events = POLLIN};
    if (monitor->daemon.out.len > 0) {
        fds[0].events |= POLLOUT;
    }
    fds[1] = (struct pollfd){.fd = monitor->launcher.fd, .events = POLLIN};
    if (monitor->launcher.out.len > 0) {
        fds[1].events |= POLLOUT;
    }
    fds[2] = (struct pollfd){.fd = monitor->quoting ? ks_tpm_fd(monitor->tpm) : -1,
                             .events = POLLIN};
    fds[3] = (struct pollfd){.fd = monitor->files.fd, .events = POLLIN};
    if (monitor->files.out.len > 0) {
        fds[3].events |= POLLOUT;
    }
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        const struct ks_channel *channel = &monitor->workers[i].channel;

        if (channel->fd >= 0) {
            slots[count] = i;
            fds[count] = (struct pollfd){.fd = channel->fd, .events = POLLIN};
            if (channel->out.len > 0) {
                fds[count].events |= POLLOUT;
            }
            count++;
        }
    }
    return count;
}

/* Once at most in so many seconds, and while the TPM makes no quote. A disk that is full, or a
 * TPM that fails, is tried again: what it costs is that the last epoch's state may be put back
 * for longer. */
static enum ks_err count_epoch(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    uint64_t now_us = ks_clock_monotonic_us();

    if (monitor->epoch_due_us == 0 && ks_enclave_state_moved(&monitor->state)) {
        monitor->epoch_due_us = now_us + monitor->epoch_us;
    }
    if (monitor->epoch_due_us == 0 || now_us < monitor->epoch_due_us || monitor->quoting) {
        return KS_OK;
    }
    err = ks_enclave_state_count(&monitor->state);
    monitor->epoch_due_us = 0;
    if (err != KS_OK && err != KS_ERR_CONFLICT) {
        ks_log_failure("enclave.epoch", err);
        monitor->epoch_due_us = now_us + monitor->epoch_us;
        err = KS_OK;
    }
    return err;
}

static uint64_t sooner(uint64_t a_us, uint64_t b_us)
{
    return a_us == 0 || (b_us != 0 && b_us < a_us) ? b_us : a_us;
}

static int timeout_ms(const struct ks_monitor *monitor)
{
    uint64_t deadline_us =
        sooner(sooner(ks_monitor_deadline_us(monitor), ks_monitor_quote_due_us(monitor)),
               sooner(monitor->quoting ? 0 : monitor->epoch_due_us,
                      monitor->manager == NULL ? 0 : ks_manager_deadline_us(monitor->manager)));
    deadline_us = sooner(deadline_us, ks_monitor_fl_deadline_us(monitor));
    uint64_t now_us = ks_clock_monotonic_us();

    if (deadline_us == 0) {
        return -1;
    }
    if (deadline_us <= now_us) {
        return 0;
    }
    return deadline_us - now_us > 60000000 ? 60000 : (int)((deadline_us - now_us) / 1000 + 1);
}

static enum ks_err flush_all(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    err = ks_channel_flush(&monitor->daemon);
    if (err == KS_ERR_IO) {
        monitor->closed = true;
        err = KS_OK;
    }
    KS_TRY(err);
    KS_TRY(ks_channel_flush(&monitor->launcher));
    err = ks_channel_flush(&monitor->files);
    KS_TRY(err == KS_ERR_IO ? KS_OK : err); /* ketseald has gone: its own channel tells */
out:
    return err;
}

/* What fails here fails in our own storage: nothing that was promised can be kept then. */
static void go_on_with_rounds(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    if (monitor->phase != KS_PHASE_READY) {
        return;
    }
    err = ks_monitor_fl_time(monitor);
    if (err == KS_OK) {
        err = ks_monitor_fl_pump(monitor);
    }
    if (err != KS_OK) {
        ks_log_failure("enclave.rounds", err);
        monitor->phase = KS_PHASE_BROKEN;
    }
}

static enum ks_err turn(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct pollfd fds[FIXED_FDS + KS_MONITOR_WORKERS_MAX];
    size_t slots[FIXED_FDS + KS_MONITOR_WORKERS_MAX];
    nfds_t count = gather(monitor, fds, slots);
    const short ready = POLLIN | POLLHUP | POLLERR;

    if (poll(fds, count, timeout_ms(monitor)) < 0 && errno != EINTR) {
        return ks_fail(KS_ERR_IO, "poll: %s", strerror(errno));
    }
    if ((fds[1].revents & ready) != 0) {
        KS_TRY(read_launcher(monitor));
    }
    for (nfds_t i = FIXED_FDS; i < count; i++) {
        if ((fds[i].revents & POLLOUT) != 0 && (fds[i].revents & ready) == 0) {
            err = ks_channel_flush(&monitor->workers[slots[i]].channel);
            KS_TRY(err == KS_ERR_IO ? KS_OK : err); /* its death is read next */
        }
        if ((fds[i].revents & ready) != 0) {
            KS_TRY(ks_monitor_worker_readable(monitor, slots[i]));
        }
    }
    if ((fds[0].revents & ready) != 0) {
        KS_TRY(read_daemon(monitor));
    }
    if ((fds[2].revents & ready) != 0) {
        KS_TRY(ks_monitor_quote_finish(monitor));
    }
    if ((fds[3].revents & ready) != 0) {
        KS_TRY(ks_monitor_fl_files(monitor));
    }
    go_on_with_rounds(monitor);
    if (monitor->manager != NULL) {
        ks_manager_turn(monitor->manager, ks_clock_monotonic_us());
    }
    KS_TRY(ks_monitor_dispatch(monitor));
    KS_TRY(count_epoch(monitor));
    KS_TRY(ks_monitor_quote_start(monitor));
    KS_TRY(flush_all(monitor));
out:
    return err;
}

static void monitor_done(struct ks_monitor *monitor)
{
    while (monitor->jobs_used > 0) { /* the last one in use; freeing it finds the next */
        ks_monitor_job_free(monitor, &monitor->jobs[monitor->jobs_used - 1]);
    }
    for (size_t i = 0; monitor->workers != NULL && i < KS_MONITOR_WORKERS_MAX; i++) {
        ks_channel_done(&monitor->workers[i].channel);
    }
    for (size_t i = 0; monitor->devices != NULL && i < KS_MONITOR_DEVICES_MAX; i++) {
        ks_verify_key_free(monitor->devices[i].key);
    }
    ks_free(monitor->jobs);
    ks_free(monitor->workers);
    ks_free(monitor->devices);
    ks_free(monitor->ended);
    ks_enclave_state_close(&monitor->state);
    ks_buf_done(&monitor->authorisation);
    ks_buf_done(&monitor->fl_alerts);
    ks_buf_done(&monitor->last_attest);
    ks_buf_done(&monitor->last_signature);
    ks_tpm_close(monitor->tpm);
    ks_fs_system_free(monitor->fs);
    ks_admission_done(&monitor->admission);
    ks_manager_free(monitor->manager);
    ks_stock_free(monitor->stock);
    ks_cert_trust_free(monitor->trust);
    ks_cert_free(monitor->issuer);
    ks_cert_free(monitor->root);
    ks_crl_free(monitor->crl);
    ks_buf_done(&monitor->event_log);
    ks_channel_done(&monitor->daemon);
    ks_channel_done(&monitor->files);
    ks_channel_done(&monitor->launcher);
}

/* ketseald has gone: nothing that was copied before this opens any more. */
static enum ks_err end(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_monitor_tpm_ready(monitor)); /* nobody reads the records any more */
    KS_TRY(ks_enclave_state_count(&monitor->state));
    if (monitor->site.simulated_tpm) {
        ks_tpm_shutdown(monitor->tpm);
    }
out:
    return err;
}

static enum ks_err serve(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_process_harden());
    KS_TRY(ks_crypto_check_version());
    KS_TRY(allocate(monitor));
    KS_TRY(read_config(monitor));
    KS_TRY(open_state(monitor));
    KS_TRY(set_nonblocking(monitor->launcher.fd));
    KS_TRY(set_nonblocking(monitor->daemon.fd));
    KS_TRY(set_nonblocking(monitor->files.fd));
    KS_TRY(ks_sandbox_enclave(KS_ENCLAVE_STATE_FD));
    monitor->phase = KS_PHASE_READY;
    ks_log_event(KS_LOG_INFO, "enclave.ready");
    while (!monitor->closed) {
        KS_TRY(turn(monitor));
    }
    KS_TRY(end(monitor));
out:
    return err;
}

int main(void)
{
    enum ks_err err = KS_OK;
    struct ks_monitor *monitor = ks_calloc(1, sizeof *monitor);

    ks_log_init("ketseal-enclave", KS_LOG_INFO);
    if (monitor == NULL) {
        return ks_err_exit_code(KS_ERR_NOMEM);
    }
    ks_channel_init(&monitor->launcher, KS_ENCLAVE_LAUNCHER_FD, "launcher");
    ks_channel_init(&monitor->daemon, KS_ENCLAVE_DAEMON_FD, "ketseald");
    ks_channel_init(&monitor->files, KS_ENCLAVE_FILES_FD, "ketseald's files");
    ks_buf_init(&monitor->event_log, KS_EVENT_LOG_MAX);
    ks_buf_init(&monitor->authorisation, KS_AUTHORISATION_MAX);
    ks_buf_init(&monitor->fl_alerts, (size_t)KS_FL_ALERTS_MAX * (2 + KS_ENTRY_BYTES_MAX));
    ks_buf_init(&monitor->last_attest, KS_ATTEST_MAX);
    ks_buf_init(&monitor->last_signature, KS_TPM_SIGNATURE_MAX);
    err = serve(monitor);
    if (err != KS_OK) {
        ks_log_failure("enclave.failed", err);
    }
    monitor_done(monitor);
    ks_free(monitor);
    return ks_err_exit_code(err);
}
