/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/pyjson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NONE         UINT32_MAX
#define DECPT_MIN    (-4) /* float.__repr__ writes an exponent at and below this, … */
#define DECPT_MAX    16   /* … and above this */
#define NUMBER_CHARS 32   /* the longest repr of a float, and more */

struct ks_pyjson {
    enum ks_pyjson_type type;
    uint32_t next;  /* of the same array or object, or NONE */
    uint32_t first; /* element or member, or NONE; members are sorted, each name once */
    size_t key;     /* offset in the texts, of a member */
    size_t key_len;
    size_t text; /* offset: of a string or number */
    size_t text_len;
    const struct ks_pyjson_doc *doc;
};

struct ks_pyjson_doc {
    struct ks_pyjson *nodes;
    uint32_t count;
    uint32_t cap;
    struct ks_buf texts; /* decoded strings, normalised numbers */
};

/* An array or object that is being read. */
struct level {
    uint32_t index;
    uint32_t last; /* the child read last, or NONE */
    uint32_t count;
    bool object;
};

struct parser {
    struct ks_pyjson_doc *doc;
    struct ks_bytes text;
    size_t at;
    unsigned depth;
    struct level levels[KS_PYJSON_DEPTH_MAX];
};

static struct ks_bytes text_at(const struct ks_pyjson_doc *doc, size_t offset, size_t len)
{
    return len == 0 ? (struct ks_bytes){0} : ks_bytes_of(doc->texts.data + offset, len);
}

/* --- errors ------------------------------------------------------------------------------- */

static enum ks_err fail_at(const struct parser *parser, enum ks_err err, const char *what)
{
    unsigned long line = 1;
    unsigned long column = 1;

