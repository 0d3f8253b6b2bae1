/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* vector_files.h: the files of a folder of tests/vectors, one after the other. For cmocka tests
 * alone. */
#ifndef KS_TESTS_UNIT_VECTOR_FILES_H
#define KS_TESTS_UNIT_VECTOR_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define VECTOR_LEN_MAX (1024 * 1024)

/* tests/vectors/FOLDER/NAME as a text in PATH, which is initialised here. */
static inline void vector_path(struct ks_buf *path, const char *folder, const char *name)
{
    const char *source_root = getenv("KS_SOURCE_ROOT");

    ks_buf_init(path, 4096);
    ks_buf_put_format(path, "%s/tests/vectors/%s%s%s", source_root ? source_root : ".", folder,
                      name[0] != '\0' ? "/" : "", name);
    ks_buf_put_u8(path, 0);
    assert_int_equal(ks_buf_check(path), KS_OK);
}

/* Reads tests/vectors/FOLDER/NAME into OUT, which is initialised here. */
static inline void vector_read(const char *folder, const char *name, struct ks_buf *out)
{
    struct ks_buf path;

    vector_path(&path, folder, name);
    ks_buf_init(out, VECTOR_LEN_MAX);
    if (ks_file_read((const char *)path.data, VECTOR_LEN_MAX, out) != KS_OK) {
        fail_msg("%s/%s: %s", folder, name, ks_err_detail());
    }
    ks_buf_done(&path);
}

/* Calls TEST with the name and contents of every file of tests/vectors/FOLDER; there have to be
 * at least COUNT_MIN. */
static inline void vector_each(const char *folder, size_t count_min, void *context,
                               void (*test)(void *context, const char *name,
                                            struct ks_bytes bytes))
{
    struct ks_buf path;
    size_t count = 0;

    vector_path(&path, folder, "");
    DIR *dir = opendir((const char *)path.data);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct ks_buf bytes;

        if (entry->d_name[0] == '.') {
            continue;
        }
        vector_read(folder, entry->d_name, &bytes);
        test(context, entry->d_name, ks_buf_view(&bytes));
        ks_buf_done(&bytes);
        count++;
    }
    (void)closedir(dir);
    assert_true(count >= count_min);
    ks_buf_done(&path);
}

/* The error that a reject file has to give, by its name: "format-…", "limit-…", "verify-…". */
static inline enum ks_err vector_error(const char *name)
{
    if (strncmp(name, "format-", 7) == 0) {
        return KS_ERR_FORMAT;
    }
    if (strncmp(name, "limit-", 6) == 0) {
        return KS_ERR_LIMIT;
    }
    assert_int_equal(strncmp(name, "verify-", 7), 0);
    return KS_ERR_VERIFY;
}

#endif
