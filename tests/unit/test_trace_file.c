/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device's file of traces: what is appended by several at once can be read, what a crash cut
 * is cut off, a full file and one of other columns make way. */
#include "unit/expect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "client/trace_file.h"

#define OK(call) assert_int_equal((call), KS_OK)

struct place {
    char *directory;
    char path[KS_PATH_MAX];
    char old[KS_PATH_MAX];
};

static int setup(void **state)
{
    struct place *place = ks_calloc(1, sizeof *place);

    assert_non_null(place);
    OK(ks_dir_temporary("ketseal-traces-", &place->directory));
    OK(ks_path_join(place->directory, KS_TRACE_FILE, place->path));
    OK(ks_path_join(place->directory, KS_TRACE_FILE_OLD, place->old));
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    OK(ks_dir_remove(place->directory));
    ks_free(place->directory);
    ks_free(place);
    return 0;
}

static struct ks_trace trace_of(uint64_t number)
{
    struct ks_trace trace;

    ks_trace_init(&trace);
    (void)snprintf(trace.device, sizeof trace.device, "edge-1");
    trace.started_us = 1000000 + number;
    ks_trace_set_u64(&trace, KS_TRACE_ROUND_TRIP_US, number);
    return trace;
}

static void append(const struct place *place, uint64_t number)
{
    const struct ks_trace trace = trace_of(number);

    OK(ks_trace_file_append(place->directory, &trace));
}

/* The rows of the file at PATH; the numbers in those that NUMBERS has room for. */
static size_t read_rows(const char *path, double *numbers, size_t room)
{
    struct ks_buf text;
    struct ks_table *table = NULL;
    struct ks_trace_layout layout;
    size_t count = 0;

    ks_buf_init(&text, KS_TABLE_BYTES_MAX);
    OK(ks_file_read(path, KS_TABLE_BYTES_MAX, &text));
    OK(ks_table_read(ks_buf_view(&text), "traces.csv", &table));
    OK(ks_trace_layout(table, &layout));
    count = ks_table_rows(table);
    for (size_t i = 0; i < count; i++) {
        struct ks_trace trace;

        OK(ks_trace_read(table, &layout, i, &trace, NULL));
        if (i < room) {
            numbers[i] = trace.values[KS_TRACE_ROUND_TRIP_US];
        }
    }
    ks_table_free(table);
    ks_buf_done(&text);
    return count;
}

static off_t size_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void test_append(void **state)
{
    const struct place *place = *state;
    double numbers[3] = {0};
    struct stat status;

    for (uint64_t i = 1; i <= 3; i++) {
        append(place, i);
    }
    assert_int_equal(read_rows(place->path, numbers, 3), 3);
    assert_true(numbers[0] == 1 && numbers[2] == 3);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* Cut anywhere, the file is whole again with the next row, and has lost what was cut alone. */
static void test_torn(void **state)
{
    const struct place *place = *state;
    double numbers[3] = {0};
    off_t size = 0;
    off_t header = 0;

    append(place, 1);
    size = size_of(place->path);
    append(place, 2);
    for (off_t cut = size_of(place->path) - 1; cut > size; cut--) {
        assert_int_equal(truncate(place->path, cut), 0);
        append(place, 3);
        assert_int_equal(read_rows(place->path, numbers, 3), 2);
        assert_true(numbers[0] == 1 && numbers[1] == 3);
        cut = size_of(place->path) < cut ? size_of(place->path) : cut;
        assert_int_equal(truncate(place->path, size), 0);
        append(place, 2);
    }
    /* Inside the line of names there is nothing to keep. */
    assert_int_equal(truncate(place->path, 10), 0);
    append(place, 4);
    assert_int_equal(read_rows(place->path, numbers, 3), 1);
    assert_true(numbers[0] == 4);
    header = size_of(place->path);
    assert_int_equal(truncate(place->path, 0), 0);
    append(place, 4);
    assert_int_equal(size_of(place->path), header);
    assert_int_not_equal(access(place->old, F_OK), 0);
}

static void test_full(void **state)
{
    const struct place *place = *state;
    double number = 0;
    struct ks_buf rows;
    struct ks_trace trace = trace_of(7);

    append(place, 7);
    ks_buf_init(&rows, 2 * KS_TRACE_FILE_BYTES);
    ks_trace_put_csv_header(false, &rows);
    while (rows.len < KS_TRACE_FILE_BYTES) {
        ks_trace_put_csv_row(&trace, NULL, &rows);
    }
    OK(ks_buf_check(&rows));
    OK(ks_file_write(place->path, ks_buf_view(&rows), 0600));
    append(place, 8);
    assert_int_equal(read_rows(place->path, &number, 1), 1);
    assert_true(number == 8);
    assert_int_equal(size_of(place->old), (off_t)rows.len);
    ks_buf_done(&rows);
}

static void test_other_columns(void **state)
{
    const struct place *place = *state;
    const struct ks_bytes other = KS_LITERAL("job,device,side,started_at,error\n"
                                             ",edge-1,device,2026-01-01T00:00:00.000001Z,5\n");
    double number = 0;

    OK(ks_file_write(place->path, other, 0600));
    append(place, 9);
    assert_int_equal(read_rows(place->path, &number, 1), 1);
    assert_true(number == 9);
    assert_int_equal(read_rows(place->old, &number, 1), 1);
}

#define WRITERS 8
#define EACH    50

static void test_at_once(void **state)
{
    const struct place *place = *state;
    static double numbers[WRITERS * EACH];
    bool seen[WRITERS * EACH] = {false};
    size_t count = 0;

    for (unsigned i = 0; i < WRITERS; i++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            for (unsigned k = 0; k < EACH; k++) {
                const struct ks_trace trace = trace_of(i * EACH + k);

                /* Others may hold it for long on a busy machine: then once more. */
                while (ks_trace_file_append(place->directory, &trace) != KS_OK) {
                }
            }
            _exit(0);
        }
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        int status = 1;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    count = read_rows(place->path, numbers, WRITERS * EACH);
    assert_int_equal(count, WRITERS * EACH);
    for (size_t i = 0; i < count; i++) {
        assert_false(seen[(size_t)numbers[i]]);
        seen[(size_t)numbers[i]] = true;
    }
}

static void test_refused(void **state)
{
    const struct place *place = *state;
    const struct ks_trace trace = trace_of(1);
    int fd = -1;

    append(place, 1);
    fd = open(place->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    expect_failure(ks_trace_file_append(place->directory, &trace), KS_ERR_UNAVAILABLE,
                   "others hold it");
    ks_fd_close(&fd);
    append(place, 2);
    expect_failure(ks_trace_file_append("/nowhere", &trace), KS_ERR_IO, "/nowhere/traces.csv");
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(symlink(place->old, place->path), 0);
    expect_failure(ks_trace_file_append(place->directory, &trace), KS_ERR_IO, "traces.csv");
    assert_int_not_equal(access(place->old, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
