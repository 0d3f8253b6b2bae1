/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/digest.h"
#include "enclave/state.h"

#define HEADS_FILE "heads"
#define HEAD_LEN   (8 + 32 + 32) /* size, root, HMAC over the previous HMAC, size and root */
#define HEADS_MAX  (4 * 1024 * 1024) /* rewritten to one line at open and when full */

struct ks_head_log {
    const struct ks_fs *fs;
    struct ks_fs_file *file;
    struct ks_head last;
    uint8_t mac[32]; /* of the last line; zeros before the first */
    uint8_t key[32];
    size_t len;  /* bytes in the file */
    bool broken; /* a write failed: what the file ends with is unknown until the next open */
};

/* The line of HEAD after a line with MAC PREVIOUS. */
static void make_line(const struct ks_head_log *log, const uint8_t previous[32],
                      const struct ks_head *head, uint8_t line[HEAD_LEN])
{
    uint8_t message[32 + 8 + 32];
    struct ks_buf body = {.data = line, .cap = HEAD_LEN, .max = HEAD_LEN};
    struct ks_buf buf = {.data = message, .cap = sizeof message, .max = sizeof message};
    uint8_t mac[32];

    ks_buf_put(&buf, ks_bytes_of(previous, 32));
    ks_buf_put_u64(&buf, head->size);
    ks_buf_put(&buf, KS_BYTES(head->root));
    ks_hmac_sha256(KS_BYTES(log->key), ks_buf_view(&buf), mac);
    ks_buf_put_u64(&body, head->size);
    ks_buf_put(&body, KS_BYTES(head->root));
    ks_buf_put(&body, KS_BYTES(mac));
}

static void take_line(struct ks_head_log *log, const struct ks_head *head, const uint8_t *line)
{
    log->last = *head;
    ks_copy(log->mac, line + HEAD_LEN - 32, 32);
}

/* HEAD, from the file, against one that was signed already. */
static enum ks_err check_reached(const struct ks_head *reached, const struct ks_head *head)
{
    enum ks_err err = KS_OK;

    KS_CHECK(head->size != reached->size ||
                 ks_bytes_equal(KS_BYTES(head->root), KS_BYTES(reached->root)),
             KS_ERR_VERIFY,
             "heads: another file was put back: another root was signed already at %llu "
             "entries" KS_ROLLBACK_REMEDY,
             (unsigned long long)reached->size);
out:
    return err;
}

/* Reads the chain. A last line that is cut short or does not fit was never acted on and is
 * dropped; a bad line with others after it is tampering, and so is a bad first one, which was
 * never appended. */
static enum ks_err read_lines(struct ks_head_log *log, struct ks_bytes bytes,
                              const struct ks_head *reached)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "heads");

    KS_CHECK(bytes.len == 0 || bytes.len >= HEAD_LEN, KS_ERR_VERIFY, "heads: line 1 was cut");
    while (reader.rest.len >= HEAD_LEN) {
        struct ks_head head = {0};
        uint8_t expected[HEAD_LEN];
        struct ks_bytes line = {0};
        struct ks_reader fields;

        KS_TRY(ks_read_bytes(&reader, HEAD_LEN, &line));
        fields = ks_reader_of(line, "heads");
        KS_TRY(ks_read_u64(&fields, &head.size));
        KS_TRY(ks_read_copy(&fields, head.root, sizeof head.root));
        make_line(log, log->mac, &head, expected);
        if (!ks_ct_equal(line, KS_BYTES(expected))) {
            const size_t number = (bytes.len - reader.rest.len) / HEAD_LEN;

            KS_CHECK(number > 1 && reader.rest.len < HEAD_LEN, KS_ERR_VERIFY,
                     "heads: line %zu was changed", number);
            break;
        }
        KS_CHECK(head.size >= log->last.size, KS_ERR_VERIFY, "heads: they shrink");
        take_line(log, &head, line.data);
        KS_TRY(check_reached(reached, &head));
    }
    KS_CHECK(
        log->last.size >= reached->size, KS_ERR_VERIFY,
        "heads: an older file was put back: its last head has %llu entries, one of %llu was "
        "signed already" KS_ROLLBACK_REMEDY,
        (unsigned long long)log->last.size, (unsigned long long)reached->size);
out:
    return err;
}

/* One file with the last head alone (size 0 before the first), by rename: so a first line is
 * never torn. */
static enum ks_err compact(struct ks_head_log *log)
{
    enum ks_err err = KS_OK;
    uint8_t line[HEAD_LEN];
    const uint8_t zeros[32] = {0};

    if (log->file != NULL) {
        log->fs->close(log->file);
        log->file = NULL;
    }
    make_line(log, zeros, &log->last, line);
    KS_TRY(ks_fs_replace(log->fs, HEADS_FILE, KS_BYTES(line)));
    ks_copy(log->mac, line + HEAD_LEN - 32, 32);
    log->len = HEAD_LEN;
    KS_TRY(log->fs->open(log->fs->context, HEADS_FILE, &log->file));
out:
    return err;
}

enum ks_err ks_head_log_open(const struct ks_fs *fs, struct ks_bytes master,
                             const struct ks_head *reached, struct ks_head_log **out_log)
{
    enum ks_err err = KS_OK;
    static const struct ks_head none = {0};
    struct ks_head_log *log = ks_calloc(1, sizeof *log);
    struct ks_buf bytes;

    ks_buf_init(&bytes, 2 * HEADS_MAX);
    KS_CHECK(log != NULL, KS_ERR_NOMEM, "head log");
    log->fs = fs;
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/heads/1"), log->key,
                          sizeof log->key));
    err = ks_fs_load(fs, HEADS_FILE, 2 * HEADS_MAX, &bytes);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    KS_TRY(read_lines(log, ks_buf_view(&bytes), reached == NULL ? &none : reached));
    KS_TRY(compact(log));
    *out_log = log;
    log = NULL; /* transferred */
out:
    ks_buf_done(&bytes);
    ks_head_log_close(log);
    return err;
}

void ks_head_log_close(struct ks_head_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->file != NULL) {
        log->fs->close(log->file);
    }
    ks_wipe(log->key, sizeof log->key);
    ks_free(log);
}

const struct ks_head *ks_head_log_last(const struct ks_head_log *log)
{
    return &log->last;
}

enum ks_err ks_head_log_append(struct ks_head_log *log, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    uint8_t line[HEAD_LEN];

    KS_CHECK(!log->broken, KS_ERR_IO, "heads: an earlier write failed; restart the site");
    KS_CHECK(head->size >= log->last.size, KS_ERR_DENIED,
             "a ledger of %llu entries was signed already, this one has %llu",
             (unsigned long long)log->last.size, (unsigned long long)head->size);
    KS_CHECK(head->size > log->last.size ||
                 ks_bytes_equal(KS_BYTES(head->root), KS_BYTES(log->last.root)),
             KS_ERR_DENIED, "another root was signed already at %llu entries",
             (unsigned long long)head->size);
    if (head->size == log->last.size) {
        return KS_OK;
    }
    log->broken = true;
    if (log->len > HEADS_MAX) {
        KS_TRY(compact(log));
    }
    make_line(log, log->mac, head, line);
    KS_TRY(log->fs->append(log->file, KS_BYTES(line)));
    KS_TRY(log->fs->sync(log->file));
    log->broken = false;
    log->len += HEAD_LEN;
    take_line(log, head, line);
out:
    return err;
}
