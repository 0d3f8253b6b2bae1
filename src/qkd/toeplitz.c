/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/toeplitz.h"

#define WORD 64

static size_t words_of(size_t bits)
{
    return (bits + WORD - 1) / WORD;
}

size_t ks_toeplitz_seed_bits(size_t source_bits, size_t target_bits)
{
    return source_bits + target_bits - 1;
}

/* The product of seed and source, cut into pieces of SIZE words: only the words of the window
 * are wanted, so only the pieces that reach it are multiplied. */
struct pieces {
    const struct ks_gf2 *gf2;
    size_t size;
    size_t window; /* first word */
    size_t window_words;
    uint64_t *a;
    uint64_t *b;
    uint64_t *product;
    uint64_t *scratch;
    uint64_t *sum; /* of the window */
};

/* Words AT… of WORDS words of BITS bits, filled with zeros. */
static void cut(uint64_t *target, size_t size, const uint64_t *words, size_t bits, size_t at)
{
    const size_t count = words_of(bits);

    for (size_t i = 0; i < size; i++) {
        uint64_t word = at + i < count ? words[at + i] : 0;

        if (at + i + 1 == count && bits % WORD > 0) {
            word &= ((uint64_t)1 << (bits % WORD)) - 1;
        }
        target[i] = word;
    }
}

static void add_piece(struct pieces *pieces, size_t at)
{
    ks_gf2_multiply(pieces->gf2, pieces->a, pieces->b, pieces->size, pieces->product,
                    pieces->scratch);
    for (size_t i = 0; i < 2 * pieces->size; i++) {
        if (at + i >= pieces->window && at + i < pieces->window + pieces->window_words) {
            pieces->sum[at + i - pieces->window] ^= pieces->product[i];
        }
    }
}

static void multiply(struct pieces *pieces, const uint64_t *source, size_t source_bits,
                     const uint64_t *seed, size_t seed_bits)
{
    const size_t size = pieces->size;
    const size_t window_end = pieces->window + pieces->window_words;

    for (size_t i = 0; i < words_of(source_bits); i += size) {
        cut(pieces->a, size, source, source_bits, i);
        for (size_t k = 0; k < words_of(seed_bits); k += size) {
            if (i + k < window_end && i + k + 2 * size > pieces->window) {
                cut(pieces->b, size, seed, seed_bits, k);
                add_piece(pieces, i + k);
            }
        }
    }
}

enum ks_err ks_toeplitz(const struct ks_gf2 *gf2, const uint64_t *source, size_t source_bits,
                        const uint64_t *seed, uint64_t *target, size_t target_bits)
{
    enum ks_err err = KS_OK;
    const size_t target_words = words_of(target_bits);
    const size_t source_words = words_of(source_bits);
    /* The window begins at bit SOURCE_BITS - 1 of the product. */
    const unsigned shift = (unsigned)((source_bits - 1) % WORD);
    struct pieces pieces = {
        .gf2 = gf2,
        .size = ks_gf2_size(target_words < source_words ? target_words : source_words),
        .window = (source_bits - 1) / WORD,
        .window_words = target_words + 1,
    };
    size_t room;
    uint64_t *memory;

    KS_ASSERT(source_bits > 0 && source_bits <= KS_TOEPLITZ_BITS_MAX && target_bits > 0 &&
              target_bits <= KS_TOEPLITZ_BITS_MAX);
    room = 8 * pieces.size + pieces.window_words + 1;
    memory = ks_calloc(room, sizeof *memory);
    KS_CHECK(memory != NULL, KS_ERR_NOMEM, "privacy amplification of %zu bits", source_bits);
    pieces.a = memory;
    pieces.b = pieces.a + pieces.size;
    pieces.product = pieces.b + pieces.size;
    pieces.scratch = pieces.product + 2 * pieces.size;
    pieces.sum = pieces.scratch + 4 * pieces.size;
    multiply(&pieces, source, source_bits, seed,
             ks_toeplitz_seed_bits(source_bits, target_bits));
    for (size_t i = 0; i < target_words; i++) {
        const uint64_t over = shift > 0 ? pieces.sum[i + 1] << (WORD - shift) : 0;

        target[i] = pieces.sum[i] >> shift | over;
    }
    if (target_bits % WORD > 0) {
        target[target_words - 1] &= ((uint64_t)1 << (target_bits % WORD)) - 1;
    }
    ks_wipe(memory, room * sizeof *memory);
    ks_free(memory);
out:
    return err;
}
