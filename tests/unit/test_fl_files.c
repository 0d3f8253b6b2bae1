/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The files of rounds: parts of uploads in any order, whose they are, what is under way, models
 * that are called by their hash, and what the enclave's worker opens and syncs. */
#include "unit/expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/fl_work.h"
#include "enclave/frame.h"
#include "fl/model.h"
#include "fl/seal.h"
#include "fl/update.h"
#include "record/fl.h"
#include "server/fl_files.h"

#define PART  ((size_t)KS_FL_PART_LEN)
#define TOTAL (2 * PART + 5)

#define DISK_MAX  (8 * TOTAL)
#define UNUSED_US UINT64_C(3600000000)

static char *folder;
static uint8_t *bytes; /* TOTAL */
static uint8_t hash[32];
static uint64_t stalled_us = UINT64_MAX; /* none is */
static uint64_t length_max = TOTAL;
static struct ks_fl_files *files;
static int enclave;

static void open_files(void)
{
    const struct ks_fl_files_limits limits = {.length_max = length_max,
                                              .in_flight_max = 2 * TOTAL,
                                              .disk_max = DISK_MAX,
                                              .unused_us = UNUSED_US,
                                              .stalled_us = stalled_us,
                                              .rounds_kept = 2};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    enclave = pair[0];
    assert_int_equal(ks_fl_files_open(folder, pair[1], &limits, &files), KS_OK);
}

static void close_files(void)
{
    ks_fl_files_close(files);
    ks_fd_close(&enclave);
}

static int make(void **state)
{
    (void)state;
    bytes = ks_calloc(TOTAL, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    ks_sha256(ks_bytes_of(bytes, TOTAL), hash);
    assert_int_equal(ks_dir_temporary("fl-files", &folder), KS_OK);
    open_files();
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    char path[KS_PATH_MAX];

    close_files();
    assert_int_equal(ks_path_join(folder, KS_FL_FILES_DIRECTORY, path), KS_OK);
    assert_int_equal(ks_dir_remove(path), KS_OK);
    assert_int_equal(ks_dir_remove(folder), KS_OK);
    ks_free(folder);
    ks_free(bytes);
    return 0;
}

static enum ks_err put(const char *who, uint64_t part, bool *out_complete)
{
    const size_t begin = part < 3 ? part * PART : 0;
    struct ks_fl_upload upload = {.who = who, .length = TOTAL, .part = part};

    ks_copy(upload.hash, hash, sizeof hash);
    upload.bytes = ks_bytes_of(bytes + begin, part == 2 ? 5 : PART);
    *out_complete = false;
    return ks_fl_files_put(files, &upload, out_complete);
}

static void put_all(const char *who)
{
    bool complete = false;

    for (uint64_t part = 0; part < 3; part++) {
        assert_int_equal(put(who, part, &complete), KS_OK);
    }
    assert_true(complete);
}

static void expect_parts(const char *who, const char *text)
{
    struct ks_buf out;

    ks_buf_init(&out, 4096);
    assert_int_equal(ks_fl_files_parts(files, who, hash, &out), KS_OK);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    ks_buf_done(&out);
}

static void test_parts_come_in_any_order(void **state)
{
    (void)state;
    bool complete = false;
    struct ks_buf out;

    ks_buf_init(&out, 4096);
    assert_int_equal(ks_fl_files_parts(files, "d1", hash, &out), KS_ERR_NOT_FOUND);
    ks_buf_done(&out);
    assert_int_equal(put("d1", 2, &complete), KS_OK);
    assert_int_equal(put("d1", 0, &complete), KS_OK);
    assert_int_equal(put("d1", 0, &complete), KS_OK); /* twice */
    assert_false(complete);
    expect_parts("d1", "{\"complete\":false,\"length\":2097157,\"parts\":[0,2],"
                       "\"schema\":\"ketseal.fl-upload/1\"}");
    assert_int_equal(put("d1", 3, &complete), KS_ERR_FORMAT);
    assert_int_equal(put("d1", 1, &complete), KS_OK);
    assert_true(complete);
    expect_parts("d1", "{\"complete\":true,\"length\":2097157,\"parts\":[0,1,2],"
                       "\"schema\":\"ketseal.fl-upload/1\"}");
    assert_int_equal(put("d1", 1, &complete), KS_OK); /* after the end */
    assert_true(complete);
}

static void test_limits(void **state)
{
    (void)state;
    struct ks_fl_upload upload = {.who = "d1", .length = TOTAL + 1};
    bool complete = false;

    upload.bytes = ks_bytes_of(bytes, PART);
    assert_int_equal(put("d1", 1, &complete), KS_OK);
    assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_ERR_LIMIT);
    expect_parts("d1", "{\"complete\":false,\"length\":2097157,\"parts\":[1],"
                       "\"schema\":\"ketseal.fl-upload/1\"}"); /* it goes on */
    upload.length = TOTAL;
    upload.bytes.len--;
    assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_ERR_FORMAT);
    assert_int_equal(put("d1", 0, &complete), KS_OK); /* another one: the first is given up */
    assert_int_equal(put("d2", 0, &complete), KS_OK);
    assert_int_equal(put("d3", 0, &complete), KS_ERR_UNAVAILABLE);
    put_all("d2");
    assert_int_equal(put("d3", 0, &complete), KS_OK);
}

