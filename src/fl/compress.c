/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/compress.h"

#include <math.h>

#include "base/philox.h"
#include "fl/internal.h"

#define CODE_MAX      127
#define HALF_INFINITE 0x7c00u

static const char *const words[KS_FL_ENCODINGS] = {
#define ENCODING_WORD(name, value, word) [KS_FL_##name] = word,
    KS_FL_ENCODING_LIST(ENCODING_WORD)
#undef ENCODING_WORD
};

const char *ks_fl_encoding_word(enum ks_fl_encoding encoding)
{
    KS_ASSERT((unsigned)encoding < KS_FL_ENCODINGS);
    return words[encoding];
}

enum ks_err ks_fl_encoding_of(struct ks_bytes word, enum ks_fl_encoding *out_encoding)
{
    for (unsigned i = 0; i < KS_FL_ENCODINGS; i++) {
        if (ks_bytes_is(word, words[i])) {
            *out_encoding = (enum ks_fl_encoding)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "no encoding '%.*s'", (int)(word.len < 64 ? word.len : 64),
                   (const char *)word.data);
}

/* --- numbers and bytes -------------------------------------------------------------------- */

static inline uint32_t bits_of(float value)
{
    uint32_t bits = 0;

    ks_copy(&bits, &value, sizeof bits);
    return bits;
}

static inline float value_of(uint32_t bits)
{
    float value = 0;

    ks_copy(&value, &bits, sizeof value);
    return value;
}

static inline void store_u32(uint8_t *target, uint32_t value)
{
    target[0] = (uint8_t)(value >> 24);
    target[1] = (uint8_t)(value >> 16);
    target[2] = (uint8_t)(value >> 8);
    target[3] = (uint8_t)value;
}

static inline uint32_t load_u32(const uint8_t *source)
{
    return (uint32_t)source[0] << 24 | (uint32_t)source[1] << 16 | (uint32_t)source[2] << 8 |
           source[3];
}

static inline uint16_t load_u16(const uint8_t *source)
{
    return (uint16_t)(source[0] << 8 | source[1]);
}

/* Ties to even throughout. Below 2^-14 the half's last place is 2^-24, as a float's is between
 * 1/2 and 1. */
uint16_t ks_fl_half(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t sign = bits >> 16 & 0x8000;
    const uint32_t magnitude = bits & 0x7fffffff;
    uint32_t half = 0;

    if (magnitude > 0x7f800000) {
        half = 0x7e00; /* not a number */
    } else if (magnitude >= 0x477ff000) {
        half = HALF_INFINITE; /* 65520 and more */
    } else if (magnitude < 0x38800000) {
        half = bits_of(value_of(magnitude) + 0.5f) - 0x3f000000;
    } else {
        half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return (uint16_t)(sign | half);
}

float ks_fl_half_value(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t magnitude = half & 0x7fff;

    if (magnitude >= HALF_INFINITE) {
        return value_of(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    }
    if (magnitude < 0x400) {
        return value_of(sign | bits_of((float)magnitude * 0x1p-24f));
    }
    return value_of(sign | ((magnitude << 13) + 0x38000000));
}

/* --- writing ------------------------------------------------------------------------------ */

static size_t blocks_of(size_t count)
{
    return (count + KS_FL_BLOCK - 1) / KS_FL_BLOCK;
}

uint64_t ks_fl_encoded_bytes_max(const struct ks_fl_encode *encode, size_t count)
{
    switch (encode->encoding) {
    case KS_FL_F16:
        return (uint64_t)count * 2;
    case KS_FL_Q8:
        return (uint64_t)count + (uint64_t)blocks_of(count) * 4;
    case KS_FL_TOPK:
        return 4 + (uint64_t)(encode->keep < count ? encode->keep : count) * 8;
    default:
        return (uint64_t)count * 4;
    }
}

static void put_f32(const float *values, size_t count, uint8_t *target)
{
    for (size_t i = 0; i < count; i++) {
        store_u32(target + 4 * i, bits_of(values[i]));
    }
}

static enum ks_err put_f16(const float *values, size_t count, uint8_t *target)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        const uint16_t half = ks_fl_half(values[i]);

        KS_CHECK((half & 0x7fff) < HALF_INFINITE, KS_ERR_LIMIT,
                 "f16: parameter %zu is beyond 65504", i);
        target[2 * i] = (uint8_t)(half >> 8);
        target[2 * i + 1] = (uint8_t)half;
    }
out:
    return err;
}

/* Uniform in [0, 1), of the number at PLACE. */
static double uniform(uint64_t seed, size_t place)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)(place / 4), 0, 0, 0x71387374}; /* "q8st" */
    uint32_t random[4];

    ks_philox(key, counter, random);
    return (double)random[place % 4] * 0x1p-32;
}

