/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/fl_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/fl_work.h"
#include "server/fl_inside.h"

#define HASH_CHUNK 65536
#define FULL       "the site's disk is full; again later"

/* --- names -------------------------------------------------------------------------------- */

/* Of what WHO sends: nobody sends in another's name. */
static void upload_name(const char *who, const uint8_t hash[32], const char *state,
                        char target[NAME_LEN_MAX])
{
    char owner[FL_OWNER_LEN + 1];
    char hex[2 * 32 + 1];

    ks_fl_owner_name(who, owner);
    ks_hex_encode(ks_bytes_of(hash, 32), hex);
    (void)snprintf(target, NAME_LEN_MAX, "up-%s-%s.%s", owner, hex, state);
}

static void model_name(const uint8_t hash[32], char target[NAME_LEN_MAX])
{
    char hex[2 * 32 + 1];

    ks_hex_encode(ks_bytes_of(hash, 32), hex);
    (void)snprintf(target, NAME_LEN_MAX, "model-%s.safetensors", hex);
}

void ks_fl_session_name(const uint8_t session[16], const char *what, char target[NAME_LEN_MAX])
{
    char hex[2 * 16 + 1];

    ks_hex_encode(ks_bytes_of(session, 16), hex);
    (void)snprintf(target, NAME_LEN_MAX, "%s-%s", what, hex);
}

/* What the last call has said. */
static enum ks_err error_of(int number)
{
    return number == ENOENT                       ? KS_ERR_NOT_FOUND
           : number == ENOSPC || number == EDQUOT ? KS_ERR_UNAVAILABLE
                                                  : KS_ERR_IO;
}

enum ks_err ks_fl_open(const struct ks_fl_files *files, const char *name, int flags,
                       int *out_fd)
{
    int fd = openat(files->dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return ks_fail(error_of(errno), "fl/%s: %s", name, strerror(errno));
    }
    *out_fd = fd;
    return KS_OK;
}

enum ks_err ks_fl_length(int fd, const char *name, uint64_t *out_length)
{
    struct stat facts;

    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return ks_fail(KS_ERR_IO, "fl/%s: it is no file", name);
    }
    *out_length = (uint64_t)facts.st_size;
    return KS_OK;
}

enum ks_err ks_fl_read(int fd, const char *name, uint64_t begin, uint64_t len,
                       struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    while (len > 0) {
        uint8_t *room = ks_buf_reserve(out, (size_t)len);
        ssize_t count = 0;

        KS_TRY(ks_buf_check(out));
        count = pread(fd, room, (size_t)len, (off_t)begin);
        KS_CHECK(count > 0 || (count < 0 && errno == EINTR), KS_ERR_IO, "fl/%s: %s", name,
                 count == 0 ? "cut short" : strerror(errno));
        ks_buf_grew(out, count > 0 ? (size_t)count : 0);
        begin += count > 0 ? (uint64_t)count : 0;
        len -= count > 0 ? (uint64_t)count : 0;
    }
out:
    return err;
}

enum ks_err ks_fl_move(const struct ks_fl_files *files, const char *source, const char *target)
{
    if (renameat(files->dir, source, files->dir, target) != 0 || fsync(files->dir) != 0) {
        return ks_fail(error_of(errno), "fl/%s: %s", source, strerror(errno));
    }
    return KS_OK;
}

enum ks_err ks_fl_files_open(const char *state_dir, int enclave_fd,
                             const struct ks_fl_files_limits *limits,
                             struct ks_fl_files **out_files)
{
    enum ks_err err = KS_OK;
    struct ks_fl_files *files = ks_calloc(1, sizeof *files);
    char path[KS_PATH_MAX];
    int copy = -1;

