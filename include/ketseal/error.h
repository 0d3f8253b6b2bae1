/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* error.h: the one error type. Values, exit codes and HTTP statuses are frozen; the list only
 * grows. */
#ifndef KETSEAL_ERROR_H
#define KETSEAL_ERROR_H

#pragma GCC visibility push(default)

/* clang-format off */
/*      name         value exit http  meaning */
#define KS_ERR_LIST(X)                                                          \
    X(VERIFY,        1,    1,   422,  "checked, and false")                     \
    X(USAGE,         2,    2,   400,  "bad flag or argument")                   \
    X(FORMAT,        3,    3,   400,  "malformed input")                        \
    X(LIMIT,         4,    3,   413,  "over a documented limit")                \
    X(IO,            5,    4,   502,  "file, network or device")                \
    X(NOMEM,         6,    4,   503,  "out of memory")                          \
    X(DENIED,        7,    5,   403,  "not authorised")                         \
    X(NOT_FOUND,     8,    6,   404,  "absent, or not yet")                     \
    X(INTERNAL,      9,    70,  500,  "bug in ketseal")                         \
    X(UNAVAILABLE,   10,   4,   503,  "busy or shutting down; try again")       \
    X(CONFLICT,      11,   5,   409,  "conflicts with what is already there")   \
    X(CANCELLED,     12,   5,   409,  "cancelled before it was done")           \
    X(STALE,         13,   5,   403,  "last attestation too old; attest first")
/* clang-format on */

enum ks_err {
    KS_OK = 0,
#define KS_ERR_ENUM(name, value, exit_code, http_status, meaning) KS_ERR_##name = (value),
    KS_ERR_LIST(KS_ERR_ENUM)
#undef KS_ERR_ENUM
};

#define KS_MUST_CHECK __attribute__((warn_unused_result))

/* All four accept any value; one that is not in the list is treated as KS_ERR_INTERNAL. */
const char *ks_err_name(enum ks_err err);    /* "FORMAT"; "OK" for KS_OK */
const char *ks_err_meaning(enum ks_err err); /* "malformed input" */
int ks_err_exit_code(enum ks_err err);       /* 0 for KS_OK */
int ks_err_http_status(enum ks_err err);     /* 200 for KS_OK */

/* The sentence stored by the last failure on this thread, such as "bell.qasm:7:12: unknown gate
 * 'hh'". Borrowed; valid until the next failure on this thread. Never holds a secret. Never
 * NULL. */
const char *ks_err_detail(void);
/* Where in ketseal's own source that failure was raised, "file.c:123"; for logs at debug
 * level. */
const char *ks_err_where(void);

#pragma GCC visibility pop

#endif
