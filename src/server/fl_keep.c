/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is kept of rounds that have ended, and for how long: lists for good, sealed updates of
 * as many rounds as the site says, uploads that no job named for some hours. Whatever is
 * deleted of a round leaves a note of when and how much. docs/formats/fl-files.md */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/rounds.h"
#include "record/fl_updates.h"
#include "server/fl_inside.h"

#define LOOK_US    UINT64_C(5000000)  /* how old the sum of all lengths may be */
#define SWEEP_US   UINT64_C(60000000) /* between two looks for what is over its time */
#define NOTE_MAX   1024
#define ROUNDS_MAX 64 /* whose updates one sweep deletes */

_Static_assert(KS_SESSION_LEN == 16, "sessions in names");

struct place {
    uint8_t session[16];
    uint64_t round;
};

/* --- names -------------------------------------------------------------------------------- */

void ks_fl_owner_name(const char *who, char target[FL_OWNER_LEN + 1])
{
    uint8_t owner[KS_SHA256_LEN];

    ks_sha256(ks_bytes_text(who), owner);
    ks_hex_encode(ks_bytes_of(owner, FL_OWNER_LEN / 2), target);
}

/* "WHAT-SESSION-ROUNDend" */
static void place_name(const struct place *place, const char *what, const char *end,
                       char target[NAME_LEN_MAX])
{
    char hex[2 * 16 + 1];

    ks_hex_encode(KS_BYTES(place->session), hex);
    (void)snprintf(target, NAME_LEN_MAX, "%s-%s-%llu%s", what, hex,
                   (unsigned long long)place->round, end);
}

void ks_fl_list_name(const uint8_t session[16], uint64_t round, char target[NAME_LEN_MAX])
{
    struct place place = {.round = round};

    ks_copy(place.session, session, sizeof place.session);
    place_name(&place, "list", ".json", target);
}

void ks_fl_state_name(const uint8_t session[16], uint64_t round, const uint8_t hash[32],
                      char target[NAME_LEN_MAX])
{
    struct place place = {.round = round};
    char end[2 * 32 + 2] = "-";

    ks_copy(place.session, session, sizeof place.session);
    ks_hex_encode(ks_bytes_of(hash, 32), end + 1);
    place_name(&place, "state", end, target);
}

