/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/cascade.h"

#include "qkd/real.h"

#define WORD 64
/* Frames of less than two of the third pass's blocks go to halves at once. */
#define THIRD_BLOCK 4096

/* A pass cuts the shuffled frame into blocks, and each block by halves into a tree. Node 1 of a
 * block is the block, the children of node h are 2h and 2h + 1; nodes of all blocks stand one
 * after the other. */
struct pass {
    unsigned block;  /* bits of a block; the last may have fewer */
    unsigned blocks; /* in a frame, >= 2 */
    unsigned nodes;  /* of a block's tree, a power of two */
    uint16_t *order; /* bit of the frame at each place; NULL before the first frame is there */
    uint16_t *place; /* and back */
};

/* A node whose parities are known to differ, and whose halves' are not known. */
struct odd {
    uint32_t node;
    uint16_t pass;
    uint16_t reserved;
    uint32_t start; /* places of the node */
    uint32_t end;
};

struct frame {
    size_t first;  /* bit of the whole */
    unsigned pass; /* of the tops that are asked, or were asked last */
    bool tops;     /* this step asks the tops of that pass */
    bool done;
    uint64_t *bits[KS_CASCADE_PASSES]; /* shuffled */
    uint64_t *known[KS_CASCADE_PASSES];
    uint64_t *wrong[KS_CASCADE_PASSES];  /* parities differ */
    uint64_t *queued[KS_CASCADE_PASSES]; /* stands in odds */
    struct odd *odds;
    size_t odd_count;
    size_t odd_room;
    size_t asked; /* this step asks the first of odds */
};

struct ks_cascade {
    struct ks_cascade_spec spec;
    size_t frame_bits; /* of each frame; the last is filled with zeros that both know */
    size_t frames;
    size_t next_frame; /* the first behind the window */
    struct pass passes[KS_CASCADE_PASSES];
    struct frame window[KS_CASCADE_WINDOW];
    unsigned open;   /* frames in the window */
    uint64_t *bits;  /* frames * frame_bits, each frame from a word's beginning */
    uint64_t *flat;  /* the same without the filling, made when asked for */
    uint64_t *shown; /* this end's parities of the step */
    size_t shown_room;
    size_t count;
    uint64_t leaked;
    uint64_t corrected;
    uint64_t steps;
};

static bool get(const uint64_t *bits, size_t i)
{
    return (bits[i / WORD] >> (i % WORD) & 1) != 0;
}

static void flip(uint64_t *bits, size_t i)
{
    bits[i / WORD] ^= (uint64_t)1 << (i % WORD);
}

static void put(uint64_t *bits, size_t i, bool value)
{
    const uint64_t mask = (uint64_t)1 << (i % WORD);

    bits[i / WORD] = value ? bits[i / WORD] | mask : bits[i / WORD] & ~mask;
}

static size_t words_of(size_t bits)
{
    return (bits + WORD - 1) / WORD;
}

/* Parity of bits START to END - 1, START < END. */
static bool parity(const uint64_t *bits, size_t start, size_t end)
{
    const size_t first = start / WORD;
    const size_t last = (end - 1) / WORD;
    const uint64_t low = ~(uint64_t)0 << (start % WORD);
    const uint64_t high = ~(uint64_t)0 >> (WORD - 1 - (end - 1) % WORD);
    uint64_t sum = bits[first] & low;

    if (first == last) {
        return __builtin_parityll(sum & high) != 0;
    }
    for (size_t i = first + 1; i < last; i++) {
        sum ^= bits[i];
    }
    return __builtin_parityll(sum ^ (bits[last] & high)) != 0;
}

/* --- passes ------------------------------------------------------------------------------- */

static unsigned power_of_two(double exponent)
{
    unsigned power = 1;

    for (double e = exponent; e > 0.0; e -= 1.0) {
        power *= 2;
    }
    return power;
}

/* arXiv:1407.3257, table 3, option 8: 2^ceil(a), 2^ceil((a + 12) / 2), 4096, then halves, where
 * a = log2(1/Q) - 1/2. */
