/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_lex.h: the tokens of OpenQASM 2 and 3. Pure. */
#ifndef KS_QUANTUM_QASM_LEX_H
#define KS_QUANTUM_QASM_LEX_H

#include "base/mem.h"

#define KS_QASM_NUMBER_MAX 511 /* characters of one number */

enum ks_qasm_kind {
    KS_QASM_END,  /* of the source */
    KS_QASM_WORD, /* keyword or identifier: [A-Za-z_][A-Za-z0-9_]* */
    KS_QASM_INTEGER,
    KS_QASM_REAL,
    KS_QASM_STRING, /* its text is without the quotes */
    KS_QASM_ARROW,  /* -> */
    KS_QASM_EQUAL,  /* == */
    KS_QASM_SIGN, /* one of ; , ( ) [ ] { } + - * / ^; in OpenQASM 3 also = < > ! ~ % & | : @ */
    KS_QASM_SIGNS, /* OpenQASM 3: two or three of them that belong together */
};

struct ks_qasm_token {
    enum ks_qasm_kind kind;
    char sign;            /* SIGN only; 0 otherwise */
    struct ks_bytes text; /* borrowed from the source */
    uint32_t line;        /* from 1 */
    uint32_t column;      /* from 1, in bytes */
};

struct ks_qasm_lexer {
    struct ks_bytes source;
    const char *name; /* of the source, for errors */
    size_t at;
    size_t line_start;
    uint32_t line;
    bool extended; /* OpenQASM 3: more signs, block comments, letters beyond ASCII */
};

/* SOURCE of at most UINT32_MAX - 1 bytes and NAME are borrowed. A UTF-8 byte order mark is
 * skipped. */
struct ks_qasm_lexer ks_qasm_lexer_of(struct ks_bytes source, const char *name);
KS_MUST_CHECK enum ks_err ks_qasm_next(struct ks_qasm_lexer *lexer,
                                       struct ks_qasm_token *out_token);

/* Stores "name:line:column: what" and returns CODE. */
KS_MUST_CHECK enum ks_err ks_qasm_fail(const char *name, uint32_t line, uint32_t column,
                                       enum ks_err code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The value of an INTEGER or REAL, rounded to nearest; false when it is out of the range of a
 * double. */
bool ks_qasm_number(struct ks_bytes text, double *out_value);
/* The value of an INTEGER; false when it is above MAX. */
bool ks_qasm_integer(struct ks_bytes text, uint64_t max, uint64_t *out_value);
/* The same with OpenQASM 3's 0x, 0o, 0b and '_'; false when it is none or needs over 64 bits.
 */
bool ks_qasm_literal(struct ks_bytes text, uint64_t *out_value);
/* The value of an INTEGER in COUNT words, lowest first; false when it does not fit. */
bool ks_qasm_wide(struct ks_bytes text, uint64_t *words, size_t count);

#endif