static uint8_t code_of(const struct ks_fl_encode *encode, float value, float scale,
                       size_t place)
{
    const double exact = scale > 0 ? (double)value / (double)scale : 0;
    double code =
        encode->stochastic ? floor(exact + uniform(encode->seed, place)) : nearbyint(exact);

    code = code > CODE_MAX ? CODE_MAX : code;
    code = code < -CODE_MAX ? -CODE_MAX : code;
    return (uint8_t)(int8_t)code;
}

static void put_q8(const struct ks_fl_encode *encode, const float *values, size_t count,
                   uint8_t *target)
{
    for (size_t at = 0; at < count; at += KS_FL_BLOCK) {
        const size_t width = count - at < KS_FL_BLOCK ? count - at : KS_FL_BLOCK;
        float most = 0;
        float scale = 0;

        for (size_t i = at; i < at + width; i++) {
            most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
        }
        /* Rounded down, so that 127 times the scale is a float whatever the largest is. */
        scale = (float)((double)most / CODE_MAX);
        if (scale * CODE_MAX > most) {
            scale = nextafterf(scale, 0);
        }
        store_u32(target, bits_of(scale));
        target += 4;
        for (size_t i = 0; i < width; i++) {
            target[i] = code_of(encode, values[at + i], scale, at + i);
        }
        target += width;
    }
}

/* --- the largest -------------------------------------------------------------------------- */

struct largest {
    uint32_t least; /* magnitudes above are kept, and of those that are equal */
    size_t equal;   /* the first so many */
};

#define DIGIT_BITS 11
#define DIGITS     (1u << DIGIT_BITS)

/* The magnitude of the KEEP-th largest, by its digits: the whole numbers of floats without
 * their sign are in the floats' order. */
static struct largest find_largest(const float *values, size_t count, size_t keep)
{
    struct largest largest = {0, keep};

    for (int shift = 31 - DIGIT_BITS; shift > -DIGIT_BITS; shift -= DIGIT_BITS) {
        const unsigned low = shift < 0 ? 0 : (unsigned)shift;
        const unsigned high = (unsigned)(shift + DIGIT_BITS);
        size_t counts[DIGITS] = {0};
        uint32_t digit = DIGITS - 1;

        for (size_t i = 0; i < count; i++) {
            const uint32_t magnitude = bits_of(values[i]) & 0x7fffffff;

            if ((uint64_t)magnitude >> high == (uint64_t)largest.least >> high) {
                counts[magnitude >> low & ((1u << (high - low)) - 1)]++;
            }
        }
        digit = (1u << (high - low)) - 1;
        while (counts[digit] < largest.equal && digit > 0) {
            largest.equal -= counts[digit];
            digit--;
        }
        largest.least |= digit << low;
    }
    return largest;
}

static void put_topk(const float *values, size_t count, size_t keep, struct ks_buf *out)
{
    struct largest largest = find_largest(values, count, keep);
    const size_t start = out->len;
    uint32_t found = 0;
    uint32_t equal = 0;

    ks_buf_put_u32(out, 0);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t magnitude = bits_of(values[i]) & 0x7fffffff;

        if (magnitude > largest.least ||
            (magnitude == largest.least && magnitude > 0 && equal < largest.equal)) {
            equal += magnitude == largest.least;
            ks_buf_put_u32(out, i);
            found++;
        }
    }
    if (out->err != KS_OK) {
        return;
    }
    store_u32(out->data + start, found);
    for (uint32_t i = 0; i < found; i++) {
        const uint32_t place = load_u32(out->data + start + 4 + 4 * (size_t)i);

        ks_buf_put_u32(out, bits_of(values[place]));
        if (out->err != KS_OK) {
            return;
        }
    }
}