    for (size_t i = 0; i < parser->at && i < parser->text.len; i++) {
        column++;
        if (parser->text.data[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return ks_fail(err, "%lu:%lu: %s", line, column, what);
}

/* --- bytes -------------------------------------------------------------------------------- */

static int peek(const struct parser *parser)
{
    return parser->at < parser->text.len ? parser->text.data[parser->at] : -1;
}

static void skip_space(struct parser *parser)
{
    int c = peek(parser);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        parser->at++;
        c = peek(parser);
    }
}

static bool take_word(struct parser *parser, const char *word)
{
    const size_t len = strlen(word);

    if (parser->text.len - parser->at < len ||
        !ks_bytes_is(ks_bytes_of(parser->text.data + parser->at, len), word)) {
        return false;
    }
    parser->at += len;
    return true;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static size_t take_digits(struct parser *parser)
{
    const size_t start = parser->at;

    while (is_digit(peek(parser))) {
        parser->at++;
    }
    return parser->at - start;
}

/* --- numbers ------------------------------------------------------------------------------ */

/* float.__repr__: the shortest digits that read back, fixed or with an exponent. */
static void put_float(double value, struct ks_buf *out)
{
    char digits[KS_DOUBLE_DIGITS_MAX + 1];
    int count = 0;
    int point = 0; /* value = 0.DIGITS * 10^point */

    if (isnan(value)) {
        ks_buf_put_text(out, "NaN");
        return;
    }
    ks_buf_put_text(out, signbit(value) ? "-" : "");
    value = fabs(value);
    if (isinf(value) || value <= 0) {
        ks_buf_put_text(out, isinf(value) ? "Infinity" : "0.0");
        return;
    }
    count = (int)ks_double_digits(value, digits, &point);
    if (point <= DECPT_MIN || point > DECPT_MAX) {
        ks_buf_put_format(out, "%c%s%se%+03d", digits[0], count > 1 ? "." : "", digits + 1,
                          point - 1);
    } else if (point <= 0) {
        ks_buf_put_format(out, "0.%.*s%s", -point, "000", digits);
    } else if (count <= point) {
        ks_buf_put_format(out, "%s%.*s.0", digits, point - count, "000000000000000");
    } else {
        ks_buf_put_format(out, "%.*s.%s", point, digits, digits + point);
    }
}

static enum ks_err read_number(struct parser *parser, struct ks_pyjson *value)
{
    enum ks_err err = KS_OK;
    const size_t start = parser->at;
    struct ks_buf *out = &parser->doc->texts;
    char *copy = NULL;
    bool whole = true;
    size_t digits = 0;

    value->type = KS_PYJSON_NUMBER;
    value->text = out->len;
    parser->at += peek(parser) == '-' ? 1 : 0;
    if (peek(parser) == '0') {
        parser->at++;
        digits = 1;
    } else {
        digits = take_digits(parser);
    }
    KS_TRY(digits > 0 ? KS_OK : fail_at(parser, KS_ERR_FORMAT, "expected a value"));
    KS_TRY(digits <= KS_PYJSON_DIGITS_MAX
               ? KS_OK
               : fail_at(parser, KS_ERR_LIMIT, "an integer of more than 4300 digits"));
    if (peek(parser) == '.') {
        parser->at++;
        KS_TRY(take_digits(parser) > 0 ? KS_OK
                                       : fail_at(parser, KS_ERR_FORMAT, "digits expected"));
        whole = false;
    }
    if (peek(parser) == 'e' || peek(parser) == 'E') {
        parser->at++;
        parser->at += peek(parser) == '+' || peek(parser) == '-' ? 1 : 0;
        KS_TRY(take_digits(parser) > 0 ? KS_OK
                                       : fail_at(parser, KS_ERR_FORMAT, "digits expected"));
        whole = false;
    }
    if (whole) {
        const struct ks_bytes token =
            ks_bytes_of(parser->text.data + start, parser->at - start);

        ks_buf_put(out, ks_bytes_is(token, "-0") ? KS_LITERAL("0") : token);
    } else {
        uint8_t *token = NULL;

        KS_TRY(
            ks_bytes_dup(ks_bytes_of(parser->text.data + start, parser->at - start), &token));
        copy = (char *)token;
        put_float(strtod(copy, NULL), out);
    }
    value->text_len = out->len - value->text;
out:
    ks_free(copy);
    return err;
}

/* --- strings ------------------------------------------------------------------------------ */

static enum ks_err read_hex4(struct parser *parser, uint32_t *out_unit)
{
    uint32_t unit = 0;

    for (unsigned i = 0; i < 4; i++) {
        const int c = peek(parser);

        if (is_digit(c)) {
            unit = unit << 4 | (uint32_t)(c - '0');
        } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
            unit = unit << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return fail_at(parser, KS_ERR_FORMAT, "\\u wants four hexadecimal digits");
        }
        parser->at++;
    }
    *out_unit = unit;
    return KS_OK;
}

static bool is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

static void put_code_point(uint32_t point, struct ks_buf *out)
{
    if (point < 0x80) {
        ks_buf_put_u8(out, (uint8_t)point);
    } else if (point < 0x800) {
        ks_buf_put_u8(out, (uint8_t)(0xc0 | point >> 6));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else if (point < 0x10000) {
        ks_buf_put_u8(out, (uint8_t)(0xe0 | point >> 12));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else {
        ks_buf_put_u8(out, (uint8_t)(0xf0 | point >> 18));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        ks_buf_put_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    }
}

/* After "\u". A pair of escaped surrogates is one character, a lone one stays what it is. */
static enum ks_err read_unit(struct parser *parser, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint32_t unit = 0;

    KS_TRY(read_hex4(parser, &unit));
    if (is_high(unit) && parser->text.len - parser->at >= 6 &&
        parser->text.data[parser->at] == '\\' && parser->text.data[parser->at + 1] == 'u') {
        const size_t back = parser->at;
        uint32_t low = 0;

        parser->at += 2;
        KS_TRY(read_hex4(parser, &low));
        if (is_low(low)) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        } else {
            parser->at = back;
        }
    }
    put_code_point(unit, out);
out:
    return err;
}

static enum ks_err read_escape(struct parser *parser, struct ks_buf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const int c = peek(parser);
    const char *found = c > 0 ? strchr(from, c) : NULL;

    if (c == 'u') {
        parser->at++;
        return read_unit(parser, out);
    }
    if (found == NULL) {
        return fail_at(parser, KS_ERR_FORMAT, "unknown escape");
    }
    parser->at++;
    ks_buf_put_u8(out, (uint8_t)to[found - from]);
    return KS_OK;
}

static enum ks_err read_string(struct parser *parser, size_t *out_offset, size_t *out_len)
{
    enum ks_err err = KS_OK;
    struct ks_buf *out = &parser->doc->texts;
    const size_t offset = out->len;

    KS_TRY(peek(parser) == '"' ? KS_OK : fail_at(parser, KS_ERR_FORMAT, "expected a string"));
    parser->at++;
    while (peek(parser) != '"') {
        const size_t start = parser->at;
        int c = peek(parser);

        while (c >= 0x20 && c != '"' && c != '\\') {
            parser->at++;
            c = peek(parser);
        }
        ks_buf_put(out, ks_bytes_of(parser->text.data + start, parser->at - start));
        if (c == '\\') {
            parser->at++;
            KS_TRY(read_escape(parser, out));
        } else if (c != '"') {
            KS_TRY(
                fail_at(parser, KS_ERR_FORMAT,
                        c < 0 ? "the string does not end" : "control character in a string"));
        }
    }
    parser->at++;
    *out_offset = offset;
    *out_len = out->len - offset;
out:
    return err;
}

/* --- values ------------------------------------------------------------------------------- */

static enum ks_err add_node(struct parser *parser, uint32_t *out_index)
{
    struct ks_pyjson_doc *doc = parser->doc;

    if (doc->count == doc->cap) {
        const uint32_t cap = doc->cap == 0 ? 64 : 2 * doc->cap;
        struct ks_pyjson *nodes = NULL;

        if (doc->count >= KS_PYJSON_NODES_MAX) {
            return fail_at(parser, KS_ERR_LIMIT, "too many values");
        }
        nodes = ks_realloc(doc->nodes, cap, sizeof *nodes);
        if (nodes == NULL) {
            return ks_fail(KS_ERR_NOMEM, "values");
        }
        doc->nodes = nodes;
        doc->cap = cap;
    }
    doc->nodes[doc->count] = (struct ks_pyjson){.next = NONE, .first = NONE, .doc = doc};
    *out_index = doc->count++;
    return KS_OK;
}

struct member {
    struct ks_bytes key;
    uint32_t index;
};

/* By name; of one name in the order of the text, which that of the nodes is. */
static int compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    const int order = ks_bytes_compare(a->key, b->key);

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* Code points sort like the bytes of their UTF-8. */
static enum ks_err sort_members(struct ks_pyjson_doc *doc, uint32_t object, uint32_t count)
{
    struct member *members = ks_calloc(count, sizeof *members);
    uint32_t *link = &doc->nodes[object].first;
    uint32_t index = *link;

    if (members == NULL) {
        return ks_fail(KS_ERR_NOMEM, "members");
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct ks_pyjson *node = &doc->nodes[index];

        members[i].key = text_at(doc, node->key, node->key_len);
        members[i].index = index;
        index = node->next;
    }
    qsort(members, count, sizeof *members, compare_members);
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && ks_bytes_equal(members[i].key, members[i + 1].key)) {
            continue;
        }
        *link = members[i].index;
        link = &doc->nodes[members[i].index].next;
    }
    *link = NONE;
    ks_free(members);
    return KS_OK;
}

static enum ks_err read_scalar(struct parser *parser, uint32_t index)
{
    static const struct {
        const char *word;
        enum ks_pyjson_type type;
    } words[] = {
        {"null", KS_PYJSON_NULL},       {"true", KS_PYJSON_TRUE},
        {"false", KS_PYJSON_FALSE},     {"NaN", KS_PYJSON_NUMBER},
        {"Infinity", KS_PYJSON_NUMBER}, {"-Infinity", KS_PYJSON_NUMBER},
    };
    struct ks_buf *texts = &parser->doc->texts;
    struct ks_pyjson value = parser->doc->nodes[index];
    enum ks_err err = KS_OK;
    size_t word = 0;

