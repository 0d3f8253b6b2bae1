/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/sys.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ketseal-sys-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/* No temporary file may be left behind, whatever happened. */
static unsigned hidden_files(void)
{
    char command[160];
    FILE *pipe = NULL;
    unsigned count = 99;

    (void)snprintf(command, sizeof command, "ls -A '%s' | grep -c '^[.]'", folder);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    (void)pclose(pipe);
    return count;
}

static void expect_file(const char *path, const char *contents, mode_t mode)
{
    struct ks_buf buf;
    struct stat info;

    ks_buf_init(&buf, 100);
    assert_int_equal(ks_file_read(path, 100, &buf), KS_OK);
    expect_text(ks_buf_view(&buf), contents);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, mode);
    ks_buf_done(&buf);
}

static void test_file_write(void **state)
{
    const char *path = in_folder("out");
    const mode_t before = umask(0777); /* the mode is exact, whatever the umask */

    (void)state;
    assert_int_equal(ks_file_write(path, KS_LITERAL("one"), 0644), KS_OK);
    expect_file(path, "one", 0644);
    assert_int_equal(ks_file_write(path, KS_LITERAL("two"), 0600), KS_OK);
    expect_file(path, "two", 0600);
    expect_failure(ks_file_create(path, KS_LITERAL("three"), 0600), KS_ERR_CONFLICT,
                   "exists already");
    expect_file(path, "two", 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ks_file_create(path, KS_LITERAL("three"), 0400), KS_OK);
    expect_file(path, "three", 0400);
    (void)umask(before);

    expect_failure(ks_file_write(in_folder("absent/out"), KS_LITERAL("x"), 0600),
                   KS_ERR_NOT_FOUND, "absent/out");
    expect_failure(ks_file_write(folder, KS_LITERAL("x"), 0600), KS_ERR_IO, "is a folder");
    expect_failure(ks_file_create(in_folder("out/"), KS_LITERAL("x"), 0600), KS_ERR_IO,
                   "names no file");
    assert_int_equal(hidden_files(), 0);
}

