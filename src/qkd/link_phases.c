/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the phases of a block say: docs/formats/qkd-link.md. */

#include "qkd/internal.h"

#define WORD            64
#define VARINT_LEN_MAX  8 /* bytes: 56 bits, which pulses and a bit fit into */
#define VARINT_BITS     7
#define CHUNK_PHOTONS   ((size_t)1 << 18) /* bytes of photons from which a message is sent */
#define PHOTON_LEN_MAX  (VARINT_LEN_MAX + 1)
#define RAW_MIN         256  /* bits; with fewer nothing can be left */
#define SAMPLE_MIN      100  /* shown in X, to trust its error rate alone */
#define ERROR_RATE_MAX  0.25 /* an intercepted pulse has no more */
#define CLASSES_OF_BYTE 4
#define COUNT_LEN       4
#define SEEDS_LEN       (2 * KS_QKD_KEY_LEN)
#define BITS_LEN_MAX    ((size_t)KS_LINK_DETECTED_MAX / 8)
/* A key of a byte, and what goes back into the pool. */
#define LENGTH_MIN (8 * (KS_LINK_REFILL_LEN + 1))

_Static_assert(KS_LINK_PULSES_MAX < (uint64_t)1 << (VARINT_BITS * VARINT_LEN_MAX - 1),
               "a pulse and a bit are one number of a varint");

/* --- packed bits and numbers -------------------------------------------------------------- */

static size_t words_of(size_t bits)
{
    return (bits + WORD - 1) / WORD;
}

static void put_bits(struct ks_buf *out, const uint64_t *words, size_t bits)
{
    for (size_t i = 0; i < (bits + 7) / 8; i++) {
        ks_buf_put_u8(out, (uint8_t)(words[i / 8] >> (8 * (i % 8))));
    }
}

/* BITS bits into fresh words, one more than needed; those behind the last have to be 0. */
static enum ks_err read_bits(struct ks_reader *reader, size_t bits, uint64_t **out_words)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes = {0};
    uint64_t *words = NULL;

    KS_TRY(ks_read_bytes(reader, (bits + 7) / 8, &bytes));
    KS_CHECK(bits % 8 == 0 || bytes.data[bytes.len - 1] >> (bits % 8) == 0, KS_ERR_FORMAT,
             "%s: bits behind the last one", reader->what);
    words = ks_calloc(words_of(bits) + 1, sizeof *words);
    KS_CHECK(words != NULL, KS_ERR_NOMEM, "%zu bits", bits);
    for (size_t i = 0; i < bytes.len; i++) {
        words[i / 8] |= (uint64_t)bytes.data[i] << (8 * (i % 8));
    }
    *out_words = words;
out:
    return err;
}

/* Little end first, seven bits a byte, the top bit says that more follow: one encoding for each
 * value. */
static void put_varint(struct ks_buf *out, uint64_t value)
{
    while (value >> VARINT_BITS > 0) {
        ks_buf_put_u8(out, (uint8_t)(0x80 | (value & 0x7f)));
        value >>= VARINT_BITS;
    }
    ks_buf_put_u8(out, (uint8_t)value);
}

static enum ks_err read_varint(struct ks_reader *reader, uint64_t *out_value)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_LEN_MAX; i++) {
        uint8_t byte = 0;
        const enum ks_err err = ks_read_u8(reader, &byte);

        if (err != KS_OK) {
            return err;
        }
        value |= (uint64_t)(byte & 0x7f) << (VARINT_BITS * i);
        if (byte < 0x80) {
            if (byte == 0 && i > 0) {
                break;
            }
            *out_value = value;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "%s: a number that is not in its shortest form",
                   reader->what);
}

/* --- beginning ---------------------------------------------------------------------------- */

static uint64_t pool_total(const struct ks_link *link)
{
    return link->pool.first * KS_AUTH_TAG_LEN + link->pool.len;
}

static enum ks_err make_begin(struct ks_link *link, struct ks_buf *out)
{
    ks_buf_put(out, KS_BYTES(link->digest));
    ks_buf_put_u64(out, pool_total(link));
    return KS_OK;
}

