/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* text.h: text codings with exactly one encoding per value. Pure. */
#ifndef KS_BASE_TEXT_H
#define KS_BASE_TEXT_H

#include "base/buf.h"

/* Lower-case hexadecimal of exactly LEN bytes (text of 2 * LEN): KS_ERR_FORMAT otherwise. */
KS_MUST_CHECK enum ks_err ks_hex_decode(struct ks_bytes text, uint8_t *target, size_t len);
/* Writes 2 * len characters and a NUL. */
void ks_hex_encode(struct ks_bytes bytes, char *target);

/* RFC 4648 §4 with padding; canonical only (zero trailing bits, no white space). Appends to
 * OUT. */
KS_MUST_CHECK enum ks_err ks_base64_decode(struct ks_bytes text, struct ks_buf *out);
/* The same into exactly LEN bytes. */
KS_MUST_CHECK enum ks_err ks_base64_decode_exact(struct ks_bytes text, uint8_t *target,
                                                 size_t len);

/* Decimal digits only, no sign, no leading zero but "0" itself, at most MAX. */
KS_MUST_CHECK enum ks_err ks_text_u64(struct ks_bytes text, uint64_t max, uint64_t *out_value);

/* ECMAScript Number::toString of a finite VALUE (RFC 8785 §3.2.2.3): the shortest digits that
 * round-trip, nearest among those. Writes at most KS_DOUBLE_TEXT_MAX bytes, NUL included;
 * returns the length without it. */
#define KS_DOUBLE_TEXT_MAX 32
size_t ks_double_text(double value, char *target);
/* Those digits alone, for other layouts: VALUE, finite and above 0, is 0.DIGITS * 10^POINT,
 * without a zero at the end. Returns how many. */
#define KS_DOUBLE_DIGITS_MAX 17
size_t ks_double_digits(double value, char target[KS_DOUBLE_DIGITS_MAX + 1], int *out_point);

/* A finite decimal number, correctly rounded: an optional sign, digits with an optional point,
 * an optional exponent; at most KS_DOUBLE_READ_MAX characters (KS_ERR_LIMIT), no white space,
 * no hexadecimal, no "nan" (KS_ERR_FORMAT). */
#define KS_DOUBLE_READ_MAX 400
KS_MUST_CHECK enum ks_err ks_text_double(struct ks_bytes text, double *out_value);

/* Copies TEXT for people's eyes and for JSON into TARGET of SIZE bytes (at least 1), with a
 * NUL: cut at the end of a character, and each byte of a control character (C0, DEL, C1) or of
 * no character at all as
 * '?'. */
void ks_text_shown(struct ks_bytes text, char *target, size_t size);

/* "DIRECTORY/NAME" with a NUL; KS_ERR_LIMIT when that takes more than KS_PATH_MAX bytes. */
#define KS_PATH_MAX 4096
KS_MUST_CHECK enum ks_err ks_path_join(const char *directory, const char *name,
                                       char target[KS_PATH_MAX]);

/* True for valid UTF-8 (RFC 3629: no surrogates, no overlong forms, <= U+10FFFF). */
bool ks_utf8_valid(struct ks_bytes text);

/* 1 to LEN_MAX bytes, each [A-Za-z0-9_-]: device ids, names. */
bool ks_text_is_name(struct ks_bytes text, size_t len_max);

/* UTC as "2026-01-14T02:01:24.123456Z": always exactly KS_TIME_TEXT_LEN characters; and back,
 * strictly. Microseconds since 1970-01-01T00:00:00Z; years 1970 to 9999. */
#define KS_TIME_TEXT_LEN 27
void ks_time_text(uint64_t time_us, char target[KS_TIME_TEXT_LEN + 1]);
KS_MUST_CHECK enum ks_err ks_time_parse(struct ks_bytes text, uint64_t *out_time_us);

/* RFC 9562 version 4 from 16 random bytes (version and variant bits are set here): 36
 * characters and NUL; and a check of that exact form (lower case). */
#define KS_UUID_TEXT_LEN 36
void ks_uuid_text(const uint8_t random[16], char target[KS_UUID_TEXT_LEN + 1]);
bool ks_text_is_uuid(struct ks_bytes text);
/* The bytes of TEXT, which is one (asserted): ks_uuid_text gives it again. */
void ks_uuid_bytes(const char *text, uint8_t target[16]);

#endif