    if (files == NULL) {
        ks_fd_close(&enclave_fd);
        return ks_fail(KS_ERR_NOMEM, "files of rounds");
    }
    files->dir = -1;
    files->limits = *limits;
    ks_channel_init(&files->enclave, enclave_fd, "enclave");
    files->uploads = ks_calloc(KS_FL_UPLOADS_MAX, sizeof *files->uploads);
    KS_CHECK(files->uploads != NULL, KS_ERR_NOMEM, "files of rounds");
    KS_CHECK(limits->length_max <= (uint64_t)PARTS_MAX * KS_FL_PART_LEN, KS_ERR_LIMIT,
             "an upload of %llu bytes", (unsigned long long)limits->length_max);
    KS_TRY(ks_path_join(state_dir, KS_FL_FILES_DIRECTORY, path));
    KS_TRY(ks_dir_make(path, 0700));
    files->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(files->dir >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    copy = fcntl(files->dir, F_DUPFD_CLOEXEC, 0);
    KS_CHECK(copy >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    KS_TRY(ks_fs_system_new(copy, &files->fs));
    copy = -1; /* transferred */
    KS_TRY(ks_fl_sweep(files, true));
    *out_files = files;
    files = NULL; /* transferred */
out:
    ks_fd_close(&copy);
    ks_fl_files_close(files);
    return err;
}

void ks_fl_files_close(struct ks_fl_files *files)
{
    if (files == NULL) {
        return;
    }
    if (files->started) {
        (void)shutdown(files->enclave.fd,
                       SHUT_RDWR); /* its read ends, and with that the thread */
        (void)pthread_join(files->thread, NULL);
    }
    ks_channel_done(&files->enclave);
    ks_fs_system_free(files->fs);
    ks_fd_close(&files->dir);
    ks_free(files->uploads);
    ks_free(files);
}

/* --- uploads ------------------------------------------------------------------------------ */

static struct upload *find_upload(struct ks_fl_files *files, const char *who)
{
    for (size_t i = 0; i < KS_FL_UPLOADS_MAX; i++) {
        if (strcmp(files->uploads[i].who, who) == 0) {
            return &files->uploads[i];
        }
    }
    return NULL;
}

static void give_up(struct ks_fl_files *files, struct upload *upload)
{
    char name[NAME_LEN_MAX];

    upload_name(upload->who, upload->hash, "part", name);
    (void)unlinkat(files->dir, name, 0); /* what stays goes at the next start */
    files->in_flight -= upload->length;
    *upload = (struct upload){.who = ""};
}

static bool is_complete(const struct ks_fl_files *files, const char *who,
                        const uint8_t hash[32], uint64_t *out_length)
{
    char name[NAME_LEN_MAX];
    bool there = false;
    int fd = -1;

    upload_name(who, hash, "blob", name);
    there = ks_fl_open(files, name, O_RDONLY, &fd) == KS_OK &&
            ks_fl_length(fd, name, out_length) == KS_OK;
    ks_fd_close(&fd);
    return there;
}

/* The upload of which no part came for the longest time, if that is too long; NULL. */
static struct upload *find_stalled(struct ks_fl_files *files)
{
    struct upload *stalled = NULL;
    const uint64_t now_us = ks_clock_monotonic_us();

    for (size_t i = 0; i < KS_FL_UPLOADS_MAX; i++) {
        struct upload *upload = &files->uploads[i];

        if (upload->who[0] != '\0' && now_us - upload->touched_us >= files->limits.stalled_us &&
            (stalled == NULL || upload->touched_us < stalled->touched_us)) {
            stalled = upload;
        }
    }
    return stalled;
}

static bool has_room(struct ks_fl_files *files, uint64_t length)
{
    return find_upload(files, "") != NULL &&
           length <= files->limits.in_flight_max - files->in_flight;
}

/* That has room while nothing else does. */
static uint64_t longest(const struct ks_fl_files_limits *limits)
{
    uint64_t length = limits->length_max;

    length = length < limits->in_flight_max ? length : limits->in_flight_max;
    return length < limits->disk_max ? length : limits->disk_max;
}

static enum ks_err begin_upload(struct ks_fl_files *files, const struct ks_fl_upload *wanted,
                                struct upload **out_upload)
{
    enum ks_err err = KS_OK;
    struct upload *upload = find_upload(files, wanted->who);
    const uint64_t length_max = longest(&files->limits);

    KS_CHECK(wanted->length >= 1 && wanted->length <= length_max, KS_ERR_LIMIT,
             "an upload has 1 to %llu bytes", (unsigned long long)length_max);
    if (upload != NULL) {
        give_up(files, upload);
    }
    while (!has_room(files, wanted->length) && (upload = find_stalled(files)) != NULL) {
        give_up(files, upload);
    }
    KS_CHECK(has_room(files, wanted->length), KS_ERR_UNAVAILABLE,
             "too many uploads are under way; again later");
    upload = find_upload(files, "");
    KS_TRY(ks_fl_own_room(files, wanted->who));
    KS_TRY(ks_fl_room(files, wanted->length));
    *upload = (struct upload){
        .length = wanted->length,
        .touched_us = ks_clock_monotonic_us(),
        .parts = (uint32_t)((wanted->length + KS_FL_PART_LEN - 1) / KS_FL_PART_LEN)};
    (void)snprintf(upload->who, sizeof upload->who, "%s", wanted->who);
    ks_copy(upload->hash, wanted->hash, sizeof upload->hash);
    files->in_flight += upload->length;
    *out_upload = upload;
out:
    return err;
}

static enum ks_err write_part(const struct ks_fl_files *files,
                              const struct ks_fl_upload *wanted)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];
    size_t len = 0;
    int fd = -1;

