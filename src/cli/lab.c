/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/ca.h"
#include "cli/lab_room.h"
#include "crypto/sigalgs.h"
#include "tpm/spawn.h"
#include "tpm/tpm.h"

#define LIFE_S      (UINT64_C(365) * 24 * 3600)
#define BACKDATE_S  300
#define LOG_MAX     (64 * 1024 * 1024)
#define PORT_TEXT   16
#define STEP_MS     10
#define SITE_LOG    "site.log"
#define CONFIG_FILE "ketseal.yaml"

/* --- suites ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum ks_sig_alg root;
    enum ks_sig_alg leaf;
} suites[] = {
#define KS_LAB_SUITE_ROW(name, text, root, leaf) {text, KS_SIG_##root, KS_SIG_##leaf},
    KS_LAB_SUITE_LIST(KS_LAB_SUITE_ROW)
#undef KS_LAB_SUITE_ROW
};

const char *ks_lab_suite_name(enum ks_lab_suite suite)
{
    KS_ASSERT((unsigned)suite < KS_LAB_SUITES);
    return suites[suite].name;
}

const char *ks_lab_suite_sigalg(enum ks_lab_suite suite)
{
    KS_ASSERT((unsigned)suite < KS_LAB_SUITES);
    return ks_sigalgs_name(suites[suite].leaf);
}

/* The list for the settings; NULL where the default has it. */
static const char *sigalgs_of(const struct ks_lab *lab)
{
    uint32_t algs = 0;

    KS_ASSERT(ks_sigalgs_parse(NULL, &algs) == KS_OK);
    return (algs & KS_SIGALG_BIT(suites[lab->spec.suite].leaf)) != 0
               ? NULL
               : ks_lab_suite_sigalg(lab->spec.suite);
}

