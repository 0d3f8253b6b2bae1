/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/qasm_lex.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

static void skip_space(struct ks_qasm_lexer *lexer)
{
    const struct ks_bytes source = lexer->source;

    while (lexer->at < source.len) {
        const uint8_t c = source.data[lexer->at];
        if (c == '\n') {
            lexer->line++;
            lexer->line_start = lexer->at + 1;
        } else if (c == '/' && ahead(lexer, 1) == '/') {
            while (lexer->at < source.len && source.data[lexer->at] != '\n') {
                lexer->at++;
            }
            continue;
        } else if (class_of(c) != CLASS_SPACE) {
            return;
        }
        lexer->at++;
    }
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

static enum ks_err lex_number(struct ks_qasm_lexer *lexer, struct ks_qasm_token *token)
{
    bool real = false;
    const size_t end = number_end(lexer->source, lexer->at, &real);

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
    const struct ks_bytes source = lexer->source;
    size_t end = lexer->at + 1;

    while (end < source.len && (class_of(source.data[end]) == CLASS_LETTER ||
                                class_of(source.data[end]) == CLASS_DIGIT)) {
        end++;
    }
    token->kind = KS_QASM_WORD;
    token->text.len = end - lexer->at;
    lexer->at = end;
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
    if (c == '=' && second != '=') {
        return ks_qasm_fail(lexer->name, token->line, token->column, KS_ERR_FORMAT,
                            "unexpected '=': a comparison is '=='");
    }
    token->kind = KS_QASM_SIGN;
    token->sign = (char)c;
    token->text.len = 1;
    if (c == '=' || (c == '-' && second == '>')) {
        token->kind = c == '=' ? KS_QASM_EQUAL : KS_QASM_ARROW;
        token->sign = 0;
        token->text.len = 2;
    }
    lexer->at += token->text.len;
    return KS_OK;
}

enum ks_err ks_qasm_next(struct ks_qasm_lexer *lexer, struct ks_qasm_token *out_token)
{
    enum ks_err err = KS_OK;

    skip_space(lexer);
    struct ks_qasm_token token = {.kind = KS_QASM_END,
                                  .text = {lexer->source.data, 0},
                                  .line = lexer->line,
                                  .column = (uint32_t)(lexer->at - lexer->line_start + 1)};
    if (lexer->at < lexer->source.len) {
        const uint8_t c = lexer->source.data[lexer->at];
        token.text.data = lexer->source.data + lexer->at;
        switch (class_of(c)) {
        case CLASS_LETTER:
            lex_word(lexer, &token);
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