enum ks_err ks_fl_encode(const struct ks_fl_encode *encode, const float *values, size_t count,
                         struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t bytes = (size_t)ks_fl_encoded_bytes_max(encode, count);
    uint8_t *target = NULL;

    KS_CHECK((unsigned)encode->encoding < KS_FL_ENCODINGS, KS_ERR_USAGE, "no such encoding");
    KS_CHECK(count >= 1 && count <= KS_FL_PARAMS_MAX, KS_ERR_LIMIT, "%zu parameters, 1 to %zu",
             count, KS_FL_PARAMS_MAX);
    KS_TRY(ks_fl_check_finite(values, count));
    if (encode->encoding == KS_FL_TOPK) {
        KS_CHECK(encode->keep >= 1 && encode->keep <= count, KS_ERR_USAGE,
                 "topk: %zu of %zu parameters", encode->keep, count);
        put_topk(values, count, encode->keep, out);
        KS_TRY(ks_buf_check(out));
        goto out;
    }
    target = ks_buf_reserve(out, bytes);
    KS_TRY(ks_buf_check(out));
    if (encode->encoding == KS_FL_F32) {
        put_f32(values, count, target);
    } else if (encode->encoding == KS_FL_F16) {
        KS_TRY(put_f16(values, count, target));
    } else {
        put_q8(encode, values, count, target);
    }
    ks_buf_grew(out, bytes);
out:
    return err;
}

/* --- checking ----------------------------------------------------------------------------- */

static enum ks_err check_f32(struct ks_bytes payload, size_t count)
{
    enum ks_err err = KS_OK;

    KS_CHECK(payload.len == count * 4, KS_ERR_FORMAT, "f32: %zu bytes for %zu parameters",
             payload.len, count);
    for (size_t i = 0; i < count; i++) {
        KS_CHECK((load_u32(payload.data + 4 * i) & 0x7f800000) != 0x7f800000, KS_ERR_FORMAT,
                 "f32: parameter %zu is not a finite number", i);
    }
out:
    return err;
}

static enum ks_err check_f16(struct ks_bytes payload, size_t count)
{
    enum ks_err err = KS_OK;

    KS_CHECK(payload.len == count * 2, KS_ERR_FORMAT, "f16: %zu bytes for %zu parameters",
             payload.len, count);
    for (size_t i = 0; i < count; i++) {
        KS_CHECK((load_u16(payload.data + 2 * i) & 0x7fff) < HALF_INFINITE, KS_ERR_FORMAT,
                 "f16: parameter %zu is not a finite number", i);
    }
out:
    return err;
}

/* A scale has one form: 0 where all codes are 0; and 127 times it is finite. */
static enum ks_err check_block(const uint8_t *block, size_t width, size_t at)
{
    enum ks_err err = KS_OK;
    const uint32_t bits = load_u32(block);
    bool any = false;

    KS_CHECK(bits >> 31 == 0 && isfinite(value_of(bits) * CODE_MAX), KS_ERR_FORMAT,
             "q8: the scale of parameter %zu and its block", at);
    for (size_t i = 0; i < width; i++) {
        KS_CHECK(block[4 + i] != 0x80, KS_ERR_FORMAT, "q8: the code of parameter %zu", at + i);
        any = any || block[4 + i] != 0;
    }
    KS_CHECK(any || bits == 0, KS_ERR_FORMAT,
             "q8: a scale for the zeros of parameter %zu and its block", at);
    KS_CHECK(!any || bits != 0, KS_ERR_FORMAT, "q8: no scale for parameter %zu and its block",
             at);
out:
    return err;
}

static enum ks_err check_q8(struct ks_bytes payload, size_t count)
{
    enum ks_err err = KS_OK;

