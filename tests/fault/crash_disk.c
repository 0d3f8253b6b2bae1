/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/crash_disk.h"

#include <string.h>

#define FILE_LEN_MAX ((size_t)1 << 28)
#define NAMES_MAX    192
#define NAME_LEN_MAX 128
#define FILES_MAX    192
#define CHANGES_MAX  64 /* of the directory, unsynced; more are written by themselves */

/* An unsynced write, or (data NULL) a change of length to OFFSET. */
struct write {
    uint64_t offset;
    uint8_t *data;
    size_t len;
};

struct crash_file {
    struct crash_disk *disk;
    struct ks_buf seen;  /* what a read gives */
    struct ks_buf solid; /* what is on the platter */
    struct write *writes;
    size_t writes_count;
    size_t writes_room;
    unsigned handles;
};

struct name {
    char text[NAME_LEN_MAX];
    struct crash_file *file;
};

struct directory {
    struct name names[NAMES_MAX];
    size_t count;
};

/* NAME now means FILE; NULL: nothing. SOURCE, if not empty, means nothing any more. */
struct change {
    char name[NAME_LEN_MAX];
    char source[NAME_LEN_MAX];
    struct crash_file *file;
};

struct crash_disk {
    struct crash_random random;
    struct crash_file *files[FILES_MAX];
    struct directory seen;
    struct directory solid;
    struct change changes[CHANGES_MAX];
    size_t changes_count;
    uint64_t steps;
    uint64_t steps_left; /* 0: not armed */
    uint64_t syncs_left; /* until one fails; 0: none will */
    uint64_t syncs[CRASH_SYNCS];
    bool ignored[CRASH_SYNCS];
    bool down;
    bool full;
};

const char *crash_sync_name(enum crash_sync place)
{
    static const char *const names[CRASH_SYNCS] = {
        [CRASH_SYNC_NONE] = "none",
        [CRASH_SYNC_DB] = "SQLite's database",
        [CRASH_SYNC_WAL] = "SQLite's WAL, commit",
        [CRASH_SYNC_WAL_HEADER] = "SQLite's WAL, header",
        [CRASH_SYNC_ROLLBACK] = "SQLite's rollback journal",
        [CRASH_SYNC_WAL_DIR] = "directory after the WAL's creation",
        [CRASH_SYNC_ROLLBACK_DIR] = "directory after the rollback journal's creation",
        [CRASH_SYNC_STORE_DIR] = "directory at the store's opening",
        [CRASH_SYNC_APPEND] = "append",
        [CRASH_SYNC_REPLACE] = "replace",
        [CRASH_SYNC_DIR] = "directory",
    };
    return names[place];
}