static enum ks_err take_begin(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint8_t digest[sizeof link->digest];
    uint64_t total = 0;

    KS_TRY(ks_read_copy(reader, digest, sizeof digest));
    KS_TRY(ks_read_u64(reader, &total));
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(link->digest)), KS_ERR_FORMAT,
             "the ends of the link have different protocols");
    KS_CHECK(total == pool_total(link), KS_ERR_FORMAT,
             "the ends of the link have different pools: the last key reached one of them");
out:
    return err;
}

/* --- photons ------------------------------------------------------------------------------ */

/* A pulse as the distance to the one before; the first, as its number. */
static uint64_t distance(struct ks_link *link, uint64_t pulse)
{
    const uint64_t value = link->photon_seen ? pulse - link->last_pulse - 1 : pulse;

    link->photon_seen = true;
    link->last_pulse = pulse;
    return value;
}

enum ks_err ks_link_make_photons(struct ks_link *link, struct ks_buf *out, bool *out_more)
{
    struct ks_qkd_photons photons[KS_QKD_LANES];
    const size_t start = out->len;
    unsigned count = 0;
    bool more = true;

    while (more && out->len - start < CHUNK_PHOTONS) {
        more = ks_qkd_channel_next(&link->channel, photons, &count);
        for (unsigned i = 0; i < count; i++) {
            put_varint(out, distance(link, photons[i].pulse));
            ks_buf_put_u8(
                out, (uint8_t)(photons[i].basis << 7 | photons[i].bit << 6 | photons[i].count));
        }
    }
    *out_more = more;
    return ks_buf_check(out);
}

static enum ks_err read_photons(struct ks_link *link, struct ks_reader *reader,
                                struct ks_qkd_photons *out_photons)
{
    enum ks_err err = KS_OK;
    const uint64_t pulses = link->params.protocol.pulses;
    const uint64_t first = link->photon_seen ? link->last_pulse + 1 : 0;
    uint64_t skipped = 0;
    uint8_t light = 0;

    KS_TRY(read_varint(reader, &skipped));
    KS_TRY(ks_read_u8(reader, &light));
    KS_CHECK(skipped < pulses - first, KS_ERR_FORMAT, "photons: behind the last pulse");
    KS_CHECK((light & KS_QKD_PHOTONS_MAX) > 0, KS_ERR_FORMAT, "photons: none in a pulse");
    link->photon_seen = true;
    link->last_pulse = first + skipped;
    *out_photons = (struct ks_qkd_photons){link->last_pulse, light >> 7, light >> 6 & 1,
                                           light & KS_QKD_PHOTONS_MAX};
out:
    return err;
}

enum ks_err ks_link_take_photons(struct ks_link *link, struct ks_bytes payload, bool more)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "photons");
    struct ks_qkd_photons photons[KS_QKD_LANES];

    while (reader.rest.len > 0) {
        unsigned count = 0;

        while (count < KS_QKD_LANES && reader.rest.len > 0) {
            KS_TRY(read_photons(link, &reader, &photons[count]));
            count++;
        }
        KS_TRY(ks_qkd_detector_take(&link->detector, photons, count));
    }
    if (!more) {
        KS_TRY(ks_qkd_detector_end(&link->detector));
        link->report.detected = link->detector.count;
    }
out:
    return err;
}

/* --- what was detected -------------------------------------------------------------------- */

static enum ks_err make_detected(struct ks_link *link, struct ks_buf *out)
{
    const struct ks_qkd_detector *detector = &link->detector;
    uint64_t first = 0;

    ks_buf_put_u32(out, (uint32_t)detector->count);
    for (size_t i = 0; i < detector->count; i++) {
        const uint64_t click = detector->clicks[i];
        const uint64_t pulse = KS_QKD_CLICK_PULSE(click);

        put_varint(out, (pulse - first) << 1 | KS_QKD_CLICK_BASIS(click));
        first = pulse + 1;
    }
    return ks_buf_check(out);
}

