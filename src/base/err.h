/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* err.h: raising and passing on errors. The thread-local detail is the one global of the
 * project; control flow uses only the code. */
#ifndef KS_BASE_ERR_H
#define KS_BASE_ERR_H

#include <stdnoreturn.h>

#include "ketseal/error.h"

#define KS_ERR_DETAIL_MAX 512 /* bytes of detail kept, terminator included */

/* Stores the detail (truncated to KS_ERR_DETAIL_MAX, control characters replaced by '?') with
 * the place, and returns CODE. Never pass secrets; quote peer text with '%s' inside single
 * quotes. */
#ifdef __clang_analyzer__ /* sees no other file, so not that CODE is what ks_fail_at returns   \
                           */
#define ks_fail(code, ...) ((void)ks_fail_at(__FILE__, __LINE__, (code), __VA_ARGS__), (code))
#else
#define ks_fail(code, ...) ks_fail_at(__FILE__, __LINE__, (code), __VA_ARGS__)
#endif
KS_MUST_CHECK enum ks_err ks_fail_at(const char *file, int line, enum ks_err code,
                                     const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "PREFIX: " in front of the stored detail and returns CODE unchanged: to name the file or
 * the peer on the way up. Does nothing when CODE is KS_OK. */
enum ks_err ks_fail_prefix(enum ks_err code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The only two macros that jump. Both need `enum ks_err err` and a label `out:` in scope. */
#define KS_TRY(call)                                                                           \
    do {                                                                                       \
        if ((err = (call)) != KS_OK) {                                                         \
            goto out;                                                                          \
        }                                                                                      \
    } while (0)

#define KS_CHECK(condition, code, ...)                                                         \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            err = ks_fail((code), __VA_ARGS__);                                                \
            goto out;                                                                          \
        }                                                                                      \
    } while (0)

/* States a programmer error; stays on in release. Prints one line and aborts. */
#define KS_ASSERT(condition)                                                                   \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            ks_assert_failed(__FILE__, __LINE__, #condition);                                  \
        }                                                                                      \
    } while (0)
noreturn void ks_assert_failed(const char *file, int line, const char *condition);

#endif
