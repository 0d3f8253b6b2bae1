/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_body.h: ChaCha20 in KS_QKD_LANES lanes. Included by each kernel_blocks_<isa>.c after
 * it has defined ks_qkd_blocks_isa as the name of its function. The compiler makes of a vector
 * what the instruction set has; the bits are the same. */

#define ROUND_PAIRS 10

/* One word of all blocks. Never an argument or a result: those would depend on the instruction
 * set. */
typedef uint32_t lanes __attribute__((vector_size(4 * KS_QKD_LANES)));

#define ROTATE(x, bits) ((x) = (x) << (bits) | (x) >> (32 - (bits)))
/* RFC 8439 §2.1. */
#define QUARTER_ROUND(a, b, c, d)                                                              \
    do {                                                                                       \
        (a) += (b);                                                                            \
        (d) ^= (a);                                                                            \
        ROTATE(d, 16);                                                                         \
        (c) += (d);                                                                            \
        (b) ^= (c);                                                                            \
        ROTATE(b, 12);                                                                         \
        (a) += (b);                                                                            \
        (d) ^= (a);                                                                            \
        ROTATE(d, 8);                                                                          \
        (c) += (d);                                                                            \
        (b) ^= (c);                                                                            \
        ROTATE(b, 7);                                                                          \
    } while (0)

void ks_qkd_blocks_isa(const struct ks_qkd_key *key, enum ks_qkd_use use,
                       const uint64_t counters[KS_QKD_LANES],
                       uint32_t out_words[KS_QKD_LANES][KS_QKD_WORDS])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t rows[KS_QKD_WORDS][KS_QKD_LANES];
    lanes start[KS_QKD_WORDS];
    lanes s[KS_QKD_WORDS];

    for (unsigned lane = 0; lane < KS_QKD_LANES; lane++) {
        for (unsigned i = 0; i < 4; i++) {
            rows[i][lane] = constants[i];
        }
        for (unsigned i = 0; i < 8; i++) {
            rows[4 + i][lane] = key->words[i];
        }
        rows[12][lane] = (uint32_t)counters[lane];
        rows[13][lane] = (uint32_t)(counters[lane] >> 32);
        rows[14][lane] = 0;
        rows[15][lane] = (uint32_t)use;
    }
    ks_copy(start, rows, sizeof start);
    ks_copy(s, start, sizeof s);
    for (unsigned pair = 0; pair < ROUND_PAIRS; pair++) {
        QUARTER_ROUND(s[0], s[4], s[8], s[12]);
        QUARTER_ROUND(s[1], s[5], s[9], s[13]);
        QUARTER_ROUND(s[2], s[6], s[10], s[14]);
        QUARTER_ROUND(s[3], s[7], s[11], s[15]);
        QUARTER_ROUND(s[0], s[5], s[10], s[15]);
        QUARTER_ROUND(s[1], s[6], s[11], s[12]);
        QUARTER_ROUND(s[2], s[7], s[8], s[13]);
        QUARTER_ROUND(s[3], s[4], s[9], s[14]);
    }
    for (unsigned i = 0; i < KS_QKD_WORDS; i++) {
        s[i] += start[i];
    }
    ks_copy(rows, s, sizeof rows);
    for (unsigned lane = 0; lane < KS_QKD_LANES; lane++) {
        for (unsigned i = 0; i < KS_QKD_WORDS; i++) {
            out_words[lane][i] = rows[i][lane];
        }
    }
}
