/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/crash_vfs.h"

#include <sqlite3.h>
#include <string.h>

#define DATABASES_MAX   4
#define CONNECTIONS_MAX 8
#define REGIONS_MAX     64
#define PATH_LEN_MAX    120 /* of a database; "-journal" follows */
#define WAL_HEADER_LEN  32
#define NOON_MS         INT64_C(212000000000000) /* some Julian day: no clock in a seeded test */

/* What the connections to one database share: the file's lock and the WAL index. */
struct database {
    char name[PATH_LEN_MAX + 1];
    struct connection *connections[CONNECTIONS_MAX];
    unsigned shared; /* connections with any lock */
    struct connection *reserved;
    struct connection *pending;
    void *regions[REGIONS_MAX];
};

struct connection {
    sqlite3_file base; /* first: SQLite sees only this */
    struct crash_vfs *vfs;
    struct crash_file *file;
    struct database *database; /* main databases only */
    int kind;                  /* SQLITE_OPEN_MAIN_DB, _WAL or _MAIN_JOURNAL */
    int lock;
    unsigned shm_shared; /* bit per slot */
    unsigned shm_exclusive;
    bool sync_dir;    /* at the first sync */
    bool header_only; /* WAL: nothing but its header was written since the last sync */
};

struct crash_vfs {
    sqlite3_vfs base;
    struct crash_disk *disk;
    struct crash_random random;
    struct database databases[DATABASES_MAX];
};

static struct connection *connection_of(sqlite3_file *file)
{
    return (struct connection *)(void *)file;
}

static struct crash_vfs *vfs_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* --- the file ----------------------------------------------------------------------------- */

