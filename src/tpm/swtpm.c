/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

#define CHILD_FD     3    /* where swtpm finds its end of the socketpair */
#define ARGUMENT_MAX 4200 /* PATH_MAX and the option's other letters */
_Static_assert(CHILD_FD == 3, "it stands in argv as a literal");

/* The directory exists, is ours, and nobody else can read the TPM's seeds. */
static enum ks_err prepare_state_dir(const char *path)
{
    enum ks_err err = KS_OK;
    struct stat info;

    /* swtpm splits the option at commas: a path with one would smuggle in other options. */
    KS_CHECK(strchr(path, ',') == NULL && path[0] != '\0', KS_ERR_USAGE,
             "TPM state directory '%s': empty, or it has a comma", path);
    KS_TRY(ks_dir_make(path, 0700));
    KS_CHECK(lstat(path, &info) == 0, KS_ERR_IO, "TPM state directory '%s': %s", path,
             strerror(errno));
    KS_CHECK(S_ISDIR(info.st_mode), KS_ERR_DENIED, "TPM state directory '%s': no directory",
             path);
    KS_CHECK(info.st_uid == geteuid() && (info.st_mode & 077) == 0, KS_ERR_DENIED,
             "TPM state directory '%s': must be yours with mode 0700", path);
out:
    return err;
}

/* Makes CHILD_FD the child's end and leaves nothing else open but null, null, stderr. The
 * socket moves first, for it may stand where null goes when this process has closed its own 0
 * or 1. */
static int plan_descriptors(posix_spawn_file_actions_t *actions, int child_end)
{
    /* Also where both are equal: then it only clears close-on-exec. */
    int failed = posix_spawn_file_actions_adddup2(actions, child_end, CHILD_FD);

    if (failed == 0) {
        failed = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    }
    /* Its messages must not land in whatever file it opens as 2. */
    if (failed == 0 && fcntl(2, F_GETFD) < 0) {
        failed = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addclosefrom_np(actions, CHILD_FD + 1);
    }
    return failed;
}

/* Own process group: a terminal's Ctrl-C must not end the TPM before those who use it. Default
 * signals, empty mask: it inherits no habits of ours. */
static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    int failed;

    (void)sigemptyset(&none); /* cannot fail */
    (void)sigfillset(&all);
    failed = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (failed == 0) {
        failed = posix_spawnattr_setpgroup(attributes, 0);
    }
    if (failed == 0) {
        failed = posix_spawnattr_setsigmask(attributes, &none);
    }
    if (failed == 0) {
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    }
    return failed;
}

static enum ks_err spawn(const char *program, const char *state_dir, int child_end,
                         pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    bool have_actions = false;
    bool have_attributes = false;
    int failed;
    struct ks_buf state;
    struct ks_buf log;

    ks_buf_init(&state, ARGUMENT_MAX);
    ks_buf_init(&log, ARGUMENT_MAX);
    ks_buf_put_format(&state, "dir=%s,mode=0600%c", state_dir, '\0');
    ks_buf_put_format(&log, "file=%s/" KS_SWTPM_LOG ",truncate%c", state_dir, '\0');
    KS_TRY(ks_buf_check(&state));
    KS_TRY(ks_buf_check(&log));
    const char *const argv[] = {
        "swtpm",
        "socket",
        "--tpm2",
        "--fd",
        "3", /* CHILD_FD */
        "--flags",
        "not-need-init,startup-clear",
        "--tpmstate",
        (const char *)state.data,
        "--log",
        (const char *)log.data, /* else it reports each connection's end on stderr */
        "-t",                   /* end with the connection */
        NULL,
    };
    /* Nothing of ours: no loader path, no library's debug switch. */
    const char *const envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};

    have_actions = (failed = posix_spawn_file_actions_init(&actions)) == 0;
    KS_CHECK(failed == 0, KS_ERR_NOMEM, "start swtpm: %s", strerror(failed));
    have_attributes = (failed = posix_spawnattr_init(&attributes)) == 0;
    KS_CHECK(failed == 0, KS_ERR_NOMEM, "start swtpm: %s", strerror(failed));
    failed = plan_descriptors(&actions, child_end);
    KS_CHECK(failed == 0, KS_ERR_NOMEM, "start swtpm: %s", strerror(failed));
    failed = plan_attributes(&attributes);
    KS_CHECK(failed == 0, KS_ERR_NOMEM, "start swtpm: %s", strerror(failed));
    /* POSIX promises not to write to either array; its prototype is older than const. */
    failed = posix_spawn(out_pid, program, &actions, &attributes,
                         (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    KS_CHECK(failed == 0, KS_ERR_IO, "start '%s': %s", program, strerror(failed));
out:
    if (have_attributes) {
        (void)posix_spawnattr_destroy(&attributes); /* cannot fail */
    }
    if (have_actions) {
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    ks_buf_done(&state);
    ks_buf_done(&log);
    return err;
}

enum ks_err ks_tpm_start_swtpm(const char *program, const char *state_dir, int *out_fd,
                               pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    pid_t pid = -1;

    KS_TRY(prepare_state_dir(state_dir));
    KS_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, KS_ERR_IO,
             "socketpair for swtpm: %s", strerror(errno));
    KS_TRY(spawn(program != NULL ? program : KS_SWTPM_PROGRAM, state_dir, ends[1], &pid));
    *out_fd = ends[0];
    *out_pid = pid;
    ends[0] = -1;
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    return err;
}