enum ks_err ks_lab_suite_find(const char *name, enum ks_lab_suite *out_suite)
{
    for (unsigned i = 0; i < KS_LAB_SUITES; i++) {
        if (strcmp(name, suites[i].name) == 0) {
            *out_suite = (enum ks_lab_suite)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "'%s' is no suite of certificates", name);
}

/* --- programs ----------------------------------------------------------------------------- */

static bool is_program(const char *folder, const char *place, const char *name,
                       char path[KS_PATH_MAX])
{
    char below[KS_PATH_MAX];

    (void)snprintf(below, sizeof below, "%s%s", place, name);
    return ks_path_join(folder, below, path) == KS_OK && access(path, X_OK) == 0;
}

static enum ks_err find_program(const char *libexec, const char *name,
                                char out_path[KS_PATH_MAX])
{
    static const char *const places[] = {"", "enclave/", "server/", "kme/"}; /* of a build */
    char path[KS_PATH_MAX];
    char self[KS_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    bool found = false;

    for (size_t i = 0; !found && i < sizeof places / sizeof places[0]; i++) {
        found = is_program(libexec, places[i], name, path);
    }
    if (!found && len > 0) {
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        found = is_program(self, "", name, path);
    }
    /* This program in a build, which has no folder of programs: they lie beside its own. */
    for (size_t i = 1; !found && len > 0 && i < sizeof places / sizeof places[0]; i++) {
        char place[32];

        (void)snprintf(place, sizeof place, "../%s", places[i]);
        found = is_program(self, place, name, path);
    }
    if (!found) {
        return ks_fail(KS_ERR_UNAVAILABLE, "there is no program %s in '%s'", name, libexec);
    }
    ks_copy(out_path, path, strlen(path) + 1);
    return KS_OK;
}

enum ks_err ks_lab_find(const struct ks_lab *lab, const char *name, char out_path[KS_PATH_MAX])
{
    return find_program(lab->libexec, name, out_path);
}

bool ks_lab_has(const char *libexec, const char *name)
{
    char path[KS_PATH_MAX];

    return find_program(libexec == NULL ? KS_LIBEXEC_DIR : libexec, name, path) == KS_OK;
}

enum ks_err ks_lab_spawn(const char *program, const char *const *argv, const char *log,
                         pid_t *out_pid)
{
    static const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    enum ks_err err = KS_OK;
    struct ks_spawn spawn = {.program = program, .argv = argv, .envp = envp, .fd = -1};

    spawn.log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    KS_CHECK(spawn.log_fd >= 0, KS_ERR_IO, "open '%s': %s", log, strerror(errno));
    KS_TRY(ks_spawn_child(&spawn, out_pid));
out:
    ks_fd_close(&spawn.log_fd);
    return err;
}

enum ks_err ks_lab_end(pid_t *pid, bool graceful, const char *name)
{
    const pid_t ended = *pid;
    int status = 0;

    if (ended <= 0) {
        return KS_OK;
    }
    *pid = 0;
    if (graceful && kill(ended, SIGTERM) == 0 &&
        ks_spawn_ended(ended, KS_LAB_STOP_MS * UINT64_C(1000), &status)) {
        return status == 0 ? KS_OK
                           : ks_fail(KS_ERR_IO, "%s did not end cleanly (%d)", name, status);
    }
    (void)kill(ended, SIGKILL);
    (void)ks_spawn_ended(ended, KS_LAB_STOP_MS * UINT64_C(1000), NULL);
    return graceful ? ks_fail(KS_ERR_IO, "%s had to be killed", name) : KS_OK;
}

/* The last line of LOG as an error: why NAME ended. */
static enum ks_err fail_by_log(const char *log)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    char shown[320];
    size_t begin = 0;

    ks_buf_init(&text, LOG_MAX);
    KS_TRY(ks_file_read(log, LOG_MAX, &text));
    while (text.len > 0 && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    for (begin = text.len; begin > 0 && text.data[begin - 1] != '\n'; begin--) {
    }
    ks_text_shown(ks_bytes_of(text.data + begin, text.len - begin), shown, sizeof shown);
    err = ks_fail(KS_ERR_IO, "%s: it does not start: %s", log, shown);
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err read_port(const char *folder, const char *file, uint16_t *out_port)
{
    enum ks_err err = KS_OK;
    uint64_t port = 0;
    struct ks_buf text;
    struct ks_bytes digits = {0};
    char path[KS_PATH_MAX];

    ks_buf_init(&text, PORT_TEXT);
    KS_TRY(ks_path_join(folder, file, path));
    KS_TRY(ks_file_read(path, PORT_TEXT, &text));
    digits = ks_buf_view(&text);
    digits.len -= digits.len > 0 && digits.data[digits.len - 1] == '\n';
    KS_TRY(ks_text_u64(digits, UINT16_MAX, &port));
    *out_port = (uint16_t)port;
out:
    ks_buf_done(&text);
    return err;
}

static bool says(const char *log, const char *text)
{
    struct ks_buf bytes;
    bool found = false;

    ks_buf_init(&bytes, LOG_MAX);
    if (ks_file_read(log, LOG_MAX, &bytes) == KS_OK && bytes.len > 0) {
        found = memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
    }
    ks_buf_done(&bytes);
    return found;
}

enum ks_err ks_lab_await(const struct ks_lab_start *start, uint16_t *out_port)
{
    const struct timespec pause = {.tv_nsec = STEP_MS * 1000000L};
    const uint64_t deadline_us = ks_clock_monotonic_us() + KS_LAB_START_MS * UINT64_C(1000);

    while (!says(start->log, start->ready) ||
           read_port(start->folder, start->file, out_port) != KS_OK) {
        if (ks_spawn_ended(start->pid, 0, NULL)) {
            return fail_by_log(start->log);
        }
        if (ks_clock_monotonic_us() > deadline_us) {
            return ks_fail(KS_ERR_IO, "%s: not ready after %d ms", start->log, KS_LAB_START_MS);
        }
        (void)nanosleep(&pause, NULL);
    }
    return KS_OK;
}

/* --- certificates ------------------------------------------------------------------------- */

static bool exists(const char *folder, const char *name)
{
    char path[KS_PATH_MAX];

    return ks_path_join(folder, name, path) == KS_OK && access(path, F_OK) == 0;
}

static void set_life(struct ks_cert_spec *spec)
{
    spec->not_before_s = ks_clock_us() / 1000000 - BACKDATE_S;
    spec->not_after_s = spec->not_before_s + LIFE_S;
}

static enum ks_err make_ca(const struct ks_lab *lab)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_cert *root = NULL;
    struct ks_cert_spec spec = {.role = KS_CERT_ROOT, .subject = "ketseal lab"};

    KS_TRY(ks_path_join(lab->authority, "ca", path));
    if (!exists(path, "crl.pem")) { /* the last of what is made */
        set_life(&spec);
        KS_TRY(ks_ca_make(path, suites[lab->spec.suite].root, &spec, &root));
    }
out:
    ks_cert_free(root);
    return err;
}

enum ks_err ks_lab_issue(const struct ks_lab *lab, const struct ks_lab_identity *identity)
{
    static const char *const ips[] = {"127.0.0.1"};
    enum ks_err err = KS_OK;
    const bool server = identity->role == KS_CERT_SERVER;
    char ca[KS_PATH_MAX];
    char folder[KS_PATH_MAX];
    struct ks_cert *cert = NULL;
    struct ks_cert_spec spec = {.role = identity->role,
                                .subject = identity->subject,
                                .ips = ips,
                                .ip_count = server ? 1 : 0};

    KS_TRY(ks_path_join(lab->authority, "ca", ca));
    KS_TRY(ks_path_join(lab->authority, identity->folder, folder));
    if (!exists(folder, "root.pem")) { /* the last of what is made */
        set_life(&spec);
        KS_TRY(ks_ca_issue(ca, suites[lab->spec.suite].leaf, &spec, folder, &cert));
    }
out:
    ks_cert_free(cert);
    return err;
}

/* tls.json in FOLDER, where the defaults will not do. */
static enum ks_err tell_tls(const struct ks_lab *lab, const char *folder)
{
    enum ks_err err = KS_OK;
    const char *sigalgs = sigalgs_of(lab);
    char path[KS_PATH_MAX];
    char text[128];

    if (sigalgs != NULL) {
        (void)snprintf(text, sizeof text,
                       "{\"schema\":\"ketseal.tls/1\",\"signature_algorithms\":\"%s\"}\n",
                       sigalgs);
        KS_TRY(ks_path_join(folder, "tls.json", path));
        KS_TRY(ks_file_write(path, ks_bytes_text(text), 0644));
    }
out:
    return err;
}

/* --- devices ------------------------------------------------------------------------------ */

static enum ks_err copy_file(const char *from, const char *to, const char *name, mode_t mode)
{
    enum ks_err err = KS_OK;
    char source[KS_PATH_MAX];
    char target[KS_PATH_MAX];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_LAB_TEXT_MAX * 8);
    KS_TRY(ks_path_join(from, name, source));
    KS_TRY(ks_path_join(to, name, target));
    KS_TRY(ks_file_read(source, bytes.max, &bytes));
    KS_TRY(ks_file_write(target, ks_buf_view(&bytes), mode));
out:
    ks_buf_wipe(&bytes);
    return err;
}

static enum ks_err make_device(struct ks_lab *lab, unsigned index)
{
    enum ks_err err = KS_OK;
    char name[32];
    char identity_folder[KS_PATH_MAX];
    const struct ks_lab_identity identity = {name, name, KS_CERT_DEVICE};
    char *folder = lab->devices[index];

