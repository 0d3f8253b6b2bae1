/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* The longest source path of the tree, a colon and a line number, with room. */
#define WHERE_MAX 128

/* The one global of the project: what the last failure of this thread said. */
static _Thread_local struct {
    char detail[KS_ERR_DETAIL_MAX];
    char where[WHERE_MAX];
} last;

struct entry {
    enum ks_err err;
    int exit_code;
    int http_status;
    const char *name;
    const char *meaning;
};

#define KS_ERR_ENTRY(name, value, exit_code, http_status, meaning)                             \
    {KS_ERR_##name, (exit_code), (http_status), #name, (meaning)},
/* clang-format off */
static const struct entry entries[] = {
    {KS_OK, 0, 200, "OK", "no error"},
    KS_ERR_LIST(KS_ERR_ENTRY)
};
/* clang-format on */
#undef KS_ERR_ENTRY

static const struct entry *entry_of(enum ks_err err)
{
    const struct entry *internal = &entries[0];

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (entries[i].err == err) {
            return &entries[i];
        }
        if (entries[i].err == KS_ERR_INTERNAL) {
            internal = &entries[i];
        }
    }
    return internal;
}

const char *ks_err_name(enum ks_err err)
{
    return entry_of(err)->name;
}

const char *ks_err_meaning(enum ks_err err)
{
    return entry_of(err)->meaning;
}

int ks_err_exit_code(enum ks_err err)
{
    return entry_of(err)->exit_code;
}

int ks_err_http_status(enum ks_err err)
{
    return entry_of(err)->http_status;
}

const char *ks_err_detail(void)
{
    return last.detail;
}

const char *ks_err_where(void)
{
    return last.where;
}

/* Details quote peers and end on terminals and in JSON texts: no byte may steer the one or
 * spoil the other. */
static void store_detail(const char *detail)
{
    ks_text_shown((struct ks_bytes){(const uint8_t *)detail, strlen(detail)}, last.detail,
                  sizeof last.detail);
}

enum ks_err ks_fail_at(const char *file, int line, enum ks_err code, const char *format, ...)
{
    char detail[KS_ERR_DETAIL_MAX]; /* the arguments may point into last.detail */
    va_list args;

    va_start(args, format);
    if (vsnprintf(detail, sizeof detail, format, args) < 0) {
        detail[0] = '\0';
    }
    va_end(args);
    store_detail(detail);
    (void)snprintf(last.where, sizeof last.where, "%s:%d", file, line);
    return code;
}

enum ks_err ks_fail_prefix(enum ks_err code, const char *format, ...)
{
    char prefix[KS_ERR_DETAIL_MAX];
    char detail[2 * KS_ERR_DETAIL_MAX + 2];
    va_list args;

    if (code == KS_OK) {
        return code;
    }
    va_start(args, format);
    if (vsnprintf(prefix, sizeof prefix, format, args) < 0) {
        prefix[0] = '\0';
    }
    va_end(args);
    (void)snprintf(detail, sizeof detail, "%s: %s", prefix, last.detail);
    store_detail(detail);
    return code;
}

void ks_assert_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "level=error event=assert where=%s:%d condition=\"%s\"\n", file, line,
                  condition);
    abort();
}
