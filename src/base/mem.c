/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fault.h"

struct ks_bytes ks_bytes_of(const void *data, size_t len)
{
    return (struct ks_bytes){(const uint8_t *)data, len};
}

struct ks_bytes ks_bytes_text(const char *text)
{
    return (struct ks_bytes){(const uint8_t *)text, strlen(text)};
}

bool ks_bytes_equal(struct ks_bytes a, struct ks_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool ks_bytes_is(struct ks_bytes a, const char *text)
{
    return ks_bytes_equal(a, ks_bytes_text(text));
}

int ks_bytes_compare(struct ks_bytes a, struct ks_bytes b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

void ks_wipe(void *target, size_t len)
{
    if (target != NULL && len > 0) {
        explicit_bzero(target, len);
    }
}

bool ks_ct_equal(struct ks_bytes a, struct ks_bytes b)
{
    unsigned difference = 0;

    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        difference |= (unsigned)(a.data[i] ^ b.data[i]);
        /* The compiler may assume nothing about the sum, so it cannot leave the loop early. */
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}

#define HUGE_PAGE ((size_t)2 << 20)

void *ks_calloc(size_t count, size_t size)
{
    size_t len = 0;

    if (__builtin_mul_overflow(count, size, &len) || ks_fault_alloc()) {
        return NULL;
    }
    return calloc(len == 0 ? 1 : len, 1); /* of 0 bytes it may give NULL */
}

void *ks_calloc_huge(size_t count, size_t size)
{
    void *memory = ks_calloc(count, size);
    const uintptr_t first = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    const uintptr_t end = ((uintptr_t)memory + count * size) & ~(uintptr_t)(HUGE_PAGE - 1);

    /* Advice: small pages do as well, only slower. */
    if (memory != NULL && first < end) {
        (void)madvise((char *)memory + (first - (uintptr_t)memory), end - first, MADV_HUGEPAGE);
    }
    return memory;
}

void *ks_realloc(void *old, size_t count, size_t size)
{
    size_t len = 0;

    if (__builtin_mul_overflow(count, size, &len) || ks_fault_alloc()) {
        return NULL;
    }
    return realloc(old, len == 0 ? 1 : len);
}

void ks_free(void *pointer)
{
    free(pointer);
}

enum ks_err ks_bytes_dup(struct ks_bytes bytes, uint8_t **out_data)
{
    uint8_t *data = bytes.len < SIZE_MAX ? ks_calloc(bytes.len + 1, 1) : NULL;

    if (data == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu bytes", bytes.len);
    }
    ks_copy(data, bytes.data, bytes.len);
    *out_data = data;
    return KS_OK;
}

enum ks_err ks_text_copy(const char *text, char **out_text)
{
    uint8_t *data = NULL;
    const enum ks_err err = ks_bytes_dup(ks_bytes_text(text), &data);

    if (err == KS_OK) {
        *out_text = (char *)data;
    }
    return err;
}

void ks_secret_set(struct ks_secret *secret, struct ks_bytes value)
{
    KS_ASSERT(value.len <= KS_SECRET_MAX);
    ks_wipe(secret->data, sizeof secret->data);
    ks_copy(secret->data, value.data, value.len);
    secret->len = value.len;
}

struct ks_bytes ks_secret_view(const struct ks_secret *secret)
{
    return ks_bytes_of(secret->data, secret->len);
}

void ks_secret_done(struct ks_secret *secret)
{
    if (secret != NULL) {
        ks_wipe(secret, sizeof *secret);
    }
}