    while (word < sizeof words / sizeof words[0] && !take_word(parser, words[word].word)) {
        word++;
    }
    if (peek(parser) == '"' && word == sizeof words / sizeof words[0]) {
        value.type = KS_PYJSON_STRING;
        KS_TRY(read_string(parser, &value.text, &value.text_len));
    } else if (word == sizeof words / sizeof words[0]) {
        KS_TRY(read_number(parser, &value));
    } else {
        value.type = words[word].type;
        if (value.type == KS_PYJSON_NUMBER) {
            value.text = texts->len;
            value.text_len = strlen(words[word].word);
            ks_buf_put_text(texts, words[word].word);
        }
    }
    parser->doc->nodes[index] = value;
out:
    return err;
}

/* A value that is whole, or the bracket that opens one. */
static enum ks_err read_start(struct parser *parser, uint32_t index)
{
    enum ks_err err = KS_OK;
    bool object = false;

    skip_space(parser);
    object = peek(parser) == '{';
    if (!object && peek(parser) != '[') {
        return read_scalar(parser, index);
    }
    KS_TRY(parser->depth < KS_PYJSON_DEPTH_MAX
               ? KS_OK
               : fail_at(parser, KS_ERR_LIMIT, "nested too deeply"));
    parser->at++;
    parser->doc->nodes[index].type = object ? KS_PYJSON_OBJECT : KS_PYJSON_ARRAY;
    parser->levels[parser->depth++] =
        (struct level){.index = index, .last = NONE, .object = object};
out:
    return err;
}

static enum ks_err read_key(struct parser *parser, uint32_t child)
{
    enum ks_err err = KS_OK;
    size_t key = 0;
    size_t key_len = 0;