/* Whether NAME is "WHAT-SESSION-ROUND", with more behind it. */
static bool is_of(const char *name, const char *what, struct place *out_place)
{
    const size_t before = strlen(what);
    const char *digits = NULL;
    size_t len = 0;

    if (strncmp(name, what, before) != 0 || strlen(name) < before + 2 + 2 * 16 ||
        name[before] != '-' || name[before + 1 + 2 * 16] != '-' ||
        ks_hex_decode(ks_bytes_of(name + before + 1, 2 * 16), out_place->session, 16) !=
            KS_OK) {
        return false;
    }
    digits = name + before + 2 + 2 * 16;
    len = strcspn(digits, "-.");
    return digits[len] != '\0' &&
           ks_text_u64(ks_bytes_of(digits, len), KS_FL_ROUNDS_MAX, &out_place->round) == KS_OK;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t len = strlen(name);

    return len >= strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static bool same(const struct place *left, const struct place *right)
{
    return left->round == right->round &&
           ks_bytes_equal(KS_BYTES(left->session), KS_BYTES(right->session));
}

/* --- the folder --------------------------------------------------------------------------- */

/* An empty file says nothing: earlier versions left some where somebody only asked. */
static bool is_there(const struct ks_fl_files *files, const char *name)
{
    struct stat facts;

    return fstatat(files->dir, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && facts.st_size > 0;
}

/* Appends NAME's bytes, and makes no file where there is none, as ks_fs_load does: who asks
 * leaves nothing behind. KS_ERR_NOT_FOUND also of an empty one. */
static enum ks_err load(const struct ks_fl_files *files, const char *name, uint64_t len_max,
                        struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint64_t length = 0;
    int fd = -1;

    KS_TRY(ks_fl_open(files, name, O_RDONLY, &fd));
    KS_TRY(ks_fl_length(fd, name, &length));
    KS_CHECK(length > 0, KS_ERR_NOT_FOUND, "fl/%s: it is empty", name);
    KS_CHECK(length <= len_max, KS_ERR_LIMIT, "fl/%s: it has %llu bytes", name,
             (unsigned long long)length);
    KS_TRY(ks_fl_read(fd, name, 0, length, out));
out:
    ks_fd_close(&fd);
    return err;
}

/* Calls VISIT for each file whose name begins with PREFIX. */
typedef void (*file_visit)(void *context, const char *name, const struct stat *facts);

static enum ks_err each(const struct ks_fl_files *files, const char *prefix, file_visit visit,
                        void *context)
{
    enum ks_err err = KS_OK;
    int copy = openat(files->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry = NULL;
    struct stat facts;

    KS_CHECK(folder != NULL, KS_ERR_IO, "fl: %s", strerror(errno));
    while ((entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            fstatat(files->dir, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(facts.st_mode)) {
            visit(context, entry->d_name, &facts);
        }
    }
out:
    if (folder != NULL) {
        (void)closedir(folder);
    } else {
        ks_fd_close(&copy);
    }
    return err;
}

/* --- the uploads of one device ------------------------------------------------------------ */

struct own {
    char oldest[NAME_LEN_MAX];
    uint64_t bytes; /* of that one */
    struct timespec when;
    unsigned count;
};

static void visit_own(void *context, const char *name, const struct stat *facts)
{
    struct own *own = context;
    const struct timespec *when = &facts->st_mtim;

    if (!ends_in(name, ".blob")) {
        return;
    }
    if (own->count++ == 0 || when->tv_sec < own->when.tv_sec ||
        (when->tv_sec == own->when.tv_sec && when->tv_nsec < own->when.tv_nsec)) {
        (void)snprintf(own->oldest, sizeof own->oldest, "%s", name);
        own->when = *when;
        own->bytes = (uint64_t)facts->st_size;
    }
}

enum ks_err ks_fl_own_room(struct ks_fl_files *files, const char *who)
{
    enum ks_err err = KS_OK;
    struct own own = {.count = 0};
    char owner[FL_OWNER_LEN + 1];
    char prefix[NAME_LEN_MAX];

    ks_fl_owner_name(who, owner);
    (void)snprintf(prefix, sizeof prefix, "up-%s-", owner);
    KS_TRY(each(files, prefix, visit_own, &own));
    if (own.count >= KS_FL_UNUSED_MAX && unlinkat(files->dir, own.oldest, 0) == 0) {
        files->used -= own.bytes < files->used ? own.bytes : files->used;
    }
out:
    return err;
}

/* --- the updates of one round ------------------------------------------------------------- */

struct counting {
    const struct ks_fl_files *files;
    struct place place;
    uint64_t deletes; /* at most that many */
    uint64_t count;
    uint64_t bytes;
};

static void visit_kept(void *context, const char *name, const struct stat *facts)
{
    struct counting *counting = context;
    struct place place = {.round = 0};

    if (!is_of(name, "kept", &place) || !same(&place, &counting->place)) {
        return;
    }
    if (counting->deletes == 0 ||
        (counting->count < counting->deletes && unlinkat(counting->files->dir, name, 0) == 0)) {
        counting->count++;
        counting->bytes += (uint64_t)facts->st_size;
    }
}

static enum ks_err write_note(const struct ks_fl_files *files, const struct counting *counted,
                              const char *name)
{
    enum ks_err err = KS_OK;
    char time[KS_TIME_TEXT_LEN + 1];
    struct ks_buf note;
    struct ks_json_writer writer = ks_json_writer_of(&note);

    ks_buf_init(&note, NOTE_MAX);
    ks_time_text(ks_clock_us(), time);
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "bytes", counted->bytes);
    ks_json_member_text(&writer, "deleted_at", time);
    ks_json_member_u64(&writer, "files", counted->count);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&note));
    KS_TRY(ks_fs_replace(files->fs, name, ks_buf_view(&note)));
out:
    ks_buf_done(&note);
    return err;
}

/* Deletes updates of the round at PLACE, at most MAX; what went is in *OUT_GONE. */
static enum ks_err delete_some(const struct ks_fl_files *files, const struct place *place,
                               uint64_t max, struct counting *out_gone)
{
    *out_gone = (struct counting){.files = files, .place = *place, .deletes = max};
    return each(files, "kept-", visit_kept, out_gone);
}

/* Writes down that what was COUNTED goes. Where it is written already, a crash came behind
 * that, and it counts what there was then. A full disk has room for it once one of them went.
 */
static enum ks_err note_deletion(const struct ks_fl_files *files,
                                 const struct counting *counted)
{
    enum ks_err err = KS_OK;
    struct counting gone;
    char name[NAME_LEN_MAX];

    place_name(&counted->place, "gone", ".json", name);
    if (is_there(files, name)) {
        return KS_OK;
    }
    err = write_note(files, counted, name);
    if (err != KS_OK) {
        ks_log_failure("fl.note", err);
        KS_TRY(delete_some(files, &counted->place, 1, &gone));
        KS_TRY(write_note(files, counted, name));
    }
out:
    return err;
}

/* The updates of the round at PLACE go; before that it is written down that they do. */
static enum ks_err delete_round(const struct ks_fl_files *files, const struct place *place)
{
    enum ks_err err = KS_OK;
    struct counting counting = {.files = files, .place = *place};
    struct counting gone;
    struct ks_log_line line;
    char hex[2 * 16 + 1];

    KS_TRY(each(files, "kept-", visit_kept, &counting));
    if (counting.count == 0) {
        return KS_OK;
    }
    KS_TRY(note_deletion(files, &counting));
    KS_TRY(delete_some(files, place, UINT64_MAX, &gone));
    ks_hex_encode(KS_BYTES(place->session), hex);
    ks_log_begin(&line, KS_LOG_INFO, "fl.deleted");
    ks_log_text(&line, "session", hex);
    ks_log_u64(&line, "round", place->round);
    ks_log_u64(&line, "files", counting.count);
    ks_log_u64(&line, "bytes", counting.bytes);
    ks_log_end(&line);
out:
    return err;
}

/* What is to be kept after its round survives a crash. */
static enum ks_err sync_file(const struct ks_fl_files *files, const char *name)
{
    enum ks_err err = KS_OK;
    int fd = -1;

    KS_TRY(ks_fl_open(files, name, O_RDONLY, &fd));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "fl/%s: %s", name, strerror(errno));
out:
    ks_fd_close(&fd);
    return err;
}

