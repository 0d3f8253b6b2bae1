/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/sift.h"

#include "qkd/detector.h"

#define WORD 64

static void append(uint64_t *bits, size_t *count, unsigned bit)
{
    bits[*count / WORD] |= (uint64_t)bit << (*count % WORD);
    (*count)++;
}

enum ks_err ks_sift(const uint64_t *clicks, const uint8_t *classes, size_t count,
                    const struct ks_qkd_key *seed, double sample, struct ks_sift *out_sift)
{
    enum ks_err err = KS_OK;
    const uint64_t sample_below = (uint64_t)(sample * 0x1p32);
    struct ks_qkd_stream stream;
    struct ks_sift sift = {
        .raw = ks_calloc(count / WORD + 1, sizeof(uint64_t)),
        .shown = ks_calloc(count / WORD + 1, sizeof(uint64_t)),
        .kinds = ks_calloc(count + 1, 1),
    };

    KS_CHECK(sift.raw != NULL && sift.shown != NULL && sift.kinds != NULL, KS_ERR_NOMEM,
             "sifting %zu clicks", count);
    ks_qkd_stream_init(&stream, seed, KS_QKD_USE_SAMPLE);
    for (size_t i = 0; i < count; i++) {
        if (classes[i] == KS_SIFT_DROPPED) {
            continue;
        }
        const unsigned basis = KS_QKD_CLICK_BASIS(clicks[i]);
        const unsigned intensity = classes[i] - 1u;
        const unsigned bit = KS_QKD_CLICK_BIT(clicks[i]);

        if (basis == KS_LINK_Z || ks_qkd_stream_u32(&stream) < sample_below) {
            sift.kinds[sift.shown_bits] = (uint8_t)(basis << 2 | intensity);
            append(sift.shown, &sift.shown_bits, bit);
        } else {
            sift.raw_counts[intensity]++;
            append(sift.raw, &sift.raw_bits, bit);
        }
    }
    *out_sift = sift;
    sift = (struct ks_sift){0};
out:
    ks_sift_done(&sift);
    return err;
}

void ks_sift_done(struct ks_sift *sift)
{
    if (sift->raw != NULL) {
        ks_wipe(sift->raw, (sift->raw_bits / WORD + 1) * sizeof(uint64_t));
    }
    ks_free(sift->raw);
    ks_free(sift->shown);
    ks_free(sift->kinds);
    *sift = (struct ks_sift){0};
}

void ks_sift_count(const struct ks_sift *sift, const uint64_t *other_shown,
                   struct ks_link_count out_counts[KS_LINK_BASES][KS_LINK_INTENSITIES])
{
    for (unsigned basis = 0; basis < KS_LINK_BASES; basis++) {
        for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
            out_counts[basis][k] = (struct ks_link_count){
                .sifted = basis == KS_LINK_X ? sift->raw_counts[k] : 0,
            };
        }
    }
    for (size_t i = 0; i < sift->shown_bits; i++) {
        struct ks_link_count *kind = &out_counts[sift->kinds[i] >> 2][sift->kinds[i] & 3];
        const uint64_t difference = sift->shown[i / WORD] ^ other_shown[i / WORD];

        kind->sifted++;
        kind->shown++;
        kind->errors += difference >> (i % WORD) & 1;
    }
}
