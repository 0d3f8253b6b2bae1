/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How a client sends a file in parts to a site that forgets some of them, as one does that is
 * started again meanwhile. The site is its files alone, without what carries bytes to them. */
#include "unit/expect.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/fl.h"
#include "client/inside.h"
#include "crypto/digest.h"
#include "server/fl_files.h"

#define TOTAL (5 * (size_t)KS_FL_PART_LEN + 7)

static char *folder;
static uint8_t *bytes; /* TOTAL */
static struct ks_fl_files *files;
static int enclave;
static unsigned sent;    /* so far */
static unsigned restart; /* ahead of each put whose number is a multiple of it; 0: never */
static unsigned last;    /* no restart ahead of later ones; 0: it never ends */

static void open_files(void)
{
    const struct ks_fl_files_limits limits = {.length_max = TOTAL,
                                              .in_flight_max = TOTAL,
                                              .disk_max = 4 * TOTAL,
                                              .unused_us = UINT64_MAX,
                                              .stalled_us = UINT64_MAX};
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
        bytes[i] = (uint8_t)(i * 11 + i / 253);
    }
    assert_int_equal(ks_dir_temporary("fl-upload", &folder), KS_OK);
    open_files();
    sent = 0;
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

/* --- between client and site -------------------------------------------------------------- */

struct ks_session *__wrap_ks_operator_session(struct ks_operator *op);
enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);

struct ks_session *__wrap_ks_operator_session(struct ks_operator *op)
{
    (void)op;
    return NULL;
}

static enum ks_err put(const struct ks_session_call *call, struct ks_fl_upload *upload,
                       const char *rest, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    unsigned long long part = 0;
    unsigned long long length = 0;
    bool complete = false;

    assert_int_equal(sscanf(rest, "/%llu?length=%llu", &part, &length), 2);
    sent++;
    if (restart > 0 && sent % restart == 0 && (last == 0 || sent <= last)) {
        close_files();
        open_files();
    }
    upload->part = part;
    upload->length = length;
    upload->bytes = call->body;
    KS_TRY(ks_fl_files_put(files, upload, &complete));
    ks_buf_put(out, complete ? KS_LITERAL("{\"complete\":true}")
                             : KS_LITERAL("{\"complete\":false}"));
out:
    return err;
}

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    static const char uploads[] = "/v1/fl/uploads/";
    static const char models[] = "/v1/fl/models/";
    struct ks_fl_upload upload = {.who = "op-1"};
    const char *hex = call->target + sizeof uploads - 1;

    assert_null(session);
    if (strcmp(call->method, "POST") == 0) {
        hex = call->target + sizeof models - 1;
        assert_int_equal(ks_hex_decode(ks_bytes_of(hex, 64), upload.hash, 32), KS_OK);
        return ks_fl_files_publish(files, upload.who, upload.hash);
    }
    assert_memory_equal(call->target, uploads, sizeof uploads - 1);
    assert_int_equal(ks_hex_decode(ks_bytes_of(hex, 64), upload.hash, 32), KS_OK);
    return strcmp(call->method, "PUT") == 0
               ? put(call, &upload, hex + 64, out)
               : ks_fl_files_parts(files, upload.who, upload.hash, out);
}

/* --- tests -------------------------------------------------------------------------------- */

static enum ks_err publish(void)
{
    enum ks_err err = KS_OK;
    uint8_t hash[32];
    uint8_t digest[32];
    struct ks_buf model;

    ks_buf_init(&model, TOTAL);
    KS_TRY(ks_operator_fl_publish(NULL, ks_bytes_of(bytes, TOTAL), hash));
    for (uint64_t part = 0; part < 6; part++) {
        KS_TRY(ks_fl_files_model_part(files, hash, part, &model));
    }
    ks_sha256(ks_buf_view(&model), digest);
    assert_memory_equal(digest, hash, sizeof hash);
out:
    ks_buf_done(&model);
    return err;
}

/* What a site has forgotten when it was started again is sent once more, and nothing else. */
static void test_a_restart(void **state)
{
    (void)state;

    for (restart = 2; restart <= 6; restart++) {
        (void)unmake(NULL);
        (void)make(NULL);
        last = restart;
        assert_int_equal(publish(), KS_OK);
        assert_int_equal(sent, 6 + restart - 1);
    }
    restart = 0;
}

/* What is there already is not sent again but for its first part, which says so. */
static void test_sent_before(void **state)
{
    (void)state;
    uint8_t hash[32];
    struct ks_fl_upload upload = {.who = "op-1", .length = TOTAL};
    bool complete = false;

    ks_sha256(ks_bytes_of(bytes, TOTAL), hash);
    ks_copy(upload.hash, hash, sizeof hash);
    for (upload.part = 0; upload.part < 6; upload.part++) {
        upload.bytes = ks_bytes_of(bytes + upload.part * KS_FL_PART_LEN,
                                   upload.part < 5 ? KS_FL_PART_LEN : 7);
        assert_int_equal(ks_fl_files_put(files, &upload, &complete), KS_OK);
    }
    assert_true(complete);
    assert_int_equal(publish(), KS_OK);
    assert_int_equal(sent, 1);
}

/* A site that forgets again and again is given up. */
static void test_a_site_that_forgets(void **state)
{
    (void)state;

    restart = 5;
    last = 0;
    assert_int_equal(publish(), KS_ERR_UNAVAILABLE);
    assert_non_null(strstr(ks_err_detail(), "does not keep"));
    restart = 0;
    assert_int_equal(ks_operator_fl_publish(NULL, (struct ks_bytes){0}, bytes), KS_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_restart, make, unmake),
        cmocka_unit_test_setup_teardown(test_sent_before, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_site_that_forgets, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