/* The longest upload of the largest model has parts enough. One that would find no room in an
 * empty folder either is refused for good. */
static void test_the_largest_model(void **state)
{
    (void)state;
    struct ks_fl_upload upload = {.who = "d1", .length = 2 * TOTAL + 1};
    bool complete = false;

    close_files();
    length_max = ks_fl_update_bytes_max(KS_FL_NUMBERS_MAX) + KS_FL_SEALED_OVERHEAD +
                 KS_FL_MODEL_HEADER_MAX;
    open_files();
    length_max = TOTAL;
    upload.bytes = ks_bytes_of(bytes, PART);
    assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_ERR_LIMIT);
    upload.length = 2 * TOTAL;
    assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_OK);
}

/* Who begins and does not go on makes room, the one that stands still for the longest first. */
static void test_stalled(void **state)
{
    (void)state;
    bool complete = false;

    close_files();
    stalled_us = 0;
    open_files();
    stalled_us = UINT64_MAX;
    assert_int_equal(put("d1", 0, &complete), KS_OK);
    assert_int_equal(put("d2", 0, &complete), KS_OK);
    assert_int_equal(put("d1", 1, &complete), KS_OK); /* that is d2, now */
    assert_int_equal(put("d3", 0, &complete), KS_OK);
    assert_int_equal(put("d1", 2, &complete), KS_OK);
    assert_true(complete);
    assert_int_equal(put("d2", 1, &complete), KS_OK); /* begins anew */
    assert_false(complete);
}

/* Nobody fills the quota of all: of the complete uploads of one device the newest stay. */
static void test_unused(void **state)
{
    (void)state;
    struct ks_fl_upload upload = {.who = "d1", .length = 1, .bytes = KS_LITERAL("a")};
    bool complete = false;
    struct ks_buf out;

    ks_buf_init(&out, 65536);
    for (unsigned i = 0; i < 3 * KS_FL_UNUSED_MAX; i++) {
        upload.hash[0] = (uint8_t)i;
        assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_OK);
        assert_true(complete);
    }
    upload.who = "d2";
    assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_OK);
    for (unsigned i = 0; i < 3 * KS_FL_UNUSED_MAX; i++) {
        const bool kept = i >= 2 * KS_FL_UNUSED_MAX;

        upload.hash[0] = (uint8_t)i;
        assert_int_equal(ks_fl_files_parts(files, "d1", upload.hash, &out),
                         kept ? KS_OK : KS_ERR_NOT_FOUND);
    }
    ks_buf_done(&out);
}

static void test_what_was_under_way_is_gone_after_a_restart(void **state)
{
    (void)state;
    bool complete = false;
    struct ks_buf out;

    put_all("d1");
    assert_int_equal(put("d2", 0, &complete), KS_OK);
    close_files();
    open_files();
    ks_buf_init(&out, 4096);
    assert_int_equal(ks_fl_files_parts(files, "d1", hash, &out), KS_OK);
    assert_int_equal(ks_fl_files_parts(files, "d2", hash, &out), KS_ERR_NOT_FOUND);
    ks_buf_done(&out);
}