uint64_t crash_random_next(struct crash_random *random)
{
    random->state += 0x9e3779b97f4a7c15U;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t crash_random_below(struct crash_random *random, uint64_t bound)
{
    KS_ASSERT(bound > 0);
    return crash_random_next(random) % bound;
}

/* --- files -------------------------------------------------------------------------------- */

static void set_len(struct ks_buf *bytes, uint64_t len)
{
    KS_ASSERT(len <= FILE_LEN_MAX);
    if (len > bytes->len) {
        size_t more = (size_t)len - bytes->len;
        uint8_t *target = ks_buf_reserve(bytes, more);
        KS_ASSERT(target != NULL);
        ks_zero(target, more);
        ks_buf_grew(bytes, more);
    }
    bytes->len = (size_t)len;
}

static void put_at(struct ks_buf *bytes, uint64_t offset, struct ks_bytes data)
{
    if (offset + data.len > bytes->len) {
        set_len(bytes, offset + data.len);
    }
    ks_copy(bytes->data + offset, data.data, data.len);
}

static void apply(struct ks_buf *bytes, const struct write *write)
{
    if (write->data == NULL) {
        set_len(bytes, write->offset);
    } else {
        put_at(bytes, write->offset, ks_bytes_of(write->data, write->len));
    }
}

static void forget_writes(struct crash_file *file)
{
    for (size_t i = 0; i < file->writes_count; i++) {
        ks_free(file->writes[i].data);
    }
    file->writes_count = 0;
}

static void file_free(struct crash_file *file)
{
    if (file != NULL) {
        forget_writes(file);
        ks_free(file->writes);
        ks_buf_done(&file->seen);
        ks_buf_done(&file->solid);
        ks_free(file);
    }
}

static void queue_write(struct crash_file *file, uint64_t offset, const struct ks_bytes *bytes)
{
    struct write write = {.offset = offset};

    if (bytes != NULL) {
        write.data = ks_calloc(bytes->len, 1);
        KS_ASSERT(write.data != NULL);
        write.len = bytes->len;
        ks_copy(write.data, bytes->data, bytes->len);
    }
    if (file->writes_count == file->writes_room) {
        file->writes_room = file->writes_room * 2 + 16;
        file->writes = ks_realloc(file->writes, file->writes_room, sizeof *file->writes);
        KS_ASSERT(file->writes != NULL);
    }
    file->writes[file->writes_count++] = write;
    apply(&file->seen, &write);
}

/* Each sector of the write by a coin of its own. */
static void apply_sectors(struct crash_file *file, const struct write *write)
{
    struct crash_random *random = &file->disk->random;

    if (write->data == NULL) {
        if (crash_random_below(random, 2) == 0) {
            apply(&file->solid, write);
        }
        return;
    }
    for (size_t at = 0; at < write->len;) {
        size_t part = CRASH_SECTOR - (size_t)((write->offset + at) % CRASH_SECTOR);
        part = part < write->len - at ? part : write->len - at;
        if (crash_random_below(random, 2) == 0) {
            put_at(&file->solid, write->offset + at, ks_bytes_of(write->data + at, part));
        }
        at += part;
    }
}

/* The front of the write, cut at any byte; then perhaps noise up to the end of that sector. */
static void apply_torn(struct crash_file *file, const struct write *write)
{
    struct crash_random *random = &file->disk->random;

    if (write->data == NULL || write->len == 0) {
        return;
    }
    size_t kept = (size_t)crash_random_below(random, write->len + 1);
    put_at(&file->solid, write->offset, ks_bytes_of(write->data, kept));
    if (crash_random_below(random, 2) == 0) {
        size_t noise = CRASH_SECTOR - (size_t)((write->offset + kept) % CRASH_SECTOR);
        noise = noise < write->len - kept ? noise : write->len - kept;
        for (size_t i = 0; i < noise; i++) {
            const uint8_t byte = (uint8_t)crash_random_next(random);
            put_at(&file->solid, write->offset + kept + i, ks_bytes_of(&byte, 1));
        }
    }
}

static void keep_range(struct crash_file *file, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        apply(&file->solid, &file->writes[i]);
    }
}

/* What of the unsynced writes reaches the platter. */
static void settle_file(struct crash_file *file)
{
    struct crash_random *random = &file->disk->random;
    const size_t count = file->writes_count;
    const size_t cut = (size_t)crash_random_below(random, count + 1);

    switch (crash_random_below(random, 6)) {
    case 0: /* nothing */
        break;
    case 1: /* everything */
        keep_range(file, 0, count);
        break;
    case 2: /* a prefix, the write after it torn */
        keep_range(file, 0, cut);
        if (cut < count) {
            apply_torn(file, &file->writes[cut]);
        }
        break;
    case 3: /* a suffix: the disk wrote the later ones first */
        keep_range(file, cut, count);
        break;
    case 4: /* some writes */
        for (size_t i = 0; i < count; i++) {
            if (crash_random_below(random, 2) == 0) {
                apply(&file->solid, &file->writes[i]);
            }
        }
        break;
    default: /* some sectors */
        for (size_t i = 0; i < count; i++) {
            apply_sectors(file, &file->writes[i]);
        }
        break;
    }
    forget_writes(file);
}

/* --- the directory ------------------------------------------------------------------------ */

/* Where NAME stands; the count when it is absent. */
static size_t find(const struct directory *directory, const char *text)
{
    size_t i = 0;
    while (i < directory->count && strcmp(directory->names[i].text, text) != 0) {
        i++;
    }
    return i;
}

static struct crash_file *file_of(const struct directory *directory, const char *text)
{
    size_t i = find(directory, text);
    return i < directory->count ? directory->names[i].file : NULL;
}

static void set_name(struct directory *directory, const char *text, struct crash_file *file)
{
    size_t i = find(directory, text);

    if (file == NULL) {
        if (i < directory->count) {
            directory->names[i] = directory->names[--directory->count];
        }
        return;
    }
    if (i == directory->count) {
        KS_ASSERT(i < NAMES_MAX && strlen(text) < NAME_LEN_MAX);
        directory->count++;
        ks_copy(directory->names[i].text, text, strlen(text) + 1);
    }
    directory->names[i].file = file;
}