static enum ks_err take_detected(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_qkd_detector *detector = &link->detector;
    uint32_t count = 0;
    uint64_t first = 0;

    KS_TRY(ks_read_u32(reader, &count));
    KS_CHECK(count <= KS_LINK_DETECTED_MAX && count <= reader->rest.len, KS_ERR_FORMAT,
             "detected: %u clicks in %zu bytes", count, reader->rest.len);
    detector->clicks = ks_calloc((size_t)count + 1, sizeof *detector->clicks);
    KS_CHECK(detector->clicks != NULL, KS_ERR_NOMEM, "%u clicks", count);
    detector->room = (size_t)count + 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = 0;

        KS_TRY(read_varint(reader, &value));
        KS_CHECK(value >> 1 < link->params.protocol.pulses - first, KS_ERR_FORMAT,
                 "detected: behind the last pulse");
        detector->clicks[i] = (first + (value >> 1)) << 2 | (value & 1) << 1;
        first += (value >> 1) + 1;
    }
    detector->count = count;
    link->report.detected = count;
out:
    return err;
}

/* --- sifting ------------------------------------------------------------------------------ */

/* Alice's bits into the clicks that Bob announced, and what she says of each. */
static void classify(struct ks_link *link, uint8_t *classes)
{
    struct ks_qkd_detector *detector = &link->detector;
    uint64_t pulses[KS_QKD_LANES] = {0};
    struct ks_qkd_choice choices[KS_QKD_LANES];

    for (size_t i = 0; i < detector->count; i += KS_QKD_LANES) {
        const size_t left = detector->count - i;
        const size_t count = left < KS_QKD_LANES ? left : KS_QKD_LANES;

        for (size_t k = 0; k < count; k++) {
            pulses[k] = KS_QKD_CLICK_PULSE(detector->clicks[i + k]);
        }
        ks_qkd_source_choose(&link->source, pulses, choices);
        for (size_t k = 0; k < count; k++) {
            uint64_t *click = &detector->clicks[i + k];

            *click |= choices[k].bit;
            classes[i + k] = choices[k].basis == KS_QKD_CLICK_BASIS(*click)
                                 ? (uint8_t)(choices[k].intensity + 1)
                                 : KS_SIFT_DROPPED;
        }
    }
}

static struct ks_qkd_key draw_seed(struct ks_link *link, struct ks_buf *out)
{
    uint8_t bytes[KS_QKD_KEY_LEN];

    ks_qkd_stream_bytes(&link->public, bytes, sizeof bytes);
    ks_buf_put(out, KS_BYTES(bytes));
    return ks_qkd_key_of(bytes);
}

static enum ks_err sift(struct ks_link *link, const uint8_t *classes)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_sift(link->detector.clicks, classes, link->detector.count, &link->sample_seed,
                   link->params.protocol.sample, &link->sift));
    link->report.sampled = link->sift.shown_bits;
    link->report.sifted = link->sift.shown_bits + link->sift.raw_bits;
    link->report.raw_bits = link->sift.raw_bits;
out:
    return err;
}

static enum ks_err make_sifted(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t count = link->detector.count;
    uint8_t *classes = ks_calloc(count + CLASSES_OF_BYTE, 1);

    KS_CHECK(classes != NULL, KS_ERR_NOMEM, "%zu clicks", count);
    classify(link, classes);
    link->sample_seed = draw_seed(link, out);
    link->shuffle_seed = draw_seed(link, out);
    for (size_t i = 0; i < count; i += CLASSES_OF_BYTE) {
        ks_buf_put_u8(out, (uint8_t)(classes[i] | classes[i + 1] << 2 | classes[i + 2] << 4 |
                                     classes[i + 3] << 6));
    }
    KS_TRY(sift(link, classes));
    put_bits(out, link->sift.shown, link->sift.shown_bits);
    KS_TRY(ks_buf_check(out));
out:
    ks_free(classes);
    return err;
}

static enum ks_err read_seed(struct ks_reader *reader, struct ks_qkd_key *out_key)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[KS_QKD_KEY_LEN];

    KS_TRY(ks_read_copy(reader, bytes, sizeof bytes));
    *out_key = ks_qkd_key_of(bytes);
out:
    return err;
}

static enum ks_err read_classes(struct ks_reader *reader, size_t count, uint8_t *classes)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i += CLASSES_OF_BYTE) {
        uint8_t byte = 0;

        KS_TRY(ks_read_u8(reader, &byte));
        for (size_t k = 0; k < CLASSES_OF_BYTE; k++) {
            classes[i + k] = byte >> (2 * k) & (KS_SIFT_CLASSES - 1);
            KS_CHECK(i + k < count || classes[i + k] == 0, KS_ERR_FORMAT,
                     "sifted: more than %zu clicks", count);
        }
    }
