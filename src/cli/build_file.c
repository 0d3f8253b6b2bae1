/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/build_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/sys.h"

/* Whether the row of STEP may be so: names and shots are the plan's, whatever became of it. */
static bool is_of(const struct ks_plan_step *step, const struct ks_trace *trace,
                  const struct ks_trace_label *label)
{
    return strcmp(label->kind, ks_plan_kind_name(step->kind)) == 0 &&
           label->is_anomaly == (step->kind != KS_PLAN_NORMAL) &&
           (!ks_trace_has(trace, KS_TRACE_SHOTS) ||
            trace->values[KS_TRACE_SHOTS] == (double)step->shots);
}

static enum ks_err check_rows(const char *path, const struct ks_table *table,
                              const struct ks_plan *plan)
{
    enum ks_err err = KS_OK;
    struct ks_trace_layout layout;
    struct ks_trace trace;
    struct ks_trace_label label;

    KS_TRY(ks_fail_prefix(ks_trace_layout(table, &layout), "%s", path));
    KS_CHECK(layout.labelled, KS_ERR_CONFLICT, "%s: traces without labels", path);
    KS_CHECK(ks_table_rows(table) <= ks_plan_count(plan), KS_ERR_CONFLICT,
             "%s has more rows than the plan", path);
    for (size_t row = 0; row < ks_table_rows(table); row++) {
        KS_TRY(ks_trace_read(table, &layout, row, &trace, &label));
        KS_CHECK(is_of(ks_plan_at(plan, row), &trace, &label), KS_ERR_CONFLICT,
                 "%s: row %zu is not of this plan", path, row + 1);
    }
out:
    return err;
}

/* Cuts half a row off, and half a line of names. */
static enum ks_err cut(int fd, const char *path, struct ks_buf *text)
{
    while (text->len > 0 && text->data[text->len - 1] != '\n') {
        text->len--;
    }
    if (ftruncate(fd, (off_t)text->len) != 0 || lseek(fd, 0, SEEK_END) < 0) {
        return ks_fail(KS_ERR_IO, "truncate '%s': %s", path, strerror(errno));
    }
    return KS_OK;
}

enum ks_err ks_build_file_open(const char *path, const struct ks_plan *plan, int *out_fd,
                               size_t *out_done)
{
    enum ks_err err = KS_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    size_t done = 0;
    struct ks_table *table = NULL;
    struct ks_buf text;
    struct ks_buf names;

    ks_buf_init(&text, KS_TABLE_BYTES_MAX);
    ks_buf_init(&names, KS_TRACE_CSV_ROW_MAX);
    KS_CHECK(fd >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    KS_CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0, KS_ERR_CONFLICT, "%s is being built already",
             path);
    KS_TRY(ks_file_read(path, KS_TABLE_BYTES_MAX, &text));
    KS_TRY(cut(fd, path, &text));
    if (text.len > 0) {
        KS_TRY(ks_table_read(ks_buf_view(&text), path, &table));
        KS_TRY(check_rows(path, table, plan));
        done = ks_table_rows(table);
    } else {
        ks_trace_put_csv_header(true, &names);
        KS_TRY(ks_buf_check(&names));
        KS_TRY(ks_fd_write(fd, ks_buf_view(&names), path));
    }
    *out_done = done;
    *out_fd = fd;
    fd = -1; /* transferred */
out:
    ks_table_free(table);
    ks_buf_done(&text);
    ks_buf_done(&names);
    ks_fd_close(&fd);
    return err;
}

enum ks_err ks_build_file_append(int fd, const struct ks_plan *plan, size_t first,
                                 const struct ks_trace *rows, size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, count * KS_TRACE_CSV_ROW_MAX);
    for (size_t i = 0; i < count; i++) {
        const enum ks_plan_kind kind = ks_plan_at(plan, first + i)->kind;
        struct ks_trace_label label = {.is_anomaly = kind != KS_PLAN_NORMAL};

        ks_copy(label.kind, ks_plan_kind_name(kind), strlen(ks_plan_kind_name(kind)) + 1);
        ks_trace_put_csv_row(&rows[i], &label, &text);
    }
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_fd_write(fd, ks_buf_view(&text), "data set"));
    KS_CHECK(fdatasync(fd) == 0, KS_ERR_IO, "sync the data set: %s", strerror(errno));
out:
    ks_buf_done(&text);
    return err;
}
