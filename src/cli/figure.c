/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/figure.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
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

#define FIGURE_NAME_MAX 64
#define SCRIPT_MAX      ((size_t)4 << 20)
#define TABLE_MAX       ((size_t)4 << 20)
#define DRAWING_MAX     ((size_t)64 << 20)
#define MESSAGES_MAX    4096 /* of what gnuplot says, the beginning */
#define KEY_COLUMNS     3    /* of the key, beside each other */
#define TICKS_MAX       8    /* labels that fit beside each other */

/* Okabe and Ito's palette, told apart with any kind of colour vision; each colour has its
 * own mark, too. */
static const struct {
    const char *colour;
    int mark; /* gnuplot's point type */
} styles[KS_FIGURE_SERIES_MAX] = {
    {"#0072B2", 7},  {"#D55E00", 9}, {"#009E73", 5}, {"#CC79A7", 13},
    {"#E69F00", 11}, {"#56B4E9", 6}, {"#000000", 8}, {"#F0E442", 4},
};

struct format {
    const char *extension;
    const char *terminal;
    unsigned font;          /* points, as in TERMINAL */
    double mark;            /* size of a point's mark, in the terminal's unit */
    const char *title_font; /* SVG's terminal knows no weights */
};

/* 16 by 10 everywhere; the sizes are those of a page's column, a browser and a slide. */
static const struct format formats[] = {
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

/* --- checks ------------------------------------------------------------------------------- */

static bool fits(const struct ks_figure_axis *axis, double value)
{
    return isfinite(value) && (axis->scale == KS_FIGURE_LINEAR || value > 0);
}

static enum ks_err check_figure(const struct ks_figure *figure)
{
    enum ks_err err = KS_OK;
    size_t points = 0;

    KS_ASSERT(ks_text_is_name(ks_bytes_text(figure->name), FIGURE_NAME_MAX));
    KS_CHECK(figure->count <= KS_FIGURE_SERIES_MAX, KS_ERR_LIMIT,
             "figure '%s': %zu series, limit %d", figure->name, figure->count,
             KS_FIGURE_SERIES_MAX);
    for (size_t s = 0; s < figure->count; s++) {
        const struct ks_figure_series *series = &figure->series[s];

        KS_ASSERT(ks_text_is_name(ks_bytes_text(series->name), FIGURE_NAME_MAX));
        points += series->count;
        for (size_t i = 0; i < series->count; i++) {
            const struct ks_figure_point *p = &series->points[i];

            KS_CHECK(
                fits(&figure->x, p->x) && fits(&figure->y, p->y) && fits(&figure->y, p->low) &&
                    fits(&figure->y, p->high) && p->low <= p->y && p->y <= p->high,
                KS_ERR_LIMIT, "figure '%s': %s has a point (%g, %g, %g to %g) off its scale",
                figure->name, series->name, p->x, p->y, p->low, p->high);
        }
    }
    KS_CHECK(points > 0, KS_ERR_LIMIT, "figure '%s': no points", figure->name);
out:
    return err;
}

/* --- table -------------------------------------------------------------------------------- */

static void put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    (void)ks_double_text(value, text);
    ks_buf_put_text(out, text);
}

static void put_point(struct ks_buf *out, const struct ks_figure_point *point, const char *gap)
{
    const double values[] = {point->x, point->y, point->low, point->high};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ks_buf_put_text(out, i > 0 ? gap : "");
        put_number(out, values[i]);
    }
    ks_buf_put_text(out, "\n");
}

static enum ks_err write_file(const struct ks_figure *figure, const char *directory,
                              const char *extension, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    char name[FIGURE_NAME_MAX + 8];
    char path[KS_PATH_MAX];

    (void)snprintf(name, sizeof name, "%s.%s", figure->name, extension);
    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_write(path, bytes, 0644));
out:
    return err;
}

enum ks_err ks_figure_write_table(const struct ks_figure *figure, const char *directory)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;

    ks_buf_init(&table, TABLE_MAX);
    KS_TRY(check_figure(figure));
    ks_buf_put_format(&table, "%s,%s,%s,%s_low,%s_high\n", figure->kind, figure->x.column,
                      figure->y.column, figure->y.column, figure->y.column);
    for (size_t s = 0; s < figure->count; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            ks_buf_put_format(&table, "%s,", figure->series[s].name);
            put_point(&table, &figure->series[s].points[i], ",");
        }
    }
    KS_TRY(ks_buf_check(&table));
    KS_TRY(write_file(figure, directory, "csv", ks_buf_view(&table)));
out:
    ks_buf_done(&table);
    return err;
}

/* --- script ------------------------------------------------------------------------------- */

/* TEXT as a literal of gnuplot. Single quotes, since between double ones it runs what stands in
 * backquotes. */
static void put_text(struct ks_buf *script, const char *text)
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

#define TICK_TEXT_MAX 64 /* of a number, a prefix and a unit */