    (void)snprintf(name, sizeof name, "device-%u", index);
    KS_TRY(ks_lab_issue(lab, &identity));
    KS_TRY(ks_path_join(lab->authority, name, identity_folder));
    KS_TRY(ks_path_join(lab->directory, name, folder));
    KS_TRY(ks_dir_make(folder, 0700));
    KS_TRY(copy_file(identity_folder, folder, "root.pem", 0644));
    KS_TRY(copy_file(identity_folder, folder, "device.pem", 0644));
    KS_TRY(copy_file(identity_folder, folder, "device.key", 0600));
    KS_TRY(tell_tls(lab, folder));
out:
    return err;
}

/* Where the site is, and what it is: known once it runs. */
static enum ks_err tell_device(const struct ks_lab *lab, unsigned index)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(lab->directory, "state", path));
    KS_TRY(copy_file(path, lab->devices[index], "site.json", 0644));
    KS_TRY(ks_path_join(lab->devices[index], "url", path));
    KS_TRY(ks_file_write(path, ks_bytes_text(lab->url), 0644));
    if (lab->spec.quantum) {
        KS_TRY(ks_lab_link_tell_device(lab, index));
    }
out:
    return err;
}

/* --- the site ----------------------------------------------------------------------------- */

static enum ks_err write_config(const struct ks_lab *lab)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    const unsigned workers = lab->spec.workers == 0 ? KS_LAB_WORKERS : lab->spec.workers;
    struct ks_buf text;

    ks_buf_init(&text, KS_LAB_TEXT_MAX);
    ks_buf_put_text(&text, "site:\n  origin: lab.example/ketseal\n  listen: 127.0.0.1:0\n"
                           "  state: state\n");
    ks_buf_put_format(&text,
                      "tls:\n  root: %s/ca/root.pem\n  certificate: %s/server/server.pem\n"
                      "  key: %s/server/server.key\n",
                      lab->authority, lab->authority, lab->authority);
    if (lab->groups[0] != '\0') {
        ks_buf_put_format(&text, "  groups: %s\n", lab->groups);
    }
    if (sigalgs_of(lab) != NULL) {
        ks_buf_put_format(&text, "  signature_algorithms: %s\n", sigalgs_of(lab));
    }
    ks_buf_put_format(&text, "workers:\n  count: %u\n", workers);
    if (lab->spec.quantum) {
        ks_lab_link_put_section(lab, &text);
    }
    if (lab->spec.yaml != NULL) {
        ks_buf_put_text(&text, lab->spec.yaml);
    }
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_path_join(lab->directory, CONFIG_FILE, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
out:
    ks_buf_done(&text);
    return err;
}