    skip_space(parser);
    KS_TRY(read_string(parser, &key, &key_len));
    skip_space(parser);
    KS_TRY(take_word(parser, ":") ? KS_OK : fail_at(parser, KS_ERR_FORMAT, "expected ':'"));
    parser->doc->nodes[child].key = key;
    parser->doc->nodes[child].key_len = key_len;
out:
    return err;
}

/* The next element or member of LEVEL begins. Nodes may move with each one that is added. */
static enum ks_err read_child(struct parser *parser, struct level *level)
{
    enum ks_err err = KS_OK;
    uint32_t child = NONE;

    KS_TRY(add_node(parser, &child));
    KS_TRY(level->object ? read_key(parser, child) : KS_OK);
    if (level->last == NONE) {
        parser->doc->nodes[level->index].first = child;
    } else {
        parser->doc->nodes[level->last].next = child;
    }
    level->last = child;
    level->count++;
    KS_TRY(read_start(parser, child));
out:
    return err;
}

/* What comes next in the innermost array or object: its end, or one more. */
static enum ks_err read_next(struct parser *parser)
{
    enum ks_err err = KS_OK;
    struct level *level = &parser->levels[parser->depth - 1];

    skip_space(parser);
    if (take_word(parser, level->object ? "}" : "]")) {
        parser->depth--;
        return level->object && level->count > 0
                   ? sort_members(parser->doc, level->index, level->count)
                   : KS_OK;
    }
    KS_TRY(level->count == 0 || take_word(parser, ",")
               ? KS_OK
               : fail_at(parser, KS_ERR_FORMAT,
                         level->object ? "expected ',' or '}'" : "expected ',' or ']'"));
    KS_TRY(read_child(parser, level));
out:
    return err;
}

enum ks_err ks_pyjson_parse(struct ks_bytes text, struct ks_pyjson_doc **out_doc)
{
    enum ks_err err = KS_OK;
    struct ks_pyjson_doc *doc = ks_calloc(1, sizeof *doc);
    struct parser parser = {.doc = doc, .text = text};
    uint32_t root = NONE;

    KS_CHECK(doc != NULL, KS_ERR_NOMEM, "JSON");
    /* Decoding never makes a text longer; a number in repr can be: "1e5" is 100000.0. */
    ks_buf_init(&doc->texts, NUMBER_CHARS * (text.len + 1));
    KS_CHECK(ks_utf8_valid(text), KS_ERR_FORMAT, "not UTF-8");
    KS_TRY(add_node(&parser, &root));
    KS_TRY(read_start(&parser, root));
    while (parser.depth > 0) {
        KS_TRY(read_next(&parser));
    }
    skip_space(&parser);
    KS_TRY(parser.at == text.len
               ? KS_OK
               : fail_at(&parser, KS_ERR_FORMAT, "something behind the value"));
    KS_TRY(ks_buf_check(&doc->texts));
    *out_doc = doc;
    doc = NULL;
out:
    ks_pyjson_free(doc);
    return err;
}

void ks_pyjson_free(struct ks_pyjson_doc *doc)
{
    if (doc != NULL) {
        ks_buf_done(&doc->texts);
        ks_free(doc->nodes);
        ks_free(doc);
    }
}

/* --- reading ------------------------------------------------------------------------------ */

const struct ks_pyjson *ks_pyjson_root(const struct ks_pyjson_doc *doc)
{
    return &doc->nodes[0];
}

enum ks_pyjson_type ks_pyjson_type(const struct ks_pyjson *value)
{
    return value->type;
}

struct ks_bytes ks_pyjson_text(const struct ks_pyjson *value)
{
    return text_at(value->doc, value->text, value->text_len);
}

const struct ks_pyjson *ks_pyjson_find(const struct ks_pyjson *value, const char *name)
{
    const struct ks_pyjson_doc *doc = value->doc;
    uint32_t index = value->type == KS_PYJSON_OBJECT ? value->first : NONE;

    for (; index != NONE; index = doc->nodes[index].next) {
        const struct ks_pyjson *node = &doc->nodes[index];

        if (ks_bytes_is(text_at(doc, node->key, node->key_len), name)) {
            return node;
        }
    }
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------ */

/* The code point at *AT of valid UTF-8 that may hold surrogates; *AT goes past it. */
static uint32_t next_code_point(struct ks_bytes text, size_t *at)
{
    const uint8_t lead = text.data[*at];
    const unsigned more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);

    for (unsigned i = 1; i <= more; i++) {
        point = point << 6 | (text.data[*at + i] & 0x3f);
    }
    *at += more + 1;
    return point;
}

static void put_escaped(uint32_t point, bool ascii, struct ks_buf *out)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = point != 0 && point < 0x80 ? strchr(from, (int)point) : NULL;

