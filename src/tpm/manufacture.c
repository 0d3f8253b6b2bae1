/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A TPM for swtpm, made by swtpm_setup and swtpm_localca in a folder of its own inside the
 * state directory. It comes into being by the rename of one file, the last step. */
#include "tpm/tpm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "tpm/spawn.h"

#define SETUP_PROGRAM    "/usr/bin/swtpm_setup"
#define CA_PROGRAM       "/usr/bin/swtpm_localca"
#define STATE_FILE       "tpm2-00.permall" /* all that makes a TPM of swtpm's */
#define MAKING           "making"          /* the folder, inside the state directory */
#define SETUP_MAX_US     60000000          /* about a second on an idle machine */
#define KILL_GRACE_US    5000000
#define CERTIFICATE_MAX  16384
#define COMMAND_LINE_MAX 32768
#define STATE_OPTION     "backend-uri=dir://" /* as swtpm_setup gives it to swtpm */
#define FOLDERS_MAX      8 /* descriptors that a recursive removal keeps open */

/* What swtpm_localca keeps in its directory. It writes them one after the other, unsynced: a
 * set that we have not marked as whole, by the two certificates under our names, is thrown
 * away. */
static const char *const ca_files[] = {
    "swtpm-localca-rootca-privkey.pem",
    "swtpm-localca-rootca-cert.pem",
    "signkey.pem",
    "issuercert.pem",
    "certserial",
};

struct maker {
    const char *state_dir;
    const char *ca_dir;
    char making[KS_PATH_MAX];
    int state_fd; /* locked directories */
    int ca_fd;
};

/* swtpm's options and configuration files have no quoting. */
static enum ks_err check_path(const char *path)
{
    enum ks_err err = KS_OK;

    KS_CHECK(path[0] != '\0', KS_ERR_USAGE, "TPM directory: its path is empty");
    for (const char *at = path; *at != '\0'; at++) {
        KS_CHECK((unsigned char)*at >= 0x20 && *at != 0x7f && strchr(",$#\"'\\", *at) == NULL,
                 KS_ERR_USAGE,
                 "TPM directory '%s': it has a comma, a quote, '$', '#', '\\' or a control "
                 "character",
                 path);
    }
out:
    return err;
}

/* The directory exists, is ours, and nobody else can read the seeds or keys in it. */
static enum ks_err open_dir(const char *path, int *out_fd)
{
    enum ks_err err = KS_OK;
    struct stat info;
    int fd = -1;

    KS_TRY(check_path(path));
    KS_TRY(ks_dir_make(path, 0700));
    KS_CHECK(lstat(path, &info) == 0, KS_ERR_IO, "TPM directory '%s': %s", path,
             strerror(errno));
    KS_CHECK(S_ISDIR(info.st_mode), KS_ERR_DENIED, "TPM directory '%s': no directory", path);
    KS_CHECK(info.st_uid == geteuid() && (info.st_mode & 077) == 0, KS_ERR_DENIED,
             "TPM directory '%s': must be yours with mode 0700", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    KS_CHECK(fd >= 0, KS_ERR_IO, "TPM directory '%s': %s", path, strerror(errno));
    *out_fd = fd;
out:
    return err;
}

static enum ks_err lock_dir(int fd, const char *path)
{
    int result;

    do {
        result = flock(fd, LOCK_EX);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return ks_fail(KS_ERR_IO, "lock TPM directory '%s': %s", path, strerror(errno));
    }
    return KS_OK;
}

static enum ks_err sync_file(int dir_fd, const char *name)
{
    enum ks_err err = KS_OK;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    KS_CHECK(fd >= 0, KS_ERR_IO, "TPM file '%s': %s", name, strerror(errno));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "sync TPM file '%s': %s", name, strerror(errno));
out:
    ks_fd_close(&fd);
    return err;
}