static void plan_passes(struct ks_cascade *cascade, double error_rate)
{
    const unsigned bits = (unsigned)cascade->frame_bits;
    const unsigned half = (bits + 1) / 2;
    const double a = ks_real_log2(1.0 / error_rate) - 0.5;

    for (unsigned p = 0; p < KS_CASCADE_PASSES; p++) {
        struct pass *pass = &cascade->passes[p];

        pass->block = p == 0   ? power_of_two(a)
                      : p == 1 ? power_of_two((a + 12.0) / 2.0)
                      : p == 2 ? THIRD_BLOCK
                               : half;
        if (pass->block > half) {
            pass->block = half;
        }
        pass->blocks = (bits + pass->block - 1) / pass->block;
        pass->nodes = 2;
        while (pass->nodes / 2 < pass->block) {
            pass->nodes *= 2;
        }
    }
}

/* Shuffles are public and only have to be unrelated to the errors: SplitMix64 (Steele, Lea and
 * Flood 2014) from an announced seed does, at a tenth of ChaCha20's time. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Fisher and Yates. A draw from 48 bits is uniform to 2^-32 for up to 2^16 places. */
static void shuffle(uint16_t *order, unsigned count, uint64_t seed)
{
    for (unsigned i = 0; i < count; i++) {
        order[i] = (uint16_t)i;
    }
    for (unsigned i = count - 1; i > 0; i--) {
        const unsigned k = (unsigned)((mix(&seed) >> 16) * (i + 1) >> 48);
        const uint16_t kept = order[i];

        order[i] = order[k];
        order[k] = kept;
    }
}

/* The first pass takes the frame as it is. */
static enum ks_err shuffle_pass(struct ks_cascade *cascade, unsigned p)
{
    struct pass *pass = &cascade->passes[p];
    const unsigned bits = (unsigned)cascade->frame_bits;

    if (pass->order != NULL) {
        return KS_OK;
    }
    pass->order = ks_calloc(bits, sizeof *pass->order);
    pass->place = ks_calloc(bits, sizeof *pass->place);
    if (pass->order == NULL || pass->place == NULL) {
        return ks_fail(KS_ERR_NOMEM, "a shuffle of %u bits", bits);
    }
    if (p == 0) {
        for (unsigned i = 0; i < bits; i++) {
            pass->order[i] = (uint16_t)i;
        }
    } else {
        const struct ks_qkd_key key =
            ks_qkd_key_derive(&cascade->spec.shuffle, KS_QKD_USE_SHUFFLE, p);

        shuffle(pass->order, bits, (uint64_t)key.words[1] << 32 | key.words[0]);
    }
    for (unsigned i = 0; i < bits; i++) {
        pass->place[pass->order[i]] = (uint16_t)i;
    }
    return KS_OK;
}

/* --- frames ------------------------------------------------------------------------------- */

static enum ks_err push_odd(struct frame *frame, const struct odd *odd)
{
    uint64_t *queued = frame->queued[odd->pass];

    if (get(queued, odd->node)) {
        return KS_OK;
    }
    if (frame->odd_count == frame->odd_room) {
        const size_t room = frame->odd_room == 0 ? 64 : 2 * frame->odd_room;
        struct odd *odds = ks_realloc(frame->odds, room, sizeof *odds);

        if (odds == NULL) {
            return ks_fail(KS_ERR_NOMEM, "%zu ranges", room);
        }
        frame->odds = odds;
        frame->odd_room = room;
    }
    flip(queued, odd->node);
    frame->odds[frame->odd_count++] = *odd;
    return KS_OK;
}

/* Shuffles the frame's bits, as they are now, for pass FRAME->pass and asks for its tops. */
static enum ks_err open_pass(struct ks_cascade *cascade, struct frame *frame)
{
    enum ks_err err = KS_OK;
    const unsigned p = frame->pass;
    struct pass *pass = &cascade->passes[p];
    const size_t tree_words = words_of((size_t)pass->blocks * pass->nodes);
    const size_t bit_words = words_of(cascade->frame_bits);
    const uint64_t *source = cascade->bits + frame->first / WORD;

    KS_TRY(shuffle_pass(cascade, p));
    if (frame->bits[p] == NULL) {
        frame->bits[p] = ks_calloc(bit_words, sizeof(uint64_t));
        frame->known[p] = ks_calloc(3 * tree_words, sizeof(uint64_t));
        KS_CHECK(frame->bits[p] != NULL && frame->known[p] != NULL, KS_ERR_NOMEM,
                 "a pass of %zu bits", cascade->frame_bits);
        frame->wrong[p] = frame->known[p] + tree_words;
        frame->queued[p] = frame->wrong[p] + tree_words;
    } else {
        ks_zero(frame->known[p], 3 * tree_words * sizeof(uint64_t));
    }
    for (size_t w = 0; w < bit_words; w++) {
        const size_t left = cascade->frame_bits - w * WORD;
        const size_t count = left < WORD ? left : WORD;
        uint64_t word = 0;

        for (size_t i = 0; i < count; i++) {
            word |= (uint64_t)get(source, pass->order[w * WORD + i]) << i;
        }
        frame->bits[p][w] = word;
    }
    frame->tops = true;
out:
    return err;
}