struct replacing {
    const struct ks_fl_files *files;
    const char *stays;
};

static void visit_replaced(void *context, const char *name, const struct stat *facts)
{
    const struct replacing *replacing = context;
    struct ks_log_line line;

    if (strcmp(name, replacing->stays) != 0 && unlinkat(replacing->files->dir, name, 0) == 0) {
        ks_log_begin(&line, KS_LOG_INFO, "fl.replaced");
        ks_log_text(&line, "file", name);
        ks_log_u64(&line, "bytes", (uint64_t)facts->st_size);
        ks_log_end(&line);
    }
}

/* STAYS is the one update of OWNER that the round at PLACE has: the enclave asks for another
 * only when none counts, nor is about to, so those before were refused. */
static enum ks_err replace(const struct ks_fl_files *files, const struct place *place,
                           const char *owner, const char *stays)
{
    struct replacing replacing = {.files = files, .stays = stays};
    char end[FL_OWNER_LEN + 3];
    char prefix[NAME_LEN_MAX];

    (void)snprintf(end, sizeof end, "-%s-", owner);
    place_name(place, "kept", end, prefix);
    return each(files, prefix, visit_replaced, &replacing);
}

enum ks_err ks_fl_keep(const struct ks_fl_files *files, const struct kept *kept,
                       const char *blob, char target[NAME_LEN_MAX])
{
    enum ks_err err = KS_OK;
    struct place place = {.round = kept->round};
    char owner[FL_OWNER_LEN + 1];
    char hex[2 * 32 + 1];
    char end[NAME_LEN_MAX / 2];
    char note[NAME_LEN_MAX];

    ks_copy(place.session, kept->session, sizeof place.session);
    ks_fl_owner_name(kept->device, owner);
    ks_hex_encode(KS_BYTES(kept->hash), hex);
    (void)snprintf(end, sizeof end, "-%s-%s", owner, hex);
    place_name(&place, "kept", end, target);
    if (is_there(files, target)) {
        return KS_OK;
    }
    place_name(&place, "gone", ".json", note);
    KS_CHECK(!is_there(files, note), KS_ERR_NOT_FOUND,
             "the sealed updates of round %llu were deleted: the site keeps those of %llu "
             "rounds",
             (unsigned long long)place.round, (unsigned long long)files->limits.rounds_kept);
    KS_TRY(files->limits.rounds_kept == 0 ? KS_OK : sync_file(files, blob));
    KS_TRY(ks_fl_move(files, blob, target));
    KS_TRY(replace(files, &place, owner, target));
out:
    return err;
}

