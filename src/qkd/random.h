/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* random.h: randomness as a function of a key and a counter: ChaCha20 (RFC 8439 §2.3). What a
 * pulse needs is computed when the pulse is looked at and not before, so that pulses that never
 * arrive cost nothing. Pure; a stream belongs to one thread. */
#ifndef KS_QKD_RANDOM_H
#define KS_QKD_RANDOM_H

#include "base/mem.h"

#define KS_QKD_KEY_LEN 32
#define KS_QKD_LANES   8  /* blocks computed at once */
#define KS_QKD_WORDS   16 /* u32 of a block */

/* What randomness is for; the last word of the nonce, so no two uses share a bit. */
enum ks_qkd_use {
    KS_QKD_USE_BLOCK = 1, /* the key of a block of the link, from an end's seed */
    KS_QKD_USE_CHOICE,    /* Alice: intensity, basis and bit of a pulse */
    KS_QKD_USE_CHANNEL,   /* which pulses arrive */
    KS_QKD_USE_MEASURE,   /* Bob: basis, and where photons go */
    KS_QKD_USE_DARK,      /* Bob: dark counts and afterpulses */
    KS_QKD_USE_PUBLIC,    /* what Alice announces: seeds of sample, shuffles, hashes */
    KS_QKD_USE_SAMPLE,    /* from the announced seed: the sample */
    KS_QKD_USE_SHUFFLE,   /* likewise: the shuffles of reconciliation */
};

struct ks_qkd_key {
    uint32_t words[KS_QKD_KEY_LEN / 4];
};

struct ks_qkd_key ks_qkd_key_of(const uint8_t bytes[KS_QKD_KEY_LEN]);
/* The key that MASTER gives to number NUMBER of USE. */
struct ks_qkd_key ks_qkd_key_derive(const struct ks_qkd_key *master, enum ks_qkd_use use,
                                    uint64_t number);

/* Blocks COUNTERS of USE, each KS_QKD_WORDS words: key; then counter word low half of the
 * counter, nonce words: its high half, 0, USE. */
void ks_qkd_blocks(const struct ks_qkd_key *key, enum ks_qkd_use use,
                   const uint64_t counters[KS_QKD_LANES],
                   uint32_t out_words[KS_QKD_LANES][KS_QKD_WORDS]);

/* The same by one instruction set. For random.c and its tests. */
typedef void (*ks_qkd_blocks_function)(const struct ks_qkd_key *key, enum ks_qkd_use use,
                                       const uint64_t counters[KS_QKD_LANES],
                                       uint32_t out_words[KS_QKD_LANES][KS_QKD_WORDS]);
struct ks_qkd_blocks_choice {
    const char *name;
    ks_qkd_blocks_function blocks;
    bool (*usable)(void);
};
extern const struct ks_qkd_blocks_choice ks_qkd_blocks_choices[]; /* ends with a NULL name */
#define KS_QKD_BLOCKS(name)                                                                    \
    void name(const struct ks_qkd_key *key, enum ks_qkd_use use,                               \
              const uint64_t counters[KS_QKD_LANES],                                           \
              uint32_t out_words[KS_QKD_LANES][KS_QKD_WORDS])
KS_QKD_BLOCKS(ks_qkd_blocks_portable);
KS_QKD_BLOCKS(ks_qkd_blocks_avx2);   /* x86-64 alone, as the next */
KS_QKD_BLOCKS(ks_qkd_blocks_avx512); /* of 256 bits, with its rotations */

/* The blocks of a use one after the other. */
struct ks_qkd_stream {
    struct ks_qkd_key key;
    enum ks_qkd_use use;
    uint64_t next; /* counter */
    uint32_t words[KS_QKD_LANES * KS_QKD_WORDS];
    unsigned at; /* of words */
};
void ks_qkd_stream_init(struct ks_qkd_stream *stream, const struct ks_qkd_key *key,
                        enum ks_qkd_use use);
uint32_t ks_qkd_stream_u32(struct ks_qkd_stream *stream);
uint64_t ks_qkd_stream_u64(struct ks_qkd_stream *stream);
/* Uniform in [0, count), exactly; COUNT > 0 (asserted). */
uint32_t ks_qkd_stream_below(struct ks_qkd_stream *stream, uint32_t count);
/* Uniform in (0, 1]: a multiple of 2^-53. */
double ks_qkd_stream_unit(struct ks_qkd_stream *stream);
void ks_qkd_stream_bytes(struct ks_qkd_stream *stream, uint8_t *target, size_t len);
void ks_qkd_stream_done(struct ks_qkd_stream *stream); /* wipes */

#endif
