/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/random.h"

void ks_qkd_blocks(const struct ks_qkd_key *key, enum ks_qkd_use use,
                   const uint64_t counters[KS_QKD_LANES],
                   uint32_t out_words[KS_QKD_LANES][KS_QKD_WORDS])
{
    const struct ks_qkd_blocks_choice *choice = ks_qkd_blocks_choices;

    while (!choice->usable()) {
        choice++; /* the last one always is */
    }
    choice->blocks(key, use, counters, out_words);
}

struct ks_qkd_key ks_qkd_key_of(const uint8_t bytes[KS_QKD_KEY_LEN])
{
    struct ks_qkd_key key;

    for (unsigned i = 0; i < KS_QKD_KEY_LEN / 4; i++) {
        const uint8_t *word = bytes + (size_t)4 * i;

        key.words[i] = (uint32_t)word[0] | (uint32_t)word[1] << 8 | (uint32_t)word[2] << 16 |
                       (uint32_t)word[3] << 24;
    }
    return key;
}

struct ks_qkd_key ks_qkd_key_derive(const struct ks_qkd_key *master, enum ks_qkd_use use,
                                    uint64_t number)
{
    const uint64_t counters[KS_QKD_LANES] = {number};
    uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];
    struct ks_qkd_key key;

    ks_qkd_blocks(master, use, counters, words);
    ks_copy(key.words, words[0], sizeof key.words);
    ks_wipe(words, sizeof words);
    return key;
}

void ks_qkd_stream_init(struct ks_qkd_stream *stream, const struct ks_qkd_key *key,
                        enum ks_qkd_use use)
{
    *stream =
        (struct ks_qkd_stream){.key = *key, .use = use, .at = KS_QKD_LANES * KS_QKD_WORDS};
}

static void refill(struct ks_qkd_stream *stream)
{
    uint64_t counters[KS_QKD_LANES];
    uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];

    for (unsigned lane = 0; lane < KS_QKD_LANES; lane++) {
        counters[lane] = stream->next + lane;
    }
    ks_qkd_blocks(&stream->key, stream->use, counters, words);
    ks_copy(stream->words, words, sizeof words);
    stream->next += KS_QKD_LANES;
    stream->at = 0;
}

uint32_t ks_qkd_stream_u32(struct ks_qkd_stream *stream)
{
    if (stream->at == KS_QKD_LANES * KS_QKD_WORDS) {
        refill(stream);
    }
    return stream->words[stream->at++];
}

uint64_t ks_qkd_stream_u64(struct ks_qkd_stream *stream)
{
    const uint32_t low = ks_qkd_stream_u32(stream);

    return (uint64_t)ks_qkd_stream_u32(stream) << 32 | low;
}

/* Lemire, "Fast random integer generation in an interval" (2019), algorithm 5. */
uint32_t ks_qkd_stream_below(struct ks_qkd_stream *stream, uint32_t count)
{
    KS_ASSERT(count > 0);
    uint64_t product = (uint64_t)ks_qkd_stream_u32(stream) * count;

    if ((uint32_t)product < count) {
        const uint32_t threshold = (0u - count) % count;

        while ((uint32_t)product < threshold) {
            product = (uint64_t)ks_qkd_stream_u32(stream) * count;
        }
    }
    return (uint32_t)(product >> 32);
}

double ks_qkd_stream_unit(struct ks_qkd_stream *stream)
{
    return (double)((ks_qkd_stream_u64(stream) >> 11) + 1) * 0x1p-53;
}

void ks_qkd_stream_bytes(struct ks_qkd_stream *stream, uint8_t *target, size_t len)
{
    for (size_t i = 0; i < len; i += 4) {
        const uint32_t word = ks_qkd_stream_u32(stream);

        for (size_t k = 0; k < 4 && i + k < len; k++) {
            target[i + k] = (uint8_t)(word >> (8 * k));
        }
    }
}

void ks_qkd_stream_done(struct ks_qkd_stream *stream)
{
    ks_wipe(stream, sizeof *stream);
}