static void test_models(void **state)
{
    (void)state;
    const uint8_t other[32] = {1};
    struct ks_fl_upload wrong = {.who = "op", .length = 3, .bytes = KS_LITERAL("abc")};
    struct ks_buf out;
    uint64_t length = 0;
    bool complete = false;

    put_all("op");
    assert_int_equal(ks_fl_files_publish(files, "another", hash), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_fl_files_model(files, hash, &length), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_fl_files_publish(files, "op", hash), KS_OK);
    assert_int_equal(ks_fl_files_publish(files, "op", hash), KS_OK); /* it is one */
    assert_int_equal(ks_fl_files_model(files, hash, &length), KS_OK);
    assert_int_equal(length, TOTAL);
    ks_buf_init(&out, TOTAL);
    for (uint64_t part = 0; part < 3; part++) {
        assert_int_equal(ks_fl_files_model_part(files, hash, part, &out), KS_OK);
    }
    assert_int_equal(out.len, TOTAL);
    assert_memory_equal(out.data, bytes, TOTAL);
    assert_int_equal(ks_fl_files_model_part(files, hash, 3, &out), KS_ERR_NOT_FOUND);
    ks_buf_done(&out);

    ks_copy(wrong.hash, other, sizeof other);
    assert_int_equal(ks_fl_files_put(files, &wrong, &complete), KS_OK);
    assert_true(complete);
    assert_int_equal(ks_fl_files_publish(files, "op", other), KS_ERR_VERIFY);
    assert_int_equal(ks_fl_files_publish(files, "op", other), KS_ERR_NOT_FOUND);
}

static const uint8_t session[16] = {9};

static enum ks_err request_of_round(uint64_t round, uint16_t type, enum ks_fl_file file,
                                    const uint8_t name[32], const char *device, int *out_fd,
                                    uint64_t *out_length)
{
    struct ks_buf payload;
    enum ks_err err = KS_OK;

    ks_buf_init(&payload, 256);
    ks_buf_put_u8(&payload, (uint8_t)file);
    ks_buf_put(&payload, KS_BYTES(session));
    ks_buf_put_u64(&payload, round);
    ks_buf_put(&payload, ks_bytes_of(name, 32));
    ks_buf_put_lp16(&payload, ks_bytes_text(device));
    err = ks_fl_files_answer(files, type, ks_buf_view(&payload), out_fd, out_length);
    ks_buf_done(&payload);
    return err;
}

static enum ks_err request(uint16_t type, enum ks_fl_file file, const uint8_t name[32],
                           const char *device, int *out_fd, uint64_t *out_length)
{
    return request_of_round(1, type, file, name, device, out_fd, out_length);
}

static void test_what_the_enclave_opens(void **state)
{
    (void)state;
    const uint8_t zeros[32] = {0};
    uint64_t length = 0;
    int fd = -1;

    put_all("d1");
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d2", &fd, &length),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_PARENT, hash, "", &fd, &length),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d1", &fd, &length),
                     KS_OK);
    assert_int_equal(length, TOTAL);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY); /* a worker reads it, no more */
    ks_fd_close(&fd);

    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_MODEL, zeros, "", &fd, &length),
                     KS_OK);
    assert_int_equal(length, 0);
    assert_int_equal(write(fd, "new", 3), 3);
    ks_fd_close(&fd);
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_UPDATE, hash, "d1", &fd, &length),
                     KS_OK);
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_UPDATE, hash, "d2", &fd, &length),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_PARENT, zeros, "", &fd, &length),
                     KS_ERR_DENIED);
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_MODEL, zeros, "", &fd, &length),
                     KS_OK);
    assert_int_equal(fd, -1);
    assert_int_equal(ks_fl_files_model(files, zeros, &length), KS_OK);
    assert_int_equal(length, 3);
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_FIRST, zeros, "", &fd, &length),
                     KS_ERR_NOT_FOUND);
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILES, zeros, "", &fd, &length),
                     KS_ERR_FORMAT);
    assert_int_equal(request(KS_FRAME_RUN, KS_FL_FILE_FIRST, zeros, "", &fd, &length),
                     KS_ERR_DENIED);
}