/* True when PID is a swtpm on the state STATE. */
static bool is_on_state(unsigned pid, const char *state)
{
    char path[sizeof "/proc/4294967295/cmdline"];
    char option[KS_PATH_MAX + sizeof STATE_OPTION "/state"];
    struct ks_buf line;
    bool found = false;

    (void)snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    (void)snprintf(option, sizeof option, STATE_OPTION "%s", state);
    ks_buf_init(&line, COMMAND_LINE_MAX);
    if (ks_file_read(path, COMMAND_LINE_MAX, &line) == KS_OK && line.len > 0) {
        found = memmem(line.data, line.len, option, strlen(option) + 1) != NULL;
    }
    ks_buf_done(&line);
    return found;
}

/* Ends the swtpm that a swtpm_setup, killed with its caller, has left behind: nobody else
 * would. Best effort: without it a process stays, and nothing else. */
static void end_orphans(const struct maker *maker)
{
    char state[KS_PATH_MAX + sizeof "/state"];
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    uint64_t pid = 0;

    if (processes == NULL) {
        return;
    }
    (void)snprintf(state, sizeof state, "%s/state", maker->making);
    while ((entry = readdir(processes)) != NULL) {
        if (ks_text_u64(ks_bytes_text(entry->d_name), INT32_MAX, &pid) == KS_OK && pid > 1 &&
            is_on_state((unsigned)pid, state)) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    (void)closedir(processes);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *position)
{
    (void)info;
    (void)kind;
    (void)position;
    return remove(path);
}

/* The folder of an attempt, ours or one that was killed. */
static enum ks_err remove_making(const struct maker *maker)
{
    if (nftw(maker->making, remove_one, FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 &&
        errno != ENOENT) {
        return ks_fail(KS_ERR_IO, "remove '%s': %s", maker->making, strerror(errno));
    }
    return KS_OK;
}

/* --- the certificate authority ------------------------------------------------------------ */

/* Throws away a CA that was never finished. */
static enum ks_err settle_ca(const struct maker *maker)
{
    enum ks_err err = KS_OK;

    if (faccessat(maker->ca_fd, KS_SWTPM_CA_ISSUING, F_OK, 0) == 0) {
        return KS_OK;
    }
    for (size_t i = 0; i < sizeof ca_files / sizeof ca_files[0]; i++) {
        KS_CHECK(unlinkat(maker->ca_fd, ca_files[i], 0) == 0 || errno == ENOENT, KS_ERR_IO,
                 "remove '%s/%s': %s", maker->ca_dir, ca_files[i], strerror(errno));
    }
out:
    return err;
}

static enum ks_err publish(const struct maker *maker, const char *source, const char *target)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf pem;

    ks_buf_init(&pem, CERTIFICATE_MAX);
    KS_TRY(ks_path_join(maker->ca_dir, source, path));
    KS_TRY(ks_file_read(path, CERTIFICATE_MAX, &pem));
    KS_TRY(ks_path_join(maker->ca_dir, target, path));
    KS_TRY(ks_file_write(path, ks_buf_view(&pem), 0644));
out:
    ks_buf_done(&pem);
    return err;
}

/* Marks the CA as whole, and gives out its certificates. */
static enum ks_err keep_ca(const struct maker *maker)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sizeof ca_files / sizeof ca_files[0]; i++) {
        KS_TRY(sync_file(maker->ca_fd, ca_files[i]));
    }
    KS_CHECK(fsync(maker->ca_fd) == 0, KS_ERR_IO, "sync '%s': %s", maker->ca_dir,
             strerror(errno));
    if (faccessat(maker->ca_fd, KS_SWTPM_CA_ISSUING, F_OK, 0) != 0) {
        KS_TRY(publish(maker, "swtpm-localca-rootca-cert.pem", KS_SWTPM_CA_ROOT));
        KS_TRY(publish(maker, "issuercert.pem", KS_SWTPM_CA_ISSUING));
    }
out:
    return err;
}

/* --- the TPM ------------------------------------------------------------------------------ */

