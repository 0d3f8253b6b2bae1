/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* json.h: strict JSON in (RFC 8259 narrowed to I-JSON, RFC 7493), canonical JSON out (RFC
 * 8785).
 *
 * Refused on input: duplicate keys, invalid UTF-8, lone surrogates, NUL in strings, numbers
 * that are not finite doubles, integers beyond 2^53 - 1 in magnitude (carry them as strings)
 * and what has the canonical form of one (1e20 has, 1e21 has not), leading or trailing bytes
 * other than white space, and whatever is over the limits. Errors say line and column.
 * A document owns all of its nodes; nodes and views die with it. Pure; no thread rule. */
#ifndef KS_BASE_JSON_H
#define KS_BASE_JSON_H

#include "base/buf.h"

#define KS_JSON_DEPTH_MAX   64
#define KS_JSON_INTEGER_MAX 9007199254740991 /* 2^53 - 1 */

enum ks_json_type {
    KS_JSON_NULL,
    KS_JSON_BOOL,
    KS_JSON_NUMBER,
    KS_JSON_STRING,
    KS_JSON_ARRAY,
    KS_JSON_OBJECT,
};

struct ks_json_limits {
    size_t len_max;   /* bytes of text */
    size_t nodes_max; /* values in all */
    bool secret;      /* the document is wiped when it is freed, or when the parse fails */
};

struct ks_json_doc;
struct ks_json; /* one value */

/* TEXT is copied where needed and may be freed afterwards. */
KS_MUST_CHECK enum ks_err ks_json_parse(struct ks_bytes text,
                                        const struct ks_json_limits *limits,
                                        struct ks_json_doc **out_doc);
/* The same, and TEXT must be byte for byte what ks_json_canonical would write. */
KS_MUST_CHECK enum ks_err ks_json_parse_canonical(struct ks_bytes text,
                                                  const struct ks_json_limits *limits,
                                                  struct ks_json_doc **out_doc);
void ks_json_doc_free(struct ks_json_doc *doc); /* NULL is fine */
const struct ks_json *ks_json_root(const struct ks_json_doc *doc);

/* Appends the RFC 8785 form of VALUE. */
void ks_json_canonical(const struct ks_json *value, struct ks_buf *out);

/* --- reading ------------------------------------------------------------------------------ */
enum ks_json_type ks_json_type(const struct ks_json *value);
/* Members of an object, elements of an array, or 0. */
size_t ks_json_count(const struct ks_json *value);
/* Element or member INDEX (asserted < count), in document order. */
const struct ks_json *ks_json_at(const struct ks_json *value, size_t index);
struct ks_bytes ks_json_key_at(const struct ks_json *object, size_t index);
/* Member NAME of an object, or NULL when absent or when VALUE is no object. */
const struct ks_json *ks_json_find(const struct ks_json *value, const char *name);
/* The number's own text as it stood in the input. */
struct ks_bytes ks_json_number_text(const struct ks_json *value);

/* Member NAME with its type checked; errors name the member: "'shots': expected an integer".
 * The strings are decoded UTF-8 and borrowed from the document. */
KS_MUST_CHECK enum ks_err ks_json_get(const struct ks_json *object, const char *name,
                                      enum ks_json_type type, const struct ks_json **out_value);
KS_MUST_CHECK enum ks_err ks_json_get_string(const struct ks_json *object, const char *name,
                                             struct ks_bytes *out_text);
KS_MUST_CHECK enum ks_err ks_json_get_u64(const struct ks_json *object, const char *name,
                                          uint64_t max, uint64_t *out_value);
KS_MUST_CHECK enum ks_err ks_json_get_bool(const struct ks_json *object, const char *name,
                                           bool *out_value);
/* Lower-case hexadecimal of exactly LEN bytes; canonical base64 of any length, of exactly
 * LEN. */