/* Names for what ketseal-launch is to start, in a folder of the lab's: one may be another's. */
static enum ks_err link_programs(const struct ks_lab *lab, const char *folder)
{
    static const char *const names[] = {"ketseal-enclave", "ketseal-worker", "ketseald"};
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    char found[KS_PATH_MAX];
    char target[KS_PATH_MAX];
    bool replaced = lab->spec.program == NULL;

    KS_TRY(ks_dir_make(folder, 0700));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool other = lab->spec.program != NULL && strcmp(names[i], lab->spec.program) == 0;

        replaced = replaced || other;
        if (other) {
            KS_CHECK(realpath(lab->spec.instead, target) != NULL, KS_ERR_UNAVAILABLE,
                     "'%s': %s", lab->spec.instead, strerror(errno));
        } else {
            KS_TRY(ks_lab_find(lab, names[i], found));
            KS_CHECK(realpath(found, target) != NULL, KS_ERR_UNAVAILABLE, "'%s': %s", found,
                     strerror(errno));
        }
        KS_TRY(ks_path_join(folder, names[i], path));
        (void)unlink(path); /* of an earlier start */
        KS_CHECK(symlink(target, path) == 0, KS_ERR_IO, "link '%s': %s", path, strerror(errno));
    }
    KS_CHECK(replaced, KS_ERR_USAGE, "'%s' is no program of a site", lab->spec.program);
out:
    return err;
}

