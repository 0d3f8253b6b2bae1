/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-witness: watches logs and cosigns what only ever grows. ketseal-witness(1),
 * docs/formats/witness.md. Before the first connection is accepted it closes its own doors
 * (enclave/sandbox.h): its state's directory and its one listening socket are all that is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/yaml.h"
#include "crypto/keyfile.h"
#include "crypto/version.h"
#include "enclave/sandbox.h"
#include "witness/config.h"
#include "witness/server.h"

struct program {
    struct ks_witness_config *config;
    struct ks_witness_logs logs;
    struct ks_sign_key *keys[KS_WITNESS_SIGNERS_MAX];
    struct ks_note_signer signers[KS_WITNESS_SIGNERS_MAX];
    size_t signer_count;
    int state_fd;
    struct ks_fs *fs;
    struct ks_witness *witness;
    struct ks_witness_server *server;
};

static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static enum ks_err catch_signals(void)
{
    const struct sigaction stop = {.sa_handler = on_stop};

    if (sigaction(SIGTERM, &stop, NULL) != 0 || sigaction(SIGINT, &stop, NULL) != 0) {
        return ks_fail(KS_ERR_IO, "sigaction: %s", strerror(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return KS_OK;
}

static enum ks_err load_key(struct program *program, const char *path, enum ks_note_type type)
{
    enum ks_err err = KS_OK;
    struct ks_note_signer *signer = &program->signers[program->signer_count];
    struct ks_sign_key **key = &program->keys[program->signer_count];
    struct ks_buf vkey;
    struct ks_log_line line;

    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    if (path == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_sign_key_load(path, key));
    *signer = (struct ks_note_signer){
        .name = ks_bytes_text(program->config->witness.name), .type = type, .key = *key};
    KS_TRY(ks_fail_prefix(ks_note_signer_vkey(signer, &vkey), "%s", path));
    program->signer_count++;
    ks_log_begin(&line, KS_LOG_DEBUG, "witness.key");
    ks_log_bytes(&line, "vkey", ks_buf_view(&vkey));
    ks_log_end(&line);
out:
    ks_buf_done(&vkey);
    return err;
}

/* What was cosigned so far. A log that is new to this witness is said aloud: if it was watched
 * before, this is a memory that was lost, and its keys must not be used any more. */
static void log_sizes(const struct program *program)
{
    for (size_t i = 0; i < program->logs.count; i++) {
        struct ks_log_line line;
        bool known = false;
        const uint64_t size = ks_witness_size(program->witness, i, &known);

        ks_log_begin(&line, known ? KS_LOG_INFO : KS_LOG_WARN,
                     known ? "witness.watches" : "witness.new_log");
        ks_log_bytes(&line, "origin", program->logs.logs[i].origin);
        ks_log_u64(&line, "size", size);
        ks_log_end(&line);
    }
}

static void log_answer(const struct ks_witness_answer *answer)
{
    static const struct {
        enum ks_log_level level;
        const char *event;
    } events[] = {
        [KS_WITNESS_COSIGNED] = {KS_LOG_INFO, "checkpoint.cosigned"},
        [KS_WITNESS_MALFORMED] = {KS_LOG_INFO, "checkpoint.malformed"},
        [KS_WITNESS_UNSIGNED] = {KS_LOG_INFO, "checkpoint.unsigned"},
        [KS_WITNESS_STRANGER] = {KS_LOG_INFO, "checkpoint.unknown_log"},
        [KS_WITNESS_BEHIND] = {KS_LOG_INFO, "checkpoint.behind"},
        [KS_WITNESS_FORK] = {KS_LOG_ERROR, "checkpoint.fork"},
        [KS_WITNESS_UNPROVEN] = {KS_LOG_WARN, "checkpoint.unproven"},
        [KS_WITNESS_BROKEN_LOG] = {KS_LOG_ERROR, "checkpoint.not_kept"},
    };
    struct ks_log_line line;

    ks_log_begin(&line, events[answer->event].level, events[answer->event].event);
    ks_log_text(&line, "origin", answer->origin);
    ks_log_u64(&line, "old", answer->old_size);
    ks_log_u64(&line, "size", answer->size);
    ks_log_u64(&line, "status", (uint64_t)answer->status);
    ks_log_end(&line);
}

static enum ks_err open_witness(struct program *program)
{
    enum ks_err err = KS_OK;
    const struct ks_witness_config *config = program->config;
    struct ks_witness_spec spec = {.signers = program->signers};
    int own_fd = -1;

    KS_TRY(ks_witness_config_logs(config, &program->logs));
    KS_TRY(load_key(program, config->keys.ed25519, KS_NOTE_COSIGNED_ED25519));
    KS_TRY(load_key(program, config->keys.mldsa44, KS_NOTE_COSIGNED_MLDSA44));
    KS_TRY(ks_dir_make(config->witness.state, 0700));
    program->state_fd = open(config->witness.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(program->state_fd >= 0, KS_ERR_IO, "open '%s': %s", config->witness.state,
             strerror(errno));
    own_fd = fcntl(program->state_fd, F_DUPFD_CLOEXEC, 0);
    KS_CHECK(own_fd >= 0, KS_ERR_IO, "copy a descriptor: %s", strerror(errno));
    KS_TRY(ks_fs_system_new(own_fd, &program->fs));
    own_fd = -1; /* transferred */
    spec.fs = program->fs;
    spec.signer_count = program->signer_count;
    spec.logs = program->logs.logs;
    spec.log_count = program->logs.count;
    KS_TRY(ks_witness_new(&spec, &program->witness));
out:
    ks_fd_close(&own_fd);
    return err;
}

static enum ks_err open_server(struct program *program)
{
    enum ks_err err = KS_OK;
    const struct ks_witness_config_self *self = &program->config->witness;
    char address[64];
    char path[KS_PATH_MAX];
    char text[16];
    struct ks_witness_server_spec spec = {
        .witness = program->witness,
        .address = address,
        .prefix = self->prefix == NULL ? "" : self->prefix,
        .told = log_answer,
    };
    int len = 0;

    KS_TRY(ks_config_listen("witness.listen", self->listen, address, &spec.port));
    KS_TRY(ks_witness_server_open(&spec, &program->server));
    len =
        snprintf(text, sizeof text, "%u\n", (unsigned)ks_witness_server_port(program->server));
    KS_TRY(ks_path_join(self->state, "port", path));
    KS_TRY(ks_file_write(path, ks_bytes_of(text, (size_t)len), 0644));
out:
    return err;
}

static enum ks_err serve(struct program *program, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_log_line line;

    KS_TRY(ks_process_harden());
    KS_TRY(ks_crypto_check_version());
    KS_TRY(ks_witness_config_load(path, &program->config));
    KS_TRY(open_witness(program));
    KS_TRY(open_server(program));
    KS_TRY(catch_signals());
    KS_TRY(ks_sandbox_daemon(&program->state_fd, 1, NULL, 0));
    log_sizes(program);
    ks_log_begin(&line, KS_LOG_INFO, "witness.ready");
    ks_log_text(&line, "name", program->config->witness.name);
    ks_log_u64(&line, "port", ks_witness_server_port(program->server));
    ks_log_end(&line);
    KS_TRY(ks_witness_server_run(program->server, &stopping));
    ks_log_event(KS_LOG_INFO, "witness.stopped");
out:
    return err;
}

static void program_done(struct program *program)
{
    ks_witness_server_free(program->server);
    ks_witness_free(program->witness);
    ks_fs_system_free(program->fs);
    ks_fd_close(&program->state_fd);
    for (size_t i = 0; i < KS_WITNESS_SIGNERS_MAX; i++) {
        ks_sign_key_free(program->keys[i]);
    }
    ks_witness_logs_done(&program->logs);
    ks_witness_config_free(program->config);
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    static struct program program = {.state_fd = -1};

    ks_log_init("ketseal-witness", KS_LOG_INFO);
    if (argc != 2 || argv[1][0] == '-') {
        err = ks_fail(KS_ERR_USAGE, "usage: ketseal-witness CONFIGURATION");
    } else {
        err = serve(&program, argv[1]);
    }
    if (err != KS_OK) {
        ks_log_failure("witness.failed", err);
    }
    program_done(&program);
    return ks_err_exit_code(err);
}
