/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* mem.h: memory. Borrowed views, checked allocation, secrets that are wiped. No thread rule. */
#ifndef KS_BASE_MEM_H
#define KS_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ketseal/bytes.h"

/* A view of an array, of a NUL-terminated text (without the NUL), of a literal. */
#define KS_BYTES(array)  ((struct ks_bytes){(const uint8_t *)(array), sizeof(array)})
#define KS_LITERAL(text) ((struct ks_bytes){(const uint8_t *)("" text), sizeof(text) - 1})
struct ks_bytes ks_bytes_of(const void *data, size_t len);
struct ks_bytes ks_bytes_text(const char *text);

bool ks_bytes_equal(struct ks_bytes a, struct ks_bytes b); /* not for secrets */
bool ks_bytes_is(struct ks_bytes a, const char *text);
int ks_bytes_compare(struct ks_bytes a, struct ks_bytes b); /* bytewise, shorter first */

/* memcpy and memset that accept len == 0 with NULL; regions must not overlap. Inline, since
 * most lengths are known and small. */
static inline void ks_copy(void *target, const void *source, size_t len)
{
    if (len > 0) {
        /* The analyzer takes a view that may be NULL for one that is, whatever its length.
         * NOLINTNEXTLINE(clang-analyzer-unix.cstring.NullArg) */
        (void)__builtin_memcpy(target, source, len);
    }
}
static inline void ks_zero(void *target, size_t len)
{
    if (len > 0) {
        (void)__builtin_memset(target, 0, len);
    }
}
/* Erases in a way the compiler may not remove. */
void ks_wipe(void *target, size_t len);
/* Constant time in the contents; lengths are public and unequal lengths are unequal. */
bool ks_ct_equal(struct ks_bytes a, struct ks_bytes b);

/* Zeroed memory, multiplication checked. NULL on overflow or exhaustion: then an ordinary
 * KS_ERR_NOMEM. Freed with ks_free; count or size 0 gives a unique pointer. Under KS_FAULT
 * builds the N-th call fails (tests/fault). */
void *ks_calloc(size_t count, size_t size) __attribute__((malloc));
/* The same for memory that is gone through from end to end: in huge pages where the kernel has
 * them. */
void *ks_calloc_huge(size_t count, size_t size) __attribute__((malloc));
/* Grows or shrinks to count * size; new bytes are NOT zeroed; NULL leaves OLD valid. */
void *ks_realloc(void *old, size_t count, size_t size);
void ks_free(void *pointer); /* NULL is fine */

/* Copies into fresh memory, with a NUL after it. */
KS_MUST_CHECK enum ks_err ks_text_copy(const char *text, char **out_text);
KS_MUST_CHECK enum ks_err ks_bytes_dup(struct ks_bytes bytes, uint8_t **out_data);

/* A secret of at most KS_SECRET_MAX bytes, kept in place and wiped by _done. */
#define KS_SECRET_MAX 64
struct ks_secret {
    uint8_t data[KS_SECRET_MAX];
    size_t len;
};
void ks_secret_set(struct ks_secret *secret, struct ks_bytes value); /* asserts the length */
struct ks_bytes ks_secret_view(const struct ks_secret *secret);
void ks_secret_done(struct ks_secret *secret); /* NULL is fine */

#endif