static unsigned top_end(const struct ks_cascade *cascade, const struct pass *pass, unsigned top)
{
    const unsigned end = (top + 1) * pass->block;

    return end < cascade->frame_bits ? end : (unsigned)cascade->frame_bits;
}

/* One bit of the frame is found wrong: every node above it, in each pass, changes. */
static enum ks_err found(struct ks_cascade *cascade, struct frame *frame, unsigned bit)
{
    for (unsigned p = 0; p <= frame->pass; p++) {
        const struct pass *pass = &cascade->passes[p];
        const unsigned at = pass->place[bit];
        const unsigned top = at / pass->block;
        struct odd odd = {.pass = (uint16_t)p,
                          .start = top * pass->block,
                          .end = top_end(cascade, pass, top)};
        uint32_t node = 1;

        if (cascade->spec.corrects) {
            flip(frame->bits[p], at);
        }
        for (;;) {
            odd.node = top * pass->nodes + node;
            flip(frame->wrong[p], odd.node);
            if (odd.end - odd.start == 1 ||
                !get(frame->known[p], (size_t)top * pass->nodes + 2 * (size_t)node)) {
                break;
            }
            const uint32_t middle = odd.start + (odd.end - odd.start + 1) / 2;

            if (at < middle) {
                odd.end = middle;
                node = 2 * node;
            } else {
                odd.start = middle;
                node = 2 * node + 1;
            }
        }
        if (!get(frame->wrong[p], odd.node)) {
            continue;
        }
        if (odd.end - odd.start == 1) {
            return ks_fail(KS_ERR_FORMAT, "parities contradict each other");
        }
        enum ks_err err = push_odd(frame, &odd);
        if (err != KS_OK) {
            return err;
        }
    }
    if (cascade->spec.corrects) {
        flip(cascade->bits, frame->first + bit);
    }
    cascade->corrected++;
    return KS_OK;
}

/* --- a step ------------------------------------------------------------------------------- */

/* Drops what is even by now, and puts what this step halves to the front: of the pass with the
 * smallest odd range all that are of at most twice that size. Within one pass they share no
 * bit, so none is asked for in vain. */
static void choose_odds(struct frame *frame)
{
    uint32_t smallest = UINT32_MAX;
    unsigned pass = 0;
    size_t kept = 0;

    for (size_t i = 0; i < frame->odd_count; i++) {
        const struct odd odd = frame->odds[i];
        const uint32_t size = odd.end - odd.start;

        if (!get(frame->wrong[odd.pass], odd.node)) {
            flip(frame->queued[odd.pass], odd.node);
            continue;
        }
        if (size < smallest) {
            smallest = size;
            pass = odd.pass;
        }
        frame->odds[kept++] = odd;
    }
    frame->odd_count = kept;
    frame->asked = 0;
    for (size_t i = 0; i < kept; i++) {
        const struct odd odd = frame->odds[i];

        if (odd.pass == pass) {
            frame->odds[i] = frame->odds[frame->asked];
            frame->odds[frame->asked++] = odd;
        }
    }
}

/* What FRAME asks next: halves, the next pass's tops, or nothing more. */
static enum ks_err choose_frame(struct ks_cascade *cascade, struct frame *frame)
{
    enum ks_err err = KS_OK;

    frame->tops = false;
    choose_odds(frame);
    if (frame->asked == 0) {
        if (frame->pass + 1 == KS_CASCADE_PASSES) {
            frame->done = true;
            return KS_OK;
        }
        frame->pass++;
        KS_TRY(open_pass(cascade, frame));
    }
out:
    return err;
}

/* Tops whose parities FRAME asks for: after the first pass the parity of all is known. */
static size_t tops_asked(const struct ks_cascade *cascade, const struct frame *frame)
{
    const unsigned blocks = cascade->passes[frame->pass].blocks;

    return frame->pass == 0 ? blocks : blocks - 1;
}

