/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What needs no TPM: sealed copies of programs, and the libraries that they would map. The
 * program is this test itself, which is a dynamic one. */
#include "unit/expect.h"

#include <errno.h>
#include <ftw.h>
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

/* --- environments ------------------------------------------------------------------------- */

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[KS_PATH_MAX];

    assert_int_equal(ks_path_join(folder, name, path), KS_OK);
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0600), KS_OK);
}

static void put_folder(const char *folder, const char *name)
{
    char path[KS_PATH_MAX];

    assert_int_equal(ks_path_join(folder, name, path), KS_OK);
    assert_int_equal(ks_dir_make(path, 0700), KS_OK);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *folder)
{
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* As `python3 -m venv` lays one out, with a Python beside it. */
static void make_environment(const char *folder)
{
    static const char *const folders[] = {
        "home/bin", "home/lib/python3.11/site-packages",  "home/lib/python3.11/__pycache__",
        "env/bin",  "env/lib/python3.11/site-packages/a", "env/pycache"};
    char config[KS_PATH_MAX + 64];

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        put_folder(folder, folders[i]);
    }
    (void)snprintf(config, sizeof config, "home = %s/home/bin\nversion = 3.11.7\n", folder);
    put_file(folder, "env/pyvenv.cfg", config);
    put_file(folder, "env/bin/python3", "#!");
    put_file(folder, "home/lib/python3.11/os.py", "pass");
    put_file(folder, "home/lib/python3.11/site-packages/other.py", "not searched");
    put_file(folder, "home/lib/python3.11/__pycache__/os.pyc", "not used");
    put_file(folder, "env/lib/python3.11/site-packages/a/__init__.py", "");
    put_file(folder, "env/lib/python3.11/site-packages/a.py", "1");
    put_file(folder, "env/pycache/os.pyc", "2");
    {
        char path[KS_PATH_MAX];

        assert_int_equal(ks_path_join(folder, "env/lib/python3.11/site-packages/l", path),
                         KS_OK);
        assert_int_equal(symlink("a.py", path), 0);
    }
}

static void measure_folder(const char *folder, uint8_t digest[32])
{
    static const uint8_t script[32] = {7};
    struct ks_environment environment;
    char path[KS_PATH_MAX];

    assert_int_equal(ks_path_join(folder, "env", path), KS_OK);
    assert_int_equal(ks_environment_find(path, &environment), KS_OK);
    assert_int_equal(ks_measure_environment(&environment, script, digest), KS_OK);
}

static void put_entry(struct ks_buf *list, const char *path, char kind, const char *contents)
{
    uint8_t digest[32];

    ks_sha256(ks_bytes_text(contents), digest);
    ks_buf_put_text(list, path);
    ks_buf_put_u8(list, 0);
    ks_buf_put_u8(list, (uint8_t)kind);
    ks_buf_put(list, KS_BYTES(digest));
}

/* By hand, as docs/formats/adapter.md has it. */
static void test_hash_of_an_environment(void **state)
{
    (void)state;
    uint8_t digest[32];
    uint8_t wanted[32];
    uint8_t script[32] = {7};
    char *folder = NULL;
    struct ks_buf list;

    assert_int_equal(ks_dir_temporary("ketseal-test.", &folder), KS_OK);
    make_environment(folder);
    measure_folder(folder, digest);
    ks_buf_init(&list, 65536);
    ks_buf_put_text(&list, "ketseal/environment/1\nadapter/");
    ks_buf_put_u8(&list, 0);
    ks_buf_put_text(&list, "f");
    ks_buf_put(&list, KS_BYTES(script));
    put_entry(&list, "cache/os.pyc", 'f', "2");
    put_entry(&list, "library/os.py", 'f', "pass");
    put_entry(&list, "packages/a/__init__.py", 'f', "");
    put_entry(&list, "packages/a.py", 'f', "1");
    put_entry(&list, "packages/l", 'l', "a.py");
    put_entry(&list, "python/", 'f', "#!");
    ks_sha256(ks_buf_view(&list), wanted);
    expect_bytes(KS_BYTES(digest), KS_BYTES(wanted));
    /* What is not used does not matter; a byte of what is, does. */
    put_file(folder, "home/lib/python3.11/site-packages/other.py", "changed");
    put_file(folder, "home/lib/python3.11/__pycache__/more.pyc", "more");
    measure_folder(folder, digest);
    expect_bytes(KS_BYTES(digest), KS_BYTES(wanted));
    put_file(folder, "env/pycache/os.pyc", "3");
    measure_folder(folder, digest);
    assert_memory_not_equal(digest, wanted, sizeof digest);
    ks_buf_done(&list);
    remove_tree(folder);
    ks_free(folder);
}

static void test_no_environment(void **state)
{
    static const struct {
        const char *config;
        enum ks_err err;
        const char *reason;
    } bad[] = {
        {"version = 3.11.7\n", KS_ERR_FORMAT, "no 'home'"},
        {"home = /nowhere/bin\n", KS_ERR_FORMAT, "no 'version'"},
        {"home = /nowhere/bin\nversion = 3\n", KS_ERR_FORMAT, "version '3'"},
        {"home = /nowhere/bin\nversion = 3.\n", KS_ERR_FORMAT, "version '3.'"},
        {"home = /nowhere/bin\nversion = ../..\n", KS_ERR_FORMAT, "version '../..'"},
        {"home = /nowhere/bin\nversion = 3.x\n", KS_ERR_FORMAT, "version '3.x'"},
        {"home =\nversion = 3.11\n", KS_ERR_FORMAT, "'home' is no short text"},
        {"home = /nowhere/bin\nversion = 3.11.7\n", KS_ERR_NOT_FOUND, "/nowhere/bin"},
    };
    struct ks_environment environment;
    char *folder = NULL;
    char path[KS_PATH_MAX];

    (void)state;
    assert_int_equal(ks_dir_temporary("ketseal-test.", &folder), KS_OK);
    make_environment(folder);
    assert_int_equal(ks_path_join(folder, "env", path), KS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_file(folder, "env/pyvenv.cfg", bad[i].config);
        expect_failure(ks_environment_find(path, &environment), bad[i].err, bad[i].reason);
    }
    expect_failure(ks_environment_find("/nowhere", &environment), KS_ERR_NOT_FOUND, "/nowhere");
    remove_tree(folder);
    ks_free(folder);
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
        cmocka_unit_test(test_hash_of_an_environment),
        cmocka_unit_test(test_no_environment),
    };
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    return len <= 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
