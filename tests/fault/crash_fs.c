/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/crash_fs.h"

/* The layer's handle is the disk's file itself. */
static struct crash_file *file_of(struct ks_fs_file *handle)
{
    return (struct crash_file *)(void *)handle;
}

/* A full disk is an ordinary input/output error, as in the system's layer. */
static enum ks_err as_io(enum ks_err err)
{
    return err == KS_ERR_LIMIT ? ks_fail(KS_ERR_IO, "no space left on device") : err;
}

static enum ks_err fs_open(void *context, const char *name, struct ks_fs_file **out_file)
{
    struct crash_file *file = NULL;
    enum ks_err err = crash_disk_open(context, name, true, &file);
    if (err == KS_OK) {
        *out_file = (struct ks_fs_file *)(void *)file;
    }
    return err;
}

static enum ks_err fs_append(struct ks_fs_file *handle, struct ks_bytes bytes)
{
    struct crash_file *file = file_of(handle);
    return as_io(crash_file_write(file, crash_file_view(file).len, bytes));
}

static enum ks_err fs_sync(struct ks_fs_file *handle)
{
    return crash_file_sync(file_of(handle), CRASH_SYNC_APPEND);
}

static enum ks_err fs_read_all(struct ks_fs_file *handle, size_t len_max, struct ks_buf *out)
{
    struct ks_bytes bytes = crash_file_view(file_of(handle));
    if (bytes.len > len_max) {
        return ks_fail(KS_ERR_LIMIT, "file of %zu bytes, limit %zu", bytes.len, len_max);
    }
    ks_buf_put(out, bytes);
    return ks_buf_check(out);
}

static enum ks_err fs_truncate(struct ks_fs_file *handle, uint64_t len)
{
    return crash_file_truncate(file_of(handle), len);
}

static void fs_close(struct ks_fs_file *handle)
{
    if (handle != NULL) {
        crash_file_release(file_of(handle));
    }
}

static enum ks_err fs_write(void *context, const char *name, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct crash_file *file = NULL;

    KS_TRY(crash_disk_open(context, name, true, &file));
    KS_TRY(crash_file_truncate(file, 0));
    KS_TRY(as_io(crash_file_write(file, 0, bytes)));
    KS_TRY(crash_file_sync(file, CRASH_SYNC_REPLACE));
out:
    if (file != NULL) {
        crash_file_release(file);
    }
    return err;
}

static enum ks_err fs_rename(void *context, const char *source, const char *target)
{
    return crash_disk_rename(context, source, target);
}

static enum ks_err fs_unlink(void *context, const char *name)
{
    return crash_disk_unlink(context, name);
}

static enum ks_err fs_sync_dir(void *context)
{
    return crash_disk_sync_dir(context, CRASH_SYNC_DIR);
}

struct ks_fs crash_fs_of(struct crash_disk *disk)
{
    return (struct ks_fs){
        .context = disk,
        .open = fs_open,
        .append = fs_append,
        .sync = fs_sync,
        .read_all = fs_read_all,
        .truncate = fs_truncate,
        .close = fs_close,
        .write = fs_write,
        .rename = fs_rename,
        .unlink = fs_unlink,
        .sync_dir = fs_sync_dir,
    };
}