static enum ks_err launch(struct ks_lab *lab)
{
    enum ks_err err = KS_OK;
    char program[KS_PATH_MAX];
    char folder[KS_PATH_MAX];
    char flag[KS_PATH_MAX + 16];
    char config[KS_PATH_MAX];
    char log[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    const char *const argv[] = {"ketseal-launch", flag, config, NULL};
    struct ks_lab_start start = {
        .log = log, .ready = "event=site.ready", .folder = state, .file = "port"};

    KS_CHECK(access(KS_SWTPM_PROGRAM, X_OK) == 0, KS_ERR_UNAVAILABLE,
             "there is no %s, and so no simulated TPM", KS_SWTPM_PROGRAM);
    KS_TRY(ks_lab_find(lab, "ketseal-launch", program));
    KS_TRY(ks_path_join(lab->directory, "libexec", folder));
    KS_TRY(link_programs(lab, folder));
    (void)snprintf(flag, sizeof flag, "--libexec=%s", folder);
    KS_TRY(ks_path_join(lab->directory, CONFIG_FILE, config));
    KS_TRY(ks_path_join(lab->directory, SITE_LOG, log));
    KS_TRY(ks_path_join(lab->directory, "state", state));
    KS_TRY(ks_lab_spawn(program, argv, log, &lab->pid));
    start.pid = lab->pid;
    KS_TRY(ks_lab_await(&start, &lab->port));
    (void)snprintf(lab->url, sizeof lab->url, "https://127.0.0.1:%u", (unsigned)lab->port);
out:
    return err;
}

static enum ks_err take_spec(const struct ks_lab_spec *spec, struct ks_lab *lab)
{
    enum ks_err err = KS_OK;
    const char *libexec = spec->libexec == NULL ? KS_LIBEXEC_DIR : spec->libexec;
    char authority[KS_PATH_MAX];

    KS_CHECK(spec->version == 1 && spec->directory != NULL, KS_ERR_USAGE,
             "lab: version %u, or no directory", (unsigned)spec->version);
    KS_CHECK(spec->devices >= 1 && spec->devices <= KS_LAB_DEVICES_MAX, KS_ERR_USAGE,
             "lab: 1 to %d devices", KS_LAB_DEVICES_MAX);
    KS_CHECK(strlen(libexec) < sizeof lab->libexec, KS_ERR_LIMIT, "path '%s' is too long",
             libexec);
    KS_CHECK(spec->groups == NULL || strlen(spec->groups) < sizeof lab->groups, KS_ERR_LIMIT,
             "groups: over %zu bytes", sizeof lab->groups - 1);
    lab->spec = *spec;
    ks_copy(lab->libexec, libexec, strlen(libexec) + 1);
    if (spec->groups != NULL) {
        ks_copy(lab->groups, spec->groups, strlen(spec->groups) + 1);
    }
    KS_TRY(ks_dir_make(spec->directory, 0700));
    /* Whole paths: those of a configuration are relative to its folder. */
    KS_CHECK(realpath(spec->directory, lab->directory) != NULL, KS_ERR_IO, "'%s': %s",
             spec->directory, strerror(errno));
    KS_TRY(ks_path_join(lab->directory, "authority", authority));
    if (spec->authority != NULL) {
        KS_CHECK(strlen(spec->authority) < sizeof authority, KS_ERR_LIMIT,
                 "path '%s' is too long", spec->authority);
        ks_copy(authority, spec->authority, strlen(spec->authority) + 1);
    }
    KS_TRY(ks_dir_make(authority, 0700));
    KS_CHECK(realpath(authority, lab->authority) != NULL, KS_ERR_IO, "'%s': %s", authority,
             strerror(errno));
    KS_TRY(ks_path_join(lab->authority, "operator", lab->operator_));
    lab->devices = ks_calloc(spec->devices, sizeof *lab->devices);
    KS_CHECK(lab->devices != NULL, KS_ERR_NOMEM, "%u devices", spec->devices);
    lab->device_count = spec->devices;
out:
    return err;
}

enum ks_err ks_lab_start(const struct ks_lab_spec *spec, struct ks_lab **out_lab)
{
    static const struct ks_lab_identity server = {"server", "lab", KS_CERT_SERVER};
    static const struct ks_lab_identity operator_ = {"operator", "lab-operator",
                                                     KS_CERT_OPERATOR};
    enum ks_err err = KS_OK;
    struct ks_lab *lab = ks_calloc(1, sizeof *lab);

