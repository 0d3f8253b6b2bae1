/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* compress.h: how the numbers of an update travel. Hides the encodings, which are in
 * docs/formats/fl-update.md; each has one form for what it says, and what is read is finite.
 *
 *   f32   as they are
 *   f16   binary16, to the nearest, ties to even: relative error 2^-11 from 6.1e-5 to 65504,
 *         absolute 2^-25 below
 *   q8    blocks of KS_FL_BLOCK numbers with one scale, the largest magnitude / 127; codes -127
 *         to 127, to the nearest (error scale / 2, ties to even) or stochastically (error below
 *         scale, none on average)
 *   topk  the KEEP numbers of largest magnitude, earlier ones first among equals, as they are;
 *         the others are 0. The zeros among them are left out.
 *
 * Pure; any thread. Random numbers follow from the seed and a number's place. */
#ifndef KS_FL_COMPRESS_H
#define KS_FL_COMPRESS_H

#include "base/buf.h"
#include "fl/vector.h"

#define KS_FL_BLOCK 256

#define KS_FL_ENCODING_LIST(X)                                                                 \
    X(F32, 0, "f32")                                                                           \
    X(F16, 1, "f16")                                                                           \
    X(Q8, 2, "q8")                                                                             \
    X(TOPK, 3, "topk")
enum ks_fl_encoding {
#define KS_FL_ENCODING_ENUM(name, value, word) KS_FL_##name = (value),
    KS_FL_ENCODING_LIST(KS_FL_ENCODING_ENUM)
#undef KS_FL_ENCODING_ENUM
        KS_FL_ENCODINGS /* how many there are */
};
const char *ks_fl_encoding_word(enum ks_fl_encoding encoding);
KS_MUST_CHECK enum ks_err ks_fl_encoding_of(struct ks_bytes word,
                                            enum ks_fl_encoding *out_encoding);

struct ks_fl_encode {
    enum ks_fl_encoding encoding;
    bool stochastic; /* q8 */
    uint64_t seed;   /* of stochastic rounding: another for each update */
    size_t keep;     /* topk: 1 to the number of values */
};

/* Bytes that COUNT numbers take at most. */
uint64_t ks_fl_encoded_bytes_max(const struct ks_fl_encode *encode, size_t count);

/* Appends COUNT VALUES. KS_ERR_FORMAT for a value that is not finite; KS_ERR_LIMIT for one that
 * f16 has no room for; KS_ERR_USAGE for a KEEP out of range. */
KS_MUST_CHECK enum ks_err ks_fl_encode(const struct ks_fl_encode *encode, const float *values,
                                       size_t count, struct ks_buf *out);
/* KS_OK when PAYLOAD is the one form of COUNT finite numbers. */
KS_MUST_CHECK enum ks_err ks_fl_encoded_check(enum ks_fl_encoding encoding,
                                              struct ks_bytes payload, size_t count);
/* What a checked PAYLOAD says, to OUT_VALUES. */
void ks_fl_decode(enum ks_fl_encoding encoding, struct ks_bytes payload, size_t count,
                  float *out_values);

/* Error feedback (Seide et al. 2014, Karimireddy et al. 2019): what RESIDUAL remembers is added
 * to VALUES, which then are encoded; and it remembers what was lost. VALUES become what the
 * reader will see. A failed call leaves RESIDUAL as it was, and VALUES with it added. */
KS_MUST_CHECK enum ks_err ks_fl_encode_feedback(const struct ks_fl_encode *encode,
                                                float *values, float *residual, size_t count,
                                                struct ks_buf *out);

/* binary16 and back, for tests. A float out of range becomes infinity. */
uint16_t ks_fl_half(float value);
float ks_fl_half_value(uint16_t half);

#endif