    upload_name(wanted->who, wanted->hash, "part", name);
    err = ks_fl_open(files, name, O_WRONLY | O_CREAT, &fd);
    KS_TRY(err == KS_ERR_UNAVAILABLE ? ks_fail(err, "%s", FULL) : err);
    while (len < wanted->bytes.len) {
        const ssize_t count = pwrite(fd, wanted->bytes.data + len, wanted->bytes.len - len,
                                     (off_t)(wanted->part * KS_FL_PART_LEN + len));

        KS_CHECK(count > 0 || error_of(errno) != KS_ERR_UNAVAILABLE, KS_ERR_UNAVAILABLE, "%s",
                 FULL);
        KS_CHECK(count > 0 || errno == EINTR, KS_ERR_IO, "fl/%s: %s", name, strerror(errno));
        len += count > 0 ? (size_t)count : 0;
    }
out:
    ks_fd_close(&fd);
    return err;
}

/* The one that WANTED is a part of; NULL. */
static struct upload *under_way(struct ks_fl_files *files, const struct ks_fl_upload *wanted)
{
    struct upload *upload = find_upload(files, wanted->who);

    return upload != NULL && upload->length == wanted->length &&
                   ks_bytes_equal(KS_BYTES(upload->hash), KS_BYTES(wanted->hash))
               ? upload
               : NULL;
}

bool ks_fl_files_begins(struct ks_fl_files *files, const struct ks_fl_upload *upload)
{
    uint64_t length = 0;

    return under_way(files, upload) == NULL &&
           !is_complete(files, upload->who, upload->hash, &length);
}

enum ks_err ks_fl_files_put(struct ks_fl_files *files, const struct ks_fl_upload *wanted,
                            bool *out_complete)
{
    enum ks_err err = KS_OK;
    struct upload *upload = under_way(files, wanted);
    char source[NAME_LEN_MAX];
    char target[NAME_LEN_MAX];
    uint64_t length = 0;

    KS_CHECK(strlen(wanted->who) >= 1 && strlen(wanted->who) <= WHO_MAX, KS_ERR_USAGE,
             "nobody's upload");
    if (is_complete(files, wanted->who, wanted->hash, &length)) {
        *out_complete = true; /* sent again */
        return KS_OK;
    }
    if (upload == NULL) {
        KS_TRY(begin_upload(files, wanted, &upload));
    }
    KS_CHECK(wanted->part < upload->parts, KS_ERR_FORMAT, "part %llu of %u",
             (unsigned long long)wanted->part, upload->parts);
    length = wanted->part + 1 < upload->parts ? KS_FL_PART_LEN
                                              : upload->length - wanted->part * KS_FL_PART_LEN;
    KS_CHECK(wanted->bytes.len == length, KS_ERR_FORMAT, "part %llu has %zu bytes, not %llu",
             (unsigned long long)wanted->part, wanted->bytes.len, (unsigned long long)length);
    upload->touched_us = ks_clock_monotonic_us();
    KS_TRY(write_part(files, wanted));
    if ((upload->has[wanted->part / 8] >> (wanted->part % 8) & 1) == 0) {
        upload->has[wanted->part / 8] |= (uint8_t)(1U << (wanted->part % 8));
        upload->there++;
    }
    *out_complete = upload->there == upload->parts;
    if (*out_complete) {
        upload_name(wanted->who, wanted->hash, "part", source);
        upload_name(wanted->who, wanted->hash, "blob", target);
        KS_TRY(ks_fl_move(files, source, target));
        files->in_flight -= upload->length;
        files->used += upload->length;
        *upload = (struct upload){.who = ""};
    }
out:
    return err;
}

