/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The parser keeps its own stack, so that deep input costs no C stack. Finished values wait in
 * `pending` until their container closes; then they move, side by side, into the document's
 * arena. */
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_node.h"
#include "base/text.h"

/* The exact decimal form of any double has at most 1,077 characters: nobody needs a longer
 * number. */
#define NUMBER_LEN_MAX 1100
#define CHUNK_LEN_MIN  2048
#define CHUNK_LEN_MAX  1048576
#define PENDING_MIN    16
#define QUOTED_MAX     64 /* bytes of a key in an error */

struct chunk {
    struct chunk *next;
    size_t used;
    size_t len;
    alignas(max_align_t) uint8_t data[];
};

struct ks_json_doc {
    struct chunk *chunks; /* the one in use first */
    bool secret;
    struct ks_json root;
};

struct frame {
    bool is_object;
    size_t first; /* index in pending of the container's first child */
    struct ks_bytes key;
    size_t key_offset;
};

struct parser {
    struct ks_bytes text;
    size_t at;
    size_t nodes;
    size_t nodes_max;
    struct ks_json_doc *doc;
    struct ks_json *pending;
    size_t pending_count;
    size_t pending_cap;
    unsigned depth;
    struct frame frames[KS_JSON_DEPTH_MAX];
};

/* --- memory ------------------------------------------------------------------------------- */

/* COUNT * SIZE zeroed bytes that live as long as the document, or NULL. */
static void *doc_alloc(struct ks_json_doc *doc, size_t count, size_t size, size_t align)
{
    struct chunk *chunk = doc->chunks;
    size_t len = 0;
    size_t start = 0;

    if (__builtin_mul_overflow(count, size, &len)) {
        return NULL;
    }
    start = chunk == NULL ? 0 : (chunk->used + align - 1) / align * align;
    if (chunk == NULL || start > chunk->len || len > chunk->len - start) {
        size_t chunk_len = chunk == NULL ? CHUNK_LEN_MIN : chunk->len;

        chunk_len = chunk_len > CHUNK_LEN_MAX / 2 ? CHUNK_LEN_MAX : chunk_len * 2;
        chunk_len = chunk_len < len ? len : chunk_len;
        if (chunk_len > SIZE_MAX - sizeof *chunk) {
            return NULL;
        }
        chunk = ks_calloc(1, sizeof *chunk + chunk_len);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->len = chunk_len;
        chunk->next = doc->chunks;
        doc->chunks = chunk;
        start = 0;
    }
    chunk->used = start + len;
    return chunk->data + start;
}

void ks_json_doc_free(struct ks_json_doc *doc)
{
    if (doc == NULL) {
        return;
    }
    while (doc->chunks != NULL) {
        struct chunk *next = doc->chunks->next;

        if (doc->secret) {
            ks_wipe(doc->chunks->data, doc->chunks->used);
        }
        ks_free(doc->chunks);
        doc->chunks = next;
    }
    ks_free(doc);
}

static enum ks_err fail_nomem(const struct parser *parser)
{
    return ks_fail(KS_ERR_NOMEM, "no memory for %zu bytes of JSON", parser->text.len);
}

/* --- errors ------------------------------------------------------------------------------- */

