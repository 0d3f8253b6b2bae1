/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* figure_folder.h: a folder that figures are drawn in, and what is found there. */
#ifndef KS_TESTS_UNIT_FIGURE_FOLDER_H
#define KS_TESTS_UNIT_FIGURE_FOLDER_H

#include "expect.h"

#include <sys/stat.h>

#include "base/sys.h"
#include "base/text.h"

#define FIGURE_LEN_MAX (1 << 24)

static char *figure_folder;

static inline const char *in_folder(const char *name)
{
    static char path[KS_PATH_MAX];

    assert_int_equal(ks_path_join(figure_folder, name, path), KS_OK);
    return path;
}

static inline int make_folder(void **state)
{
    (void)state;
    return ks_dir_temporary("ketseal-figure", &figure_folder) != KS_OK;
}

static inline int remove_folder(void **state)
{
    const int failed = ks_dir_remove(figure_folder) != KS_OK;

    (void)state;
    ks_free(figure_folder);
    return failed;
}

static inline void read_figure(const char *name, struct ks_buf *out)
{
    ks_buf_init(out, FIGURE_LEN_MAX);
    assert_int_equal(ks_file_read(in_folder(name), FIGURE_LEN_MAX, out), KS_OK);
}

static inline bool figure_exists(const char *name)
{
    struct stat info;

    return stat(in_folder(name), &info) == 0;
}

static inline void expect_holds(const struct ks_buf *file, const char *text)
{
    if (memmem(file->data, file->len, text, strlen(text)) == NULL) {
        fail_msg("'%s' is not there", text);
    }
}

#endif