static void expect_kept(uint64_t round, bool deleted, unsigned count)
{
    struct ks_buf out;
    struct ks_json_doc *doc = NULL;
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 32};
    uint64_t number = 0;

    ks_buf_init(&out, 4096);
    assert_int_equal(ks_fl_files_kept(files, session, round, &out), KS_OK);
    assert_int_equal(ks_json_parse_canonical(ks_buf_view(&out), &limits, &doc), KS_OK);
    assert_int_equal(ks_json_get_u64(ks_json_root(doc), "files", 100, &number), KS_OK);
    assert_int_equal(number, count);
    assert_int_equal(ks_json_get_u64(ks_json_root(doc), "bytes", DISK_MAX, &number), KS_OK);
    assert_int_equal(number, count * TOTAL);
    assert_int_equal(ks_json_type(ks_json_find(ks_json_root(doc), "deleted_at")),
                     deleted ? KS_JSON_STRING : KS_JSON_NULL);
    ks_json_doc_free(doc);
    ks_buf_done(&out);
}

/* Updates of the two rounds that ended last stay; a list stays for good. */
static void test_updates_of_ended_rounds(void **state)
{
    (void)state;
    static const uint8_t zeros[32] = {0};
    struct ks_buf out;
    uint64_t length = 0;
    int fd = -1;

    for (uint64_t round = 1; round <= 3; round++) {
        put_all("d1");
        put_all("d2");
        for (unsigned i = 1; i <= 2; i++) {
            assert_int_equal(request_of_round(round, KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash,
                                              i == 1 ? "d1" : "d2", &fd, &length),
                             KS_OK);
            ks_fd_close(&fd);
        }
        expect_kept(round, false, 2);
        assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_SECOND, zeros, "", &fd, &length),
                         KS_OK);
        ks_fd_close(&fd);
        assert_int_equal(
            ks_fl_files_list_put(files, session, round, round == 3, KS_LITERAL("{}")), KS_OK);
    }
    expect_kept(1, true, 0);
    expect_kept(2, false, 2);
    expect_kept(3, false, 2);
    expect_kept(4, false, 0);
    assert_int_equal(
        request_of_round(1, KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d1", &fd, &length),
        KS_ERR_NOT_FOUND);
    assert_non_null(strstr(ks_err_detail(), "were deleted"));
    assert_int_equal(
        request_of_round(2, KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d1", &fd, &length),
        KS_OK);
    ks_fd_close(&fd);
    ks_buf_init(&out, 16);
    assert_int_equal(ks_fl_files_list(files, session, 1, &out), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&out), "{}"));
    assert_int_equal(ks_fl_files_list(files, session, 4, &out), KS_ERR_NOT_FOUND);
    ks_buf_done(&out);
    /* The session is over: its checkpoints are gone, and can be synced no more. */
    assert_int_equal(request(KS_FRAME_FL_SYNC, KS_FL_FILE_SECOND, zeros, "", &fd, &length),
                     KS_ERR_NOT_FOUND);
}

/* Round ROUND leaves a state, synced under the name HASH. */
static void leave_state(uint64_t round)
{
    static const uint8_t zeros[32] = {0};
    uint64_t length = 0;
    int fd = -1;

    assert_int_equal(
        request_of_round(round, KS_FRAME_FL_OPEN, KS_FL_FILE_NEXT, zeros, "", &fd, &length),
        KS_OK);
    assert_int_equal(write(fd, "state", 5), 5);
    ks_fd_close(&fd);
    assert_int_equal(
        request_of_round(round, KS_FRAME_FL_SYNC, KS_FL_FILE_NEXT, hash, "", &fd, &length),
        KS_OK);
}

