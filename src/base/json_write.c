/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <string.h>

#include "base/json_node.h"
#include "base/text.h"

#define ARRAY_MARK SIZE_MAX /* key_start of an array: it has no keys */

/* RFC 8785 section 3.2.2.2: only what must be escaped is, and in the shortest way. */
static void put_quoted(struct ks_buf *out, struct ks_bytes text)
{
    static const char short_forms[] = "btn\0fr"; /* of 08 to 0D; there is none for 0B */
    size_t start = 0;

    ks_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = text.data[i];

        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        ks_buf_put(out, ks_bytes_of(text.data + start, i - start));
        start = i + 1;
        ks_buf_put_u8(out, '\\');
        if (byte == '"' || byte == '\\') {
            ks_buf_put_u8(out, byte);
        } else if (byte >= 0x08 && byte <= 0x0d && byte != 0x0b) {
            ks_buf_put_u8(out, (uint8_t)short_forms[byte - 0x08]);
        } else {
            ks_buf_put_text(out, "u00");
            ks_buf_put_hex(out, ks_bytes_of(&byte, 1));
        }
    }
    if (start < text.len) {
        ks_buf_put(out, ks_bytes_of(text.data + start, text.len - start));
    }
    ks_buf_put_u8(out, '"');
}

static void put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];
    const size_t len = ks_double_text(value, text);

    ks_buf_put(out, ks_bytes_of(text, len));
}

static bool is_container(const struct ks_json *value)
{
    return value->type == KS_JSON_ARRAY || value->type == KS_JSON_OBJECT;
}

static void put_scalar(struct ks_buf *out, const struct ks_json *value)
{
    if (value->type == KS_JSON_STRING) {
        put_quoted(out, value->text);
    } else if (value->type == KS_JSON_NUMBER) {
        put_number(out, value->number);
    } else if (value->type == KS_JSON_BOOL) {
        ks_buf_put_text(out, value->truth ? "true" : "false");
    } else {
        ks_buf_put_text(out, "null");
    }
}

struct level {
    const struct ks_json *value;
    size_t next; /* index of its next child */
};

/* Writes what stands before the next child of LEVEL and returns the child. */
static const struct ks_json *next_child(struct ks_buf *out, struct level *level)
{
    const struct ks_json *value = level->value;
    const struct ks_json *child = NULL;

    if (level->next > 0) {
        ks_buf_put_u8(out, ',');
    }
    if (value->type == KS_JSON_OBJECT) {
        child = &value->items[value->order[level->next]];
        put_quoted(out, child->key);
        ks_buf_put_u8(out, ':');
    } else {
        child = &value->items[level->next];
    }
    level->next++;
    return child;
}

void ks_json_canonical(const struct ks_json *value, struct ks_buf *out)
{
    struct level levels[KS_JSON_DEPTH_MAX]; /* the parser refuses what is deeper */
    unsigned depth = 0;

    do {
        if (is_container(value)) {
            KS_ASSERT(depth < KS_JSON_DEPTH_MAX);
            levels[depth++] = (struct level){value, 0};
            ks_buf_put_u8(out, value->type == KS_JSON_OBJECT ? '{' : '[');
        } else {
            put_scalar(out, value);
        }
        while (depth > 0 && levels[depth - 1].next == levels[depth - 1].value->count) {
            depth--;
            ks_buf_put_u8(out, levels[depth].value->type == KS_JSON_OBJECT ? '}' : ']');
        }
        if (depth > 0) {
            value = next_child(out, &levels[depth - 1]);
        }
    } while (depth > 0 && out->err == KS_OK);
}

/* --- the writer --------------------------------------------------------------------------- */

struct ks_json_writer ks_json_writer_of(struct ks_buf *out)
{
    return (struct ks_json_writer){.out = out};
}

static bool in_object(const struct ks_json_writer *writer)
{
    return writer->depth > 0 && writer->key_start[writer->depth - 1] != ARRAY_MARK;
}

/* Every value passes here first. */
static void before_value(struct ks_json_writer *writer)
{
    if (in_object(writer)) {
        KS_ASSERT(writer->after_key);
        writer->after_key = false;
    } else if (writer->depth > 0) {
        if (writer->comma[writer->depth - 1]) {
            ks_buf_put_u8(writer->out, ',');
        }
        writer->comma[writer->depth - 1] = true;
    }
}

static void put_open(struct ks_json_writer *writer, char bracket, size_t key_start)
{
    before_value(writer);
    KS_ASSERT(writer->depth < KS_JSON_DEPTH_MAX);
    writer->comma[writer->depth] = false;
    writer->key_start[writer->depth] = key_start;
    writer->key_len[writer->depth] = 0;
    writer->depth++;
    ks_buf_put_u8(writer->out, (uint8_t)bracket);
}

void ks_json_put_object(struct ks_json_writer *writer)
{
    put_open(writer, '{', 0);
}

void ks_json_put_array(struct ks_json_writer *writer)
{
    put_open(writer, '[', ARRAY_MARK);
}

void ks_json_put_end(struct ks_json_writer *writer)
{
    KS_ASSERT(writer->depth > 0 && !writer->after_key);
    ks_buf_put_u8(writer->out, in_object(writer) ? '}' : ']');
    writer->depth--;
}

