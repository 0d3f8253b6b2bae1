/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/qasm_lex.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

enum char_class { CLASS_BAD, CLASS_SPACE, CLASS_LETTER, CLASS_DIGIT, CLASS_SIGN };

static enum char_class class_of(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
        return CLASS_LETTER;
    }
    if (c >= '0' && c <= '9') {
        return CLASS_DIGIT;
    }
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return CLASS_SPACE;
    case ';':
    case ',':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
    case '+':
    case '-':
    case '*':
    case '/':
    case '^':
    case '=':
    case '.':
    case '"':
        return CLASS_SIGN;
    default:
        return CLASS_BAD;
    }
}

enum ks_err ks_qasm_fail(const char *name, uint32_t line, uint32_t column, enum ks_err code,
                         const char *format, ...)
{
    char what[KS_ERR_DETAIL_MAX];
    va_list args;

    va_start(args, format);
    const int len = vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return ks_fail(code, "%s:%u:%u: %s", name, line, column, len < 0 ? "malformed" : what);
}

struct ks_qasm_lexer ks_qasm_lexer_of(struct ks_bytes source, const char *name)
{
    const bool marked = source.len >= 3 && source.data[0] == 0xef && source.data[1] == 0xbb &&
                        source.data[2] == 0xbf;
    const size_t start = marked ? 3 : 0;

    return (struct ks_qasm_lexer){
        .source = source, .name = name, .at = start, .line_start = start, .line = 1};
}

/* The byte COUNT behind the current one; 0 behind the end. */
static uint8_t ahead(const struct ks_qasm_lexer *lexer, size_t count)
{
    return count < lexer->source.len - lexer->at ? lexer->source.data[lexer->at + count] : 0;
}

/* False in a comment that does not end. */
static bool skip_space(struct ks_qasm_lexer *lexer)
{
    const struct ks_bytes source = lexer->source;
    bool comment = false; /* in one that began with slash and star */

    while (lexer->at < source.len) {
        const uint8_t c = source.data[lexer->at];
        if (c == '\n') {
            lexer->line++;
            lexer->line_start = lexer->at + 1;
        } else if (comment) {
            comment = c != '*' || ahead(lexer, 1) != '/';
            lexer->at += comment ? 0 : 1;
        } else if (lexer->extended && c == '/' && ahead(lexer, 1) == '*') {
            comment = true;
            lexer->at++;
        } else if (c == '/' && ahead(lexer, 1) == '/') {
            while (lexer->at < source.len && source.data[lexer->at] != '\n') {
                lexer->at++;
            }
            continue;
        } else if (class_of(c) != CLASS_SPACE) {
            return true;
        }
        lexer->at++;
    }
    return !comment;
}

static size_t digits_from(struct ks_bytes source, size_t at)
{
    while (at < source.len && class_of(source.data[at]) == CLASS_DIGIT) {
        at++;
    }
    return at;
}

/* Takes 12, 12., .5, 1.5, each with an exponent if there is one; returns where it ends. */
static size_t number_end(struct ks_bytes source, size_t at, bool *out_real)
{
    const size_t start = at;

    *out_real = false;
    at = digits_from(source, at);
    if (at < source.len && source.data[at] == '.') {
        *out_real = true;
        at = digits_from(source, at + 1);
        if (at - start == 1) {
            return start; /* a lone point */
        }
    }
    if (at < source.len && (source.data[at] == 'e' || source.data[at] == 'E')) {
        size_t digits = at + 1;
        if (digits < source.len && (source.data[digits] == '+' || source.data[digits] == '-')) {
            digits++;
        }
        const size_t end = digits_from(source, digits);
        if (end > digits) {
            *out_real = true;
            at = end;
        }
    }
    return at;
}

static size_t word_end(const struct ks_qasm_lexer *lexer, size_t at)
{
    const struct ks_bytes source = lexer->source;

    while (at < source.len && (class_of(source.data[at]) == CLASS_LETTER ||
                               class_of(source.data[at]) == CLASS_DIGIT ||
                               (lexer->extended && source.data[at] >= 0x80))) {
        at++;
    }
    return at;
}

/* Of an OpenQASM 3 integer with a base or with '_' between its digits, else START. */
static size_t literal_end(const struct ks_qasm_lexer *lexer, size_t start)
{
    const struct ks_bytes source = lexer->source;
    const size_t end = word_end(lexer, start);
    bool digits = end > start;

    for (size_t i = start; i < end; i++) {
        digits = digits && (class_of(source.data[i]) == CLASS_DIGIT || source.data[i] == '_');
    }
    const bool based = end - start > 2 && source.data[start] == '0' &&
                       (source.data[start + 1] == 'x' || source.data[start + 1] == 'X' ||
                        source.data[start + 1] == 'b' || source.data[start + 1] == 'B' ||
                        source.data[start + 1] == 'o');
    return based || (digits && (end == source.len || source.data[end] != '.')) ? end : start;
}