/* Whether round ROUND can begin with what the one before has left. */
static bool has_state(uint64_t round)
{
    uint64_t length = 0;
    int fd = -1;
    const enum ks_err err =
        request_of_round(round, KS_FRAME_FL_OPEN, KS_FL_FILE_STATE, hash, "", &fd, &length);

    assert_true(err == KS_OK || err == KS_ERR_NOT_FOUND);
    assert_true(err != KS_OK || length == 5);
    ks_fd_close(&fd);
    return err == KS_OK;
}

static void replace_update(uint8_t number, enum ks_err wanted)
{
    struct ks_fl_upload upload = {
        .who = "d1", .length = TOTAL, .hash = {number}, .bytes = ks_bytes_of(bytes, PART)};
    bool complete = false;
    uint64_t length = 0;
    int fd = -1;

    for (upload.part = 0; wanted == KS_OK && upload.part < 3; upload.part++) {
        upload.bytes.len = upload.part == 2 ? 5 : PART;
        assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_OK);
    }
    assert_int_equal(
        request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, upload.hash, "d1", &fd, &length), wanted);
    ks_fd_close(&fd);
}

/* Whose updates are refused one after the other takes the room of one. */
static void test_one_update_of_a_device(void **state)
{
    (void)state;
    uint64_t length = 0;
    int fd = -1;

    put_all("d2");
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d2", &fd, &length),
                     KS_OK);
    ks_fd_close(&fd);
    for (uint8_t i = 1; i <= 20; i++) { /* more than the folder may hold */
        replace_update(i, KS_OK);
        expect_kept(1, false, 2);
        if (i % 5 == 0) { /* the lengths are added up anew */
            close_files();
            open_files();
        }
    }
    replace_update(19, KS_ERR_NOT_FOUND);
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d2", &fd, &length),
                     KS_OK);
    ks_fd_close(&fd);
    expect_kept(1, false, 2);
}

static unsigned count_files(void)
{
    char path[KS_PATH_MAX];
    unsigned count = 0;
    DIR *directory = NULL;

    assert_int_equal(ks_path_join(folder, KS_FL_FILES_DIRECTORY, path), KS_OK);
    directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* Of the file WHAT-SESSION-ROUNDend. */
static void path_of(const char *what, uint64_t round, const char *end, char target[KS_PATH_MAX])
{
    char name[128];
    char hex[33];
    char directory[KS_PATH_MAX];

    ks_hex_encode(KS_BYTES(session), hex);
    (void)snprintf(name, sizeof name, "%s-%s-%llu%s", what, hex, (unsigned long long)round,
                   end);
    assert_int_equal(ks_path_join(folder, KS_FL_FILES_DIRECTORY, directory), KS_OK);
    assert_int_equal(ks_path_join(directory, name, target), KS_OK);
}

static void leave_file(const char *what, uint64_t round, const char *text)
{
    char path[KS_PATH_MAX];
    int fd = -1;

    path_of(what, round, ".json", path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    ks_fd_close(&fd);
}

/* Whoever asks for what is not there leaves nothing, and what an earlier version left so is
 * believed by nobody: the open round takes updates, and keeps them. */
static void test_asking_changes_nothing(void **state)
{
    (void)state;
    const unsigned before = count_files();
    struct ks_buf out;
    uint64_t length = 0;
    int fd = -1;

    expect_kept(1, false, 0);
    ks_buf_init(&out, 16);
    assert_int_equal(ks_fl_files_list(files, session, 1, &out), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_fl_files_list(files, session, 1000000, &out), KS_ERR_NOT_FOUND);
    assert_int_equal(count_files(), before);

    leave_file("gone", 1, ""); /* as earlier versions did */
    leave_file("list", 1000000, "");
    expect_kept(1, false, 0);
    assert_int_equal(ks_fl_files_list(files, session, 1000000, &out), KS_ERR_NOT_FOUND);
    ks_buf_done(&out);
    put_all("d1");
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d1", &fd, &length),
                     KS_OK);
    ks_fd_close(&fd);
    leave_state(1);
    assert_int_equal(ks_fl_files_list_put(files, session, 1, false, KS_LITERAL("{}")), KS_OK);
    expect_kept(1, false, 1);
    assert_true(has_state(2));
    assert_int_equal(count_files(), before + 3); /* update, state, list */
}

/* ROUND has the updates of two devices, and ends. */
static void run_round(uint64_t round)
{
    uint64_t length = 0;
    int fd = -1;

    put_all("d1");
    put_all("d2");
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(request_of_round(round, KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash,
                                          i == 1 ? "d1" : "d2", &fd, &length),
                         KS_OK);
        ks_fd_close(&fd);
    }
    assert_int_equal(ks_fl_files_list_put(files, session, round, false, KS_LITERAL("{}")),
                     KS_OK);
}