static void apply_change(struct directory *directory, const struct change *change)
{
    if (change->source[0] != '\0') {
        set_name(directory, change->source, NULL);
    }
    set_name(directory, change->name, change->file);
}

static void settle_changes(struct crash_disk *disk, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        apply_change(&disk->solid, &disk->changes[i]);
    }
    for (size_t i = count; i < disk->changes_count; i++) {
        disk->changes[i - count] = disk->changes[i];
    }
    disk->changes_count -= count;
}

static void queue_change(struct crash_disk *disk, const char *name, const char *source,
                         struct crash_file *file)
{
    struct change change = {.file = file};

    KS_ASSERT(strlen(name) < sizeof change.name && strlen(source) < sizeof change.source);
    ks_copy(change.name, name, strlen(name));
    ks_copy(change.source, source, strlen(source));
    if (disk->changes_count == CHANGES_MAX) {
        settle_changes(disk, CHANGES_MAX / 2);
    }
    disk->changes[disk->changes_count++] = change;
    apply_change(&disk->seen, &change);
}

static bool is_reachable(const struct crash_disk *disk, const struct crash_file *file)
{
    bool found = file->handles > 0;

    for (size_t i = 0; i < disk->seen.count; i++) {
        found = found || disk->seen.names[i].file == file;
    }
    for (size_t i = 0; i < disk->solid.count; i++) {
        found = found || disk->solid.names[i].file == file;
    }
    for (size_t i = 0; i < disk->changes_count; i++) {
        found = found || disk->changes[i].file == file;
    }
    return found;
}

static struct crash_file *file_new(struct crash_disk *disk)
{
    size_t slot = FILES_MAX;

    for (size_t i = 0; i < FILES_MAX; i++) {
        if (disk->files[i] != NULL && !is_reachable(disk, disk->files[i])) {
            file_free(disk->files[i]);
            disk->files[i] = NULL;
        }
        if (disk->files[i] == NULL && slot == FILES_MAX) {
            slot = i;
        }
    }
    KS_ASSERT(slot < FILES_MAX);
    struct crash_file *file = ks_calloc(1, sizeof *file);
    KS_ASSERT(file != NULL);
    file->disk = disk;
    ks_buf_init(&file->seen, FILE_LEN_MAX);
    ks_buf_init(&file->solid, FILE_LEN_MAX);
    disk->files[slot] = file;
    return file;
}

/* --- the disk ----------------------------------------------------------------------------- */

enum ks_err crash_disk_new(uint64_t seed, struct crash_disk **out_disk)
{
    struct crash_disk *disk = ks_calloc(1, sizeof *disk);
    if (disk == NULL) {
        return ks_fail(KS_ERR_NOMEM, "crash disk");
    }
    disk->random.state = seed;
    *out_disk = disk;
    return KS_OK;
}

void crash_disk_free(struct crash_disk *disk)
{
    if (disk != NULL) {
        for (size_t i = 0; i < FILES_MAX; i++) {
            file_free(disk->files[i]);
        }
        ks_free(disk);
    }
}

void crash_disk_arm(struct crash_disk *disk, uint64_t step)
{
    disk->steps_left = step;
}

bool crash_disk_is_down(const struct crash_disk *disk)
{
    return disk->down;
}

void crash_disk_ignore(struct crash_disk *disk, enum crash_sync place)
{
    disk->ignored[place] = place != CRASH_SYNC_NONE;
}

uint64_t crash_disk_syncs(const struct crash_disk *disk, enum crash_sync place)
{
    return disk->syncs[place];
}

void crash_disk_fail_sync(struct crash_disk *disk, uint64_t count)
{
    disk->syncs_left = count;
}

void crash_disk_set_full(struct crash_disk *disk, bool full)
{
    disk->full = full;
}

uint64_t crash_disk_steps(const struct crash_disk *disk)
{
    return disk->steps;
}

void crash_disk_restart(struct crash_disk *disk)
{
    settle_changes(disk, (size_t)crash_random_below(&disk->random, disk->changes_count + 1));
    disk->changes_count = 0;
    disk->seen = disk->solid;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct crash_file *file = disk->files[i];
        if (file == NULL) {
            continue;
        }
        KS_ASSERT(file->handles == 0);
        settle_file(file);
        ks_buf_clear(&file->seen);
        ks_buf_put(&file->seen, ks_buf_view(&file->solid));
        KS_ASSERT(ks_buf_check(&file->seen) == KS_OK);
    }
    disk->steps_left = 0;
    disk->syncs_left = 0;
    disk->down = false;
}