/* The rank of the next byte of a text that put_quoted has escaped. */
static unsigned next_rank(struct ks_bytes text, size_t *at)
{
    static const char forms[] = "\"\\btnfr";
    static const char meanings[] = "\"\\\b\t\n\f\r";
    const uint8_t byte = text.data[*at];
    uint8_t control = 0;
    const char *form = NULL;

    if (byte != '\\') {
        *at += 1;
        return ks_json_key_rank(byte);
    }
    form = memchr(forms, text.data[*at + 1], sizeof forms - 1);
    if (form != NULL) {
        *at += 2;
        return (unsigned)meanings[form - forms];
    }
    KS_ASSERT(ks_hex_decode(ks_bytes_of(text.data + *at + 4, 2), &control, 1) == KS_OK);
    *at += 6;
    return control;
}

/* True if A stands before B, both escaped. */
static bool precedes(struct ks_bytes a, struct ks_bytes b)
{
    size_t at_a = 0;
    size_t at_b = 0;

    while (at_a < a.len && at_b < b.len) {
        const unsigned rank_a = next_rank(a, &at_a);
        const unsigned rank_b = next_rank(b, &at_b);

        if (rank_a != rank_b) {
            return rank_a < rank_b;
        }
    }
    return at_a == a.len && at_b < b.len;
}

void ks_json_put_key_bytes(struct ks_json_writer *writer, struct ks_bytes name)
{
    struct ks_buf *out = writer->out;
    const unsigned level = writer->depth - 1;
    size_t start = 0;
    size_t len = 0;

    KS_ASSERT(in_object(writer) && !writer->after_key && ks_utf8_valid(name));
    if (writer->comma[level]) {
        ks_buf_put_u8(out, ',');
    }
    start = out->len + 1;
    put_quoted(out, name);
    if (out->err == KS_OK) {
        len = out->len - start - 1;
        KS_ASSERT(
            !writer->comma[level] ||
            precedes(ks_bytes_of(out->data + writer->key_start[level], writer->key_len[level]),
                     ks_bytes_of(out->data + start, len)));
    }
    writer->key_start[level] = start;
    writer->key_len[level] = len;
    writer->comma[level] = true;
    writer->after_key = true;
    ks_buf_put_u8(out, ':');
}

void ks_json_put_key(struct ks_json_writer *writer, const char *name)
{
    ks_json_put_key_bytes(writer, ks_bytes_text(name));
}

void ks_json_put_null(struct ks_json_writer *writer)
{
    before_value(writer);
    ks_buf_put_text(writer->out, "null");
}

void ks_json_put_bool(struct ks_json_writer *writer, bool value)
{
    before_value(writer);
    ks_buf_put_text(writer->out, value ? "true" : "false");
}

void ks_json_put_u64(struct ks_json_writer *writer, uint64_t value)
{
    KS_ASSERT(value <= KS_JSON_INTEGER_MAX);
    before_value(writer);
    ks_buf_put_format(writer->out, "%llu", (unsigned long long)value);
}

void ks_json_put_double(struct ks_json_writer *writer, double value)
{
    KS_ASSERT(isfinite(value));
    before_value(writer);
    put_number(writer->out, value);
}

void ks_json_put_string(struct ks_json_writer *writer, struct ks_bytes text)
{
    KS_ASSERT(ks_utf8_valid(text));
    before_value(writer);
    put_quoted(writer->out, text);
}

void ks_json_put_text(struct ks_json_writer *writer, const char *text)
{
    ks_json_put_string(writer, ks_bytes_text(text));
}

void ks_json_put_hex(struct ks_json_writer *writer, struct ks_bytes bytes)
{
    before_value(writer);
    ks_buf_put_u8(writer->out, '"');
    ks_buf_put_hex(writer->out, bytes);
    ks_buf_put_u8(writer->out, '"');
}

void ks_json_put_base64(struct ks_json_writer *writer, struct ks_bytes bytes)
{
    before_value(writer);
    ks_buf_put_u8(writer->out, '"');
    ks_buf_put_base64(writer->out, bytes);
    ks_buf_put_u8(writer->out, '"');
}

void ks_json_put_value(struct ks_json_writer *writer, const struct ks_json *value)
{
    before_value(writer);
    ks_json_canonical(value, writer->out);
}

void ks_json_put_canonical(struct ks_json_writer *writer, struct ks_bytes text)
{
    before_value(writer);
    ks_buf_put(writer->out, text);
}

void ks_json_member_text(struct ks_json_writer *writer, const char *name, const char *text)
{
    ks_json_put_key(writer, name);
    ks_json_put_text(writer, text);
}

void ks_json_member_string(struct ks_json_writer *writer, const char *name,
                           struct ks_bytes text)
{
    ks_json_put_key(writer, name);
    ks_json_put_string(writer, text);
}

void ks_json_member_u64(struct ks_json_writer *writer, const char *name, uint64_t value)
{
    ks_json_put_key(writer, name);
    ks_json_put_u64(writer, value);
}

void ks_json_member_bool(struct ks_json_writer *writer, const char *name, bool value)
{
    ks_json_put_key(writer, name);
    ks_json_put_bool(writer, value);
}

void ks_json_member_hex(struct ks_json_writer *writer, const char *name, struct ks_bytes bytes)
{
    ks_json_put_key(writer, name);
    ks_json_put_hex(writer, bytes);
}

void ks_json_member_base64(struct ks_json_writer *writer, const char *name,
                           struct ks_bytes bytes)
{
    ks_json_put_key(writer, name);
    ks_json_put_base64(writer, bytes);
}