static enum ks_err lex_number(struct ks_qasm_lexer *lexer, struct ks_qasm_token *token)
{
    bool real = false;
    size_t end = number_end(lexer->source, lexer->at, &real);

    if (lexer->extended && literal_end(lexer, lexer->at) > end) {
        end = literal_end(lexer, lexer->at);
        real = false;
    }
    if (end == lexer->at) {
        return ks_qasm_fail(lexer->name, token->line, token->column, KS_ERR_FORMAT,
                            "unexpected character '.'");
    }
    if (end - lexer->at > KS_QASM_NUMBER_MAX) {
        return ks_qasm_fail(lexer->name, token->line, token->column, KS_ERR_LIMIT,
                            "a number of more than %d characters", KS_QASM_NUMBER_MAX);
    }
    token->kind = real ? KS_QASM_REAL : KS_QASM_INTEGER;
    token->text.len = end - lexer->at;
    lexer->at = end;
    return KS_OK;
}

static enum ks_err lex_string(struct ks_qasm_lexer *lexer, struct ks_qasm_token *token)
{
    const struct ks_bytes source = lexer->source;
    size_t end = lexer->at + 1;

    while (end < source.len && source.data[end] != '"' && source.data[end] != '\n') {
        end++;
    }
    if (end == source.len || source.data[end] == '\n') {
        return ks_qasm_fail(lexer->name, token->line, token->column, KS_ERR_FORMAT,
                            "a string without its closing '\"'");
    }
    token->kind = KS_QASM_STRING;
    token->text = ks_bytes_of(source.data + lexer->at + 1, end - lexer->at - 1);
    lexer->at = end + 1;
    return KS_OK;
}

static void lex_word(struct ks_qasm_lexer *lexer, struct ks_qasm_token *token)
{
    const size_t end = word_end(lexer, lexer->at + 1);

    token->kind = KS_QASM_WORD;
    token->text.len = end - lexer->at;
    lexer->at = end;
}

/* Signs that belong together in OpenQASM 3; the longer ones first. */
static size_t signs_len(const struct ks_qasm_lexer *lexer)
{
    static const char *const groups[] = {
        "<<=", ">>=", "**=", "**", "++", "!=", "<=", ">=", "&&", "||", "<<",
        ">>",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^=", "~="};

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        size_t len = 0;
        while (groups[i][len] != '\0' && ahead(lexer, len) == (uint8_t)groups[i][len]) {
            len++;
        }
        if (groups[i][len] == '\0') {
            return len;
        }
    }
    return 0;
}

static enum ks_err lex_sign(struct ks_qasm_lexer *lexer, struct ks_qasm_token *token)
{
    const uint8_t c = ahead(lexer, 0);
    const uint8_t second = ahead(lexer, 1);

    if (c == '.') {
        return lex_number(lexer, token);
    }
    if (c == '"') {
        return lex_string(lexer, token);
    }
    if (lexer->extended && signs_len(lexer) > 0) {
        token->kind = KS_QASM_SIGNS;
        token->text.len = signs_len(lexer);
        lexer->at += token->text.len;
        return KS_OK;
    }
    if (c == '=' && second != '=' && !lexer->extended) {
        return ks_qasm_fail(lexer->name, token->line, token->column, KS_ERR_FORMAT,
                            "unexpected '=': a comparison is '=='");
    }
    token->kind = KS_QASM_SIGN;
    token->sign = (char)c;
    token->text.len = 1;
    if ((c == '=' && second == '=') || (c == '-' && second == '>')) {
        token->kind = c == '=' ? KS_QASM_EQUAL : KS_QASM_ARROW;
        token->sign = 0;
        token->text.len = 2;
    }
    lexer->at += token->text.len;
    return KS_OK;
}

static enum char_class class_in(const struct ks_qasm_lexer *lexer, uint8_t c)
{
    if (!lexer->extended || class_of(c) != CLASS_BAD) {
        return class_of(c);
    }
    switch (c) {
    case '<':
    case '>':
    case '!':
    case '~':
    case '%':
    case '&':
    case '|':
    case ':':
    case '@':
        return CLASS_SIGN;
    default:
        return c >= 0x80 ? CLASS_LETTER : CLASS_BAD;
    }
}

static enum ks_err check_word(const struct ks_qasm_lexer *lexer,
                              const struct ks_qasm_token *token)
{
    return ks_utf8_valid(token->text) ? KS_OK
                                      : ks_qasm_fail(lexer->name, token->line, token->column,
                                                     KS_ERR_FORMAT, "a name that is not UTF-8");
}

