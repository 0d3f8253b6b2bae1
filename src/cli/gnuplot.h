/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* gnuplot.h: drawings by gnuplot, which runs as a child with the script on its standard input:
 * no shell, no start-up file, no temporary file. Hides the child, and what the formats of files
 * differ in. For the modules that write scripts: figure.h is what commands use. */
#ifndef KS_CLI_GNUPLOT_H
#define KS_CLI_GNUPLOT_H

#include "base/buf.h"

/* A kind of file that each figure is drawn as. */
struct ks_gnuplot_format {
    const char *extension;
    const char *terminal;
    unsigned font;          /* points, as in TERMINAL */
    double mark;            /* size of a point's mark, in the terminal's unit */
    const char *title_font; /* SVG's terminal knows no weights */
};

/* Appends what draws DRAWING to a script that has set the terminal. */
typedef void (*ks_gnuplot_script)(const void *drawing, const struct ks_gnuplot_format *format,
                                  struct ks_buf *script);

/* KS_ERR_IO, and how to install it, when gnuplot cannot be run, or not with these formats. */
KS_MUST_CHECK enum ks_err ks_gnuplot_check(void);
/* Draws DIRECTORY/NAME.pdf, .svg and .png by PUT_SCRIPT: all three, or on a failure none is
 * touched (but of a disk that fills up between them). */
KS_MUST_CHECK enum ks_err ks_gnuplot_draw(const char *name, const char *directory,
                                          ks_gnuplot_script put_script, const void *drawing);

/* TEXT as a literal. */
void ks_gnuplot_put_text(struct ks_buf *script, const char *text);

/* DIRECTORY/NAME.EXTENSION with BYTES. */
KS_MUST_CHECK enum ks_err ks_gnuplot_write_file(const char *name, const char *directory,
                                                const char *extension, struct ks_bytes bytes);

#endif