static enum ks_err write_text(const struct maker *maker, const char *name, struct ks_buf *text)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_buf_check(text));
    KS_TRY(ks_path_join(maker->making, name, path));
    KS_TRY(ks_file_write(path, ks_buf_view(text), 0600));
    ks_buf_clear(text);
out:
    return err;
}

/* All that the programs read of configuration: nothing of the host's. */
static enum ks_err write_configuration(const struct maker *maker)
{
    enum ks_err err = KS_OK;
    const char *ca = maker->ca_dir;
    struct ks_buf text;

    ks_buf_init(&text, 8 * KS_PATH_MAX);
    ks_buf_put_format(&text,
                      "statedir = %s\nsigningkey = %s/signkey.pem\nissuercert = "
                      "%s/issuercert.pem\ncertserial = %s/certserial\n",
                      ca, ca, ca, ca);
    KS_TRY(write_text(maker, "localca.conf", &text));
    ks_buf_put_text(&text, "--platform-manufacturer ketseal\n--platform-version 1\n"
                           "--platform-model simulated\n");
    KS_TRY(write_text(maker, "localca.options", &text));
    ks_buf_put_format(&text,
                      "create_certs_tool = " CA_PROGRAM "\n"
                      "create_certs_tool_config = %s/localca.conf\n"
                      "create_certs_tool_options = %s/localca.options\n"
                      "active_pcr_banks = sha256\n",
                      maker->making, maker->making);
    KS_TRY(write_text(maker, "setup.conf", &text));
out:
    ks_buf_done(&text);
    return err;
}

/* Waits for the end of PID, and makes it. */
static enum ks_err wait_for_setup(const struct maker *maker, pid_t pid)
{
    enum ks_err err = KS_OK;
    int status = -1;

    if (!ks_spawn_ended(pid, SETUP_MAX_US, &status)) {
        (void)kill(-pid, SIGKILL); /* with the programs that it runs */
        (void)ks_spawn_ended(pid, KILL_GRACE_US, NULL);
        return ks_fail(KS_ERR_IO, "'" SETUP_PROGRAM "' takes more than %d s; see %s/%s",
                       SETUP_MAX_US / 1000000, maker->state_dir, KS_SWTPM_SETUP_LOG);
    }
    KS_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, KS_ERR_IO,
             "'" SETUP_PROGRAM "' could not make a TPM; see %s/%s", maker->state_dir,
             KS_SWTPM_SETUP_LOG);
out:
    return err;
}

static enum ks_err run_setup(const struct maker *maker)
{
    enum ks_err err = KS_OK;
    char config[KS_PATH_MAX];
    char state[KS_PATH_MAX];
    char temporary[KS_PATH_MAX + sizeof "TMPDIR="];
    int log_fd = -1;
    pid_t pid = -1;
    const char *const envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", temporary, NULL};
    const char *const argv[] = {
        "swtpm_setup",      "--tpm2",       "--tpmstate", state,
        "--create-ek-cert", "--lock-nvram", "--config",   config,
        "--pcr-banks",      "sha256",       NULL,
    };
    struct ks_spawn child = {.program = SETUP_PROGRAM, .argv = argv, .envp = envp, .fd = -1};

    KS_TRY(ks_path_join(maker->making, "setup.conf", config));
    KS_TRY(ks_path_join(maker->making, "state", state));
    (void)snprintf(temporary, sizeof temporary, "TMPDIR=%s", maker->making);
    KS_TRY(ks_dir_make(state, 0700));
    log_fd = openat(maker->state_fd, KS_SWTPM_SETUP_LOG,
                    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    KS_CHECK(log_fd >= 0, KS_ERR_IO, "'%s/%s': %s", maker->state_dir, KS_SWTPM_SETUP_LOG,
             strerror(errno));
    child.log_fd = log_fd;
    KS_TRY(ks_spawn_child(&child, &pid));
    KS_TRY(wait_for_setup(maker, pid));
out:
    ks_fd_close(&log_fd);
    return err;
}

/* With both directories locked, and no TPM there. */
static enum ks_err make_tpm(const struct maker *maker)
{
    enum ks_err err = KS_OK;
    const char *const made = MAKING "/state/" STATE_FILE;