/* "1 MB/s" for 10^6 of "B/s". */
static void decimal_tick(int exponent, const char *unit, char target[TICK_TEXT_MAX])
{
    static const char *const prefixes[] = {"n", "µ", "m", "", "k", "M", "G", "T", "P"};
    const int groups = (int)(sizeof prefixes / sizeof prefixes[0]);
    const int at = exponent + 9; /* prefixes begin at 10^-9 */

    if (at < 0 || at >= 3 * groups || unit[0] == '\0') {
        (void)snprintf(target, TICK_TEXT_MAX, "1e%d%s%s", exponent, unit[0] == '\0' ? "" : " ",
                       unit);
        return;
    }
    (void)snprintf(target, TICK_TEXT_MAX, "%.*s %s%s", 1 + at % 3, "100", prefixes[at / 3],
                   unit);
}

/* "64 KiB" for 2^16 of "B". */
static void binary_tick(int exponent, const char *unit, char target[TICK_TEXT_MAX])
{
    static const char *const prefixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
    const int groups = (int)(sizeof prefixes / sizeof prefixes[0]);

    if (exponent < 0 || exponent >= 10 * groups || unit[0] == '\0') {
        (void)snprintf(target, TICK_TEXT_MAX, "2^%d%s%s", exponent, unit[0] == '\0' ? "" : " ",
                       unit);
        return;
    }
    (void)snprintf(target, TICK_TEXT_MAX, "%d %s%s", 1 << exponent % 10,
                   prefixes[exponent / 10], unit);
}

/* One tick of a logarithmic axis, with its label. */
static void put_tick(struct ks_buf *script, const struct ks_figure_axis *axis, int exponent)
{
    char label[TICK_TEXT_MAX];

    if (axis->scale == KS_FIGURE_LOG2) {
        binary_tick(exponent, axis->unit, label);
        put_text(script, label);
        ks_buf_put_format(script, " %.17g", ldexp(1, exponent));
    } else {
        decimal_tick(exponent, axis->unit, label);
        put_text(script, label);
        ks_buf_put_format(script, " 1e%d", exponent);
    }
}

/* The powers of the base from FIRST to LAST, as many as have room. */
static void put_ticks(struct ks_buf *script, const struct ks_figure_axis *axis, char name,
                      int first, int last)
{
    const int step = 1 + (last - first) / TICKS_MAX;

    ks_buf_put_format(script, "set %ctics (", name);
    for (int exponent = first; exponent <= last; exponent += step) {
        ks_buf_put_text(script, exponent > first ? ", " : "");
        put_tick(script, axis, exponent);
        /* Small ones, without labels: gnuplot's level 1. */
        for (int i = 2; axis->scale == KS_FIGURE_LOG10 && step == 1 && i < 10; i++) {
            ks_buf_put_format(script, ", '' %de%d 1", i, exponent);
        }
    }
    ks_buf_put_text(script, ")\n");
}

static void put_axis(struct ks_buf *script, const struct ks_figure_axis *axis, char name,
                     double low, double high)
{
    ks_buf_put_format(script, "set %clabel ", name);
    put_text(script, axis->label);
    ks_buf_put_text(script, " textcolor rgb '#333333'\n");
    switch (axis->scale) {
    case KS_FIGURE_LOG2: {
        const int first = (int)floor(log2(low));
        const int last = (int)ceil(log2(high));

        ks_buf_put_format(script, "set logscale %c 2\nset %crange [%.17g:%.17g]\n", name, name,
                          ldexp(1 / 1.2, first), ldexp(1.2, last));
        put_ticks(script, axis, name, first, last);
        break;
    }
    case KS_FIGURE_LOG10: {
        const int first = (int)floor(log10(low));
        const int last = (int)floor(log10(high)) + 1;

        /* gnuplot drops a tick that rounding puts outside: a hair wider. */
        ks_buf_put_format(script, "set logscale %c 10\nset %crange [0.99999e%d:1.00001e%d]\n",
                          name, name, first, last);
        put_ticks(script, axis, name, first, last);
        break;
    }
    case KS_FIGURE_LINEAR:
        if (name == 'y') {
            ks_buf_put_format(script, "set yrange [%s:*]\n", low < 0 ? "*" : "0");
        }
        ks_buf_put_format(script, "set format %c '%%g'.", name);
        put_text(script, axis->unit[0] != '\0' ? " " : "");
        ks_buf_put_text(script, ".");
        put_text(script, axis->unit);
        ks_buf_put_text(script, "\n");
        break;
    }
}