out:
    return err;
}

static enum ks_err take_sifted(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    const size_t count = link->detector.count;
    uint8_t *classes = ks_calloc(count + CLASSES_OF_BYTE, 1);
    uint64_t *shown = NULL;

    KS_CHECK(classes != NULL, KS_ERR_NOMEM, "%zu clicks", count);
    KS_TRY(read_seed(reader, &link->sample_seed));
    KS_TRY(read_seed(reader, &link->shuffle_seed));
    KS_TRY(read_classes(reader, count, classes));
    KS_TRY(sift(link, classes));
    KS_TRY(read_bits(reader, link->sift.shown_bits, &shown));
    ks_sift_count(&link->sift, shown, link->report.counts);
out:
    ks_free(classes);
    ks_free(shown);
    return err;
}

static enum ks_err make_shown(struct ks_link *link, struct ks_buf *out)
{
    put_bits(out, link->sift.shown, link->sift.shown_bits);
    return ks_buf_check(out);
}

static enum ks_err take_shown(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint64_t *shown = NULL;

    KS_TRY(read_bits(reader, link->sift.shown_bits, &shown));
    ks_sift_count(&link->sift, shown, link->report.counts);
out:
    ks_free(shown);
    return err;
}

/* --- what the shown bits say -------------------------------------------------------------- */

struct totals {
    uint64_t shown;
    uint64_t errors;
};

static struct totals totals_of(const struct ks_link *link, unsigned basis)
{
    struct totals totals = {0, 0};

    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        totals.shown += link->report.counts[basis][k].shown;
        totals.errors += link->report.counts[basis][k].errors;
    }
    return totals;
}

/* The rate for the block sizes of reconciliation: of the sample, or with few of all that was
 * shown. */
static double error_rate(const struct ks_link *link)
{
    struct totals totals = totals_of(link, KS_LINK_X);

    if (totals.shown < SAMPLE_MIN) {
        const struct totals z = totals_of(link, KS_LINK_Z);

        totals.shown += z.shown;
        totals.errors += z.errors;
    }
    return ((double)totals.errors + 0.5) / ((double)totals.shown + 1.0);
}

static void estimate(struct ks_link *link)
{
    struct ks_link_report *report = &link->report;
    struct ks_finite_counts counts;

    for (unsigned basis = 0; basis < KS_LINK_BASES; basis++) {
        const struct totals totals = totals_of(link, basis);

        report->qber[basis] =
            totals.shown > 0 ? (double)totals.errors / (double)totals.shown : 0.0;
    }
    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        counts.raw[k] = link->sift.raw_counts[k];
        counts.shown[k] = report->counts[KS_LINK_Z][k].shown;
        counts.errors[k] = report->counts[KS_LINK_Z][k].errors;
    }
    link->bounds = ks_finite_bounds_of(&link->params.protocol, &counts);
    report->vacuum_bits = link->bounds.vacuum_bits;
    report->single_bits = link->bounds.single_bits;
    report->phase_error = link->bounds.phase_error;
}

/* Before reconciliation tells anybody anything: is there something to be had? Both ends know
 * the same, and answer alike. */
static enum ks_err settle_estimate(struct ks_link *link)
{
    enum ks_err err = KS_OK;
    struct ks_cascade_spec spec = {
        .bits = link->sift.raw_bits,
        .frame_bits = link->params.protocol.frame_bits,
        .error_rate = error_rate(link),
        .shuffle = link->shuffle_seed,
        .corrects = link->role == KS_LINK_BOB,
    };

    estimate(link);
    if (link->sift.raw_bits < RAW_MIN || totals_of(link, KS_LINK_Z).shown == 0) {
        ks_link_end(link, KS_LINK_OUTCOME_NO_DETECTIONS);
        return KS_OK;
    }
    if (spec.error_rate > ERROR_RATE_MAX) {
        ks_link_end(link, KS_LINK_OUTCOME_ERROR_RATE);
        return KS_OK;
    }
    link->report.length_bits = ks_finite_length(&link->bounds, 0);
    if (link->report.length_bits < LENGTH_MIN) {
        ks_link_end(link, KS_LINK_OUTCOME_LENGTH);
        return KS_OK;
    }
    KS_TRY(ks_cascade_new(&spec, link->sift.raw, &link->cascade));
    link->phase = KS_LINK_ASK;
out:
    return err;
}

