/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"

#define SCRIPT_MAX   ((size_t)16 << 20)
#define DRAWING_MAX  ((size_t)64 << 20)
#define MESSAGES_MAX 4096 /* of what gnuplot says, the beginning */

/* 16 by 10 everywhere; the sizes are those of a page's column, a browser and a slide. */
static const struct ks_gnuplot_format formats[] = {
    {"pdf", "pdfcairo noenhanced size 16cm,10cm font 'DejaVu Sans,9'", 9, 0.5,
     "DejaVu Sans:Bold"},
    {"svg",
     "svg noenhanced size 800,500 background '#ffffff' font 'DejaVu Sans,12' name 'figure'", 12,
     0.65, "DejaVu Sans"},
    {"png",
     "pngcairo noenhanced size 1600,1000 background '#ffffff' font 'DejaVu Sans,22' "
     "linewidth 2.2",
     22, 1.2, "DejaVu Sans:Bold"},
};
#define FORMATS (sizeof formats / sizeof formats[0])

/* Single quotes, since between double ones gnuplot runs what stands in backquotes. */
void ks_gnuplot_put_text(struct ks_buf *script, const char *text)
{
    ks_buf_put_u8(script, '\'');
    for (const char *c = text; *c != '\0'; c++) {
        uint8_t byte = (uint8_t)*c;

        if (byte == '\'') {
            ks_buf_put_u8(script, byte);
        }
        ks_buf_put_u8(script, byte < ' ' || byte == 0x7f ? '?' : byte);
    }
    ks_buf_put_u8(script, '\'');
}

enum ks_err ks_gnuplot_write_file(const char *name, const char *directory,
                                  const char *extension, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    char file[NAME_MAX + 1];
    char path[KS_PATH_MAX];

    (void)snprintf(file, sizeof file, "%s.%s", name, extension);
    KS_TRY(ks_path_join(directory, file, path));
    KS_TRY(ks_file_write(path, bytes, 0644));
out:
    return err;
}

/* --- the child ---------------------------------------------------------------------------- */

#define CHILD_FDS 3 /* standard input, output and error */

/* A file in memory with CONTENTS, at its beginning. Its number is none that the child gets its
 * own files at, even where this program was started without them. */
static enum ks_err memory_file(struct ks_bytes contents, int *out_fd)
{
    enum ks_err err = KS_OK;
    int low = memfd_create("ketseal-figure", MFD_CLOEXEC);
    int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, CHILD_FDS);

    KS_CHECK(fd >= 0, KS_ERR_IO, "memory for gnuplot: %s", strerror(errno));
    KS_TRY(ks_fd_write(fd, contents, "memory for gnuplot"));
    KS_CHECK(lseek(fd, 0, SEEK_SET) == 0, KS_ERR_IO, "memory for gnuplot: %s", strerror(errno));
    *out_fd = fd;
    fd = -1;
out:
    ks_fd_close(&low);
    ks_fd_close(&fd);
    return err;
}

/* What the child has written, up to LEN_MAX bytes. */
static enum ks_err read_back(int fd, size_t len_max, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct stat info;
    uint8_t *target = NULL;
    size_t len = 0;

    KS_CHECK(fstat(fd, &info) == 0 && lseek(fd, 0, SEEK_SET) == 0, KS_ERR_IO,
             "what gnuplot wrote: %s", strerror(errno));
    len = (uint64_t)info.st_size < len_max ? (size_t)info.st_size : len_max;
    target = ks_buf_reserve(out, len);
    KS_TRY(ks_buf_check(out));
    if (len > 0) {
        KS_TRY(ks_fd_read(fd, target, len, "what gnuplot wrote"));
    }
    ks_buf_grew(out, len);
out:
    return err;
}

