/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The files of federated learning that another program wrote by the format pages
 * (tests/vectors/fl): those in accept/ are read and written again as the same bytes, those in
 * reject/ are refused for what is wrong with them, and not for their hash. */
#include "unit/expect.h"

#include <dirent.h>

#include "base/sys.h"
#include "fl/buffered.h"
#include "fl/round.h"
#include "fl/rules.h"
#include "fl/state.h"

#define OK(call)  assert_int_equal((call), KS_OK)
#define BYTES_MAX 65536

typedef enum ks_err (*read_and_write)(struct ks_bytes bytes, struct ks_buf *out);

static enum ks_err accumulator(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_accumulator *read = NULL;
    const enum ks_err err = ks_fl_accumulator_read(bytes, 16, &read);

    if (err == KS_OK) {
        ks_fl_accumulator_write(read, out);
    }
    ks_fl_accumulator_free(read);
    return err;
}

static enum ks_err update(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_update read = {0};
    const enum ks_err err = ks_fl_update_read(bytes, &read);

    if (err == KS_OK) {
        ks_fl_update_write(&read, out);
    }
    return err;
}

static enum ks_err fl_round(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_round *read = NULL;
    const enum ks_err err = ks_fl_round_read(bytes, &read);

    if (err == KS_OK) {
        ks_fl_round_write(read, out);
    }
    ks_fl_round_free(read);
    return err;
}

static enum ks_err server(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_server *read = NULL;
    const enum ks_err err = ks_fl_server_read(bytes, &read);

    if (err == KS_OK) {
        ks_fl_server_write(read, out);
    }
    ks_fl_server_free(read);
    return err;
}

static enum ks_err state(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_state read = {0};
    const enum ks_err err = ks_fl_state_read(bytes, 2, &read);

    if (err == KS_OK) {
        ks_fl_state_write(&read, out);
    }
    ks_fl_state_done(&read);
    return err;
}

static enum ks_err buffer(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_fl_buffer *read = NULL;
    const enum ks_err err = ks_fl_buffer_read(bytes, &read);

    if (err == KS_OK) {
        ks_fl_buffer_write(read, out);
    }
    ks_fl_buffer_free(read);
    return err;
}

static const struct {
    const char *prefix;
    read_and_write call;
} formats[] = {
    {"accumulator-", accumulator}, {"update-", update}, {"round-", fl_round},
    {"server-", server},           {"state-", state},   {"buffer-", buffer},
};

static void expect_file(const char *folder, const char *name, bool accepted)
{
    struct ks_buf bytes;
    struct ks_buf again;
    char path[8192];
    read_and_write call = NULL;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strncmp(name, formats[i].prefix, strlen(formats[i].prefix)) == 0) {
            call = formats[i].call;
        }
    }
    assert_non_null(call);
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    ks_buf_init(&bytes, BYTES_MAX);
    ks_buf_init(&again, BYTES_MAX);
    OK(ks_file_read(path, BYTES_MAX, &bytes));
    err = call(ks_buf_view(&bytes), &again);
    if (accepted ? err != KS_OK : err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
        print_error("%s: %s\n", name, err == KS_OK ? "accepted" : ks_err_detail());
        fail();
    }
    if (accepted) {
        expect_bytes(ks_buf_view(&again), ks_buf_view(&bytes));
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

static size_t expect_folder(const char *name, bool accepted)
{
    char folder[4096];
    DIR *files = NULL;
    size_t count = 0;

    (void)snprintf(folder, sizeof folder, "%s", source_path(name));
    files = opendir(folder);
    assert_non_null(files);
    for (const struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) {
        if (entry->d_name[0] != '.') {
            expect_file(folder, entry->d_name, accepted);
            count++;
        }
    }
    (void)closedir(files);
    return count;
}

static void files_that_are_right_are_read(void **state)
{
    (void)state;
    assert_int_equal(expect_folder("tests/vectors/fl/accept", true), 31);
}

static void files_that_are_wrong_are_refused(void **state)
{
    (void)state;
    assert_int_equal(expect_folder("tests/vectors/fl/reject", false), 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_right_are_read),
        cmocka_unit_test(files_that_are_wrong_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