/* Sizes are fractions of the picture, so that one layout serves all formats. */
static void put_layout(struct ks_buf *script, const struct ks_figure *figure,
                       const struct format *format)
{
    const size_t rows = (figure->count + KEY_COLUMNS - 1) / KEY_COLUMNS;

    ks_buf_put_text(script, "set border 3 lc rgb '#555555' lw 0.7\n"
                            "set tics nomirror out scale 0.6 textcolor rgb '#333333'\n"
                            "set grid xtics ytics lt 1 lc rgb '#e4e4e4' lw 0.7\n"
                            "set lmargin at screen 0.145\nset rmargin at screen 0.955\n"
                            "set bmargin at screen 0.135\n"
                            "set offsets graph 0.03, graph 0.03, 0, 0\n");
    ks_buf_put_format(script,
                      "set key at graph -0.012, screen 0.874 left top vertical maxrows %zu "
                      "Left reverse samplen 2.5 width 1 textcolor rgb '#111111'\n"
                      "set tmargin at screen %g\n",
                      rows, 0.84 - 0.037 * (double)rows);
    ks_buf_put_text(script, "set label 1 ");
    put_text(script, figure->title);
    ks_buf_put_format(script,
                      " at graph 0, screen 0.955 left font '%s,%u' textcolor rgb '#111111'\n",
                      format->title_font, format->font + format->font / 3);
    ks_buf_put_text(script, "set label 2 ");
    put_text(script, figure->subtitle);
    ks_buf_put_format(script,
                      " at graph 0, screen 0.905 left font ',%u' textcolor rgb '#555555'\n",
                      format->font - format->font / 9);
}

static bool has_bars(const struct ks_figure_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        if (series->points[i].low < series->points[i].high) {
            return true;
        }
    }
    return false;
}

static void put_series(struct ks_buf *script, const struct ks_figure *figure,
                       const struct format *format)
{
    const char *gap = "plot ";

    for (size_t s = 0; s < figure->count; s++) {
        const char *colour = styles[s].colour;

        /* Arrows with flat heads: error bars have a gap around their point in PDF and SVG, and
         * librsvg draws nothing at all of a file with a point of size 0. */
        if (has_bars(&figure->series[s])) {
            ks_buf_put_format(script,
                              "%s$data%zu using 1:3:(0):($4-$3) with vectors heads "
                              "size screen 0.004,90 lw 1 lc rgb '%s' notitle",
                              gap, s, colour);
            gap = ", ";
        }
        ks_buf_put_format(
            script,
            "%s$data%zu using 1:2 with linespoints pt %d ps %g lw 1.6 lc rgb '%s' title ", gap,
            s, styles[s].mark, format->mark, colour);
        put_text(script, figure->series[s].label);
        gap = ", ";
    }
    ks_buf_put_text(script, "\n");
}

static void ends_of(const struct ks_figure *figure, struct ks_figure_point *out_least,
                    struct ks_figure_point *out_most)
{
    *out_least = (struct ks_figure_point){INFINITY, INFINITY, INFINITY, INFINITY};
    *out_most = (struct ks_figure_point){-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    for (size_t s = 0; s < figure->count; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            const struct ks_figure_point *p = &figure->series[s].points[i];

            out_least->x = fmin(out_least->x, p->x);
            out_most->x = fmax(out_most->x, p->x);
            out_least->low = fmin(out_least->low, p->low);
            out_most->high = fmax(out_most->high, p->high);
        }
    }
}

static void put_script(const struct ks_figure *figure, const struct format *format,
                       struct ks_buf *script)
{
    struct ks_figure_point least;
    struct ks_figure_point most;

    ends_of(figure, &least, &most);
    ks_buf_put_format(script, "set encoding utf8\nset terminal %s\n", format->terminal);
    put_layout(script, figure, format);
    put_axis(script, &figure->x, 'x', least.x, most.x);
    put_axis(script, &figure->y, 'y', least.low, most.high);
    for (size_t s = 0; s < figure->count; s++) {
        ks_buf_put_format(script, "$data%zu << END\n", s);
        for (size_t i = 0; i < figure->series[s].count; i++) {
            put_point(script, &figure->series[s].points[i], " ");
        }
        ks_buf_put_text(script, "END\n");
    }
    put_series(script, figure, format);
}

/* --- gnuplot ------------------------------------------------------------------------------ */

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

enum ks_err ks_figure_check(void)
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

enum ks_err ks_figure_draw(const struct ks_figure *figure, const char *directory)
{
    enum ks_err err = KS_OK;
    struct ks_buf script;
    struct ks_buf drawings[FORMATS];

    ks_buf_init(&script, SCRIPT_MAX);
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_init(&drawings[i], DRAWING_MAX);
    }
    KS_TRY(check_figure(figure));
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_clear(&script);
        put_script(figure, &formats[i], &script);
        KS_TRY(ks_buf_check(&script));
        KS_TRY(ks_fail_prefix(run_gnuplot(ks_buf_view(&script), &drawings[i]), "%s.%s",
                              figure->name, formats[i].extension));
    }
    forget_date(&drawings[0]);
    for (size_t i = 0; i < FORMATS; i++) {
        KS_TRY(write_file(figure, directory, formats[i].extension, ks_buf_view(&drawings[i])));
    }
out:
    ks_buf_done(&script);
    for (size_t i = 0; i < FORMATS; i++) {
        ks_buf_done(&drawings[i]);
    }
    return err;
}
