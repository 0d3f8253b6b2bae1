/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once by ks_log_init before there are threads; constant from then on. */
static struct {
    const char *program;
    enum ks_log_level level;
} settings = {"ketseal", KS_LOG_INFO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static const char cut_mark[] = "...\""; /* ends a value that found no room */

void ks_log_init(const char *program, enum ks_log_level level)
{
    settings.program = program;
    settings.level = level;
}

/* One byte of the line is kept for the newline. */
static size_t room(const struct ks_log_line *line)
{
    return sizeof line->text - 1 - line->len;
}

static void append(struct ks_log_line *line, const char *text, size_t len)
{
    KS_ASSERT(len <= room(line));
    ks_copy(line->text + line->len, text, len);
    line->len += len;
}

/* " key=", or false where it and a cut value would not fit: then the field is left out. */
static bool append_key(struct ks_log_line *line, const char *key)
{
    const size_t key_len = strlen(key);

    if (!line->on || key_len + 3 + sizeof cut_mark > room(line)) {
        return false;
    }
    append(line, " ", line->len > 0);
    append(line, key, key_len);
    append(line, "=", 1);
    return true;
}

static bool is_plain(struct ks_bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t byte = value.data[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return false;
        }
    }
    return value.len > 0;
}

/* The escaped form of one byte. Everything but printable ASCII becomes \xhh: whatever a peer
 * sends, the line stays one line, and no byte of it can steer a terminal. */
static size_t escape(uint8_t byte, char target[5])
{
    static const char hex[] = "0123456789abcdef";

    if (byte == '"' || byte == '\\') {
        target[0] = '\\';
        target[1] = (char)byte;
        return 2;
    }
    if (byte == '\n' || byte == '\t') {
        target[0] = '\\';
        target[1] = byte == '\n' ? 'n' : 't';
        return 2;
    }
    if (byte < ' ' || byte >= 0x7f) {
        target[0] = '\\';
        target[1] = 'x';
        target[2] = hex[byte >> 4];
        target[3] = hex[byte & 15];
        return 4;
    }
    target[0] = (char)byte;
    return 1;
}

static void append_value(struct ks_log_line *line, struct ks_bytes value)
{
    if (is_plain(value) && value.len <= room(line)) {
        append(line, (const char *)value.data, value.len);
        return;
    }
    append(line, "\"", 1);
    for (size_t i = 0; i < value.len; i++) {
        char escaped[5];
        const size_t len = escape(value.data[i], escaped);

        if (len + sizeof cut_mark - 1 > room(line)) {
            append(line, cut_mark, sizeof cut_mark - 1);
            return;
        }
        append(line, escaped, len);
    }
    append(line, "\"", 1);
}

void ks_log_begin(struct ks_log_line *line, enum ks_log_level level, const char *event)
{
    line->len = 0;
    line->on = level <= settings.level;
    ks_log_text(line, "level", level_names[level]);
    ks_log_text(line, "program", settings.program);
    ks_log_text(line, "event", event);
}

void ks_log_bytes(struct ks_log_line *line, const char *key, struct ks_bytes value)
{
    if (append_key(line, key)) {
        append_value(line, value);
    }
}

void ks_log_text(struct ks_log_line *line, const char *key, const char *value)
{
    ks_log_bytes(line, key, ks_bytes_text(value));
}

void ks_log_u64(struct ks_log_line *line, const char *key, uint64_t value)
{
    char text[24]; /* 20 digits and a NUL, with room */

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    ks_log_text(line, key, text);
}

void ks_log_err(struct ks_log_line *line, enum ks_err err)
{
    ks_log_text(line, "err", ks_err_name(err));
    if (err != KS_OK) {
        ks_log_text(line, "detail", ks_err_detail());
        if (settings.level >= KS_LOG_DEBUG) {
            ks_log_text(line, "where", ks_err_where());
        }
    }
}

void ks_log_end(struct ks_log_line *line)
{
    ssize_t rc = 0;

    if (!line->on) {
        return;
    }
    line->text[line->len] = '\n';
    do {
        rc = write(STDERR_FILENO, line->text, line->len + 1);
    } while (rc < 0 && errno == EINTR);
    line->on = false; /* a log that cannot be written has nowhere to say so */
}

void ks_log_event(enum ks_log_level level, const char *event)
{
    struct ks_log_line line;

    ks_log_begin(&line, level, event);
    ks_log_end(&line);
}

void ks_log_failure(const char *event, enum ks_err err)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_ERROR, event);
    ks_log_err(&line, err);
    ks_log_end(&line);
}
