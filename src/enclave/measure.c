/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "crypto/digest.h"

#ifndef MFD_EXEC
/* linux/memfd.h since 6.3; older kernels refuse it and need it not */
#define MFD_EXEC 0x0010U
#endif

#define TRACE_MAX 65536 /* bytes of the dynamic linker's list */

static enum ks_err make_memfd(const char *name, int *out_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (fd < 0) {
        return ks_fail(KS_ERR_IO, "memfd for %s: %s", name, strerror(errno));
    }
    *out_fd = fd;
    return KS_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

enum ks_err ks_measure_program(const char *program, int *out_fd, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    int fd = -1;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_PROGRAM_MAX);
    KS_TRY(ks_file_read(program, KS_PROGRAM_MAX, &bytes));
    KS_TRY(make_memfd(base_name(program), &fd));
    KS_TRY(ks_fd_write(fd, ks_buf_view(&bytes), program));
    KS_CHECK(fchmod(fd, 0500) == 0, KS_ERR_IO, "%s: fchmod: %s", program, strerror(errno));
    KS_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
                 0,
             KS_ERR_IO, "%s: sealing: %s", program, strerror(errno));
    /* What will run is what was hashed: the bytes are read back from the sealed copy. */
    ks_buf_clear(&bytes);
    KS_CHECK(lseek(fd, 0, SEEK_SET) == 0, KS_ERR_IO, "%s: %s", program, strerror(errno));
    {
        off_t len = lseek(fd, 0, SEEK_END);
        uint8_t *room = len > 0 ? ks_buf_reserve(&bytes, (size_t)len) : NULL;

        KS_CHECK(room != NULL && lseek(fd, 0, SEEK_SET) == 0, KS_ERR_IO,
                 "%s: cannot be read back", program);
        KS_TRY(ks_fd_read(fd, room, (size_t)len, program));
        ks_buf_grew(&bytes, (size_t)len);
    }
    ks_sha256(ks_buf_view(&bytes), out_digest);
    *out_fd = fd;
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    ks_buf_done(&bytes);
    return err;
}

/* The dynamic linker's own answer to which libraries it would map: it prints and ends before
 * main. */
static enum ks_err trace_libraries(int program_fd, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    pid_t child = -1;
    int status = 0;
    ssize_t count = 1;

    KS_CHECK(pipe2(ends, O_CLOEXEC) == 0, KS_ERR_IO, "pipe: %s", strerror(errno));
    child = fork();
    KS_CHECK(child >= 0, KS_ERR_IO, "fork: %s", strerror(errno));
    if (child == 0) {
        static char program[] = "ketseal-enclave";
        static char trace[] = "LD_TRACE_LOADED_OBJECTS=1";
        char *argv[] = {program, NULL};
        char *envp[] = {trace, NULL};

        if (dup2(ends[1], STDOUT_FILENO) >= 0) {
            (void)fexecve(program_fd, argv, envp); /* returns only on failure */
        }
        _exit(KS_ERR_IO);
    }
    ks_fd_close(&ends[1]);
    while (count > 0) {
        uint8_t *room = ks_buf_reserve(out, 4096);

        KS_TRY(ks_buf_check(out));
        count = read(ends[0], room, 4096);
        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_IO, "dynamic linker: %s",
                 strerror(errno));
        ks_buf_grew(out, count > 0 ? (size_t)count : 0);
        count = count < 0 ? 1 : count; /* a signal: not the end */
    }
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        if (err == KS_OK && status != 0) {
            err = ks_fail(KS_ERR_IO, "the dynamic linker cannot load the enclave (status %d)",
                          status);
        }
    }
    return err;
}

static enum ks_err measure_library(const char *path, struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&bytes, KS_PROGRAM_MAX);
    KS_TRY(ks_file_read(path, KS_PROGRAM_MAX, &bytes));
    ks_sha256(ks_buf_view(&bytes), digest);
    KS_TRY(ks_event_log_add(log, base_name(path), digest));
out:
    ks_buf_done(&bytes);
    return err;
}

/* Lines are "\tNAME => PATH (ADDRESS)", "\tPATH (ADDRESS)" for the linker itself, or the
 * kernel's own
 * "\tlinux-vdso.so.1 (ADDRESS)", which is no file. */