/* --- lists -------------------------------------------------------------------------------- */

static void forget_session(const struct ks_fl_files *files, const uint8_t session[16])
{
    static const char *const what[] = {"checkpoint-1", "checkpoint-2", "new", "next"};
    char name[NAME_LEN_MAX];

    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
        ks_fl_session_name(session, what[i], name);
        (void)unlinkat(files->dir, name, 0); /* most likely it was never there */
    }
}

enum ks_err ks_fl_files_list_put(struct ks_fl_files *files, const uint8_t session[16],
                                 uint64_t round, bool over, struct ks_bytes list)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];

    ks_fl_list_name(session, round, name);
    KS_TRY(ks_fs_replace(files->fs, name, list));
    if (over) {
        forget_session(files, session);
    }
    KS_TRY(ks_fl_sweep(files, false));
out:
    return err;
}

enum ks_err ks_fl_files_list(const struct ks_fl_files *files, const uint8_t session[16],
                             uint64_t round, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];

    ks_fl_list_name(session, round, name);
    err = load(files, name, KS_FL_UPDATES_BYTES_MAX, out);
    return err != KS_ERR_NOT_FOUND
               ? err
               : ks_fail(KS_ERR_NOT_FOUND, "round %llu has no list here, or not yet",
                         (unsigned long long)round);
}

/* When the round's updates were deleted, or null. */
static enum ks_err put_deleted(const struct ks_fl_files *files, const struct place *place,
                               struct ks_json_writer *writer)
{
    static const struct ks_json_limits limits = {.len_max = NOTE_MAX, .nodes_max = 16};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *time = NULL;
    char name[NAME_LEN_MAX];
    struct ks_buf note;

    ks_buf_init(&note, NOTE_MAX);
    place_name(place, "gone", ".json", name);
    ks_json_put_key(writer, "deleted_at");
    err = load(files, name, NOTE_MAX, &note);
    if (err == KS_ERR_NOT_FOUND) {
        ks_json_put_null(writer);
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    KS_TRY(ks_json_parse(ks_buf_view(&note), &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "deleted_at", KS_JSON_STRING, &time));
    ks_json_put_value(writer, time);
out:
    ks_json_doc_free(doc);
    ks_buf_done(&note);
    return err;
}

enum ks_err ks_fl_files_kept(const struct ks_fl_files *files, const uint8_t session[16],
                             uint64_t round, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct counting counting = {.files = files, .place = {.round = round}};
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_copy(counting.place.session, session, sizeof counting.place.session);
    KS_TRY(each(files, "kept-", visit_kept, &counting));
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "bytes", counting.bytes);
    KS_TRY(put_deleted(files, &counting.place, &writer));
    ks_json_member_u64(&writer, "files", counting.count);
    ks_json_member_u64(&writer, "round", round);
    ks_json_member_text(&writer, "schema", "ketseal.fl-kept/1");
    ks_json_member_hex(&writer, "session", ks_bytes_of(session, 16));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

/* --- what goes ---------------------------------------------------------------------------- */

struct sweeping {
    struct ks_fl_files *files;
    bool at_start;
    uint64_t now_us;
    struct place newest[KS_ROUNDS_SESSIONS_MAX]; /* of each session: the last one with a list */
    size_t sessions;
    struct place over[ROUNDS_MAX]; /* whose updates go */
    size_t over_count;
    uint64_t used;
};

static struct place *find_session(struct sweeping *sweeping, const struct place *wanted)
{
    for (size_t i = 0; i < sweeping->sessions; i++) {
        if (ks_bytes_equal(KS_BYTES(sweeping->newest[i].session), KS_BYTES(wanted->session))) {
            return &sweeping->newest[i];
        }
    }
    return NULL;
}

static void visit_list(void *context, const char *name, const struct stat *facts)
{
    struct sweeping *sweeping = context;
    struct place place = {.round = 0};
    struct place *newest = NULL;

    if (facts->st_size == 0 || !is_of(name, "list", &place)) {
        return;
    }
    newest = find_session(sweeping, &place);
    if (newest == NULL && sweeping->sessions < KS_ROUNDS_SESSIONS_MAX) {
        newest = &sweeping->newest[sweeping->sessions++];
        *newest = place;
    }
    if (newest != NULL && place.round > newest->round) {
        newest->round = place.round;
    }
}

/* Whether the round at PLACE is among those that are too many. */
static bool is_over(struct sweeping *sweeping, const struct place *place)
{
    const struct place *newest = find_session(sweeping, place);

    return newest != NULL && place->round <= newest->round &&
           newest->round - place->round >= sweeping->files->limits.rounds_kept;
}

/* PLACE's updates go, if it is over. */
static void mark_over(struct sweeping *sweeping, const struct place *place)
{
    if (!is_over(sweeping, place)) {
        return;
    }
    for (size_t i = 0; i < sweeping->over_count; i++) {
        if (same(&sweeping->over[i], place)) {
            return;
        }
    }
    if (sweeping->over_count < ROUNDS_MAX) { /* others at the next sweep */
        sweeping->over[sweeping->over_count++] = *place;
    }
}

static void visit_file(void *context, const char *name, const struct stat *facts)
{
    struct sweeping *sweeping = context;
    struct place place = {.round = 0};
    const uint64_t written_us = (uint64_t)facts->st_mtim.tv_sec * 1000000;
    const bool old = sweeping->now_us > written_us &&
                     sweeping->now_us - written_us > sweeping->files->limits.unused_us;

    if (ends_in(name, ".part")) {
        if (sweeping->at_start) {
            (void)unlinkat(sweeping->files->dir, name, 0); /* what stays is overwritten */
        }
        return;
    }
    if (facts->st_size == 0 && ends_in(name, ".json") &&
        unlinkat(sweeping->files->dir, name, 0) == 0) {
        return; /* see is_there */
    }
    if (ends_in(name, ".blob") && old && unlinkat(sweeping->files->dir, name, 0) == 0) {
        struct ks_log_line line;

        ks_log_begin(&line, KS_LOG_INFO, "fl.expired");
        ks_log_text(&line, "file", name);
        ks_log_u64(&line, "bytes", (uint64_t)facts->st_size);
        ks_log_end(&line);
        return;
    }
    if (is_of(name, "state", &place)) {
        place.round++; /* which goes on from it */
        if (is_over(sweeping, &place) && unlinkat(sweeping->files->dir, name, 0) == 0) {
            return;
        }
    }
    sweeping->used += (uint64_t)facts->st_size;
    if (is_of(name, "kept", &place)) {
        mark_over(sweeping, &place);
    }
}

enum ks_err ks_fl_sweep(struct ks_fl_files *files, bool at_start)
{
    enum ks_err err = KS_OK;
    struct sweeping *sweeping = ks_calloc(1, sizeof *sweeping);
    bool went = false;