static int file_close(sqlite3_file *file)
{
    struct connection *connection = connection_of(file);
    struct database *database = connection->database;

    if (database != NULL) {
        bool last = true;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            if (database->connections[i] == connection) {
                database->connections[i] = NULL;
            }
            last = last && database->connections[i] == NULL;
        }
        if (last) {
            for (size_t i = 0; i < REGIONS_MAX; i++) {
                ks_free(database->regions[i]);
            }
            ks_zero(database, sizeof *database);
        }
    }
    crash_file_release(connection->file);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *target, int count, sqlite3_int64 offset)
{
    struct connection *connection = connection_of(file);
    struct ks_bytes bytes = crash_file_view(connection->file);
    size_t wanted = (size_t)count;
    size_t start = (size_t)offset;

    if (crash_disk_is_down(connection->vfs->disk)) {
        return SQLITE_IOERR_READ;
    }
    if (start >= bytes.len) {
        ks_zero(target, wanted);
        return SQLITE_IOERR_SHORT_READ;
    }
    size_t there = bytes.len - start < wanted ? bytes.len - start : wanted;
    ks_copy(target, bytes.data + start, there);
    ks_zero((uint8_t *)target + there, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *data, int count, sqlite3_int64 offset)
{
    struct connection *connection = connection_of(file);

    connection->header_only = offset == 0 && count == WAL_HEADER_LEN;
    switch (crash_file_write(connection->file, (uint64_t)offset,
                             ks_bytes_of(data, (size_t)count))) {
    case KS_OK:
        return SQLITE_OK;
    case KS_ERR_LIMIT:
        return SQLITE_FULL;
    default:
        return SQLITE_IOERR_WRITE;
    }
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    return crash_file_truncate(connection_of(file)->file, (uint64_t)len) == KS_OK
               ? SQLITE_OK
               : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct connection *connection = connection_of(file);
    enum crash_sync place = CRASH_SYNC_DB;
    enum crash_sync place_dir = CRASH_SYNC_WAL_DIR;

    (void)flags;
    if (connection->kind == SQLITE_OPEN_WAL) {
        place = connection->header_only ? CRASH_SYNC_WAL_HEADER : CRASH_SYNC_WAL;
    } else if (connection->kind == SQLITE_OPEN_MAIN_JOURNAL) {
        place = CRASH_SYNC_ROLLBACK;
        place_dir = CRASH_SYNC_ROLLBACK_DIR;
    }
    connection->header_only = false;
    if (crash_file_sync(connection->file, place) != KS_OK) {
        return SQLITE_IOERR_FSYNC;
    }
    if (connection->sync_dir) {
        connection->sync_dir = false;
        /* SQLite's unix VFS does not look at the result either. */
        (void)!crash_disk_sync_dir(connection->vfs->disk, place_dir);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out_len)
{
    struct connection *connection = connection_of(file);
    if (crash_disk_is_down(connection->vfs->disk)) {
        return SQLITE_IOERR_FSTAT;
    }
    *out_len = (sqlite3_int64)crash_file_view(connection->file).len;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return CRASH_SECTOR;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- the lock of a database --------------------------------------------------------------- */

static int file_lock(sqlite3_file *file, int level)
{
    struct connection *connection = connection_of(file);
    struct database *database = connection->database;

    if (connection->lock >= level) {
        return SQLITE_OK;
    }
    if (database->pending != NULL && database->pending != connection) {
        return SQLITE_BUSY;
    }
    if (level == SQLITE_LOCK_SHARED) {
        database->shared++;
        connection->lock = level;
        return SQLITE_OK;
    }
    if (database->reserved != NULL && database->reserved != connection) {
        return SQLITE_BUSY;
    }
    if (level == SQLITE_LOCK_RESERVED) {
        database->reserved = connection;
        connection->lock = level;
        return SQLITE_OK;
    }
    database->pending = connection;
    connection->lock = SQLITE_LOCK_PENDING;
    if (database->shared > 1) {
        return SQLITE_BUSY;
    }
    connection->lock = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *file, int level)
{
    struct connection *connection = connection_of(file);
    struct database *database = connection->database;

    if (connection->lock <= level) {
        return SQLITE_OK;
    }
    database->pending = database->pending == connection ? NULL : database->pending;
    database->reserved = database->reserved == connection ? NULL : database->reserved;
    if (level == SQLITE_LOCK_NONE) {
        database->shared--;
    }
    connection->lock = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *file, int *out_reserved)
{
    struct database *database = connection_of(file)->database;
    *out_reserved = database->reserved != NULL || database->pending != NULL;
    return SQLITE_OK;
}

/* --- the shared memory of a WAL ----------------------------------------------------------- */

static int shm_map(sqlite3_file *file, int region, int size, int extend,
                   void volatile **out_memory)
{
    struct database *database = connection_of(file)->database;

    if (region >= REGIONS_MAX) {
        return SQLITE_IOERR_SHMMAP;
    }
    if (database->regions[region] == NULL && extend != 0) {
        database->regions[region] = ks_calloc((size_t)size, 1);
        if (database->regions[region] == NULL) {
            return SQLITE_NOMEM;
        }
    }
    *out_memory = database->regions[region];
    return SQLITE_OK;
}

static int shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct connection *connection = connection_of(file);
    const struct database *database = connection->database;
    const unsigned mask = ((1U << count) - 1) << first;

    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        connection->shm_shared &= ~mask;
        connection->shm_exclusive &= ~mask;
        return SQLITE_OK;
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        const struct connection *other = database->connections[i];
        if (other == NULL || other == connection) {
            continue;
        }
        unsigned against = other->shm_exclusive;
        if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
            against |= other->shm_shared;
        }
        if ((against & mask) != 0) {
            return SQLITE_BUSY;
        }
    }
    if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
        connection->shm_exclusive |= mask;
    } else {
        connection->shm_shared |= mask;
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *file)
{
    (void)file; /* one thread */
}