/* --- reconciliation ----------------------------------------------------------------------- */

static enum ks_err make_ask(struct ks_link *link, struct ks_buf *out)
{
    ks_cascade_show(link->cascade, out);
    return ks_buf_check(out);
}

static enum ks_err take_ask(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_bytes parities = {0};

    ks_buf_clear(&link->answer);
    ks_cascade_show(link->cascade, &link->answer);
    KS_TRY(ks_buf_check(&link->answer));
    KS_TRY(ks_read_bytes(reader, reader->rest.len, &parities));
    KS_TRY(ks_cascade_take(link->cascade, parities));
out:
    return err;
}

static enum ks_err make_answer(struct ks_link *link, struct ks_buf *out)
{
    ks_buf_put(out, ks_buf_view(&link->answer));
    return ks_buf_check(out);
}

static enum ks_err take_answer(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_bytes parities = {0};

    KS_TRY(ks_read_bytes(reader, reader->rest.len, &parities));
    KS_TRY(ks_cascade_take(link->cascade, parities));
out:
    return err;
}

/* After each round: on, done, or more was leaked than there was. */
static void settle_round(struct ks_link *link)
{
    struct ks_link_report *report = &link->report;
    const double raw = (double)link->sift.raw_bits;

    report->leaked_bits = ks_cascade_leaked(link->cascade);
    report->corrected = ks_cascade_corrected(link->cascade);
    report->rounds = ks_cascade_steps(link->cascade);
    report->length_bits = ks_finite_length(&link->bounds, report->leaked_bits);
    if (report->length_bits < LENGTH_MIN) {
        ks_link_end(link, KS_LINK_OUTCOME_LENGTH);
        return;
    }
    if (!ks_cascade_done(link->cascade)) {
        link->phase = KS_LINK_ASK;
        return;
    }
    if (report->corrected > 0) {
        const double entropy = ks_real_entropy((double)report->corrected / raw);

        report->efficiency = (double)report->leaked_bits / (raw * entropy);
    }
    link->phase = KS_LINK_VERIFY;
}

/* --- verification ------------------------------------------------------------------------- */

/* The hash of the reconciled bits as bytes, under a key that was chosen after they were
 * settled. */