static size_t frame_count(const struct ks_cascade *cascade, const struct frame *frame)
{
    return frame->tops ? tops_asked(cascade, frame) : frame->asked;
}

static size_t show_frame(const struct ks_cascade *cascade, const struct frame *frame, size_t at)
{
    const struct pass *pass = &cascade->passes[frame->pass];
    const size_t count = frame_count(cascade, frame);

    for (size_t i = 0; i < count; i++) {
        if (frame->tops) {
            put(cascade->shown, at + i,
                parity(frame->bits[frame->pass], i * pass->block,
                       top_end(cascade, pass, (unsigned)i)));
        } else {
            const struct odd *odd = &frame->odds[i];

            put(cascade->shown, at + i,
                parity(frame->bits[odd->pass], odd->start,
                       odd->start + (odd->end - odd->start + 1) / 2));
        }
    }
    return at + count;
}

static enum ks_err open_window(struct ks_cascade *cascade)
{
    enum ks_err err = KS_OK;

    cascade->open = 0;
    while (cascade->open < KS_CASCADE_WINDOW && cascade->next_frame < cascade->frames) {
        struct frame *frame = &cascade->window[cascade->open];

        frame->first = cascade->next_frame * words_of(cascade->frame_bits) * WORD;
        frame->pass = 0;
        frame->done = false;
        frame->odd_count = 0;
        frame->asked = 0;
        KS_TRY(open_pass(cascade, frame));
        cascade->next_frame++;
        cascade->open++;
    }
out:
    return err;
}

/* Computes this end's parities of the step that is now to be taken. */
static enum ks_err prepare(struct ks_cascade *cascade)
{
    enum ks_err err = KS_OK;
    size_t count = 0;
    size_t at = 0;

    for (unsigned i = 0; i < cascade->open; i++) {
        count += cascade->window[i].done ? 0 : frame_count(cascade, &cascade->window[i]);
    }
    if (count == 0) {
        KS_TRY(open_window(cascade));
        for (unsigned i = 0; i < cascade->open; i++) {
            count += frame_count(cascade, &cascade->window[i]);
        }
    }
    if (words_of(count) > cascade->shown_room) {
        const size_t room = 2 * words_of(count);

        ks_free(cascade->shown);
        cascade->shown_room = 0;
        cascade->shown = ks_calloc(room, sizeof(uint64_t));
        KS_CHECK(cascade->shown != NULL, KS_ERR_NOMEM, "%zu parities", count);
        cascade->shown_room = room;
    }
    cascade->count = count;
    ks_zero(cascade->shown, words_of(count) * sizeof(uint64_t));
    for (unsigned i = 0; i < cascade->open; i++) {
        if (!cascade->window[i].done) {
            at = show_frame(cascade, &cascade->window[i], at);
        }
    }
out:
    return err;
}

/* --- taking ------------------------------------------------------------------------------- */

struct answers {
    const uint8_t *data;
    const uint64_t *own;
    size_t at;
};

/* True where the ends differ. */
static bool next_difference(struct answers *answers)
{
    const size_t i = answers->at++;

    return get(answers->own, i) != ((answers->data[i / 8] >> (i % 8) & 1) != 0);
}

static enum ks_err take_tops(struct ks_cascade *cascade, struct frame *frame,
                             struct answers *answers)
{
    enum ks_err err = KS_OK;
    const unsigned p = frame->pass;
    const struct pass *pass = &cascade->passes[p];
    const size_t asked = tops_asked(cascade, frame);
    bool sum = false;

    for (unsigned top = 0; top < pass->blocks; top++) {
        /* All of the frame is even once the first pass is done. */
        const bool wrong = top < asked ? next_difference(answers) : sum;
        const struct odd odd = {.node = top * pass->nodes + 1,
                                .pass = (uint16_t)p,
                                .start = top * pass->block,
                                .end = top_end(cascade, pass, top)};

        sum ^= wrong;
        put(frame->known[p], odd.node, true);
        put(frame->wrong[p], odd.node, wrong);
        if (wrong) {
            KS_TRY(push_odd(frame, &odd));
        }
    }
out:
    return err;
}