enum ks_err ks_fl_files_parts(struct ks_fl_files *files, const char *who,
                              const uint8_t hash[32], struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    const struct upload *upload = find_upload(files, who);
    uint64_t length = 0;
    const bool complete = is_complete(files, who, hash, &length);
    uint64_t parts = 0;

    KS_CHECK(complete || (upload != NULL &&
                          ks_bytes_equal(KS_BYTES(upload->hash), ks_bytes_of(hash, 32))),
             KS_ERR_NOT_FOUND, "no such upload");
    length = complete ? length : upload->length;
    parts = (length + KS_FL_PART_LEN - 1) / KS_FL_PART_LEN;
    ks_json_put_object(&writer);
    ks_json_member_bool(&writer, "complete", complete);
    ks_json_member_u64(&writer, "length", length);
    ks_json_put_key(&writer, "parts");
    ks_json_put_array(&writer);
    for (uint64_t i = 0; i < parts; i++) {
        if (complete || (upload->has[i / 8] >> (i % 8) & 1) == 1) {
            ks_json_put_u64(&writer, i);
        }
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.fl-upload/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

/* --- models ------------------------------------------------------------------------------- */

static enum ks_err hash_file(int fd, const char *name, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct ks_sha256 *hash = NULL;
    uint8_t *chunk = ks_calloc(HASH_CHUNK, 1);
    ssize_t count = 1;

    KS_CHECK(chunk != NULL, KS_ERR_NOMEM, "fl/%s", name);
    KS_TRY(ks_sha256_new(&hash));
    while (count != 0) {
        count = read(fd, chunk, HASH_CHUNK);
        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_IO, "fl/%s: %s", name, strerror(errno));
        if (count > 0) {
            ks_sha256_update(hash, ks_bytes_of(chunk, (size_t)count));
        }
    }
    ks_sha256_final(hash, out_hash);
out:
    ks_sha256_free(hash);
    ks_free(chunk);
    return err;
}

enum ks_err ks_fl_files_publish(struct ks_fl_files *files, const char *who,
                                const uint8_t hash[32])
{
    enum ks_err err = KS_OK;
    char source[NAME_LEN_MAX];
    char target[NAME_LEN_MAX];
    uint8_t digest[32];
    uint64_t length = 0;
    int fd = -1;

    if (ks_fl_files_model(files, hash, &length) == KS_OK) {
        return KS_OK; /* it is one already */
    }
    upload_name(who, hash, "blob", source);
    model_name(hash, target);
    KS_TRY(ks_fl_open(files, source, O_RDONLY, &fd));
    KS_TRY(hash_file(fd, source, digest));
    if (!ks_bytes_equal(KS_BYTES(digest), ks_bytes_of(hash, 32))) {
        (void)unlinkat(files->dir, source, 0); /* it can be sent again */
        KS_TRY(ks_fail(KS_ERR_VERIFY, "what was uploaded has another hash"));
    }
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "fl/%s: %s", source, strerror(errno));
    KS_TRY(ks_fl_move(files, source, target));
out:
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_fl_files_model(const struct ks_fl_files *files, const uint8_t hash[32],
                              uint64_t *out_length)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];
    int fd = -1;

    model_name(hash, name);
    KS_TRY(ks_fl_open(files, name, O_RDONLY, &fd));
    KS_TRY(ks_fl_length(fd, name, out_length));