    KS_CHECK(payload.len == count + blocks_of(count) * 4, KS_ERR_FORMAT,
             "q8: %zu bytes for %zu parameters", payload.len, count);
    for (size_t at = 0; at < count; at += KS_FL_BLOCK) {
        KS_TRY(check_block(payload.data + at / KS_FL_BLOCK * (KS_FL_BLOCK + 4),
                           count - at < KS_FL_BLOCK ? count - at : KS_FL_BLOCK, at));
    }
out:
    return err;
}

static enum ks_err check_topk(struct ks_bytes payload, size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "topk");
    uint32_t kept = 0;
    uint32_t next = 0; /* the least place that may come */

    KS_TRY(ks_read_u32(&reader, &kept));
    KS_CHECK(kept <= count && reader.rest.len == (size_t)kept * 8, KS_ERR_FORMAT,
             "topk: %zu bytes for %u of %zu parameters", payload.len, kept, count);
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t place = 0;

        KS_TRY(ks_read_u32(&reader, &place));
        KS_CHECK(place >= next && place < count, KS_ERR_FORMAT, "topk: place %u out of order",
                 place);
        next = place + 1;
    }
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t bits = 0;

        KS_TRY(ks_read_u32(&reader, &bits));
        KS_CHECK((bits & 0x7f800000) != 0x7f800000 && (bits & 0x7fffffff) != 0, KS_ERR_FORMAT,
                 "topk: number %u is 0, or not finite", i);
    }
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

enum ks_err ks_fl_encoded_check(enum ks_fl_encoding encoding, struct ks_bytes payload,
                                size_t count)
{
    switch (encoding) {
    case KS_FL_F32:
        return check_f32(payload, count);
    case KS_FL_F16:
        return check_f16(payload, count);
    case KS_FL_Q8:
        return check_q8(payload, count);
    case KS_FL_TOPK:
        return check_topk(payload, count);
    default:
        return ks_fail(KS_ERR_FORMAT, "no encoding %u", (unsigned)encoding);
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static void decode_q8(struct ks_bytes payload, size_t count, float *out_values)
{
    const uint8_t *block = payload.data;

    for (size_t at = 0; at < count; at += KS_FL_BLOCK) {
        const size_t width = count - at < KS_FL_BLOCK ? count - at : KS_FL_BLOCK;
        const float scale = value_of(load_u32(block));

        for (size_t i = 0; i < width; i++) {
            out_values[at + i] = (float)(int8_t)block[4 + i] * scale;
        }
        block += 4 + width;
    }
}

static void decode_topk(struct ks_bytes payload, size_t count, float *out_values)
{
    const size_t kept = load_u32(payload.data);
    const uint8_t *places = payload.data + 4;
    const uint8_t *values = places + 4 * kept;

    ks_zero(out_values, count * sizeof *out_values);
    for (size_t i = 0; i < kept; i++) {
        out_values[load_u32(places + 4 * i)] = value_of(load_u32(values + 4 * i));
    }
}

void ks_fl_decode(enum ks_fl_encoding encoding, struct ks_bytes payload, size_t count,
                  float *out_values)
{
    switch (encoding) {
    case KS_FL_Q8:
        decode_q8(payload, count, out_values);
        break;
    case KS_FL_TOPK:
        decode_topk(payload, count, out_values);
        break;
    case KS_FL_F16:
        for (size_t i = 0; i < count; i++) {
            out_values[i] = ks_fl_half_value(load_u16(payload.data + 2 * i));
        }
        break;
    default:
        for (size_t i = 0; i < count; i++) {
            out_values[i] = value_of(load_u32(payload.data + 4 * i));
        }
        break;
    }
}

enum ks_err ks_fl_encode_feedback(const struct ks_fl_encode *encode, float *values,
                                  float *residual, size_t count, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t start = out->len;

    for (size_t i = 0; i < count; i++) {
        values[i] += residual[i];
    }
    KS_TRY(ks_fl_encode(encode, values, count, out));
    ks_fl_decode(encode->encoding, ks_bytes_of(out->data + start, out->len - start), count,
                 residual);
    for (size_t i = 0; i < count; i++) {
        const float seen = residual[i];

        residual[i] = values[i] - seen;
        values[i] = seen;
    }
out:
    return err;
}
