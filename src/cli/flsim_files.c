/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

#define FILES_MAX 4096

struct files {
    char **paths;
    size_t count;
};

static void files_done(struct files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        ks_free(files->paths[i]);
    }
    ks_free((void *)files->paths);
}

static struct ks_bytes stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;

    return ks_bytes_of(base, strcspn(base, "."));
}

static int by_stem(const void *left, const void *right)
{
    return ks_bytes_compare(stem_of(*(char *const *)left), stem_of(*(char *const *)right));
}

static bool ends_in(const char *name, const char *end)
{
    const size_t len = strlen(name);

    return len > strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static enum ks_err add(struct files *files, const char *path)
{
    enum ks_err err = KS_OK;

    KS_CHECK(files->count < FILES_MAX, KS_ERR_LIMIT, "over %d files", FILES_MAX);
    KS_TRY(ks_text_copy(path, &files->paths[files->count]));
    files->count++;
out:
    return err;
}

static enum ks_err add_folder(struct files *files, const char *folder)
{
    enum ks_err err = KS_OK;
    DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;

    KS_CHECK(dir != NULL, KS_ERR_IO, "%s: %s", folder, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        char path[KS_PATH_MAX];

        if (ends_in(entry->d_name, ".csv") || ends_in(entry->d_name, ".csv.gz")) {
            KS_TRY(ks_path_join(folder, entry->d_name, path));
            KS_TRY(add(files, path));
        }
    }
    KS_CHECK(files->count > 0, KS_ERR_NOT_FOUND, "%s: no tables (.csv, .csv.gz)", folder);
out:
    if (dir != NULL) {
        (void)closedir(dir); /* it was read alone */
    }
    return err;
}

enum ks_err ks_flsim_files(const char *const *operands, size_t count, char ***out_paths,
                           size_t *out_count)
{
    enum ks_err err = KS_OK;
    struct files files = {0};
    struct stat info = {0};

    files.paths = (char **)ks_calloc(FILES_MAX, sizeof(char *));
    KS_CHECK(files.paths != NULL, KS_ERR_NOMEM, "paths");
    if (count == 1 && stat(operands[0], &info) == 0 && S_ISDIR(info.st_mode)) {
        KS_TRY(add_folder(&files, operands[0]));
    } else {
        for (size_t i = 0; i < count; i++) {
            KS_TRY(add(&files, operands[i]));
        }
    }
    qsort((void *)files.paths, files.count, sizeof(char *), by_stem);
    *out_paths = files.paths;
    *out_count = files.count;
    files = (struct files){0}; /* transferred */
out:
    files_done(&files);
    return err;
}
