/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/gf2.h"

enum ks_err ks_gf2_find(const char *name, const struct ks_gf2 **out_gf2)
{
    for (const struct ks_gf2_choice *choice = ks_gf2_choices; choice->gf2 != NULL; choice++) {
        if ((name == NULL || ks_bytes_is(ks_bytes_text(choice->gf2->name), name)) &&
            choice->usable()) {
            *out_gf2 = choice->gf2;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "no kernel '%s' for products on this machine", name);
}

/* A short product, doubled any number of times. */
size_t ks_gf2_size(size_t count)
{
    size_t parts = 1;

    while (count > KS_GF2_SHORT_MAX * parts) {
        parts *= 2;
    }
    const size_t part = (count + parts - 1) / parts;

    return (part > 0 ? part : 1) * parts;
}

static void add(uint64_t *target, const uint64_t *source, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        target[i] ^= source[i];
    }
}

/* (a0 + a1 x)(b0 + b1 x) = a0 b0 + ((a0 + a1)(b0 + b1) - a0 b0 - a1 b1) x + a1 b1 x^2. The
 * depth of the recursion is the logarithm of SIZE. */
static void multiply(const struct ks_gf2 *gf2, const uint64_t *a, const uint64_t *b,
                     size_t size, uint64_t *out, uint64_t *scratch)
{
    if (size <= KS_GF2_SHORT_MAX) {
        gf2->multiply(a, b, size, out);
        return;
    }
    const size_t half = size / 2;
    uint64_t *sum_a = scratch;
    uint64_t *sum_b = scratch + half;
    uint64_t *middle = scratch + size;

    multiply(gf2, a, b, half, out, scratch);
    multiply(gf2, a + half, b + half, half, out + size, scratch);
    for (size_t i = 0; i < half; i++) {
        sum_a[i] = a[i] ^ a[half + i];
        sum_b[i] = b[i] ^ b[half + i];
    }
    multiply(gf2, sum_a, sum_b, half, middle, scratch + 2 * size);
    add(middle, out, size);
    add(middle, out + size, size);
    add(out + half, middle, size);
}

void ks_gf2_multiply(const struct ks_gf2 *gf2, const uint64_t *a, const uint64_t *b,
                     size_t size, uint64_t *out, uint64_t *scratch)
{
    KS_ASSERT(ks_gf2_size(size) == size);
    multiply(gf2, a, b, size, out, scratch);
}

/* x^128 = x^7 + x^2 + x + 1: what overflows comes back at the bottom, and once more for the
 * seven bits that this pushes over the top. */
struct ks_gf128 ks_gf128_multiply(const struct ks_gf2 *gf2, struct ks_gf128 a,
                                  struct ks_gf128 b)
{
    uint64_t p[4];

    gf2->multiply(a.words, b.words, 2, p);
    const uint64_t over = p[3] >> 63 ^ p[3] >> 62 ^ p[3] >> 57;
    const uint64_t low = p[2] ^ over;

    return (struct ks_gf128){{
        p[0] ^ low ^ low << 1 ^ low << 2 ^ low << 7,
        p[1] ^ p[3] ^ (p[3] << 1 | low >> 63) ^ (p[3] << 2 | low >> 62) ^
            (p[3] << 7 | low >> 57),
    }};
}

struct ks_gf128 ks_gf128_of(const uint8_t bytes[16])
{
    struct ks_gf128 value = {{0, 0}};

    for (unsigned i = 0; i < 16; i++) {
        value.words[i / 8] |= (uint64_t)bytes[i] << (8 * (i % 8));
    }
    return value;
}

void ks_gf128_bytes(struct ks_gf128 value, uint8_t out_bytes[16])
{
    for (unsigned i = 0; i < 16; i++) {
        out_bytes[i] = (uint8_t)(value.words[i / 8] >> (8 * (i % 8)));
    }
}