    KS_CHECK(lab != NULL, KS_ERR_NOMEM, "lab");
    KS_TRY(take_spec(spec, lab));
    KS_TRY(make_ca(lab));
    KS_TRY(ks_lab_issue(lab, &server));
    KS_TRY(ks_lab_issue(lab, &operator_));
    KS_TRY(tell_tls(lab, lab->operator_));
    for (unsigned i = 0; i < lab->device_count; i++) {
        KS_TRY(make_device(lab, i));
    }
    if (spec->quantum) {
        KS_TRY(ks_lab_link_start(lab));
    }
    KS_TRY(write_config(lab));
    KS_TRY(launch(lab));
    for (unsigned i = 0; i < lab->device_count; i++) {
        KS_TRY(tell_device(lab, i));
    }
    *out_lab = lab;
    lab = NULL; /* transferred */
out:
    ks_lab_kill(lab);
    return err;
}

static enum ks_err end(struct ks_lab *lab, bool graceful)
{
    enum ks_err err = KS_OK;
    enum ks_err link = KS_OK;

    if (lab != NULL) {
        err = ks_lab_end(&lab->pid, graceful, "ketseal-launch");
        link = ks_lab_link_stop(lab, graceful);
        ks_free(lab->devices);
    }
    ks_free(lab);
    return err != KS_OK ? err : link;
}

enum ks_err ks_lab_stop(struct ks_lab *lab)
{
    return end(lab, true);
}

void ks_lab_kill(struct ks_lab *lab)
{
    (void)end(lab, false); /* what is killed does not end cleanly */
}

/* --- what it is --------------------------------------------------------------------------- */

const char *ks_lab_directory(const struct ks_lab *lab)
{
    return lab->directory;
}

const char *ks_lab_authority(const struct ks_lab *lab)
{
    return lab->authority;
}

const char *ks_lab_url(const struct ks_lab *lab)
{
    return lab->url;
}

uint16_t ks_lab_port(const struct ks_lab *lab)
{
    return lab->port;
}

pid_t ks_lab_pid(const struct ks_lab *lab)
{
    return lab->pid;
}

const char *ks_lab_device(const struct ks_lab *lab, unsigned index)
{
    KS_ASSERT(index < lab->device_count);
    return lab->devices[index];
}

const char *ks_lab_operator(const struct ks_lab *lab)
{
    return lab->operator_;
}

enum ks_err ks_lab_client_open(const struct ks_lab *lab, const struct ks_lab_client *spec,
                               struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    const char *folder = ks_lab_device(lab, spec->device);
    char root[KS_PATH_MAX];
    char certificate[KS_PATH_MAX];
    char key[KS_PATH_MAX];
    char site[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    char keys[KS_PATH_MAX];
    struct ks_client_spec client = {.version = 2,
                                    .url = spec->url == NULL ? lab->url : spec->url,
                                    .root = root,
                                    .certificate = certificate,
                                    .key = key,
                                    .site = site,
                                    .state = state,
                                    .groups = spec->groups,
                                    .timeout_ms = spec->timeout_ms,
                                    .signature_algorithms = sigalgs_of(lab)};

    if (client.groups == NULL && lab->groups[0] != '\0') {
        client.groups = lab->groups;
    }
    KS_TRY(ks_path_join(folder, "root.pem", root));
    KS_TRY(ks_path_join(folder, "device.pem", certificate));
    KS_TRY(ks_path_join(folder, "device.key", key));
    KS_TRY(ks_path_join(folder, "site.json", site));
    KS_TRY(ks_path_join(folder, "state", state));
    KS_TRY(ks_path_join(folder, "keys.json", keys));
    client.keys = access(keys, F_OK) == 0 ? keys : NULL;
    KS_TRY(ks_client_open(&client, out_client));
out:
    return err;
}