static enum ks_err is_down(void)
{
    return ks_fail(KS_ERR_IO, "the disk is down");
}

/* Counts a step. False: the disk was down before it, and nothing happens. */
static bool step(struct crash_disk *disk)
{
    if (disk->down) {
        return false;
    }
    disk->steps++;
    if (disk->steps_left > 0) {
        disk->steps_left--;
        disk->down = disk->steps_left == 0;
    }
    return true;
}

/* The end of a step: the crash, if there is one, comes after what was issued. */
static enum ks_err step_end(const struct crash_disk *disk)
{
    return disk->down ? is_down() : KS_OK;
}

/* Whether a sync from PLACE takes effect: *OUT_DONE. */
static enum ks_err sync_step(struct crash_disk *disk, enum crash_sync place, bool *out_done)
{
    *out_done = false;
    if (!step(disk) || disk->down) {
        return is_down();
    }
    disk->syncs[place]++;
    if (disk->syncs_left > 0) {
        disk->syncs_left--;
        if (disk->syncs_left == 0) {
            return ks_fail(KS_ERR_IO, "sync: injected failure");
        }
    }
    *out_done = !disk->ignored[place];
    return KS_OK;
}

bool crash_disk_has(const struct crash_disk *disk, const char *name)
{
    return file_of(&disk->seen, name) != NULL;
}

enum ks_err crash_disk_open(struct crash_disk *disk, const char *name, bool create,
                            struct crash_file **out_file)
{
    struct crash_file *file = file_of(&disk->seen, name);

    if (disk->down) {
        return is_down();
    }
    if (file == NULL) {
        if (!create) {
            return ks_fail(KS_ERR_NOT_FOUND, "no file '%s'", name);
        }
        if (!step(disk)) {
            return is_down();
        }
        file = file_new(disk);
        queue_change(disk, name, "", file);
        if (disk->down) {
            return is_down();
        }
    }
    file->handles++;
    *out_file = file;
    return KS_OK;
}

enum ks_err crash_disk_rename(struct crash_disk *disk, const char *source, const char *target)
{
    struct crash_file *file = file_of(&disk->seen, source);

    if (file == NULL) {
        return ks_fail(KS_ERR_NOT_FOUND, "no file '%s'", source);
    }
    if (!step(disk)) {
        return is_down();
    }
    queue_change(disk, target, source, file);
    return step_end(disk);
}

enum ks_err crash_disk_unlink(struct crash_disk *disk, const char *name)
{
    if (!crash_disk_has(disk, name)) {
        return ks_fail(KS_ERR_NOT_FOUND, "no file '%s'", name);
    }
    if (!step(disk)) {
        return is_down();
    }
    queue_change(disk, name, "", NULL);
    return step_end(disk);
}

enum ks_err crash_disk_sync_dir(struct crash_disk *disk, enum crash_sync place)
{
    bool done = false;
    enum ks_err err = sync_step(disk, place, &done);
    if (done) {
        settle_changes(disk, disk->changes_count);
    }
    return err;
}

enum ks_err crash_file_write(struct crash_file *file, uint64_t offset, struct ks_bytes bytes)
{
    if (file->disk->full && offset + bytes.len > file->seen.len) {
        return ks_fail(KS_ERR_LIMIT, "the disk is full");
    }
    if (!step(file->disk)) {
        return is_down();
    }
    queue_write(file, offset, &bytes);
    return step_end(file->disk);
}

enum ks_err crash_file_truncate(struct crash_file *file, uint64_t len)
{
    if (!step(file->disk)) {
        return is_down();
    }
    queue_write(file, len, NULL);
    return step_end(file->disk);
}

enum ks_err crash_file_sync(struct crash_file *file, enum crash_sync place)
{
    bool done = false;
    enum ks_err err = sync_step(file->disk, place, &done);
    if (done) {
        keep_range(file, 0, file->writes_count);
        forget_writes(file);
    } else if (err != KS_OK && !file->disk->down) {
        settle_file(file); /* an injected failure: what is lost now is never written again */
    }
    return err;
}

struct ks_bytes crash_file_view(const struct crash_file *file)
{
    return ks_buf_view(&file->seen);
}

void crash_file_release(struct crash_file *file)
{
    KS_ASSERT(file->handles > 0);
    file->handles--;
}