static enum ks_err spawn(char *const *argv, const int fds[CHILD_FDS], pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    const char *path = getenv("PATH");
    const char *home = getenv("HOME"); /* where fontconfig keeps its cache */
    char path_entry[2 * KS_PATH_MAX];
    char home_entry[KS_PATH_MAX];
    char locale_entry[] = "LC_ALL=C"; /* points in numbers; texts are utf8 by the script */
    char *const envp[] = {path_entry, home_entry, locale_entry, NULL};
    int rc = posix_spawn_file_actions_init(&actions);

    KS_CHECK(rc == 0 && (rc = posix_spawnattr_init(&attributes)) == 0, KS_ERR_NOMEM,
             "start gnuplot: %s", strerror(rc));
    (void)snprintf(path_entry, sizeof path_entry, "PATH=%s", path == NULL ? "" : path);
    (void)snprintf(home_entry, sizeof home_entry, "HOME=%s", home == NULL ? "/" : home);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    for (int fd = 0; fd < CHILD_FDS && rc == 0; fd++) {
        rc = posix_spawn_file_actions_adddup2(&actions, fds[fd], fd);
    }
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(&attributes, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(&attributes, &all);
    rc = rc != 0 ? rc
                 : posix_spawnattr_setflags(&attributes,
                                            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = rc != 0 ? rc : posix_spawnp(out_pid, "gnuplot", &actions, &attributes, argv, envp);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    KS_CHECK(rc != ENOENT, KS_ERR_IO,
             "gnuplot is not installed; it draws the figures (package gnuplot-nox)");
    KS_CHECK(rc == 0, KS_ERR_IO, "start gnuplot: %s", strerror(rc));
out:
    return err;
}

static enum ks_err wait_for(pid_t pid, int messages_fd)
{
    enum ks_err err = KS_OK;
    int status = 0;
    pid_t got;
    struct ks_buf messages;
    char shown[160] = "";

    ks_buf_init(&messages, MESSAGES_MAX);
    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    KS_CHECK(got == pid, KS_ERR_IO, "wait for gnuplot: %s", strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        KS_TRY(read_back(messages_fd, MESSAGES_MAX, &messages));
        ks_text_shown(ks_buf_view(&messages), shown, sizeof shown);
        KS_TRY(ks_fail(KS_ERR_IO, "gnuplot failed (%s %d): '%s'",
                       WIFEXITED(status) ? "status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), shown));
    }
out:
    ks_buf_done(&messages);
    return err;
}

/* Runs gnuplot on SCRIPT, without any start-up file, and gives what it writes. */
static enum ks_err run_gnuplot(struct ks_bytes script, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const char *const argv[] = {"gnuplot", "-d", NULL};
    int fds[CHILD_FDS] = {-1, -1, -1};
    pid_t pid = -1;

    KS_TRY(memory_file(script, &fds[0]));
    KS_TRY(memory_file((struct ks_bytes){NULL, 0}, &fds[1]));
    KS_TRY(memory_file((struct ks_bytes){NULL, 0}, &fds[2]));
    /* POSIX promises not to write to the array; its prototype is older than const. */
    KS_TRY(spawn((char *const *)(uintptr_t)argv, fds, &pid));
    KS_TRY(wait_for(pid, fds[2]));
    KS_TRY(read_back(fds[1], DRAWING_MAX, out));
    KS_CHECK(out->len > 0, KS_ERR_IO, "gnuplot wrote nothing");
out:
    for (int i = 0; i < CHILD_FDS; i++) {
        ks_fd_close(&fds[i]);
    }
    return err;
}

enum ks_err ks_gnuplot_check(void)
{
    enum ks_err err = KS_OK;
    struct ks_buf script;
    struct ks_buf answer;

    ks_buf_init(&script, SCRIPT_MAX);
    ks_buf_init(&answer, DRAWING_MAX);
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_put_format(&script, "set terminal %s\n", formats[i].terminal);
    }
    ks_buf_put_text(&script, "set print '-'\nprint 'ready'\n");
    KS_TRY(ks_buf_check(&script));
    KS_TRY(run_gnuplot(ks_buf_view(&script), &answer));
out:
    ks_buf_done(&script);
    ks_buf_done(&answer);
    return err;
}

/* The one thing that differs between two drawings of the same data. Blank is valid between the
 * entries of a dictionary, and keeps all offsets. */
static void forget_date(struct ks_buf *pdf)
{
    static const char begin[] = "/CreationDate (D:";
    uint8_t *at = memmem(pdf->data, pdf->len, begin, sizeof begin - 1);
    uint8_t *end = at == NULL ? NULL : memchr(at, ')', pdf->len - (size_t)(at - pdf->data));

    for (; at != NULL && end != NULL && at <= end; at++) {
        *at = ' ';
    }
}

enum ks_err ks_gnuplot_draw(const char *name, const char *directory,
                            ks_gnuplot_script put_script, const void *drawing)
{
    enum ks_err err = KS_OK;
    struct ks_buf script;
    struct ks_buf drawings[FORMATS];

    ks_buf_init(&script, SCRIPT_MAX);
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_init(&drawings[i], DRAWING_MAX);
    }
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_clear(&script);
        ks_buf_put_format(&script, "set encoding utf8\nset terminal %s\n", formats[i].terminal);
        put_script(drawing, &formats[i], &script);
        KS_TRY(ks_buf_check(&script));
        KS_TRY(ks_fail_prefix(run_gnuplot(ks_buf_view(&script), &drawings[i]), "%s.%s", name,
                              formats[i].extension));
    }
    forget_date(&drawings[0]);
    for (size_t i = 0; i < FORMATS; i++) {
        KS_TRY(ks_gnuplot_write_file(name, directory, formats[i].extension,
                                     ks_buf_view(&drawings[i])));
    }
out:
    ks_buf_done(&script);
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_done(&drawings[i]);
    }
    return err;
}