enum ks_err ks_qasm_next(struct ks_qasm_lexer *lexer, struct ks_qasm_token *out_token)
{
    enum ks_err err = KS_OK;

    const bool closed = skip_space(lexer);
    struct ks_qasm_token token = {.kind = KS_QASM_END,
                                  .text = {lexer->source.data, 0},
                                  .line = lexer->line,
                                  .column = (uint32_t)(lexer->at - lexer->line_start + 1)};
    if (!closed) {
        return ks_qasm_fail(lexer->name, token.line, token.column, KS_ERR_FORMAT,
                            "a comment without its closing '*/'");
    }
    if (lexer->at < lexer->source.len) {
        const uint8_t c = lexer->source.data[lexer->at];
        token.text.data = lexer->source.data + lexer->at;
        switch (class_in(lexer, c)) {
        case CLASS_LETTER:
            lex_word(lexer, &token);
            err = check_word(lexer, &token);
            break;
        case CLASS_DIGIT:
            err = lex_number(lexer, &token);
            break;
        case CLASS_SIGN:
            err = lex_sign(lexer, &token);
            break;
        case CLASS_SPACE: /* skipped above */
        case CLASS_BAD:
            if (c > ' ' && c < 0x7f) {
                err = ks_qasm_fail(lexer->name, token.line, token.column, KS_ERR_FORMAT,
                                   "unexpected character '%c'", c);
            } else {
                err = ks_qasm_fail(lexer->name, token.line, token.column, KS_ERR_FORMAT,
                                   "unexpected byte 0x%02x", c);
            }
            break;
        }
    }
    if (err == KS_OK) {
        *out_token = token;
    }
    return err;
}

/* --- numbers ------------------------------------------------------------------------------ */

bool ks_qasm_integer(struct ks_bytes text, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        const uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (max - digit) / 10 || digit > max) {
            return false;
        }
        value = 10 * value + digit;
    }
    *out_value = value;
    return true;
}

static unsigned digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - (unsigned)'0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - (unsigned)'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - (unsigned)'A' + 10 : 16;
}

bool ks_qasm_literal(struct ks_bytes text, uint64_t *out_value)
{
    const uint8_t mark = text.len > 2 && text.data[0] == '0' ? text.data[1] | 0x20 : 0;
    const unsigned base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    const size_t first = base == 10 ? 0 : 2;
    uint64_t value = 0;

    for (size_t i = first; i < text.len; i++) {
        const unsigned digit = digit_value(text.data[i]);

        if (text.data[i] == '_' && i > first && i + 1 < text.len && text.data[i - 1] != '_') {
            continue;
        }
        if (digit >= base || value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = base * value + digit;
    }
    *out_value = value;
    return text.len > first;
}

bool ks_qasm_wide(struct ks_bytes text, uint64_t *words, size_t count)
{
    ks_zero(words, count * sizeof *words);
    for (size_t i = 0; i < text.len; i++) {
        uint64_t carry = (uint64_t)(text.data[i] - '0');
        for (size_t j = 0; j < count; j++) { /* in halves: 32 bits times 10 fit */
            const uint64_t low = 10 * (words[j] & UINT32_MAX) + carry;
            const uint64_t high = 10 * (words[j] >> 32) + (low >> 32);
            words[j] = high << 32 | (low & UINT32_MAX);
            carry = high >> 32;
        }
        if (carry != 0) {
            return false;
        }
    }
    return true;
}

/* W. Clinger, "How to read floating point numbers accurately" (1990): when the digits fit into
 * 53 bits and the power of ten is exact, one IEEE operation rounds correctly. */
static bool exact_number(struct ks_bytes text, double *out_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t digits = 0;
    int exponent = 0;
    bool point = false;

    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        if (c == '.') {
            point = true;
            continue;
        }
        if (class_of(c) != CLASS_DIGIT) {
            return false; /* an exponent: left to the general way */
        }
        digits = 10 * digits + (uint64_t)(c - '0');
        exponent += point;
        if (digits > UINT64_C(9007199254740992) || exponent > 22) {
            return false;
        }
    }
    *out_value = (double)digits / powers[exponent];
    return true;
}

bool ks_qasm_number(struct ks_bytes text, double *out_value)
{
    char copy[KS_QASM_NUMBER_MAX + 1];

    KS_ASSERT(text.len < sizeof copy);
    if (exact_number(text, out_value)) {
        return true;
    }
    ks_copy(copy, text.data, text.len);
    copy[text.len] = '\0';
    const double value = strtod(copy, NULL); /* correctly rounded; the locale is never set */
    if (!isfinite(value)) {
        return false;
    }
    *out_value = value;
    return true;
}
