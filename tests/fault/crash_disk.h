/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* crash_disk.h: a disk in memory that loses, at a crash, what was not synced. Beneath
 * crash_fs.h (our file layer) and crash_vfs.h (SQLite's).
 *
 * What a crash does to a file's unsynced writes, in the order of their issue, is drawn from the
 * seed: none, all, a prefix whose last write is torn at a byte or ends in one sector of noise,
 * a suffix, any subset of the writes, any subset of their sectors (so writes are reordered). Of
 * the unsynced changes to the directory (create, rename, unlink) a prefix survives: journaling
 * file systems keep their order. A synced file is lost when its name was not synced. A write
 * never touches bytes outside its range (SQLite's "powersafe overwrite", which it assumes).
 *
 * Every change, every sync included, is one step; a disk armed with N crashes during the N-th
 * one, and all after it fails until crash_disk_restart. One thread. */
#ifndef KS_TESTS_FAULT_CRASH_DISK_H
#define KS_TESTS_FAULT_CRASH_DISK_H

#include "base/buf.h"

#define CRASH_SECTOR 512

/* The places from which a sync comes. */
enum crash_sync {
    CRASH_SYNC_NONE,
    CRASH_SYNC_DB,           /* SQLite: the database, before the WAL is overwritten */
    CRASH_SYNC_WAL,          /* SQLite: the WAL, at a commit */
    CRASH_SYNC_WAL_HEADER,   /* SQLite: the WAL's header, when it starts over */
    CRASH_SYNC_ROLLBACK,     /* SQLite: the rollback journal, at creation only */
    CRASH_SYNC_WAL_DIR,      /* SQLite: the directory, after it created the WAL */
    CRASH_SYNC_ROLLBACK_DIR, /* SQLite: the directory, after it created the rollback journal */
    CRASH_SYNC_STORE_DIR,    /* the store: the directory, when it opens */
    CRASH_SYNC_APPEND,       /* ks_fs.sync */
    CRASH_SYNC_REPLACE,      /* the one inside ks_fs.write */
    CRASH_SYNC_DIR,          /* ks_fs.sync_dir */
    CRASH_SYNCS,
};
const char *crash_sync_name(enum crash_sync place);

struct crash_disk;
struct crash_file; /* a file whatever its names; owned by the disk */

/* Numbers from a seed: SplitMix64. */
struct crash_random {
    uint64_t state;
};
uint64_t crash_random_next(struct crash_random *random);
uint64_t crash_random_below(struct crash_random *random, uint64_t bound); /* bound > 0 */

KS_MUST_CHECK enum ks_err crash_disk_new(uint64_t seed, struct crash_disk **out_disk);
void crash_disk_free(struct crash_disk *disk); /* NULL is fine */

/* Crashes during the STEP-th step from now, 1 being the next; 0: never. */
void crash_disk_arm(struct crash_disk *disk, uint64_t step);
bool crash_disk_is_down(const struct crash_disk *disk);
/* Pulls the plug (if that has not happened), loses what a crash loses and comes up again. All
 * files must be closed. */
void crash_disk_restart(struct crash_disk *disk);

/* Syncs from PLACE, too, do nothing and report success from now on: as if the call were
 * deleted. */
void crash_disk_ignore(struct crash_disk *disk, enum crash_sync place);
/* How often a sync came from PLACE, ignored or not. */
uint64_t crash_disk_syncs(const struct crash_disk *disk, enum crash_sync place);
/* The COUNT-th sync from now fails, once; what it should have written may or may not be
 * written, and is never tried again (so do Linux file systems). 0: none. */
void crash_disk_fail_sync(struct crash_disk *disk, uint64_t count);
/* No file may grow any further while FULL: KS_ERR_LIMIT. */
void crash_disk_set_full(struct crash_disk *disk, bool full);
uint64_t crash_disk_steps(const struct crash_disk *disk); /* since the beginning */

/* KS_ERR_NOT_FOUND when absent and not CREATE. Balance with crash_file_release. */
KS_MUST_CHECK enum ks_err crash_disk_open(struct crash_disk *disk, const char *name,
                                          bool create, struct crash_file **out_file);
bool crash_disk_has(const struct crash_disk *disk, const char *name);
KS_MUST_CHECK enum ks_err crash_disk_rename(struct crash_disk *disk, const char *source,
                                            const char *target);
KS_MUST_CHECK enum ks_err crash_disk_unlink(struct crash_disk *disk, const char *name);
KS_MUST_CHECK enum ks_err crash_disk_sync_dir(struct crash_disk *disk, enum crash_sync place);

KS_MUST_CHECK enum ks_err crash_file_write(struct crash_file *file, uint64_t offset,
                                           struct ks_bytes bytes);
KS_MUST_CHECK enum ks_err crash_file_truncate(struct crash_file *file, uint64_t len);
KS_MUST_CHECK enum ks_err crash_file_sync(struct crash_file *file, enum crash_sync place);
struct ks_bytes crash_file_view(const struct crash_file *file); /* until the next change */
void crash_file_release(struct crash_file *file);

#endif