enum ks_err ks_measure_libraries(int fd, struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    struct ks_buf list;
    struct ks_reader reader;

    ks_buf_init(&list, TRACE_MAX);
    KS_TRY(trace_libraries(fd, &list));
    reader = ks_reader_of(ks_buf_view(&list), "list of libraries");
    while (reader.rest.len > 0) {
        struct ks_bytes line = {0};
        char text[1024];
        char *path = NULL;
        char *end = NULL;

        KS_TRY(ks_read_line(&reader, &line));
        KS_CHECK(line.len < sizeof text, KS_ERR_LIMIT, "list of libraries: a line of %zu bytes",
                 line.len);
        ks_copy(text, line.data, line.len);
        text[line.len] = '\0';
        KS_CHECK(strstr(text, "not found") == NULL, KS_ERR_IO, "the enclave lacks a library:%s",
                 text);
        path = strchr(text, '/');
        end = path == NULL ? NULL : strstr(path, " (");
        if (end != NULL) {
            *end = '\0';
            KS_TRY(measure_library(path, log));
        }
    }
out:
    ks_buf_done(&list);
    return err;
}

/* --- environments ------------------------------------------------------------------------- */

#define ENVIRONMENT_LABEL "ketseal/environment/1\n"
#define CHUNK             (1 << 20)

/* A walk through an environment. */
struct tree {
    struct ks_sha256 *hash;
    uint64_t files;
    uint8_t *chunk; /* CHUNK bytes */
};

static void put_entry(struct tree *tree, const char *part, const char *path, char kind,
                      const uint8_t digest[KS_SHA256_LEN])
{
    const struct ks_bytes bytes[] = {ks_bytes_text(part),   KS_LITERAL("/"),
                                     ks_bytes_text(path),   KS_LITERAL("\0"),
                                     ks_bytes_of(&kind, 1), ks_bytes_of(digest, 32)};

    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        ks_sha256_update(tree->hash, bytes[i]);
    }
}

static enum ks_err hash_file(struct tree *tree, const char *path,
                             uint8_t out_digest[KS_SHA256_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_sha256 *hash = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t len = 0;
    ssize_t count = 1;

    KS_CHECK(fd >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    KS_TRY(ks_sha256_new(&hash));
    while (count != 0) {
        count = read(fd, tree->chunk, CHUNK);
        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_IO, "read '%s': %s", path,
                 strerror(errno));
        if (count > 0) {
            ks_sha256_update(hash, ks_bytes_of(tree->chunk, (size_t)count));
            len += (uint64_t)count;
        }
        KS_CHECK(len <= KS_ENVIRONMENT_FILE_MAX, KS_ERR_LIMIT, "'%s' is over %llu bytes", path,
                 (unsigned long long)KS_ENVIRONMENT_FILE_MAX);
    }
    ks_sha256_final(hash, out_digest);
out:
    ks_sha256_free(hash);
    ks_fd_close(&fd);
    return err;
}

static enum ks_err hash_link(const char *path, uint8_t out_digest[KS_SHA256_LEN])
{
    char target[KS_PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target);

    if (len < 0 || (size_t)len == sizeof target) {
        return ks_fail(KS_ERR_IO, "read the link '%s': %s", path,
                       len < 0 ? strerror(errno) : "too long");
    }
    ks_sha256(ks_bytes_of(target, (size_t)len), out_digest);
    return KS_OK;
}

/* Other folders of modules, which are not searched; compiled ones, which are not used. */
static bool is_skipped(const FTSENT *entry)
{
    return strcmp(entry->fts_name, "__pycache__") == 0 ||
           (entry->fts_level == 1 && (strcmp(entry->fts_name, "site-packages") == 0 ||
                                      strcmp(entry->fts_name, "dist-packages") == 0));
}

static enum ks_err add_entry(struct tree *tree, const char *part, const FTSENT *entry,
                             size_t root_len)
{
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];
    const bool link = entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE;

    KS_CHECK(entry->fts_info == FTS_F || link, KS_ERR_IO,
             "'%s' is no file, no folder and no link, or cannot be read", entry->fts_path);
    KS_CHECK(++tree->files <= KS_ENVIRONMENT_FILES, KS_ERR_LIMIT, "over %d files",
             KS_ENVIRONMENT_FILES);
    KS_TRY(link ? hash_link(entry->fts_path, digest)
                : hash_file(tree, entry->fts_path, digest));
    put_entry(tree, part, entry->fts_path + root_len + 1, link ? 'l' : 'f', digest);
out:
    return err;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Every file below ROOT, folder by folder in the order of their names. */
static enum ks_err add_folder(struct tree *tree, const char *part, char *root)
{
    enum ks_err err = KS_OK;
    char *roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry = NULL;

    KS_CHECK(walk != NULL, KS_ERR_IO, "open '%s': %s", root, strerror(errno));
    errno = 0;
    while ((entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_D && is_skipped(entry)) {
            (void)fts_set(walk, entry, FTS_SKIP); /* it cannot fail for this instruction */
        } else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP) {
            KS_TRY(add_entry(tree, part, entry, strlen(root)));
        }
        errno = 0;
    }
    KS_CHECK(errno == 0, KS_ERR_IO, "read '%s': %s", root, strerror(errno));
out:
    if (walk != NULL) {
        (void)fts_close(walk);
    }
    return err;
}