/* Puts line and column (in characters, from 1) of byte AT in front of the stored detail. */
static enum ks_err place(struct ks_bytes text, size_t at, enum ks_err err)
{
    size_t line = 1;
    size_t column = 1;

    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.data[i] == '\n') {
            line++;
            column = 1;
        } else if ((text.data[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return ks_fail_prefix(err, "line %zu, column %zu", line, column);
}

static enum ks_err refuse(const struct parser *parser, size_t at, const char *what)
{
    return place(parser->text, at, ks_fail(KS_ERR_FORMAT, "%s", what));
}

static enum ks_err refuse_limit(const struct parser *parser, const char *what, size_t max)
{
    return place(parser->text, parser->at, ks_fail(KS_ERR_LIMIT, "%s, limit %zu", what, max));
}

/* --- tokens ------------------------------------------------------------------------------- */

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct parser *parser)
{
    return parser->at < parser->text.len ? parser->text.data[parser->at] : -1;
}

static void skip_space(struct parser *parser)
{
    int byte = peek(parser);

    while (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
        parser->at++;
        byte = peek(parser);
    }
}

static bool skip_byte(struct parser *parser, char wanted)
{
    if (peek(parser) != wanted) {
        return false;
    }
    parser->at++;
    return true;
}

/* Steps over digits; false if there is none. */
static bool skip_digits(struct parser *parser)
{
    const size_t start = parser->at;

    while (peek(parser) >= '0' && peek(parser) <= '9') {
        parser->at++;
    }
    return parser->at > start;
}

/* RFC 8259 section 6. */
static bool skip_number(struct parser *parser, bool *out_integer)
{
    *out_integer = true;
    (void)skip_byte(parser, '-');
    if (!skip_byte(parser, '0') && !skip_digits(parser)) {
        return false;
    }
    if (skip_byte(parser, '.')) {
        *out_integer = false;
        if (!skip_digits(parser)) {
            return false;
        }
    }
    if (skip_byte(parser, 'e') || skip_byte(parser, 'E')) {
        *out_integer = false;
        if (!skip_byte(parser, '+')) {
            (void)skip_byte(parser, '-');
        }
        return skip_digits(parser);
    }
    return true;
}

/* An integer above 2^53 - 1 need not be what its writer meant. What is written in another way
 * but has the canonical form of such an integer is refused as well, or the canonical text could
 * not be read. */
static bool is_exact(double number, bool integer)
{
    const double magnitude = fabs(number);

    return magnitude <= (double)KS_JSON_INTEGER_MAX || (!integer && magnitude >= 1e21);
}

static enum ks_err parse_number(struct parser *parser, struct ks_json *out_value)
{
    const size_t start = parser->at;
    bool integer = false;
    char *copy = NULL;
    size_t len = 0;
    double number = 0;

    if (!skip_number(parser, &integer)) {
        return refuse(parser, parser->at, "expected a digit");
    }
    len = parser->at - start;
    if (len > NUMBER_LEN_MAX) {
        return refuse_limit(parser, "number too long", NUMBER_LEN_MAX);
    }
    copy = doc_alloc(parser->doc, len + 1, 1, 1);
    if (copy == NULL) {
        return fail_nomem(parser);
    }
    ks_copy(copy, parser->text.data + start, len);
    number = strtod(copy, NULL); /* locale "C": see number.c */
    if (!isfinite(number)) {
        return refuse(parser, start, "number beyond the range of a double");
    }
    if (!is_exact(number, integer)) {
        return refuse(parser, start, "integer beyond 2^53 - 1; write it as a string");
    }
    out_value->type = KS_JSON_NUMBER;
    out_value->text = ks_bytes_of(copy, len);
    out_value->number = number;
    return KS_OK;
}

/* Four hexadecimal digits of RAW at AT, or -1. */
static int hex4(struct ks_bytes raw, size_t at)
{
    int value = 0;

    if (at > raw.len || raw.len - at < 4) {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        const uint8_t byte = raw.data[at + i];

        if (byte >= '0' && byte <= '9') {
            value = value * 16 + byte - '0';
        } else if ((byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F')) {
            value = value * 16 + (byte | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
    }
    return value;
}

/* Writes CODE as UTF-8 and returns its length; at most 4 bytes, never more than its escape
 * had. */
static size_t put_utf8(uint32_t code, uint8_t *target)
{
    if (code < 0x80) {
        target[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        target[0] = (uint8_t)(0xc0 | code >> 6);
        target[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        target[0] = (uint8_t)(0xe0 | code >> 12);
        target[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        target[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    target[0] = (uint8_t)(0xf0 | code >> 18);
    target[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    target[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    target[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* Decodes the \u escape at AT of RAW, both halves of a pair. Returns what is wrong, or NULL. */
static const char *decode_unicode(struct ks_bytes raw, size_t at, size_t *out_len,
                                  uint32_t *out_code)
{
    const int high = hex4(raw, at + 2);
    int low = 0;

    if (high < 0) {
        return "expected four hexadecimal digits after \\u";
    }
    if (high == 0) {
        return "NUL in a string";
    }
    if (high < 0xd800 || high > 0xdfff) {
        *out_len = 6;
        *out_code = (uint32_t)high;
        return NULL;
    }
    if (high <= 0xdbff && raw.len - at >= 12 && raw.data[at + 6] == '\\' &&
        raw.data[at + 7] == 'u') {
        low = hex4(raw, at + 8);
    }
    if (low < 0xdc00 || low > 0xdfff) {
        return "half of a surrogate pair";
    }
    *out_len = 12;
    *out_code = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return NULL;
}

/* Decodes RAW, which stands at offset START of the text, to TARGET. */
static enum ks_err decode_string(const struct parser *parser, size_t start, struct ks_bytes raw,
                                 uint8_t *target, size_t *out_len)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    size_t len = 0;
    size_t at = 0;

    while (at < raw.len) {
        const char *escape = NULL;

        if (raw.data[at] != '\\') {
            target[len++] = raw.data[at++];
            continue;
        }
        /* A backslash is never the last byte of RAW: it would have hidden the quote. */
        if (raw.data[at + 1] == 'u') {
            size_t escape_len = 0;
            uint32_t code = 0;
            const char *wrong = decode_unicode(raw, at, &escape_len, &code);

            if (wrong != NULL) {
                return refuse(parser, start + at, wrong);
            }
            len += put_utf8(code, target + len);
            at += escape_len;
            continue;
        }
        escape = memchr(escapes, raw.data[at + 1], sizeof escapes - 1);
        if (escape == NULL) {
            return refuse(parser, start + at, "unknown escape");
        }
        target[len++] = (uint8_t)meanings[escape - escapes];
        at += 2;
    }
    *out_len = len;
    return KS_OK;
}

/* The cursor stands on the opening quote. */
static enum ks_err parse_string(struct parser *parser, struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    const size_t start = parser->at + 1;
    const struct ks_bytes text = parser->text;
    struct ks_bytes raw = {NULL, 0};
    size_t end = start;
    uint8_t *decoded = NULL;
    size_t len = 0;

    while (end < text.len && text.data[end] != '"') {
        if (text.data[end] < 0x20) {
            return refuse(parser, end, "control character in a string");
        }
        end += text.data[end] == '\\' ? 2 : 1;
    }
    if (end >= text.len) {
        return refuse(parser, parser->at, "string without its end");
    }
    raw = ks_bytes_of(text.data + start, end - start);
    if (!ks_utf8_valid(raw)) {
        return refuse(parser, parser->at, "string that is not UTF-8");
    }
    decoded = doc_alloc(parser->doc, raw.len + 1, 1, 1); /* decoding never lengthens */
    if (decoded == NULL) {
        return fail_nomem(parser);
    }
    KS_TRY(decode_string(parser, start, raw, decoded, &len));
    parser->at = end + 1;
    *out_text = ks_bytes_of(decoded, len);
out:
    return err;
}

static enum ks_err parse_literal(struct parser *parser, struct ks_json *out_value)
{
    static const struct {
        const char *text;
        enum ks_json_type type;
        bool truth;
    } literals[] = {
        {"null", KS_JSON_NULL, false},
        {"true", KS_JSON_BOOL, true},
        {"false", KS_JSON_BOOL, false},
    };

    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        const size_t len = strlen(literals[i].text);
        const size_t left = parser->text.len - parser->at;

        if (len <= left &&
            ks_bytes_is(ks_bytes_of(parser->text.data + parser->at, len), literals[i].text)) {
            parser->at += len;
            out_value->type = literals[i].type;
            out_value->truth = literals[i].truth;
            return KS_OK;
        }
    }
    return refuse(parser, parser->at, "expected a value");
}

/* --- objects ------------------------------------------------------------------------------ */

int ks_json_key_compare(struct ks_bytes a, struct ks_bytes b)
{
    const size_t len = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < len; i++) {
        if (a.data[i] != b.data[i]) {
            return ks_json_key_rank(a.data[i]) < ks_json_key_rank(b.data[i]) ? -1 : 1;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_items(const struct ks_json *items, uint32_t a, uint32_t b)
{
    return ks_json_key_compare(items[a].key, items[b].key);
}

static void sift_down(const struct ks_json *items, uint32_t *order, size_t root, size_t count)
{
    while (2 * root + 1 < count) {
        size_t child = 2 * root + 1;
        uint32_t swap = 0;

        if (child + 1 < count && compare_items(items, order[child], order[child + 1]) < 0) {
            child++;
        }
        if (compare_items(items, order[root], order[child]) >= 0) {
            return;
        }
        swap = order[root];
        order[root] = order[child];
        order[child] = swap;
        root = child;
    }
}

/* Heap sort: no memory, no recursion, and no input that makes it slow. */
static void sort_items(const struct ks_json *items, uint32_t *order, size_t count)
{
    for (size_t root = count / 2; root > 0; root--) {
        sift_down(items, order, root - 1, count);
    }
    for (size_t last = count; last > 1; last--) {
        const uint32_t largest = order[0];

        order[0] = order[last - 1];
        order[last - 1] = largest;
        sift_down(items, order, 0, last - 1);
    }
}

/* Sorts the members of OBJECT by key, which brings equal keys together. */
static enum ks_err order_members(struct parser *parser, struct ks_json *object)
{
    const struct ks_json *items = object->items;
    uint32_t *order = doc_alloc(parser->doc, object->count, sizeof *order, alignof(uint32_t));
    bool sorted = true;

    if (order == NULL) {
        return fail_nomem(parser);
    }
    for (size_t i = 0; i < object->count; i++) {
        order[i] = (uint32_t)i; /* ks_json_parse bounds the nodes */
        sorted = sorted && (i == 0 || ks_json_key_compare(items[i - 1].key, items[i].key) < 0);
    }
    if (!sorted) {
        sort_items(items, order, object->count);
    }
    for (size_t i = 1; i < object->count; i++) {
        if (compare_items(items, order[i - 1], order[i]) == 0) {
            const uint32_t later = order[i - 1] > order[i] ? order[i - 1] : order[i];

            return place(parser->text, items[later].key_offset,
                         ks_fail(KS_ERR_FORMAT, "duplicate key '%.*s'", QUOTED_MAX,
                                 (const char *)items[later].key.data));
        }
    }
    object->order = order;
    return KS_OK;
}

/* --- the parser --------------------------------------------------------------------------- */

/* A value is complete: it waits for its container to close. */
static enum ks_err push(struct parser *parser, const struct ks_json *value)
{
    if (parser->pending_count == parser->pending_cap) {
        const size_t cap = parser->pending_cap == 0 ? PENDING_MIN : 2 * parser->pending_cap;
        struct ks_json *pending = ks_realloc(parser->pending, cap, sizeof *pending);

        if (pending == NULL) {
            return fail_nomem(parser);
        }
        parser->pending = pending;
        parser->pending_cap = cap;
    }
    parser->pending[parser->pending_count] = *value;
    if (parser->depth > 0 && parser->frames[parser->depth - 1].is_object) {
        const struct frame *frame = &parser->frames[parser->depth - 1];

        parser->pending[parser->pending_count].key = frame->key;
        parser->pending[parser->pending_count].key_offset = frame->key_offset;
    }
    parser->pending_count++;
    return KS_OK;
}

static enum ks_err open_container(struct parser *parser)
{
    if (parser->depth == KS_JSON_DEPTH_MAX) {
        return refuse_limit(parser, "nested too deep", KS_JSON_DEPTH_MAX);
    }
    parser->frames[parser->depth] = (struct frame){
        .is_object = peek(parser) == '{',
        .first = parser->pending_count,
    };
    parser->depth++;
    parser->at++;
    return KS_OK;
}

/* The cursor is behind the closing bracket. */
static enum ks_err close_container(struct parser *parser)
{
    enum ks_err err = KS_OK;
    const struct frame *frame = &parser->frames[parser->depth - 1];
    const size_t count = parser->pending_count - frame->first;
    struct ks_json value = {.type = frame->is_object ? KS_JSON_OBJECT : KS_JSON_ARRAY};
    struct ks_json *items = NULL;

    items = doc_alloc(parser->doc, count, sizeof *items, alignof(struct ks_json));
    if (items == NULL) {
        return fail_nomem(parser);
    }
    if (count > 0) {
        ks_copy(items, &parser->pending[frame->first], count * sizeof *items);
    }
    value.items = items;
    value.count = count;
    if (frame->is_object) {
        KS_TRY(order_members(parser, &value));
    }
    parser->pending_count = frame->first;
    parser->depth--;
    KS_TRY(push(parser, &value));
out:
    return err;
}

static enum ks_err parse_key(struct parser *parser)
{
    enum ks_err err = KS_OK;
    struct frame *frame = &parser->frames[parser->depth - 1];

    skip_space(parser);
    frame->key_offset = parser->at;
    if (peek(parser) != '"') {
        return refuse(parser, parser->at, "expected a key in quotes");
    }
    KS_TRY(parse_string(parser, &frame->key));
    skip_space(parser);
    if (!skip_byte(parser, ':')) {
        return refuse(parser, parser->at, "expected ':'");
    }
out:
    return err;
}

static enum ks_err parse_scalar(struct parser *parser)
{
    enum ks_err err = KS_OK;
    struct ks_json value = {.type = KS_JSON_NULL};
    const int byte = peek(parser);

    if (byte == '"') {
        value.type = KS_JSON_STRING;
        KS_TRY(parse_string(parser, &value.text));
    } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
        KS_TRY(parse_number(parser, &value));
    } else {
        KS_TRY(parse_literal(parser, &value));
    }
    KS_TRY(push(parser, &value));
out:
    return err;
}

/* One value, or the opening of one. OUT_COMPLETE tells whether it has ended; otherwise the
 * cursor stands before the container's first value. */
static enum ks_err begin_value(struct parser *parser, bool *out_complete)
{
    enum ks_err err = KS_OK;
    int byte = 0;

    skip_space(parser);
    if (parser->nodes == parser->nodes_max) {
        return refuse_limit(parser, "too many values", parser->nodes_max);
    }
    parser->nodes++;
    byte = peek(parser);
    *out_complete = true;
    if (byte != '{' && byte != '[') {
        return parse_scalar(parser);
    }
    KS_TRY(open_container(parser));
    skip_space(parser);
    if (skip_byte(parser, byte == '{' ? '}' : ']')) {
        return close_container(parser);
    }
    *out_complete = false;
    if (byte == '{') {
        KS_TRY(parse_key(parser));
    }
out:
    return err;
}

/* Behind a value inside a container: ',' and then perhaps a key, or the closing bracket.
 * OUT_NEXT tells whether another value follows. */
static enum ks_err after_value(struct parser *parser, bool *out_next)
{
    const bool is_object = parser->frames[parser->depth - 1].is_object;

    skip_space(parser);
    *out_next = skip_byte(parser, ',');
    if (*out_next) {
        return is_object ? parse_key(parser) : KS_OK;
    }
    if (!skip_byte(parser, is_object ? '}' : ']')) {
        return refuse(parser, parser->at,
                      is_object ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    return close_container(parser);
}

static enum ks_err parse_document(struct parser *parser)
{
    enum ks_err err = KS_OK;
    bool complete = false;

    do {
        bool next = false;

        KS_TRY(begin_value(parser, &complete));
        while (complete && parser->depth > 0 && !next) {
            KS_TRY(after_value(parser, &next));
        }
    } while (parser->depth > 0);
    skip_space(parser);
    if (parser->at < parser->text.len) {
        return refuse(parser, parser->at, "bytes behind the value");
    }
out:
    return err;
}

enum ks_err ks_json_parse(struct ks_bytes text, const struct ks_json_limits *limits,
                          struct ks_json_doc **out_doc)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct parser parser = {
        .text = text,
        .nodes_max = limits->nodes_max < UINT32_MAX ? limits->nodes_max : UINT32_MAX,
    };

    KS_CHECK(text.len <= limits->len_max, KS_ERR_LIMIT, "%zu bytes of JSON, limit %zu",
             text.len, limits->len_max);
    doc = ks_calloc(1, sizeof *doc);
    KS_CHECK(doc != NULL, KS_ERR_NOMEM, "no memory for a JSON document");
    doc->secret = limits->secret;
    parser.doc = doc;
    KS_TRY(parse_document(&parser));
    doc->root = parser.pending[0];
    *out_doc = doc;
    doc = NULL; /* moved */
out:
    ks_free(parser.pending);
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_json_parse_canonical(struct ks_bytes text, const struct ks_json_limits *limits,
                                    struct ks_json_doc **out_doc)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_buf canonical;
    size_t at = 0;

    ks_buf_init(&canonical, text.len); /* were it longer, it would differ */
    KS_TRY(ks_json_parse(text, limits, &doc));
    ks_json_canonical(ks_json_root(doc), &canonical);
    KS_CHECK(canonical.err != KS_ERR_NOMEM, KS_ERR_NOMEM, "no memory for %zu bytes of JSON",
             text.len);
    if (canonical.err != KS_OK || !ks_bytes_equal(ks_buf_view(&canonical), text)) {
        while (at < canonical.len && at < text.len && canonical.data[at] == text.data[at]) {
            at++;
        }
        KS_TRY(place(text, at, ks_fail(KS_ERR_FORMAT, "not in canonical form (RFC 8785)")));
    }
    *out_doc = doc;
    doc = NULL; /* moved */
out:
    ks_json_doc_free(doc);
    ks_buf_done(&canonical);
    return err;
}

/* --- reading ------------------------------------------------------------------------------ */

const struct ks_json *ks_json_root(const struct ks_json_doc *doc)
{
    return &doc->root;
}

enum ks_json_type ks_json_type(const struct ks_json *value)
{
    return value->type;
}

size_t ks_json_count(const struct ks_json *value)
{
    return value->type == KS_JSON_ARRAY || value->type == KS_JSON_OBJECT ? value->count : 0;
}

const struct ks_json *ks_json_at(const struct ks_json *value, size_t index)
{
    KS_ASSERT(index < ks_json_count(value));
    return &value->items[index];
}

struct ks_bytes ks_json_key_at(const struct ks_json *object, size_t index)
{
    KS_ASSERT(object->type == KS_JSON_OBJECT && index < object->count);
    return object->items[index].key;
}

const struct ks_json *ks_json_find(const struct ks_json *value, const char *name)
{
    const struct ks_bytes key = ks_bytes_text(name);
    size_t low = 0;
    size_t high = value->type == KS_JSON_OBJECT ? value->count : 0;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct ks_json *item = &value->items[value->order[middle]];
        const int order = ks_json_key_compare(key, item->key);

        if (order == 0) {
            return item;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

struct ks_bytes ks_json_number_text(const struct ks_json *value)
{
    return value->type == KS_JSON_NUMBER ? value->text : ks_bytes_of(NULL, 0);
}

static enum ks_err check_type(const struct ks_json *value, enum ks_json_type type)
{
    static const char *const names[] = {"null",     "true or false", "a number",
                                        "a string", "an array",      "an object"};

    if (value->type != type) {
        return ks_fail(KS_ERR_FORMAT, "expected %s", names[type]);
    }
    return KS_OK;
}

static enum ks_err find_member(const struct ks_json *object, const char *name,
                               const struct ks_json **out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(check_type(object, KS_JSON_OBJECT));
    value = ks_json_find(object, name);
    KS_CHECK(value != NULL, KS_ERR_FORMAT, "missing");
    *out_value = value;
out:
    return err;
}

enum ks_err ks_json_get(const struct ks_json *object, const char *name, enum ks_json_type type,
                        const struct ks_json **out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(find_member(object, name, &value));
    KS_TRY(check_type(value, type));
    *out_value = value;
out:
    return ks_fail_prefix(err, "'%s'", name);
}

enum ks_err ks_json_get_string(const struct ks_json *object, const char *name,
                               struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_STRING, &value));
    /* ks_fail_prefix() returns its code, which the analyzer cannot see.
     * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    *out_text = value->text;
out:
    return err;
}

enum ks_err ks_json_get_u64(const struct ks_json *object, const char *name, uint64_t max,
                            uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(find_member(object, name, &value));
    KS_TRY(ks_json_u64(value, max, out_value));
out:
    return ks_fail_prefix(err, "'%s'", name);
}

enum ks_err ks_json_get_bool(const struct ks_json *object, const char *name, bool *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_BOOL, &value));
    /* ks_fail_prefix() returns its code, which the analyzer cannot see.
     * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    *out_value = value->truth;
out:
    return err;
}

enum ks_err ks_json_get_hex(const struct ks_json *object, const char *name, uint8_t *target,
                            size_t len)
{
    struct ks_bytes text = {NULL, 0};
    const enum ks_err err = ks_json_get_string(object, name, &text);

    if (err != KS_OK) {
        return err;
    }
    return ks_fail_prefix(ks_hex_decode(text, target, len), "'%s'", name);
}

enum ks_err ks_json_get_base64(const struct ks_json *object, const char *name,
                               struct ks_buf *out)
{
    struct ks_bytes text = {NULL, 0};
    const enum ks_err err = ks_json_get_string(object, name, &text);

    if (err != KS_OK) {
        return err;
    }
    return ks_fail_prefix(ks_base64_decode(text, out), "'%s'", name);
}

enum ks_err ks_json_get_base64_exact(const struct ks_json *object, const char *name,
                                     uint8_t *target, size_t len)
{
    struct ks_bytes text = {NULL, 0};
    const enum ks_err err = ks_json_get_string(object, name, &text);

    if (err != KS_OK) {
        return err;
    }
    return ks_fail_prefix(ks_base64_decode_exact(text, target, len), "'%s'", name);
}

enum ks_err ks_json_string(const struct ks_json *value, struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_type(value, KS_JSON_STRING));
    *out_text = value->text;
out:
    return err;
}

enum ks_err ks_json_u64(const struct ks_json *value, uint64_t max, uint64_t *out_value)
{
    enum ks_err err = KS_OK;

    KS_CHECK(value->type == KS_JSON_NUMBER, KS_ERR_FORMAT, "expected an integer");
    err = ks_text_u64(value->text, max, out_value);
    KS_CHECK(err == KS_OK, err, "expected an integer from 0 to %llu", (unsigned long long)max);
out:
    return err;
}

enum ks_err ks_json_double(const struct ks_json *value, double *out_value)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_type(value, KS_JSON_NUMBER));
    *out_value = value->number;
out:
    return err;
}

enum ks_err ks_json_only(const struct ks_json *object, const char *const *names)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_type(object, KS_JSON_OBJECT));
    for (size_t i = 0; i < object->count; i++) {
        size_t at = 0;

        while (names[at] != NULL && !ks_bytes_is(object->items[i].key, names[at])) {
            at++;
        }
        KS_CHECK(names[at] != NULL, KS_ERR_FORMAT, "unknown member '%.*s'", QUOTED_MAX,
                 (const char *)object->items[i].key.data);
    }
out:
    return err;
}