KS_MUST_CHECK enum ks_err ks_json_get_hex(const struct ks_json *object, const char *name,
                                          uint8_t *target, size_t len);
KS_MUST_CHECK enum ks_err ks_json_get_base64(const struct ks_json *object, const char *name,
                                             struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_json_get_base64_exact(const struct ks_json *object,
                                                   const char *name, uint8_t *target,
                                                   size_t len);
/* The value itself as a string, as an integer in [0, max], as a double. */
KS_MUST_CHECK enum ks_err ks_json_string(const struct ks_json *value,
                                         struct ks_bytes *out_text);
KS_MUST_CHECK enum ks_err ks_json_u64(const struct ks_json *value, uint64_t max,
                                      uint64_t *out_value);
KS_MUST_CHECK enum ks_err ks_json_double(const struct ks_json *value, double *out_value);
/* KS_ERR_FORMAT if the object has a member that is not in NAMES (NULL-terminated): unknown
 * members would be unsigned promises. */
KS_MUST_CHECK enum ks_err ks_json_only(const struct ks_json *object, const char *const *names);

/* --- writing: canonical by construction --------------------------------------------------- */

/* The writer appends to a ks_buf (errors are the buffer's, sticky). Keys of an object must come
 * in ascending order of UTF-16 code units and once each: asserted, since only the program
 * decides them. */
struct ks_json_writer {
    struct ks_buf *out;
    unsigned depth;
    bool comma[KS_JSON_DEPTH_MAX]; /* a value stands before this one */
    /* Offset in OUT of the last key, for the order check. */
    size_t key_start[KS_JSON_DEPTH_MAX];
    size_t key_len[KS_JSON_DEPTH_MAX];
    bool after_key;
};

struct ks_json_writer ks_json_writer_of(struct ks_buf *out);
void ks_json_put_object(struct ks_json_writer *writer); /* { */
void ks_json_put_array(struct ks_json_writer *writer);  /* [ */
void ks_json_put_end(struct ks_json_writer *writer);    /* the matching } or ] */
void ks_json_put_key(struct ks_json_writer *writer, const char *name);
void ks_json_put_key_bytes(struct ks_json_writer *writer, struct ks_bytes name);
void ks_json_put_null(struct ks_json_writer *writer);
void ks_json_put_bool(struct ks_json_writer *writer, bool value);
void ks_json_put_u64(struct ks_json_writer *writer, uint64_t value); /* asserts <= 2^53 - 1 */
/* Asserts a finite VALUE. From 2^53 to below 1e21 in magnitude it is written, but ks_json_parse
 * refuses it. */
void ks_json_put_double(struct ks_json_writer *writer, double value);
/* Asserts UTF-8. */
void ks_json_put_string(struct ks_json_writer *writer, struct ks_bytes text);
void ks_json_put_text(struct ks_json_writer *writer, const char *text);
void ks_json_put_hex(struct ks_json_writer *writer, struct ks_bytes bytes);
void ks_json_put_base64(struct ks_json_writer *writer, struct ks_bytes bytes);
void ks_json_put_value(struct ks_json_writer *writer, const struct ks_json *value);
/* TEXT must already be canonical JSON; it is the caller's promise. */
void ks_json_put_canonical(struct ks_json_writer *writer, struct ks_bytes text);

/* Key and value in one call, for the common cases. */
void ks_json_member_text(struct ks_json_writer *writer, const char *name, const char *text);
void ks_json_member_string(struct ks_json_writer *writer, const char *name,
                           struct ks_bytes text);
void ks_json_member_u64(struct ks_json_writer *writer, const char *name, uint64_t value);
void ks_json_member_bool(struct ks_json_writer *writer, const char *name, bool value);
void ks_json_member_hex(struct ks_json_writer *writer, const char *name, struct ks_bytes bytes);
void ks_json_member_base64(struct ks_json_writer *writer, const char *name,
                           struct ks_bytes bytes);

#endif