static enum ks_err key_hash(struct ks_link *link, const uint8_t hash_key[KS_AUTH_KEY_LEN],
                            uint8_t out_tag[KS_AUTH_TAG_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_auth_hash hash;
    struct ks_buf bytes;

    ks_buf_init(&bytes, BITS_LEN_MAX);
    put_bits(&bytes, ks_cascade_bits(link->cascade), link->sift.raw_bits);
    KS_TRY(ks_buf_check(&bytes));
    ks_auth_hash_init(&hash, link->gf2, hash_key);
    ks_auth_hash_put(&hash, ks_buf_view(&bytes));
    ks_auth_hash_value(&hash, out_tag);
    ks_auth_hash_done(&hash);
    link->report.verify_bits = KS_FINITE_VERIFY_BITS;
out:
    ks_buf_wipe(&bytes);
    return err;
}

static enum ks_err make_verify(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t hash_key[KS_AUTH_KEY_LEN];
    uint8_t tag[KS_AUTH_TAG_LEN];

    ks_qkd_stream_bytes(&link->public, hash_key, sizeof hash_key);
    KS_TRY(key_hash(link, hash_key, tag));
    ks_buf_put(out, KS_BYTES(hash_key));
    ks_buf_put(out, KS_BYTES(tag));
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static enum ks_err take_verify(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint8_t hash_key[KS_AUTH_KEY_LEN];
    uint8_t tag[KS_AUTH_TAG_LEN];
    uint8_t want[KS_AUTH_TAG_LEN];

    KS_TRY(ks_read_copy(reader, hash_key, sizeof hash_key));
    KS_TRY(ks_read_copy(reader, tag, sizeof tag));
    KS_TRY(key_hash(link, hash_key, want));
    link->verified = ks_ct_equal(KS_BYTES(tag), KS_BYTES(want));
out:
    return err;
}

static enum ks_err make_verified(struct ks_link *link, struct ks_buf *out)
{
    ks_buf_put_u8(out, link->verified ? 1 : 0);
    return ks_buf_check(out);
}

static enum ks_err take_verified(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint8_t verified = 0;

    KS_TRY(ks_read_u8(reader, &verified));
    KS_CHECK(verified <= 1, KS_ERR_FORMAT, "verified: %u", verified);
    link->verified = verified == 1;
out:
    return err;
}

/* --- privacy amplification ---------------------------------------------------------------- */

static enum ks_err amplify(struct ks_link *link, const uint64_t *seed)
{
    enum ks_err err = KS_OK;
    const size_t bits = (size_t)link->report.length_bits;
    uint64_t *target = ks_calloc(words_of(bits), sizeof *target);
    const size_t len = bits / 8; /* a rest is dropped */

    KS_CHECK(target != NULL, KS_ERR_NOMEM, "a key of %zu bits", bits);
    KS_TRY(ks_toeplitz(link->gf2, ks_cascade_bits(link->cascade), link->sift.raw_bits, seed,
                       target, bits));
    link->key = ks_calloc(len, 1);
    KS_CHECK(link->key != NULL, KS_ERR_NOMEM, "a key of %zu bytes", len);
    link->key_len = len;
    for (size_t i = 0; i < len; i++) {
        link->key[i] = (uint8_t)(target[i / 8] >> (8 * (i % 8)));
    }
out:
    if (target != NULL) {
        ks_wipe(target, words_of(bits) * sizeof *target);
    }
    ks_free(target);
    return err;
}

static enum ks_err make_amplify(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const uint64_t length = (uint64_t)link->report.length_bits;
    const size_t bits = ks_toeplitz_seed_bits(link->sift.raw_bits, (size_t)length);
    uint64_t *seed = ks_calloc(words_of(bits), sizeof *seed);

    KS_CHECK(seed != NULL, KS_ERR_NOMEM, "a seed of %zu bits", bits);
    for (size_t i = 0; i < words_of(bits); i++) {
        seed[i] = ks_qkd_stream_u64(&link->public);
    }
    if (bits % WORD > 0) {
        seed[bits / WORD] &= ((uint64_t)1 << (bits % WORD)) - 1;
    }
    ks_buf_put_u64(out, length);
    put_bits(out, seed, bits);
    KS_TRY(ks_buf_check(out));
    KS_TRY(amplify(link, seed));
out:
    ks_free(seed);
    return err;
}

static enum ks_err take_amplify(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint64_t length = 0;
    uint64_t *seed = NULL;

    KS_TRY(ks_read_u64(reader, &length));
    KS_CHECK(length == (uint64_t)link->report.length_bits, KS_ERR_FORMAT,
             "amplify: %llu bits, %llu are left", (unsigned long long)length,
             (unsigned long long)link->report.length_bits);
    KS_TRY(
        read_bits(reader, ks_toeplitz_seed_bits(link->sift.raw_bits, (size_t)length), &seed));
    KS_TRY(amplify(link, seed));
out:
    ks_free(seed);
    return err;
}

/* --- proofs ------------------------------------------------------------------------------- */

static enum ks_err make_proof(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const uint64_t number = link->pool.first;
    uint8_t value[KS_AUTH_TAG_LEN];

    ks_auth_hash_value(&link->transcript, value);
    KS_TRY(ks_auth_pool_hide(&link->pool, number, value, value));
    link->report.auth_bits += 8 * KS_AUTH_TAG_LEN;
    ks_buf_put_u64(out, number);
    ks_buf_put(out, KS_BYTES(value));
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static enum ks_err take_proof(struct ks_link *link, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint64_t number = 0;
    uint8_t tag[KS_AUTH_TAG_LEN];
    uint8_t value[KS_AUTH_TAG_LEN];

    KS_TRY(ks_read_u64(reader, &number));
    KS_TRY(ks_read_copy(reader, tag, sizeof tag));
    KS_TRY(ks_read_end(reader));
    ks_copy(value, link->proof, sizeof value);
    KS_TRY(ks_auth_pool_hide(&link->pool, number, value, value));
    link->report.auth_bits += 8 * KS_AUTH_TAG_LEN;
    KS_CHECK(ks_ct_equal(KS_BYTES(tag), KS_BYTES(value)), KS_ERR_VERIFY,
             "the other end's tag over this block is false");
out:
    return err;
}

/* The key's first bytes go back to the pool, the others are the caller's. */
static enum ks_err settle_key(struct ks_link *link)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_auth_pool_put(&link->pool, ks_bytes_of(link->key, KS_LINK_REFILL_LEN)));
    link->report.secret_bits = 8 * (uint64_t)(link->key_len - KS_LINK_REFILL_LEN);
    ks_link_end(link, KS_LINK_OUTCOME_KEY);
out:
    return err;
}

/* --- the phases --------------------------------------------------------------------------- */

struct phase_row {
    enum ks_link_role sender;
    size_t payload_max;
    enum ks_err (*make)(struct ks_link *link, struct ks_buf *out);
    enum ks_err (*take)(struct ks_link *link, struct ks_reader *reader);
    const char *name;
};

#define PARITIES_MAX     ((size_t)KS_CASCADE_WINDOW * KS_CASCADE_FRAME_MAX / 8)
#define SIFTED_MAX       (SEEDS_LEN + KS_LINK_DETECTED_MAX / CLASSES_OF_BYTE + 1 + BITS_LEN_MAX)
#define DETECTED_LEN_MAX (COUNT_LEN + (size_t)KS_LINK_DETECTED_MAX * VARINT_LEN_MAX)

static const struct phase_row phases[KS_LINK_PHASES] = {
    [KS_LINK_BEGIN] = {KS_LINK_ALICE, 40, make_begin, take_begin, "begin"},
    [KS_LINK_PHOTONS] = {KS_LINK_ALICE, KS_LINK_CHUNK_MAX, NULL, NULL, "photons"},
    [KS_LINK_DETECTED] = {KS_LINK_BOB, DETECTED_LEN_MAX, make_detected, take_detected,
                          "detected"},
    [KS_LINK_SIFTED] = {KS_LINK_ALICE, SIFTED_MAX, make_sifted, take_sifted, "sifted"},
    [KS_LINK_SHOWN] = {KS_LINK_BOB, BITS_LEN_MAX, make_shown, take_shown, "shown"},
    [KS_LINK_ASK] = {KS_LINK_ALICE, PARITIES_MAX, make_ask, take_ask, "ask"},
    [KS_LINK_ANSWER] = {KS_LINK_BOB, PARITIES_MAX, make_answer, take_answer, "answer"},
    [KS_LINK_VERIFY] = {KS_LINK_ALICE, KS_AUTH_KEY_LEN + KS_AUTH_TAG_LEN, make_verify,
                        take_verify, "verify"},
    [KS_LINK_VERIFIED] = {KS_LINK_BOB, 1, make_verified, take_verified, "verified"},
    [KS_LINK_AMPLIFY] = {KS_LINK_ALICE, 8 + 2 * BITS_LEN_MAX, make_amplify, take_amplify,
                         "amplify"},
    [KS_LINK_PROOF_ALICE] = {KS_LINK_ALICE, 8 + KS_AUTH_TAG_LEN, make_proof, take_proof,
                             "proof"},
    [KS_LINK_PROOF_BOB] = {KS_LINK_BOB, 8 + KS_AUTH_TAG_LEN, make_proof, take_proof, "proof"},
};

enum ks_link_role ks_link_sender(enum ks_link_phase phase)
{
    return phases[phase].sender;
}

size_t ks_link_payload_max(enum ks_link_phase phase)
{
    return phases[phase].payload_max;
}

enum ks_err ks_link_make(struct ks_link *link, struct ks_buf *out_payload)
{
    return phases[link->phase].make(link, out_payload);
}

enum ks_err ks_link_take(struct ks_link *link, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, phases[link->phase].name);

    KS_TRY(phases[link->phase].take(link, &reader));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

enum ks_err ks_link_advance(struct ks_link *link)
{
    switch (link->phase) {
    case KS_LINK_SHOWN:
        return settle_estimate(link);
    case KS_LINK_ANSWER:
        settle_round(link);
        return KS_OK;
    case KS_LINK_VERIFIED:
        if (!link->verified) {
            ks_link_end(link, KS_LINK_OUTCOME_VERIFICATION);
            return KS_OK;
        }
        break;
    case KS_LINK_PROOF_BOB:
        return settle_key(link);
    default:
        break;
    }
    link->phase++;
    return KS_OK;
}
