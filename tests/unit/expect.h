/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* expect.h: what several unit tests need beside cmocka. */
#ifndef KS_TESTS_UNIT_EXPECT_H
#define KS_TESTS_UNIT_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

/* Equal bytes; prints both when they differ. */
#define expect_bytes(got, want) expect_bytes_at((got), (want), __FILE__, __LINE__)
static inline void expect_bytes_at(struct ks_bytes got, struct ks_bytes want, const char *file,
                                   int line)
{
    if (!ks_bytes_equal(got, want)) {
        print_error("got  '%.*s'\nwant '%.*s'\n", (int)got.len, (const char *)got.data,
                    (int)want.len, (const char *)want.data);
        _fail(file, line);
    }
}

#define expect_text(got, want) expect_bytes((got), ks_bytes_text(want))

/* A code, and a detail that contains TEXT: errors are for people, so their words are tested. */
#define expect_failure(got, code, text)                                                        \
    do {                                                                                       \
        assert_int_equal((got), (code));                                                       \
        if (strstr(ks_err_detail(), (text)) == NULL) {                                         \
            print_error("detail '%s' lacks '%s'\n", ks_err_detail(), (text));                  \
            fail();                                                                            \
        }                                                                                      \
    } while (0)

/* True if CALL(ARGUMENT) ends its process by abort(), as a failed KS_ASSERT does. */
static inline bool aborts(void (*call)(void *argument), void *argument)
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)dup2(null, STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        call(argument);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* KS_SOURCE_ROOT/NAME, valid until the next call. */
static inline const char *source_path(const char *name)
{
    static char path[4096];
    const char *root = getenv("KS_SOURCE_ROOT");

    assert_non_null(root);
    assert_true(snprintf(path, sizeof path, "%s/%s", root, name) < (int)sizeof path);
    return path;
}

/* A small generator with a seed, so that a failure can be run again (Marsaglia's
 * xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