    if (faccessat(maker->state_fd, MAKING, F_OK, 0) == 0) {
        end_orphans(maker);
        KS_TRY(remove_making(maker));
    }
    KS_TRY(settle_ca(maker));
    KS_TRY(ks_dir_make(maker->making, 0700));
    KS_TRY(write_configuration(maker));
    KS_TRY(run_setup(maker));
    KS_TRY(keep_ca(maker)); /* before the TPM that it has certified */
    KS_TRY(sync_file(maker->state_fd, made));
    KS_CHECK(renameat(maker->state_fd, made, maker->state_fd, STATE_FILE) == 0 &&
                 fsync(maker->state_fd) == 0,
             KS_ERR_IO, "TPM state '%s/%s': %s", maker->state_dir, STATE_FILE, strerror(errno));
    KS_TRY(remove_making(maker));
out:
    return err;
}

static enum ks_err refuse_same(const struct maker *maker)
{
    enum ks_err err = KS_OK;
    struct stat state;
    struct stat ca;

    KS_CHECK(fstat(maker->state_fd, &state) == 0 && fstat(maker->ca_fd, &ca) == 0, KS_ERR_IO,
             "TPM directory '%s': %s", maker->state_dir, strerror(errno));
    KS_CHECK(state.st_dev != ca.st_dev || state.st_ino != ca.st_ino, KS_ERR_USAGE,
             "TPM directory '%s': it cannot be the CA's directory too", maker->state_dir);
out:
    return err;
}

/* "PARENT/swtpm-ca" for "PARENT/NAME", with any '/' behind it. */
static enum ks_err name_ca(const char *state_dir, char target[KS_PATH_MAX])
{
    size_t len = strlen(state_dir);
    int put;

    while (len > 1 && state_dir[len - 1] == '/') {
        len--;
    }
    while (len > 0 && state_dir[len - 1] != '/') {
        len--;
    }
    put = snprintf(target, KS_PATH_MAX, "%.*s" KS_SWTPM_CA, (int)len, state_dir);
    if (put < 0 || put >= KS_PATH_MAX) {
        return ks_fail(KS_ERR_LIMIT, "TPM state directory: its path is too long");
    }
    return KS_OK;
}

enum ks_err ks_tpm_make_swtpm(const char *state_dir, const char *ca_dir)
{
    enum ks_err err = KS_OK;
    char beside[KS_PATH_MAX];
    struct maker maker = {
        .state_dir = state_dir, .ca_dir = beside, .state_fd = -1, .ca_fd = -1};

    KS_CHECK(strlen(state_dir) < KS_PATH_MAX, KS_ERR_LIMIT,
             "TPM state directory: its path is too long");
    KS_TRY(open_dir(state_dir, &maker.state_fd));
    if (faccessat(maker.state_fd, STATE_FILE, F_OK, 0) == 0) {
        goto out;
    }
    KS_TRY(ks_path_join(state_dir, MAKING, maker.making));
    if (ca_dir != NULL) {
        maker.ca_dir = ca_dir;
    } else {
        KS_TRY(name_ca(state_dir, beside));
    }
    KS_TRY(open_dir(maker.ca_dir, &maker.ca_fd));
    KS_TRY(refuse_same(&maker));
    KS_TRY(lock_dir(maker.state_fd, state_dir));
    KS_TRY(lock_dir(maker.ca_fd, maker.ca_dir));
    /* Another one may have made it while we waited. */
    if (faccessat(maker.state_fd, STATE_FILE, F_OK, 0) != 0) {
        KS_TRY(make_tpm(&maker));
    }
out:
    ks_fd_close(&maker.state_fd);
    ks_fd_close(&maker.ca_fd);
    return err;
}
