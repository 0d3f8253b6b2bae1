/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What needs no TPM: sealed copies of programs, and the libraries that they would map. The
 * program is this test itself, which is a dynamic one. */
#include "unit/expect.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "crypto/digest.h"
#include "enclave/measure.h"

#define LIBC "libc.so.6"

static char self[4096];

static void digest_file(const char *path, uint8_t digest[32])
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_PROGRAM_MAX);
    assert_int_equal(ks_file_read(path, KS_PROGRAM_MAX, &bytes), KS_OK);
    ks_sha256(ks_buf_view(&bytes), digest);
    ks_buf_done(&bytes);
}

static void test_the_copy_is_the_program(void **state)
{
    (void)state;
    uint8_t digest[32];
    uint8_t wanted[32];
    char path[64];
    int fd = -1;

    assert_int_equal(ks_measure_program(self, &fd, digest), KS_OK);
    digest_file(self, wanted);
    expect_bytes(KS_BYTES(digest), KS_BYTES(wanted));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    digest_file(path, wanted);
    expect_bytes(KS_BYTES(digest), KS_BYTES(wanted));
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(close(fd), 0);
}

static void test_the_copy_cannot_be_written(void **state)
{
    (void)state;
    uint8_t digest[32];
    char path[64];
    int fd = -1;

    assert_int_equal(ks_measure_program(self, &fd, digest), KS_OK);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(lseek(fd, 0, SEEK_END) > 0, 1);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_GET_SEALS),
                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    /* Nor opened anew, even by root, who may open it. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int again = open(path, O_RDWR | O_CLOEXEC);
    if (again >= 0) {
        assert_int_equal(pwrite(again, "x", 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(close(again), 0);
    }
    assert_int_equal(close(fd), 0);
}

static void test_programs_that_are_none(void **state)
{
    (void)state;
    uint8_t digest[32];
    char path[] = "/tmp/test_measure.XXXXXX";
    const int empty = mkstemp(path);
    int fd = -1;

    assert_true(empty >= 0);
    expect_failure(ks_measure_program(path, &fd, digest), KS_ERR_IO, "cannot be read back");
    assert_int_equal(unlink(path), 0);
    expect_failure(ks_measure_program(path, &fd, digest), KS_ERR_NOT_FOUND, path);
    expect_failure(ks_measure_program("/tmp", &fd, digest), KS_ERR_IO, "/tmp");
    assert_int_equal(fd, -1);
    assert_int_equal(close(empty), 0);
}

/* Where this process has LIBC mapped from. */
static void find_libc(char *target, size_t size)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4096];

    assert_non_null(maps);
    target[0] = '\0';
    while (fgets(line, sizeof line, maps) != NULL) {
        char *path = strchr(line, '/');

        if (path != NULL && strstr(path, "/" LIBC) != NULL) {
            path[strcspn(path, "\n")] = '\0';
            (void)snprintf(target, size, "%s", path);
        }
    }
    (void)fclose(maps);
    assert_true(target[0] != '\0');
}

static void test_libraries(void **state)
{
    (void)state;
    static struct ks_event_log log;
    uint8_t digest[32];
    uint8_t wanted[32];
    char path[4096];
    int fd = -1;

    find_libc(path, sizeof path);
    digest_file(path, wanted);
    assert_int_equal(ks_measure_program(self, &fd, digest), KS_OK);
    ks_event_log_init(&log, KS_LAUNCH_PCR, NULL);
    assert_int_equal(ks_measure_libraries(fd, &log), KS_OK);
    const uint8_t *found = ks_event_log_find(&log, LIBC);
    assert_non_null(found);
    expect_bytes(ks_bytes_of(found, 32), KS_BYTES(wanted));
    assert_non_null(ks_event_log_find(&log, "libcmocka.so.0"));
    /* The linker itself runs first of all. */
    bool linker = false;
    for (size_t i = 0; i < log.count; i++) {
        linker = linker || strncmp(log.events[i].name, "ld-", 3) == 0;
        assert_null(strstr(log.events[i].name, "vdso"));
    }
    assert_true(linker);
    assert_int_equal(close(fd), 0);
}

/* This program, but it asks for libcmockq.so.0. */
static void test_a_library_is_missing(void **state)
{
    (void)state;
    static const char name[] = "libcmocka.so.0";
    static struct ks_event_log log;
    struct ks_buf bytes;
    uint8_t digest[32];
    char path[] = "/tmp/test_measure.XXXXXX";
    const int file = mkstemp(path);
    unsigned count = 0;
    int fd = -1;

    assert_true(file >= 0);
    ks_buf_init(&bytes, KS_PROGRAM_MAX);
    assert_int_equal(ks_file_read(self, KS_PROGRAM_MAX, &bytes), KS_OK);
    for (size_t i = 0; i + sizeof name <= bytes.len; i++) {
        if (ks_bytes_equal(ks_bytes_of(bytes.data + i, sizeof name), KS_BYTES(name))) {
            bytes.data[i + 8] = 'q';
            count++;
        }
    }
    assert_true(count > 0);
    assert_int_equal(ks_fd_write(file, ks_buf_view(&bytes), path), KS_OK);
    assert_int_equal(ks_measure_program(path, &fd, digest), KS_OK);
    ks_event_log_init(&log, KS_LAUNCH_PCR, NULL);
    expect_failure(ks_measure_libraries(fd, &log), KS_ERR_IO, "library");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(unlink(path), 0);
    ks_buf_done(&bytes);
}

static void test_what_is_no_program(void **state)
{
    (void)state;
    static struct ks_event_log log;
    uint8_t digest[32];
    int fd = -1;

    assert_int_equal(ks_measure_program(source_path("meson.build"), &fd, digest), KS_OK);
    ks_event_log_init(&log, KS_LAUNCH_PCR, NULL);
    expect_failure(ks_measure_libraries(fd, &log), KS_ERR_IO,
                   "the dynamic linker cannot load the enclave");
    assert_int_equal(log.count, 0);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_copy_is_the_program),
        cmocka_unit_test(test_the_copy_cannot_be_written),
        cmocka_unit_test(test_programs_that_are_none),
        cmocka_unit_test(test_libraries),
        cmocka_unit_test(test_a_library_is_missing),
        cmocka_unit_test(test_what_is_no_program),
    };
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    return len <= 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
