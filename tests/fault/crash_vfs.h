/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* crash_vfs.h: an SQLite VFS over a crash disk. It does to the disk what SQLite's unix VFS
 * does: the first sync of a
 * journal or WAL that it has created also syncs the directory, whether that works or not. Locks
 * and the WAL's shared memory are kept beside the disk and end with their last connection. It
 * opens databases, rollback journals and WALs; any other file is refused, so a temporary file
 * would be noticed. While it exists it is SQLite's default VFS, and SQLite's random numbers
 * come from its seed. One thread. */
#ifndef KS_TESTS_FAULT_CRASH_VFS_H
#define KS_TESTS_FAULT_CRASH_VFS_H

#include "fault/crash_disk.h"

#define CRASH_VFS_NAME "crash"

/* For ks_store_options.sync_dir: CONTEXT is the disk. */
enum ks_err crash_vfs_sync_dir(void *disk);

struct crash_vfs;

KS_MUST_CHECK enum ks_err crash_vfs_new(struct crash_disk *disk, uint64_t seed,
                                        struct crash_vfs **out_vfs);
void crash_vfs_free(struct crash_vfs *vfs); /* NULL is fine; all connections are closed */

#endif