    if (found != NULL) {
        ks_buf_put_u8(out, '\\');
        ks_buf_put_u8(out, (uint8_t)to[found - from]);
    } else if (point < 0x20 || (ascii && point >= 0x7f && point < 0x10000)) {
        ks_buf_put_format(out, "\\u%04x", point);
    } else if (ascii && point >= 0x10000) {
        ks_buf_put_format(out, "\\u%04x\\u%04x", 0xd800 + ((point - 0x10000) >> 10),
                          0xdc00 + (point & 0x3ff));
    } else {
        put_code_point(point, out);
    }
}

static enum ks_err put_string(struct ks_bytes text, bool ascii, struct ks_buf *out)
{
    ks_buf_put_u8(out, '"');
    for (size_t at = 0; at < text.len;) {
        const uint32_t point = next_code_point(text, &at);

        if (!ascii && (is_high(point) || is_low(point))) {
            return ks_fail(KS_ERR_FORMAT, "a lone surrogate, which has no UTF-8");
        }
        put_escaped(point, ascii, out);
    }
    ks_buf_put_u8(out, '"');
    return KS_OK;
}

struct printer {
    struct ks_pyjson_style style;
    struct ks_buf *out;
    unsigned depth;
    const struct ks_pyjson *open[KS_PYJSON_DEPTH_MAX]; /* arrays and objects */
    uint32_t next[KS_PYJSON_DEPTH_MAX];                /* the child of each that comes next */
};

static void put_line_end(const struct printer *printer)
{
    if (printer->style.indent > 0) {
        ks_buf_put_u8(printer->out, '\n');
        for (unsigned i = 0; i < printer->depth * printer->style.indent; i++) {
            ks_buf_put_u8(printer->out, ' ');
        }
    }
}

/* A value that is whole, or the bracket that opens one. */
static enum ks_err put_start(struct printer *printer, const struct ks_pyjson *value)
{
    static const char *const words[] = {
        [KS_PYJSON_NULL] = "null", [KS_PYJSON_FALSE] = "false", [KS_PYJSON_TRUE] = "true"};

    switch (value->type) {
    case KS_PYJSON_NULL:
    case KS_PYJSON_FALSE:
    case KS_PYJSON_TRUE:
        ks_buf_put_text(printer->out, words[value->type]);
        break;
    case KS_PYJSON_NUMBER:
        ks_buf_put(printer->out, ks_pyjson_text(value));
        break;
    case KS_PYJSON_STRING:
        return put_string(ks_pyjson_text(value), printer->style.ascii, printer->out);
    case KS_PYJSON_ARRAY:
    case KS_PYJSON_OBJECT:
        ks_buf_put_u8(printer->out, value->type == KS_PYJSON_OBJECT ? '{' : '[');
        printer->open[printer->depth] = value;
        printer->next[printer->depth] = value->first;
        printer->depth++;
        break;
    }
    return KS_OK;
}

/* The next child of the innermost array or object, or its end. */
static enum ks_err put_next(struct printer *printer)
{
    enum ks_err err = KS_OK;
    const struct ks_pyjson *value = printer->open[printer->depth - 1];
    const uint32_t index = printer->next[printer->depth - 1];
    const struct ks_pyjson *node = NULL;

    if (index == NONE) {
        printer->depth--;
        if (value->first != NONE) {
            put_line_end(printer);
        }
        ks_buf_put_u8(printer->out, value->type == KS_PYJSON_OBJECT ? '}' : ']');
        return KS_OK;
    }
    node = &value->doc->nodes[index];
    ks_buf_put_text(printer->out, index != value->first ? "," : "");
    put_line_end(printer);
    if (value->type == KS_PYJSON_OBJECT) {
        KS_TRY(put_string(text_at(value->doc, node->key, node->key_len), printer->style.ascii,
                          printer->out));
        ks_buf_put_text(printer->out, printer->style.indent > 0 ? ": " : ":");
    }
    printer->next[printer->depth - 1] = node->next;
    KS_TRY(put_start(printer, node));
out:
    return err;
}

enum ks_err ks_pyjson_put(const struct ks_pyjson *value, struct ks_pyjson_style style,
                          struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct printer printer = {.style = style, .out = out};

    KS_TRY(put_start(&printer, value));
    while (printer.depth > 0) {
        KS_TRY(put_next(&printer));
    }
out:
    return err;
}