/* ODD's lower half is known to be wrong or right; its upper one is then the other. */
static enum ks_err take_half(struct ks_cascade *cascade, struct frame *frame,
                             const struct odd *odd, bool wrong)
{
    const struct pass *pass = &cascade->passes[odd->pass];
    const uint32_t base = odd->node - odd->node % pass->nodes;
    const uint32_t child = base + 2 * (odd->node % pass->nodes);
    const uint32_t middle = odd->start + (odd->end - odd->start + 1) / 2;
    struct odd half = {.pass = odd->pass,
                       .node = wrong ? child : child + 1,
                       .start = wrong ? odd->start : middle,
                       .end = wrong ? middle : odd->end};

    flip(frame->queued[odd->pass], odd->node);
    put(frame->known[odd->pass], child, true);
    put(frame->known[odd->pass], child + 1, true);
    put(frame->wrong[odd->pass], child, wrong);
    put(frame->wrong[odd->pass], child + 1, !wrong);
    if (half.end - half.start > 1) {
        return push_odd(frame, &half);
    }
    return found(cascade, frame, pass->order[half.start]);
}

static enum ks_err take_halves(struct ks_cascade *cascade, struct frame *frame,
                               struct answers *answers)
{
    enum ks_err err = KS_OK;
    const size_t asked = frame->asked;

    for (size_t i = 0; i < asked; i++) {
        const struct odd odd = frame->odds[i]; /* a push may move them */

        KS_TRY(take_half(cascade, frame, &odd, next_difference(answers)));
    }
    /* What was asked is answered: the rest moves down. */
    frame->odd_count -= asked;
    for (size_t i = 0; i < frame->odd_count; i++) {
        frame->odds[i] = frame->odds[i + asked];
    }
out:
    return err;
}

enum ks_err ks_cascade_take(struct ks_cascade *cascade, struct ks_bytes parities)
{
    enum ks_err err = KS_OK;
    struct answers answers = {parities.data, cascade->shown, 0};
    const unsigned rest = (unsigned)(cascade->count % 8);

    KS_CHECK(cascade->count > 0, KS_ERR_FORMAT, "no parities are awaited");
    KS_CHECK(parities.len == (cascade->count + 7) / 8, KS_ERR_FORMAT,
             "%zu bytes of parities for %zu", parities.len, cascade->count);
    KS_CHECK(rest == 0 || parities.data[parities.len - 1] >> rest == 0, KS_ERR_FORMAT,
             "bits behind the last parity");
    cascade->steps++;
    cascade->leaked += cascade->count;
    for (unsigned i = 0; i < cascade->open; i++) {
        struct frame *frame = &cascade->window[i];

        if (frame->done) {
            continue;
        }
        if (frame->tops) {
            KS_TRY(take_tops(cascade, frame, &answers));
        } else {
            KS_TRY(take_halves(cascade, frame, &answers));
        }
        KS_TRY(choose_frame(cascade, frame));
    }
    KS_TRY(prepare(cascade));
out:
    return err;
}

/* --- life --------------------------------------------------------------------------------- */

/* Bits FROM… of SOURCE to the beginning of TARGET. */
static void copy_bits(uint64_t *target, const uint64_t *source, size_t from, size_t count)
{
    const unsigned shift = (unsigned)(from % WORD);
    const size_t last = (from + count - 1) / WORD;

    for (size_t w = 0; w < words_of(count); w++) {
        const size_t at = from / WORD + w;
        uint64_t word = source[at] >> shift;

        if (shift > 0 && at < last) {
            word |= source[at + 1] << (WORD - shift);
        }
        target[w] = word;
    }
    if (count % WORD > 0) {
        target[count / WORD] &= ((uint64_t)1 << (count % WORD)) - 1;
    }
}

enum ks_err ks_cascade_new(const struct ks_cascade_spec *spec, const uint64_t *bits,
                           struct ks_cascade **out_cascade)
{
    enum ks_err err = KS_OK;
    struct ks_cascade *cascade = ks_calloc(1, sizeof *cascade);
    double rate = spec->error_rate;