    KS_CHECK(sweeping != NULL, KS_ERR_NOMEM, "files of rounds");
    files->sweep_us = ks_clock_monotonic_us() + SWEEP_US; /* also where this one fails */
    sweeping->files = files;
    sweeping->at_start = at_start;
    sweeping->now_us = ks_clock_us();
    KS_TRY(each(files, "list-", visit_list, sweeping));
    KS_TRY(each(files, "", visit_file, sweeping));
    for (size_t i = 0; i < sweeping->over_count; i++) {
        const enum ks_err failed = delete_round(files, &sweeping->over[i]);

        if (failed != KS_OK) { /* it stays until it can go; others may go now */
            ks_log_failure("fl.sweep", failed);
        }
        went = went || failed == KS_OK;
    }
    files->used = sweeping->used; /* with what was deleted now, until the next look */
    files->look_us = went ? 0 : ks_clock_monotonic_us() + LOOK_US;
out:
    ks_free(sweeping);
    return err;
}

enum ks_err ks_fl_files_turn(struct ks_fl_files *files)
{
    return ks_clock_monotonic_us() >= files->sweep_us ? ks_fl_sweep(files, false) : KS_OK;
}

enum ks_err ks_fl_room(struct ks_fl_files *files, uint64_t length)
{
    enum ks_err err = KS_OK;
    uint64_t taken = 0;

    if (ks_clock_monotonic_us() >= files->look_us) {
        KS_TRY(ks_fl_sweep(files, false));
    }
    taken = files->used + files->in_flight;
    KS_CHECK(taken <= files->limits.disk_max && length <= files->limits.disk_max - taken,
             KS_ERR_UNAVAILABLE,
             "updates and models take %llu of the %llu bytes that the site keeps: no room for "
             "%llu more",
             (unsigned long long)taken, (unsigned long long)files->limits.disk_max,
             (unsigned long long)length);
out:
    return err;
}
