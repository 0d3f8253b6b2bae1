/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* pyjson.h: JSON as CPython's json.loads reads it and as json.dumps(sort_keys=True,
 * separators=(",", ":")) writes it: what the hashes of old records are over (docs/formats/
 * old-records.md). Laxer than base/json.h on purpose: the last of duplicate members counts, NaN
 * and lone surrogates are taken, integers are of any size. Nothing new is to be hashed this
 * way. Pure; values and views die with their document. */
#ifndef KS_RECORD_PYJSON_H
#define KS_RECORD_PYJSON_H

#include "base/buf.h"

#define KS_PYJSON_DEPTH_MAX  64
#define KS_PYJSON_NODES_MAX  (1 << 20)
#define KS_PYJSON_DIGITS_MAX 4300 /* of an integer: sys.int_info.default_max_str_digits */

enum ks_pyjson_type {
    KS_PYJSON_NULL,
    KS_PYJSON_FALSE,
    KS_PYJSON_TRUE,
    KS_PYJSON_NUMBER,
    KS_PYJSON_STRING,
    KS_PYJSON_ARRAY,
    KS_PYJSON_OBJECT,
};

struct ks_pyjson_doc;
struct ks_pyjson; /* one value */

/* Errors say line and column. TEXT may be freed afterwards. */
KS_MUST_CHECK enum ks_err ks_pyjson_parse(struct ks_bytes text, struct ks_pyjson_doc **out_doc);
void ks_pyjson_free(struct ks_pyjson_doc *doc); /* NULL is fine */
const struct ks_pyjson *ks_pyjson_root(const struct ks_pyjson_doc *doc);

enum ks_pyjson_type ks_pyjson_type(const struct ks_pyjson *value);
/* Member NAME of an object, or NULL when absent or when VALUE is no object. */
const struct ks_pyjson *ks_pyjson_find(const struct ks_pyjson *value, const char *name);
/* A string decoded, as UTF-8 in which lone surrogates stand as three bytes; a number as
 * json.dumps writes it; empty for the others. */
struct ks_bytes ks_pyjson_text(const struct ks_pyjson *value);

/* How json.dumps is called: ensure_ascii, and either separators (",", ":") or, with INDENT
 * above 0, that many blanks a level. */
struct ks_pyjson_style {
    bool ascii;
    unsigned indent;
};
/* Appends VALUE. Without ASCII a lone surrogate is KS_ERR_FORMAT: it has no encoding. */
KS_MUST_CHECK enum ks_err ks_pyjson_put(const struct ks_pyjson *value,
                                        struct ks_pyjson_style style, struct ks_buf *out);

#endif