    KS_ASSERT(spec->bits > 0 && spec->frame_bits >= KS_CASCADE_FRAME_MIN &&
              spec->frame_bits <= KS_CASCADE_FRAME_MAX);
    KS_CHECK(cascade != NULL, KS_ERR_NOMEM, "a reconciliation");
    rate = rate < KS_CASCADE_ERROR_MIN ? KS_CASCADE_ERROR_MIN : rate;
    rate = rate > KS_CASCADE_ERROR_MAX ? KS_CASCADE_ERROR_MAX : rate;
    cascade->spec = *spec;
    cascade->frames = (spec->bits + spec->frame_bits - 1) / spec->frame_bits;
    cascade->frame_bits = (spec->bits + cascade->frames - 1) / cascade->frames;
    if (cascade->frame_bits < 2) {
        cascade->frame_bits = 2;
    }
    plan_passes(cascade, rate);
    cascade->bits =
        ks_calloc(cascade->frames * words_of(cascade->frame_bits), sizeof(uint64_t));
    cascade->flat = ks_calloc(words_of(spec->bits), sizeof(uint64_t));
    KS_CHECK(cascade->bits != NULL && cascade->flat != NULL, KS_ERR_NOMEM, "%zu bits",
             spec->bits);
    for (size_t f = 0; f < cascade->frames; f++) {
        const size_t from = f * cascade->frame_bits;
        const size_t left = from < spec->bits ? spec->bits - from : 0;
        const size_t count = left < cascade->frame_bits ? left : cascade->frame_bits;

        if (count > 0) {
            copy_bits(cascade->bits + f * words_of(cascade->frame_bits), bits, from, count);
        }
    }
    KS_TRY(prepare(cascade));
    *out_cascade = cascade;
    cascade = NULL;
out:
    ks_cascade_free(cascade);
    return err;
}

void ks_cascade_free(struct ks_cascade *cascade)
{
    if (cascade == NULL) {
        return;
    }
    const size_t bit_words = words_of(cascade->frame_bits);

    for (unsigned i = 0; i < KS_CASCADE_WINDOW; i++) {
        struct frame *frame = &cascade->window[i];

        for (unsigned p = 0; p < KS_CASCADE_PASSES; p++) {
            if (frame->bits[p] != NULL) {
                ks_wipe(frame->bits[p], bit_words * sizeof(uint64_t));
            }
            ks_free(frame->bits[p]);
            ks_free(frame->known[p]);
        }
        ks_free(frame->odds);
    }
    for (unsigned p = 0; p < KS_CASCADE_PASSES; p++) {
        ks_free(cascade->passes[p].order);
        ks_free(cascade->passes[p].place);
    }
    if (cascade->bits != NULL) {
        ks_wipe(cascade->bits, cascade->frames * bit_words * sizeof(uint64_t));
    }
    if (cascade->flat != NULL) {
        ks_wipe(cascade->flat, words_of(cascade->spec.bits) * sizeof(uint64_t));
    }
    ks_free(cascade->bits);
    ks_free(cascade->flat);
    ks_free(cascade->shown);
    ks_wipe(cascade, sizeof *cascade);
    ks_free(cascade);
}

bool ks_cascade_done(const struct ks_cascade *cascade)
{
    return cascade->count == 0;
}

size_t ks_cascade_count(const struct ks_cascade *cascade)
{
    return cascade->count;
}

void ks_cascade_show(const struct ks_cascade *cascade, struct ks_buf *out)
{
    for (size_t i = 0; i < (cascade->count + 7) / 8; i++) {
        ks_buf_put_u8(out, (uint8_t)(cascade->shown[i / 8] >> (8 * (i % 8))));
    }
}

const uint64_t *ks_cascade_bits(const struct ks_cascade *cascade)
{
    const size_t frame_words = words_of(cascade->frame_bits);
    uint64_t *flat = cascade->flat;

    ks_zero(flat, words_of(cascade->spec.bits) * sizeof(uint64_t));
    for (size_t f = 0; f < cascade->frames; f++) {
        const uint64_t *bits = cascade->bits + f * frame_words;
        const size_t first = f * cascade->frame_bits;
        const unsigned shift = (unsigned)(first % WORD);

        for (size_t w = 0; w < frame_words && first + w * WORD < cascade->spec.bits; w++) {
            const size_t at = first / WORD + w;

            flat[at] |= bits[w] << shift;
            if (shift > 0 && at + 1 < words_of(cascade->spec.bits)) {
                flat[at + 1] |= bits[w] >> (WORD - shift);
            }
        }
    }
    return flat;
}

uint64_t ks_cascade_leaked(const struct ks_cascade *cascade)
{
    return cascade->leaked;
}

uint64_t ks_cascade_corrected(const struct ks_cascade *cascade)
{
    return cascade->corrected;
}

uint64_t ks_cascade_steps(const struct ks_cascade *cascade)
{
    return cascade->steps;
}