/* Devices are written to, not replaced; a symbolic link keeps pointing. */
static void test_file_write_special(void **state)
{
    char target[256];
    struct stat info;

    (void)state;
    assert_int_equal(ks_file_write("/dev/null", KS_LITERAL("x"), 0600), KS_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    (void)snprintf(target, sizeof target, "%s", in_folder("target"));
    assert_int_equal(ks_file_write(target, KS_LITERAL("x"), 0600), KS_OK);
    assert_int_equal(symlink("target", in_folder("link")), 0);
    assert_int_equal(ks_file_write(in_folder("link"), KS_LITERAL("new"), 0600), KS_OK);
    expect_file(target, "new", 0600);
    assert_int_equal(lstat(in_folder("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(ks_file_create(in_folder("link"), KS_LITERAL("y"), 0600), KS_ERR_CONFLICT);
    assert_int_equal(hidden_files(), 0);
}

/* A full disk: the old contents stay, and nothing else. */
static void test_file_write_fails(void **state)
{
    static const uint8_t block[65536];
    struct rlimit old;
    const struct rlimit tight = {1000, RLIM_INFINITY};

    (void)state;
    assert_int_equal(ks_file_write(in_folder("old"), KS_LITERAL("old"), 0600), KS_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    expect_failure(ks_file_write(in_folder("old"), KS_BYTES(block), 0600), KS_ERR_IO,
                   "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_file(in_folder("old"), "old", 0600);
    assert_int_equal(hidden_files(), 0);
}

static void test_file_read(void **state)
{
    struct ks_buf buf;

    (void)state;
    assert_int_equal(ks_file_write(in_folder("in"), KS_LITERAL("12345"), 0600), KS_OK);
    ks_buf_init(&buf, 100);
    ks_buf_put_text(&buf, "kept ");
    expect_failure(ks_file_read(in_folder("in"), 4, &buf), KS_ERR_LIMIT, "more than 4 bytes");
    expect_failure(ks_file_read(in_folder("absent"), 4, &buf), KS_ERR_NOT_FOUND, "absent");
    expect_failure(ks_file_read(folder, 4, &buf), KS_ERR_IO, "directory");
    expect_text(ks_buf_view(&buf), "kept ");
    assert_int_equal(ks_file_read(in_folder("in"), 5, &buf), KS_OK);
    expect_text(ks_buf_view(&buf), "kept 12345");
    ks_buf_done(&buf);
    ks_buf_init(&buf, 4);
    assert_int_equal(ks_file_read(in_folder("in"), 5, &buf), KS_ERR_LIMIT);
    ks_buf_done(&buf);
    ks_buf_init(&buf, 5);
    assert_int_equal(ks_file_read(in_folder("in"), 1000, &buf), KS_OK);
    ks_buf_done(&buf);
    ks_buf_init(&buf, 300000);
    assert_int_equal(ks_file_read("/proc/self/smaps", 300000, &buf),
                     KS_OK); /* its size is unknown */
    assert_true(buf.len > 1000);
    ks_buf_done(&buf);
}

static void test_fd(void **state)
{
    int ends[2];
    char bytes[8];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(ks_fd_write(ends[1], KS_LITERAL("12345678abc"), "pipe"), KS_OK);
    ks_fd_close(&ends[1]);
    assert_int_equal(ends[1], -1);
    ks_fd_close(&ends[1]);
    assert_int_equal(ks_fd_read(ends[0], bytes, 8, "pipe"), KS_OK);
    assert_memory_equal(bytes, "12345678", 8);
    expect_failure(ks_fd_read(ends[0], bytes, 8, "pipe"), KS_ERR_IO,
                   "'pipe' ended after 3 of 8 bytes");
    expect_failure(ks_fd_read(ends[0], bytes, 8, "pipe"), KS_ERR_NOT_FOUND, "'pipe' has ended");
    assert_int_equal(ks_fd_read(ends[0], bytes, 0, "pipe"), KS_OK);
    ks_fd_close(&ends[0]);
    assert_int_equal(ks_fd_read(-1, bytes, 8, "nothing"), KS_ERR_IO);
    assert_int_equal(ks_fd_write(-1, KS_LITERAL("x"), "nothing"), KS_ERR_IO);
}

static void test_dir_make(void **state)
{
    struct stat info;
    const mode_t before = umask(077);

    (void)state;
    assert_int_equal(ks_dir_make(in_folder("a/b//c/"), 0750), KS_OK);
    assert_int_equal(ks_dir_make(in_folder("a/b/c"), 0700),
                     KS_OK); /* existing is fine, and is kept */
    (void)umask(before);
    assert_int_equal(stat(in_folder("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0750);
    assert_int_equal(ks_file_write(in_folder("file"), KS_LITERAL("x"), 0600), KS_OK);
    expect_failure(ks_dir_make(in_folder("file"), 0700), KS_ERR_IO, "is no folder");
    assert_int_equal(ks_dir_make(in_folder("file/below"), 0700), KS_ERR_IO);
    assert_int_equal(ks_dir_make("", 0700), KS_ERR_IO);
}

static void test_dir_temporary(void **state)
{
    char *path = NULL;
    char *other = NULL;
    char inside[300];
    struct stat info;

    (void)state;
    assert_int_equal(setenv("TMPDIR", folder, 1), 0);
    assert_int_equal(ks_dir_temporary("trial", &path), KS_OK);
    assert_int_equal(ks_dir_temporary("trial", &other), KS_OK);
    assert_string_not_equal(path, other);
    assert_int_equal(strncmp(path, in_folder("trial."), strlen(in_folder("trial."))), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISDIR(info.st_mode) && (info.st_mode & 07777) == 0700);
    (void)snprintf(inside, sizeof inside, "%s/.hidden", path);
    assert_int_equal(ks_file_write(inside, KS_LITERAL("x"), 0600), KS_OK);
    assert_int_equal(ks_dir_remove(path), KS_OK);
    assert_int_equal(stat(path, &info), -1);
    expect_failure(ks_dir_remove(path), KS_ERR_IO, "open the folder");
    assert_int_equal(ks_dir_remove(NULL), KS_OK);
    /* No further down than one asked for. */
    (void)snprintf(inside, sizeof inside, "%s/folder", other);
    assert_int_equal(mkdir(inside, 0700), 0);
    expect_failure(ks_dir_remove(other), KS_ERR_IO, "folder': ");
    assert_int_equal(rmdir(inside), 0);
    assert_int_equal(ks_dir_remove(other), KS_OK);
    ks_free(path);
    ks_free(other);
    assert_int_equal(setenv("TMPDIR", in_folder("absent"), 1), 0);
    expect_failure(ks_dir_temporary("trial", &path), KS_ERR_IO, "make a folder");
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void test_clocks_and_random(void **state)
{
    uint8_t a[256], b[256];
    const uint64_t start = ks_clock_monotonic_us();
    const uint64_t now = ks_clock_us();

    (void)state;
    assert_true(now > UINT64_C(1700000000000000) && now < UINT64_C(4102444800000000));
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    assert_int_equal(ks_random(a, sizeof a), KS_OK);
    assert_int_equal(ks_random(b, sizeof b), KS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 224, b + 224, 32); /* filled to the end */
    assert_int_equal(ks_random(NULL, 0), KS_OK);
    (void)usleep(2000);
    assert_true(ks_clock_monotonic_us() - start >= 2000);
}

/* In a child of its own, since none of this can be undone. */
static void test_harden(void **state)
{
    int status = 0;
    const pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit core = {1, 1};
        const bool done = ks_process_harden() == KS_OK && getrlimit(RLIMIT_CORE, &core) == 0 &&
                          core.rlim_cur == 0 && core.rlim_max == 0 &&
                          prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && umask(0) == 077;

        _exit(done ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* --- the file layer ----------------------------------------------------------------------- */

static struct ks_fs *open_layer(void)
{
    struct ks_fs *fs = NULL;

    assert_int_equal(ks_fs_system_new(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fs),
                     KS_OK);
    return fs;
}

static void test_fs_append(void **state)
{
    struct ks_fs *fs = open_layer();
    struct ks_fs_file *file = NULL;
    struct ks_buf buf;
    struct stat info;

    (void)state;
    ks_buf_init(&buf, 100);
    assert_int_equal(fs->open(fs->context, "journal", &file), KS_OK);
    assert_int_equal(fs->append(file, KS_LITERAL("one")), KS_OK);
    assert_int_equal(fs->append(file, KS_LITERAL("two")), KS_OK);
    assert_int_equal(fs->sync(file), KS_OK);
    assert_int_equal(fs->truncate(file, 4), KS_OK);
    assert_int_equal(fs->append(file, KS_LITERAL("!")), KS_OK); /* at the new end */
    fs->close(file);
    assert_int_equal(fs->open(fs->context, "journal", &file), KS_OK);
    assert_int_equal(fs->append(file, KS_LITERAL("?")), KS_OK);
    assert_int_equal(fs->read_all(file, 6, &buf), KS_OK);
    expect_text(ks_buf_view(&buf), "onet!?");
    assert_int_equal(fs->read_all(file, 5, &buf), KS_ERR_LIMIT);
    expect_text(ks_buf_view(&buf), "onet!?");
    fs->close(file);
    assert_int_equal(stat(in_folder("journal"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    ks_buf_done(&buf);
    ks_fs_system_free(fs);
    ks_fs_system_free(NULL);
}

/* An append that fails half way leaves no half behind. */
static void test_fs_append_fails(void **state)
{
    static const uint8_t block[4096];
    struct ks_fs *fs = open_layer();
    struct ks_fs_file *file = NULL;
    struct rlimit old;
    const struct rlimit tight = {1000, RLIM_INFINITY};
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    assert_int_equal(fs->open(fs->context, "full", &file), KS_OK);
    assert_int_equal(fs->append(file, KS_LITERAL("before")), KS_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    expect_failure(fs->append(file, KS_BYTES(block)), KS_ERR_IO, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(fs->append(file, KS_LITERAL(" after")), KS_OK);
    assert_int_equal(fs->read_all(file, 100, &buf), KS_OK);
    expect_text(ks_buf_view(&buf), "before after");
    fs->close(file);
    ks_buf_done(&buf);
    ks_fs_system_free(fs);
}

static void test_fs_replace(void **state)
{
    struct ks_fs *fs = open_layer();
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    expect_failure(ks_fs_load(fs, "head", 100, &buf), KS_ERR_NOT_FOUND,
                   "'head' is absent or empty");
    assert_int_equal(ks_fs_replace(fs, "head", KS_LITERAL("one")), KS_OK);
    assert_int_equal(ks_fs_replace(fs, "head", KS_LITERAL("2")), KS_OK);
    assert_int_equal(ks_fs_load(fs, "head", 100, &buf), KS_OK);
    expect_text(ks_buf_view(&buf), "2");
    assert_int_equal(access(in_folder("head.new"), F_OK), -1);
    assert_int_equal(fs->unlink(fs->context, "head"), KS_OK);
    assert_int_equal(fs->unlink(fs->context, "head"), KS_ERR_NOT_FOUND);
    assert_int_equal(fs->rename(fs->context, "head", "tail"), KS_ERR_NOT_FOUND);
    assert_int_equal(fs->sync_dir(fs->context), KS_OK);
    ks_buf_done(&buf);
    ks_fs_system_free(fs);
}

/* Names cannot leave the folder, neither by their text nor by a link. */
static void test_fs_names(void **state)
{
    static const char *const reject[] = {"", ".", "..", "../x", "/etc/passwd", "a/b"};
    struct ks_fs *fs = open_layer();
    struct ks_fs_file *file = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof reject / sizeof reject[0]; i++) {
        assert_int_equal(fs->open(fs->context, reject[i], &file), KS_ERR_INTERNAL);
        assert_int_equal(fs->write(fs->context, reject[i], KS_LITERAL("x")), KS_ERR_INTERNAL);
        assert_int_equal(fs->unlink(fs->context, reject[i]), KS_ERR_INTERNAL);
        assert_int_equal(fs->rename(fs->context, reject[i], "x"), KS_ERR_INTERNAL);
        assert_int_equal(fs->rename(fs->context, "x", reject[i]), KS_ERR_INTERNAL);
    }
    assert_int_equal(symlink("/tmp/elsewhere", in_folder("trap")), 0);
    assert_int_equal(fs->open(fs->context, "trap", &file), KS_ERR_IO);
    assert_int_equal(fs->write(fs->context, "trap", KS_LITERAL("x")), KS_ERR_IO);
    assert_null(file);
    ks_fs_system_free(fs);
}

/* What cannot be synced is an error, not silence. */
static void test_fs_sync_fails(void **state)
{
    int ends[2];
    struct ks_fs *fs = NULL;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(ks_fs_system_new(ends[0], &fs), KS_OK);
    expect_failure(fs->sync_dir(fs->context), KS_ERR_IO, "sync the folder");
    ks_fs_system_free(fs);
    ks_fd_close(&ends[1]);
}

/* Zeroed; and where the kernel hides them, not even it reads them on a process's behalf. */
static void test_secret_pages(void **state)
{
    (void)state;
    struct ks_secret_pages pages = {0};
    static const uint8_t zeros[512];
    uint8_t copy[512];
    const struct iovec here = {copy, sizeof copy};
    struct iovec there = {NULL, sizeof copy};

    ks_secret_pages_done(&pages); /* none is fine */
    assert_int_equal(ks_secret_pages_init(&pages, sizeof copy), KS_OK);
    assert_memory_equal(pages.data, zeros, sizeof zeros);
    ks_copy(pages.data, "secret", 6);
    there.iov_base = pages.data;
    const ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    assert_true(pages.hidden ? got < 0 : got == (ssize_t)sizeof copy || errno == EPERM);
    ks_secret_pages_done(&pages);
    assert_null(pages.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_pages),       cmocka_unit_test(test_file_write),
        cmocka_unit_test(test_file_write_special), cmocka_unit_test(test_file_write_fails),
        cmocka_unit_test(test_file_read),          cmocka_unit_test(test_fd),
        cmocka_unit_test(test_dir_make),           cmocka_unit_test(test_dir_temporary),
        cmocka_unit_test(test_clocks_and_random),  cmocka_unit_test(test_harden),
        cmocka_unit_test(test_fs_append),          cmocka_unit_test(test_fs_append_fails),
        cmocka_unit_test(test_fs_replace),         cmocka_unit_test(test_fs_names),
        cmocka_unit_test(test_fs_sync_fails),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
