/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"

#define VERSION_PARTS_MAX 12 /* characters of "3.11" */

static struct ks_bytes trimmed(struct ks_bytes text)
{
    while (text.len > 0 && text.data[0] == ' ') {
        text = ks_bytes_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* The value of NAME in lines "NAME = VALUE", as text of at most SIZE bytes with its NUL. */
static enum ks_err find_value(struct ks_bytes config, const char *name, char *target,
                              size_t size)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(config, "pyvenv.cfg");

    while (reader.rest.len > 0) {
        struct ks_bytes line = {0};
        struct ks_bytes value = {0};
        size_t sign = 0;

        KS_TRY(ks_read_line(&reader, &line));
        while (sign < line.len && line.data[sign] != '=') {
            sign++;
        }
        if (sign == line.len || !ks_bytes_is(trimmed(ks_bytes_of(line.data, sign)), name)) {
            continue;
        }
        value = trimmed(ks_bytes_of(line.data + sign + 1, line.len - sign - 1));
        KS_CHECK(value.len >= 1 && value.len < size && memchr(value.data, 0, value.len) == NULL,
                 KS_ERR_FORMAT, "pyvenv.cfg: '%s' is no short text", name);
        ks_copy(target, value.data, value.len);
        target[value.len] = '\0';
        return KS_OK;
    }
    err = ks_fail(KS_ERR_FORMAT, "pyvenv.cfg: no '%s'", name);
out:
    return err;
}

/* "3.11" of "3.11.7". */
static enum ks_err cut_version(char *version)
{
    char *dot = strchr(version, '.');
    char *end = dot == NULL ? NULL : dot + 1 + strspn(dot + 1, "0123456789");

    if (dot == NULL || strspn(version, "0123456789") != (size_t)(dot - version) ||
        dot == version || end == dot + 1 || (*end != '\0' && *end != '.') ||
        end - version >= VERSION_PARTS_MAX) {
        return ks_fail(KS_ERR_FORMAT, "pyvenv.cfg: version '%s'", version);
    }
    *end = '\0';
    return KS_OK;
}

/* The real path of DIRECTORY/NAME, which has to be of KIND; where it may be ABSENT, empty. */
static enum ks_err resolve(const char *directory, const char *name, mode_t kind, bool absent,
                           char target[KS_PATH_MAX])
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct stat status;

    KS_TRY(ks_path_join(directory, name, path));
    if (realpath(path, target) == NULL) {
        target[0] = '\0';
        KS_CHECK(absent && errno == ENOENT, KS_ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
        return KS_OK;
    }
    KS_CHECK(stat(target, &status) == 0, KS_ERR_IO, "%s: %s", target, strerror(errno));
    KS_CHECK((status.st_mode & S_IFMT) == kind, KS_ERR_FORMAT, "%s: not a %s", target,
             kind == S_IFDIR ? "folder" : "file");
out:
    return err;
}

enum ks_err ks_environment_find(const char *path, struct ks_environment *out_environment)
{
    enum ks_err err = KS_OK;
    struct ks_environment *found = ks_calloc(1, sizeof *found);
    struct ks_buf config;
    char file[KS_PATH_MAX];
    char home[KS_PATH_MAX];
    char version[VERSION_PARTS_MAX * 2];
    char name[96];

    ks_buf_init(&config, KS_ENVIRONMENT_CONFIG_MAX);
    KS_CHECK(found != NULL, KS_ERR_NOMEM, "environment");
    KS_TRY(ks_path_join(path, "pyvenv.cfg", file));
    KS_TRY(ks_file_read(file, KS_ENVIRONMENT_CONFIG_MAX, &config));
    KS_TRY(find_value(ks_buf_view(&config), "home", home, sizeof home));
    KS_TRY(find_value(ks_buf_view(&config), "version", version, sizeof version));
    KS_TRY(cut_version(version));
    KS_TRY(resolve(path, "bin/python3", S_IFREG, false, found->python));
    (void)snprintf(name, sizeof name, "../lib/libpython%s.so.1.0", version);
    KS_TRY(resolve(home, name, S_IFREG, true, found->runtime));
    (void)snprintf(name, sizeof name, "../lib/python%s", version);
    KS_TRY(resolve(home, name, S_IFDIR, false, found->library));
    (void)snprintf(name, sizeof name, "lib/python%s/site-packages", version);
    KS_TRY(resolve(path, name, S_IFDIR, false, found->packages));
    KS_TRY(resolve(path, "pycache", S_IFDIR, true, found->cache));
    *out_environment = *found;
out:
    ks_free(found);
    ks_buf_done(&config);
    return ks_fail_prefix(err, "%s", path);
}

void ks_adapter_arguments(const struct ks_adapter_spec *spec,
                          struct ks_adapter_arguments *out_arguments)
{
    struct ks_adapter_arguments *arguments = out_arguments;

    (void)snprintf(arguments->memory, sizeof arguments->memory, "%llu",
                   (unsigned long long)spec->memory_max);
    (void)snprintf(arguments->seconds, sizeof arguments->seconds, "%llu",
                   (unsigned long long)spec->seconds_max);
    arguments->argv[0] = "ketseal-adapter";
    arguments->argv[1] = spec->sdk;
    arguments->argv[2] = spec->environment;
    arguments->argv[3] = arguments->memory;
    arguments->argv[4] = arguments->seconds;
    arguments->argv[5] = NULL;
}