static int shm_unmap(sqlite3_file *file, int delete)
{
    struct connection *connection = connection_of(file);
    (void)delete; /* file_close does it, with the last connection */
    connection->shm_shared = 0;
    connection->shm_exclusive = 0;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* --- the file system ---------------------------------------------------------------------- */

static int join(struct connection *connection, const char *name)
{
    struct database *database = NULL;

    for (size_t i = 0; i < DATABASES_MAX; i++) {
        struct database *candidate = &connection->vfs->databases[i];
        if (strcmp(candidate->name, name) == 0 ||
            (database == NULL && candidate->name[0] == '\0')) {
            database = candidate;
            if (candidate->name[0] != '\0') {
                break;
            }
        }
    }
    if (database == NULL) {
        return SQLITE_CANTOPEN;
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (database->connections[i] == NULL) {
            ks_copy(database->name, name, strlen(name) + 1);
            database->connections[i] = connection;
            connection->database = database;
            return SQLITE_OK;
        }
    }
    return SQLITE_CANTOPEN;
}

static int vfs_open(sqlite3_vfs *base, const char *name, sqlite3_file *file, int flags,
                    int *out_flags)
{
    struct crash_vfs *vfs = vfs_of(base);
    struct connection *connection = connection_of(file);
    const int kinds = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;

    *connection = (struct connection){.vfs = vfs, .kind = flags & kinds};
    if (name == NULL || connection->kind == 0 || strlen(name) > PATH_LEN_MAX) {
        return SQLITE_CANTOPEN;
    }
    const bool fresh = !crash_disk_has(vfs->disk, name);
    if (crash_disk_open(vfs->disk, name, (flags & SQLITE_OPEN_CREATE) != 0,
                        &connection->file) != KS_OK) {
        return SQLITE_CANTOPEN;
    }
    if (connection->kind == SQLITE_OPEN_MAIN_DB) {
        int code = join(connection, name);
        if (code != SQLITE_OK) {
            crash_file_release(connection->file);
            return code;
        }
    }
    connection->sync_dir = fresh && connection->kind != SQLITE_OPEN_MAIN_DB;
    connection->base.pMethods = &methods;
    if (out_flags != NULL) {
        *out_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
    struct crash_disk *disk = vfs_of(base)->disk;

    if (!crash_disk_has(disk, name)) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (crash_disk_unlink(disk, name) != KS_OK) {
        return SQLITE_IOERR_DELETE;
    }
    if (sync_dir != 0 && crash_disk_sync_dir(disk, CRASH_SYNC_ROLLBACK_DIR) != KS_OK) {
        return SQLITE_IOERR_DIR_FSYNC;
    }
    return SQLITE_OK;
}

/* As SQLite's unix VFS: an empty file does not count as there. */
static int vfs_access(sqlite3_vfs *base, const char *name, int flags, int *out_result)
{
    struct crash_disk *disk = vfs_of(base)->disk;
    struct crash_file *file = NULL;

    (void)flags;
    if (crash_disk_is_down(disk)) {
        return SQLITE_IOERR_ACCESS;
    }
    *out_result = 0;
    if (crash_disk_open(disk, name, false, &file) == KS_OK) {
        *out_result = crash_file_view(file).len > 0;
        crash_file_release(file);
    }
    return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *base, const char *name, int size, char *target)
{
    (void)base;
    const size_t len = strlen(name);
    if (len >= (size_t)size) {
        return SQLITE_CANTOPEN;
    }
    ks_copy(target, name, len + 1);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *base, int count, char *target)
{
    for (int i = 0; i < count; i++) {
        target[i] = (char)(crash_random_next(&vfs_of(base)->random) & 0x7f);
    }
    return count;
}

static int vfs_sleep(sqlite3_vfs *base, int us)
{
    (void)base; /* one thread: nothing changes meanwhile */
    return us;
}

static int vfs_time(sqlite3_vfs *base, sqlite3_int64 *out_ms)
{
    (void)base;
    *out_ms = NOON_MS;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *base, int size, char *target)
{
    (void)base;
    (void)size;
    (void)target;
    return 0;
}

enum ks_err crash_vfs_sync_dir(void *disk)
{
    return crash_disk_sync_dir(disk, CRASH_SYNC_STORE_DIR);
}

enum ks_err crash_vfs_new(struct crash_disk *disk, uint64_t seed, struct crash_vfs **out_vfs)
{
    struct crash_vfs *vfs = ks_calloc(1, sizeof *vfs);
    if (vfs == NULL) {
        return ks_fail(KS_ERR_NOMEM, "crash VFS");
    }
    vfs->disk = disk;
    vfs->random.state = seed;
    vfs->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct connection),
        .mxPathname = PATH_LEN_MAX,
        .zName = CRASH_VFS_NAME,
        .pAppData = vfs,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time,
    };
    KS_ASSERT(sqlite3_vfs_register(&vfs->base, 1) == SQLITE_OK);
    sqlite3_randomness(0, NULL); /* to be seeded again, by this VFS */
    *out_vfs = vfs;
    return KS_OK;
}

void crash_vfs_free(struct crash_vfs *vfs)
{
    if (vfs != NULL) {
        KS_ASSERT(sqlite3_vfs_unregister(&vfs->base) == SQLITE_OK);
        sqlite3_randomness(0, NULL);
        ks_free(vfs);
    }
}