out:
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_fl_files_model_part(const struct ks_fl_files *files, const uint8_t hash[32],
                                   uint64_t part, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];
    uint64_t length = 0;
    uint64_t begin = 0;
    int fd = -1;

    model_name(hash, name);
    KS_TRY(ks_fl_open(files, name, O_RDONLY, &fd));
    KS_TRY(ks_fl_length(fd, name, &length));
    KS_CHECK(part < (length + KS_FL_PART_LEN - 1) / KS_FL_PART_LEN, KS_ERR_NOT_FOUND,
             "the model has no part %llu", (unsigned long long)part);
    begin = part * KS_FL_PART_LEN;
    KS_TRY(ks_fl_read(fd, name, begin,
                      length - begin < KS_FL_PART_LEN ? length - begin : KS_FL_PART_LEN, out));
out:
    ks_fd_close(&fd);
    return err;
}

/* --- the enclave's requests --------------------------------------------------------------- */

struct wanted {
    enum ks_fl_file file;
    uint8_t session[16];
    uint64_t round;
    uint8_t hash[32];
    struct ks_bytes device; /* of an update */
};

/* u8 file, 16 session, u64 round, 32 hash, lp16 device */
static enum ks_err read_wanted(struct ks_bytes payload, struct wanted *out_wanted)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "file frame");
    struct wanted wanted = {0};
    uint8_t file = 0;

    KS_TRY(ks_read_u8(&reader, &file));
    KS_CHECK(file < KS_FL_FILES, KS_ERR_FORMAT, "file frame: file %u", file);
    wanted.file = (enum ks_fl_file)file;
    KS_TRY(ks_read_copy(&reader, wanted.session, sizeof wanted.session));
    KS_TRY(ks_read_u64(&reader, &wanted.round));
    KS_TRY(ks_read_copy(&reader, wanted.hash, sizeof wanted.hash));
    KS_TRY(ks_read_lp16(&reader, WHO_MAX, &wanted.device));
    KS_TRY(ks_read_end(&reader));
    *out_wanted = wanted;
out:
    return err;
}

/* An update that the enclave asks for is for its round from then on. */
static enum ks_err keep(const struct ks_fl_files *files, const struct wanted *wanted,
                        char target[NAME_LEN_MAX])
{
    struct kept kept = {.round = wanted->round};
    char who[WHO_MAX + 1];
    char blob[NAME_LEN_MAX];

    (void)snprintf(who, sizeof who, "%.*s", (int)wanted->device.len,
                   (const char *)wanted->device.data);
    kept.device = who;
    ks_copy(kept.session, wanted->session, sizeof kept.session);
    ks_copy(kept.hash, wanted->hash, sizeof kept.hash);
    upload_name(who, wanted->hash, "blob", blob);
    return ks_fl_keep(files, &kept, blob, target);
}

static enum ks_err name_of(const struct ks_fl_files *files, const struct wanted *wanted,
                           char target[NAME_LEN_MAX])
{
    switch (wanted->file) {
    case KS_FL_FILE_PARENT:
        model_name(wanted->hash, target);
        break;
    case KS_FL_FILE_UPDATE:
        return keep(files, wanted, target);
    case KS_FL_FILE_STATE:
        ks_fl_state_name(wanted->session, wanted->round - 1, wanted->hash, target);
        break;
    case KS_FL_FILE_MODEL:
        ks_fl_session_name(wanted->session, "new", target);
        break;
    case KS_FL_FILE_NEXT:
        ks_fl_session_name(wanted->session, "next", target);
        break;
    case KS_FL_FILE_LIST:
        ks_fl_list_name(wanted->session, wanted->round, target);
        break;
    case KS_FL_FILE_SCRATCH:
        ks_fl_session_name(wanted->session, "scratch", target);
        break;
    default:
        ks_fl_session_name(wanted->session,
                           wanted->file == KS_FL_FILE_FIRST ? "checkpoint-1" : "checkpoint-2",
                           target);
    }
    return KS_OK;
}

static enum ks_err sync_file(const struct ks_fl_files *files, const struct wanted *wanted)
{
    enum ks_err err = KS_OK;
    char name[NAME_LEN_MAX];
    char target[NAME_LEN_MAX];
    int fd = -1;

