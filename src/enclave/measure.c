/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/measure.h"

#include <errno.h>
#include <fcntl.h>
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

enum ks_err ks_measure_launch(const char *enclave, const char *worker, struct ks_event_log *log,
                              int *out_enclave_fd, int *out_worker_fd)
{
    enum ks_err err = KS_OK;
    uint8_t digest[KS_SHA256_LEN];
    int enclave_fd = -1;
    int worker_fd = -1;

    ks_event_log_init(log, KS_LAUNCH_PCR, NULL);
    KS_TRY(ks_measure_program(enclave, &enclave_fd, digest));
    KS_TRY(ks_event_log_add(log, KS_LAUNCH_ENCLAVE, digest));
    KS_TRY(ks_measure_program(worker, &worker_fd, digest));
    KS_TRY(ks_event_log_add(log, KS_LAUNCH_WORKER, digest));
    KS_TRY(ks_measure_libraries(enclave_fd, log));
    *out_enclave_fd = enclave_fd;
    *out_worker_fd = worker_fd;
    enclave_fd = worker_fd = -1; /* transferred */
out:
    ks_fd_close(&enclave_fd);
    ks_fd_close(&worker_fd);
    return err;
}