static enum ks_err add_file(struct tree *tree, const char *part, const char *path)
{
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];

    if (path[0] != '\0') {
        KS_TRY(hash_file(tree, path, digest));
        put_entry(tree, part, "", 'f', digest);
    }
out:
    return err;
}

enum ks_err ks_measure_environment(const struct ks_environment *environment,
                                   const uint8_t script[32], uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_environment *at = ks_calloc(1, sizeof *at);
    struct tree tree = {.chunk = ks_calloc(CHUNK, 1)};

    KS_CHECK(at != NULL && tree.chunk != NULL, KS_ERR_NOMEM, "environment");
    *at = *environment;
    KS_TRY(ks_sha256_new(&tree.hash));
    ks_sha256_update(tree.hash, KS_LITERAL(ENVIRONMENT_LABEL));
    put_entry(&tree, "adapter", "", 'f', script);
    if (at->cache[0] != '\0') {
        KS_TRY(add_folder(&tree, "cache", at->cache));
    }
    KS_TRY(add_folder(&tree, "library", at->library));
    KS_TRY(add_folder(&tree, "packages", at->packages));
    KS_TRY(add_file(&tree, "python", at->python));
    KS_TRY(add_file(&tree, "runtime", at->runtime));
    ks_sha256_final(tree.hash, out_digest);
out:
    ks_sha256_free(tree.hash);
    ks_free(tree.chunk);
    ks_free(at);
    return err;
}

/* --- a launch ----------------------------------------------------------------------------- */

void ks_measured_init(struct ks_measured *measured)
{
    measured->enclave = measured->worker = measured->adapter = measured->worker_fl = -1;
    for (size_t i = 0; i < KS_SDK_COUNT; i++) {
        measured->scripts[i] = -1;
    }
}

void ks_measured_close(struct ks_measured *measured)
{
    ks_fd_close(&measured->enclave);
    ks_fd_close(&measured->worker);
    ks_fd_close(&measured->adapter);
    ks_fd_close(&measured->worker_fl);
    for (size_t i = 0; i < KS_SDK_COUNT; i++) {
        ks_fd_close(&measured->scripts[i]);
    }
}

static enum ks_err measure_adapters(const struct ks_measure_spec *spec,
                                    struct ks_event_log *log, struct ks_measured *measured)
{
    enum ks_err err = KS_OK;
    struct ks_environment *environment = ks_calloc(1, sizeof *environment);
    uint8_t digest[KS_SHA256_LEN];
    char event[KS_EVENT_NAME_MAX + 1];

    KS_CHECK(environment != NULL, KS_ERR_NOMEM, "environment");
    KS_TRY(ks_measure_program(spec->adapter, &measured->adapter, digest));
    KS_TRY(ks_event_log_add(log, KS_LAUNCH_ADAPTER, digest));
    for (size_t i = 0; i < KS_SDK_COUNT; i++) {
        if (spec->sdks[i].script == NULL) {
            continue;
        }
        KS_TRY(ks_environment_find(spec->sdks[i].environment, environment));
        KS_TRY(ks_measure_program(spec->sdks[i].script, &measured->scripts[i], digest));
        KS_TRY(ks_measure_environment(environment, digest, digest));
        (void)snprintf(event, sizeof event, KS_LAUNCH_ENVIRONMENT "%s",
                       ks_sdk_name((enum ks_sdk)i));
        KS_TRY(ks_event_log_add(log, event, digest));
    }
out:
    ks_free(environment);
    return err;
}

enum ks_err ks_measure_launch(const struct ks_measure_spec *spec, struct ks_event_log *log,
                              struct ks_measured *measured)
{
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];

    ks_event_log_init(log, KS_LAUNCH_PCR, NULL);
    KS_TRY(ks_measure_program(spec->enclave, &measured->enclave, digest));
    KS_TRY(ks_event_log_add(log, KS_LAUNCH_ENCLAVE, digest));
    KS_TRY(ks_measure_program(spec->worker, &measured->worker, digest));
    KS_TRY(ks_event_log_add(log, KS_LAUNCH_WORKER, digest));
    KS_TRY(ks_measure_libraries(measured->enclave, log));
    if (spec->adapter != NULL) {
        KS_TRY(measure_adapters(spec, log, measured));
    }
    if (spec->worker_fl != NULL) {
        KS_TRY(ks_measure_program(spec->worker_fl, &measured->worker_fl, digest));
        KS_TRY(ks_event_log_add(log, KS_LAUNCH_WORKER_FL, digest));
    }
out:
    return err;
}
