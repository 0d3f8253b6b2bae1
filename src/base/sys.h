/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sys.h: the operating system: descriptors, files, clocks, kernel randomness. Floors 2 and 3
 * never include it: they get time and bytes as arguments.
 *
 * struct ks_fs is the file layer for whatever must survive a crash. Production code uses
 * ks_fs_system(); tests/fault puts a layer beneath that forgets everything unsynced. */
#ifndef KS_BASE_SYS_H
#define KS_BASE_SYS_H

#include <sys/types.h>

#include "base/buf.h"

/* --- descriptors -------------------------------------------------------------------------- */
void ks_fd_close(int *fd); /* closes when >= 0 and sets -1; keeps errno */
/* All bytes or an error; EINTR is retried. WHAT names the peer or file in errors. */
KS_MUST_CHECK enum ks_err ks_fd_write(int fd, struct ks_bytes bytes, const char *what);
/* Exactly LEN bytes; KS_ERR_NOT_FOUND when the peer closed before the first, KS_ERR_IO
 * inside. */
KS_MUST_CHECK enum ks_err ks_fd_read(int fd, void *target, size_t len, const char *what);

/* --- files, plain ------------------------------------------------------------------------- */
/* The whole file, at most len_max bytes (KS_ERR_LIMIT). PATH "-" is standard input. */
KS_MUST_CHECK enum ks_err ks_file_read(const char *path, size_t len_max, struct ks_buf *out);
/* Writes PATH by temporary file, fsync, rename, fsync of the directory: all of it or nothing.
 * MODE is exact, whatever the umask. PATH "-" is standard output. */
KS_MUST_CHECK enum ks_err ks_file_write(const char *path, struct ks_bytes bytes, mode_t mode);
/* The same, and KS_ERR_CONFLICT if PATH exists. */
KS_MUST_CHECK enum ks_err ks_file_create(const char *path, struct ks_bytes bytes, mode_t mode);
/* With its parents; an existing folder is fine. */
KS_MUST_CHECK enum ks_err ks_dir_make(const char *path, mode_t mode);
/* A new folder of mode 0700 in $TMPDIR, else /tmp, whose name begins with PREFIX. *OUT_PATH is
 * the caller's. */
KS_MUST_CHECK enum ks_err ks_dir_temporary(const char *prefix, char **out_path);
/* Removes a folder and the files in it; KS_ERR_IO, with some of them gone, where it has
 * folders. NULL is fine. */
KS_MUST_CHECK enum ks_err ks_dir_remove(const char *path);

/* --- clocks and randomness ---------------------------------------------------------------- */
uint64_t ks_clock_us(void);           /* CLOCK_REALTIME, microseconds since 1970 */
uint64_t ks_clock_monotonic_us(void); /* CLOCK_MONOTONIC */
/* getrandom(2); blocks until seeded at boot; KS_ERR_IO where the kernel refuses. */
KS_MUST_CHECK enum ks_err ks_random(void *target, size_t len);

/* What a process has used: processor time of all its threads, and the most memory that it held
 * at once (its resident set, that of the program before execve included). */
struct ks_usage {
    uint64_t cpu_us;
    uint64_t memory_bytes;
};
struct rusage;
void ks_usage_of(const struct rusage *resources, struct ks_usage *out_usage);
void ks_usage_self(struct ks_usage *out_usage); /* getrusage(2) */

/* No core dump, not dumpable (so no /proc/self/mem for others), umask 077. First thing in each
 * daemon. */
KS_MUST_CHECK enum ks_err ks_process_harden(void);

/* Memory for secrets that are in use for a moment: zeroed, page-aligned. From memfd_secret(2)
 * where the kernel has it, which then leaves it out of its own mapping, so that no other
 * process and no dump of memory reaches it; else ordinary pages. Locked against swapping and
 * kept from children and core dumps either way. */
struct ks_secret_pages {
    void *data; /* NULL: none */
    size_t len;
    bool hidden; /* memfd_secret */
};
/* KS_ERR_NOMEM, also when the limit of locked memory is reached. */
KS_MUST_CHECK enum ks_err ks_secret_pages_init(struct ks_secret_pages *pages, size_t len);
void ks_secret_pages_done(struct ks_secret_pages *pages); /* wipes; none is fine */

/* --- the file layer that must survive a crash --------------------------------------------- */
struct ks_fs_file; /* owned by its layer */

/* Every path is relative to the layer's own directory and has no '/'. All calls are durable
 * only as documented; sync of the file does not make its name durable, sync_dir does. */
struct ks_fs {
    void *context;
    /* Opens for read and append, creating it if absent (mode 0600). */
    enum ks_err (*open)(void *context, const char *name, struct ks_fs_file **out_file);
    enum ks_err (*append)(struct ks_fs_file *file, struct ks_bytes bytes);
    enum ks_err (*sync)(struct ks_fs_file *file); /* fdatasync */
    enum ks_err (*read_all)(struct ks_fs_file *file, size_t len_max, struct ks_buf *out);
    enum ks_err (*truncate)(struct ks_fs_file *file, uint64_t len);
    void (*close)(struct ks_fs_file *file);
    /* Creates or replaces the contents of NAME, synced, but not yet durable under that name. */
    enum ks_err (*write)(void *context, const char *name, struct ks_bytes bytes);
    enum ks_err (*rename)(void *context, const char *source, const char *target);
    enum ks_err (*unlink)(void *context, const char *name);
    enum ks_err (*sync_dir)(void *context);
};

/* The real layer over an open directory descriptor, which it takes over (closed by _free; on
 * failure it stays the caller's). */
KS_MUST_CHECK enum ks_err ks_fs_system_new(int dir_fd, struct ks_fs **out_fs);
void ks_fs_system_free(struct ks_fs *fs); /* NULL is fine */

/* write NAME.new, rename over NAME, sync_dir: all of it or the old contents. */
KS_MUST_CHECK enum ks_err ks_fs_replace(const struct ks_fs *fs, const char *name,
                                        struct ks_bytes bytes);
/* The contents of NAME; KS_ERR_NOT_FOUND if it is absent or empty. */
KS_MUST_CHECK enum ks_err ks_fs_load(const struct ks_fs *fs, const char *name, size_t len_max,
                                     struct ks_buf *out);

#endif