/* Where the note of what goes cannot be written, one file goes, which a full disk has to have
 * room for it, and the rest stays until it can be; neither the other rounds nor uploads, nor a
 * start, wait for that. */
static void test_a_note_that_cannot_be_written(void **state)
{
    (void)state;
    char path[KS_PATH_MAX];

    path_of("gone", 1, ".json.new", path);
    assert_int_equal(mkdir(path, 0700), 0);
    for (uint64_t round = 1; round <= 3; round++) {
        run_round(round);
    }
    expect_kept(1, false, 1);
    close_files();
    open_files();
    expect_kept(1, false, 0);
    run_round(4);
    expect_kept(2, true, 0);
    expect_kept(3, false, 2);
    assert_int_equal(rmdir(path), 0);
}

/* A crash between the note and what it says leaves both: the note stays as it was. */
static void test_a_note_is_written_once(void **state)
{
    (void)state;
    static const char note[] =
        "{\"bytes\":7,\"deleted_at\":\"2026-01-02T03:04:05.000000Z\",\"files\":3}";
    char path[KS_PATH_MAX];
    struct ks_buf out;

    run_round(1);
    run_round(2);
    leave_file("gone", 1, note);
    run_round(3);
    expect_kept(1, true, 0);
    path_of("gone", 1, ".json", path);
    ks_buf_init(&out, 1024);
    assert_int_equal(ks_file_read(path, 1024, &out), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&out), note));
    ks_buf_done(&out);
}

/* What a round begins with stays while that round is open, or computed again; the newest stays.
 */
static void test_states(void **state)
{
    (void)state;
    static const uint8_t zeros[32] = {0};
    uint64_t length = 0;
    int fd = -1;

    assert_false(has_state(1));
    for (uint64_t round = 1; round <= 5; round++) {
        leave_state(round);
        assert_true(has_state(round + 1));
        assert_int_equal(
            ks_fl_files_list_put(files, session, round, round == 5, KS_LITERAL("{}")), KS_OK);
        assert_true(has_state(round + 1));
        for (uint64_t before = 2; before <= round;
             before++) { /* two rounds' updates are kept */
            assert_int_equal(has_state(before), round - before < 2);
        }
    }
    assert_int_equal(
        request_of_round(4, KS_FRAME_FL_OPEN, KS_FL_FILE_STATE, zeros, "", &fd, &length),
        KS_ERR_NOT_FOUND); /* another hash */
    assert_int_equal(
        request_of_round(4, KS_FRAME_FL_SYNC, KS_FL_FILE_STATE, hash, "", &fd, &length),
        KS_ERR_DENIED);
}

/* Eight uploads fill the folder, whoever sends them, also after a restart. */
static void test_quota(void **state)
{
    (void)state;
    char who[] = "d0";
    bool complete = false;

    for (unsigned i = 0; i < 8; i++) {
        who[1] = (char)('0' + i);
        put_all(who);
        if (i == 5) {
            close_files();
            open_files();
        }
    }
    assert_int_equal(put("d8", 0, &complete), KS_ERR_UNAVAILABLE);
    assert_non_null(strstr(ks_err_detail(), "no room"));
    assert_int_equal(put("d7", 0, &complete), KS_OK); /* it is there */
}