    KS_CHECK(wanted->file != KS_FL_FILE_PARENT && wanted->file != KS_FL_FILE_STATE &&
                 wanted->file < KS_FL_FILE_LIST,
             KS_ERR_DENIED, "this file is not written for a round");
    KS_TRY(name_of(files, wanted, name));
    KS_TRY(ks_fl_open(files, name, O_RDWR, &fd));
    KS_CHECK(fsync(fd) == 0, KS_ERR_IO, "fl/%s: %s", name, strerror(errno));
    if (wanted->file == KS_FL_FILE_MODEL || wanted->file == KS_FL_FILE_NEXT) {
        if (wanted->file == KS_FL_FILE_MODEL) {
            model_name(wanted->hash, target);
        } else {
            ks_fl_state_name(wanted->session, wanted->round, wanted->hash, target);
        }
        KS_TRY(ks_fl_move(files, name, target));
    } else {
        KS_CHECK(fsync(files->dir) == 0, KS_ERR_IO, "fl: %s", strerror(errno));
    }
out:
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_fl_files_answer(struct ks_fl_files *files, uint16_t type,
                               struct ks_bytes payload, int *out_fd, uint64_t *out_length)
{
    enum ks_err err = KS_OK;
    struct wanted wanted;
    char name[NAME_LEN_MAX];
    uint64_t length = 0;
    bool reads = false;
    int fd = -1;

    *out_fd = -1;
    KS_TRY(read_wanted(payload, &wanted));
    if (type == KS_FRAME_FL_SYNC) {
        KS_TRY(sync_file(files, &wanted));
        return KS_OK;
    }
    KS_CHECK(type == KS_FRAME_FL_OPEN, KS_ERR_DENIED, "a request of type %u for a file", type);
    reads = wanted.file < KS_FL_FILE_FIRST || wanted.file == KS_FL_FILE_LIST;
    KS_TRY(name_of(files, &wanted, name));
    KS_TRY(ks_fl_open(files, name, reads ? O_RDONLY : O_RDWR | O_CREAT, &fd));
    if (wanted.file ==
        KS_FL_FILE_SCRATCH) { /* nobody else sees it, and it ends with who has it */
        KS_CHECK(unlinkat(files->dir, name, 0) == 0, KS_ERR_IO, "fl/%s: %s", name,
                 strerror(errno));
    }
    KS_TRY(ks_fl_length(fd, name, &length));
    *out_fd = fd;
    *out_length = length;
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err == KS_ERR_UNAVAILABLE ? KS_ERR_IO : err; /* then the enclave rests its round */
}

/* u16 0, and of an opened file u64 length with the descriptor. */
static enum ks_err send_answer(struct ks_fl_files *files, const struct ks_frame *frame,
                               enum ks_err said, int fd, uint64_t length)
{
    enum ks_err err = KS_OK;
    struct ks_channel *channel = &files->enclave;
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    if (said != KS_OK) {
        ks_answer_error(&channel->out, frame->type, frame->id, said);
        KS_TRY(ks_channel_flush(channel));
    } else if (fd < 0) {
        const size_t begin = ks_answer_begin(&channel->out, frame->type, frame->id);

        ks_frame_end(&channel->out, begin);
        KS_TRY(ks_channel_flush(channel));
    } else {
        ks_buf_put_u16(&payload, KS_OK);
        ks_buf_put_u64(&payload, length);
        KS_TRY(ks_buf_check(&payload));
        KS_TRY(ks_channel_send_fd(channel, (uint16_t)(frame->type | KS_FRAME_ANSWER), frame->id,
                                  ks_buf_view(&payload), fd));
    }
out:
    ks_buf_done(&payload);
    return err;
}

/* Until the enclave, or we, close the channel. */
static void *serve(void *context)
{
    struct ks_fl_files *files = context;
    enum ks_err err = KS_OK;

    while (err == KS_OK) {
        struct ks_frame frame;
        uint64_t length = 0;
        int fd = -1;

        err = ks_channel_receive(&files->enclave, &frame);
        if (err == KS_OK) {
            const enum ks_err said =
                ks_fl_files_answer(files, frame.type, frame.payload, &fd, &length);

            err = send_answer(files, &frame, said, fd, length);
            ks_fd_close(&fd);
        }
    }
    return NULL;
}

enum ks_err ks_fl_files_start(struct ks_fl_files *files)
{
    if (pthread_create(&files->thread, NULL, serve, files) != 0) {
        return ks_fail(KS_ERR_IO, "a thread for the files of rounds");
    }
    files->started = true;
    return KS_OK;
}