static void age(const char *name)
{
    const time_t past = (time_t)(ks_clock_us() / 1000000 - UNUSED_US / 1000000 - 60);
    const struct timespec times[2] = {{.tv_sec = past}, {.tv_sec = past}};
    char directory[KS_PATH_MAX];
    char path[KS_PATH_MAX];

    assert_int_equal(ks_path_join(folder, KS_FL_FILES_DIRECTORY, directory), KS_OK);
    assert_int_equal(ks_path_join(directory, name, path), KS_OK);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void upload_of(const char *who, char target[KS_PATH_MAX])
{
    uint8_t owner[32];
    char owner_hex[17];
    char hex[65];

    ks_sha256(ks_bytes_text(who), owner);
    ks_hex_encode(ks_bytes_of(owner, 8), owner_hex);
    ks_hex_encode(KS_BYTES(hash), hex);
    (void)snprintf(target, KS_PATH_MAX, "up-%s-%s.blob", owner_hex, hex);
}

/* An upload that no job names goes; one that the enclave has asked for is its round's. */
static void test_uploads_expire(void **state)
{
    (void)state;
    char name[KS_PATH_MAX];
    struct ks_buf out;
    uint64_t length = 0;
    int fd = -1;

    for (unsigned i = 0; i < 3; i++) {
        put_all(i == 0 ? "d1" : i == 1 ? "d2" : "d3");
    }
    upload_of("d1", name);
    age(name);
    upload_of("d2", name);
    age(name);
    assert_int_equal(request(KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE, hash, "d2", &fd, &length),
                     KS_OK);
    ks_fd_close(&fd);
    close_files();
    open_files();
    ks_buf_init(&out, 4096);
    assert_int_equal(ks_fl_files_parts(files, "d1", hash, &out), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_fl_files_parts(files, "d3", hash, &out), KS_OK);
    ks_buf_done(&out);
    expect_kept(1, false, 1);
}

/* By way of the thread and its channel. */
static void test_the_thread_answers(void **state)
{
    (void)state;
    struct ks_channel channel;
    struct ks_frame frame;
    const uint8_t zeros[16 + 8 + 32 + 2] = {0};
    size_t begin = 0;
    int fd = -1;

    assert_int_equal(ks_fl_files_start(files), KS_OK);
    ks_channel_init(&channel, enclave, "files");
    enclave = -1;
    begin = ks_frame_begin(&channel.out, KS_FRAME_FL_OPEN, 5);
    ks_buf_put_u8(&channel.out, KS_FL_FILE_SECOND);
    ks_buf_put(&channel.out, KS_BYTES(zeros));
    ks_frame_end(&channel.out, begin);
    assert_int_equal(ks_channel_flush(&channel), KS_OK);
    assert_int_equal(ks_channel_fill(&channel, &fd), KS_OK);
    assert_true(fd >= 0);
    assert_int_equal(ks_channel_receive(&channel, &frame), KS_OK);
    assert_int_equal(frame.type, KS_FRAME_FL_OPEN | KS_FRAME_ANSWER);
    assert_int_equal(frame.id, 5);
    assert_int_equal(frame.payload.len, 10);
    ks_fd_close(&fd);
    ks_channel_done(&channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts_come_in_any_order, make, unmake),
        cmocka_unit_test_setup_teardown(test_limits, make, unmake),
        cmocka_unit_test_setup_teardown(test_the_largest_model, make, unmake),
        cmocka_unit_test_setup_teardown(test_stalled, make, unmake),
        cmocka_unit_test_setup_teardown(test_unused, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_was_under_way_is_gone_after_a_restart, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(test_models, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_the_enclave_opens, make, unmake),
        cmocka_unit_test_setup_teardown(test_updates_of_ended_rounds, make, unmake),
        cmocka_unit_test_setup_teardown(test_one_update_of_a_device, make, unmake),
        cmocka_unit_test_setup_teardown(test_asking_changes_nothing, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_note_that_cannot_be_written, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_note_is_written_once, make, unmake),
        cmocka_unit_test_setup_teardown(test_states, make, unmake),
        cmocka_unit_test_setup_teardown(test_quota, make, unmake),
        cmocka_unit_test_setup_teardown(test_uploads_expire, make, unmake),
        cmocka_unit_test_setup_teardown(test_the_thread_answers, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
